/* Dependencies between jobs. A job names what it depends on by job id; the ids are kept apart from
 * the jobs, because a flow may name a job that follows it in the same submit. */
#ifndef CHIPQ_DEPEND_H
#define CHIPQ_DEPEND_H

#include "common/base/pure/flat.h"
#include "common/base/pure/map.h"
#include "common/base/pure/ranges.h"
#include "scheduler/core/effects.h"

struct core;
struct job;

enum dep_state { DEP_WAITING, DEP_MET, DEP_NEVER, DEP_STATE_COUNT };

struct dep {
    uint64_t job; /* id; 0 when the store knew its end at submit */
    enum dep_when when;
    enum dep_state state;
    uint64_t number, attempt; /* attempt: accepted one of a single-task job, once it ended */
    char *name;
    bool is_array;
    struct ranges left; /* aftercorr: tasks whose counterpart has not passed; of an array that was
                           over at submit: those that never will */
};

/* A dependency that can never be met: its job, or tasks of it, are to be ended. */
struct doom {
    uint64_t job;
    size_t dep;          /* index */
    struct ranges tasks; /* aftercorr: tasks whose counterpart did not pass; empty: the whole job */
};

struct dependents {
    struct map by_job;   /* id of the job depended on -> struct waiters */
    struct doom *doomed; /* a queue: [at, n) */
    size_t at, n_doomed, cap_doomed;
};

void dependents_fini(struct dependents *d);
void deps_fini(struct dep *deps, size_t n);

/* The bytes of JOB_SUBMIT's field deps. */
void deps_encode(const struct dep *deps, size_t n, struct cq_str *out);
int deps_decode(const struct record_bytes *bytes, struct dep **deps, size_t *n,
                struct cq_err *err) CQ_MUST_CHECK;
/* What changes about them, for JOB_SNAPSHOT. */
void deps_encode_state(const struct dep *deps, size_t n, struct cq_str *out);
bool deps_decode_state(struct core *c, struct job *job, struct flat_reader *in);

/* Whether a job that ended (well or not) meets a dependency. */
enum dep_state dep_judge(enum dep_when when, bool ended_ok);

/* A job arrives: its blocked tasks, its place in the lists, what can never be met. */
void depend_start(struct core *c, struct job *job);
void depend_seal_never(struct core *c, const struct job *job); /* dooms it if one never is met */

/* Joins / leaves the lists of the jobs depended on. */
void depend_register(struct core *c, struct job *job);
void depend_unregister(struct core *c, struct job *job);

/* A task or job is over: those that wait for it learn it. */
void depend_task_ended(struct core *c, const struct job *on, uint32_t task, bool passed);
void depend_tasks_killed(struct core *c, const struct job *on); /* some of on->killed are new */
void depend_job_ended(struct core *c, const struct job *on);

/* Ends what can never be met, in order, until nothing is left; a chain of any length costs no
 * stack. Run after every input and after load. */
void depend_settle(struct core *c, int64_t wall_us, struct effects *out);

#endif
