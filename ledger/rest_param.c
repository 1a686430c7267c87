/* Parameters of a request, checked strictly, and the small pieces that answers are made of.
 *
 * Refuses (bad_parameter, saying which) unknown keys, keys given twice, numbers that are not canonical decimals or out of
 * range, from > to, and times that are neither a minute nor RFC 3339. */
#include "ledger/rest_priv.h"

#include <stdio.h>
#include <string.h>

#include "sg_text.h"
#include "sg_time.h"

int lg_rest_bad(struct lg_rest_call *c, const char *why)
{
    snprintf(c->why, sizeof c->why, "%s", why);
    return SG_EBAD_PARAMETER;
}

int lg_rest_keys(struct lg_rest_call *c, const char *const *names)
{
    const char *which = "";
    if (sg_http_query_check(c->req, names, &which) == 0)
        return 0;
    snprintf(c->why, sizeof c->why, "%.40s: not a parameter of this call, or given twice", which);
    return SG_EBAD_PARAMETER;
}

int lg_rest_no_keys(struct lg_rest_call *c)
{
    static const char *const none[] = {NULL};
    return lg_rest_keys(c, none);
}

int lg_rest_int(struct lg_rest_call *c, int64_t *out, const char *key, int64_t min, int64_t max)
{
    const char *text = sg_http_query(c->req, key);
    if (text == NULL || sg_i64_parse(out, text, strlen(text), min, max) == 0)
        return 0;
    snprintf(
        c->why, sizeof c->why, "%s: a whole number from %lld to %lld", key, (long long)min, (long long)max);
    return SG_EBAD_PARAMETER;
}

int lg_rest_range(struct lg_rest_call *c, struct lg_rest_range *out, int64_t limit)
{
    static const char *const names[] = {"from", "to", "limit", NULL};
    return lg_rest_range_with(c, out, limit, names);
}

int lg_rest_range_with(
    struct lg_rest_call *c, struct lg_rest_range *out, int64_t limit, const char *const *names)
{
    *out = (struct lg_rest_range){1, LG_REST_MAX_HEIGHT, limit};
    int err = lg_rest_keys(c, names);
    if (err == 0)
        err = lg_rest_int(c, &out->from, "from", 0, LG_REST_MAX_HEIGHT);
    if (err == 0)
        err = lg_rest_int(c, &out->to, "to", 0, LG_REST_MAX_HEIGHT);
    if (err == 0)
        err = lg_rest_int(c, &out->limit, "limit", 1, LG_REST_MAX_LIMIT);
    if (err == 0 && out->from > out->to)
        err = lg_rest_bad(c, "from lies behind to");
    if (out->from == 0)
        out->from = 1;
    return err;
}

int lg_rest_minute(struct lg_rest_call *c, sg_minute *out, const char *name, const char *text)
{
    sg_ms ms;
    int64_t minute;
    const size_t len = strlen(text);
    if (sg_i64_parse(&minute, text, len, 0, SG_MINUTE_END - 1) == 0) {
        *out = minute;
        return 0;
    }
    if (sg_ms_of_rfc3339(&ms, text, len) == 0 && ms >= 0 && ms < SG_MS_END) {
        *out = ms / SG_MINUTE_MS;
        return 0;
    }
    snprintf(c->why, sizeof c->why, "%s: a minute since 1970 or an RFC 3339 time", name);
    return SG_EBAD_PARAMETER;
}

int lg_rest_hash(struct lg_rest_call *c, struct lg_hash *out, const char *text)
{
    if (sg_hex_decode(out->b, sizeof out->b, text, strlen(text)) == 0)
        return 0;
    return lg_rest_bad(c, "a hash is 64 lower-case hex digits");
}

void lg_rest_put_hash(struct sg_buf *b, const struct lg_hash *h)
{
    lg_c0_put_hex(b, h->b, sizeof h->b);
}

void lg_rest_put_kid(struct sg_buf *b, lg_kid kid)
{
    uint8_t bytes[8];
    sg_put_be64(bytes, kid);
    lg_c0_put_hex(b, bytes, sizeof bytes);
}

void lg_rest_put_string(struct sg_buf *b, const char *text)
{
    lg_c0_put_text(b, text, strlen(text));
}

void lg_rest_put_slice(struct sg_buf *b, struct lg_slice s)
{
    sg_buf_put(b, s.p, s.len);
}

void lg_rest_put_int(struct sg_buf *b, const char *before, int64_t v)
{
    sg_buf_puts(b, before);
    sg_buf_put_i64(b, v);
}

void lg_rest_put_buf(struct sg_buf *b, const char *before, const struct sg_buf *from)
{
    sg_buf_puts(b, before);
    sg_buf_put(b, from->p, from->len);
}

int lg_rest_put_header(struct lg_rest_call *c, const struct lg_hash *hash)
{
    struct sg_buf header;
    uint8_t sig[SG_SIGNATURE_BYTES];
    sg_buf_init(&header, 1u << 16);
    const int err = lg_reader_header(c->reader, &header, sig, hash);
    if (err == 0) {
        sg_buf_puts(&c->out, "{\"hash\":");
        lg_rest_put_hash(&c->out, hash);
        lg_rest_put_buf(&c->out, ",\"header\":", &header);
        sg_buf_puts(&c->out, ",\"sig\":");
        lg_c0_put_base64(&c->out, sig, sizeof sig);
        sg_buf_puts(&c->out, "}");
    }
    sg_buf_fini(&header);
    return err;
}

int lg_rest_tip(struct lg_rest_call *c, struct lg_block_info *tip)
{
    const int err = lg_reader_tip(c->reader, tip);
    if (err != SG_ENOT_FOUND)
        return err;
    lg_block_info_genesis(tip, c->genesis);
    return 0;
}

const char *lg_rest_state(const struct lg_genesis *g, int64_t confirmations)
{
    return confirmations >= g->policy.confirm_depth ? "confirmed" : "mined";
}
