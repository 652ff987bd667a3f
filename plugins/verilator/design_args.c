/* The options that say what the design is; lint and build share them. */
#include "plugins/verilator/verilator.h"

static int add_map(const struct run *run, const char *name, const char *prefix, struct args *args,
                   struct cq_err *err)
{
    for (size_t i = 0; i < params_count(&run->params, name); i++) {
        char value[PARAM_TEXT_MAX + 1];
        const char *key = params_entry(&run->params, name, i, value, sizeof value);
        if (run_check_identifier(name, key, err))
            return cq_wrap(err, "params");
        if (value[0])
            args_addf(args, "%s%s=%s", prefix, key, value);
        else
            args_addf(args, "%s%s", prefix, key);
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
    if (run_inputs(run, "includes", "-I", args, err) || add_map(run, "defines", "-D", args, err)
        || add_map(run, "parameters", "-G", args, err))
        return -1;
    return run_inputs(run, "sources", "", args, err);
}
