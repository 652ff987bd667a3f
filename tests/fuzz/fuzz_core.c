/* Any sequence of inputs through the real core: whatever chipqd lets through to it, of people who
 * submit, cancel, configure and book what they like, of workers that report what never was, of
 * clocks that jump, and of restarts. Unlike the histories of tests/trace nobody here is honest, so
 * only what must hold whatever comes is checked: after each step the oracle's books (no core twice,
 * no memory domain with more than it has, limits, the order of the queue) and the counts; at the
 * end, cores made anew from the journal and from the store's rows know the same. */
#include "scheduler/core/oracle.h"

#include "tests/fuzz/core_draw.h"
#include "tests/fuzz/core_world.h"

enum { STEPS_MAX = 300, JOBS_OF_SUBMIT = 3, DEPS_OF_JOB = 2, EVENTS_MAX = 4, HELD_OF_HELLO = 8 };

/* ---- people ---- */

static const char *const enterprises[] = {"acme", "rival", "", "third", "acme/uart"};
static const char *const users[] = {"ann", "bob", "eve", "root", "n1", "n2", "n3", "carl"};
static const char *const projects[] = {"", "uart", "dma", "default"};

static void move_enterprise(struct fuzz_core *f)
{
    struct input in = {.type = INPUT_ENTERPRISE_ADD};
    in.u.enterprise_add.name = DRAW_WORD(&f->draw, enterprises, 63);
    fuzz_step(f, &in);
}

static void move_user(struct fuzz_core *f)
{
    struct draw *d = &f->draw;
    struct input in = {.type = INPUT_USER_ADD};
    const char *name = DRAW_WORD(d, users, 40);
    char *key = draw_buffer(d);
    (void)snprintf(key, 41, "%-40.40s", name);
    in.u.user_add.enterprise = DRAW_WORD(d, enterprises, 63);
    in.u.user_add.name = name;
    in.u.user_add.role = (enum role)draw_below(d, ROLE_COUNT);
    in.u.user_add.public_key = draw_one_in(d, 8) ? draw_raw(d, 40) : key;
    fuzz_step(f, &in);
}

static void move_revoke(struct fuzz_core *f)
{
    struct input in = {.type = INPUT_USER_REVOKE};
    in.u.user_revoke.enterprise = DRAW_WORD(&f->draw, enterprises, 63);
    in.u.user_revoke.name = DRAW_WORD(&f->draw, users, 63);
    fuzz_step(f, &in);
}

/* ---- jobs ---- */

static void draw_dep(struct fuzz_core *f, struct enterprise_id e, size_t n_jobs, struct in_dep *dep)
{
    static const enum dep_outcome over[] = {OUTCOME_OK, OUTCOME_NOTOK, OUTCOME_NO_SUCH_JOB};
    static const char *const passed[] = {"", "1-3", "2", "1,3-60"};
    struct draw *d = &f->draw;
    *dep = (struct in_dep){.when = (enum dep_when)draw_below(d, 4), .outcome = OUTCOME_LIVE};
    if (draw_one_in(d, 2)) {
        dep->index = draw_below(d, n_jobs + 2);
        return;
    }
    dep->number = 1 + draw_number(d) % 64;
    if (core_find_job(f->w.core, e, dep->number).v != 0)
        return;
    dep->outcome = over[draw_below(d, CQ_COUNT(over))]; /* as the store would tell */
    dep->name = "old";
    dep->is_array = draw_one_in(d, 2);
    dep->tasks = dep->is_array ? 60 : 1;
    dep->passed = dep->is_array ? passed[draw_below(d, CQ_COUNT(passed))] : "";
    dep->attempt = dep->is_array ? 0 : draw_below(d, 3);
}

static void draw_place(struct draw *d, struct in_job *job)
{
    static const char *const topos[] = {
        "",           "pack",    "spread",   "any",         "pack:l3!",
        "pack:numa!", "spread!", "any:node", "pack:socket", "spread:numa!"};
    static const char *const features[] = {"", "gpu", "gpu\ntool=yosys", "tool=sta=2"};
    job->topo = DRAW_WORD(d, topos, 63);
    job->node_has = DRAW_WORD(d, features, 63);
    job->exclusive = draw_one_in(d, 8) ? (unsigned)draw_below(d, EXCLUSIVE_COUNT) : 0;
    job->membind = (unsigned)draw_below(d, MEMBIND_COUNT);
    job->smt = (unsigned)draw_below(d, 2);
}

static void draw_terms(struct draw *d, struct in_job *job)
{
    static const char *const licences[] = {"", "vcs:1", "vcs:2,dc:1", "emu:1", "dc:9", "pt:1"};
    static const char *const bookings[] = {"", "night", "b1"};
    job->restart = draw_one_in(d, 6);
    job->on_lost = draw_below(d, 3);
    job->max_attempts = draw_one_in(d, 4) ? draw_below(d, 101) : 0;
    job->max_own_failures = draw_one_in(d, 4) ? draw_below(d, 101) : 0;
    job->hold = draw_one_in(d, 8);
    job->is_preemptible = draw_one_in(d, 4);
    job->licences = draw_one_in(d, 3) ? DRAW_WORD(d, licences, 200) : "";
    job->reservation = draw_one_in(d, 6) ? DRAW_WORD(d, bookings, 63) : "";
}

static void draw_job(struct draw *d, struct in_job *job)
{
    static const char *const names[] = {"sim7", "sim12", "", "synth", "sta"};
    static const char *const arrays[] = {"", "", "1-4", "1-12", "1,3,5-9", "2-70", "1-400"};
    static const char *const tools[] = {"", "yosys.synth", "verilator.sim"};
    *job = (struct in_job){.stage_of = "", .run = "x", .run_bytes = 1};
    job->name = DRAW_WORD(d, names, 63);
    job->tool = DRAW_WORD(d, tools, 63);
    job->array = DRAW_WORD(d, arrays, 200);
    job->array_max_running = draw_one_in(d, 4) ? draw_number(d) : 0;
    job->cores = draw_one_in(d, 6) ? draw_number(d) % 4097 : 1 + draw_below(d, 4);
    job->mem_mib = draw_one_in(d, 3) ? draw_number(d) : 100 * draw_below(d, 16);
    job->mem_first_mib = draw_one_in(d, 6) ? draw_number(d) : 0;
    job->time_us = draw_one_in(d, 6) ? draw_number(d) : draw_below(d, 64) * 60000000;
    job->priority = draw_one_in(d, 4) ? (int64_t)draw_below(d, 21) - 10 : 0;
    draw_place(d, job);
    draw_terms(d, job);
}

static void move_submit(struct fuzz_core *f)
{
    struct draw *d = &f->draw;
    struct in_dep deps[JOBS_OF_SUBMIT][DEPS_OF_JOB];
    struct in_job jobs[JOBS_OF_SUBMIT];
    struct principal_view who;
    struct input in = {.type = INPUT_SUBMIT};
    if (!fuzz_someone(f, users[draw_below(d, CQ_COUNT(users))], &who) || who.role == ROLE_WORKER
        || who.enterprise.v == 0)
        return;
    size_t n = 1 + (size_t)draw_below(d, JOBS_OF_SUBMIT);
    for (size_t i = 0; i < n; i++) {
        draw_job(d, &jobs[i]);
        jobs[i].deps = deps[i];
        jobs[i].n_deps = draw_one_in(d, 2) ? (size_t)draw_below(d, DEPS_OF_JOB + 1) : 0;
        for (size_t k = 0; k < jobs[i].n_deps; k++)
            draw_dep(f, who.enterprise, n, &deps[i][k]);
    }
    in.principal = who.id;
    in.u.submit = (struct in_submit){.flow = n > 1 ? "nightly" : "", .jobs = jobs, .n_jobs = n};
    in.u.submit.project = DRAW_WORD(d, projects, 63);
    memcpy(in.u.submit.key.bytes, &f->n_submits, sizeof f->n_submits);
    bool is_resent = draw_one_in(d, 8); /* or another with the same key */
    if (!is_resent || core_find_key(f->w.core, who.id, &in.u.submit.key).v == 0) {
        f->n_submits++; /* of keys whose jobs are over the store knows the answer */
        memcpy(in.u.submit.key.bytes, &f->n_submits, sizeof f->n_submits);
    }
    in.u.submit.digest[0] = draw_one_in(d, 8);
    fuzz_step(f, &in);
}

static void move_action(struct fuzz_core *f)
{
    static const char *const tasks[] = {"", "1", "2-3", "1-4,9", "70", "400-500"};
    struct draw *d = &f->draw;
    struct principal_view who;
    struct input in = {.type = INPUT_ACTION};
    struct ranges r = {0};
    if (!fuzz_someone(f, users[draw_below(d, CQ_COUNT(users))], &who) || who.role == ROLE_WORKER)
        return;
    in.principal = who.id;
    in.u.action.action = (enum job_action)draw_below(d, 4);
    in.u.action.enterprise = who.enterprise;
    in.u.action.number = 1 + draw_below(d, 32);
    in.u.action.tasks = DRAW_WORD(d, tasks, 100);
    bool is_good = *in.u.action.tasks == '\0'
                   || ranges_parse(in.u.action.tasks, INT32_MAX, 100000, &r, NULL) == 0;
    ranges_fini(&r);
    if (is_good && core_find_job(f->w.core, who.enterprise, in.u.action.number).v != 0)
        fuzz_step(f, &in);
}

/* Whatever a command may ask. */
static void move_ask(struct fuzz_core *f)
{
    struct reason reasons[8];
    struct start_estimate e;
    void *item;
    struct brief_memo memo = {0};
    uint32_t task = (uint32_t)draw_number(&f->draw);
    for (size_t i = 0; map_next(&f->w.core->jobs.by_id, &i, &item);) {
        struct job_id id = {((const struct job *)item)->id};
        const struct task_id one = {id, task};
        size_t n = core_explain(f->w.core, id, f->w.now, reasons, CQ_COUNT(reasons));
        FUZZ_CHECK(n <= CQ_COUNT(reasons));
        (void)core_explain_task(f->w.core, one, f->w.now, reasons, CQ_COUNT(reasons));
        (void)core_explain_brief(f->w.core, id, f->w.now, reasons, &memo);
        if (core_expect_start(f->w.core, id, f->w.now, &e))
            FUZZ_CHECK(e.from_us <= e.to_us);
        (void)core_expect_task_start(f->w.core, one, f->w.now, &e);
    }
    fuzz_look_around(f);
}

/* ---- what admins do ---- */

static const char *draw_value(struct draw *d)
{
    static const char *const values[] = {"",
                                         "0",
                                         "1",
                                         "2",
                                         "4",
                                         "16",
                                         "500M",
                                         "2G",
                                         "vcs:1",
                                         "vcs:2,dc:1",
                                         "30m",
                                         "2h",
                                         "0.5",
                                         "1core-hours/day",
                                         "3core-hours/month",
                                         "acme",
                                         "/bin/feed -x"};
    if (!draw_one_in(d, 6))
        return DRAW_WORD(d, values, 200);
    char *text = draw_buffer(d);
    (void)snprintf(text, 32, "%llu", (unsigned long long)draw_number(d));
    return text;
}

static struct in_config_row draw_row(struct draw *d)
{
    static const struct {
        const char *kind, *path;
    } things[] = {
        {"enterprise", "acme"},   {"enterprise", "rival"},   {"project", "acme/uart"},
        {"project", "rival/dma"}, {"user", "acme/uart/ann"}, {"user", "rival/dma/eve"},
        {"licence", "vcs"},       {"licence", "dc"},         {"instrument", "emu"},
        {"feed", "licences"},     {"enterprise", "third"},   {"licence", "pt"},
    };
    static const char *const keys[] = {
        "weight",          "max-cores", "max-mem",      "max-running", "max-pending",
        "max-submit-rate", "max-wall",  "max-licence",  "min-cores",   "min-mem",
        "lend-cores",      "lend-mem",  "borrow-cores", "borrow-mem",  "budget",
        "count",           "owner",     "command",      "every"};
    static const enum config_op ops[] = {CONFIG_SET, CONFIG_SET,   CONFIG_SET,   CONFIG_PUT,
                                         CONFIG_ADD, CONFIG_CLEAR, CONFIG_REMOVE};
    size_t i = (size_t)draw_below(d, CQ_COUNT(things));
    struct in_config_row row = {.op = ops[draw_below(d, CQ_COUNT(ops))],
                                .kind = things[i].kind,
                                .path = things[i].path,
                                .key = "",
                                .value = ""};
    if (draw_one_in(d, 24))
        row.path = draw_raw(d, 40);
    if (row.op == CONFIG_SET) {
        row.key = DRAW_WORD(d, keys, 31);
        row.value = draw_value(d);
    }
    return row;
}

static void move_config(struct fuzz_core *f)
{
    struct in_config_row rows[4];
    struct input in = {.type = INPUT_CONFIG_APPLY};
    size_t n = 1 + (size_t)draw_below(&f->draw, CQ_COUNT(rows));
    for (size_t i = 0; i < n; i++)
        rows[i] = draw_row(&f->draw);
    in.u.config = (struct in_config){rows, n, draw_one_in(&f->draw, 16)};
    fuzz_step(f, &in);
}

static void move_feed(struct fuzz_core *f)
{
    static const char *const features[] = {"vcs", "dc", "emu", "nobody", "pt"};
    struct in_licence_sample samples[CQ_COUNT(features)];
    struct input in = {.type = INPUT_LICENCE_FEED};
    size_t n = (size_t)draw_below(&f->draw, CQ_COUNT(features) + 1);
    for (size_t i = 0; i < n; i++)
        samples[i] = (struct in_licence_sample){
            features[i], (int64_t)(draw_number(&f->draw) % ((uint64_t)FEED_MOST + 1))};
    in.u.licence_feed =
        (struct in_licence_feed){samples, n, draw_one_in(&f->draw, 6) ? "it hangs" : NULL};
    fuzz_step(f, &in);
}

static void move_book(struct fuzz_core *f)
{
    static const char *const names[] = {"night", "b1", "b2"};
    static const char *const paths[] = {"acme", "rival", "acme/uart", "acme/uart/ann", "third"};
    static const char *const nodes[] = {"", "", "n1", "n1,n2", "n3", "n9", "n1,n1"};
    static const char *const licences[] = {"", "", "vcs:1", "emu:1", "dc:2,vcs:1"};
    struct draw *d = &f->draw;
    struct input in = {.type = INPUT_RESERVATION_ADD, .principal = fuzz_admin(f)};
    int64_t start_us = f->w.now.wall_us + ((int64_t)draw_below(d, 64) - 8) * 600000000;
    int64_t end_us = start_us + (int64_t)(1 + draw_below(d, 100)) * 300000000;
    if (draw_one_in(d, 16)) {
        start_us = (int64_t)draw_number(d);
        end_us = (int64_t)draw_number(d);
    }
    if (end_us <= start_us)
        return;
    in.u.reservation_add = (struct in_reservation){.name = names[draw_below(d, CQ_COUNT(names))],
                                                   .path = DRAW_WORD(d, paths, 100),
                                                   .start_us = start_us,
                                                   .end_us = end_us,
                                                   .every_days = draw_below(d, 8),
                                                   .nodes = DRAW_WORD(d, nodes, 200),
                                                   .licences = DRAW_WORD(d, licences, 200),
                                                   .is_flex = draw_one_in(d, 2)};
    in.u.reservation_add.cores = draw_one_in(d, 2) ? draw_number(d) : 0;
    in.u.reservation_add.mem_mib = draw_one_in(d, 2) ? draw_number(d) : 0;
    fuzz_step(f, &in);
}

static void move_unbook(struct fuzz_core *f)
{
    static const char *const names[] = {"acme/night", "acme/b1", "rival/b1", "night", "b2"};
    struct input in = {.type = INPUT_RESERVATION_REMOVE, .principal = fuzz_admin(f)};
    in.u.reservation_remove.name = DRAW_WORD(&f->draw, names, 63);
    fuzz_step(f, &in);
}

static void move_drain(struct fuzz_core *f)
{
    static const char *const nodes[] = {"n1", "n2", "n3", "n9"};
    struct input in = {.type = INPUT_NODE_DRAIN, .principal = fuzz_admin(f)};
    in.u.node_drain.name = DRAW_WORD(&f->draw, nodes, 63);
    in.u.node_drain.drain = draw_one_in(&f->draw, 2);
    in.u.node_drain.why = draw_one_in(&f->draw, 2) ? draw_raw(&f->draw, 20) : NULL;
    fuzz_step(f, &in);
}

/* ---- workers ---- */

static const char *const offers[] = {"0-3", "0-7", "0", "0-1", "2-3", "", "0-15", "4-7", "0,2,4,6"};
static const char *const layouts[] = {
    "",
    "",
    "numa0:1000(0 1) numa1:1000(2 3)",
    "pkg0(numa0:2000(l3(0 1) l3(2 3))) pkg1(numa1:1000(l3(4 5) l3(6 7)))",
    "numa0:0(0 1 2 3)",
    "l3(0 1) l3(2 3) gpu0:a100",
    "numa0:2000(l3(0 1 2 3) l3(4 5)) numa1:1(6 7) sys8",
};

/* Of one of its own, of another's, or of nothing that ever was. */
static struct in_attempt draw_attempt(struct fuzz_core *f, const struct fuzz_worker *w)
{
    struct draw *d = &f->draw;
    const struct fuzz_worker *from = draw_one_in(d, 16) ? &f->workers[draw_below(d, WORKERS)] : w;
    struct in_attempt a = {1, core_epoch(f->w.core), 1, 0, 1};
    if (from->n_runs > 0)
        a = from->runs[draw_below(d, from->n_runs)];
    switch (draw_below(d, 32)) {
    case 27:
        a.lease = draw_number(d);
        break;
    case 28:
        a.epoch = draw_number(d);
        break;
    case 29:
        a.job = draw_number(d);
        break;
    case 30:
        a.task = draw_number(d);
        break;
    case 31:
        a.attempt = draw_number(d);
        break;
    default:
        break;
    }
    return a;
}

static struct in_attempt_end draw_end(struct fuzz_core *f, const struct fuzz_worker *w)
{
    struct draw *d = &f->draw;
    struct in_attempt_end e = {.at = draw_attempt(f, w),
                               .verdict = (enum verdict)draw_below(d, VERDICT_COUNT),
                               .start_us = f->w.now.wall_us - (int64_t)draw_below(d, 65536) * 1000,
                               .end_us = f->w.now.wall_us,
                               .limit = "",
                               .summary = "",
                               .signature = "",
                               .result = "",
                               .cause = ""};
    e.run_us = (uint64_t)(e.end_us - e.start_us);
    e.peak_mem_kib = draw_below(d, 4096) * 1024;
    e.has_outputs = draw_one_in(d, 2);
    if (!draw_one_in(d, 8))
        return e;
    e.start_us = (int64_t)draw_number(d);
    e.end_us = (int64_t)draw_number(d);
    e.run_us = draw_number(d);
    e.peak_mem_kib = draw_number(d);
    e.cpu_user_us = draw_number(d);
    e.exit_code = (int64_t)draw_number(d);
    e.signal = draw_number(d);
    e.limit = draw_raw(d, 15);
    e.cause = draw_raw(d, 30);
    e.summary = draw_raw(d, 30);
    return e;
}

static void move_events(struct fuzz_core *f)
{
    struct draw *d = &f->draw;
    struct in_attempt_start starts[EVENTS_MAX];
    struct in_attempt_end ends[EVENTS_MAX];
    struct fuzz_worker *w = fuzz_worker_at_work(f, (size_t)draw_below(d, WORKERS));
    if (w == NULL)
        return;
    struct input in = {.type = INPUT_WORKER_EVENTS, .principal = fuzz_principal(f, w->name)};
    in.u.events.starts = starts;
    in.u.events.n_starts = (size_t)draw_below(d, EVENTS_MAX + 1);
    in.u.events.ends = ends;
    in.u.events.n_ends = (size_t)draw_below(d, EVENTS_MAX + 1);
    for (size_t i = 0; i < in.u.events.n_starts; i++)
        starts[i] = (struct in_attempt_start){
            draw_attempt(f, w), draw_one_in(d, 16) ? (int64_t)draw_number(d) : f->w.now.wall_us};
    for (size_t i = 0; i < in.u.events.n_ends; i++)
        ends[i] = draw_end(f, w);
    fuzz_step(f, &in);
}

/* What it says that it holds: all that it was given, some of it, or more. */
static size_t draw_held(struct fuzz_core *f, const struct fuzz_worker *w,
                        struct in_held_lease leases[HELD_OF_HELLO],
                        struct in_held_attempt attempts[HELD_OF_HELLO])
{
    struct draw *d = &f->draw;
    size_t n = draw_one_in(d, 4) ? (size_t)draw_below(d, HELD_OF_HELLO + 1) : w->n_runs;
    n = n < HELD_OF_HELLO ? n : HELD_OF_HELLO;
    for (size_t i = 0; i < n; i++) {
        struct in_attempt a = draw_attempt(f, w);
        if (i < w->n_runs && !draw_one_in(d, 8))
            a = w->runs[i];
        attempts[i] = (struct in_held_attempt){a.job, a.task, a.attempt, draw_below(d, 4)};
        leases[i] = (struct in_held_lease){a.lease, a.epoch, &attempts[i], !draw_one_in(d, 16)};
    }
    return n;
}

static void move_hello(struct fuzz_core *f)
{
    static const char *const features[] = {"", "gpu", "gpu\ntool=yosys=1", "tool=sta=2"};
    struct draw *d = &f->draw;
    struct in_held_lease leases[HELD_OF_HELLO];
    struct in_held_attempt attempts[HELD_OF_HELLO];
    struct fuzz_worker *w = &f->workers[draw_below(d, WORKERS)];
    struct input in = {.type = INPUT_WORKER_HELLO, .principal = fuzz_principal(f, w->name)};
    struct in_worker_hello *h = &in.u.worker_hello;
    if (draw_one_in(d, 3)) { /* it offers something else */
        w->cores = (size_t)draw_below(d, CQ_COUNT(offers));
        w->layout = (size_t)draw_below(d, CQ_COUNT(layouts));
        w->mem_mib = draw_one_in(d, 4) ? draw_number(d) : 500 * draw_below(d, 16);
    }
    w->incarnation += draw_one_in(d, 2);
    w->boot += draw_one_in(d, 6);
    *h = (struct in_worker_hello){.node = w->name,
                                  .cores = draw_one_in(d, 24) ? draw_raw(d, 30) : offers[w->cores],
                                  .topology =
                                      draw_one_in(d, 24) ? draw_raw(d, 60) : layouts[w->layout],
                                  .features = DRAW_WORD(d, features, 100),
                                  .mem_mib = w->mem_mib,
                                  .heartbeat = ++w->heartbeat,
                                  .leases = leases};
    if (draw_one_in(d, 16))
        h->node = DRAW_WORD(d, users, 63);
    h->incarnation.bytes[0] = w->incarnation;
    h->boot_id.bytes[0] = w->boot;
    h->home.bytes[0] = draw_one_in(d, 16) ? (uint8_t)draw_below(d, 3) : 0;
    h->n_leases = draw_held(f, w, leases, attempts);
    if (core_check_hello(f->w.core, &in, NULL) != 0)
        return;
    if (w->was_boot != w->boot)
        w->n_runs = 0;
    w->was_boot = w->boot;
    w->has_session = true;
    fuzz_step(f, &in);
}

static void move_heartbeat(struct fuzz_core *f)
{
    struct draw *d = &f->draw;
    struct fuzz_worker *w = fuzz_worker_at_work(f, (size_t)draw_below(d, WORKERS));
    if (w == NULL)
        return;
    struct input in = {.type = INPUT_WORKER_HEARTBEAT, .principal = fuzz_principal(f, w->name)};
    in.u.heartbeat.heartbeat = draw_one_in(d, 16) ? draw_number(d) : ++w->heartbeat;
    in.u.heartbeat.cores = in.u.heartbeat.topology = "";
    if (draw_one_in(d, 3)) {
        in.u.heartbeat.cores = DRAW_WORD(d, offers, 100);
        in.u.heartbeat.topology = DRAW_WORD(d, layouts, 200);
    }
    fuzz_step(f, &in);
}

static void move_bye(struct fuzz_core *f)
{
    struct fuzz_worker *w = fuzz_worker_at_work(f, (size_t)draw_below(&f->draw, WORKERS));
    if (w == NULL)
        return;
    struct input in = {.type = INPUT_WORKER_BYE, .principal = fuzz_principal(f, w->name)};
    in.u.bye.is_stopping = draw_one_in(&f->draw, 2);
    w->has_session = in.u.bye.is_stopping;
    fuzz_step(f, &in);
}

static void move_refuse(struct fuzz_core *f)
{
    struct fuzz_worker *w = fuzz_worker_at_work(f, (size_t)draw_below(&f->draw, WORKERS));
    if (w == NULL)
        return;
    struct input in = {.type = INPUT_LEASE_REFUSE, .principal = fuzz_principal(f, w->name)};
    const struct in_attempt a = draw_attempt(f, w);
    in.u.refuse.lease = a.lease;
    in.u.refuse.epoch = a.epoch;
    in.u.refuse.text = draw_raw(&f->draw, 20);
    fuzz_step(f, &in);
}

/* ---- time ---- */

static void move_time(struct fuzz_core *f)
{
    static const int64_t spans_us[] = {1000,      100000,     1000000,     10000000,     60000000,
                                       600000000, 3600000000, 86400000000, 2678400000000};
    struct draw *d = &f->draw;
    int64_t by_us = spans_us[draw_below(d, CQ_COUNT(spans_us))] * (int64_t)(1 + draw_below(d, 8));
    fuzz_advance(f, by_us);
    if (draw_one_in(d, 12))
        f->w.now.wall_us += ((int64_t)draw_below(d, 256) - 128) * 3600000000;
    struct input timer = {.type = INPUT_TIMER};
    if (draw_one_in(d, 4))
        fuzz_step(f, &timer);
}

static void move(struct fuzz_core *f)
{
    typedef void (*move_fn)(struct fuzz_core * f);
    static const move_fn moves[] = {
        move_submit, move_submit, move_submit,     move_action, move_action,
        move_events, move_events, move_events,     move_hello,  move_heartbeat,
        move_time,   move_time,   move_config,     move_config, move_book,
        move_unbook, move_feed,   move_drain,      move_bye,    move_refuse,
        move_user,   move_revoke, move_enterprise, move_ask,    fuzz_restart};
    draw_clear(&f->draw);
    moves[draw_below(&f->draw, CQ_COUNT(moves))](f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct fuzz_core *f = CQ_NEW(struct fuzz_core);
    f->draw.dice = (struct dice){.bytes = data, .n_bytes = bytes};
    fuzz_begin(f);
    for (size_t i = 0; i < STEPS_MAX && !dice_are_over(&f->draw.dice); i++)
        move(f);
    fuzz_end(f);
    free(f);
    return 0;
}
