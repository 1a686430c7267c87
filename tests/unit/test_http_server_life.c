/* The HTTP server's life: kept connections and kept requests, slow clients, limits, start and stop. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "sg_http.h"
#include "sg_queue.h"
#include "tests/lib/raw_http.h"

#define H     "Host: x\r\n"
#define OK    "GET /ok HTTP/1.1\r\n" H "\r\n"
#define LATER "GET /later HTTP/1.1\r\n" H "\r\n"

enum { TIMEOUT_MS = 300, BODY_CAP = 100000, BIG = 16 * 1024 * 1024 };

struct fixture {
    struct sg_http_server *server;
    uint16_t port;
    struct sg_queue *kept; /* requests of /later, for the test's own thread to answer */
    int freed;             /* what free_count counted */
};

static void free_count(void *p)
{
    ++*(int *)p;
}

static void on_ok(void *ctx, struct sg_http_request *req)
{
    struct fixture *f = ctx;

    sg_http_request_own(req, &f->freed, free_count);
    sg_http_answer(req, 200, "text/plain", "ok", 2, NULL);
}

static void on_later(void *ctx, struct sg_http_request *req)
{
    struct fixture *f = ctx;

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
    {SG_HTTP_POST, "/echo", BODY_CAP, on_echo},
};

static void start(struct fixture *f, struct sg_http_server_config c)
{
    struct sg_fault fault;

    memset(f, 0, sizeof(*f));
    assert_int_equal(sg_queue_new(&f->kept, 64), 0);
    c.bind = "127.0.0.1";
    c.routes = routes;
    c.nroutes = SG_ARRAY_LEN(routes);
    c.ctx = f;
    assert_int_equal(sg_http_server_start(&f->server, &c, &fault), 0);
    f->port = sg_http_server_port(f->server);
}

static void stop(struct fixture *f)
{
    sg_http_server_stop(f->server);
    assert_int_equal(sg_queue_len(f->kept), 0);
    sg_queue_free(f->kept);
}

static int dial(const struct fixture *f)
{
    int fd = raw_dial(f->port, 0);

    assert_true(fd >= 0);
    return fd;
}

static int status_on(int fd, const char *request)
{
    struct raw_answer a;

    (void)raw_sends(fd, request);
    raw_recv(fd, &a, false);
    return a.status;
}

static int status_of(const struct fixture *f, const char *request)
{
    int fd = dial(f);
    int status = status_on(fd, request);

    (void)close(fd);
    return status;
}

static struct sg_http_request *next_kept(struct fixture *f)
{
    void *req;

    assert_int_equal(sg_queue_get(f->kept, &req, RAW_TIMEOUT_MS), 0);
    return req;
}

static void answer_kept(struct sg_http_request *req)
{
    sg_http_answer(req, 200, "text/plain", "late", 4, NULL);
}

/* ---- kept connections ---- */

/* One connection serves request after request, and what a request owned is freed once each. */
static void connection_kept_serves_many_requests(void **state)
{
    struct fixture f;

    (void)state;
    start(&f, (struct sg_http_server_config){0});
    int fd = dial(&f);
    for (int i = 0; i < 100; i++)
        assert_int_equal(status_on(fd, OK), 200);
    (void)close(fd);
    uint64_t answered, refused;
    sg_http_server_counts(f.server, &answered, &refused);
    assert_int_equal(answered, 100);
    assert_int_equal(refused, 0);
    stop(&f);
    assert_int_equal(f.freed, 100);
}

/* R15: a thousand pipelined requests are answered in order, a kept one in the middle holds back what follows only. */
static void connection_pipelined_answers_in_order(void **state)
{
    struct fixture f;
    struct raw_answer a;

    (void)state;
    start(&f, (struct sg_http_server_config){0});
    int fd = dial(&f);
    for (int i = 0; i < 1000; i++)
        assert_true(raw_sends(fd, i == 500 ? LATER : OK));
    struct sg_http_request *req = next_kept(&f);
    assert_int_equal(status_of(&f, OK), 200);
    answer_kept(req);
    for (int i = 0; i < 1000; i++) {
        raw_recv(fd, &a, false);
        assert_int_equal(a.status, 200);
        assert_string_equal(a.body, i == 500 ? "late" : "ok");
    }
    (void)close(fd);
    stop(&f);
}

/* A body arrives in any pieces, up to the route's cap exactly. */
static void body_in_pieces_arrives_whole(void **state)
{
    struct fixture f;
    struct raw_answer a;
    char head[128];
    char *body = malloc(BODY_CAP);

    (void)state;
    assert_non_null(body);
    start(&f, (struct sg_http_server_config){0});
    int fd = dial(&f);
    for (size_t i = 0; i < BODY_CAP; i++)
        body[i] = (char)('a' + i % 23);
    (void)snprintf(
        head, sizeof(head), "POST /echo HTTP/1.1\r\n" H "Content-Length: %d\r\n\r\n", (int)BODY_CAP);
    for (const char *p = head; *p; p++)
        assert_true(raw_send(fd, p, 1));
    for (size_t i = 0; i < 200; i++)
        assert_true(raw_send(fd, body + i, 1));
    assert_true(raw_send(fd, body + 200, BODY_CAP - 200));
    raw_recv(fd, &a, false);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body_len, BODY_CAP);
    assert_memory_equal(a.body, body, sizeof(a.body) - 1);
    assert_int_equal(status_on(fd, OK), 200);
    assert_int_equal(
        status_on(fd, "POST /echo HTTP/1.1\r\n" H "Content-Length: 100001\r\nExpect: 100-continue\r\n\r\n"),
        413);
    (void)close(fd);
    free(body);
    stop(&f);
}

/* ---- kept requests ---- */

/* A request that waits for its answer delays nobody, and is answered from another thread. */
static void request_kept_answered_from_another_thread(void **state)
{
    struct fixture f;
    struct raw_answer a;

    (void)state;
    for (unsigned threads = 1; threads <= 2; threads++) {
        start(&f, (struct sg_http_server_config){.threads = threads});
        int fd = dial(&f);
        for (int i = 0; i < 20; i++) {
            assert_true(raw_sends(fd, LATER));
            struct sg_http_request *req = next_kept(&f);
            assert_int_equal(status_of(&f, OK), 200);
            answer_kept(req);
            raw_recv(fd, &a, false);
            assert_string_equal(a.body, "late");
        }
        (void)close(fd);
        stop(&f);
    }
}

/* An answer that comes before the handler has returned is not lost. */
static void request_answered_before_handler_returns_is_sent(void **state)
{
    struct fixture f;

    (void)state;
    start(&f, (struct sg_http_server_config){0});
    int fd = dial(&f);
    for (int i = 0; i < 20; i++)
        assert_int_equal(status_on(fd, "GET /early HTTP/1.1\r\n" H "\r\n"), 200);
    (void)close(fd);
    stop(&f);
}

/* A client that leaves while its request is kept costs nothing but its own answer. */
static void request_kept_client_gone_is_dropped(void **state)
{
    struct fixture f;

    (void)state;
    start(&f, (struct sg_http_server_config){0});
    for (int i = 0; i < 20; i++) {
        int fd = dial(&f);
        struct linger lingers = {.l_onoff = i % 2, .l_linger = 0}; /* every other one by a reset */
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &lingers, sizeof(lingers)), 0);
        assert_true(raw_sends(fd, LATER));
        struct sg_http_request *req = next_kept(&f);
        (void)close(fd);
        answer_kept(req);
    }
    assert_int_equal(status_of(&f, OK), 200);
    stop(&f);
}

/* An answer whose buffer overflowed is an error for the client, not a cut document. */
static void answer_from_failed_buffer_is_a_problem(void **state)
{
    struct fixture f;

    (void)state;
    start(&f, (struct sg_http_server_config){0});
    assert_int_equal(status_of(&f, "GET /broken HTTP/1.1\r\n" H "\r\n"), 413);
    stop(&f);
}

/* ---- slow clients ---- */

/* Send text for ever, a byte at a time, until the server closes. Returns the time that took. */
static int64_t drip_until_closed(int fd, const char *text)
{
    int64_t start_ms = raw_now_ms();
    struct pollfd p = {.fd = fd, .events = POLLIN};

    while (raw_now_ms() - start_ms < RAW_TIMEOUT_MS) {
        if (!raw_send(fd, *text ? text : "a", 1))
            break;
        if (*text)
            text++;
        if (poll(&p, 1, 20) == 1) /* the pace of the drip, and what wakes it */
            break;
    }
    return raw_now_ms() - start_ms;
}

/* R8, R9, R16: bytes that never make a request, in the header, in the body, after 100 Continue, or none at all, end after the
 * limit, however busy the connection looks; meanwhile others are served. */
static void client_slow_is_closed_others_are_served(void **state)
{
    static const char *const drips[] = {
        "", "GET /ok HTTP/1.1\r\n" H "X: ", "POST /echo HTTP/1.1\r\n" H "Content-Length: 90000\r\n\r\n"};
    struct fixture f;

    (void)state;
    start(&f, (struct sg_http_server_config){.request_timeout_ms = TIMEOUT_MS});
    int silent = dial(&f);
    int expect = dial(&f);
    assert_true(
        raw_sends(expect, "POST /echo HTTP/1.1\r\n" H "Content-Length: 9\r\nExpect: 100-continue\r\n\r\n"));
    for (size_t i = 0; i < SG_ARRAY_LEN(drips); i++) {
        int fd = dial(&f);
        assert_int_equal(status_of(&f, OK), 200);
        int64_t took_ms = drip_until_closed(fd, drips[i]);
        assert_in_range(took_ms, TIMEOUT_MS - 50, RAW_TIMEOUT_MS / 2);
        assert_int_equal(status_of(&f, OK), 200);
        (void)close(fd);
    }
    assert_true(raw_closed(silent));
    char text[256];
    (void)raw_recv_all(expect, text, sizeof(text));
    assert_string_equal(text, "HTTP/1.1 100 Continue\r\n\r\n");
    (void)close(silent);
    (void)close(expect);
    stop(&f);
}

/* The limit measures the client: a kept request may take the server many times as long, and afterwards the connection
 * is as good as before; without a further request it is closed. */
static void request_kept_beyond_the_limit_is_answered(void **state)
{
    struct fixture f;
    struct raw_answer a;

    (void)state;
    start(&f, (struct sg_http_server_config){.request_timeout_ms = TIMEOUT_MS});
    int fd = dial(&f);
    assert_true(raw_sends(fd, LATER));
    struct sg_http_request *req = next_kept(&f);
    for (int i = 0; i < 3; i++) { /* three limits pass: each closes a silent connection */
        int silent = dial(&f);
        assert_true(raw_closed(silent));
        (void)close(silent);
    }
    answer_kept(req);
    raw_recv(fd, &a, false);
    assert_int_equal(a.status, 200);
    assert_int_equal(status_on(fd, OK), 200);
    assert_true(raw_closed(fd));
    (void)close(fd);
    stop(&f);
}

/* R10: a client that asks for much and reads nothing is closed after the answer's limit. */
static void client_that_never_reads_is_closed(void **state)
{
    struct fixture f;
    struct pollfd p = {.events = 0}; /* POLLHUP or POLLERR */

    (void)state;
    start(&f,
        (struct sg_http_server_config){.request_timeout_ms = TIMEOUT_MS, .answer_timeout_ms = TIMEOUT_MS});
    p.fd = dial(&f);
    assert_true(raw_sends(p.fd, "GET /big HTTP/1.1\r\n" H "\r\n"));
    assert_int_equal(status_of(&f, OK), 200);
    assert_int_equal(poll(&p, 1, RAW_TIMEOUT_MS), 1);
    (void)close(p.fd);
    stop(&f);
}

/* ---- limits ---- */

/* One address holds so many connections and no more; another address is served. */
static void address_beyond_its_share_refused(void **state)
{
    struct fixture f;
    int held[3];

    (void)state;
    start(&f, (struct sg_http_server_config){.max_connections_address = 3});
    for (size_t i = 0; i < SG_ARRAY_LEN(held); i++) {
        held[i] = raw_dial(f.port, 7);
        assert_int_equal(status_on(held[i], OK), 200);
    }
    int fourth = raw_dial(f.port, 7);
    assert_true(raw_closed(fourth));
    (void)close(fourth);
    assert_int_equal(status_of(&f, OK), 200);
    for (size_t i = 0; i < SG_ARRAY_LEN(held); i++)
        (void)close(held[i]);
    stop(&f);
}

/* With all places taken by clients that say nothing, a new one is served as soon as the sweep has freed a place. */
static void connections_all_taken_freed_by_the_sweep(void **state)
{
    struct fixture f;
    int held[4];

    (void)state;
    start(&f, (struct sg_http_server_config){.max_connections = 4, .request_timeout_ms = TIMEOUT_MS});
    for (size_t i = 0; i < SG_ARRAY_LEN(held); i++)
        held[i] = raw_dial(f.port, 2 + (unsigned)i);
    assert_int_equal(status_of(&f, OK), 200);
    for (size_t i = 0; i < SG_ARRAY_LEN(held); i++)
        (void)close(held[i]);
    stop(&f);
}

/* ---- start and stop ---- */

/* A port that is taken, or an address that is none, is an error that names it. */
static void server_start_on_taken_port_or_bad_address_fails(void **state)
{
    struct fixture f;
    struct sg_http_server *s = NULL;
    struct sg_fault fault;
    char number[16];

    (void)state;
    start(&f, (struct sg_http_server_config){0});
    struct sg_http_server_config c = {.bind = "127.0.0.1", .port = f.port};
    assert_int_equal(sg_http_server_start(&s, &c, &fault), SG_EADDRINUSE);
    (void)snprintf(number, sizeof(number), "%u", (unsigned)f.port);
    assert_non_null(strstr(fault.text, number));
    c = (struct sg_http_server_config){.bind = "localhost"};
    assert_int_equal(sg_http_server_start(&s, &c, &fault), SG_ECONFIG);
    assert_non_null(strstr(fault.text, "localhost"));
    c = (struct sg_http_server_config){.bind = "192.0.2.1"}; /* not ours: RFC 5737 */
    assert_int_equal(sg_http_server_start(&s, &c, &fault), SG_EIO);
    assert_null(s);
    stop(&f);
    sg_http_server_stop(NULL);
}

/* IPv6 is served like IPv4 (where the machine has it, starting must succeed). */
static void server_on_ipv6_loopback_starts(void **state)
{
    struct sg_http_server *s;
    struct sg_fault fault;
    struct sg_http_server_config c = {.bind = "::1"};
    int err = sg_http_server_start(&s, &c, &fault);

    (void)state;
    if (err != 0) {
        assert_int_equal(err, SG_EIO); /* no IPv6 here */
        skip();
    }
    assert_true(sg_http_server_port(s) > 0);
    sg_http_server_stop(s);
}

/* A refusing server answers what it kept and nothing new. */
static void server_refusing_answers_kept_requests_only(void **state)
{
    struct fixture f;
    struct raw_answer a;

    (void)state;
    start(&f, (struct sg_http_server_config){0});
    int fd = dial(&f);
    assert_true(raw_sends(fd, LATER));
    struct sg_http_request *req = next_kept(&f);
    sg_http_server_refuse(f.server);
    assert_int_equal(status_of(&f, OK), 503);
    answer_kept(req);
    raw_recv(fd, &a, false);
    assert_int_equal(a.status, 200);
    (void)close(fd);
    stop(&f);
}

static void *stop_thread(void *arg)
{
    sg_http_server_stop(arg);
    return NULL;
}

/* Stopping waits for the answers to kept requests; the clients get them. Idle connections do not hold it up. */
static void server_stop_waits_for_kept_answers(void **state)
{
    struct fixture f;
    struct raw_answer a;
    pthread_t t;

    (void)state;
    start(&f, (struct sg_http_server_config){0});
    int idle = dial(&f);
    assert_int_equal(status_on(idle, OK), 200);
    int fd = dial(&f);
    assert_true(raw_sends(fd, LATER));
    struct sg_http_request *req = next_kept(&f);
    assert_int_equal(pthread_create(&t, NULL, stop_thread, f.server), 0);
    while (status_on(idle, OK) != 503) /* until the stop has begun */
        ;
    answer_kept(req);
    raw_recv(fd, &a, false);
    assert_int_equal(a.status, 200);
    assert_int_equal(pthread_join(t, NULL), 0);
    assert_true(raw_closed(idle));
    (void)close(idle);
    (void)close(fd);
    sg_queue_free(f.kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connection_kept_serves_many_requests),
        cmocka_unit_test(connection_pipelined_answers_in_order),
        cmocka_unit_test(body_in_pieces_arrives_whole),
        cmocka_unit_test(request_kept_answered_from_another_thread),
        cmocka_unit_test(request_answered_before_handler_returns_is_sent),
        cmocka_unit_test(request_kept_client_gone_is_dropped),
        cmocka_unit_test(answer_from_failed_buffer_is_a_problem),
        cmocka_unit_test(client_slow_is_closed_others_are_served),
        cmocka_unit_test(request_kept_beyond_the_limit_is_answered),
        cmocka_unit_test(client_that_never_reads_is_closed),
        cmocka_unit_test(address_beyond_its_share_refused),
        cmocka_unit_test(connections_all_taken_freed_by_the_sweep),
        cmocka_unit_test(server_start_on_taken_port_or_bad_address_fails),
        cmocka_unit_test(server_on_ipv6_loopback_starts),
        cmocka_unit_test(server_refusing_answers_kept_requests_only),
        cmocka_unit_test(server_stop_waits_for_kept_answers),
    };

    return cmocka_run_group_tests_name("http_server_life", tests, NULL, NULL);
}
