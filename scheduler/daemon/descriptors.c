/* Descriptors: each connection takes one, and out of them ZeroMQ stalls connections without a word.
 * So the limit is raised first, and being near it is told. */
#include "scheduler/daemon/daemon.h"

#include "common/base/sys/log.h"
#include "common/net/doors.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    WANTED = 65536,
    FEW = 4096,
    LOOK_US = 1000000,
    NEAR_PERCENT = 90,
    FAR_PERCENT = 80, /* it is over when fewer than this are in use */
};

#define ADVICE "raise it: ulimit -Hn 65536, or LimitNOFILE=65536 of the service"

static rlim_t limit_now(void)
{
    struct rlimit r;
    return getrlimit(RLIMIT_NOFILE, &r) == 0 ? r.rlim_cur : 0;
}

void descriptors_raise(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return;
    rlim_t want = r.rlim_max == RLIM_INFINITY || r.rlim_max > WANTED ? WANTED : r.rlim_max;
    if (r.rlim_cur < want)
        r.rlim_cur = want;
    (void)setrlimit(RLIMIT_NOFILE, &r);
    doors_set_limit(r.rlim_cur > INT_MAX ? INT_MAX : (int)r.rlim_cur);
    if (r.rlim_cur < FEW)
        log_warn("start.descriptors limit=%llu why=\"each connection takes one\" advice=\"" ADVICE
                 "\"",
                 (unsigned long long)r.rlim_cur);
}

/* The lowest free one: as good as a count, since they are given out from below. */
static rlim_t used(rlim_t limit)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return limit;
    (void)close(fd);
    return (rlim_t)fd;
}

void descriptors_note(struct daemon *d)
{
    int64_t now_us = loop_now(d->loop).mono_us;
    if (now_us < d->look_at_descriptors_us)
        return;
    d->look_at_descriptors_us = now_us + LOOK_US;
    rlim_t limit = limit_now(), n = used(limit);
    if (!d->is_short_of_descriptors && n >= limit * NEAR_PERCENT / 100) {
        d->is_short_of_descriptors = true;
        log_error(
            "descriptors.short used=%llu limit=%llu why=\"new connections will have to wait\" "
            "advice=\"" ADVICE "\"",
            (unsigned long long)n, (unsigned long long)limit);
    } else if (d->is_short_of_descriptors && n < limit * FAR_PERCENT / 100) {
        d->is_short_of_descriptors = false;
        log_info("descriptors.enough used=%llu limit=%llu", (unsigned long long)n,
                 (unsigned long long)limit);
    }
}
