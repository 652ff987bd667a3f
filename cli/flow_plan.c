/* From a checked flow to the jobs of one SUBMIT: stages expanded, dependencies by place, run
 * specifications made. */
#include "cli/flow.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/files.h"

struct planner {
    struct flow *f;
    struct flow_plan *plan;
    struct flow_errors *e;
    char **env;
    size_t n_env;
    size_t *last; /* of each flow job: 1-based place of its last stage in the plan */
};

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* The parameter an array stage runs over: the first given, else the first with a default. NULL when
 * neither. */
static const json_t *array_source(const struct flow_job *job, const json_t *stage)
{
    const json_t *from = json_object_get(stage, "from"),
                 *specs = json_object_get(job->described, "params");
    size_t n = json_is_array(from) ? json_array_size(from) : 1;
    for (size_t i = 0; i < n; i++) {
        const json_t *name = json_is_array(from) ? json_array_get(from, i) : from;
        const json_t *value = json_object_get(job->values, json_string_value(name));
        if (value && !json_is_null(value))
            return value;
    }
    for (size_t i = 0; i < json_array_size(specs); i++) {
        const json_t *spec = json_array_get(specs, i), *value = json_object_get(spec, "default");
        for (size_t k = 0; k < n; k++) {
            const json_t *name = json_is_array(from) ? json_array_get(from, k) : from;
            if (name && strcmp(text_at(spec, "name"), json_string_value(name)) == 0 && value
                && !json_is_null(value))
                return value;
        }
    }
    return NULL;
}

/* Task numbers from a parameter: ranges as they are, a list or a count as 1..N. Sets
 * planned->array. */
static void set_array(struct flow_planned *planned, const struct request *request,
                      const json_t *source)
{
    struct request parsed = {0};
    struct cq_str text = {0};
    size_t n = json_is_array(source) ? json_array_size(source) : (size_t)json_integer_value(source);
    if (json_is_string(source))
        cq_str_add(&text, json_string_value(source));
    else if (source && n)
        cq_str_printf(&text, "1-%zu", n);
    if (source == NULL && request->array)
        cq_str_add(&text, request->array);
    if (text.len && request_set(&parsed, "array", cq_str_text(&text), NULL) == 0) {
        planned->array = cq_strdup(parsed.array);
        planned->tasks = parsed.tasks;
    }
    request_fini(&parsed);
    cq_str_fini(&text);
}

static uint64_t resource(const struct flow_job *job, const json_t *stage, const char *name)
{
    const json_t *r = json_object_get(stage ? stage : job->described, "resources");
    if (r == NULL)
        r = json_object_get(job->described, "resources");
    json_int_t value = json_integer_value(json_object_get(r, name));
    return value > 0 ? (uint64_t)value : 0;
}

static char *make_task_json(const struct flow_job *job, const json_t *stage, bool is_last,
                            bool is_array)
{
    const char *name = text_at(stage, "name");
    if (stage && *name == '\0')
        name = "run";
    json_t *task =
        json_pack("{s:i, s:s, s:s, s:s, s:s, s:i, s:i, s:O, s:{}}", "chipq_task", 1, "tool",
                  job->tool, "task", job->task, "stage", stage ? name : "", "job", job->name,
                  "array_task", 0, "seed", is_array ? 0 : 1, "params", job->values, "deps");
    if (is_last && job->require)
        json_object_set(task, "require", job->require);
    if (is_last && job->expect)
        json_object_set(task, "expect", job->expect);
    char *text = json_dumps(task, JSON_COMPACT);
    json_decref(task);
    if (text == NULL)
        abort(); /* out of memory */
    return text;
}

static void make_run(struct planner *p, struct flow_planned *planned, const struct flow_job *job,
                     const json_t *stage)
{
    struct run_spec run = {.argv = job->run,
                           .n_argv = job->n_run,
                           .env = p->env,
                           .n_env = p->n_env,
                           .cwd = (char *)"",
                           .src_dir = p->f->root,
                           .tool = job->tool,
                           .output_max_mib = job->request.output_max_mib,
                           .output_full = job->request.output_full,
                           .grace_us = job->request.grace_us};
    CQ_CLEANUP(cq_free_ptr)
    char *task_json =
        job->tool ? make_task_json(job, stage, planned->is_last, planned->tasks > 0) : NULL;
    run.task_json = task_json;
    run_spec_encode(&run, &planned->run);
    if (planned->run.len > RUN_SPEC_MAX)
        flow_errors_add(p->e, job->at, "job '%s' takes %zu bytes (its file lists); at most %d",
                        job->name, planned->run.len, RUN_SPEC_MAX);
}

/* Dependencies of one stage: the flow job's needs, and the stage before it. Pairing (aftercorr) is
 * the last stage's alone: only that one is an array. */
static void make_deps(struct flow_planned *planned, const struct flow_job *job, bool has_earlier)
{
    size_t n = 0;
    planned->deps = cq_calloc(job->n_needs + 2, sizeof *planned->deps);
    for (size_t i = 0; i < job->n_needs; i++)
        if (job->needs[i].when != 3 || planned->is_last)
            planned->deps[n++] =
                (struct dep_spec){.index = job->needs[i].index, .when = job->needs[i].when};
    if (has_earlier)
        planned->deps[n++] =
            (struct dep_spec){.index = SIZE_MAX}; /* the place before; see link_deps */
    planned->spec.deps = planned->deps;
    planned->spec.n_deps = n;
}

static void fill_spec(struct flow_planned *planned, const struct flow_job *job, const json_t *stage,
                      bool is_first)
{
    struct job_spec *spec = &planned->spec;
    const struct request *r = &job->request;
    request_fill(r, spec);
    spec->name = planned->name;
    spec->array = planned->array;
    spec->array_max_running = planned->tasks ? r->array_max_running : 0;
    spec->hold = r->hold && is_first;
    spec->run = (struct wire_bin){planned->run.data, planned->run.len};
    if (job->tool) {
        spec->tool = planned->tool;
        spec->expects = planned->is_last && job->expect;
        spec->stage_of = planned->is_last ? "" : job->name;
        if (r->cores == 0 && resource(job, stage, "cores"))
            spec->cores = resource(job, stage, "cores");
        if (r->mem_mib == 0)
            spec->mem_first_mib = resource(job, stage, "mem_mib");
        if (r->time_us == 0)
            spec->time_us = resource(job, stage, "time_s") * 1000000;
    }
}

static void plan_stage(struct planner *p, size_t index, const json_t *stage, bool is_first,
                       bool is_last)
{
    const struct flow_job *job = &p->f->jobs[index];
    struct flow_planned *planned = &p->plan->jobs[p->plan->n++];
    bool stage_is_array = json_is_true(json_object_get(stage, "array"));
    *planned = (struct flow_planned){.job = index, .is_last = is_last};
    planned->name =
        is_last ? cq_strdup(job->name) : path_format("%s.%s", job->name, text_at(stage, "name"));
    planned->tool = job->tool ? path_format("%s.%s", job->tool, job->task) : NULL;
    if (stage_is_array)
        set_array(planned, &job->request, array_source(job, stage));
    else if (is_last)
        set_array(planned, &job->request, NULL);
    make_run(p, planned, job, stage);
    make_deps(planned, job, !is_first);
    fill_spec(planned, job, stage, is_first);
    p->last[index] = p->plan->n;
}

static size_t stage_count(const struct flow_job *job)
{
    size_t n = json_array_size(json_object_get(job->described, "stages"));
    return n ? n : 1;
}

/* From flow jobs to places in the SUBMIT. */
static void link_deps(struct planner *p)
{
    for (size_t i = 0; i < p->plan->n; i++)
        for (size_t d = 0; d < p->plan->jobs[i].spec.n_deps; d++) {
            struct dep_spec *dep = &p->plan->jobs[i].deps[d];
            dep->index = dep->index == SIZE_MAX ? i : p->last[dep->index];
        }
}

static void check_names(const struct planner *p)
{
    for (size_t i = 0; i < p->plan->n; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(p->plan->jobs[i].name, p->plan->jobs[k].name) == 0)
                flow_errors_add(p->e, p->f->jobs[p->plan->jobs[i].job].at,
                                "the stage '%s' has the name of another job",
                                p->plan->jobs[i].name);
}

void flow_plan_make(struct flow *f, char *const *env, struct flow_plan *plan, struct flow_errors *e)
{
    size_t total = 0;
    for (size_t i = 0; i < f->n_jobs; i++)
        total += stage_count(&f->jobs[i]);
    if (total > FLOW_JOBS_MAX) {
        flow_errors_add(e, (struct flow_at){0},
                        "%zu jobs with the stages of tools; a flow has at most %d", total,
                        FLOW_JOBS_MAX);
        return;
    }
    struct planner p = {.f = f, .plan = plan, .e = e};
    p.env = request_environment(env, true, &p.n_env);
    p.last = cq_calloc(f->n_jobs + 1, sizeof *p.last);
    plan->jobs = cq_calloc(total + 1, sizeof *plan->jobs);
    for (size_t i = 0; i < f->n_jobs; i++) {
        const json_t *stages = json_object_get(f->jobs[i].described, "stages");
        size_t n = stage_count(&f->jobs[i]);
        for (size_t s = 0; s < n; s++)
            plan_stage(&p, i, json_array_get(stages, s), s == 0, s + 1 == n);
    }
    link_deps(&p);
    check_names(&p);
    for (size_t i = 0; i < p.n_env; i++)
        free(p.env[i]);
    free(p.env);
    free(p.last);
}

void flow_plan_fini(struct flow_plan *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->jobs[i].name);
        free(p->jobs[i].tool);
        free(p->jobs[i].array);
        free(p->jobs[i].deps);
        cq_str_fini(&p->jobs[i].run);
    }
    free(p->jobs);
    *p = (struct flow_plan){0};
}
