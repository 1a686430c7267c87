/* The REST calls over the worked chain: shape and content of each answer. */
#include "ledger/core/proof.h"
#include "tests/lib/rest_fixture.h"
#include "tests/lib/synth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define KEYS(...)                                                                                            \
    (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)

static const json_t *vector_block(struct rest_fixture *r, size_t height)
{
    return vec_get(json_array_get(vec_get(r->f.chain, "blocks"), height - 1), "block");
}

/* /v1/status has the contract's keys, with tip, slot and height of the store and peers of the node. */
static void status_of_a_chain_is_complete(void **state)
{
    struct rest_fixture *r = *state;
    r->snapshot.npeers = 2;
    r->snapshot.peers[0] = (struct lg_rest_peer){.url = "http://127.0.0.1:5005", .state = "ok", .height = 8};
    r->snapshot.peers[1] = (struct lg_rest_peer){.url = "http://127.0.0.1:5006",
        .state = "bad",
        .bans = 1,
        .reason = "work",
        .until_ms = 1764000000000};
    r->snapshot.engine.pool_statements = 3;
    strcpy(r->relay.id, "relay-1");
    strcpy(r->relay.state, "ok");
    r->relay.last_seq = 176400000;
    json_t *j = rest_json(r, "/v1/status",
        KEYS("chain", "name", "engine", "node", "height", "tip", "slot", "time", "pool", "peers", "relays",
            "version"));
    assert_string_equal(vec_text(j, "chain"), vec_text(r->f.chain, "chain_id"));
    assert_string_equal(vec_text(j, "engine"), "pow");
    assert_string_equal(vec_text(j, "name"), "vectors");
    assert_int_equal(vec_number(j, "height"), 8);
    assert_int_equal(vec_number(j, "slot"), 29400008);
    const json_t *last = json_array_get(vec_get(r->f.chain, "blocks"), 7);
    assert_string_equal(vec_text(j, "tip"), vec_text(last, "hash"));
    assert_string_equal(vec_text(vec_get(j, "node"), "id"), "34750f98bd59fcfc");
    assert_string_equal(vec_text(vec_get(j, "node"), "name"), "Red_BKC_NODO_5004");
    assert_int_equal(vec_number(vec_get(j, "pool"), "statements"), 3);
    const json_t *peer = json_array_get(vec_get(j, "peers"), 0);
    assert_keys(peer, KEYS("url", "state", "height"));
    assert_string_equal(vec_text(peer, "url"), "http://127.0.0.1:5005");
    peer = json_array_get(vec_get(j, "peers"), 1);
    assert_keys(peer, KEYS("url", "state", "height", "reason", "until_ms"));
    assert_string_equal(vec_text(peer, "reason"), "work");
    assert_int_equal(vec_number(peer, "until_ms"), 1764000000000);
    assert_int_equal(json_array_size(vec_get(j, "relays")), 1);
    assert_keys(json_array_get(vec_get(j, "relays"), 0), KEYS("id", "state", "last_seq", "last_sample_ms"));
}

/* The base of the newest closed minute is told with the slot that it is for, and is not there before the engine has one. */
static void status_tells_the_base_of_the_slot(void **state)
{
    struct rest_fixture *r = *state;
    r->snapshot.engine.has_base = true;
    r->snapshot.engine.slot = 29400009;
    r->snapshot.engine.base = (struct lg_block_info){.height = 7, .slot = 29400007, .time = 1764000485000};
    memset(r->snapshot.engine.base.hash.b, 0xab, SG_HASH_BYTES);
    json_t *j = rest_json(r, "/v1/status",
        KEYS("base", "chain", "name", "engine", "node", "height", "tip", "slot", "time", "pool", "peers",
            "relays", "version"));
    const json_t *base = vec_get(j, "base");
    assert_keys(base, KEYS("hash", "height", "slot", "slot_for", "time"));
    assert_string_equal(
        vec_text(base, "hash"), "abababababababababababababababababababababababababababababababab");
    assert_int_equal(vec_number(base, "height"), 7);
    assert_int_equal(vec_number(base, "slot"), 29400007);
    assert_int_equal(vec_number(base, "slot_for"), 29400009);
    assert_int_equal(vec_number(base, "time"), 1764000485000);
}

/* An empty chain has the genesis as tip, height 0, and empty lists everywhere. */
static void empty_chain_is_answered(void **state)
{
    struct rest_fixture *r = *state;
    json_t *j = rest_json(r, "/v1/status",
        KEYS("chain", "name", "engine", "node", "height", "tip", "slot", "time", "pool", "peers", "relays",
            "version"));
    assert_string_equal(vec_text(j, "tip"), vec_text(r->f.chain, "chain_id"));
    assert_int_equal(vec_number(j, "height"), 0);
    assert_int_equal(vec_number(j, "slot"), 29399999);
    j = rest_json(r, "/v1/headers", KEYS("headers"));
    assert_int_equal(json_array_size(vec_get(j, "headers")), 0);
    j = rest_json(r, "/v1/minutes?relay=relay-1", KEYS("minutes"));
    assert_int_equal(json_array_size(vec_get(j, "minutes")), 0);
    j = rest_json(r, "/v1/evidence", KEYS("bodies", "statements"));
    j = rest_json(r, "/v1/pool", KEYS("bodies", "statements"));
    assert_int_equal(json_array_size(vec_get(j, "statements")), 0);
    j = rest_json(r, "/get_chain", KEYS("1_length", "2_chain"));
    assert_int_equal(vec_number(j, "1_length"), 1);
    assert_true(json_equal(
        json_array_get(vec_get(j, "2_chain"), 0), json_array_get(vec_get(r->f.chain, "paper_view"), 0)));
    assert_problem(r, "/v1/blocks/latest", SG_ENOT_FOUND);
}

/* The genesis is served as its canonical bytes: they hash to the chain id. */
static void genesis_is_canonical(void **state)
{
    struct rest_fixture *r = *state;
    struct lg_hash id;
    assert_int_equal(rest_get(r, "/v1/genesis"), 200);
    lg_hash_tagged(&id, "gridwitness/genesis/v1", r->answer.body.p, r->answer.body.len);
    assert_memory_equal(&id, &r->f.g->id, sizeof id);
}

/* Headers and blocks come in pages whose next leads through the whole chain, and are those of the vectors. */
static void lists_of_the_chain_are_paged(void **state)
{
    struct rest_fixture *r = *state;
    int64_t from = 1, n = 0;
    char path[64];
    while (from > 0) {
        snprintf(path, sizeof path, "/v1/headers?from=%lld&limit=3", (long long)from);
        assert_int_equal(rest_get(r, path), 200);
        const json_t *list = vec_get(r->json, "headers"), *next = json_object_get(r->json, "next");
        for (size_t i = 0; i < json_array_size(list); i++, n++) {
            const json_t *h = json_array_get(list, i),
                         *want = json_array_get(vec_get(r->f.chain, "blocks"), (size_t)n);
            assert_keys(h, KEYS("hash", "header", "sig"));
            assert_string_equal(vec_text(h, "hash"), vec_text(want, "hash"));
            assert_true(json_equal(vec_get(h, "header"), vec_get(vec_get(want, "block"), "header")));
            assert_string_equal(vec_text(h, "sig"), vec_text(vec_get(want, "block"), "sig"));
        }
        from = next == NULL ? 0 : json_integer_value(next);
    }
    assert_int_equal(n, 8);
    json_t *j = rest_json(r, "/v1/blocks?from=7", KEYS("blocks"));
    assert_int_equal(json_array_size(vec_get(j, "blocks")), 2);
    assert_code(lg_c0_check(r->answer.body.p, r->answer.body.len), 0); /* peers read it so */
    assert_true(json_equal(vec_get(json_array_get(vec_get(j, "blocks"), 0), "block"), vector_block(r, 7)));
    j = rest_json(r, "/v1/blocks?from=2&to=3", KEYS("blocks"));
    assert_int_equal(json_array_size(vec_get(j, "blocks")), 2);
    j = rest_json(r, "/v1/blocks?from=9", KEYS("blocks"));
    assert_int_equal(json_array_size(vec_get(j, "blocks")), 0);
}

/* One block by height, by hash and as latest, with its confirmations. */
static void block_is_found_by_each_name(void **state)
{
    struct rest_fixture *r = *state;
    char path[96];
    json_t *j = rest_json(r, "/v1/blocks/6", KEYS("block", "confirmations", "hash"));
    assert_int_equal(vec_number(j, "confirmations"), 3);
    assert_true(json_equal(vec_get(j, "block"), vector_block(r, 6)));
    snprintf(path, sizeof path, "/v1/blocks/%s", vec_text(j, "hash"));
    j = rest_json(r, path, KEYS("block", "confirmations", "hash"));
    assert_true(json_equal(vec_get(j, "block"), vector_block(r, 6)));
    j = rest_json(r, "/v1/blocks/latest", KEYS("block", "confirmations", "hash"));
    assert_int_equal(vec_number(j, "confirmations"), 1);
    assert_problem(r, "/v1/blocks/9", SG_ENOT_FOUND);
    assert_problem(r, "/v1/blocks/0", SG_ENOT_FOUND);
    assert_problem(r, "/v1/blocks/-1", SG_EBAD_PARAMETER);
    assert_problem(r, "/v1/blocks/Latest", SG_EBAD_PARAMETER);
}

static const char *const minute_keys[] = {
    "attested", "block", "body", "confirmations", "conflict", "digest", "height", "of", "seen_by", "state"};

/* Slot 29400007: three gateways against one; the majority's body is the answer and the disagreement is visible. */
static void minute_with_a_conflict_answers_with_the_majority(void **state)
{
    struct rest_fixture *r = *state;
    json_t *j = rest_json(r, "/v1/minutes/relay-1/29400007", minute_keys, SG_ARRAY_LEN(minute_keys));
    assert_int_equal(json_array_size(vec_get(j, "attested")), 3);
    assert_true(json_is_true(vec_get(j, "conflict")));
    assert_memory_equal(vec_text(j, "digest"), "3b618433", 8);
    assert_int_equal(vec_number(j, "of"), 5);
    assert_int_equal(vec_number(j, "seen_by"), 5);
    assert_int_equal(vec_number(j, "height"), 7);
    assert_int_equal(vec_number(j, "confirmations"), 2);
    assert_string_equal(vec_text(j, "state"), "mined");
    assert_keys(json_array_get(vec_get(j, "attested"), 0), KEYS("gw", "live"));
    j = rest_json(r, "/v1/minutes/relay-1/2025-11-24T16:07:00Z", minute_keys, SG_ARRAY_LEN(minute_keys));
    assert_int_equal(vec_number(vec_get(j, "body"), "min"), 29400007);
    j = rest_json(r, "/v1/evidence", KEYS("bodies", "statements"));
    const json_t *c = json_array_get(vec_get(j, "bodies"), 0);
    assert_int_equal(json_array_size(vec_get(j, "bodies")), 1);
    assert_keys(c, KEYS("bodies", "minute", "reads", "relay"));
    assert_int_equal(vec_number(c, "minute"), 29400007);
    assert_int_equal(json_array_size(vec_get(c, "bodies")), 2);
    assert_int_equal(json_array_size(vec_get(c, "reads")), 4);
}

/* A late attestation counts with live 0; a minute of a relay with two readers that one missed is 1 of 2; the depth decides
 * the state. */
static void minutes_count_their_witnesses(void **state)
{
    struct rest_fixture *r = *state;
    json_t *j = rest_json(r, "/v1/minutes/relay-1/29400005", minute_keys, SG_ARRAY_LEN(minute_keys));
    const json_t *late = json_array_get(vec_get(j, "attested"), 3);
    assert_int_equal(json_array_size(vec_get(j, "attested")), 4);
    assert_string_equal(vec_text(late, "gw"), "c5b940ed3f65c391");
    assert_int_equal(vec_number(late, "live"), 0);
    assert_true(json_is_false(vec_get(j, "conflict")));
    j = rest_json(r, "/v1/minutes/relay-2/29400003", minute_keys, SG_ARRAY_LEN(minute_keys));
    assert_int_equal(json_array_size(vec_get(j, "attested")), 1);
    assert_int_equal(vec_number(j, "of"), 2);
    assert_int_equal(vec_number(j, "confirmations"), 6);
    assert_string_equal(vec_text(j, "state"), "confirmed");
    j = rest_json(r, "/v1/minutes/relay-1/29400008", minute_keys, SG_ARRAY_LEN(minute_keys));
    assert_int_equal(vec_number(j, "seen_by"), 0);
    assert_problem(r, "/v1/minutes/relay-1/29400009", SG_ENOT_FOUND);
    assert_problem(r, "/v1/minutes/relay-9/29400001", SG_ENOT_FOUND);
    assert_problem(r, "/v1/minutes/relay-1/yesterday", SG_EBAD_PARAMETER);
}

/* Lists of minutes go up and down, in pages, within their range. */
static void lists_of_minutes_are_paged(void **state)
{
    struct rest_fixture *r = *state;
    json_t *j = rest_json(r, "/v1/minutes?relay=relay-1&limit=3", KEYS("minutes", "next"));
    assert_int_equal(vec_number(j, "next"), 29400004);
    assert_keys(json_array_get(vec_get(j, "minutes"), 0), minute_keys, SG_ARRAY_LEN(minute_keys));
    j = rest_json(r, "/v1/minutes?relay=relay-1&order=desc&limit=2", KEYS("minutes", "next"));
    assert_int_equal(vec_number(vec_get(json_array_get(vec_get(j, "minutes"), 0), "body"), "min"), 29400008);
    assert_int_equal(vec_number(j, "next"), 29400006);
    j = rest_json(
        r, "/v1/minutes?relay=relay-1&order=desc&limit=8&to=29400006&from=29400005", KEYS("minutes"));
    assert_int_equal(json_array_size(vec_get(j, "minutes")), 2);
    j = rest_json(r, "/v1/minutes?relay=relay-1&from=2025-11-24T16:08:00Z", KEYS("minutes"));
    assert_int_equal(json_array_size(vec_get(j, "minutes")), 1);
}

/* The CSV form has a row a minute with as many fields as the header line, and values in SI units. */
static void minutes_as_csv_have_a_row_each(void **state)
{
    struct rest_fixture *r = *state;
    assert_int_equal(rest_get_as(r, "/v1/minutes?relay=relay-1&from=29400001&to=29400001", "text/csv"), 200);
    char *text = rest_text(r), *row = strchr(text, '\n') + 1;
    size_t head = 0, fields = 0;
    for (const char *p = text; p < row; p++)
        head += *p == ',';
    for (const char *p = row; *p != '\0'; p++)
        fields += *p == ',';
    assert_int_equal(head, 13 + 10 * 4);
    assert_int_equal(fields, head);
    assert_memory_equal(
        text, "relay,minute,time,state,height,block,digest,attested,of,seen_by,conflict,", 73);
    assert_memory_equal(row, "relay-1,29400001,2025-11-24T16:01:00.000Z,confirmed,1,001e4594", 62);
    /* ia is in mA: its mid in A has three decimals */
    const json_t *ia =
        vec_get(vec_get(json_array_get(vec_get(vector_block(r, 1), "bodies"), 0), "agg"), "ia");
    const long long mid = json_integer_value(json_array_get(ia, 2));
    char want[64];
    snprintf(want, sizeof want, ",%lld.%03lld,", mid / 1000, mid % 1000);
    assert_non_null(strstr(row, want));
    free(text);
}

/* What is not on the best branch is shown as pooled, with what the pool's statements say of it. */
static void pooled_minutes_are_shown(void **state)
{
    struct rest_fixture *r = *state;
    static const char *const keys[] = {
        "attested", "body", "confirmations", "conflict", "digest", "of", "seen_by", "state"};
    fixture_disconnect(&r->f, 8, 7);
    json_t *j = rest_json(r, "/v1/minutes/relay-1/29400007", keys, SG_ARRAY_LEN(keys));
    assert_string_equal(vec_text(j, "state"), "pooled");
    assert_int_equal(json_array_size(vec_get(j, "attested")), 3);
    assert_memory_equal(vec_text(j, "digest"), "3b618433", 8);
    assert_true(json_is_true(vec_get(j, "conflict")));
    j = rest_json(r, "/v1/minutes?relay=relay-1", KEYS("minutes"));
    assert_int_equal(json_array_size(vec_get(j, "minutes")), 8);
    assert_string_equal(vec_text(json_array_get(vec_get(j, "minutes"), 5), "state"), "mined");
    assert_string_equal(vec_text(json_array_get(vec_get(j, "minutes"), 6), "state"), "pooled");
    assert_int_equal(rest_get_as(r, "/v1/minutes?relay=relay-1&from=29400008", "text/csv"), 200);
    assert_problem(r, "/v1/minutes/relay-1/29400007/proof", SG_ENOT_FOUND);
}

/* The proof of every minute verifies against the genesis alone, and names the witnesses; a changed byte does not. */
static void proofs_verify_offline(void **state)
{
    struct rest_fixture *r = *state;
    struct lg_proof_result result;
    char where[64], path[64];
    for (int min = 29400001; min <= 29400008; min++) {
        snprintf(path, sizeof path, "/v1/minutes/relay-1/%d/proof", min);
        rest_json(r, path, KEYS("blocks", "body", "genesis", "statements"));
        assert_code(
            lg_proof_verify(&result, where, r->answer.body.p, r->answer.body.len, r->f.g, &sg_crypto_openssl),
            0);
        assert_string_equal(result.relay, "relay-1");
        assert_int_equal(result.min, min);
        /* block 5 lacks one gateway, which attests its minute in block 6; in 7 one saw something else */
        assert_int_equal(result.nwitnesses, min == 29400007 ? 3 : 4);
        assert_int_equal(json_array_size(vec_get(r->json, "blocks")), min == 29400005 ? 2 : 1);
    }
    uint8_t *digit = memmem(r->answer.body.p, r->answer.body.len, "\"openings\":", 11);
    assert_non_null(digit);
    digit[11] = digit[11] == '9' ? '8' : (uint8_t)(digit[11] + 1);
    assert_true(lg_proof_verify(
                    &result, where, r->answer.body.p, r->answer.body.len, r->f.g, &sg_crypto_openssl) != 0);
}

/* Statements and bodies are found by hash, with their place; what is taken off the branch is pooled. */
static void documents_have_their_place(void **state)
{
    struct rest_fixture *r = *state;
    char path[96], hex[65];
    const struct lg_statement *s = r->f.blocks[7]->statements[0];
    for (int i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", s->leaf.b[i]);
    snprintf(path, sizeof path, "/v1/statements/%s", hex);
    json_t *j =
        rest_json(r, path, KEYS("block", "confirmations", "height", "index", "leaf", "state", "statement"));
    assert_code(lg_c0_check(r->answer.body.p, r->answer.body.len), 0);
    assert_string_equal(vec_text(j, "state"), "mined");
    assert_int_equal(vec_number(j, "height"), 8);
    assert_true(
        json_equal(vec_get(j, "statement"), json_array_get(vec_get(vector_block(r, 8), "statements"), 0)));
    fixture_disconnect(&r->f, 8, 8);
    j = rest_json(r, path, KEYS("leaf", "state", "statement"));
    assert_string_equal(vec_text(j, "state"), "pooled");
    j = rest_json(r, "/v1/pool", KEYS("bodies", "statements"));
    assert_code(lg_c0_check(r->answer.body.p, r->answer.body.len), 0);
    assert_int_equal(json_array_size(vec_get(j, "statements")), 5);
    assert_int_equal(json_array_size(vec_get(j, "bodies")), 2);
    j = rest_json(r, "/v1/pool?limit=2", KEYS("bodies", "next", "statements"));
    assert_int_equal(vec_number(j, "next"), 2);
    j = rest_json(r, "/v1/pool?from=2&limit=3", KEYS("bodies", "statements"));
    assert_int_equal(json_array_size(vec_get(j, "statements")), 3);
    j = rest_json(r, "/v1/pool?from=1&to=3", KEYS("bodies", "statements")); /* to is inclusive, and the end */
    assert_int_equal(json_array_size(vec_get(j, "statements")), 3);
    j = rest_json(r, "/v1/pool?from=1&limit=2&to=3", KEYS("bodies", "next", "statements"));
    assert_int_equal(vec_number(j, "next"), 3);
    j = rest_json(r, "/v1/pool?from=5", KEYS("bodies", "statements"));
    assert_int_equal(json_array_size(vec_get(j, "statements")), 0);
    assert_problem(r, "/v1/pool?from=3&to=1", SG_EBAD_PARAMETER);
    for (int i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", r->f.blocks[0]->bodies[0]->digest.b[i]);
    snprintf(path, sizeof path, "/v1/bodies/%s", hex);
    j = rest_json(r, path, KEYS("block", "body", "confirmations", "digest", "height", "index", "state"));
    assert_string_equal(vec_text(j, "state"), "confirmed");
    assert_int_equal(vec_number(j, "index"), 5);
    assert_problem(r, "/v1/bodies/00", SG_EBAD_PARAMETER);
    assert_problem(
        r, "/v1/statements/0000000000000000000000000000000000000000000000000000000000000000", SG_ENOT_FOUND);
}

/* A pooled statement that the best branch can never take any more is told as overtaken at once: its gateway must begin anew. */
static void pooled_statement_behind_the_branch_is_overtaken(void **state)
{
    struct rest_fixture *r = *state;
    char path[96], hex[65];
    struct synth synth;
    const struct lg_statement *mined = r->f.blocks[7]->statements[0];
    unsigned gw = 0;
    while (r->f.g->gateways[gw].id != mined->gw)
        gw++;
    synth_init(&synth, r->f.g);
    struct lg_statement *s = synth_statement(&synth, gw, mined->inc - 1, 1, &r->f.g->id, NULL, 0, 0);
    assert_code(r->f.s->begin(r->f.s->ctx), 0);
    assert_code(r->f.s->put_statement(r->f.s->ctx, s), 0);
    assert_code(r->f.s->commit(r->f.s->ctx), 0);
    for (int i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", s->leaf.b[i]);
    snprintf(path, sizeof path, "/v1/statements/%s", hex);
    json_t *j = rest_json(r, path, KEYS("leaf", "state", "statement"));
    assert_string_equal(vec_text(j, "state"), "overtaken");
    lg_statement_free(s);
    synth_fini(&synth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(status_of_a_chain_is_complete, rest_setup, rest_teardown),
        cmocka_unit_test_setup_teardown(status_tells_the_base_of_the_slot, rest_setup, rest_teardown),
        cmocka_unit_test_setup_teardown(
            pooled_statement_behind_the_branch_is_overtaken, rest_setup, rest_teardown),
        cmocka_unit_test_setup_teardown(empty_chain_is_answered, rest_setup_empty, rest_teardown),
        cmocka_unit_test_setup_teardown(genesis_is_canonical, rest_setup, rest_teardown),
        cmocka_unit_test_setup_teardown(lists_of_the_chain_are_paged, rest_setup, rest_teardown),
        cmocka_unit_test_setup_teardown(block_is_found_by_each_name, rest_setup, rest_teardown),
        cmocka_unit_test_setup_teardown(
            minute_with_a_conflict_answers_with_the_majority, rest_setup, rest_teardown),
        cmocka_unit_test_setup_teardown(minutes_count_their_witnesses, rest_setup, rest_teardown),
        cmocka_unit_test_setup_teardown(lists_of_minutes_are_paged, rest_setup, rest_teardown),
        cmocka_unit_test_setup_teardown(minutes_as_csv_have_a_row_each, rest_setup, rest_teardown),
        cmocka_unit_test_setup_teardown(pooled_minutes_are_shown, rest_setup, rest_teardown),
        cmocka_unit_test_setup_teardown(proofs_verify_offline, rest_setup, rest_teardown),
        cmocka_unit_test_setup_teardown(documents_have_their_place, rest_setup, rest_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
