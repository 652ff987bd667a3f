// LINK: cq_daemon
/* The feed in a real loop with real programs: good ones, and every way of going wrong. Waiting is
 * always for an event: a result, or the end of all processes that hold a FIFO open. */
#include "scheduler/daemon/feed.h"
#include "scheduler/daemon/feed_run.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/str.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/files.h"
#include "common/base/sys/log.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONG_US  (60 * US_PER_S)
#define SHORT_US INT64_C(300000)

static struct loop *loop;
static struct feed *feed;
static char dir[64];
static int fifo = -1;
static struct cq_str results; /* one line each */
static int n_results, n_good;

static void on_result(CQ_UNUSED void *arg, const struct in_licence_feed *r)
{
    n_results++;
    if (r->error != NULL) {
        cr_assert_eq(r->n_samples, 0);
        cq_str_printf(&results, "error %s\n", r->error);
        return;
    }
    n_good++;
    for (size_t i = 0; i < r->n_samples; i++)
        cq_str_printf(&results, "%s=%d ", r->samples[i].feature, (int)r->samples[i].used);
    cq_str_add(&results, "\n");
}

static void set_up(void)
{
    struct cq_err err = {0};
    log_set_level(LOG_ERROR);
    (void)signal(SIGPIPE, SIG_IGN); /* as chipqd does */
    loop = loop_new(&err);
    cr_assert_not_null(loop, "%s", err.text);
    cq_copy_text(dir, sizeof dir, "/tmp/chipq-feed-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    char *path CQ_CLEANUP(cq_free_ptr) = path_format("%s/fifo", dir);
    cr_assert_eq(mkfifo(path, 0600), 0);
    fifo = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    cr_assert_geq(fifo, 0);
    feed = feed_new(loop, on_result, NULL);
}

static void tear_down(void)
{
    feed_free(feed);
    loop_free(loop);
    (void)close(fifo);
    cq_str_fini(&results);
    cr_assert_eq(dir_remove(dir, NULL), 0);
}

TestSuite(feed, .init = set_up, .fini = tear_down, .timeout = 60);

/* Makes a shell script and runs it as feed. In it, $FIFO is held open by whoever has descriptor 9.
 */
static void run_script(const char *name, const char *body, int64_t every_us)
{
    char *path CQ_CLEANUP(cq_free_ptr) = path_format("%s/%s", dir, name);
    struct cq_str text = {0};
    cq_str_printf(&text, "#!/bin/sh\nDIR=%s\nexec 9>$DIR/fifo\n%s\n", dir, body);
    struct cq_err err = {0};
    cr_assert_eq(file_write_atomic(path, cq_str_text(&text), text.len, 0700, &err), 0, "%s",
                 err.text);
    cq_str_fini(&text);
    feed_set(feed, path, every_us);
}

static void until_results(int n)
{
    int64_t until_us = clock_mono_us() + 30 * US_PER_S;
    while (n_results < n && clock_mono_us() < until_us)
        loop_turn(loop, until_us);
    cr_assert_geq(n_results, n, "no result; so far: %s", cq_str_text(&results));
}

/* Waits until every process that held the FIFO is gone. */
static void until_all_gone(void)
{
    char buf[256];
    struct pollfd p = {.fd = fifo, .events = POLLIN};
    do {
        cr_assert_eq(poll(&p, 1, 30000), 1, "a process lives on");
        if (p.revents & POLLIN)
            cr_assert_geq(read(fifo, buf, sizeof buf), 0);
    } while (!(p.revents & POLLHUP));
}

/* Waits until the script has written to the FIFO, while the loop turns. */
static void until_it_runs(void)
{
    char buf[8];
    int64_t until_us = clock_mono_us() + 30 * US_PER_S;
    struct pollfd p = {.fd = fifo, .events = POLLIN};
    do {
        loop_turn(loop, 0);
    } while (poll(&p, 1, 1) == 0 && clock_mono_us() < until_us);
    cr_assert_gt(read(fifo, buf, sizeof buf), 0, "it did not start");
}

static void expect(const char *part)
{
    cr_assert(strstr(cq_str_text(&results), part), "'%s' lacks '%s'", cq_str_text(&results), part);
}

Test(feed, brings_samples_of_every_run)
{
    run_script("good", "echo '# all of it'; echo vcs 7; echo dc 0", 100000);
    until_results(3);
    cr_assert_str_eq(cq_str_text(&results), "vcs=7 dc=0 \nvcs=7 dc=0 \nvcs=7 dc=0 \n");
}

static const struct {
    const char *body, *error;
} failing[] = {
    {"echo vcs 7; echo dc -2", "error line 2: 'dc -2': a count must be 0 or more\n"},
    {"head -c 3000 /dev/urandom", "error "},
    {"echo 'lmgrd is not running'", "error line 1: 'lmgrd is not running': "},
    {":", "error no feature at all"},
    {"echo vcs 7; exit 3", "error it ended with status 3"},
    {"echo vcs 7; kill -TERM $$", "error it was ended by signal 15\n"},
    {"while :; do echo vcs 7; done", "error it printed more than 64 KiB\n"},
};

Test(feed, tells_what_is_wrong_and_brings_nothing)
{
    for (size_t i = 0; i < CQ_COUNT(failing); i++) {
        char name[16];
        cq_str_clear(&results);
        (void)snprintf(name, sizeof name, "bad%zu", i);
        run_script(name, failing[i].body, LONG_US);
        until_results((int)i + 1);
        expect(failing[i].error);
    }
    cr_assert_eq(n_good, 0);
    until_all_gone();
}

Test(feed, kills_a_program_that_hangs_with_all_its_children)
{
    run_script("hang", "(sleep 1000; echo x) & echo vcs 1; exec sleep 1000", SHORT_US);
    until_results(1);
    expect("error it did not end within 300 ms and was killed\n");
    feed_set(feed, NULL, 0);
    until_all_gone();
}

Test(feed, kills_a_program_that_closes_its_output_and_hangs)
{
    run_script("mute", "echo vcs 1; exec sleep 1000 >/dev/null", SHORT_US);
    until_results(1);
    expect("error it did not end within");
    feed_set(feed, NULL, 0);
    until_all_gone();
}

Test(feed, goes_on_at_the_normal_time_after_a_failure)
{
    run_script("recovers",
               "n=$(cat $DIR/n 2>/dev/null); echo x$n >$DIR/n\n"
               "[ \"$n\" ] || exec sleep 1000\n"
               "[ $n = x ] && exit 3\n"
               "echo vcs 5",
               SHORT_US);
    until_results(3);
    expect("error it did not end within 300 ms and was killed\nerror it ended with status 3");
    expect("vcs=5 \n");
}

Test(feed, does_not_wait_for_a_child_that_keeps_the_output_open)
{
    int64_t begin_us = clock_mono_us();
    run_script("child", "sleep 1000 & echo vcs 7", LONG_US);
    until_results(1);
    cr_assert_str_eq(cq_str_text(&results), "vcs=7 \n");
    cr_assert_lt(clock_mono_us() - begin_us, 20 * US_PER_S);
    until_all_gone();
}

Test(feed, a_new_command_replaces_the_old_at_once)
{
    run_script("hang", "echo up >&9; exec sleep 1000", LONG_US);
    until_it_runs();
    run_script("good", "echo vcs 3", LONG_US);
    until_results(1);
    cr_assert_str_eq(cq_str_text(&results), "vcs=3 \n");
    until_all_gone();
}

Test(feed, no_command_means_no_process_and_no_result)
{
    run_script("hang", "echo up >&9; exec sleep 1000", LONG_US);
    until_it_runs();
    feed_set(feed, "", 0);
    until_all_gone();
    loop_turn(loop, 0);
    loop_turn(loop, 0);
    cr_assert_eq(n_results, 0);
}

Test(feed, takes_its_program_along_when_it_goes)
{
    run_script("hang", "echo up >&9; exec sleep 1000", LONG_US);
    until_it_runs();
    feed_free(cq_steal(&feed));
    until_all_gone();
    cr_assert_eq(n_results, 0);
}

/* Runs nothing when asked again for what it does already. */
Test(feed, is_not_disturbed_by_hearing_the_same_command_again)
{
    char *path CQ_CLEANUP(cq_free_ptr) = path_format("%s/once", dir);
    run_script("once", "echo vcs 1", LONG_US);
    for (int i = 0; i < 1000; i++)
        feed_set(feed, path, LONG_US);
    until_results(1);
    for (int i = 0; i < 10; i++) {
        feed_set(feed, path, LONG_US);
        loop_turn(loop, 0);
    }
    cr_assert_eq(n_results, 1);
}

/* Signals: 1 to 28, the rest is libc's own business. */
Test(feed, gives_the_program_a_clean_place_to_run_in)
{
    cr_assert_eq(setenv("CHIPQ_PRIVATE", "1", 1), 0);
    run_script("look",
               "exec 9>&-\n"
               "echo secrets ${CHIPQ_PRIVATE:-0}\n"
               "echo input $(wc -c)\n"
               "echo descriptors $(ls /proc/self/fd | wc -l)\n" /* 0 1 2, and ls's own */
               "echo path $(echo $PATH | tr : '\\n' | wc -l)\n"
               "awk '/^Sig(Ign|Blk):/ {n += $2 !~ /0000000$/} END {print \"signals\", n}' "
               "/proc/self/status",
               LONG_US);
    until_results(1);
    cr_assert_str_eq(cq_str_text(&results), "secrets=0 input=0 descriptors=4 path=3 signals=0 \n");
}

static const struct {
    const char *command, *error;
} refused[] = {
    {"/nowhere/at/all x", "error it ended with status 127: there is no such program\n"},
    {"/etc/passwd", "error it ended with status 126: it may not be executed\n"},
    {"chipq-no-such-program", "error it ended with status 127"},
    {"bin/feed", "error 'bin/feed' is no full path; begin it with /\n"},
    {"-i /bin/true", "error '-i' cannot be run"},
    {"A=b /bin/true", "error 'A=b' cannot be run"},
    {"   ", "error the command is empty; name a program\n"},
};

Test(feed, says_why_a_command_cannot_be_run_but_not_from_inside_the_call)
{
    for (size_t i = 0; i < CQ_COUNT(refused); i++) {
        cq_str_clear(&results);
        feed_set(feed, refused[i].command, LONG_US);
        cr_assert_eq(n_results, (int)i);
        until_results((int)i + 1);
        expect(refused[i].error);
    }
}

Test(feed, bounds_the_words_of_a_command)
{
    struct cq_str command = {0};
    cq_str_add(&command, "echo");
    for (int i = 0; i < 64; i++)
        cq_str_add(&command, "  x");
    feed_set(feed, cq_str_text(&command), LONG_US);
    until_results(1);
    expect("error the command has more than 64 words\n");
    feed_set(feed, "echo  vcs   4", LONG_US);
    until_results(2);
    expect("\nvcs=4 \n");
    cq_str_fini(&command);
}

static void ignore_end(CQ_UNUSED void *arg, CQ_UNUSED const char *text, CQ_UNUSED size_t bytes,
                       CQ_UNUSED const struct cq_err *why)
{
}

static void note_gone(void *arg)
{
    *(bool *)arg = true;
}

Test(feed, runs_one_program_at_a_time)
{
    bool is_gone = false;
    struct cq_err err = {0};
    struct feed_run *r = feed_run_new(loop, 1024, ignore_end, note_gone, &is_gone);
    cr_assert_eq(feed_run_start(r, "sleep 1000", LONG_US, &err), 0, "%s", err.text);
    cr_assert_eq(feed_run_start(r, "sleep 1000", LONG_US, &err), -1);
    cr_assert_eq(err.code, CQ_E_CONFLICT);
    feed_run_cancel(r);
    cr_assert(feed_run_is_busy(r) && !is_gone);
    while (!is_gone)
        loop_turn(loop, INT64_MAX);
    cr_assert_eq(feed_run_start(r, "sleep 1000", LONG_US, &err), 0, "%s", err.text);
    feed_run_free(r);
}
