/* Reading the JSON of answers, shared by ledger/client*.c only. */
#ifndef LG_CLIENT_JSON_H
#define LG_CLIENT_JSON_H

#include "lg_client.h"

#include <jansson.h>

/* Greatest integer of a document: 2^53 - 1. */
#define LG_CLIENT_MAX_POSITION INT64_C(9007199254740991)

/* An object, or NULL; the caller frees it (json_decref). */
json_t *lg_client_json_object(const struct sg_buf *body);
/* 0 for an answer with status 200; else its error. */
SG_MUST_USE int lg_client_json_err(const struct sg_http_answer *answer);
/* The object of an answer with status 200, for json_decref; else its error, SG_EMALFORMED when it is no object. */
SG_MUST_USE int lg_client_json_open(json_t **root, const struct sg_http_answer *answer);
/* The member key of obj: false when it is not there, of another type or out of range; out is written on true only. */
bool lg_client_json_int(int64_t *out, const json_t *obj, const char *key, int64_t min, int64_t max);
bool lg_client_json_hash(struct lg_hash *out, const json_t *obj, const char *key);

#endif
