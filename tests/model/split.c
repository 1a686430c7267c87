/* Four honest gateways, two on either side of a partition. Each side goes on alone; in any slot any of them may be silent, or its statement
 * late. Then the network heals, before or after the votes of a slot, and all speak again. */
#include "tests/model/checks.h"
#include "tests/model/explore.h"

#include <string.h>

struct split_search {
    const struct rules *r;
    struct split_findings *out;
    struct visited *seen;
    unsigned slots;
};

static void grow_to(unsigned *worst, unsigned value)
{
    *worst = value > *worst ? value : *worst;
}

/* All blocks and pooled statements reach all. */
static void heal(struct split_search *s, struct world *w)
{
    for (unsigned i = 0; i < w->nblocks; i++) {
        w->b[i].sides = 3;
    }
    for (unsigned side = 0; side < 2; side++) {
        grow_to(&s->out->depth, world_adopt(w, s->r, side).depth);
    }
    s->out->apart += w->tip[0] != w->tip[1];
    for (unsigned g = 0; g < w->honest; g++) {
        for (unsigned j = 0; j < w->slot; j++) {
            uint8_t *a = &w->since[0][g][j], b = w->since[1][g][j];
            if (*a < FORGOTTEN || b < FORGOTTEN) {
                *a = *a < b ? *a : b;
            } else if (b == FORGOTTEN) {
                *a = FORGOTTEN;
            }
        }
    }
    w->sides = 1;
}

static void begin_slot(struct world *w)
{
    w->slot++;
    w->gw_signed = 0;
    w->heard = NO_VOTE;
}

static bool is_complete(const struct world *w)
{
    for (unsigned g = 0; g < w->honest; g++) {
        if (!honest_all_pairs(w, 0, g, w->slot)) {
            return false;
        }
    }
    return true;
}

static void come_to_rest(struct split_search *s, const struct world *split)
{
    struct world w = *split;
    unsigned slots = 0;
    heal(s, &w);
    do {
        begin_slot(&w);
        for (unsigned g = 0; g < w.honest; g++) {
            honest_sign(&w, s->r, 0, g, false);
        }
        grow_to(&s->out->depth, honest_react(&w, s->r, 0).depth);
        slots++;
    } while (!is_complete(&w) && slots < MODEL_QUIET);
    s->out->lost += !is_complete(&w);
    grow_to(&s->out->slots_to_rest, slots);
}

/* One slot of the partition: two bits a gateway: 0, 1 speaks in time; 2 late; 3 silent. */
static void play_slot(struct split_search *s, struct world *w, unsigned how)
{
    begin_slot(w);
    for (unsigned g = 0; g < w->honest; g++) {
        unsigned what = (how >> (2 * g)) & 3;
        if (what == 3) {
            honest_silent(w, g);
        } else {
            honest_sign(w, s->r, g / 2, g, what == 2);
        }
    }
    for (unsigned side = 0; side < 2; side++) {
        (void)honest_react(w, s->r, side);
        honest_arrive(w, side);
        (void)honest_react(w, s->r, side);
    }
}

static void part(struct split_search *s, const struct world *w)
{
    if (!visited_put(s->seen, w, false)) {
        return;
    }
    come_to_rest(s, w);
    if (w->slot == s->slots) {
        return;
    }
    for (unsigned how = 0; how < 256; how++) {
        bool twice = false;
        for (unsigned g = 0; g < 4; g++) {
            twice = twice || ((how >> (2 * g)) & 3) == 1;
        }
        if (!twice) {
            struct world next = *w;
            play_slot(s, &next, how);
            part(s, &next);
        }
    }
}

void check_split(struct split_findings *out, const struct rules *r, unsigned slots)
{
    struct split_search s = {.r = r, .out = out, .seen = visited_new(), .slots = slots};
    struct world w;
    memset(out, 0, sizeof *out);
    world_init(&w, 4, 2);
    part(&s, &w);
    out->states = visited_count(s.seen);
    visited_free(s.seen);
}
