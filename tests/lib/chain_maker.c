#include "tests/lib/chain_maker.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/fake_crypto.h"

struct maker_made {
    struct maker_made *next;
    struct lg_body *body;
    struct lg_statement *statement;
    struct lg_block *block;
};

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "chain_maker: %s\n", what);
        abort();
    }
}

static struct maker_made *keep(struct maker *m)
{
    struct maker_made *made = calloc(1, sizeof *made);
    must(made != NULL, "memory");
    made->next = m->made;
    m->made = made;
    return made;
}

/* ---- genesis ---- */

struct party {
    uint8_t pub[SG_PUBLIC_KEY_BYTES];
    struct sg_key *key;
    lg_kid kid;
};

static int party_order(const void *a, const void *b)
{
    const struct party *x = a, *y = b;
    return x->kid < y->kid ? -1 : x->kid > y->kid;
}

static void make_parties(struct party *p, unsigned n, bool real)
{
    json_t *doc = real ? json_load_file("tests/vectors/keys.json", 0, NULL) : NULL;
    must(!real || json_array_size(doc) >= n, "keys.json");
    for (unsigned i = 0; i < n; i++) {
        p[i].key = NULL;
        fake_public(p[i].pub, i);
        if (real) {
            const char *pem = json_string_value(json_object_get(json_array_get(doc, i), "pem"));
            must(sg_key_of_pem(&p[i].key, pem, strlen(pem)) == 0, "key");
            sg_key_public(p[i].key, p[i].pub);
        }
        p[i].kid = lg_kid_of_public(p[i].pub);
    }
    json_decref(doc);
    qsort(p, n, sizeof *p, party_order);
}

static int64_t or_default(int64_t v, int64_t otherwise)
{
    return v != 0 ? v : otherwise;
}

static void encode_genesis(
    struct sg_buf *doc, const struct maker_config *c, struct lg_gateway *gateways, unsigned n)
{
    unsigned nrelays = c->nrelays == 0 ? 1 : c->nrelays;
    struct lg_relay *relays = calloc(nrelays, sizeof *relays);
    must(relays != NULL && nrelays < 10, "relays");
    for (unsigned i = 0; i < nrelays; i++) {
        struct lg_relay *r = &relays[i];
        snprintf(r->id, sizeof r->id, "relay-%u", i + 1);
        snprintf(r->device, sizeof r->device, "Relay %u", i + 1);
        snprintf(r->equipment, sizeof r->equipment, "Rele_%u", i + 1);
        snprintf(r->substation, sizeof r->substation, "Substation");
        r->period_s = 10;
        r->profile = lg_profile_paper();
    }
    struct lg_genesis g = {.name = "maker",
        .bits = c->bits,
        .demo = true,
        .time = MAKER_START,
        .minute = MAKER_MINUTE,
        .policy = {.collect_ms = or_default(c->policy.collect_ms, 1000),
            .stagger_ms = or_default(c->policy.stagger_ms, 1500),
            .max_future_ms = or_default(c->policy.max_future_ms, 5000),
            .max_block_bytes = or_default(c->policy.max_block_bytes, 131072),
            .confirm_depth = or_default(c->policy.confirm_depth, 3)},
        .ngateways = n,
        .nprofiles = 1,
        .nrelays = nrelays,
        .gateways = gateways,
        .profiles = lg_profile_paper(),
        .relays = relays};
    lg_genesis_encode(doc, &g);
    free(relays);
}

void chain_maker_init(struct maker *m, const struct maker_config *c)
{
    unsigned n = c->ngateways == 0 ? 4 : c->ngateways;
    struct party *parties = calloc(n, sizeof *parties);
    struct lg_gateway *gateways = calloc(n, sizeof *gateways);
    struct sg_buf doc;
    must(parties != NULL && gateways != NULL, "memory");
    memset(m, 0, sizeof *m);
    m->crypto = c->real_keys ? &sg_crypto_openssl : &fake_crypto;
    make_parties(parties, n, c->real_keys);
    for (unsigned i = 0; i < n; i++) {
        gateways[i].id = parties[i].kid;
        memcpy(gateways[i].key, parties[i].pub, SG_PUBLIC_KEY_BYTES);
        snprintf(gateways[i].name, sizeof gateways[i].name, "gateway %u", i);
        gateways[i].mine = true;
        m->keys[i] = parties[i].key;
    }
    sg_buf_init(&doc, SIZE_MAX);
    encode_genesis(&doc, c, gateways, n);
    int err = lg_genesis_decode(&m->g, doc.p, doc.len, m->crypto);
    must(err == 0, sg_err_code(err));
    sg_buf_fini(&doc);
    free(parties);
    free(gateways);
}

void chain_maker_fini(struct maker *m)
{
    while (m->made != NULL) {
        struct maker_made *made = m->made;
        m->made = made->next;
        lg_body_free(made->body);
        lg_statement_free(made->statement);
        lg_block_free(made->block);
        free(made);
    }
    for (unsigned i = 0; i < m->g->ngateways; i++)
        sg_key_free(m->keys[i]);
    lg_genesis_free(m->g);
}

lg_kid chain_maker_kid(const struct maker *m, unsigned gw)
{
    return m->g->gateways[gw].id;
}

void chain_maker_sign(
    const struct maker *m, uint8_t sig[static SG_SIGNATURE_BYTES], unsigned gw, const void *msg, size_t len)
{
    if (m->keys[gw] != NULL)
        must(sg_key_sign(m->keys[gw], sig, msg, len) == 0, "sign");
    else
        fake_sign(sig, m->g->gateways[gw].key, msg, len);
}

/* ---- documents ---- */

const struct lg_body *make_body(struct maker *m, unsigned relay, sg_minute min, int64_t variant)
{
    struct lg_sample samples[6] = {0};
    struct sg_buf doc;
    for (unsigned i = 0; i < 6; i++) {
        samples[i].t_ms = (uint16_t)(i * 10000);
        samples[i].qual = 0x8000;
        samples[i].have = 0x3ff;
        for (unsigned k = 0; k < 10; k++)
            samples[i].x[k] = 1000 * (int64_t)k + i + variant;
    }
    sg_buf_init(&doc, SIZE_MAX);
    must(lg_body_encode(&doc, &m->g->relays[relay], min, 0, samples, 6, NULL, 0) == 0, "body");
    struct maker_made *made = keep(m);
    must(lg_body_decode(&made->body, doc.p, doc.len) == 0, "body");
    sg_buf_fini(&doc);
    return made->body;
}

static int body_by_place(const void *a, const void *b)
{
    const struct lg_body *const *x = a, *const *y = b;
    return lg_body_cmp(*x, *y);
}

static const struct lg_body **sorted_bodies(const struct lg_body *const *bodies, unsigned n)
{
    const struct lg_body **v = calloc(n + 1u, sizeof(*v));
    must(v != NULL, "memory");
    for (unsigned i = 0; i < n; i++)
        v[i] = bodies[i];
    if (n > 1)
        qsort(v, n, sizeof(*v), body_by_place);
    return v;
}

static void put_reads(struct sg_buf *out, const struct lg_body *const *bodies, unsigned n)
{
    const struct lg_body **v = sorted_bodies(bodies, n);
    for (unsigned i = 0; i < n; i++) {
        sg_buf_puts(out, i == 0 ? "[" : ",[");
        lg_c0_put_text(out, v[i]->relay.p, v[i]->relay.len);
        sg_buf_puts(out, ",");
        sg_buf_put_i64(out, v[i]->min);
        sg_buf_puts(out, ",");
        lg_c0_put_hex(out, v[i]->digest.b, sizeof v[i]->digest.b);
        sg_buf_puts(out, ",6]");
    }
    free(v);
}

static void put_gaps(struct sg_buf *out, const struct maker_say *say)
{
    for (unsigned i = 0; i < say->ngaps; i++) {
        sg_minute min = say->slot - 1400 + (int64_t)i;
        sg_buf_puts(out, i == 0 ? "[\"relay-1\"," : ",[\"relay-1\",");
        sg_buf_put_i64(out, min);
        sg_buf_puts(out, ",");
        sg_buf_put_i64(out, min);
        sg_buf_puts(out, ",\"expired\"]");
    }
}

static void put_statement(
    struct sg_buf *out, const struct maker *m, const struct maker_say *say, const uint8_t *sig)
{
    const struct lg_statement *after = say->after;
    const struct lg_hash *prev = after != NULL ? &after->leaf : &m->g->id;
    const struct lg_hash *tip = say->tip != NULL ? say->tip : &m->g->id;
    char kid[LG_KID_HEX + 1];
    lg_kid_hex(kid, chain_maker_kid(m, say->gw));
    sg_buf_puts(out, "{\"gaps\":[");
    put_gaps(out, say);
    sg_buf_puts(out, "],\"gw\":\"");
    sg_buf_puts(out, kid);
    sg_buf_puts(out, "\",\"inc\":");
    sg_buf_put_i64(out, after != NULL   ? after->inc
                        : say->zero_inc ? 0
                                        : or_default(say->inc, MAKER_START + say->gw));
    sg_buf_puts(out, ",\"prev\":");
    lg_c0_put_hex(out, prev->b, sizeof prev->b);
    sg_buf_puts(out, ",\"reads\":[");
    put_reads(out, say->bodies, say->nbodies);
    sg_buf_puts(out, "],\"seq\":");
    sg_buf_put_i64(out, after != NULL ? after->seq + 1 : 1);
    if (sig != NULL) {
        sg_buf_puts(out, ",\"sig\":");
        lg_c0_put_base64(out, sig, SG_SIGNATURE_BYTES);
    }
    sg_buf_puts(out, ",\"slot\":");
    sg_buf_put_i64(out, say->slot);
    sg_buf_puts(out, ",\"tip\":");
    lg_c0_put_hex(out, tip->b, sizeof tip->b);
    sg_buf_puts(out, ",\"ts\":");
    sg_buf_put_i64(out, or_default(say->ts, (say->slot + 1) * SG_MINUTE_MS + 100));
    sg_buf_puts(out, ",\"v\":1}");
}

const struct lg_statement *make_statement(struct maker *m, const struct maker_say *say)
{
    uint8_t sig[SG_SIGNATURE_BYTES];
    struct sg_buf message, doc;
    sg_buf_init(&message, SIZE_MAX);
    sg_buf_init(&doc, SIZE_MAX);
    sg_buf_puts(&message, "gridwitness/statement/v1\n");
    put_statement(&message, m, say, NULL);
    chain_maker_sign(m, sig, say->gw, message.p, message.len);
    sig[3] ^= say->bad_signature ? 1 : 0;
    put_statement(&doc, m, say, sig);
    struct maker_made *made = keep(m);
    int err = lg_statement_decode(&made->statement, doc.p, doc.len);
    must(err == 0, sg_err_code(err));
    sg_buf_fini(&message);
    sg_buf_fini(&doc);
    return made->statement;
}

/* ---- blocks ---- */

static int statement_by_place(const void *a, const void *b)
{
    const struct lg_statement *const *x = a, *const *y = b;
    return lg_statement_cmp(*x, *y);
}

struct parts {
    struct lg_slice *slices;
    struct lg_hash *leaves;
    unsigned nstatements, nbodies;
    int64_t ngateways;
};

static void make_parts(struct parts *p, const struct maker_mine *mine)
{
    unsigned ns = mine->nstatements, nb = mine->nbodies;
    const struct lg_statement **s = calloc(ns + 1u, sizeof(*s));
    const struct lg_body **b = sorted_bodies(mine->bodies, nb);
    *p = (struct parts){.nstatements = ns, .nbodies = nb};
    p->slices = calloc(ns + nb + 1u, sizeof *p->slices);
    p->leaves = calloc(ns + nb + 1u, sizeof *p->leaves);
    must(s != NULL && p->slices != NULL && p->leaves != NULL, "memory");
    for (unsigned i = 0; i < ns; i++)
        s[i] = mine->statements[i];
    if (ns > 1)
        qsort(s, ns, sizeof(*s), statement_by_place);
    for (unsigned i = 0; i < ns; i++) {
        p->slices[i] = (struct lg_slice){s[i]->doc, s[i]->doc_len};
        p->leaves[i] = s[i]->leaf;
        p->ngateways += i == 0 || s[i]->gw != s[i - 1]->gw;
    }
    for (unsigned i = 0; i < nb; i++) {
        p->slices[ns + i] = (struct lg_slice){b[i]->doc, b[i]->doc_len};
        p->leaves[ns + i] = b[i]->digest;
    }
    free(s);
    free(b);
}

static void make_header(
    struct lg_header *h, const struct maker *m, const struct maker_mine *mine, const struct parts *p)
{
    struct lg_block_info parent;
    lg_block_info_genesis(&parent, m->g);
    if (mine->parent != NULL)
        parent = *mine->parent;
    sg_ms time = (mine->slot + 1) * SG_MINUTE_MS + 2000;
    *h = (struct lg_header){.bits = m->g->bits - mine->less_bits,
        .chain = m->g->id,
        .prev = parent.hash,
        .height = parent.height + 1,
        .leaves = (int64_t)p->nstatements + p->nbodies,
        .miner_is_kid = true,
        .miner_kid = chain_maker_kid(m, mine->miner),
        .slot = mine->slot,
        .time = or_default(mine->time, time > parent.time ? time : parent.time + 1),
        .weight = mine->zero_weight ? 0 : or_default(mine->weight, p->ngateways)};
    must(lg_merkle_root(&h->root, p->leaves, p->nstatements + p->nbodies) == 0, "root");
    h->root.b[0] ^= mine->bad_root ? 1 : 0;
    must(lg_work_search(&h->nonce, h, 0, UINT64_C(1) << 30) == 0, "work");
}

const struct lg_block *make_block(struct maker *m, const struct maker_mine *mine)
{
    struct parts p;
    struct lg_header h;
    uint8_t sig[SG_SIGNATURE_BYTES];
    struct sg_buf header, message, doc;
    make_parts(&p, mine);
    make_header(&h, m, mine, &p);
    sg_buf_init(&header, SIZE_MAX);
    sg_buf_init(&message, SIZE_MAX);
    sg_buf_init(&doc, SIZE_MAX);
    lg_header_encode(&header, &h);
    lg_header_signed_bytes(&message, header.p, header.len);
    chain_maker_sign(m, sig, mine->miner, message.p, message.len);
    sig[3] ^= mine->bad_signature ? 1 : 0;
    lg_block_encode(&doc, (struct lg_slice){header.p, header.len}, sig, p.slices, p.nstatements,
        p.slices + p.nstatements, p.nbodies);
    struct maker_made *made = keep(m);
    int err = lg_block_decode(&made->block, doc.p, doc.len);
    must(err == 0, sg_err_code(err));
    sg_buf_fini(&header);
    sg_buf_fini(&message);
    sg_buf_fini(&doc);
    free(p.slices);
    free(p.leaves);
    return made->block;
}

struct lg_block_info make_info(
    const struct maker *m, const struct lg_block *b, const struct lg_block_info *parent)
{
    struct lg_block_info root, info;
    lg_block_info_genesis(&root, m->g);
    lg_block_info_of(&info, b, parent != NULL ? parent : &root);
    return info;
}

void make_offer(struct sg_buf *out, const struct lg_statement *const *statements, unsigned nstatements,
    const struct lg_body *const *bodies, unsigned nbodies)
{
    sg_buf_puts(out, "{\"bodies\":[");
    for (unsigned i = 0; i < nbodies; i++) {
        sg_buf_puts(out, i == 0 ? "" : ",");
        sg_buf_put(out, bodies[i]->doc, bodies[i]->doc_len);
    }
    sg_buf_puts(out, "],\"statements\":[");
    for (unsigned i = 0; i < nstatements; i++) {
        sg_buf_puts(out, i == 0 ? "" : ",");
        sg_buf_put(out, statements[i]->doc, statements[i]->doc_len);
    }
    sg_buf_puts(out, "]}");
}
