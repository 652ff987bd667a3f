/* A small pool driven at random (own generator, fixed seeds), whose core writes into a real store.
 */
#ifndef CHIPQ_TEST_STORE_PLAY_H
#define CHIPQ_TEST_STORE_PLAY_H

#include "scheduler/core/core.h"
#include "scheduler/store/store.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/files.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <unistd.h>

enum { ROUNDS = 150, KEY_CHARS = 40, GRANTS_MAX = 4096 };

struct granted {
    struct in_attempt at;
    bool is_started;
};

static struct pool {
    char dir[64], path[96];
    struct store *store;
    struct core *core;
    struct effects effects;
    struct job_id dirty[8192];
    size_t n_dirty;
    struct now now;
    uint64_t random, numbers, heartbeat;
    struct granted granted[GRANTS_MAX];
    size_t n_granted;
} p;

static uint64_t draw(uint64_t below)
{
    p.random = p.random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (p.random >> 33) % below;
}

static void note_grant(const struct out *o)
{
    for (size_t i = 0; i < o->n_attempts; i++) {
        cr_assert_lt(p.n_granted, GRANTS_MAX);
        p.granted[p.n_granted++] =
            (struct granted){.at = {o->lease, o->epoch, o->attempts[i].job.v, o->attempts[i].task,
                                    o->attempts[i].attempt}};
    }
}

static void take(struct store_batch *b)
{
    struct effects *e = &p.effects;
    for (size_t i = 0; i < e->n_records; i++)
        store_batch_add_record(b, e->records[i], p.now.wall_us);
    e->n_records = 0;
    for (size_t i = 0; i < e->n_outs; i++) {
        const struct out *o = &e->outs[i];
        if (o->type == OUT_LEASE_GRANT || o->type == OUT_LEASE_EXTEND)
            note_grant(o);
        if (o->type == OUT_ACCEPTED)
            p.numbers += o->n_numbers;
    }
    for (size_t i = 0; i < e->n_dirty_jobs; i++)
        p.dirty[p.n_dirty++] = e->dirty_jobs[i];
    effects_clear(e);
}

static void add_entity(void *batch, const struct entity_view *e)
{
    store_batch_add_entity(batch, e);
}

static void seal(struct store_batch *b)
{
    struct cq_err err = {0};
    for (size_t i = 0; i < p.n_dirty; i++) {
        bool seen = false;
        for (size_t k = 0; k < i; k++)
            seen |= p.dirty[k].v == p.dirty[i].v;
        if (seen)
            continue;
        struct job_view v = {0};
        core_view_job(p.core, p.dirty[i], &v);
        store_batch_add_job(b, &v, NULL);
        bool is_over = job_state_is_terminal(v.state);
        job_view_fini(&v);
        if (is_over)
            core_forget(p.core, p.dirty[i]);
    }
    p.n_dirty = 0;
    core_view_entities(p.core, add_entity, b);
    cr_assert_eq(store_write(p.store, b, &err), 0, "%s", err.text);
}

static void step(const struct input *in)
{
    struct cq_err err = {0};
    struct store_batch *b = store_batch_new(p.store);
    p.now.mono_us += 1000;
    p.now.wall_us += 1000;
    int rc = core_step(p.core, in, p.now, &p.effects, &err);
    cr_assert_eq(rc, 0, "%s", err.text);
    take(b);
    core_plan(p.core, p.now, &p.effects);
    take(b);
    seal(b);
}

static void add_user(const char *enterprise, const char *name, enum role role, char key)
{
    char text[KEY_CHARS + 1] = {0};
    memset(text, key, KEY_CHARS);
    struct input in = {.type = INPUT_USER_ADD, .request = 1};
    in.u.user_add.enterprise = enterprise;
    in.u.user_add.name = name;
    in.u.user_add.role = role;
    in.u.user_add.public_key = text;
    step(&in);
}

static void hello(void)
{
    struct input in = {.type = INPUT_WORKER_HELLO, .principal = {3}};
    in.u.worker_hello = (struct in_worker_hello){.node = "n1",
                                                 .cores = "0-3",
                                                 .topology = "",
                                                 .features = "",
                                                 .mem_mib = 16384,
                                                 .heartbeat = ++p.heartbeat};
    in.u.worker_hello.incarnation.bytes[0] = 1;
    in.u.worker_hello.boot_id.bytes[0] = 2;
    step(&in);
}

static void submit(void)
{
    static const char *const arrays[] = {"", "1-7", "3,9,12-20", ""};
    struct in_dep dep = {.index = 1, .when = DEP_OK, .outcome = OUTCOME_LIVE};
    struct in_job jobs[2];
    for (size_t i = 0; i < 2; i++)
        jobs[i] = (struct in_job){.name = "j",
                                  .tool = "",
                                  .stage_of = "",
                                  .array = arrays[draw(4)],
                                  .topo = "",
                                  .node_has = "",
                                  .cores = 1 + draw(2),
                                  .mem_mib = 100,
                                  .hold = draw(8) == 0,
                                  .run = "x",
                                  .run_bytes = 1};
    jobs[1].deps = &dep;
    jobs[1].n_deps = 1;
    struct input in = {.type = INPUT_SUBMIT, .principal = {2}, .request = 1};
    in.u.submit =
        (struct in_submit){.flow = "", .project = "", .jobs = jobs, .n_jobs = 1 + draw(2)};
    memcpy(in.u.submit.key.bytes, &p.random, sizeof p.random);
    step(&in);
}

static void act(enum job_action action)
{
    if (p.numbers == 0)
        return;
    struct input in = {.type = INPUT_ACTION, .principal = {2}, .request = 1};
    in.u.action = (struct in_action){
        .action = action, .enterprise = {1}, .number = 1 + draw(p.numbers), .tasks = ""};
    step(&in);
}

/* The oldest attempt starts, or ends with a verdict. */
static void work(void)
{
    static const enum verdict verdicts[] = {VERDICT_PASS, VERDICT_PASS, VERDICT_PASS,
                                            VERDICT_FAIL, VERDICT_OOM,  VERDICT_LOST};
    if (p.n_granted == 0)
        return;
    struct granted *g = &p.granted[0];
    struct in_attempt_start start = {.at = g->at, .start_us = p.now.wall_us};
    enum verdict verdict = verdicts[draw(6)];
    struct in_attempt_end end = {.at = g->at,
                                 .verdict = verdict,
                                 .exit_code = verdict == VERDICT_PASS ? 0 : 1,
                                 .start_us = p.now.wall_us - 10,
                                 .end_us = p.now.wall_us,
                                 .limit = "",
                                 .summary = draw(3) ? "" : "said so",
                                 .signature = "",
                                 .result = "",
                                 .cause = ""};
    struct input in = {.type = INPUT_WORKER_EVENTS, .principal = {3}};
    if (!g->is_started) {
        in.u.events.starts = &start;
        in.u.events.n_starts = 1;
        g->is_started = true;
    } else {
        in.u.events.ends = &end;
        in.u.events.n_ends = 1;
        memmove(&p.granted[0], &p.granted[1], --p.n_granted * sizeof p.granted[0]);
    }
    step(&in);
}

static void open_pool(bool create)
{
    struct cq_err err = {0};
    struct store_options so = {
        .path = p.path, .create = create, .low_water_bytes = 1, .ballast_bytes = 4096};
    p.store = store_open(&so, &err);
    cr_assert_not_null(p.store, "%s", err.text);
}

static void begin(uint64_t seed)
{
    struct core_config config = {0};
    /* Not on a disk, where each of a thousand commits would wait for it. */
    bool has_memory = access("/dev/shm", W_OK) == 0;
    (void)snprintf(p.dir, sizeof p.dir, "%s/chipq-replay-XXXXXX", has_memory ? "/dev/shm" : "/tmp");
    cr_assert_not_null(mkdtemp(p.dir));
    (void)snprintf(p.path, sizeof p.path, "%s/db", p.dir);
    cr_assert_eq(dir_make(p.path, 0700, NULL), 0);
    (void)snprintf(p.path, sizeof p.path, "%s/db/chipq.db", p.dir);
    p.random = seed;
    p.now = (struct now){US_PER_S, INT64_C(1795000000) * US_PER_S};
    open_pool(true);
    p.core = core_new(&config);
    core_load_done(p.core, p.now, &p.effects);
    struct input in = {.type = INPUT_ENTERPRISE_ADD, .request = 1};
    in.u.enterprise_add.name = "acme";
    step(&in);
    add_user("acme", "ann", ROLE_ENTERPRISE_ADMIN, 'a');
    add_user("", "w", ROLE_WORKER, 'w');
    hello();
}

static void play(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t what = draw(20);
        if (what < 4)
            submit();
        else if (what < 16)
            work();
        else
            act((enum job_action)(what - 16));
    }
}

CQ_UNUSED static void end(void)
{
    store_close(p.store);
    core_free(p.core);
    effects_fini(&p.effects);
    cr_assert_eq(dir_remove(p.dir, NULL), 0);
}

#endif
