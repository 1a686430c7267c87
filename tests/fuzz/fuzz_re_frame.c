/* The frame check against any bytes: the first byte is the number of relays, the rest a stream from a client.
 *
 * Asserted: the verdict does not depend on how the stream is cut; what is READ re-encodes to the same twelve bytes and
 * names registers that exist; every frame moves the stream on; nothing outside the buffer is read (by the sanitizer,
 * as the stream lies in a block of exactly its size). */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "relay-emulator/core/frame.h"
#include "relay-emulator/core/image.h"
#include "sg_buf.h"
#include "tests/lib/fuzz.h"

/* Bytes of a part with the same verdict as the whole: CLOSE may come early and then stays, anything else only when
 * the frame is complete. */
static void check_parts(const uint8_t *p, size_t n, unsigned units, enum re_verdict whole, size_t adu_bytes)
{
    bool closed = false;
    for (size_t cut = 0; cut < n && cut <= RE_ADU_MAX; cut++) {
        struct re_request r;
        enum re_verdict part = re_frame_check(&r, p, cut, units);
        if (closed || part == RE_FRAME_CLOSE) {
            assert(part == RE_FRAME_CLOSE && whole == RE_FRAME_CLOSE);
            closed = true;
        } else if (part != RE_FRAME_MORE) {
            assert(part == whole && cut >= adu_bytes && r.adu_bytes == adu_bytes);
        } else {
            assert(whole == RE_FRAME_MORE || whole == RE_FRAME_CLOSE || cut < adu_bytes);
        }
    }
}

static void check_read(const uint8_t *p, const struct re_request *r, unsigned units)
{
    uint8_t again[12];
    assert(r->adu_bytes == sizeof again && r->exception == RE_EXC_NONE);
    assert(r->unit >= 1 && r->unit <= units && (r->function == 3 || r->function == 4));
    assert(r->quantity >= 1 && r->quantity <= RE_READ_MAX && re_image_has(r->address, r->quantity));
    memcpy(again, p, 2);
    sg_put_be16(again + 2, 0);
    sg_put_be16(again + 4, RE_READ_LENGTH);
    again[6] = p[6] == 255 ? 255 : r->unit;
    again[7] = r->function;
    sg_put_be16(again + 8, r->address);
    sg_put_be16(again + 10, r->quantity);
    assert(memcmp(again, p, sizeof again) == 0);
}

static void check_exception(const uint8_t *p, const struct re_request *r)
{
    uint8_t out[RE_EXCEPTION_BYTES];
    assert(r->exception == RE_EXC_FUNCTION || r->exception == RE_EXC_ADDRESS ||
           r->exception == RE_EXC_VALUE || r->exception == RE_EXC_TARGET);
    re_frame_exception(out, p, r->exception);
    assert(memcmp(out, p, 4) == 0 && sg_get_be16(out + 4) == 3 && out[6] == p[6]);
    assert(out[7] == (p[7] | 0x80) && out[8] == r->exception);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    unsigned units = data[0] % RE_UNIT_MAX + 1u;
    size_t left = size - 1;
    uint8_t *stream = malloc(left ? left : 1);
    assert(stream);
    memcpy(stream, data + 1, left);
    const uint8_t *p = stream;
    for (;;) {
        struct re_request r = {0};
        enum re_verdict what = re_frame_check(&r, p, left, units);
        bool whole = what == RE_FRAME_READ || what == RE_FRAME_EXCEPTION;
        check_parts(p, left, units, what, whole ? r.adu_bytes : 0);
        if (!whole)
            break;
        assert(r.adu_bytes >= 8 && r.adu_bytes <= RE_ADU_MAX && r.adu_bytes <= left);
        if (what == RE_FRAME_READ)
            check_read(p, &r, units);
        else
            check_exception(p, &r);
        p += r.adu_bytes;
        left -= r.adu_bytes;
    }
    free(stream);
    return 0;
}
