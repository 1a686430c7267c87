/* Counts of users, and three maps. A text or page without a user is gone at once. */
#include "tests/lib/mem_shelf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sg_buf.h"
#include "tests/lib/mem_store.h"

static void *must(void *p)
{
    if (p == NULL)
        abort();
    return p;
}

static void put(struct lg_map *m, const struct lg_hash *key, void *value)
{
    if (lg_map_put(m, key, value) != 0)
        abort();
}

/* ---- the shelf ---- */

struct mem_shelf *mem_shelf_new(unsigned stores)
{
    struct mem_shelf *s = must(calloc(1, sizeof *s));
    assert(stores >= 1 && stores <= SG_ARRAY_LEN(s->taken));
    s->stores = stores;
    return s;
}

void mem_shelf_free(struct mem_shelf *s)
{
    if (s == NULL)
        return;
    assert(s->nstores == 0 && s->texts.n == 0 && s->pages.n == 0);
    lg_map_fini(&s->texts);
    lg_map_fini(&s->by_seq);
    lg_map_fini(&s->pages);
    free(s);
}

struct lg_hash mem_shelf_seq_key(lg_kid gw, sg_ms inc, int64_t seq)
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

/* ---- texts ---- */

static struct mem_text *new_text(
    struct mem_shelf *s, const struct lg_hash *leaf, const uint8_t *doc, size_t len)
{
    struct mem_text *t = must(calloc(1, sizeof *t + s->stores * sizeof t->at[0] + len));
    t->leaf = *leaf;
    t->bytes = (uint8_t *)&t->at[s->stores];
    t->len = len;
    memcpy(t->bytes, doc, len);
    for (unsigned i = 0; i < s->stores; i++)
        t->at[i].t = t;
    put(&s->texts, leaf, t);
    return t;
}

struct mem_text *mem_shelf_statement(struct mem_shelf *s, const struct lg_statement *st)
{
    struct mem_text *t = lg_map_get(&s->texts, &st->leaf);
    if (t == NULL) {
        struct lg_hash key = mem_shelf_seq_key(st->gw, st->inc, st->seq);
        t = new_text(s, &st->leaf, st->doc, st->doc_len);
        t->st = (struct lg_statement_ref){
            .gw = st->gw, .inc = st->inc, .seq = st->seq, .slot = st->slot, .ts = st->ts, .leaf = st->leaf};
        t->variant = lg_map_get(&s->by_seq, &key);
        put(&s->by_seq, &key, t);
    }
    t->users++;
    return t;
}

struct mem_text *mem_shelf_body(struct mem_shelf *s, const struct lg_body *b)
{
    struct mem_text *t = lg_map_get(&s->texts, &b->digest);
    if (t == NULL) {
        t = new_text(s, &b->digest, b->doc, b->doc_len);
        t->is_body = true;
        assert(b->relay.len < sizeof t->body.relay);
        memcpy(t->body.relay, b->relay.p, b->relay.len);
        t->body.min = b->min;
    }
    t->users++;
    return t;
}

static void unlink_variant(struct mem_shelf *s, struct mem_text *t)
{
    struct lg_hash key = mem_shelf_seq_key(t->st.gw, t->st.inc, t->st.seq);
    struct mem_text *newest = lg_map_get(&s->by_seq, &key);
    if (newest != t) {
        while (newest->variant != t)
            newest = newest->variant;
        newest->variant = t->variant;
    } else if (t->variant != NULL) {
        put(&s->by_seq, &key, t->variant);
    } else {
        (void)lg_map_remove(&s->by_seq, &key);
    }
}

void mem_shelf_drop_text(struct mem_shelf *s, struct mem_text *t)
{
    if (--t->users > 0)
        return;
    if (!t->is_body)
        unlink_variant(s, t);
    (void)lg_map_remove(&s->texts, &t->leaf);
    free(t);
}

/* ---- pages ---- */

struct mem_page *mem_shelf_page(
    struct mem_shelf *s, const struct lg_block *b, const struct lg_block_info *info)
{
    struct mem_page *first = lg_map_get(&s->pages, &info->hash);
    for (struct mem_page *p = first; p != NULL; p = p->next)
        if (p->len == b->doc_len && memcmp(&p->info, info, sizeof *info) == 0 &&
            memcmp(p->bytes, b->doc, b->doc_len) == 0) {
            p->users++;
            return p;
        }
    struct mem_page *p = must(malloc(sizeof *p + b->doc_len));
    p->users = 1;
    p->next = first;
    p->info = *info;
    p->len = b->doc_len;
    memcpy(p->bytes, b->doc, b->doc_len);
    put(&s->pages, &info->hash, p);
    return p;
}

void mem_shelf_drop_page(struct mem_shelf *s, struct mem_page *p)
{
    if (--p->users > 0)
        return;
    struct mem_page *at = lg_map_get(&s->pages, &p->info.hash);
    if (at == p && p->next == NULL) {
        (void)lg_map_remove(&s->pages, &p->info.hash);
    } else if (at == p) {
        put(&s->pages, &p->info.hash, p->next);
    } else {
        while (at->next != p)
            at = at->next;
        at->next = p->next;
    }
    free(p);
}
