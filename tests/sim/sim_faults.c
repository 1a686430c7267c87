/* Faults: which classes a seed has (each with p = 1/2), how often, and what each does; and the healing of all of them.
 *
 * A run is a phase with faults, in which nothing but safety is asked, then one without, in which everything must come to rest. */
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>

#define CALM_MINUTES 9

#define LONGEST_PARTITION_MS (180 * SG_MINUTE_MS)

static const struct {
    sg_ms every_min, every_max, lasts_min, lasts_max;
} shapes[SIM_FAULTS] = {
    [SIM_LOSS] = {120000, 900000, 10000, 300000},
    [SIM_DUPLICATE] = {120000, 900000, 10000, 600000},
    [SIM_DELAY] = {120000, 900000, 10000, 300000},
    [SIM_CUT] = {60000, 600000, 10000, 600000},
    [SIM_PARTITION] = {120000, 900000, 10000, 600000},
    [SIM_CRASH] = {60000, 900000, 500, 300000},
    [SIM_DISK_FULL] = {180000, 900000, 5000, 300000},
    [SIM_DISK_EIO] = {120000, 900000, 500, 120000},
    [SIM_CLOCK_STEP] = {240000, 1200000, 10000, 600000},
    [SIM_DRIFT] = {60000, 900000, 60000, 600000},
    [SIM_FREEZE] = {120000, 900000, 2000, 600000},
    [SIM_BACKUP] = {300000, 1200000, 60000, 600000},
    [SIM_SLOW_WORK] = {120000, 900000, 20000, 300000},
    [SIM_TORN] = {60000, 900000, 500, 120000},
    [SIM_CLOG] = {60000, 900000, 2000, 600000},
};

static void next_episode(struct sim *s, enum sim_fault f)
{
    sg_ms t = s->now + sim_between(&s->rng, 1, 2 * s->every[f]);
    if (t < s->heal)
        sim_at(s, t, EV_FAULT, 0, f, 0);
}

/* How far apart things are that go wrong. A run of half an hour needs some every few minutes; in a longer one every order of magnitude
 * between some a day and a few in the whole run is as likely as another. */
static unsigned draw_doublings(struct sim *s, unsigned minutes)
{
    unsigned doublings = 0;
    while (minutes >> doublings > 40)
        doublings++;
    return (unsigned)sim_between(&s->rng, doublings / 2, doublings);
}

static sg_ms draw_every(struct sim *s, enum sim_fault f, unsigned minutes)
{
    sg_ms every = sim_between(&s->rng, shapes[f].every_min, shapes[f].every_max);
    return every << draw_doublings(s, minutes);
}

void sim_faults_draw(struct sim *s)
{
    s->keyless = SIM_NOBODY;
    if (s->opt.script != SIM_SCRIPT_NONE) {
        sim_script_draw(s);
        return;
    }
    unsigned minutes = s->opt.minutes != 0 ? s->opt.minutes : (unsigned)sim_between(&s->rng, 10, 40);
    uint64_t drawn = sim_rand(&s->rng);
    s->heal = SIM_START + (sg_ms)minutes * SG_MINUTE_MS + sim_between(&s->rng, 0, 59999);
    s->end =
        (s->heal / SG_MINUTE_MS + SIM_CALM_AFTER_MS / SG_MINUTE_MS + CALM_MINUTES) * SG_MINUTE_MS + 57500;
    s->calm_from = SIM_START + SG_MINUTE_MS + SIM_CALM_AFTER_MS; /* by then all have begun */
    s->bad_clock = (unsigned)sim_below(&s->rng, s->ngws);
    s->hostile = SIM_MAX_GWS;
    for (unsigned f = 0; f < SIM_FAULTS; f++) {
        uint32_t bit = UINT32_C(1) << f;
        if ((drawn & bit) == 0 || (s->opt.faults & bit) == 0)
            continue;
        s->faults |= bit;
        s->every[f] = draw_every(s, (enum sim_fault)f, minutes);
        if (shapes[f].every_min > 0)
            next_episode(s, (enum sim_fault)f);
    }
    if (s->faults & UINT32_C(1) << SIM_RELAY) {
        s->relay_gap = (unsigned)sim_between(&s->rng, 0, 150);
        s->relay_late = (unsigned)sim_between(&s->rng, 0, 200);
    }
    if ((s->faults & UINT32_C(1) << SIM_HOSTILE) != 0 && s->nnodes >= 4) {
        s->hostile = (unsigned)sim_below(&s->rng, s->nnodes);
        s->hostile_ways = (uint32_t)sim_between(&s->rng, 1, (1 << SIM_WAYS) - 1);
        s->hostile_rate = (600u >> draw_doublings(s, minutes)) + 1;
        s->hostile_stays = sim_chance(&s->rng, 600);
    } else {
        s->faults &= ~(UINT32_C(1) << SIM_HOSTILE);
    }
    if ((s->faults & UINT32_C(1) << SIM_KEYLESS) != 0)
        sim_keyless_draw(s, (600u >> draw_doublings(s, minutes)) + 1);
    sim_at(s, s->heal, EV_HEAL, 0, 0, 0);
    if (s->opt.cut != 0 || s->opt.halves)
        sim_at(
            s, SIM_START + SIM_CUT_FROM * SG_MINUTE_MS + sim_between(&s->rng, 0, 59999), EV_SEVER, 0, 0, 0);
}

void sim_faults_sever(struct sim *s)
{
    struct sim_net *n = &s->net;
    for (unsigned from = 0; from < 4; from++)
        for (unsigned to = 0; to < 4; to++)
            if (to != from && (s->opt.cut >> (3 * from + (to < from ? to : to - 1)) & 1) != 0)
                n->cut[from][to] = true;
    if (!s->opt.halves)
        return;
    unsigned other = (unsigned)sim_below(&s->rng, s->ngws - 1) + 1; /* neither half is empty */
    for (unsigned m = 0; m < s->ngws; m++)
        n->group[m] = m == other || (m != 0 && sim_chance(&s->rng, 500));
}

/* ---- disks ---- */

void sim_take_backup(struct sim *s, unsigned m)
{
    struct sim_machine *x = &s->machines[m];
    sim_outbox_copy(&x->gw.backup, &x->gw.box);
    x->gw.has_backup = true;
    x->gw.backup_height = x->node.tip.height;
}

void sim_restore_backup(struct sim *s, unsigned m, bool lost)
{
    struct sim_machine *x = &s->machines[m];
    sim_say(s, "machine %u: %s", m, lost ? "its disk is lost" : "an older copy of its disk is put back");
    if (x->has_node) {
        struct mem_store *old = x->node.store;
        x->node.store = lost ? mem_store_new_on(s->g, s->shelf) : mem_store_copy(old, x->gw.backup_height);
        mem_store_free(old);
        sim_spoil_store(s, x->node.store);
        x->node.nacked = 0;
        x->node.left = false;
        x->node.tip = (struct lg_block_info){.height = 0};
        x->node.seen_reorgs = 0;
    }
    sim_outbox_fini(&x->gw.box);
    sim_doc_drop(x->gw.last_offer);
    x->gw.last_offer = NULL;
    if (!lost)
        sim_outbox_copy(&x->gw.box, &x->gw.backup);
}

/* ---- episodes ---- */

static void crash(struct sim *s, unsigned m, sg_ms lasts)
{
    struct sim_node *n = &s->machines[m].node;
    if (s->machines[m].has_node && n->engine != NULL && sim_chance(&s->rng, 500)) {
        /* in the middle of a call; the last commit may have reached the disk */
        mem_store_keeps(n->store, sim_chance(&s->rng, 500));
        mem_store_fail(n->store, (uint64_t)sim_between(&s->rng, 1, 80), SG_EIO, true);
        return;
    }
    s->stats.crashes++;
    sim_stop_machine(s, m);
    sim_at(s, s->now + lasts, EV_START, m, 0, 0);
}

/* The power goes in the middle of a transaction that is to come, of the node's store or of the gateway's outbox. What is modelled: of a
 * transaction whose sync had not returned the disk has all or nothing, whatever became of its bytes; of several that were not synced (the
 * seeded fault "unsynced") the first so many. That SQLite makes this of bytes that are lost, reordered and torn is not modelled here
 * but tried, byte by byte, in tests/unit/test_store_power; the outbox is opened in the same mode (WAL, synchronous=FULL). */
static void tear(struct sim *s, unsigned m)
{
    struct sim_machine *x = &s->machines[m];
    if (x->has_node && (m == s->hostile || sim_chance(&s->rng, 600))) {
        if (x->node.engine != NULL)
            mem_store_tear(x->node.store, (uint64_t)sim_between(&s->rng, 1, 12), sim_rand(&s->rng));
        return;
    }
    x->gw.box.tear_in = (unsigned)sim_between(&s->rng, 1, 12);
    x->gw.box.tear_keeps = sim_chance(&s->rng, 500);
    x->gw.box.rips = s->opt.bug == SIM_BUG_TORN;
}

void sim_faults_power(struct sim *s, unsigned m)
{
    sim_say(s, "machine %u loses its power in a transaction of its outbox", m);
    s->machines[m].gw.box.dead = false;
    s->stats.faults[SIM_TORN]++;
    sim_stop_machine(s, m);
    sim_at(s, s->now + sim_between(&s->rng, 500, 60000), EV_START, m, 0, 0);
}

/* One link, or all that leads to m. */
static void clog_up(struct sim *s, unsigned m, sg_ms lasts)
{
    struct sim_net *n = &s->net;
    sg_ms until = s->now + lasts < s->heal ? s->now + lasts : s->heal;
    unsigned only = (unsigned)sim_below(&s->rng, s->ngws);
    bool all = sim_chance(&s->rng, 500);
    for (unsigned from = 0; from < s->ngws; from++)
        if ((all || from == only) && n->clogged[from][m] < until)
            n->clogged[from][m] = until;
    n->clog_until = until > n->clog_until ? until : n->clog_until;
    sim_calm_from(s, until);
}

static void step_clock(struct sim *s, unsigned m)
{
    static const sg_ms sizes[] = {
        1000, 1000, 4000, 10000, 60000, 300000, 600000, 3600000, 86400000, 315360000000};
    sg_ms by = sizes[sim_below(&s->rng, SG_ARRAY_LEN(sizes))];
    by = sim_between(&s->rng, by / 2, by) * (sim_chance(&s->rng, 500) ? 1 : -1);
    sim_say(s, "clock of %u steps by %lld ms", m, (long long)by);
    sim_clock_set(s, m, sim_wall(s, m) + by, s->machines[m].clock.ppm);
}

static void begin_net(struct sim *s, enum sim_fault f, uint64_t *detail)
{
    struct sim_net *n = &s->net;
    unsigned a = (unsigned)sim_below(&s->rng, s->ngws), b = (unsigned)sim_below(&s->rng, s->ngws);
    if (f == SIM_LOSS)
        n->loss = (unsigned)sim_between(&s->rng, 10, 400);
    if (f == SIM_DUPLICATE)
        n->duplicate = (unsigned)sim_between(&s->rng, 10, 500);
    if (f == SIM_DELAY) {
        n->delayed = (unsigned)sim_between(&s->rng, 20, 500);
        n->delay_max = sim_between(&s->rng, 200, 40000);
    }
    if (f == SIM_CUT) {
        n->cut[a][b] = true;
        *detail = (uint64_t)a << 8 | b;
    }
    for (unsigned m = 0; f == SIM_PARTITION && m < s->ngws; m++)
        n->group[m] = (unsigned)sim_below(&s->rng, 3);
}

/* Of a run of hours or days. */
static bool is_long(const struct sim *s)
{
    return s->heal - SIM_START > 60 * SG_MINUTE_MS;
}

void sim_faults_begin(struct sim *s, enum sim_fault f)
{
    unsigned m = f == SIM_CLOCK_STEP ? s->bad_clock : (unsigned)sim_below(&s->rng, s->ngws);
    struct sim_machine *x = &s->machines[m];
    sg_ms lasts = sim_between(&s->rng, shapes[f].lasts_min, shapes[f].lasts_max);
    if (f == SIM_PARTITION && is_long(s))
        lasts = LONGEST_PARTITION_MS >> sim_below(&s->rng, 8);
    uint64_t detail = m;
    if (s->healed)
        return;
    sim_calm_from(s, s->now);
    s->stats.faults[f] += f != SIM_TORN; /* that is counted when it happens */
    sim_say(s, "fault %s, machine %u, %lld ms", sim_fault_names[f], m, (long long)lasts);
    begin_net(s, f, &detail);
    if (f == SIM_CRASH)
        crash(s, m, lasts);
    if (f == SIM_DISK_FULL) {
        x->gw.box.full = true;
        if (x->has_node)
            mem_store_full(x->node.store, true);
    }
    if (f == SIM_DISK_EIO && x->has_node && x->node.engine != NULL)
        mem_store_fail(x->node.store, (uint64_t)sim_between(&s->rng, 1, 200), SG_EIO, true);
    if (f == SIM_CLOCK_STEP)
        step_clock(s, m);
    if (f == SIM_DRIFT)
        sim_clock_set(s, m, sim_wall(s, m), (int)sim_between(&s->rng, -500, 500));
    if (f == SIM_FREEZE) {
        x->frozen_until = s->now + lasts < s->heal ? s->now + lasts : s->heal;
        sim_calm_from(s, x->frozen_until);
    }
    if (f == SIM_BACKUP && m != s->hostile)
        sim_take_backup(s, m);
    if (f == SIM_SLOW_WORK)
        s->work_max = lasts;
    if (f == SIM_TORN)
        tear(s, m);
    if (f == SIM_CLOG)
        clog_up(s, m, lasts);
    sim_heap_push(&s->heap,
        &(struct sim_event){.t = s->now + lasts, .kind = EV_FAULT_END, .m = m, .a = f, .b = detail});
    next_episode(s, f);
}

static void end_backup(struct sim *s, unsigned m)
{
    struct sim_machine *x = &s->machines[m];
    if (m == s->hostile || !x->gw.has_backup)
        return;
    sim_stop_machine(s, m);
    sim_restore_backup(s, m, sim_chance(&s->rng, 400));
    x->gw.has_backup = false;
    sim_at(s, s->now + sim_between(&s->rng, 500, 60000), EV_START, m, 0, 0);
}

void sim_faults_end(struct sim *s, const struct sim_event *e)
{
    struct sim_machine *x = &s->machines[e->m];
    if (s->healed)
        return;
    sim_calm_from(s, s->now);
    switch ((enum sim_fault)e->a) {
    case SIM_LOSS:
        s->net.loss = 0;
        break;
    case SIM_DUPLICATE:
        s->net.duplicate = 0;
        break;
    case SIM_DELAY:
        s->net.delayed = 0;
        break;
    case SIM_CUT:
        s->net.cut[e->b >> 8][e->b & 255] = false;
        break;
    case SIM_PARTITION:
        memset(s->net.group, 0, sizeof s->net.group);
        break;
    case SIM_DISK_FULL:
        x->gw.box.full = false;
        if (x->has_node)
            mem_store_full(x->node.store, false);
        break;
    case SIM_CLOCK_STEP:
        sim_clock_set(s, e->m, s->now + sim_between(&s->rng, -40, 40), x->clock.ppm);
        break;
    case SIM_DRIFT: /* left alone for hours, it would take a gateway out for as long, and its backlog more time than there is */
        if (is_long(s))
            sim_clock_set(s, e->m, s->now + sim_between(&s->rng, -40, 40), 0);
        break;
    case SIM_BACKUP:
        end_backup(s, e->m);
        break;
    case SIM_SLOW_WORK:
        s->work_max = 500;
        break;
    case SIM_CRASH:
    case SIM_DISK_EIO:
    case SIM_FREEZE:
    case SIM_RELAY:
    case SIM_HOSTILE:
    case SIM_TORN:
    case SIM_CLOG:
    case SIM_KEYLESS:
    case SIM_FAULTS:
        break;
    }
}

void sim_faults_heal(struct sim *s)
{
    sim_say(s, "everything heals");
    s->healed = true;
    memset(s->net.cut, 0, sizeof s->net.cut);
    memset(s->net.group, 0, sizeof s->net.group);
    s->net.loss = s->net.duplicate = s->net.delayed = 0;
    s->work_max = s->work_max > SIM_WORK_MS ? SIM_WORK_MS : s->work_max;
    if (s->keyless != SIM_NOBODY)
        s->machines[s->keyless].up = s->keyless_stays;
    for (unsigned m = 0; m < s->ngws; m++) {
        struct sim_machine *x = &s->machines[m];
        x->frozen_until = 0;
        x->gw.box.full = false;
        x->gw.box.tear_in = 0;
        if (x->has_node) {
            mem_store_full(x->node.store, false);
            mem_store_fail(x->node.store, 0, 0, false);
            mem_store_tear(x->node.store, 0, 0);
        }
        sim_clock_set(s, m, s->now + sim_between(&s->rng, -40, 40), 0);
        sg_ms parted = (sim_wall(s, m) - x->start_wall) - (sim_run_ms(s, m) - x->start_run);
        if (x->up && (parted > s->g->policy.max_future_ms || parted < -s->g->policy.max_future_ms))
            sim_stop_machine(s, m); /* the operator restarts what started under a wrong clock */
        sim_start_machine(s, m);
    }
    s->calm_from = s->now + SIM_CALM_AFTER_MS;
}
