/* The newest events, as text.
 *
 * Invariant: the numbers first .. next - 1 are there, all of them, and bytes is the sum of their lengths, at most max_bytes. */
#include "ledger/core/event_ring.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int lg_event_ring_init(struct lg_event_ring *r, size_t max_bytes, size_t max_events)
{
    assert(max_bytes > 0 && max_events > 0);
    *r = (struct lg_event_ring){.cap = max_events, .max_bytes = max_bytes, .next = 1};
    r->at = calloc(max_events, sizeof(struct lg_event_text *));
    return r->at == NULL ? SG_ENOMEM : 0;
}

uint64_t lg_event_ring_first(const struct lg_event_ring *r)
{
    return r->next - r->n;
}

static void drop_oldest(struct lg_event_ring *r)
{
    struct lg_event_text **slot = &r->at[lg_event_ring_first(r) % r->cap];
    r->bytes -= (*slot)->len;
    free(*slot);
    *slot = NULL;
    r->n--;
}

static void clear(struct lg_event_ring *r)
{
    while (r->n > 0) {
        drop_oldest(r);
    }
}

void lg_event_ring_fini(struct lg_event_ring *r)
{
    if (r->at != NULL) {
        clear(r);
    }
    free(r->at);
    r->at = NULL;
}

uint64_t lg_event_ring_put(struct lg_event_ring *r, const char *text, size_t len)
{
    struct lg_event_text *e = len > r->max_bytes ? NULL : malloc(sizeof *e + len);
    if (e == NULL) {
        clear(r);
        return r->next++;
    }
    e->len = len;
    memcpy(e->text, text, len);
    while (r->n == r->cap || r->bytes + len > r->max_bytes) {
        drop_oldest(r);
    }
    r->at[r->next % r->cap] = e;
    r->n++;
    r->bytes += len;
    return r->next++;
}

const struct lg_event_text *lg_event_ring_get(const struct lg_event_ring *r, uint64_t number)
{
    return number < lg_event_ring_first(r) || number >= r->next ? NULL : r->at[number % r->cap];
}
