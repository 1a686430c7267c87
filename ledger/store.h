/* SQLite behind struct lg_store, and read-only connections for REST and the tools.
 *
 * One file chain.db in the data directory, WAL, synchronous=FULL, one writer (the chain thread), a lock on the directory held by the
 * process. Readers have their own connections and see the last commit. Layout: head of ledger/store_schema.c. */
#ifndef LG_STORE_SQLITE_H
#define LG_STORE_SQLITE_H

#include "ledger/core/paper.h"
#include "ledger/core/store.h"

struct lg_sqlite;

/* Something stored that is not what was written: see ledger/store_scrub.h. */
enum lg_damage_kind {
    LG_DAMAGE_STATEMENT,
    LG_DAMAGE_BODY,
    LG_DAMAGE_BLOCK,
    LG_DAMAGE_ROWS,
    LG_DAMAGE_READ,
    LG_DAMAGE_GAP,
    LG_DAMAGE_FIRST_READ,
    LG_DAMAGE_DISPUTE,
    LG_DAMAGE_SIDE,
    LG_DAMAGE_COUNTERS,
    LG_DAMAGE_FILE,
    LG_DAMAGE_KINDS
};
struct lg_damage {
    enum lg_damage_kind kind;
    struct lg_hash
        hash; /* STATEMENT: leaf; BODY: digest; BLOCK, ROWS: of the block; SIDE: leaf, of a document's row; else zeros */
    int64_t key
        [5]; /* READ: relay, min, gw, height, idx; GAP: gw, height, idx; FIRST_READ: relay, min; DISPUTE: id; SIDE: block, 1: a document's row; COUNTERS: gw; FILE: a place in the walk */
};

/* Open (or make, 0700) data_dir for one writing process. SG_ELOCKED, SG_ECONFIG (database of another chain or of a newer
 * schema), SG_ECORRUPT, SG_EIO, SG_ENOSPC; fault names the file. genesis is borrowed until close. */
SG_MUST_USE int lg_sqlite_open(
    struct lg_sqlite **out, const char *data_dir, const struct lg_genesis *genesis, struct sg_fault *fault);
void lg_sqlite_close(struct lg_sqlite *s);
/* The engine's vtable on it; valid until close. Thread: chain. */
const struct lg_store *lg_sqlite_store(struct lg_sqlite *s);

/* What calls of the vtable have stumbled on since the last call of this: false, nothing. Such a call returned SG_ECORRUPT, or left the
 * document out (pool_each). Thread: chain. */
bool lg_sqlite_damage(struct lg_sqlite *s, struct lg_damage *out);
/* 0, or the final error that was seen: nothing is written any more. Thread: chain. */
int lg_sqlite_failed(const struct lg_sqlite *s);

/* ---- reading side: one per reading thread ---- */

struct lg_reader;

/* A read-only connection. No lock: works beside a running node and on a stopped one's folder (a folder that cannot be
 * written is read as it lies). SG_ENOT_FOUND without a database; else as lg_sqlite_open. */
SG_MUST_USE int lg_reader_open(
    struct lg_reader **out, const char *data_dir, const struct lg_genesis *genesis, struct sg_fault *fault);
void lg_reader_close(struct lg_reader *r);
/* The genesis document that a folder's store was made with, appended to out: what the folder says of itself, not what anybody trusts.
 * Errors as lg_reader_open. */
SG_MUST_USE int lg_reader_genesis(struct sg_buf *out, const char *data_dir, struct sg_fault *fault);
/* One consistent snapshot for the calls between. */
SG_MUST_USE int lg_reader_begin(struct lg_reader *r);
void lg_reader_end(struct lg_reader *r);
/* The first damage that calls have stumbled on since the last call of this: they returned SG_ECORRUPT, or left the document out (lists
 * of the pool). False: none. */
bool lg_reader_damage(struct lg_reader *r, struct lg_damage *out);

/* All: 0, SG_ENOT_FOUND, or SG_EIO/SG_ECORRUPT/SG_ENOMEM. A callback must not call into the same reader; its non-zero result
 * ends the walk and is returned. */
SG_MUST_USE int lg_reader_tip(struct lg_reader *r, struct lg_block_info *out);
SG_MUST_USE int lg_reader_block_at(struct lg_reader *r, struct lg_block_info *out, int64_t height);
SG_MUST_USE int lg_reader_block_info(
    struct lg_reader *r, struct lg_block_info *out, bool *best, const struct lg_hash *hash);
SG_MUST_USE int lg_reader_block_bytes(struct lg_reader *r, struct sg_buf *out, const struct lg_hash *hash);
/* Canonical header and signature, for any valid block. */
SG_MUST_USE int lg_reader_header(struct lg_reader *r, struct sg_buf *header,
    uint8_t sig[static SG_SIGNATURE_BYTES], const struct lg_hash *hash);
SG_MUST_USE int lg_reader_leaves(
    struct lg_reader *r, struct lg_hash **leaves, size_t *n, const struct lg_hash *block); /* caller frees */
/* The same, and how many of them are statements. */
SG_MUST_USE int lg_reader_leaf_lists(struct lg_reader *r, struct lg_hash **leaves, size_t *n,
    unsigned *nstatements, const struct lg_hash *block);

struct lg_doc_place {
    enum lg_doc_state state;
    int64_t height;       /* when mined */
    struct lg_hash block; /* when mined */
    unsigned index;       /* leaf index in it */
};
/* doc may be NULL: the place alone. */
SG_MUST_USE int lg_reader_statement(
    struct lg_reader *r, struct sg_buf *doc, struct lg_doc_place *place, const struct lg_hash *leaf);
SG_MUST_USE int lg_reader_body(
    struct lg_reader *r, struct sg_buf *doc, struct lg_doc_place *place, const struct lg_hash *digest);
/* Pooled documents: bodies by (relay, min), then statements by (gw, inc, seq), so that what is read stands before what
 * reads it. fn's non-zero result ends the walk and is returned. */
typedef int lg_reader_doc_fn(
    void *arg, bool is_body, const struct lg_hash *leaf, const uint8_t *doc, size_t len);
SG_MUST_USE int lg_reader_pool(struct lg_reader *r, lg_reader_doc_fn *fn, void *arg);
/* Pooled statements alone, in the same order, at most limit of them from the offset-th. */
SG_MUST_USE int lg_reader_pool_statements(
    struct lg_reader *r, int64_t offset, int64_t limit, lg_reader_doc_fn *fn, void *arg);

/* Who read what of one (relay, minute): one row per gateway, its first read on the branch, which counts. */
struct lg_attestation {
    lg_kid gw;
    uint8_t live;
    struct lg_hash digest;
    struct lg_hash statement; /* leaf; zeros in struct lg_minute: lg_reader_attested_leaf */
    int64_t height;
    unsigned index; /* leaf index of the statement in its block */
};
struct lg_minute {
    char relay[33];
    sg_minute min;
    struct lg_hash
        digest; /* the answer of the contract's rule: most gateways with live > 0, then most gateways, then first included */
    int64_t height; /* of the block that holds the body */
    struct lg_hash block;
    int64_t confirmations;
    bool conflict;      /* another digest exists on the branch for this (relay, minute) */
    unsigned attested;  /* gateways that read this digest: by[0..attested), by increasing gw */
    unsigned witnesses; /* all that read the minute: by[attested..witnesses) read another digest */
    struct lg_attestation by[LG_MAX_GATEWAYS];
    unsigned of;      /* readers of the relay */
    unsigned seen_by; /* gateways whose later statements on the branch name a tip at or above the block */
};
/* SG_ENOT_FOUND when no body for it is on the best branch. */
SG_MUST_USE int lg_reader_minute(
    struct lg_reader *r, struct lg_minute *out, const char *relay, sg_minute min);
/* The statement of an attestation of lg_reader_minute: lists of minutes have no need of it, and it is a lookup each. */
SG_MUST_USE int lg_reader_attested_leaf(
    struct lg_reader *r, struct lg_hash *leaf, const struct lg_attestation *a);
/* Minutes of one relay that have a body on the best branch, from..to inclusive, ascending or descending; fn per minute. */
typedef int lg_reader_minute_fn(void *arg, sg_minute min);
SG_MUST_USE int lg_reader_minutes(struct lg_reader *r, const char *relay, sg_minute from, sg_minute to,
    bool descending, unsigned limit, lg_reader_minute_fn *fn, void *arg);

/* The same for minutes with a body in the pool (the branch may hold another body of it), and those bodies. */
SG_MUST_USE int lg_reader_pooled_minutes(struct lg_reader *r, const char *relay, sg_minute from, sg_minute to,
    bool descending, unsigned limit, lg_reader_minute_fn *fn, void *arg);
typedef int lg_reader_digest_fn(void *arg, const struct lg_hash *digest);
SG_MUST_USE int lg_reader_pooled_bodies(
    struct lg_reader *r, const char *relay, sg_minute min, lg_reader_digest_fn *fn, void *arg);

struct lg_gateway_state {
    struct lg_statement_ref chain; /* inc 0: none */
    struct lg_statement_ref pool;  /* the last one pooled; inc 0: none */
    sg_ms greatest_inc;            /* held in any state */
    sg_minute greatest_slot;
    int64_t incarnations; /* on the best branch: restarts + 1 */
    int64_t gap_minutes;  /* declared on the best branch */
    int64_t evidence;
};
SG_MUST_USE int lg_reader_gateway(struct lg_reader *r, struct lg_gateway_state *out, lg_kid gw);
/* Newest declared gaps of a gateway on the best branch, newest first, at most limit. */
struct lg_reader_gap {
    int64_t height;
    const char *relay; /* borrowed from the genesis */
    sg_minute from, to;
    enum lg_reason reason;
};
typedef int lg_reader_gap_fn(void *arg, const struct lg_reader_gap *gap);
SG_MUST_USE int lg_reader_gaps(
    struct lg_reader *r, lg_kid gw, unsigned limit, lg_reader_gap_fn *fn, void *arg);
/* Conflicting statements: pairs of documents with an id in from..to, at most limit of them, in the order in which they were found; the first one
 * has id 1, later ones greater ids. */
typedef int lg_reader_pair_fn(
    void *arg, int64_t id, lg_kid gw, struct lg_slice first, struct lg_slice second);
SG_MUST_USE int lg_reader_evidence_page(
    struct lg_reader *r, int64_t from, int64_t to, unsigned limit, lg_reader_pair_fn *fn, void *arg);
/* Conflicting bodies: those of the best branch that came after another one of their (relay, minute), newest first, after the
 * place (height, index); (INT64_MAX, 0) begins. */
struct lg_reader_conflict {
    int64_t height;
    unsigned index;
    const char *relay; /* borrowed from the genesis */
    sg_minute min;
};
typedef int lg_reader_conflict_fn(void *arg, const struct lg_reader_conflict *c);
SG_MUST_USE int lg_reader_conflicts(struct lg_reader *r, int64_t height, unsigned index, unsigned limit,
    lg_reader_conflict_fn *fn, void *arg);
/* Disputes: two reads of one (relay, minute) with different digests by statements that this node holds, wherever they are now.
 * Newest first, ids up to `to`; ids begin with 1. */
struct lg_reader_dispute_side {
    struct lg_attestation read; /* height and index 0: the statement is not on the best branch */
    int64_t body_height;        /* 0: the body is not on the best branch */
    unsigned body_index;
};
struct lg_reader_dispute {
    int64_t id;
    const char *relay; /* borrowed from the genesis */
    sg_minute min;
    struct lg_reader_dispute_side side[2]; /* in the order in which they came to this node */
};
typedef int lg_reader_dispute_fn(void *arg, const struct lg_reader_dispute *d);
SG_MUST_USE int lg_reader_disputes(
    struct lg_reader *r, int64_t to, unsigned limit, lg_reader_dispute_fn *fn, void *arg);
/* All bodies of one (relay, minute) on the best branch, in the order of their inclusion, and all reads of it, later ones of
 * the same gateway too, by (gw, height, index). */
typedef int lg_reader_body_fn(void *arg, const struct lg_hash *digest, int64_t height, unsigned index);
SG_MUST_USE int lg_reader_bodies_of(
    struct lg_reader *r, const char *relay, sg_minute min, lg_reader_body_fn *fn, void *arg);
typedef int lg_reader_read_fn(void *arg, const struct lg_attestation *read);
SG_MUST_USE int lg_reader_reads_of(
    struct lg_reader *r, const char *relay, sg_minute min, lg_reader_read_fn *fn, void *arg);

/* Proof and hash of view block index alone. */
SG_MUST_USE int lg_reader_paper_state(struct lg_reader *r, struct lg_paper_state *state, int64_t index);
/* The paper's view: JSON text of view block index (1 = genesis), appended to out. */
SG_MUST_USE int lg_reader_paper(
    struct lg_reader *r, struct sg_buf *out, struct lg_paper_state *state, int64_t index);

#endif
