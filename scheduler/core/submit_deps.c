/* Dependencies of the jobs of a SUBMIT: looked up, checked against the arrays they pair, free of
 * cycles. */
#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "scheduler/core/submit.h"

/* ---- dependencies ---- */

static bool same_tasks(const struct ranges *a, const struct ranges *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (ranges_items(a)[i].first != ranges_items(b)[i].first
            || ranges_items(a)[i].last != ranges_items(b)[i].last)
            return false;
    return true;
}

static int check_arrays(const struct ranges *mine, bool is_array, const char *name,
                        struct cq_err *err)
{
    if (mine->n > 0 && is_array)
        return 0;
    if (is_array)
        return cq_fail(err, CQ_E_INVALID,
                       "aftercorr pairs the tasks of two arrays; this job is none");
    return cq_fail(err, CQ_E_INVALID, "aftercorr pairs the tasks of two arrays; '%.63s' is none",
                   name);
}

static int check_same_array(const struct ranges *mine, const struct ranges *theirs,
                            const char *name, struct cq_err *err)
{
    if (check_arrays(mine, theirs->n > 0, name, err) != 0)
        return -1;
    if (mine->n > 0 && same_tasks(mine, theirs))
        return 0;
    return cq_fail(err, CQ_E_INVALID,
                   "aftercorr needs two arrays with the same task numbers; '%.63s' has others",
                   name);
}

static void set_ended(struct dep *d, const struct in_dep *in, bool ended_ok)
{
    d->job = 0;
    d->state = dep_judge(in->when, ended_ok);
    d->attempt = in->attempt;
    d->is_array = in->is_array;
}

/* What of an array that is over did not pass never will: those tasks of ours are skipped. */
static int set_left(struct dep *d, const struct ranges *mine, const struct ranges *passed,
                    uint64_t n_theirs, struct cq_err *err)
{
    if (check_arrays(mine, d->is_array, d->name, err) != 0)
        return -1;
    ranges_copy(&d->left, mine);
    ranges_subtract(&d->left, passed);
    d->state = DEP_MET;
    if (mine->count == n_theirs && d->left.count + passed->count == n_theirs)
        return 0;
    return cq_fail(err, CQ_E_INVALID,
                   "aftercorr needs two arrays with the same task numbers; '%.63s' has others",
                   d->name);
}

static int resolve_in_store(const struct submit *s, size_t i, const struct in_dep *in,
                            struct dep *d, struct cq_err *err)
{
    d->name = cq_strdup(in->name ? in->name : "");
    set_ended(d, in, in->outcome == OUTCOME_OK);
    if (in->when != DEP_AFTERCORR)
        return 0;
    struct ranges passed = {0};
    const char *text = in->passed ? in->passed : "";
    int bad = *text ? ranges_parse(text, TASK_MAX, ARRAY_MAX, &passed, err) : 0;
    bad = bad ? bad : set_left(d, &s->arrays[i], &passed, in->tasks, err);
    ranges_fini(&passed);
    return bad;
}

static int resolve_in_memory(const struct submit *s, size_t i, const struct in_dep *in,
                             struct dep *d, struct cq_err *err)
{
    const struct job *on =
        job_find_number(s->core, (struct enterprise_id){s->who->enterprise->id}, in->number);
    if (on == NULL)
        return cq_fail(err, CQ_E_STALE, "job %" PRIu64 " is no longer live", in->number);
    d->name = cq_strdup(own_part_name(on->own));
    d->is_array = on->is_array;
    if (job_state_is_terminal(on->state)) {
        set_ended(d, in, on->state == JOB_DONE);
        d->is_array = on->is_array;
        d->attempt = on->is_array ? 0 : on->last_attempt;
        return in->when == DEP_AFTERCORR ? set_left(d, &s->arrays[i], &on->passed, on->n_tasks, err)
                                         : 0;
    }
    d->job = on->id;
    d->state = DEP_WAITING;
    if (in->when != DEP_AFTERCORR)
        return 0;
    struct ranges theirs = {0};
    const char *array = on->asked->array;
    int bad = on->is_array ? ranges_parse(array, TASK_MAX, ARRAY_MAX, &theirs, err) : 0;
    bad = bad ? bad : check_same_array(&s->arrays[i], &theirs, d->name, err);
    ranges_fini(&theirs);
    return bad;
}

static int resolve_in_submit(const struct submit *s, size_t i, const struct in_dep *in,
                             struct dep *d, struct cq_err *err)
{
    if (in->index < 1 || in->index > s->req->n_jobs)
        return cq_fail(err, CQ_E_INVALID, "it depends on job #%" PRIu64 " of %zu", in->index,
                       s->req->n_jobs);
    const struct in_job *on = &s->req->jobs[in->index - 1];
    d->name = cq_strdup(on->name);
    d->is_array = *on->array != '\0';
    d->job = in->index; /* becomes an id when the ids are given */
    d->state = DEP_WAITING;
    if (in->when != DEP_AFTERCORR)
        return 0;
    return check_same_array(&s->arrays[i], &s->arrays[in->index - 1], on->name, err);
}

static int resolve(const struct submit *s, size_t i, const struct in_dep *in, struct dep *d,
                   struct cq_err *err)
{
    *d = (struct dep){.when = in->when, .number = in->number};
    if ((unsigned)in->when > DEP_AFTERCORR)
        return cq_fail(err, CQ_E_INVALID, "a dependency is of no known kind");
    if (in->number == 0)
        return resolve_in_submit(s, i, in, d, err);
    switch (in->outcome) {
    case OUTCOME_LIVE:
        return resolve_in_memory(s, i, in, d, err);
    case OUTCOME_OK:
    case OUTCOME_NOTOK:
        return resolve_in_store(s, i, in, d, err);
    case OUTCOME_UNKNOWN:
    case OUTCOME_NO_SUCH_JOB:
        break;
    }
    return cq_fail(err, CQ_E_NOT_FOUND, "it depends on job %" PRIu64 ", and there is no such job",
                   in->number);
}

int submit_resolve_deps(struct submit *s, size_t i, struct cq_err *err)
{
    const struct in_job *j = &s->req->jobs[i];
    if (j->n_deps > JOBS_MAX)
        return cq_fail(err, CQ_E_LIMIT, "%zu dependencies; at most %d", j->n_deps, JOBS_MAX);
    s->deps[i] = cq_calloc(j->n_deps, sizeof(struct dep));
    for (size_t k = 0; k < j->n_deps; k++) {
        if (resolve(s, i, &j->deps[k], &s->deps[i][k], err) != 0)
            return -1;
        s->n_pairs += j->deps[k].when == DEP_AFTERCORR ? s->arrays[i].count : 0;
        if (s->n_pairs > PAIRS_MAX)
            return cq_fail(err, CQ_E_LIMIT,
                           "too many tasks wait for their counterpart: more than %d in one submit",
                           PAIRS_MAX);
    }
    return 0;
}

/* ---- cycles: depth first without recursion ---- */

enum { UNSEEN, ON_PATH, FINISHED };

struct walk {
    uint8_t *seen;
    size_t *path, *next; /* jobs on the path; the next dependency of each */
    size_t n;
};

static void report_cycle(const struct submit *s, const struct walk *w, size_t back,
                         struct cq_err *err)
{
    struct cq_str text = {0};
    char title[64];
    size_t from = 0;
    while (w->path[from] != back)
        from++;
    for (size_t i = from; i < w->n; i++) {
        cq_str_add(&text, submit_title(s, w->path[i], title, sizeof title));
        cq_str_add(&text, " -> ");
    }
    cq_str_add(&text, submit_title(s, back, title, sizeof title));
    (void)cq_fail(err, CQ_E_INVALID, "the jobs depend on each other in a circle: %s",
                  cq_str_text(&text));
    cq_str_fini(&text);
}

/* The next job of this submit that the path's last one depends on and that is not known to be free
 * of circles; SIZE_MAX when there is none left. */
static size_t next_dep(const struct submit *s, struct walk *w)
{
    size_t job = w->path[w->n - 1];
    const struct in_job *j = &s->req->jobs[job];
    while (w->next[w->n - 1] < j->n_deps) {
        const struct in_dep *d = &j->deps[w->next[w->n - 1]++];
        if (d->number == 0 && w->seen[d->index - 1] != FINISHED)
            return (size_t)d->index - 1;
    }
    return SIZE_MAX;
}

static void enter(struct walk *w, size_t job)
{
    w->seen[job] = ON_PATH;
    w->next[w->n] = 0;
    w->path[w->n++] = job;
}

static bool walk_from(const struct submit *s, struct walk *w, size_t start, struct cq_err *err)
{
    w->n = 0;
    enter(w, start);
    while (w->n > 0) {
        size_t to = next_dep(s, w);
        if (to == SIZE_MAX) {
            w->seen[w->path[--w->n]] = FINISHED;
        } else if (w->seen[to] == ON_PATH) {
            report_cycle(s, w, to, err);
            return false;
        } else {
            enter(w, to);
        }
    }
    return true;
}

int submit_check_cycles(const struct submit *s, struct cq_err *err)
{
    size_t n = s->req->n_jobs;
    struct walk w = {.seen = cq_calloc(n, 1),
                     .path = cq_calloc(n + 1, sizeof(size_t)),
                     .next = cq_calloc(n + 1, sizeof(size_t))};
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++)
        if (w.seen[i] == UNSEEN)
            ok = walk_from(s, &w, i, err);
    free(w.seen);
    free(w.path);
    free(w.next);
    return ok ? 0 : -1;
}
