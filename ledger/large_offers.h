/* Large offers of statements under way: at most one of an address waits for the chain thread or is judged by it, so that whoever sends
 * much stands in the way of others once and not a dozen times. Small ones are not counted. No lock: the owner has it. */
#ifndef LG_LARGE_OFFERS_H
#define LG_LARGE_OFFERS_H

#include <stddef.h>

#include "sg_err.h"
#include "sg_http.h"

#define LG_LARGE_OFFER                                                                                       \
    ((size_t)256                                                                                             \
        << 10) /* longer ones are large, in bytes; a commit of a minute is not, nor what nodes push */
#define LG_LARGE_OFFERS 64 /* of all addresses */

struct lg_large_offers {
    char address[LG_LARGE_OFFERS][SG_HTTP_ADDRESS + 1]; /* "": free */
};

/* An offer of len bytes begins. *place is for lg_large_offers_end, written on success only. SG_EOVERLOADED: another of this address is under way,
 * or too many are. */
SG_MUST_USE int lg_large_offers_begin(
    struct lg_large_offers *o, unsigned *place, const char *address, size_t len);
void lg_large_offers_end(struct lg_large_offers *o, unsigned place);

#endif
