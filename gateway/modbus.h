/* A Modbus/TCP client that trusts nothing it has not checked: one connection to one endpoint.
 *
 * libmodbus receives the answer; connect, deadline, transaction ids and the check of the frame (gateway/core/frame.h) are
 * our own. Any doubt closes the connection: a late or second answer can never be taken for the next one's.
 * Thread: one owner. Deadlines are real time. */
#ifndef GW_MODBUS_H
#define GW_MODBUS_H

#include "gateway/core/frame.h"
#include "sg_clock.h"

/* libmodbus calls FD_SET: a descriptor >= 1024 would abort the process. */
#define GW_MODBUS_MAX_FD 1000

struct gw_modbus;

/* host: numeric address or name; borrowed until free, like clock. SG_ENOMEM, SG_EIO. Nothing is sent yet. */
SG_MUST_USE int gw_modbus_new(
    struct gw_modbus **out, const struct sg_clock *clock, const char *host, uint16_t port);
void gw_modbus_free(struct gw_modbus *m);

/* Connect; what was open is closed first. SG_EREFUSED (refused, unreachable, name unknown), SG_ETIMEOUT, SG_EIO.
 * A numeric address never takes longer than timeout_ms; the time to look up a name is the resolver's. */
SG_MUST_USE int gw_modbus_connect(struct gw_modbus *m, sg_ms timeout_ms);
void gw_modbus_close(struct gw_modbus *m);
/* Another number > 0 for every connection, 0 while there is none. */
unsigned gw_modbus_generation(const struct gw_modbus *m);

/* Between requests: drop the connection when the relay has closed it, or has sent what nobody asked for. */
void gw_modbus_look(struct gw_modbus *m);

/* Read holding registers on the open connection (FC03).
 *
 * Returns: 0              regs holds quantity registers, note the verdict of the check
 *          SG_ECLOSED     not connected, or closed by the relay before it answered
 *          SG_ETIMEOUT    no whole answer within timeout_ms, however its bytes come
 *          SG_EEXCEPTION  note->exception; the connection stays open
 *          SG_EMALFORMED  note->fault; bytes that nobody asked for, before or behind an answer, too
 *          SG_EIO         the socket failed
 * After every error but SG_EEXCEPTION the connection is closed. */
SG_MUST_USE int gw_modbus_read(struct gw_modbus *m, uint16_t *regs, struct gw_frame_note *note, uint8_t unit,
    uint16_t address, uint16_t quantity, sg_ms timeout_ms);

#endif
