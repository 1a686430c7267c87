/* The command line of the emulator: what each option sets, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "relay-emulator/options.h"

enum { ARGS_MAX = 16 };

/* Options as one text, separated by blanks. */
static int read_options(struct re_options *o, struct sg_fault *fault, const char *line)
{
    static char copy[512];
    char *argv[ARGS_MAX + 1] = {(char[]){"relay-emulator"}};
    int argc = 1;
    memset(fault, 0, sizeof *fault);
    (void)strncpy(copy, line, sizeof copy - 1);
    for (char *word = strtok(copy, " "); word && argc < ARGS_MAX; word = strtok(NULL, " "))
        argv[argc++] = word;
    return re_options_read(o, argc, argv, fault);
}

/* Without options: loopback, the documented port, one relay, the paper's zone, a drawn seed that is shown. */
static void options_none_gives_defaults(void **state)
{
    struct re_options o;
    struct sg_fault fault;
    (void)state;
    assert_int_equal(read_options(&o, &fault, ""), 0);
    assert_int_equal(o.action, RE_ACTION_SERVE);
    assert_string_equal(o.bind, "127.0.0.1");
    assert_int_equal(o.port, 5010);
    assert_false(o.seed_given);
    assert_false(o.hide_seed);
    assert_int_equal(o.relays, 1);
    assert_string_equal(o.text_dir, "");
    assert_int_equal(o.utc_offset_min, -300);
}

/* Every option sets its field. */
static void options_each_sets_its_field(void **state)
{
    struct re_options o;
    struct sg_fault fault;
    (void)state;
    assert_int_equal(
        read_options(&o, &fault,
            "--bind ::1 --port 0 --mode paper --seed 9223372036854775807 --hide-seed --relays 247 "
            "--text-dir /t --utc-offset +05:45"),
        0);
    assert_string_equal(o.bind, "::1");
    assert_int_equal(o.port, 0);
    assert_true(o.seed_given && o.hide_seed);
    assert_true(o.seed == INT64_MAX);
    assert_int_equal(o.relays, 247);
    assert_string_equal(o.text_dir, "/t");
    assert_int_equal(o.utc_offset_min, 345);
}

/* Options that end the program at once are actions. */
static void options_actions_are_told(void **state)
{
    struct re_options o;
    struct sg_fault fault;
    (void)state;
    assert_int_equal(read_options(&o, &fault, "--help"), 0);
    assert_int_equal(o.action, RE_ACTION_HELP);
    assert_int_equal(read_options(&o, &fault, "--version"), 0);
    assert_int_equal(o.action, RE_ACTION_VERSION);
    assert_int_equal(read_options(&o, &fault, "--print-map"), 0);
    assert_int_equal(o.action, RE_ACTION_PRINT_MAP);
    /* Help is given whatever the file would say. */
    assert_int_equal(read_options(&o, &fault, "--help --config /nonexistent"), 0);
    assert_int_equal(read_options(&o, &fault, "--config /nonexistent"), SG_ECONFIG);
}

/* The ends of the zones that a genesis may name are accepted, one minute beyond is not. */
static void options_utc_offset_has_its_range(void **state)
{
    struct re_options o;
    struct sg_fault fault;
    (void)state;
    assert_int_equal(read_options(&o, &fault, "--utc-offset -12:00"), 0);
    assert_int_equal(o.utc_offset_min, -720);
    assert_int_equal(read_options(&o, &fault, "--utc-offset +14:00"), 0);
    assert_int_equal(o.utc_offset_min, 840);
    assert_int_equal(read_options(&o, &fault, "--utc-offset -00:30"), 0);
    assert_int_equal(o.utc_offset_min, -30);
    assert_int_equal(read_options(&o, &fault, "--utc-offset -12:01"), SG_EUSAGE);
    assert_int_equal(read_options(&o, &fault, "--utc-offset +14:01"), SG_EUSAGE);
}

/* Everything else is SG_EUSAGE, the fault names the word, and nothing is written. */
static void options_wrong_usage_names_the_word(void **state)
{
    static const struct {
        const char *line, *names;
    } cases[] = {{"--port 65536", "--port"}, {"--port -1", "--port"}, {"--port 0x10", "--port"},
        {"--relays 0", "--relays"}, {"--relays 248", "--relays"}, {"--seed -1", "--seed"},
        {"--seed 9223372036854775808", "--seed"}, {"--utc-offset 05:00", "--utc-offset"},
        {"--utc-offset +5:00", "--utc-offset"}, {"--utc-offset +05:60", "--utc-offset"},
        {"--utc-offset +05:0x", "--utc-offset"}, {"--mode physical", "--mode"}, {"--mode fast", "--mode"},
        {"--what", "--what"}, {"--hide-seed=1", "--hide-seed"}, {"--port", "--port"},
        {"--text-dir=", "--text-dir"}, {"word", "word"}, {"--bind localhost", "--bind"},
        {"--bind aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "--bind"}};
    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(cases); i++) {
        struct re_options o, untouched;
        struct sg_fault fault;
        memset(&o, 0x5A, sizeof o);
        memset(&untouched, 0x5A, sizeof untouched);
        assert_int_equal(read_options(&o, &fault, cases[i].line), SG_EUSAGE);
        assert_int_equal(fault.err, SG_EUSAGE);
        assert_non_null(strstr(fault.text, cases[i].names));
        assert_memory_equal(&o, &untouched, sizeof o);
    }
}

/* Options from a file with this text; its name ends up in path. */
static int read_file(struct re_options *o, struct sg_fault *fault, const char *text)
{
    char path[] = "/tmp/gridwitness_options_XXXXXX", line[64];
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
    (void)snprintf(line, sizeof line, "--config %s", path);
    int err = read_options(o, fault, line);
    (void)unlink(path);
    return err;
}

/* What a file does not name keeps its default, the address too. */
static void options_file_without_a_key_gives_its_default(void **state)
{
    struct re_options o;
    struct sg_fault fault;
    (void)state;
    assert_int_equal(read_file(&o, &fault, "{\"port\":0}"), 0);
    assert_string_equal(o.bind, "127.0.0.1");
    assert_int_equal(o.port, 0);
    assert_int_equal(o.relays, 1);
    assert_int_equal(o.utc_offset_min, -300);
    assert_int_equal(read_file(&o, &fault, "{\"bind\":\"::1\"}"), 0);
    assert_string_equal(o.bind, "::1");
    assert_int_equal(o.port, 5010);
}

/* A wrong value in a file is told with its line and its key. */
static void options_file_fault_names_line_and_key(void **state)
{
    static const struct {
        const char *text, *names;
    } cases[] = {{"{\n\"port\":0,\n\"utc_offset\":\"+14:01\"}", ":3: $.utc_offset: "},
        {"{\n\"mode\":\"physical\"}", ":2: $.mode: physical"},
        {"{\n\n\"bind\":\"localhost\"}", ":3: $.bind: address: localhost is not an IPv4 or IPv6 address"},
        {"{\"bind\":\"1.2.3\"}", ":1: $.bind: "}, {"{\n\"bind\":\"\"}", ":2: $.bind: "}};
    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(cases); i++) {
        struct re_options o;
        struct sg_fault fault;
        assert_int_equal(read_file(&o, &fault, cases[i].text), SG_ECONFIG);
        assert_non_null(strstr(fault.text, cases[i].names));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_none_gives_defaults),
        cmocka_unit_test(options_each_sets_its_field),
        cmocka_unit_test(options_actions_are_told),
        cmocka_unit_test(options_utc_offset_has_its_range),
        cmocka_unit_test(options_wrong_usage_names_the_word),
        cmocka_unit_test(options_file_without_a_key_gives_its_default),
        cmocka_unit_test(options_file_fault_names_line_and_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
