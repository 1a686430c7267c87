/* A node's peers thread and peers that lie, withhold, drip or are none: each gets the ban, or the rest, of its case and no more requests than
 * that, and delays no other. The codes P… are those of the list of inputs that must do no harm. */
#include "ledger/peers_priv.h"
#include "tests/lib/peers_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

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
    peers_expect_ban(w, "root", LG_POLL_BAD_MS);
    log_until(&w->log, "0 offers block 7"); /* the same again: twice as long */
    peers_judge(w, 0, SG_EWEIGHT);          /* P26c: a claim that does not hold */
    peers_judge(w, 0, 0);
    peers_expect_ban(w, "weight", 2 * LG_POLL_BAD_MS);
}

/* P29, P33: headers are shown and blocks never come: 404, nothing, or no list. Three rounds, a poll apart; then the peer is banned. No
 * request comes in between. */
static void tip_that_is_never_given_bans_the_peer(void **state)
{
    struct peers_world *w = *state;
    static const enum fake_mode modes[] = {FAKE_404, FAKE_EMPTY, FAKE_GARBAGE};
    sg_ms ban = LG_POLL_BAD_MS;
    fake_serve(&w->a, w->theirs, 7);
    for (size_t m = 0; m < SG_ARRAY_LEN(modes); m++, ban *= 2) {
        fake_set(&w->a, FAKE_BLOCKS, modes[m]);
        if (m == 0)
            peers_start_a(w);
        for (unsigned round = 1;; round++) {
            log_until(&w->log, "a headers 1");
            log_expect(&w->log, "a blocks 6");
            if (round == LG_FRUITLESS_MAX)
                break;
            peers_wait_state(w, 0, "syncing");
            peers_expect_rest(w, LG_POLL_MS);
        }
        peers_expect_ban(w, "withheld", ban);
    }
    assert_int_equal(log_count(&w->log, "0 offers block"), 0);
}

/* The same when there are no headers for the tip that it names. */
static void tip_without_headers_bans_the_peer(void **state)
{
    struct peers_world *w = *state;
    const struct lg_hash nowhere = {{0xab}};
    fake_serve(&w->a, w->ours, 12);
    fake_claim(&w->a, LG_C0_MAX_INT, &nowhere);
    peers_start_a(w);
    log_expect(&w->log, "a status");
    for (unsigned round = 1;; round++) {
        log_expect(&w->log, "a headers 3");
        log_expect(&w->log, "a headers 13");
        if (round == LG_FRUITLESS_MAX)
            break;
        peers_wait_state(w, 0, "syncing");
        peers_expect_rest(w, LG_POLL_MS);
    }
    peers_expect_ban(w, "withheld", LG_POLL_BAD_MS);
}

struct bans {
    struct peers_world *w;
    struct lg_peers_summary s;
    unsigned n;
};

static bool is_banned(void *ctx)
{
    struct bans *t = ctx;
    lg_peers_summary(t->w->peers, &t->s);
    return t->s.peers[0].bans >= t->n;
}

/* Peer a is banned for the n-th time, for this reason. */
static void wait_ban(struct peers_world *w, unsigned n, const char *reason)
{
    struct bans t = {.w = w, .n = n};
    (void)log_wait(&w->log, is_banned, &t);
    assert_int_equal(t.s.peers[0].bans, n);
    assert_string_equal(t.s.peers[0].reason, reason);
    assert_string_equal(t.s.peers[0].state, "bad");
}

/* P30, P31: a block under another's hash is a lie; so is a header. Endless headers are as large as a page may be, and no larger. */
static void lie_or_endless_page_bans_the_peer(void **state)
{
    struct peers_world *w = *state;
    struct lg_block wrong = *w->theirs[6], *page[PEERS_LENGTH];
    memcpy(page, w->theirs, sizeof page);
    wrong.hash = w->theirs[5]->hash;
    page[5] = &wrong;
    fake_serve(&w->a, w->theirs, 8);
    fake_serve_blocks(&w->a, page);
    peers_start_a(w);
    log_until(&w->log, "a blocks 6");
    wait_ban(w, 1, "malformed");
    fake_serve(&w->a, page, 8);
    peers_pass(w, LG_POLL_BAD_MS);
    wait_ban(w, 2, "malformed");
    fake_set(&w->a, FAKE_HEADERS, FAKE_ENDLESS);
    peers_pass(w, 2 * LG_POLL_BAD_MS);
    wait_ban(w, 3, "too_large");
    assert_int_equal(log_count(&w->log, "a blocks"), 1);
    assert_int_equal(log_count(&w->log, "0 offers"), 0);
}

/* What this node found was found in a damaged store: when that is put right, a ban ends at once and what was found before bans nobody; who
 * gives the same again is banned again, and for longer. */
static void repair_here_ends_bans(void **state)
{
    struct peers_world *w = *state;
    fake_serve(&w->a, w->theirs, 7);
    peers_start_a(w);
    log_until(&w->log, "0 offers block 7");
    peers_judge(w, 0, SG_ESTATEMENT_CHAIN);
    peers_judge(w, 0, SG_EPREV);
    wait_ban(w, 1, "statement_chain");
    peers_wait_state(w, 0, "bad");
    lg_peers_repaired(w->peers);
    log_until(&w->log, "0 offers block 7");
    peers_judge(w, 0, SG_ESTATEMENT_CHAIN);
    lg_peers_repaired(w->peers);
    peers_look(w);
    peers_judge(w, 0, SG_EPREV);
    peers_wait_rest(w);
    peers_expect_rest(w, LG_POLL_MS);
    log_until(&w->log, "0 offers block 7");
    peers_judge(w, 0, SG_EWEIGHT);
    peers_judge(w, 0, 0);
    peers_expect_ban(w, "weight", 2 * LG_POLL_BAD_MS);
}

/* A sketch of leaves that the checked header does not cover is a lie. */
static void sketch_of_other_leaves_bans_the_peer(void **state)
{
    struct peers_world *w = *state;
    struct lg_block wrong = *w->theirs[5], *page[PEERS_LENGTH];
    memcpy(page, w->theirs, sizeof page);
    wrong.statements = w->theirs[6]->statements;
    page[5] = &wrong;
    fake_sketches(&w->a, "");
    fake_serve(&w->a, w->theirs, 6);
    fake_serve_blocks(&w->a, page);
    peers_start_a(w);
    wait_ban(w, 1, "root");
    assert_int_equal(log_count(&w->log, "a sketches"), 1);
    assert_int_equal(log_count(&w->log, "0 offers"), 0);
}

/* A header that follows the parent but for one rule. */
static struct lg_block *faulty(struct peers_world *w, const struct lg_block *good, const char *code)
{
    struct lg_header h = good->header;
    unsigned gw = 0;
    if (strcmp(code, "chain") == 0)
        h.chain.b[0] ^= 1;
    else if (strcmp(code, "height") == 0)
        h.height += 2;
    else if (strcmp(code, "prev") == 0)
        h.prev.b[0] ^= 1;
    else if (strcmp(code, "bits") == 0)
        h.bits = 0;
    else if (strcmp(code, "slot") == 0)
        h.slot -= 100;
    else if (strcmp(code, "time") == 0)
        h.time -= 200 * SG_MINUTE_MS;
    else if (strcmp(code, "miner") == 0)
        h.miner_kid = w->f.g->gateways[gw = 2].id;
    else if (strcmp(code, "signature") == 0)
        gw = 1;
    assert_code(lg_work_search(&h.nonce, &h, 1, 1u << 24), 0);
    struct lg_block *b = peers_seal(w, good, &h, gw);
    while (strcmp(code, "work") == 0 && lg_work_meets(&b->hash, w->f.g->bits)) {
        h.nonce++;
        lg_block_free(b);
        b = peers_seal(w, good, &h, gw);
    }
    return b;
}

/* P6, P8..P10, P15, P43: a header that breaks a rule is found out before any block is asked for, and bans its peer with that rule's code. */
static void header_that_breaks_a_rule_bans_the_peer(void **state)
{
    static const char *const codes[] = {
        "chain", "height", "prev", "bits", "slot", "time", "miner", "work", "signature"};
    struct peers_world *w = *state;
    struct lg_block *page[PEERS_LENGTH], *bad[SG_ARRAY_LEN(codes)];
    memcpy(page, w->theirs, sizeof page);
    for (size_t i = 0; i < SG_ARRAY_LEN(codes); i++) {
        page[6] = bad[i] = faulty(w, w->theirs[6], codes[i]);
        fake_serve(&w->a, page, 9);
        if (i == 0)
            peers_start_a(w);
        else
            peers_pass(w, (sg_ms)LG_POLL_BAD_MS << LG_BAN_DOUBLINGS);
        wait_ban(w, (unsigned)i + 1, codes[i]);
    }
    assert_int_equal(log_count(&w->log, "a headers"), SG_ARRAY_LEN(codes));
    assert_int_equal(log_count(&w->log, "a blocks"), 0);
    for (size_t i = 0; i < SG_ARRAY_LEN(codes); i++)
        lg_block_free(bad[i]);
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
    w->call_ms = 0; /* 8 s */
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
    peers_wait_state(w, 0, "unreachable"); /* when the deadline of the call is over */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, peers_setup, peers_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(peer_of_another_chain_is_left_alone),
        TEST(block_refused_makes_the_peer_bad),
        TEST(tip_that_is_never_given_bans_the_peer),
        TEST(tip_without_headers_bans_the_peer),
        TEST(lie_or_endless_page_bans_the_peer),
        TEST(repair_here_ends_bans),
        TEST(sketch_of_other_leaves_bans_the_peer),
        TEST(header_that_breaks_a_rule_bans_the_peer),
        TEST(status_that_is_none_makes_the_peer_bad),
        TEST(peer_that_drips_or_holds_delays_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
