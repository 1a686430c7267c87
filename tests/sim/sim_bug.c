/* Seeded faults of a node's shell: what an engine would do that keeps the first of two equal branches, or that believes what a header
 * claims. They live here and nowhere in what is shipped. */
#include "tests/sim/sim.h"

const struct sim_alone sim_alone[SIM_ALONE] = {{SIM_BUG_TORN, SIM_TORN}, {SIM_BUG_LATE, SIM_CLOG},
    {SIM_BUG_UNSIGNED, SIM_KEYLESS}, {SIM_BUG_COPY, SIM_KEYLESS}};

/* "copy": a header whose signature or content was wrong once is not looked at again. */
void sim_bug_refuses(struct sim *s, unsigned m, struct sim_doc *d, int err)
{
    struct sim_node *n = &s->machines[m].node;
    if (s->opt.bug != SIM_BUG_COPY || (err != SG_ESIGNATURE && err != SG_EROOT) || m == s->hostile)
        return;
    const struct sim_block *x = sim_judge_block(s, d);
    if (x->decodes)
        n->refused[n->nrefused++ % SIM_REFUSED] = x->hash;
}

static bool was_refused(struct sim *s, const struct sim_node *n, struct sim_doc *d)
{
    const struct sim_block *x = sim_judge_block(s, d);
    for (unsigned i = 0; i < SIM_REFUSED && i < n->nrefused && x->decodes; i++)
        if (lg_hash_eq(&n->refused[i], &x->hash))
            return true;
    return false;
}

/* "arrival": a block that is only as good as the tip, and comes later, is not looked at. */
bool sim_bug_drops(struct sim *s, unsigned m, struct sim_doc *d)
{
    const struct sim_node *n = &s->machines[m].node;
    if (s->opt.bug == SIM_BUG_COPY)
        return was_refused(s, n, d);
    if (s->opt.bug != SIM_BUG_ARRIVAL || m == s->hostile)
        return false;
    const struct sim_block *x = sim_judge_block(s, d);
    return x->judged && x->verdict == 0 && x->info.height == n->tip.height &&
           x->info.weight_sum == n->tip.weight_sum && !lg_hash_eq(&x->info.hash, &n->tip.hash);
}

void sim_spoil_store(const struct sim *s, struct mem_store *store)
{
    mem_store_lazy(store, s->opt.bug == SIM_BUG_UNSYNCED);
    mem_store_rips(store, s->opt.bug == SIM_BUG_TORN);
    mem_store_retries(store, s->opt.bug == SIM_BUG_RETRY);
    mem_store_forgetful(store, s->opt.bug == SIM_BUG_FORGET ? 1 : s->opt.bug == SIM_BUG_FORGET_6 ? 6 : 0);
    mem_store_forgets_bodies(store, s->opt.bug == SIM_BUG_BODIES);
}

/* "claim": the weight in a header is taken for its weight, and the block with it. "adopt": whatever is wrong with it will be found out
 * later. */
static bool believes(const struct sim *s, int err)
{
    if (s->opt.bug == SIM_BUG_ADOPT)
        return err == SG_EROOT || err == SG_ESIGNATURE || err == SG_ETIME || err == SG_ESTATEMENT_SIGNATURE;
    return s->opt.bug == SIM_BUG_CLAIM && err == SG_EWEIGHT;
}

void sim_bug_adopts(struct sim *s, unsigned m, struct sim_doc *d, int err)
{
    struct sim_node *n = &s->machines[m].node;
    const struct lg_store *store = mem_store_vtable(n->store);
    struct sim_block *x = believes(s, err) ? sim_judge_block(s, d) : NULL;
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
    if (bad != 0) {
        store->rollback(store->ctx);
        return;
    }
    if (store->commit(store->ctx) != 0)
        return;
    lg_engine_pow.close(n->engine);
    n->engine = NULL;
    sim_node_open(s, m);
}
