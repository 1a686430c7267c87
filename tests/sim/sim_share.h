/* What all nodes of a simulation share, put under the product's code by the linker (--wrap, see the Makefile): a fast hash in the place of
 * SHA-256, and documents that are decoded and checked alone once, however many nodes are handed the same bytes.
 *
 * Nothing that a node decides is shared: a decoded document is immutable, and what is remembered of bytes (their hash, that they are
 * canonical, their parts, the verdict of lg_body_check, the turns of the miners) is a function of them. Both can be switched off; sharing
 * changes no run (test_sim compares the traces). One thread. */
#ifndef SIM_SHARE_H
#define SIM_SHARE_H

#include "ledger/core/offer_parts.h"

/* Both are on at the start; change them between simulations only. */
void sim_share_documents(bool shared);
void sim_share_fast_hash(bool fast);
bool sim_share_is_on(void);
/* Forget everything. No simulation may run: every shared document has been given back (aborts otherwise: a leak). */
void sim_share_clear(void);

/* ---- documents (sim_share.c) ---- */
enum sim_kind { SIM_KIND_BLOCK, SIM_KIND_STATEMENT, SIM_KIND_BODY };
struct sim_shared;
/* One more user of what these bytes decode to; NULL with *err: they do not. leaf: of a statement or body when the caller has it. */
struct sim_shared *sim_shared_take(
    enum sim_kind kind, int *err, const uint8_t *doc, size_t len, const struct lg_hash *leaf);
struct sim_shared *sim_shared_ref(struct sim_shared *x);
void sim_shared_drop(struct sim_shared *x);
void *sim_shared_document(struct sim_shared *x);

/* ---- bytes that go from hand to hand (sim_known.c) ---- */
/* Between begin and end a call that is given these very bytes (the same address) is answered from what was found out before. *slot: NULL
 * at first; the caller's to free. */
struct sim_known;
void sim_known_begin(struct sim_known **slot, const uint8_t *bytes, size_t len);
void sim_known_end(void);
void sim_known_free(struct sim_known *k);
/* Of an offer that the simulator itself has put together: its parts need not be looked for. Takes what p holds. */
struct sim_known *sim_known_offer(const uint8_t *bytes, size_t len, const struct lg_offer_parts *p_take);
/* The document that decodes from doc, when it is the running one or a part of it: one more user; NULL: another, or not decodable. */
struct sim_shared *sim_known_document(enum sim_kind kind, const uint8_t *doc, size_t len);
void sim_known_clear(void);
/* From now on what is decoded is what this node has just encoded, or read from its disk. */
void sim_known_own_block(bool on);
/* From now on every gateway may read every relay. */
void sim_known_blind(bool on);

#endif
