/* Descriptors: each connection takes one. So the limit is raised first, and who comes when few are
 * left is turned away (doors.h). */
#include "scheduler/daemon/daemon.h"

#include "common/base/sys/log.h"
#include "common/net/doors.h"

#include <limits.h>
#include <sys/resource.h>

enum { WANTED = 65536, FEW = 4096 };

#define ADVICE "raise it: ulimit -Hn 65536, or LimitNOFILE=65536 of the service"

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
