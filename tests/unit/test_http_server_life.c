/* The HTTP server's life: kept connections and kept requests, start and stop. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/lib/http_fixture.h"

/* ---- kept connections ---- */

/* One connection serves request after request. */
static void connection_kept_serves_many_requests(void **state)
{
    struct http_fixture f;

    (void)state;
    http_start(&f, (struct sg_http_server_config){0});
    int fd = http_dial(&f);
    for (int i = 0; i < 100; i++)
        assert_int_equal(http_status_on(fd, HTTP_OK), 200);
    (void)close(fd);
    uint64_t answered, refused;
    sg_http_server_counts(f.server, &answered, &refused);
    assert_int_equal(answered, 100);
    assert_int_equal(refused, 0);
    http_stop(&f);
}

/* R15: a thousand pipelined requests are answered in order, a kept one in the middle holds back what follows only. */
static void connection_pipelined_answers_in_order(void **state)
{
    struct http_fixture f;
    struct raw_answer a;

    (void)state;
    http_start(&f, (struct sg_http_server_config){0});
    int fd = http_dial(&f);
    for (int i = 0; i < 1000; i++)
        assert_true(raw_sends(fd, i == 500 ? HTTP_LATER : HTTP_OK));
    struct sg_http_request *req = http_next_kept(&f);
    assert_int_equal(http_status_of(&f, HTTP_OK), 200);
    http_answer_kept(req);
    for (int i = 0; i < 1000; i++) {
        raw_recv(fd, &a, false);
        assert_int_equal(a.status, 200);
        assert_string_equal(a.body, i == 500 ? "late" : "ok");
    }
    (void)close(fd);
    http_stop(&f);
}

/* A body arrives in any pieces, up to the route's cap exactly. */
static void body_in_pieces_arrives_whole(void **state)
{
    struct http_fixture f;
    struct raw_answer a;
    char head[128];
    char *body = malloc(HTTP_BODY_CAP);

    (void)state;
    assert_non_null(body);
    http_start(&f, (struct sg_http_server_config){0});
    int fd = http_dial(&f);
    for (size_t i = 0; i < HTTP_BODY_CAP; i++)
        body[i] = (char)('a' + i % 23);
    (void)snprintf(head, sizeof(head), "POST /echo HTTP/1.1\r\n" HTTP_H "Content-Length: %d\r\n\r\n",
        (int)HTTP_BODY_CAP);
    for (const char *p = head; *p; p++)
        assert_true(raw_send(fd, p, 1));
    for (size_t i = 0; i < 200; i++)
        assert_true(raw_send(fd, body + i, 1));
    assert_true(raw_send(fd, body + 200, HTTP_BODY_CAP - 200));
    raw_recv(fd, &a, false);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body_len, HTTP_BODY_CAP);
    assert_memory_equal(a.body, body, sizeof(a.body) - 1);
    assert_int_equal(http_status_on(fd, HTTP_OK), 200);
    assert_int_equal(http_status_on(fd, "POST /echo HTTP/1.1\r\n" HTTP_H
                                        "Content-Length: 100001\r\nExpect: 100-continue\r\n\r\n"),
        413);
    (void)close(fd);
    free(body);
    http_stop(&f);
}

/* ---- kept requests ---- */

/* A request that waits for its answer delays nobody, and is answered from another thread. */
static void request_kept_answered_from_another_thread(void **state)
{
    struct http_fixture f;
    struct raw_answer a;

    (void)state;
    for (unsigned threads = 1; threads <= 2; threads++) {
        http_start(&f, (struct sg_http_server_config){.threads = threads});
        int fd = http_dial(&f);
        for (int i = 0; i < 20; i++) {
            assert_true(raw_sends(fd, HTTP_LATER));
            struct sg_http_request *req = http_next_kept(&f);
            assert_int_equal(http_status_of(&f, HTTP_OK), 200);
            http_answer_kept(req);
            raw_recv(fd, &a, false);
            assert_string_equal(a.body, "late");
        }
        (void)close(fd);
        http_stop(&f);
    }
}

/* An answer that comes before the handler has returned is not lost. */
static void request_answered_before_handler_returns_is_sent(void **state)
{
    struct http_fixture f;

    (void)state;
    http_start(&f, (struct sg_http_server_config){0});
    int fd = http_dial(&f);
    for (int i = 0; i < 20; i++)
        assert_int_equal(http_status_on(fd, "GET /early HTTP/1.1\r\n" HTTP_H "\r\n"), 200);
    (void)close(fd);
    http_stop(&f);
}

/* A client that leaves while its request is kept costs nothing but its own answer. */
static void request_kept_client_gone_is_dropped(void **state)
{
    struct http_fixture f;

    (void)state;
    http_start(&f, (struct sg_http_server_config){0});
    for (int i = 0; i < 20; i++) {
        int fd = http_dial(&f);
        struct linger lingers = {.l_onoff = i % 2, .l_linger = 0}; /* every other one by a reset */
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &lingers, sizeof(lingers)), 0);
        assert_true(raw_sends(fd, HTTP_LATER));
        struct sg_http_request *req = http_next_kept(&f);
        (void)close(fd);
        http_answer_kept(req);
    }
    assert_int_equal(http_status_of(&f, HTTP_OK), 200);
    http_stop(&f);
}

/* An answer whose buffer overflowed is an error for the client, not a cut document. */
static void answer_from_failed_buffer_is_a_problem(void **state)
{
    struct http_fixture f;

    (void)state;
    http_start(&f, (struct sg_http_server_config){0});
    assert_int_equal(http_status_of(&f, "GET /broken HTTP/1.1\r\n" HTTP_H "\r\n"), 413);
    http_stop(&f);
}

/* ---- start and stop ---- */

/* A port that is taken, or an address that is none, is an error that names it. */
static void server_start_on_taken_port_or_bad_address_fails(void **state)
{
    struct http_fixture f;
    struct sg_http_server *s = NULL;
    struct sg_fault fault;
    char number[16];

    (void)state;
    http_start(&f, (struct sg_http_server_config){0});
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
    http_stop(&f);
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
    struct http_fixture f;
    struct raw_answer a;

    (void)state;
    http_start(&f, (struct sg_http_server_config){0});
    int fd = http_dial(&f);
    assert_true(raw_sends(fd, HTTP_LATER));
    struct sg_http_request *req = http_next_kept(&f);
    sg_http_server_refuse(f.server);
    assert_int_equal(http_status_of(&f, HTTP_OK), 503);
    http_answer_kept(req);
    raw_recv(fd, &a, false);
    assert_int_equal(a.status, 200);
    (void)close(fd);
    http_stop(&f);
}

static void *stop_thread(void *arg)
{
    sg_http_server_stop(arg);
    return NULL;
}

/* Stopping waits for the answers to kept requests; the clients get them. Idle connections do not hold it up. */
static void server_stop_waits_for_kept_answers(void **state)
{
    struct http_fixture f;
    struct raw_answer a;
    pthread_t t;

    (void)state;
    http_start(&f, (struct sg_http_server_config){0});
    int idle = http_dial(&f);
    assert_int_equal(http_status_on(idle, HTTP_OK), 200);
    int fd = http_dial(&f);
    assert_true(raw_sends(fd, HTTP_LATER));
    struct sg_http_request *req = http_next_kept(&f);
    assert_int_equal(pthread_create(&t, NULL, stop_thread, f.server), 0);
    int status;
    while ((status = http_status_on(idle, HTTP_OK)) == 200) /* until the stop has begun */
        ;
    assert_int_equal(status, 503);
    http_answer_kept(req);
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
        cmocka_unit_test(server_start_on_taken_port_or_bad_address_fails),
        cmocka_unit_test(server_on_ipv6_loopback_starts),
        cmocka_unit_test(server_refusing_answers_kept_requests_only),
        cmocka_unit_test(server_stop_waits_for_kept_answers),
    };

    return cmocka_run_group_tests_name("http_server_life", tests, NULL, NULL);
}
