/* Judging a rival's block: whom does it leave out?
 *
 * A statement counts as left out when this node has held it from before the rival's slot began until that slot was over (a
 * whole slot), the block does not carry it, and it would be valid at its sorted place in it. A full block is
 * excused when everything it carries had at least as early a turn: turns are counted as miners take them, one statement a gateway in turn, the
 * gateway first whose last one on the branch is oldest. */
#include "ledger/core/candidate_priv.h"

#include <stdlib.h>
#include <string.h>

/* The statements of one gateway in the rival's block, and what the branch holds of it. */
struct share {
    unsigned first, n;
    struct lg_statement_ref last;
    bool has_last;
};

struct judging {
    const struct lg_candidate_site *site;
    const struct lg_block *r;
    struct lg_site_bodies bodies;
    struct lg_map carried; /* the rival's bodies */
    struct share shares[]; /* one a gateway */
};

static int64_t served(const struct share *s)
{
    return s->has_last ? s->last.height : 0;
}

static int open_shares(struct judging *j)
{
    const struct lg_genesis *g = j->site->e->genesis;
    const struct lg_view *view = j->site->view;
    unsigned at = 0;
    for (unsigned i = 0; i < g->ngateways; i++) {
        struct share *s = &j->shares[i];
        s->first = at;
        while (at < j->r->nstatements && j->r->statements[at]->gw == g->gateways[i].id) {
            at++;
        }
        s->n = at - s->first;
        int err = view->last_statement(view->ctx, &s->last, g->gateways[i].id);
        if (err != 0 && err != SG_ENOT_FOUND) {
            return err;
        }
        s->has_last = err == 0;
    }
    for (unsigned i = 0; i < j->r->nbodies; i++) {
        int err = lg_map_put(&j->carried, &j->r->bodies[i]->digest, j->r->bodies[i]);
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

/* Valid after what the branch and the block hold before it? *carried: it is in the block itself. */
static bool fits_in_order(
    const struct judging *j, const struct share *sh, const struct lg_statement *s, bool *carried)
{
    struct lg_statement_ref ref = sh->last;
    bool has = sh->has_last;
    unsigned lo = sh->first, hi = sh->first + sh->n;
    while (lo < hi) { /* the first one that is not before s: a valid block's are in order */
        unsigned mid = lo + (hi - lo) / 2;
        const struct lg_statement *x = j->r->statements[mid];
        if (lg_seq_cmp(x->inc, x->seq, s->inc, s->seq) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    *carried = lo < sh->first + sh->n && lg_hash_eq(&j->r->statements[lo]->leaf, &s->leaf);
    if (*carried) {
        return false;
    }
    if (lo > sh->first) {
        lg_statement_ref_of(&ref, j->r->statements[lo - 1], 0);
        has = true;
    }
    return s->slot <= j->r->header.slot &&
           lg_statement_follows(s, has ? &ref : NULL, j->site->e->genesis) == 0;
}

/* Bytes and leaves that s would add to the block. SG_ENOT_FOUND: a body is not at hand. */
static int added_by(struct judging *j, const struct lg_statement *s, uint64_t *bytes, unsigned *leaves)
{
    unsigned nbodies = j->r->nbodies;
    *bytes = s->doc_len + 1;
    *leaves = 1;
    for (unsigned i = 0; i < s->nreads; i++) {
        const struct lg_body *b;
        if (lg_map_get(&j->carried, &s->reads[i].digest) != NULL) {
            continue;
        }
        int err = lg_site_body(&j->bodies, &b, &s->reads[i].digest);
        if (err != 0) {
            return err;
        }
        if (b != NULL) {
            *bytes += b->doc_len + (nbodies++ > 0);
            (*leaves)++;
        }
    }
    return 0;
}

/* Had every statement of the block a turn no later than the one that s would have had? */
static bool all_as_long_unserved(const struct judging *j, const struct share *mine)
{
    for (unsigned g = 0; g < j->site->e->genesis->ngateways; g++) {
        const struct share *sh = &j->shares[g];
        if (sh->n == 0) {
            continue;
        }
        unsigned latest = sh->n - 1; /* turns of this gateway in the block: 0 .. n-1 */
        if (latest > mine->n || (latest == mine->n && served(sh) > served(mine))) {
            return false;
        }
    }
    return true;
}

/* SG_ENOT_FOUND: not left out. */
static int judge_one(struct judging *j, const struct lg_pool_statement *ps)
{
    const struct share *sh = &j->shares[ps->gw];
    uint64_t bytes;
    unsigned leaves;
    bool carried;
    if (ps->since < 0 || ps->since > j->site->slot * SG_MINUTE_MS || ps->s->ts > j->site->e->now) {
        return SG_ENOT_FOUND;
    }
    if (!fits_in_order(j, sh, ps->s, &carried)) {
        return SG_ENOT_FOUND;
    }
    int err = added_by(j, ps->s, &bytes, &leaves);
    if (err != 0) {
        return err;
    }
    bool full = j->r->doc_len + bytes > (uint64_t)j->site->e->genesis->policy.max_block_bytes ||
                j->r->nstatements + j->r->nbodies + leaves > LG_MAX_LEAVES;
    return full && all_as_long_unserved(j, sh) ? SG_ENOT_FOUND : 0;
}

static int judge_all(struct judging *j, struct lg_hash *leaves, unsigned *n)
{
    const struct lg_pool *pool = &j->site->e->pool;
    for (unsigned g = 0; g < pool->genesis->ngateways; g++) {
        for (unsigned i = 0; i < pool->gw[g].n; i++) {
            int err = judge_one(j, pool->gw[g].v[i]);
            if (err == 0) {
                leaves[(*n)++] = pool->gw[g].v[i]->s->leaf;
            } else if (err != SG_ENOT_FOUND) {
                return err;
            }
        }
    }
    return 0;
}

int lg_candidate_left_out(
    struct lg_hash **leaves, unsigned *n, const struct lg_candidate_site *site, const struct lg_block *r)
{
    struct judging *j = calloc(1, sizeof *j + site->e->genesis->ngateways * sizeof j->shares[0]);
    struct lg_hash *found = malloc((site->e->pool.statements.n + 1) * sizeof *found);
    unsigned nfound = 0;
    if (j == NULL || found == NULL) {
        free(j);
        free(found);
        return SG_ENOMEM;
    }
    j->site = site;
    j->r = r;
    j->carried.seed = site->e->config.seed;
    int err = lg_site_bodies_init(&j->bodies, site);
    if (err == 0) {
        err = open_shares(j);
    }
    if (err == 0) {
        err = judge_all(j, found, &nfound);
    }
    lg_site_bodies_fini(&j->bodies);
    lg_map_fini(&j->carried);
    free(j);
    if (err != 0) {
        free(found);
        return err;
    }
    *leaves = found;
    *n = nfound;
    return 0;
}
