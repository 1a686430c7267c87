/* When is the network good? From CALM_AFTER_MS after the last thing that went wrong: after the healing for good, and before it in each pause
 * between faults. What then must hold is demanded of sim_rest.c and sim_script.c; nothing here is part of what happens.
 *
 * Whatever goes wrong says so when it begins and ends (sim_calm_from); what lasts is seen once a minute. A member that does harm, a peer
 * without a key and a relay that is late or silent are no fault of the network. */
#include "tests/sim/sim.h"

#define CLOCK_OFF_MS 100 /* good clocks are 40 ms off at most */

void sim_calm_from(struct sim *s, sg_ms bad)
{
    if (!s->healed && s->opt.script == SIM_SCRIPT_NONE && s->calm_from < bad + SIM_CALM_AFTER_MS)
        s->calm_from = bad + SIM_CALM_AFTER_MS;
}

static bool lines_are_bad(const struct sim *s)
{
    const struct sim_net *n = &s->net;
    bool bad = n->loss != 0 || n->duplicate != 0 || n->delayed != 0 || n->clog_until > s->now;
    for (unsigned a = 0; a < s->ngws; a++)
        for (unsigned b = 0; b < s->ngws; b++)
            bad = bad || n->cut[a][b] || n->group[a] != n->group[b];
    return bad;
}

/* Its clock, which may be right again when the process began under a wrong one. */
static bool clock_is_bad(const struct sim *s, unsigned m)
{
    const struct sim_machine *x = &s->machines[m];
    sg_ms off = sim_wall(s, m) - s->now;
    sg_ms parted = (sim_wall(s, m) - x->start_wall) - (sim_run_ms(s, m) - x->start_run);
    return off > CLOCK_OFF_MS || off < -CLOCK_OFF_MS || parted > CLOCK_OFF_MS || parted < -CLOCK_OFF_MS;
}

static bool machine_is_bad(const struct sim *s, unsigned m)
{
    const struct sim_machine *x = &s->machines[m];
    return !x->up || x->frozen_until > s->now || x->gw.box.full || clock_is_bad(s, m) ||
           (x->has_node && x->node.engine == NULL);
}

void sim_calm_look(struct sim *s)
{
    bool bad = lines_are_bad(s) || s->work_max > SIM_WORK_MS;
    for (unsigned m = 0; m < s->ngws; m++)
        bad = bad || machine_is_bad(s, m);
    if (bad)
        sim_calm_from(s, s->now);
    if (s->now >= s->calm_from)
        s->truth.calm[s->now / SG_MINUTE_MS - s->truth.first] = true;
    s->stats.calm_minutes += s->now >= s->calm_from;
}

bool sim_was_calm(const struct sim *s, sg_ms t)
{
    sg_minute first = t / SG_MINUTE_MS - s->truth.first, end = s->end / SG_MINUTE_MS - s->truth.first;
    for (sg_minute min = first; min <= first + 4 && min <= end; min++)
        if (min < 0 || !s->truth.calm[min])
            return false;
    return first <= end;
}
