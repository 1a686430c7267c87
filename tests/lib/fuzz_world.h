/* A genesis around a document, so that fuzzed bytes get past the rules that only chance or a key could pass: every gateway that
 * a document names is known, every signature is good, the work is none. What is left to break is the code. */
#ifndef TEST_FUZZ_WORLD_H
#define TEST_FUZZ_WORLD_H

#include "ledger/core/validity.h"

struct fuzz_world {
    struct lg_genesis g;
    struct lg_gateway gateways[LG_MAX_GATEWAYS];
    struct lg_relay relays[2]; /* relay-1, relay-2: the paper's profile */
};

/* Accepts every signature and key. */
extern const struct sg_crypto fuzz_crypto;
/* A view of an empty branch that knows every block as an ancestor. */
extern const struct lg_view fuzz_view;

void fuzz_world_init(struct fuzz_world *w);
/* kid becomes a gateway that may mine; ignored when there is no more room. */
void fuzz_world_add(struct fuzz_world *w, lg_kid kid);
/* Chain, bits, minute and miners as the block says; parent is one on which its header may stand. */
void fuzz_world_fit(struct fuzz_world *w, struct lg_block_info *parent, const struct lg_header *h);

#endif
