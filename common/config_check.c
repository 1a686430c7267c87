/* What a configuration's text must be before it is parsed, and the keys that are given twice.
 *
 * The JSON library would accept 2048 levels, and of duplicates it names only the first, without its path. */
#include "common/config.h"

#include <string.h>

static const char bom[] = "\xef\xbb\xbf";

/* Run the scan up to the event that reaches offset, so that its path is the path of that place. */
static void scan_to(struct sg_scan *s, const struct sg_config *c, size_t offset)
{
    enum sg_scan_event event;

    sg_scan_init(s, c->text, offset < c->len ? offset : c->len);
    do
        event = sg_scan_next(s);
    while (event != SG_SCAN_END && event != SG_SCAN_DEEP);
}

static bool check_bytes(struct sg_config *c)
{
    struct sg_scan s;
    const char *nul = memchr(c->text, '\0', c->len);

    sg_scan_init(&s, c->text, c->len);
    if (c->len >= 3 && memcmp(c->text, bom, 3) == 0) {
        sg_config_fault_scan(c, &s, 0, "the file begins with a byte order mark");
        return false;
    }
    if (nul) {
        scan_to(&s, c, (size_t)(nul - c->text));
        sg_config_fault_scan(c, &s, (size_t)(nul - c->text), "a NUL byte");
        return false;
    }
    return true;
}

bool sg_config_check_text(struct sg_config *c)
{
    struct sg_scan s;
    enum sg_scan_event event;

    if (!check_bytes(c))
        return false;
    sg_scan_init(&s, c->text, c->len);
    do
        event = sg_scan_next(&s);
    while (event != SG_SCAN_END && event != SG_SCAN_DEEP);
    if (event == SG_SCAN_DEEP)
        sg_config_fault_scan(c, &s, s.offset, "nested deeper than %d levels", (int)SG_CONFIG_DEPTH);
    return event == SG_SCAN_END;
}

/* seen maps each key of an object to the offset where it was first given. */
static void check_key(struct sg_config *c, const struct sg_scan *s, json_t *seen)
{
    json_t *key = sg_scan_key(s, &s->frames[s->depth - 1]);

    if (!key || !seen) {
        c->nomem = true;
        json_decref(key);
        return;
    }
    const char *text = json_string_value(key);
    const json_t *first = json_object_get(seen, text);
    if (first)
        sg_config_fault_scan(c, s, s->offset, "the key is given twice, first on line %zu",
            sg_line_of(c->text, (size_t)json_integer_value(first)));
    else if (json_object_set_new(seen, text, json_integer((json_int_t)s->offset)) != 0)
        c->nomem = true;
    json_decref(key);
}

void sg_config_check_duplicates(struct sg_config *c)
{
    json_t *seen[SG_CONFIG_DEPTH] = {NULL}; /* of the frame at that depth */
    struct sg_scan s;
    enum sg_scan_event event;

    sg_scan_init(&s, c->text, c->len);
    while ((event = sg_scan_next(&s)) != SG_SCAN_END && event != SG_SCAN_DEEP) {
        if (event == SG_SCAN_OPEN) {
            json_decref(seen[s.depth - 1]);
            seen[s.depth - 1] = json_object();
        } else if (event == SG_SCAN_KEY) {
            check_key(c, &s, seen[s.depth - 1]);
        }
    }
    for (size_t i = 0; i < SG_ARRAY_LEN(seen); i++)
        json_decref(seen[i]);
}
