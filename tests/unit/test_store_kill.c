/* kill -9 at a random moment, again and again (D1): what was acknowledged through a pipe is there afterwards, the rest is there whole
 * or not at all. Lives end while the database is opened, inside of commits, while the log is emptied.
 *
 * GRIDWITNESS_KILLS_STORE: lives of each test (200; `make kills` for many); GRIDWITNESS_SEED: when they end.
 * run-tests: no valgrind (hundreds of processes that never reach their end) */
#include "gateway/outbox.h"
#include "tests/lib/killed.h"
#include "tests/lib/store_fixture.h"
#include "tests/lib/synth.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* Lives in one folder; then a new one, so that the last life costs what the first did. */
#define EPOCH   250
#define INC_MS  INT64_C(1764000000000)
#define MAX_ALL 100000 /* acknowledgements in one epoch: more than there is time for */

static unsigned lives = 200;

static void must(bool good)
{
    if (!good)
        _exit(3);
}

static void acknowledge(int fd, const void *p, size_t len)
{
    must(write(fd, p, len) == (ssize_t)len);
}

/* ---- statements with their bodies ---- */

struct appending {
    struct fixture *f;
    struct synth made;
    int64_t seq; /* the first that is free */
    struct lg_hash *held;
    size_t nheld; /* acknowledged in this epoch */
};

static void append(void *ctx, int fd)
{
    struct appending *a = ctx;
    const struct lg_store *s;
    fixture_open_in_child(a->f);
    s = a->f->s;
    for (int64_t seq = a->seq;; seq++) {
        struct lg_body *b = synth_body(&a->made, 0, a->f->g->minute + seq, seq);
        struct lg_statement *x = synth_statement(&a->made, 0, INC_MS, seq, &a->f->g->id, &b, 1, 1);
        must(s->begin(s->ctx) == 0 && s->put_body(s->ctx, b) == 0);
        must(s->put_statement(s->ctx, x) == 0 && s->commit(s->ctx) == 0);
        acknowledge(fd, &x->leaf, sizeof x->leaf);
        lg_statement_free(x);
        lg_body_free(b);
    }
}

/* Held, byte for byte: the store hashes what it gives. */
static void check_held(struct fixture *f, const struct lg_hash *leaves, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        enum lg_doc_state doc_state;
        struct sg_buf doc;
        assert_code(f->s->statement_state(f->s->ctx, &doc_state, NULL, &leaves[i]), 0);
        assert_int_equal(doc_state, LG_DOC_POOLED);
        sg_buf_init(&doc, 1u << 16);
        assert_code(f->s->statement_doc(f->s->ctx, &doc, &leaves[i]), 0);
        sg_buf_fini(&doc);
    }
}

static void fresh_folder(struct fixture *f)
{
    fixture_remove_dir(f->dir);
    fixture_open(f);
    fixture_close(f);
}

static size_t append_once(struct appending *a, struct killed *k)
{
    const size_t n = killed_run(k, append, a, sizeof(struct lg_hash));
    fixture_open(a->f);
    assert_true(a->nheld + n <= MAX_ALL);
    memcpy(a->held + a->nheld, k->acks, n * sizeof *a->held);
    check_held(a->f, a->held + a->nheld, n);
    a->nheld += n;
    a->seq += (int64_t)n + 1; /* the one after the last may be there or not */
    return n;
}

/* Every statement that was acknowledged before kill -9 is in the pool after it, and still after all later lives. */
static void store_killed_keeps_what_it_acknowledged(void **state)
{
    struct appending a = {.f = *state, .seq = 1, .held = calloc(MAX_ALL, sizeof *a.held)};
    struct killed k;
    size_t total = 0;
    synth_init(&a.made, a.f->g);
    killed_init(&k);
    for (unsigned life = 1; life <= lives; life++) {
        total += append_once(&a, &k);
        const bool last = life % EPOCH == 0 || life == lives;
        if (last)
            check_held(a.f, a.held, a.nheld);
        fixture_close(a.f);
        if (last) {
            fresh_folder(a.f);
            a.nheld = 0;
            a.seq = 1;
        }
    }
    assert_true(total > lives);
    print_message("%u lives, %zu statements acknowledged, none lost\n", lives, total);
    killed_fini(&k);
    synth_fini(&a.made);
    free(a.held);
    fixture_open(*state);
}

/* ---- the tip ---- */

struct moving {
    struct fixture *f;
    int64_t height;
};

/* Up and down the worked chain for ever; acknowledges the height after each commit. */
static void move_tip(void *ctx, int fd)
{
    struct moving *m = ctx;
    struct fixture *f = m->f;
    int64_t height = m->height;
    bool up = height < FIXTURE_BLOCKS;
    fixture_open_in_child(f);
    for (;;) {
        const int64_t h = up ? height + 1 : height; /* the block that is put on or taken off */
        must(f->s->begin(f->s->ctx) == 0);
        if (up)
            must(f->s->append(f->s->ctx, f->blocks[h - 1], &f->info[h]) == 0);
        else
            must(f->s->disconnect(f->s->ctx, f->blocks[h - 1], &f->info[h]) == 0);
        must(f->s->commit(f->s->ctx) == 0);
        height = up ? h : h - 1;
        up = height == 0 || (up && height < FIXTURE_BLOCKS);
        acknowledge(fd, &height, sizeof height);
    }
}

static void move_once(struct moving *m, struct killed *k, bool rows)
{
    struct lg_block_info tip = {.height = 0};
    int64_t last = m->height;
    const size_t n = killed_run(k, move_tip, m, sizeof last);
    if (n > 0)
        memcpy(&last, k->acks + (n - 1) * sizeof last, sizeof last);
    fixture_open(m->f);
    const int err = m->f->s->tip(m->f->s->ctx, &tip);
    assert_true(err == 0 || (err == SG_ENOT_FOUND && tip.height == 0));
    assert_in_range(tip.height, last > 0 ? last - 1 : 0, last + 1);
    m->height = tip.height;
    if (rows)
        fixture_check_rows(m->f);
    fixture_close(m->f);
}

/* After kill -9 between or inside of blocks the tip is the one acknowledged last or one step on, never in between, and
 * the whole database is what an undisturbed one holds at that height. */
static void store_killed_is_at_a_whole_block(void **state)
{
    struct moving m = {.f = *state};
    struct killed k;
    killed_init(&k);
    for (unsigned life = 1; life <= lives; life++)
        move_once(&m, &k, life % 16 == 0 || life == lives);
    killed_fini(&k);
    fixture_open(m.f);
}

/* ---- the outbox ---- */

struct saying {
    struct gw_outbox_config config;
    sg_minute from; /* the first minute that is free */
};

struct said {
    sg_minute min;
    bool statement; /* else: the pair */
};

static const uint8_t words[] = "{\"a body\":1}";

static int put_minute(struct gw_outbox *o, sg_minute min)
{
    const struct gw_pair pair = {
        .relay = 0, .min = min, .digest = {{7}}, .live = 6, .doc = words, .doc_len = sizeof words - 1};
    return gw_outbox_put_pair(o, &pair, min);
}

static void say(void *ctx, int fd)
{
    const struct saying *s = ctx;
    struct gw_outbox *o;
    struct sg_fault fault = {0};
    must(gw_outbox_open(&o, &s->config, &fault) == 0);
    for (sg_minute min = s->from;; min++) {
        struct gw_item items[4];
        struct gw_said_row row = {.inc = INC_MS, .seq = min, .slot = min, .leaf = {{1}}};
        unsigned n = 0;
        memcpy(row.leaf.b + 8, &min, sizeof min);
        must(put_minute(o, min) == 0);
        acknowledge(fd, &(struct said){min, false}, sizeof(struct said));
        must(gw_outbox_open_items(o, items, 4, &n, min, min) == 0 && n == 1);
        must(gw_outbox_add_statement(o, &row, words, sizeof words - 1, items, n) == 0);
        acknowledge(fd, &(struct said){min, true}, sizeof(struct said));
    }
}

static int count_body(void *ctx, const uint8_t *doc, size_t len)
{
    assert_int_equal(len, sizeof words - 1);
    assert_memory_equal(doc, words, len);
    ++*(unsigned *)ctx;
    return 0;
}

static void check_said(struct gw_outbox *o, const struct said *all, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct gw_said_row row;
        unsigned bodies = 0;
        assert_code(put_minute(o, all[i].min), SG_EKNOWN);
        if (!all[i].statement)
            continue;
        assert_code(gw_outbox_find_seq(o, &row, INC_MS, all[i].min), 0);
        assert_code(gw_outbox_bodies(o, row.id, count_body, &bodies), 0);
        assert_int_equal(bodies, 1);
    }
}

static size_t say_once(struct saying *s, struct killed *k)
{
    struct gw_outbox *o = NULL;
    struct sg_fault fault = {0};
    const size_t n = killed_run(k, say, s, sizeof(struct said));
    const struct said *all = (const struct said *)(const void *)k->acks;
    if (gw_outbox_open(&o, &s->config, &fault) != 0)
        fail_msg("%s", fault.text);
    check_said(o, all, n);
    if (n > 0)
        s->from = all[n - 1].min + 1;
    while (put_minute(o, s->from) != 0) /* what was on its way is there or not */
        s->from++;
    s->from++;
    gw_outbox_close(o);
    return n;
}

/* What the outbox acknowledged, pairs and statements with what they carry, is there after kill -9 at any moment. */
static void outbox_killed_keeps_what_it_promised(void **state)
{
    struct fixture *f = *state;
    char dir[96];
    snprintf(dir, sizeof dir, "%s/outbox", f->dir);
    struct saying s = {.config = {.dir = dir, .genesis = f->g, .kid = 1}, .from = 1};
    struct killed k;
    size_t total = 0;
    killed_init(&k);
    for (unsigned life = 1; life <= lives; life++) {
        total += say_once(&s, &k);
        if (life % EPOCH == 0)
            fixture_remove_dir(dir);
    }
    fixture_remove_dir(dir);
    assert_true(total > lives);
    print_message("%u lives, %zu promises, none broken\n", lives, total);
    killed_fini(&k);
    fixture_open(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            store_killed_keeps_what_it_acknowledged, fixture_setup_closed, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            store_killed_is_at_a_whole_block, fixture_setup_closed, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            outbox_killed_keeps_what_it_promised, fixture_setup_closed, fixture_teardown),
    };
    const char *text = getenv("GRIDWITNESS_KILLS_STORE");
    if (text != NULL && atoi(text) > 0)
        lives = (unsigned)atoi(text);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
