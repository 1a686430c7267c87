/* Documents of those that do harm: well-formed ones, made by the public encoders and signed with their own key, that say what they want.
 *
 * Nothing here can sign for anybody else; what claims to be another's carries a signature of its own making. */
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>

static int statement_order(const void *a, const void *b)
{
    return lg_statement_cmp(*(const struct lg_statement *const *)a, *(const struct lg_statement *const *)b);
}

static int body_order(const void *a, const void *b)
{
    return lg_body_cmp(*(const struct lg_body *const *)a, *(const struct lg_body *const *)b);
}

static int64_t weigh(
    const struct sim *s, const struct lg_statement *const *v, unsigned n, const struct sim_block *parent)
{
    struct lg_block b = {.nstatements = n, .statements = (struct lg_statement *const *)v};
    return sim_weigh(s, &b, parent);
}

/* Documents in the order of a block, and their root. */
static struct lg_slice *arrange(const struct sim_forgery *f, struct lg_hash *root)
{
    unsigned n = f->nstatements + f->nbodies;
    const struct lg_statement **st = malloc((f->nstatements + 1) * sizeof(*st));
    const struct lg_body **bodies = malloc((f->nbodies + 1) * sizeof(*bodies));
    struct lg_slice *parts = malloc((n + 1) * sizeof *parts);
    struct lg_hash *leaves = malloc((n + 1) * sizeof *leaves);
    if (st == NULL || bodies == NULL || parts == NULL || leaves == NULL)
        abort();
    memcpy(st, f->statements, f->nstatements * sizeof(*st));
    if (f->nbodies > 0)
        memcpy(bodies, f->bodies, f->nbodies * sizeof(*bodies));
    qsort(st, f->nstatements, sizeof(*st), statement_order);
    qsort(bodies, f->nbodies, sizeof(*bodies), body_order);
    for (unsigned i = 0; i < n; i++) {
        bool is_st = i < f->nstatements;
        const struct lg_body *b = is_st ? NULL : bodies[i - f->nstatements];
        parts[i] =
            is_st ? (struct lg_slice){st[i]->doc, st[i]->doc_len} : (struct lg_slice){b->doc, b->doc_len};
        leaves[i] = is_st ? st[i]->leaf : b->digest;
    }
    if (lg_merkle_root(root, leaves, n) != 0)
        abort();
    free(st);
    free(bodies);
    free(leaves);
    return parts;
}

struct sim_doc *sim_forge_block(struct sim *s, const struct sim_forgery *f)
{
    struct lg_hash root;
    struct lg_slice *parts = arrange(f, &root);
    struct lg_header h = {.bits = s->g->bits,
        .chain = s->g->id,
        .prev = f->parent == NULL ? s->g->id : f->parent->info.hash,
        .root = root,
        .height = (f->parent == NULL ? 0 : f->parent->info.height) + 1,
        .leaves = (int64_t)f->nstatements + f->nbodies,
        .miner_is_kid = true,
        .miner_kid = f->miner != 0 ? f->miner : s->g->gateways[f->by].id,
        .nonce = (int64_t)sim_below(&s->rng, 1000),
        .slot = f->slot,
        .time = f->time,
        .weight = weigh(s, f->statements, f->nstatements, f->parent) + f->more_weight};
    uint8_t sig[SG_SIGNATURE_BYTES];
    struct sg_buf header, message, block;
    h.root.b[5] ^= f->bad_root;
    sg_buf_init(&header, SIZE_MAX);
    sg_buf_init(&message, SIZE_MAX);
    sg_buf_init(&block, SIZE_MAX);
    lg_header_encode(&header, &h);
    lg_header_signed_bytes(&message, header.p, header.len);
    sim_sign(s, f->by, sig, message.p, message.len);
    sig[9] ^= f->bad_signature;
    lg_block_encode(&block, (struct lg_slice){header.p, header.len}, sig, parts, f->nstatements,
        parts + f->nstatements, f->nbodies);
    struct lg_hash hash;
    lg_header_hash(&hash, header.p, header.len);
    struct sim_doc *d = sim_judge_intern(s, &hash, block.p, block.len);
    sg_buf_fini(&header);
    sg_buf_fini(&message);
    sg_buf_fini(&block);
    free(parts);
    return d;
}

struct signer {
    struct sim *s;
    unsigned m;
};

static int sign_as(void *ctx, uint8_t sig[static SG_SIGNATURE_BYTES], const void *msg, size_t len)
{
    const struct signer *who = ctx;
    return sim_sign(who->s, who->m, sig, msg, len);
}

/* by has no other key, whoever it speaks for. */
static struct lg_statement *sign_statement(struct sim *s, const struct lg_statement *st, unsigned by)
{
    struct signer who = {s, by};
    struct lg_statement *out = NULL;
    struct sg_buf doc;
    sg_buf_init(&doc, SIZE_MAX);
    if (lg_statement_encode_with(&doc, st, sign_as, &who) == 0 &&
        lg_statement_decode(&out, doc.p, doc.len) != 0)
        abort();
    sg_buf_fini(&doc);
    return out;
}

struct lg_statement *sim_forge_statement(struct sim *s, const struct sim_forged_statement *f)
{
    const struct lg_statement_ref *last = f->parent == NULL ? NULL : &f->parent->last[f->gw];
    bool goes_on = last != NULL && last->seq > 0 && !f->new_inc;
    struct lg_statement st = {.gw = s->g->gateways[f->gw].id,
        .inc = goes_on ? last->inc : f->ts,
        .seq = goes_on ? last->seq + 1 : 1,
        .prev = goes_on ? last->leaf : s->g->id,
        .slot = f->slot,
        .ts = f->ts,
        .tip = f->parent == NULL ? s->g->id : f->parent->info.hash,
        .reads = f->read,
        .nreads = f->read != NULL};
    return sign_statement(s, &st, f->by);
}

struct lg_statement *sim_forge_variant(struct sim *s, const struct lg_statement *real, unsigned by)
{
    struct lg_statement st = *real;
    st.ts += sim_between(&s->rng, 0, 3);
    return sign_statement(s, &st, by);
}
