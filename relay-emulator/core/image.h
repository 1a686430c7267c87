/* The register image of one relay: what every address holds, and the only rules by which it changes.
 *
 * Time comes in as an argument of re_image_tick; a read never changes anything.
 *
 *   latch      every 10 s of UTC. All of 200..233 is replaced at once.
 *   minute     FRAME and RING are replaced at once when a UTC minute has ended; the latch at second 0 publishes
 *              the minute that ended and opens the new one.
 *   boot       nothing exists from before it. A sample whose instant lies before the boot is missing: QUAL 0, zeros.
 *              Until the first latch the live block has SEQ 0 and QUAL 0; until the first end of a minute FRAME is
 *              all zeros (MINUTE 0). A minute in which the boot fell is served with the samples after it.
 *   late       a latch is taken up to RE_LATE_MS after its instant. Later (the process was stopped, the clock
 *              stepped forward) the sample is missing, and so is every sample whose period passed unseen; none is
 *              made up afterwards, and their openings are not counted. The live block keeps the last latch.
 *   no sample  a minute without any sample has FRAME with MINUTE and UTC_S, no openings and six missing samples; its
 *              RING slot is missing (status 0, zeros), and so are the slots of minutes that passed unseen.
 *   back       when the clock shows a time before the last latch nothing is rewritten and SEQ stays. TIME_Q shows
 *              b12, clock failure, at once (the one register that may change between latches) and until the first
 *              latch after time has caught up. A time that 32-bit seconds cannot hold is a clock failure too.
 *
 * Pure. Thread: one owner. */
#ifndef RE_IMAGE_H
#define RE_IMAGE_H

#include "sg_err.h"
#include "sg_regmap.h"
#include "sg_types.h"

/* Half a period: a later sample would lie nearer to the next latch than to its own. */
#define RE_LATE_MS (SG_PERIOD_MS / 2)

/* First address after the last area that exists. */
#define RE_MAP_END (SG_EVT_BASE + SG_EVT_STRIDE * SG_EVT_RING_LEN)

/* Unit identifiers of a relay on TCP (Modbus Messaging on TCP/IP V1.0b, 4.4.2.1). */
enum { RE_UNIT_MIN = 1, RE_UNIT_MAX = 247 };

/* What re_image_tick reports: bits. */
enum {
    RE_TICK_LATCH = 1 << 0,  /* the live block is new */
    RE_TICK_MINUTE = 1 << 1, /* FRAME and RING are new */
};

struct re_boot {
    uint64_t seed;
    bool seed_hidden; /* SEED reads all ones */
    uint8_t unit;     /* RE_UNIT_MIN..RE_UNIT_MAX */
    uint32_t boot_id;
    sg_ms boot_ms;
};

struct re_image {
    uint16_t regs[RE_MAP_END];       /* host order, by address; holes stay 0 and are never served */
    uint16_t running[SG_FRAME_REGS]; /* FRAME of the minute that runs */
    uint64_t seed;
    int64_t last;     /* newest sample index that is latched or given up */
    sg_minute minute; /* of `running` */
    uint32_t open_cum;
    uint8_t unit;
};

/* Fill the header and an empty map. Returns SG_EINVAL when unit or boot_ms is out of its range. */
SG_MUST_USE int re_image_boot(struct re_image *im, const struct re_boot *boot);

/* Let the image see the time. Returns RE_TICK_ bits, 0 when nothing was due. Cheap when nothing is due. */
unsigned re_image_tick(struct re_image *im, sg_ms now_ms);

/* The instant of the next latch. */
sg_ms re_image_next_ms(const struct re_image *im);

/* True when every address of addr .. addr+count-1 exists in the map. count >= 1. */
bool re_image_has(uint32_t addr, uint32_t count);

/* The registers at addr, borrowed until the next tick; NULL when an address of the range does not exist. */
const uint16_t *re_image_at(const struct re_image *im, uint32_t addr, uint32_t count);

/* Name of unit k: "Relay k". dst holds at least RE_DEVICE_SIZE bytes. */
#define RE_DEVICE_SIZE 32
void re_image_device(char *dst, uint8_t unit);
/* Name of the substation, static. */
const char *re_image_substation(void);

#endif
