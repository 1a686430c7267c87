/* A node's peers thread asks: where a peer stands, the newest common block, the blocks after it. Peers are good, slow, lying or gone. The
 * codes P… are those of the list of inputs that must do no harm. */
#include "ledger/peers_priv.h"
#include "tests/lib/peers_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* Up to the idle state of a peer whose tip is known. */
static void settle(struct peers_world *w)
{
    log_expect(&w->log, "a status");
    log_expect(&w->log, "a pool 0");
    peers_wait_state(w, 0, "ok");
}

/* The common block is sought in steps of 1, 2, 4, 8 back from the lower of both heights, then blocks come by pages and are judged. */
static void sync_of_another_branch_finds_the_common_block_by_doubling_steps(void **state)
{
    struct peers_world *w = *state;
    char line[LOG_WIDTH];
    w->a.page = 6;
    fake_serve(&w->a, w->theirs, PEERS_LENGTH);
    peers_start_a(w);
    log_expect(&w->log, "a status");
    log_expect(&w->log, "a headers 12");
    log_expect(&w->log, "a headers 11");
    log_expect(&w->log, "a headers 9");
    log_expect(&w->log, "a headers 5");
    log_expect(&w->log, "a blocks 6");
    for (int h = 6; h <= PEERS_LENGTH; h++) {
        if (h == 12)
            log_expect(&w->log, "a blocks 12");
        snprintf(line, sizeof line, "0 offers block %d", h);
        log_expect(&w->log, line);
        if (h == 11 || h == PEERS_LENGTH)
            for (int k = h == 11 ? 6 : 12; k <= h; k++) {
                peers_put(w, w->theirs[k - 1], &w->their_info[k], false);
                peers_judge(w, 0, 0);
            }
    }
    log_expect(&w->log, "a status");
    log_expect(&w->log, "a pool 0");
    peers_wait_state(w, 0, "ok");
}

/* A peer of another chain is told so by its state, gets nothing, and is asked again a minute later. */
static void peer_of_another_chain_is_left_alone(void **state)
{
    struct peers_world *w = *state;
    w->a.chain.b[0] ^= 1;
    peers_start_a(w);
    log_expect(&w->log, "a status");
    peers_wait_state(w, 0, "other_chain");
    lg_peers_announce_block(w->peers, w->ours[0], -1);
    peers_expect_rest(w, LG_POLL_BAD_MS);
    assert_int_equal(log_count(&w->log, "a gets"), 0);
}

/* A block that breaks a rule makes its peer bad: the page is given up, and the peer rests for a minute. */
static void block_refused_makes_the_peer_bad(void **state)
{
    struct peers_world *w = *state;
    fake_serve(&w->a, w->theirs, 7);
    peers_start_a(w);
    log_until(&w->log, "0 offers block 7");
    peers_judge(w, 0, 0);
    peers_judge(w, 0, SG_EROOT);
    peers_wait_state(w, 0, "bad");
    peers_expect_rest(w, LG_POLL_BAD_MS);
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

/* P32: the chain changes between two pages. What was fetched is judged; a round that ends without the tip is followed by a look at where
 * the peer stands now. */
static void chain_that_changes_between_pages_is_asked_anew(void **state)
{
    struct peers_world *w = *state;
    w->a.page = 2;
    fake_serve(&w->a, w->theirs, 10);
    peers_start_a(w);
    log_until(&w->log, "0 offers block 7");
    fake_serve(&w->a, w->ours, 12); /* it has come over to our branch */
    peers_judge(w, 0, 0);
    peers_judge(w, 0, 0);
    log_expect(&w->log, "a blocks 8");
    log_expect(&w->log, "a blocks 10");
    log_expect(&w->log, "a blocks 12");
    peers_wait_state(w, 0, "syncing");
    peers_expect_rest(w, LG_POLL_MS);
    log_expect(&w->log, "a pool 0");
    peers_wait_state(w, 0, "ok");
}

/* P33: a tip is announced and never given. Three rounds, a poll apart; then the peer is bad. No request comes in between. */
static void tip_that_is_never_given_makes_the_peer_bad(void **state)
{
    struct peers_world *w = *state;
    const struct lg_hash nowhere = {{0xab}};
    fake_serve(&w->a, w->ours, 12);
    fake_claim(&w->a, 13, &nowhere);
    fake_set(&w->a, FAKE_BLOCKS, FAKE_404);
    peers_start_a(w);
    log_expect(&w->log, "a status");
    for (unsigned round = 1;; round++) {
        log_expect(&w->log, "a headers 12");
        log_expect(&w->log, "a blocks 13");
        if (round == LG_FRUITLESS_MAX)
            break;
        peers_wait_state(w, 0, "syncing");
        peers_expect_rest(w, LG_POLL_MS);
    }
    peers_wait_state(w, 0, "bad");
    peers_expect_rest(w, LG_POLL_BAD_MS);
}

/* The same when it answers with blocks that are known here, or with none: no loop of requests, however eager it is. */
static void known_blocks_for_an_unknown_tip_make_no_loop(void **state)
{
    struct peers_world *w = *state;
    const struct lg_hash nowhere = {{0xab}};
    fake_serve(&w->a, w->ours, 12);
    fake_claim(&w->a, 5, &nowhere);
    fake_set(&w->a, FAKE_HEADERS, FAKE_EMPTY);
    peers_start_a(w);
    log_expect(&w->log, "a status");
    log_expect(&w->log, "a headers 5");
    peers_wait_state(w, 0, "syncing");
    fake_set(&w->a, FAKE_HEADERS, FAKE_GOOD);
    peers_expect_rest(w, LG_POLL_MS);
    log_expect(&w->log, "a headers 5");
    log_expect(&w->log, "a blocks 6");
    peers_expect_rest(w, LG_POLL_MS);
    log_expect(&w->log, "a headers 5");
    log_expect(&w->log, "a blocks 6");
    peers_wait_state(w, 0, "bad");
    assert_int_equal(log_count(&w->log, "0 offers block"), 0);
}

/* P31: blocks that nobody asked for are orphans for the node; the peer is asked again at the pace of polls. */
static void orphans_instead_of_the_asked_for_make_no_loop(void **state)
{
    struct peers_world *w = *state;
    struct lg_block *page[PEERS_LENGTH];
    memcpy(page, w->theirs, sizeof page);
    page[5] = w->theirs[10]; /* height 11 where 6 was asked for */
    fake_serve(&w->a, page, 6);
    fake_claim(&w->a, 6, &w->theirs[12]->hash);
    peers_start_a(w);
    log_until(&w->log, "0 offers block 11");
    peers_judge(w, 0, 0); /* SG_OK with the verdict orphan */
    peers_expect_rest(w, LG_POLL_MS);
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

/* P35, P39 and the like: no redirect is followed, nothing is unpacked, what is no status makes the peer bad. */
static void status_that_is_none_makes_the_peer_bad(void **state)
{
    static const enum fake_mode modes[] = {
        FAKE_404, FAKE_REDIRECT, FAKE_FILE, FAKE_GZIP, FAKE_GARBAGE, FAKE_EMPTY, FAKE_ENDLESS};
    struct peers_world *w = *state;
    fake_set(&w->a, FAKE_STATUS, modes[0]);
    peers_start_a(w);
    log_expect(&w->log, "a status");
    for (size_t i = 1; i <= SG_ARRAY_LEN(modes); i++) {
        peers_wait_state(w, 0, "bad");
        fake_set(&w->a, FAKE_STATUS, i < SG_ARRAY_LEN(modes) ? modes[i] : FAKE_GOOD);
        peers_pass(w, LG_POLL_BAD_MS);
        log_expect(&w->log, "a status");
    }
    log_expect(&w->log, "a pool 0");
    peers_wait_state(w, 0, "ok");
    assert_int_equal(log_count(&w->log, "a followed"), 0);
}

/* P36 and an answer that never comes: the peer is unreachable after its deadline; meanwhile the other one works as ever. */
static void peer_that_drips_or_holds_delays_no_other(void **state)
{
    struct peers_world *w = *state;
    fake_set(&w->a, FAKE_STATUS, FAKE_DRIP);
    fake_serve(&w->b, w->theirs, 6);
    peers_start(w, 2, w->a.url, w->b.url);
    log_until(&w->log, "1 offers block 6");
    peers_put(w, w->theirs[5], &w->their_info[6], false);
    peers_judge(w, 1, 0);
    log_until(&w->log, "b pool 0");
    peers_wait_state(w, 1, "ok");
    assert_false(peers_is_state(w, 0, "new")); /* still waiting for it */
    lg_peers_announce_block(w->peers, w->ours[2], -1);
    log_until(&w->log, "b gets block 3");
    peers_wait_state(w, 0, "unreachable"); /* 8 s of real time: the deadline of a call */
}

/* Nobody listens: the time between two tries doubles from 250 ms to 15 s, and all that are told of it is the state. */
static void unreachable_peer_is_tried_at_doubling_intervals(void **state)
{
    struct peers_world *w = *state;
    struct lg_peers_summary s;
    char url[64];
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
    snprintf(url, sizeof url, "%s", w->b.url);
    fake_stop(&w->b); /* its port is closed now */
    peers_start(w, 2, w->a.url, url);
    log_until(&w->log, "a pool 0");
    peers_wait_state(w, 0, "ok");
    peers_wait_state(w, 1, "unreachable");
    lg_peers_summary(w->peers, &s);
    assert_true(s.all_tried);
    assert_int_equal(s.answering, 1);
    fake_start(&w->b, &w->log, 'b', w->f.g); /* for the teardown */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            sync_of_another_branch_finds_the_common_block_by_doubling_steps, peers_setup, peers_teardown),
        cmocka_unit_test_setup_teardown(peer_of_another_chain_is_left_alone, peers_setup, peers_teardown),
        cmocka_unit_test_setup_teardown(block_refused_makes_the_peer_bad, peers_setup, peers_teardown),
        cmocka_unit_test_setup_teardown(
            own_trouble_or_early_block_accuses_nobody, peers_setup, peers_teardown),
        cmocka_unit_test_setup_teardown(full_queue_breaks_the_page_off, peers_setup, peers_teardown),
        cmocka_unit_test_setup_teardown(
            chain_that_changes_between_pages_is_asked_anew, peers_setup, peers_teardown),
        cmocka_unit_test_setup_teardown(
            tip_that_is_never_given_makes_the_peer_bad, peers_setup, peers_teardown),
        cmocka_unit_test_setup_teardown(
            known_blocks_for_an_unknown_tip_make_no_loop, peers_setup, peers_teardown),
        cmocka_unit_test_setup_teardown(
            orphans_instead_of_the_asked_for_make_no_loop, peers_setup, peers_teardown),
        cmocka_unit_test_setup_teardown(lower_height_than_before_is_no_fault, peers_setup, peers_teardown),
        cmocka_unit_test_setup_teardown(status_that_is_none_makes_the_peer_bad, peers_setup, peers_teardown),
        cmocka_unit_test_setup_teardown(
            peer_that_drips_or_holds_delays_no_other, peers_setup, peers_teardown),
        cmocka_unit_test_setup_teardown(
            unreachable_peer_is_tried_at_doubling_intervals, peers_setup, peers_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
