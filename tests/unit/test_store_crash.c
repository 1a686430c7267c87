/* A disk that is full, or that cannot be written: nothing acknowledged is lost, and what is stored can be read. */
#include "tests/lib/store_fixture.h"
#include "tests/lib/synth.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* In a file system of 16 MiB: fills it, frees some, writes again. Ends the child with 0 when all held. */
static void fill_disk(struct fixture *f)
{
    struct synth s;
    char dir[96], junk[128];
    static uint8_t block[1 << 16];
    int64_t seq = 1, stored = 0;
    struct lg_hash last = {{0}};
    enum lg_doc_state state;
    synth_init(&s, f->g);
    snprintf(dir, sizeof dir, "%s/small", f->dir);
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
        mkdir(dir, 0700) != 0 || mount("tmpfs", dir, "tmpfs", 0, "size=16m") != 0)
        _exit(77);
    strcpy(f->dir, dir);
    fixture_open_in_child(f);
    snprintf(junk, sizeof junk, "%s/junk", dir);
    FILE *out = fopen(junk, "w");
    for (int i = 0; i < 112; i++) /* 7 MiB; the ballast has 8 */
        fwrite(block, 1, sizeof block, out);
    fclose(out);
    int err = 0;
    for (; seq < 100000 && err == 0; seq++) {
        struct lg_statement *x = synth_statement(&s, 0, 1764000000000, seq, &f->g->id, NULL, 0, 0);
        err = f->s->begin(f->s->ctx);
        if (err == 0)
            err = f->s->put_statement(f->s->ctx, x);
        if (err == 0)
            err = f->s->commit(f->s->ctx);
        else
            f->s->rollback(f->s->ctx);
        if (err == 0) {
            last = x->leaf;
            stored++;
        }
        lg_statement_free(x);
    }
    if (err != SG_ENOSPC || stored == 0)
        _exit(4);
    if (f->s->statement_state(f->s->ctx, &state, NULL, &last) != 0 || state != LG_DOC_POOLED)
        _exit(5);
    fixture_close(f);
    fixture_open_in_child(f); /* a full disk can still be read and served */
    if (f->s->statement_state(f->s->ctx, &state, NULL, &last) != 0 || state != LG_DOC_POOLED)
        _exit(6);
    unlink(junk);
    struct lg_statement *x = synth_statement(&s, 0, 1764000000000, seq, &f->g->id, NULL, 0, 0);
    if (f->s->begin(f->s->ctx) != 0 || f->s->put_statement(f->s->ctx, x) != 0 || f->s->commit(f->s->ctx) != 0)
        _exit(7);
    fixture_close(f);
    _exit(0);
}

/* When the disk is full a commit is refused as such, everything acknowledged stays readable, and once there is room again the
 * store goes on without a restart or after one. */
static void store_on_a_full_disk_loses_nothing(void **state)
{
    struct fixture *f = *state;
    int status = 0;
    const pid_t pid = fork();
    if (pid == 0)
        fill_disk(f);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    char dir[96];
    snprintf(dir, sizeof dir, "%s/small", f->dir);
    rmdir(dir);
    if (WEXITSTATUS(status) == 77)
        skip(); /* no right to mount */
    assert_int_equal(WEXITSTATUS(status), 0);
    fixture_open(f);
}

/* Reads the chain in the fixture's folder on a file system that was remounted read-only. */
static void read_frozen(struct fixture *f)
{
    struct lg_reader *r = NULL;
    struct sg_fault fault = {0};
    struct lg_block_info tip = {.height = 0};
    struct lg_paper_state paper;
    struct sg_buf text;
    char dir[96];
    snprintf(dir, sizeof dir, "%s/a%%?#b", f->dir);
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
        mkdir(dir, 0700) != 0 || mount("tmpfs", dir, "tmpfs", 0, "size=20m") != 0)
        _exit(77);
    strcpy(f->dir, dir);
    fixture_open_in_child(f);
    fixture_connect(f, 1, 3);
    fixture_close(f);
    if (mount("tmpfs", dir, "tmpfs", MS_REMOUNT | MS_RDONLY, "size=20m") != 0)
        _exit(77);
    if (lg_reader_open(&r, f->dir, f->g, &fault) != 0)
        _exit(4);
    sg_buf_init(&text, 1u << 20);
    if (lg_reader_begin(r) != 0 || lg_reader_tip(r, &tip) != 0 || tip.height != 3 ||
        lg_reader_paper(r, &text, &paper, 4) != 0)
        _exit(5);
    struct lg_sqlite *db = NULL;
    const int err = lg_sqlite_open(&db, f->dir, f->g, &fault);
    _exit(err == SG_EIO ? 0 : 6);
}

/* A stopped node's folder on a read-only file system can be read, whatever its name; a writer refuses it. */
static void reader_on_a_read_only_folder_reads(void **state)
{
    struct fixture *f = *state;
    int status = 0;
    const pid_t pid = fork();
    if (pid == 0)
        read_frozen(f);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    char dir[96];
    snprintf(dir, sizeof dir, "%s/a%%?#b", f->dir);
    rmdir(dir);
    if (WEXITSTATUS(status) == 77)
        skip(); /* no right to mount */
    assert_int_equal(WEXITSTATUS(status), 0);
    fixture_open(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            store_on_a_full_disk_loses_nothing, fixture_setup_closed, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            reader_on_a_read_only_folder_reads, fixture_setup_closed, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
