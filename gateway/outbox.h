/* The outbox: what this gateway has read and said, on disk before anyone hears of it (SQLite, WAL, synchronous=FULL).
 *
 * Kept for LG_KEEP_SLOTS slots:
 *   pairs       (relay, minute) -> digest, live, body; the first one counts, a second digest is refused
 *   gaps        (relay, minute) -> reason; a pair takes the place of a gap that no statement has named yet
 *   statements  in the order in which they were signed, with the place where they were last seen
 * An item (pair or gap) is open, or carried by exactly one statement. Relays are indices in the genesis.
 *
 * One process holds the folder (SG_ELOCKED). A full disk is SG_ENOSPC: the call changed nothing and may be tried again; a ballast
 * file is given up so that what is there can still be said. Any other failure of the disk is SG_EIO, and final: after an
 * fsync error nobody knows what is on disk, so every later call is SG_EIO too and the process must stop.
 * Thread: one owner. */
#ifndef GW_OUTBOX_H
#define GW_OUTBOX_H

#include "gateway/core/entries.h"
#include "sg_err.h"

#define GW_OUTBOX_BATCH 16 /* statements of one request at most */

struct gw_outbox;

struct gw_outbox_config {
    const char *dir;                  /* made (0700) when missing */
    const struct lg_genesis *genesis; /* borrowed */
    lg_kid kid;
    unsigned max_pages; /* of 4096 bytes; 0: no limit (tests of a full disk) */
};

/* SG_ELOCKED, SG_ECONFIG (another chain's or key's outbox), SG_ECORRUPT, SG_ENOSPC, SG_EIO; fault says what and where. */
SG_MUST_USE int gw_outbox_open(
    struct gw_outbox **out, const struct gw_outbox_config *config, struct sg_fault *fault);
void gw_outbox_close(struct gw_outbox *o);

/* Several changes as one: all or nothing. Changes outside are each their own. SG_ENOSPC, SG_EIO. */
SG_MUST_USE int gw_outbox_begin(struct gw_outbox *o);
SG_MUST_USE int gw_outbox_commit(struct gw_outbox *o);
void gw_outbox_rollback(struct gw_outbox *o);

/* ---- what was read ---- */

struct gw_pair {
    unsigned relay;
    sg_minute min;
    struct lg_hash digest;
    uint8_t live;
    const uint8_t *doc; /* canonical body */
    size_t doc_len;
};
/* now_slot: newest closed minute, for gw_outbox_uncommitted.
 * SG_EKNOWN: this very pair is there. SG_ECONFLICT: another digest for the minute is there and stays. */
SG_MUST_USE int gw_outbox_put_pair(struct gw_outbox *o, const struct gw_pair *pair, sg_minute now_slot);
/* SG_EKNOWN: a pair or a gap is there and stays. */
SG_MUST_USE int gw_outbox_put_gap(struct gw_outbox *o, unsigned relay, sg_minute min, enum lg_reason reason);
/* Open gaps of minutes after last were told by a clock that ran ahead: forget them. */
SG_MUST_USE int gw_outbox_forget_gaps(struct gw_outbox *o, sg_minute last);
/* Open items with first <= minute <= last, at most max, the oldest minutes first. */
SG_MUST_USE int gw_outbox_open_items(
    struct gw_outbox *o, struct gw_item *items, unsigned max, unsigned *n, sg_minute first, sg_minute last);

/* The greatest n that gw_outbox_unread takes. */
#define GW_OUTBOX_UNREAD_MAX 64
/* bits: bit i is set when nothing is known of minute newest - i that forbids a read: no pair, and no gap but one that the network
 * made (timeout, refused, exception). i < n. */
SG_MUST_USE int gw_outbox_unread(
    struct gw_outbox *o, uint64_t *bits, unsigned relay, sg_minute newest, unsigned n);
/* The oldest item of a relay that is open, or a pair that is said elsewhere and not confirmed: SG_ENOT_FOUND. */
SG_MUST_USE int gw_outbox_oldest_open(struct gw_outbox *o, sg_minute *min, unsigned relay);
/* A statement of this gateway that an older copy of this outbox does not know reads this pair: it is not stated again, and no open
 * gap may follow it. Confirmed: for good. Else until gw_outbox_gone_elsewhere; inside a transaction that ends with it. */
SG_MUST_USE int gw_outbox_read_elsewhere(
    struct gw_outbox *o, unsigned relay, sg_minute min, const struct lg_hash *digest, bool confirmed);
/* All of from..to that is read elsewhere has been told: unconfirmed pairs of which this transaction has not heard are open again. */
SG_MUST_USE int gw_outbox_gone_elsewhere(struct gw_outbox *o, unsigned relay, sg_minute from, sg_minute to);
/* The oldest pair of a relay that is said elsewhere and not confirmed: SG_ENOT_FOUND. */
SG_MUST_USE int gw_outbox_oldest_elsewhere(struct gw_outbox *o, sg_minute *min, unsigned relay);

/* ---- what was said ---- */

enum gw_said {         /* where a statement of our own was last seen */
    GW_SAID_MADE,      /* no node has acknowledged it */
    GW_SAID_POOLED,    /* a node holds it */
    GW_SAID_MINED,     /* on the best branch */
    GW_SAID_CONFIRMED, /* and confirm_depth deep */
    GW_SAID_DEAD,      /* can never be mined any more; its items are open again */
};

struct gw_said_row {
    int64_t id; /* grows in the order of signing */
    sg_ms inc;
    int64_t seq;
    sg_minute slot;
    struct lg_hash leaf;
    enum gw_said said;
    bool acknowledged; /* some node took it */
    int64_t height;    /* of its block, 0: none */
};

/* Keep a signed statement (doc; inc, seq, slot and leaf of row; the rest is set) and mark the items it carries, in one durable
 * transaction: only after 0 may it leave the process. SG_ECONFLICT: this (inc, seq) is there; nothing changed. */
SG_MUST_USE int gw_outbox_add_statement(struct gw_outbox *o, struct gw_said_row *row, const uint8_t *doc,
    size_t doc_len, const struct gw_item *items, unsigned nitems);
/* Note where it is seen; acknowledged is sticky. GW_SAID_DEAD opens its items again, and is final. SG_ENOT_FOUND: no such
 * statement, or a dead one. */
SG_MUST_USE int gw_outbox_set_said(
    struct gw_outbox *o, int64_t id, enum gw_said said, bool acknowledged, int64_t height);
/* A node has taken it: a MADE one is POOLED now, another place stays. SG_ENOT_FOUND. */
SG_MUST_USE int gw_outbox_acknowledge(struct gw_outbox *o, int64_t id);
/* All statements of an incarnation that are MADE or POOLED become DEAD, and their items open. */
SG_MUST_USE int gw_outbox_give_up(struct gw_outbox *o, sg_ms inc);
/* One by its leaf, or its place in the chain: SG_ENOT_FOUND. */
SG_MUST_USE int gw_outbox_find(struct gw_outbox *o, struct gw_said_row *row, const struct lg_hash *leaf);
SG_MUST_USE int gw_outbox_find_seq(struct gw_outbox *o, struct gw_said_row *row, sg_ms inc, int64_t seq);
/* The first row with id >= from that is MADE or POOLED (mined_too: or MINED or CONFIRMED): SG_ENOT_FOUND. */
SG_MUST_USE int gw_outbox_next(struct gw_outbox *o, struct gw_said_row *row, int64_t from, bool mined_too);
/* The oldest MADE or POOLED statement of an incarnation: SG_ENOT_FOUND. */
SG_MUST_USE int gw_outbox_oldest_unmined(struct gw_outbox *o, struct gw_said_row *row, sg_ms inc);
/* At most max statements to ask about, those asked longest ago first: all that are not CONFIRMED or DEAD come before the
 * confirmed ones (of which at most nconfirmed, the newest always among them: a reorganisation that reaches any confirmed statement takes off or
 * moves the newest). Marks them as asked at this slot. */
SG_MUST_USE int gw_outbox_to_follow(struct gw_outbox *o, struct gw_said_row *rows, unsigned max,
    unsigned nconfirmed, unsigned *n, sg_minute slot);
/* The greatest incarnation and slot signed, without those that do not count (gw_witness_counts); 0 and -1 when there is none. */
SG_MUST_USE int gw_outbox_greatest(
    struct gw_outbox *o, sg_ms *inc, sg_minute *slot, sg_ms now_ms, sg_ms max_future_ms);
/* Those that do not count become DEAD, and their items open: a clock that was wrong made them. */
SG_MUST_USE int gw_outbox_drop_uncounted(struct gw_outbox *o, sg_ms now_ms, sg_ms max_future_ms);

/* Canonical documents of a statement: doc (appended), and its bodies one by one. */
SG_MUST_USE int gw_outbox_doc(struct gw_outbox *o, struct sg_buf *doc, int64_t id);
typedef int gw_outbox_body_fn(
    void *ctx, const uint8_t *doc, size_t len); /* non-zero ends the walk and is returned */
SG_MUST_USE int gw_outbox_bodies(struct gw_outbox *o, int64_t id, gw_outbox_body_fn *fn, void *ctx);
/* Bytes of a statement and its bodies. */
SG_MUST_USE int gw_outbox_size(struct gw_outbox *o, int64_t id, size_t *bytes);

/* ---- upkeep ---- */

/* Pairs that entered at most at entered_slot and are on no block of the best branch: how many, and the oldest minute. */
SG_MUST_USE int gw_outbox_uncommitted(
    struct gw_outbox *o, sg_minute entered_slot, int64_t *count, sg_minute *oldest);
/* Forget what is older than the window of this slot; lost: pairs that were never mined among it. Restores the ballast. */
SG_MUST_USE int gw_outbox_prune(struct gw_outbox *o, sg_minute slot, int64_t *lost);

/* The bound that holds while nothing is signed, whatever the clocks say: of open pairs and gaps those among the newest `keep` entries
 * each (gaps: twice as many) stay; what a statement carries stays. Nothing happens while the newest statement lies within LG_KEEP_SLOTS of slot, for then
 * gw_outbox_prune is the bound. lost: how many pairs went. */
SG_MUST_USE int gw_outbox_bound(struct gw_outbox *o, sg_minute slot, int64_t keep, int64_t *lost);

#endif
