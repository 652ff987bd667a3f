/* Random numbers that are the same on every machine for the same seed, and the distributions that
 * workloads are made of. */
#ifndef CHIPQ_SIM_DICE_H
#define CHIPQ_SIM_DICE_H

#include "common/base/pure/compiler.h"

struct dice {
    uint64_t state;
    double spare; /* of the pair of normals */
    bool has_spare;
};

void dice_init(struct dice *d, uint64_t seed);
/* A stream of its own for part `which` of a workload, so that a change of one part leaves the
 * others as they were. */
struct dice dice_branch(uint64_t seed, uint64_t which);
uint64_t dice_u64(struct dice *d);
double dice_unit(struct dice *d); /* 0 <= x < 1 */
double dice_between(struct dice *d, double low, double high);
uint64_t dice_whole(struct dice *d, uint64_t low, uint64_t high); /* both included */
double dice_exponential(struct dice *d, double mean);
double dice_normal(struct dice *d, double mean, double sigma);
double dice_lognormal(struct dice *d, double median, double sigma);

#endif
