/* The relay's text file, byte for byte as SPEC section 3 prints it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "relay-emulator/core/textlayout.h"
#include "sg_regmap.h"

/* 2021-09-28 07:01 at -05:00 */
#define MINUTE 27213841
#define BOGOTA (-300)

static void put_point(uint16_t *rec, unsigned offset, uint32_t v)
{
    sg_reg_put32(rec + offset, v);
}

/* The sample that SPEC section 3 prints. */
static void put_golden_record(uint16_t *rec)
{
    rec[SG_REC_QUAL] = (uint16_t)SG_QUAL_VALID;
    put_point(rec, SG_REC_VAB, 115314);
    put_point(rec, SG_REC_VBC, 116048);
    put_point(rec, SG_REC_VCA, 116293);
    put_point(rec, SG_REC_IA, 26082);
    put_point(rec, SG_REC_IB, 30831);
    put_point(rec, SG_REC_IC, 45186);
    rec[SG_REC_F] = 60158;
    rec[SG_REC_PF] = 979;
    put_point(rec, SG_REC_P, 236887);
    put_point(rec, SG_REC_Q, 57743);
}

static void golden_frame(uint16_t *frame)
{
    memset(frame, 0, SG_FRAME_REGS * sizeof *frame);
    sg_reg_put32(frame + SG_REG_FRAME_MINUTE, MINUTE);
    sg_reg_put32(frame + SG_REG_FRAME_UTC_S, MINUTE * 60u);
    frame[SG_REG_FRAME_OPENINGS] = 22;
    put_golden_record(frame + SG_FRAME_RECORDS);
}

static void expect_text(const uint16_t *frame, int offset_min, const char *want)
{
    struct sg_buf b;
    sg_buf_init(&b, 4096);
    re_textlayout_put(&b, frame, "Relay 1", "Bogot\xC3\xA1 Electrical Substation - U.D.", offset_min);
    assert_int_equal(sg_buf_err(&b), 0);
    assert_int_equal(b.len, strlen(want));
    assert_memory_equal(b.p, want, b.len);
    sg_buf_fini(&b);
}

/* The file of the contract's example comes out byte for byte, with one newline at the end. */
static void textlayout_example_minute_gives_example_file(void **state)
{
    uint16_t frame[SG_FRAME_REGS];
    (void)state;
    golden_frame(frame);
    expect_text(frame, BOGOTA,
        "28 09 2021 07 01\nRelay 1\nBogot\xC3\xA1 Electrical Substation - U.D.\n\nOpenings caused by faults: "
        "22.0\n\n"
        "Time Stamp;28 09 2021 07 01 00;Vab;115.314;Vbc;116.048;Vca;116.293;Ia;26.082;Ib;30.831;Ic;45.186;"
        "F;60.158;FP;0.979;P;236.887;Q;57.743\n");
}

/* A missing sample has no line, a later one keeps its second; another zone moves the stamps, midnight included. */
static void textlayout_missing_sample_has_no_line(void **state)
{
    uint16_t frame[SG_FRAME_REGS];
    uint16_t *rec = frame + SG_FRAME_RECORDS + 5 * SG_REC20_REGS;
    (void)state;
    golden_frame(frame);
    memset(frame + SG_FRAME_RECORDS, 0, SG_REC20_REGS * sizeof *frame);
    put_golden_record(rec);
    rec[SG_REC_T_OFF] = 50000;
    rec[SG_REC_PF] = (uint16_t)-5;
    put_point(rec, SG_REC_P, (uint32_t)-236000);
    expect_text(frame, 14 * 60,
        "29 09 2021 02 01\nRelay 1\nBogot\xC3\xA1 Electrical Substation - U.D.\n\nOpenings caused by faults: "
        "22.0\n\n"
        "Time Stamp;29 09 2021 02 01 50;Vab;115.314;Vbc;116.048;Vca;116.293;Ia;26.082;Ib;30.831;Ic;45.186;"
        "F;60.158;FP;-0.005;P;-236.0;Q;57.743\n");
}

/* A minute without any sample is its head alone. */
static void textlayout_empty_minute_is_its_head(void **state)
{
    uint16_t frame[SG_FRAME_REGS] = {0};
    (void)state;
    sg_reg_put32(frame + SG_REG_FRAME_MINUTE, MINUTE);
    expect_text(frame, 0,
        "28 09 2021 12 01\nRelay 1\nBogot\xC3\xA1 Electrical Substation - U.D.\n\nOpenings caused by faults: "
        "0.0\n\n");
}

/* Thousandths: zeros trimmed to one decimal at least, the sign before the number, every extreme. */
static void textlayout_thousandths_are_trimmed(void **state)
{
    static const struct {
        int64_t count;
        const char *text;
    } cases[] = {{0, "0.0"}, {1, "0.001"}, {10, "0.01"}, {100, "0.1"}, {110690, "110.69"}, {22000, "22.0"},
        {-5, "-0.005"}, {-1000, "-1.0"}, {1001, "1.001"}, {4294967295, "4294967.295"},
        {INT32_MIN, "-2147483.648"}, {INT64_MIN, "-9223372036854775.808"}};
    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(cases); i++) {
        struct sg_buf b;
        sg_buf_init(&b, 64);
        re_textlayout_put_milli(&b, cases[i].count);
        assert_int_equal(b.len, strlen(cases[i].text));
        assert_memory_equal(b.p, cases[i].text, b.len);
        sg_buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(textlayout_example_minute_gives_example_file),
        cmocka_unit_test(textlayout_missing_sample_has_no_line),
        cmocka_unit_test(textlayout_empty_minute_is_its_head),
        cmocka_unit_test(textlayout_thousandths_are_trimmed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
