/* The message between acquisition and witness.
 *
 * Invariant: a message on the heap owns its document.
 * Refuses nothing. */
#include "gateway/outcome.h"

#include <stdlib.h>

void gw_outcome_free(struct gw_outcome *o)
{
    if (!o)
        return;
    free(o->doc);
    free(o);
}
