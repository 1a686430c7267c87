/* Shared by store_scrub.c (the walk), store_scrub_block.c (one block) and store_repair.c. Not for other modules. */
#ifndef LG_STORE_SCRUB_PRIV_H
#define LG_STORE_SCRUB_PRIV_H

#include "ledger/store_db.h"
#include "ledger/store_scrub.h"

/* ---- store_scrub_block.c: 0 good, 1 damaged (*out says what), else SG_E... ---- */

/* A block with its documents, its columns and, on the best branch, the rows that follow from it. *documents grows by what was read. */
SG_MUST_USE int lg_scrub_block(struct lg_db *db, struct lg_damage *out, unsigned *documents,
    const struct sg_crypto *crypto, const struct lg_hash *hash);
/* Its bytes alone, against header hash and leaves; the caller frees *b after 0. */
SG_MUST_USE int lg_scrub_load(
    struct lg_db *db, struct lg_block **b, struct lg_damage *out, const struct lg_hash *hash);
/* The parent as stored, or the genesis. SG_ENOT_FOUND. */
SG_MUST_USE int lg_scrub_parent(struct lg_db *db, struct lg_block_info *parent, const struct lg_block *b);
/* Do columns gw, inc, seq, slot, ts (relay, min) from this one on say what the document says? */
bool lg_scrub_statement_keys(
    const struct lg_db *db, struct sqlite3_stmt *st, int column, const struct lg_statement *x);
bool lg_scrub_body_keys(const struct lg_db *db, struct sqlite3_stmt *st, int column, const struct lg_body *b);

/* ---- store_scrub_reads.c: FIRST_READ, DISPUTE; store_scrub_side.c: SIDE ---- */

/* The row with this key, or next: the first one after it, whose key at becomes. 0 good, or not there; 1 damaged; 2 no more. */
SG_MUST_USE int lg_scrub_said(struct lg_db *db, struct lg_damage *at, bool next);
SG_MUST_USE int lg_scrub_side_row(struct lg_db *db, struct lg_damage *at, bool next);
/* Write it as it should be, or take it away. In a transaction. */
SG_MUST_USE int lg_scrub_restore_said(struct lg_db *db, const struct lg_damage *d);
SG_MUST_USE int lg_scrub_restore_side_row(struct lg_db *db, const struct lg_damage *d);
/* Has a block the rows that it should have as a side block, or none? */
SG_MUST_USE int lg_scrub_side_of(struct lg_db *db, bool *good, const struct lg_block *b, bool best);

/* ---- store_scrub_count.c ---- */

/* The counters of a gateway as the rows say them: greatest_inc, greatest_slot, incarnations, gap_minutes, evidence, bytes of side blocks. */
struct lg_scrub_counters {
    int64_t v[6];
};
/* stored: what the table says, borrowed, so that the slow count is made only where it must. */
SG_MUST_USE int lg_scrub_count(
    struct lg_db *db, struct lg_scrub_counters *out, const struct lg_scrub_counters *stored, int gw);
/* Zeros when there is no row. */
SG_MUST_USE int lg_scrub_counters(struct lg_db *db, struct lg_scrub_counters *out, int gw);
/* 0 good, 1 damaged (*out says so), else SG_E… */
SG_MUST_USE int lg_scrub_check_counters(struct lg_db *db, struct lg_damage *out, int gw);

/* ---- store_check.c ---- */

/* Before the first write: SG_ECORRUPT with advice when the file is beyond repair; rows of the tip are put back. */
SG_MUST_USE int lg_sqlite_check(struct lg_sqlite *s, struct sg_fault *fault);
/* Fills fault: what, in dir's chain.db, and what to do about it. SG_ECORRUPT. */
int lg_sqlite_damaged_file(struct sg_fault *fault, const char *dir, const char *what);

/* ---- store_connect.c ---- */

/* Write the rows that follow from a block of the best branch again, as connecting it has written them. In a transaction. */
SG_MUST_USE int lg_sqlite_rewrite_rows(
    struct lg_sqlite *s, const struct lg_block *b, const struct lg_block_info *info);

#endif
