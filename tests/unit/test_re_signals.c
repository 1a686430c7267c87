/* The paper mode's signals: ranges, distribution, independence, and that nothing but the arguments counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "relay-emulator/core/signals.h"

enum { VAB, VBC, VCA, IA, IB, IC, F, PF, P, Q };

static const int32_t lo[SG_POINTS] = {109000, 109000, 109000, 0, 0, 0, 59000, 0, 0, 0};
static const int32_t hi[SG_POINTS] = {
    118000, 118000, 118000, 50000, 50000, 50000, 61000, 1000, 700000, 700000};

/* The same arguments always give the same sample, and each of them changes it. */
static void signals_same_arguments_give_same_sample(void **state)
{
    struct re_sample a, b;
    (void)state;
    re_signals_sample(&a, 7, 1, 178000000);
    re_signals_sample(&b, 7, 1, 178000000);
    assert_memory_equal(&a, &b, sizeof a);
    re_signals_sample(&b, 8, 1, 178000000);
    assert_memory_not_equal(&a, &b, sizeof a);
    re_signals_sample(&b, 7, 2, 178000000);
    assert_memory_not_equal(&a, &b, sizeof a);
    re_signals_sample(&b, 7, 1, 178000001);
    assert_memory_not_equal(&a, &b, sizeof a);
}

/* The values of a seed are part of what replicas agree on: a change of the generator must not go unnoticed. */
static void signals_known_seed_gives_known_sample(void **state)
{
    static const int32_t want[SG_POINTS] = {
        114149, 113948, 111135, 29577, 33709, 16218, 60337, 997, 222330, 395995};
    struct re_sample s;
    (void)state;
    re_signals_sample(&s, 1, 1, 163280886);
    for (int v = 0; v < SG_POINTS; v++)
        assert_int_equal(s.x[v], want[v]);
}

/* Every value lies in the range of its variable, both ends are near, and the mean is the middle (5 sigma). */
static void signals_many_samples_fill_their_ranges_evenly(void **state)
{
    enum { N = 20000 };
    (void)state;
    for (int v = 0; v < SG_POINTS; v++) {
        int64_t sum = 0;
        int32_t min = INT32_MAX, max = INT32_MIN;
        for (uint32_t i = 0; i < N; i++) {
            struct re_sample s;
            re_signals_sample(&s, 99, 3, 1000 + i);
            sum += s.x[v];
            min = s.x[v] < min ? s.x[v] : min;
            max = s.x[v] > max ? s.x[v] : max;
        }
        int32_t span = hi[v] - lo[v];
        assert_in_range(min - lo[v], 0, span / 500);
        assert_in_range(hi[v] - max, 0, span / 500);
        double mean = (double)sum / N - lo[v];
        assert_true(mean > span * (0.5 - 0.0103) && mean < span * (0.5 + 0.0103));
    }
}

/* Rounding reaches both end values: power factor 0.000 and 1.000 both occur. */
static void signals_power_factor_reaches_both_ends(void **state)
{
    int zeros = 0, ones = 0;
    (void)state;
    for (uint32_t i = 0; i < 30000; i++) {
        struct re_sample s;
        re_signals_sample(&s, 5, 1, i);
        zeros += s.x[PF] == 0;
        ones += s.x[PF] == 1000;
    }
    assert_in_range(zeros, 1, 45);
    assert_in_range(ones, 1, 45);
}

/* Openings of a minute: 0..28, each total occurs about equally often, and some latch of six takes each. */
static void signals_openings_of_minutes_are_uniform(void **state)
{
    enum { MINUTES = 29 * 400 };
    int totals[RE_OPENINGS_MAX + 1] = {0};
    int64_t slots[SG_SAMPLES_A_MIN] = {0}, all = 0;
    (void)state;
    for (uint32_t m = 0; m < MINUTES; m++) {
        unsigned total = 0;
        for (uint32_t i = 0; i < SG_SAMPLES_A_MIN; i++) {
            uint16_t here = re_signals_openings(42, 1, m * SG_SAMPLES_A_MIN + i);
            total += here;
            slots[i] += here;
        }
        assert_in_range(total, 0, RE_OPENINGS_MAX);
        totals[total]++;
        all += total;
    }
    for (int t = 0; t <= RE_OPENINGS_MAX; t++)
        assert_in_range(totals[t], 300, 500);
    for (int i = 0; i < SG_SAMPLES_A_MIN; i++)
        assert_in_range(slots[i] * 600 / all, 97, 103);
}

/* Variables, units and neighbouring samples do not move together: |correlation| < 0.04 (5 sigma of 20,000). */
static void signals_variables_units_and_neighbours_are_uncorrelated(void **state)
{
    enum { N = 20000 };
    double vv = 0, uu = 0, nn = 0;
    (void)state;
    for (uint32_t i = 0; i < N; i++) {
        struct re_sample a, b, c;
        re_signals_sample(&a, 11, 1, i);
        re_signals_sample(&b, 11, 2, i);
        re_signals_sample(&c, 11, 1, i + 1);
        double x = (a.x[VAB] - 113500) / 4500.0;
        vv += x * (a.x[VBC] - 113500) / 4500.0;
        uu += x * (b.x[VAB] - 113500) / 4500.0;
        nn += x * (c.x[VAB] - 113500) / 4500.0;
    }
    const double got[] = {vv, uu, nn};
    for (int k = 0; k < 3; k++) /* E[x^2] = 1/3 */
        assert_true(got[k] * 3 / N < 0.04 && got[k] * 3 / N > -0.04);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals_same_arguments_give_same_sample),
        cmocka_unit_test(signals_known_seed_gives_known_sample),
        cmocka_unit_test(signals_many_samples_fill_their_ranges_evenly),
        cmocka_unit_test(signals_power_factor_reaches_both_ends),
        cmocka_unit_test(signals_openings_of_minutes_are_uniform),
        cmocka_unit_test(signals_variables_units_and_neighbours_are_uncorrelated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
