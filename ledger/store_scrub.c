/* The walk through the store that finds what is damaged.
 *
 *   blocks (by row) -> statements -> bodies -> reads -> gaps -> first reads -> disputes -> side blocks -> their documents -> counters -> blocks ...
 *
 * Invariant: a step reads one snapshot, changes nothing and comes to its end, whatever the file holds: where a row cannot be read the
 * walk goes on behind it. Blocks come in the order in which they were stored, so a parent is looked at before its children. */
#include "ledger/store_scrub.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/store_scrub_priv.h"

#define GOOD    0
#define DAMAGED 1
#define AT_END  2

enum phase {
    BLOCKS,
    STATEMENTS,
    BODIES,
    READS,
    GAPS,
    FIRST_READS,
    DISPUTES,
    SIDES,
    SIDE_DOCS,
    COUNTERS,
    PHASES
};

struct lg_scrub {
    struct lg_db db;
    const struct sg_crypto *crypto;
    enum phase phase;
    int64_t next; /* row to look at, or position of the gateway */
    int64_t
        skip; /* rows that are passed over when this one cannot be read: doubled each time, 1 after a good one */
    int64_t key[5];      /* READS, GAPS: the last row */
    struct lg_damage at; /* FIRST_READS to SIDE_DOCS: the last row */
};

static void enter(struct lg_scrub *s, enum phase phase)
{
    s->phase = phase == PHASES ? BLOCKS : phase;
    s->next = 0;
    s->skip = 1;
    for (size_t i = 0; i < SG_ARRAY_LEN(s->key); i++)
        s->key[i] = INT64_MIN;
    s->at = (struct lg_damage){.kind = s->phase == FIRST_READS ? LG_DAMAGE_FIRST_READ
                                       : s->phase == DISPUTES  ? LG_DAMAGE_DISPUTE
                                                               : LG_DAMAGE_SIDE,
        .key = {INT64_MIN, s->phase == FIRST_READS ? INT64_MIN : s->phase == SIDE_DOCS}};
}

int lg_scrub_open(struct lg_scrub **out, const char *data_dir, const struct lg_genesis *genesis,
    const struct sg_crypto *crypto, struct sg_fault *fault)
{
    struct lg_scrub *s = calloc(1, sizeof *s);
    if (s == NULL) {
        fault->err = SG_ENOMEM;
        snprintf(fault->text, sizeof fault->text, "%s", sg_err_text(SG_ENOMEM));
        return SG_ENOMEM;
    }
    const int err = lg_db_open(&s->db, data_dir, genesis, false, fault);
    if (err != 0) {
        free(s);
        return err;
    }
    s->crypto = crypto;
    enter(s, BLOCKS);
    *out = s;
    return 0;
}

void lg_scrub_close(struct lg_scrub *s)
{
    if (s == NULL)
        return;
    lg_db_close(&s->db);
    free(s);
}

static int damaged(struct lg_damage *out, enum lg_damage_kind kind, const struct lg_hash *hash)
{
    *out = (struct lg_damage){.kind = kind, .hash = *hash};
    return DAMAGED;
}

/* A fault of the file is known by its place in the walk: phase and row. */
static int placed(const struct lg_scrub *s, struct lg_damage *out, int result)
{
    if (result == DAMAGED && out->kind == LG_DAMAGE_FILE) {
        out->key[0] = (int64_t)s->phase;
        out->key[1] = s->next - 1;
    }
    return result;
}

/* ---- by rows ---- */

/* The first row from s->next on; the walk stands behind it. AT_END: none. */
static int next_row(struct lg_scrub *s, sqlite3_stmt **st, enum lg_sql id)
{
    const int err = lg_db_query(&s->db, st, id, LG_ARGS(lg_arg_int(s->next)));
    const int row = err != 0 ? err : lg_db_row(*st);
    if (row <= 0)
        return row < 0 ? row : AT_END;
    s->next = sqlite3_column_int64(*st, 0) + 1;
    return 0;
}

static int step_block(struct lg_scrub *s, struct lg_damage *out, unsigned *documents)
{
    sqlite3_stmt *st;
    struct lg_hash hash;
    int err = next_row(s, &st, LG_SQL_SCRUB_BLOCK);
    if (err != 0)
        return err;
    err = lg_db_column_hash(&hash, st, 1);
    lg_db_done(st);
    *documents += 1;
    return err != 0 ? err : placed(s, out, lg_scrub_block(&s->db, out, documents, s->crypto, &hash));
}

/* Does the index lead from the hash to this row? */
static int check_index(
    struct lg_scrub *s, bool *good, enum lg_sql id, const struct lg_hash *hash, int64_t row_id)
{
    sqlite3_stmt *st;
    const int err = lg_db_query(&s->db, &st, id, LG_ARGS(lg_arg_hash(hash)));
    if (err != 0)
        return err;
    const int row = lg_db_row(st);
    *good = row > 0 && sqlite3_column_int64(st, 0) == row_id;
    if (row > 0)
        lg_db_done(st);
    return row < 0 ? row : 0;
}

/* A decoded document against its columns. */
static int keys_fit(struct lg_scrub *s, bool *good, sqlite3_stmt *st, bool is_body, const struct sg_buf *doc)
{
    struct lg_statement *x;
    struct lg_body *b;
    const int err =
        is_body ? lg_body_decode(&b, doc->p, doc->len) : lg_statement_decode(&x, doc->p, doc->len);
    *good = false;
    if (err != 0)
        return err == SG_ENOMEM ? err : 0;
    if (is_body) {
        *good = lg_scrub_body_keys(&s->db, st, 3, b);
        lg_body_free(b);
    } else {
        *good = lg_scrub_statement_keys(&s->db, st, 3, x);
        lg_statement_free(x);
    }
    return 0;
}

/* The document of the row in st: its hash, then its columns. */
static int check_row(
    struct lg_scrub *s, bool *good, sqlite3_stmt *st, bool is_body, const struct lg_hash *leaf)
{
    struct lg_hash check;
    struct sg_buf doc;
    int err = 0;
    sg_buf_init(&doc, SIZE_MAX / 4);
    lg_db_column_bytes(&doc, st, 2);
    lg_hash_leaf(&check, doc.p, doc.len);
    *good = lg_hash_eq(&check, leaf);
    if (*good)
        err = keys_fit(s, good, st, is_body, &doc);
    if (sg_buf_err(&doc) != 0)
        err = sg_buf_err(&doc);
    sg_buf_fini(&doc);
    return err;
}

static int step_document(struct lg_scrub *s, struct lg_damage *out, unsigned *documents, bool is_body)
{
    sqlite3_stmt *st;
    struct lg_hash leaf;
    bool good = false, indexed = false;
    int err = next_row(s, &st, is_body ? LG_SQL_SCRUB_BODY : LG_SQL_SCRUB_STATEMENT);
    if (err != 0)
        return err;
    *documents += 1;
    const int64_t id = s->next - 1;
    err = lg_db_column_hash(&leaf, st, 1);
    if (err == 0)
        err = check_row(s, &good, st, is_body, &leaf);
    lg_db_done(st);
    if (err == 0)
        err = check_index(s, &indexed, is_body ? LG_SQL_BODY_ROW : LG_SQL_STATEMENT_ROW, &leaf, id);
    if (err != 0)
        return err;
    if (!indexed)
        return placed(s, out, damaged(out, LG_DAMAGE_FILE, &leaf));
    return good ? GOOD : damaged(out, is_body ? LG_DAMAGE_BODY : LG_DAMAGE_STATEMENT, &leaf);
}

/* ---- rows that follow from nothing ---- */

/* The statement that stands at (gw, height, idx) of the best branch; NULL when there is none, or it cannot be read: then its own row
 * tells. */
static int statement_of(
    struct lg_scrub *s, struct lg_statement **out, bool *known, int64_t gw, int64_t height, int64_t idx)
{
    sqlite3_stmt *st;
    struct lg_hash leaf;
    struct lg_doc_place place;
    struct sg_buf doc;
    *known = false;
    int err = lg_db_query(
        &s->db, &st, LG_SQL_STATEMENT_LEAF_AT, LG_ARGS(lg_arg_int(gw), lg_arg_int(height), lg_arg_int(idx)));
    const int row = err != 0 ? err : lg_db_row(st);
    if (row <= 0) {
        *known = row == 0;
        return row;
    }
    err = lg_db_column_hash(&leaf, st, 0);
    lg_db_done(st);
    sg_buf_init(&doc, SIZE_MAX / 4);
    if (err == 0)
        err = lg_db_document(&s->db, &doc, &place, false, &leaf);
    if (err == 0)
        err = lg_statement_decode(out, doc.p, doc.len);
    *known = err == 0;
    sg_buf_fini(&doc);
    return err == SG_ENOMEM || err == SG_EIO ? err : 0;
}

static bool reads(const struct lg_db *db, const struct lg_statement *x, int64_t relay, int64_t min)
{
    for (unsigned i = 0; i < x->nreads; i++)
        if (x->reads[i].min == min &&
            lg_db_relay_index(db, x->reads[i].relay.p, x->reads[i].relay.len) == relay)
            return true;
    return false;
}

/* One row of read or gap; n columns are its key. */
static int step_follower(struct lg_scrub *s, struct lg_damage *out, bool is_read)
{
    struct lg_statement *x = NULL;
    sqlite3_stmt *st;
    bool known = false;
    const int n = is_read ? 5 : 3;
    const int64_t *k = s->key;
    const struct lg_arg args[] = {
        lg_arg_int(k[0]), lg_arg_int(k[1]), lg_arg_int(k[2]), lg_arg_int(k[3]), lg_arg_int(k[4])};
    int err = lg_db_query(&s->db, &st, is_read ? LG_SQL_SCRUB_READ : LG_SQL_SCRUB_GAP, args, (size_t)n);
    const int row = err != 0 ? err : lg_db_row(st);
    if (row <= 0)
        return row < 0 ? row : AT_END;
    for (int i = 0; i < n; i++)
        s->key[i] = sqlite3_column_int64(st, i);
    lg_db_done(st);
    const int at = is_read ? 2 : 0; /* gw, height, idx */
    err = statement_of(s, &x, &known, k[at], k[at + 1], k[at + 2]);
    const bool good = !known || (x != NULL && (is_read ? reads(&s->db, x, k[0], k[1]) : x->ngaps > 0));
    lg_statement_free(x);
    if (err != 0 || good)
        return err;
    *out = (struct lg_damage){.kind = is_read ? LG_DAMAGE_READ : LG_DAMAGE_GAP};
    memcpy(out->key, s->key, (size_t)n * sizeof out->key[0]);
    return DAMAGED;
}

/* ---- counters ---- */

static int step_counters(struct lg_scrub *s, struct lg_damage *out)
{
    if (s->next >= (int64_t)s->db.genesis->ngateways)
        return AT_END;
    return lg_scrub_check_counters(&s->db, out, (int)s->next++);
}

/* ---- the walk ---- */

static int step(struct lg_scrub *s, struct lg_damage *out, unsigned *documents)
{
    int result;
    switch (s->phase) {
    case BLOCKS:
        return step_block(s, out, documents);
    case STATEMENTS:
        return step_document(s, out, documents, false);
    case BODIES:
        return step_document(s, out, documents, true);
    case READS:
        return step_follower(s, out, true);
    case GAPS:
        return step_follower(s, out, false);
    case FIRST_READS:
    case DISPUTES:
        result = lg_scrub_said(&s->db, &s->at, true);
        *out = s->at;
        return result;
    case SIDES:
    case SIDE_DOCS:
        result = lg_scrub_side_row(&s->db, &s->at, true);
        *out = s->at;
        return result;
    case COUNTERS:
        return step_counters(s, out);
    case PHASES:
        break;
    }
    return AT_END;
}

/* Row numbers given in the three tables, together. */
static int rows(struct lg_scrub *s, int64_t *size)
{
    sqlite3_stmt *st;
    const int err = lg_db_query(&s->db, &st, LG_SQL_SCRUB_SIZE, NULL, 0);
    const int row = err != 0 ? err : lg_db_row(st);
    if (row <= 0)
        return row < 0 ? row : SG_ECORRUPT;
    *size = sqlite3_column_int64(st, 0);
    lg_db_done(st);
    return 0;
}

/* A page that cannot be read: on behind it. Rows by keys cannot be counted on, so their walk ends. */
static int pass_over(struct lg_scrub *s, struct lg_damage *out)
{
    const bool first = s->skip == 1;
    int64_t size;
    *out = (struct lg_damage){.kind = LG_DAMAGE_FILE, .key = {(int64_t)s->phase, s->next}};
    if (rows(s, &size) != 0)
        size = s->next; /* not even the ends of the tables: nothing more to be had here */
    s->next += s->skip;
    s->skip *= 2;
    if (s->phase >= READS || s->next > size)
        enter(s, s->phase + 1);
    return first ? DAMAGED : GOOD;
}

static int step_in_snapshot(struct lg_scrub *s, struct lg_damage *out, unsigned *documents)
{
    struct lg_damage noted;
    const int64_t at = s->next;
    int result = lg_db_begin_read(&s->db);
    if (result == 0)
        result = step(s, out, documents);
    (void)lg_db_take_damage(&s->db, &noted);
    if (lg_db_roll_back(&s->db) != 0)
        return SG_EIO;
    const bool unreadable = result == SG_ECORRUPT || result == SG_EIO;
    if (unreadable && s->next == at)
        return pass_over(s, out);
    if (unreadable)
        return placed(s, out, damaged(out, LG_DAMAGE_FILE, &(struct lg_hash){{0}}));
    s->skip = result == GOOD ? 1 : s->skip;
    return result;
}

int lg_scrub_step(struct lg_scrub *s, unsigned *documents, bool *over, lg_scrub_fn *found, void *arg)
{
    struct lg_damage d;
    *documents = 0;
    *over = false;
    /* What the connection remembers is not what is on the disk. */
    (void)sqlite3_db_release_memory(s->db.h);
    const int result = step_in_snapshot(s, &d, documents);
    if (result == DAMAGED)
        found(arg, &d);
    if (result == AT_END) {
        *over = s->phase == COUNTERS;
        enter(s, s->phase + 1);
    }
    return result < 0 ? result : 0;
}

int64_t lg_scrub_size(struct lg_scrub *s)
{
    int64_t size;
    return rows(s, &size) == 0 && size > 0 ? size : 1;
}

/* ---- a single one ---- */

static int look_document(struct lg_scrub *s, struct lg_damage *out, const struct lg_damage *d)
{
    sqlite3_stmt *st;
    const bool is_body = d->kind == LG_DAMAGE_BODY;
    const int err = lg_db_query(
        &s->db, &st, is_body ? LG_SQL_BODY_ROW : LG_SQL_STATEMENT_ROW, LG_ARGS(lg_arg_hash(&d->hash)));
    const int row = err != 0 ? err : lg_db_row(st);
    if (row <= 0)
        return row < 0 ? row : damaged(out, d->kind, &d->hash);
    unsigned documents = 0;
    s->phase = is_body ? BODIES : STATEMENTS;
    s->next = sqlite3_column_int64(st, 0);
    lg_db_done(st);
    return step_document(s, out, &documents, is_body);
}

/* A block by its hash, as the walk would look at it. */
static int look_block(struct lg_scrub *s, struct lg_damage *out, const struct lg_hash *hash)
{
    sqlite3_stmt *st;
    unsigned documents = 0;
    int err = lg_db_first(&s->db, &st, LG_SQL_BLOCK_ID, LG_ARGS(lg_arg_hash(hash)));
    if (err != 0)
        return err == SG_ENOT_FOUND ? GOOD : err; /* given up meanwhile (store_side.c) */
    s->phase = BLOCKS;
    s->next = sqlite3_column_int64(st, 0);
    lg_db_done(st);
    return step_block(s, out, &documents);
}

/* The place in the walk where the file was at fault. Rows by keys have no numbers: their table is read through. */
static int look_file(struct lg_scrub *s, struct lg_damage *out, const struct lg_damage *d)
{
    static const enum lg_sql tables[PHASES] = {[READS] = LG_SQL_THROUGH_READ,
        [GAPS] = LG_SQL_THROUGH_GAP,
        [FIRST_READS] = LG_SQL_THROUGH_FIRST_READ,
        [DISPUTES] = LG_SQL_THROUGH_DISPUTE,
        [SIDES] = LG_SQL_THROUGH_SIDE,
        [SIDE_DOCS] = LG_SQL_THROUGH_SIDE_DOC};
    sqlite3_stmt *st;
    unsigned documents = 0;
    if (d->key[0] < BLOCKS || d->key[0] >= PHASES)
        return DAMAGED;
    s->phase = (enum phase)d->key[0];
    s->next = d->key[1];
    if (s->phase < READS || s->phase == COUNTERS) {
        const int result = step(s, out, &documents);
        return result == AT_END ? GOOD : result;
    }
    const int err = lg_db_first(&s->db, &st, tables[s->phase], NULL, 0);
    if (err == 0)
        lg_db_done(st);
    return err;
}

static int look(struct lg_scrub *s, struct lg_damage *out, const struct lg_damage *d)
{
    struct lg_damage at = *d;
    switch (d->kind) {
    case LG_DAMAGE_STATEMENT:
    case LG_DAMAGE_BODY:
        return look_document(s, out, d);
    case LG_DAMAGE_BLOCK:
    case LG_DAMAGE_ROWS:
        return look_block(s, out, &d->hash);
    case LG_DAMAGE_FIRST_READ:
    case LG_DAMAGE_DISPUTE:
        return lg_scrub_said(&s->db, &at, false);
    case LG_DAMAGE_COUNTERS:
        return lg_scrub_check_counters(&s->db, out, (int)d->key[0]);
    case LG_DAMAGE_READ:
    case LG_DAMAGE_GAP:
    case LG_DAMAGE_SIDE: /* gone with the repair, or found by the next pass */
        return GOOD;
    case LG_DAMAGE_FILE:
        return look_file(s, out, d);
    case LG_DAMAGE_KINDS:
        break;
    }
    return DAMAGED;
}

bool lg_scrub_is_damaged(struct lg_scrub *s, const struct lg_damage *d, lg_scrub_fn *found, void *arg)
{
    struct lg_damage out = *d, noted;
    const enum phase phase = s->phase; /* the walk stays where it is */
    const int64_t next = s->next;
    (void)sqlite3_db_release_memory(s->db.h);
    int result = lg_db_begin_read(&s->db);
    if (result == 0)
        result = look(s, &out, d);
    s->phase = phase;
    s->next = next;
    (void)lg_db_take_damage(&s->db, &noted);
    if (lg_db_roll_back(&s->db) != 0)
        return true;
    const bool same = out.kind == d->kind && lg_hash_eq(&out.hash, &d->hash) &&
                      (out.kind != LG_DAMAGE_FILE || memcmp(out.key, d->key, sizeof out.key) == 0);
    if (result == DAMAGED && !same)
        found(arg, &out);
    return result == DAMAGED ? same : result != GOOD;
}
