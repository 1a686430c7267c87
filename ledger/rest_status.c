/* What the node is: status, liveness, readiness, metrics.
 *
 * Height, tip and slot come from the store, as every other reading call shows them; peers, pool and alarms from the node's copy of
 * itself. */
#include "ledger/rest_priv.h"

#include <string.h>

#include "sg_cli.h"

static const struct lg_rest_snapshot *snapshot(struct lg_rest_call *c)
{
    struct lg_rest *r = c->rest;
    r->config.node->snapshot(r->config.node->ctx, &r->snapshot);
    return &r->snapshot;
}

static void put_peers(struct sg_buf *b, const struct lg_rest_snapshot *s)
{
    sg_buf_puts(b, ",\"peers\":[");
    for (unsigned i = 0; i < s->npeers; i++) {
        lg_rest_put_int(b, i == 0 ? "{\"height\":" : ",{\"height\":", s->peers[i].height);
        if (s->peers[i].reason) {
            sg_buf_puts(b, ",\"reason\":");
            lg_rest_put_string(b, s->peers[i].reason);
        }
        sg_buf_puts(b, ",\"state\":");
        lg_rest_put_string(b, s->peers[i].state);
        if (s->peers[i].reason)
            lg_rest_put_int(b, ",\"until_ms\":", s->peers[i].until_ms);
        sg_buf_puts(b, ",\"url\":");
        lg_rest_put_string(b, s->peers[i].url);
        sg_buf_puts(b, "}");
    }
    sg_buf_puts(b, "]");
}

/* Relays that this process reads; an observer has none. */
static void put_relays(struct lg_rest_call *c)
{
    const struct lg_rest_node *node = c->rest->config.node;
    struct lg_node_relay_state state;
    bool first = true;
    sg_buf_puts(&c->out, ",\"relays\":[");
    for (unsigned i = 0; i < c->genesis->nrelays; i++) {
        if (!node->relay(node->ctx, &state, i))
            continue;
        sg_buf_puts(&c->out, first ? "{\"id\":" : ",{\"id\":");
        lg_rest_put_string(&c->out, c->genesis->relays[i].id);
        lg_rest_put_int(&c->out, ",\"last_sample_ms\":", state.last_sample_ms);
        lg_rest_put_int(&c->out, ",\"last_seq\":", state.last_seq);
        sg_buf_puts(&c->out, ",\"state\":");
        lg_rest_put_string(&c->out, state.state);
        sg_buf_puts(&c->out, "}");
        first = false;
    }
    sg_buf_puts(&c->out, "]");
}

static void put_node(struct lg_rest_call *c)
{
    const struct lg_rest_config *config = &c->rest->config;
    sg_buf_puts(&c->out, ",\"node\":{\"id\":");
    if (config->has_kid)
        lg_rest_put_kid(&c->out, config->kid);
    else
        sg_buf_puts(&c->out, "\"\"");
    sg_buf_puts(&c->out, ",\"name\":");
    lg_rest_put_string(&c->out, config->node_name);
    sg_buf_puts(&c->out, "}");
}

/* The block that this node extends for the newest closed minute, and that statements of that slot name. */
static void put_base(struct sg_buf *b, const struct lg_engine_state *s)
{
    if (!s->has_base)
        return;
    sg_buf_puts(b, "\"base\":{\"hash\":");
    lg_rest_put_hash(b, &s->base.hash);
    lg_rest_put_int(b, ",\"height\":", s->base.height);
    lg_rest_put_int(b, ",\"slot\":", s->base.slot);
    lg_rest_put_int(b, ",\"slot_for\":", s->slot);
    lg_rest_put_int(b, ",\"time\":", s->base.time);
    sg_buf_puts(b, "},");
}

int lg_rest_get_status(struct lg_rest_call *c)
{
    struct lg_block_info tip;
    int err = lg_rest_no_keys(c);
    if (err == 0)
        err = lg_rest_tip(c, &tip);
    if (err != 0)
        return err;
    const struct lg_rest_snapshot *s = snapshot(c);
    const struct sg_clock *clock = c->rest->config.clock;
    sg_buf_puts(&c->out, "{");
    put_base(&c->out, &s->engine);
    sg_buf_puts(&c->out, "\"chain\":");
    lg_rest_put_hash(&c->out, &c->genesis->id);
    sg_buf_puts(&c->out, ",\"engine\":");
    lg_rest_put_string(&c->out, s->engine_name);
    lg_rest_put_int(&c->out, ",\"height\":", tip.height);
    sg_buf_puts(&c->out, ",\"name\":");
    lg_rest_put_string(&c->out, c->genesis->name);
    put_node(c);
    put_peers(&c->out, s);
    lg_rest_put_int(&c->out, ",\"pool\":{\"bodies\":", s->engine.pool_bodies);
    lg_rest_put_int(&c->out, ",\"statements\":", s->engine.pool_statements);
    sg_buf_puts(&c->out, "}");
    put_relays(c);
    lg_rest_put_int(&c->out, ",\"slot\":", tip.slot);
    lg_rest_put_int(&c->out, ",\"time\":", clock->wall_ms(clock));
    sg_buf_puts(&c->out, ",\"tip\":");
    lg_rest_put_hash(&c->out, &tip.hash);
    sg_buf_puts(&c->out, ",\"version\":\"" SG_VERSION "\"}");
    return 0;
}

int lg_rest_get_healthz(struct lg_rest_call *c)
{
    sg_buf_puts(&c->out, "{\"status\":\"ok\"}");
    return lg_rest_no_keys(c);
}

int lg_rest_get_readyz(struct lg_rest_call *c)
{
    const int err = lg_rest_no_keys(c);
    if (err != 0)
        return err;
    const struct lg_rest_snapshot *s = snapshot(c);
    if (!s->ready) {
        memcpy(c->why, s->not_ready, sizeof c->why);
        c->why[sizeof c->why - 1] = '\0';
        return SG_ENOT_READY;
    }
    sg_buf_puts(&c->out, "{");
    if (s->scrub.damaged > 0)
        lg_rest_put_int(&c->out, "\"damaged\":", s->scrub.damaged);
    sg_buf_puts(&c->out, s->scrub.damaged > 0 ? ",\"status\":\"ready\"}" : "\"status\":\"ready\"}");
    return 0;
}

/* ---- metrics: Prometheus text format 0.0.4 ---- */

static void family(struct sg_buf *b, const char *name, const char *type, const char *help)
{
    sg_buf_printf(b, "# HELP gridwitness_%s %s\n# TYPE gridwitness_%s %s\n", name, help, name, type);
}

static void metric(struct sg_buf *b, const char *name, const char *type, const char *help, int64_t v)
{
    family(b, name, type, help);
    sg_buf_printf(b, "gridwitness_%s %lld\n", name, (long long)v);
}

/* A label value: backslash, quote and newline are escaped (only the first two can occur in a valid name). */
static void put_label(struct sg_buf *b, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\' || *text == '"')
            sg_buf_put_u8(b, '\\');
        if (*text == '\n')
            sg_buf_puts(b, "\\n");
        else
            sg_buf_put_u8(b, (uint8_t)*text);
    }
}

/* The head of a sample with a label: what follows closes the quotes. */
static void sample(struct sg_buf *b, const char *name, const char *label, const char *text)
{
    sg_buf_printf(b, "gridwitness_%s{%s=\"", name, label);
    put_label(b, text);
}

static void engine_metrics(
    struct sg_buf *b, const struct lg_rest_snapshot *s, const struct lg_block_info *tip)
{
    metric(b, "height", "gauge", "Height of the best branch.", tip->height);
    metric(b, "tip_slot", "gauge", "Slot of the tip: minutes since 1970.", tip->slot);
    metric(b, "tip_time_ms", "gauge", "Time of the tip, ms since 1970.", tip->time);
    metric(b, "tip_weight_sum", "gauge", "Sum of the weights of the best branch.", tip->weight_sum);
    metric(b, "pool_statements", "gauge", "Statements that wait to be mined.", s->engine.pool_statements);
    metric(b, "pool_bodies", "gauge", "Bodies that wait to be mined.", s->engine.pool_bodies);
    metric(b, "pool_bytes", "gauge", "Bytes of the pool.", (int64_t)s->engine.pool_bytes);
    metric(b, "orphan_blocks", "gauge", "Blocks whose parent is not known.", s->engine.orphans);
    metric(b, "held_documents", "gauge", "Early documents that wait for their time.", s->engine.held);
    metric(b, "mining", "gauge", "1 while this node searches a nonce.", s->engine.mining);
    metric(b, "reorgs_total", "counter", "Reorganisations since the start.", (int64_t)s->engine.reorgs);
    metric(b, "reorg_deepest_blocks", "gauge", "Deepest reorganisation since the start.",
        (int64_t)s->engine.deepest_reorg);
    metric(
        b, "side_bytes", "gauge", "Bytes of blocks that are not on the best branch.", s->engine.side_bytes);
    metric(b, "side_given_up_total", "counter", "Such blocks given up for want of room since the start.",
        (int64_t)s->engine.side_given_up);
    metric(b, "ready", "gauge", "1 while /readyz says ready.", s->ready);
    metric(b, "start_time_ms", "gauge", "Time of the start, ms since 1970.", s->start_ms);
}

static void ban_metrics(struct sg_buf *b, const struct lg_rest_snapshot *s)
{
    family(b, "peer_bans_total", "counter", "Bans of a peer since the start.");
    for (unsigned i = 0; i < s->npeers; i++) {
        sample(b, "peer_bans_total", "url", s->peers[i].url);
        sg_buf_printf(b, "\"} %llu\n", (unsigned long long)s->peers[i].bans);
    }
    family(b, "peer_banned_until_ms", "gauge", "End of the ban of a peer, ms since 1970, and its reason.");
    for (unsigned i = 0; i < s->npeers; i++) {
        if (!s->peers[i].reason)
            continue;
        sample(b, "peer_banned_until_ms", "url", s->peers[i].url);
        sg_buf_printf(b, "\",reason=\"%s\"} %lld\n", s->peers[i].reason, (long long)s->peers[i].until_ms);
    }
}

static void scrub_metrics(struct sg_buf *b, const struct lg_scrubber_summary *s)
{
    metric(b, "scrub_documents_total", "counter",
        "Stored documents read again and compared with their hashes.", (int64_t)s->documents);
    metric(b, "scrub_passes_total", "counter", "Walks through the whole store.", (int64_t)s->passes);
    metric(
        b, "damage_found_total", "counter", "Damaged parts of the store that were found.", (int64_t)s->found);
    metric(b, "damage_repaired_total", "counter", "Of them, put back.", (int64_t)s->repaired);
    metric(b, "damaged", "gauge", "Damaged parts of the store now.", s->damaged);
    metric(b, "damage_beyond_repair", "gauge", "1 when one of them cannot be put back in place.",
        s->beyond_repair);
}

static void peer_metrics(struct sg_buf *b, const struct lg_rest_snapshot *s)
{
    family(b, "peer_up", "gauge", "1 while the peer answers and fits.");
    for (unsigned i = 0; i < s->npeers; i++) {
        sample(b, "peer_up", "url", s->peers[i].url);
        const bool up = strcmp(s->peers[i].state, "ok") == 0 || strcmp(s->peers[i].state, "syncing") == 0;
        sg_buf_puts(b, up ? "\"} 1\n" : "\"} 0\n");
    }
    ban_metrics(b, s);
    family(b, "alarms_total", "counter", "Alarms since the start.");
    for (unsigned i = 0; i < s->alarms.n; i++) {
        sample(b, "alarms_total", "kind", s->alarms.v[i].code);
        sg_buf_printf(b, "\"} %llu\n", (unsigned long long)s->alarms.v[i].count);
    }
    family(b, "alarm_on", "gauge", "1 while an alarm is on.");
    for (unsigned i = 0; i < s->alarms.n; i++) {
        sample(b, "alarm_on", "kind", s->alarms.v[i].code);
        sg_buf_puts(b, s->alarms.v[i].until_ms == 0 ? "\"} 1\n" : "\"} 0\n");
    }
}

static void stream_metrics(struct lg_rest_call *c)
{
    struct lg_events_counts n = {0};
    if (c->rest->config.events != NULL)
        lg_events_counts(c->rest->config.events, &n);
    metric(&c->out, "stream_events_total", "counter", "Events told since the start.", (int64_t)n.events);
    metric(&c->out, "streams", "gauge", "Streams that are open.", (int64_t)n.streams);
    metric(&c->out, "streams_cut_total", "counter", "Streams cut off because their readers were too slow.",
        (int64_t)n.cut);
    metric(&c->out, "streams_refused_total", "counter", "Streams refused because there were too many.",
        (int64_t)n.refused);
}

static void relay_metrics(struct lg_rest_call *c)
{
    const struct lg_rest_node *node = c->rest->config.node;
    struct lg_node_relay_state state;
    family(&c->out, "relay_last_sample_ms", "gauge", "Time of the newest sample of a relay.");
    for (unsigned i = 0; i < c->genesis->nrelays; i++) {
        if (!node->relay(node->ctx, &state, i))
            continue;
        sample(&c->out, "relay_last_sample_ms", "relay", c->genesis->relays[i].id);
        sg_buf_puts(&c->out, "\",state=\"");
        put_label(&c->out, state.state);
        sg_buf_printf(&c->out, "\"} %lld\n", (long long)state.last_sample_ms);
    }
}

int lg_rest_get_metrics(struct lg_rest_call *c)
{
    struct lg_block_info tip;
    uint64_t answered = 0, refused = 0;
    int err = lg_rest_no_keys(c);
    if (err == 0)
        err = lg_rest_tip(c, &tip);
    if (err != 0)
        return err;
    const struct lg_rest_snapshot *s = snapshot(c);
    c->type = "text/plain; version=0.0.4; charset=utf-8";
    engine_metrics(&c->out, s, &tip);
    sg_http_server_counts(c->rest->server, &answered, &refused);
    metric(&c->out, "http_answered_total", "counter", "HTTP requests answered.", (int64_t)answered);
    metric(&c->out, "http_refused_total", "counter", "HTTP requests refused before a handler ran.",
        (int64_t)refused);
    stream_metrics(c);
    scrub_metrics(&c->out, &s->scrub);
    peer_metrics(&c->out, s);
    relay_metrics(c);
    return 0;
}
