/* The conversation with one relay, played against the emulator's register image on fake clocks: no socket, no thread, the
 * millisecond is asserted. */
#include "gateway/core/relay.h"
#include "relay-emulator/core/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define M0       INT64_C(29400000)
#define LATENCY  2
#define MAX_KEPT 2000

struct kept {
    sg_ms wall;
    sg_minute min;
    bool has_body, alarm;
    enum lg_reason reason;
    unsigned live, nsamples;
};

/* One relay, one gateway, their clocks. */
static struct world {
    struct re_image im;
    sg_ms wall, run;   /* of the gateway */
    sg_ms relay_ahead; /* the relay's wall clock minus the gateway's */
    bool relay_frozen; /* it does not tick, and answers nothing */
    int err;           /* what requests end with, 0: answers */
    int err_of[GW_READ_COUNT];
    unsigned connection; /* generation; 0: closed */
    uint16_t time_q;     /* or-ed into TIME_Q */
    uint16_t spoil[125]; /* xor-ed onto the answer to the next read of kind spoil_kind */
    int spoil_kind, spoil_times;
    struct gw_relay r;
    struct lg_relay relay;
    struct kept kept[MAX_KEPT];
    unsigned nkept, nlive, njobs, asked[GW_READ_COUNT];
    int state;
} w;

static void relay_boot(uint32_t boot_id)
{
    struct re_boot boot = {.seed = 9, .unit = 1, .boot_id = boot_id, .boot_ms = w.wall + w.relay_ahead};

    assert_int_equal(re_image_boot(&w.im, &boot), 0);
    w.connection = 0;
}

static struct gw_now now(void)
{
    return (struct gw_now){.wall_ms = w.wall, .run_ms = w.run};
}

static void gateway_start(sg_ms max_future_ms)
{
    struct gw_relay_setup setup = {
        .index = 0, .relay = &w.relay, .max_future_ms = max_future_ms, .latch_delay_ms = 200};

    gw_relay_init(&w.r, &setup, now());
}

/* The relay has run for two minutes, then the gateway starts 25 s into M0. */
static int setup(void **state)
{
    (void)state;
    memset(&w, 0, sizeof w);
    w.wall = (M0 - 2) * SG_MINUTE_MS;
    w.run = 5000;
    w.relay = (struct lg_relay){
        .id = "relay-1", .device = "Relay 1", .period_s = 10, .profile = lg_profile_paper()};
    strcpy(w.relay.substation, re_image_substation());
    relay_boot(77);
    for (; w.wall < M0 * SG_MINUTE_MS + 25000; w.wall += 100)
        (void)re_image_tick(&w.im, w.wall);
    gateway_start(5000);
    return 0;
}

static void keep(struct gw_step *s)
{
    if (s->has_state)
        w.state = s->state;
    w.nlive += s->has_live;
    if (!s->has_outcome)
        return;
    struct kept *k = &w.kept[w.nkept++];
    assert_in_range(w.nkept, 1, MAX_KEPT - 1);
    *k = (struct kept){.wall = w.wall,
        .min = s->outcome.min,
        .has_body = s->outcome.has_body,
        .alarm = s->outcome.alarm,
        .reason = s->outcome.reason,
        .live = s->outcome.live};
    if (k->has_body) {
        struct lg_body *b;

        assert_int_equal(lg_body_decode(&b, s->outcome.doc, s->outcome.doc_len), 0);
        assert_int_equal(lg_body_check(b, &w.relay), 0);
        assert_int_equal(b->min, k->min);
        k->nsamples = b->nsamples;
        lg_body_free(b);
    }
    free(s->outcome.doc);
}

static void pass(sg_ms ms)
{
    w.wall += ms;
    w.run += ms;
    if (!w.relay_frozen)
        (void)re_image_tick(&w.im, w.wall + w.relay_ahead);
}

/* Carry out a request as a connection would. */
static int request(uint16_t *regs, const struct gw_job *job)
{
    const uint16_t *src;

    pass(LATENCY);
    if (w.err || w.err_of[job->kind] || w.relay_frozen) {
        w.connection = 0;
        return w.err ? w.err : w.err_of[job->kind] ? w.err_of[job->kind] : SG_ETIMEOUT;
    }
    src = re_image_at(&w.im, job->address, job->quantity);
    assert_non_null(src);
    memcpy(regs, src, job->quantity * sizeof *regs);
    if (job->kind == GW_READ_LIVE)
        regs[SG_REG_TIME_Q - SG_LIVE_BASE] |= w.time_q;
    if (w.spoil_times > 0 && w.spoil_kind == (int)job->kind) {
        w.spoil_times--;
        for (unsigned i = 0; i < job->quantity; i++)
            regs[i] ^= w.spoil[i];
    }
    return 0;
}

static void perform(const struct gw_job *job)
{
    uint16_t regs[125];
    struct gw_answer a = {.regs = regs, .sent_wall_ms = w.wall};
    struct gw_step s;

    w.asked[job->kind]++;
    w.njobs++;
    if (w.connection == 0 && !w.err) {
        static unsigned generation;

        assert_int_equal(job->kind, GW_READ_HEADER); /* a new connection begins with the identity */
        w.connection = ++generation;
    }
    a.err = request(regs, job);
    a.generation = w.connection;
    gw_relay_answer(&w.r, &s, job, &a, now());
    keep(&s);
}

static void run_until(sg_ms wall)
{
    while (w.wall < wall) {
        struct gw_job job;
        struct gw_step s;
        sg_ms wait;

        gw_relay_next(&w.r, &job, &s, now(), w.connection);
        keep(&s);
        assert_in_range(w.njobs, 0, 100000);
        if (!job.wait) {
            perform(&job);
            continue;
        }
        if (s.has_outcome)
            continue;
        assert_true(job.until_ms > w.wall); /* never spins */
        wait = job.until_ms < wall ? job.until_ms - w.wall : wall - w.wall;
        while (wait > 0) { /* the relay lives on meanwhile */
            sg_ms part = wait < 50 ? wait : 50;

            pass(part);
            wait -= part;
        }
    }
}

static sg_ms at(int minute, sg_ms ms)
{
    return (M0 + minute) * SG_MINUTE_MS + ms;
}

/* The n-th outcome is this gap. */
static void assert_gap(unsigned n, int minute, enum lg_reason reason)
{
    assert_true(n < w.nkept);
    assert_int_equal(w.kept[n].min, M0 + minute);
    assert_false(w.kept[n].has_body);
    assert_string_equal(lg_reason_name(w.kept[n].reason), lg_reason_name(reason));
}

static void assert_body(unsigned n, int minute, unsigned nsamples, unsigned live)
{
    assert_true(n < w.nkept);
    assert_int_equal(w.kept[n].min, M0 + minute);
    if (!w.kept[n].has_body)
        fail_msg("a gap %s instead of a body", lg_reason_name(w.kept[n].reason));
    assert_int_equal(w.kept[n].nsamples, nsamples);
    assert_int_equal(w.kept[n].live, live);
    assert_false(w.kept[n].alarm);
}

/* Started at 25 s the running minute counts with the latches of 20, 30, 40, 50; the next ones with six of six; each
 * outcome is out within 300 ms of its minute's end, with few requests. */
static void relay_whole_minutes_are_bodies_with_six_live(void **state)
{
    (void)state;
    run_until(at(10, 30000));
    assert_int_equal(w.nkept, 10);
    assert_body(0, 0, 6, 4);
    for (unsigned i = 1; i < 10; i++) {
        assert_body(i, (int)i, 6, 6);
        assert_in_range(w.kept[i].wall - at((int)i + 1, 0), 0, 300);
    }
    assert_int_equal(w.state, 0);
    assert_int_equal(w.asked[GW_READ_HEADER], 1);
    assert_int_equal(w.asked[GW_READ_LIVE], 61 + 10); /* one more a minute: is it ahead? */
    assert_int_equal(w.nlive, 61);
    assert_in_range(w.asked[GW_READ_FRAME], 10, 30);
    assert_int_equal(w.asked[GW_READ_RING], 0);
}

/* A relay whose clock is two seconds behind, or ahead, within the policy: all the same. */
static void relay_clock_off_within_policy_is_read(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        setup(NULL);
        w.relay_ahead = side ? 2000 : -2000;
        relay_boot(78); /* boots by its own clock, before it is read */
        gateway_start(5000);
        run_until(at(4, 30000));
        assert_int_equal(w.nkept, 4);
        assert_body(1, 1, 6, 6);
        assert_body(2, 2, 6, 6);
        assert_body(3, 3, 6, 6);
        assert_in_range(w.kept[3].wall - at(4, 0), 0, side ? 300 : 3000);
    }
}

/* A clock off by more than the policy, or one that says so itself (b13, b12): gaps `clock`, until it is right again. */
static void relay_clock_off_is_a_gap(void **state)
{
    static const struct {
        sg_ms ahead;
        uint16_t time_q;
    } cases[] = {{-7000, 0}, {7000, 0}, {3600000, 0}, {-3600000, 0}, {0, SG_TIMEQ_NOT_SYNCHRONISED},
        {0, SG_TIMEQ_CLOCK_FAILURE}};

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(cases); i++) {
        setup(NULL);
        w.relay_ahead = cases[i].ahead;
        w.time_q = cases[i].time_q;
        relay_boot(78);
        run_until(at(3, 30000));
        assert_int_equal(w.nkept, 3);
        assert_gap(1, 1, LG_REASON_CLOCK);
        assert_gap(2, 2, LG_REASON_CLOCK);
        assert_int_equal(w.state, SG_ECLOCK);
        w.relay_ahead = w.time_q = 0;
        relay_boot(79);
        run_until(at(6, 30000));
        assert_int_equal(w.nkept, 6);
        assert_body(5, 5, 6, 6);
        assert_int_equal(w.state, 0);
    }
}

/* One latch that says its clock has failed spoils the minute in which it was read, and no other. */
static void relay_clock_failure_of_one_latch_spoils_one_minute(void **state)
{
    (void)state;
    run_until(at(1, 15000));
    w.time_q = SG_TIMEQ_CLOCK_FAILURE;
    run_until(at(1, 25000));
    w.time_q = 0;
    run_until(at(3, 1000));
    assert_int_equal(w.nkept, 3);
    assert_gap(1, 1, LG_REASON_CLOCK);
    assert_body(2, 2, 6, 6);
}

/* Refused since before the minute's end: the gap is out at once; when the relay is back the RING gives the body. */
static void relay_known_down_is_a_gap_at_once_and_recovered(void **state)
{
    (void)state;
    run_until(at(1, 15000));
    w.err = SG_EREFUSED;
    w.connection = 0;
    run_until(at(3, 5000));
    assert_int_equal(w.nkept, 3);
    assert_gap(1, 1, LG_REASON_REFUSED);
    assert_gap(2, 2, LG_REASON_REFUSED);
    assert_in_range(w.kept[1].wall - at(2, 0), 0, 10);
    assert_int_equal(w.state, SG_EREFUSED);
    w.err = 0;
    run_until(at(4, 5000));
    assert_int_equal(w.nkept, 6);
    assert_body(3, 1, 6, 2);
    assert_body(4, 2, 6, 0);
    assert_body(5, 3, 6, 6);
    assert_int_equal(w.state, 0);
}

/* Lost only at the minute's end: the retries of ten seconds are waited for, and a relay that comes back gives its body. */
static void relay_lost_at_the_end_is_retried(void **state)
{
    (void)state;
    run_until(at(1, 59000));
    w.err = SG_ETIMEOUT;
    w.connection = 0;
    run_until(at(2, 6000));
    assert_int_equal(w.nkept, 1);
    w.err = 0;
    run_until(at(2, 15000));
    assert_int_equal(w.nkept, 2);
    assert_body(1, 1, 6, 6);
}

/* The same, but it does not come back: the gap carries the reason of the retries. */
static void relay_lost_at_the_end_and_gone_is_a_gap(void **state)
{
    static const struct {
        int err;
        enum lg_reason reason;
    } cases[] = {{SG_ETIMEOUT, LG_REASON_TIMEOUT}, {SG_EREFUSED, LG_REASON_REFUSED},
        {SG_ECLOSED, LG_REASON_REFUSED}, {SG_EEXCEPTION, LG_REASON_EXCEPTION},
        {SG_EMALFORMED, LG_REASON_MALFORMED}};

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(cases); i++) {
        setup(NULL);
        run_until(at(1, 59000));
        w.err = cases[i].err;
        run_until(at(2, 20000));
        assert_int_equal(w.nkept, 2);
        assert_gap(1, 1, cases[i].reason);
        assert_in_range(w.kept[1].wall - at(2, 0), 9000, 12000);
        assert_int_equal(w.state, cases[i].err);
    }
}

/* FRAME alone answered with exceptions while latches are read: the reason is exception, and the relay is still read. */
static void relay_frame_refused_is_exception(void **state)
{
    (void)state;
    w.err_of[GW_READ_FRAME] = SG_EEXCEPTION;
    run_until(at(2, 20000));
    assert_int_equal(w.nkept, 4); /* and the RING has them */
    assert_gap(0, 0, LG_REASON_EXCEPTION);
    assert_body(1, 0, 6, 4);
    assert_gap(2, 1, LG_REASON_EXCEPTION);
    assert_in_range(w.asked[GW_READ_FRAME], 2, 60);
}

/* A restart in the middle: the minute of the boot is committed as it is, with the latches since the boot. */
static void relay_restart_in_a_minute_is_committed_as_it_is(void **state)
{
    (void)state;
    run_until(at(1, 33000));
    relay_boot(78);
    run_until(at(3, 5000));
    assert_int_equal(w.nkept, 3);
    assert_body(0, 0, 6, 4);
    assert_body(1, 1, 2, 2);
    assert_body(2, 2, 6, 6);
}

/* A restart behind a connection that stays open (a TCP gateway in between) is noticed by BOOT_ID. */
static void relay_restart_behind_a_connection_is_noticed(void **state)
{
    unsigned connection;

    (void)state;
    run_until(at(1, 33000));
    connection = w.connection;
    relay_boot(78);
    w.connection = connection;
    run_until(at(2, 5000));
    assert_int_equal(
        w.asked[GW_READ_HEADER], 3); /* start, new BOOT_ID, before an incomplete frame is judged */
    assert_int_equal(w.r.id.boot_id, 78);
    assert_body(1, 1, 2, 2);
}

/* A restart right after the minute's end has wiped FRAME and RING: a gap `stopped`, no contradiction. */
static void relay_restart_after_the_end_is_stopped(void **state)
{
    (void)state;
    run_until(at(1, 58000));
    w.err = SG_EREFUSED;
    run_until(at(2, 1500));
    relay_boot(78);
    w.err = 0;
    run_until(at(3, 5000));
    assert_int_equal(w.nkept, 3);
    assert_gap(1, 1, LG_REASON_STOPPED);
    assert_false(w.kept[1].alarm);
    assert_body(2, 2, 5, 5);
}

/* The same behind an open connection, between the last latch and the frame: still `stopped`. */
static void relay_restart_between_latch_and_frame_is_stopped(void **state)
{
    unsigned connection;

    (void)state;
    run_until(at(1, 55000));
    connection = w.connection;
    relay_boot(78);
    w.connection = connection;
    run_until(at(2, 15000));
    assert_int_equal(w.nkept, 2);
    assert_gap(1, 1, LG_REASON_STOPPED);
    assert_false(w.kept[1].alarm);
}

/* A relay that was stopped for half a minute and lost latches: the minute is incomplete, not a fault of its clock. */
static void relay_stopped_for_a_while_is_incomplete(void **state)
{
    (void)state;
    run_until(at(1, 12000));
    w.relay_frozen = true;
    run_until(at(1, 37000));
    w.relay_frozen = false;
    run_until(at(2, 5000));
    assert_int_equal(w.nkept, 2);
    assert_body(1, 1, 4, 4); /* 0 10 . . 40 50: the ones of 20 and 30 passed unseen */
}

/* A relay that answers but has latched nothing in the minute: nosample. */
static void relay_without_latches_is_nosample(void **state)
{
    (void)state;
    run_until(at(0, 58000));
    w.relay_frozen = true;
    run_until(at(2, 500));
    w.relay_frozen = false;
    run_until(at(3, 500));
    assert_true(w.nkept >= 3);
    assert_gap(1, 1, LG_REASON_TIMEOUT);
    for (unsigned i = 0; i < w.nkept; i++)
        assert_false(w.kept[i].min == M0 + 1 && w.kept[i].has_body);
}

/* Another device behind the address: gaps `identity` with an alarm, at once, and nothing but headers is asked. */
static void relay_of_another_device_is_identity(void **state)
{
    unsigned live;

    (void)state;
    run_until(at(1, 15000));
    strcpy(w.relay.device, "Relay 2");
    live = w.nlive;
    w.connection = 0;
    run_until(at(3, 5000));
    assert_int_equal(w.nkept, 3);
    assert_gap(1, 1, LG_REASON_IDENTITY);
    assert_gap(2, 2, LG_REASON_IDENTITY);
    assert_true(w.kept[2].alarm);
    assert_int_equal(w.nlive, live);
    assert_int_equal(w.state, SG_EIDENTITY);
    assert_string_equal(w.r.difference, "DEVICE");
    strcpy(w.relay.device, "Relay 1");
    run_until(at(5, 5000));
    assert_body(4, 4, 6, 6);
    assert_int_equal(w.state, 0);
}

/* Torn or senseless answers are asked for again; the minute loses nothing. */
static void relay_malformed_once_is_retried(void **state)
{
    static const enum gw_read_kind kinds[] = {GW_READ_LIVE, GW_READ_FRAME};

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(kinds); i++) {
        setup(NULL);
        run_until(at(1, 55000));
        w.spoil[0] = 0x8000; /* SEQ is not SEQ2; MINUTE is not UTC_S / 60 */
        w.spoil_kind = (int)kinds[i];
        w.spoil_times = 2;
        run_until(at(2, 30000));
        assert_int_equal(w.spoil_times, 0);
        assert_body(1, 1, 6, 6);
        run_until(at(3, 5000));
        assert_body(2, 2, 6, 6);
    }
}

/* An own live sample that differs from FRAME: a gap malformed with an alarm, also after the header was read again. */
static void relay_frame_that_differs_is_malformed_with_alarm(void **state)
{
    (void)state;
    run_until(at(1, 55000));
    w.spoil[SG_FRAME_RECORDS + 20 + SG_REC_VAB + 1] = 1;
    w.spoil_kind = GW_READ_FRAME;
    w.spoil_times = 1000;
    run_until(at(2, 15000));
    assert_int_equal(w.nkept, 2);
    assert_gap(1, 1, LG_REASON_MALFORMED);
    assert_true(w.kept[1].alarm);
    w.spoil_times = 0;
    run_until(at(4, 5000));
    assert_int_equal(w.nkept, 4); /* no second outcome for it from the RING */
    assert_body(3, 3, 6, 6);
}

/* SEQ that goes back is refused, and a relay that stays there is judged by its clock. */
static void relay_seq_going_back_is_refused(void **state)
{
    (void)state;
    run_until(at(1, 31000));
    w.relay_ahead = -3600000;
    struct re_boot boot = {.seed = 9, .unit = 1, .boot_id = 77, .boot_ms = w.wall - 7200000};
    assert_int_equal(re_image_boot(&w.im, &boot), 0); /* the same BOOT_ID an hour back */
    w.im.last = (w.wall - 3600000) / SG_PERIOD_MS - 1;
    run_until(at(1, 40300));
    assert_int_equal(w.state, SG_EMALFORMED);
    run_until(at(2, 15000));
    assert_int_equal(w.nkept, 2);
    assert_gap(1, 1, LG_REASON_CLOCK);
}

/* FRAME has moved on (the gateway was stopped, T2): the RING gives every minute, live 0 but for what was seen. */
static void gateway_frozen_reads_the_ring(void **state)
{
    (void)state;
    run_until(at(1, 35000));
    for (int i = 0; i < 6000; i++)
        pass(100); /* ten minutes without a step */
    run_until(at(12, 5000));
    assert_int_equal(w.nkept, 12);
    assert_body(1, 1, 6, 4);
    for (unsigned i = 2; i < 11; i++)
        assert_body(i, (int)i, 6, 0);
    assert_body(11, 11, 6, 3);
}

/* A ring slot of another hour, or one whose CRC does not fit, is never taken. */
static void gateway_frozen_spoilt_ring_is_malformed(void **state)
{
    (void)state;
    run_until(at(1, 35000));
    for (int i = 0; i < 1000; i++)
        pass(100);
    w.spoil[124] = 1;
    w.spoil_kind = GW_READ_RING;
    w.spoil_times = 1000;
    run_until(at(3, 30000));
    assert_gap(1, 1, LG_REASON_MALFORMED);
}

/* The wall clock steps an hour ahead: the relay's latches are off, gaps `clock` and no body; after the step back the true
 * minutes are committed; no minute has two bodies, none a gap after its body. */
static void gateway_clock_steps_never_invent(void **state)
{
    static const sg_ms steps[] = {1000, -1000, 3600000, -3600000, 86400000, -86400000, INT64_C(315532800000)};

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(steps); i++) {
        setup(NULL);
        run_until(at(1, 35000));
        w.wall += steps[i];
        w.relay_ahead -= steps[i];
        run_until(w.wall + 4 * SG_MINUTE_MS);
        w.wall -= steps[i];
        w.relay_ahead += steps[i];
        run_until(w.wall + 4 * SG_MINUTE_MS);
        assert_body(w.nkept - 1, 8, 6, 6);
        for (unsigned a = 0; a < w.nkept; a++) {
            for (unsigned b = a + 1; b < w.nkept; b++) {
                if (w.kept[a].min == w.kept[b].min)
                    fail_msg(
                        "step %lld: minute %lld twice", (long long)steps[i], (long long)w.kept[a].min - M0);
            }
            if (steps[i] > 5000 && w.kept[a].min > M0 + 30)
                assert_int_equal(w.kept[a].reason, LG_REASON_CLOCK);
            if (w.kept[a].has_body)
                assert_in_range(w.kept[a].min - M0, 0, 8);
        }
    }
}

/* A second back across the minute's edge, at each moment around it (T6): one outcome per minute. */
static void gateway_clock_steps_across_the_edge(void **state)
{
    (void)state;
    for (sg_ms offset = -500; offset <= 1500; offset += 50) {
        setup(NULL);
        run_until(at(2, offset));
        w.wall -= 1000;
        w.relay_ahead += 1000;
        run_until(at(4, 30000));
        assert_int_equal(w.nkept, 4);
        for (unsigned i = 0; i < 4; i++)
            assert_int_equal(w.kept[i].min, M0 + (int)i);
        assert_body(3, 3, 6, 6);
    }
}

/* A live block whose BOOT_ID never is the header's is malformed, with pauses: it cannot keep the gateway busy. */
static void relay_boot_id_that_never_fits_is_malformed(void **state)
{
    (void)state;
    run_until(at(1, 5000));
    w.spoil[SG_REG_BOOT_ID2 + 1 - SG_LIVE_BASE] = 1;
    w.spoil_kind = GW_READ_LIVE;
    w.spoil_times = 100000;
    w.njobs = 0;
    run_until(at(2, 30000));
    assert_int_equal(w.state, SG_EMALFORMED);
    assert_in_range(w.njobs, 5, 200);
}

/* A relay that is down is asked seldom, and found again within the longest pause. */
static void relay_down_is_asked_with_backoff(void **state)
{
    (void)state;
    run_until(at(1, 5000));
    w.err = SG_EREFUSED;
    w.connection = 0;
    w.njobs = 0;
    run_until(at(11, 5000));
    assert_in_range(w.njobs, 100, 140);
    w.err = 0;
    run_until(w.wall + GW_BACKOFF_MAX_MS + 10);
    assert_int_equal(w.state, 0);
}

#define T(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(relay_whole_minutes_are_bodies_with_six_live),
        T(relay_clock_off_within_policy_is_read),
        T(relay_clock_off_is_a_gap),
        T(relay_clock_failure_of_one_latch_spoils_one_minute),
        T(relay_known_down_is_a_gap_at_once_and_recovered),
        T(relay_lost_at_the_end_is_retried),
        T(relay_lost_at_the_end_and_gone_is_a_gap),
        T(relay_frame_refused_is_exception),
        T(relay_restart_in_a_minute_is_committed_as_it_is),
        T(relay_restart_behind_a_connection_is_noticed),
        T(relay_restart_after_the_end_is_stopped),
        T(relay_restart_between_latch_and_frame_is_stopped),
        T(relay_stopped_for_a_while_is_incomplete),
        T(relay_without_latches_is_nosample),
        T(relay_of_another_device_is_identity),
        T(relay_malformed_once_is_retried),
        T(relay_frame_that_differs_is_malformed_with_alarm),
        T(relay_seq_going_back_is_refused),
        T(gateway_frozen_reads_the_ring),
        T(gateway_frozen_spoilt_ring_is_malformed),
        T(gateway_clock_steps_never_invent),
        T(gateway_clock_steps_across_the_edge),
        T(relay_boot_id_that_never_fits_is_malformed),
        T(relay_down_is_asked_with_backoff),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
