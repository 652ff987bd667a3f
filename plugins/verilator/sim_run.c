/* verilator.sim, stage run: one simulation, one seed or one program. */
#include "plugins/verilator/verilator.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/str.h"
#include "common/base/sys/files.h"
#include "plugins/sdk/match.h"
#include "plugins/verilator/coverage.h"
#include "plugins/verilator/vmessage.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#define SIM_PASS_LINE "TEST PASSED"
#define SIM_FAIL_LINE "TEST FAILED"

struct sim {
    const char *pass_line, *fail_line;
    bool passed;       /* the bench's own pass line, before $finish */
    bool passed_after; /* only behind $finish: a final block, or a bench that ran on */
    bool finished, finished_twice;
    unsigned errors;
    char first_error[OUTCOME_TEXT_MAX];
    char broken[OUTCOME_TEXT_MAX]; /* the set-up is wrong: a bad option, a missing memory image */
    char last[OUTCOME_TEXT_MAX];   /* the last line with text */
};

static void sim_begin(void *state, const struct params *params)
{
    struct sim *s = state;
    const char *pass_line = params_text(params, "pass_line");
    const char *fail_line = params_text(params, "fail_line");
    s->pass_line = pass_line ? pass_line : SIM_PASS_LINE;
    s->fail_line = fail_line ? fail_line : SIM_FAIL_LINE;
}

static void note_error(struct sim *s, const char *text)
{
    if (s->errors++ == 0)
        (void)cq_copy_text(s->first_error, sizeof s->first_error, text);
}

static void note_broken(struct sim *s, const char *text)
{
    if (s->broken[0] == '\0')
        (void)cq_copy_text(s->broken, sizeof s->broken, text);
}

static void note_missing_image(struct sim *s, const char *text)
{
    char hint[OUTCOME_TEXT_MAX];
    (void)snprintf(hint, sizeof hint, "%.300s; name it in `files`", text);
    note_broken(s, hint);
}

static void read_message(struct sim *s, const struct vmessage *m)
{
    bool echo = s->errors > 0 && strstr(m->text, ": Verilog $stop"); /* how $error ends a run */
    if (m->kind == VMESSAGE_ERROR && m->located && !echo)
        note_error(s, m->text);
    else if (m->kind == VMESSAGE_ERROR && !m->located)
        note_broken(s, m->text);
    else if (strstr(m->text, "$readmem file not found"))
        note_missing_image(s, m->text);
}

static void sim_line(void *state, const char *line)
{
    struct sim *s = state;
    const struct vmessage m = vmessage_read(line);
    if (m.kind != VMESSAGE_NONE) {
        read_message(s, &m);
        return;
    }
    if (match_line("- *: Verilog $finish", line)) {
        s->finished = true;
    } else if (match_line("- *: Second verilog $finish, exiting", line)) {
        s->finished_twice = true;
    } else if (strstr(line, s->fail_line)) {
        note_error(s, line);
    } else if (strstr(line, s->pass_line)) {
        s->passed = s->passed || !s->finished;
        s->passed_after = s->passed_after || s->finished;
    } else if (*line && strcmp(line, "Aborting...") != 0) {
        (void)cq_copy_text(s->last, sizeof s->last, line);
    }
}

/* A pass line behind $finish counts when a final block wrote it, not when the bench just ran on. */
static bool has_passed(const struct sim *s)
{
    return s->passed || (s->passed_after && !s->finished_twice);
}

static void without_pass_line(const struct sim *s, struct outcome *out)
{
    if (s->last[0])
        outcome_fail(out, "ended without the line '%s'; last words: %.300s", s->pass_line, s->last);
    else
        outcome_fail(out, "ended without the line '%s'", s->pass_line);
}

static void sim_end(const void *state, const struct proc_end *end, struct outcome *out)
{
    const struct sim *s = state;
    char how[64];
    /* An abort is how a failing test ends; without an error to show for it, it is a crash. */
    bool crashed = end->signal && !(end->signal == SIGABRT && s->errors);
    if (s->broken[0])
        outcome_error(out, "%s", s->broken);
    else if (crashed)
        outcome_error(out, "the simulation %s", proc_describe(end, how, sizeof how));
    else if (s->errors)
        outcome_fail(out, "%s", s->first_error);
    else if (end->exit_status != 0)
        outcome_error(out, "the simulation %s", proc_describe(end, how, sizeof how));
    else if (!has_passed(s))
        without_pass_line(s, out);
    else
        outcome_pass(out, "%s", s->pass_line);
    metrics_set(&out->metrics, "sim__tests__passed", out->verdict == VERDICT_PASS ? 1 : 0);
    metrics_set(&out->metrics, "sim__tests__failed", out->verdict == VERDICT_FAIL ? 1 : 0);
    metrics_set(&out->metrics, "sim__errors", s->errors);
}

const struct judge sim_run_judge = {
    .state_bytes = sizeof(struct sim), .begin = sim_begin, .line = sim_line, .end = sim_end};

/* A job that is no array has task and seed 0; it runs with seed 1. */
static int add_seed(const struct run *run, struct args *args, struct cq_err *err)
{
    uint64_t seed = run->file.seed;
    if (seed == 0 && !params_has(&run->params, "seeds"))
        seed = 1;
    if (seed < 1 || seed > INT_MAX)
        return cq_fail(err, CQ_E_LIMIT,
                       "seed %llu: Verilator takes 1..%d (0 would pick another one each time)",
                       (unsigned long long)seed, INT_MAX);
    args_addf(args, "+verilator+seed+%llu", (unsigned long long)seed);
    return 0;
}

/* Task N of an array over programs runs the Nth of them. */
static int add_program(const struct run *run, struct args *args, struct cq_err *err)
{
    size_t count = params_count(&run->params, "programs");
    size_t index = run->file.array_task > 0 ? run->file.array_task - 1 : 0;
    if (count == 0)
        return 0;
    if (index >= count)
        return cq_fail(err, CQ_E_LIMIT, "task %u: there are only %zu programs",
                       run->file.array_task, count);
    char where[64];
    char *CQ_CLEANUP(cq_free_ptr) found = NULL;
    (void)snprintf(where, sizeof where, "params.programs[%zu]", index);
    const char *program = params_item(&run->params, "programs", index);
    if (input_find(&run->file, where, program, &found, err))
        return -1;
    char *CQ_CLEANUP(cq_free_ptr) absolute = realpath(found, NULL);
    args_addf(args, "+program=%s", absolute ? absolute : found);
    run_note("program %s", program);
    return 0;
}

static int add_plusargs(const struct run *run, struct args *args, struct cq_err *err)
{
    for (size_t i = 0; i < params_count(&run->params, "plusargs"); i++) {
        const char *plus = params_item(&run->params, "plusargs", i);
        plus += plus[0] == '+';
        if (cq_str_starts(plus, "verilator+") || cq_str_starts(plus, "chipq_"))
            return cq_fail(err, CQ_E_INVALID, "params.plusargs[%zu]: '+%.64s' is chipq's to set", i,
                           plus);
        args_addf(args, "+%s", plus);
    }
    return 0;
}

static int link_files(const struct run *run, struct cq_err *err)
{
    for (size_t i = 0; i < params_count(&run->params, "files"); i++) {
        char where[64];
        (void)snprintf(where, sizeof where, "params.files[%zu]", i);
        if (input_link(&run->file, where, params_item(&run->params, "files", i), err))
            return -1;
    }
    return 0;
}

static int start_simulation(struct run *run, bool waves, struct outcome *out, struct cq_err *err)
{
    struct args CQ_CLEANUP(args_fini) args = {0};
    const char *dir = run_stage_dir(run, "build", err);
    if (!dir)
        return -1;
    args_addf(&args, "%s/sim", dir);
    if (access(args.items[0], X_OK))
        return cq_fail_errno(err, CQ_E_NOT_FOUND, errno, "the build's %s", args.items[0]);
    if (add_seed(run, &args, err) || add_program(run, &args, err) || add_plusargs(run, &args, err))
        return -1;
    if (params_bool(&run->params, "coverage"))
        args_add(&args, "+chipq_coverage=out/coverage.dat");
    if (waves)
        args_add(&args, "+chipq_waves=out/waves.fst");
    return run_judged(run, &args, &sim_run_judge, out, err);
}

/* Coverage that was asked for and is not there would look like a run that covered nothing. */
static int add_coverage(struct run *run, struct cq_err *err)
{
    struct coverage c = {0};
    if (!params_bool(&run->params, "coverage") || run->outcome.verdict == VERDICT_ERROR)
        return 0;
    if (coverage_read("out/coverage.dat", &c, err))
        return cq_wrap(err, "coverage");
    if (c.line_points > 0)
        metrics_set(&run->outcome.metrics, "sim__coverage__line__pct",
                    100.0 * (double)c.line_hit / (double)c.line_points);
    if (c.user_points > 0)
        metrics_set(&run->outcome.metrics, "sim__coverage__user__pct",
                    100.0 * (double)c.user_hit / (double)c.user_points);
    return 0;
}

static void read_version(struct run *run)
{
    const char *dir = run_stage_dir(run, "build", NULL);
    struct cq_str CQ_CLEANUP(cq_str_fini) text = {0};
    if (!dir)
        return;
    char *CQ_CLEANUP(cq_free_ptr) path = path_format("%s/%s", dir, VERILATOR_VERSION_FILE);
    if (file_read(path, sizeof run->tool_version - 1, &text, NULL) == 0)
        (void)cq_copy_text(run->tool_version, sizeof run->tool_version, cq_str_text(&text));
}

/* The same seed again, this time with waves: cheaper than waves of every run that passes. The
 * verdict stays the first run's. */
static int record_failure(struct run *run, struct cq_err *err)
{
    struct outcome again = {0};
    run_note("failed; running it again with waves");
    int rc = start_simulation(run, true, &again, err);
    if (rc == 0 && again.verdict == VERDICT_PASS)
        run_note("passed with waves: the test does not only depend on its seed");
    outcome_fini(&again);
    return rc;
}

int sim_run_run(struct run *run, struct cq_err *err)
{
    const char *waves = params_text(&run->params, "waves");
    read_version(run);
    if (params_has(&run->params, "seeds") && params_count(&run->params, "programs") > 0)
        return cq_fail(err, CQ_E_INVALID, "params: give seeds or programs, not both");
    if (link_files(run, err) || start_simulation(run, strcmp(waves, "on") == 0, &run->outcome, err))
        return -1;
    if (strcmp(waves, "fail") == 0 && run->outcome.verdict == VERDICT_FAIL
        && record_failure(run, err))
        return -1;
    return add_coverage(run, err);
}
