/* A node's peers thread passes statements on: some soon, the rest by asking who lacks them. */
#include "ledger/core/leaf_ask.h"
#include "ledger/peers_priv.h"
#include "tests/lib/peers_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SOME 4

struct gathering {
    struct peers_world *w;
    struct lg_body *body[2];
    struct lg_statement *s[SOME]; /* the first two read body 0, the others body 1 */
};

static int setup(void **state)
{
    struct gathering *t = calloc(1, sizeof *t);
    void *w = NULL;
    peers_setup(&w);
    t->w = w;
    for (unsigned i = 0; i < 2; i++)
        t->body[i] = synth_body(&t->w->s, 0, t->w->f.g->minute, 1 + i);
    for (unsigned i = 0; i < SOME; i++)
        t->s[i] = synth_statement(&t->w->s, i, t->w->f.g->time + 9, 1, &t->w->f.g->id, &t->body[i / 2], 1, 6);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct gathering *t = *state;
    void *w = t->w;
    for (unsigned i = 0; i < SOME; i++)
        lg_statement_free(t->s[i]);
    for (unsigned i = 0; i < 2; i++)
        lg_body_free(t->body[i]);
    free(t);
    return peers_teardown(&w);
}

/* Both peers answer and rest. */
static void both_up(struct gathering *t)
{
    struct peers_world *w = t->w;
    fake_serve(&w->a, w->ours, 12);
    fake_serve(&w->b, w->ours, 12);
    peers_start(w, 2, w->a.url, w->b.url);
    peers_wait_state(w, 0, "ok");
    peers_wait_state(w, 1, "ok");
}

static void know_questions(struct gathering *t, const char *answer)
{
    fake_missing(&t->w->a, answer);
    fake_missing(&t->w->b, answer);
}

static void take(struct gathering *t, const char *answer)
{
    fake_taken(&t->w->a, answer);
    fake_taken(&t->w->b, answer);
}

static const char had_all[] = "{\"accepted\":0,\"known\":1,\"rejected\":[]}";
static const char had_none[] = "{\"accepted\":1,\"known\":0,\"rejected\":[]}";

/* The thread has taken what it was sent before, and both peers have answered what they were told before: a block has come through behind it. */
static void settle(struct gathering *t)
{
    const unsigned a = log_count(&t->w->log, "a gets block"), b = log_count(&t->w->log, "b gets block");
    lg_peers_announce_block(t->w->peers, t->w->theirs[7], -1);
    peers_wait_count(t->w, "a gets block", a + 1);
    peers_wait_count(t->w, "b gets block", b + 1);
}

/* Statement i, with its body when it is the first to read it. */
static void announce(struct gathering *t, unsigned i, int from)
{
    lg_peers_announce_statements(t->w->peers, &t->s[i], 1, &t->body[i / 2], i % 2 == 0, from);
    settle(t);
}

/* Time passes, and what was due then has come through: the thread looks after it between two blocks. */
static void pass(struct gathering *t, sg_ms ms)
{
    peers_pass(t->w, ms);
    settle(t);
    settle(t);
}

/* Statement 2 is in the store. (Of statement 0 the chain has a rival.) */
static void pool_one(struct gathering *t)
{
    const struct lg_store *s = t->w->f.s;
    assert_code(s->begin(s->ctx), 0);
    assert_code(s->put_body(s->ctx, t->body[1]), 0);
    assert_code(s->put_statement(s->ctx, t->s[2]), 0);
    assert_code(s->commit(s->ctx), 0);
}

static unsigned told(struct gathering *t)
{
    return log_count(&t->w->log, "a gets bodies") + log_count(&t->w->log, "b gets bodies");
}

/* What comes here first, from outside, goes to every peer in one POST, LG_GATHER_MS after the first of it; who then says that it lacks nothing is
 * told no more of it. */
static void first_of_one_moment_is_told_soon_together(void **state)
{
    struct gathering *t = *state;
    know_questions(t, "{\"missing\":[]}");
    both_up(t);
    for (unsigned i = 0; i < 3; i++)
        announce(t, i, LG_FROM_OUTSIDE);
    pass(t, LG_GATHER_MS - 1);
    assert_int_equal(told(t), 0);
    pass(t, 1);
    peers_wait_count(t->w, "a gets bodies 2 statements 3", 1);
    peers_wait_count(t->w, "b gets bodies 2 statements 3", 1);
    pass(t, LG_ASK_AFTER_MS - LG_GATHER_MS - 1);
    assert_int_equal(log_count(&t->w->log, "a asked"), 0);
    pass(t, 1);
    peers_wait_count(t->w, "a asked 3", 1);
    peers_wait_count(t->w, "b asked 3", 1);
    pass(t, LG_ASK_AFTER_MS);
    assert_int_equal(told(t), 2);
    assert_int_equal(log_count(&t->w->log, "a is not told") + log_count(&t->w->log, "b is not told"), 0);
}

/* What other nodes have passed on waits LG_ASK_AFTER_MS for more of it, whoever gave it; then each peer is asked once, and gets what it lacks with the
 * bodies that this reads, and nothing else. */
static void passed_on_goes_to_who_lacks_it(void **state)
{
    struct gathering *t = *state;
    fake_missing(&t->w->a, "{\"missing\":[]}");
    fake_missing(&t->w->b, "{\"missing\":[2,3]}");
    both_up(t);
    announce(t, 0, LG_FROM_NODE);
    announce(t, 1, LG_FROM_NODE);
    announce(t, 2, 0);
    pass(t, LG_ASK_AFTER_MS - 1);
    announce(t, 3, 1);
    assert_int_equal(told(t) + log_count(&t->w->log, "a asked") + log_count(&t->w->log, "b asked"), 0);
    pass(t, 1);
    peers_wait_count(t->w, "a asked 4", 1);
    peers_wait_count(t->w, "b asked 4", 1);
    peers_wait_count(t->w, "b gets bodies 1 statements 2", 1);
    pass(t, LG_ASK_AFTER_MS);
    assert_int_equal(told(t), 1);
}

/* A peer that gave all of it is not asked whether it has it. */
static void giver_of_all_is_not_asked(void **state)
{
    struct gathering *t = *state;
    know_questions(t, "{\"missing\":[]}");
    both_up(t);
    announce(t, 0, 0);
    announce(t, 1, 0);
    pass(t, LG_ASK_AFTER_MS);
    peers_wait_count(t->w, "b asked 2", 1);
    assert_int_equal(log_count(&t->w->log, "a asked"), 0);
}

/* A peer that had what it was told soon is asked from then on, until it lacks something; the other peer is told as before. */
static void telling_soon_follows_its_use(void **state)
{
    struct gathering *t = *state;
    know_questions(t, "{\"missing\":[]}");
    fake_taken(&t->w->a, had_all);
    fake_taken(&t->w->b, had_none);
    both_up(t);
    for (unsigned i = 0; i < 3; i++) {
        announce(t, i, LG_FROM_OUTSIDE);
        pass(t, LG_GATHER_MS);
        peers_wait_count(t->w, "b gets bodies", i + 1);
        if (i == 2)
            fake_missing(&t->w->a, "{\"missing\":[0]}");
        pass(t, LG_ASK_AFTER_MS - LG_GATHER_MS);
        peers_wait_count(t->w, "a asked 1", i + 1);
        peers_wait_count(t->w, "b asked 1", i + 1);
    }
    peers_wait_count(t->w, "a gets bodies", 2); /* the first soon, the third because it lacked it */
    announce(t, 3, LG_FROM_OUTSIDE);
    pass(t, LG_GATHER_MS);
    peers_wait_count(t->w, "a gets bodies", 3);
}

/* Along a line of nodes: a peer that lacked what was passed on is told such soon from then on, until another way is as quick. What comes
 * from outside is another matter. */
static void peer_behind_this_node_is_told_soon(void **state)
{
    struct gathering *t = *state;
    know_questions(t, "{\"missing\":[]}");
    fake_missing(&t->w->b, "{\"missing\":[0]}");
    take(t, had_none);
    both_up(t);
    announce(t, 0, LG_FROM_NODE);
    pass(t, LG_ASK_AFTER_MS);
    peers_wait_count(t->w, "b gets bodies 1 statements 1", 1);
    fake_missing(&t->w->b, "{\"missing\":[]}");
    announce(t, 1, LG_FROM_NODE);
    pass(t, LG_GATHER_MS);
    peers_wait_count(t->w, "b gets bodies 0 statements 1", 1);
    assert_int_equal(log_count(&t->w->log, "a gets bodies"), 0);
    fake_taken(&t->w->b, had_all);
    announce(t, 2, LG_FROM_NODE);
    pass(t, LG_GATHER_MS);
    peers_wait_count(t->w, "b gets bodies 1 statements 1", 2);
    pass(t, LG_ASK_AFTER_MS);
    peers_wait_count(t->w, "b asked 2", 1);
    announce(t, 3, LG_FROM_NODE);
    pass(t, LG_GATHER_MS);
    assert_int_equal(log_count(&t->w->log, "b gets bodies"), 3);
    announce(t, 3, LG_FROM_OUTSIDE);
    pass(t, LG_GATHER_MS);
    peers_wait_count(t->w, "b gets bodies", 4);
}

/* A node that knows the contract alone gets everything, and is asked once only. */
static void node_without_the_question_gets_all(void **state)
{
    struct gathering *t = *state;
    both_up(t);
    announce(t, 0, LG_FROM_NODE);
    announce(t, 2, LG_FROM_NODE);
    pass(t, LG_ASK_AFTER_MS);
    peers_wait_count(t->w, "a asked 2", 1);
    peers_wait_count(t->w, "a gets bodies 2 statements 2", 1);
    announce(t, 1, LG_FROM_NODE);
    pass(t, LG_ASK_AFTER_MS);
    peers_wait_count(t->w, "a gets bodies 0 statements 1", 1);
    assert_int_equal(log_count(&t->w->log, "a asked"), 1);
}

/* Whoever answers what was not asked gets everything: that harms nobody. */
static void odd_answer_means_all(void **state)
{
    static const char *const odd[] = {"", "[]", "{}", "{\"missing\":[4]}", "{\"missing\":[-1]}",
        "{\"missing\":[1,0]}", "{\"missing\":[0,0]}", "{\"missing\": []}", "{\"missing\":[0],\"more\":1}",
        "{\"missing\":{}}"};
    struct gathering *t = *state;
    take(t, had_all);
    both_up(t);
    for (unsigned i = 0; i < SG_ARRAY_LEN(odd); i++) {
        know_questions(t, odd[i]);
        announce(t, 0, LG_FROM_NODE);
        announce(t, 1, LG_FROM_NODE);
        pass(t, LG_ASK_AFTER_MS);
        peers_wait_count(t->w, "a asked 2", i + 1);
        peers_wait_count(t->w, "a gets bodies 1 statements 2", i + 1);
    }
}

/* What has been gathered goes at once when it is full; more in one go than a question holds is offered unasked. */
static void full_window_goes_at_once(void **state)
{
    struct gathering *t = *state;
    struct lg_statement **many = calloc(LG_ASK_MAX + 1, sizeof(*many));
    know_questions(t, "{\"missing\":[]}");
    both_up(t);
    for (unsigned i = 0; i <= LG_ASK_MAX; i++)
        many[i] = t->s[0];
    announce(t, 0, LG_FROM_NODE);
    announce(t, 1, LG_FROM_NODE);
    lg_peers_announce_statements(t->w->peers, many, LG_ASK_MAX, NULL, 0, LG_FROM_NODE);
    lg_peers_announce_statements(t->w->peers, many, LG_ASK_MAX + 1, NULL, 0, LG_FROM_NODE);
    announce(t, 2, LG_FROM_NODE);
    announce(t, 3, LG_FROM_NODE);
    peers_wait_count(t->w, "a asked 2", 1);
    peers_wait_count(t->w, "a asked 1024", 1);
    peers_wait_count(t->w, "a gets bodies 0 statements 1025", 1);
    pass(t, LG_ASK_AFTER_MS);
    peers_wait_count(t->w, "a asked 2", 2);
    assert_int_equal(told(t), 2);
    free(many);
}

/* Polls enough for whoever is owed something to be offered the pool, and for it to be offered twice if that were not forgotten. */
static void poll_often(struct gathering *t)
{
    for (unsigned i = 0; i < 2 * LG_POOL_POLLS; i++) {
        pass(t, LG_POLL_MS);
        peers_wait_state(t->w, 0, "ok");
        peers_wait_state(t->w, 1, "ok");
    }
}

static void expect_pool_after(struct gathering *t, enum fake_mode busy)
{
    pool_one(t);
    know_questions(t, "{\"missing\":[]}");
    both_up(t);
    peers_wait_count(t->w, "a gets bodies", 1); /* the pool, when it appeared */
    fake_set(&t->w->a, FAKE_POST_STATEMENTS, busy);
    announce(t, 0, LG_FROM_OUTSIDE);
    pass(t, LG_GATHER_MS);
    peers_wait_count(t->w, "a gets bodies", 2);
    pass(t, LG_ASK_AFTER_MS);
    peers_wait_count(t->w, "a asked 1", 1);
    fake_set(&t->w->a, FAKE_POST_STATEMENTS, FAKE_GOOD);
    poll_often(t);
    peers_wait_count(t->w, "a gets bodies", 3);
    peers_wait_count(t->w, "b gets bodies", 2);
}

/* A peer that was too busy for statements is offered the pool at a later poll, once: no promise hangs on one message. */
static void peer_that_missed_something_is_offered_the_pool(void **state)
{
    expect_pool_after(*state, FAKE_503);
}

/* The same when it is what stands before the peer that says so. */
static void peer_behind_a_busy_proxy_is_offered_the_pool(void **state)
{
    expect_pool_after(*state, FAKE_429);
}

/* Statements that came in one go, more than can be gathered, are owed to every peer: each is offered the pool, once. */
static void more_than_can_be_gathered_is_owed(void **state)
{
    struct gathering *t = *state;
    const unsigned n = (unsigned)(LG_PUSH_MAX_BYTES / 2 / t->s[0]->doc_len) + 1;
    struct lg_statement **many = calloc(n, sizeof(*many));
    pool_one(t);
    know_questions(t, "{\"missing\":[]}");
    both_up(t);
    peers_wait_count(t->w, "a gets bodies", 1);
    peers_wait_count(t->w, "b gets bodies", 1);
    for (unsigned i = 0; i < n; i++)
        many[i] = t->s[0];
    lg_peers_announce_statements(t->w->peers, many, n, NULL, 0, LG_FROM_NODE);
    free(many);
    settle(t);
    poll_often(t);
    peers_wait_count(t->w, "a gets bodies 1 statements 1", 2);
    peers_wait_count(t->w, "b gets bodies 1 statements 1", 2);
    assert_int_equal(told(t), 4);
}

/* A peer that does not answer questions in time, or at all, is owed the same. */
static void peer_that_dies_before_it_is_asked_gets_the_pool(void **state)
{
    struct gathering *t = *state;
    know_questions(t, "{\"missing\":[]}");
    both_up(t);
    announce(t, 2, LG_FROM_NODE);
    fake_set(&t->w->a, FAKE_STATUS, FAKE_503);
    peers_pass(t->w, LG_POLL_MS); /* both are due: it is asked for what it lacks, or found away, or both */
    peers_wait_state(t->w, 0, "unreachable");
    pool_one(t);
    fake_set(&t->w->a, FAKE_STATUS, FAKE_GOOD);
    peers_pass(t->w, LG_POLL_MAX_MS);
    peers_wait_state(t->w, 0, "ok");
    peers_wait_count(t->w, "a gets bodies 1 statements 1", 1);
}

/* What was gathered when the process ends is not told any more; it is on disk, and the peers get it when the node appears again. */
static void restart_between_gathering_and_telling_loses_nothing(void **state)
{
    struct gathering *t = *state;
    struct peers_world *w = t->w;
    know_questions(t, "{\"missing\":[]}");
    both_up(t);
    pool_one(t);
    announce(t, 0, LG_FROM_OUTSIDE);
    lg_peers_stop(w->peers);
    w->peers = NULL;
    assert_int_equal(told(t), 0);
    both_up(t);
    peers_wait_count(t->w, "a gets bodies 1 statements 1", 1);
    peers_wait_count(t->w, "b gets bodies 1 statements 1", 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_of_one_moment_is_told_soon_together),
        TEST(passed_on_goes_to_who_lacks_it),
        TEST(giver_of_all_is_not_asked),
        TEST(telling_soon_follows_its_use),
        TEST(peer_behind_this_node_is_told_soon),
        TEST(node_without_the_question_gets_all),
        TEST(odd_answer_means_all),
        TEST(full_window_goes_at_once),
        TEST(peer_that_missed_something_is_offered_the_pool),
        TEST(peer_behind_a_busy_proxy_is_offered_the_pool),
        TEST(more_than_can_be_gathered_is_owed),
        TEST(peer_that_dies_before_it_is_asked_gets_the_pool),
        TEST(restart_between_gathering_and_telling_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
