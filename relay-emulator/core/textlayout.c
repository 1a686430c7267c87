/* Formatter of the relay's text file.
 *
 * Invariant: the same frame, names and offset give the same bytes; no locale, no floating point. Every point is
 * printed as count / 1000, which turns V into kV, mA into A, mHz into Hz, W into kW. */
#include "relay-emulator/core/textlayout.h"

#include "sg_regmap.h"
#include "sg_time.h"

/* Labels of the points, in the order of SG_REGMAP_REC20. */
static const char *const labels[SG_POINTS] = {"Vab", "Vbc", "Vca", "Ia", "Ib", "Ic", "F", "FP", "P", "Q"};

void re_textlayout_put_milli(struct sg_buf *out, int64_t count)
{
    uint64_t n = count < 0 ? -(uint64_t)count : (uint64_t)count;
    uint64_t fraction = n % 1000;
    unsigned digits = 3;
    while (digits > 1 && fraction % 10 == 0) {
        fraction /= 10;
        digits--;
    }
    if (count < 0)
        sg_buf_puts(out, "-");
    sg_buf_put_i64(out, (int64_t)(n / 1000));
    sg_buf_puts(out, ".");
    sg_buf_put_u64_pad(out, fraction, digits);
}

static char *put_digits(char *p, int value, int width)
{
    for (int i = width - 1; i >= 0; i--, value /= 10)
        p[i] = (char)('0' + value % 10);
    return p + width;
}

void re_textlayout_stamp(char *dst, sg_minute minute, int offset_min)
{
    struct sg_civil c;
    sg_civil_of_ms(&c, minute * SG_MINUTE_MS, offset_min);
    const int fields[] = {c.day, c.month, c.year, c.hour, c.minute};
    for (size_t i = 0; i < SG_ARRAY_LEN(fields); i++) {
        dst = put_digits(dst, fields[i], i == 2 ? 4 : 2);
        *dst++ = ' ';
    }
    dst[-1] = 0;
}

static int64_t point(const uint16_t *rec, unsigned offset, enum sg_reg_type type)
{
    if (type == SG_REG_I16)
        return (int16_t)rec[offset];
    if (type == SG_REG_U16)
        return rec[offset];
    if (type == SG_REG_I32)
        return (int32_t)sg_reg_get32(rec + offset);
    return sg_reg_get32(rec + offset);
}

static void put_record(struct sg_buf *out, const char *stamp, const uint16_t *rec)
{
    size_t v = 0;
    sg_buf_puts(out, "Time Stamp;");
    sg_buf_puts(out, stamp);
    sg_buf_puts(out, " ");
    sg_buf_put_u64_pad(out, rec[SG_REC_T_OFF] / 1000, 2);
#define PUT_(name, off, regs, type, point_name, meaning)                                                     \
    if (sizeof(point_name) > 1) {                                                                            \
        sg_buf_puts(out, ";");                                                                               \
        sg_buf_puts(out, labels[v++]);                                                                       \
        sg_buf_puts(out, ";");                                                                               \
        re_textlayout_put_milli(out, point(rec, off, type));                                                 \
    }
    SG_REGMAP_REC20(PUT_)
#undef PUT_
    sg_buf_puts(out, "\n");
}

void re_textlayout_put(
    struct sg_buf *out, const uint16_t *frame, const char *device, const char *substation, int offset_min)
{
    char stamp[RE_TEXT_STAMP_SIZE];
    re_textlayout_stamp(stamp, sg_reg_get32(frame + SG_REG_FRAME_MINUTE), offset_min);
    const char *const head[] = {stamp, "\n", device, "\n", substation, "\n\n", "Openings caused by faults: "};
    for (size_t i = 0; i < SG_ARRAY_LEN(head); i++)
        sg_buf_puts(out, head[i]);
    re_textlayout_put_milli(out, INT64_C(1000) * frame[SG_REG_FRAME_OPENINGS]);
    sg_buf_puts(out, "\n\n");
    for (unsigned i = 0; i < SG_SAMPLES_A_MIN; i++) {
        const uint16_t *rec = frame + SG_FRAME_RECORDS + i * SG_REC20_REGS;
        if (rec[SG_REC_QUAL] & SG_QUAL_VALID)
            put_record(out, stamp, rec);
    }
}
