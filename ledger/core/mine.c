/* When this node mines, on what, and when it leaves that to another.
 *
 *   idle    -> waiting: a newer minute is over, or the block to extend (base.c) has changed
 *   waiting -> working: collect_ms and its turn among the ranks have passed, and no rival's block makes it needless
 *   working -> idle:    solved, a rival came that suffices, or the minute is no longer the newest closed one
 *   any     -> idle:    nothing to mine, or a block of its own stands (or stood) on this parent in this slot
 *
 * A rival's block on the same parent, of the same slot or later, suffices when it weighs at least the own candidate less 1 and leaves nobody
 * out (candidate_rival.c). Otherwise the candidate takes first what the rival left out.
 * Invariants: one job at most; a job's documents are copies, so nothing that happens to the pool can change them; at most one
 * block of its own per (parent, slot). Nothing here is periodic: wake says when the next decision can differ, MAX when only an event
 * can change it. */
#include "ledger/core/candidate.h"

#include <stdlib.h>
#include <string.h>

#define MAX_CHILDREN 64
#define MAX_RIVALS   4
#define MAX_ABOVE    8 /* blocks of the best branch above the parent whose documents are offered again */

struct rivals {
    struct lg_block_info info[MAX_RIVALS]; /* best first */
    struct lg_block *blocks[MAX_RIVALS + MAX_ABOVE];
    unsigned n;       /* rivals */
    unsigned nblocks; /* rivals, then others above */
    bool own;         /* one of the children is this node's, of this slot */
};

static void draft_fini(struct lg_draft *d)
{
    sg_buf_fini(&d->docs);
    free(d->parts);
    memset(d, 0, sizeof *d);
}

void lg_mine_fini(struct lg_engine *e)
{
    draft_fini(&e->mine.draft);
}

static void stop_work(struct lg_engine *e)
{
    if (e->mine.working) {
        e->mine.working = false;
        draft_fini(&e->mine.draft);
        e->host->work_stop(e->host->ctx);
    }
}

/* ---- rivals ---- */

/* Keep the best MAX_RIVALS, best first: siblings, so each is its own first block that differs. */
static void rank_rival(struct rivals *r, const struct lg_block_info *info)
{
    unsigned k = r->n;
    while (k > 0 && lg_branch_cmp(info, info, &r->info[k - 1], &r->info[k - 1]) < 0) {
        k--;
    }
    if (k == MAX_RIVALS) {
        return;
    }
    unsigned last = r->n < MAX_RIVALS ? r->n : MAX_RIVALS - 1;
    memmove(&r->info[k + 1], &r->info[k], (last - k) * sizeof r->info[0]);
    r->info[k] = *info;
    r->n = last + 1;
}

static int find_rivals(struct lg_engine *e, struct rivals *r)
{
    struct lg_hash hashes[MAX_CHILDREN];
    unsigned n = 0;
    int err = e->store->children(e->store->ctx, hashes, MAX_CHILDREN, &n, &e->base.base.hash);
    if (err != 0 && err != SG_ENOT_FOUND) {
        return err;
    }
    n = err == SG_ENOT_FOUND ? 0 : n;
    for (unsigned i = 0; i < n; i++) {
        struct lg_block_info info;
        bool best;
        err = lg_tree_info(&e->tree, &info, &best, &hashes[i]);
        if (err != 0) {
            return err == SG_ENOT_FOUND ? SG_ECORRUPT : err;
        }
        if (info.slot >= e->base.slot) {
            rank_rival(r, &info);
            r->own = r->own || (info.slot == e->base.slot && info.miner == e->config.kid);
        }
    }
    return 0;
}

static bool has_block(const struct rivals *r, const struct lg_hash *hash)
{
    for (unsigned i = 0; i < r->nblocks; i++) {
        if (lg_hash_eq(&r->blocks[i]->hash, hash)) {
            return true;
        }
    }
    return false;
}

/* What stands on the best branch above the parent: not in the pool, but the candidate may carry it. */
static int load_above(struct lg_engine *e, struct rivals *r, const struct lg_view *view)
{
    struct lg_block_info at = e->tree.tip;
    for (unsigned i = 0; i < MAX_ABOVE; i++) {
        bool best;
        int err = view->ancestor(view->ctx, &at.hash);
        if (err != SG_ENOT_FOUND) {
            return err;
        }
        if (!has_block(r, &at.hash)) {
            err = lg_tree_block(&e->tree, &r->blocks[r->nblocks], &at.hash);
            if (err != 0) {
                return err;
            }
            r->nblocks++;
        }
        struct lg_hash prev = at.prev;
        err = lg_tree_info(&e->tree, &at, &best, &prev);
        if (err != 0) {
            return err == SG_ENOT_FOUND ? SG_ECORRUPT : err;
        }
    }
    return 0;
}

static int load_rivals(struct lg_engine *e, struct rivals *r, const struct lg_view *view)
{
    for (unsigned i = 0; i < r->n; i++) {
        int err = lg_tree_block(&e->tree, &r->blocks[i], &r->info[i].hash);
        if (err != 0) {
            return err;
        }
        r->nblocks++;
    }
    return load_above(e, r, view);
}

static void rivals_fini(struct rivals *r)
{
    for (unsigned i = 0; i < r->nblocks; i++) {
        lg_block_free(r->blocks[i]);
    }
}

/* Is there a rival that makes the candidate needless? */
static int suffices(
    bool *out, const struct lg_candidate_site *site, const struct rivals *r, int64_t own_weight)
{
    *out = false;
    for (unsigned i = 0; i < r->n && !*out; i++) {
        struct lg_hash *leaves;
        unsigned n;
        if (r->info[i].weight < own_weight - 1) {
            continue;
        }
        int err = lg_candidate_left_out(&leaves, &n, site, r->blocks[i]);
        if (err != 0) {
            return err;
        }
        free(leaves);
        *out = n == 0;
    }
    return 0;
}

/* ---- the job ---- */

static int draft_copy(struct lg_draft *d, const struct lg_candidate *c)
{
    unsigned n = c->nstatements + c->nbodies;
    size_t at = 0;
    memset(d, 0, sizeof *d);
    sg_buf_init(&d->docs, SIZE_MAX);
    d->parts = calloc(n, sizeof *d->parts);
    if (d->parts == NULL) {
        return SG_ENOMEM;
    }
    for (unsigned i = 0; i < n; i++) {
        bool st = i < c->nstatements;
        const uint8_t *doc = st ? c->statements[i]->doc : c->bodies[i - c->nstatements]->doc;
        d->parts[i].len = st ? c->statements[i]->doc_len : c->bodies[i - c->nstatements]->doc_len;
        sg_buf_put(&d->docs, doc, d->parts[i].len);
    }
    for (unsigned i = 0; i < n && sg_buf_err(&d->docs) == 0; i++) {
        d->parts[i].p = d->docs.p + at;
        at += d->parts[i].len;
    }
    d->nstatements = c->nstatements;
    d->nbodies = c->nbodies;
    return sg_buf_err(&d->docs);
}

static sg_ms header_time(const struct lg_engine *e)
{
    sg_ms t = (e->base.slot + 1) * SG_MINUTE_MS;
    t = e->base.base.time + 1 > t ? e->base.base.time + 1 : t;
    return e->now > t ? e->now : t;
}

/* Work on this candidate; the same one goes on. */
static int start_work(struct lg_engine *e, const struct lg_candidate *c)
{
    struct lg_miner *m = &e->mine;
    const struct lg_header *h = &m->job.header;
    if (m->working && h->slot == e->base.slot && lg_hash_eq(&h->prev, &e->base.base.hash) &&
        lg_hash_eq(&h->root, &c->root)) {
        return 0;
    }
    struct lg_draft draft;
    int err = draft_copy(&draft, c);
    if (err != 0) {
        draft_fini(&draft);
        return err;
    }
    draft_fini(&m->draft);
    m->draft = draft;
    m->job = (struct lg_job){.id = ++m->last_id,
        .header = {.bits = e->genesis->bits,
            .chain = e->genesis->id,
            .prev = e->base.base.hash,
            .root = c->root,
            .height = e->base.base.height + 1,
            .leaves = (int64_t)c->nstatements + c->nbodies,
            .miner_is_kid = true,
            .miner_kid = e->config.kid,
            .slot = e->base.slot,
            .time = header_time(e),
            .weight = c->weight}};
    m->working = true;
    e->host->work(e->host->ctx, &m->job);
    return 0;
}

/* ---- the decision ---- */

static sg_ms turn_at(const struct lg_engine *e, const struct lg_block_info *parent, sg_minute slot)
{
    const struct lg_policy *p = &e->genesis->policy;
    int position = lg_rank_position(e->genesis, &parent->hash, slot, e->config.kid);
    return (slot + 1) * SG_MINUTE_MS + p->collect_ms + position * p->stagger_ms;
}

/* Its turn has come: work or not? */
static int decide_now(struct lg_engine *e, struct rivals *r, bool *work)
{
    struct lg_branch branch;
    struct lg_candidate c;
    bool enough = false;
    int err = lg_tree_branch(&e->tree, &branch, &e->base.base);
    if (err == 0) {
        err = load_rivals(e, r, &branch.view);
    }
    if (err != 0) {
        return err;
    }
    struct lg_candidate_site site = {
        .e = e, .view = &branch.view, .parent = e->base.base, .slot = e->base.slot};
    for (unsigned i = 0; i < r->nblocks; i++) {
        site.extra[site.nextra++] = r->blocks[i];
    }
    site.rival = r->n > 0 ? r->blocks[0] : NULL;
    err = lg_candidate_choose(&c, &site);
    if (err != 0) {
        return err;
    }
    err = suffices(&enough, &site, r, c.weight);
    *work = err == 0 && c.nstatements > 0 && !enough;
    if (*work) {
        err = start_work(e, &c);
    }
    lg_candidate_fini(&c);
    return err;
}

static int decide_slot(struct lg_engine *e, bool *work)
{
    struct lg_miner *m = &e->mine;
    struct rivals r = {.n = 0};
    *work = false;
    if (m->mined && m->mined_slot == e->base.slot && lg_hash_eq(&m->mined_parent, &e->base.base.hash)) {
        return 0;
    }
    int err = find_rivals(e, &r);
    if (err == 0 && !r.own) {
        sg_ms at = turn_at(e, &e->base.base, e->base.slot);
        if (e->now < at) {
            m->wake = at;
        } else {
            err = decide_now(e, &r, work);
        }
    }
    rivals_fini(&r);
    return err;
}

/* Something could be mined: what is pooled, or what another branch than that of the base has carried off the pool. */
static bool has_something(const struct lg_engine *e)
{
    const struct lg_block_info *tip = &e->tree.tip, *base = &e->base.base;
    return e->pool.statements.n > 0 ||
           !(lg_hash_eq(&tip->hash, &base->hash) || lg_hash_eq(&tip->prev, &base->hash));
}

static int decide(struct lg_engine *e)
{
    struct lg_miner *m = &e->mine;
    bool work = false;
    m->wake = INT64_MAX;
    int err = lg_base_choose(e);
    if (err == 0 && (!m->able || m->forbidden)) {
        stop_work(e);
        return 0;
    }
    if (err == 0 && e->base.has && has_something(e)) {
        err = decide_slot(e, &work);
    }
    if (!work) {
        stop_work(e);
    }
    if (err != 0) {
        return err;
    }
    if (work) {
        m->wake = (e->base.slot + 2) * SG_MINUTE_MS; /* then another minute is the newest closed one */
    } else if (m->wake == INT64_MAX && e->pool.statements.n > 0) {
        /* What the pool holds may go into the next slot; while the clock is behind the chain, into the slot after the tip's. */
        sg_minute next = (e->tree.tip.slot > e->base.slot ? e->tree.tip.slot : e->base.slot) + 1;
        m->wake = turn_at(e, &e->tree.tip, next);
    }
    return 0;
}

int lg_mine_decide(struct lg_engine *e)
{
    int err = decide(e);
    e->mine.decided = err == 0;
    e->mine.decided_at = e->now;
    e->mine.decided_slot = e->base.slot;
    return err;
}

/* ---- the result ---- */

static int build(struct lg_engine *e, struct lg_block **out, const struct lg_header *h)
{
    const struct lg_draft *d = &e->mine.draft;
    uint8_t sig[SG_SIGNATURE_BYTES];
    struct sg_buf header, message, block;
    sg_buf_init(&header, SIZE_MAX);
    sg_buf_init(&message, SIZE_MAX);
    sg_buf_init(&block, SIZE_MAX);
    lg_header_encode(&header, h);
    lg_header_signed_bytes(&message, header.p, header.len);
    int err = sg_buf_err(&header) != 0 ? sg_buf_err(&header) : sg_buf_err(&message);
    if (err == 0) {
        err = e->host->sign(e->host->ctx, sig, message.p, message.len);
    }
    if (err == 0) {
        lg_block_encode(&block, (struct lg_slice){header.p, header.len}, sig, d->parts, d->nstatements,
            d->parts + d->nstatements, d->nbodies);
        err = sg_buf_err(&block);
    }
    if (err == 0) {
        err = lg_block_decode(out, block.p, block.len);
    }
    sg_buf_fini(&header);
    sg_buf_fini(&message);
    sg_buf_fini(&block);
    return err;
}

/* The clock may have left the minute of the job since the last decision: it was set, or this operation is the first in another minute. */
static bool is_wanted(const struct lg_engine *e)
{
    const struct lg_miner *m = &e->mine;
    return !m->forbidden && e->base.has && m->job.header.slot == e->base.slot &&
           lg_hash_eq(&m->job.header.prev, &e->base.base.hash);
}

int lg_mine_solved(struct lg_engine *e, uint64_t job_id, int64_t nonce)
{
    struct lg_miner *m = &e->mine;
    if (!m->working || m->job.id != job_id) {
        return 0;
    }
    if (!is_wanted(e)) {
        stop_work(e);
        return 0;
    }
    struct lg_header h = m->job.header;
    struct lg_block *b;
    h.nonce = nonce;
    int err = build(e, &b, &h);
    m->working = false;
    draft_fini(&m->draft);
    if (err != 0) {
        return err;
    }
    if (!lg_work_meets(&b->hash, e->genesis->bits)) {
        lg_block_free(b);
        return 0; /* no nonce for this job: the next decision asks again */
    }
    m->mined = true;
    m->mined_parent = h.prev;
    m->mined_slot = h.slot;
    enum lg_block_verdict verdict;
    err = lg_chain_accept(e, &verdict, b, -1); /* judged like anybody's */
    if (err == SG_EFUTURE) {
        /* The clock was set back while it was searched. Once more with the time as it is now, unless that is no earlier. */
        m->mined = header_time(e) >= h.time;
        return 0;
    }
    if (err != 0 && !lg_is_store_error(err)) {
        lg_engine_alarm(e, "own_block_invalid");
        err = 0;
    }
    return err;
}
