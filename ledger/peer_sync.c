/* Asking a peer: where it stands, the newest block that both have, the blocks after it, its pool.
 *
 *   IDLE --due--> STATUS --tip known--> [POOL] --> IDLE
 *                   |  tip unknown
 *                   v
 *                 FIND --common block--> FETCH --page--> JUDGE --all taken, more--> FETCH
 *                   ^ \__ step back __/                    |  the tip is known   --> STATUS (at once)
 *                                                          |  the tip is not     --> IDLE; the third time in a row "bad"
 *                                                          |  a block refused    --> IDLE ("bad")
 *
 * One call at a time per peer, each with a cap on its answer and a deadline. The common block only saves traffic: a peer that
 * lies about it makes its own blocks orphans. A peer that names a tip and does not give it, or gives what is known already, is asked
 * at the pace of polls, never in a loop. */
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
    if (phase == LG_PEER_FETCH || phase == LG_PEER_POOL)
        c.timeout_ms = LG_PAGE_MS;
    peer->phase = phase;
    if (sg_http_client_start(peer->owner->http, &c, done, peer) != SG_OK)
        rest_until(peer, peer->state, LG_POLL_MS);
}

/* A round has not brought the tip that the peer names. Its chain may have changed meanwhile, or the block waits here for its time:
 * that passes. A peer whose tips never come is bad. */
static void no_progress(struct lg_peer *peer)
{
    sg_ms held_ms = peer->brought ? peer->owner->config.genesis->policy.max_future_ms : 0;

    if (++peer->fruitless < LG_FRUITLESS_MAX + (unsigned)(held_ms / LG_POLL_MS)) {
        rest_until(peer, peer->state, LG_POLL_MS);
        return;
    }
    sg_log(SG_LOG_WARN, PART, "%s names a tip that it does not give", peer->url);
    peer->fruitless = 0;
    lg_peer_failed(peer, "bad");
}

/* An answer that is none of ours: what follows depends on what was asked. */
static void wrong_answer(struct lg_peer *peer)
{
    const struct sg_clock *clock = clock_of(peer);

    if (peer->phase == LG_PEER_STATUS) {
        lg_peer_failed(peer, "bad");
        peer->next_ms = clock->mono_ms(clock) + LG_POLL_MAX_MS;
    } else if (peer->phase == LG_PEER_POOL) {
        peer->wants_pool = false;
        rest_until(peer, "ok", LG_POLL_MAX_MS);
    } else
        no_progress(peer);
}

/* The answer came whole and says 200; otherwise the peer rests. */
static bool answered(struct lg_peer *peer, const struct sg_http_answer *answer)
{
    if (answer->err == SG_ESTOPPED)
        return false;
    if (answer->err == SG_OK && answer->status == 200)
        return true;
    peer->tried = true;
    if (answer->err == SG_OK && answer->status == 503)
        lg_peer_failed(peer, "unreachable"); /* it starts, stops or has too much to do */
    else if (answer->err == SG_OK || answer->err == SG_EMALFORMED || answer->err == SG_ETOO_LARGE)
        wrong_answer(peer);
    else
        lg_peer_failed(peer, "unreachable");
    return false;
}

/* ---- FETCH and JUDGE ---- */

static void ask_blocks(struct lg_peer *peer);
static void ask_status(struct lg_peer *peer);
static void pool_taken(struct lg_peer *peer);

/* The peer's clock, read at some moment between question and answer, differs by more than max_future_ms from ours. */
static bool clock_is_off(const struct lg_peer *peer, sg_ms peer_ms)
{
    sg_ms limit = peer->owner->config.genesis->policy.max_future_ms;

    return peer_ms < peer->asked_wall_ms - limit || peer_ms > clock_of(peer)->wall_ms(clock_of(peer)) + limit;
}

static bool known_here(struct lg_peer *peer, const struct lg_hash *hash)
{
    struct lg_block_info info;
    bool best = false;

    if (lg_hash_eq(hash, &peer->owner->config.genesis->id))
        return true;
    return lg_reader_block_info(peer->owner->reader, &info, &best, hash) == SG_OK;
}

/* Does this code say that the peer has offered what no node would take? Trouble of this node's own does not. */
static bool accuses(int err)
{
    return err <= SG_ECANONICAL && err != SG_EFUTURE && err != SG_EOVERLOADED && err != SG_ENOT_READY;
}

static void page_taken(struct lg_peer *peer)
{
    if (accuses(peer->judged)) {
        sg_log(
            SG_LOG_WARN, PART, "%s offers a block that is refused: %s", peer->url, sg_err_code(peer->judged));
        lg_peer_failed(peer, "bad");
    } else if (peer->judged != SG_OK)
        rest_until(peer, peer->state, LG_POLL_MS);
    else if (known_here(peer, &peer->tip))
        ask_status(peer);
    else if (peer->more && peer->known_pages < LG_KNOWN_PAGES_MAX)
        ask_blocks(peer);
    else
        no_progress(peer);
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

/* {"blocks":[{"block":{…},"hash":"…"}…],"next":n}: true when it is such a page and not empty. The hash is the peer's word: a block
 * that it calls by a known hash is passed over, to its own loss. */
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
        peer->brought = peer->brought || lg_hash_eq(&hash, &peer->tip);
        if (peer->judged == SG_OK && !known_here(peer, &hash))
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
    peer->next_ms = clock_of(peer)->mono_ms(clock_of(peer)) + LG_JUDGE_MS;
    peer->ticket = peer->owner->next_ticket++;
    peer->waiting = 0;
    peer->judged = SG_OK;
    bool page = read_page(peer, &answer->body);
    peer->known_pages = peer->waiting == 0 ? peer->known_pages + 1 : 0;
    if (!page && peer->waiting == 0)
        no_progress(peer);
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
        pool_taken(peer);
}

/* ---- FIND ---- */

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
        no_progress(peer); /* its chain may have become shorter: ask again */
        return;
    }
    lg_c0_object(&c);
    lg_c0_key(&c, "hash");
    lg_c0_hex(&c, hash.b, sizeof(hash.b));
    if (c.bad) {
        no_progress(peer);
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
    peer->brought = false;
    peer->known_pages = 0;
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
    if (list->len + len + 1 > LG_PUSH_POOL_BYTES)
        return SG_OK;
    if (list->len > 0)
        sg_buf_puts(list, ",");
    sg_buf_put(list, doc, len);
    return sg_buf_err(list);
}

/* Offer the pool of this node: a peer that was away, or that cannot reach us, has missed it. Of a pool that is larger than an offer may
 * be, what is oldest goes; a statement whose body did not fit is refused there, and comes another time. */
static void push_pool(struct lg_peer *peer)
{
    struct sg_buf both[2], doc;

    sg_buf_init(&both[0], LG_PUSH_POOL_BYTES);
    sg_buf_init(&both[1], LG_PUSH_POOL_BYTES);
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

    if (!answered(peer, answer))
        return;
    peer->wants_pool = false;
    sg_buf_init(&offer, LG_PAGE_MAX_BYTES);
    uint8_t *doc = offer_of_pool(peer, &offer, &answer->body) ? sg_buf_take(&offer, &len) : NULL;
    sg_buf_fini(&offer);
    peer->ticket = peer->owner->next_ticket++;
    peer->next_ms = clock_of(peer)->mono_ms(clock_of(peer)) + LG_JUDGE_MS;
    peer->waiting = 1;
    peer->judged = SG_OK;
    if (!doc || host->offer_statements(host->ctx, doc, len, peer->number, peer->ticket) != SG_OK) {
        free(doc);
        peer->waiting = 0;
        rest_until(peer, "ok", LG_POLL_MS);
    }
}

static void ask_pool(struct lg_peer *peer)
{
    char path[64];

    snprintf(path, sizeof(path), "/v1/pool?from=%lld&limit=1000", (long long)peer->from);
    peer->waiting = 0;
    call(peer, LG_PEER_POOL, path, LG_PAGE_MAX_BYTES, pool_done);
}

static void pool_taken(struct lg_peer *peer)
{
    if (peer->judged == SG_OK && peer->more && ++peer->pool_pages < LG_POOL_PAGES_MAX)
        ask_pool(peer);
    else
        rest_until(peer, "ok", LG_POLL_MS);
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
    peer->clock_off = clock_is_off(peer, status.time);
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
    peer->fruitless = 0;
    if (peer->wants_pool || peer->polls % LG_POOL_POLLS == 0) {
        peer->from = 0;
        peer->pool_pages = 0;
        ask_pool(peer);
    } else
        rest_until(peer, "ok", LG_POLL_MS);
}

static void ask_status(struct lg_peer *peer)
{
    peer->polls++;
    peer->asked_ms = clock_of(peer)->mono_ms(clock_of(peer));
    peer->asked_wall_ms = clock_of(peer)->wall_ms(clock_of(peer));
    call(peer, LG_PEER_STATUS, "/v1/status", LG_CLIENT_MAX_STATUS, status_done);
    lg_peers_publish(peer->owner);
}

void lg_peer_ask(struct lg_peer *peer, sg_ms now_mono_ms)
{
    bool judging = peer->phase == LG_PEER_JUDGE || (peer->phase == LG_PEER_POOL && peer->waiting > 0);

    if (now_mono_ms < peer->next_ms)
        return;
    if (judging) {
        peer->waiting = 0; /* a result was lost; what comes late is of an old ticket */
        peer->ticket = 0;
        rest_until(peer, peer->state, LG_POLL_MS);
    } else if (peer->phase == LG_PEER_IDLE)
        ask_status(peer);
}
