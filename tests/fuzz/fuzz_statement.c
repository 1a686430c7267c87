/* A statement that decodes is what its signature covers, and what the encoder would write of its parts where it writes them. */
#include "lg_record.h"
#include "tests/lib/fuzz.h"
#include "tests/lib/fuzz_world.h"

#include <assert.h>
#include <string.h>

/* "Signs" with the signature of the statement that is encoded again. */
static int same_signature(void *ctx, uint8_t sig[static SG_SIGNATURE_BYTES], const void *msg, size_t len)
{
    const struct lg_statement *s = ctx;
    struct sg_buf want;

    sg_buf_init(&want, s->doc_len + 64);
    lg_statement_signed_bytes(&want, s);
    assert(sg_buf_err(&want) == 0 && want.len == len && memcmp(want.p, msg, len) == 0);
    sg_buf_fini(&want);
    memcpy(sig, s->sig, SG_SIGNATURE_BYTES);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lg_statement *s = NULL;
    struct fuzz_world w;
    struct sg_buf out;
    int err;

    if (lg_statement_decode(&s, data, size) != 0) {
        assert(!s);
        return 0;
    }
    assert(s->doc_len == size && s->nreads + s->ngaps <= LG_MAX_ENTRIES);
    sg_buf_init(&out, size + 64);
    if (lg_statement_encode_with(&out, s, same_signature, s) == 0)
        assert(out.len == size && memcmp(out.p, data, size) == 0);
    sg_buf_fini(&out);
    fuzz_world_init(&w);
    fuzz_world_add(&w, s->gw);
    err = lg_statement_check(s, &w.g, &fuzz_crypto, false);
    assert(err != SG_EUNKNOWN_GATEWAY && err != SG_ESTATEMENT_SIGNATURE);
    lg_statement_free(s);
    return 0;
}
