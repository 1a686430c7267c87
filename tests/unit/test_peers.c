/* A node's peers thread asks: where a peer stands, the newest common block, the blocks after it. Peers are good, busy or gone, their chains change. The
 * codes P… are those of the list of inputs that must do no harm. */
#include "ledger/peers_priv.h"
#include "tests/lib/peers_fixture.h"
#include "tests/lib/raw_http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define WALL INT64_C(1764000000000)

/* Up to the idle state of a peer whose tip is known. */
static void settle(struct peers_world *w)
{
    log_expect(&w->log, "a status");
    log_expect(&w->log, "a pool 0");
    peers_wait_state(w, 0, "ok");
}

static void settle_after(struct peers_world *w)
{
    log_expect(&w->log, "a pool 0");
    peers_wait_state(w, 0, "ok");
}

static void expect_lines(struct peers_world *w, const char *const *lines, size_t n)
{
    for (size_t i = 0; i < n; i++)
        log_expect(&w->log, lines[i]);
}
#define EXPECT(w, ...)                                                                                       \
    expect_lines((w), (const char *const[]){__VA_ARGS__},                                                    \
        sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

/* Blocks of their branch, from..to, become valid here, and the peers are told so. */
static void accept(struct peers_world *w, int from, int to)
{
    for (int h = from; h <= to; h++) {
        peers_put(w, w->theirs[h - 1], &w->their_info[h], false);
        peers_judge(w, 0, 0);
    }
}

/* Headers come first, by pages, from the newest common block on; then blocks by pages, the next one while the first is judged. */
static void sync_of_another_branch_takes_headers_first(void **state)
{
    struct peers_world *w = *state;
    w->a.page = 6;
    fake_serve(&w->a, w->theirs, PEERS_LENGTH);
    peers_start_a(w);
    EXPECT(w, "a status", "a headers 3", "a headers 9", "a blocks 6");
    EXPECT(w, "0 offers block 6", "0 offers block 7", "0 offers block 8", "0 offers block 9");
    EXPECT(w, "0 offers block 10", "0 offers block 11", "a blocks 12");
    EXPECT(w, "0 offers block 12", "0 offers block 13", "0 offers block 14");
    accept(w, 6, PEERS_LENGTH);
    settle(w);
}

/* Up to the height to which it is here again, a branch that was given up for want of room is asked for anew when the peer's tip stands on it:
 * headers first, from a block that is still common. */
static void sync_of_a_branch_that_was_given_up_begins_anew(void **state)
{
    struct peers_world *w = *state;
    const struct lg_store *s = w->f.s;
    fake_serve(&w->a, w->theirs, 8);
    peers_start_a(w);
    EXPECT(w, "a status", "a headers 1", "a blocks 6");
    EXPECT(w, "0 offers block 6", "0 offers block 7", "0 offers block 8");
    accept(w, 6, 8);
    settle(w);
    assert_code(s->begin(s->ctx), 0);
    for (int h = 8; h >= 6; h--)
        assert_code(s->drop_block(s->ctx, &w->theirs[h - 1]->hash), 0);
    assert_code(s->commit(s->ctx), 0);
    fake_serve(&w->a, w->theirs, 10);
    peers_pass(w, LG_POLL_MS);
    EXPECT(w, "a status", "a headers 8", "a headers 1", "a headers 8");
    EXPECT(w, "a blocks 6", "0 offers block 6", "0 offers block 7", "0 offers block 8");
    EXPECT(w, "0 offers block 9", "0 offers block 10");
    accept(w, 6, 10);
    log_expect(&w->log, "a status");
    peers_wait_state(w, 0, "ok");
}

/* Between a known and an unknown height the middle is asked for: here, where a page holds one header, five requests for a fork of depth 7. */
static void sync_finds_the_newest_common_block_by_halving(void **state)
{
    struct peers_world *w = *state;
    w->a.page = 1;
    fake_serve(&w->a, w->theirs, 7);
    fake_claim(&w->a, 12, &w->theirs[6]->hash);
    peers_start_a(w);
    EXPECT(w, "a status", "a headers 3", "a headers 8"); /* 8: none, the chain is shorter than it says */
    peers_wait_state(w, 0, "syncing");
    fake_serve(&w->a, w->theirs, 12);
    peers_expect_rest(w, LG_POLL_MS);
    EXPECT(w, "a headers 3", "a headers 8", "a headers 5", "a headers 6");
    for (int h = 7; h <= 12; h++) {
        char line[LOG_WIDTH];
        snprintf(line, sizeof line, "a headers %d", h);
        log_expect(&w->log, line);
    }
    EXPECT(w, "a blocks 6", "0 offers block 6", "a blocks 7");
}

/* Where the chain of a peer was known lately is where the next look begins: one request for headers a block, at any height. */
static void sync_of_a_peer_that_goes_on_asks_once(void **state)
{
    struct peers_world *w = *state;
    fake_serve(&w->a, w->ours, 12);
    peers_start_a(w);
    settle(w);
    fake_serve(&w->a, w->ours, 13);
    peers_expect_rest(w, LG_POLL_MS);
    EXPECT(w, "a headers 12", "a blocks 13", "0 offers block 13");
    peers_put(w, w->ours[12], &w->our_info[13], true);
    peers_judge(w, 0, 0);
    log_expect(&w->log, "a status");
    peers_wait_state(w, 0, "ok");
}

/* Near the tip a block whose statement is in the pool already is fetched by its sketch alone; one of which all is missing is fetched whole. */
static void sync_near_the_tip_fetches_only_what_is_missing(void **state)
{
    struct peers_world *w = *state;
    const struct lg_store *s = w->f.s;
    fake_sketches(&w->a, "");
    fake_serve(&w->a, w->ours, 12);
    peers_start_a(w);
    settle(w);
    assert_code(s->begin(s->ctx), 0);
    assert_code(s->put_statement(s->ctx, w->ours[12]->statements[0]), 0);
    assert_code(s->commit(s->ctx), 0);
    fake_serve(&w->a, w->ours, 14);
    peers_expect_rest(w, LG_POLL_MS);
    EXPECT(w, "a headers 12", "a sketches 13", "0 offers block 13", "a sketches 14");
    EXPECT(w, "a blocks 14", "0 offers block 14");
    for (int h = 13; h <= 14; h++) {
        peers_put(w, w->ours[h - 1], &w->our_info[h], true);
        peers_judge(w, 0, 0);
    }
    log_expect(&w->log, "a status");
    peers_wait_state(w, 0, "ok");
}

static bool both_shown_and_one_gave(void *ctx)
{
    struct peers_world *w = ctx;
    return log_count(&w->log, "0 offers") + log_count(&w->log, "1 offers") >= 3 &&
           log_count(&w->log, "a headers") + log_count(&w->log, "b headers") >= 2;
}

/* One peer at a time gives blocks; the other finds them here when its turn comes, and is not asked for them. */
static void sync_from_two_peers_asks_for_each_block_once(void **state)
{
    struct peers_world *w = *state;
    fake_serve(&w->a, w->theirs, 8);
    fake_serve(&w->b, w->theirs, 8);
    peers_start(w, 2, w->a.url, w->b.url);
    assert_true(log_wait(&w->log, both_shown_and_one_gave, w));
    const int giver = log_count(&w->log, "1 offers") > 0;
    for (int h = 6; h <= 8; h++) {
        peers_put(w, w->theirs[h - 1], &w->their_info[h], false);
        peers_judge(w, giver, 0);
    }
    peers_wait_state(w, 0, "ok");
    peers_wait_state(w, 1, "ok");
    assert_int_equal(log_count(&w->log, "0 offers") + log_count(&w->log, "1 offers"), 3);
    assert_int_equal(log_count(&w->log, "a blocks") + log_count(&w->log, "b blocks"), 1);
}

/* Who has the turn and gives nothing for LG_STALL_MS holds up nobody. */
static void sync_from_a_peer_that_stalls_passes_to_the_other(void **state)
{
    struct peers_world *w = *state;
    fake_serve(&w->a, w->theirs, 8);
    fake_set(&w->a, FAKE_BLOCKS, FAKE_HOLD);
    peers_start(w, 2, w->a.url, w->b.url);
    log_until(&w->log, "a blocks 6");
    peers_wait_state(w, 1, "ok");
    fake_serve(&w->b, w->theirs, 8);
    peers_pass(w, LG_POLL_MS);
    log_until(&w->log, "b headers 1");
    for (unsigned i = 0; i < 4; i++)
        log_look(&w->log);
    assert_int_equal(log_count(&w->log, "b blocks"), 0);
    peers_pass(w, LG_STALL_MS - LG_POLL_MS);
    log_until(&w->log, "1 offers block 8");
    for (int h = 6; h <= 8; h++) {
        peers_put(w, w->theirs[h - 1], &w->their_info[h], false);
        peers_judge(w, 1, 0);
    }
    peers_wait_state(w, 1, "ok");
}

/* Trouble of this node's own, and a block that is merely early, accuse nobody: the peer is asked again at the next poll. */
static void own_trouble_or_early_block_accuses_nobody(void **state)
{
    static const int errors[] = {SG_EIO, SG_ENOSPC, SG_ENOMEM, SG_EFUTURE, SG_ENOT_READY};
    struct peers_world *w = *state;
    fake_serve(&w->a, w->theirs, 6);
    peers_start_a(w);
    log_until(&w->log, "a blocks 6");
    for (size_t i = 0; i < SG_ARRAY_LEN(errors); i++) {
        log_expect(&w->log, "0 offers block 6");
        peers_judge(w, 0, errors[i]);
        peers_wait_state(w, 0, "syncing");
        peers_pass(w, LG_POLL_MS);
        log_until(&w->log, "a blocks 6");
    }
}

/* A full queue of the chain thread breaks the page off; it comes again. */
static void full_queue_breaks_the_page_off(void **state)
{
    struct peers_world *w = *state;
    atomic_store(&w->offer_err, SG_EFULL);
    fake_serve(&w->a, w->theirs, 8);
    peers_start_a(w);
    log_until(&w->log, "0 offers block 6 in vain");
    peers_wait_state(w, 0, "syncing");
    atomic_store(&w->offer_err, 0);
    peers_pass(w, LG_POLL_MS);
    log_expect(&w->log, "a status");
    log_until(&w->log, "0 offers block 8");
}

/* P32: the chain changes between two pages of blocks. What was fetched is judged; then the peer is asked where it stands now. */
static void chain_that_changes_between_pages_is_asked_anew(void **state)
{
    struct peers_world *w = *state;
    w->a.page = 2;
    fake_serve(&w->a, w->theirs, 8);
    fake_set(&w->a, FAKE_BLOCKS, FAKE_HOLD);
    peers_start_a(w);
    log_until(&w->log, "a blocks 6");
    fake_serve(&w->a, w->ours, 12); /* it has come over to our branch */
    fake_release(&w->a);            /* with an empty object: no page */
    peers_wait_state(w, 0, "syncing");
    peers_expect_rest(w, LG_POLL_MS);
    log_expect(&w->log, "a pool 0");
    peers_wait_state(w, 0, "ok");
}

/* The same between headers and blocks: another block than the checked one is not offered, and no fault as long as it does not go on. */
static void chain_that_changes_after_the_headers_is_no_fault(void **state)
{
    struct peers_world *w = *state;
    struct lg_block *page[PEERS_LENGTH];
    memcpy(page, w->theirs, sizeof page);
    page[7] = w->ours[7];
    fake_serve(&w->a, w->theirs, 8);
    fake_serve_blocks(&w->a, page);
    peers_start_a(w);
    log_until(&w->log, "0 offers block 7");
    accept(w, 6, 7);
    peers_wait_state(w, 0, "syncing");
    fake_serve_blocks(&w->a, NULL);
    peers_expect_rest(w, LG_POLL_MS);
    log_until(&w->log, "0 offers block 8");
    accept(w, 8, 8);
    settle(w);
}

/* P1: a tip that is only early is fetched once, kept until it is due, and makes nobody unready; one that is far too early is left alone.
 * Neither accuses its peer. */
static void tip_that_is_early_counts_as_known(void **state)
{
    struct peers_world *w = *state;
    struct lg_peers_summary s;
    atomic_store(&w->wall, w->theirs[7]->header.time - 1);
    fake_time(&w->a, w->theirs[7]->header.time - 1);
    fake_serve(&w->a, w->theirs, 8);
    peers_start_a(w);
    log_until(&w->log, "0 offers block 8");
    accept(w, 6, 7);
    peers_judge(w, 0, 0); /* held, not stored */
    settle_after(w);
    lg_peers_summary(w->peers, &s);
    assert_int_equal(s.unknown_tip, 0);
    peers_expect_rest(w, LG_POLL_MS);
    peers_wait_state(w, 0, "ok");
    assert_int_equal(log_count(&w->log, "a blocks"), 1);
    fake_serve(&w->a, w->theirs, 9); /* a minute ahead */
    peers_expect_rest(w, LG_POLL_MS);
    EXPECT(w, "a headers 1", "a blocks 8", "0 offers block 8");
    peers_judge(w, 0, 0);
    peers_wait_state(w, 0, "syncing");
    lg_peers_summary(w->peers, &s);
    assert_int_equal(s.unknown_tip, 1);
    assert_int_equal(s.peers[0].bans, 0);
}

/* P34: a height below the one before, with a tip that is known, is no fault. */
static void lower_height_than_before_is_no_fault(void **state)
{
    struct peers_world *w = *state;
    struct lg_peers_summary s;
    fake_serve(&w->a, w->ours, 12);
    peers_start_a(w);
    settle(w);
    fake_serve(&w->a, w->ours, 3);
    peers_expect_rest(w, LG_POLL_MS);
    peers_expect_rest(w, LG_POLL_MS); /* the one before has been digested */
    lg_peers_summary(w->peers, &s);
    assert_string_equal(s.peers[0].state, "ok");
    assert_int_equal(s.peers[0].height, 3);
    assert_int_equal(s.unknown_tip, 0);
}

/* Nobody listens: the time between two tries doubles from 250 ms to 15 s, and all that are told of it is the state. */
static void unreachable_peer_is_tried_at_doubling_intervals(void **state)
{
    struct peers_world *w = *state;
    struct lg_peers_summary s;
    char url[64];
    uint16_t port = 0;
    const int nobody = raw_refusing(&port);
    assert_true(nobody >= 0);
    fake_set(&w->a, FAKE_STATUS, FAKE_503); /* as a server that stops says */
    peers_start_a(w);
    log_expect(&w->log, "a status");
    for (sg_ms wait = LG_POLL_MIN_MS; wait < 2 * LG_POLL_MAX_MS; wait *= 2) {
        peers_wait_state(w, 0, "unreachable");
        peers_expect_rest(w, wait < LG_POLL_MAX_MS ? wait : LG_POLL_MAX_MS);
    }
    fake_set(&w->a, FAKE_STATUS, FAKE_GOOD);
    lg_peers_stop(w->peers);
    w->peers = NULL;
    snprintf(url, sizeof url, "http://127.0.0.1:%u", port);
    peers_start(w, 2, w->a.url, url);
    log_until(&w->log, "a pool 0");
    peers_wait_state(w, 0, "ok");
    peers_wait_state(w, 1, "unreachable");
    lg_peers_summary(w->peers, &s);
    assert_true(s.all_tried);
    assert_int_equal(s.answering, 1);
    (void)close(nobody);
}

/* T1, T5: a clock is in doubt while no peer has been asked, and when most of those that answer show another time; one liar of two, or peers that are
 * gone, put no clock in doubt. */
static void clock_that_most_peers_contradict_is_in_doubt(void **state)
{
    static const struct {
        sg_ms a_off, b_off;
        bool doubt;
    } rows[] = {{0, 0, false}, {5000, -5000, false}, {0, 3600000, false}, {-3600000, 3600000, true},
        {5001, -5001, true}, {-WALL, -WALL, true}};
    struct peers_world *w = *state;

    atomic_store(&w->wall, WALL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fake_set(&w->a, FAKE_STATUS, FAKE_HOLD);
        fake_set(&w->b, FAKE_STATUS, FAKE_HOLD);
        fake_time(&w->a, WALL + rows[i].a_off);
        fake_time(&w->b, WALL + rows[i].b_off);
        peers_start(w, 2, w->a.url, w->b.url);
        assert_true(lg_peers_clock_in_doubt(w->peers));
        fake_set(&w->a, FAKE_STATUS, FAKE_GOOD);
        fake_set(&w->b, FAKE_STATUS, FAKE_GOOD);
        lg_peers_stop(w->peers);
        peers_start(w, 2, w->a.url, w->b.url);
        peers_wait_state(w, 0, "ok");
        peers_wait_state(w, 1, "ok");
        assert_int_equal(lg_peers_clock_in_doubt(w->peers), rows[i].doubt);
        lg_peers_stop(w->peers);
    }
    fake_set(&w->a, FAKE_STATUS, FAKE_503); /* as good as gone */
    fake_set(&w->b, FAKE_STATUS, FAKE_503);
    peers_start(w, 2, w->a.url, w->b.url);
    peers_wait_state(w, 0, "unreachable");
    peers_wait_state(w, 1, "unreachable");
    assert_false(lg_peers_clock_in_doubt(w->peers));
}

/* Until its status is asked for once more, the peer has not brought a page. */
static void fails(struct peers_world *w, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        peers_wait_state(w, 0, "unreachable");
        peers_pass(w, LG_POLL_MAX_MS);
    }
}

/* A line on which a page of the usual length never comes in time: pages are halved until they come, and doubled when they come in a quarter
 * of the time. */
static void slow_line_is_given_shorter_pages(void **state)
{
    struct peers_world *w = *state;
    fake_serve(&w->a, w->theirs, 9);
    fake_slow(&w->a, &w->mono, 10000, LG_PAGE_MS); /* six in time */
    peers_start_a(w);
    fails(w, 7); /* 512 halved so often are 4 */
    log_until(&w->log, "0 offers block 9");
    assert_int_equal(log_count(&w->log, "0 offers block"), 4);
    assert_int_equal(log_count(&w->log, "a blocks"), 2);
    assert_int_equal(fake_limit(&w->a), 4);
    accept(w, 6, 9);
    peers_wait_state(w, 0, "ok");
    fake_slow(&w->a, NULL, 0, 0);
    fake_serve(&w->a, w->theirs, 14);
    peers_pass(w, LG_POLL_MS);
    log_until(&w->log, "a headers 13");
    assert_int_equal(fake_limit(&w->a), 8);
    log_until(&w->log, "0 offers block 14");
    assert_int_equal(log_count(&w->log, "a blocks"), 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, peers_setup, peers_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sync_of_another_branch_takes_headers_first),
        TEST(sync_of_a_branch_that_was_given_up_begins_anew),
        TEST(sync_finds_the_newest_common_block_by_halving),
        TEST(sync_of_a_peer_that_goes_on_asks_once),
        TEST(sync_near_the_tip_fetches_only_what_is_missing),
        TEST(sync_from_two_peers_asks_for_each_block_once),
        TEST(sync_from_a_peer_that_stalls_passes_to_the_other),
        TEST(own_trouble_or_early_block_accuses_nobody),
        TEST(full_queue_breaks_the_page_off),
        TEST(chain_that_changes_between_pages_is_asked_anew),
        TEST(chain_that_changes_after_the_headers_is_no_fault),
        TEST(tip_that_is_early_counts_as_known),
        TEST(lower_height_than_before_is_no_fault),
        TEST(unreachable_peer_is_tried_at_doubling_intervals),
        TEST(clock_that_most_peers_contradict_is_in_doubt),
        TEST(slow_line_is_given_shorter_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
