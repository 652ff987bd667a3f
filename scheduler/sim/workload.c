/* Jobs of a simulation: rows in, submissions out. */
#include "scheduler/sim/workload.h"

#include <inttypes.h>

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"

static const char *const outcome_names[] = {
#define X(name, text) text,
    SIM_OUTCOMES(X)
#undef X
};

const char *sim_outcome_name(enum sim_outcome outcome)
{
    return outcome_names[outcome];
}

bool sim_outcome_from_name(const char *name, enum sim_outcome *outcome)
{
    for (size_t i = 0; i < CQ_COUNT(outcome_names); i++)
        if (strcmp(name, outcome_names[i]) == 0) {
            *outcome = (enum sim_outcome)i;
            return true;
        }
    return false;
}

void workload_fini(struct workload *w)
{
    names_fini(&w->enterprises);
    names_fini(&w->projects);
    names_fini(&w->users);
    names_fini(&w->licences);
    names_fini(&w->classes);
    for (size_t i = 0; i < w->n_features; i++)
        free(w->features[i].name);
    names_fini(&w->leaf_keys);
    free(w->topology);
    free(w->features);
    free(w->weights);
    free(w->leaves);
    free(w->rows);
    free(w->jobs);
    free(w->tasks);
    *w = (struct workload){0};
}

/* ---- lists ---- */

uint32_t workload_enterprise(struct workload *w, const char *name, double weight)
{
    uint32_t id = names_id(&w->enterprises, name);
    if (id < w->n_weights)
        return id;
    cq_grow(&w->weights, &w->cap_weights, w->n_weights);
    w->weights[w->n_weights++] = weight;
    return id;
}

uint32_t workload_leaf(struct workload *w, const char *enterprise, const char *project,
                       const char *user)
{
    struct sim_leaf leaf = {.enterprise = workload_enterprise(w, enterprise, 1),
                            .project = names_id(&w->projects, project),
                            .user = names_id(&w->users, user)};
    char key[64];
    (void)snprintf(key, sizeof key, "%u %u %u", leaf.enterprise, leaf.project, leaf.user);
    uint32_t id = names_id(&w->leaf_keys, key);
    if (id < w->n_leaves)
        return id;
    cq_grow(&w->leaves, &w->cap_leaves, w->n_leaves);
    w->leaves[w->n_leaves++] = leaf;
    return id;
}

uint32_t workload_licence(struct workload *w, const char *bundle)
{
    return names_id(&w->licences, strcmp(bundle, "-") == 0 ? "" : bundle);
}

struct sim_feature *workload_find_feature(const struct workload *w, const char *name, size_t len)
{
    for (size_t i = 0; i < w->n_features; i++)
        if (strlen(w->features[i].name) == len && memcmp(w->features[i].name, name, len) == 0)
            return &w->features[i];
    return NULL;
}

struct sim_feature *workload_feature(struct workload *w, const char *name)
{
    struct sim_feature *known = workload_find_feature(w, name, strlen(name));
    if (known)
        return known;
    cq_grow(&w->features, &w->cap_features, w->n_features);
    w->features[w->n_features] = (struct sim_feature){.name = cq_strdup(name)};
    return &w->features[w->n_features++];
}

bool licence_next(const char **at, struct licence_part *part)
{
    if (**at == '\0')
        return false;
    part->name = *at;
    part->len = strcspn(*at, ":,");
    part->tokens = 1;
    *at += part->len;
    if (**at == ':') {
        char *end;
        part->tokens = strtoull(*at + 1, &end, 10);
        *at = end;
    }
    *at += **at == ',';
    return true;
}

static int check_part(const char *text, size_t n, struct cq_err *err)
{
    char name[64], tokens[24];
    size_t len = strcspn(text, ":,");
    uint64_t value;
    bool has_count = len < n && text[len] == ':';
    (void)snprintf(name, sizeof name, "%.*s", (int)(len < 63 ? len : 63), text);
    if (len > 63 || !is_name(name))
        return cq_fail(err, CQ_E_INVALID, "'%s' is no name of a licence feature", name);
    if (!has_count)
        return 0;
    size_t digits = n - len - 1;
    if (digits >= sizeof tokens)
        return cq_fail(err, CQ_E_INVALID, "too many tokens of '%s'", name);
    (void)snprintf(tokens, sizeof tokens, "%.*s", (int)digits, text + len + 1);
    if (parse_u64(tokens, 1, 1000000, &value, err) != 0)
        return cq_wrap(err, "tokens of '%s'", name);
    return 0;
}

int licence_check(const char *bundle, struct cq_err *err)
{
    if (*bundle == '\0' || strcmp(bundle, "-") == 0)
        return 0;
    for (const char *at = bundle;;) {
        size_t n = strcspn(at, ",");
        if (check_part(at, n, err) != 0)
            return -1;
        if (at[n] == '\0')
            return 0;
        at += n + 1;
    }
}

/* ---- rows ---- */

static int check_row(const struct sim_row *r, struct cq_err *err)
{
    if (r->submit_us < 0 || r->submit_us > WORKLOAD_TIME_MAX_US)
        return cq_fail(err, CQ_E_INVALID, "the time of submission is out of range");
    if (r->run_us < 1 || r->run_us > WORKLOAD_TIME_MAX_US)
        return cq_fail(err, CQ_E_INVALID, "the run time is out of range");
    if (r->limit_us < r->run_us || r->limit_us > WORKLOAD_TIME_MAX_US)
        return cq_fail(err, CQ_E_INVALID, "the limit is shorter than the run, or out of range");
    if (r->cores < 1 || r->cores > NODE_CORES_MAX)
        return cq_fail(err, CQ_E_LIMIT, "%" PRIu32 " cores; a job has 1 to %d on one machine",
                       r->cores, NODE_CORES_MAX);
    if (r->mem_mib < 1 || r->mem_mib > WORKLOAD_MEM_MAX_MIB)
        return cq_fail(err, CQ_E_INVALID, "the memory is out of range");
    return 0;
}

int workload_add(struct workload *w, const struct sim_row *row, struct cq_err *err)
{
    if (check_row(row, err) != 0)
        return -1;
    if (w->n_rows >= WORKLOAD_ROWS_MAX)
        return cq_fail(err, CQ_E_LIMIT, "more than %d jobs", WORKLOAD_ROWS_MAX);
    if (w->enterprises.n > 100000 || w->projects.n > 1000000 || w->users.n > 1000000)
        return cq_fail(err, CQ_E_LIMIT, "too many enterprises, projects or users");
    cq_grow(&w->rows, &w->cap_rows, w->n_rows);
    w->rows[w->n_rows++] = *row;
    return 0;
}

static int by_arrival(const void *a, const void *b)
{
    const struct sim_row *x = a, *y = b;
    if (x->submit_us != y->submit_us)
        return x->submit_us < y->submit_us ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

int workload_cut(struct workload *w, size_t start, size_t count, struct cq_err *err)
{
    if (count == 0 || start >= w->n_rows || count > w->n_rows - start)
        return cq_fail(err, CQ_E_INVALID,
                       "a window of %zu jobs from %zu does not fit: there are %zu", count, start,
                       w->n_rows);
    qsort(w->rows, w->n_rows, sizeof *w->rows, by_arrival);
    memmove(w->rows, w->rows + start, count * sizeof *w->rows);
    w->n_rows = count;
    int64_t begin_us = w->rows[0].submit_us;
    for (size_t i = 0; i < count; i++)
        w->rows[i].submit_us -= begin_us;
    return 0;
}

/* ---- submissions ---- */

static bool same_request(const struct sim_row *a, const struct sim_row *b)
{
    return a->submit_us == b->submit_us && a->limit_us == b->limit_us && a->cores == b->cores
           && a->mem_mib == b->mem_mib && a->leaf == b->leaf && a->licence == b->licence
           && a->klass == b->klass;
}

/* Gives each row its submission; fills the jobs' counts. */
static void group_rows(struct workload *w, uint32_t *job_of)
{
    struct map open = {0}; /* array id -> its last submission */
    for (size_t i = 0; i < w->n_rows; i++) {
        const struct sim_row *r = &w->rows[i];
        struct sim_job *job = r->array ? map_find(&open, r->array) : NULL;
        if (job == NULL || !same_request(job->request, r) || job->n_tasks >= ARRAY_TASKS_MAX) {
            job = &w->jobs[w->n_jobs++];
            *job = (struct sim_job){.request = r, .is_array = r->array != 0};
            if (r->array)
                map_put(&open, r->array, job);
        }
        job->n_tasks++;
        job_of[i] = (uint32_t)(job - w->jobs);
    }
    map_fini(&open);
}

static void place_tasks(struct workload *w, const uint32_t *job_of)
{
    size_t at = 0;
    for (size_t i = 0; i < w->n_jobs; i++) {
        w->jobs[i].first_task = at;
        at += w->jobs[i].n_tasks;
        w->jobs[i].n_tasks = 0; /* counted again below */
    }
    for (size_t i = 0; i < w->n_rows; i++) {
        struct sim_job *job = &w->jobs[job_of[i]];
        w->tasks[job->first_task + job->n_tasks++] =
            (struct sim_task){.job = job_of[i], .row = &w->rows[i], .start_us = -1};
    }
    w->n_tasks = w->n_rows;
}

uint64_t workload_node_cores(const struct workload *w, uint64_t i)
{
    return w->cores / w->n_nodes + (i < w->cores % w->n_nodes);
}

uint64_t workload_node_mem(const struct workload *w, uint64_t i)
{
    return w->mem_mib / w->n_nodes + (i < w->mem_mib % w->n_nodes);
}

static int check_pool(struct workload *w, struct cq_err *err)
{
    if (w->cores < 1 || w->cores > WORKLOAD_CORES_MAX)
        return cq_fail(err, CQ_E_INVALID, "the pool has %" PRIu64 " cores; say 1 to %d, --cores",
                       w->cores, WORKLOAD_CORES_MAX);
    if (w->n_nodes == 0)
        w->n_nodes = (w->cores + NODE_CORES_MAX - 1) / NODE_CORES_MAX;
    if (w->n_nodes > WORKLOAD_NODES_MAX || w->n_nodes > w->cores)
        return cq_fail(err, CQ_E_LIMIT, "%" PRIu64 " machines are too many", w->n_nodes);
    if (workload_node_cores(w, 0) > NODE_CORES_MAX)
        return cq_fail(err, CQ_E_LIMIT, "a machine has at most %d cores", NODE_CORES_MAX);
    if (w->mem_mib / w->n_nodes < 1)
        return cq_fail(err, CQ_E_INVALID, "the pool's machines have no memory");
    return 0;
}

static int check_fits(const struct workload *w, struct cq_err *err)
{
    for (size_t i = 0; i < w->n_rows; i++) {
        const struct sim_row *r = &w->rows[i];
        if (r->cores > workload_node_cores(w, 0) || r->mem_mib > workload_node_mem(w, 0))
            return cq_fail(err, CQ_E_IMPOSSIBLE,
                           "job %" PRIu64 " needs %" PRIu32 " cores and %" PRIu64
                           " MiB; the largest machine has %" PRIu64 " and %" PRIu64,
                           r->number, r->cores, r->mem_mib, workload_node_cores(w, 0),
                           workload_node_mem(w, 0));
    }
    return 0;
}

int workload_build(struct workload *w, struct cq_err *err)
{
    if (check_pool(w, err) != 0 || check_fits(w, err) != 0)
        return -1;
    if (w->n_rows == 0)
        return cq_fail(err, CQ_E_INVALID, "there are no jobs to run");
    free(w->jobs);
    free(w->tasks);
    qsort(w->rows, w->n_rows, sizeof *w->rows, by_arrival);
    w->n_jobs = 0;
    w->jobs = cq_calloc(w->n_rows, sizeof *w->jobs);
    w->tasks = cq_calloc(w->n_rows, sizeof *w->tasks);
    uint32_t *job_of = cq_calloc(w->n_rows, sizeof *job_of);
    group_rows(w, job_of);
    place_tasks(w, job_of);
    free(job_of);
    return 0;
}
