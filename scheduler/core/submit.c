/* SUBMIT: validates all of it, then makes its records; all jobs or none. */
#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/explain.h"
#include "scheduler/core/placement.h"

enum {
    JOBS_MAX = 1000,
    ARRAY_MAX = 100000,
    TASK_MAX = 999999999,
    CORES_MAX = 4096,
    NAME_BYTES_MAX = 255,
    RUN_BYTES_MAX = 262144,
    PRIORITY_MAX = 10,
    STARTS_MAX = 100,
    PROJECTS_MAX = 10000, /* of one enterprise */
    /* Bounds of what one SUBMIT, which may be short, asks us to remember. */
    PIECES_MAX = 500000, /* ranges of its arrays: "1-200000:2" has 100,000 */
    PAIRS_MAX = 2000000, /* tasks that wait for their counterpart; a job's snapshot holds them */
};

struct submit {
    struct core *core;
    const struct input *in;
    const struct in_submit *req;
    struct now now;
    const struct principal *who;
    struct ranges *arrays; /* of each job */
    struct dep **deps;     /* of each job; ids of jobs of this submit are still places, from 1 */
    uint64_t first_id;
    uint64_t n_pieces, n_pairs;
};

/* How a job is called in messages: its name, else its place. */
static const char *job_title(const struct submit *s, size_t i, char *buf, size_t size)
{
    const struct in_job *job = &s->req->jobs[i];
    struct cq_str t = {0};
    if (*job->name)
        cq_str_add_printable(&t, job->name, strlen(job->name));
    else
        cq_str_printf(&t, "#%zu", i + 1);
    (void)cq_copy_text(buf, size, cq_str_text(&t));
    cq_str_fini(&t);
    return buf;
}

/* ---- one job ---- */

static int check_texts(const struct in_job *j, struct cq_err *err)
{
    if (strlen(j->name) > NAME_BYTES_MAX || !cq_is_utf8(j->name, strlen(j->name)))
        return cq_fail(err, CQ_E_INVALID, "a name is UTF-8 text of at most %d bytes",
                       NAME_BYTES_MAX);
    if (strlen(j->tool) > 127 || strlen(j->stage_of) > NAME_BYTES_MAX)
        return cq_fail(err, CQ_E_INVALID, "tool or stage_of is too long");
    if (!placement_topo_is_valid(j->topo))
        return cq_fail(err, CQ_E_INVALID,
                       "'%.63s' is no topology wish; write pack, spread or any, with ':l3', "
                       "':numa', ':socket' or ':node', and '!' to insist",
                       j->topo);
    return 0;
}

static int check_features(const struct in_job *j, struct cq_err *err)
{
    for (const char *line = j->node_has; *line;) {
        size_t n = strcspn(line, "\n");
        char *one = cq_strndup(line, n);
        bool ok = n == 0 || placement_feature_is_valid(one);
        if (!ok)
            (void)cq_fail(err, CQ_E_INVALID,
                          "'%.63s' is no feature; write gpu, tool=yosys or tool=yosys>=0.23", one);
        free(one);
        if (!ok)
            return -1;
        line += n + (line[n] == '\n');
    }
    return 0;
}

static int check_numbers(const struct in_job *j, struct cq_err *err)
{
    if (j->cores < 1 || j->cores > CORES_MAX)
        return cq_fail(err, CQ_E_INVALID, "cores is %" PRIu64 "; it must be 1 to %d", j->cores,
                       CORES_MAX);
    if (j->mem_mib > (UINT64_C(1) << 40))
        return cq_fail(err, CQ_E_INVALID, "mem is out of range");
    if (j->time_us > INT64_MAX / 4)
        return cq_fail(err, CQ_E_INVALID, "time is out of range");
    if (j->priority < -PRIORITY_MAX || j->priority > PRIORITY_MAX)
        return cq_fail(err, CQ_E_INVALID, "priority is %" PRId64 "; it must be -%d to %d",
                       j->priority, PRIORITY_MAX, PRIORITY_MAX);
    if (j->restart > 1 || j->on_lost > 2 || j->max_attempts > STARTS_MAX
        || j->max_own_failures > STARTS_MAX)
        return cq_fail(err, CQ_E_INVALID, "restart, on_lost or the number of attempts is wrong");
    if (j->run_bytes > RUN_BYTES_MAX)
        return cq_fail(err, CQ_E_LIMIT, "the run specification has %zu bytes; at most %d",
                       j->run_bytes, RUN_BYTES_MAX);
    return 0;
}

static int check_job(struct submit *s, size_t i, struct cq_err *err)
{
    const struct in_job *j = &s->req->jobs[i];
    if (check_texts(j, err) != 0 || check_features(j, err) != 0 || check_numbers(j, err) != 0)
        return -1;
    if (*j->array == '\0')
        return 0;
    if (ranges_parse(j->array, TASK_MAX, ARRAY_MAX, &s->arrays[i], err) != 0)
        return -1;
    s->n_pieces += s->arrays[i].n;
    if (s->n_pieces > PIECES_MAX)
        return cq_fail(err, CQ_E_LIMIT,
                       "the arrays of one submit have too many gaps: more than %d ranges",
                       PIECES_MAX);
    return 0;
}

/* ---- dependencies ---- */

static bool same_tasks(const struct ranges *a, const struct ranges *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (a->items[i].first != b->items[i].first || a->items[i].last != b->items[i].last)
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
    const char *name = on->submit->u.job_submit.name;
    d->name = cq_strdup(name ? name : "");
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
    const char *array = on->submit->u.job_submit.array;
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

static int resolve_deps(struct submit *s, size_t i, struct cq_err *err)
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
        cq_str_add(&text, job_title(s, w->path[i], title, sizeof title));
        cq_str_add(&text, " -> ");
    }
    cq_str_add(&text, job_title(s, back, title, sizeof title));
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

static int check_cycles(const struct submit *s, struct cq_err *err)
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

/* ---- the whole ---- */

/* Projects are made at first use and stay: a flood of names must not fill the memory of all. */
static int check_project(const struct submit *s, struct cq_err *err)
{
    const char *name = *s->req->project ? s->req->project : "default";
    const struct enterprise *home = s->who->enterprise;
    size_t n = 0;
    if (!is_name(name))
        return cq_fail(err, CQ_E_INVALID, "'%.63s' is no project name", name);
    if (people_project_named(s->core, home, name))
        return 0;
    for (size_t i = 0; i < s->core->people.n_projects; i++)
        n += s->core->people.projects[i]->enterprise == home;
    if (n < PROJECTS_MAX)
        return 0;
    return cq_fail(err, CQ_E_LIMIT, "%s has %zu projects already; no more can be made", home->name,
                   n);
}

static int check_all(struct submit *s, struct cq_err *err)
{
    char title[64];
    size_t n = s->req->n_jobs;
    if (n < 1 || n > JOBS_MAX)
        return cq_fail(err, CQ_E_LIMIT, "a submit has 1 to %d jobs, this one %zu", JOBS_MAX, n);
    if (check_project(s, err) != 0)
        return -1;
    if (*s->req->flow && !is_name(s->req->flow))
        return cq_fail(err, CQ_E_INVALID, "'%.63s' is no flow name", s->req->flow);
    for (size_t i = 0; i < n; i++)
        if (check_job(s, i, err) != 0)
            return cq_wrap(err, "job %s", job_title(s, i, title, sizeof title));
    for (size_t i = 0; i < n; i++)
        if (resolve_deps(s, i, err) != 0)
            return cq_wrap(err, "job %s", job_title(s, i, title, sizeof title));
    return check_cycles(s, err);
}

static uint64_t project_id(struct submit *s, struct effects *out)
{
    const char *name = *s->req->project ? s->req->project : "default";
    const struct project *p = people_project_named(s->core, s->who->enterprise, name);
    if (p)
        return p->id;
    struct record *r = record_new(RECORD_PROJECT_ADD);
    uint64_t id = core_new_id(s->core);
    r->u.project_add = (struct project_add){
        .id = id, .enterprise = s->who->enterprise->id, .name = cq_strdup(name)};
    core_emit(s->core, out, r);
    return id;
}

static struct record_bytes bytes_of(const void *data, size_t n)
{
    return (struct record_bytes){.data = cq_memdup(data, n), .len = n};
}

static struct record_bytes deps_of(const struct submit *s, size_t i)
{
    size_t n = s->req->jobs[i].n_deps;
    struct cq_str bytes = {0};
    if (n == 0)
        return (struct record_bytes){0};
    for (size_t k = 0; k < n; k++) {
        struct dep *d = &s->deps[i][k];
        if (s->req->jobs[i].deps[k].number == 0) {
            d->number = s->who->enterprise->next_number - i + d->job - 1;
            d->job = s->first_id + d->job - 1;
        }
    }
    deps_encode(s->deps[i], n, &bytes);
    size_t len = bytes.len;
    return (struct record_bytes){.data = (uint8_t *)cq_str_take(&bytes), .len = len};
}

/* An empty text is NULL in a record: there are many live jobs, and few of them say everything. */
static char *text_or_null(const char *text)
{
    return *text ? cq_strdup(text) : NULL;
}

static struct record *make_record(const struct submit *s, size_t i, uint64_t project)
{
    const struct in_job *j = &s->req->jobs[i];
    const struct core_config *config = &s->core->config;
    struct record *r = record_new(RECORD_JOB_SUBMIT);
    r->u.job_submit =
        (struct job_submit){.id = core_new_id(s->core),
                            .enterprise = s->who->enterprise->id,
                            .number = s->who->enterprise->next_number,
                            .principal = s->who->id,
                            .project = project,
                            .at_us = s->now.wall_us,
                            .client_key = s->req->key,
                            .digest = bytes_of(s->req->digest, sizeof s->req->digest),
                            .submit_index = i,
                            .submit_count = s->req->n_jobs,
                            .flow = text_or_null(s->req->flow),
                            .name = text_or_null(j->name),
                            .tool = text_or_null(j->tool),
                            .stage_of = text_or_null(j->stage_of),
                            .cores = j->cores,
                            .mem_mib = j->mem_mib ? j->mem_mib : config->default_mem_mib,
                            .time_us = j->time_us ? j->time_us : (uint64_t)config->default_time_us,
                            .priority = j->priority,
                            .array = text_or_null(j->array),
                            .array_max_running = j->array_max_running,
                            .hold = j->hold,
                            .restart = j->restart,
                            .on_lost = j->on_lost,
                            .max_attempts = j->max_attempts ? j->max_attempts : 3,
                            .max_own_failures = j->max_own_failures ? j->max_own_failures : 1,
                            .topo = text_or_null(j->topo),
                            .exclusive = j->exclusive,
                            .node_has = text_or_null(j->node_has),
                            .deps = deps_of(s, i),
                            .expects = j->expects,
                            .run = bytes_of(j->run, j->run_bytes)};
    return r;
}

static void format_impossible(const struct submit *s, struct cq_str *out)
{
    char title[64];
    for (size_t i = 0; i < s->req->n_jobs && out->len < 400; i++) {
        const struct job *job = job_find(s->core, s->first_id + i);
        size_t before = out->len;
        if (out->len)
            cq_str_add(out, "; ");
        cq_str_printf(out, "job %s ", job_title(s, i, title, sizeof title));
        if (!explain_impossible(s->core, job->class->shape, out))
            cq_str_truncate(out, before);
    }
}

static void accept_jobs(struct submit *s, struct effects *out)
{
    size_t n = s->req->n_jobs;
    uint64_t project = project_id(s, out);
    uint64_t *numbers = cq_calloc(n, sizeof *numbers);
    s->first_id = core_new_id(s->core);
    for (size_t i = 0; i < n; i++) {
        struct record *r = make_record(s, i, project);
        numbers[i] = r->u.job_submit.number;
        core_emit(s->core, out, r);
    }
    struct cq_str warning = {0};
    format_impossible(s, &warning);
    struct out *o = effects_out(out, OUT_ACCEPTED);
    o->request = s->in->request;
    o->numbers = numbers;
    o->n_numbers = n;
    o->text = warning.len ? cq_str_take(&warning) : NULL;
    cq_str_fini(&warning);
}

/* A key that was used before: the same jobs again, or a conflict. */
static int answer_known(const struct submit *s, const struct group *g, struct effects *out,
                        struct cq_err *err)
{
    if (memcmp(g->digest, s->req->digest, sizeof g->digest) != 0)
        return cq_fail(err, CQ_E_CONFLICT,
                       "this submit key was used before, for a different request");
    struct out *o = effects_out(out, OUT_ACCEPTED);
    o->request = s->in->request;
    o->was_known = true;
    o->numbers = cq_calloc(g->count, sizeof *o->numbers);
    o->n_numbers = g->count;
    for (size_t i = 0; i < g->count; i++)
        o->numbers[i] = g->first_number + i;
    return 0;
}

static int run_submit(struct submit *s, struct effects *out, struct cq_err *err)
{
    s->who = people_principal(s->core, s->in->principal.v);
    if (s->who == NULL || s->who->revoked || s->who->enterprise == NULL)
        return cq_fail(err, CQ_E_DENIED, "only users of an enterprise submit jobs");
    const struct group *g = job_group_find(s->core, s->in->principal, &s->req->key);
    if (g)
        return answer_known(s, g, out, err);
    if (check_all(s, err) != 0)
        return -1;
    accept_jobs(s, out);
    return 0;
}

int job_submit_step(struct core *c, const struct input *in, struct now now, struct effects *out,
                    struct cq_err *err)
{
    struct cq_err why = {.code = CQ_OK};
    size_t n = in->u.submit.n_jobs <= JOBS_MAX ? in->u.submit.n_jobs : 0;
    struct submit s = {.core = c,
                       .in = in,
                       .req = &in->u.submit,
                       .now = now,
                       .arrays = cq_calloc(n, sizeof(struct ranges)),
                       .deps = cq_calloc(n, sizeof(struct dep *))};
    int bad = run_submit(&s, out, &why);
    for (size_t i = 0; i < n; i++) {
        ranges_fini(&s.arrays[i]);
        deps_fini(s.deps[i], s.deps[i] ? in->u.submit.jobs[i].n_deps : 0);
    }
    free(s.arrays);
    free(s.deps);
    if (bad && why.code == CQ_E_STALE)
        return cq_fail(err, CQ_E_STALE, "%s", why.text);
    if (bad)
        core_reply(out, in->request, &why);
    return 0;
}
