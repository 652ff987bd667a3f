/* What SQLite does not tell of its WAL. It reads up to the first frame that is not as it was
 * written and leaves the rest out without a word. That is right for the last transaction, which a
 * crash may have cut short: it was never acknowledged. But each transaction is synced before the
 * next is written; so when frames of a later one follow, what is broken was once complete, and
 * going on would lose it. (The format: sqlite.org/fileformat2.html, section 4.) */
#include "scheduler/store/internal.h"

#include "common/base/pure/map.h"
#include "common/base/pure/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    HEADER_BYTES = 32,
    HEADER_SALT = 16,
    FRAME_HEADER_BYTES = 24,
    FRAME_COMMIT = 4, /* pages of the database after it; 0 = not the last of its transaction */
    FRAME_SALT = 8,
    FRAME_SUM = 16,
    SUMMED_OF_FRAME = 8,
    SALT_BYTES = 8,
    SUM_BYTES = 8, /* at the end of a page: made only on the way to the database (vfs_sums.c) */
    PAGE_MIN = 512,
    PAGE_MAX = 65536
};

struct sum {
    uint32_t a, b;
};

struct wal {
    int fd;
    uint64_t bytes;
    uint32_t page_bytes;
    uint32_t pages;     /* of the database, after the last sound commit */
    bool is_big_endian; /* the words that are summed */
    uint8_t salt[SALT_BYTES];
    uint8_t *frame;
};

static uint32_t big(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t little(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static struct sum add_up(const struct wal *w, struct sum s, const uint8_t *p, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += 8) {
        s.a += (w->is_big_endian ? big(p + at) : little(p + at)) + s.b;
        s.b += (w->is_big_endian ? big(p + at + 4) : little(p + at + 4)) + s.a;
    }
    return s;
}

static struct sum stored_sum(const uint8_t *p)
{
    return (struct sum){big(p), big(p + 4)};
}

static bool is_same(struct sum x, struct sum y)
{
    return x.a == y.a && x.b == y.b;
}

static uint64_t frame_at(const struct wal *w, uint64_t i)
{
    return HEADER_BYTES + i * (FRAME_HEADER_BYTES + w->page_bytes);
}

/* How much of frame i there is: all of it, or what the file's end left. */
static size_t read_frame(const struct wal *w, uint64_t i)
{
    ssize_t n = pread(w->fd, w->frame, FRAME_HEADER_BYTES + w->page_bytes, (off_t)frame_at(w, i));
    return n > 0 ? (size_t)n : 0;
}

static bool is_whole(const struct wal *w, size_t bytes)
{
    return bytes == FRAME_HEADER_BYTES + w->page_bytes;
}

static bool has_our_salt(const struct wal *w)
{
    return memcmp(w->frame + FRAME_SALT, w->salt, SALT_BYTES) == 0;
}

static struct sum sum_of_frame(const struct wal *w, struct sum before)
{
    struct sum s = add_up(w, before, w->frame, SUMMED_OF_FRAME);
    return add_up(w, s, w->frame + FRAME_HEADER_BYTES, w->page_bytes);
}

static bool follows(const struct wal *w, struct sum before)
{
    return has_our_salt(w) && is_same(sum_of_frame(w, before), stored_sum(w->frame + FRAME_SUM));
}

/* Where the frames up to k - 1 are sound, and k is not. */
struct breakage {
    uint64_t committed, k; /* frames up to the last commit; the broken one */
    struct sum sum;        /* before k */
};

/* Was the broken frame, which is read, the last of its transaction? The field itself may be what is
 * broken: then the sum tells. A commit names the size of the database, which never gets shorter,
 * and longer only by what the transaction writes. */
static bool was_commit(const struct wal *w, const struct breakage *b)
{
    uint8_t *field = w->frame + FRAME_COMMIT;
    uint32_t pages = big(field);
    uint64_t most = w->pages + (b->k - b->committed) + 1; /* w->pages may be damaged as well */
    bool was = pages != 0 && pages >= w->pages && pages <= most;
    for (uint64_t guess = w->pages ? w->pages : 1; !was && guess <= most; guess++) {
        for (unsigned i = 0; i < 4; i++)
            field[i] = (uint8_t)(guess >> (24 - 8 * i));
        was = is_same(sum_of_frame(w, b->sum), stored_sum(w->frame + FRAME_SUM));
    }
    for (unsigned i = 0; i < 4; i++)
        field[i] = (uint8_t)(pages >> (24 - 8 * i));
    return was;
}

/* Does a frame of a later transaction stand behind it, as it was written? Sums are chained, and
 * each frame holds the sum that the next begins with; if that is what is broken of k, we know it
 * still. */
static bool has_later_transaction(const struct wal *w, const struct breakage *b)
{
    bool has_commit = false, is_later = false;
    struct sum before = {0, 0}, other = {0, 0};
    for (uint64_t i = b->k; !is_later && is_whole(w, read_frame(w, i)); i++) {
        bool is_sound = i > b->k && (follows(w, before) || follows(w, other));
        is_later = has_commit && is_sound;
        has_commit = has_commit || (is_sound && big(w->frame + FRAME_COMMIT) != 0)
                     || (i == b->k && was_commit(w, b));
        before = stored_sum(w->frame + FRAME_SUM);
        other = i == b->k ? sum_of_frame(w, b->sum) : before;
    }
    return is_later;
}

static int fail_damaged(const struct store *s, uint64_t at, struct cq_err *err)
{
    return cq_fail(err, CQ_E_IO,
                   "database %s is damaged: %s at byte %llu holds a transaction that was complete "
                   "once; " STORE_WAY_OUT,
                   s->path, s->space.wal_path, (unsigned long long)at);
}

static int scan(struct store *s, struct wal *w, struct sum sum, struct cq_err *err)
{
    uint64_t n = 0, committed = 0;
    size_t bytes;
    while (is_whole(w, bytes = read_frame(w, n)) && follows(w, sum)) {
        sum = stored_sum(w->frame + FRAME_SUM);
        n++;
        pages_note_frame(s, big(w->frame), n);
        if (big(w->frame + FRAME_COMMIT) != 0) {
            committed = n;
            w->pages = big(w->frame + FRAME_COMMIT);
        }
    }
    s->pages.committed = committed;
    bool is_old =
        bytes >= FRAME_SUM && !has_our_salt(w); /* left there from before a restart of it */
    struct breakage b = {.committed = committed, .k = n, .sum = sum};
    if (is_whole(w, bytes) && has_later_transaction(w, &b))
        return fail_damaged(s, frame_at(w, n), err);
    if (n > committed || (bytes > 0 && !is_old))
        s->dropped_bytes = w->bytes - frame_at(w, committed);
    return 0;
}

/* Bytes of the database file as it is without the WAL; zeroes of an empty one. */
static void read_database(const struct store *s, void *to, int bytes, sqlite3_int64 at)
{
    sqlite3_file *db = NULL;
    (void)sqlite3_file_control(s->db, "main", SQLITE_FCNTL_FILE_POINTER, &db);
    if (db == NULL || db->pMethods->xRead(db, to, bytes, at) != SQLITE_OK)
        memset(to, 0, (size_t)bytes);
}

/* ---- a header that is not as it was written ---- */

/* The last committed frame of each page, of those that share the salt of the first. False: one of
 * them is of no page. */
static bool find_pages(struct wal *w, struct map *last, uint64_t *indices, uint64_t n)
{
    uint64_t committed = 0;
    for (uint64_t i = 0; i < n; i++) {
        (void)read_frame(w, i);
        if (i == 0)
            memcpy(w->salt, w->frame + FRAME_SALT, SALT_BYTES);
        if (!has_our_salt(w))
            break;
        if (big(w->frame + FRAME_COMMIT) != 0)
            committed = i + 1;
    }
    for (uint64_t i = 0; i < committed; i++) {
        (void)read_frame(w, i);
        if (big(w->frame) == 0)
            return false;
        indices[i] = i;
        map_put(last, big(w->frame), &indices[i]);
    }
    return true;
}

static bool is_in_database(const struct store *s, const struct wal *w, const struct map *last)
{
    bool is_there = true;
    size_t at = 0;
    void *index;
    uint8_t *page CQ_CLEANUP(cq_free_ptr) = cq_malloc(w->page_bytes);
    while (is_there && map_next(last, &at, &index)) {
        (void)read_frame(w, *(uint64_t *)index);
        read_database(s, page, (int)w->page_bytes,
                      ((sqlite3_int64)big(w->frame) - 1) * w->page_bytes);
        is_there = memcmp(page, w->frame + FRAME_HEADER_BYTES, w->page_bytes - SUM_BYTES) == 0;
    }
    return is_there;
}

/* The header is synced before any frame is written behind it, and the WAL begins anew only when all
 * of it is in the database. So a header that a loss of power tore costs nothing: what stands behind
 * it is there already. Else the header was whole once, and is needed. */
static int check_behind_header(struct store *s, struct wal *w, struct cq_err *err)
{
    struct map last = {0};
    uint8_t size[2];
    read_database(s, size, sizeof size, 16);
    w->page_bytes = (uint32_t)size[0] << 8 | size[1];
    w->page_bytes = w->page_bytes == 1 ? PAGE_MAX : w->page_bytes;
    if (w->page_bytes < PAGE_MIN)
        return 0; /* an empty database has no frames either */
    uint64_t n = (w->bytes - HEADER_BYTES) / (FRAME_HEADER_BYTES + w->page_bytes);
    uint64_t *indices CQ_CLEANUP(cq_free_ptr) = cq_calloc(n + 1, sizeof *indices);
    w->frame = cq_malloc(FRAME_HEADER_BYTES + w->page_bytes);
    bool is_there = find_pages(w, &last, indices, n) && is_in_database(s, w, &last);
    map_fini(&last);
    return is_there ? 0 : fail_damaged(s, 0, err);
}

static bool is_sound_header(struct wal *w, const uint8_t *h)
{
    w->is_big_endian = (big(h) & 1) != 0;
    w->page_bytes = big(h + 8);
    bool is_known = (big(h) & ~1u) == 0x377f0682 && big(h + 4) == 3007000;
    bool is_size = w->page_bytes >= PAGE_MIN && w->page_bytes <= PAGE_MAX
                   && (w->page_bytes & (w->page_bytes - 1)) == 0;
    struct sum s = add_up(w, (struct sum){0, 0}, h, HEADER_BYTES - 8);
    return is_known && is_size && is_same(s, stored_sum(h + HEADER_BYTES - 8));
}

static int check(struct store *s, struct wal *w, struct cq_err *err)
{
    uint8_t header[HEADER_BYTES];
    struct stat st;
    if (fstat(w->fd, &st) != 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "%s", s->space.wal_path);
    w->bytes = (uint64_t)st.st_size;
    if (pread(w->fd, header, sizeof header, 0) != (ssize_t)sizeof header)
        return 0; /* nothing was ever committed in it */
    if (!is_sound_header(w, header))
        return check_behind_header(s, w, err);
    uint8_t pages[4];
    read_database(s, pages, sizeof pages, 28);
    w->pages = big(pages);
    memcpy(w->salt, header + HEADER_SALT, SALT_BYTES);
    w->frame = cq_malloc(FRAME_HEADER_BYTES + w->page_bytes);
    return scan(s, w, stored_sum(header + HEADER_BYTES - 8), err);
}

int wal_check(struct store *s, struct cq_err *err)
{
    struct wal w = {.fd = open(s->space.wal_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
    if (w.fd < 0)
        return errno == ENOENT ? 0 : cq_fail_errno(err, CQ_E_IO, errno, "%s", s->space.wal_path);
    int rc = check(s, &w, err);
    free(w.frame);
    (void)close(w.fd);
    return rc;
}

uint64_t store_dropped_bytes(const struct store *s)
{
    return s->dropped_bytes;
}

/* ---- for a repair ---- */

static uint64_t give_pages(const struct wal *w, uint64_t from, uint64_t to, wal_page_fn fn,
                           void *arg)
{
    for (uint64_t i = from; i < to; i++) {
        (void)read_frame(w, i);
        fn(arg, big(w->frame), frame_at(w, i) + FRAME_HEADER_BYTES);
    }
    return to - from;
}

static uint64_t frames_of(const struct wal *w)
{
    return (w->bytes - HEADER_BYTES) / (FRAME_HEADER_BYTES + (uint64_t)w->page_bytes);
}

/* What stands behind the last transaction that is used. Of frames that an earlier round of the WAL
 * left there is nothing to lose: their salt is another. */
static void count_lost(const struct wal *w, uint64_t from, struct wal_use *use)
{
    for (uint64_t i = from; i < frames_of(w); i++) {
        bool is_read = is_whole(w, read_frame(w, i)); /* the disk may refuse it */
        if (is_read && !has_our_salt(w) && i > from)
            continue;
        use->lost_frames++;
        use->lost_commits += is_read && big(w->frame + FRAME_COMMIT) != 0;
    }
}

static void use_frames(struct wal *w, struct sum sum, wal_page_fn fn, void *arg,
                       struct wal_use *use)
{
    uint64_t n = 0, committed = 0;
    struct breakage b = {.sum = sum};
    w->pages = use->database_pages;
    while (is_whole(w, read_frame(w, n)) && follows(w, b.sum)) {
        b.sum = stored_sum(w->frame + FRAME_SUM);
        uint32_t pages = big(w->frame + FRAME_COMMIT);
        n++;
        if (pages == 0)
            continue;
        use->frames += give_pages(w, committed, n, fn, arg);
        use->database_pages = w->pages = pages;
        committed = n;
    }
    b.k = n;
    b.committed = committed;
    bool is_read = is_whole(w, read_frame(w, n));
    if (n < frames_of(w) && (!is_read || has_later_transaction(w, &b)))
        count_lost(w, committed, use);
}

/* Sums are chained from the one in the header, and the first frame shows whether one that we guess
 * is it: what is broken may be any part of the header, that sum too. */
static bool find_seed(struct wal *w, const uint8_t *h, struct sum *seed)
{
    if (!is_whole(w, read_frame(w, 0)))
        return false;
    memcpy(w->salt, w->frame + FRAME_SALT, SALT_BYTES);
    for (unsigned i = 0; i < 4; i++) {
        w->is_big_endian = (i & 1) != 0;
        *seed = i < 2 ? stored_sum(h + HEADER_BYTES - 8)
                      : add_up(w, (struct sum){0, 0}, h, HEADER_BYTES - 8);
        if (follows(w, *seed))
            return true;
    }
    return false;
}

static int use_wal(struct wal *w, uint32_t page_bytes, wal_page_fn fn, void *arg,
                   struct wal_use *use, struct cq_err *err)
{
    uint8_t h[HEADER_BYTES] = {0};
    struct stat st;
    if (fstat(w->fd, &st) != 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "the write-ahead log");
    w->bytes = (uint64_t)st.st_size;
    if (w->bytes < HEADER_BYTES)
        return 0;                        /* nothing was ever committed in it */
    (void)!pread(w->fd, h, sizeof h, 0); /* one that the disk refuses is not sound */
    struct sum seed = stored_sum(h + HEADER_BYTES - 8);
    bool is_sound = is_sound_header(w, h);
    w->page_bytes = is_sound ? w->page_bytes : page_bytes;
    use->page_bytes = w->page_bytes;
    memcpy(w->salt, h + HEADER_SALT, SALT_BYTES);
    w->frame = cq_calloc(1, FRAME_HEADER_BYTES + (size_t)w->page_bytes);
    if (is_sound || find_seed(w, h, &seed))
        use_frames(w, seed, fn, arg, use);
    else
        count_lost(w, 0, use);
    return 0;
}

int wal_salvage(const char *wal_path, uint32_t page_bytes, wal_page_fn fn, void *arg,
                struct wal_use *use, struct cq_err *err)
{
    struct wal w = {.fd = open(wal_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
    if (w.fd < 0)
        return errno == ENOENT ? 0 : cq_fail_errno(err, CQ_E_IO, errno, "%s", wal_path);
    int rc = use_wal(&w, page_bytes, fn, arg, use, err);
    free(w.frame);
    (void)close(w.fd);
    return rc;
}
