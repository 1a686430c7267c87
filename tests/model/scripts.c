/* Single courses of events, longer than a search can go. */
#include "tests/model/checks.h"

/* The hostile block on the parent that all would extend. */
static void hostile_first(struct world *w, const struct rules *r, bool only_one)
{
    unsigned base = world_best(w, r, 0, w->slot);
    struct content c = w->b[base].has;
    for (unsigned g = 1; only_one && g < w->honest; g++) {
        c.cnt[g] = (uint8_t)world_signed_by(w, g);
    }
    (void)world_add(w, base, w->slot, RANK_HOSTILE, true, &c, 1);
    (void)world_adopt(w, r, 0);
}

static unsigned longest_off(const struct world *w)
{
    unsigned worst = 0;
    for (unsigned g = 0; g < w->honest; g++) {
        for (unsigned j = 0; j < w->slot; j++) {
            unsigned off = w->slot - j; /* signed in slot j + 1 */
            if (!world_included(w, &w->b[w->tip[0]].has, g, j) && off > worst) {
                worst = off;
            }
        }
    }
    return worst;
}

unsigned script_leaves_out(const struct rules *r, unsigned slots, bool only_one)
{
    struct world w;
    unsigned worst = 0;
    world_init(&w, 3, 1);
    for (unsigned k = 0; k < slots; k++) {
        w.slot++;
        w.gw_signed = 0;
        w.heard = NO_VOTE;
        for (unsigned g = 0; g < w.honest; g++) {
            honest_sign(&w, r, 0, g, false);
        }
        hostile_first(&w, r, only_one);
        (void)honest_react(&w, r, 0);
        unsigned off = longest_off(&w);
        worst = off > worst ? off : worst;
    }
    return worst;
}
