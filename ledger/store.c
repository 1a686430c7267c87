/* The writing connection: opening and closing, the lock on the data directory, and the reading half of struct lg_store.
 *
 * Invariant: one process, one connection writes; the lock is an open file description lock (flock) on DIR/lock, so it
 * goes with the process however that ends. Refuses a second process (SG_ELOCKED) and another chain (SG_ECONFIG). */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger/store_scrub_priv.h"

static int tip(void *ctx, struct lg_block_info *out)
{
    struct lg_sqlite *s = ctx;
    return lg_db_tip(&s->db, out);
}

static int block_info(void *ctx, struct lg_block_info *out, bool *best, const struct lg_hash *hash)
{
    struct lg_sqlite *s = ctx;
    return lg_db_block_info(&s->db, out, best, hash);
}

static int block_at(void *ctx, struct lg_block_info *out, int64_t height)
{
    struct lg_sqlite *s = ctx;
    return lg_db_block_at(&s->db, out, height);
}

static int block_bytes(void *ctx, struct sg_buf *out, const struct lg_hash *hash)
{
    struct lg_sqlite *s = ctx;
    return lg_db_block_bytes(&s->db, out, hash);
}

static int children(void *ctx, struct lg_hash *out, unsigned max, unsigned *n, const struct lg_hash *prev)
{
    struct lg_sqlite *s = ctx;
    sqlite3_stmt *st;
    int err = lg_db_query(&s->db, &st, LG_SQL_BLOCK_CHILDREN, LG_ARGS(lg_arg_hash(prev)));
    if (err != 0)
        return err;
    unsigned count = 0;
    int row = 0;
    while (count < max && (row = lg_db_row(st)) > 0) {
        err = lg_db_column_hash(&out[count], st, 0);
        if (err != 0) {
            lg_db_done(st);
            return err;
        }
        count++;
    }
    if (row > 0) {
        lg_db_done(st); /* there are more */
        row = 0;
    }
    if (row == 0)
        *n = count;
    return row;
}

static int last_statement(void *ctx, struct lg_statement_ref *out, lg_kid gw, int64_t max_height)
{
    struct lg_sqlite *s = ctx;
    return lg_db_last_statement(&s->db, out, gw, max_height);
}

static int body_at(void *ctx, struct lg_body_ref *out, const struct lg_hash *digest, int64_t max_height)
{
    struct lg_sqlite *s = ctx;
    sqlite3_stmt *st;
    const int err =
        lg_db_first(&s->db, &st, LG_SQL_BODY_AT, LG_ARGS(lg_arg_hash(digest), lg_arg_int(max_height)));
    if (err != 0)
        return err;
    const int64_t relay = sqlite3_column_int64(st, 0);
    const bool known = relay >= 0 && relay < (int64_t)s->db.genesis->nrelays;
    if (known) {
        memcpy(out->relay, s->db.genesis->relays[relay].id, sizeof out->relay);
        out->min = sqlite3_column_int64(st, 1);
        out->height = sqlite3_column_int64(st, 2);
    }
    lg_db_done(st);
    return known ? 0 : lg_db_note_damage(&s->db, LG_DAMAGE_BODY, digest);
}

/* A document that is not there has the state NONE: that is no error here. */
static int doc_state(
    struct lg_sqlite *s, enum lg_doc_state *out, int64_t *height, bool is_body, const struct lg_hash *leaf)
{
    struct lg_doc_place place = {.state = LG_DOC_NONE};
    const int err = lg_db_document(&s->db, NULL, &place, is_body, leaf);
    if (err != 0 && err != SG_ENOT_FOUND)
        return err;
    *out = place.state;
    if (height != NULL)
        *height = place.height;
    return 0;
}

static int statement_state(void *ctx, enum lg_doc_state *out, int64_t *height, const struct lg_hash *leaf)
{
    return doc_state(ctx, out, height, false, leaf);
}

static int body_state(void *ctx, enum lg_doc_state *out, int64_t *height, const struct lg_hash *digest)
{
    return doc_state(ctx, out, height, true, digest);
}

static int statement_doc(void *ctx, struct sg_buf *out, const struct lg_hash *leaf)
{
    struct lg_sqlite *s = ctx;
    struct lg_doc_place place;
    return lg_db_document(&s->db, out, &place, false, leaf);
}

static int body_doc(void *ctx, struct sg_buf *out, const struct lg_hash *digest)
{
    struct lg_sqlite *s = ctx;
    struct lg_doc_place place;
    return lg_db_document(&s->db, out, &place, true, digest);
}

static int statement_at(
    void *ctx, struct lg_hash *leaf, unsigned *variants, lg_kid gw, sg_ms inc, int64_t seq)
{
    struct lg_sqlite *s = ctx;
    const int g = lg_db_gateway_index(&s->db, gw);
    if (g < 0)
        return SG_ENOT_FOUND;
    sqlite3_stmt *st;
    int err = lg_db_query(
        &s->db, &st, LG_SQL_STATEMENT_VARIANTS, LG_ARGS(lg_arg_int(g), lg_arg_int(inc), lg_arg_int(seq)));
    if (err != 0)
        return err;
    unsigned count = 0;
    int row;
    while ((row = lg_db_row(st)) > 0) {
        if (count == 0 && (err = lg_db_column_hash(leaf, st, 1)) != 0) {
            lg_db_done(st);
            return err;
        }
        count++;
    }
    if (row < 0)
        return row;
    *variants = count;
    return count == 0 ? SG_ENOT_FOUND : 0;
}

struct each {
    int (*fn)(void *arg, bool is_body, const uint8_t *doc, size_t len);
    void *arg;
};

static int each_doc(void *arg, bool is_body, const struct lg_hash *leaf, const uint8_t *doc, size_t len)
{
    const struct each *e = arg;
    (void)leaf;
    return e->fn(e->arg, is_body, doc, len);
}

static int pool_each(void *ctx, int (*fn)(void *arg, bool is_body, const uint8_t *doc, size_t len), void *arg)
{
    struct lg_sqlite *s = ctx;
    struct each e = {fn, arg};
    return lg_db_pool(&s->db, each_doc, &e);
}

static void fill_read(struct lg_store *v)
{
    v->tip = tip;
    v->block_info = block_info;
    v->block_at = block_at;
    v->block_bytes = block_bytes;
    v->children = children;
    v->last_statement = last_statement;
    v->body_at = body_at;
    v->statement_state = statement_state;
    v->statement_doc = statement_doc;
    v->body_state = body_state;
    v->body_doc = body_doc;
    v->statement_at = statement_at;
    v->pool_each = pool_each;
}

static int fail(struct sg_fault *fault, int err, const char *dir, const char *what)
{
    fault->err = err;
    snprintf(fault->text, sizeof fault->text, "%s: %s", dir, what);
    return err;
}

/* The directory (one level is made) and the lock in it. */
static int lock_directory(struct lg_sqlite *s, struct sg_fault *fault)
{
    if (mkdir(s->dir, 0700) != 0 && errno != EEXIST)
        return fail(fault, errno == ENOSPC ? SG_ENOSPC : SG_EIO, s->dir, strerror(errno));
    const int dir = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return fail(fault, SG_EIO, s->dir, strerror(errno));
    s->lock_fd = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    const int open_errno = errno;
    close(dir);
    if (s->lock_fd < 0)
        return fail(fault, open_errno == ENOSPC ? SG_ENOSPC : SG_EIO, s->dir, strerror(open_errno));
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return fail(fault, errno == EWOULDBLOCK ? SG_ELOCKED : SG_EIO, s->dir,
            errno == EWOULDBLOCK ? sg_err_text(SG_ELOCKED) : strerror(errno));
    return 0;
}

/* On a disk that is full the log's index has no room, 32 KiB, where a clean stop has removed it: that is what the ballast is for. */
static int open_db(struct lg_sqlite *s, const struct lg_genesis *genesis, struct sg_fault *fault)
{
    const int err = lg_db_open(&s->db, s->dir, genesis, true, fault);
    if (err != SG_ENOSPC)
        return err;
    lg_ballast_release(s->dir);
    memset(fault, 0, sizeof *fault);
    return lg_db_open(&s->db, s->dir, genesis, true, fault);
}

static int open_in(struct lg_sqlite *s, const struct lg_genesis *genesis, struct sg_fault *fault)
{
    int err = lock_directory(s, fault);
    if (err != 0)
        return err;
    err = open_db(s, genesis, fault);
    if (err == SG_ECORRUPT) {
        const char *what = strstr(fault->text, ": ");
        return lg_sqlite_damaged_file(fault, s->dir, what != NULL ? what + 2 : fault->text);
    }
    if (err == 0)
        err = lg_sqlite_check(s, fault);
    if (err != 0)
        return err;
    lg_sqlite_watch_log(s);
    err = lg_ballast_hold(s->dir);
    /* A disk that is full already: what is stored can be read and served, commits are refused until there is room. */
    return err == 0 || err == SG_ENOSPC ? 0 : fail(fault, err, s->dir, sg_err_text(err));
}

int lg_sqlite_open(
    struct lg_sqlite **out, const char *data_dir, const struct lg_genesis *genesis, struct sg_fault *fault)
{
    struct lg_sqlite *s = calloc(1, sizeof *s);
    char *dir = strdup(data_dir);
    if (s == NULL || dir == NULL) {
        free(s);
        free(dir);
        return fail(fault, SG_ENOMEM, data_dir, sg_err_text(SG_ENOMEM));
    }
    s->dir = dir;
    s->lock_fd = -1;
    s->vtable.ctx = s;
    fill_read(&s->vtable);
    lg_sqlite_fill_write(&s->vtable);
    lg_sqlite_fill_connect(&s->vtable);
    lg_sqlite_fill_side(&s->vtable);
    const int err = open_in(s, genesis, fault);
    if (err != 0)
        lg_sqlite_close(s);
    else
        *out = s;
    return err;
}

void lg_sqlite_close(struct lg_sqlite *s)
{
    if (s == NULL)
        return;
    if (s->in_tx)
        s->vtable.rollback(s);
    lg_db_close(&s->db);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    free(s->dir);
    free(s);
}

const struct lg_store *lg_sqlite_store(struct lg_sqlite *s)
{
    return &s->vtable;
}

int lg_sqlite_failed(const struct lg_sqlite *s)
{
    return s->failed;
}

bool lg_sqlite_damage(struct lg_sqlite *s, struct lg_damage *out)
{
    return lg_db_take_damage(&s->db, out);
}
