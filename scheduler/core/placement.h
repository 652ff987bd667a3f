/* Which worker, which cores. Pure over the books of workers.h. */
#ifndef CHIPQ_PLACEMENT_H
#define CHIPQ_PLACEMENT_H

#include "scheduler/core/core_state.h"

struct placement {
    struct worker *worker;
    struct bitset cores; /* caller releases with placement_fini */
    uint64_t mem_mib;
    struct domain_memory numa_mem;
};
void placement_fini(struct placement *p);

/* Of the workers that take work and have room now, and where neither a hold nor a booking stands in
 * the way, the one that suits best (layout.h), then the fullest, then the lowest id. `job` is whose
 * start it is (for its own hold). NULL: nowhere, and why. */
struct worker *placement_find(const struct core *c, const struct shape *shape,
                              const struct job *job, enum wait_reason *why);
/* The same, with the cores it would get there. */
bool placement_choose(const struct core *c, const struct shape *shape, const struct job *job,
                      struct placement *p, enum wait_reason *why);

/* What a job says of its place, checked at submit. `exclusive` and `membind`: their enums. */
struct asked_place {
    const char *topo;
    uint64_t cores, mem_mib, exclusive, membind;
};
struct layout_wish placement_wish(const struct asked_place *a);

/* placement_check.c: the cores it is to have: whole sockets or NUMA nodes if it asks for such.
 * Fails when no machine can ever place it as it insists, and says what could be instead; a wish
 * that only asks too much waits, for a machine may come. CQ_E_IMPOSSIBLE. */
int placement_size(const struct core *c, const struct asked_place *a, uint64_t *cores,
                   struct cq_err *err) CQ_MUST_CHECK;

/* It is to be spread over a machine. Such jobs have at most half of one together: may it be, where
 * others have `spread` cores so? */
bool placement_is_spread(const struct shape *s);
bool placement_may_spread(const struct shape *s, const struct worker *w, uint64_t spread);

/* What of a machine is there for one that insists. */
struct there {
    struct bitset cores;
    uint64_t mem_mib[LAYOUT_UNITS_MAX]; /* of NUMA nodes */
    uint64_t spread;                    /* cores of others that are spread there */
};
void there_fini(struct there *t);

/* Could it have its cores and its memory of those? `out` and `mem_taken`, if not NULL, get them;
 * `out` is the caller's. */
bool placement_strict(const struct shape *shape, const struct worker *w, const struct there *there,
                      struct bitset *out, uint64_t *mem_taken);

/* Room now on `w`, with what `lease` (may be NULL) would give back. */
bool placement_fits(const struct shape *shape, const struct worker *w, const struct lease *lease);
/* With these leases of `w` over, what it insists on as to place is there; cores and memory in all
 * are not counted. */
bool placement_is_granted(const struct shape *shape, const struct worker *w,
                          const struct lease *const *over, size_t n);
/* Room on `w` if it were empty. */
bool placement_could_fit(const struct shape *shape, const struct worker *w);

/* True when `features` (one a line: "gpu", "tool=verilator=5.006") has each wanted one (one a
 * line: "gpu", "tool=verilator", "tool=verilator>=5"). */
bool placement_has_features(const char *features, const char *wanted);
bool placement_feature_is_valid(const char *wanted);

#endif
