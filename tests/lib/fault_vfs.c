#include "fault_vfs.h"
#include "pass_vfs.h"

#include <assert.h>
#include <errno.h>
#include <sqlite3.h>
#include <unistd.h>

static sqlite3_vfs *real_vfs, fault;
static sqlite3_io_methods methods;
static int left, code;
static bool ever, fired;
static bool full_quota, is_full, syncs_only, no_log;
static int shm_page = -1;
static const char *shm_while;

/* 0, or the code to fail with. */
static int step(bool is_sync)
{
    if (is_full && !is_sync) {
        is_full = false;
        errno = ENOSPC;
        return SQLITE_FULL;
    }
    if (code == SQLITE_OK || (is_sync && code == SQLITE_FULL) ||
        (!is_sync && code == SQLITE_IOERR_FSYNC && syncs_only))
        return SQLITE_OK;
    if (fired && !ever)
        return SQLITE_OK;
    if (!fired && --left > 0)
        return SQLITE_OK;
    fired = true;
    errno = code == SQLITE_FULL ? ENOSPC : full_quota ? EDQUOT : EIO;
    return code;
}

static int f_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    const int rc = step(false);
    return rc != SQLITE_OK ? rc : pass_real(f)->pMethods->xWrite(pass_real(f), p, n, at);
}

static int f_sync(sqlite3_file *f, int flags)
{
    const int rc = step(true);
    return rc != SQLITE_OK ? rc : pass_real(f)->pMethods->xSync(pass_real(f), flags);
}

/* The index of a log grows by a file of its own. */
static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    if (extend && shm_page >= 0 && page >= shm_page && (shm_while == NULL || access(shm_while, F_OK) == 0)) {
        fired = true;
        errno = ENOSPC;
        return SQLITE_IOERR_SHMSIZE;
    }
    return pass_real(f)->pMethods->xShmMap(pass_real(f), page, size, extend, out);
}

/* A file system that has no shared memory: SQLite stays with the journal that it had. */
static int f_control(sqlite3_file *f, int op, void *arg)
{
    char **pragma = arg;
    if (no_log && op == SQLITE_FCNTL_PRAGMA && sqlite3_stricmp(pragma[1], "journal_mode") == 0) {
        fired = true;
        pragma[0] = sqlite3_mprintf("delete");
        return SQLITE_OK;
    }
    return pass_real(f)->pMethods->xFileControl(pass_real(f), op, arg);
}

static int f_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
    (void)vfs;
    return pass_open(real_vfs, &methods, name, f, sizeof(struct pass_file), flags, out);
}

void fault_vfs_install(void)
{
    real_vfs = sqlite3_vfs_find(NULL);
    assert(real_vfs != &fault);
    fault = *real_vfs;
    fault.zName = "fault";
    fault.szOsFile = (int)sizeof(struct pass_file) + real_vfs->szOsFile;
    fault.xOpen = f_open;
    fault.pNext = NULL;
    pass_methods(&methods);
    methods.xWrite = f_write;
    methods.xSync = f_sync;
    methods.xShmMap = f_shm_map;
    methods.xFileControl = f_control;
    fault_vfs_disarm();
    const int rc = sqlite3_vfs_register(&fault, 1);
    assert(rc == SQLITE_OK);
    (void)rc;
}

void fault_vfs_remove(void)
{
    sqlite3_vfs_unregister(&fault);
    sqlite3_vfs_register(real_vfs, 1);
}

void fault_vfs_arm(int n, int rc, bool for_ever)
{
    left = n;
    code = rc;
    ever = for_ever;
    fired = false;
    full_quota = is_full = syncs_only = false;
}

void fault_vfs_arm_quota(int n, bool for_ever)
{
    fault_vfs_arm(n, SQLITE_IOERR_WRITE, for_ever);
    full_quota = true;
}

void fault_vfs_arm_full_then_sync(int n)
{
    fault_vfs_arm(n, SQLITE_IOERR_FSYNC, true);
    is_full = syncs_only = true;
}

void fault_vfs_refuse_log(void)
{
    no_log = true;
    fired = false;
}

void fault_vfs_fill_index(int page, const char *while_there)
{
    shm_page = page;
    shm_while = while_there;
    fired = false;
}

void fault_vfs_disarm(void)
{
    shm_page = -1;
    no_log = false;
    full_quota = is_full = syncs_only = false;
    code = SQLITE_OK;
    fired = false;
}

bool fault_vfs_fired(void)
{
    return fired;
}
