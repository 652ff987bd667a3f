/* The request part of a job, as it is typed: on the command line of `submit` and in a flow file.
 * One table of names and checks serves both. */
#ifndef REQUEST_H
#define REQUEST_H

#include "common/wire/message.h"
#include "common/wire/run_spec.h"

#define REQUEST_CORES_MAX    4096
#define REQUEST_TASK_LAST    4294967294u /* highest task number */
#define REQUEST_TASKS_MAX    1000000     /* of one array */
#define REQUEST_FEATURES_MAX 16
#define REQUEST_TOKENS_MAX   8 /* features in one bundle, instruments counted */

enum { EXCLUSIVE_NOT, EXCLUSIVE_MACHINE, EXCLUSIVE_SOCKETS, EXCLUSIVE_NUMA_NODES };

struct request {
    char *name, *array, *topo;            /* owned, NULL when not given */
    char *licence, *instrument, *reserve; /* owned; "vcs:2,dc:1" */
    char *bundle;                         /* owned: licence and instrument together */
    char **node_has;                      /* owned, n_node_has texts */
    size_t n_node_has;
    uint64_t cores, mem_mib, array_max_running, max_attempts, output_max_mib; /* 0 = not given */
    uint64_t output_full;                                                     /* 0 stop, 1 drop */
    int64_t time_us, grace_us;                                                /* 0 = not given */
    int64_t priority;
    uint64_t restart, on_lost; /* as in job_spec */
    uint64_t exclusive;        /* EXCLUSIVE_* */
    uint64_t smt, membind;     /* as in job_spec */
    bool hold, preemptible;
    uint64_t tasks; /* how many numbers `array` has; 0 = no array */
    uint32_t given; /* which fields were set; request_is_given reads it */
};

void request_fini(struct request *r); /* accepts zeroed memory */

/* Sets one field from text. Names: name array max_running topo node_has cores mem time priority
 * restart on_lost max_attempts output_max output_full grace licence instrument reserve smt membind
 * hold preemptible ("true"/"false" for the last two), exclusive (these, or what of).
 * CQ_E_INVALID or CQ_E_LIMIT says what was expected; nothing is changed then. `name` must be one of
 * them (asserted). */
int request_set(struct request *r, const char *name, const char *text,
                struct cq_err *err) CQ_MUST_CHECK;
bool request_has_field(const char *name);
/* The word for a number of restart, on_lost, exclusive, membind or output_full; "": none. */
const char *request_word(const char *name, uint64_t value);
bool request_is_given(const struct request *r, const char *name);

/* Takes over what `r` does not set itself. */
void request_inherit(struct request *r, const struct request *from);

/* Fills the request part of `spec`; texts are borrowed from `r`. Cores are at least 1. */
void request_fill(const struct request *r, struct job_spec *spec);

/* Parses "ok:12,any:13,notok:14,aftercorr:15" or a plain "12" (ok). Caller frees *deps. */
int request_parse_after(const char *text, struct dep_spec **deps, size_t *n,
                        struct cq_err *err) CQ_MUST_CHECK;
int request_parse_when(const char *text, uint64_t *when, struct cq_err *err) CQ_MUST_CHECK;

/* The environment that goes with a job, "NAME=value", NULL-terminated: `env` without what changes
 * how programs are loaded or shells read (LD_*, BASH_ENV, IFS, ...) and without chipq's own. With
 * `only_basics`, only PATH, HOME, the locale and the like: what a flow's jobs get. Caller frees the
 * array and its texts. */
char **request_environment(char *const *env, bool only_basics, size_t *n);

/* A 128-bit submit key from the kernel. */
int request_draw_key(uint8_t key[16], struct cq_err *err) CQ_MUST_CHECK;

#endif
