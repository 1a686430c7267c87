/* Minutes: which body answers for a (relay, minute), who read it, who disagrees.
 *
 * The rule (section 5 of the contract): of one gateway the first read on the branch counts; the answer is the
 * digest that more distinct gateways read with live > 0, then more gateways, then the one included first. A disagreement
 * never disappears: conflict is set as soon as two bodies of the minute are on the branch. */
#include <sqlite3.h>
#include <string.h>

#include "ledger/store_reader.h"

/* One candidate for the answer. */
struct candidate {
    int64_t id; /* row of the body */
    struct lg_hash digest;
    int64_t height;
    unsigned index;
    unsigned live, all; /* gateways that read it first, live > 0 and any */
};

/* The first reads of one minute, while they are counted. */
struct tally {
    unsigned nreads, ncandidates;
    struct {
        unsigned gw; /* position in the genesis */
        unsigned candidate;
        uint8_t live;
        int64_t height;
        unsigned index;
    } reads[LG_MAX_GATEWAYS];
    struct candidate candidates[LG_MAX_GATEWAYS];
};

static unsigned candidate_of(struct tally *t, int64_t body)
{
    unsigned i = 0;
    while (i < t->ncandidates && t->candidates[i].id != body)
        i++;
    if (i == t->ncandidates)
        t->candidates[t->ncandidates++] = (struct candidate){.id = body};
    return i;
}

static int count_row(struct lg_reader *r, struct tally *t, sqlite3_stmt *st)
{
    const int64_t gw = sqlite3_column_int64(st, 0);
    if (gw < 0 || gw >= (int64_t)r->db.genesis->ngateways)
        return SG_ECORRUPT;
    if (t->nreads > 0 && t->reads[t->nreads - 1].gw == (unsigned)gw)
        return 0; /* rows are sorted by gateway and place: a later read of the same one */
    const unsigned c = candidate_of(t, sqlite3_column_int64(st, 3));
    const int live = sqlite3_column_int(st, 4);
    t->candidates[c].all++;
    if (live > 0)
        t->candidates[c].live++;
    t->reads[t->nreads].gw = (unsigned)gw;
    t->reads[t->nreads].candidate = c;
    t->reads[t->nreads].live = (uint8_t)live;
    t->reads[t->nreads].height = sqlite3_column_int64(st, 1);
    t->reads[t->nreads].index = (unsigned)sqlite3_column_int64(st, 2);
    t->nreads++;
    return 0;
}

static int count_reads(struct lg_reader *r, struct tally *t, int relay, sg_minute min)
{
    sqlite3_stmt *st;
    t->nreads = t->ncandidates = 0;
    int err = lg_db_query(&r->db, &st, LG_SQL_READS_OF_MINUTE, LG_ARGS(lg_arg_int(relay), lg_arg_int(min)));
    if (err != 0)
        return err;
    int row;
    while ((row = lg_db_row(st)) > 0) {
        err = count_row(r, t, st);
        if (err != 0) {
            lg_db_done(st);
            return err;
        }
    }
    return row;
}

static int place_candidate(struct lg_reader *r, struct candidate *c)
{
    sqlite3_stmt *st;
    int err = lg_db_first(&r->db, &st, LG_SQL_BODY_PLACE_BY_ID, LG_ARGS(lg_arg_int(c->id)));
    if (err != 0)
        return err == SG_ENOT_FOUND ? SG_ECORRUPT : err;
    err = lg_db_column_hash(&c->digest, st, 0);
    c->height = sqlite3_column_int64(st, 1);
    c->index = (unsigned)sqlite3_column_int64(st, 2);
    lg_db_done(st);
    return err;
}

static bool better(const struct candidate *a, const struct candidate *b)
{
    if (a->live != b->live)
        return a->live > b->live;
    if (a->all != b->all)
        return a->all > b->all;
    return a->height != b->height ? a->height < b->height : a->index < b->index;
}

static int choose(struct lg_reader *r, struct tally *t, unsigned *best)
{
    *best = 0;
    for (unsigned i = 0; i < t->ncandidates; i++) {
        const int err = place_candidate(r, &t->candidates[i]);
        if (err != 0)
            return err;
        if (better(&t->candidates[i], &t->candidates[*best]))
            *best = i;
    }
    return 0;
}

static int leaf_at(struct lg_reader *r, struct lg_hash *leaf, unsigned gw, int64_t height, unsigned index)
{
    sqlite3_stmt *st;
    int err = lg_db_first(&r->db, &st, LG_SQL_STATEMENT_LEAF_AT,
        LG_ARGS(lg_arg_int(gw), lg_arg_int(height), lg_arg_int(index)));
    if (err != 0)
        return err == SG_ENOT_FOUND ? SG_ECORRUPT : err;
    err = lg_db_column_hash(leaf, st, 0);
    lg_db_done(st);
    return err;
}

/* by[]: first those that read the answer, then the others. */
static void fill_witnesses(
    const struct lg_reader *r, struct lg_minute *out, const struct tally *t, unsigned best)
{
    unsigned n = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < t->nreads; i++) {
            if ((t->reads[i].candidate == best) != (pass == 0))
                continue;
            out->by[n++] = (struct lg_attestation){.gw = r->db.genesis->gateways[t->reads[i].gw].id,
                .live = t->reads[i].live,
                .digest = t->candidates[t->reads[i].candidate].digest,
                .height = t->reads[i].height,
                .index = t->reads[i].index};
        }
        if (pass == 0)
            out->attested = n;
    }
    out->witnesses = n;
}

int lg_reader_attested_leaf(struct lg_reader *r, struct lg_hash *leaf, const struct lg_attestation *a)
{
    const int gw = lg_db_gateway_index(&r->db, a->gw);
    return gw < 0 ? SG_EINVAL : leaf_at(r, leaf, (unsigned)gw, a->height, a->index);
}

static int has_conflict(struct lg_reader *r, bool *out, int relay, sg_minute min)
{
    sqlite3_stmt *st;
    int err = lg_db_query(&r->db, &st, LG_SQL_BODY_OTHERS, LG_ARGS(lg_arg_int(relay), lg_arg_int(min)));
    if (err != 0)
        return err;
    int n = 0, row;
    while ((row = lg_db_row(st)) > 0)
        n++;
    *out = n > 1;
    return row;
}

/* The greatest height that a gateway named as tip on this branch; -1 none. A statement names a block below its own, so of the latest ones a
 * few are looked at, as a rule one; all, in their index, of a gateway that has only ever named old blocks. */
static int greatest_tip(struct lg_reader *r, int64_t *seen, unsigned g)
{
    sqlite3_stmt *st;
    const int err = lg_db_query(&r->db, &st, LG_SQL_SEEN, LG_ARGS(lg_arg_int(g)));
    int row = err != 0 ? err : lg_db_row(st);
    for (*seen = -1; row > 0 && sqlite3_column_int64(st, 0) > *seen + 1; row = lg_db_row(st))
        if (sqlite3_column_type(st, 1) != SQLITE_NULL && sqlite3_column_int64(st, 1) > *seen)
            *seen = sqlite3_column_int64(st, 1);
    if (row > 0)
        lg_db_done(st);
    return row < 0 ? row : 0;
}

/* Once a snapshot, not once a minute. */
static int load_seen(struct lg_reader *r)
{
    for (unsigned g = 0; g < r->db.genesis->ngateways; g++) {
        const int err = greatest_tip(r, &r->seen[g], g);
        if (err != 0)
            return err;
    }
    r->has_seen = !sqlite3_get_autocommit(r->db.h);
    return 0;
}

static int count_seen(struct lg_reader *r, unsigned *out, int64_t height)
{
    if (!r->has_seen) {
        const int err = load_seen(r);
        if (err != 0)
            return err;
    }
    unsigned n = 0;
    for (unsigned g = 0; g < r->db.genesis->ngateways; g++)
        n += r->seen[g] >= height;
    *out = n;
    return 0;
}

int lg_reader_minute(struct lg_reader *r, struct lg_minute *out, const char *relay, sg_minute min)
{
    struct tally t;
    struct lg_block_info tip;
    unsigned best = 0;
    const int index = lg_db_relay_index(&r->db, relay, strlen(relay));
    if (index < 0)
        return SG_ENOT_FOUND;
    const struct lg_relay *registered = &r->db.genesis->relays[index];
    int err = count_reads(r, &t, index, min);
    if (err == 0 && t.nreads == 0)
        return SG_ENOT_FOUND;
    if (err == 0)
        err = choose(r, &t, &best);
    if (err == 0)
        err = lg_db_tip(&r->db, &tip);
    if (err != 0)
        return err;
    memcpy(out->relay, registered->id, sizeof out->relay);
    out->min = min;
    out->digest = t.candidates[best].digest;
    out->height = t.candidates[best].height;
    out->confirmations = tip.height - out->height + 1;
    out->of = lg_relay_reader_count(r->db.genesis, registered);
    err = lg_db_hash_at(&r->db, &out->block, out->height);
    if (err == 0)
        err = has_conflict(r, &out->conflict, index, min);
    fill_witnesses(r, out, &t, best);
    return err != 0 ? err : count_seen(r, &out->seen_by, out->height);
}

struct minutes {
    lg_reader_minute_fn *fn;
    void *arg;
};

static int minute_of_row(void *arg, sqlite3_stmt *st)
{
    const struct minutes *m = arg;
    return m->fn(m->arg, sqlite3_column_int64(st, 0));
}

static int each_minute(struct lg_reader *r, enum lg_sql id, const char *relay, sg_minute from, sg_minute to,
    unsigned limit, struct minutes m)
{
    const int index = lg_db_relay_index(&r->db, relay, strlen(relay));
    if (index < 0)
        return SG_ENOT_FOUND;
    return lg_db_each(&r->db, id,
        LG_ARGS(lg_arg_int(index), lg_arg_int(from), lg_arg_int(to), lg_arg_int(limit)), minute_of_row, &m);
}

int lg_reader_minutes(struct lg_reader *r, const char *relay, sg_minute from, sg_minute to, bool descending,
    unsigned limit, lg_reader_minute_fn *fn, void *arg)
{
    return each_minute(r, descending ? LG_SQL_MINUTES_DOWN : LG_SQL_MINUTES_UP, relay, from, to, limit,
        (struct minutes){fn, arg});
}

int lg_reader_pooled_minutes(struct lg_reader *r, const char *relay, sg_minute from, sg_minute to,
    bool descending, unsigned limit, lg_reader_minute_fn *fn, void *arg)
{
    return each_minute(r, descending ? LG_SQL_POOLED_MINUTES_DOWN : LG_SQL_POOLED_MINUTES_UP, relay, from, to,
        limit, (struct minutes){fn, arg});
}

/* All rows of a query about one (relay, minute). */
static int each_of_minute(
    struct lg_reader *r, enum lg_sql id, const char *relay, sg_minute min, lg_db_row_fn *fn, void *arg)
{
    const int index = lg_db_relay_index(&r->db, relay, strlen(relay));
    if (index < 0)
        return SG_ENOT_FOUND;
    return lg_db_each(&r->db, id, LG_ARGS(lg_arg_int(index), lg_arg_int(min)), fn, arg);
}

struct digests {
    lg_reader_digest_fn *fn;
    void *arg;
};

static int digest_of_row(void *arg, sqlite3_stmt *st)
{
    const struct digests *d = arg;
    struct lg_hash digest;
    const int err = lg_db_column_hash(&digest, st, 0);
    return err != 0 ? err : d->fn(d->arg, &digest);
}

int lg_reader_pooled_bodies(
    struct lg_reader *r, const char *relay, sg_minute min, lg_reader_digest_fn *fn, void *arg)
{
    struct digests d = {fn, arg};
    return each_of_minute(r, LG_SQL_BODY_POOL_OF_MINUTE, relay, min, digest_of_row, &d);
}

struct conflicts {
    const struct lg_genesis *genesis;
    lg_reader_conflict_fn *fn;
    void *arg;
};

static int conflict_of_row(void *arg, sqlite3_stmt *st)
{
    const struct conflicts *all = arg;
    const int64_t relay = sqlite3_column_int64(st, 2);
    if (relay < 0 || relay >= (int64_t)all->genesis->nrelays)
        return SG_ECORRUPT;
    const struct lg_reader_conflict c = {.height = sqlite3_column_int64(st, 0),
        .index = (unsigned)sqlite3_column_int64(st, 1),
        .relay = all->genesis->relays[relay].id,
        .min = sqlite3_column_int64(st, 3)};
    return all->fn(all->arg, &c);
}

int lg_reader_conflicts(
    struct lg_reader *r, int64_t height, unsigned index, unsigned limit, lg_reader_conflict_fn *fn, void *arg)
{
    struct conflicts all = {r->db.genesis, fn, arg};
    return lg_db_each(&r->db, LG_SQL_CONFLICTS,
        LG_ARGS(lg_arg_int(height), lg_arg_int(index), lg_arg_int(limit)), conflict_of_row, &all);
}

struct bodies {
    lg_reader_body_fn *fn;
    void *arg;
};

static int body_of_row(void *arg, sqlite3_stmt *st)
{
    const struct bodies *all = arg;
    struct lg_hash digest;
    const int err = lg_db_column_hash(&digest, st, 0);
    if (err != 0)
        return err;
    return all->fn(all->arg, &digest, sqlite3_column_int64(st, 1), (unsigned)sqlite3_column_int64(st, 2));
}

int lg_reader_bodies_of(
    struct lg_reader *r, const char *relay, sg_minute min, lg_reader_body_fn *fn, void *arg)
{
    struct bodies all = {fn, arg};
    return each_of_minute(r, LG_SQL_BODY_OF_MINUTE, relay, min, body_of_row, &all);
}

struct reads {
    struct lg_reader *r;
    lg_reader_read_fn *fn;
    void *arg;
};

static int read_of_row(void *arg, sqlite3_stmt *st)
{
    const struct reads *all = arg;
    const int64_t gw = sqlite3_column_int64(st, 0);
    struct candidate c = {.id = sqlite3_column_int64(st, 3)};
    struct lg_attestation a;
    if (gw < 0 || gw >= (int64_t)all->r->db.genesis->ngateways)
        return SG_ECORRUPT;
    a.gw = all->r->db.genesis->gateways[gw].id;
    a.height = sqlite3_column_int64(st, 1);
    a.index = (unsigned)sqlite3_column_int64(st, 2);
    a.live = (uint8_t)sqlite3_column_int(st, 4);
    int err = place_candidate(all->r, &c);
    if (err == 0)
        err = leaf_at(all->r, &a.statement, (unsigned)gw, a.height, a.index);
    a.digest = c.digest;
    return err != 0 ? err : all->fn(all->arg, &a);
}

int lg_reader_reads_of(
    struct lg_reader *r, const char *relay, sg_minute min, lg_reader_read_fn *fn, void *arg)
{
    struct reads all = {r, fn, arg};
    return each_of_minute(r, LG_SQL_READS_OF_MINUTE, relay, min, read_of_row, &all);
}
