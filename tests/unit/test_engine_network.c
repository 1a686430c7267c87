/* Four engines, a fake clock and a network that delays, reorders and, for a while, separates: at rest there is one tip, and every statement stands
 * on it exactly once. Every run follows from its seed. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/lib/engine_rig.h"
#include "tests/lib/vectors.h"

#define NODES    4
#define S0       (MAKER_MINUTE + 10)
#define TALK     10 /* slots in which gateways speak */
#define REST     8  /* slots to come to rest */
#define MAX_SAID (NODES * (TALK + 1))
#define MAX_MSGS 4096

enum kind { MSG_BLOCK, MSG_STATEMENTS, MSG_SOLVE, MSG_SPEAK };
struct msg {
    sg_ms at;
    uint64_t order;
    enum kind kind;
    unsigned to, from;
    uint8_t *doc;
    size_t len;
    uint64_t job;
};

struct net {
    struct maker m;
    struct rig *nodes[NODES];
    struct msg msgs[MAX_MSGS];
    unsigned nmsgs;
    uint64_t order, random;
    sg_ms now, split_from, split_to, delay;
    const struct lg_statement *last[NODES], *said[MAX_SAID];
    unsigned nsaid;
};

static uint64_t draw(struct net *n, uint64_t below)
{
    n->random = n->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (n->random >> 33) % below;
}

static void post(struct net *n, struct msg msg)
{
    assert_true(n->nmsgs < MAX_MSGS);
    msg.order = n->order++;
    n->msgs[n->nmsgs++] = msg;
}

static bool separated(const struct net *n, unsigned a, unsigned b)
{
    return n->now >= n->split_from && n->now < n->split_to && a / 2 != b / 2;
}

static void send(struct net *n, unsigned from, unsigned to, enum kind kind, const uint8_t *doc, size_t len)
{
    if (from == to || separated(n, from, to))
        return;
    struct msg msg = {.at = n->now + 1 + (sg_ms)draw(n, (uint64_t)n->delay),
        .kind = kind,
        .to = to,
        .from = from,
        .len = len};
    msg.doc = malloc(len);
    assert_non_null(msg.doc);
    memcpy(msg.doc, doc, len);
    post(n, msg);
}

/* A wanted block comes from the first other node that has it and can be reached. */
static void fetch(struct net *n, unsigned who, const struct lg_hash *hash)
{
    for (unsigned k = 0; k < NODES; k++) {
        const struct lg_store *s = mem_store_vtable(n->nodes[k]->store);
        struct sg_buf doc;
        sg_buf_init(&doc, SIZE_MAX);
        if (k != who && !separated(n, k, who) && s->block_bytes(s->ctx, &doc, hash) == 0) {
            send(n, k, who, MSG_BLOCK, doc.p, doc.len);
            sg_buf_fini(&doc);
            return;
        }
        sg_buf_fini(&doc);
    }
}

/* What a node told its host goes out. */
static void pump(struct net *n, unsigned who)
{
    struct rig *r = n->nodes[who];
    for (unsigned i = 0; i < r->nnotes; i++) {
        const struct rig_note *x = &r->notes[i];
        for (unsigned k = 0; k < NODES && (x->kind == RIG_BLOCK || x->kind == RIG_STATEMENTS); k++)
            send(n, who, k, x->kind == RIG_BLOCK ? MSG_BLOCK : MSG_STATEMENTS, x->doc, x->len);
        if (x->kind == RIG_WANT)
            fetch(n, who, &x->hash);
        if (x->kind == RIG_WORK)
            post(n,
                (struct msg){
                    .at = n->now + 1 + (sg_ms)draw(n, 400), .kind = MSG_SOLVE, .to = who, .job = r->job.id});
        if (x->kind == RIG_EVENT && x->event.kind == LG_EVENT_ALARM)
            assert_string_equal(x->event.alarm, "deep_reorg");
    }
    rig_forget(r);
}

/* A gateway's statement of the slot, on the tip that its node knows; its minute of the relay, the same bytes for all. */
static void speak(struct net *n, unsigned who)
{
    sg_minute slot = n->now / SG_MINUTE_MS - 1;
    const struct lg_body *b = make_body(&n->m, 0, slot, slot);
    struct lg_hash tip = rig_state(n->nodes[who]).tip.hash;
    const struct lg_statement *s = make_statement(&n->m, &(struct maker_say){.gw = who,
                                                             .slot = slot,
                                                             .ts = n->now,
                                                             .after = n->last[who],
                                                             .tip = &tip,
                                                             .bodies = &b,
                                                             .nbodies = 1});
    n->last[who] = s;
    n->said[n->nsaid++] = s;
    assert_code(rig_say(n->nodes[who], s, &b, 1, n->now), 0);
}

static void deliver(struct net *n, struct msg *msg)
{
    struct rig *r = n->nodes[msg->to];
    enum lg_block_verdict v;
    struct lg_offer offer;
    int64_t nonce;
    switch (msg->kind) {
    case MSG_BLOCK:
        assert_code(lg_engine_pow.offer_block(r->engine, &v, msg->doc, msg->len, n->now, (int)msg->from), 0);
        break;
    case MSG_STATEMENTS: /* gaps and overtaken ones are no faults: messages pass each other */
        assert_code(
            lg_engine_pow.offer_statements(r->engine, &offer, msg->doc, msg->len, n->now, (int)msg->from), 0);
        lg_offer_fini(&offer);
        break;
    case MSG_SOLVE:
        if (r->working && r->job.id == msg->job) {
            assert_int_equal(lg_work_search(&nonce, &r->job.header, 0, UINT64_C(1) << 20), 0);
            r->working = false;
            assert_code(lg_engine_pow.solved(r->engine, msg->job, nonce, n->now), 0);
        }
        break;
    case MSG_SPEAK:
        speak(n, msg->to);
        break;
    }
    free(msg->doc);
    pump(n, msg->to);
}

static unsigned next_msg(const struct net *n)
{
    unsigned best = UINT_MAX;
    for (unsigned i = 0; i < n->nmsgs; i++) {
        const struct msg *m = &n->msgs[i];
        if (best == UINT_MAX || m->at < n->msgs[best].at ||
            (m->at == n->msgs[best].at && m->order < n->msgs[best].order))
            best = i;
    }
    return best;
}

static void run(struct net *n, sg_ms until)
{
    for (;;) {
        unsigned i = next_msg(n), waker = NODES;
        sg_ms wake = INT64_MAX;
        for (unsigned k = 0; k < NODES; k++) {
            if (rig_wake(n->nodes[k]) < wake) {
                wake = rig_wake(n->nodes[k]);
                waker = k;
            }
        }
        bool by_msg = i != UINT_MAX && n->msgs[i].at <= wake;
        sg_ms at = by_msg ? n->msgs[i].at : wake;
        if (at >= until)
            return;
        n->now = at > n->now ? at : n->now;
        if (by_msg) {
            struct msg msg = n->msgs[i];
            n->msgs[i] = n->msgs[--n->nmsgs];
            deliver(n, &msg);
        } else {
            assert_code(rig_tick(n->nodes[waker], n->now), 0);
            assert_true(rig_wake(n->nodes[waker]) > n->now); /* an exact instant, never a busy loop */
            pump(n, waker);
        }
    }
}

static unsigned times_on_best(struct rig *r, const struct lg_statement *s)
{
    unsigned times = 0;
    for (int64_t h = 1; h <= rig_state(r).tip.height; h++) {
        struct lg_block *b = rig_block_at(r, h);
        times += block_has(b, s);
        lg_block_free(b);
    }
    return times;
}

/* Returns how many reorganisations the nodes went through. */
static uint64_t run_network(uint64_t seed, sg_ms delay, sg_minute split_from, sg_minute split_to)
{
    struct net *n = calloc(1, sizeof *n);
    assert_non_null(n);
    n->random = seed;
    n->delay = delay;
    n->split_from = split_from * SG_MINUTE_MS;
    n->split_to = split_to * SG_MINUTE_MS;
    n->now = S0 * SG_MINUTE_MS;
    chain_maker_init(&n->m, &(struct maker_config){.bits = 1, .policy = {.confirm_depth = 100}});
    for (unsigned k = 0; k < NODES; k++)
        n->nodes[k] = rig_new(&n->m, k);
    for (unsigned t = 0; t < TALK; t++)
        for (unsigned k = 0; k < NODES; k++)
            post(n, (struct msg){.at = (S0 + 1 + t) * SG_MINUTE_MS + 50 + (sg_ms)draw(n, 400),
                        .kind = MSG_SPEAK,
                        .to = k});
    /* Blocks are made only while there is something to say: one last word, whole network, wakes the losing side's orphans. */
    for (unsigned k = 0; k < NODES; k++)
        post(n, (struct msg){.at = (S0 + TALK + 2) * SG_MINUTE_MS + 50 + k, .kind = MSG_SPEAK, .to = k});
    run(n, (S0 + TALK + REST) * SG_MINUTE_MS);
    struct lg_hash tip = rig_state(n->nodes[0]).tip.hash;
    for (unsigned k = 0; k < NODES; k++) {
        if (!rig_tip_is(n->nodes[k], &tip) || rig_state(n->nodes[k]).pool_statements != 0 ||
            rig_state(n->nodes[k]).orphans != 0)
            fail_msg("seed %llu node %u: height %lld pool %u orphans %u", (unsigned long long)seed, k,
                (long long)rig_state(n->nodes[k]).tip.height, rig_state(n->nodes[k]).pool_statements,
                rig_state(n->nodes[k]).orphans);
    }
    for (unsigned i = 0; i < n->nsaid; i++) {
        unsigned times = times_on_best(n->nodes[0], n->said[i]);
        if (times != 1)
            fail_msg("seed %llu statement %u: on the branch %u times", (unsigned long long)seed, i, times);
    }
    uint64_t reorgs = 0;
    for (unsigned i = 0; i < n->nmsgs; i++)
        free(n->msgs[i].doc);
    for (unsigned k = 0; k < NODES; k++) {
        reorgs += rig_state(n->nodes[k]).reorgs;
        rig_free(n->nodes[k]);
    }
    chain_maker_fini(&n->m);
    free(n);
    return reorgs;
}

/* Messages delayed by up to 0.3 s, 3 s and 20 s and so in many orders: one tip, each statement once. */
static void network_that_reorders_ends_on_one_tip(void **state)
{
    (void)state;
    const sg_ms delays[] = {300, 3000, 20000};
    uint64_t reorgs = 0;
    for (size_t d = 0; d < SG_ARRAY_LEN(delays); d++)
        for (uint64_t seed = 1; seed <= 12; seed++)
            reorgs += run_network(seed, delays[d], 0, 0);
    assert_true(reorgs > 0); /* the delays did what they are for */
}

/* Two and two, apart for four minutes: when they meet, one branch wins, and what the other side said is mined on it. */
static void network_that_was_split_mines_both_sides_statements(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++)
        assert_true(run_network(seed, 300, S0 + 4, S0 + 8) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(network_that_reorders_ends_on_one_tip),
        cmocka_unit_test(network_that_was_split_mines_both_sides_statements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
