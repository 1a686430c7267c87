/* Following own statements until they are confirmed: where does the home node see each of them?
 *
 * A round asks GET /v1/statements/{leaf} one after the other, those asked longest ago first, and notes the places in the outbox. A
 * few confirmed ones are asked again in every round, so that a deep reorganisation is noticed.
 * Thread: one owner, the one that runs the HTTP client. */
#ifndef GW_FOLLOW_H
#define GW_FOLLOW_H

#include "gateway/outbox.h"
#include "lg_client.h"

#define GW_FOLLOW_MAX  128 /* statements a round */
#define GW_FOLLOW_DEEP 2   /* confirmed ones among them; many when one of them has moved */

struct gw_follow {
    struct gw_outbox *outbox;    /* borrowed */
    struct sg_http_client *http; /* borrowed */
    /* This statement can never be mined any more; its items are open again. */
    void (*overtaken)(void *ctx, const struct gw_said_row *row);
    /* The home node does not have it (any more). */
    void (*missing)(void *ctx, const struct gw_said_row *row);
    void (*broken)(void *ctx, int err); /* the outbox failed */
    void *ctx;
    /* inside */
    const char *url; /* of the home node of this round; NULL: no round */
    bool moved;      /* a confirmed one was not where it had been */
    unsigned n, at;
    struct gw_said_row rows[GW_FOLLOW_MAX];
};

/* Begin a round with this node, unless one is under way. url: borrowed as long as the process lives. */
void gw_follow_ask(struct gw_follow *f, const char *url, sg_minute slot);

#endif
