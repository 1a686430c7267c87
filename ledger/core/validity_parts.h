/* The rules that validity.c and the pool put together in their order. Internal to ledger/core. */
#ifndef LG_VALIDITY_PARTS_H
#define LG_VALIDITY_PARTS_H

#include "ledger/core/validity.h"

/* SG_EUNKNOWN_GATEWAY, SG_ESTATEMENT_SIGNATURE; SG_ENOMEM is no verdict; asks and feeds r->verified. scratch is the caller's, kept between calls. */
SG_MUST_USE int lg_statement_check_signature(
    const struct lg_statement *s, const struct lg_rules *r, struct sg_buf *scratch);
/* SG_ESTATEMENT_SLOT for ts before the slot's end or inc > ts. */
SG_MUST_USE int lg_statement_check_slot(const struct lg_statement *s);
/* SG_ERELAY, SG_EREADER: each read, then each gap. */
SG_MUST_USE int lg_statement_check_relays(const struct lg_statement *s, const struct lg_genesis *g);
/* SG_EMINUTE unless from..to lies in max(genesis minute, slot-1439)..slot. */
SG_MUST_USE int lg_statement_check_minute(
    const struct lg_statement *s, sg_minute from, sg_minute to, const struct lg_genesis *g);
/* SG_ECHAIN to SG_ETIME: placement on the parent, what needs no cryptography. */
SG_MUST_USE int lg_header_check_place(
    const struct lg_genesis *g, const struct lg_header *h, const struct lg_block_info *parent);
/* SG_EFUTURE; now_ms < 0: no clock. */
SG_MUST_USE int lg_header_check_time(const struct lg_header *h, sg_ms now_ms);
/* SG_EMINER, SG_EWORK, SG_ESIGNATURE: what makes a header somebody's, wherever it stands. */
SG_MUST_USE int lg_header_check_seal(const struct lg_rules *r, const struct lg_header *h,
    const struct lg_hash *hash, struct lg_slice header_doc, const uint8_t *sig);

#endif
