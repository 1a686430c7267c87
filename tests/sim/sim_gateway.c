/* A gateway: gateway/witness.c and witness_sign.c around the real state machine of signing, the real choice of entries and the
 * real judgement of clocks; HTTP is messages, the database is sim_outbox.
 *
 * Invariant: a statement is in the outbox before anyone is offered it. */
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MS         500
#define FOLLOW_AFTER_MS  20000
#define CATCH_UP_MINUTES 59

static struct sim_gateway *gateway(struct sim *s, unsigned m)
{
    return &s->machines[m].gw;
}

static sg_ms earlier(sg_ms a, sg_ms b)
{
    return a < b ? a : b;
}

/* ---- what was read ---- */

/* A gateway whose clock is wrong does not take a relay's minutes for its own. */
static bool clock_off(const struct sim *s, unsigned m)
{
    sg_ms off = sim_wall(s, m) - s->now;
    return off > s->g->policy.max_future_ms || off < -s->g->policy.max_future_ms;
}

static void outcome(struct sim *s, unsigned m, unsigned relay, sg_minute min)
{
    struct sim_gateway *g = gateway(s, m);
    struct sim_item it = {.relay = relay, .min = min, .entered = sim_wall(s, m) / SG_MINUTE_MS - 1};
    if (!s->healed && sim_chance(&s->rng, s->relay_gap)) {
        it.reason = LG_REASON_TIMEOUT;
    } else {
        const struct sim_doc *body = sim_truth_body(s, relay, min, &it.digest);
        it.is_read = true;
        it.body_len = (uint32_t)body->len;
        it.live = (uint8_t)sim_below(&s->rng, 2);
    }
    if (sim_outbox_put(&g->box, &it))
        s->stats.pairs += it.is_read;
    if (min > g->reported[relay])
        g->reported[relay] = min;
}

void sim_gateway_outcome(struct sim *s, unsigned m, uint64_t relays, sg_minute min)
{
    if (clock_off(s, m) || s->now > (min + 1 + 60) * SG_MINUTE_MS) /* RING is an hour long */
        return;
    for (unsigned r = 0; r < s->g->nrelays; r++)
        if ((relays >> r & 1) != 0)
            outcome(s, m, r, min);
    sim_gateway_turn(s, m);
}

/* What the relays still hold of the minutes that were missed. No node is asked what was said of them (gateway/catchup.c): what the outbox does
 * not know is stated again, said or not. */
static void catch_up(struct sim *s, unsigned m)
{
    sg_minute closed = s->now / SG_MINUTE_MS - 1;
    for (unsigned r = 0; r < s->g->nrelays; r++) {
        gateway(s, m)->reported[r] = -1;
        for (sg_minute min = closed - CATCH_UP_MINUTES; min <= closed; min++) {
            if (min < SIM_MINUTE || !sim_reads(s, m, r))
                continue;
            const struct sim_item *it = sim_outbox_item(&gateway(s, m)->box, r, min);
            if (it == NULL || (!it->is_read && it->carried == 0))
                sim_at(s, s->now + sim_between(&s->rng, 100, 3000), EV_OUTCOME, m, UINT64_C(1) << r,
                    (uint64_t)min);
        }
    }
}

/* ---- asking the nodes ---- */

struct sim_ledger *sim_gateway_home(struct sim_gateway *g)
{
    for (unsigned i = 0; i < g->nledgers; i++)
        if (g->ledgers[i].answered)
            return &g->ledgers[i];
    return NULL;
}

static void ask_one(struct sim *s, unsigned m, struct sim_ledger *l)
{
    l->asking = true;
    l->asked_wall = sim_wall(s, m);
    l->ask_id = s->next_id++;
    l->ask_until = s->now + SIM_ASK_MS;
    struct sim_msg *msg = sim_msg_new(MSG_ASK, m, l->m);
    msg->id = l->ask_id;
    sim_send(s, msg);
}

static void ask(struct sim *s, unsigned m)
{
    struct sim_gateway *g = gateway(s, m);
    g->retry = INT64_MAX;
    g->want_ready = g->core.state == GW_WITNESS_IDLE;
    for (unsigned i = 0; i < g->nledgers; i++) {
        struct sim_ledger *l = &g->ledgers[i];
        if (l->asking)
            continue;
        l->answered = l->ready = l->has_clock = false;
        ask_one(s, m, l);
        if (!g->up)
            return;
    }
}

static bool settled(const struct sim_gateway *g)
{
    for (unsigned i = 0; i < g->nledgers; i++)
        if (g->ledgers[i].asking)
            return false;
    return true;
}

static void expire_questions(struct sim *s, struct sim_gateway *g)
{
    for (unsigned i = 0; i < g->nledgers; i++)
        if (g->ledgers[i].asking && s->now >= g->ledgers[i].ask_until)
            g->ledgers[i].asking = false;
    if (g->following && s->now >= g->follow_until)
        g->following = false;
}

/* Another process signs with this key, or this one did before its disk was lost: it ends, and is started again. */
static void saw(struct sim *s, unsigned m, sg_ms inc)
{
    struct sim_gateway *g = gateway(s, m);
    if (!gw_witness_saw(&g->core, inc))
        return;
    sim_say(s, "gateway %u sees a greater incarnation %" PRId64 " and exits", m, inc);
    g->exits++;
    sim_stop_machine(s, m);
    sim_at(s, s->now + 5000, EV_START, m, 0, 0);
}

static void take_answer(struct sim *s, unsigned m, const struct sim_msg *msg)
{
    struct sim_gateway *g = gateway(s, m);
    for (unsigned i = 0; i < g->nledgers; i++) {
        struct sim_ledger *l = &g->ledgers[i];
        if (!l->asking || l->ask_id != msg->id)
            continue;
        l->asking = false;
        l->answered = l->has_clock = true;
        l->agrees = gw_trust_agrees(msg->clock, l->asked_wall, sim_wall(s, m), s->g->policy.max_future_ms);
        l->ready = msg->ready;
        l->tip = (struct sim_named){.hash = msg->hash, .slot = msg->tip_slot};
        l->base = msg->base;
        l->base_for = msg->base_for;
        l->tip_time = msg->time;
        l->inc = msg->inc;
        l->slot = msg->slot;
        if (g->core.made_inc > 0 && msg->inc > g->core.made_inc)
            saw(s, m, msg->inc);
        return;
    }
}

/* ---- incarnations ---- */

void sim_gateway_give_up(struct sim *s, unsigned m, sg_ms inc)
{
    struct sim_gateway *g = gateway(s, m);
    sim_outbox_give_up(&g->box, inc);
    if (inc != g->core.inc || g->core.state == GW_WITNESS_IDLE || g->core.state == GW_WITNESS_STOPPED)
        return;
    sim_say(s, "gateway %u gives up incarnation %" PRId64, m, inc);
    gw_witness_lost(&g->core);
    g->retry = s->now;
}

static void adopt_tip(struct sim_gateway *g)
{
    const struct sim_ledger *home = sim_gateway_home(g);
    if (home == NULL)
        return;
    enum gw_witness_names names = gw_witness_names(true, home->base_for, home->tip.slot, g->slot);
    if (names != GW_NAMES_LAST)
        g->tip = names == GW_NAMES_BASE ? home->base.hash : home->tip.hash;
    g->tip_time = home->tip_time;
}

static bool trusted(struct sim *s, unsigned m)
{
    struct sim_gateway *g = gateway(s, m);
    const struct sim_machine *x = &s->machines[m];
    struct gw_trust_view v = {.max_future_ms = s->g->policy.max_future_ms,
        .wall_ms = sim_wall(s, m),
        .run_ms = sim_run_ms(s, m),
        .start_wall_ms = x->start_wall,
        .start_run_ms = x->start_run,
        .tip_ms = g->tip_time,
        .relay_agrees = !clock_off(s, m)};
    for (unsigned i = x->has_node ? 1 : 0; i < g->nledgers; i++) {
        v.peers += g->ledgers[i].has_clock;
        v.peers_agree += g->ledgers[i].has_clock && g->ledgers[i].agrees;
    }
    g->trust = gw_trust_judge(&v);
    if (g->trust != GW_TRUST_GOOD)
        g->retry = earlier(g->retry, s->now + 10 * RETRY_MS);
    return g->trust == GW_TRUST_GOOD;
}

static void gather_known(struct sim *s, unsigned m, struct gw_witness_known *known)
{
    struct sim_gateway *g = gateway(s, m);
    sg_ms now = sim_wall(s, m), horizon = now + s->g->policy.max_future_ms;
    const struct sim_ledger *home = sim_gateway_home(g);
    *known = (struct gw_witness_known){.slot = -1};
    sim_outbox_greatest(&g->box, &known->own_inc, &known->own_slot, now, s->g->policy.max_future_ms);
    for (unsigned i = 0; i < g->nledgers; i++) {
        const struct sim_ledger *l = &g->ledgers[i];
        if (!l->answered || l->inc == 0 ||
            (l != home && (l->inc > horizon || l->slot >= horizon / SG_MINUTE_MS)))
            continue;
        known->inc = l->inc > known->inc ? l->inc : known->inc;
        known->slot = l->slot > known->slot ? l->slot : known->slot;
    }
}

/* The seeded fault "backup": whatever the disk says was signed last goes on. */
static bool go_on(struct sim *s, struct sim_gateway *g)
{
    const struct sim_said *last = g->box.nsaid > 0 ? &g->box.said[g->box.nsaid - 1] : NULL;
    if (s->opt.bug != SIM_BUG_BACKUP || last == NULL || g->core.made_inc != 0)
        return false;
    g->core.state = GW_WITNESS_SIGNING;
    g->core.inc = g->core.made_inc = last->inc;
    g->core.seq = last->seq;
    g->core.prev = last->leaf;
    g->core.least_slot = last->slot + 1;
    return true;
}

static void begin(struct sim *s, unsigned m)
{
    struct sim_gateway *g = gateway(s, m);
    struct gw_witness_known known;
    bool ready = false;
    if (!settled(g))
        return;
    for (unsigned i = 0; i < (s->machines[m].has_node ? 1 : g->nledgers) && !ready; i++)
        ready = g->ledgers[i].answered && g->ledgers[i].ready;
    if (!g->want_ready || !ready) {
        g->retry = earlier(g->retry, s->now + (g->want_ready ? 4 * RETRY_MS : 0));
        return;
    }
    adopt_tip(g);
    if (!trusted(s, m) || go_on(s, g))
        return;
    gather_known(s, m, &known);
    g->begun = sim_wall(s, m);
    gw_witness_begin(&g->core, &known, g->begun);
    sim_say(s, "gateway %u begins incarnation %" PRId64, m, g->core.inc);
}

/* ---- one statement ---- */

static bool have_reported(const struct sim *s, unsigned m)
{
    const struct sim_gateway *g = &s->machines[m].gw;
    for (unsigned r = 0; r < s->g->nrelays; r++)
        if (g->reported[r] < g->slot && (g->relays >> r & 1) != 0)
            return false;
    return true;
}

static bool due(struct sim *s, unsigned m, sg_ms wall)
{
    struct sim_gateway *g = gateway(s, m);
    if (wall < gw_witness_sign_at(s->g, s->g->gateways[m].id, g->slot))
        return false;
    if (wall >= (g->slot + 1) * SG_MINUTE_MS + s->g->policy.collect_ms / 2)
        return settled(g) || sim_gateway_home(g) != NULL;
    return have_reported(s, m) && settled(g);
}

struct signer {
    struct sim *s;
    unsigned m;
};

static int sign_as(void *ctx, uint8_t sig[static SG_SIGNATURE_BYTES], const void *msg, size_t len)
{
    const struct signer *who = ctx;
    return sim_sign(who->s, who->m, sig, msg, len);
}

static void say(struct sim *s, unsigned m)
{
    struct sim_gateway *g = gateway(s, m);
    sg_minute first = gw_entries_first(s->g, g->slot);
    struct gw_entries_limits limits = {
        .first = first, .last = g->slot, .max_entries = 1000, .max_bytes = 65536};
    struct gw_entries e = {0};
    unsigned n;
    struct gw_item *items = sim_outbox_open(&g->box, &n, first, g->slot);
    if (gw_entries_choose(&e, items, n, s->g, &limits) != 0)
        abort();
    struct lg_statement st = {.gw = s->g->gateways[m].id,
        .ts = sim_wall(s, m),
        .tip = g->tip,
        .reads = e.reads,
        .nreads = e.nreads,
        .gaps = e.gaps,
        .ngaps = e.ngaps};
    struct signer who = {s, m};
    struct sg_buf doc;
    gw_witness_fill(&g->core, &st, g->slot);
    sg_buf_init(&doc, 65536);
    int err = lg_statement_encode_with(&doc, &st, sign_as, &who);
    if (err != 0) {
        sim_violate(s, "gateway %u cannot encode its statement: %s", m, sg_err_code(err));
    } else {
        struct sim_said row = {.inc = st.inc, .seq = st.seq, .slot = st.slot, .ts = st.ts, .prev = st.prev};
        struct sim_doc *d = sim_doc_new(doc.p, doc.len);
        lg_hash_leaf(&row.leaf, doc.p, doc.len);
        row.calm = s->now >= s->calm_from;
        const struct sim_said *kept = sim_outbox_say(&g->box, &row, d, items, e.taken);
        sim_doc_drop(d);
        if (kept != NULL) {
            gw_witness_signed(&g->core, &row.leaf, row.slot);
            sim_check_signed(s, m, kept);
        } else if (!g->box.full) {
            sim_gateway_give_up(s, m, g->core.inc);
        } else {
            g->retry = earlier(g->retry, s->now + 2 * RETRY_MS);
        }
    }
    sg_buf_fini(&doc);
    gw_entries_fini(&e);
    free(items);
}

static void try_sign(struct sim *s, unsigned m)
{
    struct sim_gateway *g = gateway(s, m);
    sg_ms wall = sim_wall(s, m);
    if (g->core.state == GW_WITNESS_IDLE)
        begin(s, m);
    if (gw_witness_may_sign(&g->core, g->slot, wall) != 0 || !due(s, m, wall))
        return;
    adopt_tip(g);
    struct sim_ledger *home = sim_gateway_home(g);
    if (g->again != g->slot && home != NULL && !home->asking) { /* what to name, as of now */
        g->again = g->slot;
        ask_one(s, m, home);
        if (home->asking || !g->up)
            return;
        adopt_tip(g);
    }
    if (trusted(s, m))
        say(s, m);
}

/* ---- turns ---- */

static void turn(struct sim *s, unsigned m)
{
    struct sim_gateway *g = gateway(s, m);
    sg_ms wall = sim_wall(s, m);
    expire_questions(s, g);
    if (wall / SG_MINUTE_MS - 1 != g->slot) {
        g->slot = wall / SG_MINUTE_MS - 1;
        g->follow_wall = (g->slot + 1) * SG_MINUTE_MS + FOLLOW_AFTER_MS;
        ask(s, m);
    } else if (s->now >= g->retry) {
        ask(s, m);
    }
    if (g->up && wall >= g->follow_wall)
        sim_gateway_follow(s, m);
    if (g->up)
        try_sign(s, m);
    if (g->up)
        sim_commit_kick(s, m);
    if (g->box.dead && g->up)
        sim_faults_power(s, m);
    sim_gateway_arm(s, m);
}

/* What its own node answers at once is part of the turn. */
void sim_gateway_turn(struct sim *s, unsigned m)
{
    struct sim_gateway *g = gateway(s, m);
    if (g->turning)
        return;
    g->turning = true;
    turn(s, m);
    g->turning = false;
}

void sim_gateway_arm(struct sim *s, unsigned m)
{
    struct sim_gateway *g = gateway(s, m);
    sg_ms wall = sim_wall(s, m), until = (g->slot + 2) * SG_MINUTE_MS;
    sg_ms deadline = (g->slot + 1) * SG_MINUTE_MS + s->g->policy.collect_ms / 2;
    if (!g->up)
        return;
    until = earlier(until, g->follow_wall);
    if (wall < deadline && g->core.least_slot <= g->slot) { /* an outcome or an answer comes by itself */
        sg_ms first = gw_witness_sign_at(s->g, s->g->gateways[m].id, g->slot);
        until = earlier(until, wall < first && have_reported(s, m) ? first : deadline);
    }
    if (g->core.state == GW_WITNESS_CHOSEN && wall < g->core.inc)
        until = earlier(until, g->core.inc);
    sg_ms at = wall / SG_MINUTE_MS - 1 != g->slot ? s->now : sim_when(s, m, until);
    at = earlier(at, earlier(g->retry, sim_commit_wake(g)));
    for (unsigned i = 0; i < g->nledgers; i++)
        if (g->ledgers[i].asking)
            at = earlier(at, g->ledgers[i].ask_until);
    if (g->following)
        at = earlier(at, g->follow_until);
    sim_timer_set(s, &g->timer, EV_GW, m, at);
}

void sim_gateway_message(struct sim *s, unsigned m, struct sim_msg *msg)
{
    struct sim_gateway *g = gateway(s, m);
    if (msg->kind == MSG_ASK_IS)
        take_answer(s, m, msg);
    else if (msg->kind == MSG_OFFER_IS)
        sim_commit_answer(s, m, msg);
    else if (msg->kind == MSG_WHERE_IS)
        sim_gateway_places(s, m, msg);
    if (g->up && !s->broken)
        sim_gateway_turn(s, m);
}

void sim_gateway_start(struct sim *s, unsigned m)
{
    struct sim_gateway *g = gateway(s, m);
    gw_witness_core_init(&g->core, &s->g->id);
    g->up = true;
    g->box.dead = false;
    g->slot = -1;
    g->follow_wall = g->retry = INT64_MAX;
    g->tip = s->g->id;
    g->tip_time = s->g->time;
    g->following = false;
    for (unsigned i = 0; i < g->nledgers; i++)
        g->ledgers[i] = (struct sim_ledger){.m = g->ledgers[i].m};
    catch_up(s, m);
    sim_gateway_turn(s, m);
}
