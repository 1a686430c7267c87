/* A small world in which every move of an adversary can be tried: up to four honest gateways, one hostile one, slots 1..MODEL_SLOTS.
 *
 * What is abstracted, and why nothing is lost by it:
 * - A block is (parent, slot, weight, how many statements of each honest gateway its branch holds). A branch takes an honest gateway's
 *   statements in their order without holes, except that a later incarnation may overtake an earlier one; so counts suffice.
 * - An honest gateway signs one statement a slot; statement j is that of slot j + 1.
 * - Honest nodes pass on at once what they learn, so those of one side share one view. That one hears of a block before it signs and another
 *   after is a release between the two signatures.
 * - The hostile gateway hashes without limit and dates its blocks as it likes, so a block that it withheld is the same as one
 *   that it makes, back-dated, when it shows it: there are no hidden blocks. It can sign as many statements as it likes in new incarnations; what
 *   counts of them is one vote a block, on any branch.
 * - Ranks and hashes are as bad as can be: a hostile block wins every tie. */
#ifndef TESTS_MODEL_WORLD_H
#define TESTS_MODEL_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#define MODEL_GATEWAYS 4
#define MODEL_SIDES    2
#define MODEL_SLOTS    14
#define MODEL_BLOCKS   48

#define TIP_SILENT   0xff /* of a statement: that gateway said nothing in that slot */
#define TIP_NOWHERE  0xfe /* names a block that can never be on the best branch again */
#define NOT_HERE     0xff /* since: not arrived */
#define FORGOTTEN    0xfe /* since: taken off the branch, and the pool no longer knows it (weakened) */
#define NO_VOTE      0xff
#define RANK_HOSTILE 0

enum rule_weakened {
    RULES_IN_FORCE = 0,
    NO_WEIGHT = 1,     /* the branch with most work wins */
    NO_OVERRULING = 2, /* any block on the parent suffices */
    POOL_FORGETS = 4,  /* what was mined once is gone when its block is taken off */
    NO_RESTATING = 8,  /* a gateway says each pair once */
    /* Statements name the tip, whatever its slot, and miners extend the best block of a smaller slot without a look at the votes: the text of
     * the contract, word by word. */
    LITERAL = 16,
    /* The gateways of a slot sign at one moment: none has seen another's statement of the slot when it chooses what to name. */
    VOTES_CROSS = 32,
};

/* What a branch holds of the honest gateways: the first cnt statements, but for a hole of gateway 0, of whose first incarnation it
 * holds only the first `whole`. */
struct content {
    uint8_t cnt[MODEL_GATEWAYS], whole;
};

struct mblock {
    uint8_t parent, slot, height;
    uint8_t id; /* for the reader of a trace */
    uint8_t weight, wsum;
    uint8_t rank;  /* among the siblings: lower is better */
    uint8_t vote;  /* carries a statement of the hostile gateway that weighs here */
    uint8_t sides; /* bit s: side s knows it */
    struct content has;
};

struct world {
    uint8_t honest, sides;                       /* numbers of them */
    uint8_t slot;                                /* the newest closed minute */
    uint8_t phase, batches, releases, gw_signed; /* of the exploration */
    uint8_t restart; /* index of gateway 0's first statement of its second incarnation; NOT_HERE: none */
    uint8_t vote;    /* block that the hostile gateway's public statement of this slot names; NO_VOTE: none */
    uint8_t
        heard; /* block that the first statement of it for this slot, in public or in a block, names; NO_VOTE: none */
    uint8_t nblocks, next_id;
    uint8_t tip[MODEL_SIDES];
    uint8_t stmt_tip[MODEL_GATEWAYS][MODEL_SLOTS];
    uint8_t since[MODEL_SIDES][MODEL_GATEWAYS][MODEL_SLOTS]; /* slot in whose minute of mining it arrived */
    uint16_t pairs[MODEL_SLOTS]; /* of gateway 0: bit j: its statement carries the pair of slot j + 1 */
    struct mblock b[MODEL_BLOCKS];
};

/* What a change of tip took off an honest branch. */
struct moved {
    unsigned depth;  /* blocks */
    unsigned honest; /* of honest miners among them */
};

struct rules {
    unsigned weakened; /* enum rule_weakened */
    bool prompt; /* statements arrive before the first miner's turn; else some only later in the minute */
};

/* ---- world.c: the tree and the order of branches ---- */
void world_init(struct world *w, unsigned honest, unsigned sides);
bool world_is_ancestor(const struct world *w, unsigned a, unsigned b);
unsigned world_fork(const struct world *w, unsigned a, unsigned b);
/* < 0: the branch that ends in a is better. The order of lg_branch_cmp, with ranks as above. */
int world_cmp(const struct world *w, const struct rules *r, unsigned a, unsigned b);
/* The best block of side s with a slot below `below`. */
unsigned world_best(const struct world *w, const struct rules *r, unsigned s, unsigned below);
/* Does side s know a child of it with a slot below `below`? */
bool world_has_child(const struct world *w, unsigned s, unsigned parent, unsigned below);
bool world_included(const struct world *w, const struct content *c, unsigned gw, unsigned j);
/* Weight of a block on that parent with this content. */
unsigned world_weigh(const struct world *w, unsigned parent, const struct content *c, bool vote);
/* A new block, known to these sides; the tips do not move yet. */
unsigned world_add(struct world *w, unsigned parent, unsigned slot, unsigned rank, bool vote,
    const struct content *c, unsigned sides);
/* Side s adopts the best it knows: pool and tip follow. */
struct moved world_adopt(struct world *w, const struct rules *r, unsigned s);

/* How many statements gw has signed so far. */
unsigned world_signed_by(const struct world *w, unsigned gw);

/* ---- honest.c: what honest gateways do ---- */
/* What a miner of side s extends: ledger/core/base.h. */
unsigned honest_base(const struct world *w, const struct rules *r, unsigned s);
/* Gateway gw of side s signs its statement of this slot. late: it arrives after the turns. */
void honest_sign(struct world *w, const struct rules *r, unsigned s, unsigned gw, bool late);
void honest_silent(struct world *w, unsigned gw);
/* Every turn has come: mine until a block suffices. The worst of the changes of tip. */
struct moved honest_react(struct world *w, const struct rules *r, unsigned s);
/* Does this block of the slot suffice for a miner of side s whose own would weigh so much on the same parent? */
bool honest_suffices(
    const struct world *w, const struct rules *r, unsigned s, unsigned rival, unsigned own_weight);
/* What was late arrives. */
void honest_arrive(struct world *w, unsigned s);
/* Is every pair of gateway gw up to this slot on the best branch of side s? */
bool honest_all_pairs(const struct world *w, unsigned s, unsigned gw, unsigned upto_slot);

#endif
