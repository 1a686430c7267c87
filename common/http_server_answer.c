/* Answers: whole, problem+json (RFC 9457) and streamed, given from any thread.
 *
 * An answer is built without the lock, then handed over under it: either the handler is still running and the server's
 * thread finds it when the handler returns, or the connection is suspended and is resumed. After the hand-over the request
 * belongs to the server's thread again. Without memory for an answer the connection is closed. */
#include "common/http_server.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sg_text.h"

#define JSON_PROBLEM "application/problem+json"

/* ---- headers ---- */

/* One "Name: value" of extra. A line that the library refuses is left out. */
static void add_line(struct MHD_Response *r, const char *line, size_t n)
{
    char text[512];
    char *colon;

    if (n == 0 || n >= sizeof(text))
        return;
    memcpy(text, line, n);
    text[n] = '\0';
    colon = strchr(text, ':');
    if (!colon)
        return;
    *colon++ = '\0';
    colon += strspn(colon, " \t");
    (void)MHD_add_response_header(r, text, colon);
}

static void add_extra(struct MHD_Response *r, const char *extra)
{
    while (extra && *extra) {
        size_t n = strcspn(extra, "\r\n");
        add_line(r, extra, n);
        extra += n;
        extra += strspn(extra, "\r\n");
    }
}

/* Takes r; NULL stays NULL. */
static struct MHD_Response *dress(
    const struct sg_http_request *req, struct MHD_Response *r, const char *content_type, const char *extra)
{
    if (!r)
        return NULL;
    bool good = MHD_add_response_header(r, "X-Content-Type-Options", "nosniff") == MHD_YES;
    if (content_type)
        good = good && MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, content_type) == MHD_YES;
    if (req->verb != SG_HTTP_V_POST && req->verb != SG_HTTP_V_OTHER)
        good = good && MHD_add_response_header(r, "Access-Control-Allow-Origin", "*") == MHD_YES;
    if (req->server->server_name)
        good =
            good && MHD_add_response_header(r, MHD_HTTP_HEADER_SERVER, req->server->server_name) == MHD_YES;
    if (!good) {
        MHD_destroy_response(r);
        return NULL;
    }
    add_extra(r, extra);
    return r;
}

static struct MHD_Response *whole(const void *body, size_t len, enum MHD_ResponseMemoryMode mode)
{
    /* The library takes void * for all modes; it writes to none of them. */
    if (len == 0)
        return MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
    return MHD_create_response_from_buffer(len, (void *)(uintptr_t)body, mode);
}

/* ---- hand-over ---- */

/* Takes r (NULL: no memory). req must not be touched afterwards. */
static void hand_over(struct sg_http_request *req, int status, struct MHD_Response *r)
{
    struct sg_http_server *s = req->server;

    pthread_mutex_lock(&s->lock);
    assert(!req->answered); /* exactly once */
    req->answered = true;
    req->response = r;
    req->status = status;
    if (req->suspended) {
        req->suspended = false;
        MHD_resume_connection(req->mhd);
    }
    pthread_mutex_unlock(&s->lock);
}

static void answer_too_many(struct sg_http_request *req)
{
    sg_http_answer_problem(req, SG_EOVERLOADED, "too many large answers at once");
}

void sg_http_answer(struct sg_http_request *req, int status, const char *content_type, const void *body,
    size_t len, const char *extra)
{
    if (!sg_http_room_take(req, SG_HTTP_ANSWERS, len)) {
        answer_too_many(req);
        return;
    }
    hand_over(req, status, dress(req, whole(body, len, MHD_RESPMEM_MUST_COPY), content_type, extra));
}

void sg_http_answer_take(
    struct sg_http_request *req, int status, const char *content_type, struct sg_buf *body)
{
    size_t len = 0;
    int err = sg_buf_err(body);
    uint8_t *p = sg_buf_take(body, &len);

    if (err) {
        free(p);
        sg_http_answer_problem(req, err, "the answer could not be built");
        return;
    }
    if (len == 0) {
        free(p);
        p = NULL;
    }
    if (!sg_http_room_take(req, SG_HTTP_ANSWERS, len)) {
        free(p);
        answer_too_many(req);
        return;
    }
    struct MHD_Response *r = whole(p, len, MHD_RESPMEM_MUST_FREE);
    if (!r)
        free(p);
    hand_over(req, status, dress(req, r, content_type, NULL));
}

/* ---- problems ---- */

/* s may hold bytes of a request: what is not UTF-8 must not make the answer something other than JSON. */
static void put_json_string(struct sg_buf *b, const char *s)
{
    bool is_utf8 = sg_utf8_valid(s, strlen(s));

    sg_buf_put_u8(b, '"');
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            sg_buf_put_u8(b, '\\');
        if (c < 0x20 || c == 0x7f || (c >= 0x80 && !is_utf8))
            c = '?';
        sg_buf_put_u8(b, c);
    }
    sg_buf_put_u8(b, '"');
}

struct MHD_Response *sg_http_problem_make(
    const struct sg_http_request *req, int status, int err, const char *detail, const char *extra)
{
    struct sg_buf b;
    size_t len;

    sg_buf_init(&b, 64 * 1024);
    sg_buf_puts(&b, "{\"code\":");
    put_json_string(&b, sg_err_code(err));
    sg_buf_puts(&b, ",\"detail\":");
    put_json_string(&b, detail ? detail : "");
    sg_buf_puts(&b, ",\"status\":");
    sg_buf_put_i64(&b, status);
    sg_buf_puts(&b, ",\"title\":");
    put_json_string(&b, sg_err_text(err));
    sg_buf_puts(&b, ",\"type\":\"about:blank\"}");
    if (sg_buf_err(&b)) {
        sg_buf_fini(&b);
        return NULL;
    }
    uint8_t *p = sg_buf_take(&b, &len);
    struct MHD_Response *r = whole(p, len, MHD_RESPMEM_MUST_FREE);
    if (!r)
        free(p);
    return dress(req, r, JSON_PROBLEM, extra);
}

void sg_http_problem_answer(struct sg_http_request *req, int err, const char *detail, const char *extra)
{
    int status = sg_http_status_of(err);

    hand_over(req, status, sg_http_problem_make(req, status, err, detail, extra));
}

void sg_http_answer_problem(struct sg_http_request *req, int err, const char *detail)
{
    bool later = sg_http_status_of(err) == 503;

    sg_http_problem_answer(req, err, detail, later ? "Retry-After: 1\r\n" : NULL);
}

/* ---- streams ---- */

static void stream_link(struct sg_http_stream *st)
{
    struct sg_http_server *s = st->server;

    pthread_mutex_lock(&s->lock);
    st->next = s->streams;
    if (s->streams)
        s->streams->prev = st;
    s->streams = st;
    pthread_mutex_unlock(&s->lock);
}

/* The library calls this when it drops the answer, on its own thread; we do when there is no answer. */
static void stream_free(void *cls)
{
    struct sg_http_stream *st = cls;
    struct sg_http_server *s = st->server;

    pthread_mutex_lock(&s->lock);
    if (st->next)
        st->next->prev = st->prev;
    if (st->prev)
        st->prev->next = st->next;
    else
        s->streams = st->next;
    pthread_mutex_unlock(&s->lock);
    if (st->free_fn)
        st->free_fn(st->state);
    free(st);
}

/* Suspend the connection until sg_http_server_wake. False: asked again, or it must end: the server stops, the client has gone. */
static bool stream_sleep(struct sg_http_stream *st, bool *stopping)
{
    struct sg_http_server *s = st->server;
    bool sleeps;

    pthread_mutex_lock(&s->lock);
    *stopping = s->stopping || st->conn->shut;
    sleeps = !*stopping && !st->woken;
    if (sleeps) {
        st->waiting = true;
        MHD_suspend_connection(st->mhd);
    }
    st->woken = false;
    pthread_mutex_unlock(&s->lock);
    return sleeps;
}

/* The library asks only when its window is empty: all that was given before has gone to the client's side. */
static void stream_asked(struct sg_http_stream *st)
{
    pthread_mutex_lock(&st->server->lock);
    st->asked_ms = sg_http_now_ms();
    pthread_mutex_unlock(&st->server->lock);
}

static ssize_t stream_read(void *cls, uint64_t pos, char *dst, size_t max)
{
    struct sg_http_stream *st = cls;
    bool stopping = false;

    (void)pos;
    stream_asked(st);
    for (;;) {
        long n = st->read_fn(st->state, dst, max);
        if (n > 0) {
            assert((size_t)n <= max);
            return n;
        }
        if (n == 0)
            return MHD_CONTENT_READER_END_OF_STREAM;
        if (n != SG_HTTP_LATER)
            return MHD_CONTENT_READER_END_WITH_ERROR;
        if (stream_sleep(st, &stopping))
            return 0;
        if (stopping)
            return MHD_CONTENT_READER_END_WITH_ERROR;
    }
}

void sg_http_answer_stream(struct sg_http_request *req, int status, const char *content_type,
    const char *extra, sg_http_read_fn *read_fn, void *state, void (*free_fn)(void *))
{
    enum { BLOCK = 8 * 1024 }; /* what an HTTP/1.0 client gets at once; chunks use the connection's memory */
    struct sg_http_stream *st = calloc(1, sizeof(*st));

    if (!st) {
        if (free_fn)
            free_fn(state);
        hand_over(req, status, NULL);
        return;
    }
    st->server = req->server;
    st->mhd = req->mhd;
    st->conn = req->conn;
    st->asked_ms = sg_http_now_ms();
    st->read_fn = read_fn;
    st->state = state;
    st->free_fn = free_fn;
    stream_link(st);
    struct MHD_Response *r =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, stream_read, st, stream_free);
    if (!r)
        stream_free(st);
    else if (req->verb ==
             SG_HTTP_V_HEAD) /* the library would send a final chunk, read as the next answer's start */
        (void)MHD_set_response_options(r, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    req->streamed = r != NULL;
    hand_over(req, status, dress(req, r, content_type, extra));
}

void sg_http_streams_wake_locked(struct sg_http_server *s)
{
    for (struct sg_http_stream *st = s->streams; st; st = st->next) {
        st->woken = true;
        if (!st->waiting)
            continue;
        st->waiting = false;
        st->woken = false;
        st->asked_ms = sg_http_now_ms(); /* its client's time begins again */
        MHD_resume_connection(st->mhd);
    }
}

void sg_http_server_wake(struct sg_http_server *s)
{
    pthread_mutex_lock(&s->lock);
    sg_http_streams_wake_locked(s);
    pthread_mutex_unlock(&s->lock);
}
