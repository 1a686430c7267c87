/* Whole files: read with a limit, a genesis with its newline, written once. */
#include "lg_files.h"
#include "tests/lib/store_fixture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

struct world {
    char dir[64], path[96];
    struct sg_buf b;
    struct sg_fault fault;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    strcpy(w->dir, "/tmp/gridwitness-files-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->path, sizeof w->path, "%s/file", w->dir);
    sg_buf_init(&w->b, 1u << 20);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    sg_buf_fini(&w->b);
    fixture_remove_dir(w->dir);
    free(w);
    return 0;
}

static void write_file(const char *path, const void *bytes, size_t len)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

/* What was created is read back, appended, with mode 0644; a limit of exactly its size is enough. */
static void file_created_is_read_back(void **state)
{
    struct world *w = *state;
    struct stat st;
    assert_code(lg_file_create(w->path, "a\0b", 3, &w->fault), 0);
    assert_int_equal(stat(w->path, &st), 0);
    assert_int_equal(st.st_mode & 0733, 0600); /* 0644, less what the umask takes */
    sg_buf_puts(&w->b, "x");
    assert_code(lg_file_read(&w->b, w->path, 3, &w->fault), 0);
    assert_int_equal(w->b.len, 4);
    assert_memory_equal(w->b.p, "xa\0b", 4);
}

/* One byte more than the limit is refused, and nothing is read. */
static void file_above_the_limit_is_refused(void **state)
{
    struct world *w = *state;
    write_file(w->path, "abcd", 4);
    assert_code(lg_file_read(&w->b, w->path, 3, &w->fault), SG_ETOO_LARGE);
    assert_int_equal(w->fault.err, SG_ETOO_LARGE);
    assert_non_null(strstr(w->fault.text, w->path));
    assert_int_equal(w->b.len, 0);
}

/* A file whose size is not known beforehand (/proc says 0) is held to the limit all the same. */
static void file_of_unknown_size_is_held_to_the_limit(void **state)
{
    struct world *w = *state;
    assert_code(lg_file_read(&w->b, "/proc/self/status", 16, &w->fault), SG_ETOO_LARGE);
    sg_buf_reset(&w->b);
    assert_code(lg_file_read(&w->b, "/proc/self/status", 1u << 20, &w->fault), 0);
    assert_true(w->b.len > 16);
}

/* What is not there, a folder, a pipe without a writer: refused at once, by name, and nothing blocks. */
static void file_that_is_no_regular_file_is_refused(void **state)
{
    struct world *w = *state;
    assert_code(lg_file_read(&w->b, w->path, 10, &w->fault), SG_EIO);
    assert_non_null(strstr(w->fault.text, w->path));
    assert_code(lg_file_read(&w->b, w->dir, 10, &w->fault), SG_EIO);
    assert_non_null(strstr(w->fault.text, "not a regular file"));
    assert_int_equal(mkfifo(w->path, 0600), 0);
    assert_code(lg_file_read(&w->b, w->path, 10, &w->fault), SG_EIO);
}

/* An existing file, a dangling link too, is never written over. */
static void file_create_never_overwrites(void **state)
{
    struct world *w = *state;
    char link[128];
    write_file(w->path, "kept", 4);
    assert_code(lg_file_create(w->path, "new", 3, &w->fault), SG_EIO);
    assert_non_null(strstr(w->fault.text, w->path));
    assert_code(lg_file_read(&w->b, w->path, 10, &w->fault), 0);
    assert_memory_equal(w->b.p, "kept", 4);
    snprintf(link, sizeof link, "%s/link", w->dir);
    assert_int_equal(symlink("/nonexistent/target", link), 0);
    assert_code(lg_file_create(link, "new", 3, &w->fault), SG_EIO);
    assert_code(lg_file_create("/nonexistent/file", "new", 3, &w->fault), SG_EIO);
}

/* A file that outgrows the limit of the process (as a disk without room would have it) is removed again. */
static void file_create_without_room_leaves_nothing(void **state)
{
    struct world *w = *state;
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 4;
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const int err = lg_file_create(w->path, "abcdefgh", 8, &w->fault);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, before);
    assert_code(err, SG_EIO);
    assert_int_equal(access(w->path, F_OK), -1);
}

/* A genesis is read with or without one newline; two, a space, a cut or a changed one are refused by file and code. */
static void genesis_file_tolerates_one_newline_only(void **state)
{
    static const char *const tails[] = {"", "\n", "\n\n", " ", "\r\n"};
    struct world *w = *state;
    json_t *chain = vec_load("chain.json");
    size_t len = 0;
    uint8_t *doc = vec_bytes(vec_get(chain, "genesis"), &len);
    struct lg_genesis *known = vec_genesis(vec_get(chain, "genesis"));
    const struct lg_hash id = known->id;
    char *text = malloc(len + 4);
    for (size_t i = 0; i < SG_ARRAY_LEN(tails); i++) {
        struct lg_genesis *g = NULL;
        memcpy(text, doc, len);
        strcpy(text + len, tails[i]);
        write_file(w->path, text, len + strlen(tails[i]));
        const int err = lg_genesis_load(&g, w->path, &w->fault);
        assert_code(err, i < 2 ? 0 : SG_ECONFIG);
        if (err == 0)
            assert_true(lg_hash_eq(&g->id, &id));
        else {
            assert_non_null(strstr(w->fault.text, w->path));
            assert_non_null(strstr(w->fault.text, "canonical"));
        }
        lg_genesis_free(g);
    }
    write_file(w->path, doc, len - 1);
    struct lg_genesis *g = NULL;
    assert_code(lg_genesis_load(&g, w->path, &w->fault), SG_ECONFIG);
    write_file(w->path, "", 0);
    assert_code(lg_genesis_load(&g, w->path, &w->fault), SG_ECONFIG);
    assert_code(lg_genesis_load(&g, "/nonexistent", &w->fault), SG_EIO);
    assert_null(g);
    lg_genesis_free(known);
    free(text);
    free(doc);
    json_decref(chain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(file_created_is_read_back, setup, teardown),
        cmocka_unit_test_setup_teardown(file_above_the_limit_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(file_of_unknown_size_is_held_to_the_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(file_that_is_no_regular_file_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(file_create_never_overwrites, setup, teardown),
        cmocka_unit_test_setup_teardown(file_create_without_room_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(genesis_file_tolerates_one_newline_only, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
