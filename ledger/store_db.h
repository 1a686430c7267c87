/* Inside of the store: one SQLite connection with its prepared statements, used by the writer (store*.c) and by
 * each reader (store_reader*.c). Not for other modules.
 *
 * All text of SQL is in the table of store_sql.c; a statement is prepared when it is first used and kept. */
#ifndef LG_STORE_DB_H
#define LG_STORE_DB_H

#include "ledger/store.h"

struct sqlite3;
struct sqlite3_stmt;

enum lg_sql {
    LG_SQL_BEGIN,
    LG_SQL_SNAPSHOT,
    LG_SQL_COMMIT,
    LG_SQL_ROLLBACK,
    LG_SQL_META_GET,
    LG_SQL_META_PUT,
    LG_SQL_TIP,
    LG_SQL_BLOCK_BY_HASH,
    LG_SQL_BLOCK_AT,
    LG_SQL_BLOCK_PARTS,
    LG_SQL_BLOCK_HEADER,
    LG_SQL_BLOCK_CHILDREN,
    LG_SQL_BLOCK_HASH_AT,
    LG_SQL_BLOCK_BEST_HEIGHT,
    LG_SQL_BLOCK_PUT,
    LG_SQL_BLOCK_SET_BEST,
    LG_SQL_LAST_STATEMENT,
    LG_SQL_LAST_POOLED,
    LG_SQL_STATEMENT_STATE,
    LG_SQL_STATEMENT_DOC,
    LG_SQL_STATEMENT_LEAF_BY_ID,
    LG_SQL_STATEMENT_VARIANTS,
    LG_SQL_STATEMENT_LEAF_AT,
    LG_SQL_STATEMENT_POOL,
    LG_SQL_STATEMENT_POOL_PAGE,
    LG_SQL_STATEMENT_PUT,
    LG_SQL_STATEMENT_TO_POOL,
    LG_SQL_STATEMENT_OVERTAKE,
    LG_SQL_STATEMENT_CONNECT,
    LG_SQL_STATEMENT_DISCONNECT,
    LG_SQL_BODY_AT,
    LG_SQL_BODY_STATE,
    LG_SQL_BODY_DOC,
    LG_SQL_BODY_PLACE_BY_ID,
    LG_SQL_BODY_ID,
    LG_SQL_BODY_POOL,
    LG_SQL_BODY_POOL_OF_MINUTE,
    LG_SQL_POOLED_MINUTES_UP,
    LG_SQL_POOLED_MINUTES_DOWN,
    LG_SQL_BODY_PUT,
    LG_SQL_BODY_TO_POOL,
    LG_SQL_BODY_OVERTAKE,
    LG_SQL_BODY_CONNECT,
    LG_SQL_BODY_DISCONNECT,
    LG_SQL_BODY_OTHERS,
    LG_SQL_BODY_OF_MINUTE,
    LG_SQL_MINUTES_UP,
    LG_SQL_MINUTES_DOWN,
    LG_SQL_READ_PUT,
    LG_SQL_READ_DELETE,
    LG_SQL_READS_OF_MINUTE,
    LG_SQL_GAP_PUT,
    LG_SQL_GAP_DELETE,
    LG_SQL_GAPS_OF_GATEWAY,
    LG_SQL_GATEWAY,
    LG_SQL_GATEWAY_HELD,
    LG_SQL_GATEWAY_COUNT,
    LG_SQL_GATEWAY_EVIDENCE,
    LG_SQL_SEEN,
    LG_SQL_EVIDENCE_PUT,
    LG_SQL_EVIDENCE,
    LG_SQL_CONFLICT_PUT,
    LG_SQL_CONFLICT_DELETE,
    LG_SQL_CONFLICTS,
    LG_SQL_FIRST_READ,
    LG_SQL_FIRST_READ_MINED,
    LG_SQL_FIRST_READ_PUT,
    LG_SQL_DISPUTE_PUT,
    LG_SQL_DISPUTE_COUNT,
    LG_SQL_DISPUTES,
    LG_SQL_SIDE_SOURCE,
    LG_SQL_SIDE_PUT,
    LG_SQL_SIDE_DELETE,
    LG_SQL_SIDE_ROW,
    LG_SQL_SIDE_KIDS,
    LG_SQL_SIDE_NEXT,
    LG_SQL_SIDE_DOC_PUT,
    LG_SQL_SIDE_DOC_DELETE,
    LG_SQL_SIDE_DOC_ANY,
    LG_SQL_SIDE_BYTES,
    LG_SQL_SIDE_GREEDY,
    LG_SQL_SIDE_COUNT,
    LG_SQL_SIDE_GONE,
    LG_SQL_BLOCK_DELETE,
    LG_SQL_STATEMENT_LENGTH,
    LG_SQL_BODY_LENGTH,
    LG_SQL_STATEMENT_FREE,
    LG_SQL_BODY_FREE,
    LG_SQL_STATEMENT_DELETE,
    LG_SQL_BODY_DELETE,
    LG_SQL_EVIDENCE_OF,
    LG_SQL_FIRST_READ_OF,
    LG_SQL_DISPUTE_OF,
    LG_SQL_BODY_REMEMBERED,
    LG_SQL_SIDE_CHECK,
    LG_SQL_SIDE_DOC,
    LG_SQL_SIDE_LEAVES,
    LG_SQL_SIDE_GATEWAY,
    LG_SQL_SIDE_SUM,
    LG_SQL_SIDE_SET,
    LG_SQL_SCRUB_SIDE,
    LG_SQL_SCRUB_SIDE_DOC,
    LG_SQL_SCRUB_FIRST_READ,
    LG_SQL_FIRST_READ_ROW,
    LG_SQL_FIRST_READ_DELETE,
    LG_SQL_FIRST_READ_RESTORE,
    LG_SQL_READS_SAID,
    LG_SQL_SCRUB_DISPUTE,
    LG_SQL_DISPUTE_ROW,
    LG_SQL_DISPUTE_DELETE,
    LG_SQL_DISPUTE_RESTORE,
    LG_SQL_PAPER_PUT,
    LG_SQL_PAPER_DELETE,
    LG_SQL_PAPER,
    LG_SQL_PAPER_STATE,

    LG_SQL_SCRUB_BLOCK,
    LG_SQL_SCRUB_STATEMENT,
    LG_SQL_SCRUB_BODY,
    LG_SQL_SCRUB_READ,
    LG_SQL_SCRUB_GAP,
    LG_SQL_SCRUB_SIZE,
    LG_SQL_BLOCK_ID,
    LG_SQL_THROUGH_READ,
    LG_SQL_THROUGH_GAP,
    LG_SQL_THROUGH_FIRST_READ,
    LG_SQL_THROUGH_DISPUTE,
    LG_SQL_THROUGH_SIDE,
    LG_SQL_THROUGH_SIDE_DOC,
    LG_SQL_STATEMENT_ROW,
    LG_SQL_BODY_ROW,
    LG_SQL_BODY_FIRST,
    LG_SQL_READ_AT,
    LG_SQL_GAPS_AT,
    LG_SQL_CONFLICTS_AT,
    LG_SQL_STATEMENT_GREATEST,
    LG_SQL_STATEMENT_GREATEST_SLOT,
    LG_SQL_STATEMENT_INCARNATIONS,
    LG_SQL_GAP_MINUTES,
    LG_SQL_EVIDENCE_COUNT,
    LG_SQL_REPAIR_STATEMENT,
    LG_SQL_REPAIR_STATEMENT_KEYS,
    LG_SQL_REPAIR_STATEMENT_PLACE,
    LG_SQL_REPAIR_BODY,
    LG_SQL_REPAIR_BODY_KEYS,
    LG_SQL_REPAIR_BODY_PLACE,
    LG_SQL_REPAIR_BLOCK,
    LG_SQL_REPAIR_BLOCK_COLUMNS,
    LG_SQL_PAGES,
    LG_SQL_REINDEX,
    LG_SQL_KEY_BLOCK,
    LG_SQL_KEY_STATEMENT,
    LG_SQL_KEY_BODY,
    LG_SQL_REKEY_BLOCK,
    LG_SQL_REKEY_STATEMENT,
    LG_SQL_REKEY_BODY,
    LG_SQL_REPAIR_GATEWAY,
    LG_SQL_COUNT
};

/* Column "pool" of statement and body: what a document is while it is on no height of the best branch. */
enum lg_pool_mark {
    LG_MARK_SIDE = 0,     /* known from side-branch blocks only */
    LG_MARK_POOLED = 1,   /* mineable */
    LG_MARK_OVERTAKEN = 2 /* readable, never mined; evidence too */
};

struct lg_db {
    struct sqlite3 *h;
    const struct lg_genesis *genesis; /* borrowed */
    struct sqlite3_stmt *st[LG_SQL_COUNT];
    bool is_damaged; /* the first damage that was read and not asked for yet */
    struct lg_damage damage;
};

/* An argument of a statement, in the order of its question marks. Bytes are borrowed until the statement is reset. */
struct lg_arg {
    enum { LG_ARG_NULL, LG_ARG_INT, LG_ARG_BLOB, LG_ARG_TEXT } kind;
    int64_t i;
    const void *p;
    size_t len;
};

static inline struct lg_arg lg_arg_int(int64_t v)
{
    return (struct lg_arg){.kind = LG_ARG_INT, .i = v};
}

static inline struct lg_arg lg_arg_blob(const void *p, size_t len)
{
    return (struct lg_arg){.kind = LG_ARG_BLOB, .p = p, .len = len};
}

static inline struct lg_arg lg_arg_hash(const struct lg_hash *h)
{
    return lg_arg_blob(h->b, sizeof h->b);
}

static inline struct lg_arg lg_arg_text(const char *p, size_t len)
{
    return (struct lg_arg){.kind = LG_ARG_TEXT, .p = p, .len = len};
}

static inline struct lg_arg lg_arg_null(void)
{
    return (struct lg_arg){.kind = LG_ARG_NULL};
}

#define LG_ARGS(...)                                                                                         \
    (const struct lg_arg[]){__VA_ARGS__}, sizeof((const struct lg_arg[]){__VA_ARGS__}) / sizeof(struct lg_arg)

/* ---- store_sql.c ---- */

/* Text of a statement, static: for the test that looks at its plan. */
const char *lg_db_sql(enum lg_sql id);
/* SG_E… of an SQLite result code (extended codes too); 0 for OK, ROW and DONE. */
int lg_db_error(int rc);
/* Statement id, reset, with its arguments bound: for lg_db_row. */
SG_MUST_USE int lg_db_query(
    struct lg_db *db, struct sqlite3_stmt **st, enum lg_sql id, const struct lg_arg *args, size_t n);
/* 1: a row is there. 0: none left (the statement is reset). < 0: SG_E… (the statement is reset). */
SG_MUST_USE int lg_db_row(struct sqlite3_stmt *st);
/* Before the last row has been taken. */
void lg_db_done(struct sqlite3_stmt *st);
/* Query and its first row: 0 (lg_db_done when it has been read), SG_ENOT_FOUND, or SG_E… */
SG_MUST_USE int lg_db_first(
    struct lg_db *db, struct sqlite3_stmt **st, enum lg_sql id, const struct lg_arg *args, size_t n);
/* fn for each row; its non-zero result ends the walk and is returned. fn must not use the same statement. */
typedef int lg_db_row_fn(void *arg, struct sqlite3_stmt *st);
SG_MUST_USE int lg_db_each(
    struct lg_db *db, enum lg_sql id, const struct lg_arg *args, size_t n, lg_db_row_fn *fn, void *arg);
/* A statement without rows. *changed (may be NULL): rows that it wrote. */
SG_MUST_USE int lg_db_run(
    struct lg_db *db, int64_t *changed, enum lg_sql id, const struct lg_arg *args, size_t n);
/* Leave the transaction that is open, if any. Asks for no memory of its own: lg_db_open has prepared it. */
SG_MUST_USE int lg_db_roll_back(struct lg_db *db);
/* One commit is what the following calls see, until lg_db_roll_back; what an earlier one that failed has left open is left first. */
SG_MUST_USE int lg_db_begin_read(struct lg_db *db);
/* A 32-byte column; SG_ECORRUPT when it is not that long. */
SG_MUST_USE int lg_db_column_hash(struct lg_hash *out, struct sqlite3_stmt *st, int column);
/* A BLOB column appended to out. */
void lg_db_column_bytes(struct sg_buf *out, struct sqlite3_stmt *st, int column);
/* Finalize the statements and close the connection. */
void lg_db_close(struct lg_db *db);

/* ---- store_schema.c ---- */

/* Open the connection: for writing (made when missing, schema and all) or for reading. Checks application id, schema
 * version and chain. SG_ECONFIG, SG_ECORRUPT, SG_EIO, SG_ENOSPC, SG_ENOMEM; for reading SG_ENOT_FOUND without a database. */
SG_MUST_USE int lg_db_open(struct lg_db *db, const char *data_dir, const struct lg_genesis *genesis,
    bool writing, struct sg_fault *fault);

/* ---- store_query.c: what writer and readers both ask ---- */

/* Position in the genesis, as rows hold it; -1 when unknown. */
int lg_db_gateway_index(const struct lg_db *db, lg_kid gw);
int lg_db_relay_index(const struct lg_db *db, const char *id, size_t len);

SG_MUST_USE int lg_db_tip(struct lg_db *db, struct lg_block_info *out);
SG_MUST_USE int lg_db_block_info(
    struct lg_db *db, struct lg_block_info *out, bool *best, const struct lg_hash *hash);
SG_MUST_USE int lg_db_block_at(struct lg_db *db, struct lg_block_info *out, int64_t height);
/* Hash of the block of the best branch at a height. */
SG_MUST_USE int lg_db_hash_at(struct lg_db *db, struct lg_hash *out, int64_t height);
SG_MUST_USE int lg_db_block_bytes(struct lg_db *db, struct sg_buf *out, const struct lg_hash *hash);
/* Remember what was stumbled on, unless something is remembered already; SG_ECORRUPT. */
int lg_db_note_damage(struct lg_db *db, enum lg_damage_kind kind, const struct lg_hash *hash);
/* Hand over what is remembered, and forget it. */
bool lg_db_take_damage(struct lg_db *db, struct lg_damage *out);
/* Leaves of a stored block (caller frees), the first *nstatements of them statements. */
SG_MUST_USE int lg_db_leaves(
    struct lg_db *db, struct lg_hash **leaves, size_t *n, unsigned *nstatements, const struct lg_hash *block);
SG_MUST_USE int lg_db_last_statement(
    struct lg_db *db, struct lg_statement_ref *out, lg_kid gw, int64_t max_height);
/* The last one in the pool, by (inc, seq). */
SG_MUST_USE int lg_db_last_pooled(struct lg_db *db, struct lg_statement_ref *out, lg_kid gw);
/* A statement or a body: its state and, when mined, its height and index (not the block).
 * doc may be NULL; the bytes are checked against the hash. */
SG_MUST_USE int lg_db_document(struct lg_db *db, struct sg_buf *doc, struct lg_doc_place *place, bool is_body,
    const struct lg_hash *leaf);
/* fn for each row (leaf, document) of a query; a document that is not what its leaf says is noted as damage and left out. */
SG_MUST_USE int lg_db_each_document(struct lg_db *db, enum lg_sql id, const struct lg_arg *args, size_t n,
    bool is_body, lg_reader_doc_fn *fn, void *arg);
SG_MUST_USE int lg_db_pool(struct lg_db *db, lg_reader_doc_fn *fn, void *arg);
SG_MUST_USE int lg_db_paper_state(struct lg_db *db, struct lg_paper_state *state, int64_t index);

/* ---- the writer: store.c, store_write.c, store_connect.c ---- */

/* Pages in the log from which a commit also empties it: 7.3 MiB, so that with what one more transaction adds, as a rule, the file stays
 * within the 8 MiB that are kept of it and that the ballast makes room for. Emptying costs four syncs, one of them of pages all over the
 * database: a longer log is emptied less often, and holds more of the pages that change with every block only once. */
#define LG_LOG_PAGES 1856

/* Of each gateway, by its position in the genesis: so that a statement costs no query of its own. */
struct lg_gateway_memory {
    /* What the transaction has stored of the gateway: written once, before its end. */
    bool held;
    int64_t held_inc, held_slot;
    /* No statement of the gateway in the store has a greater (inc, seq); the least such pair unless a transaction was undone. */
    bool known;
    int64_t inc, seq;
};

/* A read that was the first of its (relay, minute): the others that say the same differ from nothing. */
struct lg_noted_read {
    bool known; /* in this transaction */
    int relay;
    sg_minute min;
    struct lg_hash digest;
};

struct lg_sqlite {
    struct lg_db db;
    struct lg_store vtable;
    char *dir;
    int lock_fd;
    bool in_tx;
    bool tip_known; /* in this transaction: tip is the hash of the best branch's end, or the chain id */
    struct lg_hash tip;
    bool paper_known; /* in this transaction: paper is the state behind that block */
    struct lg_paper_state paper;
    struct lg_noted_read noted;
    struct lg_gateway_memory gateways[LG_MAX_GATEWAYS];
    int tx_err; /* first error of the running transaction: all that follows it fails, and so does its commit */
    int failed;    /* SG_EIO or SG_ECORRUPT seen: final */
    int log_pages; /* in the write-ahead log after the last commit */
};

/* 0 when a write may be made now: a transaction runs, and nothing of it has failed. */
SG_MUST_USE int lg_sqlite_writable(const struct lg_sqlite *s);
/* Remember the first error of the transaction; returns err. */
int lg_sqlite_note(struct lg_sqlite *s, int err);
/* Where a document stands on the best branch. */
struct lg_place {
    int gw; /* of a statement: position in the genesis */
    int64_t height;
    unsigned idx;
    struct lg_arg tip_height; /* of a statement */
};

/* Store a document unless it is there; at NULL: on no height. *id: its new row, or 0, it was there. */
SG_MUST_USE int lg_sqlite_add_statement(struct lg_sqlite *s, int64_t *id, const struct lg_statement *st,
    enum lg_pool_mark mark, const struct lg_place *at);
SG_MUST_USE int lg_sqlite_add_body(struct lg_sqlite *s, int64_t *id, const struct lg_body *b,
    enum lg_pool_mark mark, const struct lg_place *at);
/* Write what the transaction remembers of the gateways. */
SG_MUST_USE int lg_sqlite_write_held(struct lg_sqlite *s);
/* store_dispute.c: compare what a statement reads with what others read; id is its row, 0: one that is to be looked for. Writes what
 * first differs. */
SG_MUST_USE int lg_sqlite_note_reads(struct lg_sqlite *s, const struct lg_statement *st, int64_t id);
/* store_side.c: a stored block is a side block now, or no longer. */
SG_MUST_USE int lg_sqlite_side_enter(struct lg_sqlite *s, const struct lg_hash *hash);
SG_MUST_USE int lg_sqlite_side_leave(struct lg_sqlite *s, const struct lg_hash *hash);
/* Write the rows of a stored block again, as they must be; sums and the parent's row are left alone. */
SG_MUST_USE int lg_sqlite_side_rewrite(struct lg_sqlite *s, const struct lg_hash *hash);
/* After opening: be told how long the log is after each commit. */
void lg_sqlite_watch_log(struct lg_sqlite *s);
/* The writing half of the vtable. */
void lg_sqlite_fill_write(struct lg_store *vtable);
void lg_sqlite_fill_connect(struct lg_store *vtable);
void lg_sqlite_fill_side(struct lg_store *vtable);

/* ---- store_log.c ---- */

/* Name of the VFS for the writing connection; NULL, the default one, when SQLite could not be started. */
const char *lg_log_vfs(void);

/* ---- store_ballast.c ---- */

/* A file of a few MiB that is given up when the disk is full, so that the write-ahead log can be emptied: after
 * SQLITE_FULL even a checkpoint needs room. 0, or SG_ENOSPC, SG_EIO. */
SG_MUST_USE int lg_ballast_hold(const char *dir);
void lg_ballast_release(const char *dir);

#endif
