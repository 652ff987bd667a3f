/* What the core wants done: records to make durable, messages to send once they are, views that
 * changed. The caller owns and reuses the struct. Pointers into the core's state (marked *) are
 * valid until the next core_step, core_plan or core_apply: the shell encodes messages at once. */
#ifndef CHIPQ_EFFECTS_H
#define CHIPQ_EFFECTS_H

#include "scheduler/core/input.h"
#include "scheduler/core/record.h"

/* One attempt of a grant, with its job: the shell makes a run_order for each job that `is_new_job`
 * says. */
struct out_attempt {
    struct job_id job;
    uint64_t task, attempt;
    bool is_new_job; /* this lease has not heard of the job yet: send its run_order
                        (core_view_order) */
};

enum out_type {
    OUT_REPLY,          /* request: code CQ_OK or an error with text; with `worker` set: this worker
                           must say HELLO (CQ_E_STALE) or cannot join (other codes) */
    OUT_ACCEPTED,       /* request: job numbers; text: a warning, or NULL */
    OUT_ACTION_DONE,    /* request: code, text */
    OUT_WORKER_WELCOME, /* worker: leases to drop: what runs is killed, what is queued forgotten;
                           ends that are not acknowledged are still reported */
    OUT_HEARTBEAT_ACK,  /* worker: heartbeat */
    OUT_LEASE_GRANT,    /* worker: lease, cores, attempts */
    OUT_LEASE_EXTEND,   /* worker: lease, attempts */
    OUT_LEASE_CLOSE,    /* worker: lease */
    OUT_ATTEMPT_KILL,   /* worker: lease, attempts[0], text = cause */
    OUT_ATTEMPT_ACK,    /* worker: attempts accepted (first n_accepted) and stale (the rest) */
    OUT_CONFIG_DONE     /* request: code, text (an error, or warnings one a line), changes */
};

struct out {
    enum out_type type;
    uint64_t request;           /* of the input, for replies */
    struct principal_id worker; /* addressee of worker messages */
    struct worker_id worker_id;
    enum cq_code code;
    uint64_t heartbeat; /* WELCOME, ACK and GRANT: last one heard from this incarnation */
    uint64_t epoch, lease, mem_mib;
    unsigned smt, membind; /* GRANT: as in struct in_job */
    bool was_known;        /* ACCEPTED: the key had been used before */
    char *text;            /* error text, cause or core set; owned */
    char *changes; /* CONFIG_DONE: "kind path\tkey\told\tnew" a line, in canonical order; ACCEPTED:
                      what else was made, for people; owned */
    uint64_t *numbers; /* ACCEPTED: job numbers; WELCOME: leases to drop; owned */
    size_t n_numbers;
    struct out_attempt *attempts; /* owned */
    size_t n_attempts, n_accepted;
    uint64_t n_running, n_sent; /* ACTION_DONE: tasks concerned that ran, that were on their way */
};

struct effects {
    struct record **records; /* owned, in order; the shell may steal them */
    size_t n_records, cap_records;
    struct out *outs; /* in order */
    size_t n_outs, cap_outs;
    struct job_id *dirty_jobs; /* jobs whose view changed, each once */
    size_t n_dirty_jobs, cap_dirty_jobs;
};

void effects_clear(struct effects *e); /* frees what is inside, keeps the arrays */
void effects_fini(struct effects *e);
struct out *effects_out(struct effects *e,
                        enum out_type type); /* appends, zeroed; valid until the next append */
void effects_record(struct effects *e, struct record *r); /* takes r */

#endif
