/* LOG_QUERY: finds out which attempt on which machine is meant, asks that worker, passes the bytes
 * on. A reader that follows waits: for the task to start (here), or for more bytes (the worker). */
#include "scheduler/daemon/requests.h"
#include "scheduler/daemon/views.h"

#include "common/base/pure/mem.h"

#include <inttypes.h>

enum { READS_MAX = 1024, READS_OF_ONE_MAX = 128, DEFAULT_BYTES = 65536, MACHINES_MAX = 64 };

struct log_read {
    struct asker asker;
    struct enterprise_id enterprise;
    char *enterprise_name; /* as asked, for messages */
    uint64_t number, task, attempt, offset, max;
    bool follow;
    uint64_t when_away;
    char awaited[64];             /* the machine that is waited for; "" = none */
    uint64_t id;                  /* request id at the worker; 0 = not asked yet */
    struct job_id job;            /* not over when it was looked up; else 0 */
    bool waits;                   /* not started: looked at again when the job changes */
    bool has_changed;             /* the job, since the store was asked: the answer may be old */
    uint64_t worker;              /* principal of the worker that was asked */
    uint64_t tried[MACHINES_MAX]; /* of a task that no row tells the machine of */
    size_t n_tried;
    bool is_guess;
    bool is_looking; /* a question to the store is open; it owns the read */
    struct log_read *next;
};

struct logs {
    struct log_read *first;
    size_t n;
    uint64_t last_id;
};

struct logs *logs_new(void)
{
    return CQ_NEW(struct logs);
}

static void read_free(struct log_read *r)
{
    free(r->enterprise_name);
    free(r);
}

static void read_unlink(struct logs *l, struct log_read *r)
{
    struct log_read **at = &l->first;
    while (*at != NULL && *at != r)
        at = &(*at)->next;
    if (*at != NULL) {
        *at = r->next;
        l->n--;
    }
}

void logs_free(struct logs *l)
{
    while (l != NULL && l->first != NULL) {
        struct log_read *r = l->first;
        l->first = r->next;
        read_free(r);
    }
    free(l);
}

static void end_read(struct daemon *d, struct log_read *r)
{
    read_unlink(d->logs, r);
    read_free(r);
}

static void fail_read(struct daemon *d, struct log_read *r, const struct cq_err *err)
{
    reply_error(d, &r->asker, err);
    end_read(d, r);
}

static void answer(struct daemon *d, struct log_read *r, uint64_t offset, struct wire_bin data,
                   bool at_end)
{
    struct msg m = {.code = MSG_LOG_DATA};
    m.u.log_data.offset = offset;
    m.u.log_data.data = data;
    m.u.log_data.at_end = at_end;
    m.u.log_data.attempt = r->attempt;
    reply(d, &r->asker, &m);
    end_read(d, r);
}

/* ---- asking a worker ---- */

static void ask_worker(struct daemon *d, struct log_read *r, struct worker_session *s)
{
    r->id = ++d->logs->last_id;
    r->worker = s->principal.v;
    if (r->n_tried < MACHINES_MAX)
        r->tried[r->n_tried++] = s->principal.v;
    struct msg m = {.code = MSG_LOG_READ, .request = r->id};
    m.u.log_read = (struct msg_log_read){.enterprise = view_enterprise_name(d, r->enterprise),
                                         .number = r->number,
                                         .task = r->task,
                                         .attempt = r->attempt,
                                         .offset = r->offset,
                                         .max = r->max,
                                         .follow = r->follow};
    send_to(d, PORT_WORKER, &s->peer, &m);
}

static bool was_tried(const struct log_read *r, uint64_t worker)
{
    for (size_t i = 0; i < r->n_tried; i++)
        if (r->tried[i] == worker)
            return true;
    return false;
}

/* A machine that was not asked yet, by name order for want of knowledge. */
static struct worker_session *next_machine(struct daemon *d, const struct log_read *r)
{
    struct worker_session *best = NULL;
    size_t at = 0;
    void *value;
    while (map_next(&d->worker_sessions, &at, &value)) {
        struct worker_session *s = value;
        if (s->is_welcome && !session_is_revoked(d, s->principal) && !was_tried(r, s->principal.v)
            && (best == NULL || strcmp(s->node, best->node) < 0))
            best = s;
    }
    return r->n_tried < MACHINES_MAX ? best : NULL;
}

/* Its session may be on its way: both sides were gone when chipqd was restarted. */
static void bear_absence(struct daemon *d, struct log_read *r, const char *node)
{
    struct cq_err err = {0};
    struct msg m = {.code = MSG_LOG_DATA};
    if (r->follow && r->when_away == AWAY_IS_AWAITED) {
        (void)cq_copy_text(r->awaited, sizeof r->awaited, node);
    } else if (r->follow && r->when_away == AWAY_IS_TOLD) {
        m.u.log_data = (struct msg_log_data){
            .offset = r->offset, .data = {"", 0}, .attempt = r->attempt, .away = node};
        reply(d, &r->asker, &m);
        end_read(d, r);
    } else {
        (void)cq_fail(&err, CQ_E_NOT_FOUND,
                      "the output is on machine '%.63s', which is away; try again when it is back",
                      node);
        fail_read(d, r, &err);
    }
}

static void ask_node(struct daemon *d, struct log_read *r, const char *node)
{
    r->awaited[0] = '\0';
    r->is_guess = node == NULL || node[0] == '\0';
    struct worker_session *s = r->is_guess ? next_machine(d, r) : worker_session_named(d, node);
    if (s != NULL) {
        ask_worker(d, r, s);
        return;
    }
    if (!r->is_guess) {
        bear_absence(d, r, node);
        return;
    }
    struct cq_err err = {0};
    (void)cq_fail(&err, CQ_E_NOT_FOUND, "no connected machine has this output");
    fail_read(d, r, &err);
}

void logs_on_chunk(struct daemon *d, struct worker_session *s, const struct msg *m)
{
    struct log_read *r = d->logs->first;
    while (r != NULL && (r->id == 0 || r->id != m->request || r->worker != s->principal.v))
        r = r->next;
    if (r == NULL)
        return; /* nobody waits for it any more */
    const struct msg_log_chunk *c = &m->u.log_chunk;
    if (c->error[0] == '\0') {
        answer(d, r, c->offset, c->data, c->at_end);
    } else if (r->is_guess) {
        ask_node(d, r, NULL);
    } else {
        struct cq_err err = {0};
        (void)cq_fail(&err, CQ_E_NOT_FOUND, "%s", c->error);
        fail_read(d, r, &err);
    }
}

/* A worker came (back): what it was asked before may be lost. Reading is repeatable. */
void logs_on_worker(struct daemon *d, struct worker_session *s)
{
    for (struct log_read *r = d->logs->first; r != NULL; r = r->next) {
        if (strcmp(r->awaited, s->node) == 0) {
            r->awaited[0] = '\0';
            ask_worker(d, r, s);
        } else if (r->id != 0 && r->worker == s->principal.v && !r->is_looking) {
            if (r->n_tried > 0)
                r->n_tried--;
            ask_worker(d, r, s);
        }
    }
}

/* ---- which attempt, which machine ---- */

struct live_task {
    uint64_t task, attempt;
    char node[64];
    bool is_found;
};

static void note_task(void *arg, const struct task_view *t)
{
    struct live_task *l = arg;
    if (t->task != l->task)
        return;
    l->is_found = true;
    l->attempt = t->attempt;
    (void)cq_copy_text(l->node, sizeof l->node, t->node ? t->node : "");
}

/* The wanted attempt among those that ended; NULL when no row tells of it. */
static const struct stored_task *find_ended(const struct log_read *r, const struct store_query *q)
{
    const struct stored_task *last = NULL;
    for (size_t i = 0; i < q->n_tasks; i++)
        if (r->attempt == 0 || q->tasks[i].attempt == r->attempt)
            last = &q->tasks[i];
    for (size_t i = 0; i < q->n_earlier && r->attempt != 0; i++)
        if (q->earlier[i].attempt == r->attempt)
            last = &q->earlier[i];
    return last;
}

static bool has_passed(const struct stored_job *j, uint64_t task)
{
    struct ranges passed = {0};
    bool has =
        !j->is_array
            ? j->passed > 0
            : j->passed_ranges != NULL
                  && ranges_parse(j->passed_ranges, INT32_MAX, UINT32_MAX, &passed, NULL) == 0
                  && ranges_has(&passed, (uint32_t)task);
    ranges_fini(&passed);
    return has;
}

static bool has_task(const struct stored_job *j, const struct record *submit, uint64_t task)
{
    if (!j->is_array)
        return task == 0;
    struct ranges all = {0};
    const char *array = submit->u.job_submit.array;
    bool has = array != NULL && ranges_parse(array, INT32_MAX, UINT32_MAX, &all, NULL) == 0
               && ranges_has(&all, (uint32_t)task);
    ranges_fini(&all);
    return has;
}

/* Not started: an answer without bytes, or for a follower no answer yet. */
static void not_started(struct daemon *d, struct log_read *r, bool is_over)
{
    if (r->follow && !is_over)
        r->waits = true;
    else
        answer(d, r, 0, (struct wire_bin){"", 0}, is_over);
}

static void look_up(struct daemon *d, struct log_read *r);

static void choose(struct daemon *d, struct log_read *r, const struct store_query *q)
{
    struct job_id id = core_find_job(d->core, r->enterprise, r->number);
    struct live_task live = {.task = r->task};
    const struct stored_task *ended = find_ended(r, q);
    if (id.v != 0)
        core_each_task(d->core, id, note_task, &live);
    if (live.is_found && (r->attempt == 0 || r->attempt == live.attempt)) {
        r->attempt = live.attempt;
        ask_node(d, r, live.node);
    } else if (ended != NULL) {
        r->attempt = ended->attempt;
        ask_node(d, r, ended->node);
    } else if (has_passed(&q->jobs[0], r->task)) {
        /* of a database of before passes had rows: the attempt after those that failed */
        if (r->attempt == 0)
            r->attempt = q->n_earlier ? q->earlier[q->n_earlier - 1].attempt + 1 : 1;
        ask_node(d, r, q->jobs[0].is_array ? "" : q->jobs[0].node);
    } else if (r->has_changed) {
        look_up(d, r);
    } else {
        not_started(d, r, id.v == 0);
    }
}

static void on_found(struct daemon *d, struct ask *ask, struct store_query *q)
{
    struct log_read *r = ask->data;
    struct cq_err err = {0};
    r->is_looking = false;
    r->asker = ask->asker;
    if (q->n_jobs == 0) {
        (void)no_such_job(r->enterprise_name, r->number, &err);
        fail_read(d, r, &err);
    } else if (!has_task(&q->jobs[0], q->submit, r->task)) {
        (void)cq_fail(&err, CQ_E_NOT_FOUND, "job %" PRIu64 " has no task %" PRIu64, r->number,
                      r->task);
        fail_read(d, r, &err);
    } else {
        choose(d, r, q);
    }
}

/* The asker was revoked, or has too many questions open (it was told). */
static void on_dropped(void *data)
{
    struct log_read *r = data;
    r->is_looking = false;
    r->asker.request = 0; /* nobody gets an answer; logs_note sweeps it */
    r->id = 0;
    r->waits = false;
}

static void look_up(struct daemon *d, struct log_read *r)
{
    struct store_query *q = store_query_new(QUERY_JOB, NULL);
    q->enterprise = r->enterprise;
    q->numbers = cq_calloc(1, sizeof *q->numbers);
    q->numbers[0] = r->number;
    q->n_numbers = 1;
    ranges_add(&q->wanted, (uint32_t)r->task, (uint32_t)r->task);
    r->job = core_find_job(d->core, r->enterprise, r->number);
    r->waits = r->has_changed = false;
    r->awaited[0] = '\0';
    r->is_looking = true;
    (void)ask_store(d, &r->asker, q, on_found, false, r, on_dropped);
}

static bool is_dead(const struct log_read *r)
{
    return !r->is_looking && r->asker.request == 0;
}

static void sweep(struct daemon *d)
{
    for (struct log_read *r = d->logs->first, *next; r != NULL; r = next) {
        next = r->next;
        if (is_dead(r))
            end_read(d, r);
    }
}

void logs_note(struct daemon *d, struct job_id id)
{
    for (struct log_read *r = d->logs->first, *next; r != NULL; r = next) {
        next = r->next;
        if (r->job.v != id.v)
            continue;
        r->has_changed = true;
        if (r->waits || (r->awaited[0] != '\0' && !r->is_looking))
            look_up(d, r);
    }
    sweep(d);
}

void logs_drop_revoked(struct daemon *d)
{
    for (struct log_read *r = d->logs->first, *next; r != NULL; r = next) {
        next = r->next;
        if (r->is_looking || r->asker.request == 0 || !session_is_revoked(d, r->asker.who.id))
            continue; /* one that is looked up is dropped with its answer */
        reply_revoked(d, &r->asker.peer, r->asker.request);
        end_read(d, r);
    }
}

/* ---- LOG_QUERY ---- */

/* Followers that went away leave their reads behind; over the bound the oldest one goes. */
static void make_room(struct daemon *d, struct principal_id p)
{
    struct log_read *oldest = NULL, *oldest_of_one = NULL;
    size_t n_of_one = 0;
    for (struct log_read *r = d->logs->first; r != NULL; r = r->next) {
        if (r->is_looking)
            continue;
        oldest = r;
        if (r->asker.who.id.v == p.v) {
            oldest_of_one = r;
            n_of_one++;
        }
    }
    struct log_read *victim = n_of_one >= READS_OF_ONE_MAX ? oldest_of_one
                              : d->logs->n >= READS_MAX    ? oldest
                                                           : NULL;
    if (victim == NULL)
        return;
    struct cq_err err = {0};
    (void)cq_fail(&err, CQ_E_LIMIT, "too many readers of output; this one was the oldest");
    fail_read(d, victim, &err);
}

void on_log_query(struct daemon *d, const struct asker *a, struct msg *m)
{
    const struct msg_log_query *q = &m->u.log_query;
    struct cq_err err = {0};
    struct enterprise_id e;
    struct authz_object what = {.owner = NULL};
    int rc = scope_find(d, a, q->enterprise, q->number, VERB_JOB_SHAPE, &e, &err);
    if (rc == 0) {
        what.enterprise = e;
        if (!authz(&a->who, VERB_JOB_LOG, &what))
            rc = cq_fail(&err, CQ_E_DENIED, "a %s may not read a job's output",
                         role_name(a->who.role));
        else if (q->task > INT32_MAX)
            rc = cq_fail(&err, CQ_E_NOT_FOUND, "job %" PRIu64 " has no task %" PRIu64, q->number,
                         q->task);
    }
    if (rc != 0) {
        reply_error(d, a, &err);
        return;
    }
    make_room(d, a->who.id);
    struct log_read *r = CQ_NEW(struct log_read);
    *r = (struct log_read){.asker = *a,
                           .enterprise = e,
                           .enterprise_name = cq_strdup(q->enterprise),
                           .number = q->number,
                           .task = q->task,
                           .attempt = q->attempt,
                           .offset = q->offset,
                           .max = q->max ? q->max : DEFAULT_BYTES,
                           .follow = q->follow,
                           .when_away = q->when_away,
                           .next = d->logs->first};
    d->logs->first = r;
    d->logs->n++;
    look_up(d, r);
}
