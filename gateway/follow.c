/* Rounds of "where is this statement?".
 *
 * Invariant: a place is noted only from a whole, fitting answer; an error ends the round and changes nothing. */
#include "gateway/follow.h"
#include "sg_log.h"

#include <string.h>

#define CALL_TIMEOUT_MS 5000       /* real */
#define ANSWER_BYTES    (3u << 20) /* a statement of LG_MAX_ENTRIES entries, and its place */

static const char part[] = "follow";

static void ask_next(struct gw_follow *f);

static void outbox_failed(struct gw_follow *f, int err)
{
    if (err == SG_EIO || err == SG_ECORRUPT)
        f->broken(f->ctx, err);
    else
        sg_log(SG_LOG_WARN, part, "outbox: %s", sg_err_text(err));
}

static enum gw_said said_of(enum lg_place place)
{
    static const enum gw_said table[] = {[LG_PLACE_POOLED] = GW_SAID_POOLED,
        [LG_PLACE_MINED] = GW_SAID_MINED,
        [LG_PLACE_CONFIRMED] = GW_SAID_CONFIRMED,
        [LG_PLACE_OVERTAKEN] = GW_SAID_DEAD};

    return table[place];
}

/* Note where it is. 0, or an error of the outbox. */
static int note(struct gw_follow *f, const struct gw_said_row *row, enum gw_said said, int64_t height)
{
    int err;

    if (row->said == GW_SAID_CONFIRMED && (said != GW_SAID_CONFIRMED || height != row->height))
        f->moved = true;
    if (said == GW_SAID_MADE)
        f->missing(f->ctx, row);
    if (said == row->said && height == row->height)
        return 0;
    err = gw_outbox_set_said(f->outbox, row->id, said, said != GW_SAID_MADE, height);
    if (err == SG_ENOT_FOUND) /* pruned or given up meanwhile */
        return 0;
    if (!err && said == GW_SAID_DEAD)
        f->overtaken(f->ctx, row);
    return err;
}

static void done(void *ctx, struct sg_http_answer *answer)
{
    struct gw_follow *f = ctx;
    const struct gw_said_row *row = &f->rows[f->at];
    enum lg_place place;
    struct lg_hash block;
    int64_t height;
    int err;

    if (answer->err == SG_ESTOPPED)
        return;
    err = lg_client_statement_parse(&place, &height, &block, answer);
    if (err && err != SG_ENOT_FOUND) {
        f->url = NULL;
        return;
    }
    if (err == SG_ENOT_FOUND)
        err = note(f, row, GW_SAID_MADE, 0);
    else
        err = note(f, row, said_of(place), height);
    if (err)
        outbox_failed(f, err);
    f->at++;
    ask_next(f);
}

static void ask_next(struct gw_follow *f)
{
    char url[LG_CLIENT_URL_SIZE];
    struct sg_http_call call = {.url = url, .max_answer = ANSWER_BYTES, .timeout_ms = CALL_TIMEOUT_MS};

    if (f->at == f->n || lg_client_statement_url(url, f->url, &f->rows[f->at].leaf) ||
        sg_http_client_start(f->http, &call, done, f))
        f->url = NULL;
}

void gw_follow_ask(struct gw_follow *f, const char *url, sg_minute slot)
{
    unsigned deep = f->moved ? GW_FOLLOW_MAX / 2 : GW_FOLLOW_DEEP;
    int err;

    if (f->url)
        return;
    err = gw_outbox_to_follow(f->outbox, f->rows, GW_FOLLOW_MAX, deep, &f->n, slot);
    if (err) {
        outbox_failed(f, err);
        return;
    }
    f->moved = false;
    f->at = 0;
    f->url = url;
    ask_next(f);
}
