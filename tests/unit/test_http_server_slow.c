/* The HTTP server and clients that are slow, silent, or too many. */
#include <poll.h>
#include <sys/socket.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/lib/http_fixture.h"

enum { TIMEOUT_MS = 300 };

/* ---- slow clients ---- */

/* Send text for ever, a byte at a time, until the server closes. False when it does not. */
static bool drip_until_closed(int fd, const char *text)
{
    int64_t start_ms = raw_now_ms();
    struct pollfd p = {.fd = fd, .events = POLLIN};

    while (raw_now_ms() - start_ms < RAW_TIMEOUT_MS) {
        if (!raw_send(fd, *text ? text : "a", 1))
            return true;
        if (*text)
            text++;
        if (poll(&p, 1, 20) == 1) /* the pace of the drip, and what wakes it */
            return true;
    }
    return false;
}

/* A connection on which the server has said that it waits for a body. */
static int continued(const struct http_fixture *f)
{
    const int64_t start_ms = raw_now_ms();
    char text[32] = "";
    int fd;

    for (;;) { /* on a slow machine the limit may be over before the request is sent */
        fd = http_dial(f);
        if (raw_sends(
                fd, "POST /echo HTTP/1.1\r\n" HTTP_H "Content-Length: 9\r\nExpect: 100-continue\r\n\r\n") &&
            recv(fd, text, 25, MSG_WAITALL) == 25)
            break;
        (void)close(fd);
        assert_true(raw_now_ms() - start_ms < RAW_TIMEOUT_MS);
    }
    assert_string_equal(text, "HTTP/1.1 100 Continue\r\n\r\n");
    return fd;
}

/* R8, R9, R16: bytes that never make a request, in the header, in the body, after 100 Continue, or none at all, end after the
 * limit, however busy the connection looks; meanwhile others are served. */
static void client_slow_is_closed_others_are_served(void **state)
{
    static const char *const drips[] = {"", "GET /ok HTTP/1.1\r\n" HTTP_H "X: ",
        "POST /echo HTTP/1.1\r\n" HTTP_H "Content-Length: 90000\r\n\r\n"};
    struct http_fixture f;

    (void)state;
    http_start(&f, (struct sg_http_server_config){.request_timeout_ms = TIMEOUT_MS});
    int silent = http_dial(&f);
    int expect = continued(&f);
    for (size_t i = 0; i < SG_ARRAY_LEN(drips); i++) {
        const int64_t start_ms = raw_now_ms();
        int fd = http_dial(&f);
        assert_true(http_served(&f));
        assert_true(drip_until_closed(fd, drips[i]));
        assert_in_range(raw_now_ms() - start_ms, TIMEOUT_MS - 50, INT32_MAX);
        assert_true(http_served(&f));
        (void)close(fd);
    }
    assert_true(raw_closed(silent));
    assert_true(raw_closed(expect));
    (void)close(silent);
    (void)close(expect);
    http_stop(&f);
}

/* A request that the server keeps, on a connection of its own. */
static struct sg_http_request *keep_one(struct http_fixture *f, int *fd)
{
    const int64_t start_ms = raw_now_ms();
    void *req = NULL;

    for (;;) { /* on a slow machine the limit may be over before the request is sent */
        *fd = http_dial(f);
        struct pollfd p = {.fd = *fd, .events = POLLIN};
        if (raw_sends(*fd, HTTP_LATER))
            while (sg_queue_get(f->kept, &req, 10) != 0 && poll(&p, 1, 0) == 0)
                assert_true(raw_now_ms() - start_ms < RAW_TIMEOUT_MS);
        if (req)
            return req;
        (void)close(*fd);
    }
}

/* A request that is kept for three limits is answered. Then, on the same connection, another: its status. */
static int kept_and_once_more(struct http_fixture *f)
{
    struct raw_answer a;
    int fd;
    struct sg_http_request *req = keep_one(f, &fd);

    for (int i = 0; i < 3; i++) { /* three limits pass: each closes a silent connection */
        int silent = http_dial(f);
        assert_true(raw_closed(silent));
        (void)close(silent);
    }
    http_answer_kept(req);
    raw_recv(fd, &a, false);
    assert_int_equal(a.status, 200);
    int status = http_status_on(fd, HTTP_OK);
    assert_true(status == 0 || raw_closed(fd));
    (void)close(fd);
    return status;
}

/* The limit measures the client: a kept request may take the server many times as long, and afterwards the connection
 * is as good as before; without a further request it is closed. */
static void request_kept_beyond_the_limit_is_answered(void **state)
{
    struct http_fixture f;
    int status = 0;

    (void)state;
    /* 0: closed, as if this client had been slow; on a busy machine it is, until the limit is long enough for it */
    for (unsigned ms = TIMEOUT_MS; ms < 64 * TIMEOUT_MS && status == 0; ms *= 2) {
        http_start(&f, (struct sg_http_server_config){.request_timeout_ms = ms});
        status = kept_and_once_more(&f);
        http_stop(&f);
    }
    assert_int_equal(status, 200);
}

/* R10: a client that asks for much and reads nothing is closed after the answer's limit. */
static void client_that_never_reads_is_closed(void **state)
{
    struct http_fixture f;
    struct pollfd p = {.events = 0}; /* POLLHUP or POLLERR */

    (void)state;
    http_start(&f,
        (struct sg_http_server_config){.request_timeout_ms = TIMEOUT_MS, .answer_timeout_ms = TIMEOUT_MS});
    p.fd = http_dial(&f);
    assert_true(raw_sends(p.fd, "GET /big HTTP/1.1\r\n" HTTP_H "\r\n"));
    assert_true(http_served(&f));
    assert_int_equal(poll(&p, 1, RAW_TIMEOUT_MS), 1);
    (void)close(p.fd);
    http_stop(&f);
}

/* ---- limits ---- */

/* One address holds so many connections and no more; another address is served. */
static void address_beyond_its_share_refused(void **state)
{
    struct http_fixture f;
    int held[3];

    (void)state;
    http_start(&f, (struct sg_http_server_config){.max_connections_address = 3});
    for (size_t i = 0; i < SG_ARRAY_LEN(held); i++) {
        held[i] = raw_dial(f.port, 7);
        assert_int_equal(http_status_on(held[i], HTTP_OK), 200);
    }
    int fourth = raw_dial(f.port, 7);
    assert_true(raw_closed(fourth));
    (void)close(fourth);
    assert_int_equal(http_status_of(&f, HTTP_OK), 200);
    for (size_t i = 0; i < SG_ARRAY_LEN(held); i++)
        (void)close(held[i]);
    http_stop(&f);
}

/* With all places taken by clients that say nothing, a new one is served as soon as the sweep has freed a place. */
static void connections_all_taken_freed_by_the_sweep(void **state)
{
    struct http_fixture f;
    int held[4];

    (void)state;
    http_start(&f, (struct sg_http_server_config){.max_connections = 4, .request_timeout_ms = TIMEOUT_MS});
    for (size_t i = 0; i < SG_ARRAY_LEN(held); i++)
        held[i] = raw_dial(f.port, 2 + (unsigned)i);
    assert_true(http_served(&f));
    for (size_t i = 0; i < SG_ARRAY_LEN(held); i++)
        (void)close(held[i]);
    http_stop(&f);
}

/* A POST of 127.0.0.source that announces n bytes and waits for the server's word: "HTTP/1.1 100 …" or "HTTP/1.1 503 …" comes to line. */
static int announce(const struct http_fixture *f, char line[static 13], unsigned source, unsigned n)
{
    char head[200];
    int fd = raw_dial(f->port, source);

    (void)snprintf(head, sizeof(head),
        "POST /echo HTTP/1.1\r\n" HTTP_H "Content-Length: %u\r\nExpect: 100-continue\r\n\r\n", n);
    assert_true(raw_sends(fd, head));
    memset(line, 0, 13);
    assert_int_equal(recv(fd, line, 12, MSG_WAITALL), 12);
    return fd;
}

/* The same, refused or not: what follows is not sent. */
static bool announced(const struct http_fixture *f, unsigned source, unsigned n)
{
    char line[13];

    (void)close(announce(f, line, source, n));
    assert_true(strcmp(line, "HTTP/1.1 100") == 0 || strcmp(line, "HTTP/1.1 503") == 0);
    return strcmp(line, "HTTP/1.1 100") == 0;
}

/* The server reads what it was sent, and notices the end of a connection, on its own time. */
static void until_announced(const struct http_fixture *f, bool want, unsigned source, unsigned n)
{
    const int64_t start_ms = raw_now_ms();

    while (announced(f, source, n) != want)
        assert_true(raw_now_ms() - start_ms < RAW_TIMEOUT_MS);
}

static char zeros[HTTP_BODY_CAP];

/* The status of a POST of n bytes, sent whole. */
static int posted(const struct http_fixture *f, unsigned source, unsigned n)
{
    char line[13];
    struct raw_answer a;
    int fd = announce(f, line, source, n);

    assert_string_equal(line, "HTTP/1.1 100");
    assert_int_equal(recv(fd, line, 13, MSG_WAITALL), 13); /* the end of the line of 100 Continue */
    assert_true(raw_send(fd, zeros, n));
    raw_recv(fd, &a, false);
    (void)close(fd);
    return a.status;
}

/* Large bodies on their way never fill the memory: beyond the room that they share they are refused by their announced length,
 * small ones are still taken, and the room is free again when a request has ended. */
static void bodies_large_beyond_their_room_refused(void **state)
{
    struct http_fixture f;
    char line[13];

    (void)state;
    http_start(&f, (struct sg_http_server_config){.large_body = 1000, .large_bytes = 100000});
    int first = announce(&f, line, 2, 60000);
    assert_string_equal(line, "HTTP/1.1 100");
    assert_true(raw_send(first, zeros, 59000));
    until_announced(&f, false, 3, 60000);
    assert_true(announced(&f, 3, 1000));
    assert_true(announced(&f, 3, 40000));
    (void)close(first);
    until_announced(&f, true, 3, 60000);
    http_stop(&f);
}

/* Who announces much and sends nothing keeps nobody out. */
static void bodies_announced_only_take_no_room(void **state)
{
    struct http_fixture f;
    char line[13];
    int held[8];

    (void)state;
    http_start(&f, (struct sg_http_server_config){.large_body = 1000, .large_bytes = 100000});
    for (size_t i = 0; i < SG_ARRAY_LEN(held); i++) {
        held[i] = announce(&f, line, 2, 90000);
        assert_string_equal(line, "HTTP/1.1 100");
    }
    assert_int_equal(posted(&f, 3, 90000), 200);
    for (size_t i = 0; i < SG_ARRAY_LEN(held); i++)
        (void)close(held[i]);
    http_stop(&f);
}

/* One address that sends much leaves room for the others, and may not take more than is left free; a body that found room when it was
 * announced, and none when it came, is answered 503 on a connection that goes on. */
static void bodies_of_one_address_leave_room_for_others(void **state)
{
    struct http_fixture f;
    struct raw_answer a;
    char line[14];

    (void)state;
    http_start(&f, (struct sg_http_server_config){.large_body = 1000, .large_bytes = 100000});
    int first = announce(&f, line, 2, 60000);
    int second = announce(&f, line, 2, 40000);
    assert_string_equal(line, "HTTP/1.1 100");
    assert_true(raw_send(first, zeros, 45000));
    until_announced(&f, false, 2, 40000);
    assert_int_equal(posted(&f, 3, 50000), 200);
    assert_false(announced(&f, 3, 60000));
    assert_int_equal(recv(second, line, 13, MSG_WAITALL), 13); /* the end of the line of 100 Continue */
    assert_true(raw_send(second, zeros, 40000));
    raw_recv(second, &a, false);
    assert_int_equal(a.status, 503);
    assert_non_null(strstr(a.body, "\"code\":\"overloaded\""));
    assert_int_equal(http_status_on(second, HTTP_OK), 200);
    (void)close(first);
    (void)close(second);
    http_stop(&f);
}

/* Large answers that nobody reads never fill the memory: beyond their room a further one becomes 503, small ones are still
 * given, and the room is free again when a client has gone. */
static void answers_large_beyond_their_room_refused(void **state)
{
    static const char big[] = "GET /big HTTP/1.1\r\n" HTTP_H "\r\n"; /* 16 MiB */
    struct http_fixture f;
    char line[13] = "";

    (void)state;
    http_start(&f, (struct sg_http_server_config){.large_answers = (size_t)20 << 20});
    int first = http_dial(&f);
    assert_true(raw_sends(first, big));
    assert_int_equal(recv(first, line, 12, MSG_WAITALL), 12);
    assert_string_equal(line, "HTTP/1.1 200");
    assert_int_equal(http_status_of(&f, big), 503);
    assert_int_equal(http_status_of(&f, HTTP_OK), 200);
    (void)close(first);
    const int64_t start_ms = raw_now_ms();
    do { /* the server notices the end of the first on its own time */
        int next = http_dial(&f);
        assert_true(raw_sends(next, big));
        assert_int_equal(
            recv(next, line, 12, MSG_WAITALL), 12); /* the rest would take a client under valgrind too long */
        (void)close(next);
    } while (strcmp(line, "HTTP/1.1 503") == 0 && raw_now_ms() - start_ms < RAW_TIMEOUT_MS);
    assert_string_equal(line, "HTTP/1.1 200");
    http_stop(&f);
}

/* The status of a GET of 16 MiB, of which no more is read. */
static int asked_big(const struct http_fixture *f, int *fd, unsigned source)
{
    char line[13] = "";

    *fd = raw_dial(f->port, source);
    assert_true(raw_sends(*fd, "GET /big HTTP/1.1\r\n" HTTP_H "\r\n"));
    assert_int_equal(recv(*fd, line, 12, MSG_WAITALL), 12);
    return (line[9] - '0') * 100 + (line[10] - '0') * 10 + line[11] - '0';
}

/* One address that reads none of its large answers leaves room for those of others. */
static void answers_of_one_address_leave_room_for_others(void **state)
{
    struct http_fixture f;
    int fd[4];

    (void)state;
    http_start(&f, (struct sg_http_server_config){.large_answers = (size_t)64 << 20});
    assert_int_equal(asked_big(&f, &fd[0], 2), 200);
    assert_int_equal(asked_big(&f, &fd[1], 2), 200);
    assert_int_equal(asked_big(&f, &fd[2], 2), 503);
    assert_int_equal(asked_big(&f, &fd[3], 3), 200);
    for (size_t i = 0; i < SG_ARRAY_LEN(fd); i++)
        (void)close(fd[i]);
    http_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_slow_is_closed_others_are_served),
        cmocka_unit_test(request_kept_beyond_the_limit_is_answered),
        cmocka_unit_test(client_that_never_reads_is_closed),
        cmocka_unit_test(address_beyond_its_share_refused),
        cmocka_unit_test(connections_all_taken_freed_by_the_sweep),
        cmocka_unit_test(bodies_large_beyond_their_room_refused),
        cmocka_unit_test(bodies_announced_only_take_no_room),
        cmocka_unit_test(bodies_of_one_address_leave_room_for_others),
        cmocka_unit_test(answers_large_beyond_their_room_refused),
        cmocka_unit_test(answers_of_one_address_leave_room_for_others),
    };

    return cmocka_run_group_tests_name("http_server_slow", tests, NULL, NULL);
}
