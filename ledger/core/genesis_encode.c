/* A genesis from its parts, in canonical form. Judges nothing: lg_genesis_decode does, once the text exists. */
#include "ledger/core/parse.h"

#include <string.h>

static void put_key_int(struct sg_buf *b, const char *key, int64_t v)
{
    sg_buf_puts(b, key);
    sg_buf_put_i64(b, v);
}

static void put_key_text(struct sg_buf *b, const char *key, const char *text)
{
    sg_buf_puts(b, key);
    lg_c0_put_text(b, text, strlen(text));
}

static void put_kid(struct sg_buf *b, lg_kid kid)
{
    uint8_t bytes[8];

    sg_put_be64(bytes, kid);
    lg_c0_put_hex(b, bytes, sizeof bytes);
}

static void put_gateway(struct sg_buf *b, const struct lg_gateway *gw)
{
    sg_buf_puts(b, "{\"id\":");
    put_kid(b, gw->id);
    sg_buf_puts(b, ",\"key\":");
    lg_c0_put_base64(b, gw->key, sizeof gw->key);
    put_key_int(b, ",\"mine\":", gw->mine);
    put_key_text(b, ",\"name\":", gw->name);
    sg_buf_put_u8(b, '}');
}

static void put_policy(struct sg_buf *b, const struct lg_policy *p)
{
    put_key_int(b, "{\"collect_ms\":", p->collect_ms);
    put_key_int(b, ",\"confirm_depth\":", p->confirm_depth);
    put_key_int(b, ",\"max_block_bytes\":", p->max_block_bytes);
    put_key_int(b, ",\"max_future_ms\":", p->max_future_ms);
    put_key_int(b, ",\"stagger_ms\":", p->stagger_ms);
    sg_buf_put_u8(b, '}');
}

static void put_point(struct sg_buf *b, const struct lg_profile *profile, const struct lg_point *p)
{
    static const char *const names[] = {
        [LG_AGG_RMS] = "rms", [LG_AGG_MEAN] = "mean", [LG_AGG_PF] = "pf", [LG_AGG_LAST] = "last"};

    put_key_text(b, "{\"agg\":", names[p->agg]);
    put_key_int(b, ",\"decimals\":", p->decimals);
    put_key_int(b, ",\"exp\":", p->exp);
    put_key_text(b, ",\"label\":", p->label);
    put_key_text(b, ",\"name\":", p->name);
    sg_buf_puts(b, ",\"of\":[");
    if (p->agg == LG_AGG_PF) {
        put_key_text(b, "", profile->points[p->of[0]].name);
        put_key_text(b, ",", profile->points[p->of[1]].name);
    }
    put_key_text(b, "],\"unit\":", p->unit);
    sg_buf_put_u8(b, '}');
}

static void put_profile(struct sg_buf *b, const struct lg_profile *p)
{
    put_key_text(b, "{\"id\":", p->id);
    sg_buf_puts(b, ",\"points\":[");
    for (unsigned i = 0; i < p->npoints; i++) {
        sg_buf_puts(b, i ? "," : "");
        put_point(b, p, &p->points[i]);
    }
    sg_buf_puts(b, "]}");
}

static void put_relay(struct sg_buf *b, const struct lg_relay *r)
{
    put_key_text(b, "{\"device\":", r->device);
    put_key_text(b, ",\"equipment\":", r->equipment);
    put_key_text(b, ",\"id\":", r->id);
    put_key_int(b, ",\"period_s\":", r->period_s);
    put_key_text(b, ",\"profile\":", r->profile->id);
    sg_buf_puts(b, ",\"readers\":[");
    for (unsigned i = 0; i < r->nreaders; i++) {
        sg_buf_puts(b, i ? "," : "");
        put_kid(b, r->readers[i]);
    }
    put_key_text(b, "],\"substation\":", r->substation);
    sg_buf_put_u8(b, '}');
}

void lg_genesis_encode(struct sg_buf *out, const struct lg_genesis *g)
{
    put_key_int(out, "{\"bits\":", g->bits);
    put_key_int(out, ",\"demo\":", g->demo);
    sg_buf_puts(out, ",\"gateways\":[");
    for (unsigned i = 0; i < g->ngateways; i++) {
        sg_buf_puts(out, i ? "," : "");
        put_gateway(out, &g->gateways[i]);
    }
    put_key_text(out, "],\"name\":", g->name);
    sg_buf_puts(out, ",\"policy\":");
    put_policy(out, &g->policy);
    sg_buf_puts(out, ",\"profiles\":[");
    for (unsigned i = 0; i < g->nprofiles; i++) {
        sg_buf_puts(out, i ? "," : "");
        put_profile(out, &g->profiles[i]);
    }
    sg_buf_puts(out, "],\"relays\":[");
    for (unsigned i = 0; i < g->nrelays; i++) {
        sg_buf_puts(out, i ? "," : "");
        put_relay(out, &g->relays[i]);
    }
    put_key_int(out, "],\"time\":", g->time);
    put_key_int(out, ",\"utc_offset_min\":", g->utc_offset_min);
    sg_buf_puts(out, ",\"v\":1}");
}
