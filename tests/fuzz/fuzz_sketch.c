/* A sketch that decodes is what its parts encode to. */
#include "ledger/core/sketch.h"
#include "tests/lib/fuzz.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct lg_sketch *s = NULL;
    struct sg_buf out;

    if (lg_sketch_decode(&s, data, len) != 0)
        return 0;
    assert(s->nstatements + s->nbodies <= LG_SKETCH_MAX_LEAVES);
    sg_buf_init(&out, len);
    lg_sketch_encode(&out, s->header_doc, s->sig, s->leaves, s->nstatements, s->nbodies);
    assert(sg_buf_err(&out) == 0 && out.len == len && memcmp(out.p, data, len) == 0);
    assert(lg_sketch_check_root(s) <= 0);
    sg_buf_fini(&out);
    lg_sketch_free(s);
    return 0;
}
