/* The VFS that gathers what a transaction adds to the log: fewer calls, nothing else changes. */
#include "ledger/store_db.h"
#include "tests/lib/fault_vfs.h"
#include "tests/lib/store_fixture.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define ROWS 400

struct world {
    char dir[64], path[80];
    sqlite3 *h, *other; /* the one that writes; a plain one that reads */
};

static void run(sqlite3 *h, const char *sql)
{
    const int rc = sqlite3_exec(h, sql, NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(h));
}

static int64_t one(sqlite3 *h, const char *sql)
{
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_prepare_v2(h, sql, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    const int64_t v = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return v;
}

/* Eight tables, so that a row in each changes eight pages; a log that has begun. */
static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    char sql[96];
    snprintf(w->dir, sizeof w->dir, "/tmp/gridwitness-log-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->path, sizeof w->path, "%s/db", w->dir);
    fault_vfs_install();
    assert_int_equal(
        sqlite3_open_v2(w->path, &w->h, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, lg_log_vfs()), SQLITE_OK);
    run(w->h, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
              "PRAGMA cache_size=10; CREATE TABLE big(id INTEGER PRIMARY KEY, v BLOB NOT NULL)");
    for (int i = 0; i < 8; i++) {
        snprintf(sql, sizeof sql, "CREATE TABLE t%d(v INTEGER NOT NULL); INSERT INTO t%d VALUES(0)", i, i);
        run(w->h, sql);
    }
    assert_int_equal(sqlite3_open(w->path, &w->other), SQLITE_OK);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    sqlite3_close(w->other);
    sqlite3_close(w->h);
    fault_vfs_remove();
    fixture_remove_dir(w->dir);
    free(w);
    return 0;
}

static int change_all(struct world *w)
{
    char sql[64];
    run(w->h, "BEGIN IMMEDIATE");
    for (int i = 0; i < 8; i++) {
        snprintf(sql, sizeof sql, "UPDATE t%d SET v = v + 1", i);
        run(w->h, sql);
    }
    return sqlite3_exec(w->h, "COMMIT", NULL, NULL, NULL);
}

/* Eight changed pages are one write and one sync, and whoever reads without this VFS sees them after the commit. */
static void log_transaction_is_written_in_one_piece(void **state)
{
    struct world *w = *state;
    fault_vfs_arm(3, SQLITE_IOERR_WRITE, false);
    assert_int_equal(change_all(w), SQLITE_OK);
    assert_false(fault_vfs_fired());
    fault_vfs_disarm();
    assert_int_equal(one(w->other, "SELECT t0.v + t7.v FROM t0, t7"), 2);
    fault_vfs_arm(2, SQLITE_IOERR_WRITE, false); /* there was a sync: the second of the two */
    assert_int_not_equal(change_all(w), SQLITE_OK);
    assert_true(fault_vfs_fired());
}

/* A transaction that is many times longer than what is gathered, whose pages leave the cache and are read back and changed again. */
static void log_longer_than_gathered_is_whole(void **state)
{
    struct world *w = *state;
    char sql[200];
    run(w->h, "BEGIN IMMEDIATE");
    for (int i = 0; i < ROWS; i++) {
        snprintf(sql, sizeof sql, "INSERT INTO big VALUES(%d, zeroblob(2000))", i);
        run(w->h, sql);
    }
    run(w->h, "SAVEPOINT s; DELETE FROM big WHERE id % 3 = 0; ROLLBACK TO s; RELEASE s;"
              "UPDATE big SET v = randomblob(2001) WHERE id % 2 = 0");
    assert_int_equal(one(w->other, "SELECT count(*) FROM big"), 0);
    run(w->h, "COMMIT");
    assert_int_equal(one(w->other, "SELECT count(*) FROM big WHERE length(v) > 2000"), ROWS / 2);
    assert_int_equal(one(w->other, "SELECT count(*) FROM big"), ROWS);
    assert_int_equal(
        one(w->other, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
    run(w->h, "PRAGMA wal_checkpoint(TRUNCATE)");
    assert_int_equal(one(w->other, "SELECT count(*) FROM big WHERE length(v) > 2000"), ROWS / 2);
}

/* Without room the commit fails, nobody sees anything of it, and the next one holds nothing of it. */
static void log_write_that_fails_fails_the_commit(void **state)
{
    struct world *w = *state;
    fault_vfs_arm(1, SQLITE_FULL, false);
    assert_int_equal(change_all(w), SQLITE_FULL);
    assert_true(fault_vfs_fired());
    fault_vfs_disarm();
    if (!sqlite3_get_autocommit(w->h))
        run(w->h, "ROLLBACK");
    assert_int_equal(one(w->other, "SELECT t0.v + t7.v FROM t0, t7"), 0);
    run(w->h, "INSERT INTO big VALUES(1, x'00')");
    assert_int_equal(one(w->other, "SELECT t0.v + t7.v FROM t0, t7"), 0);
    assert_int_equal(one(w->other, "SELECT count(*) FROM big"), 1);
}

/* A journal that is there but cannot be opened is an error of the open, as without this VFS: nothing is called of a file that was never opened. */
static void log_file_that_cannot_be_opened_is_an_error(void **state)
{
    struct world *w = *state;
    char target[96], journal[96];
    sqlite3 *h;
    sqlite3_close(w->other);
    sqlite3_close(w->h);
    w->other = w->h = NULL;
    snprintf(target, sizeof target, "%s/target", w->dir);
    snprintf(journal, sizeof journal, "%s-journal", w->path);
    FILE *file = fopen(target, "w");
    assert_non_null(file);
    assert_int_not_equal(fputs("not empty", file), EOF);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(symlink(target, journal), 0); /* SQLite follows no link */
    assert_int_equal(sqlite3_open_v2(w->path, &h, SQLITE_OPEN_READWRITE, lg_log_vfs()), SQLITE_OK);
    assert_int_equal(sqlite3_exec(h, "SELECT count(*) FROM t0", NULL, NULL, NULL), SQLITE_CANTOPEN);
    assert_int_equal(unlink(journal), 0);
    assert_int_equal(one(h, "SELECT count(*) FROM t0"), 1);
    sqlite3_close(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(log_transaction_is_written_in_one_piece, setup, teardown),
        cmocka_unit_test_setup_teardown(log_longer_than_gathered_is_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(log_write_that_fails_fails_the_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(log_file_that_cannot_be_opened_is_an_error, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
