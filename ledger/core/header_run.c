/* Headers of a peer, one after the other.
 *
 * Invariant: hashes[0..n) are hashes of headers that follow each other and `last`'s predecessors; each has passed every rule that
 * needs no body. A refused header leaves the run as it was.
 * Refuses: a claimed hash that is not the header's, whatever lg_header_check refuses, more than LG_HEADER_RUN_MAX. */
#include "ledger/core/header_run.h"

#include <string.h>

void lg_header_run_init(struct lg_header_run *run, const struct lg_block_info *parent)
{
    run->last = *parent;
    run->first = parent->height + 1;
    run->n = 0;
}

void lg_header_run_go_on(struct lg_header_run *run)
{
    run->first = run->last.height + 1;
    run->n = 0;
}

int lg_header_page_open(struct lg_c0 *c, const uint8_t *doc, size_t len)
{
    int err = lg_c0_check(doc, len);

    if (err)
        return err;
    lg_c0_open(c, doc, len);
    lg_c0_object(c);
    lg_c0_key(c, "headers");
    lg_c0_array(c);
    return c->bad ? SG_ESHAPE : 0;
}

bool lg_header_page_next(struct lg_c0 *c, struct lg_header_item *item)
{
    if (!lg_c0_more(c))
        return false;
    lg_c0_object(c);
    lg_c0_key(c, "hash");
    lg_c0_hex(c, item->hash.b, sizeof item->hash.b);
    lg_c0_key(c, "header");
    item->header = lg_c0_value(c);
    lg_c0_key(c, "sig");
    lg_c0_base64(c, item->sig, sizeof item->sig);
    lg_c0_object_end(c);
    return !c->bad;
}

bool lg_header_page_more(struct lg_c0 *c)
{
    bool more = !c->bad && c->p < c->end && *c->p == ',';

    if (more) {
        lg_c0_key(c, "next");
        (void)lg_c0_int(c, 1, LG_C0_MAX_INT);
    }
    lg_c0_object_end(c);
    if (lg_c0_close(c) != 0)
        lg_c0_fail(c);
    return more && !c->bad;
}

/* The next header's parent. Its weight is left out on purpose: it is a claim. */
static void follow(struct lg_header_run *run, const struct lg_header *h, const struct lg_hash *hash,
    const uint8_t sig[static SG_SIGNATURE_BYTES])
{
    memcpy(run->sigs[run->n], sig, SG_SIGNATURE_BYTES);
    run->hashes[run->n++] = *hash;
    run->last = (struct lg_block_info){.hash = *hash,
        .prev = h->prev,
        .height = h->height,
        .slot = h->slot,
        .time = h->time,
        .miner = h->miner_kid};
}

int lg_header_run_take(struct lg_header_run *run, bool *early, const struct lg_rules *rules,
    const struct lg_header_item *item, sg_ms now_ms)
{
    struct lg_header h;
    struct lg_hash hash;

    if (run->n == LG_HEADER_RUN_MAX)
        return SG_EFULL;
    if (lg_header_decode(&h, item->header.p, item->header.len) != 0)
        return SG_ESHAPE;
    lg_header_hash(&hash, item->header.p, item->header.len);
    if (!lg_hash_eq(&hash, &item->hash))
        return SG_EMALFORMED;
    int err = lg_header_check(rules, &h, &hash, item->header, item->sig, &run->last, now_ms);
    if (err == SG_EFUTURE && h.time - now_ms <= rules->genesis->policy.max_future_ms) {
        *early = true;
        err = 0;
    }
    if (err == 0)
        follow(run, &h, &hash, item->sig);
    return err;
}
