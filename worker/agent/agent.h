/* The agent's state: one loop, one thread, no lock. Who owns what: the agent owns leases, a lease
 * its attempts and jobs. Everything here is rebuilt from shepherds and journals after a restart. */
#ifndef CHIPQ_WORKER_AGENT_H
#define CHIPQ_WORKER_AGENT_H

#include "common/base/pure/map.h"
#include "common/net/loop.h"
#include "common/net/zsock.h"
#include "common/wire/message.h"
#include "worker/agent/tools.h"
#include "worker/agent/topology.h"
#include "worker/agent/verdict.h"
#include "worker/lease/execd_proto.h"
#include "worker/lease/proto.h"

#include <sys/types.h>

struct agent;
struct lease;
struct progress;
struct logwatch;
struct log_waiter;
struct outgoing;

enum attempt_state { ATTEMPT_QUEUED, ATTEMPT_STARTING, ATTEMPT_RUNNING, ATTEMPT_ENDED };

struct attempt {
    struct lease *lease;
    uint64_t job, task, attempt;
    enum attempt_state state;
    uint32_t flags;   /* LEASE_F_... */
    char *place;      /* "acme/1207/3"; NULL while the shepherd has not said */
    int64_t start_us; /* wall time */
    bool tell_start, tell_end,
        is_listed;           /* what the scheduler has not been sent; in the report's list */
    struct lease_record end; /* ENDED only */
    struct meaning meaning;
    char *result; /* JSON; NULL = none */
    bool has_outputs;
    struct progress *progress;
    struct attempt *next_same_key; /* chain of the index */
    struct attempt *next_report;
};

struct lease_job {
    uint64_t job;
    char *place; /* "acme/1207" */
    uint32_t flags;
    char *error; /* why its order could not be made; NULL = fine */
};

enum lease_state {
    LEASE_STARTING, /* execd was asked */
    LEASE_LIVE,     /* its shepherd runs */
    LEASE_DYING,    /* its shepherd is gone or going; the kernel is not done */
    LEASE_OVER,     /* its shepherd is dead; ends wait for their ack */
};

struct lease {
    struct agent *agent;
    uint64_t id, epoch, mem_mib, smt, membind;
    struct bitset cores;
    char *cores_text;
    enum lease_state state;
    int64_t until_us; /* boot clock */
    bool is_closed;   /* the scheduler said: nothing more comes */
    bool is_dropped;  /* killed and forgotten */
    bool had_work;    /* when it was dropped */
    bool has_stray;   /* it told too late of what it runs: that is being killed */
    bool is_adopted;  /* from before this agent */
    bool is_awaited;  /* its inventory holds up the first HELLO */
    bool is_given_up; /* it did not come in time: its shepherd is being killed */
    bool is_execds;   /* execd tells its end; else pid_watch does */
    bool is_stopped;  /* its journal says that the pool was stopped */
    struct attempt **attempts;
    size_t n_attempts, attempts_cap;
    struct map jobs; /* id -> struct lease_job */

    int socket_fd, pid_fd;
    struct loop_fd *socket_watch, *pid_watch;
    struct loop_timer *connect_timer;
    int connect_tries;
    struct outgoing *out; /* packets that the shepherd has no room for, oldest first */
    size_t n_out, out_cap;
};

struct agent_options {
    const char *dir, *key_path, *plugins_dir, *node;
    int execd_fd;
    struct topology_options topology;
};

enum { HEARTBEATS_KEPT = 1024 };

struct agent {
    struct agent_options options;
    struct loop *loop;
    struct topology topology;
    struct tools tools;
    char node[64];
    int leases_fd;

    /* execd_link.c */
    int execd_fd;
    struct loop_fd *execd_watch;
    uint32_t keeper;
    bool has_group;
    char limits[96];  /* "v1:memory+pids" */
    bool is_stopping; /* the pool is stopped: no more work, and the end when all is told */

    /* cores.c */
    char online[4096]; /* the kernel's list of processors, as it was looked at last */
    int uevent_fd;
    struct loop_fd *uevent_watch;

    /* session.c */
    struct zsock *socket;
    struct curve_key key;
    struct cq_uuid incarnation, boot_id, home;
    int64_t started_us; /* boot clock */
    int64_t awake_us;   /* end of the last turn: a longer sleep than asked for was a freeze */
    bool is_connected, is_refused, is_welcome, was_welcome;
    uint64_t epoch;            /* highest seen */
    uint64_t heartbeat, hello; /* newest that was sent; the newest HELLO's */
    uint64_t tells_cores_from; /* first heartbeat that says what is offered now; 0 = all heard */
    int64_t heartbeat_sent_us[HEARTBEATS_KEPT]; /* boot clock, by number modulo the size */
    int64_t heartbeat_us, lease_us, last_word_us;
    struct loop_timer *session_timer; /* HELLO again, or the next heartbeat */

    /* grant.c, lease.c, attempts.c */
    struct map leases;   /* id -> struct lease */
    struct map attempts; /* key of (job, task, attempt) -> chain */
    size_t n_awaited;    /* leases whose inventory is not complete */
    struct loop_timer *scan_timer;

    /* report.c */
    struct attempt *report_first, *report_last;
    size_t n_report;
    bool is_report_urgent;
    struct loop_timer *report_timer;

    /* logs.c, logwatch.c */
    struct logwatch *watch;
    struct log_waiter **log_waiters;
    size_t n_log_waiters, log_waiters_cap;
};

/* session.c: the scheduler. */
int session_start(struct agent *a, struct cq_err *err) CQ_MUST_CHECK; /* when the scan is done */
void session_stop(struct agent *a);                                   /* says BYE */
void session_say_stopping(struct agent *a); /* no more work, please; ends are still told */
bool session_send(struct agent *a, const struct msg *m); /* false: not sent, and no welcome holds */
void session_tell_cores(struct agent *a); /* what is offered has changed: a heartbeat, now */
int64_t session_heartbeat_sent_us(const struct agent *a, uint64_t heartbeat); /* 0 = unknown */

/* grant.c: the scheduler's orders. */
void grant_lease(struct agent *a, const struct msg_lease_grant *m);
void grant_extend(struct agent *a, const struct msg_lease_extend *m);
void grant_close(struct agent *a, const struct msg_lease_close *m);
void grant_kill(struct agent *a, const struct msg_attempt_kill *m);
void grant_refuse(struct agent *a, uint64_t epoch, uint64_t lease, const char *text);

/* cores.c */
void cores_init(struct agent *a);  /* before the topology is loaded: what changes then is seen */
void cores_start(struct agent *a); /* watches; without uevents it looks at heartbeats only */
void cores_stop(struct agent *a);
void cores_look(struct agent *a); /* acts on what went offline or came back since the last look */
void cores_bind(struct lease *l); /* its shepherd takes back processors that have returned */

/* order_build.c: a sealed memfd for a shepherd, or -1 with the text that its attempts end with. */
int order_build(const struct lease *l, const struct run_order *order, uint32_t *flags,
                struct cq_err *err) CQ_MUST_CHECK;

/* lease.c */
struct lease *lease_new(struct agent *a, uint64_t id, uint64_t epoch); /* the agent owns it */
struct lease *lease_find(struct agent *a, uint64_t id);
void lease_renew(struct lease *l, int64_t until_us);
void lease_renew_all(struct agent *a, int64_t until_us);
void lease_drop(struct lease *l); /* kill and forget */
void lease_on_record(struct lease *l, const struct lease_record *r);
void lease_on_death(struct lease *l, const char *how); /* its shepherd and all below it are dead */
bool lease_is_in_use(const struct lease *l);           /* its cores and memory */
void lease_free_if_over(struct lease *l);              /* may free `l` */
void lease_remove_files(const struct agent *a, uint64_t lease);
void lease_forget(struct lease *l); /* frees; the shepherd, if any, is not touched */

/* attempts.c */
struct attempt *attempt_add(struct lease *l, uint64_t job, uint64_t task, uint64_t number);
struct attempt *attempt_find(struct agent *a, uint64_t job, uint64_t task, uint64_t number);
void attempt_started(struct attempt *t, const struct lease_record *r);
void attempt_ended(struct attempt *t, const struct lease_record *r);
void attempt_acked(struct attempt *t,
                   bool is_accepted); /* publishes, forgets; may free its lease */
void attempt_free(struct attempt *t);
bool attempt_is_place(const struct attempt *t, const char *place, uint64_t number);

/* report.c: starts and ends, in batches. */
void report_add(struct attempt *t, bool is_urgent);
void report_remove(struct attempt *t);
void report_again(struct agent *a); /* a new session: everything not acknowledged */
void report_flush(struct agent *a); /* sends now what waits */
void report_turn(struct agent *a);  /* from the loop's turn hook */
void report_init(struct agent *a);

/* shepherd_link.c */
void shepherd_link_adopt_fd(struct lease *l, int fd); /* takes fd */
void shepherd_link_connect(struct lease *l);          /* tries until it is there or dead */
void shepherd_link_send(struct lease *l, const struct shepherd_cmd *cmd,
                        int fd);           /* takes fd, -1 none */
void shepherd_link_drain(struct lease *l); /* reads what is still there */
void shepherd_link_close(struct lease *l);
struct shepherd_cmd shepherd_cmd_of(uint32_t type, uint64_t job, uint64_t task, uint64_t attempt);

/* execd_link.c */
int execd_link_open(struct agent *a,
                    struct cq_err *err) CQ_MUST_CHECK; /* blocks for its greeting */
int execd_link_start(struct agent *a, uint64_t lease, const int fds[EXECD_START_FDS]);
void execd_link_say(struct agent *a, uint32_t type, uint64_t lease);
bool execd_link_has(const struct agent *a, uint64_t lease); /* told as HELD at the greeting */

/* scan.c: what earlier agents left. */
void scan_start(struct agent *a);
void scan_lease_known(struct lease *l);  /* its inventory is complete */
bool scan_lease_ended(struct lease *l);  /* nobody holds its journal: settles it; may free `l` */
void scan_read_journal(struct lease *l); /* takes in what it says; nothing twice */

/* publish.c */
void publish_outputs(const struct agent *a, const struct attempt *t);
bool publish_has_outputs(const struct agent *a, const struct attempt *t);

/* logs.c */
void logs_read(struct agent *a, const struct msg_log_read *m, uint64_t request);
void logs_attempt_changed(struct agent *a, const struct attempt *t);
void logs_forget_all(struct agent *a); /* the session that asked is over */

/* progress.c */
void progress_start(struct attempt *t);
void progress_stop(struct attempt *t); /* accepts one that was not started */

#endif
