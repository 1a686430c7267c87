#include "tests/sim/sim.h"
void sim_hostile_slot(struct sim *s, sg_minute slot)
{
    (void)s;
    (void)slot;
}
void sim_hostile_release(struct sim *s)
{
    (void)s;
}
bool sim_hostile_keeps(struct sim *s, const struct lg_block *b)
{
    (void)s;
    (void)b;
    return false;
}
