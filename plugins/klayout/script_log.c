/* Did a KLayout script run to its end? Status 0 says so; an "ERROR:" line says why not. */
#include "plugins/klayout/klayout.h"

#include "common/base/pure/str.h"

struct script {
    unsigned warnings;
    char error[OUTCOME_TEXT_MAX];
};

static void script_line(void *state, const char *line)
{
    struct script *s = state;
    if (cq_str_starts(line, "ERROR: ") && s->error[0] == '\0')
        (void)cq_copy_text(s->error, sizeof s->error, line + strlen("ERROR: "));
    else if (cq_str_starts(line, "Warning: ") || cq_str_starts(line, "WARNING: "))
        s->warnings++;
}

static void script_end(const void *state, const struct proc_end *end, struct outcome *out)
{
    const struct script *s = state;
    char how[64];
    if (end->signal)
        outcome_error(out, "klayout %s", proc_describe(end, how, sizeof how));
    else if (end->exit_status != 0 && s->error[0])
        outcome_error(out, "%s", s->error);
    else if (end->exit_status != 0)
        outcome_error(out, "klayout %s", proc_describe(end, how, sizeof how));
    else if (s->error[0])
        outcome_error(out, "%s", s->error);
    else
        outcome_pass(out, "the script ran to its end");
}

const struct judge klayout_judge = {
    .state_bytes = sizeof(struct script), .line = script_line, .end = script_end};

int klayout_add_variables(const struct run *run, struct args *args, struct cq_err *err)
{
    for (size_t i = 0; i < params_count(&run->params, "variables"); i++) {
        char value[PARAM_TEXT_MAX + 1];
        const char *key = params_entry(&run->params, "variables", i, value, sizeof value);
        if (run_check_identifier("params.variables", key, err))
            return -1;
        args_add(args, "-rd");
        args_addf(args, "%s=%s", key, value);
    }
    return 0;
}
