/* JOBS_QUERY, JOB_QUERY, WHY_QUERY: rows of the store, completed by what only the core knows. */
#include "scheduler/daemon/requests.h"
#include "scheduler/daemon/request_view.h"
#include "scheduler/daemon/views.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/places.h"
#include "common/base/sys/files.h"

#include <inttypes.h>

enum {
    REASONS_MAX = 64,
    ROWS_MAX = QUERY_ROWS_MAX,
    JOB_BYTES_MAX = 800 * 1024,
    PIECES_MAX = 1000,
    TEXTS_A_ROW = 4
};

/* May the asker see all of a job there, or its shape only? */
static bool is_shape_only(const struct asker *a, struct enterprise_id e)
{
    struct authz_object what = {.enterprise = e};
    return !authz(&a->who, VERB_JOB_SEE, &what);
}

/* ---- JOBS ---- */

static bool state_from_name(const char *name, enum job_state *state)
{
    for (unsigned i = JOB_NONE + 1; i < JOB_STATE_COUNT; i++)
        if (strcmp(job_state_name((enum job_state)i), name) == 0) {
            *state = (enum job_state)i;
            return true;
        }
    return false;
}

static void send_rows(struct daemon *d, const struct ask *ask, const struct store_query *q)
{
    const char *enterprise = view_enterprise_name(d, q->enterprise);
    struct job_row *rows CQ_CLEANUP(cq_free_ptr) = cq_calloc(q->n_jobs + 1, sizeof *rows);
    struct reason *reasons CQ_CLEANUP(cq_free_ptr) = cq_calloc(q->n_jobs + 1, sizeof *reasons);
    struct brief_memo memo = {0};
    size_t bytes = 0, n = 0;
    for (; n < q->n_jobs && bytes < JOB_BYTES_MAX; n++) {
        rows[n] = view_job_row(&q->jobs[n], enterprise);
        view_job_row_live(d, core_find_job(d->core, q->enterprise, q->jobs[n].number), &rows[n],
                          &reasons[n], &memo);
        if (ask->shape_only)
            view_job_row_shape_only(&rows[n]);
        bytes += view_job_row_bytes(&rows[n]);
    }
    struct msg m = {.code = MSG_JOBS};
    m.u.jobs.jobs = rows;
    m.u.jobs.n_jobs = n;
    m.u.jobs.has_more = q->has_more || n < q->n_jobs;
    reply(d, &ask->asker, &m);
}

static void on_jobs(struct daemon *d, struct ask *ask, struct store_query *q)
{
    send_rows(d, ask, q);
}

void on_jobs_query(struct daemon *d, const struct asker *a, struct msg *m)
{
    const struct msg_jobs_query *j = &m->u.jobs_query;
    struct cq_err err = {0};
    struct enterprise_id e;
    enum job_state state = JOB_NONE;
    if (j->state[0] && !state_from_name(j->state, &state))
        (void)cq_fail(&err, CQ_E_INVALID, "'%s' is no state of a job", j->state);
    else if (scope_find(d, a, j->enterprise, 0, VERB_JOB_SHAPE, &e, &err) == 0) {
        struct store_query *q = store_query_new(QUERY_JOBS, NULL);
        q->enterprise = e;
        q->state = state;
        q->live_only = j->live_only;
        q->before = j->before;
        q->limit = j->limit;
        bool shape_only = is_shape_only(a, e);
        q->user = cq_strdup(shape_only ? "" : j->user);
        q->project = cq_strdup(shape_only ? "" : j->project);
        q->flow = cq_strdup(shape_only ? "" : j->flow);
        (void)ask_store(d, a, q, on_jobs, shape_only, NULL, NULL);
        return;
    }
    reply_error(d, a, &err);
}

/* ---- one job ---- */

struct one_job { /* what the question was, for the answer */
    char *enterprise;
    uint64_t number, task;
    bool has_task; /* reasons and expected start are of that task */
};

static void one_job_free(void *data)
{
    struct one_job *o = data;
    free(o->enterprise);
    free(o);
}

/* `of`: without its enterprise; copied. */
static void ask_one(struct daemon *d, const struct asker *a, const char *enterprise,
                    struct one_job of, struct ranges *wanted, ask_done_fn done)
{
    struct cq_err err = {0};
    struct enterprise_id e;
    if (scope_find(d, a, enterprise, of.number, VERB_JOB_SHAPE, &e, &err) != 0) {
        reply_error(d, a, &err);
        return;
    }
    struct one_job *o = CQ_NEW(struct one_job);
    *o = of;
    o->enterprise = cq_strdup(enterprise);
    struct store_query *q = store_query_new(QUERY_JOB, NULL);
    q->enterprise = e;
    q->numbers = cq_calloc(1, sizeof *q->numbers);
    q->numbers[0] = of.number;
    q->n_numbers = 1;
    q->wanted = *wanted;
    *wanted = (struct ranges){0};
    (void)ask_store(d, a, q, done, is_shape_only(a, e), o, one_job_free);
}

/* Everything that the JOB answer borrows. */
struct job_answer {
    struct daemon *d;
    const struct store_query *q;
    struct job_row row;
    struct reason of_job, reasons[REASONS_MAX];
    struct reason_row reason_rows[REASONS_MAX];
    size_t n_reasons;
    struct task_row *tasks, *earlier; /* ROWS_MAX of each, when they are told; else NULL */
    size_t n_tasks, n_earlier, bytes;
    char **texts; /* that rows borrow */
    size_t n_texts;
    const char *places_of; /* machine whose cores `places` has; NULL: none yet */
    struct places places;
    struct order_view order;
    struct dep_dir *deps;
    struct request_view request;
    struct cq_str argv, mem_why;
};

static void answer_fini(struct job_answer *w)
{
    for (size_t i = 0; i < w->n_texts; i++)
        free(w->texts[i]);
    free(w->texts);
    free(w->tasks);
    free(w->earlier);
    places_fini(&w->places);
    order_view_fini(&w->order);
    request_view_fini(&w->request);
    free(w->deps);
    cq_str_fini(&w->argv);
    cq_str_fini(&w->mem_why);
    free(w);
}

static void add_paths(struct job_answer *w, struct task_row *t)
{
    const char *dir = w->d->options->dir, *e = w->row.enterprise;
    uint64_t number = w->row.number;
    t->log_path = w->texts[w->n_texts++] =
        path_format("%s/output/%s/%" PRIu64 "/%" PRIu64 ".%" PRIu64 ".log", dir, e, number, t->task,
                    t->attempt);
    bool may_be_there = t->outputs == OUTPUTS_PUBLISHED
                        || (t->outputs == OUTPUTS_UNKNOWN && t->end_us > 0); /* of an old row */
    if (!may_be_there)
        return;
    t->output_dir = w->texts[w->n_texts++] =
        path_format("%s/results/%s/%" PRIu64 "/%" PRIu64, dir, e, number, t->task);
}

/* As the machine is now; of one that is gone or has other cores now nothing is known. */
static void add_numa(struct job_answer *w, struct task_row *t)
{
    struct bitset cores CQ_CLEANUP(bitset_fini) = {0};
    struct cq_str numa = {0};
    if (*t->node == '\0' || bitset_parse(t->cores, &cores, NULL) != 0)
        return;
    if (w->places_of == NULL || strcmp(w->places_of, t->node) != 0) {
        places_fini(&w->places);
        (void)places_read(core_worker_topology(w->d->core, t->node), &w->places);
        w->places_of = t->node;
    }
    places_numa(&w->places, &cores, &numa);
    if (numa.len > 0)
        t->numa = w->texts[w->n_texts++] = cq_str_take(&numa);
}

/* Of a task that runs. */
static void add_offline(struct job_answer *w, struct task_row *t)
{
    struct bitset cores CQ_CLEANUP(bitset_fini) = {0}, offline CQ_CLEANUP(bitset_fini) = {0};
    struct cq_str text = {0};
    if (*t->node == '\0' || bitset_parse(t->cores, &cores, NULL) != 0)
        return;
    core_worker_offline(w->d->core, core_find_worker(w->d->core, t->node), &offline);
    bitset_and(&offline, &cores);
    bitset_format(&offline, &text);
    if (text.len > 0)
        t->offline = w->texts[w->n_texts++] = cq_str_take(&text);
}

/* False when the frame's bound would be passed. */
static bool add_task(struct job_answer *w, struct task_row *rows, size_t *n, struct task_row t)
{
    size_t bytes = 700 + strlen(t.result ? t.result : "") + strlen(t.cores ? t.cores : "");
    if (*n == ROWS_MAX || w->bytes + bytes > JOB_BYTES_MAX)
        return false;
    w->bytes += bytes;
    rows[*n] = t;
    add_numa(w, &rows[*n]);
    add_paths(w, &rows[(*n)++]);
    return true;
}

static void add_live_task(void *arg, const struct task_view *t)
{
    struct job_answer *w = arg;
    if (w->q->wanted.n > 0 && !ranges_has(&w->q->wanted, (uint32_t)t->task))
        return;
    if (add_task(w, w->tasks, &w->n_tasks, view_task_row_live(t)))
        add_offline(w, &w->tasks[w->n_tasks - 1]);
}

static int by_task(const void *a, const void *b)
{
    const struct task_row *x = a, *y = b;
    return (x->task > y->task) - (x->task < y->task);
}

static bool has_row(const struct job_answer *w, uint64_t task, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (w->tasks[i].task == task)
            return true;
    return false;
}

/* Tasks of an array that were asked for by name, passed and have no row: of a database of before
 * these had any, only ranges. */
static void add_plain_passes(struct job_answer *w)
{
    const struct stored_job *j = &w->q->jobs[0];
    const struct ranges *wanted = &w->q->wanted;
    struct ranges passed = {0};
    size_t n = w->n_tasks;
    bool has_room = j->is_array && wanted->n > 0 && j->passed_ranges
                    && ranges_parse(j->passed_ranges, INT32_MAX, UINT32_MAX, &passed, NULL) == 0;
    for (size_t i = 0; has_room && i < wanted->n; i++)
        for (uint64_t k = ranges_items(wanted)[i].first;
             has_room && k <= ranges_items(wanted)[i].last; k++)
            if (ranges_has(&passed, (uint32_t)k) && !has_row(w, k, n))
                has_room = add_task(w, w->tasks, &w->n_tasks, view_task_row_passed(k));
    ranges_fini(&passed);
}

static void add_ended(struct job_answer *w, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (!add_task(w, w->tasks, &w->n_tasks, view_task_row(&w->q->tasks[i])))
            break;
}

static void add_tasks(struct job_answer *w, struct job_id id)
{
    w->tasks = cq_calloc(ROWS_MAX, sizeof *w->tasks);
    w->earlier = cq_calloc(ROWS_MAX, sizeof *w->earlier);
    w->texts = cq_calloc((size_t)TEXTS_A_ROW * 2 * ROWS_MAX, sizeof *w->texts);
    if (id.v != 0)
        core_each_task(w->d->core, id, add_live_task, w);
    add_ended(w, 0, w->q->n_told);
    for (size_t i = 0; i < w->q->n_earlier; i++)
        if (!add_task(w, w->earlier, &w->n_earlier, view_task_row(&w->q->earlier[i])))
            break;
    add_ended(w, w->q->n_told, w->q->n_tasks);
    add_plain_passes(w);
    qsort(w->tasks, w->n_tasks, sizeof w->tasks[0], by_task);
}

static struct task_id task_of(const struct one_job *o, struct job_id id)
{
    return (struct task_id){id, (uint32_t)o->task};
}

static size_t explain(const struct daemon *d, const struct one_job *o, struct job_id id,
                      struct reason *reasons)
{
    struct now now = loop_now(d->loop);
    if (id.v == 0)
        return 0;
    return o->has_task ? core_explain_task(d->core, task_of(o, id), now, reasons, REASONS_MAX)
                       : core_explain(d->core, id, now, reasons, REASONS_MAX);
}

/* What it depends on has a name: not for those who see no names. */
static struct reason_row reason_row_of(const struct reason *r, bool shape_only)
{
    bool is_hidden = shape_only && strcmp(r->code, "WAIT_DEPENDENCY") == 0;
    return (struct reason_row){.code = r->code,
                               .text = is_hidden ? core_reason_text(r->code) : r->text,
                               .advice = is_hidden ? "" : r->advice,
                               .tasks = r->tasks};
}

static void add_reasons(struct job_answer *w, const struct ask *ask, struct job_id id)
{
    w->n_reasons = explain(w->d, ask->data, id, w->reasons);
    for (size_t i = 0; i < w->n_reasons; i++)
        w->reason_rows[i] = reason_row_of(&w->reasons[i], ask->shape_only);
}

static void add_deps(struct job_answer *w, struct job_id id)
{
    core_view_order(w->d->core, id, &w->order);
    size_t n = w->order.n_deps;
    w->deps = cq_calloc(n + 1, sizeof *w->deps);
    for (size_t i = 0; i < n; i++)
        w->deps[i] = (struct dep_dir){.name = w->order.deps[i].name,
                                      .number = w->order.deps[i].number,
                                      .is_array = w->order.deps[i].is_array,
                                      .attempt = w->order.deps[i].attempt};
}

static struct job_answer *answer_new(struct daemon *d, const struct ask *ask,
                                     const struct store_query *q, struct job_id id)
{
    struct job_answer *w = CQ_NEW(struct job_answer);
    w->d = d;
    w->q = q;
    w->row = view_job_row(&q->jobs[0], view_enterprise_name(d, q->enterprise));
    view_job_row_live(d, id, &w->row, &w->of_job, NULL);
    if (ask->shape_only)
        view_job_row_shape_only(&w->row);
    add_reasons(w, ask, id);
    return w;
}

/* What those may know who see more than a job's shape. */
static void tell_all(struct job_answer *w, struct job_id id, struct msg_job *m)
{
    const struct store_query *q = w->q;
    const struct job_submit *s = &q->submit->u.job_submit;
    add_tasks(w, id);
    if (id.v != 0)
        add_deps(w, id);
    view_argv(s->run.data, s->run.len, &w->argv);
    core_explain_mem(s, w->row.enterprise, w->row.project, &w->mem_why);
    w->row.mem_why = cq_str_text(&w->mem_why);
    w->row.is_whole = s->exclusive != 0;
    request_view_init(&w->request, s);
    m->request = &w->request.row;
    m->n_request = 1;
    m->tasks = w->tasks;
    m->n_tasks = w->n_tasks;
    m->earlier = w->earlier;
    m->n_earlier = w->n_earlier;
    m->deps = w->deps;
    m->n_deps = w->order.n_deps;
    m->argv = cq_str_text(&w->argv);
    m->passed = q->jobs[0].passed_ranges;
    m->killed = q->jobs[0].killed_ranges;
    m->killed_by = id.v ? core_killed_by(w->d->core, id) : q->jobs[0].end_cause;
}

static void on_job(struct daemon *d, struct ask *ask, struct store_query *q)
{
    struct one_job *o = ask->data;
    if (q->n_jobs == 0) {
        struct cq_err err = {0};
        (void)no_such_job(o->enterprise, o->number, &err);
        reply_error(d, &ask->asker, &err);
        one_job_free(o);
        return;
    }
    struct job_id id = core_find_job(d->core, q->enterprise, o->number);
    struct job_answer *w = answer_new(d, ask, q, id);
    struct msg m = {.code = MSG_JOB};
    m.u.job.job = &w->row;
    m.u.job.n_job = 1;
    if (!ask->shape_only)
        tell_all(w, id, &m.u.job);
    m.u.job.reasons = w->reason_rows;
    m.u.job.n_reasons = w->n_reasons;
    reply(d, &ask->asker, &m);
    answer_fini(w);
    one_job_free(o);
}

void on_job_query(struct daemon *d, const struct asker *a, struct msg *m)
{
    struct ranges wanted = {0};
    struct cq_err err = {0};
    int rc = 0;
    if (m->u.job_query.tasks[0])
        rc = ranges_parse(m->u.job_query.tasks, INT32_MAX, 100000, &wanted, &err);
    if (rc == 0 && wanted.n > PIECES_MAX) /* each is a look-up */
        rc = cq_fail(&err, CQ_E_LIMIT, "ask for at most %d ranges of tasks at once", PIECES_MAX);
    if (rc != 0) {
        ranges_fini(&wanted);
        reply_error(d, a, &err);
        return;
    }
    ask_one(d, a, m->u.job_query.enterprise, (struct one_job){.number = m->u.job_query.number},
            &wanted, on_job);
}

static void add_expected_start(const struct daemon *d, const struct one_job *o, struct job_id id,
                               struct msg_why *why)
{
    struct start_estimate e;
    struct now now = loop_now(d->loop);
    bool is_known = id.v != 0
                    && (o->has_task ? core_expect_task_start(d->core, task_of(o, id), now, &e)
                                    : core_expect_start(d->core, id, now, &e));
    if (!is_known)
        return;
    why->expect_from_us = e.from_us;
    why->expect_to_us = e.to_us;
}

static void on_why(struct daemon *d, struct ask *ask, struct store_query *q)
{
    struct one_job *o = ask->data;
    if (q->n_jobs == 0) {
        struct cq_err err = {0};
        (void)no_such_job(o->enterprise, o->number, &err);
        reply_error(d, &ask->asker, &err);
    } else {
        struct job_id id = core_find_job(d->core, q->enterprise, o->number);
        struct job_answer *w = answer_new(d, ask, q, id);
        struct msg m = {.code = MSG_WHY};
        m.u.why.job = &w->row;
        m.u.why.n_job = 1;
        m.u.why.reasons = w->reason_rows;
        m.u.why.n_reasons = w->n_reasons;
        add_expected_start(d, o, id, &m.u.why);
        reply(d, &ask->asker, &m);
        answer_fini(w);
    }
    one_job_free(o);
}

void on_why_query(struct daemon *d, const struct asker *a, struct msg *m)
{
    const struct msg_why_query *w = &m->u.why_query;
    const struct one_job of = {.number = w->number, .task = w->task, .has_task = w->has_task};
    struct cq_err err = {0};
    struct ranges all = {0};
    if (w->task > INT32_MAX) {
        (void)cq_fail(&err, CQ_E_INVALID, "there is no task with so large a number");
        reply_error(d, a, &err);
        return;
    }
    ask_one(d, a, w->enterprise, of, &all, on_why);
}
