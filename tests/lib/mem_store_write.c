/* The writing half of the store in memory; breaches of the vtable's contract (connecting what is not on the tip, writing outside a
 * transaction) are asserted. */
#include "tests/lib/mem_store_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int begin(void *ctx)
{
    struct mem_store *s = ctx;
    ENTER(s);
    assert(!s->writing);
    s->writing = true;
    s->tall = s->nbest;
    return 0;
}

static int commit(void *ctx)
{
    struct mem_store *s = ctx;
    assert(s->writing);
    int err = mem_enter_write(s);
    if (err == 0 && mem_tears(s))
        return SG_EIO;
    if (err == SG_EIO && s->retries) {
        s->fail_at = 0;
        s->lazy = true;
        err = 0;
    }
    if (err != 0 && !(err == SG_EIO && s->keeps)) {
        mem_undo_to(s, s->mark);
        return err;
    }
    mem_note_end(s);
    s->mark = s->nundo;
    s->writing = false;
    if (err != 0)
        return err;
    s->commits++;
    return 0;
}

static void rollback(void *ctx)
{
    struct mem_store *s = ctx;
    if (!s->torn)
        mem_undo_to(s, s->mark);
}

static int put_block(void *ctx, const struct lg_block *b, const struct lg_block_info *info)
{
    struct mem_store *s = ctx;
    ENTER_WRITE(s);
    assert(lg_map_get(&s->blocks, &info->hash) == NULL);
    for (unsigned i = 0; i < b->nstatements; i++)
        mem_add_statement(s, b->statements[i], LG_DOC_SIDE);
    for (unsigned i = 0; i < b->nbodies; i++)
        mem_add_body(s, b->bodies[i], LG_DOC_SIDE);
    struct mem_block *n = mem_must(calloc(1, sizeof *n));
    struct mem_block **at = mem_children_of(s, &info->prev);
    assert(at != NULL);
    n->page = mem_shelf_page(s->shelf, b, info);
    n->number = ++s->nput;
    n->bytes = (int64_t)b->header_doc.len;
    for (unsigned i = 0; i < b->nstatements; i++)
        n->bytes += (int64_t)b->statements[i]->doc_len;
    for (unsigned i = 0; i < b->nbodies; i++)
        n->bytes += (int64_t)b->bodies[i]->doc_len;
    s->gw[mem_gw_index(s, info->miner)].side_bytes += n->bytes;
    n->sibling = *at;
    *at = n;
    mem_must_put(&s->blocks, &info->hash, n);
    mem_log_undo(s, UNDO_BLOCK)->block = n;
    s->facts += mem_fact(&info->hash, 100, 0);
    return 0;
}

static int connect(void *ctx, const struct lg_block *b, const struct lg_block_info *info)
{
    struct mem_store *s = ctx;
    ENTER_WRITE(s);
    struct mem_block *n = lg_map_get(&s->blocks, &info->hash);
    assert(n != NULL && (uint64_t)info->height == s->nbest + 1);
    assert(s->nbest == 0 ? lg_hash_eq(&info->prev, &s->g->id)
                         : lg_hash_eq(&info->prev, &s->best[s->nbest - 1]->page->info.hash));
    for (unsigned i = 0; i < b->nstatements; i++) {
        struct mem_doc *d = mem_find(s, false, &b->statements[i]->leaf);
        assert(d->height == 0);
        mem_set_state(s, d, d->mark, info->height);
        struct lg_statement_ref ref = d->t->st;
        ref.height = info->height;
        mem_push_mined(s, mem_gw_index(s, ref.gw), &ref);
        mem_log_undo(s, UNDO_MINED)->gw = mem_gw_index(s, ref.gw);
    }
    for (unsigned i = 0; i < b->nbodies; i++) {
        struct mem_doc *d = mem_find(s, true, &b->bodies[i]->digest);
        assert(d->height == 0);
        mem_set_state(s, d, d->mark, info->height);
    }
    mem_push_best(s, n);
    mem_log_undo(s, UNDO_PUSH)->block = n;
    return 0;
}

static int append(void *ctx, const struct lg_block *b, const struct lg_block_info *info)
{
    int err = put_block(ctx, b, info);
    return err != 0 ? err : connect(ctx, b, info);
}

/* A body that was overtaken returns all the same: a statement that returns with it may read it. */
static void take_off(struct mem_store *s, struct mem_doc *d, int64_t height)
{
    assert(d->height == height);
    bool forgotten = (s->forgets > 0 && (int64_t)s->tall - height + 1 >= s->forgets) ||
                     (s->forgets_bodies && d->t->is_body);
    bool stays_overtaken = d->mark == LG_DOC_OVERTAKEN && !d->t->is_body;
    enum lg_doc_state back = forgotten ? LG_DOC_SIDE : LG_DOC_POOLED;
    mem_set_state(s, d, stays_overtaken ? LG_DOC_OVERTAKEN : back, 0);
}

static int disconnect(void *ctx, const struct lg_block *b, const struct lg_block_info *info)
{
    struct mem_store *s = ctx;
    ENTER_WRITE(s);
    assert(s->nbest > 0 && lg_hash_eq(&s->best[s->nbest - 1]->page->info.hash, &info->hash));
    for (unsigned i = b->nstatements; i-- > 0;) {
        unsigned gw = mem_gw_index(s, b->statements[i]->gw);
        struct mem_gateway *g = &s->gw[gw];
        assert(g->n > 0 && lg_hash_eq(&g->mined[g->n - 1].leaf, &b->statements[i]->leaf));
        struct mem_undo *u = mem_log_undo(s, UNDO_UNMINED);
        u->gw = gw;
        u->ref = mem_pop_mined(s, gw);
        take_off(s, mem_find(s, false, &b->statements[i]->leaf), info->height);
    }
    for (unsigned i = 0; i < b->nbodies; i++)
        take_off(s, mem_find(s, true, &b->bodies[i]->digest), info->height);
    mem_log_undo(s, UNDO_POP)->block = s->best[s->nbest - 1];
    mem_pop_best(s);
    return 0;
}

static int put_doc(struct mem_store *s, struct mem_doc *d)
{
    if (d->height == 0 && d->mark != LG_DOC_POOLED)
        mem_set_state(s, d, LG_DOC_POOLED, 0);
    return 0;
}

static int put_statement(void *ctx, const struct lg_statement *st)
{
    struct mem_store *s = ctx;
    ENTER_WRITE(s);
    mem_add_statement(s, st, LG_DOC_POOLED);
    return put_doc(s, mem_find(s, false, &st->leaf));
}

static int put_body(void *ctx, const struct lg_body *b)
{
    struct mem_store *s = ctx;
    ENTER_WRITE(s);
    mem_add_body(s, b, LG_DOC_POOLED);
    return put_doc(s, mem_find(s, true, &b->digest));
}

static int overtake(struct mem_store *s, bool is_body, const struct lg_hash *leaf)
{
    ENTER_WRITE(s);
    struct mem_doc *d = mem_find(s, is_body, leaf);
    if (d != NULL && d->height == 0)
        mem_set_state(s, d, LG_DOC_OVERTAKEN, 0);
    return 0;
}

static int overtake_statement(void *ctx, const struct lg_hash *leaf)
{
    return overtake(ctx, false, leaf);
}

static int overtake_body(void *ctx, const struct lg_hash *digest)
{
    return overtake(ctx, true, digest);
}

static int put_evidence(void *ctx, const struct lg_statement *st)
{
    struct mem_store *s = ctx;
    ENTER_WRITE(s);
    if (s->gw[mem_gw_index(s, st->gw)].evidence < MAX_EVIDENCE)
        mem_add_statement(s, st, LG_DOC_OVERTAKEN);
    return 0;
}

void mem_fill_write(struct lg_store *v)
{
    v->begin = begin;
    v->commit = commit;
    v->rollback = rollback;
    v->put_block = put_block;
    v->connect = connect;
    v->append = append;
    v->disconnect = disconnect;
    v->put_statement = put_statement;
    v->put_body = put_body;
    v->overtake_statement = overtake_statement;
    v->overtake_body = overtake_body;
    v->put_evidence = put_evidence;
}
