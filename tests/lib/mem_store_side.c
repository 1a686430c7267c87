/* Side blocks of the store in memory: how much they hold, which goes first, and giving one up.
 *
 * What is given up is out of sight at once, and freed when it cannot come back: until then the undo log has it. Which documents go is found by
 * looking through all other side blocks: only tests make a store give up anything. */
#include "tests/lib/mem_store_priv.h"

#include <assert.h>
#include <stdlib.h>

static int side_bytes(void *ctx, int64_t *bytes)
{
    struct mem_store *s = ctx;
    ENTER(s);
    *bytes = 0;
    for (unsigned i = 0; i < s->g->ngateways; i++)
        *bytes += s->gw[i].side_bytes;
    return 0;
}

/* Does a go before b? */
static bool goes_before(const struct mem_store *s, const struct mem_block *a, const struct mem_block *b)
{
    const int64_t all_a = s->gw[mem_gw_index(s, a->page->info.miner)].side_bytes,
                  all_b = s->gw[mem_gw_index(s, b->page->info.miner)].side_bytes;
    if (all_a != all_b)
        return all_a > all_b;
    if (a->page->info.miner != b->page->info.miner)
        return a->page->info.miner < b->page->info.miner;
    if (a->page->info.weight_sum != b->page->info.weight_sum)
        return a->page->info.weight_sum < b->page->info.weight_sum;
    return a->number < b->number;
}

static int side_next(
    void *ctx, struct lg_hash *out, bool (*keep)(void *arg, const struct lg_hash *hash), void *arg)
{
    struct mem_store *s = ctx;
    const struct mem_block *first = NULL;
    ENTER(s);
    for (size_t i = 0; i < s->blocks.cap; i++) {
        const struct mem_block *b = s->blocks.slots[i].value;
        if (b != NULL && !b->best && b->child == NULL && (first == NULL || goes_before(s, b, first)) &&
            !keep(arg, &b->page->info.hash))
            first = b;
    }
    if (first == NULL)
        return SG_ENOT_FOUND;
    *out = first->page->info.hash;
    return 0;
}

static bool holds(const struct lg_block *b, const struct lg_hash *leaf)
{
    for (unsigned i = 0; i < b->nstatements; i++)
        if (lg_hash_eq(&b->statements[i]->leaf, leaf))
            return true;
    for (unsigned i = 0; i < b->nbodies; i++)
        if (lg_hash_eq(&b->bodies[i]->digest, leaf))
            return true;
    return false;
}

static struct lg_block *decoded(const struct mem_block *b)
{
    struct lg_block *out;
    const int err = lg_block_decode(&out, b->page->bytes, b->page->len);
    assert(err == 0);
    (void)err;
    return out;
}

static bool other_side_block_holds(struct mem_store *s, const struct lg_hash *leaf)
{
    bool found = false;
    for (size_t i = 0; i < s->blocks.cap && !found; i++) {
        const struct mem_block *b = s->blocks.slots[i].value;
        if (b == NULL || b->best)
            continue;
        struct lg_block *block = decoded(b);
        found = holds(block, leaf);
        lg_block_free(block);
    }
    return found;
}

/* One of the first two with its number: the pair is evidence. */
static bool is_evidence(const struct mem_store *s, const struct mem_doc *d)
{
    unsigned others = 0, before = 0;
    if (d->t->is_body)
        return false;
    const struct lg_hash key = mem_shelf_seq_key(d->t->st.gw, d->t->st.inc, d->t->st.seq);
    for (const struct mem_text *t = lg_map_get(&s->shelf->by_seq, &key); t != NULL; t = t->variant) {
        const struct mem_doc *x = &t->at[s->number];
        if (x == d || x->mark == LG_DOC_NONE)
            continue;
        others++;
        before += x->arrival < d->arrival;
    }
    return others > 0 && before < 2;
}

static void forget(struct mem_store *s, bool is_body, const struct lg_hash *leaf)
{
    struct mem_doc *d = mem_find(s, is_body, leaf);
    if (d == NULL || d->height > 0 || d->mark != LG_DOC_SIDE || is_evidence(s, d) ||
        other_side_block_holds(s, leaf))
        return;
    struct mem_undo *u = mem_log_undo(s, UNDO_GONE);
    u->doc = d;
    u->mark = d->mark;
    u->height = d->arrival;
    s->facts -= mem_doc_fact(d);
    d->mark = LG_DOC_NONE;
}

/* The link that leads to a block. */
static struct mem_block **link_to(struct mem_store *s, const struct mem_block *b)
{
    struct mem_block **at = mem_children_of(s, &b->page->info.prev);
    while (*at != b)
        at = &(*at)->sibling;
    return at;
}

static int drop_block(void *ctx, const struct lg_hash *hash)
{
    struct mem_store *s = ctx;
    ENTER_WRITE(s);
    struct mem_block *b = lg_map_get(&s->blocks, hash);
    if (b == NULL || b->best || b->child != NULL)
        return SG_EINVAL;
    struct lg_block *block = decoded(b);
    struct mem_undo *u = mem_log_undo(s, UNDO_DROP);
    u->block = b;
    u->at = link_to(s, b);
    *u->at = b->sibling;
    s->facts -= mem_fact(hash, 100, 0);
    (void)lg_map_remove(&s->blocks, hash);
    s->gw[mem_gw_index(s, b->page->info.miner)].side_bytes -= b->bytes;
    for (unsigned i = 0; i < block->nstatements; i++)
        forget(s, false, &block->statements[i]->leaf);
    for (unsigned i = 0; i < block->nbodies; i++)
        forget(s, true, &block->bodies[i]->digest);
    lg_block_free(block);
    return 0;
}

void mem_undo_side(struct mem_store *s, struct mem_undo *u)
{
    if (u->kind == UNDO_GONE) {
        u->doc->mark = u->mark;
        u->doc->arrival = (unsigned)u->height;
        s->facts += mem_doc_fact(u->doc);
        return;
    }
    *u->at = u->block;
    s->facts += mem_fact(&u->block->page->info.hash, 100, 0);
    mem_must_put(&s->blocks, &u->block->page->info.hash, u->block);
    s->gw[mem_gw_index(s, u->block->page->info.miner)].side_bytes += u->block->bytes;
}

void mem_forget_undo(struct mem_store *s)
{
    for (size_t i = 0; i < s->nundo; i++) {
        struct mem_undo *u = &s->undo[i];
        if (u->kind == UNDO_GONE)
            mem_shelf_drop_text(s->shelf, (struct mem_text *)(uintptr_t)u->doc->t);
        if (u->kind != UNDO_DROP)
            continue;
        mem_shelf_drop_page(s->shelf, u->block->page);
        free(u->block);
    }
    s->nundo = s->mark = s->nends = 0;
}

void mem_fill_side(struct lg_store *v)
{
    v->side_bytes = side_bytes;
    v->side_next = side_next;
    v->drop_block = drop_block;
}
