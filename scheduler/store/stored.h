/* Rows of the database as C structs: a job, and a task's attempt. The columns are listed once; the
 * structs, the SQL texts, the binding and the reading come from these lists. */
#ifndef CHIPQ_STORED_H
#define CHIPQ_STORED_H

#include "scheduler/core/view.h"

/* Columns that a job is born with. */
#define STORED_JOB_FIXED(X)                                                              \
    X(u64, id)                                                                           \
    X(u64, enterprise)                                                                   \
    X(u64, number)                                                                       \
    X(u64, principal)                                                                    \
    X(u64, project) X(text, user_name) X(text, project_name) X(text, name) X(text, flow) \
        X(text, tool) X(text, stage_of) X(u64, is_array) X(u64, expects) X(u64, tasks)   \
            X(u64, cores) X(u64, mem_mib) X(u64, time_us) X(i64, submit_us)

/* Columns that change while it lives. `keep`: NULL leaves the old value. `attempt` is the last
 * attempt of a single-task job, 0 until it starts and for arrays. */
#define STORED_JOB_LIVE(X)                                                                      \
    X(u64, state)                                                                               \
    X(u64, verdict)                                                                             \
    X(u64, waiting)                                                                             \
    X(u64, running)                                                                             \
    X(u64, passed) X(u64, failed) X(u64, killed) X(u64, lost) X(i64, priority) X(i64, start_us) \
        X(i64, end_us) X(text, node) X(text, end_cause) X(text, passed_ranges)                  \
            X(text, failed_ranges) X(most, attempt) X(keep, metrics) X(text, killed_ranges)     \
                X(text, end_code)

#define STORED_TASK_COLUMNS(X)                                                                    \
    X(u64, task)                                                                                  \
    X(u64, attempt)                                                                               \
    X(text, state)                                                                                \
    X(u64, verdict)                                                                               \
    X(text, node) X(text, cores) X(i64, exit_code) X(u64, signal) X(text, limit) X(i64, start_us) \
        X(i64, end_us) X(u64, cpu_user_us) X(u64, cpu_system_us) X(u64, peak_mem_kib)             \
            X(text, summary) X(text, signature) X(text, result) X(text, cause)

/* Since version 2 of the row, since 3, since 4: appended, zero in older ones. */
#define STORED_TASK_FIGURES(X) \
    X(u64, max_rss_kib)        \
    X(u64, io_read_bytes) X(u64, io_write_bytes) X(u64, switches) X(u64, switches_forced)
#define STORED_TASK_SIZES(X)   X(u64, mem_mib)
#define STORED_TASK_OUTPUTS(X) X(u64, outputs)

#define STORED_C_u64(name)   uint64_t name;
#define STORED_C_most(name)  uint64_t name;
#define STORED_C_i64(name)   int64_t name;
#define STORED_C_text(name)  char *name;
#define STORED_C_keep(name)  char *name;
#define STORED_C(kind, name) STORED_C_##kind(name)

struct stored_job { /* texts are owned; NULL is read as "" */
    STORED_JOB_FIXED(STORED_C) STORED_JOB_LIVE(STORED_C)
};
struct stored_task {
    STORED_TASK_COLUMNS(STORED_C) STORED_TASK_FIGURES(STORED_C) STORED_TASK_SIZES(STORED_C)
        STORED_TASK_OUTPUTS(STORED_C)
};

/* Copies what the database keeps of a view. `metrics` (JSON object or NULL) is copied too. */
void stored_job_of_view(const struct job_view *v, const char *metrics, struct stored_job *out);
/* The same without the texts that are set once, when the row is made. */
void stored_job_changes_of_view(const struct job_view *v, const char *metrics,
                                struct stored_job *out);
void stored_job_fini(struct stored_job *j);
void stored_task_of_view(const struct task_view *v, struct stored_task *out);
void stored_task_fini(struct stored_task *t);

/* The flat form of a task's row. Decoding is strict: CQ_E_PROTOCOL for damage. */
void stored_task_encode(const struct stored_task *t, struct cq_str *out);
int stored_task_decode(const void *data, size_t bytes, struct stored_task *out,
                       struct cq_err *err) CQ_MUST_CHECK;

#endif
