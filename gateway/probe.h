/* gateway probe: ask a relay who it is and what it measures, for a person. */
#ifndef GW_PROBE_H
#define GW_PROBE_H

#include "sg_clock.h"

/* Header, identity, newest latch and last minute of HOST:PORT, unit, on standard output; what is wrong on standard error.
 * Returns the exit code: 0 all was read and decoded, 1 otherwise. Each request takes at most timeout_ms. */
int gw_probe(const char *host, uint16_t port, uint8_t unit, sg_ms timeout_ms, const struct sg_clock *clock);
/* The command: HOST:PORT [--unit N] [--timeout MS]; argv[0] is the first argument after "probe". 0, 1, or 2 for usage. */
int gw_probe_main(int argc, char **argv, const struct sg_clock *clock);

#endif
