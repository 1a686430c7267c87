/* Documents and blocks made on the spot for tests of the store: well formed and signed, but not mined and not judged. */
#ifndef TEST_SYNTH_H
#define TEST_SYNTH_H

#include "ledger/core/validity.h"

#define SYNTH_GATEWAYS 5

struct synth {
    const struct lg_genesis *g;
    struct sg_key *keys[SYNTH_GATEWAYS]; /* by position in the genesis */
};

void synth_init(struct synth *s, const struct lg_genesis *g);
void synth_fini(struct synth *s);
/* A body of genesis relay `relay` whose content depends on variant. Caller frees. */
struct lg_body *synth_body(const struct synth *s, unsigned relay, sg_minute min, int64_t variant);
/* The same with the most events that a body may have: about 15 KB. */
struct lg_body *synth_big_body(const struct synth *s, unsigned relay, sg_minute min, int64_t variant);
/* A statement of genesis gateway `gw`, slot = genesis minute + seq or the newest read, that reads these bodies (by increasing relay and minute). */
struct lg_statement *synth_statement(const struct synth *s, unsigned gw, sg_ms inc, int64_t seq,
    const struct lg_hash *tip, struct lg_body *const *reads, unsigned nreads, uint8_t live);
/* The next block after prev, of gateway 0; documents in their order. */
struct lg_block *synth_block(const struct synth *s, struct lg_block_info *info,
    const struct lg_block_info *prev, struct lg_statement *const *statements, unsigned ns,
    struct lg_body *const *bodies, unsigned nb);

#endif
