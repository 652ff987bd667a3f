/* Workers: what they offer, what of it is free, whether they are alive. */
#ifndef CHIPQ_WORKERS_H
#define CHIPQ_WORKERS_H

#include "common/base/pure/bitset.h"
#include "common/base/pure/heap.h"
#include "common/base/pure/map.h"
#include "scheduler/core/domains.h"
#include "scheduler/core/effects.h"

struct core;
struct lease;
struct shape;

#define MEM_MIB_MAX (UINT64_C(1) << 40) /* of a machine or a job: sums of it fit in 64 bits */

/* An end that was accepted: proof for a worker that asks again. */
struct accepted {
    uint64_t lease, job, task, attempt;
};

struct worker {
    uint64_t id, principal;
    char *name;
    /* registered (durable) */
    bool is_up, is_drained;
    struct cq_uuid incarnation, boot_id, home;
    struct bitset cores;
    uint64_t n_cores, mem_mib;
    char *cores_text, *topology, *features;
    char *drain_why;         /* why it is drained; NULL or "": not told */
    uint64_t drained_by;     /* principal; 0: chipqd itself */
    struct layout layout;    /* of `topology`, for the cores that it offers */
    struct bitset all_cores; /* with those that are offline and may come back, */
    struct layout all;       /* and the layout with them */
    /* books */
    struct bitset used;
    uint64_t n_free, mem_used_mib;
    struct domain_memory numa_used;
    struct lease **leases; /* by id */
    size_t n_leases, cap_leases;
    struct accepted *accepted; /* a ring of the newest */
    size_t n_accepted, cap_accepted, at_accepted;
    /* of this reign only */
    bool has_session; /* said HELLO and not BYE */
    bool is_suspect;  /* silent for too long */
    bool is_settling; /* held leases before the restart and has not reported */
    bool is_wary;     /* refused a grant: takes nothing until its next heartbeat */
    bool is_leaving;  /* said that its pool is being stopped: reports ends, takes nothing */
    bool is_grown;    /* in pool.grown */
    uint64_t heartbeat;
    int64_t heard_us, due_us;        /* boot clock; due: when its silence means the next thing */
    unsigned refusals;               /* grants refused in a row */
    uint64_t fit_cores, fit_mem_mib; /* counted as free in the pool */
    bool is_fit;                     /* in pool.fit: it takes work */
    size_t due_index;
    bool is_changed;
    struct worker *next_same_name; /* chain of pool.by_name */
};

struct pool {
    struct worker **workers; /* by id */
    size_t n, cap;
    struct map by_principal; /* principal -> worker */
    struct map by_name;      /* hash of its name -> workers, chained */
    bool is_changed;         /* some worker's row is */
    size_t n_layered;        /* of those that are up, with more than one unit on some level */
    struct worker **fit;     /* those that take work, sorted by (free cores, id) */
    size_t n_fit, cap_fit;
    uint64_t n_cores, mem_mib;         /* of those that are up */
    uint64_t free_cores, free_mem_mib; /* of those in `fit` */
    struct heap due;
    struct worker **grown;
    size_t n_grown, cap_grown;
    bool is_settling;  /* some may be */
    int64_t loaded_us; /* policy time of the restart */
};

void workers_init(struct pool *p);
void workers_fini(struct pool *p);
struct worker *worker_find(const struct core *c, uint64_t id);
struct worker *worker_of_principal(const struct core *c, uint64_t principal);
void worker_cut_off(struct core *c, uint64_t principal); /* its key was revoked: no more work */
struct worker *worker_named(const struct core *c, const char *name);
struct principal_id worker_address(const struct worker *w);

/* The door for WORKER_* records, and the books of leases (called by lease_apply). */
int worker_apply(struct core *c, const struct record *r, struct cq_err *err) CQ_MUST_CHECK;
void worker_take(struct core *c, struct worker *w, struct lease *l);
void worker_give_back(struct core *c, struct worker *w, struct lease *l);
void worker_remember_end(struct core *c, struct worker *w, const struct accepted *end);
bool worker_has_accepted(const struct worker *w, const struct accepted *end);

/* After anything that decides whether it takes work: its place in the index of fits. */
void worker_update(struct core *c, struct worker *w);
void workers_mark_grown(struct core *c, struct worker *w); /* parked shapes look at it again */
int64_t worker_over_us(const struct core *c,
                       const struct worker *w);      /* until its leases are over */
void worker_heard(struct core *c, struct worker *w); /* renews its leases */
bool worker_takes_work(const struct worker *w);

/* workers_index.c */
void workers_enter_name(struct pool *p, struct worker *w);
void workers_rename(struct pool *p, struct worker *w, const char *name);
void workers_fit_insert(struct pool *p, struct worker *w);
void workers_fit_remove(struct pool *p, struct worker *w);

void workers_load_done(struct core *c);
bool workers_are_settling(struct pool *p); /* some have not come back since the restart */
void workers_timer(struct core *c, struct now now, struct effects *out);
int64_t workers_wake_at_us(const struct core *c);

/* Inputs: workers.c and hello.c. */
void worker_hello_step(struct core *c, const struct input *in, struct now now, struct effects *out);
/* A heartbeat says that it offers other cores than at its HELLO: some went offline or came back. */
void worker_offers(struct core *c, struct worker *w, const struct input *in, struct effects *out);
void worker_heartbeat_step(struct core *c, const struct input *in, struct effects *out);
void worker_bye_step(struct core *c, const struct input *in, struct now now, struct effects *out);
void worker_drain_step(struct core *c, const struct input *in, struct now now, struct effects *out);

/* The worker of an input when it has a session; else NULL, and `out` tells it to say HELLO. */
struct worker *worker_of_session(struct core *c, const struct input *in, struct effects *out);

#endif
