/* The mutable part of a live job as bytes: what JOB_SNAPSHOT carries. */
#include <inttypes.h>

#include "common/base/pure/flat.h"
#include "common/base/pure/mem.h"
#include "scheduler/core/apply_check.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/grow.h"
#include "scheduler/core/submit.h"

enum { SNAPSHOT_VERSION = 5, SNAPSHOT_TEXT_MAX = 4096, SNAPSHOT_RANGES_MAX = 100000 };
enum { CAUSE_SKIPPED = 1, CAUSE_PART = 2 };
enum { FLAG_KILLING = 1, FLAG_REQUEUED = 2, FLAG_SHOWN = 4, FLAG_RUN = 8 };

void snapshot_put_ranges(struct cq_str *out, const struct ranges *r)
{
    flat_put_u64(out, r->n);
    for (size_t i = 0; i < r->n; i++) {
        flat_put_u64(out, ranges_items(r)[i].first);
        flat_put_u64(out, ranges_items(r)[i].last - ranges_items(r)[i].first);
    }
}

bool snapshot_get_ranges(struct flat_reader *in, struct ranges *r)
{
    size_t n = flat_get_count(in, SNAPSHOT_RANGES_MAX);
    ranges_fini(r);
    for (size_t i = 0; i < n; i++) {
        uint64_t first = flat_get_u64(in), more = flat_get_u64(in);
        if (in->failed || first > TASK_MAX || more > SNAPSHOT_RANGES_MAX || first + more > TASK_MAX)
            return false;
        ranges_add(r, (uint32_t)first, (uint32_t)(first + more));
    }
    return !in->failed;
}

static void put_task(struct cq_str *out, const struct task *t)
{
    flat_put_u64(out, t->number);
    flat_put_u64(out, t->attempt);
    flat_put_u64(out, t->state);
    flat_put_u64(out, t->losses);
    flat_put_u64(out, t->failures);
    flat_put_u64(out, t->returns);
    flat_put_u64(out, (t->is_killing ? FLAG_KILLING : 0u) | (t->is_requeued ? FLAG_REQUEUED : 0u)
                          | (t->is_shown ? FLAG_SHOWN : 0u) | (t->has_run ? FLAG_RUN : 0u));
    flat_put_i64(out, t->start_us);
    flat_put_u64(out, t->preemptions);
    flat_put_i64(out, t->preempted_us);
    flat_put_u64(out, t->mem_mib);
    flat_put_u64(out, t->growths);
}

/* The size that it is in the queue with, and those that wait with another. */
static void put_sizes(const struct job *job, struct cq_str *out)
{
    size_t n = job->later ? job->later->n : 0;
    flat_put_u64(out, grow_mem_mib(job));
    flat_put_u64(out, n);
    for (size_t i = 0; i < n; i++) {
        flat_put_u64(out, job->later->items[i].mem_mib);
        snapshot_put_ranges(out, &job->later->items[i].tasks);
    }
    flat_put_u64(out, job->first.mem_mib);
    flat_put_u64(out, job->first.n_too_little);
    flat_put_u64(out, job->first.n_enough);
}

void job_snapshot_encode(const struct job *job, struct cq_str *out)
{
    flat_put_u64(out, SNAPSHOT_VERSION);
    flat_put_u64(out, job->is_held);
    flat_put_u64(out, job->worst);
    flat_put_i64(out, job->start_us);
    flat_put_u64(out, job->mean_run_us);
    flat_put_u64(out, job->last_attempt);
    flat_put_text(out, job->end_cause);
    flat_put_text(out, job->node);
    const struct ranges *all[] = {&job->waiting, &job->blocked, &job->passed,
                                  &job->failed,  &job->killed,  &job->lost};
    for (size_t i = 0; i < CQ_COUNT(all); i++)
        snapshot_put_ranges(out, all[i]);
    struct task **tasks = job_tasks(job);
    flat_put_u64(out, job->tasks.n);
    for (size_t i = 0; i < job->tasks.n; i++)
        put_task(out, tasks[i]);
    free(tasks);
    deps_encode_state(job->deps, job->n_deps, out);
    flat_put_u64(out,
                 (job->is_skipped ? CAUSE_SKIPPED : 0u) | (job->is_part_cause ? CAUSE_PART : 0u));
    flat_put_i64(out, job->ready_us);
    flat_put_i64(out, job->waiting_us);
    put_sizes(job, out);
}

static bool get_task(struct flat_reader *in, struct job *job, uint64_t version)
{
    uint64_t number = flat_get_u64(in), attempt = flat_get_u64(in), state = flat_get_u64(in);
    uint64_t losses = flat_get_u64(in), failures = flat_get_u64(in), returns = flat_get_u64(in);
    uint64_t flags = flat_get_u64(in);
    int64_t start_us = flat_get_i64(in);
    uint64_t preemptions = version >= 3 ? flat_get_u64(in) : 0;
    int64_t preempted_us = version >= 3 ? flat_get_i64(in) : 0;
    uint64_t mem_mib = version >= 4 ? flat_get_u64(in) : job->asked->mem_mib;
    uint64_t growths = version >= 4 ? flat_get_u64(in) : 0;
    bool ok = !in->failed && number < UINT32_MAX && attempt < UINT32_MAX && state < TASK_STATE_COUNT
              && losses < UINT32_MAX && failures < UINT32_MAX && returns < UINT32_MAX
              && growths < UINT32_MAX && !job_task(job, (uint32_t)number)
              && (task_state_is_live((enum task_state)state) || state == TASK_WAITING
                  || state == TASK_ASKING);
    if (!ok)
        return false;
    struct task *t = CQ_NEW(struct task);
    *t = (struct task){.number = (uint32_t)number,
                       .attempt = (uint32_t)attempt,
                       .state = (enum task_state)state,
                       .losses = (uint32_t)losses,
                       .failures = (uint32_t)failures,
                       .returns = (uint32_t)returns,
                       .is_killing = flags & FLAG_KILLING,
                       .is_requeued = flags & FLAG_REQUEUED,
                       .is_shown = flags & FLAG_SHOWN,
                       .has_run = flags & FLAG_RUN,
                       .start_us = start_us,
                       .preemptions = (uint32_t)preemptions,
                       .preempted_us = preempted_us,
                       .mem_mib = mem_mib,
                       .growths = (uint32_t)growths};
    map_put(&job->tasks, number + 1, t);
    job->n_running += task_state_is_live(t->state);
    job->n_asking += t->state == TASK_ASKING;
    return true;
}

static char *text_or_null(struct flat_reader *in)
{
    char *text = flat_get_text(in, SNAPSHOT_TEXT_MAX);
    if (*text)
        return text;
    free(text);
    return NULL;
}

static bool get_sizes(struct core *c, struct job *job, struct flat_reader *in)
{
    grow_enter(c, job, flat_get_u64(in));
    size_t n = flat_get_count(in, SNAPSHOT_RANGES_MAX);
    for (size_t i = 0; i < n; i++) {
        struct ranges r = {0};
        uint64_t mem_mib = flat_get_u64(in);
        bool ok = snapshot_get_ranges(in, &r) && !ranges_is_empty(&r);
        if (ok)
            grow_wait_all(job, &r, mem_mib);
        ranges_fini(&r);
        if (!ok)
            return false;
    }
    return !in->failed;
}

static bool get_first_size(struct job *job, struct flat_reader *in)
{
    uint64_t mem_mib = flat_get_u64(in), n_too_little = flat_get_u64(in),
             n_enough = flat_get_u64(in);
    job->first = (struct first_size){mem_mib, (uint32_t)n_too_little, (uint32_t)n_enough};
    return !in->failed && n_too_little <= UINT32_MAX && n_enough <= UINT32_MAX;
}

static bool decode(struct core *c, struct job *job, struct flat_reader *in)
{
    uint64_t version = flat_get_u64(in);
    if (version < 1 || version > SNAPSHOT_VERSION)
        return false;
    job->is_held = flat_get_u64(in) != 0;
    uint64_t worst = flat_get_u64(in);
    job->start_us = flat_get_i64(in);
    job->mean_run_us = flat_get_u64(in);
    job->last_attempt = flat_get_u64(in);
    job->end_cause = text_or_null(in);
    job->node = text_or_null(in);
    job->worst = worst < VERDICT_COUNT ? (enum verdict)worst : VERDICT_ERROR;
    struct ranges *all[] = {&job->waiting, &job->blocked, &job->passed,
                            &job->failed,  &job->killed,  &job->lost};
    for (size_t i = 0; i < CQ_COUNT(all); i++)
        if (!snapshot_get_ranges(in, all[i]))
            return false;
    size_t n = flat_get_count(in, SNAPSHOT_RANGES_MAX);
    for (size_t i = 0; i < n; i++)
        if (!get_task(in, job, version))
            return false;
    if (!deps_decode_state(c, job, in))
        return false;
    uint64_t cause = version >= 2 ? flat_get_u64(in) : 0;
    job->is_skipped = cause & CAUSE_SKIPPED;
    job->is_part_cause = cause & CAUSE_PART;
    job->ready_us = version >= 3 ? flat_get_i64(in) : job->submit_us;
    job->waiting_us = version >= 3 ? flat_get_i64(in) : job->ready_us;
    return (version < 4 || get_sizes(c, job, in)) && (version < 5 || get_first_size(job, in))
           && flat_at_end(in);
}

/* All that it has when it comes: `to` gets them. */
static void tasks_of(const struct job *job, struct ranges *to)
{
    ranges_copy(to, &job->waiting);
    ranges_add_all(to, &job->blocked);
}

static int read_and_check(struct core *c, struct job *job, const struct record_bytes *state,
                          struct cq_err *err)
{
    struct flat_reader in = flat_reader_of(state->data, state->len);
    struct ranges all = {0};
    tasks_of(job, &all);
    int rc = decode(c, job, &in) ? apply_check_job(job, &all, err)
                                 : cq_fail(err, CQ_E_INTERNAL,
                                           "the snapshot of job %" PRIu64 " is damaged", job->id);
    ranges_fini(&all);
    return rc;
}

int job_snapshot_apply(struct core *c, struct job *job, const struct record_bytes *state,
                       struct cq_err *err)
{
    if (read_and_check(c, job, state, err) != 0)
        return -1;
    uint64_t ended = job->passed.count + job->failed.count + job->killed.count + job->lost.count;
    if (ended + job_waiting(job) + job->n_running != job->n_tasks)
        return cq_fail(err, CQ_E_INTERNAL, "the snapshot of job %" PRIu64 " does not add up",
                       job->id);
    if (ended == job->n_tasks)
        return cq_fail(err, CQ_E_INTERNAL, "the snapshot of job %" PRIu64 " is of one that is over",
                       job->id);
    if (job->age_index != QUEUE_NOWHERE)
        heap_fix(&c->queue.by_age, job->age_index); /* it is older than it was a moment ago */
    job_refresh(c, job, 0);
    job->is_new = job->is_dirty = false; /* what the store has is what we hold */
    depend_seal_never(c, job);
    return 0;
}
