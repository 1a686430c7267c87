/* The bodies of a block by digest, and the rule that needs it before any order is proved: size.
 *
 * Sorted by heapsort: n log n for every input, no memory of its own. */
#include "ledger/core/body_index.h"

#include <stdlib.h>
#include <string.h>

static int entry_cmp(
    const struct lg_body_index *x, const struct lg_body_entry *a, const struct lg_body_entry *b)
{
    if (a->head != b->head)
        return a->head < b->head ? -1 : 1;
    return lg_hash_cmp(&x->block->bodies[a->at]->digest, &x->block->bodies[b->at]->digest);
}

/* Restore the heap below `root`; the heap has n entries. */
static void sift(struct lg_body_index *x, unsigned root, unsigned n)
{
    struct lg_body_entry e = x->entries[root];

    for (unsigned child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && entry_cmp(x, &x->entries[child], &x->entries[child + 1]) < 0)
            child++;
        if (entry_cmp(x, &e, &x->entries[child]) >= 0)
            break;
        x->entries[root] = x->entries[child];
    }
    x->entries[root] = e;
}

static void sort(struct lg_body_index *x)
{
    for (unsigned i = x->n / 2; i-- > 0;)
        sift(x, i, x->n);
    for (unsigned n = x->n; n > 1; n--) {
        struct lg_body_entry top = x->entries[0];

        x->entries[0] = x->entries[n - 1];
        x->entries[n - 1] = top;
        sift(x, 0, n - 1);
    }
}

int lg_body_index_init(struct lg_body_index *x, const struct lg_block *b)
{
    *x = (struct lg_body_index){.block = b, .n = b->nbodies};
    if (x->n == 0)
        return 0;
    x->entries = malloc(x->n * sizeof *x->entries);
    x->read = calloc(x->n, sizeof *x->read);
    if (!x->entries || !x->read) {
        lg_body_index_fini(x);
        return SG_ENOMEM;
    }
    for (unsigned i = 0; i < x->n; i++)
        x->entries[i] = (struct lg_body_entry){sg_get_be64(b->bodies[i]->digest.b), i};
    sort(x);
    return 0;
}

void lg_body_index_fini(struct lg_body_index *x)
{
    free(x->entries);
    free(x->read);
    *x = (struct lg_body_index){0};
}

int lg_body_index_find(const struct lg_body_index *x, const struct lg_hash *digest)
{
    uint64_t head = sg_get_be64(digest->b);

    for (unsigned lo = 0, hi = x->n; lo < hi;) {
        unsigned mid = (lo + hi) / 2;
        const struct lg_body_entry *e = &x->entries[mid];
        int cmp = e->head != head ? (e->head < head ? -1 : 1)
                                  : lg_hash_cmp(&x->block->bodies[e->at]->digest, digest);

        if (cmp == 0)
            return (int)e->at;
        if (cmp < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return -1;
}

int lg_block_check_size(const struct lg_genesis *g, const struct lg_block *b, struct lg_body_index *x)
{
    size_t max = (size_t)g->policy.max_block_bytes;
    int err = 0;

    if (b->doc_len > max)
        return SG_ESIZE;
    if (b->doc_len <= max / 2) /* then no part of it is larger */
        return 0;
    for (unsigned i = 0; i < b->nstatements && err == 0; i++) {
        const struct lg_statement *s = b->statements[i];
        size_t sum = s->doc_len;

        for (unsigned k = 0; k < s->nreads; k++) {
            int at = lg_body_index_find(x, &s->reads[k].digest);

            if (at >= 0 && !x->read[at]) {
                x->read[at] = true;
                sum += b->bodies[at]->doc_len;
            }
        }
        if (sum > max / 2)
            err = SG_ESIZE;
    }
    if (x->n > 0)
        memset(x->read, 0, x->n * sizeof *x->read);
    return err;
}
