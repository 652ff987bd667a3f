/* The core's conscience in debug builds (CHIPQ_ORACLE): each choice is made a second time by brute
 * force, and after each pass the books are added up anew. It decides nothing. What it costs is kept
 * small by looking at big queues only now and then. Elsewhere its calls are nothing. */
#ifndef CHIPQ_ORACLE_H
#define CHIPQ_ORACLE_H

#include "common/base/pure/compiler.h"

struct class;
struct core;
struct lease;
struct share_node;

#ifdef CHIPQ_ORACLE

/* What to do about a fault, instead of a failed assertion: tests print how to replay it. */
typedef void (*oracle_fault_fn)(void *arg, const char *what);
void oracle_on_fault(oracle_fault_fn fn, void *arg);

/* `picked` is what a scan of all classes by exact keys finds. */
void oracle_pick(const struct core *c, const struct class *picked);
/* A lease was opened: no limit of its path is exceeded by it, no machine or feature holds more than
 * it has. */
void oracle_started(const struct core *c, const struct lease *l);
/* An attempt joined a lease's queue: the budgets of its path cover it to its limit. */
void oracle_assigned(const struct core *c, const struct share_node *leaf);
/* The passes of a plan are over: nothing that waits could start, unless it is open to be looked at
 * by the next pass. */
void oracle_passed(const struct core *c);
/* Sums of leases are what machines, share nodes and features say. */
void oracle_books(const struct core *c);

#else

#define oracle_pick(c, picked)   ((void)0)
#define oracle_started(c, l)     ((void)0)
#define oracle_assigned(c, leaf) ((void)0)
#define oracle_passed(c)         ((void)0)
#define oracle_books(c)          ((void)0)

#endif
#endif
