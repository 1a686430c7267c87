/* The register image of one relay.
 *
 * Invariant: after every call SEQ equals SEQ2, SEQ never decreases, FRAME and every RING slot are whole minutes
 * older than the one that runs, and the CRC of a slot with status 1 is right. The rules stand in image.h.
 * Refuses: units outside 1..247 and a boot before 1970 or beyond 32-bit seconds. */
#include "relay-emulator/core/image.h"

#include <assert.h>
#include <string.h>

#include "relay-emulator/core/signals.h"

static const struct {
    uint16_t first, count;
} areas[] = {
    {0, SG_HEADER_REGS},
    {SG_LIVE_BASE, SG_LIVE_REGS},
    {SG_FRAME_BASE, SG_FRAME_REGS},
    {SG_RING_BASE, SG_RING_STRIDE *SG_RING_MINUTES},
    {SG_EVT_LAST, SG_EVT_BASE - SG_EVT_LAST + SG_EVT_STRIDE *SG_EVT_RING_LEN},
};

/* Where the points of a sample lie in REC20, in the order of struct re_sample. */
static const struct {
    uint8_t offset, count;
} points[] = {
#define POINT_(name, off, regs, type, point, meaning) {(off), sizeof(point) > 1 ? (regs) : 0},
    SG_REGMAP_REC20(POINT_)
#undef POINT_
};

bool re_image_has(uint32_t addr, uint32_t count)
{
    for (size_t i = 0; i < SG_ARRAY_LEN(areas); i++)
        if (addr >= areas[i].first && addr - areas[i].first < areas[i].count)
            return count <= areas[i].count - (addr - areas[i].first);
    return false;
}

const uint16_t *re_image_at(const struct re_image *im, uint32_t addr, uint32_t count)
{
    return re_image_has(addr, count) ? im->regs + addr : NULL;
}

void re_image_device(char *dst, uint8_t unit)
{
    char *p = dst + strlen(strcpy(dst, "Relay "));
    if (unit >= 100)
        *p++ = (char)('0' + unit / 100);
    if (unit >= 10)
        *p++ = (char)('0' + unit / 10 % 10);
    *p++ = (char)('0' + unit % 10);
    *p = 0;
}

const char *re_image_substation(void)
{
    return "Bogot\xC3\xA1 Electrical Substation - U.D.";
}

/* Two bytes a register, NUL padded; the registers are zero before. */
static void put_text(uint16_t *r, size_t regs, const char *text)
{
    size_t n = strlen(text);
    assert(n <= 2 * regs);
    for (size_t i = 0; i < n; i++)
        r[i / 2] = (uint16_t)(r[i / 2] | (uint16_t)((unsigned)(uint8_t)text[i] << (i % 2 ? 0 : 8)));
}

static void put_header(struct re_image *im, const struct re_boot *boot)
{
    uint16_t *r = im->regs;
    char device[RE_DEVICE_SIZE];
    re_image_device(device, boot->unit);
    put_text(r + SG_REG_MAGIC, SG_REGN_MAGIC, "RELY");
    r[SG_REG_MAP_VER] = 1;
    r[SG_REG_PER_MIN] = SG_SAMPLES_A_MIN;
    r[SG_REG_PERIOD_S] = SG_PERIOD_MS / 1000;
    r[SG_REG_RING_MIN] = SG_RING_MINUTES;
    r[SG_REG_EVT_RING] = SG_EVT_RING_LEN;
    r[SG_REG_MODE] = 0; /* paper */
    sg_reg_put64(r + SG_REG_SEED, boot->seed_hidden ? UINT64_MAX : boot->seed);
    sg_reg_put32(r + SG_REG_BOOT_UTC, (uint32_t)(boot->boot_ms / 1000));
    sg_reg_put32(r + SG_REG_BOOT_ID, boot->boot_id);
    put_text(r + SG_REG_DEVICE, SG_REGN_DEVICE, device);
    put_text(r + SG_REG_SUBSTATION, SG_REGN_SUBSTATION, re_image_substation());
    r[SG_REG_V_EXP] = 0;
    r[SG_REG_I_EXP] = (uint16_t)-3;
    r[SG_REG_F_EXP] = (uint16_t)-3;
    r[SG_REG_PF_EXP] = (uint16_t)-3;
    r[SG_REG_P_EXP] = 0;
    r[SG_REG_Q_EXP] = 0;
    sg_reg_put32(r + SG_REG_V_NOM, 115000);
    r[SG_REG_F_NOM] = 60000;
}

/* An empty frame of a minute: every sample missing. */
static void start_frame(uint16_t *frame, sg_minute minute)
{
    memset(frame, 0, SG_FRAME_REGS * sizeof *frame);
    sg_reg_put32(frame + SG_REG_FRAME_MINUTE, (uint32_t)minute);
    sg_reg_put32(frame + SG_REG_FRAME_UTC_S, (uint32_t)(minute * 60));
}

static bool time_fits(sg_ms now_ms)
{
    return now_ms >= 0 && now_ms / 1000 <= UINT32_MAX;
}

int re_image_boot(struct re_image *im, const struct re_boot *boot)
{
    if (boot->unit < RE_UNIT_MIN || boot->unit > RE_UNIT_MAX || !time_fits(boot->boot_ms))
        return SG_EINVAL;
    memset(im, 0, sizeof *im);
    im->seed = boot->seed;
    im->unit = boot->unit;
    im->last =
        (boot->boot_ms + SG_PERIOD_MS - 1) / SG_PERIOD_MS - 1; /* a latch at the very boot is not before it */
    im->minute = boot->boot_ms / SG_MINUTE_MS;
    start_frame(im->running, im->minute);
    put_header(im, boot);
    im->regs[SG_REG_TIME_Q] = (uint16_t)SG_TIMEQ_UTC;
    sg_reg_put32(im->regs + SG_REG_BOOT_ID2, boot->boot_id);
    im->regs[SG_REG_BRK] = SG_BRK_CLOSED;
    return 0;
}

static void put_record(uint16_t *rec, const struct re_sample *s, uint16_t t_off)
{
    size_t v = 0;
    rec[SG_REC_T_OFF] = t_off;
    rec[SG_REC_QUAL] = (uint16_t)(SG_QUAL_VALID | SG_QUAL_SIMULATED);
    for (size_t i = 0; i < SG_ARRAY_LEN(points); i++) {
        if (points[i].count == 2)
            sg_reg_put32(rec + points[i].offset, (uint32_t)s->x[v++]);
        else if (points[i].count == 1)
            rec[points[i].offset] = (uint16_t)s->x[v++];
    }
    assert(v == SG_POINTS);
}

static void latch(struct re_image *im, uint32_t index)
{
    struct re_sample s;
    uint16_t *r = im->regs;
    uint32_t slot = index % SG_SAMPLES_A_MIN;
    uint16_t *rec = im->running + SG_FRAME_RECORDS + slot * SG_REC20_REGS;
    uint16_t openings = re_signals_openings(im->seed, im->unit, index);
    uint16_t *open_min = im->running + SG_REG_FRAME_OPENINGS;

    re_signals_sample(&s, im->seed, im->unit, index);
    put_record(rec, &s, (uint16_t)(slot * SG_PERIOD_MS));
    *open_min = (uint16_t)(*open_min + openings);
    im->open_cum += openings;

    sg_reg_put32(r + SG_REG_SEQ, index);
    sg_reg_put32(r + SG_REG_UTC_S, index * (SG_PERIOD_MS / 1000));
    r[SG_REG_UTC_MS] = 0;
    r[SG_REG_TIME_Q] = (uint16_t)SG_TIMEQ_UTC;
    sg_reg_put32(r + SG_REG_OPEN_CUM, im->open_cum);
    r[SG_REG_OPEN_MIN] = *open_min;
    memcpy(r + SG_REG_REC20, rec, SG_REC20_REGS * sizeof *rec);
    sg_reg_put32(r + SG_REG_SEQ2, index);
}

static bool has_sample(const uint16_t *frame)
{
    for (int i = 0; i < SG_SAMPLES_A_MIN; i++)
        if (frame[SG_FRAME_RECORDS + i * SG_REC20_REGS + SG_REC_QUAL])
            return true;
    return false;
}

static uint16_t *ring_slot(struct re_image *im, sg_minute minute)
{
    return im->regs + SG_RING_BASE + SG_RING_STRIDE * (minute % SG_RING_MINUTES);
}

static void publish(struct re_image *im)
{
    uint16_t *slot = ring_slot(im, im->minute);
    memcpy(im->regs + SG_FRAME_BASE, im->running, sizeof im->running);
    memset(slot, 0, SG_RING_STRIDE * sizeof *slot);
    if (!has_sample(im->running))
        return;
    memcpy(slot, im->running, sizeof im->running);
    slot[SG_RING_STATUS] = 1;
    sg_reg_put32(slot + SG_RING_CRC, sg_reg_crc32(im->running, SG_FRAME_REGS));
}

/* Publish the minute that ended, then those that passed unseen (each empties the slot that it would have taken),
 * and open `minute`. Bounded: an hour empties the whole ring, whatever the step. */
static void change_minute(struct re_image *im, sg_minute minute)
{
    publish(im);
    sg_minute unseen = im->minute + 1;
    if (unseen < minute - SG_RING_MINUTES)
        unseen = minute - SG_RING_MINUTES;
    for (; unseen < minute; unseen++) {
        im->minute = unseen;
        start_frame(im->running, unseen);
        publish(im);
    }
    im->minute = minute;
    start_frame(im->running, minute);
}

unsigned re_image_tick(struct re_image *im, sg_ms now_ms)
{
    int64_t index = now_ms / SG_PERIOD_MS;
    unsigned ticks = 0;
    if (!time_fits(now_ms) || index < im->last) {
        im->regs[SG_REG_TIME_Q] = (uint16_t)(im->regs[SG_REG_TIME_Q] | SG_TIMEQ_CLOCK_FAILURE);
        return 0;
    }
    if (index == im->last)
        return 0;
    im->last = index;
    if (index / SG_SAMPLES_A_MIN > im->minute) {
        change_minute(im, index / SG_SAMPLES_A_MIN);
        ticks |= RE_TICK_MINUTE;
    }
    if (now_ms - index * SG_PERIOD_MS <= RE_LATE_MS) {
        latch(im, (uint32_t)index);
        ticks |= RE_TICK_LATCH;
    }
    return ticks;
}

sg_ms re_image_next_ms(const struct re_image *im)
{
    return (im->last + 1) * SG_PERIOD_MS;
}
