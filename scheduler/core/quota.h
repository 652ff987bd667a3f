/* Limits of the share tree: hard caps on every ancestor, budgets, limits of submits, guarantees. */
#ifndef CHIPQ_QUOTA_H
#define CHIPQ_QUOTA_H

#include "scheduler/core/share.h"

struct lease;
struct shape;
struct tokens;
struct worker;

/* What holds a shape back below a node. */
struct quota_block {
    struct share_node *node;
    enum setting which;
    const struct feature *feature; /* SETTING_MAX_LICENCE */
    /* in the setting's unit; of a budget core-microseconds; of borrow-* with the min in it */
    uint64_t limit, used, need;
};

/* The limit of `n` alone that a start of `shape` now would pass, if any. */
bool quota_node_blocks(const struct share_node *n, const struct shape *shape,
                       struct quota_block *b);
/* The same on the whole path from the root to `leaf`; the first from above. */
bool quota_blocks(const struct share_node *leaf, const struct shape *shape, struct quota_block *b);
/* The same of a start in the place of a lease, which gives back what it has. */
bool quota_blocks_instead(const struct share_node *leaf, const struct shape *shape,
                          const struct lease *of);
/* The limit of `n` alone that a start would pass later, when its use has changed by so much. */
struct quota_change {
    int64_t cores, mem_mib, running;
    int64_t tokens[TOKENS_MAX]; /* of each token of the shape */
};
void quota_change_end(struct quota_change *ch, const struct lease *l, const struct shape *shape);
bool quota_node_blocks_later(const struct share_node *n, const struct shape *shape,
                             const struct quota_change *ch, struct quota_block *b);
/* How many of `shape` alone the limits of `n` itself let run at once. */
uint64_t quota_most_at_once(const struct share_node *n, const struct shape *shape);
/* The limit that `shape` alone would pass, whatever runs and whatever was spent. */
bool quota_blocks_for_ever(const struct share_node *leaf, const struct shape *shape,
                           struct quota_block *b);
/* One more attempt of `shape` in a lease that is open already: budgets only. */
bool quota_blocks_attempt(const struct lease *l, struct quota_block *b);
/* An exclusive start on `w` takes all of it: is that too much for a limit (then *b says which), or
 * for what is kept for guarantees (then b->node is NULL)? */
bool quota_blocks_machine(const struct core *c, const struct share_node *leaf,
                          const struct shape *shape, const struct worker *w, struct quota_block *b);
/* More is in use on the path than its limits allow now, of `held` as to tokens: a limit was
 * lowered. Leases below must end until it is not. */
bool quota_is_exceeded(const struct share_node *leaf, const struct tokens *held);
/* Nothing of what waits below it may start, for limits at or below it. What is parked decides
 * nothing: a restart knows nothing of it. */
bool quota_is_full(const struct share_node *n);

#define BORROW_SHORT_US (900 * US_PER_S) /* so short a job may borrow without being preemptible */

/* Guarantees. Under guarantee: what it uses with one more `shape` is within its mins. */
bool quota_is_guaranteed(const struct share_node *n, const struct shape *shape);
/* The same if the lease, which is below it, were over. */
bool quota_is_guaranteed_instead(const struct share_node *n, const struct shape *shape,
                                 const struct lease *of);
bool quota_is_within(const struct share_node *n); /* it has a guarantee and is not above it */
double quota_claim(const struct share_node *n);   /* max of used / min: the smaller goes first */
/* Free capacity that is kept for other enterprises' guarantees would be touched. */
bool quota_is_withheld(const struct core *c, const struct share_node *leaf,
                       const struct shape *shape);
/* The same when leases have given back what they have. */
struct given_back {
    uint64_t cores, mem_mib, lent_cores, lent_mem_mib; /* lent: part of them that may borrow */
};
void quota_add_given_back(struct given_back *g, const struct lease *l);
bool quota_is_withheld_with(const struct core *c, const struct share_node *leaf,
                            const struct shape *shape, const struct given_back *g);
/* The same of what a lease holds, had it to be taken anew: a guarantee came later. */
bool quota_lease_is_withheld(const struct core *c, const struct lease *l);

/* Books of leases on the whole path; the share_charge that follows brings seats up to date. */
void quota_take(struct core *c, const struct lease *l);
void quota_lend(const struct lease *l);   /* its class is known now */
void quota_recall(const struct lease *l); /* it was called back: it counts until it is gone */
void quota_give_back(struct core *c, const struct lease *l);
void quota_waiting(struct share_node *leaf, int64_t tasks); /* added to what waits */

/* Budgets (budget.c): while an attempt may run, its cores times its limit are held on the whole
 * path, then what it used of the present period is spent. So no budget is ever exceeded, whatever
 * runs to its limit. Periods are of the calendar, UTC, and begin when a record says a new day;
 * `at_us` is the record's wall time. A clock that is set back begins none anew: what ends until it
 * has caught up is spent of the period that has begun. */
void budget_init(struct core *c); /* it is 1970 until a record says otherwise */
void budget_hold(struct core *c, struct share_node *leaf, uint64_t core_us, int64_t at_us);
struct budget_use {
    uint64_t held_core_us, cores;
    int64_t from_us, to_us; /* wall; equal = it never ran */
};
void budget_settle(struct core *c, struct share_node *leaf, const struct budget_use *use,
                   int64_t at_us);
/* Spent in the present period of that kind, and held. */
uint64_t budget_used(const struct share_node *n, enum budget_period kind);
void budget_see(struct core *c,
                int64_t at_us); /* of a record: new periods wake who waits for them */
void budget_begin_day(struct core *c, int64_t wall_us, struct effects *out); /* tells a new one */
int64_t budget_next_us(const struct core *c); /* wall; INT64_MAX = nothing waits for a period */
/* A snapshot of version 1 knew one period. */
void budget_set_old(struct core *c, struct share_node *n, enum budget_period kind, int64_t start_us,
                    uint64_t spent_core_us);
/* Core-hours for people, small numbers with more digits; returns buf (32 bytes). */
const char *budget_format(uint64_t core_us, char *buf, size_t size);

/* What one job may have at most within the limits of the path. */
uint64_t quota_most_mem_mib(const struct share_node *leaf);

/* A job of a submit: may it be queued? CQ_E_QUOTA with the limit, what is used, what to do. */
int quota_check_job(const struct share_node *leaf, uint64_t tasks, uint64_t time_us,
                    struct cq_err *err) CQ_MUST_CHECK;
/* May so many jobs be sent at once now, by the rate limits of the path? */
int quota_check_submit(const struct core *c, const struct share_node *leaf, size_t jobs,
                       struct cq_err *err) CQ_MUST_CHECK;
/* They were sent, as the record of the first of them says, at that policy time. */
void quota_note_submit(struct core *c, struct share_node *leaf, uint64_t jobs, int64_t policy_us);

#endif
