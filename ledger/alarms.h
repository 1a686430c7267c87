/* Alarms of a process: which are on, since when, how often each was raised.
 *
 *   off --raise--> on --end--> off        a state: whoever raised it says when it is over ("disk_full")
 *                  on --quiet--> off      an incident: over when it has not come again for LG_ALARM_QUIET_MS ("deep_reorg")
 *
 * Raised again while it is on, an alarm is counted and its quiet begins anew. No lock, no clock: the owner has both. */
#ifndef LG_ALARMS_H
#define LG_ALARMS_H

#include <stdbool.h>

#include "sg_types.h"

#define LG_MAX_ALARMS     32
#define LG_ALARM_QUIET_MS (5 * SG_MINUTE_MS)

struct lg_alarm {
    char code[32]; /* [a-z0-9_]+ */
    uint64_t count;
    sg_ms since_ms; /* wall clock: when it came on last */
    sg_ms until_ms; /* wall clock: when it ended; 0: it is on */
    sg_ms last_ms;  /* running clock: when it was raised last */
};

struct lg_alarms {
    unsigned n;
    struct lg_alarm v[LG_MAX_ALARMS];
};

/* One sentence for a person; static. An unknown code is its own text. */
const char *lg_alarm_text(const char *code);
/* True: it was off; *out is a copy. What finds no place in the table is not counted. */
bool lg_alarms_raise(
    struct lg_alarms *a, struct lg_alarm *out, const char *code, sg_ms wall_ms, sg_ms running_ms);
/* True: it was on; *out is a copy. */
bool lg_alarms_end(struct lg_alarms *a, struct lg_alarm *out, const char *code, sg_ms wall_ms);
/* End one incident that has been quiet. True: *out is a copy; there may be more. */
bool lg_alarms_quiet(struct lg_alarms *a, struct lg_alarm *out, sg_ms wall_ms, sg_ms running_ms);

#endif
