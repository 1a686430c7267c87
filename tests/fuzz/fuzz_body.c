/* A body that passes its check is the only text of its samples: encoding them gives the same bytes. */
#include "ledger/core/paper.h"
#include "tests/lib/fuzz.h"
#include "tests/lib/fuzz_world.h"

#include <assert.h>
#include <string.h>

static void encode_again(const struct lg_body *b, const struct lg_relay *relay)
{
    struct lg_sample samples[LG_MAX_SAMPLES];
    struct sg_buf out;

    assert(lg_body_samples(samples, b, relay) == 0);
    sg_buf_init(&out, 2 * b->doc_len);
    assert(
        lg_body_encode(&out, relay, b->min, b->openings, samples, b->nsamples, b->events, b->nevents) == 0);
    assert(out.len == b->doc_len); /* events of one instant may have been put in order */
    if (b->nevents < 2)
        assert(memcmp(out.p, b->doc, out.len) == 0);
    sg_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lg_body *b = NULL;
    struct fuzz_world w;
    struct sg_buf text;

    if (lg_body_decode(&b, data, size) != 0) {
        assert(!b);
        return 0;
    }
    assert(b->doc_len == size && b->nsamples >= 1 && b->nsamples <= LG_MAX_SAMPLES);
    fuzz_world_init(&w);
    if (lg_body_check(b, &w.relays[0]) == 0) {
        encode_again(b, &w.relays[0]);
        sg_buf_init(&text, 1 << 20);
        assert(lg_paper_minute_text(&text, &w.g, &w.relays[0], b) == 0);
        sg_buf_fini(&text);
    }
    lg_body_free(b);
    return 0;
}
