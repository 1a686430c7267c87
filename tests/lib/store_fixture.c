#include "store_fixture.h"

#include <dirent.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

void fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    /* in memory where there is such a place: the tests ask what is written and in which order, not how fast a disk is */
    snprintf(f->dir, sizeof f->dir, "%s/gridwitness-store-XXXXXX",
        access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(f->dir));
    f->chain = vec_load("chain.json");
    f->g = vec_genesis(vec_get(f->chain, "genesis"));
    lg_block_info_genesis(&f->info[0], f->g);
    for (unsigned i = 0; i < FIXTURE_BLOCKS; i++) {
        f->blocks[i] = vec_block(vec_get(json_array_get(vec_get(f->chain, "blocks"), i), "block"));
        lg_block_info_of(&f->info[i + 1], f->blocks[i], &f->info[i]);
    }
    fixture_open(f);
}

void fixture_fini(struct fixture *f)
{
    fixture_close(f);
    fixture_remove_dir(f->dir);
    for (unsigned i = 0; i < FIXTURE_BLOCKS; i++)
        lg_block_free(f->blocks[i]);
    lg_genesis_free(f->g);
    json_decref(f->chain);
}

void fixture_open(struct fixture *f)
{
    struct sg_fault fault = {0};
    if (lg_sqlite_open(&f->db, f->dir, f->g, &fault) != 0)
        fail_msg("%s", fault.text);
    f->s = lg_sqlite_store(f->db);
}

void fixture_close(struct fixture *f)
{
    lg_sqlite_close(f->db);
    f->db = NULL;
}

void fixture_open_in_child(struct fixture *f)
{
    struct sg_fault fault = {0};
    if (lg_sqlite_open(&f->db, f->dir, f->g, &fault) != 0)
        _exit(2);
    f->s = lg_sqlite_store(f->db);
}

int fixture_setup(void **state)
{
    struct fixture *f = malloc(sizeof *f);
    fixture_init(f);
    *state = f;
    return 0;
}

int fixture_setup_closed(void **state)
{
    fixture_setup(state);
    fixture_close(*state);
    return 0;
}

int fixture_teardown(void **state)
{
    fixture_fini(*state);
    free(*state);
    return 0;
}

int fixture_put(struct fixture *f, int64_t h)
{
    const struct lg_store *s = f->s;
    int err = s->begin(s->ctx);
    if (err != 0)
        return err;
    if (h % 2 == 1)
        err = s->append(s->ctx, f->blocks[h - 1], &f->info[h]);
    else
        err = s->put_block(s->ctx, f->blocks[h - 1], &f->info[h]);
    if (err == 0 && h % 2 == 0)
        err = s->connect(s->ctx, f->blocks[h - 1], &f->info[h]);
    if (err == 0)
        return s->commit(s->ctx);
    s->rollback(s->ctx);
    return err;
}

int64_t fixture_height(const struct fixture *f)
{
    struct lg_block_info tip;
    const int err = f->s->tip(f->s->ctx, &tip);
    if (err == SG_ENOT_FOUND)
        return 0;
    assert_code(err, 0);
    return tip.height;
}

void fixture_check_rows(struct fixture *f)
{
    const int64_t h = fixture_height(f);
    char *before = fixture_dump(f);
    if (h > 0) {
        fixture_disconnect(f, h, 1);
        fixture_connect(f, 1, h);
    }
    char *after = fixture_dump(f);
    assert_string_equal(after, before);
    free(before);
    free(after);
}

void fixture_connect(struct fixture *f, int64_t first, int64_t last)
{
    for (int64_t h = first; h <= last; h++)
        assert_code(fixture_put(f, h), 0);
}

void fixture_disconnect(struct fixture *f, int64_t first, int64_t last)
{
    for (int64_t h = first; h >= last; h--) {
        assert_code(f->s->begin(f->s->ctx), 0);
        assert_code(f->s->disconnect(f->s->ctx, f->blocks[h - 1], &f->info[h]), 0);
        assert_code(f->s->commit(f->s->ctx), 0);
    }
}

static void dump_table(FILE *out, sqlite3 *db, const char *table)
{
    char sql[256];
    sqlite3_stmt *st;
    snprintf(sql, sizeof sql, "SELECT * FROM %s ORDER BY 1, 2, 3, 4", table);
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK) /* a table of fewer columns */
        snprintf(sql, sizeof sql, "SELECT * FROM %s ORDER BY 1", table);
    sqlite3_finalize(st);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    fprintf(out, "%s\n", table);
    while (sqlite3_step(st) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(st); i++) {
            if (sqlite3_column_type(st, i) != SQLITE_BLOB) {
                const unsigned char *text = sqlite3_column_text(st, i);
                fprintf(out, " %s", text ? (const char *)text : "NULL");
                continue;
            }
            const uint8_t *p = sqlite3_column_blob(st, i);
            fprintf(out, " ");
            for (int k = 0; k < sqlite3_column_bytes(st, i); k++)
                fprintf(out, "%02x", p[k]);
        }
        fprintf(out, "\n");
    }
    sqlite3_finalize(st);
}

char *fixture_dump(const struct fixture *f)
{
    static const char *const tables[] = {"meta", "block", "statement", "body", "read", "gap", "gateway",
        "evidence", "conflict", "first_read", "dispute", "side", "side_doc", "side_gateway", "paper"};
    char path[96], *text = NULL;
    size_t len = 0;
    sqlite3 *db;
    FILE *out = open_memstream(&text, &len);
    snprintf(path, sizeof path, "%s/chain.db", f->dir);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    for (size_t i = 0; i < SG_ARRAY_LEN(tables); i++)
        dump_table(out, db, tables[i]);
    sqlite3_close(db);
    fclose(out);
    return text;
}

void fixture_remove_dir(const char *dir)
{
    char path[400];
    struct dirent *e;
    DIR *d = opendir(dir);
    if (d == NULL)
        return;
    while ((e = readdir(d)) != NULL) {
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlink(path);
    }
    closedir(d);
    rmdir(dir);
}
