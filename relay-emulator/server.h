/* The Modbus/TCP server: one thread, epoll, own framing, libmodbus for the answers.
 *
 * What a client gets: frames in the order in which they came, pipelined or not, each answered from the latch that was
 * newest when the frame was judged. A malformed stream is closed (core/frame.h says which), a frame that is not
 * complete RE_FRAME_MS after its first byte too. Every client is served at most one buffer of frames a turn, none is
 * ever waited for, and one that leaves its answers unread is not served further and closed after RE_STALL_MS: no
 * client can delay another. After a half-close what was asked is answered, then the connection is closed. */
#ifndef RE_SERVER_H
#define RE_SERVER_H

#include "relay-emulator/station.h"
#include "sg_clock.h"
#include "sg_err.h"
#include "sg_types.h"

struct re_server;

struct re_server_conf {
    const char *bind; /* IPv4 or IPv6 address; borrowed for the call */
    uint16_t port;    /* 0: any free one */
};

/* Bind and listen. clock is borrowed until re_server_free.
 * SG_EADDRINUSE (the fault names the port), SG_ECONFIG (no address), SG_EIO or SG_ENOMEM with a fault. */
SG_MUST_USE int re_server_new(struct re_server **out, const struct sg_clock *clock,
    const struct re_server_conf *conf, struct sg_fault *fault);
void re_server_free(struct re_server *s);

/* "127.0.0.1:5010", "[::1]:5010": where it listens. Borrowed. */
const char *re_server_address(const struct re_server *s);

/* Serve the station's relays until SIGINT or SIGTERM, which must be blocked in every thread
 * (sg_cli_block_signals). 0, or SG_EIO when the system refuses to go on. */
SG_MUST_USE int re_server_run(struct re_server *s, struct re_station *station);

#endif
