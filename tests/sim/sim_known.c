/* What is known of bytes without asking again, and the hash that finds it out.
 *
 * The running document (sim_known_begin) is recognised by its address: nothing is hashed or compared to find what is known of it. All else
 * is in tables of fixed size in which a newer entry displaces an older one. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_fast.h"
#include "tests/sim/sim_share.h"
#include "tests/sim/sim_wrap.h"

#define MEMOS (1u << 10)

struct sim_known {
    const uint8_t *bytes;
    size_t len;
    bool hashed, split,
        made; /* made: put together by the simulator out of documents that the product has encoded */
    struct lg_hash hash;
    struct lg_offer_parts parts; /* when split and split_err is 0 */
    int split_err;
    struct sim_shared *whole;  /* the block that it is */
    struct sim_shared **inner; /* of parts: bodies, then statements */
};
static struct sim_known *running;
static bool fast_hash = true;

void sim_share_fast_hash(bool fast)
{
    fast_hash = fast;
}

static struct sim_known *known_new(const uint8_t *bytes, size_t len)
{
    struct sim_known *k = calloc(1, sizeof *k);
    if (k == NULL)
        abort();
    k->bytes = bytes;
    k->len = len;
    return k;
}

static void make_inner(struct sim_known *k)
{
    k->split = true;
    k->inner = calloc(k->parts.nbodies + k->parts.nstatements + 1, sizeof(*k->inner));
    if (k->inner == NULL)
        abort();
}

struct sim_known *sim_known_offer(const uint8_t *bytes, size_t len, const struct lg_offer_parts *p_take)
{
    struct sim_known *k = known_new(bytes, len);
    k->parts = *p_take;
    k->made = true;
    make_inner(k);
    return k;
}

void sim_known_begin(struct sim_known **slot, const uint8_t *bytes, size_t len)
{
    if (!sim_share_is_on())
        return;
    if (*slot == NULL)
        *slot = known_new(bytes, len);
    running = *slot;
}

void sim_known_end(void)
{
    running = NULL;
}

void sim_known_free(struct sim_known *k)
{
    if (k == NULL)
        return;
    for (size_t i = 0; k->inner != NULL && i < k->parts.nbodies + k->parts.nstatements; i++)
        sim_shared_drop(k->inner[i]);
    free(k->inner);
    sim_shared_drop(k->whole);
    __real_lg_offer_parts_fini(&k->parts);
    free(k);
}

static bool is_running(const void *bytes, size_t len)
{
    return running != NULL && bytes == running->bytes && len == running->len;
}

/* ---- documents ---- */

/* What the product's encoder has written is canonical; now and then it is looked at all the same. */
#define CHECK_EVERY 16
static const uint8_t *canonical; /* the document of which that is so */
static bool own_block;           /* or: whatever is decoded now */
static unsigned unchecked;

void sim_known_own_block(bool on)
{
    own_block = on && sim_share_is_on();
}

int __wrap_lg_c0_check(const uint8_t *bytes, size_t len)
{
    if ((own_block || (canonical != NULL && bytes == canonical)) && ++unchecked % CHECK_EVERY != 0)
        return 0;
    return __real_lg_c0_check(bytes, len);
}

static struct sim_shared **inner_of(
    const struct lg_offer_part *v, size_t n, size_t base, const uint8_t *doc, const struct lg_hash **leaf)
{
    for (size_t i = 0; i < n; i++)
        if (v[i].doc.p == doc) {
            *leaf = &v[i].leaf;
            return &running->inner[base + i];
        }
    return NULL;
}

struct sim_shared *sim_known_document(enum sim_kind kind, const uint8_t *doc, size_t len)
{
    struct sim_shared **at = NULL;
    const struct lg_hash *leaf = NULL;
    int err;
    if (running == NULL || doc < running->bytes || doc >= running->bytes + running->len)
        return NULL;
    if (kind == SIM_KIND_BLOCK && is_running(doc, len))
        at = &running->whole;
    else if (kind == SIM_KIND_BODY && running->inner != NULL)
        at = inner_of(running->parts.bodies, running->parts.nbodies, 0, doc, &leaf);
    else if (kind == SIM_KIND_STATEMENT && running->inner != NULL)
        at = inner_of(
            running->parts.statements, running->parts.nstatements, running->parts.nbodies, doc, &leaf);
    if (at == NULL)
        return NULL;
    if (*at == NULL) {
        canonical = running->made ? doc : NULL;
        *at = sim_shared_take(kind, &err, doc, len, leaf);
        canonical = NULL;
    }
    return *at == NULL ? NULL : sim_shared_ref(*at);
}

static void split_running(void)
{
    running->split_err = __real_lg_offer_split(&running->parts, running->bytes, running->len);
    if (running->split_err != 0)
        __real_lg_offer_parts_fini(&running->parts);
    make_inner(running);
}

int __wrap_lg_offer_split(struct lg_offer_parts *p, const uint8_t *doc, size_t len)
{
    if (!is_running(doc, len))
        return __real_lg_offer_split(p, doc, len);
    if (!running->split)
        split_running();
    *p = running->parts;
    return running->split_err;
}

void __wrap_lg_offer_parts_fini(struct lg_offer_parts *p)
{
    if (running != NULL && running->split && p->bodies == running->parts.bodies &&
        p->statements == running->parts.statements)
        memset(p, 0, sizeof *p);
    else
        __real_lg_offer_parts_fini(p);
}

/* ---- hashes ---- */

void __wrap_sg_sha256_init(struct sg_sha256 *h)
{
    if (fast_hash)
        fast_init((struct fast *)(void *)h);
    else
        __real_sg_sha256_init(h);
}

void __wrap_sg_sha256_update(struct sg_sha256 *h, const void *bytes, size_t n)
{
    if (fast_hash)
        fast_update((struct fast *)(void *)h, bytes, n);
    else
        __real_sg_sha256_update(h, bytes, n);
}

void __wrap_sg_sha256_final(struct sg_sha256 *h, uint8_t out[static SG_HASH_BYTES])
{
    if (fast_hash)
        fast_final((struct fast *)(void *)h, out);
    else
        __real_sg_sha256_final(h, out);
}

static void hash(uint8_t out[static SG_HASH_BYTES], const void *bytes, size_t n)
{
    if (fast_hash)
        fast_of(out, bytes, n);
    else
        __real_sg_sha256(out, bytes, n);
}

void __wrap_sg_sha256(uint8_t out[static SG_HASH_BYTES], const void *bytes, size_t n)
{
    if (!is_running(bytes, n)) {
        hash(out, bytes, n);
        return;
    }
    if (!running->hashed)
        hash(running->hash.b, bytes, n);
    running->hashed = true;
    memcpy(out, running->hash.b, SG_HASH_BYTES);
}

/* ---- verdicts ---- */

struct memo {
    struct lg_hash key;
    const void *about; /* NULL: empty */
    int64_t a;
    uint64_t b;
    int verdict;
};
static struct memo bodies[MEMOS], turns[MEMOS], signatures[MEMOS];

void sim_known_clear(void)
{
    memset(bodies, 0, sizeof bodies);
    memset(turns, 0, sizeof turns);
    memset(signatures, 0, sizeof signatures);
}

static struct memo *memo_of(struct memo *table, const struct lg_hash *key, uint64_t more)
{
    uint64_t w;
    memcpy(&w, key->b + 8, sizeof w);
    return &table[((w ^ more) * K1 >> 40) % MEMOS];
}

/* The seeded fault "readers" of the running node. */
static bool blind;

void sim_known_blind(bool on)
{
    blind = on;
}

bool __wrap_lg_relay_has_reader(const struct lg_relay *r, lg_kid gw)
{
    return blind || __real_lg_relay_has_reader(r, gw);
}

/* The digest is over the body's bytes: it stands for them. */
int __wrap_lg_body_check(const struct lg_body *b, const struct lg_relay *relay)
{
    if (!sim_share_is_on() || relay == NULL)
        return __real_lg_body_check(b, relay);
    struct memo *m = memo_of(bodies, &b->digest, 0);
    if (m->about != relay || memcmp(&m->key, &b->digest, sizeof m->key) != 0)
        *m = (struct memo){.key = b->digest, .about = relay, .verdict = __real_lg_body_check(b, relay)};
    return m->verdict;
}

int __wrap_lg_rank_position(
    const struct lg_genesis *g, const struct lg_hash *prev, sg_minute slot, lg_kid kid)
{
    if (!sim_share_is_on())
        return __real_lg_rank_position(g, prev, slot, kid);
    struct memo *m = memo_of(turns, prev, (uint64_t)slot ^ kid);
    if (m->about != g || m->a != slot || m->b != kid || memcmp(&m->key, prev, sizeof m->key) != 0)
        *m = (struct memo){.key = *prev,
            .about = g,
            .a = slot,
            .b = kid,
            .verdict = __real_lg_rank_position(g, prev, slot, kid)};
    return m->verdict;
}

/* Those that hold are remembered: the leaf is over the statement with its signature. */
static struct memo *signature_of(
    bool *holds, const struct lg_statement *s, const struct lg_genesis *g, const struct sg_crypto *crypto)
{
    uint64_t by = (uint64_t)(uintptr_t)crypto->verify;
    struct memo *m = memo_of(signatures, &s->leaf, 0);
    *holds = m->about == g && m->b == by && memcmp(&m->key, &s->leaf, sizeof m->key) == 0;
    return m;
}

static void keep_signature(
    struct memo *m, const struct lg_statement *s, const struct lg_genesis *g, const struct sg_crypto *crypto)
{
    *m = (struct memo){.key = s->leaf, .about = g, .b = (uint64_t)(uintptr_t)crypto->verify};
}

int __wrap_lg_statement_check(
    const struct lg_statement *s, const struct lg_genesis *g, const struct sg_crypto *crypto, bool verified)
{
    bool holds;
    if (verified || !sim_share_is_on())
        return __real_lg_statement_check(s, g, crypto, verified);
    struct memo *m = signature_of(&holds, s, g, crypto);
    int err = __real_lg_statement_check(s, g, crypto, holds);
    if (!holds && err == 0)
        keep_signature(m, s, g, crypto);
    return err;
}

int __wrap_lg_statement_check_signature(
    const struct lg_statement *s, const struct lg_rules *r, struct sg_buf *scratch)
{
    bool holds = false;
    struct memo *m = NULL;
    if (sim_share_is_on())
        m = signature_of(&holds, s, r->genesis, r->crypto);
    if (!holds) {
        int err = __real_lg_statement_check_signature(s, r, scratch);
        if (err == 0 && m != NULL && r->verified.has == NULL) /* verified here, not remembered by a node */
            keep_signature(m, s, r->genesis, r->crypto);
        return err;
    }
    if (r->verified.add != NULL && !r->verified.has(r->verified.ctx, &s->leaf))
        r->verified.add(r->verified.ctx, &s->leaf);
    return 0;
}
