/* What the decoders of the documents share: parts that are read from a cursor into an arena. Internal to ledger/core.
 *
 * The lg_parse_ functions leave faults of shape in the cursor (lg_c0_fail); they return SG_ENOMEM or 0. */
#ifndef LG_PARSE_H
#define LG_PARSE_H

#include "ledger/core/arena.h"
#include "lg_record.h"

/* The next value as an unescaped name: borrowed from the document, or from the arena when it holds escapes. */
SG_MUST_USE int lg_parse_name(struct lg_name *out, struct lg_c0 *c, struct lg_arena *a);
/* 16 hex digits. */
lg_kid lg_parse_kid(struct lg_c0 *c);
/* "v":1 and the closing brace: how every document but the header ends. */
void lg_parse_version(struct lg_c0 *c);
bool lg_name_eq(struct lg_name a, struct lg_name b);
struct lg_name lg_name_of(const char *text);

/* A whole document at the cursor; doc and the hash are set, doc borrowed from the cursor's bytes. */
SG_MUST_USE int lg_parse_statement(struct lg_statement *out, struct lg_c0 *c, struct lg_arena *a);
SG_MUST_USE int lg_parse_body(struct lg_body *out, struct lg_c0 *c, struct lg_arena *a);
void lg_parse_header(struct lg_header *out, struct lg_c0 *c);

#endif
