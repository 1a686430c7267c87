/* The outbox on a disk that fails at its n-th write or sync, for every n, once and for ever (D1, D7, D8): what was acknowledged is
 * there afterwards, what was not is there whole or not at all, and after an error of the disk nothing is acknowledged any more.
 * run-tests: no valgrind (a few thousand databases are opened and closed) */
#include "tests/lib/fault_vfs.h"
#include "tests/lib/outbox_fixture.h"

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

#define ROUNDS    16
#define DOC_BYTES 80000 /* twenty pages each, so that the log is emptied on the way */
#define EVERY     60    /* each of the first so many places, then some of the rest */

static char dir[64];
static uint8_t doc[DOC_BYTES];

/* What the calls that returned 0 have promised. */
struct promised {
    bool pair[ROUNDS], gap[ROUNDS], said[ROUNDS], acknowledged[ROUNDS];
    unsigned calls, refused;
};

static int open_outbox(struct gw_outbox **o)
{
    struct gw_outbox_config config = {.dir = dir, .genesis = &outbox_genesis, .kid = 1};
    struct sg_fault fault = {0};

    *o = NULL;
    return gw_outbox_open(o, &config, &fault);
}

static void fresh_folder(void)
{
    /* memory where there is: what is tested is order, and the real disk would be asked thousands of times */
    snprintf(dir, sizeof dir, "%s/gw-fault-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(dir));
}

static bool done(struct promised *p, int err)
{
    p->calls++;
    p->refused += err != 0;
    if (err && err != SG_EIO && err != SG_ENOSPC)
        fail_msg("a disk that fails is %s", sg_err_code(err));
    return !err;
}

static int put_round_pair(struct gw_outbox *o, unsigned i)
{
    struct gw_pair pair = {
        .relay = 0, .min = SLOT + i, .digest = {{(uint8_t)i}}, .live = 6, .doc = doc, .doc_len = sizeof doc};

    return gw_outbox_put_pair(o, &pair, SLOT + i);
}

/* One statement carries all that is open. */
static int say(struct gw_outbox *o, struct gw_said_row *row, unsigned i)
{
    struct gw_item items[4 * ROUNDS];
    unsigned n = 0;
    int err = gw_outbox_open_items(o, items, 4 * ROUNDS, &n, 0, SLOT + i);

    *row = (struct gw_said_row){.inc = 5, .seq = i + 1, .slot = SLOT + i, .leaf = {{1, (uint8_t)i}}};
    return err ? err : gw_outbox_add_statement(o, row, (const uint8_t *)"{}", 2, items, n);
}

/* The work of a few slots. stop: end at the first refusal, as a process that exits does. */
static void work(struct gw_outbox *o, struct promised *p, unsigned from, bool stop)
{
    for (unsigned i = from; i < ROUNDS && !(stop && p->refused); i++) {
        struct gw_said_row row;
        int err;

        p->pair[i] = done(p, put_round_pair(o, i));
        p->gap[i] = done(p, gw_outbox_put_gap(o, 1, SLOT + i, LG_REASON_TIMEOUT));
        err = say(o, &row, i);
        if (err == SG_ENOSPC) /* it changed nothing: the same may be tried again */
            err = say(o, &row, i);
        if (err == SG_ECONFLICT)
            fail_msg("statement %u was refused and is there", i);
        p->said[i] = done(p, err);
        if (p->said[i])
            p->acknowledged[i] = done(p, gw_outbox_acknowledge(o, row.id));
    }
}

static bool is_open(const struct gw_item *items, unsigned n, unsigned relay, sg_minute min)
{
    for (unsigned i = 0; i < n; i++) {
        if (items[i].relay == relay && items[i].min == min)
            return true;
    }
    return false;
}

static int count_body(void *ctx, const uint8_t *body, size_t len)
{
    assert_int_equal(len, sizeof doc);
    assert_memory_equal(body, doc, len);
    ++*(unsigned *)ctx;
    return 0;
}

/* What was promised is there, and each statement with all that it carries. */
static void check(const struct promised *p)
{
    struct gw_item items[4 * ROUNDS];
    struct gw_outbox *o;
    unsigned n = 0, bodies = 0, pairs = 0;

    assert_int_equal(open_outbox(&o), 0);
    assert_int_equal(gw_outbox_open_items(o, items, 4 * ROUNDS, &n, 0, SLOT + ROUNDS), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct gw_said_row row;
        int there = gw_outbox_find_seq(o, &row, 5, i + 1);
        struct gw_pair pair = {
            .relay = 0, .min = SLOT + i, .digest = {{(uint8_t)i}}, .doc = doc, .doc_len = sizeof doc};

        if (p->said[i])
            assert_int_equal(there, 0);
        if (p->acknowledged[i])
            assert_true(row.acknowledged);
        if (there == 0)
            assert_int_equal(gw_outbox_bodies(o, row.id, count_body, &bodies), 0);
        if (p->pair[i]) {
            assert_int_equal(gw_outbox_put_pair(o, &pair, SLOT), SG_EKNOWN);
            pairs++;
        }
        if (p->gap[i])
            assert_int_equal(gw_outbox_put_gap(o, 1, SLOT + i, LG_REASON_CLOCK), SG_EKNOWN);
        if (p->pair[i] && p->said[i])
            assert_false(is_open(items, n, 0, SLOT + i));
    }
    struct gw_said_row last;
    if (gw_outbox_find_seq(o, &last, 5, ROUNDS + 1) == 0) /* said when there was room again */
        assert_int_equal(gw_outbox_bodies(o, last.id, count_body, &bodies), 0);
    for (unsigned i = 0; i < n; i++)
        bodies += items[i].is_read;
    assert_true(bodies >= pairs); /* nothing carried by a statement that is not there */
    gw_outbox_close(o);
}

/* One life on a disk that fails at the n-th write or sync. False when nothing failed any more. */
static bool live(int n, int rc, bool for_ever)
{
    struct promised p = {0};
    struct gw_outbox *o = NULL;
    bool fired;

    fresh_folder();
    fault_vfs_install();
    assert_int_equal(open_outbox(&o), 0);
    fault_vfs_arm(n, rc, for_ever);
    work(o, &p, 0, false);
    fired = fault_vfs_fired();
    if (fired && rc != SQLITE_FULL) {
        struct gw_said_row row;

        assert_int_equal(put_round_pair(o, ROUNDS), SG_EIO); /* for good */
        assert_int_equal(say(o, &row, ROUNDS), SG_EIO);
    }
    fault_vfs_disarm();
    if (fired && rc == SQLITE_FULL) { /* room again: it goes on where it was */
        unsigned refused = p.refused;
        struct gw_said_row row;

        assert_int_equal(put_round_pair(o, ROUNDS), 0);
        assert_int_equal(say(o, &row, ROUNDS), 0);
        assert_true(refused > 0 || !for_ever);
    }
    gw_outbox_close(o);
    fault_vfs_remove();
    check(&p);
    (void)remove_outbox(dir);
    return fired;
}

static void fail_everywhere(int rc, bool for_ever)
{
    int n = 1;

    while (live(n, rc, for_ever))
        n += n < EVERY ? 1 : 11;
    assert_in_range(n, 100, 100000); /* it did fail at many places */
}

/* EIO at the n-th write or sync: nothing is acknowledged after it, and nothing that was is lost. */
static void outbox_error_of_the_disk_stops_and_loses_nothing(void **state)
{
    (void)state;
    fail_everywhere(SQLITE_IOERR_WRITE, false);
    fail_everywhere(SQLITE_IOERR_FSYNC, true);
}

/* ENOSPC at the n-th write: the call changed nothing, and the outbox goes on when there is room. */
static void outbox_full_at_any_write_goes_on_later(void **state)
{
    (void)state;
    fail_everywhere(SQLITE_FULL, false);
    fail_everywhere(SQLITE_FULL, true);
}

/* Killed between any two calls of its work (D1): what was acknowledged is there. */
static void outbox_killed_anywhere_keeps_what_it_promised(void **state)
{
    (void)state;
    for (int n = 1; n < 400; n += n < EVERY ? 4 : 19) {
        struct promised *p;
        int fds[2], status;
        pid_t pid;

        fresh_folder();
        assert_int_equal(pipe(fds), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) { /* the disk takes n writes, then the process is gone, unflushed */
            struct promised child = {0};
            struct gw_outbox *o = NULL;

            fault_vfs_install();
            if (open_outbox(&o))
                _exit(1);
            fault_vfs_arm(n, SQLITE_IOERR_WRITE, true);
            work(o, &child, 0, true);
            if (write(fds[1], &child, sizeof child) != (ssize_t)sizeof child)
                _exit(1);
            _exit(fault_vfs_fired() ? 0 : 2);
        }
        p = calloc(1, sizeof *p);
        assert_non_null(p);
        assert_int_equal(read(fds[0], p, sizeof *p), sizeof *p);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 1);
        close(fds[0]);
        close(fds[1]);
        check(p);
        free(p);
        (void)remove_outbox(dir);
    }
}

/* The log is gone (D6), or cut at any place (D3): an older state, whole, or a clear refusal; never a statement without its items. */
static void outbox_without_its_log_is_older_but_whole(void **state)
{
    char path[128];
    struct stat st;

    (void)state;
    for (int part = 0; part <= 16; part++) {
        struct promised p = {0}, nothing = {0};
        int status;
        pid_t pid;

        fresh_folder();
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            struct gw_outbox *o = NULL;

            if (open_outbox(&o))
                _exit(1);
            work(o, &p, 0, false);
            _exit(p.refused ? 1 : 0); /* no close: the log stays */
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        snprintf(path, sizeof path, "%s/outbox.db-wal", dir);
        assert_int_equal(stat(path, &st), 0);
        assert_true(st.st_size > 0);
        if (part == 0)
            assert_int_equal(unlink(path), 0);
        else
            assert_int_equal(truncate(path, st.st_size * part / 16), 0);
        check(&nothing);
        (void)remove_outbox(dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outbox_error_of_the_disk_stops_and_loses_nothing),
        cmocka_unit_test(outbox_full_at_any_write_goes_on_later),
        cmocka_unit_test(outbox_killed_anywhere_keeps_what_it_promised),
        cmocka_unit_test(outbox_without_its_log_is_older_but_whole),
    };

    memset(doc, 'x', sizeof doc);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
