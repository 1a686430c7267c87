/* Runs of the simulator. Without arguments: a few seeds as tests. With arguments (make sim, sim-long, sim-selftest):
 *
 *   test_sim --seeds N [--from S] [--minutes M] [--nodes N] [--only FAULTS] [--bug NAME|all] [--jobs J] [--verbose]
 *
 * A seed that fails prints how to repeat it. --bug: the seeded fault must be found within the seeds given. */
#include <inttypes.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/sim/sim.h"
#include "tests/sim/sim_alloc.h"

struct totals {
    uint64_t runs, violations, first_bad;
    struct sim_stats stats;
    char what[400];
};

static void add_stats(struct sim_stats *to, const struct sim_stats *from)
{
    to->events += from->events;
    to->messages += from->messages;
    to->blocks += from->blocks;
    to->statements += from->statements;
    to->crashes += from->crashes;
    to->restarts += from->restarts;
    to->reorgs += from->reorgs;
    to->refused += from->refused;
    to->pairs += from->pairs;
    to->on_branch += from->on_branch;
    to->hostile_on_branch += from->hostile_on_branch;
    to->slots_calm = from->slots_calm > to->slots_calm ? from->slots_calm : to->slots_calm;
    to->excused += from->excused;
    to->node_minutes += from->node_minutes;
    to->deepest = from->deepest > to->deepest ? from->deepest : to->deepest;
    to->deepest_calm = from->deepest_calm > to->deepest_calm ? from->deepest_calm : to->deepest_calm;
    for (unsigned f = 0; f < SIM_FAULTS; f++)
        to->faults[f] += from->faults[f];
}

/* One seed; its trace. */
static uint64_t run_seed(const struct sim_options *o, struct totals *t)
{
    struct sim *s = sim_new(o);
    sim_run(s);
    uint64_t trace = s->trace;
    t->runs++;
    add_stats(&t->stats, &s->stats);
    if (s->broken) {
        if (t->violations++ == 0 || o->seed < t->first_bad) {
            t->first_bad = o->seed;
            memcpy(t->what, s->violation, sizeof t->what);
        }
        if (o->bug == SIM_BUG_NONE)
            printf("seed %" PRIu64 " FAILS %s\n  repeat: %s --from %" PRIu64 " --seeds 1%s --verbose\n",
                o->seed, s->violation, "build/default/tests/sim/test_sim", o->seed, "");
    }
    sim_free(s);
    return trace;
}

/* ---- the command ---- */

static uint64_t number(const char *text)
{
    return strtoull(text, NULL, 10);
}

static uint32_t fault_bits(const char *names)
{
    uint32_t bits = 0;
    for (unsigned f = 0; f < SIM_FAULTS; f++)
        if (strstr(names, sim_fault_names[f]) != NULL)
            bits |= UINT32_C(1) << f;
    return bits;
}

struct command {
    struct sim_options o;
    uint64_t seeds;
    unsigned jobs;
    bool all_bugs;
};

static struct command parse(int argc, char **argv)
{
    struct command c = {.o = {.seed = 1, .faults = UINT32_MAX}, .seeds = 1, .jobs = 1};
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i], *v = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(a, "--verbose") == 0) {
            c.o.verbose = true;
            continue;
        }
        i++;
        if (strcmp(a, "--seeds") == 0)
            c.seeds = number(v);
        else if (strcmp(a, "--from") == 0)
            c.o.seed = number(v);
        else if (strcmp(a, "--minutes") == 0)
            c.o.minutes = (unsigned)number(v);
        else if (strcmp(a, "--nodes") == 0)
            c.o.nodes = (unsigned)number(v);
        else if (strcmp(a, "--jobs") == 0)
            c.jobs = (unsigned)number(v);
        else if (strcmp(a, "--only") == 0)
            c.o.faults = fault_bits(v);
        else if (strcmp(a, "--bug") == 0) {
            c.all_bugs = strcmp(v, "all") == 0;
            for (unsigned b = 0; b < SIM_BUGS; b++)
                c.o.bug = strcmp(v, sim_bug_names[b]) == 0 ? (enum sim_bug)b : c.o.bug;
        } else {
            fprintf(stderr, "unknown option %s\n", a);
            exit(2);
        }
    }
    return c;
}

/* Every jobs-th seed of the command, from number job on. A seeded fault ends at its first finding. */
static void run_share(const struct command *c, unsigned job, struct totals *t)
{
    for (uint64_t i = job; i < c->seeds; i += c->jobs) {
        struct sim_options o = c->o;
        o.seed += i;
        (void)run_seed(&o, t);
        fflush(stdout);
        if (c->o.bug != SIM_BUG_NONE && t->violations > 0)
            return;
    }
}

static void merge(struct totals *to, const struct totals *from)
{
    to->runs += from->runs;
    if (from->violations > 0 && (to->violations == 0 || from->first_bad < to->first_bad)) {
        to->first_bad = from->first_bad;
        memcpy(to->what, from->what, sizeof to->what);
    }
    to->violations += from->violations;
    add_stats(&to->stats, &from->stats);
}

/* In as many processes as asked for. False: one of them died. */
static bool run_all(const struct command *c, struct totals *t)
{
    bool good = true;
    int fds[64][2];
    pid_t pids[64];
    if (c->jobs == 1) {
        run_share(c, 0, t);
        return true;
    }
    fflush(stdout);
    for (unsigned j = 0; j < c->jobs; j++) {
        if (pipe(fds[j]) != 0 || (pids[j] = fork()) < 0)
            return false;
        if (pids[j] == 0) {
            struct totals own = {0};
            run_share(c, j, &own);
            _exit(write(fds[j][1], &own, sizeof own) == (ssize_t)sizeof own ? 0 : 1);
        }
        close(fds[j][1]);
    }
    for (unsigned j = 0; j < c->jobs; j++) {
        struct totals own;
        int status;
        if (read(fds[j][0], &own, sizeof own) == (ssize_t)sizeof own)
            merge(t, &own);
        else
            good = false;
        close(fds[j][0]);
        if (waitpid(pids[j], &status, 0) < 0 || status != 0)
            good = false;
    }
    return good;
}

/* Processor time of this process and of those that it has waited for: what one core would have taken. */
static double core_seconds(void)
{
    double sum = 0;
    const int who[] = {RUSAGE_SELF, RUSAGE_CHILDREN};
    for (unsigned i = 0; i < SG_ARRAY_LEN(who); i++) {
        struct rusage u;
        if (getrusage(who[i], &u) == 0)
            sum += (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                   (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
    }
    return sum;
}

static void report(const struct command *c, const struct totals *t, double took)
{
    double days = (double)t->stats.node_minutes / 1440.0;
    printf("seeds %" PRIu64 "..%" PRIu64
           ": %.1f node-days in %.1f s of one core, %.1f node-days a second, %u processes\n",
        c->o.seed, c->o.seed + c->seeds - 1, days, took, days / took, c->jobs);
    printf("%" PRIu64 " events, %" PRIu64 " messages, %" PRIu64 " blocks, %" PRIu64
           " statements taken, %" PRIu64 " pairs, %" PRIu64 " blocks refused\n",
        t->stats.events, t->stats.messages, t->stats.blocks, t->stats.statements, t->stats.pairs,
        t->stats.refused);
    printf("%" PRIu64 " restarts, %" PRIu64 " reorganisations, deepest %" PRIu64
           ", on a good network %" PRIu64 "; %" PRIu64 " gateways excused\nfaults:",
        t->stats.restarts, t->stats.reorgs, t->stats.deepest, t->stats.deepest_calm, t->stats.excused);
    for (unsigned f = 0; f < SIM_FAULTS; f++)
        if (t->stats.faults[f] > 0)
            printf(" %s %" PRIu64, sim_fault_names[f], t->stats.faults[f]);
    printf("\nbest branches: %" PRIu64 " blocks, %" PRIu64
           " of the hostile member; on a good network an honest statement waited %" PRIu64 " slots at most\n",
        t->stats.on_branch, t->stats.hostile_on_branch, t->stats.slots_calm);
    printf("violations: %" PRIu64 "\n", t->violations);
}

/* The seeded fault is found: true. */
static bool find_bug(struct command c, enum sim_bug bug)
{
    struct totals t = {0};
    c.o.bug = bug;
    bool whole = run_all(&c, &t);
    printf("%-10s %s", sim_bug_names[bug], t.violations > 0 ? "found" : "NOT FOUND");
    if (t.violations > 0)
        printf(" by seed %" PRIu64 " after %" PRIu64 " runs: %s", t.first_bad, t.runs, t.what);
    printf("\n");
    return whole && t.violations > 0;
}

static int command(int argc, char **argv)
{
    struct command c = parse(argc, argv);
    struct totals t = {0};
    bool good = true;
    (void)sim_alloc_start();
    if (c.jobs == 0 || c.jobs > 64)
        c.jobs = 1;
    if (c.all_bugs || c.o.bug != SIM_BUG_NONE) {
        for (unsigned b = 1; b < SIM_BUGS; b++)
            if (c.all_bugs || c.o.bug == (enum sim_bug)b)
                good = find_bug(c, (enum sim_bug)b) && good;
        return good ? 0 : 1;
    }
    double start = core_seconds();
    good = run_all(&c, &t);
    report(&c, &t, core_seconds() - start);
    if (!good)
        printf("a process died\n");
    return good && t.violations == 0 ? 0 : 1;
}

/* ---- tests ---- */

/* Every promise holds on the first seeds, whatever faults they draw. */
static void sim_first_seeds_keep_every_promise(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct totals t = {0};
        struct sim_options o = {.seed = seed, .minutes = 10, .faults = UINT32_MAX};
        (void)run_seed(&o, &t);
        assert_int_equal(t.violations, 0);
        assert_true(t.stats.blocks > 5);
        assert_true(t.stats.pairs > 5);
    }
}

/* One seed is one run: the hash over all that happens is the same again, and another for another seed. */
static void sim_same_seed_gives_same_trace(void **state)
{
    (void)state;
    struct totals t = {0};
    struct sim_options o = {.seed = 7, .minutes = 10, .faults = UINT32_MAX}, other = o;
    other.seed = 8;
    uint64_t first = run_seed(&o, &t);
    assert_true(first == run_seed(&o, &t));
    assert_true(first != run_seed(&other, &t));
}

/* What is shared between nodes is no part of what happens: without it the run is the same to the last bit. */
static void sim_run_is_the_same_when_nothing_is_shared(void **state)
{
    (void)state;
    struct totals t = {0};
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct sim_options o = {.seed = seed, .minutes = 10, .faults = UINT32_MAX};
        uint64_t shared = run_seed(&o, &t);
        sim_share_documents(false);
        uint64_t alone = run_seed(&o, &t);
        sim_share_documents(true);
        assert_true(shared == alone);
    }
    assert_int_equal(t.violations, 0);
}

/* With SHA-256 in the place of the simulator's hash every promise holds as well. */
static void sim_seeds_with_sha256_keep_every_promise(void **state)
{
    (void)state;
    struct totals t = {0};
    sim_share_fast_hash(false);
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct sim_options o = {.seed = seed, .minutes = 10, .faults = UINT32_MAX};
        (void)run_seed(&o, &t);
    }
    sim_share_fast_hash(true);
    assert_int_equal(t.violations, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sim_first_seeds_keep_every_promise),
        cmocka_unit_test(sim_same_seed_gives_same_trace),
        cmocka_unit_test(sim_run_is_the_same_when_nothing_is_shared),
        cmocka_unit_test(sim_seeds_with_sha256_keep_every_promise),
    };
    return argc > 1 ? command(argc, argv) : cmocka_run_group_tests(tests, NULL, NULL);
}
