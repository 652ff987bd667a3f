/* The fake shell around the core. */
#include "scheduler/sim/farm.h"

#include <inttypes.h>

#include "common/base/pure/mem.h"

enum {
    DRAIN_EVERY = 4096,   /* inputs between two drains of the entities' changes */
    TIMERS_MAX = 1000000, /* in a row at one instant: the core would be stuck */
};
#define FOR_EVER_US (INT64_MAX / 16)

void farm_init(struct farm *f, const struct core_config *config)
{
    struct core_config c = *config;
    c.lease_us = c.suspect_us = FOR_EVER_US;
    *f = (struct farm){.now = {.mono_us = 0, .wall_us = FARM_WALL_BEGIN_S * US_PER_S}};
    f->core = core_new(&c);
    core_load_done(f->core, f->now, &f->fx);
    effects_clear(&f->fx);
}

void farm_fini(struct farm *f)
{
    core_free(f->core);
    effects_fini(&f->fx);
    free(f->grants.items);
    free(f->kills.items);
    free(f->closed);
    *f = (struct farm){0};
}

/* ---- what the core wants ---- */

static void add_attempt(const struct out *o, const struct out_attempt *a, struct farm_list *list)
{
    cq_grow(&list->items, &list->cap, list->n);
    list->items[list->n++] = (struct farm_grant){.worker = o->worker,
                                                 .lease = o->lease,
                                                 .epoch = o->epoch,
                                                 .at = {.lease = o->lease,
                                                        .epoch = o->epoch,
                                                        .job = a->job.v,
                                                        .task = a->task,
                                                        .attempt = a->attempt}};
}

static void add_attempts(const struct out *o, struct farm_list *list)
{
    for (size_t i = 0; i < o->n_attempts; i++)
        add_attempt(o, &o->attempts[i], list);
}

static void add_closed(struct farm *f, uint64_t lease)
{
    cq_grow(&f->closed, &f->cap_closed, f->n_closed);
    f->closed[f->n_closed++] = lease;
}

static void note_stale(struct farm *f, const struct out *o)
{
    if (o->n_accepted == o->n_attempts)
        return;
    f->code = CQ_E_STALE;
    (void)cq_copy_text(f->text, sizeof f->text, "an end was refused");
}

static void take_answer(struct farm *f, const struct out *o)
{
    f->code = o->code;
    (void)cq_copy_text(f->text, sizeof f->text, o->text ? o->text : "");
    if (o->type == OUT_ACCEPTED && o->n_numbers > 0)
        f->number = o->numbers[0];
}

static void take_out(struct farm *f, const struct out *o)
{
    switch (o->type) {
    case OUT_LEASE_GRANT:
        if (f->on_lease)
            f->on_lease(f->on_lease_arg, o->worker, o->lease, o->text);
        add_attempts(o, &f->grants);
        return;
    case OUT_LEASE_EXTEND:
        add_attempts(o, &f->grants);
        return;
    case OUT_ATTEMPT_KILL:
        add_attempts(o, &f->kills);
        return;
    case OUT_LEASE_CLOSE:
        add_closed(f, o->lease);
        return;
    case OUT_REPLY:
    case OUT_ACCEPTED:
    case OUT_ACTION_DONE:
    case OUT_CONFIG_DONE:
        take_answer(f, o);
        return;
    case OUT_ATTEMPT_ACK:
        note_stale(f, o);
        return;
    case OUT_WORKER_WELCOME:
    case OUT_HEARTBEAT_ACK:
        return;
    }
}

static void take_effects(struct farm *f)
{
    for (size_t i = 0; i < f->fx.n_outs; i++)
        take_out(f, &f->fx.outs[i]);
    effects_clear(&f->fx);
}

static void ignore_entity(void *arg, const struct entity_view *e)
{
    (void)arg, (void)e;
}

static void ignore_usage(void *arg, const struct usage_view *u)
{
    (void)arg, (void)u;
}

int farm_step(struct farm *f, struct input *in, struct cq_err *err)
{
    struct cq_err why = {.code = CQ_OK};
    in->request = ++f->n_inputs;
    f->code = CQ_OK;
    f->text[0] = '\0';
    if (core_step(f->core, in, f->now, &f->fx, &why) != 0)
        return cq_fail(err, why.code, "the core refuses an input: %s", why.text);
    take_effects(f);
    if (f->n_inputs % DRAIN_EVERY == 0) {
        core_view_entities(f->core, ignore_entity, NULL);
        core_take_usage(f->core, ignore_usage, NULL);
    }
    return 0;
}

void farm_plan(struct farm *f)
{
    core_plan(f->core, f->now, &f->fx);
    take_effects(f);
}

static void set_time(struct farm *f, int64_t us)
{
    f->now.mono_us = us;
    f->now.wall_us = FARM_WALL_BEGIN_S * US_PER_S + us;
}

int farm_advance(struct farm *f, int64_t to_us, struct cq_err *err)
{
    int64_t wake_us;
    for (int n = 0; (wake_us = core_wake_at_us(f->core)) <= to_us; n++) {
        struct input in = {.type = INPUT_TIMER};
        if (wake_us > f->now.mono_us) {
            set_time(f, wake_us);
            n = 0;
        }
        if (n > TIMERS_MAX)
            return cq_fail(err, CQ_E_INTERNAL,
                           "the core asks for a timer at %" PRId64 " us again "
                           "and again",
                           wake_us);
        if (farm_step(f, &in, err) != 0)
            return -1;
        farm_plan(f);
        if (f->grants.n > 0 || f->kills.n > 0)
            return 0;
    }
    if (to_us > f->now.mono_us)
        set_time(f, to_us);
    return 0;
}

/* ---- inputs ---- */

/* As farm_step, and a refusal is an error. */
static int step_or_fail(struct farm *f, struct input *in, const char *what, struct cq_err *err)
{
    if (farm_step(f, in, err) != 0)
        return -1;
    return f->code == CQ_OK ? 0 : cq_fail(err, f->code, "%s: %s", what, f->text);
}

int farm_add_enterprise(struct farm *f, const char *name, struct cq_err *err)
{
    struct input in = {.type = INPUT_ENTERPRISE_ADD};
    in.u.enterprise_add.name = name;
    return step_or_fail(f, &in, name, err);
}

static int add_principal(struct farm *f, const char *enterprise, const char *name, enum role role,
                         struct principal_id *id, struct cq_err *err)
{
    char key[41]; /* as long as a key in Z85, and nobody else has it */
    struct principal_view v;
    struct input in = {.type = INPUT_USER_ADD};
    (void)snprintf(key, sizeof key, "%040" PRIu64, ++f->n_keys);
    in.u.user_add.enterprise = enterprise;
    in.u.user_add.name = name;
    in.u.user_add.role = role;
    in.u.user_add.public_key = key;
    if (step_or_fail(f, &in, name, err) != 0)
        return -1;
    if (!core_find_principal_key(f->core, key, &v))
        return cq_fail(err, CQ_E_INTERNAL, "the core does not know user '%s'", name);
    *id = v.id;
    return 0;
}

int farm_add_user(struct farm *f, const char *enterprise, const char *name, struct principal_id *id,
                  struct cq_err *err)
{
    return add_principal(f, enterprise, name, ROLE_DESIGNER, id, err);
}

int farm_add_node(struct farm *f, const char *name, uint64_t cores, uint64_t mem_mib,
                  const char *topology, struct cq_err *err)
{
    char list[32];
    struct input in = {.type = INPUT_WORKER_HELLO};
    if (add_principal(f, "", name, ROLE_WORKER, &in.principal, err) != 0)
        return -1;
    if (cores > 1)
        (void)snprintf(list, sizeof list, "0-%" PRIu64, cores - 1);
    else
        (void)snprintf(list, sizeof list, "0");
    in.u.worker_hello = (struct in_worker_hello){.node = name,
                                                 .cores = list,
                                                 .topology = topology,
                                                 .features = "",
                                                 .mem_mib = mem_mib,
                                                 .heartbeat = 1};
    in.u.worker_hello.incarnation.bytes[0] = in.u.worker_hello.boot_id.bytes[0] = 1;
    return step_or_fail(f, &in, name, err);
}

int farm_configure(struct farm *f, const struct in_config_row *rows, size_t n, struct cq_err *err)
{
    struct input in = {.type = INPUT_CONFIG_APPLY};
    in.u.config.rows = rows;
    in.u.config.n_rows = n;
    return step_or_fail(f, &in, "the configuration is refused", err);
}

int farm_submit(struct farm *f, struct principal_id who, const char *project,
                const struct in_job *jobs, size_t n_jobs, struct cq_err *err)
{
    struct input in = {.type = INPUT_SUBMIT, .principal = who};
    in.u.submit =
        (struct in_submit){.flow = "", .project = project, .jobs = jobs, .n_jobs = n_jobs};
    f->n_keys++;
    memcpy(in.u.submit.key.bytes, &f->n_keys, sizeof f->n_keys);
    f->number = 0;
    return farm_step(f, &in, err);
}

int farm_report_starts(struct farm *f, struct principal_id worker,
                       const struct in_attempt_start *starts, size_t n, struct cq_err *err)
{
    struct input in = {.type = INPUT_WORKER_EVENTS, .principal = worker};
    in.u.events.starts = starts;
    in.u.events.n_starts = n;
    return step_or_fail(f, &in, "what a machine reports is refused", err);
}

int farm_report_ends(struct farm *f, struct principal_id worker, const struct in_attempt_end *ends,
                     size_t n, struct cq_err *err)
{
    struct input in = {.type = INPUT_WORKER_EVENTS, .principal = worker};
    in.u.events.ends = ends;
    in.u.events.n_ends = n;
    return step_or_fail(f, &in, "what a machine reports is refused", err);
}

struct in_attempt_end farm_end(const struct farm *f, const struct in_attempt *at,
                               enum verdict verdict, int64_t run_us)
{
    return (struct in_attempt_end){.at = *at,
                                   .verdict = verdict,
                                   .exit_code = verdict == VERDICT_PASS ? 0 : 1,
                                   .start_us = f->now.wall_us - run_us,
                                   .end_us = f->now.wall_us,
                                   .run_us = (uint64_t)run_us,
                                   .limit = "",
                                   .summary = "",
                                   .signature = "",
                                   .result = "",
                                   .cause = ""};
}

void farm_forget(struct farm *f, struct job_id id)
{
    struct job_view v;
    core_view_job(f->core, id, &v);
    job_view_fini(&v);
    core_forget(f->core, id);
}
