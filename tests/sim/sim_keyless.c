/* A machine that nodes have as a peer and whose key the genesis does not name. It says and answers whatever it likes:
 *
 *   forge     blocks and statements in the name of others or in its own, with the weight that it would like them to have
 *   alter     real documents with another signature, another digit, another byte, or cut short; a block's as soon as it is told of it
 *   replay    old blocks and old offers
 *   promise   a tip that nobody has, far ahead, and never a block of it
 *   stale     a tip that lies far back
 *   orphans   real blocks whose parents it keeps, page after page
 *   wrong     pages of another node's branch, from anywhere
 *   evidence  a real statement, and another with its numbers that its gateway never signed
 *   slow      answers that take long, or do not come
 *
 * It knows all that is public: the best branch of every node. Invariant: it signs with its own key only. What it does to the line of a real
 * peer (headers, pages, sketches, bans in full) is tried in test_peers_bad and test_badpeers; here it meets the engine and time. */
#include "tests/sim/sim.h"

#include <string.h>

#include "tests/lib/fake_crypto.h"

enum { FORGE, ALTER, REPLAY, PROMISE, STALE, ORPHANS, WRONG, EVIDENCE, SLOW, WAYS };

#define SLOWEST_MS 20000
#define FAR_BACK   200

static bool does(const struct sim *s, unsigned way)
{
    return (s->keyless_ways & UINT32_C(1) << way) != 0;
}

void sim_keyless_draw(struct sim *s, unsigned rate)
{
    s->keyless = s->ngws;
    s->keyless_ways = (uint32_t)sim_between(&s->rng, 1, (1 << WAYS) - 1);
    s->keyless_rate = rate;
    s->keyless_stays = sim_chance(&s->rng, 600);
}

void sim_keyless_join(struct sim *s)
{
    unsigned k = s->keyless;
    s->npeers = s->nnodes;
    if (k == SIM_NOBODY)
        return;
    s->npeers = k + 1;
    s->machines[k].up = true;
    s->machines[k].clock = (struct sim_clock){.base = s->now, .base_wall = s->now};
    fake_public(s->keys[k], 1000);
    bool any = false;
    for (unsigned m = 0; m < s->nnodes; m++) {
        s->net.peers[m][k] = sim_chance(&s->rng, 600) || (m + 1 == s->nnodes && !any);
        any = any || s->net.peers[m][k];
    }
}

/* ---- what it knows ---- */

static const struct sim_block *tip_of_some_node(struct sim *s)
{
    const struct sim_node *n = &s->machines[sim_below(&s->rng, s->nnodes)].node;
    return n->tip.height == 0 ? NULL : sim_judge_find(s, &n->tip.hash);
}

static const struct sim_block *back(const struct sim_block *x, int64_t n)
{
    while (x != NULL && x->parent != NULL && n-- > 0)
        x = x->parent;
    return x;
}

static const struct sim_block *some_block(struct sim *s, int64_t farthest)
{
    return back(tip_of_some_node(s), sim_between(&s->rng, 0, farthest));
}

static void remember(struct sim *s, struct sim_doc *offer)
{
    struct sim_doc **at = &s->keyless_offers[sim_below(&s->rng, SIM_KEYLESS_OFFERS)];
    sim_doc_drop(*at);
    *at = sim_doc_ref(offer);
}

/* NULL: it has not heard any. */
static struct sim_doc *some_offer(struct sim *s)
{
    return s->keyless_offers[sim_below(&s->rng, SIM_KEYLESS_OFFERS)];
}

void sim_keyless_fini(struct sim *s)
{
    for (unsigned i = 0; i < SIM_KEYLESS_OFFERS; i++)
        sim_doc_drop(s->keyless_offers[i]);
}

/* ---- documents ---- */

/* Another signature under the same header: of no worth, and no fault of the real block. */
static void alter_signature(struct sim *s, struct sim_doc *d)
{
    static const char behind[] = "\",\"statements\":["; /* what follows a block's signature, 88 characters */
    size_t at = 0, n = sizeof behind - 1;
    while (at + n < d->len && memcmp(d->b + at, behind, n) != 0)
        at++;
    uint8_t *c = &d->b[at < 88 || at + n >= d->len ? 0 : at - 88 + (size_t)sim_below(&s->rng, 80)];
    *c = *c == 'A' ? 'B' : 'A';
}

static void alter_digit(struct sim *s, struct sim_doc *d)
{
    size_t at = sim_below(&s->rng, d->len);
    while (at < d->len && (d->b[at] < '2' || d->b[at] > '9'))
        at++;
    d->b[at < d->len ? at : 0] ^= 1; /* '2' for '3' and so on */
}

/* Never the same bytes. */
static struct sim_doc *altered(struct sim *s, const struct sim_doc *d, bool signature)
{
    uint64_t how = signature ? 0 : sim_below(&s->rng, 4);
    size_t len = how == 3 ? 1 + sim_below(&s->rng, d->len) : d->len;
    struct sim_doc *out = sim_doc_new(d->b, len);
    if (how == 0)
        alter_signature(s, out);
    else if (how == 1)
        alter_digit(s, out);
    else
        out->b[sim_below(&s->rng, len)] ^= (uint8_t)(1 << sim_below(&s->rng, 8));
    return out;
}

/* A statement in the name of a gateway, on a block of that branch. Caller frees; NULL: the encoder refuses it. */
static struct lg_statement *forged_statement(
    struct sim *s, const struct sim_block *parent, sg_minute slot, unsigned gw)
{
    return sim_forge_statement(s, &(struct sim_forged_statement){.by = s->keyless,
                                      .gw = gw,
                                      .parent = parent,
                                      .slot = slot,
                                      .ts = (slot + 1) * SG_MINUTE_MS,
                                      .new_inc = sim_chance(&s->rng, 500)});
}

static lg_kid some_miner(struct sim *s)
{
    return sim_chance(&s->rng, 100) ? lg_kid_of_public(s->keys[s->keyless])
                                    : s->g->gateways[sim_below(&s->rng, s->nnodes)].id;
}

/* What a real block carries, once more, in the name of some miner: good in all but its signature. NULL: there is none. */
static struct sim_doc *mined_again(struct sim *s)
{
    const struct sim_block *x = some_block(s, 1);
    const struct lg_block *b = x == NULL ? NULL : sim_judge_decoded(s, x->doc->block);
    if (b == NULL)
        return NULL;
    struct sim_forgery f = {.by = s->keyless,
        .miner = some_miner(s),
        .parent = x->parent,
        .slot = b->header.slot,
        .time = b->header.time,
        .statements = (const struct lg_statement *const *)b->statements,
        .nstatements = b->nstatements,
        .bodies = (const struct lg_body *const *)b->bodies,
        .nbodies = b->nbodies,
        .more_weight = sim_chance(&s->rng, 500) ? 0 : sim_between(&s->rng, 1, 1000)};
    return sim_doc_ref(sim_forge_block(s, &f));
}

/* With a statement that is forged too. NULL: none fits. */
static struct sim_doc *forged_block(struct sim *s, sg_minute slot)
{
    if (sim_chance(&s->rng, 500))
        return mined_again(s);
    const struct sim_block *parent = tip_of_some_node(s);
    while (parent != NULL && parent->info.slot >= slot)
        parent = parent->parent;
    struct lg_statement *st = forged_statement(s, parent, slot, (unsigned)sim_below(&s->rng, s->ngws));
    if (st == NULL)
        return NULL;
    const struct lg_statement *v[1] = {st};
    sg_ms time = (slot + 1) * SG_MINUTE_MS;
    struct sim_forgery f = {.by = s->keyless,
        .miner = some_miner(s),
        .parent = parent,
        .slot = slot,
        .time = parent != NULL && parent->info.time >= time ? parent->info.time + 1 : time,
        .statements = v,
        .nstatements = 1,
        .more_weight = sim_chance(&s->rng, 500) ? 0 : sim_between(&s->rng, 1, 1000)};
    struct sim_doc *d = sim_forge_block(s, &f);
    lg_statement_free(st);
    return sim_doc_ref(d);
}

/* ---- telling ---- */

static void tell(struct sim *s, enum sim_msg_kind kind, struct sim_doc *d_take, unsigned permille)
{
    for (unsigned p = 0; d_take != NULL && p < s->nnodes; p++) {
        if (!sim_chance(&s->rng, permille))
            continue;
        struct sim_msg *msg = sim_msg_new(kind, s->keyless, p);
        msg->docs[msg->n++] = sim_doc_ref(d_take);
        sim_send(s, msg);
        s->stats.faults[SIM_KEYLESS]++;
    }
    sim_doc_drop(d_take);
}

static void forge(struct sim *s, sg_minute slot)
{
    tell(s, MSG_BLOCK, forged_block(s, slot), 500);
    struct lg_statement *st =
        forged_statement(s, tip_of_some_node(s), slot, (unsigned)sim_below(&s->rng, s->ngws));
    if (st != NULL)
        tell(s, MSG_STATEMENTS, sim_offer_one(st, NULL), 500);
    lg_statement_free(st);
}

static void alter(struct sim *s, sg_minute slot)
{
    const struct sim_block *x = some_block(s, 8);
    struct sim_doc *offer = some_offer(s);
    (void)slot;
    if (x != NULL)
        tell(s, MSG_BLOCK, altered(s, x->doc, false), 500);
    if (offer != NULL)
        tell(s, MSG_STATEMENTS, altered(s, offer, false), 500);
}

static void replay(struct sim *s, sg_minute slot)
{
    const struct sim_block *x = some_block(s, FAR_BACK);
    struct sim_doc *offer = some_offer(s);
    (void)slot;
    if (x != NULL)
        tell(s, MSG_BLOCK, sim_doc_ref(x->doc), 500);
    if (offer != NULL)
        tell(s, MSG_STATEMENTS, sim_doc_ref(offer), 500);
}

/* Newest first: each of them an orphan where the branch is not known. */
static void orphans(struct sim *s, sg_minute slot)
{
    const struct sim_block *x = some_block(s, 4);
    (void)slot;
    for (unsigned i = 0; x != NULL && i < SIM_BATCH; i++, x = x->parent)
        tell(s, MSG_BLOCK, sim_doc_ref(x->doc), 200);
}

/* A statement that was said, and one with its numbers: alone, behind it, or before it. */
static void evidence(struct sim *s, sg_minute slot)
{
    const struct sim_block *x = some_block(s, 8);
    const struct lg_block *b = x == NULL ? NULL : sim_judge_decoded(s, x->doc->block);
    (void)slot;
    if (b == NULL || b->nstatements == 0)
        return;
    const struct lg_statement *real = b->statements[sim_below(&s->rng, b->nstatements)];
    struct lg_statement *other = sim_forge_variant(s, real, s->keyless);
    if (other == NULL)
        return;
    bool first = sim_chance(&s->rng, 500);
    tell(s, MSG_STATEMENTS, sim_offer_one(first ? other : real, first ? real : other), 500);
    tell(s, MSG_STATEMENTS, sim_offer_one(other, NULL), 500);
    lg_statement_free(other);
}

void sim_keyless_slot(struct sim *s, sg_minute slot)
{
    static void (*const ways[WAYS])(struct sim *, sg_minute) = {
        [FORGE] = forge, [ALTER] = alter, [REPLAY] = replay, [ORPHANS] = orphans, [EVIDENCE] = evidence};
    for (unsigned w = 0; w < WAYS; w++)
        if (does(s, w) && ways[w] != NULL && sim_chance(&s->rng, s->keyless_rate))
            ways[w](s, slot);
}

/* ---- answering ---- */

static void answer(struct sim *s, struct sim_msg *r_take)
{
    if (does(s, SLOW) && sim_chance(&s->rng, 300)) {
        sim_msg_drop(r_take); /* never */
        return;
    }
    r_take->slow = does(s, SLOW) ? sim_between(&s->rng, 0, SLOWEST_MS) : 0;
    s->stats.faults[SIM_KEYLESS]++;
    sim_send(s, r_take);
}

static void answer_status(struct sim *s, const struct sim_msg *ask)
{
    struct sim_msg *r = sim_msg_new(MSG_STATUS_IS, s->keyless, ask->from);
    const struct sim_block *x = does(s, STALE) ? some_block(s, FAR_BACK) : tip_of_some_node(s);
    r->id = ask->id;
    r->hash = x == NULL ? s->g->id : x->hash;
    r->height = x == NULL ? 0 : x->info.height;
    if (does(s, PROMISE) && sim_chance(&s->rng, 700)) {
        uint64_t nowhere = sim_rand(&s->rng);
        memcpy(r->hash.b, &nowhere, sizeof nowhere);
        r->height += sim_between(&s->rng, 1, 1000000);
    }
    answer(s, r);
}

/* Up to a page of a branch, the oldest first, that ends in x; without those that lie at or below the asker's block. */
static void add_run(struct sim *s, struct sim_msg *page, const struct sim_block *x, unsigned n)
{
    const struct sim_block *path[SIM_BATCH];
    unsigned found = 0;
    (void)s;
    for (; x != NULL && found < n; x = x->parent)
        path[found++] = x;
    while (found > 0)
        page->docs[page->n++] = sim_doc_ref(path[--found]->doc);
}

static void answer_fetch(struct sim *s, const struct sim_msg *ask)
{
    struct sim_msg *page = sim_msg_new(MSG_PAGE, s->keyless, ask->from);
    page->id = ask->id;
    page->more = sim_chance(&s->rng, 500);
    unsigned n = (unsigned)sim_between(&s->rng, 1, SIM_BATCH);
    if (does(s, ORPHANS))
        add_run(s, page, some_block(s, 2), n);
    else if (does(s, WRONG) || does(s, STALE))
        add_run(s, page, some_block(s, FAR_BACK), n);
    else if (does(s, FORGE) && (page->docs[0] = forged_block(s, s->now / SG_MINUTE_MS - 1)) != NULL)
        page->n = 1;
    if (does(s, ALTER) && page->n > 0 && sim_chance(&s->rng, 500)) {
        unsigned at = (unsigned)sim_below(&s->rng, page->n);
        struct sim_doc *real = page->docs[at];
        page->docs[at] = altered(s, real, false);
        sim_doc_drop(real);
    }
    answer(s, page); /* or an empty one */
}

static void answer_pool(struct sim *s, const struct sim_msg *ask)
{
    struct sim_doc *offer = some_offer(s);
    if (offer == NULL)
        return;
    struct sim_msg *r = sim_msg_new(MSG_POOL_IS, s->keyless, ask->from);
    r->docs[r->n++] = does(s, ALTER) ? altered(s, offer, false) : sim_doc_ref(offer);
    answer(s, r);
}

void sim_keyless_message(struct sim *s, struct sim_msg *msg)
{
    if (msg->kind == MSG_STATUS)
        answer_status(s, msg);
    else if (msg->kind == MSG_FETCH)
        answer_fetch(s, msg);
    else if (msg->kind == MSG_POOL)
        answer_pool(s, msg);
    else if (msg->kind == MSG_STATEMENTS || msg->kind == MSG_POOL_IS)
        remember(s, msg->docs[0]);
    else if (msg->kind == MSG_BLOCK && does(s, ALTER) && sim_chance(&s->rng, s->keyless_rate))
        for (unsigned i = 0; i < 2; i++) /* before the real one, where that comes by a longer way */
            tell(s, MSG_BLOCK, altered(s, msg->docs[0], true), 1000);
}
