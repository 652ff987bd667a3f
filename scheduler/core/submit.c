/* SUBMIT: validates all of it, then makes its records; all jobs or none. */
#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "scheduler/core/explain.h"
#include "scheduler/core/placement.h"
#include "scheduler/core/quota.h"
#include "scheduler/core/submit.h"

static const char *text_of(const char *text)
{
    return text ? text : "";
}

static const struct project *project_of(const struct submit *s) /* NULL: it is new */
{
    const char *name = *s->req->project ? s->req->project : "default";
    return people_project_named(s->core, s->who->enterprise, name);
}

/* Where its limits are looked up: the leaf, or what is there above it before its first job. */
static struct share_node *deepest_node(const struct submit *s)
{
    const struct project *p = project_of(s);
    struct share_node *leaf = p ? share_leaf_of(s->core, p->id, s->who->id) : NULL;
    return leaf ? leaf : p ? p->share : s->who->enterprise->share;
}

const char *submit_title(const struct submit *s, size_t i, char *buf, size_t size)
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
    struct layout_wish wish = {0};
    if (!layout_read_wish(j->topo, &wish))
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
    if (j->mem_mib > MEM_MIB_MAX || j->mem_first_mib > MEM_MIB_MAX)
        return cq_fail(err, CQ_E_INVALID, "mem is out of range; at most 1048576T can be asked");
    if (j->time_us > (uint64_t)JOB_TIME_MAX_US)
        return cq_fail(err, CQ_E_INVALID, "time is out of range; at most 3650d can be asked");
    if (j->priority < -PRIORITY_MAX || j->priority > PRIORITY_MAX)
        return cq_fail(err, CQ_E_INVALID, "priority is %" PRId64 "; it must be -%d to %d",
                       j->priority, PRIORITY_MAX, PRIORITY_MAX);
    if (j->exclusive >= EXCLUSIVE_COUNT || j->membind >= MEMBIND_COUNT || j->smt > 2)
        return cq_fail(err, CQ_E_INVALID, "exclusive, membind or smt is wrong");
    if (j->restart > 1 || j->on_lost > 2 || j->max_attempts > STARTS_MAX
        || j->max_own_failures > STARTS_MAX)
        return cq_fail(err, CQ_E_INVALID, "restart, on_lost or the number of attempts is wrong");
    if (j->run_bytes > RUN_BYTES_MAX)
        return cq_fail(err, CQ_E_LIMIT, "the run specification has %zu bytes; at most %d",
                       j->run_bytes, RUN_BYTES_MAX);
    return 0;
}

static struct mem_size mem_of(const struct submit *s, const struct in_job *j)
{
    if (j->mem_mib)
        return (struct mem_size){.mem_mib = j->mem_mib};
    const struct learn_asked a = {.project = project_of(s),
                                  .node = deepest_node(s),
                                  .tool = j->tool,
                                  .stage_of = j->stage_of,
                                  .name = j->name,
                                  .cores = j->cores,
                                  .exclusive = j->exclusive,
                                  .first_mib = j->mem_first_mib};
    return learn_size(s->core, &a);
}

/* Its licences, and what the limits say of it beside the jobs before it. */
static int check_policy(struct submit *s, size_t i, struct cq_err *err)
{
    const struct in_job *j = &s->req->jobs[i];
    struct tokens tokens;
    uint64_t time_us = j->time_us ? j->time_us : (uint64_t)s->core->config.default_time_us;
    if (tokens_parse(s->core, s->who->enterprise, text_of(j->licences), &tokens, err) != 0)
        return -1;
    if (*text_of(j->reservation)
        && calendar_check_job(s->core, deepest_node(s), j->reservation, time_us, err) != 0)
        return -1;
    if (j->is_preemptible && j->restart != 0)
        return cq_fail(err, CQ_E_INVALID,
                       "it is preemptible and restart=never: one that is called back must be able "
                       "to run again");
    s->n_tasks += s->arrays[i].n > 0 ? s->arrays[i].count : 1;
    s->mem[i] = mem_of(s, j);
    const struct asked_place place = {j->topo, j->cores, s->mem[i].mem_mib, j->exclusive,
                                      j->membind};
    if (placement_size(s->core, &place, &s->cores[i], err) != 0)
        return -1;
    return quota_check_job(deepest_node(s), s->n_tasks, time_us, err);
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
        if (check_job(s, i, err) != 0 || check_policy(s, i, err) != 0)
            return cq_wrap(err, "job %s", submit_title(s, i, title, sizeof title));
    for (size_t i = 0; i < n; i++)
        if (submit_resolve_deps(s, i, err) != 0)
            return cq_wrap(err, "job %s", submit_title(s, i, title, sizeof title));
    return submit_check_cycles(s, err);
}

/* The leaf is made with the project's first job of this user. */
static void make_leaf(const struct submit *s, uint64_t project, struct effects *out)
{
    if (share_leaf_of(s->core, project, s->who->id))
        return;
    struct record *r = record_new(RECORD_LEAF_ADD);
    r->u.leaf_add =
        (struct leaf_add){.id = core_new_id(s->core), .project = project, .principal = s->who->id};
    core_emit(s->core, out, r);
}

/* A project is made at first use; whoever misspelt one should hear of it. */
static char *note_of_new(const struct enterprise *e, const char *name)
{
    size_t n = e->share->n_children;
    const char **names CQ_CLEANUP(cq_free_ptr) = cq_calloc(n + 1, sizeof *names);
    struct cq_str text = {0};
    for (size_t i = 0; i < n; i++)
        names[i] = e->share->children[i]->project->name;
    const char *near = cq_closest(name, names);
    cq_str_printf(&text, "project '%s' is new: it was made now", name);
    if (near)
        cq_str_printf(&text, "; did you mean '%s'?", near);
    return cq_str_take(&text);
}

/* Sets *note, which the caller frees, when the project is new. */
static uint64_t project_id(struct submit *s, struct effects *out, char **note)
{
    const char *name = *s->req->project ? s->req->project : "default";
    const struct project *p = people_project_named(s->core, s->who->enterprise, name);
    if (p)
        return p->id;
    if (*s->req->project && strcmp(name, "default") != 0)
        *note = note_of_new(s->who->enterprise, name);
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
                            .policy_us = s->core->policy_us,
                            .client_key = s->req->key,
                            .digest = bytes_of(s->req->digest, sizeof s->req->digest),
                            .submit_index = i,
                            .submit_count = s->req->n_jobs,
                            .flow = text_or_null(s->req->flow),
                            .name = text_or_null(j->name),
                            .tool = text_or_null(j->tool),
                            .stage_of = text_or_null(j->stage_of),
                            .cores = s->cores[i],
                            .mem_mib = s->mem[i].mem_mib,
                            .mem_source = s->mem[i].source,
                            .mem_p95_mib = s->mem[i].p95_mib,
                            .mem_runs = s->mem[i].runs,
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
                            .smt = j->smt,
                            .membind = j->membind,
                            .node_has = text_or_null(j->node_has),
                            .deps = deps_of(s, i),
                            .expects = j->expects,
                            .run = bytes_of(j->run, j->run_bytes),
                            .licences = text_or_null(text_of(j->licences)),
                            .reservation = text_or_null(text_of(j->reservation)),
                            .preemptible = j->is_preemptible};
    return r;
}

/* More tokens than there are, by now: it waits until an admin sets more. */
static bool format_tokens(const struct tokens *t, struct cq_str *out)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct feature *f = t->items[i].feature;
        if (t->items[i].count <= f->count)
            continue;
        cq_str_printf(out, "asks %" PRIu64 " of %s; the pool has %" PRIu64 ": it waits",
                      t->items[i].count, f->name, f->count);
        return true;
    }
    return false;
}

static void format_impossible(const struct submit *s, struct cq_str *out)
{
    char title[64];
    for (size_t i = 0; i < s->req->n_jobs && out->len < 400; i++) {
        const struct job *job = job_find(s->core, s->first_id + i);
        size_t before = out->len;
        if (out->len)
            cq_str_add(out, "; ");
        cq_str_printf(out, "job %s ", submit_title(s, i, title, sizeof title));
        if (!explain_impossible(s->core, job->class->shape, out)
            && !format_tokens(&job->class->shape->tokens, out))
            cq_str_truncate(out, before);
    }
}

static void accept_jobs(struct submit *s, struct effects *out)
{
    size_t n = s->req->n_jobs;
    char *note = NULL;
    uint64_t project = project_id(s, out, &note);
    make_leaf(s, project, out);
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
    o->changes = note;
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
    if (check_all(s, err) != 0
        || quota_check_submit(s->core, deepest_node(s), s->req->n_jobs, err) != 0)
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
                       .cores = cq_calloc(n, sizeof(uint64_t)),
                       .mem = cq_calloc(n, sizeof(struct mem_size)),
                       .deps = cq_calloc(n, sizeof(struct dep *))};
    int bad = run_submit(&s, out, &why);
    for (size_t i = 0; i < n; i++) {
        ranges_fini(&s.arrays[i]);
        deps_fini(s.deps[i], s.deps[i] ? in->u.submit.jobs[i].n_deps : 0);
    }
    free(s.arrays);
    free(s.cores);
    free(s.mem);
    free(s.deps);
    if (bad && why.code == CQ_E_STALE)
        return cq_fail(err, CQ_E_STALE, "%s", why.text);
    if (bad)
        core_reply(out, in->request, &why);
    return 0;
}
