/* Strict text codecs: hex, base64, UTF-8, decimal integers. Pure. Thread: any. */
#ifndef SG_TEXT_H
#define SG_TEXT_H

#include "sg_types.h"

/* dst gets 2n lower-case digits and a NUL. */
void sg_hex_encode(char *dst, const void *bytes, size_t n);
/* Exactly 2n lower-case digits of src[0..len). SG_EINVAL otherwise, dst untouched. */
SG_MUST_USE int sg_hex_decode(uint8_t *dst, size_t n, const char *src, size_t len);

/* Text length of n bytes in base64 with padding. */
#define SG_BASE64_LEN(n) (((n) + 2) / 3 * 4)
/* dst gets SG_BASE64_LEN(n) characters and a NUL. */
void sg_base64_encode(char *dst, const void *bytes, size_t n);
/* Strict (RFC 4648 section 4): standard alphabet, padding, unused bits zero, no white space, exactly n
 * bytes. OpenSSL's EVP_DecodeBlock takes 16 spellings of one signature; this takes one. SG_EINVAL otherwise. */
SG_MUST_USE int sg_base64_decode(uint8_t *dst, size_t n, const char *src, size_t len);

/* True when the n bytes are well-formed UTF-8 (RFC 3629: no overlong form, no surrogate, <= U+10FFFF). */
bool sg_utf8_valid(const void *bytes, size_t n);

/* Canonical decimal: '-'? and no leading zero, no "-0", within min..max. SG_EINVAL otherwise. */
SG_MUST_USE int sg_i64_parse(int64_t *out, const char *src, size_t len, int64_t min, int64_t max);

#endif
