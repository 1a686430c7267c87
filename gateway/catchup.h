/* What this gateway has not said of the time before its start: minutes of which no statement of its own tells.
 *
 * Once a process, when its node is ready: GET /v1/minutes of each relay says which minutes a statement of this gateway reads, on the
 * best branch or in the pool. What the outbox believes to be unsaid and is said there needs no second statement (an older copy of the
 * outbox was put back). Minutes that the relay's RING may still hold and that neither the outbox nor the node knows are
 * wanted from the pollers: they read them when nothing else is due.
 * What is said there and not confirmed may yet go: overtaken, or with its branch. The relay is asked about again in the slots that follow, and
 * what has gone is wanted, or open, again.
 * Thread: one owner, the one that runs the HTTP client. */
#ifndef GW_CATCHUP_H
#define GW_CATCHUP_H

#include "gateway/outbox.h"
#include "gateway/poller.h"
#include "lg_client.h"

/* Minutes back from the newest closed one: the RING has 60, and the slot of the oldest is about to be written. */
#define GW_CATCHUP_MINUTES 59u

/* What is said of a relay, is not confirmed and not in the outbox: bit i is minute newest - i. */
struct gw_catchup_watch {
    sg_minute newest;
    uint64_t bits;
    bool
        open; /* to be asked about again: bits, or pairs of the outbox that are said elsewhere and not confirmed */
};

struct gw_catchup {
    const struct lg_genesis *genesis;     /* borrowed, as all here */
    const struct gw_relay_config *relays; /* of the configuration */
    unsigned nrelays;
    lg_kid kid;
    struct gw_outbox *outbox;
    struct sg_http_client *http;
    /* Minutes to read, as gw_poller_want. False: not now; the relay is asked about again in the next round. */
    bool (*want)(void *ctx, unsigned relay, sg_minute newest, uint64_t minutes);
    void (*broken)(void *ctx, int err); /* the outbox failed */
    void *ctx;
    struct gw_catchup_watch *watch; /* by relay; zeros */
    /* inside */
    bool asking;
    const char *url;
    bool known;       /* every relay has been asked about once */
    bool open;        /* of this round, some relay is to be asked about again */
    unsigned at;      /* relays before this one are done */
    sg_minute slot;   /* newest closed minute when the relay was taken up */
    sg_minute from;   /* of the page that is asked for */
    uint64_t said;    /* bit i: slot - i is attested by this gateway */
    uint64_t may_go;  /* and is not confirmed */
    int err;          /* the last failure, told once */
    unsigned nwanted; /* minutes */
};

/* Go on with the relays that are not done, unless a call is under way. url: borrowed until the round is over. */
void gw_catchup_ask(struct gw_catchup *c, const char *url, sg_minute slot);
/* Every relay has been asked about once: what is open in the outbox may be stated. */
bool gw_catchup_known(const struct gw_catchup *c);
/* And all that is said of before the start is confirmed: there is nothing left to ask. */
bool gw_catchup_done(const struct gw_catchup *c);

#endif
