/* The simulator's own malloc, for speed; see sim_alloc.c. */
#ifndef SIM_ALLOC_H
#define SIM_ALLOC_H

#include <stdbool.h>

/* From now on; once a process. False: no address space for it, and nothing changes. */
bool sim_alloc_start(void);
/* From the beginning of its memory, when nothing of it is in use. */
void sim_alloc_again(void);

#endif
