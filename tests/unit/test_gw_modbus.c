/* The client against a server that misbehaves: every fault has its code, ends in bounded time, and the next connection is
 * not harmed by it. */
#include "gateway/modbus.h"
#include "tests/lib/bad_relay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 120000 }; /* nothing but silence takes so long, on any machine */

static struct bad_relay server;
static struct sg_clock clk;
static struct gw_modbus *client;

static int setup(void **state)
{
    struct sg_fault fault;

    (void)state;
    assert_int_equal(sg_clock_init(&clk, NULL, &fault), 0);
    bad_relay_start(&server);
    assert_int_equal(gw_modbus_new(&client, &clk, "127.0.0.1", server.port), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gw_modbus_free(client);
    bad_relay_stop(&server);
    return 0;
}

static void assert_good_read(uint16_t quantity)
{
    uint16_t regs[125];
    struct gw_frame_note note;

    assert_int_equal(gw_modbus_read(client, regs, &note, 1, 1000, quantity, PATIENCE_MS), 0);
    for (unsigned i = 0; i < quantity; i++)
        assert_int_equal(regs[i], 1000 + i);
}

/* Connect, ask under a behaviour, and say what came of it and how long it took. */
static int ask(enum bad_relay_behaviour b, sg_ms timeout_ms, struct gw_frame_note *note, sg_ms *took_ms)
{
    uint16_t regs[4] = {9, 9, 9, 9};
    sg_ms start;
    int err;

    server.behaviour = b;
    assert_int_equal(gw_modbus_connect(client, PATIENCE_MS), 0);
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
    assert_int_equal(gw_modbus_connect(client, PATIENCE_MS), 0);
    assert_int_equal(gw_modbus_generation(client), 1);
    for (int i = 0; i < 200; i++)
        assert_good_read((uint16_t)(i % 2 ? 1 : 125));
    assert_int_equal(gw_modbus_read(client, regs, &note, 255, 7, 1, PATIENCE_MS), 0);
    assert_int_equal(regs[0], 7);
    assert_int_equal(server.accepted, 1);
}

/* Each fault has its code; only an exception leaves the connection open; the next connection works. */
static void read_faults_have_their_code(void **state)
{
    static const struct {
        enum bad_relay_behaviour b;
        int err;
        enum gw_frame_fault fault;
    } cases[] = {
        {BAD_RELAY_LATE, SG_EMALFORMED, GW_FRAME_TID},
        {BAD_RELAY_TWICE, SG_EMALFORMED, GW_FRAME_SIZE},
        {BAD_RELAY_OTHER_TID, SG_EMALFORMED, GW_FRAME_TID},
        {BAD_RELAY_OTHER_UNIT, SG_EMALFORMED, GW_FRAME_UNIT},
        {BAD_RELAY_PROTOCOL_1, SG_EMALFORMED, GW_FRAME_PROTOCOL},
        {BAD_RELAY_LENGTH_MORE, SG_EMALFORMED, GW_FRAME_LENGTH},
        {BAD_RELAY_LENGTH_LESS, SG_EMALFORMED, GW_FRAME_LENGTH},
        {BAD_RELAY_EXCEPTION_2, SG_EEXCEPTION, GW_FRAME_NONE},
        {BAD_RELAY_EXCEPTION_0, SG_EMALFORMED, GW_FRAME_EXCEPTION_CODE},
        {BAD_RELAY_EXCEPTION_OTHER, SG_EMALFORMED, GW_FRAME_FUNCTION},
        {BAD_RELAY_COUNT_0, SG_EMALFORMED, GW_FRAME_LENGTH},
        {BAD_RELAY_COUNT_ODD, SG_EMALFORMED, GW_FRAME_LENGTH},
        {BAD_RELAY_COUNT_255, SG_EMALFORMED, GW_FRAME_NONE}, /* libmodbus refuses it: longer than any frame */
        {BAD_RELAY_QUANTITY_LESS, SG_EMALFORMED, GW_FRAME_BYTE_COUNT},
        {BAD_RELAY_CLOSE, SG_ECLOSED, GW_FRAME_NONE},
        {BAD_RELAY_CLOSE_INSIDE, SG_EMALFORMED, GW_FRAME_NONE},
        {BAD_RELAY_RESET, SG_ECLOSED, GW_FRAME_NONE},
        {BAD_RELAY_ZEROS, SG_EMALFORMED, GW_FRAME_TID},
    };

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(cases); i++) {
        struct gw_frame_note note;
        sg_ms took;
        int err = ask(cases[i].b, PATIENCE_MS, &note, &took);

        if (err != cases[i].err || note.fault != cases[i].fault)
            fail_msg("behaviour %d: %s, %s", cases[i].b, sg_err_code(err), gw_frame_fault_text(note.fault));
        assert_int_equal(gw_modbus_generation(client) != 0, err == SG_EEXCEPTION);
        if (err == SG_EEXCEPTION)
            assert_int_equal(note.exception, 2);
        server.behaviour = BAD_RELAY_GOOD;
        assert_int_equal(gw_modbus_connect(client, PATIENCE_MS), 0);
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
    err = ask(BAD_RELAY_RESET_INSIDE, PATIENCE_MS, &note, &took);
    assert_true(err == SG_ECLOSED || err == SG_EMALFORMED);
    assert_int_equal(gw_modbus_generation(client), 0);
}

/* An answer before any request is never taken for one. */
static void read_answer_before_request_is_malformed(void **state)
{
    struct gw_frame_note note;
    sg_ms took;

    (void)state;
    assert_int_equal(ask(BAD_RELAY_BEFORE, PATIENCE_MS, &note, &took), SG_EMALFORMED);
    assert_int_equal(gw_modbus_generation(client), 0);
}

/* Silence and dripping bytes end at the deadline: a byte now and then buys no time. */
static void read_deadline_spans_the_whole_answer(void **state)
{
    static const enum bad_relay_behaviour cases[] = {BAD_RELAY_SILENT, BAD_RELAY_DRIP, BAD_RELAY_DRIP_HEADER};

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(cases); i++) {
        struct gw_frame_note note;
        sg_ms took;
        int err = 0;

        for (int k = 0; k < 20 && err == 0;
             k++) /* 17 bytes drip for 680 ms: longer, unless this thread sleeps so long */
            err = ask(cases[i], 200, &note, &took);
        assert_int_equal(err, SG_ETIMEOUT);
        assert_true(took >= 190);
        assert_int_equal(gw_modbus_generation(client), 0);
    }
}

/* A slow answer within the deadline is good. */
static void read_slow_answer_within_the_deadline_is_taken(void **state)
{
    struct gw_frame_note note;
    sg_ms took;

    (void)state;
    assert_int_equal(ask(BAD_RELAY_DRIP, PATIENCE_MS, &note, &took), 0);
    assert_true(took >= 500);
}

/* Answered whole and then closed: the values stand, the connection does not. */
static void read_answer_then_close_is_taken(void **state)
{
    struct gw_frame_note note;
    uint16_t regs[1];
    sg_ms took;

    (void)state;
    assert_int_equal(ask(BAD_RELAY_GOOD_THEN_CLOSE, PATIENCE_MS, &note, &took), 0);
    assert_int_equal(gw_modbus_read(client, regs, &note, 1, 0, 1, PATIENCE_MS), SG_ECLOSED);
    assert_int_equal(gw_modbus_generation(client), 0);
}

/* Without a connection nothing is read; every connection has another generation. */
static void read_without_connection_is_closed(void **state)
{
    struct gw_frame_note note;
    uint16_t regs[1];
    unsigned first;

    (void)state;
    assert_int_equal(gw_modbus_read(client, regs, &note, 1, 0, 1, PATIENCE_MS), SG_ECLOSED);
    assert_int_equal(gw_modbus_connect(client, PATIENCE_MS), 0);
    first = gw_modbus_generation(client);
    assert_int_equal(gw_modbus_connect(client, PATIENCE_MS), 0);
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
    assert_int_equal(gw_modbus_connect(m, PATIENCE_MS), SG_EREFUSED); /* bound, not listening */

    assert_int_equal(listen(fd, 0), 0);
    for (size_t i = 0; i < SG_ARRAY_LEN(extra); i++) { /* fill the backlog */
        extra[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(extra[i], (struct sockaddr *)&a, len);
    }
    start = clk.mono_ms(&clk);
    err = gw_modbus_connect(m, 200);
    assert_int_equal(err, SG_ETIMEOUT);
    assert_true(clk.mono_ms(&clk) - start >= 190);
    for (size_t i = 0; i < SG_ARRAY_LEN(extra); i++)
        (void)close(extra[i]);
    (void)close(fd);
    gw_modbus_free(m);

    assert_int_equal(
        gw_modbus_new(&m, &clk, "256.1.1.1", 502), 0); /* libmodbus would take it for 255.255.255.255 */
    assert_int_equal(gw_modbus_connect(m, PATIENCE_MS), SG_EREFUSED);
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
    assert_int_equal(gw_modbus_connect(client, PATIENCE_MS), SG_EIO);
    assert_int_equal(gw_modbus_generation(client), 0);
    while (n > 0)
        (void)close(fds[--n]);
    assert_int_equal(gw_modbus_connect(client, PATIENCE_MS), 0);
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
