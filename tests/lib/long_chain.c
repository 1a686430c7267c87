#include "tests/lib/long_chain.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/store.h"
#include "sg_regmap.h"
#include "sg_text.h"

enum { LOT = 256, WRITE_LOT = 1000 };

/* A block on its way: everything but the miner's signature. */
struct draft {
    struct sg_buf header, documents; /* documents: statements, then bodies, one behind the other */
    struct lg_slice parts[LONG_CHAIN_MAX_GATEWAYS + 1];
    unsigned nstatements, nbodies, miner;
    struct sg_buf doc; /* the whole, once it is sealed */
};

struct long_chain {
    struct long_chain_config config;
    struct lg_genesis *genesis;
    struct sg_key *keys[LONG_CHAIN_MAX_GATEWAYS]; /* by index in the genesis */
    /* the end of the chain */
    struct lg_hash tip;
    int64_t height;
    struct lg_hash prev[LONG_CHAIN_MAX_GATEWAYS];
    int64_t seq[LONG_CHAIN_MAX_GATEWAYS];
    /* two lots: one is handed out while the other is sealed */
    struct draft lots[2][LOT];
    unsigned out, at; /* at: next of lots[out] */
    pthread_t sealer;
    struct lg_sqlite *store;
    struct lg_block_info stored;
};

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "long_chain: %s\n", what);
        abort();
    }
}

/* ---- keys and genesis ---- */

/* RFC 8410: the 16 bytes that stand before the seed in a PKCS #8 key. */
static struct sg_key *make_key(uint64_t seed, unsigned i)
{
    static const uint8_t head[16] = {
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};
    uint8_t der[48], from[12];
    char text[SG_BASE64_LEN(sizeof der) + 1], pem[160];
    struct sg_key *key = NULL;

    sg_put_be64(from, seed);
    sg_put_be32(from + 8, i);
    memcpy(der, head, sizeof head);
    sg_sha256(der + sizeof head, from, sizeof from);
    sg_base64_encode(text, der, sizeof der);
    int len = snprintf(pem, sizeof pem, "-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----\n", text);
    must(sg_key_of_pem(&key, pem, (size_t)len) == SG_OK, "a key");
    return key;
}

static lg_kid kid_of(const struct sg_key *k)
{
    uint8_t pub[SG_PUBLIC_KEY_BYTES];
    sg_key_public(k, pub);
    return lg_kid_of_public(pub);
}

static int by_kid(const void *a, const void *b)
{
    lg_kid x = kid_of(*(struct sg_key *const *)a), y = kid_of(*(struct sg_key *const *)b);
    return x < y ? -1 : x > y;
}

static void make_genesis(struct long_chain *c)
{
    unsigned n = c->config.gateways;
    struct lg_gateway gateways[LONG_CHAIN_MAX_GATEWAYS];
    struct lg_relay relay = {.id = "relay-1",
        .device = "Relay 1",
        .equipment = "Rele_1",
        .substation = "Substation",
        .period_s = 10,
        .profile = lg_profile_paper()};
    struct lg_genesis g = {.name = "long chain",
        .bits = 0,
        .demo = true,
        .time = LONG_CHAIN_START,
        .policy = {.collect_ms = 1000,
            .stagger_ms = 1500,
            .max_future_ms = 5000,
            .max_block_bytes = 4194304,
            .confirm_depth = 6},
        .ngateways = n,
        .nprofiles = 1,
        .nrelays = 1,
        .gateways = gateways,
        .profiles = lg_profile_paper(),
        .relays = &relay};
    struct sg_buf doc;

    memset(gateways, 0, sizeof gateways);
    for (unsigned i = 0; i < n; i++)
        c->keys[i] = make_key(c->config.seed, i);
    qsort(c->keys, n, sizeof(c->keys[0]), by_kid);
    for (unsigned i = 0; i < n; i++) {
        gateways[i].id = kid_of(c->keys[i]);
        sg_key_public(c->keys[i], gateways[i].key);
        gateways[i].mine = true;
        snprintf(gateways[i].name, sizeof gateways[i].name, "gateway %u", i + 1);
    }
    sg_buf_init(&doc, LG_MAX_GENESIS_BYTES);
    lg_genesis_encode(&doc, &g);
    must(sg_buf_err(&doc) == SG_OK, "the genesis");
    must(lg_genesis_decode(&c->genesis, doc.p, doc.len, &sg_crypto_openssl) == SG_OK, "the genesis");
    sg_buf_fini(&doc);
}

/* ---- drafts ---- */

static int64_t value(const struct long_chain *c, sg_minute min, int i, int k)
{
    uint64_t x = c->config.seed + (uint64_t)min * 0x9e3779b97f4a7c15u + (uint64_t)(i * 16 + k);
    x = (x ^ x >> 31) * 0xbf58476d1ce4e5b9u;
    return (int64_t)(x >> 44);
}

static void put_body(const struct long_chain *c, struct draft *d, sg_minute min, struct lg_hash *digest)
{
    struct lg_sample samples[SG_SAMPLES_A_MIN];
    size_t at = d->documents.len;

    memset(samples, 0, sizeof samples);
    for (int i = 0; i < SG_SAMPLES_A_MIN; i++) {
        samples[i].t_ms = (uint16_t)(10000 * i);
        samples[i].qual = SG_QUAL_VALID | SG_QUAL_SIMULATED;
        samples[i].have = (1u << SG_POINTS) - 1;
        for (int k = 0; k < SG_POINTS; k++)
            samples[i].x[k] = value(c, min, i, k);
    }
    must(lg_body_encode(&d->documents, &c->genesis->relays[0], min, 0, samples, SG_SAMPLES_A_MIN, NULL, 0) ==
             SG_OK,
        "a body");
    lg_hash_leaf(digest, d->documents.p + at, d->documents.len - at);
}

static void put_statement(
    struct long_chain *c, struct draft *d, unsigned gw, sg_minute slot, const struct lg_read *read)
{
    size_t at = d->documents.len;
    struct lg_statement s = {.gw = c->genesis->gateways[gw].id,
        .inc = LONG_CHAIN_START,
        .seq = ++c->seq[gw],
        .slot = slot,
        .ts = (slot + 1) * SG_MINUTE_MS,
        .prev = c->prev[gw],
        .tip = c->tip,
        .nreads = read ? 1 : 0,
        .reads = read};

    must(lg_statement_encode(&d->documents, &s, c->keys[gw]) == SG_OK, "a statement");
    lg_hash_leaf(&c->prev[gw], d->documents.p + at, d->documents.len - at);
}

/* Statements stand before bodies, but the body must be there to be read: it is made first and moved behind. */
static void put_documents(struct long_chain *c, struct draft *d, sg_minute slot, struct lg_hash *leaves)
{
    unsigned n = c->config.gateways;
    size_t ends[LONG_CHAIN_MAX_GATEWAYS + 1], at = 0;
    struct lg_read read = {.relay = {"relay-1", 7}, .min = slot, .live = SG_SAMPLES_A_MIN};

    if (!c->config.usual) {
        unsigned gw = (unsigned)(c->height % n);
        put_statement(c, d, gw, slot, NULL);
        leaves[0] = c->prev[gw];
        d->nstatements = 1;
        d->nbodies = 0;
        d->parts[0] = (struct lg_slice){d->documents.p, d->documents.len};
        return;
    }
    put_body(c, d, slot, &read.digest);
    ends[n] = d->documents.len;
    for (unsigned i = 0; i < n; i++) {
        put_statement(c, d, i, slot, &read);
        leaves[i] = c->prev[i];
        ends[i] = d->documents.len;
    }
    leaves[n] = read.digest;
    d->nstatements = n;
    d->nbodies = 1;
    d->parts[n] = (struct lg_slice){d->documents.p, ends[n]};
    at = ends[n];
    for (unsigned i = 0; i < n; at = ends[i], i++)
        d->parts[i] = (struct lg_slice){d->documents.p + at, ends[i] - at};
}

static void make_draft(struct long_chain *c, struct draft *d)
{
    struct lg_hash leaves[LONG_CHAIN_MAX_GATEWAYS + 1];
    sg_minute slot = c->genesis->minute + c->height;

    sg_buf_reset(&d->header);
    sg_buf_reset(&d->documents);
    put_documents(c, d, slot, leaves);
    d->miner = (unsigned)(c->height % c->config.gateways);
    struct lg_header h = {.bits = 0,
        .chain = c->genesis->id,
        .prev = c->tip,
        .height = c->height + 1,
        .leaves = d->nstatements + d->nbodies,
        .miner_is_kid = true,
        .miner_kid = c->genesis->gateways[d->miner].id,
        .slot = slot,
        .time = (slot + 1) * SG_MINUTE_MS + 1500,
        .weight = d->nstatements};
    must(lg_merkle_root(&h.root, leaves, (size_t)h.leaves) == SG_OK, "a root");
    lg_header_encode(&d->header, &h);
    must(sg_buf_err(&d->header) == SG_OK && sg_buf_err(&d->documents) == SG_OK, "memory");
    lg_header_hash(&c->tip, d->header.p, d->header.len);
    c->height++;
}

/* ---- lots ---- */

static void *seal_lot(void *arg)
{
    struct long_chain *c = arg;
    struct draft *lot = c->lots[!c->out];
    struct sg_buf text;

    sg_buf_init(&text, 1u << 20);
    for (unsigned i = 0; i < LOT; i++) {
        struct draft *d = &lot[i];
        uint8_t sig[SG_SIGNATURE_BYTES];
        sg_buf_reset(&text);
        lg_header_signed_bytes(&text, d->header.p, d->header.len);
        must(sg_key_sign(c->keys[d->miner], sig, text.p, text.len) == SG_OK, "a signature");
        sg_buf_reset(&d->doc);
        lg_block_encode(&d->doc, (struct lg_slice){d->header.p, d->header.len}, sig, d->parts, d->nstatements,
            d->parts + d->nstatements, d->nbodies);
        must(sg_buf_err(&d->doc) == SG_OK, "a block");
    }
    sg_buf_fini(&text);
    return NULL;
}

/* lots[out] has been handed out. What was drafted behind it is sealed now at the latest, and the next lot drafted meanwhile. */
static void next_lot(struct long_chain *c)
{
    must(pthread_join(c->sealer, NULL) == 0, "a thread");
    for (unsigned i = 0; i < LOT; i++)
        make_draft(c, &c->lots[c->out][i]);
    c->out = !c->out;
    c->at = 0;
    must(pthread_create(&c->sealer, NULL, seal_lot, c) == 0, "a thread");
}

struct lg_slice long_chain_next(struct long_chain *c)
{
    if (c->at == LOT)
        next_lot(c);
    const struct draft *d = &c->lots[c->out][c->at++];
    return (struct lg_slice){d->doc.p, d->doc.len};
}

static void init_drafts(struct long_chain *c)
{
    for (unsigned i = 0; i < 2; i++)
        for (unsigned k = 0; k < LOT; k++) {
            sg_buf_init(&c->lots[i][k].header, 1u << 16);
            sg_buf_init(&c->lots[i][k].documents, 1u << 20);
            sg_buf_init(&c->lots[i][k].doc, 1u << 21);
        }
}

struct long_chain *long_chain_new(const struct long_chain_config *config)
{
    struct long_chain *c = calloc(1, sizeof *c);

    must(c != NULL, "memory");
    c->config = *config;
    c->config.gateways = config->gateways == 0 ? 4 : config->gateways;
    must(c->config.gateways <= LONG_CHAIN_MAX_GATEWAYS, "too many gateways");
    make_genesis(c);
    c->tip = c->genesis->id;
    for (unsigned i = 0; i < c->config.gateways; i++)
        c->prev[i] = c->genesis->id;
    init_drafts(c);
    for (unsigned i = 0; i < LOT; i++)
        make_draft(c, &c->lots[1][i]);
    c->at = LOT;
    must(pthread_create(&c->sealer, NULL, seal_lot, c) == 0, "a thread");
    return c;
}

void long_chain_free(struct long_chain *c)
{
    if (!c)
        return;
    must(pthread_join(c->sealer, NULL) == 0, "a thread");
    lg_sqlite_close(c->store);
    for (unsigned i = 0; i < 2; i++)
        for (unsigned k = 0; k < LOT; k++) {
            sg_buf_fini(&c->lots[i][k].header);
            sg_buf_fini(&c->lots[i][k].documents);
            sg_buf_fini(&c->lots[i][k].doc);
        }
    for (unsigned i = 0; i < c->config.gateways; i++)
        sg_key_free(c->keys[i]);
    lg_genesis_free(c->genesis);
    free(c);
}

const struct lg_genesis *long_chain_genesis(const struct long_chain *c)
{
    return c->genesis;
}

const struct sg_key *long_chain_key(const struct long_chain *c, unsigned gw)
{
    return c->keys[gw];
}

/* ---- a data directory ---- */

static void write_lot(struct long_chain *c, const struct lg_store *store, int64_t n)
{
    must(store->begin(store->ctx) == SG_OK, "a transaction");
    for (int64_t i = 0; i < n; i++) {
        struct lg_slice doc = long_chain_next(c);
        struct lg_block *b = NULL;
        struct lg_block_info info;
        must(lg_block_decode(&b, doc.p, doc.len) == SG_OK, "a block");
        lg_block_info_of(&info, b, &c->stored);
        must(store->append(store->ctx, b, &info) == SG_OK, "a write");
        c->stored = info;
        lg_block_free(b);
    }
    must(store->commit(store->ctx) == SG_OK, "a commit");
}

void long_chain_write(struct long_chain *c, const char *data_dir, int64_t n)
{
    struct sg_fault fault = {0};
    if (lg_sqlite_open(&c->store, data_dir, c->genesis, &fault) != SG_OK)
        must(false, fault.text);
    const struct lg_store *store = lg_sqlite_store(c->store);
    if (store->tip(store->ctx, &c->stored) == SG_ENOT_FOUND)
        lg_block_info_genesis(&c->stored, c->genesis);
    for (int64_t done = 0; done < n; done += WRITE_LOT)
        write_lot(c, store, n - done < WRITE_LOT ? n - done : WRITE_LOT);
    lg_sqlite_close(c->store);
    c->store = NULL;
}
