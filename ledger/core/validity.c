/* The rules of a block, in the contract's order: the first that is broken is the verdict, the same on every node.
 *
 * What needs no branch (header, signatures, order, root, aggregates) is computed from the block alone; the branch is asked
 * through lg_view. Bodies are found by a sorted index of their digests, statements of one gateway stand together once
 * the order is proved, so the cost is n log n whatever an adversary sends.
 * An error of the view or SG_ENOMEM ends the check without a verdict. */
#include "ledger/core/validity.h"
#include "ledger/core/body_index.h"
#include "ledger/core/parse.h"
#include "ledger/core/validity_parts.h"

#include <stdlib.h>
#include <string.h>

static int check_order(const struct lg_block *b)
{
    for (unsigned i = 1; i < b->nstatements; i++) {
        if (lg_statement_cmp(b->statements[i - 1], b->statements[i]) >= 0)
            return SG_EORDER;
    }
    for (unsigned i = 1; i < b->nbodies; i++) {
        if (lg_body_cmp(b->bodies[i - 1], b->bodies[i]) >= 0)
            return SG_EORDER;
    }
    return 0;
}

static int check_root(const struct lg_block *b)
{
    size_t n = (size_t)b->nstatements + b->nbodies;
    struct lg_hash *leaves, root;
    int err;

    if (b->header.leaves != (int64_t)n)
        return SG_EROOT;
    leaves = malloc((n ? n : 1) * sizeof *leaves);
    if (!leaves)
        return SG_ENOMEM;
    lg_block_leaves(leaves, b);
    err = lg_merkle_root(&root, leaves, n);
    free(leaves);
    if (err)
        return err;
    return lg_hash_eq(&root, &b->header.root) ? 0 : SG_EROOT;
}

int lg_block_check_lists(const struct lg_block *b)
{
    int err = b->nstatements == 0 ? SG_EEMPTY : 0;

    if (err == 0 && !(b->passed & LG_PASSED_ORDER))
        err = check_order(b);
    if (err == 0 && !(b->passed & LG_PASSED_ROOT))
        err = check_root(b);
    return err;
}

static int check_weight(const struct lg_block *b, const struct lg_view *view)
{
    int64_t weight;
    int err = lg_block_weigh(&weight, b->statements, b->nstatements, view);

    if (err)
        return err;
    return weight == b->header.weight ? 0 : SG_EWEIGHT;
}

static int check_duplicate_bodies(const struct lg_block *b, const struct lg_view *view)
{
    struct lg_body_ref ref;

    for (unsigned i = 0; i < b->nbodies; i++) {
        int err = view->body(view->ctx, &ref, &b->bodies[i]->digest);

        if (err != SG_ENOT_FOUND)
            return err ? err : SG_EDUPLICATE_BODY;
    }
    return 0;
}

/* A read's body is in this block or earlier on the branch, and is of that relay and minute. */
static int check_read_body(const struct lg_read *r, const struct lg_block *b, struct lg_body_index *index,
    const struct lg_view *view)
{
    struct lg_body_ref ref;
    int err, at = lg_body_index_find(index, &r->digest);

    if (at >= 0) {
        const struct lg_body *body = b->bodies[at];

        index->read[at] = true;
        return body->min == r->min && lg_name_eq(body->relay, r->relay) ? 0 : SG_EREAD_MISMATCH;
    }
    err = view->body(view->ctx, &ref, &r->digest);
    if (err)
        return err == SG_ENOT_FOUND ? SG_EMISSING_BODY : err;
    return ref.min == r->min && lg_name_eq(lg_name_of(ref.relay), r->relay) ? 0 : SG_EREAD_MISMATCH;
}

static int check_entries(const struct lg_rules *r, const struct lg_statement *s, const struct lg_block *b,
    struct lg_body_index *index, const struct lg_view *view)
{
    int err = lg_statement_check_relays(s, r->genesis);

    for (unsigned i = 0; i < s->nreads && err == 0; i++) {
        err = lg_statement_check_minute(s, s->reads[i].min, s->reads[i].min, r->genesis);
        if (err == 0)
            err = check_read_body(&s->reads[i], b, index, view);
    }
    for (unsigned i = 0; i < s->ngaps && err == 0; i++)
        err = lg_statement_check_minute(s, s->gaps[i].from, s->gaps[i].to, r->genesis);
    return err;
}

/* last: this gateway's last statement as the statements before s left it, NULL for none. */
static int check_statement(const struct lg_rules *r, struct sg_buf *scratch, const struct lg_statement *s,
    const struct lg_statement_ref *last, const struct lg_block *b, sg_ms now_ms)
{
    int err = (b->passed & LG_PASSED_SIGNATURES) ? 0 : lg_statement_check_signature(s, r, scratch);

    if (err == 0 && now_ms >= 0 && (s->ts > now_ms || (s->slot + 1) * SG_MINUTE_MS > now_ms))
        err = SG_EFUTURE;
    if (err == 0)
        err = lg_statement_follows(s, last, r->genesis);
    if (err == 0 && s->slot > b->header.slot)
        err = SG_ESTATEMENT_SLOT;
    if (err == 0)
        err = lg_statement_check_slot(s);
    return err;
}

static int check_statements(const struct lg_rules *r, const struct lg_block *b, struct lg_body_index *index,
    const struct lg_view *view, sg_ms now_ms)
{
    struct lg_statement_ref last;
    struct sg_buf scratch;
    bool has_last = false;
    int err = 0;

    sg_buf_init(&scratch, SIZE_MAX / 4);
    for (unsigned i = 0; i < b->nstatements && err == 0; i++) {
        const struct lg_statement *s = b->statements[i];

        if (i == 0 || s->gw != b->statements[i - 1]->gw) {
            err = view->last_statement(view->ctx, &last, s->gw);
            has_last = err == 0;
            if (err && err != SG_ENOT_FOUND)
                break;
        }
        err = check_statement(r, &scratch, s, has_last ? &last : NULL, b, now_ms);
        if (err == 0)
            err = check_entries(r, s, b, index, view);
        lg_statement_ref_of(&last, s, b->header.height);
        has_last = true;
    }
    sg_buf_fini(&scratch);
    return err;
}

static int check_body(const struct lg_rules *r, const struct lg_body *b)
{
    return lg_body_check(b, lg_genesis_relay(r->genesis, b->relay.p, b->relay.len));
}

static int check_bodies(const struct lg_rules *r, const struct lg_block *b, const struct lg_body_index *index)
{
    for (unsigned i = 0; i < b->nbodies; i++) {
        const struct lg_body *body = b->bodies[i];
        int err;

        if (!index->read[i])
            return SG_EUNREAD_BODY;
        err = (b->passed & LG_PASSED_BODIES) ? 0 : check_body(r, body);
        if (err)
            return err;
    }
    return 0;
}

static int check_content(const struct lg_rules *r, const struct lg_block *b, struct lg_body_index *index,
    const struct lg_view *view, sg_ms now_ms)
{
    int err = lg_block_check_lists(b);

    if (err == 0)
        err = check_weight(b, view);
    if (err == 0)
        err = check_duplicate_bodies(b, view);
    if (err == 0)
        err = check_statements(r, b, index, view, now_ms);
    if (err == 0)
        err = check_bodies(r, b, index);
    return err;
}

static int check_header(
    const struct lg_rules *r, const struct lg_block *b, const struct lg_block_info *parent, sg_ms now_ms)
{
    int err = lg_header_check_place(r->genesis, &b->header, parent);

    if (err == 0 && !(b->passed & LG_PASSED_SEAL))
        err = lg_header_check_seal(r, &b->header, &b->hash, b->header_doc, b->sig);
    return err == 0 ? lg_header_check_time(&b->header, now_ms) : err;
}

int lg_block_check_header(
    const struct lg_rules *r, const struct lg_block *b, const struct lg_block_info *parent, sg_ms now_ms)
{
    struct lg_body_index index;
    int err = lg_body_index_init(&index, b);

    if (err)
        return err;
    err = lg_block_check_size(r->genesis, b, &index);
    lg_body_index_fini(&index);
    if (err)
        return err;
    return check_header(r, b, parent, now_ms);
}

int lg_block_check(const struct lg_rules *r, const struct lg_block *b, const struct lg_block_info *parent,
    const struct lg_view *view, sg_ms now_ms)
{
    struct lg_body_index index;
    int err = lg_body_index_init(&index, b);

    if (err)
        return err;
    err = lg_block_check_size(r->genesis, b, &index);
    if (err == 0)
        err = check_header(r, b, parent, now_ms);
    if (err == 0)
        err = check_content(r, b, &index, view, now_ms);
    lg_body_index_fini(&index);
    return err;
}

static bool signatures_hold(const struct lg_rules *r, const struct lg_block *b)
{
    struct sg_buf scratch;
    int err = 0;

    sg_buf_init(&scratch, SIZE_MAX / 4);
    for (unsigned i = 0; i < b->nstatements && err == 0; i++)
        err = lg_statement_check_signature(b->statements[i], r, &scratch);
    sg_buf_fini(&scratch);
    return err == 0;
}

static bool bodies_hold(const struct lg_rules *r, const struct lg_block *b)
{
    for (unsigned i = 0; i < b->nbodies; i++) {
        if (check_body(r, b->bodies[i]) != 0)
            return false;
    }
    return true;
}

/* Cheap ones first: a block without a seal or an order costs nobody its signatures. */
void lg_block_precheck(const struct lg_rules *r, struct lg_block *b)
{
    if (!(b->passed & LG_PASSED_SEAL) &&
        lg_header_check_seal(r, &b->header, &b->hash, b->header_doc, b->sig) != 0)
        return;
    b->passed |= LG_PASSED_SEAL;
    if (check_order(b) != 0)
        return;
    b->passed |= LG_PASSED_ORDER;
    if (check_root(b) != 0)
        return;
    b->passed |= LG_PASSED_ROOT;
    if (signatures_hold(r, b))
        b->passed |= LG_PASSED_SIGNATURES;
    if (bodies_hold(r, b))
        b->passed |= LG_PASSED_BODIES;
}
