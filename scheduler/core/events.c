/* What workers report about attempts: starts, ends, refusals. Here the fencing token is checked. */
#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/grow.h"

enum { REFUSALS_MAX = 3, CAUSE_MAX_BYTES = 255 }; /* of a cause: what the wire takes */

/* The place of the attempt that a token names, when the token is good: the lease is open and this
 * worker's, its incarnation is the session's, the epoch is one in which it was granted or adopted,
 * and the attempt is its task's current one (only that one is in a lease's queue). */
static struct lease *check_token(const struct core *c, const struct worker *w,
                                 const struct in_attempt *at, size_t *index)
{
    struct lease *l = lease_find(c, at->lease);
    if (l == NULL || l->worker != w || !cq_uuid_equal(&l->incarnation, &w->incarnation)
        || at->epoch < l->first_epoch || at->epoch > l->epoch)
        return NULL;
    *index = lease_item_index(l, at->job, at->task, at->attempt);
    return *index == SIZE_MAX ? NULL : l;
}

static void on_start(struct core *c, const struct worker *w, const struct in_attempt_start *in,
                     struct effects *out)
{
    size_t i;
    const struct lease *l = check_token(c, w, &in->at, &i);
    if (l == NULL || task_state_next(l->queue[i].task->state, TASK_EV_START) == TASK_NONE)
        return; /* stale, or told before */
    struct record *r = record_new(RECORD_ATTEMPT_START);
    r->u.attempt_start_rec = (struct attempt_start_rec){.lease = in->at.lease,
                                                        .job = in->at.job,
                                                        .task = in->at.task,
                                                        .attempt = in->at.attempt,
                                                        .start_us = in->start_us};
    core_emit(c, out, r);
}

static char *copy_or_null(const char *text)
{
    return text && *text ? cq_strdup(text) : NULL;
}

/* What follows an OOM, and a word of it behind what the worker says, while there is room. */
static void decide_growth(const struct core *c, const struct lease *l, const struct lease_item *it,
                          struct attempt_end_rec *end)
{
    struct cq_str words = {0};
    end->next_mem_mib = grow_next_mib(c, l, it->job, it->task);
    if (end->cause)
        cq_str_printf(&words, "%s; ", end->cause);
    size_t len = words.len;
    grow_explain_end(l, it->job, it->task, end->next_mem_mib, &words);
    if (words.len > len && words.len <= CAUSE_MAX_BYTES) {
        free(end->cause);
        end->cause = cq_str_take(&words);
    }
    cq_str_fini(&words);
}

static void emit_end(struct core *c, const struct lease_item *it, const struct in_attempt_end *in,
                     int64_t wall_us, struct effects *out)
{
    const struct lease *l = it->task->lease;
    bool is_known = in->verdict > VERDICT_NONE && in->verdict < VERDICT_COUNT;
    struct record *r = record_new(RECORD_ATTEMPT_END);
    r->u.attempt_end_rec =
        (struct attempt_end_rec){.lease = in->at.lease,
                                 .job = in->at.job,
                                 .task = in->at.task,
                                 .attempt = in->at.attempt,
                                 .verdict = is_known ? in->verdict : VERDICT_ERROR,
                                 .exit_code = in->exit_code,
                                 .signal = in->signal,
                                 .limit = copy_or_null(in->limit),
                                 .start_us = in->start_us,
                                 .end_us = in->end_us,
                                 .run_us = in->run_us,
                                 .cpu_user_us = in->cpu_user_us,
                                 .cpu_system_us = in->cpu_system_us,
                                 .peak_mem_kib = in->peak_mem_kib,
                                 .summary = copy_or_null(in->summary),
                                 .signature = copy_or_null(in->signature),
                                 .result = copy_or_null(in->result),
                                 .cause = copy_or_null(in->cause),
                                 .has_outputs = in->has_outputs,
                                 .at_us = wall_us,
                                 .worker = l->worker->id,
                                 .policy_us = c->policy_us,
                                 .max_rss_kib = in->max_rss_kib,
                                 .io_read_bytes = in->io_read_bytes,
                                 .io_write_bytes = in->io_write_bytes,
                                 .switches = in->switches,
                                 .switches_forced = in->switches_forced,
                                 .mem_mib = l->mem_mib};
    if (in->verdict == VERDICT_OOM)
        decide_growth(c, l, it, &r->u.attempt_end_rec);
    core_emit(c, out, r);
}

/* True when the end counts: now, or since an earlier time that the worker has not heard of. */
static bool on_end(struct core *c, struct worker *w, const struct in_attempt_end *in,
                   int64_t wall_us, struct effects *out)
{
    size_t i;
    const struct lease *l = check_token(c, w, &in->at, &i);
    if (l) {
        emit_end(c, &l->queue[i], in, wall_us, out);
        w->refusals = 0;
        return true;
    }
    return worker_has_accepted(
        w, &(struct accepted){in->at.lease, in->at.job, in->at.task, in->at.attempt});
}

static void ack_ends(const struct core *c, const struct worker *w,
                     const struct in_attempt_end *ends, size_t n, const bool *accepted,
                     struct effects *out)
{
    struct out_attempt *list = cq_calloc(n, sizeof *list);
    size_t at = 0, n_accepted = 0;
    for (int pass = 1; pass >= 0; pass--) {
        for (size_t i = 0; i < n; i++)
            if (accepted[i] == (pass == 1))
                list[at++] = (struct out_attempt){.job = {ends[i].at.job},
                                                  .task = ends[i].at.task,
                                                  .attempt = ends[i].at.attempt};
        if (pass == 1)
            n_accepted = at;
    }
    struct out *o = lease_out(c, w, OUT_ATTEMPT_ACK, 0, out);
    o->attempts = list;
    o->n_attempts = n;
    o->n_accepted = n_accepted;
}

static bool has_started(const struct lease *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->queue[i].task->state != TASK_ASSIGNED)
            return true;
    return false;
}

/* A refusal that came while something still ran there: now nothing does, and what is queued behind
 * it would wait for ever. */
static void close_refused(struct core *c, const struct worker *w, uint64_t id, int64_t wall_us,
                          struct effects *out)
{
    struct lease *l = lease_find(c, id);
    if (l && l->worker == w && l->is_refused && !has_started(l))
        lease_emit_close(c, l, "its worker takes nothing more for it", wall_us, out);
}

void lease_events_step(struct core *c, const struct input *in, struct now now, struct effects *out)
{
    struct worker *w = worker_of_session(c, in, out);
    if (w == NULL)
        return;
    for (size_t i = 0; i < in->u.events.n_starts; i++)
        on_start(c, w, &in->u.events.starts[i], out);
    size_t n = in->u.events.n_ends;
    if (n == 0)
        return;
    bool *accepted = cq_calloc(n, sizeof *accepted);
    for (size_t i = 0; i < n; i++)
        accepted[i] = on_end(c, w, &in->u.events.ends[i], now.wall_us, out);
    ack_ends(c, w, in->u.events.ends, n, accepted, out);
    for (size_t i = 0; i < n; i++)
        close_refused(c, w, in->u.events.ends[i].at.lease, now.wall_us, out);
    free(accepted);
}

static void drain_refuser(struct core *c, const struct worker *w, const char *text, int64_t wall_us,
                          struct effects *out)
{
    struct cq_str why = {0};
    cq_str_printf(&why, "refused %d grants in a row: ", REFUSALS_MAX);
    cq_str_add_printable(&why, text, strlen(text));
    struct record *r = record_new(RECORD_WORKER_DRAIN);
    r->u.worker_drain = (struct worker_drain){
        .worker = w->id, .drain = 1, .at_us = wall_us, .why = cq_str_take(&why)};
    core_emit(c, out, r);
}

void lease_refuse_step(struct core *c, const struct input *in, struct now now, struct effects *out)
{
    struct worker *w = worker_of_session(c, in, out);
    struct lease *l = w ? lease_find(c, in->u.refuse.lease) : NULL;
    if (l == NULL || l->worker != w || in->u.refuse.epoch != l->epoch)
        return; /* stale */
    if (has_started(l)) {
        l->is_refused = true;
        return;
    }
    const char *text = in->u.refuse.text ? in->u.refuse.text : "";
    lease_emit_close(c, l, text, now.wall_us, out);
    if (w->is_leaving)
        return; /* its pool is being stopped: that is no fault of the machine */
    if (w->is_wary)
        return; /* one of several that were under way: they count once */
    w->is_wary = true;
    worker_update(c, w);
    if (++w->refusals >= REFUSALS_MAX && !w->is_drained)
        drain_refuser(c, w, text, now.wall_us, out);
}
