/* Asking before telling: which of these statements do you lack?
 *
 *   question {"leaves":[leaf…]}      answer {"missing":[index…]}, strictly increasing
 *
 * and the part of an offer that follows the answer. Pure. Thread: any. */
#ifndef LG_LEAF_ASK_H
#define LG_LEAF_ASK_H

#include "lg_record.h"

/* Statements in one question; more are offered unasked. */
#define LG_ASK_MAX       1024u
#define LG_ASK_MAX_BYTES (LG_ASK_MAX * 67u + 64u)

/* n <= LG_ASK_MAX. */
void lg_ask_encode(struct sg_buf *out, const struct lg_hash *leaves, unsigned n);
/* leaves: room for LG_ASK_MAX. SG_ECANONICAL, SG_ESHAPE (also: more than LG_ASK_MAX). */
SG_MUST_USE int lg_ask_decode(struct lg_hash *leaves, unsigned *n, const uint8_t *doc, size_t len);
void lg_ask_answer_encode(struct sg_buf *out, const bool *missing, unsigned n);
/* missing[0..n) is written on success. SG_ECANONICAL, SG_ESHAPE (also: an index that was not asked for). */
SG_MUST_USE int lg_ask_answer_decode(bool *missing, unsigned n, const uint8_t *doc, size_t len);
/* Of an offer of n statements the missing ones, with the bodies of the offer that they read, appended to out. SG_ECANONICAL, SG_ESHAPE (also:
 * it does not hold n), SG_ENOMEM. */
SG_MUST_USE int lg_ask_offer(
    struct sg_buf *out, const uint8_t *offer, size_t len, const bool *missing, unsigned n);

#endif
