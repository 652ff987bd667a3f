/* A core that is made anew, from the journal or from the store's rows, tells the same rows and
 * decides as the live one. */
#ifndef CHIPQ_TEST_POLICY_REBUILT_H
#define CHIPQ_TEST_POLICY_REBUILT_H

#include <sys/wait.h>
#include <unistd.h>

#include "tests/trace/policy_play.h"

/* A restart raises the epoch, and machines say again what they hold: no decisions. */
static bool is_of_restart(const struct record *r)
{
    return r->type == RECORD_EPOCH_START || r->type == RECORD_LEASE_ADOPT
           || r->type == RECORD_WORKER_UP;
}

static void print_decisions(const struct effects *fx, struct cq_str *out)
{
    for (size_t i = 0; i < fx->n_records; i++) {
        if (is_of_restart(fx->records[i]))
            continue;
        record_format_json(fx->records[i], out);
        cq_str_add_char(out, '\n');
    }
}

static void feed(struct core *c, struct input *in, struct now now, struct cq_str *out)
{
    struct effects fx = {0};
    struct cq_err err;
    if (core_step(c, in, now, &fx, &err) != 0)
        cq_str_add(out, err.text);
    core_plan(c, now, &fx);
    print_decisions(&fx, out);
    effects_fini(&fx);
}

/* Made anew, a core begins the next epoch; the live one is only told its number, which is in
 * leases. */
static void begin(const struct play *p, struct core *c, struct now now, struct cq_str *out)
{
    struct effects fx = {0};
    struct record r = {.type = RECORD_EPOCH_START, .u.epoch_start.epoch = c->epoch + 1};
    if (c == p->w.core)
        apply_or_die(c, &r);
    else
        core_load_done(c, now, &fx);
    core_plan(c, now, &fx);
    print_decisions(&fx, out);
    effects_fini(&fx);
}

static void end_first(const struct play *p, struct core *c, const struct machine *m, struct now now,
                      struct cq_str *out)
{
    const struct run *r = m->runs;
    const struct in_attempt_end end = {.at = {r->lease, core_epoch(c), r->job, r->task, r->attempt},
                                       .verdict = VERDICT_PASS,
                                       .start_us = now.wall_us - 1000,
                                       .end_us = now.wall_us,
                                       .run_us = 1000,
                                       .limit = "",
                                       .summary = "",
                                       .signature = "",
                                       .result = "",
                                       .cause = ""};
    struct input in = {.type = INPUT_WORKER_EVENTS, .principal = world_principal(&p->w, m->name)};
    in.u.events.ends = &end;
    in.u.events.n_ends = 1;
    feed(c, &in, now, out);
}

/* Places are kept anew, or for others: after a restart with the machines that are back by then. */
static bool has_planned(const struct cq_str *out)
{
    return strstr(cq_str_text(out), "\"PLANS\"") != NULL;
}

enum { BACK, RETURNED, ENDED, HOUR_PARTS };

/* A machine's part of the hour: those that are there come back first, for the live one never was
 * without them; then those that had gone; then the first run of each ends. */
static void pass_part(struct play *p, struct core *c, size_t part, size_t at, struct now *now,
                      struct cq_str *out)
{
    static struct in_held_lease leases[HELD_MAX];
    static struct in_held_attempt attempts[HELD_MAX];
    struct machine *m = &p->pool.machines[at];
    if (part != ENDED && m->is_gone == (part == RETURNED)) {
        struct input in = machine_hello(m, &p->w, leases, attempts);
        feed(c, &in, *now, out);
    }
    if (part == ENDED && m->n > 0) {
        now->mono_us += 60 * US_PER_S;
        now->wall_us += 60 * US_PER_S;
        end_first(p, c, m, *now, out);
    }
}

/* The live one, before any run has ended. */
static bool decides_early(const struct play *p, const struct core *c, size_t i, size_t told)
{
    return c == p->w.core && i < ENDED * p->pool.n && told > 0;
}

/* The same hour for each core; with `until_plans` only until it plans. Of the live one it ends when
 * the new wall or a machine's word alone lets it decide something, which a restart does where the
 * first machine comes back, or waits with until all are there. */
static char *next_hour(struct play *p, struct core *c, struct now now, bool until_plans)
{
    struct cq_str out = {0};
    begin(p, c, now, &out);
    bool goes_on = !until_plans || out.len == 0;
    size_t told = 0;
    for (size_t i = 0; i < HOUR_PARTS * p->pool.n && goes_on; i++) {
        pass_part(p, c, i / p->pool.n, i % p->pool.n, &now, &out);
        goes_on = !until_plans || !(has_planned(&out) || decides_early(p, c, i, out.len));
        told = goes_on ? out.len : told;
    }
    cq_str_truncate(&out, told);
    return cq_str_take(&out);
}

static void print_row(const struct stored *s, struct cq_str *out)
{
    cq_str_printf(out, "%" PRIu64 " ", s->id);
    record_format_json(s->record, out);
}

/* The rows that a replay of the journal would store are those that are stored. */
static void check_rows(struct play *p)
{
    struct world told = {.core = core_from_journal(&p->w), .is_quiet = true};
    for (size_t i = 0; i < p->n_jobs; i++) {
        cq_grow(&told.fx.dirty_jobs, &told.fx.cap_dirty_jobs, i);
        told.fx.dirty_jobs[i] = (struct job_id){p->jobs[i]};
    }
    told.fx.n_dirty_jobs = p->n_jobs;
    take_views(&told);
    for (size_t i = 0; i < told.n_rows || i < p->w.n_rows; i++) {
        struct cq_str a CQ_CLEANUP(cq_str_fini) = {0}, b CQ_CLEANUP(cq_str_fini) = {0};
        if (i < told.n_rows)
            print_row(&told.rows[i], &a);
        if (i < p->w.n_rows)
            print_row(&p->w.rows[i], &b);
        if (strcmp(cq_str_text(&a), cq_str_text(&b)) == 0)
            continue;
        (void)fprintf(stderr, "journal: %s\nrows:    %s\n", cq_str_text(&a), cq_str_text(&b));
        play_fail(p, "the journal does not tell what the rows tell");
    }
    world_fini(&told);
}

/* With `may_be_less` either may end before the other. Takes both texts. */
static void must_decide_alike(const struct play *p, char *x, char *y, bool may_be_less,
                              const char *what)
{
    size_t i = 0, line = 0;
    for (; x[i] && x[i] == y[i]; i++)
        line = x[i] == '\n' ? i + 1 : line;
    if (x[i] != y[i] && !(may_be_less && (x[i] == '\0' || y[i] == '\0'))) {
        size_t from = line > 600 ? line - 600 : 0; /* what came before */
        (void)fprintf(stderr, "...%.*sone:   %.900s\nother: %.900s\n", (int)(line - from), x + from,
                      x + line, y + line);
        play_fail(p, what);
    }
    free(x);
    free(y);
}

static struct core *from_journal(const struct play *p)
{
    struct core *c = core_from_journal(&p->w);
    for (size_t i = 0; i < p->n_jobs; i++)
        core_forget(c, (struct job_id){p->jobs[i]});
    return c;
}

/* The live core's hour, in a child: it does not happen here. */
static char *live_hour(struct play *p, struct now now)
{
    int ends[2];
    struct cq_str out = {0};
    char buf[4096];
    if (pipe(ends) != 0)
        abort();
    pid_t child = fork();
    if (child == 0) {
        FILE *to = fdopen(ends[1], "w");
        (void)fputs(next_hour(p, p->w.core, now, true), to);
        (void)fclose(to);
        _exit(0);
    }
    (void)close(ends[1]);
    for (ssize_t n; (n = read(ends[0], buf, sizeof buf)) > 0;)
        cq_str_append(&out, buf, (size_t)n);
    (void)close(ends[0]);
    int status;
    if (waitpid(child, &status, 0) != child || status != 0)
        play_fail(p, "the live core's next hour does not end well");
    return cq_str_take(&out);
}

/* The live core goes on as one that is made anew, as long as neither plans anything. The wall
 * is the policy time in this hour: what a restart takes from the wall, the live one has counted. */
static void check_live(struct play *p)
{
    const struct core *c = p->w.core;
    struct now now = p->w.now;
    now.wall_us = c->policy_us + now.mono_us - c->now_mono_us;
    now.wall_us += 60 * US_PER_S; /* sweeps are due in both */
    now.mono_us += 60 * US_PER_S;
    struct core *a = from_journal(p);
    char *live = live_hour(p, now);
    must_decide_alike(p, live, next_hour(p, a, now, true), true,
                      "a rebuilt core decides otherwise than the live one");
    core_free(a);
}

/* From the journal and from the store's rows: the same decisions. */
static void check_rebuilt(struct play *p)
{
    check_rows(p);
    struct core *a = from_journal(p), *b = core_from_rows(&p->w);
    char *x = next_hour(p, a, p->w.now, false), *y = next_hour(p, b, p->w.now, false);
    must_decide_alike(p, x, y, false,
                      "a core rebuilt from rows decides otherwise than one from the journal");
    core_free(a);
    core_free(b);
    check_live(p);
}

#endif
