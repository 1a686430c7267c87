/* What the simulator itself thinks of every block that anybody ever made.
 *
 * A block is decoded and judged once, without a clock, by the product's rules of validity (lg_block_check) over a view of the simulator's
 * own, which shares nothing with engines and stores: parent pointers, and of each block the last statement of every gateway. Some of what
 * the rules should refuse is looked for here once more: weights, not by lg_block_weigh; numbers that do not grow; reads by who is no
 * reader; a body twice on a branch. Which of two branches is better says the product's lg_branch_cmp. */
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/fake_crypto.h"

/* The blocks that carry a body, newest first. */
struct places {
    struct places *next;
    const struct sim_block *at;
    unsigned relay;
    sg_minute min;
};

#define MAX_DECODED 16

static void put(struct lg_map *m, const struct lg_hash *key, void *value)
{
    if (lg_map_put(m, key, value) != 0)
        abort();
}

static void *make(size_t size)
{
    void *p = calloc(1, size);
    if (p == NULL)
        abort();
    return p;
}

void sim_judge_fini(struct sim *s)
{
    for (size_t i = 0; i < s->judge.blocks.cap; i++) {
        struct sim_block *x = s->judge.blocks.slots[i].value;
        while (x != NULL) {
            struct sim_block *next = x->next;
            lg_block_free(x->b);
            for (unsigned k = 0; k < x->nbriefs; k++)
                free(x->briefs[k].reads);
            free(x->briefs);
            x->doc->block = NULL;
            sim_doc_drop(x->doc);
            free(x);
            x = next;
        }
    }
    for (size_t i = 0; i < s->judge.bodies.cap; i++) {
        struct places *p = s->judge.bodies.slots[i].value;
        while (p != NULL) {
            struct places *next = p->next;
            free(p);
            p = next;
        }
    }
    lg_map_fini(&s->judge.blocks);
    lg_map_fini(&s->judge.bodies);
    lg_map_fini(&s->judge.signed_by);
    lg_map_fini(&s->judge.acked);
}

/* ---- the view ---- */

/* The ancestor of this height: some steps by skips and a few by parents. */
static const struct sim_block *ancestor_at(const struct sim_block *end, int64_t height)
{
    while (end != NULL && end->info.height > height)
        end = end->skip != NULL && end->skip->info.height >= height ? end->skip : end->parent;
    return end;
}

/* Where a skip of this height leads: its lowest bit cleared, or two for odd ones, so that from any height any other is near. */
static int64_t skip_height(int64_t height)
{
    int64_t even = height & (height - 1);
    return (height & 1) != 0 ? even & (even - 1) : even;
}

bool sim_is_ancestor(const struct sim_block *a, const struct sim_block *end)
{
    return ancestor_at(end, a->info.height) == a;
}

struct end_view {
    const struct sim *s;
    const struct sim_block *end; /* NULL: genesis */
};

static int view_last(void *ctx, struct lg_statement_ref *out, lg_kid gw)
{
    const struct end_view *v = ctx;
    unsigned i = sim_gw_index(v->s, gw);
    if (v->end == NULL || i >= SIM_MAX_GWS || v->end->last[i].seq == 0)
        return SG_ENOT_FOUND;
    *out = v->end->last[i];
    return 0;
}

static int view_body(void *ctx, struct lg_body_ref *out, const struct lg_hash *digest)
{
    const struct end_view *v = ctx;
    for (const struct places *p = lg_map_get(&v->s->judge.bodies, digest); p != NULL; p = p->next) {
        if (v->end == NULL || !sim_is_ancestor(p->at, v->end))
            continue;
        *out = (struct lg_body_ref){.min = p->min, .height = p->at->info.height};
        memcpy(out->relay, v->s->g->relays[p->relay].id, sizeof out->relay);
        return 0;
    }
    return SG_ENOT_FOUND;
}

static int view_ancestor(void *ctx, const struct lg_hash *hash)
{
    const struct end_view *v = ctx;
    if (lg_hash_eq(hash, &v->s->g->id))
        return 0;
    const struct sim_block *x = sim_judge_find(v->s, hash);
    return x != NULL && v->end != NULL && sim_is_ancestor(x, v->end) ? 0 : SG_ENOT_FOUND;
}

bool sim_on_branch(const struct sim *s, const struct lg_hash *digest, const struct sim_block *end)
{
    struct end_view v = {s, end};
    struct lg_body_ref ref;
    return view_body(&v, &ref, digest) == 0;
}

int64_t sim_weigh(const struct sim *s, const struct lg_block *b, const struct sim_block *parent)
{
    struct end_view v = {s, parent};
    bool counted[SIM_MAX_GWS] = {false};
    int64_t weight = 0;
    for (unsigned i = 0; i < b->nstatements; i++) {
        unsigned gw = sim_gw_index(s, b->statements[i]->gw);
        if (gw < SIM_MAX_GWS && !counted[gw] && view_ancestor(&v, &b->statements[i]->tip) == 0) {
            counted[gw] = true;
            weight++;
        }
    }
    return weight;
}

/* ---- judging ---- */

const struct sim_block *sim_judge_find(const struct sim *s, const struct lg_hash *hash)
{
    for (const struct sim_block *x = lg_map_get(&s->judge.blocks, hash); x != NULL; x = x->next)
        if (x->judged && x->verdict == 0)
            return x;
    return NULL;
}

static unsigned relay_index(const struct sim *s, struct lg_name name)
{
    return (unsigned)(lg_genesis_relay(s->g, name.p, name.len) - s->g->relays);
}

static void keep_brief(const struct sim *s, struct sim_brief *brief, const struct lg_statement *st)
{
    *brief = (struct sim_brief){.gw = sim_gw_index(s, st->gw),
        .inc = st->inc,
        .ts = st->ts,
        .seq = st->seq,
        .slot = st->slot,
        .nreads = st->nreads,
        .reads = make((st->nreads + 1) * sizeof *brief->reads)};
    for (unsigned i = 0; i < st->nreads; i++)
        brief->reads[i] =
            (struct sim_brief_read){.relay = relay_index(s, st->reads[i].relay), .min = st->reads[i].min};
}

/* Nobody reads a relay that it may not read. */
static void check_readers(struct sim *s, const struct lg_statement *st, const struct sim_brief *brief)
{
    for (unsigned k = 0; k < st->nreads; k++)
        if (!sim_reads(s, brief->gw, brief->reads[k].relay))
            sim_violate(s, "the rules let gateway %u read relay %u, which it may not", brief->gw,
                brief->reads[k].relay);
}

/* The branch does not carry it yet. Asked before x is noted, so that its own bodies count once each. */
static void check_once(struct sim *s, const struct sim_block *x, const struct lg_hash *digest)
{
    const struct places *newest = lg_map_get(&s->judge.bodies, digest);
    if (sim_on_branch(s, digest, x->parent) || (newest != NULL && newest->at == x))
        sim_violate(
            s, "the rules let a branch carry a body twice, at height %lld", (long long)x->info.height);
}

static void note_valid(struct sim *s, struct sim_block *x)
{
    x->briefs = make((x->b->nstatements + 1) * sizeof *x->briefs);
    for (unsigned i = 0; i < x->b->nstatements; i++)
        keep_brief(s, &x->briefs[x->nbriefs++], x->b->statements[i]);
    if (x->parent != NULL)
        memcpy(x->last, x->parent->last, s->ngws * sizeof x->last[0]);
    for (unsigned i = 0; i < x->b->nstatements; i++) {
        const struct lg_statement *st = x->b->statements[i];
        struct lg_statement_ref *last = &x->last[x->briefs[i].gw];
        if (st->inc < last->inc || (st->inc == last->inc && st->seq <= last->seq))
            sim_violate(s, "the rules let a branch carry number %lld of gateway %u after number %lld",
                (long long)st->seq, x->briefs[i].gw, (long long)last->seq);
        lg_statement_ref_of(last, st, x->info.height);
        check_readers(s, st, &x->briefs[i]);
    }
    for (unsigned i = 0; i < x->b->nbodies; i++) {
        const struct lg_hash *digest = &x->b->bodies[i]->digest;
        check_once(s, x, digest);
        struct places *p = make(sizeof *p);
        p->at = x;
        p->relay = relay_index(s, x->b->bodies[i]->relay);
        p->min = x->b->bodies[i]->min;
        p->next = lg_map_get(&s->judge.bodies, digest);
        put(&s->judge.bodies, digest, p);
    }
    s->stats.blocks++;
}

/* What an honest gateway says is what it signed, and what it read is what the relay showed. */
static void check_honest(struct sim *s, const struct sim_block *x)
{
    for (unsigned i = 0; i < x->b->nstatements; i++) {
        const struct lg_statement *st = x->b->statements[i];
        unsigned gw = sim_gw_index(s, st->gw);
        if (gw >= s->ngws || gw == s->hostile)
            continue;
        if (lg_map_get(&s->judge.signed_by, &st->leaf) != &s->machines[gw])
            sim_violate(s, "block %lld carries a statement of gateway %u that it never signed",
                (long long)x->info.height, gw);
        for (unsigned k = 0; k < st->nreads; k++) {
            struct lg_hash digest;
            (void)sim_truth_body(s, relay_index(s, st->reads[k].relay), st->reads[k].min, &digest);
            if (!lg_hash_eq(&digest, &st->reads[k].digest))
                sim_violate(
                    s, "gateway %u, minute %lld: not what the relay showed", gw, (long long)st->reads[k].min);
        }
    }
}

static void judge(struct sim *s, struct sim_block *x)
{
    const struct lg_header *h = &x->b->header;
    struct lg_block_info root;
    bool first = lg_hash_eq(&h->prev, &s->g->id);
    x->parent = first ? NULL : sim_judge_find(s, &h->prev);
    if (!first && x->parent == NULL)
        return; /* its parent has not been seen, or is invalid */
    struct end_view v = {s, x->parent};
    struct lg_view view = {
        .ctx = &v, .last_statement = view_last, .body = view_body, .ancestor = view_ancestor};
    struct lg_rules rules = {.genesis = s->g, .crypto = &fake_crypto};
    lg_block_info_genesis(&root, s->g);
    const struct lg_block_info *parent = first ? &root : &x->parent->info;
    lg_block_info_of(&x->info, x->b, parent);
    x->skip = ancestor_at(x->parent, skip_height(x->info.height));
    x->judged = true;
    x->verdict = lg_block_check(&rules, x->b, parent, &view, -1);
    if (x->verdict == 0 && h->weight != sim_weigh(s, x->b, x->parent))
        sim_violate(s, "the rules let a weight of %lld pass that is %lld", (long long)h->weight,
            (long long)sim_weigh(s, x->b, x->parent));
    if (x->verdict == 0 && (x->info.height != parent->height + 1 ||
                               x->info.weight_sum != parent->weight_sum + sim_weigh(s, x->b, x->parent)))
        sim_violate(
            s, "the sums of a branch are not those of its blocks at height %lld", (long long)h->height);
    if (x->verdict == 0)
        note_valid(s, x);
}

/* Brings the content in; the one that was brought in longest ago goes. */
static bool decode(struct sim_judge *j, struct sim_block *x)
{
    sim_known_begin(&x->doc->known, x->doc->b, x->doc->len);
    int err = lg_block_decode(&x->b, x->doc->b, x->doc->len);
    sim_known_end();
    if (err != 0)
        return false;
    x->older = NULL;
    *(j->newest != NULL ? &j->newest->older : &j->oldest) = x;
    j->newest = x;
    if (++j->ndecoded > MAX_DECODED) {
        struct sim_block *old = j->oldest;
        j->oldest = old->older;
        j->ndecoded--;
        lg_block_free(old->b);
        old->b = NULL;
        sim_known_free(old->doc->known);
        old->doc->known = NULL;
    }
    return true;
}

const struct lg_block *sim_judge_decoded(struct sim *s, struct sim_block *x)
{
    if (x->decodes && x->b == NULL)
        (void)decode(&s->judge, x);
    return x->b;
}

static sg_ms due_of(const struct lg_block *b)
{
    sg_ms due = (b->header.slot + 1) * SG_MINUTE_MS;
    due = b->header.time > due ? b->header.time : due;
    for (unsigned i = 0; i < b->nstatements; i++)
        due = b->statements[i]->ts > due ? b->statements[i]->ts : due;
    return due;
}

static struct sim_block *add(struct sim *s, struct sim_doc *d)
{
    struct sim_block *x = make(sizeof *x + s->ngws * sizeof x->last[0]);
    struct lg_hash key;
    x->doc = sim_doc_ref(d);
    x->at = s->now;
    x->before = s->judge.last;
    s->judge.last = x;
    d->block = x;
    x->decodes = decode(&s->judge, x);
    if (x->decodes) {
        key = x->hash = x->b->hash;
        x->prev = x->b->header.prev;
        x->due = due_of(x->b);
    } else {
        x->judged = true;
        x->verdict = SG_ESHAPE;
        sg_sha256(key.b, d->b, d->len);
    }
    x->next = lg_map_get(&s->judge.blocks, &key);
    put(&s->judge.blocks, &key, x);
    return x;
}

struct sim_block *sim_judge_block(struct sim *s, struct sim_doc *d)
{
    struct sim_block *x = d->block != NULL ? d->block : add(s, d);
    if (!x->judged && sim_judge_decoded(s, x) != NULL)
        judge(s, x);
    return x;
}

const struct sim_block *sim_judge_known(struct sim *s, const struct lg_hash *hash)
{
    for (struct sim_block *x = lg_map_get(&s->judge.blocks, hash); x != NULL; x = x->next) {
        if (x->judged)
            continue;
        if (x->decodes && !lg_hash_eq(&x->prev, &s->g->id))
            (void)sim_judge_known(s, &x->prev);
        (void)sim_judge_block(s, x->doc);
    }
    return sim_judge_find(s, hash);
}

struct sim_doc *sim_judge_intern(struct sim *s, const struct lg_hash *hash, const uint8_t *doc, size_t len)
{
    for (struct sim_block *x = lg_map_get(&s->judge.blocks, hash); x != NULL; x = x->next)
        if (x->doc->len == len && memcmp(x->doc->b, doc, len) == 0)
            return x->doc;
    struct sim_doc *d = sim_doc_new(doc, len);
    add(s, d);
    sim_doc_drop(d); /* the judge keeps it */
    return d;
}

void sim_judge_adopted(struct sim *s, const struct sim_block *x)
{
    for (; x != NULL && !x->adopted; x = x->parent) {
        struct sim_block *own = x->doc->block;
        own->adopted = true;
        (void)sim_judge_decoded(s, own);
        check_honest(s, own);
    }
}

int sim_branch_cmp(const struct sim *s, const struct sim_block *a, const struct sim_block *b)
{
    struct lg_block_info root;
    lg_block_info_genesis(&root, s->g);
    const struct sim_block *fa = a, *fb = b;
    if (a == b)
        return 0;
    if (a == NULL || b == NULL)
        return a == NULL ? 1 : -1;
    if (a->info.weight_sum == b->info.weight_sum && a->info.height == b->info.height) {
        while (fa->parent != fb->parent) {
            fa = fa->parent;
            fb = fb->parent;
        }
    }
    return lg_branch_cmp(&a->info, &fa->info, &b->info, &fb->info);
}
