// LINK: cq_cli_parts
/* The flow loader: each wrong file is refused with the place and what to do; right ones become
 * jobs. */
#include "cli/flow.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/files.h"

#include <criterion/criterion.h>
#include <unistd.h>

static const char describe[] =
    "[{\"chipq_plugin\":1,\"name\":\"verilator\",\"tool\":{\"found\":true,\"package\":"
    "\"verilator\"},"
    "\"tasks\":["
    "{\"name\":\"lint\",\"params\":["
    " {\"name\":\"top\",\"type\":\"string\",\"required\":true,\"default\":null,\"min\":0,\"max\":0}"
    ","
    " {\"name\":\"sources\",\"type\":\"paths\",\"required\":true,\"default\":null,\"min\":0,"
    "\"max\":0},"
    " {\"name\":\"level\",\"type\":\"int\",\"required\":false,\"default\":1,\"min\":1,\"max\":5},"
    " {\"name\":\"strict\",\"type\":\"bool\",\"required\":false,\"default\":false,\"min\":0,"
    "\"max\":0},"
    " {\"name\":\"ratio\",\"type\":\"number\",\"required\":false,\"default\":null,\"min\":0,"
    "\"max\":0},"
    " {\"name\":\"mode\",\"type\":\"string\",\"required\":false,\"choices\":[\"fast\",\"full\"]},"
    " {\"name\":\"config\",\"type\":\"path\",\"required\":false},"
    " {\"name\":\"defines\",\"type\":\"map\",\"required\":false}],"
    " \"resources\":{\"cores\":1,\"mem_mib\":512,\"time_s\":600},"
    " \"metrics\":[{\"name\":\"lint__errors\"},{\"name\":\"lint__warnings\"},"
    "  {\"name\":\"lint__code__<CODE>\",\"pattern\":true},"
    "  {\"name\":\"lint__tries\",\"stage\":\"build\"}]},"
    "{\"name\":\"sim\",\"params\":["
    " {\"name\":\"sources\",\"type\":\"paths\",\"required\":true,\"default\":null,\"min\":0,"
    "\"max\":0},"
    " {\"name\":\"seeds\",\"type\":\"ranges\",\"required\":false,\"default\":\"1\",\"min\":0,"
    "\"max\":0},"
    " {\"name\":\"programs\",\"type\":\"paths\",\"required\":false}],"
    " \"resources\":{\"cores\":1,\"mem_mib\":256,\"time_s\":60},"
    " \"stages\":[{\"name\":\"build\",\"array\":false,\"resources\":{\"cores\":2,\"mem_mib\":1024,"
    "\"time_s\":900}},"
    "  {\"name\":\"\",\"array\":true,\"from\":[\"programs\",\"seeds\"],\"after\":\"ok\"}]}]},"
    "{\"name\":\"opensta\",\"tool\":{\"found\":true},\"tasks\":[{\"name\":\"check\",\"params\":["
    " {\"name\":\"netlist\",\"type\":\"path\",\"from_need\":\"verilator.lint\"},"
    " {\"name\":\"top\",\"type\":\"string\",\"from_need\":\"verilator.lint\"}],"
    " \"metrics\":[{\"name\":\"timing__setup__ws\"}],\"own_metrics\":true}]},"
    "{\"name\":\"yosys\",\"tool\":{\"found\":false,\"package\":\"yosys\"},\"tasks\":[{\"name\":"
    "\"synth\",\"params\":[]}]}]";

static char root[64];

static void touch(const char *name)
{
    char *path = path_format("%s/%s", root, name);
    cr_assert_eq(file_write_atomic(path, "x\n", 2, 0600, NULL), 0);
    free(path);
}

static void make_root(void)
{
    snprintf(root, sizeof root, "/tmp/flow-test-XXXXXX");
    cr_assert_not_null(mkdtemp(root));
    char *rtl = path_format("%s/rtl", root);
    cr_assert_eq(dir_make(rtl, 0700, NULL), 0);
    free(rtl);
    touch("rtl/b.sv");
    touch("rtl/a.sv");
    touch("flow.yaml");
}

static void remove_root(void)
{
    cr_assert_eq(dir_remove(root, NULL), 0);
}

TestSuite(flow, .init = make_root, .fini = remove_root);

struct loaded {
    struct flow flow;
    struct flow_plan plan;
    struct flow_errors errors;
    struct cq_str messages;
};

static void load(const char *yaml, struct loaded *l)
{
    struct flow_pool pool = {
        .tools = json_loads(describe, 0, NULL), .cores_max = 2, .mem_max_mib = 4096};
    char *env[] = {(char *)"PATH=/bin", (char *)"LD_PRELOAD=/x", (char *)"SECRET=1", NULL};
    char *path = path_format("%s/flow.yaml", root);
    *l = (struct loaded){0};
    cr_assert_not_null(pool.tools);
    flow_read(path, yaml, strlen(yaml), &l->flow, &l->errors);
    flow_check(&l->flow, &pool, &l->errors);
    if (l->errors.n == 0)
        flow_plan_make(&l->flow, env, &l->plan, &l->errors);
    flow_errors_sort(&l->errors);
    flow_errors_format(&l->errors, "flow.yaml", &l->messages);
    flow_pool_fini(&pool);
    free(path);
}

static void unload(struct loaded *l)
{
    flow_plan_fini(&l->plan);
    flow_fini(&l->flow);
    flow_errors_fini(&l->errors);
    cq_str_fini(&l->messages);
}

static void expect_messages(const char *yaml, const char *expected)
{
    struct loaded l;
    load(yaml, &l);
    cr_expect_str_eq(cq_str_text(&l.messages), expected, "file:\n%s\ngot:\n%s\nexpected:\n%s", yaml,
                     cq_str_text(&l.messages), expected);
    unload(&l);
}

#define JOB "jobs:\n  a: {run: [true]}\n"

Test(flow, unknown_and_duplicate_keys)
{
    expect_messages("flwo: x\n" JOB,
                    "flow.yaml:1:1: unknown key 'flwo' in the flow; did you mean 'flow'?\n");
    expect_messages("flow: x\nflow: y\n" JOB, "flow.yaml:2:1: key 'flow' is there twice\n");
    expect_messages("jobs:\n  a: {run: [true], mme: 1G}\n",
                    "flow.yaml:2:20: unknown key 'mme' in job 'a'; did you mean 'mem'?\n");
    expect_messages("jobs:\n  a: {run: [true]}\n  a: {run: [false]}\n",
                    "flow.yaml:3:3: key 'a' is there twice\n");
    expect_messages(
        "jobs:\n  a: {tool: verilator.lint, top: t, sources: [rtl/*.sv], levle: 2}\n",
        "flow.yaml:2:58: unknown key 'levle' in job 'a' (verilator.lint); did you mean 'level'?\n");
    expect_messages("defaults: {coers: 1}\n" JOB,
                    "flow.yaml:1:12: unknown key 'coers' in defaults; did you mean 'cores'?\n");
}

Test(flow, wrong_types)
{
    expect_messages("jobs: [a, b]\n", "flow.yaml:1:7: jobs must be a map of jobs, not a list\n");
    expect_messages(
        "jobs:\n  a: {run: make}\n",
        "flow.yaml:2:12: run must be a list of words, as in [make, test], not a text\n");
    expect_messages("jobs:\n  a: {run: [true], cores: [1]}\n",
                    "flow.yaml:2:27: cores must be one value, not a list\n");
    expect_messages("jobs:\n  a: {run: [true], cores: 4x}\n",
                    "flow.yaml:2:27: cores: '4x' is not a whole number\n");
    expect_messages("jobs:\n  a: {run: [true], needs: {b: c}}\n",
                    "flow.yaml:2:27: needs must be a list of jobs, as in [lint], not a map\n");
    expect_messages("jobs:\n  a: {run: [true], mem: 4}\n",
                    "flow.yaml:2:25: mem: '4' has no unit; write 4M or 4G\n");
    expect_messages("jobs:\n  a: {run: [true], time: 30}\n",
                    "flow.yaml:2:26: time: '30' has no unit; write 30s or 30m\n");
    expect_messages("jobs:\n  a: {run: [true], hold: yes}\n",
                    "flow.yaml:2:26: hold: 'yes' is none of: false, true\n");
    expect_messages("jobs:\n  a: {run: [true], priority: 11}\n",
                    "flow.yaml:2:30: priority: 11 is out of range: -10 to 10\n");
    expect_messages("jobs:\n  a: {run: [true], array: 0-3}\n",
                    "flow.yaml:2:27: array: task numbers start at 1\n");
    expect_messages(
        "jobs:\n  'a b': {run: [true]}\n",
        "flow.yaml:2:3: 'a b' is no job name: 1 to 63 letters, digits, '.', '_', '-', the first "
        "a letter or digit\n");
}

Test(flow, yaml_that_is_refused)
{
    expect_messages("jobs:\n  a: &x {run: [true]}\n  b: *x\n",
                    "flow.yaml:3:6: alias '*x' is refused; write the value out\n");
    expect_messages("jobs: !!map {}\n", "flow.yaml:1:7: tags ('!') are refused\n");
    expect_messages("jobs: {}\n---\njobs: {}\n",
                    "flow.yaml:2:1: a second document; a file has one\n");
    expect_messages("", "flow.yaml:1:1: the file is empty\n");
    expect_messages("a: [[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]\n",
                    "flow.yaml:1:19: nested deeper than 16\n");
    expect_messages("jobs:\n\ta: 1\n", "flow.yaml:2:1: tabs may not indent; use spaces\n");
    expect_messages("flow: x\n", "flow.yaml:1:1: the key 'jobs' is missing\n");
    expect_messages("jobs: {}\n", "flow.yaml:1:7: no job in 'jobs'\n");
    expect_messages("x",
                    "flow.yaml:1:1: a flow must be a map with 'flow' and 'jobs', not a text\n");
}

Test(flow, needs)
{
    expect_messages(
        "jobs:\n  lint: {run: [true]}\n  b: {run: [true], needs: [lnit]}\n",
        "flow.yaml:3:28: job 'b' needs 'lnit', which is not in this flow; did you mean 'lint'?\n");
    expect_messages("jobs:\n  a: {run: [x], needs: [b]}\n  b: {run: [x], needs: [a]}\n",
                    "flow.yaml:3:25: jobs need each other in a circle: a → b → a\n");
    expect_messages("jobs:\n  a: {run: [x], needs: [a]}\n",
                    "flow.yaml:2:25: jobs need each other in a circle: a → a\n");
    expect_messages("jobs:\n  a: {run: [x]}\n  b: {run: [x], needs: [{job: a, when: okay}]}\n",
                    "flow.yaml:3:40: when: 'okay' is none of: ok, any, notok, aftercorr\n");
    expect_messages("jobs:\n  a: {run: [x]}\n  b: {run: [x], needs: [{when: ok}]}\n",
                    "flow.yaml:3:25: an entry of needs without 'job'\n");
    expect_messages("jobs:\n  a: {run: [x]}\n  b: {run: [x], needs: [a, a]}\n",
                    "flow.yaml:3:28: job 'a' is in needs twice\n");
    expect_messages("jobs:\n  a: {run: [x]}\n  b: {run: [x], needs: [{job: a, when: aftercorr}]}\n",
                    "flow.yaml:3:31: aftercorr pairs the tasks of two arrays; 'b' and 'a' are not "
                    "both arrays\n");
}

Test(flow, tools_and_parameters)
{
    expect_messages("jobs:\n  a: {tool: verilatr.lint}\n",
                    "flow.yaml:2:13: no tool 'verilatr'; did you mean 'verilator'?\n");
    expect_messages("jobs:\n  a: {tool: verilator.lnt}\n",
                    "flow.yaml:2:13: no task of verilator called 'lnt'; did you mean 'lint'?\n");
    expect_messages(
        "jobs:\n  a: {tool: verilator}\n",
        "flow.yaml:2:13: tool must be TOOL.TASK, as in verilator.lint, not 'verilator'\n");
    expect_messages(
        "jobs:\n  a: {tool: yosys.synth}\n",
        "flow.yaml:2:13: no worker has the tool 'yosys' installed (Debian package: yosys)\n");
    expect_messages("jobs:\n  a: {tool: verilator.lint, sources: [rtl/*.sv]}\n",
                    "flow.yaml:2:3: job 'a' (verilator.lint) needs the key 'top'\n");
    expect_messages(
        "jobs:\n  a:\n    tool: verilator.lint\n    top: [x]\n    sources: {a: b}\n"
        "    level: 9\n    strict: yes\n    ratio: big\n    mode: slow\n    defines: 3\n",
        "flow.yaml:4:10: top must be a text, not a list\n"
        "flow.yaml:5:14: sources must be a list of files, as in [rtl/*.sv], not a map\n"
        "flow.yaml:6:12: level is out of range: 9; it must be 1 to 5\n"
        "flow.yaml:7:13: strict must be true or false, not 'yes'\n"
        "flow.yaml:8:12: ratio must be a number, not 'big'\n"
        "flow.yaml:9:11: mode must be one of fast, full, not 'slow'\n"
        "flow.yaml:10:14: defines must be a map, as in {WIDTH: 8}, not '3'\n");
    expect_messages(
        "jobs:\n  a: {tool: verilator.sim, sources: [rtl/*.sv], seeds: 5-1}\n",
        "flow.yaml:2:56: seeds: '5-1' is not a range (character 1); write 1-200, 1,5,9 or 1-99:2 "
        "(numbers up to 4294967294)\n");
    expect_messages(
        "jobs:\n  a: {tool: verilator.sim, sources: [rtl/*.sv], array: 1-3}\n",
        "flow.yaml:2:56: job 'a': verilator.sim makes its own array; leave 'array' out\n");
}

Test(flow, files)
{
    char expected[512];
    snprintf(expected, sizeof expected, "flow.yaml:2:47: no file matches 'src/*.sv' in %s\n", root);
    expect_messages("jobs:\n  a: {tool: verilator.lint, top: t, sources: [src/*.sv]}\n", expected);
    snprintf(expected, sizeof expected, "flow.yaml:2:47: no file 'rtl/c.sv' in %s\n", root);
    expect_messages("jobs:\n  a: {tool: verilator.lint, top: t, sources: [rtl/c.sv]}\n", expected);
    expect_messages(
        "jobs:\n  a: {tool: verilator.lint, top: t, sources: [../x.sv]}\n",
        "flow.yaml:2:47: '../x.sv' leaves the directory of the flow file with '..'; move the flow "
        "file up, or write an absolute path\n");
    expect_messages(
        "jobs:\n  a: {tool: verilator.lint, top: t, sources: [dep:b/x.sv]}\n  b: {run: [x]}\n",
        "flow.yaml:2:47: 'dep:b/x.sv': job 'b' is not in the needs of 'a'\n");
    expect_messages(
        "jobs:\n  a: {tool: verilator.lint, top: t, sources: [r/**/x.sv]}\n",
        "flow.yaml:2:47: 'r/**/x.sv': '**' is not supported; name each level, as in rtl/*/*.sv\n");
}

Test(flow, impossible_requests)
{
    expect_messages("jobs:\n  a: {run: [x], cores: 64}\n",
                    "flow.yaml:2:24: job 'a' asks 64 cores; the largest worker has 2\n");
    expect_messages("jobs:\n  a: {run: [x], mem: 8G}\n",
                    "flow.yaml:2:22: job 'a' asks 8G of memory; the largest worker has 4G\n");
}

#define LINT \
    "jobs:\n  a:\n    tool: verilator.lint\n    top: t\n    sources: [rtl/*.sv]\n    require:\n"

Test(flow, gates_stand_on_metrics_that_the_tool_reports)
{
    expect_messages(LINT "      lint__errors: == 0\n      lint__warning: == 0\n",
                    "flow.yaml:8:7: no metric of verilator.lint called 'lint__warning'; did you "
                    "mean 'lint__warnings'?\n");
    expect_messages(LINT "      depth: '> 2'\n",
                    "flow.yaml:7:7: no metric of verilator.lint called 'depth'; there are: "
                    "lint__errors, lint__warnings, lint__code__<CODE>\n");
    expect_messages(LINT "      lint__code__UNUSED: == 0\n", "");
    expect_messages(LINT "      lint__code__: == 0\n",
                    "flow.yaml:7:7: no metric of verilator.lint called 'lint__code__'; there are: "
                    "lint__errors, lint__warnings, lint__code__<CODE>\n");
    expect_messages(LINT "      lint__tries: == 0\n",
                    "flow.yaml:7:7: metric 'lint__tries' is of the stage 'build'; a gate stands on "
                    "the last stage\n");
}

Test(flow, scripts_may_add_metrics_outside_the_tools_family)
{
    expect_messages("jobs:\n  a: {tool: opensta.check, netlist: rtl/a.sv, top: t, require: {depth: "
                    "'> 2'}}\n",
                    "");
    expect_messages("jobs:\n  a: {tool: opensta.check, netlist: rtl/a.sv, top: t, require: "
                    "{timing__nothing_like_it: '> 2'}}\n",
                    "flow.yaml:2:65: no metric of opensta.check called 'timing__nothing_like_it'; "
                    "there are: timing__setup__ws\n");
    expect_messages("jobs:\n  a: {tool: opensta.check, netlist: rtl/a.sv, top: t, require: "
                    "{timing_setup_ws: '> 2'}}\n",
                    "flow.yaml:2:65: no metric of opensta.check called 'timing_setup_ws'; did you "
                    "mean 'timing__setup__ws'?\n");
}

Test(flow, what_a_needed_job_would_say)
{
    expect_messages(
        "jobs:\n  sta: {tool: opensta.check}\n",
        "flow.yaml:2:3: sta: give `netlist:` and `top:` or need a verilator.lint job\n");
    expect_messages("jobs:\n  l: {run: [x]}\n  sta: {tool: opensta.check, needs: [l], top: t}\n",
                    "flow.yaml:3:3: sta: give `netlist:` or need a verilator.lint job\n");
    expect_messages("jobs:\n  l: {tool: verilator.lint, top: t, sources: [rtl/*.sv]}\n"
                    "  sta: {tool: opensta.check, needs: [l]}\n",
                    "");
}

Test(flow, gates)
{
    expect_messages(
        "jobs:\n  a: {tool: verilator.lint, top: t, sources: [rtl/*.sv], require: {x: big}}\n",
        "flow.yaml:2:71: a rule is a comparison and a number, as in \"== 0\" or \">= 0\", not "
        "'big'\n");
    expect_messages("jobs:\n  a: {tool: verilator.sim, sources: [rtl/*.sv], require: {x: 0}}\n",
                    "flow.yaml:2:62: a rule is a comparison and a number, as in \"== 0\" or \">= "
                    "0\", not '0'\n");
    expect_messages("jobs:\n  a: {tool: verilator.lint, top: t, sources: [rtl/*.sv], expect: "
                    "{verdict: pass}}\n",
                    "flow.yaml:2:76: expect can only have verdict: fail, not 'pass'\n");
    expect_messages("jobs:\n  a: {run: [x], require: {a: \">= 0\"}}\n",
                    "flow.yaml:2:3: job 'a': 'require' and 'expect' need a tool to judge them\n");
}

Test(flow, all_problems_up_to_twenty)
{
    struct loaded l;
    struct cq_str yaml = {0};
    cq_str_add(&yaml, "jobs:\n");
    for (int i = 0; i < 30; i++)
        cq_str_printf(&yaml, "  j%d: {run: [x], cores: nope}\n", i);
    load(cq_str_text(&yaml), &l);
    cr_expect_eq(l.errors.n, 20);
    cr_expect_eq(l.errors.more, 10);
    cr_expect_not_null(strstr(cq_str_text(&l.messages), "and 10 more\n"));
    unload(&l);
    cq_str_fini(&yaml);
}

Test(flow, too_many_jobs_name_the_count)
{
    struct loaded l;
    struct cq_str yaml = {0};
    cq_str_add(&yaml, "jobs:\n");
    for (int i = 0; i < 1001; i++)
        cq_str_printf(&yaml, "  j%d: {run: [x]}\n", i);
    load(cq_str_text(&yaml), &l);
    cr_expect_str_eq(cq_str_text(&l.messages),
                     "flow.yaml:2:3: 1001 jobs; a flow has at most 1000 (arrays carry the bulk)\n");
    unload(&l);
    cq_str_fini(&yaml);
}

Test(flow, terminal_escapes_in_messages_are_harmless)
{
    expect_messages("\"a\\e[31m\\nb\": 1\n" JOB,
                    "flow.yaml:1:1: unknown key 'a\\x1b[31m\\x0ab' in the flow\n");
}

/* ---- the plan ---- */

static const char good[] =
    "flow: demo\nproject: p\ndefaults: {mem: 2G, priority: 3}\njobs:\n"
    "  lint: {tool: verilator.lint, top: t, sources: [rtl/*.sv, rtl/a.sv], defines: {W: 8}}\n"
    "  sim: {tool: verilator.sim, needs: [lint], sources: [rtl/*.sv], seeds: '1-3,7', time: 5m,\n"
    "        require: {x: '== 0'}, expect: {verdict: fail, signature: boom}}\n"
    "  tail: {run: [echo, hi], needs: [{job: sim, when: any}], array: 1-4%2, priority: 0}\n";

Test(flow, plan_expands_stages)
{
    struct loaded l;
    load(good, &l);
    cr_assert_eq(l.errors.n, 0, "%s", cq_str_text(&l.messages));
    cr_assert_eq(l.plan.n, 4);
    const struct flow_planned *lint = &l.plan.jobs[0], *build = &l.plan.jobs[1],
                              *sim = &l.plan.jobs[2], *tail = &l.plan.jobs[3];
    cr_expect_str_eq(lint->spec.tool, "verilator.lint");
    cr_expect_eq(lint->spec.mem_mib, 2048, "the flow's defaults win over the tool's");
    cr_expect_eq(lint->spec.time_us, 600 * 1000000);
    cr_expect_str_eq(build->name, "sim.build");
    cr_expect_str_eq(build->spec.stage_of, "sim");
    cr_expect_eq(build->spec.cores, 2);
    cr_expect_not(build->spec.expects);
    cr_expect_str_eq(sim->name, "sim");
    cr_expect_str_eq(sim->spec.array, "1-3,7");
    cr_expect_eq(sim->spec.cores, 1);
    cr_expect_eq(sim->spec.time_us, 300 * 1000000);
    cr_expect(sim->spec.expects);
    cr_assert_eq(sim->spec.n_deps, 2);
    cr_expect_eq(sim->spec.deps[0].index, 1, "lint");
    cr_expect_eq(sim->spec.deps[1].index, 2, "its own build");
    cr_expect_eq(build->spec.deps[0].index, 1);
    cr_expect_str_eq(tail->spec.array, "1-4");
    cr_expect_eq(tail->spec.array_max_running, 2);
    cr_expect_eq(tail->spec.priority, 0, "a written 0 wins over the default");
    cr_assert_eq(tail->spec.n_deps, 1);
    cr_expect_eq(tail->spec.deps[0].index, 3, "the last stage carries the job's name");
    cr_expect_eq(tail->spec.deps[0].when, 1);
    unload(&l);
}

Test(flow, plan_makes_task_json)
{
    struct loaded l;
    struct run_spec run = {0};
    struct cq_err err = {0};
    load(good, &l);
    cr_assert_eq(l.plan.n, 4);
    cr_assert_eq(run_spec_decode(l.plan.jobs[0].run.data, l.plan.jobs[0].run.len, &run, &err), 0);
    cr_expect_str_eq(run.tool, "verilator");
    cr_expect_str_eq(run.cwd, "");
    cr_expect_eq(run.n_env, 1, "PATH only: no LD_*, nothing the flow does not need");
    json_t *task = json_loads(run.task_json, 0, NULL), *params = json_object_get(task, "params");
    char *sources = json_dumps(json_object_get(params, "sources"), JSON_COMPACT);
    cr_expect_str_eq(sources, "[\"rtl/a.sv\",\"rtl/b.sv\"]", "sorted, each file once");
    cr_expect_eq(json_integer_value(json_object_get(json_object_get(params, "defines"), "W")), 8);
    cr_expect_str_eq(json_string_value(json_object_get(task, "stage")), "");
    free(sources);
    json_decref(task);
    run_spec_fini(&run);
    cr_assert_eq(run_spec_decode(l.plan.jobs[1].run.data, l.plan.jobs[1].run.len, &run, &err), 0);
    task = json_loads(run.task_json, 0, NULL);
    cr_expect_str_eq(json_string_value(json_object_get(task, "stage")), "build");
    cr_expect_str_eq(json_string_value(json_object_get(task, "job")), "sim");
    cr_expect_null(json_object_get(task, "expect"), "the build is not what must fail");
    json_decref(task);
    run_spec_fini(&run);
    cr_assert_eq(run_spec_decode(l.plan.jobs[2].run.data, l.plan.jobs[2].run.len, &run, &err), 0);
    task = json_loads(run.task_json, 0, NULL);
    cr_expect_str_eq(json_string_value(json_object_get(task, "stage")), "run");
    cr_expect_not_null(json_object_get(task, "require"));
    cr_expect_not_null(json_object_get(task, "expect"));
    json_decref(task);
    run_spec_fini(&run);
    cr_assert_eq(run_spec_decode(l.plan.jobs[3].run.data, l.plan.jobs[3].run.len, &run, &err), 0);
    cr_expect_eq(run.n_argv, 2);
    cr_expect_str_eq(run.argv[1], "hi");
    cr_expect_str_eq(run.task_json, "");
    run_spec_fini(&run);
    unload(&l);
}

Test(flow, array_over_a_list_counts_it)
{
    struct loaded l;
    load("jobs:\n  p: {run: [x]}\n"
         "  s: {tool: verilator.sim, needs: [p], sources: [rtl/*.sv], programs: [dep:p/a, dep:p/b, "
         "dep:p/c]}\n"
         "  d: {tool: verilator.sim, sources: [rtl/*.sv]}\n",
         &l);
    cr_assert_eq(l.errors.n, 0, "%s", cq_str_text(&l.messages));
    cr_expect_str_eq(l.plan.jobs[2].spec.array, "1-3");
    cr_expect_str_eq(l.plan.jobs[4].spec.array, "1", "the default of seeds");
    unload(&l);
}

Test(flow, stage_names_do_not_collide)
{
    expect_messages(
        "jobs:\n  s: {tool: verilator.sim, sources: [rtl/*.sv]}\n  s.build: {run: [x]}\n",
        "flow.yaml:3:3: the stage 's.build' has the name of another job\n");
}

Test(flow, one_text_is_a_list_of_one)
{
    struct loaded l;
    load("jobs:\n  a: {run: [x]}\n"
         "  b: {tool: verilator.lint, top: t, sources: rtl/*.sv, needs: a}\n",
         &l);
    cr_assert_str_eq(cq_str_text(&l.messages), "");
    cr_assert_eq(l.flow.jobs[1].n_needs, 1);
    cr_expect_str_eq(l.flow.jobs[1].needs[0].job, "a");
    cr_expect_eq(json_array_size(json_object_get(l.flow.jobs[1].values, "sources")), 2);
    unload(&l);
    expect_messages("jobs:\n  a: {run: [x], needs: nothere}\n",
                    "flow.yaml:2:24: job 'a' needs 'nothere', which is not in this flow\n");
}
