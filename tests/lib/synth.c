#include "synth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "sg_regmap.h"
#include "tests/lib/vectors.h"

void synth_init(struct synth *s, const struct lg_genesis *g)
{
    s->g = g;
    assert_int_equal(g->ngateways, SYNTH_GATEWAYS);
    for (unsigned n = 0; n < SYNTH_GATEWAYS; n++) {
        uint8_t pub[SG_PUBLIC_KEY_BYTES];
        struct sg_key *key = vec_key(n);
        sg_key_public(key, pub);
        const struct lg_gateway *gw = lg_genesis_gateway(g, lg_kid_of_public(pub));
        assert_non_null(gw);
        s->keys[gw - g->gateways] = key;
    }
}

void synth_fini(struct synth *s)
{
    for (unsigned n = 0; n < SYNTH_GATEWAYS; n++)
        sg_key_free(s->keys[n]);
}

static struct lg_body *make_body(const struct synth *s, unsigned relay, sg_minute min, int64_t variant,
    const struct lg_event *events, unsigned n)
{
    struct sg_buf doc;
    struct lg_body *body = NULL;
    struct lg_sample sample = {.t_ms = 0, .qual = SG_QUAL_VALID, .have = 1};
    sample.x[0] = variant;
    sg_buf_init(&doc, 1u << 16);
    assert_code(lg_body_encode(&doc, &s->g->relays[relay], min, 0, &sample, 1, events, n), 0);
    assert_code(lg_body_decode(&body, doc.p, doc.len), 0);
    sg_buf_fini(&doc);
    return body;
}

struct lg_body *synth_body(const struct synth *s, unsigned relay, sg_minute min, int64_t variant)
{
    return make_body(s, relay, min, variant, NULL, 0);
}

struct lg_body *synth_big_body(const struct synth *s, unsigned relay, sg_minute min, int64_t variant)
{
    struct lg_event events[LG_MAX_EVENTS];
    for (unsigned i = 0; i < LG_MAX_EVENTS; i++)
        events[i] = (struct lg_event){
            (uint16_t)(59000 + i), UINT16_MAX, UINT16_MAX, UINT32_MAX, UINT16_MAX, UINT32_MAX, UINT16_MAX};
    return make_body(s, relay, min, variant, events, LG_MAX_EVENTS);
}

struct lg_statement *synth_statement(const struct synth *s, unsigned gw, sg_ms inc, int64_t seq,
    const struct lg_hash *tip, struct lg_body *const *reads, unsigned nreads, uint8_t live)
{
    struct lg_read list[16];
    struct sg_buf doc;
    struct lg_statement *out = NULL;
    assert_true(nreads <= SG_ARRAY_LEN(list));
    for (unsigned i = 0; i < nreads; i++)
        list[i] = (struct lg_read){reads[i]->relay, reads[i]->min, reads[i]->digest, live};
    /* at least the newest minute that it reads */
    const sg_minute slot = s->g->minute + seq, newest = nreads > 0 ? reads[nreads - 1]->min : slot;
    const struct lg_statement x = {.gw = s->g->gateways[gw].id,
        .inc = inc,
        .seq = seq,
        .slot = slot > newest ? slot : newest,
        .ts = ((slot > newest ? slot : newest) + 1) * SG_MINUTE_MS + 1,
        .prev = s->g->id,
        .tip = *tip,
        .nreads = nreads,
        .reads = list};
    sg_buf_init(&doc, 1u << 20);
    assert_code(lg_statement_encode(&doc, &x, s->keys[gw]), 0);
    assert_code(lg_statement_decode(&out, doc.p, doc.len), 0);
    sg_buf_fini(&doc);
    return out;
}

struct lg_block *synth_block(const struct synth *s, struct lg_block_info *info,
    const struct lg_block_info *prev, struct lg_statement *const *statements, unsigned ns,
    struct lg_body *const *bodies, unsigned nb)
{
    static const uint8_t sig[SG_SIGNATURE_BYTES];
    struct lg_slice st[64], bo[64];
    struct sg_buf header, doc;
    struct lg_block *out = NULL;
    const struct lg_header h = {.bits = s->g->bits,
        .chain = s->g->id,
        .prev = prev->hash,
        .height = prev->height + 1,
        .leaves = ns + nb,
        .miner_is_kid = true,
        .miner_kid = s->g->gateways[0].id,
        .slot = prev->slot + 1,
        .time = (prev->slot + 2) * SG_MINUTE_MS,
        .weight = ns};
    assert_true(ns <= SG_ARRAY_LEN(st) && nb <= SG_ARRAY_LEN(bo));
    for (unsigned i = 0; i < ns; i++)
        st[i] = (struct lg_slice){statements[i]->doc, statements[i]->doc_len};
    for (unsigned i = 0; i < nb; i++)
        bo[i] = (struct lg_slice){bodies[i]->doc, bodies[i]->doc_len};
    sg_buf_init(&header, 1u << 12);
    sg_buf_init(&doc, 1u << 22);
    lg_header_encode(&header, &h);
    lg_block_encode(&doc, (struct lg_slice){header.p, header.len}, sig, st, ns, bo, nb);
    assert_code(sg_buf_err(&doc), 0);
    assert_code(lg_block_decode(&out, doc.p, doc.len), 0);
    lg_block_info_of(info, out, prev);
    sg_buf_fini(&header);
    sg_buf_fini(&doc);
    return out;
}
