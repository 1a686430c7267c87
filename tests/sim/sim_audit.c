/* The promises that cost more to look at: all blocks that a store holds, and what a process keeps in memory. Hourly of what was judged lately,
 * at the end of all. */
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdlib.h>

#include "ledger/core/pow_engine.h"

#define LATELY_MS    (2 * 60 * SG_MINUTE_MS)
#define MAX_GATHERED (8u << 20) /* bytes of an offer that a node puts together */
#define MAX_EVIDENCE 64         /* pairs of a gateway */

/* ---- stores ---- */

/* It stores of x what x is, and no branch that it holds is better than the one it is on, whichever came first. */
static void audit_block(struct sim *s, unsigned m, const struct sim_block *x, const struct sim_block *tip)
{
    const struct sim_node *n = &s->machines[m].node;
    const struct lg_store *store = mem_store_vtable(n->store);
    struct lg_block_info info;
    bool best;
    if (store->block_info(store->ctx, &info, &best, &x->hash) != 0)
        return;
    if (x->verdict != 0) {
        if (sim_judge_known(s, &x->hash) == NULL)
            sim_violate(s, "node %u holds a block that is not valid: %s", m, sg_err_code(x->verdict));
        return;
    }
    if (info.weight != x->info.weight || info.weight_sum != x->info.weight_sum ||
        info.height != x->info.height || info.slot != x->info.slot || info.time != x->info.time ||
        info.miner != x->info.miner || !lg_hash_eq(&info.prev, &x->info.prev))
        sim_violate(s, "node %u stores of a block of height %" PRId64 " what it is not", m, x->info.height);
    if (best != (tip != NULL && sim_is_ancestor(x, tip)))
        sim_violate(s, "node %u: a block of height %" PRId64 " is %son its best branch", m, x->info.height,
            best ? "not " : "");
    if (sim_branch_cmp(s, x, tip) < 0)
        sim_violate(
            s, "node %u holds a better branch, of height %" PRId64 ", than its own", m, x->info.height);
}

static void audit_store(struct sim *s, unsigned m, bool all)
{
    struct sim_node *n = &s->machines[m].node;
    const struct sim_block *tip = n->tip.height == 0 ? NULL : sim_judge_find(s, &n->tip.hash);
    mem_store_peek(n->store, true);
    for (const struct sim_block *x = s->judge.last; x != NULL && !s->broken; x = x->before) {
        if (!all && x->at < s->now - LATELY_MS)
            break;
        if (x->judged && x->decodes)
            audit_block(s, m, x, tip);
    }
    for (unsigned gw = 0; gw < s->ngws; gw++)
        if (mem_store_evidence(n->store, s->g->gateways[gw].id) > MAX_EVIDENCE)
            sim_violate(s, "node %u holds too much evidence against gateway %u", m, gw);
    mem_store_peek(n->store, false);
}

struct pooled {
    struct sim *s;
    unsigned m;
};

/* A body that a pooled statement reads is in the pool too, or on the best branch: else nobody mines the statement, ever. */
static int audit_pooled(void *arg, bool is_body, const uint8_t *doc, size_t len)
{
    const struct pooled *p = arg;
    const struct lg_store *store = mem_store_vtable(p->s->machines[p->m].node.store);
    struct lg_statement *st;
    if (is_body)
        return 0;
    if (lg_statement_decode(&st, doc, len) != 0)
        abort();
    for (unsigned i = 0; i < st->nreads; i++) {
        enum lg_doc_state state;
        int64_t height;
        int err = store->body_state(store->ctx, &state, &height, &st->reads[i].digest);
        if (err != 0 || (state != LG_DOC_POOLED && state != LG_DOC_MINED))
            sim_violate(p->s,
                "node %u: a statement of slot %" PRId64 " is pooled, and a body that it reads is not", p->m,
                st->slot);
    }
    lg_statement_free(st);
    return 0;
}

void sim_audit_pooled(struct sim *s, unsigned m)
{
    struct mem_store *store = s->machines[m].node.store;
    const struct lg_store *v = mem_store_vtable(store);
    if (s->machines[m].node.engine == NULL || !s->machines[m].honest || mem_store_pooled(store) == 0)
        return;
    mem_store_peek(store, true);
    if (v->pool_each(v->ctx, audit_pooled, &(struct pooled){s, m}) != 0)
        abort();
    mem_store_peek(store, false);
}

/* ---- memory ---- */

static void audit_waiting(struct sim *s, unsigned m, const struct lg_waiting *w, const char *what)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < w->n; i++) {
        unsigned same = 0;
        for (unsigned k = 0; k < w->n; k++)
            same += w->items[k].from == w->items[i].from;
        if (same > LG_WAITING_MAX_ORIGIN)
            sim_violate(s, "node %u: %u %s blocks of one peer", m, same, what);
        bytes += w->items[i].b->doc_len;
    }
    if (w->n > LG_WAITING_MAX || w->bytes > LG_WAITING_MAX_BYTES || bytes > w->bytes)
        sim_violate(s, "node %u: %u %s blocks, %" PRIu64 " bytes", m, w->n, what, w->bytes);
}

/* Every gateway keeps its reserved part, so none has more than that and the part that all share. */
static void audit_pool(struct sim *s, unsigned m, const struct lg_pool *p)
{
    uint64_t sum = 0, most = p->max_cost / 2 + p->max_cost / 2 / s->g->ngateways;
    for (unsigned gw = 0; gw < s->g->ngateways; gw++) {
        sum += p->gw[gw].cost;
        if (p->gw[gw].cost > most)
            sim_violate(s, "node %u: gateway %u fills %" PRIu64 " bytes of the pool", m, gw, p->gw[gw].cost);
    }
    if (sum != p->cost || p->cost > p->max_cost)
        sim_violate(s, "node %u: its pool counts %" PRIu64 " bytes, of %" PRIu64, m, p->cost, sum);
}

void sim_audit_memory(struct sim *s, unsigned m)
{
    struct sim_node *n = &s->machines[m].node;
    const struct lg_engine *e = n->engine;
    if (e == NULL)
        return;
    audit_waiting(s, m, &e->orphans, "orphan");
    audit_waiting(s, m, &e->held, "early");
    audit_pool(s, m, &e->pool);
    if (n->gathered.list[0].len + n->gathered.list[1].len > MAX_GATHERED)
        sim_violate(s, "node %u gathers an offer of more than %u bytes", m, MAX_GATHERED);
}

void sim_audit_store(struct sim *s, unsigned m, bool all)
{
    if (s->machines[m].node.engine != NULL && s->machines[m].honest)
        audit_store(s, m, all);
}

/* ---- a start ---- */

/* What a process had is what its disk has: the next one has the same, whatever it was doing when it ended. */
void sim_audit_closing(struct sim *s, unsigned m)
{
    struct sim_node *n = &s->machines[m].node;
    n->left = n->engine != NULL && !n->failed && !mem_store_is_failing(n->store);
    if (n->left)
        lg_engine_pow.state(n->engine, &n->left_state);
}

void sim_audit_opened(struct sim *s, unsigned m)
{
    struct sim_node *n = &s->machines[m].node;
    const struct lg_engine_state *was = &n->left_state;
    struct lg_engine_state st;
    if (!n->left)
        return;
    n->left = false;
    lg_engine_pow.state(n->engine, &st);
    if (!lg_hash_eq(&st.tip.hash, &was->tip.hash) || st.pool_statements != was->pool_statements ||
        st.pool_bodies != was->pool_bodies || st.pool_bytes != was->pool_bytes)
        sim_violate(s,
            "node %u ended with height %" PRId64 " and a pool of %u + %u, and starts with %" PRId64
            " and %u + %u",
            m, was->tip.height, was->pool_statements, was->pool_bodies, st.tip.height, st.pool_statements,
            st.pool_bodies);
}
