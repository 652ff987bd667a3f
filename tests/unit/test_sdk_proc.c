// LINK: chipq_sdk
/* The process runner: streams, ends, stops. Each test is a process of its own. */
#include <criterion/criterion.h>

#include "plugins/sdk/proc.h"
#include "plugins/sdk/stop.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

struct seen {
    unsigned out, err;
    char last[64];
    int send; /* signal to send to ourselves at the first line */
};

static void on_out(void *context, const char *line)
{
    struct seen *s = context;
    s->out++;
    (void)snprintf(s->last, sizeof s->last, "%.60s", line);
    if (s->send)
        (void)kill(getpid(), s->send);
    s->send = 0;
}

static void on_err(void *context, const char *line)
{
    struct seen *s = context;
    s->err++;
    (void)line;
}

/* Runs a shell script: the tests' programs, never a plugin's. */
static struct proc_end run(const char *script, struct proc_spec spec, struct seen *seen)
{
    struct args args = {0};
    struct proc_end end = {0};
    struct cq_err err = {0};
    args_add_all(&args, (const char *const[]){"sh", "-c", script, NULL});
    spec.args = &args;
    spec.on_line = on_out;
    spec.context = seen;
    spec.quiet = true;
    cr_assert_eq(proc_run(&spec, &end, &err), 0, "%s", err.text);
    args_fini(&args);
    return end;
}

Test(sdk_proc, status_and_merged_output_come_back)
{
    struct seen seen = {0};
    struct proc_end end = run("echo a; echo b >&2; printf c; exit 3", (struct proc_spec){0}, &seen);
    cr_assert(end.exit_status == 3 && end.signal == 0 && seen.out == 3);
    cr_assert_str_eq(seen.last, "c");
}

Test(sdk_proc, streams_can_be_told_apart)
{
    struct seen seen = {0};
    (void)run("echo a; echo b >&2; echo c >&2", (struct proc_spec){.on_error_line = on_err}, &seen);
    cr_assert(seen.out == 1 && seen.err == 2);
}

Test(sdk_proc, a_killed_program_says_by_what)
{
    struct seen seen = {0};
    struct proc_end end = run("kill -SEGV $$", (struct proc_spec){0}, &seen);
    char how[64];
    cr_assert_eq(end.signal, SIGSEGV);
    cr_assert_str_eq(proc_describe(&end, how, sizeof how), "was killed by SIGSEGV");
}

Test(sdk_proc, standard_input_is_empty)
{
    struct seen seen = {0};
    struct proc_end end = run("cat; echo end", (struct proc_spec){0}, &seen);
    cr_assert(end.exit_status == 0 && seen.out == 1);
}

Test(sdk_proc, a_missing_program_is_not_found)
{
    struct args args = {0};
    struct proc_end end;
    struct cq_err err = {0};
    args_add(&args, "chipq-no-such-program");
    const struct proc_spec spec = {.args = &args};
    cr_assert_eq(proc_run(&spec, &end, &err), -1);
    cr_assert_eq(err.code, CQ_E_NOT_FOUND);
    args_fini(&args);
}

Test(sdk_proc, what_is_left_in_the_group_is_killed, .timeout = 20)
{
    struct seen seen = {0};
    struct proc_end end = run("tail -f /dev/null & echo done", (struct proc_spec){0}, &seen);
    cr_assert(end.exit_status == 0 && seen.out == 1);
}

Test(sdk_proc, a_stop_is_passed_on_softly, .timeout = 20)
{
    struct seen seen = {.send = SIGTERM};
    cr_assert_eq(stop_init(NULL), 0);
    struct proc_end end = run("trap 'echo bye; exit 9' TERM; echo up; tail -f /dev/null & wait",
                              (struct proc_spec){0}, &seen);
    cr_assert(end.stopped && end.exit_status == 9);
    cr_assert_str_eq(seen.last, "bye");
    cr_assert_eq(stop_signal(), SIGTERM);
}

Test(sdk_proc, after_the_grace_it_is_killed, .timeout = 20)
{
    struct seen seen = {.send = SIGTERM};
    cr_assert_eq(stop_init(NULL), 0);
    struct proc_end end =
        run("trap '' TERM; echo up; tail -f /dev/null", (struct proc_spec){.grace_ms = 100}, &seen);
    cr_assert(end.stopped && end.signal == SIGKILL);
}

Test(sdk_proc, nothing_starts_after_a_stop)
{
    struct args args = {0};
    struct proc_end end;
    struct cq_err err = {0};
    cr_assert_eq(stop_init(NULL), 0);
    (void)kill(getpid(), SIGTERM);
    args_add(&args, "true");
    const struct proc_spec spec = {.args = &args};
    cr_assert_eq(proc_run(&spec, &end, &err), -1);
    cr_assert_str_eq(err.text, "stopped by SIGTERM");
    args_fini(&args);
}

Test(sdk_proc, a_limit_ends_it, .timeout = 20)
{
    struct seen seen = {0};
    struct proc_end end = run("exec tail -f /dev/null", (struct proc_spec){.limit_ms = 50}, &seen);
    cr_assert(end.timed_out && end.signal == SIGTERM);
}

Test(sdk_proc, a_flood_does_not_cost_memory, .timeout = 60)
{
    struct seen seen = {0};
    struct rusage before, after;
    (void)getrusage(RUSAGE_SELF, &before);
    struct proc_end end = run("head -c 100000000 /dev/zero | tr '\\0' x; echo; echo end",
                              (struct proc_spec){0}, &seen);
    (void)getrusage(RUSAGE_SELF, &after);
    cr_assert(end.cut_lines == 1 && seen.out == 2);
    cr_assert_lt(after.ru_maxrss - before.ru_maxrss, 20000);
}
