/* Links: cut or not, one way or both, partitions, loss, duplicates and delays; and clogged ones, on which nothing arrives for a time and
 * then everything in the order in which it was sent, as on a congested TCP connection. A machine reaches itself always.
 *
 * Most answers arrive with their question, whose way takes as long as both would; each of the two can be lost, doubled or delayed all the
 * same, and an answer that is delayed comes alone. Whoever sends an answer does nothing after it. */
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

/* A question that changes nothing there. */
static bool only_asks(const struct sim_msg *m)
{
    return m->kind == MSG_ASK || m->kind == MSG_WHERE;
}

static bool is_answer(const struct sim_msg *m)
{
    return m->kind == MSG_STATUS_IS || m->kind == MSG_PAGE || m->kind == MSG_POOL_IS ||
           m->kind == MSG_OFFER_IS || m->kind == MSG_ASK_IS || m->kind == MSG_WHERE_IS;
}

/* In no time: what a machine asks itself, and answers when the question's way has been as long as both. */
static bool is_instant(const struct sim *s, const struct sim_msg *m)
{
    const struct sim_machine *x = &s->machines[m->to];
    if (s->net.apart || !x->up || x->frozen_until > s->now)
        return false;
    return is_answer(m) || (only_asks(m) && m->from == m->to);
}

/* Who has no key has at least short ways, so that what it makes of a block can come before the block. */
static sg_ms way(struct sim *s, const struct sim_msg *m)
{
    if (m->from == s->keyless || m->to == s->keyless)
        return s->net.latency_min;
    return sim_between(&s->rng, s->net.latency_min, s->net.latency_max);
}

/* Of two messages that a clog has held back the one sent first arrives first: the heap keeps the order of what is due at once. */
static sg_ms held_back(const struct sim *s, const struct sim_msg *m, sg_ms after)
{
    sg_ms until = s->net.clogged[m->from][m->to];
    return s->now + after < until ? until - s->now : after;
}

void sim_send(struct sim *s, struct sim_msg *m_take)
{
    struct sim_net *n = &s->net;
    if (s->machines[m_take->from].gw.box.dead) {
        sim_msg_drop(m_take); /* its power is gone: what it does in this call reaches nobody */
        return;
    }
    bool instant = is_instant(s, m_take);
    if (m_take->from == m_take->to && instant) {
        sim_message(s, m_take);
    } else if (m_take->from == m_take->to) {
        deliver(s, m_take, 1);
    } else if (sim_linked(s, m_take->from, m_take->to) && !sim_chance(&s->rng, n->loss)) {
        unsigned copies = sim_chance(&s->rng, n->duplicate) ? 2 : 1;
        while (copies-- > 0) {
            sg_ms after = instant ? 0 : way(s, m_take);
            if (sim_chance(&s->rng, n->delayed))
                after += sim_between(&s->rng, 0, n->delay_max);
            after += m_take->slow;
            if (s->now < n->clog_until)
                after = held_back(s, m_take, after);
            if (after > 0 || !is_instant(s, m_take))
                deliver(s, m_take, after);
            else
                sim_message(s, m_take);
        }
    }
    sim_msg_drop(m_take);
}
