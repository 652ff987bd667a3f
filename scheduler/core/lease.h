/* Leases: a worker's right to an exact core set and memory, with a queue of attempts of one class.
 */
#ifndef CHIPQ_LEASE_H
#define CHIPQ_LEASE_H

#include "common/base/pure/bitset.h"
#include "common/base/pure/heap.h"
#include "common/base/pure/map.h"
#include "scheduler/core/domains.h"
#include "scheduler/core/effects.h"
#include "scheduler/core/settings.h"

struct class;
struct core;
struct job;
struct sumtree_node;
struct task;
struct worker;

enum {
    LEASE_JOBS_MAX = 900
}; /* distinct jobs one lease hears of before it drains: with what is queued
    * ahead fewer than the 1,024 orders that a shepherd keeps */

struct lease_item {
    struct job *job;
    struct task *task;
    uint32_t attempt;
    bool is_unsent; /* joins the grant or extension that this plan sends */
};

#define LEASE_UNCOUNTED INT64_MIN

struct lease {
    uint64_t id;
    struct worker *worker;
    struct class *class; /* set by its first attempt */
    uint64_t enterprise, project, principal;
    struct share_node *leaf;
    int64_t rate, inner_rate; /* of its charge, in RATE_ONE */
    int64_t opened_us;        /* policy time */
    struct tokens tokens;
    struct sumtree_node *held; /* its place among those who hold each of its tokens */
    uint64_t booking;          /* that it runs in, or 0 */
    int64_t head_since_us;     /* policy time since which its first attempt may run */
    int64_t end_us; /* policy time of its end by limits: holds.h; LEASE_UNCOUNTED: none yet */
    uint64_t first_epoch, epoch; /* of its grant; as re-stamped */
    struct cq_uuid incarnation;
    struct bitset cores;
    char *cores_text;
    uint64_t mem_mib, n_cores;
    uint64_t n_usable; /* of its cores, those that its machine offers now: others are offline */
    struct domain_memory numa_mem; /* which of mem_mib is of which NUMA node */
    struct lease_item *queue;      /* the first one runs */
    size_t n, cap;
    size_t ahead_index;   /* in leases.ahead */
    struct map heard;     /* ids of jobs whose run order went out in this reign */
    uint64_t mean_run_us; /* of attempts that passed here */
    bool is_refused;      /* its worker takes nothing more for it: closes when nothing runs there */
    bool is_recalled;     /* called back for another: gets nothing more, and its charge back */
    int64_t recalled_from_us; /* policy time since when it gets that back */
    bool is_touched;          /* in leases.touched: look whether it wants more */
    bool is_unsent;           /* opened by this plan */
    bool is_listed;           /* this plan has something to send to it */
    bool is_changed;          /* since the last core_view_entities */
    bool is_shown;            /* core_view_entities gave it out */
};

struct leases {
    struct map by_id;
    struct heap ahead; /* ahead.h */
    uint64_t *touched; /* ids */
    size_t n_touched, cap_touched;
    uint64_t *gone; /* ids shown once and closed since */
    size_t n_gone, cap_gone;
    uint64_t *changed;
    size_t n_changed, cap_changed;
};

void leases_fini(struct core *c);
void lease_free(struct lease *l);
struct lease *lease_find(const struct core *c, uint64_t id);
void lease_touch(struct core *c, struct lease *l);
size_t lease_item_index(const struct lease *l, uint64_t job, uint64_t task,
                        uint64_t attempt); /* SIZE_MAX: not in its queue */

/* The door for LEASE_* and ATTEMPT_* records. */
int lease_apply(struct core *c, const struct record *r, struct cq_err *err) CQ_MUST_CHECK;

/* Its first attempt is called back for another: from the start of that its charge comes back. */
void lease_recall(struct core *c, struct lease *l);

/* From policy time on it is charged so much; for the doors of other records. */
void lease_recharge(struct core *c, struct lease *l, int64_t rate, int64_t inner,
                    int64_t policy_us);

/* Makes and emits records. lease_lose: every attempt in the queue ends as lost, then it closes. */
void lease_emit_close(struct core *c, struct lease *l, const char *why, int64_t wall_us,
                      struct effects *out);
void lease_emit_loss(struct core *c, struct lease *l, size_t index, const char *cause,
                     int64_t wall_us, struct effects *out);
void lease_lose(struct core *c, struct lease *l, const char *cause, int64_t wall_us,
                struct effects *out);

/* Tells the worker to kill one attempt of the queue. */
void lease_send_kill(struct core *c, const struct lease *l, const struct out_attempt *at,
                     const char *cause, struct effects *out);
struct out *lease_out(const struct core *c, const struct worker *w, enum out_type type,
                      uint64_t lease, struct effects *out); /* addressed, with epoch */

/* A heap-allocated LEASE_SNAPSHOT. */
struct record *lease_snapshot(const struct lease *l);

/* Inputs of workers about attempts: events.c. */
void lease_events_step(struct core *c, const struct input *in, struct now now, struct effects *out);
void lease_refuse_step(struct core *c, const struct input *in, struct now now, struct effects *out);

#endif
