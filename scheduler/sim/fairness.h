/* Measures how evenly a pool was shared, event by event. Each tenant has a weight, runs at some
 * rate (its charge, a part of the pool) and has demand that waits.
 *
 * Jain's index over windows of fixed length: of x = service in the window / weight, over tenants
 * that had something waiting during the whole window; windows with fewer than two such tenants do
 * not count.
 *
 * Lag: the integral of (ideal rate - own rate) since the tenant last had nothing to gain; the ideal
 * divides what the pool delivers at that moment by weight, nobody above its demand. While nothing
 * of a tenant waits its lag cannot be above zero. Told in minutes of the tenant's own share. */
#ifndef CHIPQ_SIM_FAIRNESS_H
#define CHIPQ_SIM_FAIRNESS_H

#include "common/base/pure/compiler.h"

struct fairness_tenant {
    double weight, rate, waiting_rate; /* waiting_rate: the charge of all that waits */
    uint64_t n_waiting;
    double lag_us; /* pool-microseconds */
    double service_us;
    double ideal;
    bool is_absent;
};

struct fairness_window {
    int64_t length_us, begin_us;
    double *begin_service_us; /* per tenant, at the begin of the present window */
    bool *was_idle;           /* per tenant: nothing waited at some time in it */
    double sum, least;        /* of the index */
    uint64_t n;
};

struct fairness {
    struct fairness_tenant *tenants;
    size_t n;
    double total_weight;
    int64_t now_us;
    struct fairness_window hour, day;
    double max_lag_us; /* in microseconds of the tenant's own share */
    size_t max_lag_tenant;
};

void fairness_init(struct fairness *f, const double *weights, size_t n);

/* This one never has a job: it has no part in what is due to the others. Before time goes on. */
void fairness_set_absent(struct fairness *f, size_t tenant);
void fairness_fini(struct fairness *f);

/* Time goes on to `us` with everything as it is. */
void fairness_advance(struct fairness *f, int64_t us);

/* Changes at the present time. `count` tasks of charge `rate` each. */
void fairness_queue(struct fairness *f, size_t tenant, double rate, uint64_t count);
void fairness_unqueue(struct fairness *f, size_t tenant, double rate, uint64_t count);
void fairness_start(struct fairness *f, size_t tenant, double rate); /* a task that waited */
void fairness_stop(struct fairness *f, size_t tenant, double rate);

/* Jain's index of `n` values; 1 for none or all zero. */
double fairness_jain(const double *x, size_t n);

/* Divides `capacity` by weight, nobody above their demand: fills ideal of each tenant. */
void fairness_fill(struct fairness_tenant *tenants, size_t n, double capacity);

#endif
