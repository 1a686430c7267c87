/* Inside of the witness, shared by gateway/witness*.c only. Everything belongs to its thread but for queue, stop and latch. */
#ifndef GW_WITNESS_PRIV_H
#define GW_WITNESS_PRIV_H

#include "gateway/catchup.h"
#include "gateway/commit.h"
#include "gateway/follow.h"
#include "gateway/ledgers.h"
#include "gateway/outbox.h"
#include "gateway/witness.h"
#include "sg_queue.h"

#include <pthread.h>
#include <stdatomic.h>

/* Outcomes taken from the queue and not yet in the outbox: only a full disk makes them many. */
#define GW_HELD_MAX 1024

struct gw_witness {
    struct gw_witness_config config;
    pthread_t thread;
    atomic_bool stop;
    _Atomic int64_t latch_run_ms; /* when a relay last showed our time, by run_ms */
    struct sg_queue *queue;       /* of struct gw_outcome on the heap */

    struct gw_outbox *outbox;
    struct sg_http_client *http;
    struct gw_ledgers *ledgers;
    struct gw_commit *commit;
    struct gw_follow *follow;
    struct gw_catchup catchup;
    unsigned follow_ledger; /* the node of the round of follow */
    struct gw_witness_core core;

    sg_ms start_wall_ms, start_run_ms;
    sg_minute first;         /* the minute of the start */
    sg_minute catchup_slot;  /* ask what was said before the start, not before this slot; -1: not yet ready */
    sg_ms turn_ms;           /* monotonic: the last turn */
    sg_minute again_slot;    /* the last slot for which the home node was asked once more; -1: none */
    bool late;               /* this slot was opened too late to be signed */
    sg_minute slot;          /* newest closed minute that was opened for signing; -1: none */
    sg_ms follow_ms;         /* wall clock: when to follow in this slot */
    bool look;               /* for uncommitted pairs, when the round of follow is over */
    sg_ms retry_ms;          /* monotonic: ask the nodes again, or store what is held; INT64_MAX: no need */
    sg_minute *reported;     /* by relay of the configuration: newest closed minute with an outcome */
    unsigned *genesis_index; /* by relay of the configuration */
    size_t budget;           /* bytes of a statement with its bodies */
    struct lg_client_header tip; /* best block known; of the last node that answered first */
    bool has_tip;
    struct lg_client_header vote; /* what a statement names: gw_witness_names */
    enum gw_trust trust;
    bool told_not_ready, told_uncommitted, told_full;
    bool failed;
    unsigned nheld;
    struct gw_outcome *held[GW_HELD_MAX];
};

/* witness_sign.c: whatever can be done now about incarnations and signing. */
void gw_witness_try_sign(struct gw_witness *w, sg_ms now_ms);
/* witness_catchup.c: broken is told of errors of the outbox. SG_ENOMEM; watch of catchup is the caller's to free. */
SG_MUST_USE int gw_witness_catchup_init(struct gw_witness *w, void (*broken)(void *ctx, int err));
/* An incarnation begins, so a node is ready: when to ask. */
void gw_witness_plan_catchup(struct gw_witness *w);
/* Ask when it is time. */
void gw_witness_catch_up(struct gw_witness *w);
/* The oldest minute that a statement may name now: what was before the start waits until it is known what was said of it. */
sg_minute gw_witness_first(const struct gw_witness *w);
/* The wall instant until which a statement of this slot waits for relays and nodes. */
sg_ms gw_witness_deadline(const struct gw_witness *w);
/* The current incarnation, or another one, can no longer be continued on the best branch. */
void gw_witness_give_up(struct gw_witness *w, sg_ms inc, const char *why);

/* witness_intake.c: all that the pollers have told, into the outbox. */
void gw_witness_take_in(struct gw_witness *w);
/* The clock shows now, and slot is the newest closed minute by it: what was told of later ones by a clock that ran ahead is told again when
 * they come, so that nothing waits for it too short, and no gap of it is stated. */
void gw_witness_forget_fast_clock(struct gw_witness *w, sg_minute slot, sg_ms now_ms);

/* witness.c */
void gw_witness_fail(struct gw_witness *w, int err, const char *why);
/* An error of the outbox: a full disk raises an alarm, anything else ends the witness. */
void gw_witness_outbox_err(struct gw_witness *w, int err);
/* The outbox could be written: it is full no more. */
void gw_witness_outbox_good(struct gw_witness *w);
/* An alarm that lasts is over. */
void gw_witness_alarm_over(struct gw_witness *w, const char *kind);
/* Look again after ms real milliseconds at the latest. */
void gw_witness_retry_in(struct gw_witness *w, sg_ms ms);
sg_ms gw_witness_wall(const struct gw_witness *w);

#endif
