/* Reorganisations of any depth, engine and store together: what a node is afterwards does not depend on the way that it came, and a
 * crash in the middle leaves the old or the new.
 *
 * run-tests: no valgrind (thousands of blocks on a real store) */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sqlite3.h>
#include <time.h>
#include <unistd.h>
#include <limits.h>
#include <cmocka.h>

#include "ledger/store.h"
#include "tests/lib/branch_maker.h"
#include "tests/lib/engine_rig.h"
#include "tests/lib/store_fixture.h"
#include "tests/lib/vectors.h"

#define S0     (MAKER_MINUTE + 10)
#define LATE   ((S0 + 6000) * SG_MINUTE_MS)
#define COMMON 3
#define DEEP   4110

struct world {
    struct maker m;
    struct branch common, a, b;
    const struct lg_statement *pair[2]; /* gateway 3 says two things */
};

/* A node: an engine on a store in a folder. */
struct node {
    char dir[64];
    struct lg_sqlite *db;
    struct rig *r;
};

static void extend(
    struct maker *m, struct branch *s, sg_minute slot, unsigned first, unsigned n, int64_t variant)
{
    branch_extend(m, s,
        &(struct branch_block){.slot = slot,
            .first = first,
            .n = n,
            .miner = first,
            .variant = variant,
            .ngaps = slot % 7 == 0 && slot > MAKER_MINUTE + 1400});
}

/* Branch a: depth blocks of one gateway; branch b: of two others, half as many and one more. Both read every minute, with different
 * bodies, so that conflicts come and go. */
static struct world *world_new(unsigned depth)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    chain_maker_init(&w->m, &(struct maker_config){0});
    branch_init(&w->common, w->m.g);
    for (unsigned i = 0; i < COMMON; i++)
        extend(&w->m, &w->common, S0 + i, 0, 4, 1);
    branch_on(&w->a, &w->common);
    branch_on(&w->b, &w->common);
    for (unsigned i = 0; i < depth; i++)
        extend(&w->m, &w->a, S0 + COMMON + i, 0, 1, 2);
    for (unsigned i = 0; i < depth / 2 + 1; i++)
        extend(&w->m, &w->b, S0 + COMMON + i, 1, 2, 3);
    for (unsigned i = 0; i < 2; i++)
        w->pair[i] = make_statement(&w->m,
            &(struct maker_say){.gw = 3, .slot = S0 + COMMON + (sg_minute)i, .after = w->common.last[3]});
    return w;
}

static void world_free(struct world *w)
{
    chain_maker_fini(&w->m);
    free(w);
}

static void open_db(struct node *n, struct world *w)
{
    struct sg_fault fault = {0};
    if (lg_sqlite_open(&n->db, n->dir, w->m.g, &fault) != 0)
        fail_msg("%s", fault.text);
    rig_move(n->r, lg_sqlite_store(n->db));
}

/* Thousands of commits: in memory where there is room, for a process is killed here, never the machine. */
static const char *folder(void)
{
    struct statvfs room;
    const bool in_memory = access("/dev/shm", W_OK) == 0 && statvfs("/dev/shm", &room) == 0 &&
                           (uint64_t)room.f_bavail * room.f_frsize > UINT64_C(512) << 20;
    return in_memory ? "/dev/shm/gridwitness-reorg-XXXXXX" : "/tmp/gridwitness-reorg-XXXXXX";
}

static void node_start(struct node *n, struct world *w)
{
    memset(n, 0, sizeof *n);
    strcpy(n->dir, folder());
    assert_non_null(mkdtemp(n->dir));
    n->r = rig_new(&w->m, UINT_MAX);
    open_db(n, w);
}

static void node_close(struct node *n)
{
    if (n->r->engine != NULL)
        lg_engine_pow.close(n->r->engine);
    n->r->engine = NULL;
    if (n->db != NULL)
        lg_sqlite_close(n->db);
    n->db = NULL;
}

static void node_stop(struct node *n)
{
    node_close(n);
    rig_free(n->r);
    fixture_remove_dir(n->dir);
}

static void offer(struct node *n, const struct branch *s, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        enum lg_block_verdict v;
        assert_code(rig_offer_block(n->r, &v, s->blocks[i], LATE), 0);
        assert_int_equal(v, LG_BLOCK_ACCEPTED);
        rig_forget(n->r);
    }
}

/* The same in pages, which share transactions where they extend the tip. */
static void offer_pages(struct node *n, const struct branch *s, unsigned from, unsigned to)
{
    enum { PAGE = 64 };
    struct lg_block_offer page[PAGE];
    for (unsigned i = from, count; i < to; i += count) {
        count = to - i < PAGE ? to - i : PAGE;
        memset(page, 0, sizeof page);
        for (unsigned k = 0; k < count; k++)
            assert_code(lg_block_decode(&page[k].b, s->blocks[i + k]->doc, s->blocks[i + k]->doc_len), 0);
        assert_code(lg_engine_pow.offer_blocks(n->r->engine, page, count, LATE), 0);
        for (unsigned k = 0; k < count; k++)
            assert_code(page[k].err, 0);
        rig_forget(n->r);
    }
}

/* What branch a's gateway said there is told to a node that does not have it. */
static void offer_said(struct node *n, const struct branch *s)
{
    enum { LOT = 100 };
    const struct lg_statement *st[LOT];
    const struct lg_body *b[LOT];
    for (unsigned i = 0, count; i < s->n; i += count) {
        struct lg_offer o;
        for (count = 0; count < LOT && i + count < s->n; count++) {
            st[count] = s->blocks[i + count]->statements[0];
            b[count] = s->blocks[i + count]->bodies[0];
        }
        assert_code(rig_offer(n->r, &o, st, count, b, count, LATE), 0);
        assert_int_equal(o.accepted, count);
        lg_offer_fini(&o);
        rig_forget(n->r);
    }
}

static void offer_pair(struct node *n, struct world *w)
{
    assert_code(rig_say(n->r, w->pair[0], NULL, 0, LATE), 0);
    assert_code(rig_say(n->r, w->pair[1], NULL, 0, LATE), SG_ECONFLICT);
}

/* Everything that follows from the branch, the pool and the evidence, by hashes instead of row numbers. What a node has seen of other
 * branches is its own. */
static const char *const views[] = {
    "SELECT height, hash FROM block WHERE best = 1 ORDER BY height",
    "SELECT gw, inc, seq, slot, ts, leaf, doc, height, idx, tip_height,"
    " CASE WHEN height IS NULL THEN pool ELSE 0 END FROM statement WHERE height IS NOT NULL OR pool <> 0 "
    "ORDER BY leaf",
    "SELECT relay, min, digest, doc, height, idx, CASE WHEN height IS NULL THEN pool ELSE 0 END FROM body"
    " WHERE height IS NOT NULL OR pool <> 0 ORDER BY digest",
    "SELECT r.relay, r.min, r.gw, r.height, r.idx, r.live, b.digest FROM read r JOIN body b ON b.id = r.body"
    " ORDER BY 1, 2, 3, 4, 5",
    "SELECT * FROM gap ORDER BY gw, height, idx, relay, from_min",
    "SELECT * FROM gateway ORDER BY gw",
    "SELECT e.gw, e.inc, e.seq, a.leaf, b.leaf FROM evidence e JOIN statement a ON a.id = e.first"
    " JOIN statement b ON b.id = e.second ORDER BY 1, 2, 3",
    "SELECT * FROM conflict ORDER BY height, idx",
    "SELECT * FROM paper ORDER BY idx",
};

/* One digest of all rows of a view: of type, length and bytes of every column. */
static void digest_view(struct lg_hash *out, sqlite3 *h, const char *sql)
{
    struct sg_buf b;
    sqlite3_stmt *st;
    sg_buf_init(&b, SIZE_MAX);
    assert_int_equal(sqlite3_prepare_v2(h, sql, -1, &st, NULL), SQLITE_OK);
    memset(out, 0, sizeof *out);
    while (sqlite3_step(st) == SQLITE_ROW) {
        sg_buf_reset(&b);
        sg_buf_put(&b, out->b, sizeof out->b);
        for (int i = 0; i < sqlite3_column_count(st); i++) {
            const void *p = sqlite3_column_blob(st, i); /* integers as their text */
            const int len = sqlite3_column_bytes(st, i), type = sqlite3_column_type(st, i);
            sg_buf_put(&b, &type, sizeof type);
            sg_buf_put(&b, &len, sizeof len);
            sg_buf_put(&b, p, (size_t)len);
        }
        assert_int_equal(sg_buf_err(&b), 0);
        sg_sha256(out->b, b.p, b.len);
    }
    sqlite3_finalize(st);
    sg_buf_fini(&b);
}

struct state {
    struct lg_hash views[SG_ARRAY_LEN(views)];
};

static struct state state_of(const struct node *n)
{
    struct state s;
    char path[96];
    sqlite3 *h;
    snprintf(path, sizeof path, "%s/chain.db", n->dir);
    assert_int_equal(sqlite3_open_v2(path, &h, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    for (size_t i = 0; i < SG_ARRAY_LEN(views); i++)
        digest_view(&s.views[i], h, views[i]);
    sqlite3_close(h);
    return s;
}

static bool same(const struct state *a, const struct state *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static void assert_same(const struct state *a, const struct state *b)
{
    for (size_t i = 0; i < SG_ARRAY_LEN(views); i++)
        if (!lg_hash_eq(&a->views[i], &b->views[i]))
            fail_msg("differs: %s", views[i]);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static long peak_kib(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

/* A node that has followed branch a and one that has not: after b has won, the first is what the second is, in every table; so it is after a
 * restart, and after going back to a and to b again. */
static void reorg_ends_as_if_it_had_not_been(unsigned depth)
{
    struct world *w = world_new(depth);
    struct node came, stayed;
    node_start(&came, w);
    node_start(&stayed, w);
    offer(&came, &w->common, 0, COMMON);
    offer(&stayed, &w->common, 0, COMMON);
    offer_pair(&came, w);
    offer_pair(&stayed, w);
    offer_pages(&came, &w->a, 0, w->a.n);
    offer_pages(&came, &w->b, 0, w->b.n - 1);
    assert_true(rig_tip_is(came.r, &w->a.at.hash));
    const long before_kib = peak_kib();
    const double begin = seconds();
    offer(&came, &w->b, w->b.n - 1, w->b.n);
    print_message("depth %u: %u blocks off, %u on in %.3f s, at most %ld KiB more memory\n", depth, depth,
        w->b.n, seconds() - begin, peak_kib() - before_kib);
    assert_true(rig_tip_is(came.r, &w->b.at.hash));
    assert_int_equal(rig_state(came.r).deepest_reorg, depth);
    offer_pages(&stayed, &w->b, 0, w->b.n);
    offer_said(&stayed, &w->a); /* what the other one took back */
    const struct lg_engine_state x = rig_state(came.r), y = rig_state(stayed.r);
    assert_int_equal(x.pool_statements, depth + 1); /* and the pair's first */
    assert_int_equal(x.pool_statements, y.pool_statements);
    assert_int_equal(x.pool_bodies, y.pool_bodies);
    assert_int_equal(x.pool_bytes, y.pool_bytes);
    const struct state after = state_of(&came), direct = state_of(&stayed);
    assert_same(&after, &direct);
    node_close(&came);
    open_db(&came, w);
    const struct lg_engine_state z = rig_state(came.r);
    assert_int_equal(z.pool_statements, x.pool_statements);
    assert_int_equal(z.pool_bytes, x.pool_bytes);
    assert_true(rig_tip_is(came.r, &w->b.at.hash));
    node_stop(&came);
    node_stop(&stayed);
    world_free(w);
}

/* P11: depths 1, 6, 288 and 4110. */
static void reorg_of_any_depth_ends_as_if_it_had_not_been(void **state)
{
    const unsigned depths[] = {1, 6, 288, DEEP};
    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(depths); i++)
        reorg_ends_as_if_it_had_not_been(depths[i]);
}

static bool has(const struct node *n, const struct lg_block *b)
{
    struct lg_block_info info;
    bool best;
    const struct lg_store *s = n->r->vtable;
    const int err = s->block_info(s->ctx, &info, &best, &b->hash);
    assert_true(err == 0 || err == SG_ENOT_FOUND);
    return err == 0;
}

/* A branch that was given up for want of room comes again as peers give it, block by block, overtakes, and then the node is what one is that
 * never gave up anything, in every table; so it is after a restart. */
static void reorg_to_a_branch_that_was_given_up(void **state)
{
    enum { DEPTH = 288 };
    struct world *w = world_new(DEPTH);
    struct node small, whole;
    enum lg_block_verdict v;
    (void)state;
    node_start(&small, w);
    node_start(&whole, w);
    small.r->max_side_bytes = 1;
    rig_move(small.r, lg_sqlite_store(small.db));
    struct node *const both[] = {&small, &whole};
    for (unsigned i = 0; i < 2; i++) {
        offer(both[i], &w->common, 0, COMMON);
        offer_pair(both[i], w);
        offer_pages(both[i], &w->a, 0, w->a.n);
        offer(both[i], &w->b, 0, w->b.n / 2);
        for (unsigned k = 0; k < 8; k++) /* in other minutes, when nothing light can be extended any more */
            assert_code(rig_tick(both[i]->r, LATE + (k + 1) * SG_MINUTE_MS), 0);
        rig_forget(both[i]->r);
    }
    assert_true(has(&whole, w->b.blocks[0]) && has(&whole, w->b.blocks[w->b.n / 2 - 1]));
    assert_false(has(&small, w->b.blocks[w->b.n / 2 - 1]));
    assert_true(rig_state(small.r).side_given_up > 0);
    assert_code(rig_offer_block(small.r, &v, w->b.blocks[w->b.n - 1], LATE), 0);
    assert_int_equal(v, LG_BLOCK_ORPHAN); /* unknown, not invalid */
    offer_pages(&small, &w->b, 0, w->b.n - 1);
    offer_pages(&whole, &w->b, w->b.n / 2, w->b.n);
    assert_true(rig_tip_is(small.r, &w->b.at.hash));
    assert_true(rig_tip_is(whole.r, &w->b.at.hash));
    for (unsigned k = 0; k < 12; k++) {
        assert_code(rig_tick(small.r, LATE + (k + 1) * SG_MINUTE_MS), 0);
        assert_code(rig_tick(whole.r, LATE + (k + 1) * SG_MINUTE_MS), 0);
    }
    const struct state x = state_of(&small), y = state_of(&whole);
    assert_same(&x, &y);
    node_close(&small);
    open_db(&small, w);
    assert_true(rig_tip_is(small.r, &w->b.at.hash));
    assert_int_equal(rig_state(small.r).pool_bytes, rig_state(whole.r).pool_bytes);
    node_stop(&small);
    node_stop(&whole);
    world_free(w);
}

/* The last block of b in a child that is killed after so many microseconds; 0 when it ended before. */
static bool killed_in_the_middle(struct node *n, struct world *w, unsigned after_us)
{
    int status = 0;
    const pid_t pid = fork();
    if (pid == 0) {
        open_db(n, w);
        enum lg_block_verdict v;
        _exit(rig_offer_block(n->r, &v, w->b.blocks[w->b.n - 1], LATE) == 0 ? 0 : 1);
    }
    const struct timespec pause = {
        .tv_sec = after_us / 1000000, .tv_nsec = (long)(after_us % 1000000) * 1000};
    nanosleep(&pause, NULL); /* sleep: until the moment of the kill; any is as good */
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

/* Killed at any moment of the change, a node is what it was or what it becomes, and becomes it when the block comes again. */
static void reorg_killed_in_the_middle_is_old_or_new(void **state)
{
    enum { DEPTH = 288, KILLS = 12 };
    struct world *w = world_new(DEPTH);
    struct node n;
    unsigned cut = 0;
    (void)state;
    node_start(&n, w);
    offer(&n, &w->common, 0, COMMON);
    offer_pair(&n, w);
    offer_pages(&n, &w->a, 0, w->a.n);
    offer_pages(&n, &w->b, 0, w->b.n - 1);
    const struct state before = state_of(&n);
    node_close(&n);
    char save[96], command[512];
    snprintf(save, sizeof save, "%s/saved", n.dir);
    snprintf(command, sizeof command, "cp %s/chain.db %s", n.dir, save);
    assert_int_equal(system(command), 0);
    struct state after = {0};
    double took = 0;
    for (unsigned i = 0; i <= KILLS; i++) {
        snprintf(command, sizeof command, "cp %s %s/chain.db && rm -f %s/chain.db-wal %s/chain.db-shm", save,
            n.dir, n.dir, n.dir);
        assert_int_equal(system(command), 0);
        if (i > 0)
            cut += killed_in_the_middle(&n, w, (unsigned)(took * 1e6 * i / KILLS));
        open_db(&n, w);
        const struct state now = state_of(&n);
        if (i > 0)
            assert_true(same(&now, &before) || same(&now, &after));
        const double begin = seconds();
        enum lg_block_verdict v;
        assert_code(rig_offer_block(n.r, &v, w->b.blocks[w->b.n - 1], LATE), 0);
        took = i == 0 ? 1.2 * (seconds() - begin) : took;
        assert_true(rig_tip_is(n.r, &w->b.at.hash));
        const struct state end = state_of(&n);
        if (i == 0)
            after = end;
        assert_same(&end, &after);
        rig_forget(n.r);
        node_close(&n);
    }
    assert_false(same(&before, &after));
    assert_true(cut > 0);
    node_stop(&n);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reorg_of_any_depth_ends_as_if_it_had_not_been),
        cmocka_unit_test(reorg_to_a_branch_that_was_given_up),
        cmocka_unit_test(reorg_killed_in_the_middle_is_old_or_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
