/* The REST calls beside the chain's documents: offers, registry, readiness, metrics, the paper's view, and the table of
 * wrong requests. */
#include "tests/lib/raw_http.h"
#include "tests/lib/rest_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define KEYS(...)                                                                                            \
    (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)

/* Every wrong request has its status and its code, and the server still answers after all of them. */
static void wrong_requests_have_their_code(void **state)
{
    struct rest_fixture *r = *state;
    static const struct {
        const char *path;
        int err;
    } table[] = {
        {"/v1/nothing", SG_ENOT_FOUND},
        {"/openapi.json", SG_ENOT_FOUND},
        {"/v1/headers?limit=0", SG_EBAD_PARAMETER},
        {"/v1/headers?limit=1001", SG_EBAD_PARAMETER},
        {"/v1/headers?limit=-1", SG_EBAD_PARAMETER},
        {"/v1/headers?limit=9223372036854775808", SG_EBAD_PARAMETER},
        {"/v1/headers?limit=1.0", SG_EBAD_PARAMETER},
        {"/v1/headers?limit=1e2", SG_EBAD_PARAMETER},
        {"/v1/headers?limit=01", SG_EBAD_PARAMETER},
        {"/v1/headers?limit=", SG_EBAD_PARAMETER},
        {"/v1/headers?from=-1", SG_EBAD_PARAMETER},
        {"/v1/headers?from=9223372036854775807", SG_EBAD_PARAMETER},
        {"/v1/headers?from=5&to=4", SG_EBAD_PARAMETER},
        {"/v1/headers?from=1&from=1", SG_EBAD_PARAMETER},
        {"/v1/headers?form=1", SG_EBAD_PARAMETER},
        {"/v1/blocks?from=x", SG_EBAD_PARAMETER},
        {"/v1/blocks/latest?x=1", SG_EBAD_PARAMETER},
        {"/v1/minutes", SG_EBAD_PARAMETER},
        {"/v1/minutes?relay=relay-1&order=up", SG_EBAD_PARAMETER},
        {"/v1/minutes?relay=relay-1&from=29400005&to=29400004", SG_EBAD_PARAMETER},
        {"/v1/minutes?relay=relay-1&from=2025-11-24", SG_EBAD_PARAMETER},
        {"/v1/minutes?relay=relay-1&to=4223371680", SG_EBAD_PARAMETER},
        {"/v1/minutes?relay=%27%20OR%201%3D1--", SG_ENOT_FOUND},
        {"/v1/minutes/%3Cscript%3E/29400001", SG_ENOT_FOUND},
        {"/v1/minutes/relay-1/-1", SG_EBAD_PARAMETER},
        {"/v1/minutes/relay-1/%25s%25n", SG_EBAD_PARAMETER},
        {"/v1/bodies/ABCD", SG_EBAD_PARAMETER},
        {"/v1/relays/relay-9/latest", SG_ENOT_FOUND},
        {"/v1/relays/relay-1/latest", SG_ENOT_FOUND}, /* no sample yet */
        {"/v1/gateways/0000000000000000", SG_ENOT_FOUND},
        {"/v1/gateways/xyz", SG_ENOT_FOUND},
        {"/v1/gateways?limit=0", SG_EBAD_PARAMETER},
        {"/v1/relays?from=z&to=a", SG_EBAD_PARAMETER},
        {"/v1/pool?from=-1", SG_EBAD_PARAMETER},
        {"/v1/evidence?bodies_from=7", SG_EBAD_PARAMETER},
        {"/v1/evidence?from=x", SG_EBAD_PARAMETER},
        {"/get_chain?from=0", SG_EBAD_PARAMETER},
        {"/get_chain?limit=-1", SG_EBAD_PARAMETER},
        {"/healthz?a=b", SG_EBAD_PARAMETER},
    };
    for (size_t i = 0; i < SG_ARRAY_LEN(table); i++)
        assert_problem(r, table[i].path, table[i].err);
    assert_int_equal(rest_get(r, "/healthz"), 200);
    assert_int_equal(rest_post(r, "/v1/status", "{}", 2), 405);
    assert_string_equal(vec_text(r->json, "code"), "method");
}

/* An offer reaches the node whole, and its answer comes back: counts, codes by index, or the code of a refusal. */
static void offered_statements_are_answered_by_the_node(void **state)
{
    struct rest_fixture *r = *state;
    struct lg_offer_reject rejected[] = {{1, SG_EGAP}, {3, SG_EFUTURE}};
    r->offer =
        (struct lg_offer){.accepted = 2, .known = 1, .nrejected = 2, .nstatements = 5, .rejected = rejected};
    assert_int_equal(rest_post(r, "/v1/statements", "{\"bodies\":[]}", 13), 200);
    assert_int_equal(r->offered_len, 13);
    assert_keys(r->json, KEYS("accepted", "known", "rejected"));
    assert_int_equal(vec_number(r->json, "accepted"), 2);
    assert_int_equal(vec_number(r->json, "known"), 1);
    const json_t *second = json_array_get(vec_get(r->json, "rejected"), 1);
    assert_keys(second, KEYS("code", "index"));
    assert_string_equal(vec_text(second, "code"), "future");
    assert_int_equal(vec_number(second, "index"), 3);
    static const struct {
        int err, status;
        const char *code;
    } table[] = {
        {SG_ECANONICAL, 422, "canonical"},
        {SG_ESHAPE, 422, "shape"},
        {SG_EOVERLOADED, 503, "overloaded"},
        {SG_ENOSPC, 503, "not_ready"},
        {SG_EIO, 503, "not_ready"},
        {SG_ESTOPPED, 503, "not_ready"},
    };
    for (size_t i = 0; i < SG_ARRAY_LEN(table); i++) {
        r->offer_err = table[i].err;
        assert_int_equal(rest_post(r, "/v1/statements", "{}", 2), table[i].status);
        assert_string_equal(vec_text(r->json, "code"), table[i].code);
    }
}

/* A block's verdict is one of three words, a refusal is 422 with the rule. */
static void offered_blocks_are_answered_by_the_node(void **state)
{
    struct rest_fixture *r = *state;
    static const char *const words[] = {"accepted", "known", "orphan"};
    for (int v = LG_BLOCK_ACCEPTED; v <= LG_BLOCK_ORPHAN; v++) {
        r->verdict = (enum lg_block_verdict)v;
        assert_int_equal(rest_post(r, "/v1/blocks", "{}", 2), 200);
        assert_keys(r->json, KEYS("result"));
        assert_string_equal(vec_text(r->json, "result"), words[v]);
    }
    r->block_err = SG_EWORK;
    assert_int_equal(rest_post(r, "/v1/blocks", "{}", 2), 422);
    assert_string_equal(vec_text(r->json, "code"), "work");
    r->block_err = SG_EFUTURE;
    assert_int_equal(rest_post(r, "/v1/blocks", "{}", 2), 422);
    assert_string_equal(vec_text(r->json, "code"), "future");
}

/* A body above the cap of its call never reaches the node; one byte above the genesis's limit does, for the rule to refuse. */
static void oversized_offers_are_refused(void **state)
{
    struct rest_fixture *r = *state;
    const size_t limit = (size_t)r->f.g->policy.max_block_bytes, cap = limit + (64u << 10);
    char *body = malloc(limit + 1);
    memset(body, ' ', limit + 1);
    r->block_err = SG_ESIZE;
    assert_int_equal(rest_post(r, "/v1/blocks", body, limit + 1), 422);
    assert_string_equal(vec_text(r->json, "code"), "size");
    assert_int_equal(r->offered_len, limit + 1);
    free(body);
    /* The announced length decides, before a byte of the body: a client that sends it all the same may see a reset only. */
    char head[160];
    struct raw_answer a;
    const int fd = raw_dial(lg_rest_port(r->rest), 0);
    snprintf(
        head, sizeof head, "POST /v1/blocks HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", cap + 1);
    assert_true(raw_sends(fd, head));
    raw_recv(fd, &a, false);
    assert_int_equal(a.status, 413);
    assert_non_null(strstr(a.body, "\"code\":\"too_large\""));
    assert_true(raw_closed(fd));
    close(fd);
    assert_int_equal(r->offered_len, limit + 1);
}

static int refuse_full(void *ctx, struct sg_http_request *req)
{
    (void)ctx;
    (void)req;
    return SG_EFULL;
}

static int refuse_closed(void *ctx, struct sg_http_request *req)
{
    (void)ctx;
    (void)req;
    return SG_ECLOSED;
}

/* When the chain thread's queue is full the offer is refused at once as overloaded; when it is closed, as not ready. */
static void offers_to_a_full_queue_are_refused(void **state)
{
    struct rest_fixture *r = *state;
    r->node.offer_statements = refuse_full;
    r->node.offer_block = refuse_closed;
    assert_int_equal(rest_post(r, "/v1/statements", "{}", 2), 503);
    assert_string_equal(vec_text(r->json, "code"), "overloaded");
    assert_int_equal(rest_post(r, "/v1/blocks", "{}", 2), 503);
    assert_string_equal(vec_text(r->json, "code"), "not_ready");
    assert_int_equal(rest_post(r, "/v1/blocks?a=1", "{}", 2), 400);
}

/* Relays: registry for all, state for those that this process reads, the newest sample point by point. */
static void relays_show_registry_and_state(void **state)
{
    struct rest_fixture *r = *state;
    static const char *const keys[] = {"device", "equipment", "id", "last_sample_ms", "last_seq", "of",
        "period_s", "profile", "readers", "state", "substation"};
    strcpy(r->relay.id, "relay-1");
    strcpy(r->relay.state, "timeout");
    r->relay.last_seq = 176400001;
    r->relay.last_sample_ms = INT64_C(1764000010000);
    r->relay.has_sample = true;
    r->relay.sample = (struct lg_sample){.t_ms = 10000, .qual = 0xa000, .have = 1 | 1 << 3};
    r->relay.sample.x[0] = 115000;
    r->relay.sample.x[3] = -7;
    json_t *j = rest_json(r, "/v1/relays", KEYS("relays"));
    const json_t *first = json_array_get(vec_get(j, "relays"), 0),
                 *second = json_array_get(vec_get(j, "relays"), 1);
    assert_keys(first, keys, SG_ARRAY_LEN(keys));
    assert_string_equal(vec_text(first, "state"), "timeout");
    assert_string_equal(vec_text(first, "substation"), "Bogotá Electrical Substation - U.D.");
    assert_int_equal(vec_number(first, "of"), 5);
    assert_int_equal(vec_number(second, "of"), 2);
    assert_string_equal(vec_text(second, "state"), "unread");
    assert_int_equal(json_array_size(vec_get(second, "readers")), 2);
    j = rest_json(r, "/v1/relays?limit=1", KEYS("next", "relays"));
    assert_string_equal(vec_text(j, "next"), "relay-2");
    j = rest_json(r, "/v1/relays?from=relay-2", KEYS("relays"));
    assert_int_equal(json_array_size(vec_get(j, "relays")), 1);
    j = rest_json(
        r, "/v1/relays/relay-1/latest", KEYS("id", "last_sample_ms", "last_seq", "sample", "state"));
    assert_keys(vec_get(j, "sample"), KEYS("qual", "t", "values"));
    assert_keys(vec_get(vec_get(j, "sample"), "values"), KEYS("vab", "ia"));
    assert_int_equal(vec_number(vec_get(vec_get(j, "sample"), "values"), "ia"), -7);
}

/* Gateways: where each stands on the chain and in the pool, gaps, restarts, as lg_client.h reads it. */
static void gateways_show_where_they_stand(void **state)
{
    struct rest_fixture *r = *state;
    json_t *j = rest_json(r, "/v1/gateways/c5b940ed3f65c391",
        KEYS("chain", "evidence", "gaps", "greatest_inc", "greatest_slot", "id", "key", "mine", "name",
            "recent_gaps", "restarts"));
    assert_code(lg_c0_check(r->answer.body.p, r->answer.body.len), 0);
    assert_keys(vec_get(j, "chain"), KEYS("inc", "leaf", "seq", "slot"));
    assert_int_equal(vec_number(vec_get(j, "chain"), "seq"), 3);
    assert_int_equal(vec_number(vec_get(j, "chain"), "inc"), INT64_C(1764000400000));
    assert_int_equal(vec_number(j, "greatest_inc"), INT64_C(1764000400000));
    assert_int_equal(vec_number(j, "greatest_slot"), 29400008);
    assert_int_equal(vec_number(j, "restarts"), 1);
    assert_int_equal(vec_number(j, "mine"), 1);
    assert_string_equal(vec_text(j, "name"), "Red_BKC_NODO_5007");
    assert_int_equal(rest_get(r, "/v1/gateways/6a3803d5f059902a"), 200);
    assert_int_equal(vec_number(r->json, "gaps"), 1);
    const json_t *gap = json_array_get(vec_get(r->json, "recent_gaps"), 0);
    assert_string_equal(json_string_value(json_array_get(gap, 0)), "relay-2");
    assert_int_equal(json_integer_value(json_array_get(gap, 1)), 29400003);
    assert_string_equal(json_string_value(json_array_get(gap, 3)), "timeout");
    fixture_disconnect(&r->f, 8, 8);
    assert_int_equal(rest_get(r, "/v1/gateways/c5b940ed3f65c391"), 200);
    assert_int_equal(vec_number(vec_get(r->json, "pool"), "slot"), 29400008);
    assert_int_equal(vec_number(vec_get(r->json, "chain"), "seq"), 2);
    j = rest_json(r, "/v1/gateways?limit=2", KEYS("gateways", "next"));
    assert_string_equal(vec_text(j, "next"), "7599776c3085e3f9");
    j = rest_json(r, "/v1/gateways?from=7599776c3085e3f9", KEYS("gateways"));
    assert_int_equal(json_array_size(vec_get(j, "gateways")), 3);
}

/* readyz follows the node, with its reason; healthz does not. */
static void readiness_follows_the_node(void **state)
{
    struct rest_fixture *r = *state;
    assert_int_equal(rest_get(r, "/readyz"), 200);
    r->snapshot.ready = false;
    strcpy(r->snapshot.not_ready, "behind: the peers offer a better branch");
    assert_problem(r, "/readyz", SG_ENOT_READY);
    assert_string_equal(vec_text(r->json, "detail"), "behind: the peers offer a better branch");
    assert_int_equal(rest_get(r, "/healthz"), 200);
}

/* Metrics are Prometheus text: one value a line, label values escaped. */
static void metrics_are_prometheus_text(void **state)
{
    struct rest_fixture *r = *state;
    r->snapshot.alarms.n = 1;
    strcpy(r->snapshot.alarms.v[0].code, "uncommitted");
    r->snapshot.alarms.v[0].count = 4;
    r->snapshot.npeers = 1;
    strcpy(r->snapshot.peers[0].url, "http://a\"b\\c");
    strcpy(r->snapshot.peers[0].state, "syncing");
    r->snapshot.peers[0].bans = 2;
    r->snapshot.peers[0].reason = "withheld";
    r->snapshot.peers[0].until_ms = 1764000000000;
    assert_int_equal(rest_get(r, "/metrics"), 200);
    char *text = rest_text(r);
    assert_non_null(strstr(text, "\ngridwitness_height 8\n"));
    assert_non_null(strstr(text, "\n# TYPE gridwitness_reorgs_total counter\n"));
    assert_non_null(strstr(text, "\ngridwitness_side_bytes 0\n"));
    assert_non_null(strstr(text, "\ngridwitness_alarms_total{kind=\"uncommitted\"} 4\n"));
    assert_non_null(strstr(text, "\ngridwitness_peer_up{url=\"http://a\\\"b\\\\c\"} 1\n"));
    assert_non_null(strstr(text, "\ngridwitness_peer_bans_total{url=\"http://a\\\"b\\\\c\"} 2\n"));
    assert_non_null(strstr(text, "\ngridwitness_peer_banned_until_ms{url=\"http://"
                                 "a\\\"b\\\\c\",reason=\"withheld\"} 1764000000000\n"));
    assert_int_equal(text[strlen(text) - 1], '\n');
    free(text);
    assert_int_equal(rest_get(r, "/"), 200);
    assert_non_null(memmem(r->answer.body.p, r->answer.body.len, "/v1/status", 10));
}

/* The paper's view is that of the vectors, whole and in pages, and the paper's other calls answer as its nodes did. */
static void paper_view_is_golden(void **state)
{
    struct rest_fixture *r = *state;
    const json_t *golden = vec_get(r->f.chain, "paper_view");
    json_t *j = rest_json(r, "/get_chain", KEYS("1_length", "2_chain"));
    assert_int_equal(vec_number(j, "1_length"), 9);
    assert_true(json_equal(vec_get(j, "2_chain"), golden));
    j = rest_json(r, "/chain?from=4&limit=2", KEYS("1_length", "2_chain"));
    assert_int_equal(vec_number(j, "1_length"), 9);
    assert_int_equal(json_array_size(vec_get(j, "2_chain")), 2);
    assert_true(json_equal(json_array_get(vec_get(j, "2_chain"), 1), json_array_get(golden, 4)));
    j = rest_json(r, "/chain?from=10", KEYS("1_length", "2_chain"));
    assert_int_equal(json_array_size(vec_get(j, "2_chain")), 0);
    j = rest_json(r, "/chain?from=9&limit=9007199254740991", KEYS("1_length", "2_chain"));
    assert_int_equal(json_array_size(vec_get(j, "2_chain")), 1);
    j = rest_json(r, "/is_valid", KEYS("message", "valid"));
    assert_true(json_is_true(vec_get(j, "valid")));
    assert_int_equal(rest_get(r, "/mine_block"), 202);
    assert_true(json_equal(vec_get(r->json, "block"), json_array_get(golden, 8)));
    j = rest_json(r, "/replace_chain", KEYS("message", "actual_chain"));
    assert_true(json_equal(vec_get(j, "actual_chain"), golden)); /* nine are fewer than ten */
    r->snapshot.npeers = 2;
    strcpy(r->snapshot.peers[0].url, "http://127.0.0.1:5005");
    strcpy(r->snapshot.peers[1].url, "http://127.0.0.1:5006");
    j = rest_json(r, "/connect_node", KEYS("message", "total_nodes"));
    assert_string_equal(
        json_string_value(json_array_get(vec_get(j, "total_nodes"), 1)), "http://127.0.0.1:5006");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(wrong_requests_have_their_code, rest_setup, rest_teardown),
        cmocka_unit_test_setup_teardown(
            offered_statements_are_answered_by_the_node, rest_setup, rest_teardown),
        cmocka_unit_test_setup_teardown(offered_blocks_are_answered_by_the_node, rest_setup, rest_teardown),
        cmocka_unit_test_setup_teardown(oversized_offers_are_refused, rest_setup, rest_teardown),
        cmocka_unit_test_setup_teardown(offers_to_a_full_queue_are_refused, rest_setup, rest_teardown),
        cmocka_unit_test_setup_teardown(relays_show_registry_and_state, rest_setup, rest_teardown),
        cmocka_unit_test_setup_teardown(gateways_show_where_they_stand, rest_setup, rest_teardown),
        cmocka_unit_test_setup_teardown(readiness_follows_the_node, rest_setup, rest_teardown),
        cmocka_unit_test_setup_teardown(metrics_are_prometheus_text, rest_setup, rest_teardown),
        cmocka_unit_test_setup_teardown(paper_view_is_golden, rest_setup, rest_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
