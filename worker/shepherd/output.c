/* The output file of an attempt: made by us, written by the job itself, held below its cap. Nobody
 * polls a quiet file: inotify tells the first byte after silence, a timer looks while it grows. */
#include "worker/shepherd/shepherd.h"
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
    r->log_bytes = 0;
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

static bool is_over_cap(struct shepherd *s, uint64_t bytes)
{
    if (bytes <= s->now_running.job->order.output_max_bytes)
        return false;
    s->now_running.watch = WATCH_OFF;
    s->now_running.check_at_us = INT64_MAX;
    attempt_kill(s, LIMIT_OUTPUT, "it wrote more output than allowed");
    return true;
}

void output_watch(struct shepherd *s, int64_t now_us)
{
    struct running *r = &s->now_running;
    uint64_t bytes = output_bytes(r), before = r->log_bytes;
    if (is_over_cap(s, bytes))
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

bool output_finish(struct running *r)
{
    uint64_t cap = r->job->order.output_max_bytes;
    bool is_cut = r->log_fd >= 0 && output_bytes(r) > cap;
    if (is_cut && ftruncate(r->log_fd, (off_t)cap) == 0) {
        char text[128];
        snprintf(text, sizeof text, "output limit of %llu MiB reached; the rest is cut off",
                 (unsigned long long)(cap >> 20));
        (void)write_all(r->log_fd, "\n", 1);
        output_say(r, text);
    }
    if (r->log_fd >= 0)
        close(r->log_fd);
    r->log_fd = -1;
    return is_cut;
}
