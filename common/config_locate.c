/* Where a value stands in the text: the JSON library keeps no line of what it has parsed.
 *
 * A small scanner that knows strings, brackets, commas and colons, and nothing else. On text that is JSON its path is
 * exact; on text that is not it stays inside the text, ends, and its path is where it had come to. It is run only
 * when there is something to report. Lines are counted by LF, so CR LF counts once. */
#include "common/config.h"

#include <string.h>

enum { KEY_SHOWN = 64 };

void sg_scan_init(struct sg_scan *s, const char *text, size_t len)
{
    *s = (struct sg_scan){.text = text, .len = len};
}

static struct sg_scan_frame *top(struct sg_scan *s)
{
    return s->depth > 0 ? &s->frames[s->depth - 1] : NULL;
}

/* pos is at the opening quote; moves behind the closing one, or to the end of the text. */
static void skip_string(struct sg_scan *s)
{
    for (s->pos++; s->pos < s->len; s->pos++) {
        if (s->text[s->pos] == '\\')
            s->pos++;
        else if (s->text[s->pos] == '"')
            break;
    }
    s->pos = s->pos < s->len ? s->pos + 1 : s->len;
}

static void skip_scalar(struct sg_scan *s)
{
    while (s->pos < s->len && !memchr(" \t\r\n,:[]{}\"", s->text[s->pos], 11))
        s->pos++;
}

static enum sg_scan_event open_bracket(struct sg_scan *s)
{
    s->opens = false;
    if (s->depth == SG_CONFIG_DEPTH) {
        s->pos = s->len;
        return SG_SCAN_DEEP;
    }
    bool is_array = s->text[s->pos++] == '[';
    s->frames[s->depth++] = (struct sg_scan_frame){.is_array = is_array, .wants_key = !is_array};
    return SG_SCAN_OPEN;
}

static enum sg_scan_event close_bracket(struct sg_scan *s)
{
    s->pos++;
    if (s->depth <= 1) { /* of the root, or one too many: nothing can be followed behind it */
        s->depth = 0;
        s->pos = s->len;
        return SG_SCAN_END;
    }
    s->depth--;
    return SG_SCAN_CLOSE;
}

static enum sg_scan_event take_string(struct sg_scan *s)
{
    struct sg_scan_frame *f = top(s);

    skip_string(s);
    if (!f || !f->wants_key)
        return SG_SCAN_VALUE;
    f->wants_key = false;
    f->key_at = s->offset;
    f->key_size = s->pos - s->offset;
    return SG_SCAN_KEY;
}

static void pass_comma(struct sg_scan *s)
{
    struct sg_scan_frame *f = top(s);

    s->pos++;
    if (f && f->is_array)
        f->index++;
    else if (f)
        f->wants_key = true;
}

enum sg_scan_event sg_scan_next(struct sg_scan *s)
{
    if (s->opens)
        return open_bracket(s);
    while (s->pos < s->len) {
        s->offset = s->pos;
        switch (s->text[s->pos]) {
        case ' ':
        case '\t':
        case '\r':
        case '\n':
        case ':':
            s->pos++;
            continue;
        case ',':
            pass_comma(s);
            continue;
        case '"':
            return take_string(s);
        case '{':
        case '[':
            s->opens = true;
            return SG_SCAN_VALUE;
        case '}':
        case ']':
            return close_bracket(s);
        default:
            skip_scalar(s);
            return SG_SCAN_VALUE;
        }
    }
    return SG_SCAN_END;
}

json_t *sg_scan_key(const struct sg_scan *s, const struct sg_scan_frame *f)
{
    return f->key_size == 0 ? NULL : json_loadb(s->text + f->key_at, f->key_size, JSON_DECODE_ANY, NULL);
}

/* ---- paths ---- */

static bool is_plain(const char *key, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!((key[i] >= '0' && key[i] <= '9') || (key[i] >= 'a' && key[i] <= 'z') ||
                (key[i] >= 'A' && key[i] <= 'Z') || key[i] == '_' || key[i] == '-'))
            return false;
    return n > 0;
}

void sg_path_put_key(struct sg_buf *out, const char *key, size_t n)
{
    size_t shown = n > KEY_SHOWN ? KEY_SHOWN : n;

    while (shown < n && shown > 0 && ((unsigned char)key[shown] & 0xc0) == 0x80)
        shown--; /* not inside a character */
    if (n <= KEY_SHOWN && is_plain(key, n)) {
        sg_buf_puts(out, ".");
        sg_buf_put(out, key, n);
        return;
    }
    sg_buf_puts(out, "[\"");
    sg_buf_put(out, key, shown);
    sg_buf_puts(out, shown < n ? "...\"]" : "\"]");
}

static void put_index(struct sg_buf *out, size_t index)
{
    sg_buf_puts(out, "[");
    sg_buf_put_i64(out, (int64_t)index);
    sg_buf_puts(out, "]");
}

void sg_scan_path(const struct sg_scan *s, struct sg_buf *out)
{
    sg_buf_puts(out, "$");
    for (size_t i = 0; i < s->depth; i++) {
        const struct sg_scan_frame *f = &s->frames[i];
        if (f->is_array)
            put_index(out, f->index);
        else if (f->key_size >= 2)
            sg_path_put_key(out, s->text + f->key_at + 1, f->key_size - 2);
    }
}

void sg_node_path(const struct sg_node *node, struct sg_buf *out)
{
    if (!node->parent) {
        sg_buf_puts(out, "$");
        return;
    }
    sg_node_path(node->parent, out); /* at most SG_CONFIG_DEPTH deep */
    if (node->key)
        sg_path_put_key(out, node->key, strlen(node->key));
    else
        put_index(out, node->index);
}

/* ---- nodes ---- */

static bool same_key(const struct sg_scan *s, const struct sg_scan_frame *f, const char *key)
{
    size_t n = strlen(key);

    if (!memchr(s->text + f->key_at, '\\', f->key_size))
        return f->key_size == n + 2 && memcmp(s->text + f->key_at + 1, key, n) == 0;
    json_t *decoded = sg_scan_key(s, f);
    bool same = decoded && strcmp(json_string_value(decoded), key) == 0;
    json_decref(decoded);
    return same;
}

/* True when the value that begins now is node's. */
static bool scan_is_at(const struct sg_scan *s, const struct sg_node *node)
{
    size_t i = s->depth;

    for (; i > 0 && node->parent; i--, node = node->parent) {
        const struct sg_scan_frame *f = &s->frames[i - 1];
        if (f->is_array ? node->key != NULL || f->index != node->index
                        : node->key == NULL || f->key_size == 0 || !same_key(s, f, node->key))
            return false;
    }
    return i == 0 && !node->parent;
}

void sg_locate(const char *text, size_t len, const struct sg_node *node, size_t *value_at, size_t *key_at)
{
    struct sg_scan s;
    enum sg_scan_event event;

    *value_at = 0;
    *key_at = 0;
    sg_scan_init(&s, text, len);
    while ((event = sg_scan_next(&s)) != SG_SCAN_END && event != SG_SCAN_DEEP) {
        if (event != SG_SCAN_VALUE || !scan_is_at(&s, node))
            continue;
        /* of a key given twice the last value counts, as in the library: no break */
        *value_at = s.offset;
        *key_at = node->key ? s.frames[s.depth - 1].key_at : s.offset;
    }
}

size_t sg_line_of(const char *text, size_t offset)
{
    size_t line = 1;

    for (size_t i = 0; i < offset; i++)
        line += text[i] == '\n';
    return line;
}
