/* A node's peers thread tells: blocks and pools, each through bounded queues; and how it ends. Statements: test_peer_gather.c. */
#include "ledger/peers_priv.h"
#include "tests/lib/peers_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Both peers answer and rest. */
static void both_up(struct peers_world *w)
{
    fake_serve(&w->a, w->ours, 12);
    fake_serve(&w->b, w->ours, 12);
    peers_start(w, 2, w->a.url, w->b.url);
    peers_wait_state(w, 0, "ok");
    peers_wait_state(w, 1, "ok");
}

static struct lg_statement *statement(struct peers_world *w, unsigned gw, struct lg_body *body)
{
    return synth_statement(&w->s, gw, w->f.g->time + 9, 1, &w->f.g->id, &body, 1, 6);
}

/* A block goes to every peer that answers, but not to the one that it came from. */
static void block_goes_to_all_but_its_sender(void **state)
{
    struct peers_world *w = *state;
    both_up(w);
    lg_peers_announce_block(w->peers, w->theirs[7], 0);
    lg_peers_announce_block(w->peers, w->theirs[8], -1);
    peers_wait_count(w, "b gets block 8", 1);
    peers_wait_count(w, "b gets block 9", 1);
    peers_wait_count(w, "a gets block 9", 1);
    assert_int_equal(log_count(&w->log, "a gets block 8"), 0);
}

/* A block is told by its sketch; a peer that lacks something of it gets the whole, one that knows no sketches nothing else any more. */
static void block_is_told_by_its_sketch_first(void **state)
{
    struct peers_world *w = *state;
    fake_sketches(&w->a, "{\"result\":\"accepted\"}");
    fake_sketches(&w->b, "{\"result\":\"incomplete\"}");
    both_up(w);
    lg_peers_announce_block(w->peers, w->theirs[7], -1);
    peers_wait_count(w, "a gets sketch 8", 1);
    peers_wait_count(w, "b gets sketch 8", 1);
    peers_wait_count(w, "b gets block 8", 1);
    fake_sketches(&w->b, NULL);
    lg_peers_announce_block(w->peers, w->theirs[8], -1);
    peers_wait_count(w, "b gets block 9", 1);
    fake_sketches(&w->b, "{\"result\":\"known\"}");
    lg_peers_announce_block(w->peers, w->theirs[9], -1);
    peers_wait_count(w, "b gets block 10", 1);
    assert_int_equal(log_count(&w->log, "b gets sketch"), 1);
    assert_int_equal(log_count(&w->log, "a gets block"), 0);
}

/* A peer that does not take what it is sent has a queue of LG_PUSH_MAX; the rest is dropped, for it only, and the others get theirs. */
static void queue_of_a_slow_peer_is_bounded(void **state)
{
    struct peers_world *w = *state;
    const unsigned more = 6;
    fake_set(&w->a, FAKE_POST_BLOCK, FAKE_HOLD);
    both_up(w);
    for (unsigned i = 0; i < LG_PUSH_MAX; i++)
        lg_peers_announce_block(w->peers, w->theirs[7], 1); /* b needs none of these */
    for (unsigned i = 0; i < more; i++) {
        lg_peers_announce_block(w->peers, w->theirs[7], -1);
        peers_wait_count(w, "b gets block 8", i + 1);
    }
    peers_wait_count(w, "a gets block 8", 1);
    fake_release(&w->a);
    peers_wait_count(w, "a gets block 8", LG_PUSH_MAX);
    lg_peers_announce_block(w->peers, w->theirs[8], -1);
    peers_wait_count(w, "a gets block 9", 1);
    assert_int_equal(log_count(&w->log, "a gets block 8"), LG_PUSH_MAX);
}

/* A burst beyond the inbox costs announcements, not memory and not the thread. */
static void burst_beyond_the_inbox_is_survived(void **state)
{
    struct peers_world *w = *state;
    both_up(w);
    for (unsigned i = 0; i < 20000; i++)
        lg_peers_want(w->peers);
    for (unsigned i = 0; i < 3000; i++)
        lg_peers_announce_block(w->peers, w->theirs[7], -1);
    for (unsigned i = 0; i < 4; i++)
        log_look(&w->log);
    peers_wait_count(
        w, "a status", 1); /* the clock stands still: wanting again and again asks no more often */
    peers_pass(w, LG_POLL_MS);
    peers_wait_count(w, "a status", 2);
    peers_wait_state(w, 0, "ok");
}

/* What is wanted is asked for before the next poll, yet no more often than each LG_POLL_MIN_MS. */
static void wanted_is_asked_for_soon_but_not_at_once_again(void **state)
{
    struct peers_world *w = *state;
    both_up(w);
    lg_peers_want(w->peers);
    peers_pass(w, LG_POLL_MIN_MS - 1);
    for (unsigned i = 0; i < 4; i++)
        log_look(&w->log);
    assert_int_equal(log_count(&w->log, "a status"), 1);
    peers_pass(w, 1);
    peers_wait_count(w, "a status", 2);
    peers_wait_count(w, "b status", 2);
}

/* Who is banned while it takes what it is told is told no more of what was waiting for it. */
static void banned_peer_is_told_nothing(void **state)
{
    struct peers_world *w = *state;
    fake_set(&w->a, FAKE_POST_BLOCK, FAKE_HOLD);
    both_up(w);
    lg_peers_announce_block(w->peers, w->theirs[7], -1);
    lg_peers_announce_block(w->peers, w->theirs[8], -1);
    peers_wait_count(w, "a gets block 8", 1);
    peers_wait_count(w, "b gets block 9", 1);
    fake_set(&w->a, FAKE_STATUS, FAKE_GARBAGE);
    peers_pass(w, LG_POLL_MS);
    peers_wait_state(w, 0, "bad");
    fake_release(&w->a);
    fake_set(&w->a, FAKE_STATUS, FAKE_GOOD);
    for (unsigned i = 0; i < 4; i++) /* long enough for one that is told on to show it */
        log_look(&w->log);
    peers_pass(w, LG_POLL_MAX_MS);
    peers_wait_state(w, 0, "ok");
    lg_peers_announce_block(w->peers, w->theirs[9], -1);
    peers_wait_count(w, "a gets block 10", 1);
    assert_int_equal(log_count(&w->log, "a gets block 9"), 0);
}

/* A verdict that never comes does not hold a peer for ever, and one that comes too late counts for nothing. */
static void lost_verdict_does_not_hold_a_peer(void **state)
{
    struct peers_world *w = *state;
    fake_serve(&w->a, w->theirs, 6);
    peers_start_a(w);
    log_until(&w->log, "0 offers block 6");
    const uint64_t old = w->ticket;
    peers_pass(w, LG_JUDGE_MS);
    peers_wait_state(w, 0, "syncing");
    peers_expect_rest(w, LG_POLL_MS);
    log_until(&w->log, "0 offers block 6");
    lg_peers_result(w->peers, 0, old, SG_EROOT);
    lg_peers_result(w->peers, 0, w->ticket, SG_EFUTURE);
    peers_wait_state(w, 0, "syncing");
    lg_peers_result(w->peers, 0, w->ticket, SG_EROOT); /* twice for one document */
    lg_peers_result(w->peers, 7, w->ticket, SG_EROOT); /* of no peer */
    peers_expect_rest(w, LG_POLL_MS);
}

/* Our pool and a pool of theirs in pages. */
static void exchange(struct peers_world *w, unsigned time)
{
    log_until(&w->log, "0 offers statements 2");
    peers_judge(w, 0, 0);
    log_until(&w->log, "0 offers statements 1");
    peers_judge(w, 0, 0);
    peers_wait_state(w, 0, "ok");
    peers_wait_count(w, "a gets bodies 1 statements 1", time);
    peers_wait_count(w, "a pool 0", time);
    peers_wait_count(w, "a pool 2", time);
}

/* When a peer appears, and when it comes back, its pool is asked for, page by page, and ours is offered to it. */
static void pools_are_exchanged_when_a_peer_appears_and_reappears(void **state)
{
    struct peers_world *w = *state;
    const struct lg_store *s = w->f.s;
    struct lg_body *body = synth_body(&w->s, 0, w->f.g->minute, 1);
    struct lg_statement *st = statement(w, 2, body);
    assert_code(s->begin(s->ctx), 0);
    assert_code(s->put_body(s->ctx, body), 0);
    assert_code(s->put_statement(s->ctx, st), 0);
    assert_code(s->commit(s->ctx), 0);
    fake_pool(&w->a, 0, "{\"bodies\":[],\"next\":2,\"statements\":[{},{}]}");
    fake_pool(&w->a, 2, "{\"bodies\":[],\"statements\":[{}]}");
    peers_start_a(w);
    exchange(w, 1);
    fake_set(&w->a, FAKE_STATUS, FAKE_503);
    peers_pass(w, LG_POLL_MS);
    peers_wait_state(w, 0, "unreachable");
    fake_set(&w->a, FAKE_STATUS, FAKE_GOOD);
    peers_pass(w, LG_POLL_MIN_MS);
    exchange(w, 2);
    lg_statement_free(st);
    lg_body_free(body);
}

enum { POOLED = 160, AN_OFFER = 4 };

/* Statements of about 60 KB each, AN_OFFER of which fit into an offer of the pool. */
static void put_large_pool(struct peers_world *w)
{
    const struct lg_store *s = w->f.s;
    struct lg_gap gaps[1400];
    struct lg_statement *st, x = {.gw = w->f.g->gateways[0].id, .inc = w->f.g->time + 50, .prev = w->f.g->id};
    assert_code(s->begin(s->ctx), 0);
    for (unsigned i = 0; i < POOLED; i++) {
        struct sg_buf doc;
        x.seq = i + 1;
        x.slot = w->f.g->minute + 1500 + i;
        x.ts = (x.slot + 1) * SG_MINUTE_MS;
        x.ngaps = SG_ARRAY_LEN(gaps);
        x.gaps = gaps;
        for (unsigned k = 0; k < SG_ARRAY_LEN(gaps); k++)
            gaps[k] =
                (struct lg_gap){{"relay-1", 7}, x.slot - 1400 + k, x.slot - 1400 + k, LG_REASON_EXCEPTION};
        sg_buf_init(&doc, 1u << 20);
        assert_code(lg_statement_encode(&doc, &x, w->s.keys[0]), 0);
        assert_code(lg_statement_decode(&st, doc.p, doc.len), 0);
        sg_buf_fini(&doc);
        x.prev = st->leaf;
        assert_true(AN_OFFER * st->doc_len < LG_OFFER_BYTES && (AN_OFFER + 1) * st->doc_len > LG_OFFER_BYTES);
        assert_code(s->put_statement(s->ctx, st), 0);
        lg_statement_free(st);
    }
    assert_code(s->commit(s->ctx), 0);
}

/* A pool that is larger than an offer may be is offered whole, in one offer after another. */
static void pool_larger_than_an_offer_is_offered_in_parts(void **state)
{
    struct peers_world *w = *state;
    char line[LOG_WIDTH];
    put_large_pool(w);
    peers_start_a(w);
    snprintf(line, sizeof line, "a gets bodies 0 statements %d", AN_OFFER);
    peers_wait_count(w, line, POOLED / AN_OFFER);
    assert_int_equal(log_count(&w->log, "a gets"), POOLED / AN_OFFER);
    peers_wait_state(w, 0, "ok");
}

/* Two statements that read one body stand in one offer with it. */
static void pool_is_offered_by_slot_with_its_bodies(void **state)
{
    struct peers_world *w = *state;
    const struct lg_store *s = w->f.s;
    struct lg_body *body = synth_body(&w->s, 0, w->f.g->minute, 1);
    struct lg_statement *st[2] = {statement(w, 1, body), statement(w, 2, body)};
    assert_code(s->begin(s->ctx), 0);
    assert_code(s->put_body(s->ctx, body), 0);
    for (unsigned i = 0; i < 2; i++)
        assert_code(s->put_statement(s->ctx, st[i]), 0);
    assert_code(s->commit(s->ctx), 0);
    peers_start_a(w);
    peers_wait_count(w, "a gets bodies 1 statements 2", 1);
    peers_wait_state(w, 0, "ok");
    assert_int_equal(log_count(&w->log, "a gets"), 1);
    for (unsigned i = 0; i < 2; i++)
        lg_statement_free(st[i]);
    lg_body_free(body);
}

struct parts_told {
    struct peers_world *w;
    char whole[LOG_WIDTH], half[LOG_WIDTH];
};

/* All statements have come, after those of the offer that was lost. */
static bool all_have_come(void *ctx)
{
    const struct parts_told *t = ctx;
    return AN_OFFER * log_count(&t->w->log, t->whole) + AN_OFFER / 2 * log_count(&t->w->log, t->half) ==
           AN_OFFER + POOLED;
}

/* An offer that does not get through is made half as long, and twice as long again when one has come soon. */
static void pool_is_offered_in_shorter_parts_on_a_slow_line(void **state)
{
    struct peers_world *w = *state;
    struct parts_told t = {.w = w};
    put_large_pool(w);
    snprintf(t.whole, sizeof t.whole, "a gets bodies 0 statements %d", AN_OFFER);
    snprintf(t.half, sizeof t.half, "a gets bodies 0 statements %d", AN_OFFER / 2);
    fake_set(&w->a, FAKE_POST_STATEMENTS, FAKE_CUT);
    peers_start_a(w);
    peers_wait_count(w, t.whole, 1);
    fake_set(&w->a, FAKE_POST_STATEMENTS, FAKE_GOOD);
    for (unsigned i = 0; i < 2 * LG_POOL_POLLS && log_count(&w->log, t.half) == 0; i++) {
        peers_wait_rest(w);
        peers_pass(w, LG_POLL_MS);
    }
    assert_true(log_wait(&w->log, all_have_come, &t));
    assert_in_range(
        log_count(&w->log, t.half), 1, POOLED / 4); /* an odd one at the end, and while the clock was moved */
}

/* A pool whose pages lead nowhere, and one that is none, end the round; the peer stays a good one for its blocks. */
static void pool_that_leads_nowhere_ends_the_round(void **state)
{
    static const char *const pools[] = {"{\"bodies\":[],\"next\":0,\"statements\":[{}]}",
        "{\"statements\":[{}]}", "[]", "{\"bodies\":[],\"next\":\"2\",\"statements\":[{}]}",
        "{\"bodies\":[] ,\"statements\":[{}]}", "{}"};
    struct peers_world *w = *state;
    fake_pool(&w->a, 0, pools[0]);
    peers_start_a(w);
    log_expect(&w->log, "a status");
    log_expect(&w->log, "a pool 0");
    peers_wait_state(w, 0, "ok");
    for (size_t i = 1; i < SG_ARRAY_LEN(pools); i++) {
        fake_pool(&w->a, 0, pools[i]);
        for (unsigned k = 0; k < LG_POOL_POLLS; k++) {
            peers_expect_rest(w, LG_POLL_MS);
            peers_wait_state(w, 0, "ok");
            if (log_count(&w->log, "a pool") > i)
                log_expect(&w->log, "a pool 0");
            if (log_count(&w->log, "a pool") > i)
                break;
        }
    }
    assert_int_equal(log_count(&w->log, "a pool"), SG_ARRAY_LEN(pools));
    assert_int_equal(log_count(&w->log, "0 offers"), 0);
}

/* A POST that a peer does not answer is given up with the peer's queue, and the peer is asked at once whether it is there. */
static void peer_that_dies_during_a_post_is_noticed(void **state)
{
    struct peers_world *w = *state;
    w->call_ms = 0; /* 8 s */
    fake_set(&w->a, FAKE_POST_BLOCK, FAKE_DRIP);
    both_up(w);
    lg_peers_announce_block(w->peers, w->theirs[7], -1);
    peers_wait_count(w, "a gets block 8", 1);
    peers_wait_count(w, "a status", 2); /* when the deadline of the call is over */
}

/* Stopping waits for no peer, whatever is under way. */
static void stop_during_calls_is_prompt(void **state)
{
    struct peers_world *w = *state;
    fake_set(&w->a, FAKE_STATUS, FAKE_HOLD);
    fake_set(&w->b, FAKE_BLOCKS, FAKE_HOLD);
    fake_serve(&w->b, w->theirs, 9);
    peers_start(w, 2, w->a.url, w->b.url);
    log_until(&w->log, "b blocks 6");
    const int64_t begin = w->clock.wall_ms(&w->clock);
    lg_peers_stop(w->peers);
    w->peers = NULL;
    assert_true(w->clock.wall_ms(&w->clock) - begin < LG_PAGE_MS / 2); /* which the call of b has */
    lg_peers_stop(NULL);
}

/* A node without peers has an empty summary in which everybody has been tried, and takes what it is told. */
static void node_without_peers_is_content(void **state)
{
    struct peers_world *w = *state;
    struct lg_peers_summary s;
    peers_start(w, 0, NULL, NULL);
    lg_peers_announce_block(w->peers, w->theirs[7], -1);
    lg_peers_want(w->peers);
    lg_peers_summary(w->peers, &s);
    assert_int_equal(s.n, 0);
    assert_int_equal(s.answering, 0);
    assert_true(s.all_tried);
}

/* Without a store there is nothing to start on. */
static void start_without_a_store_is_refused(void **state)
{
    struct peers_world *w = *state;
    struct sg_fault fault = {0};
    struct lg_peers *p = NULL;
    const struct lg_peers_config config = {.data_dir = "/nonexistent", .genesis = w->f.g, .clock = &w->clock};
    assert_code(lg_peers_start(&p, &config, &fault), SG_ENOT_FOUND);
    assert_null(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(block_goes_to_all_but_its_sender, peers_setup, peers_teardown),
        cmocka_unit_test_setup_teardown(block_is_told_by_its_sketch_first, peers_setup, peers_teardown),
        cmocka_unit_test_setup_teardown(queue_of_a_slow_peer_is_bounded, peers_setup, peers_teardown),
        cmocka_unit_test_setup_teardown(burst_beyond_the_inbox_is_survived, peers_setup, peers_teardown),
        cmocka_unit_test_setup_teardown(
            wanted_is_asked_for_soon_but_not_at_once_again, peers_setup, peers_teardown),
        cmocka_unit_test_setup_teardown(banned_peer_is_told_nothing, peers_setup, peers_teardown),
        cmocka_unit_test_setup_teardown(lost_verdict_does_not_hold_a_peer, peers_setup, peers_teardown),
        cmocka_unit_test_setup_teardown(
            pools_are_exchanged_when_a_peer_appears_and_reappears, peers_setup, peers_teardown),
        cmocka_unit_test_setup_teardown(
            pool_larger_than_an_offer_is_offered_in_parts, peers_setup, peers_teardown),
        cmocka_unit_test_setup_teardown(pool_is_offered_by_slot_with_its_bodies, peers_setup, peers_teardown),
        cmocka_unit_test_setup_teardown(
            pool_is_offered_in_shorter_parts_on_a_slow_line, peers_setup, peers_teardown),
        cmocka_unit_test_setup_teardown(pool_that_leads_nowhere_ends_the_round, peers_setup, peers_teardown),
        cmocka_unit_test_setup_teardown(peer_that_dies_during_a_post_is_noticed, peers_setup, peers_teardown),
        cmocka_unit_test_setup_teardown(stop_during_calls_is_prompt, peers_setup, peers_teardown),
        cmocka_unit_test_setup_teardown(node_without_peers_is_content, peers_setup, peers_teardown),
        cmocka_unit_test_setup_teardown(start_without_a_store_is_refused, peers_setup, peers_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
