/* Read-only connections: blocks, documents, gateways, evidence and the paper's view.
 *
 * A reader holds no lock and changes nothing. Between begin and end every call sees one commit; outside each call sees the
 * last one. Long answers are read in pieces, for a snapshot that is held keeps the write-ahead log from being emptied. */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/store_reader.h"

int lg_reader_open(
    struct lg_reader **out, const char *data_dir, const struct lg_genesis *genesis, struct sg_fault *fault)
{
    struct lg_reader *r = calloc(1, sizeof *r);
    if (r == NULL) {
        fault->err = SG_ENOMEM;
        strcpy(fault->text, sg_err_text(SG_ENOMEM));
        return SG_ENOMEM;
    }
    const int err = lg_db_open(&r->db, data_dir, genesis, false, fault);
    if (err != 0)
        free(r);
    else
        *out = r;
    return err;
}

int lg_reader_genesis(struct sg_buf *out, const char *data_dir, struct sg_fault *fault)
{
    struct lg_db db;
    sqlite3_stmt *st;
    int err = lg_db_open(&db, data_dir, NULL, false, fault);
    if (err != 0)
        return err;
    err = lg_db_query(&db, &st, LG_SQL_META_GET, LG_ARGS(lg_arg_text("genesis", 7)));
    const int row = err == 0 ? lg_db_row(st) : err;
    if (row > 0) {
        sg_buf_put(out, sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0));
        lg_db_done(st);
        err = sg_buf_err(out);
    } else {
        err = row == 0 ? SG_ECORRUPT : row;
    }
    lg_db_close(&db);
    return err;
}

void lg_reader_close(struct lg_reader *r)
{
    if (r == NULL)
        return;
    lg_db_close(&r->db);
    free(r);
}

int lg_reader_begin(struct lg_reader *r)
{
    r->has_seen = false;
    return lg_db_begin_read(&r->db);
}

void lg_reader_end(struct lg_reader *r)
{
    r->has_seen = false;
    /* Should it fail, the connection keeps an old view until the next begin. */
    if (lg_db_roll_back(&r->db) != 0)
        return;
}

bool lg_reader_damage(struct lg_reader *r, struct lg_damage *out)
{
    return lg_db_take_damage(&r->db, out);
}

int lg_reader_tip(struct lg_reader *r, struct lg_block_info *out)
{
    return lg_db_tip(&r->db, out);
}

int lg_reader_block_at(struct lg_reader *r, struct lg_block_info *out, int64_t height)
{
    return lg_db_block_at(&r->db, out, height);
}

int lg_reader_block_info(
    struct lg_reader *r, struct lg_block_info *out, bool *best, const struct lg_hash *hash)
{
    return lg_db_block_info(&r->db, out, best, hash);
}

int lg_reader_block_bytes(struct lg_reader *r, struct sg_buf *out, const struct lg_hash *hash)
{
    return lg_db_block_bytes(&r->db, out, hash);
}

int lg_reader_header(struct lg_reader *r, struct sg_buf *header, uint8_t sig[static SG_SIGNATURE_BYTES],
    const struct lg_hash *hash)
{
    sqlite3_stmt *st;
    int err = lg_db_first(&r->db, &st, LG_SQL_BLOCK_HEADER, LG_ARGS(lg_arg_hash(hash)));
    if (err != 0)
        return err;
    const void *bytes = sqlite3_column_blob(st, 0), *s = sqlite3_column_blob(st, 1);
    const size_t len = (size_t)sqlite3_column_bytes(st, 0);
    struct lg_hash check = {{0}};
    if (bytes != NULL)
        lg_header_hash(&check, bytes, len);
    if (s == NULL || sqlite3_column_bytes(st, 1) != SG_SIGNATURE_BYTES || !lg_hash_eq(&check, hash)) {
        err = lg_db_note_damage(&r->db, LG_DAMAGE_BLOCK, hash);
    } else {
        sg_buf_put(header, bytes, len);
        memcpy(sig, s, SG_SIGNATURE_BYTES);
        err = sg_buf_err(header);
    }
    lg_db_done(st);
    return err;
}

int lg_reader_leaves(struct lg_reader *r, struct lg_hash **leaves, size_t *n, const struct lg_hash *block)
{
    unsigned nstatements;
    return lg_db_leaves(&r->db, leaves, n, &nstatements, block);
}

int lg_reader_leaf_lists(struct lg_reader *r, struct lg_hash **leaves, size_t *n, unsigned *nstatements,
    const struct lg_hash *block)
{
    return lg_db_leaves(&r->db, leaves, n, nstatements, block);
}

static int document(struct lg_reader *r, struct sg_buf *doc, struct lg_doc_place *place, bool is_body,
    const struct lg_hash *leaf)
{
    const int err = lg_db_document(&r->db, doc, place, is_body, leaf);
    if (err != 0 || place->state != LG_DOC_MINED)
        return err;
    return lg_db_hash_at(&r->db, &place->block, place->height);
}

int lg_reader_statement(
    struct lg_reader *r, struct sg_buf *doc, struct lg_doc_place *place, const struct lg_hash *leaf)
{
    return document(r, doc, place, false, leaf);
}

int lg_reader_body(
    struct lg_reader *r, struct sg_buf *doc, struct lg_doc_place *place, const struct lg_hash *digest)
{
    return document(r, doc, place, true, digest);
}

int lg_reader_pool(struct lg_reader *r, lg_reader_doc_fn *fn, void *arg)
{
    return lg_db_pool(&r->db, fn, arg);
}

int lg_reader_pool_statements(
    struct lg_reader *r, int64_t offset, int64_t limit, lg_reader_doc_fn *fn, void *arg)
{
    return lg_db_each_document(
        &r->db, LG_SQL_STATEMENT_POOL_PAGE, LG_ARGS(lg_arg_int(offset), lg_arg_int(limit)), false, fn, arg);
}

/* The counters of a gateway; zeros when nothing of it was ever held. */
static int counters(struct lg_reader *r, struct lg_gateway_state *out, int g)
{
    sqlite3_stmt *st;
    const int err = lg_db_query(&r->db, &st, LG_SQL_GATEWAY, LG_ARGS(lg_arg_int(g)));
    if (err != 0)
        return err;
    const int row = lg_db_row(st);
    if (row <= 0)
        return row;
    out->greatest_inc = sqlite3_column_int64(st, 0);
    out->greatest_slot = sqlite3_column_int64(st, 1);
    out->incarnations = sqlite3_column_int64(st, 2);
    out->gap_minutes = sqlite3_column_int64(st, 3);
    out->evidence = sqlite3_column_int64(st, 4);
    lg_db_done(st);
    return 0;
}

int lg_reader_gateway(struct lg_reader *r, struct lg_gateway_state *out, lg_kid gw)
{
    const int g = lg_db_gateway_index(&r->db, gw);
    if (g < 0)
        return SG_ENOT_FOUND;
    memset(out, 0, sizeof *out);
    int err = counters(r, out, g);
    if (err == 0)
        err = lg_db_last_statement(&r->db, &out->chain, gw, INT64_MAX);
    if (err == 0 || err == SG_ENOT_FOUND)
        err = lg_db_last_pooled(&r->db, &out->pool, gw);
    return err == SG_ENOT_FOUND ? 0 : err;
}

int lg_reader_gaps(struct lg_reader *r, lg_kid gw, unsigned limit, lg_reader_gap_fn *fn, void *arg)
{
    const int g = lg_db_gateway_index(&r->db, gw);
    if (g < 0)
        return SG_ENOT_FOUND;
    sqlite3_stmt *st;
    int err = lg_db_query(&r->db, &st, LG_SQL_GAPS_OF_GATEWAY, LG_ARGS(lg_arg_int(g), lg_arg_int(limit)));
    if (err != 0)
        return err;
    int row;
    while ((row = lg_db_row(st)) > 0) {
        const int64_t relay = sqlite3_column_int64(st, 1), reason = sqlite3_column_int64(st, 4);
        const bool good =
            relay >= 0 && relay < (int64_t)r->db.genesis->nrelays && reason >= 0 && reason < LG_REASON_COUNT;
        if (good) {
            const struct lg_reader_gap gap = {.height = sqlite3_column_int64(st, 0),
                .relay = r->db.genesis->relays[relay].id,
                .from = sqlite3_column_int64(st, 2),
                .to = sqlite3_column_int64(st, 3),
                .reason = (enum lg_reason)reason};
            err = fn(arg, &gap);
        }
        if (!good || err != 0) {
            lg_db_done(st);
            return good ? err : SG_ECORRUPT;
        }
    }
    return row;
}

static int document_by_id(struct lg_reader *r, struct sg_buf *doc, int64_t id)
{
    sqlite3_stmt *st;
    struct lg_hash leaf;
    struct lg_doc_place place;
    int err = lg_db_first(&r->db, &st, LG_SQL_STATEMENT_LEAF_BY_ID, LG_ARGS(lg_arg_int(id)));
    if (err != 0)
        return err == SG_ENOT_FOUND ? SG_ECORRUPT : err;
    err = lg_db_column_hash(&leaf, st, 0);
    lg_db_done(st);
    if (err == 0)
        err = lg_db_document(&r->db, doc, &place, false, &leaf);
    return err == SG_ENOT_FOUND ? SG_ECORRUPT : err;
}

/* One row of evidence: id, gateway, two statements. */
static int pair(struct lg_reader *r, sqlite3_stmt *st, lg_reader_pair_fn *fn, void *arg)
{
    const int64_t gw = sqlite3_column_int64(st, 1);
    if (gw < 0 || gw >= (int64_t)r->db.genesis->ngateways)
        return SG_ECORRUPT;
    struct sg_buf first, second;
    sg_buf_init(&first, (size_t)16 << 20);
    sg_buf_init(&second, (size_t)16 << 20);
    int err = document_by_id(r, &first, sqlite3_column_int64(st, 2));
    if (err == 0)
        err = document_by_id(r, &second, sqlite3_column_int64(st, 3));
    if (err == 0)
        err = fn(arg, sqlite3_column_int64(st, 0), r->db.genesis->gateways[gw].id,
            (struct lg_slice){first.p, first.len}, (struct lg_slice){second.p, second.len});
    sg_buf_fini(&first);
    sg_buf_fini(&second);
    return err;
}

int lg_reader_evidence_page(
    struct lg_reader *r, int64_t from, int64_t to, unsigned limit, lg_reader_pair_fn *fn, void *arg)
{
    sqlite3_stmt *st;
    int err = lg_db_query(
        &r->db, &st, LG_SQL_EVIDENCE, LG_ARGS(lg_arg_int(from), lg_arg_int(to), lg_arg_int(limit)));
    if (err != 0)
        return err;
    int row;
    while ((row = lg_db_row(st)) > 0) {
        err = pair(r, st, fn, arg);
        if (err != 0) {
            lg_db_done(st);
            return err;
        }
    }
    return row;
}

int lg_reader_paper_state(struct lg_reader *r, struct lg_paper_state *state, int64_t index)
{
    return lg_db_paper_state(&r->db, state, index);
}

/* The view block is not what its hash says: rows of the block below it. */
static int note_view(struct lg_reader *r, int64_t index)
{
    struct lg_hash hash;
    const int err = lg_db_hash_at(&r->db, &hash, index - 1);
    return err == 0 ? lg_db_note_damage(&r->db, LG_DAMAGE_ROWS, &hash) : SG_ECORRUPT;
}

int lg_reader_paper(struct lg_reader *r, struct sg_buf *out, struct lg_paper_state *state, int64_t index)
{
    sqlite3_stmt *st;
    int err = lg_db_first(&r->db, &st, LG_SQL_PAPER, LG_ARGS(lg_arg_int(index)));
    if (err != 0)
        return err;
    struct lg_hash check;
    const void *text = sqlite3_column_blob(st, 2);
    const size_t len = (size_t)sqlite3_column_bytes(st, 2);
    state->index = index;
    state->proof = sqlite3_column_int64(st, 0);
    err = lg_db_column_hash(&state->hash, st, 1);
    if (err == 0) {
        sg_sha256(check.b, text, len);
        err = lg_hash_eq(&check, &state->hash) ? 0 : SG_ECORRUPT;
    }
    if (err == 0) {
        sg_buf_put(out, text, len);
        err = sg_buf_err(out);
    }
    lg_db_done(st);
    return err == SG_ECORRUPT ? note_view(r, index) : err;
}
