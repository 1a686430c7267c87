/* Whole ledger nodes: four in one process, on real threads, stores and HTTP, on a clock that the test moves.
 *
 * run-tests: no valgrind (four nodes of six threads each, and waits for real answers) */
#include "tests/lib/nodes_fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <cmocka.h>

#include "ledger/large_offers.h"
#include "tests/lib/fake_peer.h"

static bool everywhere(struct nodes *w, int64_t n, int64_t mined)
{
    char place[16];
    for (unsigned i = 0; i < NODES; i++)
        for (unsigned k = 0; w->node[i] && k < (unsigned)n; k++) {
            nodes_place(w, i, w->said[k], place);
            if (place[0] == '\0' || (mined && strcmp(place, "mined") != 0 && strcmp(place, "confirmed") != 0))
                return false;
        }
    return true;
}

/* How often a statement stands on the best branch of node i. */
static unsigned times_on_chain(struct nodes *w, unsigned i, const struct lg_statement *s)
{
    json_t *json = NULL, *one, *st;
    size_t k, m;
    unsigned times = 0;
    assert_int_equal(nodes_get(w, i, "/v1/blocks?from=1&limit=1000", &json), 200);
    json_array_foreach(json_object_get(json, "blocks"), k, one)
    {
        json_array_foreach(json_object_get(json_object_get(one, "block"), "statements"), m, st)
        {
            char kid[LG_KID_HEX + 1];
            lg_kid_hex(kid, s->gw);
            times += json_integer_value(json_object_get(st, "seq")) == s->seq &&
                     json_integer_value(json_object_get(st, "inc")) == s->inc &&
                     strcmp(json_string_value(json_object_get(st, "gw")), kid) == 0;
        }
    }
    json_decref(json);
    return times;
}

/* The clock stands just after the end of a slot. */
static void close_slot(struct nodes *w, sg_minute slot)
{
    nodes_set(w, (slot + 1) * SG_MINUTE_MS + 200);
}

/* What one node is told all hear of; it is mined once, by whoever's turn it is, and all have one tip. */
static void node_statements_offered_to_one_reach_all(void **state)
{
    struct nodes *w = *state;
    nodes_start_all(w);
    for (unsigned i = 0; i < NODES; i++)
        nodes_wait_ready(w, i, "");
    close_slot(w, MAKER_MINUTE);
    for (unsigned gw = 0; gw < NODES; gw++)
        nodes_say(w, 0, gw, MAKER_MINUTE);
    nodes_wait(w, everywhere, NODES, 0, "all statements everywhere");
    nodes_mine(w, 0, MAKER_MINUTE, 1);
    nodes_wait_one_tip(w, 1);
    nodes_wait(w, everywhere, NODES, 1, "all statements mined everywhere");
    for (unsigned k = 0; k < w->nsaid; k++)
        assert_int_equal(times_on_chain(w, 3, w->said[k]), 1);
}

/* One of four stops: the others go on, whoever's turn it would have been. It returns with what it had and catches up. */
static void node_stopped_one_stops_nobody_and_catches_up(void **state)
{
    struct nodes *w = *state;
    nodes_start_all(w);
    for (unsigned i = 0; i < NODES; i++)
        nodes_wait_ready(w, i, "");
    for (int64_t h = 1; h <= 6; h++) {
        const sg_minute slot = MAKER_MINUTE + h - 1;
        if (h == 2)
            nodes_stop(w, 3);
        close_slot(w, slot);
        nodes_say(w, (unsigned)(h % 3), 0, slot);
        nodes_say(w, (unsigned)(h % 3), 1, slot);
        nodes_wait(w, everywhere, w->nsaid, 0, "all statements everywhere");
        nodes_mine(w, 0, slot, h);
        nodes_wait_one_tip(w, h);
    }
    nodes_start_all(w);
    nodes_wait_one_tip(w, 6);
    nodes_wait_ready(w, 3, "");
    nodes_wait(w, everywhere, w->nsaid, 1, "all statements mined everywhere");
}

/* Two pairs that cannot see each other mine three blocks each. Together again they have one tip, and what the losing branch held is
 * mined again: every statement once, nothing lost. */
static void node_fork_of_depth_3_resolves_and_loses_nothing(void **state)
{
    struct nodes *w = *state;
    for (unsigned i = 0; i < NODES; i++)
        nodes_start(w, i, (const unsigned[]){i ^ 1u, NODES_NONE}, NULL);
    for (int64_t h = 1; h <= 3; h++) {
        const sg_minute slot = MAKER_MINUTE + h - 1;
        close_slot(w, slot);
        for (unsigned gw = 0; gw < NODES; gw++)
            nodes_say(w, gw, gw, slot);
        nodes_mine(w, 0, slot, h);
        nodes_mine(w, 2, slot, h);
        nodes_wait_height(w, 1, h);
        nodes_wait_height(w, 3, h);
    }
    for (unsigned i = 0; i < NODES; i++)
        nodes_stop(w, i);
    nodes_start_all(w);
    nodes_wait_one_tip(w, 3);
    for (int64_t h = 4; h <= 6; h++) {
        close_slot(w, MAKER_MINUTE + h - 1);
        nodes_say(w, 1, 0, MAKER_MINUTE + h - 1);
        nodes_wait(w, everywhere, w->nsaid, 0, "all statements everywhere");
        nodes_mine(w, 0, MAKER_MINUTE + h - 1, h);
        nodes_wait_one_tip(w, h);
    }
    nodes_wait(w, everywhere, w->nsaid, 1, "all statements mined everywhere");
    for (unsigned k = 0; k < w->nsaid; k++)
        assert_int_equal(times_on_chain(w, 0, w->said[k]), 1);
    unsigned reorganised = 0;
    for (unsigned i = 0; i < NODES; i++) {
        json_t *page = NULL;
        assert_int_equal(nodes_get(w, i, "/is_valid", &page), 200);
        reorganised += json_is_true(json_object_get(page, "valid"));
        json_decref(page);
    }
    assert_int_equal(reorganised, NODES);
}

/* Bytes that were taken before are known without another judgement, and a changed byte is judged. */
static void node_offer_again_is_known(void **state)
{
    struct nodes *w = *state;
    const struct lg_body *body = make_body(&w->maker, 0, MAKER_MINUTE, 1);
    json_t *json = NULL;
    nodes_start(w, 0, NULL, NULL);
    close_slot(w, MAKER_MINUTE);
    const struct lg_statement *s = nodes_say(w, 0, 1, MAKER_MINUTE);
    for (unsigned k = 0; k < 3; k++) {
        assert_int_equal(nodes_offer(w, 0, s, body, &json), 200);
        assert_int_equal(json_integer_value(json_object_get(json, "known")), 1);
        assert_int_equal(json_integer_value(json_object_get(json, "accepted")), 0);
        json_decref(json);
    }
    const struct lg_statement *bad =
        make_statement(&w->maker, &(struct maker_say){.gw = 2, .slot = MAKER_MINUTE, .bad_signature = true});
    assert_int_equal(nodes_offer(w, 0, bad, NULL, &json), 200);
    json_t *reject = json_array_get(json_object_get(json, "rejected"), 0);
    assert_string_equal(json_string_value(json_object_get(reject, "code")), "statement_signature");
    json_decref(json);
}

/* The status of a POST of bytes to node 0. */
static int post_statements(struct nodes *w, const struct sg_buf *doc)
{
    char url[96];
    struct sg_http_answer answer;
    snprintf(url, sizeof(url), "%s/v1/statements", w->urls[0]);
    const struct sg_http_call call = {
        .url = url, .post = doc->p, .post_len = doc->len, .max_answer = 1 << 20, .timeout_ms = 60000};
    assert_int_equal(sg_http_client_call(w->http, &call, &answer), 0);
    sg_buf_fini(&answer.body);
    return answer.status;
}

/* Large offers of one address, one after another, are judged each: the place of one is free before it is answered. */
static void node_large_offers_one_after_another_are_judged(void **state)
{
    struct nodes *w = *state;
    struct sg_buf doc;
    nodes_start(w, 0, NULL, NULL);
    sg_buf_init(&doc, 1u << 20);
    sg_buf_puts(&doc, "{\"bodies\":[],\"statements\":[\"");
    for (unsigned i = 0; i < LG_LARGE_OFFER; i++)
        sg_buf_put_u8(&doc, 'a');
    sg_buf_puts(&doc, "\"]}");
    for (unsigned k = 0; k < 3; k++)
        assert_int_equal(post_statements(w, &doc), 200);
    sg_buf_fini(&doc);
}

static bool first_peer_is_ok(struct nodes *w, int64_t i, int64_t unused)
{
    json_t *json = NULL;
    (void)unused;
    const bool good =
        nodes_get(w, (unsigned)i, "/v1/status", &json) == 200 &&
        strcmp(json_string_value(json_object_get(json_array_get(json_object_get(json, "peers"), 0), "state")),
            "ok") == 0;
    json_decref(json);
    return good;
}

/* What comes from outside is told to the peers before they are asked; what a node passes on they are only asked for. Either is held at once. */
static void node_asks_for_what_was_passed_on_and_tells_what_is_first(void **state)
{
    struct nodes *w = *state;
    struct event_log log;
    struct fake_peer peer;
    log_init(&log);
    fake_start(&peer, &log, 'p', w->maker.g);
    fake_missing(&peer, "{\"missing\":[]}");
    nodes_start(w, 0, NULL, peer.url);
    nodes_wait(w, first_peer_is_ok, 0, 0, "a peer that answers");
    close_slot(w, MAKER_MINUTE);
    w->relays = true;
    const struct lg_hash leaves[] = {nodes_say(w, 0, 1, MAKER_MINUTE)->leaf, {{1}}};
    (void)log_until(&log, "p asked 1");
    assert_int_equal(log_count(&log, "p gets bodies"), 0);
    w->relays = false;
    nodes_say(w, 0, 2, MAKER_MINUTE);
    (void)log_until(&log,
        "p gets bodies 0 statements 1"); /* it says that it lacks nothing: asked, it would get nothing */
    json_t *lacks = nodes_missing(w, 0, leaves, 2), *want = json_pack("{s:[i]}", "missing", 1);
    assert_true(json_equal(lacks, want));
    json_decref(lacks);
    json_decref(want);
    nodes_stop(w, 0);
    fake_stop(&peer);
    log_fini(&log);
}

/* Why a node is not ready, and that it becomes ready: waiting with an empty store, clock, tip ahead, the peers' clocks, behind. */
static void node_readiness_names_its_reason(void **state)
{
    struct nodes *w = *state;
    struct event_log log;
    struct fake_peer peer;
    char gone[64];
    log_init(&log);
    fake_start(&peer, &log, 'p', w->maker.g);
    snprintf(gone, sizeof gone, "http://127.0.0.1:%u", w->ports[3]); /* nobody listens there */

    nodes_start(w, 0, NULL, gone);
    nodes_wait_ready(w, 0, "waiting three slots");
    nodes_pass(w, 3 * SG_MINUTE_MS);
    nodes_wait_ready(w, 0, "");
    atomic_fetch_add(&w->wall, w->maker.g->policy.max_future_ms + 1);
    nodes_wait_ready(w, 0, "parted");
    atomic_fetch_sub(&w->wall, 2 * (w->maker.g->policy.max_future_ms + 1));
    nodes_wait_ready(w, 0, "parted");
    atomic_fetch_add(&w->wall, w->maker.g->policy.max_future_ms + 1);
    nodes_wait_ready(w, 0, "");

    close_slot(w, MAKER_MINUTE + 5);
    nodes_say(w, 0, 0, MAKER_MINUTE + 5);
    nodes_mine(w, 0, MAKER_MINUTE + 5, 1);
    nodes_stop(w, 0);
    nodes_set(w, MAKER_START + 1000);
    nodes_start(w, 0, NULL, NULL);
    nodes_wait_ready(w, 0, "tip lies ahead");
    nodes_set(w, MAKER_START + 10 * SG_MINUTE_MS);
    nodes_wait_ready(w, 0, "");

    fake_claim(&peer, 9, &(struct lg_hash){{0xcc}});
    fake_set(&peer, FAKE_BLOCKS, FAKE_HOLD);
    fake_set(&peer, FAKE_HEADERS, FAKE_HOLD);
    nodes_stop(w, 0);
    nodes_start(w, 0, NULL, peer.url);
    nodes_wait_ready(w, 0, "clocks of most answering peers");
    nodes_stop(w, 0);
    fake_time(&peer, MAKER_START + 10 * SG_MINUTE_MS);
    nodes_start(w, 0, NULL, peer.url);
    nodes_wait_ready(w, 0, "behind");
    nodes_stop(w, 0);
    peer.chain.b[0] ^= 1;
    nodes_start(w, 0, NULL, peer.url);
    nodes_wait_ready(w, 0, "every peer that answers is of another chain");
    nodes_stop(w, 0);
    fake_stop(&peer);
    log_fini(&log);
}

/* The disk fails: nothing is acknowledged any more, the owner is told, what is there can still be read. After a restart on a good
 * disk all that was acknowledged is there, and what was not can be offered again. */
static void node_with_a_failing_store_acknowledges_nothing(void **state)
{
    struct nodes *w = *state;
    struct rlimit old, small;
    const struct lg_body *body = make_body(&w->maker, 0, MAKER_MINUTE, 1);
    char place[16];
    nodes_start(w, 0, NULL, NULL);
    close_slot(w, MAKER_MINUTE);
    const struct lg_statement *before = nodes_say(w, 0, 1, MAKER_MINUTE);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 1; /* every write beyond the first byte of a file fails */
    void (*was)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const struct lg_statement *lost = make_statement(
        &w->maker, &(struct maker_say){.gw = 2, .slot = MAKER_MINUTE, .bodies = &body, .nbodies = 1});
    const int status = nodes_offer(w, 0, lost, body, NULL), again = nodes_offer(w, 0, lost, body, NULL);
    const int read = nodes_get(w, 0, "/v1/status", NULL);
    nodes_wait_ready(w, 0, "the store cannot be written");
    nodes_stop(w, 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, was);
    assert_int_equal(status, 503);
    assert_int_equal(again, 503);
    assert_int_equal(read, 200);
    assert_int_equal(atomic_load(&w->failed[0]), SG_EIO);

    nodes_start(w, 0, NULL, NULL);
    assert_string_equal(nodes_place(w, 0, before, place), "pooled");
    assert_string_equal(nodes_place(w, 0, lost, place), "");
    assert_int_equal(nodes_offer(w, 0, lost, body, NULL), 200);
    assert_string_equal(nodes_place(w, 0, lost, place), "pooled");
}

/* What cannot start says why and leaves nothing behind: a folder in use, a busy port, a key of no gateway, another chain. */
static void node_that_cannot_start_says_why(void **state)
{
    struct nodes *w = *state;
    struct sg_fault fault;
    struct lg_node *n = NULL;
    char used[96], fresh[96], text[16];
    nodes_start(w, 0, NULL, NULL);
    snprintf(used, sizeof used, "%s/0", w->dir);
    snprintf(fresh, sizeof fresh, "%s/1", w->dir);
    snprintf(text, sizeof text, "%u", w->ports[0]);
    struct lg_node_config c = {
        .bind = "127.0.0.1", .data_dir = used, .genesis = w->maker.g, .clock = &w->clock};
    assert_int_equal(lg_node_start(&n, &c, &fault), SG_ELOCKED);
    assert_non_null(strstr(fault.text, used));
    c.data_dir = fresh;
    c.port = w->ports[0];
    assert_int_equal(lg_node_start(&n, &c, &fault), SG_EADDRINUSE);
    assert_non_null(strstr(fault.text, text));
    c.port = 0;
    c.bind = "nowhere";
    assert_int_equal(lg_node_start(&n, &c, &fault), SG_ECONFIG);
    c.bind = "127.0.0.1";
    c.data_dir = "/dev/null/x";
    assert_true(lg_node_start(&n, &c, &fault) < 0);
    assert_non_null(strstr(fault.text, "/dev/null/x"));
    assert_null(n);
    lg_node_stop(NULL);
}

/* States of relays and alarms that other parts tell are shown; a relay of no genesis is not. */
static void node_shows_relays_and_alarms(void **state)
{
    struct nodes *w = *state;
    json_t *json = NULL;
    nodes_start(w, 0, NULL, NULL);
    lg_node_set_relay(
        w->node[0], &(struct lg_node_relay_state){.id = "relay-1", .state = "timeout", .last_seq = 7});
    lg_node_set_relay(w->node[0], &(struct lg_node_relay_state){.id = "relay-9", .state = "ok"});
    for (unsigned i = 0; i < 100; i++) { /* more kinds than there is room for: the first ones are kept */
        char kind[16];
        snprintf(kind, sizeof kind, "alarm_%u", i);
        lg_node_alarm(w->node[0], kind);
    }
    assert_int_equal(nodes_get(w, 0, "/v1/status", &json), 200);
    json_t *relay = json_array_get(json_object_get(json, "relays"), 0);
    assert_string_equal(json_string_value(json_object_get(relay, "state")), "timeout");
    assert_int_equal(json_integer_value(json_object_get(relay, "last_seq")), 7);
    assert_int_equal(json_array_size(json_object_get(json, "relays")), 1);
    json_decref(json);
    assert_int_equal(nodes_get(w, 0, "/metrics", NULL), 200);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, nodes_setup, nodes_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(node_statements_offered_to_one_reach_all),
        TEST(node_stopped_one_stops_nobody_and_catches_up),
        TEST(node_fork_of_depth_3_resolves_and_loses_nothing),
        TEST(node_offer_again_is_known),
        TEST(node_large_offers_one_after_another_are_judged),
        TEST(node_asks_for_what_was_passed_on_and_tells_what_is_first),
        TEST(node_readiness_names_its_reason),
        TEST(node_with_a_failing_store_acknowledges_nothing),
        TEST(node_that_cannot_start_says_why),
        TEST(node_shows_relays_and_alarms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
