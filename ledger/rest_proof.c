/* The proof of a minute: one body, every statement that reads it, the paths of all to the roots of their blocks, and the headers.
 *
 * Enough to verify against the genesis without this node; late attestations are included, each with its own block. Of each
 * gateway the read that counts is shown. */
#include "ledger/rest_priv.h"

#include <stdlib.h>
#include <string.h>

#include "ledger/core/proof.h"

/* A block that the proof needs, with its leaves while paths are made. */
struct piece {
    struct lg_hash hash;
    struct sg_buf header;
    uint8_t sig[SG_SIGNATURE_BYTES];
    struct lg_hash *leaves;
    size_t nleaves;
};

/* The body stands first, the statements follow: at most one block each. */
#define MAX_PARTS (LG_MAX_GATEWAYS + 1)

struct proof {
    struct lg_rest_call *c;
    unsigned npieces, nparts;
    struct piece pieces[MAX_PARTS];
    struct sg_buf docs[MAX_PARTS];
    struct lg_proof_part parts[MAX_PARTS];
    struct lg_proof_block blocks[MAX_PARTS];
};

static void proof_free(struct proof *p)
{
    for (unsigned i = 0; i < MAX_PARTS; i++) {
        sg_buf_fini(&p->pieces[i].header);
        sg_buf_fini(&p->docs[i]);
        free(p->pieces[i].leaves);
    }
    free(p);
}

static struct proof *proof_new(struct lg_rest_call *c)
{
    struct proof *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->c = c;
    for (unsigned i = 0; i < MAX_PARTS; i++) {
        sg_buf_init(&p->pieces[i].header, 1u << 16);
        sg_buf_init(&p->docs[i], LG_REST_MAX_ANSWER);
    }
    return p;
}

/* The block of a part: loaded once. */
static int piece_of(struct proof *p, unsigned *index, const struct lg_hash *block)
{
    unsigned i = 0;
    while (i < p->npieces && !lg_hash_eq(&p->pieces[i].hash, block))
        i++;
    *index = i;
    if (i < p->npieces)
        return 0;
    struct piece *piece = &p->pieces[i];
    piece->hash = *block;
    int err = lg_reader_header(p->c->reader, &piece->header, piece->sig, block);
    if (err == 0)
        err = lg_reader_leaves(p->c->reader, &piece->leaves, &piece->nleaves, block);
    if (err != 0)
        return err;
    p->blocks[i].header = (struct lg_slice){piece->header.p, piece->header.len};
    memcpy(p->blocks[i].sig, piece->sig, sizeof piece->sig);
    p->npieces++;
    return 0;
}

static int add_part(struct proof *p, bool is_body, const struct lg_hash *leaf)
{
    const unsigned n = p->nparts;
    struct lg_proof_part *part = &p->parts[n];
    struct lg_doc_place at;
    int err = is_body ? lg_reader_body(p->c->reader, &p->docs[n], &at, leaf)
                      : lg_reader_statement(p->c->reader, &p->docs[n], &at, leaf);
    if (err == 0 && at.state != LG_DOC_MINED)
        err = SG_ECORRUPT;
    if (err == 0)
        err = piece_of(p, &part->block, &at.block);
    if (err != 0)
        return err;
    const struct piece *piece = &p->pieces[part->block];
    if (at.index >= piece->nleaves)
        return SG_ECORRUPT;
    part->index = at.index;
    part->document = (struct lg_slice){p->docs[n].p, p->docs[n].len};
    p->nparts++;
    return lg_merkle_path(part->path, &part->npath, piece->leaves, piece->nleaves, at.index);
}

static int build(struct proof *p, const struct lg_minute *m)
{
    int err = add_part(p, true, &m->digest);
    for (unsigned i = 0; i < m->attested && err == 0; i++) {
        struct lg_hash leaf;
        err = lg_reader_attested_leaf(p->c->reader, &leaf, &m->by[i]);
        if (err == 0)
            err = add_part(p, false, &leaf);
    }
    if (err == 0)
        lg_proof_encode(
            &p->c->out, &p->c->genesis->id, p->blocks, p->npieces, &p->parts[0], &p->parts[1], p->nparts - 1);
    return err;
}

int lg_rest_get_proof(struct lg_rest_call *c)
{
    struct lg_minute m;
    sg_minute min;
    int err = lg_rest_no_keys(c);
    if (err == 0)
        err = lg_rest_minute(c, &min, "minute", sg_http_segment(c->req, 1));
    if (err == 0)
        err = lg_reader_minute(c->reader, &m, sg_http_segment(c->req, 0), min);
    if (err != 0)
        return err;
    struct proof *p = proof_new(c);
    if (p == NULL)
        return SG_ENOMEM;
    err = build(p, &m);
    proof_free(p);
    return err;
}
