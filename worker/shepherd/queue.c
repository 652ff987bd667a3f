/* What a shepherd holds: orders of jobs, attempts that wait, ends that are not acknowledged. */
#include "worker/shepherd/shepherd.h"
#include "common/base/sys/failpoint.h"
#include "common/base/sys/log.h"
#include "worker/lease/journal.h"
#include "worker/lease/place.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { END_TELL_US = 5000, COMPACT_EVERY_ACKS = 256 };

struct job_slot *queue_find_job(struct shepherd *s, uint64_t job)
{
    for (size_t i = 0; i < SHEPHERD_JOBS_MAX && s->jobs[i].job; i++)
        if (s->jobs[i].job == job)
            return &s->jobs[i];
    return NULL;
}

static bool is_job_waiting(const struct shepherd *s, uint64_t job)
{
    for (uint64_t i = s->queue_head; i < s->queue_tail; i++)
        if (s->queue[i % SHEPHERD_QUEUE_MAX].job == job)
            return true;
    return s->now_running.is_on && s->now_running.record.job == job;
}

/* A free slot; when all are taken, the oldest whose job has nothing waiting. Going round keeps the
 * newest orders, whose attempts may be on their way: the scheduler lets a lease hear of fewer jobs
 * than there are slots. */
static struct job_slot *job_slot_for_new(struct shepherd *s)
{
    for (size_t n = 0; n < SHEPHERD_JOBS_MAX; n++) {
        struct job_slot *slot = &s->jobs[s->next_job_slot];
        s->next_job_slot = (s->next_job_slot + 1) % SHEPHERD_JOBS_MAX;
        if (slot->job != 0 && is_job_waiting(s, slot->job))
            continue;
        if (slot->job != 0)
            (void)munmap((void *)slot->map, slot->bytes);
        return slot;
    }
    return NULL;
}

void queue_add_job(struct shepherd *s, uint64_t job, int fd)
{
    struct cq_err err;
    struct job_slot *slot = queue_find_job(s, job);
    if (slot || job == 0)
        return;
    struct job_slot fresh = {.job = job};
    fresh.map = sealed_memory_map(fd, ORDER_MAX, &fresh.bytes, &err);
    if (fresh.map == NULL || order_decode(fresh.map, fresh.bytes, &fresh.order, &err) != 0) {
        log_error("shepherd.order lease=%llu error=\"%s\"", (unsigned long long)s->spec.lease,
                  err.text);
        return; /* its attempts will end as broken, with a text */
    }
    slot = job_slot_for_new(s);
    if (slot)
        *slot = fresh;
    else
        (void)munmap((void *)fresh.map, fresh.bytes);
}

struct lease_record queue_record(const struct shepherd *s, uint32_t type, const struct waiting *w)
{
    struct lease_record r = {.version = LEASE_RECORD_VERSION,
                             .type = type,
                             .lease = s->spec.lease,
                             .job = w->job,
                             .task = w->task,
                             .attempt = w->attempt,
                             .exit_code = -1};
    const struct job_slot *slot = queue_find_job((struct shepherd *)s, w->job);
    if (slot) {
        r.flags = slot->order.flags;
        if (!place_of_task(slot->order.place, w->task, r.place, sizeof r.place))
            r.place[0] = '\0';
    }
    return r;
}

void queue_refuse(struct shepherd *s, const struct waiting *w, uint32_t flags, const char *cause)
{
    struct lease_record r = queue_record(s, LEASE_REC_END, w);
    r.flags |= flags | LEASE_F_NO_START;
    (void)cq_copy_text(r.cause, sizeof r.cause, cause);
    queue_end(s, &r);
}

void queue_push(struct shepherd *s, const struct waiting *w)
{
    if (queue_find_job(s, w->job) == NULL) {
        queue_refuse(s, w, LEASE_F_BROKEN, "the worker did not get the job's specification");
    } else if (s->queue_tail - s->queue_head == SHEPHERD_QUEUE_MAX) {
        queue_refuse(s, w, 0, "the lease's queue is full");
    } else {
        s->queue[s->queue_tail % SHEPHERD_QUEUE_MAX] = *w;
        s->queue_tail++;
    }
}

bool queue_pop(struct shepherd *s, struct waiting *w)
{
    if (s->queue_head == s->queue_tail)
        return false;
    *w = s->queue[s->queue_head % SHEPHERD_QUEUE_MAX];
    s->queue_head++;
    return true;
}

bool queue_kill_waiting(struct shepherd *s, const struct shepherd_cmd *cmd)
{
    for (uint64_t i = s->queue_head; i < s->queue_tail; i++) {
        struct waiting w = s->queue[i % SHEPHERD_QUEUE_MAX];
        if (w.job != cmd->job || w.task != cmd->task || w.attempt != cmd->attempt)
            continue;
        for (uint64_t j = i + 1; j < s->queue_tail; j++)
            s->queue[(j - 1) % SHEPHERD_QUEUE_MAX] = s->queue[j % SHEPHERD_QUEUE_MAX];
        s->queue_tail--;
        queue_refuse(s, &w, LEASE_F_KILLED, cmd->cause);
        return true;
    }
    return false;
}

/* Rewrites the journal without what is acknowledged. The new file is complete and locked before it
 * takes the old one's name. */
static void journal_compact(struct shepherd *s)
{
    struct stat st;
    if (fstat(s->journal_fd, &st) != 0 || st.st_size < JOURNAL_COMPACT_BYTES)
        return;
    struct lease_header header;
    char fresh[64], name[64];
    snprintf(fresh, sizeof fresh, "%s.new", s->name);
    snprintf(name, sizeof name, "%s.journal", s->name);
    (void)unlink(fresh);
    int fd = journal_read_header(s->journal_fd, &header, NULL) == 0
                 ? journal_make(AT_FDCWD, fresh, &header, NULL)
                 : -1;
    if (fd < 0)
        return; /* no room now: the old one goes on */
    int failed = s->now_running.is_on ? journal_append(fd, &s->now_running.record, false, NULL) : 0;
    for (size_t i = 0; i < s->n_ended && !failed; i++)
        failed = journal_append(fd, &s->ended[i], false, NULL);
    if (failed || rename(fresh, name) != 0) {
        (void)unlink(fresh);
        close(fd);
        return;
    }
    close(s->journal_fd);
    s->journal_fd = fd;
}

static void journal_note(struct shepherd *s, const struct lease_record *r)
{
    struct cq_err err;
    if (journal_append(s->journal_fd, r, false, &err) != 0)
        log_error("shepherd.journal lease=%llu error=\"%s\"", (unsigned long long)s->spec.lease,
                  err.text);
}

void queue_end(struct shepherd *s, const struct lease_record *r)
{
    (void)CQ_FP("worker.exit.before_journal");
    journal_note(s, r);
    (void)CQ_FP("worker.exit.after_journal");
    if (s->n_ended == SHEPHERD_ENDED_MAX)
        return; /* a refusal beyond the bound: the agent learns it from the journal */
    s->ended[s->n_ended] = *r;
    s->ended_told[s->n_ended] = false;
    s->n_ended++;
    s->n_untold++;
    bool is_idle = s->queue_head == s->queue_tail;
    link_soon(s, is_idle || s->n_untold >= SHEPHERD_RECORDS_MAX ? 0 : END_TELL_US);
}

void queue_ack(struct shepherd *s, const struct shepherd_cmd *cmd)
{
    for (size_t i = 0; i < s->n_ended; i++) {
        if (!lease_record_is_same(&s->ended[i], cmd->job, cmd->task, cmd->attempt))
            continue;
        struct lease_record ack = s->ended[i];
        ack.type = LEASE_REC_ACK;
        journal_note(s, &ack);
        s->n_untold -= s->ended_told[i] ? 0 : 1;
        s->n_ended--; /* ends stay in their order; acks come in it, so few bytes move */
        memmove(&s->ended[i], &s->ended[i + 1], (s->n_ended - i) * sizeof s->ended[0]);
        memmove(&s->ended_told[i], &s->ended_told[i + 1], s->n_ended - i);
        if (++s->n_acks % COMPACT_EVERY_ACKS == 0)
            journal_compact(s);
        return;
    }
}
