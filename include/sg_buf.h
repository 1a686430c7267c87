/* A growing byte buffer with a limit and a sticky error, and big-endian scalars.
 *
 * Writers append without checking and ask sg_buf_err() once at the end. After an error nothing more is
 * appended and the content must not be used. Pure: no I/O. Thread: one owner. */
#ifndef SG_BUF_H
#define SG_BUF_H

#include "sg_types.h"

struct sg_buf {
    uint8_t *p; /* heap; NULL until the first byte */
    size_t len;
    size_t cap;
    size_t max; /* len never exceeds it */
    int err;    /* 0, SG_ENOMEM, or SG_ETOO_LARGE when max would be exceeded */
};

/* An empty buffer that may grow to max bytes. Allocates nothing. */
void sg_buf_init(struct sg_buf *b, size_t max);
/* Frees the bytes; the buffer may be used again (empty, same limit). */
void sg_buf_fini(struct sg_buf *b);
/* Forget content and error, keep the memory. */
void sg_buf_reset(struct sg_buf *b);
/* Make room for n more bytes. Returns 0 or the sticky error. */
SG_MUST_USE int sg_buf_reserve(struct sg_buf *b, size_t n);
SG_MUST_USE int sg_buf_err(const struct sg_buf *b);
/* Ownership of the bytes passes to the caller (free()); NULL when empty or failed. */
uint8_t *sg_buf_take(struct sg_buf *b, size_t *len);

void sg_buf_put(struct sg_buf *b, const void *bytes, size_t n);
void sg_buf_put_u8(struct sg_buf *b, uint8_t v);
void sg_buf_puts(struct sg_buf *b, const char *s);
/* Decimal, no leading zeros, '-' when negative. */
void sg_buf_put_i64(struct sg_buf *b, int64_t v);
/* Decimal, zero padded to at least width digits (width <= 20). */
void sg_buf_put_u64_pad(struct sg_buf *b, uint64_t v, unsigned width);
/* Lower-case hex, two digits a byte. */
void sg_buf_put_hex(struct sg_buf *b, const void *bytes, size_t n);
/* Standard base64 with padding. */
void sg_buf_put_base64(struct sg_buf *b, const void *bytes, size_t n);
/* printf into the buffer; not for pure cores (formatting there uses the calls above). */
void sg_buf_printf(struct sg_buf *b, const char *fmt, ...) SG_PRINTF(2, 3);

static inline void sg_put_be16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void sg_put_be32(uint8_t *p, uint32_t v)
{
    sg_put_be16(p, (uint16_t)(v >> 16));
    sg_put_be16(p + 2, (uint16_t)v);
}

static inline void sg_put_be64(uint8_t *p, uint64_t v)
{
    sg_put_be32(p, (uint32_t)(v >> 32));
    sg_put_be32(p + 4, (uint32_t)v);
}

static inline uint16_t sg_get_be16(const uint8_t *p)
{
    return (uint16_t)((unsigned)p[0] << 8 | p[1]);
}

static inline uint32_t sg_get_be32(const uint8_t *p)
{
    return (uint32_t)sg_get_be16(p) << 16 | sg_get_be16(p + 2);
}

static inline uint64_t sg_get_be64(const uint8_t *p)
{
    return (uint64_t)sg_get_be32(p) << 32 | sg_get_be32(p + 4);
}

#endif
