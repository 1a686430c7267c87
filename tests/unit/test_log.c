/* Log lines: layout, levels, and that no text from outside can forge or break a line. */
#include "sg_log.h"
#include "sg_err.h"
#include "sg_text.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define CAPTURE_BYTES 60000 /* less than a pipe holds (65536): a writer never blocks */

static char captured[CAPTURE_BYTES + 1];
static int saved_stderr, capture_fd;

static sg_ms fixed_ms(const struct sg_clock *c)
{
    (void)c;
    return INT64_C(1763999999007);
}

static const struct sg_clock fixed_clock = {.wall_ms = fixed_ms, .speed_milli = 1000};

static void capture_start(void)
{
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    saved_stderr = dup(STDERR_FILENO);
    assert_true(saved_stderr >= 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    close(ends[1]);
    capture_fd = ends[0];
}

/* What was written since capture_start, as a string. */
static const char *capture_stop(void)
{
    size_t have = 0;
    ssize_t n;

    assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
    close(saved_stderr);
    while ((n = read(capture_fd, captured + have, CAPTURE_BYTES - have)) > 0)
        have += (size_t)n;
    close(capture_fd);
    captured[have] = 0;
    return captured;
}

/* A line is date, level, part, text and one newline. */
static void log_line_has_its_layout(void **state)
{
    (void)state;
    sg_log_init(&fixed_clock, SG_LOG_DEBUG);
    capture_start();
    sg_log(SG_LOG_INFO, "poller", "relay %s: %d samples", "relay-1", 6);
    sg_log(SG_LOG_ERROR, "store", "no");
    assert_string_equal(capture_stop(), "2025-11-24T15:59:59.007Z info poller: relay relay-1: 6 samples\n"
                                        "2025-11-24T15:59:59.007Z error store: no\n");
}

/* Only levels up to the chosen one are written. */
static void log_below_level_is_silent(void **state)
{
    (void)state;
    sg_log_init(&fixed_clock, SG_LOG_WARN);
    capture_start();
    sg_log(SG_LOG_INFO, "a", "hidden");
    sg_log(SG_LOG_DEBUG, "a", "hidden");
    sg_log(SG_LOG_WARN, "a", "shown");
    sg_log(SG_LOG_ERROR, "a", "shown");
    assert_string_equal(
        capture_stop(), "2025-11-24T15:59:59.007Z warn a: shown\n2025-11-24T15:59:59.007Z error a: shown\n");
}

/* A peer's newline, escape, DEL or C1 code becomes '?'; other UTF-8 stays. */
static void log_control_characters_are_replaced(void **state)
{
    (void)state;
    sg_log_init(&fixed_clock, SG_LOG_INFO);
    capture_start();
    sg_log(SG_LOG_INFO, "a", "x\n2025 error b: forged\r\x1b[2J\x7f\t%s", "Bogot\xc3\xa1 \xc2\x9b \xc2\xa0");
    assert_string_equal(capture_stop(),
        "2025-11-24T15:59:59.007Z info a: x?2025 error b: forged??[2J??Bogot\xc3\xa1 ?? \xc2\xa0\n");
}

/* Ill-formed UTF-8 is never passed on. */
static void log_ill_formed_text_is_replaced(void **state)
{
    (void)state;
    sg_log_init(&fixed_clock, SG_LOG_INFO);
    capture_start();
    sg_log(SG_LOG_INFO, "a", "%s", "ok \xff \xc3");
    assert_string_equal(capture_stop(), "2025-11-24T15:59:59.007Z info a: ok ? ?\n");
}

/* Too long a text is cut to one line of 2048 bytes that says so, and at a whole character. */
static void log_long_text_is_cut_to_one_line(void **state)
{
    static char text[8001];
    const char *line;
    size_t len;

    (void)state;
    for (size_t i = 0; i < 8000; i += 2)
        memcpy(text + i, "\xc3\xa1", 2);
    for (size_t i = 0; i < 2; i++) { /* with one of the two parts the limit falls inside a character */
        sg_log_init(&fixed_clock, SG_LOG_INFO);
        capture_start();
        sg_log(SG_LOG_INFO, i == 0 ? "a" : "ab", "%s", text);
        line = capture_stop();
        len = strlen(line);
        assert_true(len >= 2047 && len <= 2048);
        assert_string_equal(line + len - 4, "...\n");
        assert_ptr_equal(strchr(line, '\n'), line + len - 1);
        assert_null(strchr(line, '?'));
        assert_true(sg_utf8_valid(line, len));
    }
}

/* Text that just fits is whole. */
static void log_text_that_fits_is_not_cut(void **state)
{
    static char text[2049];
    size_t fits = 2048 - strlen("2025-11-24T15:59:59.007Z info a: ") - 1;

    (void)state;
    sg_log_init(&fixed_clock, SG_LOG_INFO);
    memset(text, 'x', fits);
    text[fits] = 0;
    capture_start();
    sg_log(SG_LOG_INFO, "a", "%s", text);
    assert_int_equal(strlen(capture_stop()), 2048);
    assert_null(strstr(captured, "..."));
    text[fits] = 'x';
    text[fits + 1] = 0;
    capture_start();
    sg_log(SG_LOG_INFO, "a", "%s", text);
    assert_int_equal(strlen(capture_stop()), 2048);
    assert_non_null(strstr(captured, "...\n"));
}

static void *log_a_hundred(void *arg)
{
    const char *text = arg;

    for (int i = 0; i < 100; i++)
        sg_log(SG_LOG_INFO, "t", "%s", text);
    return NULL;
}

/* Lines of several threads never mix. */
static void log_threads_write_whole_lines(void **state)
{
    char texts[3][121];
    pthread_t threads[3];
    int lines = 0;
    char *line, *rest;

    (void)state;
    sg_log_init(&fixed_clock, SG_LOG_INFO);
    capture_start();
    for (int i = 0; i < 3; i++) {
        memset(texts[i], 'a' + i, 120);
        texts[i][120] = 0;
        assert_int_equal(pthread_create(&threads[i], NULL, log_a_hundred, texts[i]), 0);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    capture_stop();
    for (line = strtok_r(captured, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        const char *text = strstr(line, "t: ");

        assert_non_null(text);
        assert_true(text[3] >= 'a' && text[3] <= 'c');
        assert_string_equal(text + 3, texts[text[3] - 'a']);
        lines++;
    }
    assert_int_equal(lines, 300);
}

/* Logging keeps errno and survives a standard error that refuses bytes. */
static void log_to_a_full_pipe_is_harmless(void **state)
{
    (void)state;
    sg_log_init(&fixed_clock, SG_LOG_INFO);
    capture_start();
    errno = ENOSPC;
    for (int i = 0; i < 3000; i++)
        sg_log(SG_LOG_INFO, "a", "line %d of more than the pipe holds", i);
    assert_int_equal(errno, ENOSPC);
    assert_non_null(strstr(capture_stop(), "line 0 of"));
}

/* Names of levels are exact. */
static void log_level_names_are_parsed(void **state)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    enum sg_log_level level = SG_LOG_WARN;

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(names); i++) {
        assert_int_equal(sg_log_level_parse(&level, names[i]), 0);
        assert_int_equal(level, i);
    }
    assert_int_equal(sg_log_level_parse(&level, "Error"), SG_EINVAL);
    assert_int_equal(sg_log_level_parse(&level, ""), SG_EINVAL);
    assert_int_equal(level, SG_LOG_DEBUG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_line_has_its_layout),
        cmocka_unit_test(log_below_level_is_silent),
        cmocka_unit_test(log_control_characters_are_replaced),
        cmocka_unit_test(log_ill_formed_text_is_replaced),
        cmocka_unit_test(log_long_text_is_cut_to_one_line),
        cmocka_unit_test(log_text_that_fits_is_not_cut),
        cmocka_unit_test(log_threads_write_whole_lines),
        cmocka_unit_test(log_to_a_full_pipe_is_harmless),
        cmocka_unit_test(log_level_names_are_parsed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
