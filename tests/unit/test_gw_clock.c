/* A gateway's clock against its signature (T1, T2, T3, T5): what a process signs while its wall clock steps, drifts, begins in 1970 or stands
 * still, before and after a restart, alone and among others. Never two statements with one (inc, seq), never one from before the end of its
 * slot, and slots that only grow while nodes take what is signed. The clocks' judgement and the state machine are the product's; the loop
 * around them is that of gateway/witness.c. */
#include "gateway/core/trust.h"
#include "gateway/core/witness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define START      INT64_C(1764000030000) /* 30 s into a minute */
#define MAX_FUTURE 5000
#define TURN_MS    500
#define MAX_SAID   100
#define HOUR       INT64_C(3600000)
#define DAY        (24 * HOUR)
#define TEN_YEARS  (3652 * DAY)

struct said {
    sg_ms inc;
    int64_t seq;
    sg_minute slot;
    sg_ms ts;
};

/* A key with its store and its processes, one after the other. */
static struct gateway {
    sg_ms true_ms, run_ms; /* the world's time; the monotonic clock */
    sg_ms off_ms;          /* our wall clock is ahead by */
    sg_ms tip_ms;          /* time of the newest block that is known; made by the others, in true time */
    unsigned peers;        /* others that answer, and show the true time */
    bool relay;            /* a synchronised relay is read */
    bool acknowledged;     /* nodes take what is signed, whatever its time */
    struct gw_witness_core core;
    sg_ms start_wall_ms, start_run_ms;
    enum gw_trust trust;
    struct said said[MAX_SAID];
    unsigned n;
} g;

/* No clock shows less than 0. */
static sg_ms our_wall(void)
{
    return g.true_ms + g.off_ms > 0 ? g.true_ms + g.off_ms : 0;
}

static void process_start(void)
{
    static const struct lg_hash chain = {{7}};

    gw_witness_core_init(&g.core, &chain);
    g.start_wall_ms = our_wall();
    g.start_run_ms = g.run_ms;
}

static int setup(void **state)
{
    (void)state;
    memset(&g, 0, sizeof g);
    g.true_ms = START;
    g.run_ms = 5000;
    g.tip_ms = START - SG_MINUTE_MS;
    g.acknowledged = true;
    process_start();
    return 0;
}

static bool trusted(sg_ms wall)
{
    struct gw_trust_view v = {.max_future_ms = MAX_FUTURE,
        .wall_ms = wall,
        .run_ms = g.run_ms,
        .start_wall_ms = g.start_wall_ms,
        .start_run_ms = g.start_run_ms,
        .tip_ms = g.tip_ms,
        .peers = g.peers};

    if (gw_trust_agrees(g.true_ms, wall, wall, MAX_FUTURE))
        v.peers_agree = g.peers;
    v.relay_agrees = g.relay && gw_trust_agrees(g.true_ms, wall, wall, MAX_FUTURE);
    g.trust = gw_trust_judge(&v);
    return g.trust == GW_TRUST_GOOD;
}

/* What the own store knows of earlier statements of this key. */
static struct gw_witness_known known(sg_ms wall)
{
    struct gw_witness_known k = {.slot = -1, .own_slot = -1};

    for (unsigned i = 0; i < g.n; i++) {
        if (!gw_witness_counts(g.said[i].inc, g.acknowledged, wall, MAX_FUTURE))
            continue;
        k.own_inc = g.said[i].inc > k.own_inc ? g.said[i].inc : k.own_inc;
        k.own_slot = g.said[i].slot > k.own_slot ? g.said[i].slot : k.own_slot;
    }
    return k;
}

static void sign(sg_ms wall, sg_minute slot)
{
    struct lg_statement s = {0};
    struct lg_hash leaf = {{0}};

    gw_witness_fill(&g.core, &s, slot);
    for (unsigned i = 0; i < g.n; i++)
        assert_false(g.said[i].inc == s.inc && g.said[i].seq == s.seq);
    assert_true(wall >= (slot + 1) * SG_MINUTE_MS && s.inc <= wall);
    assert_true(!g.acknowledged || g.n == 0 || slot > g.said[g.n - 1].slot);
    assert_in_range(g.n, 0, MAX_SAID - 1);
    g.said[g.n] = (struct said){s.inc, s.seq, slot, wall};
    leaf.b[0] = (uint8_t)++g.n;
    gw_witness_signed(&g.core, &leaf, slot);
    if (g.trust == GW_TRUST_GOOD && g.tip_ms < g.true_ms) /* a block of the others follows */
        g.tip_ms = g.true_ms;
}

static void turn(void)
{
    sg_ms wall = our_wall();
    sg_minute slot = wall / SG_MINUTE_MS - 1;
    struct gw_witness_known k;

    if (g.core.state == GW_WITNESS_IDLE && trusted(wall)) {
        k = known(wall);
        gw_witness_begin(&g.core, &k, wall);
    }
    if (gw_witness_may_sign(&g.core, slot, wall) == 0 && trusted(wall))
        sign(wall, slot);
}

/* Time passes; returns how many statements were signed. */
static unsigned live(sg_ms ms)
{
    unsigned before = g.n;

    for (sg_ms t = 0; t < ms; t += TURN_MS) {
        turn();
        g.true_ms += TURN_MS;
        g.run_ms += TURN_MS;
    }
    return g.n - before;
}

enum company { ALONE, AMONG_OTHERS, WITH_A_RELAY };

struct row {
    const char *name;
    sg_ms by;
    enum company company;
    bool restart; /* when it steps, and when it steps back */
    enum gw_trust trust;
    unsigned
        wrong; /* statements in ten minutes under the wrong clock; an eleventh for the minute that it says has just ended */
    unsigned right; /* and in the ten after it is right again; likewise */
};

/* T1, T5. One row: ten minutes right, the step, ten minutes wrong, the step back, ten minutes right. */
static void play(const struct row *r)
{
    unsigned wrong, right;
    enum gw_trust trust;

    setup(NULL);
    g.peers = r->company == AMONG_OTHERS ? 3 : 0;
    g.relay = r->company == WITH_A_RELAY;
    assert_in_range(live(10 * SG_MINUTE_MS), 10, 11);
    g.off_ms = r->by;
    if (r->restart)
        process_start();
    wrong = live(10 * SG_MINUTE_MS);
    (void)trusted(our_wall());
    trust = g.trust;
    g.off_ms = 0;
    if (r->restart)
        process_start();
    right = live(10 * SG_MINUTE_MS);
    if (trust != r->trust || wrong != r->wrong || right != r->right)
        fail_msg("%s: %s, %u and %u statements", r->name, gw_trust_text(trust), wrong, right);
}

static void clock_that_steps_signs_as_the_table_says(void **state)
{
    static const struct row rows[] = {
        {"T1 +1 s", 1000, AMONG_OTHERS, false, GW_TRUST_GOOD, 10, 10},
        {"T1 -1 s", -1000, AMONG_OTHERS, false, GW_TRUST_GOOD, 10, 10},
        {"T1 +1 h", HOUR, AMONG_OTHERS, false, GW_TRUST_STEPPED, 0, 11},
        {"T1 -1 h", -HOUR, AMONG_OTHERS, false, GW_TRUST_STEPPED, 0, 11},
        {"T1 +1 day", DAY, AMONG_OTHERS, false, GW_TRUST_STEPPED, 0, 11},
        {"T1 -1 day", -DAY, AMONG_OTHERS, false, GW_TRUST_STEPPED, 0, 11},
        {"T1 +10 years", TEN_YEARS, AMONG_OTHERS, false, GW_TRUST_STEPPED, 0, 11},
        {"T1 +1 h, alone", HOUR, ALONE, false, GW_TRUST_STEPPED, 0, 11},
        {"T1 +1 s, restarted", 1000, AMONG_OTHERS, true, GW_TRUST_GOOD, 10, 10},
        {"T1 -1 s, restarted", -1000, AMONG_OTHERS, true, GW_TRUST_GOOD, 10, 10},
        {"T1 +1 h, restarted", HOUR, AMONG_OTHERS, true, GW_TRUST_PEERS, 0, 11},
        {"T1 -1 h, restarted", -HOUR, AMONG_OTHERS, true, GW_TRUST_PEERS, 0, 11},
        {"T1 +1 day, restarted", DAY, AMONG_OTHERS, true, GW_TRUST_PEERS, 0, 11},
        {"T1 +10 years, restarted", TEN_YEARS, AMONG_OTHERS, true, GW_TRUST_PEERS, 0, 11},
        {"T5 1970 at boot", -START, AMONG_OTHERS, true, GW_TRUST_PEERS, 0, 11},
        {"T5 1970 at boot, alone", -START, ALONE, true, GW_TRUST_BEHIND, 0, 11},
        {"T1 -1 h, restarted alone", -HOUR, ALONE, true, GW_TRUST_BEHIND, 0, 11},
        {"T1 -1 day, restarted alone", -DAY, ALONE, true, GW_TRUST_BEHIND, 0, 11},
        {"T1 +1 day, restarted alone", DAY + SG_MINUTE_MS, ALONE, true, GW_TRUST_AHEAD, 0, 11},
        {"T1 +10 years, restarted alone", TEN_YEARS, ALONE, true, GW_TRUST_AHEAD, 0, 11},
        {"T1 +10 years, restarted with a relay", TEN_YEARS, WITH_A_RELAY, true, GW_TRUST_AHEAD, 0, 11},
        /* nobody can tell: it signs an hour ahead, and then not until that hour has come */
        {"T1 +1 h, restarted alone", HOUR, ALONE, true, GW_TRUST_GOOD, 11, 0},
    };

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(rows); i++)
        play(&rows[i]);
}

/* What was signed under a clock an hour ahead and was taken by nobody does not bind: after a restart with the right clock it goes on at once. */
static void clock_ahead_that_nobody_believed_does_not_bind(void **state)
{
    (void)state;
    assert_in_range(live(10 * SG_MINUTE_MS), 10, 11);
    g.off_ms = HOUR;
    g.acknowledged = false;
    process_start();
    assert_int_equal(live(10 * SG_MINUTE_MS), 11);
    g.off_ms = 0;
    process_start();
    assert_int_equal(live(10 * SG_MINUTE_MS), 11);
}

/* T1, T6: steps of a second, to and fro, at every half second around the edges of minutes: one statement a minute, whatever the moment. */
static void clock_that_trembles_at_the_edge_signs_each_slot_once(void **state)
{
    static const sg_ms steps[] = {-1000, 1000, -4000, 4000};

    (void)state;
    for (size_t s = 0; s < SG_ARRAY_LEN(steps); s++) {
        for (sg_ms at = -5000; at <= 5000; at += TURN_MS) {
            unsigned n;

            setup(NULL);
            (void)live(90000 + at); /* 2 minutes after the start of the first, at its edge */
            g.off_ms = steps[s];
            (void)live(2000);
            g.off_ms = 0;
            (void)live(4 * SG_MINUTE_MS - 2000 - at);
            n = g.n;
            assert_in_range(n, 6, 7);
            for (unsigned i = 1; i < n; i++)
                assert_int_equal(g.said[i].slot, g.said[i - 1].slot + 1);
        }
    }
}

/* T2: ten minutes of a process that stood still are ten slots without a statement: it goes on with the newest one, under the next number. */
static void process_that_was_frozen_goes_on_with_the_newest_slot(void **state)
{
    struct said before;

    (void)state;
    (void)live(10 * SG_MINUTE_MS);
    before = g.said[g.n - 1];
    g.true_ms += 10 * SG_MINUTE_MS;
    g.run_ms += 10 * SG_MINUTE_MS;
    assert_in_range(live(2 * SG_MINUTE_MS), 2, 3);
    assert_int_equal(g.said[g.n - 1].inc, before.inc);
    assert_in_range(g.said[g.n - 1].seq - before.seq, 2, 3);
    assert_in_range(g.said[g.n - 1].slot - before.slot, 11, 12);
}

/* T3: a machine whose clocks drift by 500 ppm signs until it is off by max_future_ms, after some three hours, and then no more among others; its wall
 * clock and its monotonic one drift alike, so only they can tell. */
static void clock_that_drifts_signs_until_others_contradict(void **state)
{
    (void)state;
    g.peers = 3;
    for (unsigned minute = 0; minute < 9900 / 60; minute++) {
        g.true_ms += SG_MINUTE_MS;
        g.run_ms += SG_MINUTE_MS + 30;
        g.off_ms += 30;
        assert_true(trusted(g.true_ms + g.off_ms));
    }
    assert_in_range(g.off_ms, 4900, 5000);
    g.off_ms += 60;
    g.run_ms += 60;
    assert_false(trusted(g.true_ms + g.off_ms));
    assert_int_equal(g.trust, GW_TRUST_PEERS);
    assert_int_equal(live(10 * SG_MINUTE_MS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(clock_that_steps_signs_as_the_table_says, setup),
        cmocka_unit_test_setup(clock_ahead_that_nobody_believed_does_not_bind, setup),
        cmocka_unit_test_setup(clock_that_trembles_at_the_edge_signs_each_slot_once, setup),
        cmocka_unit_test_setup(process_that_was_frozen_goes_on_with_the_newest_slot, setup),
        cmocka_unit_test_setup(clock_that_drifts_signs_until_others_contradict, setup),
    };

    return cmocka_run_group_tests_name("gw_clock", tests, NULL, NULL);
}
