/* Outputs of an accepted attempt become visible by one rename of a link. */
#include "common/base/pure/mem.h"
#include "common/base/sys/failpoint.h"
#include "common/base/sys/files.h"
#include "common/base/sys/log.h"
#include "worker/agent/agent.h"
#include "worker/lease/place.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static char *out_dir(const struct agent *a, const struct attempt *t)
{
    char work[PATH_MAX];
    if (t->place == NULL || !(t->flags & LEASE_F_PRIVATE)
        || !place_work(a->options.dir, t->place, t->attempt, work))
        return NULL;
    return path_format("%s/out", work);
}

bool publish_has_outputs(const struct agent *a, const struct attempt *t)
{
    struct stat st;
    CQ_CLEANUP(cq_free_ptr) char *out = out_dir(a, t);
    return out && lstat(out, &st) == 0 && S_ISDIR(st.st_mode);
}

void publish_outputs(const struct agent *a, const struct attempt *t)
{
    char results[PATH_MAX];
    struct cq_err err = {.code = CQ_OK};
    CQ_CLEANUP(cq_free_ptr) char *out = out_dir(a, t);
    if (out == NULL || !place_results(a->options.dir, t->place, results))
        return;
    CQ_CLEANUP(cq_free_ptr)
    char *fresh = path_format("%s.%llu.new", results, (unsigned long long)t->attempt);
    (void)unlink(fresh);
    (void)CQ_FP("stage.out.before_rename");
    if (place_make_parents(fresh, &err) == 0
        && (symlink(out, fresh) != 0 || rename(fresh, results) != 0))
        (void)cq_fail_errno(&err, CQ_E_IO, errno, "cannot make the link %s", results);
    (void)CQ_FP("stage.out.after_rename");
    if (err.code != CQ_OK)
        log_error("publish place=%s attempt=%llu error=\"%s\"", t->place,
                  (unsigned long long)t->attempt, err.text);
}
