/* The run specification: what to execute for one job, made by the client, passed on unread by
 * chipqd's core, read by the worker. Encoded with base/flat; versioned; at most RUN_SPEC_MAX bytes.
 */
#ifndef CHIPQ_RUN_SPEC_H
#define CHIPQ_RUN_SPEC_H

#include "common/base/pure/err.h"
#include "common/base/pure/str.h"

#define RUN_SPEC_MAX 262144

/* What a worker takes where nothing is said, and the longest grace that it gives. */
#define RUN_SPEC_GRACE_US     (5 * 1000 * 1000)
#define RUN_SPEC_GRACE_MAX_US (600 * 1000 * 1000)
#define RUN_SPEC_OUTPUT_MIB   256

struct run_spec {
    char **argv; /* NULL-terminated, n_argv texts; empty for a tool task */
    size_t n_argv;
    char **env; /* "NAME=value", NULL-terminated */
    size_t n_env;
    char *cwd;     /* absolute; "" = a private work directory of the attempt (tool and flow jobs) */
    char *src_dir; /* absolute project root, exported as CHIPQ_SRC; "" = none */
    char *tool;    /* plugin name, "verilator"; "" = run argv */
    char *task_json;         /* task.json for the plugin; "" otherwise */
    uint64_t output_max_mib; /* cap of the attempt's output file; 0 = default */
    int64_t grace_us;        /* between TERM and KILL; 0 = default */
    uint64_t output_full;    /* at the cap: 0 it is ended, 1 what is beyond is dropped */
};

void run_spec_fini(struct run_spec *s); /* accepts zeroed memory */
void run_spec_encode(const struct run_spec *s, struct cq_str *out);

/* As they are in force. */
int64_t run_spec_grace_us(const struct run_spec *s);
uint64_t run_spec_output_mib(const struct run_spec *s);

/* Bounded and strict: CQ_E_PROTOCOL or CQ_E_LIMIT says which field. `out` is set only on success;
 * caller calls fini. */
int run_spec_decode(const void *data, size_t bytes, struct run_spec *out,
                    struct cq_err *err) CQ_MUST_CHECK;

#endif
