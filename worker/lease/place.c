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

/* Mostly the nearest one alone is missing, so it is tried first: the others cost a system call each
 * for every job. `end` is where the parents' path ends in `path`. */
static int make_parents_of(char *path, char *end)
{
    int rc;
    *end = '\0';
    while ((rc = mkdir(path, 0700)) != 0 && errno == ENOENT) {
        char *last = strrchr(path, '/');
        if (last == NULL || last == path)
            return -1;
        *last = '\0';
    }
    for (char *cut; (rc == 0 || errno == EEXIST) && (cut = path + strlen(path)) < end;) {
        *cut = '/';
        rc = mkdir(path, 0700);
    }
    return rc == 0 || errno == EEXIST ? 0 : -1;
}

int place_make_parents(const char *path, struct cq_err *err)
{
    char copy[PATH_MAX];
    if (!cq_copy_text(copy, sizeof copy, path))
        return cq_fail(err, CQ_E_LIMIT, "path is too long: %s", path);
    char *end = strrchr(copy, '/');
    if (end == NULL || end == copy || make_parents_of(copy, end) == 0)
        return 0;
    return cq_fail_errno(err, CQ_E_IO, errno, "cannot make directory %s", copy);
}
