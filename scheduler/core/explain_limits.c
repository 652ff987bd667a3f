/* Words for limits and budgets that a job waits below, and what can never start. */
#include <inttypes.h>

#include "common/base/pure/parse.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/explain.h"
#include "scheduler/core/placement.h"

#define SAY(field, ...) (void)snprintf((field), sizeof(field), __VA_ARGS__)

static const char *format_amount(const struct quota_block *b, uint64_t amount, char *buf,
                                 size_t size)
{
    if (b->which == SETTING_MAX_MEM || b->which == SETTING_BORROW_MEM)
        return format_size_mib(amount, buf, size);
    char hours[32];
    if (b->which == SETTING_BUDGET)
        (void)snprintf(buf, size, "%s core-hours", budget_format(amount, hours, sizeof hours));
    else if (b->which == SETTING_MAX_LICENCE)
        (void)snprintf(buf, size, "%" PRIu64 " %.40s", amount, b->feature->name);
    else
        (void)snprintf(buf, size, "%" PRIu64, amount);
    return buf;
}

/* "max-cores of acme is 4", "borrow-cores of acme is 2 above its min-cores 4" */
static void add_limit_name(const struct quota_block *b, struct cq_str *out)
{
    const struct settings *s = &b->node->settings;
    bool is_mem = b->which == SETTING_BORROW_MEM;
    uint64_t min = is_mem ? s->min_mem_mib : s->min_cores;
    struct quota_block own = *b;
    char limit[64], least[64];
    struct cq_str path CQ_CLEANUP(cq_str_fini) = {0};
    share_path(b->node, &path);
    cq_str_printf(out, "%s of %.100s", setting_key(b->which), cq_str_text(&path));
    if (b->which == SETTING_BORROW_CORES || is_mem)
        own.limit -= min;
    cq_str_printf(out, " is %s", format_amount(&own, own.limit, limit, sizeof limit));
    if (own.limit == b->limit)
        return;
    cq_str_printf(out, " above its %s %s",
                  setting_key(is_mem ? SETTING_MIN_MEM : SETTING_MIN_CORES),
                  format_amount(&own, min, least, sizeof least));
}

static uint64_t spent_of(const struct share_node *n)
{
    return n->budget.spent_core_us[n->settings.budget_period];
}

static void add_use(const struct quota_block *b, struct cq_str *out)
{
    char text[64];
    uint64_t spent = b->which == SETTING_BUDGET ? spent_of(b->node) : b->used;
    cq_str_printf(out, "%s %s", format_amount(b, spent, text, sizeof text),
                  b->which == SETTING_BUDGET ? "spent" : "in use");
    if (b->used > spent)
        cq_str_printf(out, ", %s held by running jobs",
                      format_amount(b, b->used - spent, text, sizeof text));
}

/* What a budget held and was not used comes back: that is sooner than its next period. */
static const char *limit_advice(const struct quota_block *b)
{
    if (b->need > b->limit)
        return "it can never start as it is: ask for less, or for a higher limit";
    if (b->which != SETTING_BUDGET)
        return "it goes on when running jobs below it end; chipq quota shows all";
    uint64_t spent = spent_of(b->node);
    if (b->used > spent && spent <= b->limit && b->need <= b->limit - spent)
        return "it goes on when those jobs end and what they held and did not use comes back; or "
               "in the next period, or with a larger budget";
    return "it goes on in the next period, or with a larger budget; a shorter --time needs less of "
           "it";
}

void explain_limit(const struct quota_block *b, struct reason *r)
{
    char need[64];
    struct cq_str text CQ_CLEANUP(cq_str_fini) = {0};
    add_limit_name(b, &text);
    cq_str_add(&text, "; ");
    add_use(b, &text);
    SAY(r->text, "%.230s, it needs %s", cq_str_text(&text),
        format_amount(b, b->need, need, sizeof need));
    SAY(r->advice, "%s", limit_advice(b));
}

void explain_limit_for_ever(const struct quota_block *b, struct reason *r)
{
    char need[64];
    struct cq_str text CQ_CLEANUP(cq_str_fini) = {0};
    add_limit_name(b, &text);
    SAY(r->text, "also: %.200s, it needs %s", cq_str_text(&text),
        format_amount(b, b->need, need, sizeof need));
    SAY(r->advice, "%s", limit_advice(b));
}

/* ---- never ---- */

const struct token *explain_impossible_token(const struct shape *s)
{
    for (size_t i = 0; i < s->tokens.n; i++)
        if (s->tokens.items[i].count > s->tokens.items[i].feature->count)
            return &s->tokens.items[i];
    return NULL;
}

static bool fits_no_machine(const struct core *c, const struct shape *s)
{
    for (size_t i = 0; i < c->pool.n; i++)
        if (placement_could_fit(s, c->pool.workers[i]))
            return false;
    return true;
}

bool explain_is_hopeless(const struct core *c, const struct class *k)
{
    struct quota_block block;
    return quota_blocks_for_ever(k->leaf, k->shape, &block) || explain_impossible_token(k->shape)
           || fits_no_machine(c, k->shape);
}
