/* When the promises of a good network are demanded: from four minutes after the last thing that went wrong. */
#ifndef SIM_CALM_H
#define SIM_CALM_H

#include <stdbool.h>

#include "sg_types.h"

struct sim;

#define SIM_CALM_AFTER_MS (4 * SG_MINUTE_MS) /* a network that has been good for so long is a good one */
#define SIM_WORK_MS       800                /* work takes no longer on one */

/* Something was wrong at this time, or will be until then. Does nothing once all has healed, and in a script. */
void sim_calm_from(struct sim *s, sg_ms bad);
/* Once a minute: is anything wrong that lasts? */
void sim_calm_look(struct sim *s);
/* Was the network good at that time, and for the four minutes after it? */
bool sim_was_calm(const struct sim *s, sg_ms t);

#endif
