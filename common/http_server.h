/* What the files of the HTTP server share; nobody else includes it.
 *
 * Threads: libmicrohttpd's own (one by default) run every callback and every handler; any thread may answer a kept
 * request; the sweeper shuts down connections that take too long. One mutex, sg_http_server.lock, guards what the
 * three share; no handler, read_fn or free_fn is called under it. Lock order: ours, then libmicrohttpd's. */
#ifndef SG_COMMON_HTTP_SERVER_H
#define SG_COMMON_HTTP_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <microhttpd.h>

#include "sg_http.h"

enum {
    SG_HTTP_MAX_SEGMENTS = 16,  /* of a path; longer ones are not found */
    SG_HTTP_MAX_ARGS = 32,      /* of a query; more are refused */
    SG_HTTP_MEMORY = 16 * 1024, /* a connection: request line, headers, window of the body */
    SG_HTTP_IDLE_S = 30,        /* libmicrohttpd's own limit: no byte moved for so long */
};

/* ---- request target (http_server_target.c) ---- */

struct sg_http_target {
    const char *path[SG_HTTP_MAX_SEGMENTS]; /* decoded; "/" is one empty segment */
    size_t npath;
    struct {
        const char *key, *value; /* decoded */
    } args[SG_HTTP_MAX_ARGS];
    size_t nargs;
};

/* Take a raw request target apart, decoding it in place; the result points into text.
 * SG_EBAD_PARAMETER for what no honest client sends, *why says it; SG_ENOT_FOUND for too many segments. */
SG_MUST_USE int sg_http_target_parse(struct sg_http_target *t, char *text, const char **why);

/* ---- routes (http_server_route.c) ---- */

enum sg_http_verb { SG_HTTP_V_GET, SG_HTTP_V_HEAD, SG_HTTP_V_POST, SG_HTTP_V_OPTIONS, SG_HTTP_V_OTHER };

struct sg_http_match {
    const struct sg_http_route *route; /* NULL: none for this path and verb */
    bool has_get, has_post;            /* what the path offers */
    const char *caught[SG_HTTP_MAX_SEGMENTS];
    size_t ncaught;
};

enum sg_http_verb sg_http_verb_of(const char *method);
void sg_http_route_find(struct sg_http_match *m, const struct sg_http_route *routes, size_t nroutes,
    const struct sg_http_target *t, enum sg_http_verb verb);
/* "GET, HEAD, OPTIONS": value of Allow. Static. */
const char *sg_http_route_allow(const struct sg_http_match *m);

/* ---- framing of a request (http_server_guard.c) ---- */

struct sg_http_framing {
    const char *target; /* where libmicrohttpd had the raw target, and its length as a C string */
    size_t target_len;
    uint64_t content_length; /* out */
};

/* Look at request line and headers before anything else does. NULL when they are sound, else what is wrong. */
const char *sg_http_guard_check(
    struct sg_http_framing *f, struct MHD_Connection *mhd, const char *method, const char *version);

/* ---- connections (http_server_conns.c) ---- */

enum sg_http_phase {
    SG_HTTP_READING,   /* no complete request yet */
    SG_HTTP_HANDLING,  /* the handler's time, not the client's */
    SG_HTTP_SENDING,   /* a whole answer */
    SG_HTTP_STREAMING, /* as long as it likes, while its client takes what there is */
};

/* Room for what is large (http_server_room.c). */
enum sg_http_room { SG_HTTP_BODIES, SG_HTTP_ANSWERS, SG_HTTP_ROOMS };

/* Who shares a part of it: an IPv4 address, or the first half of an IPv6 address. */
struct sg_http_owner {
    uint8_t b[16];
};

struct sg_http_conn {
    struct sg_http_conn *next, *prev;
    struct sg_http_owner owner;
    uint64_t held[SG_HTTP_ROOMS]; /* bytes, by its request */
    int fd;
    enum sg_http_phase phase;
    sg_ms since_ms; /* monotonic: start of the phase */
    bool shut;      /* already shut down */
};

/* ---- server and request ---- */

struct sg_http_stream {
    struct sg_http_stream *next, *prev;
    struct sg_http_server *server;
    struct MHD_Connection *mhd;
    struct sg_http_conn *conn; /* outlives the stream */
    sg_http_read_fn *read_fn;
    void *state;
    void (*free_fn)(void *);
    bool waiting;   /* suspended */
    bool woken;     /* since read_fn was asked */
    sg_ms asked_ms; /* monotonic: when it was last asked, or woken */
};

struct sg_http_server {
    struct MHD_Daemon *daemon;
    struct sg_http_server_config config; /* limits filled in */
    char *server_name;
    uint16_t port;
    atomic_uint_fast64_t answered, refused;
    atomic_bool refusing;

    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t changed;
    pthread_t sweeper;
    bool sweeper_runs, stopping;
    struct sg_http_conn *conns;
    struct sg_http_stream *streams;
};

struct sg_http_request {
    struct sg_http_server *server;
    struct MHD_Connection *mhd;
    struct sg_http_conn *conn;
    enum sg_http_verb verb;
    struct sg_http_framing framing;
    struct sg_http_target target;
    struct sg_http_match match;
    struct sg_buf body;

    bool looked_at; /* the first call is over */
    bool handled;   /* the handler was called */
    int refusal;    /* not 0: answered instead of the handler's call; SG_HTTP_PREFLIGHT: with 204 */
    const char *refusal_detail;
    bool refused; /* answered without its handler */

    /* guarded by server->lock */
    bool suspended;
    bool answered;
    struct MHD_Response *response; /* NULL in spite of answered: no memory, the connection is closed */
    bool streamed;
    int status;

    char text[]; /* the target, taken apart in place */
};

#define SG_HTTP_PREFLIGHT 1

/* ---- room (http_server_room.c) ---- */

/* sa may be NULL: one owner for all whose address cannot be told. */
void sg_http_owner_of(struct sg_http_owner *out, const struct sockaddr *sa);
/* Would there be room for n bytes of this request now? Takes none. */
bool sg_http_room_fits(struct sg_http_request *req, enum sg_http_room room, uint64_t n);
/* Hold room for n bytes in all until it is left. False: there is none, and what was held before still is. Thread: any. */
SG_MUST_USE bool sg_http_room_take(struct sg_http_request *req, enum sg_http_room room, uint64_t n);
void sg_http_room_leave(struct sg_http_request *req, enum sg_http_room room);

sg_ms sg_http_now_ms(void);

/* A problem+json answer made of err and detail; extra as in sg_http_answer. NULL without memory. */
struct MHD_Response *sg_http_problem_make(
    const struct sg_http_request *req, int status, int err, const char *detail, const char *extra);
/* sg_http_answer_problem with more headers. */
void sg_http_problem_answer(struct sg_http_request *req, int err, const char *detail, const char *extra);

/* Table of connections and sweeper. */
void sg_http_conn_notify(
    void *cls, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode code);
struct sg_http_conn *sg_http_conn_of(struct MHD_Connection *mhd);
void sg_http_conn_phase(struct sg_http_server *s, struct sg_http_conn *conn, enum sg_http_phase phase);
SG_MUST_USE int sg_http_sweeper_start(struct sg_http_server *s);
void sg_http_sweeper_stop(struct sg_http_server *s);
/* lock held: resume every waiting stream. */
void sg_http_streams_wake_locked(struct sg_http_server *s);

/* A bound, listening, non-blocking socket. Errors as sg_http_server_start. */
SG_MUST_USE int sg_http_listen(
    int *fd, uint16_t *port, const char *bind, uint16_t want, struct sg_fault *fault);

#endif
