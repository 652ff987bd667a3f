/* `--output-full drop`: of an output beyond its cap the beginning and the end are kept. What is
 * between is punched out of the file again and again while the job appends to it, so that no byte
 * moves while somebody reads or writes; and once the job is over the hole is closed, so that the
 * file is an ordinary one, no longer than its cap. */
#include "worker/shepherd/shepherd.h"
#include "common/base/sys/failpoint.h"
#include "common/base/sys/files.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY_BYTES = 256 * 1024 };

/* Closing copies what is kept: beyond this it would take its machine's time and room. */
#define CLOSE_MAX_BYTES (UINT64_C(1) << 30)

/* The output once more: not to append. Nothing, when the job has put another file in its place. */
static int open_again(const struct running *r, int how)
{
    struct stat ours, there;
    int fd = open(r->log, how | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return -1;
    if (fstat(fd, &there) == 0 && fstat(r->log_fd, &ours) == 0 && there.st_dev == ours.st_dev
        && there.st_ino == ours.st_ino)
        return fd;
    close(fd);
    return -1;
}

static uint64_t block_bytes(const struct running *r)
{
    struct stat st;
    return fstat(r->log_fd, &st) == 0 && st.st_blksize > 0 ? (uint64_t)st.st_blksize : UINT64_MAX;
}

static bool punch(const struct running *r, uint64_t from, uint64_t to)
{
    if (CQ_FP("shepherd.output.punch") != 0)
        return false;
    return fallocate(r->log_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
                     (off_t)(to - from))
           == 0;
}

static bool write_line(int fd, const struct log_gap *gap)
{
    char line[LOG_GAP_LINE_BYTES];
    log_gap_line(gap, line);
    return pwrite(fd, line, sizeof line, (off_t)(gap->from - sizeof line)) == (ssize_t)sizeof line;
}

/* The first one: with its line. */
static bool open_gap(struct running *r, struct log_gap gap)
{
    int fd = open_again(r, O_WRONLY);
    bool is_open = fd >= 0 && punch(r, gap.from, gap.to) && write_line(fd, &gap);
    if (fd >= 0)
        close(fd);
    if (is_open)
        r->gap = gap;
    return is_open;
}

uint64_t output_kept(const struct running *r, uint64_t bytes)
{
    return bytes - (r->gap.to - r->gap.from);
}

bool output_drop_middle(struct running *r, uint64_t bytes)
{
    uint64_t half = r->job->order.output_max_bytes / 2, block = block_bytes(r);
    if (block > half / 4 || half < LOG_GAP_MIN_BYTES)
        return false;
    struct log_gap gap = {.from = half / block * block,
                          .to = (bytes - (half - block)) / block * block};
    if (r->gap.to == 0)
        return open_gap(r, gap);
    if (!punch(r, r->gap.to, gap.to))
        return false;
    r->gap.to = gap.to;
    return true;
}

static bool copy(int from, uint64_t at, uint64_t end, int to)
{
    static char buf[COPY_BYTES];
    while (at < end) {
        size_t want = end - at < sizeof buf ? (size_t)(end - at) : sizeof buf;
        ssize_t n = pread(from, buf, want, (off_t)at);
        if (n <= 0 || write_all(to, buf, (size_t)n) != 0)
            return false;
        at += (uint64_t)n;
    }
    return true;
}

/* A new file takes the place of the old one at once: who reads has the one or the other. */
static int make_closed(const struct running *r, int from, uint64_t bytes, const char *path)
{
    const struct log_gap gap = {r->gap.from, r->gap.to, true};
    (void)unlink(path);
    int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (to < 0)
        return -1;
    if (copy(from, 0, gap.from, to) && copy(from, gap.to, bytes, to) && write_line(to, &gap)
        && fcntl(to, F_SETFL, O_APPEND) == 0 && rename(path, r->log) == 0)
        return to;
    (void)unlink(path);
    close(to);
    return -1;
}

void output_close_gap(struct running *r, uint64_t bytes)
{
    char path[PATH_MAX + 8];
    if (r->job->order.output_max_bytes > CLOSE_MAX_BYTES)
        return;
    snprintf(path, sizeof path, "%s.new", r->log);
    int from = open_again(r, O_RDONLY);
    int to = from >= 0 ? make_closed(r, from, bytes, path) : -1;
    if (from >= 0)
        close(from);
    if (to < 0)
        return;
    close(r->log_fd);
    r->log_fd = to;
}
