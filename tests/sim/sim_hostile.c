/* A member with a valid key that does harm, as far as a key and a place in the network allow:
 *
 *   withhold    keeps the blocks that its engine makes, and lets go of them minutes later
 *   equivocate  two blocks for one slot, two statements for one (inc, seq), each to another half
 *   exclude     mines at once in every slot and leaves others out
 *   copy        a branch of its own from some blocks back, with the honest statements copied onto it
 *   claim       headers that claim more weight than they have
 *   garbage     blocks that break one rule each, orphans, blocks of the future
 *   forge       statements in the name of others, and bodies that no relay showed
 *
 * It also runs an engine, so it knows what everybody knows. */
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>

#define MAX_COPY 64

static bool does(const struct sim *s, enum sim_hostile_way way)
{
    return (s->hostile_ways & UINT32_C(1) << way) != 0;
}

static void tell(struct sim *s, struct sim_doc *d, unsigned to)
{
    struct sim_msg *msg = sim_msg_new(MSG_BLOCK, s->hostile, to);
    msg->docs[msg->n++] = sim_doc_ref(d);
    sim_send(s, msg);
}

/* To everybody, itself included; half: 0 all, 1 and 2 one half. */
static void tell_all(struct sim *s, struct sim_doc *d, unsigned half)
{
    (void)sim_judge_block(s, d);
    for (unsigned p = 0; p < s->nnodes; p++)
        if (half == 0 || p % 2 + 1 == half)
            tell(s, d, p);
}

static const struct sim_block *own_tip(const struct sim *s)
{
    const struct sim_node *n = &s->machines[s->hostile].node;
    return n->tip.height == 0 ? NULL : sim_judge_find(s, &n->tip.hash);
}

static const struct sim_block *back(const struct sim_block *x, int64_t n)
{
    while (x != NULL && n-- > 0)
        x = x->parent;
    return x;
}

static struct lg_statement *vote(
    struct sim *s, const struct sim_block *parent, sg_minute slot, bool new_inc, sg_ms later)
{
    const struct sim_forged_statement f = {.by = s->hostile,
        .gw = s->hostile,
        .parent = parent,
        .slot = slot,
        .ts = (slot + 1) * SG_MINUTE_MS + later,
        .new_inc = new_inc};
    return sim_forge_statement(s, &f);
}

/* A block with one statement, its own. */
static struct sim_doc *lone_block(
    struct sim *s, const struct sim_block *parent, sg_minute slot, struct sim_forgery f)
{
    struct lg_statement *own = vote(s, parent, slot, sim_chance(&s->rng, 300), sim_between(&s->rng, 0, 3));
    const struct lg_statement *v[1] = {own};
    if (own == NULL || (parent != NULL && parent->info.slot >= slot)) {
        lg_statement_free(own);
        return NULL;
    }
    f.by = s->hostile;
    f.parent = parent;
    f.slot = slot;
    if (f.time == 0)
        f.time = (slot + 1) * SG_MINUTE_MS + sim_between(&s->rng, 0, 40);
    if (parent != NULL && f.time <= parent->info.time)
        f.time = parent->info.time + 1;
    f.statements = v;
    f.nstatements = 1;
    struct sim_doc *d = sim_forge_block(s, &f);
    lg_statement_free(own);
    return d;
}

/* ---- ways ---- */

static void exclude(struct sim *s, sg_minute slot)
{
    struct sim_doc *d = lone_block(s, own_tip(s), slot, (struct sim_forgery){.time = 0});
    if (d != NULL)
        tell_all(s, d, 0);
}

static void equivocate(struct sim *s, sg_minute slot)
{
    for (unsigned half = 1; half <= 2; half++) {
        struct sim_doc *d = lone_block(s, own_tip(s), slot, (struct sim_forgery){.time = 0});
        if (d != NULL)
            tell_all(s, d, half);
    }
}

/* The blocks from depth back to the tip once more, on a branch of its own: same statements, same bodies, and its own vote where it fits.
 * Their tips lie on the other branch, so they weigh nothing here. */
static void copy(struct sim *s, sg_minute slot)
{
    const struct sim_block *tip = own_tip(s);
    struct sim_block *path[MAX_COPY];
    unsigned n = 0, depth = (unsigned)sim_between(&s->rng, 1, 8);
    for (const struct sim_block *x = tip; x != NULL && n < depth; x = x->parent)
        path[n++] = x->doc->block;
    const struct sim_block *parent = n == 0 ? NULL : path[n - 1]->parent;
    struct sim_doc *docs[MAX_COPY + 1];
    unsigned ndocs = 0;
    while (n > 0) {
        const struct lg_block *b = sim_judge_decoded(s, path[--n]);
        struct sim_forgery f = {.by = s->hostile,
            .parent = parent,
            .slot = b->header.slot,
            .time = b->header.time + 1,
            .statements = (const struct lg_statement *const *)b->statements,
            .nstatements = b->nstatements,
            .bodies = (const struct lg_body *const *)b->bodies,
            .nbodies = b->nbodies};
        docs[ndocs] = sim_forge_block(s, &f);
        const struct sim_block *made = sim_judge_block(s, docs[ndocs++]);
        if (made->verdict != 0)
            break; /* as far as it is valid; the last one is not */
        parent = made;
    }
    struct sim_doc *top = lone_block(s, parent, slot, (struct sim_forgery){.time = 0});
    if (top != NULL)
        docs[ndocs++] = top;
    for (unsigned i = 0; i < ndocs; i++)
        tell_all(s, docs[i], 0);
}

static void claim(struct sim *s, sg_minute slot)
{
    struct sim_forgery f = {.more_weight = sim_between(&s->rng, 1, (int64_t)s->ngws)};
    struct sim_doc *d = lone_block(s, back(own_tip(s), sim_between(&s->rng, 0, 3)), slot, f);
    if (d != NULL)
        tell_all(s, d, 0);
}

static void garbage(struct sim *s, sg_minute slot)
{
    const struct sim_block *tip = own_tip(s);
    struct sim_forgery f = {.time = 0};
    struct sim_doc *hidden;
    switch (sim_below(&s->rng, 6)) {
    case 0:
        f.bad_root = true;
        break;
    case 1:
        f.bad_signature = true;
        break;
    case 2: /* held, then good: or refused, and good later */
        f.time = s->now + sim_between(&s->rng, 1, 2 * s->g->policy.max_future_ms);
        break;
    case 3: /* of a minute that is not over */
        slot += sim_between(&s->rng, 1, 60);
        break;
    case 4: /* a child of what nobody has seen */
        hidden = lone_block(s, back(tip, 2), slot - 1, f);
        tip = hidden == NULL ? tip : sim_judge_block(s, hidden);
        break;
    default:
        f.time = (slot + 1) * SG_MINUTE_MS - 1;
        break;
    }
    struct sim_doc *d = lone_block(s, tip, slot, f);
    for (unsigned i = 0; d != NULL && i < 3; i++)
        tell_all(s, d, 0);
}

/* A body that no relay showed: valid, and only its own word for it. In every fourth slot a true one instead, of four slots before, which
 * its branch most likely carries: that it may not carry a second time. */
static struct lg_body *made_up(struct sim *s, unsigned relay, sg_minute slot)
{
    struct lg_sample x = {.qual = 1 << 15, .have = 1};
    struct lg_body *body = NULL;
    struct lg_hash digest;
    struct sg_buf doc;
    bool again = slot % 4 == 0 && slot - 4 >= s->truth.first;
    const struct sim_doc *old = again ? sim_truth_body(s, relay, slot - 4, &digest) : NULL;
    x.x[0] = (int64_t)sim_below(&s->rng, 1000000);
    sg_buf_init(&doc, SIZE_MAX);
    if (old == NULL && lg_body_encode(&doc, &s->g->relays[relay], slot, 0, &x, 1, NULL, 0) != 0)
        abort();
    if (lg_body_decode(&body, old == NULL ? doc.p : old->b, old == NULL ? doc.len : old->len) != 0)
        abort();
    sg_buf_fini(&doc);
    return body;
}

static void lie(struct sim *s, sg_minute slot)
{
    const struct sim_block *tip = own_tip(s);
    unsigned relay = (unsigned)sim_below(&s->rng, s->g->nrelays); /* maybe none of its own */
    struct lg_body *body = made_up(s, relay, slot);
    const char *id = s->g->relays[relay].id;
    struct lg_read read = {.relay = {id, strlen(id)}, .min = body->min, .digest = body->digest};
    struct lg_statement *own = sim_forge_statement(s, &(struct sim_forged_statement){.by = s->hostile,
                                                          .gw = s->hostile,
                                                          .parent = tip,
                                                          .slot = slot,
                                                          .ts = (slot + 1) * SG_MINUTE_MS,
                                                          .read = &read});
    if (own != NULL && (tip == NULL || tip->info.slot < slot)) {
        const struct lg_statement *v[1] = {own};
        const struct lg_body *b[1] = {body};
        sg_ms time = (slot + 1) * SG_MINUTE_MS;
        struct sim_forgery f = {.by = s->hostile,
            .parent = tip,
            .slot = slot,
            .time = tip != NULL && tip->info.time >= time ? tip->info.time + 1 : time,
            .statements = v,
            .nstatements = 1,
            .bodies = b,
            .nbodies = 1};
        tell_all(s, sim_forge_block(s, &f), 0);
    }
    lg_statement_free(own);
    lg_body_free(body);
}

/* A statement in the name of another gateway, in a block and by itself; its signature cannot be right. */
static void forge(struct sim *s, sg_minute slot)
{
    unsigned victim = (unsigned)sim_below(&s->rng, s->ngws);
    const struct sim_block *tip = own_tip(s);
    if (victim == s->hostile || sim_chance(&s->rng, 300)) {
        lie(s, slot);
        return;
    }
    struct lg_statement *st = sim_forge_statement(s, &(struct sim_forged_statement){.by = s->hostile,
                                                         .gw = victim,
                                                         .parent = tip,
                                                         .slot = slot,
                                                         .ts = (slot + 1) * SG_MINUTE_MS,
                                                         .new_inc = sim_chance(&s->rng, 500)});
    if (st != NULL && (tip == NULL || tip->info.slot < slot)) {
        const struct lg_statement *v[1] = {st};
        sg_ms time = (slot + 1) * SG_MINUTE_MS;
        struct sim_forgery f = {.by = s->hostile,
            .parent = tip,
            .slot = slot,
            .time = tip != NULL && tip->info.time >= time ? tip->info.time + 1 : time,
            .statements = v,
            .nstatements = 1};
        tell_all(s, sim_forge_block(s, &f), 0);
        sim_hostile_offer(s, st, 0);
    }
    lg_statement_free(st);
}

/* Two statements for one (inc, seq), one to each half. */
static void equivocate_statement(struct sim *s, sg_minute slot)
{
    for (unsigned half = 1; half <= 2; half++) {
        struct lg_statement *st = vote(s, own_tip(s), slot, false, half);
        if (st != NULL)
            sim_hostile_offer(s, st, half);
        lg_statement_free(st);
    }
}

struct sim_doc *sim_offer_one(const struct lg_statement *st, const struct lg_statement *other)
{
    struct sg_buf doc;
    sg_buf_init(&doc, SIZE_MAX);
    sg_buf_puts(&doc, "{\"bodies\":[],\"statements\":[");
    sg_buf_put(&doc, st->doc, st->doc_len);
    if (other != NULL) {
        sg_buf_puts(&doc, ",");
        sg_buf_put(&doc, other->doc, other->doc_len);
    }
    sg_buf_puts(&doc, "]}");
    struct sim_doc *d = sim_doc_new(doc.p, doc.len);
    sg_buf_fini(&doc);
    return d;
}

void sim_hostile_offer(struct sim *s, const struct lg_statement *st, unsigned half)
{
    struct sim_doc *d = sim_offer_one(st, NULL);
    for (unsigned p = 0; p < s->nnodes; p++) {
        if (half != 0 && p % 2 + 1 != half)
            continue;
        struct sim_msg *msg = sim_msg_new(MSG_STATEMENTS, s->hostile, p);
        msg->docs[msg->n++] = sim_doc_ref(d);
        sim_send(s, msg);
    }
    sim_doc_drop(d);
}

/* ---- when ---- */

void sim_hostile_slot(struct sim *s, sg_minute slot)
{
    static void (*const ways[SIM_WAYS])(struct sim *, sg_minute) = {
        [SIM_EQUIVOCATE] = equivocate,
        [SIM_EQUIVOCATE_SAID] = equivocate_statement,
        [SIM_EXCLUDE] = exclude,
        [SIM_EXCLUDE_ONE] = sim_hostile_exclude_one,
        [SIM_COPY] = copy,
        [SIM_CLAIM] = claim,
        [SIM_GARBAGE] = garbage,
        [SIM_FORGE] = forge,
    };
    if (!s->machines[s->hostile].up || s->machines[s->hostile].frozen_until > s->now)
        return;
    for (unsigned w = 0; w < SIM_WAYS; w++)
        if (does(s, (enum sim_hostile_way)w) && ways[w] != NULL && sim_chance(&s->rng, s->hostile_rate)) {
            ways[w](s, slot);
            s->stats.faults[SIM_HOSTILE]++;
        }
}

bool sim_hostile_keeps(struct sim *s, const struct lg_block *b)
{
    if (!does(s, SIM_WITHHOLD) || b->header.miner_kid != s->g->gateways[s->hostile].id ||
        (s->healed && !s->hostile_stays) || !sim_chance(&s->rng, 500))
        return false;
    sg_minute later = s->now / SG_MINUTE_MS + sim_between(&s->rng, 1, 4);
    sim_at(s, later * SG_MINUTE_MS + sim_between(&s->rng, 0, 40000), EV_RELEASE, s->hostile, 0, 0);
    return true;
}

void sim_hostile_release(struct sim *s)
{
    struct sim_node *n = &s->machines[s->hostile].node;
    for (unsigned i = 0; i < n->nwithheld; i++) {
        tell_all(s, n->withheld[i], 0);
        sim_doc_drop(n->withheld[i]);
    }
    n->nwithheld = 0;
}
