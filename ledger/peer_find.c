/* The newest block that both have, then the headers that follow it at the peer.
 *
 *   locator: the last height at which the peer's chain was known here; else the LG_LOCATE_NEWEST newest own heights in one request;
 *   else heights 1, 2, 4 … further back, to the genesis. Between a known and an unknown height the middle is asked for. So a fork of any
 *   depth is found in O(log n) requests of GET /v1/headers, a call that every node has.
 *
 * Invariant: the newest common block lies in [lo, hi); each request makes that shorter, whatever the peer answers. What lies
 * below is the peer's word, which saves traffic and decides nothing: the headers that follow must link to a block of this node.
 * Refuses: a header that breaks a rule (a ban with that rule's code), a hash that is not the header's. A chain that changes between two pages
 * is no fault: the round ends, the next one finds where the peer stands then. */
#include "ledger/peers_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void headers_done(void *ctx, struct sg_http_answer *answer);

static void ask_headers(struct lg_peer *peer, int64_t from, int64_t limit)
{
    char path[80];

    snprintf(path, sizeof(path), "/v1/headers?from=%lld&limit=%u", (long long)from,
        lg_peer_page(peer, (unsigned)limit, LG_HEADER_RUN_MAX));
    peer->asked_from = from;
    lg_peer_call(peer, LG_PEER_FIND, path, LG_HEADERS_MAX_BYTES, headers_done);
}

static void locate(struct lg_peer *peer)
{
    int64_t from = peer->hi, limit = LG_HEADER_RUN_MAX;

    if (peer->hi == peer->lo + 1) {
        ask_headers(peer, from, limit);
        return;
    }
    limit = 1;
    if (peer->lo > 0)
        from = peer->lo + (peer->hi - peer->lo) / 2;
    else if (peer->step == 0) {
        from -= LG_LOCATE_NEWEST;
        limit = LG_LOCATE_NEWEST;
        peer->step = 1;
    } else {
        from -= peer->step;
        peer->step *= 2;
    }
    if (from < 1) {
        limit = peer->hi - 1 < limit ? peer->hi - 1 : limit;
        from = 1;
    }
    ask_headers(peer, from, limit);
}

void lg_peer_find(struct lg_peer *peer)
{
    struct lg_block_info own = {.height = 0};

    if (lg_reader_tip(peer->owner->reader, &own) != SG_OK)
        own.height = 0;
    int64_t top = own.height > peer->common ? own.height : peer->common;
    top = top < peer->height ? top : peer->height;
    peer->lo = 0;
    peer->hi = top + 1;
    peer->step = 0;
    peer->running = peer->early = false;
    peer->took = 0;
    if (strcmp(peer->state, "syncing") != 0) {
        peer->state = "syncing";
        lg_peers_publish(peer->owner);
    }
    if (peer->common >= 1 && peer->common <= top)
        ask_headers(peer, peer->common, LG_HEADER_RUN_MAX);
    else
        locate(peer);
}

void lg_peer_more_headers(struct lg_peer *peer)
{
    lg_header_run_go_on(&peer->run);
    ask_headers(peer, peer->run.first, LG_HEADER_RUN_MAX);
}

/* The run begins after the block at lo, which is known here. */
static bool run_begin(struct lg_peer *peer)
{
    struct lg_block_info parent;
    const struct lg_hash *hash = peer->lo > 0 ? &peer->lo_hash : &peer->owner->config.genesis->id;

    if (!lg_peer_known_info(peer, &parent, hash))
        return false;
    lg_header_run_init(&peer->run, &parent);
    peer->running = true;
    return true;
}

/* One header of a page, at this height: 0, or why the page ends here. SG_EAGAIN: the common block is lower. */
static int take_header(struct lg_peer *peer, const struct lg_header_item *item, int64_t height)
{
    const struct sg_clock *clock = peer->owner->config.clock;

    struct lg_block_info known;
    bool fresh = !peer->running || peer->run.n == 0; /* another peer may have given what follows meanwhile */

    if (fresh && lg_peer_known_info(peer, &known, &item->hash) && known.height == height) {
        peer->lo = height;
        peer->lo_hash = item->hash;
        if (peer->running)
            lg_header_run_init(&peer->run, &known);
        return SG_OK;
    }
    if (!peer->running) {
        peer->hi = height;
        if (peer->lo != height - 1)
            return SG_EAGAIN;
        if (!run_begin(peer))
            return SG_ENOMEM;
    }
    return lg_header_run_take(&peer->run, &peer->early, &peer->owner->rules, item, clock->wall_ms(clock));
}

/* Signatures of a long page are verified by all processors before its headers are taken one by one. */
static void verify_ahead(struct lg_peer *peer, const struct sg_buf *body)
{
    struct lg_precheck *precheck = peer->owner->config.precheck;
    struct lg_header_item *items = precheck ? calloc(LG_HEADER_RUN_MAX, sizeof(*items)) : NULL;
    struct lg_c0 c;
    unsigned n = 0;

    if (items && lg_header_page_open(&c, body->p, body->len) == SG_OK)
        while (n < LG_HEADER_RUN_MAX && lg_header_page_next(&c, &items[n]))
            n++;
    if (n > LG_LOCATE_NEWEST && !lg_peer_known_here(peer, &items[n - 1].hash))
        lg_precheck_seals(precheck, items, n);
    free(items);
}

/* Take the headers of a page. Returns 0 at its end, SG_ESHAPE when it is none, else as take_header. *n: how many were looked at. */
static int read_page(struct lg_peer *peer, int64_t *n, const struct sg_buf *body)
{
    struct lg_header_item item;
    struct lg_c0 c;
    int err = lg_header_page_open(&c, body->p, body->len);

    verify_ahead(peer, body);
    *n = 0;
    peer->more_headers = false;
    if (err != SG_OK)
        return SG_ESHAPE;
    while (err == SG_OK && lg_header_page_next(&c, &item)) {
        err = take_header(peer, &item, peer->asked_from + *n);
        *n += err == SG_OK;
    }
    if (err == SG_OK) {
        peer->more_headers = lg_header_page_more(&c);
        if (peer->more_headers)
            lg_peer_page_filled(peer);
        return c.bad ? SG_ESHAPE : SG_OK;
    }
    peer->more_headers = err == SG_EFULL;
    return err;
}

/* A header is not what it must be. The first of a page may follow another block than the one that was known when the page was asked for:
 * the peer has reorganised. Inside of a page, which shows one moment, that cannot be. */
static void refuse(struct lg_peer *peer, int err, int64_t n)
{
    if (err == SG_ENOMEM)
        lg_peer_rest(peer, peer->state, LG_POLL_MS);
    else if (n == 0 && (err == SG_EPREV || err == SG_EHEIGHT))
        lg_peer_no_progress(peer);
    else
        lg_peer_ban(peer, sg_err_code(err), LG_POLL_BAD_MS);
}

/* All headers of a page are of blocks that are here. */
static void page_known(struct lg_peer *peer)
{
    peer->hi = peer->hi > peer->lo + 1 ? peer->hi : peer->lo + 1;
    if (peer->running && peer->more_headers)
        ask_headers(peer, peer->run.first, LG_HEADER_RUN_MAX);
    else if (!peer->running && (peer->more_headers || peer->lo < peer->height))
        locate(peer);
    else if (lg_peer_known_here(peer, &peer->tip))
        lg_peer_ask_status(peer); /* another peer has given it meanwhile */
    else
        lg_peer_no_progress(peer);
}

/* A whole page has been taken, or as much as the run holds or is not early. */
static void page_taken(struct lg_peer *peer, int64_t n, bool end)
{
    if (peer->running && peer->run.n > 0) {
        int64_t room = LG_HEADER_RUN_MAX - (int64_t)peer->run.n;
        peer->checked = peer->run.last.height;
        if (peer->more_headers && !end && room > 0)
            ask_headers(peer, peer->run.last.height + 1, room);
        else
            lg_peer_fetch(peer);
    } else if (end)
        lg_peer_rest(peer, peer->state, LG_POLL_MS); /* all that is new lies ahead of our clock */
    else if (n == 0)
        lg_peer_no_progress(peer); /* its chain is shorter than it said, or has become so */
    else
        page_known(peer);
}

static void headers_done(void *ctx, struct sg_http_answer *answer)
{
    struct lg_peer *peer = ctx;
    int64_t n = 0;

    if (!lg_peer_answered(peer, answer))
        return;
    int err = read_page(peer, &n, &answer->body);
    if (err == SG_EAGAIN)
        locate(peer);
    else if (err == SG_OK || err == SG_EFULL || err == SG_EFUTURE)
        page_taken(peer, n, err != SG_OK);
    else if (err == SG_ESHAPE && !peer->running)
        lg_peer_no_progress(peer);
    else
        refuse(peer, err, n);
}
