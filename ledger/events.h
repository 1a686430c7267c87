/* What happens on a node, told to whoever listens: the ring of the newest events and the streams that read it.
 *
 *   chain thread, pollers --lg_events_put--> ring --lg_events_read--> HTTP thread, one position a stream
 *
 * Nobody who tells an event ever waits for one who reads: a put copies the text, moves the ring and asks the server to wake its
 * streams. A stream that is overrun by the ring is cut off; it comes again with the id that it saw last and is told, by an event
 * `lost`, how much it missed: never a silent hole. Wire form: Server-Sent Events (WHATWG HTML, 9.2), each `id: RUN-NUMBER`, where RUN
 * names this process's life, so that an id of another life is known to be one.
 *
 * Thread: any, but for start and stop; one lock, held while a text is copied. */
#ifndef LG_EVENTS_H
#define LG_EVENTS_H

#include "sg_buf.h"
#include "sg_types.h"

/* Streams at a time, of one address and of all: beyond it 503 overloaded. */
#define LG_EVENTS_MAX_STREAMS         100
#define LG_EVENTS_MAX_STREAMS_ADDRESS 8
/* A stream that has nothing to send says so this often, real ms: who has gone is noticed by writing only. */
#define LG_EVENTS_HEARTBEAT_MS 10000
/* A client that was cut off comes again after this, ms. */
#define LG_EVENTS_RETRY_MS 2000
/* What lg_events_read says when there is nothing, and when the stream must be cut. */
#define LG_EVENTS_NOTHING (-2L)
#define LG_EVENTS_CUT     (-1L)

struct lg_events;
struct lg_events_stream;

/* run: of the process (its start, ms since 1970); max_bytes: of the ring. SG_ENOMEM. */
SG_MUST_USE int lg_events_new(struct lg_events **out, sg_ms run, size_t max_bytes);
/* No stream is open any more. NULL is legal. */
void lg_events_free(struct lg_events *h);
/* Who wakes the streams; NULL: nobody. Waits for a call that is under way: afterwards the one before is not called any more. Not from wake. */
void lg_events_listen(struct lg_events *h, void (*wake)(void *ctx), void *ctx);

/* Tell an event: type is one word, json one line. Both copied. */
void lg_events_put(struct lg_events *h, const char *type, const struct sg_buf *json);

/* Open a stream. last_id: what the client saw last, "" or NULL: it begins with what comes now. SG_EBAD_PARAMETER: no id;
 * SG_EOVERLOADED: too many streams, here or of this address; SG_ENOMEM. */
SG_MUST_USE int lg_events_open(
    struct lg_events *h, struct lg_events_stream **out, const char *address, const char *last_id);
/* At most max bytes; LG_EVENTS_NOTHING or LG_EVENTS_CUT. One thread a stream. now_ms: monotonic, real. */
long lg_events_read(struct lg_events_stream *st, char *dst, size_t max, sg_ms now_ms);
void lg_events_close(struct lg_events_stream *st);

struct lg_events_counts {
    uint64_t events;  /* told since the start */
    uint64_t streams; /* open now */
    uint64_t cut;     /* cut off because the ring had overrun them */
    uint64_t refused; /* because there were too many */
};
void lg_events_counts(struct lg_events *h, struct lg_events_counts *out);

#endif
