// LINK: cq_core
/* Licence features: what is free, the licence server's word, and what of it is durable. */
#include <criterion/criterion.h>

#include "scheduler/core/core_state.h"
#include "tests/trace/world.h"

static void configure(struct world *w, const struct in_config_row *rows, size_t n)
{
    struct input in = {.type = INPUT_CONFIG_APPLY};
    in.u.config = (struct in_config){rows, n, false};
    cr_assert_eq(world_step(w, &in), 0);
}

static void set_count(struct world *w, const char *feature, const char *count)
{
    const struct in_config_row rows[] = {{CONFIG_PUT, "licence", feature, "", ""},
                                         {CONFIG_SET, "licence", feature, "count", count}};
    configure(w, rows, CQ_COUNT(rows));
}

static void set_up(struct world *w)
{
    const struct core_config config = {0};
    world_init(w, &config);
    w->is_quiet = true;
    world_add_enterprise(w, "acme");
    world_add_user(w, "acme", "ann", ROLE_DESIGNER);
    set_count(w, "vcs", "10");
    set_count(w, "dc", "3");
}

static struct feature *feature(const struct world *w, const char *name)
{
    struct feature *f = feature_named(w->core, name);
    cr_assert(f, "%s", name);
    return f;
}

static uint64_t free_of(const struct world *w, const char *name)
{
    return feature_free(feature(w, name));
}

static struct tokens bundle(const struct world *w, const char *text)
{
    struct tokens t = {0};
    struct cq_err err = {.code = CQ_OK};
    cr_assert_eq(tokens_parse(w->core, NULL, text, &t, &err), 0, "%s", err.text);
    return t;
}

/* One run of the feed, a second after the one before. */
static void feed(struct world *w, const struct in_licence_sample *samples, size_t n,
                 const char *error)
{
    struct input in = {.type = INPUT_LICENCE_FEED};
    w->now.wall_us += US_PER_S;
    in.u.licence_feed = (struct in_licence_feed){samples, n, error};
    cr_assert_eq(world_step(w, &in), 0);
}

static void feed_one(struct world *w, const char *name, int64_t used)
{
    feed(w, &(struct in_licence_sample){name, used}, 1, NULL);
}

static size_t journal_count(const struct world *w, enum record_type type)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n_journal; i++)
        n += w->journal[i]->type == type;
    return n;
}

static void expect_error(const struct world *w, const char *says)
{
    const char *error = w->core->features.feed_error;
    if (says == NULL)
        cr_expect_null(error, "%s", error);
    else
        cr_expect(error && strstr(error, says), "%s", error ? error : "no error");
}

/* ---- what is free ---- */

Test(licence, a_bundle_is_taken_and_given_back_whole)
{
    struct world w;
    set_up(&w);
    struct tokens t = bundle(&w, "vcs:4,dc:2");
    cr_expect_null(licence_blocks(&t));
    licence_take(w.core, &t);
    cr_expect_eq(free_of(&w, "vcs"), 6u);
    cr_expect_eq(free_of(&w, "dc"), 1u);
    cr_expect_eq(licence_blocks(&t), feature(&w, "dc"));
    licence_give_back(w.core, &t);
    cr_expect_eq(free_of(&w, "vcs"), 10u);
    cr_expect_eq(free_of(&w, "dc"), 3u);
    world_fini(&w);
}

Test(licence, tokens_of_strangers_are_gone_at_once)
{
    struct world w;
    set_up(&w);
    struct tokens four = bundle(&w, "vcs:4"), one = bundle(&w, "vcs:1");
    licence_take(w.core, &four);
    feed_one(&w, "vcs", 7); /* four of ours and three of others */
    cr_expect_eq(free_of(&w, "vcs"), 3u);
    licence_take(w.core, &one); /* the server has not seen it */
    cr_expect_eq(free_of(&w, "vcs"), 2u);
    feed_one(&w, "vcs", 8);
    cr_expect_eq(free_of(&w, "vcs"), 2u);
    feed_one(&w, "vcs", 2); /* it is slow to see ours: those count all the same */
    cr_expect_eq(free_of(&w, "vcs"), 5u);
    feed_one(&w, "vcs", 25); /* more than there are */
    cr_expect_eq(free_of(&w, "vcs"), 0u);
    cr_expect_eq(licence_blocks(&one), feature(&w, "vcs"));
    feed_one(&w, "vcs", 0);
    licence_give_back(w.core, &four);
    licence_give_back(w.core, &one);
    cr_expect_eq(free_of(&w, "vcs"), 10u);
    world_fini(&w);
}

Test(licence, what_is_ours_does_not_depend_on_what_we_hold)
{
    struct world w;
    set_up(&w);
    struct tokens four = bundle(&w, "vcs:4");
    cr_expect_eq(feature_ours(feature(&w, "vcs")), 10u);
    licence_take(w.core, &four);
    feed_one(&w, "vcs", 7);
    cr_expect_eq(feature_ours(feature(&w, "vcs")), 7u);
    licence_give_back(w.core, &four);
    cr_expect_eq(feature_ours(feature(&w, "vcs")), 7u);
    feed_one(&w, "vcs", 25);
    cr_expect_eq(feature_ours(feature(&w, "vcs")), 0u);
    world_fini(&w);
}

/* ---- jobs wait for tokens and start with them ---- */

static void add_worker(struct world *w)
{
    world_add_user(w, "", "n1", ROLE_WORKER);
    struct input in = {.type = INPUT_WORKER_HELLO, .principal = world_principal(w, "n1")};
    in.u.worker_hello = (struct in_worker_hello){.node = "n1",
                                                 .cores = "0-15",
                                                 .topology = "",
                                                 .features = "",
                                                 .mem_mib = 65536,
                                                 .heartbeat = 1};
    in.u.worker_hello.incarnation.bytes[0] = 1;
    in.u.worker_hello.boot_id.bytes[0] = 1;
    cr_assert_eq(world_step(w, &in), 0);
}

static void submit(struct world *w, const char *licences)
{
    struct in_job job = IN_JOB_PLAIN;
    job.licences = licences;
    struct input in = {.type = INPUT_SUBMIT, .principal = world_principal(w, "ann")};
    in.u.submit = (struct in_submit){.flow = "", .project = "", .jobs = &job, .n_jobs = 1};
    in.u.submit.key.bytes[0] = (uint8_t)w->request;
    in.u.submit.key.bytes[1] = 1;
    cr_assert_eq(world_step(w, &in), 0);
}

static uint64_t running(const struct world *w)
{
    struct counts n;
    core_counts(w->core, (struct enterprise_id){0}, &n);
    return n.tasks_running;
}

/* Its worker is heard all the time. */
static void pass_two_minutes(struct world *w)
{
    for (int i = 0; i < 12; i++) {
        world_advance(w, w->now.mono_us + 10 * US_PER_S);
        struct input in = {.type = INPUT_WORKER_HEARTBEAT, .principal = world_principal(w, "n1")};
        in.u.heartbeat.heartbeat = (uint64_t)w->request;
        cr_assert_eq(world_step(w, &in), 0);
    }
}

Test(licence, a_job_counts_as_holder_until_the_server_shows_it_or_two_minutes_passed)
{
    struct world w;
    set_up(&w);
    add_worker(&w);
    submit(&w, "vcs:1");
    feed_one(&w, "vcs", 8); /* all of strangers: ours is on its way */
    cr_expect_eq(free_of(&w, "vcs"), 1u);
    feed_one(&w, "vcs", 9); /* there it is */
    cr_expect_eq(free_of(&w, "vcs"), 1u);
    submit(&w, "vcs:1");
    cr_assert_eq(running(&w), 2u);
    cr_expect_eq(free_of(&w, "vcs"), 0u);
    feed_one(&w, "vcs", 9);
    feed_one(&w, "vcs", 9);
    cr_expect_eq(free_of(&w, "vcs"), 0u);
    pass_two_minutes(&w);
    feed_one(&w, "vcs", 9); /* it never will take one */
    cr_expect_eq(free_of(&w, "vcs"), 1u);
    world_fini(&w);
}

Test(licence, what_waits_starts_when_a_count_rises_or_strangers_leave)
{
    struct world w;
    set_up(&w);
    add_worker(&w);
    submit(&w, "dc:2");
    submit(&w, "dc:2");
    submit(&w, "dc:2");
    cr_expect_eq(running(&w), 1u);
    cr_expect_eq(feature(&w, "dc")->used, 2u);
    set_count(&w, "dc", "4");
    cr_expect_eq(running(&w), 2u);
    feed_one(&w, "dc", 6);
    set_count(&w, "dc", "6");
    cr_expect_eq(running(&w), 2u);
    pass_two_minutes(&w);
    feed_one(&w, "dc", 4);
    cr_expect_eq(running(&w), 3u);
    cr_expect_eq(free_of(&w, "dc"), 0u);
    world_fini(&w);
}

Test(licence, a_bundle_waits_for_whatever_of_it_is_missing)
{
    struct world w;
    set_up(&w);
    add_worker(&w);
    set_count(&w, "vcs", "1");
    set_count(&w, "dc", "1");
    submit(&w, "vcs:2,dc:2");
    cr_expect_eq(running(&w), 0u);
    set_count(&w, "vcs", "2");
    set_count(&w, "dc", "2");
    cr_expect_eq(running(&w), 1u);
    submit(&w, "vcs:1,dc:1");
    set_count(&w, "dc", "3");
    cr_expect_eq(running(&w), 1u);
    set_count(&w, "vcs", "3");
    cr_expect_eq(running(&w), 2u);
    world_fini(&w);
}

/* ---- the feed ---- */

Test(licence, a_run_is_recorded_only_when_it_tells_something_new)
{
    struct world w;
    set_up(&w);
    const struct in_licence_sample both[] = {{"vcs", 3}, {"dc", 1}};
    feed(&w, both, 2, NULL);
    cr_expect_eq(journal_count(&w, RECORD_FEATURE_EXTERNAL), 2u);
    int64_t first_us = feature(&w, "vcs")->fed_wall_us;
    cr_expect_eq(first_us, w.now.wall_us);
    feed(&w, both, 2, NULL);
    cr_expect_eq(journal_count(&w, RECORD_FEATURE_EXTERNAL), 2u);
    cr_expect_eq(feature(&w, "vcs")->fed_wall_us, first_us + US_PER_S, "it is fresh all the same");
    feed_one(&w, "dc", 2);
    cr_expect_eq(journal_count(&w, RECORD_FEATURE_EXTERNAL), 3u);
    cr_expect_eq(feature(&w, "vcs")->external, 3u);
    struct tokens t = bundle(&w, "dc:1");
    licence_take(w.core, &t);
    feed_one(&w, "dc", 2); /* ours is among the two */
    cr_expect_eq(journal_count(&w, RECORD_FEATURE_EXTERNAL), 4u);
    cr_expect_eq(free_of(&w, "dc"), 1u);
    licence_give_back(w.core, &t);
    world_fini(&w);
}

Test(licence, a_bad_run_keeps_the_last_good_values)
{
    struct world w;
    set_up(&w);
    feed_one(&w, "vcs", 3);
    int64_t good_us = feature(&w, "vcs")->fed_wall_us;
    static const struct {
        struct in_licence_sample samples[2];
        size_t n;
        const char *error, *says;
    } rows[] = {
        {{{"", 0}}, 0, "it ran for 10 s", "it ran for 10 s"},
        {{{"vcs", 5}, {"dc", -1}}, 2, NULL, "the feed says that -1 of 'dc' are used"},
        {{{"vcs", 1000001}}, 1, NULL, "the feed says that 1000001 of 'vcs' are used"},
        {{{"vcs", 5}, {"vcs", 6}}, 2, NULL, "the feed names 'vcs' twice"},
        {{{"", 0}}, 0, "bad \x1b[2Jword\n", "bad \\x1b[2Jword\\x0a"},
    };
    for (size_t i = 0; i < CQ_COUNT(rows); i++) {
        feed(&w, rows[i].samples, rows[i].n, rows[i].error);
        expect_error(&w, rows[i].says);
        cr_expect_eq(feature(&w, "vcs")->external, 3u);
        cr_expect_eq(feature(&w, "vcs")->fed_wall_us, good_us);
    }
    cr_expect_eq(journal_count(&w, RECORD_FEATURE_EXTERNAL), 1u);
    feed_one(&w, "vcs", 4);
    expect_error(&w, NULL);
    world_fini(&w);
}

Test(licence, unknown_features_of_a_feed_are_noted_and_the_others_count)
{
    struct world w;
    set_up(&w);
    const struct in_licence_sample samples[] = {{"abc", 1}, {"vcs", 2}, {"xyz", 4}};
    feed(&w, samples, 3, NULL);
    cr_expect_eq(feature(&w, "vcs")->external, 2u);
    expect_error(&w, "the feed names 'abc' and 1 more that are not configured");
    feed(&w, samples, 2, NULL);
    expect_error(&w, "the feed names 'abc', which is not configured");
    feed(&w, samples + 1, 1, NULL);
    expect_error(&w, NULL);
    world_fini(&w);
}

/* ---- durability ---- */

static void expect_same(const struct world *w, const struct core *other)
{
    for (size_t i = 0; i < w->core->features.n; i++) {
        const struct feature *a = w->core->features.items[i];
        const struct feature *b = feature_find(other, a->id);
        if (a->is_removed)
            continue;
        cr_assert(b, "%s", a->name);
        cr_expect_str_eq(a->name, b->name);
        cr_expect_eq(a->kind, b->kind);
        cr_expect_eq(a->count, b->count);
        cr_expect_eq(a->used, b->used);
        cr_expect_eq(a->external, b->external);
        cr_expect_eq(a->used_then, b->used_then);
        cr_expect_eq(feature_free(a), feature_free(b));
        cr_expect_eq(a->owner ? a->owner->id : 0, b->owner ? b->owner->id : 0);
    }
}

Test(licence, a_restart_knows_what_is_free)
{
    struct world w;
    set_up(&w);
    const struct in_config_row rows[] = {{CONFIG_ADD, "instrument", "zebu", "", ""},
                                         {CONFIG_SET, "instrument", "zebu", "owner", "acme"},
                                         {CONFIG_ADD, "licence", "old", "", ""}};
    const struct in_config_row removal = {CONFIG_REMOVE, "licence", "old", "", ""};
    configure(&w, rows, CQ_COUNT(rows));
    feed_one(&w, "old", 2);
    configure(&w, &removal, 1);
    add_worker(&w);
    submit(&w, "vcs:3");
    feed_one(&w, "vcs", 5);
    submit(&w, "vcs:2,zebu:1");
    cr_assert_eq(running(&w), 2u);
    feed_one(&w, "vcs", 8); /* shows the first three */
    set_count(&w, "vcs", "12");
    cr_expect_eq(feature(&w, "vcs")->used_then, 3u);
    cr_expect_eq(free_of(&w, "vcs"), 2u);
    struct core *from_rows = core_from_rows(&w), *from_journal = core_from_journal(&w);
    expect_same(&w, from_rows);
    expect_same(&w, from_journal);
    cr_expect_null(feature_named(from_rows, "old"));
    cr_expect_null(feature_named(from_journal, "old"));
    core_free(from_rows);
    core_free(from_journal);
    world_fini(&w);
}

/* ---- the view ---- */

static void list_feature(void *arg, const struct feature_view *f)
{
    cq_str_printf(arg, "%s %s '%s' %llu used %llu ext %llu free %llu waiting %llu %s\n", f->kind,
                  f->name, f->owner, (unsigned long long)f->count, (unsigned long long)f->used,
                  (unsigned long long)f->external, (unsigned long long)f->free,
                  (unsigned long long)f->waiting, f->fed_wall_us ? "fed" : "never");
}

Test(licence, the_view_lists_features_by_name_with_what_waits)
{
    struct world w;
    struct cq_str text = {0};
    set_up(&w);
    const struct in_config_row rows[] = {{CONFIG_ADD, "instrument", "zebu", "", ""},
                                         {CONFIG_SET, "instrument", "zebu", "owner", "acme"}};
    configure(&w, rows, CQ_COUNT(rows));
    add_worker(&w);
    feed_one(&w, "vcs", 9);
    submit(&w, "dc:3");
    submit(&w, "dc:1");
    submit(&w, "vcs:2,dc:1");
    core_each_feature(w.core, w.now, list_feature, &text);
    cr_expect_str_eq(cq_str_text(&text),
                     "licence dc '' 3 used 3 ext 0 free 0 waiting 2 never\n"
                     "licence vcs '' 10 used 0 ext 9 free 1 waiting 1 fed\n"
                     "instrument zebu 'acme' 1 used 0 ext 0 free 1 waiting 0 never\n");
    cq_str_fini(&text);
    world_fini(&w);
}

/* Without a feed nobody can say that what strangers had is back. */
Test(licence, a_feed_that_is_taken_away_takes_its_word_along)
{
    struct world w;
    const struct in_config_row on[] = {{CONFIG_SET, "feed", "licences", "command", "/bin/used"}};
    const struct in_config_row off[] = {{CONFIG_SET, "feed", "licences", "command", ""}};
    set_up(&w);
    configure(&w, on, 1);
    feed_one(&w, "vcs", 7);
    cr_expect_eq(free_of(&w, "vcs"), 3);
    configure(&w, off, 1);
    cr_expect_eq(free_of(&w, "vcs"), 10);
    world_restart(&w);
    cr_expect_eq(free_of(&w, "vcs"), 10);
    world_fini(&w);
}

/* A sample that is newer than the last word on the feed: rows tell it as the journal does. */
Test(licence, a_sample_after_the_feed_was_taken_away_outlives_a_restart)
{
    struct world w;
    const struct in_config_row on[] = {{CONFIG_SET, "feed", "licences", "command", "/bin/used"}};
    const struct in_config_row off[] = {{CONFIG_SET, "feed", "licences", "command", ""}};
    set_up(&w);
    configure(&w, on, 1);
    configure(&w, off, 1);
    feed_one(&w, "vcs", 6);
    struct core *from_rows = core_from_rows(&w), *from_journal = core_from_journal(&w);
    expect_same(&w, from_rows);
    expect_same(&w, from_journal);
    cr_expect_eq(free_of(&w, "vcs"), 4u);
    core_free(from_rows);
    core_free(from_journal);
    world_fini(&w);
}
