/* The relay's text file of a minute, as the paper's relays wrote it (SPEC section 3). Pure. Thread: any. */
#ifndef RE_TEXTLAYOUT_H
#define RE_TEXTLAYOUT_H

#include "sg_buf.h"
#include "sg_types.h"

/* "DD MM YYYY HH MM" of the minute in the relay's local time: the first line, and with ".txt" the name of the
 * file. offset_min: local time minus UTC. dst holds at least RE_TEXT_STAMP_SIZE bytes. */
#define RE_TEXT_STAMP_SIZE 40
void re_textlayout_stamp(char *dst, sg_minute minute, int offset_min);

/* Append the whole file for a minute in FRAME layout (SG_FRAME_REGS registers). Missing samples have no line.
 * Errors stay in the buffer: ask sg_buf_err. */
void re_textlayout_put(
    struct sg_buf *out, const uint16_t *frame, const char *device, const char *substation, int offset_min);

/* count / 1000 with trailing zeros trimmed to at least one decimal: "110.69", "22.0", "-0.005". */
void re_textlayout_put_milli(struct sg_buf *out, int64_t count);

#endif
