#include "nodes_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "ledger/core/leaf_ask.h"
#include "ledger/peers.h"
#include "lg_client.h"
#include "sg_log.h"
#include "tests/lib/fake_peer.h"
#include "tests/lib/raw_http.h"
#include "tests/lib/store_fixture.h"

/* ---- the clock ---- */

static sg_ms wall_ms(const struct sg_clock *c)
{
    struct nodes *w = c->ctx;
    return atomic_load(&w->wall);
}

static sg_ms run_ms(const struct sg_clock *c)
{
    struct nodes *w = c->ctx;
    return atomic_load(&w->run);
}

void nodes_pass(struct nodes *w, sg_ms ms)
{
    atomic_fetch_add(&w->run, ms);
    atomic_fetch_add(&w->wall, ms);
}

void nodes_set(struct nodes *w, sg_ms wall)
{
    nodes_pass(w, wall - atomic_load(&w->wall));
}

/* ---- life ---- */

/* Held to the end of the test, also while their nodes are stopped. */
static void hold_ports(struct nodes *w)
{
    for (unsigned i = 0; i < NODES; i++) {
        w->held[i] = raw_refusing(&w->ports[i]);
        assert_true(w->held[i] >= 0);
        snprintf(w->urls[i], sizeof w->urls[i], "http://127.0.0.1:%u", w->ports[i]);
    }
}

int nodes_setup(void **state)
{
    struct nodes *w = calloc(1, sizeof *w);
    struct sg_fault fault = {0};
    chain_maker_init(&w->maker, &(struct maker_config){.ngateways = NODES, .bits = 4, .real_keys = true});
    assert_int_equal(sg_clock_init(&w->clock, NULL, &fault), 0);
    w->clock.wall_ms = wall_ms;
    w->clock.run_ms = run_ms;
    w->clock.speed_milli = 100000; /* waits are short: the clock jumps */
    w->clock.ctx = w;
    atomic_store(&w->wall, MAKER_START + 1000);
    atomic_store(&w->run, 5000);
    strcpy(w->dir, "/tmp/gridwitness-nodes-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    hold_ports(w);
    assert_int_equal(sg_http_client_new(&w->http), 0);
    *state = w;
    return 0;
}

int nodes_teardown(void **state)
{
    struct nodes *w = *state;
    char path[96];
    for (unsigned i = 0; i < NODES; i++) {
        nodes_stop(w, i);
        (void)close(w->held[i]);
        snprintf(path, sizeof path, "%s/%u", w->dir, i);
        fixture_remove_dir(path);
    }
    fixture_remove_dir(w->dir);
    sg_http_client_free(w->http);
    chain_maker_fini(&w->maker);
    free(w);
    return 0;
}

struct failed_ctx {
    struct nodes *w;
    unsigned i;
};
static struct failed_ctx failed_ctx[NODES];

static void on_failed(void *ctx, int err, const char *why)
{
    const struct failed_ctx *f = ctx;
    (void)why;
    atomic_store(&f->w->failed[f->i], err);
}

void nodes_start(struct nodes *w, unsigned i, const unsigned *peers, const char *url)
{
    const char *urls[NODES + 1];
    char path[96];
    unsigned n = 0;
    struct sg_fault fault = {0};
    for (; peers && peers[n] != NODES_NONE; n++)
        urls[n] = w->urls[peers[n]];
    if (url)
        urls[n++] = url;
    snprintf(path, sizeof path, "%s/%u", w->dir, i);
    failed_ctx[i] = (struct failed_ctx){w, i};
    const struct lg_node_config config = {.bind = "127.0.0.1",
        .port = w->ports[i],
        .data_dir = path,
        .genesis = w->maker.g,
        .key = w->maker.keys[i],
        .peers = urls,
        .npeers = n,
        .scrub_ms = w->scrub_ms,
        .clock = &w->clock,
        .failed = on_failed,
        .failed_ctx = &failed_ctx[i]};
    if (lg_node_start(&w->node[i], &config, &fault) != 0)
        fail_msg("%s", fault.text);
    assert_int_equal(lg_node_port(w->node[i]), w->ports[i]);
}

void nodes_start_all(struct nodes *w)
{
    for (unsigned i = 0; i < NODES; i++) {
        unsigned peers[NODES], n = 0;
        for (unsigned k = 0; k < NODES; k++)
            if (k != i)
                peers[n++] = k;
        peers[n] = NODES_NONE;
        if (!w->node[i])
            nodes_start(w, i, peers, NULL);
    }
}

void nodes_stop(struct nodes *w, unsigned i)
{
    lg_node_stop(w->node[i]);
    w->node[i] = NULL;
}

/* ---- questions ---- */

static int call(struct nodes *w, unsigned i, const char *path, const struct sg_buf *post, json_t **json)
{
    char url[300];
    struct sg_http_answer answer = {0};
    snprintf(url, sizeof url, "%s%s", w->urls[i], path);
    const struct sg_http_call c = {.url = url,
        .header = w->relays ? LG_RELAYED ": 1" : NULL,
        .post = post ? post->p : NULL,
        .post_len = post ? post->len : 0,
        .max_answer = 64u << 20,
        .timeout_ms = NODES_WAIT_S * 1000};
    const int err = sg_http_client_call(w->http, &c, &answer);
    if (json)
        *json = err == 0 ? json_loadb((const char *)answer.body.p, answer.body.len, 0, NULL) : NULL;
    sg_buf_fini(&answer.body);
    return err == 0 ? answer.status : 0;
}

int nodes_get(struct nodes *w, unsigned i, const char *path, json_t **json)
{
    return call(w, i, path, NULL, json);
}

int nodes_offer(
    struct nodes *w, unsigned i, const struct lg_statement *s, const struct lg_body *body, json_t **json)
{
    struct sg_buf doc;
    sg_buf_init(&doc, 1u << 20);
    make_offer(&doc, &s, 1, &body, body ? 1 : 0);
    const int status = call(w, i, "/v1/statements", &doc, json);
    sg_buf_fini(&doc);
    return status;
}

json_t *nodes_missing(struct nodes *w, unsigned i, const struct lg_hash *leaves, unsigned n)
{
    struct sg_buf doc;
    json_t *json = NULL;
    sg_buf_init(&doc, LG_ASK_MAX_BYTES);
    lg_ask_encode(&doc, leaves, n);
    assert_int_equal(call(w, i, "/v1/missing", &doc, &json), 200);
    sg_buf_fini(&doc);
    return json;
}

int64_t nodes_height(struct nodes *w, unsigned i)
{
    json_t *json = NULL;
    const int status = nodes_get(w, i, "/v1/status", &json);
    const int64_t height = status == 200 ? json_integer_value(json_object_get(json, "height")) : -1;
    json_decref(json);
    return height;
}

const struct lg_statement *nodes_say(struct nodes *w, unsigned i, unsigned gw, sg_minute slot)
{
    const struct lg_body *body = make_body(&w->maker, 0, slot, 1);
    const struct lg_statement *s = make_statement(&w->maker,
        &(struct maker_say){.gw = gw, .slot = slot, .after = w->last[gw], .bodies = &body, .nbodies = 1});
    json_t *json = NULL;
    assert_int_equal(nodes_offer(w, i, s, body, &json), 200);
    assert_int_equal(json_integer_value(json_object_get(json, "accepted")), 1);
    json_decref(json);
    assert_true(w->nsaid < NODES_DOCS);
    w->said[w->nsaid++] = s;
    w->last[gw] = s;
    return s;
}

const char *nodes_place(struct nodes *w, unsigned i, const struct lg_statement *s, char *dst)
{
    char url[LG_CLIENT_URL_SIZE];
    json_t *json = NULL;
    assert_int_equal(lg_client_statement_url(url, "", &s->leaf), 0);
    const int status = nodes_get(w, i, url, &json);
    snprintf(dst, 16, "%s", status == 200 ? json_string_value(json_object_get(json, "state")) : "");
    json_decref(json);
    return dst;
}

/* ---- waiting ---- */

void nodes_wait(struct nodes *w, bool (*condition)(struct nodes *w, int64_t a, int64_t b), int64_t a,
    int64_t b, const char *what)
{
    struct event_log pause; /* nobody writes into it: 5 ms between two looks */
    struct timespec begin, now;
    log_init(&pause);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    bool good;
    do {
        good = condition(w, a, b);
        if (!good)
            log_look(&pause);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (!good && now.tv_sec - begin.tv_sec < NODES_WAIT_S);
    log_fini(&pause);
    if (!good)
        fail_msg("not within %d s: %s (%lld, %lld)", NODES_WAIT_S, what, (long long)a, (long long)b);
}

static bool has_height(struct nodes *w, int64_t i, int64_t height)
{
    return nodes_height(w, (unsigned)i) >= height;
}

void nodes_wait_height(struct nodes *w, unsigned i, int64_t height)
{
    nodes_wait(w, has_height, i, height, "node has height");
}

static bool one_tip(struct nodes *w, int64_t height, int64_t none)
{
    char first[65] = "";
    bool same = true;
    (void)none;
    for (unsigned i = 0; i < NODES && same; i++) {
        json_t *json = NULL;
        if (!w->node[i])
            continue;
        same = nodes_get(w, i, "/v1/status", &json) == 200 &&
               json_integer_value(json_object_get(json, "height")) >= height;
        const char *tip = same ? json_string_value(json_object_get(json, "tip")) : "";
        same = same && (first[0] == '\0' || strcmp(first, tip) == 0);
        snprintf(first, sizeof first, "%s", tip);
        json_decref(json);
    }
    return same;
}

void nodes_wait_one_tip(struct nodes *w, int64_t height)
{
    nodes_wait(w, one_tip, height, 0, "one tip of at least this height");
}

static const char *wanted_why;

static bool ready_is(struct nodes *w, int64_t i, int64_t none)
{
    json_t *json = NULL;
    const int status = nodes_get(w, (unsigned)i, "/readyz", &json);
    const char *detail = json_string_value(json_object_get(json, "detail"));
    const bool good =
        wanted_why[0] == '\0' ? status == 200 : status == 503 && detail && strstr(detail, wanted_why) != NULL;
    json_decref(json);
    (void)none;
    return good;
}

void nodes_wait_ready(struct nodes *w, unsigned i, const char *why)
{
    wanted_why = why;
    nodes_wait(w, ready_is, i, 0, why[0] ? why : "ready");
}

static sg_ms mined_until; /* every miner has had its turn then */

static bool mined(struct nodes *w, int64_t i, int64_t height)
{
    if (nodes_height(w, (unsigned)i) >= height)
        return true;
    if (atomic_load(&w->wall) <
        mined_until) /* no further: the test's next slot must lie ahead, however slow the nodes are */
        nodes_pass(w, 100);
    return false;
}

void nodes_mine(struct nodes *w, unsigned i, sg_minute slot, int64_t height)
{
    const sg_ms from = (slot + 1) * SG_MINUTE_MS + 1000;
    if (atomic_load(&w->wall) < from)
        nodes_set(w, from);
    mined_until = (slot + 2) * SG_MINUTE_MS - 5000;
    nodes_wait(w, mined, i, height, "a block is mined");
}
