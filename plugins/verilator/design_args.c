/* The options that say what the design is; lint and build share them. */
#include "plugins/verilator/verilator.h"

/* "NAME" or "NAME=VALUE" of a list: the name must be one. */
static int add_defines(const struct run *run, struct args *args, struct cq_err *err)
{
    for (size_t i = 0; i < params_count(&run->params, "defines"); i++) {
        const char *define = params_item(&run->params, "defines", i);
        char name[128];
        (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(define, "="), define);
        if (run_check_identifier("params.defines", name, err))
            return -1;
        args_addf(args, "-D%s", define);
    }
    return 0;
}

static int add_parameters(const struct run *run, struct args *args, struct cq_err *err)
{
    for (size_t i = 0; i < params_count(&run->params, "parameters"); i++) {
        char value[PARAM_TEXT_MAX + 1];
        const char *key = params_entry(&run->params, "parameters", i, value, sizeof value);
        if (run_check_identifier("params.parameters", key, err))
            return -1;
        args_addf(args, "-G%s=%s", key, value);
    }
    return 0;
}

int verilator_design_args(const struct run *run, struct args *args, struct cq_err *err)
{
    const char *top = params_text(&run->params, "top");
    if (run_check_identifier("params.top", top, err))
        return -1;
    args_add(args, "--top-module");
    args_add(args, top);
    if (run_inputs(run, "includes", "-I", args, err) || add_defines(run, args, err)
        || add_parameters(run, args, err))
        return -1;
    return run_inputs(run, "sources", "", args, err);
}
