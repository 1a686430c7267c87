/* Databases that an older program wrote. Version 1: test_store_dispute.c, 2: test_store_side.c. */
#include "ledger/store_db.h"
#include "tests/lib/store_fixture.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static sqlite3 *open_raw(const char *dir)
{
    char path[96];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/chain.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    return db;
}

static void change(const char *dir, const char *sql)
{
    sqlite3 *db = open_raw(dir);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* Every table and index as text. */
static void layout(const char *dir, char *out, size_t size)
{
    sqlite3 *db = open_raw(dir);
    sqlite3_stmt *st;
    assert_int_equal(
        sqlite3_prepare_v2(db,
            "SELECT group_concat(sql, ';') || (SELECT user_version FROM pragma_user_version) FROM"
            " (SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name)",
            -1, &st, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    snprintf(out, size, "%s", (const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
    sqlite3_close(db);
}

/* A database of version 3 can be read as it is; opened for writing it is as a new one, with all that it held. */
static void store_of_version_3_is_brought_up_to_date(void **state)
{
    struct fixture *f = *state;
    struct lg_reader *r = NULL;
    struct lg_block_info tip;
    struct sg_fault fault = {0};
    static char fresh[8192], upgraded[8192];
    fixture_connect(f, 1, FIXTURE_BLOCKS);
    char *before = fixture_dump(f);
    fixture_close(f);
    layout(f->dir, fresh, sizeof fresh);
    change(f->dir,
        "DROP INDEX block_side; DROP INDEX statement_mined; CREATE INDEX block_prev ON block(prev);"
        "CREATE UNIQUE INDEX statement_mined ON statement(gw, height, idx) WHERE height IS NOT NULL;"
        "CREATE INDEX statement_seen ON statement(gw, tip_height) WHERE tip_height IS NOT NULL;"
        "PRAGMA user_version=3");
    assert_code(lg_reader_open(&r, f->dir, f->g, &fault), 0);
    assert_code(lg_reader_tip(r, &tip), 0);
    assert_int_equal(tip.height, FIXTURE_BLOCKS);
    lg_reader_close(r);
    fixture_open(f);
    layout(f->dir, upgraded, sizeof upgraded);
    assert_string_equal(upgraded, fresh);
    char *after = fixture_dump(f);
    assert_string_equal(after, before);
    fixture_check_rows(f);
    free(before);
    free(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            store_of_version_3_is_brought_up_to_date, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
