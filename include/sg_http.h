/* HTTP/1.1: a server with a table of routes (over libmicrohttpd) and a client for many peers (over libcurl).
 *
 * The server refuses before a handler runs: Transfer-Encoding or more than one Content-Length on a request, Host
 * count other than 1, %00 // .. in the raw path, NUL or control bytes, bodies above the route's cap, unknown methods and
 * paths (problem+json each), and closes connections that have not completed a request within 10 s. */
#ifndef SG_HTTP_H
#define SG_HTTP_H

#include "sg_buf.h"
#include "sg_err.h"
#include "sg_types.h"

/* ---- server ---- */

struct sg_http_server;
struct sg_http_request; /* valid from the handler's call until the answer has been given */

enum sg_http_method { SG_HTTP_GET, SG_HTTP_POST };

/* Called on a thread of the server, once a request is complete. It answers at once with one of
 * sg_http_answer*, or keeps req and answers later from any thread (exactly once); until then the connection
 * is suspended and other requests go on. */
typedef void sg_http_handler_fn(void *ctx, struct sg_http_request *req);

struct sg_http_route {
    enum sg_http_method method;
    const char *pattern; /* "/v1/minutes/{}/{}/proof": {} matches one segment without '/' */
    size_t max_body;     /* 0 for GET */
    sg_http_handler_fn *handler;
};

struct sg_http_server_config {
    const char *bind;                   /* numeric IPv4 or IPv6 address */
    uint16_t port;                      /* 0: any free port */
    const struct sg_http_route *routes; /* borrowed for the life of the server */
    size_t nroutes;
    void *ctx;                        /* handed to every handler */
    unsigned max_connections;         /* 0: 128 */
    unsigned max_connections_address; /* 0: 16 */
    const char *server_name;          /* Server: header; NULL: none */
    unsigned threads;                 /* 0: one; handlers run on all of them */
    size_t large_body;                /* 0: 256 KiB; longer bodies share large_bytes */
    /* Of all large bodies together, as far as they have come or are with a handler: beyond it 503 overloaded, so that clients cannot
     * fill the memory. One alone is always taken; an address beside others is given no more than is left free after it (its first
     * body, or answer, as long as there is room at all), so that none keeps out the others. 0: 64 MiB */
    size_t large_bytes;
    /* The same for whole answers above large_body that clients have not taken yet: 503 overloaded instead. 0: 128 MiB */
    size_t large_answers;
    unsigned request_timeout_ms; /* 0: 10000; without a complete request for so long: shut down */
    unsigned answer_timeout_ms;  /* 0: 60000; a whole (not streamed) answer not taken in that time: reset */
    unsigned
        stream_timeout_ms; /* 0: 60000; a stream whose client has not made room for more in that time: reset */
};

/* Whether the text is an address that a server can listen on: numeric IPv4 or IPv6. SG_ECONFIG otherwise. */
SG_MUST_USE int sg_http_bind_check(const char *text);
/* The form in words, behind "... is not ". */
#define SG_HTTP_BIND_FORM "a numeric IPv4 or IPv6 address"

/* SG_EADDRINUSE (fault names the address and port), SG_ECONFIG for a bad address, SG_EIO. */
SG_MUST_USE int sg_http_server_start(
    struct sg_http_server **out, const struct sg_http_server_config *config, struct sg_fault *fault);
/* From now on every new request is answered 503 not_ready without a handler; kept ones can still be answered.
 * For an owner that answers and stops on one thread: refuse, answer what was kept, stop. Thread: any. */
void sg_http_server_refuse(struct sg_http_server *s);
/* Refuses new requests, waits for the answers to kept ones (their threads must still run), joins the threads and
 * frees s. NULL is legal. Not from a handler. */
void sg_http_server_stop(struct sg_http_server *s);
uint16_t sg_http_server_port(const struct sg_http_server *s);
/* Requests answered and refused since the start, for /metrics. */
void sg_http_server_counts(const struct sg_http_server *s, uint64_t *answered, uint64_t *refused);

/* Segment i matched by {}, percent-decoded, valid UTF-8; "" beyond the last. Borrowed with req. */
const char *sg_http_segment(const struct sg_http_request *req, size_t i);
/* Query argument, percent-decoded ('+' stays '+'), valid UTF-8 without control characters; NULL when absent.
 * A key given twice counts as bad: see sg_http_query_check. */
const char *sg_http_query(const struct sg_http_request *req, const char *key);
/* SG_EBAD_PARAMETER when a key is not in names (NULL-terminated) or occurs twice; *which says it. */
SG_MUST_USE int sg_http_query_check(
    const struct sg_http_request *req, const char *const *names, const char **which);
/* Where the request comes from: the client's numeric address, without the port; "" when it cannot be told. */
#define SG_HTTP_ADDRESS 46
void sg_http_client_address(const struct sg_http_request *req, char out[static SG_HTTP_ADDRESS]);
/* Value of a request header, name in any case; NULL when absent. Borrowed with req. */
const char *sg_http_header(const struct sg_http_request *req, const char *name);
/* The whole body; NULL and 0 when there is none. Borrowed with req. */
const uint8_t *sg_http_body(const struct sg_http_request *req, size_t *len);

/* Answer with a whole body; bytes are copied. extra: NULL or "Name: value\r\n..." */
void sg_http_answer(struct sg_http_request *req, int status, const char *content_type, const void *body,
    size_t len, const char *extra);
/* The same, taking the buffer's memory instead of copying. */
void sg_http_answer_take(
    struct sg_http_request *req, int status, const char *content_type, struct sg_buf *body);
/* RFC 9457: status and code from err (sg_err_code), detail for a person. */
void sg_http_answer_problem(struct sg_http_request *req, int err, const char *detail);
/* Status that an error code maps to: 400, 404, 405, 409, 413, 422, 500, 503. */
int sg_http_status_of(int err);

/* A streamed answer: read_fn fills at most max bytes, returns their number, 0 at the end, -1 to break off
 * (the connection is closed without a final chunk), SG_HTTP_LATER when there is nothing yet: it is asked again
 * after sg_http_server_wake, and about once a second (time for a heartbeat; a client that has hung up is noticed then
 * too, one that the network has swallowed by writing only). Called on the server's thread; it must not block. free_fn(state) is called once, however the
 * answer ends: on the server's thread, or before this returns when there is no memory. extra as in sg_http_answer.
 * A stopping server breaks streams off; so it does with one whose client reads too slowly (stream_timeout_ms). */
#define SG_HTTP_LATER (-2)
typedef long sg_http_read_fn(void *state, char *dst, size_t max);
void sg_http_answer_stream(struct sg_http_request *req, int status, const char *content_type,
    const char *extra, sg_http_read_fn *read_fn, void *state, void (*free_fn)(void *));
/* Ask every stream that said SG_HTTP_LATER again. Thread: any. */
void sg_http_server_wake(struct sg_http_server *s);

/* ---- client ---- */

/* One thread's client: connections are kept between calls, answers are capped, redirects, proxies, netrc and
 * compression are off; http and https only. Thread: one owner (sg_http_client_wakeup: any). */
struct sg_http_client;

struct sg_http_answer {
    /* 0 when an HTTP answer came whole, whatever its status; SG_ETIMEOUT, SG_EREFUSED (also: no such host),
     * SG_ETOO_LARGE, SG_EMALFORMED (also: cut short), SG_ESTOPPED, SG_EIO, SG_ENOMEM, SG_EINVAL (the URL) */
    int err;
    int status;         /* HTTP status, 0 without an answer */
    struct sg_buf body; /* empty after an error */
};

/* Called from sg_http_client_run/_call on the owner's thread. answer is borrowed for the call
 * (sg_buf_take to keep the body). */
typedef void sg_http_done_fn(void *ctx, struct sg_http_answer *answer);

struct sg_http_call {
    const char *url;    /* copied */
    const char *accept; /* Accept header; NULL: application/json */
    const char *header; /* one more line of the header, "Name: value"; copied; NULL: none */
    const void *post;   /* NULL: GET; else a JSON body, copied */
    size_t post_len;
    size_t max_answer; /* bytes; the transfer breaks off beyond */
    sg_ms timeout_ms;  /* total, real; 0: 8000 */
};

SG_MUST_USE int sg_http_client_new(struct sg_http_client **out);
/* Running calls end with SG_ESTOPPED; a call that done starts then is refused with it. NULL is legal. */
void sg_http_client_free(struct sg_http_client *c);
/* Start a call; done is called exactly once, later. SG_EINVAL (no http or https URL, max_answer beyond
 * 2^31-1, timeout beyond an hour), SG_ENOMEM, SG_ESTOPPED: it never will be. */
SG_MUST_USE int sg_http_client_start(
    struct sg_http_client *c, const struct sg_http_call *call, sg_http_done_fn *done, void *ctx);
/* Drive transfers for at most wait_ms, return earlier after a completion or a wakeup. */
void sg_http_client_run(struct sg_http_client *c, sg_ms wait_ms);
void sg_http_client_wakeup(struct sg_http_client *c);
/* One call, blocking. answer: caller's, sg_buf_fini(&answer->body) when done. Returns answer->err. */
SG_MUST_USE int sg_http_client_call(
    struct sg_http_client *c, const struct sg_http_call *call, struct sg_http_answer *answer);

#endif
