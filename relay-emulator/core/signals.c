/* Seeded, counter-based signals of mode `paper`.
 *
 * Invariant: no function here keeps state or looks at anything but its arguments. The mixing function is the
 * finaliser of SplitMix64 (Steele, Lea, Flood 2014), applied once for each of the four arguments; it is a
 * bijection on 64 bits, so samples with different indices never share their bits by construction. It is no
 * cipher: who sees values may find the seed, which is why hiding SEED is a matter of presentation only. */
#include "relay-emulator/core/signals.h"

enum { VAR_OPENINGS = SG_POINTS, VAR_OPENING_LATCH };

static uint64_t mix(uint64_t z)
{
    z += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint64_t re_signals_bits(uint64_t seed, uint8_t unit, uint32_t index, uint32_t variable)
{
    uint64_t h = mix(seed);
    h = mix(h ^ unit);
    h = mix(h ^ index);
    return mix(h ^ variable);
}

/* A real number uniform in [lo, hi), rounded to the nearest count: the end values come half as often, as they do
 * when a uniform real number is rounded to three decimals. hi - lo < 2^31, so nothing overflows. */
static int32_t uniform_rounded(uint64_t bits, int32_t lo, int32_t hi)
{
    uint64_t span = (uint64_t)((int64_t)hi - lo);
    uint64_t half = UINT64_C(1) << 31;
    return (int32_t)(lo + (int64_t)(((bits >> 32) * span + half) >> 32));
}

/* An integer uniform in 0..n-1. */
static uint32_t uniform_below(uint64_t bits, uint32_t n)
{
    return (uint32_t)(((bits >> 32) * n) >> 32);
}

/* SPEC section 3: V 109..118 kV, I 0..50 A, F 59..61 Hz, PF 0..1, P and Q 0..700 kW and kvar, three decimals each. */
static const struct {
    int32_t lo, hi;
} ranges[SG_POINTS] = {
    {109000, 118000}, {109000, 118000}, {109000, 118000}, /* Vab Vbc Vca, V */
    {0, 50000}, {0, 50000}, {0, 50000},                   /* Ia Ib Ic, mA */
    {59000, 61000},                                       /* F, mHz */
    {0, 1000},                                            /* PF, 1/1000 */
    {0, 700000}, {0, 700000},                             /* P W, Q var */
};

void re_signals_sample(struct re_sample *out, uint64_t seed, uint8_t unit, uint32_t index)
{
    for (uint32_t v = 0; v < SG_POINTS; v++)
        out->x[v] = uniform_rounded(re_signals_bits(seed, unit, index, v), ranges[v].lo, ranges[v].hi);
}

/* The minute's total is drawn at its first index; each opening then picks its latch. */
uint16_t re_signals_openings(uint64_t seed, uint8_t unit, uint32_t index)
{
    uint32_t first = index - index % SG_SAMPLES_A_MIN;
    uint32_t slot = index % SG_SAMPLES_A_MIN;
    uint32_t total = uniform_below(re_signals_bits(seed, unit, first, VAR_OPENINGS), RE_OPENINGS_MAX + 1);
    uint16_t here = 0;
    for (uint32_t k = 0; k < total; k++)
        if (uniform_below(re_signals_bits(seed, unit, first, VAR_OPENING_LATCH + k), SG_SAMPLES_A_MIN) ==
            slot)
            here++;
    return here;
}
