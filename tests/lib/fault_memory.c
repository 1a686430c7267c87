#include "fault_memory.h"

#include <assert.h>
#include <sqlite3.h>
#include <stddef.h>

static sqlite3_mem_methods real;
static enum fault_memory target;
static int left;
static bool armed, ever, fired;

static bool fails(enum fault_memory whose)
{
    if (!armed || target != whose)
        return false;
    if (fired)
        return ever;
    fired = --left <= 0;
    return fired;
}

bool fault_memory_ours(void)
{
    return fails(FAULT_OURS);
}

static void *give(int n)
{
    return fails(FAULT_SQLITE) ? NULL : real.xMalloc(n);
}

static void *grow(void *p, int n)
{
    return fails(FAULT_SQLITE) ? NULL : real.xRealloc(p, n);
}

void fault_memory_install(void)
{
    sqlite3_mem_methods ours;
    int rc = sqlite3_shutdown();
    assert(rc == SQLITE_OK);
    rc = sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real);
    assert(rc == SQLITE_OK);
    ours = real;
    ours.xMalloc = give;
    ours.xRealloc = grow;
    rc = sqlite3_config(SQLITE_CONFIG_MALLOC, &ours);
    assert(rc == SQLITE_OK);
    rc = sqlite3_initialize();
    assert(rc == SQLITE_OK);
    (void)rc;
}

void fault_memory_arm(enum fault_memory whose, int n, bool for_ever)
{
    target = whose;
    left = n;
    ever = for_ever;
    fired = false;
    armed = true;
}

void fault_memory_disarm(void)
{
    armed = false;
}

bool fault_memory_fired(void)
{
    return fired;
}
