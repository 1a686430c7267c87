/* One arena per decoded document: everything in it is freed at once, so that a decoder that gives up half way leaks
 * nothing. Internal to ledger/core. Thread: one owner; after decoding nothing is allocated any more. */
#ifndef LG_ARENA_H
#define LG_ARENA_H

#include "sg_types.h"

struct lg_arena_chunk;

struct lg_arena {
    struct lg_arena_chunk *chunks; /* the newest first */
    size_t used, size;             /* of the newest */
};

/* Allocates nothing yet. */
void lg_arena_init(struct lg_arena *a);
void lg_arena_fini(struct lg_arena *a);
/* n zeroed bytes, aligned for any type; NULL without memory. Valid until lg_arena_fini. */
void *lg_arena_alloc(struct lg_arena *a, size_t n);
/* The same with a copy of bytes[0..n). */
void *lg_arena_copy(struct lg_arena *a, const void *bytes, size_t n);

/* An array in an arena that grows by its end: amortised constant time, at most twice the memory. */
struct lg_list {
    void *p;
    size_t n, cap;
};

/* Room for one more element of `size` bytes, zeroed; NULL without memory. The array may move. */
void *lg_list_push(struct lg_list *l, struct lg_arena *a, size_t size);

#endif
