#include "block_maker.h"
#include "vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

void maker_init(struct maker *m)
{
    json_t *doc = vec_load("chain.json");

    m->g = vec_genesis(vec_get(doc, "genesis"));
    for (unsigned i = 0; i < MAKER_KEYS; i++) {
        uint8_t pub[SG_PUBLIC_KEY_BYTES];

        m->keys[i] = vec_key(i);
        sg_key_public(m->keys[i], pub);
        m->kids[i] = lg_kid_of_public(pub);
    }
    json_decref(doc);
}

void maker_fini(struct maker *m)
{
    for (unsigned i = 0; i < MAKER_KEYS; i++)
        sg_key_free(m->keys[i]);
    lg_genesis_free(m->g);
}

struct lg_body *maker_body(const struct maker *m, const char *relay, sg_minute min, unsigned seed)
{
    const struct lg_relay *r = lg_genesis_relay(m->g, relay, strlen(relay));
    struct lg_sample samples[6] = {{0}};
    unsigned n = 1 + seed % 6;
    struct lg_body *b = NULL;
    struct sg_buf out;

    assert_non_null(r);
    for (unsigned i = 0; i < n; i++) {
        samples[i].t_ms = (uint16_t)(i * 10000);
        samples[i].qual = 0x8000;
        samples[i].have = (UINT64_C(1) << r->profile->npoints) - 1;
        for (unsigned k = 0; k < r->profile->npoints; k++)
            samples[i].x[k] = (int64_t)((seed * 2654435761u + i * 40503u + k * 977u) % 100000);
    }
    sg_buf_init(&out, 1 << 20);
    assert_code(lg_body_encode(&out, r, min, seed, samples, n, NULL, 0), 0);
    assert_code(lg_body_decode(&b, out.p, out.len), 0);
    sg_buf_fini(&out);
    return b;
}

struct lg_statement *maker_sign(const struct maker *m, unsigned gw, const struct lg_statement *parts)
{
    struct lg_statement *s = NULL;
    struct sg_buf out;

    sg_buf_init(&out, 32 << 20);
    assert_code(lg_statement_encode(&out, parts, m->keys[gw]), 0);
    assert_code(lg_statement_decode(&s, out.p, out.len), 0);
    sg_buf_fini(&out);
    return s;
}

struct lg_statement *maker_statement(const struct maker *m, unsigned gw, const struct lg_statement *last,
    const struct lg_hash *tip, sg_minute slot, struct lg_body *const *bodies, unsigned nbodies)
{
    struct lg_read *reads = calloc(nbodies ? nbodies : 1, sizeof *reads);
    struct lg_statement parts = {.gw = m->kids[gw],
        .inc = last ? last->inc : m->g->time,
        .seq = last ? last->seq + 1 : 1,
        .slot = slot,
        .ts = (slot + 1) * SG_MINUTE_MS + 100,
        .prev = last ? last->leaf : m->g->id,
        .tip = *tip,
        .nreads = nbodies,
        .reads = reads};
    struct lg_statement *s;

    assert_non_null(reads);
    for (unsigned i = 0; i < nbodies; i++)
        reads[i] = (struct lg_read){
            bodies[i]->relay, bodies[i]->min, bodies[i]->digest, (uint8_t)bodies[i]->nsamples};
    s = maker_sign(m, gw, &parts);
    free(reads);
    return s;
}

/* The header's nonce and hash that do the work, and its signature. */
static void mine(const struct maker *m, unsigned miner, struct lg_header *h, struct sg_buf *doc, uint8_t *sig)
{
    struct sg_buf text;

    assert_code(lg_work_search(&h->nonce, h, 0, UINT64_C(1) << 32), 0);
    lg_header_encode(doc, h);
    sg_buf_init(&text, 4096);
    lg_header_signed_bytes(&text, doc->p, doc->len);
    assert_code(sg_buf_err(&text), 0);
    assert_code(sg_key_sign(m->keys[miner], sig, text.p, text.len), 0);
    sg_buf_fini(&text);
}

struct lg_block *maker_block(const struct maker *m, const struct maker_parts *p)
{
    struct lg_header h = {.bits = m->g->bits,
        .chain = m->g->id,
        .prev = p->parent->hash,
        .height = p->parent->height + 1,
        .leaves = p->nstatements + p->nbodies,
        .miner_kid = m->kids[p->miner],
        .slot = p->slot,
        .weight = p->weight};
    size_t n = p->nstatements + p->nbodies;
    struct lg_hash *leaves = calloc(n + 1, sizeof *leaves);
    struct lg_slice *docs = calloc(n + 1, sizeof *docs);
    uint8_t sig[SG_SIGNATURE_BYTES];
    struct sg_buf header, out;
    struct lg_block *b = NULL;

    assert_true(leaves && docs);
    h.time = (p->slot + 1) * SG_MINUTE_MS + 1500;
    if (h.time <= p->parent->time)
        h.time = p->parent->time + 1;
    for (unsigned i = 0; i < p->nstatements; i++) {
        leaves[i] = p->statements[i]->leaf;
        docs[i] = (struct lg_slice){p->statements[i]->doc, p->statements[i]->doc_len};
    }
    for (unsigned i = 0; i < p->nbodies; i++) {
        leaves[p->nstatements + i] = p->bodies[i]->digest;
        docs[p->nstatements + i] = (struct lg_slice){p->bodies[i]->doc, p->bodies[i]->doc_len};
    }
    assert_code(lg_merkle_root(&h.root, leaves, n), 0);
    sg_buf_init(&header, 4096);
    sg_buf_init(&out, 64 << 20);
    mine(m, p->miner, &h, &header, sig);
    lg_block_encode(&out, (struct lg_slice){header.p, header.len}, sig, docs, p->nstatements,
        docs + p->nstatements, p->nbodies);
    assert_code(sg_buf_err(&out), 0);
    assert_code(lg_block_decode(&b, out.p, out.len), 0);
    sg_buf_fini(&header);
    sg_buf_fini(&out);
    free(leaves);
    free(docs);
    return b;
}

int maker_check(
    const struct lg_rules *r, const struct mem_tree *t, int tip, const struct lg_block *b, sg_ms now_ms)
{
    const struct lg_rules alone = {.genesis = r->genesis, .crypto = &sg_crypto_openssl};
    const struct lg_block_info *parent = mem_tree_info(t, tip);
    struct mem_branch branch = {t, tip};
    struct lg_block *ahead = NULL;
    struct lg_view view;

    mem_branch_view(&view, &branch);
    int err = lg_block_check(r, b, parent, &view, now_ms);
    assert_int_equal(lg_block_decode(&ahead, b->doc, b->doc_len), 0);
    lg_block_precheck(&alone, ahead);
    if (err == 0)
        assert_int_equal(ahead->passed,
            LG_PASSED_SEAL | LG_PASSED_ORDER | LG_PASSED_ROOT | LG_PASSED_SIGNATURES | LG_PASSED_BODIES);
    assert_code(lg_block_check(r, ahead, parent, &view, now_ms), err);
    lg_block_free(ahead);
    return err;
}
