/* Plans of the hostile member: which branch it makes, and when it shows it. */
#include "tests/sim/sim_script.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

const char *const sim_script_names[SIM_SCRIPTS] = {"none", "leaves all out", "leaves one out", "see-saw",
    "censor", "withheld, shown every eighth slot", "withheld, shown in every slot", "back-dated",
    "splits the votes", "splits the votes, shown to one", "two-faced", "two-tongued", "everything",
    "floods with siblings", "partition 2:2"};

#define LEAD_SLOTS   6 /* until the network is good and all have spoken */
#define QUIET_SLOTS  5
#define VICTIM       0
#define RECENT_SLOTS 8 /* no branch that forks earlier can weigh enough */
#define MAX_RELEASE  4
#define MAX_TOLD     32 /* statements of a gateway that are looked at, newest */
#define MAX_CHOSEN   (SIM_MAX_GWS * MAX_TOLD + 1)
#define MAX_BODIES   (MAX_CHOSEN * SIM_MAX_RELAYS)

enum moment { BEFORE_VOTES = 1, BETWEEN_VOTES = 2, BEFORE_TURN = 4, AT_THE_END = 8, PART = 16, UNITE = 32 };

struct plan {
    unsigned moments, blocks, every, flood;
    int64_t least; /* depth below which it waits */
    bool without_victim, alone, first, to_one, splits;
};

static const struct plan plans[SIM_SCRIPTS] = {
    [SIM_LEAVES_ALL] = {.moments = BEFORE_TURN, .blocks = 1, .every = 1, .first = true, .alone = true},
    [SIM_LEAVES_ONE] =
        {.moments = BEFORE_TURN, .blocks = 1, .every = 1, .first = true, .without_victim = true},
    [SIM_SEESAW] = {.moments = BEFORE_VOTES, .blocks = 1, .every = 1, .least = 1},
    [SIM_CENSOR] = {.moments = BEFORE_VOTES, .blocks = 2, .every = 1, .least = 1, .without_victim = true},
    [SIM_WITHHELD_ONCE] = {.moments = BEFORE_TURN, .blocks = MAX_RELEASE, .every = 8, .least = 1},
    [SIM_WITHHELD] = {.moments = BEFORE_TURN, .blocks = MAX_RELEASE, .every = 1, .least = 1},
    [SIM_BACKDATED] = {.moments = AT_THE_END, .blocks = 3, .every = 1, .least = 1},
    [SIM_SPLIT] = {.moments = BETWEEN_VOTES, .blocks = 3, .every = 1, .splits = true, .least = 1},
    [SIM_SPLIT_ALONE] = {.moments = AT_THE_END | BETWEEN_VOTES,
        .blocks = 3,
        .every = 1,
        .splits = true,
        .least = 1,
        .to_one = true},
    [SIM_TWO_FACED] = {.every = 1},
    [SIM_TWO_TONGUED] = {.every = 1},
    [SIM_EVERYTHING] = {.moments = BEFORE_VOTES | BETWEEN_VOTES | BEFORE_TURN | AT_THE_END,
        .blocks = 3,
        .every = 1,
        .splits = true,
        .least = 1},
    [SIM_FLOOD] = {.moments = BEFORE_VOTES | BETWEEN_VOTES | BEFORE_TURN,
        .blocks = MAX_RELEASE,
        .flood = 40,
        .least = 1},
};

/* ---- what the member knows ---- */

struct told { /* the statements of the honest gateways, in their order */
    struct lg_statement *v[SIM_MAX_GWS][MAX_TOLD];
    unsigned n[SIM_MAX_GWS];
};

static void gather(struct told *t, const struct sim *s)
{
    memset(t, 0, sizeof *t);
    for (unsigned m = 0; m < s->ngws; m++) {
        const struct sim_outbox *box = &s->machines[m].gw.box;
        for (unsigned i = box->nsaid > MAX_TOLD ? box->nsaid - MAX_TOLD : 0; i < box->nsaid; i++)
            if (lg_statement_decode(&t->v[m][t->n[m]++], box->said[i].doc->b, box->said[i].doc->len) != 0)
                abort();
    }
}

static void forget(struct told *t)
{
    for (unsigned m = 0; m < SIM_MAX_GWS; m++)
        for (unsigned i = 0; i < t->n[m]; i++)
            lg_statement_free(t->v[m][i]);
}

/* The statements that a block of this slot after those of last can hold; last follows. */
static unsigned choose(const struct sim *s, const struct told *t, const struct plan *p, sg_minute slot,
    struct lg_statement_ref *last, const struct lg_statement **out)
{
    unsigned n = 0;
    for (unsigned m = 0; m < s->ngws && !p->alone; m++)
        for (unsigned i = 0; i < t->n[m] && !(p->without_victim && m == VICTIM); i++) {
            const struct lg_statement *st = t->v[m][i];
            if (st->slot > slot || lg_statement_follows(st, last[m].seq > 0 ? &last[m] : NULL, s->g) != 0)
                continue;
            lg_statement_ref_of(&last[m], st, 1);
            out[n++] = st;
        }
    return n;
}

static const struct sim_block *best_block(const struct sim *s, sg_minute below)
{
    const struct sim_block *best = NULL;
    for (size_t i = 0; i < s->judge.blocks.cap; i++) {
        const struct sim_block *x = s->judge.blocks.slots[i].value;
        if (x != NULL && x->judged && x->verdict == 0 && x->info.slot < below &&
            (best == NULL || sim_branch_cmp(s, x, best) < 0))
            best = x;
    }
    return best;
}

static int64_t depth_from(const struct sim_block *tip, const struct sim_block *parent)
{
    const struct sim_block *at = parent;
    while (at != NULL && !sim_is_ancestor(at, tip))
        at = at->parent;
    return tip->info.height - (at == NULL ? 0 : at->info.height);
}

/* ---- a branch ---- */

struct branch {
    const struct sim_block *parent;
    unsigned n;
    sg_minute last; /* slot of its newest block */
    int64_t depth;  /* of the best branch that it takes off */
};

static sg_minute slot_of(const struct branch *b, unsigned i)
{
    return b->last - (sg_minute)(b->n - 1 - i);
}

/* Does it become the best one? Its own votes name what is below them; the others' can only name what was public. */
static bool wins(const struct sim *s, const struct told *t, const struct plan *p, const struct branch *b,
    const struct sim_block *tip)
{
    struct lg_statement_ref last[SIM_MAX_GWS];
    const struct lg_statement *chosen[MAX_CHOSEN];
    int64_t sum = b->parent->info.weight_sum, height = b->parent->info.height + b->n;
    memcpy(last, b->parent->last, s->ngws * sizeof last[0]);
    for (unsigned i = 0; i < b->n; i++) {
        struct lg_block x = {.nstatements = choose(s, t, p, slot_of(b, i), last, chosen),
            .statements = (struct lg_statement **)chosen};
        sum += sim_weigh(s, &x, b->parent) + 1;
    }
    return sum > tip->info.weight_sum || (sum == tip->info.weight_sum && height > tip->info.height);
}

/* The branch that takes most off. */
static struct branch search(const struct sim *s, const struct told *t, const struct plan *p, sg_minute newest,
    const struct sim_block *tip)
{
    struct branch best = {.depth = 0};
    for (size_t i = 0; i < s->judge.blocks.cap; i++) {
        const struct sim_block *x = s->judge.blocks.slots[i].value;
        if (x == NULL || !x->judged || x->verdict != 0 || x->info.slot < newest - RECENT_SLOTS)
            continue;
        struct branch b = {.parent = x, .depth = depth_from(tip, x)};
        for (b.n = 1; b.n <= p->blocks && b.depth > best.depth; b.n++)
            for (b.last = newest - 1; b.last <= newest && b.depth > best.depth; b.last++)
                if (slot_of(&b, 0) > x->info.slot && wins(s, t, p, &b, tip))
                    best = b;
    }
    return best;
}

/* ---- making it ---- */

static unsigned relay_index(const struct sim *s, const struct lg_read *r)
{
    unsigned i = 0;
    while (strlen(s->g->relays[i].id) != r->relay.len ||
           memcmp(s->g->relays[i].id, r->relay.p, r->relay.len) != 0)
        i++;
    return i;
}

static unsigned gather_bodies(struct sim *s, const struct sim_block *parent,
    const struct lg_statement *const *v, unsigned n, struct lg_body **out)
{
    unsigned nbodies = 0;
    for (unsigned i = 0; i < n; i++)
        for (unsigned k = 0; k < v[i]->nreads; k++) {
            const struct lg_read *r = &v[i]->reads[k];
            bool there = sim_on_branch(s, &r->digest, parent);
            for (unsigned j = 0; j < nbodies; j++)
                there = there || lg_hash_eq(&out[j]->digest, &r->digest);
            if (there)
                continue;
            struct lg_hash digest;
            const struct sim_doc *d = sim_truth_body(s, relay_index(s, r), r->min, &digest);
            if (lg_body_decode(&out[nbodies++], d->b, d->len) != 0)
                abort();
        }
    return nbodies;
}

static struct lg_statement *own_vote(struct sim *s, const struct sim_block *parent, sg_minute slot)
{
    return sim_forge_statement(s, &(struct sim_forged_statement){.by = s->hostile,
                                      .gw = s->hostile,
                                      .parent = parent,
                                      .slot = slot,
                                      .ts = (slot + 1) * SG_MINUTE_MS});
}

/* later: ms after the end of the slot, so that blocks differ. */
static struct sim_doc *make_block(struct sim *s, const struct told *t, const struct plan *p,
    const struct sim_block *parent, sg_minute slot, sg_ms later)
{
    struct lg_statement_ref last[SIM_MAX_GWS];
    const struct lg_statement *chosen[MAX_CHOSEN];
    struct lg_body *bodies[MAX_BODIES];
    memcpy(last, parent->last, s->ngws * sizeof last[0]);
    unsigned n = choose(s, t, p, slot, last, chosen);
    struct lg_statement *own = own_vote(s, parent, slot);
    if (own == NULL)
        return NULL;
    chosen[n++] = own;
    sg_ms time = (slot + 1) * SG_MINUTE_MS;
    struct sim_forgery f = {.by = s->hostile,
        .parent = parent,
        .slot = slot,
        .time = (parent->info.time >= time ? parent->info.time + 1 : time) + later,
        .statements = chosen,
        .nstatements = n,
        .bodies = (const struct lg_body *const *)bodies,
        .nbodies = gather_bodies(s, parent, chosen, n, bodies)};
    struct sim_doc *d = sim_forge_block(s, &f);
    for (unsigned i = 0; i < f.nbodies; i++)
        lg_body_free(bodies[i]);
    lg_statement_free(own);
    return d;
}

static void tell(struct sim *s, struct sim_doc *d, bool to_one, unsigned one)
{
    for (unsigned q = 0; q < s->nnodes; q++) {
        if (to_one && q != one)
            continue;
        struct sim_msg *msg = sim_msg_new(MSG_BLOCK, s->hostile, q);
        msg->docs[msg->n++] = sim_doc_ref(d);
        sim_send(s, msg);
    }
}

/* NULL: it cannot be made. */
static const struct sim_block *show_block(struct sim *s, struct sim_doc *d, bool to_one, unsigned one)
{
    if (d == NULL)
        return NULL;
    const struct sim_block *made = sim_judge_block(s, d);
    if (made->verdict != 0) {
        sim_violate(s, "the hostile member made an invalid block: %s", sg_err_code(made->verdict));
        return NULL;
    }
    tell(s, d, to_one, one);
    s->script.shown++;
    return made;
}

static void show(
    struct sim *s, const struct told *t, const struct plan *p, const struct branch *b, bool to_one)
{
    const struct sim_block *parent = b->parent;
    unsigned one = (unsigned)sim_below(&s->rng, s->nnodes - 1);
    for (unsigned i = 0; i < b->n && parent != NULL; i++)
        parent = show_block(s, make_block(s, t, p, parent, slot_of(b, i), 0), to_one, one);
    s->script.last_shown = b->last;
}

/* ---- a flood ---- */

/* What the first of the votes of this slot names; before there is one, what it will name if it is honest. */
static const struct sim_block *voted(const struct sim *s, const struct told *t, sg_minute slot)
{
    for (unsigned m = 0; m < s->ngws; m++)
        for (unsigned i = 0; i < t->n[m]; i++)
            if (t->v[m][i]->slot == slot && sim_judge_find(s, &t->v[m][i]->tip) != NULL)
                return sim_judge_find(s, &t->v[m][i]->tip);
    return best_block(s, slot);
}

/* As many as the plan says, each with all statements that fit and the member's own: beside the block that is voted for, or on it. */
static void flood(struct sim *s, const struct told *t, const struct plan *p, sg_minute newest, bool on_it)
{
    const struct sim_block *at = voted(s, t, newest);
    sg_minute slot = on_it || at == NULL ? newest : at->info.slot;
    if (at != NULL && !on_it)
        at = at->parent;
    for (unsigned i = 1; i <= p->flood && at != NULL && at->info.slot < slot; i++)
        if (show_block(s, make_block(s, t, p, at, slot, i), false, 0) == NULL)
            return;
}

/* ---- when ---- */

static bool acts(sg_minute slot)
{
    sg_minute first = SIM_MINUTE + LEAD_SLOTS;
    return slot >= first && slot < first + SIM_SCRIPT_SLOTS;
}

/* newest: the slot of the newest block that can be valid then. */
static void strike(struct sim *s, const struct plan *p, sg_minute newest, enum moment moment)
{
    struct told t;
    const struct sim_block *tip = best_block(s, INT64_MAX), *base = best_block(s, newest);
    struct branch b = {.parent = base, .n = 1, .last = newest};
    if (tip == NULL || base == NULL || newest - s->script.last_shown < p->every)
        return;
    gather(&t, s);
    if (p->flood > 0 && sim_chance(&s->rng, moment == BETWEEN_VOTES ? 700 : 300))
        flood(s, &t, p, newest, moment == BEFORE_TURN);
    if (p->flood > 0 && moment != BEFORE_TURN)
        b.depth = -1;
    else if (!p->first)
        b = search(s, &t, p, newest, tip);
    if (p->first || b.depth >= p->least)
        show(s, &t, p, &b,
            p->to_one || (moment == AT_THE_END && p->moments != AT_THE_END && sim_chance(&s->rng, 500)));
    forget(&t);
}

void sim_script_act(struct sim *s, const struct sim_event *e)
{
    sg_minute slot = (sg_minute)e->a;
    enum moment moment = (enum moment)e->b;
    if (moment == PART || moment == UNITE) {
        for (unsigned m = 0; m < s->ngws; m++)
            s->net.group[m] = moment == PART ? m % 2 : 0;
        s->calm_from = moment == PART ? INT64_MAX : s->now + 4 * SG_MINUTE_MS;
    } else if (s->opt.script == SIM_TWO_FACED || s->opt.script == SIM_TWO_TONGUED) {
        sim_hostile_slot(s, slot);
        s->script.shown++;
    } else if (s->machines[s->hostile].up) {
        strike(s, &plans[s->opt.script], slot, moment);
    }
}

static void at(struct sim *s, sg_ms t, sg_minute slot, enum moment moment)
{
    sim_at(s, t, EV_HOSTILE, 0, (uint64_t)slot, (uint64_t)moment);
}

void sim_script_minute(struct sim *s, sg_minute slot)
{
    sg_ms end = (slot + 1) * SG_MINUTE_MS, turn = end + s->g->policy.collect_ms - s->net.latency_max - 60;
    unsigned moments = plans[s->opt.script].moments;
    if (s->opt.script == SIM_TWO_AND_TWO && slot == SIM_MINUTE + LEAD_SLOTS)
        at(s, end + 20000, slot, PART);
    if (s->opt.script == SIM_TWO_AND_TWO && slot == SIM_MINUTE + LEAD_SLOTS + 6)
        at(s, end + 20000, slot, UNITE);
    if (!acts(slot) || s->hostile >= s->ngws)
        return;
    if (moments & BEFORE_VOTES)
        at(s, end + 1, slot, BEFORE_VOTES);
    if (moments & BETWEEN_VOTES)
        at(s,
            end + sim_between(&s->rng, plans[s->opt.script].flood > 0 ? s->g->policy.collect_ms / 4 : 1,
                      s->g->policy.collect_ms / 2),
            slot, BETWEEN_VOTES);
    if (moments & BEFORE_TURN)
        at(s, turn > end ? turn : end, slot, BEFORE_TURN);
    if (moments & AT_THE_END)
        at(s, end + SG_MINUTE_MS - s->net.latency_max / 2 - 20, slot, AT_THE_END);
    if (moments == 0)
        at(s, end + 300, slot, BEFORE_TURN);
}

void sim_script_draw(struct sim *s)
{
    s->heal = SIM_START + SG_MINUTE_MS;
    s->end = SIM_START + (LEAD_SLOTS + SIM_SCRIPT_SLOTS + QUIET_SLOTS) * SG_MINUTE_MS + 57500;
    s->calm_from = INT64_MAX;
    s->hostile = s->opt.script == SIM_TWO_AND_TWO ? SIM_MAX_GWS : s->nnodes - 1;
    s->hostile_stays = true;
    s->hostile_rate = 1000;
    s->hostile_ways = UINT32_C(1) << SIM_EQUIVOCATE_SAID;
    if (s->opt.script == SIM_TWO_FACED)
        s->hostile_ways |= UINT32_C(1) << SIM_EQUIVOCATE;
    sim_at(s, s->heal, EV_HEAL, 0, 0, 0);
}

/* ---- what is allowed ---- */

void sim_script_reorganised(struct sim *s, unsigned m, int64_t depth)
{
    const struct lg_hash *tip = &s->machines[m].node.tip.hash;
    const struct sim_block *x = sim_judge_find(s, tip);
    bool splits = plans[s->opt.script].splits;
    int64_t honest = 0, whole = s->opt.script == SIM_SCRIPT_NONE ? 2 : SIM_WHOLE_DEPTH + splits;
    for (int64_t i = 0; i < depth && x != NULL; i++, x = x->parent)
        honest += sim_gw_index(s, x->info.miner) != s->hostile;
    if ((uint64_t)honest > s->script.deepest_honest)
        s->script.deepest_honest = (uint64_t)honest;
    if (depth > whole || honest > SIM_HONEST_DEPTH + splits)
        sim_violate(s,
            "node %u: a reorganisation of %" PRId64 " blocks, %" PRId64
            " of honest miners, on a good network",
            m, depth, honest);
}
