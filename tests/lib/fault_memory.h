/* Memory that runs out on command, one at a time, one thread: SQLite's (its own hooks), and our own in programs that are linked with
 * FAULT_MEMORY_LD of the Makefile (malloc, calloc, realloc, strdup of our objects; libraries are left alone). */
#ifndef TEST_FAULT_MEMORY_H
#define TEST_FAULT_MEMORY_H

#include <stdbool.h>

enum fault_memory { FAULT_SQLITE, FAULT_OURS };

/* Before SQLite is used. */
void fault_memory_install(void);
/* The n-th allocation from now on (1: the next) fails: once, or it and all that follow. */
void fault_memory_arm(enum fault_memory whose, int n, bool for_ever);
void fault_memory_disarm(void);
/* Has it happened since it was armed? */
bool fault_memory_fired(void);
/* For the wrappers: must this one of ours fail? */
bool fault_memory_ours(void);

#endif
