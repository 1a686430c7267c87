#include "power_vfs.h"
#include "pass_vfs.h"

#include <assert.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_FILES 8
#define SECTOR    512

/* One change of a file that is not synced yet. */
struct change {
    struct change *next;
    sqlite3_int64 at; /* truncation: the new size */
    int len;          /* -1: a truncation */
    uint8_t bytes[];
};

struct disk {
    char path[256];
    uint8_t *image; /* as of the last sync */
    size_t len, cap;
    bool exists; /* has ever been synced */
    struct change *first, *last;
};

struct file {
    struct pass_file pass;
    struct disk *disk; /* NULL: not one that matters */
};

static sqlite3_vfs *real_vfs, power;
static sqlite3_io_methods methods;
static struct disk disks[MAX_FILES];
static unsigned ndisks;
static int left;
static bool armed, failed;

static bool is_off(void)
{
    if (armed && !failed && --left <= 0)
        failed = true;
    return failed;
}

static struct disk *disk_of(const char *path)
{
    for (unsigned i = 0; i < ndisks; i++)
        if (strcmp(disks[i].path, path) == 0)
            return &disks[i];
    assert(ndisks < MAX_FILES);
    struct disk *d = &disks[ndisks++];
    memset(d, 0, sizeof *d);
    snprintf(d->path, sizeof d->path, "%s", path);
    return d;
}

static void remember(struct disk *d, const void *p, int len, sqlite3_int64 at)
{
    struct change *c = calloc(1, sizeof *c + (len > 0 ? (size_t)len : 0));
    assert(c != NULL);
    c->at = at;
    c->len = len;
    if (len > 0)
        memcpy(c->bytes, p, (size_t)len);
    if (d->last != NULL)
        d->last->next = c;
    else
        d->first = c;
    d->last = c;
}

static void forget(struct disk *d)
{
    while (d->first != NULL) {
        struct change *c = d->first;
        d->first = c->next;
        free(c);
    }
    d->last = NULL;
}

static void resize(struct disk *d, size_t len)
{
    if (len > d->cap) {
        d->cap = len * 2;
        d->image = realloc(d->image, d->cap);
        assert(d->image != NULL);
    }
    if (len > d->len)
        memset(d->image + d->len, 0, len - d->len);
    d->len = len;
}

static void write_at(struct disk *d, sqlite3_int64 at, const uint8_t *p, size_t len)
{
    if (d->len < (size_t)at + len)
        resize(d, (size_t)at + len);
    memcpy(d->image + at, p, len);
}

static void apply(struct disk *d, const struct change *c)
{
    if (c->len < 0)
        resize(d, (size_t)c->at);
    else
        write_at(d, c->at, c->bytes, (size_t)c->len);
}

/* ---- the methods ---- */

static int f_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    struct disk *d = ((struct file *)f)->disk;
    if (d != NULL && is_off())
        return SQLITE_IOERR_WRITE;
    if (d != NULL)
        remember(d, p, n, at);
    return pass_real(f)->pMethods->xWrite(pass_real(f), p, n, at);
}

static int f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    struct disk *d = ((struct file *)f)->disk;
    if (d != NULL && is_off())
        return SQLITE_IOERR_TRUNCATE;
    if (d != NULL)
        remember(d, NULL, -1, size);
    return pass_real(f)->pMethods->xTruncate(pass_real(f), size);
}

static int f_sync(sqlite3_file *f, int flags)
{
    struct disk *d = ((struct file *)f)->disk;
    (void)flags;
    if (d == NULL)
        return SQLITE_OK;
    if (is_off())
        return SQLITE_IOERR_FSYNC;
    for (const struct change *c = d->first; c != NULL; c = c->next)
        apply(d, c);
    forget(d);
    d->exists = true;
    return SQLITE_OK;
}

/* None of the promises of a good disk. */
static int f_device(sqlite3_file *f)
{
    (void)f;
    return 0;
}

static int f_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
    struct file *file = (struct file *)f;
    (void)vfs;
    memset(file, 0, sizeof *file);
    const int rc = pass_open(real_vfs, &methods, name, f, sizeof *file, flags, out);
    if (rc == SQLITE_OK && name != NULL && (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) != 0)
        file->disk = disk_of(name);
    return rc;
}

/* A deleted log: gone at once and for good; SQLite relies on neither. */
static int v_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
    (void)vfs;
    if (failed)
        return SQLITE_IOERR_DELETE;
    for (unsigned i = 0; i < ndisks; i++) {
        if (strcmp(disks[i].path, name) == 0) {
            forget(&disks[i]);
            disks[i].len = 0;
            disks[i].exists = false;
        }
    }
    return real_vfs->xDelete(real_vfs, name, sync_dir);
}

void power_vfs_install(void)
{
    real_vfs = sqlite3_vfs_find(NULL);
    assert(real_vfs != &power);
    power = *real_vfs;
    power.zName = "power";
    power.szOsFile = (int)sizeof(struct file) + real_vfs->szOsFile;
    power.xOpen = f_open;
    power.xDelete = v_delete;
    power.pNext = NULL;
    pass_methods(&methods);
    methods.xWrite = f_write;
    methods.xSync = f_sync;
    methods.xTruncate = f_truncate;
    methods.xDeviceCharacteristics = f_device;
    armed = failed = false;
    const int rc = sqlite3_vfs_register(&power, 1);
    assert(rc == SQLITE_OK);
    (void)rc;
}

void power_vfs_remove(void)
{
    sqlite3_vfs_unregister(&power);
    sqlite3_vfs_register(real_vfs, 1);
    for (unsigned i = 0; i < ndisks; i++) {
        forget(&disks[i]);
        free(disks[i].image);
    }
    memset(disks, 0, sizeof disks);
    ndisks = 0;
}

void power_vfs_arm(int n)
{
    left = n;
    armed = true;
    failed = false;
}

bool power_vfs_failed(void)
{
    return failed;
}

/* ---- after the failure ---- */

static uint64_t draw(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

static void tear(struct disk *d, const struct change *c, uint64_t *random)
{
    for (int from = 0; from < c->len; from += SECTOR)
        if (draw(random) % 2 == 0) {
            const int n = c->len - from < SECTOR ? c->len - from : SECTOR;
            write_at(d, c->at + from, c->bytes + from, (size_t)n);
        }
}

static void settle(struct disk *d, enum power_loss how, uint64_t *random)
{
    bool any = false;
    for (const struct change *c = d->first; c != NULL && how != POWER_DROPS; c = c->next) {
        const bool some = how == POWER_KEEPS || draw(random) % 2 == 0;
        if (some && how == POWER_TEARS && c->len > 0)
            tear(d, c, random);
        else if (some)
            apply(d, c);
        any = any || some;
    }
    forget(d);
    if (!d->exists && !any) { /* not even its name was on the disk */
        (void)unlink(d->path);
        return;
    }
    const int fd = open(d->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert(fd >= 0);
    const ssize_t n = d->len > 0 ? write(fd, d->image, d->len) : 0;
    assert(n == (ssize_t)d->len);
    (void)n;
    close(fd);
}

void power_vfs_return(enum power_loss how, uint64_t seed)
{
    char shm[300];
    uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (unsigned i = 0; i < ndisks; i++) {
        settle(&disks[i], how, &random);
        snprintf(shm, sizeof shm, "%.255s-shm", disks[i].path);
        (void)unlink(shm);
    }
    armed = failed = false;
}
