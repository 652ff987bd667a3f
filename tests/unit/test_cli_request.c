// LINK: cq_cli_parts
/* Fields of a job request, dependencies, environment, job names. */
#include "cli/job_ref.h"
#include "cli/job_request.h"
#include "cli/request.h"

#include "common/base/pure/mem.h"

#include <criterion/criterion.h>

static void expect_set(struct request *r, const char *name, const char *text)
{
    struct cq_err err = {0};
    cr_expect_eq(request_set(r, name, text, &err), 0, "%s=%s: %s", name, text, err.text);
}

static void expect_refused(const char *name, const char *text, const char *part)
{
    struct request r = {0};
    struct cq_err err = {0};
    cr_expect_eq(request_set(&r, name, text, &err), -1, "%s=%s was taken", name, text);
    cr_expect_not_null(strstr(err.text, part), "%s=%s: '%s' has no '%s'", name, text, err.text,
                       part);
    cr_expect_not(request_is_given(&r, name));
    request_fini(&r);
}

Test(cli_request, fields)
{
    struct request r = {0};
    struct job_spec spec = {0};
    expect_set(&r, "cores", "4");
    expect_set(&r, "mem", "4gb");
    cr_expect_eq(r.mem_mib, 4096);
    expect_set(&r, "mem", "512MiB");
    cr_expect_eq(r.mem_mib, 512);
    expect_set(&r, "time", "1:30:00");
    expect_set(&r, "mem", "1.5G");
    expect_set(&r, "time", "2h");
    expect_set(&r, "topo", "spread:numa!");
    expect_set(&r, "array", "1-5000%200");
    expect_set(&r, "node_has", "gpu,tool=yosys");
    expect_set(&r, "restart", "never");
    expect_set(&r, "on_lost", "wait");
    expect_set(&r, "priority", "-10");
    expect_set(&r, "hold", "true");
    expect_set(&r, "licence", "vcs:2,dc");
    expect_set(&r, "licence", "pt:1");
    expect_set(&r, "instrument", "palladium:4");
    expect_set(&r, "preemptible", "true");
    expect_set(&r, "reserve", "tapeout");
    request_fill(&r, &spec);
    cr_expect_eq(spec.cores, 4);
    cr_expect_eq(spec.mem_mib, 1536);
    cr_expect_eq(spec.time_us, UINT64_C(7200000000));
    cr_expect_str_eq(spec.topo, "spread:numa!");
    cr_expect_str_eq(spec.array, "1-5000");
    cr_expect_eq(spec.array_max_running, 200);
    cr_expect_eq(spec.n_node_has, 2);
    cr_expect_str_eq(spec.node_has[1], "tool=yosys");
    cr_expect_eq(spec.restart, 1);
    cr_expect_eq(spec.on_lost, 2);
    cr_expect_eq(spec.priority, -10);
    cr_expect(spec.hold);
    cr_expect_str_eq(spec.licences, "vcs:2,dc:1,pt:1,palladium:4");
    cr_expect(spec.preemptible);
    cr_expect_str_eq(spec.reservation, "tapeout");
    request_fini(&r);
}

/* The whole text: what is allowed, and what to write. */
Test(cli_request, sizes_and_times_out_of_range_say_the_range)
{
    static const char size[] = "a size is 1M to 1024T; write 512M, 4G or 1.5T";
    static const char limit[] = "a limit is above zero and at most 3650d; write 90s, 15m or 2h";
    static const struct {
        const char *name, *text, *range;
    } bad[] = {{"mem", "1K", size},
               {"mem", "0", size},
               {"mem", "0G", size},
               {"mem", "0.5M", size},
               {"mem", "1025T", size},
               {"mem", "18446744073709551617M", size},
               {"mem", "99999999999999999999T", size},
               {"output_max", "1023K", size},
               {"time", "0", limit},
               {"time", "0s", limit},
               {"grace", "0m", limit},
               {"time", "99999999999999999999d", "a time is at most 3650d; write 90s, 15m or 2h"},
               {"time", "3651d", "a time is at most 3650d; write 90s, 15m or 2h"}};
    for (size_t i = 0; i < CQ_COUNT(bad); i++) {
        struct request r = {0};
        struct cq_err err = {0};
        char want[200];
        (void)snprintf(want, sizeof want, "'%s' is out of range: %s", bad[i].text, bad[i].range);
        cr_expect_eq(request_set(&r, bad[i].name, bad[i].text, &err), -1, "%s", bad[i].text);
        cr_expect_str_eq(err.text, want);
        request_fini(&r);
    }
    struct request r = {0};
    cr_expect_eq(request_set(&r, "mem", "1024k", NULL), 0);
    cr_expect_eq(r.mem_mib, 1u);
    cr_expect_eq(request_set(&r, "mem", "1.5M", NULL), 0);
    cr_expect_eq(r.mem_mib, 2u, "it is never less than asked");
    cr_expect_eq(request_set(&r, "mem", "1024T", NULL), 0);
    request_fini(&r);
}

Test(cli_request, what_is_no_number_size_or_time_says_so)
{
    static const struct {
        const char *name, *text, *want;
    } bad[] = {{"cores", "0", "0 is out of range: 1 to 4096"},
               {"cores", "18446744073709551617", "18446744073709551617 is out of range: 1 to 4096"},
               {"cores", "4x", "'4x' is not a whole number"},
               {"mem", "4x", "'4x' is not a size; write 512M, 4G or 1.5T"},
               {"mem", "-4G", "'-4G' is not a size; write 512M, 4G or 1.5T"},
               {"mem", "1.G", "'1.G' is not a size; write 512M, 4G or 1.5T"},
               {"time", "5x", "'5x' is not a time; write 90s, 15m, 2h, 1h30m or 1:30:00"}};
    for (size_t i = 0; i < CQ_COUNT(bad); i++) {
        struct request r = {0};
        struct cq_err err = {0};
        cr_expect_eq(request_set(&r, bad[i].name, bad[i].text, &err), -1, "%s", bad[i].text);
        cr_expect_str_eq(err.text, bad[i].want);
        request_fini(&r);
    }
}

Test(cli_request, bad_fields)
{
    char name[302];
    memset(name, 'n', sizeof name - 1);
    name[300] = '\0';
    expect_refused("cores", "0", "out of range");
    expect_refused("cores", "4x", "not a whole number");
    expect_refused("cores", "5000", "out of range");
    expect_refused("mem", "lots", "lots");
    expect_refused("mem", "4", "write 4M or 4G");
    expect_refused("mem", "4gg", "'4gg' is not a size");
    expect_refused("output_max", "100", "write 100M or 100G");
    expect_refused("time", "30", "write 30s or 30m");
    expect_refused("grace", "5", "write 5s or 5m");
    expect_refused("topo", "near", "pack, spread or any");
    expect_refused("array", "0-4", "start at 1");
    expect_refused("array", "", "not a range");
    expect_refused("array", "1-5%0", "after %");
    expect_refused("array", "1-2000000", "1000000");
    expect_refused("priority", "11", "out of range");
    expect_refused("name", name, "300 bytes");
    expect_refused("name", "\xff", "UTF-8");
    expect_refused("node_has", "a,,b", "empty");
    expect_refused("restart", "sometimes", "on-loss, never");
    expect_refused("max_attempts", "101", "out of range");
    expect_refused("licence", "", "no name of a feature");
    expect_refused("licence", "vcs:2,", "no name of a feature");
    expect_refused("licence", "vcs:0", "vcs: ");
    expect_refused("licence", "vcs:-1", "vcs: ");
    expect_refused("licence", "vcs:", "vcs: ");
    expect_refused("licence", "vcs=2", "no name of a feature");
    expect_refused("licence", "vcs:2,dc:1,vcs:1", "'vcs' is there twice");
    expect_refused("instrument", "a,b,c,d,e,f,g,h,i", "9 features in one job; at most 8");
    expect_refused("reserve", "a b", "no name of a reservation");
    expect_refused("preemptible", "yes", "false, true");
}

Test(cli_request, a_feature_is_named_once_in_all)
{
    struct request r = {0};
    struct job_spec spec = {0};
    struct cq_err err = {0};
    expect_set(&r, "licence", "vc:2");
    expect_set(&r, "licence", "vcs:2"); /* no prefix is taken for the whole */
    cr_expect_eq(request_set(&r, "licence", "vcs:1", &err), -1);
    cr_expect_eq(request_set(&r, "instrument", "vcs:1", &err), -1);
    request_fill(&r, &spec);
    cr_expect_str_eq(spec.licences, "vc:2,vcs:2");
    request_fini(&r);
}

Test(cli_request, tokens_of_the_defaults)
{
    struct request r = {0}, defaults = {0};
    struct job_spec spec = {0};
    expect_set(&defaults, "licence", "vcs:2");
    expect_set(&defaults, "reserve", "night");
    expect_set(&defaults, "preemptible", "true");
    expect_set(&r, "instrument", "palladium:1");
    expect_set(&r, "preemptible", "false");
    request_inherit(&r, &defaults);
    request_fill(&r, &spec);
    cr_expect_str_eq(spec.licences, "vcs:2,palladium:1");
    cr_expect_str_eq(spec.reservation, "night");
    cr_expect_not(spec.preemptible);
    request_fini(&r);
    request_fini(&defaults);
}

Test(cli_request, after)
{
    struct dep_spec *deps = NULL;
    size_t n = 0;
    struct cq_err err = {0};
    cr_assert_eq(request_parse_after("ok:12,any:13,notok:14,aftercorr:15,16", &deps, &n, &err), 0);
    cr_expect_eq(n, 5);
    cr_expect_eq(deps[1].number, 13);
    cr_expect_eq(deps[1].when, 1);
    cr_expect_eq(deps[3].when, 3);
    cr_expect_eq(deps[4].when, 0);
    free(deps);
    cr_expect_eq(request_parse_after("late:12", &deps, &n, &err), -1);
    cr_expect_not_null(strstr(err.text, "ok, any, notok, aftercorr"));
    cr_expect_eq(request_parse_after("ok:", &deps, &n, &err), -1);
    cr_expect_eq(request_parse_after("12,", &deps, &n, &err), -1);
}

Test(cli_request, environment)
{
    char *env[] = {(char *)"PATH=/bin",
                   (char *)"LD_PRELOAD=x",
                   (char *)"BASH_ENV=x",
                   (char *)"IFS=x",
                   (char *)"CHIPQ_KEY=x",
                   (char *)"BASH_FUNC_f%%=() {",
                   (char *)"EDITOR=vi",
                   (char *)"LC_ALL=C",
                   (char *)"LDFLAGS=-lm",
                   (char *)"broken",
                   NULL};
    size_t n = 0;
    char **kept = request_environment(env, false, &n);
    cr_assert_eq(n, 4);
    cr_expect_str_eq(kept[1], "EDITOR=vi");
    cr_expect_str_eq(kept[3], "LDFLAGS=-lm");
    cr_expect_null(kept[4]);
    for (size_t i = 0; i < n; i++)
        free(kept[i]);
    free(kept);
    kept = request_environment(env, true, &n);
    cr_expect_eq(n, 2);
    for (size_t i = 0; i < n; i++)
        free(kept[i]);
    free(kept);
}

Test(cli_request, job_names)
{
    struct job_name j = {0};
    struct cq_err err = {0};
    uint64_t task = 0;
    cr_assert_eq(job_name_parse("acme/1207[3]", &j, &err), 0);
    cr_expect_str_eq(j.enterprise, "acme");
    cr_expect_eq(j.number, 1207);
    cr_expect_eq(job_name_one_task(&j, &task, &err), 0);
    cr_expect_eq(task, 3);
    job_name_fini(&j);
    cr_assert_eq(job_name_parse("7[1-5,9]", &j, &err), 0);
    cr_expect_str_eq(j.tasks, "1-5,9");
    cr_expect_eq(job_name_one_task(&j, &task, &err), -1);
    job_name_fini(&j);
    static const char *const bad[] = {"",      "x",     "0",  "12[",    "12[]",
                                      "12[x]", "a/b/3", "/3", "12[3]x", "-1"};
    for (size_t i = 0; i < CQ_COUNT(bad); i++)
        cr_expect_eq(job_name_parse(bad[i], &j, &err), -1, "'%s' was taken", bad[i]);
}

static void expect_names(const char *text, const char *expected)
{
    struct cq_err err = {0};
    struct cq_str all = {0};
    size_t n = 0;
    char *texts[] = {(char *)text};
    struct job_name *jobs = job_names_parse(1, texts, &n, &err);
    cr_assert_not_null(jobs, "%s: %s", text, err.text);
    for (size_t i = 0; i < n; i++)
        cq_str_printf(&all, "%s%s/%llu[%s]", i ? " " : "", jobs[i].enterprise,
                      (unsigned long long)jobs[i].number, jobs[i].tasks);
    cr_expect_str_eq(cq_str_text(&all), expected);
    cq_str_fini(&all);
    job_names_free(jobs, n);
}

Test(cli_request, several_jobs_in_one_word)
{
    expect_names("12", "/12[]");
    expect_names("53,54", "/53[] /54[]");
    expect_names("1-3", "/1[] /2[] /3[]");
    expect_names("1-2,7[2,4-5],9", "/1[] /2[] /7[2,4-5] /9[]");
    expect_names("acme/1-2,5", "acme/1[] acme/2[] acme/5[]");
}

Test(cli_request, bad_lists_of_jobs)
{
    static const char *const bad[] = {"",    "1,",  "1,,2", "-3",      "3-",
                                      "0-2", "5-2", "/1-2", "a b/1-2", "1-20000",
                                      "1[2", "1]",  "x",    "1-2[3]",  NULL};
    for (size_t i = 0; bad[i]; i++) {
        struct cq_err err = {0};
        size_t n = 0;
        char *texts[] = {(char *)bad[i]};
        struct job_name *jobs = job_names_parse(1, texts, &n, &err);
        cr_expect_null(jobs, "'%s' was taken", bad[i]);
        cr_expect_neq(err.code, CQ_OK);
        if (jobs)
            job_names_free(jobs, n);
    }
}

static void expect_words(const struct request_row *r, const char *words)
{
    struct cq_str out = {0};
    job_request_words(r, &out);
    cr_expect_str_eq(cq_str_text(&out), words);
    cq_str_fini(&out);
}

static struct request_row unasked(void)
{
    return (struct request_row){.max_attempts = 3,
                                .max_own_failures = 1,
                                .smt = 2,
                                .grace_us = RUN_SPEC_GRACE_US,
                                .output_max_mib = RUN_SPEC_OUTPUT_MIB,
                                .array = "",
                                .topo = "",
                                .licences = "",
                                .reservation = "",
                                .cwd = "/"};
}

Test(cli_request, shown_is_what_was_asked_and_nothing_else)
{
    const char *has[] = {"gpu", "tool=yosys"};
    struct request_row r = unasked();
    expect_words(&r, "");
    r.array = "1-500", r.array_max_running = 20, r.topo = "pack:l3!", r.exclusive = 3;
    r.smt = 1, r.membind = 1, r.node_has = has, r.n_node_has = 2;
    r.licences = "vcs:2", r.reservation = "tapeout", r.preemptible = true, r.hold = true;
    expect_words(&r, "--array 1-500%20 --topo pack:l3! --exclusive numa --smt 1 --membind "
                     "interleave --node-has gpu,tool=yosys --licence vcs:2 --reserve tapeout "
                     "--preemptible --hold");
    r = unasked();
    r.restart = 1, r.on_lost = 2, r.max_attempts = 5, r.grace_us = 1500 * 1000;
    r.output_max_mib = 1500, r.output_full = 1;
    expect_words(&r, "--restart never --on-lost wait --max-attempts 5 --grace 1500ms --output-max "
                     "1500M --output-full drop");
}

Test(cli_request, of_a_long_list_of_tasks_the_beginning_is_shown)
{
    struct request_row r = unasked();
    char array[400] = "1";
    struct cq_str out = {0};
    for (size_t n = 1; n + 3 < sizeof array; n += 2)
        memcpy(array + n, ",3", 3);
    r.array = array;
    job_request_words(&r, &out);
    cr_expect_lt(out.len, 100);
    cr_expect_str_eq(cq_str_text(&out) + out.len - 3, "...");
    cq_str_fini(&out);
}

Test(cli_request, json_has_all_of_a_request_in_words)
{
    struct request_row r = unasked();
    r.on_lost = 1, r.mem_source = 2, r.mem_runs = 9, r.exclusive = 77;
    json_t *o = job_request_json(&r);
    cr_expect_str_eq(json_string_value(json_object_get(o, "on_lost")), "fail");
    cr_expect_str_eq(json_string_value(json_object_get(o, "restart")), "on-loss");
    cr_expect_str_eq(json_string_value(json_object_get(o, "output_full")), "stop");
    cr_expect_str_eq(json_string_value(json_object_get(o, "membind")), "local");
    cr_expect_str_eq(json_string_value(json_object_get(o, "mem_source")), "learned");
    cr_expect_str_eq(json_string_value(json_object_get(o, "exclusive")), "", "of a newer chipqd");
    cr_expect_eq(json_integer_value(json_object_get(o, "mem_runs")), 9);
    cr_expect_eq(json_integer_value(json_object_get(o, "grace_us")), RUN_SPEC_GRACE_US);
    json_decref(o);
}
