/* A block that decodes is what its parts encode to, gets the same verdict twice, and has a view when it is valid. */
#include "ledger/core/paper.h"
#include "tests/lib/fuzz.h"
#include "tests/lib/fuzz_world.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void encode_again(const struct lg_block *b)
{
    size_t n = (size_t)b->nstatements + b->nbodies;
    struct lg_slice *docs = calloc(n + 1, sizeof *docs);
    struct sg_buf out;

    assert(docs);
    for (unsigned i = 0; i < b->nstatements; i++)
        docs[i] = (struct lg_slice){b->statements[i]->doc, b->statements[i]->doc_len};
    for (unsigned i = 0; i < b->nbodies; i++)
        docs[b->nstatements + i] = (struct lg_slice){b->bodies[i]->doc, b->bodies[i]->doc_len};
    sg_buf_init(&out, b->doc_len);
    lg_block_encode(&out, b->header_doc, b->sig, docs, b->nstatements, docs + b->nstatements, b->nbodies);
    assert(sg_buf_err(&out) == 0 && out.len == b->doc_len && memcmp(out.p, b->doc, out.len) == 0);
    sg_buf_reset(&out);
    lg_header_encode(&out, &b->header);
    if (b->header.miner_is_kid)
        assert(out.len == b->header_doc.len && memcmp(out.p, b->header_doc.p, out.len) == 0);
    sg_buf_fini(&out);
    free(docs);
}

/* The rules behind root and weight, which no fuzzer guesses, are reached by a header that agrees with the block. */
static void agree(struct lg_block *b)
{
    struct lg_hash *leaves = malloc(((size_t)b->nstatements + b->nbodies + 1) * sizeof *leaves);

    assert(leaves);
    lg_block_leaves(leaves, b);
    b->header.bits = 0;
    b->header.leaves = b->nstatements + b->nbodies;
    assert(lg_merkle_root(&b->header.root, leaves, (size_t)b->header.leaves) == 0);
    if (lg_block_weigh(&b->header.weight, b->statements, b->nstatements, &fuzz_view) != 0)
        b->header.weight = 0;
    free(leaves);
}

static void judge(struct lg_block *b)
{
    struct lg_block_info parent;
    struct lg_paper_state st = {.index = 1, .proof = 1};
    struct lg_rules rules = {.crypto = &fuzz_crypto};
    struct fuzz_world w;
    struct sg_buf view;
    int err;

    fuzz_world_init(&w);
    for (unsigned i = 0; i < b->nstatements; i++)
        fuzz_world_add(&w, b->statements[i]->gw);
    fuzz_world_fit(&w, &parent, &b->header);
    rules.genesis = &w.g;
    err = lg_block_check(&rules, b, &parent, &fuzz_view, -1);
    assert(err != SG_ENOMEM && err != SG_EFUTURE);
    agree(b);
    err = lg_block_check(&rules, b, &parent, &fuzz_view, -1);
    assert(err == lg_block_check(&rules, b, &parent, &fuzz_view, -1));
    if (err == 0) {
        sg_buf_init(&view, 64 << 20);
        assert(lg_paper_block(&view, &st, &st, &w.g, b) == 0);
        sg_buf_fini(&view);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lg_block *b = NULL;

    if (lg_block_decode(&b, data, size) != 0) {
        assert(!b);
        return 0;
    }
    encode_again(b);
    judge(b);
    lg_block_free(b);
    return 0;
}
