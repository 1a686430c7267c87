/* The signals of mode `paper`: every value is a pure function of (seed, unit, sample index, variable).
 *
 * Counter-based: there is no state, so any sample can be computed at any time and in any order, and two
 * emulators with one seed agree wherever both are running. Pure. Thread: any. SPEC section 3, "Mode paper". */
#ifndef RE_SIGNALS_H
#define RE_SIGNALS_H

#include "sg_regmap.h"
#include "sg_types.h"

/* Openings caused by faults in one minute: 0..RE_OPENINGS_MAX. */
#define RE_OPENINGS_MAX 28

/* One sample of the electrical variables as counts, in the order of SG_REGMAP_REC20: V, mA, mHz, 1/1000, W, var. */
struct re_sample {
    int32_t x[SG_POINTS];
};

/* 64 bits that depend on all four arguments. index: floor(Unix ms / 10000); variable: 0..SG_POINTS-1 are the
 * points, higher numbers belong to this module. */
uint64_t re_signals_bits(uint64_t seed, uint8_t unit, uint32_t index, uint32_t variable);

/* The sample latched at index * 10 s. */
void re_signals_sample(struct re_sample *out, uint64_t seed, uint8_t unit, uint32_t index);

/* Openings credited at the latch of this index. Over the six latches of a UTC minute they add up to one value
 * that is uniform in 0..RE_OPENINGS_MAX. */
uint16_t re_signals_openings(uint64_t seed, uint8_t unit, uint32_t index);

#endif
