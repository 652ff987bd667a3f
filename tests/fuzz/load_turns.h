/* A core that was loaded from anything, and some turns of chipqd on it: workers come back with what
 * they hold, or with less, report and end; people submit, cancel and configure; time passes. What
 * it stores meanwhile is loaded again at the end. */
#ifndef TEST_FUZZ_LOAD_TURNS_H
#define TEST_FUZZ_LOAD_TURNS_H

#include "scheduler/core/apply_check.h"
#include "scheduler/core/explain.h"
#include "scheduler/core/oracle.h"
#include "tests/fuzz/core_counts.h"
#include "tests/fuzz/load_list.h"
#include "tests/trace/world.h"
#include "tests/trace/dice.h"

enum { TURNS = 12, TIMERS_MAX = 16, TOLD_MAX = 64 };

struct loaded {
    struct world w;
    struct dice dice;
    struct map submits; /* job id -> its JOB_SUBMIT */
};

#ifdef CHIPQ_ORACLE
static void loaded_on_fault(CQ_UNUSED void *arg, const char *what)
{
    (void)fprintf(stderr, "the oracle says: %s\n", what);
    abort();
}
#endif

static struct loaded *loaded_new(const struct core_config *config, uint64_t seed)
{
    struct loaded *x = CQ_NEW(struct loaded);
#ifdef CHIPQ_ORACLE
    oracle_on_fault(loaded_on_fault, NULL);
#endif
    x->w = (struct world){.config = *config, .core = core_new(config), .is_quiet = true};
    x->dice = (struct dice){.state = seed};
    return x;
}

static void loaded_free(struct loaded *x)
{
    void *r;
    for (size_t i = 0; map_next(&x->submits, &i, &r);)
        record_free(r);
    map_fini(&x->submits);
    world_fini(&x->w);
    free(x);
}

static void loaded_keep_submit(struct loaded *x, struct record *r)
{
    if (map_find(&x->submits, r->u.job_submit.id) == NULL)
        map_put(&x->submits, r->u.job_submit.id, record_ref(r));
}

/* Of what is there, by dice; NULL: nothing is. */
static struct job *loaded_job(struct loaded *x)
{
    const struct jobs *all = &x->w.core->jobs;
    size_t nth = all->by_id.n ? (size_t)roll(&x->dice, all->by_id.n) : 0;
    void *job = NULL;
    for (size_t i = 0; map_next(&all->by_id, &i, &job) && nth > 0;)
        nth--;
    return job;
}

static struct worker *loaded_worker(struct loaded *x)
{
    const struct pool *p = &x->w.core->pool;
    return p->n ? p->workers[roll(&x->dice, p->n)] : NULL;
}

static struct principal *loaded_person(struct loaded *x)
{
    const struct people *p = &x->w.core->people;
    return p->n_principals ? p->principals[roll(&x->dice, p->n_principals)] : NULL;
}

/* ---- a turn ---- */

static void loaded_step(struct loaded *x, struct input *in)
{
    struct cq_err err = {0};
    in->request = ++x->w.request;
    FUZZ_CHECK(core_step(x->w.core, in, x->w.now, &x->w.fx, &err) == 0);
    core_plan(x->w.core, x->w.now, &x->w.fx);
    seal(&x->w);
    check_counts(x->w.core);
}

static void turn_time(struct loaded *x)
{
    static const int64_t spans_us[] = {1000, 1000000, 60000000, 3600000000, 86400000000};
    int64_t to_us = x->w.now.mono_us + spans_us[roll(&x->dice, CQ_COUNT(spans_us))];
    struct input in = {.type = INPUT_TIMER};
    for (size_t i = 0; i < TIMERS_MAX && core_wake_at_us(x->w.core) <= to_us; i++) {
        int64_t by_us = core_wake_at_us(x->w.core) - x->w.now.mono_us;
        x->w.now.mono_us += by_us > 0 ? by_us : 0;
        x->w.now.wall_us += by_us > 0 ? by_us : 0;
        loaded_step(x, &in);
    }
    x->w.now.wall_us += to_us - x->w.now.mono_us;
    x->w.now.mono_us = to_us;
    loaded_step(x, &in);
}

static void turn_hello(struct loaded *x)
{
    struct in_held_lease leases[TOLD_MAX];
    struct in_held_attempt attempts[TOLD_MAX];
    const struct worker *w = loaded_worker(x);
    size_t n = 0;
    if (w == NULL)
        return;
    for (size_t i = 0; i < w->n_leases && n < TOLD_MAX; i++) {
        const struct lease *l = w->leases[i];
        if (roll(&x->dice, 6) == 0)
            continue;
        leases[n] = (struct in_held_lease){l->id, l->epoch, &attempts[n], l->n > 0};
        if (l->n > 0)
            attempts[n] = (struct in_held_attempt){l->queue[0].job->id, l->queue[0].task->number,
                                                   l->queue[0].attempt, roll(&x->dice, 4)};
        n++;
    }
    struct input in = {.type = INPUT_WORKER_HELLO, .principal = {w->principal}};
    bool is_new = roll(&x->dice, 6) == 0;
    char *texts[] = {cq_strdup(w->name), cq_strdup(is_new ? "0-3" : w->cores_text),
                     cq_strdup(is_new ? "" : w->topology), cq_strdup(w->features)};
    in.u.worker_hello = (struct in_worker_hello){.incarnation = w->incarnation,
                                                 .boot_id = w->boot_id,
                                                 .home = w->home,
                                                 .node = texts[0],
                                                 .cores = texts[1],
                                                 .topology = texts[2],
                                                 .features = texts[3],
                                                 .mem_mib = is_new ? 1000 : w->mem_mib,
                                                 .heartbeat = 1,
                                                 .leases = leases,
                                                 .n_leases = n};
    if (roll(&x->dice, 6) == 0)
        in.u.worker_hello.boot_id.bytes[0]++;
    loaded_step(x, &in);
    for (size_t i = 0; i < CQ_COUNT(texts); i++)
        free(texts[i]);
}

/* What runs first in one of its leases began, or has ended. */
static void turn_events(struct loaded *x)
{
    const struct worker *w = loaded_worker(x);
    if (w == NULL || w->n_leases == 0)
        return;
    const struct lease *l = w->leases[roll(&x->dice, w->n_leases)];
    if (l->n == 0)
        return;
    const struct in_attempt at = {l->id, l->epoch, l->queue[0].job->id, l->queue[0].task->number,
                                  l->queue[0].attempt};
    struct in_attempt_start start = {.at = at, .start_us = x->w.now.wall_us};
    struct in_attempt_end end = {.at = at,
                                 .verdict = (enum verdict)(1 + roll(&x->dice, VERDICT_COUNT - 1)),
                                 .start_us = x->w.now.wall_us - 1000,
                                 .end_us = x->w.now.wall_us,
                                 .run_us = 1000,
                                 .peak_mem_kib = 1 + roll(&x->dice, 1 << 20),
                                 .limit = roll(&x->dice, 8) ? "" : "stop",
                                 .summary = "",
                                 .signature = "",
                                 .result = "",
                                 .cause = ""};
    struct input in = {.type = INPUT_WORKER_EVENTS, .principal = {w->principal}};
    in.u.events.starts = &start;
    in.u.events.n_starts = roll(&x->dice, 2);
    in.u.events.ends = &end;
    in.u.events.n_ends = roll(&x->dice, 4) > 0;
    loaded_step(x, &in);
}

static void turn_submit(struct loaded *x)
{
    static const char *const licences[] = {"", "", "vcs:1", "dc:1,pt:1", "emu:1"};
    static const char *const topos[] = {"", "", "spread", "pack:numa!"};
    const struct principal *who = loaded_person(x);
    if (who == NULL || who->enterprise == NULL)
        return;
    struct in_job job = IN_JOB_PLAIN;
    job.licences = licences[roll(&x->dice, CQ_COUNT(licences))];
    job.topo = topos[roll(&x->dice, CQ_COUNT(topos))];
    job.cores = 1 + roll(&x->dice, 4);
    job.time_us = (1 + roll(&x->dice, 100)) * 60000000;
    job.array = roll(&x->dice, 3) ? "" : "1-20";
    job.exclusive = roll(&x->dice, 12) == 0;
    job.is_preemptible = roll(&x->dice, 3) == 0;
    struct input in = {.type = INPUT_SUBMIT, .principal = {who->id}};
    in.u.submit = (struct in_submit){.flow = "", .project = "p0", .jobs = &job, .n_jobs = 1};
    memcpy(in.u.submit.key.bytes, &x->w.request, sizeof x->w.request);
    memset(in.u.submit.key.bytes + 8, 0xee, 8);
    loaded_step(x, &in);
}

static void turn_action(struct loaded *x)
{
    const struct job *job = loaded_job(x);
    if (job == NULL)
        return;
    struct input in = {.type = INPUT_ACTION, .principal = {job->principal->id}};
    in.u.action.action = (enum job_action)roll(&x->dice, 4);
    in.u.action.enterprise = (struct enterprise_id){job->enterprise->id};
    in.u.action.number = job->number;
    in.u.action.tasks = roll(&x->dice, 3) || !job->is_array ? "" : "1-3";
    loaded_step(x, &in);
}

static void turn_admin(struct loaded *x)
{
    static const char *const keys[] = {"max-cores", "min-cores", "max-licence", "budget"};
    static const char *const values[] = {"4", "2", "vcs:1", "1core-hours/day"};
    const struct people *p = &x->w.core->people;
    const struct worker *w = loaded_worker(x);
    size_t k = (size_t)roll(&x->dice, CQ_COUNT(keys));
    if (w && roll(&x->dice, 2)) {
        char *name = cq_strdup(w->name);
        struct input in = {.type = INPUT_NODE_DRAIN};
        in.u.node_drain.name = name;
        in.u.node_drain.drain = roll(&x->dice, 2);
        loaded_step(x, &in);
        free(name);
    } else if (p->n_enterprises > 0) {
        char *name = cq_strdup(p->enterprises[roll(&x->dice, p->n_enterprises)]->name);
        const struct in_config_row row = {CONFIG_SET, "enterprise", name, keys[k],
                                          roll(&x->dice, 2) ? values[k] : ""};
        struct input in = {.type = INPUT_CONFIG_APPLY};
        in.u.config = (struct in_config){&row, 1, false};
        loaded_step(x, &in);
        free(name);
    }
}

static void turn_ask(struct loaded *x)
{
    struct reason reasons[8];
    struct start_estimate e;
    const struct job *job = loaded_job(x);
    if (job == NULL)
        return;
    (void)core_explain(x->w.core, (struct job_id){job->id}, x->w.now, reasons, CQ_COUNT(reasons));
    if (core_expect_start(x->w.core, (struct job_id){job->id}, x->w.now, &e))
        FUZZ_CHECK(e.from_us <= e.to_us);
}

/* ---- from the load to the next ---- */

/* The rows as they were loaded; a job that is over leaves, as it leaves a replay. */
static void keep_jobs(struct loaded *x)
{
    struct core *c = x->w.core;
    size_t n = 0, n_jobs = c->jobs.by_id.n;
    uint64_t *ids = cq_calloc(n_jobs, sizeof *ids);
    void *job;
    for (size_t i = 0; map_next(&c->jobs.by_id, &i, &job);)
        ids[n++] = ((struct job *)job)->id;
    for (size_t i = 0; i < n; i++) {
        struct job_view v;
        core_view_job(c, (struct job_id){ids[i]}, &v);
        if (v.state_record)
            store_put(&x->w, RECORD_JOB_SNAPSHOT, ids[i], v.state_record,
                      map_find(&x->submits, ids[i]));
        job_view_fini(&v);
        core_forget(c, (struct job_id){ids[i]});
    }
    free(ids);
}

/* Rows that are as they were loaded are not given again: here all of them are. */
static void keep_rows(struct core *c)
{
    share_mark_changed(c, &c->share.root);
    for (size_t i = 0; i < c->share.n_all; i++)
        share_mark_changed(c, c->share.all[i]);
    for (size_t i = 0; i < c->people.n_enterprises; i++)
        c->people.enterprises[i]->number_changed = true;
    c->counters_changed = c->epoch_changed = true;
}

/* Numbers at the edge of what is taken are beyond it after the next turn. */
static bool is_at_edge(const struct core *c)
{
    bool is = c->next_id > CHECK_ID_MAX - 1000000 || c->epoch > CHECK_ID_MAX - 10
              || c->policy_us > CHECK_TIME_MAX_US / 2;
    for (size_t i = 0; i < c->people.n_enterprises; i++)
        is = is || c->people.enterprises[i]->next_number > CHECK_ID_MAX - 1000000;
    return is;
}

static void restart(struct loaded *x)
{
    struct cq_err err = {0};
    core_free(x->w.core);
    x->w.core = core_from_rows(&x->w);
    if (core_check_load(x->w.core, &err) != 0) {
        (void)fprintf(stderr, "what was stored does not load: %s\n", err.text);
        abort();
    }
    world_start(&x->w);
    check_counts(x->w.core);
}

static void loaded_go_on(struct loaded *x)
{
    typedef void (*turn_fn)(struct loaded * x);
    static const turn_fn turns[] = {turn_time,   turn_hello,  turn_hello, turn_events, turn_events,
                                    turn_submit, turn_action, turn_admin, turn_ask};
    int64_t told_us = x->w.core->told_us;
    x->w.now.mono_us = 5000000;
    x->w.now.wall_us = roll(&x->dice, 2) ? told_us + 1000000 : INT64_C(1767571200000000);
    keep_jobs(x);
    keep_rows(x->w.core);
    world_start(&x->w);
    check_counts(x->w.core);
    for (size_t i = 0; i < TURNS; i++)
        turns[roll(&x->dice, CQ_COUNT(turns))](x);
    if (is_at_edge(x->w.core) || x->w.config.may_lack_jobs)
        return;
    restart(x);
}

#endif
