/* One offer of documents on its way into the pool: the request in parts, and what was found out about each. Inside of
 * pool_accept.c, pool_evidence.c and pool_intake.c. */
#ifndef LG_POOL_INTAKE_H
#define LG_POOL_INTAKE_H

#include "ledger/core/offer_parts.h"
#include "ledger/core/pow_engine.h"

/* A body of the request that one of its statements reads, or one that was read from the store because it must return to the pool. */
struct lg_intake_body {
    struct lg_hash digest;
    struct lg_body *b; /* NULL when err, or when the pool has taken it */
    struct lg_name relay;
    sg_minute min;
    size_t doc_len;
    int err;     /* its own fault, the code of each statement that reads it */
    bool judged; /* lg_body_check is in err */
};

struct lg_intake_statement {
    struct lg_statement *s; /* NULL once the pool or a rejection has it */
    unsigned index;
};

/* A statement that stands in the request before: it shares its fate. */
struct lg_intake_copy {
    unsigned index, of;
};

struct lg_intake {
    struct lg_engine *e;
    struct lg_offer_parts parts;   /* of the request, which is borrowed */
    struct lg_offer_index offered; /* its bodies */
    struct lg_intake_body **bodies;
    size_t nbodies, cap_bodies;
    struct lg_map by_digest;                /* digest -> struct lg_intake_body */
    struct lg_intake_statement *statements; /* well-formed ones, by (gw, inc, seq) */
    size_t nstatements;
    struct lg_intake_copy *copies;
    size_t ncopies;
    struct lg_hash *added; /* leaves that this request put into the pool, and digests */
    size_t nadded;
    struct lg_hash *added_bodies;
    size_t nadded_bodies, cap_added_bodies;
    bool writing;    /* a store transaction is open */
    unsigned forged; /* statements of nobody's, or signed by somebody else */
};

/* Cut the request {"bodies":[…],"statements":[…]} into parts and decode them; ill-formed statements go to offer->rejected.
 * SG_ECANONICAL, SG_ESHAPE (of the whole), SG_ENOMEM. Finish in any case. */
SG_MUST_USE int lg_intake_parse(struct lg_intake *in, struct lg_offer *offer, const uint8_t *doc, size_t len);
void lg_intake_fini(struct lg_intake *in);
/* A body that came with the request, SG_ENOT_FOUND. Decoded when it is first asked for, and kept in the intake. */
SG_MUST_USE int lg_intake_offered(
    struct lg_intake *in, struct lg_intake_body **out, const struct lg_hash *digest);
/* The same, of the request or of the store. */
SG_MUST_USE int lg_intake_body(
    struct lg_intake *in, struct lg_intake_body **out, const struct lg_hash *digest);
/* After the judgement: each copy is rejected with the code of the one that it is a copy of, or known. SG_ENOMEM. */
SG_MUST_USE int lg_intake_settle_copies(const struct lg_intake *in, struct lg_offer *offer);
void lg_intake_reject(struct lg_offer *offer, unsigned index, int err);
/* pool_accept.c: open the store's transaction unless it is open. */
SG_MUST_USE int lg_intake_begin_writing(struct lg_intake *in);
/* pool_evidence.c: a statement that was rejected; keep it when it and another one prove that its gateway has signed one number twice.
 * Errors of the store. */
SG_MUST_USE int lg_intake_evidence(struct lg_intake *in, const struct lg_intake_statement *is);

#endif
