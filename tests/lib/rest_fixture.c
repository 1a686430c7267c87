#include "rest_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct offered {
    bool is_block;
    struct sg_http_request *req;
};

static int enqueue(struct rest_fixture *r, struct sg_http_request *req, bool is_block)
{
    struct offered *o = malloc(sizeof *o);
    *o = (struct offered){is_block, req};
    const int err = sg_queue_put(r->queue, o);
    if (err != 0)
        free(o);
    return err;
}

static int offer_statements(void *ctx, struct sg_http_request *req)
{
    return enqueue(ctx, req, false);
}

static int offer_block(void *ctx, struct sg_http_request *req)
{
    return enqueue(ctx, req, true);
}

static int offer_built(void *ctx, struct sg_http_request *req, uint8_t *doc, size_t len)
{
    struct rest_fixture *r = ctx;
    sg_buf_reset(&r->built);
    sg_buf_put(&r->built, doc, len);
    const int err = enqueue(ctx, req, true);
    if (err == 0)
        free(doc);
    return err;
}

static void *chain_thread(void *ctx)
{
    struct rest_fixture *r = ctx;
    void *msg;
    while (sg_queue_get(r->queue, &msg, -1) == 0) {
        struct offered *o = msg;
        sg_http_body(o->req, &r->offered_len);
        if (o->is_block)
            lg_rest_answer_block(o->req, r->verdict, r->block_err);
        else
            lg_rest_answer_offer(o->req, &r->offer, r->offer_err);
        free(o);
    }
    return NULL;
}

static void snapshot(void *ctx, struct lg_rest_snapshot *out)
{
    const struct rest_fixture *r = ctx;
    *out = r->snapshot;
}

static bool relay(void *ctx, struct lg_node_relay_state *out, unsigned index)
{
    const struct rest_fixture *r = ctx;
    *out = r->relay;
    return index == 0 && r->relay.id[0] != '\0';
}

void rest_init(struct rest_fixture *r, int64_t height)
{
    struct sg_fault fault = {0};
    memset(r, 0, sizeof *r);
    sg_buf_init(&r->built, 1u << 24);
    fixture_init(&r->f);
    fixture_connect(&r->f, 1, height);
    assert_int_equal(sg_clock_init(&r->clock, NULL, &fault), 0);
    assert_int_equal(sg_queue_new(&r->queue, 1), 0);
    assert_int_equal(pthread_create(&r->chain, NULL, chain_thread, r), 0);
    r->node = (struct lg_rest_node){.ctx = r,
        .offer_statements = offer_statements,
        .offer_block = offer_block,
        .offer_built = offer_built,
        .snapshot = snapshot,
        .relay = relay};
    r->snapshot.engine_name = "pow";
    r->snapshot.ready = true;
    const struct lg_rest_config config = {.data_dir = r->f.dir,
        .genesis = r->f.g,
        .clock = &r->clock,
        .bind = "127.0.0.1",
        .node_name = "Red_BKC_NODO_5004",
        .has_kid = true,
        .kid = r->f.g->gateways[0].id,
        .node = &r->node};
    if (lg_rest_start(&r->rest, &config, &fault) != 0)
        fail_msg("%s", fault.text);
    assert_int_equal(sg_http_client_new(&r->client), 0);
}

static void forget_answer(struct rest_fixture *r)
{
    sg_buf_fini(&r->answer.body);
    json_decref(r->json);
    r->json = NULL;
}

void rest_fini(struct rest_fixture *r)
{
    forget_answer(r);
    sg_http_client_free(r->client);
    sg_queue_close(r->queue);
    pthread_join(r->chain, NULL);
    lg_rest_stop(r->rest);
    sg_queue_free(r->queue);
    fixture_fini(&r->f);
    sg_buf_fini(&r->built);
}

static int set_up(void **state, int64_t height)
{
    struct rest_fixture *r = malloc(sizeof *r);
    assert_non_null(r);
    rest_init(r, height);
    *state = r;
    return 0;
}

int rest_setup(void **state)
{
    return set_up(state, FIXTURE_BLOCKS);
}

int rest_setup_empty(void **state)
{
    return set_up(state, 0);
}

int rest_teardown(void **state)
{
    rest_fini(*state);
    free(*state);
    return 0;
}

static int call(struct rest_fixture *r, const char *path, const char *accept, const void *post, size_t len)
{
    char url[600];
    forget_answer(r);
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", lg_rest_port(r->rest), path);
    const struct sg_http_call c = {
        .url = url, .accept = accept, .post = post, .post_len = len, .max_answer = 64u << 20};
    assert_code(sg_http_client_call(r->client, &c, &r->answer), 0);
    r->json = json_loadb((const char *)r->answer.body.p, r->answer.body.len, JSON_REJECT_DUPLICATES, NULL);
    return r->answer.status;
}

int rest_get(struct rest_fixture *r, const char *path)
{
    return call(r, path, NULL, NULL, 0);
}

int rest_get_as(struct rest_fixture *r, const char *path, const char *accept)
{
    return call(r, path, accept, NULL, 0);
}

int rest_post(struct rest_fixture *r, const char *path, const void *body, size_t len)
{
    return call(r, path, NULL, body, len);
}

void assert_keys(const json_t *object, const char *const *keys, size_t n)
{
    assert_true(json_is_object(object));
    for (size_t i = 0; i < n; i++)
        if (json_object_get(object, keys[i]) == NULL)
            fail_msg("no key %s", keys[i]);
    assert_int_equal(json_object_size(object), n);
}

json_t *rest_json(struct rest_fixture *r, const char *path, const char *const *keys, size_t n)
{
    const int status = rest_get(r, path);
    if (status != 200 || r->json == NULL)
        fail_msg("%s: %d %.*s", path, status, (int)r->answer.body.len, (const char *)r->answer.body.p);
    assert_keys(r->json, keys, n);
    return r->json;
}

void assert_problem(struct rest_fixture *r, const char *path, int err)
{
    const int status = rest_get(r, path);
    if (r->json == NULL || status != sg_http_status_of(err))
        fail_msg("%s: %d %.*s", path, status, (int)r->answer.body.len, (const char *)r->answer.body.p);
    assert_string_equal(vec_text(r->json, "code"), sg_err_code(err));
}

char *rest_text(const struct rest_fixture *r)
{
    char *text = malloc(r->answer.body.len + 1);
    assert_non_null(text);
    memcpy(text, r->answer.body.p, r->answer.body.len);
    text[r->answer.body.len] = '\0';
    return text;
}
