/* The state of one shepherd. Everything has a fixed place: the program allocates nothing that
 * grows. One thread, one loop (main.c); the modules below are its steps. */
#ifndef CHIPQ_SHEPHERD_H
#define CHIPQ_SHEPHERD_H

#include "common/base/sys/clock.h"
#include "worker/lease/lease_spec.h"
#include "worker/lease/limits.h"
#include "worker/lease/log_gap.h"
#include "worker/lease/order.h"
#include "worker/lease/proto.h"

#include <sys/resource.h>

struct job_slot {
    uint64_t job; /* 0 = free */
    const void *map;
    size_t bytes;
    struct order order; /* points into map */
};

struct waiting {
    uint64_t job, task, attempt;
};

enum watch_state { WATCH_OFF, WATCH_TIMER, WATCH_ARMED };

struct running {
    bool is_on;
    bool is_main_over; /* its first process ended; what it left is being killed */
    bool is_told;      /* the agent had its START */
    pid_t pid;         /* 0 once it is reaped */
    const struct job_slot *job;
    struct lease_record record;
    int64_t started_us; /* this and the next: boot clock; INT64_MAX = never */
    int64_t wall_at_us, kill_at_us, again_at_us;
    int64_t check_at_us; /* of the output's size */
    enum watch_state watch;
    int log_fd;
    uint64_t log_bytes, dropped_bytes; /* dropped: cut off its end */
    struct log_gap gap;                /* or out of its middle */
    char log[PATH_MAX], work[PATH_MAX], tmp[PATH_MAX];
};

struct shepherd {
    struct lease_spec spec;
    enum keeper keeper;
    struct limits limits;
    struct limits_reading seen; /* at the end of the last attempt */
    char name[48];              /* "lease-12" */
    int journal_fd, listen_fd, agent_fd, group_fd, signal_fd, timer_fd, inotify_fd, null_fd;
    int64_t until_us;
    bool is_closed, is_dropped, is_expired, has_tmp;

    struct job_slot jobs[SHEPHERD_JOBS_MAX];
    size_t next_job_slot; /* where the next order goes, if that slot is free or idle */
    struct waiting queue[SHEPHERD_QUEUE_MAX]; /* a ring: queue_head + i, modulo its size */
    uint64_t queue_head, queue_tail;          /* count from the start */
    struct running now_running;
    struct lease_record ended[SHEPHERD_ENDED_MAX];
    bool ended_told[SHEPHERD_ENDED_MAX];
    size_t n_ended, n_untold, n_acks;

    bool is_greeting;    /* the inventory is being sent */
    bool has_said_hello; /* its first record is out */
    uint64_t greet_at;   /* next of the queue to list */
    bool is_link_full;
    int64_t flush_at_us; /* INT64_MAX: nothing waits to be told */
};

/* queue.c: jobs, waiting attempts, ended attempts, the journal. */
struct job_slot *queue_find_job(struct shepherd *s, uint64_t job);
void queue_add_job(struct shepherd *s, uint64_t job, int fd); /* does not close fd */
void queue_push(struct shepherd *s, const struct waiting *w);
bool queue_pop(struct shepherd *s, struct waiting *w);
bool queue_kill_waiting(struct shepherd *s, const struct shepherd_cmd *cmd);
void queue_end(struct shepherd *s, const struct lease_record *r); /* journal, keep, tell */
void queue_refuse(struct shepherd *s, const struct waiting *w, uint32_t flags, const char *cause);
void queue_ack(struct shepherd *s, const struct shepherd_cmd *cmd);
struct lease_record queue_record(const struct shepherd *s, uint32_t type, const struct waiting *w);

/* attempt.c: the one that runs. */
void attempt_start(struct shepherd *s, const struct waiting *w);
void attempt_stop(struct shepherd *s, uint32_t limit, const char *cause); /* TERM, grace, KILL */
void attempt_kill(struct shepherd *s, uint32_t limit, const char *cause); /* KILL */
void attempt_on_time(struct shepherd *s, int64_t now_us);
void attempt_reap(struct shepherd *s);
int64_t attempt_wake_at_us(const struct shepherd *s);

/* confine.c: cores, memory, processes; once for all attempts, which inherit it. */
void confine(struct shepherd *s);
bool confine_child(const struct shepherd *s); /* after vfork; what only the job itself is to have */

/* confine_again.c: processors of the lease that were offline are back. */
void confine_again(const struct shepherd *s);

/* account.c: what it used, and which limits it met. */
void account_begin(struct shepherd *s);
void account_add(struct lease_record *rec, const struct rusage *u); /* of a process that ended */
void account_end(struct shepherd *s);                               /* everything of it is dead */

/* output.c: its output file. */
int output_open(struct running *r, const char *dir, struct cq_err *err) CQ_MUST_CHECK;
void output_watch(struct shepherd *s, int64_t now_us); /* at check_at_us */
void output_on_event(struct shepherd *s, int64_t now_us);
bool output_finish(
    struct running *r); /* cuts at the cap; true when that ends it. Closes the file */
void output_limit_text(const struct running *r, char *to, size_t size);
void output_say(const struct running *r, const char *text); /* appends a line "chipq: ..." */

/* output_gap.c: output beyond its cap, without its middle. `bytes`: size of the file. */
uint64_t output_kept(const struct running *r, uint64_t bytes);
bool output_drop_middle(struct running *r, uint64_t bytes); /* false: it cannot be done here */
void output_close_gap(struct running *r, uint64_t bytes);   /* if that can be done */

/* spawn.c: its process. 0, or -1 with the text that the user sees. */
int spawn_attempt(struct shepherd *s, struct running *r, struct cq_err *err) CQ_MUST_CHECK;
void spawn_clean(struct shepherd *s, struct running *r); /* empties what it leaves in TMPDIR */

/* lease_link.c: the agent. */
void link_listen(struct shepherd *s);
void link_accept(struct shepherd *s);
void link_read(struct shepherd *s);
void link_soon(struct shepherd *s, int64_t delay_us); /* something is to be told within this time */
void link_flush(struct shepherd *s);

#endif
