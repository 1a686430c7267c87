/* Filling the pool from the store: at the start, and after a reorganisation has moved documents between pool and branch.
 *
 * Two walks: statements first, each gateway's in the order (inc, seq) up to its room, so that what is mined first is what is here;
 * then the bodies that they read. Beyond the bound the rest stays on disk (spilled); bodies that are not here are read from the store
 * when a block needs them. A stored document that does not decode is corruption. */
#include "ledger/core/pool.h"

#include <stdlib.h>
#include <string.h>

struct loading {
    struct lg_pool *p;
    const struct lg_pool *old;
    bool full
        [LG_MAX_GATEWAYS]; /* no more of this gateway: a later statement without the earlier cannot be mined */
};

static int corrupt(int err)
{
    return err == SG_ECANONICAL || err == SG_ESHAPE ? SG_ECORRUPT : err;
}

static int load_statement(void *arg, bool is_body, const uint8_t *doc, size_t len)
{
    struct loading *l = arg;
    struct lg_statement *s;
    if (is_body) {
        return 0;
    }
    int err = corrupt(lg_statement_decode(&s, doc, len));
    if (err != 0) {
        return err;
    }
    if (lg_genesis_gateway(l->p->genesis, s->gw) == NULL) {
        lg_statement_free(s);
        return SG_ECORRUPT;
    }
    unsigned gw = lg_pool_gateway_index(l->p->genesis, s->gw);
    if (l->full[gw] || !lg_pool_has_room(l->p, gw, lg_pool_statement_cost(s))) {
        l->full[gw] = true;
        l->p->spilled = true;
        lg_statement_free(s);
        return 0;
    }
    const struct lg_pool_statement *before = l->old == NULL ? NULL : lg_pool_statement(l->old, &s->leaf);
    err =
        lg_pool_add_statement(l->p, s, before == NULL ? -1 : before->since, before != NULL && before->early);
    if (err != 0) {
        lg_statement_free(s);
    }
    return err;
}

/* A body is charged to the gateway that it was charged to before; after a start to the first that reads it. */
static int load_body(void *arg, bool is_body, const uint8_t *doc, size_t len)
{
    struct loading *l = arg;
    struct lg_body *b;
    if (!is_body || l->p->cost + len > l->p->max_cost) {
        return 0;
    }
    int err = corrupt(lg_body_decode(&b, doc, len));
    if (err != 0) {
        return err;
    }
    const struct lg_pool_body *before = l->old == NULL ? NULL : lg_map_get(&l->old->bodies, &b->digest);
    const struct lg_pool_body *now = lg_map_get(&l->p->bodies, &b->digest);
    if (l->p->spilled && now == NULL) { /* of a statement that stayed on disk */
        lg_body_free(b);
        return 0;
    }
    err = lg_pool_add_body(l->p, b, before != NULL ? before->gw : now != NULL ? now->gw : 0);
    if (err != 0) {
        lg_body_free(b);
    }
    return err;
}

int lg_pool_load(struct lg_pool *p, const struct lg_store *store, const struct lg_pool *old)
{
    struct loading l = {.p = p, .old = old};
    int err = store->pool_each(store->ctx, load_statement, &l);
    if (err == 0) {
        err = store->pool_each(store->ctx, load_body, &l);
    }
    return err;
}
