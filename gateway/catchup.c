/* Catching up with what was before the start.
 *
 * Invariant: a relay is done when all its pages have been understood and noted; until then nothing of it is wanted.
 * A later round asks for nothing but what the first one found said and not confirmed.
 * Refuses: pages that do not fit; the round ends and begins again at that relay in the next slot. */
#include "gateway/catchup.h"
#include "gateway/core/entries.h"
#include "sg_log.h"

#include <assert.h>

#define CALL_TIMEOUT_MS 8000 /* real */

static const char part[] = "catchup";

static unsigned genesis_index(const struct gw_catchup *c)
{
    return (unsigned)(c->relays[c->at].relay - c->genesis->relays);
}

static sg_minute later(sg_minute a, sg_minute b)
{
    return a > b ? a : b;
}

static void end_round(struct gw_catchup *c, int err)
{
    c->asking = false;
    if (err && err != c->err)
        sg_log(SG_LOG_WARN, part, "%s, %s: %s; asked again in the next slot", c->relays[c->at].id, c->url,
            sg_err_text(err));
    c->err = err;
    if (err == SG_EIO || err == SG_ECORRUPT)
        c->broken(c->ctx, err);
}

/* Minutes of the RING that nobody knows. Relay and node have been asked about the same span. */
static int find_unread(struct gw_catchup *c, uint64_t *bits)
{
    sg_minute first = later(c->genesis->minute, 0);
    int err = gw_outbox_unread(c->outbox, bits, genesis_index(c), c->slot, GW_CATCHUP_MINUTES);

    for (unsigned i = 0; i < GW_CATCHUP_MINUTES && !err; i++) {
        if (c->slot - i < first)
            *bits &= ~(UINT64_C(1) << i);
    }
    return err;
}

/* Of a later round: the minutes watched, as bits below c->slot; those that have left the RING are given up. */
static uint64_t watched(const struct gw_catchup *c)
{
    const struct gw_catchup_watch *watch = &c->watch[c->at];
    sg_minute passed = c->slot - watch->newest;

    if (passed >= GW_CATCHUP_MINUTES || passed <= -(sg_minute)GW_CATCHUP_MINUTES)
        return 0;
    if (passed < 0) /* our clock was set back */
        return watch->bits >> -passed;
    return watch->bits << passed & ((UINT64_C(1) << GW_CATCHUP_MINUTES) - 1);
}

/* Minutes to read unless the node says that they are said. */
static int find_missing(struct gw_catchup *c, uint64_t *bits)
{
    int err = find_unread(c, bits);

    if (!err && c->known)
        *bits &= watched(c);
    return err;
}

/* Where the questions begin: at the oldest minute that the RING may have, or at the oldest one that the outbox still has to state. */
static int find_first(struct gw_catchup *c, sg_minute *from, bool *needed)
{
    sg_minute first = c->slot - (GW_CATCHUP_MINUTES - 1), oldest = 0;
    uint64_t missing = 0;
    int err = find_missing(c, &missing);

    if (err)
        return err;
    *needed = missing != 0;
    err = c->known ? gw_outbox_oldest_elsewhere(c->outbox, &oldest, genesis_index(c))
                   : gw_outbox_oldest_open(c->outbox, &oldest, genesis_index(c));
    if (err && err != SG_ENOT_FOUND)
        return err;
    if (!err && oldest <= c->slot)
        *needed = true;
    if (!err && oldest < first)
        first = oldest;
    *from = later(first, gw_entries_first(c->genesis, c->slot));
    return 0;
}

struct page {
    struct gw_catchup *c;
    int err;
};

static void take_minute(void *ctx, const struct lg_client_minute *m)
{
    struct page *p = ctx;
    struct gw_catchup *c = p->c;

    if (!m->attested || p->err)
        return;
    if (c->slot - m->min < GW_CATCHUP_MINUTES) {
        c->said |= UINT64_C(1) << (c->slot - m->min);
        c->may_go |= m->confirmed ? 0 : UINT64_C(1) << (c->slot - m->min);
    }
    p->err = gw_outbox_read_elsewhere(c->outbox, genesis_index(c), m->min, &m->digest, m->confirmed);
}

static int take_page(struct gw_catchup *c, sg_minute *next, const struct sg_http_answer *answer)
{
    struct page page = {.c = c};
    int err = gw_outbox_begin(c->outbox);

    if (err)
        return err;
    err = lg_client_minutes_parse(next, answer, c->kid, c->from, c->slot, take_minute, &page);
    if (!err)
        err = page.err;
    if (!err)
        err = gw_outbox_gone_elsewhere(c->outbox, genesis_index(c), c->from, *next - 1);
    if (!err)
        return gw_outbox_commit(c->outbox);
    gw_outbox_rollback(c->outbox);
    return err;
}

static unsigned count(uint64_t bits)
{
    unsigned n = 0;

    for (; bits; bits &= bits - 1)
        n++;
    return n;
}

/* What of this relay may yet go. */
static int watch(struct gw_catchup *c, uint64_t bits)
{
    sg_minute oldest;
    int err = gw_outbox_oldest_elsewhere(c->outbox, &oldest, genesis_index(c));

    if (err && err != SG_ENOT_FOUND)
        return err;
    c->watch[c->at] = (struct gw_catchup_watch){.newest = c->slot, .bits = bits, .open = !err || bits};
    c->open = c->open || c->watch[c->at].open;
    return 0;
}

/* All pages of this relay are here. */
static int conclude(struct gw_catchup *c)
{
    uint64_t missing = 0, bits;
    int err = find_missing(c, &missing);

    if (err)
        return err;
    bits = missing & ~c->said;
    if (bits && !c->want(c->ctx, c->at, c->slot, bits))
        return SG_EAGAIN;
    if (bits)
        sg_log(SG_LOG_INFO, part, "%s: %u minutes of the last %u are %s attested; asking its RING",
            c->relays[c->at].id, count(bits), GW_CATCHUP_MINUTES, c->known ? "no longer" : "not");
    c->nwanted += count(bits);
    err = watch(c, missing & c->may_go);
    if (!err)
        c->at++;
    return err;
}

static void done(void *ctx, struct sg_http_answer *answer);

static int ask_page(struct gw_catchup *c)
{
    char url[LG_CLIENT_URL_SIZE];
    struct sg_http_call call = {
        .url = url, .max_answer = LG_CLIENT_MAX_MINUTES, .timeout_ms = CALL_TIMEOUT_MS};
    int err = lg_client_minutes_url(url, c->url, c->relays[c->at].id, c->from, c->slot);

    if (!err)
        err = sg_http_client_start(c->http, &call, done, c);
    c->asking = !err;
    return err;
}

/* The round is over. */
static void all_asked(struct gw_catchup *c)
{
    if (!c->known)
        sg_log(SG_LOG_INFO, part, "%u minutes of before the start are asked of the relays", c->nwanted);
    c->known = true;
    c->err = 0;
}

/* The next relay about which there is something to ask. */
static void go_on(struct gw_catchup *c)
{
    int err = 0;

    while (!err && c->at < c->nrelays) {
        bool needed;

        if (c->known && !c->watch[c->at].open) {
            c->at++;
            continue;
        }
        c->said = c->may_go = 0;
        err = find_first(c, &c->from, &needed);
        if (!err && needed && c->from <= c->slot) {
            err = ask_page(c);
            if (!err)
                return;
        } else if (!err) {
            c->watch[c->at++].open = false;
        }
    }
    if (err)
        end_round(c, err);
    else
        all_asked(c);
}

static void done(void *ctx, struct sg_http_answer *answer)
{
    struct gw_catchup *c = ctx;
    sg_minute next = 0;
    int err;

    if (answer->err == SG_ESTOPPED)
        return;
    c->asking = false;
    err = take_page(c, &next, answer);
    if (!err && next <= c->slot) {
        c->from = next;
        err = ask_page(c);
        if (!err)
            return;
    } else if (!err) {
        err = conclude(c);
    }
    if (err)
        end_round(c, err);
    else
        go_on(c);
}

bool gw_catchup_known(const struct gw_catchup *c)
{
    return c->known;
}

bool gw_catchup_done(const struct gw_catchup *c)
{
    return c->known && c->at == c->nrelays && !c->open;
}

void gw_catchup_ask(struct gw_catchup *c, const char *url, sg_minute slot)
{
    assert(slot >= 0);
    if (c->asking || gw_catchup_done(c))
        return;
    if (c->at == c->nrelays) {
        c->at = 0;
        c->open = false;
    }
    c->url = url;
    c->slot = slot;
    go_on(c);
}
