/* The outbox's database: one file outbox.db in its folder, one connection, one lock.
 *
 *   FOLDER/lock       flock of the process
 *   FOLDER/ballast    1 MiB that is given up when the disk is full
 *   FOLDER/outbox.db  meta(key, value) pair gap said, see the schema below; -wal beside it
 *
 * Invariant: a commit that returned 0 survives a power cut (WAL with synchronous=FULL). After any failure but a full disk the handle
 * is broken for good: what an unsuccessful fsync left on the disk is unknown.
 * Refuses: a second process, another chain's or key's folder, a schema of another version. */
#include "gateway/outbox_db.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define BALLAST_BYTES  (1 << 20)
#define SCHEMA_VERSION 1
#define LOG_PAGES      256 /* of 4096 bytes: then the log is moved into the database */

static const char *const sql_texts[GW_SQL_COUNT] = {
#define TEXT(name, text) [GW_SQL_##name] = text,
    GW_OUTBOX_SQL(TEXT)
#undef TEXT
};

/* place: enum gw_said. stmt: id of the statement that carries the item, 0: open, -1: one that is not in here and is
 * confirmed, -2: one that is not in here and may yet go, -3: the same, inside a transaction. entered, asked: slots. */
static const char schema[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE pair(id INTEGER PRIMARY KEY, relay INTEGER NOT NULL, min INTEGER NOT NULL, digest BLOB NOT "
    "NULL,"
    " live INTEGER NOT NULL, entered INTEGER NOT NULL, stmt INTEGER NOT NULL, len INTEGER NOT NULL, doc BLOB "
    "NOT NULL,"
    " UNIQUE(relay,min)) STRICT;"
    "CREATE INDEX pair_stmt ON pair(stmt,min,relay);"
    "CREATE INDEX pair_min ON pair(min);"
    "CREATE TABLE gap(id INTEGER PRIMARY KEY, relay INTEGER NOT NULL, min INTEGER NOT NULL, reason INTEGER "
    "NOT NULL,"
    " stmt INTEGER NOT NULL, UNIQUE(relay,min)) STRICT;"
    "CREATE INDEX gap_stmt ON gap(stmt,min,relay);"
    "CREATE INDEX gap_min ON gap(min);"
    "CREATE TABLE said(id INTEGER PRIMARY KEY AUTOINCREMENT, inc INTEGER NOT NULL, seq INTEGER NOT NULL,"
    " slot INTEGER NOT NULL, leaf BLOB NOT NULL UNIQUE, place INTEGER NOT NULL, ack INTEGER NOT NULL,"
    " height INTEGER NOT NULL, asked INTEGER NOT NULL, len INTEGER NOT NULL, doc BLOB NOT NULL, "
    "UNIQUE(inc,seq)) STRICT;"
    "CREATE INDEX said_place ON said(place,id);"
    "CREATE INDEX said_slot ON said(slot);"
    "PRAGMA user_version=1;";
_Static_assert(SCHEMA_VERSION == 1, "the last line of the schema says it");

/* ---- errors ---- */

static int err_of(int rc)
{
    if (rc == SQLITE_IOERR_NOMEM)
        return SG_ENOMEM;
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
        return 0;
    case SQLITE_FULL:
        return SG_ENOSPC;
    case SQLITE_NOMEM:
        return SG_ENOMEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return SG_ECORRUPT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return SG_ELOCKED;
    case SQLITE_CONSTRAINT:
        return SG_ECONFLICT;
    default:
        return SG_EIO;
    }
}

static void path_of(const struct gw_outbox *o, char *dst, size_t size, const char *name)
{
    int n = snprintf(dst, size, "%s/%s", o->dir, name);

    assert(n > 0 && (size_t)n < size); /* the folder's length was checked when it was opened */
}

static void drop_ballast(struct gw_outbox *o)
{
    char path[4096];

    if (!o->has_ballast)
        return;
    path_of(o, path, sizeof path, "ballast");
    (void)unlink(path);
    o->has_ballast = false;
}

void gw_outbox_restore_ballast(struct gw_outbox *o)
{
    char path[4096];
    int fd;

    if (o->has_ballast)
        return;
    path_of(o, path, sizeof path, "ballast");
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return;
    o->has_ballast = posix_fallocate(fd, 0, BALLAST_BYTES) == 0;
    (void)close(fd);
    if (!o->has_ballast)
        (void)unlink(path);
}

/* The code of a failed step, with what follows from it for the handle. */
static int failed(struct gw_outbox *o, int rc)
{
    int err = err_of(rc);

    if (err == SG_ENOSPC)
        drop_ballast(o);
    else if (err == SG_EIO || err == SG_ECORRUPT)
        o->broken = true;
    return err;
}

/* ---- prepared statements ---- */

struct sqlite3_stmt *gw_sql_bind(
    struct gw_outbox *o, enum gw_outbox_sql which, const struct gw_sql_arg *args, int nargs)
{
    sqlite3_stmt *st = o->sql[which];

    for (int i = 0; i < nargs; i++) {
        int rc = args[i].is_blob
                     ? sqlite3_bind_blob64(st, i + 1, args[i].p, (sqlite3_uint64)args[i].n, SQLITE_STATIC)
                     : sqlite3_bind_int64(st, i + 1, args[i].n);

        assert(rc ==
               SQLITE_OK); /* nothing is copied, so nothing can be out of memory; only a wrong index fails */
    }
    return st;
}

void gw_sql_reset(struct sqlite3_stmt *st)
{
    (void)sqlite3_reset(st); /* repeats the code of the last step */
    (void)sqlite3_clear_bindings(st);
}

int gw_sql_step(struct gw_outbox *o, struct sqlite3_stmt *st)
{
    int rc;

    if (o->broken) {
        gw_sql_reset(st);
        return SG_EIO;
    }
    rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        return 1;
    rc = rc == SQLITE_DONE ? SQLITE_OK : sqlite3_extended_errcode(o->db);
    gw_sql_reset(st);
    return rc == SQLITE_OK ? 0 : failed(o, rc);
}

int gw_sql_run(struct gw_outbox *o, enum gw_outbox_sql which, const struct gw_sql_arg *args, int nargs)
{
    int got = gw_sql_step(o, gw_sql_bind(o, which, args, nargs));

    assert(got <= 0); /* a statement with rows is a bug here */
    return got;
}

int64_t gw_sql_i64(struct sqlite3_stmt *st, int column)
{
    return sqlite3_column_int64(st, column);
}

bool gw_sql_is_null(struct sqlite3_stmt *st, int column)
{
    return sqlite3_column_type(st, column) == SQLITE_NULL;
}

const uint8_t *gw_sql_blob(struct sqlite3_stmt *st, int column, size_t *len)
{
    const uint8_t *p = sqlite3_column_blob(st, column);

    *len = p ? (size_t)sqlite3_column_bytes(st, column) : 0;
    return p;
}

int gw_sql_hash(struct sqlite3_stmt *st, int column, struct lg_hash *out)
{
    size_t len;
    const uint8_t *p = gw_sql_blob(st, column, &len);

    if (!p || len != sizeof out->b)
        return SG_ECORRUPT;
    memcpy(out->b, p, sizeof out->b);
    return 0;
}

int gw_sql_changes(const struct gw_outbox *o)
{
    return sqlite3_changes(o->db);
}

int gw_sql_enter(struct gw_outbox *o, bool *own)
{
    *own = !o->nested;
    if (!*own)
        return 0;
    return gw_sql_run(o, GW_SQL_BEGIN, NULL, 0);
}

static int count_log(void *ctx, struct sqlite3 *db, const char *name, int pages)
{
    struct gw_outbox *o = ctx;

    (void)db;
    (void)name;
    o->log_pages = pages;
    return SQLITE_OK;
}

/* Move the log into the database. Not left to SQLite's own checkpoint, whose errors come out of COMMIT when the change is on disk
 * already: a statement that is there would count as not made. A full disk is for later. */
static void empty_log(struct gw_outbox *o)
{
    int rc;

    if (o->log_pages < LOG_PAGES)
        return;
    rc = sqlite3_wal_checkpoint_v2(o->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (rc == SQLITE_OK)
        o->log_pages = 0;
    else
        (void)failed(o, sqlite3_extended_errcode(
                            o->db)); /* an error of the disk breaks the handle: the next call says so */
}

int gw_sql_leave(struct gw_outbox *o, bool own, int err)
{
    if (!own)
        return err;
    if (!err) {
        err = gw_sql_run(o, GW_SQL_COMMIT, NULL, 0);
        if (!err)
            empty_log(o);
    }
    /* a full disk may have ended the transaction by itself */
    if (err && !o->broken && !sqlite3_get_autocommit(o->db) && gw_sql_run(o, GW_SQL_ROLLBACK, NULL, 0))
        o->broken = true;
    return err;
}

/* ---- opening ---- */

static int fault_of(struct sg_fault *fault, int err, const char *fmt, ...) SG_PRINTF(3, 4);
static int fault_of(struct sg_fault *fault, int err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(fault->text, sizeof fault->text, fmt, ap);
    va_end(ap);
    fault->err = err;
    return err;
}

static int errno_err(void)
{
    return errno == ENOSPC ? SG_ENOSPC : errno == ENOMEM ? SG_ENOMEM : SG_EIO;
}

static int lock_dir(struct gw_outbox *o, struct sg_fault *fault)
{
    char path[4096];

    if (mkdir(o->dir, 0700) != 0 && errno != EEXIST)
        return fault_of(fault, errno_err(), "%.300s: cannot make the folder: %s", o->dir, strerror(errno));
    path_of(o, path, sizeof path, "lock");
    o->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (o->lock_fd < 0)
        return fault_of(fault, errno_err(), "%.300s: cannot open the lock: %s", o->dir, strerror(errno));
    if (flock(o->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return fault_of(fault, SG_ELOCKED, "%.300s: another process holds this folder", o->dir);
    return 0;
}

static int db_fault(struct gw_outbox *o, int rc, struct sg_fault *fault)
{
    return fault_of(
        fault, err_of(rc) ? err_of(rc) : SG_EIO, "%.300s/outbox.db: %.120s", o->dir, sqlite3_errmsg(o->db));
}

static int exec(struct gw_outbox *o, const char *text, struct sg_fault *fault)
{
    int rc = sqlite3_exec(o->db, text, NULL, NULL, NULL);

    return rc == SQLITE_OK ? 0 : db_fault(o, sqlite3_extended_errcode(o->db), fault);
}

/* One connection and its folder's lock: exclusive locking needs no shared memory file. */
static const char pragmas[] = "PRAGMA locking_mode=EXCLUSIVE;"
                              "PRAGMA journal_mode=WAL;"
                              "PRAGMA synchronous=FULL;"
                              "PRAGMA trusted_schema=OFF;"
                              "PRAGMA cell_size_check=ON;"
                              "PRAGMA foreign_keys=ON;"
                              "PRAGMA mmap_size=0;"
                              "PRAGMA cache_size=-512;"
                              "PRAGMA wal_autocheckpoint=0;"
                              "PRAGMA journal_size_limit=1048576;"
                              "PRAGMA temp_store=MEMORY;";

static int64_t pragma_value(struct gw_outbox *o, const char *text)
{
    sqlite3_stmt *st = NULL;
    int64_t value = -1;

    if (sqlite3_prepare_v2(o->db, text, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        value = sqlite3_column_int64(st, 0);
    (void)sqlite3_finalize(st);
    return value;
}

static int make_schema(struct gw_outbox *o, struct sg_fault *fault)
{
    int64_t version = pragma_value(o, "PRAGMA user_version");
    char text[sizeof schema + 32];
    int err;

    if (version == SCHEMA_VERSION)
        return 0;
    if (version != 0)
        return fault_of(fault, SG_ECONFIG, "%.300s/outbox.db: version %lld is not %d", o->dir,
            (long long)version, SCHEMA_VERSION);
    (void)snprintf(text, sizeof text, "BEGIN;%sCOMMIT;", schema);
    err = exec(o, text, fault);
    return err;
}

static int open_file(struct gw_outbox *o, unsigned max_pages, struct sg_fault *fault)
{
    char path[4096], text[64];
    int err, rc;

    path_of(o, path, sizeof path, "outbox.db");
    rc = sqlite3_open_v2(path, &o->db,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);
    if (rc != SQLITE_OK)
        return o->db ? db_fault(o, rc, fault) : fault_of(fault, SG_ENOMEM, "%.300s: out of memory", o->dir);
    (void)sqlite3_extended_result_codes(o->db, 1);
    (void)sqlite3_db_config(o->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_wal_hook(o->db, count_log, o);
    err = exec(o, pragmas, fault);
    if (!err)
        err = make_schema(o, fault);
    (void)snprintf(text, sizeof text, "PRAGMA max_page_count=%u", max_pages);
    if (!err && max_pages)
        err = exec(o, text, fault);
    return err;
}

static int prepare_all(struct gw_outbox *o, struct sg_fault *fault)
{
    for (int i = 0; i < GW_SQL_COUNT; i++) {
        int rc = sqlite3_prepare_v3(o->db, sql_texts[i], -1, SQLITE_PREPARE_PERSISTENT, &o->sql[i], NULL);

        if (rc != SQLITE_OK)
            return db_fault(o, rc, fault);
    }
    return 0;
}

/* The folder belongs to one chain and one key: a statement of another would be sent under this one's name. */
static int check_owner(struct gw_outbox *o, const struct gw_outbox_config *config, struct sg_fault *fault)
{
    uint8_t mine[SG_HASH_BYTES + 8], *p = mine + SG_HASH_BYTES;
    struct gw_sql_arg args[] = {GW_BLOB(mine, sizeof mine)};
    struct sqlite3_stmt *st = o->sql[GW_SQL_OWNER_GET];
    int got;

    memcpy(mine, config->genesis->id.b, SG_HASH_BYTES);
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(config->kid >> (56 - 8 * i));
    got = gw_sql_step(o, st);
    if (got == 1) {
        size_t len;
        const uint8_t *there = gw_sql_blob(st, 0, &len);
        bool same = there && len == sizeof mine && memcmp(there, mine, len) == 0;

        gw_sql_reset(st);
        return same ? 0
                    : fault_of(
                          fault, SG_ECONFIG, "%.300s: the folder belongs to another chain or key", o->dir);
    }
    if (got == 0)
        got = gw_sql_run(o, GW_SQL_OWNER_PUT, args, 1);
    return got ? fault_of(fault, got, "%.300s: %s", o->dir, sg_err_text(got)) : 0;
}

int gw_outbox_db_open(struct gw_outbox *o, const struct gw_outbox_config *config, struct sg_fault *fault)
{
    int err;

    o->lock_fd = -1;
    o->genesis = config->genesis;
    if (strlen(config->dir) > 4000)
        return fault_of(fault, SG_ECONFIG, "%.200s...: the path is longer than 4000 bytes", config->dir);
    o->dir = strdup(config->dir);
    if (!o->dir)
        return fault_of(fault, SG_ENOMEM, "out of memory");
    err = lock_dir(o, fault);
    if (!err)
        err = open_file(o, config->max_pages, fault);
    if (!err)
        err = prepare_all(o, fault);
    if (!err)
        err = check_owner(o, config, fault);
    if (!err)
        gw_outbox_restore_ballast(o);
    return err;
}

void gw_outbox_db_close(struct gw_outbox *o)
{
    for (int i = 0; i < GW_SQL_COUNT; i++)
        (void)sqlite3_finalize(o->sql[i]);
    if (sqlite3_close(o->db) != SQLITE_OK)
        assert(!"every statement has been finalized");
    if (o->lock_fd >= 0)
        (void)close(o->lock_fd);
    free(o->dir);
}
