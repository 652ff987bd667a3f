/* The share tree: root > enterprise > project > leaf (a user in a project), its usage that decays
 * without being touched, and the key by which siblings are compared.
 *
 *   dU/dt = r - lambda U        r = sum of the charge rates of open leases below the node
 *   key   = (U + (beta/lambda) r') / w,  smaller is served first
 *
 * In the exact incremental form (forward decay: Cormode et al., ICDE 2009) every node keeps (r, c)
 * with U = r/lambda + c/E, E = 2^((t-L)/H); E * key = (r' A + c)/w is a line in the common
 * parameter A = (1+beta) E/lambda, which only grows. r' is r less the node's carry: see carry.h. */
#ifndef CHIPQ_SHARE_H
#define CHIPQ_SHARE_H

#include "common/base/pure/map.h"
#include "scheduler/core/settings.h"
#include "scheduler/core/view.h"

struct core;
struct principal;
struct project;
struct seat;

enum share_level { SHARE_ROOT, SHARE_ENTERPRISE, SHARE_PROJECT, SHARE_LEAF, SHARE_LEVELS };

#define RATE_ONE       (INT64_C(1) << 40) /* the whole pool, as a charge rate */
#define RATE_POOLS_MAX 512                /* the most that one lease or booking is charged */

/* What was spent in the present period of each kind, from the first budget on: so one that is
 * changed, or taken away for a while, knows what its period has seen. */
struct budget {
    bool is_counted; /* it has, or had, a budget */
    uint64_t spent_core_us[BUDGET_PERIODS], held_core_us;
};

struct period { /* wall */
    int64_t start_us, end_us;
};

/* The running correction that makes whole jobs average out: carry.h. */
struct carry {
    double deficit;   /* pool-seconds it is owed */
    double rate;      /* what is taken off r, in parts of the pool */
    double step;      /* charge of its newest lease: the size of one job */
    double level_at;  /* group's integral when this was last settled */
    double inverse_e; /* 1/E then */
    int64_t at_us;    /* policy time then */
    double weight;    /* as counted in its parent's group */
    bool is_in;       /* counted there */
};
struct carry_group { /* sums over the children that are in */
    int64_t rate, usual_rate;
    double c, weight, level; /* level: integral of their common key */
    double inverse_e;
    int64_t at_us;
    uint64_t next; /* child whose turn it is */
};

struct share_node {
    uint64_t id; /* of the enterprise, project or leaf; 0 = the root */
    enum share_level level;
    struct share_node *parent;
    struct share_node **children; /* by id */
    size_t n_children, cap_children;
    struct enterprise *enterprise; /* NULL: the root */
    struct project *project;       /* NULL above */
    struct principal *principal;   /* NULL above */
    struct settings settings;
    /* usage */
    int64_t rate; /* r, in RATE_ONE */
    double c;
    struct carry carry;
    struct carry_group group;
    /* books of open leases */
    uint64_t cores, mem_mib, running;
    uint64_t recalled_cores, recalled_mem_mib; /* part of them that was called back */
    uint64_t lent_cores, lent_mem_mib;         /* part that may borrow: it can be had back soon */
    uint64_t *tokens;                          /* by feature index */
    size_t n_tokens;
    uint64_t waiting; /* tasks of live jobs that have not started */
    struct budget budget;
    int64_t submits_paid_us; /* policy time from which the burst of max-submit-rate is full again */
    /* queue.h */
    struct seat *seats;  /* one a shape that waits below */
    struct seat *parked; /* those of them that a limit of this node holds back */
    unsigned n_ready;    /* below it, with something that may start */
    int64_t
        reclaim_since_us; /* policy time since which it is held back under its guarantee; 0 = not */
    int64_t reclaim_next_us; /* before that no machine is looked for: there was none */
    bool is_changed, is_settings_changed, is_new; /* since the last view of entities */
};

struct share {
    struct share_node root;
    struct map nodes;        /* id -> struct share_node */
    struct share_node **all; /* parents before children */
    size_t n_all, cap_all;
    struct share_node **guaranteed; /* those with min-cores or min-mem */
    size_t n_guaranteed, cap_guaranteed;
    struct share_node **changed;
    size_t n_changed, cap_changed;
    struct period periods[BUDGET_PERIODS]; /* the present ones; they never run back */
    bool has_budgets;                      /* somebody has one, or had */
    bool is_restored;                      /* from snapshots, and its jobs are still being loaded */
    int64_t landmark_us;                   /* L, policy time */
    double lambda, beta;                   /* lambda per second */
    double half_life_us;
    double e_over_lambda, inverse_e; /* at `at_us` */
    int64_t at_us;
};

void share_init(struct core *c);
void share_fini(struct core *c);

struct share_node *share_node_find(const struct core *c, uint64_t id); /* NULL: none */
struct share_node *share_leaf_of(const struct core *c, uint64_t project, uint64_t principal);
/* `n` is `above` or below it; false for NULL. */
bool share_is_below(const struct share_node *n, const struct share_node *above);
/* "acme", "acme/uart", "acme/uart/ann"; appended. */
void share_path(const struct share_node *n, struct cq_str *out);

/* Nodes are made by the records of people and LEAF_ADD. */
struct share_node *share_add(struct core *c, struct share_node *parent, uint64_t id,
                             enum share_level level);
int share_apply(struct core *c, const struct record *r, struct cq_err *err) CQ_MUST_CHECK;
void share_settings_changed(struct core *c, struct share_node *n); /* after n->settings changed */

/* The parameter A now; policy time is core's policy_us. */
double share_now(struct core *c);
/* The line of a node: E * key = m A + b. */
void share_line(const struct core *c, const struct share_node *n, double *m, double *b);
/* Its usage now, in pool-seconds. */
double share_usage(const struct core *c, const struct share_node *n, int64_t policy_us);

/* Its weighted part of the pool among those that want something now: 0..1 (share_view.c). */
double share_due(const struct share_node *n);

/* Adds `rate` (may be negative) to what runs below a node (of leases a leaf, of bookings any), from
 * policy time on; `inner` is the rate between projects and users. */
void share_charge(struct core *c, struct share_node *node, int64_t rate, int64_t inner,
                  int64_t policy_us);
/* An attempt ended and its lease goes on: nothing is charged anew, what is owed is told anew. */
void share_turn(struct core *c, struct share_node *leaf, int64_t policy_us);
/* Gives back what a charge that has ended had cost: its attempt was called back. */
void share_refund(struct core *c, struct share_node *leaf, int64_t rate, int64_t inner,
                  int64_t from_us, int64_t to_us);

/* share_snapshot.c: usage, carry, budget and submits of one node as bytes. */
void share_state_encode(const struct share_node *n, struct cq_str *out);
int share_state_apply(struct core *c, struct share_node *n, const struct record_bytes *state,
                      struct cq_err *err) CQ_MUST_CHECK;

void share_saw_landmark(struct core *c, int64_t landmark_us); /* at load */
void share_load_done(struct core *c); /* lines and groups, once the clock is known */

void share_mark_changed(struct core *c, struct share_node *n);
void share_view_entities(struct core *c, entity_view_fn fn, void *arg);

#endif
