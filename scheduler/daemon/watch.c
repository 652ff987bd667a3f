/* WATCH: newest rows of watched jobs, as events numbered without gaps. Changes are merged between
 * batches, and for as long as the watcher is slow: a watch holds one row a job, never a queue.
 *
 * A client that died is not noticed until something is sent to it. So a watch over the bounds takes
 * the place of an older one, whose client is told, if it still lives. */
#include "scheduler/daemon/requests.h"
#include "scheduler/daemon/views.h"

#include "common/base/pure/mem.h"

enum {
    WATCHES_MAX = 1024,
    WATCHES_OF_ONE_MAX = 100,
    EVENT_BYTES_MAX = 700 * 1024,
    FULL_ROWS_BYTES_MAX = 300 * 1024
};

struct watched {
    struct watch *watch;
    struct job_id id;
    struct stored_job row; /* id 0: nothing seen yet */
    bool is_changed, is_over;
    struct watched *next_of_job; /* other watches of the same job */
};

struct watch {
    struct zpeer peer;
    uint64_t request, seq;
    struct principal_id principal;
    struct enterprise_id enterprise;
    bool shape_only;
    bool is_active; /* its JOBS answer is on its way */
    struct watched *jobs;
    size_t n_jobs, n_changed;
    struct watch *next;
};

struct watches {
    struct watch *first;
    size_t n;
    struct map by_job;  /* job id -> struct watched, a list */
    struct map holders; /* principal id -> struct holder */
};

struct holder {
    struct principal_id principal;
    size_t n; /* watches, at least 1 */
};

struct watches *watches_new(void)
{
    return CQ_NEW(struct watches);
}

static void unlink_job(struct watches *w, struct watched *j)
{
    struct watched *first = map_find(&w->by_job, j->id.v);
    if (j->id.v == 0 || first == NULL)
        return;
    if (first == j) {
        if (j->next_of_job != NULL)
            map_put(&w->by_job, j->id.v, j->next_of_job);
        else
            (void)map_remove(&w->by_job, j->id.v);
        return;
    }
    while (first->next_of_job != NULL && first->next_of_job != j)
        first = first->next_of_job;
    if (first->next_of_job == j)
        first->next_of_job = j->next_of_job;
}

static void link_job(struct watches *w, struct watched *j)
{
    j->next_of_job = map_find(&w->by_job, j->id.v);
    map_put(&w->by_job, j->id.v, j);
}

static size_t count_of(const struct watches *w, struct principal_id p)
{
    const struct holder *h = map_find(&w->holders, p.v);
    return h ? h->n : 0;
}

static void count_one(struct watches *w, struct principal_id p)
{
    struct holder *h = map_find(&w->holders, p.v);
    if (h == NULL) {
        h = CQ_NEW(struct holder);
        h->principal = p;
        map_put(&w->holders, p.v, h);
    }
    h->n++;
    w->n++;
}

static void uncount_one(struct watches *w, struct principal_id p)
{
    struct holder *h = map_find(&w->holders, p.v);
    if (--h->n == 0)
        free(map_remove(&w->holders, p.v));
    w->n--;
}

static void free_watch(struct watches *w, struct watch *v)
{
    uncount_one(w, v->principal);
    for (size_t i = 0; i < v->n_jobs; i++) {
        unlink_job(w, &v->jobs[i]);
        stored_job_fini(&v->jobs[i].row);
    }
    free(v->jobs);
    free(v);
}

/* Frees the watches that `match` picks. */
static void drop_where(struct watches *w, bool (*match)(const struct watch *v, const void *arg),
                       const void *arg)
{
    for (struct watch **at = &w->first; *at != NULL;) {
        struct watch *v = *at;
        if (match(v, arg)) {
            *at = v->next;
            free_watch(w, v);
        } else {
            at = &v->next;
        }
    }
}

static bool is_any(const struct watch *v, const void *arg)
{
    (void)v;
    (void)arg;
    return true;
}

static bool is_it(const struct watch *v, const void *arg)
{
    return v == arg;
}

static bool is_of_peer(const struct watch *v, const void *arg)
{
    return zpeer_equal(&v->peer, arg);
}

static bool is_finished(const struct watch *v, const void *arg)
{
    (void)arg;
    if (!v->is_active || v->n_changed > 0)
        return false;
    for (size_t i = 0; i < v->n_jobs; i++)
        if (!v->jobs[i].is_over)
            return false;
    return true;
}

void watches_free(struct watches *w)
{
    if (w == NULL)
        return;
    drop_where(w, is_any, NULL);
    map_fini(&w->by_job);
    map_fini(&w->holders);
    free(w);
}

void watches_drop_peer(struct daemon *d, const struct zpeer *peer)
{
    drop_where(d->watches, is_of_peer, peer);
}

/* ---- changes ---- */

static void mark(struct watched *j)
{
    if (!j->is_changed)
        j->watch->n_changed++;
    j->is_changed = true;
}

void watches_note(struct daemon *d, const struct job_view *v, const char *metrics)
{
    for (struct watched *j = map_find(&d->watches->by_job, v->id.v); j != NULL;
         j = j->next_of_job) {
        char *kept = metrics == NULL && j->row.metrics ? cq_strdup(j->row.metrics) : NULL;
        uint64_t attempt = j->row.attempt;
        stored_job_fini(&j->row);
        stored_job_of_view(v, metrics ? metrics : kept, &j->row);
        j->row.attempt = j->row.attempt > attempt ? j->row.attempt : attempt;
        free(kept);
        j->is_over = job_state_is_terminal(v->state);
        mark(j);
    }
}

void watches_note_progress(struct daemon *d, struct job_id id)
{
    for (struct watched *j = map_find(&d->watches->by_job, id.v); j != NULL; j = j->next_of_job)
        if (j->row.id != 0)
            mark(j);
}

/* ---- events ---- */

static void send_event(struct daemon *d, struct watch *v)
{
    const char *enterprise = view_enterprise_name(d, v->enterprise);
    struct job_row *rows CQ_CLEANUP(cq_free_ptr) = cq_calloc(v->n_changed, sizeof *rows);
    struct reason *reasons CQ_CLEANUP(cq_free_ptr) = cq_calloc(v->n_changed, sizeof *reasons);
    size_t n = 0, bytes = 0;
    for (size_t i = 0; i < v->n_jobs && bytes < EVENT_BYTES_MAX; i++) {
        struct watched *j = &v->jobs[i];
        if (!j->is_changed)
            continue;
        rows[n] = view_job_row(&j->row, enterprise);
        if (!j->is_over)
            view_job_row_live(d, j->id, &rows[n], &reasons[n], NULL);
        if (v->shape_only)
            view_job_row_shape_only(&rows[n]);
        bytes += view_job_row_bytes(&rows[n]);
        n++;
        j->is_changed = false;
    }
    v->n_changed -= n;
    struct msg m = {.code = MSG_JOB_EVENT, .request = v->request};
    m.u.job_event.seq = ++v->seq;
    m.u.job_event.jobs = rows;
    m.u.job_event.n_jobs = n;
    send_to(d, PORT_CLIENT, &v->peer, &m);
}

static bool is_gone(const struct watch *v, const void *daemon)
{
    return session_is_revoked(daemon, v->principal);
}

void watches_flush(struct daemon *d)
{
    struct watches *w = d->watches;
    if (w->first == NULL)
        return;
    for (struct watch *v = w->first; v != NULL; v = v->next)
        if (is_gone(v, d)) /* its last word: whoever waits for it must not wait for ever */
            reply_revoked(d, &v->peer, v->request);
    drop_where(w, is_gone, d);
    for (struct watch *v = w->first; v != NULL; v = v->next)
        while (v->is_active && v->n_changed > 0 && !outbox_is_stalled(d, &v->peer))
            send_event(d, v);
    drop_where(w, is_finished, NULL);
}

/* ---- WATCH and UNWATCH ---- */

struct watch_key { /* finds the watch again when the store has answered */
    struct zpeer peer;
    uint64_t request;
};

static bool is_asked_by(const struct watch *v, const void *arg)
{
    const struct watch_key *k = arg;
    return v->request == k->request && zpeer_equal(&v->peer, &k->peer);
}

static struct watch *find_watch(struct daemon *d, const struct watch_key *k)
{
    struct watch *v = d->watches->first;
    while (v != NULL && !is_asked_by(v, k))
        v = v->next;
    return v;
}

static const struct stored_job *find_row(const struct store_query *q, uint64_t number)
{
    for (size_t i = 0; i < q->n_jobs; i++)
        if (q->jobs[i].number == number)
            return &q->jobs[i];
    return NULL;
}

static int check_all_found(const struct store_query *q, struct cq_err *err)
{
    for (size_t i = 0; q->n_jobs != q->n_numbers && i < q->n_numbers; i++)
        if (find_row(q, q->numbers[i]) == NULL)
            return no_such_job(NULL, q->numbers[i], err);
    return 0;
}

static void answer_rows(struct daemon *d, const struct ask *ask, const struct store_query *q)
{
    const char *enterprise = view_enterprise_name(d, q->enterprise);
    struct job_row *rows CQ_CLEANUP(cq_free_ptr) = cq_calloc(q->n_jobs + 1, sizeof *rows);
    struct reason *reasons CQ_CLEANUP(cq_free_ptr) = cq_calloc(q->n_jobs + 1, sizeof *reasons);
    size_t bytes = 0;
    for (size_t i = 0; i < q->n_jobs; i++) {
        rows[i] = view_job_row(&q->jobs[i], enterprise);
        view_job_row_live(d, core_find_job(d->core, q->enterprise, q->jobs[i].number), &rows[i],
                          &reasons[i], NULL);
        if (ask->shape_only)
            view_job_row_shape_only(&rows[i]);
        bytes += view_job_row_bytes(&rows[i]);
        if (bytes > FULL_ROWS_BYTES_MAX) /* all rows must go into this one message */
            rows[i].metrics = rows[i].failed_tasks = rows[i].reason = rows[i].stage_of =
                rows[i].tool = "";
    }
    struct msg m = {.code = MSG_JOBS};
    m.u.jobs.jobs = rows;
    m.u.jobs.n_jobs = q->n_jobs;
    reply(d, &ask->asker, &m);
}

static void on_rows(struct daemon *d, struct ask *ask, struct store_query *q)
{
    struct watch_key *k = ask->data;
    struct watch *v = find_watch(d, k);
    struct cq_err err = {0};
    free(k);
    if (v == NULL)
        return; /* UNWATCH came first */
    if (check_all_found(q, &err) != 0) {
        drop_where(d->watches, is_it, v);
        reply_error(d, &ask->asker, &err);
        return;
    }
    if (outbox_is_behind(d, true)) {
        drop_where(d->watches, is_it, v);
        reply_behind(d, &ask->asker);
        return;
    }
    answer_rows(d, ask, q);
    v->is_active = true;
    watches_flush(d); /* what changed since the rows were read */
}

/* Whose watch has to go, so that `asker` can have one more; on a tie the asker's own. */
static struct principal_id find_debtor(const struct watches *w, struct principal_id asker)
{
    struct principal_id most = asker;
    size_t n = count_of(w, asker), at = 0;
    void *value;
    if (n >= WATCHES_OF_ONE_MAX)
        return asker;
    while (map_next(&w->holders, &at, &value)) {
        const struct holder *h = value;
        if (h->n > n) {
            most = h->principal;
            n = h->n;
        }
    }
    return most;
}

static struct watch *oldest_of(const struct watches *w, struct principal_id p)
{
    struct watch *oldest = NULL; /* the newest is first */
    for (struct watch *v = w->first; v != NULL; v = v->next)
        if (v->principal.v == p.v)
            oldest = v;
    return oldest;
}

static void make_room(struct daemon *d, struct principal_id asker)
{
    struct watches *w = d->watches;
    if (w->n < WATCHES_MAX && count_of(w, asker) < WATCHES_OF_ONE_MAX)
        return;
    struct principal_id debtor = find_debtor(w, asker);
    struct watch *v = oldest_of(w, debtor);
    struct msg m = {.code = MSG_ERROR, .request = v->request};
    m.u.error.code = CQ_E_LIMIT;
    m.u.error.text = debtor.v == asker.v
                         ? "another watch of yours took its place"
                         : "too many watches; you had the most, and this the oldest";
    if (!session_is_revoked(d, debtor))
        send_to(d, PORT_CLIENT, &v->peer, &m);
    drop_where(w, is_it, v);
}

/* Registered before the rows are read: no change falls between the two. */
static void add_watch(struct daemon *d, const struct asker *a, const struct msg_watch *m,
                      struct enterprise_id e, bool shape_only)
{
    struct watch *v = CQ_NEW(struct watch);
    v->peer = a->peer;
    v->request = a->request;
    v->principal = a->who.id;
    v->enterprise = e;
    v->shape_only = shape_only;
    v->n_jobs = m->n_numbers;
    v->jobs = cq_calloc(v->n_jobs + 1, sizeof *v->jobs);
    for (size_t i = 0; i < v->n_jobs; i++) {
        struct watched *j = &v->jobs[i];
        j->watch = v;
        j->id = core_find_job(d->core, e, m->numbers[i]);
        j->is_over = j->id.v == 0;
        if (j->id.v != 0)
            link_job(d->watches, j);
    }
    v->next = d->watches->first;
    d->watches->first = v;
    count_one(d->watches, v->principal);
}

void on_watch(struct daemon *d, const struct asker *a, struct msg *m)
{
    const struct msg_watch *w = &m->u.watch;
    struct cq_err err = {0};
    struct enterprise_id e;
    int rc =
        scope_find(d, a, w->enterprise, w->n_numbers ? w->numbers[0] : 1, VERB_JOB_SHAPE, &e, &err);
    if (rc == 0 && w->n_numbers == 0)
        rc = cq_fail(&err, CQ_E_INVALID, "no job to watch");
    if (rc != 0) {
        reply_error(d, a, &err);
        return;
    }
    struct authz_object what = {.enterprise = e};
    bool shape_only = !authz(&a->who, VERB_JOB_SEE, &what);
    struct watch_key *k = CQ_NEW(struct watch_key);
    *k = (struct watch_key){a->peer, a->request};
    struct store_query *q = store_query_new(QUERY_NUMBERS, NULL);
    q->enterprise = e;
    q->n_numbers = w->n_numbers;
    q->numbers = cq_memdup(w->numbers, w->n_numbers * sizeof *q->numbers);
    if (ask_has_room(d, a)) {
        drop_where(d->watches, is_asked_by, k); /* the same request, come twice */
        make_room(d, a->who.id);
        add_watch(d, a, w, e, shape_only);
    }
    (void)ask_store(d, a, q, on_rows, shape_only, k, free);
}

void on_unwatch(struct daemon *d, const struct asker *a, struct msg *m)
{
    (void)m;
    watches_drop_peer(d, &a->peer);
    reply_ok(d, a);
}
