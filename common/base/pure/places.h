/* Where the cores of a machine lie, out of the compact form of its topology (docs/WORKER.md). For
 * showing; what decides reads the same text in scheduler/core/layout.h. */
#ifndef CQ_PLACES_H
#define CQ_PLACES_H

#include "common/base/pure/bitset.h"

enum { PLACE_NONE = UINT32_MAX };

struct place {
    uint32_t core;
    uint32_t package, numa; /* their numbers; PLACE_NONE: in none that is known */
    uint32_t l3;            /* counted from 0 over the machine; PLACE_NONE: in none */
    uint32_t numa_at;       /* counted from 0 over the machine; cores without a NUMA node: n_numa */
    bool is_system;         /* kept for the system; its NUMA node counts for others only */
};

struct place_gpu {
    uint32_t gpu;
    char name[64];
    struct place near; /* its core counts for nothing */
};

struct places {
    struct place *items; /* in the order of the text: neighbours stand together */
    size_t n, cap;
    struct place_gpu *gpus;
    size_t n_gpus, cap_gpus;
    size_t n_numa; /* that have cores for jobs */
};

/* False: it is not that form; nothing is to be released then. Caller calls fini. */
bool places_read(const char *text, struct places *out);
void places_fini(struct places *p); /* accepts zeroed memory */

/* The numbers of the NUMA nodes that these cores lie in, "0-1"; nothing when none is known.
 * Appended to `out`. */
void places_numa(const struct places *p, const struct bitset *cores, struct cq_str *out);

#endif
