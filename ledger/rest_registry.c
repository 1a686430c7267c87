/* Who takes part: the genesis, the relays with what this process sees of them, the gateways with where they stand.
 *
 * Samples shown here are unsigned and in memory only; what is signed is under /v1/minutes. */
#include "ledger/event_json.h"
#include "ledger/rest_priv.h"

#include <string.h>

/* Newest declared gaps shown with a gateway. */
#define RECENT_GAPS 20

int lg_rest_get_genesis(struct lg_rest_call *c)
{
    sg_buf_put(&c->out, c->genesis->doc, c->genesis->doc_len);
    return lg_rest_no_keys(c);
}

/* ---- relays ---- */

static void put_relay(struct lg_rest_call *c, unsigned index)
{
    const struct lg_rest_node *node = c->rest->config.node;
    const struct lg_relay *r = &c->genesis->relays[index];
    struct lg_node_relay_state state;
    const bool seen = node->relay(node->ctx, &state, index);
    struct sg_buf *b = &c->out;
    sg_buf_puts(b, "{\"device\":");
    lg_rest_put_string(b, r->device);
    sg_buf_puts(b, ",\"equipment\":");
    lg_rest_put_string(b, r->equipment);
    sg_buf_puts(b, ",\"id\":");
    lg_rest_put_string(b, r->id);
    lg_rest_put_int(b, ",\"last_sample_ms\":", seen ? state.last_sample_ms : 0);
    lg_rest_put_int(b, ",\"last_seq\":", seen ? state.last_seq : 0);
    lg_rest_put_int(b, ",\"of\":", lg_relay_reader_count(c->genesis, r));
    lg_rest_put_int(b, ",\"period_s\":", r->period_s);
    sg_buf_puts(b, ",\"profile\":");
    lg_rest_put_string(b, r->profile->id);
    sg_buf_puts(b, ",\"readers\":[");
    for (unsigned i = 0; i < r->nreaders; i++) {
        sg_buf_puts(b, i == 0 ? "" : ",");
        lg_rest_put_kid(b, r->readers[i]);
    }
    sg_buf_puts(b, "],\"state\":");
    lg_rest_put_string(b, seen ? state.state : "unread");
    sg_buf_puts(b, ",\"substation\":");
    lg_rest_put_string(b, r->substation);
    sg_buf_puts(b, "}");
}

/* Lists by name: from and to are ids, inclusive. */
struct names {
    const char *from, *to;
    int64_t limit;
};

static int name_range(struct lg_rest_call *c, struct names *out)
{
    static const char *const keys[] = {"from", "to", "limit", NULL};
    int err = lg_rest_keys(c, keys);
    out->from = sg_http_query(c->req, "from");
    out->to = sg_http_query(c->req, "to");
    out->limit = LG_REST_LIMIT;
    if (err == 0)
        err = lg_rest_int(c, &out->limit, "limit", 1, LG_REST_MAX_LIMIT);
    if (err == 0 && out->from != NULL && out->to != NULL && strcmp(out->from, out->to) > 0)
        err = lg_rest_bad(c, "from lies behind to");
    return err;
}

static bool inside(const struct names *n, const char *id)
{
    return (n->from == NULL || strcmp(id, n->from) >= 0) && (n->to == NULL || strcmp(id, n->to) <= 0);
}

/* The relay that begins the next page; NULL: none. */
static const char *next_relay(const struct lg_genesis *g, const struct names *range)
{
    int64_t n = 0;
    for (unsigned i = 0; i < g->nrelays; i++) {
        if (inside(range, g->relays[i].id) && n++ == range->limit)
            return g->relays[i].id;
    }
    return NULL;
}

int lg_rest_get_relays(struct lg_rest_call *c)
{
    struct names range;
    const int err = name_range(c, &range);
    if (err != 0)
        return err;
    const char *next = next_relay(c->genesis, &range);
    sg_buf_puts(&c->out, "{");
    if (next != NULL) {
        sg_buf_puts(&c->out, "\"next\":");
        lg_rest_put_string(&c->out, next);
        sg_buf_puts(&c->out, ",");
    }
    sg_buf_puts(&c->out, "\"relays\":[");
    int64_t n = 0;
    for (unsigned i = 0; i < c->genesis->nrelays && n < range.limit; i++) {
        if (!inside(&range, c->genesis->relays[i].id))
            continue;
        sg_buf_puts(&c->out, n++ == 0 ? "" : ",");
        put_relay(c, i);
    }
    sg_buf_puts(&c->out, "]}");
    return 0;
}

int lg_rest_get_latest(struct lg_rest_call *c)
{
    const struct lg_rest_node *node = c->rest->config.node;
    const char *id = sg_http_segment(c->req, 0);
    const struct lg_relay *r = lg_genesis_relay(c->genesis, id, strlen(id));
    struct lg_node_relay_state state;
    const int err = lg_rest_no_keys(c);
    if (err != 0)
        return err;
    if (r == NULL || !node->relay(node->ctx, &state, (unsigned)(r - c->genesis->relays)) || !state.has_sample)
        return SG_ENOT_FOUND;
    lg_event_sample(&c->out, r, &state);
    return 0;
}

/* ---- gateways ---- */

/* "name":{"inc":…,"leaf":…,"seq":…,"slot":…} and what follows it, or nothing when there is none. */
static void put_last(
    struct sg_buf *b, const char *name, const struct lg_statement_ref *ref, const char *after)
{
    if (ref->seq == 0)
        return;
    sg_buf_puts(b, name);
    lg_rest_put_int(b, "{\"inc\":", ref->inc);
    sg_buf_puts(b, ",\"leaf\":");
    lg_rest_put_hash(b, &ref->leaf);
    lg_rest_put_int(b, ",\"seq\":", ref->seq);
    lg_rest_put_int(b, ",\"slot\":", ref->slot);
    sg_buf_puts(b, "}");
    sg_buf_puts(b, after);
}

struct gaps {
    struct sg_buf *b;
    bool first;
};

static int put_gap(void *arg, const struct lg_reader_gap *gap)
{
    struct gaps *g = arg;
    sg_buf_puts(g->b, g->first ? "[" : ",[");
    lg_rest_put_string(g->b, gap->relay);
    lg_rest_put_int(g->b, ",", gap->from);
    lg_rest_put_int(g->b, ",", gap->to);
    sg_buf_puts(g->b, ",");
    lg_rest_put_string(g->b, lg_reason_name(gap->reason));
    sg_buf_puts(g->b, "]");
    g->first = false;
    return 0;
}

static int put_gateway(struct lg_rest_call *c, const struct lg_gateway *g, bool with_gaps)
{
    struct lg_gateway_state s;
    struct sg_buf *b = &c->out;
    struct gaps gaps = {b, true};
    int err = lg_reader_gateway(c->reader, &s, g->id);
    if (err != 0)
        return err;
    sg_buf_puts(b, "{");
    put_last(b, "\"chain\":", &s.chain, ",");
    lg_rest_put_int(b, "\"evidence\":", s.evidence);
    lg_rest_put_int(b, ",\"gaps\":", s.gap_minutes);
    lg_rest_put_int(b, ",\"greatest_inc\":", s.greatest_inc);
    lg_rest_put_int(b, ",\"greatest_slot\":", s.greatest_slot);
    sg_buf_puts(b, ",\"id\":");
    lg_rest_put_kid(b, g->id);
    sg_buf_puts(b, ",\"key\":");
    lg_c0_put_base64(b, g->key, sizeof g->key);
    lg_rest_put_int(b, ",\"mine\":", g->mine);
    sg_buf_puts(b, ",\"name\":");
    lg_rest_put_string(b, g->name);
    put_last(b, ",\"pool\":", &s.pool, "");
    if (with_gaps) {
        sg_buf_puts(b, ",\"recent_gaps\":[");
        err = lg_reader_gaps(c->reader, g->id, RECENT_GAPS, put_gap, &gaps);
        sg_buf_puts(b, "]");
    }
    lg_rest_put_int(b, ",\"restarts\":", s.incarnations > 0 ? s.incarnations - 1 : 0);
    sg_buf_puts(b, "}");
    return err;
}

int lg_rest_get_gateways(struct lg_rest_call *c)
{
    struct names range;
    char id[LG_KID_HEX + 1], next[LG_KID_HEX + 1] = "";
    int64_t n = 0;
    int err = name_range(c, &range);
    if (err == 0)
        sg_buf_puts(&c->out, "{\"gateways\":[");
    for (unsigned i = 0; i < c->genesis->ngateways && err == 0; i++) {
        const struct lg_gateway *g = &c->genesis->gateways[i];
        lg_kid_hex(id, g->id);
        if (!inside(&range, id))
            continue;
        if (n == range.limit) {
            memcpy(next, id, sizeof next);
            break;
        }
        sg_buf_puts(&c->out, n++ == 0 ? "" : ",");
        err = put_gateway(c, g, false);
    }
    sg_buf_puts(&c->out, "]");
    if (next[0] != '\0') {
        sg_buf_puts(&c->out, ",\"next\":");
        lg_rest_put_string(&c->out, next);
    }
    sg_buf_puts(&c->out, "}");
    return err;
}

int lg_rest_get_gateway(struct lg_rest_call *c)
{
    const char *text = sg_http_segment(c->req, 0);
    lg_kid kid;
    const int err = lg_rest_no_keys(c);
    if (err != 0)
        return err;
    const struct lg_gateway *g =
        lg_kid_parse(&kid, text, strlen(text)) == 0 ? lg_genesis_gateway(c->genesis, kid) : NULL;
    return g == NULL ? SG_ENOT_FOUND : put_gateway(c, g, true);
}
