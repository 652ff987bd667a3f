#include "scheduler/store/salvage_pages.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PAGE_MIN = 512,
    PAGE_MAX = 65536,
    PAGE_USUAL = 4096,
    AT_PAGE_BYTES = 16,
    AT_RESERVED = 20,
    HEAD_BYTES = 100,
    LOOKED_AT = 64 /* pages, for whether they have sums when the first does not tell */
};

uint16_t page_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

uint32_t page_u32(const uint8_t *at)
{
    return (uint32_t)page_u16(at) << 16 | page_u16(at + 2);
}

static bool is_page_size(uint32_t bytes)
{
    return bytes >= PAGE_MIN && bytes <= PAGE_MAX && (bytes & (bytes - 1)) == 0;
}

static bool is_blank(const uint8_t *page, uint32_t bytes)
{
    return page[0] == 0 && memcmp(page, page + 1, bytes - 1) == 0;
}

static bool read_file_page(const struct salvage_pages *p, uint32_t page, uint8_t *to)
{
    off_t at = (off_t)(page - 1) * p->bytes;
    return pread(p->fd, to, p->bytes, at) == (ssize_t)p->bytes;
}

static bool sum_fits(const struct salvage_pages *p, uint32_t page, uint8_t *buffer)
{
    return read_file_page(p, page, buffer) && !is_blank(buffer, p->bytes)
           && sums_fit(buffer, (int)p->bytes, (sqlite3_int64)(page - 1) * p->bytes);
}

/* The head may be what is broken: then the pages themselves tell, by their sums. */
static bool have_sums(const struct salvage_pages *p, uint8_t head_says)
{
    uint8_t *buffer CQ_CLEANUP(cq_free_ptr) = cq_malloc(p->bytes);
    bool do_fit = false;
    for (uint32_t i = 1; !do_fit && i <= LOOKED_AT && i <= p->n; i++)
        do_fit = sum_fits(p, i, buffer);
    return do_fit || head_says == SUMS_RESERVED;
}

/* Some page has a sum that fits when pages are so large. */
static bool fits_size(struct salvage_pages *p, uint32_t bytes, uint64_t file_bytes)
{
    p->bytes = bytes;
    p->n = (uint32_t)(file_bytes / bytes);
    return have_sums(p, 0);
}

static void find_page_size(struct salvage_pages *p, const uint8_t *head, uint64_t file_bytes)
{
    uint32_t told = page_u16(head + AT_PAGE_BYTES);
    told = told == 1 ? PAGE_MAX : told;
    told = is_page_size(told) ? told : PAGE_USUAL;
    bool is_found = fits_size(p, told, file_bytes);
    for (uint32_t bytes = PAGE_MIN; !is_found && bytes <= PAGE_MAX; bytes *= 2)
        is_found = fits_size(p, bytes, file_bytes);
    p->bytes = is_found ? p->bytes : told;
    p->n = (uint32_t)((file_bytes + p->bytes - 1) / p->bytes);
    p->has_sums = is_found || head[AT_RESERVED] == SUMS_RESERVED;
    p->usable = p->bytes - (p->has_sums ? SUMS_RESERVED : 0);
}

static void note_wal_page(void *arg, uint32_t page, uint64_t at)
{
    struct salvage_pages *p = arg;
    uint64_t *known = page != 0 ? map_find(&p->in_wal, page) : NULL;
    if (page == 0)
        return;
    if (known == NULL) {
        known = CQ_NEW(uint64_t);
        map_put(&p->in_wal, page, known);
    }
    *known = at;
}

static int open_wal(struct salvage_pages *p, const char *path, struct cq_err *err)
{
    char *wal CQ_CLEANUP(cq_free_ptr) = path_format("%s-wal", path);
    p->wal_fd = open(wal, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (wal_salvage(wal, p->bytes, note_wal_page, p, &p->wal, err) != 0)
        return -1;
    if (p->wal.frames > 0 && p->wal.page_bytes != p->bytes)
        return cq_fail(err, CQ_E_IO,
                       "%s has pages of %u bytes, %s of %u: they do not belong together", wal,
                       p->wal.page_bytes, path, p->bytes);
    if (p->wal.database_pages > p->n)
        p->n = p->wal.database_pages;
    return 0;
}

int pages_open(struct salvage_pages *p, const char *path, struct cq_err *err)
{
    uint8_t head[HEAD_BYTES] = {0};
    struct stat st;
    *p = (struct salvage_pages){.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), .wal_fd = -1};
    if (p->fd < 0 || fstat(p->fd, &st) != 0)
        return cq_fail_errno(err, errno == ENOENT ? CQ_E_NOT_FOUND : CQ_E_IO, errno, "%s", path);
    if (!S_ISREG(st.st_mode))
        return cq_fail(err, CQ_E_IO, "%s is not a regular file", path);
    if (pread(p->fd, head, sizeof head, 0) < 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "%s", path);
    find_page_size(p, head, (uint64_t)st.st_size);
    if (open_wal(p, path, err) != 0)
        return -1;
    p->used = cq_calloc((size_t)p->n / 8 + 1, 1);
    return 0;
}

void pages_close(struct salvage_pages *p)
{
    if (p->fd >= 0)
        (void)close(p->fd);
    if (p->wal_fd >= 0)
        (void)close(p->wal_fd);
    void *at;
    for (size_t i = 0; map_next(&p->in_wal, &i, &at);)
        free(at);
    map_fini(&p->in_wal);
    free(p->used);
    *p = (struct salvage_pages){.fd = -1, .wal_fd = -1};
}

bool pages_read(const struct salvage_pages *p, uint32_t page, uint8_t *to)
{
    if (page == 0 || page > p->n)
        return false;
    memset(to + p->bytes, 0, 8);
    const uint64_t *at = map_find(&p->in_wal, page);
    if (at != NULL) /* its sum was checked with its frame */
        return pread(p->wal_fd, to, p->bytes, (off_t)*at) == (ssize_t)p->bytes;
    return read_file_page(p, page, to)
           && (!p->has_sums || sums_fit(to, (int)p->bytes, (sqlite3_int64)(page - 1) * p->bytes));
}

uint32_t pages_count_bad(const struct salvage_pages *p, uint32_t *first, size_t max, size_t *n)
{
    uint8_t *buffer CQ_CLEANUP(cq_free_ptr) = cq_malloc((size_t)p->bytes + 8);
    uint32_t n_bad = 0;
    *n = 0;
    for (uint32_t i = 1; i <= p->n; i++) {
        if (pages_read(p, i, buffer))
            continue;
        n_bad++;
        if (*n < max)
            first[(*n)++] = i;
    }
    return n_bad;
}

void pages_use(struct salvage_pages *p, uint32_t page)
{
    if (page > 0 && page <= p->n)
        p->used[page / 8] |= (uint8_t)(1u << page % 8);
}

bool pages_is_used(const struct salvage_pages *p, uint32_t page)
{
    return (p->used[page / 8] & 1u << page % 8) != 0;
}
