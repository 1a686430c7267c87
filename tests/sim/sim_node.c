/* The shell of one node: what ledger/node.c and node_chain.c do around the engine, on simulated parts.
 *
 * Every call into the engine goes through begin_call and end_call: an error of the disk that the contract calls final ends the process,
 * and after every call the promises are checked. Host calls come after the commit that justifies them, never inside one. */
#include "tests/sim/sim.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SEEN_SLOTS 512 /* an hour or more; the tables of all nodes stay near the processor */

/* ---- what the engine asks of its node ---- */

static struct sim_node *told(void *ctx)
{
    struct sim_node *n = ctx;
    if (mem_store_in_transaction(n->store))
        sim_violate(n->sim, "node %u tells its host something inside a transaction", n->m);
    if (!mem_store_is_synced(n->store))
        sim_violate(n->sim, "node %u tells its host what is not on its disk", n->m);
    return n;
}

static void host_work(void *ctx, const struct lg_job *job)
{
    struct sim_node *n = told(ctx);
    struct sim *s = n->sim;
    sg_ms takes = s->work_max == 0 ? 0 : sim_between(&s->rng, 0, s->work_max);
    sim_at(s, s->now + takes, EV_SOLVED, n->m, job->id, s->machines[n->m].process);
}

static void host_work_stop(void *ctx)
{
    (void)told(ctx);
}

static void host_announce_block(void *ctx, const struct lg_block *b, int from)
{
    struct sim_node *n = told(ctx);
    struct sim *s = n->sim;
    struct sim_doc *d = sim_judge_intern(s, &b->hash, b->doc, b->doc_len);
    if (n->m == s->hostile && sim_hostile_keeps(s, b)) {
        if (n->nwithheld < SIM_BATCH)
            n->withheld[n->nwithheld++] = sim_doc_ref(d);
        return;
    }
    for (unsigned p = 0; p < s->npeers; p++) { /* who has no key listens to the stream, banned or not */
        if (!s->net.peers[n->m][p] || (int)p == from || (!n->peers[p].answered && p != s->keyless))
            continue;
        struct sim_msg *m = sim_msg_new(MSG_BLOCK, n->m, p);
        m->docs[m->n++] = sim_doc_ref(d);
        sim_send(s, m);
    }
}

static void host_announce_statements(void *ctx, struct lg_statement *const *st, unsigned n_st,
    struct lg_body *const *bodies, unsigned nb, int from)
{
    struct sim_node *n = told(ctx);
    (void)from; /* what is passed on comes over REST, which does not know its peers by number */
    if (sim_offer_is_empty(&n->gathered))
        sim_at(n->sim, n->sim->now + n->sim->net.gather, EV_GATHER, n->m, n->sim->machines[n->m].process, 0);
    for (unsigned i = 0; i < nb; i++)
        sim_offer_add(&n->gathered, true, bodies[i]->doc, bodies[i]->doc_len, &bodies[i]->digest);
    for (unsigned i = 0; i < n_st; i++)
        sim_offer_add(&n->gathered, false, st[i]->doc, st[i]->doc_len, &st[i]->leaf);
}

static void host_want_block(void *ctx, const struct lg_hash *hash, int from)
{
    struct sim_node *n = told(ctx);
    (void)hash;
    (void)from;
    sim_peers_want(n->sim, n->m);
}

static void forget_recent(struct sim_node *n)
{
    for (unsigned i = 0; i < SIM_RECENT; i++) {
        sim_doc_drop(n->recent[i]);
        n->recent[i] = NULL;
        n->recent_len[i] = 0;
    }
}

static void host_event(void *ctx, const struct lg_event_msg *e)
{
    struct sim_node *n = told(ctx);
    struct sim *s = n->sim;
    if (e->kind == LG_EVENT_REORG) {
        n->reorgs++;
        s->stats.reorgs++;
        if ((uint64_t)e->depth > s->stats.deepest)
            s->stats.deepest = (uint64_t)e->depth;
        sim_say(
            s, "node %u reorganises %" PRId64 " blocks to height %" PRId64, n->m, e->depth, e->tip.height);
        forget_recent(n);
        if (s->machines[n->m].honest && s->now >= s->calm_from) {
            s->stats.deepest_calm =
                (uint64_t)e->depth > s->stats.deepest_calm ? (uint64_t)e->depth : s->stats.deepest_calm;
            sim_script_reorganised(s, n->m, e->depth);
        }
    } else if (e->kind == LG_EVENT_ALARM) {
        sim_say(s, "node %u alarm %s", n->m, e->alarm);
        if (strcmp(e->alarm, "own_block_invalid") == 0)
            sim_violate(s, "node %u made an invalid block", n->m);
    }
}

static int host_sign(void *ctx, uint8_t sig[static SG_SIGNATURE_BYTES], const void *msg, size_t len)
{
    struct sim_node *n = ctx;
    return sim_sign(n->sim, n->m, sig, msg, len);
}

void sim_node_gather(struct sim *s, unsigned m)
{
    struct sim_node *n = &s->machines[m].node;
    if (sim_offer_is_empty(&n->gathered))
        return;
    struct sim_doc *d = sim_offer_end(s, &n->gathered);
    for (unsigned p = 0; p < s->npeers; p++) {
        if (!s->net.peers[m][p] || !n->peers[p].answered)
            continue;
        struct sim_msg *msg = sim_msg_new(MSG_STATEMENTS, m, p);
        msg->docs[msg->n++] = sim_doc_ref(d);
        sim_send(s, msg);
    }
    sim_doc_drop(d);
}

/* ---- calls ---- */

void sim_node_arm(struct sim *s, unsigned m)
{
    struct sim_node *n = &s->machines[m].node;
    if (n->engine == NULL)
        return;
    sg_ms wake = lg_engine_pow.wake_at(n->engine);
    if (wake == INT64_MAX) {
        n->timer.due = INT64_MAX;
        return;
    }
    sg_ms at = sim_when(s, m, wake);
    if (n->full && at < s->now + 1000)
        at = s->now + 1000; /* what a full disk refused is tried again, not at once */
    sim_timer_set(s, &n->timer, EV_NODE, m, at);
}

static int end_call(struct sim *s, unsigned m, int err)
{
    struct sim_node *n = &s->machines[m].node;
    n->full = err == SG_ENOSPC;
    if (s->opt.bug == SIM_BUG_UNSYNCED && sim_chance(&s->rng, 200))
        mem_store_sync(n->store);
    if (err == SG_EIO || err == SG_ECORRUPT) {
        if (err == SG_ECORRUPT || mem_store_failures(n->store) == 0) {
            sim_violate(s, "node %u: %s without a fault of its disk", m, sg_err_code(err));
            return err;
        }
        n->failed = true;
        sim_stop_machine(s, m);
        sim_at(s, s->now + sim_between(&s->rng, 500, 60000), EV_START, m, 0, 0);
        return err;
    }
    if (err == SG_ENOMEM)
        abort();
    sim_check_node(s, m);
    sim_node_arm(s, m);
    return err;
}

/* A tick that gives side blocks up wants another one at once. */
static uint64_t given_up_by(const struct lg_engine *e)
{
    struct lg_engine_state st;
    lg_engine_pow.state(e, &st);
    return st.side_given_up;
}

void sim_node_wake(struct sim *s, unsigned m)
{
    struct lg_engine *e = s->machines[m].node.engine;
    sg_ms now = sim_wall(s, m);
    if (e == NULL)
        return;
    if (now < lg_engine_pow.wake_at(e)) {
        sim_node_arm(s, m);
        return;
    }
    uint64_t given_up = given_up_by(e);
    int err = end_call(s, m, lg_engine_pow.tick(e, now));
    e = s->machines[m].node.engine;
    if (err == 0 && e != NULL && !s->broken && lg_engine_pow.wake_at(e) <= now && given_up_by(e) == given_up)
        sim_violate(s, "node %u: a tick at %" PRId64 " asks to be woken at %" PRId64, m, now,
            lg_engine_pow.wake_at(e));
}

void sim_node_solved(struct sim *s, unsigned m, uint64_t job)
{
    struct lg_engine *e = s->machines[m].node.engine;
    if (e == NULL || (s->opt.bug == SIM_BUG_IDLE && !s->healed))
        return;
    sim_known_own_block(true);
    int err = lg_engine_pow.solved(e, job, 0, sim_wall(s, m));
    sim_known_own_block(false);
    (void)end_call(s, m, err);
}

int sim_node_block(struct sim *s, unsigned m, struct sim_doc *d, int from)
{
    struct sim_node *n = &s->machines[m].node;
    enum lg_block_verdict verdict = LG_BLOCK_KNOWN;
    int err = 0;
    sim_known_blind(s->opt.bug == SIM_BUG_READERS && m != s->hostile);
    sim_known_begin(&d->known, d->b, d->len);
    if (!sim_bug_drops(s, m, d))
        err = lg_engine_pow.offer_block(n->engine, &verdict, d->b, d->len, sim_wall(s, m), from);
    sim_known_end();
    sim_known_blind(false);
    s->stats.refused += err != 0;
    if (s->opt.verbose && (err != 0 || verdict == LG_BLOCK_ORPHAN))
        sim_say(s, "node %u: block %02x%02x from %d: %s", m, d->block == NULL ? 0 : d->block->hash.b[0],
            d->block == NULL ? 0 : d->block->hash.b[1], from, err != 0 ? sg_err_code(err) : "orphan");
    n->verdict = verdict;
    sim_bug_refuses(s, m, d, err);
    sim_bug_adopts(s, m, d, err);
    err = end_call(s, m, err);
    if (n->engine != NULL && !s->broken)
        sim_check_offered(s, m, d, err);
    return err;
}

int sim_node_blocks(struct sim *s, unsigned m, struct sim_doc *const *docs, unsigned n, int from,
    struct lg_block_offer *results)
{
    struct sim_node *node = &s->machines[m].node;
    for (unsigned i = 0; i < n; i++) {
        results[i] = (struct lg_block_offer){.from = from, .verdict = LG_BLOCK_KNOWN};
        sim_known_begin(&docs[i]->known, docs[i]->b, docs[i]->len);
        results[i].err = lg_block_decode(&results[i].b, docs[i]->b, docs[i]->len);
        sim_known_end();
    }
    int err = end_call(s, m, lg_engine_pow.offer_blocks(node->engine, results, n, sim_wall(s, m)));
    for (unsigned i = 0; i < n && node->engine != NULL && !s->broken; i++) {
        s->stats.refused += results[i].err != 0;
        sim_check_offered(s, m, docs[i], results[i].err);
    }
    return err;
}

/* The offers that this node holds in full (ledger/node.c): answered without the engine. */
static bool recent(const struct sim_node *n, const struct sim_doc *d)
{
    for (unsigned i = 0; i < SIM_RECENT; i++)
        if (n->recent_len[i] == d->len && (n->recent[i] == d || memcmp(n->recent[i]->b, d->b, d->len) == 0))
            return true;
    return false;
}

static void remember(struct sim_node *n, struct sim_doc *d)
{
    sim_doc_drop(n->recent[n->next_recent]);
    n->recent[n->next_recent] = sim_doc_ref(d);
    n->recent_len[n->next_recent] = d->len;
    n->next_recent = (n->next_recent + 1) % SIM_RECENT;
}

int sim_node_statements(struct sim *s, unsigned m, struct sim_doc *d, int from, struct lg_offer *offer)
{
    struct sim_node *n = &s->machines[m].node;
    memset(offer, 0, sizeof *offer);
    if (from < 0 && recent(n, d)) {
        offer->known = 1;
        return 0;
    }
    sim_known_blind(s->opt.bug == SIM_BUG_READERS && m != s->hostile);
    sim_known_begin(&d->known, d->b, d->len);
    int err = lg_engine_pow.offer_statements(n->engine, offer, d->b, d->len, sim_wall(s, m), from);
    sim_known_end();
    sim_known_blind(false);
    s->stats.statements += offer->accepted;
    if (err == 0 && from < 0 && offer->nrejected == 0 && offer->nstatements > 0)
        remember(n, d);
    return end_call(s, m, err);
}

/* ---- start and stop ---- */

void sim_node_open(struct sim *s, unsigned m)
{
    struct sim_node *n = &s->machines[m].node;
    n->host = (struct lg_host){.ctx = n,
        .work = host_work,
        .work_stop = host_work_stop,
        .announce_block = host_announce_block,
        .announce_statements = host_announce_statements,
        .want_block = host_want_block,
        .event = host_event,
        .sign = host_sign};
    struct lg_engine_config c = {.genesis = s->g,
        .crypto = &s->crypto,
        .store = mem_store_vtable(n->store),
        .host = &n->host,
        .has_key = true,
        .kid = s->g->gateways[m].id,
        .seen_slots = SEEN_SLOTS,
        .seed = s->opt.seed,
        .max_side_bytes = s->side_bytes};
    int err = lg_engine_pow.open(&n->engine, &c);
    if (err != 0) {
        n->engine = NULL;
        sim_violate(s, "node %u does not open its store: %s", m, sg_err_code(err));
        return;
    }
    n->failed = n->full = false;
    n->opening = true;
    sim_check_reopened(s, m);
    sim_audit_opened(s, m);
    sim_check_node(s, m);
    n->opening = false;
    sim_node_arm(s, m);
    sim_peers_start(s, m);
}

void sim_node_close(struct sim *s, unsigned m)
{
    struct sim_node *n = &s->machines[m].node;
    sim_audit_closing(s, m);
    mem_store_fail(n->store, 0, 0, false);
    mem_store_keeps(n->store, false);
    s->stats.faults[SIM_TORN] += mem_store_is_torn(n->store);
    mem_store_crash(n->store);
    sim_check_disk(s, m);
    if (s->opt.bug == SIM_BUG_POOL)
        mem_store_lose_pool(n->store);
    if (n->engine != NULL)
        lg_engine_pow.close(n->engine);
    n->engine = NULL;
    sim_timer_stop(&n->timer);
    sim_offer_fini(&n->gathered);
    forget_recent(n);
}
