/* The machine as jobs may use it: physical cores, their places, and which processors to bind to.
 * With gpus.c the only user of hwloc. What number a core has: numbers.h. */
#ifndef CHIPQ_WORKER_TOPOLOGY_H
#define CHIPQ_WORKER_TOPOLOGY_H

#include "worker/agent/numbers.h"

struct hwloc_bitmap_s;

/* In the kernel's numbers, of what this process may use. Empty for a core that is not offered. */
struct core_place {
    struct bitset cpus;  /* its hardware threads */
    struct bitset nodes; /* the memory beside it */
};

struct topology {
    struct bitset cores;       /* offered: those of `chosen` that are online */
    struct bitset chosen;      /* allowed by affinity and cpuset, the lowest N not the system's */
    char *text;                /* compact form of the chosen ones, docs/WORKER.md */
    char *kinds;               /* "performance:6,efficiency:8"; NULL: its cores are all alike */
    char *kind_cores;          /* which: features, one a line, "performance-cores=0-5"...; or NULL */
    char *gpus;                /* features, one a line: "gpu=2"...; NULL: it has none */
    uint64_t mem_mib;          /* of the machine, or of the control group when that is less */
    struct core_place *places; /* by core number */
    size_t n_places;
    bool is_real;                    /* false: synthetic or from a file; nothing is bound */
    struct core_numbers numbers;     /* of all cores of the machine */
    struct hwloc_bitmap_s *affinity; /* processors that this process may use; NULL = all */
};

struct topology_options {
    const char *source;       /* NULL = this machine; "synthetic:pack:2 core:4"; or an XML file */
    uint64_t cores_max;       /* 0 = all; cores that are offline count */
    struct bitset system;     /* cores that are kept for the system: never offered */
    uint64_t mem_mib;         /* 0 = what the machine has, less a reserve for itself */
    uint64_t system_mem_mib;  /* that reserve; 0 = as memory.h says */
    const char *numbers_path; /* file that keeps the cores' numbers; NULL = none */
};

/* Blocks (some ms on this machine). Errors: CQ_E_INVALID for a bad source and for cores of the
 * system that the machine has not, CQ_E_IMPOSSIBLE when no core or memory is left. Caller calls
 * fini. */
int topology_load(const struct topology_options *o, struct topology *out,
                  struct cq_err *err) CQ_MUST_CHECK;

/* Looks again which cores are online: `cores`, `places` and, when a core is new, `text` change; all
 * else stays. Blocks as topology_load. On an error `t` is as it was. */
int topology_renew(const struct topology_options *o, struct topology *t,
                   struct cq_err *err) CQ_MUST_CHECK;
void topology_fini(struct topology *t); /* accepts zeroed memory */

/* "0,2-3": the processors to bind these cores to; "" when they are not to be bound. `smt` is how
 * many hardware threads of each, from the lowest; 0 = all. */
void topology_cpus(const struct topology *t, const struct bitset *cores, uint64_t smt,
                   struct cq_str *out);

/* "0-1": the memory nodes of these cores; "" when they are not to be bound. */
void topology_mems(const struct topology *t, const struct bitset *cores, struct cq_str *out);

#endif
