/* Honest gateways of the model: signing, the candidate, judging rivals, mining; docs/wire-format.md, "Consensus".
 *
 * Turns: the first miner in rank whose work is not needless mines at once and all hear of it, so only what is still needed after
 * that is mined too. One block a miner on one parent in one slot. */
#include "tests/model/world.h"

static bool is_here(const struct world *w, unsigned s, unsigned gw, unsigned j)
{
    return w->stmt_tip[gw][j] == TIP_SILENT || w->since[s][gw][j] < FORGOTTEN;
}

/* ---- what is extended ---- */

/* The weight of a branch with the votes of this slot that are at hand and count for it. */
static unsigned sum_with_votes(const struct world *w, unsigned s, unsigned end)
{
    unsigned sum = w->b[end].wsum, j = w->slot - 1u;
    for (unsigned g = 0; g < w->honest; g++) {
        bool said = ((w->gw_signed >> g) & 1) && w->stmt_tip[g][j] != TIP_SILENT && is_here(w, s, g, j);
        sum += said && world_is_ancestor(w, w->stmt_tip[g][j], end);
    }
    return sum + (w->heard != NO_VOTE && world_is_ancestor(w, w->heard, end));
}

unsigned honest_base(const struct world *w, const struct rules *r, unsigned s)
{
    unsigned best = world_best(w, r, s, w->slot), most = sum_with_votes(w, s, best);
    for (unsigned i = 0; i < w->nblocks && !(r->weakened & (LITERAL | NO_WEIGHT)); i++) {
        if (i == best || !((w->b[i].sides >> s) & 1) || w->b[i].slot >= w->slot ||
            world_has_child(w, s, i, w->slot)) {
            continue;
        }
        unsigned sum = sum_with_votes(w, s, i);
        if (sum > most || (sum == most && world_cmp(w, r, i, best) < 0)) {
            most = sum;
            best = i;
        }
    }
    return best;
}

/* ---- signing ---- */

/* Does something on the best branch, or mineable there, carry this pair of gateway 0? */
static bool is_carried(const struct world *w, const struct content *tip, unsigned pair, unsigned before)
{
    for (unsigned k = 0; k < before; k++) {
        if (((w->pairs[k] >> pair) & 1) && (k >= tip->cnt[0] || world_included(w, tip, 0, k))) {
            return true;
        }
    }
    return false;
}

void honest_sign(struct world *w, const struct rules *r, unsigned s, unsigned gw, bool late)
{
    unsigned j = w->slot - 1u;
    unsigned names = r->weakened & LITERAL       ? w->tip[s]
                     : r->weakened & VOTES_CROSS ? world_best(w, r, s, w->slot)
                                                 : honest_base(w, r, s);
    w->stmt_tip[gw][j] = (uint8_t)names;
    w->since[s][gw][j] = late ? NOT_HERE : w->slot;
    w->gw_signed |= (uint8_t)(1u << gw);
    if (gw != 0) {
        return;
    }
    w->pairs[j] = (uint16_t)(1u << j);
    for (unsigned p = 0; p < j && !(r->weakened & NO_RESTATING); p++) {
        if (w->stmt_tip[0][p] != TIP_SILENT && !is_carried(w, &w->b[w->tip[s]].has, p, j)) {
            w->pairs[j] |= (uint16_t)(1u << p);
        }
    }
}

void honest_silent(struct world *w, unsigned gw)
{
    w->stmt_tip[gw][w->slot - 1u] = TIP_SILENT;
    w->gw_signed |= (uint8_t)(1u << gw);
}

void honest_arrive(struct world *w, unsigned s)
{
    for (unsigned i = 0; i < w->honest; i++) {
        uint8_t *since = &w->since[s][i][w->slot - 1u];
        /* a statement of another side does not arrive: its tip is not known here */
        bool ours = w->sides == 1 || i / 2 == s;
        if (ours && *since == NOT_HERE) {
            *since = w->slot;
        }
    }
}

/* ---- mining ---- */

/* All that is at hand and follows, in the order of the incarnations. */
static unsigned candidate(const struct world *w, unsigned s, unsigned base, struct content *c)
{
    unsigned taken = 0;
    *c = w->b[base].has;
    for (unsigned i = 0; i < w->honest; i++) {
        unsigned j = c->cnt[i];
        while (j < world_signed_by(w, i)) {
            if (!is_here(w, s, i, j)) {
                bool lost = i == 0 && j < w->restart && w->since[s][i][j] == FORGOTTEN &&
                            w->restart < world_signed_by(w, 0);
                if (!lost) {
                    break;
                }
                c->whole = (uint8_t)j;
                j = w->restart; /* the later incarnation can still be mined */
                continue;
            }
            taken += w->stmt_tip[i][j] != TIP_SILENT;
            j++;
            if (i == 0 && j <= w->restart) {
                c->whole = (uint8_t)j;
            }
        }
        c->cnt[i] = (uint8_t)j;
    }
    return taken;
}

/* Held for a whole slot before this one's minute of mining began. */
static bool held_long(const struct world *w, unsigned s, unsigned gw, unsigned j)
{
    return w->stmt_tip[gw][j] != TIP_SILENT && j < world_signed_by(w, gw) && w->since[s][gw][j] < FORGOTTEN &&
           w->since[s][gw][j] + 2u <= w->slot;
}

/* A statement that would be valid at its sorted place: the next one, or the first in a hole that this very block makes. */
static bool leaves_out(const struct world *w, unsigned s, const struct mblock *b)
{
    for (unsigned i = 0; i < w->honest; i++) {
        unsigned next = b->has.cnt[i];
        while (next < world_signed_by(w, i) && w->stmt_tip[i][next] == TIP_SILENT) {
            next++;
        }
        if (held_long(w, s, i, next)) {
            return true;
        }
    }
    unsigned hole = b->has.whole;
    return b->has.cnt[0] > w->restart && hole < w->restart && w->b[b->parent].has.cnt[0] <= hole &&
           held_long(w, s, 0, hole);
}

bool honest_suffices(
    const struct world *w, const struct rules *r, unsigned s, unsigned rival, unsigned own_weight)
{
    if (r->weakened & NO_OVERRULING) {
        return true;
    }
    return w->b[rival].weight + 1u >= own_weight && !leaves_out(w, s, &w->b[rival]);
}

static bool is_rival(const struct world *w, unsigned s, unsigned i, unsigned base)
{
    return w->b[i].parent == base && w->b[i].slot >= w->slot && ((w->b[i].sides >> s) & 1);
}

/* One more block of an honest miner on the parent that all extend, if there is need. */
static bool mine_one(struct world *w, const struct rules *r, unsigned s)
{
    unsigned base = honest_base(w, r, s), mined = 0, miners = w->honest / w->sides;
    bool vote = w->vote != NO_VOTE && world_is_ancestor(w, w->vote, base);
    struct content c;
    unsigned taken = candidate(w, s, base, &c);
    for (unsigned i = base + 1; i < w->nblocks; i++) {
        if (is_rival(w, s, i, base)) {
            mined += w->b[i].rank != RANK_HOSTILE;
            vote = vote || w->b[i].vote;
        }
    }
    if (taken + vote == 0 || mined >= miners) {
        return false;
    }
    unsigned own_weight = world_weigh(w, base, &c, vote);
    for (unsigned i = base + 1; i < w->nblocks; i++) {
        if (is_rival(w, s, i, base) && honest_suffices(w, r, s, i, own_weight)) {
            return false;
        }
    }
    world_add(w, base, w->slot, 1 + s + mined * MODEL_SIDES, vote, &c, 1u << s);
    return true;
}

struct moved honest_react(struct world *w, const struct rules *r, unsigned s)
{
    struct moved worst = {0, 0};
    while (mine_one(w, r, s)) {
        struct moved m = world_adopt(w, r, s);
        worst.depth = m.depth > worst.depth ? m.depth : worst.depth;
        worst.honest = m.honest > worst.honest ? m.honest : worst.honest;
    }
    return worst;
}

/* ---- judging ---- */

bool honest_all_pairs(const struct world *w, unsigned s, unsigned gw, unsigned upto_slot)
{
    const struct content *tip = &w->b[w->tip[s]].has;
    for (unsigned p = 0; p < upto_slot; p++) {
        bool found = w->stmt_tip[gw][p] == TIP_SILENT;
        for (unsigned k = p; k < upto_slot && !found; k++) {
            uint16_t pairs = (uint16_t)(gw == 0 ? w->pairs[k] : 1u << k);
            found = ((pairs >> p) & 1) && world_included(w, tip, gw, k);
        }
        if (!found) {
            return false;
        }
    }
    return true;
}
