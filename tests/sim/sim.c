/* The loop, the clocks, and machines that start and stop.
 *
 * An event for a machine that is down is lost; for one that is frozen it waits. Events that belong to a process carry its number, so
 * that nothing reaches the next one. */
#include "tests/sim/sim.h"
#include "tests/sim/sim_alloc.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const sim_bug_names[SIM_BUGS] = {"none", "forget", "forget6", "unsynced", "retry", "pool",
    "arrival", "claim", "adopt", "unchecked", "readers", "backup", "torn", "late", "unsigned", "copy",
    "bodies", "idle"};
const char *const sim_fault_names[SIM_FAULTS] = {"loss", "duplicate", "delay", "cut", "partition", "crash",
    "disk_full", "disk_eio", "clock_step", "drift", "freeze", "backup", "relay", "slow_work", "hostile",
    "torn", "clog", "keyless"};

void sim_say(const struct sim *s, const char *fmt, ...)
{
    va_list ap;
    if (!s->opt.verbose)
        return;
    printf("%9.3f ", (double)(s->now - SIM_START) / 1000.0);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

void sim_violate(struct sim *s, const char *fmt, ...)
{
    char what[320];
    va_list ap;
    if (s->broken)
        return;
    s->broken = true;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    snprintf(s->violation, sizeof s->violation, "at %.3f s: %s", (double)(s->now - SIM_START) / 1000.0, what);
    sim_say(s, "VIOLATION %s", what);
}

void sim_at(struct sim *s, sg_ms t, enum sim_event_kind kind, unsigned m, uint64_t a, uint64_t b)
{
    sim_heap_push(
        &s->heap, &(struct sim_event){.t = t < s->now ? s->now : t, .kind = kind, .m = m, .a = a, .b = b});
}

void sim_timer_set(struct sim *s, struct sim_timer *t, enum sim_event_kind kind, unsigned m, sg_ms due)
{
    t->due = due < s->now ? s->now : due;
    if (t->due > s->end || (t->pending && t->at <= t->due))
        return;
    t->pending = true;
    t->at = t->due;
    sim_at(s, t->at, kind, m, ++t->generation, 0);
}

void sim_timer_stop(struct sim_timer *t)
{
    t->pending = false;
    t->due = INT64_MAX;
    t->generation++;
}

bool sim_timer_fires(struct sim *s, struct sim_timer *t, const struct sim_event *e)
{
    if (e->a != t->generation)
        return false;
    t->pending = false;
    if (s->now >= t->due)
        return true;
    sim_timer_set(s, t, e->kind, e->m, t->due);
    return false;
}

void sim_trace(struct sim *s, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i++)
        s->trace = (s->trace ^ p[i]) * UINT64_C(0x100000001B3); /* FNV-1a */
}

/* ---- clocks ---- */

static sg_ms passed(const struct sim_clock *c, sg_ms now)
{
    sg_ms d = now - c->base;
    return d + d * c->ppm / 1000000;
}

sg_ms sim_wall(const struct sim *s, unsigned m)
{
    const struct sim_clock *c = &s->machines[m].clock;
    return c->base_wall + passed(c, s->now);
}

sg_ms sim_run_ms(const struct sim *s, unsigned m)
{
    const struct sim_clock *c = &s->machines[m].clock;
    return c->base_run + passed(c, s->now);
}

sg_ms sim_when(const struct sim *s, unsigned m, sg_ms wall)
{
    const struct sim_clock *c = &s->machines[m].clock;
    sg_ms left = wall - sim_wall(s, m);
    if (left <= 0)
        return s->now;
    if (left > INT64_C(1000000000000))
        return INT64_MAX;
    sg_ms t = s->now + left - left * c->ppm / 1000000;
    while (t > s->now && c->base_wall + passed(c, t - 1) >= wall)
        t--;
    while (c->base_wall + passed(c, t) < wall)
        t++;
    return t;
}

void sim_clock_set(struct sim *s, unsigned m, sg_ms wall, int ppm)
{
    struct sim_clock *c = &s->machines[m].clock;
    sg_ms run = sim_run_ms(s, m);
    *c = (struct sim_clock){.base = s->now, .base_wall = wall, .base_run = run, .ppm = ppm};
    if (s->machines[m].up) { /* its threads look at the clock once a second at the latest */
        sim_node_arm(s, m);
        sim_gateway_arm(s, m);
    }
}

/* ---- machines ---- */

void sim_start_machine(struct sim *s, unsigned m)
{
    struct sim_machine *x = &s->machines[m];
    if (x->up)
        return;
    x->up = true;
    x->process++;
    x->started = s->now;
    x->start_wall = sim_wall(s, m);
    x->start_run = sim_run_ms(s, m);
    s->stats.restarts += x->process > 1;
    sim_say(s, "machine %u starts, process %" PRIu64, m, x->process);
    sim_calm_from(s, s->now);
    if (x->has_node)
        sim_node_open(s, m);
    if (x->up && m != s->hostile)
        sim_gateway_start(s, m);
}

void sim_stop_machine(struct sim *s, unsigned m)
{
    struct sim_machine *x = &s->machines[m];
    if (!x->up)
        return;
    sim_say(s, "machine %u stops", m);
    sim_calm_from(s, s->now);
    x->up = false;
    x->gw.up = false;
    sim_timer_stop(&x->gw.timer);
    x->process++;
    if (x->has_node)
        sim_node_close(s, m);
}

/* ---- the loop ---- */

static bool of_machine(enum sim_event_kind k)
{
    return k == EV_MSG || k == EV_NODE || k == EV_SOLVED || k == EV_POLL || k == EV_GATHER || k == EV_GW ||
           k == EV_OUTCOME;
}

void sim_message(struct sim *s, struct sim_msg *msg)
{
    s->stats.messages++;
    if (msg->to == s->keyless) {
        sim_keyless_message(s, msg);
    } else if (msg->to_gateway) {
        if (s->machines[msg->to].gw.up)
            sim_gateway_message(s, msg->to, msg);
    } else if (s->machines[msg->to].node.engine != NULL) {
        sim_node_message(s, msg->to, msg);
    }
}

/* Its relays are read together, but for the late ones. */
static void read_relays(struct sim *s, unsigned m, sg_minute min)
{
    sg_ms after = sim_between(&s->rng, 20, 400);
    uint64_t relays = s->machines[m].gw.relays;
    for (unsigned r = 0; r < s->g->nrelays && !s->healed && s->relay_late > 0; r++)
        if ((relays >> r & 1) != 0 && sim_chance(&s->rng, s->relay_late)) {
            relays &= ~(UINT64_C(1) << r);
            sim_at(s, s->now + after + sim_between(&s->rng, 1000, 20 * SG_MINUTE_MS), EV_OUTCOME, m,
                UINT64_C(1) << r, (uint64_t)min);
        }
    if (relays != 0)
        sim_at(s, s->now + after, EV_OUTCOME, m, relays, (uint64_t)min);
}

static void close_minute(struct sim *s, const struct sim_event *e)
{
    sg_minute min = (sg_minute)e->a;
    for (unsigned m = 0; m < s->ngws; m++)
        if (s->machines[m].up && m != s->hostile)
            read_relays(s, m, min);
    if (s->opt.script != SIM_SCRIPT_NONE)
        sim_script_minute(s, min);
    else if (s->hostile < s->ngws && (!s->healed || s->hostile_stays))
        sim_at(s, s->now + sim_between(&s->rng, 0, sim_chance(&s->rng, 600) ? 2000 : 45000), EV_HOSTILE,
            s->hostile, (uint64_t)min, 0);
    if (s->keyless != SIM_NOBODY && s->machines[s->keyless].up)
        sim_at(s, s->now + sim_between(&s->rng, 0, 59999), EV_KEYLESS, s->keyless, (uint64_t)min, 0);
    sim_at(s, (min + 2) * SG_MINUTE_MS, EV_MINUTE, 0, (uint64_t)min + 1, 0);
}

static void machine_event(struct sim *s, struct sim_event *e)
{
    struct sim_machine *x = &s->machines[e->m];
    if (!x->up)
        return;
    if (x->frozen_until > s->now) {
        struct sim_event later = *e;
        later.t = x->frozen_until;
        e->p = NULL;
        sim_heap_push(&s->heap, &later);
        return;
    }
    if (e->kind == EV_MSG)
        sim_message(s, e->p);
    else if (e->kind == EV_NODE && sim_timer_fires(s, &x->node.timer, e))
        sim_node_wake(s, e->m);
    else if (e->kind == EV_SOLVED && e->b == x->process)
        sim_node_solved(s, e->m, e->a);
    else if (e->kind == EV_POLL && e->a == x->process)
        sim_peers_poll(s, e->m);
    else if (e->kind == EV_GATHER && e->a == x->process)
        sim_node_gather(s, e->m);
    else if (e->kind == EV_GW && sim_timer_fires(s, &x->gw.timer, e) && x->gw.up)
        sim_gateway_turn(s, e->m);
    else if (e->kind == EV_OUTCOME && x->gw.up)
        sim_gateway_outcome(s, e->m, e->a, (sg_minute)e->b);
}

static void world_event(struct sim *s, const struct sim_event *e)
{
    switch (e->kind) {
    case EV_START:
        sim_start_machine(s, e->m);
        break;
    case EV_FAULT:
        sim_faults_begin(s, (enum sim_fault)e->a);
        break;
    case EV_FAULT_END:
        sim_faults_end(s, e);
        break;
    case EV_HOSTILE:
        if (s->opt.script != SIM_SCRIPT_NONE)
            sim_script_act(s, e);
        else
            sim_hostile_slot(s, (sg_minute)e->a);
        break;
    case EV_KEYLESS:
        sim_keyless_slot(s, (sg_minute)e->a);
        break;
    case EV_RELEASE:
        sim_hostile_release(s);
        break;
    case EV_MINUTE:
        close_minute(s, e);
        break;
    case EV_SEVER:
        sim_faults_sever(s);
        break;
    case EV_HEAL:
        sim_faults_heal(s);
        break;
    case EV_PROBE:
        sim_check_probe(s);
        sim_at(s, s->now + SG_MINUTE_MS, EV_PROBE, 0, 0, 0);
        break;
    case EV_MSG:
    case EV_NODE:
    case EV_SOLVED:
    case EV_POLL:
    case EV_GATHER:
    case EV_GW:
    case EV_OUTCOME:
    case EV_KINDS:
        abort();
    }
}

void sim_run(struct sim *s)
{
    struct sim_event e;
    while (!s->broken && sim_heap_pop(&s->heap, &e)) {
        if (e.t > s->end) {
            if (e.p != NULL)
                sim_msg_drop(e.p);
            break;
        }
        s->now = e.t;
        s->stats.events++;
        s->trace =
            (s->trace ^ ((uint64_t)e.t << 12 | (uint64_t)e.kind << 6 | e.m)) * UINT64_C(0x9E3779B97F4A7C15);
        s->trace ^= s->trace >> 29;
        if (of_machine(e.kind))
            machine_event(s, &e);
        else
            world_event(s, &e);
        if (e.p != NULL)
            sim_msg_drop(e.p);
    }
    if (!s->broken) {
        s->now = s->end;
        sim_check_end(s);
    }
    s->stats.node_minutes = (s->now - SIM_START) / SG_MINUTE_MS * s->nnodes;
}

struct sim *sim_new(const struct sim_options *o)
{
    struct sim *s = calloc(1, sizeof *s);
    if (s == NULL)
        abort();
    s->opt = *o;
    s->rng = o->seed * UINT64_C(0x2545F4914F6CDD1D) + 1;
    s->trace = UINT64_C(0xCBF29CE484222325);
    s->now = SIM_START;
    s->next_id = 1;
    sim_world_init(s);
    return s;
}

void sim_free(struct sim *s)
{
    struct sim_event e;
    for (unsigned m = 0; m < s->ngws; m++)
        sim_stop_machine(s, m);
    while (sim_heap_pop(&s->heap, &e))
        if (e.p != NULL)
            sim_msg_drop(e.p);
    free(s->heap.v);
    sim_world_fini(s);
    free(s);
    sim_share_clear();
    sim_alloc_again();
}
