/* What this process saw live, and what it makes of a minute.
 *
 * A window remembers the newest latches by SEQ. When a minute is over, its body is FRAME's content (or RING's), whatever
 * was caught live; the window says how many of its samples were seen as they were latched and identical, and refuses a
 * FRAME that contradicts one.
 * Pure. Thread: one owner. */
#ifndef GW_WINDOW_H
#define GW_WINDOW_H

#include "gateway/core/decode.h"
#include "gateway/core/outcome.h"

/* Four minutes: the one that runs, the one being closed, and slack for a relay that is ahead. */
#define GW_WINDOW_LATCHES (4 * SG_SAMPLES_A_MIN)

struct gw_window {
    struct gw_seen {
        bool used;
        bool contradicted; /* the relay showed two records for one latch */
        uint32_t seq, boot_id;
        uint16_t rec[SG_REC20_REGS];
    } seen[GW_WINDOW_LATCHES]; /* by seq modulo the size */
};

void gw_window_init(struct gw_window *w);
/* Remember a latch that was read while it was the relay's newest. l->has_sample.
 * 0: new; SG_EKNOWN: seen before, the same; SG_ECONFLICT: seen before with another content, and remembered as such. */
SG_MUST_USE int gw_window_add(struct gw_window *w, const struct gw_latch *l);

/* A minute's frame compared with what was seen since the boot that h names. */
struct gw_match {
    uint8_t taken; /* bit i: sample i is valid and not older than the boot */
    uint8_t live;  /* number of those that were seen live and are identical */
    bool differs;  /* a live sample of this boot is missing or different in the frame */
};
void gw_window_match(
    struct gw_match *out, const struct gw_window *w, const struct gw_header *h, const struct gw_frame *f);

/* True when every latch of the minute lies before the boot: nothing of it can be left in the relay. */
bool gw_minute_wiped(const struct gw_header *h, sg_minute min);

/* The outcome of a minute from its frame: a body, or a gap `stopped`, `nosample`, or `malformed` with alarm when a live
 * sample differs. SG_ENOMEM: no outcome is made. On success the caller owns out->doc. */
SG_MUST_USE int gw_window_outcome(struct gw_outcome *out, const struct gw_window *w, unsigned relay_index,
    const struct lg_relay *relay, const struct gw_header *h, const struct gw_frame *f);

/* A gap. */
void gw_outcome_gap(
    struct gw_outcome *out, unsigned relay_index, sg_minute min, enum lg_reason reason, bool alarm);

#endif
