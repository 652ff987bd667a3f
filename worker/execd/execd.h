/* State of chipq-execd: one poll loop, two kinds of children. */
#ifndef CHIPQ_EXECD_H
#define CHIPQ_EXECD_H

#include "common/base/pure/err.h"
#include "worker/execd/slots.h"
#include "worker/lease/execd_proto.h"
#include "worker/lease/proto.h"

#include <sys/types.h>

enum child_state { CHILD_LIVES, CHILD_ENDED };

struct shepherd_child {
    uint64_t lease;
    pid_t pid;
    enum child_state state;
    int status;
    struct group group;
};

struct execd {
    const char *dir, *key;
    char *bin_dir;
    char **agent_options; /* NULL-terminated */
    int leases_fd, signal_fd, ready_fd, agent_fd, null_fd;
    struct slots slots;
    enum keeper keeper;

    pid_t agent_pid;             /* 0 = none runs */
    int64_t agent_started_us;    /* boot clock */
    int64_t agent_restart_at_us; /* when none runs */
    int64_t backoff_us;
    bool is_restart_wanted; /* SIGHUP: at once */
    bool was_ready;         /* the scheduler has welcomed one */
    int refused_status;     /* exit status of one that cannot work as it is told; 0: none */

    struct shepherd_child *children;
    size_t n_children, children_cap;
    bool is_stopping;
};

/* agent_process.c */
void agent_process_start(struct execd *x);
void agent_process_ended(struct execd *x, int status, int64_t now_us);
void agent_process_send(struct execd *x, const struct execd_event *e);
void agent_process_read(struct execd *x);

/* isolate.c: starting a program as the first process of its own namespaces. */
enum keeper isolate_probe(bool has_group);

struct isolated {
    enum keeper keeper;
    int leases_fd, null_fd;
    int born_fd;                     /* the group to be born in, or CLONE_NO_GROUP */
    int fds[EXECD_START_FDS];        /* become 3, 4, 5 */
    int group_fds[GROUP_KIND_COUNT]; /* become 6 and on; -1 = none. All are above those */
    const char *program;
    char *const *argv;
    char *const *env;
};
pid_t isolate_start(const struct isolated *i); /* -1 with errno */

/* shepherds.c */
void shepherds_start(struct execd *x, uint64_t lease, const int fds[EXECD_START_FDS]);
void shepherds_kill(struct execd *x, uint64_t lease);
bool shepherds_ended(struct execd *x, pid_t pid, int status); /* false: it is none of them */
void shepherds_tell(struct execd *x); /* ends that the agent has not heard */

/* Notes in each journal that the pool was stopped, kills and waits; orphans of a former execd as
 * well. */
void shepherds_stop_all(struct execd *x);

#endif
