/* ledger export: the minutes of a relay as one table, fetched page by page from any node's REST interface. CSV lines and JSON
 * documents are passed through as the node wrote them. */
#include "ledger/cmd.h"
#include "sg_http.h"
#include "sg_text.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_URL    "http://127.0.0.1:5004"
#define MAX_PAGE_BYTES (9u << 20)
#define PAGE_LIMIT     500

struct export
{
    const struct lg_cmd *self;
    struct sg_http_client *http;
    const char *base, *relay;
    int64_t from, to;
    bool csv;
    bool first;
};

/* One page; *answer is the caller's to release. */
static int get(struct export *x, struct sg_http_answer *answer, const char *accept)
{
    char url[500];

    snprintf(url, sizeof(url), "%s/v1/minutes?relay=%s&from=%lld&to=%lld&limit=%d&order=asc", x->base,
        x->relay, (long long)x->from, (long long)x->to, PAGE_LIMIT);
    struct sg_http_call call = {
        .url = url, .accept = accept, .max_answer = MAX_PAGE_BYTES, .timeout_ms = LG_CMD_PAGE_MS};
    int err = sg_http_client_call(x->http, &call, answer);
    if (err != SG_OK)
        lg_cmd_failed(x->self, "%s: %s", url, sg_err_text(err));
    else if (answer->status != 200) {
        lg_cmd_failed(x->self, "%s: status %d: %.*s", url, answer->status, (int)answer->body.len,
            (const char *)answer->body.p);
        err = SG_EMALFORMED;
    }
    return err;
}

/* The end of the JSON value that starts at p: answers are unsigned JSON (true and false occur), not canonical documents. NULL when it
 * does not end before `end`. */
static const char *value_end(const char *p, const char *end)
{
    int depth = 0;
    bool text = false;

    for (; p < end; p++) {
        if (text && *p == '\\') {
            p++; /* whatever it escapes */
        } else if (text) {
            text = *p != '"';
        } else if (*p == '"')
            text = true;
        else if (*p == '{' || *p == '[')
            depth++;
        else if (*p == '}' || *p == ']')
            depth--;
        if (!text && depth == 0)
            return p + 1;
    }
    return NULL;
}

/* The elements of {"minutes":[{…},{…}],"next":…}, one a line; moves x->from behind the last. *more: there is another page. */
static int print_json(struct export *x, const struct sg_buf *body, bool *more)
{
    static const char head[] = "{\"minutes\":[", next[] = "],\"next\":";
    const char *p = (const char *)body->p, *end = p + body->len;

    if (body->len < sizeof(head) || memcmp(p, head, sizeof(head) - 1) != 0)
        return SG_EMALFORMED;
    p += sizeof(head) - 1;
    while (p < end && (*p == '{' || *p == ',')) {
        p += *p == ',';
        const char *stop = value_end(p, end);
        if (!stop)
            return SG_EMALFORMED;
        printf("%s\n%.*s", x->first ? "[" : ",", (int)(stop - p), p);
        x->first = false;
        p = stop;
    }
    *more = end - p > (long)sizeof(next) && memcmp(p, next, sizeof(next) - 1) == 0;
    if (!*more)
        return end - p >= 2 && memcmp(p, "]}", 2) == 0 ? SG_OK : SG_EMALFORMED;
    p += sizeof(next) - 1;
    return sg_i64_parse(&x->from, p, (size_t)(end - p - 1), x->from + 1, SG_MINUTE_END) == SG_OK
               ? SG_OK
               : SG_EMALFORMED;
}

/* The minute in the last row of a CSV page, from the column that the header calls "minute"; -1 when the page has no row. */
static int64_t last_minute(const char *text, size_t len)
{
    const char *end = text + len, *head_end = memchr(text, '\n', len);
    unsigned column = 0, at = 0;
    int64_t minute = -1;

    if (!head_end || head_end + 1 >= end)
        return -1;
    const char *name = memmem(text, (size_t)(head_end - text), "minute", 6);
    for (const char *p = text; name && p < name; p++)
        column += *p == ',';
    const char *row = end - 1; /* the page ends with a newline */
    while (row > head_end + 1 && row[-1] != '\n')
        row--;
    const char *p = row;
    while (p < end && at < column)
        at += *p++ == ',';
    const char *stop = p;
    while (stop < end && *stop >= '0' && *stop <= '9')
        stop++;
    if (!name || sg_i64_parse(&minute, p, (size_t)(stop - p), 0, SG_MINUTE_END) != SG_OK)
        return -1;
    return minute;
}

/* Rows of one page, the header line only once; moves x->from behind the last row. */
static void print_csv(struct export *x, const struct sg_buf *body, bool *more)
{
    const char *text = (const char *)body->p;
    int64_t minute = body->len ? last_minute(text, body->len) : -1;
    const char *rows = x->first || !body->len ? text : memchr(text, '\n', body->len);

    if (rows && !x->first)
        rows++;
    if (rows)
        fwrite(rows, 1, (size_t)(text + body->len - rows), stdout);
    x->first = false;
    *more = minute >= x->from;
    x->from = minute + 1;
}

/* All pages of x->relay from x->from on, or as many as standard output takes: sg_cli_end tells of the rest. */
static int export_relay(struct export *x)
{
    bool more = true;

    while (more && x->from <= x->to) {
        struct sg_http_answer answer = {0};
        int err = get(x, &answer, x->csv ? "text/csv" : "application/json");
        if (err == SG_OK && x->csv)
            print_csv(x, &answer.body, &more);
        else if (err == SG_OK && (err = print_json(x, &answer.body, &more)) != SG_OK)
            lg_cmd_failed(x->self, "%s: a page of minutes that no node serves", x->base);
        sg_buf_fini(&answer.body);
        if (err == SG_OK && ferror(stdout))
            err = SG_EIO;
        if (err != SG_OK)
            return err;
    }
    return SG_OK;
}

/* Every relay of the node's genesis, one after the other. */
static int export_all(struct export *x)
{
    struct lg_genesis *g = NULL;
    const int64_t from = x->from;
    int err = lg_cmd_fetch_genesis(&g, x->base);

    if (err != SG_OK)
        lg_cmd_failed(x->self, "%s: no genesis: %s", x->base, sg_err_text(err));
    for (unsigned i = 0; err == SG_OK && i < g->nrelays; i++) {
        x->relay = g->relays[i].id;
        x->from = from;
        err = export_relay(x);
    }
    lg_genesis_free(g);
    return err;
}

static int run(struct export *x)
{
    if ((x->relay ? export_relay(x) : export_all(x)) != SG_OK)
        return SG_EXIT_FAILED;
    if (!x->csv)
        printf("%s\n", x->first ? "[]" : "\n]");
    return SG_EXIT_GOOD;
}

/* --csv and --json, wherever they stand, taken out of the arguments; their number goes down by one each. NULL: not exactly one. */
static const char *take_format(int *argc, char **argv)
{
    const char *format = NULL;
    int kept = 0, formats = 0;

    for (int i = 0; i < *argc; i++) {
        if (strcmp(argv[i], "--csv") == 0 || strcmp(argv[i], "--json") == 0) {
            format = argv[i];
            formats++;
        } else
            argv[kept++] = argv[i];
    }
    *argc = kept;
    return formats == 1 ? format : NULL;
}

int lg_cmd_export(const struct lg_cmd *self, int argc, char **argv)
{
    const char *base = NULL, *relay = NULL, *from = NULL, *to = NULL, *format = NULL;
    const struct lg_cmd_option options[] = {{"url", &base}, {"relay", &relay}, {"from", &from}, {"to", &to}};
    struct export x = {.self = self, .to = SG_MINUTE_END - 1, .first = true};

    format = take_format(&argc, argv);
    if (!format)
        return lg_cmd_usage_error(self, "one of --csv and --json is needed");
    if (lg_cmd_parse(self, argc, argv, options, SG_ARRAY_LEN(options), NULL, 0) != SG_OK)
        return SG_EXIT_USAGE;
    if (relay && (relay[0] == '\0' || strlen(relay) > 32 ||
                     strspn(relay, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(relay)))
        return lg_cmd_usage_error(self, "%s is no relay id", relay);
    if ((from && lg_cmd_minute(&x.from, from) != SG_OK) || (to && lg_cmd_minute(&x.to, to) != SG_OK) ||
        x.from > x.to)
        return lg_cmd_usage_error(self, "--from and --to are minute numbers or RFC 3339 times, in order");
    x.csv = strcmp(format, "--csv") == 0;
    x.base = base ? base : DEFAULT_URL;
    x.relay = relay;
    if (sg_cli_url_check(x.base) != SG_OK || strlen(x.base) > 200)
        return lg_cmd_usage_error(self, "%s is not " SG_CLI_URL_FORM, x.base);
    if (sg_http_client_new(&x.http) != SG_OK)
        return lg_cmd_failed(self, "out of memory");
    int result = run(&x);
    sg_http_client_free(x.http);
    return result;
}
