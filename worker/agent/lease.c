/* Leases that this worker holds, from grant to the last ack. */
#include "worker/agent/agent.h"
#include "worker/lease/journal.h"
#include "common/base/pure/mem.h"
#include "common/base/sys/files.h"
#include "common/base/sys/log.h"

#include <fcntl.h>
#include <unistd.h>

struct lease *lease_new(struct agent *a, uint64_t id, uint64_t epoch)
{
    struct lease *l = CQ_NEW(struct lease);
    *l = (struct lease){.agent = a, .id = id, .epoch = epoch, .socket_fd = -1, .pid_fd = -1};
    map_put(&a->leases, id, l);
    return l;
}

struct lease *lease_find(struct agent *a, uint64_t id)
{
    return id ? map_find(&a->leases, id) : NULL;
}

static void free_jobs(struct lease *l)
{
    size_t at = 0;
    void *value;
    while (map_next(&l->jobs, &at, &value)) {
        struct lease_job *job = value;
        free(job->error);
        free(job->place);
        free(job);
    }
    map_fini(&l->jobs);
}

void lease_forget(struct lease *l)
{
    while (l->n_attempts)
        attempt_free(l->attempts[l->n_attempts - 1]);
    shepherd_link_close(l);
    loop_fd_close(l->pid_watch);
    if (l->pid_fd >= 0)
        close(l->pid_fd);
    loop_timer_close(l->connect_timer);
    if (l->is_awaited)
        scan_lease_known(l);
    (void)map_remove(&l->agent->leases, l->id);
    free_jobs(l);
    bitset_fini(&l->cores);
    free(l->cores_text);
    free(l->attempts);
    free(l->out);
    free(l);
}

/* The journal is the last to go: whoever comes after us, should we die here, finds the rest by it.
 */
void lease_remove_files(const struct agent *a, uint64_t lease)
{
    static const char *const suffixes[] = {"sock", "journal.new", "journal"};
    CQ_CLEANUP(cq_free_ptr)
    char *tmp =
        path_format("%s/run/leases/lease-%llu.tmp", a->options.dir, (unsigned long long)lease);
    struct cq_err err;
    if (dir_remove(tmp, &err) != 0) /* a killed shepherd could not */
        log_warn("lease.clean lease=%llu error=\"%s\"", (unsigned long long)lease, err.text);
    for (size_t i = 0; i < CQ_COUNT(suffixes); i++) {
        char name[64];
        snprintf(name, sizeof name, "lease-%llu.%s", (unsigned long long)lease, suffixes[i]);
        (void)unlinkat(a->leases_fd, name, 0);
    }
}

void lease_free_if_over(struct lease *l)
{
    if (l->state != LEASE_OVER || l->n_attempts)
        return;
    lease_remove_files(l->agent, l->id);
    lease_forget(l);
}

void lease_renew(struct lease *l, int64_t until_us)
{
    if (until_us <= l->until_us || l->state >= LEASE_DYING)
        return;
    l->until_us = until_us;
    struct shepherd_cmd cmd = shepherd_cmd_of(SHEPHERD_RENEW, 0, 0, 0);
    cmd.until_us = until_us;
    shepherd_link_send(l, &cmd, -1);
}

void lease_renew_all(struct agent *a, int64_t until_us)
{
    size_t at = 0;
    void *value;
    while (map_next(&a->leases, &at, &value))
        lease_renew(value, until_us);
}

static bool has_unfinished(const struct lease *l)
{
    for (size_t i = 0; i < l->n_attempts; i++)
        if (l->attempts[i]->state != ATTEMPT_ENDED)
            return true;
    return false;
}

void lease_drop(struct lease *l)
{
    struct shepherd_cmd cmd = shepherd_cmd_of(SHEPHERD_DROP, 0, 0, 0);
    log_info("lease.drop lease=%llu", (unsigned long long)l->id);
    l->had_work |= l->is_awaited || has_unfinished(l);
    l->is_dropped = true;
    for (size_t i = l->n_attempts; i > 0; i--) /* ends are told until they are acknowledged */
        if (l->attempts[i - 1]->state != ATTEMPT_ENDED)
            attempt_free(l->attempts[i - 1]);
    if (l->state == LEASE_OVER)
        lease_free_if_over(l);
    else
        shepherd_link_send(l, &cmd, -1); /* freed at its death */
}

bool lease_is_in_use(const struct lease *l)
{
    if (l->state == LEASE_OVER)
        return false;
    if (l->is_dropped)
        return l->had_work; /* which is being killed; a shepherd without any holds nobody up */
    /* One that has not told all that it holds may run what nobody knows of. */
    return !l->is_closed || l->is_awaited || l->has_stray || has_unfinished(l);
}

static struct attempt *attempt_of(struct lease *l, const struct lease_record *r)
{
    struct attempt *t = attempt_find(l->agent, r->job, r->task, r->attempt);
    if (t && t->lease != l)
        return NULL; /* two leases never share an attempt: not ours */
    return t ? t : attempt_add(l, r->job, r->task, r->attempt);
}

/* An end of which the ack was given already, told again by a slow packet. */
static bool is_news(const struct lease *l, const struct lease_record *r)
{
    return !l->is_dropped
           && (l->is_adopted || attempt_find(l->agent, r->job, r->task, r->attempt) != NULL);
}

/* A shepherd that answered only after the HELLO went out: what it holds beyond its journal was not
 * reported, so the scheduler has given it to somebody else. */
static bool is_too_late(struct lease *l, const struct lease_record *r)
{
    if (!l->is_awaited || l->agent->socket == NULL
        || (r->type != LEASE_REC_QUEUED && r->type != LEASE_REC_START)
        || attempt_find(l->agent, r->job, r->task, r->attempt))
        return false;
    struct shepherd_cmd cmd = shepherd_cmd_of(SHEPHERD_KILL, r->job, r->task, r->attempt);
    (void)cq_copy_text(cmd.cause, sizeof cmd.cause, "its shepherd did not answer in time");
    l->has_stray = true;
    shepherd_link_send(l, &cmd, -1);
    return true;
}

void lease_on_record(struct lease *l, const struct lease_record *r)
{
    if (is_too_late(l, r))
        return;
    switch ((enum lease_record_type)r->type) {
    case LEASE_REC_HELLO:
        l->is_closed |= (r->flags & LEASE_F_CLOSED) != 0;
        break;
    case LEASE_REC_QUEUED:
        if (is_news(l, r))
            (void)attempt_of(l, r);
        break;
    case LEASE_REC_START:
        if (is_news(l, r) && attempt_of(l, r))
            attempt_started(attempt_of(l, r), r);
        break;
    case LEASE_REC_END:
        if (is_news(l, r) && attempt_of(l, r))
            attempt_ended(attempt_of(l, r), r);
        break;
    case LEASE_REC_INVENTORY_END:
        if (l->is_adopted)
            cores_bind(l); /* what came back while there was no agent */
        scan_lease_known(l);
        break;
    case LEASE_REC_ACK:
    case LEASE_REC_STOP:
        break;
    }
}

/* For the next agent, should this one not come to tell it: an attempt that never started is in no
 * journal. */
static void note_stopped(const struct lease *l, const struct lease_record *r)
{
    char name[64];
    struct cq_err err;
    snprintf(name, sizeof name, "lease-%llu.journal", (unsigned long long)l->id);
    int fd = openat(l->agent->leases_fd, name, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && journal_append(fd, r, false, &err) != 0)
        log_warn("lease.journal lease=%llu error=\"%s\"", (unsigned long long)l->id, err.text);
    if (fd >= 0)
        close(fd);
}

static void end_unfinished(struct attempt *t, const char *how)
{
    struct lease *l = t->lease;
    struct lease_record r = {.version = LEASE_RECORD_VERSION,
                             .type = LEASE_REC_END,
                             .lease = l->id,
                             .job = t->job,
                             .task = t->task,
                             .attempt = t->attempt,
                             .flags = t->flags,
                             .exit_code = -1,
                             .start_us = t->start_us,
                             .end_us = loop_now(l->agent->loop).wall_us};
    r.flags |= t->state == ATTEMPT_RUNNING ? 0U : LEASE_F_NO_START;
    /* It did not end by itself, and nobody asked for it: lost. */
    r.limit =
        loop_now(l->agent->loop).mono_us >= l->until_us && l->until_us ? LIMIT_LEASE : LIMIT_NONE;
    if (l->is_stopped)
        r.limit = LIMIT_STOP;
    (void)cq_copy_text(r.cause, sizeof r.cause, how);
    if (t->place)
        (void)cq_copy_text(r.place, sizeof r.place, t->place);
    if (l->is_stopped)
        note_stopped(l, &r);
    attempt_ended(t, &r);
    t->meaning.verdict = WORKER_VERDICT_LOST;
    t->meaning.limit = r.limit;
    (void)cq_copy_text(t->meaning.summary, sizeof t->meaning.summary, how);
    t->meaning.signature[0] = '\0';
}

void lease_on_death(struct lease *l, const char *how)
{
    if (l->state == LEASE_OVER)
        return;
    shepherd_link_drain(l);
    if (!l->is_dropped)
        scan_read_journal(l);
    shepherd_link_close(l);
    loop_fd_close(l->pid_watch);
    l->pid_watch = NULL;
    l->state = LEASE_OVER;
    how = l->is_stopped ? "the pool was stopped" : how;
    size_t lost = 0;
    for (size_t i = 0; i < l->n_attempts; i++)
        if (l->attempts[i]->state != ATTEMPT_ENDED) {
            end_unfinished(l->attempts[i], how);
            lost++;
        }
    if (lost)
        log_warn("lease.lost lease=%llu attempts=%zu why=\"%s\"", (unsigned long long)l->id, lost,
                 how);
    if (l->is_awaited)
        scan_lease_known(l);
    lease_free_if_over(l);
}
