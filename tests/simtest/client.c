/* Clients: the true blocking session (common/client/net_client.c) in coroutines, and people who
 * submit, lose patience, ask again with the same key, cancel, hold, release and requeue. */
#include "common/client/net_client.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/ranges.h"
#include "common/wire/run_spec.h"
#include "tests/simtest/breaks.h"
#include "tests/simtest/loop.h"
#include "tests/simtest/network.h"
#include "tests/simtest/nodes.h"
#include "tests/simtest/rules.h"

#include <inttypes.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { STACK_BYTES = 1 << 20, JOBS_OF_SUBMIT = 4, DEPS_OF_JOB = 3, JOBS_MAX = 120 };

struct client {
    size_t index;
    const char *user;
    struct proc *proc;
    ucontext_t context, back;
    void *stack;
    bool has_begun, is_over, is_retired;
    uint64_t principal, enterprise;
    struct net_client *session;
};
static struct client clients[PEOPLE];
const char *const people_names[PEOPLE] = {"ann", "bob", "eve", "joe", "adm"};
static struct client *running;

/* ---- coroutines ---- */

static void yield(void)
{
    struct client *c = running;
    (void)swapcontext(&c->context, &c->back);
}

static void nap(struct client *c, int64_t us)
{
    int64_t until_us = sim.now_us + us;
    while (sim.now_us < until_us) {
        proc_wake(c->proc, until_us);
        yield();
    }
}

/* ---- what people ask for ---- */

struct draft { /* owns what the message borrows */
    struct job_spec jobs[JOBS_OF_SUBMIT];
    struct dep_spec deps[JOBS_OF_SUBMIT][DEPS_OF_JOB];
    char arrays[JOBS_OF_SUBMIT][24];
    struct cq_str run;
};

static const struct known_job *any_job_of(const struct client *c)
{
    const struct known_job *found = NULL;
    size_t n = 0;
    for (const struct known_job *j = rules.jobs; j; j = j->next)
        if (j->principal == c->principal && j->submit->fate == SUBMIT_OK && dice_roll(++n) == 0)
            found = j;
    return found;
}

/* More often than not one that runs. */
static const struct known_job *job_to_act_on(const struct client *c)
{
    const struct known_job *found = NULL;
    size_t n = 0;
    for (size_t i = 0; i < truths.n; i++)
        for (const struct known_job *j = rules.jobs; truths.all[i]->is_alive && j; j = j->next)
            if (j->id == truths.all[i]->job && j->principal == c->principal && dice_roll(++n) == 0)
                found = j;
    return found && dice_chance(600) ? found : any_job_of(c);
}

static void draft_deps(const struct client *c, struct draft *d, size_t i)
{
    struct job_spec *j = &d->jobs[i];
    const struct known_job *other = any_job_of(c);
    size_t n = 0;
    if (i > 0 && dice_chance(400))
        d->deps[i][n++] = (struct dep_spec){.index = 1 + dice_roll(i), .when = dice_roll(3)};
    if (other && dice_chance(150))
        d->deps[i][n++] = (struct dep_spec){.number = other->number, .when = dice_roll(3)};
    j->deps = d->deps[i];
    j->n_deps = n;
}

static void draft_job(const struct client *c, struct draft *d, size_t i)
{
    struct job_spec *j = &d->jobs[i];
    if (dice_chance(300))
        (void)snprintf(d->arrays[i], sizeof d->arrays[i], "1-%d", (int)(1 + dice_roll(8)));
    *j = (struct job_spec){.name = "job",
                           .cores = 1 + dice_roll(2),
                           .mem_mib = 50 + 50 * dice_roll(8),
                           .time_us = (uint64_t)dice_between(2 * SECONDS, 240 * SECONDS),
                           .priority = (int64_t)dice_roll(3) - 1,
                           .array = d->arrays[i],
                           .array_max_running = dice_chance(300) ? 1 + dice_roll(3) : 0,
                           .hold = dice_chance(50),
                           .restart = dice_chance(200),
                           .on_lost = dice_chance(600) ? 0 : dice_roll(3),
                           .max_attempts = dice_roll(4),
                           .max_own_failures = dice_roll(3),
                           .run = {d->run.data, d->run.len}};
    draft_deps(c, d, i);
}

static struct submit_note *draft_submit(const struct client *c)
{
    struct draft d = {0};
    char *argv[] = {cq_strdup("job"), NULL}, *env[] = {NULL};
    struct run_spec spec = {.argv = argv, .n_argv = 1, .env = env, .grace_us = 2 * SECONDS};
    char empty[] = "", root[] = "/";
    spec.cwd = root;
    spec.src_dir = spec.tool = spec.task_json = empty;
    run_spec_encode(&spec, &d.run);
    size_t n = dice_chance(700) ? 1 : 1 + dice_roll(JOBS_OF_SUBMIT);
    for (size_t i = 0; i < n; i++)
        draft_job(c, &d, i);
    struct cq_uuid key;
    sim_randombytes_buf(&key, sizeof key);
    struct msg m = {.code = MSG_SUBMIT};
    m.u.submit = (struct msg_submit){.key = {&key, sizeof key}, .jobs = d.jobs, .n_jobs = n};
    struct cq_str frame = {0};
    struct cq_err err = {0};
    if (msg_encode(&m, &frame, &err) != 0)
        sim_fail("client", "a submit cannot be encoded: %s", err.text);
    struct submit_note *s = rules_submit(c->index, &frame, n, &key);
    cq_str_fini(&frame);
    cq_str_fini(&d.run);
    free(argv[0]);
    return s;
}

/* ---- calls ---- */

static bool is_unsure(enum cq_code code)
{
    return code == CQ_E_TIMEOUT || code == CQ_E_NO_SCHEDULER || code == CQ_E_FULL
           || code == CQ_E_INTERNAL;
}

/* Some lose patience at once. */
static int64_t draw_patience(void)
{
    return dice_chance(150) ? dice_span(5 * MS) : dice_span(10 * SECONDS);
}

static void send_submit(struct client *c, struct submit_note *s)
{
    struct msg m = {0}, answer = {0};
    struct cq_err err = {0};
    if (msg_decode(s->frame, s->frame_bytes, &m, &err) != 0)
        abort();
    note("submit", c->index, s->n_jobs, s->key.bytes[0] * 256U + s->key.bytes[1],
         (uint64_t)s->fate);
    if (breaks(BREAK_PHANTOM) && dice_chance(100))
        ((struct job_spec *)(uintptr_t)m.u.submit.jobs)->cores = 1 + dice_roll(2);
    if (net_client_call(c->session, &m, &answer, draw_patience(), &err) == 0) {
        if (answer.code == MSG_ACCEPTED)
            rules_accepted(s, &answer.u.accepted);
        else
            sim_fail("client", "a submit was answered with %s", msg_code_name(answer.code));
        msg_fini(&answer);
    } else {
        s->was_unsure |= is_unsure(err.code);
        rules_refused(s, err.code, err.text);
    }
    msg_fini(&m);
}

/* True when it is known what became of it. */
static bool send_action(struct client *c, uint64_t action, uint64_t number, const char *tasks)
{
    struct job_ref ref = {.number = number, .tasks = tasks};
    struct msg m = {.code = MSG_JOB_ACTION}, answer = {0};
    struct cq_err err = {0};
    m.u.job_action = (struct msg_job_action){.action = action, .jobs = &ref, .n_jobs = 1};
    note("action", c->index, action, number, 0);
    if (net_client_call(c->session, &m, &answer, dice_span(10 * SECONDS), &err) != 0)
        return false;
    const struct action_result *r = answer.u.job_action_done.results;
    if (answer.code == MSG_JOB_ACTION_DONE && answer.u.job_action_done.n_results == 1
        && r->code == CQ_OK && action == ACTION_CANCEL)
        rules_cancelled(c->enterprise, number, tasks, r->running, r->sent);
    msg_fini(&answer);
    return true;
}

static void act_on_some(struct client *c)
{
    static const uint64_t actions[] = {ACTION_CANCEL,  ACTION_CANCEL,  ACTION_HOLD,
                                       ACTION_RELEASE, ACTION_REQUEUE, ACTION_RELEASE};
    const struct known_job *j = job_to_act_on(c);
    char tasks[24] = "";
    if (j == NULL)
        return;
    uint64_t action = actions[dice_roll(CQ_COUNT(actions))];
    if (action != ACTION_HOLD && action != ACTION_RELEASE && dice_chance(200))
        (void)snprintf(tasks, sizeof tasks, "1-%d", (int)(1 + dice_roll(3)));
    (void)send_action(c, action, j->number, tasks);
}

/* One that is not settled, now and then one that is. */
static struct submit_note *any_submit_of(const struct client *c)
{
    for (struct submit_note *s = rules.submits; s; s = s->next)
        if (s->client == c->index && s->fate != SUBMIT_REFUSED
            && dice_chance(s->fate == SUBMIT_OK ? 50 : 600))
            return s;
    return NULL;
}

static size_t n_jobs_of(const struct client *c)
{
    size_t n = 0;
    for (const struct known_job *j = rules.jobs; j; j = j->next)
        n += j->principal == c->principal;
    return n;
}

static void work(struct client *c)
{
    uint64_t kind = dice_roll(100);
    struct submit_note *old = any_submit_of(c);
    if (kind < 20 && old)
        send_submit(c, old);
    else if (kind < 55 && n_jobs_of(c) < JOBS_MAX)
        send_submit(c, draft_submit(c));
    else
        act_on_some(c);
    for (int i = 0; i < 3 && dice_chance(150); i++) { /* the same again, at once */
        old = any_submit_of(c);
        if (old)
            send_submit(c, old);
    }
    nap(c, dice_span(4 * SECONDS));
}

/* After the faults: what waits for a person gets one. */
static void look_after(struct client *c)
{
    for (size_t i = 0; i < disk.n_jobs; i++) {
        const struct disk_job j = disk.jobs[i];
        if (j.principal != c->principal || job_state_is_terminal(j.state))
            continue;
        if (j.state == JOB_HELD)
            (void)send_action(c, ACTION_RELEASE, j.number, "");
        else if (rules_waits_for_person(j.id))
            (void)send_action(c, dice_chance(500) ? ACTION_REQUEUE : ACTION_CANCEL, j.number, "");
    }
    nap(c, 20 * SECONDS);
}

static void operate(struct client *c)
{
    for (size_t i = 0; i < settings.n_machines; i++) {
        struct msg m = {.code = MSG_NODE_ACTION}, answer = {0};
        m.u.node_action = (struct msg_node_action){.node = machines[i].name, .action = 1};
        if (net_client_call(c->session, &m, &answer, 10 * SECONDS, NULL) == 0)
            msg_fini(&answer);
    }
    nap(c, 60 * SECONDS);
}

static bool connect_session(struct client *c)
{
    struct curve_key key;
    struct cq_err err = {0};
    key_of(c->user, "admin", &key);
    struct net_client_options o = {.key = &key,
                                   .program = "simtest",
                                   .timeout_us = 20 * SECONDS,
                                   .patience_us = dice_chance(500) ? 10 * SECONDS : 0};
    c->session = net_client_connect(&o, &err);
    return c->session != NULL;
}

static void live(void)
{
    struct client *c = running;
    while (!c->is_over) {
        if (c->session == NULL && !connect_session(c)) {
            nap(c, dice_span(3 * SECONDS));
            continue;
        }
        if (c->index == OPERATOR)
            operate(c);
        else if (c->is_retired)
            look_after(c);
        else
            work(c);
        if (dice_chance(100)) { /* the next command of a person is a new process */
            net_client_close(c->session);
            c->session = NULL;
        }
    }
}

static void begin(void)
{
    live();
    for (;;)
        yield(); /* it has nothing more to do */
}

static void turn(struct proc *p)
{
    struct client *c = p->self;
    running = c;
    loop_yield = yield;
    if (!c->has_begun) {
        c->has_begun = true;
        (void)getcontext(&c->context);
        c->context.uc_stack.ss_sp = c->stack;
        c->context.uc_stack.ss_size = STACK_BYTES;
        c->context.uc_link = NULL;
        makecontext(&c->context, begin, 0);
    }
    (void)swapcontext(&c->back, &c->context);
    running = NULL;
}

static void start_client(size_t i)
{
    void *stack = clients[i].stack;
    struct client *c = &clients[i];
    *c = (struct client){.index = i, .user = people_names[i], .stack = stack};
    if (stack == NULL)
        c->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (c->stack == MAP_FAILED)
        abort();
    c->principal = rules_principal(c->user, &c->enterprise);
    c->proc = proc_new(PROC_CLIENT, NULL, &head_clock, c->user);
    c->proc->turn = turn;
    c->proc->died = network_client_died;
    c->proc->self = c;
    network_set_line(c->proc, MACHINES_MAX + i);
    proc_wake(c->proc, sim.now_us + dice_span(2 * SECONDS));
}

static void on_client_due(void *arg, uint64_t i)
{
    (void)arg;
    if (!clients[i].proc->is_alive)
        start_client(i);
    clients[i].is_retired = sim.is_healed;
}

void clients_kill(size_t i)
{
    proc_kill(clients[i].proc);
    event_in(dice_span(2 * SECONDS), on_client_due, NULL, i);
}

void clients_start(void)
{
    for (size_t i = 0; i < settings.n_clients; i++)
        start_client(i);
}

void clients_retire(void)
{
    for (size_t i = 0; i < settings.n_clients; i++)
        clients[i].is_retired = true;
    start_client(OPERATOR);
}

void clients_end(void)
{
    for (size_t i = 0; i < PEOPLE; i++)
        if (clients[i].stack)
            (void)munmap(clients[i].stack, STACK_BYTES);
    memset(clients, 0, sizeof clients);
}
