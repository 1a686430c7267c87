/* Pools are asked for when a peer appears or reappears, and at intervals: what was said while nobody listened comes over. Ours is offered by
 * peer_offer.c.
 *
 * Bounded: one page at a time, LG_POOL_PAGES_MAX in one go, each judged before the next is asked for. */
#include "ledger/peers_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* {"bodies":[…],"next":…,"statements":[…]} becomes the offer {"bodies":[…],"statements":[…]}; false when it is empty or no
 * pool. Moves peer->from to the next page when there is one. */
static bool offer_of_pool(struct lg_peer *peer, struct sg_buf *out, const struct sg_buf *body)
{
    struct lg_c0 c;

    peer->more = false;
    if (lg_c0_check(body->p, body->len) != SG_OK)
        return false;
    lg_c0_open(&c, body->p, body->len);
    lg_c0_object(&c);
    lg_c0_key(&c, "bodies");
    struct lg_slice bodies = lg_c0_value(&c);
    bool more = !c.bad && c.end - c.p > 7 && memcmp(c.p, ",\"next\"", 7) == 0;
    int64_t next = 0;
    if (more) {
        lg_c0_key(&c, "next");
        next = lg_c0_int(&c, peer->from + 1, LG_C0_MAX_INT);
    }
    lg_c0_key(&c, "statements");
    struct lg_slice statements = lg_c0_value(&c);
    lg_c0_object_end(&c);
    if (lg_c0_close(&c) != SG_OK || statements.len <= 2)
        return false;
    peer->more = more;
    if (more)
        lg_peer_page_filled(peer);
    peer->from = more ? next : peer->from;
    sg_buf_puts(out, "{\"bodies\":");
    sg_buf_put(out, bodies.p, bodies.len);
    sg_buf_puts(out, ",\"statements\":");
    sg_buf_put(out, statements.p, statements.len);
    sg_buf_puts(out, "}");
    return sg_buf_err(out) == SG_OK;
}

static void pool_done(void *ctx, struct sg_http_answer *answer)
{
    struct lg_peer *peer = ctx;
    const struct lg_peers_host *host = &peer->owner->config.host;
    struct sg_buf offer;
    size_t len = 0;

    if (!lg_peer_answered(peer, answer))
        return;
    peer->wants_pool = false;
    sg_buf_init(&offer, LG_PAGE_MAX_BYTES);
    uint8_t *doc = offer_of_pool(peer, &offer, &answer->body) ? sg_buf_take(&offer, &len) : NULL;
    sg_buf_fini(&offer);
    peer->ticket = peer->owner->next_ticket++;
    peer->next_ms = lg_peer_mono(peer) + LG_JUDGE_MS;
    peer->waiting = 1;
    peer->judged = SG_OK;
    if (!doc || host->offer_statements(host->ctx, doc, len, peer->number, peer->ticket) != SG_OK) {
        free(doc);
        peer->waiting = 0;
        lg_peer_rest(peer, "ok", LG_POLL_MS);
    }
}

static void ask_pool(struct lg_peer *peer)
{
    char path[64];

    snprintf(path, sizeof(path), "/v1/pool?from=%lld&limit=%u", (long long)peer->from,
        lg_peer_page(peer, LG_PAGE_STATEMENTS, LG_PAGE_STATEMENTS));
    peer->waiting = 0;
    lg_peer_call(peer, LG_PEER_POOL, path, LG_PAGE_MAX_BYTES, pool_done);
}

void lg_peer_pool(struct lg_peer *peer)
{
    peer->from = 0;
    peer->pool_pages = 0;
    ask_pool(peer);
}

void lg_peer_pool_judged(struct lg_peer *peer)
{
    if (lg_peer_accused(peer->judged))
        lg_peer_ban(peer, sg_err_code(peer->judged), LG_POLL_BAD_MS);
    else if (peer->judged == SG_OK && peer->more && ++peer->pool_pages < LG_POOL_PAGES_MAX)
        ask_pool(peer);
    else
        lg_peer_rest(peer, "ok", LG_POLL_MS);
}
