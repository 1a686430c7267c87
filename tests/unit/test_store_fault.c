/* A disk that fails at its n-th write or sync, for every n: the store says so, what it acknowledged before is there
 * afterwards, and the rest is there whole or not at all.
 * run-tests: no valgrind (hundreds of databases are opened and closed) */
#include "ledger/store_db.h"
#include "tests/lib/fault_vfs.h"
#include "tests/lib/store_fixture.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define BLOCKS 3
#define MAX_N  1000 /* more writes and syncs than the work can have */

static int setup(void **state)
{
    fault_vfs_install();
    return fixture_setup(state);
}

static int teardown(void **state)
{
    fixture_teardown(state);
    fault_vfs_remove();
    return 0;
}

/* A new folder for each n. */
static void fresh(struct fixture *f)
{
    fixture_close(f);
    fixture_remove_dir(f->dir);
    fixture_open(f);
}

/* After a restart: the chain stands at what was acknowledged or one block higher, and its rows fit it. */
static void check_after(struct fixture *f, int64_t acked)
{
    fixture_close(f);
    fixture_open(f);
    assert_in_range(fixture_height(f), acked, acked + 1);
    fixture_check_rows(f);
}

/* Faults of n = 1, 2, … until the work is done before the n-th; returns how many happened. */
static int each_fault(struct fixture *f, int rc, bool for_ever, int want)
{
    int n = 1;
    for (; n < MAX_N; n++) {
        int64_t acked = 0;
        int err = 0;
        fresh(f);
        fault_vfs_arm(n, rc, for_ever);
        for (int64_t h = 1; h <= BLOCKS && err == 0; h++) {
            err = fixture_put(f, h);
            if (err == 0)
                acked = h;
        }
        const bool happened = fault_vfs_fired();
        if (err != 0) {
            assert_true(happened);
            assert_code(err, want);
        }
        if (err == SG_EIO) /* final: never tried again, even though the disk works now */
            assert_code(f->s->begin(f->s->ctx), SG_EIO);
        fault_vfs_disarm();
        if (err == SG_EIO)
            assert_code(f->s->begin(f->s->ctx), SG_EIO);
        check_after(f, acked);
        if (!happened)
            break;
    }
    assert_true(n < MAX_N);
    return n - 1;
}

/* An error of a write or a sync is SG_EIO and final; nothing acknowledged is lost. */
static void store_io_error_is_final_and_loses_nothing(void **state)
{
    assert_true(each_fault(*state, SQLITE_IOERR_WRITE, false, SG_EIO) >= 2 * BLOCKS);
    assert_true(each_fault(*state, SQLITE_IOERR_FSYNC, true, SG_EIO) >= 2 * BLOCKS);
}

/* A full disk is SG_ENOSPC; nothing acknowledged is lost. */
static void store_full_disk_is_told_and_loses_nothing(void **state)
{
    assert_true(each_fault(*state, SQLITE_FULL, true, SG_ENOSPC) >= BLOCKS);
}

/* After a full disk the same block can be put again, by the same process, once there is room. */
static void store_goes_on_after_a_full_disk(void **state)
{
    struct fixture *f = *state;
    bool happened = true;
    for (int n = 1; n < MAX_N && happened; n++) {
        fresh(f);
        fault_vfs_arm(n, SQLITE_FULL, false);
        for (int64_t h = 1; h <= BLOCKS; h++) {
            int err = fixture_put(f, h);
            if (err == SG_ENOSPC)
                err = fixture_put(f, h);
            assert_code(err, 0);
        }
        happened = fault_vfs_fired();
        fault_vfs_disarm();
        assert_int_equal(fixture_height(f), BLOCKS);
        check_after(f, BLOCKS);
    }
    assert_false(happened);
}

/* Block 1 on, or off again when it is on. */
static int toggle(struct fixture *f, bool *on)
{
    const struct lg_store *s = f->s;
    int err = *on ? s->begin(s->ctx) : fixture_put(f, 1);
    if (err == 0 && *on) {
        err = s->disconnect(s->ctx, f->blocks[0], &f->info[1]);
        if (err == 0)
            err = s->commit(s->ctx);
        else
            s->rollback(s->ctx);
    }
    if (err == 0)
        *on = !*on;
    return err;
}

/* A fault while the log is emptied is not an error of the commit before it: the engine's state and the store's stay one. */
static void store_commit_does_not_fail_with_the_checkpoint(void **state)
{
    struct fixture *f = *state;
    static const int codes[] = {SQLITE_FULL, SQLITE_IOERR_WRITE};
    unsigned during = 0;
    for (int n = 1; n < 220; n += 5) {
        bool on = false, armed = false, hit = false;
        int err = 0;
        fresh(f);
        for (int i = 0; i < 240 && err == 0 && !hit; i++) {
            if (f->db->log_pages > LG_LOG_PAGES - 62 && !armed) {
                fault_vfs_arm(n, codes[n % 2], false);
                armed = true;
            }
            err = toggle(f, &on);
            hit = armed && fault_vfs_fired();
            during += hit && err == 0;
            assert_int_equal(fixture_height(f), on);
        }
        fault_vfs_disarm();
        assert_true(err == 0 || err == SG_ENOSPC || err == SG_EIO);
        check_after(f, on);
    }
    assert_true(during > 0); /* some faults did hit a checkpoint */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(store_io_error_is_final_and_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(store_full_disk_is_told_and_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(store_goes_on_after_a_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(store_commit_does_not_fail_with_the_checkpoint, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
