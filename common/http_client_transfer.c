/* One transfer of the HTTP client: every option of libcurl that a peer could turn against us is set here.
 *
 * Invariant: whatever the other end sends, a transfer ends within its time, keeps at most max_answer bytes of body and
 * looks at HEADER_CAP bytes of headers, goes to the address in the URL and to no other. Refused: protocols other than
 * http and https, redirects (the 3xx is the answer), proxies from the environment, netrc, credentials in the URL,
 * cookies, HTTP/0.9. A compressed body is handed over as it came: nothing is asked for and nothing is unpacked. */
#include "common/http_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sg_cli.h"

enum {
    HEADER_CAP = 64 * 1024,
    CONNECT_MS = 2000,
    TIMEOUT_MS = 8000,
    LOW_SPEED_BYTES = 64, /* slower than that for LOW_SPEED_S ends a transfer that was given more time */
    LOW_SPEED_S = 10,
    IDLE_S = 8,
    TIMEOUT_LIMIT_MS = 3600 * 1000,
};

/* ---- what comes in ---- */

static size_t break_off(struct sg_http_transfer *t)
{
    t->too_large = true;
    (void)curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, 1L);
    return 0; /* fewer bytes than offered: curl ends with CURLE_WRITE_ERROR */
}

static size_t on_body(char *bytes, size_t one, size_t n, void *arg)
{
    struct sg_http_transfer *t = arg;

    (void)one; /* always 1 */
    if (n > t->answer.body.max - t->answer.body.len)
        return break_off(t);
    sg_buf_put(&t->answer.body, bytes, n);
    return sg_buf_err(&t->answer.body) ? 0 : n;
}

static size_t on_header(char *bytes, size_t one, size_t n, void *arg)
{
    struct sg_http_transfer *t = arg;

    (void)bytes;
    (void)one;
    if (n > HEADER_CAP - t->header_bytes)
        return break_off(t);
    t->header_bytes += n;
    return n;
}

/* ---- what goes out ---- */

#define SET(option, value) (curl_easy_setopt(easy, (option), (value)) == CURLE_OK)

static bool set_limits(CURL *easy, const struct sg_http_call *call)
{
    long timeout_ms = call->timeout_ms == 0 ? TIMEOUT_MS : (long)call->timeout_ms;

    return SET(CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS) && SET(CURLOPT_TIMEOUT_MS, timeout_ms) &&
           SET(CURLOPT_LOW_SPEED_LIMIT, (long)LOW_SPEED_BYTES) &&
           SET(CURLOPT_LOW_SPEED_TIME, (long)LOW_SPEED_S) &&
           SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)call->max_answer);
}

static bool set_refusals(CURL *easy)
{
    return SET(CURLOPT_PROTOCOLS_STR, "http,https") && SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https") &&
           SET(CURLOPT_FOLLOWLOCATION, 0L) && SET(CURLOPT_PROXY, "") && SET(CURLOPT_NOPROXY, "*") &&
           SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) && SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L) &&
           SET(CURLOPT_HTTP09_ALLOWED, 0L) && SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
           SET(CURLOPT_HTTP_CONTENT_DECODING, 0L) && SET(CURLOPT_PATH_AS_IS, 1L);
}

/* MAXAGE_CONN: below the 10 s after which our server closes an idle connection, so that no request meets its end.
 * QUICK_EXIT: a resolver thread that hangs in getaddrinfo must not hold up the end of a transfer. */
static bool set_manners(CURL *easy)
{
    return SET(CURLOPT_NOSIGNAL, 1L) && SET(CURLOPT_TCP_NODELAY, 1L) && SET(CURLOPT_NOPROGRESS, 1L) &&
           SET(CURLOPT_MAXAGE_CONN, (long)IDLE_S) && SET(CURLOPT_QUICK_EXIT, 1L) &&
           SET(CURLOPT_USERAGENT, "gridwitness/" SG_VERSION);
}

static bool set_callbacks(CURL *easy, struct sg_http_transfer *t)
{
    return SET(CURLOPT_WRITEFUNCTION, on_body) && SET(CURLOPT_WRITEDATA, t) &&
           SET(CURLOPT_HEADERFUNCTION, on_header) && SET(CURLOPT_HEADERDATA, t) && SET(CURLOPT_PRIVATE, t);
}

static bool set_post(CURL *easy, struct sg_http_transfer *t, const struct sg_http_call *call)
{
    t->post = malloc(call->post_len + 1);
    if (!t->post)
        return false;
    memcpy(t->post, call->post, call->post_len);
    return SET(CURLOPT_POST, 1L) && SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->post_len) &&
           SET(CURLOPT_POSTFIELDS, t->post);
}

static bool add_header(struct sg_http_transfer *t, const char *text)
{
    struct curl_slist *longer = curl_slist_append(t->headers, text);

    if (longer)
        t->headers = longer;
    return longer != NULL;
}

static bool set_headers(CURL *easy, struct sg_http_transfer *t, const struct sg_http_call *call)
{
    char accept[128];
    const char *wanted = call->accept ? call->accept : "application/json";

    (void)snprintf(accept, sizeof(accept), "Accept: %s", wanted);
    return add_header(t, accept) && add_header(t, "Expect:") &&
           (!call->post || add_header(t, "Content-Type: application/json")) &&
           (!call->header || add_header(t, call->header)) && SET(CURLOPT_HTTPHEADER, t->headers);
}

static bool url_allowed(const char *url)
{
    return strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0;
}

int sg_http_transfer_new(struct sg_http_transfer **out, const struct sg_http_call *call)
{
    if (!call->url || !url_allowed(call->url) || call->timeout_ms < 0 ||
        call->timeout_ms > TIMEOUT_LIMIT_MS || call->max_answer > INT32_MAX)
        return SG_EINVAL;
    struct sg_http_transfer *t = calloc(1, sizeof(*t));
    if (!t)
        return SG_ENOMEM;
    sg_buf_init(&t->answer.body, call->max_answer);
    t->easy = curl_easy_init();
    CURL *easy = t->easy;
    if (!easy || !SET(CURLOPT_URL, call->url) || !set_limits(easy, call) || !set_refusals(easy) ||
        !set_manners(easy) || !set_callbacks(easy, t) || (call->post && !set_post(easy, t, call)) ||
        !set_headers(easy, t, call)) {
        sg_http_transfer_free(t);
        return SG_ENOMEM;
    }
    *out = t;
    return 0;
}

void sg_http_transfer_free(struct sg_http_transfer *t)
{
    if (!t)
        return;
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    sg_buf_fini(&t->answer.body);
    free(t->post);
    free(t);
}

/* ---- verdict ---- */

/* What curl calls it and what we call it. Everything else is SG_EIO. */
static int err_of(CURLcode code)
{
    static const struct {
        CURLcode code;
        int err;
    } table[] = {
        {CURLE_OK, 0},
        {CURLE_OPERATION_TIMEDOUT, SG_ETIMEOUT},
        {CURLE_COULDNT_CONNECT, SG_EREFUSED},
        {CURLE_COULDNT_RESOLVE_HOST, SG_EREFUSED},
        {CURLE_FILESIZE_EXCEEDED, SG_ETOO_LARGE},
        {CURLE_WEIRD_SERVER_REPLY, SG_EMALFORMED},
        {CURLE_UNSUPPORTED_PROTOCOL, SG_EMALFORMED}, /* HTTP/0.9, 2.0 unasked */
        {CURLE_URL_MALFORMAT, SG_EINVAL},
        {CURLE_LOGIN_DENIED, SG_EINVAL}, /* a user name in the URL */
        {CURLE_BAD_CONTENT_ENCODING, SG_EMALFORMED},
        {CURLE_PARTIAL_FILE, SG_EMALFORMED},
        {CURLE_OUT_OF_MEMORY, SG_ENOMEM},
    };

    for (size_t i = 0; i < SG_ARRAY_LEN(table); i++)
        if (table[i].code == code)
            return table[i].err;
    return SG_EIO;
}

void sg_http_transfer_finish(struct sg_http_transfer *t, CURLcode code)
{
    long status = 0;

    if (t->too_large)
        t->answer.err = SG_ETOO_LARGE;
    else if (code == CURLE_WRITE_ERROR && sg_buf_err(&t->answer.body))
        t->answer.err = sg_buf_err(&t->answer.body);
    else
        t->answer.err = err_of(code);
    if (t->answer.err == 0 && curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK)
        t->answer.status = (int)status;
}
