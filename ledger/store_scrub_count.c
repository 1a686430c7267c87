/* The counters of a gateway against the rows that they count.
 *
 * Invariant: what is counted here is what the writer would have counted, whatever order the rows came in; nothing is changed. */
#include <sqlite3.h>
#include <string.h>

#include "ledger/store_scrub_priv.h"

static int integers(struct lg_db *db, int64_t *v, int n, enum lg_sql id, int gw)
{
    sqlite3_stmt *st;
    const int err = lg_db_query(db, &st, id, LG_ARGS(lg_arg_int(gw)));
    if (err != 0)
        return err;
    const int row = lg_db_row(st);
    for (int i = 0; i < n; i++)
        v[i] = row > 0 ? sqlite3_column_int64(st, i) : 0;
    if (row > 0)
        lg_db_done(st);
    return row < 0 ? row : 0;
}

int lg_scrub_counters(struct lg_db *db, struct lg_scrub_counters *out, int gw)
{
    const int err = integers(db, out->v, 5, LG_SQL_GATEWAY, gw);
    return err != 0 ? err : integers(db, &out->v[5], 1, LG_SQL_SIDE_GATEWAY, gw);
}

/* The slot of the newest statement is the greatest one, unless two statements share an (inc, seq): only where the table says
 * otherwise all are looked through. */
int lg_scrub_count(
    struct lg_db *db, struct lg_scrub_counters *out, const struct lg_scrub_counters *stored, int gw)
{
    int64_t gone[3]; /* bytes; greatest of statements that went with a side block */
    int err = integers(db, &out->v[0], 2, LG_SQL_STATEMENT_GREATEST, gw);
    if (err == 0)
        err = integers(db, gone, 3, LG_SQL_SIDE_GATEWAY, gw);
    if (err == 0 && (out->v[1] > gone[2] ? out->v[1] : gone[2]) != stored->v[1])
        err = integers(db, &out->v[1], 1, LG_SQL_STATEMENT_GREATEST_SLOT, gw);
    for (int i = 0; i < 2 && err == 0; i++)
        out->v[i] = out->v[i] > gone[1 + i] ? out->v[i] : gone[1 + i];
    if (err == 0)
        err = integers(db, &out->v[5], 1, LG_SQL_SIDE_SUM, gw);
    if (err == 0)
        err = integers(db, &out->v[2], 1, LG_SQL_STATEMENT_INCARNATIONS, gw);
    if (err == 0)
        err = integers(db, &out->v[3], 1, LG_SQL_GAP_MINUTES, gw);
    return err != 0 ? err : integers(db, &out->v[4], 1, LG_SQL_EVIDENCE_COUNT, gw);
}

int lg_scrub_check_counters(struct lg_db *db, struct lg_damage *out, int gw)
{
    struct lg_scrub_counters stored, want;
    int err = lg_scrub_counters(db, &stored, gw);
    if (err == 0)
        err = lg_scrub_count(db, &want, &stored, gw);
    if (err != 0 || memcmp(&stored, &want, sizeof want) == 0)
        return err;
    *out = (struct lg_damage){.kind = LG_DAMAGE_COUNTERS, .key = {gw}};
    return 1;
}
