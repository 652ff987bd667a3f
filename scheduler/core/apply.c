/* The one door: every change of durable state, live and at load, goes through core_apply. It
 * changes memory only and never fails half-way on a record of our own making. At load a record may
 * be of somebody else's making: apply_check.h looks at it first. */
#include "scheduler/core/apply_check.h"
#include "scheduler/core/config.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/learn.h"
#include "scheduler/core/quota.h"

static int apply_epoch(struct core *c, const struct epoch_start *r)
{
    c->epoch_changed |= r->epoch > c->epoch;
    c->epoch = r->epoch > c->epoch ? r->epoch : c->epoch;
    return 0;
}

static int apply_counters(struct core *c, const struct counters *r)
{
    if (r->next_id > c->next_id)
        c->next_id = r->next_id;
    c->is_from_rows = c->is_loading;
    share_saw_landmark(c, r->landmark_us);
    budget_see(c, r->day_us);
    return 0;
}

/* Policy time of what may let a job start or changes what is charged; 0 for other records. */
static int64_t policy_time_of(const struct record *r)
{
    switch ((unsigned)r->type) {
#define TIMED(TYPE, name) \
    case RECORD_##TYPE:   \
        return r->u.name.policy_us;
        TIMED(COUNTERS, counters)
        TIMED(JOB_SUBMIT, job_submit)
        TIMED(JOB_HOLD, job_hold)
        TIMED(JOB_RELEASE, job_release)
        TIMED(JOB_CANCEL, job_cancel)
        TIMED(TASK_REQUEUE, task_requeue)
        TIMED(TASK_PREEMPT, task_preempt)
        TIMED(LEASE_OPEN, lease_open)
        TIMED(ATTEMPT_ASSIGN, attempt_assign)
        TIMED(ATTEMPT_END, attempt_end_rec)
        TIMED(LEASE_CLOSE, lease_close_rec)
        TIMED(NODE_SETTINGS, node_settings)
        TIMED(RESERVATION_EDGE, reservation_edge)
        TIMED(PLANS, plans)
#undef TIMED
    default:
        return 0;
    }
}

/* A replay takes policy time from the records, so that shares come out as they were. */
void core_saw_time(struct core *c, int64_t policy_us)
{
    if (policy_us > c->told_us) {
        c->told_us = policy_us;
        c->counters_changed = true;
    }
    if (c->is_loading && policy_us > c->policy_us)
        c->policy_us = policy_us;
}

static int apply(struct core *c, const struct record *r, struct cq_err *err)
{
    core_saw_time(c, policy_time_of(r));
    switch (r->type) {
    case RECORD_EPOCH_START:
        return apply_epoch(c, &r->u.epoch_start);
    case RECORD_COUNTERS:
        return apply_counters(c, &r->u.counters);
    case RECORD_ENTERPRISE_ADD:
    case RECORD_PRINCIPAL_ADD:
    case RECORD_PRINCIPAL_REVOKE:
    case RECORD_PROJECT_ADD:
    case RECORD_NUMBERING:
    case RECORD_ENTERPRISE_REMOVE:
        return people_apply(c, r, err);
    case RECORD_JOB_SUBMIT:
    case RECORD_JOB_HOLD:
    case RECORD_JOB_RELEASE:
    case RECORD_JOB_CANCEL:
    case RECORD_TASK_REQUEUE:
    case RECORD_JOB_SNAPSHOT:
    case RECORD_TASK_PREEMPT:
        return job_apply(c, r, err);
    case RECORD_WORKER_ADD:
    case RECORD_WORKER_UP:
    case RECORD_WORKER_DOWN:
    case RECORD_WORKER_DRAIN:
        return worker_apply(c, r, err);
    case RECORD_LEASE_OPEN:
    case RECORD_ATTEMPT_ASSIGN:
    case RECORD_ATTEMPT_START:
    case RECORD_ATTEMPT_END:
    case RECORD_LEASE_CLOSE:
    case RECORD_LEASE_ADOPT:
    case RECORD_LEASE_SNAPSHOT:
        return lease_apply(c, r, err);
    case RECORD_LEAF_ADD:
    case RECORD_SHARE_STATE:
        return share_apply(c, r, err);
    case RECORD_RESERVATION_ADD:
    case RECORD_RESERVATION_REMOVE:
    case RECORD_RESERVATION_EDGE:
        return calendar_apply(c, r, err);
    case RECORD_NODE_SETTINGS:
        return config_apply(c, r, err);
    case RECORD_BACKUP: /* for the audit alone */
        return 0;
    case RECORD_DAY_BEGIN:
        budget_see(c, r->u.day_begin.at_us);
        return 0;
    case RECORD_PLANS:
        holds_apply(c, &r->u.plans);
        return 0;
    case RECORD_MEM_LEARNED:
        return learn_apply(c, &r->u.mem_learned, err);
    case RECORD_FEATURE_SET:
    case RECORD_FEATURE_EXTERNAL:
    case RECORD_FEED_SET:
        return licence_apply(c, r, err);
    case RECORD_NONE:
        break;
    }
    return cq_fail(err, CQ_E_INTERNAL, "record type %u cannot be applied", (unsigned)r->type);
}

int core_apply(struct core *c, const struct record *r, struct cq_err *err)
{
    if (!c->is_loading)
        return apply(c, r, err);
    if (apply_check(c, r, err) == 0 && apply(c, r, err) == 0)
        return 0;
    return apply_refuse(r, err);
}
