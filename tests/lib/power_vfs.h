/* SQLite on a disk whose power fails: a VFS in front of the real one that knows what has been synced. One at a time, one thread.
 *
 * Files are written through, so that SQLite sees what it wrote; besides, every write since a file's last sync is remembered. After
 * power_vfs_fail each file becomes what the disk may hold then: its state at the last sync and a choice of what came after. */
#ifndef TEST_POWER_VFS_H
#define TEST_POWER_VFS_H

#include <stdbool.h>
#include <stdint.h>

enum power_loss {
    POWER_DROPS,    /* nothing that was not synced is there */
    POWER_KEEPS,    /* all of it is */
    POWER_REORDERS, /* some of the writes, whichever order they were made in */
    POWER_TEARS,    /* some sectors of 512 bytes of some of the writes */
    POWER_LOSSES
};

/* From now on the default of SQLite. */
void power_vfs_install(void);
/* The real one again; forgets all files. */
void power_vfs_remove(void);
/* The power fails before the n-th write, truncation or sync from now on: it and all that follow fail. */
void power_vfs_arm(int n);
/* Has it failed? */
bool power_vfs_failed(void);
/* After everything is closed: what the files hold when the power is back. */
void power_vfs_return(enum power_loss how, uint64_t seed);

#endif
