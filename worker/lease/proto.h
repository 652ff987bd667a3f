/* What agent and shepherd say on run/leases/lease-ID.sock (SOCK_SEQPACKET). A packet is one or more
 * fixed-size structs of one direction. Agent to shepherd: struct shepherd_cmd, at most
 * SHEPHERD_CMDS_MAX a packet; a packet with SHEPHERD_ORDER holds that one alone and the sealed
 * memfd. Shepherd to agent: struct lease_record, at most SHEPHERD_RECORDS_MAX a packet.
 *
 * A shepherd serves one agent at a time; a newer connection replaces the older. At connection it
 * sends HELLO, then everything it holds (QUEUED, START for what runs, END for what is not
 * acknowledged), then INVENTORY_END; from there on START and END as they happen. An END is repeated
 * on every new connection until SHEPHERD_ACK names it. */
#ifndef CHIPQ_SHEPHERD_PROTO_H
#define CHIPQ_SHEPHERD_PROTO_H

#include "worker/lease/group.h"
#include "worker/lease/lease_record.h"

#define SHEPHERD_PROTO_VERSION 1

enum {
    SHEPHERD_CMDS_MAX = 32,
    SHEPHERD_RECORDS_MAX = 16,
    SHEPHERD_JOBS_MAX = 1024,  /* orders that one lease can hold */
    SHEPHERD_QUEUE_MAX = 4096, /* attempts waiting in one lease */
    SHEPHERD_ENDED_MAX = 1024, /* ends not acknowledged; at that many it starts nothing more */
};

enum shepherd_cmd_type {
    SHEPHERD_ORDER = 1, /* job; its order comes as a memfd, worker/lease/order.h */
    SHEPHERD_QUEUE,     /* job, task, attempt: run it after those before it */
    SHEPHERD_KILL,      /* job, task, attempt, cause: TERM, grace, KILL; forgotten when queued */
    SHEPHERD_RENEW, /* until_us: the lease holds until then, on the boot clock; never shortened */
    SHEPHERD_ACK,   /* job, task, attempt: its end need not be kept */
    SHEPHERD_CLOSE, /* nothing more comes: end when the queue is empty and all is acknowledged */
    SHEPHERD_DROP,  /* kill all now, keep nothing, remove the files, end */
    SHEPHERD_BIND, /* processors are back online: take those of the lease again; others ignore it */
};

struct shepherd_cmd {
    uint32_t version;
    uint32_t type;
    uint64_t job, task, attempt;
    int64_t until_us;
    char cause[CAUSE_BYTES];
};

/* Descriptors that chipq-shepherd is started with. */
enum shepherd_fd {
    SHEPHERD_FD_SPEC = 3,    /* sealed memfd, worker/lease/lease_spec.h */
    SHEPHERD_FD_AGENT = 4,   /* its first connection */
    SHEPHERD_FD_JOURNAL = 5, /* open and locked */
    SHEPHERD_FD_GROUPS = 6,  /* and on, enum group_kind: directories of its groups, or closed */
};

/* How the shepherd makes sure that nothing of an attempt stays behind. */
#define KEEPERS(X)                              \
    X(NONE, "none")                             \
    X(PID_NAMESPACE, "pid-namespace")           \
    X(USER_NAMESPACE, "user-and-pid-namespace") \
    X(CONTROL_GROUP, "control-group") X(SUBREAPER, "subreaper")
enum keeper {
#define X(name, text) KEEPER_##name,
    KEEPERS(X)
#undef X
        KEEPER_COUNT
};
const char *keeper_text(uint32_t keeper); /* "?" for an unknown number */

#endif
