/* The main of a fuzz target where libFuzzer is not linked: replays every file of the folders that it is given.
 *
 * Invariant: each input is in an allocation of its own size, so a read beyond it is seen by the tools.
 * Refuses: a folder that cannot be read and, as a test that tests nothing, a corpus without a single file. */
#include "tests/lib/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void die(const char *what, const char *name)
{
    (void)fprintf(stderr, "%s: %s\n", name, what);
    exit(1);
}

static void replay_file(const char *path, size_t size)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(size ? size : 1);

    if (!f || !data || fread(data, 1, size, f) != size)
        die("cannot be read", path);
    (void)fclose(f);
    (void)LLVMFuzzerTestOneInput(data, size);
    free(data);
}

static int not_hidden(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

/* Files in the order of their names, so that a failure is the same each time; returns how many. */
static unsigned replay_folder(const char *folder)
{
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, not_hidden, alphasort);
    unsigned inputs = 0;

    if (n < 0)
        die("no such corpus", folder);
    for (int i = 0; i < n; i++) {
        char path[4096];
        struct stat st;

        if (snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name) >= (int)sizeof path)
            die("name too long", folder);
        free(entries[i]);
        if (stat(path, &st) != 0)
            die("cannot be read", path);
        if (S_ISREG(st.st_mode)) {
            replay_file(path, (size_t)st.st_size);
            inputs++;
        }
    }
    free(entries);
    return inputs;
}

int main(int argc, char **argv)
{
    unsigned inputs = 0;

    for (int i = 1; i < argc; i++)
        inputs += replay_folder(argv[i]);
    (void)printf("%u inputs replayed\n", inputs);
    if (inputs == 0)
        die("an empty corpus tests nothing", argc > 1 ? argv[1] : argv[0]);
    return 0;
}
