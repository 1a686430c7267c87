/* The paper's view against the golden hash, the worked chain and the sequence of proofs. */
#include "ledger/core/paper.h"
#include "tests/lib/vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* The genesis that the paper prints has the hash that its Figure 3 shows. */
static void golden_genesis_has_published_hash(void **state)
{
    json_t *doc = vec_load("paper.json");
    struct lg_hash hash, want = vec_hash(vec_text(doc, "genesis_hash"));
    struct sg_buf b;

    (void)state;
    sg_buf_init(&b, 4096);
    lg_paper_genesis_json(&b, vec_text(vec_get(doc, "genesis"), "2_Estampa_de_tiempo"));
    assert_code(sg_buf_err(&b), 0);
    sg_sha256(hash.b, b.p, b.len);
    assert_true(lg_hash_eq(&hash, &want));
    sg_buf_fini(&b);
    json_decref(doc);
}

/* The view of the worked chain: each block as the vectors have it, each hash the one that the next block names. */
static void view_of_worked_chain_is_the_vectors(void **state)
{
    json_t *doc = vec_load("chain.json"), *view = vec_get(doc, "paper_view");
    struct lg_genesis *g = vec_genesis(vec_get(doc, "genesis"));
    struct lg_paper_state st;
    struct sg_buf b;

    (void)state;
    sg_buf_init(&b, 1 << 20);
    assert_int_equal(json_array_size(view), 9);
    for (unsigned i = 0; i < 9; i++) {
        json_t *want = json_array_get(view, i), *got;

        sg_buf_reset(&b);
        if (i == 0) {
            assert_code(lg_paper_genesis(&b, &st, g), 0);
        } else {
            struct lg_block *block =
                vec_block(vec_get(json_array_get(vec_get(doc, "blocks"), i - 1), "block"));
            struct lg_hash named = vec_hash(vec_text(want, "4_previous_hash"));

            assert_true(lg_hash_eq(&st.hash, &named));
            assert_code(lg_paper_block(&b, &st, &st, g, block), 0);
            lg_block_free(block);
        }
        assert_int_equal(st.index, i + 1);
        assert_int_equal(st.proof, json_integer_value(vec_get(want, "3_proof")));
        got = json_loadb((const char *)b.p, b.len, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(got);
        assert_true(json_equal(got, want));
        json_decref(got);
    }
    sg_buf_fini(&b);
    lg_genesis_free(g);
    json_decref(doc);
}

/* The sequence of proofs begins as the vectors say, and each entry of the table is what a search finds. */
static void proofs_are_what_a_search_finds(void **state)
{
    json_t *doc = vec_load("paper.json"), *proofs = vec_get(doc, "proofs");
    int64_t proof = 1, seen[225];

    (void)state;
    for (size_t i = 0; i < json_array_size(proofs); i++) {
        assert_int_equal(proof, json_integer_value(json_array_get(proofs, i)));
        proof = lg_paper_next_proof(proof);
    }
    proof = 1;
    for (unsigned i = 0; i < 225; i++) { /* a tail of 67, then a cycle of 158 */
        seen[i] = proof;
        assert_int_equal(lg_paper_next_proof(proof), lg_paper_search_proof(proof));
        proof = lg_paper_next_proof(proof);
    }
    assert_int_equal(proof, seen[67]);
    assert_int_equal(lg_paper_next_proof(2), lg_paper_search_proof(2));
    json_decref(doc);
}

/* Text outside ASCII is escaped as Python does, in pairs above U+FFFF; quotes and backslashes too. */
static void names_are_escaped_as_python_does(void **state)
{
    json_t *doc = vec_load("chain.json"), *genesis = vec_get(doc, "genesis");
    struct lg_paper_state st;
    struct lg_genesis *g;
    struct lg_block *block;
    struct sg_buf b;

    (void)state;
    json_object_set_new(json_array_get(vec_get(genesis, "relays"), 0), "equipment",
        json_string("é\"\\\xF0\x9F\x98\x80\xEF\xBF\xBF"));
    g = vec_genesis(genesis);
    block = vec_block(vec_get(json_array_get(vec_get(doc, "blocks"), 0), "block"));
    sg_buf_init(&b, 1 << 20);
    assert_code(lg_paper_genesis(&b, &st, g), 0);
    assert_code(lg_paper_block(&b, &st, &st, g, block), 0);
    sg_buf_put_u8(&b, 0);
    assert_non_null(strstr((const char *)b.p, "{\"A. Equipo\": \"\\u00e9\\\"\\\\\\ud83d\\ude00\\uffff\", "));
    sg_buf_fini(&b);
    lg_block_free(block);
    lg_genesis_free(g);
    json_decref(doc);
}

/* Values print with their zeros trimmed to one decimal; what is not known prints empty; seconds are cut, not rounded. */
static void minute_text_prints_values_as_the_relay_does(void **state)
{
    static const char want[] =
        "24 11 2025 11 01\nRelay 1\nBogotá Electrical Substation - U.D.\n\n"
        "Openings caused by faults: 4294967295.0\n\n"
        "Time Stamp;24 11 2025 11 01 59;Vab;110.69;Vbc;22.0;Vca;;Ia;-0.005;Ib;0.1;Ic;0.0;F;;FP;;P;"
        "1099511627.776;Q;-1.5\n";
    json_t *doc = vec_load("chain.json");
    struct lg_genesis *g = vec_genesis(vec_get(doc, "genesis"));
    struct lg_sample s = {.t_ms = 59999,
        .qual = 0x8000,
        .have = 0x33b,
        .x = {110690, 22000, 0, -5, 100, 0, 0, 0, INT64_C(1) << 40, -1500}};
    struct lg_body *body = NULL;
    struct sg_buf b, text;

    (void)state;
    sg_buf_init(&b, 1 << 16);
    sg_buf_init(&text, 1 << 16);
    assert_code(lg_body_encode(&b, &g->relays[0], 29400001, UINT32_MAX, &s, 1, NULL, 0), 0);
    assert_code(lg_body_decode(&body, b.p, b.len), 0);
    assert_code(lg_paper_minute_text(&text, g, &g->relays[0], body), 0);
    sg_buf_put_u8(&text, 0);
    assert_string_equal((const char *)text.p, want);
    lg_body_free(body);
    sg_buf_fini(&b);
    sg_buf_fini(&text);
    lg_genesis_free(g);
    json_decref(doc);
}

/* A block that no genesis of this chain can have is refused, not printed with holes. */
static void block_of_unknown_miner_is_refused(void **state)
{
    json_t *doc = vec_load("chain.json"), *block_doc;
    struct lg_genesis *g = vec_genesis(vec_get(doc, "genesis"));
    struct lg_paper_state st = {.index = 1, .proof = 1};
    struct lg_block *block;
    struct sg_buf b;

    (void)state;
    block_doc = vec_get(json_array_get(vec_get(doc, "blocks"), 0), "block");
    json_object_set_new(vec_get(block_doc, "header"), "miner", json_string("nobody"));
    block = vec_block(block_doc);
    sg_buf_init(&b, 1 << 16);
    assert_code(lg_paper_block(&b, &st, &st, g, block), SG_EINVAL);
    sg_buf_fini(&b);
    lg_block_free(block);
    lg_genesis_free(g);
    json_decref(doc);
}

/* {"agg":{},…} with 60 samples of 48 points, each value one digit. */
static struct lg_body *talkative_body(const char *relay)
{
    struct lg_body *body;
    struct sg_buf b;

    sg_buf_init(&b, 1 << 16);
    sg_buf_printf(&b,
        "{\"agg\":{},\"events\":[],\"min\":29399701,\"openings\":0,\"quality\":32768,"
        "\"relay\":\"%s\",\"samples\":[",
        relay);
    for (int i = 0; i < LG_MAX_SAMPLES; i++) {
        sg_buf_printf(&b, "%s[%d,32768,281474976710655", i ? "," : "", i * 1000);
        for (int k = 0; k < LG_MAX_POINTS; k++)
            sg_buf_puts(&b, ",5");
        sg_buf_puts(&b, "]");
    }
    sg_buf_puts(&b, "],\"v\":1}");
    assert_code(lg_body_decode(&body, b.p, b.len), 0);
    sg_buf_fini(&b);
    return body;
}

/* Whatever a genesis allows as labels, the view of the largest block stays within its bound: each valid block can be connected. */
static void view_of_largest_block_fits_its_bound(void **state)
{
    enum { MAX_BLOCK_BYTES = 16 << 20 };
    json_t *doc = vec_load("chain.json");
    struct lg_genesis *g = vec_genesis(vec_get(doc, "genesis")), wide = *g;
    struct lg_paper_state st = {.index = 1, .proof = 1};
    struct lg_profile profile = {.id = "wide", .npoints = LG_MAX_POINTS};
    struct lg_relay relay = g->relays[0];
    struct sg_buf b;

    (void)state;
    for (unsigned i = 0; i < LG_MAX_POINTS; i++) {
        strcpy(profile.points[i].label, "ññññññññ");
        profile.points[i].decimals = 9;
    }
    relay.period_s = 1;
    relay.profile = &profile;
    wide.relays = &relay;
    wide.nrelays = 1;
    struct lg_body *body = talkative_body(relay.id);
    struct lg_block block = {.nbodies = 1, .bodies = &body};
    block.header.miner_is_kid = true;
    block.header.miner_kid = g->gateways[0].id;
    sg_buf_init(&b, 1 << 20);
    assert_code(lg_paper_block(&b, &st, &st, &wide, &block), 0);
    assert_true(b.len / body->doc_len > 4); /* more than what was once thought enough */
    assert_true(b.len / body->doc_len * MAX_BLOCK_BYTES < LG_PAPER_MAX_BYTES);
    sg_buf_fini(&b);
    lg_body_free(body);
    lg_genesis_free(g);
    json_decref(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_genesis_has_published_hash),
        cmocka_unit_test(view_of_worked_chain_is_the_vectors),
        cmocka_unit_test(proofs_are_what_a_search_finds),
        cmocka_unit_test(names_are_escaped_as_python_does),
        cmocka_unit_test(minute_text_prints_values_as_the_relay_does),
        cmocka_unit_test(block_of_unknown_miner_is_refused),
        cmocka_unit_test(view_of_largest_block_fits_its_bound),
    };

    return cmocka_run_group_tests_name("paper", tests, NULL, NULL);
}
