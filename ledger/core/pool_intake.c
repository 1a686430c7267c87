/* Taking an offer apart (offer_parts.c cuts it into documents).
 *
 * Each statement stands or falls alone: one that is ill-formed is rejected by its index, a body that is ill-formed fails those that read
 * it. What the pool holds already is not decoded again, nor a body that no statement of the request reads. */
#include "ledger/core/pool_intake.h"

#include <stdlib.h>
#include <string.h>

void lg_intake_reject(struct lg_offer *offer, unsigned index, int err)
{
    /* Room for every statement of the request was made by lg_intake_parse. */
    offer->rejected[offer->nrejected++] = (struct lg_offer_reject){.index = index, .err = err};
}

static int push_body(struct lg_intake *in, struct lg_intake_body *ib)
{
    if (in->nbodies == in->cap_bodies) {
        size_t cap = in->cap_bodies == 0 ? 16 : in->cap_bodies * 2;
        struct lg_intake_body **grown = realloc(in->bodies, cap * sizeof *grown);
        if (grown == NULL) {
            return SG_ENOMEM;
        }
        in->bodies = grown;
        in->cap_bodies = cap;
    }
    int err = lg_map_put(&in->by_digest, &ib->digest, ib);
    if (err == 0) {
        in->bodies[in->nbodies++] = ib;
    }
    return err;
}

static void free_body(struct lg_intake_body *ib)
{
    if (ib != NULL) {
        lg_body_free(ib->b);
        free(ib);
    }
}

/* Decode doc, whose leaf is digest, and keep it; its fault is kept too. */
static int keep_body(struct lg_intake *in, struct lg_intake_body **out, const struct lg_hash *digest,
    const uint8_t *doc, size_t len)
{
    struct lg_intake_body *ib = calloc(1, sizeof *ib);
    if (ib == NULL) {
        return SG_ENOMEM;
    }
    ib->digest = *digest;
    ib->doc_len = len;
    ib->err = lg_body_decode(&ib->b, doc, len);
    if (ib->err == SG_ENOMEM) {
        free(ib);
        return SG_ENOMEM;
    }
    if (ib->err != 0) {
        ib->b = NULL;
    } else {
        ib->relay = ib->b->relay;
        ib->min = ib->b->min;
    }
    int err = push_body(in, ib);
    if (err != 0) {
        free_body(ib);
        return err;
    }
    *out = ib;
    return 0;
}

static int by_place(const void *a, const void *b)
{
    const struct lg_intake_statement *x = a, *y = b;
    if (x->s->gw != y->s->gw) {
        return x->s->gw < y->s->gw ? -1 : 1;
    }
    int c = lg_seq_cmp(x->s->inc, x->s->seq, y->s->inc, y->s->seq);
    return c != 0 ? c : x->index < y->index ? -1 : x->index > y->index;
}

static int take_statement(struct lg_intake *in, struct lg_offer *offer, const struct lg_offer_part *part)
{
    struct lg_statement *s;
    unsigned index = (unsigned)(part - in->parts.statements);
    if (lg_pool_statement(&in->e->pool, &part->leaf) != NULL) {
        offer->known++; /* most are: every peer passes on every statement */
        return 0;
    }
    int err = lg_statement_decode(&s, part->doc.p, part->doc.len);
    if (err == SG_ENOMEM) {
        return err;
    }
    if (err != 0) {
        lg_intake_reject(offer, index, err);
    } else {
        in->statements[in->nstatements++] = (struct lg_intake_statement){.s = s, .index = index};
    }
    return 0;
}

/* Each statement once, however often the request repeats it. */
static int take_distinct(struct lg_intake *in, struct lg_offer *offer)
{
    struct lg_offer_index x;
    const struct lg_offer_part *v = in->parts.statements, *first = NULL;
    int err = lg_offer_index_init(&x, v, in->parts.nstatements);
    for (size_t i = 0; i < x.n && err == 0; i++) {
        const struct lg_offer_part *part = x.by_leaf[i];
        if (first != NULL && lg_hash_eq(&first->leaf, &part->leaf)) {
            in->copies[in->ncopies++] =
                (struct lg_intake_copy){.index = (unsigned)(part - v), .of = (unsigned)(first - v)};
        } else {
            first = part;
            err = take_statement(in, offer, part);
        }
    }
    lg_offer_index_fini(&x);
    return err;
}

static int take_statements(struct lg_intake *in, struct lg_offer *offer)
{
    size_t n = in->parts.nstatements;
    if (n > UINT32_MAX) {
        return SG_ESHAPE;
    }
    offer->nstatements = (unsigned)n;
    offer->rejected = calloc(n + 1, sizeof *offer->rejected);
    in->statements = calloc(n + 1, sizeof *in->statements);
    in->copies = calloc(n + 1, sizeof *in->copies);
    in->added = calloc(n + 1, sizeof *in->added);
    if (offer->rejected == NULL || in->statements == NULL || in->copies == NULL || in->added == NULL) {
        return SG_ENOMEM;
    }
    int err = take_distinct(in, offer);
    qsort(in->statements, in->nstatements, sizeof *in->statements, by_place);
    return err;
}

int lg_intake_settle_copies(const struct lg_intake *in, struct lg_offer *offer)
{
    if (in->ncopies == 0) {
        return 0;
    }
    int *fate = calloc(offer->nstatements, sizeof *fate);
    if (fate == NULL) {
        return SG_ENOMEM;
    }
    for (unsigned i = 0; i < offer->nrejected; i++) {
        fate[offer->rejected[i].index] = offer->rejected[i].err;
    }
    for (size_t i = 0; i < in->ncopies; i++) {
        const struct lg_intake_copy *c = &in->copies[i];
        if (fate[c->of] != 0) {
            lg_intake_reject(offer, c->index, fate[c->of]);
        } else {
            offer->known++;
        }
    }
    free(fate);
    return 0;
}

int lg_intake_parse(struct lg_intake *in, struct lg_offer *offer, const uint8_t *doc, size_t len)
{
    in->by_digest.seed = in->e->config.seed;
    int err = lg_offer_split(&in->parts, doc, len);
    if (err == 0) {
        err = lg_offer_index_init(&in->offered, in->parts.bodies, in->parts.nbodies);
    }
    return err != 0 ? err : take_statements(in, offer);
}

void lg_intake_fini(struct lg_intake *in)
{
    for (size_t i = 0; i < in->nbodies; i++) {
        free_body(in->bodies[i]);
    }
    for (size_t i = 0; i < in->nstatements; i++) {
        lg_statement_free(in->statements[i].s);
    }
    free(in->bodies);
    free(in->statements);
    free(in->copies);
    free(in->added);
    free(in->added_bodies);
    lg_map_fini(&in->by_digest);
    lg_offer_index_fini(&in->offered);
    lg_offer_parts_fini(&in->parts);
}

int lg_intake_offered(struct lg_intake *in, struct lg_intake_body **out, const struct lg_hash *digest)
{
    *out = lg_map_get(&in->by_digest, digest);
    if (*out != NULL) {
        return 0;
    }
    const struct lg_offer_part *part = lg_offer_index_find(&in->offered, digest);
    return part == NULL ? SG_ENOT_FOUND : keep_body(in, out, digest, part->doc.p, part->doc.len);
}

int lg_intake_body(struct lg_intake *in, struct lg_intake_body **out, const struct lg_hash *digest)
{
    int err = lg_intake_offered(in, out, digest);
    if (err != SG_ENOT_FOUND) {
        return err;
    }
    const struct lg_store *store = in->e->store;
    struct sg_buf doc;
    sg_buf_init(&doc, SIZE_MAX);
    err = store->body_doc(store->ctx, &doc, digest);
    if (err == 0) {
        err = sg_buf_err(&doc);
    }
    if (err == 0) {
        err = keep_body(in, out, digest, doc.p, doc.len);
    }
    if (err == 0 && (*out)->err != 0) {
        err = SG_ECORRUPT;
    }
    if (err == 0) {
        (*out)->judged = true; /* it was judged before it was stored */
    }
    sg_buf_fini(&doc);
    return err;
}
