/* What is looked at before a store is written again: enough to fail now, with advice, rather than in the middle of a minute, and little
 * enough that a node is back within two seconds whatever its chain's length. The rest is the walk's (store_scrub.c).
 *
 *   what writes each table can be prepared     no table, column or index of a key is missing
 *   a small file: PRAGMA quick_check           its pages make trees
 *   the tip: whole, and its rows follow        what the next block is connected to; rows are rewritten, and first those of
 *                                              blocks below it where they follow from them
 */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "ledger/store_scrub_priv.h"
#include "sg_text.h"

/* Files up to this size are checked whole: some 0.1 s, from a disk that reads 300 MB/s. */
#define WHOLE_BYTES INT64_C(33554432)
/* Blocks whose rows are put back one after another before the rest is left to the walk. */
#define MAX_BELOW 16

static int fail(struct sg_fault *fault, const char *dir, const char *what)
{
    fault->err = SG_ECORRUPT;
    snprintf(fault->text, sizeof fault->text,
        "%.200s/chain.db: is damaged (%.80s): move chain.db, chain.db-wal and chain.db-shm aside together "
        "and start "
        "again: chain and pool are fetched from the peers",
        dir, what);
    return SG_ECORRUPT;
}

int lg_sqlite_damaged_file(struct sg_fault *fault, const char *dir, const char *what)
{
    char copy[81];
    snprintf(copy, sizeof copy, "%s", what); /* may be fault's own */
    return fail(fault, dir, copy);
}

static int check_statements(struct lg_db *db, struct sg_fault *fault, const char *dir)
{
    static const enum lg_sql writers[] = {LG_SQL_META_PUT, LG_SQL_BLOCK_PUT, LG_SQL_STATEMENT_PUT,
        LG_SQL_STATEMENT_CONNECT, LG_SQL_BODY_PUT, LG_SQL_BODY_CONNECT, LG_SQL_READ_PUT, LG_SQL_GAP_PUT,
        LG_SQL_REPAIR_GATEWAY, LG_SQL_EVIDENCE_PUT, LG_SQL_CONFLICT_PUT, LG_SQL_FIRST_READ_PUT,
        LG_SQL_DISPUTE_PUT, LG_SQL_SIDE_PUT, LG_SQL_SIDE_DOC_PUT, LG_SQL_SIDE_GONE, LG_SQL_PAPER_PUT};
    for (size_t i = 0; i < SG_ARRAY_LEN(writers); i++) {
        sqlite3_stmt *st = NULL;
        const int err = lg_db_error(sqlite3_prepare_v2(db->h, lg_db_sql(writers[i]), -1, &st, NULL));
        sqlite3_finalize(st);
        if (err == SG_ECORRUPT)
            return fail(fault, dir, sqlite3_errmsg(db->h));
        if (err != 0)
            return err;
    }
    return 0;
}

/* The one value of a pragma, as text. */
static int pragma(struct lg_db *db, char *dst, size_t size, const char *sql)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db->h, sql, -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        snprintf(dst, size, "%s", (const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
    return rc == SQLITE_ROW ? 0 : rc == SQLITE_DONE ? SG_ECORRUPT : lg_db_error(rc);
}

static int check_pages(struct lg_db *db, struct sg_fault *fault, const char *dir)
{
    char pages[24] = "", size[24] = "", found[128] = "";
    int64_t n = 0, bytes = 0;
    int err = pragma(db, pages, sizeof pages, "PRAGMA page_count");
    if (err == 0)
        err = pragma(db, size, sizeof size, "PRAGMA page_size");
    if (err == 0 && (sg_i64_parse(&n, pages, strlen(pages), 0, INT32_MAX * INT64_C(2)) != 0 ||
                        sg_i64_parse(&bytes, size, strlen(size), 1, 65536) != 0))
        err = SG_ECORRUPT;
    if (err == 0 && n * bytes <= WHOLE_BYTES)
        err = pragma(db, found, sizeof found, "PRAGMA quick_check(1)");
    if (err == SG_ECORRUPT || (found[0] != '\0' && strcmp(found, "ok") != 0))
        return fail(fault, dir, err == 0 ? found : sqlite3_errmsg(db->h));
    return err;
}

/* Where rows are wrong: of the tip, or of a block below it that they follow from, which must be put back first. 0: nowhere; 1: *out. */
static int find_rows(struct lg_db *db, struct lg_damage *out)
{
    struct lg_block_info tip;
    unsigned documents = 0;
    int err = lg_db_tip(db, &tip);
    if (err == SG_ECORRUPT && lg_db_take_damage(db, out))
        tip.hash = out->hash;
    else if (err != 0)
        return err == SG_ENOT_FOUND ? 0 : err;
    for (int i = 0; i < MAX_BELOW; i++) {
        const struct lg_hash at = tip.hash;
        err = lg_scrub_block(db, out, &documents, &sg_crypto_openssl, &at);
        if (err <= 0)
            return err;
        if (out->kind != LG_DAMAGE_ROWS)
            return 0; /* documents that are damaged are no reason to stay away: peers have them */
        if (lg_hash_eq(&out->hash, &at))
            return 1;
        tip.hash = out->hash;
    }
    return 1;
}

static int check_tip(struct lg_sqlite *s, struct sg_fault *fault)
{
    struct lg_damage d, noted;
    for (int i = 0; i < MAX_BELOW; i++) {
        int err = find_rows(&s->db, &d);
        (void)lg_db_take_damage(&s->db, &noted);
        if (err < 0)
            return err == SG_ECORRUPT ? fail(fault, s->dir, "the tip cannot be read") : err;
        if (err == 0)
            return 0;
        err = lg_sqlite_repair(s, &d, NULL, 0);
        if (err != 0)
            return err == SG_ECORRUPT ? fail(fault, s->dir, "rows of the tip cannot be rewritten") : 0;
    }
    return 0;
}

int lg_sqlite_check(struct lg_sqlite *s, struct sg_fault *fault)
{
    int err = check_statements(&s->db, fault, s->dir);
    if (err == 0)
        err = check_pages(&s->db, fault, s->dir);
    if (err == 0)
        err = check_tip(s, fault);
    if (err != 0 && fault->text[0] == '\0') {
        fault->err = err;
        snprintf(fault->text, sizeof fault->text, "%.400s/chain.db: %s", s->dir, sg_err_text(err));
    }
    return err;
}
