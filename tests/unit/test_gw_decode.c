/* From registers to meaning, on the registers of an emulated relay and on the same ones spoilt. */
#include "gateway/core/decode.h"
#include "relay-emulator/core/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE INT64_C(29400000)
#define T0     (MINUTE * SG_MINUTE_MS)

/* A relay that has run from T0 for a whole minute and one latch. */
static int setup(void **state)
{
    struct re_image *im = malloc(sizeof *im);
    struct re_boot boot = {.seed = 42, .unit = 1, .boot_id = 77, .boot_ms = T0};

    assert_non_null(im);
    assert_int_equal(re_image_boot(im, &boot), 0);
    for (int i = 0; i <= 6; i++)
        assert_true(re_image_tick(im, T0 + i * SG_PERIOD_MS + 3) & RE_TICK_LATCH);
    *state = im;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static uint16_t *at(void **state, unsigned address)
{
    struct re_image *im = *state;

    return &im->regs[address];
}

static struct lg_relay relay_1(void)
{
    struct lg_relay r = {.id = "relay-1", .device = "Relay 1", .period_s = 10, .profile = lg_profile_paper()};

    strcpy(r.substation, "Bogot\xC3\xA1 Electrical Substation - U.D.");
    return r;
}

/* The header of the emulated relay is the genesis's relay, with its boot. */
static void header_of_emulated_relay_fits_genesis(void **state)
{
    struct lg_relay relay = relay_1();
    struct gw_header h;

    assert_int_equal(gw_header_decode(&h, at(state, 0)), 0);
    assert_null(gw_header_difference(&h, &relay));
    assert_string_equal(h.device, "Relay 1");
    assert_int_equal(h.boot_utc, T0 / 1000);
    assert_int_equal(h.boot_id, 77);
    assert_int_equal(h.seed, 42);
    assert_int_equal(h.f_exp, -3);
    assert_int_equal(h.v_nom, 115000);
    assert_int_equal(h.f_nom, 60000);
}

/* M43 wrong MAGIC, and whatever else the map fixes: no relay of this map. */
static void header_of_another_map_is_refused(void **state)
{
    static const struct {
        unsigned address;
        uint16_t value;
    } cases[] = {
        {SG_REG_MAGIC, 0}, {SG_REG_MAGIC + 1, 0x4C5A}, {SG_REG_MAP_VER, 2}, {SG_REG_MAP_VER, 0xFFFF},
        {SG_REG_PER_MIN, 5}, {SG_REG_PERIOD_S, 0}, {SG_REG_RING_MIN, 0x8000}, {SG_REG_EVT_RING, 0},
        {SG_REG_DEVICE, 0},          /* empty, bytes after the NUL */
        {SG_REG_DEVICE, 0x0AFF},     /* control character, no UTF-8 */
        {SG_REG_DEVICE + 15, 0x41},  /* a byte behind the padding */
        {SG_REG_SUBSTATION, 0xFFFF}, /* no UTF-8 */
    };

    for (size_t i = 0; i < SG_ARRAY_LEN(cases); i++) {
        uint16_t regs[SG_HEADER_REGS];
        struct gw_header h;

        memcpy(regs, at(state, 0), sizeof regs);
        regs[cases[i].address] = cases[i].value;
        if (gw_header_decode(&h, regs) != SG_EIDENTITY)
            fail_msg("case %zu was not refused", i);
    }
}

/* M43 another DEVICE: the difference is named, and so is one of scaling. */
static void header_difference_is_named(void **state)
{
    static const struct {
        unsigned address;
        uint16_t value;
        const char *want;
    } cases[] = {
        {SG_REG_DEVICE + 3, 0x3200, "DEVICE"}, /* Relay 2 */
        {SG_REG_SUBSTATION, 0x4241, "SUBSTATION"},
        {SG_REG_V_EXP, 1, "an exponent"},
        {SG_REG_Q_EXP, 0xFFFF, "an exponent"},
    };
    struct lg_relay relay = relay_1();

    for (size_t i = 0; i < SG_ARRAY_LEN(cases); i++) {
        uint16_t regs[SG_HEADER_REGS];
        struct gw_header h;

        memcpy(regs, at(state, 0), sizeof regs);
        regs[cases[i].address] = cases[i].value;
        assert_int_equal(gw_header_decode(&h, regs), 0);
        assert_non_null(gw_header_difference(&h, &relay));
        assert_string_equal(gw_header_difference(&h, &relay), cases[i].want);
    }
    relay.period_s = 20;
    struct gw_header h;
    assert_int_equal(gw_header_decode(&h, at(state, 0)), 0);
    assert_string_equal(gw_header_difference(&h, &relay), "PERIOD_S");
}

/* The live block of the emulated relay is the latch of its instant. */
static void latch_of_emulated_relay_is_decoded(void **state)
{
    struct gw_latch l;

    assert_int_equal(gw_latch_decode(&l, at(state, SG_LIVE_BASE)), 0);
    assert_true(l.has_sample);
    assert_int_equal(l.seq, MINUTE * 6 + 6);
    assert_int_equal(l.utc_s, T0 / 1000 + 60);
    assert_int_equal(l.boot_id, 77);
    assert_memory_equal(l.rec, at(state, SG_REG_REC20), sizeof l.rec);
}

/* Before the first latch of a boot there is no sample, and that is no fault. */
static void latch_before_the_first_has_no_sample(void **state)
{
    struct re_boot boot = {.seed = 42, .unit = 1, .boot_id = 78, .boot_ms = T0 + 1};
    struct gw_latch l;

    assert_int_equal(re_image_boot(*state, &boot), 0);
    assert_int_equal(gw_latch_decode(&l, at(state, SG_LIVE_BASE)), 0);
    assert_false(l.has_sample);
    assert_int_equal(l.seq, 0);
    assert_int_equal(l.boot_id, 78);
}

/* M43 SEQ != SEQ2, instants and records that do not belong together, a power factor beyond one: malformed. */
static void latch_that_contradicts_itself_is_malformed(void **state)
{
    static const struct {
        unsigned address;
        uint16_t value;
    } cases[] = {
        {SG_REG_SEQ2 + 1, 0},
        {SG_REG_SEQ2, 0xFFFF},
        {SG_REG_SEQ, 0x8000},
        {SG_REG_UTC_S, 0x7FFF},
        {SG_REG_UTC_S + 1, 0},
        {SG_REG_UTC_MS, 1},
        {SG_REG_UTC_MS, 0xFFFF},
        {SG_REG_REC20 + SG_REC_T_OFF, 10000},
        {SG_REG_REC20 + SG_REC_T_OFF, 0xFFFF},
        {SG_REG_REC20 + SG_REC_QUAL, 0}, /* missing, but not zeros */
        {SG_REG_REC20 + SG_REC_PF, 0x7FFF},
        {SG_REG_REC20 + SG_REC_PF, 0x8000},
        {SG_REG_REC20 + SG_REC_PF, 1001},
    };

    for (size_t i = 0; i < SG_ARRAY_LEN(cases); i++) {
        uint16_t regs[SG_LIVE_REGS];
        struct gw_latch l;

        memcpy(regs, at(state, SG_LIVE_BASE), sizeof regs);
        regs[cases[i].address - SG_LIVE_BASE] = cases[i].value;
        if (gw_latch_decode(&l, regs) != SG_EMALFORMED)
            fail_msg("case %zu was not refused", i);
    }
}

/* Extreme values of measurements are the relay's word, sign and all: they are taken as they are. */
static void latch_extreme_values_are_taken(void **state)
{
    static const uint16_t values[] = {0, 0x7FFF, 0x8000, 0xFFFF};

    for (size_t i = 0; i < SG_ARRAY_LEN(values); i++) {
        uint16_t *rec = at(state, SG_REG_REC20);
        struct lg_sample s;
        struct gw_latch l;

        rec[SG_REC_VAB] = rec[SG_REC_VAB + 1] = values[i];
        rec[SG_REC_P] = rec[SG_REC_P + 1] = values[i];
        rec[SG_REC_F] = values[i];
        assert_int_equal(gw_latch_decode(&l, at(state, SG_LIVE_BASE)), 0);
        gw_sample_of_record(&s, l.rec, lg_profile_paper());
        assert_int_equal(s.x[0], (int64_t)values[i] << 16 | values[i]);
        assert_int_equal(s.x[8], (int32_t)((uint32_t)values[i] << 16 | values[i]));
        assert_int_equal(s.x[6], values[i]);
    }
}

/* FRAME of a whole minute holds six valid samples. */
static void frame_of_a_whole_minute_has_six_samples(void **state)
{
    struct gw_frame f;

    assert_int_equal(gw_frame_decode(&f, at(state, SG_FRAME_BASE)), 0);
    assert_int_equal(f.min, MINUTE);
    assert_int_equal(f.valid, 0x3F);
    assert_int_equal(f.openings, *at(state, SG_FRAME_BASE + SG_REG_FRAME_OPENINGS));
    assert_int_equal(f.rec[5][SG_REC_T_OFF], 50000);
}

/* Before the first end of a minute FRAME is all zeros: minute 0 without samples, no fault. */
static void frame_of_zeros_has_no_sample(void **state)
{
    static const uint16_t zeros[SG_FRAME_REGS];
    struct gw_frame f;

    (void)state;
    assert_int_equal(gw_frame_decode(&f, zeros), 0);
    assert_int_equal(f.min, 0);
    assert_int_equal(f.valid, 0);
}

/* M43 minute of FRAME that does not match: its start, or the place of a sample; a missing sample that is not zeros. */
static void frame_that_contradicts_itself_is_malformed(void **state)
{
    static const struct {
        unsigned offset;
        uint16_t value;
    } cases[] = {
        {SG_REG_FRAME_MINUTE, 0},
        {SG_REG_FRAME_MINUTE + 1, 0xFFFF},
        {SG_REG_FRAME_UTC_S + 1, 0},
        {SG_REG_FRAME_UTC_S, 0x8000},
        {SG_FRAME_RECORDS + SG_REC_T_OFF, 1},
        {SG_FRAME_RECORDS + 20 + SG_REC_T_OFF, 0},
        {SG_FRAME_RECORDS + 100 + SG_REC_T_OFF, 0xFFFF},
        {SG_FRAME_RECORDS + 40 + SG_REC_QUAL, 0},
        {SG_FRAME_RECORDS + 60 + SG_REC_PF, 0x8000},
    };

    for (size_t i = 0; i < SG_ARRAY_LEN(cases); i++) {
        uint16_t regs[SG_FRAME_REGS];
        struct gw_frame f;

        memcpy(regs, at(state, SG_FRAME_BASE), sizeof regs);
        regs[cases[i].offset] = cases[i].value;
        if (gw_frame_decode(&f, regs) != SG_EMALFORMED)
            fail_msg("case %zu was not refused", i);
    }
}

/* A sample whose quality lacks the valid bit is missing, whatever its values. */
static void frame_invalid_sample_is_missing(void **state)
{
    struct gw_frame f;

    *at(state, SG_FRAME_BASE + SG_FRAME_RECORDS + 20 + SG_REC_QUAL) = SG_QUAL_SIMULATED;
    assert_int_equal(gw_frame_decode(&f, at(state, SG_FRAME_BASE)), 0);
    assert_int_equal(f.valid, 0x3D);
}

/* A ring slot is taken with status 1 and its CRC; empty is not found; anything else, a flipped bit too, is malformed. */
static void ring_check_wants_status_and_crc(void **state)
{
    uint16_t *slot = at(state, SG_RING_BASE + SG_RING_STRIDE * (unsigned)(MINUTE % 60));
    const uint16_t empty[3] = {0, 0, 0}, status_2[3] = {2, slot[126], slot[127]};

    assert_int_equal(gw_ring_check(slot, slot + SG_RING_STATUS), 0);
    assert_int_equal(gw_ring_check(slot, empty), SG_ENOT_FOUND);
    assert_int_equal(gw_ring_check(slot, status_2), SG_EMALFORMED);
    slot[124] ^= 1;
    assert_int_equal(gw_ring_check(slot, slot + SG_RING_STATUS), SG_EMALFORMED);
}

/* Columns go by name: the paper's ten points in their order, with the sign of 16- and 32-bit values. */
static void sample_of_record_fills_the_papers_columns(void **state)
{
    uint16_t rec[SG_REC20_REGS] = {20000, SG_QUAL_VALID | SG_QUAL_OPEN, 1, 0xC2C2, 0, 2, 0, 3, 0, 4, 0, 5, 0,
        6, 60158, (uint16_t)-979, 0xFFFF, 0xFFFF, 0x8000, 0};
    static const int64_t want[] = {0x1C2C2, 2, 3, 4, 5, 6, 60158, -979, -1, INT32_MIN};
    struct lg_sample s;

    (void)state;
    gw_sample_of_record(&s, rec, lg_profile_paper());
    assert_int_equal(s.t_ms, 20000);
    assert_int_equal(s.qual, SG_QUAL_VALID | SG_QUAL_OPEN);
    assert_int_equal(s.have, 0x3FF);
    for (size_t i = 0; i < SG_ARRAY_LEN(want); i++)
        assert_int_equal(s.x[i], want[i]);
}

/* An undefined power factor has no value, and its register may hold anything. */
static void sample_of_record_undefined_pf_is_unknown(void **state)
{
    uint16_t *rec = at(state, SG_REG_REC20);
    struct lg_sample s;
    struct gw_latch l;

    rec[SG_REC_QUAL] |= SG_QUAL_PF_UNDEFINED;
    rec[SG_REC_PF] = 0x8000;
    assert_int_equal(gw_latch_decode(&l, at(state, SG_LIVE_BASE)), 0);
    gw_sample_of_record(&s, l.rec, lg_profile_paper());
    assert_int_equal(s.have, 0x3FF & ~(1 << 7));
    assert_int_equal(s.x[7], 0);
}

/* A point of the genesis that this map does not have is unknown; the others keep their places. */
static void sample_of_record_unknown_point_is_unknown(void **state)
{
    struct lg_profile p = *lg_profile_paper();
    struct lg_sample s;

    strcpy(p.points[2].name, "thd");
    gw_sample_of_record(&s, at(state, SG_REG_REC20), &p);
    assert_int_equal(s.have, 0x3FF & ~(1 << 2));
    assert_int_equal(s.x[2], 0);
    assert_int_equal(s.x[3], sg_reg_get32(at(state, SG_REG_REC20 + SG_REC_IA)));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(header_of_emulated_relay_fits_genesis),
        T(header_of_another_map_is_refused),
        T(header_difference_is_named),
        T(latch_of_emulated_relay_is_decoded),
        T(latch_before_the_first_has_no_sample),
        T(latch_that_contradicts_itself_is_malformed),
        T(latch_extreme_values_are_taken),
        T(frame_of_a_whole_minute_has_six_samples),
        T(frame_of_zeros_has_no_sample),
        T(frame_that_contradicts_itself_is_malformed),
        T(frame_invalid_sample_is_missing),
        T(ring_check_wants_status_and_crc),
        T(sample_of_record_fills_the_papers_columns),
        T(sample_of_record_undefined_pf_is_unknown),
        T(sample_of_record_unknown_point_is_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
