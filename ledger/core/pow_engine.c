/* The embedded engine, "pow": the operations of lg_engine_ops put together from chain, pool and miner.
 *
 * Every operation goes: time and pool up to date (lg_engine_enter), the operation itself, then one decision about mining. An error of the
 * store ends it before the decision. Rules: docs/wire-format.md, "Consensus". */
#include "ledger/core/pow_engine.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

void lg_offer_fini(struct lg_offer *o)
{
    free(o->rejected);
    memset(o, 0, sizeof *o);
}

void lg_engine_alarm(struct lg_engine *e, const char *name)
{
    struct lg_event_msg msg = {.kind = LG_EVENT_ALARM, .tip = e->tree.tip, .alarm = name};
    e->host->event(e->host->ctx, &msg);
}

static bool verified_has(void *ctx, const struct lg_hash *leaf)
{
    const struct lg_engine *e = ctx;
    return lg_seen_get(&e->verified, leaf) != 0 || lg_pool_statement(&e->pool, leaf) != NULL;
}

static void verified_add(void *ctx, const struct lg_hash *leaf)
{
    struct lg_engine *e = ctx;
    lg_seen_put(&e->verified, leaf, 1);
}

/* ---- since when a statement has been held ---- */

/* Whole minutes are enough: it is only asked whether something was held before a minute began. Counted from the genesis, from 1 on. */
static int since_minute(const struct lg_engine *e, sg_ms since)
{
    sg_minute m = (since + SG_MINUTE_MS - 1) / SG_MINUTE_MS - e->genesis->minute + 1;
    return m < 1 ? 1 : m > INT_MAX ? INT_MAX : (int)m;
}

void lg_engine_note_held(struct lg_engine *e, const struct lg_block *b)
{
    for (unsigned i = 0; i < b->nstatements; i++) {
        const struct lg_hash *leaf = &b->statements[i]->leaf;
        const struct lg_pool_statement *ps = lg_pool_statement(&e->pool, leaf);
        if (lg_seen_get(&e->held_since, leaf) == 0) {
            lg_seen_put(
                &e->held_since, leaf, since_minute(e, ps != NULL && ps->since >= 0 ? ps->since : e->now));
        }
    }
}

/* What a block has carried was held before it came back; what a start finds on the disk is held from now on. */
static sg_ms held_since(const struct lg_engine *e, const struct lg_hash *leaf)
{
    int m = lg_seen_get(&e->held_since, leaf);
    sg_ms since = (e->genesis->minute + m - 1) * SG_MINUTE_MS;
    return m == 0 || since > e->now ? e->now : since;
}

/* Statements that came from the disk: early ones are marked again. */
static void clock_pool(struct lg_engine *e)
{
    if (!e->pool.unclocked || e->now < 0) {
        return;
    }
    for (unsigned g = 0; g < e->genesis->ngateways; g++) {
        for (unsigned i = 0; i < e->pool.gw[g].n; i++) {
            struct lg_pool_statement *ps = e->pool.gw[g].v[i];
            if (ps->since < 0) {
                ps->since = held_since(e, &ps->s->leaf);
                ps->early = ps->s->ts > e->now;
                e->pool.nearly += ps->early;
            }
        }
    }
    e->pool.unclocked = false;
}

int lg_engine_reload(struct lg_engine *e)
{
    struct lg_pool fresh;
    int err = lg_pool_init(&fresh, e->genesis, e->config.max_pool_bytes, e->config.seed);
    if (err == 0) {
        err = lg_pool_load(&fresh, e->store, &e->pool);
    }
    if (err != 0) {
        lg_pool_fini(&fresh);
        return err;
    }
    lg_pool_fini(&e->pool);
    e->pool = fresh;
    e->mine.decided = false;
    e->pool_stale = false;
    clock_pool(e);
    return 0;
}

int lg_engine_enter(struct lg_engine *e, sg_ms now_ms)
{
    e->now = now_ms;
    int err = e->pool_stale ? lg_engine_reload(e) : 0;
    if (err != 0) {
        return err;
    }
    clock_pool(e);
    return lg_base_enter(e);
}

static sg_ms pow_wake_at(const struct lg_engine *e);

/* Most of what peers tell is known here: then the last decision stands until something is due. */
static bool still_decided(const struct lg_engine *e)
{
    const struct lg_miner *m = &e->mine;
    return m->decided && e->base.slot == m->decided_slot && e->now >= m->decided_at &&
           e->now < pow_wake_at(e);
}

/* The decision that ends every operation; err is the operation's. changed: it may have changed the pool, the tree or the clock's minute. */
static int leave(struct lg_engine *e, int err, bool changed)
{
    if (lg_is_store_error(err)) {
        e->mine.decided = false;
        return err;
    }
    if (!changed && still_decided(e)) {
        return err;
    }
    int after = lg_mine_decide(e);
    return after != 0 ? after : err;
}

static void pow_close(struct lg_engine *e)
{
    if (e == NULL) {
        return;
    }
    lg_mine_fini(e);
    lg_waiting_fini(&e->orphans);
    lg_waiting_fini(&e->held);
    lg_pool_fini(&e->pool);
    lg_tree_fini(&e->tree);
    lg_seen_fini(&e->held_since);
    lg_seen_fini(&e->offered);
    lg_seen_fini(&e->invalid);
    lg_seen_fini(&e->verified);
    free(e);
}

static int open_parts(struct lg_engine *e)
{
    int err = lg_seen_init(&e->verified, e->config.seen_slots);
    if (err == 0) {
        err = lg_seen_init(&e->invalid, e->config.seen_slots);
    }
    if (err == 0) {
        err = lg_seen_init(&e->offered, e->config.seen_slots);
    }
    if (err == 0) {
        err = lg_seen_init(&e->held_since, e->config.seen_slots);
    }
    if (err == 0) {
        err = lg_tree_init(&e->tree, e->genesis, e->store, e->config.seed);
    }
    if (err == 0) {
        err = lg_pool_init(&e->pool, e->genesis, e->config.max_pool_bytes, e->config.seed);
    }
    return err != 0 ? err : lg_pool_load(&e->pool, e->store, NULL);
}

static int pow_open(struct lg_engine **out, const struct lg_engine_config *config)
{
    struct lg_engine *e = calloc(1, sizeof *e);
    if (e == NULL) {
        return SG_ENOMEM;
    }
    e->config = *config;
    e->genesis = config->genesis;
    e->store = config->store;
    e->host = config->host;
    e->rules = (struct lg_rules){.genesis = config->genesis,
        .crypto = config->crypto,
        .verified = {.ctx = e, .has = verified_has, .add = verified_add}};
    e->now = -1;
    const struct lg_gateway *self = config->has_key ? lg_genesis_gateway(config->genesis, config->kid) : NULL;
    e->mine.able = self != NULL && self->mine;
    e->mine.wake = 0; /* the first tick tells it the time */
    e->side.more = true;
    int err = open_parts(e);
    if (err != 0) {
        pow_close(e);
        return err;
    }
    *out = e;
    return 0;
}

static int pow_offer_statements(
    struct lg_engine *e, struct lg_offer *offer, const uint8_t *doc, size_t len, sg_ms now_ms, int from)
{
    memset(offer, 0, sizeof *offer);
    int err = lg_engine_enter(e, now_ms);
    if (err == 0) {
        err = lg_pool_accept(e, offer, doc, len, from);
        err = leave(e, err, offer->accepted > 0);
    }
    if (err != 0) {
        lg_offer_fini(offer);
    }
    return err;
}

/* Every peer tells of every block, so most offers are of bytes that stand in the tree already: those are not decoded again. */
static int accept_block(
    struct lg_engine *e, enum lg_block_verdict *verdict, const uint8_t *doc, size_t len, int from)
{
    struct lg_hash bytes;
    struct lg_block_info info;
    struct lg_block *b;
    bool best;
    sg_sha256(bytes.b, doc, len);
    if (lg_seen_get(&e->offered, &bytes) != 0) {
        *verdict = LG_BLOCK_KNOWN;
        return 0;
    }
    int err = lg_block_decode(&b, doc, len);
    if (err != 0) {
        return err;
    }
    struct lg_hash hash = b->hash;
    err = lg_chain_accept(e, verdict, b, from);
    if (err != 0) {
        return err;
    }
    err = lg_tree_info(&e->tree, &info, &best, &hash);
    if (err == 0) {
        lg_seen_put(&e->offered, &bytes, 1); /* forgotten when a block leaves the tree */
    }
    return err == SG_ENOT_FOUND ? 0 : err; /* it waits for its parent or its time */
}

static int pow_offer_block(struct lg_engine *e, enum lg_block_verdict *verdict, const uint8_t *doc,
    size_t len, sg_ms now_ms, int from)
{
    int err = lg_engine_enter(e, now_ms);
    if (err == 0) {
        err = accept_block(e, verdict, doc, len, from);
        err = leave(e, err, err != 0 || *verdict != LG_BLOCK_KNOWN);
    }
    return err;
}

static int pow_offer_blocks(struct lg_engine *e, struct lg_block_offer *offers, unsigned n, sg_ms now_ms)
{
    int err = lg_engine_enter(e, now_ms);
    if (err == 0) {
        err = leave(e, lg_batch_offer(e, offers, n), true);
    }
    for (unsigned i = 0; i < n; i++) { /* left over after an error */
        if (offers[i].b != NULL) {
            lg_block_free(offers[i].b);
            offers[i].b = NULL;
            offers[i].err = err;
        }
    }
    return err;
}

static int pow_solved(struct lg_engine *e, uint64_t job_id, int64_t nonce, sg_ms now_ms)
{
    int err = lg_engine_enter(e, now_ms);
    return err != 0 ? err : leave(e, lg_mine_solved(e, job_id, nonce), true);
}

static int pow_tick(struct lg_engine *e, sg_ms now_ms)
{
    int err = lg_engine_enter(e, now_ms);
    if (err == 0) {
        err = lg_chain_due(e);
    }
    if (err == 0) {
        err = lg_pool_due(e);
    }
    if (err == 0) {
        err = lg_side_trim(e, NULL);
    }
    return err != 0 ? err : leave(e, 0, true);
}

static sg_ms earlier(sg_ms a, sg_ms b)
{
    return a < b ? a : b;
}

static sg_ms pow_wake_at(const struct lg_engine *e)
{
    sg_ms wake = lg_side_is_over(e) ? e->now : e->mine.wake;
    return earlier(wake, earlier(lg_waiting_due(&e->held), lg_pool_next_due(e)));
}

static void pow_state(const struct lg_engine *e, struct lg_engine_state *out)
{
    *out = (struct lg_engine_state){.tip = e->tree.tip,
        .has_base = e->base.entered && e->base.has,
        .slot = e->base.slot,
        .base = e->base.base,
        .pool_statements = (unsigned)e->pool.statements.n,
        .pool_bodies = e->pool.nbodies,
        .pool_bytes = e->pool.cost,
        .orphans = e->orphans.n,
        .held = e->held.n,
        .mining = e->mine.working,
        .reorgs = e->reorgs,
        .deepest_reorg = e->deepest_reorg,
        .side_bytes = e->side.bytes,
        .side_given_up = e->side.given_up};
}

static void pow_allow_mining(struct lg_engine *e, bool allowed)
{
    e->mine.forbidden = !allowed;
    e->mine.decided = false;
}

/* Of the copies of rows in memory the tip's goes on in every later block: its sums are read again. */
static int pow_repaired(struct lg_engine *e, sg_ms now_ms)
{
    struct lg_block_info tip;
    lg_seen_clear(&e->invalid);
    lg_tree_forget(&e->tree);
    lg_base_forget(e);
    int err = e->store->tip(e->store->ctx, &tip);
    if (err == 0 && lg_hash_eq(&tip.hash, &e->tree.tip.hash)) {
        e->tree.tip = tip;
    }
    if (err == 0 || err == SG_ENOT_FOUND) {
        err = lg_engine_enter(e, now_ms);
    }
    return leave(e, err, true);
}

const struct lg_engine_ops lg_engine_pow = {.name = "pow",
    .open = pow_open,
    .close = pow_close,
    .offer_statements = pow_offer_statements,
    .offer_block = pow_offer_block,
    .offer_blocks = pow_offer_blocks,
    .solved = pow_solved,
    .wake_at = pow_wake_at,
    .tick = pow_tick,
    .state = pow_state,
    .allow_mining = pow_allow_mining,
    .repaired = pow_repaired};
