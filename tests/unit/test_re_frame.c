/* The frame check: every malformed frame has one exact fate, and how the bytes arrive does not change it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "relay-emulator/core/frame.h"
#include "sg_buf.h"

enum { MORE = RE_FRAME_MORE, CLOSE = RE_FRAME_CLOSE, READ = RE_FRAME_READ, EXC = RE_FRAME_EXCEPTION };

struct adu {
    uint8_t b[RE_ADU_MAX + 40];
    size_t n;
};

/* A frame with any header and PDU: transaction 0x1234. */
static struct adu frame(uint16_t protocol, uint16_t length, uint8_t unit, const uint8_t *pdu, size_t n)
{
    struct adu a = {{0x12, 0x34}, RE_MBAP_BYTES + n};
    sg_put_be16(a.b + 2, protocol);
    sg_put_be16(a.b + 4, length);
    a.b[6] = unit;
    memcpy(a.b + 7, pdu, n);
    return a;
}

static struct adu request(uint8_t unit, uint8_t function, uint16_t address, uint16_t quantity)
{
    uint8_t pdu[5] = {function};
    sg_put_be16(pdu + 1, address);
    sg_put_be16(pdu + 3, quantity);
    return frame(0, 6, unit, pdu, sizeof pdu);
}

static enum re_verdict check(struct re_request *r, const struct adu *a)
{
    memset(r, 0xEE, sizeof *r);
    return re_frame_check(r, a->b, a->n, 1);
}

static void expect_close(struct adu a)
{
    struct re_request r;
    assert_int_equal(check(&r, &a), CLOSE);
}

static void expect_read(struct adu a)
{
    struct re_request r;
    assert_int_equal(check(&r, &a), READ);
    assert_int_equal(r.adu_bytes, 12);
}

static void expect_exception(struct adu a, uint8_t exception)
{
    struct re_request r;
    assert_int_equal(check(&r, &a), EXC);
    assert_int_equal(r.exception, exception);
    assert_int_equal(r.adu_bytes, a.n);
}

/* A legal read is reported with its unit, function, address and quantity. */
static void frame_legal_read_is_decoded(void **state)
{
    struct adu a = request(1, 4, 200, 34);
    struct re_request r;
    (void)state;
    assert_int_equal(check(&r, &a), READ);
    assert_int_equal(r.adu_bytes, 12);
    assert_int_equal(r.unit, 1);
    assert_int_equal(r.function, 4);
    assert_int_equal(r.address, 200);
    assert_int_equal(r.quantity, 34);
    assert_int_equal(r.exception, RE_EXC_NONE);
}

/* M1-M3, M16: a frame that is not complete asks for more at every length, and is untouched by it. */
static void frame_incomplete_asks_for_more(void **state)
{
    struct adu a = request(1, 3, 1000, 125);
    struct re_request r;
    (void)state;
    for (size_t n = 0; n < a.n; n++)
        assert_int_equal(re_frame_check(&r, a.b, n, 1), MORE);
    assert_int_equal(re_frame_check(&r, a.b, a.n, 1), READ);
}

/* M4-M6: a protocol id other than 0 closes as soon as its first wrong byte is here. */
static void frame_wrong_protocol_is_closed(void **state)
{
    static const uint16_t protocols[] = {0x0001, 0x0002, 0x0080, 0x0100, 0x8000, 0x1234, 0xFFFF};
    const uint8_t pdu[] = {3, 0, 200, 0, 34};
    struct re_request r;
    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(protocols); i++) {
        struct adu a = frame(protocols[i], 6, 1, pdu, sizeof pdu);
        expect_close(a);
        assert_int_equal(re_frame_check(&r, a.b, protocols[i] >> 8 ? 3 : 4, 1), CLOSE);
    }
}

/* M7, M8, M10, M11: a length outside 2..254 closes before anything else of the frame is awaited. */
static void frame_impossible_length_is_closed(void **state)
{
    static const uint16_t lengths[] = {0, 1, 255, 256, 65535};
    const uint8_t pdu[] = {3, 0, 200, 0, 34};
    struct re_request r;
    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(lengths); i++) {
        struct adu a = frame(0, lengths[i], 1, pdu, sizeof pdu);
        expect_close(a);
        assert_int_equal(re_frame_check(&r, a.b, 6, 1), CLOSE);
        assert_int_equal(re_frame_check(&r, a.b, 5, 1), MORE);
    }
}

/* M9, M12, M13: a read whose length is not exactly 6 closes, whatever its unit, quantity and address. */
static void frame_read_of_wrong_length_is_closed(void **state)
{
    static const uint16_t lengths[] = {2, 5, 7, 20, 254};
    const uint8_t pdu[253] = {3, 0, 200, 0, 34};
    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(lengths); i++) {
        expect_close(frame(0, lengths[i], 1, pdu, lengths[i] - 1u));
        expect_close(frame(0, lengths[i], 77, pdu, lengths[i] - 1u));
        expect_close(frame(0, lengths[i], 1, pdu, 1));
    }
}

/* M14: a read of length 20 that hides a write in its tail is closed, so the tail is never looked at. */
static void frame_hidden_write_in_tail_is_closed(void **state)
{
    const uint8_t pdu[19] = {3, 0, 200, 0, 1, 0x12, 0x35, 0, 0, 0, 6, 1, 6, 0, 200, 0, 99};
    (void)state;
    expect_close(frame(0, 20, 1, pdu, sizeof pdu));
}

/* The same write hidden in the tail of a function that is not served is skipped with its frame. */
static void frame_hidden_write_in_unserved_function_is_skipped(void **state)
{
    const uint8_t pdu[19] = {16, 0, 200, 0, 1, 0x12, 0x35, 0, 0, 0, 6, 1, 6, 0, 200, 0, 99};
    (void)state;
    expect_exception(frame(0, 20, 1, pdu, sizeof pdu), RE_EXC_FUNCTION);
}

/* M15: of two frames in one segment the first takes 12 bytes and leaves the second whole. */
static void frame_two_in_one_segment_are_separated(void **state)
{
    struct adu a = request(1, 3, 200, 34), b = request(1, 3, 1000, 125);
    struct re_request r;
    (void)state;
    memcpy(a.b + a.n, b.b, b.n);
    a.n += b.n;
    assert_int_equal(check(&r, &a), READ);
    assert_int_equal(r.address, 200);
    assert_int_equal(re_frame_check(&r, a.b + r.adu_bytes, a.n - r.adu_bytes, 1), READ);
    assert_int_equal(r.address, 1000);
}

/* M18: unit 255 is unit 1; 0 and every unit without a relay get 0x0B. */
static void frame_unit_without_relay_gets_0b(void **state)
{
    static const uint8_t unknown[] = {0, 2, 77, 247, 248, 254};
    struct adu direct = request(255, 3, 200, 34);
    struct re_request r;
    (void)state;
    for (size_t i = 0; i < sizeof unknown; i++)
        expect_exception(request(unknown[i], 3, 200, 34), RE_EXC_TARGET);
    assert_int_equal(check(&r, &direct), READ);
    assert_int_equal(r.unit, 1);
}

/* With 247 relays every unit 1..247 is served, and no other. */
static void frame_full_station_serves_247_units(void **state)
{
    (void)state;
    for (unsigned unit = 0; unit < 256; unit++) {
        struct adu a = request((uint8_t)unit, 3, 0, 1);
        struct re_request r;
        bool known = (unit >= 1 && unit <= 247) || unit == 255;
        assert_int_equal(re_frame_check(&r, a.b, a.n, 247), known ? READ : EXC);
        if (known)
            assert_int_equal(r.unit, unit == 255 ? 1 : unit);
        else
            assert_int_equal(r.exception, RE_EXC_TARGET);
    }
}

/* M19, M20: quantity 1..125 is read, every other gets 03. */
static void frame_quantity_out_of_range_gets_03(void **state)
{
    static const uint16_t bad[] = {0, 126, 127, 0x7D01, 0x8001, 65535};
    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(bad); i++) {
        expect_exception(request(1, 3, 1000, bad[i]), RE_EXC_VALUE);
        expect_exception(request(1, 4, 1000, bad[i]), RE_EXC_VALUE);
    }
    expect_read(request(1, 3, 1000, 125));
    expect_read(request(1, 4, 1000, 1));
}

/* M21, M24: every function but 03 and 04 gets 01, coils of any quantity among them. */
static void frame_function_not_served_gets_01(void **state)
{
    (void)state;
    expect_exception(request(1, 1, 0, 2000), RE_EXC_FUNCTION);
    expect_exception(request(1, 1, 0, 2001), RE_EXC_FUNCTION);
    for (unsigned function = 0; function < 256; function++) {
        uint8_t pdu[253] = {(uint8_t)function};
        if (function == 3 || function == 4)
            continue;
        expect_exception(frame(0, 2, 1, pdu, 1), RE_EXC_FUNCTION);
        expect_exception(frame(0, 6, 1, pdu, 5), RE_EXC_FUNCTION);
        expect_exception(frame(0, 254, 1, pdu, 253), RE_EXC_FUNCTION);
    }
}

/* M25-M28: writes with wrong byte counts or cut short get 01 like every write. */
static void frame_malformed_write_gets_01(void **state)
{
    const uint8_t fc15[] = {15, 0, 0, 0, 16, 1, 0xFF};
    const uint8_t fc16[] = {16, 0, 200, 0, 1, 3, 0, 1, 2};
    const uint8_t fc23[] = {23, 0, 200, 0, 1, 0xFF, 0xFF, 0, 1, 2, 0, 0};
    const uint8_t fc22[] = {22, 0, 200, 0, 1};
    (void)state;
    expect_exception(frame(0, sizeof fc15 + 1, 1, fc15, sizeof fc15), RE_EXC_FUNCTION);
    expect_exception(frame(0, sizeof fc16 + 1, 1, fc16, sizeof fc16), RE_EXC_FUNCTION);
    expect_exception(frame(0, sizeof fc23 + 1, 1, fc23, sizeof fc23), RE_EXC_FUNCTION);
    expect_exception(frame(0, sizeof fc22 + 1, 1, fc22, sizeof fc22), RE_EXC_FUNCTION);
}

/* M22, M23: a range with an address outside the map gets 02; the last range that fits is read. */
static void frame_address_outside_map_gets_02(void **state)
{
    static const uint16_t good[][2] = {{0, 73}, {72, 1}, {200, 34}, {233, 1}, {1000, 125}, {2000, 125},
        {2003, 125}, {2000 + 128 * 60 - 125, 125}, {12000, 2}, {12001, 2}, {12000, 125}, {13025, 1},
        {12901, 125}};
    static const uint16_t bad[][2] = {{65535, 1}, {65535, 2}, {0, 74}, {73, 1}, {199, 1}, {199, 2}, {200, 35},
        {234, 1}, {999, 1}, {999, 125}, {1001, 125}, {1125, 1}, {1999, 2}, {9679, 2}, {9680, 1}, {11999, 1},
        {13025, 2}, {13026, 1}, {40000, 1}, {40000, 2}, {65411, 125}};
    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(good); i++)
        expect_read(request(1, 3, good[i][0], good[i][1]));
    for (size_t i = 0; i < SG_ARRAY_LEN(bad); i++)
        expect_exception(request(1, 3, bad[i][0], bad[i][1]), RE_EXC_ADDRESS);
}

/* Where several things are wrong the first in the order unit, function, quantity, address is named. */
static void frame_several_faults_name_the_first(void **state)
{
    (void)state;
    expect_exception(request(9, 6, 60000, 0), RE_EXC_TARGET);
    expect_exception(request(1, 6, 60000, 0), RE_EXC_FUNCTION);
    expect_exception(request(1, 3, 60000, 0), RE_EXC_VALUE);
    expect_exception(request(1, 3, 60000, 1), RE_EXC_ADDRESS);
}

/* An exception answer echoes transaction, unit and function, and is 9 bytes of length 3. */
static void frame_exception_answer_echoes_the_request(void **state)
{
    struct adu a = request(77, 3, 200, 34);
    const uint8_t want[] = {0x12, 0x34, 0, 0, 0, 3, 77, 0x83, 0x0B};
    uint8_t out[RE_EXCEPTION_BYTES];
    (void)state;
    re_frame_exception(out, a.b, RE_EXC_TARGET);
    assert_memory_equal(out, want, sizeof want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_legal_read_is_decoded),
        cmocka_unit_test(frame_incomplete_asks_for_more),
        cmocka_unit_test(frame_wrong_protocol_is_closed),
        cmocka_unit_test(frame_impossible_length_is_closed),
        cmocka_unit_test(frame_read_of_wrong_length_is_closed),
        cmocka_unit_test(frame_hidden_write_in_tail_is_closed),
        cmocka_unit_test(frame_hidden_write_in_unserved_function_is_skipped),
        cmocka_unit_test(frame_two_in_one_segment_are_separated),
        cmocka_unit_test(frame_unit_without_relay_gets_0b),
        cmocka_unit_test(frame_full_station_serves_247_units),
        cmocka_unit_test(frame_quantity_out_of_range_gets_03),
        cmocka_unit_test(frame_function_not_served_gets_01),
        cmocka_unit_test(frame_malformed_write_gets_01),
        cmocka_unit_test(frame_address_outside_map_gets_02),
        cmocka_unit_test(frame_several_faults_name_the_first),
        cmocka_unit_test(frame_exception_answer_echoes_the_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
