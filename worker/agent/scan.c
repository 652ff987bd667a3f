/* What earlier agents left: every journal is a lease. A held one has its shepherd and is adopted;
 * of the others all processes are proven dead before the scheduler hears of them. */
#include "common/base/pure/mem.h"
#include "common/base/sys/failpoint.h"
#include "common/base/sys/log.h"
#include "worker/agent/agent.h"
#include "worker/lease/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SCAN_US = 5 * 1000 * 1000, LEASES_MAX = 4096 };

static void scan_is_done(struct agent *a)
{
    struct cq_err err;
    if (a->socket)
        return;
    loop_timer_cancel(a->scan_timer);
    (void)CQ_FP("worker.start.before_ready");
    if (session_start(a, &err) == 0)
        return;
    log_error("agent.start error=\"%s\"", err.text);
    loop_stop(a->loop);
}

void scan_lease_known(struct lease *l)
{
    if (!l->is_awaited)
        return;
    l->is_awaited = false;
    if (--l->agent->n_awaited == 0) /* not from inside the scan's own loop */
        loop_timer_set(l->agent->scan_timer, 0);
}

/* A shepherd that is stopped or hangs holds what we cannot tell of, and what it runs goes on: only
 * its death says that nothing does. The scheduler hears of it after that. */
static bool end_silent(struct agent *a)
{
    size_t at = 0, n = 0;
    void *value;
    while (map_next(&a->leases, &at, &value)) {
        struct lease *l = value;
        if (!l->is_awaited || !l->is_execds || l->state != LEASE_LIVE || l->is_given_up)
            continue;
        log_warn("agent.scan lease=%llu error=\"its shepherd does not answer and is killed\"",
                 (unsigned long long)l->id);
        l->is_given_up = true;
        execd_link_say(a, EXECD_KILL, l->id);
        n++;
    }
    return n > 0;
}

static void on_scan_due(void *arg)
{
    struct agent *a = arg;
    if (a->n_awaited && end_silent(a)) {
        loop_timer_set(a->scan_timer, loop_now(a->loop).mono_us + SCAN_US);
        return;
    }
    if (a->n_awaited)
        log_warn("agent.scan leases=%zu error=\"shepherds do not answer\"", a->n_awaited);
    scan_is_done(a);
}

/* Records in order: START makes it run, END ends it, ACK forgets it. */
static void on_journal_record(void *arg, const struct lease_record *r)
{
    struct lease *l = arg;
    l->is_stopped |= r->type == LEASE_REC_STOP && r->lease == l->id;
    struct attempt *t = attempt_find(l->agent, r->job, r->task, r->attempt);
    if (r->lease != l->id || (t && t->lease != l))
        return;
    if (r->type == LEASE_REC_ACK && t && l->is_adopted) {
        attempt_free(t);
        return;
    }
    if (t == NULL && !l->is_adopted)
        return; /* acknowledged in our own time */
    if (r->type == LEASE_REC_START || r->type == LEASE_REC_END) {
        t = t ? t : attempt_add(l, r->job, r->task, r->attempt);
        if (r->type == LEASE_REC_START)
            attempt_started(t, r);
        else
            attempt_ended(t, r);
    }
}

void scan_read_journal(struct lease *l)
{
    char name[64];
    struct cq_err err;
    snprintf(name, sizeof name, "lease-%llu.journal", (unsigned long long)l->id);
    int fd = openat(l->agent->leases_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return; /* all told and removed */
    if (journal_read(fd, on_journal_record, l, &err) != 0)
        log_error("lease.journal lease=%llu error=\"%s\"", (unsigned long long)l->id, err.text);
    close(fd);
}

static void on_keeper_end(void *arg, CQ_UNUSED int fd, CQ_UNUSED unsigned events)
{
    lease_on_death(arg, "its shepherd died while the agent was away");
}

/* The lock is free, but the kernel may still be killing what the shepherd held. */
static void settle_dead(struct lease *l, const struct lease_header *h)
{
    bool is_this_boot = cq_uuid_equal(&h->boot_id, &l->agent->boot_id);
    l->state = LEASE_DYING;
    if (is_this_boot && journal_keeper_lives(h))
        l->pid_fd = (int)syscall(SYS_pidfd_open, (pid_t)h->keeper_pid, 0U);
    if (l->pid_fd >= 0)
        l->pid_watch = loop_fd_new(l->agent->loop, l->pid_fd, LOOP_READ, on_keeper_end, l);
    else
        lease_on_death(l, is_this_boot ? "its shepherd died while the agent was away"
                                       : "the machine was started anew");
}

/* For a shepherd that cannot be reached: its end is known by its lock alone. */
bool scan_lease_ended(struct lease *l)
{
    char name[64];
    struct lease_header h;
    bool is_held = false;
    snprintf(name, sizeof name, "lease-%llu.journal", (unsigned long long)l->id);
    int fd = journal_open(l->agent->leases_fd, name, &is_held, NULL);
    bool is_ended = fd >= 0 && !is_held && journal_read_header(fd, &h, NULL) == 0;
    if (fd >= 0)
        close(fd);
    if (is_ended)
        settle_dead(l, &h);
    return is_ended;
}

static void adopt(struct agent *a, const struct lease_header *h, bool is_held)
{
    struct lease *l = lease_new(a, h->lease, h->epoch);
    l->is_adopted = l->is_awaited = true;
    a->n_awaited++;
    l->mem_mib = h->mem_mib;
    l->cores_text = cq_strdup(h->cores);
    l->is_execds = execd_link_has(a, h->lease);
    if (bitset_parse(h->cores, &l->cores, NULL) != 0)
        log_warn("lease.adopt lease=%llu error=\"cores\"", (unsigned long long)l->id);
    scan_read_journal(l);
    log_info("lease.adopt lease=%llu held=%s attempts=%zu", (unsigned long long)l->id,
             is_held ? "yes" : "no", l->n_attempts);
    (void)CQ_FP("worker.start.each_found");
    if (is_held) {
        l->state = LEASE_LIVE;
        shepherd_link_connect(l);
    } else {
        settle_dead(l, h);
    }
}

/* After a power loss a journal may be empty, and the name of its shepherd's socket be there. */
static void remove_unreadable(const struct agent *a, const char *name)
{
    unsigned long long lease = 0;
    if (sscanf(name, "lease-%llu.journal", &lease) == 1)
        lease_remove_files(a, lease);
    (void)unlinkat(a->leases_fd, name, 0);
}

static void scan_one(struct agent *a, const char *name)
{
    struct lease_header h;
    struct cq_err err;
    bool is_held = false;
    int fd = journal_open(a->leases_fd, name, &is_held, &err);
    char expected[64];
    if (fd < 0 || journal_read_header(fd, &h, &err) != 0) {
        log_error("agent.scan file=%s error=\"%s\"", name, err.text);
        if (fd >= 0 && !is_held) /* cut off before its shepherd was asked for: nothing ran */
            remove_unreadable(a, name);
    } else {
        snprintf(expected, sizeof expected, "lease-%llu.journal", (unsigned long long)h.lease);
        if (strcmp(expected, name) == 0 && h.lease && lease_find(a, h.lease) == NULL)
            adopt(a, &h, is_held);
    }
    if (fd >= 0)
        close(fd);
}

void scan_start(struct agent *a)
{
    char *names[LEASES_MAX];
    size_t n = 0;
    (void)CQ_FP("worker.start.before_scan");
    a->scan_timer = loop_timer_new(a->loop, on_scan_due, a);
    int copy = openat(a->leases_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    for (struct dirent *e = dir ? readdir(dir) : NULL; e && n < LEASES_MAX; e = readdir(dir)) {
        const char *dot = strrchr(e->d_name, '.');
        if (dot && strcmp(dot, ".journal") == 0)
            names[n++] = cq_strdup(e->d_name);
    }
    if (dir)
        closedir(dir);
    a->n_awaited++; /* the scan itself */
    for (size_t i = 0; i < n; i++) {
        scan_one(a, names[i]);
        free(names[i]);
    }
    a->n_awaited--;
    int64_t now_us = loop_now(a->loop).mono_us;
    loop_timer_set(a->scan_timer, a->n_awaited ? now_us + SCAN_US : 0);
}
