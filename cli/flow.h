/* A flow file: read, checked against the file system and the pool, and turned into the jobs of one
 * SUBMIT.
 *
 *   flow_read     YAML -> struct flow; every error with line and column
 *   flow_check    tools, parameters, input files, and requests that no worker can meet
 *   flow_plan     stages expanded, dependencies by place, run specifications made
 *
 * All problems are collected, up to FLOW_ERRORS_MAX, so that one look at the list mends the file.
 */
#ifndef FLOW_H
#define FLOW_H

#include "cli/request.h"

#include <jansson.h>
#include <yaml.h>

#define FLOW_FILE_MAX   1048576 /* bytes */
#define FLOW_JOBS_MAX   1000
#define FLOW_ERRORS_MAX 20

struct flow_at { /* a place in the file, counted from 1 */
    size_t line, col;
};

struct flow_error {
    struct flow_at at;
    char *text;
};

struct flow_errors {
    struct flow_error items[FLOW_ERRORS_MAX];
    size_t n, more; /* kept; not kept */
};

/* Texts are cut at 500 bytes. */
void flow_errors_add(struct flow_errors *e, struct flow_at at, const char *fmt, ...)
    CQ_PRINTF(3, 4);
void flow_errors_sort(struct flow_errors *e);
/* "signoff.yaml:12:9: unknown key 'tol'; did you mean 'tool'?" and so on, harmless on terminals. */
void flow_errors_format(const struct flow_errors *e, const char *file, struct cq_str *out);
void flow_errors_fini(struct flow_errors *e);

struct flow_need {
    char *job;
    uint64_t when; /* as in dep_spec */
    size_t index;  /* of the job in the flow; valid after flow_read */
    struct flow_at at;
};

struct flow_param { /* a key that is the tool's own */
    char *name;
    struct flow_at at;
    const yaml_node_t *value; /* in the flow's document */
};

struct flow_job {
    char *name;
    struct flow_at at, tool_at, cores_at, mem_at, array_at; /* line 0 = not written */
    struct request request;
    char *tool, *task; /* "verilator", "sim"; NULL for a plain command */
    char **run;        /* argv of a plain command, NULL-terminated; NULL for a tool */
    size_t n_run;
    struct flow_need *needs;
    size_t n_needs;
    struct flow_param *params;
    size_t n_params;
    json_t *require, *expect; /* objects, or NULL */
    json_t *values;           /* the parameters as task.json has them; made by flow_check */
    const json_t *described;  /* the task's description, in the pool; set by flow_check */
};

struct flow {
    char *name, *project; /* project may be NULL */
    char *root;           /* absolute directory of the file: CHIPQ_SRC */
    struct request defaults;
    struct flow_job *jobs;
    size_t n_jobs;
    yaml_document_t document;
    bool has_document;
};

/* What flow_check needs to know of the pool. Zeroed memory is a pool without tools and workers. */
struct flow_pool {
    json_t *tools;                   /* array of descriptions (docs/PLUGINS.md), owned */
    uint64_t cores_max, mem_max_mib; /* of the largest worker; 0 = no worker is known */
};

void flow_pool_fini(struct flow_pool *p);

/* Reads `text` as the flow file `path` (which gives its name and root). `f` is zeroed memory;
 * release it with flow_fini, also when there were errors. */
void flow_read(const char *path, const char *text, size_t bytes, struct flow *f,
               struct flow_errors *e);
void flow_fini(struct flow *f);

/* Checks against the pool and the file system. Blocks: reads directories. */
void flow_check(struct flow *f, const struct flow_pool *pool, struct flow_errors *e);

/* Places of the file for keys that several files of the loader use. */
struct flow_at flow_at_of(const yaml_node_t *node);
const char *flow_kind_of(const yaml_node_t *node); /* "a list", "a map", "a text" */
/* The scalar's text, NULL when it is none, or has a NUL byte. */
const char *flow_scalar(const yaml_node_t *node);
bool flow_is_plain(const yaml_node_t *node); /* a scalar without quotes */

/* Turns one parameter's value into JSON as its description says; NULL when errors were added.
 * Caller owns. */
json_t *flow_param_value(struct flow *f, const struct flow_job *job, const struct flow_param *param,
                         const json_t *described, struct flow_errors *e);

struct flow_context { /* whose input it is */
    struct flow *flow;
    const struct flow_job *job;
    struct flow_errors *errors;
};

/* Expands a glob, or checks a single input, relative to the flow's root, and appends what it means
 * to `out`: sorted paths relative to the root (or absolute, or dep:JOB/file, as written). */
void flow_expand_path(const struct flow_context *c, struct flow_at at, const char *pattern,
                      bool is_glob, json_t *out);

/* ---- the plan: what SUBMIT carries ---- */

struct flow_planned {
    struct job_spec spec; /* texts point into the plan and the flow */
    char *name;           /* "sim.build" */
    size_t job;           /* index in the flow */
    bool is_last;         /* of its flow job's stages: it has the flow job's own name */
    uint64_t tasks;       /* 0 = no array */
    struct dep_spec *deps;
    struct cq_str run;
    char *tool, *array;
};

struct flow_plan {
    struct flow_planned *jobs;
    size_t n;
};

/* Plans a flow that flow_check found without errors; `env` is the caller's environment. Adds errors
 * for limits. `p` is zeroed memory; release it with flow_plan_fini. The flow must outlive it. */
void flow_plan_make(struct flow *f, char *const *env, struct flow_plan *p, struct flow_errors *e);
void flow_plan_fini(struct flow_plan *p);

#endif
