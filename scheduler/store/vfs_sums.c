/* A VFS that keeps a checksum in the last 8 bytes of each page of the database file, which SQLite
 * leaves alone where a database was made so. quick_check sees what is wrong with trees; a byte that
 * changed inside a record is seen by nothing else. A page that is not as it was written is not
 * read: the start is refused, as of any damage. Frames of the WAL have sums of their own. */
#include "scheduler/store/internal.h"

#include "common/base/pure/mem.h"

enum { SUM_BYTES = 8, PAGE_MIN = 512, PAGE_MAX = 65536, RESERVED_AT = 20 };
enum { CONTROL_ASK = 0x63680001, CONTROL_BEGIN }; /* ours: SQLite's own are small */

struct sums_file {
    sqlite3_file base;
    sqlite3_file *real; /* lies behind this struct */
    bool is_database, has_sums;
    uint8_t *page; /* of PAGE_MAX bytes: what is written, with its sum */
};

static sqlite3_file *real_of(sqlite3_file *f)
{
    return ((struct sums_file *)f)->real;
}

static bool is_page(int bytes, sqlite3_int64 at)
{
    return bytes >= PAGE_MIN && bytes <= PAGE_MAX && (bytes & (bytes - 1)) == 0 && at % bytes == 0;
}

static bool is_first_page(const void *data, int bytes, sqlite3_int64 at)
{
    return at == 0 && bytes >= PAGE_MIN && memcmp(data, "SQLite format 3", 16) == 0;
}

/* FNV-1a over words: a changed byte always changes it. */
static uint64_t sum_of(const uint8_t *page, int bytes, sqlite3_int64 at)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325) ^ (uint64_t)at; /* a page in the wrong place, too */
    for (int i = 0; i < bytes - SUM_BYTES; i += 8) {
        uint64_t word;
        memcpy(&word, page + i, sizeof word);
        sum = (sum ^ word) * UINT64_C(0x100000001b3);
        sum ^= sum >> 32;
    }
    return sum;
}

/* Room that was taken beforehand and never written. */
static bool is_blank(const uint8_t *page, int bytes)
{
    return page[0] == 0 && memcmp(page, page + 1, (size_t)bytes - 1) == 0;
}

bool sums_is_sound(const uint8_t *page, size_t bytes, int64_t at)
{
    uint64_t sum;
    memcpy(&sum, page + bytes - SUM_BYTES, sizeof sum);
    return sum == sum_of(page, (int)bytes, at);
}

bool sums_fit(const uint8_t *page, int bytes, sqlite3_int64 at)
{
    return sums_is_sound(page, (size_t)bytes, at) || is_blank(page, bytes);
}

static int sums_read(sqlite3_file *f, void *to, int bytes, sqlite3_int64 at)
{
    struct sums_file *s = (struct sums_file *)f;
    int rc = s->real->pMethods->xRead(s->real, to, bytes, at);
    if (rc != SQLITE_OK || !s->is_database || !is_page(bytes, at))
        return rc;
    if (is_first_page(to, bytes, at))
        s->has_sums = ((uint8_t *)to)[RESERVED_AT] == SUM_BYTES;
    return !s->has_sums || sums_fit(to, bytes, at) ? SQLITE_OK : SQLITE_IOERR_DATA;
}

static int sums_write(sqlite3_file *f, const void *from, int bytes, sqlite3_int64 at)
{
    struct sums_file *s = (struct sums_file *)f;
    if (s->is_database && is_first_page(from, bytes, at))
        s->has_sums = ((const uint8_t *)from)[RESERVED_AT] == SUM_BYTES;
    if (!s->is_database || !s->has_sums || !is_page(bytes, at))
        return s->real->pMethods->xWrite(s->real, from, bytes, at);
    memcpy(s->page, from, (size_t)bytes);
    uint64_t sum = sum_of(s->page, bytes, at);
    memcpy(s->page + bytes - SUM_BYTES, &sum, sizeof sum);
    return s->real->pMethods->xWrite(s->real, s->page, bytes, at);
}

static int sums_close(sqlite3_file *f)
{
    free(((struct sums_file *)f)->page);
    return real_of(f)->pMethods->xClose(real_of(f));
}

static int sums_truncate(sqlite3_file *f, sqlite3_int64 bytes)
{
    return real_of(f)->pMethods->xTruncate(real_of(f), bytes);
}

static int sums_sync(sqlite3_file *f, int flags)
{
    return real_of(f)->pMethods->xSync(real_of(f), flags);
}

static int sums_size(sqlite3_file *f, sqlite3_int64 *bytes)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), bytes);
}

static int sums_lock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int sums_unlock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int sums_check_lock(sqlite3_file *f, int *is_held)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), is_held);
}

static int sums_control(sqlite3_file *f, int op, void *arg)
{
    struct sums_file *s = (struct sums_file *)f;
    if (op == CONTROL_ASK)
        *(bool *)arg = s->has_sums;
    if (op == CONTROL_BEGIN)
        s->has_sums = true;
    if (op == CONTROL_ASK || op == CONTROL_BEGIN)
        return SQLITE_OK;
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int sums_sector_size(sqlite3_file *f)
{
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int sums_characteristics(sqlite3_file *f)
{
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

/* Version 1: no shared memory, no mmap. An exclusive WAL connection needs neither. */
static const sqlite3_io_methods sums_methods = {
    .iVersion = 1,
    .xClose = sums_close,
    .xRead = sums_read,
    .xWrite = sums_write,
    .xTruncate = sums_truncate,
    .xSync = sums_sync,
    .xFileSize = sums_size,
    .xLock = sums_lock,
    .xUnlock = sums_unlock,
    .xCheckReservedLock = sums_check_lock,
    .xFileControl = sums_control,
    .xSectorSize = sums_sector_size,
    .xDeviceCharacteristics = sums_characteristics,
};

/* Pages may be read before the first: then its head says whether they have sums. */
static void look_at_head(struct sums_file *s)
{
    uint8_t head[RESERVED_AT + 1];
    if (s->real->pMethods->xRead(s->real, head, sizeof head, 0) == SQLITE_OK)
        s->has_sums = head[RESERVED_AT] == SUM_BYTES;
}

static int sums_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out_flags)
{
    struct sums_file *s = (struct sums_file *)f;
    sqlite3_vfs *under = vfs->pAppData;
    *s = (struct sums_file){.real = (sqlite3_file *)(void *)(s + 1)};
    int rc = under->xOpen(under, name, s->real, flags, out_flags);
    if (s->real->pMethods == NULL)
        return rc;
    s->base.pMethods = &sums_methods;
    s->is_database = (flags & SQLITE_OPEN_MAIN_DB) != 0;
    if (s->is_database) {
        s->page = cq_malloc(PAGE_MAX);
        look_at_head(s);
    }
    return rc;
}

const char *store_vfs_name(void)
{
    static sqlite3_vfs vfs;
    if (vfs.zName != NULL)
        return vfs.zName;
    sqlite3_vfs *under = sqlite3_vfs_find(failpoint_vfs_name());
    vfs = *under;
    vfs.szOsFile = (int)sizeof(struct sums_file) + under->szOsFile;
    vfs.zName = "chipq-sums";
    vfs.pAppData = under;
    vfs.xOpen = sums_open;
    return sqlite3_vfs_register(&vfs, 0) == SQLITE_OK ? vfs.zName : NULL;
}

/* Other pages may be written before the first, which says so. */
int sums_begin(sqlite3 *db)
{
    int bytes = SUM_BYTES;
    int rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_RESERVE_BYTES, &bytes);
    return rc == SQLITE_OK ? sqlite3_file_control(db, "main", CONTROL_BEGIN, NULL) : rc;
}

bool sums_are_kept(sqlite3 *db)
{
    bool are_kept = false;
    (void)sqlite3_file_control(db, "main", CONTROL_ASK, &are_kept);
    return are_kept;
}
