/* The proof of a minute, written and verified.
 *
 * What a verified proof says: a miner of this genesis did the work for a header whose tree holds this very body, the body's
 * aggregates follow from its samples, and gateways of this genesis, readers of the relay, signed that they saw this
 * digest, in statements that headers of the same kind hold. It does not say that those headers are on the best branch:
 * that takes the chain (ledger verify).
 * Refuses: anything else, with the code of the rule and the place. */
#include "ledger/core/proof.h"
#include "ledger/core/parse.h"
#include "ledger/core/validity.h"
#include "ledger/core/validity_parts.h"

#include <stdlib.h>
#include <string.h>

/* Far above one statement a gateway, and a bound on what a hostile proof can make us hold. */
#define MAX_PARTS  4096
#define MAX_BLOCKS 4096

struct block {
    struct lg_hash hash; /* as claimed */
    struct lg_slice header_doc;
    struct lg_header header;
    uint8_t sig[SG_SIGNATURE_BYTES];
};

struct proof {
    struct lg_arena arena;
    struct lg_list blocks, statements; /* struct block, struct lg_proof_part */
    struct lg_proof_part body;
    struct lg_hash genesis;
};

static void parse_block(struct block *b, struct lg_c0 *c)
{
    lg_c0_object(c);
    lg_c0_key(c, "hash");
    lg_c0_hex(c, b->hash.b, sizeof b->hash.b);
    lg_c0_key(c, "header");
    b->header_doc.p = c->p;
    lg_parse_header(&b->header, c);
    b->header_doc.len = (size_t)(c->p - b->header_doc.p);
    lg_c0_key(c, "sig");
    lg_c0_base64(c, b->sig, sizeof b->sig);
    lg_c0_object_end(c);
}

static void parse_part(struct lg_proof_part *part, struct lg_c0 *c)
{
    lg_c0_object(c);
    lg_c0_key(c, "block");
    part->block = (unsigned)lg_c0_int(c, 0, MAX_BLOCKS - 1);
    lg_c0_key(c, "document");
    part->document = lg_c0_value(c);
    lg_c0_key(c, "index");
    part->index = (unsigned)lg_c0_int(c, 0, LG_MAX_LEAVES - 1);
    lg_c0_key(c, "path");
    lg_c0_array(c);
    while (lg_c0_more(c)) {
        if (part->npath == LG_MERKLE_MAX_PATH)
            lg_c0_fail(c);
        else
            lg_c0_hex(c, part->path[part->npath++].b, SG_HASH_BYTES);
    }
    lg_c0_object_end(c);
}

static int parse_blocks(struct proof *p, struct lg_c0 *c)
{
    lg_c0_array(c);
    while (lg_c0_more(c)) {
        struct block *b = lg_list_push(&p->blocks, &p->arena, sizeof *b);

        if (!b)
            return SG_ENOMEM;
        parse_block(b, c);
        if (p->blocks.n > MAX_BLOCKS)
            lg_c0_fail(c);
    }
    return 0;
}

static int parse_statements(struct proof *p, struct lg_c0 *c)
{
    lg_c0_array(c);
    while (lg_c0_more(c)) {
        struct lg_proof_part *part = lg_list_push(&p->statements, &p->arena, sizeof *part);

        if (!part)
            return SG_ENOMEM;
        parse_part(part, c);
        if (p->statements.n > MAX_PARTS)
            lg_c0_fail(c);
    }
    return 0;
}

static int parse(struct proof *p, const uint8_t *doc, size_t len)
{
    struct lg_c0 c;

    lg_c0_open(&c, doc, len);
    lg_c0_object(&c);
    lg_c0_key(&c, "blocks");
    if (parse_blocks(p, &c) != 0)
        return SG_ENOMEM;
    lg_c0_key(&c, "body");
    parse_part(&p->body, &c);
    lg_c0_key(&c, "genesis");
    lg_c0_hex(&c, p->genesis.b, sizeof p->genesis.b);
    lg_c0_key(&c, "statements");
    if (parse_statements(p, &c) != 0)
        return SG_ENOMEM;
    lg_c0_object_end(&c);
    return lg_c0_close(&c);
}

/* Where a fault was found: "name", "name[index]" and ".field". */
static void set_where(char *where, const char *name, int64_t index, const char *field)
{
    struct sg_buf b;

    sg_buf_init(&b, 63);
    sg_buf_puts(&b, name);
    if (index >= 0) {
        sg_buf_put_u8(&b, '[');
        sg_buf_put_i64(&b, index);
        sg_buf_put_u8(&b, ']');
    }
    sg_buf_puts(&b, field);
    where[0] = 0;
    if (sg_buf_err(&b) == 0 && b.len > 0) {
        memcpy(where, b.p, b.len);
        where[b.len] = 0;
    }
    sg_buf_fini(&b);
}

/* A header by itself: of this chain, with its work and its miner's signature. */
static int check_block(const struct block *b, const struct lg_rules *r)
{
    struct lg_hash hash;

    lg_header_hash(&hash, b->header_doc.p, b->header_doc.len);
    if (!lg_hash_eq(&b->header.chain, &r->genesis->id))
        return SG_ECHAIN;
    if (b->header.height < 1)
        return SG_EHEIGHT;
    if (!lg_hash_eq(&hash, &b->hash))
        return SG_EWORK;
    if (b->header.bits != r->genesis->bits)
        return SG_EBITS;
    if (b->header.slot < r->genesis->minute)
        return SG_ESLOT;
    if (b->header.time <= r->genesis->time || b->header.time < (b->header.slot + 1) * SG_MINUTE_MS)
        return SG_ETIME;
    return lg_header_check_seal(r, &b->header, &hash, b->header_doc, b->sig);
}

/* The leaf stands at its index under the root of its block. */
static int check_path(const struct proof *p, const struct lg_proof_part *part, const struct lg_hash *leaf)
{
    const struct block *blocks = p->blocks.p;
    const struct lg_header *h;

    if (part->block >= p->blocks.n)
        return SG_ESHAPE;
    h = &blocks[part->block].header;
    return lg_merkle_verify(&h->root, leaf, part->index, (size_t)h->leaves, part->path, part->npath)
               ? 0
               : SG_EROOT;
}

static const struct lg_header *header_of(const struct proof *p, const struct lg_proof_part *part)
{
    return &((const struct block *)p->blocks.p)[part->block].header;
}

/* The document of the body, its path, its numbers. */
static int check_body(
    struct lg_proof_result *out, char *where, const struct proof *p, const struct lg_genesis *g)
{
    struct lg_body *b = NULL;
    int err = lg_body_decode(&b, p->body.document.p, p->body.document.len);

    set_where(where, "body", -1, ".document");
    if (err)
        return err;
    err = lg_body_check(b, lg_genesis_relay(g, b->relay.p, b->relay.len));
    if (err == 0) {
        set_where(where, "body", -1, ".path");
        err = check_path(p, &p->body, &b->digest);
    }
    if (err == 0) {
        memcpy(out->relay, b->relay.p, b->relay.len); /* a relay of the genesis: at most 32 bytes */
        out->relay[b->relay.len] = 0;
        out->min = b->min;
        out->digest = b->digest;
        out->height = header_of(p, &p->body)->height;
    }
    lg_body_free(b);
    return err;
}

/* The statement's read of the proved minute, NULL when it has none. */
static const struct lg_read *find_read(const struct lg_statement *s, const struct lg_proof_result *want)
{
    struct lg_name relay = lg_name_of(want->relay);

    for (unsigned lo = 0, hi = s->nreads; lo < hi;) {
        unsigned mid = (lo + hi) / 2;
        const struct lg_read *r = &s->reads[mid];
        int cmp = lg_name_cmp(r->relay, relay);

        if (cmp == 0 && r->min == want->min)
            return r;
        if (cmp < 0 || (cmp == 0 && r->min < want->min))
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

/* A gateway counts once, with the statement that it made first. */
static void add_witness(struct lg_proof_result *out, const struct lg_statement *s, const struct lg_read *r)
{
    struct lg_proof_witness w = {s->gw, r->live, s->ts};

    for (unsigned i = 0; i < out->nwitnesses; i++) {
        if (out->witnesses[i].gw == s->gw) {
            if (s->ts < out->witnesses[i].ts)
                out->witnesses[i] = w;
            return;
        }
    }
    out->witnesses[out->nwitnesses++] = w; /* known gateways only: at most LG_MAX_GATEWAYS */
}

static int judge_statement(struct lg_proof_result *out, char *where, const struct proof *p, int64_t index,
    const struct lg_statement *s, const struct lg_rules *r)
{
    const struct lg_proof_part *part = &((const struct lg_proof_part *)p->statements.p)[index];
    const struct lg_read *read = find_read(s, out);
    int err;

    set_where(where, "statements", index, ".path");
    err = check_path(p, part, &s->leaf);
    if (err)
        return err;
    set_where(where, "statements", index, ".document");
    err = lg_statement_check(s, r->genesis, r->crypto, false);
    if (err == 0 && s->slot > header_of(p, part)->slot)
        err = SG_ESTATEMENT_SLOT;
    if (err == 0 && (!read || !lg_hash_eq(&read->digest, &out->digest)))
        err = SG_EREAD_MISMATCH;
    if (err == 0)
        add_witness(out, s, read);
    return err;
}

static int check_statement(
    struct lg_proof_result *out, char *where, const struct proof *p, int64_t index, const struct lg_rules *r)
{
    const struct lg_proof_part *part = &((const struct lg_proof_part *)p->statements.p)[index];
    struct lg_statement *s = NULL;
    int err = lg_statement_decode(&s, part->document.p, part->document.len);

    if (err)
        set_where(where, "statements", index, ".document");
    else
        err = judge_statement(out, where, p, index, s, r);
    lg_statement_free(s);
    return err;
}

static int verify(struct lg_proof_result *out, char *where, struct proof *p, const uint8_t *doc, size_t len,
    const struct lg_rules *r)
{
    int err;

    set_where(where, "", -1, "");
    err = lg_c0_check(doc, len);
    if (err == 0)
        err = parse(p, doc, len);
    if (err)
        return err;
    set_where(where, "genesis", -1, "");
    if (!lg_hash_eq(&p->genesis, &r->genesis->id))
        return SG_ECHAIN;
    for (size_t i = 0; i < p->blocks.n && err == 0; i++) {
        set_where(where, "blocks", (int64_t)i, "");
        err = check_block(&((const struct block *)p->blocks.p)[i], r);
    }
    if (err == 0)
        err = check_body(out, where, p, r->genesis);
    for (size_t i = 0; i < p->statements.n && err == 0; i++)
        err = check_statement(out, where, p, (int64_t)i, r);
    if (err)
        return err;
    set_where(where, "statements", -1, "");
    return out->nwitnesses == 0 ? SG_EUNREAD_BODY : 0;
}

int lg_proof_verify(struct lg_proof_result *out, char where[static 64], const uint8_t *doc, size_t len,
    const struct lg_genesis *g, const struct sg_crypto *crypto)
{
    const struct lg_rules rules = {.genesis = g, .crypto = crypto};
    struct lg_proof_result result = {.nwitnesses = 0};
    struct proof p = {.body = {0}};
    int err;

    err = verify(&result, where, &p, doc, len, &rules);
    lg_arena_fini(&p.arena);
    if (err == 0) {
        *out = result;
        where[0] = 0;
    }
    return err;
}

static void put_part(struct sg_buf *out, const struct lg_proof_part *part)
{
    sg_buf_puts(out, "{\"block\":");
    sg_buf_put_i64(out, part->block);
    sg_buf_puts(out, ",\"document\":");
    sg_buf_put(out, part->document.p, part->document.len);
    sg_buf_puts(out, ",\"index\":");
    sg_buf_put_i64(out, part->index);
    sg_buf_puts(out, ",\"path\":[");
    for (unsigned i = 0; i < part->npath; i++) {
        sg_buf_puts(out, i ? "," : "");
        lg_c0_put_hex(out, part->path[i].b, SG_HASH_BYTES);
    }
    sg_buf_puts(out, "]}");
}

void lg_proof_encode(struct sg_buf *out, const struct lg_hash *genesis, const struct lg_proof_block *blocks,
    unsigned nblocks, const struct lg_proof_part *body, const struct lg_proof_part *statements,
    unsigned nstatements)
{
    sg_buf_puts(out, "{\"blocks\":[");
    for (unsigned i = 0; i < nblocks; i++) {
        struct lg_hash hash;

        lg_header_hash(&hash, blocks[i].header.p, blocks[i].header.len);
        sg_buf_puts(out, i ? ",{\"hash\":" : "{\"hash\":");
        lg_c0_put_hex(out, hash.b, sizeof hash.b);
        sg_buf_puts(out, ",\"header\":");
        sg_buf_put(out, blocks[i].header.p, blocks[i].header.len);
        sg_buf_puts(out, ",\"sig\":");
        lg_c0_put_base64(out, blocks[i].sig, sizeof blocks[i].sig);
        sg_buf_put_u8(out, '}');
    }
    sg_buf_puts(out, "],\"body\":");
    put_part(out, body);
    sg_buf_puts(out, ",\"genesis\":");
    lg_c0_put_hex(out, genesis->b, sizeof genesis->b);
    sg_buf_puts(out, ",\"statements\":[");
    for (unsigned i = 0; i < nstatements; i++) {
        sg_buf_puts(out, i ? "," : "");
        put_part(out, &statements[i]);
    }
    sg_buf_puts(out, "]}");
}
