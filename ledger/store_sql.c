/* Every SQL text of the store, and the few calls that run it.
 *
 * Statements are prepared once a connection, arguments are always bound, never written into text: names and ids with any
 * bytes in them are data. SQLite's result codes end here; what leaves is SG_E…. */
#include <limits.h>
#include <sqlite3.h>
#include <string.h>

#include "ledger/store_db.h"

#define DISPUTE_COLUMNS                                                                                      \
    "id, relay, min, first_gw, first, first_live, first_digest, second_gw, second, second_live,"             \
    " second_digest"
#define INFO_COLUMNS "hash, prev, height, slot, time, miner, weight, weight_sum, best"

static const char *const sql[LG_SQL_COUNT] = {
    [LG_SQL_BEGIN] = "BEGIN IMMEDIATE",
    [LG_SQL_SNAPSHOT] = "BEGIN",
    [LG_SQL_COMMIT] = "COMMIT",
    [LG_SQL_ROLLBACK] = "ROLLBACK",
    [LG_SQL_META_GET] = "SELECT value FROM meta WHERE key = ?1",
    [LG_SQL_META_PUT] = "INSERT INTO meta(key, value) VALUES(?1, ?2)",

    [LG_SQL_TIP] = "SELECT " INFO_COLUMNS " FROM block WHERE best = 1 ORDER BY height DESC LIMIT 1",
    [LG_SQL_BLOCK_BY_HASH] = "SELECT " INFO_COLUMNS " FROM block WHERE hash = ?1",
    [LG_SQL_BLOCK_AT] = "SELECT " INFO_COLUMNS " FROM block WHERE best = 1 AND height = ?1",
    [LG_SQL_BLOCK_PARTS] = "SELECT header, sig, nst, leaves FROM block WHERE hash = ?1",
    [LG_SQL_BLOCK_HEADER] = "SELECT header, sig FROM block WHERE hash = ?1",
    [LG_SQL_BLOCK_CHILDREN] = "SELECT hash FROM block WHERE best = 1 AND prev = ?1"
                              " AND height = 1 + coalesce((SELECT height FROM block WHERE hash = ?1), 0)"
                              " UNION ALL SELECT hash FROM block WHERE best = 0 AND prev = ?1",
    [LG_SQL_BLOCK_HASH_AT] = "SELECT hash FROM block WHERE best = 1 AND height = ?1",
    [LG_SQL_BLOCK_BEST_HEIGHT] = "SELECT height FROM block WHERE hash = ?1 AND best = 1",
    [LG_SQL_BLOCK_PUT] =
        "INSERT INTO block(hash, prev, height, slot, time, miner, weight, weight_sum, best, nst, header,"
        " sig, leaves) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?13, ?9, ?10, ?11, ?12)"
        " ON CONFLICT(hash) DO NOTHING",
    [LG_SQL_BLOCK_SET_BEST] = "UPDATE block SET best = ?2 WHERE hash = ?1 AND best <> ?2",

    [LG_SQL_LAST_STATEMENT] = "SELECT inc, seq, slot, ts, leaf, height FROM statement"
                              " WHERE gw = ?1 AND height IS NOT NULL AND height <= ?2"
                              " ORDER BY height DESC, idx DESC LIMIT 1",
    [LG_SQL_LAST_POOLED] =
        "SELECT inc, seq, slot, ts, leaf, 0 FROM statement"
        " WHERE gw = ?1 AND pool = 1 AND height IS NULL ORDER BY inc DESC, seq DESC LIMIT 1",
    [LG_SQL_STATEMENT_STATE] = "SELECT pool, height, idx FROM statement WHERE leaf = ?1",
    [LG_SQL_STATEMENT_DOC] = "SELECT pool, height, idx, doc FROM statement WHERE leaf = ?1",
    [LG_SQL_STATEMENT_LEAF_BY_ID] = "SELECT leaf FROM statement WHERE id = ?1",
    [LG_SQL_STATEMENT_VARIANTS] = "SELECT id, leaf FROM statement WHERE gw = ?1 AND inc = ?2 AND seq = ?3"
                                  " ORDER BY height IS NULL, pool = 1 DESC, id",
    [LG_SQL_STATEMENT_LEAF_AT] = "SELECT leaf FROM statement WHERE gw = ?1 AND height = ?2 AND idx = ?3",
    [LG_SQL_STATEMENT_POOL] =
        "SELECT leaf, doc FROM statement WHERE pool = 1 AND height IS NULL ORDER BY gw, inc, seq",
    [LG_SQL_STATEMENT_POOL_PAGE] = "SELECT leaf, doc FROM statement WHERE pool = 1 AND height IS NULL"
                                   " ORDER BY gw, inc, seq LIMIT ?2 OFFSET ?1",
    [LG_SQL_STATEMENT_PUT] =
        "INSERT INTO statement(gw, inc, seq, slot, ts, pool, leaf, doc, height, idx, tip_height)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT(leaf) DO NOTHING",
    [LG_SQL_STATEMENT_TO_POOL] =
        "UPDATE statement SET pool = 1 WHERE leaf = ?1 AND height IS NULL AND pool <> 1",
    [LG_SQL_STATEMENT_OVERTAKE] = "UPDATE statement SET pool = 2 WHERE leaf = ?1 AND height IS NULL",
    [LG_SQL_STATEMENT_CONNECT] =
        "UPDATE statement SET height = ?2, idx = ?3, tip_height = ?4,"
        " pool = CASE pool WHEN 2 THEN 2 ELSE 0 END WHERE leaf = ?1 AND height IS NULL",
    [LG_SQL_STATEMENT_DISCONNECT] =
        "UPDATE statement SET height = NULL, idx = NULL, tip_height = NULL,"
        " pool = CASE pool WHEN 2 THEN 2 ELSE 1 END WHERE leaf = ?1 AND height = ?2",

    [LG_SQL_BODY_AT] = "SELECT relay, min, height FROM body WHERE digest = ?1 AND height <= ?2",
    [LG_SQL_BODY_STATE] = "SELECT pool, height, idx FROM body WHERE digest = ?1",
    [LG_SQL_BODY_DOC] = "SELECT pool, height, idx, doc FROM body WHERE digest = ?1",
    [LG_SQL_BODY_PLACE_BY_ID] = "SELECT digest, height, idx FROM body WHERE id = ?1",
    [LG_SQL_BODY_ID] = "SELECT id FROM body WHERE digest = ?1",
    [LG_SQL_BODY_POOL] = "SELECT digest, doc FROM body WHERE pool = 1 AND height IS NULL ORDER BY relay, min",
    [LG_SQL_BODY_POOL_OF_MINUTE] = "SELECT digest FROM body WHERE pool = 1 AND height IS NULL"
                                   " AND relay = ?1 AND min = ?2",
    [LG_SQL_POOLED_MINUTES_UP] =
        "SELECT DISTINCT min FROM body WHERE pool = 1 AND height IS NULL AND relay = ?1"
        " AND min BETWEEN ?2 AND ?3 ORDER BY min LIMIT ?4",
    [LG_SQL_POOLED_MINUTES_DOWN] =
        "SELECT DISTINCT min FROM body WHERE pool = 1 AND height IS NULL AND relay = ?1"
        " AND min BETWEEN ?2 AND ?3 ORDER BY min DESC LIMIT ?4",
    [LG_SQL_BODY_PUT] = "INSERT INTO body(relay, min, pool, digest, doc, height, idx)"
                        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(digest) DO NOTHING",
    [LG_SQL_BODY_TO_POOL] = "UPDATE body SET pool = 1 WHERE digest = ?1 AND height IS NULL AND pool <> 1",
    [LG_SQL_BODY_OVERTAKE] = "UPDATE body SET pool = 2 WHERE digest = ?1 AND height IS NULL",
    [LG_SQL_BODY_CONNECT] =
        "UPDATE body SET height = ?2, idx = ?3, pool = 0 WHERE digest = ?1 AND height IS NULL",
    /* Whatever overtook it before: a statement that returns with it may read it. */
    [LG_SQL_BODY_DISCONNECT] =
        "UPDATE body SET height = NULL, idx = NULL, pool = 1 WHERE digest = ?1 AND height = ?2",
    [LG_SQL_BODY_OTHERS] = "SELECT 1 FROM body WHERE relay = ?1 AND min = ?2 AND height IS NOT NULL LIMIT 2",
    [LG_SQL_BODY_OF_MINUTE] = "SELECT digest, height, idx FROM body"
                              " WHERE relay = ?1 AND min = ?2 AND height IS NOT NULL ORDER BY height, idx",
    [LG_SQL_MINUTES_UP] = "SELECT DISTINCT min FROM body WHERE relay = ?1 AND min BETWEEN ?2 AND ?3"
                          " AND height IS NOT NULL ORDER BY min LIMIT ?4",
    [LG_SQL_MINUTES_DOWN] = "SELECT DISTINCT min FROM body WHERE relay = ?1 AND min BETWEEN ?2 AND ?3"
                            " AND height IS NOT NULL ORDER BY min DESC LIMIT ?4",

    [LG_SQL_READ_PUT] =
        "INSERT INTO read(relay, min, gw, height, idx, body, live) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [LG_SQL_READ_DELETE] =
        "DELETE FROM read WHERE relay = ?1 AND min = ?2 AND gw = ?3 AND height = ?4 AND idx = ?5",
    [LG_SQL_READS_OF_MINUTE] = "SELECT gw, height, idx, body, live FROM read WHERE relay = ?1 AND min = ?2"
                               " ORDER BY gw, height, idx",
    [LG_SQL_GAP_PUT] = "INSERT INTO gap(gw, height, idx, relay, from_min, to_min, reason)"
                       " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [LG_SQL_GAP_DELETE] = "DELETE FROM gap WHERE gw = ?1 AND height = ?2 AND idx = ?3",
    [LG_SQL_GAPS_OF_GATEWAY] = "SELECT height, relay, from_min, to_min, reason FROM gap WHERE gw = ?1"
                               " ORDER BY height DESC, idx DESC, relay DESC, from_min DESC LIMIT ?2",

    [LG_SQL_GATEWAY] =
        "SELECT greatest_inc, greatest_slot, incarnations, gap_minutes, evidence FROM gateway WHERE gw = ?1",
    [LG_SQL_GATEWAY_HELD] =
        "INSERT INTO gateway(gw, greatest_inc, greatest_slot) VALUES(?1, ?2, ?3) ON CONFLICT(gw)"
        " DO UPDATE SET greatest_inc = max(greatest_inc, ?2), greatest_slot = max(greatest_slot, ?3)",
    [LG_SQL_GATEWAY_COUNT] =
        "UPDATE gateway SET incarnations = incarnations + ?2, gap_minutes = gap_minutes + ?3"
        " WHERE gw = ?1",
    [LG_SQL_GATEWAY_EVIDENCE] = "UPDATE gateway SET evidence = evidence + 1 WHERE gw = ?1",
    [LG_SQL_SEEN] = "SELECT height, tip_height FROM statement WHERE gw = ?1 AND height IS NOT NULL"
                    " ORDER BY height DESC, idx DESC",

    [LG_SQL_EVIDENCE_PUT] = "INSERT INTO evidence(gw, inc, seq, first, second) VALUES(?1, ?2, ?3, ?4, ?5)"
                            " ON CONFLICT(gw, inc, seq) DO NOTHING",
    [LG_SQL_EVIDENCE] =
        "SELECT id, gw, first, second FROM evidence WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3",
    [LG_SQL_CONFLICT_PUT] = "INSERT INTO conflict(height, idx, relay, min) VALUES(?1, ?2, ?3, ?4)",
    [LG_SQL_CONFLICT_DELETE] = "DELETE FROM conflict WHERE height = ?1",
    [LG_SQL_CONFLICTS] = "SELECT height, idx, relay, min FROM conflict WHERE (height, idx) < (?1, ?2)"
                         " ORDER BY height DESC, idx DESC LIMIT ?3",
    [LG_SQL_FIRST_READ] = "SELECT gw, statement, live, digest FROM first_read WHERE relay = ?1 AND min = ?2",
    [LG_SQL_FIRST_READ_MINED] =
        "SELECT s.gw, s.id, r.live, b.digest FROM read r CROSS JOIN body b ON b.id = r.body"
        " CROSS JOIN statement s ON s.gw = r.gw AND s.height = r.height AND s.idx = r.idx"
        " WHERE r.relay = ?1 AND r.min = ?2 LIMIT 1",
    [LG_SQL_FIRST_READ_PUT] =
        "INSERT INTO first_read(relay, min, gw, statement, live, digest) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [LG_SQL_DISPUTE_PUT] =
        "INSERT INTO dispute(relay, min, first_gw, second_gw, first, second, first_live, second_live,"
        " first_digest, second_digest) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
        " ON CONFLICT(relay, min, second_digest) DO NOTHING",
    [LG_SQL_DISPUTE_COUNT] = "SELECT count(*) FROM dispute WHERE first_gw = ?1 AND second_gw = ?2",
    [LG_SQL_DISPUTES] =
        "SELECT d.id, d.relay, d.min, d.first_gw, d.second_gw, d.first_live, d.second_live, d.first_digest,"
        " d.second_digest, a.leaf, b.leaf, a.height, b.height, a.idx, b.idx FROM dispute d"
        " CROSS JOIN statement a ON a.id = d.first CROSS JOIN statement b ON b.id = d.second"
        " WHERE d.id <= ?1 ORDER BY d.id DESC LIMIT ?2",

    /* length() of a column reads no page of what lies behind it */
    [LG_SQL_SIDE_SOURCE] =
        "SELECT id, miner, weight_sum, length(header), nst, leaves, prev, best,"
        " (SELECT count(*) FROM block c WHERE c.prev = ?1 AND c.best = 0) FROM block WHERE hash = ?1",
    [LG_SQL_SIDE_PUT] = "INSERT INTO side(block, miner, weight_sum, bytes, kids) VALUES(?1, ?2, ?3, ?4, ?5)",
    [LG_SQL_SIDE_DELETE] = "DELETE FROM side WHERE block = ?1",
    [LG_SQL_SIDE_ROW] = "SELECT miner, weight_sum, bytes, kids FROM side WHERE block = ?1",
    [LG_SQL_SIDE_KIDS] =
        "UPDATE side SET kids = kids + ?2 WHERE block = (SELECT id FROM block WHERE hash = ?1)",
    /* What the row counts may be damaged, and who is chosen must be one that can be given up. */
    [LG_SQL_SIDE_NEXT] = "SELECT b.hash FROM side s CROSS JOIN block b ON b.id = s.block AND b.best = 0"
                         " WHERE s.miner = ?1 AND s.kids = 0 AND NOT EXISTS"
                         " (SELECT 1 FROM block c WHERE c.prev = b.hash AND c.best = 0)"
                         " ORDER BY s.weight_sum, s.block",
    [LG_SQL_SIDE_DOC_PUT] =
        "INSERT INTO side_doc(leaf, block) VALUES(?1, ?2) ON CONFLICT(leaf, block) DO NOTHING",
    [LG_SQL_SIDE_DOC_DELETE] = "DELETE FROM side_doc WHERE leaf = ?1 AND block = ?2",
    [LG_SQL_SIDE_DOC_ANY] = "SELECT 1 FROM side_doc WHERE leaf = ?1 LIMIT 1",
    [LG_SQL_SIDE_BYTES] = "SELECT coalesce(sum(bytes), 0) FROM side_gateway",
    [LG_SQL_SIDE_GREEDY] = "SELECT gw FROM side_gateway WHERE bytes > 0 ORDER BY bytes DESC, gw",
    [LG_SQL_SIDE_COUNT] = "INSERT INTO side_gateway(gw, bytes) VALUES(?1, ?2) ON CONFLICT(gw)"
                          " DO UPDATE SET bytes = bytes + ?2",
    [LG_SQL_SIDE_GONE] =
        "INSERT INTO side_gateway(gw, gone_inc, gone_slot) VALUES(?1, ?2, ?3) ON CONFLICT(gw)"
        " DO UPDATE SET gone_inc = max(gone_inc, ?2), gone_slot = max(gone_slot, ?3)",
    [LG_SQL_BLOCK_DELETE] = "DELETE FROM block WHERE id = ?1 AND best = 0",
    [LG_SQL_STATEMENT_LENGTH] = "SELECT length(doc) FROM statement WHERE leaf = ?1",
    [LG_SQL_BODY_LENGTH] = "SELECT length(doc) FROM body WHERE digest = ?1",
    [LG_SQL_STATEMENT_FREE] =
        "SELECT id, gw, inc, seq, slot FROM statement WHERE leaf = ?1 AND height IS NULL AND pool = 0",
    [LG_SQL_BODY_FREE] = "SELECT id, relay, min FROM body WHERE digest = ?1 AND height IS NULL AND pool = 0",
    [LG_SQL_STATEMENT_DELETE] = "DELETE FROM statement WHERE id = ?1",
    [LG_SQL_BODY_DELETE] = "DELETE FROM body WHERE id = ?1",
    [LG_SQL_EVIDENCE_OF] =
        "SELECT 1 FROM evidence WHERE gw = ?1 AND inc = ?2 AND seq = ?3 AND (first = ?4 OR second = ?4)",
    [LG_SQL_FIRST_READ_OF] = "SELECT 1 FROM first_read WHERE relay = ?1 AND min = ?2 AND statement = ?3",
    [LG_SQL_DISPUTE_OF] =
        "SELECT 1 FROM dispute WHERE relay = ?1 AND min = ?2 AND (first = ?3 OR second = ?3) LIMIT 1",
    [LG_SQL_BODY_REMEMBERED] =
        "SELECT 1 FROM first_read WHERE relay = ?1 AND min = ?2 AND digest = ?3 UNION ALL"
        " SELECT 1 FROM dispute WHERE relay = ?1 AND min = ?2 AND (first_digest = ?3 OR second_digest = ?3)"
        " LIMIT 1",

    [LG_SQL_SIDE_CHECK] =
        "SELECT s.block, s.miner = b.miner AND s.weight_sum = b.weight_sum, s.bytes, s.kids,"
        " (SELECT count(*) FROM block c WHERE c.best = 0 AND c.prev = ?1) FROM block b CROSS JOIN side s ON "
        "s.block = b.id"
        " WHERE b.hash = ?1",
    [LG_SQL_SIDE_DOC] = "SELECT 1 FROM side_doc WHERE leaf = ?1 AND block = ?2",
    [LG_SQL_SIDE_LEAVES] = "SELECT leaves FROM block WHERE id = ?1 AND best = 0",
    [LG_SQL_SIDE_GATEWAY] = "SELECT bytes, gone_inc, gone_slot FROM side_gateway WHERE gw = ?1",
    [LG_SQL_SIDE_SUM] = "SELECT coalesce(sum(bytes), 0) FROM side WHERE miner = ?1",
    [LG_SQL_SIDE_SET] = "INSERT INTO side_gateway(gw, bytes) VALUES(?1, ?2) ON CONFLICT(gw)"
                        " DO UPDATE SET bytes = ?2",
    [LG_SQL_SCRUB_SIDE] = "SELECT block FROM side WHERE block > ?1 ORDER BY block LIMIT 1",
    [LG_SQL_SCRUB_SIDE_DOC] =
        "SELECT block, leaf FROM side_doc WHERE (leaf, block) > (?1, ?2) ORDER BY leaf, block LIMIT 1",
    [LG_SQL_SCRUB_FIRST_READ] =
        "SELECT relay, min, gw, statement, live, digest FROM first_read WHERE (relay, min) > (?1, ?2)"
        " ORDER BY relay, min LIMIT 1",
    [LG_SQL_FIRST_READ_ROW] =
        "SELECT relay, min, gw, statement, live, digest FROM first_read WHERE relay = ?1 AND min = ?2",
    [LG_SQL_FIRST_READ_DELETE] = "DELETE FROM first_read WHERE relay = ?1 AND min = ?2",
    [LG_SQL_FIRST_READ_RESTORE] =
        "INSERT INTO first_read(relay, min, gw, statement, live, digest) VALUES(?1, ?2, ?3, ?4, ?5, ?6)"
        " ON CONFLICT(relay, min) DO NOTHING",
    [LG_SQL_READS_SAID] = "SELECT s.gw, s.id, r.live, b.digest FROM read r CROSS JOIN body b ON b.id = r.body"
                          " CROSS JOIN statement s ON s.gw = r.gw AND s.height = r.height AND s.idx = r.idx"
                          " WHERE r.relay = ?1 AND r.min = ?2",
    [LG_SQL_SCRUB_DISPUTE] = "SELECT " DISPUTE_COLUMNS " FROM dispute WHERE id > ?1 ORDER BY id LIMIT 1",
    [LG_SQL_DISPUTE_ROW] = "SELECT " DISPUTE_COLUMNS " FROM dispute WHERE id = ?1",
    [LG_SQL_DISPUTE_DELETE] = "DELETE FROM dispute WHERE id = ?1",
    [LG_SQL_DISPUTE_RESTORE] =
        "INSERT INTO dispute(relay, min, first_gw, second_gw, first, second, first_live, second_live,"
        " first_digest, second_digest, id) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
        " ON CONFLICT DO NOTHING",

    [LG_SQL_PAPER_PUT] = "INSERT INTO paper(idx, proof, hash, text) VALUES(?1, ?2, ?3, ?4)",
    [LG_SQL_PAPER_DELETE] = "DELETE FROM paper WHERE idx = ?1",
    [LG_SQL_PAPER] = "SELECT proof, hash, text FROM paper WHERE idx = ?1",
    [LG_SQL_PAPER_STATE] = "SELECT proof, hash FROM paper WHERE idx = ?1",

    [LG_SQL_SCRUB_BLOCK] = "SELECT id, hash FROM block WHERE id >= ?1 ORDER BY id LIMIT 1",
    [LG_SQL_SCRUB_STATEMENT] =
        "SELECT id, leaf, doc, gw, inc, seq, slot, ts FROM statement WHERE id >= ?1 ORDER BY id LIMIT 1",
    [LG_SQL_SCRUB_BODY] = "SELECT id, digest, doc, relay, min FROM body WHERE id >= ?1 ORDER BY id LIMIT 1",
    [LG_SQL_SCRUB_READ] =
        "SELECT relay, min, gw, height, idx FROM read WHERE (relay, min, gw, height, idx) > (?1, ?2, ?3, ?4,"
        " ?5) ORDER BY relay, min, gw, height, idx LIMIT 1",
    [LG_SQL_SCRUB_GAP] = "SELECT gw, height, idx FROM gap WHERE (gw, height, idx) > (?1, ?2, ?3)"
                         " ORDER BY gw, height, idx LIMIT 1",
    [LG_SQL_SCRUB_SIZE] =
        "SELECT coalesce((SELECT max(id) FROM block), 0) + coalesce((SELECT max(id) FROM statement), 0)"
        " + coalesce((SELECT max(id) FROM body), 0)",
    [LG_SQL_BLOCK_ID] = "SELECT id FROM block WHERE hash = ?1",
    /* The last column of every row: all of the table is read. */
    [LG_SQL_THROUGH_READ] = "SELECT max(live) FROM read",
    [LG_SQL_THROUGH_GAP] = "SELECT max(reason) FROM gap",
    [LG_SQL_THROUGH_FIRST_READ] = "SELECT max(digest) FROM first_read",
    [LG_SQL_THROUGH_DISPUTE] = "SELECT max(second_digest) FROM dispute NOT INDEXED",
    [LG_SQL_THROUGH_SIDE] = "SELECT max(kids) FROM side NOT INDEXED",
    [LG_SQL_THROUGH_SIDE_DOC] = "SELECT max(block) FROM side_doc",
    [LG_SQL_STATEMENT_ROW] = "SELECT id, gw, inc, seq, slot, ts, height, idx, tip_height FROM statement"
                             " WHERE leaf = ?1",
    [LG_SQL_BODY_ROW] = "SELECT id, relay, min, height, idx FROM body WHERE digest = ?1",
    [LG_SQL_BODY_FIRST] = "SELECT digest FROM body WHERE relay = ?1 AND min = ?2 AND height IS NOT NULL"
                          " ORDER BY height, idx LIMIT 1",
    [LG_SQL_READ_AT] =
        "SELECT body, live FROM read WHERE relay = ?1 AND min = ?2 AND gw = ?3 AND height = ?4 AND idx = ?5",
    [LG_SQL_GAPS_AT] = "SELECT relay, from_min, to_min, reason FROM gap"
                       " WHERE gw = ?1 AND height = ?2 AND idx = ?3 ORDER BY relay, from_min",
    [LG_SQL_CONFLICTS_AT] = "SELECT idx, relay, min FROM conflict WHERE height = ?1 ORDER BY idx",
    [LG_SQL_STATEMENT_GREATEST] =
        "SELECT inc, slot, seq FROM statement WHERE gw = ?1 ORDER BY inc DESC, seq DESC LIMIT 1",
    [LG_SQL_STATEMENT_GREATEST_SLOT] = "SELECT max(slot) FROM statement WHERE gw = ?1",
    [LG_SQL_STATEMENT_INCARNATIONS] =
        "SELECT count(*) FROM statement WHERE gw = ?1 AND seq = 1 AND height IS NOT NULL",
    [LG_SQL_GAP_MINUTES] = "SELECT coalesce(sum(to_min - from_min + 1), 0) FROM gap WHERE gw = ?1",
    [LG_SQL_EVIDENCE_COUNT] = "SELECT count(*) FROM evidence WHERE gw = ?1",
    /* What does not differ is not written: an index is touched only where a column of it must be. */
    [LG_SQL_REPAIR_STATEMENT] = "UPDATE statement SET doc = ?2 WHERE leaf = ?1 AND doc IS NOT ?2",
    [LG_SQL_REPAIR_STATEMENT_KEYS] =
        "UPDATE statement SET gw = ?2, inc = ?3, seq = ?4, slot = ?5, ts = ?6"
        " WHERE leaf = ?1 AND (gw, inc, seq, slot, ts) IS NOT (?2, ?3, ?4, ?5, ?6)",
    [LG_SQL_REPAIR_STATEMENT_PLACE] = "UPDATE statement SET height = ?2, idx = ?3, tip_height = ?4"
                                      " WHERE leaf = ?1 AND (height, idx, tip_height) IS NOT (?2, ?3, ?4)",
    [LG_SQL_REPAIR_BODY] = "UPDATE body SET doc = ?2 WHERE digest = ?1 AND doc IS NOT ?2",
    [LG_SQL_REPAIR_BODY_KEYS] = "UPDATE body SET relay = ?2, min = ?3"
                                " WHERE digest = ?1 AND (relay, min) IS NOT (?2, ?3)",
    [LG_SQL_REPAIR_BODY_PLACE] = "UPDATE body SET height = ?2, idx = ?3"
                                 " WHERE digest = ?1 AND (height, idx) IS NOT (?2, ?3)",
    [LG_SQL_REPAIR_BLOCK] = "UPDATE block SET header = ?2, sig = ?3, leaves = ?4, nst = ?5 WHERE hash = ?1",
    [LG_SQL_REPAIR_BLOCK_COLUMNS] =
        "UPDATE block SET prev = ?2, height = ?3, slot = ?4, time = ?5, miner = ?6, weight = ?7,"
        " weight_sum = ?8 WHERE hash = ?1 AND (prev, height, slot, time, miner, weight, weight_sum)"
        " IS NOT (?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [LG_SQL_PAGES] = "PRAGMA page_count",
    [LG_SQL_REINDEX] = "REINDEX",
    [LG_SQL_KEY_BLOCK] = "SELECT header FROM block WHERE hash = ?1",
    [LG_SQL_KEY_STATEMENT] = "SELECT doc FROM statement WHERE leaf = ?1",
    [LG_SQL_KEY_BODY] = "SELECT doc FROM body WHERE digest = ?1",
    [LG_SQL_REKEY_BLOCK] = "UPDATE block SET hash = ?2 WHERE hash = ?1",
    [LG_SQL_REKEY_STATEMENT] = "UPDATE statement SET leaf = ?2 WHERE leaf = ?1",
    [LG_SQL_REKEY_BODY] = "UPDATE body SET digest = ?2 WHERE digest = ?1",
    [LG_SQL_REPAIR_GATEWAY] =
        "INSERT INTO gateway(gw, greatest_inc, greatest_slot, incarnations, gap_minutes, evidence)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(gw) DO UPDATE SET greatest_inc = ?2,"
        " greatest_slot = ?3, incarnations = ?4, gap_minutes = ?5, evidence = ?6",
};

const char *lg_db_sql(enum lg_sql id)
{
    return sql[id];
}

int lg_db_error(int rc)
{
    if (rc == SQLITE_IOERR_NOMEM)
        return SG_ENOMEM;
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_FULL:
        return SG_ENOSPC;
    case SQLITE_NOMEM:
        return SG_ENOMEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT: /* the schema's rules cannot be broken by valid documents */
    case SQLITE_MISMATCH:
    case SQLITE_ERROR: /* a table or column is missing: not the database that this program wrote */
        return SG_ECORRUPT;
    case SQLITE_TOOBIG:
        return SG_ETOO_LARGE;
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
        return SG_EINVAL;
    default:
        return SG_EIO;
    }
}

static int bind_one(sqlite3_stmt *st, int at, const struct lg_arg *a)
{
    switch (a->kind) {
    case LG_ARG_NULL:
        return sqlite3_bind_null(st, at);
    case LG_ARG_INT:
        return sqlite3_bind_int64(st, at, a->i);
    case LG_ARG_BLOB:
        return sqlite3_bind_blob64(st, at, a->p, a->len, SQLITE_STATIC);
    case LG_ARG_TEXT:
        return sqlite3_bind_text64(st, at, a->p, a->len, SQLITE_STATIC, SQLITE_UTF8);
    }
    return SQLITE_MISUSE;
}

int lg_db_query(
    struct lg_db *db, struct sqlite3_stmt **st, enum lg_sql id, const struct lg_arg *args, size_t n)
{
    *st = db->st[id];
    if (*st == NULL) {
        const int rc = sqlite3_prepare_v3(db->h, sql[id], -1, SQLITE_PREPARE_PERSISTENT, st, NULL);
        if (rc != SQLITE_OK)
            return lg_db_error(rc);
        db->st[id] = *st;
    }
    for (size_t i = 0; i < n; i++) {
        const int rc = bind_one(*st, (int)i + 1, &args[i]);
        if (rc != SQLITE_OK)
            return lg_db_error(rc);
    }
    return 0;
}

int lg_db_row(struct sqlite3_stmt *st)
{
    const int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        return 1;
    sqlite3_reset(st);
    return lg_db_error(rc);
}

void lg_db_done(struct sqlite3_stmt *st)
{
    sqlite3_reset(st);
}

int lg_db_first(
    struct lg_db *db, struct sqlite3_stmt **st, enum lg_sql id, const struct lg_arg *args, size_t n)
{
    const int err = lg_db_query(db, st, id, args, n);
    if (err != 0)
        return err;
    const int row = lg_db_row(*st);
    return row == 0 ? SG_ENOT_FOUND : row < 0 ? row : 0;
}

int lg_db_each(
    struct lg_db *db, enum lg_sql id, const struct lg_arg *args, size_t n, lg_db_row_fn *fn, void *arg)
{
    sqlite3_stmt *st;
    int err = lg_db_query(db, &st, id, args, n);
    if (err != 0)
        return err;
    int row;
    while ((row = lg_db_row(st)) > 0) {
        err = fn(arg, st);
        if (err != 0) {
            lg_db_done(st);
            return err;
        }
    }
    return row;
}

int lg_db_run(struct lg_db *db, int64_t *changed, enum lg_sql id, const struct lg_arg *args, size_t n)
{
    sqlite3_stmt *st;
    int err = lg_db_query(db, &st, id, args, n);
    if (err != 0)
        return err;
    err = lg_db_row(st);
    if (err == 0 && changed != NULL)
        *changed = sqlite3_changes64(db->h);
    return err;
}

int lg_db_roll_back(struct lg_db *db)
{
    return sqlite3_get_autocommit(db->h) ? 0 : lg_db_run(db, NULL, LG_SQL_ROLLBACK, NULL, 0);
}

int lg_db_begin_read(struct lg_db *db)
{
    const int err = lg_db_roll_back(db);
    return err != 0 ? err : lg_db_run(db, NULL, LG_SQL_SNAPSHOT, NULL, 0);
}

int lg_db_column_hash(struct lg_hash *out, struct sqlite3_stmt *st, int column)
{
    const void *p = sqlite3_column_blob(st, column);
    if (p == NULL || sqlite3_column_bytes(st, column) != (int)sizeof out->b)
        return SG_ECORRUPT;
    memcpy(out->b, p, sizeof out->b);
    return 0;
}

void lg_db_column_bytes(struct sg_buf *out, struct sqlite3_stmt *st, int column)
{
    const void *p = sqlite3_column_blob(st, column);
    const int n = sqlite3_column_bytes(st, column);
    if (p != NULL && n > 0)
        sg_buf_put(out, p, (size_t)n);
}

void lg_db_close(struct lg_db *db)
{
    for (size_t i = 0; i < LG_SQL_COUNT; i++) {
        sqlite3_finalize(db->st[i]);
        db->st[i] = NULL;
    }
    sqlite3_close(db->h);
    db->h = NULL;
}
