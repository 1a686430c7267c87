/* Asking a peer: where it stands, the newest block that both have, the blocks after it, its pool.
 *
 *   IDLE --due--> STATUS --tip known--> [POOL] --> IDLE
 *                   |  tip unknown
 *                   v
 *                 FIND --common block--> FETCH --page--> JUDGE --all taken, more--> FETCH
 *                   ^ \__ step back __/                    |  all taken, no more --> STATUS (at once)
 *                                                          |  a block refused     --> IDLE ("bad")
 *
 * One call at a time per peer, each with a cap on its answer and a deadline. The common block only saves traffic: a peer that
 * lies about it makes its own blocks orphans. */
#include "ledger/peers_priv.h"
#include "lg_client.h"
#include "sg_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PART "peers"

static const struct sg_clock *clock_of(const struct lg_peer *peer)
{
    return peer->owner->config.clock;
}

/* ---- moves ---- */

static void rest_until(struct lg_peer *peer, const char *state, sg_ms wait_ms)
{
    if (strcmp(peer->state, state) != 0)
        sg_log(SG_LOG_INFO, PART, "%s is %s (height %lld)", peer->url, state, (long long)peer->height);
    peer->state = state;
    peer->phase = LG_PEER_IDLE;
    peer->next_ms = clock_of(peer)->mono_ms(clock_of(peer)) + wait_ms;
    lg_peers_publish(peer->owner);
}

static void call(struct lg_peer *peer, enum lg_peer_phase phase, const char *path, size_t max_answer,
    sg_http_done_fn *done)
{
    char url[400];

    snprintf(url, sizeof(url), "%s%s", peer->url, path);
    struct sg_http_call c = {.url = url, .max_answer = max_answer};
    peer->phase = phase;
    if (sg_http_client_start(peer->owner->http, &c, done, peer) != SG_OK)
        rest_until(peer, peer->state, LG_POLL_MS);
}

/* The answer came whole and says 200; otherwise the peer rests. */
static bool answered(struct lg_peer *peer, const struct sg_http_answer *answer)
{
    if (answer->err == SG_ESTOPPED)
        return false;
    if (answer->err == SG_OK && answer->status == 200)
        return true;
    peer->tried = true;
    if (answer->err == SG_OK || answer->err == SG_EMALFORMED || answer->err == SG_ETOO_LARGE)
        rest_until(peer, peer->state, LG_POLL_MAX_MS);
    else
        lg_peer_failed(peer, "unreachable");
    return false;
}

/* ---- FETCH and JUDGE ---- */

static void ask_blocks(struct lg_peer *peer);
static void ask_status(struct lg_peer *peer);

static void page_taken(struct lg_peer *peer)
{
    if (peer->judged != SG_OK && peer->judged != SG_EFUTURE && peer->judged != SG_EFULL) {
        sg_log(
            SG_LOG_WARN, PART, "%s offers a block that is refused: %s", peer->url, sg_err_code(peer->judged));
        lg_peer_failed(peer, "bad");
        return;
    }
    if (peer->judged != SG_OK)
        rest_until(peer, peer->state, LG_POLL_MS);
    else if (peer->more)
        ask_blocks(peer);
    else
        ask_status(peer);
}

static void offer_page_block(struct lg_peer *peer, struct lg_slice block)
{
    const struct lg_peers_host *host = &peer->owner->config.host;
    uint8_t *doc = malloc(block.len);
    int err = SG_ENOMEM;

    if (doc) {
        memcpy(doc, block.p, block.len);
        err = host->offer_block(host->ctx, doc, block.len, peer->number, peer->ticket);
    }
    if (err == SG_OK) {
        peer->waiting++;
        return;
    }
    free(doc);
    if (peer->judged == SG_OK)
        peer->judged = SG_EFULL;
}

/* {"blocks":[{"block":{…},"hash":"…"}…],"next":n}: true when it is such a page and not empty. */
static bool read_page(struct lg_peer *peer, const struct sg_buf *body)
{
    struct lg_c0 c;
    int64_t count = 0;

    if (lg_c0_check(body->p, body->len) != SG_OK)
        return false;
    lg_c0_open(&c, body->p, body->len);
    lg_c0_object(&c);
    lg_c0_key(&c, "blocks");
    lg_c0_array(&c);
    while (lg_c0_more(&c) && count < LG_PAGE_BLOCKS) {
        struct lg_hash hash;
        lg_c0_object(&c);
        lg_c0_key(&c, "block");
        struct lg_slice block = lg_c0_value(&c);
        lg_c0_key(&c, "hash");
        lg_c0_hex(&c, hash.b, sizeof(hash.b));
        lg_c0_object_end(&c);
        if (c.bad)
            break;
        if (peer->judged == SG_OK)
            offer_page_block(peer, block);
        count++;
    }
    peer->more = !c.bad && c.p < c.end && *c.p == ',';
    peer->from += count;
    return !c.bad && count > 0;
}

static void blocks_done(void *ctx, struct sg_http_answer *answer)
{
    struct lg_peer *peer = ctx;

    if (!answered(peer, answer))
        return;
    peer->phase = LG_PEER_JUDGE;
    peer->ticket = peer->owner->next_ticket++;
    peer->waiting = 0;
    peer->judged = SG_OK;
    bool page = read_page(peer, &answer->body);
    if (!page && peer->waiting == 0)
        rest_until(peer, peer->state, LG_POLL_MAX_MS);
    else if (peer->waiting == 0)
        page_taken(peer);
}

static void ask_blocks(struct lg_peer *peer)
{
    char path[80];
    snprintf(path, sizeof(path), "/v1/blocks?from=%lld&limit=%d", (long long)peer->from, LG_PAGE_BLOCKS);
    call(peer, LG_PEER_FETCH, path, LG_PAGE_MAX_BYTES, blocks_done);
}

void lg_peer_judged(struct lg_peer *peer, uint64_t ticket, int err)
{
    if (ticket != peer->ticket || peer->waiting == 0)
        return;
    if (err != SG_OK && peer->judged == SG_OK)
        peer->judged = err;
    if (--peer->waiting > 0)
        return;
    if (peer->phase == LG_PEER_JUDGE)
        page_taken(peer);
    else if (peer->phase == LG_PEER_POOL)
        rest_until(peer, "ok", LG_POLL_MS);
}

/* ---- FIND ---- */

static bool known_here(struct lg_peer *peer, const struct lg_hash *hash)
{
    struct lg_block_info info;
    bool best = false;

    if (lg_hash_eq(hash, &peer->owner->config.genesis->id))
        return true;
    return lg_reader_block_info(peer->owner->reader, &info, &best, hash) == SG_OK;
}

static void find(struct lg_peer *peer);

static void header_done(void *ctx, struct sg_http_answer *answer)
{
    struct lg_peer *peer = ctx;
    struct lg_c0 c;
    struct lg_hash hash;

    if (!answered(peer, answer))
        return;
    bool fits = lg_c0_check(answer->body.p, answer->body.len) == SG_OK;
    lg_c0_open(&c, answer->body.p, answer->body.len);
    lg_c0_object(&c);
    lg_c0_key(&c, "headers");
    lg_c0_array(&c);
    if (!fits || !lg_c0_more(&c)) {
        rest_until(peer, peer->state, LG_POLL_MS); /* its chain has become shorter: ask again */
        return;
    }
    lg_c0_object(&c);
    lg_c0_key(&c, "hash");
    lg_c0_hex(&c, hash.b, sizeof(hash.b));
    if (c.bad) {
        rest_until(peer, peer->state, LG_POLL_MAX_MS);
        return;
    }
    if (known_here(peer, &hash)) {
        peer->from = peer->probe + 1;
        ask_blocks(peer);
        return;
    }
    peer->probe -= peer->step;
    peer->step *= 2;
    find(peer);
}

static void find(struct lg_peer *peer)
{
    char path[80];

    if (peer->probe <= 0) { /* the genesis is common */
        peer->from = 1;
        ask_blocks(peer);
        return;
    }
    snprintf(path, sizeof(path), "/v1/headers?from=%lld&limit=1", (long long)peer->probe);
    call(peer, LG_PEER_FIND, path, 1u << 20, header_done);
}

static void find_start(struct lg_peer *peer)
{
    struct lg_block_info tip = {.height = 0};

    if (lg_reader_tip(peer->owner->reader, &tip) != SG_OK)
        tip.height = 0;
    peer->probe = tip.height < peer->height ? tip.height : peer->height;
    peer->step = 1;
    if (strcmp(peer->state, "syncing") != 0) {
        peer->state = "syncing";
        lg_peers_publish(peer->owner);
    }
    find(peer);
}

/* ---- POOL ---- */

static int push_pooled(void *arg, bool is_body, const struct lg_hash *leaf, const uint8_t *doc, size_t len)
{
    struct sg_buf(*both)[2] = arg;
    struct sg_buf *list = &(*both)[is_body ? 0 : 1];

    (void)leaf;
    if (list->len > 0)
        sg_buf_puts(list, ",");
    sg_buf_put(list, doc, len);
    return sg_buf_err(list);
}

/* Offer the whole pool of this node: a peer that was away, or that cannot reach us, has missed it. */
static void push_pool(struct lg_peer *peer)
{
    struct sg_buf both[2], doc;

    sg_buf_init(&both[0], LG_PUSH_MAX_BYTES / 2);
    sg_buf_init(&both[1], LG_PUSH_MAX_BYTES / 2);
    sg_buf_init(&doc, LG_PUSH_MAX_BYTES);
    if (lg_reader_pool(peer->owner->reader, push_pooled, &both) == SG_OK && both[1].len > 0) {
        lg_peers_offer(&doc, &both[0], &both[1]);
        if (sg_buf_err(&doc) == SG_OK)
            lg_peer_push(peer, "/v1/statements", doc.p, doc.len);
    }
    sg_buf_fini(&both[0]);
    sg_buf_fini(&both[1]);
    sg_buf_fini(&doc);
}

/* {"bodies":[…],"next":…,"statements":[…]} becomes the offer {"bodies":[…],"statements":[…]}; false when it is empty or no pool. */
static bool offer_of_pool(struct sg_buf *out, const struct sg_buf *body)
{
    struct lg_c0 c;

    if (lg_c0_check(body->p, body->len) != SG_OK)
        return false;
    lg_c0_open(&c, body->p, body->len);
    lg_c0_object(&c);
    lg_c0_key(&c, "bodies");
    struct lg_slice bodies = lg_c0_value(&c);
    lg_c0_key(&c, "statements");
    struct lg_slice statements = lg_c0_value(&c);
    lg_c0_object_end(&c);
    if (lg_c0_close(&c) != SG_OK || statements.len <= 2)
        return false;
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

    if (!answered(peer, answer))
        return;
    peer->wants_pool = false;
    sg_buf_init(&offer, LG_PAGE_MAX_BYTES);
    uint8_t *doc = offer_of_pool(&offer, &answer->body) ? sg_buf_take(&offer, &len) : NULL;
    sg_buf_fini(&offer);
    peer->ticket = peer->owner->next_ticket++;
    peer->waiting = 1;
    peer->judged = SG_OK;
    if (!doc || host->offer_statements(host->ctx, doc, len, peer->number, peer->ticket) != SG_OK) {
        free(doc);
        peer->waiting = 0;
        rest_until(peer, "ok", LG_POLL_MS);
    }
}

/* ---- STATUS ---- */

static void status_done(void *ctx, struct sg_http_answer *answer)
{
    struct lg_peer *peer = ctx;
    struct lg_client_status status;

    if (!answered(peer, answer))
        return;
    if (lg_client_status_parse(&status, answer) != SG_OK) {
        lg_peer_failed(peer, "bad");
        return;
    }
    peer->tried = true;
    peer->backoff_ms = 0;
    peer->height = status.height;
    peer->tip = status.tip;
    if (!lg_hash_eq(&status.chain, &peer->owner->config.genesis->id)) {
        lg_peer_failed(peer, "other_chain");
        return;
    }
    peer->tip_known = known_here(peer, &peer->tip);
    if (!peer->tip_known) {
        find_start(peer);
        return;
    }
    if (strcmp(peer->state, "ok") != 0) {
        peer->state = "ok";
        push_pool(peer);
        lg_peers_publish(peer->owner);
    }
    if (peer->wants_pool || peer->polls % LG_POOL_POLLS == 0)
        call(peer, LG_PEER_POOL, "/v1/pool", LG_PAGE_MAX_BYTES, pool_done);
    else
        rest_until(peer, "ok", LG_POLL_MS);
}

static void ask_status(struct lg_peer *peer)
{
    peer->polls++;
    call(peer, LG_PEER_STATUS, "/v1/status", 1u << 20, status_done);
}

void lg_peer_ask(struct lg_peer *peer, sg_ms now_mono_ms)
{
    if (peer->phase == LG_PEER_IDLE && now_mono_ms >= peer->next_ms)
        ask_status(peer);
}
