/* A node's peers thread and evidence: what it asks for and in which pages, what it hands on, and what it makes of those that give none or
 * forge some. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledger/peers_priv.h"
#include "tests/lib/peers_fixture.h"

#define PAIR(id) "{\"first\":{},\"gw\":\"\",\"id\":" id ",\"second\":{}}"

/* The thread knows peer a, has asked for its pool, and asks for its evidence now. */
static void start(struct peers_world *w)
{
    peers_start_a(w);
    log_until(&w->log, "a pool 0");
    peers_wait_state(w, 0, "ok");
    peers_pass(w, LG_POLL_MS);
}

static bool was_asked(struct peers_world *w, unsigned times)
{
    return log_count(&w->log, "a evidence") >= times;
}

struct asked {
    struct peers_world *w;
    unsigned times;
};

static bool asked_or_resting(void *ctx)
{
    const struct asked *t = ctx;
    return was_asked(t->w, t->times) || peers_is_state(t->w, 0, "ok");
}

/* Passes polls until evidence is asked for again. Asked and answered, the peer no longer rests: its pair waits to be judged. */
static void until_asked(struct peers_world *w, unsigned times)
{
    struct asked t = {w, times};
    assert_true(log_wait(&w->log, asked_or_resting, &t));
    for (unsigned i = 0; i <= LG_POOL_POLLS && !was_asked(w, times); i++) {
        peers_pass(w, LG_POLL_MS);
        assert_true(log_wait(&w->log, asked_or_resting, &t));
    }
    assert_true(was_asked(w, times));
}

/* From now on the store holds, for each of these numbers, two statements of gateway 2: all at once, so that no look of the thread parts them. */
static void hold_pairs(struct peers_world *w, int64_t first, int64_t last)
{
    const struct lg_store *s = w->f.s;
    const struct lg_hash other = {{1}};
    assert_int_equal(s->begin(s->ctx), 0);
    for (int64_t seq = first; seq <= last; seq++) {
        struct lg_statement *a = synth_statement(&w->s, 2, 1764000000000, seq, &w->f.g->id, NULL, 0, 0);
        struct lg_statement *b = synth_statement(&w->s, 2, 1764000000000, seq, &other, NULL, 0, 0);
        assert_int_equal(s->put_evidence(s->ctx, a), 0);
        assert_int_equal(s->put_evidence(s->ctx, b), 0);
        lg_statement_free(a);
        lg_statement_free(b);
    }
    assert_int_equal(s->commit(s->ctx), 0);
}

/* A peer's pairs are asked for page by page, each judged before the next, and later only from the id after the last one seen. */
static void evidence_is_asked_for_in_pages_and_then_what_is_new(void **state)
{
    struct peers_world *w = *state;
    fake_evidence(&w->a, 1, "{\"bodies\":[],\"next\":3,\"statements\":[" PAIR("1") "," PAIR("2") "]}");
    fake_evidence(&w->a, 3, "{\"bodies\":[{}],\"bodies_next\":\"1-1\",\"statements\":[" PAIR("3") "]}");
    start(w);
    log_until(&w->log, "a evidence 1");
    log_expect(&w->log, "0 offers statements 4");
    assert_int_equal(log_count(&w->log, "a evidence 3"), 0);
    peers_judge(w, 0, SG_OK);
    log_expect(&w->log, "a evidence 3");
    log_expect(&w->log, "0 offers statements 2");
    peers_judge(w, 0, SG_OK);
    peers_wait_state(w, 0, "ok");
    until_asked(w, 3);
    assert_int_equal(log_count(&w->log, "a evidence 4"), 1);
    assert_int_equal(log_count(&w->log, "a evidence"), 3);
}

/* An answer that is no page of evidence ends the round, offers nothing, and leaves the peer a good one. */
static void evidence_that_is_none_ends_the_round(void **state)
{
    static const char *const pages[] = {"[]", "{}", "{\"bodies\":[],\"statements\":{}}",
        "{\"bodies\":[],\"next\":1,\"statements\":[" PAIR("1") "]}",    /* leads back */
        "{\"bodies\":[],\"statements\":[" PAIR("2") "," PAIR("1") "]}", /* ids do not grow */
        "{\"bodies\":[],\"next\":2,\"statements\":[" PAIR("1") "," PAIR(
            "2") "]}", /* would be asked for again */
        "{\"bodies\":[],\"statements\":[{\"first\":{},\"gw\":\"\",\"id\":1}]}",
        "{\"bodies\": [],\"statements\":[]}"};
    struct peers_world *w = *state;
    fake_evidence(&w->a, 1, pages[0]);
    start(w);
    log_until(&w->log, "a evidence 1");
    for (unsigned i = 1; i < SG_ARRAY_LEN(pages); i++) {
        fake_evidence(&w->a, 1, pages[i]);
        until_asked(w, i + 1);
    }
    assert_int_equal(log_count(&w->log, "a evidence 1"), SG_ARRAY_LEN(pages));
    assert_int_equal(log_count(&w->log, "0 offers"), 0);
    peers_wait_state(w, 0, "ok");
}

/* A peer that gives a pair with a bad signature is banned; one whose pair this node judges by bodies that the peer need not have is not. */
static void evidence_forged_bans_the_peer(void **state)
{
    struct peers_world *w = *state;
    fake_evidence(&w->a, 1, "{\"bodies\":[],\"statements\":[" PAIR("1") "]}");
    start(w);
    log_until(&w->log, "0 offers statements 2");
    peers_judge(w, 0, SG_EREAD_MISMATCH);
    peers_wait_state(w, 0, "ok");
    fake_evidence(&w->a, 2, "{\"bodies\":[],\"statements\":[" PAIR("2") "]}");
    until_asked(w, 2);
    log_until(&w->log, "0 offers statements 2");
    peers_judge(w, 0, SG_ESTATEMENT_SIGNATURE);
    peers_wait_state(w, 0, "bad");
}

/* What this node holds is handed to a peer that appears; what is new later is told once. */
static void evidence_is_handed_on(void **state)
{
    struct peers_world *w = *state;
    hold_pairs(w, 5, 5);
    peers_start_a(w);
    log_until(&w->log, "a gets bodies 0 statements 2");
    peers_wait_state(w, 0, "ok");
    peers_pass(w, LG_POLL_MS);
    peers_wait_state(w, 0, "ok");
    hold_pairs(w, 6, 7);
    peers_pass(w, LG_POLL_MS);
    log_until(&w->log, "a gets bodies 0 statements 4");
    for (unsigned i = 0; i < 3; i++) {
        peers_pass(w, LG_POLL_MS);
        peers_wait_state(w, 0, "ok");
        log_look(&w->log);
    }
    assert_int_equal(log_count(&w->log, "a gets bodies 0"), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, peers_setup, peers_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(evidence_is_asked_for_in_pages_and_then_what_is_new),
        TEST(evidence_that_is_none_ends_the_round),
        TEST(evidence_forged_bans_the_peer),
        TEST(evidence_is_handed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
