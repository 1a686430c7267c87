/* The decoders of registers against any registers. Input: a byte that names the block (header, live, minute, ring slot),
 * then its registers; what is short is zeros.
 *
 * Asserted: a decoded block says what its registers say, encoded again; samples lie at their places; a ring slot is taken
 * with the right CRC only; a sample has a value for each known column and zero elsewhere. */
#include <assert.h>
#include <string.h>

#include "gateway/core/decode.h"
#include "tests/lib/fuzz.h"

static void check_sample(const uint16_t *rec)
{
    const struct lg_profile *p = lg_profile_paper();
    struct lg_sample s;

    gw_sample_of_record(&s, rec, p);
    assert(s.qual == rec[SG_REC_QUAL] && s.t_ms == rec[SG_REC_T_OFF]);
    assert(s.have >> p->npoints == 0);
    for (unsigned i = 0; i < p->npoints; i++) {
        assert(s.have >> i & 1 || s.x[i] == 0);
        assert(s.x[i] >= INT32_MIN && s.x[i] <= UINT32_MAX);
        assert(!(s.have >> i & 1) || p->points[i].agg != LG_AGG_PF || (s.x[i] >= -1000 && s.x[i] <= 1000));
    }
}

static void check_text(const char *text, const uint16_t *regs, size_t nregs)
{
    size_t len = strlen(text);

    assert(len >= 1 && len <= 2 * nregs);
    for (size_t i = 0; i < 2 * nregs; i++)
        assert((uint8_t)(i < len ? text[i] : 0) == (i % 2 ? regs[i / 2] & 0xFF : regs[i / 2] >> 8));
}

static void header(const uint16_t *regs)
{
    struct lg_relay relay = {.period_s = 10, .profile = lg_profile_paper()};
    struct gw_header h;

    if (gw_header_decode(&h, regs)) {
        assert(gw_header_decode(&h, regs) == SG_EIDENTITY);
        return;
    }
    check_text("RELY", regs + SG_REG_MAGIC, SG_REGN_MAGIC);
    check_text(h.device, regs + SG_REG_DEVICE, SG_REGN_DEVICE);
    check_text(h.substation, regs + SG_REG_SUBSTATION, SG_REGN_SUBSTATION);
    assert(h.boot_id == sg_reg_get32(regs + SG_REG_BOOT_ID) &&
           h.boot_utc == sg_reg_get32(regs + SG_REG_BOOT_UTC));
    assert(gw_header_difference(&h, &relay)); /* no device has an empty name */
}

static void live(const uint16_t *regs)
{
    struct gw_latch l;

    if (gw_latch_decode(&l, regs)) {
        assert(gw_latch_decode(&l, regs) == SG_EMALFORMED);
        return;
    }
    assert(sg_reg_get32(regs) == l.seq && sg_reg_get32(regs + SG_LIVE_REGS - 2) == l.seq);
    assert(l.utc_s == (uint64_t)l.seq * 10 &&
           memcmp(l.rec, regs + SG_REG_REC20 - SG_LIVE_BASE, sizeof l.rec) == 0);
    if (l.has_sample) {
        assert(l.rec[SG_REC_QUAL] & SG_QUAL_VALID && l.rec[SG_REC_T_OFF] == l.seq % 6 * 10000);
        check_sample(l.rec);
    }
}

static int minute(const uint16_t *regs)
{
    struct gw_frame f;
    uint16_t again[SG_FRAME_REGS];
    int err = gw_frame_decode(&f, regs);

    if (err) {
        assert(err == SG_EMALFORMED);
        return err;
    }
    sg_reg_put32(again + SG_REG_FRAME_MINUTE, (uint32_t)f.min);
    sg_reg_put32(again + SG_REG_FRAME_UTC_S, (uint32_t)(f.min * 60));
    again[SG_REG_FRAME_OPENINGS] = f.openings;
    memcpy(again + SG_FRAME_RECORDS, f.rec, sizeof f.rec);
    assert(memcmp(again, regs, sizeof again) == 0 && f.min * 60 <= UINT32_MAX);
    for (unsigned i = 0; i < SG_SAMPLES_A_MIN; i++) {
        assert((f.valid >> i & 1) == (f.rec[i][SG_REC_QUAL] >> 15 & 1));
        if (f.valid >> i & 1) {
            assert(f.rec[i][SG_REC_T_OFF] == i * 10000);
            check_sample(f.rec[i]);
        }
    }
    return 0;
}

static void ring(uint16_t *slot)
{
    int err = gw_ring_check(slot, slot + SG_RING_STATUS);

    assert(err == 0 || err == SG_ENOT_FOUND || err == SG_EMALFORMED);
    assert((err == SG_ENOT_FOUND) == (slot[SG_RING_STATUS] == 0));
    slot[SG_RING_STATUS] = 1;
    sg_reg_put32(slot + SG_RING_CRC, sg_reg_crc32(slot, SG_FRAME_REGS));
    assert(gw_ring_check(slot, slot + SG_RING_STATUS) == 0);
    (void)minute(slot);
    slot[0] ^= 1;
    assert(gw_ring_check(slot, slot + SG_RING_STATUS) == SG_EMALFORMED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint16_t regs[SG_RING_STRIDE] = {0};

    if (size < 1)
        return 0;
    for (size_t i = 1; i + 1 < size && i / 2 < SG_RING_STRIDE; i += 2)
        regs[i / 2] = (uint16_t)(data[i] << 8 | data[i + 1]);
    switch (data[0] % 4) {
    case 0:
        header(regs);
        break;
    case 1:
        live(regs);
        break;
    case 2:
        (void)minute(regs);
        break;
    case 3:
        ring(regs);
        break;
    }
    return 0;
}
