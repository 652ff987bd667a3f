/* Which number each core has. The first look at a machine gives them out in hwloc's order; from
 * then on a core keeps its own, whatever goes offline, comes back or is new: hwloc lists only what
 * is online, and jobs, shepherds and the scheduler know cores by number alone. A file keeps them
 * for the agents that follow, until the machine is started anew. */
#ifndef CHIPQ_WORKER_NUMBERS_H
#define CHIPQ_WORKER_NUMBERS_H

#include "common/base/pure/bitset.h"

struct core_numbers {
    struct bitset *cpus; /* by core number: all its hardware threads that were ever seen */
    size_t n, cap;
    char *text;           /* the machine in compact form, docs/WORKER.md, as it was last told */
    struct bitset placed; /* cores that it has */
    bool is_changed;      /* since it was read or written */
};

void numbers_fini(struct core_numbers *n); /* accepts zeroed memory */

/* The number of the core that has these hardware threads or some of them; the next free one when
 * none has. SIZE_MAX: there are BITSET_MAX already. */
size_t numbers_of(struct core_numbers *n, const struct bitset *cpus);

/* Takes `text`, which has those cores, as the machine's form. */
void numbers_place(struct core_numbers *n, char *text, const struct bitset *cores);

/* The compact form with those cores alone, and those of the system told as such; behind all others
 * stand a core that was never seen in its place, and GPUs that are near none of these cores. Caller
 * frees. */
char *numbers_text(const struct core_numbers *n, const struct bitset *cores,
                   const struct bitset *system);

/* A blank before the next item of a compact form, unless it is the first of its group. */
void numbers_separate(struct cq_str *out);

/* The file: false when there is none of this boot that can be read. Blocks. */
bool numbers_read(struct core_numbers *out, const char *path);
/* CQ_E_IO. Blocks. */
int numbers_write(struct core_numbers *n, const char *path, struct cq_err *err) CQ_MUST_CHECK;

#endif
