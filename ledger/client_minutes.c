/* The client's side of GET /v1/minutes: which minutes of a relay does a gateway attest there?
 *
 * Invariant: the caller hears of whole, fitting answers only, minute by minute in growing order.
 * Refuses: an element that lacks a key, a minute that does not grow or lies outside what was asked for. */
#include "ledger/client_json.h"

#include <stdio.h>
#include <string.h>

int lg_client_minutes_url(
    char dst[static LG_CLIENT_URL_SIZE], const char *url, const char *relay, sg_minute from, sg_minute to)
{
    int n = snprintf(dst, LG_CLIENT_URL_SIZE, "%s/v1/minutes?relay=%s&from=%lld&to=%lld&order=asc&limit=1000",
        url, relay, (long long)from, (long long)to);

    return n > 0 && n < LG_CLIENT_URL_SIZE ? 0 : SG_ETOO_LARGE;
}

/* Is the gateway with this hex id among those who attest? False when the list does not fit. */
static bool read_attested(bool *out, const json_t *element, const char *hex)
{
    const json_t *list = json_object_get(element, "attested");

    *out = false;
    if (!json_is_array(list))
        return false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *gw = json_string_value(json_object_get(json_array_get(list, i), "gw"));

        if (!gw)
            return false;
        if (strcmp(gw, hex) == 0)
            *out = true;
    }
    return true;
}

static bool read_state(bool *confirmed, const json_t *element)
{
    static const char *const names[] = {"pooled", "mined", "confirmed"};
    const char *state = json_string_value(json_object_get(element, "state"));
    size_t i = 0;

    while (state && i < SG_ARRAY_LEN(names) && strcmp(state, names[i]) != 0)
        i++;
    *confirmed = i == 2;
    return state && i < SG_ARRAY_LEN(names);
}

static bool read_minute(
    struct lg_client_minute *out, const json_t *element, const char *hex, sg_minute from, sg_minute to)
{
    return lg_client_json_int(&out->min, json_object_get(element, "body"), "min", from, to) &&
           lg_client_json_hash(&out->digest, element, "digest") &&
           read_attested(&out->attested, element, hex) && read_state(&out->confirmed, element);
}

/* All elements; fn NULL: only whether they fit. */
static bool walk(const json_t *list, lg_client_minute_fn *fn, void *ctx, const char *hex, sg_minute from,
    sg_minute to, sg_minute *last)
{
    *last = from - 1;
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct lg_client_minute m;

        if (!read_minute(&m, json_array_get(list, i), hex, *last + 1, to))
            return false;
        *last = m.min;
        if (fn)
            fn(ctx, &m);
    }
    return true;
}

int lg_client_minutes_parse(sg_minute *next, const struct sg_http_answer *answer, lg_kid kid, sg_minute from,
    sg_minute to, lg_client_minute_fn *fn, void *ctx)
{
    char hex[LG_KID_HEX + 1];
    const json_t *list;
    int64_t following = to + 1;
    sg_minute last;
    json_t *root = NULL;
    int err = lg_client_json_open(&root, answer);
    bool ok;

    if (err)
        return err;
    lg_kid_hex(hex, kid);
    list = json_object_get(root, "minutes");
    ok = json_is_array(list) && walk(list, NULL, NULL, hex, from, to, &last);
    if (ok && json_object_get(root, "next"))
        ok = lg_client_json_int(&following, root, "next", last + 1, to) && following > from;
    if (ok) {
        ok = walk(list, fn, ctx, hex, from, to, &last);
        *next = following;
    }
    json_decref(root);
    return ok ? 0 : SG_EMALFORMED;
}
