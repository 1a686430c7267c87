/* A block: a header that is hashed and signed, and the statements and bodies that its Merkle root covers.
 *
 * Invariant of a decoded block: every document in it has passed its own shape; hashes of the header and of all leaves are
 * computed. One arena holds the copy of the bytes and everything that points into it.
 * Whether it is valid on a parent is judged by lg_block_check. */
#include "ledger/core/owner.h"
#include "ledger/core/parse.h"

#include <string.h>

static const char tag[] = "gridwitness/block/v1\n";

/* A document on its way and where its parts go. */
struct owned {
    struct lg_block *b;
    struct lg_arena *arena;
};

void lg_parse_header(struct lg_header *h, struct lg_c0 *c)
{
    struct lg_slice miner;

    lg_c0_object(c);
    lg_c0_key(c, "bits");
    h->bits = (unsigned)lg_c0_int(c, 0, 8 * SG_HASH_BYTES);
    lg_c0_key(c, "chain");
    lg_c0_hex(c, h->chain.b, sizeof h->chain.b);
    lg_c0_key(c, "height");
    h->height = lg_c0_int(c, 0, LG_C0_MAX_INT);
    lg_c0_key(c, "leaves");
    h->leaves = lg_c0_int(c, 0, LG_MAX_LEAVES);
    lg_c0_key(c, "miner");
    miner = lg_c0_raw(c); /* left escaped: a name with escapes is no key id anyway */
    h->miner = (struct lg_name){(const char *)miner.p, miner.len};
    h->miner_is_kid = !c->bad && lg_kid_parse(&h->miner_kid, h->miner.p, h->miner.len) == 0;
    lg_c0_key(c, "nonce");
    h->nonce = lg_c0_int(c, 0, LG_C0_MAX_INT);
    lg_c0_key(c, "prev");
    lg_c0_hex(c, h->prev.b, sizeof h->prev.b);
    lg_c0_key(c, "root");
    lg_c0_hex(c, h->root.b, sizeof h->root.b);
    lg_c0_key(c, "slot");
    h->slot = lg_c0_int(c, 0, SG_MINUTE_END - 1);
    lg_c0_key(c, "time");
    h->time = lg_c0_int(c, 0, SG_MS_END - 1);
    lg_c0_key(c, "v");
    (void)lg_c0_int(c, 1, 1);
    lg_c0_key(c, "weight");
    h->weight = lg_c0_int(c, 0, LG_C0_MAX_INT);
    lg_c0_object_end(c);
}

int lg_header_decode(struct lg_header *out, const uint8_t *doc, size_t len)
{
    struct lg_header h = {0};
    struct lg_c0 c;
    int err = lg_c0_check(doc, len);

    if (err)
        return err;
    lg_c0_open(&c, doc, len);
    lg_parse_header(&h, &c);
    err = lg_c0_close(&c);
    if (err == 0)
        *out = h;
    return err;
}

static int parse_bodies(struct owned *o, struct lg_c0 *c)
{
    struct lg_list list = {0};

    lg_c0_array(c);
    while (lg_c0_more(c)) {
        struct lg_body **slot = lg_list_push(&list, o->arena, sizeof(struct lg_body *));
        struct lg_body *b = lg_arena_alloc(o->arena, sizeof *b);

        if (!slot || !b || lg_parse_body(b, c, o->arena) != 0)
            return SG_ENOMEM;
        *slot = b;
        if (list.n > LG_MAX_LEAVES)
            lg_c0_fail(c);
    }
    o->b->bodies = list.p;
    o->b->nbodies = (unsigned)list.n;
    return 0;
}

static int parse_statements(struct owned *o, struct lg_c0 *c)
{
    struct lg_list list = {0};

    lg_c0_array(c);
    while (lg_c0_more(c)) {
        struct lg_statement **slot = lg_list_push(&list, o->arena, sizeof(struct lg_statement *));
        struct lg_statement *s = lg_arena_alloc(o->arena, sizeof *s);

        if (!slot || !s || lg_parse_statement(s, c, o->arena) != 0)
            return SG_ENOMEM;
        *slot = s;
        if (list.n + o->b->nbodies > LG_MAX_LEAVES)
            lg_c0_fail(c);
    }
    o->b->statements = list.p;
    o->b->nstatements = (unsigned)list.n;
    return 0;
}

static int parse_block(struct owned *o)
{
    struct lg_block *b = o->b;
    struct lg_c0 c;

    lg_c0_open(&c, b->doc, b->doc_len);
    lg_c0_object(&c);
    lg_c0_key(&c, "bodies");
    if (parse_bodies(o, &c) != 0)
        return SG_ENOMEM;
    lg_c0_key(&c, "header");
    b->header_doc.p = c.p;
    lg_parse_header(&b->header, &c);
    b->header_doc.len = (size_t)(c.p - b->header_doc.p);
    lg_c0_key(&c, "operations");
    lg_c0_array(&c);
    lg_c0_array_end(&c);
    lg_c0_key(&c, "sig");
    lg_c0_base64(&c, b->sig, sizeof b->sig);
    lg_c0_key(&c, "statements");
    if (parse_statements(o, &c) != 0)
        return SG_ENOMEM;
    lg_c0_object_end(&c);
    if (lg_c0_close(&c) != 0)
        return SG_ESHAPE;
    lg_header_hash(&b->hash, b->header_doc.p, b->header_doc.len);
    return 0;
}

int lg_block_decode(struct lg_block **out, const uint8_t *doc, size_t len)
{
    struct owned o;
    uint8_t *copy;
    int err;

    o.b = lg_owner_new(&err, &o.arena, &copy, sizeof *o.b, doc, len);
    if (!o.b)
        return err;
    o.b->doc = copy;
    o.b->doc_len = len;
    err = parse_block(&o);
    if (err)
        lg_block_free(o.b);
    else
        *out = o.b;
    return err;
}

void lg_block_free(struct lg_block *b)
{
    lg_owner_free(b);
}

void lg_block_leaves(struct lg_hash *leaves, const struct lg_block *b)
{
    for (unsigned i = 0; i < b->nstatements; i++)
        leaves[i] = b->statements[i]->leaf;
    for (unsigned i = 0; i < b->nbodies; i++)
        leaves[b->nstatements + i] = b->bodies[i]->digest;
}

static void put_int(struct sg_buf *b, const char *key, int64_t v)
{
    sg_buf_puts(b, key);
    sg_buf_put_i64(b, v);
}

static void put_hash(struct sg_buf *b, const char *key, const struct lg_hash *h)
{
    sg_buf_puts(b, key);
    lg_c0_put_hex(b, h->b, sizeof h->b);
}

void lg_header_encode(struct sg_buf *out, const struct lg_header *h)
{
    uint8_t kid[8];

    sg_put_be64(kid, h->miner_kid);
    put_int(out, "{\"bits\":", h->bits);
    put_hash(out, ",\"chain\":", &h->chain);
    put_int(out, ",\"height\":", h->height);
    put_int(out, ",\"leaves\":", h->leaves);
    sg_buf_puts(out, ",\"miner\":");
    lg_c0_put_hex(out, kid, sizeof kid);
    put_int(out, ",\"nonce\":", h->nonce);
    put_hash(out, ",\"prev\":", &h->prev);
    put_hash(out, ",\"root\":", &h->root);
    put_int(out, ",\"slot\":", h->slot);
    put_int(out, ",\"time\":", h->time);
    put_int(out, ",\"v\":1,\"weight\":", h->weight);
    sg_buf_put_u8(out, '}');
}

void lg_header_signed_bytes(struct sg_buf *out, const uint8_t *header_doc, size_t len)
{
    sg_buf_puts(out, tag);
    sg_buf_put(out, header_doc, len);
}

void lg_header_hash(struct lg_hash *out, const uint8_t *header_doc, size_t len)
{
    struct sg_sha256 h;

    sg_sha256_init(&h);
    sg_sha256_update(&h, tag, sizeof tag - 1);
    sg_sha256_update(&h, header_doc, len);
    sg_sha256_final(&h, out->b);
}

static void put_list(struct sg_buf *out, const struct lg_slice *docs, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        sg_buf_puts(out, i ? "," : "");
        sg_buf_put(out, docs[i].p, docs[i].len);
    }
}

void lg_block_encode(struct sg_buf *out, struct lg_slice header_doc,
    const uint8_t sig[static SG_SIGNATURE_BYTES], const struct lg_slice *statements, unsigned nstatements,
    const struct lg_slice *bodies, unsigned nbodies)
{
    sg_buf_puts(out, "{\"bodies\":[");
    put_list(out, bodies, nbodies);
    sg_buf_puts(out, "],\"header\":");
    sg_buf_put(out, header_doc.p, header_doc.len);
    sg_buf_puts(out, ",\"operations\":[],\"sig\":");
    lg_c0_put_base64(out, sig, SG_SIGNATURE_BYTES);
    sg_buf_puts(out, ",\"statements\":[");
    put_list(out, statements, nstatements);
    sg_buf_puts(out, "]}");
}
