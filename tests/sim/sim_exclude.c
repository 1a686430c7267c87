/* The hostile member that leaves one gateway out: everything that its pool holds goes into its block, as early as it can, but nothing of
 * the victim. Such a block may weigh as much as an honest one less 1. */
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>

#define MAX_DOCS 128

struct pooled {
    struct lg_statement *st[MAX_DOCS];
    struct lg_body *bodies[MAX_DOCS];
    unsigned nst, nbodies;
};

static int take(void *arg, bool is_body, const uint8_t *doc, size_t len)
{
    struct pooled *p = arg;
    if (is_body && p->nbodies < MAX_DOCS && lg_body_decode(&p->bodies[p->nbodies], doc, len) == 0)
        p->nbodies++;
    if (!is_body && p->nst < MAX_DOCS && lg_statement_decode(&p->st[p->nst], doc, len) == 0)
        p->nst++;
    return 0;
}

static const struct lg_body *body_of(const struct pooled *p, const struct lg_hash *digest)
{
    for (unsigned i = 0; i < p->nbodies; i++)
        if (lg_hash_eq(&p->bodies[i]->digest, digest))
            return p->bodies[i];
    return NULL;
}

/* Everything that st reads is on the branch or at hand. */
static bool has_bodies(const struct sim *s, const struct pooled *p, const struct lg_statement *st,
    const struct sim_block *parent)
{
    for (unsigned i = 0; i < st->nreads; i++)
        if (!sim_on_branch(s, &st->reads[i].digest, parent) && body_of(p, &st->reads[i].digest) == NULL)
            return false;
    return true;
}

/* The bodies of the block: each once, those only that the branch does not carry. */
static unsigned gather_bodies(const struct sim *s, const struct pooled *p, const struct sim_block *parent,
    const struct lg_statement *const *chosen, unsigned n, const struct lg_body **out)
{
    unsigned nbodies = 0;
    for (unsigned i = 0; i < n; i++)
        for (unsigned k = 0; k < chosen[i]->nreads; k++) {
            const struct lg_hash *digest = &chosen[i]->reads[k].digest;
            bool there = sim_on_branch(s, digest, parent);
            for (unsigned j = 0; j < nbodies; j++)
                there = there || lg_hash_eq(&out[j]->digest, digest);
            if (!there && nbodies < MAX_DOCS)
                out[nbodies++] = body_of(p, digest);
        }
    return nbodies;
}

/* Of each gateway but the victim the statements that follow, in the order of the pool, which is theirs. */
static unsigned choose(const struct sim *s, const struct pooled *p, const struct sim_block *parent,
    sg_minute slot, unsigned victim, const struct lg_statement **out)
{
    struct lg_statement_ref last[SIM_MAX_GWS];
    unsigned n = 0;
    memset(last, 0, sizeof last);
    if (parent != NULL)
        memcpy(last, parent->last, s->ngws * sizeof last[0]);
    for (unsigned i = 0; i < p->nst; i++) {
        const struct lg_statement *st = p->st[i];
        unsigned gw = sim_gw_index(s, st->gw);
        if (gw == victim || st->slot > slot || !has_bodies(s, p, st, parent) ||
            lg_statement_follows(st, last[gw].seq > 0 ? &last[gw] : NULL, s->g) != 0)
            continue;
        lg_statement_ref_of(&last[gw], st, 1);
        out[n++] = st;
    }
    return n;
}

void sim_hostile_exclude_one(struct sim *s, sg_minute slot)
{
    struct sim_node *node = &s->machines[s->hostile].node;
    const struct lg_store *store = mem_store_vtable(node->store);
    const struct sim_block *parent = node->tip.height == 0 ? NULL : sim_judge_find(s, &node->tip.hash);
    const struct lg_statement *chosen[MAX_DOCS];
    const struct lg_body *bodies[MAX_DOCS];
    struct pooled p = {.nst = 0};
    unsigned victim = (s->hostile + 1) % s->ngws;
    while (parent != NULL && parent->info.slot >= slot)
        parent = parent->parent; /* what was mined already is mined once more, without the victim */
    mem_store_peek(node->store, true);
    if (store->pool_each(store->ctx, take, &p) != 0)
        abort();
    mem_store_peek(node->store, false);
    unsigned n = choose(s, &p, parent, slot, victim, chosen);
    sg_ms time = (slot + 1) * SG_MINUTE_MS;
    for (unsigned i = 0; i < n; i++)
        time = chosen[i]->ts > time ? chosen[i]->ts : time;
    struct sim_forgery f = {.by = s->hostile,
        .parent = parent,
        .slot = slot,
        .time = parent != NULL && parent->info.time >= time ? parent->info.time + 1 : time,
        .statements = chosen,
        .nstatements = n,
        .bodies = bodies,
        .nbodies = gather_bodies(s, &p, parent, chosen, n, bodies)};
    if (n > 0) {
        struct sim_doc *d = sim_forge_block(s, &f);
        for (unsigned q = 0; q < s->nnodes; q++) {
            struct sim_msg *msg = sim_msg_new(MSG_BLOCK, s->hostile, q);
            msg->docs[msg->n++] = sim_doc_ref(d);
            sim_send(s, msg);
        }
    }
    for (unsigned i = 0; i < p.nst; i++)
        lg_statement_free(p.st[i]);
    for (unsigned i = 0; i < p.nbodies; i++)
        lg_body_free(p.bodies[i]);
}
