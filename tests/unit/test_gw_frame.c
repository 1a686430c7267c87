/* The strict check of answers: every byte of an answer is accounted for by its request. */
#include "gateway/core/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct gw_request two = {.tid = 0x1234, .unit = 7, .address = 200, .quantity = 2};

/* A request is MBAP and PDU, high bytes first. */
static void request_encode_gives_the_adu(void **state)
{
    static const uint8_t want[GW_REQUEST_BYTES] = {0x12, 0x34, 0, 0, 0, 6, 7, 3, 0, 200, 0, 2};
    uint8_t adu[GW_REQUEST_BYTES];

    (void)state;
    gw_request_encode(adu, &two);
    assert_memory_equal(adu, want, sizeof want);
}

struct answer_case {
    const char *name;
    size_t len;
    uint8_t adu[16];
    int err;
    enum gw_frame_fault fault;
    uint8_t exception;
};

/* M30-M37: what does not answer this very request is refused with the rule that it breaks; exceptions that the standard
 * defines are told with their code. */
static const struct answer_case cases[] = {
    {"good", 13, {0x12, 0x34, 0, 0, 0, 7, 7, 3, 4, 1, 2, 3, 4}, 0, GW_FRAME_NONE, 0},
    {"nothing", 0, {0}, SG_EMALFORMED, GW_FRAME_SHORT, 0},
    {"MBAP alone", 8, {0x12, 0x34, 0, 0, 0, 2, 7, 3}, SG_EMALFORMED, GW_FRAME_SHORT, 0},
    {"M30 wrong id", 13, {0x43, 0x21, 0, 0, 0, 7, 7, 3, 4, 1, 2, 3, 4}, SG_EMALFORMED, GW_FRAME_TID, 0},
    {"M31 previous id", 13, {0x12, 0x33, 0, 0, 0, 7, 7, 3, 4, 1, 2, 3, 4}, SG_EMALFORMED, GW_FRAME_TID, 0},
    {"M32 more bytes", 14, {0x12, 0x34, 0, 0, 0, 7, 7, 3, 4, 1, 2, 3, 4, 9}, SG_EMALFORMED, GW_FRAME_LENGTH,
        0},
    {"M33 code 0", 9, {0x12, 0x34, 0, 0, 0, 3, 7, 0x83, 0}, SG_EMALFORMED, GW_FRAME_EXCEPTION_CODE, 0},
    {"M33 code 2", 9, {0x12, 0x34, 0, 0, 0, 3, 7, 0x83, 2}, SG_EEXCEPTION, GW_FRAME_NONE, 2},
    {"M33 code 5", 9, {0x12, 0x34, 0, 0, 0, 3, 7, 0x83, 5}, SG_EEXCEPTION, GW_FRAME_NONE, 5},
    {"M33 code 9", 9, {0x12, 0x34, 0, 0, 0, 3, 7, 0x83, 9}, SG_EMALFORMED, GW_FRAME_EXCEPTION_CODE, 0},
    {"M33 code 11", 9, {0x12, 0x34, 0, 0, 0, 3, 7, 0x83, 11}, SG_EEXCEPTION, GW_FRAME_NONE, 11},
    {"M33 code 12", 9, {0x12, 0x34, 0, 0, 0, 3, 7, 0x83, 12}, SG_EMALFORMED, GW_FRAME_EXCEPTION_CODE, 0},
    {"M33 code 255", 9, {0x12, 0x34, 0, 0, 0, 3, 7, 0x83, 255}, SG_EMALFORMED, GW_FRAME_EXCEPTION_CODE, 0},
    {"exception with a tail", 10, {0x12, 0x34, 0, 0, 0, 4, 7, 0x83, 2, 0}, SG_EMALFORMED, GW_FRAME_SIZE, 0},
    {"M34 other exception", 9, {0x12, 0x34, 0, 0, 0, 3, 7, 0x84, 2}, SG_EMALFORMED, GW_FRAME_FUNCTION, 0},
    {"other function", 13, {0x12, 0x34, 0, 0, 0, 7, 7, 4, 4, 1, 2, 3, 4}, SG_EMALFORMED, GW_FRAME_FUNCTION,
        0},
    {"M35 byte count 0", 9, {0x12, 0x34, 0, 0, 0, 3, 7, 3, 0}, SG_EMALFORMED, GW_FRAME_BYTE_COUNT, 0},
    {"M35 odd", 12, {0x12, 0x34, 0, 0, 0, 6, 7, 3, 3, 1, 2, 3}, SG_EMALFORMED, GW_FRAME_BYTE_COUNT, 0},
    {"M35 255", 13, {0x12, 0x34, 0, 0, 0, 7, 7, 3, 255, 1, 2, 3, 4}, SG_EMALFORMED, GW_FRAME_BYTE_COUNT, 0},
    {"M36 one register", 11, {0x12, 0x34, 0, 0, 0, 5, 7, 3, 2, 1, 2}, SG_EMALFORMED, GW_FRAME_BYTE_COUNT, 0},
    {"count good, byte cut", 12, {0x12, 0x34, 0, 0, 0, 6, 7, 3, 4, 1, 2, 3}, SG_EMALFORMED, GW_FRAME_SIZE, 0},
    {"count good, byte more", 14, {0x12, 0x34, 0, 0, 0, 8, 7, 3, 4, 1, 2, 3, 4, 5}, SG_EMALFORMED,
        GW_FRAME_SIZE, 0},
    {"protocol 1", 13, {0x12, 0x34, 0, 1, 0, 7, 7, 3, 4, 1, 2, 3, 4}, SG_EMALFORMED, GW_FRAME_PROTOCOL, 0},
    {"protocol 0x0100", 13, {0x12, 0x34, 1, 0, 0, 7, 7, 3, 4, 1, 2, 3, 4}, SG_EMALFORMED, GW_FRAME_PROTOCOL,
        0},
    {"length short", 13, {0x12, 0x34, 0, 0, 0, 6, 7, 3, 4, 1, 2, 3, 4}, SG_EMALFORMED, GW_FRAME_LENGTH, 0},
    {"length long", 13, {0x12, 0x34, 0, 0, 0, 8, 7, 3, 4, 1, 2, 3, 4}, SG_EMALFORMED, GW_FRAME_LENGTH, 0},
    {"length huge", 13, {0x12, 0x34, 0, 0, 0xFF, 0xFF, 7, 3, 4, 1, 2, 3, 4}, SG_EMALFORMED, GW_FRAME_LENGTH,
        0},
    {"other unit", 13, {0x12, 0x34, 0, 0, 0, 7, 8, 3, 4, 1, 2, 3, 4}, SG_EMALFORMED, GW_FRAME_UNIT, 0},
};

/* Each answer of the table gets its verdict, and registers are written for the good one only. */
static void frame_check_gives_the_verdict_of_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(cases); i++) {
        const struct answer_case *c = &cases[i];
        uint16_t regs[2] = {0xAAAA, 0xBBBB};
        struct gw_frame_note note;
        int err = gw_frame_check(regs, &note, &two, c->adu, c->len);

        if (err != c->err || note.fault != c->fault || note.exception != c->exception)
            fail_msg("%s: %s, %s, exception %u", c->name, sg_err_code(err), gw_frame_fault_text(note.fault),
                note.exception);
        assert_int_equal(regs[0], err ? 0xAAAA : 0x0102);
        assert_int_equal(regs[1], err ? 0xBBBB : 0x0304);
    }
}

/* Each bit of the nine bytes that frame an answer matters: with one flipped it is refused. */
static void frame_check_single_bit_flip_is_refused(void **state)
{
    (void)state;
    for (size_t bit = 0; bit < 8 * 9; bit++) {
        uint8_t adu[13] = {0x12, 0x34, 0, 0, 0, 7, 7, 3, 4, 1, 2, 3, 4};
        struct gw_frame_note note;
        uint16_t regs[2];

        adu[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(gw_frame_check(regs, &note, &two, adu, sizeof adu), SG_EMALFORMED);
        assert_int_not_equal(note.fault, GW_FRAME_NONE);
    }
}

/* The largest answer, 125 registers in 259 bytes, is taken whole. */
static void frame_check_125_registers_are_taken(void **state)
{
    struct gw_request rq = {.tid = 1, .unit = 255, .address = 1000, .quantity = 125};
    uint8_t adu[9 + 250] = {0, 1, 0, 0, 0, 253, 255, 3, 250};
    struct gw_frame_note note;
    uint16_t regs[125];

    (void)state;
    for (unsigned i = 0; i < 125; i++)
        sg_put_be16(adu + 9 + 2 * i, (uint16_t)(i * 517));
    assert_int_equal(gw_frame_check(regs, &note, &rq, adu, sizeof adu), 0);
    for (unsigned i = 0; i < 125; i++)
        assert_int_equal(regs[i], (uint16_t)(i * 517));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_encode_gives_the_adu),
        cmocka_unit_test(frame_check_gives_the_verdict_of_the_table),
        cmocka_unit_test(frame_check_single_bit_flip_is_refused),
        cmocka_unit_test(frame_check_125_registers_are_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
