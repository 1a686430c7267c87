/* A Modbus/TCP relay that misbehaves as told.
 *
 * Invariant: one connection at a time, one answer a request, but for the behaviours that say otherwise.
 * Refuses nothing. */
#include "tests/lib/bad_relay.h"

#include "sg_buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_BYTES = 12 };

static void send_all(int fd, const uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t done = send(fd, p, n, MSG_NOSIGNAL);

        if (done <= 0)
            return;
        p += done;
        n -= (size_t)done;
    }
}

static void send_drip(int fd, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct pollfd gone = {.fd = fd, .events = POLLIN};

        if (send(fd, p + i, 1, MSG_NOSIGNAL) != 1 || poll(&gone, 1, 40) != 0)
            return; /* the client has closed */
    }
}

static void reset(int fd)
{
    struct linger hard = {.l_onoff = 1};

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

/* The right answer to a request: registers address, address + 1, ... */
static size_t right_answer(uint8_t *out, const uint8_t *rq)
{
    uint16_t address = sg_get_be16(rq + 8), quantity = sg_get_be16(rq + 10);

    memcpy(out, rq, 4);
    sg_put_be16(out + 4, (uint16_t)(3 + 2 * quantity));
    out[6] = rq[6];
    out[7] = 3;
    out[8] = (uint8_t)(2 * quantity);
    for (unsigned i = 0; i < quantity; i++)
        sg_put_be16(out + 9 + 2 * i, (uint16_t)(address + i));
    return 9 + 2 * (size_t)quantity;
}

static size_t exception(uint8_t *a, uint8_t function, uint8_t code)
{
    sg_put_be16(a + 4, 3);
    a[7] = function;
    a[8] = code;
    return 9;
}

static void send_zeros(int fd)
{
    static const uint8_t zeros[65536];

    for (int i = 0; i < 160; i++) /* M38: 10 MB */
        send_all(fd, zeros, sizeof zeros);
}

/* Behaviours that spoil one byte of the right answer: what is added to it. */
static const struct {
    enum bad_relay_behaviour behaviour;
    uint8_t at;
    uint8_t add;
} spoilt[] = {
    {BAD_RELAY_OTHER_TID, 0, 0x80},
    {BAD_RELAY_PROTOCOL_1, 3, 1},
    {BAD_RELAY_LENGTH_MORE, 5, 1},
    {BAD_RELAY_LENGTH_LESS, 5, 0xFF},
    {BAD_RELAY_OTHER_UNIT, 6, 1},
    {BAD_RELAY_COUNT_ODD, 8, 0xFF},
};

/* Change the answer of n bytes; returns how many there are now. */
static size_t spoil(uint8_t *a, size_t n, enum bad_relay_behaviour b)
{
    for (size_t i = 0; i < sizeof spoilt / sizeof spoilt[0]; i++) {
        if (spoilt[i].behaviour == b)
            a[spoilt[i].at] = (uint8_t)(a[spoilt[i].at] + spoilt[i].add);
    }
    if (b == BAD_RELAY_EXCEPTION_2)
        return exception(a, 0x83, 2);
    if (b == BAD_RELAY_EXCEPTION_0)
        return exception(a, 0x83, 0);
    if (b == BAD_RELAY_EXCEPTION_OTHER)
        return exception(a, 0x84, 2);
    if (b == BAD_RELAY_COUNT_0 || b == BAD_RELAY_COUNT_255)
        a[8] = b == BAD_RELAY_COUNT_0 ? 0 : 255;
    if (b == BAD_RELAY_QUANTITY_LESS) {
        a[5] = (uint8_t)(a[5] - 2);
        a[8] = (uint8_t)(a[8] - 2);
        n -= 2;
    }
    if (b == BAD_RELAY_TWICE) {
        memcpy(a + n, a, n);
        n *= 2;
    }
    return n;
}

/* The answer to the request before: its transaction id is one less. */
static void send_late(int fd, uint8_t *a, size_t n)
{
    a[1] = (uint8_t)(a[1] - 1);
    send_all(fd, a, n);
    a[1] = (uint8_t)(a[1] + 1);
}

/* Answer one request as told. False: close the connection. */
static bool answer(const struct bad_relay *s, int fd, const uint8_t *rq)
{
    enum bad_relay_behaviour b = (enum bad_relay_behaviour)s->behaviour;
    uint8_t a[600];
    size_t n = right_answer(a, rq);
    bool inside = b == BAD_RELAY_CLOSE_INSIDE || b == BAD_RELAY_RESET_INSIDE;

    if (b == BAD_RELAY_RESET || b == BAD_RELAY_RESET_INSIDE)
        reset(fd);
    if (b == BAD_RELAY_CLOSE || b == BAD_RELAY_RESET)
        return false;
    if (b == BAD_RELAY_SILENT)
        return true;
    if (b == BAD_RELAY_DRIP || b == BAD_RELAY_DRIP_HEADER) {
        send_drip(fd, a, b == BAD_RELAY_DRIP ? n : 7);
        return true;
    }
    if (b == BAD_RELAY_ZEROS) {
        send_zeros(fd);
        return true;
    }
    if (b == BAD_RELAY_LATE)
        send_late(fd, a, n);
    n = spoil(a, n, b);
    send_all(fd, a, inside ? n - 3 : n);
    return !inside && b != BAD_RELAY_GOOD_THEN_CLOSE;
}

static void serve(const struct bad_relay *s, int fd)
{
    uint8_t rq[REQUEST_BYTES];

    if (s->behaviour == BAD_RELAY_BEFORE) {
        static const uint8_t request[REQUEST_BYTES] = {0x77, 0x77, 0, 0, 0, 6, 1, 3, 0, 0, 0, 4};
        uint8_t a[64];

        send_all(fd, a, right_answer(a, request));
    }
    while (recv(fd, rq, sizeof rq, MSG_WAITALL) == (ssize_t)sizeof rq) {
        if (!answer(s, fd, rq))
            break;
    }
    (void)close(fd);
}

static void *bad_relay_main(void *arg)
{
    struct bad_relay *s = arg;
    int fd;

    while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
        s->accepted++;
        serve(s, fd);
    }
    return NULL;
}

void bad_relay_start(struct bad_relay *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;

    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(s->fd >= 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&a, len), 0);
    assert_int_equal(listen(s->fd, 8), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&a, &len), 0);
    s->port = ntohs(a.sin_port);
    s->behaviour = BAD_RELAY_GOOD;
    s->accepted = 0;
    assert_int_equal(pthread_create(&s->thread, NULL, bad_relay_main, s), 0);
}

void bad_relay_stop(struct bad_relay *s)
{
    (void)shutdown(s->fd, SHUT_RDWR); /* accept ends */
    assert_int_equal(pthread_join(s->thread, NULL), 0);
    (void)close(s->fd);
}
