/* The verdict of an attempt. */
#include "worker/agent/verdict.h"

#include "common/base/pure/parse.h"

#include <signal.h>
#include <string.h>

static void say(struct meaning *m, enum worker_verdict verdict, const char *summary)
{
    m->verdict = verdict;
    (void)cq_copy_text(m->summary, sizeof m->summary, summary);
}

/* True when the shepherd's record decides alone. */
static bool decide_by_keeper(const struct lease_record *r, struct meaning *m)
{
    (void)cq_copy_text(m->cause, sizeof m->cause, r->cause);
    if (r->flags & LEASE_F_KILLED) {
        say(m, WORKER_VERDICT_KILLED, r->cause);
        return true;
    }
    switch ((enum limit_kind)r->limit) {
    case LIMIT_WALL:
        say(m, WORKER_VERDICT_TIMEOUT, r->cause);
        return true;
    case LIMIT_MEMORY:
        say(m, WORKER_VERDICT_OOM, r->cause);
        return true;
    case LIMIT_OUTPUT:
    case LIMIT_PIDS:
        say(m, WORKER_VERDICT_ERROR, r->cause);
        return true;
    case LIMIT_LEASE:
    case LIMIT_STOP:
        say(m, WORKER_VERDICT_LOST, r->cause);
        return true;
    case LIMIT_NONE:
        break;
    }
    if (r->flags & LEASE_F_BROKEN)
        say(m, WORKER_VERDICT_ERROR, r->cause);
    else if (r->flags & LEASE_F_NO_START)
        say(m, WORKER_VERDICT_LOST, r->cause);
    return m->verdict != WORKER_VERDICT_NONE;
}

/* A plugin that says pass ends with 0. One that says pass and then fails or dies was not done: its
 * outputs may be half written. */
static bool contradicts(const struct lease_record *r, const struct tool_result *result,
                        struct meaning *m)
{
    char text[LINE_BYTES];
    if (result->verdict != WORKER_VERDICT_PASS || (r->exit_code == 0 && r->signal == 0))
        return false;
    if (r->signal)
        snprintf(text, sizeof text, "the plugin said pass, then was ended by signal %u (%s)",
                 r->signal, strsignal((int)r->signal));
    else
        snprintf(text, sizeof text, "the plugin said pass, but its exit status is %d",
                 r->exit_code);
    say(m, WORKER_VERDICT_ERROR, text);
    (void)cq_copy_text(m->signature, sizeof m->signature, "the plugin contradicts itself");
    return true;
}

static void decide_by_tool(const struct lease_record *r, const struct tool_result *result,
                           const char *why, struct meaning *m)
{
    if (result->is_there) {
        if (contradicts(r, result, m))
            return;
        say(m, result->verdict, result->summary);
        (void)cq_copy_text(m->signature, sizeof m->signature, result->signature);
        return;
    }
    char text[LINE_BYTES];
    if (why)
        snprintf(text, sizeof text, "the plugin's result is not valid: %s", why);
    else if (r->signal)
        snprintf(text, sizeof text, "the plugin wrote no result: it was ended by signal %u (%s)",
                 r->signal, strsignal((int)r->signal));
    else
        snprintf(text, sizeof text, "the plugin wrote no result (exit status %d)", r->exit_code);
    say(m, WORKER_VERDICT_ERROR, text);
    (void)cq_copy_text(m->signature, sizeof m->signature, "the plugin wrote no result");
}

static void decide_by_exit(const struct lease_record *r, struct meaning *m)
{
    char text[LINE_BYTES] = "";
    if (r->signal)
        snprintf(text, sizeof text, "ended by signal %u (%s)", r->signal,
                 strsignal((int)r->signal));
    else if (r->exit_code != 0)
        snprintf(text, sizeof text, "exit status %d", r->exit_code);
    say(m, text[0] ? WORKER_VERDICT_FAIL : WORKER_VERDICT_PASS, text);
}

/* "memory limit 512M reached (peak 512M)", with what the kernel did; "" when nothing was met. */
static void tell_limits(const struct lease_record *r, char *to, size_t size)
{
    char limit[32], peak[32];
    const char *whom = r->signal == SIGKILL ? "it was killed" : "a process of it was killed";
    (void)format_size_mib(r->mem_limit_kib >> 10, limit, sizeof limit);
    (void)format_size_mib((r->peak_mem_kib + 1023) >> 10, peak, sizeof peak);
    to[0] = '\0';
    if ((r->flags & LEASE_F_OOM) && (r->flags & LEASE_F_OOM_MACHINE))
        snprintf(to, size, "the machine's memory was used up (its own peak: %s of %s); %s", peak,
                 limit, whom);
    else if (r->flags & LEASE_F_OOM)
        snprintf(to, size, "memory limit %s reached (peak %s); %s", limit, peak, whom);
    else if (r->flags & LEASE_F_PIDS)
        snprintf(to, size, "limit of %llu processes and threads reached",
                 (unsigned long long)r->pids_limit);
}

/* A limit that was met explains an end that is no pass better than an exit status or a tool does
 * that only saw a child die. */
static void blame_limit(const struct lease_record *r, const char *text, struct meaning *m)
{
    if (text[0] == '\0')
        return;
    if (m->verdict != WORKER_VERDICT_PASS) {
        bool is_memory = (r->flags & LEASE_F_OOM) != 0;
        m->limit = is_memory ? LIMIT_MEMORY : LIMIT_PIDS;
        say(m, is_memory ? WORKER_VERDICT_OOM : WORKER_VERDICT_ERROR, text);
    }
    (void)cq_copy_text(m->cause, sizeof m->cause, text);
}

void verdict_decide(const struct lease_record *r, const struct tool_result *result, const char *why,
                    struct meaning *out)
{
    char text[CAUSE_BYTES];
    memset(out, 0, sizeof *out);
    tell_limits(r, text, sizeof text);
    if (decide_by_keeper(r, out)) {
        size_t n = strlen(out->cause);
        out->limit = r->limit;
        if (text[0] && r->limit != LIMIT_MEMORY) /* it may be why the job hung or flooded */
            snprintf(out->cause + n, sizeof out->cause - n, "%s%s", n ? "; " : "", text);
        if (result->is_there) /* what the tool saved before it was stopped is worth keeping */
            (void)cq_copy_text(out->signature, sizeof out->signature, result->signature);
        return;
    }
    if (r->flags & LEASE_F_TOOL)
        decide_by_tool(r, result, why, out);
    else
        decide_by_exit(r, out);
    blame_limit(r, text, out);
}
