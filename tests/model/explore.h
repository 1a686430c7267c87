/* Trying every move: all states that an adversary can reach within bounds, each once, with the worst figures found.
 *
 * States are told apart by 64-bit fingerprints after the honest gateways have been sorted; with n states the chance that one was taken for
 * another is about n*n / 2^65. */
#ifndef TESTS_MODEL_EXPLORE_H
#define TESTS_MODEL_EXPLORE_H

#include <stddef.h>

#include "tests/model/world.h"

#define MODEL_QUIET    3 /* slots without the adversary before "for good" is judged */
#define MODEL_MAX_PATH 160
#define MODEL_TRACE    8192

/* What the hostile gateway restricts itself to, so that longer courses can be searched. The last two release only before the votes of a slot. */
enum plan {
    PLAN_ANY,
    PLAN_SEESAW, /* one block on one of the branches that stand, with all statements, saying nothing in public */
    PLAN_CENSOR, /* blocks that leave out gateway 0 */
};

struct bounds {
    struct rules rules;
    unsigned slots;
    unsigned batches;  /* releases of the hostile gateway in a slot */
    unsigned releases; /* of it in all; 0: no bound */
    unsigned branch;   /* blocks in a release */
    bool
        coarse; /* a hostile block copies all statements, none, or all but those of gateway 0; in public it says nothing or votes for all */
    enum plan plan;
    bool restart;      /* gateway 0 may restart once */
    bool split_votes;  /* releases also between the signatures of a slot */
    size_t max_states; /* 0: no bound */
};

enum figure {
    FIGURE_DEPTH,  /* blocks that a change of tip took off the best branch of an honest node */
    FIGURE_HONEST, /* those among them that honest miners made */
    FIGURE_OFF,    /* slots that had ended since an honest statement arrived when it was not on the chain */
    FIGURE_LOST,   /* pairs of an honest gateway not on the chain after quiet slots: 1 or 0 */
    FIGURE_COUNT
};

struct findings {
    size_t states, moves;
    bool complete; /* false: max_states ended it */
    unsigned worst[FIGURE_COUNT];
    char trace[FIGURE_COUNT][MODEL_TRACE]; /* how the worst was reached */
};

void explore(struct findings *out, const struct bounds *bounds);

/* ---- visited.c ---- */
struct visited;
struct visited *visited_new(void);
void visited_free(struct visited *v);
/* Was this state new? */
bool visited_put(struct visited *v, const struct world *w, bool sort_all);
size_t visited_count(const struct visited *v);

/* ---- reduce.c ---- */
/* reach: the most that a release can add. One side only. */
void reduce(struct world *w, unsigned reach);

/* ---- hostile.c ---- */
typedef void (*release_fn)(void *arg, const struct world *w);
/* Every branch of at most max_blocks new blocks, on any block, that becomes the best one of side 0 when it is shown. The tip has not moved
 * yet in the worlds that fn gets. */
void hostile_releases(const struct world *w, const struct bounds *b, release_fn fn, void *arg);

/* ---- trace.c ---- */
/* What happened from one world to the next, one line a thing, appended to text. */
void trace_step(char *text, size_t size, const struct world *before, const struct world *after);

#endif
