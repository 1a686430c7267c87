/* The order of branches is total: nodes that have the same blocks have the same tip, whatever the order in which these came. Here the product's own
 * lg_branch_cmp judges all small trees, with real ranks and hashes; a block that comes before its parent waits for it. */
#include "ledger/core/validity.h"
#include "tests/model/checks.h"

#include <string.h>

#define MAX_N 5

struct tree {
    unsigned n;
    struct lg_block_info b[MAX_N + 1]; /* 0: the genesis */
    unsigned parent[MAX_N + 1];
    int cmp[MAX_N + 1][MAX_N + 1];
};

static int compare(const struct tree *t, unsigned a, unsigned b, bool arrival_breaks_ties)
{
    unsigned fa = a, fb = b;
    if (arrival_breaks_ties && t->b[a].weight_sum == t->b[b].weight_sum && t->b[a].height == t->b[b].height) {
        return 0;
    }
    while (fa != 0 && fb != 0 && t->parent[fa] != t->parent[fb]) {
        if (t->b[fa].height >= t->b[fb].height) {
            fa = t->parent[fa];
        } else {
            fb = t->parent[fb];
        }
    }
    return lg_branch_cmp(&t->b[a], &t->b[fa], &t->b[b], &t->b[fb]);
}

/* choice picks parents, weights and miners of all blocks; false: there is no such choice. */
static bool make_tree(struct tree *t, unsigned n, unsigned weights, uint64_t choice)
{
    memset(t, 0, sizeof *t);
    t->n = n;
    memset(t->b[0].hash.b, 0x11, SG_HASH_BYTES);
    for (unsigned i = 1; i <= n; i++) {
        struct lg_block_info *b = &t->b[i];
        unsigned parent = (unsigned)(choice % i);
        choice /= i;
        t->parent[i] = parent;
        b->weight = (int64_t)(choice % weights);
        choice /= weights;
        b->miner = 1 + choice % 2;
        choice /= 2;
        b->prev = t->b[parent].hash;
        b->height = t->b[parent].height + 1;
        b->slot = t->b[parent].slot + 1;
        b->weight_sum = t->b[parent].weight_sum + b->weight;
        sg_put_be64(b->hash.b, (uint64_t)i * UINT64_C(0x9E3779B97F4A7C15));
    }
    return choice == 0;
}

/* One node to which the blocks come in that order. */
static unsigned tip_after(const struct tree *t, const unsigned *order)
{
    bool here[MAX_N + 1] = {true}, judged[MAX_N + 1] = {true}, again = true;
    unsigned tip = 0;
    for (unsigned k = 0; k < t->n; k++) {
        here[order[k]] = true;
        for (again = true; again;) {
            again = false;
            for (unsigned i = 1; i <= t->n; i++) {
                if (here[i] && !judged[i] && judged[t->parent[i]]) {
                    judged[i] = again = true;
                    tip = t->cmp[i][tip] < 0 ? i : tip;
                }
            }
        }
    }
    return tip;
}

static bool next_order(unsigned *v, unsigned n)
{
    unsigned i = n - 1, j = n - 1;
    while (i > 0 && v[i - 1] >= v[i]) {
        i--;
    }
    if (i == 0) {
        return false;
    }
    while (v[j] <= v[i - 1]) {
        j--;
    }
    unsigned x = v[i - 1];
    v[i - 1] = v[j];
    v[j] = x;
    for (j = n - 1; i < j; i++, j--) {
        x = v[i];
        v[i] = v[j];
        v[j] = x;
    }
    return true;
}

static void check_tree(struct order_findings *out, struct tree *t, bool arrival_breaks_ties)
{
    unsigned order[MAX_N] = {1, 2, 3, 4, 5}, first = 0;
    bool any = false;
    for (unsigned a = 0; a <= t->n; a++) {
        for (unsigned b = 0; b <= t->n; b++) {
            t->cmp[a][b] = compare(t, a, b, arrival_breaks_ties);
        }
    }
    out->trees++;
    do {
        unsigned tip = tip_after(t, order);
        out->orders++;
        out->disagreements += any && tip != first;
        first = any ? first : tip;
        any = true;
    } while (next_order(order, t->n));
}

void check_order(struct order_findings *out, unsigned blocks, unsigned weights, bool arrival_breaks_ties)
{
    struct tree t;
    memset(out, 0, sizeof *out);
    for (uint64_t choice = 0; make_tree(&t, blocks, weights, choice); choice++) {
        check_tree(out, &t, arrival_breaks_ties);
    }
}
