/* A proof: any bytes give a verdict and a place, and what verifies names a relay of the genesis and somebody who saw it. */
#include "ledger/core/proof.h"
#include "tests/lib/fuzz.h"
#include "tests/lib/fuzz_world.h"

#include <assert.h>
#include <string.h>

/* The text behind the first match of key. */
static const uint8_t *behind(const uint8_t *data, size_t size, const char *key)
{
    const uint8_t *at = memmem(data, size, key, strlen(key));

    return at ? at + strlen(key) : NULL;
}

/* The genesis that the proof wants: its chain id, and each gateway that it names. */
static void fit(struct fuzz_world *w, const uint8_t *data, size_t size)
{
    const uint8_t *end = data + size, *at = behind(data, size, "\"genesis\":\"");

    fuzz_world_init(w);
    for (unsigned i = 0; at && end - at >= 64 && i < 4; i++) {
        lg_kid part = 0;

        if (lg_kid_parse(&part, (const char *)at + 16 * i, 16) == 0)
            sg_put_be64(w->g.id.b + 8 * i, part);
    }
    for (const char *const *key = (const char *const[]){"\"gw\":\"", "\"miner\":\"", NULL}; *key; key++) {
        lg_kid kid;

        for (at = behind(data, size, *key); at && end - at >= 16; at = behind(at, (size_t)(end - at), *key)) {
            if (lg_kid_parse(&kid, (const char *)at, 16) == 0)
                fuzz_world_add(w, kid);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lg_proof_result r;
    struct fuzz_world w;
    char where[64];
    int err;

    if (size == 0)
        return 0;
    fit(&w, data, size);
    memset(where, 'x', sizeof where);
    err = lg_proof_verify(&r, where, data, size, &w.g, &fuzz_crypto);
    assert(memchr(where, 0, sizeof where));
    if (err == 0)
        assert(where[0] == 0 && r.nwitnesses >= 1 && lg_genesis_relay(&w.g, r.relay, strlen(r.relay)));
    return 0;
}
