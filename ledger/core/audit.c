/* The auditor's branch: an open-addressed table of block hashes and body digests, and the last statement of each gateway.
 * Invariant: everything in it comes from blocks that passed lg_block_check on the block before. */
#include "ledger/core/audit.h"

#include "ledger/core/hash_map.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    struct lg_hash hash;
    int64_t height; /* 0: the slot is free (the genesis is asked for apart) */
    sg_minute min;
    int32_t relay; /* index in the genesis; -1: a block */
};

struct lg_audit {
    struct lg_rules rules;
    struct lg_block_info tip;
    struct lg_view view;
    struct lg_statement_ref last[LG_MAX_GATEWAYS]; /* by index in the genesis; seq 0: none */
    struct entry *table;
    size_t size, used; /* size: a power of two */
    uint64_t statements, bodies;
    uint64_t seed; /* of the table */
};

/* As in hash_map.c: members choose the bodies. */
static struct entry *find(
    const struct lg_audit *a, struct entry *table, size_t size, const struct lg_hash *hash)
{
    size_t i = (size_t)lg_map_place(a->seed, hash) & (size - 1);

    while (table[i].height != 0 && !lg_hash_eq(&table[i].hash, hash))
        i = (i + 1) & (size - 1);
    return &table[i];
}

static int reserve(struct lg_audit *a, size_t more)
{
    size_t size = a->size ? a->size : 1024;

    while ((a->used + more) * 2 > size)
        size *= 2;
    if (size == a->size)
        return SG_OK;
    struct entry *table = calloc(size, sizeof(*table));
    if (!table)
        return SG_ENOMEM;
    for (size_t i = 0; i < a->size; i++)
        if (a->table[i].height != 0)
            *find(a, table, size, &a->table[i].hash) = a->table[i];
    free(a->table);
    a->table = table;
    a->size = size;
    return SG_OK;
}

static void insert(struct lg_audit *a, const struct entry *e)
{
    struct entry *place = find(a, a->table, a->size, &e->hash);

    if (place->height == 0)
        a->used++;
    *place = *e;
}

static int view_last_statement(void *ctx, struct lg_statement_ref *out, lg_kid gw)
{
    struct lg_audit *a = ctx;
    const struct lg_gateway *g = lg_genesis_gateway(a->rules.genesis, gw);

    if (!g || a->last[g - a->rules.genesis->gateways].seq == 0)
        return SG_ENOT_FOUND;
    *out = a->last[g - a->rules.genesis->gateways];
    return SG_OK;
}

static int view_body(void *ctx, struct lg_body_ref *out, const struct lg_hash *digest)
{
    struct lg_audit *a = ctx;
    const struct entry *e = find(a, a->table, a->size, digest);

    if (e->height == 0 || e->relay < 0)
        return SG_ENOT_FOUND;
    memcpy(out->relay, a->rules.genesis->relays[e->relay].id, sizeof(out->relay));
    out->min = e->min;
    out->height = e->height;
    return SG_OK;
}

static int view_ancestor(void *ctx, const struct lg_hash *hash)
{
    struct lg_audit *a = ctx;

    if (lg_hash_eq(hash, &a->rules.genesis->id))
        return SG_OK;
    const struct entry *e = find(a, a->table, a->size, hash);
    return e->height != 0 && e->relay < 0 ? SG_OK : SG_ENOT_FOUND;
}

int lg_audit_new(
    struct lg_audit **out, const struct lg_genesis *g, const struct sg_crypto *crypto, uint64_t seed)
{
    struct lg_audit *a = calloc(1, sizeof(*a));

    if (!a)
        return SG_ENOMEM;
    a->rules = (struct lg_rules){.genesis = g, .crypto = crypto};
    a->view = (struct lg_view){
        .ctx = a, .last_statement = view_last_statement, .body = view_body, .ancestor = view_ancestor};
    a->seed = seed;
    lg_block_info_genesis(&a->tip, g);
    if (reserve(a, 1) != SG_OK) {
        free(a);
        return SG_ENOMEM;
    }
    *out = a;
    return SG_OK;
}

void lg_audit_free(struct lg_audit *a)
{
    if (!a)
        return;
    free(a->table);
    free(a);
}

static void remember_statement(struct lg_audit *a, const struct lg_statement *s, int64_t height)
{
    const struct lg_genesis *g = a->rules.genesis;
    const struct lg_gateway *gw = lg_genesis_gateway(g, s->gw);

    lg_statement_ref_of(&a->last[gw - g->gateways], s, height);
}

int lg_audit_block(struct lg_audit *a, const struct lg_block *b)
{
    int err = lg_block_check(&a->rules, b, &a->tip, &a->view, -1);

    if (err == SG_OK)
        err = reserve(a, (size_t)b->nbodies + 1);
    if (err != SG_OK)
        return err;
    struct lg_block_info info;
    lg_block_info_of(&info, b, &a->tip);
    for (unsigned i = 0; i < b->nstatements; i++)
        remember_statement(a, b->statements[i], info.height);
    for (unsigned i = 0; i < b->nbodies; i++) {
        const struct lg_body *body = b->bodies[i];
        const struct lg_relay *relay = lg_genesis_relay(a->rules.genesis, body->relay.p, body->relay.len);
        insert(a, &(struct entry){.hash = body->digest,
                      .height = info.height,
                      .min = body->min,
                      .relay = (int32_t)(relay - a->rules.genesis->relays)});
    }
    insert(a, &(struct entry){.hash = info.hash, .height = info.height, .relay = -1});
    a->tip = info;
    a->statements += b->nstatements;
    a->bodies += b->nbodies;
    return SG_OK;
}

const struct lg_block_info *lg_audit_tip(const struct lg_audit *a)
{
    return &a->tip;
}

void lg_audit_counts(const struct lg_audit *a, uint64_t *statements, uint64_t *bodies)
{
    *statements = a->statements;
    *bodies = a->bodies;
}
