/* Which statements and bodies a block of one slot on one parent should carry, and what a rival's block leaves out.
 *
 * Pure reading: pool, store and rival stay as they are. Thread: the engine's. */
#ifndef LG_CANDIDATE_H
#define LG_CANDIDATE_H

#include "ledger/core/pow_engine.h"

#define LG_CANDIDATE_MAX_EXTRA 12

/* Where a candidate stands and what it may choose from: the pool, and the documents of the extra blocks (rivals, and blocks of the best
 * branch above the parent, whose documents are not in the pool). */
struct lg_candidate_site {
    struct lg_engine *e;
    const struct lg_view *view; /* the branch that ends in parent */
    struct lg_block_info parent;
    sg_minute slot;
    const struct lg_block *extra[LG_CANDIDATE_MAX_EXTRA];
    unsigned nextra;
    const struct lg_block *rival; /* NULL: none; one of extra */
};

/* A chosen block, sorted as a block is. Documents are borrowed from pool and extra blocks; loaded is the candidate's. */
struct lg_candidate {
    const struct lg_statement **statements;
    const struct lg_body **bodies;
    unsigned nstatements, nbodies;
    int64_t weight;
    struct lg_hash root;
    struct lg_body **loaded; /* bodies that are pooled on disk only */
    unsigned nloaded;
};

/* Choose: first what the rival left out (if there is one), then the rival's statements, then the rest; each time one statement a gateway
 * in turn, the gateway first whose last one on the branch is oldest, in the order (inc, seq), as far as it fits. No
 * statements: nothing to mine. Errors of the store, SG_ENOMEM. Finish after success. */
SG_MUST_USE int lg_candidate_choose(struct lg_candidate *out, const struct lg_candidate_site *site);
void lg_candidate_fini(struct lg_candidate *c);

/* Does block r, on site's parent, leave out a statement that this node has held for a whole slot and that would be valid at its
 * sorted place in r, though r is not full of statements of gateways as long unserved? *leaves: their leaves in the
 * order of the pool, caller frees; *n 0: it leaves out none. */
SG_MUST_USE int lg_candidate_left_out(
    struct lg_hash **leaves, unsigned *n, const struct lg_candidate_site *site, const struct lg_block *r);

#endif
