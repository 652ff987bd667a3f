/* What a simulation runs: a pool, who shares it, and jobs. Readers and generators add rows, one
 * task each; workload_build makes submissions of them. Times are microseconds from the begin of the
 * workload. Zeroed memory is an empty workload. */
#ifndef CHIPQ_SIM_WORKLOAD_H
#define CHIPQ_SIM_WORKLOAD_H

#include "common/base/pure/err.h"
#include "common/base/pure/id.h"
#include "scheduler/sim/names.h"

enum {
    WORKLOAD_ROWS_MAX = 16000000,
    WORKLOAD_CORES_MAX = 1000000, /* of the pool */
    NODE_CORES_MAX = 4096,        /* of one machine: what the core can name */
    WORKLOAD_NODES_MAX = 20000,
    ARRAY_TASKS_MAX = 100000, /* of one submission: what the core accepts */
    WORKLOAD_FEATURES_MAX = 1000,
};
#define WORKLOAD_TIME_MAX_US (INT64_C(1000) * 365 * 86400 * US_PER_S)
#define WORKLOAD_MEM_MAX_MIB (UINT64_C(1) << 40)

#define SIM_OUTCOMES(X) X(OK, "ok") X(FAIL, "fail") X(OOM, "oom") X(LIMIT, "limit")
enum sim_outcome {
#define X(name, text) SIM_##name,
    SIM_OUTCOMES(X)
#undef X
        SIM_OUTCOME_COUNT
};
const char *sim_outcome_name(enum sim_outcome outcome);
bool sim_outcome_from_name(const char *name, enum sim_outcome *outcome);

struct sim_leaf { /* who: a user in a project of an enterprise */
    uint32_t enterprise, project, user;
};

struct sim_row { /* one task */
    int64_t submit_us, run_us, limit_us;
    uint64_t number; /* in its source */
    uint64_t array;  /* rows of one array share it; 0 = a job of its own */
    uint64_t mem_mib;
    uint32_t cores, leaf, licence, klass; /* places in the workload's lists */
    enum sim_outcome outcome;
};

struct sim_job {                   /* one submission: a job, or an array */
    const struct sim_row *request; /* its first row */
    size_t first_task;
    uint32_t n_tasks;
    bool is_array;
};

struct sim_task {
    uint32_t job;
    const struct sim_row *row;
    bool is_over;
    uint32_t preemptions;
    uint32_t domains; /* NUMA nodes that the cores of its last attempt lie in */
    int64_t start_us; /* of its last attempt */
};

struct sim_feature {
    char *name;
    uint64_t count;
    bool is_owned; /* by one enterprise: no charge to the pool's accounts */
};

struct workload {
    uint64_t cores, mem_mib, n_nodes; /* n_nodes 0: as few as can be */
    char *topology;   /* of each machine, compact form (docs/WORKER.md); NULL: nothing is known */
    const char *topo; /* how each job wants to be placed; NULL: the default; borrowed */
    struct names enterprises, projects, users, licences, classes;
    double *weights; /* of enterprises, by place */
    size_t cap_weights, n_weights;
    struct sim_leaf *leaves;
    size_t n_leaves, cap_leaves;
    struct names leaf_keys;
    struct sim_feature *features;
    size_t n_features, cap_features;
    struct sim_row *rows;
    size_t n_rows, cap_rows;
    uint64_t n_skipped; /* rows of the source that nobody can run: no size, no time */
    /* by workload_build */
    struct sim_job *jobs;
    size_t n_jobs;
    struct sim_task *tasks;
    size_t n_tasks;
};

void workload_fini(struct workload *w);

/* Places in the lists, made when new. The licence "" or "-" is none. */
uint32_t workload_enterprise(struct workload *w, const char *name, double weight);
uint32_t workload_leaf(struct workload *w, const char *enterprise, const char *project,
                       const char *user);
uint32_t workload_licence(struct workload *w, const char *bundle);
struct sim_feature *workload_feature(struct workload *w, const char *name); /* count 0 when new */
struct sim_feature *workload_find_feature(const struct workload *w, const char *name, size_t len);

/* Copies the row in. Errors: CQ_E_INVALID or CQ_E_LIMIT when a number is out of range. */
int workload_add(struct workload *w, const struct sim_row *row, struct cq_err *err) CQ_MUST_CHECK;

/* Keeps `count` rows from place `start` in order of (submit, number), moved so that the first one
 * is submitted at 0. Before workload_build. */
int workload_cut(struct workload *w, size_t start, size_t count, struct cq_err *err) CQ_MUST_CHECK;

/* Sorts the rows and makes jobs and tasks. Rows of one array that are submitted at the same time
 * with the same request become one array job, in order of their numbers. Called again it starts
 * over, with nothing run. Errors: a job that no machine of the pool can ever hold. */
int workload_build(struct workload *w, struct cq_err *err) CQ_MUST_CHECK;

/* Cores and memory of machine `i` of the pool; n_nodes is set by workload_build. */
uint64_t workload_node_cores(const struct workload *w, uint64_t i);
uint64_t workload_node_mem(const struct workload *w, uint64_t i);

/* Goes through "vcs:2,dc:1": the next feature's name and tokens. False at the end. Errors are in
 * licence_check, which each bundle passes before it gets here. */
struct licence_part {
    const char *name;
    size_t len;
    uint64_t tokens;
};
bool licence_next(const char **at, struct licence_part *part);
int licence_check(const char *bundle, struct cq_err *err) CQ_MUST_CHECK;

#endif
