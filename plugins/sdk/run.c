/* One run of one stage. */
#include "plugins/sdk/run.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "common/base/sys/files.h"
#include "plugins/sdk/result.h"
#include "plugins/sdk/stop.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUN_CORES_MAX 4096

void run_note(const char *fmt, ...)
{
    struct cq_str line = {0};
    va_list args;
    va_start(args, fmt);
    char *text = NULL;
    if (vasprintf(&text, fmt, args) < 0)
        abort();
    va_end(args);
    cq_str_add(&line, "chipq: ");
    cq_str_add_printable(&line, text, strlen(text));
    cq_str_add_char(&line, '\n');
    (void)write_all(STDOUT_FILENO, line.data, line.len);
    cq_str_fini(&line);
    free(text);
}

void run_progress(int percent, const char *text)
{
    struct cq_str line = {0};
    cq_str_printf(&line, "chipq-progress: %d%% ", percent);
    cq_str_add_printable(&line, text, strlen(text));
    cq_str_add_char(&line, '\n');
    (void)write_all(STDOUT_FILENO, line.data, line.len);
    cq_str_fini(&line);
}

int run_check_identifier(const char *where, const char *text, struct cq_err *err)
{
    bool ok = isalpha((unsigned char)text[0]) || text[0] == '_';
    for (const char *c = text; ok && *c; c++)
        ok = isalnum((unsigned char)*c) || *c == '_' || *c == '$';
    if (ok)
        return 0;
    return cq_fail(err, CQ_E_INVALID, "%s: '%.64s' is not a plain name", where, text);
}

int run_publish(const char *from, const char *to, struct cq_err *err)
{
    struct stat st;
    if (stat(from, &st))
        return cq_fail_errno(err, CQ_E_NOT_FOUND, errno, "the tool did not write %s", from);
    if (!S_ISREG(st.st_mode) || st.st_size == 0)
        return cq_fail(err, CQ_E_NOT_FOUND, "the tool wrote an empty %s", from);
    if (strcmp(from, to) != 0 && rename(from, to))
        return cq_fail_errno(err, CQ_E_IO, errno, "rename %s to %s", from, to);
    return 0;
}

int run_input(const struct run *run, const char *name, char **path, struct cq_err *err)
{
    char where[96];
    (void)snprintf(where, sizeof where, "params.%s", name);
    return input_find(&run->file, where, params_text(&run->params, name), path, err);
}

int run_inputs(const struct run *run, const char *name, const char *prefix, struct args *args,
               struct cq_err *err)
{
    for (size_t i = 0; i < params_count(&run->params, name); i++) {
        char where[96];
        char *path = NULL;
        (void)snprintf(where, sizeof where, "params.%s[%zu]", name, i);
        if (input_find(&run->file, where, params_item(&run->params, name, i), &path, err))
            return -1;
        args_addf(args, "%s%s", prefix, path);
        free(path);
    }
    return 0;
}

const char *run_stage_dir(const struct run *run, const char *stage, struct cq_err *err)
{
    char *CQ_CLEANUP(cq_free_ptr) job = path_format("%s.%s", run->file.job, stage);
    return input_dep_dir(&run->file, job, err);
}

struct judging {
    const struct judge *judge;
    void *state;
    struct metrics said; /* by "chipq-metric:" lines */
};

static void on_line(void *context, const char *line)
{
    struct judging *j = context;
    if (!metrics_read_line(&j->said, line))
        j->judge->line(j->state, line);
}

/* What the tool plugin itself measured wins over what a bench or script says. */
static void add_said(const struct metrics *said, struct metrics *to)
{
    double ignored;
    for (size_t i = 0; i < said->count; i++)
        if (!metrics_get(to, said->items[i].name, &ignored))
            metrics_set(to, said->items[i].name, said->items[i].value);
    to->left_off += said->left_off;
}

static void note_command(const struct args *args)
{
    struct cq_str line = {0};
    args_quote(args, &line);
    run_note("$ %.4000s", cq_str_text(&line));
    cq_str_fini(&line);
}

int run_judged(const struct run *run, const struct args *args, const struct judge *judge,
               struct outcome *out, struct cq_err *err)
{
    struct judging j = {.judge = judge, .state = cq_calloc(1, judge->state_bytes)};
    if (judge->begin)
        judge->begin(j.state, &run->params);
    note_command(args);
    const struct proc_spec spec = {.args = args, .on_line = on_line, .context = &j};
    struct proc_end end;
    int rc = proc_run(&spec, &end, err);
    if (rc == 0 && end.stopped)
        rc = cq_fail(err, CQ_E_TIMEOUT, "stopped by %s", stop_name(stop_signal()));
    if (rc == 0) {
        if (end.cut_lines > 0)
            run_note("%llu lines were longer than %d bytes; only their beginnings were looked at",
                     (unsigned long long)end.cut_lines, LINES_MAX_BYTES - 1);
        outcome_fini(out);
        judge->end(j.state, &end, out);
        add_said(&j.said, &out->metrics);
    }
    metrics_fini(&j.said);
    free(j.state);
    return rc;
}

static int read_cores(int *cores, struct cq_err *err)
{
    uint64_t value = 1;
    const char *text = getenv("CHIPQ_CORES");
    if (text && *text && parse_u64(text, 1, RUN_CORES_MAX, &value, err))
        return cq_wrap(err, "environment: CHIPQ_CORES");
    *cores = (int)value;
    return 0;
}

/* A task with one stage calls it "" or "run"; the names of the others are exact. */
static int find_stage(struct run *run, struct cq_err *err)
{
    run->task = plugin_find_task(run->plugin, run->file.task);
    if (!run->task)
        return cq_fail(err, CQ_E_INVALID, "task.json: task '%.64s' is not one of %s",
                       run->file.task, run->plugin->name);
    run->stage = plugin_find_stage(run->task, run->file.stage);
    if (!run->stage)
        return cq_fail(err, CQ_E_INVALID, "task.json: stage '%.64s' is not one of %s.%s",
                       run->file.stage, run->plugin->name, run->task->name);
    return 0;
}

/* Gates and the expected verdict belong to the flow job, so to its last stage. */
static int read_gates(struct run *run, struct cq_err *err)
{
    if (run->stage->name[0] != '\0')
        return 0;
    if (gates_read(run->file.require, run->file.expect, &run->gates, err))
        return cq_wrap(err, "task.json");
    return 0;
}

static int find_tool(struct run *run, struct cq_err *err)
{
    for (const struct plugin_program *p = run->stage->needs; p && p->binary; p++)
        if (probe_need(p, err))
            return -1;
    if (run->stage->no_version)
        return 0;
    if (probe_need(&run->plugin->tool, err))
        return -1;
    struct probe probe;
    probe_tool(run->plugin, &probe);
    (void)cq_copy_text(run->tool_version, sizeof run->tool_version, probe.version);
    return 0;
}

static int prepare(struct run *run, struct cq_err *err)
{
    if (taskfile_read("task.json", &run->file, err) || find_stage(run, err) || read_gates(run, err)
        || read_cores(&run->cores, err))
        return -1;
    if (params_read(run->task->params, run->stage->params, run->file.params, &run->params, err))
        return cq_wrap(err, "task.json");
    if (dir_make("out", 0755, err))
        return -1;
    return find_tool(run, err);
}

/* The tools abort to report a failing test; their cores would only fill the disk. */
static void disable_core_dumps(void)
{
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
}

static void run_fini(struct run *run)
{
    outcome_fini(&run->outcome);
    params_fini(&run->params);
    taskfile_fini(&run->file);
}

static int finish(struct run *run)
{
    struct cq_err err = {0};
    struct artefacts artefacts = {0};
    if (artefacts_collect("out", &artefacts, &err) && run->outcome.verdict == VERDICT_PASS)
        outcome_error(&run->outcome, "the outputs cannot be read: %s", err.text);
    const struct result result = {.outcome = &run->outcome,
                                  .gates = &run->gates,
                                  .artefacts = &artefacts,
                                  .tool = run->plugin->tool.binary,
                                  .tool_version = run->tool_version};
    int status = verdict_exit_status(run->outcome.verdict);
    if (result_write(&result, "result.json", &err)) {
        (void)fprintf(stderr, "chipq-tool-%s: %s\n", run->plugin->name, err.text);
        status = verdict_exit_status(VERDICT_ERROR);
    }
    run_note("%s: %s", verdict_name(run->outcome.verdict), run->outcome.summary);
    artefacts_fini(&artefacts);
    return status;
}

int run_main(const struct plugin *plugin)
{
    struct run run = {.plugin = plugin, .cores = 1};
    struct cq_err err = {0};
    disable_core_dumps();
    (void)unlink("result.json");
    if (stop_init(&err) || prepare(&run, &err) || run.stage->run(&run, &err)) {
        outcome_error(&run.outcome, "%s", err.text);
    } else {
        gates_apply(&run.gates, &run.outcome);
    }
    int status = finish(&run);
    run_fini(&run);
    return status;
}
