/* Canonical JSON, "C0": the only form in which a document is signed, hashed, stored or exchanged.
 *
 * UTF-8; objects with keys [a-z0-9_]+, each once, sorted by byte; values only strings, integers |n| <= 2^53-1, arrays and
 * objects; no white space; strings escape only \" and \\ and hold no code point below U+0020 and not U+007F; nesting <= 8.
 * On this subset `jq -cS`, RFC 8785 and this codec agree byte for byte.
 *
 * Reading is two passes: lg_c0_check decides "canonical" for the whole text; then a cursor walks the checked
 * bytes along the one schema that the caller expects, with a sticky "shape" error that is asked for once at the end.
 * Pure. Thread: any. */
#ifndef LG_C0_H
#define LG_C0_H

#include "sg_buf.h"
#include "sg_err.h"
#include "sg_types.h"

#define LG_C0_MAX_DEPTH 8
#define LG_C0_MAX_INT   INT64_C(9007199254740991) /* 2^53 - 1 */

/* 0, or SG_ECANONICAL when bytes[0..len) are not exactly one C0 value. */
SG_MUST_USE int lg_c0_check(const uint8_t *bytes, size_t len);

/* A cursor over bytes that lg_c0_check accepted (a whole document or one value inside it). Every call on a bad
 * cursor does nothing and returns 0, false or an empty slice. Output buffers are written only on success. */
struct lg_c0 {
    const uint8_t *p;
    const uint8_t *end;
    bool bad;
};

/* A part of a document; borrowed from it. */
struct lg_slice {
    const uint8_t *p;
    size_t len;
};

void lg_c0_open(struct lg_c0 *c, const uint8_t *bytes, size_t len);
/* '{', then for each key in sorted order lg_c0_key and its value, then '}'. */
void lg_c0_object(struct lg_c0 *c);
void lg_c0_key(struct lg_c0 *c, const char *key);
void lg_c0_object_end(struct lg_c0 *c);
/* '[', then while (lg_c0_more) one value; lg_c0_more consumes the ']'. */
void lg_c0_array(struct lg_c0 *c);
bool lg_c0_more(struct lg_c0 *c);
/* The next element of an array of fixed length, then lg_c0_array_end. */
void lg_c0_item(struct lg_c0 *c);
void lg_c0_array_end(struct lg_c0 *c);
/* The ']' or '}' of an empty container, or any value: skipped, as a slice. */
struct lg_slice lg_c0_value(struct lg_c0 *c);

int64_t lg_c0_int(struct lg_c0 *c, int64_t min, int64_t max);
/* Text between the quotes, still escaped; borrowed. */
struct lg_slice lg_c0_raw(struct lg_c0 *c);
/* Unescaped into dst with a NUL; its length, min..max bytes (dst holds max + 1). */
size_t lg_c0_text(struct lg_c0 *c, char *dst, size_t min, size_t max);
/* Exactly 2n lower-case hex digits. */
void lg_c0_hex(struct lg_c0 *c, uint8_t *dst, size_t n);
/* Strict base64 of exactly n bytes. */
void lg_c0_base64(struct lg_c0 *c, uint8_t *dst, size_t n);
/* Record a fault that the caller found. */
void lg_c0_fail(struct lg_c0 *c);
/* 0, or SG_ESHAPE when something did not fit or bytes are left. */
SG_MUST_USE int lg_c0_close(const struct lg_c0 *c);

/* Writing: "text" with quotes and escapes. The caller guarantees valid UTF-8 without control characters; keys, commas and
 * brackets are written literally with sg_buf_puts. */
void lg_c0_put_text(struct sg_buf *b, const char *text, size_t len);
void lg_c0_put_hex(struct sg_buf *b, const void *bytes, size_t n);
void lg_c0_put_base64(struct sg_buf *b, const void *bytes, size_t n);

#endif
