/* What numbers of records may be, while a state is loaded. */
#include "common/base/pure/mem.h"
#include "scheduler/core/apply_check.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/submit.h"

#define RATE_MAX        ((uint64_t)RATE_ONE * RATE_POOLS_MAX) /* of one lease or booking */
#define COUNT_MOST      (UINT64_C(1) << 40) /* tokens of a feature, MiB, cores booked */
#define FEED_EVERY_MOST (INT64_C(1) << 50)

bool check_time(int64_t us)
{
    return us >= -CHECK_TIME_MAX_US && us <= CHECK_TIME_MAX_US;
}

bool check_number(double x, double most)
{
    return x >= -most && x <= most; /* neither is true of what is no number */
}

bool check_rate(int64_t rate, uint64_t most)
{
    int64_t bound = (int64_t)(RATE_MAX * most);
    return rate >= -bound && rate <= bound;
}

/* ---- numbers ---- */

struct bound {
    const char *name;
    size_t at; /* in struct record */
    bool is_signed;
    int64_t least, most;
};

#define AT(name, field) #field, offsetof(struct record, u.name.field)
#define NUMBER(name, field, least, most)               \
    {                                                  \
        AT(name, field), false, least, (int64_t)(most) \
    }
#define SIGNED(name, field, most)                                \
    {                                                            \
        AT(name, field), true, -(int64_t)(most), (int64_t)(most) \
    }
#define ID(name, field)   NUMBER(name, field, 1, CHECK_ID_MAX)
#define WALL(name, field) SIGNED(name, field, CHECK_TIME_MAX_US)
#define POLICY(name)                                    \
    {                                                   \
        AT(name, policy_us), true, 0, CHECK_TIME_MAX_US \
    }
#define TASK(name)    NUMBER(name, task, 0, TASK_MAX)
#define ATTEMPT(name) NUMBER(name, attempt, 1, CHECK_ATTEMPT_MAX)

static const struct bound epoch_start[] = {NUMBER(epoch_start, epoch, 0, CHECK_ID_MAX)};
static const struct bound enterprise_add[] = {ID(enterprise_add, id)};
static const struct bound principal_add[] = {ID(principal_add, id)};
static const struct bound project_add[] = {ID(project_add, id)};
static const struct bound counters[] = {NUMBER(counters, next_id, 0, CHECK_ID_MAX),
                                        POLICY(counters), WALL(counters, landmark_us),
                                        WALL(counters, day_us)};
static const struct bound numbering[] = {NUMBER(numbering, next_number, 0, CHECK_ID_MAX)};
static const struct bound job_submit[] = {
    ID(job_submit, id),
    ID(job_submit, number),
    WALL(job_submit, at_us),
    POLICY(job_submit),
    NUMBER(job_submit, cores, 1, CORES_MAX),
    NUMBER(job_submit, mem_mib, 0, MEM_MIB_MAX),
    NUMBER(job_submit, time_us, 0, JOB_TIME_MAX_US),
    SIGNED(job_submit, priority, PRIORITY_MAX),
    NUMBER(job_submit, restart, 0, 1),
    NUMBER(job_submit, on_lost, 0, 2),
    NUMBER(job_submit, exclusive, 0, EXCLUSIVE_COUNT - 1),
    NUMBER(job_submit, membind, 0, MEMBIND_COUNT - 1),
    NUMBER(job_submit, smt, 0, 2),
};
static const struct bound job_hold[] = {WALL(job_hold, at_us), POLICY(job_hold)};
static const struct bound job_release[] = {WALL(job_release, at_us), POLICY(job_release)};
static const struct bound job_cancel[] = {WALL(job_cancel, at_us), POLICY(job_cancel)};
static const struct bound task_requeue[] = {TASK(task_requeue), ATTEMPT(task_requeue),
                                            WALL(task_requeue, at_us), POLICY(task_requeue)};
static const struct bound task_preempt[] = {TASK(task_preempt), ATTEMPT(task_preempt),
                                            WALL(task_preempt, at_us), POLICY(task_preempt)};
static const struct bound worker_add[] = {ID(worker_add, id)};
static const struct bound worker_up[] = {NUMBER(worker_up, mem_mib, 0, MEM_MIB_MAX)};
static const struct bound lease_open[] = {
    ID(lease_open, lease),
    NUMBER(lease_open, epoch, 0, CHECK_ID_MAX),
    NUMBER(lease_open, mem_mib, 0, MEM_MIB_MAX),
    WALL(lease_open, at_us),
    POLICY(lease_open),
};
static const struct bound attempt_assign[] = {TASK(attempt_assign), ATTEMPT(attempt_assign),
                                              WALL(attempt_assign, at_us), POLICY(attempt_assign)};
/* Times of these that are a worker's word may be anything. */
static const struct bound attempt_end_rec[] = {
    NUMBER(attempt_end_rec, verdict, VERDICT_NONE + 1, VERDICT_COUNT - 1),
    WALL(attempt_end_rec, at_us),
    POLICY(attempt_end_rec),
    NUMBER(attempt_end_rec, mem_mib, 0, MEM_MIB_MAX),
    NUMBER(attempt_end_rec, next_mem_mib, 0, MEM_MIB_MAX),
};
static const struct bound lease_close_rec[] = {WALL(lease_close_rec, at_us),
                                               POLICY(lease_close_rec)};
static const struct bound lease_adopt[] = {NUMBER(lease_adopt, epoch, 0, CHECK_ID_MAX)};
static const struct bound leaf_add[] = {ID(leaf_add, id)};
static const struct bound node_settings[] = {WALL(node_settings, at_us), POLICY(node_settings)};
static const struct bound feature_set[] = {ID(feature_set, id),
                                           NUMBER(feature_set, count, 0, COUNT_MOST)};
static const struct bound feature_external[] = {NUMBER(feature_external, used, 0, COUNT_MOST),
                                                NUMBER(feature_external, held, 0, COUNT_MOST)};
static const struct bound reservation_add[] = {
    ID(reservation_add, id),
    NUMBER(reservation_add, every_days, 0, 7),
    NUMBER(reservation_add, cores, 0, COUNT_MOST),
    NUMBER(reservation_add, mem_mib, 0, COUNT_MOST),
    {AT(reservation_add, start_us), true, 0, CHECK_TIME_MAX_US},
    {AT(reservation_add, end_us), true, 0, CHECK_TIME_MAX_US},
};
static const struct bound reservation_edge[] = {WALL(reservation_edge, start_us),
                                                POLICY(reservation_edge)};
static const struct bound feed_set[] = {{AT(feed_set, every_us), true, 0, FEED_EVERY_MOST}};
static const struct bound day_begin[] = {WALL(day_begin, at_us)};
static const struct bound plans[] = {POLICY(plans)};

struct bounds {
    const struct bound *items;
    size_t n;
};

static struct bounds bounds_of(enum record_type type)
{
    switch ((unsigned)type) {
#define OF(TYPE, name)  \
    case RECORD_##TYPE: \
        return (struct bounds){name, CQ_COUNT(name)};
        OF(EPOCH_START, epoch_start)
        OF(ENTERPRISE_ADD, enterprise_add)
        OF(PRINCIPAL_ADD, principal_add)
        OF(PROJECT_ADD, project_add)
        OF(COUNTERS, counters)
        OF(NUMBERING, numbering)
        OF(JOB_SUBMIT, job_submit)
        OF(JOB_HOLD, job_hold)
        OF(JOB_RELEASE, job_release)
        OF(JOB_CANCEL, job_cancel)
        OF(TASK_REQUEUE, task_requeue)
        OF(TASK_PREEMPT, task_preempt)
        OF(WORKER_ADD, worker_add)
        OF(WORKER_UP, worker_up)
        OF(LEASE_OPEN, lease_open)
        OF(ATTEMPT_ASSIGN, attempt_assign)
        OF(ATTEMPT_END, attempt_end_rec)
        OF(LEASE_CLOSE, lease_close_rec)
        OF(LEASE_ADOPT, lease_adopt)
        OF(LEAF_ADD, leaf_add)
        OF(NODE_SETTINGS, node_settings)
        OF(FEATURE_SET, feature_set)
        OF(FEATURE_EXTERNAL, feature_external)
        OF(RESERVATION_ADD, reservation_add)
        OF(RESERVATION_EDGE, reservation_edge)
        OF(FEED_SET, feed_set)
        OF(DAY_BEGIN, day_begin)
        OF(PLANS, plans)
#undef OF
    default:
        return (struct bounds){NULL, 0};
    }
}

static bool is_within(const struct record *r, const struct bound *b)
{
    uint64_t bits;
    memcpy(&bits, (const char *)r + b->at, sizeof bits);
    if (!b->is_signed)
        return bits >= (uint64_t)b->least && bits <= (uint64_t)b->most;
    int64_t value;
    memcpy(&value, &bits, sizeof value);
    return value >= b->least && value <= b->most;
}

int apply_check_bounds(const struct record *r, struct cq_err *err)
{
    const struct bounds all = bounds_of(r->type);
    for (size_t i = 0; i < all.n; i++)
        if (!is_within(r, &all.items[i]))
            return cq_fail(err, CQ_E_INTERNAL, "its %s is out of range", all.items[i].name);
    return 0;
}
