/* Inside of a reader: shared by store_reader.c, store_reader_minute.c and store_reader_dispute.c. */
#ifndef LG_STORE_READER_H
#define LG_STORE_READER_H

#include "ledger/store_db.h"

struct lg_reader {
    struct lg_db db;
    bool has_seen; /* seen[] holds for the running snapshot */
    int64_t seen
        [LG_MAX_GATEWAYS]; /* by position in the genesis: greatest height that the gateway named as tip; -1 none */
};

#endif
