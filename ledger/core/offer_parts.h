/* The request of an offer in its parts, before anybody looks into them. Inside of pool_intake.c and leaf_ask.c. */
#ifndef LG_OFFER_PARTS_H
#define LG_OFFER_PARTS_H

#include "lg_record.h"

struct lg_offer_part {
    struct lg_slice doc; /* into the request */
    struct lg_hash leaf;
};

struct lg_offer_parts {
    struct lg_offer_part *bodies, *statements; /* in the order of the request */
    size_t nbodies, nstatements;
};

/* No document has fewer bytes: a statement without reads and gaps, with every number of one digit; a body without points, samples, events
 * and a relay's name. */
#define LG_STATEMENT_LEAST 320u
#define LG_BODY_LEAST      84u
/* Elements of one request that are shorter all the same. */
#define LG_OFFER_SHORT 64u

/* Cut {"bodies":[…],"statements":[…]} into parts; what they hold is not judged. An element that is too short for a document is a part like any other,
 * for whoever sent it is told its fault by its index; but so that what a request costs is bounded by its bytes, of such there are no
 * more than LG_OFFER_SHORT.
 *
 * Returns: 0, SG_ECANONICAL, SG_ESHAPE (of the whole; also: more short elements), SG_ENOMEM
 * Out:     p      to be finished in any case
 * In:      doc    borrowed as long as the parts are used */
SG_MUST_USE int lg_offer_split(struct lg_offer_parts *p, const uint8_t *doc, size_t len);
void lg_offer_parts_fini(struct lg_offer_parts *p);

/* Elements of a request by their leaves, equal ones in the order of the request. A sorted array, not a hash table: leaves can be chosen to share a slot, but not to unsort a sort. */
struct lg_offer_index {
    const struct lg_offer_part **by_leaf; /* into the parts */
    size_t n;
};

/* v: borrowed until the index is finished. SG_ENOMEM. */
SG_MUST_USE int lg_offer_index_init(struct lg_offer_index *x, const struct lg_offer_part *v, size_t n);
/* The first one with this leaf; NULL: none. */
const struct lg_offer_part *lg_offer_index_find(const struct lg_offer_index *x, const struct lg_hash *leaf);
void lg_offer_index_fini(struct lg_offer_index *x);

#endif
