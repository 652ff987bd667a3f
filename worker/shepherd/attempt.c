/* The attempt that runs: start, limits, stop, end. Its states follow from the facts in struct
 * running: pid (its first process is there), is_main_over (only leftovers are), is_on. */
#include "worker/shepherd/shepherd.h"
#include "common/base/pure/parse.h"
#include "common/base/sys/failpoint.h"
#include "common/base/sys/log.h"
#include "worker/lease/journal.h"
#include "worker/lease/tree.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    FIRST_CHECK_US = 20 * 1000, /* shorter attempts are looked at once, at their end */
    REKILL_US = 50 * 1000,
    START_TELL_US = 5000,
};

static void attempt_finish(struct shepherd *s)
{
    struct running *r = &s->now_running;
    (void)CQ_FP("shepherd.exit.before");
    bool is_ended_by_it = output_finish(r) && r->record.limit == LIMIT_NONE;
    if (is_ended_by_it)
        r->record.limit = LIMIT_OUTPUT;
    if (is_ended_by_it || ((r->dropped_bytes || r->gap.to) && r->record.cause[0] == '\0'))
        output_limit_text(r, r->record.cause, sizeof r->record.cause);
    account_end(s);
    spawn_clean(s, r);
    r->is_on = false;
    r->record.type = LEASE_REC_END;
    queue_end(s, &r->record);
    (void)CQ_FP("shepherd.exit.after");
}

static void attempt_fail(struct shepherd *s, const char *text)
{
    struct running *r = &s->now_running;
    output_say(r, text);
    r->record.flags |= LEASE_F_BROKEN;
    (void)cq_copy_text(r->record.cause, sizeof r->record.cause, text);
    r->wall_at_us = r->check_at_us = INT64_MAX;
    if (r->pid == 0)
        attempt_finish(s); /* else its process, which has ended already, is reaped first */
}

void attempt_start(struct shepherd *s, const struct waiting *w)
{
    struct running *r = &s->now_running;
    struct cq_err err;
    struct now now = clock_now();
    r->job = queue_find_job(s, w->job);
    r->record = queue_record(s, LEASE_REC_START, w);
    r->record.start_us = now.wall_us;
    r->started_us = now.mono_us;
    r->is_on = true;
    r->is_main_over = r->is_told = false;
    r->pid = 0;
    r->log_fd = -1;
    r->tmp[0] = r->work[0] = '\0';
    r->watch = WATCH_TIMER;
    r->check_at_us = now.mono_us + FIRST_CHECK_US;
    r->wall_at_us = r->job->order.wall_us > 0 ? now.mono_us + r->job->order.wall_us : INT64_MAX;
    r->kill_at_us = r->again_at_us = INT64_MAX;
    account_begin(s);
    (void)CQ_FP("worker.order.before_journal");
    bool is_synced = (r->record.flags & LEASE_F_NEVER) != 0;
    if (journal_append(s->journal_fd, &r->record, is_synced, &err) != 0
        || output_open(r, s->spec.dir, &err) != 0) {
        attempt_fail(s, err.text); /* with no start on record it must not run */
        return;
    }
    (void)CQ_FP("worker.order.after_journal");
    if (spawn_attempt(s, r, &err) != 0)
        attempt_fail(s, err.text);
    else
        link_soon(s, START_TELL_US);
}

static void note_reason(struct running *r, uint32_t limit, const char *cause)
{
    if (r->record.limit != LIMIT_NONE || (r->record.flags & LEASE_F_KILLED))
        return; /* the first reason counts */
    r->record.limit = limit;
    if (limit == LIMIT_NONE)
        r->record.flags |= LEASE_F_KILLED;
    (void)cq_copy_text(r->record.cause, sizeof r->record.cause, cause);
}

void attempt_stop(struct shepherd *s, uint32_t limit, const char *cause)
{
    struct running *r = &s->now_running;
    if (!r->is_on || r->is_main_over)
        return;
    note_reason(r, limit, cause);
    r->wall_at_us = INT64_MAX;
    if (r->kill_at_us != INT64_MAX)
        return; /* already asked */
    r->kill_at_us = clock_mono_us() + r->job->order.grace_us;
    /* A plugin stops its tool itself; a plain command's whole group is asked. */
    pid_t to = (r->record.flags & LEASE_F_TOOL) ? r->pid : -r->pid;
    (void)kill(to, SIGTERM);
    (void)kill(to, SIGCONT);
}

void attempt_kill(struct shepherd *s, uint32_t limit, const char *cause)
{
    struct running *r = &s->now_running;
    if (!r->is_on)
        return;
    if (cause)
        note_reason(r, limit, cause);
    r->wall_at_us = r->kill_at_us = INT64_MAX;
    r->again_at_us = clock_mono_us() + REKILL_US;
    (void)CQ_FP("shepherd.kill.before");
    if (r->pid > 0)
        (void)kill(-r->pid, SIGKILL);
    tree_kill(s->keeper, s->group_fd);
    (void)CQ_FP("shepherd.kill.after");
}

static void stop_at_wall(struct shepherd *s)
{
    char limit[32], text[CAUSE_BYTES];
    (void)format_time_us(s->now_running.job->order.wall_us, limit, sizeof limit);
    snprintf(text, sizeof text, "time limit %s reached", limit);
    attempt_stop(s, LIMIT_WALL, text);
}

void attempt_on_time(struct shepherd *s, int64_t now_us)
{
    struct running *r = &s->now_running;
    if (!r->is_on)
        return;
    if (now_us >= r->wall_at_us)
        stop_at_wall(s);
    if (now_us >= r->kill_at_us || now_us >= r->again_at_us)
        attempt_kill(s, LIMIT_NONE, NULL);
    if (r->is_on && now_us >= r->check_at_us)
        output_watch(s, now_us);
}

static void on_main_end(struct running *r, int status)
{
    struct now now = clock_now();
    r->pid = 0;
    r->is_main_over = true;
    r->wall_at_us = r->check_at_us = INT64_MAX;
    if (r->record.flags & LEASE_F_TOOL)
        r->kill_at_us = INT64_MAX; /* it has stopped its tool itself */
    r->record.end_us = now.wall_us;
    r->record.run_us = now.mono_us - r->started_us;
    if (WIFEXITED(status))
        r->record.exit_code = WEXITSTATUS(status);
    else if (WIFSIGNALED(status))
        r->record.signal = (uint32_t)WTERMSIG(status);
}

/* All that ends is ours: the job's process, or an orphan that came to us. ECHILD proves that
 * nothing is left. */
void attempt_reap(struct shepherd *s)
{
    struct running *r = &s->now_running;
    for (;;) {
        struct rusage usage;
        int status;
        pid_t pid = wait4(-1, &status, WNOHANG, &usage);
        if (pid < 0 && errno == EINTR)
            continue;
        if (pid < 0)
            break;
        if (pid == 0) {
            bool has_grace = r->kill_at_us != INT64_MAX; /* it was asked to stop, all of it */
            if (r->is_on && r->is_main_over && !has_grace && r->again_at_us == INT64_MAX)
                attempt_kill(s, LIMIT_NONE, NULL);
            return;
        }
        if (r->is_on)
            account_add(&r->record, &usage);
        if (r->is_on && pid == r->pid) {
            (void)CQ_FP("worker.exit.after_wait");
            on_main_end(r, status);
        }
    }
    if (r->is_on && r->is_main_over)
        attempt_finish(s);
}

int64_t attempt_wake_at_us(const struct shepherd *s)
{
    const struct running *r = &s->now_running;
    if (!r->is_on)
        return INT64_MAX;
    int64_t at = r->wall_at_us;
    at = r->kill_at_us < at ? r->kill_at_us : at;
    at = r->again_at_us < at ? r->again_at_us : at;
    return r->check_at_us < at ? r->check_at_us : at;
}
