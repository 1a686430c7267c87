/* What becomes of a minute, and what a latch was: the words in which acquisition speaks. Pure data. */
#ifndef GW_CORE_OUTCOME_H
#define GW_CORE_OUTCOME_H

#include "lg_record.h"

struct gw_outcome {
    unsigned relay; /* index into the configuration's relays */
    sg_minute min;
    bool has_body;
    enum lg_reason reason; /* when !has_body */
    uint8_t live;          /* samples of the body that this process saw as they were latched */
    bool alarm;   /* an own sample differs from FRAME, or the identity does not fit: an operator must look */
    uint8_t *doc; /* canonical body (lg_body_encode), heap, owned by the message; NULL without body */
    size_t doc_len;
    struct lg_hash digest;
};

/* A live sample for GET /v1/relays/{id}/latest; not a part of any document. */
struct gw_live {
    unsigned relay;
    uint32_t seq;
    sg_ms t_ms; /* instant of the latch */
    struct lg_sample sample;
};

#endif
