/* SQLite on a disk that fails on command: a VFS in front of the real one. One at a time, one thread. */
#ifndef TEST_FAULT_VFS_H
#define TEST_FAULT_VFS_H

#include <stdbool.h>

/* From now on the default of SQLite; nothing fails yet. */
void fault_vfs_install(void);
/* The real one again. */
void fault_vfs_remove(void);
/* The n-th write or sync from now on (1: the next) fails with rc (SQLITE_IOERR_WRITE, SQLITE_FULL, …): once, or it and all
 * that follow. Where rc is SQLITE_FULL only writes count and fail. */
void fault_vfs_arm(int n, int rc, bool for_ever);
/* As fault_vfs_arm: such a write finds that the quota is used up, which SQLite takes for an error of the disk. */
void fault_vfs_arm_quota(int n, bool for_ever);
/* The next write finds the disk full, later ones do not; the n-th sync and all that follow fail. */
void fault_vfs_arm_full_then_sync(int n);
/* The disk has no room for this page (of 32 KiB) of a log's index, nor for later ones, as long as that file exists (borrowed; NULL: always). */
void fault_vfs_fill_index(int page, const char *while_there);
/* No write-ahead log can be kept. */
void fault_vfs_refuse_log(void);
void fault_vfs_disarm(void);
/* Has the fault happened since it was armed? */
bool fault_vfs_fired(void);

#endif
