/* Maps keyed by SHA-256.
 *
 * Of a document whoever makes it can try until some bits of its SHA-256 are what he wants; so many of these in one part of a table make it a list. So
 * a key's slot depends on a seed that nobody outside knows: two of its words, each with the seed in it, are multiplied, and both halves of
 * the product are folded. That is no cipher and need not be: the seed has 64 bits, nothing that is told to anybody depends on it, and the words can only be
 * chosen by trying.
 *
 * Linear probing with deletion by moving back (no tombstones), so that a map that is filled and emptied for ever keeps
 * its speed. Invariant: at least half of the slots are empty, and every key is reachable from its home slot without a gap. */
#include "ledger/core/hash_map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sg_buf.h"

#define MIN_CAP 16

__extension__ typedef unsigned __int128 u128;

uint64_t lg_map_place(uint64_t seed, const struct lg_hash *key)
{
    /* The two constants are the golden ratio's fraction and that of the square root of 2: with seed 0 no word of a key is lost either. */
    uint64_t a = sg_get_be64(key->b) ^ seed ^ UINT64_C(0x9e3779b97f4a7c15);
    uint64_t b = sg_get_be64(key->b + 8) ^ (seed << 32 | seed >> 32) ^ UINT64_C(0x6a09e667f3bcc908);
    u128 product = (u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static size_t home(const struct lg_map *m, const struct lg_hash *key, size_t cap)
{
    return (size_t)lg_map_place(m->seed, key) & (cap - 1);
}

/* The slot of key, or the empty one where it belongs. */
static struct lg_map_slot *probe(
    const struct lg_map *m, struct lg_map_slot *slots, size_t cap, const struct lg_hash *key)
{
    size_t i = home(m, key, cap);
    while (slots[i].value != NULL && !lg_hash_eq(&slots[i].key, key)) {
        i = (i + 1) & (cap - 1);
    }
    return &slots[i];
}

void lg_map_fini(struct lg_map *m)
{
    free(m->slots);
    *m = (struct lg_map){.seed = m->seed};
}

int lg_map_reserve(struct lg_map *m, size_t n)
{
    size_t cap = m->cap == 0 ? MIN_CAP : m->cap;
    while (cap / 2 < m->n + n) {
        cap *= 2;
    }
    if (cap == m->cap) {
        return 0;
    }
    struct lg_map_slot *slots = calloc(cap, sizeof *slots);
    if (slots == NULL) {
        return SG_ENOMEM;
    }
    for (size_t i = 0; i < m->cap; i++) {
        if (m->slots[i].value != NULL) {
            *probe(m, slots, cap, &m->slots[i].key) = m->slots[i];
        }
    }
    free(m->slots);
    m->slots = slots;
    m->cap = cap;
    return 0;
}

void *lg_map_get(const struct lg_map *m, const struct lg_hash *key)
{
    return m->n == 0 ? NULL : probe(m, m->slots, m->cap, key)->value;
}

int lg_map_put(struct lg_map *m, const struct lg_hash *key, void *value)
{
    assert(value != NULL);
    int err = lg_map_reserve(m, 1);
    if (err != 0) {
        return err;
    }
    struct lg_map_slot *s = probe(m, m->slots, m->cap, key);
    if (s->value == NULL) {
        m->n++;
    }
    s->key = *key;
    s->value = value;
    return 0;
}

void *lg_map_remove(struct lg_map *m, const struct lg_hash *key)
{
    if (m->n == 0) {
        return NULL;
    }
    struct lg_map_slot *s = probe(m, m->slots, m->cap, key);
    void *value = s->value;
    if (value == NULL) {
        return NULL;
    }
    size_t hole = (size_t)(s - m->slots);
    for (size_t i = (hole + 1) & (m->cap - 1); m->slots[i].value != NULL; i = (i + 1) & (m->cap - 1)) {
        size_t from_home = (i - home(m, &m->slots[i].key, m->cap)) & (m->cap - 1);
        size_t from_hole = (i - hole) & (m->cap - 1);
        if (from_home >= from_hole) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole].value = NULL;
    m->n--;
    return value;
}

static struct lg_seen_slot *seen_slot(const struct lg_seen *s, const struct lg_hash *hash)
{
    return &s->slots[(size_t)sg_get_be64(hash->b + 8) & (s->nslots - 1)];
}

int lg_seen_init(struct lg_seen *s, size_t slots)
{
    s->nslots = slots == 0 ? LG_SEEN_SLOTS : slots;
    assert((s->nslots & (s->nslots - 1)) == 0);
    s->slots = calloc(s->nslots, sizeof *s->slots);
    return s->slots == NULL ? SG_ENOMEM : 0;
}

void lg_seen_fini(struct lg_seen *s)
{
    free(s->slots);
    s->slots = NULL;
}

void lg_seen_clear(struct lg_seen *s)
{
    memset(s->slots, 0, s->nslots * sizeof *s->slots);
}

int lg_seen_get(const struct lg_seen *s, const struct lg_hash *hash)
{
    const struct lg_seen_slot *slot = seen_slot(s, hash);
    return slot->what != 0 && lg_hash_eq(&slot->hash, hash) ? slot->what : 0;
}

void lg_seen_put(struct lg_seen *s, const struct lg_hash *hash, int what)
{
    struct lg_seen_slot *slot = seen_slot(s, hash);
    slot->hash = *hash;
    slot->what = what;
}
