/* What the agent and chipq-execd say on their socketpair (SOCK_SEQPACKET): one fixed-size struct a
 * packet, ids and descriptors only. */
#ifndef CHIPQ_EXECD_PROTO_H
#define CHIPQ_EXECD_PROTO_H

#include <stdint.h>

enum { EXECD_PROTO_VERSION = 2, EXECD_AGENT_FD = 3, EXECD_START_FDS = 3 };

enum execd_request_type {
    EXECD_START = 1, /* lease; with three descriptors: specification, first connection, journal */
    EXECD_KILL,      /* lease: SIGKILL to its shepherd, and so to everything in it */
    EXECD_READY,     /* the agent was welcomed by the scheduler */
};

struct execd_request {
    uint32_t version, type;
    uint64_t lease;
};

enum execd_event_type {
    EXECD_HELD = 1, /* lease, pid: a shepherd that a former agent had started */
    EXECD_HELLO, /* keeper, has_group, limits: those were all; also the first word to a new agent */
    EXECD_STARTED,  /* lease, pid */
    EXECD_FAILED,   /* lease, error: errno of the start */
    EXECD_ENDED,    /* lease, status: as of waitpid; everything of it is dead */
    EXECD_STOPPING, /* the pool is stopped: all shepherds are killed now; report that, then end */
};

struct execd_event {
    uint32_t version, type;
    uint64_t lease;
    int64_t pid;
    int32_t error, status;
    uint32_t keeper, has_group;
    char limits[96]; /* HELLO: which limits are in force, "v1:memory+pids" */
};

#endif
