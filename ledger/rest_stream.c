/* GET /v1/stream: what happens on this node, as Server-Sent Events.
 *
 * The position of each stream is the hub's (ledger/events.c); here is only what HTTP adds: who may listen, from where on, and
 * how the answer is dressed. Refuses (503 overloaded) more streams than the hub takes, and an id that is none. */
#include "ledger/rest_priv.h"

#include <stdlib.h>

_Static_assert(
    LG_EVENTS_NOTHING == SG_HTTP_LATER && LG_EVENTS_CUT == -1, "read_fn hands the hub's answers on");

struct stream {
    struct lg_events_stream *events;
    const struct sg_clock *clock;
};

static long read_stream(void *state, char *dst, size_t max)
{
    const struct stream *s = state;
    return lg_events_read(s->events, dst, max, s->clock->mono_ms(s->clock));
}

static void stream_free(void *state)
{
    struct stream *s = state;
    lg_events_close(s->events);
    free(s);
}

/* Where the client stood: a browser's header, or the parameter for those that cannot set one. */
static int open_stream(struct lg_rest_call *c, struct stream *s)
{
    static const char *const keys[] = {"last_event_id", NULL};
    char address[SG_HTTP_ADDRESS];
    const char *id = sg_http_header(c->req, "Last-Event-ID");
    int err = lg_rest_keys(c, keys);
    if (err != 0)
        return err;
    if (c->rest->config.events == NULL)
        return SG_ENOT_FOUND;
    sg_http_client_address(c->req, address);
    err = lg_events_open(c->rest->config.events, &s->events, address,
        id != NULL ? id : sg_http_query(c->req, "last_event_id"));
    return err == SG_EBAD_PARAMETER ? lg_rest_bad(c, "Last-Event-ID: the id of an event of this stream")
                                    : err;
}

void lg_rest_get_stream(void *ctx, struct sg_http_request *req)
{
    struct lg_rest *r = ctx;
    struct lg_rest_call c = {.rest = r, .genesis = r->config.genesis, .req = req};
    struct stream *s = calloc(1, sizeof *s);
    const int err = s == NULL ? SG_ENOMEM : open_stream(&c, s);
    if (err != 0) {
        free(s);
        lg_rest_fail(r, req, err, c.why);
        return;
    }
    s->clock = r->config.clock;
    sg_http_answer_stream(req, 200, "text/event-stream; charset=utf-8",
        "Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n", read_stream, s, stream_free);
}

void lg_rest_wake_streams(void *ctx)
{
    const struct lg_rest *r = ctx;
    sg_http_server_wake(r->server);
}
