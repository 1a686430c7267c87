/* The rules of a header on its parent, and which of two branches is better. */
#include "ledger/core/validity.h"
#include "ledger/core/validity_parts.h"
#include "sg_hash.h"

void lg_block_info_genesis(struct lg_block_info *out, const struct lg_genesis *g)
{
    /* block 1 may have any slot from the genesis minute on and any later time */
    *out = (struct lg_block_info){.hash = g->id, .prev = g->id, .slot = g->minute - 1, .time = g->time};
}

void lg_block_info_of(struct lg_block_info *out, const struct lg_block *b, const struct lg_block_info *parent)
{
    *out = (struct lg_block_info){.hash = b->hash,
        .prev = b->header.prev,
        .height = b->header.height,
        .slot = b->header.slot,
        .time = b->header.time,
        .miner = b->header.miner_kid,
        .weight = b->header.weight,
        .weight_sum = parent->weight_sum + b->header.weight};
}

/* Placement on the parent: what needs no cryptography. */
int lg_header_check_place(
    const struct lg_genesis *g, const struct lg_header *h, const struct lg_block_info *parent)
{
    if (!lg_hash_eq(&h->chain, &g->id))
        return SG_ECHAIN;
    if (h->height != parent->height + 1)
        return SG_EHEIGHT;
    if (!lg_hash_eq(&h->prev, &parent->hash))
        return SG_EPREV;
    if (h->bits != g->bits)
        return SG_EBITS;
    if (h->slot <= parent->slot)
        return SG_ESLOT;
    if (h->time <= parent->time || h->time < (h->slot + 1) * SG_MINUTE_MS)
        return SG_ETIME;
    return 0;
}

static void seal_key(struct lg_hash *key, const struct lg_hash *hash, const uint8_t *sig)
{
    struct sg_sha256 h;

    sg_sha256_init(&h);
    sg_sha256_update(&h, hash->b, sizeof hash->b);
    sg_sha256_update(&h, sig, SG_SIGNATURE_BYTES);
    sg_sha256_final(&h, key->b);
}

static int verify_seal(
    const struct lg_rules *r, const struct lg_gateway *gw, struct lg_slice header_doc, const uint8_t *sig)
{
    struct sg_buf text;
    int err;

    sg_buf_init(&text, SIZE_MAX / 4);
    lg_header_signed_bytes(&text, header_doc.p, header_doc.len);
    err = sg_buf_err(&text);
    if (err == 0)
        err = r->crypto->verify(gw->key, sig, text.p, text.len);
    sg_buf_fini(&text);
    return err;
}

int lg_header_check_seal(const struct lg_rules *r, const struct lg_header *h, const struct lg_hash *hash,
    struct lg_slice header_doc, const uint8_t *sig)
{
    const struct lg_gateway *gw = h->miner_is_kid ? lg_genesis_gateway(r->genesis, h->miner_kid) : NULL;
    struct lg_hash key;
    int err;

    if (!gw || !gw->mine)
        return SG_EMINER;
    if (!lg_work_meets(hash, r->genesis->bits))
        return SG_EWORK;
    if (!r->seals.has)
        return verify_seal(r, gw, header_doc, sig);
    seal_key(&key, hash, sig);
    if (r->seals.has(r->seals.ctx, &key))
        return 0;
    err = verify_seal(r, gw, header_doc, sig);
    if (err == 0)
        r->seals.add(r->seals.ctx, &key);
    return err;
}

int lg_header_check(const struct lg_rules *r, const struct lg_header *h, const struct lg_hash *hash,
    struct lg_slice header_doc, const uint8_t *sig, const struct lg_block_info *parent, sg_ms now_ms)
{
    int err = lg_header_check_place(r->genesis, h, parent);

    if (err == 0)
        err = lg_header_check_seal(r, h, hash, header_doc, sig);
    return err == 0 ? lg_header_check_time(h, now_ms) : err;
}

int lg_header_check_time(const struct lg_header *h, sg_ms now_ms)
{
    /* time >= the slot's end: one comparison for both */
    return now_ms >= 0 && h->time > now_ms ? SG_EFUTURE : 0;
}

/* At the first block that differs: lower rank, then lower hash. */
static int fork_cmp(const struct lg_block_info *a, const struct lg_block_info *b)
{
    struct lg_hash ra, rb;
    int cmp;

    lg_rank(&ra, &a->prev, a->slot, a->miner);
    lg_rank(&rb, &b->prev, b->slot, b->miner);
    cmp = lg_hash_cmp(&ra, &rb);
    return cmp ? cmp : lg_hash_cmp(&a->hash, &b->hash);
}

int lg_branch_cmp(const struct lg_block_info *a, const struct lg_block_info *fa,
    const struct lg_block_info *b, const struct lg_block_info *fb)
{
    if (lg_hash_eq(&a->hash, &b->hash))
        return 0;
    if (a->weight_sum != b->weight_sum)
        return a->weight_sum > b->weight_sum ? -1 : 1;
    if (a->height != b->height)
        return a->height > b->height ? -1 : 1;
    return fork_cmp(fa, fb);
}
