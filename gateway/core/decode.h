/* From registers to meaning: the header, the live block, a minute, a sample.
 *
 * A decoder accepts what a relay of this map can send and nothing else; it does not judge whether a value is plausible:
 * a witness passes on what the relay says. Pure. Thread: any. */
#ifndef GW_DECODE_H
#define GW_DECODE_H

#include "lg_record.h"
#include "sg_err.h"
#include "sg_regmap.h"

struct gw_header {
    uint16_t map_ver, per_min, period_s, ring_min, evt_ring, mode;
    uint64_t seed;     /* all ones: hidden */
    uint32_t boot_utc; /* s */
    uint32_t boot_id;
    char device[33];
    char substation[65];
    int16_t v_exp, i_exp, f_exp, pf_exp, p_exp, q_exp;
    uint32_t v_nom; /* V */
    uint16_t f_nom; /* mHz */
};

/* SG_EIDENTITY when this is no relay of this map: MAGIC, MAP_VER or a shape that the map fixes, texts that are not UTF-8
 * padded with NUL. Out on success only. */
SG_MUST_USE int gw_header_decode(struct gw_header *out, const uint16_t regs[static SG_HEADER_REGS]);
/* NULL when the relay is the one that the genesis names and scales as its profile says; otherwise a static text that
 * names what differs ("DEVICE"): the caller's SG_EIDENTITY. */
const char *gw_header_difference(const struct gw_header *h, const struct lg_relay *relay);

struct gw_latch {
    bool has_sample; /* false until the first latch after a boot */
    uint32_t seq;    /* UTC_S / 10 */
    uint32_t utc_s;
    uint16_t time_q; /* SG_TIMEQ_* */
    uint32_t boot_id;
    uint32_t open_cum;
    uint16_t open_min, brk;
    uint16_t rec[SG_REC20_REGS];
};

/* SG_EMALFORMED: SEQ is not SEQ2 (a torn read), not the index of UTC_S, or the record is none of that instant. */
SG_MUST_USE int gw_latch_decode(struct gw_latch *out, const uint16_t regs[static SG_LIVE_REGS]);

/* FRAME or a slot of RING. */
struct gw_frame {
    sg_minute min; /* 0 with no valid sample: there is none yet */
    uint16_t openings;
    uint8_t valid; /* bit i: rec[i] is a valid sample; what is not valid is missing */
    uint16_t rec[SG_SAMPLES_A_MIN][SG_REC20_REGS];
};

/* SG_EMALFORMED: UTC_S is not MINUTE x 60, a record is not of its place, a missing one is not zeros. */
SG_MUST_USE int gw_frame_decode(struct gw_frame *out, const uint16_t regs[static SG_FRAME_REGS]);
/* tail: status and CRC of a ring slot, regs its frame. SG_ENOT_FOUND when the slot is empty; SG_EMALFORMED when the CRC
 * does not fit (the slot changed between the two reads) or the status is neither 0 nor 1. */
SG_MUST_USE int gw_ring_check(const uint16_t regs[static SG_FRAME_REGS], const uint16_t tail[static 3]);
/* The status alone, before the frame is read: 0, SG_ENOT_FOUND, SG_EMALFORMED. */
SG_MUST_USE int gw_ring_status(const uint16_t tail[static 3]);

/* A valid record by the columns of a profile: points by name; a point that the map does not know, and an undefined power
 * factor, have no value. */
void gw_sample_of_record(
    struct lg_sample *out, const uint16_t rec[static SG_REC20_REGS], const struct lg_profile *profile);

#endif
