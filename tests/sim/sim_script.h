/* One hostile member that follows a plan in every minute of a good network, on the real engines: the courses of tests/model, and some that
 * need documents (equivocation) or time (splits of the votes).
 *
 * It knows every block and statement at once, makes blocks on any of them, dated as it likes, and shows them at a chosen moment of the minute.
 * Greedy plans show what takes most off the best branch. The promises on the honest nodes are those of sim_check.c and sim_rest.c; what is
 * allowed of depth is sim_script_reorganised. */
#ifndef SIM_SCRIPT_H
#define SIM_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "lg_record.h"

struct sim;
struct sim_event;

enum sim_script {
    SIM_SCRIPT_NONE,
    SIM_LEAVES_ALL,    /* first in every slot, with nothing but its own vote */
    SIM_LEAVES_ONE,    /* the same with all but the statements of one gateway */
    SIM_SEESAW,        /* before the votes of every slot: one block, on the branch that is not the best */
    SIM_CENSOR,        /* the same with up to two, without one gateway */
    SIM_WITHHELD_ONCE, /* a branch of up to four blocks, every eighth slot, before the first turn */
    SIM_WITHHELD,      /* the same in every slot */
    SIM_BACKDATED,     /* at the very end of a minute, blocks of the minutes before */
    SIM_SPLIT,         /* while the gateways sign, so that the first vote otherwise than the last */
    SIM_SPLIT_ALONE,   /* then, or at the very end of a minute, to one node alone */
    SIM_TWO_FACED,     /* two blocks for a slot and two statements for an (inc, seq), one to either half */
    SIM_TWO_TONGUED,   /* the statements alone */
    SIM_EVERYTHING,    /* all moments, up to three blocks, to all or to one */
    SIM_FLOOD, /* in every slot dozens of siblings of the block that is voted for, before and after the first votes, and SIM_WITHHELD */
    SIM_TWO_AND_TWO, /* nobody is hostile: six minutes of partition 2:2 */
    SIM_SCRIPTS
};
extern const char *const sim_script_names[SIM_SCRIPTS];

#define SIM_SCRIPT_SLOTS 24 /* minutes in which it acts */
/* Blocks that an honest node may lose at once: of honest miners, and of all. One more by plans that show blocks while the gateways sign, for
 * statements that are under way at the same time have not seen each other (docs/consensus.md, "What remains"). */
#define SIM_HONEST_DEPTH 2
#define SIM_WHOLE_DEPTH  4

struct sim_script_state {
    uint64_t shown;          /* blocks */
    uint64_t deepest_honest; /* of honest miners, taken off an honest node at once */
    sg_minute last_shown;
};

/* Instead of sim_faults_draw: no faults, the member, and when all ends. */
void sim_script_draw(struct sim *s);
/* A minute was closed: when the member acts in it. */
void sim_script_minute(struct sim *s, sg_minute slot);
void sim_script_act(struct sim *s, const struct sim_event *e);
/* Blocks are taken off an honest node: within what is allowed? Tells sim_violate. */
void sim_script_reorganised(struct sim *s, unsigned m, int64_t depth);

#endif
