#include "scheduler/daemon/points.h"

#include "common/base/sys/failpoint.h"

#ifdef CQ_FAILPOINTS

#define KINDS(X)                                                                \
    X(SUBMIT, "submit")                                                         \
    X(ARRAY, "array")                                                           \
    X(CANCEL, "cancel") X(REQUEUE, "requeue") X(HOLD, "hold") X(LEASE, "lease") \
        X(RESULT, "result") X(CONFIG, "config") X(QUOTA, "quota") X(KEY, "key")

enum kind {
#define X(name, text) KIND_##name,
    KINDS(X)
#undef X
        KIND_COUNT
};

/* Aligned as single ones are: the section is one table without gaps. */
static const struct failpoint names[KIND_COUNT][4]
    __attribute__((section("cq_failpoints"), aligned(sizeof(void *)), used)) = {
#define X(name, text)                   \
    {{"chipqd." text ".before_commit"}, \
     {"chipqd." text ".after_commit"},  \
     {"chipqd." text ".before_reply"},  \
     {"chipqd." text ".after_reply"}},
        KINDS(X)
#undef X
};

static unsigned kinds_of(const struct record *r)
{
    switch ((unsigned)r->type) {
    case RECORD_JOB_SUBMIT:
        return r->u.job_submit.array && *r->u.job_submit.array
                   ? 1U << KIND_SUBMIT | 1U << KIND_ARRAY
                   : 1U << KIND_SUBMIT;
    case RECORD_JOB_CANCEL:
        return 1U << KIND_CANCEL;
    case RECORD_TASK_REQUEUE:
        return 1U << KIND_REQUEUE;
    case RECORD_JOB_HOLD:
    case RECORD_JOB_RELEASE:
        return 1U << KIND_HOLD;
    case RECORD_LEASE_OPEN:
    case RECORD_LEASE_CLOSE:
    case RECORD_LEASE_ADOPT:
        return 1U << KIND_LEASE;
    case RECORD_ATTEMPT_END:
        return 1U << KIND_RESULT;
    case RECORD_FEATURE_SET:
    case RECORD_FEED_SET:
    case RECORD_RESERVATION_ADD:
    case RECORD_RESERVATION_REMOVE:
        return 1U << KIND_CONFIG;
    case RECORD_NODE_SETTINGS:
        return 1U << KIND_QUOTA;
    case RECORD_PRINCIPAL_ADD:
    case RECORD_PRINCIPAL_REVOKE:
        return 1U << KIND_KEY;
    default:
        return 0;
    }
}

static void hit(unsigned kinds, enum point_phase phase)
{
    for (unsigned k = 0; kinds && k < KIND_COUNT; k++)
        if (kinds & 1U << k)
            (void)failpoint_hit(names[k][phase].name, "");
}

void points_note(struct points *p, const struct record *r)
{
    p->filling |= kinds_of(r);
}

void points_hand_over(struct points *p)
{
    hit(p->filling, POINT_BEFORE_COMMIT);
    p->committing |= p->filling;
    p->filling = 0;
}

void points_durable(struct points *p)
{
    hit(p->committing, POINT_AFTER_COMMIT);
    p->replying |= p->committing;
    p->committing = 0;
}

void points_reply(struct points *p, enum point_phase phase)
{
    hit(p->replying, phase);
    if (phase == POINT_AFTER_REPLY)
        p->replying = 0;
}

#endif
