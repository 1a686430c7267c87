/* Maps and arrays that mean what ledger/store.c means, with an undo log in place of a database's transactions.
 *
 * Every change is one primitive with its reverse; rollback runs the reverses backwards. Documents are never forgotten but by
 * undoing the transaction that brought them. */
#include "tests/lib/mem_store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/core/hash_map.h"

#define MAX_EVIDENCE 64

struct doc {
    bool is_body;
    struct lg_hash leaf;
    uint8_t *p;
    size_t len;
    enum lg_doc_state mark; /* SIDE, POOLED, OVERTAKEN */
    int64_t height;         /* 0: not on the best branch */
    struct lg_statement_ref st;
    struct lg_body_ref body;
    struct doc *variant; /* another statement of the same (gw, inc, seq), older */
};

struct block {
    struct lg_block_info info;
    uint8_t *p;
    size_t len;
    bool best;
    struct block *sibling, *child; /* newest first */
};

struct gateway {
    struct lg_statement_ref *mined; /* by height */
    size_t n, cap;
    unsigned evidence;
};

enum undo_kind { UNDO_DOC, UNDO_MARK, UNDO_BLOCK, UNDO_PUSH, UNDO_POP, UNDO_MINED, UNDO_UNMINED };
struct undo {
    enum undo_kind kind;
    struct doc *doc;
    struct block *block;
    enum lg_doc_state mark;
    int64_t height;
    unsigned evidence_gw; /* index + 1 when the document made a pair */
    unsigned gw;
    struct lg_statement_ref ref;
};

struct mem_store {
    struct lg_store vtable;
    const struct lg_genesis *g;
    struct lg_map blocks, statements, bodies, by_seq, pooled;
    struct block *root_child;
    struct block **best; /* [height - 1] */
    size_t nbest, cap_best;
    struct gateway gw[LG_MAX_GATEWAYS];
    struct undo *undo;
    size_t nundo, cap_undo;
    bool writing;
    uint64_t calls, failures, commits, fail_at;
    int fail_err;
    bool fail_forever;
};

/* ---- failures ---- */

static int enter(struct mem_store *s)
{
    s->calls++;
    if (s->fail_at != 0 && (s->calls == s->fail_at || (s->fail_forever && s->calls > s->fail_at))) {
        s->failures++;
        return s->fail_err;
    }
    return 0;
}

#define ENTER(s)                                                                                             \
    do {                                                                                                     \
        int enter_err = enter(s);                                                                            \
        if (enter_err != 0)                                                                                  \
            return enter_err;                                                                                \
    } while (0)

static void *must(void *p)
{
    if (p == NULL)
        abort();
    return p;
}

static void must_put(struct lg_map *m, const struct lg_hash *key, void *value)
{
    if (lg_map_put(m, key, value) != 0)
        abort();
}

static unsigned gw_index(const struct mem_store *s, lg_kid gw)
{
    const struct lg_gateway *p = lg_genesis_gateway(s->g, gw);
    assert(p != NULL);
    return (unsigned)(p - s->g->gateways);
}

static struct lg_hash seq_key(lg_kid gw, sg_ms inc, int64_t seq)
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

static struct undo *log_undo(struct mem_store *s, enum undo_kind kind)
{
    assert(s->writing);
    if (s->nundo == s->cap_undo) {
        s->cap_undo = s->cap_undo == 0 ? 64 : s->cap_undo * 2;
        s->undo = must(realloc(s->undo, s->cap_undo * sizeof *s->undo));
    }
    struct undo *u = &s->undo[s->nundo++];
    *u = (struct undo){.kind = kind};
    return u;
}

static void track_pooled(struct mem_store *s, struct doc *d)
{
    if (d->mark == LG_DOC_POOLED && d->height == 0)
        must_put(&s->pooled, &d->leaf, d);
    else
        (void)lg_map_remove(&s->pooled, &d->leaf);
}

static void set_state(struct mem_store *s, struct doc *d, enum lg_doc_state mark, int64_t height)
{
    struct undo *u = log_undo(s, UNDO_MARK);
    u->doc = d;
    u->mark = d->mark;
    u->height = d->height;
    d->mark = mark;
    d->height = height;
    track_pooled(s, d);
}

static struct doc *find(struct mem_store *s, bool is_body, const struct lg_hash *leaf)
{
    return lg_map_get(is_body ? &s->bodies : &s->statements, leaf);
}

static struct doc *new_doc(struct mem_store *s, bool is_body, const struct lg_hash *leaf, const uint8_t *p,
    size_t len, enum lg_doc_state mark)
{
    struct doc *d = must(calloc(1, sizeof *d));
    d->is_body = is_body;
    d->leaf = *leaf;
    d->p = must(malloc(len));
    memcpy(d->p, p, len);
    d->len = len;
    d->mark = mark;
    must_put(is_body ? &s->bodies : &s->statements, leaf, d);
    track_pooled(s, d);
    log_undo(s, UNDO_DOC)->doc = d;
    return d;
}

static void add_statement(struct mem_store *s, const struct lg_statement *st, enum lg_doc_state mark)
{
    if (find(s, false, &st->leaf) != NULL)
        return;
    struct doc *d = new_doc(s, false, &st->leaf, st->doc, st->doc_len, mark);
    d->st = (struct lg_statement_ref){
        .gw = st->gw, .inc = st->inc, .seq = st->seq, .slot = st->slot, .ts = st->ts, .leaf = st->leaf};
    struct lg_hash key = seq_key(st->gw, st->inc, st->seq);
    d->variant = lg_map_get(&s->by_seq, &key);
    must_put(&s->by_seq, &key, d);
    unsigned g = gw_index(s, st->gw);
    if (d->variant != NULL && d->variant->variant == NULL && s->gw[g].evidence < MAX_EVIDENCE) {
        s->gw[g].evidence++;
        s->undo[s->nundo - 1].evidence_gw = g + 1;
    }
}

static void add_body(struct mem_store *s, const struct lg_body *b, enum lg_doc_state mark)
{
    if (find(s, true, &b->digest) != NULL)
        return;
    struct doc *d = new_doc(s, true, &b->digest, b->doc, b->doc_len, mark);
    assert(b->relay.len < sizeof d->body.relay);
    memcpy(d->body.relay, b->relay.p, b->relay.len);
    d->body.min = b->min;
}

static void undo_doc(struct mem_store *s, struct undo *u)
{
    struct doc *d = u->doc;
    (void)lg_map_remove(d->is_body ? &s->bodies : &s->statements, &d->leaf);
    (void)lg_map_remove(&s->pooled, &d->leaf);
    if (!d->is_body) {
        struct lg_hash key = seq_key(d->st.gw, d->st.inc, d->st.seq);
        (void)lg_map_remove(&s->by_seq, &key);
        if (d->variant != NULL)
            must_put(&s->by_seq, &key, d->variant);
    }
    if (u->evidence_gw > 0)
        s->gw[u->evidence_gw - 1].evidence--;
    free(d->p);
    free(d);
}

static struct block **children_of(struct mem_store *s, const struct lg_hash *prev)
{
    if (lg_hash_eq(prev, &s->g->id))
        return &s->root_child;
    struct block *parent = lg_map_get(&s->blocks, prev);
    return parent == NULL ? NULL : &parent->child;
}

static void push_best(struct mem_store *s, struct block *b)
{
    if (s->nbest == s->cap_best) {
        s->cap_best = s->cap_best == 0 ? 64 : s->cap_best * 2;
        s->best = must(realloc(s->best, s->cap_best * sizeof(*s->best)));
    }
    s->best[s->nbest++] = b;
    b->best = true;
}

static void pop_best(struct mem_store *s)
{
    s->best[--s->nbest]->best = false;
}

static void push_mined(struct mem_store *s, unsigned gw, const struct lg_statement_ref *ref)
{
    struct gateway *g = &s->gw[gw];
    if (g->n == g->cap) {
        g->cap = g->cap == 0 ? 16 : g->cap * 2;
        g->mined = must(realloc(g->mined, g->cap * sizeof *g->mined));
    }
    g->mined[g->n++] = *ref;
}

static void undo_one(struct mem_store *s, struct undo *u)
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
        struct block **at = children_of(s, &u->block->info.prev);
        assert(*at == u->block);
        *at = u->block->sibling;
        (void)lg_map_remove(&s->blocks, &u->block->info.hash);
        free(u->block->p);
        free(u->block);
        break;
    }
    case UNDO_PUSH:
        pop_best(s);
        break;
    case UNDO_POP:
        push_best(s, u->block);
        break;
    case UNDO_MINED:
        s->gw[u->gw].n--;
        break;
    case UNDO_UNMINED:
        push_mined(s, u->gw, &u->ref);
        break;
    }
}

static void undo_all(struct mem_store *s)
{
    while (s->nundo > 0)
        undo_one(s, &s->undo[--s->nundo]);
    s->writing = false;
}

/* ---- reading ---- */

static int tip(void *ctx, struct lg_block_info *out)
{
    struct mem_store *s = ctx;
    ENTER(s);
    if (s->nbest == 0)
        return SG_ENOT_FOUND;
    *out = s->best[s->nbest - 1]->info;
    return 0;
}

static int block_info(void *ctx, struct lg_block_info *out, bool *best, const struct lg_hash *hash)
{
    struct mem_store *s = ctx;
    ENTER(s);
    const struct block *b = lg_map_get(&s->blocks, hash);
    if (b == NULL)
        return SG_ENOT_FOUND;
    *out = b->info;
    *best = b->best;
    return 0;
}

static int block_at(void *ctx, struct lg_block_info *out, int64_t height)
{
    struct mem_store *s = ctx;
    ENTER(s);
    if (height < 1 || (uint64_t)height > s->nbest)
        return SG_ENOT_FOUND;
    *out = s->best[height - 1]->info;
    return 0;
}

static int block_bytes(void *ctx, struct sg_buf *out, const struct lg_hash *hash)
{
    struct mem_store *s = ctx;
    ENTER(s);
    const struct block *b = lg_map_get(&s->blocks, hash);
    if (b == NULL)
        return SG_ENOT_FOUND;
    sg_buf_put(out, b->p, b->len);
    return sg_buf_err(out);
}

static int children(void *ctx, struct lg_hash *out, unsigned max, unsigned *n, const struct lg_hash *prev)
{
    struct mem_store *s = ctx;
    ENTER(s);
    struct block **first = children_of(s, prev);
    *n = 0;
    for (const struct block *b = first == NULL ? NULL : *first; b != NULL; b = b->sibling) {
        if (*n < max)
            out[*n] = b->info.hash;
        (*n)++;
    }
    return 0;
}

static int last_statement(void *ctx, struct lg_statement_ref *out, lg_kid gw, int64_t max_height)
{
    struct mem_store *s = ctx;
    ENTER(s);
    if (lg_genesis_gateway(s->g, gw) == NULL)
        return SG_ENOT_FOUND;
    const struct gateway *g = &s->gw[gw_index(s, gw)];
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
    const struct doc *d = find(s, true, digest);
    if (d == NULL || d->height == 0 || d->height > max_height)
        return SG_ENOT_FOUND;
    *out = d->body;
    out->height = d->height;
    return 0;
}

static int state_of(
    struct mem_store *s, enum lg_doc_state *out, int64_t *height, bool is_body, const struct lg_hash *leaf)
{
    ENTER(s);
    const struct doc *d = find(s, is_body, leaf);
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
    const struct doc *d = find(s, is_body, leaf);
    if (d == NULL)
        return SG_ENOT_FOUND;
    sg_buf_put(out, d->p, d->len);
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
    struct lg_hash key = seq_key(gw, inc, seq);
    unsigned n = 0;
    for (const struct doc *d = lg_map_get(&s->by_seq, &key); d != NULL; d = d->variant) {
        *leaf = d->leaf; /* the last one is the first that came */
        n++;
    }
    *variants = n;
    return n == 0 ? SG_ENOT_FOUND : 0;
}

static int doc_order(const void *a, const void *b)
{
    const struct doc *const *x = a, *const *y = b;
    if ((*x)->is_body != (*y)->is_body)
        return (*x)->is_body ? -1 : 1;
    if (!(*x)->is_body) {
        const struct lg_statement_ref *p = &(*x)->st, *q = &(*y)->st;
        if (p->gw != q->gw)
            return p->gw < q->gw ? -1 : 1;
        if (p->inc != q->inc)
            return p->inc < q->inc ? -1 : 1;
        if (p->seq != q->seq)
            return p->seq < q->seq ? -1 : 1;
    }
    return lg_hash_cmp(&(*x)->leaf, &(*y)->leaf);
}

static int pool_each(void *ctx, int (*fn)(void *arg, bool is_body, const uint8_t *doc, size_t len), void *arg)
{
    struct mem_store *s = ctx;
    ENTER(s);
    struct doc **v = must(malloc((s->pooled.n + 1) * sizeof(*v)));
    size_t n = 0;
    for (size_t i = 0; i < s->pooled.cap; i++)
        if (s->pooled.slots[i].value != NULL)
            v[n++] = s->pooled.slots[i].value;
    qsort(v, n, sizeof(*v), doc_order);
    int err = 0;
    for (size_t i = 0; i < n && err == 0; i++)
        err = fn(arg, v[i]->is_body, v[i]->p, v[i]->len);
    free(v);
    return err;
}

/* ---- writing ---- */

static int begin(void *ctx)
{
    struct mem_store *s = ctx;
    ENTER(s);
    assert(!s->writing);
    s->writing = true;
    return 0;
}

static int commit(void *ctx)
{
    struct mem_store *s = ctx;
    assert(s->writing);
    int err = enter(s);
    if (err != 0) {
        undo_all(s);
        return err;
    }
    s->nundo = 0;
    s->writing = false;
    s->commits++;
    return 0;
}

static void rollback(void *ctx)
{
    undo_all(ctx);
}

static int put_block(void *ctx, const struct lg_block *b, const struct lg_block_info *info)
{
    struct mem_store *s = ctx;
    ENTER(s);
    assert(lg_map_get(&s->blocks, &info->hash) == NULL);
    for (unsigned i = 0; i < b->nstatements; i++)
        add_statement(s, b->statements[i], LG_DOC_SIDE);
    for (unsigned i = 0; i < b->nbodies; i++)
        add_body(s, b->bodies[i], LG_DOC_SIDE);
    struct block *n = must(calloc(1, sizeof *n));
    struct block **at = children_of(s, &info->prev);
    assert(at != NULL);
    n->info = *info;
    n->p = must(malloc(b->doc_len));
    memcpy(n->p, b->doc, b->doc_len);
    n->len = b->doc_len;
    n->sibling = *at;
    *at = n;
    must_put(&s->blocks, &info->hash, n);
    log_undo(s, UNDO_BLOCK)->block = n;
    return 0;
}

static int connect(void *ctx, const struct lg_block *b, const struct lg_block_info *info)
{
    struct mem_store *s = ctx;
    ENTER(s);
    struct block *n = lg_map_get(&s->blocks, &info->hash);
    assert(n != NULL && (uint64_t)info->height == s->nbest + 1);
    assert(s->nbest == 0 ? lg_hash_eq(&info->prev, &s->g->id)
                         : lg_hash_eq(&info->prev, &s->best[s->nbest - 1]->info.hash));
    for (unsigned i = 0; i < b->nstatements; i++) {
        struct doc *d = find(s, false, &b->statements[i]->leaf);
        assert(d->height == 0);
        set_state(s, d, d->mark, info->height);
        struct lg_statement_ref ref = d->st;
        ref.height = info->height;
        push_mined(s, gw_index(s, ref.gw), &ref);
        log_undo(s, UNDO_MINED)->gw = gw_index(s, ref.gw);
    }
    for (unsigned i = 0; i < b->nbodies; i++) {
        struct doc *d = find(s, true, &b->bodies[i]->digest);
        assert(d->height == 0);
        set_state(s, d, d->mark, info->height);
    }
    push_best(s, n);
    log_undo(s, UNDO_PUSH)->block = n;
    return 0;
}

static void take_off(struct mem_store *s, struct doc *d, int64_t height)
{
    assert(d->height == height);
    set_state(s, d, d->mark == LG_DOC_OVERTAKEN ? LG_DOC_OVERTAKEN : LG_DOC_POOLED, 0);
}

static int disconnect(void *ctx, const struct lg_block *b, const struct lg_block_info *info)
{
    struct mem_store *s = ctx;
    ENTER(s);
    assert(s->nbest > 0 && lg_hash_eq(&s->best[s->nbest - 1]->info.hash, &info->hash));
    for (unsigned i = b->nstatements; i-- > 0;) {
        unsigned gw = gw_index(s, b->statements[i]->gw);
        struct gateway *g = &s->gw[gw];
        assert(g->n > 0 && lg_hash_eq(&g->mined[g->n - 1].leaf, &b->statements[i]->leaf));
        struct undo *u = log_undo(s, UNDO_UNMINED);
        u->gw = gw;
        u->ref = g->mined[--g->n];
        take_off(s, find(s, false, &b->statements[i]->leaf), info->height);
    }
    for (unsigned i = 0; i < b->nbodies; i++)
        take_off(s, find(s, true, &b->bodies[i]->digest), info->height);
    log_undo(s, UNDO_POP)->block = s->best[s->nbest - 1];
    pop_best(s);
    return 0;
}

static int put_doc(struct mem_store *s, struct doc *d)
{
    if (d->height == 0 && d->mark != LG_DOC_POOLED)
        set_state(s, d, LG_DOC_POOLED, 0);
    return 0;
}

static int put_statement(void *ctx, const struct lg_statement *st)
{
    struct mem_store *s = ctx;
    ENTER(s);
    add_statement(s, st, LG_DOC_POOLED);
    return put_doc(s, find(s, false, &st->leaf));
}

static int put_body(void *ctx, const struct lg_body *b)
{
    struct mem_store *s = ctx;
    ENTER(s);
    add_body(s, b, LG_DOC_POOLED);
    return put_doc(s, find(s, true, &b->digest));
}

static int overtake(struct mem_store *s, bool is_body, const struct lg_hash *leaf)
{
    ENTER(s);
    struct doc *d = find(s, is_body, leaf);
    if (d != NULL && d->height == 0)
        set_state(s, d, LG_DOC_OVERTAKEN, 0);
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
    ENTER(s);
    if (s->gw[gw_index(s, st->gw)].evidence < MAX_EVIDENCE)
        add_statement(s, st, LG_DOC_OVERTAKEN);
    return 0;
}

/* ---- the object ---- */

struct mem_store *mem_store_new(const struct lg_genesis *g)
{
    struct mem_store *s = must(calloc(1, sizeof *s));
    s->g = g;
    s->vtable = (struct lg_store){.ctx = s,
        .tip = tip,
        .block_info = block_info,
        .block_at = block_at,
        .block_bytes = block_bytes,
        .children = children,
        .last_statement = last_statement,
        .body_at = body_at,
        .statement_state = statement_state,
        .statement_doc = statement_doc,
        .body_state = body_state,
        .body_doc = body_doc,
        .statement_at = statement_at,
        .pool_each = pool_each,
        .begin = begin,
        .commit = commit,
        .rollback = rollback,
        .put_block = put_block,
        .connect = connect,
        .disconnect = disconnect,
        .put_statement = put_statement,
        .put_body = put_body,
        .overtake_statement = overtake_statement,
        .overtake_body = overtake_body,
        .put_evidence = put_evidence};
    return s;
}

static void free_docs(struct lg_map *m)
{
    for (size_t i = 0; i < m->cap; i++) {
        struct doc *d = m->slots[i].value;
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
        struct block *b = s->blocks.slots[i].value;
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
    undo_all(s);
}

unsigned mem_store_evidence(const struct mem_store *s, lg_kid gw)
{
    return s->gw[gw_index(s, gw)].evidence;
}

bool mem_store_in_transaction(const struct mem_store *s)
{
    return s->writing;
}
