/* Jain's index over windows, and lag behind the ideal division. */
#include "scheduler/sim/fairness.h"

#include "common/base/pure/id.h"
#include "common/base/pure/mem.h"

static void window_init(struct fairness_window *w, int64_t length_us, size_t n)
{
    *w = (struct fairness_window){.length_us = length_us,
                                  .begin_service_us = cq_calloc(n, sizeof(double)),
                                  .was_idle = cq_calloc(n, sizeof(bool)),
                                  .least = 1};
}

void fairness_init(struct fairness *f, const double *weights, size_t n)
{
    *f = (struct fairness){.tenants = cq_calloc(n, sizeof *f->tenants), .n = n};
    for (size_t i = 0; i < n; i++) {
        f->tenants[i].weight = weights[i];
        f->total_weight += weights[i];
    }
    window_init(&f->hour, 3600 * US_PER_S, n);
    window_init(&f->day, INT64_C(24) * 3600 * US_PER_S, n);
}

void fairness_set_absent(struct fairness *f, size_t tenant)
{
    if (!f->tenants[tenant].is_absent)
        f->total_weight -= f->tenants[tenant].weight;
    f->tenants[tenant].is_absent = true;
}

void fairness_fini(struct fairness *f)
{
    free(f->tenants);
    free(f->hour.begin_service_us);
    free(f->hour.was_idle);
    free(f->day.begin_service_us);
    free(f->day.was_idle);
    *f = (struct fairness){0};
}

double fairness_jain(const double *x, size_t n)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += x[i];
        squares += x[i] * x[i];
    }
    return squares > 0 ? sum * sum / ((double)n * squares) : 1;
}

/* ---- the ideal ---- */

static double demand(const struct fairness_tenant *t)
{
    return t->rate + t->waiting_rate;
}

/* Rounds: whoever wants less than their part gets all they want, and the rest is divided again. */
void fairness_fill(struct fairness_tenant *tenants, size_t n, double capacity)
{
    double left = capacity, weight = 0;
    bool is_settled = false;
    for (size_t i = 0; i < n; i++) {
        tenants[i].ideal = -1;
        weight += tenants[i].weight;
    }
    while (!is_settled && weight > 0) {
        double level = left / weight;
        is_settled = true;
        for (size_t i = 0; i < n; i++) {
            struct fairness_tenant *t = &tenants[i];
            if (t->ideal >= 0 || demand(t) > level * t->weight)
                continue;
            t->ideal = demand(t);
            left -= t->ideal;
            weight -= t->weight;
            is_settled = false;
        }
    }
    double level = weight > 0 && left > 0 ? left / weight : 0;
    for (size_t i = 0; i < n; i++)
        if (tenants[i].ideal < 0)
            tenants[i].ideal = level * tenants[i].weight;
}

/* ---- time ---- */

static void close_window(struct fairness *f, struct fairness_window *w)
{
    double *x = cq_calloc(f->n, sizeof *x);
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++) {
        const struct fairness_tenant *t = &f->tenants[i];
        if (!w->was_idle[i])
            x[n++] = (t->service_us - w->begin_service_us[i]) / t->weight;
        w->begin_service_us[i] = t->service_us;
        w->was_idle[i] = false;
    }
    if (n >= 2) {
        double jain = fairness_jain(x, n);
        w->sum += jain;
        w->least = jain < w->least ? jain : w->least;
        w->n++;
    }
    w->begin_us += w->length_us;
    free(x);
}

static void note_lag(struct fairness *f, size_t i, double dt_us)
{
    struct fairness_tenant *t = &f->tenants[i];
    t->lag_us += (t->ideal - t->rate) * dt_us;
    if (t->n_waiting == 0 && t->lag_us > 0)
        t->lag_us = 0;
    double own = t->lag_us * f->total_weight / t->weight;
    if (own > f->max_lag_us) {
        f->max_lag_us = own;
        f->max_lag_tenant = i;
    }
}

/* An interval in which nothing changes and no window ends. */
static void integrate(struct fairness *f, double dt_us)
{
    double delivered = 0;
    for (size_t i = 0; i < f->n; i++)
        delivered += f->tenants[i].rate;
    fairness_fill(f->tenants, f->n, delivered);
    for (size_t i = 0; i < f->n; i++) {
        struct fairness_tenant *t = &f->tenants[i];
        t->service_us += t->rate * dt_us;
        if (t->n_waiting == 0)
            f->hour.was_idle[i] = f->day.was_idle[i] = true;
        note_lag(f, i, dt_us);
    }
}

static int64_t window_end(const struct fairness_window *w)
{
    return w->begin_us + w->length_us;
}

void fairness_advance(struct fairness *f, int64_t us)
{
    while (f->now_us < us) {
        int64_t to_us = us;
        to_us = window_end(&f->hour) < to_us ? window_end(&f->hour) : to_us;
        to_us = window_end(&f->day) < to_us ? window_end(&f->day) : to_us;
        integrate(f, (double)(to_us - f->now_us));
        f->now_us = to_us;
        if (to_us == window_end(&f->hour))
            close_window(f, &f->hour);
        if (to_us == window_end(&f->day))
            close_window(f, &f->day);
    }
}

/* ---- changes ---- */

void fairness_queue(struct fairness *f, size_t tenant, double rate, uint64_t count)
{
    struct fairness_tenant *t = &f->tenants[tenant];
    t->n_waiting += count;
    t->waiting_rate += rate * (double)count;
}

void fairness_unqueue(struct fairness *f, size_t tenant, double rate, uint64_t count)
{
    struct fairness_tenant *t = &f->tenants[tenant];
    t->n_waiting -= count;
    t->waiting_rate -= rate * (double)count;
    if (t->n_waiting == 0 || t->waiting_rate < 0)
        t->waiting_rate = 0; /* what rounding left */
}

void fairness_start(struct fairness *f, size_t tenant, double rate)
{
    fairness_unqueue(f, tenant, rate, 1);
    f->tenants[tenant].rate += rate;
}

void fairness_stop(struct fairness *f, size_t tenant, double rate)
{
    struct fairness_tenant *t = &f->tenants[tenant];
    t->rate -= rate;
    if (t->rate < 1e-12)
        t->rate = 0; /* what rounding left: a charge is never that small */
}
