/* A map from hashes to pointers, and a bounded memory of verdicts on hashes. Pure; one owner thread. */
#ifndef LG_HASH_MAP_H
#define LG_HASH_MAP_H

#include "lg_record.h"

struct lg_map_slot {
    struct lg_hash key;
    void *value; /* NULL: empty */
};

/* Open addressing, at most half full. {.seed = seed} is an empty map. Values are the caller's; NULL is no value. */
struct lg_map {
    uint64_t seed;             /* secret of this process: who knows it can choose keys that share a slot */
    struct lg_map_slot *slots; /* walk 0..cap-1, skipping NULL values */
    size_t cap;
    size_t n;
};

/* Where a table begins to look for key: of the 64 bits as many of the lowest as it needs. */
uint64_t lg_map_place(uint64_t seed, const struct lg_hash *key);
/* Empty again, with the same seed. */
void lg_map_fini(struct lg_map *m);
/* Room for n more keys, so that the next n lg_map_put cannot fail. SG_ENOMEM. */
SG_MUST_USE int lg_map_reserve(struct lg_map *m, size_t n);
/* NULL: not there. */
void *lg_map_get(const struct lg_map *m, const struct lg_hash *key);
/* Puts or replaces. SG_ENOMEM. */
SG_MUST_USE int lg_map_put(struct lg_map *m, const struct lg_hash *key, void *value);
/* The value that was there, or NULL. */
void *lg_map_remove(struct lg_map *m, const struct lg_hash *key);

/* What was found out about a hash: a table of fixed size in which a newer one may displace an older one, so that it may forget
 * but never grows and never errs: it needs no seed. */
#define LG_SEEN_SLOTS 8192

struct lg_seen {
    size_t nslots;
    struct lg_seen_slot {
        struct lg_hash hash;
        int what; /* 0: empty */
    } * slots;
};

/* slots: a power of two; 0: LG_SEEN_SLOTS. */
SG_MUST_USE int lg_seen_init(struct lg_seen *s, size_t slots);
void lg_seen_fini(struct lg_seen *s);
/* 0: nothing known. */
int lg_seen_get(const struct lg_seen *s, const struct lg_hash *hash);
/* Forget all. */
void lg_seen_clear(struct lg_seen *s);
void lg_seen_put(struct lg_seen *s, const struct lg_hash *hash, int what);

#endif
