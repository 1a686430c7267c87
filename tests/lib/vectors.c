#include "vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

json_t *vec_load(const char *name)
{
    char path[128] = "tests/vectors/";
    json_error_t error;
    json_t *doc;

    strncat(path, name, sizeof path - strlen(path) - 1);
    doc = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!doc)
        fail_msg("%s: %s", path, error.text);
    return doc;
}

json_t *vec_get(const json_t *object, const char *key)
{
    json_t *v = json_object_get(object, key);

    if (!v)
        fail_msg("no member %s", key);
    return v;
}

json_int_t vec_number(const json_t *object, const char *key)
{
    assert_true(json_is_integer(vec_get(object, key)));
    return json_integer_value(vec_get(object, key));
}

const char *vec_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(vec_get(object, key));

    assert_non_null(text);
    return text;
}

uint8_t *vec_bytes(const json_t *doc, size_t *len)
{
    char *text = json_dumps(doc, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);

    assert_non_null(text);
    *len = strlen(text);
    return (uint8_t *)text;
}

struct lg_hash vec_hash(const char *hex)
{
    struct lg_hash h;

    assert_int_equal(strlen(hex), 64);
    for (unsigned i = 0; i < sizeof h.b; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], 0};

        h.b[i] = (uint8_t)strtoul(two, NULL, 16);
    }
    return h;
}

struct lg_genesis *vec_genesis(const json_t *doc)
{
    struct lg_genesis *g = NULL;
    size_t len;
    uint8_t *bytes = vec_bytes(doc, &len);

    assert_code(lg_genesis_decode(&g, bytes, len, &sg_crypto_openssl), 0);
    free(bytes);
    return g;
}

struct lg_block *vec_block(const json_t *doc)
{
    struct lg_block *b = NULL;
    size_t len;
    uint8_t *bytes = vec_bytes(doc, &len);

    assert_code(lg_block_decode(&b, bytes, len), 0);
    free(bytes);
    return b;
}

struct sg_key *vec_key(unsigned n)
{
    json_t *keys = vec_load("keys.json");
    const char *pem = vec_text(json_array_get(keys, n), "pem");
    struct sg_key *k = NULL;

    assert_code(sg_key_of_pem(&k, pem, strlen(pem)), 0);
    json_decref(keys);
    return k;
}
