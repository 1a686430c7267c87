/* The functions that the linker puts sim_share.c and sim_known.c in the place of: __wrap_X is called for X, __real_X is the product's. */
#ifndef SIM_WRAP_H
#define SIM_WRAP_H

#include "ledger/core/offer_parts.h"
#include "ledger/core/validity_parts.h"
#include "lg_c0.h"
#include "lg_record.h"

// clang-format off
#define SIM_WRAP(type, name, args) type __real_##name args; type __wrap_##name args;
SIM_WRAP(void, sg_sha256_init, (struct sg_sha256 *h))
SIM_WRAP(void, sg_sha256_update, (struct sg_sha256 *h, const void *bytes, size_t n))
SIM_WRAP(void, sg_sha256_final, (struct sg_sha256 *h, uint8_t out[static SG_HASH_BYTES]))
SIM_WRAP(void, sg_sha256, (uint8_t out[static SG_HASH_BYTES], const void *bytes, size_t n))
SIM_WRAP(int, lg_block_decode, (struct lg_block **out, const uint8_t *doc, size_t len))
SIM_WRAP(int, lg_statement_decode, (struct lg_statement **out, const uint8_t *doc, size_t len))
SIM_WRAP(int, lg_body_decode, (struct lg_body **out, const uint8_t *doc, size_t len))
SIM_WRAP(void, lg_block_free, (struct lg_block *b))
SIM_WRAP(void, lg_statement_free, (struct lg_statement *s))
SIM_WRAP(void, lg_body_free, (struct lg_body *b))
SIM_WRAP(int, lg_body_check, (const struct lg_body *b, const struct lg_relay *relay))
SIM_WRAP(int, lg_offer_split, (struct lg_offer_parts *p, const uint8_t *doc, size_t len))
SIM_WRAP(void, lg_offer_parts_fini, (struct lg_offer_parts *p))
SIM_WRAP(int, lg_rank_position, (const struct lg_genesis *g, const struct lg_hash *prev, sg_minute slot, lg_kid kid))
SIM_WRAP(bool, lg_relay_has_reader, (const struct lg_relay *r, lg_kid gw))
SIM_WRAP(int, lg_c0_check, (const uint8_t *bytes, size_t len))
SIM_WRAP(int, lg_statement_check, (const struct lg_statement *s, const struct lg_genesis *g, const struct sg_crypto *crypto, bool verified))
SIM_WRAP(int, lg_statement_check_signature, (const struct lg_statement *s, const struct lg_rules *r, struct sg_buf *scratch))
// clang-format on

#endif
