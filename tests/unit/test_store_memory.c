/* Memory that runs out at the n-th allocation, for every n, once and for ever: SQLite's and our own, in store and outbox. The call says
 * so and has changed nothing; nothing acknowledged is lost, nothing leaks (the sanitizers look), and when there is memory again the
 * same process goes on.
 * run-tests: no valgrind (thousands of databases are opened and closed; the sanitized flavours look for leaks) */
#include "ledger/store_scrub.h"
#include "tests/lib/fault_memory.h"
#include "tests/lib/outbox_fixture.h"
#include "tests/lib/store_fixture.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define BLOCKS 2
#define EVERY  24 /* each of the first so many places, then some of the rest */
#define SOME   43
#define MAX_N  100000
#define ROUNDS 2

/* ---- our own: the linker leads calls of our objects here ---- */

void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);

void *__wrap_malloc(size_t n)
{
    return fault_memory_ours() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fault_memory_ours() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return fault_memory_ours() ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *s)
{
    return fault_memory_ours() ? NULL : __real_strdup(s);
}

/* ---- the store ---- */

/* Reads a block back: what the engine does at a reorganisation. */
static int get(struct fixture *f, int64_t h)
{
    struct sg_buf out;
    sg_buf_init(&out, 1u << 20);
    int err = f->s->block_bytes(f->s->ctx, &out, &f->info[h].hash);
    if (err == 0) {
        assert_int_equal(out.len, f->blocks[h - 1]->doc_len);
        assert_memory_equal(out.p, f->blocks[h - 1]->doc, out.len);
    }
    sg_buf_fini(&out);
    return err;
}

/* Opening, two blocks, reading them. *acked: the height that was acknowledged. */
static int store_work(struct fixture *f, int64_t *acked)
{
    struct sg_fault fault = {0};
    int err = lg_sqlite_open(&f->db, f->dir, f->g, &fault);
    if (err != 0) {
        assert_true(fault.text[0] != '\0');
        f->db = NULL;
        return err;
    }
    f->s = lg_sqlite_store(f->db);
    for (int64_t h = 1; h <= BLOCKS && err == 0; h++) {
        err = fixture_put(f, h);
        if (err == 0)
            *acked = h;
        if (err == 0)
            err = get(f, h);
    }
    return err;
}

/* The memory is there again: the same process, the same handle, where it is open. */
static void store_goes_on(struct fixture *f, int64_t acked, const char *sound)
{
    if (f->db == NULL)
        fixture_open(f);
    assert_int_equal(fixture_height(f), acked);
    fixture_connect(f, acked + 1, BLOCKS);
    char *after = fixture_dump(f);
    assert_string_equal(after, sound);
    free(after);
}

static void store_with(struct fixture *f, enum fault_memory whose, bool ever, const char *sound)
{
    int n = 1;
    for (;; n += n < EVERY ? 1 : SOME) {
        int64_t acked = 0;
        assert_true(n < MAX_N);
        fixture_close(f);
        fixture_remove_dir(f->dir);
        fault_memory_arm(whose, n, ever);
        const int err = store_work(f, &acked);
        fault_memory_disarm();
        if (err != 0)
            assert_code(err, SG_ENOMEM);
        if (err != 0)
            assert_true(fault_memory_fired());
        store_goes_on(f, acked, sound);
        if (!fault_memory_fired())
            break;
    }
    assert_true(n > EVERY); /* it did fail at many places */
}

static char *undisturbed(struct fixture *f)
{
    fixture_connect(f, 1, BLOCKS);
    return fixture_dump(f);
}

/* SQLite without memory, once and for ever. */
static void store_survives_sqlite_without_memory(void **state)
{
    char *sound = undisturbed(*state);
    store_with(*state, FAULT_SQLITE, false, sound);
    store_with(*state, FAULT_SQLITE, true, sound);
    free(sound);
}

/* Our own allocations. */
static void store_survives_without_memory(void **state)
{
    char *sound = undisturbed(*state);
    store_with(*state, FAULT_OURS, false, sound);
    store_with(*state, FAULT_OURS, true, sound);
    free(sound);
}

/* ---- readers ---- */

/* Is there nobody whose snapshot keeps the log from being emptied? */
static bool log_is_free(const struct fixture *f)
{
    char path[96];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/chain.db", f->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    const int rc = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    assert_true(rc == SQLITE_OK || rc == SQLITE_BUSY || rc == SQLITE_LOCKED);
    sqlite3_close(db);
    return rc == SQLITE_OK;
}

static int read_all(struct lg_reader *r, struct fixture *f)
{
    struct lg_block_info tip;
    struct sg_buf out;
    int err = lg_reader_begin(r);
    if (err != 0)
        return err;
    sg_buf_init(&out, 1u << 20);
    err = lg_reader_tip(r, &tip);
    if (err == 0)
        err = lg_reader_block_bytes(r, &out, &f->info[1].hash);
    lg_reader_end(r);
    sg_buf_fini(&out);
    return err;
}

/* A reader without memory, at whatever place of an answer: the next answer is given, of the newest commit, and no snapshot stays held. */
static void reader_goes_on_when_there_is_memory_again(void **state)
{
    struct fixture *f = *state;
    int n = 1;
    fixture_connect(f, 1, 1);
    for (;; n++) {
        struct lg_reader *r = NULL;
        struct lg_block_info tip;
        struct sg_fault fault = {0};
        assert_true(n < MAX_N);
        assert_code(lg_reader_open(&r, f->dir, f->g, &fault), 0);
        fault_memory_arm(FAULT_SQLITE, n, false);
        const int err = read_all(r, f);
        fault_memory_disarm();
        if (err != 0)
            assert_code(err, SG_ENOMEM);
        fixture_connect(f, 2, 2);
        assert_true(log_is_free(f));
        assert_code(lg_reader_begin(r), 0);
        assert_code(lg_reader_tip(r, &tip), 0);
        assert_int_equal(tip.height, 2);
        lg_reader_end(r);
        lg_reader_close(r);
        fixture_disconnect(f, 2, 2);
        if (!fault_memory_fired())
            break;
    }
    assert_true(n > EVERY);
}

static void nothing_is_damaged(void *arg, const struct lg_damage *d)
{
    (void)arg;
    fail_msg("kind %d", (int)d->kind);
}

/* The walk without memory says so, and takes nothing for damaged when there is some again. */
static void scrub_goes_on_when_there_is_memory_again(void **state)
{
    struct fixture *f = *state;
    bool over = false;
    fixture_connect(f, 1, 1);
    for (int n = 1; !over; n++) {
        struct lg_scrub *s = NULL;
        struct sg_fault fault = {0};
        unsigned documents;
        bool through = false;
        assert_true(n < MAX_N);
        assert_code(lg_scrub_open(&s, f->dir, f->g, &sg_crypto_openssl, &fault), 0);
        fault_memory_arm(FAULT_SQLITE, n, false);
        const int err = lg_scrub_step(s, &documents, &through, nothing_is_damaged, NULL);
        fault_memory_disarm();
        if (err != 0)
            assert_code(err, SG_ENOMEM);
        over = !fault_memory_fired();
        for (unsigned steps = 0; !through; steps++) {
            assert_true(steps < 1000);
            assert_code(lg_scrub_step(s, &documents, &through, nothing_is_damaged, NULL), 0);
        }
        lg_scrub_close(s);
    }
}

/* ---- the outbox ---- */

static const uint8_t words[] = "{\"a body\":1}";

/* *said: statements that were acknowledged. */
static int outbox_work(const struct gw_outbox_config *config, struct gw_outbox **o, unsigned *said)
{
    struct sg_fault fault = {0};
    int err = gw_outbox_open(o, config, &fault);
    if (err != 0)
        *o = NULL;
    for (unsigned i = 0; i < ROUNDS && err == 0; i++) {
        err = outbox_put_nth(*o, i, words, sizeof words - 1);
        if (err == 0)
            err = outbox_say_nth(*o, 5, i);
        *said += err == 0;
    }
    return err;
}

static void outbox_goes_on(const struct gw_outbox_config *config, struct gw_outbox *o, unsigned said)
{
    struct sg_fault fault = {0};
    if (o == NULL)
        assert_code(gw_outbox_open(&o, config, &fault), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct gw_said_row row;
        const int err = outbox_put_nth(o, i, words, sizeof words - 1);
        assert_true(err == 0 || err == SG_EKNOWN);
        const int there = gw_outbox_find_seq(o, &row, 5, i + 1);
        if (i < said)
            assert_code(there, 0);
        if (there != 0)
            assert_code(outbox_say_nth(o, 5, i), 0);
    }
    gw_outbox_close(o);
}

static void outbox_with(const struct gw_outbox_config *config, enum fault_memory whose, bool ever)
{
    int n = 1;
    for (;; n += n < EVERY ? 1 : SOME) {
        struct gw_outbox *o = NULL;
        unsigned said = 0;
        assert_true(n < MAX_N);
        fixture_remove_dir(config->dir);
        fault_memory_arm(whose, n, ever);
        const int err = outbox_work(config, &o, &said);
        fault_memory_disarm();
        if (err != 0)
            assert_code(err, SG_ENOMEM);
        outbox_goes_on(config, o, said);
        if (!fault_memory_fired())
            break;
    }
    assert_true(n > (whose == FAULT_SQLITE ? EVERY : 1));
}

/* The same for what a gateway has read and said. */
static void outbox_survives_without_memory(void **state)
{
    struct fixture *f = *state;
    char dir[96];
    snprintf(dir, sizeof dir, "%s/outbox", f->dir);
    const struct gw_outbox_config config = {.dir = dir, .genesis = f->g, .kid = 1};
    for (int ever = 0; ever < 2; ever++) {
        outbox_with(&config, FAULT_SQLITE, ever == 1);
        outbox_with(&config, FAULT_OURS, ever == 1);
    }
    fixture_remove_dir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            store_survives_sqlite_without_memory, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(store_survives_without_memory, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            reader_goes_on_when_there_is_memory_again, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            scrub_goes_on_when_there_is_memory_again, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(outbox_survives_without_memory, fixture_setup, fixture_teardown),
    };
    fault_memory_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
