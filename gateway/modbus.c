/* A Modbus/TCP client around libmodbus.
 *
 * What libmodbus 3.1 does wrong and where it is avoided:
 *   modbus_connect reports time-outs as EINPROGRESS and leaks     -> connect_one: non-blocking connect and poll
 *   FD_SET with a descriptor >= 1024 aborts                       -> GW_MODBUS_MAX_FD before modbus_set_socket
 *   raw requests always carry transaction id 0                    -> the request is encoded here, its id counts
 *   each byte restarts the time-out                               -> byte timeout 0: the response timeout spans the frame
 *   unit, protocol id, MBAP length and byte count are not checked -> gw_frame_check on every answer
 *   after one late or doubled answer every later read fails       -> bytes before a request or behind an answer close
 *
 * Invariant: registers leave here only after gw_frame_check, and the connection is open only while the relay owes nothing.
 * Refuses: everything else, and closes. */
#include "gateway/modbus.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <modbus/modbus.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

_Static_assert(MODBUS_TCP_MAX_ADU_LENGTH >= GW_ADU_MAX, "libmodbus receives into our buffer");

struct gw_modbus {
    const struct sg_clock *clock;
    const char *host;
    char port[6];
    modbus_t *ctx; /* owns the socket while connected */
    int fd;        /* -1 when not connected */
    unsigned generation;
    uint16_t tid;
};

int gw_modbus_new(struct gw_modbus **out, const struct sg_clock *clock, const char *host, uint16_t port)
{
    struct gw_modbus *m = calloc(1, sizeof *m);

    if (!m)
        return SG_ENOMEM;
    m->clock = clock;
    m->host = host;
    m->fd = -1;
    (void)snprintf(m->port, sizeof m->port, "%u", (unsigned)port);
    m->ctx = modbus_new_tcp("127.0.0.1", 502); /* never used to connect */
    if (!m->ctx || modbus_set_byte_timeout(m->ctx, 0, 0) != 0 ||
        modbus_set_error_recovery(m->ctx, MODBUS_ERROR_RECOVERY_NONE) != 0) {
        gw_modbus_free(m);
        return SG_ENOMEM;
    }
    *out = m;
    return 0;
}

void gw_modbus_free(struct gw_modbus *m)
{
    if (!m)
        return;
    gw_modbus_close(m);
    if (m->ctx)
        modbus_free(m->ctx);
    free(m);
}

void gw_modbus_close(struct gw_modbus *m)
{
    if (m->fd >= 0)
        modbus_close(m->ctx); /* shuts down and closes the descriptor */
    m->fd = -1;
}

unsigned gw_modbus_generation(const struct gw_modbus *m)
{
    return m->fd >= 0 ? m->generation : 0;
}

/* Wait for events on fd until the deadline. 0, SG_ETIMEOUT, SG_EIO. */
static int wait_fd(const struct gw_modbus *m, int fd, short events, sg_ms deadline_ms)
{
    for (;;) {
        struct pollfd p = {.fd = fd, .events = events};
        sg_ms left = deadline_ms - m->clock->mono_ms(m->clock);
        int n = poll(&p, 1, left > 0 ? (int)(left < INT32_MAX ? left : INT32_MAX) : 0);

        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return SG_EIO;
        if (n == 0 && left <= 0)
            return SG_ETIMEOUT;
    }
}

/* The outcome of a non-blocking connect. */
static int connect_result(const struct gw_modbus *m, int fd, sg_ms deadline_ms)
{
    int failure = 0;
    socklen_t len = sizeof failure;
    int err = wait_fd(m, fd, POLLOUT, deadline_ms);

    if (err)
        return err;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &len) != 0)
        return SG_EIO;
    return failure == 0 ? 0 : failure == ETIMEDOUT ? SG_ETIMEOUT : SG_EREFUSED;
}

static int connect_one(int *out, const struct gw_modbus *m, const struct addrinfo *a, sg_ms deadline_ms)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    int one = 1, err = 0;

    if (fd < 0)
        return SG_EIO;
    if (fd >= GW_MODBUS_MAX_FD || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0)
        err = SG_EIO;
    else if (connect(fd, a->ai_addr, a->ai_addrlen) != 0)
        err = errno == EINPROGRESS ? connect_result(m, fd, deadline_ms) : SG_EREFUSED;
    if (err) {
        (void)close(fd);
        return err;
    }
    *out = fd;
    return 0;
}

/* The addresses of the endpoint: a numeric one without the resolver. NULL: unknown. */
static struct addrinfo *look_up(const struct gw_modbus *m)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;

    if (getaddrinfo(m->host, m->port, &hints, &found) == 0)
        return found;
    hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
    return getaddrinfo(m->host, m->port, &hints, &found) == 0 ? found : NULL;
}

int gw_modbus_connect(struct gw_modbus *m, sg_ms timeout_ms)
{
    struct addrinfo *found = look_up(m);
    sg_ms deadline = m->clock->mono_ms(m->clock) + timeout_ms;
    int err = SG_EREFUSED, fd = -1;

    gw_modbus_close(m);
    for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next)
        err = connect_one(&fd, m, a, deadline);
    if (found)
        freeaddrinfo(found);
    if (fd < 0)
        return err;
    if (modbus_set_socket(m->ctx, fd) != 0) {
        (void)close(fd);
        return SG_EIO;
    }
    m->fd = fd;
    if (++m->generation == 0)
        m->generation = 1;
    return 0;
}

/* What waits in the socket before anything was asked, or behind an answer: 0 nothing, SG_EMALFORMED bytes, SG_ECLOSED the
 * end, SG_EIO. */
static int check_quiet(const struct gw_modbus *m)
{
    uint8_t byte;
    ssize_t n = recv(m->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    if (n > 0)
        return SG_EMALFORMED;
    if (n == 0)
        return SG_ECLOSED;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0
           : errno == ECONNRESET                                     ? SG_ECLOSED
                                                                     : SG_EIO;
}

void gw_modbus_look(struct gw_modbus *m)
{
    if (m->fd >= 0 && check_quiet(m) != 0)
        gw_modbus_close(m);
}

/* A request is 12 bytes into an empty send buffer: it goes as a whole, or the connection is of no use. */
static int send_request(const struct gw_modbus *m, const struct gw_request *rq)
{
    uint8_t adu[GW_REQUEST_BYTES];
    ssize_t n;

    gw_request_encode(adu, rq);
    do
        n = send(m->fd, adu, sizeof adu, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)sizeof adu)
        return 0;
    return n < 0 && (errno == EPIPE || errno == ECONNRESET) ? SG_ECLOSED : SG_EIO;
}

/* The first byte of the answer, or why there is none: only so can an end before the answer be told from one inside. */
static int wait_answer(const struct gw_modbus *m, sg_ms deadline_ms)
{
    uint8_t byte;
    ssize_t n;
    int err = wait_fd(m, m->fd, POLLIN, deadline_ms);

    if (err)
        return err;
    n = recv(m->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n > 0)
        return 0;
    return n == 0 || errno == ECONNRESET ? SG_ECLOSED : SG_EIO;
}

/* The rest by libmodbus, which frames by function code and byte count. */
static int receive(struct gw_modbus *m, uint8_t *adu, size_t *len, sg_ms deadline_ms)
{
    sg_ms left = deadline_ms - m->clock->mono_ms(m->clock);
    int n;

    if (left <= 0)
        return SG_ETIMEOUT;
    if (modbus_set_response_timeout(m->ctx, (uint32_t)(left / 1000), (uint32_t)(left % 1000 * 1000)) != 0)
        return SG_EIO;
    n = modbus_receive_confirmation(m->ctx, adu);
    if (n >= 0) {
        *len = (size_t)n;
        return 0;
    }
    if (errno == ETIMEDOUT)
        return SG_ETIMEOUT;
    /* the end or a reset inside a frame, or a byte count beyond any frame */
    return errno == ECONNRESET || errno == EMBBADDATA ? SG_EMALFORMED : SG_EIO;
}

static int converse(struct gw_modbus *m, uint16_t *regs, struct gw_frame_note *note,
    const struct gw_request *rq, sg_ms deadline_ms)
{
    uint8_t adu[MODBUS_TCP_MAX_ADU_LENGTH];
    uint16_t got[GW_MAX_QUANTITY];
    size_t len = 0;
    int verdict, err;

    err = check_quiet(m);
    if (!err)
        err = send_request(m, rq);
    if (!err)
        err = wait_answer(m, deadline_ms);
    if (!err)
        err = receive(m, adu, &len, deadline_ms);
    if (err)
        return err;
    verdict = gw_frame_check(got, note, rq, adu, len);
    if (verdict == SG_EMALFORMED)
        return verdict;
    err = check_quiet(m);
    if (err == SG_ECLOSED) { /* answered whole, then closed: the answer stands */
        gw_modbus_close(m);
        err = 0;
    }
    if (err == SG_EMALFORMED)
        note->fault = GW_FRAME_SIZE;
    if (!err && !verdict)
        memcpy(regs, got, rq->quantity * sizeof *regs);
    return err ? err : verdict;
}

int gw_modbus_read(struct gw_modbus *m, uint16_t *regs, struct gw_frame_note *note, uint8_t unit,
    uint16_t address, uint16_t quantity, sg_ms timeout_ms)
{
    sg_ms deadline = m->clock->mono_ms(m->clock) + timeout_ms;
    struct gw_request rq = {.unit = unit, .address = address, .quantity = quantity};
    int err;

    *note = (struct gw_frame_note){0};
    if (m->fd < 0)
        return SG_ECLOSED;
    m->tid =
        (uint16_t)(m->tid == UINT16_MAX ? 1 : m->tid + 1); /* never 0: what a zeroed answer would carry */
    rq.tid = m->tid;
    err = converse(m, regs, note, &rq, deadline);
    if (err && err != SG_EEXCEPTION)
        gw_modbus_close(m);
    return err;
}
