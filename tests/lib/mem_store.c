/* Maps and arrays that mean what ledger/store.c means, with an undo log in place of a database's transactions.
 *
 * Every change is one primitive with its reverse; rollback runs the reverses backwards. Documents are never forgotten but by
 * undoing the transaction that brought them. */
#include "tests/lib/mem_store_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- failures ---- */

int mem_enter(struct mem_store *s)
{
    if (s->peeking)
        return 0;
    s->calls++;
    if (s->fail_at != 0 && (s->calls == s->fail_at || (s->fail_forever && s->calls > s->fail_at))) {
        s->failures++;
        return s->fail_err;
    }
    return 0;
}

void *mem_must(void *p)
{
    if (p == NULL)
        abort();
    return p;
}

void mem_must_put(struct lg_map *m, const struct lg_hash *key, void *value)
{
    if (lg_map_put(m, key, value) != 0)
        abort();
}

unsigned mem_gw_index(const struct mem_store *s, lg_kid gw)
{
    const struct lg_gateway *p = lg_genesis_gateway(s->g, gw);
    assert(p != NULL);
    return (unsigned)(p - s->g->gateways);
}

struct lg_hash mem_seq_key(lg_kid gw, sg_ms inc, int64_t seq)
{
    struct lg_hash k = {{0}};
    uint64_t mixed =
        gw ^ (uint64_t)inc * UINT64_C(0x9E3779B97F4A7C15) ^ (uint64_t)seq * UINT64_C(0xC2B2AE3D27D4EB4F);
    sg_put_be64(k.b, gw);
    sg_put_be64(k.b + 8, mixed ^ mixed >> 29);
    sg_put_be64(k.b + 16, (uint64_t)inc);
    sg_put_be64(k.b + 24, (uint64_t)seq);
    return k;
}

/* ---- primitives and their reverses ---- */

struct mem_undo *mem_log_undo(struct mem_store *s, enum mem_undo_kind kind)
{
    assert(s->writing);
    if (s->nundo == s->cap_undo) {
        s->cap_undo = s->cap_undo == 0 ? 64 : s->cap_undo * 2;
        s->undo = mem_must(realloc(s->undo, s->cap_undo * sizeof *s->undo));
    }
    struct mem_undo *u = &s->undo[s->nundo++];
    *u = (struct mem_undo){.kind = kind};
    return u;
}

static void track_pooled(struct mem_store *s, struct mem_doc *d)
{
    if (d->mark == LG_DOC_POOLED && d->height == 0)
        mem_must_put(&s->pooled, &d->leaf, d);
    else
        (void)lg_map_remove(&s->pooled, &d->leaf);
}

void mem_set_state(struct mem_store *s, struct mem_doc *d, enum lg_doc_state mark, int64_t height)
{
    struct mem_undo *u = mem_log_undo(s, UNDO_MARK);
    u->doc = d;
    u->mark = d->mark;
    u->height = d->height;
    d->mark = mark;
    d->height = height;
    track_pooled(s, d);
}

struct mem_doc *mem_find(struct mem_store *s, bool is_body, const struct lg_hash *leaf)
{
    return lg_map_get(is_body ? &s->bodies : &s->statements, leaf);
}

static struct mem_doc *new_doc(struct mem_store *s, bool is_body, const struct lg_hash *leaf,
    const uint8_t *p, size_t len, enum lg_doc_state mark)
{
    struct mem_doc *d = mem_must(calloc(1, sizeof *d));
    d->is_body = is_body;
    d->leaf = *leaf;
    d->p = mem_must(malloc(len));
    memcpy(d->p, p, len);
    d->len = len;
    d->mark = mark;
    mem_must_put(is_body ? &s->bodies : &s->statements, leaf, d);
    track_pooled(s, d);
    mem_log_undo(s, UNDO_DOC)->doc = d;
    return d;
}

void mem_add_statement(struct mem_store *s, const struct lg_statement *st, enum lg_doc_state mark)
{
    if (mem_find(s, false, &st->leaf) != NULL)
        return;
    struct mem_doc *d = new_doc(s, false, &st->leaf, st->doc, st->doc_len, mark);
    d->st = (struct lg_statement_ref){
        .gw = st->gw, .inc = st->inc, .seq = st->seq, .slot = st->slot, .ts = st->ts, .leaf = st->leaf};
    struct lg_hash key = mem_seq_key(st->gw, st->inc, st->seq);
    d->variant = lg_map_get(&s->by_seq, &key);
    mem_must_put(&s->by_seq, &key, d);
    unsigned g = mem_gw_index(s, st->gw);
    if (d->variant != NULL && d->variant->variant == NULL && s->gw[g].evidence < MAX_EVIDENCE) {
        s->gw[g].evidence++;
        s->undo[s->nundo - 1].evidence_gw = g + 1;
    }
}

void mem_add_body(struct mem_store *s, const struct lg_body *b, enum lg_doc_state mark)
{
    if (mem_find(s, true, &b->digest) != NULL)
        return;
    struct mem_doc *d = new_doc(s, true, &b->digest, b->doc, b->doc_len, mark);
    assert(b->relay.len < sizeof d->body.relay);
    memcpy(d->body.relay, b->relay.p, b->relay.len);
    d->body.min = b->min;
}

static void undo_doc(struct mem_store *s, struct mem_undo *u)
{
    struct mem_doc *d = u->doc;
    (void)lg_map_remove(d->is_body ? &s->bodies : &s->statements, &d->leaf);
    (void)lg_map_remove(&s->pooled, &d->leaf);
    if (!d->is_body) {
        struct lg_hash key = mem_seq_key(d->st.gw, d->st.inc, d->st.seq);
        (void)lg_map_remove(&s->by_seq, &key);
        if (d->variant != NULL)
            mem_must_put(&s->by_seq, &key, d->variant);
    }
    if (u->evidence_gw > 0)
        s->gw[u->evidence_gw - 1].evidence--;
    free(d->p);
    free(d);
}

struct mem_block **mem_children_of(struct mem_store *s, const struct lg_hash *prev)
{
    if (lg_hash_eq(prev, &s->g->id))
        return &s->root_child;
    struct mem_block *parent = lg_map_get(&s->blocks, prev);
    return parent == NULL ? NULL : &parent->child;
}

void mem_push_best(struct mem_store *s, struct mem_block *b)
{
    if (s->nbest == s->cap_best) {
        s->cap_best = s->cap_best == 0 ? 64 : s->cap_best * 2;
        s->best = mem_must(realloc(s->best, s->cap_best * sizeof(*s->best)));
    }
    s->best[s->nbest++] = b;
    b->best = true;
}

void mem_pop_best(struct mem_store *s)
{
    s->best[--s->nbest]->best = false;
}

void mem_push_mined(struct mem_store *s, unsigned gw, const struct lg_statement_ref *ref)
{
    struct mem_gateway *g = &s->gw[gw];
    if (g->n == g->cap) {
        g->cap = g->cap == 0 ? 16 : g->cap * 2;
        g->mined = mem_must(realloc(g->mined, g->cap * sizeof *g->mined));
    }
    g->mined[g->n++] = *ref;
}

static void undo_one(struct mem_store *s, struct mem_undo *u)
{
    switch (u->kind) {
    case UNDO_DOC:
        undo_doc(s, u);
        break;
    case UNDO_MARK:
        u->doc->mark = u->mark;
        u->doc->height = u->height;
        track_pooled(s, u->doc);
        break;
    case UNDO_BLOCK: {
        struct mem_block **at = mem_children_of(s, &u->block->info.prev);
        assert(*at == u->block);
        *at = u->block->sibling;
        (void)lg_map_remove(&s->blocks, &u->block->info.hash);
        free(u->block->p);
        free(u->block);
        break;
    }
    case UNDO_PUSH:
        mem_pop_best(s);
        break;
    case UNDO_POP:
        mem_push_best(s, u->block);
        break;
    case UNDO_MINED:
        s->gw[u->gw].n--;
        break;
    case UNDO_UNMINED:
        mem_push_mined(s, u->gw, &u->ref);
        break;
    }
}

void mem_undo_to(struct mem_store *s, size_t mark)
{
    while (s->nundo > mark)
        undo_one(s, &s->undo[--s->nundo]);
    s->mark = mark;
    s->writing = false;
}

/* ---- the object ---- */

struct mem_store *mem_store_new(const struct lg_genesis *g)
{
    struct mem_store *s = mem_must(calloc(1, sizeof *s));
    s->g = g;
    s->vtable.ctx = s;
    mem_fill_read(&s->vtable);
    mem_fill_write(&s->vtable);
    return s;
}

static void free_docs(struct lg_map *m)
{
    for (size_t i = 0; i < m->cap; i++) {
        struct mem_doc *d = m->slots[i].value;
        if (d != NULL)
            free(d->p);
        free(d);
    }
    lg_map_fini(m);
}

void mem_store_free(struct mem_store *s)
{
    if (s == NULL)
        return;
    free_docs(&s->statements);
    free_docs(&s->bodies);
    lg_map_fini(&s->by_seq);
    lg_map_fini(&s->pooled);
    for (size_t i = 0; i < s->blocks.cap; i++) {
        struct mem_block *b = s->blocks.slots[i].value;
        if (b != NULL)
            free(b->p);
        free(b);
    }
    lg_map_fini(&s->blocks);
    for (unsigned i = 0; i < LG_MAX_GATEWAYS; i++)
        free(s->gw[i].mined);
    free(s->best);
    free(s->undo);
    free(s);
}

const struct lg_store *mem_store_vtable(struct mem_store *s)
{
    return &s->vtable;
}

void mem_store_fail(struct mem_store *s, uint64_t n, int err, bool forever)
{
    s->calls = 0;
    s->failures = 0;
    s->fail_at = n;
    s->fail_err = err;
    s->fail_forever = forever;
}

uint64_t mem_store_calls(const struct mem_store *s)
{
    return s->calls;
}

uint64_t mem_store_failures(const struct mem_store *s)
{
    return s->failures;
}

uint64_t mem_store_commits(const struct mem_store *s)
{
    return s->commits;
}

void mem_store_crash(struct mem_store *s)
{
    mem_undo_to(s, 0);
    s->lazy = s->lazy && !s->retries;
}

unsigned mem_store_evidence(const struct mem_store *s, lg_kid gw)
{
    return s->gw[mem_gw_index(s, gw)].evidence;
}

bool mem_store_in_transaction(const struct mem_store *s)
{
    return s->writing;
}
