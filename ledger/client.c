/* The client's side of the REST interface: URLs, and strict reading of the answers.
 *
 * Invariant: what a caller gets has every key that the header names, with the type and range of the documents; whatever else
 * a node sends is an error code, never a half-filled structure.
 * Refuses: answers that are not JSON, nest deeper than a document can inside an answer, or carry duplicate keys. */
#include "ledger/client_json.h"
#include "sg_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TIMEOUT  8000 /* ms, real */
#define MAX_POSITION LG_CLIENT_MAX_POSITION

/* ---- URLs ---- */

static int url_of(char *dst, const char *base, const char *path, const char *tail)
{
    int n = snprintf(dst, LG_CLIENT_URL_SIZE, "%s%s%s", base, path, tail);

    return n > 0 && n < LG_CLIENT_URL_SIZE ? 0 : SG_ETOO_LARGE;
}

int lg_client_status_url(char dst[static LG_CLIENT_URL_SIZE], const char *url)
{
    return url_of(dst, url, "/v1/status", "");
}

int lg_client_ready_url(char dst[static LG_CLIENT_URL_SIZE], const char *url)
{
    return url_of(dst, url, "/readyz", "");
}

int lg_client_gateway_url(char dst[static LG_CLIENT_URL_SIZE], const char *url, lg_kid kid)
{
    char hex[LG_KID_HEX + 1];

    lg_kid_hex(hex, kid);
    return url_of(dst, url, "/v1/gateways/", hex);
}

int lg_client_statement_url(char dst[static LG_CLIENT_URL_SIZE], const char *url, const struct lg_hash *leaf)
{
    char hex[2 * SG_HASH_BYTES + 1];

    sg_hex_encode(hex, leaf->b, sizeof leaf->b);
    return url_of(dst, url, "/v1/statements/", hex);
}

int lg_client_header_url(char dst[static LG_CLIENT_URL_SIZE], const char *url, int64_t height)
{
    char text[48];

    (void)snprintf(text, sizeof text, "%lld&limit=1", (long long)height);
    return url_of(dst, url, "/v1/headers?from=", text);
}

int lg_client_offer_url(char dst[static LG_CLIENT_URL_SIZE], const char *url)
{
    return url_of(dst, url, "/v1/statements", "");
}

/* ---- blocking calls ---- */

/* One GET; the caller frees answer->body whatever comes of it. */
static int get(struct sg_http_client *c, struct sg_http_answer *answer, const char *url, size_t max)
{
    struct sg_http_call call = {.url = url, .max_answer = max, .timeout_ms = MAX_TIMEOUT};
    int err;

    memset(answer, 0, sizeof *answer);
    err = sg_http_client_call(c, &call, answer);
    answer->err = err;
    return err;
}

int lg_client_status(struct sg_http_client *c, const char *url, struct lg_client_status *out)
{
    char full[LG_CLIENT_URL_SIZE];
    struct sg_http_answer answer;
    int err = lg_client_status_url(full, url);

    if (err)
        return err;
    (void)get(c, &answer, full, LG_CLIENT_MAX_STATUS);
    err = lg_client_status_parse(out, &answer);
    sg_buf_fini(&answer.body);
    return err;
}

/* ---- answers ---- */

/* Absent: not there. False: there, and malformed. */
static bool read_base(struct lg_client_status *s, const json_t *root)
{
    const json_t *base = json_object_get(root, "base");

    s->has_base = base != NULL;
    return !base || (lg_client_json_hash(&s->base.hash, base, "hash") &&
                        lg_client_json_int(&s->base.height, base, "height", 0, MAX_POSITION) &&
                        lg_client_json_int(&s->base.slot, base, "slot", -1, SG_MINUTE_END) &&
                        lg_client_json_int(&s->base.time, base, "time", 0, SG_MS_END - 1) &&
                        lg_client_json_int(&s->slot_for, base, "slot_for", 0, SG_MINUTE_END) &&
                        s->base.slot < s->slot_for);
}

int lg_client_status_parse(struct lg_client_status *out, const struct sg_http_answer *answer)
{
    struct lg_client_status s = {.has_base = false};
    json_t *root = NULL;
    int err = lg_client_json_open(&root, answer);

    if (err)
        return err;
    if (read_base(&s, root) && lg_client_json_hash(&s.chain, root, "chain") &&
        lg_client_json_hash(&s.tip, root, "tip") &&
        lg_client_json_int(&s.height, root, "height", 0, MAX_POSITION) &&
        lg_client_json_int(&s.slot, root, "slot", -1, SG_MINUTE_END) &&
        lg_client_json_int(&s.time, root, "time", 0, SG_MS_END - 1))
        *out = s;
    else
        err = SG_EMALFORMED;
    json_decref(root);
    return err;
}

/* Copied without control characters: it goes into logs. */
static void copy_detail(char why[static 160], const json_t *detail)
{
    const char *text = json_string_value(detail);

    (void)snprintf(why, 160, "%s", text ? text : "");
    for (char *p = why; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    }
}

int lg_client_ready_parse(char why[static 160], const struct sg_http_answer *answer)
{
    int err = lg_client_json_err(answer);

    why[0] = 0;
    if (err == SG_ENOT_READY) {
        json_t *root = lg_client_json_object(&answer->body);

        copy_detail(why, json_object_get(root, "detail"));
        json_decref(root);
    }
    return err;
}

/* Absent: all zeros. */
static bool get_last(struct lg_client_last *out, const json_t *obj, const char *key)
{
    const json_t *v = json_object_get(obj, key);

    memset(out, 0, sizeof *out);
    if (!v)
        return true;
    return json_is_object(v) && lg_client_json_int(&out->inc, v, "inc", 0, SG_MS_END - 1) &&
           lg_client_json_int(&out->seq, v, "seq", 1, MAX_POSITION) &&
           lg_client_json_int(&out->slot, v, "slot", 0, SG_MINUTE_END - 1) &&
           lg_client_json_hash(&out->leaf, v, "leaf");
}

int lg_client_gateway_parse(struct lg_client_gateway *out, const struct sg_http_answer *answer)
{
    struct lg_client_gateway g;
    json_t *root = NULL;
    int err = lg_client_json_open(&root, answer);

    if (err)
        return err;
    if (get_last(&g.chain, root, "chain") && get_last(&g.pool, root, "pool") &&
        lg_client_json_int(&g.greatest_inc, root, "greatest_inc", 0, SG_MS_END - 1) &&
        lg_client_json_int(&g.greatest_slot, root, "greatest_slot", 0, SG_MINUTE_END - 1) &&
        g.greatest_inc >= g.chain.inc && g.greatest_inc >= g.pool.inc)
        *out = g;
    else
        err = SG_EMALFORMED;
    json_decref(root);
    return err;
}

static const char *const place_names[] = {[LG_PLACE_POOLED] = "pooled",
    [LG_PLACE_MINED] = "mined",
    [LG_PLACE_CONFIRMED] = "confirmed",
    [LG_PLACE_OVERTAKEN] = "overtaken"};

static bool get_place(enum lg_place *out, const json_t *obj)
{
    const char *name = json_string_value(json_object_get(obj, "state"));

    for (size_t i = 0; name && i < SG_ARRAY_LEN(place_names); i++) {
        if (strcmp(place_names[i], name) == 0) {
            *out = (enum lg_place)i;
            return true;
        }
    }
    return false;
}

int lg_client_statement_parse(
    enum lg_place *place, int64_t *height, struct lg_hash *block, const struct sg_http_answer *answer)
{
    enum lg_place there = LG_PLACE_POOLED;
    struct lg_hash hash = {{0}};
    int64_t at = 0;
    json_t *root = NULL;
    int err = lg_client_json_open(&root, answer);
    bool ok;

    if (err)
        return err;
    ok = get_place(&there, root);
    if (ok && (there == LG_PLACE_MINED || there == LG_PLACE_CONFIRMED))
        ok = lg_client_json_int(&at, root, "height", 1, MAX_POSITION) &&
             lg_client_json_hash(&hash, root, "block");
    json_decref(root);
    if (!ok)
        return SG_EMALFORMED;
    *place = there;
    *height = at;
    *block = hash;
    return 0;
}

int lg_client_statement_doc(struct sg_buf *doc, const struct sg_http_answer *answer)
{
    json_t *root = NULL;
    int err = lg_client_json_open(&root, answer);
    char *text;

    if (err)
        return err;
    /* on the subset of canonical documents this writes the canonical bytes; whoever decodes them checks that */
    text = json_dumps(json_object_get(root, "statement"), JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(root);
    if (!text)
        return SG_EMALFORMED;
    sg_buf_puts(doc, text);
    free(text);
    return sg_buf_err(doc);
}

/* The canonical header of the one element of the list. */
static bool read_header(struct lg_client_header *out, const json_t *element, int64_t height)
{
    char *text = json_dumps(json_object_get(element, "header"), JSON_COMPACT | JSON_SORT_KEYS);
    struct lg_header h;
    struct lg_hash hash;
    bool ok = text && lg_client_json_hash(&out->hash, element, "hash");

    if (ok) {
        lg_header_hash(&hash, (const uint8_t *)text, strlen(text));
        ok = lg_hash_eq(&hash, &out->hash) &&
             lg_header_decode(&h, (const uint8_t *)text, strlen(text)) == 0 && h.height == height;
    }
    if (ok) {
        out->height = h.height;
        out->slot = h.slot;
        out->time = h.time;
    }
    free(text);
    return ok;
}

int lg_client_header_parse(struct lg_client_header *out, const struct sg_http_answer *answer, int64_t height)
{
    struct lg_client_header h;
    const json_t *list;
    json_t *root = NULL;
    int err = lg_client_json_open(&root, answer);

    if (err)
        return err;
    list = json_object_get(root, "headers");
    if (!json_is_array(list))
        err = SG_EMALFORMED;
    else if (json_array_size(list) == 0)
        err = SG_ENOT_FOUND;
    else if (!read_header(&h, json_array_get(list, 0), height))
        err = SG_EMALFORMED;
    if (!err)
        *out = h;
    json_decref(root);
    return err;
}

/* One element of "rejected", after the index `after`. */
static bool read_rejected(struct lg_client_offer *o, const json_t *element, int64_t *after, unsigned offered)
{
    const char *code = json_string_value(json_object_get(element, "code"));
    int err = code ? sg_err_of_code(code) : 0;
    int64_t index;

    if (!lg_client_json_int(&index, element, "index", *after + 1, (int64_t)offered - 1) || err == 0)
        return false;
    *after = index;
    if (o->nrejected < SG_ARRAY_LEN(o->rejected)) {
        o->rejected[o->nrejected].index = (unsigned)index;
        /* a code of a newer node: refused, whatever it means */
        o->rejected[o->nrejected].err = err <= -(int)SG_ECANONICAL_NO ? err : SG_EMALFORMED;
    }
    o->nrejected++;
    return true;
}

int lg_client_offer_parse(struct lg_client_offer *out, const struct sg_http_answer *answer, unsigned offered)
{
    struct lg_client_offer o = {0};
    int64_t accepted = 0, known = 0, after = -1;
    const json_t *list;
    json_t *root = NULL;
    int err = lg_client_json_open(&root, answer);
    bool ok;

    if (err)
        return err;
    list = json_object_get(root, "rejected");
    ok = lg_client_json_int(&accepted, root, "accepted", 0, offered) &&
         lg_client_json_int(&known, root, "known", 0, offered) && json_is_array(list);
    for (size_t i = 0; ok && i < json_array_size(list); i++)
        ok = read_rejected(&o, json_array_get(list, i), &after, offered);
    json_decref(root);
    if (!ok || accepted + known + o.nrejected != offered)
        return SG_EMALFORMED;
    o.accepted = (unsigned)accepted;
    o.known = (unsigned)known;
    *out = o;
    return 0;
}
