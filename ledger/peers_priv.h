/* Shared by the files of the peers' thread, to which everything here belongs:
 *
 *   peers.c       the thread, its inbox, the summary
 *   peer_gather.c what is new here, gathered, and which peer is told how
 *   peer_push.c   each peer's queue of POSTs
 *   peer_sync.c   where a peer stands; rests and bans
 *   peer_find.c   the newest common block, and headers
 *   peer_fetch.c  blocks of checked headers
 *   peer_sketch.c the same, by what is missing of them
 *   peer_pool.c   pools of peers
 *   peer_offer.c  the own pool, offered
 *   peer_evidence.c   pairs of conflicting statements */
#ifndef LG_PEERS_PRIV_H
#define LG_PEERS_PRIV_H

#include "ledger/core/header_run.h"
#include "ledger/peers.h"
#include "ledger/sketch_fill.h"
#include "ledger/store.h"
#include "sg_http.h"
#include "sg_queue.h"

#include <pthread.h>
#include <stdatomic.h>

/* Bound of one peer's queue of announcements; what does not fit is dropped. */
#define LG_PUSH_MAX       64
#define LG_PUSH_MAX_BYTES (16u << 20)
/* Statements and bodies of the pool in one offer, if they are not of a single statement: what a node takes as a small body. Halved, at most so often, when an
 * offer does not get through in time, doubled when it does so soon. Statements that are listed for being offered. */
#define LG_OFFER_BYTES      ((256u << 10) - 1024)
#define LG_OFFER_HALVINGS   8
#define LG_OFFER_SOON_MS    2000
#define LG_OFFER_STATEMENTS 65536
/* Blocks asked for in one page; the answer is at most 8 MiB by the contract, or one block. */
#define LG_PAGE_BLOCKS 256
/* Statements of a pool in one page. */
#define LG_PAGE_STATEMENTS 1000
#define LG_PAGE_MAX_BYTES  ((8u << 20) + (17u << 20))
/* A header, its hash and signature take some 600 bytes. */
#define LG_HEADERS_MAX_BYTES (LG_HEADER_RUN_MAX * 2048u)
/* Own newest heights at which a peer's chain is compared in one request, before single steps of 1, 2, 4 … back. */
#define LG_LOCATE_NEWEST 10
/* Statements that are passed on wait this long for others: those that are told soon, and those that are asked for; at most so many bytes
 * together. */
#define LG_GATHER_MS        20
#define LG_ASK_AFTER_MS     250
#define LG_GATHER_MAX_BYTES (1u << 20)
/* Real milliseconds. */
#define LG_POLL_MS     2000
#define LG_POLL_MIN_MS 250
#define LG_POLL_MAX_MS 15000
#define LG_POLL_BAD_MS 60000
#define LG_POOL_POLLS  10 /* a pool is asked for at every tenth poll */
#define LG_OWED_POLL   3  /* of ten: who was told something in vain is offered the pool */
/* Evidence is asked for at the fifth of ten polls, all of it at the 205th of 300: every ten minutes. */
#define LG_EVIDENCE_POLL      5
#define LG_EVIDENCE_ALL_POLL  205
#define LG_EVIDENCE_ALL_POLLS 300
/* Pairs in one page or offer, bytes of one offer, pages in one go. */
#define LG_EVIDENCE_PAIRS      64
#define LG_PUSH_EVIDENCE_BYTES (1u << 20)
#define LG_EVIDENCE_PAGES_MAX  16
/* A ban lasts LG_POLL_BAD_MS, doubled with each that follows without the peer having been good in between, at most so often. */
#define LG_BAN_DOUBLINGS 6
/* Pages and pools may be large and the line slow; a peer that drips is ended by the client's lowest speed. */
#define LG_PAGE_MS 60000
/* A page that did not come, in that time or whole, is asked for half as long, at most so often; one that came in a quarter of that time, twice as long.
 * The shortest page is one header or block, which a line must carry in LG_PAGE_MS. */
#define LG_PAGE_HALVINGS 9
/* Longest wait for the next judgement: results are lost when the inbox is full. */
#define LG_JUDGE_MS 60000
/* A peer whose turn it is to give blocks, and that has given none for so long, holds up the others no longer. */
#define LG_STALL_MS 5000
#define LG_TURN_MS  60000 /* nor does one whose run of headers takes longer */
/* Rounds in a row that neither bring the tip which the peer names nor anything new, before it is banned. */
#define LG_FRUITLESS_MAX 3
/* Pages of one pool that are asked for in one go. */
#define LG_POOL_PAGES_MAX 64
/* A run with so few blocks to fetch is fetched by sketches. */
#define LG_SKETCH_BLOCKS 8
/* A node that lacks at least so many blocks whose headers it has checked is far behind: it does not mine. */
#define LG_FAR_BEHIND 10

enum lg_peer_phase {
    LG_PEER_IDLE,     /* waiting for next_ms */
    LG_PEER_STATUS,   /* GET /v1/status under way */
    LG_PEER_FIND,     /* GET /v1/headers under way */
    LG_PEER_TURN,     /* headers are checked, blocks are wanted: waiting for its turn */
    LG_PEER_FETCH,    /* its turn: blocks are asked for, or with the chain thread */
    LG_PEER_POOL,     /* GET /v1/pool under way, or with the chain thread */
    LG_PEER_EVIDENCE, /* the same of GET /v1/evidence */
};

/* Statements by whom they came from. */
enum lg_told {
    LG_TOLD_FIRST, /* here first: from outside, no node has passed them on */
    LG_TOLD_AGAIN, /* another node has */
    LG_TOLD_KINDS
};

/* What has come in one go; borrowed. Lists are joined by commas. */
struct lg_news {
    struct lg_slice bodies, statements;
    const struct lg_hash *leaves; /* of the statements */
    unsigned n;
    int from; /* as of lg_peers_announce_statements */
};

struct lg_gathered {
    struct sg_buf bodies, statements; /* joined by commas */
    struct sg_buf leaves;             /* of the statements: struct lg_hash */
    unsigned n;                       /* statements; 0: nothing */
    int from;                         /* of all; several peers: LG_FROM_NODE */
    sg_ms due_ms;                     /* mono */
};

/* What is POSTed: doc[0..len). What begins as a sketch or a question goes on, if need be, with doc[len..size), the whole of it. */
struct lg_push {
    struct lg_push *next;
    const char *path; /* static */
    enum lg_push_kind { LG_PUSH_PLAIN, LG_PUSH_SKETCH, LG_PUSH_QUESTION, LG_PUSH_TOLD, LG_PUSH_OFFER } kind;
    enum lg_told told;  /* TOLD */
    unsigned n, nfirst; /* QUESTION: statements, and how many of them came here first */
    size_t at, len, size;
    uint8_t doc[];
};

struct lg_peer {
    struct lg_peers *owner;
    int number;
    char url[256];
    const char *state;
    bool tried;
    int64_t height;
    struct lg_hash tip;
    bool tip_known;      /* or only early: nothing to be done about it but wait */
    bool clock_off;      /* its clock and ours differ by more than max_future_ms */
    sg_ms asked_wall_ms; /* wall clock when its status was asked for */

    enum lg_peer_phase phase;
    sg_ms next_ms; /* mono: IDLE: when to ask again; FETCH, POOL with results to come: when to give them up */
    sg_ms asked_ms; /* mono: when it was asked last where it stands */
    sg_ms backoff_ms;
    unsigned halvings; /* of the length of pages: its line is slow */
    bool shortened;    /* the page that is under way */
    sg_ms called_ms;   /* mono: when it was asked for */
    unsigned polls;
    bool wants_pool, wants_evidence;

    /* bans */
    const char *reason; /* static; of the last one */
    sg_ms until_ms;     /* mono; 0: none */
    unsigned bans, bans_in_row;

    /* FIND: the newest common block lies in [lo, hi) */
    int64_t common; /* height of a block of its chain that was known here lately: where to look first */
    int64_t lo, hi, step;
    int64_t asked_from;
    bool more_headers; /* the peer has more than the run could hold */
    bool early;        /* headers that are only early ended the run, or are in it */
    struct lg_hash
        early_tip; /* all of this tip's branch that is due is here; the rest is held until early_due_ms (wall) */
    sg_ms early_due_ms;
    struct lg_hash lo_hash; /* of its block at lo, when lo > 0 */
    bool running;           /* the run has begun: headers follow run.last */
    struct lg_header_run run;
    int64_t checked; /* height of the last header that was checked; 0: none of its branch */

    /* TURN, FETCH */
    unsigned next;      /* of run.hashes: the next to ask for */
    uint64_t queued;    /* TURN: order of arrival */
    bool calling;       /* a call is under way */
    bool broke;         /* the peer's chain is not what it was when the headers came */
    unsigned took;      /* blocks of this round that were new here */
    unsigned fruitless; /* rounds in a row that brought neither the tip nor anything new */

    /* sketches */
    bool no_sketches;         /* it does not know them */
    bool whole;               /* the next block is fetched whole */
    struct lg_sketch *sketch; /* FETCH: of the block whose missing documents are asked for */
    struct lg_sketch_given missing;

    /* POOL */
    int64_t from;        /* next place */
    bool more;           /* the pool has another page */
    unsigned pool_pages; /* pages taken in this go */

    /* EVIDENCE; more as in POOL */
    int64_t evidence_from; /* the peer's id to ask from; 0: from the first */
    unsigned evidence_pages;

    uint64_t ticket;  /* of the round of blocks, or page of the pool, that is judged */
    unsigned waiting; /* results to come */
    int judged;       /* first error among them */

    /* telling */
    bool quick[LG_TOLD_KINDS]; /* telling it soon has been of use */
    bool no_questions;         /* it does not know them */
    bool owes;                 /* statements for it were lost on the way: it is offered the pool */
    struct lg_push *push_head, *push_tail;
    unsigned push_count;
    size_t push_bytes;
    bool pushing;
    sg_ms pushed_ms; /* mono: when it began */

    /* offering the pool */
    struct lg_hash *to_offer; /* leaves of statements, owned; NULL: none is being offered */
    size_t offer_n, offer_at;
    unsigned offer_halvings;
};

struct lg_peers {
    struct lg_peers_config config;
    struct lg_rules rules;
    pthread_t thread;
    struct sg_queue *inbox;
    struct sg_http_client *http;
    struct lg_reader *reader;
    uint64_t next_ticket;
    unsigned n;
    struct lg_peer peers[LG_NODE_MAX_PEERS];
    struct lg_peer *turn;         /* gives blocks; NULL: nobody */
    sg_ms turn_ms, turn_began_ms; /* mono: when it gave the last one; when it began */
    uint64_t next_queued;
    struct lg_gathered soon[LG_TOLD_KINDS], later[LG_TOLD_KINDS];

    int64_t evidence_next; /* id of the next own pair to tell of; 0: not known yet */
    sg_ms evidence_ms;     /* mono: when to look again */

    atomic_bool woken;                   /* the thread will look into its inbox without being woken again */
    atomic_bool can_wait[LG_TOLD_KINDS]; /* the same for statements: it will wake by itself, and look then */
    atomic_bool repaired;                /* bans are to end */
    atomic_bool lost_news;               /* statements did not fit into the inbox, or into what is gathered */
    atomic_bool far_behind;
    atomic_bool clock_in_doubt;
    atomic_llong named;   /* the greatest height that an answering peer names */
    pthread_mutex_t lock; /* of summary */
    struct lg_peers_summary summary;
};

static inline sg_ms lg_peer_mono(const struct lg_peer *peer)
{
    const struct sg_clock *clock = peer->owner->config.clock;
    return clock->mono_ms(clock);
}

/* peers.c */
/* {"bodies":[…],"statements":[…]} of documents joined by commas, appended to out. */
void lg_peers_offer(struct sg_buf *out, const struct sg_buf *bodies, const struct sg_buf *statements);
void lg_peers_publish(struct lg_peers *p);

/* peer_gather.c */
void lg_gathered_init(struct lg_gathered *g);
void lg_gathered_fini(struct lg_gathered *g);
/* Copies. */
void lg_peers_gather(struct lg_peers *p, const struct lg_news *news);
/* When lg_peers_pass_on has something to do, mono; INT64_MAX: nothing is gathered. */
sg_ms lg_peers_gathered_due(const struct lg_peers *p);
void lg_peers_pass_on(struct lg_peers *p, sg_ms now_mono_ms);
/* Something is gathered that goes on by itself, and nobody is told statements of this kind sooner. */
bool lg_peers_can_wait(const struct lg_peers *p, enum lg_told kind);

/* peer_push.c */
/* Queue one POST; copies. Dropped when the queue is full. */
void lg_peer_push(struct lg_peer *peer, const char *path, const void *doc, size_t len);
/* A block: sketch[0..split), whole[split..len); split 0: no sketch. */
void lg_peer_push_block(struct lg_peer *peer, const uint8_t *doc, size_t split, size_t len);
/* Statements that the peer may be told soon: its answer says whether that was of use. */
void lg_peer_push_told(struct lg_peer *peer, enum lg_told kind, const void *doc, size_t len);
/* Statements that it may hold: question[0..split), offer[split..len) of n, the first nfirst of which came here first; split 0: no question. */
void lg_peer_push_asked(
    struct lg_peer *peer, const uint8_t *doc, size_t split, size_t len, unsigned n, unsigned nfirst);
/* A part of the pool. */
void lg_peer_push_offer(struct lg_peer *peer, const void *doc, size_t len);
/* The queue, and what was still to be offered of the pool. */
void lg_peer_push_forget(struct lg_peer *peer);

/* peer_sync.c */
/* "ok" or "syncing". */
bool lg_peer_answers(const struct lg_peer *peer);
/* The peer did not answer: backoff, forget its queue. */
void lg_peer_failed(struct lg_peer *peer, const char *state);
/* The peer gave what no node that keeps the contract gives. reason: static. least_ms: of the ban, real. */
void lg_peer_ban(struct lg_peer *peer, const char *reason, sg_ms ban_ms);
/* It was judged by what was damaged here: nothing that was found so far accuses it, and a ban ends. */
void lg_peer_let_off(struct lg_peer *peer);
/* Until its next turn, in this state. */
void lg_peer_rest(struct lg_peer *peer, const char *state, sg_ms wait_ms);
/* Start a GET; on failure the peer rests. */
void lg_peer_call(struct lg_peer *peer, enum lg_peer_phase phase, const char *path, size_t max_answer,
    sg_http_done_fn *done);
/* Of `wanted` headers, blocks or documents, so many are asked for in one page, which holds at most `most`. */
unsigned lg_peer_page(struct lg_peer *peer, unsigned wanted, unsigned most);
/* It has come, and there is more than it holds. */
void lg_peer_page_filled(struct lg_peer *peer);
/* The answer came whole and says 200; otherwise the peer rests, or is banned. */
bool lg_peer_answered(struct lg_peer *peer, const struct sg_http_answer *answer);
/* A round ended without the tip that the peer names and without anything new. */
void lg_peer_no_progress(struct lg_peer *peer);
/* Does this code say that the peer has offered what no node would take? Trouble of this node's own does not. */
bool lg_peer_accused(int err);
/* The tip that it names is here, or waits here for its time. */
void lg_peer_up_to_date(struct lg_peer *peer);
/* A valid block of this node, or the genesis. */
bool lg_peer_known_info(const struct lg_peer *peer, struct lg_block_info *out, const struct lg_hash *hash);
bool lg_peer_known_here(const struct lg_peer *peer, const struct lg_hash *hash);
void lg_peer_ask_status(struct lg_peer *peer);
/* Start whatever is due now. */
void lg_peer_ask(struct lg_peer *peer, sg_ms now_mono_ms);
/* One document of the page or pool has been judged. */
void lg_peer_judged(struct lg_peer *peer, uint64_t ticket, int err);

/* peer_find.c */
/* Its tip is not known here: look for the newest common block, then check headers. */
void lg_peer_find(struct lg_peer *peer);
/* The run has been fetched and the peer has more headers. */
void lg_peer_more_headers(struct lg_peer *peer);

/* peer_fetch.c */
/* The run holds checked headers: fetch their blocks when it is this peer's turn. */
void lg_peer_fetch(struct lg_peer *peer);
/* Is it? Called while it waits. */
void lg_peer_try_turn(struct lg_peer *peer, sg_ms now_mono_ms);
/* Whatever becomes of the peer, the turn is another's. */
void lg_peer_leave_turn(struct lg_peer *peer);
void lg_peer_block_judged(struct lg_peer *peer);
/* Hand one block over. */
void lg_peer_offer_block(struct lg_peer *peer, struct lg_slice block, bool sealed);
/* The next thing to do for the run. */
void lg_peer_fetch_step(struct lg_peer *peer);
/* An answer has come that ends a call of this phase. */
bool lg_peer_fetched(struct lg_peer *peer, const struct sg_http_answer *answer);

/* peer_sketch.c */
/* The next block is near the tip and the peer knows sketches: ask for its sketch. */
bool lg_peer_wants_sketch(const struct lg_peer *peer);
void lg_peer_ask_sketch(struct lg_peer *peer);

/* peer_offer.c */
/* Begin to offer the pool of this node, unless that is under way: a peer that was away, or that cannot reach us, has missed it. */
void lg_peer_push_pool(struct lg_peer *peer);
/* The queue is empty: the next part, if there is one. */
void lg_peer_offer_next(struct lg_peer *peer);
/* What was still to be offered is owed. */
void lg_peer_offer_forget(struct lg_peer *peer);

/* peer_pool.c */
void lg_peer_pool(struct lg_peer *peer);
void lg_peer_pool_judged(struct lg_peer *peer);

/* peer_evidence.c */
/* Tell all peers of pairs that are new here. Cheap when there is none. */
void lg_peers_watch_evidence(struct lg_peers *p, sg_ms now_mono_ms);
/* Hand a peer that has (re)appeared what is here. */
void lg_peer_push_evidence(struct lg_peer *peer);
/* Ask it for what it has. */
void lg_peer_evidence(struct lg_peer *peer);
void lg_peer_evidence_judged(struct lg_peer *peer);

#endif
