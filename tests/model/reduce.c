/* Forgetting what can never matter again, so that histories which differ only in that become one state.
 *
 * The weight of the best branch never falls, and branches that lie below it gain only by a release, of `branch` blocks at most. So a
 * block from which such a release cannot reach the best weight is dead for ever, and with it all that stands on it. What lies below the
 * last common ancestor of the living is forgotten too: sums and heights count from there. */
#include "tests/model/explore.h"

#include <string.h>

struct living {
    bool keep[MODEL_BLOCKS];
    uint8_t number[MODEL_BLOCKS]; /* new one; TIP_NOWHERE: dropped */
    unsigned root;
};

static void find_living(struct living *l, const struct world *w, unsigned reach)
{
    memset(l, 0, sizeof *l);
    l->root = w->tip[0];
    for (unsigned i = 0; i < w->nblocks; i++) {
        if (w->b[i].wsum + reach >= w->b[w->tip[0]].wsum) {
            l->root = world_fork(w, l->root, i);
            for (unsigned k = i; !l->keep[k]; k = w->b[k].parent) {
                l->keep[k] = true;
                if (k == 0) {
                    break;
                }
            }
        }
    }
}

static uint8_t new_tip(const struct living *l, const struct world *w, uint8_t tip)
{
    if (tip == TIP_SILENT || tip == TIP_NOWHERE || l->number[tip] != TIP_NOWHERE) {
        return tip >= TIP_NOWHERE ? tip : l->number[tip];
    }
    return world_is_ancestor(w, tip, l->root) ? 0 : TIP_NOWHERE;
}

void reduce(struct world *w, unsigned reach)
{
    struct living l;
    struct world old = *w;
    find_living(&l, &old, reach);
    w->nblocks = 0;
    memset(w->b, 0, sizeof w->b);
    for (unsigned i = 0; i < old.nblocks; i++) {
        l.number[i] = TIP_NOWHERE;
        if (!l.keep[i] || !world_is_ancestor(&old, l.root, i)) {
            continue;
        }
        l.number[i] = w->nblocks++;
        struct mblock *b = &w->b[l.number[i]];
        *b = old.b[i];
        b->parent = i == l.root ? 0 : l.number[b->parent];
        b->height = (uint8_t)(b->height - old.b[l.root].height);
        b->wsum = (uint8_t)(b->wsum - old.b[l.root].wsum);
    }
    w->tip[0] = l.number[old.tip[0]];
    for (unsigned g = 0; g < w->honest; g++) {
        for (unsigned j = 0; j < w->slot; j++) {
            w->stmt_tip[g][j] = new_tip(&l, &old, old.stmt_tip[g][j]);
        }
    }
}
