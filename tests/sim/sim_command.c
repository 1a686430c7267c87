/* Many seeds, in as many processes as asked for, and what came of them:
 *
 *   test_sim --seeds N [--from S] [--minutes M] [--nodes N] [--only FAULTS] [--bug NAME|all] [--jobs J] [--state FILE] [--verbose]
 *   test_sim --links | --halves N      every set of cut links of four nodes; N partitions of sixteen in two
 *
 * --bug: the seeded fault must be found within the seeds given. --state: each process keeps in FILE.<number> how far it has come, and
 * goes on from there when it is started again with the same arguments. */
#include "tests/sim/sim_command.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/sim_alloc.h"

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
    to->unstated += from->unstated;
    to->bans += from->bans;
    to->calm_minutes += from->calm_minutes;
    to->node_minutes += from->node_minutes;
    to->deepest = from->deepest > to->deepest ? from->deepest : to->deepest;
    to->deepest_calm = from->deepest_calm > to->deepest_calm ? from->deepest_calm : to->deepest_calm;
    for (unsigned f = 0; f < SIM_FAULTS; f++)
        to->faults[f] += from->faults[f];
}

/* The command that shows a failing seed again. */
static void print_repeat(const struct sim_options *o)
{
    const char *build = getenv("GRIDWITNESS_BUILD");
    const char *sep = "--only ";
    printf("  repeat: %s/tests/sim/test_sim ", build != NULL ? build : "build/default");
    if (o->halves)
        printf("--halves ");
    else if (o->cut != 0)
        printf("--links ");
    if (o->minutes != 0)
        printf("--minutes %u ", o->minutes);
    if (o->nodes != 0)
        printf("--nodes %u ", o->nodes);
    for (unsigned f = 0; f < SIM_FAULTS && o->faults != UINT32_MAX; f++)
        if ((o->faults >> f & 1) != 0) {
            printf("%s%s", sep, sim_fault_names[f]);
            sep = ",";
        }
    printf("%s--from %" PRIu64 " --seeds 1 --verbose\n", *sep == ',' ? " " : "", o->seed);
}

/* One seed; its trace. */
uint64_t sim_seed(const struct sim_options *o, struct sim_totals *t)
{
    struct sim *s = sim_new(o);
    sim_run(s);
    uint64_t trace = s->trace;
    t->runs++;
    t->traces += trace;
    add_stats(&t->stats, &s->stats);
    if (s->broken) {
        if (t->violations++ == 0 || o->seed < t->first_bad) {
            t->first_bad = o->seed;
            memcpy(t->what, s->violation, sizeof t->what);
        }
        if (o->bug == SIM_BUG_NONE)
            printf("seed %" PRIu64 " FAILS %s\n", o->seed, s->violation);
        if (o->bug == SIM_BUG_NONE)
            print_repeat(o);
    }
    sim_free(s);
    return trace;
}

/* ---- the command ---- */

static uint64_t number(const char *text)
{
    return strtoull(text, NULL, 10);
}

static uint32_t fault_bit(const char *name, size_t len)
{
    for (unsigned f = 0; f < SIM_FAULTS; f++)
        if (strlen(sim_fault_names[f]) == len && memcmp(name, sim_fault_names[f], len) == 0)
            return UINT32_C(1) << f;
    fprintf(stderr, "--only: there is no class of faults %.*s\n", (int)len, name);
    exit(2);
}

/* Names with commas between them. */
static uint32_t fault_bits(const char *names)
{
    uint32_t bits = 0;
    for (size_t len; (len = strcspn(names, ",")) > 0; names += len + (names[len] == ','))
        bits |= fault_bit(names, len);
    return bits;
}

struct command {
    struct sim_options o;
    uint64_t seeds;
    unsigned jobs;
    bool all_bugs, links;
    const char *state; /* NULL: none */
    uint64_t seconds;  /* no seed is begun after so many; 0: no limit */
};

/* The options that take no value. */
static bool parse_flag(struct command *c, const char *a)
{
    if (strcmp(a, "--verbose") == 0) {
        c->o.verbose = true;
    } else if (strcmp(a, "--links") == 0) { /* each seed is a set of links */
        c->links = true;
        c->o.nodes = 4;
        c->o.minutes = 8;
        c->o.faults = 0;
        c->seeds = SIM_CUTS - 1;
    } else if (strcmp(a, "--halves") == 0) {
        c->o.halves = true;
        c->o.nodes = SIM_MAX_NODES;
        c->o.minutes = 8;
        c->o.faults = 0;
    } else {
        return false;
    }
    return true;
}

static void parse_bug(struct command *c, const char *name)
{
    bool found = c->all_bugs = strcmp(name, "all") == 0;
    for (unsigned b = 0; b < SIM_BUGS; b++)
        if (strcmp(name, sim_bug_names[b]) == 0) {
            c->o.bug = (enum sim_bug)b;
            found = true;
        }
    if (!found) {
        fprintf(stderr, "--bug: there is no seeded fault %s\n", name);
        exit(2);
    }
}

static struct command parse(int argc, char **argv)
{
    struct command c = {.o = {.seed = 1, .faults = UINT32_MAX}, .seeds = 1, .jobs = 1};
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i], *v = i + 1 < argc ? argv[i + 1] : "";
        if (parse_flag(&c, a))
            continue;
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
        else if (strcmp(a, "--state") == 0)
            c.state = v;
        else if (strcmp(a, "--seconds") == 0)
            c.seconds = number(v);
        else if (strcmp(a, "--bug") == 0)
            parse_bug(&c, v);
        else {
            fprintf(stderr, "unknown option %s\n", a);
            exit(2);
        }
    }
    if (c.o.nodes > SIM_MAX_NODES || c.o.nodes == 1 || c.o.nodes == 2) {
        fprintf(stderr, "--nodes: 3 to %d\n", SIM_MAX_NODES);
        exit(2);
    }
    return c;
}

/* ---- how far a process has come ---- */

struct progress {
    char magic[8];
    struct sim_options o;
    uint64_t seeds, next;
    unsigned jobs, job;
    struct sim_totals totals;
};

static void state_path(char *path, size_t size, const struct command *c, unsigned job, const char *more)
{
    snprintf(path, size, "%s.%u%s", c->state, job, more);
}

static void new_progress(struct progress *p, const struct command *c, unsigned job)
{
    memset(p, 0, sizeof *p); /* compared as bytes */
    memcpy(p->magic, "gw sim 6", sizeof p->magic);
    p->o.seed = c->o.seed;
    p->o.minutes = c->o.minutes;
    p->o.nodes = c->o.nodes;
    p->o.faults = c->o.faults;
    p->o.halves = c->o.halves;
    p->seeds = c->seeds;
    p->jobs = c->jobs;
    p->next = p->job = job;
}

/* What is in the file, when it is of this very command. */
static void load_progress(struct progress *p, const struct command *c, unsigned job)
{
    char path[4096];
    struct progress had;
    new_progress(p, c, job);
    if (c->state == NULL)
        return;
    state_path(path, sizeof path, c, job, "");
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return;
    bool whole = fread(&had, sizeof had, 1, f) == 1;
    fclose(f);
    if (whole && memcmp(&had, p, offsetof(struct progress, next)) == 0 && had.jobs == p->jobs &&
        had.job == p->job)
        *p = had;
}

static void save_progress(const struct progress *p, const struct command *c)
{
    char path[4096], fresh[4096];
    if (c->state == NULL)
        return;
    state_path(path, sizeof path, c, p->job, "");
    state_path(fresh, sizeof fresh, c, p->job, ".new");
    FILE *f = fopen(fresh, "wb");
    if (f == NULL || fwrite(p, sizeof *p, 1, f) != 1 || fclose(f) != 0 || rename(fresh, path) != 0) {
        fprintf(stderr, "cannot keep %s\n", path);
        exit(1);
    }
    fprintf(stderr,
        "process %u: %" PRIu64 " of %" PRIu64
        " seeds, %.0f node-days, %.1f node-days a second of its core, %" PRIu64 " violations\n",
        p->job, p->totals.runs, (p->seeds - p->job + p->jobs - 1) / p->jobs,
        (double)p->totals.stats.node_minutes / 1440.0,
        (double)p->totals.stats.node_minutes / 1440.0 / p->totals.core_s, p->totals.violations);
}

/* Processor time of this process. */
static double core_seconds(void)
{
    struct rusage u;
    if (getrusage(RUSAGE_SELF, &u) != 0)
        return 0;
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* Every jobs-th seed of the command, from number job on. A seeded fault ends at its first finding. */
static void run_share(const struct command *c, unsigned job, struct sim_totals *t)
{
    struct progress p;
    time_t until = time(NULL) + (time_t)c->seconds;
    load_progress(&p, c, job);
    for (; p.next < c->seeds && (c->seconds == 0 || time(NULL) < until); p.next += c->jobs) {
        struct sim_options o = c->o;
        double start = core_seconds();
        o.seed += p.next;
        o.cut = c->links ? (uint32_t)(o.seed % SIM_CUTS) : 0;
        (void)sim_seed(&o, &p.totals);
        p.totals.core_s += core_seconds() - start;
        fflush(stdout);
        if (c->o.bug != SIM_BUG_NONE && p.totals.violations > 0)
            break;
        struct progress done = p;
        done.next += c->jobs;
        save_progress(&done, c);
    }
    *t = p.totals;
}

static void merge(struct sim_totals *to, const struct sim_totals *from)
{
    to->runs += from->runs;
    if (from->violations > 0 && (to->violations == 0 || from->first_bad < to->first_bad)) {
        to->first_bad = from->first_bad;
        memcpy(to->what, from->what, sizeof to->what);
    }
    to->violations += from->violations;
    to->core_s += from->core_s;
    to->traces += from->traces;
    add_stats(&to->stats, &from->stats);
}

/* In as many processes as asked for. False: one of them died. */
static bool run_all(const struct command *c, struct sim_totals *t)
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
            struct sim_totals own = {0};
            run_share(c, j, &own);
            _exit(write(fds[j][1], &own, sizeof own) == (ssize_t)sizeof own ? 0 : 1);
        }
        close(fds[j][1]);
    }
    for (unsigned j = 0; j < c->jobs; j++) {
        struct sim_totals own;
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

static void report(const struct command *c, const struct sim_totals *t)
{
    double days = (double)t->stats.node_minutes / 1440.0;
    printf("%" PRIu64 " of the seeds %" PRIu64 "..%" PRIu64
           ": %.1f node-days in %.1f s of one core, %.1f node-days a second, %u processes\n",
        t->runs, c->o.seed, c->o.seed + c->seeds - 1, days, t->core_s, days / t->core_s, c->jobs);
    printf("%" PRIu64 " events, %" PRIu64 " messages, %" PRIu64 " blocks, %" PRIu64
           " statements taken, %" PRIu64 " pairs, %" PRIu64 " blocks refused\n",
        t->stats.events, t->stats.messages, t->stats.blocks, t->stats.statements, t->stats.pairs,
        t->stats.refused);
    printf("%" PRIu64 " restarts, %" PRIu64 " reorganisations, deepest %" PRIu64
           ", on a good network %" PRIu64 "; %" PRIu64 " gateways excused; %" PRIu64
           " minutes that their gateway could not state for a day; %" PRIu64 " bans\nfaults:",
        t->stats.restarts, t->stats.reorgs, t->stats.deepest, t->stats.deepest_calm, t->stats.excused,
        t->stats.unstated, t->stats.bans);
    for (unsigned f = 0; f < SIM_FAULTS; f++)
        if (t->stats.faults[f] > 0)
            printf(" %s %" PRIu64, sim_fault_names[f], t->stats.faults[f]);
    printf("\nbest branches: %" PRIu64 " blocks, %" PRIu64
           " of the hostile member; on a good network for %" PRIu64
           " minutes, an honest statement waited %" PRIu64 " slots at most\n",
        t->stats.on_branch, t->stats.hostile_on_branch, t->stats.calm_minutes, t->stats.slots_calm);
    printf("traces: %016" PRIx64 "\nviolations: %" PRIu64 "\n", t->traces, t->violations);
}

/* The seeded fault is found: true. */
static bool find_bug(struct command c, enum sim_bug bug)
{
    struct sim_totals t = {0};
    c.o.bug = bug;
    bool whole = run_all(&c, &t);
    printf("%-10s %s", sim_bug_names[bug], t.violations > 0 ? "found" : "NOT FOUND");
    for (unsigned f = 0; f < SIM_FAULTS; f++)
        if (c.o.faults == UINT32_C(1) << f)
            printf(" with %s alone", sim_fault_names[f]);
    if (t.violations > 0)
        printf(" by seed %" PRIu64 " after %" PRIu64 " runs: %s", t.first_bad, t.runs, t.what);
    printf("\n");
    return whole && t.violations > 0;
}

int sim_command(int argc, char **argv)
{
    struct command c = parse(argc, argv);
    struct sim_totals t = {0};
    bool good = true;
    (void)sim_alloc_start();
    if (c.jobs == 0 || c.jobs > 64)
        c.jobs = 1;
    if (c.all_bugs || c.o.bug != SIM_BUG_NONE) {
        for (unsigned b = 1; b < SIM_BUGS; b++)
            if (c.all_bugs || c.o.bug == (enum sim_bug)b)
                good = find_bug(c, (enum sim_bug)b) && good;
        for (unsigned i = 0; i < SIM_ALONE && c.all_bugs; i++) {
            c.o.faults = UINT32_C(1) << sim_alone[i].fault;
            good = find_bug(c, sim_alone[i].bug) && good;
        }
        return good ? 0 : 1;
    }
    good = run_all(&c, &t);
    report(&c, &t);
    if (!good)
        printf("a process died\n");
    return good && t.violations == 0 && t.runs > 0 ? 0 : 1;
}
