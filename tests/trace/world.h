/* A core in virtual time with everything around it that a test needs: a journal of all records, a
 * store of all views, and a log of what came out. Included by the transcript runner and by the
 * property test, each its own program. */
#ifndef CHIPQ_TEST_WORLD_H
#define CHIPQ_TEST_WORLD_H

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/base/pure/flat.h"
#include "common/base/pure/mem.h"
#include "scheduler/core/core.h"

struct stored { /* one row of the store's entity table, or a job */
    enum record_type type;
    uint64_t id;
    struct record *record, *submit; /* submit: JOB_SUBMIT of a job */
};

struct world {
    struct core *core;
    struct core_config config;
    struct effects fx;
    struct now now;
    struct cq_str log;
    struct record **journal;
    size_t n_journal, cap_journal;
    struct stored *rows; /* sorted by (jobs after entities before leases; type; id) */
    size_t n_rows, cap_rows;
    uint64_t request;
    bool is_quiet; /* no log */
};

/* ---- the store: rows sorted in the order of load ---- */

static unsigned load_rank(enum record_type t)
{
    return t == RECORD_JOB_SNAPSHOT ? 100 : t == RECORD_LEASE_SNAPSHOT ? 200 : (unsigned)t;
}

static size_t row_place(const struct world *w, enum record_type type, uint64_t id, bool *found)
{
    size_t low = 0, high = w->n_rows;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct stored *s = &w->rows[mid];
        unsigned a = load_rank(s->type), b = load_rank(type);
        if (a < b || (a == b && s->id < id))
            low = mid + 1;
        else
            high = mid;
    }
    *found = low < w->n_rows && w->rows[low].type == type && w->rows[low].id == id;
    return low;
}

static struct record *recode(const struct record *r)
{
    struct cq_str bytes = {0};
    struct record *copy = NULL;
    record_encode(r, &bytes);
    int bad =
        record_decode(r->type, record_type_version(r->type), bytes.data, bytes.len, &copy, NULL);
    assert(bad == 0);
    (void)bad;
    cq_str_fini(&bytes);
    return copy;
}

static void store_remove(struct world *w, enum record_type type, uint64_t id)
{
    bool found;
    size_t at = row_place(w, type, id, &found);
    if (!found)
        return;
    record_free(w->rows[at].record);
    record_free(w->rows[at].submit);
    memmove(w->rows + at, w->rows + at + 1, (w->n_rows - at - 1) * sizeof *w->rows);
    w->n_rows--;
}

static void store_put(struct world *w, enum record_type type, uint64_t id, const struct record *r,
                      const struct record *submit)
{
    bool found;
    size_t at = row_place(w, type, id, &found);
    if (!found) {
        cq_grow(&w->rows, &w->cap_rows, w->n_rows);
        memmove(w->rows + at + 1, w->rows + at, (w->n_rows - at) * sizeof *w->rows);
        w->n_rows++;
        w->rows[at] = (struct stored){.type = type, .id = id};
    }
    record_free(w->rows[at].record);
    w->rows[at].record = recode(r);
    if (submit && w->rows[at].submit == NULL)
        w->rows[at].submit = recode(submit);
}

static void on_entity(void *arg, const struct entity_view *e)
{
    if (e->gone)
        store_remove(arg, e->type, e->id);
    else
        store_put(arg, e->type, e->id, e->record, NULL);
}

/* ---- log ---- */

static void log_stamp(struct world *w)
{
    cq_str_printf(&w->log, "[%6" PRId64 "] ", w->now.mono_us / 1000);
}

static void log_attempts(struct world *w, const struct out *o, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        cq_str_printf(&w->log, " %" PRIu64 "/%" PRIu64 "/%" PRIu64 "%s", o->attempts[i].job.v,
                      o->attempts[i].task, o->attempts[i].attempt,
                      o->attempts[i].is_new_job ? "+" : "");
}

static void log_numbers(struct world *w, const struct out *o)
{
    for (size_t i = 0; i < o->n_numbers; i++)
        cq_str_printf(&w->log, " %" PRIu64, o->numbers[i]);
}

static void log_out(struct world *w, const struct out *o)
{
    log_stamp(w);
    switch (o->type) {
    case OUT_REPLY:
        cq_str_printf(&w->log, "reply %s%s%s", cq_code_name(o->code), o->text ? ": " : "",
                      o->text ? o->text : "");
        break;
    case OUT_ACCEPTED:
        cq_str_printf(&w->log, "accepted%s", o->was_known ? " (known)" : "");
        log_numbers(w, o);
        if (o->text)
            cq_str_printf(&w->log, " warning: %s", o->text);
        break;
    case OUT_ACTION_DONE:
        cq_str_printf(&w->log, "action %s%s%s", cq_code_name(o->code), o->text ? ": " : "",
                      o->text ? o->text : "");
        break;
    case OUT_WORKER_WELCOME:
        cq_str_printf(&w->log, "-> w%" PRIu64 " welcome drop", o->worker_id.v);
        log_numbers(w, o);
        break;
    case OUT_CONFIG_DONE:
        cq_str_printf(&w->log, "-> r%" PRIu64 " config %s %s", o->request, cq_code_name(o->code),
                      o->code == CQ_OK ? o->changes : o->text);
        break;
    case OUT_HEARTBEAT_ACK:
        cq_str_printf(&w->log, "-> w%" PRIu64 " ack heartbeat %" PRIu64, o->worker_id.v,
                      o->heartbeat);
        break;
    case OUT_LEASE_GRANT:
        cq_str_printf(&w->log,
                      "-> w%" PRIu64 " grant L%" PRIu64 " cores %s mem %" PRIu64 " hb %" PRIu64,
                      o->worker_id.v, o->lease, o->text, o->mem_mib, o->heartbeat);
        log_attempts(w, o, 0, o->n_attempts);
        break;
    case OUT_LEASE_EXTEND:
        cq_str_printf(&w->log, "-> w%" PRIu64 " extend L%" PRIu64, o->worker_id.v, o->lease);
        log_attempts(w, o, 0, o->n_attempts);
        break;
    case OUT_LEASE_CLOSE:
        cq_str_printf(&w->log, "-> w%" PRIu64 " close L%" PRIu64, o->worker_id.v, o->lease);
        break;
    case OUT_ATTEMPT_KILL:
        cq_str_printf(&w->log, "-> w%" PRIu64 " kill L%" PRIu64, o->worker_id.v, o->lease);
        log_attempts(w, o, 0, o->n_attempts);
        cq_str_printf(&w->log, " (%s)", o->text);
        break;
    case OUT_ATTEMPT_ACK:
        cq_str_printf(&w->log, "-> w%" PRIu64 " ends accepted", o->worker_id.v);
        log_attempts(w, o, 0, o->n_accepted);
        cq_str_add(&w->log, " stale");
        log_attempts(w, o, o->n_accepted, o->n_attempts);
        break;
    }
    cq_str_add_char(&w->log, '\n');
}

static void log_job(struct world *w, const struct job_view *v)
{
    log_stamp(w);
    cq_str_printf(&w->log, "job %s/%" PRIu64 " %s", v->enterprise_name, v->number,
                  job_state_name(v->state));
    const char *const names[] = {"waiting", "running", "passed", "failed", "killed", "lost"};
    const uint64_t counts[] = {v->waiting, v->running, v->passed, v->failed, v->killed, v->lost};
    for (size_t i = 0; i < CQ_COUNT(names); i++)
        if (counts[i])
            cq_str_printf(&w->log, " %s=%" PRIu64, names[i], counts[i]);
    if (job_state_is_terminal(v->state))
        cq_str_printf(&w->log, " verdict=%s%s%s", verdict_name(v->verdict),
                      *v->end_cause ? " cause=" : "", v->end_cause);
    cq_str_add_char(&w->log, '\n');
    for (size_t i = 0; i < v->n_tasks_changed; i++) {
        const struct task_view *t = &v->tasks_changed[i];
        log_stamp(w);
        cq_str_printf(&w->log, "  task %" PRIu64 " attempt %" PRIu64 " %s %s%s%s%s\n", t->task,
                      t->attempt, t->state, verdict_name(t->verdict),
                      t->is_attempt ? " (goes on)"
                      : t->is_live  ? " (live)"
                                    : "",
                      *t->cause ? " cause=" : "", t->cause);
    }
}

/* ---- a turn ---- */

/* That of this turn's, or NULL. */
static const struct record *submit_of(const struct world *w, uint64_t id)
{
    for (size_t i = 0; i < w->fx.n_records; i++)
        if (w->fx.records[i]->type == RECORD_JOB_SUBMIT && w->fx.records[i]->u.job_submit.id == id)
            return w->fx.records[i];
    return NULL;
}

static void take_views(struct world *w)
{
    for (size_t i = 0; i < w->fx.n_dirty_jobs; i++) {
        struct job_view v;
        struct job_id id = w->fx.dirty_jobs[i];
        core_view_job(w->core, id, &v);
        if (!w->is_quiet)
            log_job(w, &v);
        if (v.state_record)
            store_put(w, RECORD_JOB_SNAPSHOT, id.v, v.state_record,
                      v.is_new ? submit_of(w, id.v) : NULL);
        else
            store_remove(w, RECORD_JOB_SNAPSHOT, id.v);
        job_view_fini(&v);
        core_forget(w->core, id);
    }
    core_view_entities(w->core, on_entity, w);
}

static void seal(struct world *w)
{
    for (size_t i = 0; i < w->fx.n_records; i++) {
        cq_grow(&w->journal, &w->cap_journal, w->n_journal);
        w->journal[w->n_journal++] = recode(w->fx.records[i]);
    }
    for (size_t i = 0; !w->is_quiet && i < w->fx.n_outs; i++)
        log_out(w, &w->fx.outs[i]);
    take_views(w);
    effects_clear(&w->fx);
}

CQ_UNUSED static int world_step(struct world *w, struct input *in)
{
    struct cq_err err = {.code = CQ_OK};
    in->request = ++w->request;
    int bad = core_step(w->core, in, w->now, &w->fx, &err);
    core_plan(w->core, w->now, &w->fx);
    if (bad && !w->is_quiet) {
        log_stamp(w);
        cq_str_printf(&w->log, "step failed %s: %s\n", cq_code_name(err.code), err.text);
    }
    seal(w);
    return bad;
}

/* ---- restarts ---- */

static void apply_or_die(struct core *c, const struct record *r)
{
    struct cq_err err = {.code = CQ_OK};
    if (core_apply(c, r, &err) != 0) {
        (void)fprintf(stderr, "record %s does not apply: %s\n", record_type_name(r->type),
                      err.text);
        abort();
    }
}

CQ_UNUSED static struct core *core_from_rows(const struct world *w)
{
    struct core *c = core_new(&w->config);
    for (size_t i = 0; i < w->n_rows; i++) {
        if (w->rows[i].submit)
            apply_or_die(c, w->rows[i].submit);
        apply_or_die(c, w->rows[i].record);
    }
    for (size_t i = 0; i < w->n_journal; i++)
        if (w->journal[i]->type == RECORD_ATTEMPT_END)
            core_remember_end(c, w->journal[i]);
    return c;
}

/* Ended jobs leave, as they left the live core: each turn ends with their views. */
CQ_UNUSED static struct core *core_from_journal(const struct world *w)
{
    struct core *c = core_new(&w->config);
    for (size_t i = 0; i < w->n_journal; i++)
        apply_or_die(c, w->journal[i]);
    return c;
}

CQ_UNUSED static void world_start(struct world *w)
{
    core_load_done(w->core, w->now, &w->fx);
    core_plan(w->core, w->now, &w->fx);
    seal(w);
}

CQ_UNUSED static void world_restart(struct world *w)
{
    struct core *next = core_from_rows(w);
    core_free(w->core);
    w->core = next;
    world_start(w);
}

CQ_UNUSED static void world_init(struct world *w, const struct core_config *config)
{
    *w = (struct world){.config = *config, .now = {.mono_us = 0, .wall_us = 1000000000}};
    w->core = core_new(&w->config);
    w->is_quiet = true;
    world_start(w);
    w->is_quiet = false;
}

CQ_UNUSED static void world_fini(struct world *w)
{
    core_free(w->core);
    effects_fini(&w->fx);
    cq_str_fini(&w->log);
    for (size_t i = 0; i < w->n_journal; i++)
        record_free(w->journal[i]);
    for (size_t i = 0; i < w->n_rows; i++) {
        record_free(w->rows[i].record);
        record_free(w->rows[i].submit);
    }
    free(w->journal);
    free(w->rows);
}

/* Advances both clocks, serving every timer on the way. */
CQ_UNUSED static void world_advance(struct world *w, int64_t to_mono_us)
{
    int64_t wake;
    while ((wake = core_wake_at_us(w->core)) <= to_mono_us) {
        if (wake > w->now.mono_us) {
            w->now.wall_us += wake - w->now.mono_us;
            w->now.mono_us = wake;
        }
        struct input in = {.type = INPUT_TIMER};
        (void)world_step(w, &in);
    }
    if (to_mono_us > w->now.mono_us) {
        w->now.wall_us += to_mono_us - w->now.mono_us;
        w->now.mono_us = to_mono_us;
    }
}

/* ---- inputs in short ---- */

CQ_UNUSED static struct principal_id world_principal(const struct world *w, const char *key_of)
{
    struct principal_view v;
    char key[41];
    (void)snprintf(key, sizeof key, "%-40.40s", key_of);
    return core_find_principal_key(w->core, key, &v) ? v.id : (struct principal_id){0};
}

CQ_UNUSED static void world_add_user(struct world *w, const char *enterprise, const char *name,
                                     enum role role)
{
    char key[41];
    (void)snprintf(key, sizeof key, "%-40.40s", name);
    struct input in = {.type = INPUT_USER_ADD};
    in.u.user_add.enterprise = enterprise;
    in.u.user_add.name = name;
    in.u.user_add.role = role;
    in.u.user_add.public_key = key;
    (void)world_step(w, &in);
}

CQ_UNUSED static void world_add_enterprise(struct world *w, const char *name)
{
    struct input in = {.type = INPUT_ENTERPRISE_ADD};
    in.u.enterprise_add.name = name;
    (void)world_step(w, &in);
}

#define IN_JOB_PLAIN                                                                     \
    {                                                                                    \
        .name = "", .tool = "", .stage_of = "", .array = "", .topo = "", .node_has = "", \
        .cores = 1, .mem_mib = 100, .run = "x", .run_bytes = 1                           \
    }

#endif
