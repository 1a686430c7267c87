/* The relays of one process: an image each, their common boot, and the text files. Thread: the server loop. */
#ifndef RE_STATION_H
#define RE_STATION_H

#include "relay-emulator/core/image.h"
#include "sg_err.h"
#include "sg_types.h"

struct re_station;

struct re_station_conf {
    uint64_t seed;
    bool seed_hidden;
    unsigned relays;      /* 1..RE_UNIT_MAX: units 1..relays */
    const char *text_dir; /* NULL: no text files; borrowed for the call */
    int utc_offset_min;
    sg_ms boot_ms;
};

/* Boot all relays. SG_ENOMEM, SG_ECLOCK (a date that the registers cannot hold), SG_EIO or SG_ELOCKED (text folder)
 * with a fault. */
SG_MUST_USE int re_station_new(
    struct re_station **out, const struct re_station_conf *conf, struct sg_fault *fault);
void re_station_free(struct re_station *st);

/* Let every relay see the time. */
void re_station_tick(struct re_station *st, sg_ms now_ms);
/* The instant of the next latch. */
sg_ms re_station_next_ms(const struct re_station *st);

unsigned re_station_relays(const struct re_station *st);
uint32_t re_station_boot_id(const struct re_station *st);
/* unit: 1..relays. Borrowed. */
const struct re_image *re_station_image(const struct re_station *st, uint8_t unit);

#endif
