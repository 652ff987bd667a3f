/* How to run the tasks of one job in one lease: made by the agent, read by the shepherd from a
 * sealed memfd. Flat format; every text carries its NUL, so that the reader copies nothing.
 *
 * The shepherd adds per attempt: CHIPQ_TASK CHIPQ_SEED CHIPQ_ATTEMPT TMPDIR, and CHIPQ_OUT where
 * there is a private directory; the agent keeps these names out of `env`. */
#ifndef CHIPQ_ORDER_H
#define CHIPQ_ORDER_H

#include "common/base/pure/err.h"
#include "common/base/pure/str.h"

enum {
    ORDER_MAX = 1 << 20,    /* bytes of one order */
    ORDER_ARGV_MAX = 32768, /* texts */
    ORDER_ENV_MAX = 8192,   /* texts */
    ORDER_ENV_ADDED = 8,    /* room for the shepherd's own */
};

struct order {
    uint64_t job;
    uint32_t flags;   /* LEASE_F_TOOL, LEASE_F_PRIVATE, LEASE_F_NEVER */
    int64_t wall_us;  /* limit of one attempt; 0 = none */
    int64_t grace_us; /* between TERM and KILL */
    uint64_t output_max_bytes;
    const char *place;     /* "acme/1207"; the task is appended */
    const char *cwd;       /* absolute; "" = the private directory */
    const char *task_json; /* written into the private directory; "" = none */
    size_t n_argv, n_env;
    const char *argv_at; /* where the texts start; decoded orders only */
    size_t texts_bytes;  /* from argv_at to the end */
};

/* `argv` and `env` end with NULL. */
void order_encode(const struct order *o, const char *const *argv, const char *const *env,
                  struct cq_str *out);

/* Points into `data`. Checks all of it, the texts too. Errors: CQ_E_PROTOCOL, CQ_E_VERSION. */
int order_decode(const void *data, size_t bytes, struct order *out,
                 struct cq_err *err) CQ_MUST_CHECK;

/* Fills n_argv + 1 and n_env pointers (the env is not terminated: more follows). */
void order_fill(const struct order *o, char **argv, char **env);

#endif
