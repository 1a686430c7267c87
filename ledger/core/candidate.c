/* Choosing what a block carries.
 *
 * Each gateway has a lane: its statements at hand in the order (inc, seq). A lane gives the next one that is valid after what the
 * branch and the block hold of it; a statement that can never be valid there is passed over, one that could be later, or that does not fit,
 * closes the lane, so that a later one (of a later incarnation) is never taken before it. Lanes take turns, the one first whose
 * gateway was served longest ago.
 * Invariant: the chosen set is a valid block of exactly the size that is counted, at most max_block_bytes, with the nonce's digits at
 * their longest. Refuses nothing: an empty choice is an answer. */
#include "ledger/core/candidate_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/core/parse.h"

enum phase { PHASE_LEFT_OUT, PHASE_RIVAL, PHASE_REST, PHASE_COUNT };

struct item {
    const struct lg_statement *s;
    bool in_rival, left_out;
};

struct lane {
    size_t next, until[PHASE_COUNT]; /* into items */
    struct lg_statement_ref last;
    bool has_last, closed;
    int64_t served; /* height of the last one on the branch, 0: never */
    unsigned gw;
};

struct chosen_body {
    const struct lg_body *b;
    const struct lg_statement
        *first; /* which of the chosen statements is the first to read it, in block order */
};

struct choosing {
    const struct lg_candidate_site *site;
    struct lg_candidate *out;
    struct lg_site_bodies bodies;
    struct item *items;
    size_t nitems;
    unsigned order[LG_MAX_GATEWAYS];
    struct lg_map chosen; /* digest -> struct chosen_body */
    size_t cap_bodies;
    uint64_t size, max_size;
    struct lane lanes[]; /* one a gateway */
};

/* ---- lanes ---- */

static int item_cmp(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    if (x->s->gw != y->s->gw) {
        return x->s->gw < y->s->gw ? -1 : 1;
    }
    int c = lg_seq_cmp(x->s->inc, x->s->seq, y->s->inc, y->s->seq);
    return c != 0 ? c : lg_hash_cmp(&x->s->leaf, &y->s->leaf);
}

/* Same leaf from pool and blocks: one item that knows both. */
static void merge_items(struct choosing *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->nitems; i++) {
        if (n > 0 && lg_hash_eq(&c->items[n - 1].s->leaf, &c->items[i].s->leaf)) {
            c->items[n - 1].in_rival |= c->items[i].in_rival;
            c->items[n - 1].left_out |= c->items[i].left_out;
        } else {
            c->items[n++] = c->items[i];
        }
    }
    c->nitems = n;
}

/* What was left out is named in the order of the pool. */
static void gather_pool(struct choosing *c, const struct lg_hash *left_out, unsigned nleft)
{
    const struct lg_pool *pool = &c->site->e->pool;
    unsigned at = 0;
    for (unsigned g = 0; g < pool->genesis->ngateways; g++) {
        for (unsigned i = 0; i < pool->gw[g].n; i++) {
            const struct lg_statement *s = pool->gw[g].v[i]->s;
            bool is_left_out = at < nleft && lg_hash_eq(&left_out[at], &s->leaf);
            at += is_left_out;
            c->items[c->nitems++] = (struct item){.s = s, .left_out = is_left_out};
        }
    }
    assert(at == nleft);
}

static int gather(struct choosing *c, const struct lg_hash *left_out, unsigned nleft)
{
    const struct lg_candidate_site *site = c->site;
    const struct lg_pool *pool = &site->e->pool;
    size_t max = pool->statements.n + 1;
    for (unsigned i = 0; i < site->nextra; i++) {
        max += site->extra[i]->nstatements;
    }
    c->items = malloc(max * sizeof *c->items);
    if (c->items == NULL) {
        return SG_ENOMEM;
    }
    gather_pool(c, left_out, nleft);
    for (unsigned i = 0; i < site->nextra; i++) {
        for (unsigned k = 0; k < site->extra[i]->nstatements; k++) {
            c->items[c->nitems++] =
                (struct item){.s = site->extra[i]->statements[k], .in_rival = site->extra[i] == site->rival};
        }
    }
    qsort(c->items, c->nitems, sizeof *c->items, item_cmp);
    merge_items(c);
    return 0;
}

static int open_lane(struct choosing *c, struct lane *l, size_t *at, unsigned gw)
{
    const struct lg_view *view = c->site->view;
    lg_kid kid = c->site->e->genesis->gateways[gw].id;
    *l = (struct lane){.gw = gw, .next = *at};
    for (unsigned p = 0; p < PHASE_COUNT; p++) {
        l->until[p] = *at;
    }
    for (; *at < c->nitems && c->items[*at].s->gw == kid; (*at)++) {
        l->until[PHASE_LEFT_OUT] = c->items[*at].left_out ? *at + 1 : l->until[PHASE_LEFT_OUT];
        l->until[PHASE_RIVAL] = c->items[*at].in_rival ? *at + 1 : l->until[PHASE_RIVAL];
    }
    l->until[PHASE_REST] = *at;
    l->closed = l->next == *at;
    if (l->closed) {
        return 0;
    }
    int err = view->last_statement(view->ctx, &l->last, kid);
    l->has_last = err == 0;
    l->served = err == 0 ? l->last.height : 0;
    return err == SG_ENOT_FOUND ? 0 : err;
}

static int open_lanes(struct choosing *c)
{
    unsigned n = c->site->e->genesis->ngateways;
    size_t at = 0;
    for (unsigned g = 0; g < n; g++) {
        int err = open_lane(c, &c->lanes[g], &at, g);
        if (err != 0) {
            return err;
        }
    }
    assert(at == c->nitems);
    for (unsigned g = 0; g < n; g++) { /* insertion: equal ones stay in the order of their ids */
        unsigned k = g;
        for (; k > 0 && c->lanes[c->order[k - 1]].served > c->lanes[g].served; k--) {
            c->order[k] = c->order[k - 1];
        }
        c->order[k] = g;
    }
    return 0;
}

/* ---- taking ---- */

static bool before_in_block(const struct lg_statement *a, const struct lg_statement *b)
{
    return a->gw != b->gw ? a->gw < b->gw : lg_seq_cmp(a->inc, a->seq, b->inc, b->seq) < 0;
}

/* What s would add to the block: bytes (its comma included), leaves, and what it is the first to read. SG_ENOT_FOUND: a body is missing. */
struct addition {
    uint64_t bytes, first_read;
    unsigned leaves;
};

static int weigh_up(struct choosing *c, struct addition *a, const struct lg_statement *s)
{
    *a = (struct addition){
        .bytes = s->doc_len + (c->out->nstatements > 0), .first_read = s->doc_len, .leaves = 1};
    unsigned nbodies = c->out->nbodies;
    for (unsigned i = 0; i < s->nreads; i++) {
        const struct lg_hash *digest = &s->reads[i].digest;
        const struct chosen_body *cb = lg_map_get(&c->chosen, digest);
        const struct lg_body *b;
        int err = 0;
        if (cb != NULL) {
            a->first_read += before_in_block(s, cb->first) ? cb->b->doc_len : 0;
            continue;
        }
        err = lg_site_body(&c->bodies, &b, digest);
        if (err != 0) {
            return err;
        }
        if (b != NULL) {
            a->bytes += b->doc_len + (nbodies++ > 0);
            a->first_read += b->doc_len;
            a->leaves++;
        }
    }
    return 0;
}

static int choose_body(struct choosing *c, const struct lg_body *b, const struct lg_statement *s)
{
    struct chosen_body *cb = calloc(1, sizeof *cb);
    int err = cb == NULL ? SG_ENOMEM : lg_map_put(&c->chosen, &b->digest, cb);
    if (err != 0) {
        free(cb);
        return err;
    }
    *cb = (struct chosen_body){.b = b, .first = s};
    if (c->out->nbodies == c->cap_bodies) {
        size_t cap = c->cap_bodies == 0 ? 64 : c->cap_bodies * 2;
        const struct lg_body **grown = realloc(c->out->bodies, cap * sizeof(*grown));
        if (grown == NULL) {
            return SG_ENOMEM;
        }
        c->out->bodies = grown;
        c->cap_bodies = cap;
    }
    c->out->bodies[c->out->nbodies++] = b;
    return 0;
}

static int choose_statement(struct choosing *c, struct lane *l, const struct lg_statement *s, uint64_t bytes)
{
    for (unsigned i = 0; i < s->nreads; i++) {
        const struct lg_body *b;
        struct chosen_body *cb = lg_map_get(&c->chosen, &s->reads[i].digest);
        if (cb != NULL) {
            cb->first = before_in_block(s, cb->first) ? s : cb->first;
            continue;
        }
        int err = lg_site_body(&c->bodies, &b, &s->reads[i].digest);
        if (err == 0 && b != NULL) {
            err = choose_body(c, b, s);
        }
        if (err != 0) {
            return err;
        }
    }
    c->out->statements[c->out->nstatements++] = s;
    c->size += bytes;
    lg_statement_ref_of(&l->last, s, 0);
    l->has_last = true;
    return 0;
}

/* One turn of a lane: *taken says whether it gave one. */
static int lane_turn(struct choosing *c, struct lane *l, bool *taken, enum phase phase)
{
    const struct lg_candidate_site *site = c->site;
    *taken = false;
    while (!l->closed && l->next < l->until[phase]) {
        const struct lg_statement *s = c->items[l->next].s;
        struct addition a;
        if (lg_statement_follows(s, l->has_last ? &l->last : NULL, site->e->genesis) != 0) {
            l->next++;
            continue;
        }
        if (s->slot > site->slot || s->ts > site->e->now) {
            l->closed = true; /* later slots can take it */
            return 0;
        }
        int err = weigh_up(c, &a, s);
        if (err == SG_ENOT_FOUND || (err == 0 && a.first_read > c->max_size / 2)) {
            l->next++;
            continue;
        }
        if (err != 0) {
            return err;
        }
        if (c->size + a.bytes > c->max_size ||
            c->out->nstatements + c->out->nbodies + a.leaves > LG_MAX_LEAVES) {
            l->closed = true;
            return 0;
        }
        l->next++;
        *taken = true;
        return choose_statement(c, l, s, a.bytes);
    }
    return 0;
}

static int run_phase(struct choosing *c, enum phase phase)
{
    bool any = true;
    while (any) {
        any = false;
        for (unsigned i = 0; i < c->site->e->genesis->ngateways; i++) {
            bool taken;
            int err = lane_turn(c, &c->lanes[c->order[i]], &taken, phase);
            if (err != 0) {
                return err;
            }
            any = any || taken;
        }
    }
    return 0;
}

/* Bytes of a block without documents, the header at its longest. */
static int measure_empty(uint64_t *size, const struct choosing *c)
{
    struct lg_header h = {.bits = c->site->e->genesis->bits,
        .height = c->site->parent.height + 1,
        .leaves = LG_MAX_LEAVES,
        .nonce = LG_C0_MAX_INT,
        .slot = c->site->slot,
        .time = SG_MS_END - 1,
        .weight = LG_MAX_GATEWAYS};
    uint8_t sig[SG_SIGNATURE_BYTES] = {0};
    struct sg_buf header, block;
    sg_buf_init(&header, SIZE_MAX);
    sg_buf_init(&block, SIZE_MAX);
    lg_header_encode(&header, &h);
    lg_block_encode(&block, (struct lg_slice){header.p, header.len}, sig, NULL, 0, NULL, 0);
    *size = block.len;
    int err = sg_buf_err(&header) != 0 ? sg_buf_err(&header) : sg_buf_err(&block);
    sg_buf_fini(&header);
    sg_buf_fini(&block);
    return err;
}

static int empty_size(struct choosing *c)
{
    struct lg_miner *m = &c->site->e->mine;
    int err = 0;
    if (m->empty_size == 0 || m->empty_height != c->site->parent.height || m->empty_slot != c->site->slot) {
        err = measure_empty(&m->empty_size, c);
        m->empty_height = c->site->parent.height;
        m->empty_slot = c->site->slot;
    }
    if (err != 0) {
        m->empty_size = 0;
    }
    c->size = m->empty_size;
    return err;
}

/* ---- the result ---- */

static int statement_order(const void *a, const void *b)
{
    const struct lg_statement *const *x = a, *const *y = b;
    return before_in_block(*x, *y) ? -1 : 1;
}

static int body_order(const void *a, const void *b)
{
    const struct lg_body *const *x = a, *const *y = b;
    return lg_body_cmp(*x, *y);
}

static int finish(struct choosing *c)
{
    struct lg_candidate *out = c->out;
    if (out->nstatements == 0) {
        return 0;
    }
    qsort(out->statements, out->nstatements, sizeof(*out->statements), statement_order);
    if (out->nbodies > 0) {
        qsort(out->bodies, out->nbodies, sizeof(*out->bodies), body_order);
    }
    struct lg_hash *leaves = malloc((out->nstatements + out->nbodies) * sizeof *leaves);
    if (leaves == NULL) {
        return SG_ENOMEM;
    }
    for (unsigned i = 0; i < out->nstatements; i++) {
        leaves[i] = out->statements[i]->leaf;
    }
    for (unsigned i = 0; i < out->nbodies; i++) {
        leaves[out->nstatements + i] = out->bodies[i]->digest;
    }
    int err = lg_merkle_root(&out->root, leaves, out->nstatements + out->nbodies);
    free(leaves);
    /* lg_block_weigh only reads; its signature is that of a decoded block's array. */
    return err != 0 ? err
                    : lg_block_weigh(&out->weight, (struct lg_statement *const *)out->statements,
                          out->nstatements, c->site->view);
}

static int choose(struct choosing *c, const struct lg_hash *left_out, unsigned nleft)
{
    c->max_size = (uint64_t)c->site->e->genesis->policy.max_block_bytes;
    int err = empty_size(c);
    if (err == 0) {
        err = lg_site_bodies_init(&c->bodies, c->site);
    }
    if (err == 0) {
        err = gather(c, left_out, nleft);
    }
    if (err == 0) {
        err = open_lanes(c);
    }
    c->out->statements = malloc((c->nitems + 1) * sizeof(*c->out->statements));
    if (err == 0 && c->out->statements == NULL) {
        err = SG_ENOMEM;
    }
    for (unsigned p = 0; p < PHASE_COUNT && err == 0; p++) {
        err = run_phase(c, (enum phase)p);
    }
    return err != 0 ? err : finish(c);
}

int lg_candidate_choose(struct lg_candidate *out, const struct lg_candidate_site *site)
{
    struct lg_hash *left_out = NULL;
    unsigned nleft = 0;
    memset(out, 0, sizeof *out);
    int err = site->rival == NULL ? 0 : lg_candidate_left_out(&left_out, &nleft, site, site->rival);
    struct choosing *c =
        err != 0 ? NULL : calloc(1, sizeof *c + site->e->genesis->ngateways * sizeof c->lanes[0]);
    if (c == NULL) {
        free(left_out);
        return err != 0 ? err : SG_ENOMEM;
    }
    c->site = site;
    c->out = out;
    c->chosen.seed = site->e->config.seed;
    err = choose(c, left_out, nleft);
    for (size_t i = 0; i < c->chosen.cap; i++) {
        free(c->chosen.slots[i].value);
    }
    lg_map_fini(&c->chosen);
    out->loaded = c->bodies.loaded;
    out->nloaded = c->bodies.nloaded;
    c->bodies.loaded = NULL;
    c->bodies.nloaded = 0;
    lg_site_bodies_fini(&c->bodies);
    free(c->items);
    free(c);
    free(left_out);
    if (err != 0) {
        lg_candidate_fini(out);
    }
    return err;
}

void lg_candidate_fini(struct lg_candidate *c)
{
    for (unsigned i = 0; i < c->nloaded; i++) {
        lg_body_free(c->loaded[i]);
    }
    free(c->loaded);
    free(c->statements);
    free(c->bodies);
    memset(c, 0, sizeof *c);
}
