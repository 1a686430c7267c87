/* Blocks: storing one, appending it to the best branch, taking it off again.
 *
 * Invariant: connect and disconnect are exact opposites on read, gap, conflict, paper and the counters of the branch; a document
 * is mined at one height or at none. What a block costs depends on what it holds, never on how high the chain is.
 * Refuses a block whose parent is not the tip (connect) or that is not the tip (disconnect): SG_EINVAL. */
#include <sqlite3.h>
#include <stdlib.h>

#include "ledger/store_db.h"
#include "ledger/store_scrub_priv.h"

/* ---- put ---- */

/* What the pool had has been compared as it came; what was evidence alone has not, for nobody had to show its bodies. */
static int compare_known(struct lg_sqlite *s, const struct lg_statement *x)
{
    struct lg_doc_place place = {.state = LG_DOC_NONE};
    const int err = lg_db_document(&s->db, NULL, &place, false, &x->leaf);
    return err == 0 && place.state == LG_DOC_OVERTAKEN ? lg_sqlite_note_reads(s, x, 0) : err;
}

/* *id as lg_sqlite_add_statement has it. */
static int put_statement(
    struct lg_sqlite *s, int64_t *id, const struct lg_statement *x, const struct lg_place *at)
{
    const int err = lg_sqlite_add_statement(s, id, x, LG_MARK_SIDE, at);
    if (err != 0)
        return err;
    return *id != 0 ? lg_sqlite_note_reads(s, x, *id) : compare_known(s, x);
}

static int put_documents(struct lg_sqlite *s, const struct lg_block *b)
{
    int64_t id;
    int err = 0;
    for (unsigned i = 0; i < b->nstatements && err == 0; i++)
        err = put_statement(s, &id, b->statements[i], NULL);
    for (unsigned i = 0; i < b->nbodies && err == 0; i++)
        err = lg_sqlite_add_body(s, &id, b->bodies[i], LG_MARK_SIDE, NULL);
    return err;
}

/* *added: it was not there. */
static int put_row(
    struct lg_sqlite *s, bool *added, const struct lg_block *b, const struct lg_block_info *info, bool best)
{
    const int miner = lg_db_gateway_index(&s->db, info->miner);
    if (miner < 0)
        return SG_EMINER;
    const size_t n = (size_t)b->nstatements + b->nbodies;
    struct lg_hash *leaves = malloc(n == 0 ? 1 : n * sizeof *leaves);
    int64_t changed = 0;
    if (leaves == NULL)
        return SG_ENOMEM;
    lg_block_leaves(leaves, b);
    const int err = lg_db_run(&s->db, &changed, LG_SQL_BLOCK_PUT,
        LG_ARGS(lg_arg_hash(&info->hash), lg_arg_hash(&info->prev), lg_arg_int(info->height),
            lg_arg_int(info->slot), lg_arg_int(info->time), lg_arg_int(miner), lg_arg_int(info->weight),
            lg_arg_int(info->weight_sum), lg_arg_int(b->nstatements),
            lg_arg_blob(b->header_doc.p, b->header_doc.len), lg_arg_blob(b->sig, sizeof b->sig),
            lg_arg_blob(leaves, n * sizeof *leaves), lg_arg_int(best)));
    free(leaves);
    *added = err == 0 && changed == 1;
    return err;
}

static int put_block(void *ctx, const struct lg_block *b, const struct lg_block_info *info)
{
    struct lg_sqlite *s = ctx;
    bool added = false;
    int err = lg_sqlite_writable(s);
    if (err == 0)
        err = put_documents(s, b);
    if (err == 0)
        err = put_row(s, &added, b, info, false);
    if (err == 0 && added)
        err = lg_sqlite_side_enter(s, &info->hash);
    return lg_sqlite_note(s, err);
}

/* ---- connect ---- */

/* Runs a statement that must write exactly one row. */
static int run_one(struct lg_sqlite *s, enum lg_sql id, const struct lg_arg *args, size_t n)
{
    int64_t changed = 0;
    const int err = lg_db_run(&s->db, &changed, id, args, n);
    return err == 0 && changed != 1 ? SG_ECORRUPT : err;
}

/* What the statements of a block have in common, as a rule: asked for once. */
struct connecting {
    const struct lg_block_info *info;
    bool put;                  /* the documents are stored by the same call */
    const struct lg_hash *tip; /* whose height is tip_height; NULL: none yet */
    struct lg_arg tip_height;
    const struct lg_hash *body; /* whose row is body_id; NULL: none yet */
    int64_t body_id;
};

/* Height of the block that a statement names as tip, NULL when it is on another branch or unknown here. */
static int find_tip_height(
    struct lg_sqlite *s, struct lg_arg *out, const struct lg_block_info *info, const struct lg_hash *tip)
{
    *out = lg_arg_int(0);
    if (lg_hash_eq(tip, &s->db.genesis->id))
        return 0;
    *out = lg_arg_int(info->height - 1);
    if (lg_hash_eq(tip, &info->prev))
        return 0;
    sqlite3_stmt *st;
    const int err = lg_db_first(&s->db, &st, LG_SQL_BLOCK_BEST_HEIGHT, LG_ARGS(lg_arg_hash(tip)));
    *out = lg_arg_null();
    if (err != 0)
        return err == SG_ENOT_FOUND ? 0 : err;
    *out = lg_arg_int(sqlite3_column_int64(st, 0));
    lg_db_done(st);
    return 0;
}

static int tip_height(struct lg_sqlite *s, struct connecting *c, const struct lg_hash *tip)
{
    if (c->tip != NULL && lg_hash_eq(c->tip, tip))
        return 0;
    const int err = find_tip_height(s, &c->tip_height, c->info, tip);
    c->tip = err == 0 ? tip : NULL;
    return err;
}

static int find_body_id(struct lg_sqlite *s, int64_t *id, const struct lg_hash *digest)
{
    sqlite3_stmt *st;
    const int err = lg_db_first(&s->db, &st, LG_SQL_BODY_ID, LG_ARGS(lg_arg_hash(digest)));
    if (err != 0)
        return err == SG_ENOT_FOUND ? SG_ECORRUPT : err;
    *id = sqlite3_column_int64(st, 0);
    lg_db_done(st);
    return 0;
}

static int body_id(struct lg_sqlite *s, struct connecting *c, const struct lg_hash *digest)
{
    if (c->body != NULL && lg_hash_eq(c->body, digest))
        return 0;
    const int err = find_body_id(s, &c->body_id, digest);
    c->body = err == 0 ? digest : NULL;
    return err;
}

static int connect_read(
    struct lg_sqlite *s, struct connecting *c, const struct lg_place *at, const struct lg_read *r)
{
    const int relay = lg_db_relay_index(&s->db, r->relay.p, r->relay.len);
    const int err = relay < 0 ? SG_ERELAY : body_id(s, c, &r->digest);
    if (err != 0)
        return err;
    return run_one(s, LG_SQL_READ_PUT,
        LG_ARGS(lg_arg_int(relay), lg_arg_int(r->min), lg_arg_int(at->gw), lg_arg_int(at->height),
            lg_arg_int(at->idx), lg_arg_int(c->body_id), lg_arg_int(r->live)));
}

static int connect_gap(struct lg_sqlite *s, const struct lg_place *at, const struct lg_gap *g)
{
    const int relay = lg_db_relay_index(&s->db, g->relay.p, g->relay.len);
    if (relay < 0)
        return SG_ERELAY;
    return run_one(s, LG_SQL_GAP_PUT,
        LG_ARGS(lg_arg_int(at->gw), lg_arg_int(at->height), lg_arg_int(at->idx), lg_arg_int(relay),
            lg_arg_int(g->from), lg_arg_int(g->to), lg_arg_int(g->reason)));
}

static int64_t gap_minutes(const struct lg_statement *x)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < x->ngaps; i++)
        sum += x->gaps[i].to - x->gaps[i].from + 1;
    return sum;
}

/* What a statement adds to its gateway's counters, times sign. Every incarnation begins with seq 1. */
static int count(struct lg_sqlite *s, const struct lg_place *at, const struct lg_statement *x, int sign)
{
    const int64_t gaps = gap_minutes(x);
    if (x->seq != 1 && gaps == 0)
        return 0;
    const int err = lg_sqlite_write_held(s); /* its row must be there */
    return err != 0 ? err
                    : run_one(s, LG_SQL_GATEWAY_COUNT,
                          LG_ARGS(lg_arg_int(at->gw), lg_arg_int(x->seq == 1 ? sign : 0),
                              lg_arg_int(sign * gaps)));
}

/* The statement's row gets its place; a new one is written with it. */
static int place_statement(
    struct lg_sqlite *s, const struct connecting *c, const struct lg_statement *x, const struct lg_place *at)
{
    int64_t id = 0;
    const int err = c->put ? put_statement(s, &id, x, at) : 0;
    if (err != 0 || id != 0)
        return err;
    return run_one(s, LG_SQL_STATEMENT_CONNECT,
        LG_ARGS(lg_arg_hash(&x->leaf), lg_arg_int(at->height), lg_arg_int(at->idx), at->tip_height));
}

static int connect_statement(
    struct lg_sqlite *s, struct connecting *c, const struct lg_statement *x, unsigned idx)
{
    struct lg_place at = {.gw = lg_db_gateway_index(&s->db, x->gw), .height = c->info->height, .idx = idx};
    int err = at.gw < 0 ? SG_EUNKNOWN_GATEWAY : tip_height(s, c, &x->tip);
    at.tip_height = c->tip_height;
    if (err == 0)
        err = place_statement(s, c, x, &at);
    for (unsigned i = 0; i < x->nreads && err == 0; i++)
        err = connect_read(s, c, &at, &x->reads[i]);
    for (unsigned i = 0; i < x->ngaps && err == 0; i++)
        err = connect_gap(s, &at, &x->gaps[i]);
    return err != 0 ? err : count(s, &at, x, 1);
}

/* *others: bodies of its (relay, minute) stand on the branch. */
static int has_others(struct lg_sqlite *s, bool *others, int relay, sg_minute min)
{
    sqlite3_stmt *st;
    const int err = lg_db_query(&s->db, &st, LG_SQL_BODY_OTHERS, LG_ARGS(lg_arg_int(relay), lg_arg_int(min)));
    const int row = err != 0 ? err : lg_db_row(st);
    if (row < 0)
        return row;
    lg_db_done(st);
    *others = row > 0;
    return 0;
}

static int place_body(
    struct lg_sqlite *s, struct connecting *c, const struct lg_body *b, const struct lg_place *at)
{
    int64_t id = 0;
    const int err = c->put ? lg_sqlite_add_body(s, &id, b, LG_MARK_SIDE, at) : 0;
    if (id != 0) {
        c->body = &b->digest;
        c->body_id = id;
    }
    if (err != 0 || id != 0)
        return err;
    return run_one(s, LG_SQL_BODY_CONNECT,
        LG_ARGS(lg_arg_hash(&b->digest), lg_arg_int(at->height), lg_arg_int(at->idx)));
}

static int connect_body(struct lg_sqlite *s, struct connecting *c, const struct lg_body *b, unsigned idx)
{
    const int relay = lg_db_relay_index(&s->db, b->relay.p, b->relay.len);
    const struct lg_place at = {.height = c->info->height, .idx = idx};
    bool others = false;
    int err = relay < 0 ? SG_ERELAY : has_others(s, &others, relay, b->min);
    if (err == 0)
        err = place_body(s, c, b, &at);
    if (err == 0 && others)
        err = run_one(s, LG_SQL_CONFLICT_PUT,
            LG_ARGS(lg_arg_int(at.height), lg_arg_int(idx), lg_arg_int(relay), lg_arg_int(b->min)));
    return err;
}

/* The view's state behind the block below height. */
static int paper_below(struct lg_sqlite *s, struct lg_paper_state *prev, int64_t height)
{
    if (s->paper_known && s->paper.index == height) {
        *prev = s->paper;
        return 0;
    }
    const int err = lg_db_paper_state(&s->db, prev, height);
    return err == SG_ENOT_FOUND ? SG_ECORRUPT : err;
}

static int connect_paper(struct lg_sqlite *s, const struct lg_block *b, int64_t height)
{
    struct lg_paper_state prev, state;
    struct sg_buf text;
    sg_buf_init(&text, LG_PAPER_MAX_BYTES);
    int err = paper_below(s, &prev, height);
    if (err == 0)
        err = lg_paper_block(&text, &state, &prev, s->db.genesis, b);
    if (err == 0)
        err = sg_buf_err(&text);
    if (err == 0)
        err = run_one(s, LG_SQL_PAPER_PUT,
            LG_ARGS(lg_arg_int(height + 1), lg_arg_int(state.proof), lg_arg_hash(&state.hash),
                lg_arg_blob(text.p, text.len)));
    s->paper_known = err == 0;
    if (err == 0)
        s->paper = state;
    sg_buf_fini(&text);
    return err;
}

/* 0 when hash is the tip, or the chain id of an empty chain. Only the tip's hash is looked at: what else its row says may be damaged. */
static int check_tip(struct lg_sqlite *s, const struct lg_hash *hash)
{
    sqlite3_stmt *st;
    struct lg_hash tip;
    if (s->tip_known)
        return lg_hash_eq(hash, &s->tip) ? 0 : SG_EINVAL;
    int err = lg_db_first(&s->db, &st, LG_SQL_TIP, NULL, 0);
    if (err == SG_ENOT_FOUND)
        return lg_hash_eq(hash, &s->db.genesis->id) ? 0 : SG_EINVAL;
    if (err != 0)
        return err;
    err = lg_db_column_hash(&tip, st, 0);
    lg_db_done(st);
    return err != 0 ? err : lg_hash_eq(hash, &tip) ? 0 : SG_EINVAL;
}

/* The block's row, with put a new one where there is none. */
static int place_block(struct lg_sqlite *s, const struct connecting *c, const struct lg_block *b)
{
    bool added = false;
    int err = c->put ? put_row(s, &added, b, c->info, true) : 0;
    if (err == 0 && !added)
        err = lg_sqlite_side_leave(s, &c->info->hash);
    if (err != 0 || added)
        return err;
    return run_one(s, LG_SQL_BLOCK_SET_BEST, LG_ARGS(lg_arg_hash(&c->info->hash), lg_arg_int(1)));
}

/* Bodies before statements: a read points at the row of its body, and that must be mined first. */
static int connect_all(
    struct lg_sqlite *s, const struct lg_block *b, const struct lg_block_info *info, bool put)
{
    struct connecting c = {.info = info, .put = put};
    int err = check_tip(s, &info->prev);
    if (err == 0)
        err = place_block(s, &c, b);
    for (unsigned i = 0; i < b->nbodies && err == 0; i++)
        err = connect_body(s, &c, b->bodies[i], b->nstatements + i);
    for (unsigned i = 0; i < b->nstatements && err == 0; i++)
        err = connect_statement(s, &c, b->statements[i], i);
    if (err == 0)
        err = connect_paper(s, b, info->height);
    s->tip = info->hash;
    s->tip_known = err == 0;
    return err;
}

static int connect_block(void *ctx, const struct lg_block *b, const struct lg_block_info *info)
{
    struct lg_sqlite *s = ctx;
    int err = lg_sqlite_writable(s);
    if (err == 0)
        err = connect_all(s, b, info, false);
    return lg_sqlite_note(s, err);
}

static int append_block(void *ctx, const struct lg_block *b, const struct lg_block_info *info)
{
    struct lg_sqlite *s = ctx;
    int err = lg_sqlite_writable(s);
    if (err == 0)
        err = connect_all(s, b, info, true);
    return lg_sqlite_note(s, err);
}

/* ---- disconnect ---- */

static int disconnect_statement(
    struct lg_sqlite *s, const struct lg_statement *x, int64_t height, unsigned idx)
{
    const struct lg_place at = {.gw = lg_db_gateway_index(&s->db, x->gw), .height = height, .idx = idx};
    int err = at.gw < 0 ? SG_EUNKNOWN_GATEWAY
                        : run_one(s, LG_SQL_STATEMENT_DISCONNECT,
                              LG_ARGS(lg_arg_hash(&x->leaf), lg_arg_int(height)));
    for (unsigned i = 0; i < x->nreads && err == 0; i++) {
        const struct lg_read *r = &x->reads[i];
        const int relay = lg_db_relay_index(&s->db, r->relay.p, r->relay.len);
        err = run_one(s, LG_SQL_READ_DELETE,
            LG_ARGS(lg_arg_int(relay), lg_arg_int(r->min), lg_arg_int(at.gw), lg_arg_int(height),
                lg_arg_int(idx)));
    }
    if (err == 0 && x->ngaps > 0)
        err = lg_db_run(
            &s->db, NULL, LG_SQL_GAP_DELETE, LG_ARGS(lg_arg_int(at.gw), lg_arg_int(height), lg_arg_int(idx)));
    return err != 0 ? err : count(s, &at, x, -1);
}

static int disconnect_all(struct lg_sqlite *s, const struct lg_block *b, const struct lg_block_info *info)
{
    const struct lg_arg height = lg_arg_int(info->height);
    int err = check_tip(s, &info->hash);
    s->paper_known = false;
    if (err == 0)
        err = run_one(s, LG_SQL_PAPER_DELETE, LG_ARGS(lg_arg_int(info->height + 1)));
    for (unsigned i = b->nstatements; i-- > 0 && err == 0;)
        err = disconnect_statement(s, b->statements[i], info->height, i);
    for (unsigned i = b->nbodies; i-- > 0 && err == 0;)
        err = run_one(s, LG_SQL_BODY_DISCONNECT, LG_ARGS(lg_arg_hash(&b->bodies[i]->digest), height));
    if (err == 0)
        err = lg_db_run(&s->db, NULL, LG_SQL_CONFLICT_DELETE, LG_ARGS(height));
    if (err == 0)
        err = run_one(s, LG_SQL_BLOCK_SET_BEST, LG_ARGS(lg_arg_hash(&info->hash), lg_arg_int(0)));
    if (err == 0)
        err = lg_sqlite_side_enter(s, &info->hash);
    s->tip = info->prev;
    s->tip_known = err == 0;
    return err;
}

static int disconnect_block(void *ctx, const struct lg_block *b, const struct lg_block_info *info)
{
    struct lg_sqlite *s = ctx;
    int err = lg_sqlite_writable(s);
    if (err == 0)
        err = disconnect_all(s, b, info);
    return lg_sqlite_note(s, err);
}

/* ---- the same rows again ---- */

static int rewrite_bodies(struct lg_sqlite *s, const struct lg_block *b, const struct lg_arg *height)
{
    int err = lg_db_run(&s->db, NULL, LG_SQL_CONFLICT_DELETE, height, 1);
    for (unsigned i = 0; i < b->nbodies && err == 0; i++)
        err = lg_db_run(&s->db, NULL, LG_SQL_REPAIR_BODY_PLACE,
            LG_ARGS(lg_arg_hash(&b->bodies[i]->digest), *height, lg_arg_int(b->nstatements + i)));
    for (unsigned i = 0; i < b->nbodies && err == 0; i++) {
        const struct lg_body *x = b->bodies[i];
        const struct lg_arg relay = lg_arg_int(lg_db_relay_index(&s->db, x->relay.p, x->relay.len));
        struct lg_hash first;
        sqlite3_stmt *st;
        err = lg_db_query(&s->db, &st, LG_SQL_BODY_FIRST, LG_ARGS(relay, lg_arg_int(x->min)));
        const int row = err != 0 ? err : lg_db_row(st);
        if (row <= 0)
            return row < 0 ? row : SG_ECORRUPT;
        err = lg_db_column_hash(&first, st, 0);
        lg_db_done(st);
        if (err == 0 && !lg_hash_eq(&first, &x->digest))
            err = run_one(s, LG_SQL_CONFLICT_PUT,
                LG_ARGS(*height, lg_arg_int(b->nstatements + i), relay, lg_arg_int(x->min)));
    }
    return err;
}

static int rewrite_statement(
    struct lg_sqlite *s, struct connecting *c, const struct lg_statement *x, const struct lg_place *at)
{
    const struct lg_arg gw = lg_arg_int(at->gw), height = lg_arg_int(at->height), idx = lg_arg_int(at->idx);
    int err = tip_height(s, c, &x->tip);
    if (err == 0)
        err = lg_db_run(&s->db, NULL, LG_SQL_REPAIR_STATEMENT_PLACE,
            LG_ARGS(lg_arg_hash(&x->leaf), height, idx, c->tip_height));
    for (unsigned i = 0; i < x->nreads && err == 0; i++) {
        const struct lg_read *r = &x->reads[i];
        const struct lg_arg relay = lg_arg_int(lg_db_relay_index(&s->db, r->relay.p, r->relay.len));
        err =
            lg_db_run(&s->db, NULL, LG_SQL_READ_DELETE, LG_ARGS(relay, lg_arg_int(r->min), gw, height, idx));
        if (err == 0)
            err = connect_read(s, c, at, r);
    }
    if (err == 0)
        err = lg_db_run(&s->db, NULL, LG_SQL_GAP_DELETE, LG_ARGS(gw, height, idx));
    for (unsigned i = 0; i < x->ngaps && err == 0; i++)
        err = connect_gap(s, at, &x->gaps[i]);
    return err;
}

int lg_sqlite_rewrite_rows(struct lg_sqlite *s, const struct lg_block *b, const struct lg_block_info *info)
{
    const struct lg_arg height = lg_arg_int(info->height);
    struct connecting c = {.info = info};
    int err = rewrite_bodies(s, b, &height);
    for (unsigned i = 0; i < b->nstatements && err == 0; i++) {
        const struct lg_statement *x = b->statements[i];
        const struct lg_place at = {
            .gw = lg_db_gateway_index(&s->db, x->gw), .height = info->height, .idx = i};
        err = rewrite_statement(s, &c, x, &at);
    }
    s->paper_known = false; /* of some older block, perhaps */
    if (err == 0)
        err = lg_db_run(&s->db, NULL, LG_SQL_PAPER_DELETE, LG_ARGS(lg_arg_int(info->height + 1)));
    return err != 0 ? err : connect_paper(s, b, info->height);
}

void lg_sqlite_fill_connect(struct lg_store *v)
{
    v->put_block = put_block;
    v->connect = connect_block;
    v->append = append_block;
    v->disconnect = disconnect_block;
}
