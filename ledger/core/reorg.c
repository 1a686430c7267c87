/* The best branch becomes another one.
 *
 *   tip ... fork + 1    taken off, newest first: their documents go back to the pool
 *   fork + 1 ... block  put on, oldest first; the last one is new and stored by the same call
 *
 * Invariant: all of it happens inside the one store transaction of the caller, so a crash leaves the old branch or the new one, and
 * memory stays bounded at any depth: one block at a time is held, and for each statement taken off its name. */
#include "ledger/core/pow_engine.h"

#include <stdlib.h>

/* Statements taken off that are remembered by name, so that the host can be told which came back: at most 3.5 MiB. */
#define NAMES_MAX 65536

static bool grow(struct lg_move *m)
{
    size_t cap = m->cap == 0 ? 64 : m->cap * 2;
    struct lg_statement_name *v = m->cap >= NAMES_MAX ? NULL : realloc(m->names, cap * sizeof *v);
    if (v == NULL) {
        return false;
    }
    m->names = v;
    m->cap = cap;
    return true;
}

/* Only what the host is told depends on it: what finds no room is left out. */
static void note_taken_off(struct lg_move *m, const struct lg_block *b)
{
    for (unsigned i = 0; i < b->nstatements; i++) {
        const struct lg_statement *s = b->statements[i];
        if (m->n == m->cap && !grow(m)) {
            m->cut = true;
            return;
        }
        m->names[m->n++] =
            (struct lg_statement_name){.gw = s->gw, .inc = s->inc, .seq = s->seq, .leaf = s->leaf};
    }
}

/* Take the tip off, down to the fork. */
static int disconnect_down(
    struct lg_engine *e, struct lg_move *m, struct lg_block_info at, int64_t fork_height)
{
    int err = 0;
    while (at.height > fork_height && err == 0) {
        struct lg_block *b;
        bool best;
        err = lg_tree_block(&e->tree, &b, &at.hash);
        if (err == 0) {
            err = e->store->disconnect(e->store->ctx, b, &at);
            note_taken_off(m, b);
            lg_block_free(b);
        }
        struct lg_hash prev = at.prev;
        if (err == 0) {
            err = lg_tree_info(&e->tree, &at, &best, &prev);
        }
    }
    return err == SG_ENOT_FOUND ? SG_ECORRUPT : err;
}

static int connect_up(struct lg_engine *e, const struct lg_hash *path, size_t n)
{
    int err = 0;
    while (n > 0 && err == 0) {
        struct lg_block_info info;
        struct lg_block *b;
        bool best;
        err = lg_tree_info(&e->tree, &info, &best, &path[--n]);
        if (err == 0) {
            err = lg_tree_block(&e->tree, &b, &info.hash);
        }
        if (err == 0) {
            err = e->store->connect(e->store->ctx, b, &info);
            lg_block_free(b);
        }
    }
    return err == SG_ENOT_FOUND ? SG_ECORRUPT : err;
}

/* Side blocks from parent down to above the fork: newest first. Caller frees. */
static int side_path(
    struct lg_engine *e, struct lg_hash **path, size_t *n, struct lg_block_info *fork, struct lg_hash parent)
{
    size_t cap = 0;
    *path = NULL;
    *n = 0;
    for (;;) {
        bool best;
        int err = lg_tree_info(&e->tree, fork, &best, &parent);
        if (err != 0) {
            return err == SG_ENOT_FOUND ? SG_ECORRUPT : err;
        }
        if (best) {
            return 0;
        }
        if (*n == cap) {
            cap = cap == 0 ? 16 : cap * 2;
            struct lg_hash *grown = realloc(*path, cap * sizeof **path);
            if (grown == NULL) {
                return SG_ENOMEM;
            }
            *path = grown;
        }
        (*path)[(*n)++] = fork->hash;
        parent = fork->prev;
    }
}

int lg_move_tip(
    struct lg_engine *e, struct lg_move *m, const struct lg_block *b, const struct lg_block_info *info)
{
    struct lg_hash *path;
    size_t n;
    struct lg_block_info fork;
    int err = side_path(e, &path, &n, &fork, info->prev);
    if (err == 0) {
        m->common = fork.height;
        m->depth = e->tree.tip.height - fork.height;
        err = disconnect_down(e, m, e->tree.tip, fork.height);
    }
    if (err == 0) {
        err = connect_up(e, path, n);
    }
    if (err == 0) {
        err = e->store->append(e->store->ctx, b, info);
    }
    free(path);
    return err;
}

int lg_move_returned(struct lg_engine *e, struct lg_move *m)
{
    size_t kept = 0;
    int err = 0;
    for (size_t i = 0; i < m->n && err == 0; i++) {
        enum lg_doc_state state;
        int64_t height;
        err = e->store->statement_state(e->store->ctx, &state, &height, &m->names[i].leaf);
        if (err == 0 && state == LG_DOC_POOLED) {
            m->names[kept++] = m->names[i];
        }
    }
    m->n = err == 0 ? kept : 0;
    return err == SG_ENOT_FOUND ? SG_ECORRUPT : err;
}

void lg_move_fini(struct lg_move *m)
{
    free(m->names);
    m->names = NULL;
}
