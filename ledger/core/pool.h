/* The pool in memory: statements by gateway in the order (inc, seq), bodies by digest with the number of pooled statements that
 * read them. It mirrors what the store calls pooled, as far as the bound on memory allows.
 *
 * Bound: half of max_cost is shared, half is reserved in equal parts for the gateways, so that none can shut out the
 * others. What a restart or a reorganisation brings back beyond the bound stays on disk only (spilled) until there is
 * room. Pure; one owner thread. */
#ifndef LG_POOL_H
#define LG_POOL_H

#include "ledger/core/hash_map.h"
#include "ledger/core/store.h"

#define LG_POOL_DEFAULT_BYTES (UINT64_C(64) << 20)

struct lg_pool_statement {
    struct lg_statement *s; /* owned */
    unsigned gw;            /* index in the genesis */
    uint64_t cost;
    sg_ms since; /* held since; -1: loaded, the clock was not known yet */
    bool early;  /* its ts lay ahead of the clock: not mined and not passed on before */
};

/* A digest that a pooled statement reads, or a pooled body, or both. */
struct lg_pool_body {
    struct lg_hash digest;
    struct lg_body *b; /* owned; NULL: on the best branch, or only on disk */
    uint64_t cost;
    unsigned gw; /* charged to */
    unsigned refs;
    unsigned leaving; /* refs of statements that are about to leave */
};

struct lg_pool_gateway {
    struct lg_pool_statement **v; /* increasing (inc, seq) */
    unsigned n, cap;
    uint64_t cost;
};

struct lg_pool {
    const struct lg_genesis *genesis;
    struct lg_pool_gateway *gw; /* by index in the genesis */
    struct lg_map statements;   /* leaf -> struct lg_pool_statement */
    struct lg_map bodies;       /* digest -> struct lg_pool_body */
    uint64_t cost, max_cost;
    unsigned nbodies; /* with b */
    unsigned nearly;
    bool spilled;   /* the store holds more pooled statements than this */
    bool unclocked; /* some since is -1 */
};

/* max_cost 0: LG_POOL_DEFAULT_BYTES. seed: of its maps. SG_ENOMEM. */
SG_MUST_USE int lg_pool_init(struct lg_pool *p, const struct lg_genesis *g, uint64_t max_cost, uint64_t seed);
void lg_pool_fini(struct lg_pool *p);
/* Fill an empty pool from what the store calls pooled; since is carried over from old (may be NULL). SG_ECORRUPT, SG_ENOMEM, errors of
 * the store: the pool is then to be finished. */
SG_MUST_USE int lg_pool_load(struct lg_pool *p, const struct lg_store *store, const struct lg_pool *old);

/* Takes s (a gateway of the genesis, leaf not in the pool) on success. SG_ENOMEM. */
SG_MUST_USE int lg_pool_add_statement(
    struct lg_pool *p, struct lg_statement *s_take, sg_ms since, bool early);
/* Takes b on success, charged to gateway gw; b is not in the pool. SG_ENOMEM. */
SG_MUST_USE int lg_pool_add_body(struct lg_pool *p, struct lg_body *b_take, unsigned gw);
/* Nothing happens when it is not there. */
void lg_pool_drop_statement(struct lg_pool *p, const struct lg_hash *leaf);
void lg_pool_drop_body(struct lg_pool *p, const struct lg_hash *digest);

/* NULL: not there. Borrowed until the pool changes. */
struct lg_pool_statement *lg_pool_statement(const struct lg_pool *p, const struct lg_hash *leaf);
const struct lg_body *lg_pool_body(const struct lg_pool *p, const struct lg_hash *digest);
unsigned lg_pool_gateway_index(const struct lg_genesis *g, lg_kid gw);
uint64_t lg_pool_statement_cost(const struct lg_statement *s);
uint64_t lg_pool_body_cost(const struct lg_body *b);
/* May gateway gw bring in cost more? */
bool lg_pool_has_room(const struct lg_pool *p, unsigned gw, uint64_t cost);

/* Order (inc, seq): < 0, 0, > 0. */
int lg_seq_cmp(sg_ms inc_a, int64_t seq_a, sg_ms inc_b, int64_t seq_b);
/* Can s never be valid on a branch on which its gateway's last statement is last (NULL: none), whatever comes between?
 * 0: it can; SG_ESTATEMENT_CHAIN, SG_ESTATEMENT_SLOT: why not. */
SG_MUST_USE int lg_statement_overtaken(
    const struct lg_statement *s, const struct lg_statement_ref *last, const struct lg_genesis *g);

#endif
