/* The one door: every change of durable state, live and at load, goes through core_apply. It
 * changes memory only and never fails half-way on a record of our own making. */
#include "scheduler/core/core_state.h"

static void apply_epoch(struct core *c, const struct epoch_start *r)
{
    if (r->epoch <= c->epoch)
        return;
    c->epoch = r->epoch;
    c->epoch_changed = true;
}

static void apply_counters(struct core *c, const struct counters *r)
{
    if (r->next_id > c->next_id)
        c->next_id = r->next_id;
}

int core_apply(struct core *c, const struct record *r, struct cq_err *err)
{
    switch (r->type) {
    case RECORD_EPOCH_START:
        apply_epoch(c, &r->u.epoch_start);
        return 0;
    case RECORD_COUNTERS:
        apply_counters(c, &r->u.counters);
        return 0;
    case RECORD_ENTERPRISE_ADD:
    case RECORD_PRINCIPAL_ADD:
    case RECORD_PRINCIPAL_REVOKE:
    case RECORD_PROJECT_ADD:
    case RECORD_NUMBERING:
        return people_apply(c, r, err);
    case RECORD_JOB_SUBMIT:
    case RECORD_JOB_HOLD:
    case RECORD_JOB_RELEASE:
    case RECORD_JOB_CANCEL:
    case RECORD_TASK_REQUEUE:
    case RECORD_JOB_SNAPSHOT:
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
    case RECORD_TASK_PREEMPT:
    case RECORD_LEAF_ADD:
    case RECORD_NODE_SETTINGS:
    case RECORD_ENTERPRISE_REMOVE:
    case RECORD_FEATURE_SET:
    case RECORD_FEATURE_EXTERNAL:
    case RECORD_RESERVATION_ADD:
    case RECORD_RESERVATION_REMOVE:
    case RECORD_SHARE_STATE:
    case RECORD_FEED_SET:
    case RECORD_RESERVATION_EDGE:
    case RECORD_NONE:
        break;
    }
    return cq_fail(err, CQ_E_INTERNAL, "record type %u cannot be applied", (unsigned)r->type);
}
