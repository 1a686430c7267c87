/* A VFS of SQLite that writes what a transaction adds to the write-ahead log in one piece.
 *
 * SQLite writes each page of a log by two calls, of 24 and of 4096 bytes, one behind the other; a block changes some twenty pages. Here they are
 * gathered and written when the log is synced, which SQLite does before it tells anybody of a commit.
 *
 *   written  ...........|<- at, len: gathered, of this transaction ->|
 *
 * Invariant: whoever asks the file through this VFS (reads, size, truncation, sync) finds it as SQLite has written it, for what is gathered is
 * written first; others look only at what was committed, so synced. A write that fails is told by the sync, before which nothing
 * is promised; what was gathered then is gone, and belongs to no commit.
 * It needs synchronous=FULL, else no commit syncs the log, and a device that SQLite takes for one that overwrites nothing beside what is written, as it
 * does unless told otherwise: for another it fills up the sector behind the sync.
 * All else, and every other file, goes to SQLite's own default VFS unchanged, but that a write for which there is no room says so. Nothing is
 * refused. */
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <string.h>

#include "ledger/store_db.h"

/* More than a block with a few statements changes; what is longer is written in several pieces. */
#define GATHER_BYTES (128 << 10)

struct file {
    sqlite3_file base;
    sqlite3_file *real;
    uint8_t *gathered; /* NULL: not a log */
    int len;
    sqlite3_int64 at; /* len > 0: where gathered[0] belongs */
};

static struct file *of(sqlite3_file *f)
{
    return (struct file *)(void *)f;
}

static sqlite3_file *real(sqlite3_file *f)
{
    return of(f)->real;
}

/* A disk that is full, or a quota that is used up, where SQLite says only that it could not write. Asked at once, for errno does not last; never
 * of a sync: after that nobody knows what is on the disk. */
static int full_or(int rc)
{
    const bool wrote = rc == SQLITE_IOERR_WRITE || rc == SQLITE_IOERR_SHMOPEN || rc == SQLITE_IOERR_SHMSIZE ||
                       rc == SQLITE_IOERR_SHMMAP;
    return wrote && (errno == ENOSPC || errno == EDQUOT) ? SQLITE_FULL : rc;
}

static int write_real(struct file *f, const void *p, int n, sqlite3_int64 at)
{
    return full_or(f->real->pMethods->xWrite(f->real, p, n, at));
}

static int put_out(sqlite3_file *base)
{
    struct file *f = of(base);
    const int len = f->len;
    f->len = 0;
    return len == 0 ? SQLITE_OK : write_real(f, f->gathered, len, f->at);
}

static int f_write(sqlite3_file *base, const void *p, int n, sqlite3_int64 at)
{
    struct file *f = of(base);
    int rc = SQLITE_OK;
    if (f->len > 0 && (at != f->at + f->len || n > GATHER_BYTES - f->len))
        rc = put_out(base);
    if (rc != SQLITE_OK)
        return rc;
    if (f->gathered == NULL || n > GATHER_BYTES)
        return write_real(f, p, n, at);
    if (f->len == 0)
        f->at = at;
    memcpy(f->gathered + f->len, p, (size_t)n);
    f->len += n;
    return SQLITE_OK;
}

static int f_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    const int rc = put_out(f);
    return rc != SQLITE_OK ? rc : real(f)->pMethods->xRead(real(f), p, n, at);
}

static int f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    const int rc = put_out(f);
    return rc != SQLITE_OK ? rc : real(f)->pMethods->xTruncate(real(f), size);
}

static int f_sync(sqlite3_file *f, int flags)
{
    const int rc = put_out(f);
    return rc != SQLITE_OK ? rc : real(f)->pMethods->xSync(real(f), flags);
}

static int f_size(sqlite3_file *f, sqlite3_int64 *size)
{
    const int rc = put_out(f);
    return rc != SQLITE_OK ? rc : real(f)->pMethods->xFileSize(real(f), size);
}

/* What was never synced was promised to nobody. */
static int f_close(sqlite3_file *f)
{
    const int rc = real(f)->pMethods != NULL ? real(f)->pMethods->xClose(real(f)) : SQLITE_OK;
    sqlite3_free(of(f)->gathered);
    sqlite3_free(of(f)->real);
    return rc;
}

/* The log's index is a file too, and needs room. */
static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return full_or(real(f)->pMethods->xShmMap(real(f), page, size, extend, out));
}

/* ---- unchanged ---- */

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

/* Version 2: no file is mapped into memory but the log's index. */
static const sqlite3_io_methods methods = {2, f_close, f_read, f_write, f_truncate, f_sync, f_size, f_lock,
    f_unlock, f_reserved, f_control, f_sector, f_device, f_shm_map, f_shm_lock, f_shm_barrier, f_shm_unmap,
    NULL, NULL};

/* ---- the VFS ---- */

/* The default is asked for each time: a test puts its own there. */
static sqlite3_vfs *root(void)
{
    return sqlite3_vfs_find(NULL);
}

static int v_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *out)
{
    sqlite3_vfs *below = root();
    struct file *f = of(base);
    (void)vfs;
    memset(f, 0, sizeof *f);
    f->real = sqlite3_malloc(below->szOsFile);
    if (f->real == NULL)
        return SQLITE_NOMEM;
    memset(f->real, 0, (size_t)below->szOsFile);
    int rc = SQLITE_OK;
    if ((flags & SQLITE_OPEN_WAL) != 0 && (f->gathered = sqlite3_malloc(GATHER_BYTES)) == NULL)
        rc = SQLITE_NOMEM;
    if (rc == SQLITE_OK)
        rc = below->xOpen(below, name, f->real, flags, out);
    /* Only what is open has methods: SQLite asks by them whether it is. */
    if (rc == SQLITE_OK)
        f->base.pMethods = &methods;
    else
        (void)f_close(base);
    return rc;
}

static int v_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
    (void)vfs;
    return root()->xDelete(root(), name, sync_dir);
}

static int v_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    (void)vfs;
    return root()->xAccess(root(), name, flags, out);
}

static int v_full_path(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
    (void)vfs;
    return root()->xFullPathname(root(), name, size, out);
}

/* The rest (randomness, time, errors of the system) as the default has it: it looks at nothing of its own. */
static sqlite3_vfs log_vfs;

static void make_vfs(void)
{
    const sqlite3_vfs *below = root();
    if (below == NULL)
        return; /* SQLite could not start: the open says why */
    log_vfs = *below;
    log_vfs.zName = "gridwitness-log";
    log_vfs.pNext = NULL;
    log_vfs.szOsFile = (int)sizeof(struct file);
    log_vfs.xOpen = v_open;
    log_vfs.xDelete = v_delete;
    log_vfs.xAccess = v_access;
    log_vfs.xFullPathname = v_full_path;
    (void)sqlite3_vfs_register(&log_vfs, 0);
}

const char *lg_log_vfs(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, make_vfs);
    return log_vfs.zName;
}
