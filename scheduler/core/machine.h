/* Whole machines as limits and guarantees see them: an exclusive start takes all that its machine
 * has, whatever it asked. */
#ifndef CHIPQ_MACHINE_H
#define CHIPQ_MACHINE_H

#include "common/base/pure/compiler.h"

struct core;
struct shape;
struct worker;

struct machine_size {
    uint64_t cores, mem_mib;
};

uint64_t machine_core_us(uint64_t cores, uint64_t time_us); /* their product, at most 2^63 */

/* Sets least_cores and least_mem_mib of a shape. Looks at every machine if it is exclusive. */
void machine_size_shape(const struct core *c, struct shape *s);

/* A machine came, went or has another size than before: shapes are sized anew, and what their new
 * sizes let through wakes. */
void machine_changed(struct core *c, const struct worker *w, struct machine_size old);

#endif
