/* The strict check of a Modbus/TCP frame.
 *
 *   0  transaction id     echoed, any value
 *   2  protocol id        0, else close
 *   4  length             2..254: bytes from here on, the unit included
 *   6  unit               1..units, 255 = 1 (a client that talks to a device without a serial line behind it)
 *   7  function           03 and 04 are served
 *   8  address, quantity  of a read
 *
 * Invariant: a frame with verdict READ is twelve bytes whose registers all exist.
 * Refuses: everything else, by closing where the stream can no longer be trusted and by an exception where the
 * frame is whole. The length of a function that is not served is not judged: the answer is 01 and the frame is
 * skipped as its MBAP header delimits it, whatever lies inside. */
#include "relay-emulator/core/frame.h"

#include <string.h>

#include "relay-emulator/core/image.h"
#include "sg_buf.h"

enum { AT_PROTOCOL = 2, AT_LENGTH = 4, AT_UNIT = 6, AT_FUNCTION = 7, AT_ADDRESS = 8, AT_QUANTITY = 10 };
enum { FC_READ_HOLDING = 3, FC_READ_INPUT = 4, UNIT_DIRECT = 255 };

static bool is_read(uint8_t function)
{
    return function == FC_READ_HOLDING || function == FC_READ_INPUT;
}

/* As early as the bytes allow. */
static bool header_is_wrong(const uint8_t *buf, size_t len)
{
    if (len > AT_PROTOCOL && buf[AT_PROTOCOL] != 0)
        return true;
    if (len > AT_PROTOCOL + 1 && buf[AT_PROTOCOL + 1] != 0)
        return true;
    if (len < AT_UNIT)
        return false;
    unsigned length = sg_get_be16(buf + AT_LENGTH);
    if (length < RE_LENGTH_MIN || length > RE_LENGTH_MAX)
        return true;
    return len > AT_FUNCTION && is_read(buf[AT_FUNCTION]) && length != RE_READ_LENGTH;
}

static uint8_t judge(struct re_request *r, const uint8_t *adu, unsigned units)
{
    r->unit = adu[AT_UNIT] == UNIT_DIRECT ? RE_UNIT_MIN : adu[AT_UNIT];
    r->function = adu[AT_FUNCTION];
    if (r->unit < RE_UNIT_MIN || r->unit > units)
        return RE_EXC_TARGET;
    if (!is_read(r->function))
        return RE_EXC_FUNCTION;
    /* V1.1b3, figure 12: quantity is judged before the address. */
    r->address = sg_get_be16(adu + AT_ADDRESS);
    r->quantity = sg_get_be16(adu + AT_QUANTITY);
    if (r->quantity < 1 || r->quantity > RE_READ_MAX)
        return RE_EXC_VALUE;
    if (!re_image_has(r->address, r->quantity))
        return RE_EXC_ADDRESS;
    return RE_EXC_NONE;
}

enum re_verdict re_frame_check(struct re_request *out, const uint8_t *buf, size_t len, unsigned units)
{
    struct re_request r = {0};
    if (header_is_wrong(buf, len))
        return RE_FRAME_CLOSE;
    if (len < AT_UNIT)
        return RE_FRAME_MORE;
    r.adu_bytes = (size_t)AT_UNIT + sg_get_be16(buf + AT_LENGTH);
    if (len < r.adu_bytes)
        return RE_FRAME_MORE;
    r.exception = judge(&r, buf, units);
    *out = r;
    return r.exception ? RE_FRAME_EXCEPTION : RE_FRAME_READ;
}

void re_frame_exception(uint8_t out[static RE_EXCEPTION_BYTES], const uint8_t *adu, uint8_t exception)
{
    memcpy(out, adu, RE_MBAP_BYTES);
    sg_put_be16(out + AT_LENGTH, 3);
    out[AT_FUNCTION] = adu[AT_FUNCTION] | 0x80;
    out[AT_FUNCTION + 1] = exception;
}
