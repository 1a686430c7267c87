/* What the ledger nodes of the configuration say: their clocks, tips, and what they hold of this gateway's statements.
 *
 * A round asks all of them at once, each on its own: GET /v1/status, the header of a new tip, /v1/gateways/{kid}, when wanted
 * /readyz, and the statements that prove a greater incarnation of the key: from its last one back to its first, which names this chain. One
 * that does not answer delays none of the others, and nothing that a node says is believed against the key's own signature.
 * Thread: one owner, the one that runs the HTTP client. */
#ifndef GW_LEDGERS_H
#define GW_LEDGERS_H

#include "gateway/core/trust.h"
#include "gateway/core/witness.h"
#include "lg_client.h"
#include "sg_clock.h"

#define GW_MAX_LEDGERS 65 /* the embedded one and 64 others */

enum gw_ledger_step { /* of a round */
    GW_LEDGER_STATUS,
    GW_LEDGER_TIP,
    GW_LEDGER_GATEWAY,
    GW_LEDGER_READY,
    GW_LEDGER_PROOF,
    GW_LEDGER_DONE
};

/* Statements of a proof that one round asks for; a longer one goes on in the next. */
#define GW_LEDGER_PROOF_STEPS 256

struct gw_ledger {
    struct gw_ledgers *owner;
    const char *url;
    bool asking;              /* a call is under way */
    bool again;               /* the round is about its tip and base only */
    enum gw_ledger_step step; /* the one under way, or DONE */
    bool answered;            /* everything asked in this round is here */
    int err;                  /* why not; 0 while asking */
    bool has_clock, agrees;   /* its clock is known; it is within max_future_ms of ours */
    sg_ms asked_ms;           /* wall clock when the status was asked */
    struct lg_client_status status;
    bool has_tip;
    struct lg_client_header tip; /* height 0: the genesis */
    bool has_gateway;
    struct lg_client_gateway gateway;
    bool ready;
    char why[160];               /* it is not */
    struct lg_client_last proof; /* of a proof under way: the statement to ask for; inc 0: none */
    unsigned proof_steps;        /* in this round */
};

struct gw_ledgers_config {
    const char *const *urls;          /* borrowed */
    unsigned n;                       /* 1..GW_MAX_LEDGERS */
    bool own_first;                   /* the first one is this process's own node */
    const struct lg_genesis *genesis; /* borrowed */
    lg_kid kid;
    const struct sg_clock *clock; /* borrowed */
    struct sg_http_client *http;  /* borrowed */
};

struct gw_ledgers {
    struct gw_ledgers_config config;
    bool want_ready;
    sg_ms made_inc;   /* greatest incarnation of this process; 0: no proof is asked for */
    sg_ms proven_inc; /* greatest one that the key has begun on this chain, by its signature */
    struct gw_ledger all[GW_MAX_LEDGERS];
};

void gw_ledgers_init(struct gw_ledgers *l, const struct gw_ledgers_config *config);
/* Begin a round. One that is still busy with the last round stays at it, and counts when it is done. */
void gw_ledgers_ask(struct gw_ledgers *l, bool want_ready, sg_ms made_inc);
/* Ask one that has answered in this round for its tip and base once more; what it said before counts until then. */
void gw_ledgers_ask_again(struct gw_ledgers *l, const struct gw_ledger *which);
/* Every node has answered or failed. */
bool gw_ledgers_settled(const struct gw_ledgers *l);
/* The first one that answered in this round; NULL: none. */
const struct gw_ledger *gw_ledgers_home(const struct gw_ledgers *l);
/* The one by which an incarnation may begin: the own node when it is ready, else (thin gateway) the first that is ready; NULL with
 * why (static or borrowed until the next round). Meaningful when settled and want_ready. */
const struct gw_ledger *gw_ledgers_ready(const struct gw_ledgers *l, const char **why);
/* Clocks of the nodes other than the own one, into peers and peers_agree. */
void gw_ledgers_clocks(const struct gw_ledgers *l, struct gw_trust_view *v);
/* inc and slot of known, from the nodes that answered. A node other than home that names an incarnation or the end of a slot beyond
 * now + max_future_ms is not believed: an honest one could not hold such a statement. */
void gw_ledgers_known(const struct gw_ledgers *l, struct gw_witness_known *known, sg_ms now_ms);

#endif
