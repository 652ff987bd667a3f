/* opensta.check: writes the script, runs it. */
#include "plugins/opensta/opensta.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/str.h"
#include "common/base/sys/files.h"

#include <ctype.h>
#include <unistd.h>

#define INFO_MAX_BYTES 65536

void tcl_quote(const char *text, struct cq_str *out)
{
    for (; *text; text++) {
        if (!isalnum((unsigned char)*text) && !strchr("_-./", *text) && (unsigned char)*text < 0x80)
            cq_str_add_char(out, '\\');
        cq_str_add_char(out, *text);
    }
}

static void add_command(struct cq_str *out, const char *command, const char *word)
{
    cq_str_printf(out, "%s ", command);
    tcl_quote(word, out);
    cq_str_add_char(out, '\n');
}

/* What yosys.synth left for us: top, netlist and library, for what the flow does not say. */
struct defaults {
    json_t *info;
    char *dir; /* owned: where that job's outputs are */
};

static void defaults_fini(struct defaults *d)
{
    json_decref(d->info);
    free(d->dir);
}

/* Keeps the first one found; `dir` may hold the outputs of any kind of job. */
static void look_in(struct defaults *d, const char *dir)
{
    struct cq_str CQ_CLEANUP(cq_str_fini) text = {0};
    char *CQ_CLEANUP(cq_free_ptr) path = path_format("%s/synth.json", dir);
    if (d->info || file_read(path, INFO_MAX_BYTES, &text, NULL))
        return;
    json_t *info = json_loadb(cq_str_text(&text), text.len, 0, NULL);
    if (!json_is_integer(json_object_get(info, "chipq_synth"))) {
        json_decref(info);
        return;
    }
    d->info = info;
    d->dir = cq_strdup(dir);
}

/* Dependencies stand in task.json, in the environment, or in both. */
static void find_defaults(const struct run *run, struct defaults *d)
{
    const char *job;
    json_t *dir;
    json_object_foreach(run->file.deps, job, dir)
    {
        look_in(d, json_string_value(dir));
    }
    for (char **variable = environ; *variable; variable++) {
        const char *value = strchr(*variable, '=');
        if (value && value[1] == '/' && cq_str_starts(*variable, "CHIPQ_DEP_"))
            look_in(d, value + 1);
    }
}

static const char *default_text(const struct defaults *d, const char *key)
{
    return json_string_value(json_object_get(d->info, key));
}

/* In the words of the flow, as the check of the flow says it. */
static int missing(const struct run *run, const char *name, struct cq_err *err)
{
    return cq_fail(err, CQ_E_INVALID, "%.64s: give `%s:` or need a yosys.synth job",
                   run->file.job[0] ? run->file.job : "opensta.check", name);
}

static int add_libraries(const struct run *run, const struct defaults *d, struct cq_str *out,
                         struct cq_err *err)
{
    struct args CQ_CLEANUP(args_fini) more = {0};
    char *CQ_CLEANUP(cq_free_ptr) path = NULL;
    const char *liberty = params_text(&run->params, "liberty");
    liberty = liberty ? liberty : default_text(d, "liberty");
    if (!liberty)
        return missing(run, "liberty", err);
    if (input_find(&run->file, "params.liberty", liberty, &path, err)
        || run_inputs(run, "libraries", "", &more, err))
        return -1;
    add_command(out, "read_liberty", path);
    for (size_t i = 0; i < more.count; i++)
        add_command(out, "read_liberty", more.items[i]);
    return 0;
}

static int add_netlist(const struct run *run, const struct defaults *d, struct cq_str *out,
                       struct cq_err *err)
{
    char *CQ_CLEANUP(cq_free_ptr) path = NULL;
    char *CQ_CLEANUP(cq_free_ptr) value = NULL;
    if (params_has(&run->params, "netlist"))
        value = cq_strdup(params_text(&run->params, "netlist"));
    else if (default_text(d, "netlist"))
        value = path_format("%s/%s", d->dir, default_text(d, "netlist"));
    if (!value)
        return missing(run, "netlist", err);
    if (input_find(&run->file, "params.netlist", value, &path, err))
        return -1;
    add_command(out, "read_verilog", path);
    return 0;
}

static int add_design(const struct run *run, const struct defaults *d, struct cq_str *out,
                      struct cq_err *err)
{
    const char *top = params_text(&run->params, "top");
    top = top ? top : default_text(d, "top");
    char *CQ_CLEANUP(cq_free_ptr) sdc = NULL;
    if (!top)
        return missing(run, "top", err);
    if (run_check_identifier("params.top", top, err) || add_libraries(run, d, out, err)
        || add_netlist(run, d, out, err) || run_input(run, "sdc", &sdc, err))
        return -1;
    add_command(out, "link_design", top);
    add_command(out, "read_sdc", sdc);
    if (!params_has(&run->params, "spef"))
        return 0;
    char *CQ_CLEANUP(cq_free_ptr) spef = NULL;
    if (run_input(run, "spef", &spef, err))
        return -1;
    add_command(out, "read_spef", spef);
    return 0;
}

/* report_worst_slack knows no -min in this version and its figures are rounded; the procs return
 * numbers. The last line is the proof that all before it ran. */
static void add_measurements(int paths, struct cq_str *out)
{
    cq_str_add(out, "puts \"chipq-sta: setup_ws [worst_slack -max]\"\n"
                    "puts \"chipq-sta: hold_ws [worst_slack -min]\"\n"
                    "puts \"chipq-sta: setup_tns [total_negative_slack -max]\"\n"
                    "puts \"chipq-sta: hold_tns [total_negative_slack -min]\"\n"
                    "puts \"chipq-sta: setup_violations [llength [find_timing_paths -path_delay "
                    "max -slack_max 0 "
                    "-group_count 1000000]]\"\n"
                    "puts \"chipq-sta: hold_violations [llength [find_timing_paths -path_delay min "
                    "-slack_max 0 "
                    "-group_count 1000000]]\"\n"
                    "check_setup\n"
                    "check_setup -verbose > out/check_setup.rpt\n");
    cq_str_printf(out,
                  "report_checks -path_delay max -format full_clock_expanded -group_count %d > "
                  "out/setup.rpt\n"
                  "report_checks -path_delay min -format full_clock_expanded -group_count %d > "
                  "out/hold.rpt\n",
                  paths, paths);
    cq_str_add(out, "report_checks -path_delay max\n"
                    "puts \"chipq-sta: end\"\n");
}

static int write_script(const struct run *run, struct cq_err *err)
{
    struct cq_str CQ_CLEANUP(cq_str_fini) script = {0};
    struct defaults defaults = {0};
    find_defaults(run, &defaults);
    int rc = add_design(run, &defaults, &script, err);
    defaults_fini(&defaults);
    if (rc)
        return -1;
    add_measurements((int)params_int(&run->params, "paths"), &script);
    return file_write_atomic("check.tcl", cq_str_text(&script), script.len, 0644, err);
}

int check_run(struct run *run, struct cq_err *err)
{
    static const char *const command[] = {"sta", "-no_init", "-no_splash", "-threads", NULL};
    struct args CQ_CLEANUP(args_fini) args = {0};
    if (write_script(run, err))
        return -1;
    args_add_all(&args, command);
    args_addf(&args, "%d", run->cores);
    args_add(&args, "-exit");
    args_add(&args, "check.tcl");
    if (run_judged(run, &args, &check_judge, &run->outcome, err))
        return -1;
    if (run->outcome.verdict == VERDICT_ERROR)
        return 0;
    return run_publish("out/setup.rpt", "out/setup.rpt", err);
}
