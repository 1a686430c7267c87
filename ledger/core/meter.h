/* How far a node has come that fetches a chain, how fast, and when it will have it: figures for people. Pure; one owner. */
#ifndef LG_METER_H
#define LG_METER_H

#include "sg_types.h"

/* So many blocks behind, a node is said to be fetching a chain; fewer are what comes and goes. */
#define LG_METER_BEHIND 10
/* The rate is measured over at least this long. */
#define LG_METER_SPAN_MS 2000

struct lg_meter {
    bool running; /* behind by LG_METER_BEHIND and more when it was looked at first, and not there yet */
    int64_t height, of; /* own height, and the greatest that a peer names: a claim */
    int64_t rate_milli; /* blocks in 1000 s; -1: not measured yet */
    sg_ms begun_ms;     /* mono */
    int64_t begun_height;
    sg_ms mark_ms,
        said_ms; /* mono: begin of the running measurement; the last time that something was said */
    int64_t mark_height;
};

enum lg_meter_says { LG_METER_NOTHING, LG_METER_PROGRESS, LG_METER_DONE };

/* The state now. PROGRESS at most each every_ms, DONE once when the height has been reached (or nobody names a greater one any more). */
enum lg_meter_says lg_meter_step(
    struct lg_meter *m, int64_t height, int64_t of, sg_ms mono_ms, sg_ms every_ms);
/* Seconds to go at this rate; -1: unknown. */
int64_t lg_meter_eta_s(const struct lg_meter *m);

#endif
