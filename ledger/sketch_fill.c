/* A block from its sketch: documents come from the pool and the branches in the store, or from who was asked for them.
 *
 * Invariant: a document is taken only under its own leaf hash; with lg_sketch_check_root this makes the block that the miner made, byte for
 * byte. Refuses nothing else: the engine judges the block as any other. */
#include "ledger/sketch_fill.h"

static int document(struct sg_buf *out, struct lg_reader *r, const struct lg_sketch *s, unsigned i)
{
    struct lg_doc_place place;

    return i < s->nstatements ? lg_reader_statement(r, out, &place, &s->leaves[i])
                              : lg_reader_body(r, out, &place, &s->leaves[i]);
}

int lg_sketch_missing(struct lg_sketch_given *missing, struct lg_reader *r, const struct lg_sketch *s)
{
    missing->n = 0;
    for (unsigned i = 0; i < s->nstatements + s->nbodies; i++) {
        int err = document(NULL, r, s, i);
        if (err != 0 && err != SG_ENOT_FOUND)
            return err;
        if (err == SG_ENOT_FOUND && missing->n++ < LG_SKETCH_MAX_ASK)
            missing->index[missing->n - 1] = i;
    }
    return 0;
}

/* Leaves [first, first + n), separated by commas. *g: the next that was given. */
static int put_documents(struct sg_buf *out, struct lg_reader *r, const struct lg_sketch *s,
    const struct lg_sketch_given *given, unsigned first, unsigned n)
{
    unsigned g = 0;
    int err = 0;

    while (given && g < given->n && given->index[g] < first)
        g++;
    for (unsigned i = first; i < first + n && err == 0; i++) {
        sg_buf_puts(out, i > first ? "," : "");
        if (given && g < given->n && given->index[g] == i) {
            sg_buf_put(out, given->doc[g].p, given->doc[g].len);
            g++;
        } else
            err = document(out, r, s, i);
    }
    return err;
}

int lg_sketch_fill(
    struct sg_buf *out, struct lg_reader *r, const struct lg_sketch *s, const struct lg_sketch_given *given)
{
    sg_buf_puts(out, "{\"bodies\":[");
    int err = put_documents(out, r, s, given, s->nstatements, s->nbodies);
    if (err != 0)
        return err;
    sg_buf_puts(out, "],\"header\":");
    sg_buf_put(out, s->header_doc.p, s->header_doc.len);
    sg_buf_puts(out, ",\"operations\":[],\"sig\":");
    lg_c0_put_base64(out, s->sig, SG_SIGNATURE_BYTES);
    sg_buf_puts(out, ",\"statements\":[");
    err = put_documents(out, r, s, given, 0, s->nstatements);
    sg_buf_puts(out, "]}");
    return err != 0 ? err : sg_buf_err(out);
}
