/* The memory of a machine's NUMA nodes in the books: what leases take of each. A machine with one
 * node has none of it: there the sum is enough. */
#ifndef CHIPQ_DOMAINS_H
#define CHIPQ_DOMAINS_H

#include "scheduler/core/layout.h"

struct lease;
struct worker;

/* In MiB, one for each NUMA node of a machine, in its order. */
struct domain_memory {
    uint64_t *mib;
    size_t n; /* 0: of a machine with one node, or nothing is known */
};
void domain_memory_fini(struct domain_memory *m);
void domain_memory_format(const struct domain_memory *m, struct cq_str *out); /* "4000,0,1000" */
bool domain_memory_parse(const char *text, struct domain_memory *out);        /* "" is none */

/* The machine registered with this topology; its leases stay. A text that no layout can be read
 * from is one unit: a HELLO with such is refused before. */
void domains_renew(struct worker *w);
void domains_fini(struct worker *w);

/* A lease takes or gives back. One that does not say of which nodes (it was made before, or the
 * machine changed) takes of those of its cores first. */
void domains_take(struct worker *w, struct lease *l);
void domains_give_back(struct worker *w, const struct lease *l);

/* Free of each node, with what `lease` (may be NULL) would give back, into `free_mib`, which has
 * LAYOUT_UNITS_MAX elements. */
void domains_free(const struct worker *w, const struct lease *lease, uint64_t *free_mib);

#endif
