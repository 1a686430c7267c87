#include "pass_vfs.h"

sqlite3_file *pass_real(sqlite3_file *f)
{
    return ((struct pass_file *)(void *)f)->real;
}

static int f_close(sqlite3_file *f)
{
    return pass_real(f)->pMethods->xClose(pass_real(f));
}

static int f_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    return pass_real(f)->pMethods->xRead(pass_real(f), p, n, at);
}

static int f_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    return pass_real(f)->pMethods->xWrite(pass_real(f), p, n, at);
}

static int f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return pass_real(f)->pMethods->xTruncate(pass_real(f), size);
}

static int f_sync(sqlite3_file *f, int flags)
{
    return pass_real(f)->pMethods->xSync(pass_real(f), flags);
}

static int f_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return pass_real(f)->pMethods->xFileSize(pass_real(f), size);
}

static int f_lock(sqlite3_file *f, int level)
{
    return pass_real(f)->pMethods->xLock(pass_real(f), level);
}

static int f_unlock(sqlite3_file *f, int level)
{
    return pass_real(f)->pMethods->xUnlock(pass_real(f), level);
}

static int f_reserved(sqlite3_file *f, int *out)
{
    return pass_real(f)->pMethods->xCheckReservedLock(pass_real(f), out);
}

static int f_control(sqlite3_file *f, int op, void *arg)
{
    return pass_real(f)->pMethods->xFileControl(pass_real(f), op, arg);
}

static int f_sector(sqlite3_file *f)
{
    return pass_real(f)->pMethods->xSectorSize(pass_real(f));
}

static int f_device(sqlite3_file *f)
{
    return pass_real(f)->pMethods->xDeviceCharacteristics(pass_real(f));
}

static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return pass_real(f)->pMethods->xShmMap(pass_real(f), page, size, extend, out);
}

static int f_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return pass_real(f)->pMethods->xShmLock(pass_real(f), offset, n, flags);
}

static void f_shm_barrier(sqlite3_file *f)
{
    pass_real(f)->pMethods->xShmBarrier(pass_real(f));
}

static int f_shm_unmap(sqlite3_file *f, int delete_too)
{
    return pass_real(f)->pMethods->xShmUnmap(pass_real(f), delete_too);
}

void pass_methods(sqlite3_io_methods *methods)
{
    *methods = (sqlite3_io_methods){2, f_close, f_read, f_write, f_truncate, f_sync, f_size, f_lock, f_unlock,
        f_reserved, f_control, f_sector, f_device, f_shm_map, f_shm_lock, f_shm_barrier, f_shm_unmap, NULL,
        NULL};
}

int pass_open(sqlite3_vfs *real_vfs, const sqlite3_io_methods *methods, const char *name, sqlite3_file *f,
    size_t size, int flags, int *out)
{
    struct pass_file *file = (struct pass_file *)(void *)f;
    file->base.pMethods = NULL;
    file->real = (sqlite3_file *)(void *)((char *)f + size);
    const int rc = real_vfs->xOpen(real_vfs, name, file->real, flags, out);
    if (file->real->pMethods != NULL)
        file->base.pMethods = methods;
    return rc;
}
