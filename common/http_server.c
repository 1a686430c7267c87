/* The HTTP/1.1 server: libmicrohttpd's epoll thread, the dispatch of requests to handlers, start and stop.
 *
 * A request passes these steps, all on the daemon's thread:
 *
 *   request line -> begin (copies the raw target)       -> first call: look at everything, refuse or go on
 *   body bytes   -> take_body (counted against the cap) -> last call: handler
 *   handler answered         -> queue
 *   handler kept the request -> suspend ... answer from any thread -> resume -> last call again -> queue
 *   answer sent  -> completed (frees the request)
 *
 * Invariants: a handler sees only requests that passed every check of http_server_guard.c and http_server_target.c; no body
 * exceeds its route's cap, and all large ones together no more than the room that they share (http_server_room.c); an answer is
 * queued in the last call only, because one queued in the first closes the connection. Exactly that is wanted where bytes of the
 * request could be taken for the next one: bad framing, a body that nobody takes. */
#include "common/http_server.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOO_MANY_BODIES "too many large bodies at once"

/* ---- the steps of a request ---- */

/* MHD_OPTION_URI_LOG_CALLBACK: the only place where the raw target can be seen. */
static void *begin(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    size_t len = uri ? strlen(uri) : 0;
    struct sg_http_request *req = calloc(1, sizeof(*req) + len + 1);

    if (!req)
        return NULL;
    req->server = cls;
    req->mhd = mhd;
    req->verb = SG_HTTP_V_OTHER;
    req->framing.target = uri;
    req->framing.target_len = len;
    if (len > 0)
        memcpy(req->text, uri, len);
    sg_buf_init(&req->body, 0);
    return req;
}

/* MHD_OPTION_UNESCAPE_CALLBACK: the library must leave its copy alone, ours is decoded strictly. */
static size_t leave_escaped(void *cls, struct MHD_Connection *mhd, char *s)
{
    (void)cls;
    (void)mhd;
    return strlen(s);
}

static enum MHD_Result refuse_and_close(struct sg_http_request *req, int err, const char *detail)
{
    int status = sg_http_status_of(err);
    char extra[128];

    (void)snprintf(extra, sizeof(extra), "Connection: close\r\n%s%s%s",
        status == 503 ? "Retry-After: 1\r\n" : "", err == SG_EMETHOD ? "Allow: " : "",
        err == SG_EMETHOD ? sg_http_route_allow(&req->match) : "");
    struct MHD_Response *r = sg_http_problem_make(req, status, err, detail, extra);
    atomic_fetch_add(&req->server->refused, 1);
    if (!r)
        return MHD_NO;
    sg_http_conn_phase(req->server, req->conn, SG_HTTP_SENDING);
    enum MHD_Result queued = MHD_queue_response(req->mhd, (unsigned)status, r);
    MHD_destroy_response(r);
    return queued;
}

/* What the target and the method ask for. 0: a route; else why not. */
static int find_route(struct sg_http_request *req)
{
    const struct sg_http_server_config *c = &req->server->config;
    int err = sg_http_target_parse(&req->target, req->text, &req->refusal_detail);

    if (err == SG_ENOT_FOUND)
        req->refusal_detail = "no such path";
    if (err)
        return err;
    sg_http_route_find(&req->match, c->routes, c->nroutes, &req->target, req->verb);
    if (req->match.route)
        return 0;
    req->refusal_detail = "no such path";
    if (!req->match.has_get && !req->match.has_post)
        return SG_ENOT_FOUND;
    req->refusal_detail = "this path does not take this method";
    return req->verb == SG_HTTP_V_OPTIONS ? SG_HTTP_PREFLIGHT : SG_EMETHOD;
}

static enum MHD_Result first_call(struct sg_http_request *req, const char *method, const char *version)
{
    req->looked_at = true;
    req->conn = sg_http_conn_of(req->mhd);
    req->verb = sg_http_verb_of(method);
    if (!req->conn)
        return MHD_NO; /* accepted without memory to watch it */
    const char *fault = sg_http_guard_check(&req->framing, req->mhd, method, version);
    if (fault)
        return refuse_and_close(req, SG_EBAD_PARAMETER, fault);
    req->refusal = find_route(req);
    uint64_t length = req->framing.content_length;
    if (req->refusal == SG_EBAD_PARAMETER || (req->refusal < 0 && length > 0))
        return refuse_and_close(req, req->refusal, req->refusal_detail);
    size_t cap = req->refusal ? 0 : req->match.route->max_body;
    if (length > cap)
        return refuse_and_close(req, SG_ETOO_LARGE, "the body is larger than this path takes");
    if (!sg_http_room_fits(req, SG_HTTP_BODIES, length))
        return refuse_and_close(req, SG_EOVERLOADED, TOO_MANY_BODIES);
    req->body.max = cap;
    return MHD_YES;
}

/* Room for the n bytes that have come, and a step ahead. A small body needs none: a minute's commit always finds a place, whatever
 * others send. */
static bool make_room(struct sg_http_request *req, size_t n)
{
    const uint64_t step = req->server->config.large_body, length = req->framing.content_length;
    const uint64_t upto = ((req->body.len + n - 1) / step + 1) * step;

    return sg_http_room_take(req, SG_HTTP_BODIES, upto < length ? upto : length);
}

/* No answer is possible before the last byte: what finds no room is passed over until then. */
static void drop_body(struct sg_http_request *req)
{
    size_t cap = req->body.max;

    req->refusal = SG_EOVERLOADED;
    req->refusal_detail = TOO_MANY_BODIES;
    sg_buf_fini(&req->body);
    sg_buf_init(&req->body, cap);
    sg_http_room_leave(req, SG_HTTP_BODIES);
}

static enum MHD_Result take_body(struct sg_http_request *req, const char *bytes, size_t *n)
{
    if (req->refusal == 0 && !make_room(req, *n))
        drop_body(req);
    if (req->refusal == 0)
        sg_buf_put(&req->body, bytes, *n);
    *n = 0;
    return sg_buf_err(&req->body) ? MHD_NO
                                  : MHD_YES; /* no answer is possible here: the connection is closed */
}

static void call_handler(struct sg_http_request *req)
{
    struct sg_http_server *s = req->server;
    char extra[256];

    if (req->refusal == 0 && !atomic_load(&s->refusing)) {
        req->match.route->handler(s->config.ctx, req);
        return;
    }
    req->refused = true;
    if (req->refusal == SG_HTTP_PREFLIGHT) {
        const char *allow = sg_http_route_allow(&req->match);
        (void)snprintf(extra, sizeof(extra), "Allow: %s\r\n%s", allow,
            req->match.has_get ? "Access-Control-Allow-Methods: GET, HEAD\r\nAccess-Control-Allow-Headers: "
                                 "Accept, Last-Event-ID\r\n"
                                 "Access-Control-Max-Age: 86400\r\n"
                               : "");
        sg_http_answer(req, 204, NULL, NULL, 0, extra);
    } else if (req->refusal == SG_EMETHOD) {
        (void)snprintf(extra, sizeof(extra), "Allow: %s\r\n", sg_http_route_allow(&req->match));
        sg_http_problem_answer(req, SG_EMETHOD, req->refusal_detail, extra);
    } else {
        int err = req->refusal ? req->refusal : SG_ENOT_READY;
        sg_http_answer_problem(req, err, req->refusal ? req->refusal_detail : "stopping");
    }
}

/* Hand the answer to the library; req->answered holds. */
static enum MHD_Result queue(struct sg_http_request *req)
{
    struct sg_http_server *s = req->server;

    atomic_fetch_add(req->refused ? &s->refused : &s->answered, 1);
    if (!req->response)
        return MHD_NO;
    sg_http_conn_phase(s, req->conn, req->streamed ? SG_HTTP_STREAMING : SG_HTTP_SENDING);
    enum MHD_Result queued = MHD_queue_response(req->mhd, (unsigned)req->status, req->response);
    MHD_destroy_response(req->response);
    req->response = NULL;
    return queued;
}

static enum MHD_Result last_call(struct sg_http_request *req)
{
    struct sg_http_server *s = req->server;

    if (!req->handled) {
        req->handled = true;
        sg_http_conn_phase(s, req->conn, SG_HTTP_HANDLING);
        call_handler(req);
    }
    pthread_mutex_lock(&s->lock);
    bool answered = req->answered;
    if (!answered) {
        req->suspended = true;
        MHD_suspend_connection(req->mhd);
    }
    pthread_mutex_unlock(&s->lock);
    return answered ? queue(req) : MHD_YES;
}

static enum MHD_Result access_handler(void *cls, struct MHD_Connection *mhd, const char *url,
    const char *method, const char *version, const char *bytes, size_t *n, void **context)
{
    struct sg_http_request *req = *context;

    (void)cls;
    (void)mhd;
    (void)url;
    if (!req)
        return MHD_NO; /* no memory for it */
    if (!req->looked_at)
        return first_call(req, method, version);
    if (*n > 0)
        return take_body(req, bytes, n);
    return last_call(req);
}

/* MHD_OPTION_NOTIFY_COMPLETED: however the request ended. */
static void completed(
    void *cls, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode why)
{
    struct sg_http_request *req = *context;

    (void)cls;
    (void)mhd;
    (void)why;
    *context = NULL;
    if (!req)
        return;
    assert(!req->suspended);
    if (req->response) /* answered, but the client had gone */
        MHD_destroy_response(req->response);
    if (req->conn) {
        sg_http_room_leave(req, SG_HTTP_BODIES);
        sg_http_room_leave(req, SG_HTTP_ANSWERS);
        sg_http_conn_phase(req->server, req->conn, SG_HTTP_READING);
    }
    sg_buf_fini(&req->body);
    free(req);
}

/* ---- start and stop ---- */

static void init_config(struct sg_http_server *s, const struct sg_http_server_config *config)
{
    struct sg_http_server_config *c = &s->config;

    *c = *config;
    if (c->max_connections == 0)
        c->max_connections = 128;
    if (c->max_connections_address == 0)
        c->max_connections_address = 16;
    if (c->threads == 0)
        c->threads = 1;
    if (c->large_body == 0)
        c->large_body = (size_t)256 << 10;
    if (c->large_bytes == 0)
        c->large_bytes = (size_t)64 << 20;
    if (c->large_answers == 0)
        c->large_answers = (size_t)128 << 20;
    if (c->request_timeout_ms == 0)
        c->request_timeout_ms = 10000;
    if (c->answer_timeout_ms == 0)
        c->answer_timeout_ms = 60000;
    if (c->stream_timeout_ms == 0)
        c->stream_timeout_ms = 60000;
}

static int init_sync(struct sg_http_server *s)
{
    pthread_condattr_t attr;

    if (pthread_mutex_init(&s->lock, NULL) != 0)
        return SG_ENOMEM;
    int err = pthread_condattr_init(&attr);
    if (err == 0) {
        err = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        if (err == 0)
            err = pthread_cond_init(&s->changed, &attr);
        (void)pthread_condattr_destroy(&attr);
    }
    if (err != 0)
        (void)pthread_mutex_destroy(&s->lock);
    return err == 0 ? 0 : SG_ENOMEM;
}

static struct sg_http_server *server_new(const struct sg_http_server_config *config)
{
    struct sg_http_server *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    init_config(s, config);
    if (config->server_name)
        s->server_name = strdup(config->server_name);
    if ((config->server_name && !s->server_name) || init_sync(s) != 0) {
        free(s->server_name);
        free(s);
        return NULL;
    }
    s->config.server_name = s->server_name;
    return s;
}

static void server_free(struct sg_http_server *s)
{
    assert(!s->conns && !s->streams);
    (void)pthread_cond_destroy(&s->changed);
    (void)pthread_mutex_destroy(&s->lock);
    free(s->server_name);
    free(s);
}

/* STRICT_FOR_CLIENT stays 0: its two checks (Host, spaces in the target) are made in http_server_guard.c and
 * http_server_target.c; the library's own answer to a missing Host has its header twice. */
static struct MHD_Daemon *daemon_start(struct sg_http_server *s, int fd)
{
    const struct sg_http_server_config *c = &s->config;
    struct MHD_OptionItem pool[] = {
        {c->threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, (intptr_t)c->threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };

    return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
        access_handler, s, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, c->max_connections,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, c->max_connections_address, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)SG_HTTP_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SG_HTTP_IDLE_S,
        MHD_OPTION_STRICT_FOR_CLIENT, 0, MHD_OPTION_URI_LOG_CALLBACK, begin, s, MHD_OPTION_UNESCAPE_CALLBACK,
        leave_escaped, NULL, MHD_OPTION_NOTIFY_CONNECTION, sg_http_conn_notify, s,
        MHD_OPTION_NOTIFY_COMPLETED, completed, s, MHD_OPTION_ARRAY, pool, MHD_OPTION_END);
}

int sg_http_server_start(
    struct sg_http_server **out, const struct sg_http_server_config *config, struct sg_fault *fault)
{
    struct sg_http_server *s = server_new(config);
    int fd = -1;
    int err = s ? 0 : SG_ENOMEM;

    if (err == 0)
        err = sg_http_listen(&fd, &s->port, config->bind, config->port, fault);
    else
        *fault = (struct sg_fault){.err = err, .text = "no memory for an HTTP server"};
    if (err == 0) {
        s->daemon = daemon_start(s, fd);
        if (!s->daemon || sg_http_sweeper_start(s) != 0) {
            *fault = (struct sg_fault){.err = SG_EIO, .text = "the HTTP server's threads cannot be started"};
            err = SG_EIO;
        }
    }
    if (err == 0) {
        *out = s;
        return 0;
    }
    if (s && s->daemon)
        MHD_stop_daemon(s->daemon); /* closes fd */
    else if (fd >= 0)
        (void)close(fd);
    if (s)
        server_free(s);
    return err;
}

void sg_http_server_refuse(struct sg_http_server *s)
{
    atomic_store(&s->refusing, true);
}

static bool any_in(const struct sg_http_server *s, enum sg_http_phase phase)
{
    for (const struct sg_http_conn *c = s->conns; c; c = c->next)
        if (c->phase == phase)
            return true;
    return false;
}

/* Wait until no connection is in phase, at most limit_ms. lock held. */
static bool wait_none_locked(struct sg_http_server *s, enum sg_http_phase phase, sg_ms limit_ms)
{
    sg_ms until_ms = sg_http_now_ms() + limit_ms;
    struct timespec at = {(time_t)(until_ms / 1000), (long)(until_ms % 1000) * 1000000};

    while (any_in(s, phase) && sg_http_now_ms() < until_ms)
        (void)pthread_cond_timedwait(&s->changed, &s->lock, &at);
    return !any_in(s, phase);
}

/* Streams end, kept requests get their answers, answers on their way a moment to leave. A request that comes now
 * is refused without being kept: its phase was set before it looked at refusing. */
static void settle(struct sg_http_server *s)
{
    enum { KEPT_MS = 30000, SENDING_MS = 2000 };

    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    sg_http_streams_wake_locked(s);
    bool all_answered = wait_none_locked(s, SG_HTTP_HANDLING, KEPT_MS);
    (void)wait_none_locked(s, SG_HTTP_SENDING, SENDING_MS);
    pthread_mutex_unlock(&s->lock);
    assert(all_answered); /* the contract of sg_http_handler_fn */
}

void sg_http_server_stop(struct sg_http_server *s)
{
    if (!s)
        return;
    sg_http_server_refuse(s);
    settle(s);
    MHD_stop_daemon(s->daemon);
    sg_http_sweeper_stop(s);
    server_free(s);
}

uint16_t sg_http_server_port(const struct sg_http_server *s)
{
    return s->port;
}

void sg_http_server_counts(const struct sg_http_server *s, uint64_t *answered, uint64_t *refused)
{
    *answered = atomic_load(&s->answered);
    *refused = atomic_load(&s->refused);
}
