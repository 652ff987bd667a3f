/* A disk that fails when told to: a VFS under the store's, in every build. It fails the Nth call of
 * a kind, and remembers of each file what was synced, so that a loss of power can be played: what
 * was not synced since is kept, dropped or torn, in sectors of 512 bytes, at random. */
#ifndef CHIPQ_TEST_FAULT_VFS_H
#define CHIPQ_TEST_FAULT_VFS_H

#include "common/base/pure/mem.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum fault_call {
    FAULT_OPEN,
    FAULT_READ,
    FAULT_WRITE,
    FAULT_SYNC,
    FAULT_TRUNCATE,
    FAULT_DELETE,
    FAULT_CHANGE, /* write, sync, truncate or delete: for the power */
};
enum fault_kind { FAULT_IO, FAULT_FULL, FAULT_SHORT /* half of it, then no room */, FAULT_POWER };

enum { FAULT_FILES_MAX = 8, FAULT_SECTOR = 512 };

struct disk_file {
    char path[256];
    uint8_t *synced;
    size_t n_synced;
};

static struct {
    struct disk_file files[FAULT_FILES_MAX];
    size_t n_files;
    enum fault_call call;
    enum fault_kind kind;
    unsigned left; /* calls until it strikes; 0 = never */
    bool for_good, has_struck, is_off;
    unsigned seed;
} fault_disk;

struct fault_file {
    sqlite3_file base;
    struct disk_file *of; /* NULL: a file that is not watched */
    sqlite3_file *real;   /* lies behind this struct */
};

/* The nth call of this kind from now on fails (0 = none does); for_good: and all after it. */
static void fault_set(enum fault_call call, unsigned nth, enum fault_kind kind, bool for_good)
{
    fault_disk.call = call;
    fault_disk.left = nth;
    fault_disk.kind = kind;
    fault_disk.for_good = for_good;
    fault_disk.has_struck = false;
}

CQ_UNUSED static void fault_none(void)
{
    fault_set(FAULT_OPEN, 0, FAULT_IO, false);
}

static size_t fault_read_file(const char *path, uint8_t **data)
{
    struct stat st = {0};
    int fd = open(path, O_RDONLY);
    cr_assert(fd < 0 || fstat(fd, &st) == 0);
    *data = cq_malloc((size_t)st.st_size + 1);
    if (fd < 0)
        return 0;
    cr_assert_eq(read(fd, *data, (size_t)st.st_size), st.st_size);
    (void)close(fd);
    return (size_t)st.st_size;
}

static void fault_note_synced(struct disk_file *f)
{
    if (f == NULL)
        return;
    free(f->synced);
    f->n_synced = fault_read_file(f->path, &f->synced);
}

/* ---- the power goes ---- */

static unsigned fault_dice(unsigned sides)
{
    fault_disk.seed = fault_disk.seed * 1103515245u + 12345u;
    return fault_disk.seed / 65536u % sides;
}

static void fault_mix_sector(uint8_t *now, const uint8_t *was, size_t bytes)
{
    switch (fault_dice(3)) {
    case 0: /* reached the disk */
        return;
    case 1: /* did not */
        memcpy(now, was, bytes);
        return;
    default: /* torn */
        memcpy(now, was, fault_dice((unsigned)bytes + 1));
    }
}

static void fault_lose(struct disk_file *f)
{
    uint8_t *now, *was;
    size_t n = fault_read_file(f->path, &now), longer = n > f->n_synced ? n : f->n_synced;
    now = cq_realloc(now, longer + 1, 1);
    was = cq_calloc(longer + 1, 1);
    if (f->n_synced > 0)
        memcpy(was, f->synced, f->n_synced);
    if (n < longer)
        memset(now + n, 0, longer - n);
    for (size_t at = 0; at < longer; at += FAULT_SECTOR)
        fault_mix_sector(now + at, was + at,
                         longer - at < FAULT_SECTOR ? longer - at : FAULT_SECTOR);
    size_t left = fault_dice(2) ? n : f->n_synced; /* its length is news of its own */
    int fd = open(f->path, O_WRONLY | O_CREAT, 0600);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, now, left), (ssize_t)left);
    cr_assert_eq(ftruncate(fd, (off_t)left), 0);
    (void)close(fd);
    free(now);
    free(was);
}

static void fault_power_off(void)
{
    fault_disk.is_off = true;
    for (size_t i = 0; i < fault_disk.n_files; i++)
        fault_lose(&fault_disk.files[i]);
}

/* The files are those of a disk that was just plugged in. No store may be open. */
CQ_UNUSED static void fault_power_on(void)
{
    for (size_t i = 0; i < fault_disk.n_files; i++)
        free(fault_disk.files[i].synced);
    fault_disk.n_files = 0;
    fault_disk.is_off = false;
    fault_none();
}

/* ---- the calls ---- */

static bool fault_strikes(enum fault_call call)
{
    bool is_change = call >= FAULT_WRITE;
    if (fault_disk.is_off)
        return true;
    if (fault_disk.call != call && !(fault_disk.call == FAULT_CHANGE && is_change))
        return false;
    if (fault_disk.left == 0)
        return fault_disk.for_good && fault_disk.has_struck;
    if (--fault_disk.left > 0)
        return false;
    fault_disk.has_struck = true;
    if (fault_disk.kind == FAULT_POWER)
        fault_power_off();
    return true;
}

static int fault_code(int io_code)
{
    return fault_disk.kind == FAULT_FULL || fault_disk.kind == FAULT_SHORT ? SQLITE_FULL : io_code;
}

static sqlite3_file *fault_real(sqlite3_file *f)
{
    return ((struct fault_file *)f)->real;
}

static int fault_close(sqlite3_file *f)
{
    return fault_real(f)->pMethods->xClose(fault_real(f));
}

static int fault_read(sqlite3_file *f, void *to, int bytes, sqlite3_int64 at)
{
    if (fault_strikes(FAULT_READ))
        return SQLITE_IOERR_READ;
    return fault_real(f)->pMethods->xRead(fault_real(f), to, bytes, at);
}

static int fault_write(sqlite3_file *f, const void *from, int bytes, sqlite3_int64 at)
{
    bool strikes = fault_strikes(FAULT_WRITE);
    if (strikes && fault_disk.kind == FAULT_SHORT && !fault_disk.is_off)
        (void)fault_real(f)->pMethods->xWrite(fault_real(f), from, bytes / 2, at);
    if (strikes)
        return fault_code(SQLITE_IOERR_WRITE);
    return fault_real(f)->pMethods->xWrite(fault_real(f), from, bytes, at);
}

static int fault_truncate(sqlite3_file *f, sqlite3_int64 bytes)
{
    if (fault_strikes(FAULT_TRUNCATE))
        return SQLITE_IOERR_TRUNCATE;
    return fault_real(f)->pMethods->xTruncate(fault_real(f), bytes);
}

/* The real disk is not asked: the tests are about what we remember of it. */
static int fault_sync(sqlite3_file *f, int flags)
{
    (void)flags;
    if (fault_strikes(FAULT_SYNC))
        return SQLITE_IOERR_FSYNC;
    fault_note_synced(((struct fault_file *)f)->of);
    return SQLITE_OK;
}

static int fault_size(sqlite3_file *f, sqlite3_int64 *bytes)
{
    return fault_real(f)->pMethods->xFileSize(fault_real(f), bytes);
}

static int fault_lock(sqlite3_file *f, int level)
{
    return fault_real(f)->pMethods->xLock(fault_real(f), level);
}

static int fault_unlock(sqlite3_file *f, int level)
{
    return fault_real(f)->pMethods->xUnlock(fault_real(f), level);
}

static int fault_check_lock(sqlite3_file *f, int *is_held)
{
    return fault_real(f)->pMethods->xCheckReservedLock(fault_real(f), is_held);
}

static int fault_control(sqlite3_file *f, int op, void *arg)
{
    return fault_real(f)->pMethods->xFileControl(fault_real(f), op, arg);
}

static int fault_sector_size(sqlite3_file *f)
{
    return fault_real(f)->pMethods->xSectorSize(fault_real(f));
}

static int fault_characteristics(sqlite3_file *f)
{
    return fault_real(f)->pMethods->xDeviceCharacteristics(fault_real(f));
}

static const sqlite3_io_methods fault_methods = {
    .iVersion = 1,
    .xClose = fault_close,
    .xRead = fault_read,
    .xWrite = fault_write,
    .xTruncate = fault_truncate,
    .xSync = fault_sync,
    .xFileSize = fault_size,
    .xLock = fault_lock,
    .xUnlock = fault_unlock,
    .xCheckReservedLock = fault_check_lock,
    .xFileControl = fault_control,
    .xSectorSize = fault_sector_size,
    .xDeviceCharacteristics = fault_characteristics,
};

static struct disk_file *fault_file_of(const char *path)
{
    for (size_t i = 0; i < fault_disk.n_files; i++)
        if (strcmp(fault_disk.files[i].path, path) == 0)
            return &fault_disk.files[i];
    cr_assert_lt(fault_disk.n_files, FAULT_FILES_MAX);
    struct disk_file *f = &fault_disk.files[fault_disk.n_files++];
    *f = (struct disk_file){0};
    (void)snprintf(f->path, sizeof f->path, "%s", path);
    fault_note_synced(f); /* what is there before us has long been on disk */
    return f;
}

static int fault_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
    struct fault_file *file = (struct fault_file *)f;
    sqlite3_vfs *under = vfs->pAppData;
    *file = (struct fault_file){.real = (sqlite3_file *)(void *)(file + 1)};
    if (fault_strikes(FAULT_OPEN))
        return SQLITE_CANTOPEN;
    if (name != NULL)
        file->of = fault_file_of(name);
    int rc = under->xOpen(under, name, file->real, flags, out);
    if (file->real->pMethods != NULL)
        file->base.pMethods = &fault_methods;
    return rc;
}

static int fault_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
    sqlite3_vfs *under = vfs->pAppData;
    (void)sync_dir;
    if (fault_strikes(FAULT_DELETE))
        return SQLITE_IOERR_DELETE;
    int rc = under->xDelete(under, name, 0);
    struct disk_file *f = fault_file_of(name);
    fault_note_synced(f);
    return rc;
}

/* Makes it the default VFS of this process. */
static void fault_vfs_install(void)
{
    static sqlite3_vfs vfs;
    if (vfs.zName != NULL)
        return;
    sqlite3_vfs *under = sqlite3_vfs_find(NULL);
    vfs = *under;
    vfs.szOsFile = (int)sizeof(struct fault_file) + under->szOsFile;
    vfs.zName = "chipq-test-faults";
    vfs.pAppData = under;
    vfs.xOpen = fault_open;
    vfs.xDelete = fault_delete;
    cr_assert_eq(sqlite3_vfs_register(&vfs, 1), SQLITE_OK);
}

#endif
