/* The scheduling core: a pure function of state, input and time. It reads no clock, does no I/O,
 * draws no random number. One turn: feed inputs with core_step, seal, hand records and rows to the
 * store, let messages go when they are on disk.
 *
 *   core_step   an input arrives; its records are applied as they are made
 *   core_plan   once per turn, after its inputs: the policy starts what can start
 *   core_apply  the one door of every change of state, live and at load
 */
#ifndef CHIPQ_CORE_H
#define CHIPQ_CORE_H

#include "scheduler/core/effects.h"
#include "scheduler/core/input.h"
#include "scheduler/core/view.h"

struct core;

struct core_config {
    int64_t lease_us; /* length of a lease, default 10 min */
    int64_t
        grace_us; /* added to lease * 1.02 before a silent worker's lease is over, default 15 s */
    int64_t suspect_us;       /* silence after which a worker gets no new work, default 30 s */
    int64_t default_time_us;  /* wall limit of jobs that name none, default 24 h */
    uint64_t default_mem_mib; /* default 1024 */
    int64_t ahead_us;         /* how much work a lease may queue ahead, default 250 ms */
    uint64_t ahead_max;       /* attempts, default 64 */
    /* The policy (docs/POLICY.md). 0 = the default. */
    double beta;           /* weight of what runs now against history, default 3 */
    int64_t half_life_us;  /* of usage, default 24 h */
    int64_t array_step_us; /* an array's k-th task ranks as if sent k steps later, default 1 s; -1 =
                              0 */
    int64_t
        reclaim_grace_us; /* wait of a job within its guarantee before it preempts, default 60 s */
    int64_t starve_us;    /* wait after which a job is a senior, default 12 h */
    int64_t
        replan_us;    /* a reservation is planned anew at most so often, default 1 s; -1 = always */
    double carry;     /* gain of the rounding carry, per second, default 0.1; negative = none */
    bool is_easy;     /* --compat easy: arrival order, one reservation, no fair share */
    bool no_backfill; /* with is_easy: plain first come, first served */
    bool has_plain_licence_charge; /* tokens are charged by their own count alone (n_min = 0) */
    bool
        may_lack_jobs; /* a repair: leases may hold attempts of jobs that are not there; left out */
};

/* Fields of `config` that are 0 get their defaults. Caller frees. */
struct core *core_new(const struct core_config *config);
void core_free(struct core *c); /* accepts NULL */

/* Applies one record. At load: EPOCH_START..PROJECT_ADD, WORKER_ADD.. first, then per live job
 * JOB_SUBMIT and JOB_SNAPSHOT, then LEASE_SNAPSHOT; then core_check_load, last core_load_done.
 * Errors, at load: CQ_E_INTERNAL when a record does not fit the state, whatever it says and
 * wherever it comes (damage, a bug, a hand at the database: do not start). The text names the
 * record, its subject and what does not fit. The core is then only good for core_free. */
int core_apply(struct core *c, const struct record *r, struct cq_err *err) CQ_MUST_CHECK;

/* When all is loaded: does it fit together? CQ_E_INTERNAL says what does not: a record is missing,
 * or one tells otherwise than the others. */
int core_check_load(const struct core *c, struct cq_err *err) CQ_MUST_CHECK;

/* At load, after the leases: an ATTEMPT_END from the journal's tail (the newest 100,000 are
 * plenty). A worker that never got its acknowledgement resends the end; from this memory the core
 * proves that it was accepted, also when lease and job are gone. Ends without a worker are ignored.
 */
void core_remember_end(struct core *c, const struct record *attempt_end);

/* After load, which core_check_load has found good: starts the new epoch (its EPOCH_START record is
 * in `out`), counts every lease anew from `now`. */
void core_load_done(struct core *c, struct now now, struct effects *out);

/* Feeds one input. Appends to `out` what follows from it. A refused request is a reply in `out`,
 * not an error of this function; it fails only for inputs that break the caller's contract:
 * CQ_E_STALE when a dependency given as OUTCOME_LIVE is no longer in memory (look it up again). */
int core_step(struct core *c, const struct input *in, struct now now, struct effects *out,
              struct cq_err *err) CQ_MUST_CHECK;

/* Runs the policy until nothing more can start. Event-driven: costs O(starts + parkings) * log,
 * nothing when nothing changed. */
void core_plan(struct core *c, struct now now, struct effects *out);

/* Whether a WORKER_HELLO would be welcome: its session is opened only then. Errors: CQ_E_DENIED,
 * CQ_E_INVALID, CQ_E_CONFLICT when another agent has its key or its name. */
int core_check_hello(const struct core *c, const struct input *hello,
                     struct cq_err *err) CQ_MUST_CHECK;

/* boot-clock time at which core_step must get a TIMER input; INT64_MAX = never. */
int64_t core_wake_at_us(const struct core *c);

#endif
