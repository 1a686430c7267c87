/* Seeded faults of a node's shell: what an engine would do that keeps the first of two equal branches, or that believes what a header
 * claims. They live here and nowhere in what is shipped. */
#include "tests/sim/sim.h"

/* "arrival": a block that is only as good as the tip, and comes later, is not looked at. */
bool sim_bug_drops(struct sim *s, unsigned m, struct sim_doc *d)
{
    const struct sim_node *n = &s->machines[m].node;
    if (s->opt.bug != SIM_BUG_ARRIVAL || m == s->hostile)
        return false;
    const struct sim_block *x = sim_judge_block(s, d);
    return x->judged && x->verdict == 0 && x->info.height == n->tip.height &&
           x->info.weight_sum == n->tip.weight_sum && !lg_hash_eq(&x->info.hash, &n->tip.hash);
}

/* "claim": the weight in a header is taken for its weight, and the block with it. */
void sim_bug_adopts(struct sim *s, unsigned m, struct sim_doc *d, int err)
{
    struct sim_node *n = &s->machines[m].node;
    const struct lg_store *store = mem_store_vtable(n->store);
    struct sim_block *x = s->opt.bug == SIM_BUG_CLAIM && err == SG_EWEIGHT ? sim_judge_block(s, d) : NULL;
    if (x == NULL || m == s->hostile || !x->decodes || x->parent == NULL ||
        !lg_hash_eq(&x->info.prev, &n->tip.hash))
        return;
    struct lg_block_info info;
    const struct lg_block *b = sim_judge_decoded(s, x);
    lg_block_info_of(&info, b, &x->parent->info);
    if (store->begin(store->ctx) != 0)
        return;
    int bad = store->put_block(store->ctx, b, &info);
    bad = bad != 0 ? bad : store->connect(store->ctx, b, &info);
    if (bad != 0 || store->commit(store->ctx) != 0)
        return;
    lg_engine_pow.close(n->engine);
    n->engine = NULL;
    sim_node_open(s, m);
}
