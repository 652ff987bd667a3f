/* Paths of an attempt's files. */
#include "worker/lease/place.h"

#include "common/base/pure/str.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

bool place_of_task(const char *job_place, uint64_t task, char *to, size_t size)
{
    int n = snprintf(to, size, "%s/%llu", job_place, (unsigned long long)task);
    return n > 0 && (size_t)n < size;
}

bool place_log(const char *dir, const char *place, uint64_t attempt, char to[PATH_MAX])
{
    int n =
        snprintf(to, PATH_MAX, "%s/output/%s.%llu.log", dir, place, (unsigned long long)attempt);
    return n > 0 && n < PATH_MAX;
}

bool place_work(const char *dir, const char *place, uint64_t attempt, char to[PATH_MAX])
{
    int n =
        snprintf(to, PATH_MAX, "%s/work/%s/attempt-%llu", dir, place, (unsigned long long)attempt);
    return n > 0 && n < PATH_MAX;
}

bool place_results(const char *dir, const char *place, char to[PATH_MAX])
{
    int n = snprintf(to, PATH_MAX, "%s/results/%s", dir, place);
    return n > 0 && n < PATH_MAX;
}

int place_make_parents(const char *path, struct cq_err *err)
{
    char copy[PATH_MAX];
    if (!cq_copy_text(copy, sizeof copy, path))
        return cq_fail(err, CQ_E_LIMIT, "path is too long: %s", path);
    for (char *p = copy + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(copy, 0700) != 0 && errno != EEXIST)
            return cq_fail_errno(err, CQ_E_IO, errno, "cannot make directory %s", copy);
        *p = '/';
    }
    return 0;
}
