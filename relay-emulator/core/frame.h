/* The strict check of what a client sent: is there a whole Modbus/TCP frame, and what does it deserve?
 *
 * libmodbus frames by the function code and ignores the length of the MBAP header, so that a second frame hidden
 * in the tail of a first is executed. Here the MBAP length alone delimits a frame, a served function must have
 * exactly the length that it needs, and only what is entirely legal reaches libmodbus.
 * Pure: no socket, no clock. Thread: any. */
#ifndef RE_FRAME_H
#define RE_FRAME_H

#include "sg_types.h"

enum {
    RE_MBAP_BYTES = 7,   /* transaction 2, protocol 2, length 2, unit 1 */
    RE_ADU_MAX = 260,    /* Modbus Messaging on TCP/IP V1.0b, 3.1.3: 7 + 253 */
    RE_LENGTH_MIN = 2,   /* of the MBAP length field: unit and function .. */
    RE_LENGTH_MAX = 254, /* .. unit and a PDU of 253 bytes */
    RE_READ_LENGTH = 6,  /* of a read: unit, function, address 2, quantity 2 */
    RE_READ_MAX = 125,   /* Modbus Application Protocol V1.1b3, 6.3 */
    RE_EXCEPTION_BYTES = 9,
};

/* Modbus Application Protocol V1.1b3, section 7. */
enum {
    RE_EXC_NONE = 0x00,
    RE_EXC_FUNCTION = 0x01,
    RE_EXC_ADDRESS = 0x02,
    RE_EXC_VALUE = 0x03,
    RE_EXC_TARGET = 0x0B, /* gateway target device failed to respond: no such unit here */
};

enum re_verdict {
    RE_FRAME_MORE,      /* legal so far, not complete */
    RE_FRAME_CLOSE,     /* no correct client sends this: close the connection, answer nothing */
    RE_FRAME_READ,      /* answer with the registers */
    RE_FRAME_EXCEPTION, /* answer with an exception */
};

struct re_request {
    size_t adu_bytes;  /* what the frame takes of the buffer; READ and EXCEPTION */
    uint8_t exception; /* RE_EXC_; EXCEPTION */
    uint8_t unit;      /* 1..units, 255 resolved to 1; READ */
    uint8_t function;  /* 3 or 4; READ */
    uint16_t address;  /* READ: every register of the range exists */
    uint16_t quantity; /* READ: 1..RE_READ_MAX */
};

/* Judge the first frame in buf[0..len). The verdict does not depend on how the bytes came in pieces: what is
 * CLOSE for a part of a stream is CLOSE for all of it. A frame is closed for its protocol, length or the length
 * of a read; then it is refused, in this order, for its unit (0x0B), function (01), quantity (03), address (02).
 * *out is written when the verdict is READ or EXCEPTION. units: number of relays, 1..247. */
enum re_verdict re_frame_check(struct re_request *out, const uint8_t *buf, size_t len, unsigned units);

/* The exception answer to a frame of at least 8 bytes. */
void re_frame_exception(uint8_t out[static RE_EXCEPTION_BYTES], const uint8_t *adu, uint8_t exception);

#endif
