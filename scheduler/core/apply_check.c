/* Records against the state that they are applied to, while it is loaded. */
#include "scheduler/core/apply_check.h"

#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "scheduler/core/calendar_state.h"
#include "scheduler/core/grow.h"
#include "scheduler/core/submit.h"

#define BOOKED_MOST_US (INT64_C(1) << 50) /* one occurrence: 35 years */

/* ---- who and when ---- */

/* Enterprises, projects and leaves are nodes of one tree. */
static int check_node_id(const struct core *c, uint64_t id, struct cq_err *err)
{
    if (share_node_find(c, id) == NULL)
        return 0;
    return cq_fail(err, CQ_E_INTERNAL, "id %" PRIu64 " is that of another node of the share tree",
                   id);
}

/* Rows that sum up what was before any job that is loaded. */
static int check_early(const struct core *c, struct cq_err *err)
{
    if (c->jobs.by_id.n == 0 && c->leases.by_id.n == 0)
        return 0;
    return cq_fail(err, CQ_E_INTERNAL, "it comes behind jobs or leases");
}

static int check_counters(const struct core *c, const struct counters *r, struct cq_err *err)
{
    int64_t told_us = r->policy_us > c->told_us ? r->policy_us : c->told_us;
    if (r->landmark_us > told_us)
        return cq_fail(err, CQ_E_INTERNAL, "usage is counted from a time that was not yet");
    return check_early(c, err);
}

/* What is charged is charged from the landmark on; records of old versions tell no time. */
static int check_charge(const struct core *c, int64_t policy_us, struct cq_err *err)
{
    if (policy_us == 0 || policy_us >= c->share.landmark_us)
        return 0;
    return cq_fail(err, CQ_E_INTERNAL, "its policy_us is before the time from which usage counts");
}

static int check_rates(int64_t rate, int64_t inner, struct cq_err *err)
{
    if (rate >= 0 && inner >= 0 && check_rate(rate, 1) && check_rate(inner, 1))
        return 0;
    return cq_fail(err, CQ_E_INTERNAL, "its charge is out of range");
}

static int check_leaf(const struct core *c, const struct leaf_add *r, struct cq_err *err)
{
    const struct project *project = people_project(c, r->project);
    const struct principal *who = people_principal(c, r->principal);
    if (project && who && project->enterprise == who->enterprise)
        return 0;
    return cq_fail(err, CQ_E_INTERNAL, "its user is not of its project's enterprise");
}

/* ---- jobs ---- */

static bool is_subset(const struct ranges *part, const struct ranges *all)
{
    struct ranges rest = {0};
    ranges_copy(&rest, part);
    ranges_subtract(&rest, all);
    bool yes = ranges_is_empty(&rest);
    ranges_fini(&rest);
    return yes;
}

static int check_dep(const struct job_submit *s, const struct dep *d, const struct ranges *tasks,
                     struct cq_err *err)
{
    if (d->job == s->id || d->job > CHECK_ID_MAX)
        return cq_fail(err, CQ_E_INTERNAL, "it waits for job id %" PRIu64, d->job);
    if (d->left.n > 0 && (d->when != DEP_AFTERCORR || !is_subset(&d->left, tasks)))
        return cq_fail(err, CQ_E_INTERNAL, "it waits for tasks that it does not have");
    return 0;
}

static int check_deps(const struct job_submit *s, struct cq_err *err)
{
    struct dep *deps = NULL;
    size_t n = 0;
    struct ranges tasks = {0};
    if (s->deps.len == 0)
        return 0;
    if (s->array == NULL || *s->array == '\0')
        ranges_add(&tasks, 0, 0);
    else if (ranges_parse(s->array, TASK_MAX, ARRAY_MAX, &tasks, err) != 0)
        return -1;
    int rc = deps_decode(&s->deps, &deps, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = check_dep(s, &deps[i], &tasks, err);
    deps_fini(deps, n);
    ranges_fini(&tasks);
    return rc;
}

static int check_submit(const struct core *c, const struct job_submit *s, struct cq_err *err)
{
    struct layout_wish wish = {0};
    const struct principal *who = people_principal(c, s->principal);
    const struct enterprise *e = people_enterprise(c, s->enterprise);
    if (who == NULL || e == NULL || who->enterprise != e)
        return cq_fail(err, CQ_E_INTERNAL, "its user is not of its enterprise");
    if (s->topo && !layout_read_wish(s->topo, &wish))
        return cq_fail(err, CQ_E_INTERNAL, "its topo '%.40s' cannot be read", s->topo);
    return check_deps(s, err);
}

static int check_fresh(const struct core *c, const struct job_snapshot *r, struct cq_err *err)
{
    const struct job *job = job_find(c, r->job);
    if (job == NULL
        || (job->is_new && job->tasks.n == 0 && job->later == NULL && job->end_cause == NULL
            && ranges_is_empty(&job->killed)))
        return 0;
    return cq_fail(err, CQ_E_INTERNAL, "it does not follow the job's own record");
}

static bool has_more(struct ranges *sum, const struct ranges *part)
{
    uint64_t before = sum->count;
    ranges_add_all(sum, part);
    return sum->count == before + part->count;
}

static bool is_waiting(const struct job *job, uint32_t task)
{
    struct grow_place place;
    return grow_place(job, task, &place);
}

/* Each task is in one place, and there is no other. */
static bool is_partition(const struct job *job, const struct ranges *all)
{
    const struct ranges *const sets[] = {&job->waiting, &job->blocked, &job->passed,
                                         &job->failed,  &job->killed,  &job->lost};
    struct ranges sum = {0};
    bool ok = true;
    void *item;
    for (size_t i = 0; i < CQ_COUNT(sets); i++)
        ok = has_more(&sum, sets[i]) && ok;
    for (size_t i = 0; job->later && i < job->later->n; i++)
        ok = has_more(&sum, &job->later->items[i].tasks) && ok;
    for (size_t i = 0; map_next(&job->tasks, &i, &item);) {
        const struct task *t = item;
        const struct ranges one = {.at.one = {t->number, t->number}, .n = 1, .count = 1};
        ok = ok && (t->state == TASK_WAITING ? is_waiting(job, t->number) : has_more(&sum, &one));
    }
    ok = ok && sum.count == all->count && is_subset(&sum, all);
    ranges_fini(&sum);
    return ok;
}

/* What is blocked waits for a counterpart, and who waits for somebody says for whom. */
static bool are_deps_sound(const struct job *job, const struct ranges *all)
{
    struct ranges left = {0};
    bool ok = true;
    for (size_t i = 0; i < job->n_deps; i++) {
        const struct dep *d = &job->deps[i];
        ok = ok && (d->state != DEP_WAITING || d->job != 0)
             && (d->left.n == 0 || (d->when == DEP_AFTERCORR && is_subset(&d->left, all)));
        ranges_add_all(&left, &d->left);
    }
    ok = ok && (ranges_is_empty(&job->blocked) || is_subset(&job->blocked, &left));
    ranges_fini(&left);
    return ok;
}

static bool are_sizes_sound(const struct job *job)
{
    void *item;
    bool ok = grow_mem_mib(job) <= MEM_MIB_MAX && job->first.mem_mib <= MEM_MIB_MAX;
    for (size_t i = 0; job->later && i < job->later->n; i++)
        ok = ok && job->later->items[i].mem_mib <= MEM_MIB_MAX;
    for (size_t i = 0; map_next(&job->tasks, &i, &item);) {
        const struct task *t = item;
        ok = ok && t->mem_mib <= MEM_MIB_MAX && t->attempt >= 1 && t->attempt < CHECK_ATTEMPT_MAX
             && check_time(t->preempted_us);
    }
    return ok;
}

int apply_check_job(const struct job *job, const struct ranges *all, struct cq_err *err)
{
    if (!is_partition(job, all))
        return cq_fail(err, CQ_E_INTERNAL, "its tasks are not those of the job, each once");
    if (!are_deps_sound(job, all))
        return cq_fail(err, CQ_E_INTERNAL, "what it waits for cannot be");
    if (!are_sizes_sound(job) || job->mean_run_us > (uint64_t)CHECK_RUN_MAX_US
        || !check_time(job->ready_us) || !check_time(job->waiting_us))
        return cq_fail(err, CQ_E_INTERNAL, "a size or time in it is out of range");
    return 0;
}

/* ---- workers, leases, attempts ---- */

static int check_down(const struct core *c, const struct worker_down *r, struct cq_err *err)
{
    const struct worker *w = worker_find(c, r->worker);
    if (w == NULL || w->n_leases == 0)
        return 0;
    return cq_fail(err, CQ_E_INTERNAL, "it has leases");
}

static bool is_memory_sound(const struct lease *l)
{
    bool ok = l->mem_mib <= MEM_MIB_MAX;
    for (size_t i = 0; i < l->numa_mem.n; i++)
        ok = ok && l->numa_mem.mib[i] <= MEM_MIB_MAX;
    return ok;
}

static bool is_beside_exclusive(const struct worker *w)
{
    for (size_t i = 0; i < w->n_leases; i++)
        if (w->leases[i]->class && w->leases[i]->class->shape->exclusive)
            return true;
    return false;
}

int apply_check_lease(const struct lease *l, struct cq_err *err)
{
    const struct enterprise *e = l->leaf ? l->leaf->enterprise : NULL;
    if (e == NULL || e->id != l->enterprise)
        return cq_fail(err, CQ_E_INTERNAL, "its user is not of its enterprise");
    if (!l->worker->is_up || is_beside_exclusive(l->worker))
        return cq_fail(err, CQ_E_INTERNAL, "its worker %s",
                       l->worker->is_up ? "is another's as a whole" : "is not up");
    if (bitset_count(&l->cores) == 0 || !is_memory_sound(l))
        return cq_fail(err, CQ_E_INTERNAL, "its cores or its memory cannot be");
    if (l->id > CHECK_ID_MAX || l->epoch > CHECK_ID_MAX || l->first_epoch > l->epoch)
        return cq_fail(err, CQ_E_INTERNAL, "its id or its epochs cannot be");
    if (l->mean_run_us > (uint64_t)CHECK_RUN_MAX_US || !check_time(l->opened_us)
        || !check_time(l->head_since_us) || !check_time(l->recalled_from_us))
        return cq_fail(err, CQ_E_INTERNAL, "a time in it is out of range");
    return check_rates(l->rate, l->inner_rate, err);
}

static int check_assign(const struct core *c, const struct attempt_assign *r, struct cq_err *err)
{
    const struct lease *l = lease_find(c, r->lease);
    const struct job *job = job_find(c, r->job);
    if (l == NULL || job == NULL)
        return 0; /* refused by its door */
    if (l->leaf != job->class->leaf)
        return cq_fail(err, CQ_E_INTERNAL, "lease id %" PRIu64 " is another user's", l->id);
    if (l->n >= CHECK_QUEUE_MAX)
        return cq_fail(err, CQ_E_INTERNAL, "lease id %" PRIu64 " has too much to run", l->id);
    if (job->class->shape->exclusive && l->worker->n_leases > 1)
        return cq_fail(err, CQ_E_INTERNAL, "it wants a whole machine, and is not alone");
    return 0;
}

static int check_end(const struct core *c, const struct attempt_end_rec *r, struct cq_err *err)
{
    const struct lease *l = lease_find(c, r->lease);
    if (l && r->worker != 0 && r->worker != l->worker->id)
        return cq_fail(err, CQ_E_INTERNAL, "it is told by another worker");
    return check_charge(c, r->policy_us, err);
}

/* ---- licences, bookings ---- */

/* Jobs and leases name features by their names. */
static int check_feature(const struct core *c, const struct feature_set *r, struct cq_err *err)
{
    const struct feature *f = feature_find(c, r->id);
    const char *name = r->name ? r->name : "";
    if (!is_name(name) || (f && !f->is_removed && strcmp(f->name, name) != 0))
        return cq_fail(err, CQ_E_INTERNAL, "its name '%.40s' cannot be", name);
    const struct enterprise *owner = r->owner ? people_enterprise(c, r->owner) : NULL;
    bool narrows = f && !f->is_removed && (r->removed || (owner && owner != f->owner));
    if (narrows && licence_asked(c, f, r->removed ? NULL : owner) > 0)
        return cq_fail(err, CQ_E_INTERNAL, "live jobs ask for %s", name);
    return 0;
}

static int check_booking(const struct reservation_add *r, struct cq_err *err)
{
    const int64_t day_us = INT64_C(86400) * US_PER_S;
    int64_t length_us = r->end_us - r->start_us;
    if (length_us > 0 && length_us <= BOOKED_MOST_US
        && (r->every_days == 0 || length_us <= (int64_t)r->every_days * day_us))
        return 0;
    return cq_fail(err, CQ_E_INTERNAL, "it begins again before it ends, or is too long");
}

static int check_edge(const struct core *c, const struct reservation_edge *r, struct cq_err *err)
{
    if (check_rates(r->rate, r->inner_rate, err) != 0)
        return -1;
    if (r->state != BOOKING_BEGUN && (r->rate != 0 || r->inner_rate != 0))
        return cq_fail(err, CQ_E_INTERNAL, "it is charged, and has not begun");
    if (!calendar_has_occurrence(c, r->id, r->start_us))
        return cq_fail(err, CQ_E_INTERNAL, "its booking does not begin then");
    return r->at_us == 0 ? 0 : check_charge(c, r->policy_us, err);
}

/* ---- all ---- */

static int check_state(const struct core *c, const struct record *r, struct cq_err *err)
{
    switch ((unsigned)r->type) {
    case RECORD_ENTERPRISE_ADD:
        return check_node_id(c, r->u.enterprise_add.id, err);
    case RECORD_PROJECT_ADD:
        return check_node_id(c, r->u.project_add.id, err);
    case RECORD_COUNTERS:
        return check_counters(c, &r->u.counters, err);
    case RECORD_JOB_SUBMIT:
        return check_submit(c, &r->u.job_submit, err);
    case RECORD_JOB_SNAPSHOT:
        return check_fresh(c, &r->u.job_snapshot, err);
    case RECORD_WORKER_DOWN:
        return check_down(c, &r->u.worker_down, err);
    case RECORD_LEASE_OPEN:
        return check_charge(c, r->u.lease_open.policy_us, err);
    case RECORD_LEASE_CLOSE:
        return check_charge(c, r->u.lease_close_rec.policy_us, err);
    case RECORD_ATTEMPT_ASSIGN:
        return check_assign(c, &r->u.attempt_assign, err);
    case RECORD_ATTEMPT_END:
        return check_end(c, &r->u.attempt_end_rec, err);
    case RECORD_LEAF_ADD:
        return check_leaf(c, &r->u.leaf_add, err);
    case RECORD_SHARE_STATE:
    case RECORD_MEM_LEARNED:
        return check_early(c, err);
    case RECORD_FEATURE_SET:
        return check_feature(c, &r->u.feature_set, err);
    case RECORD_RESERVATION_ADD:
        return check_booking(&r->u.reservation_add, err);
    case RECORD_RESERVATION_EDGE:
        return check_edge(c, &r->u.reservation_edge, err);
    case RECORD_PLANS:
        if (!holds_are_sound(&r->u.plans.state))
            return cq_fail(err, CQ_E_INTERNAL, "it is damaged");
        return 0;
    default:
        return 0;
    }
}

int apply_check(const struct core *c, const struct record *r, struct cq_err *err)
{
    return apply_check_bounds(r, err) == 0 ? check_state(c, r, err) : -1;
}

/* ---- words ---- */

/* What a record is about. 0: of nothing in particular. */
static uint64_t subject_of(const struct record *r, const char **what)
{
    switch ((unsigned)r->type) {
#define OF(TYPE, name, field, word) \
    case RECORD_##TYPE:             \
        *what = word;               \
        return r->u.name.field;
        OF(ENTERPRISE_ADD, enterprise_add, id, "enterprise")
        OF(ENTERPRISE_REMOVE, enterprise_remove, id, "enterprise")
        OF(NUMBERING, numbering, enterprise, "enterprise")
        OF(PRINCIPAL_ADD, principal_add, id, "user")
        OF(PRINCIPAL_REVOKE, principal_revoke, id, "user")
        OF(PROJECT_ADD, project_add, id, "project")
        OF(MEM_LEARNED, mem_learned, project, "project")
        OF(JOB_SUBMIT, job_submit, id, "job")
        OF(JOB_HOLD, job_hold, job, "job")
        OF(JOB_RELEASE, job_release, job, "job")
        OF(JOB_CANCEL, job_cancel, job, "job")
        OF(TASK_REQUEUE, task_requeue, job, "job")
        OF(JOB_SNAPSHOT, job_snapshot, job, "job")
        OF(TASK_PREEMPT, task_preempt, job, "job")
        OF(ATTEMPT_ASSIGN, attempt_assign, job, "job")
        OF(ATTEMPT_START, attempt_start_rec, job, "job")
        OF(ATTEMPT_END, attempt_end_rec, job, "job")
        OF(WORKER_ADD, worker_add, id, "worker")
        OF(WORKER_UP, worker_up, worker, "worker")
        OF(WORKER_DOWN, worker_down, worker, "worker")
        OF(WORKER_DRAIN, worker_drain, worker, "worker")
        OF(LEASE_OPEN, lease_open, lease, "lease")
        OF(LEASE_CLOSE, lease_close_rec, lease, "lease")
        OF(LEASE_ADOPT, lease_adopt, lease, "lease")
        OF(LEASE_SNAPSHOT, lease_snapshot, lease, "lease")
        OF(LEAF_ADD, leaf_add, id, "share node")
        OF(NODE_SETTINGS, node_settings, id, "share node")
        OF(SHARE_STATE, share_state, id, "share node")
        OF(FEATURE_SET, feature_set, id, "feature")
        OF(FEATURE_EXTERNAL, feature_external, id, "feature")
        OF(RESERVATION_ADD, reservation_add, id, "booking")
        OF(RESERVATION_REMOVE, reservation_remove, id, "booking")
        OF(RESERVATION_EDGE, reservation_edge, id, "booking")
#undef OF
    default:
        return 0;
    }
}

int apply_refuse(const struct record *r, struct cq_err *err)
{
    const char *what = "";
    uint64_t id = subject_of(r, &what);
    if (err == NULL)
        return -1;
    err->code = CQ_E_INTERNAL;
    if (id == 0)
        return cq_wrap(err, "record %s does not fit", record_type_name(r->type));
    return cq_wrap(err, "record %s of %s id %" PRIu64 " does not fit", record_type_name(r->type),
                   what, id);
}
