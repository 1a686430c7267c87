/* The register image: its constants, latches, minutes, and what it does when time jumps or stands still. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "relay-emulator/core/image.h"
#include "relay-emulator/core/signals.h"

/* 2025-11-24T16:00:00Z, second 0 of minute-of-hour 0. */
#define T0       INT64_C(1764000000000)
#define MINUTE_0 (T0 / SG_MINUTE_MS)
#define GOOD     0xA000 /* valid and simulated */
#define SECONDS  1000

static struct re_image *boot_at(sg_ms boot_ms)
{
    struct re_image *im = malloc(sizeof *im);
    const struct re_boot b = {
        .seed = 0x0123456789ABCDEF, .unit = 1, .boot_id = 0xCAFE0001, .boot_ms = boot_ms};
    assert_non_null(im);
    assert_int_equal(re_image_boot(im, &b), 0);
    return im;
}

/* Every latch from its due instant up to and including until_ms. */
static void run(struct re_image *im, sg_ms until_ms)
{
    while (re_image_next_ms(im) <= until_ms)
        assert_int_not_equal(re_image_tick(im, re_image_next_ms(im)), 0);
}

static uint32_t reg32(const struct re_image *im, int addr)
{
    return sg_reg_get32(im->regs + addr);
}

static uint16_t qual(const uint16_t *frame, int i)
{
    return frame[SG_FRAME_RECORDS + i * SG_REC20_REGS + SG_REC_QUAL];
}

static void expect_zeros(const uint16_t *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_int_equal(r[i], 0);
}

static const uint16_t *frame_of(const struct re_image *im)
{
    return im->regs + SG_FRAME_BASE;
}

static const uint16_t *slot_of(const struct re_image *im, sg_minute minute)
{
    return im->regs + SG_RING_BASE + SG_RING_STRIDE * (minute % SG_RING_MINUTES);
}

/* The constants of the header are those of the contract, text packed high byte first. */
static void image_boot_fills_header(void **state)
{
    static const uint16_t substation[] = {0x426F, 0x676F, 0x74C3, 0xA120, 0x456C};
    struct re_image *im = boot_at(T0 + 1234);
    const uint16_t *r = im->regs;
    (void)state;
    assert_int_equal(reg32(im, 0), 0x52454C59); /* RELY */
    const uint16_t sizes[] = {1, 6, 10, 60, 64, 0};
    assert_memory_equal(r + 2, sizes, sizeof sizes);
    assert_int_equal(reg32(im, 8), 0x01234567);
    assert_int_equal(reg32(im, 10), 0x89ABCDEF);
    assert_int_equal(reg32(im, 12), T0 / 1000 + 1);
    assert_int_equal(reg32(im, 14), 0xCAFE0001);
    assert_int_equal(r[16], 0x5265); /* Re */
    assert_int_equal(r[19], 0x3100); /* 1, NUL */
    expect_zeros(r + 20, 12);
    assert_memory_equal(r + 32, substation, sizeof substation);
    expect_zeros(r + 32 + 18, 14); /* 36 bytes of text */
    const uint16_t scaling[] = {0, 0xFFFD, 0xFFFD, 0xFFFD, 0, 0, 1, 0xC138, 60000};
    assert_memory_equal(r + 64, scaling, sizeof scaling);
    free(im);
}

/* Unit k is named Relay k; a hidden seed reads all ones. */
static void image_unit_and_hidden_seed_show_in_header(void **state)
{
    static const struct {
        uint8_t unit;
        const char *name;
    } cases[] = {{1, "Relay 1"}, {10, "Relay 10"}, {99, "Relay 99"}, {100, "Relay 100"}, {247, "Relay 247"}};
    char name[RE_DEVICE_SIZE];
    struct re_image *im = boot_at(T0);
    const struct re_boot b = {.seed = 5, .seed_hidden = true, .unit = 2, .boot_ms = T0};
    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(cases); i++) {
        re_image_device(name, cases[i].unit);
        assert_string_equal(name, cases[i].name);
    }
    assert_int_equal(re_image_boot(im, &b), 0);
    assert_int_equal(reg32(im, 8), 0xFFFFFFFF);
    assert_int_equal(reg32(im, 10), 0xFFFFFFFF);
    assert_int_equal(im->regs[19], 0x3200);
    free(im);
}

/* A unit or a boot time that the registers cannot hold is refused. */
static void image_boot_out_of_range_is_invalid(void **state)
{
    struct re_image *im = boot_at(T0);
    const struct re_boot bad[] = {{.unit = 0, .boot_ms = T0}, {.unit = 248, .boot_ms = T0},
        {.unit = 1, .boot_ms = -1}, {.unit = 1, .boot_ms = (sg_ms)UINT32_MAX * 1000 + 1000}};
    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(bad); i++)
        assert_int_equal(re_image_boot(im, &bad[i]), SG_EINVAL);
    free(im);
}

/* Before the first latch the live block shows no sample, and nothing is due until the next 10 s boundary. */
static void image_before_first_latch_has_no_sample(void **state)
{
    struct re_image *im = boot_at(T0 + 10001);
    (void)state;
    assert_int_equal(re_image_next_ms(im), T0 + 20000);
    assert_int_equal(re_image_tick(im, T0 + 19999), 0);
    assert_int_equal(reg32(im, SG_REG_SEQ), 0);
    assert_int_equal(reg32(im, SG_REG_SEQ2), 0);
    assert_int_equal(im->regs[SG_REG_TIME_Q], 0x8000);
    assert_int_equal(reg32(im, SG_REG_BOOT_ID2), 0xCAFE0001);
    assert_int_equal(im->regs[SG_REG_BRK], SG_BRK_CLOSED);
    expect_zeros(im->regs + SG_REG_REC20, SG_REC20_REGS);
    expect_zeros(frame_of(im), SG_FRAME_REGS);
    free(im);
}

/* A boot at the very instant of a latch takes that latch: it is not before the boot. */
static void image_boot_on_boundary_takes_that_latch(void **state)
{
    struct re_image *im = boot_at(T0);
    (void)state;
    assert_int_equal(re_image_next_ms(im), T0);
    assert_int_equal(re_image_tick(im, T0), RE_TICK_LATCH);
    assert_int_equal(reg32(im, SG_REG_SEQ), T0 / SG_PERIOD_MS);
    free(im);
}

/* A latch replaces the whole live block: sequence, instant, and the sample of that index. */
static void image_latch_fills_live_block(void **state)
{
    struct re_image *im = boot_at(T0 + 1);
    uint32_t index = (uint32_t)(T0 / SG_PERIOD_MS) + 3;
    const uint16_t *rec = im->regs + SG_REG_REC20;
    struct re_sample s;
    (void)state;
    run(im, T0 + 30000);
    re_signals_sample(&s, im->seed, 1, index);
    assert_int_equal(reg32(im, SG_REG_SEQ), index);
    assert_int_equal(reg32(im, SG_REG_SEQ2), index);
    assert_int_equal(reg32(im, SG_REG_UTC_S), T0 / 1000 + 30);
    assert_int_equal(im->regs[SG_REG_UTC_MS], 0);
    assert_int_equal(im->regs[SG_REG_TIME_Q], 0x8000);
    assert_int_equal(rec[SG_REC_T_OFF], 30000);
    assert_int_equal(rec[SG_REC_QUAL], GOOD);
    const int at[] = {2, 4, 6, 8, 10, 12, -14, -15, 16, 18}; /* negative: one register */
    for (int v = 0; v < SG_POINTS; v++)
        assert_int_equal(at[v] > 0 ? sg_reg_get32(rec + at[v]) : rec[-at[v]], s.x[v]);
    assert_int_equal(re_image_tick(im, T0 + 30000), 0);
    assert_int_equal(re_image_tick(im, T0 + 39999), 0);
    free(im);
}

/* OPEN_MIN grows over the minute to the total that FRAME then shows; OPEN_CUM never starts again. */
static void image_openings_add_up(void **state)
{
    struct re_image *im = boot_at(T0 - 5000);
    uint32_t cum = 0, total = 0, index = (uint32_t)(T0 / SG_PERIOD_MS);
    (void)state;
    for (uint32_t i = 0; i < 5 * SG_SAMPLES_A_MIN; i++) {
        if (i % SG_SAMPLES_A_MIN == 0)
            total = 0;
        run(im, T0 + i * SG_PERIOD_MS);
        uint16_t here = re_signals_openings(im->seed, 1, index + i);
        total += here;
        cum += here;
        assert_int_equal(im->regs[SG_REG_OPEN_MIN], total);
        assert_int_equal(reg32(im, SG_REG_OPEN_CUM), cum);
    }
    assert_int_not_equal(cum, total);
    run(im, T0 + 5 * SG_MINUTE_MS);
    assert_int_equal(frame_of(im)[SG_REG_FRAME_OPENINGS], total);
    free(im);
}

/* The latch at second 0 publishes FRAME and the RING slot of the minute that ended, with a CRC over its bytes. */
static void image_minute_end_publishes_frame_and_ring(void **state)
{
    struct re_image *im = boot_at(T0 - 5000);
    (void)state;
    run(im, T0 + 50000);
    const uint16_t *slot = slot_of(im, MINUTE_0);
    expect_zeros(slot, SG_RING_STRIDE);
    assert_int_equal(re_image_tick(im, T0 + SG_MINUTE_MS), RE_TICK_LATCH | RE_TICK_MINUTE);
    const uint16_t *frame = frame_of(im);
    assert_int_equal(sg_reg_get32(frame), MINUTE_0);
    assert_int_equal(sg_reg_get32(frame + 2), T0 / 1000);
    for (int i = 0; i < SG_SAMPLES_A_MIN; i++) {
        assert_int_equal(qual(frame, i), GOOD);
        assert_int_equal(frame[SG_FRAME_RECORDS + i * SG_REC20_REGS], i * SG_PERIOD_MS);
    }
    assert_memory_equal(slot, frame, SG_FRAME_REGS * sizeof *frame);
    assert_int_equal(slot[SG_RING_STATUS], 1);
    assert_int_equal(sg_reg_get32(slot + SG_RING_CRC), sg_reg_crc32(frame, SG_FRAME_REGS));
    free(im);
}

/* The CRC is the common CRC-32, as zlib computes it over the bytes in the order in which they are sent. */
static void image_crc_is_ieee(void **state)
{
    const uint16_t rely[] = {0x5245, 0x4C59};
    const uint16_t zeros[SG_FRAME_REGS] = {0};
    (void)state;
    assert_int_equal(sg_reg_crc32(rely, 2), 0x786ABE47);
    assert_int_equal(sg_reg_crc32(zeros, SG_FRAME_REGS), 0x0B9A04C3);
}

/* The minute of the boot is published with the samples after the boot; those before are missing. */
static void image_boot_inside_minute_leaves_earlier_samples_missing(void **state)
{
    struct re_image *im = boot_at(T0 + 23456);
    uint32_t openings = 0;
    (void)state;
    run(im, T0 + SG_MINUTE_MS);
    for (int i = 0; i < SG_SAMPLES_A_MIN; i++)
        assert_int_equal(qual(frame_of(im), i), i < 3 ? 0 : GOOD);
    expect_zeros(frame_of(im) + SG_FRAME_RECORDS, 3 * SG_REC20_REGS);
    for (uint32_t i = 3; i < SG_SAMPLES_A_MIN; i++)
        openings += re_signals_openings(im->seed, 1, (uint32_t)(T0 / SG_PERIOD_MS) + i);
    assert_int_equal(frame_of(im)[SG_REG_FRAME_OPENINGS], openings);
    assert_int_equal(slot_of(im, MINUTE_0)[SG_RING_STATUS], 1);
    assert_int_equal(slot_of(im, MINUTE_0 - 1)[SG_RING_STATUS], 0);
    free(im);
}

/* A boot after the last latch of a minute leaves that minute without samples: FRAME says so, its slot is missing. */
static void image_boot_after_last_latch_publishes_empty_minute(void **state)
{
    struct re_image *im = boot_at(T0 + 50001);
    (void)state;
    run(im, T0 + SG_MINUTE_MS);
    assert_int_equal(sg_reg_get32(frame_of(im)), MINUTE_0);
    assert_int_equal(sg_reg_get32(frame_of(im) + 2), T0 / 1000);
    expect_zeros(frame_of(im) + 4, SG_FRAME_REGS - 4);
    expect_zeros(slot_of(im, MINUTE_0), SG_RING_STRIDE);
    free(im);
}

/* RING keeps the last 60 minutes: after two hours each slot holds the newest minute of its number. */
static void image_ring_keeps_the_last_hour(void **state)
{
    struct re_image *im = boot_at(T0 - 5000);
    (void)state;
    run(im, T0 + 125 * SG_MINUTE_MS);
    for (sg_minute m = MINUTE_0 + 65; m < MINUTE_0 + 125; m++) {
        assert_int_equal(sg_reg_get32(slot_of(im, m)), m);
        assert_int_equal(
            sg_reg_get32(slot_of(im, m) + SG_RING_CRC), sg_reg_crc32(slot_of(im, m), SG_FRAME_REGS));
    }
    free(im);
}

/* A latch up to half a period late is taken; later it is missing, and the live block keeps the last one. */
static void image_late_latch_is_missing(void **state)
{
    struct re_image *im = boot_at(T0 - 5000);
    uint32_t index = (uint32_t)(T0 / SG_PERIOD_MS);
    (void)state;
    run(im, T0);
    assert_int_equal(re_image_tick(im, T0 + 10000 + RE_LATE_MS), RE_TICK_LATCH);
    assert_int_equal(reg32(im, SG_REG_SEQ), index + 1);
    assert_int_equal(re_image_tick(im, T0 + 20000 + RE_LATE_MS + 1), 0);
    assert_int_equal(reg32(im, SG_REG_SEQ), index + 1);
    run(im, T0 + SG_MINUTE_MS);
    for (int i = 0; i < SG_SAMPLES_A_MIN; i++)
        assert_int_equal(qual(frame_of(im), i), i == 2 ? 0 : GOOD);
    free(im);
}

/* Stopped for 25 s: the latches slept through are missing and their openings uncounted; nothing is made up. */
static void image_frozen_over_latches_leaves_them_missing(void **state)
{
    struct re_image *im = boot_at(T0 - 5000);
    uint32_t want = 0, index = (uint32_t)(T0 / SG_PERIOD_MS);
    (void)state;
    run(im, T0 + 10000);
    assert_int_equal(re_image_tick(im, T0 + 41000), RE_TICK_LATCH);
    run(im, T0 + SG_MINUTE_MS);
    for (int i = 0; i < SG_SAMPLES_A_MIN; i++) {
        bool missed = i == 2 || i == 3;
        assert_int_equal(qual(frame_of(im), i), missed ? 0 : GOOD);
        want += missed ? 0u : re_signals_openings(im->seed, 1, index + (uint32_t)i);
    }
    assert_int_equal(frame_of(im)[SG_REG_FRAME_OPENINGS], want);
    free(im);
}

/* Stopped for ten minutes: the minute that ran is published as it was, minutes unseen are empty in FRAME and missing
 * in RING, where they replace the minutes of an hour ago. */
static void image_frozen_over_minutes_empties_their_slots(void **state)
{
    struct re_image *im = boot_at(T0 - 5000);
    (void)state;
    run(im, T0 + 60 * SG_MINUTE_MS + 20000); /* three samples into minute 60 */
    assert_int_equal(re_image_tick(im, T0 + 70 * SG_MINUTE_MS + 2000), RE_TICK_LATCH | RE_TICK_MINUTE);
    const uint16_t *slot = slot_of(im, MINUTE_0 + 60);
    assert_int_equal(sg_reg_get32(slot), MINUTE_0 + 60);
    for (int i = 0; i < SG_SAMPLES_A_MIN; i++)
        assert_int_equal(qual(slot, i), i < 3 ? GOOD : 0);
    for (sg_minute m = 61; m < 70; m++)
        expect_zeros(slot_of(im, MINUTE_0 + m), SG_RING_STRIDE);
    assert_int_equal(sg_reg_get32(slot_of(im, MINUTE_0 + 59)), MINUTE_0 + 59);
    assert_int_equal(sg_reg_get32(frame_of(im)), MINUTE_0 + 69);
    expect_zeros(frame_of(im) + 4, SG_FRAME_REGS - 4);
    free(im);
}

/* A step of ten years costs no more than an hour: the ring is empty, the next latch is an ordinary one. */
static void image_step_of_years_empties_the_ring(void **state)
{
    struct re_image *im = boot_at(T0 - 5000);
    sg_ms later = T0 + INT64_C(10) * 365 * 86400 * SECONDS;
    (void)state;
    run(im, T0 + 10 * SG_MINUTE_MS);
    assert_int_equal(re_image_tick(im, later), RE_TICK_LATCH | RE_TICK_MINUTE);
    expect_zeros(im->regs + SG_RING_BASE, SG_RING_STRIDE * SG_RING_MINUTES);
    assert_int_equal(reg32(im, SG_REG_SEQ), later / SG_PERIOD_MS);
    free(im);
}

/* A clock that goes back rewrites nothing: SEQ stays, TIME_Q fails until the first latch after it has caught up. */
static void image_clock_back_shows_failure_until_caught_up(void **state)
{
    struct re_image *im = boot_at(T0 - 5000);
    struct re_image before;
    (void)state;
    run(im, T0 + 70000);
    before = *im;
    assert_int_equal(re_image_tick(im, T0 + 65000), 0);
    assert_int_equal(im->regs[SG_REG_TIME_Q], 0x9000);
    assert_int_equal(re_image_tick(im, T0 - 3600 * SECONDS), 0);
    before.regs[SG_REG_TIME_Q] = 0x9000;
    assert_memory_equal(&before, im, sizeof before);
    assert_int_equal(re_image_tick(im, T0 + 70000), 0);
    assert_int_equal(im->regs[SG_REG_TIME_Q], 0x9000);
    assert_int_equal(re_image_tick(im, T0 + 80000), RE_TICK_LATCH);
    assert_int_equal(im->regs[SG_REG_TIME_Q], 0x8000);
    free(im);
}

/* A time that the registers cannot hold is a clock failure, not a latch. */
static void image_time_beyond_registers_is_clock_failure(void **state)
{
    struct re_image *im = boot_at(T0 - 5000);
    (void)state;
    run(im, T0);
    uint32_t seq = reg32(im, SG_REG_SEQ);
    assert_int_equal(re_image_tick(im, (sg_ms)UINT32_MAX * 1000 + 10000), 0);
    assert_int_equal(im->regs[SG_REG_TIME_Q], 0x9000);
    assert_int_equal(re_image_tick(im, -1), 0);
    assert_int_equal(reg32(im, SG_REG_SEQ), seq);
    free(im);
}

/* Two relays with one seed that boot at different times serve the same bytes from their first full minute on. */
static void image_same_seed_other_boot_serves_same_minutes(void **state)
{
    struct re_image *a = boot_at(T0 - 3600 * SECONDS), *b = boot_at(T0 - 5000);
    (void)state;
    for (int i = 0; i < 30; i++) {
        run(a, T0 + i * SG_PERIOD_MS);
        run(b, T0 + i * SG_PERIOD_MS);
        a->regs[SG_REG_OPEN_CUM] = b->regs[SG_REG_OPEN_CUM];
        a->regs[SG_REG_OPEN_CUM + 1] = b->regs[SG_REG_OPEN_CUM + 1];
        assert_memory_equal(a->regs + SG_LIVE_BASE, b->regs + SG_LIVE_BASE, SG_LIVE_REGS * 2);
        if (i >= 2 * SG_SAMPLES_A_MIN)
            assert_memory_equal(frame_of(a), frame_of(b), SG_FRAME_REGS * 2);
    }
    for (sg_minute m = MINUTE_0; m < MINUTE_0 + 4; m++)
        assert_memory_equal(slot_of(a, m), slot_of(b, m), SG_RING_STRIDE * 2);
    free(a);
    free(b);
}

/* Exactly the listed addresses exist, and a range exists when all of it lies in one area. */
static void image_map_has_exactly_the_listed_addresses(void **state)
{
    struct re_image *im = boot_at(T0);
    (void)state;
    for (uint32_t addr = 0; addr < 65536; addr++) {
        bool listed = addr <= 72 || (addr >= 200 && addr <= 233) || (addr >= 1000 && addr <= 1124) ||
                      (addr >= 2000 && addr < 2000 + 128 * 60) || (addr >= 12000 && addr < 12002 + 16 * 64);
        assert_int_equal(re_image_has(addr, 1), listed);
        assert_ptr_equal(re_image_at(im, addr, 1), listed ? im->regs + addr : NULL);
    }
    assert_true(re_image_has(200, 34));
    assert_false(re_image_has(200, 35));
    assert_false(re_image_has(70, 125));
    assert_false(re_image_has(65535, 2));
    expect_zeros(im->regs + SG_EVT_LAST, 2 + 16 * 64);
    free(im);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(image_boot_fills_header),
        cmocka_unit_test(image_unit_and_hidden_seed_show_in_header),
        cmocka_unit_test(image_boot_out_of_range_is_invalid),
        cmocka_unit_test(image_before_first_latch_has_no_sample),
        cmocka_unit_test(image_boot_on_boundary_takes_that_latch),
        cmocka_unit_test(image_latch_fills_live_block),
        cmocka_unit_test(image_openings_add_up),
        cmocka_unit_test(image_minute_end_publishes_frame_and_ring),
        cmocka_unit_test(image_crc_is_ieee),
        cmocka_unit_test(image_boot_inside_minute_leaves_earlier_samples_missing),
        cmocka_unit_test(image_boot_after_last_latch_publishes_empty_minute),
        cmocka_unit_test(image_ring_keeps_the_last_hour),
        cmocka_unit_test(image_late_latch_is_missing),
        cmocka_unit_test(image_frozen_over_latches_leaves_them_missing),
        cmocka_unit_test(image_frozen_over_minutes_empties_their_slots),
        cmocka_unit_test(image_step_of_years_empties_the_ring),
        cmocka_unit_test(image_clock_back_shows_failure_until_caught_up),
        cmocka_unit_test(image_time_beyond_registers_is_clock_failure),
        cmocka_unit_test(image_same_seed_other_boot_serves_same_minutes),
        cmocka_unit_test(image_map_has_exactly_the_listed_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
