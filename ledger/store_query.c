/* What the writer and the readers both ask of the tree of blocks and of single documents.
 *
 * Invariant: bytes that leave here are the bytes that were stored; documents and headers are hashed again on the way out,
 * so that a flipped bit on the disk becomes SG_ECORRUPT and never an answer. */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/store_db.h"

/* sg_buf limit for one stored document on its way to the caller's buffer: the largest block. */
#define MAX_BLOCK_BYTES ((size_t)16 << 20)

int lg_db_gateway_index(const struct lg_db *db, lg_kid gw)
{
    const struct lg_gateway *g = lg_genesis_gateway(db->genesis, gw);
    return g == NULL ? -1 : (int)(g - db->genesis->gateways);
}

int lg_db_relay_index(const struct lg_db *db, const char *id, size_t len)
{
    const struct lg_relay *r = lg_genesis_relay(db->genesis, id, len);
    return r == NULL ? -1 : (int)(r - db->genesis->relays);
}

int lg_db_note_damage(struct lg_db *db, enum lg_damage_kind kind, const struct lg_hash *hash)
{
    if (!db->is_damaged) {
        db->damage = (struct lg_damage){.kind = kind, .hash = *hash};
        db->is_damaged = true;
    }
    return SG_ECORRUPT;
}

bool lg_db_take_damage(struct lg_db *db, struct lg_damage *out)
{
    const bool is = db->is_damaged;
    if (is)
        *out = db->damage;
    db->is_damaged = false;
    return is;
}

/* A column that cannot be is put back from the block's own header, as long as the row says which block it is. */
static int info_of_row(struct lg_db *db, struct lg_block_info *out, bool *best, sqlite3_stmt *st)
{
    struct lg_block_info info = {.height = sqlite3_column_int64(st, 2),
        .slot = sqlite3_column_int64(st, 3),
        .time = sqlite3_column_int64(st, 4),
        .weight = sqlite3_column_int64(st, 6),
        .weight_sum = sqlite3_column_int64(st, 7)};
    const int64_t miner = sqlite3_column_int64(st, 5);
    const int err = lg_db_column_hash(&info.hash, st, 0);
    if (err != 0)
        return err;
    if (lg_db_column_hash(&info.prev, st, 1) != 0 || miner < 0 || miner >= (int64_t)db->genesis->ngateways)
        return lg_db_note_damage(db, LG_DAMAGE_ROWS, &info.hash);
    info.miner = db->genesis->gateways[miner].id;
    *out = info;
    if (best != NULL)
        *best = sqlite3_column_int(st, 8) == 1;
    return 0;
}

/* The first row of a query for block information. */
static int one_info(struct lg_db *db, struct lg_block_info *out, bool *best, enum lg_sql id,
    const struct lg_arg *args, size_t n)
{
    sqlite3_stmt *st;
    int err = lg_db_first(db, &st, id, args, n);
    if (err != 0)
        return err;
    err = info_of_row(db, out, best, st);
    lg_db_done(st);
    return err;
}

int lg_db_tip(struct lg_db *db, struct lg_block_info *out)
{
    return one_info(db, out, NULL, LG_SQL_TIP, NULL, 0);
}

int lg_db_block_info(struct lg_db *db, struct lg_block_info *out, bool *best, const struct lg_hash *hash)
{
    return one_info(db, out, best, LG_SQL_BLOCK_BY_HASH, LG_ARGS(lg_arg_hash(hash)));
}

int lg_db_block_at(struct lg_db *db, struct lg_block_info *out, int64_t height)
{
    return one_info(db, out, NULL, LG_SQL_BLOCK_AT, LG_ARGS(lg_arg_int(height)));
}

int lg_db_hash_at(struct lg_db *db, struct lg_hash *out, int64_t height)
{
    sqlite3_stmt *st;
    int err = lg_db_first(db, &st, LG_SQL_BLOCK_HASH_AT, LG_ARGS(lg_arg_int(height)));
    if (err != 0)
        return err;
    err = lg_db_column_hash(out, st, 0);
    lg_db_done(st);
    return err;
}

/* What a block row holds besides its fields, copied out of SQLite. */
struct parts {
    struct sg_buf header;
    uint8_t sig[SG_SIGNATURE_BYTES];
    unsigned nst;
    struct lg_hash *leaves;
    size_t n;
};

static void parts_free(struct parts *p)
{
    sg_buf_fini(&p->header);
    free(p->leaves);
}

static int parts_of_row(struct parts *p, sqlite3_stmt *st)
{
    const int64_t nst = sqlite3_column_int64(st, 2);
    const void *leaves = sqlite3_column_blob(st, 3);
    const size_t bytes = (size_t)sqlite3_column_bytes(st, 3);
    p->n = bytes / SG_HASH_BYTES;
    if (sqlite3_column_bytes(st, 1) != SG_SIGNATURE_BYTES || leaves == NULL || bytes % SG_HASH_BYTES != 0 ||
        nst < 1 || nst > (int64_t)p->n)
        return SG_ECORRUPT;
    memcpy(p->sig, sqlite3_column_blob(st, 1), sizeof p->sig);
    lg_db_column_bytes(&p->header, st, 0);
    p->nst = (unsigned)nst;
    p->leaves = malloc(bytes);
    if (p->leaves == NULL)
        return SG_ENOMEM;
    memcpy(p->leaves, leaves, bytes);
    return sg_buf_err(&p->header);
}

/* On success the caller frees p. */
static int block_parts(struct lg_db *db, struct parts *p, const struct lg_hash *hash)
{
    sqlite3_stmt *st;
    memset(p, 0, sizeof *p);
    sg_buf_init(&p->header, 1u << 16);
    int err = lg_db_first(db, &st, LG_SQL_BLOCK_PARTS, LG_ARGS(lg_arg_hash(hash)));
    if (err != 0)
        return err;
    err = parts_of_row(p, st);
    lg_db_done(st);
    struct lg_hash check;
    if (err == 0) {
        lg_header_hash(&check, p->header.p, p->header.len);
        if (!lg_hash_eq(&check, hash))
            err = SG_ECORRUPT;
    }
    if (err == SG_ECORRUPT)
        err = lg_db_note_damage(db, LG_DAMAGE_BLOCK, hash);
    if (err != 0)
        parts_free(p);
    return err;
}

int lg_db_leaves(
    struct lg_db *db, struct lg_hash **leaves, size_t *n, unsigned *nstatements, const struct lg_hash *block)
{
    struct parts p;
    const int err = block_parts(db, &p, block);
    if (err != 0)
        return err;
    *leaves = p.leaves;
    *n = p.n;
    *nstatements = p.nst;
    p.leaves = NULL;
    parts_free(&p);
    return 0;
}

/* A leaf without its document: the list of leaves is not what the header says, the place where its statements end is wrong, or the
 * document is gone. */
static int missing(struct lg_db *db, const struct parts *p, size_t i)
{
    struct lg_header header;
    struct lg_hash root, hash;
    int err = lg_header_decode(&header, p->header.p, p->header.len);
    if (err == 0)
        err = lg_merkle_root(&root, p->leaves, p->n);
    if (err == SG_ENOMEM)
        return err;
    struct lg_doc_place place;
    const bool is_body = i >= p->nst;
    lg_header_hash(&hash, p->header.p, p->header.len);
    if (err != 0 || !lg_hash_eq(&root, &header.root) ||
        lg_db_document(db, NULL, &place, !is_body, &p->leaves[i]) == 0)
        return lg_db_note_damage(db, LG_DAMAGE_BLOCK, &hash);
    return lg_db_note_damage(db, is_body ? LG_DAMAGE_BODY : LG_DAMAGE_STATEMENT, &p->leaves[i]);
}

/* Appends the documents of a block to docs; ends[i] is where the i-th ends. */
static int collect_documents(struct lg_db *db, struct sg_buf *docs, size_t *ends, const struct parts *p)
{
    for (size_t i = 0; i < p->n; i++) {
        struct lg_doc_place place;
        const int err = lg_db_document(db, docs, &place, i >= p->nst, &p->leaves[i]);
        if (err != 0)
            return err == SG_ENOT_FOUND ? missing(db, p, i) : err;
        ends[i] = docs->len;
    }
    return 0;
}

static int assemble(struct lg_db *db, struct sg_buf *out, const struct parts *p)
{
    struct sg_buf docs;
    sg_buf_init(&docs, MAX_BLOCK_BYTES);
    size_t *ends = calloc(p->n, sizeof *ends);
    struct lg_slice *slices = calloc(p->n, sizeof *slices);
    int err = ends == NULL || slices == NULL ? SG_ENOMEM : collect_documents(db, &docs, ends, p);
    if (err == 0) {
        for (size_t i = 0; i < p->n; i++) {
            const size_t start = i == 0 ? 0 : ends[i - 1];
            slices[i] = (struct lg_slice){docs.p + start, ends[i] - start};
        }
        const struct lg_slice header = {p->header.p, p->header.len};
        lg_block_encode(out, header, p->sig, slices, p->nst, slices + p->nst, (unsigned)(p->n - p->nst));
        err = sg_buf_err(out);
    }
    free(ends);
    free(slices);
    sg_buf_fini(&docs);
    return err;
}

int lg_db_block_bytes(struct lg_db *db, struct sg_buf *out, const struct lg_hash *hash)
{
    struct parts p;
    int err = block_parts(db, &p, hash);
    if (err != 0)
        return err;
    err = assemble(db, out, &p);
    parts_free(&p);
    return err;
}

static int one_ref(struct lg_db *db, struct lg_statement_ref *out, lg_kid gw, enum lg_sql id,
    const struct lg_arg *args, size_t n)
{
    sqlite3_stmt *st;
    int err = lg_db_first(db, &st, id, args, n);
    if (err != 0)
        return err;
    struct lg_statement_ref ref = {.gw = gw,
        .inc = sqlite3_column_int64(st, 0),
        .seq = sqlite3_column_int64(st, 1),
        .slot = sqlite3_column_int64(st, 2),
        .ts = sqlite3_column_int64(st, 3),
        .height = sqlite3_column_int64(st, 5)};
    err = lg_db_column_hash(&ref.leaf, st, 4);
    lg_db_done(st);
    if (err == 0)
        *out = ref;
    return err;
}

int lg_db_last_statement(struct lg_db *db, struct lg_statement_ref *out, lg_kid gw, int64_t max_height)
{
    const int g = lg_db_gateway_index(db, gw);
    if (g < 0)
        return SG_ENOT_FOUND;
    return one_ref(db, out, gw, LG_SQL_LAST_STATEMENT, LG_ARGS(lg_arg_int(g), lg_arg_int(max_height)));
}

int lg_db_last_pooled(struct lg_db *db, struct lg_statement_ref *out, lg_kid gw)
{
    const int g = lg_db_gateway_index(db, gw);
    return g < 0 ? SG_ENOT_FOUND : one_ref(db, out, gw, LG_SQL_LAST_POOLED, LG_ARGS(lg_arg_int(g)));
}

static enum lg_doc_state state_of_row(sqlite3_stmt *st)
{
    if (sqlite3_column_type(st, 1) != SQLITE_NULL)
        return LG_DOC_MINED;
    switch (sqlite3_column_int(st, 0)) {
    case LG_MARK_POOLED:
        return LG_DOC_POOLED;
    case LG_MARK_OVERTAKEN:
        return LG_DOC_OVERTAKEN;
    default:
        return LG_DOC_SIDE;
    }
}

/* The bytes of column 3, appended, when they are what leaf says. */
static int checked_doc(struct sg_buf *doc, sqlite3_stmt *st, const struct lg_hash *leaf)
{
    struct lg_hash check;
    const void *p = sqlite3_column_blob(st, 3);
    const int n = sqlite3_column_bytes(st, 3);
    if (p == NULL || n <= 0)
        return SG_ECORRUPT;
    lg_hash_leaf(&check, p, (size_t)n);
    if (!lg_hash_eq(&check, leaf))
        return SG_ECORRUPT;
    sg_buf_put(doc, p, (size_t)n);
    return sg_buf_err(doc);
}

int lg_db_document(struct lg_db *db, struct sg_buf *doc, struct lg_doc_place *place, bool is_body,
    const struct lg_hash *leaf)
{
    static const enum lg_sql ids[2][2] = {
        {LG_SQL_STATEMENT_STATE, LG_SQL_STATEMENT_DOC}, {LG_SQL_BODY_STATE, LG_SQL_BODY_DOC}};
    sqlite3_stmt *st;
    int err = lg_db_first(db, &st, ids[is_body][doc != NULL], LG_ARGS(lg_arg_hash(leaf)));
    if (err != 0)
        return err;
    memset(place, 0, sizeof *place);
    place->state = state_of_row(st);
    place->height = sqlite3_column_int64(st, 1);
    place->index = (unsigned)sqlite3_column_int64(st, 2);
    err = doc == NULL ? 0 : checked_doc(doc, st, leaf);
    lg_db_done(st);
    return err == SG_ECORRUPT ? lg_db_note_damage(db, is_body ? LG_DAMAGE_BODY : LG_DAMAGE_STATEMENT, leaf)
                              : err;
}

int lg_db_each_document(struct lg_db *db, enum lg_sql id, const struct lg_arg *args, size_t n, bool is_body,
    lg_reader_doc_fn *fn, void *arg)
{
    sqlite3_stmt *st;
    int err = lg_db_query(db, &st, id, args, n);
    if (err != 0)
        return err;
    int row;
    while ((row = lg_db_row(st)) > 0) {
        struct lg_hash leaf, check;
        const void *doc = sqlite3_column_blob(st, 1);
        const size_t len = (size_t)sqlite3_column_bytes(st, 1);
        err = lg_db_column_hash(&leaf, st, 0);
        if (err == 0) {
            lg_hash_leaf(&check, doc, len);
            if (lg_hash_eq(&check, &leaf))
                err = fn(arg, is_body, &leaf, doc, len);
            else
                (void)lg_db_note_damage(db, is_body ? LG_DAMAGE_BODY : LG_DAMAGE_STATEMENT, &leaf);
        }
        if (err != 0) {
            lg_db_done(st);
            return err;
        }
    }
    return row;
}

int lg_db_pool(struct lg_db *db, lg_reader_doc_fn *fn, void *arg)
{
    const int err = lg_db_each_document(db, LG_SQL_BODY_POOL, NULL, 0, true, fn, arg);
    return err != 0 ? err : lg_db_each_document(db, LG_SQL_STATEMENT_POOL, NULL, 0, false, fn, arg);
}

int lg_db_paper_state(struct lg_db *db, struct lg_paper_state *state, int64_t index)
{
    sqlite3_stmt *st;
    int err = lg_db_first(db, &st, LG_SQL_PAPER_STATE, LG_ARGS(lg_arg_int(index)));
    if (err != 0)
        return err;
    state->index = index;
    state->proof = sqlite3_column_int64(st, 0);
    err = lg_db_column_hash(&state->hash, st, 1);
    lg_db_done(st);
    return err;
}
