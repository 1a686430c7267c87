/* The HTTP client against servers that misbehave (P35-P39 of the table of bad inputs), and its own life. */
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
#include "tests/lib/bad_http.h"
#include "tests/lib/raw_http.h"

/* Calls that are to end well have all the time that a slow machine may need; it is far below "for ever" all the same. */
enum { CAP = 1000, PATIENCE_MS = 300000 };

static struct bad_http *server;
static struct sg_http_client *client;
static char url_text[256];

static int setup(void **state)
{
    (void)state;
    server = bad_http_start();
    return sg_http_client_new(&client);
}

static int teardown(void **state)
{
    (void)state;
    sg_http_client_free(client);
    bad_http_stop(server);
    return 0;
}

static const char *url_of(const char *path)
{
    (void)snprintf(
        url_text, sizeof(url_text), "http://127.0.0.1:%u%s", (unsigned)bad_http_port(server), path);
    return url_text;
}

static struct sg_http_call to(const char *path)
{
    return (struct sg_http_call){.url = url_of(path), .max_answer = CAP, .timeout_ms = PATIENCE_MS};
}

/* One blocking call of a path; the body must not be longer than the cap. timeout_ms: 0: PATIENCE_MS */
static int call(struct sg_http_answer *a, const char *path, sg_ms timeout_ms)
{
    struct sg_http_call c = to(path);

    if (timeout_ms > 0)
        c.timeout_ms = timeout_ms;
    int err = sg_http_client_call(client, &c, a);

    assert_int_equal(err, a->err);
    assert_true(a->body.len <= CAP);
    return err;
}

static bool body_is(const struct sg_http_answer *a, const char *text)
{
    return a->body.len == strlen(text) && memcmp(a->body.p, text, a->body.len) == 0;
}

/* Each misbehaviour ends with its own error, in bounded time, and the client is as good as before. */
static void answer_bad_ends_with_its_error(void **state)
{
    static const struct {
        const char *path;
        int err, status;
        sg_ms timeout_ms;
    } cases[] = {
        {"/ok", 0, 200, 0}, {"/status/404", 0, 404, 0}, {"/status/503", 0, 503, 0},
        {"/length/1000", 0, 200, 0}, {"/length/1001", SG_ETOO_LARGE, 0, 0}, {"/chunks/1000", 0, 200, 0},
        {"/chunks/1001", SG_ETOO_LARGE, 0, 0}, {"/endless", SG_ETOO_LARGE, 0, 0}, /* P36 */
        {"/endless-chunks", SG_ETOO_LARGE, 0, 0},                                 /* P36 */
        {"/endless-headers", SG_ETOO_LARGE, 0, 0},                                /* P37 */
        {"/endless-continue", SG_ETOO_LARGE, 0, 0},                               /* P37 */
        {"/drip", SG_ETIMEOUT, 0, 300},                                           /* P36 */
        {"/silent", SG_ETIMEOUT, 0, 300}, {"/cut", SG_EMALFORMED, 0, 0}, {"/garbage", SG_EMALFORMED, 0, 0},
        {"/version", SG_EMALFORMED, 0, 0}, {"/close", SG_EIO, 0, 0}, {"/file", 0, 302, 0}, /* P35 */
    };
    struct sg_http_answer a;

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(cases); i++) {
        int64_t start_ms = raw_now_ms();
        int err = call(&a, cases[i].path, cases[i].timeout_ms);
        if (err != cases[i].err || a.status != cases[i].status)
            fail_msg("%s: %s, status %d", cases[i].path, sg_err_code(err), a.status);
        assert_true(err == 0 || a.body.len == 0);
        assert_in_range(raw_now_ms() - start_ms, err == SG_ETIMEOUT ? 250 : 0, PATIENCE_MS);
        sg_buf_fini(&a.body);
        assert_int_equal(call(&a, "/ok", 0), 0);
        assert_true(body_is(&a, "ok"));
        sg_buf_fini(&a.body);
    }
}

/* P35: a redirect is an answer like any other; nobody goes where it points. */
static void answer_redirect_is_not_followed(void **state)
{
    struct sg_http_answer a;

    (void)state;
    assert_int_equal(call(&a, "/redirect", 0), 0);
    assert_int_equal(a.status, 302);
    sg_buf_fini(&a.body);
    assert_int_equal(bad_http_secret_hits(server), 0);
}

/* P39: a compressed body is neither asked for nor unpacked. */
static void answer_compressed_is_handed_over_as_it_came(void **state)
{
    struct sg_http_answer a;

    (void)state;
    assert_int_equal(call(&a, "/gzip", 0), 0);
    assert_true(body_is(&a, "\x1f\x8b\x08!"));
    sg_buf_fini(&a.body);
}

/* P38: bytes behind the announced length belong to nobody: the next call gets a connection of its own. */
static void answer_followed_by_more_is_not_mixed_with_the_next(void **state)
{
    struct sg_http_answer a;

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(call(&a, "/more", 0), 0);
        assert_true(body_is(&a, "1234567890"));
        sg_buf_fini(&a.body);
        assert_int_equal(call(&a, "/ok", 0), 0);
        assert_true(body_is(&a, "ok"));
        sg_buf_fini(&a.body);
    }
}

/* Good answers share one connection, also answers with a 4xx; after a broken-off transfer there is a new one. */
static void connection_kept_until_an_error(void **state)
{
    struct sg_http_answer a;

    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(call(&a, i % 2 ? "/ok" : "/status/404", 0), 0);
        sg_buf_fini(&a.body);
    }
    assert_int_equal(bad_http_connections(server), 1);
    assert_int_equal(call(&a, "/length/2000", 0), SG_ETOO_LARGE);
    sg_buf_fini(&a.body);
    assert_int_equal(call(&a, "/ok", 0), 0);
    sg_buf_fini(&a.body);
    assert_int_equal(bad_http_connections(server), 2);
}

/* What the client sends: its headers, the whole body, no Expect, no Accept-Encoding, no cookies. */
static void request_has_the_expected_headers(void **state)
{
    char *post = malloc(5000);
    struct sg_http_call c = {.post = post, .post_len = 5000, .max_answer = 10000, .timeout_ms = PATIENCE_MS};
    struct sg_http_answer a;

    (void)state;
    assert_non_null(post);
    memset(post, 'p', 5000);
    c.url = url_of("/echo");
    assert_int_equal(sg_http_client_call(client, &c, &a), 0);
    sg_buf_put_u8(&a.body, '\0');
    char *text = (char *)a.body.p;
    assert_memory_equal(text, "POST /echo HTTP/1.1\r\n", 21);
    assert_non_null(strstr(text, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(text, "\r\nAccept: application/json\r\n"));
    assert_non_null(strstr(text, "\r\nContent-Length: 5000\r\n"));
    assert_null(strstr(text, "Expect"));
    assert_null(strstr(text, "Encoding"));
    assert_null(strstr(text, "Cookie"));
    assert_memory_equal(strstr(text, "\r\n\r\n") + 4, post, 5000);
    sg_buf_fini(&a.body);
    free(post);
    c = (struct sg_http_call){
        .url = url_of("/echo"), .accept = "text/csv", .max_answer = 10000, .timeout_ms = PATIENCE_MS};
    assert_int_equal(sg_http_client_call(client, &c, &a), 0);
    sg_buf_put_u8(&a.body, '\0');
    assert_memory_equal(a.body.p, "GET /echo HTTP/1.1\r\n", 20);
    assert_non_null(strstr((char *)a.body.p, "\r\nAccept: text/csv\r\n"));
    sg_buf_fini(&a.body);
}

/* The environment cannot send a call elsewhere. */
static void proxy_of_the_environment_is_ignored(void **state)
{
    struct sg_http_answer a;

    (void)state;
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:9", 1), 0);
    assert_int_equal(setenv("all_proxy", "http://127.0.0.1:9", 1), 0);
    assert_int_equal(call(&a, "/ok", 0), 0);
    sg_buf_fini(&a.body);
    assert_int_equal(unsetenv("http_proxy"), 0);
    assert_int_equal(unsetenv("all_proxy"), 0);
}

/* A port where nobody listens is an error at once. */
static void connect_refused_is_an_error(void **state)
{
    uint16_t port = 0;
    int fd = raw_refusing(&port);
    struct sg_http_answer a;
    char url[64];

    (void)state;
    assert_true(fd >= 0);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", (unsigned)port);
    struct sg_http_call c = {.url = url, .max_answer = CAP};
    assert_int_equal(sg_http_client_call(client, &c, &a), SG_EREFUSED);
    sg_buf_fini(&a.body);
    (void)close(fd);
}

/* URLs and limits that no configuration should hold are refused before anything is sent. */
static void call_not_allowed_refused_at_once(void **state)
{
    static const char *const urls[] = {
        "file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "127.0.0.1:80", "", "/x"};
    struct sg_http_answer a;
    struct sg_http_call c = {.max_answer = CAP};

    (void)state;
    assert_int_equal(sg_http_client_call(client, &c, &a), SG_EINVAL);
    for (size_t i = 0; i < SG_ARRAY_LEN(urls); i++) {
        c.url = urls[i];
        assert_int_equal(sg_http_client_call(client, &c, &a), SG_EINVAL);
    }
    c = (struct sg_http_call){.url = url_of("/ok"), .max_answer = CAP, .timeout_ms = -1};
    assert_int_equal(sg_http_client_call(client, &c, &a), SG_EINVAL);
    c = (struct sg_http_call){.url = url_of("/ok"), .max_answer = SIZE_MAX};
    assert_int_equal(sg_http_client_call(client, &c, &a), SG_EINVAL);
    assert_int_equal(bad_http_connections(server), 0);
    char url[128];
    (void)snprintf(url, sizeof(url), "http://user:word@127.0.0.1:%u/ok", (unsigned)bad_http_port(server));
    c = (struct sg_http_call){.url = url, .max_answer = CAP};
    assert_int_equal(sg_http_client_call(client, &c, &a), SG_EINVAL);
    assert_int_equal(bad_http_connections(server), 0);
}

/* ---- many calls ---- */

struct tally {
    int good, stopped, other;
    int restarts; /* calls that done starts again */
};

static void count_done(void *ctx, struct sg_http_answer *answer)
{
    struct tally *t = ctx;

    if (answer->err == 0 && answer->status == 200)
        t->good++;
    else if (answer->err == SG_ESTOPPED)
        t->stopped++;
    else
        t->other++;
    if (t->restarts > 0) {
        struct sg_http_call c = to("/ok");
        t->restarts--;
        int err = sg_http_client_start(client, &c, count_done, t);
        assert_true(err == 0 || err == SG_ESTOPPED);
    }
}

/* Many calls run at once: each answer waits until all requests have arrived. */
static void calls_at_once_all_end(void **state)
{
    enum { N = 24 };
    struct tally t = {0};

    (void)state;
    for (int i = 0; i < N; i++) {
        struct sg_http_call c = to("/together/24");
        assert_int_equal(sg_http_client_start(client, &c, count_done, &t), 0);
    }
    while (t.good + t.other < N)
        sg_http_client_run(client, 1000);
    assert_int_equal(t.good, N);
}

/* A call that hangs delays no other. */
static void call_hanging_delays_no_other(void **state)
{
    struct tally slow = {0}, fast = {0};
    struct sg_http_call c = {.url = url_of("/silent"), .max_answer = CAP, .timeout_ms = 3600000};

    (void)state;
    assert_int_equal(sg_http_client_start(client, &c, count_done, &slow), 0);
    for (int i = 0; i < 10; i++) {
        c = to("/ok");
        assert_int_equal(sg_http_client_start(client, &c, count_done, &fast), 0);
    }
    while (fast.good + fast.other < 10)
        sg_http_client_run(client, 1000);
    assert_int_equal(fast.good, 10);
    assert_int_equal(slow.good + slow.stopped + slow.other, 0);
    sg_http_client_free(client);
    client = NULL;
    assert_int_equal(slow.stopped, 1);
}

/* done may start the next call; one that it starts while the client is freed is refused. */
static void done_may_start_the_next_call(void **state)
{
    struct tally t = {.restarts = 9};
    struct tally stopped = {.restarts = 9};
    struct sg_http_call c = to("/ok");

    (void)state;
    assert_int_equal(sg_http_client_start(client, &c, count_done, &t), 0);
    while (t.good + t.other < 10)
        sg_http_client_run(client, 1000);
    assert_int_equal(t.good, 10);
    c.url = url_of("/silent");
    assert_int_equal(sg_http_client_start(client, &c, count_done, &stopped), 0);
    sg_http_client_free(client);
    client = NULL;
    assert_int_equal(stopped.stopped, 1);
    assert_int_equal(stopped.restarts, 8);
}

static void *wake_thread(void *arg)
{
    sg_http_client_wakeup(arg);
    return NULL;
}

/* run returns on a wakeup from another thread, with and without calls on their way; one that came before is not lost. */
static void run_returns_on_wakeup(void **state)
{
    struct tally t = {0};
    struct sg_http_call c = {.url = url_of("/silent"), .max_answer = CAP, .timeout_ms = 3600000};
    int64_t start_ms = raw_now_ms();
    pthread_t thread;

    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(pthread_create(&thread, NULL, wake_thread, client), 0);
        sg_http_client_run(client, 2 * PATIENCE_MS);
        assert_int_equal(pthread_join(thread, NULL), 0);
        if (i == 5)
            assert_int_equal(sg_http_client_start(client, &c, count_done, &t), 0);
    }
    assert_in_range(raw_now_ms() - start_ms, 0, PATIENCE_MS);
    sg_http_client_free(client);
    client = NULL;
    assert_int_equal(t.stopped, 1);
}

static void *new_and_free(void *arg)
{
    struct sg_http_client *c;

    (void)arg;
    assert_int_equal(sg_http_client_new(&c), 0);
    sg_http_client_free(c);
    return NULL;
}

/* Threads may make their clients at the same time. */
static void clients_made_at_the_same_time(void **state)
{
    pthread_t threads[8];

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, new_and_free, NULL), 0);
    for (size_t i = 0; i < SG_ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    sg_http_client_free(NULL);
}

#define client_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_made_at_the_same_time), /* first: it is the process's first use of libcurl */
        client_test(answer_bad_ends_with_its_error),
        client_test(answer_redirect_is_not_followed),
        client_test(answer_compressed_is_handed_over_as_it_came),
        client_test(answer_followed_by_more_is_not_mixed_with_the_next),
        client_test(connection_kept_until_an_error),
        client_test(request_has_the_expected_headers),
        client_test(proxy_of_the_environment_is_ignored),
        client_test(connect_refused_is_an_error),
        client_test(call_not_allowed_refused_at_once),
        client_test(calls_at_once_all_end),
        client_test(call_hanging_delays_no_other),
        client_test(done_may_start_the_next_call),
        client_test(run_returns_on_wakeup),
    };

    return cmocka_run_group_tests_name("http_client", tests, NULL, NULL);
}
