/* What the shell tells the core. Everything is borrowed until core_step returns. */
#ifndef CHIPQ_INPUT_H
#define CHIPQ_INPUT_H

#include "common/base/pure/id.h"
#include "scheduler/core/input_config.h"

#define ROLES(X)            \
    X(DESIGNER, "designer") \
    X(ENTERPRISE_ADMIN, "admin") X(PLATFORM_ADMIN, "platform") X(WORKER, "worker")
enum role {
#define X(name, text) ROLE_##name,
    ROLES(X)
#undef X
        ROLE_COUNT
};

#define VERDICTS(X) \
    X(NONE, "")     \
    X(PASS, "pass") \
    X(FAIL, "fail") \
    X(ERROR, "error") X(TIMEOUT, "timeout") X(OOM, "oom") X(KILLED, "killed") X(LOST, "lost")
enum verdict {
#define X(name, text) VERDICT_##name,
    VERDICTS(X)
#undef X
        VERDICT_COUNT
};

enum dep_when { DEP_OK, DEP_ANY, DEP_NOTOK, DEP_AFTERCORR };

/* How a job that is no longer live ended; the shell looks it up in the store before a submit that
 * depends on it. */
enum dep_outcome { OUTCOME_UNKNOWN, OUTCOME_LIVE, OUTCOME_OK, OUTCOME_NOTOK, OUTCOME_NO_SUCH_JOB };

struct in_dep {
    uint64_t number; /* of the submitter's enterprise; 0 = use index */
    uint64_t index;  /* 1-based place in the same submit */
    enum dep_when when;
    enum dep_outcome
        outcome;      /* OUTCOME_LIVE: ask the core; else known from the store (it is not live) */
    uint64_t attempt; /* accepted attempt of a single-task job that ended, else 0 */
    const char *name; /* its name, when known from the store */
    bool is_array;
    uint64_t tasks;     /* from the store: how many it has, */
    const char *passed; /* and ranges of those that passed; NULL = none */
};

/* What a job has for itself: nobody else is there. */
enum exclusive {
    EXCLUSIVE_NONE,
    EXCLUSIVE_NODE,
    EXCLUSIVE_SOCKET,
    EXCLUSIVE_NUMA,
    EXCLUSIVE_COUNT
};

/* Where its memory is to be: beside its cores, on all NUMA nodes in turn, wherever there is most.
 */
enum membind { MEMBIND_LOCAL, MEMBIND_INTERLEAVE, MEMBIND_NONE, MEMBIND_COUNT };

struct in_job {
    const char *name, *tool, *stage_of, *array, *topo,
        *node_has; /* never NULL; node_has: one feature a line */
    uint64_t cores, mem_mib, time_us, array_max_running, restart, on_lost, max_attempts,
        max_own_failures;
    int64_t priority;
    bool hold, expects;
    unsigned exclusive, membind; /* enum exclusive, enum membind */
    unsigned smt;                /* threads of each core: 1, or 0 for all of them */
    bool is_preemptible;         /* may be requeued for one who is within a guarantee */
    const struct in_dep *deps;
    size_t n_deps;
    const void *run;
    size_t run_bytes;
    uint64_t mem_first_mib;  /* of mem_mib 0: while nothing is known; 0 = the default */
    const char *licences;    /* one bundle, "vcs:2,dc:1"; instruments too; NULL or "" = none */
    const char *reservation; /* runs inside this booking; NULL or "" = none */
};

struct in_submit {
    struct cq_uuid key;
    uint8_t digest[32];
    const char *flow, *project;
    const struct in_job *jobs;
    size_t n_jobs;
};

enum job_action { ACTION_CANCEL, ACTION_HOLD, ACTION_RELEASE, ACTION_REQUEUE };

struct in_action {
    enum job_action action;
    struct enterprise_id enterprise; /* already authorised */
    uint64_t number;
    const char *tasks; /* ranges; "" = all */
};

struct in_attempt {
    uint64_t lease, epoch, job, task, attempt;
};

struct in_held_attempt {
    uint64_t job, task, attempt, state; /* as held_attempt of messages.def */
};

struct in_held_lease {
    uint64_t lease, epoch;
    const struct in_held_attempt *attempts;
    size_t n_attempts;
};

struct in_worker_hello {
    struct cq_uuid incarnation, boot_id, home;      /* home zero: not told */
    const char *node, *cores, *topology, *features; /* features: one a line */
    uint64_t mem_mib, heartbeat;
    const struct in_held_lease *leases;
    size_t n_leases;
};

struct in_attempt_end {
    struct in_attempt at;
    enum verdict verdict;
    int64_t exit_code, start_us, end_us;
    uint64_t signal, run_us, cpu_user_us, cpu_system_us, peak_mem_kib;
    uint64_t max_rss_kib, io_read_bytes, io_write_bytes, switches, switches_forced;
    const char *limit, *summary, *signature, *result, *cause;
    bool has_outputs;
};

struct in_attempt_start {
    struct in_attempt at;
    int64_t start_us;
};

enum input_type {
    INPUT_TIMER,          /* core_wake_at_us was reached */
    INPUT_SUBMIT,         /* principal, request */
    INPUT_ACTION,         /* principal, request, index in a batch */
    INPUT_ENTERPRISE_ADD, /* name */
    INPUT_USER_ADD,       /* enterprise, name, role, public key */
    INPUT_USER_REVOKE,    /* enterprise, name */
    INPUT_NODE_DRAIN,     /* name, drain */
    INPUT_WORKER_HELLO,   /* worker's principal: registers, reconciles */
    INPUT_WORKER_HEARTBEAT,
    INPUT_WORKER_BYE,
    INPUT_WORKER_EVENTS, /* starts and ends of one message */
    INPUT_LEASE_REFUSE,
    INPUT_CONFIG_APPLY,       /* principal, request; answered by OUT_CONFIG_DONE */
    INPUT_LICENCE_FEED,       /* one run of the external feed */
    INPUT_RESERVATION_ADD,    /* principal, request */
    INPUT_RESERVATION_REMOVE, /* principal, request, name */
    INPUT_ROOM,               /* on the scheduler's disk; nothing durable */
};

struct input {
    enum input_type type;
    struct principal_id principal; /* who, from the key alone; already authorised for this verb */
    uint64_t request; /* the shell's handle for the reply; comes back in effects; 0 = none */
    union {
        struct in_submit submit;
        struct in_action action;
        struct {
            const char *name;
        } enterprise_add;
        struct {
            const char *enterprise, *name, *public_key;
            enum role role;
        } user_add;
        struct {
            const char *enterprise, *name;
        } user_revoke;
        struct {
            const char *name, *why; /* why: NULL or "" = none given */
            bool drain;
        } node_drain;
        struct in_worker_hello worker_hello;
        struct {
            uint64_t heartbeat;
            const char *cores, *topology; /* what it offers now; topology NULL or "": as before */
        } heartbeat;
        struct {
            bool is_stopping; /* the goodbye follows, after the ends of what it ran */
        } bye;
        struct {
            const struct in_attempt_start *starts;
            size_t n_starts;
            const struct in_attempt_end *ends;
            size_t n_ends;
        } events;
        struct {
            uint64_t lease, epoch;
            const char *text;
        } refuse;
        struct in_config config;
        struct in_licence_feed licence_feed;
        struct in_reservation reservation_add;
        struct {
            const char *name;                /* names of bookings are per enterprise */
            struct enterprise_id enterprise; /* already authorised */
        } reservation_remove;
        struct {
            bool is_tight;     /* the shell calls core_plan no more until it is not */
            const char *mount; /* of the disk that is meant */
            uint64_t need_mib; /* so much free there ends it */
        } room;
    } u;
};

#endif
