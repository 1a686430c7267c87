/* The order of miners. */
#include "lg_record.h"
#include "tests/lib/vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Every rank of the vectors is reproduced. */
static void rank_reproduces_vectors(void **state)
{
    json_t *doc = vec_load("rank.json"), *test;
    size_t i;

    (void)state;
    assert_int_equal(json_array_size(doc), 5);
    json_array_foreach(doc, i, test)
    {
        struct lg_hash prev = vec_hash(vec_text(test, "prev")), want = vec_hash(vec_text(test, "rank")), got;
        lg_kid kid = 0;

        assert_code(lg_kid_parse(&kid, vec_text(test, "kid"), 16), 0);
        lg_rank(&got, &prev, json_integer_value(vec_get(test, "slot")), kid);
        assert_true(lg_hash_eq(&got, &want));
    }
    json_decref(doc);
}

/* The positions of the miners are 0..m-1, each once, in the order of their ranks; who may not mine has none. */
static void position_counts_lower_ranks_of_miners(void **state)
{
    json_t *doc = vec_load("chain.json");
    struct lg_genesis *g = vec_genesis(vec_get(doc, "genesis"));
    struct lg_hash rank[LG_MAX_GATEWAYS];
    unsigned seen = 0;

    (void)state;
    for (sg_minute slot = g->minute; slot < g->minute + 20; slot++) {
        int position[LG_MAX_GATEWAYS];

        seen = 0;
        for (unsigned i = 0; i < g->ngateways; i++) {
            lg_rank(&rank[i], &g->id, slot, g->gateways[i].id);
            position[i] = lg_rank_position(g, &g->id, slot, g->gateways[i].id);
            assert_int_equal(position[i] >= 0, g->gateways[i].mine);
            if (position[i] >= 0)
                seen |= 1u << position[i];
        }
        assert_int_equal(seen, (1u << g->nminers) - 1);
        for (unsigned i = 0; i < g->ngateways; i++) {
            for (unsigned k = 0; k < g->ngateways; k++) {
                if (position[i] >= 0 && position[k] > position[i])
                    assert_true(lg_hash_cmp(&rank[i], &rank[k]) < 0);
            }
        }
    }
    assert_int_equal(lg_rank_position(g, &g->id, g->minute, 12345), -1);
    lg_genesis_free(g);
    json_decref(doc);
}

/* Key ids of the vectors: first half of the hash's first 16 bytes, as 16 hex digits and back. */
static void kid_reproduces_vectors(void **state)
{
    json_t *keys = vec_load("keys.json"), *key;
    size_t i;

    (void)state;
    json_array_foreach(keys, i, key)
    {
        struct sg_key *k = vec_key((unsigned)i);
        uint8_t pub[SG_PUBLIC_KEY_BYTES];
        char hex[LG_KID_HEX + 1];
        lg_kid back = 0;

        sg_key_public(k, pub);
        lg_kid_hex(hex, lg_kid_of_public(pub));
        assert_string_equal(hex, vec_text(key, "kid"));
        assert_code(lg_kid_parse(&back, hex, 16), 0);
        assert_true(back == lg_kid_of_public(pub));
        sg_key_free(k);
    }
    assert_code(lg_kid_parse(&(lg_kid){0}, "0123456789ABCDEF", 16), SG_EINVAL);
    assert_code(lg_kid_parse(&(lg_kid){0}, "0123456789abcde", 15), SG_EINVAL);
    json_decref(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rank_reproduces_vectors),
        cmocka_unit_test(position_counts_lower_ranks_of_miners),
        cmocka_unit_test(kid_reproduces_vectors),
    };

    return cmocka_run_group_tests_name("rank", tests, NULL, NULL);
}
