/* The genesis: what is accepted, with which chain id, and the code of each refusal. */
#include "lg_record.h"
#include "tests/lib/vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static int decode(const json_t *doc)
{
    struct lg_genesis *g = NULL;
    size_t len;
    uint8_t *bytes = vec_bytes(doc, &len);
    int err = lg_genesis_decode(&g, bytes, len, &sg_crypto_openssl);

    lg_genesis_free(g);
    free(bytes);
    return err;
}

/* The valid genesis has the chain id of the vectors, and its parts are found by their ids. */
static void valid_vector_has_chain_id(void **state)
{
    json_t *doc = vec_load("genesis.json");
    struct lg_genesis *g = vec_genesis(vec_get(doc, "valid"));
    struct lg_hash want = vec_hash(vec_text(doc, "chain_id"));
    const struct lg_relay *relay;

    (void)state;
    assert_true(lg_hash_eq(&g->id, &want));
    assert_int_equal(g->ngateways, 5);
    assert_int_equal(g->nminers, 4);
    assert_int_equal(g->minute, g->time / 60000);
    for (unsigned i = 0; i < g->ngateways; i++)
        assert_ptr_equal(lg_genesis_gateway(g, g->gateways[i].id), &g->gateways[i]);
    assert_null(lg_genesis_gateway(g, 1));
    relay = lg_genesis_relay(g, "relay-2", 7);
    assert_non_null(relay);
    assert_string_equal(relay->device, "Relay 2");
    assert_string_equal(relay->profile->id, "paper");
    assert_null(lg_genesis_relay(g, "relay-", 6));
    assert_null(lg_genesis_relay(g, "relay-21", 8));
    assert_int_equal(lg_relay_reader_count(g, relay), 2);
    assert_true(lg_relay_has_reader(relay, relay->readers[1]));
    assert_false(lg_relay_has_reader(relay, 1));
    assert_int_equal(lg_relay_reader_count(g, &g->relays[0]), 5);
    lg_genesis_free(g);
    json_decref(doc);
}

/* Each invalid genesis is refused with its own code. */
static void invalid_vectors_give_their_code(void **state)
{
    json_t *doc = vec_load("genesis.json"), *test;
    size_t i;

    (void)state;
    assert_int_equal(json_array_size(vec_get(doc, "invalid")), 27);
    json_array_foreach(vec_get(doc, "invalid"), i, test)
    {
        if (strcmp(sg_err_code(decode(vec_get(test, "genesis"))), vec_text(test, "code")) != 0)
            fail_msg("%s: not %s", vec_text(test, "name"), vec_text(test, "code"));
    }
    json_decref(doc);
}

/* A fault inside a part has the code of the part, the outermost object's has shape, and the first part counts. */
static void fault_has_code_of_its_part(void **state)
{
    static const struct {
        const char *part, *path;
        int err;
    } cases[] = {
        {"gateways", "name", SG_EGATEWAYS}, {"profiles", "id", SG_EPROFILES}, {"relays", "id", SG_ERELAYS}};

    (void)state;
    for (unsigned i = 0; i < SG_ARRAY_LEN(cases); i++) {
        json_t *doc = vec_load("genesis.json"), *g = vec_get(doc, "valid");

        json_object_set_new(json_array_get(vec_get(g, cases[i].part), 0), cases[i].path, json_integer(1));
        assert_code(decode(g), cases[i].err);
        json_object_set_new(vec_get(g, "policy"), "collect_ms", json_integer(20001));
        assert_code(decode(g), SG_EPOLICY);
        json_object_set_new(g, "bits", json_integer(-1));
        assert_code(decode(g), SG_ESHAPE);
        json_decref(doc);
    }
}

static int check_without_memory(const uint8_t *pub)
{
    (void)pub;
    return SG_ENOMEM;
}

/* A key that could not be checked for want of memory is no fault of the genesis. */
static void key_check_without_memory_is_no_verdict(void **state)
{
    const struct sg_crypto crypto = {.public_key_check = check_without_memory};
    json_t *doc = vec_load("genesis.json");
    struct lg_genesis *g = NULL;
    size_t len;
    uint8_t *bytes = vec_bytes(vec_get(doc, "valid"), &len);

    (void)state;
    assert_code(lg_genesis_decode(&g, bytes, len, &crypto), SG_ENOMEM);
    assert_null(g);
    free(bytes);
    json_decref(doc);
}

/* Strings hold their limits to the byte, and no control characters. */
static void text_limits_hold_to_the_byte(void **state)
{
    static const struct {
        const char *text;
        int err;
    } cases[] = {{"", SG_ERELAYS}, {"12345678901234567890123456789012", 0},
        {"123456789012345678901234567890123", SG_ERELAYS}, {"\xc2\x85", SG_ERELAYS}, {"\xc2\xa0", 0},
        {"\"\\", 0}};

    (void)state;
    for (unsigned i = 0; i < SG_ARRAY_LEN(cases); i++) {
        json_t *doc = vec_load("genesis.json"), *g = vec_get(doc, "valid");

        json_object_set_new(json_array_get(vec_get(g, "relays"), 0), "device", json_string(cases[i].text));
        assert_code(decode(g), cases[i].err);
        json_decref(doc);
    }
}

/* What is not C0 is refused before anything else is looked at. */
static void non_canonical_is_refused(void **state)
{
    json_t *doc = vec_load("genesis.json");
    struct lg_genesis *g = NULL;
    char *text = json_dumps(vec_get(doc, "valid"), JSON_SORT_KEYS);

    (void)state;
    assert_code(lg_genesis_decode(&g, (uint8_t *)text, strlen(text), &sg_crypto_openssl), SG_ECANONICAL);
    assert_code(lg_genesis_decode(&g, (uint8_t *)text, 0, &sg_crypto_openssl), SG_ECANONICAL);
    assert_null(g);
    free(text);
    json_decref(doc);
}

/* Encoding the decoded genesis gives the same bytes. */
static void encode_of_decoded_is_identical(void **state)
{
    json_t *doc = vec_load("genesis.json");
    struct lg_genesis *g = vec_genesis(vec_get(doc, "valid"));
    struct sg_buf b;

    (void)state;
    sg_buf_init(&b, LG_MAX_GENESIS_BYTES);
    lg_genesis_encode(&b, g);
    assert_code(sg_buf_err(&b), 0);
    assert_int_equal(b.len, g->doc_len);
    assert_memory_equal(b.p, g->doc, b.len);
    sg_buf_fini(&b);
    lg_genesis_free(g);
    json_decref(doc);
}

/* The built-in profile is the one of the vectors, its names sorted in by_name. */
static void paper_profile_is_the_vectors(void **state)
{
    json_t *doc = vec_load("genesis.json");
    struct lg_genesis *g = vec_genesis(vec_get(doc, "valid"));
    const struct lg_profile *want = &g->profiles[0], *got = lg_profile_paper();

    (void)state;
    assert_string_equal(got->id, want->id);
    assert_int_equal(got->npoints, want->npoints);
    for (unsigned i = 0; i < got->npoints; i++) {
        assert_string_equal(got->points[i].name, want->points[i].name);
        assert_string_equal(got->points[i].label, want->points[i].label);
        assert_string_equal(got->points[i].unit, want->points[i].unit);
        assert_int_equal(got->points[i].agg, want->points[i].agg);
        assert_int_equal(got->points[i].decimals, want->points[i].decimals);
        assert_int_equal(got->points[i].exp, want->points[i].exp);
        assert_memory_equal(got->points[i].of, want->points[i].of, 2);
        assert_int_equal(got->by_name[i], want->by_name[i]);
    }
    lg_genesis_free(g);
    json_decref(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_vector_has_chain_id),
        cmocka_unit_test(invalid_vectors_give_their_code),
        cmocka_unit_test(fault_has_code_of_its_part),
        cmocka_unit_test(key_check_without_memory_is_no_verdict),
        cmocka_unit_test(text_limits_hold_to_the_byte),
        cmocka_unit_test(non_canonical_is_refused),
        cmocka_unit_test(encode_of_decoded_is_identical),
        cmocka_unit_test(paper_profile_is_the_vectors),
    };

    return cmocka_run_group_tests_name("genesis", tests, NULL, NULL);
}
