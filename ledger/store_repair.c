/* Damage put back, on the writing connection: each in one transaction of its own.
 *
 * Invariant: nothing is written that does not have the hash that it is kept under, and a repair that cannot be finished changes nothing.
 * What the file's own structure refuses (SG_ECORRUPT) does not fail the store: it goes on with what it has. Indexes are built anew
 * where the store is small enough not to keep anybody waiting.
 * Refuses a repair inside of a transaction (SG_EAGAIN) and documents that are not what is missing (SG_EINVAL). */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/store_scrub_priv.h"

/* Pages up to which all indexes are built anew: 64 MiB, less than a second. */
#define REINDEX_PAGES 16384

/* What is put back: the parts that its kind has. */
struct repair {
    const struct lg_damage *d;
    struct lg_statement *statement;
    struct lg_body *body;
    struct lg_block *block;
};

const char *lg_damage_name(enum lg_damage_kind kind)
{
    static const char *const names[] = {[LG_DAMAGE_STATEMENT] = "statement",
        [LG_DAMAGE_BODY] = "body",
        [LG_DAMAGE_BLOCK] = "block",
        [LG_DAMAGE_ROWS] = "rows of block",
        [LG_DAMAGE_READ] = "a row of read",
        [LG_DAMAGE_GAP] = "a row of gap",
        [LG_DAMAGE_FIRST_READ] = "a first read",
        [LG_DAMAGE_DISPUTE] = "a dispute",
        [LG_DAMAGE_SIDE] = "a row of a side block",
        [LG_DAMAGE_COUNTERS] = "counters of a gateway",
        [LG_DAMAGE_FILE] = "the file at"};
    _Static_assert(sizeof names / sizeof names[0] == LG_DAMAGE_KINDS, "each kind has a name");
    return names[kind];
}

/* ---- documents ---- */

/* Is there a row of this key? */
static int is_there(struct lg_sqlite *s, bool *there, enum lg_sql id, const struct lg_hash *hash)
{
    sqlite3_stmt *st;
    const int err = lg_db_query(&s->db, &st, id, LG_ARGS(lg_arg_hash(hash)));
    const int row = err != 0 ? err : lg_db_row(st);
    *there = row > 0;
    if (row > 0)
        lg_db_done(st);
    return row < 0 ? row : 0;
}

static int put_statement(struct lg_sqlite *s, const struct lg_statement *x)
{
    bool there = false;
    int64_t id;
    int err = is_there(s, &there, LG_SQL_STATEMENT_ROW, &x->leaf);
    if (err != 0)
        return err;
    if (!there) {
        err = lg_sqlite_add_statement(s, &id, x, LG_MARK_SIDE, NULL);
        return err != 0 || id != 0 ? err : SG_ECORRUPT;
    }
    err = lg_db_run(&s->db, NULL, LG_SQL_REPAIR_STATEMENT,
        LG_ARGS(lg_arg_hash(&x->leaf), lg_arg_blob(x->doc, x->doc_len)));
    if (err != 0)
        return err;
    return lg_db_run(&s->db, NULL, LG_SQL_REPAIR_STATEMENT_KEYS,
        LG_ARGS(lg_arg_hash(&x->leaf), lg_arg_int(lg_db_gateway_index(&s->db, x->gw)), lg_arg_int(x->inc),
            lg_arg_int(x->seq), lg_arg_int(x->slot), lg_arg_int(x->ts)));
}

static int put_body(struct lg_sqlite *s, const struct lg_body *b)
{
    bool there = false;
    int64_t id;
    int err = is_there(s, &there, LG_SQL_BODY_ROW, &b->digest);
    if (err != 0)
        return err;
    if (!there) {
        err = lg_sqlite_add_body(s, &id, b, LG_MARK_SIDE, NULL);
        return err != 0 || id != 0 ? err : SG_ECORRUPT;
    }
    err = lg_db_run(
        &s->db, NULL, LG_SQL_REPAIR_BODY, LG_ARGS(lg_arg_hash(&b->digest), lg_arg_blob(b->doc, b->doc_len)));
    if (err != 0)
        return err;
    return lg_db_run(&s->db, NULL, LG_SQL_REPAIR_BODY_KEYS,
        LG_ARGS(lg_arg_hash(&b->digest), lg_arg_int(lg_db_relay_index(&s->db, b->relay.p, b->relay.len)),
            lg_arg_int(b->min)));
}

/* ---- blocks ---- */

static int put_block_row(
    struct lg_sqlite *s, const struct lg_block *b, const struct lg_hash *leaves, size_t n)
{
    int64_t changed = 0;
    const int err = lg_db_run(&s->db, &changed, LG_SQL_REPAIR_BLOCK,
        LG_ARGS(lg_arg_hash(&b->hash), lg_arg_blob(b->header_doc.p, b->header_doc.len),
            lg_arg_blob(b->sig, sizeof b->sig), lg_arg_blob(leaves, n * sizeof *leaves),
            lg_arg_int(b->nstatements)));
    return err == 0 && changed != 1 ? SG_ECORRUPT : err;
}

/* The row and every document: a block that is fetched is here whole. */
static int put_block(struct lg_sqlite *s, const struct lg_block *b)
{
    const size_t n = (size_t)b->nstatements + b->nbodies;
    struct lg_hash *leaves = calloc(n, sizeof *leaves);
    int err = 0;
    if (leaves == NULL)
        return SG_ENOMEM;
    lg_block_leaves(leaves, b);
    err = put_block_row(s, b, leaves, n);
    free(leaves);
    for (unsigned i = 0; i < b->nstatements && err == 0; i++)
        err = put_statement(s, b->statements[i]);
    for (unsigned i = 0; i < b->nbodies && err == 0; i++)
        err = put_body(s, b->bodies[i]);
    return err;
}

static int put_columns(struct lg_sqlite *s, const struct lg_block_info *info)
{
    return lg_db_run(&s->db, NULL, LG_SQL_REPAIR_BLOCK_COLUMNS,
        LG_ARGS(lg_arg_hash(&info->hash), lg_arg_hash(&info->prev), lg_arg_int(info->height),
            lg_arg_int(info->slot), lg_arg_int(info->time),
            lg_arg_int(lg_db_gateway_index(&s->db, info->miner)), lg_arg_int(info->weight),
            lg_arg_int(info->weight_sum)));
}

/* The block below; SG_ENOT_FOUND when it is damaged itself. */
static int find_parent(struct lg_sqlite *s, struct lg_block_info *parent, const struct lg_block *b)
{
    struct lg_damage noted;
    const int err = lg_scrub_parent(&s->db, parent, b);
    return err == SG_ECORRUPT && lg_db_take_damage(&s->db, &noted) ? SG_ENOT_FOUND : err;
}

static int rewrite(struct lg_sqlite *s, const struct lg_block *b, const struct lg_block_info *parent)
{
    struct lg_block_info info;
    struct lg_hash at;
    lg_block_info_of(&info, b, parent);
    int err = put_columns(s, &info);
    if (err == 0)
        err = lg_db_hash_at(&s->db, &at, info.height);
    if (err == 0 && lg_hash_eq(&at, &b->hash))
        err = lg_sqlite_rewrite_rows(s, b, &info);
    if (err == 0 || err == SG_ENOT_FOUND) /* above the tip: a side block */
        err = lg_sqlite_side_rewrite(s, &b->hash);
    return err;
}

/* What follows from a block, from its own bytes. */
static int put_rows(struct lg_sqlite *s, const struct lg_hash *hash)
{
    struct lg_damage other;
    struct lg_block_info parent;
    struct lg_block *b = NULL;
    int err = lg_scrub_load(&s->db, &b, &other, hash);
    if (err != 0)
        return err < 0 ? err : SG_ENOT_FOUND;
    err = find_parent(s, &parent, b);
    if (err == 0)
        err = rewrite(s, b, &parent);
    lg_block_free(b);
    return err;
}

/* ---- the rest ---- */

static int put_counters(struct lg_sqlite *s, int gw)
{
    struct lg_scrub_counters stored, want;
    int err = lg_scrub_counters(&s->db, &stored, gw);
    if (err == 0)
        err = lg_scrub_count(&s->db, &want, &stored, gw);
    if (err != 0)
        return err;
    err = lg_db_run(&s->db, NULL, LG_SQL_REPAIR_GATEWAY,
        LG_ARGS(lg_arg_int(gw), lg_arg_int(want.v[0]), lg_arg_int(want.v[1]), lg_arg_int(want.v[2]),
            lg_arg_int(want.v[3]), lg_arg_int(want.v[4])));
    return err != 0
               ? err
               : lg_db_run(&s->db, NULL, LG_SQL_SIDE_SET, LG_ARGS(lg_arg_int(gw), lg_arg_int(want.v[5])));
}

static int reindex(struct lg_sqlite *s)
{
    sqlite3_stmt *st;
    const int err = lg_db_query(&s->db, &st, LG_SQL_PAGES, NULL, 0);
    const int row = err != 0 ? err : lg_db_row(st);
    if (row <= 0)
        return row < 0 ? row : SG_ECORRUPT;
    const int64_t pages = sqlite3_column_int64(st, 0);
    lg_db_done(st);
    return pages > REINDEX_PAGES ? SG_ECORRUPT : lg_db_run(&s->db, NULL, LG_SQL_REINDEX, NULL, 0);
}

/* A row whose key has flipped: the document says which it was. */
static int rekey(
    struct lg_sqlite *s, enum lg_sql get, enum lg_sql put, bool is_block, const struct lg_hash *key)
{
    sqlite3_stmt *st;
    struct lg_hash hash;
    int err = lg_db_query(&s->db, &st, get, LG_ARGS(lg_arg_hash(key)));
    const int row = err != 0 ? err : lg_db_row(st);
    if (row <= 0)
        return row;
    const void *doc = sqlite3_column_blob(st, 0);
    const size_t len = (size_t)sqlite3_column_bytes(st, 0);
    const bool sound = doc != NULL && lg_c0_check(doc, len) == 0;
    if (sound && is_block)
        lg_header_hash(&hash, doc, len);
    else if (sound)
        lg_hash_leaf(&hash, doc, len);
    lg_db_done(st);
    if (!sound || lg_hash_eq(&hash, key))
        return 0;
    return lg_db_run(&s->db, NULL, put, LG_ARGS(lg_arg_hash(key), lg_arg_hash(&hash)));
}

static int put_file(struct lg_sqlite *s, const struct lg_hash *key)
{
    int err = reindex(s);
    if (err == 0)
        err = rekey(s, LG_SQL_KEY_BLOCK, LG_SQL_REKEY_BLOCK, true, key);
    if (err == 0)
        err = rekey(s, LG_SQL_KEY_STATEMENT, LG_SQL_REKEY_STATEMENT, false, key);
    return err != 0 ? err : rekey(s, LG_SQL_KEY_BODY, LG_SQL_REKEY_BODY, false, key);
}

static int put(struct lg_sqlite *s, const struct repair *r)
{
    const int64_t *k = r->d->key;
    switch (r->d->kind) {
    case LG_DAMAGE_STATEMENT:
        return put_statement(s, r->statement);
    case LG_DAMAGE_BODY:
        return put_body(s, r->body);
    case LG_DAMAGE_BLOCK:
        return put_block(s, r->block);
    case LG_DAMAGE_ROWS:
        return put_rows(s, &r->d->hash);
    case LG_DAMAGE_READ:
        return lg_db_run(&s->db, NULL, LG_SQL_READ_DELETE,
            LG_ARGS(
                lg_arg_int(k[0]), lg_arg_int(k[1]), lg_arg_int(k[2]), lg_arg_int(k[3]), lg_arg_int(k[4])));
    case LG_DAMAGE_GAP:
        return lg_db_run(
            &s->db, NULL, LG_SQL_GAP_DELETE, LG_ARGS(lg_arg_int(k[0]), lg_arg_int(k[1]), lg_arg_int(k[2])));
    case LG_DAMAGE_FIRST_READ:
    case LG_DAMAGE_DISPUTE:
        return lg_scrub_restore_said(&s->db, r->d);
    case LG_DAMAGE_SIDE:
        return lg_scrub_restore_side_row(&s->db, r->d);
    case LG_DAMAGE_COUNTERS:
        return put_counters(s, (int)k[0]);
    case LG_DAMAGE_FILE:
        return put_file(s, &r->d->hash);
    case LG_DAMAGE_KINDS:
        break;
    }
    return SG_EINVAL;
}

/* ---- what was brought ---- */

static int check_block(const struct lg_sqlite *s, const struct lg_block *b)
{
    const struct lg_gateway *gw = lg_genesis_gateway(s->db.genesis, b->header.miner_kid);
    const size_t n = (size_t)b->nstatements + b->nbodies;
    struct lg_hash *leaves = calloc(n, sizeof *leaves);
    struct lg_hash root;
    struct sg_buf text;
    int err = leaves == NULL ? SG_ENOMEM : gw == NULL || n == 0 ? SG_EINVAL : 0;
    if (err == 0) {
        lg_block_leaves(leaves, b);
        err = lg_merkle_root(&root, leaves, n);
    }
    if (err == 0 && !lg_hash_eq(&root, &b->header.root))
        err = SG_EINVAL;
    sg_buf_init(&text, SIZE_MAX / 4);
    if (err == 0) {
        lg_header_signed_bytes(&text, b->header_doc.p, b->header_doc.len);
        err = sg_buf_err(&text);
    }
    if (err == 0)
        err = sg_crypto_openssl.verify(gw->key, b->sig, text.p, text.len);
    if (err == SG_ESIGNATURE)
        err = SG_EINVAL;
    sg_buf_fini(&text);
    free(leaves);
    return err;
}

/* The document as its kind needs it, when it has the hash. */
static int take(const struct lg_sqlite *s, struct repair *r, const uint8_t *doc, size_t len)
{
    const struct lg_hash *hash = NULL;
    int err = 0;
    if (r->d->kind == LG_DAMAGE_STATEMENT) {
        err = lg_statement_decode(&r->statement, doc, len);
        hash = err == 0 ? &r->statement->leaf : NULL;
    } else if (r->d->kind == LG_DAMAGE_BODY) {
        err = lg_body_decode(&r->body, doc, len);
        hash = err == 0 ? &r->body->digest : NULL;
    } else if (r->d->kind == LG_DAMAGE_BLOCK) {
        err = lg_block_decode(&r->block, doc, len);
        hash = err == 0 ? &r->block->hash : NULL;
    } else {
        return 0;
    }
    if (err == SG_ENOMEM)
        return err;
    if (err != 0 || !lg_hash_eq(hash, &r->d->hash))
        return SG_EINVAL;
    return r->block == NULL ? 0 : check_block(s, r->block);
}

static int transaction(struct lg_sqlite *s, const struct repair *r, bool indexes_first)
{
    int err = s->vtable.begin(s);
    if (err != 0)
        return err;
    if (indexes_first)
        err = reindex(s);
    if (err == 0)
        err = put(s, r);
    if (err == SG_EIO || err == SG_ENOSPC)
        (void)lg_sqlite_note(s, err);
    if (err == 0)
        return s->vtable.commit(s);
    s->vtable.rollback(s);
    return err;
}

int lg_sqlite_repair(struct lg_sqlite *s, const struct lg_damage *d, const uint8_t *doc, size_t len)
{
    struct repair r = {.d = d};
    struct lg_damage noted;
    if (s->failed != 0 || s->in_tx)
        return s->failed != 0 ? s->failed : SG_EAGAIN;
    /* What the connection remembers may be sound where the disk is not: then nothing would be written. */
    (void)sqlite3_db_release_memory(s->db.h);
    int err = take(s, &r, doc, len);
    if (err == 0)
        err = transaction(s, &r, false);
    if (err == SG_ECORRUPT && s->failed == 0 && d->kind != LG_DAMAGE_FILE)
        err = transaction(s, &r, true);
    (void)lg_db_take_damage(&s->db, &noted);
    for (unsigned g = 0; g < s->db.genesis->ngateways; g++)
        s->gateways[g].known = false; /* numbers that had flipped are right again */
    lg_statement_free(r.statement);
    lg_body_free(r.body);
    lg_block_free(r.block);
    return err;
}
