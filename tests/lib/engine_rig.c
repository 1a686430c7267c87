#include "tests/lib/engine_rig.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* ---- the host ---- */

static struct rig_note *note(struct rig *r, enum rig_kind kind, int from)
{
    assert_false(mem_store_in_transaction(r->store));
    assert_true(r->nnotes < RIG_LOG);
    struct rig_note *n = &r->notes[r->nnotes++];
    *n = (struct rig_note){.kind = kind, .from = from};
    return n;
}

static void work(void *ctx, const struct lg_job *job)
{
    struct rig *r = ctx;
    note(r, RIG_WORK, -1);
    r->job = *job;
    r->working = true;
}

static void work_stop(void *ctx)
{
    struct rig *r = ctx;
    note(r, RIG_STOP, -1);
    r->working = false;
}

static void announce_block(void *ctx, const struct lg_block *b, int from)
{
    struct rig_note *n = note(ctx, RIG_BLOCK, from);
    n->hash = b->hash;
    n->doc = malloc(b->doc_len);
    assert_non_null(n->doc);
    memcpy(n->doc, b->doc, b->doc_len);
    n->len = b->doc_len;
}

static void announce_statements(void *ctx, struct lg_statement *const *s, unsigned n,
    struct lg_body *const *bodies, unsigned nb, int from)
{
    struct rig_note *x = note(ctx, RIG_STATEMENTS, from);
    struct sg_buf doc;
    sg_buf_init(&doc, SIZE_MAX);
    make_offer(&doc, (const struct lg_statement *const *)s, n, (const struct lg_body *const *)bodies, nb);
    x->hash = s[0]->leaf;
    x->n = n;
    x->nb = nb;
    x->doc = sg_buf_take(&doc, &x->len);
}

static void want_block(void *ctx, const struct lg_hash *hash, int from)
{
    note(ctx, RIG_WANT, from)->hash = *hash;
}

static void event(void *ctx, const struct lg_event_msg *e)
{
    note(ctx, RIG_EVENT, -1)->event = *e;
}

static int sign(void *ctx, uint8_t sig[static SG_SIGNATURE_BYTES], const void *msg, size_t len)
{
    struct rig *r = ctx;
    chain_maker_sign(r->maker, sig, r->gw, msg, len);
    return 0;
}

/* ---- the rig ---- */

static void open_engine(struct rig *r)
{
    struct lg_engine_config c = {.genesis = r->maker->g,
        .crypto = r->maker->crypto,
        .store = r->vtable,
        .host = &r->host,
        .seed = RIG_SEED,
        .max_side_bytes = r->max_side_bytes,
        .has_key = r->gw != UINT_MAX,
        .kid = r->gw != UINT_MAX ? chain_maker_kid(r->maker, r->gw) : 0};
    assert_int_equal(lg_engine_pow.open(&r->engine, &c), 0);
}

struct rig *rig_new(struct maker *m, unsigned gw)
{
    struct rig *r = calloc(1, sizeof *r);
    assert_non_null(r);
    r->maker = m;
    r->gw = gw;
    r->store = mem_store_new(m->g);
    r->vtable = mem_store_vtable(r->store);
    r->host = (struct lg_host){.ctx = r,
        .work = work,
        .work_stop = work_stop,
        .announce_block = announce_block,
        .announce_statements = announce_statements,
        .want_block = want_block,
        .event = event,
        .sign = sign};
    open_engine(r);
    return r;
}

void rig_free(struct rig *r)
{
    rig_forget(r);
    lg_engine_pow.close(r->engine);
    mem_store_free(r->store);
    free(r);
}

void rig_begin(struct maker *m, struct rig **r, struct maker_config c)
{
    chain_maker_init(m, &c);
    *r = rig_new(m, UINT_MAX);
}

void rig_end(struct maker *m, struct rig *r)
{
    rig_free(r);
    chain_maker_fini(m);
}

sg_ms end_of(sg_minute slot)
{
    return (slot + 1) * SG_MINUTE_MS;
}

void rig_reopen(struct rig *r)
{
    lg_engine_pow.close(r->engine);
    r->engine = NULL;
    r->working = false;
    mem_store_crash(r->store);
    open_engine(r);
}

void rig_move(struct rig *r, const struct lg_store *vtable)
{
    lg_engine_pow.close(r->engine);
    r->engine = NULL;
    r->working = false;
    r->vtable = vtable;
    open_engine(r);
}

int rig_offer_block(struct rig *r, enum lg_block_verdict *verdict, const struct lg_block *b, sg_ms now)
{
    return lg_engine_pow.offer_block(r->engine, verdict, b->doc, b->doc_len, now, -1);
}

int rig_offer(struct rig *r, struct lg_offer *offer, const struct lg_statement *const *s, unsigned ns,
    const struct lg_body *const *b, unsigned nb, sg_ms now)
{
    struct sg_buf doc;
    sg_buf_init(&doc, SIZE_MAX);
    make_offer(&doc, s, ns, b, nb);
    int err = lg_engine_pow.offer_statements(r->engine, offer, doc.p, doc.len, now, -1);
    sg_buf_fini(&doc);
    return err != 0 ? err : offer->nrejected > 0 ? offer->rejected[0].err : 0;
}

int rig_say(
    struct rig *r, const struct lg_statement *s, const struct lg_body *const *b, unsigned nb, sg_ms now)
{
    struct lg_offer offer;
    int err = rig_offer(r, &offer, &s, 1, b, nb, now);
    if (err == 0 && offer.known == 1)
        err = SG_EKNOWN;
    lg_offer_fini(&offer);
    return err;
}

int rig_tick(struct rig *r, sg_ms now)
{
    return lg_engine_pow.tick(r->engine, now);
}

sg_ms rig_wake(const struct rig *r)
{
    return lg_engine_pow.wake_at(r->engine);
}

int rig_solve(struct rig *r, sg_ms now)
{
    int64_t nonce;
    assert_true(r->working);
    r->working = false;
    assert_int_equal(lg_work_search(&nonce, &r->job.header, 0, UINT64_C(1) << 24), 0);
    return lg_engine_pow.solved(r->engine, r->job.id, nonce, now);
}

struct lg_engine_state rig_state(const struct rig *r)
{
    struct lg_engine_state s;
    lg_engine_pow.state(r->engine, &s);
    return s;
}

bool rig_tip_is(const struct rig *r, const struct lg_hash *hash)
{
    struct lg_engine_state s = rig_state(r);
    return lg_hash_eq(&s.tip.hash, hash);
}

void rig_forget(struct rig *r)
{
    for (unsigned i = 0; i < r->nnotes; i++)
        free(r->notes[i].doc);
    r->nnotes = 0;
}

unsigned rig_count(const struct rig *r, enum rig_kind kind)
{
    unsigned n = 0;
    for (unsigned i = 0; i < r->nnotes; i++)
        n += r->notes[i].kind == kind;
    return n;
}

const struct rig_note *rig_last(const struct rig *r, enum rig_kind kind)
{
    for (unsigned i = r->nnotes; i-- > 0;)
        if (r->notes[i].kind == kind)
            return &r->notes[i];
    return NULL;
}

struct lg_block *rig_block_at(struct rig *r, int64_t height)
{
    const struct lg_store *s = r->vtable;
    struct lg_block_info info;
    struct lg_block *b;
    struct sg_buf doc;
    sg_buf_init(&doc, SIZE_MAX);
    assert_int_equal(s->block_at(s->ctx, &info, height), 0);
    assert_int_equal(s->block_bytes(s->ctx, &doc, &info.hash), 0);
    assert_int_equal(lg_block_decode(&b, doc.p, doc.len), 0);
    sg_buf_fini(&doc);
    return b;
}

enum lg_doc_state rig_statement_state(struct rig *r, const struct lg_statement *s)
{
    const struct lg_store *st = r->vtable;
    enum lg_doc_state state;
    assert_int_equal(st->statement_state(st->ctx, &state, NULL, &s->leaf), 0);
    return state;
}

enum lg_doc_state rig_body_state(struct rig *r, const struct lg_body *b)
{
    const struct lg_store *st = r->vtable;
    enum lg_doc_state state;
    assert_int_equal(st->body_state(st->ctx, &state, NULL, &b->digest), 0);
    return state;
}

bool block_has(const struct lg_block *b, const struct lg_statement *s)
{
    for (unsigned i = 0; i < b->nstatements; i++)
        if (lg_hash_eq(&b->statements[i]->leaf, &s->leaf))
            return true;
    return false;
}
