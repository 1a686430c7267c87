/* Builders of valid documents for tests: a genesis, bodies, statements of any gateway, mined blocks. Everything that is made
 * belongs to the maker and lives as long as it does. Faults abort. */
#ifndef TEST_CHAIN_MAKER_H
#define TEST_CHAIN_MAKER_H

#include "ledger/core/validity.h"

#define MAKER_START  INT64_C(1764000000000) /* time of the genesis, the start of minute 29400000 */
#define MAKER_MINUTE (MAKER_START / SG_MINUTE_MS)

struct maker_config {
    unsigned ngateways; /* 0: 4 */
    unsigned nrelays;   /* 0: 1; relay-1, relay-2, ... */
    unsigned bits;
    bool real_keys;          /* Ed25519 with tests/vectors/keys.json (at most 5 gateways); else fake_crypto */
    struct lg_policy policy; /* members that are 0 get the defaults of `ledger init`, confirm_depth 3 */
};

struct maker_made; /* a list of what was made */
struct maker {
    struct lg_genesis *g;
    const struct sg_crypto *crypto;
    struct sg_key *keys[LG_MAX_GATEWAYS]; /* by index in the genesis; NULL with fake_crypto */
    struct maker_made *made;
};

void chain_maker_init(struct maker *m, const struct maker_config *c);
void chain_maker_fini(struct maker *m);
lg_kid chain_maker_kid(const struct maker *m, unsigned gw);
/* Sign as gateway gw. */
void chain_maker_sign(
    const struct maker *m, uint8_t sig[static SG_SIGNATURE_BYTES], unsigned gw, const void *msg, size_t len);

/* Six samples whose values follow from variant. */
const struct lg_body *make_body(struct maker *m, unsigned relay, sg_minute min, int64_t variant);

/* A statement to be: what is 0 or NULL gets the plain choice. */
struct maker_say {
    unsigned gw;
    sg_minute slot;
    const struct lg_statement *after; /* its predecessor; NULL: the first of an incarnation */
    sg_ms inc;                        /* for the first; 0: MAKER_START + gw */
    bool zero_inc;                    /* 0 it is */
    sg_ms ts;                         /* 0: 100 ms after the end of the slot */
    const struct lg_hash *tip;        /* NULL: chain id */
    const struct lg_body *const *bodies;
    unsigned nbodies;
    unsigned ngaps; /* one-minute gaps of relay-1 from slot-1400 on, at most 1400: 40 bytes each */
    bool bad_signature;
};
const struct lg_statement *make_statement(struct maker *m, const struct maker_say *say);

/* A block to be mined on a parent. */
struct maker_mine {
    const struct lg_block_info *parent; /* NULL: genesis */
    unsigned miner;
    sg_minute slot;
    sg_ms time; /* 0: 2 s after the end of the slot, or the parent's + 1 */
    const struct lg_statement *const *statements;
    unsigned nstatements;
    const struct lg_body *const *bodies; /* any order */
    unsigned nbodies;
    int64_t weight;     /* 0: number of distinct gateways */
    bool zero_weight;   /* weight 0 it is */
    unsigned less_bits; /* than the genesis's, by which it is mined too */
    bool bad_signature, bad_root;
};
const struct lg_block *make_block(struct maker *m, const struct maker_mine *mine);
/* Its place in the tree, when parent is as in make_block. */
struct lg_block_info make_info(
    const struct maker *m, const struct lg_block *b, const struct lg_block_info *parent);

/* {"bodies":[…],"statements":[…]}, appended. */
void make_offer(struct sg_buf *out, const struct lg_statement *const *statements, unsigned nstatements,
    const struct lg_body *const *bodies, unsigned nbodies);

#endif
