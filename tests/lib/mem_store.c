/* Maps and arrays that mean what ledger/store.c means, with an undo log in place of a database's transactions.
 *
 * Every change is one primitive with its reverse; rollback runs the reverses backwards. Documents are never forgotten but by
 * undoing the transaction that brought them, and with the side block that they came in (mem_store_side.c). */
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
    if (s->torn) {
        s->failures++;
        return SG_EIO;
    }
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

uint64_t mem_doc_fact(const struct mem_doc *d)
{
    return d->mark == LG_DOC_NONE ? 0 : mem_fact(&d->t->leaf, d->mark, (uint64_t)d->height);
}

/* It is pooled, or no longer. */
static void track_most(struct mem_gateway *g, const struct lg_statement_ref *st, bool pooled)
{
    if (g->most_known && pooled) {
        g->most_inc = st->inc > g->most_inc ? st->inc : g->most_inc;
        g->most_slot = st->slot > g->most_slot ? st->slot : g->most_slot;
    } else if (g->most_known && (st->inc >= g->most_inc || st->slot >= g->most_slot)) {
        g->most_known = false;
    }
}

static void track_pooled(struct mem_store *s, struct mem_doc *d)
{
    if (!d->t->is_body)
        track_most(
            &s->gw[mem_gw_index(s, d->t->st.gw)], &d->t->st, d->mark == LG_DOC_POOLED && d->height == 0);
    if (d->mark == LG_DOC_POOLED && d->height == 0)
        mem_must_put(&s->pooled, &d->t->leaf, d);
    else
        (void)lg_map_remove(&s->pooled, &d->t->leaf);
}

void mem_set_state(struct mem_store *s, struct mem_doc *d, enum lg_doc_state mark, int64_t height)
{
    struct mem_undo *u = mem_log_undo(s, UNDO_MARK);
    u->doc = d;
    u->mark = d->mark;
    u->height = d->height;
    s->facts -= mem_doc_fact(d);
    d->mark = mark;
    d->height = height;
    s->facts += mem_doc_fact(d);
    track_pooled(s, d);
}

struct mem_doc *mem_find(struct mem_store *s, bool is_body, const struct lg_hash *leaf)
{
    struct mem_text *t = lg_map_get(&s->shelf->texts, leaf);
    return t == NULL || t->is_body != is_body || t->at[s->number].mark == LG_DOC_NONE ? NULL
                                                                                      : &t->at[s->number];
}

/* The caller is a user of the text already. */
static void bring_in(struct mem_store *s, struct mem_text *t, enum lg_doc_state mark)
{
    struct mem_doc *d = &t->at[s->number];
    d->mark = mark;
    d->height = 0;
    d->arrival = ++s->arrivals;
    s->facts += mem_doc_fact(d);
    track_pooled(s, d);
    mem_log_undo(s, UNDO_DOC)->doc = d;
}

static unsigned variants_of(const struct mem_store *s, const struct mem_text *newest)
{
    unsigned n = 0;
    for (const struct mem_text *t = newest; t != NULL; t = t->variant)
        n += t->at[s->number].mark != LG_DOC_NONE;
    return n;
}

void mem_add_statement(struct mem_store *s, const struct lg_statement *st, enum lg_doc_state mark)
{
    if (mem_find(s, false, &st->leaf) != NULL)
        return;
    struct lg_hash key = mem_shelf_seq_key(st->gw, st->inc, st->seq);
    bring_in(s, mem_shelf_statement(s->shelf, st), mark);
    unsigned g = mem_gw_index(s, st->gw);
    if (variants_of(s, lg_map_get(&s->shelf->by_seq, &key)) == 2 && s->gw[g].evidence < MAX_EVIDENCE) {
        s->gw[g].evidence++;
        s->undo[s->nundo - 1].evidence_gw = g + 1;
    }
}

void mem_add_body(struct mem_store *s, const struct lg_body *b, enum lg_doc_state mark)
{
    if (mem_find(s, true, &b->digest) == NULL)
        bring_in(s, mem_shelf_body(s->shelf, b), mark);
}

static void take_out(struct mem_store *s, struct mem_doc *d)
{
    d->mark = LG_DOC_NONE;
    d->height = 0;
    mem_shelf_drop_text(s->shelf, (struct mem_text *)(uintptr_t)d->t);
}

static void undo_doc(struct mem_store *s, struct mem_undo *u)
{
    (void)lg_map_remove(&s->pooled, &u->doc->t->leaf);
    if (!u->doc->t->is_body)
        s->gw[mem_gw_index(s, u->doc->t->st.gw)].most_known = false;
    s->facts -= mem_doc_fact(u->doc);
    if (u->evidence_gw > 0)
        s->gw[u->evidence_gw - 1].evidence--;
    take_out(s, u->doc);
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
    s->gw[mem_gw_index(s, b->page->info.miner)].side_bytes -= b->bytes;
    s->facts += mem_fact(&b->page->info.hash, 101, s->nbest);
}

void mem_pop_best(struct mem_store *s)
{
    s->facts -= mem_fact(&s->best[s->nbest - 1]->page->info.hash, 101, s->nbest);
    struct mem_block *b = s->best[--s->nbest];
    b->best = false;
    s->gw[mem_gw_index(s, b->page->info.miner)].side_bytes += b->bytes;
}

void mem_push_mined(struct mem_store *s, unsigned gw, const struct lg_statement_ref *ref)
{
    struct mem_gateway *g = &s->gw[gw];
    if (g->n == g->cap) {
        g->cap = g->cap == 0 ? 16 : g->cap * 2;
        g->mined = mem_must(realloc(g->mined, g->cap * sizeof *g->mined));
    }
    g->mined[g->n++] = *ref;
    s->facts += mem_fact(&ref->leaf, 102, g->n);
}

struct lg_statement_ref mem_pop_mined(struct mem_store *s, unsigned gw)
{
    struct mem_gateway *g = &s->gw[gw];
    s->facts -= mem_fact(&g->mined[g->n - 1].leaf, 102, g->n);
    return g->mined[--g->n];
}

static void undo_one(struct mem_store *s, struct mem_undo *u)
{
    switch (u->kind) {
    case UNDO_DOC:
        undo_doc(s, u);
        break;
    case UNDO_MARK:
        s->facts -= mem_doc_fact(u->doc);
        u->doc->mark = u->mark;
        u->doc->height = u->height;
        s->facts += mem_doc_fact(u->doc);
        track_pooled(s, u->doc);
        break;
    case UNDO_BLOCK: {
        struct mem_block **at = mem_children_of(s, &u->block->page->info.prev);
        assert(*at == u->block);
        *at = u->block->sibling;
        s->gw[mem_gw_index(s, u->block->page->info.miner)].side_bytes -= u->block->bytes;
        s->facts -= mem_fact(&u->block->page->info.hash, 100, 0);
        (void)lg_map_remove(&s->blocks, &u->block->page->info.hash);
        mem_shelf_drop_page(s->shelf, u->block->page);
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
        mem_pop_mined(s, u->gw);
        break;
    case UNDO_UNMINED:
        mem_push_mined(s, u->gw, &u->ref);
        break;
    case UNDO_DROP:
    case UNDO_GONE:
        mem_undo_side(s, u);
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

struct mem_store *mem_store_new_on(const struct lg_genesis *g, struct mem_shelf *shelf)
{
    struct mem_store *s = mem_must(calloc(1, sizeof *s));
    s->g = g;
    s->shelf = shelf;
    while (shelf->taken[s->number])
        s->number++;
    assert(s->number < shelf->stores);
    shelf->taken[s->number] = true;
    shelf->nstores++;
    s->vtable.ctx = s;
    mem_fill_read(&s->vtable);
    mem_fill_write(&s->vtable);
    mem_fill_side(&s->vtable);
    return s;
}

struct mem_store *mem_store_new(const struct lg_genesis *g)
{
    struct mem_store *s = mem_store_new_on(g, mem_shelf_new(1));
    s->own_shelf = true;
    return s;
}

/* The map shrinks while it is walked, and what is moved back may come from before: again until nothing is left. */
static void take_all_out(struct mem_store *s)
{
    struct lg_map *m = &s->shelf->texts;
    for (bool any = true; any;) {
        any = false;
        for (size_t i = 0; i < m->cap; i++) {
            struct mem_text *t = m->slots[i].value;
            if (t == NULL || t->at[s->number].mark == LG_DOC_NONE)
                continue;
            any = true;
            take_out(s, &t->at[s->number]);
        }
    }
}

void mem_store_free(struct mem_store *s)
{
    if (s == NULL)
        return;
    mem_forget_undo(s);
    take_all_out(s);
    lg_map_fini(&s->pooled);
    for (size_t i = 0; i < s->blocks.cap; i++) {
        struct mem_block *b = s->blocks.slots[i].value;
        if (b != NULL)
            mem_shelf_drop_page(s->shelf, b->page);
        free(b);
    }
    lg_map_fini(&s->blocks);
    for (unsigned i = 0; i < LG_MAX_GATEWAYS; i++)
        free(s->gw[i].mined);
    s->shelf->taken[s->number] = false;
    s->shelf->nstores--;
    if (s->own_shelf)
        mem_shelf_free(s->shelf);
    free(s->best);
    free(s->undo);
    free(s->ends);
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
    mem_undo_to(s, mem_survives(s));
    mem_forget_undo(s);
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
