/* The conversation with one relay: which request comes next, and what an answer means. No socket, no clock.
 *
 *                     header fits                      (a latch, a minute)
 *    +--> IDENTIFY ----------------> READY --+   READY ----------------> READY
 *    |     |  | ^                     |  |   |
 *    |     |  | +-- new connection, --+  |   |
 *    |     |  |     new BOOT_ID          |   |
 *    |     |  | header of another        |   |
 *    |     |  +-------> FOREIGN          |   |
 *    |     | failed       |              | failed
 *    |     v              |              |
 *    +--- DOWN <----------|--------------+
 *    |  backoff over      |
 *    +--------------------+  backoff over
 *
 * The shell asks gw_relay_next until it says WAIT, does what it says, and hands every result to gw_relay_answer. A step of
 * either may produce an outcome, a live sample or a change of state.
 *
 * When a minute is over FRAME is asked at once, and again while it still shows the minute before; when FRAME has moved on,
 * RING is asked. A gap is declared when GW_CLOSE_MS have passed in vain, or at once for a relay that was known to be
 * unreachable, foreign or with a wrong clock. A minute lost to the network, or wanted by the owner, is asked of RING when there
 * is time (gw_relay_spare): its gap may be followed by a body. The moments of retries count on run_ms, latches and minutes on wall_ms.
 *
 * Pure. Thread: one owner. */
#ifndef GW_RELAY_H
#define GW_RELAY_H

#include "gateway/core/minutes.h"
#include "gateway/core/readplan.h"
#include "gateway/core/window.h"

enum gw_relay_state {
    GW_RELAY_DOWN,
    GW_RELAY_IDENTIFY,
    GW_RELAY_READY,
    GW_RELAY_FOREIGN,
    GW_RELAY_STATE_COUNT
};

/* How long the retries for an ended minute last, on the running clock: until the next latch. */
#define GW_CLOSE_MS       INT64_C(10000)
#define GW_BACKOFF_MIN_MS INT64_C(100)
#define GW_BACKOFF_MAX_MS INT64_C(5000)
/* ... and while an ended minute is waited for. */
#define GW_BACKOFF_CLOSING_MS INT64_C(1000)
/* Two requests for the header lie so far apart at least: a relay that closes after each answer cannot keep us busy. */
#define GW_HEADER_PAUSE_MS INT64_C(100)
/* A relay that has answered nothing for so long is known to be unreachable. */
#define GW_KNOWN_DOWN_MS INT64_C(5000)

struct gw_now {
    sg_ms wall_ms;
    sg_ms run_ms;
};

struct gw_relay_setup {
    unsigned index; /* of the configuration, for the messages */
    const struct lg_relay *relay;
    sg_ms max_future_ms;  /* policy: how far a latch may be off */
    sg_ms latch_delay_ms; /* from a latch to the read of it, < SG_PERIOD_MS */
};

struct gw_job {
    bool wait;              /* nothing to ask before until_ms */
    sg_ms until_ms;         /* wall clock */
    enum gw_read_kind kind; /* otherwise: what to ask */
    sg_minute min;          /* of RING */
    uint16_t address, quantity;
};

/* What a step produced besides the job; all false when nothing. */
struct gw_step {
    bool has_outcome, has_live, has_state;
    struct gw_outcome outcome; /* the caller owns outcome.doc */
    struct gw_live live;
    int state; /* 0, or why the relay is not read: SG_ETIMEOUT, SG_EIDENTITY, SG_ECLOCK ... */
};

struct gw_answer {
    int err;              /* 0, or SG_EREFUSED SG_ETIMEOUT SG_ECLOSED SG_EEXCEPTION SG_EMALFORMED */
    const uint16_t *regs; /* job.quantity registers when err is 0 */
    unsigned generation;  /* of the connection that carried it, > 0 when err is 0 */
    sg_ms sent_wall_ms;   /* before it was sent; now is when it was here */
};

struct gw_relay {
    struct gw_relay_setup setup;
    enum gw_relay_state state;
    unsigned generation;     /* of the connection on which the identity was checked */
    unsigned failures;       /* in a row */
    sg_ms down_since_run_ms; /* the first of these failures */
    int last_err;
    bool proven; /* the connection has carried more than the header, or its end is not this relay's doing */
    sg_ms header_run_ms; /* when the header was answered last, or was not */
    sg_ms retry_run_ms;  /* nothing is asked before */
    int reported;        /* state that was last told; 1: none yet */
    struct gw_header id;
    const char *difference; /* static; what differs from the genesis, in FOREIGN */
    struct gw_window window;
    struct gw_minutes minutes;

    int64_t slot; /* wall clock / 10 s */
    bool slot_done;
    bool slot_probed; /* the extra read of the minute's last slot was planned */
    unsigned live_tries;
    sg_ms live_run_ms;
    bool has_last; /* last_* are of this boot and of this clock */
    uint32_t last_seq;
    sg_ms last_sent_ms; /* at this instant last_seq was still the newest */
    bool other_boot;    /* the last latch was of another boot than the header */
    bool clock_bad;     /* by the newest latch */
    bool ahead;         /* found by the read before a minute ends; until the next one says otherwise */
    sg_minute clock_bad_min[2]; /* minutes that saw a bad clock, newest first */

    bool closing; /* minutes' pending one is being asked for */
    sg_minute closing_min;
    bool closing_known; /* known to be unreachable when it ended */
    bool closing_ring;  /* FRAME has moved on */
    bool closing_fresh; /* the header was read after it ended */
    sg_ms closing_until_run_ms, closing_run_ms;
    unsigned closing_tries;
    enum lg_reason closing_reason;
    sg_ms lost_run_ms; /* no lost minute is asked for before */
    bool ring_open;    /* tail holds status and CRC of ring_min */
    sg_minute ring_min;
    uint16_t tail[3];
};

void gw_relay_init(struct gw_relay *r, const struct gw_relay_setup *setup, struct gw_now now);
/* The connection was ended by a request to another unit behind the same endpoint: nothing is held against this one. */
void gw_relay_cut_off(struct gw_relay *r);
/* What to ask next. A job that is then not done may be left: the next call asks for it again. generation: of the open connection, 0 when there is none (a job then begins with a connect).
 * A step with an outcome asks for nothing yet: job->wait with until_ms in the past; call again. */
void gw_relay_next(
    struct gw_relay *r, struct gw_job *job, struct gw_step *step, struct gw_now now, unsigned generation);
/* A request that can wait: a minute of the RING that is lost or wanted. For when gw_relay_next said WAIT and no other unit of the
 * endpoint has anything to do: one such request at a time never stands in the way of a latch or of the running minute for
 * longer than its own deadline. False: there is none now. */
bool gw_relay_spare(struct gw_relay *r, struct gw_job *job, struct gw_now now, unsigned generation);
/* Ask the RING for a closed minute when there is time, and tell a body if it has one: what was before the start, or an outcome
 * that nobody took. retry_ms: on the running clock, nothing lost is asked for before. */
void gw_relay_want(struct gw_relay *r, sg_minute min, sg_ms retry_ms, struct gw_now now);
/* The result of a job. */
void gw_relay_answer(struct gw_relay *r, struct gw_step *step, const struct gw_job *job,
    const struct gw_answer *a, struct gw_now now);
/* True when the last requests were answered: such relays are asked first. */
bool gw_relay_healthy(const struct gw_relay *r);
/* The gap that a failure stands for. */
enum lg_reason gw_reason_of_err(int err);

#endif
