/* A document's struct behind the arena that it owns, so that the struct alone finds it again.
 *
 * Refuses: what is no C0. */
#include "ledger/core/owner.h"

#include <stddef.h>
#include <stdlib.h>

#include "lg_c0.h"
#include "sg_err.h"

struct owner {
    struct lg_arena arena;
    _Alignas(max_align_t) unsigned char document[];
};

void *lg_owner_new(
    int *err, struct lg_arena **arena, uint8_t **copy, size_t size, const uint8_t *doc, size_t len)
{
    struct owner *o;
    uint8_t *bytes;

    *err = lg_c0_check(doc, len);
    if (*err)
        return NULL;
    *err = SG_ENOMEM;
    o = calloc(1, sizeof *o + size);
    if (!o)
        return NULL;
    bytes = lg_arena_copy(&o->arena, doc, len);
    if (!bytes) {
        lg_owner_free(o->document);
        return NULL;
    }
    *err = 0;
    *arena = &o->arena;
    *copy = bytes;
    return o->document;
}

void lg_owner_free(void *document)
{
    struct owner *o;

    if (!document)
        return;
    o = (struct owner *)(void *)((unsigned char *)document - offsetof(struct owner, document));
    lg_arena_fini(&o->arena);
    free(o);
}
