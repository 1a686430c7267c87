/* A minute's outcome: FRAME's content, what of it was seen live, and when it is refused. */
#include "gateway/core/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE INT64_C(29400000)
#define BOOT   5u

static struct lg_relay relay;
static struct gw_header header;
static struct gw_window window;

static void fill_record(uint16_t *rec, unsigned i)
{
    memset(rec, 0, SG_REC20_REGS * sizeof *rec);
    rec[SG_REC_T_OFF] = (uint16_t)(i * SG_PERIOD_MS);
    rec[SG_REC_QUAL] = SG_QUAL_VALID;
    sg_reg_put32(rec + SG_REC_VAB, 115000 + i);
    rec[SG_REC_F] = 60000;
    rec[SG_REC_PF] = 900;
}

static struct gw_frame whole_frame(void)
{
    struct gw_frame f = {.min = MINUTE, .openings = 3, .valid = 0x3F};

    for (unsigned i = 0; i < SG_SAMPLES_A_MIN; i++)
        fill_record(f.rec[i], i);
    return f;
}

static struct gw_latch latch_of(unsigned i)
{
    struct gw_latch l = {
        .has_sample = true,
        .seq = (uint32_t)(MINUTE * 6 + i),
        .utc_s = (uint32_t)(MINUTE * 60 + i * 10),
        .boot_id = BOOT,
    };

    fill_record(l.rec, i);
    return l;
}

static void see(unsigned i)
{
    struct gw_latch l = latch_of(i);

    assert_int_equal(gw_window_add(&window, &l), 0);
}

static int setup(void **state)
{
    (void)state;
    relay = (struct lg_relay){
        .id = "relay-1", .device = "Relay 1", .period_s = 10, .profile = lg_profile_paper()};
    header = (struct gw_header){.boot_id = BOOT, .boot_utc = (uint32_t)(MINUTE * 60 - 3600)};
    gw_window_init(&window);
    return 0;
}

static struct gw_outcome outcome_of(const struct gw_frame *f)
{
    struct gw_outcome o;

    assert_int_equal(gw_window_outcome(&o, &window, 2, &relay, &header, f), 0);
    assert_int_equal(o.relay, 2);
    assert_int_equal(o.min, f->min);
    return o;
}

static void assert_gap(const struct gw_frame *f, enum lg_reason reason, bool alarm)
{
    struct gw_outcome o = outcome_of(f);

    assert_false(o.has_body);
    assert_int_equal(o.reason, reason);
    assert_int_equal(o.alarm, alarm);
    assert_null(o.doc);
}

/* All six seen as they were latched: a body with live 6 that decodes and recomputes. */
static void outcome_all_seen_is_a_body_with_six_live(void **state)
{
    struct gw_frame f = whole_frame();
    struct lg_body *b;
    struct gw_outcome o;
    struct lg_hash digest;

    (void)state;
    for (unsigned i = 0; i < 6; i++)
        see(i);
    o = outcome_of(&f);
    assert_true(o.has_body);
    assert_int_equal(o.live, 6);
    lg_hash_leaf(&digest, o.doc, o.doc_len);
    assert_true(lg_hash_eq(&digest, &o.digest));
    assert_int_equal(lg_body_decode(&b, o.doc, o.doc_len), 0);
    assert_int_equal(lg_body_check(b, &relay), 0);
    assert_int_equal(b->min, MINUTE);
    assert_int_equal(b->openings, 3);
    assert_int_equal(b->nsamples, 6);
    assert_int_equal(b->quality, SG_QUAL_VALID);
    lg_body_free(b);
    free(o.doc);
}

/* What was caught live changes `live` alone, never a byte of the body. */
static void outcome_body_does_not_depend_on_what_was_seen(void **state)
{
    struct gw_frame f = whole_frame();
    struct gw_outcome none = outcome_of(&f), some;

    (void)state;
    see(1);
    see(4);
    some = outcome_of(&f);
    assert_int_equal(none.live, 0);
    assert_int_equal(some.live, 2);
    assert_int_equal(none.doc_len, some.doc_len);
    assert_memory_equal(none.doc, some.doc, some.doc_len);
    free(none.doc);
    free(some.doc);
}

/* Missing samples leave b11 in the quality and are not made up. */
static void outcome_missing_samples_are_incomplete(void **state)
{
    struct gw_frame f = whole_frame();
    struct gw_outcome o;
    struct lg_body *b;

    (void)state;
    f.valid = 0x3E;
    memset(f.rec[0], 0, sizeof f.rec[0]);
    o = outcome_of(&f);
    assert_int_equal(lg_body_decode(&b, o.doc, o.doc_len), 0);
    assert_int_equal(b->nsamples, 5);
    assert_int_equal(b->quality, SG_QUAL_VALID | SG_QUAL_INCOMPLETE);
    lg_body_free(b);
    free(o.doc);
}

/* An own live sample that differs in one register makes the minute a gap malformed, with an alarm. */
static void outcome_different_live_sample_is_malformed(void **state)
{
    struct gw_frame f = whole_frame();

    (void)state;
    see(3);
    f.rec[3][SG_REC_Q + 1] ^= 1;
    assert_gap(&f, LG_REASON_MALFORMED, true);
}

/* So does a live sample that the frame lacks. */
static void outcome_live_sample_missing_in_frame_is_malformed(void **state)
{
    struct gw_frame f = whole_frame();

    (void)state;
    see(3);
    f.valid = 0x37;
    memset(f.rec[3], 0, sizeof f.rec[3]);
    assert_gap(&f, LG_REASON_MALFORMED, true);
}

/* And so does a latch that the live block showed with two contents. */
static void outcome_contradicted_latch_is_malformed(void **state)
{
    struct gw_frame f = whole_frame();
    struct gw_latch l = latch_of(2);

    (void)state;
    see(2);
    assert_int_equal(gw_window_add(&window, &l), SG_EKNOWN);
    l.rec[SG_REC_F]++;
    assert_int_equal(gw_window_add(&window, &l), SG_ECONFLICT);
    assert_gap(&f, LG_REASON_MALFORMED, true);
}

/* What was seen before a restart says nothing about the frame after it: no alarm, and not live. */
static void outcome_seen_before_restart_is_ignored(void **state)
{
    struct gw_frame f = whole_frame();
    struct gw_outcome o;

    (void)state;
    for (unsigned i = 0; i < 6; i++)
        see(i);
    header.boot_id = BOOT + 1;
    header.boot_utc = (uint32_t)(MINUTE * 60 + 25);
    for (unsigned i = 0; i < 3; i++)
        memset(f.rec[i], 0, sizeof f.rec[i]);
    f.valid = 0x38;
    o = outcome_of(&f);
    assert_true(o.has_body);
    assert_int_equal(o.live, 0);
    free(o.doc);
}

/* A sample from before BOOT_UTC is not taken, even when the frame has it. */
static void outcome_sample_before_boot_is_not_taken(void **state)
{
    struct gw_frame f = whole_frame();
    struct lg_body *b;
    struct gw_outcome o;

    (void)state;
    header.boot_utc = (uint32_t)(MINUTE * 60 + 20);
    o = outcome_of(&f);
    assert_int_equal(lg_body_decode(&b, o.doc, o.doc_len), 0);
    assert_int_equal(b->nsamples, 4);
    lg_body_free(b);
    free(o.doc);
}

/* No valid sample: stopped when a restart wiped the minute, nosample otherwise; the edge is the last latch. */
static void outcome_without_samples_is_stopped_or_nosample(void **state)
{
    struct gw_frame f = {.min = MINUTE};

    (void)state;
    assert_gap(&f, LG_REASON_NOSAMPLE, false);
    header.boot_utc = (uint32_t)(MINUTE * 60 + 50);
    assert_gap(&f, LG_REASON_NOSAMPLE, false);
    header.boot_utc = (uint32_t)(MINUTE * 60 + 51);
    assert_gap(&f, LG_REASON_STOPPED, false);
}

/* Old latches make room for new ones: a minute long past has no live sample, and no false contradiction. */
static void window_forgets_old_latches(void **state)
{
    struct gw_frame f = whole_frame();
    struct gw_outcome o;

    (void)state;
    for (unsigned i = 0; i < 6; i++)
        see(i);
    for (unsigned i = 0; i < GW_WINDOW_LATCHES; i++) {
        struct gw_latch l = latch_of(6 + i);

        assert_int_equal(gw_window_add(&window, &l), 0);
    }
    f.rec[0][SG_REC_F]++;
    o = outcome_of(&f);
    assert_true(o.has_body);
    assert_int_equal(o.live, 0);
    free(o.doc);
}

#define T(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(outcome_all_seen_is_a_body_with_six_live),
        T(outcome_body_does_not_depend_on_what_was_seen),
        T(outcome_missing_samples_are_incomplete),
        T(outcome_different_live_sample_is_malformed),
        T(outcome_live_sample_missing_in_frame_is_malformed),
        T(outcome_contradicted_latch_is_malformed),
        T(outcome_seen_before_restart_is_ignored),
        T(outcome_sample_before_boot_is_not_taken),
        T(outcome_without_samples_is_stopped_or_nosample),
        T(window_forgets_old_latches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
