/* From registers to meaning.
 *
 * Invariant: a decoded record belongs to its instant (T_OFF), a missing one is all zeros, and a power factor that counts
 * lies in -1000..1000.
 * Refuses: torn reads, records out of place, headers of anything else than a relay of this map. */
#include "gateway/core/decode.h"
#include "sg_text.h"

#include <assert.h>
#include <string.h>

enum { MAP_VERSION = 1, PF_ONE = 1000 };

/* Text of n registers, NUL padded, into dst (2n + 1 bytes). False when it is empty, not UTF-8, holds a control character
 * or anything after its first NUL. */
static bool get_text(char *dst, const uint16_t *r, size_t n)
{
    size_t len, size = 2 * n;

    for (size_t i = 0; i < size; i++)
        dst[i] = (char)(i % 2 ? r[i / 2] & 0xFF : r[i / 2] >> 8);
    dst[size] = 0;
    len = strlen(dst);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)dst[i];

        if (i < len ? c < 0x20 || c == 0x7F : c != 0)
            return false;
    }
    return len > 0 && sg_utf8_valid(dst, len);
}

int gw_header_decode(struct gw_header *out, const uint16_t regs[static SG_HEADER_REGS])
{
    struct gw_header h = {
        .map_ver = regs[SG_REG_MAP_VER],
        .per_min = regs[SG_REG_PER_MIN],
        .period_s = regs[SG_REG_PERIOD_S],
        .ring_min = regs[SG_REG_RING_MIN],
        .evt_ring = regs[SG_REG_EVT_RING],
        .mode = regs[SG_REG_MODE],
        .seed = (uint64_t)sg_reg_get32(regs + SG_REG_SEED) << 32 | sg_reg_get32(regs + SG_REG_SEED + 2),
        .boot_utc = sg_reg_get32(regs + SG_REG_BOOT_UTC),
        .boot_id = sg_reg_get32(regs + SG_REG_BOOT_ID),
        .v_exp = (int16_t)regs[SG_REG_V_EXP],
        .i_exp = (int16_t)regs[SG_REG_I_EXP],
        .f_exp = (int16_t)regs[SG_REG_F_EXP],
        .pf_exp = (int16_t)regs[SG_REG_PF_EXP],
        .p_exp = (int16_t)regs[SG_REG_P_EXP],
        .q_exp = (int16_t)regs[SG_REG_Q_EXP],
        .v_nom = sg_reg_get32(regs + SG_REG_V_NOM),
        .f_nom = regs[SG_REG_F_NOM],
    };
    char magic[2 * SG_REGN_MAGIC + 1];

    if (!get_text(magic, regs + SG_REG_MAGIC, SG_REGN_MAGIC) || strcmp(magic, "RELY") != 0)
        return SG_EIDENTITY;
    if (h.map_ver != MAP_VERSION || h.per_min != SG_SAMPLES_A_MIN || h.period_s != SG_PERIOD_MS / 1000 ||
        h.ring_min != SG_RING_MINUTES || h.evt_ring != SG_EVT_RING_LEN)
        return SG_EIDENTITY;
    if (!get_text(h.device, regs + SG_REG_DEVICE, SG_REGN_DEVICE) ||
        !get_text(h.substation, regs + SG_REG_SUBSTATION, SG_REGN_SUBSTATION))
        return SG_EIDENTITY;
    *out = h;
    return 0;
}

/* The exponent that the relay states for a point; false for a point it does not have. */
static bool point_exp(int *exp, const struct gw_header *h, const char *name)
{
    const struct {
        const char *name;
        int exp;
    } exps[] = {
        {"vab", h->v_exp},
        {"vbc", h->v_exp},
        {"vca", h->v_exp},
        {"ia", h->i_exp},
        {"ib", h->i_exp},
        {"ic", h->i_exp},
        {"f", h->f_exp},
        {"pf", h->pf_exp},
        {"p", h->p_exp},
        {"q", h->q_exp},
    };

    for (size_t i = 0; i < SG_ARRAY_LEN(exps); i++) {
        if (strcmp(exps[i].name, name) == 0) {
            *exp = exps[i].exp;
            return true;
        }
    }
    return false;
}

const char *gw_header_difference(const struct gw_header *h, const struct lg_relay *relay)
{
    if (strcmp(h->device, relay->device) != 0)
        return "DEVICE";
    if (strcmp(h->substation, relay->substation) != 0)
        return "SUBSTATION";
    if (h->period_s != relay->period_s)
        return "PERIOD_S";
    for (unsigned i = 0; i < relay->profile->npoints; i++) {
        const struct lg_point *p = &relay->profile->points[i];
        int exp;

        if (point_exp(&exp, h, p->name) && exp != p->exp)
            return "an exponent";
    }
    return NULL;
}

static bool all_zero(const uint16_t *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (r[i])
            return false;
    }
    return true;
}

static bool pf_in_range(const uint16_t *rec)
{
    int pf = (int16_t)rec[SG_REC_PF];

    return (rec[SG_REC_QUAL] & SG_QUAL_PF_UNDEFINED) || (pf >= -PF_ONE && pf <= PF_ONE);
}

/* A record of the instant t_off: valid, or missing. QUAL 0 means zeros throughout. */
static int check_record(bool *valid, const uint16_t *rec, unsigned t_off)
{
    if (rec[SG_REC_QUAL] == 0) {
        *valid = false;
        return all_zero(rec, SG_REC20_REGS) ? 0 : SG_EMALFORMED;
    }
    if (rec[SG_REC_T_OFF] != t_off || !pf_in_range(rec))
        return SG_EMALFORMED;
    *valid = rec[SG_REC_QUAL] & SG_QUAL_VALID;
    return 0;
}

int gw_latch_decode(struct gw_latch *out, const uint16_t regs[static SG_LIVE_REGS])
{
    const uint16_t *r = regs;
    enum { B = SG_LIVE_BASE };
    struct gw_latch l = {
        .seq = sg_reg_get32(r + SG_REG_SEQ - B),
        .utc_s = sg_reg_get32(r + SG_REG_UTC_S - B),
        .time_q = r[SG_REG_TIME_Q - B],
        .boot_id = sg_reg_get32(r + SG_REG_BOOT_ID2 - B),
        .open_cum = sg_reg_get32(r + SG_REG_OPEN_CUM - B),
        .open_min = r[SG_REG_OPEN_MIN - B],
        .brk = r[SG_REG_BRK - B],
    };
    const uint32_t period_s = SG_PERIOD_MS / 1000;

    if (l.seq != sg_reg_get32(r + SG_REG_SEQ2 - B))
        return SG_EMALFORMED;
    if (r[SG_REG_UTC_MS - B] != 0 || l.utc_s % period_s != 0 || l.utc_s / period_s != l.seq)
        return SG_EMALFORMED;
    memcpy(l.rec, r + SG_REG_REC20 - B, sizeof l.rec);
    if (check_record(&l.has_sample, l.rec, l.utc_s % 60 * 1000))
        return SG_EMALFORMED;
    *out = l;
    return 0;
}

int gw_frame_decode(struct gw_frame *out, const uint16_t regs[static SG_FRAME_REGS])
{
    struct gw_frame f = {
        .min = sg_reg_get32(regs + SG_REG_FRAME_MINUTE),
        .openings = regs[SG_REG_FRAME_OPENINGS],
    };

    if (sg_reg_get32(regs + SG_REG_FRAME_UTC_S) != (uint64_t)f.min * 60)
        return SG_EMALFORMED;
    memcpy(f.rec, regs + SG_FRAME_RECORDS, sizeof f.rec);
    for (unsigned i = 0; i < SG_SAMPLES_A_MIN; i++) {
        bool valid;

        if (check_record(&valid, f.rec[i], i * SG_PERIOD_MS))
            return SG_EMALFORMED;
        f.valid = (uint8_t)(f.valid | (unsigned)valid << i);
    }
    *out = f;
    return 0;
}

int gw_ring_status(const uint16_t tail[static 3])
{
    if (tail[0] > 1)
        return SG_EMALFORMED;
    return tail[0] == 1 ? 0 : SG_ENOT_FOUND;
}

int gw_ring_check(const uint16_t regs[static SG_FRAME_REGS], const uint16_t tail[static 3])
{
    int err = gw_ring_status(tail);

    if (err)
        return err;
    return sg_reg_crc32(regs, SG_FRAME_REGS) == sg_reg_get32(tail + 1) ? 0 : SG_EMALFORMED;
}

/* Where a point of a profile lies in REC20. */
struct column {
    const char *point;
    unsigned offset;
    enum sg_reg_type type;
};

static const struct column columns[] = {
#define COLUMN_(name, offset, count, type, point, meaning) {point, offset, type},
    SG_REGMAP_REC20(COLUMN_)
#undef COLUMN_
};

static int64_t get_value(const uint16_t *rec, const struct column *c)
{
    switch (c->type) {
    case SG_REG_U16:
    case SG_REG_BITS:
        return rec[c->offset];
    case SG_REG_I16:
        return (int16_t)rec[c->offset];
    case SG_REG_U32:
        return sg_reg_get32(rec + c->offset);
    case SG_REG_I32:
        return (int32_t)sg_reg_get32(rec + c->offset);
    case SG_REG_U64:
    case SG_REG_STR:
    case SG_REG_BLOCK:
        break;
    }
    assert(!"a point is one number of at most 32 bits");
    return 0;
}

static const struct column *find_column(const char *point)
{
    for (size_t i = 0; i < SG_ARRAY_LEN(columns); i++) {
        if (strcmp(columns[i].point, point) == 0)
            return &columns[i];
    }
    return NULL;
}

void gw_sample_of_record(
    struct lg_sample *out, const uint16_t rec[static SG_REC20_REGS], const struct lg_profile *profile)
{
    bool pf_undefined = rec[SG_REC_QUAL] & SG_QUAL_PF_UNDEFINED;

    *out = (struct lg_sample){.t_ms = rec[SG_REC_T_OFF], .qual = rec[SG_REC_QUAL]};
    assert(profile->npoints <= LG_MAX_POINTS);
    for (unsigned i = 0; i < profile->npoints; i++) {
        const struct column *c = find_column(profile->points[i].name); /* names are never empty */

        if (!c || (c->offset == SG_REC_PF && pf_undefined))
            continue;
        out->have |= UINT64_C(1) << i;
        out->x[i] = get_value(rec, c);
    }
}
