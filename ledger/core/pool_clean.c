/* What leaves the pool without having been mined.
 *
 * A statement that the best branch overtook can be mined there no more; when the overtaking is confirm_depth deep it leaves
 * the pool, with the bodies that no pooled statement reads any more, and stays readable. "Deep" is decided by the branch as it was
 * at height tip - confirm_depth + 1, so nothing has to be remembered between blocks.
 *
 * While statements wait on disk only (spilled), nobody knows here what they read: a body that nothing here reads leaves memory alone then, and
 * is overtaken when everything has been loaded again. */
#include "ledger/core/pow_engine.h"

#include <stdlib.h>

struct leaving {
    struct lg_hash *statements, *bodies;
    size_t nstatements, nbodies;
};

/* Marks the reads of s as leaving, and s itself. */
static void mark(struct lg_engine *e, struct leaving *l, const struct lg_statement *s)
{
    for (unsigned i = 0; i < s->nreads; i++) {
        struct lg_pool_body *pb = lg_map_get(&e->pool.bodies, &s->reads[i].digest);
        pb->leaving++;
    }
    l->statements[l->nstatements++] = s->leaf;
}

/* Statements of one gateway that can follow nothing on the branch as of height. */
static int mark_gateway(struct lg_engine *e, struct leaving *l, unsigned gw, int64_t height)
{
    struct lg_statement_ref last;
    const struct lg_pool_gateway *g = &e->pool.gw[gw];
    int err = e->store->last_statement(e->store->ctx, &last, e->genesis->gateways[gw].id, height);
    if (err != 0) {
        return err == SG_ENOT_FOUND ? 0 : err;
    }
    const struct lg_statement *dead = NULL; /* the last one marked: who continues it is dead too */
    for (unsigned i = 0; i < g->n; i++) {
        const struct lg_statement *s = g->v[i]->s;
        if (lg_statement_overtaken(s, &last, e->genesis) != 0 ||
            (dead != NULL && s->seq > 1 && lg_hash_eq(&s->prev, &dead->leaf) &&
                lg_seq_cmp(dead->inc, dead->seq, last.inc, last.seq) > 0)) {
            mark(e, l, s);
            dead = s;
        }
    }
    return 0;
}

/* Bodies that nothing in memory will read, and the counters of the marks back to zero. */
static void collect_bodies(struct lg_engine *e, struct leaving *l)
{
    for (size_t i = 0; i < e->pool.bodies.cap; i++) {
        struct lg_pool_body *pb = e->pool.bodies.slots[i].value;
        if (pb == NULL) {
            continue;
        }
        if (pb->b != NULL && pb->refs == pb->leaving) {
            l->bodies[l->nbodies++] = pb->digest;
        }
        pb->leaving = 0;
    }
}

/* The first nbodies of the bodies, and the statements. */
static int write_leaving(const struct lg_store *store, const struct leaving *l, size_t nbodies)
{
    if (l->nstatements == 0 && nbodies == 0) {
        return 0;
    }
    int err = store->begin(store->ctx);
    if (err != 0) {
        return err;
    }
    for (size_t i = 0; i < l->nstatements && err == 0; i++) {
        err = store->overtake_statement(store->ctx, &l->statements[i]);
    }
    for (size_t i = 0; i < nbodies && err == 0; i++) {
        err = store->overtake_body(store->ctx, &l->bodies[i]);
    }
    if (err == 0) {
        return store->commit(store->ctx);
    }
    store->rollback(store->ctx);
    return err;
}

static int clean(struct lg_engine *e, struct leaving *l, int64_t height)
{
    int err = 0;
    for (unsigned g = 0; g < e->genesis->ngateways && height >= 1 && err == 0; g++) {
        if (e->pool.gw[g].n > 0) {
            err = mark_gateway(e, l, g, height);
        }
    }
    collect_bodies(e, l);
    if (err == 0) {
        err = write_leaving(e->store, l, e->pool.spilled ? 0 : l->nbodies);
    }
    for (size_t i = 0; i < l->nstatements && err == 0; i++) {
        lg_pool_drop_statement(&e->pool, &l->statements[i]);
    }
    for (size_t i = 0; i < l->nbodies && err == 0; i++) {
        lg_pool_drop_body(&e->pool, &l->bodies[i]);
    }
    return err;
}

int lg_pool_clean(struct lg_engine *e)
{
    struct leaving l = {0};
    if (e->pool.statements.n == 0 && e->pool.nbodies == 0) {
        return 0;
    }
    l.statements = malloc((e->pool.statements.n + 1) * sizeof *l.statements);
    l.bodies = malloc((e->pool.nbodies + 1u) * sizeof *l.bodies);
    int err = SG_ENOMEM;
    if (l.statements != NULL && l.bodies != NULL) {
        err = clean(e, &l, e->tree.tip.height - e->genesis->policy.confirm_depth + 1);
    }
    free(l.statements);
    free(l.bodies);
    return err;
}
