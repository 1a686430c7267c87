/* The HTTP server's refusals: framing, targets, methods, bodies (R1-R7, R11-R17 of the table of bad inputs).
 * Its life (kept requests, streams, slow clients, limits, stopping) is in the tests named test_http_server_*. */
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

#define H      "Host: x\r\n"
#define OK     "GET /ok HTTP/1.1\r\n" H "\r\n"
#define LONG_8 "aaaaaaaa"
#define LONG_1K                                                                                              \
    LONG_8 LONG_8 LONG_8 LONG_8 LONG_8 LONG_8 LONG_8 LONG_8 LONG_8 LONG_8 LONG_8 LONG_8 LONG_8 LONG_8 LONG_8 \
        LONG_8

enum { BODY_CAP = 1000 };

static unsigned handler_calls;

static void answer_text(struct sg_http_request *req, const char *text)
{
    handler_calls++;
    sg_http_answer(req, 200, "text/plain", text, strlen(text), NULL);
}

static void on_ok(void *ctx, struct sg_http_request *req)
{
    (void)ctx;
    answer_text(req, "ok");
}

static void on_segments(void *ctx, struct sg_http_request *req)
{
    char text[256];

    (void)ctx;
    (void)snprintf(text, sizeof(text), "%s|%s|%s", sg_http_segment(req, 0), sg_http_segment(req, 1),
        sg_http_segment(req, 2));
    answer_text(req, text);
}

static void on_query(void *ctx, struct sg_http_request *req)
{
    static const char *const names[] = {"from", "to", NULL};
    const char *which;
    const char *from = sg_http_query(req, "from");

    (void)ctx;
    if (sg_http_query_check(req, names, &which) != 0)
        sg_http_answer_problem(req, SG_EBAD_PARAMETER, which);
    else
        answer_text(req, from ? from : "absent");
}

static void on_post(void *ctx, struct sg_http_request *req)
{
    size_t len;
    const uint8_t *body = sg_http_body(req, &len);

    (void)ctx;
    handler_calls++;
    sg_http_answer(req, 200, "application/json", body, len, "X-Extra: 1\r\nX-More: two\r\n");
}

static const struct sg_http_route routes[] = {
    {SG_HTTP_GET, "/", 0, on_ok},
    {SG_HTTP_GET, "/ok", 0, on_ok},
    {SG_HTTP_GET, "/v1/minutes/{}/{}/proof", 0, on_segments},
    {SG_HTTP_GET, "/query", 0, on_query},
    {SG_HTTP_GET, "/both", 0, on_ok},
    {SG_HTTP_POST, "/both", BODY_CAP, on_post},
    {SG_HTTP_POST, "/post", BODY_CAP, on_post},
};

static struct sg_http_server *server;
static uint16_t port;

static int setup(void **state)
{
    struct sg_http_server_config c = {.bind = "127.0.0.1",
        .routes = routes,
        .nroutes = SG_ARRAY_LEN(routes),
        .server_name = "unit/1",
        .request_timeout_ms = 300000}; /* no limit of time is tested here */
    struct sg_fault fault;

    (void)state;
    if (sg_http_server_start(&server, &c, &fault) != 0)
        return -1;
    port = sg_http_server_port(server);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sg_http_server_stop(server);
    return 0;
}

struct request_case {
    const char *name;
    const char *bytes;
    size_t len; /* 0: strlen */
    int status; /* 0: none, closed without an answer */
    bool closes;
};

#define BYTES(text) (text), sizeof(text) - 1

/* Each of the requests gets its status; after it the connection is closed, or serves the next request. */
static void run_cases(const struct request_case *cases, size_t n)
{
    struct raw_answer *a = calloc(1, sizeof(*a));

    assert_non_null(a);
    for (size_t i = 0; i < n; i++) {
        const struct request_case *c = &cases[i];
        int fd = raw_dial(port, 0);
        assert_true(fd >= 0);
        (void)raw_send(fd, c->bytes, c->len ? c->len : strlen(c->bytes));
        raw_recv(fd, a, strncmp(c->bytes, "HEAD", 4) == 0);
        if (a->status != c->status)
            fail_msg("%s: status %d, not %d", c->name, a->status, c->status);
        if (c->closes && !raw_closed(fd))
            fail_msg("%s: the connection stays open", c->name);
        if (!c->closes) {
            assert_true(raw_sends(fd, OK));
            raw_recv(fd, a, false);
            if (a->status != 200)
                fail_msg("%s: the connection serves no further request", c->name);
        }
        (void)close(fd);
    }
    free(a);
}

/* A request whose end could be read in two ways never reaches a handler, and its connection dies with it. */
static void framing_ambiguous_refused_and_closed(void **state)
{
    static const struct request_case cases[] = {
        {"R1 CL+TE",
            BYTES("POST /post HTTP/1.1\r\n" H
                  "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" OK),
            400, true},
        {"R1 TE+CL",
            BYTES("POST /post HTTP/1.1\r\n" H
                  "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" OK),
            400, true},
        {"R2 two CL",
            BYTES("POST /post HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello" OK), 400,
            true},
        {"R2 two equal CL",
            BYTES("POST /post HTTP/1.1\r\n" H "Content-Length: 5\r\ncontent-length: 5\r\n\r\nhello"), 400,
            true},
        {"R3 CL 2^63", BYTES("POST /post HTTP/1.1\r\n" H "Content-Length: 9223372036854775808\r\n\r\nabc"),
            400, true},
        {"R4 TE chunked", BYTES("POST /post HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            400, true},
        {"R4 TE gzip, chunked",
            BYTES("POST /post HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 400,
            true},
        {"R4 TE xchunked", BYTES("POST /post HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
            400, true},
        {"R4 TE identity", BYTES("POST /post HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n"), 400,
            true},
        {"R4 TE twice",
            BYTES("POST /post HTTP/1.1\r\n" H
                  "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            400, true},
        {"R4 TE on GET", BYTES("GET /ok HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" OK),
            400, true},
        {"R5 chunk size",
            BYTES("POST /post HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nx"),
            400, true},
    };

    (void)state;
    handler_calls = 0;
    run_cases(cases, SG_ARRAY_LEN(cases));
    assert_int_equal(handler_calls, 0);
}

/* A Content-Length that is no number is answered by the library before any callback sees a header: with a 4xx, a
 * closed connection, and nothing of what followed. (Its answer has the header twice, so all of it is read.) */
static void content_length_malformed_refused_and_closed(void **state)
{
    static const struct {
        const char *length, *status;
    } cases[] = {{"+3", "400"}, {"-1", "400"}, {"3abc", "400"}, {"0x3", "400"}, {"", "400"}, {"5, 5", "400"},
        {"3 3", "400"}, {"1e3", "400"}, {"18446744073709551616", "413"},
        {"99999999999999999999999999", "413"}};
    char text[1024];

    (void)state;
    handler_calls = 0;
    for (size_t i = 0; i < SG_ARRAY_LEN(cases); i++) {
        int fd = raw_dial(port, 0);
        (void)snprintf(text, sizeof(text), "POST /post HTTP/1.1\r\n" H "Content-Length: %s\r\n\r\nabc" OK,
            cases[i].length);
        assert_true(raw_sends(fd, text));
        size_t n = raw_recv_all(fd, text, sizeof(text));
        (void)close(fd);
        assert_true(n > 12 && memcmp(text + 9, cases[i].status, 3) == 0);
        assert_null(strstr(text, " 200 "));
    }
    assert_int_equal(handler_calls, 0);
}

/* Header lines that other parsers read otherwise are refused: NUL, bare LF, folding, space before the colon. */
static void header_lines_malformed_refused_and_closed(void **state)
{
    static const struct request_case cases[] = {
        {"R12 NUL in a value", BYTES("GET /ok HTTP/1.1\r\n" H "X: a\0b\r\nY: 1\r\n\r\n"), 400, true},
        {"R12 NUL in the last value", BYTES("GET /ok HTTP/1.1\r\n" H "X: a\0b\r\n\r\n"), 400, true},
        {"R12 NULs at the end", BYTES("GET /ok HTTP/1.1\r\n" H "X: a\0\0\0\r\n\r\n"), 400, true},
        {"R12 NUL in a name", BYTES("GET /ok HTTP/1.1\r\n" H "X\0: a\r\n\r\n"), 400, true},
        {"R12 NUL in the target", BYTES("GET /ok\0/x HTTP/1.1\r\n" H "\r\n"), 400, true},
        {"R12 NUL in the method", BYTES("GET\0 /ok HTTP/1.1\r\n" H "\r\n"), 400, true},
        {"R12 NUL behind the version", BYTES("GET /ok HTTP/1.1\0\r\n" H "\r\n"), 400, true},
        {"R12 bare LF after the request line", BYTES("GET /ok HTTP/1.1\n" H "\r\n"), 400, true},
        {"R12 bare LF in the middle", BYTES("GET /ok HTTP/1.1\r\nX: 1\n" H "\r\n"), 400, true},
        {"R12 bare LF at the end", BYTES("GET /ok HTTP/1.1\r\n" H "X: 1\r\n\n"), 400, true},
        {"R12 bare LF before the end", BYTES("GET /ok HTTP/1.1\r\n" H "X: 1\n\r\n"), 400, true},
        {"R12 only bare LF", BYTES("GET /ok HTTP/1.1\nHost: x\n\n"), 400, true},
        {"R12 bare CR", BYTES("GET /ok HTTP/1.1\r\n" H "X: 1\rY: 2\r\n\r\n"), 400, true},
        {"R12 folded", BYTES("GET /ok HTTP/1.1\r\n" H "X: 1\r\n 2\r\n\r\n"), 400, true},
        {"R12 folded, nothing", BYTES("GET /ok HTTP/1.1\r\n" H "X: 1\r\n \r\nY: 2\r\n\r\n"), 400, true},
        {"R12 folded Content-Length", BYTES("POST /post HTTP/1.1\r\n" H "Content-Length:\r\n 3\r\n\r\nabc"),
            400, true},
        {"R12 space before colon", BYTES("GET /ok HTTP/1.1\r\n" H "X : 1\r\n\r\n"), 400, true},
        {"R12 tab before colon", BYTES("POST /post HTTP/1.1\r\n" H "Content-Length\t: 3\r\n\r\nabc"), 400,
            true},
        {"R12 no colon", BYTES("GET /ok HTTP/1.1\r\n" H "X\r\n\r\n"), 400, true},
        {"R12 no name", BYTES("GET /ok HTTP/1.1\r\n" H ": 1\r\n\r\n"), 400, true},
        {"R12 first line starts with space", BYTES("GET /ok HTTP/1.1\r\n Host: x\r\n\r\n"), 400, true},
        {"R12 control byte in a value", BYTES("GET /ok HTTP/1.1\r\n" H "X: a\001b\r\n\r\n"), 400, true},
        {"R12 no Host", BYTES("GET /ok HTTP/1.1\r\n\r\n"), 400, true},
        {"R12 no Host, another header", BYTES("GET /ok HTTP/1.1\r\nX: 1\r\n\r\n"), 400, true},
        {"R12 two Hosts", BYTES("GET /ok HTTP/1.1\r\n" H "Host: y\r\n\r\n"), 400, true},
        {"1.0 without Host", BYTES("GET /ok HTTP/1.0\r\nX: 1\r\n\r\n"), 400, true},
        {"two spaces", BYTES("GET  /ok HTTP/1.1\r\n" H "\r\n"), 400, true},
        {"version 1.2", BYTES("GET /ok HTTP/1.2\r\n" H "\r\n"), 400, true},
    };

    (void)state;
    handler_calls = 0;
    run_cases(cases, SG_ARRAY_LEN(cases));
    assert_int_equal(handler_calls, 0);
}

/* A target that hides another one behind encodings, NUL, dots or doubled slashes is refused. */
static void target_malformed_refused_and_closed(void **state)
{
    static const char *const targets[] = {"/ok%00", "/%00ok", "//ok", "/v1//minutes", "/x/../ok", "/..",
        "/./ok", "/%2e%2e/ok", "/%2E%2e/", "/a%2fb", "/a%5cb", "/a\\b", "/%c0%af", "/%c0%ae", "/%ed%a0%80",
        "/%ff", "/%", "/%2", "/%zz", "/%0d%0aX:1", "/a%7f", "/\xc3\xb1", "/a\x01", "/a#b", "ok", "*",
        "host:80", "http:/ok", "https://x/ok", "/query?%00=1", "/query?a=%00", "/query?a=%0a", "/query?=1",
        "/query?a=%c0%80", "/query?a=%",
        "/query?a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a"};
    char text[512];

    (void)state;
    handler_calls = 0;
    for (size_t i = 0; i < SG_ARRAY_LEN(targets); i++) {
        (void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" H "\r\n", targets[i]);
        struct request_case c = {targets[i], text, 0, 400, true};
        run_cases(&c, 1);
    }
    assert_int_equal(handler_calls, 0);
}

/* Sound requests are served, and the connection lives on whatever the answer was. */
static void request_sound_served_and_kept_open(void **state)
{
    static const struct request_case cases[] = {
        {"GET", BYTES(OK), 200, false},
        {"root", BYTES("GET / HTTP/1.1\r\n" H "\r\n"), 200, false},
        {"HEAD", BYTES("HEAD /ok HTTP/1.1\r\n" H "\r\n"), 200, false},
        {"absolute form", BYTES("GET http://x/ok HTTP/1.1\r\n" H "\r\n"), 200, false},
        {"1.0 keep-alive", BYTES("GET /ok HTTP/1.0\r\n" H "Connection: Keep-Alive\r\n\r\n"), 200, false},
        {"1.0", BYTES("GET /ok HTTP/1.0\r\n" H "\r\n"), 200, true},
        {"asked to close", BYTES("GET /ok HTTP/1.1\r\n" H "Connection: close\r\n\r\n"), 200, true},
        {"empty line first", BYTES("\r\n" OK), 200, false},
        {"many spaces before a value", BYTES("GET /ok HTTP/1.1\r\nHost:  \t x\r\nA:\r\nB:b\r\n\r\n"), 200,
            false},
        {"cookies and obs-text",
            BYTES("GET /ok HTTP/1.1\r\n" H "Cookie: a=1; b=\"2\"\r\nX: \xc3\xb1\r\n\r\n"), 200, false},
        {"CL 0 on GET", BYTES("GET /ok HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n"), 200, false},
        {"POST", BYTES("POST /post HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n{}"), 200, false},
        {"POST without body", BYTES("POST /post HTTP/1.1\r\n" H "\r\n"), 200, false},
        {"POST CL 0003", BYTES("POST /post HTTP/1.1\r\n" H "Content-Length: 0003\r\n\r\nabc"), 200, false},
        {"R17 10,000 ranges",
            BYTES("GET /ok HTTP/1.1\r\n" H "Range: bytes=" LONG_1K LONG_1K LONG_1K "\r\n\r\n"), 200, false},
        {"OPTIONS", BYTES("OPTIONS /ok HTTP/1.1\r\n" H "\r\n"), 204, false},
        {"unknown path", BYTES("GET /nothing HTTP/1.1\r\n" H "\r\n"), 404, false},
        {"path too deep", BYTES("GET /1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17 HTTP/1.1\r\n" H "\r\n"), 404,
            false},
        {"trailing slash", BYTES("GET /ok/ HTTP/1.1\r\n" H "\r\n"), 404, false},
        {"empty segment for {}", BYTES("GET /v1/minutes/a/b/ HTTP/1.1\r\n" H "\r\n"), 404, false},
        {"R14 TRACE", BYTES("TRACE /ok HTTP/1.1\r\n" H "\r\n"), 405, false},
        {"R14 lower case", BYTES("get /ok HTTP/1.1\r\n" H "\r\n"), 405, false},
        {"R14 DELETE", BYTES("DELETE /ok HTTP/1.1\r\n" H "\r\n"), 405, false},
        {"R14 CONNECT", BYTES("CONNECT /ok HTTP/1.1\r\n" H "\r\n"), 405, false},
        {"R14 POST on a GET route", BYTES("POST /ok HTTP/1.1\r\n" H "\r\n"), 405, false},
        {"R14 GET on a POST route", BYTES("GET /post HTTP/1.1\r\n" H "\r\n"), 405, false},
    };

    (void)state;
    run_cases(cases, SG_ARRAY_LEN(cases));
}

/* A body that nobody takes, or too long a body, is refused before it is read. */
static void body_unwanted_refused_and_closed(void **state)
{
    static const struct request_case cases[] = {
        {"R7 1 GB", BYTES("POST /post HTTP/1.1\r\n" H "Content-Length: 1073741824\r\n\r\n"), 413, true},
        {"one over the cap", BYTES("POST /post HTTP/1.1\r\n" H "Content-Length: 1001\r\n\r\n"), 413, true},
        {"R16 over the cap, expecting 100",
            BYTES("POST /post HTTP/1.1\r\n" H "Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n"), 413,
            true},
        {"body on GET", BYTES("GET /ok HTTP/1.1\r\n" H "Content-Length: 44\r\n\r\n"), 413, true},
        {"body on an unknown path", BYTES("POST /nothing HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\n"), 404,
            true},
        {"body on a wrong method", BYTES("POST /ok HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\n"), 405, true},
    };

    (void)state;
    handler_calls = 0;
    run_cases(cases, SG_ARRAY_LEN(cases));
    assert_int_equal(handler_calls, 0);
}

/* Send head and a filler of n bytes; the answer's status (0: none) and then a closed connection. */
static int status_of_flood(const char *head, char filler, size_t n)
{
    struct raw_answer a;
    char *bytes = malloc(n);
    int fd = raw_dial(port, 0);

    assert_non_null(bytes);
    memset(bytes, filler, n);
    (void)raw_sends(fd, head);
    (void)raw_send(fd, bytes, n);
    raw_recv(fd, &a, false);
    assert_true(raw_closed(fd));
    (void)close(fd);
    free(bytes);
    return a.status;
}

/* Request lines and headers beyond the memory of a connection end it; other connections are served as before. */
static void header_beyond_memory_refused(void **state)
{
    struct request_case good = {"afterwards", BYTES(OK), 200, false};

    (void)state;
    /* the refusal may be lost with the connection: the rest of the flood is not read */
    int url = status_of_flood("GET /", 'a', 65536);
    assert_true(url == 414 || url == 0);
    int method = status_of_flood("", 'M', 65536);
    assert_true(method == 414 || method == 0);
    int header = status_of_flood("GET /ok HTTP/1.1\r\n" H "X: ", 'a', 65536);
    assert_true(header == 431 || header == 413 || header == 0);
    run_cases(&good, 1);
}

static void fetch(const char *request, struct raw_answer *a, bool head_only)
{
    int fd = raw_dial(port, 0);

    assert_true(raw_sends(fd, request));
    raw_recv(fd, a, head_only);
    (void)close(fd);
}

/* Every refusal is an RFC 9457 problem with the code of the contract; 405 names what is allowed. */
static void refusal_is_problem_json(void **state)
{
    static const struct {
        const char *request, *code, *allow;
    } cases[] = {
        {"GET /nothing HTTP/1.1\r\n" H "\r\n", "\"code\":\"not_found\"", ""},
        {"TRACE /ok HTTP/1.1\r\n" H "\r\n", "\"code\":\"method\"", "GET, HEAD, OPTIONS"},
        {"TRACE /both HTTP/1.1\r\n" H "\r\n", "\"code\":\"method\"", "GET, HEAD, POST, OPTIONS"},
        {"TRACE /post HTTP/1.1\r\n" H "\r\n", "\"code\":\"method\"", "POST, OPTIONS"},
        {"POST /ok HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n", "\"code\":\"method\"", "GET, HEAD, OPTIONS"},
        {"GET // HTTP/1.1\r\n" H "\r\n", "\"code\":\"bad_parameter\"", ""},
        {"POST /post HTTP/1.1\r\n" H "Content-Length: 1001\r\n\r\n", "\"code\":\"too_large\"", ""},
        {"GET /query?from=1&from=2 HTTP/1.1\r\n" H "\r\n", "\"detail\":\"from\"", ""},
        {"GET /query?x%22y=1 HTTP/1.1\r\n" H "\r\n", "\"detail\":\"x\\\"y\"", ""},
    };
    struct raw_answer a;
    char value[64];

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(cases); i++) {
        fetch(cases[i].request, &a, false);
        assert_non_null(strstr(a.body, cases[i].code));
        assert_string_equal(raw_header(&a, "Content-Type", value, sizeof(value)), "application/problem+json");
        assert_string_equal(raw_header(&a, "X-Content-Type-Options", value, sizeof(value)), "nosniff");
        assert_string_equal(raw_header(&a, "Allow", value, sizeof(value)), cases[i].allow);
    }
}

/* Reads may be used from any origin, writes may not; the handler's own headers arrive. */
static void answer_headers_follow_the_method(void **state)
{
    struct raw_answer a;
    char value[64];

    (void)state;
    fetch(OK, &a, false);
    assert_string_equal(a.body, "ok");
    assert_string_equal(raw_header(&a, "Content-Type", value, sizeof(value)), "text/plain");
    assert_string_equal(raw_header(&a, "Access-Control-Allow-Origin", value, sizeof(value)), "*");
    assert_string_equal(raw_header(&a, "Server", value, sizeof(value)), "unit/1");
    fetch("OPTIONS /ok HTTP/1.1\r\n" H "\r\n", &a, false);
    assert_string_equal(raw_header(&a, "Access-Control-Allow-Methods", value, sizeof(value)), "GET, HEAD");
    assert_string_equal(raw_header(&a, "Access-Control-Allow-Origin", value, sizeof(value)), "*");
    fetch("OPTIONS /post HTTP/1.1\r\n" H "\r\n", &a, false);
    assert_string_equal(raw_header(&a, "Access-Control-Allow-Methods", value, sizeof(value)), "");
    fetch("POST /post HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n{}", &a, false);
    assert_string_equal(a.body, "{}");
    assert_string_equal(raw_header(&a, "Access-Control-Allow-Origin", value, sizeof(value)), "");
    assert_string_equal(raw_header(&a, "X-Extra", value, sizeof(value)), "1");
    assert_string_equal(raw_header(&a, "X-More", value, sizeof(value)), "two");
    fetch("HEAD /ok HTTP/1.1\r\n" H "\r\n", &a, true);
    assert_string_equal(raw_header(&a, "Content-Length", value, sizeof(value)), "2");
}

/* Segments and arguments reach the handler decoded, byte for byte. */
static void segments_and_query_decoded(void **state)
{
    static const struct {
        const char *target, *body;
    } cases[] = {
        {"/v1/minutes/relay-1/29000000/proof", "relay-1|29000000|"},
        {"/v1/minutes/a%20b%26/%c3%B1/proof?x=1", "a b&|\xc3\xb1|"},
        {"/v1/minutes/a.b/'%3b--/proof", "a.b|';--|"},
        {"/query?from=2025-11-24T16:01:00%2B00:00", "2025-11-24T16:01:00+00:00"},
        {"/query?from=a+b&to=", "a+b"},
        {"/query?to=1", "absent"},
        {"/query", "absent"},
        {"/query?", "absent"},
        {"/query?from", ""},
        {"/query?from=a=b", "a=b"},
        {"/query?from=../..//x", "../..//x"},
        {"http://host:1/query?from=7", "7"},
    };
    struct raw_answer a;
    char text[512];

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(cases); i++) {
        (void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" H "\r\n", cases[i].target);
        fetch(text, &a, false);
        assert_int_equal(a.status, 200);
        assert_string_equal(a.body, cases[i].body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(framing_ambiguous_refused_and_closed),
        cmocka_unit_test(content_length_malformed_refused_and_closed),
        cmocka_unit_test(header_lines_malformed_refused_and_closed),
        cmocka_unit_test(target_malformed_refused_and_closed),
        cmocka_unit_test(request_sound_served_and_kept_open),
        cmocka_unit_test(body_unwanted_refused_and_closed),
        cmocka_unit_test(header_beyond_memory_refused),
        cmocka_unit_test(refusal_is_problem_json),
        cmocka_unit_test(answer_headers_follow_the_method),
        cmocka_unit_test(segments_and_query_decoded),
    };

    return cmocka_run_group_tests_name("http_server", tests, setup, teardown);
}
