/* The output file of an attempt: made by us, written by the job itself, held below its cap. Nobody
 * polls a quiet file: inotify tells the first byte after silence, a timer looks while it grows.
 * What is dropped is taken out of the middle; where a file system cannot do that, it is cut off:
 * the job appends, so that it goes on at the new end. What was dropped before the kernel wrote it
 * out never costs a disk anything. */
#include "worker/shepherd/shepherd.h"
#include "common/base/pure/parse.h"
#include "common/base/sys/files.h"
#include "worker/lease/place.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CHECK_MIN_US = 10 * 1000,
    CHECK_MAX_US = 1000 * 1000,
    FASTEST_BYTES_PER_US = 4000, /* no disk or page cache takes more */
};

/* A plain file of ours and nothing else: what a job before us put there must neither lead the
 * output elsewhere nor, a FIFO without a reader, hold us up. */
static int open_plain(const char *path)
{
    struct stat st;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1
        && fcntl(fd, F_SETFL, O_APPEND) == 0)
        return fd;
    close(fd);
    errno = EEXIST;
    return -1;
}

int output_open(struct running *r, const char *dir, struct cq_err *err)
{
    if (r->record.place[0] == '\0' || !place_log(dir, r->record.place, r->record.attempt, r->log))
        return cq_fail(err, CQ_E_LIMIT, "the path of the output file is too long");
    r->log_fd = open_plain(r->log);
    if (r->log_fd < 0 && errno == ENOENT && place_make_parents(r->log, err) == 0)
        r->log_fd = open_plain(r->log);
    if (r->log_fd < 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot make the output file %s", r->log);
    r->log_bytes = r->dropped_bytes = 0;
    r->gap = (struct log_gap){0};
    return 0;
}

static uint64_t output_bytes(const struct running *r)
{
    struct stat st;
    return fstat(r->log_fd, &st) == 0 && st.st_size > 0 ? (uint64_t)st.st_size : 0;
}

static int64_t check_delay_us(const struct running *r)
{
    uint64_t cap = r->job->order.output_max_bytes;
    int64_t us = (int64_t)((cap > r->log_bytes ? cap - r->log_bytes : 0) / FASTEST_BYTES_PER_US);
    return us < CHECK_MIN_US ? CHECK_MIN_US : us > CHECK_MAX_US ? CHECK_MAX_US : us;
}

static void look_again(struct running *r, int64_t now_us)
{
    r->watch = WATCH_TIMER;
    r->check_at_us = now_us + check_delay_us(r);
}

void output_limit_text(const struct running *r, char *to, size_t size)
{
    char limit[32], more[32], middle[32];
    (void)format_size_mib(r->job->order.output_max_bytes >> 20, limit, sizeof limit);
    (void)format_size_mib((r->dropped_bytes + (1 << 20) - 1) >> 20, more, sizeof more);
    (void)format_size_bytes(r->gap.to - r->gap.from, middle, sizeof middle);
    if (r->gap.to)
        snprintf(to, size, "output limit %s reached; %s of its middle were dropped", limit, middle);
    else if (r->record.flags & LEASE_F_DROP)
        snprintf(to, size, "output limit %s reached; at least %s more were dropped", limit, more);
    else
        snprintf(to, size, "output limit %s reached: it wrote more output than allowed", limit);
}

static bool cut_at_cap(struct running *r, uint64_t bytes)
{
    uint64_t cap = r->job->order.output_max_bytes;
    if (bytes <= cap || r->gap.to || ftruncate(r->log_fd, (off_t)cap) != 0)
        return false;
    r->dropped_bytes += bytes - cap;
    return true;
}

/* True when it is below its cap again. */
static bool drop_some(struct running *r, uint64_t bytes)
{
    return output_drop_middle(r, bytes) || cut_at_cap(r, bytes);
}

static bool is_over_cap(struct shepherd *s, uint64_t bytes, int64_t now_us)
{
    struct running *r = &s->now_running;
    char text[CAUSE_BYTES];
    if (output_kept(r, bytes) <= r->job->order.output_max_bytes)
        return false;
    if ((r->record.flags & LEASE_F_DROP) && drop_some(r, bytes)) {
        r->log_bytes = r->gap.to ? bytes : r->job->order.output_max_bytes;
        look_again(r, now_us);
        return true;
    }
    r->watch = WATCH_OFF;
    r->check_at_us = INT64_MAX;
    output_limit_text(r, text, sizeof text);
    attempt_kill(s, LIMIT_OUTPUT, text);
    return true;
}

void output_watch(struct shepherd *s, int64_t now_us)
{
    struct running *r = &s->now_running;
    uint64_t bytes = output_bytes(r), before = r->log_bytes;
    if (is_over_cap(s, bytes, now_us))
        return;
    r->log_bytes = bytes;
    if (bytes != before || s->inotify_fd < 0) {
        look_again(r, now_us);
        return;
    }
    r->watch = WATCH_ARMED;
    r->check_at_us = INT64_MAX;
    /* A write between the look and the watch would be missed: look once more. */
    if (inotify_add_watch(s->inotify_fd, r->log, IN_MODIFY | IN_ONESHOT) < 0
        || output_bytes(r) != bytes)
        look_again(r, now_us);
}

void output_on_event(struct shepherd *s, int64_t now_us)
{
    char buf[4096];
    while (read(s->inotify_fd, buf, sizeof buf) > 0)
        ;
    if (s->now_running.is_on && s->now_running.watch == WATCH_ARMED)
        look_again(&s->now_running, now_us);
}

void output_say(const struct running *r, const char *text)
{
    char line[CQ_ERR_TEXT_BYTES + 16];
    int n = snprintf(line, sizeof line, "chipq: %s\n", text);
    if (r->log_fd >= 0 && n > 0)
        (void)write_all(r->log_fd, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

/* The last line of an output of which something is missing. */
static void say_what_is_missing(const struct running *r)
{
    char text[CAUSE_BYTES], limit[32], words[128];
    output_limit_text(r, text, sizeof text);
    if (r->gap.to) {
        log_gap_words(&r->gap, words, sizeof words);
        (void)format_size_mib(r->job->order.output_max_bytes >> 20, limit, sizeof limit);
        snprintf(text, sizeof text, "output limit %s reached; %s", limit, words);
    }
    (void)write_all(r->log_fd, "\n", 1);
    output_say(r, text);
}

/* True when there was more than its cap. */
static bool finish_at_cap(struct running *r, bool drops)
{
    uint64_t bytes = output_bytes(r);
    if (output_kept(r, bytes) > r->job->order.output_max_bytes)
        return drops ? drop_some(r, bytes) : cut_at_cap(r, bytes);
    return false;
}

bool output_finish(struct running *r)
{
    bool drops = (r->record.flags & LEASE_F_DROP) != 0;
    bool is_cut = r->log_fd >= 0 && finish_at_cap(r, drops);
    if (r->log_fd >= 0 && r->gap.to)
        output_close_gap(r, output_bytes(r));
    if (r->dropped_bytes || r->gap.to)
        say_what_is_missing(r);
    if (r->log_fd >= 0)
        close(r->log_fd);
    r->log_fd = -1;
    return is_cut && !drops;
}
