/* The model of fork choice and pool: model [--long]. Prints the worst that was found for each property, and fails when a figure is not the one that
 * docs/consensus.md states, or when a weakened rule is not found out. Takes seconds; with --long minutes and a few GiB at most. */
#include <stdio.h>
#include <string.h>

#include "tests/model/checks.h"
#include "tests/model/explore.h"

static unsigned good, bad;

static void verdict(bool as_documented)
{
    good += as_documented;
    bad += !as_documented;
    puts(as_documented ? "  ok" : "FAIL: the figures above are not as documented");
    fflush(stdout);
}

static void say_figures(const struct findings *f)
{
    printf("  %zu states, %zu moves%s; worst: %u blocks off at once (%u of honest miners), a statement off "
           "the chain for %u slots, %s\n",
        f->states, f->moves, f->complete ? "" : ", NOT ALL", f->worst[FIGURE_DEPTH], f->worst[FIGURE_HONEST],
        f->worst[FIGURE_OFF], f->worst[FIGURE_LOST] ? "PAIRS LOST" : "nothing lost");
}

/* ---- P1, P2, P3: one hostile gateway, three honest ones ---- */

struct course {
    const char *what;
    struct bounds b;
    unsigned worst[FIGURE_COUNT]; /* as documented: blocks off, of honest miners, slots off the chain, lost */
    bool only_long;
};

#define PROMPT                                                                                               \
    {                                                                                                        \
        .prompt = true                                                                                       \
    }
#define LATE                                                                                                 \
    {                                                                                                        \
        .prompt = false                                                                                      \
    }
#define CROSS                                                                                                \
    {                                                                                                        \
        VOTES_CROSS, true                                                                                    \
    }
#define WORD_BY_WORD                                                                                         \
    {                                                                                                        \
        LITERAL, true                                                                                        \
    }

static const struct course courses[] = {
    {"one branch of up to 4 blocks, shown once, in 6 slots",
        {.rules = PROMPT,
            .slots = 6,
            .batches = 1,
            .releases = 1,
            .branch = 4,
            .split_votes = true,
            .coarse = true},
        {3, 2, 1, 0}, false},
    {"one branch of up to 6 blocks, shown once, in 8 slots",
        {.rules = PROMPT,
            .slots = 8,
            .batches = 1,
            .releases = 1,
            .branch = 6,
            .split_votes = true,
            .coarse = true},
        {3, 2, 1, 0}, true},
    {"two branches of up to 2 blocks in 5 slots",
        {.rules = PROMPT, .slots = 5, .batches = 1, .releases = 2, .branch = 2, .coarse = true}, {3, 2, 2, 0},
        false},
    {"see-saw: before the votes of each slot one block, 10 slots",
        {.rules = PROMPT, .slots = 10, .batches = 1, .branch = 1, .plan = PLAN_SEESAW, .coarse = true},
        {2, 1, 0, 0}, false},
    {"censor: before the votes of each slot up to 2 blocks without gateway 0, 6 slots",
        {.rules = PROMPT, .slots = 6, .batches = 1, .branch = 2, .plan = PLAN_CENSOR, .coarse = true},
        {2, 1, 0, 0}, false},
    {"a block in each slot, at any moment but between votes, 6 slots",
        {.rules = PROMPT, .slots = 6, .batches = 1, .branch = 1, .coarse = true}, {3, 2, 2, 0}, false},
    {"up to 2 blocks in each slot, at any moment but between votes, 3 slots",
        {.rules = PROMPT, .slots = 3, .batches = 1, .branch = 2, .coarse = true}, {3, 2, 2, 0}, false},
    {"up to 2 blocks in each slot, at any moment but between votes, 4 slots",
        {.rules = PROMPT, .slots = 4, .batches = 1, .branch = 2, .coarse = true}, {4, 2, 2, 0}, true},
    {"two blocks in each slot, each at any moment but between votes, 3 slots",
        {.rules = PROMPT, .slots = 3, .batches = 2, .branch = 1, .coarse = true}, {3, 2, 2, 0}, true},
    {"up to 2 blocks in each slot, at any moment, any subset of statements, 2 slots",
        {.rules = PROMPT, .slots = 2, .batches = 1, .branch = 2, .split_votes = true}, {2, 1, 2, 0}, false},
    {"a block in each slot, at any moment, any subset of statements, 3 slots",
        {.rules = PROMPT, .slots = 3, .batches = 1, .branch = 1, .split_votes = true}, {2, 1, 2, 0}, false},
    {"a block in each slot, at any moment, 4 slots",
        {.rules = PROMPT, .slots = 4, .batches = 1, .branch = 1, .split_votes = true, .coarse = true},
        {3, 2, 2, 0}, false},
    {"a block in each slot, at any moment, 5 slots",
        {.rules = PROMPT, .slots = 5, .batches = 1, .branch = 1, .split_votes = true, .coarse = true},
        {3, 2, 2, 0}, true},
    {"the same, no gateway having seen another's vote, 4 slots",
        {.rules = CROSS, .slots = 4, .batches = 1, .branch = 1, .split_votes = true, .coarse = true},
        {3, 2, 2, 0}, false},
    {"the same, no gateway having seen another's vote, 5 slots",
        {.rules = CROSS, .slots = 5, .batches = 1, .branch = 1, .split_votes = true, .coarse = true},
        {4, 3, 2, 0}, true},
    {"a block in each slot, statements up to a minute late, 3 slots",
        {.rules = LATE, .slots = 3, .batches = 1, .branch = 1, .coarse = true}, {3, 3, 2, 0}, true},
    {"a restart of an honest gateway, a block in each slot, any subset of statements, 2 slots",
        {.rules = PROMPT, .slots = 2, .batches = 1, .branch = 1, .split_votes = true, .restart = true},
        {2, 1, 2, 0}, false},
    {"a restart of an honest gateway, the same but not between votes, 3 slots",
        {.rules = PROMPT, .slots = 3, .batches = 1, .branch = 1, .restart = true}, {2, 1, 2, 0}, true},
    {"a restart of an honest gateway, statements up to a minute late, 2 slots",
        {.rules = LATE, .slots = 2, .batches = 1, .branch = 1, .split_votes = true, .restart = true},
        {2, 2, 2, 0}, true},
    {"word by word: see-saw, 3 slots",
        {.rules = WORD_BY_WORD, .slots = 3, .batches = 1, .branch = 1, .plan = PLAN_SEESAW, .coarse = true},
        {3, 2, 1, 0}, false},
    {"word by word: see-saw, 10 slots",
        {.rules = WORD_BY_WORD, .slots = 10, .batches = 1, .branch = 1, .plan = PLAN_SEESAW, .coarse = true},
        {10, 6, 1, 0}, false},
    {"word by word: censor, 3 slots",
        {.rules = WORD_BY_WORD, .slots = 3, .batches = 1, .branch = 2, .plan = PLAN_CENSOR, .coarse = true},
        {3, 2, 3, 0}, false},
    {"word by word: censor, 5 slots",
        {.rules = WORD_BY_WORD, .slots = 5, .batches = 1, .branch = 2, .plan = PLAN_CENSOR, .coarse = true},
        {5, 3, 5, 0}, false},
    {"word by word: a block in each slot, at any moment but between votes, 4 slots",
        {.rules = WORD_BY_WORD, .slots = 4, .batches = 1, .branch = 1, .coarse = true}, {4, 4, 4, 0}, true},
};

/* The deepest so far under the rules in force: of honest miners' blocks, and of all. */
static unsigned deepest[2];

static void note_deepest(const struct course *c, const struct findings *f)
{
    if (c->b.rules.weakened != RULES_IN_FORCE || !c->b.rules.prompt) {
        return;
    }
    deepest[0] = f->worst[FIGURE_HONEST] > deepest[0] ? f->worst[FIGURE_HONEST] : deepest[0];
    deepest[1] = f->worst[FIGURE_DEPTH] > deepest[1] ? f->worst[FIGURE_DEPTH] : deepest[1];
}

/* Courses whose worst way is printed: the shortest that break the contract's text, and what remains. */
static void say_way(const struct course *c, const struct findings *f)
{
    if (c->b.rules.weakened == LITERAL && c->b.slots == 3) {
        bool censor = c->b.plan == PLAN_CENSOR;
        printf("  the shortest way to %s:\n%s", censor ? "keep gateway 0 off" : "take three blocks off",
            f->trace[censor ? FIGURE_OFF : FIGURE_DEPTH]);
    } else if (c->b.rules.weakened == VOTES_CROSS && c->b.slots == 5) {
        printf("  a way to take three blocks of honest miners off:\n%s", f->trace[FIGURE_HONEST]);
    }
}

static void run_courses(bool lengthy)
{
    static struct findings f;
    puts("== P1 P2 P3: one hostile gateway of four");
    for (size_t i = 0; i < sizeof courses / sizeof courses[0]; i++) {
        if (courses[i].only_long && !lengthy) {
            continue;
        }
        explore(&f, &courses[i].b);
        puts(courses[i].what);
        say_figures(&f);
        verdict(f.complete && memcmp(f.worst, courses[i].worst, sizeof f.worst) == 0);
        note_deepest(&courses[i], &f);
        say_way(&courses[i], &f);
    }
    printf("largest depth while statements are prompt and votes are not split unseen: %u of honest miners, "
           "%u with the "
           "hostile ones\n",
        deepest[0], deepest[1]);
}

static void run_scripts(void)
{
    const struct rules r = {0, true};
    unsigned all = script_leaves_out(&r, 10, false), one = script_leaves_out(&r, 10, true);
    printf("== P2: first in each of 10 slots, leaving all others out\n  off the chain for %u slots\n", all);
    verdict(all == 0);
    printf("first in each of 10 slots, leaving one out\n  off the chain for %u slots\n", one);
    verdict(one == 2);
}

/* ---- P4, P5 ---- */

static void run_order(bool lengthy)
{
    struct order_findings f;
    check_order(&f, 4, 3, false);
    printf("== P4: lg_branch_cmp on all trees of 4 blocks, weights 0..2\n  %zu trees, %zu orders of arrival, "
           "%zu disagree\n",
        f.trees, f.orders, f.disagreements);
    verdict(f.disagreements == 0);
    if (lengthy) {
        check_order(&f, 5, 2, false);
        printf("of 5 blocks, weights 0..1\n  %zu trees, %zu orders of arrival, %zu disagree\n", f.trees,
            f.orders, f.disagreements);
        verdict(f.disagreements == 0);
    }
}

static void run_split(void)
{
    const struct rules r = {0, true};
    for (unsigned slots = 1; slots <= 3; slots++) {
        struct split_findings f;
        check_split(&f, &r, slots);
        printf("== P5: a partition 2:2 of %u slots\n  %zu states, %zu with pairs lost, %zu on two tips, %u "
               "blocks off, all on the chain %u slot after\n",
            slots, f.states, f.lost, f.apart, f.depth, f.slots_to_rest);
        verdict(f.lost == 0 && f.apart == 0 && f.depth == slots && f.slots_to_rest == 1);
    }
}

/* ---- weakened rules must be found out ---- */

static unsigned worst_with(enum rule_weakened weakened, enum figure figure, struct bounds b)
{
    static struct findings f;
    b.rules.weakened = weakened;
    explore(&f, &b);
    return f.worst[figure];
}

static void found(const char *what, bool is)
{
    puts(what);
    verdict(is);
}

static void run_weakened(void)
{
    const struct bounds once = courses[0].b;
    const struct bounds restart = {
        .rules = PROMPT, .slots = 2, .batches = 1, .branch = 1, .split_votes = true, .restart = true};
    struct rules r = {NO_OVERRULING, true};
    struct order_findings o;
    struct split_findings s;
    puts("== weakened rules are found out");
    found("P1: weight ignored", worst_with(NO_WEIGHT, FIGURE_HONEST, once) > 2);
    found("P2: no overruling", script_leaves_out(&r, 10, true) > 3 && script_leaves_out(&r, 10, false) > 3);
    found("P3: the pool forgets at inclusion", worst_with(POOL_FORGETS, FIGURE_LOST, restart) == 1);
    found("P3: pairs are not stated again", worst_with(NO_RESTATING, FIGURE_LOST, restart) == 1);
    check_order(&o, 4, 3, true);
    found("P4: ties broken by arrival", o.disagreements > 0);
    r.weakened = POOL_FORGETS;
    check_split(&s, &r, 2);
    found("P5: the pool forgets at inclusion", s.lost > 0);
}

int main(int argc, char **argv)
{
    bool lengthy = argc > 1 && strcmp(argv[1], "--long") == 0;
    run_courses(lengthy);
    run_scripts();
    run_order(lengthy);
    run_split();
    run_weakened();
    printf("%u passed, %u failed\n", good, bad);
    return bad != 0;
}
