/* Links: cut or not, one way or both, partitions, loss, duplicates and delays. A machine reaches itself always. */
#include "tests/sim/sim.h"

bool sim_linked(const struct sim *s, unsigned from, unsigned to)
{
    return from == to || (!s->net.cut[from][to] && s->net.group[from] == s->net.group[to]);
}

static void deliver(struct sim *s, struct sim_msg *m, sg_ms after)
{
    struct sim_event e = {.t = s->now + after, .kind = EV_MSG, .m = m->to, .p = m};
    m->refs++;
    sim_heap_push(&s->heap, &e);
}

void sim_send(struct sim *s, struct sim_msg *m_take)
{
    struct sim_net *n = &s->net;
    if (m_take->from == m_take->to) {
        deliver(s, m_take, 1);
    } else if (sim_linked(s, m_take->from, m_take->to) && !sim_chance(&s->rng, n->loss)) {
        unsigned copies = sim_chance(&s->rng, n->duplicate) ? 2 : 1;
        while (copies-- > 0) {
            sg_ms after = sim_between(&s->rng, n->latency_min, n->latency_max);
            if (sim_chance(&s->rng, n->delayed))
                after += sim_between(&s->rng, 0, n->delay_max);
            deliver(s, m_take, after);
        }
    }
    sim_msg_drop(m_take);
}
