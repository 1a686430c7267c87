/* The relays of one process.
 *
 * Invariant: all images have seen the same times, so all latches of one instant happen before any request that is
 * answered after it. Refuses: a boot at a time that the registers cannot hold. */
#include "relay-emulator/station.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

#include "relay-emulator/fault.h"
#include "relay-emulator/textfile.h"

struct re_station {
    unsigned relays;
    uint32_t boot_id;
    struct re_textfile *text; /* NULL: none */
    struct re_image images[]; /* of unit 1, 2, .. */
};

static int boot_images(struct re_station *st, const struct re_station_conf *conf, struct sg_fault *fault)
{
    if (getrandom(&st->boot_id, sizeof st->boot_id, 0) != (ssize_t)sizeof st->boot_id)
        return re_fail(fault, SG_EIO, "boot", "no random numbers from the system");
    for (unsigned i = 0; i < st->relays; i++) {
        const struct re_boot boot = {.seed = conf->seed,
            .seed_hidden = conf->seed_hidden,
            .unit = (uint8_t)(i + 1),
            .boot_id = st->boot_id,
            .boot_ms = conf->boot_ms};
        if (re_image_boot(&st->images[i], &boot))
            return re_fail(fault, SG_ECLOCK, "boot",
                "the clock shows a date that the registers cannot hold (1970..2106)");
    }
    return 0;
}

static int start_text(struct re_station *st, const struct re_station_conf *conf, struct sg_fault *fault)
{
    const struct re_textfile_conf text = {.dir = conf->text_dir,
        .relays = conf->relays,
        .utc_offset_min = conf->utc_offset_min,
        .boot_ms = conf->boot_ms};
    int err = re_textfile_start(&st->text, &text, fault);
    for (unsigned i = 0; !err && i < st->relays; i++)
        re_textfile_capture(st->text, (uint8_t)(i + 1), st->images[i].running);
    return err;
}

int re_station_new(struct re_station **out, const struct re_station_conf *conf, struct sg_fault *fault)
{
    assert(conf->relays >= RE_UNIT_MIN && conf->relays <= RE_UNIT_MAX);
    struct re_station *st = calloc(1, sizeof *st + conf->relays * sizeof st->images[0]);
    if (!st)
        return re_fail(fault, SG_ENOMEM, "boot", sg_err_text(SG_ENOMEM));
    st->relays = conf->relays;
    int err = boot_images(st, conf, fault);
    if (!err && conf->text_dir)
        err = start_text(st, conf, fault);
    if (err) {
        re_station_free(st);
        return err;
    }
    *out = st;
    return 0;
}

void re_station_free(struct re_station *st)
{
    if (!st)
        return;
    re_textfile_stop(st->text);
    free(st);
}

/* True when the relay was there for a latch of the minute. */
static bool has_sample(const uint16_t *frame)
{
    for (size_t i = 0; i < SG_SAMPLES_A_MIN; i++) {
        if (frame[SG_FRAME_RECORDS + i * SG_REC20_REGS + SG_REC_QUAL])
            return true;
    }
    return false;
}

/* The minute that ended is `running` until the tick changes it: FRAME may already show a later one that passed
 * unseen, and that has no file. */
static void tick_with_text(struct re_station *st, unsigned i, sg_ms now_ms)
{
    struct re_image *im = &st->images[i];
    uint8_t unit = (uint8_t)(i + 1);
    uint16_t ended[SG_FRAME_REGS];
    if (now_ms < re_image_next_ms(im)) {
        (void)re_image_tick(im, now_ms);
        return;
    }
    for (size_t r = 0; r < SG_FRAME_REGS; r++)
        ended[r] = im->running[r];
    unsigned ticks = re_image_tick(im, now_ms);
    if (ticks & RE_TICK_MINUTE && has_sample(ended))
        re_textfile_publish(st->text, unit, ended);
    if (ticks)
        re_textfile_capture(st->text, unit, im->running);
}

void re_station_tick(struct re_station *st, sg_ms now_ms)
{
    sg_ms next_ms = re_station_next_ms(st);
    if (now_ms < next_ms && now_ms >= next_ms - SG_PERIOD_MS) /* the usual case: between two latches */
        return;
    for (unsigned i = 0; i < st->relays; i++) {
        if (st->text)
            tick_with_text(st, i, now_ms);
        else
            (void)re_image_tick(&st->images[i], now_ms);
    }
}

sg_ms re_station_next_ms(const struct re_station *st)
{
    return re_image_next_ms(&st->images[0]);
}

unsigned re_station_relays(const struct re_station *st)
{
    return st->relays;
}

uint32_t re_station_boot_id(const struct re_station *st)
{
    return st->boot_id;
}

const struct re_image *re_station_image(const struct re_station *st, uint8_t unit)
{
    assert(unit >= RE_UNIT_MIN && unit <= st->relays);
    return &st->images[unit - 1];
}
