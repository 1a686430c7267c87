/* The reading half of the store in memory. */
#include "tests/lib/mem_store_priv.h"

#include <stdlib.h>

static int tip(void *ctx, struct lg_block_info *out)
{
    struct mem_store *s = ctx;
    ENTER(s);
    if (s->nbest == 0)
        return SG_ENOT_FOUND;
    *out = s->best[s->nbest - 1]->page->info;
    return 0;
}

static int block_info(void *ctx, struct lg_block_info *out, bool *best, const struct lg_hash *hash)
{
    struct mem_store *s = ctx;
    ENTER(s);
    const struct mem_block *b = lg_map_get(&s->blocks, hash);
    if (b == NULL)
        return SG_ENOT_FOUND;
    *out = b->page->info;
    *best = b->best;
    return 0;
}

static int block_at(void *ctx, struct lg_block_info *out, int64_t height)
{
    struct mem_store *s = ctx;
    ENTER(s);
    if (height < 1 || (uint64_t)height > s->nbest)
        return SG_ENOT_FOUND;
    *out = s->best[height - 1]->page->info;
    return 0;
}

static int block_bytes(void *ctx, struct sg_buf *out, const struct lg_hash *hash)
{
    struct mem_store *s = ctx;
    ENTER(s);
    const struct mem_block *b = lg_map_get(&s->blocks, hash);
    if (b == NULL)
        return SG_ENOT_FOUND;
    sg_buf_put(out, b->page->bytes, b->page->len);
    return sg_buf_err(out);
}

static int children(void *ctx, struct lg_hash *out, unsigned max, unsigned *n, const struct lg_hash *prev)
{
    struct mem_store *s = ctx;
    ENTER(s);
    struct mem_block **first = mem_children_of(s, prev);
    *n = 0;
    for (int best = 1; best >= 0; best--)
        for (const struct mem_block *b = first == NULL ? NULL : *first; b != NULL && *n < max; b = b->sibling)
            if (b->best == (best == 1))
                out[(*n)++] = b->page->info.hash;
    return 0;
}

static int last_statement(void *ctx, struct lg_statement_ref *out, lg_kid gw, int64_t max_height)
{
    struct mem_store *s = ctx;
    ENTER(s);
    if (lg_genesis_gateway(s->g, gw) == NULL)
        return SG_ENOT_FOUND;
    const struct mem_gateway *g = &s->gw[mem_gw_index(s, gw)];
    size_t lo = 0, hi = g->n; /* entries at or below max_height */
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (g->mined[mid].height <= max_height)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == 0)
        return SG_ENOT_FOUND;
    *out = g->mined[lo - 1];
    return 0;
}

static int body_at(void *ctx, struct lg_body_ref *out, const struct lg_hash *digest, int64_t max_height)
{
    struct mem_store *s = ctx;
    ENTER(s);
    const struct mem_doc *d = mem_find(s, true, digest);
    if (d == NULL || d->height == 0 || d->height > max_height)
        return SG_ENOT_FOUND;
    *out = d->t->body;
    out->height = d->height;
    return 0;
}

static int state_of(
    struct mem_store *s, enum lg_doc_state *out, int64_t *height, bool is_body, const struct lg_hash *leaf)
{
    ENTER(s);
    const struct mem_doc *d = mem_find(s, is_body, leaf);
    *out = d == NULL ? LG_DOC_NONE : d->height > 0 ? LG_DOC_MINED : d->mark;
    if (height != NULL)
        *height = d == NULL ? 0 : d->height;
    return 0;
}

static int statement_state(void *ctx, enum lg_doc_state *out, int64_t *height, const struct lg_hash *leaf)
{
    return state_of(ctx, out, height, false, leaf);
}

static int body_state(void *ctx, enum lg_doc_state *out, int64_t *height, const struct lg_hash *digest)
{
    return state_of(ctx, out, height, true, digest);
}

static int doc_of(struct mem_store *s, struct sg_buf *out, bool is_body, const struct lg_hash *leaf)
{
    ENTER(s);
    const struct mem_doc *d = mem_find(s, is_body, leaf);
    if (d == NULL)
        return SG_ENOT_FOUND;
    sg_buf_put(out, d->t->bytes, d->t->len);
    return sg_buf_err(out);
}

static int statement_doc(void *ctx, struct sg_buf *out, const struct lg_hash *leaf)
{
    return doc_of(ctx, out, false, leaf);
}

static int body_doc(void *ctx, struct sg_buf *out, const struct lg_hash *digest)
{
    return doc_of(ctx, out, true, digest);
}

static int statement_at(
    void *ctx, struct lg_hash *leaf, unsigned *variants, lg_kid gw, sg_ms inc, int64_t seq)
{
    struct mem_store *s = ctx;
    ENTER(s);
    struct lg_hash key = mem_shelf_seq_key(gw, inc, seq);
    const struct mem_doc *first = NULL;
    unsigned n = 0;
    for (const struct mem_text *t = lg_map_get(&s->shelf->by_seq, &key); t != NULL; t = t->variant) {
        const struct mem_doc *d = &t->at[s->number];
        if (d->mark == LG_DOC_NONE)
            continue;
        if (first == NULL || d->arrival < first->arrival)
            first = d;
        n++;
    }
    if (first != NULL)
        *leaf = first->t->leaf;
    *variants = n;
    return n == 0 ? SG_ENOT_FOUND : 0;
}

static int doc_order(const void *a, const void *b)
{
    const struct mem_doc *const *x = a, *const *y = b;
    if ((*x)->t->is_body != (*y)->t->is_body)
        return (*x)->t->is_body ? -1 : 1;
    if (!(*x)->t->is_body) {
        const struct lg_statement_ref *p = &(*x)->t->st, *q = &(*y)->t->st;
        if (p->gw != q->gw)
            return p->gw < q->gw ? -1 : 1;
        if (p->inc != q->inc)
            return p->inc < q->inc ? -1 : 1;
        if (p->seq != q->seq)
            return p->seq < q->seq ? -1 : 1;
    }
    return lg_hash_cmp(&(*x)->t->leaf, &(*y)->t->leaf);
}

static int pool_each(void *ctx, int (*fn)(void *arg, bool is_body, const uint8_t *doc, size_t len), void *arg)
{
    struct mem_store *s = ctx;
    ENTER(s);
    struct mem_doc **v = mem_must(malloc((s->pooled.n + 1) * sizeof(*v)));
    size_t n = 0;
    for (size_t i = 0; i < s->pooled.cap; i++)
        if (s->pooled.slots[i].value != NULL)
            v[n++] = s->pooled.slots[i].value;
    qsort(v, n, sizeof(*v), doc_order);
    int err = 0;
    for (size_t i = 0; i < n && err == 0; i++)
        err = fn(arg, v[i]->t->is_body, v[i]->t->bytes, v[i]->t->len);
    free(v);
    return err;
}

void mem_fill_read(struct lg_store *v)
{
    v->tip = tip;
    v->block_info = block_info;
    v->block_at = block_at;
    v->block_bytes = block_bytes;
    v->children = children;
    v->last_statement = last_statement;
    v->body_at = body_at;
    v->statement_state = statement_state;
    v->statement_doc = statement_doc;
    v->body_state = body_state;
    v->body_doc = body_doc;
    v->statement_at = statement_at;
    v->pool_each = pool_each;
}
