/* A live job: its request (what of JOB_SUBMIT is needed, shared), its unstarted tasks as ranges,
 * its started ones as structs, its ended ones as ranges by how they ended. */
#ifndef CHIPQ_JOB_H
#define CHIPQ_JOB_H

#include "common/base/pure/heap.h"
#include "scheduler/core/depend.h"
#include "scheduler/core/job_state.h"
#include "scheduler/core/people.h"
#include "scheduler/core/request.h"

struct class;
struct laters;
struct lease;

/* A task that started at least once and has not ended. */
struct task {
    uint32_t number, attempt;
    enum task_state state;
    uint32_t losses, failures, returns; /* returns: attempts that no worker had confirmed */
    uint32_t preemptions;               /* how often it was called back for a guarantee */
    int64_t preempted_us;               /* policy time of the last time; 0 = never */
    bool is_killing;                    /* cancelled: its attempt is being killed */
    bool is_requeued;                   /* called back, by a person or for another: it runs again */
    bool is_preempted;                  /* the latter */
    bool is_shown;                      /* a row of it went out as live */
    bool is_changed;                    /* its live row is in job->changed_tasks */
    bool has_run;                       /* it started at least once: its wait is accounted */
    struct lease *lease;                /* while live */
    int64_t start_us;
    uint64_t mem_mib; /* of its attempt, or of the next one */
    uint32_t growths; /* attempts that ran out of memory and were followed by a larger one */
};

/* With what a job's tasks begin now, and how attempts that had as much have ended. */
struct first_size {
    uint64_t mem_mib;
    uint32_t n_too_little, n_enough;
};

/* An attempt that ended; kept until the next view. */
struct ended {
    uint32_t task, attempt;
    enum task_state state; /* of the task afterwards */
    uint64_t mem_mib;
    char *node, *cores; /* owned */
    struct record *end; /* ATTEMPT_END, shared; NULL: it ended without one */
};

/* The jobs of one SUBMIT that are live; the key of a repeated SUBMIT finds it. */
struct group {
    uint64_t principal, hash, n_live;
    struct cq_uuid key;
    uint8_t digest[32];
    struct job **jobs; /* by submit_index; NULL when gone */
    uint64_t count, first_number;
    struct group *next_same_hash;
};

#define QUEUE_NOWHERE ((uint32_t)HEAP_NOWHERE)

/* There are up to a million of them: fields are as small as they can be, in an order without gaps.
 */
struct job {
    uint64_t id, number;
    struct enterprise *enterprise;
    struct principal *principal;
    struct project *project;
    const struct job_submit *asked; /* with the others that ask the same: request.h */
    struct own_part *own;           /* its name and run specification */
    struct group *group;
    struct class *class;
    struct ranges waiting, blocked; /* blocked: by an aftercorr dependency */
    struct laters *later;           /* that wait with other memory: grow.h; NULL: none yet */
    struct first_size first;        /* grow.h */
    struct ranges passed, failed, killed, lost;
    struct map tasks; /* number + 1 -> struct task */
    struct dep *deps;
    uint32_t n_deps, n_unmet; /* n_unmet: of the whole job, not aftercorr */
    uint32_t n_tasks, n_running, n_asking;
    uint32_t counted_waiting, counted_running; /* as the enterprise's counts have it */
    uint32_t ready;                  /* tasks that may start now, as its class counts them */
    uint32_t queue_index, age_index; /* in the heaps of queue.c, or QUEUE_NOWHERE */
    uint16_t submit_index;
    enum job_state state : 8, counted : 8; /* counted: as the enterprise's counts have it */
    enum verdict worst;
    bool is_array : 1, is_held : 1, is_dirty : 1, is_new : 1;
    bool is_skipped : 1;    /* end_cause is that of a dependency which can never be met */
    bool is_part_cause : 1; /* end_cause is of some of its tasks only */
    bool was_ready : 1;     /* it waited neither held nor for others, at its last change */
    int64_t submit_us, start_us, end_us;
    uint64_t mean_run_us, last_attempt; /* mean: of its attempts that passed, exponentially aged */
    char *end_cause, *node;
    int64_t rank_us;    /* within its class: time of submit, place in the array, priority */
    int64_t ready_us;   /* wall: neither held nor waiting for others since; 0 = not known */
    int64_t waiting_us; /* the same in policy time: its age among what waits */
    struct ended *ended;
    uint32_t *changed_tasks;
    uint32_t n_ended, cap_ended, n_changed, cap_changed;
};

struct jobs {
    struct map by_id, groups;
    struct job_id *dirty;
    size_t n_dirty, cap_dirty;
};

void jobs_fini(struct core *c);
void job_free(struct job *job); /* only its memory */
void job_ended_free(struct ended *list, size_t n);
struct job *job_find(const struct core *c, uint64_t id);
struct job *job_find_number(const struct core *c, struct enterprise_id e, uint64_t number);
struct group *job_group_find(const struct core *c, struct principal_id p,
                             const struct cq_uuid *key);

/* The door for JOB_* records. */
int job_apply(struct core *c, const struct record *r, struct cq_err *err) CQ_MUST_CHECK;

/* Tasks. job_tasks: all of them in order of number; caller frees. */
struct task *job_task(const struct job *job, uint32_t number); /* NULL: not started, or over */
struct task **job_tasks(const struct job *job);
struct task *job_assign(struct core *c, struct job *job, uint32_t number, uint32_t attempt,
                        struct lease *lease); /* a waiting task; takes it out */
void job_task_move(struct core *c, struct job *job, struct task *task, enum task_event event,
                   const struct record *end); /* through the table; folds what ended */
bool job_may_start(const struct job *job, uint32_t number);       /* it waits, nothing blocks it */
uint64_t job_ready_tasks(const struct job *job);                  /* as the queue counts */
void job_refresh(struct core *c, struct job *job, int64_t at_us); /* state, counts, queue; dirty */
void job_mark_dirty(struct core *c, struct job *job);
void job_flush_dirty(struct core *c, struct effects *out);
void job_show_task(struct core *c, struct job *job, struct task *t); /* its live row changed */
/* What a run of it usually takes; nothing known: a third of its limit. */
double job_usual_us(const struct job *job);
uint64_t job_waiting(const struct job *job); /* tasks that wait for anything */
const char *job_label(const struct job *job, char *buf, size_t size); /* its name, or number */

/* Runs an attempt's end through the rules: what becomes of the task. */
enum task_event job_judge(const struct job *job, struct task *task,
                          const struct attempt_end_rec *end);

/* job_snapshot.c */
void snapshot_put_ranges(struct cq_str *out, const struct ranges *r);
bool snapshot_get_ranges(struct flat_reader *in, struct ranges *r);
void job_snapshot_encode(const struct job *job, struct cq_str *out);
int job_snapshot_apply(struct core *c, struct job *job, const struct record_bytes *state,
                       struct cq_err *err) CQ_MUST_CHECK;

/* Inputs: submit.c, action.c. */
int job_submit_step(struct core *c, const struct input *in, struct now now, struct effects *out,
                    struct cq_err *err) CQ_MUST_CHECK;
void job_action_step(struct core *c, const struct input *in, struct now now, struct effects *out);

#endif
