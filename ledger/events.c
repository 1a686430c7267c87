/* The hub of events: one ring, many positions.
 *
 * Invariant: a stream's next is the number that it is given next; all below it were given, or an event `lost` has told of
 * them. A text is copied to the stream whole before its first byte goes out, so what the ring forgets meanwhile does not matter. */
#include "ledger/events.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/core/event_ring.h"
#include "sg_http.h"
#include "sg_text.h"

/* A short event; the ring holds no more of them than as many as would fit. */
#define EVENT_BYTES 64
/* What a stream keeps of its buffer between two events. */
#define KEEP_BYTES 4096

struct lg_events {
    sg_ms run;

    pthread_mutex_t lock; /* of all below */
    struct lg_event_ring ring;
    struct lg_events_stream *streams;
    struct lg_events_counts counts;
    void (*wake)(void *ctx);
    void *wake_ctx;
    unsigned waking;     /* calls of wake under way */
    pthread_cond_t idle; /* waking has become 0 */
};

struct lg_events_stream {
    struct lg_events *hub;
    struct lg_events_stream *next_stream; /* the hub's list */
    char address[SG_HTTP_ADDRESS];
    uint64_t next;
    bool begun;      /* the greeting has been written */
    bool other_life; /* the client's id is none that this process has given */
    bool cut;
    struct sg_buf out; /* one piece, whole */
    size_t sent;
    sg_ms wrote_ms;
};

int lg_events_new(struct lg_events **out, sg_ms run, size_t max_bytes)
{
    struct lg_events *h = calloc(1, sizeof *h);
    int err;
    if (h == NULL)
        return SG_ENOMEM;
    h->run = run;
    err = lg_event_ring_init(&h->ring, max_bytes, max_bytes / EVENT_BYTES + 1);
    pthread_mutex_init(&h->lock, NULL); /* defaults need nothing and cannot fail */
    pthread_cond_init(&h->idle, NULL);
    if (err == 0)
        *out = h;
    else
        lg_events_free(h);
    return err;
}

void lg_events_free(struct lg_events *h)
{
    if (h == NULL)
        return;
    lg_event_ring_fini(&h->ring);
    pthread_cond_destroy(&h->idle);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

void lg_events_listen(struct lg_events *h, void (*wake)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&h->lock);
    while (h->waking > 0)
        pthread_cond_wait(&h->idle, &h->lock);
    h->wake = wake;
    h->wake_ctx = ctx;
    pthread_mutex_unlock(&h->lock);
}

/* ---- telling ---- */

static void put_id(struct sg_buf *b, const struct lg_events *h, uint64_t number)
{
    sg_buf_printf(b, "id: %" PRId64 "-%" PRIu64 "\n", h->run, number);
}

static void woken(struct lg_events *h)
{
    pthread_mutex_lock(&h->lock);
    if (--h->waking == 0)
        pthread_cond_broadcast(&h->idle);
    pthread_mutex_unlock(&h->lock);
}

void lg_events_put(struct lg_events *h, const char *type, const struct sg_buf *json)
{
    struct sg_buf b;
    void (*wake)(void *) = NULL;
    void *ctx = NULL;
    sg_buf_init(&b, SIZE_MAX);
    pthread_mutex_lock(&h->lock);
    put_id(&b, h, h->ring.next);
    sg_buf_printf(&b, "event: %s\ndata: ", type);
    sg_buf_put(&b, json->p, json->len);
    sg_buf_puts(&b, "\n\n");
    const bool whole = sg_buf_err(&b) == 0 && sg_buf_err(json) == 0 && json->len > 0;
    /* What could not be written counts as lost: a text longer than any ring. */
    (void)lg_event_ring_put(&h->ring, (const char *)b.p, whole ? b.len : SIZE_MAX);
    h->counts.events++;
    if (h->streams != NULL && h->wake != NULL) {
        wake = h->wake;
        ctx = h->wake_ctx;
        h->waking++;
    }
    pthread_mutex_unlock(&h->lock);
    sg_buf_fini(&b);
    if (wake != NULL) {
        wake(ctx);
        woken(h);
    }
}

/* ---- streams ---- */

/* "RUN-NUMBER" of this or another life. */
static int parse_id(const char *text, int64_t *run, int64_t *number)
{
    const char *dash = strchr(text, '-');
    if (dash == NULL || sg_i64_parse(run, text, (size_t)(dash - text), 0, INT64_MAX) != 0 ||
        sg_i64_parse(number, dash + 1, strlen(dash + 1), 0, INT64_MAX - 1) != 0)
        return SG_EBAD_PARAMETER;
    return 0;
}

/* Where the stream begins. lock held. */
static int place(struct lg_events_stream *st, const char *last_id)
{
    const struct lg_event_ring *ring = &st->hub->ring;
    int64_t run = 0, number = 0;
    st->next = ring->next;
    if (last_id == NULL || last_id[0] == '\0')
        return 0;
    const int err = parse_id(last_id, &run, &number);
    if (err != 0)
        return err;
    if (run == st->hub->run && (uint64_t)number < ring->next)
        st->next = (uint64_t)number + 1;
    else
        st->other_life = true;
    return 0;
}

static int admit(const struct lg_events *h, const char *address)
{
    unsigned same = 0;
    for (const struct lg_events_stream *st = h->streams; st != NULL; st = st->next_stream)
        same += strcmp(st->address, address) == 0;
    return h->counts.streams >= LG_EVENTS_MAX_STREAMS || same >= LG_EVENTS_MAX_STREAMS_ADDRESS
               ? SG_EOVERLOADED
               : 0;
}

int lg_events_open(
    struct lg_events *h, struct lg_events_stream **out, const char *address, const char *last_id)
{
    struct lg_events_stream *st = calloc(1, sizeof *st);
    if (st == NULL)
        return SG_ENOMEM;
    st->hub = h;
    snprintf(st->address, sizeof st->address, "%s", address);
    sg_buf_init(&st->out, SIZE_MAX);
    pthread_mutex_lock(&h->lock);
    int err = place(st, last_id);
    if (err == 0) {
        err = admit(h, st->address);
        h->counts.refused += err != 0;
    }
    if (err == 0) {
        st->next_stream = h->streams;
        h->streams = st;
        h->counts.streams++;
    }
    pthread_mutex_unlock(&h->lock);
    if (err == 0)
        *out = st;
    else
        free(st);
    return err;
}

void lg_events_close(struct lg_events_stream *st)
{
    struct lg_events *h = st->hub;
    pthread_mutex_lock(&h->lock);
    struct lg_events_stream **at = &h->streams;
    while (*at != st)
        at = &(*at)->next_stream;
    *at = st->next_stream;
    h->counts.streams--;
    pthread_mutex_unlock(&h->lock);
    sg_buf_fini(&st->out);
    free(st);
}

/* How long to wait before coming again, and an id, so that even a client that is cut off before its first event can say where it
 * stood. What a client that comes again can no longer be given is told first. lock held. */
static void greet(struct lg_events_stream *st)
{
    const struct lg_event_ring *ring = &st->hub->ring;
    const uint64_t first = lg_event_ring_first(ring);
    struct sg_buf *b = &st->out;
    const bool hole = st->other_life || st->next < first;
    sg_buf_printf(b, "retry: %d\n", LG_EVENTS_RETRY_MS);
    if (hole && !st->other_life)
        sg_buf_printf(b, "event: lost\ndata: {\"missed\":%" PRIu64 "}\n", first - st->next);
    else if (hole)
        sg_buf_puts(b, "event: lost\ndata: {}\n"); /* another life of the process: how much cannot be told */
    st->next = hole ? first : st->next;
    put_id(b, st->hub, st->next - 1);
    sg_buf_puts(b, "\n");
    st->begun = true;
}

/* The next piece into out; false when there is none, or the stream is to be cut: the ring has overrun it. */
static bool next_piece(struct lg_events_stream *st)
{
    struct lg_events *h = st->hub;
    if (st->out.len > KEEP_BYTES)
        sg_buf_fini(&st->out);
    sg_buf_reset(&st->out);
    st->sent = 0;
    pthread_mutex_lock(&h->lock);
    if (!st->begun) {
        greet(st);
    } else if (st->next < lg_event_ring_first(&h->ring)) {
        h->counts.cut += !st->cut;
        st->cut = true;
    } else {
        const struct lg_event_text *e = lg_event_ring_get(&h->ring, st->next);
        if (e != NULL) {
            sg_buf_put(&st->out, e->text, e->len);
            st->next++;
        }
    }
    pthread_mutex_unlock(&h->lock);
    st->cut = st->cut || sg_buf_err(&st->out) != 0; /* no memory: it comes again */
    return !st->cut && st->out.len > 0;
}

/* Fill what has room with whole and part pieces. */
static size_t fill(struct lg_events_stream *st, char *dst, size_t max)
{
    size_t n = 0;
    while (n < max && (st->sent < st->out.len || next_piece(st))) {
        const size_t left = st->out.len - st->sent, take = left < max - n ? left : max - n;
        memcpy(dst + n, st->out.p + st->sent, take);
        st->sent += take;
        n += take;
    }
    return n;
}

long lg_events_read(struct lg_events_stream *st, char *dst, size_t max, sg_ms now_ms)
{
    static const char heartbeat[] = ": \n\n";
    size_t n = fill(st, dst, max);
    if (n == 0 && st->cut)
        return LG_EVENTS_CUT;
    if (n == 0 && now_ms - st->wrote_ms >= LG_EVENTS_HEARTBEAT_MS && max >= sizeof heartbeat - 1) {
        n = sizeof heartbeat - 1;
        memcpy(dst, heartbeat, n);
    }
    if (n > 0)
        st->wrote_ms = now_ms;
    return n > 0 ? (long)n : LG_EVENTS_NOTHING;
}

void lg_events_counts(struct lg_events *h, struct lg_events_counts *out)
{
    pthread_mutex_lock(&h->lock);
    *out = h->counts;
    pthread_mutex_unlock(&h->lock);
}
