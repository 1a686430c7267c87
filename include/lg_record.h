/* The documents of the ledger: genesis, body, statement, block. What gateways build, nodes check, auditors verify.
 *
 * Every document is C0 (lg_c0.h). Decoders check "canonical" and "shape" and copy the bytes they are given, so that a
 * decoded document lives on its own; encoders write the canonical bytes. Hashes of documents:
 *   H(tag, doc) = SHA-256(tag 0x0A C0(doc)), leaf(doc) = SHA-256(0x00 C0(doc)).
 * Pure. Thread: any; a decoded document is immutable. */
#ifndef LG_RECORD_H
#define LG_RECORD_H

#include "lg_c0.h"
#include "sg_hash.h"
#include "sg_key.h"

struct lg_hash {
    uint8_t b[SG_HASH_BYTES];
};

/* Key id: first 8 bytes of SHA-256(raw public key), big-endian, so that numbers sort as their hex does. */
typedef uint64_t lg_kid;

#define LG_KID_HEX           16
#define LG_MAX_GATEWAYS      128
#define LG_MAX_PROFILES      256
#define LG_MAX_POINTS        48
#define LG_MAX_RELAYS        10000
#define LG_MAX_SAMPLES       60
#define LG_MAX_EVENTS        256
#define LG_MAX_ENTRIES       10000 /* reads and gaps of a statement together */
#define LG_MAX_LEAVES        65536
#define LG_MAX_VALUE         (INT64_C(1) << 40)
#define LG_KEEP_SLOTS        1440 /* a statement may name minutes slot-1439 .. slot */
#define LG_MAX_GENESIS_BYTES (8u << 20)

int lg_hash_cmp(const struct lg_hash *a, const struct lg_hash *b); /* as memcmp */
bool lg_hash_eq(const struct lg_hash *a, const struct lg_hash *b);
lg_kid lg_kid_of_public(const uint8_t pub[static SG_PUBLIC_KEY_BYTES]);
/* dst holds 17 bytes. */
void lg_kid_hex(char *dst, lg_kid kid);
SG_MUST_USE int lg_kid_parse(lg_kid *out, const char *text, size_t len);
void lg_hash_tagged(struct lg_hash *out, const char *tag, const uint8_t *doc, size_t len);
void lg_hash_leaf(struct lg_hash *out, const uint8_t *doc, size_t len);

/* ---- genesis ---- */

enum lg_agg { LG_AGG_RMS, LG_AGG_MEAN, LG_AGG_PF, LG_AGG_LAST };

struct lg_point {
    char name[17];  /* [a-z0-9_]{1,16} */
    char label[17]; /* 1..16 bytes */
    char unit[17];  /* 0..16 bytes */
    enum lg_agg agg;
    uint8_t decimals; /* 0..9, of the text layout */
    int8_t exp;       /* SI value = count x 10^exp */
    uint8_t of[2];    /* indices of P and Q, for LG_AGG_PF */
};

struct lg_profile {
    char id[33];
    unsigned npoints;
    struct lg_point points[LG_MAX_POINTS];
    uint8_t by_name[LG_MAX_POINTS]; /* indices in byte order of the names: the order of "agg" */
};

struct lg_relay {
    char id[33];
    char device[33];
    char equipment[65];
    char substation[65];
    unsigned period_s; /* divides 60 */
    const struct lg_profile *profile;
    unsigned nreaders;     /* 0: every gateway */
    const lg_kid *readers; /* strictly increasing */
};

struct lg_gateway {
    lg_kid id;
    uint8_t key[SG_PUBLIC_KEY_BYTES];
    char name[65];
    bool mine;
};

struct lg_policy {
    sg_ms collect_ms;
    sg_ms stagger_ms;
    sg_ms max_future_ms;
    int64_t max_block_bytes;
    int64_t confirm_depth;
};

struct lg_genesis {
    const uint8_t *doc; /* canonical bytes, owned */
    size_t doc_len;
    struct lg_hash id; /* chain id */
    char name[65];
    unsigned bits; /* 0..40 */
    bool demo;
    int utc_offset_min;
    sg_ms time;
    sg_minute minute; /* floor(time / 60000) */
    struct lg_policy policy;
    unsigned ngateways, nminers, nprofiles, nrelays;
    const struct lg_gateway *gateways; /* by increasing id */
    const struct lg_profile *profiles;
    const struct lg_relay *relays;
};

/* SG_ECANONICAL, SG_ESHAPE, SG_EPOLICY, SG_EGATEWAYS, SG_EPROFILES, SG_ERELAYS, in the order of the contract. Caller frees. */
SG_MUST_USE int lg_genesis_decode(
    struct lg_genesis **out, const uint8_t *doc, size_t len, const struct sg_crypto *crypto);
void lg_genesis_free(struct lg_genesis *g);
/* NULL when unknown; borrowed from g. */
const struct lg_gateway *lg_genesis_gateway(const struct lg_genesis *g, lg_kid id);
const struct lg_relay *lg_genesis_relay(const struct lg_genesis *g, const char *id, size_t len);
bool lg_relay_has_reader(const struct lg_relay *r, lg_kid gw);
unsigned lg_relay_reader_count(const struct lg_genesis *g, const struct lg_relay *r);
/* The paper's ten points (vab vbc vca ia ib ic f pf p q), profile id "paper". Static. */
const struct lg_profile *lg_profile_paper(void);
/* Write a genesis from its parts (doc, id and by_name are ignored); the result still goes through lg_genesis_decode. */
void lg_genesis_encode(struct sg_buf *out, const struct lg_genesis *g);

/* ---- body: one relay, one minute ---- */

struct lg_name { /* a string of a document, unescaped; not NUL-terminated; borrowed from the document */
    const char *p;
    size_t len;
};

int lg_name_cmp(struct lg_name a, struct lg_name b); /* bytes, shorter first */

struct lg_sample {
    uint16_t t_ms; /* inside the minute */
    uint16_t qual; /* SG_QUAL_* */
    uint64_t have; /* bit i: x[i] is known; otherwise x[i] is 0 */
    int64_t x[LG_MAX_POINTS];
};

struct lg_event {
    uint16_t t_ms, type, phases;
    uint32_t imax_ma;
    uint16_t vmin_permille;
    uint32_t dur_ms;
    uint16_t shot;
};

/* n, min, mid, max of one point over a minute. */
struct lg_aggregate {
    int64_t n, min, mid, max;
};

struct lg_body {
    const uint8_t *doc; /* owned by the body, or by the block it came in */
    size_t doc_len;
    struct lg_hash digest; /* leaf(doc) */
    struct lg_name relay;
    sg_minute min;
    uint32_t openings;
    uint16_t quality;
    unsigned nsamples; /* 1..60 */
    unsigned nevents;
    const struct lg_event *events;
    struct lg_slice samples; /* JSON arrays; their inside is judged by lg_body_check */
    struct lg_slice agg;
};

/* The order of bodies in a block: by (relay bytes, min, digest). */
int lg_body_cmp(const struct lg_body *a, const struct lg_body *b);
/* SG_ECANONICAL, SG_ESHAPE. */
SG_MUST_USE int lg_body_decode(struct lg_body **out, const uint8_t *doc, size_t len);
void lg_body_free(struct lg_body *b);
/* The samples, by the columns of the profile: SG_EBODY. out holds LG_MAX_SAMPLES. */
SG_MUST_USE int lg_body_samples(struct lg_sample *out, const struct lg_body *b, const struct lg_relay *relay);
/* SG_ERELAY (relay NULL or of another id), SG_EBODY, SG_EAGGREGATE: does everything recompute from the samples? */
SG_MUST_USE int lg_body_check(const struct lg_body *b, const struct lg_relay *relay);
/* Aggregates of each point of the profile over n samples; out holds profile->npoints. 128-bit integers, no float. */
void lg_aggregate_samples(
    struct lg_aggregate *out, const struct lg_profile *profile, const struct lg_sample *samples, unsigned n);
/* Build the canonical body: samples (valid ones, t increasing, 1..60/period), events (non-decreasing).
 * quality and aggregates are computed here. SG_EINVAL when the parts break a rule of the document. */
SG_MUST_USE int lg_body_encode(struct sg_buf *out, const struct lg_relay *relay, sg_minute min,
    uint32_t openings, const struct lg_sample *samples, unsigned nsamples, const struct lg_event *events,
    unsigned nevents);

/* ---- statement: what one gateway says once a minute ---- */

enum lg_reason {
    LG_REASON_TIMEOUT,
    LG_REASON_REFUSED,
    LG_REASON_EXCEPTION,
    LG_REASON_MALFORMED,
    LG_REASON_IDENTITY,
    LG_REASON_CLOCK,
    LG_REASON_STOPPED,
    LG_REASON_NOSAMPLE,
    LG_REASON_EXPIRED,
    LG_REASON_COUNT
};
const char *lg_reason_name(enum lg_reason r);

struct lg_read {
    struct lg_name relay;
    sg_minute min;
    struct lg_hash digest;
    uint8_t live; /* samples that this gateway itself saw as they were latched, 0..60 */
};

struct lg_gap {
    struct lg_name relay;
    sg_minute from, to;
    enum lg_reason reason;
};

struct lg_statement {
    const uint8_t *doc;
    size_t doc_len;
    size_t sig_at, sig_end; /* doc[sig_at..sig_end) is ,"sig":"..." */
    struct lg_hash leaf;    /* leaf(doc), sig included */
    lg_kid gw;
    sg_ms inc;
    int64_t seq; /* from 1 within inc */
    sg_minute slot;
    sg_ms ts;
    struct lg_hash prev; /* leaf of seq-1, or the chain id */
    struct lg_hash tip;
    uint8_t sig[SG_SIGNATURE_BYTES];
    unsigned nreads, ngaps;
    const struct lg_read *reads; /* strictly increasing by (relay, min) */
    const struct lg_gap *gaps;   /* strictly increasing by (relay, from) */
};

/* SG_ECANONICAL, SG_ESHAPE. */
SG_MUST_USE int lg_statement_decode(struct lg_statement **out, const uint8_t *doc, size_t len);
void lg_statement_free(struct lg_statement *s);
/* The bytes that are signed: tag, 0x0A, the document without sig. Appended to out. */
void lg_statement_signed_bytes(struct sg_buf *out, const struct lg_statement *s);
/* Write and sign: s gives gw inc seq slot ts prev tip reads gaps (doc, leaf, sig ignored), entries sorted as the rules ask.
 * SG_EINVAL for a key that is not gw's, entries out of order, minutes outside slot-1439..slot, ts before the slot's end, inc > ts;
 * SG_ETOO_LARGE, SG_ENOMEM. */
SG_MUST_USE int lg_statement_encode(
    struct sg_buf *out, const struct lg_statement *s, const struct sg_key *key);
/* The same with another signer (a key that is not in this process, the simulator). sign returns 0 or an error, which is
 * returned; s->gw is taken as it is. */
typedef int lg_sign_fn(void *ctx, uint8_t sig[static SG_SIGNATURE_BYTES], const void *msg, size_t len);
SG_MUST_USE int lg_statement_encode_with(
    struct sg_buf *out, const struct lg_statement *s, lg_sign_fn *sign, void *ctx);
/* The order of statements in a block: by (gw, inc, seq). */
int lg_statement_cmp(const struct lg_statement *a, const struct lg_statement *b);
/* The checks that no branch and no body decides, in the contract's order: SG_EUNKNOWN_GATEWAY,
 * SG_ESTATEMENT_SIGNATURE, SG_ESTATEMENT_SLOT (ts, inc), SG_ERELAY, SG_EREADER, SG_EMINUTE. verified: the signature has
 * been verified before for this very leaf. SG_ENOMEM: no verdict. */
SG_MUST_USE int lg_statement_check(
    const struct lg_statement *s, const struct lg_genesis *g, const struct sg_crypto *crypto, bool verified);

/* ---- block ---- */

struct lg_header {
    unsigned bits;
    struct lg_hash chain, prev, root;
    int64_t height;
    int64_t leaves;
    struct lg_name miner; /* any string by shape; miner_kid when miner_is_kid */
    bool miner_is_kid;
    lg_kid miner_kid;
    int64_t nonce;
    sg_minute slot;
    sg_ms time;
    int64_t weight;
};

struct lg_block {
    const uint8_t *doc;
    size_t doc_len;
    struct lg_hash hash; /* of the header */
    struct lg_header header;
    struct lg_slice header_doc;
    uint8_t sig[SG_SIGNATURE_BYTES];
    unsigned nstatements, nbodies;
    struct lg_statement *const *statements;
    struct lg_body *const *bodies;
    unsigned
        passed; /* enum lg_passed: 0 after decoding, set by lg_block_precheck, and where a header was checked before its block */
};

/* Rules that need no branch, and that a block has been found to keep, under one genesis. */
enum lg_passed {
    LG_PASSED_SEAL = 1,       /* miner, work, signature */
    LG_PASSED_ORDER = 2,      /* order */
    LG_PASSED_ROOT = 4,       /* root and leaves */
    LG_PASSED_SIGNATURES = 8, /* unknown_gateway, statement_signature: of each statement */
    LG_PASSED_BODIES = 16,    /* body, aggregate: of each body */
};

/* SG_ECANONICAL, SG_ESHAPE. */
SG_MUST_USE int lg_block_decode(struct lg_block **out, const uint8_t *doc, size_t len);
void lg_block_free(struct lg_block *b);
/* Header alone (sync, proofs): {"bits":…}; SG_ECANONICAL, SG_ESHAPE. miner borrowed from doc. */
SG_MUST_USE int lg_header_decode(struct lg_header *out, const uint8_t *doc, size_t len);
/* Canonical header; miner_kid is written, whatever miner says. */
void lg_header_encode(struct sg_buf *out, const struct lg_header *h);
/* The bytes that are hashed and signed: tag 0x0A header. */
void lg_header_signed_bytes(struct sg_buf *out, const uint8_t *header_doc, size_t len);
void lg_header_hash(struct lg_hash *out, const uint8_t *header_doc, size_t len);
/* Leaf hashes in the order of the Merkle tree: statements, then bodies. leaves holds nstatements + nbodies. */
void lg_block_leaves(struct lg_hash *leaves, const struct lg_block *b);
/* Put a block together from its canonical parts (sorted by the caller). */
void lg_block_encode(struct sg_buf *out, struct lg_slice header_doc,
    const uint8_t sig[static SG_SIGNATURE_BYTES], const struct lg_slice *statements, unsigned nstatements,
    const struct lg_slice *bodies, unsigned nbodies);

/* ---- Merkle tree, RFC 9162 section 2.1, over leaf hashes ---- */

/* n = 0: SHA-256 of nothing. SG_ENOMEM. */
SG_MUST_USE int lg_merkle_root(struct lg_hash *out, const struct lg_hash *leaves, size_t n);
/* Path of leaf index, bottom up; path holds LG_MERKLE_MAX_PATH. Returns its length through npath. */
#define LG_MERKLE_MAX_PATH 17
SG_MUST_USE int lg_merkle_path(
    struct lg_hash *path, unsigned *npath, const struct lg_hash *leaves, size_t n, size_t index);
/* True when leaf at index of n with path gives root (RFC 9162, 2.1.3.2). */
bool lg_merkle_verify(const struct lg_hash *root, const struct lg_hash *leaf, size_t index, size_t n,
    const struct lg_hash *path, unsigned npath);

/* ---- rank and work ---- */

/* rank = SHA-256("gridwitness/rank/v1" 0x0A prev slot(8, big-endian) kid(8)): the order in which miners take their turn. */
void lg_rank(struct lg_hash *out, const struct lg_hash *prev, sg_minute slot, lg_kid kid);
/* Position of kid among the ranks of the gateways with mine = 1, 0 first; -1 when it may not mine. */
int lg_rank_position(const struct lg_genesis *g, const struct lg_hash *prev, sg_minute slot, lg_kid kid);
/* True when the hash, as a big-endian number, is below 2^(256-bits). */
bool lg_work_meets(const struct lg_hash *hash, unsigned bits);
/* Search a nonce for the header (nonce ignored), tries at most `tries` values from `from`, wrapping at 2^53.
 * 0 and *nonce, or SG_EAGAIN. A midstate of all that stands before the nonce is copied for each try. */
SG_MUST_USE int lg_work_search(int64_t *nonce, const struct lg_header *h, int64_t from, uint64_t tries);

#endif
