/* Reads workloads as tab-separated text with a JSON header. */
#include "scheduler/sim/tsv.h"

#include <inttypes.h>
#include <jansson.h>

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "scheduler/sim/lines.h"

enum field {
    F_NUMBER,
    F_SUBMIT,
    F_RUN,
    F_LIMIT,
    F_CORES,
    F_MEM,
    F_LICENCES,
    F_ENTERPRISE,
    F_PROJECT,
    F_USER,
    F_CLASS,
    F_ARRAY,
    F_OUTCOME,
    FIELDS
};
static const char *const field_names[FIELDS] = {
    "number",     "submit",  "run",  "limit", "cores", "memory", "licences",
    "enterprise", "project", "user", "class", "array", "outcome"};

/* ---- header ---- */

static int header_count(const json_t *header, const char *key, uint64_t max, uint64_t *value,
                        struct cq_err *err)
{
    const json_t *v = json_object_get(header, key);
    if (*value)
        return 0; /* the caller knows better */
    if (!json_is_integer(v) || json_integer_value(v) < 1 || (uint64_t)json_integer_value(v) > max)
        return cq_fail(err, CQ_E_INVALID, "\"%s\" must be a number from 1 to %" PRIu64, key, max);
    *value = (uint64_t)json_integer_value(v);
    return 0;
}

static int add_feature(struct workload *w, const char *name, const json_t *count,
                       struct cq_err *err)
{
    if (!is_name(name) || !json_is_integer(count) || json_integer_value(count) < 0
        || json_integer_value(count) > 1000000)
        return cq_fail(err, CQ_E_INVALID, "feature '%.63s' needs a number of tokens, 0 to 1000000",
                       name);
    if (w->n_features >= WORKLOAD_FEATURES_MAX)
        return cq_fail(err, CQ_E_LIMIT, "more than %d features", WORKLOAD_FEATURES_MAX);
    workload_feature(w, name)->count = (uint64_t)json_integer_value(count);
    return 0;
}

static int add_tenant(struct workload *w, const json_t *tenant, struct cq_err *err)
{
    const char *name = json_string_value(json_object_get(tenant, "name"));
    const json_t *weight = json_object_get(tenant, "weight");
    if (name == NULL || !is_name(name))
        return cq_fail(err, CQ_E_INVALID, "one of the \"tenants\" has no name");
    if (!json_is_number(weight) || !(json_number_value(weight) > 0)
        || json_number_value(weight) > 1e6)
        return cq_fail(err, CQ_E_INVALID, "tenant '%s' needs a weight above 0", name);
    (void)workload_enterprise(w, name, json_number_value(weight));
    return 0;
}

static int take_header(struct workload *w, const json_t *header, struct cq_err *err)
{
    const char *name;
    json_t *value;
    size_t i;
    if (header_count(header, "cores", WORKLOAD_CORES_MAX, &w->cores, err) != 0
        || header_count(header, "mem_mb", WORKLOAD_MEM_MAX_MIB, &w->mem_mib, err) != 0)
        return -1;
    json_object_foreach(json_object_get(header, "features"), name,
                        value) if (add_feature(w, name, value, err) != 0) return -1;
    json_array_foreach(json_object_get(header, "tenants"), i,
                       value) if (add_tenant(w, value, err) != 0) return -1;
    return 0;
}

static int read_header(struct workload *w, const char *line, struct cq_err *err)
{
    json_error_t why;
    if (*line != '#')
        return cq_fail(err, CQ_E_INVALID,
                       "the first line must be '#' and JSON with \"cores\" and \"mem_mb\"");
    json_t *header = json_loads(line + 1, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(header)) {
        json_decref(header);
        return cq_fail(err, CQ_E_INVALID, "the header is no JSON object: %.100s", why.text);
    }
    int rc = take_header(w, header, err);
    json_decref(header);
    return rc;
}

/* ---- tasks ---- */

static int split(char *line, char *fields[FIELDS], struct cq_err *err)
{
    size_t n = 0;
    for (char *p = line; p; n++) {
        if (n == FIELDS)
            return cq_fail(err, CQ_E_INVALID, "more than %d fields", FIELDS);
        fields[n] = strsep(&p, "\t");
    }
    if (n < FIELDS)
        return cq_fail(err, CQ_E_INVALID, "%zu fields with tabs between them; a task has %d", n,
                       FIELDS);
    return 0;
}

static int number(char *const fields[FIELDS], enum field f, uint64_t max, uint64_t *value,
                  struct cq_err *err)
{
    if (parse_u64(fields[f], 0, max, value, err) != 0)
        return cq_wrap(err, "%s", field_names[f]);
    return 0;
}

/* Seconds, with decimals if need be. */
static int seconds(char *const fields[FIELDS], enum field f, int64_t *us, struct cq_err *err)
{
    double value = 0;
    if (parse_double(fields[f], &value, err) != 0)
        return cq_wrap(err, "%s", field_names[f]);
    if (value < 0 || value > (double)WORKLOAD_TIME_MAX_US / 1e6)
        return cq_fail(err, CQ_E_INVALID, "%s: '%.40s' seconds are out of range", field_names[f],
                       fields[f]);
    *us = (int64_t)(value * 1e6 + 0.5);
    return 0;
}

static int numbers(char *const fields[FIELDS], struct sim_row *r, struct cq_err *err)
{
    uint64_t cores = 0;
    if (number(fields, F_NUMBER, UINT64_MAX, &r->number, err) != 0
        || number(fields, F_CORES, UINT32_MAX, &cores, err) != 0
        || number(fields, F_MEM, WORKLOAD_MEM_MAX_MIB, &r->mem_mib, err) != 0
        || number(fields, F_ARRAY, UINT64_MAX, &r->array, err) != 0)
        return -1;
    r->cores = (uint32_t)cores;
    if (seconds(fields, F_SUBMIT, &r->submit_us, err) != 0
        || seconds(fields, F_RUN, &r->run_us, err) != 0
        || seconds(fields, F_LIMIT, &r->limit_us, err) != 0)
        return -1;
    return 0;
}

static int names(struct workload *w, char *const fields[FIELDS], struct sim_row *r,
                 struct cq_err *err)
{
    for (unsigned f = F_ENTERPRISE; f <= F_CLASS; f++)
        if (!is_name(fields[f]))
            return cq_fail(err, CQ_E_INVALID, "%s: '%.63s' is no name", field_names[f], fields[f]);
    if (licence_check(fields[F_LICENCES], err) != 0)
        return cq_wrap(err, "licences");
    if (!sim_outcome_from_name(fields[F_OUTCOME], &r->outcome))
        return cq_fail(err, CQ_E_INVALID, "outcome: '%.40s' is not ok, fail, oom or limit",
                       fields[F_OUTCOME]);
    r->leaf = workload_leaf(w, fields[F_ENTERPRISE], fields[F_PROJECT], fields[F_USER]);
    r->licence = workload_licence(w, fields[F_LICENCES]);
    r->klass = names_id(&w->classes, fields[F_CLASS]);
    return 0;
}

static int read_task(struct workload *w, char *line, struct cq_err *err)
{
    char *fields[FIELDS] = {NULL};
    struct sim_row row = {0};
    if (split(line, fields, err) != 0 || numbers(fields, &row, err) != 0
        || names(w, fields, &row, err) != 0)
        return -1;
    return workload_add(w, &row, err);
}

static int read_all(struct workload *w, struct lines *l, struct cq_err *err)
{
    char *line;
    int rc = lines_next(l, &line, err);
    if (rc == 0)
        return cq_fail(err, CQ_E_INVALID, "the file is empty");
    if (rc < 0)
        return -1;
    if (read_header(w, line, err) != 0)
        return lines_wrap(l, err);
    while ((rc = lines_next(l, &line, err)) > 0)
        if (read_task(w, line, err) != 0)
            return lines_wrap(l, err);
    return rc;
}

int tsv_read(const char *path, struct workload *w, struct cq_err *err)
{
    struct lines *l = lines_open(path, err);
    if (l == NULL)
        return -1;
    int rc = read_all(w, l, err);
    lines_close(l);
    return rc;
}
