/* Command line and life of a program: descriptors, signals, addresses, numbers, URLs. */
#include "sg_cli.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* Run in a child, whose exit code says what was wrong: 0 is good. */
static int init_in_child(void)
{
    struct rlimit limit;
    struct sigaction action;
    int ends[2];

    for (int fd = 0; fd <= 2; fd++)
        (void)close(fd);
    sg_cli_init();
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) < 0)
            return 1;
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > 1000)
        return 2;
    if (sigaction(SIGPIPE, NULL, &action) != 0 || action.sa_handler != SIG_IGN)
        return 3;
    if (umask(0) != 077)
        return 4;
    if (pipe(ends) != 0 || ends[0] <= 2 || close(ends[0]) != 0 || write(ends[1], "x", 1) >= 0)
        return 5;
    return 0;
}

/* What check returns in a process of its own. */
static int in_child(int (*check)(void))
{
    pid_t pid = fork();
    int status = -1;

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(check());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* A program started with closed descriptors gets them back, and SIGPIPE, limit and umask are set. */
static void cli_init_prepares_a_bare_process(void **state)
{
    (void)state;
    assert_int_equal(in_child(init_in_child), 0);
}

static int init_with_a_lower_limit(void)
{
    struct rlimit limit;

    (void)getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 64;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    sg_cli_init();
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur == 64 ? 0 : 1;
}

/* A limit that is lower already stays. */
static void cli_init_keeps_a_lower_limit(void **state)
{
    (void)state;
    assert_int_equal(in_child(init_with_a_lower_limit), 0);
}

#ifdef __GLIBC__
#define LARGE        (1u << 20)
#define NO_SUCH_INFO 77

/* A second large piece comes from the system alone, as the first did. The C library of GNU, left alone, stops asking for them
 * so once one has been freed. */
static int large_piece_again(void)
{
    sg_cli_init();
    void *volatile p = malloc(LARGE);
    const bool is_told =
        mallinfo2().hblks > 0; /* else a sanitizer, or valgrind, has put its own in the place */
    free(p);
    if (!is_told)
        return NO_SUCH_INFO;
    const size_t before = mallinfo2().hblks;
    p = malloc(LARGE);
    const int more = (int)(mallinfo2().hblks - before);
    free(p);
    return more == 1 && mallinfo2().hblks == before ? 0 : 1;
}

/* Large memory that was freed goes back to the system each time, not only the first time. */
static void cli_init_large_memory_is_given_back(void **state)
{
    const int found = in_child(large_piece_again);

    (void)state;
    if (found == NO_SUCH_INFO)
        skip();
    assert_int_equal(found, 0);
}
#endif

/* Blocked, both signals to stop are waited for, each once; without one the wait ends with its time. */
static void cli_wait_sees_each_stop_signal(void **state)
{
    (void)state;
    sg_cli_block_signals();
    assert_false(sg_cli_wait_signal(0));
    assert_int_equal(raise(SIGTERM), 0);
    assert_true(sg_cli_wait_signal(-1));
    assert_int_equal(raise(SIGINT), 0);
    assert_true(sg_cli_wait_signal(1000));
    assert_false(sg_cli_wait_signal(1));
}

static volatile sig_atomic_t alarms;

static void count_alarm(int sig)
{
    (void)sig;
    alarms++;
}

static long long mono_ms(void)
{
    struct timespec t;

    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Another signal in between neither ends the wait nor is taken for a stop. */
static void cli_wait_outlasts_other_signals(void **state)
{
    struct sigaction action = {.sa_handler = count_alarm};
    struct itimerval timer = {.it_value = {.tv_usec = 5000}, .it_interval = {.tv_usec = 5000}};
    struct itimerval off = {.it_value = {.tv_usec = 0}};
    long long start;

    (void)state;
    sg_cli_block_signals();
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    start = mono_ms();
    assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
    assert_false(sg_cli_wait_signal(40));
    assert_int_equal(setitimer(ITIMER_REAL, &off, NULL), 0);
    assert_true(mono_ms() - start >= 39);
    assert_true(alarms > 0);
}

/* Names, IPv4 and bracketed IPv6 are split from their port. */
static void cli_host_port_forms_are_split(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
    } rows[] = {{"127.0.0.1:5010", "127.0.0.1", 5010}, {"[::1]:1", "::1", 1},
        {"relay-1.example.org:65535", "relay-1.example.org", 65535}, {"localhost:80", "localhost", 80},
        {"[fe80::1:2]:502", "fe80::1:2", 502}, {"a_b:5", "a_b", 5}, {"1a:5", "1a", 5}};

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(rows); i++) {
        uint16_t port = 0;
        char host[64];

        assert_int_equal(sg_cli_host_port(host, sizeof host, &port, rows[i].text), 0);
        assert_string_equal(host, rows[i].host);
        assert_int_equal(port, rows[i].port);
    }
}

/* No port, a port out of range, broken addresses and names with other characters are usage errors (C2). */
static void cli_host_port_other_texts_are_refused(void **state)
{
    static const char *const bad[] = {"", ":", "host", "host:", ":80", "host:0", "host:65536", "host:-1",
        "host:080", "host: 80", "host:80 ", "host:8o", "ho st:80", "host/:80", "user@host:80", "::1:80",
        "[::1:80", "::1]:80", "[::1]", "[]:80", "[127.0.0.1]:80", "[host]:80", "1.2.3:80", "256.1.1.1:80",
        "1.2.3.4.5:80", ".a:80", "a..b:80", "-a:80", "h\xc3\xb6st:80", "a:b:80", "[::1%lo]:80", "[::1]x:80"};
    char host[64] = "before";
    uint16_t port = 7;

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(bad); i++)
        assert_int_equal(sg_cli_host_port(host, sizeof host, &port, bad[i]), SG_EUSAGE);
    assert_string_equal(host, "before");
    assert_int_equal(port, 7);
}

/* A host longer than the caller's storage is refused, never cut. */
static void cli_host_port_long_host_is_refused(void **state)
{
    uint16_t port;
    char host[10], text[400];

    (void)state;
    assert_int_equal(sg_cli_host_port(host, sizeof host, &port, "ninechars:1"), 0);
    assert_int_equal(sg_cli_host_port(host, sizeof host, &port, "tenletters:1"), SG_EUSAGE);
    memset(text, 'a', 397);
    memcpy(text + 397, ":1", 3);
    assert_int_equal(sg_cli_host_port(host, sizeof host, &port, text), SG_EUSAGE);
}

/* An integer option is the whole text, within its range. */
static void cli_int_is_exact(void **state)
{
    int64_t v = 42;

    (void)state;
    assert_int_equal(sg_cli_int(&v, "65536", 1, 65535), SG_EUSAGE);
    assert_int_equal(sg_cli_int(&v, "0", 1, 65535), SG_EUSAGE);
    assert_int_equal(sg_cli_int(&v, "", 0, 9), SG_EUSAGE);
    assert_int_equal(sg_cli_int(&v, "7x", 0, 9), SG_EUSAGE);
    assert_int_equal(sg_cli_int(&v, "0x7", 0, 9), SG_EUSAGE);
    assert_true(v == 42);
    assert_int_equal(sg_cli_int(&v, "65535", 1, 65535), 0);
    assert_true(v == 65535);
}

/* The URLs of nodes that a configuration may name. */
static void cli_url_of_a_node_is_accepted(void **state)
{
    static const char *const good[] = {"http://127.0.0.1:5004", "https://grid.example.org",
        "http://[::1]:5004", "https://[2001:db8::1]", "https://example.org/nodes/a", "http://node_1:80"};

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(good); i++)
        assert_int_equal(sg_cli_url_check(good[i]), 0);
}

/* Other schemes, users, queries, fragments, dots, slashes at the end and odd characters are configuration errors. */
static void cli_url_other_forms_are_refused(void **state)
{
    static const char *const bad[] = {"", "127.0.0.1:5004", "http:/h", "http://", "http:///", "ftp://h:1",
        "file:///etc", "HTTP://h:1", "http://h:1/", "http://h:1//a", "http://h:1/a/", "http://h:1/../a",
        "http://h:1/./a", "http://u@h:1", "http://u:p@h:1", "http://h:1?q", "http://h:1#f", "http://h:1/a?q",
        "http://h:1/a#f", "http://h:0", "http://h:65536", "http://h:", "http://h h:1", "http://h:1/a b",
        "http://h:1/%2e%2e", " http://h:1", "http://h:1\n", "http://1.2.3:4", "http://[::1", "http://[]:1",
        "http://[]", "http://h\\:1"};

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(bad); i++)
        assert_int_equal(sg_cli_url_check(bad[i]), SG_ECONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cli_init_prepares_a_bare_process),
        cmocka_unit_test(cli_init_keeps_a_lower_limit),
#ifdef __GLIBC__
        cmocka_unit_test(cli_init_large_memory_is_given_back),
#endif
        cmocka_unit_test(cli_wait_sees_each_stop_signal),
        cmocka_unit_test(cli_wait_outlasts_other_signals),
        cmocka_unit_test(cli_host_port_forms_are_split),
        cmocka_unit_test(cli_host_port_other_texts_are_refused),
        cmocka_unit_test(cli_host_port_long_host_is_refused),
        cmocka_unit_test(cli_int_is_exact),
        cmocka_unit_test(cli_url_of_a_node_is_accepted),
        cmocka_unit_test(cli_url_other_forms_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
