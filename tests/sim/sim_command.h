/* The command line of the simulator (make sim, sim-links, sim-long, sim-selftest). */
#ifndef SIM_COMMAND_H
#define SIM_COMMAND_H

#include "tests/sim/sim.h"

struct sim_totals {
    uint64_t runs, violations, first_bad;
    double core_s;   /* processor time */
    uint64_t traces; /* of all runs, in any order */
    struct sim_stats stats;
    char what[400];
};

/* One seed, added to the totals; its trace. A seed that fails says how to repeat it. */
uint64_t sim_seed(const struct sim_options *o, struct sim_totals *t);
/* The exit status. */
int sim_command(int argc, char **argv);

#endif
