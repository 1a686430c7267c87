/* An older state of a store in memory: the best branch up to a height, and nothing besides. Documents and blocks are those of the shelf, so
 * nothing is decoded. */
#include <stdlib.h>

#include "tests/lib/mem_store_priv.h"

static void copy_blocks(struct mem_store *s, const struct mem_store *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct mem_page *page = from->best[i]->page;
        struct mem_block *b = mem_must(calloc(1, sizeof *b));
        b->page = page;
        b->number = ++s->nput;
        b->bytes = from->best[i]->bytes;
        s->gw[mem_gw_index(s, page->info.miner)].side_bytes += b->bytes; /* until it is on the best branch */
        page->users++;
        *mem_children_of(s, &page->info.prev) = b;
        mem_must_put(&s->blocks, &page->info.hash, b);
        s->facts += mem_fact(&page->info.hash, 100, 0);
        mem_push_best(s, b);
    }
}

static void copy_documents(struct mem_store *s, const struct mem_store *from, int64_t height)
{
    const struct lg_map *texts = &s->shelf->texts;
    for (size_t i = 0; i < texts->cap; i++) {
        struct mem_text *t = texts->slots[i].value;
        if (t == NULL || t->at[from->number].height < 1 || t->at[from->number].height > height)
            continue;
        t->at[s->number] = t->at[from->number];
        t->at[s->number].mark = LG_DOC_SIDE; /* as a block brings it */
        t->users++;
        s->facts += mem_doc_fact(&t->at[s->number]);
    }
    s->arrivals = from->arrivals;
}

static void copy_mined(struct mem_store *s, const struct mem_store *from, int64_t height)
{
    for (unsigned gw = 0; gw < LG_MAX_GATEWAYS; gw++)
        for (size_t i = 0; i < from->gw[gw].n && from->gw[gw].mined[i].height <= height; i++)
            mem_push_mined(s, gw, &from->gw[gw].mined[i]);
}

struct mem_store *mem_store_copy(const struct mem_store *from, int64_t height)
{
    struct mem_store *s = mem_store_new_on(from->g, from->shelf);
    size_t n = height < 0 ? 0 : (uint64_t)height < from->nbest ? (size_t)height : from->nbest;
    copy_blocks(s, from, n);
    copy_documents(s, from, (int64_t)n);
    copy_mined(s, from, (int64_t)n);
    mem_store_sync(s);
    return s;
}
