/* A genesis that decodes encodes to the same bytes, and everything in it can be asked for. */
#include "lg_record.h"
#include "tests/lib/fuzz.h"
#include "tests/lib/fuzz_world.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lg_genesis *g = NULL;
    struct sg_buf out;

    if (lg_genesis_decode(&g, data, size, &fuzz_crypto) != 0) {
        assert(!g);
        return 0;
    }
    sg_buf_init(&out, size);
    lg_genesis_encode(&out, g);
    assert(sg_buf_err(&out) == 0 && out.len == size && memcmp(out.p, data, size) == 0);
    sg_buf_fini(&out);
    for (unsigned i = 0; i < g->ngateways; i++)
        assert(lg_genesis_gateway(g, g->gateways[i].id) == &g->gateways[i]);
    for (unsigned i = 0; i < g->nrelays; i++) {
        const struct lg_relay *r = &g->relays[i];

        assert(lg_genesis_relay(g, r->id, strlen(r->id)) == r && 60 % r->period_s == 0);
        assert(lg_relay_reader_count(g, r) <= g->ngateways);
        for (unsigned k = 0; k < r->nreaders; k++)
            assert(lg_relay_has_reader(r, r->readers[k]));
    }
    lg_genesis_free(g);
    return 0;
}
