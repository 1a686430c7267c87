#include "fault_vfs.h"

#include <assert.h>
#include <sqlite3.h>
#include <string.h>

struct file {
    sqlite3_file base;
    sqlite3_file *real;
};

static sqlite3_vfs *real_vfs, fault;
static sqlite3_io_methods methods;
static int left, code;
static bool ever, fired;

/* 0, or the code to fail with. */
static int step(bool is_sync)
{
    if (code == SQLITE_OK || (is_sync && code == SQLITE_FULL))
        return SQLITE_OK;
    if (fired)
        return ever ? code : SQLITE_OK;
    if (--left > 0)
        return SQLITE_OK;
    fired = true;
    return code;
}

static sqlite3_file *real(sqlite3_file *f)
{
    return ((struct file *)f)->real;
}

static int f_close(sqlite3_file *f)
{
    return real(f)->pMethods->xClose(real(f));
}

static int f_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    return real(f)->pMethods->xRead(real(f), p, n, at);
}

static int f_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    const int rc = step(false);
    return rc != SQLITE_OK ? rc : real(f)->pMethods->xWrite(real(f), p, n, at);
}

static int f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return real(f)->pMethods->xTruncate(real(f), size);
}

static int f_sync(sqlite3_file *f, int flags)
{
    const int rc = step(true);
    return rc != SQLITE_OK ? rc : real(f)->pMethods->xSync(real(f), flags);
}

static int f_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return real(f)->pMethods->xFileSize(real(f), size);
}

static int f_lock(sqlite3_file *f, int level)
{
    return real(f)->pMethods->xLock(real(f), level);
}

static int f_unlock(sqlite3_file *f, int level)
{
    return real(f)->pMethods->xUnlock(real(f), level);
}

static int f_reserved(sqlite3_file *f, int *out)
{
    return real(f)->pMethods->xCheckReservedLock(real(f), out);
}

static int f_control(sqlite3_file *f, int op, void *arg)
{
    return real(f)->pMethods->xFileControl(real(f), op, arg);
}

static int f_sector(sqlite3_file *f)
{
    return real(f)->pMethods->xSectorSize(real(f));
}

static int f_device(sqlite3_file *f)
{
    return real(f)->pMethods->xDeviceCharacteristics(real(f));
}

static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return real(f)->pMethods->xShmMap(real(f), page, size, extend, out);
}

static int f_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
}

static void f_shm_barrier(sqlite3_file *f)
{
    real(f)->pMethods->xShmBarrier(real(f));
}

static int f_shm_unmap(sqlite3_file *f, int delete_too)
{
    return real(f)->pMethods->xShmUnmap(real(f), delete_too);
}

static int f_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
    struct file *file = (struct file *)f;
    (void)vfs;
    memset(file, 0, sizeof *file);
    file->real = (sqlite3_file *)(file + 1);
    const int rc = real_vfs->xOpen(real_vfs, name, file->real, flags, out);
    if (file->real->pMethods != NULL)
        file->base.pMethods = &methods;
    return rc;
}

void fault_vfs_install(void)
{
    real_vfs = sqlite3_vfs_find(NULL);
    assert(real_vfs != &fault);
    fault = *real_vfs;
    fault.zName = "fault";
    fault.szOsFile = (int)sizeof(struct file) + real_vfs->szOsFile;
    fault.xOpen = f_open;
    fault.pNext = NULL;
    methods = (sqlite3_io_methods){2, f_close, f_read, f_write, f_truncate, f_sync, f_size, f_lock, f_unlock,
        f_reserved, f_control, f_sector, f_device, f_shm_map, f_shm_lock, f_shm_barrier, f_shm_unmap, NULL,
        NULL};
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
}

void fault_vfs_disarm(void)
{
    code = SQLITE_OK;
    fired = false;
}

bool fault_vfs_fired(void)
{
    return fired;
}
