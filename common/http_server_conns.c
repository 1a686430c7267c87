/* The table of connections, and the sweeper that shuts down those that take too long.
 *
 * libmicrohttpd's own timeout counts idleness, so a client that sends one byte a second keeps its place for ever.
 * Here the clock of a connection starts when it is accepted and again after each answer, and only a complete request stops
 * it. The invariant that makes shutdown(2) from another thread safe: an entry leaves the table, under the lock, before
 * libmicrohttpd closes its descriptor. The sweeper never closes anything: it shuts down, the library then reads the
 * end of the stream and cleans up on its own thread. */
#include "common/http_server.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

enum { TICK_MAX_MS = 1000 };

sg_ms sg_http_now_ms(void)
{
    struct timespec ts;

    int err = clock_gettime(CLOCK_MONOTONIC, &ts);
    assert(err == 0);
    return (sg_ms)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- table ---- */

static void conn_add(struct sg_http_server *s, struct MHD_Connection *mhd, void **context)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct sg_http_conn *conn = calloc(1, sizeof(*conn));

    *context = conn;
    if (!conn || !info) {
        if (info) /* what cannot be watched is not served */
            (void)shutdown(info->connect_fd, SHUT_RDWR);
        free(conn);
        *context = NULL;
        return;
    }
    conn->fd = info->connect_fd;
    info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    sg_http_owner_of(&conn->owner, info ? info->client_addr : NULL);
    conn->phase = SG_HTTP_READING;
    conn->since_ms = sg_http_now_ms();
    pthread_mutex_lock(&s->lock);
    conn->next = s->conns;
    if (s->conns)
        s->conns->prev = conn;
    s->conns = conn;
    pthread_mutex_unlock(&s->lock);
}

static void conn_remove(struct sg_http_server *s, struct sg_http_conn *conn)
{
    if (!conn)
        return;
    pthread_mutex_lock(&s->lock);
    if (conn->next)
        conn->next->prev = conn->prev;
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        s->conns = conn->next;
    pthread_mutex_unlock(&s->lock);
    free(conn);
}

void sg_http_conn_notify(
    void *cls, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        conn_add(cls, mhd, context);
    else
        conn_remove(cls, *context);
}

struct sg_http_conn *sg_http_conn_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

void sg_http_conn_phase(struct sg_http_server *s, struct sg_http_conn *conn, enum sg_http_phase phase)
{
    pthread_mutex_lock(&s->lock);
    conn->phase = phase;
    conn->since_ms = sg_http_now_ms();
    if (s->stopping)
        pthread_cond_broadcast(&s->changed); /* sg_http_server_stop waits for answers that are on their way */
    pthread_mutex_unlock(&s->lock);
}

/* ---- sweeper ---- */

static bool overdue(const struct sg_http_server *s, const struct sg_http_conn *conn, sg_ms now_ms)
{
    sg_ms age_ms = now_ms - conn->since_ms;

    switch (conn->phase) {
    case SG_HTTP_READING:
        return age_ms >= (sg_ms)s->config.request_timeout_ms;
    case SG_HTTP_SENDING:
        return age_ms >= (sg_ms)s->config.answer_timeout_ms;
    case SG_HTTP_HANDLING:
    case SG_HTTP_STREAMING:
        return false;
    }
    return false;
}

static void shut(struct sg_http_conn *c)
{
    c->shut = true;
    if (c->phase !=
        SG_HTTP_READING) /* what the client does not read must not stay in the kernel: reset on close */
        (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
    (void)shutdown(c->fd, SHUT_RDWR); /* ENOTCONN: the client was faster */
}

static void sweep_locked(struct sg_http_server *s)
{
    sg_ms now_ms = sg_http_now_ms();

    for (struct sg_http_conn *c = s->conns; c; c = c->next) {
        if (c->shut || !overdue(s, c, now_ms))
            continue;
        shut(c);
    }
}

/* Has the other end hung up? The library does not look at a connection that is suspended, and a write would notice only at the second
 * attempt. */
static bool hung_up(const struct sg_http_conn *c)
{
    char byte;
    const ssize_t n = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/* A stream that waits while its client has gone, or that could give more while its client makes no room for it. */
static void sweep_streams_locked(struct sg_http_server *s)
{
    sg_ms now_ms = sg_http_now_ms();

    for (struct sg_http_stream *st = s->streams; st; st = st->next) {
        struct sg_http_conn *c = st->conn;
        if (c->shut || c->phase != SG_HTTP_STREAMING)
            continue;
        if (st->waiting ? hung_up(c) : now_ms - st->asked_ms >= (sg_ms)s->config.stream_timeout_ms)
            shut(c); /* one that waits learns of it when it is asked again */
    }
}

static struct timespec after_ms(sg_ms ms)
{
    sg_ms at = sg_http_now_ms() + ms;

    return (struct timespec){.tv_sec = (time_t)(at / 1000), .tv_nsec = (long)(at % 1000) * 1000000};
}

static void *sweeper_main(void *arg)
{
    struct sg_http_server *s = arg;
    sg_ms tick_ms = (sg_ms)s->config.request_timeout_ms / 4 + 1;
    sg_ms asked_ms = sg_http_now_ms();

    if (tick_ms > TICK_MAX_MS)
        tick_ms = TICK_MAX_MS;
    pthread_mutex_lock(&s->lock);
    while (s->sweeper_runs) {
        struct timespec at = after_ms(tick_ms);
        (void)pthread_cond_timedwait(&s->changed, &s->lock, &at);
        sweep_locked(s);
        sweep_streams_locked(s);
        if (sg_http_now_ms() - asked_ms >= TICK_MAX_MS) {
            asked_ms = sg_http_now_ms();
            sg_http_streams_wake_locked(s);
        }
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

int sg_http_sweeper_start(struct sg_http_server *s)
{
    s->sweeper_runs = true;
    if (pthread_create(&s->sweeper, NULL, sweeper_main, s) != 0) {
        s->sweeper_runs = false;
        return SG_EIO;
    }
    (void)pthread_setname_np(s->sweeper, "http-sweep");
    return 0;
}

void sg_http_sweeper_stop(struct sg_http_server *s)
{
    if (!s->sweeper_runs)
        return;
    pthread_mutex_lock(&s->lock);
    s->sweeper_runs = false;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->sweeper, NULL);
}
