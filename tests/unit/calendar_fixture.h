/* A pool of two machines and three users for tests of the calendar: to book, to submit, to let time
 * pass, to look. Included by each of them, each its own program. */
#ifndef CHIPQ_TEST_CALENDAR_FIXTURE_H
#define CHIPQ_TEST_CALENDAR_FIXTURE_H

#include <criterion/criterion.h>

#include "scheduler/core/core_state.h"
#include "tests/trace/world.h"

#define MINUTE (60 * US_PER_S)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static struct world world;
static int64_t zero_us; /* wall time at which the test begins */

enum { HELD_MAX = 32, STARTING = 1 };

/* What a machine would say that it holds: all that the core thinks it does. */
struct holding {
    struct in_held_lease leases[HELD_MAX];
    struct in_held_attempt attempts[HELD_MAX];
    size_t n;
};

CQ_UNUSED static void hold_attempt(void *arg, const struct task_view *t)
{
    struct in_held_attempt *a = arg;
    if (t->is_live && t->task == a->task)
        a->attempt = t->attempt;
}

CQ_UNUSED static void hold_lease(void *arg, const struct lease_view *l)
{
    struct holding *h = arg;
    cr_assert_lt(h->n, (size_t)HELD_MAX);
    struct in_held_attempt *a = &h->attempts[h->n];
    *a = (struct in_held_attempt){.job = l->job.v, .task = l->task, .state = STARTING};
    core_each_task(world.core, l->job, hold_attempt, a);
    h->leases[h->n++] =
        (struct in_held_lease){.lease = l->id.v, .epoch = 1, .attempts = a, .n_attempts = 1};
}

CQ_UNUSED static void hello(const char *node, const char *cores, uint64_t mem_mib)
{
    struct holding held = {.n = 0};
    struct worker_id id = core_find_worker(world.core, node);
    if (id.v != 0)
        core_each_lease(world.core, id, hold_lease, &held);
    struct input in = {.type = INPUT_WORKER_HELLO, .principal = world_principal(&world, node)};
    in.u.worker_hello = (struct in_worker_hello){.node = node,
                                                 .cores = cores,
                                                 .topology = "",
                                                 .features = "",
                                                 .mem_mib = mem_mib,
                                                 .heartbeat = 1,
                                                 .leases = held.leases,
                                                 .n_leases = held.n};
    in.u.worker_hello.incarnation.bytes[0] = in.u.worker_hello.boot_id.bytes[0] = 1;
    (void)world_step(&world, &in);
}

CQ_UNUSED static void hello_all(void)
{
    hello("n1", "0-15", 16384);
    hello("n2", "0-7", 8192);
}

CQ_UNUSED static void add_feature(const char *kind, const char *name, const char *count,
                                  const char *owner)
{
    const struct in_config_row rows[] = {{CONFIG_ADD, kind, name, "", ""},
                                         {CONFIG_SET, kind, name, "count", count},
                                         {CONFIG_SET, kind, name, "owner", owner}};
    struct input in = {.type = INPUT_CONFIG_APPLY};
    in.u.config = (struct in_config){rows, CQ_COUNT(rows), false};
    (void)world_step(&world, &in);
    cr_assert(strstr(cq_str_text(&world.log), "config OK"), "%s", cq_str_text(&world.log));
}

CQ_UNUSED static void set_up(void)
{
    /* Leases and silence last longer than any test. */
    const struct core_config config = {.lease_us = 1000 * DAY, .suspect_us = 1000 * DAY};
    zero_us = 20000 * DAY;
    world = (struct world){.config = config, .now = {.wall_us = zero_us}};
    world.core = core_new(&config);
    world_start(&world);
    world_add_enterprise(&world, "acme");
    world_add_enterprise(&world, "brix");
    world_add_user(&world, "acme", "ann", ROLE_DESIGNER);
    world_add_user(&world, "acme", "amy", ROLE_DESIGNER);
    world_add_user(&world, "brix", "bob", ROLE_DESIGNER);
    world_add_user(&world, "acme", "root", ROLE_PLATFORM_ADMIN);
    world_add_user(&world, "", "n1", ROLE_WORKER);
    world_add_user(&world, "", "n2", ROLE_WORKER);
    hello_all();
    add_feature("licence", "vcs", "4", "");
    add_feature("instrument", "palladium", "2", "");
    add_feature("licence", "dc", "3", "acme");
}

CQ_UNUSED static void tear_down(void)
{
    world_fini(&world);
}

/* ---- to book ---- */

/* The reply's line, without its time: "reply OK". */
CQ_UNUSED static const char *last_reply(void)
{
    const char *found = "", *text = cq_str_text(&world.log);
    for (const char *p = text; (p = strstr(p, "reply ")); p++)
        found = p;
    return found;
}

CQ_UNUSED static const char *book_as(const char *who, struct in_reservation r)
{
    struct input in = {.type = INPUT_RESERVATION_ADD, .principal = world_principal(&world, who)};
    r.start_us += zero_us;
    r.end_us += zero_us;
    r.path = r.path ? r.path : "acme";
    r.nodes = r.nodes ? r.nodes : "";
    r.licences = r.licences ? r.licences : "";
    in.u.reservation_add = r;
    cq_str_clear(&world.log);
    (void)world_step(&world, &in);
    return last_reply();
}

#define BOOK(...) book_as("root", (struct in_reservation){__VA_ARGS__})
#define EXPECT_BOOKED(...)                                            \
    do {                                                              \
        const char *reply_ = BOOK(__VA_ARGS__);                       \
        cr_assert(cq_str_starts(reply_, "reply OK\n"), "%s", reply_); \
    } while (0)
#define EXPECT_REFUSED(code, says, ...)                                              \
    do {                                                                             \
        const char *reply_ = BOOK(__VA_ARGS__);                                      \
        cr_expect(cq_str_starts(reply_, "reply " code ": ") && strstr(reply_, says), \
                  "expected %s '%s', got %s", code, says, reply_);                   \
    } while (0)

CQ_UNUSED static const char *remove_booking(const char *who, const char *name)
{
    struct input in = {.type = INPUT_RESERVATION_REMOVE, .principal = world_principal(&world, who)};
    in.u.reservation_remove.name = name;
    cq_str_clear(&world.log);
    (void)world_step(&world, &in);
    return last_reply();
}

struct seen {
    struct reservation_view v;
    char nodes[256], path[64], licences[64];
    const char *name;
    size_t n;
};

CQ_UNUSED static void see(void *arg, const struct reservation_view *v)
{
    struct seen *s = arg;
    s->n++;
    if (strcmp(v->name, s->name) != 0)
        return;
    s->v = *v;
    (void)cq_copy_text(s->nodes, sizeof s->nodes, v->nodes);
    (void)cq_copy_text(s->path, sizeof s->path, v->path);
    (void)cq_copy_text(s->licences, sizeof s->licences, v->licences);
}

CQ_UNUSED static struct seen booking(const char *name)
{
    struct seen s = {.name = name};
    core_each_reservation(world.core, world.now, see, &s);
    return s;
}

CQ_UNUSED static size_t n_edges(uint64_t state)
{
    size_t n = 0;
    for (size_t i = 0; i < world.n_journal; i++)
        n += world.journal[i]->type == RECORD_RESERVATION_EDGE
             && world.journal[i]->u.reservation_edge.state == state;
    return n;
}

/* ---- to run ---- */

struct ask {
    const char *user, *reservation, *licences, *project, *array;
    uint64_t cores, mem_mib, array_max_running;
    int64_t time_us;
    bool is_preemptible, exclusive, hold;
    uint64_t pass_by_task_of; /* aftercorr on that job */
};

static uint64_t n_keys;

/* Its number; 0: refused, the reply is in the log. */
CQ_UNUSED static uint64_t submit(struct ask a)
{
    struct in_job job = IN_JOB_PLAIN;
    job.cores = a.cores;
    job.mem_mib = a.mem_mib ? a.mem_mib : 100;
    job.time_us = (uint64_t)a.time_us;
    job.reservation = a.reservation;
    job.array = a.array ? a.array : "";
    job.licences = a.licences;
    job.is_preemptible = a.is_preemptible;
    job.exclusive = a.exclusive;
    job.array_max_running = a.array_max_running;
    job.hold = a.hold;
    const struct in_dep dep = {
        .number = a.pass_by_task_of, .when = DEP_AFTERCORR, .outcome = OUTCOME_LIVE};
    job.deps = &dep;
    job.n_deps = a.pass_by_task_of != 0;
    struct input in = {.type = INPUT_SUBMIT,
                       .principal = world_principal(&world, a.user ? a.user : "ann")};
    in.u.submit = (struct in_submit){
        .flow = "", .project = a.project ? a.project : "uart", .jobs = &job, .n_jobs = 1};
    uint64_t key = ++n_keys;
    memcpy(in.u.submit.key.bytes, &key, sizeof key);
    cq_str_clear(&world.log);
    (void)world_step(&world, &in);
    const char *accepted = strstr(cq_str_text(&world.log), "accepted ");
    return accepted ? strtoull(accepted + strlen("accepted "), NULL, 10) : 0;
}
#define SUBMIT(...) submit((struct ask){__VA_ARGS__})

struct found {
    const char *enterprise;
    uint64_t number;
    struct lease_view lease;
    struct worker_id worker;
    const char *node;
    size_t n;
};

CQ_UNUSED static void find_lease(void *arg, const struct lease_view *l)
{
    struct found *f = arg;
    if (l->number != f->number || strcmp(l->enterprise_name, f->enterprise) != 0)
        return;
    f->lease = *l;
    f->n++;
}

CQ_UNUSED static struct found find(const char *enterprise, uint64_t number)
{
    static const char *const nodes[] = {"n1", "n2"};
    struct found f = {.enterprise = enterprise, .number = number};
    for (size_t i = 0; i < CQ_COUNT(nodes); i++) {
        size_t before = f.n;
        struct worker_id id = core_find_worker(world.core, nodes[i]);
        core_each_lease(world.core, id, find_lease, &f);
        f.node = f.n > before ? nodes[i] : f.node;
    }
    return f;
}

CQ_UNUSED static bool runs(uint64_t number)
{
    return find("acme", number).n > 0;
}

CQ_UNUSED static void note_attempt(void *arg, const struct task_view *t)
{
    if (t->is_live)
        *(uint64_t *)arg = t->attempt;
}

CQ_UNUSED static void end_of(const char *enterprise, uint64_t number)
{
    struct found f = find(enterprise, number);
    cr_assert_eq(f.n, 1, "%s/%" PRIu64 " does not run", enterprise, number);
    uint64_t attempt = 0;
    core_each_task(world.core, f.lease.job, note_attempt, &attempt);
    struct in_attempt_end end = {
        .at = {f.lease.id.v, core_epoch(world.core), f.lease.job.v, f.lease.task, attempt},
        .verdict = VERDICT_PASS,
        .limit = "",
        .summary = "",
        .signature = "",
        .result = "",
        .cause = ""};
    struct input in = {.type = INPUT_WORKER_EVENTS, .principal = world_principal(&world, f.node)};
    in.u.events.ends = &end;
    in.u.events.n_ends = 1;
    cq_str_clear(&world.log);
    (void)world_step(&world, &in);
}

CQ_UNUSED static const char *why(uint64_t number)
{
    struct enterprise_id e = {0};
    struct reason reasons[4] = {{.code = ""}};
    cr_assert(core_find_enterprise(world.core, "acme", &e));
    size_t n = core_explain(world.core, core_find_job(world.core, e, number), world.now, reasons,
                            CQ_COUNT(reasons));
    return n > 0 ? reasons[0].code : "none";
}

CQ_UNUSED static void expect_waits(uint64_t number, const char *code)
{
    cr_expect_neq(number, 0, "refused: %s", cq_str_text(&world.log));
    cr_expect_not(runs(number), "job %" PRIu64 " runs", number);
    cr_expect_str_eq(why(number), code);
}

/* To so long after the begin of the test. */
CQ_UNUSED static void go_to(int64_t at_us)
{
    cq_str_clear(&world.log);
    world_advance(&world, world.now.mono_us + (zero_us + at_us - world.now.wall_us));
}

CQ_UNUSED static void jump_wall(int64_t by_us)
{
    struct input in = {.type = INPUT_TIMER};
    world.now.wall_us += by_us;
    cq_str_clear(&world.log);
    (void)world_step(&world, &in);
}

struct share_seen {
    const char *path;
    double got;
};

CQ_UNUSED static void see_share(void *arg, const struct share_view *v)
{
    struct share_seen *s = arg;
    if (strcmp(v->path, s->path) == 0)
        s->got = v->got;
}

/* What a node is charged now, in parts of the pool. */
CQ_UNUSED static double charge(const char *path)
{
    struct share_seen s = {path, -1};
    core_each_share(world.core, world.now, see_share, &s);
    return s.got;
}

/* ---- the same state by other ways ---- */

CQ_UNUSED static void print_reservation(void *arg, const struct reservation_view *v)
{
    cq_str_printf(arg, "%s %s %s %s %" PRId64 "-%" PRId64 " %" PRIu64 " %d %" PRIu64 "\n", v->path,
                  v->name, v->nodes, v->licences, v->start_us, v->end_us, v->cores, v->is_active,
                  v->cores_used);
}

CQ_UNUSED static void print_share(void *arg, const struct share_view *v)
{
    cq_str_printf(arg, "%s %a %a\n", v->path, v->got, v->usage_core_hours);
}

CQ_UNUSED static char *print(const struct core *c)
{
    struct cq_str text = {0};
    core_each_reservation(c, world.now, print_reservation, &text);
    core_each_share(c, world.now, print_share, &text);
    return cq_str_take(&text);
}

CQ_UNUSED static void expect_same_after_restart(void)
{
    jump_wall(0); /* usage is told as of the newest step */
    struct core *rows = core_from_rows(&world), *journal = core_from_journal(&world);
    struct effects fx = {0};
    core_load_done(rows, world.now, &fx);
    core_load_done(journal, world.now, &fx);
    char *live = print(world.core), *a = print(rows), *b = print(journal);
    cr_expect_str_eq(a, live);
    cr_expect_str_eq(b, live);
    free(live);
    free(a);
    free(b);
    effects_fini(&fx);
    core_free(rows);
    core_free(journal);
}

#endif
