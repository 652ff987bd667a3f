/* Budgets: core-hours in a calendar period. */
#include "common/base/pure/id.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/quota.h"

#define DAY_US (INT64_C(86400) * US_PER_S)

struct civil {
    int64_t year;
    unsigned month; /* 1..12 */
};

/* Days since 1970-01-01 of the first of a month, and back: the proleptic Gregorian calendar counted
 * in years that begin in March, so that the leap day comes last. */
static int64_t days_of(struct civil d)
{
    int64_t months = d.year * 12 + (int64_t)d.month - 1; /* normalises months past December */
    int64_t year = months / 12, month = months % 12;     /* month 0..11 */
    int64_t y = month < 2 ? year - 1 : year, m = (month + 10) % 12;
    return y * 365 + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 - 719468;
}

static struct civil civil_of(int64_t day)
{
    struct civil d = {.year = 1970 + day / 366, .month = 1};
    while (days_of((struct civil){d.year + 1, 1}) <= day)
        d.year++;
    while (d.month < 12 && days_of((struct civil){d.year, d.month + 1}) <= day)
        d.month++;
    return d;
}

static void period_of(enum budget_period kind, int64_t wall_us, int64_t *start, int64_t *end)
{
    int64_t day = wall_us / DAY_US;
    struct civil first = civil_of(day), after = first;
    switch (kind) {
    case BUDGET_DAY:
    case BUDGET_WEEK:
        day -= kind == BUDGET_WEEK ? (day + 3) % 7 : 0; /* 1970-01-01 was a Thursday */
        *start = day * DAY_US;
        *end = *start + (kind == BUDGET_WEEK ? 7 : 1) * DAY_US;
        return;
    case BUDGET_MONTH:
        after.month++;
        break;
    case BUDGET_QUARTER:
        first.month -= (first.month - 1) % 3;
        after = (struct civil){first.year, first.month + 3};
        break;
    case BUDGET_YEAR:
        first.month = 1;
        after = (struct civil){first.year + 1, 1};
        break;
    }
    *start = days_of(first) * DAY_US;
    *end = days_of(after) * DAY_US;
}

void budget_roll(struct share_node *n, int64_t wall_us)
{
    struct budget *b = &n->budget;
    if (n->settings.budget_core_us == NO_LIMIT || wall_us < 0)
        return;
    if (wall_us < b->period_end_us && b->kind == n->settings.budget_period)
        return; /* a clock that was set back starts no earlier period anew */
    if (b->kind != n->settings.budget_period || wall_us >= b->period_end_us) {
        int64_t start, end;
        period_of(n->settings.budget_period, wall_us, &start, &end);
        if (start != b->period_start_us)
            b->spent_core_us = 0;
        b->kind = n->settings.budget_period;
        b->period_start_us = start;
        b->period_end_us = end;
    }
}

void budget_hold(struct core *c, struct share_node *leaf, uint64_t core_us, int64_t at_us)
{
    for (struct share_node *n = leaf; n; n = n->parent) {
        budget_roll(n, at_us);
        n->budget.held_core_us += core_us;
    }
    (void)c;
}

static uint64_t used_in_period(const struct budget *b, const struct budget_use *use)
{
    int64_t from = use->from_us > b->period_start_us ? use->from_us : b->period_start_us;
    uint64_t span = use->to_us > from ? (uint64_t)(use->to_us - from) : 0;
    uint64_t used = span < UINT64_MAX / (use->cores + 1) ? span * use->cores : UINT64_MAX;
    return used < use->held_core_us ? used : use->held_core_us;
}

void budget_settle(struct core *c, struct share_node *leaf, const struct budget_use *use,
                   int64_t at_us)
{
    for (struct share_node *n = leaf; n; n = n->parent) {
        budget_roll(n, at_us);
        n->budget.held_core_us -= use->held_core_us;
        if (n->settings.budget_core_us == NO_LIMIT)
            continue;
        n->budget.spent_core_us += used_in_period(&n->budget, use);
        share_mark_changed(c, n);
        queue_wake_limits(c, n);
        queue_wake_withheld(c); /* whole machines that it did not cover */
    }
}

void budget_roll_all(struct core *c, int64_t wall_us)
{
    if (wall_us < c->share.next_period_us)
        return;
    c->share.next_period_us = INT64_MAX;
    for (size_t i = 0; i < c->share.n_all; i++) {
        struct share_node *n = c->share.all[i];
        if (n->settings.budget_core_us == NO_LIMIT)
            continue;
        int64_t end_us = n->budget.period_end_us;
        budget_roll(n, wall_us);
        if (n->budget.period_end_us < c->share.next_period_us)
            c->share.next_period_us = n->budget.period_end_us;
        if (n->budget.period_end_us == end_us)
            continue;
        share_mark_changed(c, n);
        queue_wake_limits(c, n);
        queue_wake_withheld(c);
    }
}

int64_t budget_next_us(const struct core *c)
{
    int64_t next = INT64_MAX;
    if (c->share.next_period_us == INT64_MAX)
        return next; /* nobody has one */
    for (size_t i = 0; i < c->share.n_all; i++) {
        const struct share_node *n = c->share.all[i];
        bool waits = n->settings.budget_core_us != NO_LIMIT && n->parked;
        if (waits && n->budget.period_end_us < next)
            next = n->budget.period_end_us;
    }
    return next;
}

const char *budget_format(uint64_t core_us, char *buf, size_t size)
{
    double hours = (double)core_us / 3.6e9;
    (void)snprintf(buf, size, "%.*f", hours < 1 ? 4 : hours < 100 ? 2 : 1, hours);
    size_t n = strlen(buf);
    while (buf[n - 1] == '0')
        buf[--n] = '\0';
    if (buf[n - 1] == '.')
        buf[n - 1] = '\0';
    return buf;
}
