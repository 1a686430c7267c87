/* Rows of side blocks (store_side.c) against the blocks, and putting them back.
 *
 * They follow from block and its documents: a block that is not on the best branch has its row and one for each document, another has none.
 * Sums are a counter's matter (store_scrub.c). Invariant: a row that passes says what the block says. A key that is no hash is damage of
 * the file. */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/store_db.h"
#include "ledger/store_scrub_priv.h"

#define GOOD    0
#define DAMAGED 1
#define AT_END  2

int lg_scrub_side_of(struct lg_db *db, bool *good, const struct lg_block *b, bool best)
{
    sqlite3_stmt *st;
    int64_t v[5], bytes = (int64_t)b->header_doc.len, docs = 0;
    int err = lg_db_first(db, &st, LG_SQL_SIDE_CHECK, LG_ARGS(lg_arg_hash(&b->hash)));
    *good = err == SG_ENOT_FOUND && best;
    if (err != 0)
        return err == SG_ENOT_FOUND ? 0 : err;
    for (int i = 0; i < 5; i++)
        v[i] = sqlite3_column_int64(st, i);
    lg_db_done(st);
    const size_t n = (size_t)b->nstatements + b->nbodies;
    struct lg_hash *leaves = calloc(n, sizeof *leaves);
    if (leaves == NULL)
        return SG_ENOMEM;
    lg_block_leaves(leaves, b);
    for (size_t i = 0; i < n && err == 0; i++) {
        bytes += (int64_t)(i < b->nstatements ? b->statements[i]->doc_len
                                              : b->bodies[i - b->nstatements]->doc_len);
        err = lg_db_first(db, &st, LG_SQL_SIDE_DOC, LG_ARGS(lg_arg_hash(&leaves[i]), lg_arg_int(v[0])));
        docs += err == 0;
        if (err == 0)
            lg_db_done(st);
        err = err == SG_ENOT_FOUND ? 0 : err;
    }
    free(leaves);
    /* block, miner and sum of weights as the block's own columns say, bytes, children */
    *good = !best && v[1] == 1 && v[2] == bytes && v[3] == v[4] && docs == (int64_t)n;
    return err;
}

/* The block of a row: is it a side block, and does it hold leaf (NULL: whatever)? */
static int fits(struct lg_db *db, bool *good, int64_t block, const struct lg_hash *leaf)
{
    sqlite3_stmt *st;
    const int err = lg_db_first(db, &st, LG_SQL_SIDE_LEAVES, LG_ARGS(lg_arg_int(block)));
    *good = false;
    if (err != 0)
        return err == SG_ENOT_FOUND ? 0 : err;
    const uint8_t *leaves = sqlite3_column_blob(st, 0);
    const size_t n = leaves == NULL ? 0 : (size_t)sqlite3_column_bytes(st, 0) / SG_HASH_BYTES;
    *good = leaf == NULL;
    for (size_t i = 0; i < n && !*good; i++)
        *good = memcmp(leaves + i * SG_HASH_BYTES, leaf->b, SG_HASH_BYTES) == 0;
    lg_db_done(st);
    return 0;
}

int lg_scrub_side_row(struct lg_db *db, struct lg_damage *at, bool next)
{
    const bool is_doc = at->key[1] == 1;
    sqlite3_stmt *st;
    bool good;
    int err = 0;
    if (next) {
        const struct lg_arg by_doc[] = {lg_arg_hash(&at->hash), lg_arg_int(at->key[0])};
        const struct lg_arg by_id = lg_arg_int(at->key[0]);
        err = is_doc ? lg_db_first(db, &st, LG_SQL_SCRUB_SIDE_DOC, by_doc, 2)
                     : lg_db_first(db, &st, LG_SQL_SCRUB_SIDE, &by_id, 1);
        if (err != 0)
            return err == SG_ENOT_FOUND ? AT_END : err;
        at->key[0] = sqlite3_column_int64(st, 0);
        err = is_doc ? lg_db_column_hash(&at->hash, st, 1) : 0;
        lg_db_done(st);
    }
    if (err == 0)
        err = fits(db, &good, at->key[0], is_doc ? &at->hash : NULL);
    return err != 0 ? err : good ? GOOD : DAMAGED;
}

int lg_scrub_restore_side_row(struct lg_db *db, const struct lg_damage *d)
{
    const bool is_doc = d->key[1] == 1;
    bool good;
    const int err = fits(db, &good, d->key[0], is_doc ? &d->hash : NULL);
    if (err != 0 || good)
        return err;
    return is_doc ? lg_db_run(db, NULL, LG_SQL_SIDE_DOC_DELETE,
                        LG_ARGS(lg_arg_hash(&d->hash), lg_arg_int(d->key[0])))
                  : lg_db_run(db, NULL, LG_SQL_SIDE_DELETE, LG_ARGS(lg_arg_int(d->key[0])));
}
