/* Named places where a test build can be made to die, stop, fail or wait (reliability.md section
 * 4). Without -DCQ_FAILPOINTS they compile to nothing.
 *
 * Set by the environment:
 * CQ_FAILPOINTS="chipqd.submit.after_commit=kill@2;store.vfs.sync=err(EIO)". Actions: kill (SIGKILL
 * self), stop (SIGSTOP), err(ERRNO), drop (a message: it is lost), delay(ms), off; @N fires at the
 * Nth hit only, %P at P hits of a hundred, by chance (CQ_FAILPOINTS_SEED).
 * CQ_FAILPOINTS_LOG=FILE: each point that acts is named there first, for the crash tests. */
#ifndef CQ_FAILPOINT_H
#define CQ_FAILPOINT_H

#include "common/base/pure/compiler.h"

#ifdef CQ_FAILPOINTS

struct failpoint {
    const char *name;
};

/* Runs the action set for `name`, if any. Returns 0, or -1 with errno for err(...). */
int failpoint_hit(const char *name);
void failpoint_list(FILE *out); /* every name compiled in, sorted */

#define CQ_FP(point)                                                   \
    __extension__({                                                    \
        static const struct failpoint fp_                              \
            __attribute__((section("cq_failpoints"), used)) = {point}; \
        failpoint_hit(fp_.name);                                       \
    })
#else
#define CQ_FP(point) 0
static inline void failpoint_list(FILE *out)
{
    fprintf(out, "failpoints are not compiled in; configure with -DCHIPQ_FAILPOINTS=ON\n");
}
#endif

#endif
