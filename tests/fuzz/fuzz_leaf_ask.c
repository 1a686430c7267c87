/* A question or an answer that decodes is what its parts encode to; the part of any bytes that are an offer is an offer. */
#include "ledger/core/leaf_ask.h"
#include "tests/lib/fuzz.h"

#include <assert.h>
#include <string.h>

enum { ASKED = 64 };

static void question(const uint8_t *data, size_t len)
{
    static struct lg_hash leaves[LG_ASK_MAX];
    struct sg_buf out;
    unsigned n = 0;

    if (lg_ask_decode(leaves, &n, data, len) != 0)
        return;
    sg_buf_init(&out, len);
    lg_ask_encode(&out, leaves, n);
    assert(sg_buf_err(&out) == 0 && out.len == len && memcmp(out.p, data, len) == 0);
    sg_buf_fini(&out);
}

static void answer(const uint8_t *data, size_t len)
{
    bool missing[ASKED];
    struct sg_buf out;

    if (lg_ask_answer_decode(missing, ASKED, data, len) != 0)
        return;
    sg_buf_init(&out, len);
    lg_ask_answer_encode(&out, missing, ASKED);
    assert(sg_buf_err(&out) == 0 && out.len == len && memcmp(out.p, data, len) == 0);
    sg_buf_fini(&out);
}

static void part(const uint8_t *data, size_t len)
{
    static const bool missing[2] = {false, true};
    struct sg_buf out;

    sg_buf_init(&out, len);
    if (lg_ask_offer(&out, data, len, missing, 2) == 0)
        assert(lg_c0_check(out.p, out.len) == 0);
    sg_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    question(data, len);
    answer(data, len);
    part(data, len);
    return 0;
}
