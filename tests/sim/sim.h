/* A network of ledger nodes and gateways in one thread: real engines (lg_engine_pow) and the real state machine of signing
 * (gateway/core/witness), on simulated clocks, links, disks, work, relays and signatures.
 *
 * One heap of events, ordered by (time, sequence number), drives everything; nothing else makes anything happen, and all that is drawn
 * comes from one generator. So a seed and its options decide a run to the last bit: sim.trace is the hash over it.
 *
 * A machine is a gateway of the genesis, by its index there; the first nnodes of them also run a node. One more, with a key of its own, may be
 * there that is nobody's gateway (sim_keyless.c). Time is true time in ms since
 * the epoch; what a machine believes is its clock's business. Faults of the simulator itself abort. */
#ifndef SIM_H
#define SIM_H

#include "gateway/core/trust.h"
#include "gateway/core/witness.h"
#include "ledger/core/engine.h"
#include "ledger/core/hash_map.h"
#include "tests/lib/mem_store.h"
#include "tests/sim/sim_msg.h"
#include "tests/sim/sim_outbox.h"
#include "tests/sim/sim_script.h"
#include "tests/sim/sim_share.h"

#define SIM_MAX_NODES   16
#define SIM_MAX_GWS     18
#define SIM_MACHINES    (SIM_MAX_GWS + 1)
#define SIM_NOBODY      SIM_MACHINES
#define SIM_MAX_RELAYS  4
#define SIM_MAX_LEDGERS 4
#define SIM_START       INT64_C(1764000000000)
#define SIM_MINUTE      (SIM_START / SG_MINUTE_MS)

/* Seeded faults: each must be found (make sim-selftest). */
enum sim_bug {
    SIM_BUG_NONE,
    SIM_BUG_FORGET,   /* a statement is forgotten when it is mined: a reorganisation does not bring it back */
    SIM_BUG_FORGET_6, /* the same, but when it has six confirmations */
    SIM_BUG_UNSYNCED, /* acknowledged before it is on disk: no fsync */
    SIM_BUG_RETRY,    /* a commit that failed is tried again, as if the data were still to be written */
    SIM_BUG_POOL,     /* a restart loses the pool */
    SIM_BUG_ARRIVAL,  /* of two equal branches the one that came first stays */
    SIM_BUG_CLAIM,    /* the weight that a header claims is believed */
    SIM_BUG_ADOPT,    /* a block on the tip is adopted before it is validated */
    SIM_BUG_UNCHECKED, /* signatures of statements are not verified */
    SIM_BUG_READERS,   /* who may read a relay is not checked */
    SIM_BUG_BACKUP,    /* a restored backup goes on with its last incarnation */
    SIM_BUG_TORN,      /* a transaction of which a crash left a part is taken as whole */
    SIM_BUG_LATE,      /* an answer that comes too late is taken for one to the question after */
    SIM_BUG_UNSIGNED,  /* signatures of blocks are not verified */
    SIM_BUG_COPY,      /* the fault of one copy of a block is taken for the block's */
    SIM_BUG_BODIES,    /* a reorganisation brings statements back, and not their bodies */
    SIM_BUG_IDLE,      /* nobody mines until everything heals */
    SIM_BUGS
};
extern const char *const sim_bug_names[SIM_BUGS];

enum sim_fault {
    SIM_LOSS,
    SIM_DUPLICATE,
    SIM_DELAY,
    SIM_CUT,
    SIM_PARTITION,
    SIM_CRASH,
    SIM_DISK_FULL,
    SIM_DISK_EIO,
    SIM_CLOCK_STEP,
    SIM_DRIFT,
    SIM_FREEZE,
    SIM_BACKUP,
    SIM_RELAY,
    SIM_SLOW_WORK,
    SIM_HOSTILE,
    SIM_TORN,
    SIM_CLOG,
    SIM_KEYLESS,
    SIM_FAULTS
};
extern const char *const sim_fault_names[SIM_FAULTS];

/* Each of these classes bites by itself: with it alone the seeded fault is found within 200 seeds. */
#define SIM_ALONE 4
extern const struct sim_alone {
    enum sim_bug bug;
    enum sim_fault fault;
} sim_alone[SIM_ALONE];

struct sim_options {
    uint64_t seed;
    unsigned minutes; /* with faults; 0: drawn */
    unsigned nodes;   /* 0: drawn */
    uint32_t faults;  /* bits of enum sim_fault that may be drawn */
    uint32_t
        cut; /* links to cut, of four nodes: bit 3 * from + (to < from ? to : to - 1); needs a number of minutes */
    bool halves; /* the nodes are parted in two, at random; needs a number of minutes */
    enum sim_bug bug;
    enum sim_script script; /* not NONE: no faults, and this plan */
    bool verbose;
};
#define SIM_DAY      1425 /* minutes with faults of a run that lasts a day in all */
#define SIM_CUTS     4096 /* of four nodes */
#define SIM_CUT_FROM 2    /* minutes */

/* ---- machines ---- */

struct sim_clock { /* wall time of a machine: base_wall at true time base, then at its own pace */
    sg_ms base, base_wall, base_run;
    int ppm;
};

/* When somebody wants to be woken. One event of it counts; a later wish does not move it: it comes, and goes on to the wish. */
struct sim_timer {
    uint64_t generation; /* of the event that counts */
    bool pending;
    sg_ms at;  /* of that event */
    sg_ms due; /* the wish; INT64_MAX: none */
};

struct sim_peer {
    bool tried, answered, tip_known, waiting, wants_pool;
    unsigned polls;
    unsigned fruitless; /* rounds that brought nothing, one after another */
    unsigned took;      /* blocks, in this round */
    int64_t reached;    /* height, in this round */
    unsigned bans;      /* in a row */
    sg_ms banned_until, status_until;
    struct lg_hash tip;   /* that it named last */
    sg_ms fetching_until; /* true time; a page is under way */
    uint64_t fetch_id, status_id;
};

#define SIM_RECENT  64
#define SIM_REFUSED 16
struct sim_node {
    struct mem_store *store;
    struct lg_engine *engine; /* NULL: down */
    struct lg_host host;
    struct sim *sim;
    unsigned m;
    struct sim_timer timer;
    struct sim_peer peers[SIM_MACHINES];
    enum lg_block_verdict verdict; /* of the block offered last, when it was not refused */
    struct lg_block_info tip;
    struct lg_hash *acked; /* leaves that this disk has promised to keep */
    size_t nacked, cap_acked;
    struct sim_doc *recent[SIM_RECENT]; /* offers that are held in full (ledger/node.c) */
    size_t recent_len[SIM_RECENT];      /* of each; 0: none */
    unsigned next_recent;
    struct sim_offer gathered;
    uint64_t reorgs, seen_reorgs;
    bool failed; /* the disk failed for good: the process ends after this call */
    bool full, opening;
    bool left; /* ended between calls, with left_state */
    struct lg_engine_state left_state;
    struct sim_doc *withheld[SIM_BATCH];
    struct lg_hash refused[SIM_REFUSED]; /* by the seeded fault "copy" */
    unsigned nrefused;
    unsigned nwithheld;
};

struct sim_ledger { /* what a gateway knows of a node, this round; and its offers to it */
    unsigned m;
    bool asking, answered, has_clock, agrees, ready;
    uint64_t ask_id;
    sg_ms ask_until, asked_wall;
    struct sim_named base, tip;
    sg_minute base_for;
    sg_ms tip_time, inc;
    sg_minute slot;
    bool busy;
    uint64_t offer_id;
    sg_ms offer_until, retry, patience;
    int64_t next, all_until, gap_step;
    unsigned n;
    int64_t rows[SIM_BATCH];
};

struct sim_gateway {
    struct sim_outbox box;
    struct gw_witness_core core;
    struct sim_ledger ledgers[SIM_MAX_LEDGERS];
    unsigned nledgers;
    uint64_t relays; /* that it may read, as bits */
    bool up, want_ready, turning;
    struct sim_timer timer;
    sg_ms begun;           /* when the incarnation was chosen, by its clock */
    sg_minute slot, again; /* again: the last slot for which the home node was asked once more */
    sg_ms follow_wall, retry;
    sg_minute reported[SIM_MAX_RELAYS];
    struct lg_hash tip;
    sg_ms tip_time;
    bool following;
    uint64_t follow_id;
    struct lg_statement_ref followed[SIM_BATCH];
    int64_t followed_ids[SIM_BATCH];
    sg_ms follow_until;
    unsigned follow_ledger;
    enum gw_trust trust;
    unsigned exits;             /* stopped because another process signs with the key */
    struct sim_doc *last_offer; /* of last_rows: all nodes are offered the same */
    unsigned last_n;
    int64_t last_rows[SIM_BATCH];
    struct sim_outbox backup;
    bool has_backup;
    int64_t backup_height;
};

struct sim_machine {
    struct sim_clock clock;
    uint64_t process; /* number of the running process; grows with every start */
    bool up, has_node, honest;
    sg_ms frozen_until;
    sg_ms start_wall, start_run, started;
    struct sim_node node;
    struct sim_gateway gw;
};

/* ---- the blocks that anybody ever made, judged once by rules and a view of the simulator's own ---- */
struct sim_block {
    struct sim_block *next;   /* another copy of the same header */
    struct sim_block *before; /* the one that was met before */
    sg_ms at;                 /* when it was met */
    struct sim_doc *doc;
    struct lg_block *b;      /* NULL: not at hand now, see sim_judge_decoded */
    struct sim_block *older; /* whose b was brought in before this one's */
    bool decodes, adopted; /* adopted: was a tip, so what it carries of honest gateways has been looked at */
    struct lg_hash hash, prev; /* when it decodes */
    sg_ms due;                 /* nothing in it is early from then on */
    struct sim_brief *briefs;  /* of a valid block: its statements */
    unsigned nbriefs;
    struct lg_block_info info;
    const struct sim_block *parent; /* NULL: the genesis */
    const struct sim_block *skip;   /* an ancestor further down, or NULL: long ways go by it */
    bool judged;
    int verdict;                    /* of lg_block_check without a clock; when judged */
    struct lg_statement_ref last[]; /* of each gateway; seq 0: none */
};
/* What is kept of a statement in a valid block. */
struct sim_brief {
    unsigned gw;
    sg_ms inc, ts;
    int64_t seq;
    sg_minute slot;
    unsigned nreads;
    struct sim_brief_read {
        unsigned relay;
        sg_minute min;
    } * reads;
};
struct sim_judge {
    struct lg_map blocks;              /* hash -> struct sim_block */
    struct sim_block *newest, *oldest; /* of those whose b is at hand, linked from the oldest on */
    unsigned ndecoded;
    struct sim_block *last; /* met, all in a row by before */
    struct lg_map bodies;   /* digest -> struct sim_places */
    struct lg_map acked;    /* leaf -> bits of the nodes that acknowledged it, as a pointer */
    struct lg_map
        signed_by; /* leaf, and (gw, inc, seq) as a hash -> struct sim_machine, the latter -> the sim when it was on a good network: what honest gateways signed */
};

struct sim_truth {
    struct sim_doc **docs; /* [relay * minutes + minute]; made when first read */
    struct lg_hash *digests;
    bool *calm; /* [minute]: the network was good at its end, and had been for long enough */
    sg_minute first;
    unsigned nrelays, minutes;
};

struct sim_net {
    bool cut[SIM_MACHINES][SIM_MACHINES];
    unsigned group[SIM_MACHINES];              /* of a partition */
    unsigned loss, duplicate, delayed;         /* permille */
    sg_ms clogged[SIM_MACHINES][SIM_MACHINES]; /* from, to: nothing arrives before, then all in order */
    sg_ms clog_until;                          /* the latest of them */
    sg_ms latency_min, latency_max, delay_max;
    sg_ms gather; /* a node passes statements on this long after the first of them */
    sg_ms poll;   /* a node asks its peers this often where they stand */
    bool apart;   /* an answer takes its own time back; else question and answer arrive with the question */
    bool peers[SIM_MAX_NODES][SIM_MACHINES]; /* whom a node has in its configuration; either way or neither */
};

struct sim_stats {
    uint64_t events, messages, blocks, statements, crashes, restarts, reorgs, deepest, deepest_calm, refused,
        excused, unstated, bans;
    uint64_t pairs, faults[SIM_FAULTS];
    uint64_t on_branch, hostile_on_branch; /* blocks of the best branch at the end */
    uint64_t slots_calm;                   /* most slots that an honest statement waited on a good network */
    uint64_t calm_minutes;                 /* on a good network */
    int64_t node_minutes;
};

struct sim {
    struct sim_options opt;
    uint64_t rng;
    sg_ms now, heal, end;
    bool healed;
    sg_ms
        calm_from; /* from here on the promises of a good network are demanded, until something goes wrong again */
    struct sim_heap heap;
    uint64_t trace, next_id, offers;
    struct lg_genesis *g;
    uint8_t keys[SIM_MACHINES][SG_PUBLIC_KEY_BYTES];
    struct sg_crypto crypto;
    unsigned nnodes, ngws;
    unsigned npeers;  /* machines below may be peers: the nodes, and the one without a key */
    unsigned hostile; /* machine; SIM_MAX_GWS: none */
    uint32_t hostile_ways;
    unsigned hostile_rate; /* permille: how often it goes each of its ways in a slot */
    bool hostile_stays;
    unsigned keyless; /* machine; SIM_NOBODY: none */
    uint32_t keyless_ways;
    unsigned keyless_rate; /* permille */
    bool keyless_stays;
#define SIM_KEYLESS_OFFERS 8
    struct sim_doc *keyless_offers[SIM_KEYLESS_OFFERS]; /* that it has heard */
    struct sim_script_state script;
    uint32_t faults; /* bits that this seed drew */
    sg_ms every[SIM_FAULTS];
    unsigned relay_gap, relay_late; /* permille */
    unsigned bad_clock; /* the one machine whose clock is set wrong: most clocks of a network are right */
    sg_ms work_max;
    int64_t side_bytes; /* that a node keeps of side blocks; 0: the product's bound, which no run reaches */
    struct sim_net net;
    struct mem_shelf *shelf;
    struct sim_truth truth;
    struct sim_judge judge;
    struct sim_machine machines[SIM_MACHINES];
    struct sim_stats stats;
    sg_ms moved; /* when a node last had another tip */
    bool broken;
    char violation[400]; /* the first promise that was broken */
};

/* ---- sim.c: the world, its clocks and its loop ---- */
struct sim *sim_new(const struct sim_options *o);
void sim_free(struct sim *s);
/* To the end, or to the first violation. */
void sim_run(struct sim *s);
/* A promise is broken: keeps the first and ends the run. */
void sim_violate(struct sim *s, const char *fmt, ...) SG_PRINTF(2, 3);
void sim_say(const struct sim *s, const char *fmt, ...) SG_PRINTF(2, 3);
void sim_at(struct sim *s, sg_ms t, enum sim_event_kind kind, unsigned m, uint64_t a, uint64_t b);
/* From now on due is the wish. */
void sim_timer_set(struct sim *s, struct sim_timer *t, enum sim_event_kind kind, unsigned m, sg_ms due);
/* No wish, and an event that is under way counts no more. */
void sim_timer_stop(struct sim_timer *t);
/* Its event is here: is it time? If not, another one is under way. */
bool sim_timer_fires(struct sim *s, struct sim_timer *t, const struct sim_event *e);
void sim_trace(struct sim *s, const void *bytes, size_t n);
void sim_start_machine(struct sim *s, unsigned m);
void sim_stop_machine(struct sim *s, unsigned m);
sg_ms sim_wall(const struct sim *s, unsigned m);
sg_ms sim_run_ms(const struct sim *s, unsigned m);
/* The first true instant, not before now, at which the wall clock of m shows wall or more. */
sg_ms sim_when(const struct sim *s, unsigned m, sg_ms wall);
void sim_clock_set(struct sim *s, unsigned m, sg_ms wall, int ppm);

/* ---- sim_world.c ---- */
void sim_world_init(struct sim *s);
void sim_world_fini(struct sim *s);
/* The canonical body of a relay's minute. */
const struct sim_doc *sim_truth_body(struct sim *s, unsigned relay, sg_minute min, struct lg_hash *digest);
int sim_sign(struct sim *s, unsigned m, uint8_t sig[static SG_SIGNATURE_BYTES], const void *msg, size_t len);
unsigned sim_gw_index(const struct sim *s, lg_kid gw);
/* May gateway m read the relay? */
bool sim_reads(const struct sim *s, unsigned m, unsigned relay);

/* The machine is up and not frozen: the message comes in. */
void sim_message(struct sim *s, struct sim_msg *msg);

/* ---- sim_net.c ---- */
/* Takes the message. */
void sim_send(struct sim *s, struct sim_msg *m_take);
bool sim_linked(const struct sim *s, unsigned from, unsigned to);

/* ---- sim_node.c, sim_peers.c ---- */
void sim_node_open(struct sim *s, unsigned m);
void sim_node_close(struct sim *s, unsigned m);
void sim_node_wake(struct sim *s, unsigned m);
void sim_node_solved(struct sim *s, unsigned m, uint64_t job);
void sim_node_gather(struct sim *s, unsigned m);
void sim_node_arm(struct sim *s, unsigned m);
/* The engine's answers. A store error ends the process. */
int sim_node_block(struct sim *s, unsigned m, struct sim_doc *d, int from);
/* The same for up to SIM_BATCH blocks in one go: those in a row share a transaction. A result each; the error of the store. */
int sim_node_blocks(struct sim *s, unsigned m, struct sim_doc *const *docs, unsigned n, int from,
    struct lg_block_offer *results);
int sim_node_statements(struct sim *s, unsigned m, struct sim_doc *d, int from, struct lg_offer *offer);
void sim_node_message(struct sim *s, unsigned m, struct sim_msg *msg);
void sim_peers_start(struct sim *s, unsigned m);
void sim_peers_poll(struct sim *s, unsigned m);
void sim_peers_want(struct sim *s, unsigned m);
void sim_peers_message(struct sim *s, unsigned m, struct sim_msg *msg);
/* What peer p answered was judged. */
void sim_peers_judged(struct sim *s, unsigned m, unsigned p, int err);
/* NULL when ready, else why not: ledger/node.c. */
const char *sim_node_not_ready(const struct sim *s, unsigned m);
/* Where a statement stands there: enum sim_place, or -1. With seq 0 in ref what is pooled is pooled, mineable or not. */
int sim_node_place(const struct sim *s, unsigned m, const struct lg_statement_ref *ref, int64_t *height);
/* sim_bug.c */
bool sim_bug_drops(struct sim *s, unsigned m, struct sim_doc *d);
void sim_bug_adopts(struct sim *s, unsigned m, struct sim_doc *d, int err);
void sim_bug_refuses(struct sim *s, unsigned m, struct sim_doc *d, int err);

/* ---- sim_gateway.c, sim_follow.c, sim_commit.c ---- */
#define SIM_ASK_MS 5000 /* a gateway waits this long for an answer */
void sim_gateway_start(struct sim *s, unsigned m);
void sim_gateway_turn(struct sim *s, unsigned m);
/* What was read of a minute of these relays (bits), or why not. */
void sim_gateway_outcome(struct sim *s, unsigned m, uint64_t relays, sg_minute min);
void sim_gateway_message(struct sim *s, unsigned m, struct sim_msg *msg);
void sim_gateway_arm(struct sim *s, unsigned m);
void sim_gateway_give_up(struct sim *s, unsigned m, sg_ms inc);
void sim_gateway_follow(struct sim *s, unsigned m);
/* The answer to that. */
void sim_gateway_places(struct sim *s, unsigned m, const struct sim_msg *msg);
struct sim_ledger *sim_gateway_home(struct sim_gateway *g);
void sim_commit_kick(struct sim *s, unsigned m);
void sim_commit_answer(struct sim *s, unsigned m, struct sim_msg *msg);
void sim_commit_rewind(struct sim *s, unsigned m, unsigned ledger, int64_t id);
sg_ms sim_commit_wake(const struct sim_gateway *g);

/* ---- sim_faults.c ---- */
void sim_faults_draw(struct sim *s);
void sim_faults_begin(struct sim *s, enum sim_fault f);
void sim_faults_end(struct sim *s, const struct sim_event *e);
void sim_faults_heal(struct sim *s);
/* The power of m goes, and comes back. */
void sim_faults_power(struct sim *s, unsigned m);
/* What the options say, until everything heals. */
void sim_faults_sever(struct sim *s);
/* An older copy of the disk, or an empty one, takes its place; the machine is down. */
void sim_restore_backup(struct sim *s, unsigned m, bool lost);
void sim_take_backup(struct sim *s, unsigned m);
/* A store as the seeded fault of the run has it. */
void sim_spoil_store(const struct sim *s, struct mem_store *store);

#include "tests/sim/sim_calm.h"
#include "tests/sim/sim_harm.h" /* sim_hostile.c, sim_exclude.c, sim_forge.c, sim_keyless.c */

/* ---- sim_judge.c: what the simulator itself thinks of blocks ---- */
void sim_judge_fini(struct sim *s);
/* The block of these bytes, decoded and judged as far as its parent is known. */
struct sim_block *sim_judge_block(struct sim *s, struct sim_doc *d);
/* Its content, decoded again if need be; borrowed until the next call. NULL: it does not decode. */
const struct lg_block *sim_judge_decoded(struct sim *s, struct sim_block *x);
/* The shared document of a block's bytes. */
struct sim_doc *sim_judge_intern(struct sim *s, const struct lg_hash *hash, const uint8_t *doc, size_t len);
/* A valid block by its hash; NULL for the chain id and for what is not known. */
const struct sim_block *sim_judge_find(const struct sim *s, const struct lg_hash *hash);
/* The same, and what has not been judged yet, for its parent came later, is judged now. */
const struct sim_block *sim_judge_known(struct sim *s, const struct lg_hash *hash);
/* x is on the best branch of an honest node: what honest gateways say in it is what they signed. */
void sim_judge_adopted(struct sim *s, const struct sim_block *x);
bool sim_is_ancestor(const struct sim_block *a, const struct sim_block *end);
/* < 0: a is the better end of a branch. NULL: genesis. */
int sim_branch_cmp(const struct sim *s, const struct sim_block *a, const struct sim_block *b);
/* Does the branch that ends in end carry this body? */
bool sim_on_branch(const struct sim *s, const struct lg_hash *digest, const struct sim_block *end);
int64_t sim_weigh(const struct sim *s, const struct lg_block *b, const struct sim_block *parent);

/* ---- sim_check.c: the promises ---- */
/* After every call into an engine. */
void sim_check_node(struct sim *s, unsigned m);
/* A block was handed to the engine of m, which answered err. */
void sim_check_offered(struct sim *s, unsigned m, struct sim_doc *d, int err);
bool sim_early(const struct sim *s, unsigned m, const struct sim_block *x);
/* The engine of m acknowledges a statement. */
void sim_check_acked(struct sim *s, unsigned m, const struct lg_hash *leaf);
/* Gateway m takes it for acknowledged by that node. */
void sim_check_believed(struct sim *s, unsigned m, unsigned node, const struct lg_hash *leaf);
/* The disk of m after its end, before anything looks at it. */
void sim_check_disk(struct sim *s, unsigned m);
/* The engine of m was opened again: it holds exactly what was on disk. */
void sim_check_reopened(struct sim *s, unsigned m);
/* What was acknowledged by m, the newest so many, is held there. */
void sim_check_promises(struct sim *s, unsigned m, size_t newest);
/* (gw, inc, seq) as a key. */
struct lg_hash sim_place_in_chain(unsigned gw, sg_ms inc, int64_t seq);
/* An honest gateway signed this. */
void sim_check_signed(struct sim *s, unsigned m, const struct sim_said *said);
void sim_check_probe(struct sim *s);

/* ---- sim_audit.c ---- */
/* The blocks in an honest store: all, or those that were met lately. */
void sim_audit_store(struct sim *s, unsigned m, bool all);
void sim_audit_memory(struct sim *s, unsigned m);
/* What an honest store has in its pool can be mined. */
void sim_audit_pooled(struct sim *s, unsigned m);
/* Around the end of a process and the start of the next one. */
void sim_audit_closing(struct sim *s, unsigned m);
void sim_audit_opened(struct sim *s, unsigned m);
void sim_check_end(struct sim *s);

#endif
