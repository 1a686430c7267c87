/* Key files: which are read, which are refused (bad input K1), and how a new one is made. */
#include "sg_key.h"
#include "sg_text.h"
#include "tests/lib/pem_maker.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* A fresh directory for each test of files, removed with its content after it. */
static int directory_make(void **state)
{
    char name[] = "/tmp/sg-key-XXXXXX";

    *state = mkdtemp(name) ? strdup(name) : NULL;
    return *state ? 0 : -1;
}

static int directory_remove(void **state)
{
    DIR *dir = opendir(*state);
    struct dirent *e;
    int err;

    if (!dir)
        return -1;
    while ((e = readdir(dir)))
        (void)unlinkat(dirfd(dir), e->d_name, e->d_type == DT_DIR ? AT_REMOVEDIR : 0);
    (void)closedir(dir);
    err = rmdir(*state);
    free(*state);
    return err;
}

static void path_in(char path[static 100], void **state, const char *name)
{
    assert_true(snprintf(path, 100, "%s/%s", (char *)*state, name) < 100);
}

static void write_file(const char *path, mode_t mode, const void *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), n);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

/* The load fails with SG_ECONFIG, and the fault names the file and says `says`. */
static void assert_refused(const char *path, const char *says)
{
    struct sg_fault fault = {.err = 0};
    struct sg_key *k = NULL;

    assert_int_equal(sg_key_load(&k, path, &fault), SG_ECONFIG);
    assert_null(k);
    assert_int_equal(fault.err, SG_ECONFIG);
    assert_non_null(strstr(fault.text, path));
    if (!strstr(fault.text, says))
        fail_msg("\"%s\" does not say \"%s\"", fault.text, says);
}

/* A key file of mode 0600 or stricter is read, as the key that is in it. */
static void key_file_private_is_loaded(void **state)
{
    static const mode_t modes[] = {0600, 0400};
    uint8_t pub[32], expected[32];
    char path[100], pem[PEM_BYTES + 1];

    pem_of_seed(pem, SEED1);
    unhex(expected, 32, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    for (size_t i = 0; i < SG_ARRAY_LEN(modes); i++) {
        struct sg_fault fault;
        struct sg_key *k = NULL;

        path_in(path, state, i ? "b" : "a");
        write_file(path, modes[i], pem, PEM_BYTES);
        assert_int_equal(sg_key_load(&k, path, &fault), 0);
        sg_key_public(k, pub);
        assert_memory_equal(pub, expected, 32);
        sg_key_free(k);
    }
}

/* Any permission beyond reading and writing by the owner is refused (K1: 0644). */
static void key_file_wider_mode_is_refused(void **state)
{
    static const mode_t modes[] = {0644, 0640, 0604, 0660, 0620, 0602, 0700, 0610, 0601, 04600, 01600};
    char path[100], name[8], pem[PEM_BYTES + 1];

    pem_of_seed(pem, SEED1);
    for (size_t i = 0; i < SG_ARRAY_LEN(modes); i++) {
        (void)snprintf(name, sizeof name, "k%zu", i);
        path_in(path, state, name);
        write_file(path, modes[i], pem, PEM_BYTES);
        assert_refused(path, "mode is");
    }
}

/* What is no Ed25519 key, or a key with anything before or after it, is refused (K1: empty, 31, 33 bytes). */
static void key_file_other_content_is_refused(void **state)
{
    static const char raw[] = "0123456789abcdef0123456789abcdef0";
    static const char ec[] = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg"
                             "AQEBAQEBAQEBAQEB\n-----END PRIVATE KEY-----\n";
    static const char encrypted[] =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3"
        "DQEFDDAcBAh\n-----END ENCRYPTED PRIVATE KEY-----\n";
    char pem[PEM_BYTES + 1], twice[2 * PEM_BYTES + 1], crlf[PEM_BYTES + 4], after[PEM_BYTES + 3];
    struct {
        const char *name;
        const void *bytes;
        size_t len;
    } rows[] = {{"empty", "", 0}, {"raw31", raw, 31}, {"raw32", raw, 32}, {"raw33", raw, 33},
        {"ec", ec, sizeof ec - 1}, {"encrypted", encrypted, sizeof encrypted - 1},
        {"twice", twice, sizeof twice - 1}, {"crlf", crlf, PEM_BYTES + 3}, {"nul", after, PEM_BYTES + 1},
        {"cut", pem, PEM_BYTES - 1}};
    char path[100];

    pem_of_seed(pem, SEED1);
    (void)snprintf(twice, sizeof twice, "%s%s", pem, pem);
    (void)snprintf(
        crlf, sizeof crlf, "-----BEGIN PRIVATE KEY-----\r\n%.64s\r\n-----END PRIVATE KEY-----\r\n", pem + 28);
    memcpy(after, pem, sizeof pem);
    for (size_t i = 0; i < SG_ARRAY_LEN(rows); i++) {
        path_in(path, state, rows[i].name);
        write_file(path, 0600, rows[i].bytes, rows[i].len);
        assert_refused(path, "not exactly one Ed25519 private key");
    }
}

/* The seed of 31 or 33 bytes inside a well-formed PEM frame is refused too. */
static void key_file_wrong_seed_length_is_refused(void **state)
{
    static const uint8_t lengths[] = {31, 33};
    char path[100], base64[SG_BASE64_LEN(49) + 1], text[200];

    for (size_t i = 0; i < SG_ARRAY_LEN(lengths); i++) {
        uint8_t n = lengths[i], der[49] = {0x30, (uint8_t)(14 + n), 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70,
                                    4, (uint8_t)(n + 2), 4, n, 0xAA};

        sg_base64_encode(base64, der, 16U + n);
        (void)snprintf(
            text, sizeof text, "-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----\n", base64);
        path_in(path, state, i ? "long" : "short");
        write_file(path, 0600, text, strlen(text));
        assert_refused(path, "not exactly one Ed25519 private key");
    }
}

/* A symbolic link to a good key is refused: who owns the link chooses the key (K1). */
static void key_file_symlink_is_refused(void **state)
{
    char path[100], link[100], pem[PEM_BYTES + 1];

    pem_of_seed(pem, SEED1);
    path_in(path, state, "key");
    path_in(link, state, "link");
    write_file(path, 0600, pem, PEM_BYTES);
    assert_int_equal(symlink(path, link), 0);
    assert_refused(link, "symbolic link");
}

/* What is no regular file is refused at once: a FIFO does not hang, a directory and a device are no keys. */
static void key_file_not_regular_is_refused(void **state)
{
    char path[100];

    path_in(path, state, "fifo");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_refused(path, "not a regular file");
    assert_refused(*state, "not a regular file");
    assert_refused("/dev/null", "not a regular file");
}

/* A file that is not there is a fault with the system's reason. */
static void key_file_missing_is_refused(void **state)
{
    char path[100];

    path_in(path, state, "nothing");
    assert_refused(path, "No such file");
}

/* A key that belongs to another user is refused (K1). Only root can hand a file over, so others skip this. */
static void key_file_of_another_user_is_refused(void **state)
{
    char path[100], pem[PEM_BYTES + 1];

    if (geteuid() != 0)
        skip();
    pem_of_seed(pem, SEED1);
    path_in(path, state, "key");
    write_file(path, 0600, pem, PEM_BYTES);
    assert_int_equal(chown(path, 65534, 65534), 0);
    assert_refused(path, "belongs to user 65534");
}

/* A new key is a file of mode 0600 that loads as the same key, and two keys differ. */
static void key_create_writes_a_private_file_that_loads(void **state)
{
    uint8_t pub[2][32], loaded_pub[32];
    struct sg_fault fault;
    mode_t before = umask(0);

    for (size_t i = 0; i < 2; i++) {
        struct sg_key *k = NULL, *loaded = NULL;
        struct stat st;
        char path[100];

        path_in(path, state, i ? "b" : "a");
        assert_int_equal(sg_key_create(&k, path, &fault), 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(st.st_size, PEM_BYTES);
        assert_int_equal(sg_key_load(&loaded, path, &fault), 0);
        sg_key_public(k, pub[i]);
        sg_key_public(loaded, loaded_pub);
        assert_memory_equal(pub[i], loaded_pub, 32);
        assert_int_equal(sg_public_key_check(pub[i]), 0);
        sg_key_free(k);
        sg_key_free(loaded);
    }
    (void)umask(before);
    assert_memory_not_equal(pub[0], pub[1], 32);
}

/* An existing file, or a link to nowhere, is never written over. */
static void key_create_never_writes_over(void **state)
{
    struct sg_fault fault;
    struct sg_key *k = NULL;
    char path[100], link[100], text[9] = "";
    FILE *f;

    path_in(path, state, "key");
    path_in(link, state, "link");
    write_file(path, 0600, "precious", 8);
    assert_int_equal(sg_key_create(&k, path, &fault), SG_ECONFIG);
    assert_int_equal(fault.err, SG_ECONFIG);
    assert_non_null(strstr(fault.text, "exists"));
    f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fread(text, 1, 8, f), 8);
    (void)fclose(f);
    assert_string_equal(text, "precious");
    assert_int_equal(symlink("nowhere", link), 0);
    assert_int_equal(sg_key_create(&k, link, &fault), SG_ECONFIG);
    assert_null(k);
}

/* Where no file can be made there is a fault and no key. */
static void key_create_without_directory_is_a_fault(void **state)
{
    struct sg_fault fault = {.err = 0};
    struct sg_key *k = NULL;
    char path[100];

    path_in(path, state, "none/key");
    assert_int_equal(sg_key_create(&k, path, &fault), SG_ECONFIG);
    assert_int_equal(fault.err, SG_ECONFIG);
    assert_non_null(strstr(fault.text, path));
    assert_null(k);
}

/* A write that fails leaves a fault, no key and no half file: here the file may hold 50 bytes and no more. */
static void key_create_cut_write_leaves_nothing(void **state)
{
    struct sg_fault fault = {.err = 0};
    struct sg_key *k = NULL;
    struct rlimit old, small;
    char path[100];
    int err;

    path_in(path, state, "key");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){.rlim_cur = 50, .rlim_max = old.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    err = sg_key_create(&k, path, &fault);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(err, SG_EIO);
    assert_int_equal(fault.err, SG_EIO);
    assert_null(k);
    assert_int_equal(access(path, F_OK), -1);
}

#define FILE_TEST(f) cmocka_unit_test_setup_teardown(f, directory_make, directory_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(key_file_private_is_loaded),
        FILE_TEST(key_file_wider_mode_is_refused),
        FILE_TEST(key_file_other_content_is_refused),
        FILE_TEST(key_file_wrong_seed_length_is_refused),
        FILE_TEST(key_file_symlink_is_refused),
        FILE_TEST(key_file_not_regular_is_refused),
        FILE_TEST(key_file_missing_is_refused),
        FILE_TEST(key_file_of_another_user_is_refused),
        FILE_TEST(key_create_writes_a_private_file_that_loads),
        FILE_TEST(key_create_never_writes_over),
        FILE_TEST(key_create_without_directory_is_a_fault),
        FILE_TEST(key_create_cut_write_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
