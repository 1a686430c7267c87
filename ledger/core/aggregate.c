/* What a minute says about each point: how many samples have it, the least, the middle, the greatest.
 *
 * Everything is integer arithmetic, so that every node and every auditor gets the same digits. Bounds: |x| <= 2^40 and at most
 * 60 < 2^6 samples, so sums stay below 2^46, sums of squares below 2^86, and (2000 * sum)^2 below 2^114: 128 bits hold
 * everything. Refuses nothing: the samples have been judged before. */
#include "lg_record.h"

__extension__ typedef unsigned __int128 u128;

static uint64_t magnitude(int64_t v)
{
    return v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
}

/* floor(sqrt(v)), one bit of the root a turn. */
static uint64_t sqrt64(uint64_t v)
{
    uint64_t root = 0, bit;

    if (v == 0)
        return 0;
    /* the greatest power of four that is not above v */
    for (bit = UINT64_C(1) << ((63 - (unsigned)__builtin_clzll(v)) & ~1u); bit; bit >>= 2) {
        if (v >= root + bit) {
            v -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return root;
}

/* The same for what does not fit into 64 bits; v < 2^118. */
static uint64_t sqrt128(u128 v)
{
    u128 root = 0;

    if (v >> 64 == 0)
        return sqrt64((uint64_t)v);
    for (u128 bit = (u128)1 << 116; bit; bit >>= 2) {
        if (v >= root + bit) {
            v -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return (uint64_t)root;
}

/* The largest k >= 1 with (2k-1)^2 * den <= num, else 0: a root rounded half up, without a fraction anywhere.
 * (2k-1)^2 <= num/den is the same as 2k-1 <= floor(sqrt(floor(num/den))). */
static int64_t half_root(u128 num, u128 den)
{
    return (int64_t)((sqrt128(num / den) + 1) / 2);
}

/* Root of the mean of squares. */
static int64_t rms(u128 squares, uint64_t n)
{
    return half_root(4 * squares, n);
}

/* Mean, half away from zero. */
static int64_t mean(int64_t sum, int64_t n)
{
    int64_t m = (int64_t)((2 * magnitude(sum) + (uint64_t)n) / (2 * (uint64_t)n));

    return sum < 0 ? -m : m;
}

/* The minute's power factor in 1/1000: P / sqrt(P^2 + Q^2) of the sums over the samples that have both. It is no mean of
 * power factors and may lie outside their range. */
static int64_t power_factor(const struct lg_point *point, const struct lg_sample *s, unsigned n)
{
    uint64_t both = UINT64_C(1) << point->of[0] | UINT64_C(1) << point->of[1];
    int64_t p = 0, q = 0, k;
    u128 p2, s2;

    for (unsigned i = 0; i < n; i++) {
        if ((s[i].have & both) == both) {
            p += s[i].x[point->of[0]];
            q += s[i].x[point->of[1]];
        }
    }
    p2 = (u128)magnitude(p) * magnitude(p);
    s2 = p2 + (u128)magnitude(q) * magnitude(q);
    if (s2 == 0)
        return 0;
    k = half_root(p2 * 4000000, s2);
    return p < 0 ? -k : k;
}

static void aggregate_point(struct lg_aggregate *out, const struct lg_profile *profile, unsigned i,
    const struct lg_sample *s, unsigned n)
{
    struct lg_aggregate a = {0, 0, 0, 0};
    int64_t sum = 0, last = 0;
    u128 squares = 0;

    for (unsigned k = 0; k < n; k++) {
        int64_t x = s[k].x[i];

        if (!(s[k].have >> i & 1))
            continue;
        a.min = a.n == 0 || x < a.min ? x : a.min;
        a.max = a.n == 0 || x > a.max ? x : a.max;
        a.n++;
        sum += x;
        squares += (u128)magnitude(x) * magnitude(x);
        last = x;
    }
    if (a.n > 0) {
        switch (profile->points[i].agg) {
        case LG_AGG_RMS:
            a.mid = rms(squares, (uint64_t)a.n);
            break;
        case LG_AGG_MEAN:
            a.mid = mean(sum, a.n);
            break;
        case LG_AGG_PF:
            a.mid = power_factor(&profile->points[i], s, n);
            break;
        case LG_AGG_LAST:
            a.mid = last;
            break;
        }
    }
    *out = a;
}

void lg_aggregate_samples(
    struct lg_aggregate *out, const struct lg_profile *profile, const struct lg_sample *samples, unsigned n)
{
    for (unsigned i = 0; i < profile->npoints; i++)
        aggregate_point(&out[i], profile, i, samples, n);
}
