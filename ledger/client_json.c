/* Strict reading of the JSON in answers of ledger nodes.
 *
 * Invariant: a value is taken only with the type and range that the caller names.
 * Refuses: answers that are not JSON, nest deeper than a document can inside an answer, or carry duplicate keys. */
#include "ledger/client_json.h"
#include "sg_text.h"

/* A document nests LG_C0_MAX_DEPTH deep; lists of blocks put it three levels down. */
#define MAX_DEPTH (LG_C0_MAX_DEPTH + 4)

/* Depth before parsing: the parser's own limit is 2048, and each level costs it memory. */
static bool depth_ok(const uint8_t *p, size_t len)
{
    unsigned depth = 0;
    bool text = false;

    for (size_t i = 0; i < len; i++) {
        if (text) {
            if (p[i] == '\\')
                i++;
            else if (p[i] == '"')
                text = false;
        } else if (p[i] == '"') {
            text = true;
        } else if (p[i] == '{' || p[i] == '[') {
            if (++depth > MAX_DEPTH)
                return false;
        } else if ((p[i] == '}' || p[i] == ']') && depth > 0) {
            depth--;
        }
    }
    return true;
}

/* An object, or NULL. */
json_t *lg_client_json_object(const struct sg_buf *body)
{
    json_t *root;

    if (body->len == 0 || !depth_ok(body->p, body->len))
        return NULL;
    root = json_loadb((const char *)body->p, body->len, JSON_REJECT_DUPLICATES, NULL);
    if (root && !json_is_object(root)) {
        json_decref(root);
        root = NULL;
    }
    return root;
}

bool lg_client_json_int(int64_t *out, const json_t *obj, const char *key, int64_t min, int64_t max)
{
    const json_t *v = json_object_get(obj, key);
    json_int_t n = json_integer_value(v);

    if (!json_is_integer(v) || n < min || n > max)
        return false;
    *out = n;
    return true;
}

bool lg_client_json_hash(struct lg_hash *out, const json_t *obj, const char *key)
{
    const json_t *v = json_object_get(obj, key);

    return json_is_string(v) &&
           sg_hex_decode(out->b, sizeof out->b, json_string_value(v), json_string_length(v)) == 0;
}

/* The code of a problem document. A node's word for its own troubles must not read as one of ours: codes that never leave a
 * process, "ok" and unknown ones are malformed. */
static int problem_of(const struct sg_buf *body)
{
    json_t *root = lg_client_json_object(body);
    const char *code = json_string_value(json_object_get(root, "code"));
    int err = code ? sg_err_of_code(code) : SG_EINVAL;

    json_decref(root);
    return err <= -(int)SG_ECANONICAL_NO && err > -(int)SG_ERR_COUNT ? err : SG_EMALFORMED;
}

/* 0 for an answer with status 200; else its error. */
int lg_client_json_err(const struct sg_http_answer *answer)
{
    if (answer->err)
        return answer->err;
    return answer->status == 200 ? 0 : problem_of(&answer->body);
}

int lg_client_json_open(json_t **root, const struct sg_http_answer *answer)
{
    int err = lg_client_json_err(answer);

    if (err)
        return err;
    *root = lg_client_json_object(&answer->body);
    return *root ? 0 : SG_EMALFORMED;
}
