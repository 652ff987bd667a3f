// LINK: chipq_sdk
/* task.json, inputs, artefacts, results, describe: what a run reads and leaves. Every test has a
 * directory of its own. */
#include <criterion/criterion.h>

#include "common/base/sys/files.h"
#include "plugins/sdk/describe.h"
#include "plugins/sdk/result.h"
#include "plugins/sdk/run.h"

#include <unistd.h>

static char home[64];

static void enter(void)
{
    (void)snprintf(home, sizeof home, "/tmp/chipq-test-XXXXXX");
    cr_assert(mkdtemp(home) && chdir(home) == 0);
    (void)unsetenv("CHIPQ_TASK");
    (void)unsetenv("CHIPQ_SEED");
    (void)unsetenv("CHIPQ_CORES");
    cr_assert_eq(dir_make("project/rtl", 0755, NULL), 0);
    char src[80];
    (void)snprintf(src, sizeof src, "%s/project", home);
    (void)setenv("CHIPQ_SRC", src, 1);
}

static void leave(void)
{
    cr_assert_eq(chdir("/"), 0);
    cr_assert_eq(dir_remove(home, NULL), 0);
}

static void put(const char *path, const char *text)
{
    struct cq_err err = {0};
    cr_assert_eq(file_write_atomic(path, text, strlen(text), 0644, &err), 0, "%s", err.text);
}

TestSuite(sdk_run, .init = enter, .fini = leave);

Test(sdk_run, the_environment_wins_over_the_shared_file)
{
    struct taskfile t = {0};
    put("task.json",
        "{\"chipq_task\":1,\"task\":\"sim\",\"array_task\":3,\"seed\":4,\"params\":{}}");
    cr_assert_eq(taskfile_read("task.json", &t, NULL), 0);
    cr_assert(t.array_task == 3 && t.seed == 4);
    taskfile_fini(&t);
    (void)setenv("CHIPQ_TASK", "17", 1);
    (void)setenv("CHIPQ_SEED", "18", 1);
    cr_assert_eq(taskfile_read("task.json", &t, NULL), 0);
    cr_assert(t.array_task == 17 && t.seed == 18);
    taskfile_fini(&t);
}

Test(sdk_run, a_broken_task_file_is_refused)
{
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "{\"chipq_task\":1,\"params\":{}}",
        "{\"chipq_task\":2,\"task\":\"a\",\"params\":{}}",
        "{\"chipq_task\":\"1\",\"task\":\"a\",\"params\":{}}",
        "{\"chipq_task\":1,\"task\":\"a\"}",
        "{\"chipq_task\":1,\"task\":\"a\",\"params\":[]}",
        "{\"chipq_task\":1,\"task\":\"a\",\"task\":\"b\",\"params\":{}}",
        "{\"chipq_task\":1,\"task\":\"a\",\"params\":{},\"seed\":-1}",
        "{\"chipq_task\":1,\"task\":\"a\",\"params\":{},\"array_task\":4294967296}",
        "{\"chipq_task\":1,\"task\":\"a\",\"params\":{},\"deps\":{\"x\":\"relative\"}}",
        "{\"chipq_task\":1,\"task\":\"a\",\"params\":{},\"require\":3}",
    };
    for (size_t i = 0; i < CQ_COUNT(bad); i++) {
        struct taskfile t = {0};
        struct cq_err err = {0};
        put("task.json", bad[i]);
        cr_assert_eq(taskfile_read("task.json", &t, &err), -1, "%s", bad[i]);
        cr_assert(strncmp(err.text, "task.json", 9) == 0, "%s", err.text);
        cr_assert_null(t.root);
    }
}

static char *find(const struct taskfile *t, const char *value)
{
    char *path = NULL;
    struct cq_err err = {0};
    cr_assert_eq(input_find(t, "p", value, &path, &err), 0, "%s", err.text);
    return path;
}

Test(sdk_run, paths_lead_to_project_and_dependencies)
{
    char dep[80];
    (void)snprintf(dep, sizeof dep, "%s/results", home);
    cr_assert_eq(dir_make(dep, 0755, NULL), 0);
    put("project/rtl/a.sv", "x");
    put("results/a.v", "x");
    struct taskfile t = {.deps = json_pack("{s:s}", "syn-1", dep)};
    (void)setenv("CHIPQ_DEP_other_job", dep, 1);
    static const char *const cases[][2] = {{"rtl/a.sv", "src/rtl/a.sv"},
                                           {"$CHIPQ_SRC/rtl/a.sv", "src/rtl/a.sv"},
                                           {"dep:syn-1/a.v", "dep/syn-1/a.v"},
                                           {"$CHIPQ_DEP_other_job/a.v", "dep/other_job/a.v"},
                                           {"dep:other.job/a.v", "dep/other.job/a.v"},
                                           {"/dev/../etc", "/dev/../etc"}};
    for (size_t i = 0; i < CQ_COUNT(cases); i++) {
        char *path = find(&t, cases[i][0]);
        cr_assert_str_eq(path, cases[i][1]);
        cr_assert_eq(access(path, R_OK), 0);
        free(path);
    }
    json_decref(t.deps);
}

Test(sdk_run, paths_that_lead_nowhere_are_refused)
{
    static const char *const bad[] = {"rtl/none.sv", "../x",   "rtl/../../x", "dep:none/x",
                                      "dep:/x",      "dep:..", "/dev/null",   "$CHIPQ_DEP_none/x"};
    struct taskfile t = {0};
    for (size_t i = 0; i < CQ_COUNT(bad); i++) {
        char *path = NULL;
        cr_assert_eq(input_find(&t, "p", bad[i], &path, NULL), -1, "%s", bad[i]);
        cr_assert_null(path);
    }
}

Test(sdk_run, a_project_file_can_stand_under_its_own_name)
{
    struct taskfile t = {0};
    put("project/rtl/rom.hex", "00");
    cr_assert_eq(input_link(&t, "p", "rtl/rom.hex", NULL), 0);
    cr_assert_eq(access("rtl/rom.hex", R_OK), 0);
    cr_assert_eq(input_link(&t, "p", "/etc/passwd", NULL), -1);
}

Test(sdk_run, artefacts_are_listed_with_their_digests)
{
    struct artefacts a = {0};
    cr_assert_eq(dir_make("out/deep", 0755, NULL), 0);
    put("out/b", "abc");
    put("out/deep/a", "");
    cr_assert_eq(symlink("/etc/passwd", "out/link"), 0);
    cr_assert_eq(artefacts_collect("out", &a, NULL), 0);
    cr_assert_eq(a.count, 2);
    cr_assert_str_eq(a.items[0].path, "out/b");
    cr_assert_eq(a.items[0].bytes, 3);
    cr_assert_str_eq(a.items[0].hex,
                     "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
    cr_assert_str_eq(a.items[1].path, "out/deep/a");
    artefacts_fini(&a);
}

Test(sdk_run, a_result_is_valid_json_and_bounded)
{
    static struct gates gates = {.count = 1, .items = {{.metric = "m", .op = GATE_GE}}};
    struct artefacts many = {.items = calloc(ARTEFACTS_MAX, sizeof(struct artefact)),
                             .count = ARTEFACTS_MAX};
    for (size_t i = 0; i < many.count; i++)
        memset(many.items[i].path, 'p', ARTEFACT_PATH_MAX - 1);
    struct outcome o = {0};
    outcome_fail(&o, "tb.sv:3: \033[31mred\xff at 0x12");
    for (int i = 0; i < METRICS_MAX + 10; i++) {
        char name[METRIC_NAME_MAX];
        (void)snprintf(name, sizeof name, "%090d", i);
        metrics_set(&o.metrics, name, 1.0 / 3.0);
    }
    const struct result r = {
        .outcome = &o, .gates = &gates, .artefacts = &many, .tool = "t", .tool_version = "1"};
    cr_assert_eq(result_write(&r, "result.json", NULL), 0);
    struct cq_str text = {0};
    cr_assert_eq(file_read("result.json", RESULT_MAX_BYTES, &text, NULL), 0);
    json_t *root = json_loadb(text.data, text.len, 0, NULL);
    cr_assert(root);
    cr_assert_str_eq(json_string_value(json_object_get(root, "verdict")), "fail");
    cr_assert_str_eq(json_string_value(json_object_get(root, "signature")),
                     "tb.sv:#: ?[31mred? at #");
    cr_assert_eq(json_integer_value(json_object_get(root, "metrics_left_off")), 10);
    cr_assert_gt(json_integer_value(json_object_get(root, "artefacts_left_off")), 0);
    cr_assert(
        json_is_null(json_object_get(json_array_get(json_object_get(root, "gates"), 0), "value")));
    json_decref(root);
    cq_str_fini(&text);
    outcome_fini(&o);
    artefacts_fini(&many);
}

Test(sdk_run, metrics_of_benches_are_read)
{
    struct metrics m = {0};
    double value = 0;
    cr_assert(metrics_read_line(&m, "chipq-metric: uart__bytes 12.5"));
    cr_assert(metrics_get(&m, "uart__bytes", &value) && value == 12.5);
    cr_assert_not(metrics_read_line(&m, "chipq-metric: uart__bytes"));
    cr_assert_not(metrics_read_line(&m, "chipq-metric: uart__bytes 1 2"));
    cr_assert_not(metrics_read_line(&m, "other"));
    metrics_set(&m, "bad.name-1", 1);
    cr_assert(metrics_get(&m, "bad_name_1", &value));
    metrics_set(&m, "inf", 1e308 * 10);
    cr_assert(!metrics_get(&m, "inf", &value) && m.left_off == 1);
    metrics_fini(&m);
}

Test(sdk_run, versions_are_found_in_banners)
{
    static const char *const cases[][2] = {
        {"Verilator 5.006 2023-01-22 rev (Debian 5.006-3)", "5.006"},
        {"Yosys 0.23 (git sha1 7ce5011c24b)", "0.23"},
        {"2.0.17", "2.0.17"},
        {"KLayout 0.28.5", "0.28.5"},
        {"GHDL 2.0.0 (Debian)", "2.0.0"},
    };
    char version[PROBE_VERSION_MAX];
    for (size_t i = 0; i < CQ_COUNT(cases); i++) {
        cr_assert(probe_read_version(cases[i][0], version, sizeof version));
        cr_assert_str_eq(version, cases[i][1]);
    }
    cr_assert_not(probe_read_version("no version 12 here", version, sizeof version));
}

/* A plugin that needs no tool, to run the whole way. */
static void echo_line(void *state, const char *line)
{
    *(bool *)state = *(bool *)state || strcmp(line, "hello") == 0;
}

static void echo_end(const void *state, const struct proc_end *end, struct outcome *out)
{
    if (*(const bool *)state && end->exit_status == 0)
        outcome_pass(out, "heard it");
    else
        outcome_fail(out, "heard nothing");
    metrics_set(&out->metrics, "echo__heard", *(const bool *)state ? 1 : 0);
}

static const struct judge echo_judge = {
    .state_bytes = sizeof(bool), .line = echo_line, .end = echo_end};

static int echo_run(struct run *run, struct cq_err *err)
{
    struct args args = {0};
    args_add(&args, "echo");
    args_add(&args, params_text(&run->params, "word"));
    int rc = run_judged(run, &args, &echo_judge, &run->outcome, err);
    args_fini(&args);
    return rc;
}

static const struct param_spec echo_params[] = {{.name = "word",
                                                 .type = PARAM_STRING,
                                                 .required = true,
                                                 .help = "what to say",
                                                 .from_need = "echo.prompt"},
                                                {.name = NULL}};
static const char *const from_words[] = {"word", NULL};
static const struct plugin_stage echo_stages[] = {
    {.name = "prepare", .resources = {1, 64, 10}, .no_version = true, .run = echo_run},
    {.name = "",
     .array_from = from_words,
     .resources = {1, 32, 10},
     .no_version = true,
     .judge = &echo_judge,
     .run = echo_run}};
static const struct plugin_metric echo_metrics[] = {
    {.name = "echo__time", .unit = "s", .help = "how long"},
    {.name = "echo__word__<WORD>", .help = "how often"},
    {.name = NULL}};
static const struct plugin_output echo_outputs[] = {
    {.path = "out/said.txt", .help = "what was said"}, {.path = NULL}};
static const struct plugin_task echo_task = {.name = "say",
                                             .summary = "says it",
                                             .params = echo_params,
                                             .stages = echo_stages,
                                             .stage_count = 2,
                                             .metrics = echo_metrics,
                                             .outputs = echo_outputs};
static const char *const echo_version[] = {"echo", "7.25", NULL};
static const struct plugin echo_plugin = {.name = "echo",
                                          .summary = "test",
                                          .tool = {"echo", "coreutils"},
                                          .version_argv = echo_version,
                                          .tasks = &echo_task,
                                          .task_count = 1};

static json_t *run_task(const char *task, int *status)
{
    put("task.json", task);
    *status = run_main(&echo_plugin);
    json_t *root = json_load_file("result.json", 0, NULL);
    cr_assert(root);
    return root;
}

Test(sdk_run, a_whole_run_passes_its_gates)
{
    int status = -1;
    json_t *root = run_task("{\"chipq_task\":1,\"task\":\"say\",\"params\":{\"word\":\"hello\"},"
                            "\"require\":{\"echo__heard\":\"== 1\"}}",
                            &status);
    cr_assert_eq(status, 0);
    cr_assert_str_eq(json_string_value(json_object_get(root, "verdict")), "pass");
    json_decref(root);
}

Test(sdk_run, an_expected_failure_passes)
{
    int status = -1;
    json_t *root = run_task("{\"chipq_task\":1,\"task\":\"say\",\"params\":{\"word\":\"no\"},"
                            "\"expect\":{\"verdict\":\"fail\",\"signature\":\"nothing\"}}",
                            &status);
    cr_assert_eq(status, 0);
    json_decref(root);
}

Test(sdk_run, gates_do_not_hold_for_earlier_stages)
{
    int status = -1;
    json_t *root = run_task("{\"chipq_task\":1,\"task\":\"say\",\"stage\":\"prepare\","
                            "\"params\":{\"word\":\"hello\"},\"require\":{\"none\":\"== 1\"}}",
                            &status);
    cr_assert_eq(status, 0);
    json_decref(root);
}

Test(sdk_run, a_bad_parameter_still_leaves_a_result)
{
    int status = -1;
    json_t *root =
        run_task("{\"chipq_task\":1,\"task\":\"say\",\"params\":{\"wrod\":\"x\"}}", &status);
    cr_assert_eq(status, 2);
    cr_assert_str_eq(json_string_value(json_object_get(root, "summary")),
                     "task.json: params.wrod: no such parameter; did you mean 'word'?");
    json_decref(root);
}

Test(sdk_run, describe_tells_stages_and_parameters)
{
    struct probe probe;
    probe_tool(&echo_plugin, &probe);
    cr_assert(probe.found);
    cr_assert_str_eq(probe.version, "7.25");
    char *text = describe_text(&echo_plugin, &probe);
    json_t *root = json_loads(text, 0, NULL);
    json_t *task = json_array_get(json_object_get(root, "tasks"), 0);
    json_t *stages = json_object_get(task, "stages");
    cr_assert_eq(json_array_size(stages), 2);
    json_t *last = json_array_get(stages, 1);
    cr_assert_str_eq(json_string_value(json_object_get(last, "stage")), "run");
    cr_assert_str_eq(json_string_value(json_object_get(last, "after")), "ok");
    cr_assert(json_is_true(json_object_get(last, "array")));
    cr_assert_null(json_object_get(json_array_get(stages, 0), "after"));
    json_t *metrics = json_object_get(task, "metrics");
    cr_assert_eq(json_array_size(metrics), 2);
    cr_assert_str_eq(json_string_value(json_object_get(json_array_get(metrics, 0), "unit")), "s");
    cr_assert(json_is_true(json_object_get(json_array_get(metrics, 1), "pattern")));
    json_t *output = json_array_get(json_object_get(task, "outputs"), 0);
    cr_assert_str_eq(json_string_value(json_object_get(output, "path")), "out/said.txt");
    json_t *word = json_array_get(json_object_get(task, "params"), 0);
    cr_assert_str_eq(json_string_value(json_object_get(word, "from_need")), "echo.prompt");
    cr_assert_lt(strlen(text), DESCRIBE_MAX_BYTES);
    json_decref(root);
    free(text);
}
