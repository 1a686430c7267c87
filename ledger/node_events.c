/* What a node tells its listeners: the events of GET /v1/stream, and the alarms behind them.
 *
 * Invariant: an event is told only after what it tells of is on disk (blocks, minutes, reorganisations; samples are unsigned and
 * never on disk). Nothing here waits for a listener, and no event is told with the node's lock held. */
#include "ledger/event_json.h"
#include "ledger/node_priv.h"
#include "sg_log.h"

#include <string.h>

/* The ring: an hour and more of a small network, and a few minutes of a large one. */
#define RING_BYTES       ((size_t)256 << 10)
#define RING_RELAY_BYTES ((size_t)2 << 10)
#define RING_MAX_BYTES   ((size_t)16 << 20)

int lg_node_events_start(struct lg_node *n)
{
    const size_t want = RING_BYTES + RING_RELAY_BYTES * n->config.genesis->nrelays;
    return lg_events_new(&n->events, n->start_ms, want < RING_MAX_BYTES ? want : RING_MAX_BYTES);
}

/* ---- chain ---- */

static void tell_minute(void *ctx, const struct sg_buf *json)
{
    struct lg_node *n = ctx;
    lg_events_put(n->events, "minute", json);
}

/* Without memory for them listeners are told that something is missing. */
static void tell_minutes(struct lg_node *n, struct lg_statement *const *statements, unsigned count,
    const struct lg_block_info *block)
{
    struct sg_buf nothing;
    sg_buf_init(&nothing, 0);
    if (lg_event_minutes(n->config.genesis, statements, count, block, tell_minute, n) != 0)
        lg_events_put(n->events, "minute", &nothing);
}

void lg_node_tell_pooled(struct lg_node *n, struct lg_statement *const *statements, unsigned count)
{
    tell_minutes(n, statements, count, NULL);
}

void lg_node_tell_tip(struct lg_node *n, const struct lg_event_msg *e)
{
    struct sg_buf json;
    sg_buf_init(&json, SIZE_MAX);
    if (e->kind == LG_EVENT_REORG) {
        lg_event_reorg(&json, e);
        lg_events_put(n->events, "reorg", &json);
        sg_buf_reset(&json);
    }
    if (e->block) /* without it listeners are told that something is missing */
        lg_event_block(&json, e);
    lg_events_put(n->events, "block", &json);
    sg_buf_fini(&json);
    if (e->block)
        tell_minutes(n, e->block->statements, e->block->nstatements, &e->tip);
}

/* ---- samples ---- */

void lg_node_set_relay(struct lg_node *n, const struct lg_node_relay_state *state)
{
    const struct lg_genesis *g = n->config.genesis;
    const struct lg_relay *relay = lg_genesis_relay(g, state->id, strlen(state->id));
    struct sg_buf json;
    if (!relay)
        return;
    struct lg_node_relay_state *held = &n->relays[relay - g->relays];
    pthread_mutex_lock(&n->lock);
    const bool is_new = state->has_sample && (!held->has_sample || held->last_seq != state->last_seq);
    *held = *state;
    pthread_mutex_unlock(&n->lock);
    if (!is_new)
        return;
    sg_buf_init(&json, SIZE_MAX);
    lg_event_sample(&json, relay, state);
    lg_events_put(n->events, "sample", &json);
    sg_buf_fini(&json);
}

/* ---- alarms ---- */

static void tell_alarm(struct lg_node *n, const struct lg_alarm *alarm)
{
    struct sg_buf json;
    sg_buf_init(&json, SIZE_MAX);
    lg_event_alarm(&json, alarm);
    lg_events_put(n->events, "alarm", &json);
    sg_buf_fini(&json);
}

void lg_node_alarm(struct lg_node *n, const char *kind)
{
    const struct sg_clock *c = n->config.clock;
    struct lg_alarm alarm;

    sg_log(SG_LOG_WARN, "alarm", "%s", kind);
    pthread_mutex_lock(&n->lock);
    const bool on = lg_alarms_raise(&n->alarms, &alarm, kind, c->wall_ms(c), c->run_ms(c));
    pthread_mutex_unlock(&n->lock);
    if (on)
        tell_alarm(n, &alarm);
}

static void tell_end(struct lg_node *n, const struct lg_alarm *alarm)
{
    sg_log(SG_LOG_INFO, "alarm", "%s: over", alarm->code);
    tell_alarm(n, alarm);
}

void lg_node_alarm_end(struct lg_node *n, const char *kind)
{
    const struct sg_clock *c = n->config.clock;
    struct lg_alarm alarm;

    pthread_mutex_lock(&n->lock);
    const bool was_on = lg_alarms_end(&n->alarms, &alarm, kind, c->wall_ms(c));
    pthread_mutex_unlock(&n->lock);
    if (was_on)
        tell_end(n, &alarm);
}

void lg_node_quiet_alarms(struct lg_node *n)
{
    const struct sg_clock *c = n->config.clock;
    struct lg_alarm alarm;
    bool ended = true;

    while (ended) {
        pthread_mutex_lock(&n->lock);
        ended = lg_alarms_quiet(&n->alarms, &alarm, c->wall_ms(c), c->run_ms(c));
        pthread_mutex_unlock(&n->lock);
        if (ended)
            tell_end(n, &alarm);
    }
}
