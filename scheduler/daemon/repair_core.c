/* The core in a repair: it makes rows from the journal, or loads what was read and ends the jobs
 * that are known by a part only; and at last it starts as it will start. */
#include "scheduler/daemon/repair.h"

#include "common/base/pure/map.h"
#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/files.h"
#include "scheduler/daemon/load.h"
#include "scheduler/daemon/views.h"

#include <inttypes.h>
#include <unistd.h>

/* Jobs that are over leave memory some time after their last record: others may still ask them. */
enum { RECORDS_A_ROUND = 100000 };

#define STATE_LOST                                                                                 \
    "its state was lost with a damaged page of the database; how far it was is not known: submit " \
    "it again"

struct store *repair_open(const struct repair *r, struct cq_err *err)
{
    struct store_options so = {.path = r->made, .low_water_bytes = 1, .ballast_bytes = 4096};
    return store_open(&so, err);
}

void repair_close(const struct repair *r, struct store *s)
{
    char *ballast CQ_CLEANUP(cq_free_ptr) = path_format("%s-ballast", r->made);
    store_close(s);
    (void)unlink(ballast);
}

static struct core *new_core(const struct repair *r, bool may_lack_jobs)
{
    struct core_config config = load_config(r->o);
    config.may_lack_jobs = may_lack_jobs;
    return core_new(&config);
}

static void add_entity(void *batch, const struct entity_view *e)
{
    store_batch_add_entity(batch, e);
}

static void add_view(struct core *c, struct job_id id, struct store_batch *b)
{
    struct job_view v = {0};
    core_view_job(c, id, &v);
    char *metrics CQ_CLEANUP(cq_free_ptr) = view_metrics(&v);
    store_batch_add_job(b, &v, metrics);
    bool is_over = job_state_is_terminal(v.state);
    job_view_fini(&v);
    if (is_over)
        core_forget(c, id);
}

/* ---- whether it fits ---- */

bool repair_fits(struct repair *r, bool may_lack_jobs)
{
    struct store *s = repair_open(r, &r->misfit);
    if (s == NULL)
        return false;
    struct core *c = new_core(r, may_lack_jobs);
    bool fits = load_live(s, c, &r->misfit) == 0;
    core_free(c);
    repair_close(r, s);
    return fits;
}

int repair_forget(struct repair *r, struct cq_err *err)
{
    struct store *s = repair_open(r, err);
    if (s == NULL)
        return -1;
    int rc = store_forget_live(s, &r->found, err);
    repair_close(r, s);
    return rc;
}

/* ---- the journal ---- */

struct named {
    uint64_t id, round; /* a job; the last round that named it */
};

struct replay {
    struct repair *r;
    struct store *s;
    struct core *core;
    struct map by_id;
    struct named **jobs; /* all that may still be in memory; owned */
    size_t n, cap;
    uint64_t round, n_records, next_seq;
    bool is_pause; /* rows are written while nothing is read */
};

static uint64_t job_named_by(const struct record *r)
{
    switch ((unsigned)r->type) {
    case RECORD_JOB_SUBMIT:
        return r->u.job_submit.id;
    case RECORD_JOB_CANCEL:
        return r->u.job_cancel.job;
    case RECORD_ATTEMPT_ASSIGN:
        return r->u.attempt_assign.job;
    case RECORD_ATTEMPT_END:
        return r->u.attempt_end_rec.job;
    default:
        return 0;
    }
}

/* Views what is over and was not named lately; all of them when `is_last`. */
static int write_round(struct replay *p, bool is_last, struct cq_err *err)
{
    struct store_batch *b = store_batch_new(p->s);
    size_t kept = 0;
    for (size_t i = 0; i < p->n; i++) {
        struct named *job = p->jobs[i];
        bool is_old = job->round + 1 < p->round && core_is_over(p->core, (struct job_id){job->id});
        if (!is_last && !is_old) {
            p->jobs[kept++] = job;
            continue;
        }
        add_view(p->core, (struct job_id){job->id}, b);
        (void)map_remove(&p->by_id, job->id);
        free(job);
    }
    p->n = kept;
    p->round++;
    return store_fill(p->s, b, &p->r->found, err);
}

static void note_submit(struct replay *p, uint64_t id)
{
    struct named *job = CQ_NEW(struct named);
    job->id = id;
    map_put(&p->by_id, id, job);
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
    cq_grow(&p->jobs, &p->cap, p->n);
    p->jobs[p->n++] = job;
}

static int replay_record(void *arg, uint64_t seq, int64_t at_us, const struct record *r,
                         struct cq_err *err)
{
    struct replay *p = arg;
    (void)at_us;
    if (core_apply(p->core, r, err) != 0)
        return -1;
    uint64_t id = job_named_by(r);
    if (r->type == RECORD_JOB_SUBMIT)
        note_submit(p, id);
    struct named *job = id != 0 ? map_find(&p->by_id, id) : NULL;
    if (job != NULL)
        job->round = p->round;
    uint64_t round = p->r->records_a_round ? p->r->records_a_round : RECORDS_A_ROUND;
    p->next_seq = seq + 1;
    p->is_pause = ++p->n_records % round == 0;
    return p->is_pause ? -1 : 0;
}

static int replay_all(struct replay *p, struct cq_err *err)
{
    int rc;
    do {
        struct cq_err why = {0};
        p->is_pause = false;
        rc = store_each_journal(p->s, p->next_seq, replay_record, p, &why);
        if (rc != 0 && p->is_pause)
            rc = write_round(p, false, &why);
        else
            p->is_pause = false;
        if (rc != 0)
            return cq_fail(err, why.code, "%s", why.text);
    } while (p->is_pause);
    return 0;
}

static int renew_entities(struct replay *p, struct cq_err *err)
{
    struct salvaged_table *t = NULL;
    for (size_t i = 0; i < SALVAGE_TABLES; i++)
        if (strcmp(p->r->found.tables[i].name, "entity") == 0)
            t = &p->r->found.tables[i];
    if (t == NULL || !t->is_damaged)
        return 0;
    struct store_batch *b = store_batch_new(p->s);
    core_view_entities(p->core, add_entity, b);
    t->kept = 0;
    t->refilled = store_batch_entities(b);
    if (store_forget_entities(p->s, err) == 0)
        return store_write(p->s, b, err);
    store_batch_free(b);
    return -1;
}

int repair_replay(struct repair *r, struct cq_err *err)
{
    struct replay p = {.r = r, .s = repair_open(r, err), .round = 1};
    if (p.s == NULL)
        return -1;
    p.core = new_core(r, false);
    int rc = replay_all(&p, err);
    if (rc == 0)
        rc = renew_entities(&p, err);
    if (rc == 0)
        rc = write_round(&p, true, err);
    core_free(p.core);
    map_fini(&p.by_id);
    for (size_t i = 0; i < p.n; i++)
        free(p.jobs[i]);
    free(p.jobs);
    repair_close(r, p.s);
    return rc;
}

/* ---- what was read ---- */

struct settling {
    struct repair *r;
    struct store *s;
    struct core *core;
    struct store_batch *b;
    struct effects effects;
};

static const char *job_text(const struct settling *x, const struct salvaged_job *j, char *to,
                            size_t size)
{
    const char *owner = core_enterprise_name(x->core, (struct enterprise_id){j->enterprise});
    if (j->number != 0)
        (void)snprintf(to, size, "job %" PRIu64 " of %.63s", j->number, *owner ? owner : "?");
    else
        (void)snprintf(to, size, "a job whose number is not known (id %" PRIu64 ")", j->id);
    return to;
}

static void say(struct settling *x, const struct salvaged_job *j, const char *what)
{
    char text[128];
    cq_str_printf(&x->r->jobs, "%s: %s\n", job_text(x, j, text, sizeof text), what);
}

/* In its place: jobs that wait for it learn that it will not pass. */
static struct record *stand_in(const struct salvaged_job *j)
{
    struct record *r = record_new(RECORD_JOB_SUBMIT);
    r->u.job_submit = (struct job_submit){.id = j->id,
                                          .enterprise = j->enterprise,
                                          .number = j->number,
                                          .principal = j->principal,
                                          .project = j->project,
                                          .submit_count = 1,
                                          .cores = 1,
                                          .mem_mib = 1,
                                          .time_us = 1};
    memcpy(r->u.job_submit.client_key.bytes, &j->id, sizeof j->id);
    return r;
}

static int cancel(struct settling *x, const struct salvaged_job *j, bool is_kept,
                  struct cq_err *err)
{
    int64_t wall_us = clock_now().wall_us;
    struct record *r = record_new(RECORD_JOB_CANCEL);
    r->u.job_cancel =
        (struct job_cancel){.job = j->id, .at_us = wall_us, .cause = cq_strdup(STATE_LOST)};
    int rc = core_apply(x->core, r, err);
    if (rc == 0 && is_kept)
        store_batch_add_record(x->b, r, wall_us);
    else
        record_free(r);
    return rc;
}

static int end_job(struct settling *x, const struct salvaged_job *j, struct cq_err *err)
{
    struct record *submit = NULL;
    if (j->is_over || j->principal == 0 || j->number == 0) {
        say(x, j,
            j->is_over ? "it was over; how it ended is lost" : "nothing is left but the number");
        return 0;
    }
    if (j->has_request && store_find_request(x->s, j->id, &submit, err) != 0)
        return -1;
    say(x, j,
        j->has_request
            ? "its request is known, its state is lost: it is cancelled; submit it again"
            : "its request is lost, it cannot run: it is ended as lost; submit it again");
    if (submit == NULL)
        submit = stand_in(j);
    int rc = core_apply(x->core, submit, err);
    record_free(submit);
    return rc == 0 ? cancel(x, j, j->has_request, err) : rc;
}

/* Of a job that has a row, or none to be made, only what depends on it changes. */
static bool is_stand_in(const struct repair *r, uint64_t id)
{
    for (size_t i = 0; i < r->found.n_jobs; i++)
        if (r->found.jobs[i].id == id)
            return !r->found.jobs[i].has_request;
    return false;
}

static void take_effects(struct settling *x)
{
    struct effects *e = &x->effects;
    int64_t wall_us = clock_now().wall_us;
    for (size_t i = 0; i < e->n_records; i++)
        store_batch_add_record(x->b, e->records[i], wall_us);
    e->n_records = 0;
    struct map seen = {0}; /* one may be named twice */
    for (size_t i = 0; i < e->n_dirty_jobs; i++) {
        uint64_t id = e->dirty_jobs[i].v;
        if (map_find(&seen, id) == NULL && !is_stand_in(x->r, id))
            add_view(x->core, e->dirty_jobs[i], x->b);
        map_put(&seen, id, x);
    }
    map_fini(&seen);
    effects_clear(e);
}

/* An epoch that workers have seen may be lost with the transactions of the WAL, or its row. */
static int pass_epochs(struct settling *x, struct cq_err *err)
{
    const struct salvage *f = &x->r->found;
    if (f->lost_frames == 0 && salvage_table(f, "reign")->refilled == 0)
        return 0;
    uint64_t loaded = store_epoch(x->s), known = core_epoch(x->core);
    struct record *r = record_new(RECORD_EPOCH_START);
    r->u.epoch_start.epoch = (loaded > known ? loaded : known) + EPOCHS_PASSED;
    int rc = core_apply(x->core, r, err);
    record_free(r);
    return rc;
}

static void note_repair(struct settling *x)
{
    int64_t wall_us = clock_now().wall_us;
    const char *slash = strrchr(x->r->aside, '/');
    struct record *r = record_new(RECORD_BACKUP);
    r->u.backup_rec = (struct backup_rec){
        .name = cq_strdup(slash ? slash + 1 : x->r->aside), .restored = 2, .at_us = wall_us};
    store_batch_add_record(x->b, r, wall_us);
}

/* Numbers that were given, and of whose jobs nothing is left. */
static void tell_gaps(struct settling *x)
{
    for (size_t i = 0; i < x->r->found.n_gaps; i++) {
        const struct salvaged_gap *g = &x->r->found.gaps[i];
        const char *owner = core_enterprise_name(x->core, (struct enterprise_id){g->enterprise});
        if (g->first == g->last)
            cq_str_printf(&x->r->jobs, "job %" PRIu64 " of %.63s", g->first, owner);
        else
            cq_str_printf(&x->r->jobs, "jobs %" PRIu64 " to %" PRIu64 " of %.63s", g->first,
                          g->last, owner);
        cq_str_add(&x->r->jobs, ": nothing is left but the number\n");
    }
}

static int settle(struct settling *x, struct cq_err *err)
{
    const struct salvage *f = &x->r->found;
    if (load_live(x->s, x->core, err) != 0)
        return -1;
    for (size_t i = 0; i < f->n_jobs; i++)
        if (end_job(x, &f->jobs[i], err) != 0)
            return -1;
    tell_gaps(x);
    if (pass_epochs(x, err) != 0)
        return -1;
    store_skip_seq(x->s, f->next_seq);
    core_load_done(x->core, clock_now(), &x->effects);
    take_effects(x);
    note_repair(x);
    core_view_entities(x->core, add_entity, x->b);
    struct store_batch *b = x->b;
    x->b = NULL;
    return store_write(x->s, b, err);
}

int repair_settle(struct repair *r, struct cq_err *err)
{
    struct settling x = {.r = r, .s = repair_open(r, err)};
    if (x.s == NULL)
        return -1;
    x.core = new_core(r, true);
    x.b = store_batch_new(x.s);
    int rc = settle(&x, err);
    store_batch_free(x.b);
    effects_fini(&x.effects);
    core_free(x.core);
    repair_close(r, x.s);
    return rc;
}

int repair_prove(struct repair *r, struct cq_err *err)
{
    struct store *s = repair_open(r, err);
    if (s == NULL)
        return -1;
    struct core *c = new_core(r, false);
    struct effects e = {0};
    struct counts counts = {0};
    int rc = load_all(s, c, err);
    if (rc == 0) {
        core_load_done(c, clock_now(), &e);
        core_counts(c, (struct enterprise_id){0}, &counts);
        r->live_jobs = counts.jobs_waiting + counts.jobs_running;
    }
    effects_fini(&e);
    core_free(c);
    repair_close(r, s);
    return rc;
}
