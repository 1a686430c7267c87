/* The layout of chain.db, and opening it.
 *
 *   meta       key -> value: "chain" the chain id, "genesis" the canonical genesis
 *   block      every valid block once: fields of its header, the header's bytes, the signature, and the leaf hashes of
 *              its documents in order (nst statements, then bodies); best = 1 on the best branch
 *   statement  every statement once, whatever blocks hold it; height and idx (its leaf index) while it is on the best
 *   body       branch, NULL otherwise, then pool says what it is (enum lg_pool_mark). tip_height: height of the
 *              block that the statement names as tip, when that is on the best branch
 *   read       one row per read on the best branch, clustered by (relay, minute): a minute's witnesses lie together
 *   gap        declared gaps on the best branch, clustered by gateway, newest last
 *   gateway    counters of each gateway: greatest inc and slot ever held, incarnations and gap minutes on the best branch
 *   evidence   pairs of statements with one (gw, inc, seq)
 *   conflict   bodies of the best branch that are not the first of their (relay, minute)
 *   first_read the first read of a (relay, minute) that any statement held here makes, whatever becomes of the statement
 *   dispute    pairs of reads of one (relay, minute) with different digests, for ever (store_dispute.c)
 *   side       blocks that are not on the best branch: whose, how heavy, their bytes, how many children (store_side.c)
 *   side_doc   the documents of those blocks: one row for each block that holds it
 *   side_gateway  bytes of side blocks of each miner; greatest inc and slot among the statements that went with a block given up
 *   paper      the paper's view: index h + 1 belongs to block h
 *
 * gw and relay are positions in the genesis, which never changes for a database: the chain id in meta is compared at
 * every start. Invariant: connect followed by disconnect leaves read, gap, conflict, paper and the branch counters as they
 * were. Every lookup goes through an index whose depth grows with the logarithm of the rows, so costs stay the same at any
 * height in practice; one question of readers looks at more entries for a gateway that names old tips (store_reader_minute.c).
 *
 * Refuses: a file that is no database, another application's, a newer schema, another chain. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger/store_db.h"

#define APPLICATION_ID 0x47574c31 /* "GWL1" */
#define SCHEMA_VERSION 4
/* Another process can only hold the file for moments: a reader that recovers the log of a killed writer. */
#define BUSY_MS 5000

/* What version 1 had not. */
#define DISPUTE_TABLES                                                                                       \
    "CREATE TABLE first_read(relay INTEGER NOT NULL, min INTEGER NOT NULL, gw INTEGER NOT NULL,"             \
    " statement INTEGER NOT NULL, live INTEGER NOT NULL, digest BLOB NOT NULL,"                              \
    " PRIMARY KEY(relay, min)) WITHOUT ROWID;"                                                               \
    "CREATE TABLE dispute(id INTEGER PRIMARY KEY, relay INTEGER NOT NULL, min INTEGER NOT NULL,"             \
    " first_gw INTEGER NOT NULL, second_gw INTEGER NOT NULL, first INTEGER NOT NULL, second INTEGER NOT "    \
    "NULL,"                                                                                                  \
    " first_live INTEGER NOT NULL, second_live INTEGER NOT NULL, first_digest BLOB NOT NULL,"                \
    " second_digest BLOB NOT NULL);"                                                                         \
    "CREATE UNIQUE INDEX dispute_body ON dispute(relay, min, second_digest);"                                \
    "CREATE INDEX dispute_gateways ON dispute(first_gw, second_gw);"

/* What version 2 had not. */
#define SIDE_TABLES                                                                                          \
    "CREATE TABLE side(block INTEGER PRIMARY KEY, miner INTEGER NOT NULL, weight_sum INTEGER NOT NULL,"      \
    " bytes INTEGER NOT NULL, kids INTEGER NOT NULL);"                                                       \
    "CREATE INDEX side_end ON side(miner, weight_sum, block) WHERE kids = 0;"                                \
    "CREATE TABLE side_doc(leaf BLOB NOT NULL, block INTEGER NOT NULL, PRIMARY KEY(leaf, block)) WITHOUT "   \
    "ROWID;"                                                                                                 \
    "CREATE TABLE side_gateway(gw INTEGER PRIMARY KEY, bytes INTEGER NOT NULL DEFAULT 0,"                    \
    " gone_inc INTEGER NOT NULL DEFAULT 0, gone_slot INTEGER NOT NULL DEFAULT 0);"

/* Their rows for what a database of version 2 holds: the only time that all blocks are read. */
static const char fill_sides[] =
    "WITH RECURSIVE part(block, i, leaf) AS (SELECT id, 0, substr(leaves, 1, 32) FROM block WHERE best = 0"
    " UNION ALL SELECT p.block, p.i + 1, substr(b.leaves, 33 + 32 * p.i, 32) FROM part p"
    " CROSS JOIN block b ON b.id = p.block WHERE 32 * (p.i + 1) < length(b.leaves))"
    " INSERT OR IGNORE INTO side_doc SELECT leaf, block FROM part;"
    "INSERT INTO side SELECT b.id, b.miner, b.weight_sum, length(b.header),"
    " (SELECT count(*) FROM block c WHERE c.prev = b.hash AND c.best = 0) FROM block b WHERE b.best = 0;"
    "UPDATE side SET bytes = bytes + t.n FROM (SELECT d.block AS block, sum(length(s.doc)) AS n"
    " FROM side_doc d CROSS JOIN statement s ON s.leaf = d.leaf GROUP BY d.block) t WHERE t.block = "
    "side.block;"
    "UPDATE side SET bytes = bytes + t.n FROM (SELECT d.block AS block, sum(length(b.doc)) AS n"
    " FROM side_doc d CROSS JOIN body b ON b.digest = d.leaf GROUP BY d.block) t WHERE t.block = side.block;"
    "INSERT INTO side_gateway(gw, bytes) SELECT miner, sum(bytes) FROM side GROUP BY miner;";

/* What versions 1 to 3 had otherwise. Each index that an append changes is one page more in its transaction for each gateway, so there are
 * few: a child is looked for at the height above its parent, but on side branches, and what a gateway has seen is read off its latest
 * statements. */
#define NEW_INDEXES                                                                                          \
    "CREATE INDEX IF NOT EXISTS block_side ON block(prev) WHERE best = 0;"                                   \
    "CREATE INDEX statement_mined ON statement(gw, height, idx, tip_height) WHERE height IS NOT NULL;"

static const char schema[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE block(id INTEGER PRIMARY KEY, hash BLOB NOT NULL, prev BLOB NOT NULL, height INTEGER NOT "
    "NULL,"
    " slot INTEGER NOT NULL, time INTEGER NOT NULL, miner INTEGER NOT NULL, weight INTEGER NOT NULL,"
    " weight_sum INTEGER NOT NULL, best INTEGER NOT NULL, nst INTEGER NOT NULL, header BLOB NOT NULL,"
    " sig BLOB NOT NULL, leaves BLOB NOT NULL);"
    "CREATE UNIQUE INDEX block_hash ON block(hash);"
    "CREATE UNIQUE INDEX block_best ON block(height) WHERE best = 1;"
    "CREATE TABLE statement(id INTEGER PRIMARY KEY, gw INTEGER NOT NULL, inc INTEGER NOT NULL, seq INTEGER "
    "NOT NULL,"
    " slot INTEGER NOT NULL, ts INTEGER NOT NULL, pool INTEGER NOT NULL, height INTEGER, idx INTEGER,"
    " tip_height INTEGER, leaf BLOB NOT NULL, doc BLOB NOT NULL);"
    "CREATE UNIQUE INDEX statement_leaf ON statement(leaf);"
    "CREATE INDEX statement_seq ON statement(gw, inc, seq);"
    "CREATE INDEX statement_pool ON statement(gw, inc, seq) WHERE pool = 1 AND height IS NULL;"
    "CREATE TABLE body(id INTEGER PRIMARY KEY, relay INTEGER NOT NULL, min INTEGER NOT NULL, pool INTEGER "
    "NOT NULL,"
    " height INTEGER, idx INTEGER, digest BLOB NOT NULL, doc BLOB NOT NULL);"
    "CREATE UNIQUE INDEX body_digest ON body(digest);"
    "CREATE UNIQUE INDEX body_minute ON body(relay, min, height, idx) WHERE height IS NOT NULL;"
    "CREATE INDEX body_pool ON body(relay, min) WHERE pool = 1 AND height IS NULL;"
    "CREATE TABLE read(relay INTEGER NOT NULL, min INTEGER NOT NULL, gw INTEGER NOT NULL, height INTEGER NOT "
    "NULL,"
    " idx INTEGER NOT NULL, body INTEGER NOT NULL, live INTEGER NOT NULL,"
    " PRIMARY KEY(relay, min, gw, height, idx)) WITHOUT ROWID;"
    "CREATE TABLE gap(gw INTEGER NOT NULL, height INTEGER NOT NULL, idx INTEGER NOT NULL, relay INTEGER NOT "
    "NULL,"
    " from_min INTEGER NOT NULL, to_min INTEGER NOT NULL, reason INTEGER NOT NULL,"
    " PRIMARY KEY(gw, height, idx, relay, from_min)) WITHOUT ROWID;"
    "CREATE TABLE gateway(gw INTEGER PRIMARY KEY, greatest_inc INTEGER NOT NULL DEFAULT 0,"
    " greatest_slot INTEGER NOT NULL DEFAULT 0, incarnations INTEGER NOT NULL DEFAULT 0,"
    " gap_minutes INTEGER NOT NULL DEFAULT 0, evidence INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE evidence(id INTEGER PRIMARY KEY, gw INTEGER NOT NULL, inc INTEGER NOT NULL, seq INTEGER "
    "NOT NULL,"
    " first INTEGER NOT NULL, second INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX evidence_seq ON evidence(gw, inc, seq);"
    "CREATE TABLE conflict(height INTEGER NOT NULL, idx INTEGER NOT NULL, relay INTEGER NOT NULL,"
    " min INTEGER NOT NULL, PRIMARY KEY(height, idx)) WITHOUT ROWID;" DISPUTE_TABLES SIDE_TABLES NEW_INDEXES
    "CREATE TABLE paper(idx INTEGER PRIMARY KEY, proof INTEGER NOT NULL, hash BLOB NOT NULL, text BLOB NOT "
    "NULL);";

static int fail(struct sg_fault *fault, int err, const char *path, const char *what)
{
    fault->err = err;
    snprintf(fault->text, sizeof fault->text, "%s: %s", path, what);
    return err;
}

static int exec(struct lg_db *db, const char *sql)
{
    return lg_db_error(sqlite3_exec(db->h, sql, NULL, NULL, NULL));
}

/* The one integer that a pragma answers. */
static int pragma_int(struct lg_db *db, const char *sql, int64_t *out)
{
    sqlite3_stmt *st = NULL;
    int err = lg_db_error(sqlite3_prepare_v2(db->h, sql, -1, &st, NULL));
    if (err != 0)
        return err;
    const int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(st, 0);
    else
        err = rc == SQLITE_DONE ? SG_ECORRUPT : lg_db_error(rc);
    sqlite3_finalize(st);
    return err;
}

/* Small caches: a gateway with its node must stay below 20 MB. WAL with FULL: a commit is on disk when it
 * returns. The writer empties the log itself (store_write.c); its file is cut back to 8 MiB. What
 * a row leaves behind is no secret, so it is not overwritten with zeros, which Debian's SQLite does otherwise. */
static int configure(struct lg_db *db, bool writing)
{
    sqlite3_busy_timeout(db->h, BUSY_MS);
    sqlite3_extended_result_codes(db->h, 1);
    int err = lg_db_error(sqlite3_db_config(db->h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL));
    if (err == 0)
        err = exec(db, "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA foreign_keys=ON;"
                       "PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY;");
    if (err == 0 && writing)
        err = exec(db,
            "PRAGMA synchronous=FULL; PRAGMA cache_size=-1024;"
            "PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=8388608; PRAGMA secure_delete=OFF;");
    if (err == 0 && !writing)
        err = exec(db, "PRAGMA query_only=ON; PRAGMA cache_size=-256;");
    return err;
}

/* SQLite answers with the mode that it has, which is another one where it cannot keep a log: that is no error of its own. */
static int begin_log(struct lg_db *db, const char *path, struct sg_fault *fault)
{
    sqlite3_stmt *st = NULL;
    bool is_log = false;
    int rc = sqlite3_prepare_v2(db->h, "PRAGMA journal_mode=WAL", -1, &st, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        const char *mode = (const char *)sqlite3_column_text(st, 0);
        is_log = mode != NULL && strcmp(mode, "wal") == 0;
    }
    const int err = lg_db_error(rc);
    if (err != 0)
        (void)fail(fault, err, path, err != SG_ENOSPC ? sqlite3_errmsg(db->h) : sg_err_text(err));
    sqlite3_finalize(st);
    if (err != 0 || is_log)
        return err;
    return fail(
        fault, SG_ECONFIG, path, "no write-ahead log can be kept here: put data on another file system");
}

static int put_meta(struct lg_db *db, const char *key, const void *p, size_t len)
{
    return lg_db_run(db, NULL, LG_SQL_META_PUT, LG_ARGS(lg_arg_text(key, strlen(key)), lg_arg_blob(p, len)));
}

static int put_paper_genesis(struct lg_db *db)
{
    struct sg_buf text;
    struct lg_paper_state state;
    sg_buf_init(&text, 1u << 16);
    int err = lg_paper_genesis(&text, &state, db->genesis);
    if (err == 0)
        err = lg_db_run(db, NULL, LG_SQL_PAPER_PUT,
            LG_ARGS(lg_arg_int(state.index), lg_arg_int(state.proof), lg_arg_hash(&state.hash),
                lg_arg_blob(text.p, text.len)));
    sg_buf_fini(&text);
    return err;
}

/* A row for each gateway, so that none comes or goes with a block. */
static int put_side_gateways(struct lg_db *db)
{
    int err = 0;
    for (unsigned i = 0; i < db->genesis->ngateways && err == 0; i++)
        err = lg_db_run(db, NULL, LG_SQL_SIDE_COUNT, LG_ARGS(lg_arg_int(i), lg_arg_int(0)));
    return err;
}

/* A new database, all in one transaction: a crash in the middle leaves an empty file, which is new again. */
static int create(struct lg_db *db)
{
    const struct lg_genesis *g = db->genesis;
    char version[96];
    snprintf(version, sizeof version, "PRAGMA application_id=%d; PRAGMA user_version=%d;", APPLICATION_ID,
        SCHEMA_VERSION);
    int err = exec(db, "BEGIN IMMEDIATE");
    if (err == 0)
        err = exec(db, schema);
    if (err == 0)
        err = exec(db, version);
    if (err == 0)
        err = put_meta(db, "chain", g->id.b, sizeof g->id.b);
    if (err == 0)
        err = put_meta(db, "genesis", g->doc, g->doc_len);
    if (err == 0)
        err = put_paper_genesis(db);
    if (err == 0)
        err = put_side_gateways(db);
    if (err == 0)
        err = exec(db, "COMMIT");
    if (err != 0 && !sqlite3_get_autocommit(db->h))
        (void)exec(db, "ROLLBACK");
    return err;
}

/* From an older version, in one transaction. The tables of disputes begin empty: what is on the best branch is looked up there
 * (store_dispute.c). */
static int upgrade(struct lg_db *db, int64_t version)
{
    int err = exec(db, "BEGIN IMMEDIATE");
    if (err == 0 && version == 1)
        err = exec(db, DISPUTE_TABLES);
    if (err == 0 && version <= 2)
        err = exec(db, SIDE_TABLES);
    if (err == 0 && version <= 2)
        err = exec(db, fill_sides);
    if (err == 0 && version <= 2)
        err = put_side_gateways(db);
    if (err == 0)
        err = exec(db, "DROP INDEX IF EXISTS block_prev; DROP INDEX IF EXISTS statement_seen;"
                       "DROP INDEX IF EXISTS statement_mined;" NEW_INDEXES "PRAGMA user_version=4;");
    if (err == 0)
        err = exec(db, "COMMIT");
    if (err != 0 && !sqlite3_get_autocommit(db->h))
        (void)exec(db, "ROLLBACK");
    return err;
}

static int check_chain(struct lg_db *db, const char *path, struct sg_fault *fault)
{
    sqlite3_stmt *st;
    struct lg_hash id = {{0}};
    int err = lg_db_query(db, &st, LG_SQL_META_GET, LG_ARGS(lg_arg_text("chain", 5)));
    int row = err == 0 ? lg_db_row(st) : err;
    if (row == 0)
        return fail(fault, SG_ECORRUPT, path, "names no chain");
    if (row > 0) {
        err = lg_db_column_hash(&id, st, 0);
        lg_db_done(st);
        row = err;
    }
    if (row < 0)
        return fail(fault, row, path, sg_err_text(row));
    if (db->genesis != NULL && !lg_hash_eq(&id, &db->genesis->id))
        return fail(fault, SG_ECONFIG, path, "holds another chain than this genesis");
    return 0;
}

static int check_schema(struct lg_db *db, const char *path, bool writing, struct sg_fault *fault)
{
    int64_t app = 0, version = 0, tables = 0;
    int err = pragma_int(db, "PRAGMA application_id", &app);
    if (err == 0)
        err = pragma_int(db, "PRAGMA user_version", &version);
    if (err == 0)
        err = pragma_int(db, "SELECT count(*) FROM sqlite_schema", &tables);
    if (err != 0)
        return fail(fault, err, path, sg_err_text(err));
    if (app == 0 && version == 0 && tables == 0) {
        err = writing ? create(db) : SG_ENOT_FOUND;
        if (err != 0)
            return fail(fault, err, path, writing ? sg_err_text(err) : "holds no chain yet");
    } else if (app != APPLICATION_ID) {
        return fail(fault, SG_ECONFIG, path, "is a database of another program");
    } else if (version < 1 || version > SCHEMA_VERSION) {
        char what[128];
        (void)snprintf(what, sizeof(what),
            "has version %lld, and this program knows 1 to %d: use the program that wrote it, or a newer one",
            (long long)version, SCHEMA_VERSION);
        return fail(fault, SG_ECONFIG, path, what);
    }
    err = check_chain(db, path, fault);
    if (err == 0 && version != 0 && version != SCHEMA_VERSION && writing) {
        err = upgrade(db, version);
        return err == 0 ? 0 : fail(fault, err, path, sg_err_text(err));
    }
    return err;
}

/* Is this the folder of a node that does not run, on a medium that cannot be written? SQLite would need to make
 * the log's index beside the database; with nothing in the log the file can be read as it lies. */
static bool is_frozen(const char *data_dir)
{
    static const char *const beside[] = {"chain.db-wal", "chain.db-shm"};
    struct stat st;
    bool empty = true;
    const int dir = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return false;
    for (size_t i = 0; i < SG_ARRAY_LEN(beside); i++)
        empty = empty && (fstatat(dir, beside[i], &st, 0) != 0 ? errno == ENOENT : st.st_size == 0);
    const bool frozen = empty && faccessat(dir, ".", W_OK, 0) != 0;
    close(dir);
    return frozen;
}

/* Path of the database, or the URI that tells SQLite that the file does not change. */
static int database_name(struct sg_buf *out, const char *data_dir, bool frozen)
{
    sg_buf_puts(out, frozen ? "file:" : "");
    for (const char *p = data_dir; *p != '\0'; p++) {
        if (frozen && (*p == '%' || *p == '?' || *p == '#'))
            sg_buf_printf(out, "%%%02x", (unsigned)*p);
        else
            sg_buf_put_u8(out, (uint8_t)*p);
    }
    sg_buf_puts(out, frozen ? "/chain.db?immutable=1" : "/chain.db");
    sg_buf_put_u8(out, 0);
    return sg_buf_err(out);
}

/* Without SQLite's counts of memory, which nobody asks for: they cost a lock for each allocation, and Debian's SQLite makes each small one
 * of them by malloc. Refused when SQLite is in use already, by another part of the process; that is no fault. */
static void configure_library(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

/* A transaction must be left without asking for memory. Behind all that changes the schema: it would be prepared anew. */
static int prepare_rollback(struct lg_db *db)
{
    sqlite3_stmt *st;
    return lg_db_query(db, &st, LG_SQL_ROLLBACK, NULL, 0);
}

static int open_file(struct lg_db *db, const char *path, int flags, bool writing, struct sg_fault *fault)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, configure_library);
    const int rc = sqlite3_open_v2(
        path, &db->h, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, writing ? lg_log_vfs() : NULL);
    int err = lg_db_error(rc);
    if (err == 0)
        err = configure(db, writing);
    if (err != 0)
        return fail(
            fault, err, path, db->h != NULL && err != SG_ENOSPC ? sqlite3_errmsg(db->h) : sg_err_text(err));
    if (writing)
        err = begin_log(db, path, fault);
    if (err == 0)
        err = check_schema(db, path, writing, fault);
    if (err != 0)
        return err;
    err = prepare_rollback(db);
    return err == 0 ? 0 : fail(fault, err, path, sg_err_text(err));
}

/* A reader makes no database: a folder without one is SG_ENOT_FOUND. */
static int open_to_read(struct lg_db *db, const char *data_dir, const char *plain, struct sg_fault *fault)
{
    struct sg_buf name;
    if (access(plain, F_OK) != 0)
        return fail(fault, errno == ENOENT ? SG_ENOT_FOUND : SG_EIO, plain, strerror(errno));
    if (!is_frozen(data_dir))
        return open_file(db, plain, SQLITE_OPEN_READONLY, false, fault);
    sg_buf_init(&name, 1u << 16);
    int err = database_name(&name, data_dir, true);
    if (err == 0)
        err = open_file(db, (const char *)name.p, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, false, fault);
    else
        err = fail(fault, err, plain, sg_err_text(err));
    sg_buf_fini(&name);
    return err;
}

int lg_db_open(struct lg_db *db, const char *data_dir, const struct lg_genesis *genesis, bool writing,
    struct sg_fault *fault)
{
    struct sg_buf name;
    memset(db, 0, sizeof *db);
    db->genesis = genesis;
    sg_buf_init(&name, 1u << 16);
    int err = database_name(&name, data_dir, false);
    if (err != 0)
        err = fail(fault, err, data_dir, sg_err_text(err));
    else if (writing)
        err = open_file(db, (const char *)name.p, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, true, fault);
    else
        err = open_to_read(db, data_dir, (const char *)name.p, fault);
    sg_buf_fini(&name);
    if (err != 0)
        lg_db_close(db);
    return err;
}
