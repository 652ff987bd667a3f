/* Looks at each page of the database file, in a thread of its own, while the caller reads what it
 * needs through SQLite: is its sum what it was written with? That takes a fraction of the time of
 * quick_check, which follows every tree, and finds a changed byte wherever it is. A page that is
 * not sound need not be damage: a checkpoint may have been cut short in it, and the WAL has it
 * whole. Of what is not there either there is a doubt; quick_check, which follows
 * all, decides. */
#include "scheduler/store/internal.h"

#include "common/base/pure/mem.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BLOCK_BYTES = 1 << 20, /* a multiple of every page's size */
    HEAD_BYTES = 100,
    PAGE_BYTES_AT = 16, /* of the head: the size of a page; 1 = 65536 */
    CHANGES_AT = 24,
    PAGES_AT = 28, /* how many there are; holds when VALID_AT is as CHANGES_AT */
    VALID_AT = 92,
    PAGE_MIN = 512,
    PAGE_MAX = 65536,
    LOCKED_AT = 1 << 30
};

static uint32_t big(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool read_head(struct pages *p)
{
    uint8_t head[HEAD_BYTES];
    struct stat st;
    if (fstat(p->fd, &st) != 0 || pread(p->fd, head, sizeof head, 0) != (ssize_t)sizeof head)
        return false;
    uint32_t bytes = (uint32_t)head[PAGE_BYTES_AT] << 8 | head[PAGE_BYTES_AT + 1];
    p->page_bytes = bytes == 1 ? PAGE_MAX : bytes;
    if (p->page_bytes < PAGE_MIN || (p->page_bytes & (p->page_bytes - 1)) != 0
        || big(head + CHANGES_AT) != big(head + VALID_AT))
        return false;
    p->n = big(head + PAGES_AT);
    p->bytes = (uint64_t)st.st_size;
    return p->n > 0;
}

/* Is the page at that byte in a committed frame? */
static bool is_in_wal(const struct pages *p, uint64_t at)
{
    uint64_t frame = (uintptr_t)map_find(&p->in_wal, at / p->page_bytes + 1);
    return frame > 0 && frame <= p->committed;
}

/* Blank ones are room that was taken and never written, which may not be: quick_check knows. SQLite
 * locks by bytes of one page, at 1 GiB, and never writes it. */
static bool page_is_fine(const struct pages *p, const uint8_t *page, uint64_t at)
{
    return at == LOCKED_AT || sums_is_sound(page, p->page_bytes, (int64_t)at) || is_in_wal(p, at);
}

static bool block_is_sound(const struct pages *p, const uint8_t *block, size_t bytes, uint64_t at)
{
    for (size_t i = 0; i < bytes; i += p->page_bytes)
        if (!page_is_fine(p, block + i, at + i))
            return false;
    return true;
}

/* Pages that the file does not have yet. */
static bool rest_is_in_wal(const struct pages *p, uint64_t at, uint64_t end)
{
    for (; at < end; at += p->page_bytes)
        if (at != LOCKED_AT && !is_in_wal(p, at))
            return false;
    return true;
}

static bool all_are_sound(const struct pages *p)
{
    uint64_t wanted = (uint64_t)p->n * p->page_bytes, there = p->bytes - p->bytes % p->page_bytes;
    uint64_t end = there < wanted ? there : wanted;
    uint8_t *block CQ_CLEANUP(cq_free_ptr) = cq_malloc(BLOCK_BYTES);
    for (uint64_t at = 0; at < end && !atomic_load(&p->is_stopped);) {
        size_t bytes = end - at < BLOCK_BYTES ? (size_t)(end - at) : BLOCK_BYTES;
        if (pread(p->fd, block, bytes, (off_t)at) != (ssize_t)bytes
            || !block_is_sound(p, block, bytes, at))
            return false;
        at += bytes;
    }
    return rest_is_in_wal(p, end, wanted);
}

static void *look(void *arg)
{
    struct pages *p = arg;
    p->are_sound = read_head(p) && all_are_sound(p);
    return NULL;
}

void pages_note_frame(struct store *s, uint32_t page, uint64_t frame)
{
    if (page > 0 && map_find(&s->pages.in_wal, page) == NULL)
        map_put(&s->pages.in_wal, page, (void *)(uintptr_t)frame); /* NOLINT: a number */
}

void pages_begin(struct store *s)
{
    struct pages *p = &s->pages;
    p->fd = open(s->path, O_RDONLY | O_CLOEXEC);
    if (p->fd < 0)
        return;
    (void)posix_fadvise(p->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    p->is_running = pthread_create(&p->thread, NULL, look, p) == 0;
}

bool pages_are_sound(struct store *s)
{
    struct pages *p = &s->pages;
    if (p->is_running)
        (void)pthread_join(p->thread, NULL);
    p->is_running = false;
    return p->are_sound;
}

void pages_fini(struct store *s)
{
    atomic_store(&s->pages.is_stopped, true);
    (void)pages_are_sound(s);
    map_fini(&s->pages.in_wal);
    if (s->pages.fd >= 0)
        (void)close(s->pages.fd);
}
