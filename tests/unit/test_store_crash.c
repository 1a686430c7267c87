/* Power and disk: what a commit acknowledged is there after kill -9 at any moment, and a full disk loses nothing. */
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

#define CYCLES 20

static int setup(void **state)
{
    struct fixture *f = malloc(sizeof *f);
    fixture_init(f);
    fixture_close(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_fini(*state);
    free(*state);
    return 0;
}

/* The child's failures end it with another status than the signal's; the parent sees that. */
static void child_open(struct fixture *f)
{
    struct sg_fault fault = {0};
    if (lg_sqlite_open(&f->db, f->dir, f->g, &fault) != 0)
        _exit(2);
    f->s = lg_sqlite_store(f->db);
}

static void child_must(bool good)
{
    if (!good)
        _exit(3);
}

/* Puts statement after statement, with a body each; acknowledges each leaf after its commit. */
static void write_statements(struct fixture *f, int fd, int64_t seq)
{
    struct synth s;
    synth_init(&s, f->g);
    child_open(f);
    for (;; seq++) {
        struct lg_body *b = synth_body(&s, 0, f->g->minute, seq);
        struct lg_statement *x = synth_statement(&s, 0, 1764000000000, seq, &f->g->id, &b, 1, 1);
        child_must(f->s->begin(f->s->ctx) == 0 && f->s->put_body(f->s->ctx, b) == 0);
        child_must(f->s->put_statement(f->s->ctx, x) == 0 && f->s->commit(f->s->ctx) == 0);
        child_must(write(fd, &x->leaf, sizeof x->leaf) == (ssize_t)sizeof x->leaf);
        lg_statement_free(x);
        lg_body_free(b);
    }
}

/* Goes up and down the worked chain for ever; acknowledges the height after each commit. */
static void move_tip(struct fixture *f, int fd, int64_t height)
{
    bool up = height < FIXTURE_BLOCKS;
    child_open(f);
    for (;;) {
        const int64_t h = up ? height + 1 : height; /* the block that is put on or taken off */
        child_must(f->s->begin(f->s->ctx) == 0);
        if (up)
            child_must(f->s->put_block(f->s->ctx, f->blocks[h - 1], &f->info[h]) == 0 &&
                       f->s->connect(f->s->ctx, f->blocks[h - 1], &f->info[h]) == 0);
        else
            child_must(f->s->disconnect(f->s->ctx, f->blocks[h - 1], &f->info[h]) == 0);
        child_must(f->s->commit(f->s->ctx) == 0);
        height = up ? h : h - 1;
        up = height == 0 || (up && height < FIXTURE_BLOCKS);
        child_must(write(fd, &height, sizeof height) == (ssize_t)sizeof height);
    }
}

/* Runs work in a child, kills it after n acknowledgements of size bytes; all that came through the pipe lies in out, which the
 * caller frees. Returns how many came: at least n. */
static size_t kill_after(struct fixture *f, void (*work)(struct fixture *, int, int64_t), int64_t from,
    size_t n, size_t size, uint8_t **out)
{
    int fds[2], status = 0;
    size_t got = 0, cap = 1 << 16;
    uint8_t *all = malloc(cap);
    assert_int_equal(pipe(fds), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        work(f, fds[1], from);
    }
    close(fds[1]);
    for (bool killed = false;;) {
        assert_true(got < cap);
        const ssize_t k = read(fds[0], all + got, cap - got);
        if (k <= 0)
            break;
        got += (size_t)k;
        if (!killed && got >= n * size) {
            assert_int_equal(kill(pid, SIGKILL), 0);
            killed = true;
        }
    }
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    *out = all;
    return got / size;
}

/* Every statement that was acknowledged before kill -9 is in the pool afterwards, byte for byte, in each of 20 lives. */
static void store_killed_keeps_what_it_acknowledged(void **state)
{
    struct fixture *f = *state;
    int64_t seq = 1;
    for (int cycle = 0; cycle < CYCLES; cycle++) {
        uint8_t *acks;
        const size_t n =
            kill_after(f, write_statements, seq, (size_t)cycle % 7 + 1, sizeof(struct lg_hash), &acks);
        fixture_open(f);
        for (size_t i = 0; i < n; i++) {
            struct lg_hash leaf;
            struct sg_buf doc;
            enum lg_doc_state doc_state;
            memcpy(&leaf, acks + i * sizeof leaf, sizeof leaf);
            assert_code(f->s->statement_state(f->s->ctx, &doc_state, NULL, &leaf), 0);
            assert_int_equal(doc_state, LG_DOC_POOLED);
            sg_buf_init(&doc, 1u << 16);
            assert_code(f->s->statement_doc(f->s->ctx, &doc, &leaf), 0); /* checks the hash */
            sg_buf_fini(&doc);
        }
        free(acks);
        fixture_close(f);
        seq += (int64_t)n + 1; /* the one after the last may be there or not */
    }
    fixture_open(f);
}

/* After kill -9 between or inside blocks the tip is the one acknowledged last or the next one, never in between, and
 * the whole database is what an undisturbed one holds at that height. */
static void store_killed_is_at_a_whole_block(void **state)
{
    struct fixture *f = *state;
    struct lg_block_info tip = {.height = 0};
    int64_t height = 0;
    for (int cycle = 0; cycle < CYCLES; cycle++) {
        uint8_t *acks;
        int64_t last;
        const size_t n = kill_after(f, move_tip, height, (size_t)cycle % 5 + 1, sizeof last, &acks);
        memcpy(&last, acks + (n - 1) * sizeof last, sizeof last);
        free(acks);
        fixture_open(f);
        tip.height = 0;
        const int err = f->s->tip(f->s->ctx, &tip);
        assert_true(err == 0 || (err == SG_ENOT_FOUND && tip.height == 0));
        assert_in_range(tip.height, last > 0 ? last - 1 : 0, last + 1);
        height = tip.height;
        /* the rows that follow from the branch fit its height: taken off and put on again they are the same */
        char *before = fixture_dump(f);
        const int64_t h = height;
        if (h > 0) {
            fixture_disconnect(f, h, 1);
            fixture_connect(f, 1, h);
        }
        char *after = fixture_dump(f);
        assert_string_equal(after, before);
        free(before);
        free(after);
        fixture_close(f);
    }
    fixture_open(f);
}

/* In a file system of 12 MiB: fills it, frees some, writes again. Ends the child with 0 when all held. */
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
        mkdir(dir, 0700) != 0 || mount("tmpfs", dir, "tmpfs", 0, "size=12m") != 0)
        _exit(77);
    strcpy(f->dir, dir);
    child_open(f);
    snprintf(junk, sizeof junk, "%s/junk", dir);
    FILE *out = fopen(junk, "w");
    for (int i = 0; i < 112; i++) /* 7 MiB; the ballast has 4 */
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
    child_open(f); /* a full disk can still be read and served */
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
        mkdir(dir, 0700) != 0 || mount("tmpfs", dir, "tmpfs", 0, "size=16m") != 0)
        _exit(77);
    strcpy(f->dir, dir);
    child_open(f);
    fixture_connect(f, 1, 3);
    fixture_close(f);
    if (mount("tmpfs", dir, "tmpfs", MS_REMOUNT | MS_RDONLY, "size=16m") != 0)
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
        cmocka_unit_test_setup_teardown(store_killed_keeps_what_it_acknowledged, setup, teardown),
        cmocka_unit_test_setup_teardown(store_killed_is_at_a_whole_block, setup, teardown),
        cmocka_unit_test_setup_teardown(store_on_a_full_disk_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(reader_on_a_read_only_folder_reads, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
