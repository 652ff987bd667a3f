/* One virtual worker: what an agent holds and says, without sockets and processes. Messages come in
 * through vworker_take, leave through vworker_send (crew.c), time through the due times of its
 * timers. */
#ifndef BENCH_VIRTUAL_WORKER_H
#define BENCH_VIRTUAL_WORKER_H

#include "bench/fleet.h"
#include "common/base/pure/bitset.h"
#include "common/base/pure/heap.h"
#include "common/base/pure/id.h"
#include "common/base/pure/map.h"
#include "common/wire/message.h"

enum { VERDICT_OF_PASS = 1, VERDICT_OF_KILLED = 6 }; /* of messages.def */

enum vtimer_kind { VTIMER_BEAT, VTIMER_REPORT, VTIMER_ATTEMPT };

struct vtimer { /* first in its owner */
    enum vtimer_kind kind;
    size_t index;
    int64_t at_us; /* boot clock */
};

enum vattempt_state { VATTEMPT_QUEUED, VATTEMPT_STARTING, VATTEMPT_RUNNING, VATTEMPT_ENDED };

struct vattempt {
    struct vtimer timer; /* its end */
    struct vlease *lease;
    uint64_t job, task, attempt, verdict;
    enum vattempt_state state;
    int64_t start_us, end_us; /* wall time; 0 = it never started */
    int64_t started_mono_us, run_us;
    bool is_listed;
    struct vattempt *next;        /* in its lease's queue or in the worker's ended ones */
    struct vattempt *next_report; /* in what the worker has to tell */
};

struct vattempts {
    struct vattempt *first, **last;
};

struct vlease {
    struct vworker *worker;
    uint64_t id, epoch;
    char *cores;
    struct bitset cores_set;
    bool is_closed;
    struct vattempts queue; /* the first one runs */
    size_t n_ended;         /* wait for their ack */
};

struct vworker {
    struct vtimer beat, report; /* `beat` first */
    struct crew *crew;
    void *socket;
    char node[64], cores[24], *topology, *feature;
    struct cq_uuid incarnation;
    uint64_t mem_mib;
    bool has_said_hello; /* in this connection */
    bool is_welcome, is_touched, is_urgent;
    uint64_t epoch, heartbeat, hello;
    int64_t heartbeat_us;
    struct map leases;
    struct bitset used;
    struct vattempts ended;        /* not acknowledged, oldest first */
    struct vattempt *report_first; /* to be told */
    struct vattempt **report_last;
    size_t n_report;
    int64_t *idle_since; /* ends after which no attempt has come yet, oldest first */
    size_t n_idle, cap_idle;
    struct vworker *next_touched;
};

void vworker_init(struct vworker *w, struct crew *c, const struct fleet_options *o, size_t number);
void vworker_fini(struct vworker *w);
void vworker_connected(struct vworker *w, bool is_connected); /* may tell what is known */
void vworker_bye(struct vworker *w);
void vworker_take(struct vworker *w, const struct msg *m);
void vworker_due(struct vtimer *timer);
void vworker_release(struct vworker *w); /* what was held goes on */

/* virtual_report.c */
void vworker_list(struct vattempt *t, bool is_urgent); /* its start or end is to be told */
void vworker_flush(struct vworker *w);                 /* sends what is to be told */

/* ---- what it needs from the process that it lives in (crew.c) ---- */

struct crew_state {              /* first in struct crew */
    struct fleet_counts *counts; /* of the whole fleet */
    struct heap timers;
    struct map seen;         /* hash of (job, task, attempt) -> anything */
    int64_t now_us, wall_us; /* of this turn */
    int64_t run_us;
    bool is_held;
    struct cq_uuid boot_id;
};

struct crew_state *crew_state(struct crew *c);
bool vworker_send(struct vworker *w, const struct msg *m);
void vworker_touch(struct vworker *w); /* flush at the end of the turn */
void crew_set_timer(struct crew *c, struct vtimer *t, int64_t at_us); /* INT64_MAX: none */
void crew_note_gap(struct crew *c, int64_t us);
void crew_note_error(struct crew *c, const char *text);

#endif
