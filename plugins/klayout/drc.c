/* klayout.drc: a deck checks a layout; its report is judged only when the deck ran to its end. */
#include "plugins/klayout/drc.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/str.h"
#include "common/base/sys/files.h"
#include "plugins/klayout/deck.h"
#include "plugins/klayout/klayout.h"

#include <errno.h>
#include <unistd.h>

#define DRC_REPORT            "out/drc.lyrdb"
#define DRC_LISTED_IN_SUMMARY 5
#define DRC_LISTED_IN_MESSAGE 20
#define DRC_REPORT_PART       "drc.part.lyrdb"

static void add_rule_metrics(const struct lyrdb *report, bool violated, struct outcome *out)
{
    for (size_t i = 0; i < report->count; i++) {
        char name[sizeof "drc__rule__" + LYRDB_NAME_MAX];
        if ((report->rules[i].items > 0) != violated)
            continue;
        (void)snprintf(name, sizeof name, "drc__rule__%s", report->rules[i].name);
        metrics_set(&out->metrics, name, (double)report->rules[i].items);
    }
}

/* The names of at most `most` violated rules, with their counts if wanted; says how many more. */
static void list_violated(const struct lyrdb *report, size_t most, bool counts, struct cq_str *text)
{
    size_t violated = 0;
    for (size_t i = 0; i < report->count; i++) {
        const struct lyrdb_rule *rule = &report->rules[i];
        if (rule->items == 0 || ++violated > most)
            continue;
        cq_str_printf(text, "%s%s", text->len ? ", " : "", rule->name);
        if (counts)
            cq_str_printf(text, " (%llu)", (unsigned long long)rule->items);
    }
    if (violated > most)
        cq_str_printf(text, " and %zu more rules", violated - most);
}

static void fail_with_violations(const struct lyrdb *report, struct outcome *out)
{
    struct cq_str CQ_CLEANUP(cq_str_fini) rules = {0};
    struct cq_str CQ_CLEANUP(cq_str_fini) counted = {0};
    list_violated(report, DRC_LISTED_IN_MESSAGE, false, &rules);
    list_violated(report, DRC_LISTED_IN_SUMMARY, true, &counted);
    outcome_fail(out, "DRC violations: %s", cq_str_text(&rules));
    outcome_summarise(out, "%llu violation%s: %s", (unsigned long long)report->items,
                      report->items == 1 ? "" : "s", cq_str_text(&counted));
    (void)cq_copy_text(out->overruled_by, sizeof out->overruled_by, "drc__errors");
}

void drc_judge(const struct lyrdb *report, struct outcome *out)
{
    metrics_set(&out->metrics, "drc__errors", (double)report->items);
    metrics_set(&out->metrics, "drc__rules", (double)report->count);
    add_rule_metrics(report, true, out);
    add_rule_metrics(report, false, out);
    if (report->count == 0)
        outcome_error(out, "the report has no rule: nothing was checked");
    else if (report->items > 0)
        fail_with_violations(report, out);
    else
        outcome_pass(out, "no violation of %zu rules", report->count);
}

/* Every rule that the flow or the deck names must have been reached. */
static int check_complete(const struct run *run, const char *deck, const struct lyrdb *report,
                          struct cq_err *err)
{
    char missing[LYRDB_NAME_MAX] = "";
    size_t count = params_count(&run->params, "rules");
    if (count == 0 && deck_missing_rule(deck, report, missing, err))
        return -1;
    for (size_t i = 0; i < count && missing[0] == '\0'; i++)
        if (!lyrdb_find(report, params_item(&run->params, "rules", i)))
            (void)cq_copy_text(missing, sizeof missing, params_item(&run->params, "rules", i));
    if (missing[0] == '\0')
        return 0;
    return cq_fail(err, CQ_E_INVALID,
                   "the report lacks rule '%s', so the check is not complete (a deck that skips "
                   "rules: name those that count in `rules`)",
                   missing);
}

static int judge_report(struct run *run, const char *deck, struct cq_err *err)
{
    struct lyrdb CQ_CLEANUP(lyrdb_fini) report = {0};
    if (run_publish(DRC_REPORT_PART, DRC_REPORT_PART, err)
        || lyrdb_read(DRC_REPORT_PART, &report, err) || check_complete(run, deck, &report, err)
        || run_publish(DRC_REPORT_PART, DRC_REPORT, err))
        return -1;
    drc_judge(&report, &run->outcome);
    return 0;
}

/* KLayout takes a relative report name as beside the layout, so ours is absolute. */
static int add_deck_args(const struct run *run, const char *deck, struct args *args,
                         struct cq_err *err)
{
    char *CQ_CLEANUP(cq_free_ptr) gds = NULL;
    char *CQ_CLEANUP(cq_free_ptr) here = realpath(".", NULL);
    if (!here)
        return cq_fail_errno(err, CQ_E_IO, errno, "the work directory");
    if (run_input(run, "gds", &gds, err))
        return -1;
    args_add_all(args, (const char *const[]){"klayout", "-b", "-r", deck, "-rd", NULL});
    args_addf(args, "input=%s", gds);
    args_add(args, "-rd");
    args_addf(args, "report=%s/" DRC_REPORT_PART, here);
    args_add(args, "-rd");
    args_addf(args, "threads=%d", run->cores);
    if (params_has(&run->params, "top")) {
        args_add(args, "-rd");
        args_addf(args, "top=%s", params_text(&run->params, "top"));
    }
    return klayout_add_variables(run, args, err);
}

int drc_run(struct run *run, struct cq_err *err)
{
    char *CQ_CLEANUP(cq_free_ptr) deck = NULL;
    struct args CQ_CLEANUP(args_fini) args = {0};
    (void)unlink(DRC_REPORT_PART);
    if (run_input(run, "deck", &deck, err) || add_deck_args(run, deck, &args, err)
        || run_judged(run, &args, &klayout_judge, &run->outcome, err))
        return -1;
    return run->outcome.verdict == VERDICT_PASS ? judge_report(run, deck, err) : 0;
}
