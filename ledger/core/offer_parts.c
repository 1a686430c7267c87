/* Cutting an offer into its documents: a function of its bytes alone.
 *
 * The request is C0 as a whole and has exactly two keys, each an array; anything else refuses it as a whole, and so do more than a few elements
 * that are too short for any document. */
#include "ledger/core/offer_parts.h"

#include <stdlib.h>
#include <string.h>

/* Elements of the array at c; *nshort counts those of fewer bytes than least. */
static int cut(struct lg_c0 *c, struct lg_offer_part **out, size_t *n, size_t least, unsigned *nshort)
{
    size_t cap = 0;
    lg_c0_array(c);
    while (lg_c0_more(c)) {
        if (*n == cap) {
            cap = cap == 0 ? 16 : cap * 2;
            struct lg_offer_part *grown = realloc(*out, cap * sizeof *grown);
            if (grown == NULL) {
                return SG_ENOMEM;
            }
            *out = grown;
        }
        struct lg_slice doc = lg_c0_value(c);
        if (doc.len < least && ++*nshort > LG_OFFER_SHORT) {
            return SG_ESHAPE;
        }
        (*out)[(*n)++].doc = doc;
    }
    return 0;
}

static void hash_all(struct lg_offer_part *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        lg_hash_leaf(&v[i].leaf, v[i].doc.p, v[i].doc.len);
    }
}

int lg_offer_split(struct lg_offer_parts *p, const uint8_t *doc, size_t len)
{
    struct lg_c0 c;
    unsigned nshort = 0;
    memset(p, 0, sizeof *p);
    int err = lg_c0_check(doc, len);
    if (err != 0) {
        return err;
    }
    lg_c0_open(&c, doc, len);
    lg_c0_object(&c);
    lg_c0_key(&c, "bodies");
    err = cut(&c, &p->bodies, &p->nbodies, LG_BODY_LEAST, &nshort);
    if (err == 0) {
        lg_c0_key(&c, "statements");
        err = cut(&c, &p->statements, &p->nstatements, LG_STATEMENT_LEAST, &nshort);
    }
    if (err == 0) {
        lg_c0_object_end(&c);
        err = lg_c0_close(&c);
    }
    if (err == 0) {
        hash_all(p->bodies, p->nbodies);
        hash_all(p->statements, p->nstatements);
    }
    return err;
}

void lg_offer_parts_fini(struct lg_offer_parts *p)
{
    free(p->bodies);
    free(p->statements);
    memset(p, 0, sizeof *p);
}

static int by_leaf(const void *a, const void *b)
{
    const struct lg_offer_part *const *x = a, *const *y = b;
    int c = lg_hash_cmp(&(*x)->leaf, &(*y)->leaf);
    return c != 0 ? c : *x < *y ? -1 : *x > *y;
}

int lg_offer_index_init(struct lg_offer_index *x, const struct lg_offer_part *v, size_t n)
{
    x->n = n;
    x->by_leaf = malloc((x->n + 1) * sizeof(*x->by_leaf));
    if (x->by_leaf == NULL) {
        return SG_ENOMEM;
    }
    for (size_t i = 0; i < x->n; i++) {
        x->by_leaf[i] = &v[i];
    }
    qsort(x->by_leaf, x->n, sizeof(*x->by_leaf), by_leaf);
    return 0;
}

const struct lg_offer_part *lg_offer_index_find(const struct lg_offer_index *x, const struct lg_hash *leaf)
{
    size_t lo = 0, hi = x->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (lg_hash_cmp(&x->by_leaf[mid]->leaf, leaf) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < x->n && lg_hash_eq(&x->by_leaf[lo]->leaf, leaf) ? x->by_leaf[lo] : NULL;
}

void lg_offer_index_fini(struct lg_offer_index *x)
{
    free(x->by_leaf);
    *x = (struct lg_offer_index){0};
}
