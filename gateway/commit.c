/* The offering of statements.
 *
 * Invariant: a node's cursor passes a statement only when the node has acknowledged or refused it. Nodes share nothing but the
 * outbox: one that hangs holds up only itself.
 * Refuses: answers that do not account for what was offered; they count as no answer. */
#include "gateway/commit.h"
#include "lg_client.h"
#include "sg_log.h"

#include <assert.h>
#include <stdlib.h>

#define BATCH_BYTES     (512u << 10) /* a request stops growing here; one statement always fits */
#define PATIENCE_MIN_MS INT64_C(250) /* real */
#define PATIENCE_MAX_MS INT64_C(15000)
#define CALL_TIMEOUT_MS 8000
#define ANSWER_BYTES    (64u << 10)

static const char part[] = "commit";

struct target {
    struct gw_commit *owner;
    unsigned number;
    const char *url;
    bool busy;
    int64_t next;      /* id of the first statement that it has neither taken nor refused */
    int64_t all_until; /* below this id mined statements are offered too: it missed some */
    int64_t gap_step;  /* how far the last gap went back */
    bool single;       /* a whole request was refused: one statement at a time */
    sg_ms retry_ms;    /* monotonic; nothing is offered before */
    sg_ms patience_ms;
    int last_err; /* told once */
    unsigned n;   /* of the request under way */
    struct gw_said_row rows[GW_OUTBOX_BATCH];
};

struct gw_commit {
    struct gw_commit_config config;
    struct target targets[];
};

int gw_commit_new(struct gw_commit **out, const struct gw_commit_config *config)
{
    struct gw_commit *c = calloc(1, sizeof *c + config->n * sizeof c->targets[0]);

    if (!c)
        return SG_ENOMEM;
    c->config = *config;
    for (unsigned i = 0; i < config->n; i++) {
        c->targets[i].owner = c;
        c->targets[i].number = i;
        c->targets[i].url = config->urls[i];
        c->targets[i].patience_ms = PATIENCE_MIN_MS;
    }
    *out = c;
    return 0;
}

void gw_commit_free(struct gw_commit *c)
{
    free(c);
}

static sg_ms mono(const struct gw_commit *c)
{
    return c->config.clock->mono_ms(c->config.clock);
}

/* 0 or SG_ENOT_FOUND pass; a full disk is for later; the rest ends the process. */
static void check_outbox(struct gw_commit *c, int err)
{
    if (err == SG_EIO || err == SG_ECORRUPT)
        c->config.broken(c->config.ctx, err);
    else if (err && err != SG_ENOT_FOUND)
        sg_log(SG_LOG_WARN, part, "outbox: %s", sg_err_text(err));
}

static void be_patient(struct target *t, int err)
{
    if (err != t->last_err)
        sg_log(SG_LOG_WARN, part, "%s: statements wait: %s", t->url, sg_err_text(err));
    t->last_err = err;
    t->retry_ms = mono(t->owner) + t->patience_ms;
    t->patience_ms = t->patience_ms * 2 < PATIENCE_MAX_MS ? t->patience_ms * 2 : PATIENCE_MAX_MS;
}

static void be_content(struct target *t)
{
    if (t->last_err)
        sg_log(SG_LOG_INFO, part, "%s: takes statements again", t->url);
    t->last_err = 0;
    t->patience_ms = PATIENCE_MIN_MS;
}

/* ---- the request ---- */

/* Fill rows and n: a few statements from the cursor on, together at most BATCH_BYTES unless it is one. */
static int choose(struct target *t)
{
    struct gw_outbox *o = t->owner->config.outbox;
    unsigned max = t->single ? 1 : GW_OUTBOX_BATCH;
    int64_t from = t->next;
    size_t total = 0;

    for (t->n = 0; t->n < max; t->n++) {
        struct gw_said_row *row = &t->rows[t->n];
        size_t bytes;
        int err = gw_outbox_next(o, row, from, from < t->all_until);

        if (!err)
            err = gw_outbox_size(o, row->id, &bytes);
        if (err)
            return err == SG_ENOT_FOUND ? 0 : err;
        total += bytes;
        if (t->n > 0 && total > BATCH_BYTES)
            return 0;
        from = row->id + 1;
    }
    return 0;
}

struct body_writer {
    struct sg_buf *out;
    bool more;
};

static int put_body(void *ctx, const uint8_t *doc, size_t len)
{
    struct body_writer *w = ctx;

    if (w->more)
        sg_buf_put_u8(w->out, ',');
    w->more = true;
    sg_buf_put(w->out, doc, len);
    return sg_buf_err(w->out);
}

/* {"bodies":[…],"statements":[…]} straight from the outbox. */
static int encode(struct target *t, struct sg_buf *out)
{
    struct gw_outbox *o = t->owner->config.outbox;
    struct body_writer w = {.out = out};
    int err = 0;

    sg_buf_puts(out, "{\"bodies\":[");
    for (unsigned i = 0; i < t->n && !err; i++)
        err = gw_outbox_bodies(o, t->rows[i].id, put_body, &w);
    sg_buf_puts(out, "],\"statements\":[");
    for (unsigned i = 0; i < t->n && !err; i++) {
        if (i > 0)
            sg_buf_put_u8(out, ',');
        err = gw_outbox_doc(o, out, t->rows[i].id);
    }
    sg_buf_puts(out, "]}");
    return err ? err : sg_buf_err(out);
}

static void done(void *ctx, struct sg_http_answer *answer);

static int send(struct target *t)
{
    const struct gw_commit_config *config = &t->owner->config;
    char url[LG_CLIENT_URL_SIZE];
    struct sg_http_call call = {.url = url, .max_answer = ANSWER_BYTES, .timeout_ms = CALL_TIMEOUT_MS};
    struct sg_buf body;
    int err = lg_client_offer_url(url, t->url);

    if (err)
        return err;
    sg_buf_init(&body, (size_t)config->genesis->policy.max_block_bytes + BATCH_BYTES);
    err = encode(t, &body);
    call.post = body.p;
    call.post_len = body.len;
    if (!err)
        err = sg_http_client_start(config->http, &call, done, t);
    sg_buf_fini(&body);
    t->busy = !err;
    return err;
}

/* ---- the answer ---- */

static void acknowledged(struct target *t, const struct gw_said_row *row)
{
    if (!row->acknowledged || row->said == GW_SAID_MADE)
        check_outbox(t->owner, gw_outbox_acknowledge(t->owner->config.outbox, row->id));
}

/* Its predecessor is unknown there: go back 1, 2, 4 ... statements, to the first of the incarnation that is kept. */
static bool step_back(struct target *t, const struct gw_said_row *row)
{
    struct gw_said_row earlier;
    int err = SG_ENOT_FOUND;

    t->gap_step = t->gap_step > 0 ? t->gap_step * 2 : 1;
    for (int64_t step = t->gap_step; step > 0 && err == SG_ENOT_FOUND; step /= 2)
        err = gw_outbox_find_seq(
            t->owner->config.outbox, &earlier, row->inc, row->seq > step ? row->seq - step : 1);
    check_outbox(t->owner, err);
    if (err || earlier.id >= row->id)
        return false;
    if (t->all_until < row->id)
        t->all_until = row->id;
    t->next = earlier.id;
    return true;
}

/* What follows from a refusal; true when the statements after it may go on now. */
static bool refused(struct target *t, const struct gw_said_row *row, int err)
{
    switch (err) {
    case SG_EFUTURE:
    case SG_EOVERLOADED:
    case SG_ENOT_READY:
        be_patient(t, err);
        return false;
    case SG_EGAP:
        if (row->id != t->rows[0].id) { /* the one before it was refused in this very request */
            t->next = row->id;
            return false;
        }
        if (step_back(t, row))
            return false;
        break; /* nothing earlier is kept */
    default:
        break;
    }
    t->next = row->id + 1;
    t->gap_step = 0;
    /* do not hammer a node that keeps saying so: the statement stays, and what follows it leads back to it */
    if (!t->owner->config.refused(t->owner->config.ctx, t->number, row, err) || err == SG_EGAP)
        be_patient(t, err);
    return true;
}

static void judge(struct target *t, const struct lg_client_offer *o)
{
    unsigned r = 0;

    for (unsigned i = 0; i < t->n; i++) {
        if (r < o->nrejected && o->rejected[r].index == i) {
            if (!refused(t, &t->rows[i], o->rejected[r++].err))
                return;
            continue;
        }
        acknowledged(t, &t->rows[i]);
        t->next = t->rows[i].id + 1;
        t->gap_step = 0;
        be_content(t);
    }
}

/* The whole request was refused by its form or size: one by one it will show which statement it is. */
static bool is_form(int err)
{
    return err == SG_ECANONICAL || err == SG_ESHAPE || err == SG_ETOO_LARGE || err == SG_ESIZE;
}

static void done(void *ctx, struct sg_http_answer *answer)
{
    struct target *t = ctx;
    struct lg_client_offer offer;
    int err;

    if (answer->err == SG_ESTOPPED)
        return;
    t->busy = false;
    err = lg_client_offer_parse(&offer, answer, t->n);
    if (!err) {
        judge(t, &offer);
        t->single = false;
    } else if (is_form(err) && !answer->err && t->n > 1) {
        t->single = true;
    } else if (is_form(err) && !answer->err) {
        (void)refused(t, &t->rows[0], err);
        t->single = false;
    } else {
        be_patient(t, err);
    }
    gw_commit_kick(t->owner);
}

/* ---- the owner's side ---- */

void gw_commit_kick(struct gw_commit *c)
{
    sg_ms now = mono(c);

    for (unsigned i = 0; i < c->config.n; i++) {
        struct target *t = &c->targets[i];
        int err;

        if (t->busy || now < t->retry_ms)
            continue;
        err = choose(t);
        if (!err && t->n > 0)
            err = send(t);
        if (err == SG_EIO || err == SG_ECORRUPT)
            check_outbox(c, err);
        else if (err)
            be_patient(t, err);
    }
}

sg_ms gw_commit_wake_ms(const struct gw_commit *c)
{
    sg_ms now = mono(c), wake = INT64_MAX;

    for (unsigned i = 0; i < c->config.n; i++) {
        const struct target *t = &c->targets[i];

        if (!t->busy && t->retry_ms > now && t->retry_ms < wake)
            wake = t->retry_ms;
    }
    return wake;
}

void gw_commit_rewind(struct gw_commit *c, unsigned ledger, int64_t id)
{
    assert(ledger < c->config.n);
    if (id < c->targets[ledger].next)
        c->targets[ledger].next = id;
}
