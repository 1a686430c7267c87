/* The power fails at any write or sync, and of what was not synced the disk keeps what it likes (D2): dropped, out of order, torn at 512
 * bytes. And files whose tails or logs are gone (D3, D6). What was acknowledged is there, the rest whole or not at all.
 * run-tests: no valgrind (a thousand databases are opened and closed) */
#include "ledger/store_scrub.h"
#include "tests/lib/power_vfs.h"
#include "tests/lib/outbox_fixture.h"
#include "tests/lib/store_fixture.h"

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

#define BLOCKS  2
#define ROUNDS  6
#define MAX_N   400
#define INC     INT64_C(1764000000000)
#define BIG_DOC 60000 /* of a pair: so that the log is moved into the database on the way */

/* The chain stands between these heights, and its rows fit it. */
static void check_store(struct fixture *f, int64_t least, int64_t most)
{
    fixture_open(f);
    assert_in_range(fixture_height(f), least, most);
    fixture_check_rows(f);
    fixture_close(f);
}

/* False: the work was done before the power failed. */
static bool store_life(struct fixture *f, int n, enum power_loss how)
{
    int64_t acked = 0;
    fixture_remove_dir(f->dir);
    power_vfs_install();
    fixture_open(f);
    power_vfs_arm(n);
    for (int64_t h = 1; h <= BLOCKS && fixture_put(f, h) == 0; h++)
        acked = h;
    fixture_close(f);
    const bool failed = power_vfs_failed();
    power_vfs_return(how, (uint64_t)n);
    power_vfs_remove();
    check_store(f, acked, acked + 1);
    return failed;
}

/* Whatever the disk kept of what was not synced, every acknowledged block is there, whole, and at most the next one. */
static void store_power_loss_keeps_what_was_acknowledged(void **state)
{
    struct fixture *f = *state;
    fixture_close(f);
    for (int how = 0; how < POWER_LOSSES; how++) {
        int n = 1;
        while (n < MAX_N && store_life(f, n, (enum power_loss)how))
            n++;
        assert_in_range(n, 3 * BLOCKS, MAX_N - 1); /* it did fail at many places */
    }
    fixture_open(f);
}

/* ---- the outbox ---- */

static uint8_t doc[BIG_DOC];

static int count(void *ctx, const uint8_t *body, size_t len)
{
    assert_int_equal(len, sizeof doc);
    assert_memory_equal(body, doc, len);
    ++*(unsigned *)ctx;
    return 0;
}

/* Pairs and statements up to these numbers were acknowledged. */
static void check_outbox(const struct gw_outbox_config *config, unsigned pairs, unsigned said)
{
    struct gw_outbox *o = NULL;
    struct sg_fault fault = {0};
    if (gw_outbox_open(&o, config, &fault) != 0)
        fail_msg("%s", fault.text);
    for (unsigned i = 0; i < pairs; i++)
        assert_code(outbox_put_nth(o, i, doc, sizeof doc), SG_EKNOWN);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct gw_said_row row;
        unsigned bodies = 0;
        const int there = gw_outbox_find_seq(o, &row, INC, i + 1);
        if (i < said)
            assert_code(there, 0);
        if (there == 0) { /* with what it carries */
            assert_code(gw_outbox_bodies(o, row.id, count, &bodies), 0);
            assert_int_equal(bodies, 1);
        }
    }
    gw_outbox_close(o);
}

static bool outbox_life(const struct gw_outbox_config *config, int n, enum power_loss how)
{
    struct gw_outbox *o = NULL;
    struct sg_fault fault = {0};
    unsigned pairs = 0, said = 0;
    int err = 0;
    fixture_remove_dir(config->dir);
    power_vfs_install();
    assert_code(gw_outbox_open(&o, config, &fault), 0);
    power_vfs_arm(n);
    for (unsigned i = 0; i < ROUNDS && err == 0; i++) {
        err = outbox_put_nth(o, i, doc, sizeof doc);
        pairs += err == 0;
        err = err != 0 ? err : outbox_say_nth(o, INC, i);
        said += err == 0;
    }
    gw_outbox_close(o);
    const bool failed = power_vfs_failed();
    power_vfs_return(how, (uint64_t)n);
    power_vfs_remove();
    check_outbox(config, pairs, said);
    return failed;
}

/* The same for what a gateway has read and said. */
static void outbox_power_loss_keeps_what_was_acknowledged(void **state)
{
    struct fixture *f = *state;
    char dir[96];
    snprintf(dir, sizeof dir, "%s/outbox", f->dir);
    const struct gw_outbox_config config = {.dir = dir, .genesis = f->g, .kid = 1};
    for (int how = 0; how < POWER_LOSSES; how++) {
        int n = 1;
        while (n < 10 * MAX_N && outbox_life(&config, n, (enum power_loss)how))
            n += n < 20 ? 1 : 23;
        assert_in_range(n, 3 * ROUNDS, 10 * MAX_N - 1);
    }
    fixture_remove_dir(dir);
}

/* ---- tails and logs ---- */

/* A process that ends without closing: the log stays beside the database. */
static void leave_log(struct fixture *f)
{
    int status;
    fixture_remove_dir(f->dir);
    fixture_open(f);
    fixture_connect(f, 1, 2);
    fixture_close(f); /* two blocks in the database, the third in the log */
    const pid_t pid = fork();
    if (pid == 0) {
        fixture_open(f);
        fixture_connect(f, 3, 3);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void cut(const char *path, off_t bytes)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size > bytes ? st.st_size - bytes : 0), 0);
}

/* A log without its tail, or no log: an older whole state; nothing of the block whose end is missing. */
static void store_without_the_tail_of_its_log_is_older_but_whole(void **state)
{
    struct fixture *f = *state;
    char wal[96];
    fixture_close(f);
    snprintf(wal, sizeof wal, "%s/chain.db-wal", f->dir);
    for (int bytes = 0; bytes <= 4096; bytes += bytes < 4 ? 1 : 219) {
        leave_log(f);
        if (bytes == 0)
            assert_int_equal(unlink(wal), 0);
        else
            cut(wal, bytes);
        check_store(f, 2, 2);
    }
    fixture_open(f);
}

static void note(void *arg, const struct lg_damage *d)
{
    (void)d;
    ++*(unsigned *)arg;
}

/* Either nothing is missing, or the walk says that something is. */
static void check_told(struct fixture *f, const char *sound)
{
    struct lg_scrub *s = NULL;
    struct sg_fault fault = {0};
    unsigned found = 0, documents;
    char *after = fixture_dump(f);
    assert_code(lg_scrub_open(&s, f->dir, f->g, &sg_crypto_openssl, &fault), 0);
    for (bool over = false; !over;)
        assert_code(lg_scrub_step(s, &documents, &over, note, &found), 0);
    lg_scrub_close(s);
    assert_true(found > 0 || strcmp(after, sound) == 0);
    free(after);
}

/* A database without its tail is refused by name, with advice; where only content is missing, no page, the walk tells. */
static void store_without_its_own_tail_is_refused(void **state)
{
    struct fixture *f = *state;
    struct sg_fault fault;
    char path[96];
    char *sound = NULL;
    unsigned refused = 0;
    snprintf(path, sizeof path, "%s/chain.db", f->dir);
    fixture_close(f);
    for (int bytes = 1; bytes <= 4096; bytes += bytes < 8 ? 1 : 146) {
        fixture_remove_dir(f->dir);
        fixture_open(f);
        fixture_connect(f, 1, 2);
        if (sound == NULL)
            sound = fixture_dump(f);
        fixture_close(f);
        cut(path, bytes);
        fault = (struct sg_fault){0};
        if (lg_sqlite_open(&f->db, f->dir, f->g, &fault) == 0) {
            f->s = lg_sqlite_store(f->db);
            check_told(f, sound);
            fixture_close(f);
            continue;
        }
        assert_code(fault.err, SG_ECORRUPT);
        assert_non_null(strstr(fault.text, path));
        assert_non_null(strstr(fault.text, "move chain.db"));
        refused++;
    }
    assert_true(refused > 10);
    free(sound);
    fixture_remove_dir(f->dir);
    fixture_open(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            store_power_loss_keeps_what_was_acknowledged, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            outbox_power_loss_keeps_what_was_acknowledged, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            store_without_the_tail_of_its_log_is_older_but_whole, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            store_without_its_own_tail_is_refused, fixture_setup, fixture_teardown),
    };
    memset(doc, 'x', sizeof doc);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
