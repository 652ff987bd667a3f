/* yosys.synth: from sources to a netlist of library cells. */
#include "plugins/yosys/yosys.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/str.h"
#include "common/base/sys/files.h"
#include "plugins/sdk/match.h"

struct synth {
    unsigned warnings;
    bool ended; /* "End of script." */
    bool error_seen, error_located;
    char error[OUTCOME_TEXT_MAX];
};

/* Headers of the top level, and how far along they are; `synth` and `abc` take the time. */
static const struct {
    const char *header;
    int percent;
} milestones[] = {
    {"Executing Verilog-2005 frontend", 2}, {"Executing SYNTH pass", 5},
    {"Executing DFFLIBMAP pass", 50},       {"Executing ABC pass", 55},
    {"Executing CHECK pass", 95},
};

static void show_progress(const char *line)
{
    for (size_t i = 0; i < CQ_COUNT(milestones); i++)
        if (strstr(line, milestones[i].header))
            run_progress(milestones[i].percent, line);
}

static void synth_line(void *state, const char *line)
{
    struct synth *s = state;
    const char *behind = match_location(line);
    const char *text = behind ? behind : line;
    if (cq_str_starts(text, "Warning: ")) {
        s->warnings++;
    } else if (cq_str_starts(text, "ERROR: ") && !s->error_seen) {
        s->error_seen = true;
        s->error_located = behind != NULL;
        (void)cq_copy_text(s->error, sizeof s->error, behind ? line : match_after(line, "ERROR: "));
    } else if (cq_str_starts(line, "End of script.")) {
        s->ended = true;
    }
}

/* An error without a place in a source file is about the design when that uses a module it lacks;
 * files, commands and the name of the top module are the set-up. */
static bool is_design_error(const struct synth *s)
{
    return s->error_located || match_line("*is not part of the design*", s->error);
}

static void synth_end(const void *state, const struct proc_end *end, struct outcome *out)
{
    const struct synth *s = state;
    char how[64];
    metrics_set(&out->metrics, "synth__warnings", s->warnings);
    if (end->signal)
        outcome_error(out, "yosys %s", proc_describe(end, how, sizeof how));
    else if (s->error_seen && is_design_error(s))
        outcome_fail(out, "%s", s->error);
    else if (s->error_seen)
        outcome_error(out, "%s", s->error);
    else if (end->exit_status != 0)
        outcome_error(out, "yosys %s without saying why", proc_describe(end, how, sizeof how));
    else if (!s->ended)
        outcome_error(out, "yosys stopped before the end of the script");
    else
        outcome_pass(out, "synthesized, %u warnings", s->warnings);
}

const struct judge synth_judge = {
    .state_bytes = sizeof(struct synth), .line = synth_line, .end = synth_end};

/* The judge is pure; what runs adds the live line. */
static void running_line(void *state, const char *line)
{
    show_progress(line);
    synth_line(state, line);
}

static const struct judge running_judge = {
    .state_bytes = sizeof(struct synth), .line = running_line, .end = synth_end};

/* What a job after this one needs to know: top, netlists, library. */
static int write_info(const struct run *run, struct cq_err *err)
{
    const char *top = params_text(&run->params, "top");
    json_t *info = json_pack("{s:i, s:s, s:s+, s:s}", "chipq_synth", 1, "top", top, "netlist", top,
                             ".v", "liberty", params_text(&run->params, "liberty"));
    char *CQ_CLEANUP(cq_free_ptr) text = json_dumps(info, JSON_INDENT(1));
    json_decref(info);
    return file_write_atomic("out/synth.json", text, strlen(text), 0644, err);
}

static int read_figures(struct run *run, struct cq_err *err)
{
    const char *top = params_text(&run->params, "top");
    char *CQ_CLEANUP(cq_free_ptr) netlist = path_format("out/%s.v", top);
    struct outcome *out = &run->outcome;
    if (run_publish(netlist, netlist, err) || stat_read("stat.json", "out/stat.txt", top, out, err)
        || stat_read_check("out/check.txt", out, err))
        return -1;
    double cells = 0, area = 0, warnings = 0;
    (void)metrics_get(&out->metrics, "synth__design__instance__count", &cells);
    (void)metrics_get(&out->metrics, "synth__design__instance__area", &area);
    (void)metrics_get(&out->metrics, "synth__warnings", &warnings);
    if (out->verdict == VERDICT_PASS)
        outcome_pass(out, "%.0f cells, area %.6g, %.0f warnings", cells, area, warnings);
    return write_info(run, err);
}

/* yosys gives the line of a library's error, not the file. */
static void name_library(struct run *run)
{
    struct outcome *o = &run->outcome;
    char before[OUTCOME_TEXT_MAX];
    if (o->verdict == VERDICT_PASS || !strstr(o->message, " liberty file on line "))
        return;
    (void)cq_copy_text(before, sizeof before, o->summary);
    outcome_summarise(o, "%.200s: %.300s", params_text(&run->params, "liberty"), before);
}

int synth_run(struct run *run, struct cq_err *err)
{
    static const char *const command[] = {"yosys",         "-v", "1",        "-l",
                                          "out/synth.log", "-s", "synth.ys", NULL};
    struct cq_str CQ_CLEANUP(cq_str_fini) script = {0};
    struct args CQ_CLEANUP(args_fini) args = {0};
    if (synth_script(run, &script, err)
        || file_write_atomic("synth.ys", cq_str_text(&script), script.len, 0644, err))
        return -1;
    args_add_all(&args, command);
    if (run_judged(run, &args, &running_judge, &run->outcome, err))
        return -1;
    name_library(run);
    return run->outcome.verdict == VERDICT_PASS ? read_figures(run, err) : 0;
}
