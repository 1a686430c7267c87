/* The request target: path segments and query arguments of an HTTP request line.
 *
 * Works on the raw bytes, before any library has decoded them. What comes out is valid UTF-8 without control
 * characters, and a segment never holds '/', '\' or the names "." and "..". Refused: bytes that a URI may not hold, broken or
 * hidden encodings (%00, %2f, %5c, %2e in the path), empty segments, anything that is not UTF-8.
 * RFC 9112 3.2: origin-form, and absolute-form, which every server must accept; RFC 3986 2.1, 3.3, 3.4. */
#include "common/http_server.h"

#include <string.h>

#include "sg_text.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Decode text in place. A byte of forbidden must not come out of an encoding. */
static bool decode(char *text, const char *forbidden)
{
    char *out = text;

    for (const char *in = text; *in; in++) {
        if (*in != '%') {
            *out++ = *in;
            continue;
        }
        int high = hex_value(in[1]);
        int low = high < 0 ? -1 : hex_value(in[2]);
        int c = high * 16 + low;
        if (high < 0 || low < 0 || c < 0x20 || c == 0x7f || strchr(forbidden, c))
            return false;
        *out++ = (char)c;
        in += 2;
    }
    *out = '\0';
    return sg_utf8_valid(text, (size_t)(out - text));
}

/* Bytes that may stand in a target at all. Raw bytes above 0x7e, spaces and controls may not (RFC 3986 2). */
static bool bytes_allowed(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (*p <= 0x20 || *p >= 0x7f || *p == '#' || *p == '\\' || *p == '"' || *p == '<' || *p == '>')
            return false;
    return true;
}

/* RFC 9112 3.2.2: the authority of an absolute-form target is dropped; this server has one name space. */
static char *skip_authority(char *text)
{
    if (strncmp(text, "http://", 7) != 0)
        return text;
    return text + 7 + strcspn(text + 7, "/?");
}

static int parse_path(struct sg_http_target *t, char *path, const char **why)
{
    char *at = path + 1; /* behind the first '/' */

    for (;;) {
        size_t n = strcspn(at, "/");
        bool last = at[n] == '\0';
        at[n] = '\0';
        if ((n == 0 && !last) || strcmp(at, ".") == 0 || strcmp(at, "..") == 0) {
            *why = "the path holds an empty segment, . or ..";
            return SG_EBAD_PARAMETER;
        }
        if (!decode(at, "/\\.")) {
            *why = "the path holds an encoding that is not allowed";
            return SG_EBAD_PARAMETER;
        }
        if (t->npath == SG_HTTP_MAX_SEGMENTS)
            return SG_ENOT_FOUND;
        t->path[t->npath++] = at;
        if (last)
            return 0;
        at += n + 1;
    }
}

static int parse_query(struct sg_http_target *t, char *query, const char **why)
{
    while (*query) {
        size_t n = strcspn(query, "&");
        char *next = query[n] ? query + n + 1 : query + n;
        query[n] = '\0';
        char *eq = strchr(query, '=');
        char *val = eq ? eq + 1 : query + n;
        if (eq)
            *eq = '\0';
        if (*query == '\0' || !decode(query, "") || !decode(val, "") || t->nargs == SG_HTTP_MAX_ARGS) {
            *why = "the query is not a short list of key=value in UTF-8";
            return SG_EBAD_PARAMETER;
        }
        t->args[t->nargs].key = query;
        t->args[t->nargs].value = val;
        t->nargs++;
        query = next;
    }
    return 0;
}

int sg_http_target_parse(struct sg_http_target *t, char *text, const char **why)
{
    t->npath = 0;
    t->nargs = 0;
    text = skip_authority(text);
    if (*text != '/' || !bytes_allowed(text)) {
        *why = "the request target is not a path";
        return SG_EBAD_PARAMETER;
    }
    char *query = strchr(text, '?');
    if (query)
        *query++ = '\0';
    int err = query ? parse_query(t, query, why) : 0;
    return err ? err : parse_path(t, text, why);
}
