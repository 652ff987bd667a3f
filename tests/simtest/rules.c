/* The rules of clients, jobs and attempts. The books of machines are in rules_books.c. */
#include "tests/simtest/rules.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/ranges.h"
#include "tests/simtest/nodes.h"
#include "tests/simtest/rules_books.h"

#include <inttypes.h>
#include <sys/wait.h>

struct rules_state rules;

/* Who is who, from the journal. */
static struct {
    uint64_t id, enterprise;
    char name[16];
} people[16];
static size_t n_people;

void rules_reset(void)
{
    memset(&rules, 0, sizeof rules);
    n_people = 0;
    books_reset();
}

uint64_t rules_principal(const char *user, uint64_t *enterprise)
{
    for (size_t i = 0; i < n_people; i++)
        if (strcmp(people[i].name, user) == 0) {
            *enterprise = people[i].enterprise;
            return people[i].id;
        }
    abort();
}

static struct known_job *find_job(uint64_t id)
{
    struct known_job *j = rules.jobs;
    while (j && j->id != id)
        j = j->next;
    return j;
}

static struct known_attempt *find_attempt(const struct known_job *j, uint64_t task,
                                          uint64_t attempt)
{
    for (size_t i = 0; j && i < j->n_attempts; i++)
        if (j->attempts[i].task == task && j->attempts[i].attempt == attempt)
            return &j->attempts[i];
    return NULL;
}

static struct truth *find_truth(uint64_t job, uint64_t task, uint64_t attempt)
{
    for (size_t i = truths.n; i > 0; i--) {
        struct truth *t = truths.all[i - 1];
        if (t->job == job && t->task == task && t->attempt == attempt)
            return t;
    }
    return NULL;
}

/* ---- clients ---- */

struct submit_note *rules_submit(size_t client, const struct cq_str *frame, size_t n_jobs,
                                 const struct cq_uuid *key)
{
    struct heap *old = heap_enter(&sim.world);
    struct submit_note *s = CQ_NEW(struct submit_note);
    *s = (struct submit_note){.key = *key,
                              .client = client,
                              .frame = cq_memdup(frame->data, frame->len),
                              .frame_bytes = frame->len,
                              .n_jobs = n_jobs,
                              .next = rules.submits};
    heap_leave(old);
    rules.submits = s;
    rules.n_submits++;
    return s;
}

static struct submit_note *find_submit(const struct cq_uuid *key)
{
    struct submit_note *s = rules.submits;
    while (s && !cq_uuid_equal(&s->key, key))
        s = s->next;
    return s;
}

/* R1: what was acknowledged is on the disk. */
static void check_accepted(const struct submit_note *s)
{
    size_t n = 0;
    for (const struct known_job *j = rules.jobs; j; j = j->next)
        n += j->submit == s && disk_job_by_id(j->id) != NULL;
    if (n != s->n_jobs)
        sim_fail("R1",
                 "of an acknowledged submit of %zu jobs, the first number %" PRIu64
                 ", %zu are on the disk",
                 s->n_jobs, s->first_number, n);
}

void rules_accepted(struct submit_note *s, const struct msg_accepted *m)
{
    note("accepted", s->client, m->n_numbers ? m->numbers[0] : 0, m->n_numbers, m->was_known);
    if (m->n_numbers != s->n_jobs)
        sim_fail("R4", "a submit of %zu jobs was acknowledged with %zu numbers", s->n_jobs,
                 m->n_numbers);
    else if (s->fate == SUBMIT_OK && s->first_number != m->numbers[0])
        sim_fail("R4", "one key was acknowledged with job %" PRIu64 " and with job %" PRIu64,
                 s->first_number, m->numbers[0]);
    else if (s->fate != SUBMIT_OK)
        rules.n_accepted++;
    s->first_number = m->numbers[0];
    s->fate = SUBMIT_OK;
    check_accepted(s);
}

void rules_refused(struct submit_note *s, enum cq_code code, const char *text)
{
    note("refused", s->client, (uint64_t)code, s->was_unsure, 0);
    note_bytes(text, strlen(text));
    if (s->fate != SUBMIT_UNKNOWN || s->was_unsure)
        return;
    s->fate = SUBMIT_REFUSED;
    for (const struct known_job *j = rules.jobs; j; j = j->next)
        if (j->submit == s)
            sim_fail("R2", "job %" PRIu64 " is on the disk and its submit is refused: %s",
                     j->number, text);
}

static bool is_cancelled(const struct known_job *j, uint64_t task)
{
    struct ranges r = {0};
    if (j->is_cancelled || j->cancelled == NULL)
        return j->is_cancelled;
    bool is = ranges_parse(j->cancelled, INT32_MAX, 100000, &r, NULL) == 0
              && ranges_has(&r, (uint32_t)task);
    ranges_fini(&r);
    return is;
}

/* R9: it has had the time to reach every machine, or to let the lease run out. */
static void check_gone(void *arg, uint64_t n)
{
    const struct known_job *j = arg;
    for (size_t i = 0; n == j->n_cancels && i < truths.n; i++) {
        const struct truth *t = truths.all[i];
        if (t->job == j->id && t->is_alive && !t->was_frozen && is_cancelled(j, t->task))
            sim_fail("R9",
                     "job %" PRIu64 " task %" PRIu64 " attempt %" PRIu64
                     " still runs, and its cancel was acknowledged long ago",
                     j->number, t->task, t->attempt);
    }
}

/* R9: an acknowledged cancel is on the disk, or there was nothing left to cancel. */
void rules_cancelled(uint64_t enterprise, uint64_t number, const char *tasks, uint64_t running,
                     uint64_t sent)
{
    struct known_job *j = rules.jobs;
    while (j && (j->enterprise != enterprise || j->number != number))
        j = j->next;
    note("cancelled", enterprise, number, running, sent);
    rules.n_cancels++;
    if (j == NULL)
        sim_fail("R1", "job %" PRIu64 " was cancelled and is not on the disk", number);
    else if (!j->is_over && !j->is_cancelled && j->cancelled == NULL && *tasks == '\0')
        sim_fail("R9", "the cancel of job %" PRIu64 " was acknowledged and is not on the disk",
                 number);
    else if (!j->is_over)
        event_in(settings.lease_us + settings.lease_us / 50 + frozen_us() + 10 * SECONDS,
                 check_gone, j, ++j->n_cancels);
}

bool rules_waits_for_person(uint64_t job)
{
    const struct known_job *j = find_job(job);
    if (j == NULL || !j->asks_on_loss || sim.now_us - j->moved_us < 60 * SECONDS)
        return false;
    for (size_t i = 0; i < j->n_attempts; i++)
        if (!j->attempts[i].is_ended && !j->attempts[i].is_revoked)
            return false;
    return j->n_attempts > 0;
}

/* ---- records ---- */

static void on_submit(const struct job_submit *r)
{
    struct submit_note *s = find_submit(&r->client_key);
    if (s == NULL) {
        sim_fail("R3", "job %" PRIu64 " is on the disk and nobody asked for it", r->number);
        return;
    }
    if (s->fate == SUBMIT_REFUSED)
        sim_fail("R2", "job %" PRIu64 " is on the disk and its submit was refused", r->number);
    for (const struct known_job *j = rules.jobs; j; j = j->next)
        if (j->submit == s && j->submit_index == r->submit_index)
            sim_fail("R4", "jobs %" PRIu64 " and %" PRIu64 " have one key", j->number, r->number);
    struct msg m = {0};
    if (msg_decode(s->frame, s->frame_bytes, &m, NULL) != 0
        || r->submit_index >= m.u.submit.n_jobs) {
        sim_fail("R3", "job %" PRIu64 " is none of those that were asked for", r->number);
        return;
    }
    const struct job_spec *spec = &m.u.submit.jobs[r->submit_index];
    if (spec->cores != r->cores || spec->restart != r->restart || spec->on_lost != r->on_lost
        || strcmp(spec->array, r->array ? r->array : "") != 0 || spec->run.len != r->run.len
        || memcmp(spec->run.data, r->run.data, r->run.len) != 0)
        sim_fail("R3", "job %" PRIu64 " on the disk is not as it was asked for", r->number);
    msg_fini(&m);
    struct known_job *j = CQ_NEW(struct known_job);
    *j = (struct known_job){.id = r->id,
                            .enterprise = r->enterprise,
                            .number = r->number,
                            .principal = r->principal,
                            .submit_index = r->submit_index,
                            .submit = s,
                            .is_never = r->restart == 1,
                            .asks_on_loss = r->on_lost == 2,
                            .moved_us = sim.now_us,
                            .next = rules.jobs};
    rules.jobs = j;
    rules.n_jobs++;
    note("job", r->enterprise, r->number, s->key.bytes[0] * 256U + s->key.bytes[1],
         r->submit_index);
}

static void on_cancel(const struct job_cancel *r)
{
    struct known_job *j = find_job(r->job);
    struct cq_str all = {0};
    if (j == NULL)
        return;
    if (r->tasks == NULL || *r->tasks == '\0') {
        j->is_cancelled = true;
        return;
    }
    cq_str_printf(&all, "%s%s%s", j->cancelled ? j->cancelled : "", j->cancelled ? "," : "",
                  r->tasks);
    free(j->cancelled);
    j->cancelled = cq_str_take(&all);
}

static void on_assign(const struct attempt_assign *r)
{
    struct known_job *j = find_job(r->job);
    uint64_t last = 0;
    if (j == NULL || j->is_over) {
        sim_fail("R5", "an attempt of a job that is %s is given out", j ? "over" : "not there");
        return;
    }
    for (size_t i = 0; i < j->n_attempts; i++)
        if (j->attempts[i].task == r->task && j->attempts[i].attempt > last)
            last = j->attempts[i].attempt;
    if (r->attempt != last + 1)
        sim_fail("R6", "job %" PRIu64 " task %" PRIu64 ": attempt %" PRIu64 " follows %" PRIu64,
                 j->number, r->task, r->attempt, last);
    if (is_cancelled(j, r->task))
        sim_fail("R9", "job %" PRIu64 " task %" PRIu64 ": given out after its cancel", j->number,
                 r->task);
    j->moved_us = sim.now_us;
    cq_grow(&j->attempts, &j->cap_attempts, j->n_attempts);
    j->attempts[j->n_attempts++] =
        (struct known_attempt){.task = r->task, .attempt = r->attempt, .lease = r->lease};
}

/* R8: the end that counts is the end that was. */
static void check_end(const struct known_job *j, const struct attempt_end_rec *r)
{
    const struct truth *t = find_truth(r->job, r->task, r->attempt);
    if (t == NULL) {
        if (r->verdict == VERDICT_PASS || r->exit_code >= 0)
            sim_fail("R8",
                     "job %" PRIu64 " task %" PRIu64 " attempt %" PRIu64 " passed and never ran",
                     j->number, r->task, r->attempt);
        return;
    }
    bool is_exit = t->status >= 0 && WIFEXITED(t->status);
    int code = is_exit ? WEXITSTATUS(t->status) : -1;
    if (t->is_alive && !t->was_frozen)
        sim_fail(r->worker ? "R8" : "R7",
                 "job %" PRIu64 " task %" PRIu64 " attempt %" PRIu64
                 " counts as ended (%s, %s) and still runs",
                 j->number, r->task, r->attempt, verdict_name((enum verdict)r->verdict),
                 r->cause ? r->cause : "");
    if (r->verdict == VERDICT_PASS && code != 0)
        sim_fail("R8", "job %" PRIu64 " task %" PRIu64 " attempt %" PRIu64 " passed with status %d",
                 j->number, r->task, r->attempt, t->status);
    if (r->worker && r->exit_code >= 0 && code != r->exit_code)
        sim_fail("R8",
                 "job %" PRIu64 " task %" PRIu64 " attempt %" PRIu64 " has exit code %" PRId64
                 ", in truth %d",
                 j->number, r->task, r->attempt, r->exit_code, code);
}

static void on_end(const struct attempt_end_rec *r)
{
    struct known_job *j = find_job(r->job);
    struct known_attempt *a = find_attempt(j, r->task, r->attempt);
    if (a == NULL) {
        sim_fail("R5", "an attempt ends that was not given out");
        return;
    }
    if (a->is_ended || a->is_revoked)
        sim_fail("R5", "job %" PRIu64 " task %" PRIu64 " attempt %" PRIu64 " ends %s", j->number,
                 r->task, r->attempt, a->is_ended ? "twice" : "after it was taken back");
    j->moved_us = sim.now_us;
    a->is_ended = true;
    a->verdict = r->verdict;
    a->was_accepted = r->worker != 0;
    check_end(j, r);
}

static void on_attempt_start(const struct attempt_start_rec *r)
{
    if (find_truth(r->job, r->task, r->attempt) == NULL)
        sim_fail("R3", "a start is on the disk that never happened");
}

/* What is still in a lease's queue when it is closed waits again: so it must not run, ever. */
static void take_back(struct known_job *j, struct known_attempt *a)
{
    const struct truth *t = find_truth(j->id, a->task, a->attempt);
    a->is_revoked = true;
    if (t && t->is_alive && !t->was_frozen)
        sim_fail("R7",
                 "job %" PRIu64 " task %" PRIu64 " attempt %" PRIu64 " was taken back and runs",
                 j->number, a->task, a->attempt);
}

static void on_lease_close(const struct lease_close_rec *r)
{
    for (struct known_job *j = rules.jobs; j; j = j->next)
        for (size_t i = 0; i < j->n_attempts; i++)
            if (j->attempts[i].lease == r->lease && !j->attempts[i].is_ended
                && !j->attempts[i].is_revoked)
                take_back(j, &j->attempts[i]);
}

static void on_principal(const struct principal_add *r)
{
    if (n_people == CQ_COUNT(people))
        abort();
    people[n_people].id = r->id;
    people[n_people].enterprise = r->enterprise;
    (void)cq_copy_text(people[n_people++].name, sizeof people[0].name, r->name);
}

void rules_record(const struct record *r)
{
    switch ((unsigned)r->type) {
    case RECORD_PRINCIPAL_ADD:
        on_principal(&r->u.principal_add);
        break;
    case RECORD_JOB_SUBMIT:
        on_submit(&r->u.job_submit);
        break;
    case RECORD_JOB_CANCEL:
        on_cancel(&r->u.job_cancel);
        break;
    case RECORD_ATTEMPT_ASSIGN:
        on_assign(&r->u.attempt_assign);
        break;
    case RECORD_ATTEMPT_START:
        on_attempt_start(&r->u.attempt_start_rec);
        break;
    case RECORD_ATTEMPT_END:
        on_end(&r->u.attempt_end_rec);
        break;
    case RECORD_LEASE_CLOSE:
        on_lease_close(&r->u.lease_close_rec);
        break;
    default:
        break;
    }
    books_record(r);
}

void rules_job_row(const struct disk_job *old, const struct disk_job *now)
{
    struct known_job *j = find_job(now->id);
    uint64_t sum =
        now->waiting + now->running + now->passed + now->failed + now->killed + now->lost;
    bool is_over = job_state_is_terminal(now->state);
    if (old && job_state_is_terminal(old->state) && old->state != now->state)
        sim_fail("R5", "job %" PRIu64 " was %s and is now %s", now->number,
                 job_state_name(old->state), job_state_name(now->state));
    if (sum != now->tasks)
        sim_fail("R5", "job %" PRIu64 " has %" PRIu64 " tasks, its counts come to %" PRIu64,
                 now->number, now->tasks, sum);
    if (is_over && now->waiting + now->running > 0)
        sim_fail("R5", "job %" PRIu64 " is over with %" PRIu64 " tasks that are not", now->number,
                 now->waiting + now->running);
    if (j && is_over)
        j->is_over = true;
}

void rules_transaction_done(void)
{
}

/* ---- workers ---- */

static void check_others(const struct truth *t, const struct known_job *j)
{
    for (size_t i = 0; i + 1 < truths.n; i++) {
        const struct truth *o = truths.all[i];
        if (o->job != t->job || o->task != t->task)
            continue;
        if (o->attempt == t->attempt)
            sim_fail("R6", "job %" PRIu64 " task %" PRIu64 ": attempt %" PRIu64 " starts twice",
                     j->number, t->task, t->attempt);
        if (j->is_never)
            sim_fail("P6", "job %" PRIu64 " task %" PRIu64 " said restart=never and starts again",
                     j->number, t->task);
        if (o->is_alive && !o->was_frozen && !t->was_frozen)
            sim_fail("R7",
                     "job %" PRIu64 " task %" PRIu64 ": attempts %" PRIu64 " and %" PRIu64
                     " run at once",
                     j->number, t->task, o->attempt, t->attempt);
    }
}

void rules_started(struct truth *t)
{
    const struct known_job *j = find_job(t->job);
    const struct known_attempt *a = find_attempt(j, t->task, t->attempt);
    if (a == NULL) {
        sim_fail("R3", "an attempt starts before it is on chipqd's disk");
        return;
    }
    if ((a->is_ended || a->is_revoked) && !t->was_frozen)
        sim_fail("R7",
                 "job %" PRIu64 " task %" PRIu64 ": attempt %" PRIu64 " starts although it %s",
                 j->number, t->task, t->attempt, a->is_ended ? "has ended" : "was taken back");
    check_others(t, j);
    books_started(t);
}

/* Outputs of an attempt whose end does not count are never seen. */
void rules_published(uint64_t job, uint64_t task, uint64_t attempt)
{
    struct known_job *j = find_job(job);
    struct known_attempt *a = find_attempt(j, task, attempt);
    if (a == NULL || !a->is_ended || !a->was_accepted)
        sim_fail("R8", "outputs of an attempt are published whose end does not count");
}

/* Accepted is what is on the disk as this worker's word; stale is never what is. */
void rules_acknowledged(const struct msg_attempt_ack *m)
{
    for (size_t i = 0; i < m->n_accepted + m->n_stale; i++) {
        bool is_accepted = i < m->n_accepted;
        const struct attempt_ref *r = is_accepted ? &m->accepted[i] : &m->stale[i - m->n_accepted];
        const struct known_attempt *a = find_attempt(find_job(r->job), r->task, r->attempt);
        bool is_on_disk = a && a->is_ended && a->was_accepted;
        if (is_accepted != is_on_disk)
            sim_fail("R8",
                     "the end of job id %" PRIu64 " task %" PRIu64 " attempt %" PRIu64
                     " is %s, and on the disk it is %s",
                     r->job, r->task, r->attempt, is_accepted ? "accepted" : "called stale",
                     is_on_disk ? "accepted" : "not");
    }
}

/* ---- restarts, and the end ---- */

void rules_restart(void)
{
    rules.n_restarts++;
    for (const struct submit_note *s = rules.submits; s; s = s->next)
        if (s->fate == SUBMIT_OK)
            check_accepted(s);
}

void rules_books(const struct core *c, struct now now)
{
    books_check_core(c, now);
}

bool rules_is_quiet(void)
{
    for (size_t i = 0; i < disk.n_jobs; i++)
        if (!job_state_is_terminal(disk.jobs[i].state))
            return false;
    for (size_t i = 0; i < settings.n_machines; i++)
        if (machine_n_shepherds(&machines[i]) > 0 || kernel_n_files(&machines[i]) > 0)
            return false;
    return jobs_alive() == 0 && books_is_empty();
}

static void check_over(const struct disk_job *j)
{
    struct reason why = {0};
    const struct core *c = master_core();
    if (job_state_is_terminal(j->state))
        return;
    if (c)
        (void)core_explain(c, (struct job_id){j->id}, (struct now){0}, &why, 1);
    sim_fail("R15", "job %" PRIu64 " of enterprise %" PRIu64 " is still %s: %s %s", j->number,
             j->enterprise, job_state_name(j->state), why.code ? why.code : "", why.text);
}

void rules_final(void)
{
    rules_restart();
    for (size_t i = 0; i < disk.n_jobs; i++)
        check_over(&disk.jobs[i]);
    if (jobs_alive() > 0)
        sim_fail("R12", "%zu processes of jobs are left", jobs_alive());
    for (size_t i = 0; i < settings.n_machines; i++)
        if (machine_n_shepherds(&machines[i]) > 0 || kernel_n_files(&machines[i]) > 0)
            sim_fail("R12", "%s has %zu shepherds and %zu files of leases left, one is %s",
                     machines[i].name, machine_n_shepherds(&machines[i]),
                     kernel_n_files(&machines[i]), kernel_file_name(&machines[i]));
    if (!books_is_empty())
        sim_fail("R11", "a lease is still open and there is nothing to do");
}
