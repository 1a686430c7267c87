/* The check of a relay's answer against any bytes. Input: 7 bytes of request (transaction id, unit, address, quantity),
 * then the answer.
 *
 * Asserted: what is taken is, byte for byte, the one answer that these registers have; an exception is the one answer of
 * its code; registers are written for nothing else. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/core/frame.h"
#include "tests/lib/fuzz.h"

enum { REQUEST_BYTES = 7, UNTOUCHED = 0xA5A5 };

/* The answer that a correct relay gives. */
static size_t encode_answer(uint8_t *adu, const struct gw_request *rq, const uint16_t *regs)
{
    sg_put_be16(adu, rq->tid);
    sg_put_be16(adu + 2, 0);
    sg_put_be16(adu + 4, (uint16_t)(3 + 2 * rq->quantity));
    adu[6] = rq->unit;
    adu[7] = GW_FC_READ;
    adu[8] = (uint8_t)(2 * rq->quantity);
    for (size_t i = 0; i < rq->quantity; i++)
        sg_put_be16(adu + 9 + 2 * i, regs[i]);
    return 9 + 2 * (size_t)rq->quantity;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint16_t regs[GW_MAX_QUANTITY];
    uint8_t again[GW_ADU_MAX], *adu;
    struct gw_frame_note note;
    struct gw_request rq;
    size_t len;
    int err;

    if (size < REQUEST_BYTES)
        return 0;
    rq = (struct gw_request){.tid = sg_get_be16(data), .unit = data[2], .address = sg_get_be16(data + 3)};
    rq.quantity = (uint16_t)(sg_get_be16(data + 5) % GW_MAX_QUANTITY + 1);
    len = size - REQUEST_BYTES;
    adu = malloc(len ? len : 1);
    assert(adu);
    memcpy(adu, data + REQUEST_BYTES, len);
    for (size_t i = 0; i < GW_MAX_QUANTITY; i++)
        regs[i] = UNTOUCHED;
    err = gw_frame_check(regs, &note, &rq, adu, len);
    if (err) {
        for (size_t i = 0; i < GW_MAX_QUANTITY; i++)
            assert(regs[i] == UNTOUCHED);
    }
    if (err == 0) {
        assert(note.fault == GW_FRAME_NONE && note.exception == 0);
        assert(encode_answer(again, &rq, regs) == len && memcmp(again, adu, len) == 0);
    } else if (err == SG_EEXCEPTION) {
        assert(note.fault == GW_FRAME_NONE && note.exception != 0 && len == 9 && adu[8] == note.exception);
        assert(sg_get_be16(adu) == rq.tid && adu[6] == rq.unit && adu[7] == (GW_FC_READ | 0x80));
    } else {
        assert(err == SG_EMALFORMED && note.fault != GW_FRAME_NONE && gw_frame_fault_text(note.fault)[0]);
    }
    free(adu);
    return 0;
}
