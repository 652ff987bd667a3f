/* Checks a flow against the pool: tools and tasks that exist, their parameters, and the size of the
 * machines. */
#include "cli/flow.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"

#include <inttypes.h>

void flow_pool_fini(struct flow_pool *p)
{
    json_decref(p->tools);
    *p = (struct flow_pool){0};
}

static const char *name_of(const json_t *object)
{
    const char *name = json_string_value(json_object_get(object, "name"));
    return name ? name : "";
}

static const json_t *find_named(const json_t *list, const char *name)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(name_of(json_array_get(list, i)), name) == 0)
            return json_array_get(list, i);
    return NULL;
}

/* Names of `list`, NULL-terminated, and with room for `extra` more; caller frees the array. */
static const char **names_of(const json_t *list, size_t extra, size_t *n)
{
    const char **names = cq_calloc(json_array_size(list) + extra + 1, sizeof *names);
    for (*n = 0; *n < json_array_size(list); ++*n)
        names[*n] = name_of(json_array_get(list, *n));
    return names;
}

static void fail_name(struct flow_errors *e, struct flow_at at, const char *what, const char *given,
                      const json_t *list)
{
    size_t n = 0;
    const char **names = names_of(list, 0, &n);
    const char *meant = cq_closest(given, names);
    struct cq_str all = {0};
    for (size_t i = 0; i < n; i++)
        cq_str_printf(&all, "%s%s", i ? ", " : "", names[i]);
    if (meant)
        flow_errors_add(e, at, "no %s '%s'; did you mean '%s'?", what, given, meant);
    else
        flow_errors_add(e, at, "no %s '%s'; there are: %s", what, given,
                        n ? cq_str_text(&all) : "none");
    cq_str_fini(&all);
    free(names);
}

/* The description of the job's task, or NULL after an error. */
static const json_t *find_task(const struct flow_job *job, const struct flow_pool *pool,
                               struct flow_errors *e)
{
    const json_t *tool = find_named(pool->tools, job->tool);
    if (tool == NULL) {
        fail_name(e, job->tool_at, "tool", job->tool, pool->tools);
        return NULL;
    }
    const json_t *binary = json_object_get(tool, "tool");
    if (json_is_false(json_object_get(binary, "found"))) {
        const char *package = json_string_value(json_object_get(binary, "package"));
        flow_errors_add(e, job->tool_at,
                        "no worker has the tool '%s' installed (Debian package: %s)", job->tool,
                        package ? package : job->tool);
    }
    const json_t *tasks = json_object_get(tool, "tasks");
    const json_t *task = find_named(tasks, job->task);
    if (task == NULL) {
        struct cq_str what = {0};
        cq_str_printf(&what, "task of %s called", job->tool);
        fail_name(e, job->tool_at, cq_str_text(&what), job->task, tasks);
        cq_str_fini(&what);
    }
    return task;
}

static void fail_unknown_param(const struct flow_job *job, const struct flow_param *param,
                               struct flow_errors *e)
{
    static const char *const own[] = {"tool", "needs",     "require",  "expect",     "cores",
                                      "mem",  "time",      "priority", "array",      "max_running",
                                      "hold", "node_has",  "on_lost",  "restart",    "max_attempts",
                                      "topo", "exclusive", "grace",    "output_max", "output_full",
                                      "smt",  "membind"};
    size_t n = 0;
    const char **names = names_of(json_object_get(job->described, "params"), CQ_COUNT(own), &n);
    for (size_t i = 0; i < CQ_COUNT(own); i++)
        names[n++] = own[i];
    const char *meant = cq_closest(param->name, names);
    flow_errors_add(e, param->at, "unknown key '%s' in job '%s' (%s.%s)%s%s%s", param->name,
                    job->name, job->tool, job->task, meant ? "; did you mean '" : "",
                    meant ? meant : "", meant ? "'?" : "");
    free(names);
}

static void check_params(struct flow *f, struct flow_job *job, struct flow_errors *e)
{
    const json_t *specs = json_object_get(job->described, "params");
    job->values = json_object();
    for (size_t i = 0; i < job->n_params; i++) {
        const struct flow_param *param = &job->params[i];
        const json_t *described = find_named(specs, param->name);
        if (described == NULL) {
            fail_unknown_param(job, param, e);
            continue;
        }
        json_t *value = flow_param_value(f, job, param, described, e);
        json_object_set_new(job->values, param->name, value ? value : json_null());
    }
    for (size_t i = 0; i < json_array_size(specs); i++) {
        const json_t *spec = json_array_get(specs, i);
        if (json_is_true(json_object_get(spec, "required"))
            && json_object_get(job->values, name_of(spec)) == NULL)
            flow_errors_add(e, job->at, "job '%s' (%s.%s) needs the key '%s'", job->name, job->tool,
                            job->task, name_of(spec));
    }
}

/* ---- what a needed job says in the place of a parameter ---- */

static bool needs_task(const struct flow *f, const struct flow_job *job, const char *wanted)
{
    size_t len = strcspn(wanted, ".");
    for (size_t i = 0; i < job->n_needs; i++) {
        const struct flow_job *need = &f->jobs[job->needs[i].index];
        if (need->tool && strlen(need->tool) == len && strncmp(need->tool, wanted, len) == 0
            && wanted[len] == '.' && strcmp(need->task, wanted + len + 1) == 0)
            return true;
    }
    return false;
}

/* Names all parameters that are not given and that `from` would say: "`netlist:` and `top:`". */
static void list_missing(const struct flow_job *job, const char *from, struct cq_str *out)
{
    const json_t *specs = json_object_get(job->described, "params"), *missing[16];
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(specs) && n < CQ_COUNT(missing); i++) {
        const json_t *spec = json_array_get(specs, i);
        const char *source = json_string_value(json_object_get(spec, "from_need"));
        if (source && strcmp(source, from) == 0
            && json_object_get(job->values, name_of(spec)) == NULL)
            missing[n++] = spec;
    }
    for (size_t i = 0; i < n; i++)
        cq_str_printf(out, "%s`%s:`", i == 0 ? "" : (i + 1 < n ? ", " : " and "),
                      name_of(missing[i]));
}

static void check_from_needs(const struct flow *f, const struct flow_job *job,
                             struct flow_errors *e)
{
    const json_t *specs = json_object_get(job->described, "params");
    const char *told = "";
    for (size_t i = 0; i < json_array_size(specs); i++) {
        const json_t *spec = json_array_get(specs, i);
        const char *from = json_string_value(json_object_get(spec, "from_need"));
        if (from == NULL || strcmp(from, told) == 0 || needs_task(f, job, from)
            || json_object_get(job->values, name_of(spec)))
            continue;
        struct cq_str names = {0};
        list_missing(job, from, &names);
        flow_errors_add(e, job->at, "%s: give %s or need a %s job", job->name, cq_str_text(&names),
                        from);
        cq_str_fini(&names);
        told = from;
    }
}

/* ---- gates ---- */

/* The key of one gate: where an error about it belongs. */
static struct flow_at gate_at(struct flow *f, const struct flow_job *job, const char *metric)
{
    const char *const way[] = {"jobs", job->name, "require", metric};
    const yaml_node_t *node = yaml_document_get_root_node(&f->document), *key = NULL;
    for (size_t i = 0; i < CQ_COUNT(way); i++) {
        const yaml_node_t *map = node;
        if (map == NULL || map->type != YAML_MAPPING_NODE)
            return job->at;
        node = NULL;
        for (const yaml_node_pair_t *p = map->data.mapping.pairs.start;
             p < map->data.mapping.pairs.top && node == NULL; p++) {
            key = yaml_document_get_node(&f->document, p->key);
            const char *text = flow_scalar(key);
            if (text && strcmp(text, way[i]) == 0)
                node = yaml_document_get_node(&f->document, p->value);
        }
    }
    return node ? flow_at_of(key) : job->at;
}

/* "drc__rule__<RULE>" stands for any name in the place of <RULE>. */
static bool is_metric(const char *described, const char *name)
{
    const char *open = strchr(described, '<'), *close = open ? strchr(open, '>') : NULL;
    if (close == NULL)
        return strcmp(described, name) == 0;
    size_t before = (size_t)(open - described), after = strlen(close + 1), len = strlen(name);
    return len > before + after && strncmp(described, name, before) == 0
           && strcmp(name + len - after, close + 1) == 0;
}

/* Scripts of the project may add metrics, but not in the tool's own family ("sim__"), and a name
 * that nearly is one of the tool's is a slip. */
static bool is_own_metric(const struct flow_job *job, const json_t *metrics, const char *name)
{
    if (!json_is_true(json_object_get(job->described, "own_metrics")))
        return false;
    size_t n = 0;
    const char **names = names_of(metrics, 0, &n);
    bool is_own = cq_closest(name, names) == NULL;
    for (size_t i = 0; i < n && is_own; i++) {
        const char *end = strstr(names[i], "__");
        is_own = end == NULL || strncmp(names[i], name, (size_t)(end - names[i]) + 2) != 0;
    }
    free(names);
    return is_own;
}

static void check_gate(struct flow *f, const struct flow_job *job, const char *name,
                       struct flow_errors *e)
{
    const json_t *metrics = json_object_get(job->described, "metrics");
    json_t *last = json_array(); /* those of the last stage: gates stand on them */
    bool is_known = false;
    for (size_t i = 0; i < json_array_size(metrics); i++) {
        const json_t *metric = json_array_get(metrics, i);
        const char *stage = json_string_value(json_object_get(metric, "stage"));
        bool is_it = is_metric(name_of(metric), name);
        is_known = is_known || is_it;
        if (stage == NULL)
            json_array_append(last, json_array_get(metrics, i));
        else if (is_it)
            flow_errors_add(e, gate_at(f, job, name),
                            "metric '%s' is of the stage '%s'; a gate stands on the last stage",
                            name, stage);
    }
    if (!is_known && !is_own_metric(job, last, name)) {
        struct cq_str what = {0};
        cq_str_printf(&what, "metric of %s.%s called", job->tool, job->task);
        fail_name(e, gate_at(f, job, name), cq_str_text(&what), name, last);
        cq_str_fini(&what);
    }
    json_decref(last);
}

/* A tool that does not say what it reports is taken at its word when it has run. */
static void check_gates(struct flow *f, const struct flow_job *job, struct flow_errors *e)
{
    const char *name;
    json_t *rule;
    if (!json_is_array(json_object_get(job->described, "metrics")))
        return;
    json_object_foreach(job->require, name, rule)
    {
        check_gate(f, job, name, e);
    }
}

/* ---- arrays, and what the machines have ---- */

static bool has_array_stage(const struct flow_job *job)
{
    const json_t *stages = json_object_get(job->described, "stages");
    for (size_t i = 0; i < json_array_size(stages); i++)
        if (json_is_true(json_object_get(json_array_get(stages, i), "array")))
            return true;
    return false;
}

/* Cores and memory that the job will ask in its largest stage. */
static void largest_request(const struct flow_job *job, uint64_t *cores, uint64_t *mem_mib)
{
    const json_t *stages = json_object_get(job->described, "stages");
    size_t n = json_array_size(stages);
    *cores = job->request.cores;
    *mem_mib = job->request.mem_mib;
    for (size_t i = 0; i < (n ? n : 1); i++) {
        const json_t *owner = n ? json_array_get(stages, i) : job->described;
        const json_t *r = json_object_get(owner, "resources");
        uint64_t c = (uint64_t)json_integer_value(json_object_get(r, "cores"));
        uint64_t m = (uint64_t)json_integer_value(json_object_get(r, "mem_mib"));
        if (job->request.cores == 0 && c > *cores)
            *cores = c;
        if (job->request.mem_mib == 0 && m > *mem_mib)
            *mem_mib = m;
    }
}

static void check_size(const struct flow_job *job, const struct flow_pool *pool,
                       struct flow_errors *e)
{
    uint64_t cores = 0, mem_mib = 0;
    char asked[32], largest[32];
    largest_request(job, &cores, &mem_mib);
    if (pool->cores_max && cores > pool->cores_max)
        flow_errors_add(e, job->cores_at.line ? job->cores_at : job->at,
                        "job '%s' asks %" PRIu64 " cores; the largest worker has %" PRIu64,
                        job->name, cores, pool->cores_max);
    if (pool->mem_max_mib && mem_mib > pool->mem_max_mib)
        flow_errors_add(e, job->mem_at.line ? job->mem_at : job->at,
                        "job '%s' asks %s of memory; the largest worker has %s", job->name,
                        format_size_mib(mem_mib, asked, sizeof asked),
                        format_size_mib(pool->mem_max_mib, largest, sizeof largest));
}

/* Is a job, or the last stage of its tool, an array? */
static bool is_array(const struct flow_job *job)
{
    return job->request.tasks > 0 || has_array_stage(job);
}

static void check_arrays(const struct flow *f, const struct flow_job *job, struct flow_errors *e)
{
    if (job->request.tasks && has_array_stage(job))
        flow_errors_add(e, job->array_at, "job '%s': %s.%s makes its own array; leave 'array' out",
                        job->name, job->tool, job->task);
    for (size_t i = 0; i < job->n_needs; i++)
        if (job->needs[i].when == 3 && !(is_array(job) && is_array(&f->jobs[job->needs[i].index])))
            flow_errors_add(
                e, job->needs[i].at,
                "aftercorr pairs the tasks of two arrays; '%s' and '%s' are not both arrays",
                job->name, job->needs[i].job);
}

void flow_check(struct flow *f, const struct flow_pool *pool, struct flow_errors *e)
{
    for (size_t i = 0; i < f->n_jobs; i++) {
        struct flow_job *job = &f->jobs[i];
        job->described = job->tool ? find_task(job, pool, e) : NULL;
        if (job->described) {
            check_params(f, job, e);
            check_from_needs(f, job, e);
            check_gates(f, job, e);
        }
        check_size(job, pool, e);
    }
    for (size_t i = 0; i < f->n_jobs; i++)
        if (f->jobs[i].tool == NULL || f->jobs[i].described)
            check_arrays(f, &f->jobs[i], e);
}
