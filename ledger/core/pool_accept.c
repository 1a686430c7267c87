/* Which statements enter the pool.
 *
 * The order of the checks is the contract's: all that no branch decides (shape, lg_statement_check, read_mismatch against bodies at hand,
 * lg_body_check), then future, conflict, statement_chain, gap, missing_body, too_large. A statement that this node holds already, in the pool
 * or on the best branch, is known. All that a request brings is one transaction: nothing is acknowledged or passed on before its commit, and
 * when that fails the pool in memory is what it was.
 *
 * Early by at most max_future_ms: a statement like any other but for its time is written and acknowledged at once, so that the
 * acknowledgement keeps its promise, and held: it is neither mined nor passed on before its time has come.
 *
 * Refuses: bodies that no accepted statement reads (they are not kept), and more than the bound on memory (overloaded). After so many
 * statements of nobody, or signed by somebody else, as no honest offer holds, the rest of it is not looked at (overloaded): whoever has no key
 * buys no more verifications. */
#include "ledger/core/pool_intake.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Forged statements of one offer that are looked at. An honest sender has verified what it passes on, and signed what is its own. */
#define FORGED_MAX 8

/* Where the body of a read was found. */
enum found_at { AT_NONE, AT_POOL, AT_BRANCH, AT_INTAKE };
struct found {
    enum found_at at;
    struct lg_intake_body *ib; /* AT_INTAKE */
    size_t doc_len;            /* what a block must carry for it */
};

/* The gateway's last statement on the best branch. *has: there is one. */
static int last_on_branch(struct lg_engine *e, struct lg_statement_ref *last, bool *has, lg_kid gw)
{
    int err = e->tree.tip.height < 1 ? SG_ENOT_FOUND
                                     : e->store->last_statement(e->store->ctx, last, gw, e->tree.tip.height);
    *has = err == 0;
    return err == SG_ENOT_FOUND ? 0 : err;
}

static int check_known(struct lg_engine *e, bool *known, const struct lg_statement *s)
{
    enum lg_doc_state state;
    int64_t height;
    *known = lg_pool_statement(&e->pool, &s->leaf) != NULL;
    if (*known) {
        return 0;
    }
    int err = e->store->statement_state(e->store->ctx, &state, &height, &s->leaf);
    if (err != 0) {
        return err == SG_ENOT_FOUND ? 0 : err;
    }
    if (state == LG_DOC_OVERTAKEN) { /* a deep reorganisation may have made it mineable again */
        struct lg_statement_ref last;
        bool has;
        err = last_on_branch(e, &last, &has, s->gw);
        *known = err == 0 && lg_statement_overtaken(s, has ? &last : NULL, e->genesis) != 0;
        return err;
    }
    *known = state == LG_DOC_POOLED || state == LG_DOC_MINED;
    return 0;
}

static int mismatch(const struct lg_read *r, struct lg_name relay, sg_minute min)
{
    return r->min == min && lg_name_cmp(r->relay, relay) == 0 ? 0 : SG_EREAD_MISMATCH;
}

/* Finds the body of a read and compares what it says it is. */
static int find_read(struct lg_intake *in, struct found *f, const struct lg_read *r)
{
    struct lg_engine *e = in->e;
    const struct lg_body *b = lg_pool_body(&e->pool, &r->digest);
    if (b != NULL) {
        *f = (struct found){.at = AT_POOL, .doc_len = b->doc_len};
        return mismatch(r, b->relay, b->min);
    }
    struct lg_body_ref ref;
    int err = e->tree.tip.height < 1 ? SG_ENOT_FOUND
                                     : e->store->body_at(e->store->ctx, &ref, &r->digest, e->tree.tip.height);
    if (err == 0) {
        *f = (struct found){.at = AT_BRANCH};
        return mismatch(r, (struct lg_name){ref.relay, strlen(ref.relay)}, ref.min);
    }
    struct lg_intake_body *ib = NULL;
    if (err == SG_ENOT_FOUND) {
        err = lg_intake_body(in, &ib, &r->digest);
    }
    if (err == SG_ENOT_FOUND) {
        *f = (struct found){.at = AT_NONE};
        return 0;
    }
    if (err != 0) {
        return err;
    }
    *f = (struct found){.at = AT_INTAKE, .ib = ib, .doc_len = ib->doc_len};
    return mismatch(r, ib->relay, ib->min);
}

/* The bodies of the request that s reads: well-formed? */
static int check_body_shapes(struct lg_intake *in, const struct lg_statement *s)
{
    for (unsigned i = 0; i < s->nreads; i++) {
        struct lg_intake_body *ib;
        if (lg_pool_body(&in->e->pool, &s->reads[i].digest) != NULL) {
            continue; /* these very bytes have been judged */
        }
        int err = lg_intake_offered(in, &ib, &s->reads[i].digest);
        if (err == 0 && ib->b == NULL) {
            err = ib->err;
        }
        if (err != 0 && err != SG_ENOT_FOUND) {
            return err;
        }
    }
    return 0;
}

static int judge_body(const struct lg_engine *e, struct lg_intake_body *ib)
{
    if (!ib->judged) {
        const struct lg_relay *relay = lg_genesis_relay(e->genesis, ib->relay.p, ib->relay.len);
        ib->err = lg_body_check(ib->b, relay);
        ib->judged = ib->err != SG_ENOMEM;
    }
    return ib->err;
}

/* Everything that no branch decides. */
static int check_alone(struct lg_intake *in, struct found *found, const struct lg_statement *s)
{
    struct lg_engine *e = in->e;
    int err = check_body_shapes(in, s);
    if (err == 0) {
        bool verified = lg_seen_get(&e->verified, &s->leaf) != 0;
        err = lg_statement_check(s, e->genesis, e->config.crypto, verified);
    }
    if (err != 0) {
        return err;
    }
    lg_seen_put(&e->verified, &s->leaf, 1);
    for (unsigned i = 0; i < s->nreads && err == 0; i++) {
        err = find_read(in, &found[i], &s->reads[i]);
    }
    for (unsigned i = 0; i < s->nreads && err == 0; i++) {
        if (found[i].at == AT_INTAKE) {
            err = judge_body(e, found[i].ib);
        }
    }
    return err;
}

int lg_intake_begin_writing(struct lg_intake *in)
{
    if (in->writing) {
        return 0;
    }
    int err = in->e->store->begin(in->e->store->ctx);
    in->writing = err == 0;
    return err;
}

/* SG_ECONFLICT when another statement has this (gw, inc, seq). */
static int check_conflict(struct lg_intake *in, const struct lg_statement *s)
{
    const struct lg_store *store = in->e->store;
    struct lg_hash leaf;
    unsigned variants;
    int err = store->statement_at(store->ctx, &leaf, &variants, s->gw, s->inc, s->seq);
    if (err == SG_ENOT_FOUND || (err == 0 && lg_hash_eq(&leaf, &s->leaf))) {
        return 0;
    }
    return err == 0 ? SG_ECONFLICT : err;
}

static int stored_statement(struct lg_engine *e, struct lg_statement **out, const struct lg_hash *leaf)
{
    struct sg_buf doc;
    sg_buf_init(&doc, SIZE_MAX);
    int err = e->store->statement_doc(e->store->ctx, &doc, leaf);
    if (err == 0) {
        err = sg_buf_err(&doc);
    }
    if (err == 0) {
        err = lg_statement_decode(out, doc.p, doc.len);
        err = err == SG_ECANONICAL || err == SG_ESHAPE ? SG_ECORRUPT : err;
    }
    sg_buf_fini(&doc);
    return err;
}

/* s directly after the pooled statement p, which its prev names. */
static int check_after(const struct lg_statement *s, const struct lg_statement *p)
{
    if (p->gw != s->gw || p->inc != s->inc || p->seq != s->seq - 1) {
        return SG_ESTATEMENT_CHAIN;
    }
    return s->slot <= p->slot ? SG_ESTATEMENT_SLOT : 0;
}

/* statement_chain: overtaken on the best branch. gap: it follows neither that branch nor a pooled statement. */
static int check_place(struct lg_engine *e, const struct lg_statement *s)
{
    struct lg_statement_ref last;
    bool has;
    int err = last_on_branch(e, &last, &has, s->gw);
    if (err == 0) {
        err = lg_statement_overtaken(s, has ? &last : NULL, e->genesis);
    }
    if (err != 0 || s->seq == 1 || (has && s->inc == last.inc && s->seq == last.seq + 1)) {
        return err;
    }
    const struct lg_pool_statement *before = lg_pool_statement(&e->pool, &s->prev);
    if (before != NULL) {
        return check_after(s, before->s);
    }
    enum lg_doc_state state;
    int64_t height;
    err = e->store->statement_state(e->store->ctx, &state, &height, &s->prev);
    if (err == SG_ENOT_FOUND || (err == 0 && state != LG_DOC_POOLED)) {
        return SG_EGAP;
    }
    struct lg_statement *stored = NULL; /* pooled on disk only */
    if (err == 0) {
        err = stored_statement(e, &stored, &s->prev);
    }
    if (err == 0) {
        err = check_after(s, stored);
    }
    lg_statement_free(stored);
    return err;
}

/* missing_body, too_large, and this node's own bound. Bodies that stand on the best branch weigh nothing. */
static int check_bodies(struct lg_intake *in, const struct found *found, const struct lg_statement *s)
{
    struct lg_engine *e = in->e;
    uint64_t size = s->doc_len, cost = lg_pool_statement_cost(s);
    for (unsigned i = 0; i < s->nreads; i++) {
        if (found[i].at == AT_NONE) {
            return SG_EMISSING_BODY;
        }
        size += found[i].doc_len;
        cost += found[i].at == AT_INTAKE && found[i].ib->b != NULL ? lg_pool_body_cost(found[i].ib->b) : 0;
    }
    if (size > (uint64_t)e->genesis->policy.max_block_bytes / 2) {
        return SG_ETOO_LARGE;
    }
    return lg_pool_has_room(&e->pool, lg_pool_gateway_index(e->genesis, s->gw), cost) ? 0 : SG_EOVERLOADED;
}

static int check_statement(struct lg_intake *in, struct found *found, const struct lg_statement *s)
{
    int err = check_alone(in, found, s);
    if (err == 0 && s->ts > in->e->now + in->e->genesis->policy.max_future_ms) {
        err = SG_EFUTURE; /* ts >= (slot + 1) * 60000 has been checked: the slot ends no later */
    }
    if (err == 0) {
        err = check_conflict(in, s);
    }
    if (err == 0) {
        err = check_place(in->e, s);
    }
    return err == 0 ? check_bodies(in, found, s) : err;
}

static int remember_body(struct lg_intake *in, const struct lg_hash *digest)
{
    if (in->nadded_bodies == in->cap_added_bodies) {
        size_t cap = in->cap_added_bodies == 0 ? 16 : in->cap_added_bodies * 2;
        struct lg_hash *grown = realloc(in->added_bodies, cap * sizeof *grown);
        if (grown == NULL) {
            return SG_ENOMEM;
        }
        in->added_bodies = grown;
        in->cap_added_bodies = cap;
    }
    in->added_bodies[in->nadded_bodies++] = *digest;
    return 0;
}

static int take_body(struct lg_intake *in, struct lg_intake_body *ib, unsigned gw)
{
    const struct lg_store *store = in->e->store;
    int err = remember_body(in, &ib->digest);
    if (err != 0) {
        return err;
    }
    err = store->put_body(store->ctx, ib->b);
    if (err == 0) {
        err = lg_pool_add_body(&in->e->pool, ib->b, gw);
    }
    if (err == 0) {
        ib->b = NULL;
    } else {
        in->nadded_bodies--;
    }
    return err;
}

/* Into store and pool; the transaction stays open. */
static int take_statement(struct lg_intake *in, const struct found *found, struct lg_intake_statement *is)
{
    struct lg_engine *e = in->e;
    struct lg_statement *s = is->s;
    unsigned gw = lg_pool_gateway_index(e->genesis, s->gw);
    int err = lg_intake_begin_writing(in);
    for (unsigned i = 0; i < s->nreads && err == 0; i++) {
        if (found[i].at == AT_INTAKE && lg_pool_body(&e->pool, &s->reads[i].digest) == NULL) {
            err = take_body(in, found[i].ib, gw);
        }
    }
    if (err == 0) {
        err = e->store->put_statement(e->store->ctx, s);
    }
    if (err == 0) {
        err = lg_pool_add_statement(&e->pool, s, e->now, s->ts > e->now);
    }
    if (err == 0) {
        in->added[in->nadded++] = s->leaf;
        is->s = NULL;
    }
    return err;
}

/* 0: dealt with (accepted, known or rejected); errors of the store end the request. */
static int offer_one(struct lg_intake *in, struct lg_offer *offer, struct lg_intake_statement *is)
{
    bool known = false;
    if (in->forged == FORGED_MAX) {
        lg_intake_reject(offer, is->index, SG_EOVERLOADED);
        return 0;
    }
    int err = check_known(in->e, &known, is->s);
    if (err != 0) {
        return err;
    }
    if (known) {
        offer->known++;
        return 0;
    }
    struct found *found = calloc(is->s->nreads + 1u, sizeof *found);
    if (found == NULL) {
        return SG_ENOMEM;
    }
    err = check_statement(in, found, is->s);
    if (err == 0) {
        err = take_statement(in, found, is);
        offer->accepted += err == 0;
    } else if (!lg_is_store_error(err)) {
        in->forged += err == SG_ESTATEMENT_SIGNATURE || err == SG_EUNKNOWN_GATEWAY;
        lg_intake_reject(offer, is->index, err);
        err = lg_intake_evidence(in, is);
    }
    free(found);
    return err;
}

/* Take back what this request has put into the pool. */
static void undo(struct lg_intake *in)
{
    for (size_t i = 0; i < in->nadded; i++) {
        lg_pool_drop_statement(&in->e->pool, &in->added[i]);
    }
    for (size_t i = 0; i < in->nadded_bodies; i++) {
        lg_pool_drop_body(&in->e->pool, &in->added_bodies[i]);
    }
    in->nadded = 0;
    in->nadded_bodies = 0;
}

/* Pass on what is new and not early, with the bodies that came with it. */
static void announce(struct lg_intake *in, int from)
{
    struct lg_engine *e = in->e;
    struct lg_statement **s = calloc(in->nadded + 1, sizeof(*s));
    struct lg_body **b = calloc(in->nadded_bodies + 1, sizeof(*b));
    unsigned ns = 0, nb = 0;
    if (s != NULL && b != NULL) { /* without memory the peers ask for them */
        for (size_t i = 0; i < in->nadded; i++) {
            struct lg_pool_statement *ps = lg_pool_statement(&e->pool, &in->added[i]);
            if (!ps->early) {
                s[ns++] = ps->s;
            }
        }
        for (size_t i = 0; i < in->nadded_bodies; i++) {
            const struct lg_pool_body *pb = lg_map_get(&e->pool.bodies, &in->added_bodies[i]);
            b[nb++] = pb->b;
        }
        if (ns > 0) {
            e->host->announce_statements(e->host->ctx, s, ns, b, nb, from);
        }
    }
    free(s);
    free(b);
}

static int by_index(const void *a, const void *b)
{
    const struct lg_offer_reject *x = a, *y = b;
    return x->index < y->index ? -1 : x->index > y->index;
}

int lg_pool_accept(struct lg_engine *e, struct lg_offer *offer, const uint8_t *doc, size_t len, int from)
{
    struct lg_intake in = {.e = e};
    int err = lg_intake_parse(&in, offer, doc, len);
    for (size_t i = 0; i < in.nstatements && err == 0; i++) {
        err = offer_one(&in, offer, &in.statements[i]);
    }
    if (err == 0) {
        err = lg_intake_settle_copies(&in, offer);
    }
    if (in.writing && err == 0) {
        err = e->store->commit(e->store->ctx);
    } else if (in.writing) {
        e->store->rollback(e->store->ctx);
    }
    if (err != 0) {
        undo(&in);
    } else {
        announce(&in, from);
        qsort(offer->rejected, offer->nrejected, sizeof *offer->rejected, by_index);
    }
    lg_intake_fini(&in);
    return err;
}

sg_ms lg_pool_next_due(const struct lg_engine *e)
{
    sg_ms due = INT64_MAX;
    for (unsigned g = 0; e->pool.nearly > 0 && g < e->genesis->ngateways; g++) {
        for (unsigned i = 0; i < e->pool.gw[g].n; i++) {
            const struct lg_pool_statement *ps = e->pool.gw[g].v[i];
            if (ps->early && ps->s->ts < due) {
                due = ps->s->ts;
            }
        }
    }
    return due;
}

/* One early statement whose time has come goes out with its bodies. */
static int release_early(struct lg_engine *e, struct lg_pool_statement *ps)
{
    struct lg_body **b = calloc(ps->s->nreads + 1u, sizeof(*b));
    unsigned nb = 0;
    if (b == NULL) {
        return SG_ENOMEM;
    }
    for (unsigned i = 0; i < ps->s->nreads; i++) {
        const struct lg_pool_body *pb = lg_map_get(&e->pool.bodies, &ps->s->reads[i].digest);
        if (pb != NULL && pb->b != NULL) {
            b[nb++] = pb->b;
        }
    }
    ps->early = false;
    e->pool.nearly--;
    e->host->announce_statements(e->host->ctx, &ps->s, 1, b, nb, LG_FROM_OUTSIDE);
    free(b);
    return 0;
}

int lg_pool_due(struct lg_engine *e)
{
    int err = 0;
    for (unsigned g = 0; e->pool.nearly > 0 && g < e->genesis->ngateways; g++) {
        for (unsigned i = 0; i < e->pool.gw[g].n && err == 0; i++) {
            struct lg_pool_statement *ps = e->pool.gw[g].v[i];
            if (ps->early && ps->s->ts <= e->now) {
                err = release_early(e, ps);
            }
        }
    }
    return err;
}
