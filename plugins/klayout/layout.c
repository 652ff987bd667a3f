/* klayout.layout: a script of the project makes out/TOP.gds from a netlist. */
#include "plugins/klayout/klayout.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/files.h"
#include "plugins/klayout/gds.h"

#include <unistd.h>

static int add_path_variable(const struct run *run, const char *name, struct args *args,
                             struct cq_err *err)
{
    char *CQ_CLEANUP(cq_free_ptr) path = NULL;
    if (!params_has(&run->params, name))
        return 0;
    if (run_input(run, name, &path, err))
        return -1;
    args_add(args, "-rd");
    args_addf(args, "%s=%s", name, path);
    return 0;
}

static void judge_layout(const struct gds_counts *c, const char *top, struct outcome *out)
{
    metrics_set(&out->metrics, "layout__cells", (double)c->structures);
    metrics_set(&out->metrics, "layout__references", (double)c->references);
    metrics_set(&out->metrics, "layout__shapes", (double)c->shapes);
    if (!c->has_top)
        outcome_error(out, "the layout has no cell '%s'", top);
    else if (c->shapes == 0)
        outcome_error(out, "the layout is empty: no shape in it");
    else
        outcome_pass(out, "%llu cells, %llu references, %llu shapes",
                     (unsigned long long)c->structures, (unsigned long long)c->references,
                     (unsigned long long)c->shapes);
}

/* The script writes to another name first: what stands under out/ is whole. */
int layout_run(struct run *run, struct cq_err *err)
{
    const char *top = params_text(&run->params, "top");
    char *CQ_CLEANUP(cq_free_ptr) script = NULL;
    struct args CQ_CLEANUP(args_fini) args = {0};
    if (run_check_identifier("params.top", top, err) || run_input(run, "script", &script, err))
        return -1;
    char *CQ_CLEANUP(cq_free_ptr) part = path_format("%s.part.gds", top);
    char *CQ_CLEANUP(cq_free_ptr) gds = path_format("out/%s.gds", top);
    args_add_all(&args, (const char *const[]){"klayout", "-b", "-r", script, "-rd", NULL});
    (void)unlink(part);
    args_addf(&args, "top=%s", top);
    args_add(&args, "-rd");
    args_addf(&args, "out=%s", part);
    if (add_path_variable(run, "netlist", &args, err) || add_path_variable(run, "lef", &args, err)
        || klayout_add_variables(run, &args, err)
        || run_judged(run, &args, &klayout_judge, &run->outcome, err))
        return -1;
    struct gds_counts counts = {0};
    if (run->outcome.verdict != VERDICT_PASS)
        return 0;
    if (run_publish(part, part, err) || gds_read(part, top, &counts, err)
        || run_publish(part, gds, err))
        return -1;
    judge_layout(&counts, top, &run->outcome);
    return 0;
}
