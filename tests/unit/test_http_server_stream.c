/* Streamed answers of the HTTP server: whole, broken off, waiting for data, and their end in every case. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "sg_http.h"
#include "tests/lib/raw_http.h"

#define H "Host: x\r\n"

/* What the streams of a test read from, and what became of them. */
struct source {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int pending; /* events that may be sent */
    int asked;   /* calls of read_fn that said SG_HTTP_LATER */
    int opened, freed;
};

static struct source source;
static struct sg_http_server *server;
static uint16_t port;

struct stream {
    int left; /* pieces, then the end */
    long end; /* 0, -1; racing: 1 when the next question gets its answer */
};

static void free_stream(void *p)
{
    pthread_mutex_lock(&source.lock);
    source.freed++;
    pthread_cond_broadcast(&source.changed);
    pthread_mutex_unlock(&source.lock);
    free(p);
}

static long read_pieces(void *p, char *dst, size_t max)
{
    struct stream *st = p;

    if (st->left == 0)
        return st->end;
    st->left--;
    assert_true(max >= 5);
    memcpy(dst, "piece", 5);
    return 5;
}

static long read_events(void *p, char *dst, size_t max)
{
    long n = SG_HTTP_LATER;

    (void)p;
    assert_true(max >= 6);
    pthread_mutex_lock(&source.lock);
    if (source.pending > 0) {
        source.pending--;
        memcpy(dst, "event\n", 6);
        n = 6;
    } else {
        source.asked++;
    }
    pthread_cond_broadcast(&source.changed);
    pthread_mutex_unlock(&source.lock);
    return n;
}

/* Says that there is nothing, after something has just come: the wake falls between the question and the sleep. */
static long read_racing(void *p, char *dst, size_t max)
{
    struct stream *st = p;

    if (st->left == 0)
        return 0;
    if (st->end == 0) {
        st->end = 1;
        sg_http_server_wake(server);
        return SG_HTTP_LATER;
    }
    st->end = 0;
    st->left--;
    assert_true(max >= 1);
    dst[0] = 'r';
    return 1;
}

static void open_stream(struct sg_http_request *req, sg_http_read_fn *fn, int left, long end)
{
    struct stream *st = malloc(sizeof(*st));

    assert_non_null(st);
    *st = (struct stream){left, end};
    pthread_mutex_lock(&source.lock);
    source.opened++;
    pthread_mutex_unlock(&source.lock);
    sg_http_answer_stream(req, 200, "text/event-stream", "Cache-Control: no-store\r\n", fn, st, free_stream);
}

static void on_whole(void *ctx, struct sg_http_request *req)
{
    (void)ctx;
    open_stream(req, read_pieces, 3, 0);
}

static void on_broken(void *ctx, struct sg_http_request *req)
{
    (void)ctx;
    open_stream(req, read_pieces, 3, -1);
}

static void on_events(void *ctx, struct sg_http_request *req)
{
    (void)ctx;
    open_stream(req, read_events, 0, 0);
}

static void on_racing(void *ctx, struct sg_http_request *req)
{
    (void)ctx;
    open_stream(req, read_racing, 10, 0);
}

/* As much as the client will take. */
static long read_endless(void *p, char *dst, size_t max)
{
    (void)p;
    memset(dst, 'x', max);
    return (long)max;
}

static void on_endless(void *ctx, struct sg_http_request *req)
{
    (void)ctx;
    open_stream(req, read_endless, 0, 0);
}

static void on_ok(void *ctx, struct sg_http_request *req)
{
    (void)ctx;
    sg_http_answer(req, 200, "text/plain", "ok", 2, NULL);
}

static void on_address(void *ctx, struct sg_http_request *req)
{
    char text[SG_HTTP_ADDRESS];

    (void)ctx;
    sg_http_client_address(req, text);
    sg_http_answer(req, 200, "text/plain", text, strlen(text), NULL);
}

static const struct sg_http_route routes[] = {
    {SG_HTTP_GET, "/whole", 0, on_whole},
    {SG_HTTP_GET, "/broken", 0, on_broken},
    {SG_HTTP_GET, "/events", 0, on_events},
    {SG_HTTP_GET, "/racing", 0, on_racing},
    {SG_HTTP_GET, "/endless", 0, on_endless},
    {SG_HTTP_GET, "/ok", 0, on_ok},
    {SG_HTTP_GET, "/address", 0, on_address},
};

/* Limits of requests and of streams: so long that no test comes near them, however slow the machine is, but for those that bring their own. */
enum { PATIENCE_MS = 300000, LIMIT_MS = 1200 };
static unsigned patient[] = {PATIENCE_MS, PATIENCE_MS}, short_requests[] = {LIMIT_MS, PATIENCE_MS},
                short_streams[] = {PATIENCE_MS, LIMIT_MS};

static int setup(void **state)
{
    const unsigned *limits = *state ? *state : patient;
    struct sg_http_server_config c = {.bind = "127.0.0.1",
        .routes = routes,
        .nroutes = SG_ARRAY_LEN(routes),
        .request_timeout_ms = limits[0],
        .stream_timeout_ms = limits[1]};
    struct sg_fault fault;

    memset(&source, 0, sizeof(source));
    pthread_mutex_init(&source.lock, NULL);
    pthread_cond_init(&source.changed, NULL);
    if (sg_http_server_start(&server, &c, &fault) != 0)
        return -1;
    port = sg_http_server_port(server);
    return 0;
}

/* Every stream that was opened has been freed once when the server has stopped. */
static int teardown(void **state)
{
    (void)state;
    if (server)
        sg_http_server_stop(server);
    server = NULL;
    assert_int_equal(source.freed, source.opened);
    pthread_cond_destroy(&source.changed);
    pthread_mutex_destroy(&source.lock);
    return 0;
}

static int ask(const char *path)
{
    char text[128];
    int fd = raw_dial(port, 0);

    (void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" H "\r\n", path);
    assert_true(raw_sends(fd, text));
    return fd;
}

/* Wait until *counter is at least value; the counter is one of source's. */
static void wait_for(const int *counter, int value)
{
    pthread_mutex_lock(&source.lock);
    while (*counter < value)
        pthread_cond_wait(&source.changed, &source.lock);
    pthread_mutex_unlock(&source.lock);
}

static int peek(const int *counter)
{
    pthread_mutex_lock(&source.lock);
    int value = *counter;
    pthread_mutex_unlock(&source.lock);
    return value;
}

static void publish(int n)
{
    pthread_mutex_lock(&source.lock);
    source.pending += n;
    pthread_mutex_unlock(&source.lock);
}

static void recv_text(int fd, const char *needle)
{
    char text[512] = "";

    for (size_t n = 0; n < sizeof(text) - 1 && !strstr(text, needle); n++)
        assert_int_equal(read(fd, text + n, 1), 1);
}

/* A stream that ends is a whole chunked answer, and the connection goes on; HTTP/1.0 gets it unchunked. */
static void stream_to_its_end_is_whole(void **state)
{
    struct raw_answer a;
    char text[512];
    int fd = ask("/whole");

    (void)state;
    raw_recv(fd, &a, false);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "5\r\npiece\r\n5\r\npiece\r\n5\r\npiece\r\n0\r\n\r\n");
    assert_true(raw_sends(fd, "GET /ok HTTP/1.1\r\n" H "\r\n"));
    raw_recv(fd, &a, false);
    assert_string_equal(a.body, "ok");
    assert_true(raw_sends(fd, "GET /whole HTTP/1.0\r\n" H "\r\n"));
    (void)raw_recv_all(fd, text, sizeof(text));
    assert_string_equal(strstr(text, "\r\n\r\n") + 4, "piecepiecepiece");
    (void)close(fd);
}

/* HEAD on a stream has no body at all, not even a final chunk that would be read as the next answer. */
static void stream_asked_by_head_has_no_body(void **state)
{
    char text[512];
    int fd = raw_dial(port, 0);

    (void)state;
    assert_true(raw_sends(fd, "HEAD /whole HTTP/1.1\r\n" H "Connection: close\r\n\r\n"));
    (void)raw_recv_all(fd, text, sizeof(text));
    assert_memory_equal(text, "HTTP/1.1 200 ", 13);
    assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
    (void)close(fd);
}

/* A stream that breaks off ends without the final chunk: the client cannot take it for whole. */
static void stream_broken_off_has_no_final_chunk(void **state)
{
    char text[512];
    int fd = ask("/broken");

    (void)state;
    (void)raw_recv_all(fd, text, sizeof(text));
    assert_non_null(strstr(text, "5\r\npiece\r\n5\r\npiece\r\n5\r\npiece\r\n"));
    assert_null(strstr(text, "\r\n0\r\n"));
    (void)close(fd);
}

enum { EVENTS = 10, TRIES = 10, QUICK_MS = EVENTS * 1000 / 2 };

/* Without a wake each of ten events waits for the tick of a second, always. With it they are quicker, unless the machine is slow just then: so
 * one try of many must be. events: how long they took. */
static bool is_quick(int64_t (*events)(void))
{
    for (int i = 0; i < TRIES; i++)
        if (events() < QUICK_MS)
            return true;
    return false;
}

/* Nothing else is asked meanwhile. With more questions than it should cost it counts as slow. */
static int64_t publish_all(void)
{
    int before = peek(&source.asked), freed = peek(&source.freed), fd = ask("/events");
    int64_t start_ms = raw_now_ms();

    for (int i = 0; i < EVENTS; i++) {
        wait_for(&source.asked, before + i + 1);
        publish(1);
        sg_http_server_wake(server);
        recv_text(fd, "event\n");
    }
    int64_t took_ms = raw_now_ms() - start_ms;
    bool cheap = peek(&source.asked) - before <= 4 * EVENTS;
    (void)close(fd);
    wait_for(&source.freed, freed + 1);
    return cheap ? took_ms : QUICK_MS;
}

/* A waiting stream sends what is published as soon as it is woken, and costs no calls while nothing happens. */
static void stream_waiting_is_woken_by_publishing(void **state)
{
    (void)state;
    assert_true(is_quick(publish_all));
}

static int64_t race(void)
{
    struct raw_answer a;
    int64_t start_ms = raw_now_ms();
    int fd = ask("/racing");

    raw_recv(fd, &a, false);
    assert_int_equal(a.status, 200);
    (void)close(fd);
    return raw_now_ms() - start_ms;
}

/* A wake that comes while the stream is being asked is not lost to the sleep that follows. */
static void stream_woken_while_asked_is_asked_again(void **state)
{
    (void)state;
    assert_true(is_quick(race));
}

/* A stream that nobody wakes is asked again within about a second, also beyond the limit of requests. */
static void stream_waiting_is_asked_again_by_the_tick(void **state)
{
    struct raw_answer a = {0};
    int fd = -1;

    (void)state;
    for (int i = 0; i < TRIES && a.status == 0; i++) { /* 0: it took this client longer than that to ask */
        (void)close(fd);
        fd = ask("/events");
        raw_recv(fd, &a, true);
    }
    assert_int_equal(a.status, 200);
    publish(1);
    recv_text(fd, "event\n");
    wait_for(&source.asked, 3);
    (void)close(fd);
}

/* A client that has gone is noticed when something is sent to it, and its stream is freed. */
static void stream_client_gone_is_freed(void **state)
{
    int fd = ask("/events");

    (void)state;
    wait_for(&source.asked, 1);
    (void)close(fd);
    for (int i = 0; peek(&source.freed) == 0 && i < 1000; i++) {
        int asked = peek(&source.asked);
        publish(1);
        sg_http_server_wake(server);
        pthread_mutex_lock(&source.lock);
        while (source.asked == asked && source.freed == 0)
            pthread_cond_wait(&source.changed, &source.lock);
        pthread_mutex_unlock(&source.lock);
    }
    wait_for(&source.freed, 1);
}

/* So is one that hangs up while its stream has nothing to say. */
static void stream_client_hung_up_is_freed_without_a_write(void **state)
{
    int fd = ask("/events");

    (void)state;
    wait_for(&source.asked, 1);
    (void)close(fd);
    wait_for(&source.freed, 1);
}

/* A client that does not read is cut off, whatever its stream still has to give, and nobody else waits for it. */
static void stream_of_a_slow_reader_is_cut_off(void **state)
{
    struct raw_answer a;
    int slow = ask("/endless"), waits = ask("/events"), fd;

    (void)state;
    wait_for(&source.asked, 1);
    fd = ask("/ok");
    raw_recv(fd, &a, false);
    assert_string_equal(a.body, "ok");
    wait_for(&source.freed, 1); /* reading nothing */
    publish(1);                 /* one that only waits has all the time */
    sg_http_server_wake(server);
    recv_text(waits, "event\n");
    (void)close(slow);
    (void)close(fd);
    (void)close(waits);
}

/* Headers given with a stream are sent, and a page of another origin may read it and say where it stopped. */
static void stream_headers_are_sent(void **state)
{
    struct raw_answer a;
    char value[128];
    int fd = ask("/whole");

    (void)state;
    raw_recv(fd, &a, false);
    assert_string_equal(raw_header(&a, "Cache-Control", value, sizeof(value)), "no-store");
    assert_string_equal(raw_header(&a, "Access-Control-Allow-Origin", value, sizeof(value)), "*");
    assert_true(raw_sends(fd, "OPTIONS /whole HTTP/1.1\r\n" H "\r\n"));
    raw_recv(fd, &a, false);
    assert_non_null(
        strstr(raw_header(&a, "Access-Control-Allow-Headers", value, sizeof(value)), "Last-Event-ID"));
    (void)close(fd);
}

/* A handler can tell who asks. */
static void request_tells_the_clients_address(void **state)
{
    struct raw_answer a;
    int fd = raw_dial(port, 7);

    (void)state;
    assert_true(raw_sends(fd, "GET /address HTTP/1.1\r\n" H "\r\n"));
    raw_recv(fd, &a, false);
    assert_string_equal(a.body, "127.0.0.7");
    (void)close(fd);
}

/* A stopping server breaks waiting streams off and frees them. */
static void stream_waiting_ends_when_the_server_stops(void **state)
{
    char text[512];
    int one = ask("/events");
    int two = ask("/events");

    (void)state;
    wait_for(&source.asked, 2);
    sg_http_server_stop(server);
    server = NULL;
    assert_int_equal(source.freed, 2);
    (void)raw_recv_all(one, text, sizeof(text));
    assert_null(strstr(text, "\r\n0\r\n"));
    (void)close(one);
    (void)close(two);
}

#define limited_test(f, limits) cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, limits)
#define stream_test(f)          limited_test(f, NULL)

int main(void)
{
    const struct CMUnitTest tests[] = {
        stream_test(stream_to_its_end_is_whole),
        stream_test(stream_asked_by_head_has_no_body),
        stream_test(stream_broken_off_has_no_final_chunk),
        stream_test(stream_waiting_is_woken_by_publishing),
        stream_test(stream_woken_while_asked_is_asked_again),
        limited_test(stream_waiting_is_asked_again_by_the_tick, short_requests),
        stream_test(stream_client_gone_is_freed),
        stream_test(stream_client_hung_up_is_freed_without_a_write),
        limited_test(stream_of_a_slow_reader_is_cut_off, short_streams),
        stream_test(stream_headers_are_sent),
        stream_test(request_tells_the_clients_address),
        stream_test(stream_waiting_ends_when_the_server_stops),
    };

    return cmocka_run_group_tests_name("http_server_stream", tests, NULL, NULL);
}
