// LINK: cq_core
/* Changes of configuration: all rows or none, checked as a whole, durable. */
#include <criterion/criterion.h>

#include "scheduler/core/core_state.h"
#include "tests/trace/world.h"

#define MAX_ROWS 32

struct done {
    enum cq_code code;
    char *text, *changes; /* owned; "" when there is none */
};

static void forget(struct done *d)
{
    free(d->text);
    free(d->changes);
    *d = (struct done){0};
}

static void set_up(struct world *w)
{
    const struct core_config config = {0};
    world_init(w, &config);
    w->is_quiet = true;
    world_add_enterprise(w, "acme");
    world_add_user(w, "acme", "ann", ROLE_DESIGNER);
    world_add_user(w, "", "root", ROLE_PLATFORM_ADMIN);
}

/* "op kind path[ key[ value]]" a line. */
static size_t read_rows(char *text, struct in_config_row rows[MAX_ROWS])
{
    static const char *const ops[] = {"add", "put", "clear", "set", "remove"};
    size_t n = 0;
    for (char *line = text, *end; *line; line = end) {
        char *words[5] = {line, NULL, NULL, NULL, NULL};
        end = line + strcspn(line, "\n");
        end += *end ? (*end = '\0', 1) : 0;
        for (size_t i = 1; i < CQ_COUNT(words) && (words[i] = strchr(words[i - 1], ' ')); i++)
            *words[i]++ = '\0';
        cr_assert(words[2], "%s", line);
        enum config_op op = CONFIG_ADD;
        while (strcmp(ops[op], words[0]) != 0)
            cr_assert_lt(++op, CQ_COUNT(ops), "%s", words[0]);
        cr_assert_lt(n, MAX_ROWS);
        rows[n++] = (struct in_config_row){op, words[1], words[2], words[3] ? words[3] : "",
                                           words[4] ? words[4] : ""};
    }
    return n;
}

static struct done step(struct world *w, const char *text, bool is_dry_run)
{
    struct in_config_row rows[MAX_ROWS];
    struct done d = {.code = CQ_E_INTERNAL};
    char *copy = cq_strdup(text);
    struct input in = {.type = INPUT_CONFIG_APPLY,
                       .principal = world_principal(w, "root"),
                       .request = ++w->request};
    in.u.config = (struct in_config){rows, read_rows(copy, rows), is_dry_run};
    cr_assert_eq(core_step(w->core, &in, w->now, &w->fx, NULL), 0);
    for (size_t i = 0; i < w->fx.n_outs; i++) {
        const struct out *o = &w->fx.outs[i];
        if (o->type == OUT_CONFIG_DONE && o->request == in.request)
            d = (struct done){o->code, cq_strdup(o->text ? o->text : ""),
                              cq_strdup(o->changes ? o->changes : "")};
    }
    core_plan(w->core, w->now, &w->fx);
    seal(w);
    free(copy);
    cr_assert(d.text, "no answer");
    return d;
}

/* It works, with these changes and without a warning. */
static void change(struct world *w, const char *rows, const char *changes)
{
    struct done d = step(w, rows, false);
    cr_expect_eq(d.code, CQ_OK, "%s%s", rows, d.text);
    cr_expect_str_eq(d.text, "");
    if (changes)
        cr_expect_str_eq(d.changes, changes);
    forget(&d);
}

static void warn(struct world *w, const char *rows, const char *warning)
{
    struct done d = step(w, rows, false);
    cr_expect_eq(d.code, CQ_OK, "%s", d.text);
    cr_expect_str_eq(d.text, warning);
    forget(&d);
}

static void list_setting(void *arg, const struct setting_view *s)
{
    cq_str_printf(arg, "%s %s%s%s%s%s\n", s->kind, s->path, *s->key ? " " : "", s->key,
                  *s->key ? "=" : "", s->value);
}

static char *settings_of(const struct core *c)
{
    struct cq_str text = {0};
    core_each_setting(c, list_setting, &text);
    return cq_str_take(&text);
}

static void expect_settings(const struct core *c, const char *wanted)
{
    char *text = settings_of(c);
    cr_expect_str_eq(text, wanted);
    free(text);
}

/* It is refused with this code and text, and nothing came of it. */
static void refuse(struct world *w, const char *rows, enum cq_code code, const char *says)
{
    char *before = settings_of(w->core);
    size_t n_journal = w->n_journal;
    struct done d = step(w, rows, false);
    cr_expect_eq(d.code, code, "%s -> %s %s", rows, cq_code_name(d.code), d.text);
    cr_expect(strstr(d.text, says), "%s -> %s\nwanted: %s", rows, d.text, says);
    cr_expect_str_eq(d.changes, "");
    cr_expect_eq(w->n_journal, n_journal);
    expect_settings(w->core, before);
    forget(&d);
    free(before);
}

/* The same again from the store's rows, and from the journal. */
static void expect_durable(struct world *w)
{
    char *text = settings_of(w->core);
    struct core *rows = core_from_rows(w), *journal = core_from_journal(w);
    expect_settings(rows, text);
    expect_settings(journal, text);
    core_free(rows);
    core_free(journal);
    free(text);
}

static void add_worker(struct world *w, const char *name, const char *cores, uint64_t mem_mib)
{
    world_add_user(w, "", name, ROLE_WORKER);
    struct input in = {.type = INPUT_WORKER_HELLO, .principal = world_principal(w, name)};
    in.u.worker_hello = (struct in_worker_hello){.node = name,
                                                 .cores = cores,
                                                 .topology = "",
                                                 .features = "",
                                                 .mem_mib = mem_mib,
                                                 .heartbeat = 1};
    in.u.worker_hello.incarnation.bytes[0] = (uint8_t)name[0];
    in.u.worker_hello.boot_id.bytes[0] = 1;
    cr_assert_eq(world_step(w, &in), 0);
}

static void submit(struct world *w, const char *who, struct in_job job)
{
    struct input in = {.type = INPUT_SUBMIT, .principal = world_principal(w, who)};
    in.u.submit = (struct in_submit){.flow = "", .project = "uart", .jobs = &job, .n_jobs = 1};
    in.u.submit.key.bytes[0] = (uint8_t)w->request;
    in.u.submit.key.bytes[1] = 1;
    cr_assert_eq(world_step(w, &in), 0);
}

static void cancel(struct world *w, uint64_t number)
{
    struct input in = {.type = INPUT_ACTION, .principal = world_principal(w, "ann")};
    cr_assert(core_find_enterprise(w->core, "acme", &in.u.action.enterprise));
    in.u.action.action = ACTION_CANCEL;
    in.u.action.number = number;
    in.u.action.tasks = "";
    cr_assert_eq(world_step(w, &in), 0);
}

/* ---- what works ---- */

Test(config, features_and_owners_are_known_wherever_they_stand)
{
    struct world w;
    set_up(&w);
    change(&w,
           "set enterprise acme weight 2.0\n"
           "set enterprise acme max-licence dc:1,vcs:4\n"
           "put licence vcs\n"
           "set licence vcs count 12\n"
           "add licence dc\n"
           "set licence dc owner acme\n"
           "put instrument palladium\n"
           "add enterprise beta\n"
           "set enterprise beta max-mem 65536M\n"
           "add project acme/uart\n"
           "set user acme/uart/ann max-running 10\n"
           "set feed licences command  /opt/lmstat   -a \n"
           "set feed licences every 60s\n",
           "enterprise acme\tweight\t\t2\n"
           "enterprise acme\tmax-licence\t\tdc:1,vcs:4\n"
           "project acme/uart\t\t\tpresent\n"
           "user acme/uart/ann\t\t\tpresent\n"
           "user acme/uart/ann\tmax-running\t\t10\n"
           "enterprise beta\t\t\tpresent\n"
           "enterprise beta\tmax-mem\t\t64G\n"
           "licence dc\t\t\tpresent\n"
           "licence dc\tcount\t\t0\n"
           "licence dc\towner\t\tacme\n"
           "instrument palladium\t\t\tpresent\n"
           "instrument palladium\tcount\t\t1\n"
           "licence vcs\t\t\tpresent\n"
           "licence vcs\tcount\t\t12\n"
           "feed licences\tcommand\t\t/opt/lmstat -a\n"
           "feed licences\tevery\t\t1m\n");
    expect_settings(w.core, "enterprise acme\n"
                            "enterprise acme weight=2\n"
                            "enterprise acme max-licence=dc:1,vcs:4\n"
                            "project acme/uart\n"
                            "user acme/uart/ann\n"
                            "user acme/uart/ann max-running=10\n"
                            "enterprise beta\n"
                            "enterprise beta max-mem=64G\n"
                            "licence dc\n"
                            "licence dc count=0\n"
                            "licence dc owner=acme\n"
                            "instrument palladium\n"
                            "instrument palladium count=1\n"
                            "licence vcs\n"
                            "licence vcs count=12\n"
                            "feed licences\n"
                            "feed licences command=/opt/lmstat -a\n"
                            "feed licences every=1m\n");
    int64_t every_us;
    cr_expect_str_eq(core_feed_command(w.core, &every_us), "/opt/lmstat -a");
    cr_expect_eq(every_us, 60000000);
    expect_durable(&w);
    world_fini(&w);
}

struct exported {
    struct cq_str rows;
};

static void export_setting(void *arg, const struct setting_view *s)
{
    struct exported *e = arg;
    cq_str_printf(&e->rows, "%s %s %s %s %s\n", *s->key ? "set" : "put", s->kind, s->path, s->key,
                  s->value);
}

Test(config, what_is_listed_can_be_applied_elsewhere_and_is_the_same_there)
{
    struct world w, other;
    struct exported e = {0};
    set_up(&w);
    change(&w,
           "add enterprise beta\nset enterprise beta weight 4\nset enterprise beta min-cores 10\n"
           "put project beta/dsp\nset project beta/dsp min-cores 10\n"
           "set enterprise acme max-licence vcs:4\nput project acme/uart\n"
           "set user acme/uart/ann max-wall 1h30m\n"
           "put licence vcs\nset licence vcs count 12\nput instrument zebu\n"
           "set instrument zebu owner beta\nset feed licences command /bin/feed\n",
           NULL);
    core_each_setting(w.core, export_setting, &e);
    set_up(&other);
    change(&other, cq_str_text(&e.rows), NULL);
    char *text = settings_of(w.core);
    expect_settings(other.core, text);
    change(&w, cq_str_text(&e.rows), "");
    free(text);
    cq_str_fini(&e.rows);
    world_fini(&w);
    world_fini(&other);
}

Test(config, a_dry_run_tells_and_does_nothing)
{
    struct world w;
    set_up(&w);
    char *before = settings_of(w.core);
    size_t n_journal = w.n_journal;
    struct done d =
        step(&w, "set enterprise acme weight 3\nadd licence vcs\nset licence vcs count 2\n", true);
    cr_expect_eq(d.code, CQ_OK);
    cr_expect_str_eq(d.changes, "enterprise acme\tweight\t\t3\nlicence vcs\t\t\tpresent\n"
                                "licence vcs\tcount\t\t2\n");
    cr_expect_eq(w.n_journal, n_journal);
    expect_settings(w.core, before);
    forget(&d);
    free(before);
    world_fini(&w);
}

Test(config, rows_that_change_nothing_leave_no_record)
{
    struct world w;
    set_up(&w);
    change(&w, "set enterprise acme weight 2\nadd licence vcs\n", NULL);
    size_t n_journal = w.n_journal;
    change(&w,
           "set enterprise acme weight 2.00\nput licence vcs\nclear feed licences\n"
           "put enterprise acme\n",
           "");
    cr_expect_eq(w.n_journal, n_journal);
    world_fini(&w);
}

Test(config, cleared_and_removed_things_go_back_to_their_defaults)
{
    struct world w;
    set_up(&w);
    change(&w,
           "set enterprise acme weight 2\nput project acme/uart\nset project acme/uart weight 5\n"
           "set user acme/uart/ann max-cores 3\nadd licence vcs\nset licence vcs count 5\n",
           NULL);
    change(&w,
           "clear enterprise acme\nset enterprise acme max-cores 4\nremove project acme/uart\n"
           "remove user acme/uart/ann\nremove licence vcs\n",
           "enterprise acme\tweight\t2\t\nenterprise acme\tmax-cores\t\t4\n"
           "project acme/uart\tweight\t5\t\nuser acme/uart/ann\tmax-cores\t3\t\n"
           "licence vcs\t\tpresent\t\n");
    expect_settings(w.core, "enterprise acme\nenterprise acme max-cores=4\nproject acme/uart\n");
    expect_durable(&w);
    world_fini(&w);
}

Test(config, limits_on_a_feature_that_goes_go_with_it)
{
    struct world w;
    set_up(&w);
    change(&w,
           "add licence vcs\nadd licence dc\nadd enterprise beta\n"
           "set enterprise acme max-licence vcs:1,dc:2\nset enterprise beta max-licence vcs:3\n",
           NULL);
    change(&w, "remove licence vcs\n",
           "enterprise acme\tmax-licence\tdc:2,vcs:1\tdc:2\n"
           "enterprise beta\tmax-licence\tvcs:3\t\n"
           "licence vcs\t\tpresent\t\n");
    expect_durable(&w);
    change(&w, "set licence dc owner beta\n",
           "enterprise acme\tmax-licence\tdc:2\t\nlicence dc\towner\t\tbeta\n");
    refuse(&w, "set enterprise acme max-licence dc:2\n", CQ_E_NOT_FOUND, "no licence feature 'dc'");
    expect_durable(&w);
    world_fini(&w);
}

Test(config, a_feature_may_come_back_under_its_name)
{
    struct world w;
    set_up(&w);
    change(&w, "add licence vcs\nset licence vcs count 5\n", NULL);
    change(&w, "remove licence vcs\nadd instrument vcs\n",
           "licence vcs\t\tpresent\t\ninstrument vcs\t\t\tpresent\n"
           "instrument vcs\tcount\t5\t1\n");
    change(&w, "remove instrument vcs\n", NULL);
    change(&w, "add licence vcs\nset licence vcs count 3\n", NULL);
    expect_settings(w.core, "enterprise acme\nlicence vcs\nlicence vcs count=3\n");
    expect_durable(&w);
    world_fini(&w);
}

/* ---- what is refused ---- */

Test(config, an_error_names_its_row_and_nothing_is_done)
{
    struct world w;
    set_up(&w);
    refuse(&w, "put enterprise beta\nadd licence vcs\nset enterprise acme weight nan\n",
           CQ_E_INVALID, "row 3 (set enterprise acme weight): weight: 'nan' is not a number");
    refuse(&w, "set enterprise acme wieght 2\n", CQ_E_INVALID,
           "row 1 (set enterprise acme wieght): no setting 'wieght'; did you mean weight?");
    refuse(&w, "set enterprise acne weight 2\n", CQ_E_NOT_FOUND,
           "row 1 (set enterprise acne weight): no enterprise 'acne'; did you mean acme?");
    refuse(&w, "set project acme/uart weight 2\n", CQ_E_NOT_FOUND,
           "no project 'uart' in acme (chipq share lists what there is)");
    refuse(&w, "put project acme/uart\nset project acme/uar weight 2\n", CQ_E_NOT_FOUND,
           "no project 'uar' in acme; did you mean uart?");
    refuse(&w, "set user acme/default/anne weight 2\n", CQ_E_NOT_FOUND,
           "no user 'anne' in acme; did you mean ann?");
    refuse(&w, "put project acme/uart\nput user acme/uar/ann\n", CQ_E_NOT_FOUND,
           "no project 'uar' in acme; did you mean uart?");
    refuse(&w, "clear user acme/uart/ann\n", CQ_E_NOT_FOUND, "no project 'uart' in acme");
    refuse(&w, "add licence vcs\nset licence vsc count 2\n", CQ_E_NOT_FOUND,
           "no licence 'vsc'; did you mean vcs?");
    refuse(&w, "add licence vcs\nset licence vcs count many\n", CQ_E_INVALID,
           "count: 'many' is not a whole number");
    refuse(&w, "add licence vcs\nset licence vcs owner acne\n", CQ_E_NOT_FOUND,
           "owner: no enterprise 'acne'; did you mean acme?");
    refuse(&w, "add licence vcs\nset licence vcs cuont 3\n", CQ_E_INVALID, "did you mean count");
    refuse(&w, "add enterprise acme\n", CQ_E_CONFLICT, "it exists already");
    refuse(&w, "add enterprise beta\nadd enterprise beta\n", CQ_E_CONFLICT, "row 2");
    refuse(&w, "add licence vcs\nadd licence vcs\n", CQ_E_CONFLICT, "it exists already");
    refuse(&w, "add licence vcs\nput instrument vcs\n", CQ_E_CONFLICT,
           "'vcs' is there as a licence");
    refuse(&w, "put enterprise -x\n", CQ_E_INVALID, "is no path of an enterprise");
    refuse(&w, "put project acme\n", CQ_E_INVALID, "write it as acme/uart");
    refuse(&w, "put enterprise acme/uart\n", CQ_E_INVALID, "write it as acme");
    refuse(&w, "put user acme/uart/ann/x\n", CQ_E_INVALID, "write it as acme/uart/ann");
    refuse(&w, "put licence a/b\n", CQ_E_INVALID, "is no name for a licence");
    refuse(&w, "put colour red\n", CQ_E_INVALID, "'colour' cannot be configured");
    refuse(&w, "set feed other command x\n", CQ_E_NOT_FOUND, "the only one is licences");
    refuse(&w, "set feed licences every 10ms\n", CQ_E_INVALID, "not between 1s and 1d");
    refuse(&w, "set feed licences command a\tb\n", CQ_E_INVALID, "not plain text");
    world_fini(&w);
}

Test(config, too_many_rows_are_refused)
{
    struct world w;
    set_up(&w);
    enum { MANY = 10001 };
    struct in_config_row *rows = cq_calloc(MANY, sizeof *rows);
    for (size_t i = 0; i < MANY; i++)
        rows[i] = (struct in_config_row){CONFIG_PUT, "enterprise", "acme", "", ""};
    struct input in = {.type = INPUT_CONFIG_APPLY, .request = 77};
    for (size_t n = MANY - 1; n <= MANY; n++) {
        in.u.config = (struct in_config){rows, n, false};
        cr_assert_eq(core_step(w.core, &in, w.now, &w.fx, NULL), 0);
        cr_assert_eq(w.fx.n_outs, 1u);
        cr_expect_eq(w.fx.outs[0].code, n == MANY ? CQ_E_LIMIT : CQ_OK);
        effects_clear(&w.fx);
    }
    free(rows);
    world_fini(&w);
}

/* All names are looked up quickly, whether they are there or not. */
Test(config, projects_are_bounded_however_they_are_made, .timeout = 30)
{
    enum { MANY = 10000 };
    struct world w;
    set_up(&w);
    char(*paths)[24] = cq_calloc(MANY + 1, sizeof *paths);
    struct in_config_row *rows = cq_calloc(MANY + 1, sizeof *rows);
    for (size_t i = 0; i <= MANY; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "acme/project%zu", i);
        rows[i] = (struct in_config_row){CONFIG_ADD, "project", paths[i], "", ""};
    }
    struct input in = {.type = INPUT_CONFIG_APPLY, .principal = world_principal(&w, "root")};
    in.u.config = (struct in_config){rows, MANY, false};
    (void)world_step(&w, &in);
    cr_expect_eq(w.core->people.n_projects, (size_t)MANY);
    rows[0].path = paths[MANY];
    in.u.config.n_rows = 1;
    (void)world_step(&w, &in);
    cr_expect_eq(w.core->people.n_projects, (size_t)MANY);
    free(rows);
    free(paths);
    world_fini(&w);
}

Test(config, guarantees_fit_into_each_other)
{
    struct world w;
    set_up(&w);
    refuse(&w, "set enterprise acme min-cores 8\nset enterprise acme max-cores 4\n", CQ_E_INVALID,
           "row 2: acme: min-cores 8 is above max-cores 4");
    refuse(&w, "set enterprise acme min-cores 8\nset enterprise acme lend-cores 9\n", CQ_E_INVALID,
           "acme: lend-cores 9 is above min-cores 8");
    refuse(&w, "set enterprise acme lend-mem 1G\n", CQ_E_INVALID,
           "acme: lend-mem 1G is above min-mem 0");
    refuse(&w, "put project acme/uart\nset project acme/uart min-cores 1\n", CQ_E_INVALID,
           "row 2: acme: min-cores of its projects add up to 1, above its own min-cores 0");
    change(&w,
           "set enterprise acme min-cores 8\nput project acme/a\nput project acme/b\n"
           "set project acme/a min-cores 5\nset project acme/b min-cores 3\n",
           NULL);
    refuse(&w, "put project acme/c\nset project acme/c min-cores 1\n", CQ_E_INVALID,
           "row 2: acme: min-cores of its projects add up to 9, above its own min-cores 8");
    refuse(&w, "set enterprise acme min-cores 7\n", CQ_E_INVALID,
           "row 1: acme: min-cores of its projects add up to 8");
    refuse(&w, "set user acme/a/ann min-cores 6\n", CQ_E_INVALID,
           "acme/a: min-cores of its users add up to 6, above its own min-cores 5");
    change(&w,
           "set project acme/a min-cores 4\nput project acme/c\nset project acme/c min-cores 1\n",
           NULL);
    world_fini(&w);
}

Test(config, guarantees_of_all_leave_a_tenth_of_the_pool)
{
    struct world w;
    set_up(&w);
    change(&w, "add enterprise beta\nset enterprise beta min-cores 1000\n", NULL);
    change(&w, "set enterprise beta min-cores 5\n", NULL);
    add_worker(&w, "n1", "0-9", 10240);
    change(&w, "set enterprise acme min-cores 4\n", NULL);
    refuse(&w, "set enterprise acme weight 2\nset enterprise acme min-cores 5\n", CQ_E_INVALID,
           "row 2: min-cores of all enterprises add up to 10, above 9, nine tenths of the 10 cores "
           "that are up");
    refuse(&w, "set enterprise acme min-mem 9217M\n", CQ_E_INVALID, "min-mem of all enterprises");
    change(&w, "set enterprise acme min-mem 9G\n", NULL);
    change(&w, "remove enterprise beta\n", NULL);
    change(&w, "set enterprise acme min-cores 9\n", NULL);
    world_fini(&w);
}

/* The pool shrank: who only changes something else is not stopped by it. */
Test(config, what_is_over_already_stops_nobody_who_does_not_add_to_it)
{
    struct world w;
    set_up(&w);
    change(&w, "add enterprise beta\nset enterprise beta min-cores 1000\n", NULL);
    add_worker(&w, "n1", "0-9", 10240);
    change(&w, "set enterprise acme weight 2\nset enterprise beta min-cores 900\n", NULL);
    refuse(&w, "set enterprise acme min-cores 1\n", CQ_E_INVALID, "add up to 901");
    world_fini(&w);
}

/* ---- removal ---- */

Test(config, an_enterprise_with_jobs_is_not_removed)
{
    struct world w;
    set_up(&w);
    submit(&w, "ann", (struct in_job)IN_JOB_PLAIN);
    submit(&w, "ann", (struct in_job)IN_JOB_PLAIN);
    refuse(&w, "remove enterprise acme\n", CQ_E_CONFLICT,
           "row 1 (remove enterprise acme): acme has 0 running and 2 waiting jobs: cancel them "
           "first, or wait: chipq jobs --enterprise acme --live");
    cancel(&w, 1);
    cancel(&w, 2);
    change(&w, "set enterprise acme weight 2\nset project acme/uart weight 3\n", NULL);
    change(&w, "remove enterprise acme\n",
           "enterprise acme\t\tpresent\t\nproject acme/uart\tweight\t3\t\n");
    cr_expect_eq(world_principal(&w, "ann").v, 0u, "the key is no longer valid");
    expect_settings(w.core, "");
    expect_durable(&w);
    world_restart(&w);
    cr_expect_eq(world_principal(&w, "ann").v, 0u);
    change(&w, "add enterprise acme\n", "enterprise acme\t\t\tpresent\n");
    expect_settings(w.core, "enterprise acme\n");
    expect_durable(&w);
    world_fini(&w);
}

Test(config, an_enterprise_with_licences_or_platform_admins_is_not_removed)
{
    struct world w;
    struct enterprise_id acme;
    set_up(&w);
    cr_assert(core_find_enterprise(w.core, "acme", &acme));
    change(&w, "add licence vcs\nset licence vcs owner acme\n", NULL);
    refuse(&w, "remove enterprise acme\n", CQ_E_CONFLICT, "row 1: acme owns 'vcs'");
    world_add_user(&w, "acme", "boss", ROLE_PLATFORM_ADMIN);
    refuse(&w, "remove licence vcs\nremove enterprise acme\n", CQ_E_CONFLICT,
           "'boss', a platform admin, belongs to acme");
    struct input in = {.type = INPUT_USER_REVOKE};
    in.u.user_revoke.enterprise = "acme";
    in.u.user_revoke.name = "boss";
    cr_assert_eq(world_step(&w, &in), 0);
    change(&w, "remove licence vcs\nremove enterprise acme\n", NULL);
    cr_expect_not(core_find_enterprise(w.core, "acme", &acme));
    cr_expect_str_eq(core_enterprise_name(w.core, acme), "acme", "its jobs are still on record");
    refuse(&w, "set enterprise acme weight 2\n", CQ_E_NOT_FOUND, "no enterprise 'acme'");
    world_fini(&w);
}

Test(config, an_enterprise_is_not_used_and_removed_at_once)
{
    struct world w;
    set_up(&w);
    refuse(&w, "remove enterprise acme\nset enterprise acme weight 2\n", CQ_E_NOT_FOUND,
           "row 2 (set enterprise acme weight): row 1 removes enterprise 'acme'");
    refuse(&w, "add enterprise beta\nremove enterprise beta\n", CQ_E_CONFLICT,
           "it is added by this same change");
    world_fini(&w);
}

Test(config, a_licence_that_jobs_ask_for_stays)
{
    struct world w;
    set_up(&w);
    change(&w, "add enterprise beta\nadd licence vcs\nset licence vcs count 2\n", NULL);
    struct in_job job = IN_JOB_PLAIN;
    job.licences = "vcs:1";
    submit(&w, "ann", job);
    refuse(&w, "remove licence vcs\n", CQ_E_CONFLICT,
           "0 tokens are in use and 1 live jobs ask for it: cancel them first, or wait");
    refuse(&w, "set licence vcs owner beta\n", CQ_E_CONFLICT,
           "row 1: vcs: 1 live jobs of other enterprises ask for it");
    change(&w, "set licence vcs owner acme\n", NULL);
    cancel(&w, 1);
    change(&w, "set licence vcs owner beta\n", NULL);
    change(&w, "remove licence vcs\n", NULL);
    expect_durable(&w);
    world_fini(&w);
}

/* ---- warnings ---- */

Test(config, a_cap_below_present_use_is_told_and_allowed)
{
    struct world w;
    set_up(&w);
    add_worker(&w, "n1", "0-9", 10240);
    change(&w, "add licence vcs\nset licence vcs count 4\n", NULL);
    struct in_job job = IN_JOB_PLAIN;
    job.cores = 8;
    job.mem_mib = 2048;
    job.licences = "vcs:3";
    submit(&w, "ann", job);
    struct counts n;
    core_counts(w.core, (struct enterprise_id){0}, &n);
    cr_assert_eq(n.tasks_running, 1u);
    change(&w, "set enterprise acme max-cores 8\n", NULL);
    warn(&w, "set enterprise acme max-cores 4\n",
         "acme: max-cores 4 is below the 8 in use now: nothing new starts until it falls\n");
    change(&w, "set enterprise acme weight 2\n", NULL);
    warn(&w, "set project acme/uart max-mem 1G\nset project acme/uart max-running 0\n",
         "acme/uart: max-mem 1G is below the 2048M in use now: nothing new starts until it falls\n"
         "acme/uart: max-running 0 is below the 1 that run now: nothing new starts until it "
         "falls\n");
    warn(&w, "set user acme/uart/ann max-licence vcs:1\n",
         "acme/uart/ann: max-licence vcs:1 is below the 3 in use now: nothing new that needs it "
         "starts until it falls\n");
    warn(&w, "set licence vcs count 2\n",
         "vcs: count 2 is below the 3 in use now: nothing new that needs it starts until it "
         "falls\n");
    refuse(&w, "remove licence vcs\n", CQ_E_CONFLICT, "3 tokens are in use");
    refuse(&w, "remove enterprise acme\n", CQ_E_CONFLICT, "acme has 1 running and 0 waiting jobs");
    world_fini(&w);
}
