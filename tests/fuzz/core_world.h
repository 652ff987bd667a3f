/* The core of fuzz_core.c with what stands around it: the rules by which chipqd lets inputs
 * through, what each worker was given, and what must hold after every step and at the end. */
#ifndef TEST_FUZZ_CORE_WORLD_H
#define TEST_FUZZ_CORE_WORLD_H

#include "tests/fuzz/core_counts.h"
#include "tests/fuzz/core_draw.h"
#include "tests/trace/core_print.h"

enum { WORKERS = 3, RUNS_MAX = 64 };
#define FEED_MOST INT64_C(1000000) /* chipqd takes no larger sample */

struct fuzz_worker {
    char name[8];
    bool has_session;
    uint8_t incarnation, boot, was_boot;
    uint64_t heartbeat, mem_mib;
    size_t cores, layout;             /* which of the lists */
    struct in_attempt runs[RUNS_MAX]; /* the newest that it was given */
    size_t n_runs;
};

struct fuzz_core {
    struct world w;
    struct draw draw;
    struct fuzz_worker workers[WORKERS];
    uint64_t n_submits;
};

/* ---- who ---- */

static struct principal_id fuzz_principal(const struct fuzz_core *f, const char *name)
{
    return world_principal(&f->w, name);
}

/* Whose key is good: chipqd hears nobody else. */
static bool fuzz_someone(const struct fuzz_core *f, const char *name, struct principal_view *who)
{
    return core_view_principal(f->w.core, fuzz_principal(f, name), who) && !who->revoked;
}

static struct principal_id fuzz_admin(const struct fuzz_core *f)
{
    return fuzz_principal(f, "root");
}

static struct fuzz_worker *fuzz_worker_at_work(struct fuzz_core *f, size_t i)
{
    struct principal_view who;
    struct fuzz_worker *w = &f->workers[i];
    return w->has_session && fuzz_someone(f, w->name, &who) ? w : NULL;
}

/* ---- steps ---- */

static void take_grant(struct fuzz_core *f, struct fuzz_worker *w, const struct out *o)
{
    for (size_t i = 0; i < o->n_attempts; i++) {
        struct order_view v;
        if (w->n_runs == RUNS_MAX)
            memmove(w->runs, w->runs + 1, --w->n_runs * sizeof *w->runs);
        w->runs[w->n_runs++] = (struct in_attempt){o->lease, o->epoch, o->attempts[i].job.v,
                                                   o->attempts[i].task, o->attempts[i].attempt};
        core_view_order(f->w.core, o->attempts[i].job, &v);
        core_view_run(f->w.core, &v);
        FUZZ_CHECK(v.job.v == o->attempts[i].job.v && v.run_bytes > 0);
        order_view_fini(&v);
    }
}

static void take_outs(struct fuzz_core *f)
{
    for (size_t i = 0; i < f->w.fx.n_outs; i++) {
        const struct out *o = &f->w.fx.outs[i];
        for (size_t k = 0; k < WORKERS && o->worker.v != 0; k++)
            if ((o->type == OUT_LEASE_GRANT || o->type == OUT_LEASE_EXTEND)
                && fuzz_principal(f, f->workers[k].name).v == o->worker.v)
                take_grant(f, &f->workers[k], o);
    }
}

static void fuzz_step(struct fuzz_core *f, struct input *in)
{
    struct cq_err err = {0};
    in->request = ++f->w.request;
    if (core_step(f->w.core, in, f->w.now, &f->w.fx, &err) != 0) {
        (void)fprintf(stderr, "an input is refused by core_step itself: %s\n", err.text);
        abort();
    }
    core_plan(f->w.core, f->w.now, &f->w.fx);
    take_outs(f);
    seal(&f->w);
    check_counts(f->w.core);
    FUZZ_CHECK(core_wake_at_us(f->w.core) > 0);
}

/* Time passes, and chipqd's timer rings when the core wants it to: a bounded number of times, for
 * nobody has to be served here. */
static void fuzz_advance(struct fuzz_core *f, int64_t by_us)
{
    int64_t to_us = f->w.now.mono_us + by_us;
    for (size_t i = 0; i < 64 && core_wake_at_us(f->w.core) <= to_us; i++) {
        int64_t wake_us = core_wake_at_us(f->w.core);
        if (wake_us > f->w.now.mono_us) {
            f->w.now.wall_us += wake_us - f->w.now.mono_us;
            f->w.now.mono_us = wake_us;
        }
        struct input in = {.type = INPUT_TIMER};
        fuzz_step(f, &in);
    }
    f->w.now.wall_us += to_us - f->w.now.mono_us;
    f->w.now.mono_us = to_us;
}

static void fuzz_restart(struct fuzz_core *f)
{
    world_restart(&f->w);
    for (size_t i = 0; i < WORKERS; i++)
        f->workers[i].has_session = false;
    check_counts(f->w.core);
}

/* ---- the begin and the end ---- */

#ifdef CHIPQ_ORACLE
static void on_fault(CQ_UNUSED void *arg, const char *what)
{
    (void)fprintf(stderr, "the oracle says: %s\n", what);
    abort();
}
#endif

static void add_settings(struct fuzz_core *f)
{
    const struct in_config_row rows[] = {
        {CONFIG_ADD, "project", "acme/uart", "", ""},    {CONFIG_ADD, "licence", "vcs", "", ""},
        {CONFIG_SET, "licence", "vcs", "count", "3"},    {CONFIG_ADD, "licence", "dc", "", ""},
        {CONFIG_SET, "licence", "dc", "count", "2"},     {CONFIG_ADD, "instrument", "emu", "", ""},
        {CONFIG_SET, "instrument", "emu", "count", "1"},
    };
    struct input in = {.type = INPUT_CONFIG_APPLY, .principal = fuzz_admin(f)};
    in.u.config = (struct in_config){rows, CQ_COUNT(rows), false};
    fuzz_step(f, &in);
}

static void fuzz_begin(struct fuzz_core *f)
{
    const struct core_config config = {.lease_us = 60000000, .grace_us = 5000000};
#ifdef CHIPQ_ORACLE
    oracle_on_fault(on_fault, NULL);
#endif
    world_init(&f->w, &config);
    f->w.is_quiet = true;
    world_add_enterprise(&f->w, "acme");
    world_add_enterprise(&f->w, "rival");
    world_add_user(&f->w, "acme", "ann", ROLE_DESIGNER);
    world_add_user(&f->w, "acme", "bob", ROLE_ENTERPRISE_ADMIN);
    world_add_user(&f->w, "rival", "eve", ROLE_DESIGNER);
    world_add_user(&f->w, "", "root", ROLE_PLATFORM_ADMIN);
    for (size_t i = 0; i < WORKERS; i++) {
        (void)snprintf(f->workers[i].name, sizeof f->workers[i].name, "n%zu", i + 1);
        f->workers[i].mem_mib = 4000;
        world_add_user(&f->w, "", f->workers[i].name, ROLE_WORKER);
    }
    add_settings(f);
}

/* Takes both texts. */
static void must_be_same(char *a, char *b, const char *what, const char *other)
{
    if (strcmp(a, b) != 0) {
        size_t i = 0;
        while (a[i] && a[i] == b[i])
            i++;
        while (i > 0 && a[i - 1] != '\n')
            i--;
        (void)fprintf(stderr, "of %s:\n%.600s\nof %s:\n%.600s\n", what, a + i, other, b + i);
        abort();
    }
    free(a);
    free(b);
}

/* A core from the journal, one from the store's rows, and the live one know the same. */
static void fuzz_compare(struct fuzz_core *f, struct core *made, const char *how)
{
    drain_entities(made);
    must_be_same(print_core(made, &f->w), print_core(f->w.core, &f->w), how, "the live core");
    core_free(made);
}

/* What it does when its workers stay away: it is told of its epoch, and of the time, until all that
 * ran is lost, and some more. */
static char *next_losses(struct core *c, struct now now)
{
    struct effects fx = {0};
    struct cq_str out = {0};
    core_load_done(c, now, &fx);
    core_plan(c, now, &fx);
    for (size_t i = 0; i < 6; i++) {
        struct input timer = {.type = INPUT_TIMER};
        now.mono_us += 20000000;
        now.wall_us += 20000000;
        FUZZ_CHECK(core_step(c, &timer, now, &fx, NULL) == 0);
        core_plan(c, now, &fx);
    }
    for (size_t i = 0; i < fx.n_records; i++) {
        record_format_json(fx.records[i], &out);
        cq_str_add_char(&out, '\n');
    }
    effects_fini(&fx);
    return cq_str_take(&out);
}

/* What their rows do not show, for example how often a task was lost, shows in what they do. */
static void fuzz_compare_losses(struct fuzz_core *f)
{
    struct core *a = replayed(&f->w), *b = core_from_rows(&f->w);
    char *x = next_losses(a, f->w.now), *y = next_losses(b, f->w.now);
    must_be_same(x, y, "the journal", "the store's rows");
    core_free(a);
    core_free(b);
}

/* Views that only answer questions. */
static void count_one(void *arg)
{
    ++*(size_t *)arg;
}
static void see_worker(void *arg, CQ_UNUSED const struct worker_view *v)
{
    count_one(arg);
}
static void see_share(void *arg, CQ_UNUSED const struct share_view *v)
{
    count_one(arg);
}
static void see_quota(void *arg, CQ_UNUSED const struct quota_view *v)
{
    count_one(arg);
}
static void see_feature(void *arg, CQ_UNUSED const struct feature_view *v)
{
    count_one(arg);
}
static void see_booking(void *arg, CQ_UNUSED const struct reservation_view *v)
{
    count_one(arg);
}
static void see_setting(void *arg, CQ_UNUSED const struct setting_view *v)
{
    count_one(arg);
}
static void see_usage(void *arg, CQ_UNUSED const struct usage_view *v)
{
    count_one(arg);
}

static void fuzz_look_around(struct fuzz_core *f)
{
    size_t n = 0;
    core_each_worker(f->w.core, f->w.now, see_worker, &n);
    core_each_share(f->w.core, f->w.now, see_share, &n);
    core_each_quota(f->w.core, f->w.now, see_quota, &n);
    core_each_feature(f->w.core, f->w.now, see_feature, &n);
    core_each_reservation(f->w.core, f->w.now, see_booking, &n);
    core_each_setting(f->w.core, see_setting, &n);
    core_take_usage(f->w.core, see_usage, &n);
    FUZZ_CHECK(n > 0);
}

static void fuzz_end(struct fuzz_core *f)
{
    fuzz_compare(f, replayed(&f->w), "the journal");
    fuzz_compare(f, core_from_rows(&f->w), "the store's rows");
    fuzz_compare_losses(f);
    fuzz_restart(f);
    world_fini(&f->w);
}

#endif
