/* The getters: what a value must be, and what its absence means.
 *
 * A getter of a missing object (NULL) gives its default and records nothing: the fault of the missing object is enough. Every
 * fault is recorded and the default returned, so that one run finds all faults of a file. */
#include "common/config.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "sg_text.h"

/* ---- finding ---- */

static struct sg_node *find(const struct sg_node *obj, const char *key)
{
    for (size_t i = 0; i < obj->count; i++)
        if (strcmp(obj->children[i].key, key) == 0)
            return &obj->children[i];
    return NULL;
}

const struct sg_node *sg_config_member(const struct sg_node *obj, const char *key)
{
    return obj ? find(obj, key) : NULL;
}

/* The value of a key, now known; NULL when missing (a fault when required). */
static const struct sg_node *ask(
    struct sg_config *c, const struct sg_node *obj, const char *key, bool required)
{
    if (!obj)
        return NULL;
    assert(json_is_object(obj->json));
    struct sg_node *node = find(obj, key);
    if (node)
        node->asked = true;
    else if (required)
        sg_config_fault_at(c, obj, SG_AT_VALUE, key, "missing");
    return node;
}

void sg_config_no_more(struct sg_config *c, const struct sg_node *obj)
{
    for (size_t i = 0; obj && i < obj->count; i++)
        if (!obj->children[i].asked)
            sg_config_fault_at(c, &obj->children[i], SG_AT_KEY, NULL, "unknown key");
}

/* ---- checking ---- */

static const char *kind_of(const json_t *j)
{
    switch (json_typeof(j)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number with a fraction or an exponent";
    case JSON_TRUE:
        return "true";
    case JSON_FALSE:
        return "false";
    case JSON_NULL:
        return "null";
    }
    return "?";
}

static bool check_kind(struct sg_config *c, const struct sg_node *node, bool good, const char *wanted)
{
    if (!good)
        sg_config_fault_at(c, node, SG_AT_VALUE, NULL, "must be %s, not %s", wanted, kind_of(node->json));
    return good;
}

/* U+0000..U+001F, U+007F, and U+0080..U+009F as UTF-8. */
static bool has_control(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char a = (unsigned char)s[i];
        unsigned char b = i + 1 < n ? (unsigned char)s[i + 1] : 0;
        if (a < 0x20 || a == 0x7f || (a == 0xc2 && b >= 0x80 && b < 0xa0))
            return true;
    }
    return false;
}

static const char *checked_str(struct sg_config *c, const struct sg_node *node, size_t min, size_t max)
{
    if (!check_kind(c, node, json_is_string(node->json), "a string"))
        return NULL;
    const char *s = json_string_value(node->json);
    size_t n = json_string_length(node->json);
    if (n < min || n > max) {
        sg_config_fault_at(c, node, SG_AT_VALUE, NULL, "must have %zu..%zu bytes, has %zu", min, max, n);
        return NULL;
    }
    if (has_control(s, n) || !sg_utf8_valid(s, n)) {
        sg_config_fault_at(c, node, SG_AT_VALUE, NULL, "must be text without control characters");
        return NULL;
    }
    return s;
}

/* ---- getters ---- */

const struct sg_node *sg_config_object(
    struct sg_config *c, const struct sg_node *obj, const char *key, bool required)
{
    const struct sg_node *node = ask(c, obj, key, required);

    return node && check_kind(c, node, json_is_object(node->json), "an object") ? node : NULL;
}

const struct sg_node *sg_config_array(
    struct sg_config *c, const struct sg_node *obj, const char *key, bool required, size_t min, size_t max)
{
    const struct sg_node *node = ask(c, obj, key, required);

    if (!node || !check_kind(c, node, json_is_array(node->json), "an array"))
        return NULL;
    if (node->count < min || node->count > max) {
        sg_config_fault_at(
            c, node, SG_AT_VALUE, NULL, "must have %zu..%zu elements, has %zu", min, max, node->count);
        return NULL;
    }
    return node;
}

int64_t sg_config_int(struct sg_config *c, const struct sg_node *obj, const char *key, bool required,
    int64_t fallback, int64_t min, int64_t max)
{
    const struct sg_node *node = ask(c, obj, key, required);

    if (!node || !check_kind(c, node, json_is_integer(node->json), "an integer"))
        return fallback;
    int64_t v = json_integer_value(node->json);
    if (v < min || v > max) {
        sg_config_fault_at(
            c, node, SG_AT_VALUE, NULL, "%" PRId64 " is not in %" PRId64 "..%" PRId64, v, min, max);
        return fallback;
    }
    return v;
}

bool sg_config_bool(struct sg_config *c, const struct sg_node *obj, const char *key, bool fallback)
{
    const struct sg_node *node = ask(c, obj, key, false);

    if (!node || !check_kind(c, node, json_is_boolean(node->json), "true or false"))
        return fallback;
    return json_is_true(node->json);
}

const char *sg_config_str(struct sg_config *c, const struct sg_node *obj, const char *key, bool required,
    const char *fallback, size_t min, size_t max)
{
    const struct sg_node *node = ask(c, obj, key, required);
    const char *s = node ? checked_str(c, node, min, max) : NULL;

    return s ? s : fallback;
}

/* ---- arrays ---- */

size_t sg_config_len(const struct sg_node *array)
{
    return array ? array->count : 0;
}

const struct sg_node *sg_config_item(const struct sg_node *array, size_t i)
{
    return i < sg_config_len(array) ? &array->children[i] : NULL;
}

const struct sg_node *sg_config_item_object(struct sg_config *c, const struct sg_node *array, size_t i)
{
    const struct sg_node *node = sg_config_item(array, i);

    return node && check_kind(c, node, json_is_object(node->json), "an object") ? node : NULL;
}

const char *sg_config_item_str(
    struct sg_config *c, const struct sg_node *array, size_t i, size_t min, size_t max)
{
    const struct sg_node *node = sg_config_item(array, i);

    return node ? checked_str(c, node, min, max) : NULL;
}
