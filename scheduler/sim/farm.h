/* A core with machines that do not exist: feeds it inputs and collects what it wants done, as the
 * daemon and its workers would. Time is what the caller says it is. */
#ifndef CHIPQ_SIM_FARM_H
#define CHIPQ_SIM_FARM_H

#include "scheduler/core/core.h"

struct farm_grant { /* an attempt that a machine may start when what its lease holds has ended */
    struct principal_id worker;
    uint64_t lease, epoch;
    struct in_attempt at;
};

struct farm_list {
    struct farm_grant *items;
    size_t n, cap;
};

/* A lease was granted on these cores ("0-3,8"). */
typedef void (*farm_lease_fn)(void *arg, struct principal_id worker, uint64_t lease,
                              const char *cores);

struct farm {
    struct core *core;
    farm_lease_fn on_lease; /* NULL: nobody wants to know */
    void *on_lease_arg;
    struct effects fx;
    struct now now;
    uint64_t n_inputs, n_keys;
    /* What the last calls brought; the caller empties them by setting n to 0. */
    struct farm_list grants, kills;
    uint64_t *closed; /* leases */
    size_t n_closed, cap_closed;
    /* Of the last input. */
    enum cq_code code;
    char text[CQ_ERR_TEXT_BYTES];
    uint64_t number; /* of the first job accepted */
};

enum { FARM_WALL_BEGIN_S = 1767571200 }; /* Monday 2026-01-05, 00:00 UTC: time 0 */

/* Leases of the config are made to last for ever: machines of a farm are never silent. */
void farm_init(struct farm *f, const struct core_config *config);
void farm_fini(struct farm *f); /* accepts zeroed memory */

/* Sets the clocks and serves timers that are due until then, each with a plan after it. Stops early
 * when a timer brings grants or kills; the clocks then show that time. */
int farm_advance(struct farm *f, int64_t to_us, struct cq_err *err) CQ_MUST_CHECK;

/* One input; a refusal by the core is in code and text, not an error. */
int farm_step(struct farm *f, struct input *in, struct cq_err *err) CQ_MUST_CHECK;
void farm_plan(struct farm *f);

int farm_add_enterprise(struct farm *f, const char *name, struct cq_err *err) CQ_MUST_CHECK;
int farm_add_user(struct farm *f, const char *enterprise, const char *name, struct principal_id *id,
                  struct cq_err *err) CQ_MUST_CHECK;
/* `topology`: compact form (docs/WORKER.md); "" = nothing is known. */
int farm_add_node(struct farm *f, const char *name, uint64_t cores, uint64_t mem_mib,
                  const char *topology, struct cq_err *err) CQ_MUST_CHECK;

/* Applies all rows or none; refused ones are an error here. */
int farm_configure(struct farm *f, const struct in_config_row *rows, size_t n,
                   struct cq_err *err) CQ_MUST_CHECK;

/* Submits `jobs`; code, text and number tell what became of it. */
int farm_submit(struct farm *f, struct principal_id who, const char *project,
                const struct in_job *jobs, size_t n_jobs, struct cq_err *err) CQ_MUST_CHECK;

/* Reports of one machine's attempts. */
int farm_report_starts(struct farm *f, struct principal_id worker,
                       const struct in_attempt_start *starts, size_t n,
                       struct cq_err *err) CQ_MUST_CHECK;
int farm_report_ends(struct farm *f, struct principal_id worker, const struct in_attempt_end *ends,
                     size_t n, struct cq_err *err) CQ_MUST_CHECK;

struct in_attempt_end farm_end(const struct farm *f, const struct in_attempt *at,
                               enum verdict verdict, int64_t run_us);

/* The job is over for the caller: its view is taken and the core forgets it. */
void farm_forget(struct farm *f, struct job_id id);

#endif
