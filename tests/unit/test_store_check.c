/* Columns that cannot be: named by who reads them, and put back before the store is written again. */
#include "ledger/store_db.h"
#include "ledger/store_scrub.h"
#include "tests/lib/store_fixture.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define CHAIN 6 /* blocks in the store */

static int setup(void **state)
{
    fixture_setup(state);
    fixture_connect(*state, 1, CHAIN);
    return 0;
}

static void raw_sql(const struct fixture *f, const char *sql)
{
    char path[96], *what = NULL;
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/chain.db", f->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &what) != SQLITE_OK)
        fail_msg("%s", what);
    sqlite3_close(db);
}

static void assert_noted(struct fixture *f, enum lg_damage_kind kind, const struct lg_hash *hash)
{
    struct lg_damage noted;
    assert_true(lg_sqlite_damage(f->db, &noted));
    assert_int_equal(noted.kind, kind);
    assert_true(lg_hash_eq(&noted.hash, hash));
}

/* A column that names no gateway or relay stops only who asks for it: he learns what to put back, and the store goes on. */
static void store_column_out_of_range_is_named(void **state)
{
    struct fixture *f = *state;
    const struct lg_hash *digest = &f->blocks[0]->bodies[0]->digest;
    struct lg_block_info info;
    struct lg_body_ref ref;
    bool best;
    raw_sql(f, "UPDATE block SET miner = 99 WHERE height = 3; UPDATE block SET prev = x'00' WHERE height = 6;"
               "UPDATE body SET relay = 99");
    assert_code(f->s->block_info(f->s->ctx, &info, &best, &f->info[3].hash), SG_ECORRUPT);
    assert_noted(f, LG_DAMAGE_ROWS, &f->info[3].hash);
    assert_code(f->s->block_at(f->s->ctx, &info, 3), SG_ECORRUPT);
    assert_noted(f, LG_DAMAGE_ROWS, &f->info[3].hash);
    assert_code(f->s->tip(f->s->ctx, &info), SG_ECORRUPT);
    assert_noted(f, LG_DAMAGE_ROWS, &f->info[6].hash);
    assert_code(f->s->body_at(f->s->ctx, &ref, digest, CHAIN), SG_ECORRUPT);
    assert_noted(f, LG_DAMAGE_BODY, digest);
    assert_int_equal(lg_sqlite_failed(f->db), 0);
    fixture_connect(f, CHAIN + 1, CHAIN + 1); /* the row of the block that it stands on is not needed */
    assert_int_equal(fixture_height(f), CHAIN + 1);
}

/* A store whose newest blocks have a column that cannot be opens, without a peer, and is as it was. */
static void store_opens_with_columns_of_its_newest_blocks_damaged(void **state)
{
    static const char *const wrong[] = {"UPDATE block SET miner = 99 WHERE height = 6",
        "UPDATE block SET prev = x'00' WHERE height = 6", "UPDATE block SET miner = 99 WHERE height = 5",
        "UPDATE block SET miner = 99"};
    struct fixture *f = *state;
    char *sound = fixture_dump(f);
    for (size_t i = 0; i < SG_ARRAY_LEN(wrong); i++) {
        fixture_close(f);
        raw_sql(f, wrong[i]);
        fixture_open(f);
        char *after = fixture_dump(f);
        if (strcmp(after, sound) != 0)
            fail_msg("%s: not as it was", wrong[i]);
        free(after);
    }
    free(sound);
}

/* The log calls each kind of damage by a name of its own. */
static void damage_of_each_kind_has_a_name(void **state)
{
    (void)state;
    for (int a = 0; a < LG_DAMAGE_KINDS; a++) {
        const char *name = lg_damage_name((enum lg_damage_kind)a);
        assert_non_null(name);
        for (int b = 0; b < a; b++)
            assert_string_not_equal(name, lg_damage_name((enum lg_damage_kind)b));
    }
    assert_non_null(strstr(lg_damage_name(LG_DAMAGE_COUNTERS), "counters"));
    assert_non_null(strstr(lg_damage_name(LG_DAMAGE_FILE), "file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(store_column_out_of_range_is_named, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            store_opens_with_columns_of_its_newest_blocks_damaged, setup, fixture_teardown),
        cmocka_unit_test(damage_of_each_kind_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
