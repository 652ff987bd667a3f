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

static struct period period_of(enum budget_period kind, int64_t wall_us)
{
    int64_t day = wall_us / DAY_US;
    struct civil first = civil_of(day), after = first;
    switch (kind) {
    case BUDGET_DAY:
        return (struct period){day * DAY_US, (day + 1) * DAY_US};
    case BUDGET_WEEK:
        day -= (day + 3) % 7; /* 1970-01-01 was a Thursday */
        return (struct period){day * DAY_US, (day + 7) * DAY_US};
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
    return (struct period){days_of(first) * DAY_US, days_of(after) * DAY_US};
}

/* ---- periods ---- */

void budget_init(struct core *c)
{
    for (enum budget_period k = 0; k < BUDGET_PERIODS; k++)
        c->share.periods[k] = period_of(k, 0);
}

static void begin_periods(struct core *c, struct share_node *n, const bool begins[BUDGET_PERIODS])
{
    uint64_t *spent = n->budget.spent_core_us;
    for (size_t k = 0; k < BUDGET_PERIODS; k++) {
        if (!begins[k] || spent[k] == 0)
            continue;
        spent[k] = 0;
        share_mark_changed(c, n);
    }
    if (n->settings.budget_core_us != NO_LIMIT && begins[n->settings.budget_period])
        queue_wake_limits(c, n);
}

void budget_see(struct core *c, int64_t at_us)
{
    struct share *s = &c->share;
    bool begins[BUDGET_PERIODS];
    if (at_us < s->periods[BUDGET_DAY].end_us)
        return;
    for (enum budget_period k = 0; k < BUDGET_PERIODS; k++) {
        int64_t old_us = s->periods[k].start_us;
        s->periods[k] = period_of(k, at_us);
        begins[k] = s->periods[k].start_us != old_us;
    }
    c->counters_changed = true;
    begin_periods(c, &s->root, begins);
    for (size_t i = 0; i < s->n_all; i++)
        begin_periods(c, s->all[i], begins);
    if (s->has_budgets)
        queue_wake_withheld(c); /* whole machines that one did not cover */
}

void budget_begin_day(struct core *c, int64_t wall_us, struct effects *out)
{
    if (wall_us < c->share.periods[BUDGET_DAY].end_us)
        return;
    struct record *r = record_new(RECORD_DAY_BEGIN);
    r->u.day_begin.at_us = wall_us;
    core_emit(c, out, r);
}

int64_t budget_next_us(const struct core *c)
{
    const struct share *s = &c->share;
    int64_t next_us = INT64_MAX;
    for (size_t i = 0; s->has_budgets && i < s->n_all; i++) {
        const struct share_node *n = s->all[i];
        int64_t end_us = s->periods[n->settings.budget_period].end_us;
        if (n->settings.budget_core_us != NO_LIMIT && (n->parked || c->queue.withheld)
            && end_us < next_us)
            next_us = end_us;
    }
    return next_us;
}

/* Each kind of period that began no later has seen it too. */
void budget_set_old(struct core *c, struct share_node *n, enum budget_period kind, int64_t start_us,
                    uint64_t spent_core_us)
{
    budget_see(c, start_us);
    const struct period *periods = c->share.periods;
    if (periods[kind].start_us != start_us)
        return; /* it is over */
    for (size_t k = 0; k < BUDGET_PERIODS; k++)
        if (periods[k].start_us <= start_us)
            n->budget.spent_core_us[k] = spent_core_us;
}

/* ---- the books ---- */

static uint64_t sum(uint64_t a, uint64_t b)
{
    return a < UINT64_MAX - b ? a + b : UINT64_MAX;
}

uint64_t budget_used(const struct share_node *n, enum budget_period kind)
{
    return sum(n->budget.spent_core_us[kind], n->budget.held_core_us);
}

void budget_hold(struct core *c, struct share_node *leaf, uint64_t core_us, int64_t at_us)
{
    budget_see(c, at_us);
    for (struct share_node *n = leaf; n; n = n->parent)
        n->budget.held_core_us += core_us;
}

/* What ends before the period begins ended on a clock that was set back: it counts whole. */
static uint64_t used_in_period(const struct period *p, const struct budget_use *use)
{
    bool is_cut = use->from_us < p->start_us && use->to_us >= p->start_us;
    int64_t from_us = is_cut ? p->start_us : use->from_us;
    uint64_t span = use->to_us > from_us ? (uint64_t)(use->to_us - from_us) : 0;
    uint64_t used = span < UINT64_MAX / (use->cores + 1) ? span * use->cores : UINT64_MAX;
    return used < use->held_core_us ? used : use->held_core_us;
}

static void spend(struct core *c, struct share_node *n, const uint64_t used[BUDGET_PERIODS])
{
    for (size_t k = 0; k < BUDGET_PERIODS && n->budget.is_counted; k++) {
        n->budget.spent_core_us[k] = sum(n->budget.spent_core_us[k], used[k]);
        if (used[k] > 0)
            share_mark_changed(c, n);
    }
}

void budget_settle(struct core *c, struct share_node *leaf, const struct budget_use *use,
                   int64_t at_us)
{
    uint64_t used[BUDGET_PERIODS];
    budget_see(c, at_us);
    for (size_t k = 0; k < BUDGET_PERIODS; k++)
        used[k] = used_in_period(&c->share.periods[k], use);
    for (struct share_node *n = leaf; n; n = n->parent) {
        n->budget.held_core_us -= use->held_core_us;
        spend(c, n, used);
        if (n->settings.budget_core_us == NO_LIMIT)
            continue;
        queue_wake_limits(c, n);
        queue_wake_withheld(c); /* whole machines that it did not cover */
    }
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
