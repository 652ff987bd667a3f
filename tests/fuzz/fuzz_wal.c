/* The check of a write-ahead log before SQLite reads it. The first two bytes say how much of the
 * rest is the database; what follows is the WAL. It is refused, or taken with a part left out. */
#include "scheduler/store/internal.h"
#include "tests/fuzz/fuzz_dir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char db[PATH_MAX], wal[PATH_MAX];
    struct store *s = CQ_NEW(struct store);
    struct cq_err err = {0};
    if (bytes < 2) {
        free(s);
        return 0;
    }
    size_t left = bytes - 2, n = (size_t)data[0] << 8 | data[1];
    n = n < left ? n : left;
    fuzz_dir_put("db", 0600, data + 2, n, db);
    fuzz_dir_put("wal", 0600, data + 2 + n, left - n, wal);
    s->path = db;
    s->space.wal_path = wal;
    FUZZ_CHECK(sqlite3_open(db, &s->db) == SQLITE_OK);
    if (wal_check(s, &err) == 0)
        FUZZ_CHECK(s->dropped_bytes <= left - n);
    else
        FUZZ_CHECK(err.code == CQ_E_IO);
    FUZZ_CHECK(sqlite3_close(s->db) == SQLITE_OK);
    map_fini(&s->pages.in_wal); /* what it noted for pages.c */
    free(s);
    return 0;
}
