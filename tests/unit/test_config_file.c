/* Configuration files on disk: what is read, what is refused, where relative paths start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "sg_config.h"

enum { ONE_TOO_MANY = 1024 * 1024 + 1 };

static char folder[] = "/tmp/sg_config_XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static const char *file_path(char *dst, size_t size, const char *name)
{
    (void)snprintf(dst, size, "%s/%s", folder, name);
    return dst;
}

/* A file is read with its name in the messages; relative paths in it start at its folder. */
static void file_good_is_read(void **state)
{
    char path[128], other[128], wanted[160];
    struct sg_config *c;
    struct sg_fault fault;
    FILE *f = fopen(file_path(path, sizeof(path), "g.json"), "w");

    (void)state;
    assert_non_null(f);
    assert_true(fputs("{\"port\":\n0}\n", f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(sg_config_load(&c, path, &fault), 0);
    (void)sg_config_int(c, sg_config_root(c), "port", true, 0, 1, 2);
    assert_int_equal(sg_config_result(c, &fault), SG_ECONFIG);
    (void)snprintf(wanted, sizeof(wanted), "%s:2: $.port: 0 is not in 1..2", path);
    assert_string_equal(fault.text, wanted);
    assert_int_equal(sg_config_path(c, other, sizeof(other), "keys/a.pem"), 0);
    assert_string_equal(other, file_path(wanted, sizeof(wanted), "keys/a.pem"));
    assert_int_equal(sg_config_path(c, other, sizeof(other), "/keys/a.pem"), 0);
    assert_string_equal(other, "/keys/a.pem");
    assert_int_equal(sg_config_path(c, other, strlen(folder) + 3, "ab"), SG_ETOO_LARGE);
    assert_int_equal(sg_config_path(c, other, strlen(folder) + 4, "ab"), 0);
    sg_config_free(c);
    assert_int_equal(sg_config_parse(&c, "here.json", "{}", 2, &fault), 0);
    assert_int_equal(sg_config_path(c, other, sizeof(other), "data"), 0);
    assert_string_equal(other, "data");
    sg_config_free(c);
    assert_int_equal(unlink(path), 0);
}

static void assert_not_loaded(const char *path, const char *why)
{
    struct sg_config *c = (struct sg_config *)&c;
    struct sg_fault fault;

    assert_int_equal(sg_config_load(&c, path, &fault), SG_ECONFIG);
    assert_null(c);
    assert_memory_equal(fault.text, path, strlen(path));
    assert_non_null(strstr(fault.text, why));
}

/* What is no regular file, not there, or too large is refused at once, also a FIFO that nobody writes. */
static void file_unusable_is_refused(void **state)
{
    char path[128];

    (void)state;
    assert_not_loaded(file_path(path, sizeof(path), "none.json"), "No such file");
    assert_not_loaded(folder, "not a regular file");
    assert_not_loaded("/dev/zero", "not a regular file");
    assert_int_equal(mkfifo(file_path(path, sizeof(path), "fifo"), 0600), 0);
    assert_not_loaded(path, "not a regular file");
    assert_int_equal(unlink(path), 0);
    FILE *f = fopen(file_path(path, sizeof(path), "large.json"), "w");
    assert_non_null(f);
    assert_int_equal(ftruncate(fileno(f), ONE_TOO_MANY), 0);
    assert_int_equal(fclose(f), 0);
    assert_not_loaded(path, "larger than 1 MiB");
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_good_is_read),
        cmocka_unit_test(file_unusable_is_refused),
    };

    return cmocka_run_group_tests_name("config_file", tests, make_folder, remove_folder);
}
