#include "fake_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledger/core/leaf_ask.h"
#include "ledger/core/sketch.h"
#include "ledger/peers.h"
#include "tests/lib/vectors.h"

/* ---- bad answers ---- */

static long drip(void *state, char *dst, size_t max)
{
    bool *late = state;
    *late = !*late;
    if (*late)
        return SG_HTTP_LATER; /* asked again about a second later */
    return (void)max, *dst = ' ', 1;
}

static long cut_short(void *state, char *dst, size_t max)
{
    return (void)state, (void)dst, (void)max, -1;
}

static long endless(void *state, char *dst, size_t max)
{
    (void)state;
    memset(dst, ' ', max);
    return (long)max;
}

static void answer_badly(
    struct fake_peer *p, struct sg_http_request *req, enum fake_mode mode, const char *path)
{
    char extra[200];
    switch (mode) {
    case FAKE_GOOD:
    case FAKE_HOLD:
    case FAKE_404:
        sg_http_answer_problem(req, SG_ENOT_FOUND, "none");
        break;
    case FAKE_429:
        sg_http_answer(req, 429, "text/plain", "", 0, NULL);
        break;
    case FAKE_503:
        sg_http_answer_problem(req, SG_EOVERLOADED, "much to do");
        break;
    case FAKE_REDIRECT:
        snprintf(extra, sizeof extra, "Location: %s/redirected%s\r\n", p->url, path);
        sg_http_answer(req, 302, "text/plain", "", 0, extra);
        break;
    case FAKE_FILE:
        sg_http_answer(req, 302, "text/plain", "", 0, "Location: file:///etc/hostname\r\n");
        break;
    case FAKE_DRIP:
        sg_http_answer_stream(req, 200, "application/json", NULL, drip, calloc(1, sizeof(bool)), free);
        break;
    case FAKE_ENDLESS:
        sg_http_answer_stream(req, 200, "application/json", NULL, endless, malloc(1), free);
        break;
    case FAKE_CUT:
        sg_http_answer_stream(req, 200, "application/json", NULL, cut_short, NULL, NULL);
        break;
    case FAKE_GZIP:
        sg_http_answer(req, 200, "application/json", "\x1f\x8b\x08\x00", 4, "Content-Encoding: gzip\r\n");
        break;
    case FAKE_GARBAGE:
        sg_http_answer(req, 200, "application/json", "<html>", 6, NULL);
        break;
    case FAKE_EMPTY:
        sg_http_answer(req, 200, "application/json", "{}", 2, NULL);
        break;
    }
}

/* Writes the line that tells of the request. True when the request has been seen to: answered as the mode says, or kept. One step for those who
 * look on: who has read the line finds the request kept, and changes only what the next one meets. */
static bool not_good(struct fake_peer *p, struct sg_http_request *req, enum fake_route route,
    const char *path, const char *line)
{
    pthread_mutex_lock(&p->lock);
    const enum fake_mode mode = p->mode[route];
    const bool kept = mode == FAKE_HOLD && p->nheld < SG_ARRAY_LEN(p->held);
    if (kept)
        p->held[p->nheld++] = req;
    log_put(p->log, "%c %s", p->name, line);
    pthread_mutex_unlock(&p->lock);
    if (mode != FAKE_GOOD && !kept)
        answer_badly(p, req, mode, path);
    return mode != FAKE_GOOD;
}

/* ---- good answers ---- */

static void give(struct sg_http_request *req, struct sg_buf *b)
{
    sg_http_answer_take(req, 200, "application/json", b);
    sg_buf_fini(b);
}

static void get_status(void *ctx, struct sg_http_request *req)
{
    struct fake_peer *p = ctx;
    struct sg_buf b;
    if (not_good(p, req, FAKE_STATUS, "/v1/status", "status"))
        return;
    sg_buf_init(&b, 1u << 12);
    pthread_mutex_lock(&p->lock);
    sg_buf_puts(&b, "{\"chain\":\"");
    sg_buf_put_hex(&b, p->chain.b, SG_HASH_BYTES);
    sg_buf_printf(&b, "\",\"height\":%lld,\"slot\":1,\"time\":%lld,\"tip\":\"", (long long)p->claims,
        (long long)p->shows_ms);
    sg_buf_put_hex(&b, p->tip.b, SG_HASH_BYTES);
    sg_buf_puts(&b, "\"}");
    pthread_mutex_unlock(&p->lock);
    give(req, &b);
}

static int64_t number(const struct sg_http_request *req, const char *key)
{
    const char *text = sg_http_query(req, key);
    return text ? strtoll(text, NULL, 10) : 0;
}

/* lock held. The line has taken the time that it takes for a page; false: too long. */
static bool line_carries(const struct fake_peer *p, int64_t from, int64_t limit)
{
    int64_t n = limit < p->page ? limit : p->page;
    if (!p->line)
        return true;
    if (n > p->height - from + 1)
        n = p->height - from + 1;
    const sg_ms took = (n < 0 ? 0 : n) * p->line_ms;
    atomic_fetch_add(p->line, took < p->line_max_ms ? took : p->line_max_ms);
    return took <= p->line_max_ms;
}

static void put_items(struct fake_peer *p, struct sg_buf *b, int64_t from, int64_t limit, bool whole)
{
    const int64_t end = from + (limit < p->page ? limit : p->page);
    for (int64_t h = from; h >= 1 && h < end && h <= p->height; h++) {
        const struct lg_block *block = (whole && p->bodies ? p->bodies : p->blocks)[h - 1];
        sg_buf_puts(b, h == from ? "{" : ",{");
        if (whole) {
            sg_buf_puts(b, "\"block\":");
            sg_buf_put(b, block->doc, block->doc_len);
            sg_buf_puts(b, ",");
        }
        sg_buf_puts(b, "\"hash\":\"");
        sg_buf_put_hex(b, block->hash.b, SG_HASH_BYTES);
        sg_buf_puts(b, "\"");
        if (!whole) {
            sg_buf_puts(b, ",\"header\":");
            sg_buf_put(b, block->header_doc.p, block->header_doc.len);
            sg_buf_puts(b, ",\"sig\":");
            lg_c0_put_base64(b, block->sig, sizeof block->sig);
        }
        sg_buf_puts(b, "}");
    }
    sg_buf_puts(b, "]");
    if (end <= p->height && from >= 1)
        sg_buf_printf(b, ",\"next\":%lld", (long long)end);
}

static void get_list(struct fake_peer *p, struct sg_http_request *req, bool whole)
{
    const int64_t from = number(req, "from"), limit = number(req, "limit");
    struct sg_buf b;
    char line[LOG_WIDTH];
    snprintf(line, sizeof line, "%s %lld", whole ? "blocks" : "headers", (long long)from);
    pthread_mutex_lock(&p->lock);
    p->limit = whole ? p->limit : limit;
    pthread_mutex_unlock(&p->lock);
    if (not_good(p, req, whole ? FAKE_BLOCKS : FAKE_HEADERS, "/v1/blocks", line))
        return;
    sg_buf_init(&b, 32u << 20);
    sg_buf_puts(&b, whole ? "{\"blocks\":[" : "{\"headers\":[");
    pthread_mutex_lock(&p->lock);
    const bool whole_page = line_carries(p, from, limit);
    put_items(p, &b, from, limit, whole);
    pthread_mutex_unlock(&p->lock);
    sg_buf_puts(&b, "}");
    if (whole_page)
        give(req, &b);
    else
        sg_http_answer_stream(req, 200, "application/json", NULL, cut_short, NULL, NULL);
    sg_buf_fini(&b);
}

static void get_headers(void *ctx, struct sg_http_request *req)
{
    get_list(ctx, req, false);
}

static void get_blocks(void *ctx, struct sg_http_request *req)
{
    get_list(ctx, req, true);
}

static const char *knows_sketches(struct fake_peer *p)
{
    pthread_mutex_lock(&p->lock);
    const char *result = p->sketches;
    pthread_mutex_unlock(&p->lock);
    return result;
}

static void get_sketches(void *ctx, struct sg_http_request *req)
{
    struct fake_peer *p = ctx;
    const int64_t from = number(req, "from");
    struct lg_hash leaves[64];
    struct sg_buf b;
    if (!knows_sketches(p)) {
        sg_http_answer_problem(req, SG_ENOT_FOUND, "none");
        return;
    }
    log_put(p->log, "%c sketches %lld", p->name, (long long)from);
    sg_buf_init(&b, 1u << 20);
    pthread_mutex_lock(&p->lock);
    const struct lg_block *block = (p->bodies ? p->bodies : p->blocks)[from - 1];
    lg_block_leaves(leaves, block);
    sg_buf_puts(&b, "{\"sketches\":[{\"hash\":\"");
    sg_buf_put_hex(&b, block->hash.b, SG_HASH_BYTES);
    sg_buf_puts(&b, "\",\"sketch\":");
    lg_sketch_encode(&b, block->header_doc, block->sig, leaves, block->nstatements, block->nbodies);
    sg_buf_puts(&b, "}]}");
    pthread_mutex_unlock(&p->lock);
    give(req, &b);
}

static void post_sketch(void *ctx, struct sg_http_request *req)
{
    struct fake_peer *p = ctx;
    const char *result = knows_sketches(p);
    struct lg_sketch *s = NULL;
    size_t len = 0;
    const uint8_t *doc = sg_http_body(req, &len);
    if (!result) {
        sg_http_answer_problem(req, SG_ENOT_FOUND, "none");
        return;
    }
    const int err = lg_sketch_decode(&s, doc, len);
    log_put(p->log, "%c gets sketch %lld", p->name, err == 0 ? (long long)s->header.height : -1);
    lg_sketch_free(s);
    sg_http_answer(req, 200, "application/json", result, strlen(result), NULL);
}

static void get_pool(void *ctx, struct sg_http_request *req)
{
    struct fake_peer *p = ctx;
    const int64_t from = number(req, "from");
    char line[LOG_WIDTH];
    snprintf(line, sizeof line, "pool %lld", (long long)from);
    if (not_good(p, req, FAKE_POOL, "/v1/pool", line))
        return;
    pthread_mutex_lock(&p->lock);
    const char *json = from >= 0 && from < 4 ? p->pool[from] : NULL;
    if (!json)
        json = "{\"bodies\":[],\"statements\":[]}";
    sg_http_answer(req, 200, "application/json", json, strlen(json), NULL);
    pthread_mutex_unlock(&p->lock);
}

static void get_evidence(void *ctx, struct sg_http_request *req)
{
    static const char none[] = "{\"bodies\":[],\"statements\":[]}";
    struct fake_peer *p = ctx;
    const int64_t from = number(req, "from");
    bool serves = false;
    pthread_mutex_lock(&p->lock);
    for (unsigned i = 0; i < SG_ARRAY_LEN(p->evidence); i++)
        serves = serves || p->evidence[i] != NULL;
    const bool there = from >= 0 && from < (int64_t)SG_ARRAY_LEN(p->evidence) && p->evidence[from] != NULL;
    const char *json = there ? p->evidence[from] : none;
    pthread_mutex_unlock(&p->lock);
    if (!serves) {
        sg_http_answer_problem(req, SG_ENOT_FOUND, "none");
        return;
    }
    log_put(p->log, "%c evidence %lld", p->name, (long long)from);
    sg_http_answer(req, 200, "application/json", json, strlen(json), NULL);
}

static void post_block(void *ctx, struct sg_http_request *req)
{
    struct fake_peer *p = ctx;
    struct lg_block *b = NULL;
    size_t len = 0;
    const uint8_t *doc = sg_http_body(req, &len);
    char line[LOG_WIDTH];
    const int err = lg_block_decode(&b, doc, len);
    snprintf(line, sizeof line, "gets block %lld", err == 0 ? (long long)b->header.height : -1);
    lg_block_free(b);
    if (!not_good(p, req, FAKE_POST_BLOCK, "/v1/blocks", line))
        sg_http_answer(req, 200, "application/json", "{\"result\":\"known\"}", 18, NULL);
}

static void post_missing(void *ctx, struct sg_http_request *req)
{
    struct lg_hash leaves[LG_ASK_MAX];
    struct fake_peer *p = ctx;
    size_t len = 0;
    const uint8_t *doc = sg_http_body(req, &len);
    unsigned n = 0;
    pthread_mutex_lock(&p->lock);
    const char *answer = p->missing;
    const int err = lg_ask_decode(leaves, &n, doc, len);
    log_put(p->log, "%c asked %d", p->name, err == 0 ? (int)n : err);
    pthread_mutex_unlock(&p->lock);
    if (!answer)
        sg_http_answer_problem(req, SG_ENOT_FOUND, "none");
    else
        sg_http_answer(req, 200, "application/json", answer, strlen(answer), NULL);
}

static void post_statements(void *ctx, struct sg_http_request *req)
{
    struct fake_peer *p = ctx;
    size_t len = 0;
    const uint8_t *doc = sg_http_body(req, &len);
    json_t *json = lg_c0_check(doc, len) == 0 ? json_loadb((const char *)doc, len, 0, NULL) : NULL;
    char line[LOG_WIDTH];
    snprintf(line, sizeof line, "gets bodies %zu statements %zu",
        json_array_size(json_object_get(json, "bodies")),
        json_array_size(json_object_get(json, "statements")));
    json_decref(json);
    if (!sg_http_header(req, LG_RELAYED))
        log_put(p->log, "%c is not told that they are passed on", p->name);
    if (not_good(p, req, FAKE_POST_STATEMENTS, "/v1/statements", line))
        return;
    pthread_mutex_lock(&p->lock);
    const char *answer = p->taken ? p->taken : "{}";
    pthread_mutex_unlock(&p->lock);
    sg_http_answer(req, 200, "application/json", answer, strlen(answer), NULL);
}

static void get_redirected(void *ctx, struct sg_http_request *req)
{
    struct fake_peer *p = ctx;
    log_put(p->log, "%c followed a redirect", p->name);
    sg_http_answer(req, 200, "application/json", "{}", 2, NULL);
}

static const struct sg_http_route routes[] = {
    {SG_HTTP_GET, "/v1/status", 0, get_status},
    {SG_HTTP_GET, "/v1/headers", 0, get_headers},
    {SG_HTTP_GET, "/v1/blocks", 0, get_blocks},
    {SG_HTTP_GET, "/v1/sketches", 0, get_sketches},
    {SG_HTTP_POST, "/v1/sketches", LG_SKETCH_MAX_BYTES, post_sketch},
    {SG_HTTP_GET, "/v1/pool", 0, get_pool},
    {SG_HTTP_GET, "/v1/evidence", 0, get_evidence},
    {SG_HTTP_POST, "/v1/blocks", 32u << 20, post_block},
    {SG_HTTP_POST, "/v1/missing", LG_ASK_MAX_BYTES, post_missing},
    {SG_HTTP_POST, "/v1/statements", 32u << 20, post_statements},
    {SG_HTTP_GET, "/redirected/v1/{}", 0, get_redirected},
};

/* ---- what the test says ---- */

void fake_start(struct fake_peer *p, struct event_log *log, char name, const struct lg_genesis *g)
{
    struct sg_fault fault = {0};
    const struct sg_http_server_config config = {.bind = "127.0.0.1",
        .routes = routes,
        .nroutes = SG_ARRAY_LEN(routes),
        .ctx = p,
        .request_timeout_ms = LOG_WAIT_S * 1000};
    memset(p, 0, sizeof *p);
    p->log = log;
    p->name = name;
    p->chain = g->id;
    p->tip = g->id;
    p->page = 64;
    pthread_mutex_init(&p->lock, NULL);
    if (sg_http_server_start(&p->server, &config, &fault) != 0)
        fail_msg("%s", fault.text);
    snprintf(p->url, sizeof p->url, "http://127.0.0.1:%u", sg_http_server_port(p->server));
}

void fake_stop(struct fake_peer *p)
{
    sg_http_server_refuse(p->server);
    fake_release(p);
    sg_http_server_stop(p->server);
    pthread_mutex_destroy(&p->lock);
}

void fake_serve(struct fake_peer *p, struct lg_block *const *blocks, int64_t height)
{
    pthread_mutex_lock(&p->lock);
    p->blocks = blocks;
    p->height = height;
    p->claims = height;
    if (height > 0)
        p->tip = blocks[height - 1]->hash;
    pthread_mutex_unlock(&p->lock);
}

void fake_sketches(struct fake_peer *p, const char *result)
{
    pthread_mutex_lock(&p->lock);
    p->sketches = result;
    pthread_mutex_unlock(&p->lock);
}

void fake_missing(struct fake_peer *p, const char *answer)
{
    pthread_mutex_lock(&p->lock);
    p->missing = answer;
    pthread_mutex_unlock(&p->lock);
}

void fake_taken(struct fake_peer *p, const char *answer)
{
    pthread_mutex_lock(&p->lock);
    p->taken = answer;
    pthread_mutex_unlock(&p->lock);
}

void fake_serve_blocks(struct fake_peer *p, struct lg_block *const *blocks)
{
    pthread_mutex_lock(&p->lock);
    p->bodies = blocks;
    pthread_mutex_unlock(&p->lock);
}

void fake_claim(struct fake_peer *p, int64_t height, const struct lg_hash *tip)
{
    pthread_mutex_lock(&p->lock);
    p->claims = height;
    p->tip = *tip;
    pthread_mutex_unlock(&p->lock);
}

void fake_time(struct fake_peer *p, sg_ms ms)
{
    pthread_mutex_lock(&p->lock);
    p->shows_ms = ms;
    pthread_mutex_unlock(&p->lock);
}

void fake_set(struct fake_peer *p, enum fake_route route, enum fake_mode mode)
{
    pthread_mutex_lock(&p->lock);
    p->mode[route] = mode;
    pthread_mutex_unlock(&p->lock);
}

void fake_slow(struct fake_peer *p, atomic_llong *line, sg_ms one_ms, sg_ms max_ms)
{
    pthread_mutex_lock(&p->lock);
    p->line = line;
    p->line_ms = one_ms;
    p->line_max_ms = max_ms;
    pthread_mutex_unlock(&p->lock);
}

int64_t fake_limit(struct fake_peer *p)
{
    pthread_mutex_lock(&p->lock);
    const int64_t limit = p->limit;
    pthread_mutex_unlock(&p->lock);
    return limit;
}

void fake_pool(struct fake_peer *p, unsigned page, const char *json)
{
    pthread_mutex_lock(&p->lock);
    p->pool[page] = json;
    pthread_mutex_unlock(&p->lock);
}

void fake_evidence(struct fake_peer *p, unsigned from, const char *json)
{
    pthread_mutex_lock(&p->lock);
    p->evidence[from] = json;
    pthread_mutex_unlock(&p->lock);
}

void fake_release(struct fake_peer *p)
{
    struct sg_http_request *held[SG_ARRAY_LEN(p->held)];
    pthread_mutex_lock(&p->lock);
    const unsigned n = p->nheld;
    memcpy(held, p->held, sizeof held);
    p->nheld = 0;
    for (unsigned i = 0; i < FAKE_ROUTES; i++)
        if (p->mode[i] == FAKE_HOLD)
            p->mode[i] = FAKE_GOOD;
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < n; i++)
        sg_http_answer(held[i], 200, "application/json", "{}", 2, NULL);
}
