/* The requests that the gateway sends to a relay: one table, from the register map's.
 *
 * Nothing else is ever asked: a relay sees these addresses, function code 03, and no write.
 * Pure. Thread: any. */
#ifndef GW_READPLAN_H
#define GW_READPLAN_H

#include "sg_buf.h"
#include "sg_regmap.h"
#include "sg_types.h"

/* Modbus Application Protocol V1.1b3, 6.3: read holding registers, quantity 1..125. */
enum { GW_FC_READ = 3, GW_MAX_QUANTITY = 125 };

enum gw_read_kind {
    GW_READ_HEADER,    /* identity, scaling, boot */
    GW_READ_LIVE,      /* the newest latch */
    GW_READ_FRAME,     /* the last complete minute */
    GW_READ_RING_TAIL, /* status and CRC of a ring slot */
    GW_READ_RING,      /* the minute of a ring slot */
    GW_READ_COUNT
};

struct gw_read {
    const char *name;
    uint16_t address; /* PDU address, 0-based; of minute-of-hour 0 for the ring */
    uint16_t quantity;
    const char *when;
};

/* Static, by kind. */
const struct gw_read *gw_readplan(enum gw_read_kind kind);
/* The address of a read for one minute: the ring's depend on it, the others ignore it. min >= 0. */
uint16_t gw_readplan_address(enum gw_read_kind kind, sg_minute min);
/* Append a line that names the relay and one line per request: "  FC03     0..72  quantity  73  header: when". */
void gw_readplan_print(struct sg_buf *out, const char *relay, const char *host, uint16_t port, uint8_t unit);

#endif
