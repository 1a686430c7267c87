/* One relay, one gateway's conversation with it, and their clocks.
 *
 * Invariant: the relay ticks as its clock passes, whether it is asked or not; a request takes LATENCY_MS.
 * Refuses: a conversation that spins, or that asks anything but the header first on a new connection; a
 * body with a sample that the relay never had. */
#include "tests/lib/relay_world.h"
#include "relay-emulator/core/signals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LATENCY_MS = 2, SEED = 9, UNIT = 1 };

struct world world;

void world_relay_boot(uint32_t boot_id)
{
    struct re_boot boot = {
        .seed = SEED, .unit = UNIT, .boot_id = boot_id, .boot_ms = world.wall + world.relay_ahead};

    assert_int_equal(re_image_boot(&world.im, &boot), 0);
    world.connection = 0;
}

static struct gw_now now(void)
{
    return (struct gw_now){.wall_ms = world.wall, .run_ms = world.run};
}

void world_gateway_start(sg_ms max_future_ms)
{
    struct gw_relay_setup setup = {
        .index = 0, .relay = &world.relay, .max_future_ms = max_future_ms, .latch_delay_ms = 200};

    gw_relay_init(&world.r, &setup, now());
}

int world_setup(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    world.wall = (WORLD_M0 - 2) * SG_MINUTE_MS;
    world.run = 5000;
    world.relay = (struct lg_relay){
        .id = "relay-1", .device = "Relay 1", .period_s = 10, .profile = lg_profile_paper()};
    strcpy(world.relay.substation, re_image_substation());
    world_relay_boot(77);
    for (; world.wall < WORLD_M0 * SG_MINUTE_MS + 25000; world.wall += 100)
        (void)re_image_tick(&world.im, world.wall);
    world_gateway_start(5000);
    return 0;
}

/* Every sample of a body is one that the relay had at that instant of its clock: none is invented, none is moved. */
static void assert_true_samples(const struct lg_body *b)
{
    struct lg_sample samples[LG_MAX_SAMPLES];

    assert_int_equal(lg_body_samples(samples, b, &world.relay), 0);
    for (unsigned i = 0; i < b->nsamples; i++) {
        const struct lg_sample *got = &samples[i];
        struct re_sample want;

        re_signals_sample(&want, SEED, UNIT, (uint32_t)((b->min * SG_MINUTE_MS + got->t_ms) / SG_PERIOD_MS));
        assert_int_equal(got->t_ms % SG_PERIOD_MS, 0);
        for (unsigned k = 0; k < SG_POINTS; k++)
            assert_int_equal(got->x[k], want.x[k]);
    }
}

static void keep(struct gw_step *s)
{
    if (s->has_state)
        world.state = s->state;
    world.nlive += s->has_live;
    if (!s->has_outcome)
        return;
    struct world_kept *k = &world.kept[world.nkept++];
    assert_in_range(world.nkept, 1, WORLD_MAX_KEPT - 1);
    *k = (struct world_kept){.wall = world.wall,
        .min = s->outcome.min,
        .has_body = s->outcome.has_body,
        .alarm = s->outcome.alarm,
        .reason = s->outcome.reason,
        .live = s->outcome.live};
    if (k->has_body) {
        struct lg_body *b;

        assert_int_equal(lg_body_decode(&b, s->outcome.doc, s->outcome.doc_len), 0);
        assert_int_equal(lg_body_check(b, &world.relay), 0);
        assert_int_equal(b->min, k->min);
        assert_true_samples(b);
        k->nsamples = b->nsamples;
        lg_body_free(b);
    }
    free(s->outcome.doc);
}

void world_pass(sg_ms ms)
{
    world.wall += ms;
    world.run += ms;
    if (!world.relay_frozen && !world.relay_deaf)
        (void)re_image_tick(&world.im, world.wall + world.relay_ahead);
}

/* Carry out a request as a connection would. */
static int request(uint16_t *regs, const struct gw_job *job)
{
    const uint16_t *src;

    world_pass(LATENCY_MS);
    if (world.err || world.err_of[job->kind] || world.relay_frozen) {
        world.connection = 0;
        return world.err ? world.err : world.err_of[job->kind] ? world.err_of[job->kind] : SG_ETIMEOUT;
    }
    src = re_image_at(&world.im, job->address, job->quantity);
    assert_non_null(src);
    memcpy(regs, src, job->quantity * sizeof *regs);
    if (job->kind == GW_READ_LIVE)
        regs[SG_REG_TIME_Q - SG_LIVE_BASE] |= world.time_q;
    if (world.spoil_times > 0 && world.spoil_kind == (int)job->kind) {
        world.spoil_times--;
        for (unsigned i = 0; i < job->quantity; i++)
            regs[i] ^= world.spoil[i];
    }
    return 0;
}

static void perform(const struct gw_job *job)
{
    uint16_t regs[125];
    struct gw_answer a = {.regs = regs, .sent_wall_ms = world.wall};
    struct gw_step s;

    world.asked[job->kind]++;
    world.njobs++;
    if (world.connection == 0 && !world.err) {
        static unsigned generation;

        assert_int_equal(job->kind, GW_READ_HEADER); /* a new connection begins with the identity */
        world.connection = ++generation;
    }
    a.err = request(regs, job);
    a.generation = world.connection;
    gw_relay_answer(&world.r, &s, job, &a, now());
    keep(&s);
}

void world_run_until(sg_ms wall)
{
    while (world.wall < wall) {
        struct gw_job job;
        struct gw_step s;
        sg_ms wait;

        gw_relay_next(&world.r, &job, &s, now(), world.connection);
        keep(&s);
        assert_in_range(world.njobs, 0, 100000);
        if (!job.wait) {
            perform(&job);
            continue;
        }
        if (s.has_outcome)
            continue;
        if (gw_relay_spare(&world.r, &job, now(), world.connection)) {
            perform(&job);
            continue;
        }
        assert_true(job.until_ms > world.wall); /* never spins */
        wait = job.until_ms < wall ? job.until_ms - world.wall : wall - world.wall;
        while (wait > 0) { /* the relay lives on meanwhile */
            sg_ms part = wait < 50 ? wait : 50;

            world_pass(part);
            wait -= part;
        }
    }
}

sg_ms world_at(int minute, sg_ms ms)
{
    return (WORLD_M0 + minute) * SG_MINUTE_MS + ms;
}

void world_gap(unsigned n, int minute, enum lg_reason reason)
{
    assert_true(n < world.nkept);
    assert_int_equal(world.kept[n].min, WORLD_M0 + minute);
    assert_false(world.kept[n].has_body);
    assert_string_equal(lg_reason_name(world.kept[n].reason), lg_reason_name(reason));
}

void world_body(unsigned n, int minute, unsigned nsamples, unsigned live)
{
    assert_true(n < world.nkept);
    assert_int_equal(world.kept[n].min, WORLD_M0 + minute);
    if (!world.kept[n].has_body)
        fail_msg("a gap %s instead of a body", lg_reason_name(world.kept[n].reason));
    assert_int_equal(world.kept[n].nsamples, nsamples);
    assert_int_equal(world.kept[n].live, live);
    assert_false(world.kept[n].alarm);
}
