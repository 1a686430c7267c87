/* Bodies that a block on a site could carry. Inside of candidate.c and candidate_rival.c. */
#ifndef LG_CANDIDATE_PRIV_H
#define LG_CANDIDATE_PRIV_H

#include "ledger/core/candidate.h"

struct lg_site_bodies {
    const struct lg_candidate_site *site;
    struct lg_map extra; /* digest -> struct lg_body, of the extra blocks and loaded */
    struct lg_body **loaded;
    unsigned nloaded;
};

SG_MUST_USE int lg_site_bodies_init(struct lg_site_bodies *sb, const struct lg_candidate_site *site);
void lg_site_bodies_fini(struct lg_site_bodies *sb);
/* 0 with *out NULL: on the branch already; 0 with a body: a block must carry it; SG_ENOT_FOUND: not at hand. */
SG_MUST_USE int lg_site_body(
    struct lg_site_bodies *sb, const struct lg_body **out, const struct lg_hash *digest);

#endif
