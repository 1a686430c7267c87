/* The worked examples under tests/vectors, for unit tests. Faults end the test (cmocka asserts). */
#ifndef TEST_VECTORS_H
#define TEST_VECTORS_H

#include "lg_record.h"
#include "sg_key.h"

#include <jansson.h>

/* A file of tests/vectors; json_decref when done. */
json_t *vec_load(const char *name);
/* A member of an object that must be there. */
json_t *vec_get(const json_t *object, const char *key);
const char *vec_text(const json_t *object, const char *key);
/* An integer member that must be there. */
json_int_t vec_number(const json_t *object, const char *key);
/* The canonical bytes of a document; free() when done. */
uint8_t *vec_bytes(const json_t *doc, size_t *len);
struct lg_hash vec_hash(const char *hex);
/* The genesis of a vector file. */
struct lg_genesis *vec_genesis(const json_t *doc);
struct lg_block *vec_block(const json_t *doc);
/* Private key n (0-based) of keys.json. */
struct sg_key *vec_key(unsigned n);

/* What a failed comparison of codes should print. */
#define assert_code(got, want) assert_string_equal(sg_err_code(got), sg_err_code(want))

#endif
