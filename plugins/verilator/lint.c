/* verilator.lint: clean, or which errors and warnings. */
#include "plugins/verilator/verilator.h"

#include "common/base/pure/str.h"
#include "plugins/verilator/vmessage.h"

#include <ctype.h>

struct lint {
    unsigned errors, warnings, broken; /* broken: errors that are not about the design */
    char first_error[OUTCOME_TEXT_MAX], first_warning[OUTCOME_TEXT_MAX],
        first_broken[OUTCOME_TEXT_MAX];
};

static void count(unsigned *counter, char *first, const char *text)
{
    if ((*counter)++ == 0)
        (void)cq_copy_text(first, OUTCOME_TEXT_MAX, text);
}

static void lint_line(void *state, const char *line)
{
    struct lint *l = state;
    const struct vmessage m = vmessage_read(line);
    if (m.kind == VMESSAGE_NONE || m.summary)
        return;
    if (m.kind == VMESSAGE_WARNING)
        count(&l->warnings, l->first_warning, m.text);
    else if (m.located)
        count(&l->errors, l->first_error, m.text);
    else
        count(&l->broken, l->first_broken, m.text);
}

static void lint_end(const void *state, const struct proc_end *end, struct outcome *out)
{
    const struct lint *l = state;
    char how[64];
    metrics_set(&out->metrics, "lint__errors", l->errors);
    metrics_set(&out->metrics, "lint__warnings", l->warnings);
    if (end->signal) {
        outcome_error(out, "verilator %s", proc_describe(end, how, sizeof how));
    } else if (l->errors) {
        outcome_fail(out, "%s", l->first_error);
        outcome_summarise(out, "%u error%s, %u warning%s; first: %s", l->errors,
                          l->errors == 1 ? "" : "s", l->warnings, l->warnings == 1 ? "" : "s",
                          l->first_error);
    } else if (l->broken) {
        outcome_error(out, "%s", l->first_broken);
    } else if (end->exit_status != 0) {
        outcome_error(out, "verilator %s without saying why", proc_describe(end, how, sizeof how));
    } else if (l->warnings) {
        outcome_fail(out, "%s", l->first_warning);
        outcome_summarise(out, "%u warning%s; first: %s", l->warnings, l->warnings == 1 ? "" : "s",
                          l->first_warning);
        (void)cq_copy_text(out->overruled_by, sizeof out->overruled_by, "lint__warnings");
    } else {
        outcome_pass(out, "clean");
    }
}

const struct judge lint_judge = {
    .state_bytes = sizeof(struct lint), .line = lint_line, .end = lint_end};

static int add_waived(const struct run *run, struct args *args, struct cq_err *err)
{
    for (size_t i = 0; i < params_count(&run->params, "waive"); i++) {
        const char *code = params_item(&run->params, "waive", i);
        for (const char *c = code; *c; c++)
            if (!isupper((unsigned char)*c) && !isdigit((unsigned char)*c))
                return cq_fail(err, CQ_E_INVALID,
                               "params.waive[%zu]: '%.64s' is not a warning code such as "
                               "UNUSEDSIGNAL",
                               i, code);
        args_addf(args, "-Wno-%s", code);
    }
    return 0;
}

/* -Wno-fatal: then status 1 means an error and nothing else. */
int lint_run(struct run *run, struct cq_err *err)
{
    static const char *const fixed[] = {"verilator",  "--lint-only", "-Wall",
                                        "-Wno-fatal", "--timing",    NULL};
    struct args CQ_CLEANUP(args_fini) args = {0};
    args_add_all(&args, fixed);
    if (add_waived(run, &args, err) || verilator_design_args(run, &args, err))
        return -1;
    return run_judged(run, &args, &lint_judge, &run->outcome, err);
}
