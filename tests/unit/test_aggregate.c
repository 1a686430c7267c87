/* Aggregates of a minute against the worked cases and against their definition. */
#include "lg_record.h"
#include "tests/lib/vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

__extension__ typedef unsigned __int128 u128;

/* A genesis whose only profile has these points. */
static struct lg_genesis *genesis_of_points(json_t *points)
{
    json_t *doc = vec_load("chain.json");
    struct lg_genesis *g;

    json_object_set(json_array_get(vec_get(vec_get(doc, "genesis"), "profiles"), 0), "points", points);
    g = vec_genesis(vec_get(doc, "genesis"));
    json_decref(doc);
    return g;
}

static unsigned read_samples(struct lg_sample *out, json_t *rows, unsigned npoints)
{
    json_t *row;
    size_t i;

    json_array_foreach(rows, i, row)
    {
        assert_true(i < LG_MAX_SAMPLES);
        assert_int_equal(json_array_size(row), 3 + npoints);
        out[i] = (struct lg_sample){.t_ms = (uint16_t)json_integer_value(json_array_get(row, 0)),
            .qual = (uint16_t)json_integer_value(json_array_get(row, 1)),
            .have = (uint64_t)json_integer_value(json_array_get(row, 2))};
        for (unsigned k = 0; k < npoints; k++)
            out[i].x[k] = json_integer_value(json_array_get(row, 3 + k));
    }
    return (unsigned)json_array_size(rows);
}

static void check_case(json_t *test, const struct lg_profile *p)
{
    struct lg_sample samples[LG_MAX_SAMPLES];
    struct lg_aggregate agg[LG_MAX_POINTS];
    unsigned n = read_samples(samples, vec_get(test, "samples"), p->npoints);

    assert_int_equal(json_object_size(vec_get(test, "agg")), p->npoints);
    lg_aggregate_samples(agg, p, samples, n);
    for (unsigned i = 0; i < p->npoints; i++) {
        json_t *want = vec_get(vec_get(test, "agg"), p->points[i].name);

        assert_int_equal(agg[i].n, json_integer_value(json_array_get(want, 0)));
        assert_int_equal(agg[i].min, json_integer_value(json_array_get(want, 1)));
        assert_int_equal(agg[i].mid, json_integer_value(json_array_get(want, 2)));
        assert_int_equal(agg[i].max, json_integer_value(json_array_get(want, 3)));
    }
}

/* Every case of the vectors is reproduced, with the paper's points and with others. */
static void aggregate_reproduces_vectors(void **state)
{
    json_t *doc = vec_load("aggregate.json"), *test;
    struct lg_genesis *g = genesis_of_points(vec_get(doc, "points"));
    size_t i;

    (void)state;
    assert_int_equal(json_array_size(vec_get(doc, "cases")), 10);
    json_array_foreach(vec_get(doc, "cases"), i, test) check_case(test, &g->profiles[0]);
    lg_genesis_free(g);
    json_array_foreach(vec_get(doc, "other_points"), i, test)
    {
        g = genesis_of_points(vec_get(test, "points"));
        check_case(test, &g->profiles[0]);
        lg_genesis_free(g);
    }
    json_decref(doc);
}

static uint64_t next_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

/* The value of a root is the largest k >= 1 with (2k-1)^2 n <= 4 sum, or 0: checked as it is defined, at every scale. */
static void rms_is_largest_k_of_definition(void **state)
{
    const struct lg_profile *p = lg_profile_paper();
    uint64_t seed = 88172645463325252u;

    (void)state;
    for (unsigned round = 0; round < 3000; round++) {
        struct lg_sample s[LG_MAX_SAMPLES] = {{0}};
        struct lg_aggregate agg[LG_MAX_POINTS];
        unsigned n = 1 + (unsigned)(next_random(&seed) % 60), bits = (unsigned)(next_random(&seed) % 41);
        u128 sum = 0;

        for (unsigned i = 0; i < n; i++) {
            s[i].have = 1;
            s[i].x[0] = (int64_t)(next_random(&seed) & ((UINT64_C(1) << bits) - 1));
            if (next_random(&seed) & 1)
                s[i].x[0] = -s[i].x[0];
            sum += (u128)(uint64_t)llabs(s[i].x[0]) * (uint64_t)llabs(s[i].x[0]);
        }
        lg_aggregate_samples(agg, p, s, n);
        for (int64_t k = agg[0].mid, step = 0; step < 2; step++, k++) {
            u128 odd = 2 * (u128)(uint64_t)k - 1;
            bool holds = k >= 1 && odd * odd * n <= 4 * sum;

            assert_int_equal(holds, step == 0 && k >= 1);
        }
    }
}

/* The power factor has the sign of the active power and lies between -1000 and 1000; without power it is 0. */
static void power_factor_is_largest_k_of_definition(void **state)
{
    const struct lg_profile *p = lg_profile_paper();
    uint64_t seed = 7;

    (void)state;
    for (unsigned round = 0; round < 3000; round++) {
        struct lg_sample s = {.have = 0x3ff};
        struct lg_aggregate agg[LG_MAX_POINTS];
        unsigned bits = (unsigned)(next_random(&seed) % 41);
        uint64_t mask = (UINT64_C(1) << bits) - 1;
        u128 d, num;
        int64_t k;

        s.x[8] = (int64_t)(next_random(&seed) & mask) - (int64_t)(mask / 2);
        s.x[9] = (int64_t)(next_random(&seed) & mask) - (int64_t)(mask / 2);
        lg_aggregate_samples(agg, p, &s, 1);
        k = agg[7].mid;
        assert_in_range(k + 1000, 0, 2000);
        assert_true(k == 0 || (k < 0) == (s.x[8] < 0));
        k = llabs(k);
        num = (u128)(2000 * (uint64_t)llabs(s.x[8])) * (2000 * (uint64_t)llabs(s.x[8]));
        d = (u128)(uint64_t)llabs(s.x[8]) * (uint64_t)llabs(s.x[8]) +
            (u128)(uint64_t)llabs(s.x[9]) * (uint64_t)llabs(s.x[9]);
        if (d == 0)
            continue;
        assert_true(k == 0 || (u128)((2 * k - 1) * (2 * k - 1)) * d <= num);
        assert_false((u128)((2 * k + 1) * (2 * k + 1)) * d <= num);
    }
}

/* No sample has the point: four zeros. */
static void absent_point_is_four_zeros(void **state)
{
    const struct lg_profile *p = lg_profile_paper();
    struct lg_sample s = {.have = 0x3fe, .x = {0, 5, 5, 5, 5, 5, 5, 5, 5, 5}};
    struct lg_aggregate agg[LG_MAX_POINTS];

    (void)state;
    lg_aggregate_samples(agg, p, &s, 1);
    assert_memory_equal(&agg[0], &(struct lg_aggregate){0}, sizeof agg[0]);
    assert_int_equal(agg[1].n, 1);
    s.have = 0x37f; /* power factor unknown, P and Q known */
    lg_aggregate_samples(agg, p, &s, 1);
    assert_memory_equal(&agg[7], &(struct lg_aggregate){0}, sizeof agg[7]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aggregate_reproduces_vectors),
        cmocka_unit_test(rms_is_largest_k_of_definition),
        cmocka_unit_test(power_factor_is_largest_k_of_definition),
        cmocka_unit_test(absent_point_is_four_zeros),
    };

    return cmocka_run_group_tests_name("aggregate", tests, NULL, NULL);
}
