/* The connections of the server: a buffer each, the deadlines of frames and of clients that do not read, and who has
 * to go when there are too many. No socket is touched here: descriptors are numbers.
 *
 *            first byte of a frame           room in the socket again
 *   idle ------------------------> partial          <------- stalled
 *    ^  <------------------------                              |
 *    |     the frame is complete     (closed RE_FRAME_MS       | (closed RE_STALL_MS after it stalled)
 *    +---------------------------------------------------------+
 *
 * A connection has one deadline at most: partial and stalled exclude each other, for a stalled client is not read
 * and cannot be late with a frame. Thread: one owner (the server loop). */
#ifndef RE_FRAMING_H
#define RE_FRAMING_H

#include "relay-emulator/core/frame.h"
#include "sg_types.h"

enum {
    RE_CONNS_MAX = 256,    /* SPEC section 3 */
    RE_CONNS_ADDRESS = 64, /* of one address */
    RE_FRAME_MS = 1000,    /* from the first byte of a frame to its last */
    RE_STALL_MS = 5000,    /* how long a client may leave its answers unread when the socket is full */
    RE_ADDRESS_BYTES = 16,
};

struct re_link {
    struct re_link *prev, *next;
};

enum re_conn_state { RE_CONN_IDLE, RE_CONN_PARTIAL, RE_CONN_STALLED };

struct re_conn {
    struct re_link idle;  /* first member: order of last activity, or the list of free ones */
    struct re_link timed; /* in the list of its state, unless idle */
    int fd;               /* -1: free */
    enum re_conn_state state;
    sg_ms deadline_ms; /* monotonic; partial and stalled */
    size_t unchecked;  /* bytes answered since the socket was last asked how full it is */
    size_t head, len;  /* the unjudged bytes are buf[head .. len) */
    uint8_t address[RE_ADDRESS_BYTES];
    uint8_t buf[RE_ADU_MAX];
};

struct re_conns {
    struct re_conn all[RE_CONNS_MAX];
    struct re_link free;
    struct re_link idle;    /* head: idle for longest, counted from its last complete frame */
    struct re_link partial; /* head: earliest deadline */
    struct re_link stalled; /* head: earliest deadline */
    size_t count;
};

void re_conns_init(struct re_conns *cs);

/* The one whose last complete frame is oldest; NULL when there is none. */
struct re_conn *re_conns_longest_idle(struct re_conns *cs);
/* The connection that must be closed before one more from this address can be added: the longest idle one of the
 * address when it has RE_CONNS_ADDRESS, of all when there are RE_CONNS_MAX; NULL when there is room. */
struct re_conn *re_conns_victim(struct re_conns *cs, const uint8_t address[static RE_ADDRESS_BYTES]);
/* Room is there (ask re_conns_victim first). The entry stays in its place until re_conns_remove. */
struct re_conn *re_conns_add(struct re_conns *cs, int fd, const uint8_t address[static RE_ADDRESS_BYTES]);
/* Forget it; the descriptor is the caller's to close. */
void re_conns_remove(struct re_conns *cs, struct re_conn *c);

/* Where the next bytes go, *room of them (never 0 after every whole frame has been taken). */
uint8_t *re_conn_space(struct re_conn *c, size_t *room);
/* n bytes were put there at now_ms. */
void re_conns_received(struct re_conns *cs, struct re_conn *c, size_t n, sg_ms now_ms);

/* The verdict on the first frame in the buffer. *adu: its bytes, borrowed until the next call. */
enum re_verdict re_conn_check(
    const struct re_conn *c, struct re_request *out, const uint8_t **adu, unsigned units);
/* That frame is done: it was answered. The clock of what follows it starts now. */
void re_conns_take(struct re_conns *cs, struct re_conn *c, size_t adu_bytes, sg_ms now_ms);

/* The socket is full, or has room again. */
void re_conns_stall(struct re_conns *cs, struct re_conn *c, sg_ms now_ms);
void re_conns_resume(struct re_conns *cs, struct re_conn *c, sg_ms now_ms);

/* A connection whose deadline has passed; NULL when there is none. */
struct re_conn *re_conns_expired(struct re_conns *cs, sg_ms now_ms);
/* The earliest deadline, INT64_MAX when there is none. */
sg_ms re_conns_deadline(const struct re_conns *cs);

#endif
