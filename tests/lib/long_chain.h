/* Long valid chains, as fast as keys can sign: the same seed gives the same bytes, whatever the machine.
 *
 * Blocks are made by the encoders of the core, with real Ed25519 signatures and bits 0. Nothing of the chain is kept but its end, so a
 * million blocks need no more memory than a thousand. A second thread signs the headers of one lot while the next is made. Faults abort. */
#ifndef TEST_LONG_CHAIN_H
#define TEST_LONG_CHAIN_H

#include "ledger/core/validity.h"
#include "sg_key.h"

#define LONG_CHAIN_MAX_GATEWAYS 16
/* Time of the genesis: 2020-01-01. A chain of a million blocks, one a minute, ends in November 2021. */
#define LONG_CHAIN_START INT64_C(1577836800000)

struct long_chain_config {
    uint64_t seed;     /* keys and values follow from it */
    unsigned gateways; /* 0: 4 */
    /* false: one statement a block, a bare vote, the gateways in turn. true: each gateway states, and all read one body of six samples
     * and ten points, as a network with one relay does. */
    bool usual;
};

struct long_chain;

struct long_chain *long_chain_new(const struct long_chain_config *config);
void long_chain_free(struct long_chain *c);
/* Borrowed. */
const struct lg_genesis *long_chain_genesis(const struct long_chain *c);
/* The key of a gateway, by its index in the genesis; borrowed. */
const struct sg_key *long_chain_key(const struct long_chain *c, unsigned gw);
/* The canonical bytes of the next block, from height 1 on; borrowed until the next call. */
struct lg_slice long_chain_next(struct long_chain *c);

/* Append n blocks to a data directory, new or ended by an earlier call with the same chain, without judging them: what `ledger verify`
 * is for. One transaction each 1000 blocks. */
void long_chain_write(struct long_chain *c, const char *data_dir, int64_t n);

#endif
