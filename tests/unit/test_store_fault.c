/* A disk that fails at its n-th write or sync, for every n: the store says so, what it acknowledged before is there
 * afterwards, and the rest is there whole or not at all.
 * run-tests: no valgrind (hundreds of databases are opened and closed) */
#include "ledger/store_db.h"
#include "tests/lib/fault_vfs.h"
#include "tests/lib/store_fixture.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
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

/* A quota that is used up is a full disk: the same block can be put when there is room. Only what a sync says is final. */
static void store_used_up_quota_is_a_full_disk(void **state)
{
    struct fixture *f = *state;
    fresh(f);
    fault_vfs_arm_quota(1, false);
    assert_code(fixture_put(f, 1), SG_ENOSPC);
    assert_true(fault_vfs_fired());
    assert_code(fixture_put(f, 1), 0);
    fault_vfs_disarm();
    check_after(f, 1);
}

/* A disk that is full and then fails to sync while the log is emptied into the ballast's room: final, never tried again. */
static void store_sync_that_fails_behind_a_full_disk_is_final(void **state)
{
    struct fixture *f = *state;
    bool happened = true;
    int n = 1;
    for (; happened && n < MAX_N; n++) {
        fresh(f);
        fixture_connect(f, 1, 1);
        fault_vfs_arm_full_then_sync(n);
        assert_code(fixture_put(f, 2), SG_ENOSPC);
        happened = fault_vfs_fired();
        fault_vfs_disarm();
        assert_code(lg_sqlite_failed(f->db), happened ? SG_EIO : 0);
        assert_code(f->s->begin(f->s->ctx), happened ? SG_EIO : 0);
        if (!happened)
            f->s->rollback(f->s->ctx);
        check_after(f, 1);
    }
    assert_false(happened);
    assert_true(n > 2);
}

/* A store that was closed cleanly on a disk that has become full opens in the room of its ballast: it can be read, and writes again when
 * there is room. */
static void store_opens_on_a_full_disk(void **state)
{
    struct fixture *f = *state;
    char ballast[80];
    snprintf(ballast, sizeof ballast, "%s/ballast", f->dir);
    fixture_connect(f, 1, 1);
    assert_int_equal(access(ballast, F_OK), 0);
    fixture_close(f);
    fault_vfs_fill_index(0, ballast);
    fixture_open(f);
    assert_true(fault_vfs_fired());
    fault_vfs_disarm();
    assert_int_equal(fixture_height(f), 1);
    fixture_connect(f, 2, 2);
    fixture_check_rows(f);
}

/* Without a ballast it says that the disk is full. */
static void store_without_ballast_on_a_full_disk_says_so(void **state)
{
    struct fixture *f = *state;
    struct sg_fault fault = {0};
    fixture_connect(f, 1, 1);
    fixture_close(f);
    fault_vfs_fill_index(0, NULL);
    assert_code(lg_sqlite_open(&f->db, f->dir, f->g, &fault), SG_ENOSPC);
    assert_code(fault.err, SG_ENOSPC);
    assert_non_null(strstr(fault.text, sg_err_text(SG_ENOSPC)));
    fault_vfs_disarm();
    f->db = NULL;
    fixture_open(f);
    assert_int_equal(fixture_height(f), 1);
}

/* A log that a reader keeps from being emptied grows until its index needs a second page: without room for that the disk is full, no more. */
static void store_without_room_for_the_index_goes_on_later(void **state)
{
    struct fixture *f = *state;
    struct lg_reader *r = NULL;
    struct lg_block_info tip;
    struct sg_fault fault = {0};
    bool on = false;
    int err = 0;
    fixture_connect(f, 1, 1);
    assert_code(lg_reader_open(&r, f->dir, f->g, &fault), 0);
    assert_code(lg_reader_begin(r), 0);
    assert_code(lg_reader_tip(r, &tip), 0);
    on = true;
    fault_vfs_fill_index(1, NULL);
    for (int i = 0; i < 1000 && err == 0; i++)
        err = toggle(f, &on);
    assert_code(err, SG_ENOSPC);
    assert_true(fault_vfs_fired());
    assert_int_equal(fixture_height(f), on);
    assert_code(lg_sqlite_failed(f->db), 0);
    fault_vfs_disarm();
    lg_reader_end(r);
    lg_reader_close(r);
    assert_code(toggle(f, &on), 0);
    check_after(f, on);
}

/* Where no write-ahead log can be kept, the store refuses to open rather than to promise what it cannot keep. */
static void store_without_a_log_is_refused(void **state)
{
    struct fixture *f = *state;
    struct sg_fault fault = {0};
    fixture_close(f);
    fault_vfs_refuse_log();
    assert_code(lg_sqlite_open(&f->db, f->dir, f->g, &fault), SG_ECONFIG);
    assert_true(fault_vfs_fired());
    assert_non_null(strstr(fault.text, "write-ahead log"));
    fault_vfs_disarm();
    fixture_open(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(store_io_error_is_final_and_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(store_full_disk_is_told_and_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(store_goes_on_after_a_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(store_commit_does_not_fail_with_the_checkpoint, setup, teardown),
        cmocka_unit_test_setup_teardown(store_used_up_quota_is_a_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(store_sync_that_fails_behind_a_full_disk_is_final, setup, teardown),
        cmocka_unit_test_setup_teardown(store_without_a_log_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(store_opens_on_a_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(store_without_ballast_on_a_full_disk_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(store_without_room_for_the_index_goes_on_later, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
