/* What others may see of the core's state: rows for the store's views and answers that only the
 * core knows. Read-only; results are borrowed from the core or from the caller's struct and valid
 * until the core changes. */
#ifndef CHIPQ_VIEW_H
#define CHIPQ_VIEW_H

#include "common/base/pure/ranges.h"
#include "scheduler/core/effects.h"
#include "scheduler/core/policy_view.h"

struct bitset;
struct core;

#define JOB_STATES(X)     \
    X(NONE, "none")       \
    X(PENDING, "pending") \
    X(HELD, "held")       \
    X(RUNNING, "running") \
    X(DONE, "done") X(FAILED, "failed") X(KILLED, "killed") X(LOST, "lost") X(EXPIRED, "expired")
enum job_state {
#define X(name, text) JOB_##name,
    JOB_STATES(X)
#undef X
        JOB_STATE_COUNT
};
const char *job_state_name(enum job_state state);
bool job_state_is_terminal(enum job_state state);
const char *verdict_name(enum verdict verdict);
const char *role_name(enum role role);
bool role_from_name(const char *name, enum role *role);

/* What an attempt left for others: of one that goes on, or of an old record, nobody knows. */
enum outputs { OUTPUTS_UNKNOWN, OUTPUTS_NONE, OUTPUTS_PUBLISHED };

/* One attempt of a task: running, or ended since the last view. */
struct task_view {
    uint64_t task, attempt;
    const char *state; /* assigned starting running pending done failed killed lost expired */
    enum verdict verdict;
    const char *node, *cores;
    int64_t exit_code, start_us, end_us;
    uint64_t signal, cpu_user_us, cpu_system_us, peak_mem_kib;
    uint64_t mem_mib, max_rss_kib, io_read_bytes, io_write_bytes, switches, switches_forced;
    enum outputs outputs;
    const char *limit, *summary, *signature, *result, *cause;
    bool is_live;    /* not ended: its row is replaced later */
    bool is_attempt; /* an earlier attempt that ended, of a task that goes on: goes to the attempt
                        history */
};

/* A job's row, with the tasks and earlier attempts that changed since its last view; and its
 * snapshot records. */
struct job_view {
    struct job_id id;
    struct enterprise_id enterprise;
    struct principal_id principal;
    struct project_id project;
    uint64_t number, tasks, waiting, running, passed, failed, killed, lost, cores, mem_mib, time_us;
    const char *enterprise_name, *user_name, *project_name, *name, *flow, *tool, *stage_of;
    enum job_state state;
    enum verdict verdict;
    bool is_array, is_new, expects; /* is_new: the store has no row yet */
    int64_t priority, submit_us, start_us, end_us;
    struct cq_uuid client_key;
    uint8_t digest[32];
    uint64_t submit_index, submit_count;
    struct record
        *state_record; /* JOB_SNAPSHOT record, made for this view; NULL when the job is over */
    char *passed_ranges, *failed_ranges, *killed_ranges; /* owned */
    const char *end_code;            /* of end_cause: CANCELLED, SKIPPED_DEPENDENCY, or "" */
    const char *end_cause;           /* how it ended, when not by its own tasks; "" otherwise */
    struct task_view *tasks_changed; /* owned */
    size_t n_tasks_changed;
    const char *node; /* of a single-task job */
    void *ended;      /* private: what tasks_changed points into; freed by job_view_fini */
    size_t n_ended;
};

/* Fills `v` for a dirty job and marks its changes as seen. A job that is over leaves the core's
 * memory by core_forget(c, id), which the shell calls after it has the view. job_view_fini frees.
 */
void core_view_job(struct core *c, struct job_id id, struct job_view *v);
void job_view_fini(struct job_view *v);
void core_forget(struct core *c, struct job_id id);        /* no-op while the job is live */
bool core_is_over(const struct core *c, struct job_id id); /* in memory still, and over */

/* Snapshot records of everything small that changed since the last call (epoch, counters,
 * numbering, enterprises, principals, projects, workers, open leases), for the store's entity
 * table. `gone` = the entity no longer exists. */
struct entity_view {
    enum record_type type;
    uint64_t id;
    struct record *record; /* owned by the callback's caller only during the call */
    bool gone;
};
/* What a reason's code means of any job, without what it says of this one; "" for no such code. */
const char *core_reason_text(const char *code);

typedef void (*entity_view_fn)(void *arg, const struct entity_view *e);
void core_view_entities(struct core *c, entity_view_fn fn, void *arg);

/* Why a job's first memory request has its size, in words; nothing when it was named. */
void core_explain_mem(const struct job_submit *s, const char *enterprise, const char *project,
                      struct cq_str *out);

/* Why tasks of a live job that were killed before they started were; "" when none was. Borrowed. */
const char *core_killed_by(const struct core *c, struct job_id id);

/* What a worker must know to run a job. */
struct order_dep {
    const char *name;
    uint64_t number, attempt;
    bool is_array;
};
struct order_view {
    struct job_id job;
    const char *enterprise, *name, *user, *tool;
    uint64_t number, time_us, restart;
    bool is_array;
    void *run; /* owned; NULL until core_view_run */
    size_t run_bytes;
    struct order_dep *deps; /* owned */
    size_t n_deps;
};
void core_view_order(const struct core *c, struct job_id id, struct order_view *v);
void core_view_run(const struct core *c, struct order_view *v); /* of v->job: it is kept packed */
void order_view_fini(struct order_view *v);

/* Calls fn for each started and not ended task of a live job, in order of task number. */
void core_each_task(const struct core *c, struct job_id id,
                    void (*fn)(void *arg, const struct task_view *t), void *arg);

/* Live lookups. A job that is over counts as live until core_forget. */
struct job_id core_find_job(const struct core *c, struct enterprise_id e,
                            uint64_t number); /* {0}: not live */
struct job_id core_find_key(const struct core *c, struct principal_id p,
                            const struct cq_uuid *key); /* first live job of it */

/* Reasons why a live job's tasks do not start, the deciding one first. Codes from reasons.def. */
enum change_kind {
    CHANGE_NONE,
    CHANGE_CORES,
    CHANGE_MEM,
    CHANGE_TIME,
    CHANGE_LIMIT,
    CHANGE_PREEMPTIBLE
};
struct reason {
    const char *code;
    char text[256], advice[256];
    uint64_t tasks;
    /* the change that `advice` speaks of, when there is one that lets it start in the next pass: a
     * new request (cores, MiB, microseconds), or a setting of a share node */
    enum change_kind change;
    uint64_t change_value;
    const char *change_key;
    uint64_t change_node;
};
size_t core_explain(const struct core *c, struct job_id id, struct now now, struct reason *reasons,
                    size_t max);
/* The first of them alone, for rows of lists: code and text are as there, no change is looked for.
 * False: nothing holds it back. A list of thousands has few that differ: with a memo, zeroed at its
 * beginning, what was found for one row is told for those like it. */
struct brief_memo {
    const void *like; /* the core's */
    struct reason reason;
};
bool core_explain_brief(const struct core *c, struct job_id id, struct now now, struct reason *r,
                        struct brief_memo *memo);
/* The same of one task of it; none when it runs, is over or is not there. */
struct task_id {
    struct job_id job;
    uint32_t number;
};
size_t core_explain_task(const struct core *c, struct task_id id, struct now now,
                         struct reason *reasons, size_t max);

/* When its first waiting task is expected to start, as wall times: from (if running jobs end when
 * such jobs usually do) to (if they use their whole limits). False: nothing is known. */
struct start_estimate {
    int64_t from_us, to_us;
};
bool core_expect_start(const struct core *c, struct job_id id, struct now now,
                       struct start_estimate *e);
bool core_expect_task_start(const struct core *c, struct task_id id, struct now now,
                            struct start_estimate *e);

/* Where a live attempt runs, for log queries and rows. */
struct principal_view {
    struct principal_id id;
    struct enterprise_id enterprise;
    const char *enterprise_name, *name, *public_key;
    enum role role;
    bool revoked;
};
bool core_view_principal(const struct core *c, struct principal_id id, struct principal_view *v);
bool core_find_principal_key(const struct core *c, const char *public_key,
                             struct principal_view *v); /* not revoked only */
void core_each_principal(const struct core *c,
                         void (*fn)(void *arg, const struct principal_view *p), void *arg);
void core_each_enterprise(const struct core *c,
                          void (*fn)(void *arg, struct enterprise_id id, const char *name),
                          void *arg);
bool core_find_enterprise(const struct core *c, const char *name, struct enterprise_id *id);
/* Also of one that was removed, whose jobs are still on record; "" = never heard of. */
const char *core_enterprise_name(const struct core *c, struct enterprise_id id);

/* Live jobs of an enterprise that said --reserve `name` and have tasks that did not start. */
uint64_t core_count_booked(const struct core *c, struct enterprise_id id, const char *name);

struct worker_view {
    struct worker_id id;
    struct principal_id principal;
    const char *name, *state, *topology,
        *features;             /* state: up suspect down draining drained settling */
    const char *drain_why;     /* NULL or "": not told */
    bool is_drained_by_chipqd; /* then drain_why may tell of anyone's jobs */
    uint64_t cores, cores_used, mem_mib, mem_used_mib, leases;
    int64_t last_seen_mono_us;
};
void core_each_worker(const struct core *c, struct now now,
                      void (*fn)(void *arg, const struct worker_view *w), void *arg);
/* Memory for jobs of each of its NUMA nodes, in the order of its topology, and what leases hold of
 * it, into arrays of LAYOUT_UNITS_MAX. Returns how many: 0 for a worker that is not known. */
size_t core_worker_numa(const struct core *c, struct worker_id id, uint64_t *mib,
                        uint64_t *used_mib);
/* Cores that it has and that are offline now; `out` is the caller's. */
void core_worker_offline(const struct core *c, struct worker_id id, struct bitset *out);
/* "" for a worker that is not known; borrowed until the next input. */
const char *core_worker_topology(const struct core *c, const char *name);
/* Open leases of a worker with what runs on them now. */
struct lease_view {
    struct lease_id id;
    struct job_id job; /* of the running or next attempt; {0} = none */
    uint64_t task, number;
    struct enterprise_id enterprise;
    const char *enterprise_name, *cores;
};
void core_each_lease(const struct core *c, struct worker_id id,
                     void (*fn)(void *arg, const struct lease_view *l), void *arg);
struct worker_id core_worker_of_task(const struct core *c, struct job_id id,
                                     uint64_t task); /* {0}: not started */
struct worker_id core_find_worker(const struct core *c, const char *name);

struct counts {
    uint64_t jobs_waiting, jobs_running, tasks_waiting, tasks_running, workers_up, cores,
        cores_used;
};
void core_counts(const struct core *c, struct enterprise_id only,
                 struct counts *out); /* {0} = everyone's */
uint64_t core_epoch(const struct core *c);

#endif
