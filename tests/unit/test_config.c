/* Configuration files: every fault has its file, line and path (C1-C3 of the table of bad inputs, and what JSON allows to
 * go wrong), and faults are listed in the order of the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "sg_config.h"

/* What the tests read: {"port":1..65535 required,"bind":string,"verbose":bool,"relays":[{"id":string,"port":int}],
 * "peers":[string],"limits":{"max":int required}}, as a program would. */
struct settings {
    int64_t port;
    const char *bind;
    bool verbose;
    size_t nrelays, npeers;
    int64_t relay_port[4];
    const char *relay_id[4];
    const char *peer[4];
    int64_t max;
};

static void read_relays(struct settings *s, struct sg_config *c, const struct sg_node *root)
{
    const struct sg_node *relays = sg_config_array(c, root, "relays", false, 1, 4);

    s->nrelays = sg_config_len(relays);
    for (size_t i = 0; i < s->nrelays; i++) {
        const struct sg_node *r = sg_config_item_object(c, relays, i);
        s->relay_id[i] = sg_config_str(c, r, "id", true, "?", 1, 8);
        s->relay_port[i] = sg_config_int(c, r, "port", false, 502, 1, 65535);
        sg_config_no_more(c, r);
    }
}

static void read_settings(struct settings *s, struct sg_config *c)
{
    const struct sg_node *root = sg_config_root(c);

    memset(s, 0, sizeof(*s));
    s->port = sg_config_int(c, root, "port", true, 0, 1, 65535);
    s->bind = sg_config_str(c, root, "bind", false, "127.0.0.1", 1, 15);
    s->verbose = sg_config_bool(c, root, "verbose", true);
    read_relays(s, c, root);
    const struct sg_node *peers = sg_config_array(c, root, "peers", false, 0, 4);
    s->npeers = sg_config_len(peers);
    for (size_t i = 0; i < s->npeers; i++)
        s->peer[i] = sg_config_item_str(c, peers, i, 7, 64);
    const struct sg_node *limits = sg_config_object(c, root, "limits", false);
    s->max = sg_config_int(c, limits, "max", true, -1, INT64_MIN, INT64_MAX);
    sg_config_no_more(c, limits);
    sg_config_no_more(c, root);
}

/* All faults of a text, a line each; the file is called f.json. */
static void faults_of(char *dst, size_t size, const char *text, size_t len)
{
    struct sg_config *c = NULL;
    struct sg_fault fault;
    struct settings s;
    size_t n = 0;
    int err = sg_config_parse(&c, "f.json", text, len, &fault);

    dst[0] = '\0';
    if (!c) {
        assert_int_equal(err, SG_ECONFIG);
        (void)snprintf(dst, size, "%s\n", fault.text);
        return;
    }
    read_settings(&s, c);
    err = sg_config_result(c, &fault);
    assert_int_equal(err, sg_config_fault_count(c) > 0 ? SG_ECONFIG : 0);
    for (size_t i = 0; i < sg_config_fault_count(c); i++)
        n += (size_t)snprintf(dst + n, n < size ? size - n : 0, "%s\n", sg_config_fault(c, i));
    if (err)
        assert_memory_equal(fault.text, dst, strcspn(dst, "\n") < 400 ? strcspn(dst, "\n") : 400);
    sg_config_free(c);
}

struct text_case {
    const char *text;
    size_t len; /* 0: strlen */
    const char *faults;
};

#define BYTES(t) (t), sizeof(t) - 1

static void run_cases(const struct text_case *cases, size_t n)
{
    char got[8192];

    for (size_t i = 0; i < n; i++) {
        size_t len = cases[i].len ? cases[i].len : strlen(cases[i].text);
        faults_of(got, sizeof(got), cases[i].text, len);
        if (strcmp(got, cases[i].faults) != 0)
            fail_msg("case %zu: %s\ngot:\n%swanted:\n%s", i, cases[i].text, got, cases[i].faults);
    }
}

/* Good files are read as they are, defaults fill what is missing, CR LF and odd white space are legal. */
static void config_good_is_read(void **state)
{
    static const struct text_case cases[] = {
        {BYTES("{\"port\":1}"), ""},
        {BYTES("{\"port\":65535}\n"), ""},
        {BYTES(" \t\r\n{\r\n\t\"port\" :\r\n 5004\r\n}\r\n"), ""},
        {BYTES("{\"p\\u006frt\":5004}"), ""},
        {BYTES("{\"port\":5004,\"limits\":{\"max\":9223372036854775807},\"peers\":[],\"verbose\":false}"),
            ""},
        {BYTES("{\"port\":5004,\"limits\":{\"max\":-9223372036854775808}}"), ""},
        {BYTES("{\"port\":5004,\"bind\":\"\\u00e9\\\"\\\\/\"}"), ""},
    };
    static const char text[] =
        "{\"port\":5004,\"bind\":\"::1\",\"relays\":[{\"id\":\"relay-1\"},"
        "{\"port\":7,\"id\":\"r2\"}],\"peers\":[\"http://a\"],\"limits\":{\"max\":-5}}";
    struct sg_config *c;
    struct sg_fault fault;
    struct settings s;

    (void)state;
    run_cases(cases, SG_ARRAY_LEN(cases));
    assert_int_equal(sg_config_parse(&c, "f.json", text, strlen(text), &fault), 0);
    read_settings(&s, c);
    assert_int_equal(sg_config_result(c, &fault), 0);
    assert_int_equal(s.port, 5004);
    assert_string_equal(s.bind, "::1");
    assert_true(s.verbose);
    assert_int_equal(s.nrelays, 2);
    assert_string_equal(s.relay_id[0], "relay-1");
    assert_int_equal(s.relay_port[0], 502);
    assert_int_equal(s.relay_port[1], 7);
    assert_string_equal(s.peer[0], "http://a");
    assert_int_equal(s.max, -5);
    sg_config_free(c);
}

/* Each value that is wrong is named with line and path, whatever stands around it. */
static void value_wrong_is_named_with_line_and_path(void **state)
{
    static const struct text_case cases[] = {
        {BYTES("{}"), "f.json:1: $.port: missing\n"},
        {BYTES("\n\n{}"), "f.json:3: $.port: missing\n"},
        {BYTES("{\"port\":0}"), "f.json:1: $.port: 0 is not in 1..65535\n"}, /* C2 */
        {BYTES("{\n\"port\":\n65536}"), "f.json:3: $.port: 65536 is not in 1..65535\n"},
        {BYTES("{\r\n\"port\":\r\n65536}"), "f.json:3: $.port: 65536 is not in 1..65535\n"},
        {BYTES("{\"port\":-1}"), "f.json:1: $.port: -1 is not in 1..65535\n"}, /* C3 */
        {BYTES("{\"port\":\"80\"}"), "f.json:1: $.port: must be an integer, not a string\n"},
        {BYTES("{\"port\":80.0}"),
            "f.json:1: $.port: must be an integer, not a number with a fraction or an exponent\n"},
        {BYTES("{\"port\":8e1}"),
            "f.json:1: $.port: must be an integer, not a number with a fraction or an exponent\n"},
        {BYTES("{\"port\":null}"), "f.json:1: $.port: must be an integer, not null\n"},
        {BYTES("{\"port\":true}"), "f.json:1: $.port: must be an integer, not true\n"},
        {BYTES("{\"port\":[1]}"), "f.json:1: $.port: must be an integer, not an array\n"},
        {BYTES("{\"port\":{}}"), "f.json:1: $.port: must be an integer, not an object\n"},
        {BYTES("{\"port\":1,\"verbose\":1}"), "f.json:1: $.verbose: must be true or false, not an integer\n"},
        {BYTES("{\"port\":1,\"bind\":7}"), "f.json:1: $.bind: must be a string, not an integer\n"},
        {BYTES("{\"port\":1,\"bind\":\"\"}"), "f.json:1: $.bind: must have 1..15 bytes, has 0\n"},
        {BYTES("{\"port\":1,\"bind\":\"0123456789abcdef\"}"),
            "f.json:1: $.bind: must have 1..15 bytes, has 16\n"},
        {BYTES("{\"port\":1,\"bind\":\"a\\nb\"}"),
            "f.json:1: $.bind: must be text without control characters\n"},
        {BYTES("{\"port\":1,\"bind\":\"a\\u007f\"}"),
            "f.json:1: $.bind: must be text without control characters\n"},
        {BYTES("{\"port\":1,\"bind\":\"\\u0085\"}"),
            "f.json:1: $.bind: must be text without control characters\n"},
        {BYTES("{\"port\":1,\"limits\":[]}"), "f.json:1: $.limits: must be an object, not an array\n"},
        {BYTES("{\"port\":1,\"limits\":{}}"), "f.json:1: $.limits.max: missing\n"},
        {BYTES("{\"port\":1,\"relays\":{}}"), "f.json:1: $.relays: must be an array, not an object\n"},
        {BYTES("{\"port\":1,\"relays\":[]}"), "f.json:1: $.relays: must have 1..4 elements, has 0\n"},
        {BYTES("{\"port\":1,\"peers\":[0,0,0,0,0]}"), "f.json:1: $.peers: must have 0..4 elements, has 5\n"},
        {BYTES("{\"port\":1,\"peers\":[\"http://a\",7]}"),
            "f.json:1: $.peers[1]: must be a string, not an integer\n"},
        {BYTES("{\"port\":1,\"relays\":[{\"id\":\"a\"},\n7]}"),
            "f.json:2: $.relays[1]: must be an object, not an integer\n"},
        {BYTES("{\"port\":1,\"relays\":[\n{\"id\":\"}\\\"{\"},\n{\"id\":\"b\",\n\"port\":65536}]}"),
            "f.json:4: $.relays[1].port: 65536 is not in 1..65535\n"},
        /* strings that look like structure do not mislead the line */
        {BYTES("{\"bind\":\"{[,:\\\\\",\"peers\":[\"\\\"port\\\":[\"],\n\"port\":0}"),
            "f.json:2: $.port: 0 is not in 1..65535\n"},
        {BYTES("{\"limits\":{\"max\":1,\n\"port\":5},\n\"port\":0}"),
            "f.json:2: $.limits.port: unknown key\nf.json:3: $.port: 0 is not in 1..65535\n"},
        {BYTES("{\n\"p\\u006frt\":0}"), "f.json:2: $.port: 0 is not in 1..65535\n"},
    };

    (void)state;
    run_cases(cases, SG_ARRAY_LEN(cases));
}

/* C1: unknown keys are faults at any depth; the path shows odd keys quoted and long ones cut. */
static void key_unknown_is_named(void **state)
{
    static const struct text_case cases[] = {
        {BYTES("{\"port\":1,\n\"prot\":2}"), "f.json:2: $.prot: unknown key\n"},
        {BYTES("{\"port\":1,\"Port\":2}"), "f.json:1: $.Port: unknown key\n"},
        {BYTES("{\"port\":1,\"relays\":[{\"id\":\"a\",\n\n\"x\":\n1}]}"),
            "f.json:3: $.relays[0].x: unknown key\n"},
        {BYTES("{\"port\":1,\"a b.c\":2}"), "f.json:1: $[\"a b.c\"]: unknown key\n"},
        {BYTES("{\"port\":1,\"\":2}"), "f.json:1: $[\"\"]: unknown key\n"},
        {BYTES("{\"port\":1,\"a\\u001b[2J\":2}"), "f.json:1: $[\"a?[2J\"]: unknown key\n"},
        {BYTES("{\"port\":1,\"%n%s\":2}"), "f.json:1: $[\"%n%s\"]: unknown key\n"},
        {BYTES("{\"port\":1,"
               "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xb1zzz\":2}"),
            "f.json:1: $[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\"]: unknown "
            "key\n"},
    };

    (void)state;
    run_cases(cases, SG_ARRAY_LEN(cases));
}

/* C1: every key given twice is named with its path and line, in any spelling, and other faults are still found. */
static void key_given_twice_is_named(void **state)
{
    static const struct text_case cases[] = {
        {BYTES("{\"port\":1,\n\"port\":2}"), "f.json:2: $.port: the key is given twice, first on line 1\n"},
        {BYTES("{\"port\":1,\n\"\\u0070ort\":2}"),
            "f.json:2: $[\"\\u0070ort\"]: the key is given twice, first on line 1\n"},
        {BYTES("{\"port\":1,\n\"relays\":[{\"id\":\"a\"},{\"id\":\"b\",\n\"port\":1,\n\"id\":\"c\"}]}"),
            "f.json:4: $.relays[1].id: the key is given twice, first on line 2\n"},
        {BYTES("{\"port\":1,\"bind\":\"a\",\n\"port\":0,\n\"bind\":\"b\",\n\"x\":1}"),
            "f.json:2: $.port: the key is given twice, first on line 1\n"
            "f.json:2: $.port: 0 is not in 1..65535\n"
            "f.json:3: $.bind: the key is given twice, first on line 1\n"
            "f.json:4: $.x: unknown key\n"},
        {BYTES("{\"port\":1,\"x\":{\"a\":1},\n\"y\":{\"a\":1}}"),
            "f.json:1: $.x: unknown key\nf.json:2: $.y: unknown key\n"},
    };

    (void)state;
    run_cases(cases, SG_ARRAY_LEN(cases));
}

/* C1: what is not JSON is refused with the line and the path to where it breaks. */
static void text_not_json_is_refused_with_line(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        const char *start; /* of the only fault */
    } cases[] = {
        {BYTES(""), "f.json:1: $: not JSON: "},
        {BYTES("\n\n"), "f.json:2: $: not JSON: "},
        {BYTES("7"), "f.json:1: $: not JSON: "},
        {BYTES("[]"), "f.json:1: $: the file must hold one object"},
        {BYTES("{\"port\":1}{"), "f.json:1: $: not JSON: end of file expected"},
        {BYTES("{\"port\":1,}"), "f.json:1: $.port: not JSON: "},
        {BYTES("{\"port\":1\n\"bind\":2}"), "f.json:2: $.port: not JSON: "},
        {BYTES("{\"a\":{\"b\":[1,\n2,\n}}"), "f.json:3: $.a.b[2]: not JSON: "},
        {BYTES("{\"port\":1 // no\n}"), "f.json:1: $.port: not JSON: "},
        {BYTES("{\"port\":NaN}"), "f.json:1: $.port: not JSON: "},
        {BYTES("{\"port\":01}"), "f.json:1: $.port: not JSON: "},
        {BYTES("{\"port\":0x10}"), "f.json:1: $.port: not JSON: "},
        {BYTES("{\"port\":1e999}"), "f.json:1: $.port: not JSON: "},
        {BYTES("{\"port\":9223372036854775808}"), "f.json:1: $.port: not JSON: too big integer"},
        {BYTES("{\"bind\":\"a\nb\"}"), "f.json:1: $.bind: not JSON: "},
        {BYTES("{\"bind\":\"\\ud800\"}"), "f.json:1: $.bind: not JSON: "},
        {BYTES("{\"bind\":\"\\u0000\"}"), "f.json:1: $.bind: not JSON: "},
        {BYTES("{\"bind\":\"\xc0\xaf\"}"), "f.json:1: $.bind: not JSON: "},
        {BYTES("{\"bind\":\"\xff\"}"), "f.json:1: $.bind: not JSON: "},
        {BYTES("{\"bind\":\"x"), "f.json:1: $.bind: not JSON: "},
        {BYTES("]]]]"), "f.json:1: $: not JSON: "},
        {BYTES("{\"bind\":\n\"\\"), "f.json:2: $.bind: not JSON: "},
        {BYTES("\xef\xbb\xbf{\"port\":1}"), "f.json:1: $: the file begins with a byte order mark"},
        {BYTES("{\"port\":1,\n\"bind\":\"a\0b\"}"), "f.json:2: $.bind: a NUL byte"},
        {BYTES("{\"port\":1}\n\0"), "f.json:2: $: a NUL byte"},
    };
    char got[8192];

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(cases); i++) {
        faults_of(got, sizeof(got), cases[i].text, cases[i].len);
        if (strncmp(got, cases[i].start, strlen(cases[i].start)) != 0 || strchr(got, '\n')[1] != '\0')
            fail_msg("case %zu: %s\ngot:\n%swanted:\n%s", i, cases[i].text, got, cases[i].start);
    }
}

static char *repeat(const char *head, char filler, size_t n, const char *tail)
{
    size_t h = strlen(head), t = strlen(tail);
    char *text = malloc(h + n + t + 1);

    assert_non_null(text);
    memcpy(text, head, h);
    memset(text + h, filler, n);
    memcpy(text + h + n, tail, t + 1);
    return text;
}

/* Sixteen levels are read, the seventeenth is refused where it opens, and a million of them cost nothing. */
static void text_nested_too_deep_is_refused(void **state)
{
    char got[8192];
    char *text = repeat("{\"port\":1,\n\"x\":", '[', 15, "]]]]]]]]]]]]]]]}");

    (void)state;
    faults_of(got, sizeof(got), text, strlen(text));
    assert_string_equal(got, "f.json:2: $.x: unknown key\n");
    free(text);
    text = repeat("{\"port\":1,\n\"x\":", '[', 16, "]]]]]]]]]]]]]]]]}");
    faults_of(got, sizeof(got), text, strlen(text));
    assert_string_equal(
        got, "f.json:2: $.x[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]: nested deeper than 16 levels\n");
    free(text);
    text = repeat("", '[', 1000000, "");
    faults_of(got, sizeof(got), text, strlen(text));
    assert_non_null(strstr(got, "nested deeper than 16 levels"));
    free(text);
}

/* C1: a line of 1 MB is only a long line; its faults are as readable as others; one byte over 1 MiB is refused. */
static void text_large_is_read_up_to_the_limit(void **state)
{
    char got[8192];
    char *text = repeat("{\"port\":1,\"bind\":\"", 'x', 1000000, "\"}");

    (void)state;
    faults_of(got, sizeof(got), text, strlen(text));
    assert_string_equal(got, "f.json:1: $.bind: must have 1..15 bytes, has 1000000\n");
    free(text);
    text = repeat("{\"port\":1,\"", 'k', 1000000, "\":1}");
    faults_of(got, sizeof(got), text, strlen(text));
    assert_non_null(strstr(got, "kkk...\"]: unknown key\n"));
    assert_true(strlen(got) < 200);
    free(text);
    text = repeat("{\"port\":1}", ' ', 1024 * 1024 - 10, "");
    faults_of(got, sizeof(got), text, 1024 * 1024);
    assert_string_equal(got, "");
    free(text);
    text = repeat("{\"port\":1}", ' ', 1024 * 1024 - 9, "");
    faults_of(got, sizeof(got), text, 1024 * 1024 + 1);
    assert_string_equal(got, "f.json: larger than 1 MiB\n");
    free(text);
}

/* All faults of a file are listed in its order, whatever order they were asked in. */
static void faults_are_listed_in_the_order_of_the_file(void **state)
{
    static const struct text_case cases[] = {
        {BYTES("{\n\"zz\":1,\n\"limits\":{\"max\":\"1\",\n\"more\":1},\n\"relays\":[{\"port\":0},\n{}],\n"
               "\"verbose\":0,\n\"bind\":1,\n\"port\":0}"),
            "f.json:2: $.zz: unknown key\n"
            "f.json:3: $.limits.max: must be an integer, not a string\n"
            "f.json:4: $.limits.more: unknown key\n"
            "f.json:5: $.relays[0].id: missing\n"
            "f.json:5: $.relays[0].port: 0 is not in 1..65535\n"
            "f.json:6: $.relays[1].id: missing\n"
            "f.json:7: $.verbose: must be true or false, not an integer\n"
            "f.json:8: $.bind: must be a string, not an integer\n"
            "f.json:9: $.port: 0 is not in 1..65535\n"},
    };

    (void)state;
    run_cases(cases, SG_ARRAY_LEN(cases));
}

/* A file with more faults than anybody reads lists a hundred and says that there are more. */
static void faults_too_many_are_cut(void **state)
{
    char *text = malloc(200 * 16);
    size_t n = 0;
    struct sg_config *c;
    struct sg_fault fault;
    struct settings s;

    (void)state;
    assert_non_null(text);
    n += (size_t)sprintf(text, "{\"port\":1");
    for (int i = 0; i < 200; i++)
        n += (size_t)sprintf(text + n, ",\n\"k%d\":1", i);
    n += (size_t)sprintf(text + n, "}");
    assert_int_equal(sg_config_parse(&c, "f.json", text, n, &fault), 0);
    read_settings(&s, c);
    assert_int_equal(sg_config_fault_count(c), 101);
    assert_string_equal(sg_config_fault(c, 0), "f.json:2: $.k0: unknown key");
    assert_string_equal(sg_config_fault(c, 99), "f.json:101: $.k99: unknown key");
    assert_string_equal(sg_config_fault(c, 100), "f.json: there are more faults");
    sg_config_free(c);
    free(text);
}

/* A check that spans values adds its fault at the value it names. */
static void fault_added_by_the_program_has_line_and_path(void **state)
{
    static const char text[] = "{\"port\":1,\n\"peers\":[\"http://a\",\n\"http://a\"]}";
    struct sg_config *c;
    struct sg_fault fault;

    (void)state;
    assert_int_equal(sg_config_parse(&c, "f.json", text, strlen(text), &fault), 0);
    const struct sg_node *peers = sg_config_array(c, sg_config_root(c), "peers", true, 0, 9);
    sg_config_fail(c, sg_config_item(peers, 1), "the same as element %d", 0);
    sg_config_fail(c, NULL, "nothing to do");
    assert_null(sg_config_item(peers, 2));
    assert_int_equal(sg_config_fault_count(c), 2);
    assert_string_equal(sg_config_fault(c, 0), "f.json:1: $: nothing to do");
    assert_string_equal(sg_config_fault(c, 1), "f.json:3: $.peers[1]: the same as element 0");
    assert_int_equal(sg_config_result(c, &fault), SG_ECONFIG);
    assert_string_equal(fault.text, "f.json:1: $: nothing to do");
    sg_config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config_good_is_read),
        cmocka_unit_test(value_wrong_is_named_with_line_and_path),
        cmocka_unit_test(key_unknown_is_named),
        cmocka_unit_test(key_given_twice_is_named),
        cmocka_unit_test(text_not_json_is_refused_with_line),
        cmocka_unit_test(text_nested_too_deep_is_refused),
        cmocka_unit_test(text_large_is_read_up_to_the_limit),
        cmocka_unit_test(faults_are_listed_in_the_order_of_the_file),
        cmocka_unit_test(faults_too_many_are_cut),
        cmocka_unit_test(fault_added_by_the_program_has_line_and_path),
    };

    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
