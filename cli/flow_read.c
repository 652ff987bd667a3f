/* Walks a flow file's document against tables of keys and fills struct flow. */
#include "cli/flow_graph.h"
#include "cli/flow_yaml.h"
#include "cli/yaml_walk.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "common/base/sys/files.h"

#include <ctype.h>
#include <limits.h>

struct reader {
    struct flow *f;
    struct yaml_walk w;
};

/* ---- the request part ---- */

/* Keys of a job that are fields of its request, with what they are called there. */
static const char *const request_keys[] = {
    "cores",       "mem",     "time",       "priority",     "array",   "max_running", "hold",
    "node_has",    "on_lost", "restart",    "max_attempts", "topo",    "exclusive",   "grace",
    "output_max",  "licence", "instrument", "preemptible",  "reserve", "smt",         "membind",
    "output_full", NULL};

static bool is_listed(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

static void set_request(struct reader *r, struct request *request, const char *name,
                        const yaml_node_t *value)
{
    struct cq_err err = {0};
    if (!yaml_walk_expect(&r->w, name, value, YAML_SCALAR_NODE, "one value"))
        return;
    if (request_set(request, name, flow_scalar(value), &err) != 0)
        flow_errors_add(r->w.e, flow_at_of(value), "%s: %s", name, err.text);
}

static void read_request_key(struct reader *r, struct request *request, const char *name,
                             const yaml_node_t *value)
{
    static const char *const lists[] = {"node_has", "licence", "instrument", NULL};
    if (!is_listed(name, lists) || value->type != YAML_SEQUENCE_NODE) {
        set_request(r, request, name, value);
        return;
    }
    for (const yaml_node_item_t *i = value->data.sequence.items.start;
         i < value->data.sequence.items.top; i++)
        set_request(r, request, name, yaml_walk_node(&r->w, *i));
}

/* ---- needs ---- */

static void read_need_key(struct reader *r, struct flow_need *need, const yaml_node_t *key,
                          const yaml_node_t *value)
{
    static const char *const known[] = {"job", "when", NULL};
    const char *name = flow_scalar(key);
    struct cq_err err = {0};
    if (!is_listed(name, known)) {
        yaml_walk_unknown(&r->w, key, known, "an entry of needs");
    } else if (yaml_walk_expect(&r->w, name, value, YAML_SCALAR_NODE, "one value")) {
        if (strcmp(name, "job") == 0) {
            need->job = cq_strdup(flow_scalar(value));
            need->at = flow_at_of(value);
        } else if (request_parse_when(flow_scalar(value), &need->when, &err) != 0) {
            flow_errors_add(r->w.e, flow_at_of(value), "when: %s", err.text);
        }
    }
}

static void read_need(struct reader *r, struct flow_job *job, const yaml_node_t *item)
{
    struct flow_need need = {.at = flow_at_of(item)};
    if (item->type == YAML_MAPPING_NODE) {
        yaml_node_t *key, *value;
        for (size_t i = 0; yaml_walk_pair(&r->w, item, &i, &key, &value);)
            read_need_key(r, &need, key, value);
        if (need.job == NULL)
            flow_errors_add(r->w.e, need.at, "an entry of needs without 'job'");
    } else if (yaml_walk_expect(&r->w, "an entry of needs", item, YAML_SCALAR_NODE,
                                "a job's name or {job: NAME, when: ok}")) {
        need.job = cq_strdup(flow_scalar(item));
    }
    if (need.job == NULL)
        return;
    for (size_t i = 0; i < job->n_needs; i++)
        if (strcmp(job->needs[i].job, need.job) == 0) {
            flow_errors_add(r->w.e, need.at, "job '%s' is in needs twice", need.job);
            free(need.job);
            return;
        }
    job->needs = cq_realloc(job->needs, job->n_needs + 1, sizeof *job->needs);
    job->needs[job->n_needs++] = need;
}

static void read_needs(struct reader *r, struct flow_job *job, const yaml_node_t *value)
{
    if (value->type == YAML_SCALAR_NODE && value->data.scalar.length) {
        read_need(r, job, value); /* needs: lint */
        return;
    }
    if (!yaml_walk_expect(&r->w, "needs", value, YAML_SEQUENCE_NODE,
                          "a list of jobs, as in [lint]"))
        return;
    if (value->data.sequence.items.top - value->data.sequence.items.start > FLOW_JOBS_MAX) {
        flow_errors_add(r->w.e, flow_at_of(value), "more than %d entries in needs", FLOW_JOBS_MAX);
        return;
    }
    for (const yaml_node_item_t *i = value->data.sequence.items.start;
         i < value->data.sequence.items.top; i++)
        read_need(r, job, yaml_walk_node(&r->w, *i));
}

/* ---- tool, run ---- */

static void read_tool(struct reader *r, struct flow_job *job, const yaml_node_t *value)
{
    job->tool_at = flow_at_of(value);
    if (!yaml_walk_expect(&r->w, "tool", value, YAML_SCALAR_NODE, "TOOL.TASK"))
        return;
    const char *text = flow_scalar(value), *dot = strchr(text, '.');
    if (dot == NULL || dot == text || dot[1] == '\0' || !is_name(text)) {
        flow_errors_add(r->w.e, job->tool_at,
                        "tool must be TOOL.TASK, as in verilator.lint, not '%s'", text);
        return;
    }
    job->tool = cq_strndup(text, (size_t)(dot - text));
    job->task = cq_strdup(dot + 1);
}

static void read_run(struct reader *r, struct flow_job *job, const yaml_node_t *value)
{
    if (!yaml_walk_expect(&r->w, "run", value, YAML_SEQUENCE_NODE,
                          "a list of words, as in [make, test]"))
        return;
    size_t n = (size_t)(value->data.sequence.items.top - value->data.sequence.items.start);
    if (n == 0)
        flow_errors_add(r->w.e, flow_at_of(value), "run is empty");
    job->run = cq_calloc(n + 1, sizeof *job->run);
    for (size_t i = 0; i < n; i++) {
        const yaml_node_t *word = yaml_walk_node(&r->w, value->data.sequence.items.start[i]);
        if (yaml_walk_expect(&r->w, "a word of run", word, YAML_SCALAR_NODE, "one value"))
            job->run[job->n_run++] = cq_strdup(flow_scalar(word));
    }
    if (n && job->n_run && job->run[0][0] == '\0')
        flow_errors_add(r->w.e, flow_at_of(value), "run names no program");
}

/* ---- require, expect ---- */

static bool is_rule(const char *rule)
{
    static const char *const operators[] = {"<=", ">=", "==", "!=", "<", ">", NULL};
    double value;
    for (const char *const *o = operators; *o; o++)
        if (cq_str_starts(rule, *o)) {
            rule += strlen(*o);
            while (*rule == ' ')
                rule++;
            return parse_double(rule, &value, NULL) == 0;
        }
    return false;
}

static bool is_metric_name(const char *name)
{
    size_t n = 0;
    for (; name[n]; n++)
        if (!isalnum((unsigned char)name[n]) && name[n] != '_')
            return false;
    return n < 96;
}

static void read_require(struct reader *r, struct flow_job *job, const yaml_node_t *map)
{
    yaml_node_t *key, *value;
    if (!yaml_walk_expect(&r->w, "require", map, YAML_MAPPING_NODE,
                          "a map, as in {drc__errors: \"== 0\"}"))
        return;
    job->require = json_object();
    for (size_t i = 0; yaml_walk_pair(&r->w, map, &i, &key, &value);) {
        const char *rule = flow_scalar(value);
        if (!is_metric_name(flow_scalar(key)))
            flow_errors_add(r->w.e, flow_at_of(key), "'%s' is no name of a metric",
                            flow_scalar(key));
        else if (rule == NULL || !is_rule(rule))
            flow_errors_add(r->w.e, flow_at_of(value),
                            "a rule is a comparison and a number, as in \"== 0\" or \">= 0\", not "
                            "%s%.60s%s",
                            rule ? "'" : "", rule ? rule : flow_kind_of(value), rule ? "'" : "");
        else
            json_object_set_new(job->require, flow_scalar(key), json_string(rule));
    }
}

static void read_expect_key(struct reader *r, struct flow_job *job, const yaml_node_t *key,
                            const yaml_node_t *value)
{
    static const char *const known[] = {"verdict", "signature", NULL};
    const char *name = flow_scalar(key);
    if (!is_listed(name, known))
        yaml_walk_unknown(&r->w, key, known, "expect");
    if (!is_listed(name, known)
        || !yaml_walk_expect(&r->w, name, value, YAML_SCALAR_NODE, "one value"))
        return;
    if (strcmp(name, "verdict") == 0 && strcmp(flow_scalar(value), "fail") != 0)
        flow_errors_add(r->w.e, flow_at_of(value), "expect can only have verdict: fail, not '%s'",
                        flow_scalar(value));
    json_object_set_new(job->expect, name, json_string(flow_scalar(value)));
}

static void read_expect(struct reader *r, struct flow_job *job, const yaml_node_t *map)
{
    yaml_node_t *key, *value;
    if (!yaml_walk_expect(&r->w, "expect", map, YAML_MAPPING_NODE, "a map, as in {verdict: fail}"))
        return;
    job->expect = json_object();
    for (size_t i = 0; yaml_walk_pair(&r->w, map, &i, &key, &value);)
        read_expect_key(r, job, key, value);
    if (json_object_get(job->expect, "verdict") == NULL)
        flow_errors_add(r->w.e, flow_at_of(map), "expect without verdict: fail");
}

/* ---- one job ---- */

static const struct {
    const char *name;
    void (*read)(struct reader *r, struct flow_job *job, const yaml_node_t *value);
} job_keys[] = {
    {"tool", read_tool},       {"run", read_run},       {"needs", read_needs},
    {"require", read_require}, {"expect", read_expect},
};

static void add_param(struct flow_job *job, const yaml_node_t *key, const yaml_node_t *value)
{
    job->params = cq_realloc(job->params, job->n_params + 1, sizeof *job->params);
    job->params[job->n_params++] = (struct flow_param){
        .name = cq_strdup(flow_scalar(key)), .at = flow_at_of(key), .value = value};
}

static void read_job_key(struct reader *r, struct flow_job *job, const yaml_node_t *key,
                         const yaml_node_t *value)
{
    const char *name = flow_scalar(key);
    for (size_t i = 0; i < CQ_COUNT(job_keys); i++)
        if (strcmp(job_keys[i].name, name) == 0) {
            job_keys[i].read(r, job, value);
            return;
        }
    if (!is_listed(name, request_keys)) {
        add_param(job, key, value);
        return;
    }
    if (strcmp(name, "cores") == 0)
        job->cores_at = flow_at_of(value);
    if (strcmp(name, "mem") == 0)
        job->mem_at = flow_at_of(value);
    if (strcmp(name, "array") == 0)
        job->array_at = flow_at_of(value);
    read_request_key(r, &job->request, name, value);
}

/* A plain command has no parameters: such keys are misspelt. */
static void refuse_params(struct reader *r, const struct flow_job *job)
{
    const char *known[CQ_COUNT(job_keys) + CQ_COUNT(request_keys)];
    size_t n = 0;
    for (size_t i = 0; i < CQ_COUNT(job_keys); i++)
        known[n++] = job_keys[i].name;
    for (size_t i = 0; i < CQ_COUNT(request_keys); i++)
        known[n++] = request_keys[i]; /* its NULL ends the list */
    for (size_t i = 0; i < job->n_params; i++) {
        const char *meant = cq_closest(job->params[i].name, known);
        flow_errors_add(r->w.e, job->params[i].at, "unknown key '%s' in job '%s'%s%s%s",
                        job->params[i].name, job->name, meant ? "; did you mean '" : "",
                        meant ? meant : "", meant ? "'?" : "");
    }
}

static void check_job(struct reader *r, const struct flow_job *job)
{
    bool has_tool = job->tool_at.line != 0, has_run = job->run != NULL;
    if (!has_tool)
        refuse_params(r, job);
    if (has_tool && has_run)
        flow_errors_add(r->w.e, job->at, "job '%s' has both 'tool' and 'run'", job->name);
    else if (!has_tool && !has_run && r->w.e->n == 0)
        flow_errors_add(r->w.e, job->at, "job '%s' has neither 'tool' nor 'run'", job->name);
    if (!has_tool && (job->require || job->expect))
        flow_errors_add(r->w.e, job->at,
                        "job '%s': 'require' and 'expect' need a tool to judge them", job->name);
    if (job->array_at.line == 0 && job->request.array_max_running && !has_tool)
        flow_errors_add(r->w.e, job->at, "job '%s' has 'max_running' but no 'array'", job->name);
}

static void read_job(struct reader *r, const yaml_node_t *key, const yaml_node_t *map)
{
    struct flow *f = r->f;
    const char *name = flow_scalar(key);
    yaml_node_t *k, *v;
    if (!is_name(name))
        flow_errors_add(r->w.e, flow_at_of(key),
                        "'%s' is no job name: 1 to 63 letters, digits, '.', '_', '-', the first a "
                        "letter or digit",
                        name);
    struct flow_job *job = &f->jobs[f->n_jobs++];
    *job = (struct flow_job){.name = cq_strdup(name), .at = flow_at_of(key)};
    if (!yaml_walk_expect(&r->w, "a job", map, YAML_MAPPING_NODE,
                          "a map, as in {tool: verilator.lint}"))
        return;
    for (size_t i = 0; yaml_walk_pair(&r->w, map, &i, &k, &v);)
        read_job_key(r, job, k, v);
    check_job(r, job);
    request_inherit(&job->request, &f->defaults);
}

/* ---- the top ---- */

static void read_name(struct reader *r, const char *what, const yaml_node_t *value, char **field)
{
    if (!yaml_walk_expect(&r->w, what, value, YAML_SCALAR_NODE, "a name"))
        return;
    if (!is_name(flow_scalar(value)))
        flow_errors_add(r->w.e, flow_at_of(value),
                        "%s: '%.80s' is no name (letters, digits, '.', '_', '-')", what,
                        flow_scalar(value));
    free(*field);
    *field = cq_strdup(flow_scalar(value));
}

static void read_defaults(struct reader *r, const yaml_node_t *map)
{
    yaml_node_t *key, *value;
    static const char *const unfit[] = {"array", NULL};
    if (!yaml_walk_expect(&r->w, "defaults", map, YAML_MAPPING_NODE, "a map, as in {cores: 1}"))
        return;
    for (size_t i = 0; yaml_walk_pair(&r->w, map, &i, &key, &value);)
        if (is_listed(flow_scalar(key), request_keys) && !is_listed(flow_scalar(key), unfit))
            read_request_key(r, &r->f->defaults, flow_scalar(key), value);
        else
            yaml_walk_unknown(&r->w, key, request_keys, "defaults");
}

static void read_jobs(struct reader *r, const yaml_node_t *map)
{
    yaml_node_t *key, *value;
    if (!yaml_walk_expect(&r->w, "jobs", map, YAML_MAPPING_NODE, "a map of jobs"))
        return;
    size_t n = (size_t)(map->data.mapping.pairs.top - map->data.mapping.pairs.start);
    if (n > FLOW_JOBS_MAX) {
        flow_errors_add(r->w.e, flow_at_of(map),
                        "%zu jobs; a flow has at most %d (arrays carry the bulk)", n,
                        FLOW_JOBS_MAX);
        return;
    }
    if (n == 0)
        flow_errors_add(r->w.e, flow_at_of(map), "no job in 'jobs'");
    r->f->jobs = cq_calloc(n + 1, sizeof *r->f->jobs);
    for (size_t i = 0; yaml_walk_pair(&r->w, map, &i, &key, &value);)
        read_job(r, key, value);
    flow_graph_link(r->f, r->w.e);
}

static void read_top(struct reader *r, const yaml_node_t *root)
{
    static const char *const known[] = {"flow", "project", "defaults", "jobs", NULL};
    yaml_node_t *key, *value, *jobs = NULL;
    if (!yaml_walk_expect(&r->w, "a flow", root, YAML_MAPPING_NODE, "a map with 'flow' and 'jobs'"))
        return;
    for (size_t i = 0; yaml_walk_pair(&r->w, root, &i, &key, &value);) {
        const char *name = flow_scalar(key);
        if (strcmp(name, "flow") == 0)
            read_name(r, name, value, &r->f->name);
        else if (strcmp(name, "project") == 0)
            read_name(r, name, value, &r->f->project);
        else if (strcmp(name, "defaults") == 0)
            read_defaults(r, value);
        else if (strcmp(name, "jobs") == 0)
            jobs = value;
        else
            yaml_walk_unknown(&r->w, key, known, "the flow");
    }
    if (jobs)
        read_jobs(r, jobs); /* last: it uses the defaults */
    else if (r->w.e->n == 0)
        flow_errors_add(r->w.e, flow_at_of(root), "the key 'jobs' is missing");
}

/* The flow's name when the file gives none, and its root. */
static void name_after_file(struct flow *f, const char *path)
{
    char absolute[PATH_MAX];
    const char *full = realpath(path, absolute) ? absolute : path;
    const char *slash = strrchr(full, '/');
    const char *base = slash ? slash + 1 : full;
    size_t len = strcspn(base, ".");
    f->root = slash == full ? cq_strdup("/") : cq_strndup(full, slash ? (size_t)(slash - full) : 0);
    f->name = cq_strndup(base, len > 63 ? 63 : len);
    if (!is_name(f->name)) {
        free(f->name);
        f->name = cq_strdup("flow");
    }
}

void flow_read(const char *path, const char *text, size_t bytes, struct flow *f,
               struct flow_errors *e)
{
    name_after_file(f, path);
    if (bytes > FLOW_FILE_MAX) {
        flow_errors_add(e, (struct flow_at){0}, "%zu bytes; a flow has at most %d", bytes,
                        FLOW_FILE_MAX);
        return;
    }
    if (!flow_yaml_load(text, bytes, &f->document, e))
        return;
    f->has_document = true;
    struct reader r = {.f = f, .w = {.doc = &f->document, .e = e}};
    read_top(&r, yaml_document_get_root_node(&f->document));
}

static void job_fini(struct flow_job *job)
{
    for (size_t i = 0; i < job->n_needs; i++)
        free(job->needs[i].job);
    for (size_t i = 0; i < job->n_params; i++)
        free(job->params[i].name);
    for (size_t i = 0; i < job->n_run; i++)
        free(job->run[i]);
    free(job->needs);
    free(job->params);
    free(job->run);
    free(job->name);
    free(job->tool);
    free(job->task);
    json_decref(job->require);
    json_decref(job->expect);
    json_decref(job->values);
    request_fini(&job->request);
}

void flow_fini(struct flow *f)
{
    for (size_t i = 0; i < f->n_jobs; i++)
        job_fini(&f->jobs[i]);
    free(f->jobs);
    free(f->name);
    free(f->project);
    free(f->root);
    request_fini(&f->defaults);
    if (f->has_document)
        yaml_document_delete(&f->document);
    *f = (struct flow){0};
}
