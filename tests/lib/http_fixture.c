/* See http_fixture.h. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/lib/http_fixture.h"

enum { BIG = 16 * 1024 * 1024, PATIENCE_MS = 300000 };

static void on_ok(void *ctx, struct sg_http_request *req)
{
    (void)ctx;
    sg_http_answer(req, 200, "text/plain", "ok", 2, NULL);
}

static void on_later(void *ctx, struct sg_http_request *req)
{
    struct http_fixture *f = ctx;

    assert_int_equal(sg_queue_put(f->kept, req), 0);
}

static void *answer_thread(void *arg)
{
    sg_http_answer(arg, 200, "text/plain", "early", 5, NULL);
    return NULL;
}

/* Another thread answers before the handler returns. */
static void on_early(void *ctx, struct sg_http_request *req)
{
    pthread_t t;

    (void)ctx;
    assert_int_equal(pthread_create(&t, NULL, answer_thread, req), 0);
    assert_int_equal(pthread_join(t, NULL), 0);
}

static void on_echo(void *ctx, struct sg_http_request *req)
{
    size_t len;
    const uint8_t *body = sg_http_body(req, &len);

    (void)ctx;
    sg_http_answer(req, 200, "application/json", body, len, NULL);
}

static void on_big(void *ctx, struct sg_http_request *req)
{
    struct sg_buf b;

    (void)ctx;
    sg_buf_init(&b, BIG);
    assert_int_equal(sg_buf_reserve(&b, BIG), 0);
    memset(b.p, 'x', BIG);
    b.len = BIG;
    sg_http_answer_take(req, 200, "text/plain", &b);
}

static void on_broken(void *ctx, struct sg_http_request *req)
{
    struct sg_buf b;

    (void)ctx;
    sg_buf_init(&b, 2);
    sg_buf_puts(&b, "abc");
    sg_http_answer_take(req, 200, "text/plain", &b);
}

static const struct sg_http_route routes[] = {
    {SG_HTTP_GET, "/ok", 0, on_ok},
    {SG_HTTP_GET, "/later", 0, on_later},
    {SG_HTTP_GET, "/early", 0, on_early},
    {SG_HTTP_GET, "/big", 0, on_big},
    {SG_HTTP_GET, "/broken", 0, on_broken},
    {SG_HTTP_POST, "/echo", HTTP_BODY_CAP, on_echo},
};

void http_start(struct http_fixture *f, struct sg_http_server_config c)
{
    struct sg_fault fault;

    memset(f, 0, sizeof(*f));
    assert_int_equal(sg_queue_new(&f->kept, 64), 0);
    if (c.request_timeout_ms == 0)
        c.request_timeout_ms = PATIENCE_MS;
    if (c.answer_timeout_ms == 0)
        c.answer_timeout_ms = PATIENCE_MS;
    c.bind = "127.0.0.1";
    c.routes = routes;
    c.nroutes = SG_ARRAY_LEN(routes);
    c.ctx = f;
    assert_int_equal(sg_http_server_start(&f->server, &c, &fault), 0);
    f->port = sg_http_server_port(f->server);
}

void http_stop(struct http_fixture *f)
{
    sg_http_server_stop(f->server);
    void *left = NULL;
    assert_int_equal(sg_queue_get(f->kept, &left, 0), SG_ETIMEOUT);
    sg_queue_free(f->kept);
}

int http_dial(const struct http_fixture *f)
{
    int fd = raw_dial(f->port, 0);

    assert_true(fd >= 0);
    return fd;
}

int http_status_on(int fd, const char *request)
{
    struct raw_answer a;

    (void)raw_sends(fd, request);
    raw_recv(fd, &a, false);
    return a.status;
}

int http_status_of(const struct http_fixture *f, const char *request)
{
    int fd = http_dial(f);
    int status = http_status_on(fd, request);

    (void)close(fd);
    return status;
}

bool http_served(const struct http_fixture *f)
{
    const int64_t start_ms = raw_now_ms();
    int status;

    do
        status = http_status_of(f, HTTP_OK);
    while (status == 0 && raw_now_ms() - start_ms < RAW_TIMEOUT_MS);
    return status == 200;
}

struct sg_http_request *http_next_kept(struct http_fixture *f)
{
    void *req;

    assert_int_equal(sg_queue_get(f->kept, &req, RAW_TIMEOUT_MS), 0);
    return req;
}

void http_answer_kept(struct sg_http_request *req)
{
    sg_http_answer(req, 200, "text/plain", "late", 4, NULL);
}
