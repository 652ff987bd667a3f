// LINK: cq_isolate cq_lease cq_base_sys
/* The shepherd, driven over its socket as the agent drives it. */
#include "tests/unit/shepherd_driver.h"
#include "worker/lease/log_gap.h"

#include <criterion/parameterized.h>
#include <sched.h>
#include <sys/file.h>

static struct driver d;

static void start(void)
{
    driver_start(&d, driver_keeper(), 3600 * US_PER_S);
}

static void end(void)
{
    driver_end(&d);
}

TestSuite(shepherd, .init = start, .fini = end, .timeout = 60);
TestSuite(shepherd_keepers, .timeout = 60);

/* True once the file is there; waits for it by looking (the job makes it, nobody tells). */
static bool wait_for_file(const char *name, int ms)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", d.dir, name);
    for (int64_t until = clock_mono_us() + ms * 1000; clock_mono_us() < until;) {
        if (access(path, F_OK) == 0)
            return true;
        (void)poll(NULL, 0, 1);
    }
    return false;
}

Test(shepherd, reports_exit_codes_and_output)
{
    driver_shell(&d, (struct job_options){0}, "echo to out; echo to err >&2; echo $COLOUR; exit 3");
    struct lease_record end_record = driver_next(&d, LEASE_REC_END);
    cr_assert_eq(end_record.exit_code, 3);
    cr_assert_eq(end_record.signal, 0);
    cr_assert_eq(end_record.limit, LIMIT_NONE);
    cr_assert_str_eq(end_record.place, "acme/1207/1");
    cr_assert_gt(end_record.run_us, 0);
    cr_assert_gt(end_record.peak_mem_kib, 0);
    char *text = driver_output(&d);
    cr_assert_str_eq(text, "to out\nto err\nblue\n");
    free(text);
}

Test(shepherd, reports_signals)
{
    driver_shell(&d, (struct job_options){0}, "kill -SEGV $$");
    struct lease_record r = driver_next(&d, LEASE_REC_END);
    cr_assert_eq(r.exit_code, -1);
    cr_assert_eq(r.signal, SIGSEGV);
}

Test(shepherd, tells_the_task_its_numbers_and_places)
{
    driver_shell(&d, (struct job_options){.flags = LEASE_F_PRIVATE},
                 "echo $CHIPQ_TASK $CHIPQ_SEED $CHIPQ_ATTEMPT; cat task.json; pwd; "
                 "test -d \"$TMPDIR\" && test -d \"$CHIPQ_OUT\" && echo dirs");
    cr_assert_eq(driver_next(&d, LEASE_REC_END).exit_code, 0);
    char *text = driver_output(&d),
         *want = path_format("1 1 1\n{}%s/work/acme/1207/1/attempt-1\ndirs\n", d.dir);
    cr_assert_str_eq(text, want);
    free(text);
    free(want);
}

/* Makes `path` below the instance's directory lie in wait, as an earlier job of the user could. */
static void lay_trap(const char *below, const char *target)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", d.dir, below);
    cr_assert_eq(place_make_parents(path, NULL), 0);
    cr_assert_eq(target ? symlink(target, path) : mkfifo(path, 0600), 0);
}

Test(shepherd, a_task_file_that_lies_in_wait_is_replaced)
{
    static const char *const traps[] = {NULL, "../../../../../prey"};
    for (uint64_t task = 1; task <= CQ_COUNT(traps); task++) {
        char below[128];
        snprintf(below, sizeof below, "work/acme/1207/%d/attempt-1/task.json", (int)task);
        lay_trap(below, traps[task - 1]);
        const char *argv[] = {"/bin/sh", "-c", "test -f task.json && ! test -L task.json", NULL};
        driver_order(&d, (struct job_options){.job = task, .flags = LEASE_F_PRIVATE}, argv);
        driver_send(&d, SHEPHERD_QUEUE, task, task, -1);
        cr_assert_eq(driver_next(&d, LEASE_REC_END).exit_code, 0);
    }
    cr_assert_not(wait_for_file("prey", 0));
}

Test(shepherd, an_output_file_that_lies_in_wait_is_refused)
{
    static const char *const traps[] = {NULL, "../../../prey"};
    const char *argv[] = {"/bin/true", NULL};
    driver_order(&d, (struct job_options){0}, argv);
    for (uint64_t task = 1; task <= CQ_COUNT(traps); task++) {
        char below[128];
        snprintf(below, sizeof below, "output/acme/1207/%d.1.log", (int)task);
        lay_trap(below, traps[task - 1]);
        driver_send(&d, SHEPHERD_QUEUE, 1, task, -1);
        struct lease_record r = driver_next(&d, LEASE_REC_END);
        cr_assert(r.flags & LEASE_F_BROKEN);
        cr_assert_not_null(strstr(r.cause, "cannot make the output file"), "%s", r.cause);
    }
    cr_assert_not(wait_for_file("prey", 0));
}

Test(shepherd, says_why_a_program_cannot_be_run)
{
    const char *argv[] = {"no-such-tool", NULL};
    driver_order(&d, (struct job_options){.cwd = "/tmp"}, argv);
    driver_send(&d, SHEPHERD_QUEUE, 1, 1, -1);
    struct lease_record r = driver_next(&d, LEASE_REC_END);
    cr_assert(r.flags & LEASE_F_BROKEN);
    cr_assert_str_eq(r.cause, "cannot run 'no-such-tool': No such file or directory (in /tmp)");
    char *text = driver_output(&d);
    cr_assert_str_eq(text,
                     "chipq: cannot run 'no-such-tool': No such file or directory (in /tmp)\n");
    free(text);
}

Test(shepherd, says_that_the_directory_is_missing)
{
    const char *argv[] = {"true", NULL};
    driver_order(&d, (struct job_options){.cwd = "/no/such/place"}, argv);
    driver_send(&d, SHEPHERD_QUEUE, 1, 1, -1);
    struct lease_record r = driver_next(&d, LEASE_REC_END);
    cr_assert(r.flags & LEASE_F_BROKEN);
    cr_assert_not_null(strstr(r.cause, "cannot enter the directory /no/such/place"));
}

Test(shepherd, kills_what_an_attempt_leaves_behind)
{
    /* Double-forked, in its own session, deaf to signals; it would make the file after a second. */
    driver_shell(&d, (struct job_options){0},
                 "(setsid sh -c 'trap \"\" TERM HUP INT; touch born; sleep 1; touch survived' &) ; "
                 "while ! test -e born; do :; done; exit 0");
    struct lease_record r = driver_next(&d, LEASE_REC_END);
    cr_assert_eq(r.exit_code, 0);
    cr_assert_lt(r.run_us, 1000 * 1000);
    cr_assert_not(wait_for_file("survived", 1500));
}

Test(shepherd, its_death_takes_the_tree_along)
{
    driver_shell(
        &d, (struct job_options){0},
        "(setsid sh -c 'trap \"\" TERM; touch born; sleep 1; touch survived' &); sleep 100");
    (void)driver_next(&d, LEASE_REC_START);
    cr_assert(wait_for_file("born", 5000));
    int64_t before = clock_mono_us();
    kill(d.pid, SIGKILL);
    cr_assert_eq(waitpid(d.pid, NULL, 0), d.pid); /* returns when the kernel has killed all */
    cr_assert_lt(clock_mono_us() - before, 2 * US_PER_S);
    d.pid = 0;
    cr_assert_not(wait_for_file("survived", 1500));
}

Test(shepherd, outlives_its_agent_and_keeps_the_exit_code)
{
    driver_shell(&d, (struct job_options){0}, "while ! test -e go; do sleep 0.01; done; exit 42");
    (void)driver_next(&d, LEASE_REC_START);
    driver_connect(&d); /* drops the old connection first */
    cr_assert_eq(driver_next(&d, LEASE_REC_HELLO).limit, driver_keeper());
    cr_assert_eq(driver_next(&d, LEASE_REC_START).task, 1);
    close(d.socket_fd);
    d.socket_fd = -1;
    char *go = path_format("%s/go", d.dir);
    close(open(go, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    free(go);
    driver_connect(&d);
    cr_assert_eq(driver_next(&d, LEASE_REC_END).exit_code, 42);
    driver_connect(&d); /* not acknowledged: told again */
    cr_assert_eq(driver_next(&d, LEASE_REC_END).exit_code, 42);
    driver_send(&d, SHEPHERD_ACK, 1, 1, -1);
    driver_send(&d, SHEPHERD_CLOSE, 0, 0, -1);
    cr_assert_eq(waitpid(d.pid, NULL, 0), d.pid);
    d.pid = 0;
    cr_assert_neq(faccessat(d.leases_fd, "lease-7.journal", F_OK, 0), 0);
    cr_assert_neq(faccessat(d.leases_fd, "lease-7.sock", F_OK, 0), 0);
}

struct seen {
    int starts, ends, exit_code;
};

static void look(void *arg, const struct lease_record *r)
{
    struct seen *s = arg;
    s->starts += r->type == LEASE_REC_START;
    s->ends += r->type == LEASE_REC_END;
    if (r->type == LEASE_REC_END)
        s->exit_code = r->exit_code;
}

Test(shepherd, leaves_a_journal_that_tells_what_was_running)
{
    struct seen seen = {0};
    struct lease_header header;
    bool is_held = false;
    driver_shell(&d, (struct job_options){0}, "exit 5");
    (void)driver_next(&d, LEASE_REC_END);
    driver_shell(&d, (struct job_options){.job = 2, .flags = LEASE_F_NEVER}, "sleep 100");
    (void)driver_next(&d, LEASE_REC_START);
    int fd = journal_open(d.leases_fd, "lease-7.journal", &is_held, NULL);
    cr_assert(is_held);
    close(fd);
    kill(d.pid, SIGKILL);
    cr_assert_eq(waitpid(d.pid, NULL, 0), d.pid);
    d.pid = 0;
    fd = journal_open(d.leases_fd, "lease-7.journal", &is_held, NULL);
    cr_assert_not(is_held);
    cr_assert_eq(journal_read_header(fd, &header, NULL), 0);
    cr_assert_eq(header.lease, DRIVER_LEASE);
    cr_assert_eq(journal_read(fd, look, &seen, NULL), 0);
    cr_assert_eq(seen.starts, 2);
    cr_assert_eq(seen.ends, 1);
    cr_assert_eq(seen.exit_code, 5);
    close(fd);
}

Test(shepherd, stops_softly_at_the_wall_limit)
{
    driver_shell(&d, (struct job_options){.wall_us = 200 * 1000},
                 "trap 'echo saving; exit 9' TERM; while :; do sleep 0.02; done");
    struct lease_record r = driver_next(&d, LEASE_REC_END);
    cr_assert_eq(r.limit, LIMIT_WALL);
    cr_assert_eq(r.exit_code, 9);
    char *text = driver_output(&d);
    cr_assert_not_null(strstr(text, "saving\n"));
    free(text);
}

Test(shepherd, kills_after_the_grace)
{
    driver_shell(&d, (struct job_options){.wall_us = 100 * 1000, .grace_us = 200 * 1000},
                 "trap '' TERM; while :; do sleep 0.02; done");
    struct lease_record r = driver_next(&d, LEASE_REC_END);
    cr_assert_eq(r.limit, LIMIT_WALL);
    cr_assert_eq(r.signal, SIGKILL);
    cr_assert_geq(r.run_us, 300 * 1000);
    cr_assert_lt(r.run_us, 2000 * 1000);
}

Test(shepherd, kills_on_request_and_forgets_what_waits)
{
    driver_shell(&d, (struct job_options){0}, "sleep 100");
    driver_send(&d, SHEPHERD_QUEUE, 1, 2, -1);
    (void)driver_next(&d, LEASE_REC_START);
    driver_send(&d, SHEPHERD_KILL, 1, 2, -1);
    struct lease_record r = driver_next(&d, LEASE_REC_END);
    cr_assert_eq(r.task, 2);
    cr_assert(r.flags & LEASE_F_NO_START);
    cr_assert_eq(r.start_us, 0);
    driver_send(&d, SHEPHERD_KILL, 1, 1, -1);
    r = driver_next(&d, LEASE_REC_END);
    cr_assert(r.flags & LEASE_F_KILLED);
    cr_assert_eq(r.signal, SIGTERM);
    cr_assert_str_eq(r.cause, "the test said so");
}

Test(shepherd, caps_the_output)
{
    enum { CAP = 4 << 20 };
    driver_shell(&d, (struct job_options){.output_max_bytes = CAP}, "yes; sleep 100");
    struct lease_record r = driver_next(&d, LEASE_REC_END);
    cr_assert_eq(r.limit, LIMIT_OUTPUT);
    char *text = driver_output(&d);
    size_t len = strlen(text);
    cr_assert(len > CAP && len < CAP + 200, "%zu", len);
    cr_assert_str_eq(text + CAP, "\nchipq: output limit 4M reached: it wrote more output than "
                                 "allowed\n");
    free(text);
}

Test(shepherd, drops_output_beyond_the_cap_and_lets_the_job_go_on)
{
    enum { CAP = 1 << 20 };
    driver_shell(&d, (struct job_options){.output_max_bytes = CAP, .flags = LEASE_F_DROP},
                 "head -c 8388608 /dev/zero; exit 3");
    struct lease_record r = driver_next(&d, LEASE_REC_END);
    cr_assert_eq(r.limit, LIMIT_NONE);
    cr_assert_eq(r.exit_code, 3);
    cr_assert_not_null(strstr(r.cause, "output limit 1M reached; "), "%s", r.cause);
}

Test(shepherd, of_dropped_output_the_beginning_and_the_end_are_kept)
{
    enum { CAP = 1 << 20, LAST = 3000000 };
    static const char script[] = "echo first; seq 1 3000000; echo the error >&2; exit 3";
    driver_shell(&d, (struct job_options){.output_max_bytes = CAP, .flags = LEASE_F_DROP}, script);
    struct lease_record r = driver_next(&d, LEASE_REC_END);
    char *text = driver_output(&d), *at;
    size_t len = strlen(text); /* an ordinary file, without a hole in it */
    cr_assert(len > CAP - 16384 && len < CAP + 200, "%zu", len);
    cr_assert_not_null(strstr(r.cause, "output limit 1M reached; 21M of its middle were dropped"),
                       "%s", r.cause);
    cr_assert_eq(strncmp(text, "first\n1\n2\n", 10), 0);
    cr_assert_not_null(at = strstr(text, "\nchipq: output limit reached; dropped here: 21M "));
    cr_assert_eq(at - text, CAP / 2 - LOG_GAP_LINE_BYTES);
    unsigned long line = strtoul(strchr(strchr(at + 1, '\n') + 1, '\n') + 1, &at, 10);
    cr_assert(line > LAST - CAP / 2 / 7 && line < LAST, "%lu", line);
    for (; line <= LAST; line++, (void)strtoul(at, &at, 10)) /* each of them from here on */
        if (line < LAST)
            cr_assert_eq(strtoul(at, NULL, 10), line + 1);
    cr_assert_not_null(strstr(text, "\n3000000\nthe error\n\nchipq: output limit 1M reached; bytes "
                                    "524288 to "));
    cr_assert_str_eq(text + len - sizeof "(21M) were dropped", "(21M) were dropped\n");
    free(text);
}

#ifdef CQ_FAILPOINTS
Test(shepherd_keepers, where_no_hole_can_be_made_the_beginning_is_kept)
{
    enum { CAP = 1 << 20 };
    cr_assert_eq(setenv("CQ_FAILPOINTS", "shepherd.output.punch=err(EOPNOTSUPP)", 1), 0);
    start();
    driver_shell(&d, (struct job_options){.output_max_bytes = CAP, .flags = LEASE_F_DROP},
                 "seq 1 1000000; exit 3");
    struct lease_record r = driver_next(&d, LEASE_REC_END);
    cr_assert_eq(r.limit, LIMIT_NONE);
    cr_assert_eq(r.exit_code, 3);
    cr_assert_not_null(strstr(r.cause, "output limit 1M reached; at least "), "%s", r.cause);
    char *text = driver_output(&d);
    cr_assert_null(strstr(text, "dropped here"));
    cr_assert_null(strstr(text, "what follows is dropped"));
    cr_assert_eq(strncmp(text, "1\n2\n3\n", 6), 0);
    cr_assert_eq(strncmp(text + CAP, "\nchipq: output limit 1M reached; at least ", 41), 0);
    free(text);
    end();
}
#endif

Test(shepherd, notices_output_that_grows_after_silence)
{
    driver_shell(&d, (struct job_options){.output_max_bytes = 1 << 20},
                 "sleep 0.3; yes; sleep 100");
    cr_assert_eq(driver_next(&d, LEASE_REC_END).limit, LIMIT_OUTPUT);
}

Test(shepherd, kills_at_the_end_of_the_lease_without_an_agent)
{
    driver_end(&d);
    driver_start(&d, driver_keeper(), 300 * 1000);
    driver_shell(&d, (struct job_options){0}, "sleep 1; touch survived");
    (void)driver_next(&d, LEASE_REC_START);
    close(d.socket_fd);
    d.socket_fd = -1;
    cr_assert_eq(waitpid(d.pid, NULL, 0), d.pid);
    d.pid = 0;
    cr_assert_not(wait_for_file("survived", 1200));
    bool is_held;
    struct seen seen = {0};
    int fd = journal_open(d.leases_fd, "lease-7.journal", &is_held, NULL);
    cr_assert_eq(journal_read(fd, look, &seen, NULL), 0);
    cr_assert_eq(seen.ends, 1);
    close(fd);
}

Test(shepherd, a_renewed_lease_goes_on)
{
    driver_end(&d);
    driver_start(&d, driver_keeper(), 300 * 1000);
    struct shepherd_cmd cmd = {.version = SHEPHERD_PROTO_VERSION,
                               .type = SHEPHERD_RENEW,
                               .until_us = clock_mono_us() + 60 * US_PER_S};
    cr_assert_eq(send(d.socket_fd, &cmd, sizeof cmd, 0), (ssize_t)sizeof cmd);
    driver_shell(&d, (struct job_options){0}, "sleep 0.6");
    struct lease_record r = driver_next(&d, LEASE_REC_END);
    cr_assert_eq(r.exit_code, 0);
    cr_assert_eq(r.limit, LIMIT_NONE);
}

Test(shepherd, refuses_commands_from_inside)
{
    char script[256];
    snprintf(script, sizeof script,
             "python3 -c 'import socket; s=socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); "
             "s.connect(\"%s/run/leases/lease-7.sock\"); print(len(s.recv(99999)))'",
             d.dir);
    driver_shell(&d, (struct job_options){0}, script);
    cr_assert_eq(driver_next(&d, LEASE_REC_END).exit_code, 0);
    char *text = driver_output(&d);
    cr_assert_str_eq(text, "0\n"); /* closed at once */
    free(text);
}

Test(shepherd, jobs_cannot_signal_it)
{
    driver_shell(&d, (struct job_options){0}, "kill -KILL 1; kill -TERM 1; kill -STOP 1; exit 0");
    cr_assert_eq(driver_next(&d, LEASE_REC_END).exit_code, 0);
    driver_shell(&d, (struct job_options){.job = 2}, "exit 6");
    cr_assert_eq(driver_next(&d, LEASE_REC_END).exit_code, 6);
}

Test(shepherd, empties_the_shared_tmp_between_attempts)
{
    driver_shell(&d, (struct job_options){0}, "mkdir -p $TMPDIR/a/b; touch $TMPDIR/a/b/c");
    cr_assert_eq(driver_next(&d, LEASE_REC_END).exit_code, 0);
    driver_shell(&d, (struct job_options){.job = 2},
                 "test -d $TMPDIR && test -z \"$(ls $TMPDIR)\"");
    cr_assert_eq(driver_next(&d, LEASE_REC_END).exit_code, 0);
}

Test(shepherd, runs_a_queue_in_order_without_loss)
{
    enum { TASKS = 300 };
    const char *argv[] = {"/bin/true", NULL};
    driver_order(&d, (struct job_options){0}, argv);
    for (uint64_t task = 1; task <= TASKS; task++)
        driver_send(&d, SHEPHERD_QUEUE, 1, task, -1);
    for (uint64_t task = 1; task <= TASKS; task++) {
        struct lease_record r = driver_next(&d, LEASE_REC_END);
        cr_assert_eq(r.task, task);
        cr_assert_eq(r.exit_code, 0);
        driver_send(&d, SHEPHERD_ACK, 1, task, -1);
    }
}

Test(shepherd, keeps_its_journal_small)
{
    enum { TASKS = 4000, AHEAD = 64 };
    const char *argv[] = {"/no/such/program", NULL};
    struct stat st;
    driver_order(&d, (struct job_options){0}, argv);
    for (uint64_t task = 1, sent = 0; task <= TASKS; task++) {
        while (sent < TASKS && sent < task + AHEAD)
            driver_send(&d, SHEPHERD_QUEUE, 1, ++sent, -1);
        cr_assert_eq(driver_next(&d, LEASE_REC_END).task, task);
        driver_send(&d, SHEPHERD_ACK, 1, task, -1);
    }
    cr_assert_eq(fstatat(d.leases_fd, "lease-7.journal", &st, 0), 0);
    cr_assert_lt(st.st_size, JOURNAL_COMPACT_BYTES + 512 * 1024);
    bool is_held = false;
    int fd = journal_open(d.leases_fd, "lease-7.journal", &is_held, NULL);
    cr_assert(is_held, "the new file is locked as the old one was");
    close(fd);
}

static enum keeper keepers[] = {KEEPER_PID_NAMESPACE, KEEPER_USER_NAMESPACE, KEEPER_SUBREAPER};

ParameterizedTestParameters(shepherd_keepers, each_kills_leftovers)
{
    return cr_make_param_array(enum keeper, keepers, CQ_COUNT(keepers));
}

ParameterizedTest(enum keeper *keeper, shepherd_keepers, each_kills_leftovers)
{
    if (*keeper == KEEPER_PID_NAMESPACE && geteuid() != 0)
        cr_skip_test("only root makes a PID namespace without a user namespace");
    driver_start(&d, *keeper, 3600 * US_PER_S);
    cr_assert_eq(driver_next(&d, LEASE_REC_HELLO).limit, *keeper);
    driver_shell(&d, (struct job_options){0},
                 "(setsid sh -c 'touch born; sleep 1; touch survived' &) ; "
                 "while ! test -e born; do :; done; exit 4");
    cr_assert_eq(driver_next(&d, LEASE_REC_END).exit_code, 4);
    cr_assert_not(wait_for_file("survived", 1500));
    driver_end(&d);
}

/* ---- processors that come back ---- */

TestSuite(shepherd_cores, .timeout = 60);

static bool runs_on(pid_t pid, size_t cpu)
{
    cpu_set_t set;
    return sched_getaffinity(pid, sizeof set, &set) == 0 && CPU_COUNT(&set) == 1
           && CPU_ISSET(cpu, &set);
}

/* The kernel lets a process run anywhere when the last of its processors goes offline. */
Test(shepherd_cores, a_job_that_the_kernel_has_moved_is_bound_again)
{
    cpu_set_t all;
    size_t cpu = 0;
    cr_assert_eq(sched_getaffinity(0, sizeof all, &all), 0);
    if (CPU_COUNT(&all) < 2)
        cr_skip_test("this machine has one processor");
    while (!CPU_ISSET(cpu, &all))
        cpu++;
    char text[16];
    snprintf(text, sizeof text, "%zu", cpu);
    d.cpus = text;
    driver_start(&d, driver_keeper(), 3600 * US_PER_S);
    CQ_CLEANUP(cq_free_ptr) char *script = path_format("sleep 1000 & echo >%s/up; wait", d.dir);
    driver_shell(&d, (struct job_options){0}, script);
    cr_assert(wait_for_file("up", 5000));
    cr_assert(runs_on(d.pid, cpu));
    cr_assert_eq(sched_setaffinity(d.pid, sizeof all, &all), 0);
    driver_send(&d, SHEPHERD_BIND, 0, 0, -1);
    for (int64_t until = clock_mono_us() + 5000 * 1000;
         clock_mono_us() < until && !runs_on(d.pid, cpu);)
        (void)poll(NULL, 0, 1);
    cr_expect(runs_on(d.pid, cpu));
    driver_end(&d);
}
