/* Inside of the outbox, shared by gateway/outbox*.c only: the database handle, its prepared statements and error codes. */
#ifndef GW_OUTBOX_DB_H
#define GW_OUTBOX_DB_H

#include "gateway/outbox.h"

struct sqlite3;
struct sqlite3_stmt;

/* Every statement that is ever run, by name. @n is parameter n. */
#define GW_OUTBOX_SQL(X)                                                                                     \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                              \
    X(COMMIT, "COMMIT")                                                                                      \
    X(ROLLBACK, "ROLLBACK")                                                                                  \
    X(OWNER_GET, "SELECT value FROM meta WHERE key='owner'")                                                 \
    X(OWNER_PUT, "INSERT INTO meta(key,value) VALUES('owner',?1)")                                           \
    X(PAIR_GET, "SELECT digest FROM pair WHERE relay=?1 AND min=?2")                                         \
    X(PAIR_PUT,                                                                                              \
        "INSERT INTO pair(relay,min,digest,live,entered,len,doc,stmt) VALUES(?1,?2,?3,?4,?5,?6,?7,0)")       \
    X(GAP_GET, "SELECT reason FROM gap WHERE relay=?1 AND min=?2")                                           \
    X(GAP_PUT, "INSERT INTO gap(relay,min,reason,stmt) VALUES(?1,?2,?3,0)")                                  \
    X(GAP_DROP, "DELETE FROM gap WHERE relay=?1 AND min=?2 AND stmt=0")                                      \
    X(GAP_FORGET, "DELETE FROM gap WHERE stmt=0 AND min>?1")                                                 \
    X(OPEN_ITEMS,                                                                                            \
        "SELECT min,relay,1,id,live,len,digest FROM pair WHERE stmt=0 AND min BETWEEN ?1 AND ?2 UNION ALL "  \
        "SELECT min,relay,0,id,reason,0,NULL FROM gap WHERE stmt=0 AND min BETWEEN ?1 AND ?2 ORDER BY 1,2 "  \
        "LIMIT ?3")                                                                                          \
    X(PAIR_MINUTES, "SELECT min FROM pair WHERE relay=?1 AND min BETWEEN ?2 AND ?3")                         \
    X(GAP_MINUTES, "SELECT min,reason FROM gap WHERE relay=?1 AND min BETWEEN ?2 AND ?3")                    \
    X(OPEN_OLDEST, "SELECT min(m) FROM (SELECT min AS m FROM pair WHERE relay=?1 AND stmt IN (0,-2) UNION "  \
                   "ALL SELECT min FROM gap WHERE relay=?1 AND stmt=0)")                                     \
    X(ELSEWHERE, "UPDATE pair SET stmt=?4 WHERE relay=?1 AND min=?2 AND digest=?3 AND stmt IN (0,-2)")       \
    X(ELSEWHERE_GONE, "UPDATE pair SET stmt=0 WHERE stmt=-2 AND relay=?1 AND min BETWEEN ?2 AND ?3")         \
    X(ELSEWHERE_STAYS, "UPDATE pair SET stmt=-2 WHERE stmt=-3")                                              \
    X(ELSEWHERE_OLDEST, "SELECT min(min) FROM pair WHERE stmt=-2 AND relay=?1")                              \
    X(BOUND_SLOT, "SELECT max(slot) FROM said")                                                              \
    X(BOUND_PAIRS, "DELETE FROM pair WHERE stmt=0 AND id<=(SELECT max(id) FROM pair)-?1")                    \
    X(BOUND_GAPS, "DELETE FROM gap WHERE stmt=0 AND id<=(SELECT max(id) FROM gap)-?1")                       \
    X(SAID_PUT, "INSERT INTO said(inc,seq,slot,leaf,place,ack,height,asked,len,doc) "                        \
                "VALUES(?1,?2,?3,?4,0,0,0,?3,?5,?6)")                                                        \
    X(PAIR_CARRY, "UPDATE pair SET stmt=?1 WHERE id=?2 AND stmt=0")                                          \
    X(GAP_CARRY, "UPDATE gap SET stmt=?1 WHERE id=?2 AND stmt=0")                                            \
    X(SAID_SET, "UPDATE said SET place=?2,ack=max(ack,?3),height=?4 WHERE id=?1 AND place<4")                \
    X(SAID_ACK, "UPDATE said SET ack=1,place=max(place,1) WHERE id=?1")                                      \
    X(PAIR_OPEN, "UPDATE pair SET stmt=0 WHERE stmt=?1")                                                     \
    X(GAP_STALE,                                                                                             \
        "DELETE FROM gap WHERE stmt=?1 AND EXISTS(SELECT 1 FROM pair WHERE pair.relay=gap.relay AND "        \
        "pair.min=gap.min)")                                                                                 \
    X(GAP_OPEN, "UPDATE gap SET stmt=0 WHERE stmt=?1")                                                       \
    X(SAID_BY_LEAF, "SELECT id,inc,seq,slot,leaf,place,ack,height FROM said WHERE leaf=?1")                  \
    X(SAID_BY_SEQ, "SELECT id,inc,seq,slot,leaf,place,ack,height FROM said WHERE inc=?1 AND seq=?2")         \
    X(SAID_NEXT, "SELECT id,inc,seq,slot,leaf,place,ack,height FROM said WHERE id>=?1 AND place<?2 ORDER "   \
                 "BY id LIMIT 1")                                                                            \
    X(SAID_UNMINED, "SELECT id,inc,seq,slot,leaf,place,ack,height FROM said WHERE inc=?1 AND place<2 ORDER " \
                    "BY seq LIMIT 1")                                                                        \
    X(SAID_FOLLOW,                                                                                           \
        "SELECT id,inc,seq,slot,leaf,place,ack,height FROM said WHERE place<3 ORDER BY asked,id LIMIT ?1")   \
    X(SAID_FOLLOW_DEEP, "SELECT id,inc,seq,slot,leaf,place,ack,height FROM said WHERE place=3 ORDER BY "     \
                        "id<>(SELECT max(id) FROM said WHERE place=3),asked,id LIMIT ?1")                    \
    X(SAID_ASKED, "UPDATE said SET asked=?2 WHERE id=?1")                                                    \
    X(SAID_GREATEST, "SELECT max(inc),max(slot) FROM said WHERE ack=1 OR inc<=?1")                           \
    X(SAID_UNCOUNTED, "SELECT id FROM said WHERE ack=0 AND inc>?1 AND place<2")                              \
    X(SAID_DOC, "SELECT doc FROM said WHERE id=?1")                                                          \
    X(SAID_BODIES, "SELECT doc FROM pair WHERE stmt=?1 ORDER BY relay,min")                                  \
    X(SAID_SIZE, "SELECT len+(SELECT ifnull(sum(len),0) FROM pair WHERE stmt=?1) FROM said WHERE id=?1")     \
    X(UNCOMMITTED, "SELECT count(*),min(min) FROM pair WHERE entered<=?1 AND stmt IN (SELECT 0 UNION ALL "   \
                   "SELECT id FROM said "                                                                    \
                   "WHERE place<2)")                                                                         \
    X(PRUNE_COUNT, "SELECT count(*) FROM pair WHERE min<?1 AND stmt IN (SELECT 0 UNION ALL SELECT id FROM "  \
                   "said WHERE place<2)")                                                                    \
    X(PRUNE_PAIRS, "DELETE FROM pair WHERE min<?1")                                                          \
    X(PRUNE_GAPS, "DELETE FROM gap WHERE min<?1")                                                            \
    X(PRUNE_SAID, "DELETE FROM said WHERE slot<?1")

#define GW_OUTBOX_SQL_ENUM(name, text) GW_SQL_##name,
enum gw_outbox_sql { GW_OUTBOX_SQL(GW_OUTBOX_SQL_ENUM) GW_SQL_COUNT };
#undef GW_OUTBOX_SQL_ENUM

struct gw_outbox {
    struct sqlite3 *db;
    struct sqlite3_stmt *sql[GW_SQL_COUNT];
    int lock_fd;
    bool broken; /* a write failed in a way that leaves the disk unknown */
    bool has_ballast;
    bool nested;   /* inside gw_outbox_begin .. commit */
    int log_pages; /* in the write-ahead log */
    const struct lg_genesis *genesis;
    char *dir;
};

/* A parameter. */
struct gw_sql_arg {
    bool is_blob;
    int64_t n; /* the integer, or the length */
    const void *p;
};
#define GW_INT(v)       ((struct gw_sql_arg){.n = (v)})
#define GW_HASH(h)      ((struct gw_sql_arg){.is_blob = true, .n = SG_HASH_BYTES, .p = (h)->b})
#define GW_BLOB(p_, n_) ((struct gw_sql_arg){.is_blob = true, .n = (int64_t)(n_), .p = (p_)})

/* Bind and hand out the prepared statement; blobs are borrowed until it is reset. */
struct sqlite3_stmt *gw_sql_bind(
    struct gw_outbox *o, enum gw_outbox_sql which, const struct gw_sql_arg *args, int nargs);
/* 1: a row, 0: done (and reset), < 0: SG_ENOSPC, SG_EIO, SG_ENOMEM, SG_ECORRUPT (and reset). */
SG_MUST_USE int gw_sql_step(struct gw_outbox *o, struct sqlite3_stmt *st);
void gw_sql_reset(struct sqlite3_stmt *st);
/* Run one that gives no rows. */
SG_MUST_USE int gw_sql_run(
    struct gw_outbox *o, enum gw_outbox_sql which, const struct gw_sql_arg *args, int nargs);
/* Columns of the current row. */
int64_t gw_sql_i64(struct sqlite3_stmt *st, int column);
bool gw_sql_is_null(struct sqlite3_stmt *st, int column);
SG_MUST_USE int gw_sql_hash(struct sqlite3_stmt *st, int column, struct lg_hash *out); /* SG_ECORRUPT */
const uint8_t *gw_sql_blob(
    struct sqlite3_stmt *st, int column, size_t *len); /* borrowed until the next step */
int gw_sql_changes(const struct gw_outbox *o);

/* A change of several statements: begin unless the caller already did; end commits, or undoes all when err is set, and returns
 * what came of it. */
SG_MUST_USE int gw_sql_enter(struct gw_outbox *o, bool *own);
SG_MUST_USE int gw_sql_leave(struct gw_outbox *o, bool own, int err);

/* Open file, lock, schema, prepared statements. */
SG_MUST_USE int gw_outbox_db_open(
    struct gw_outbox *o, const struct gw_outbox_config *config, struct sg_fault *fault);
void gw_outbox_db_close(struct gw_outbox *o);
/* Make the ballast file again when it has been given up and there is room. */
void gw_outbox_restore_ballast(struct gw_outbox *o);

#endif
