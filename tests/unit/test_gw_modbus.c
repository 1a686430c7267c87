/* The client against a server that misbehaves: every fault has its code, ends in bounded time, and the next connection is
 * not harmed by it. */
#include "gateway/modbus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

enum behaviour {
    GOOD,
    GOOD_THEN_CLOSE,
    SILENT,
    DRIP,        /* a byte each 40 ms */
    DRIP_HEADER, /* the MBAP drips, the rest never comes */
    LATE,        /* the previous answer first, then the right one */
    TWICE,
    BEFORE, /* an answer on accept, before any request */
    OTHER_TID,
    OTHER_UNIT,
    PROTOCOL_1,
    LENGTH_MORE,
    LENGTH_LESS,
    EXCEPTION_2,
    EXCEPTION_0,
    EXCEPTION_OTHER,
    COUNT_0,
    COUNT_ODD,
    COUNT_255,
    QUANTITY_LESS,
    CLOSE,
    CLOSE_INSIDE,
    RESET,
    RESET_INSIDE,
    ZEROS,
};

static struct server {
    int fd;
    uint16_t port;
    _Atomic int behaviour;
    _Atomic unsigned accepted;
    pthread_t thread;
} server;

static struct sg_clock clk;
static struct gw_modbus *client;

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

/* Answer one request as told. False: close the connection. */
static bool answer(int fd, const uint8_t *rq)
{
    uint8_t a[600];
    size_t n = right_answer(a, rq);

    switch ((enum behaviour)server.behaviour) {
    case GOOD:
    case BEFORE:
        break;
    case GOOD_THEN_CLOSE:
        send_all(fd, a, n);
        return false;
    case SILENT:
        return true;
    case DRIP:
        send_drip(fd, a, n);
        return true;
    case DRIP_HEADER:
        send_drip(fd, a, 7);
        return true;
    case LATE:
        a[1] = (uint8_t)(a[1] - 1);
        send_all(fd, a, n);
        a[1] = (uint8_t)(a[1] + 1);
        break;
    case TWICE:
        memcpy(a + n, a, n);
        n *= 2;
        break;
    case OTHER_TID:
        a[0] ^= 0x80;
        break;
    case OTHER_UNIT:
        a[6]++;
        break;
    case PROTOCOL_1:
        a[3] = 1;
        break;
    case LENGTH_MORE:
        a[5]++;
        break;
    case LENGTH_LESS:
        a[5]--;
        break;
    case EXCEPTION_2:
        n = exception(a, 0x83, 2);
        break;
    case EXCEPTION_0:
        n = exception(a, 0x83, 0);
        break;
    case EXCEPTION_OTHER:
        n = exception(a, 0x84, 2);
        break;
    case COUNT_0:
        a[8] = 0;
        break;
    case COUNT_ODD:
        a[8]--;
        break;
    case COUNT_255:
        a[8] = 255;
        break;
    case QUANTITY_LESS:
        sg_put_be16(a + 10, (uint16_t)(sg_get_be16(rq + 10) - 1));
        a[8] = (uint8_t)(a[8] - 2);
        a[5] = (uint8_t)(a[5] - 2);
        n -= 2;
        break;
    case CLOSE:
        return false;
    case CLOSE_INSIDE:
        send_all(fd, a, n - 3);
        return false;
    case RESET:
        reset(fd);
        return false;
    case RESET_INSIDE:
        send_all(fd, a, n - 3);
        reset(fd);
        return false;
    case ZEROS:
        send_zeros(fd);
        return true;
    }
    send_all(fd, a, n);
    return true;
}

static void serve(int fd)
{
    uint8_t rq[GW_REQUEST_BYTES];

    if (server.behaviour == BEFORE) {
        static const uint8_t request[GW_REQUEST_BYTES] = {0x77, 0x77, 0, 0, 0, 6, 1, 3, 0, 0, 0, 4};
        uint8_t a[64];

        send_all(fd, a, right_answer(a, request));
    }
    while (recv(fd, rq, sizeof rq, MSG_WAITALL) == (ssize_t)sizeof rq) {
        if (!answer(fd, rq))
            break;
    }
    (void)close(fd);
}

static void *server_main(void *unused)
{
    int fd;

    (void)unused;
    while ((fd = accept(server.fd, NULL, NULL)) >= 0) {
        server.accepted++;
        serve(fd);
    }
    return NULL;
}

static int setup(void **state)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    struct sg_fault fault;

    (void)state;
    assert_int_equal(sg_clock_init(&clk, NULL, &fault), 0);
    server.fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(server.fd >= 0);
    assert_int_equal(bind(server.fd, (struct sockaddr *)&a, len), 0);
    assert_int_equal(listen(server.fd, 8), 0);
    assert_int_equal(getsockname(server.fd, (struct sockaddr *)&a, &len), 0);
    server.port = ntohs(a.sin_port);
    server.behaviour = GOOD;
    server.accepted = 0;
    assert_int_equal(pthread_create(&server.thread, NULL, server_main, NULL), 0);
    assert_int_equal(gw_modbus_new(&client, &clk, "127.0.0.1", server.port), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gw_modbus_free(client);
    (void)shutdown(server.fd, SHUT_RDWR); /* accept ends */
    assert_int_equal(pthread_join(server.thread, NULL), 0);
    (void)close(server.fd);
    return 0;
}

static void assert_good_read(uint16_t quantity)
{
    uint16_t regs[125];
    struct gw_frame_note note;

    assert_int_equal(gw_modbus_read(client, regs, &note, 1, 1000, quantity, 5000), 0);
    for (unsigned i = 0; i < quantity; i++)
        assert_int_equal(regs[i], 1000 + i);
}

/* Connect, ask under a behaviour, and say what came of it and how long it took. */
static int ask(enum behaviour b, sg_ms timeout_ms, struct gw_frame_note *note, sg_ms *took_ms)
{
    uint16_t regs[4] = {9, 9, 9, 9};
    sg_ms start;
    int err;

    server.behaviour = b;
    assert_int_equal(gw_modbus_connect(client, 5000), 0);
    start = clk.mono_ms(&clk);
    err = gw_modbus_read(client, regs, note, 1, 1000, 4, timeout_ms);
    *took_ms = clk.mono_ms(&clk) - start;
    if (err)
        assert_int_equal(regs[0], 9);
    return err;
}

/* Many reads on one connection, of one and of 125 registers; unit 255 is as good as any. */
static void read_good_answers_are_taken(void **state)
{
    uint16_t regs[1];
    struct gw_frame_note note;

    (void)state;
    assert_int_equal(gw_modbus_generation(client), 0);
    assert_int_equal(gw_modbus_connect(client, 5000), 0);
    assert_int_equal(gw_modbus_generation(client), 1);
    for (int i = 0; i < 200; i++)
        assert_good_read((uint16_t)(i % 2 ? 1 : 125));
    assert_int_equal(gw_modbus_read(client, regs, &note, 255, 7, 1, 5000), 0);
    assert_int_equal(regs[0], 7);
    assert_int_equal(server.accepted, 1);
}

/* Each fault has its code; only an exception leaves the connection open; the next connection works. */
static void read_faults_have_their_code(void **state)
{
    static const struct {
        enum behaviour b;
        int err;
        enum gw_frame_fault fault;
    } cases[] = {
        {LATE, SG_EMALFORMED, GW_FRAME_TID},
        {TWICE, SG_EMALFORMED, GW_FRAME_SIZE},
        {OTHER_TID, SG_EMALFORMED, GW_FRAME_TID},
        {OTHER_UNIT, SG_EMALFORMED, GW_FRAME_UNIT},
        {PROTOCOL_1, SG_EMALFORMED, GW_FRAME_PROTOCOL},
        {LENGTH_MORE, SG_EMALFORMED, GW_FRAME_LENGTH},
        {LENGTH_LESS, SG_EMALFORMED, GW_FRAME_LENGTH},
        {EXCEPTION_2, SG_EEXCEPTION, GW_FRAME_NONE},
        {EXCEPTION_0, SG_EMALFORMED, GW_FRAME_EXCEPTION_CODE},
        {EXCEPTION_OTHER, SG_EMALFORMED, GW_FRAME_FUNCTION},
        {COUNT_0, SG_EMALFORMED, GW_FRAME_LENGTH},
        {COUNT_ODD, SG_EMALFORMED, GW_FRAME_LENGTH},
        {COUNT_255, SG_EMALFORMED, GW_FRAME_NONE}, /* libmodbus refuses it: longer than any frame */
        {QUANTITY_LESS, SG_EMALFORMED, GW_FRAME_BYTE_COUNT},
        {CLOSE, SG_ECLOSED, GW_FRAME_NONE},
        {CLOSE_INSIDE, SG_EMALFORMED, GW_FRAME_NONE},
        {RESET, SG_ECLOSED, GW_FRAME_NONE},
        {ZEROS, SG_EMALFORMED, GW_FRAME_TID},
    };

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(cases); i++) {
        struct gw_frame_note note;
        sg_ms took;
        int err = ask(cases[i].b, 3000, &note, &took);

        if (err != cases[i].err || note.fault != cases[i].fault)
            fail_msg("behaviour %d: %s, %s", cases[i].b, sg_err_code(err), gw_frame_fault_text(note.fault));
        assert_in_range(took, 0, 2000);
        assert_int_equal(gw_modbus_generation(client) != 0, err == SG_EEXCEPTION);
        if (err == SG_EEXCEPTION)
            assert_int_equal(note.exception, 2);
        server.behaviour = GOOD;
        assert_int_equal(gw_modbus_connect(client, 5000), 0);
        assert_good_read(10);
    }
}

/* A reset may overtake the bytes before it: closed before, or malformed inside; never a value. */
static void read_reset_inside_a_frame_is_refused(void **state)
{
    struct gw_frame_note note;
    sg_ms took;
    int err;

    (void)state;
    err = ask(RESET_INSIDE, 3000, &note, &took);
    assert_true(err == SG_ECLOSED || err == SG_EMALFORMED);
    assert_int_equal(gw_modbus_generation(client), 0);
}

/* An answer before any request is never taken for one. */
static void read_answer_before_request_is_malformed(void **state)
{
    struct gw_frame_note note;
    sg_ms took;

    (void)state;
    assert_int_equal(ask(BEFORE, 3000, &note, &took), SG_EMALFORMED);
    assert_int_equal(gw_modbus_generation(client), 0);
}

/* Silence and dripping bytes end at the deadline: a byte now and then buys no time. */
static void read_deadline_spans_the_whole_answer(void **state)
{
    static const enum behaviour cases[] = {SILENT, DRIP, DRIP_HEADER};

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(cases); i++) {
        struct gw_frame_note note;
        sg_ms took;

        assert_int_equal(ask(cases[i], 200, &note, &took), SG_ETIMEOUT);
        assert_in_range(took, 190, 600); /* 17 bytes would drip for 680 ms */
        assert_int_equal(gw_modbus_generation(client), 0);
    }
}

/* A slow answer within the deadline is good. */
static void read_slow_answer_within_the_deadline_is_taken(void **state)
{
    struct gw_frame_note note;
    sg_ms took;

    (void)state;
    assert_int_equal(ask(DRIP, 10000, &note, &took), 0);
    assert_true(took >= 500);
}

/* Answered whole and then closed: the values stand, the connection does not. */
static void read_answer_then_close_is_taken(void **state)
{
    struct gw_frame_note note;
    uint16_t regs[1];
    sg_ms took;

    (void)state;
    assert_int_equal(ask(GOOD_THEN_CLOSE, 3000, &note, &took), 0);
    assert_int_equal(gw_modbus_read(client, regs, &note, 1, 0, 1, 3000), SG_ECLOSED);
    assert_int_equal(gw_modbus_generation(client), 0);
}

/* Without a connection nothing is read; every connection has another generation. */
static void read_without_connection_is_closed(void **state)
{
    struct gw_frame_note note;
    uint16_t regs[1];
    unsigned first;

    (void)state;
    assert_int_equal(gw_modbus_read(client, regs, &note, 1, 0, 1, 3000), SG_ECLOSED);
    assert_int_equal(gw_modbus_connect(client, 5000), 0);
    first = gw_modbus_generation(client);
    assert_int_equal(gw_modbus_connect(client, 5000), 0);
    assert_int_not_equal(gw_modbus_generation(client), first);
    gw_modbus_close(client);
    assert_int_equal(gw_modbus_generation(client), 0);
}

/* Nobody listens: refused. A backlog that is full: a timeout in time. An unknown name: refused. */
static void connect_failures_have_their_code(void **state)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    struct gw_modbus *m;
    int fd = socket(AF_INET, SOCK_STREAM, 0), extra[8], err = 0;
    sg_ms start;

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    assert_int_equal(gw_modbus_new(&m, &clk, "127.0.0.1", ntohs(a.sin_port)), 0);
    assert_int_equal(gw_modbus_connect(m, 3000), SG_EREFUSED); /* bound, not listening */

    assert_int_equal(listen(fd, 0), 0);
    for (size_t i = 0; i < SG_ARRAY_LEN(extra); i++) { /* fill the backlog */
        extra[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(extra[i], (struct sockaddr *)&a, len);
    }
    start = clk.mono_ms(&clk);
    err = gw_modbus_connect(m, 200);
    assert_int_equal(err, SG_ETIMEOUT);
    assert_in_range(clk.mono_ms(&clk) - start, 190, 600);
    for (size_t i = 0; i < SG_ARRAY_LEN(extra); i++)
        (void)close(extra[i]);
    (void)close(fd);
    gw_modbus_free(m);

    assert_int_equal(
        gw_modbus_new(&m, &clk, "256.1.1.1", 502), 0); /* libmodbus would take it for 255.255.255.255 */
    assert_int_equal(gw_modbus_connect(m, 1000), SG_EREFUSED);
    gw_modbus_free(m);
}

/* A descriptor that select cannot hold is refused; the process lives. */
static void connect_with_a_high_descriptor_is_refused(void **state)
{
    int fds[GW_MODBUS_MAX_FD + 8], n = 0;

    (void)state;
    while (n < GW_MODBUS_MAX_FD + 8) {
        int fd = open("/dev/null", O_RDONLY);

        if (fd < 0)
            break;
        fds[n++] = fd;
        if (fd >= GW_MODBUS_MAX_FD)
            break;
    }
    if (n == 0 || fds[n - 1] < GW_MODBUS_MAX_FD)
        print_message("the limit of descriptors is below %d: nothing to refuse\n", GW_MODBUS_MAX_FD);
    assert_int_equal(gw_modbus_connect(client, 3000), SG_EIO);
    assert_int_equal(gw_modbus_generation(client), 0);
    while (n > 0)
        (void)close(fds[--n]);
    assert_int_equal(gw_modbus_connect(client, 3000), 0);
    assert_good_read(3);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(read_good_answers_are_taken),
        T(read_faults_have_their_code),
        T(read_reset_inside_a_frame_is_refused),
        T(read_answer_before_request_is_malformed),
        T(read_deadline_spans_the_whole_answer),
        T(read_slow_answer_within_the_deadline_is_taken),
        T(read_answer_then_close_is_taken),
        T(read_without_connection_is_closed),
        T(connect_failures_have_their_code),
        T(connect_with_a_high_descriptor_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
