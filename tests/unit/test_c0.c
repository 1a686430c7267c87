/* Canonical JSON: exactly one spelling is accepted. */
#include "lg_c0.h"
#include "lg_record.h"
#include "tests/lib/vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static int check(const char *text)
{
    return lg_c0_check((const uint8_t *)text, strlen(text));
}

/* Every accepted vector is canonical, hashes to its leaf, and is what a sorted compact dump of its document gives. */
static void check_accepts_vectors(void **state)
{
    json_t *doc = vec_load("canonical.json"), *test;
    size_t i;

    (void)state;
    assert_int_equal(json_array_size(vec_get(doc, "accept")), 12);
    json_array_foreach(vec_get(doc, "accept"), i, test)
    {
        const char *text = vec_text(test, "bytes");
        struct lg_hash leaf, want = vec_hash(vec_text(test, "leaf"));
        size_t len;
        uint8_t *dumped = vec_bytes(vec_get(test, "document"), &len);

        assert_code(check(text), 0);
        lg_hash_leaf(&leaf, (const uint8_t *)text, strlen(text));
        assert_true(lg_hash_eq(&leaf, &want));
        assert_string_equal((const char *)dumped, text);
        free(dumped);
    }
    assert_code(check(vec_text(doc, "deepest_accepted")), 0);
    json_decref(doc);
}

/* Every refused vector is refused, given as text or as bytes that are no text. */
static void check_refuses_vectors(void **state)
{
    json_t *doc = vec_load("canonical.json"), *test;
    size_t i;

    (void)state;
    assert_int_equal(json_array_size(vec_get(doc, "refuse")), 29);
    json_array_foreach(vec_get(doc, "refuse"), i, test) assert_code(
        lg_c0_check((const uint8_t *)json_string_value(test), json_string_length(test)), SG_ECANONICAL);
    json_array_foreach(vec_get(doc, "refuse_hex"), i, test)
    {
        const char *hex = json_string_value(test);
        uint8_t bytes[64];
        size_t n = strlen(hex) / 2;

        assert_true(n <= sizeof bytes);
        for (size_t k = 0; k < n; k++) {
            char two[3] = {hex[2 * k], hex[2 * k + 1], 0};

            bytes[k] = (uint8_t)strtoul(two, NULL, 16);
        }
        assert_code(lg_c0_check(bytes, n), SG_ECANONICAL);
    }
    json_decref(doc);
}

/* What no vector names: cut documents, keys that only look sorted, control characters at every place in a word. */
static void check_refuses_near_misses(void **state)
{
    static const char *const refused[] = {"{", "[", "\"", "\"a", "\"\\", "\"\\\"", "{\"a\"",
        "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{,}", "[,]", "[1", "[1,", "[1 ]", "]", "}", "-",
        "--1", "-01", "00", "1.", "1e1", "{\"\":1}", "{\"a_\":1,\"a1\":1}", "{\"ab\":1,\"a\":1}",
        "{\"a\":1,\"ab\":1,\"a\":1}", "tru", "nul", "[1]]", "{\"a\":1]", "[1}", "{\"\\u0061\":1}",
        "\"\\u0022\"", "\"\\t\"", "\"\\b\"", "99999999999999999", "9007199254740992", "{\"a-b\":1}",
        "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xc3\""};
    char text[32];

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(refused); i++) {
        if (check(refused[i]) != SG_ECANONICAL)
            fail_msg("accepted: %s", refused[i]);
    }
    for (unsigned c = 1; c < 256; c++) {
        for (unsigned at = 1; at < 20; at++) {
            bool ok = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';

            memcpy(text, "\"aaaaaaaaaaaaaaaaaaa\"", 22);
            text[at] = (char)c;
            assert_int_equal(check(text), ok ? 0 : SG_ECANONICAL);
        }
    }
}

/* Every prefix of a canonical document is refused: nothing is read beyond the end. */
static void check_refuses_every_prefix(void **state)
{
    static const char text[] = "{\"a\":[1,-2,\"x\\\"y\",{\"b\":\"á\"}],\"c\":{}}";

    (void)state;
    for (size_t n = 0; n < sizeof text - 1; n++) {
        uint8_t *exact = malloc(n ? n : 1); /* so that a sanitizer sees a read too far */

        assert_non_null(exact);
        memcpy(exact, text, n);
        assert_code(lg_c0_check(exact, n), SG_ECANONICAL);
        free(exact);
    }
    assert_code(check(text), 0);
}

/* The cursor reads a document along its schema, and every part of it comes out. */
static void cursor_reads_along_schema(void **state)
{
    static const char doc[] =
        "{\"a\":-7,\"b\":[1,2],\"c\":\"x\\\"\\\\y\",\"d\":\"00ff\",\"e\":\"AP8=\",\"f\":{\"z\":[\"]\"]}}";
    uint8_t hex[2], b64[2];
    struct lg_slice raw;
    struct lg_c0 c;
    char text[5];

    (void)state;
    assert_code(check(doc), 0);
    lg_c0_open(&c, (const uint8_t *)doc, sizeof doc - 1);
    lg_c0_object(&c);
    lg_c0_key(&c, "a");
    assert_int_equal(lg_c0_int(&c, -7, 7), -7);
    lg_c0_key(&c, "b");
    lg_c0_array(&c);
    for (int64_t want = 1; lg_c0_more(&c); want++)
        assert_int_equal(lg_c0_int(&c, 0, 2), want);
    lg_c0_key(&c, "c");
    assert_int_equal(lg_c0_text(&c, text, 1, 4), 4);
    assert_string_equal(text, "x\"\\y");
    lg_c0_key(&c, "d");
    lg_c0_hex(&c, hex, sizeof hex);
    lg_c0_key(&c, "e");
    lg_c0_base64(&c, b64, sizeof b64);
    assert_memory_equal(hex, b64, 2);
    lg_c0_key(&c, "f");
    raw = lg_c0_value(&c);
    assert_int_equal(raw.len, strlen("{\"z\":[\"]\"]}"));
    lg_c0_object_end(&c);
    assert_code(lg_c0_close(&c), 0);
}

/* A fault sticks: everything after it reads as nothing, and the close names it. */
static void cursor_fault_sticks(void **state)
{
    static const char doc[] = "{\"a\":8,\"b\":1}";
    struct lg_c0 c;

    (void)state;
    lg_c0_open(&c, (const uint8_t *)doc, sizeof doc - 1);
    lg_c0_object(&c);
    lg_c0_key(&c, "a");
    assert_int_equal(lg_c0_int(&c, 0, 7), 0);
    lg_c0_key(&c, "b");
    assert_int_equal(lg_c0_int(&c, 0, 7), 0);
    assert_int_equal(lg_c0_raw(&c).len, 0);
    assert_int_equal(lg_c0_value(&c).len, 0);
    assert_false(lg_c0_more(&c));
    assert_code(lg_c0_close(&c), SG_ESHAPE);
}

/* Another key, another type, a key too many, an array too long or too short, bytes behind the document: all are shape. */
static void cursor_refuses_other_schemas(void **state)
{
    static const char *const docs[] = {"{\"b\":[1,2]}", "{\"a\":\"1\"}", "{\"a\":[1,2],\"b\":1}",
        "{\"a\":[1,2,3]}", "{\"a\":[1]}", "{\"a\":[]}", "[]", "1", "{}", "{\"a\":[1,\"2\"]}",
        "{\"a\":{\"b\":1}}"};
    struct lg_c0 c;

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(docs); i++) {
        assert_code(check(docs[i]), 0);
        lg_c0_open(&c, (const uint8_t *)docs[i], strlen(docs[i]));
        lg_c0_object(&c);
        lg_c0_key(&c, "a");
        lg_c0_array(&c);
        lg_c0_item(&c);
        (void)lg_c0_int(&c, 0, 9);
        lg_c0_item(&c);
        (void)lg_c0_int(&c, 0, 9);
        lg_c0_array_end(&c);
        lg_c0_object_end(&c);
        assert_code(lg_c0_close(&c), SG_ESHAPE);
    }
}

/* The cursor stays inside its bytes and comes to an end even on text that was never checked. */
static void cursor_survives_any_bytes(void **state)
{
    static const char *const docs[] = {"", "\"", "\"\\", "[", "{\"a", "[[", "{\"a\":\"\\", "-", ",", "]"};
    uint8_t bytes[8];
    char text[4];

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(docs); i++) {
        struct lg_c0 c, start;

        lg_c0_open(&start, (const uint8_t *)docs[i], strlen(docs[i]));
        c = start;
        (void)lg_c0_value(&c);
        c = start;
        (void)lg_c0_text(&c, text, 0, 3);
        c = start;
        lg_c0_hex(&c, bytes, 8);
        c = start;
        lg_c0_key(&c, "a");
        c = start;
        lg_c0_array(&c);
        while (lg_c0_more(&c))
            (void)lg_c0_value(&c);
        assert_true(c.p <= c.end);
    }
}

/* What the writer writes is canonical and reads back as the same text. */
static void put_text_reads_back(void **state)
{
    static const char *const texts[] = {"", "a", "\"", "\\", "\\\"x\"\\", "Bogotá 😀", "a\"b\\c"};
    char back[64];

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(texts); i++) {
        struct sg_buf b;
        struct lg_c0 c;

        sg_buf_init(&b, 256);
        lg_c0_put_text(&b, texts[i], strlen(texts[i]));
        assert_code(sg_buf_err(&b), 0);
        assert_code(lg_c0_check(b.p, b.len), 0);
        lg_c0_open(&c, b.p, b.len);
        assert_int_equal(lg_c0_text(&c, back, 0, 63), strlen(texts[i]));
        assert_code(lg_c0_close(&c), 0);
        assert_string_equal(back, texts[i]);
        sg_buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_accepts_vectors),
        cmocka_unit_test(check_refuses_vectors),
        cmocka_unit_test(check_refuses_near_misses),
        cmocka_unit_test(check_refuses_every_prefix),
        cmocka_unit_test(cursor_reads_along_schema),
        cmocka_unit_test(cursor_fault_sticks),
        cmocka_unit_test(cursor_refuses_other_schemas),
        cmocka_unit_test(cursor_survives_any_bytes),
        cmocka_unit_test(put_text_reads_back),
    };

    return cmocka_run_group_tests_name("c0", tests, NULL, NULL);
}
