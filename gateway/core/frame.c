/* The strict check of a Modbus/TCP answer.
 *
 *   0..1 transaction id   2..3 protocol id, 0   4..5 length of what follows   6 unit   7 function
 *   8    byte count, then the registers, high byte first    or    8  exception code, when function has its high bit
 *
 * Invariant: an answer is accepted only when every byte of it is accounted for by the request.
 * Refuses: everything else, with the first rule that it breaks. */
#include "gateway/core/frame.h"

#include <assert.h>

enum {
    AT_TID = 0,
    AT_PROTOCOL = 2,
    AT_LENGTH = 4,
    AT_UNIT = 6,
    AT_FUNCTION = 7,
    AT_COUNT = 8,
    AT_DATA = 9,
    EXCEPTION_BIT = 0x80,
};

#define FAULT_TEXT(name, text) [GW_FRAME_##name] = (text),
static const char *const fault_texts[GW_FRAME_FAULT_COUNT] = {GW_FRAME_FAULTS(FAULT_TEXT)};
#undef FAULT_TEXT

const char *gw_frame_fault_text(enum gw_frame_fault fault)
{
    assert(fault < GW_FRAME_FAULT_COUNT);
    return fault_texts[fault];
}

void gw_request_encode(uint8_t adu[static GW_REQUEST_BYTES], const struct gw_request *rq)
{
    assert(rq->quantity >= 1 && rq->quantity <= GW_MAX_QUANTITY);
    sg_put_be16(adu + AT_TID, rq->tid);
    sg_put_be16(adu + AT_PROTOCOL, 0);
    sg_put_be16(adu + AT_LENGTH, GW_REQUEST_BYTES - AT_UNIT);
    adu[AT_UNIT] = rq->unit;
    adu[AT_FUNCTION] = GW_FC_READ;
    sg_put_be16(adu + 8, rq->address);
    sg_put_be16(adu + 10, rq->quantity);
}

/* Modbus Application Protocol V1.1b3, section 7: 1..6, 8, 10, 11. */
static bool exception_defined(uint8_t code)
{
    return (code >= 1 && code <= 6) || code == 8 || code == 10 || code == 11;
}

/* The part that answers and exceptions have in common. */
static enum gw_frame_fault check_mbap(const struct gw_request *rq, const uint8_t *adu, size_t len)
{
    if (len < AT_DATA)
        return GW_FRAME_SHORT;
    if (sg_get_be16(adu + AT_TID) != rq->tid)
        return GW_FRAME_TID;
    if (sg_get_be16(adu + AT_PROTOCOL) != 0)
        return GW_FRAME_PROTOCOL;
    if (sg_get_be16(adu + AT_LENGTH) != len - AT_UNIT)
        return GW_FRAME_LENGTH;
    if (adu[AT_UNIT] != rq->unit)
        return GW_FRAME_UNIT;
    if ((adu[AT_FUNCTION] & ~EXCEPTION_BIT) != GW_FC_READ)
        return GW_FRAME_FUNCTION;
    return GW_FRAME_NONE;
}

static enum gw_frame_fault check_pdu(const struct gw_request *rq, const uint8_t *adu, size_t len)
{
    if (adu[AT_FUNCTION] & EXCEPTION_BIT) {
        if (len != AT_DATA)
            return GW_FRAME_SIZE;
        return exception_defined(adu[AT_COUNT]) ? GW_FRAME_NONE : GW_FRAME_EXCEPTION_CODE;
    }
    if (adu[AT_COUNT] != 2 * rq->quantity)
        return GW_FRAME_BYTE_COUNT;
    return len == AT_DATA + 2 * (size_t)rq->quantity ? GW_FRAME_NONE : GW_FRAME_SIZE;
}

int gw_frame_check(
    uint16_t *regs, struct gw_frame_note *note, const struct gw_request *rq, const uint8_t *adu, size_t len)
{
    assert(rq->quantity >= 1 && rq->quantity <= GW_MAX_QUANTITY);
    *note = (struct gw_frame_note){.fault = check_mbap(rq, adu, len)};
    if (!note->fault)
        note->fault = check_pdu(rq, adu, len);
    if (note->fault)
        return SG_EMALFORMED;
    if (adu[AT_FUNCTION] & EXCEPTION_BIT) {
        note->exception = adu[AT_COUNT];
        return SG_EEXCEPTION;
    }
    for (size_t i = 0; i < rq->quantity; i++)
        regs[i] = sg_get_be16(adu + AT_DATA + 2 * i);
    return 0;
}
