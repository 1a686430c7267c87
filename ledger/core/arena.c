/* A bump allocator in chunks.
 *
 * Invariant: used <= size of the newest chunk; older chunks are full and only kept to be freed. Chunks double, so that a
 * document of n bytes costs O(log n) calls of malloc. Refuses: nothing but a failing malloc (NULL). */
#include "ledger/core/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN       _Alignof(max_align_t)
#define FIRST_CHUNK 2048 /* a statement or a body of the usual size */
#define FIRST_LIST  8

struct lg_arena_chunk {
    _Alignas(max_align_t) struct lg_arena_chunk *next;
    _Alignas(max_align_t) unsigned char bytes[];
};

void lg_arena_init(struct lg_arena *a)
{
    *a = (struct lg_arena){0};
}

void lg_arena_fini(struct lg_arena *a)
{
    while (a->chunks) {
        struct lg_arena_chunk *c = a->chunks;

        a->chunks = c->next;
        free(c);
    }
    lg_arena_init(a);
}

/* A new newest chunk with room for n bytes. */
static bool add_chunk(struct lg_arena *a, size_t n)
{
    size_t size = a->size < FIRST_CHUNK / 2 ? FIRST_CHUNK : a->size * 2;
    struct lg_arena_chunk *c;

    if (n > SIZE_MAX / 4 || size > SIZE_MAX / 4)
        return false;
    if (size < n)
        size = n;
    c = malloc(sizeof *c + size);
    if (!c)
        return false;
    c->next = a->chunks;
    a->chunks = c;
    a->used = 0;
    a->size = size;
    return true;
}

void *lg_arena_alloc(struct lg_arena *a, size_t n)
{
    size_t need = (n + ALIGN - 1) & ~(ALIGN - 1);
    void *p;

    if (need < n || (need > a->size - a->used && !add_chunk(a, need)))
        return NULL;
    if (!a->chunks && !add_chunk(a, ALIGN)) /* n = 0 in an empty arena */
        return NULL;
    p = a->chunks->bytes + a->used;
    a->used += need;
    return memset(p, 0, need);
}

void *lg_arena_copy(struct lg_arena *a, const void *bytes, size_t n)
{
    void *p = lg_arena_alloc(a, n);

    if (p && n > 0)
        memcpy(p, bytes, n);
    return p;
}

/* Extend in place when the array is the last thing in the arena and its chunk has room. */
static bool extend(struct lg_list *l, struct lg_arena *a, size_t size, size_t cap)
{
    size_t old = l->cap * size, more;

    if (l->cap == 0 || old % ALIGN != 0 || (unsigned char *)l->p + old != a->chunks->bytes + a->used)
        return false;
    more = ((cap - l->cap) * size + ALIGN - 1) & ~(ALIGN - 1);
    if (more > a->size - a->used)
        return false;
    memset(a->chunks->bytes + a->used, 0, more);
    a->used += more;
    return true;
}

void *lg_list_push(struct lg_list *l, struct lg_arena *a, size_t size)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : FIRST_LIST;

        if (cap > SIZE_MAX / 4 / size)
            return NULL;
        if (!extend(l, a, size, cap)) {
            void *p = lg_arena_alloc(a, cap * size);

            if (!p)
                return NULL;
            if (l->n > 0)
                memcpy(p, l->p, l->n * size);
            l->p = p;
        }
        l->cap = cap;
    }
    return (unsigned char *)l->p + l->n++ * size;
}
