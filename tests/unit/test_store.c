/* The store behind struct lg_store, with the worked chain: what is written is there, byte for byte, and what is taken back
 * leaves no trace. */
#include "ledger/store_db.h"
#include "tests/lib/store_fixture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* A new folder holds an empty chain: no tip, no children of the genesis, nothing pooled. */
static void store_new_folder_is_empty_chain(void **state)
{
    struct fixture *f = *state;
    struct lg_block_info info;
    struct lg_statement_ref ref;
    struct lg_hash leaf = {{1}};
    enum lg_doc_state doc = LG_DOC_POOLED;
    struct stat st;
    unsigned n = 9;
    assert_code(f->s->tip(f->s->ctx, &info), SG_ENOT_FOUND);
    assert_code(f->s->block_at(f->s->ctx, &info, 1), SG_ENOT_FOUND);
    assert_code(f->s->children(f->s->ctx, &leaf, 1, &n, &f->g->id), 0);
    assert_int_equal(n, 0);
    assert_code(f->s->last_statement(f->s->ctx, &ref, f->g->gateways[0].id, 100), SG_ENOT_FOUND);
    assert_code(f->s->statement_state(f->s->ctx, &doc, NULL, &leaf), 0);
    assert_int_equal(doc, LG_DOC_NONE);
    assert_int_equal(stat(f->dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void check_block(struct fixture *f, int64_t h)
{
    const struct lg_block *b = f->blocks[h - 1];
    struct lg_block_info by_hash, by_height;
    struct sg_buf bytes;
    struct lg_hash child;
    bool best = false;
    unsigned n = 0;
    assert_code(f->s->block_info(f->s->ctx, &by_hash, &best, &b->hash), 0);
    assert_true(best);
    assert_code(f->s->block_at(f->s->ctx, &by_height, h), 0);
    assert_memory_equal(&by_hash.hash, &f->info[h].hash, sizeof by_hash.hash);
    assert_memory_equal(&by_hash.prev, &f->info[h].prev, sizeof by_hash.prev);
    assert_memory_equal(&by_height.hash, &f->info[h].hash, sizeof by_hash.hash);
    assert_int_equal(by_hash.height, h);
    assert_int_equal(by_hash.slot, b->header.slot);
    assert_int_equal(by_hash.time, b->header.time);
    assert_int_equal(by_hash.miner, b->header.miner_kid);
    assert_int_equal(by_hash.weight, b->header.weight);
    assert_int_equal(by_hash.weight_sum, f->info[h].weight_sum);
    sg_buf_init(&bytes, 1u << 20);
    assert_code(f->s->block_bytes(f->s->ctx, &bytes, &b->hash), 0);
    assert_int_equal(bytes.len, b->doc_len);
    assert_memory_equal(bytes.p, b->doc, b->doc_len);
    sg_buf_fini(&bytes);
    assert_code(f->s->children(f->s->ctx, &child, 1, &n, &f->info[h].prev), 0);
    assert_int_equal(n, 1);
    assert_memory_equal(&child, &b->hash, sizeof child);
}

static void check_documents(struct fixture *f, int64_t h)
{
    const struct lg_block *b = f->blocks[h - 1];
    enum lg_doc_state doc;
    int64_t height;
    struct sg_buf bytes;
    sg_buf_init(&bytes, 1u << 20);
    for (unsigned i = 0; i < b->nstatements; i++) {
        struct lg_statement_ref ref;
        struct lg_hash leaf;
        unsigned variants = 0;
        const struct lg_statement *x = b->statements[i];
        assert_code(f->s->statement_state(f->s->ctx, &doc, &height, &x->leaf), 0);
        assert_int_equal(doc, LG_DOC_MINED);
        assert_int_equal(height, h);
        sg_buf_reset(&bytes);
        assert_code(f->s->statement_doc(f->s->ctx, &bytes, &x->leaf), 0);
        assert_int_equal(bytes.len, x->doc_len);
        assert_memory_equal(bytes.p, x->doc, x->doc_len);
        assert_code(f->s->statement_at(f->s->ctx, &leaf, &variants, x->gw, x->inc, x->seq), 0);
        assert_int_equal(variants, 1);
        assert_memory_equal(&leaf, &x->leaf, sizeof leaf);
        assert_code(f->s->last_statement(f->s->ctx, &ref, x->gw, h), 0);
        assert_memory_equal(&ref.leaf, &x->leaf, sizeof leaf);
        assert_int_equal(ref.inc, x->inc);
        assert_int_equal(ref.seq, x->seq);
        assert_int_equal(ref.slot, x->slot);
        assert_int_equal(ref.ts, x->ts);
        assert_int_equal(ref.height, h);
    }
    for (unsigned i = 0; i < b->nbodies; i++) {
        struct lg_body_ref ref;
        const struct lg_body *x = b->bodies[i];
        assert_code(f->s->body_state(f->s->ctx, &doc, &height, &x->digest), 0);
        assert_int_equal(doc, LG_DOC_MINED);
        assert_code(f->s->body_at(f->s->ctx, &ref, &x->digest, h), 0);
        assert_int_equal(ref.height, h);
        assert_int_equal(ref.min, x->min);
        assert_int_equal(strlen(ref.relay), x->relay.len);
        assert_memory_equal(ref.relay, x->relay.p, x->relay.len);
        assert_code(f->s->body_at(f->s->ctx, &ref, &x->digest, h - 1), SG_ENOT_FOUND);
        sg_buf_reset(&bytes);
        assert_code(f->s->body_doc(f->s->ctx, &bytes, &x->digest), 0);
        assert_int_equal(bytes.len, x->doc_len);
        assert_memory_equal(bytes.p, x->doc, x->doc_len);
    }
    sg_buf_fini(&bytes);
}

/* Every block and document of the connected chain is answered as it was written, as of every height. */
static void store_connected_chain_is_answered(void **state)
{
    struct fixture *f = *state;
    struct lg_block_info tip;
    struct lg_statement_ref ref;
    fixture_connect(f, 1, FIXTURE_BLOCKS);
    assert_code(f->s->tip(f->s->ctx, &tip), 0);
    assert_int_equal(tip.height, FIXTURE_BLOCKS);
    for (int64_t h = 1; h <= FIXTURE_BLOCKS; h++) {
        check_block(f, h);
        check_documents(f, h);
    }
    assert_code(f->s->block_at(f->s->ctx, &tip, FIXTURE_BLOCKS + 1), SG_ENOT_FOUND);
    /* gateway c5b940ed3f65c391 said nothing in block 5: as of 5 its last one is that of block 4 */
    assert_code(f->s->last_statement(f->s->ctx, &ref, UINT64_C(0xc5b940ed3f65c391), 5), 0);
    assert_int_equal(ref.height, 4);
    assert_code(f->s->last_statement(f->s->ctx, &ref, UINT64_C(0xc5b940ed3f65c391), 0), SG_ENOT_FOUND);
    assert_code(f->s->last_statement(f->s->ctx, &ref, 1, 8), SG_ENOT_FOUND);
}

static int count_pool(void *arg, bool is_body, const uint8_t *doc, size_t len)
{
    unsigned *n = arg;
    assert_true(len > 0 && doc[0] == '{');
    if (is_body)
        assert_int_equal(n[0], 0); /* bodies first */
    n[is_body ? 1 : 0]++;
    return 0;
}

static unsigned lines_of(const char *dump, const char *table, const char *next)
{
    const char *p = strstr(dump, table), *end = strstr(dump, next);
    unsigned n = 0;
    for (p = strchr(p, '\n') + 1; p < end; p = strchr(p, '\n') + 1)
        n++;
    return n;
}

/* Taking every block off puts its documents into the pool and leaves no derived row; connecting again gives the
 * very same database. */
static void store_disconnected_and_reconnected_is_identical(void **state)
{
    struct fixture *f = *state;
    struct lg_block_info tip;
    unsigned n[2] = {0, 0}, statements = 0, bodies = 0;
    fixture_connect(f, 1, FIXTURE_BLOCKS);
    char *before = fixture_dump(f);
    assert_true(lines_of(before, "read\n", "gap\n") > 0);
    fixture_disconnect(f, FIXTURE_BLOCKS, 1);
    assert_code(f->s->tip(f->s->ctx, &tip), SG_ENOT_FOUND);
    for (unsigned i = 0; i < FIXTURE_BLOCKS; i++) {
        statements += f->blocks[i]->nstatements;
        bodies += f->blocks[i]->nbodies;
    }
    assert_code(f->s->pool_each(f->s->ctx, count_pool, n), 0);
    assert_int_equal(n[0], statements);
    assert_int_equal(n[1], bodies);
    char *off = fixture_dump(f);
    assert_string_not_equal(off, before);
    assert_non_null(strstr(off, "\nread\ngap\ngateway\n"));
    assert_non_null(strstr(off, "\nevidence\nconflict\nfirst_read\n "));
    assert_non_null(strstr(off, "\npaper\n 1 1 "));
    assert_null(strstr(strstr(off, "\npaper\n") + 7, "\n 2 "));
    fixture_connect(f, 1, FIXTURE_BLOCKS);
    char *after = fixture_dump(f);
    assert_string_equal(after, before);
    free(before);
    free(off);
    free(after);
}

/* What was committed is there after closing and opening again, to the byte. */
static void store_reopened_is_identical(void **state)
{
    struct fixture *f = *state;
    fixture_connect(f, 1, FIXTURE_BLOCKS);
    char *before = fixture_dump(f);
    fixture_close(f);
    fixture_open(f);
    char *after = fixture_dump(f);
    assert_string_equal(after, before);
    free(before);
    free(after);
}

/* A branch is refused where it does not fit: connect off the tip, disconnect below it, an unknown block. */
static void store_connect_off_the_tip_refused(void **state)
{
    struct fixture *f = *state;
    fixture_connect(f, 1, 2);
    assert_code(f->s->begin(f->s->ctx), 0);
    assert_code(f->s->put_block(f->s->ctx, f->blocks[3], &f->info[4]), 0);
    assert_code(f->s->connect(f->s->ctx, f->blocks[3], &f->info[4]), SG_EINVAL);
    f->s->rollback(f->s->ctx);
    assert_code(f->s->begin(f->s->ctx), 0);
    assert_code(f->s->disconnect(f->s->ctx, f->blocks[0], &f->info[1]), SG_EINVAL);
    f->s->rollback(f->s->ctx);
}

/* A stored block off the best branch is known and whole, and its documents are in no state of their own. */
static void store_side_block_is_kept_whole(void **state)
{
    struct fixture *f = *state;
    struct lg_block_info info;
    struct sg_buf bytes;
    enum lg_doc_state doc;
    bool best = true;
    assert_code(f->s->begin(f->s->ctx), 0);
    assert_code(f->s->put_block(f->s->ctx, f->blocks[0], &f->info[1]), 0);
    assert_code(f->s->put_block(f->s->ctx, f->blocks[0], &f->info[1]), 0); /* twice is once */
    assert_code(f->s->commit(f->s->ctx), 0);
    assert_code(f->s->block_info(f->s->ctx, &info, &best, &f->info[1].hash), 0);
    assert_false(best);
    assert_code(f->s->tip(f->s->ctx, &info), SG_ENOT_FOUND);
    assert_code(f->s->statement_state(f->s->ctx, &doc, NULL, &f->blocks[0]->statements[0]->leaf), 0);
    assert_int_equal(doc, LG_DOC_SIDE);
    sg_buf_init(&bytes, 1u << 20);
    assert_code(f->s->block_bytes(f->s->ctx, &bytes, &f->info[1].hash), 0);
    assert_memory_equal(bytes.p, f->blocks[0]->doc, f->blocks[0]->doc_len);
    sg_buf_fini(&bytes);
    /* offered by its gateway, it becomes mineable */
    assert_code(f->s->begin(f->s->ctx), 0);
    assert_code(f->s->put_statement(f->s->ctx, f->blocks[0]->statements[0]), 0);
    assert_code(f->s->commit(f->s->ctx), 0);
    assert_code(f->s->statement_state(f->s->ctx, &doc, NULL, &f->blocks[0]->statements[0]->leaf), 0);
    assert_int_equal(doc, LG_DOC_POOLED);
}

/* A rolled back transaction leaves nothing, and there is no writing outside one, nor after a failure inside one. */
static void store_rollback_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    const struct lg_statement *x = f->blocks[0]->statements[0];
    char *before = fixture_dump(f);
    assert_code(f->s->put_statement(f->s->ctx, x), SG_EINVAL);
    assert_code(f->s->commit(f->s->ctx), SG_EINVAL);
    assert_code(f->s->begin(f->s->ctx), 0);
    assert_code(f->s->begin(f->s->ctx), SG_EINVAL);
    assert_code(f->s->put_statement(f->s->ctx, x), 0);
    assert_code(f->s->put_block(f->s->ctx, f->blocks[0], &f->info[1]), 0);
    assert_code(f->s->connect(f->s->ctx, f->blocks[0], &f->info[1]), 0);
    f->s->rollback(f->s->ctx);
    char *after = fixture_dump(f);
    assert_string_equal(after, before);
    free(after);
    assert_code(f->s->begin(f->s->ctx), 0);
    assert_code(f->s->put_statement(f->s->ctx, x), 0);
    assert_code(f->s->disconnect(f->s->ctx, f->blocks[0], &f->info[1]), SG_EINVAL);
    assert_code(f->s->put_statement(f->s->ctx, x), SG_EINVAL);
    assert_code(f->s->commit(f->s->ctx), SG_EINVAL);
    after = fixture_dump(f);
    assert_string_equal(after, before);
    free(after);
    free(before);
}

/* Overtaken documents stay readable, leave the pool, and come back when put. Taken off the branch a statement is overtaken still, and a
 * body pooled: one that returns with it may read it. */
static void store_overtaken_statement_stays_overtaken_and_its_body_returns(void **state)
{
    struct fixture *f = *state;
    const struct lg_statement *x = f->blocks[0]->statements[0];
    const struct lg_body *b = f->blocks[0]->bodies[0];
    enum lg_doc_state doc;
    unsigned n[2] = {0, 0};
    assert_code(f->s->begin(f->s->ctx), 0);
    assert_code(f->s->put_body(f->s->ctx, b), 0);
    assert_code(f->s->put_statement(f->s->ctx, x), 0);
    assert_code(f->s->overtake_statement(f->s->ctx, &x->leaf), 0);
    assert_code(f->s->overtake_body(f->s->ctx, &b->digest), 0);
    assert_code(f->s->commit(f->s->ctx), 0);
    assert_code(f->s->pool_each(f->s->ctx, count_pool, n), 0);
    assert_int_equal(n[0] + n[1], 0);
    fixture_connect(f, 1, 1);
    assert_code(f->s->statement_state(f->s->ctx, &doc, NULL, &x->leaf), 0);
    assert_int_equal(doc, LG_DOC_MINED);
    fixture_disconnect(f, 1, 1);
    assert_code(f->s->statement_state(f->s->ctx, &doc, NULL, &x->leaf), 0);
    assert_int_equal(doc, LG_DOC_OVERTAKEN);
    assert_code(f->s->body_state(f->s->ctx, &doc, NULL, &b->digest), 0);
    assert_int_equal(doc, LG_DOC_POOLED);
    assert_code(f->s->statement_state(f->s->ctx, &doc, NULL, &f->blocks[0]->statements[1]->leaf), 0);
    assert_int_equal(doc, LG_DOC_POOLED);
    assert_code(f->s->begin(f->s->ctx), 0);
    assert_code(f->s->put_statement(f->s->ctx, x), 0);
    assert_code(f->s->commit(f->s->ctx), 0);
    assert_code(f->s->statement_state(f->s->ctx, &doc, NULL, &x->leaf), 0);
    assert_int_equal(doc, LG_DOC_POOLED);
}

static int open_code(const char *dir, const struct lg_genesis *g)
{
    struct sg_fault fault = {0};
    struct lg_sqlite *db = NULL;
    const int err = lg_sqlite_open(&db, dir, g, &fault);
    if (err != 0) {
        assert_int_equal(fault.err, err);
        assert_non_null(strstr(fault.text, dir));
    }
    lg_sqlite_close(db);
    return err;
}

/* While one process holds the folder, another one (and another opening of the same one) is refused; afterwards not. */
static void store_second_process_is_locked_out(void **state)
{
    struct fixture *f = *state;
    int status = 0;
    assert_code(open_code(f->dir, f->g), SG_ELOCKED);
    const pid_t pid = fork();
    if (pid == 0)
        _exit(open_code(f->dir, f->g) == SG_ELOCKED ? 7 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    fixture_close(f);
    assert_code(open_code(f->dir, f->g), 0);
    fixture_open(f);
}

/* A folder with the chain of another genesis is refused, by the writer and by a reader. */
static void store_other_chain_is_refused(void **state)
{
    struct fixture *f = *state;
    struct lg_reader *r = NULL;
    struct sg_fault fault = {0};
    json_t *other = json_deep_copy(vec_get(f->chain, "genesis"));
    json_object_set_new(other, "name", json_string("another"));
    struct lg_genesis *g = vec_genesis(other);
    fixture_close(f);
    assert_code(open_code(f->dir, g), SG_ECONFIG);
    assert_code(lg_reader_open(&r, f->dir, g, &fault), SG_ECONFIG);
    fixture_open(f);
    lg_genesis_free(g);
    json_decref(other);
}

static void raw_sql(const char *dir, const char *sql)
{
    char path[96];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/chain.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* A newer schema and another program's database are a configuration error; a file that is no database is corrupt. */
static void store_foreign_files_are_refused(void **state)
{
    struct fixture *f = *state;
    char path[96];
    struct lg_reader *r = NULL;
    struct sg_fault fault = {0};
    fixture_close(f);
    raw_sql(f->dir, "PRAGMA user_version=5");
    assert_code(open_code(f->dir, f->g), SG_ECONFIG);
    assert_code(lg_reader_open(&r, f->dir, f->g, &fault), SG_ECONFIG);
    assert_non_null(strstr(fault.text, "has version 5, and this program knows 1 to 4: use the program"));
    raw_sql(f->dir, "PRAGMA user_version=4; PRAGMA application_id=1");
    assert_code(open_code(f->dir, f->g), SG_ECONFIG);
    snprintf(path, sizeof path, "%s/chain.db", f->dir);
    assert_int_equal(unlink(path), 0);
    assert_code(lg_reader_open(&r, f->dir, f->g, &fault), SG_ENOT_FOUND);
    FILE *out = fopen(path, "w");
    for (int i = 0; i < 4096; i++)
        fputc('x', out);
    fclose(out);
    assert_code(open_code(f->dir, f->g), SG_ECORRUPT);
    unlink(path);
    fixture_open(f);
}

/* A flipped bit in a stored document, header or leaf never becomes an answer. */
static void store_flipped_bits_are_corrupt(void **state)
{
    struct fixture *f = *state;
    struct sg_buf out;
    fixture_connect(f, 1, 3);
    fixture_close(f);
    raw_sql(f->dir,
        "UPDATE body SET doc = CAST(replace(CAST(doc AS TEXT), '\"v\":1', '\"v\":2') AS BLOB) WHERE height = "
        "1;"
        "UPDATE block SET header = CAST(replace(CAST(header AS TEXT), '\"v\":1', '\"v\":2') AS BLOB)"
        " WHERE height = 2");
    fixture_open(f);
    sg_buf_init(&out, 1u << 20);
    assert_code(f->s->body_doc(f->s->ctx, &out, &f->blocks[0]->bodies[0]->digest), SG_ECORRUPT);
    assert_code(f->s->block_bytes(f->s->ctx, &out, &f->info[1].hash), SG_ECORRUPT);
    assert_code(f->s->block_bytes(f->s->ctx, &out, &f->info[2].hash), SG_ECORRUPT);
    sg_buf_reset(&out);
    assert_code(f->s->block_bytes(f->s->ctx, &out, &f->info[3].hash), 0);
    sg_buf_fini(&out);
}

/* No statement that runs at every block or request walks through a whole table, but for one that has a row for each gateway. */
static void store_statements_use_indexes(void **state)
{
    struct fixture *f = *state;
    char path[96], sql[1200];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/chain.db", f->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    for (int i = LG_SQL_META_GET; i < LG_SQL_COUNT; i++) {
        sqlite3_stmt *st;
        if (i == LG_SQL_SIDE_SUM) /* of the walk alone, once a pass for each gateway */
            continue;
        if (i >= LG_SQL_THROUGH_READ && i <= LG_SQL_THROUGH_SIDE_DOC) /* where the file was at fault */
            continue;
        if (lg_db_sql((enum lg_sql)i) == NULL)
            fail_msg("statement %d has no text", i);
        snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s", lg_db_sql((enum lg_sql)i));
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
        while (sqlite3_step(st) == SQLITE_ROW) {
            const char *plan = (const char *)sqlite3_column_text(st, 3);
            const bool scan = strstr(plan, "SCAN") != NULL && strstr(plan, "_pool") == NULL &&
                              strstr(plan, "block_best") == NULL && strstr(plan, "CONSTANT ROW") == NULL &&
                              strstr(plan, "side_gateway") == NULL;
            if (scan || (strstr(plan, "TEMP B-TREE") != NULL && i != LG_SQL_STATEMENT_VARIANTS &&
                            i != LG_SQL_SIDE_GREEDY))
                fail_msg("%s: %s", lg_db_sql((enum lg_sql)i), plan);
        }
        sqlite3_finalize(st);
    }
    sqlite3_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(store_new_folder_is_empty_chain, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(store_connected_chain_is_answered, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            store_disconnected_and_reconnected_is_identical, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(store_reopened_is_identical, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(store_connect_off_the_tip_refused, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(store_side_block_is_kept_whole, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(store_rollback_leaves_nothing, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            store_overtaken_statement_stays_overtaken_and_its_body_returns, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(store_second_process_is_locked_out, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(store_other_chain_is_refused, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(store_foreign_files_are_refused, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(store_flipped_bits_are_corrupt, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(store_statements_use_indexes, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
