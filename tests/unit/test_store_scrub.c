/* Bits that flip on the disk (D4): the walk finds each, nothing is served for good that is not, and what is damaged is put back byte for
 * byte, or told as beyond repair.
 * run-tests: no valgrind (hundreds of databases are opened, walked through and closed) */
#include "ledger/store_db.h"
#include "ledger/store_scrub.h"
#include "tests/lib/store_fixture.h"
#include "tests/lib/synth.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define MOST   64  /* damages that are listed in one pass */
#define CHAIN  6   /* blocks in the store */
#define STRIDE 499 /* bytes from one flip to the next: a prime, so that every part of a page has its turn */

struct found {
    unsigned n;
    struct lg_damage list[MOST];
};

static int setup(void **state)
{
    fixture_setup(state);
    fixture_connect(*state, 1, CHAIN);
    return 0;
}

static void note(void *arg, const struct lg_damage *d)
{
    struct found *all = arg;
    if (all->n < MOST)
        all->list[all->n++] = *d;
}

/* One pass of the walk from its beginning. */
static void walk(struct fixture *f, struct found *all)
{
    struct lg_scrub *s = NULL;
    struct sg_fault fault = {0};
    bool over = false;
    all->n = 0;
    if (lg_scrub_open(&s, f->dir, f->g, &sg_crypto_openssl, &fault) != 0)
        fail_msg("%s", fault.text);
    for (unsigned steps = 0; !over; steps++) {
        unsigned documents;
        assert_true(steps < 10000);
        assert_code(lg_scrub_step(s, &documents, &over, note, all), 0);
    }
    lg_scrub_close(s);
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

/* What a peer would answer: the document or block of that hash, of the worked chain. */
static void of_peer(const struct fixture *f, const struct lg_damage *d, const uint8_t **doc, size_t *len)
{
    *doc = NULL;
    *len = 0;
    for (unsigned h = 0; h <= CHAIN; h++) {
        const struct lg_block *b = f->blocks[h];
        if (d->kind == LG_DAMAGE_BLOCK && lg_hash_eq(&b->hash, &d->hash)) {
            *doc = b->doc;
            *len = b->doc_len;
        }
        for (unsigned i = 0; d->kind == LG_DAMAGE_STATEMENT && i < b->nstatements; i++)
            if (lg_hash_eq(&b->statements[i]->leaf, &d->hash)) {
                *doc = b->statements[i]->doc;
                *len = b->statements[i]->doc_len;
            }
        for (unsigned i = 0; d->kind == LG_DAMAGE_BODY && i < b->nbodies; i++)
            if (lg_hash_eq(&b->bodies[i]->digest, &d->hash)) {
                *doc = b->bodies[i]->doc;
                *len = b->bodies[i]->doc_len;
            }
    }
}

/* Walks and puts back until nothing is found any more. False: something stays. */
static bool heal(struct fixture *f)
{
    struct found all;
    for (int round = 0; round < 12; round++) {
        bool moved = false;
        walk(f, &all);
        if (all.n == 0)
            return true;
        for (unsigned i = 0; i < all.n; i++) {
            const uint8_t *doc;
            size_t len;
            of_peer(f, &all.list[i], &doc, &len);
            if (doc == NULL && all.list[i].kind <= LG_DAMAGE_BLOCK)
                continue;
            moved = lg_sqlite_repair(f->db, &all.list[i], doc, len) == 0 || moved;
        }
        if (!moved)
            return false;
    }
    return false;
}

/* A sound store has nothing to tell: blocks of the branch, blocks beside it, the pool, evidence. */
static void scrub_of_a_sound_store_finds_nothing(void **state)
{
    struct fixture *f = *state;
    struct synth s;
    struct found all;
    synth_init(&s, f->g);
    struct lg_body *b = synth_body(&s, 0, f->g->minute + 2000, 1);
    struct lg_statement *x = synth_statement(&s, 0, 1764000000000, 2000, &f->g->id, &b, 1, 1);
    struct lg_statement *y = synth_statement(&s, 0, 1764000000000, 2000, &f->info[2].hash, &b, 1, 1);
    assert_code(f->s->begin(f->s->ctx), 0);
    assert_code(f->s->put_body(f->s->ctx, b), 0);
    assert_code(f->s->put_statement(f->s->ctx, x), 0);
    assert_code(f->s->put_evidence(f->s->ctx, y), 0);
    assert_code(f->s->put_block(f->s->ctx, f->blocks[CHAIN], &f->info[CHAIN + 1]), 0);
    assert_code(f->s->commit(f->s->ctx), 0);
    walk(f, &all);
    assert_int_equal(all.n, 0);
    fixture_disconnect(f, CHAIN, CHAIN);
    walk(f, &all);
    assert_int_equal(all.n, 0);
    lg_statement_free(x);
    lg_statement_free(y);
    lg_body_free(b);
    synth_fini(&s);
}

static const struct {
    const char *sql;
    enum lg_damage_kind kind;
} cases[] = {
    {"UPDATE statement SET doc = replace(doc, '\"v\":1', '\"v\":2') WHERE id = 2", LG_DAMAGE_STATEMENT},
    {"UPDATE statement SET doc = x'' WHERE id = 1", LG_DAMAGE_STATEMENT},
    {"UPDATE statement SET slot = slot + 1 WHERE id = 3", LG_DAMAGE_STATEMENT},
    {"UPDATE statement SET seq = seq + 1 WHERE id = 3", LG_DAMAGE_STATEMENT},
    {"DELETE FROM statement WHERE id = 3", LG_DAMAGE_STATEMENT},
    {"UPDATE statement SET tip_height = 77 WHERE id = 4", LG_DAMAGE_ROWS},
    {"UPDATE statement SET height = NULL, idx = NULL WHERE id = 4", LG_DAMAGE_ROWS},
    {"UPDATE body SET doc = substr(doc, 1, 20) WHERE id = 2", LG_DAMAGE_BODY},
    {"UPDATE body SET min = min + 1 WHERE id = 2", LG_DAMAGE_BODY},
    {"UPDATE body SET relay = 99 WHERE id = 2", LG_DAMAGE_BODY},
    {"UPDATE body SET idx = 900 WHERE id = 2", LG_DAMAGE_ROWS},
    {"DELETE FROM body WHERE id = 2", LG_DAMAGE_BODY},
    {"UPDATE block SET header = replace(header, '\"v\":1', '\"v\":2') WHERE height = 3", LG_DAMAGE_BLOCK},
    {"UPDATE block SET sig = zeroblob(64) WHERE height = 3", LG_DAMAGE_BLOCK},
    {"UPDATE block SET leaves = substr(leaves, 33) || substr(leaves, 1, 32) WHERE height = 4",
        LG_DAMAGE_BLOCK},
    {"UPDATE block SET nst = 1 WHERE height = 4", LG_DAMAGE_BLOCK},
    {"UPDATE block SET weight_sum = weight_sum + 1 WHERE height = 2", LG_DAMAGE_ROWS},
    {"UPDATE block SET slot = slot + 1 WHERE height = 5", LG_DAMAGE_ROWS},
    {"UPDATE block SET prev = zeroblob(32) WHERE height = 5", LG_DAMAGE_ROWS},
    {"UPDATE block SET prev = x'00' WHERE height = 5", LG_DAMAGE_ROWS},
    {"UPDATE block SET miner = 99 WHERE height = 3", LG_DAMAGE_ROWS},
    {"UPDATE block SET miner = -1 WHERE height > 2", LG_DAMAGE_ROWS},
    {"UPDATE read SET live = live + 1 WHERE height = 2", LG_DAMAGE_ROWS},
    {"DELETE FROM read WHERE height = 2", LG_DAMAGE_ROWS},
    {"INSERT INTO read SELECT relay, min + 5, gw, height, idx, body, live FROM read WHERE height = 2 "
     "LIMIT 1",
        LG_DAMAGE_READ},
    {"INSERT INTO gap VALUES(0, 99, 7, 0, 1, 2, 0)", LG_DAMAGE_GAP},
    {"INSERT INTO gap SELECT gw, height, idx, 0, 1, 2, 0 FROM statement WHERE id = 1", LG_DAMAGE_ROWS},
    {"INSERT INTO conflict VALUES(2, 900, 0, 5)", LG_DAMAGE_ROWS},
    {"UPDATE paper SET text = replace(text, '5', '6') WHERE idx = 3", LG_DAMAGE_ROWS},
    {"UPDATE paper SET proof = proof + 1 WHERE idx = 4", LG_DAMAGE_ROWS},
    {"DELETE FROM paper WHERE idx = 4", LG_DAMAGE_ROWS},
    {"UPDATE gateway SET greatest_slot = greatest_slot + 9 WHERE gw = 0", LG_DAMAGE_COUNTERS},
    {"UPDATE gateway SET greatest_inc = 1 WHERE gw = 1", LG_DAMAGE_COUNTERS},
    {"UPDATE gateway SET incarnations = 8, gap_minutes = 3 WHERE gw = 0", LG_DAMAGE_COUNTERS},
    {"UPDATE gateway SET evidence = 1 WHERE gw = 0", LG_DAMAGE_COUNTERS},
    {"UPDATE first_read SET live = live + 1 WHERE min = (SELECT min(min) FROM first_read)",
        LG_DAMAGE_FIRST_READ},
    {"UPDATE first_read SET gw = gw + 1", LG_DAMAGE_FIRST_READ},
    {"UPDATE first_read SET statement = statement + 70000 WHERE min = (SELECT min(min) FROM first_read)",
        LG_DAMAGE_FIRST_READ},
    {"UPDATE first_read SET digest = CAST(x'00' || substr(digest, 2) AS BLOB)", LG_DAMAGE_FIRST_READ},
    {"UPDATE first_read SET digest = 'short'", LG_DAMAGE_FIRST_READ},
    {"UPDATE first_read SET relay = relay + 40", LG_DAMAGE_FIRST_READ},
    {"UPDATE first_read SET min = min + 40000", LG_DAMAGE_FIRST_READ},
    {"UPDATE dispute SET relay = relay + 40", LG_DAMAGE_DISPUTE},
    {"UPDATE dispute SET min = min + 40000", LG_DAMAGE_DISPUTE},
    {"UPDATE dispute SET first_gw = first_gw + 1", LG_DAMAGE_DISPUTE},
    {"UPDATE dispute SET second_gw = second_gw + 1", LG_DAMAGE_DISPUTE},
    {"UPDATE dispute SET first = first + 70000 WHERE id = 1", LG_DAMAGE_DISPUTE},
    {"UPDATE dispute SET second_live = second_live + 1", LG_DAMAGE_DISPUTE},
    {"UPDATE dispute SET first_live = first_live + 1", LG_DAMAGE_DISPUTE},
    {"UPDATE dispute SET first_digest = second_digest", LG_DAMAGE_DISPUTE},
    {"UPDATE dispute SET second_digest = CAST(x'00' || substr(second_digest, 2) AS BLOB)", LG_DAMAGE_DISPUTE},
    {"UPDATE side SET miner = miner + 1", LG_DAMAGE_ROWS},
    {"UPDATE side SET weight_sum = weight_sum + 1", LG_DAMAGE_ROWS},
    {"UPDATE side SET bytes = bytes + 1", LG_DAMAGE_ROWS},
    {"UPDATE side SET kids = kids + 1", LG_DAMAGE_ROWS},
    {"UPDATE side SET block = block + 1000", LG_DAMAGE_SIDE},
    {"DELETE FROM side", LG_DAMAGE_ROWS},
    {"INSERT INTO side VALUES(2, 0, 9, 9, 0)", LG_DAMAGE_ROWS},
    {"UPDATE side_doc SET block = block + 1000", LG_DAMAGE_SIDE},
    {"UPDATE side_doc SET leaf = CAST(x'00' || substr(leaf, 2) AS BLOB)", LG_DAMAGE_SIDE},
    {"DELETE FROM side_doc", LG_DAMAGE_ROWS},
    {"UPDATE side_gateway SET bytes = bytes + 5", LG_DAMAGE_COUNTERS},
};

/* Block 7 beside the best branch; and a pooled statement of a gateway that has seen something else than the first block's reader. */
static void put_more(struct fixture *f)
{
    struct synth s;
    synth_init(&s, f->g);
    const struct lg_statement *first = f->blocks[0]->statements[0];
    assert_true(first->nreads > 0);
    struct lg_body *b = synth_body(&s,
        (unsigned)lg_db_relay_index(&f->db->db, first->reads[0].relay.p, first->reads[0].relay.len),
        first->reads[0].min, 77);
    struct lg_statement *x = synth_statement(&s, 1, 1764000000000, 1, &f->g->id, &b, 1, 1);
    assert_code(f->s->begin(f->s->ctx), 0);
    assert_code(f->s->put_body(f->s->ctx, b), 0);
    assert_code(f->s->put_statement(f->s->ctx, x), 0);
    assert_code(f->s->put_block(f->s->ctx, f->blocks[CHAIN], &f->info[CHAIN + 1]), 0);
    assert_code(f->s->commit(f->s->ctx), 0);
    lg_statement_free(x);
    lg_body_free(b);
    synth_fini(&s);
}

/* Each part of a store, changed behind its back: named by its kind, and put back as it was. */
static void scrub_finds_and_repair_puts_back(void **state)
{
    struct fixture *f = *state;
    struct found all;
    put_more(f);
    char *sound = fixture_dump(f);
    assert_non_null(strstr(sound, "\ndispute\n 1 "));
    for (size_t i = 0; i < SG_ARRAY_LEN(cases); i++) {
        raw_sql(f, cases[i].sql);
        walk(f, &all);
        bool named = false;
        for (unsigned k = 0; k < all.n; k++)
            named = named || all.list[k].kind == cases[i].kind;
        if (!named)
            fail_msg("%s: not found (%u others, the first of kind %d)", cases[i].sql, all.n,
                all.n > 0 ? (int)all.list[0].kind : -1);
        if (!heal(f))
            fail_msg("%s: not put back", cases[i].sql);
        char *after = fixture_dump(f);
        if (strcmp(after, sound) != 0 && strncmp(cases[i].sql, "DELETE FROM ", 12) != 0)
            fail_msg("%s: not as it was", cases[i].sql); /* a row that was gone has another number */
        free(after);
        fixture_close(f);
        fixture_remove_dir(f->dir);
        fixture_open(f);
        fixture_connect(f, 1, CHAIN);
        put_more(f);
    }
    free(sound);
}

/* Only the document that has the hash is taken, whoever brings it. */
static void repair_takes_nothing_else(void **state)
{
    struct fixture *f = *state;
    const struct lg_statement *x = f->blocks[0]->statements[0], *other = f->blocks[1]->statements[0];
    const struct lg_damage statement = {.kind = LG_DAMAGE_STATEMENT, .hash = x->leaf};
    const struct lg_damage block = {.kind = LG_DAMAGE_BLOCK, .hash = f->blocks[2]->hash};
    struct lg_damage noted;
    struct sg_buf out, forged;
    raw_sql(f, "UPDATE statement SET doc = x'00' WHERE id = 1; UPDATE block SET sig = zeroblob(64) WHERE "
               "height = 3");
    sg_buf_init(&out, 1u << 20);
    assert_code(f->s->statement_doc(f->s->ctx, &out, &x->leaf), SG_ECORRUPT);
    assert_true(lg_sqlite_damage(f->db, &noted));
    assert_int_equal(noted.kind, LG_DAMAGE_STATEMENT);
    assert_true(lg_hash_eq(&noted.hash, &x->leaf));
    assert_false(lg_sqlite_damage(f->db, &noted));
    assert_code(lg_sqlite_repair(f->db, &statement, other->doc, other->doc_len), SG_EINVAL);
    assert_code(lg_sqlite_repair(f->db, &statement, (const uint8_t *)"{}", 2), SG_EINVAL);
    assert_code(lg_sqlite_repair(f->db, &block, f->blocks[3]->doc, f->blocks[3]->doc_len), SG_EINVAL);
    sg_buf_init(&forged, 1u << 20);
    sg_buf_put(&forged, f->blocks[2]->doc, f->blocks[2]->doc_len);
    char *sig = memmem(forged.p, forged.len, "\"sig\":\"", 7);
    sig[7] = sig[7] == 'A' ? 'B' : 'A';
    assert_code(lg_sqlite_repair(f->db, &block, forged.p, forged.len), SG_EINVAL);
    assert_code(f->s->begin(f->s->ctx), 0);
    assert_code(lg_sqlite_repair(f->db, &statement, x->doc, x->doc_len), SG_EAGAIN);
    f->s->rollback(f->s->ctx);
    assert_code(lg_sqlite_repair(f->db, &statement, x->doc, x->doc_len), 0);
    assert_code(f->s->statement_doc(f->s->ctx, &out, &x->leaf), 0);
    assert_int_equal(out.len, x->doc_len);
    assert_memory_equal(out.p, x->doc, x->doc_len);
    sg_buf_fini(&forged);
    sg_buf_fini(&out);
}

/* A row that its index does not lead to any more counts as damaged until it does, and no longer. */
static void scrub_file_is_sound_when_its_place_is(void **state)
{
    struct fixture *f = *state;
    struct found all;
    struct lg_scrub *s = NULL;
    struct sg_fault fault = {0};
    raw_sql(f, "PRAGMA writable_schema=ON;"
               "UPDATE sqlite_schema SET sql = sql || ' WHERE 0' WHERE name = 'statement_leaf'");
    raw_sql(f, "UPDATE statement SET leaf = CAST(x'00' || substr(leaf, 2) AS BLOB) WHERE id = 2");
    raw_sql(f, "PRAGMA writable_schema=ON;"
               "UPDATE sqlite_schema SET sql = replace(sql, ' WHERE 0', '') WHERE name = 'statement_leaf'");
    walk(f, &all);
    unsigned i = 0;
    while (i < all.n && all.list[i].kind != LG_DAMAGE_FILE)
        i++;
    assert_true(i < all.n);
    const struct lg_damage d = all.list[i];
    assert_code(lg_scrub_open(&s, f->dir, f->g, &sg_crypto_openssl, &fault), 0);
    all.n = 0;
    assert_true(lg_scrub_is_damaged(s, &d, note, &all));
    assert_int_equal(all.n, 0);
    assert_code(lg_sqlite_repair(f->db, &d, NULL, 0), 0);
    assert_false(lg_scrub_is_damaged(s, &d, note, &all));
    lg_scrub_close(s);
    assert_true(heal(f));
}

/* ---- any bit of the file ---- */

static uint8_t *slurp(const char *path, size_t *len)
{
    struct stat st;
    const int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    uint8_t *p = malloc((size_t)st.st_size);
    assert_int_equal(read(fd, p, (size_t)st.st_size), st.st_size);
    close(fd);
    *len = (size_t)st.st_size;
    return p;
}

static void spill(const char *path, const uint8_t *p, size_t len)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, p, len), len);
    close(fd);
}

/* Every block and document that a reader gives is right, or it gives none. False: one it does not give. */
static bool serves_the_truth(struct fixture *f)
{
    bool whole = true;
    struct sg_buf out;
    sg_buf_init(&out, 1u << 20);
    for (unsigned h = 0; h < CHAIN; h++) {
        const struct lg_block *b = f->blocks[h];
        sg_buf_reset(&out);
        const int err = f->s->block_bytes(f->s->ctx, &out, &b->hash);
        /* The signature of a header is no part of its hash: it is the walk that looks at it. */
        if (err == 0 && out.len == b->doc_len) {
            const char *sig = memmem(b->doc, b->doc_len, "\"sig\":\"", 7);
            const size_t at = (size_t)((const uint8_t *)sig - b->doc);
            assert_memory_equal(out.p, b->doc, at);
            assert_memory_equal(out.p + at + 96, b->doc + at + 96, b->doc_len - at - 96);
        }
        whole = whole && err == 0;
        for (unsigned i = 0; i < b->nbodies; i++) {
            sg_buf_reset(&out);
            if (f->s->body_doc(f->s->ctx, &out, &b->bodies[i]->digest) == 0) {
                assert_int_equal(out.len, b->bodies[i]->doc_len);
                assert_memory_equal(out.p, b->bodies[i]->doc, out.len);
            } else {
                whole = false;
            }
        }
    }
    sg_buf_fini(&out);
    return whole;
}

struct flips {
    unsigned refused, healed, marked, harmless;
};

/* One bit of the closed file, then a start. */
static void flip(struct fixture *f, struct flips *count, const char *sound)
{
    struct sg_fault fault = {0};
    if (lg_sqlite_open(&f->db, f->dir, f->g, &fault) != 0) {
        assert_true(fault.err == SG_ECORRUPT || fault.err == SG_ECONFIG);
        assert_true(fault.text[0] != '\0');
        count->refused++;
        return;
    }
    f->s = lg_sqlite_store(f->db);
    const bool whole = serves_the_truth(f);
    const bool healed = heal(f);
    char *after = healed ? fixture_dump(f) : NULL;
    if (after != NULL && strcmp(after, sound) == 0) {
        count->harmless += whole;
        count->healed += !whole;
        (void)serves_the_truth(f);
    } else {
        count->marked++; /* told as damaged, or a column that nothing is read from */
    }
    free(after);
    fixture_close(f);
}

/* A flipped bit anywhere in the file: refused at the start, put back from a peer, or marked; what is served is never wrong. */
static void store_with_any_bit_flipped_never_serves_it(void **state)
{
    struct fixture *f = *state;
    struct flips count = {0};
    char path[96];
    size_t len;
    char *sound = fixture_dump(f);
    fixture_close(f);
    snprintf(path, sizeof path, "%s/chain.db", f->dir);
    uint8_t *bytes = slurp(path, &len);
    for (size_t at = 0; at < len; at += STRIDE) {
        bytes[at] ^= (uint8_t)(1u << (at % 8));
        spill(path, bytes, len);
        flip(f, &count, sound);
        bytes[at] ^= (uint8_t)(1u << (at % 8));
    }
    print_message("refused %u, put back %u, marked %u, no harm %u\n", count.refused, count.healed,
        count.marked, count.harmless);
    assert_true(count.healed > 10 && count.refused > 0);
    spill(path, bytes, len);
    free(bytes);
    free(sound);
    fixture_open(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(scrub_of_a_sound_store_finds_nothing, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(scrub_finds_and_repair_puts_back, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(repair_takes_nothing_else, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(scrub_file_is_sound_when_its_place_is, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(store_with_any_bit_flipped_never_serves_it, setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
