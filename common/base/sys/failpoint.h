/* Named places where a test build can be made to die, stop, fail or wait (reliability.md section
 * 4). Without -DCQ_FAILPOINTS they compile to nothing.
 *
 * Set by the environment:
 * CQ_FAILPOINTS="chipqd.submit.after_commit=kill@2;store.vfs.sync=err(EIO)". Actions: kill (SIGKILL
 * self), stop (SIGSTOP), err(ERRNO), drop (a message: it is lost), twice (a message: it is sent
 * again), delay(ms), off; @N fires at the Nth hit only, %P at P hits of a hundred, by chance
 * (CQ_FAILPOINTS_SEED). CQ_FAILPOINTS_LOG=FILE: each point that acts is named there first, with
 * what it acts on, for the crash tests. */
#ifndef CQ_FAILPOINT_H
#define CQ_FAILPOINT_H

#include "common/base/pure/compiler.h"

enum { FAILPOINT_TWICE = 1 };

#ifdef CQ_FAILPOINTS

struct failpoint {
    const char *name;
};

bool failpoint_is_set(const char *name);
/* Runs the action set for `name`, if any; `what` is told beside its name ("" = nothing). Returns 0,
 * FAILPOINT_TWICE, or -1 with errno for err(...) and drop. */
int failpoint_hit(const char *name, const char *what);
void failpoint_list(FILE *out); /* every name compiled in, sorted */

/* `what` is evaluated only when the point is set. */
#define CQ_FP_OF(point, what)                                             \
    __extension__({                                                       \
        static const struct failpoint fp_                                 \
            __attribute__((section("cq_failpoints"), used)) = {point};    \
        failpoint_is_set(fp_.name) ? failpoint_hit(fp_.name, (what)) : 0; \
    })
#define CQ_FP(point) CQ_FP_OF(point, "")
#else
#define CQ_FP_OF(point, what) 0
#define CQ_FP(point)          0
static inline void failpoint_list(FILE *out)
{
    fprintf(out, "failpoints are not compiled in; configure with -DCHIPQ_FAILPOINTS=ON\n");
}
#endif

#endif
