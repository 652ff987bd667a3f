/* verilator.sim, stage build: from sources to out/sim. */
#include "plugins/verilator/verilator.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/str.h"
#include "common/base/sys/files.h"
#include "plugins/sdk/match.h"
#include "plugins/verilator/vmessage.h"
#include "plugins/verilator_main.h" /* generated from chipq_main.cpp */

struct build {
    unsigned errors, broken, warnings;
    bool design_error; /* Verilator's own, with its place in a source: decides over all that follows
                        */
    char first_error[OUTCOME_TEXT_MAX], first_broken[OUTCOME_TEXT_MAX];
};

static void note_error(struct build *b, const char *text)
{
    if (b->errors++ == 0)
        (void)cq_copy_text(b->first_error, sizeof b->first_error, text);
}

/* The first with a place is the one to show, whatever else came before it. */
static void note_design_error(struct build *b, const char *text)
{
    if (!b->design_error)
        (void)cq_copy_text(b->first_error, sizeof b->first_error, text);
    b->design_error = true;
    b->errors++;
}

static void note_broken(struct build *b, const char *text)
{
    if (b->broken++ == 0)
        (void)cq_copy_text(b->first_broken, sizeof b->first_broken, text);
}

/* A compiler's error is the user's when it is in a file of the user's, ours or the machine's when
 * it is in what Verilator generated or in its library. */
static bool is_generated(const char *line)
{
    return cq_str_starts(line, "Vsim") || strstr(line, "chipq_main.cpp")
           || strstr(line, "/include/verilated");
}

static void read_compiler_line(struct build *b, const char *line)
{
    const char *behind = match_location(line);
    if (behind && (cq_str_starts(behind, "error: ") || cq_str_starts(behind, "fatal error: "))) {
        if (is_generated(line))
            note_broken(b, line);
        else
            note_error(b, line);
    } else if (strstr(line, "terminated program cc1plus") || strstr(line, "internal compiler error")
               || strstr(line, "std::bad_alloc") || strstr(line, "memory exhausted")
               || strstr(line, "No space left on device")) {
        note_broken(b, line);
    } else if (strstr(line, "multiple definition of `main'")) {
        note_broken(b, "a C++ source has a main() of its own: set own_main: true");
    } else if (strstr(line, "undefined reference to `main'")) {
        note_broken(b, "own_main is set, but no C++ source has a main()");
    } else if (strstr(line, "undefined reference to ")) {
        note_error(b, match_after(line, "undefined reference to ")
                          - strlen("undefined reference to "));
    }
}

static void build_line(void *state, const char *line)
{
    struct build *b = state;
    const struct vmessage m = vmessage_read(line);
    if (m.kind == VMESSAGE_NONE)
        read_compiler_line(b, line);
    else if (m.kind == VMESSAGE_WARNING)
        b->warnings++;
    else if (m.located)
        note_design_error(b, m.text);
    else if (!m.summary && !strstr(m.text, "make ") && !strstr(m.text, " exited with "))
        note_broken(b, m.text);
}

static void build_end(const void *state, const struct proc_end *end, struct outcome *out)
{
    const struct build *b = state;
    char how[64];
    metrics_set(&out->metrics, "sim__build__errors", b->errors);
    metrics_set(&out->metrics, "sim__build__warnings", b->warnings);
    if (end->signal)
        outcome_error(out, "verilator %s", proc_describe(end, how, sizeof how));
    else if (b->broken && !b->design_error)
        outcome_error(out, "%s", b->first_broken);
    else if (b->errors)
        outcome_fail(out, "%s", b->first_error);
    else if (end->exit_status != 0)
        outcome_error(out, "the build %s without saying why", proc_describe(end, how, sizeof how));
    else
        outcome_pass(out, "built, %u warnings", b->warnings);
}

const struct judge sim_build_judge = {
    .state_bytes = sizeof(struct build), .line = build_line, .end = build_end};

static bool wants_waves(const struct run *run)
{
    return strcmp(params_text(&run->params, "waves"), "off") != 0;
}

/* The jobs of make come from the grant; a model has one thread (two were slower on small designs).
 */
static int add_options(const struct run *run, struct args *args, struct cq_err *err)
{
    static const char *const fixed[] = {
        "verilator", "--cc", "--exe",  "--build", "--timing", "--assert", "-Wno-fatal",
        "--prefix",  "Vsim", "--Mdir", "obj_dir", "-o",       "sim",      NULL};
    args_add_all(args, fixed);
    args_add(args, "-j");
    args_addf(args, "%d", run->cores);
    args_add(args, "--timescale");
    args_add(args, params_text(&run->params, "timescale"));
    if (params_bool(&run->params, "coverage")) {
        args_add(args, "--coverage-line");
        args_add(args, "--coverage-user");
    }
    if (wants_waves(run))
        args_add(args, "--trace-fst");
    for (size_t i = 0; i < params_count(&run->params, "flags"); i++) {
        const char *flag = params_item(&run->params, "flags", i);
        if (flag[0] != '-' && flag[0] != '+')
            return cq_fail(err, CQ_E_INVALID, "params.flags[%zu]: '%.64s' is not an option", i,
                           flag);
        args_add(args, flag);
    }
    return 0;
}

/* Our main is put beside the sources: the model is built from this directory alone. */
static int add_main(const struct run *run, struct args *args, struct cq_err *err)
{
    if (!params_bool(&run->params, "own_main")) {
        if (file_write_atomic("chipq_main.cpp", chipq_main_cpp, sizeof chipq_main_cpp, 0644, err))
            return -1;
        args_add(args, "chipq_main.cpp");
        return 0;
    }
    if (params_bool(&run->params, "coverage") || wants_waves(run))
        return cq_fail(err, CQ_E_INVALID,
                       "params.own_main: coverage and waves need chipq's main; a main of your own "
                       "records them itself (set them off here and use flags)");
    return 0;
}

int sim_build_run(struct run *run, struct cq_err *err)
{
    struct args CQ_CLEANUP(args_fini) args = {0};
    if (add_options(run, &args, err) || verilator_design_args(run, &args, err)
        || add_main(run, &args, err))
        return -1;
    if (run_judged(run, &args, &sim_build_judge, &run->outcome, err))
        return -1;
    if (run->outcome.verdict != VERDICT_PASS)
        return 0;
    if (run_publish("obj_dir/sim", "out/sim", err))
        return -1;
    return file_write_atomic("out/" VERILATOR_VERSION_FILE, run->tool_version,
                             strlen(run->tool_version), 0644, err);
}
