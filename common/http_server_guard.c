/* Framing of a request: everything that decides where it ends and the next one begins, looked at before a byte of
 * a body is taken.
 *
 * libmicrohttpd 0.9.75 accepts Content-Length beside Transfer-Encoding and two Content-Lengths, runs the request that was
 * smuggled in that way, cuts header values at a NUL, takes a bare LF for a line end and glues folded lines. Refused here: any
 * Transfer-Encoding (no route takes chunks), more than one Content-Length or one that is not plain digits, a number of
 * Host headers other than one, names that are no tokens, control characters in values, and every line that did not end
 * with CRLF or held a NUL.
 *
 * The last check uses where that version keeps the lines: in one piece, as they came, each separator overwritten with
 * NUL, and nothing else in between:
 *     GET 0 /target 0 HTTP/1.1 0 0 Name 0 ' ' Value 0 0 ... Name 0 ' ' Value 0 0 0 0 body
 * so any byte too many or too few shows as a pointer that is not where the line before it ended. A folded line is
 * moved elsewhere by the library and shows in the same way. */
#include "common/http_server.h"

#include <string.h>
#include <strings.h>

struct look {
    const char *next; /* where the next header line must begin; NULL: lines are not where we expect them */
    bool check_layout;
    const char *fault;
    unsigned hosts, lengths, encodings;
    const char *length;
    size_t length_len;
};

/* RFC 9110 5.6.2 */
static bool is_token(const char *s, size_t n)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) &&
            (c == '\0' || !strchr(others, c)))
            return false;
    }
    return n > 0;
}

static bool has_control(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return true;
    }
    return false;
}

static void follow_layout(
    struct look *l, const char *key, size_t key_len, const char *value, size_t value_len)
{
    if (!l->next || key != l->next) {
        l->next = NULL;
        return;
    }
    for (const char *p = key + key_len + 1; p < value; p++) {
        if (*p != ' ' && *p != '\t') {
            l->next = NULL;
            return;
        }
    }
    l->next = value + value_len + 2;
}

static enum MHD_Result look_at_header(
    void *cls, enum MHD_ValueKind kind, const char *key, size_t key_len, const char *value, size_t value_len)
{
    struct look *l = cls;

    (void)kind;
    if (!value || !is_token(key, key_len) || has_control(value, value_len)) {
        l->fault = "a header is malformed";
        return MHD_NO;
    }
    if (l->check_layout)
        follow_layout(l, key, key_len, value, value_len);
    if (strcasecmp(key, MHD_HTTP_HEADER_HOST) == 0) {
        l->hosts++;
    } else if (strcasecmp(key, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
        l->encodings++;
    } else if (strcasecmp(key, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
        l->lengths++;
        l->length = value;
        l->length_len = value_len;
    }
    return MHD_YES;
}

/* RFC 9110 8.6: digits only; 18 of them are more than any cap. */
static bool parse_length(uint64_t *out, const char *s, size_t n)
{
    uint64_t v = 0;

    if (n == 0 || n > 18)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(s[i] - '0');
    }
    *out = v;
    return true;
}

static bool request_line_whole(const struct sg_http_framing *f, const char *method, const char *version)
{
    return f->target && method + strlen(method) + 1 == f->target && f->target + f->target_len + 1 == version;
}

static bool headers_whole(const struct look *l, struct MHD_Connection *mhd, const char *method)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

    return info && l->next && l->next + 2 == method + info->header_size;
}

const char *sg_http_guard_check(
    struct sg_http_framing *f, struct MHD_Connection *mhd, const char *method, const char *version)
{
    struct look l = {.next = version + strlen(version) + 2};

    f->content_length = 0;
    l.check_layout = strcmp(MHD_get_version(), "0.9.75") == 0;
    if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0)
        return "the protocol version is not HTTP/1.1 or 1.0";
    (void)MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, look_at_header, &l);
    if (l.fault)
        return l.fault;
    if (l.check_layout && (!request_line_whole(f, method, version) || !headers_whole(&l, mhd, method)))
        return "a line of the header holds a NUL, is folded, or does not end with CR LF";
    if (l.hosts != 1)
        return "there must be exactly one Host header";
    if (l.encodings != 0)
        return "Transfer-Encoding is not accepted: send a Content-Length";
    if (l.lengths > 1 || (l.lengths == 1 && !parse_length(&f->content_length, l.length, l.length_len)))
        return "there must be at most one Content-Length, in plain digits";
    return NULL;
}
