/* The strict check of a Modbus/TCP answer against its request.
 *
 * libmodbus accepts answers of another unit, with another protocol id and with any MBAP length; and its raw mode checks
 * nothing. Whatever becomes a measurement has passed this check first.
 * Pure: knows no socket. Thread: any. */
#ifndef GW_FRAME_H
#define GW_FRAME_H

#include "gateway/core/readplan.h"
#include "sg_err.h"

/* Modbus Messaging on TCP/IP V1.0b, 3.1.3: MBAP of 7 bytes before a PDU of at most 253. */
enum { GW_MBAP_BYTES = 7, GW_REQUEST_BYTES = GW_MBAP_BYTES + 5, GW_ADU_MAX = GW_MBAP_BYTES + 253 };

struct gw_request {
    uint16_t tid; /* another one for every request of a connection */
    uint8_t unit;
    uint16_t address;
    uint16_t quantity; /* 1..GW_MAX_QUANTITY */
};

/* What is wrong with an answer, for the log. X(name, text) */
#define GW_FRAME_FAULTS(X)                                                                                   \
    X(NONE, "none")                                                                                          \
    X(SHORT, "shorter than any answer")                                                                      \
    X(TID, "transaction id of another request")                                                              \
    X(PROTOCOL, "protocol id is not 0")                                                                      \
    X(LENGTH, "MBAP length is not what was sent")                                                            \
    X(UNIT, "unit id of another relay")                                                                      \
    X(FUNCTION, "another function")                                                                          \
    X(EXCEPTION_CODE, "exception code that the standard does not define")                                    \
    X(BYTE_COUNT, "byte count is not twice the quantity")                                                    \
    X(SIZE, "bytes missing or left over")

#define GW_FRAME_ENUM_(name, text) GW_FRAME_##name,
enum gw_frame_fault { GW_FRAME_FAULTS(GW_FRAME_ENUM_) GW_FRAME_FAULT_COUNT };
#undef GW_FRAME_ENUM_

struct gw_frame_note {
    enum gw_frame_fault fault;
    uint8_t exception; /* code of a well-formed exception answer, otherwise 0 */
};

/* Static text of a fault. */
const char *gw_frame_fault_text(enum gw_frame_fault fault);

/* The ADU of a request for holding registers (FC03). */
void gw_request_encode(uint8_t adu[static GW_REQUEST_BYTES], const struct gw_request *rq);

/* Check a whole answer, adu[0..len), and take its registers.
 *
 * Returns: 0              regs holds rq->quantity registers in host order
 *          SG_EEXCEPTION  the relay refused; note->exception is its code
 *          SG_EMALFORMED  no answer to this request; note->fault says why
 * Out:     regs  room for rq->quantity registers; written on success only
 *          note  always written */
SG_MUST_USE int gw_frame_check(
    uint16_t *regs, struct gw_frame_note *note, const struct gw_request *rq, const uint8_t *adu, size_t len);

#endif
