/* The Modbus/TCP server.
 *
 * Invariant: libmodbus sees only reads that core/frame.c found legal, on descriptors below RE_FD_MAX, and a mapping
 * that covers exactly the registers of this one read. It never waits: modbus_reply formats and sends once, the
 * socket is non-blocking, and room for the answer was made sure of before. Answers other than reads are sent here,
 * because modbus_reply sleeps 500 ms for them.
 * Refuses: what core/frame.h refuses; connections beyond the limits of framing.h (the longest idle goes). */
#include "relay-emulator/server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <modbus.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "relay-emulator/fault.h"
#include "relay-emulator/framing.h"
#include "sg_log.h"

enum {
    RE_FD_MAX = 1000, /* modbus_reply uses FD_SET: a descriptor >= 1024 would abort the process */
    BACKLOG = 512,
    BATCH = 64,             /* events, and accepted connections, a turn */
    WAIT_MAX_MS = 250,      /* a step of the wall clock is seen after this at the latest */
    SEND_BYTES = 256 << 10, /* of a socket; far above what may be unsent */
    UNSENT_MAX = 16 << 10,  /* a client with more unsent answers is stalled */
    UNSENT_CHECK = 8 << 10, /* answers between two looks at it */
};

struct re_server {
    struct re_station *station;
    const struct sg_clock *clock;
    modbus_t *ctx;
    int epoll, listener, signals;
    bool stopping;
    sg_ms mono_ms; /* of this turn */
    char address[INET6_ADDRSTRLEN + 16];
    struct re_conns conns;
};

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static int parse_address(
    union address *out, socklen_t *len, const struct re_server_conf *conf, struct sg_fault *fault)
{
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, conf->bind, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(conf->port);
        *len = sizeof out->v4;
        return 0;
    }
    if (inet_pton(AF_INET6, conf->bind, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(conf->port);
        *len = sizeof out->v6;
        return 0;
    }
    return re_fail(fault, SG_ECONFIG, conf->bind, "not an IPv4 or IPv6 address");
}

static int set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value);
}

/* Accepted sockets inherit the options. */
static int set_options(int fd)
{
    return set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) || set_option(fd, SOL_SOCKET, SO_SNDBUF, SEND_BYTES) ||
           set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1) ||
           set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_MAX);
}

static void format_address(struct re_server *s, const union address *a)
{
    char host[INET6_ADDRSTRLEN] = "";
    bool v6 = a->any.sa_family == AF_INET6;
    const void *raw = v6 ? (const void *)&a->v6.sin6_addr : &a->v4.sin_addr;
    (void)inet_ntop(a->any.sa_family, raw, host, sizeof host);
    (void)snprintf(s->address, sizeof s->address, v6 ? "[%s]:%u" : "%s:%u", host,
        ntohs(v6 ? a->v6.sin6_port : a->v4.sin_port));
}

static int start_listening(struct re_server *s, const struct re_server_conf *conf, struct sg_fault *fault)
{
    union address a;
    socklen_t len;
    int err = parse_address(&a, &len, conf, fault);
    if (err)
        return err;
    format_address(s, &a);
    s->listener = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->listener < 0 || set_options(s->listener))
        return re_fail(fault, SG_EIO, s->address, strerror(errno));
    if (bind(s->listener, &a.any, len) != 0 || listen(s->listener, BACKLOG) != 0) {
        if (errno == EADDRINUSE)
            return re_fail(fault, SG_EADDRINUSE, s->address, "the port is taken by another program");
        return re_fail(fault, SG_EIO, s->address, strerror(errno));
    }
    if (getsockname(s->listener, &a.any, &len) != 0)
        return re_fail(fault, SG_EIO, s->address, strerror(errno));
    format_address(s, &a);
    return 0;
}

static int watch(struct re_server *s, int op, int fd, uint32_t events, void *who)
{
    struct epoll_event ev = {.events = events, .data.ptr = who};
    return epoll_ctl(s->epoll, op, fd, &ev);
}

static int start_loop(struct re_server *s, struct sg_fault *fault)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    s->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (s->signals < 0 || s->epoll < 0 || watch(s, EPOLL_CTL_ADD, s->listener, EPOLLIN, &s->listener) ||
        watch(s, EPOLL_CTL_ADD, s->signals, EPOLLIN, &s->signals))
        return re_fail(fault, SG_EIO, "event loop", strerror(errno));
    s->ctx = modbus_new_tcp(NULL, 0);
    if (!s->ctx || modbus_set_response_timeout(s->ctx, 0, 1) != 0)
        return re_fail(fault, SG_ENOMEM, "libmodbus", strerror(errno));
    return 0;
}

int re_server_new(struct re_server **out, const struct sg_clock *clock, const struct re_server_conf *conf,
    struct sg_fault *fault)
{
    struct re_server *s = calloc(1, sizeof *s);
    if (!s)
        return re_fail(fault, SG_ENOMEM, "server", sg_err_text(SG_ENOMEM));
    s->clock = clock;
    s->epoll = s->listener = s->signals = -1;
    re_conns_init(&s->conns);
    int err = start_listening(s, conf, fault);
    if (!err)
        err = start_loop(s, fault);
    if (err) {
        re_server_free(s);
        return err;
    }
    *out = s;
    return 0;
}

void re_server_free(struct re_server *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < RE_CONNS_MAX; i++)
        if (s->conns.all[i].fd >= 0)
            (void)close(s->conns.all[i].fd);
    const int fds[] = {s->listener, s->signals, s->epoll};
    for (size_t i = 0; i < SG_ARRAY_LEN(fds); i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
    modbus_free(s->ctx);
    free(s);
}

const char *re_server_address(const struct re_server *s)
{
    return s->address;
}

/* Closing takes the descriptor out of the epoll set: no copy of it exists. */
static void drop(struct re_server *s, struct re_conn *c)
{
    int fd = c->fd;
    re_conns_remove(&s->conns, c);
    (void)close(fd);
}

static void key_of(uint8_t key[static RE_ADDRESS_BYTES], const union address *a)
{
    memset(key, 0, RE_ADDRESS_BYTES);
    if (a->any.sa_family == AF_INET6)
        memcpy(key, &a->v6.sin6_addr, sizeof a->v6.sin6_addr);
    else
        memcpy(key, &a->v4.sin_addr, sizeof a->v4.sin_addr);
}

static void add_client(struct re_server *s, int fd, const union address *from)
{
    uint8_t key[RE_ADDRESS_BYTES];
    if (fd >= RE_FD_MAX) {
        (void)close(fd);
        return;
    }
    key_of(key, from);
    struct re_conn *c = re_conns_victim(&s->conns, key);
    if (c)
        drop(s, c);
    c = re_conns_add(&s->conns, fd, key);
    if (watch(s, EPOLL_CTL_ADD, fd, EPOLLIN, c) != 0)
        drop(s, c);
}

static void accept_clients(struct re_server *s)
{
    for (int i = 0; i < BATCH; i++) {
        union address from;
        socklen_t len = sizeof from;
        int fd = accept4(s->listener, &from.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            /* None left, or one that has gone already. With no descriptor left the longest idle client makes room,
             * or the one that waits would keep this loop turning. */
            struct re_conn *c = errno == EMFILE || errno == ENFILE ? re_conns_longest_idle(&s->conns) : NULL;
            if (c)
                drop(s, c);
            return;
        }
        add_client(s, fd, &from);
    }
}

/* False: the connection is of no more use. */
static bool send_exception(const struct re_conn *c, const uint8_t *adu, uint8_t exception)
{
    uint8_t out[RE_EXCEPTION_BYTES];
    re_frame_exception(out, adu, exception);
    return send(c->fd, out, sizeof out, MSG_NOSIGNAL) == (ssize_t)sizeof out;
}

static bool send_registers(
    struct re_server *s, const struct re_conn *c, const uint8_t *adu, const struct re_request *r)
{
    const uint16_t *regs = re_image_at(re_station_image(s->station, r->unit), r->address, r->quantity);
    assert(regs && c->fd < RE_FD_MAX);
    /* modbus_reply does not write through the tables for functions 03 and 04. */
    modbus_mapping_t map = {.start_registers = r->address,
        .nb_registers = r->quantity,
        .tab_registers = (uint16_t *)(uintptr_t)regs,
        .start_input_registers = r->address,
        .nb_input_registers = r->quantity,
        .tab_input_registers = (uint16_t *)(uintptr_t)regs};
    return modbus_set_socket(s->ctx, c->fd) == 0 && modbus_reply(s->ctx, adu, (int)r->adu_bytes, &map) > 0;
}

/* True when the client leaves too many answers unread. Asked once in UNSENT_CHECK bytes of answers, so that a client
 * that waits for each answer costs no system call more. */
static bool socket_is_full(struct re_conn *c, size_t answer_bytes)
{
    int unsent = 0;
    c->unchecked += answer_bytes;
    if (c->unchecked < UNSENT_CHECK)
        return false;
    if (ioctl(c->fd, SIOCOUTQNSD, &unsent) != 0)
        return true;
    if (unsent >= UNSENT_MAX)
        return true;
    c->unchecked = 0;
    return false;
}

/* Not read and not answered any more until the socket has room. */
static void stall(struct re_server *s, struct re_conn *c)
{
    re_conns_stall(&s->conns, c, s->mono_ms);
    if (watch(s, EPOLL_CTL_MOD, c->fd, EPOLLOUT, c) != 0)
        drop(s, c);
}

/* Answer what is whole in the buffer. */
static void answer(struct re_server *s, struct re_conn *c)
{
    const uint8_t *adu;
    struct re_request r;
    while (c->len > 0) {
        enum re_verdict verdict = re_conn_check(c, &r, &adu, re_station_relays(s->station));
        if (verdict == RE_FRAME_MORE)
            return;
        if (verdict == RE_FRAME_CLOSE) {
            drop(s, c);
            return;
        }
        if (socket_is_full(c, RE_EXCEPTION_BYTES + 2u * r.quantity)) {
            stall(s, c);
            return;
        }
        if (!(verdict == RE_FRAME_READ ? send_registers(s, c, adu, &r)
                                       : send_exception(c, adu, r.exception))) {
            drop(s, c);
            return;
        }
        re_conns_take(&s->conns, c, r.adu_bytes, s->mono_ms);
    }
}

static void receive(struct re_server *s, struct re_conn *c)
{
    size_t room;
    uint8_t *at = re_conn_space(c, &room);
    ssize_t n = recv(c->fd, at, room, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        drop(s, c);
        return;
    }
    re_conns_received(&s->conns, c, (size_t)n, s->mono_ms);
    answer(s, c);
}

static void resume(struct re_server *s, struct re_conn *c)
{
    int unsent = 0;
    if (ioctl(c->fd, SIOCOUTQNSD, &unsent) != 0 || watch(s, EPOLL_CTL_MOD, c->fd, EPOLLIN, c) != 0) {
        drop(s, c);
        return;
    }
    c->unchecked = 0;
    re_conns_resume(&s->conns, c, s->mono_ms);
    answer(s, c);
}

static void handle(struct re_server *s, const struct epoll_event *ev)
{
    struct re_conn *c = ev->data.ptr;
    if (ev->data.ptr == &s->listener)
        accept_clients(s);
    else if (ev->data.ptr == &s->signals)
        s->stopping = true;
    else if (c->fd < 0)
        return; /* closed earlier in this turn */
    else if (c->state != RE_CONN_STALLED)
        receive(s, c); /* a slot that was closed and taken again in this turn has nothing yet: EAGAIN */
    else if (ev->events & (EPOLLERR | EPOLLHUP))
        drop(s, c);
    else if (ev->events & EPOLLOUT)
        resume(s, c);
}

static int wait_of(const struct re_server *s)
{
    sg_ms wait = sg_clock_wait_ms(s->clock, re_station_next_ms(s->station));
    sg_ms deadline = re_conns_deadline(&s->conns);
    if (wait < SG_CLOCK_MIN_WAIT_MS) /* due since the tick, or a clock that the registers cannot hold */
        wait = SG_CLOCK_MIN_WAIT_MS;
    if (deadline != INT64_MAX && deadline - s->mono_ms < wait)
        wait = deadline > s->mono_ms ? deadline - s->mono_ms : 0;
    return (int)(wait < WAIT_MAX_MS ? wait : WAIT_MAX_MS);
}

int re_server_run(struct re_server *s, struct re_station *station)
{
    struct epoll_event events[BATCH];
    s->station = station;
    s->mono_ms = s->clock->mono_ms(s->clock);
    while (!s->stopping) {
        int n = epoll_wait(s->epoll, events, BATCH, wait_of(s));
        if (n < 0 && errno != EINTR)
            return SG_EIO;
        s->mono_ms = s->clock->mono_ms(s->clock);
        re_station_tick(s->station, s->clock->wall_ms(s->clock));
        for (int i = 0; i < n; i++)
            handle(s, &events[i]);
        for (struct re_conn *c = re_conns_expired(&s->conns, s->mono_ms); c;
             c = re_conns_expired(&s->conns, s->mono_ms))
            drop(s, c);
    }
    return 0;
}
