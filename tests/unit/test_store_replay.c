// LINK: cq_store
/* The journal is the truth: a core that replays it, and a core that loads the views, must both be
 * the core that wrote them. */
#include "tests/unit/store_play.h"

#include <criterion/parameterized.h>

/* ---- comparison ---- */

static int replay(void *core, uint64_t seq, int64_t at_us, const struct record *r,
                  struct cq_err *err)
{
    (void)seq;
    (void)at_us;
    return core_apply(core, r, err);
}

static int apply(void *core, const struct record *r, struct cq_err *err)
{
    return core_apply(core, r, err);
}

static void snapshot_text(struct core *c, struct job_id id, struct cq_str *out)
{
    struct job_view v = {0};
    core_view_job(c, id, &v);
    struct stored_job j;
    stored_job_of_view(&v, NULL, &j);
    cq_str_printf(out,
                  "%" PRIu64 " state %" PRIu64 " %" PRIu64 " tasks %" PRIu64 " %" PRIu64 " %" PRIu64
                  " %" PRIu64 " %" PRIu64 " %" PRIu64 " times %" PRId64 " %" PRId64 " %s|%s|%s\n",
                  j.number, j.state, j.verdict, j.waiting, j.running, j.passed, j.failed, j.killed,
                  j.lost, j.start_us, j.end_us, j.passed_ranges ? j.passed_ranges : "",
                  j.failed_ranges ? j.failed_ranges : "", j.end_cause ? j.end_cause : "");
    stored_job_fini(&j);
    if (v.state_record != NULL)
        record_format_json(v.state_record, out);
    job_view_fini(&v);
}

struct comparison {
    struct core *replayed, *loaded;
    size_t n_live, n_over;
};

static int compare_row(void *arg, const struct stored_job *j, struct cq_err *err)
{
    struct comparison *c = arg;
    (void)err;
    struct job_id id = core_find_job(c->replayed, (struct enterprise_id){1}, j->number);
    cr_assert_neq(id.v, 0, "job %" PRIu64 " is not in the journal", j->number);
    struct cq_str replayed = {0}, other = {0};
    if (job_state_is_terminal((enum job_state)j->state)) {
        c->n_over++;
        cq_str_printf(
            &other,
            "%" PRIu64 " state %" PRIu64 " %" PRIu64 " tasks %" PRIu64 " %" PRIu64 " %" PRIu64
            " %" PRIu64 " %" PRIu64 " %" PRIu64 " times %" PRId64 " %" PRId64 " %s|%s|%s\n",
            j->number, j->state, j->verdict, j->waiting, j->running, j->passed, j->failed,
            j->killed, j->lost, j->start_us, j->end_us, j->passed_ranges ? j->passed_ranges : "",
            j->failed_ranges ? j->failed_ranges : "", j->end_cause ? j->end_cause : "");
        cr_assert_eq(core_find_job(c->loaded, (struct enterprise_id){1}, j->number).v, 0);
    } else {
        c->n_live++;
        cr_assert_eq(core_find_job(c->loaded, (struct enterprise_id){1}, j->number).v, j->id);
        snapshot_text(c->loaded, id, &other);
    }
    snapshot_text(c->replayed, id, &replayed);
    cr_assert_str_eq(cq_str_text(&replayed), cq_str_text(&other));
    cq_str_fini(&replayed);
    cq_str_fini(&other);
    return 0;
}

/* The journal replayed, the views loaded and the core that wrote both say the same. */
static void compare(void)
{
    struct core_config config = {0};
    struct cq_err err = {0};
    struct comparison c = {core_new(&config), core_new(&config), 0, 0};
    store_close(p.store);
    open_pool(false);
    cr_assert_eq(store_each_journal(p.store, 0, replay, c.replayed, &err), 0, "%s", err.text);
    cr_assert_eq(store_load(p.store, apply, c.loaded, &err), 0, "%s", err.text);
    cr_assert_eq(store_each_job(p.store, compare_row, &c, &err), 0, "%s", err.text);
    cr_assert_gt(c.n_live, 0);
    cr_assert_gt(c.n_over, 0);
    struct counts live, replayed, loaded;
    core_counts(p.core, (struct enterprise_id){0}, &live);
    core_counts(c.replayed, (struct enterprise_id){0}, &replayed);
    core_counts(c.loaded, (struct enterprise_id){0}, &loaded);
    cr_assert_eq(live.tasks_waiting, replayed.tasks_waiting);
    cr_assert_eq(live.tasks_waiting, loaded.tasks_waiting);
    cr_assert_eq(live.tasks_running, replayed.tasks_running);
    cr_assert_eq(live.tasks_running, loaded.tasks_running);
    core_free(c.replayed);
    core_free(c.loaded);
}

ParameterizedTestParameters(store_replay, journal_and_views_make_the_same_core)
{
    static uint64_t seeds[] = {1, 2, 3, 5, 8, 13, 21, 34};
    return cr_make_param_array(uint64_t, seeds, sizeof seeds / sizeof *seeds);
}

ParameterizedTest(uint64_t *seed, store_replay, journal_and_views_make_the_same_core)
{
    begin(*seed);
    play();
    compare();
    end();
}
