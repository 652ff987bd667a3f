/* chipqd's options: the command line, and DIR/chipq.conf with the same names. */
#ifndef CHIPQ_DAEMON_OPTIONS_H
#define CHIPQ_DAEMON_OPTIONS_H

#include "common/base/pure/id.h"
#include "common/base/pure/err.h"

enum { LISTEN_MAX = 8 };

enum daemon_mode {
    MODE_RUN,
    MODE_INIT,
    MODE_DUMP,
    MODE_RESTORE,
    MODE_REPAIR,
    MODE_LIST_FAILPOINTS
};

struct daemon_options {
    enum daemon_mode mode;
    char *dir;                                                   /* absolute */
    char *listen_client[LISTEN_MAX], *listen_worker[LISTEN_MAX]; /* besides DIR/run/...sock */
    size_t n_listen_client, n_listen_worker;
    int64_t heartbeat_us, lease_us, grace_us, suspect_us, reclaim_grace_us, default_time_us;
    uint64_t default_mem_mib, low_water_mib;
    uint64_t max_memory_mib; /* 0 = from what there is */
    char *restore_file;      /* of MODE_RESTORE */
    bool replace;
    bool check;   /* of MODE_REPAIR: only tell */
    int ready_fd; /* -1 = none */
    char *log_level;
};

/* Reads argv, then DIR/chipq.conf for what argv left open, then the defaults. Prints help and
 * version itself and exits 0 for them. Errors: CQ_E_INVALID with the option and the range. */
int daemon_options_read(struct daemon_options *o, int argc, char **argv,
                        struct cq_err *err) CQ_MUST_CHECK;
void daemon_options_fini(struct daemon_options *o);

/* One "name = value"; for tests and the file. */
int daemon_options_set(struct daemon_options *o, const char *name, const char *value,
                       struct cq_err *err) CQ_MUST_CHECK;

#endif
