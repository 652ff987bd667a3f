/* A VFS in front of the system's, whose reads, writes, syncs and truncations pass through
 * failpoints: how the tests make a disk fail. Release builds use the system's VFS alone. */
#include "scheduler/store/internal.h"

#include "common/base/sys/failpoint.h"

#ifdef CQ_FAILPOINTS

#include <errno.h>

struct shim_file {
    sqlite3_file base;
    sqlite3_file *real; /* lies behind this struct */
};

static sqlite3_file *real_of(sqlite3_file *f)
{
    return ((struct shim_file *)f)->real;
}

static int shim_close(sqlite3_file *f)
{
    return real_of(f)->pMethods->xClose(real_of(f));
}

static int shim_read(sqlite3_file *f, void *to, int bytes, sqlite3_int64 at)
{
    if (CQ_FP("store.vfs.read") != 0)
        return SQLITE_IOERR_READ;
    return real_of(f)->pMethods->xRead(real_of(f), to, bytes, at);
}

static int shim_write(sqlite3_file *f, const void *from, int bytes, sqlite3_int64 at)
{
    if (CQ_FP("store.vfs.write") != 0)
        return errno == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE; /* as the system's VFS says it */
    return real_of(f)->pMethods->xWrite(real_of(f), from, bytes, at);
}

static int shim_truncate(sqlite3_file *f, sqlite3_int64 bytes)
{
    if (CQ_FP("store.vfs.truncate") != 0)
        return SQLITE_IOERR_TRUNCATE;
    return real_of(f)->pMethods->xTruncate(real_of(f), bytes);
}

static int shim_sync(sqlite3_file *f, int flags)
{
    if (CQ_FP("store.vfs.sync") != 0)
        return SQLITE_IOERR_FSYNC;
    return real_of(f)->pMethods->xSync(real_of(f), flags);
}

static int shim_file_size(sqlite3_file *f, sqlite3_int64 *bytes)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), bytes);
}

static int shim_lock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int shim_unlock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int shim_check_lock(sqlite3_file *f, int *is_held)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), is_held);
}

static int shim_control(sqlite3_file *f, int op, void *arg)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int shim_sector_size(sqlite3_file *f)
{
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int shim_characteristics(sqlite3_file *f)
{
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

/* Version 1: no shared memory, no mmap. An exclusive WAL connection needs neither. */
static const sqlite3_io_methods shim_methods = {
    .iVersion = 1,
    .xClose = shim_close,
    .xRead = shim_read,
    .xWrite = shim_write,
    .xTruncate = shim_truncate,
    .xSync = shim_sync,
    .xFileSize = shim_file_size,
    .xLock = shim_lock,
    .xUnlock = shim_unlock,
    .xCheckReservedLock = shim_check_lock,
    .xFileControl = shim_control,
    .xSectorSize = shim_sector_size,
    .xDeviceCharacteristics = shim_characteristics,
};

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out_flags)
{
    struct shim_file *shim = (struct shim_file *)f;
    sqlite3_vfs *under = vfs->pAppData;
    shim->real = (sqlite3_file *)(void *)(shim + 1);
    shim->base.pMethods = NULL;
    if (CQ_FP("store.vfs.open") != 0)
        return SQLITE_CANTOPEN;
    int rc = under->xOpen(under, name, shim->real, flags, out_flags);
    if (shim->real->pMethods != NULL)
        shim->base.pMethods = &shim_methods;
    return rc;
}

const char *failpoint_vfs_name(void)
{
    static sqlite3_vfs shim;
    sqlite3_vfs *under = sqlite3_vfs_find(NULL);
    if (shim.zName != NULL)
        return shim.zName;
    shim = *under;
    shim.szOsFile = (int)sizeof(struct shim_file) + under->szOsFile;
    shim.zName = "chipq-failpoints";
    shim.pAppData = under;
    shim.xOpen = shim_open;
    return sqlite3_vfs_register(&shim, 0) == SQLITE_OK ? shim.zName : NULL;
}

#else

const char *failpoint_vfs_name(void)
{
    return NULL;
}

#endif
