/* SUBMIT: digest and checks, the key's history, the fate of dependencies that have ended; then the
 * core. The last two may need the store, so a submit can wait while others go on. */
#include "scheduler/daemon/requests.h"

#include "common/base/pure/mem.h"
#include "common/wire/run_spec.h"

#include <sodium.h>

enum { TRIES_MAX = 8 }; /* dependencies that end just while we look them up */

struct submit {
    struct asker asker;
    struct msg m;
    uint8_t digest[32];
    struct cq_uuid key;
    /* what the store said of jobs that are not live: by number */
    uint64_t *numbers;
    struct in_dep *ended;
    size_t n_ended, cap_ended, cap_numbers;
    unsigned tries;
    struct daemon *daemon;
    bool is_key_new; /* so the store said, and nothing with this key was accepted since */
    bool is_waiting; /* for the store; in the daemon's list */
    struct submit *next_waiting;
};

static void go_on(struct daemon *d, struct submit *s);

/* ---- those that wait for the store ---- */

static void join_waiting(struct submit *s)
{
    s->is_waiting = true;
    s->next_waiting = s->daemon->waiting_submits;
    s->daemon->waiting_submits = s;
}

static void leave_waiting(struct submit *s)
{
    struct submit **at = &s->daemon->waiting_submits;
    while (s->is_waiting && *at != s)
        at = &(*at)->next_waiting;
    if (s->is_waiting)
        *at = s->next_waiting;
    s->is_waiting = false;
}

/* What the store says of this key was read before: others that use it too must ask again. */
static void note_key_used(const struct submit *accepted)
{
    for (struct submit *s = accepted->daemon->waiting_submits; s != NULL; s = s->next_waiting)
        if (cq_uuid_equal(&s->key, &accepted->key))
            s->is_key_new = false;
}

static void submit_free(void *data)
{
    struct submit *s = data;
    leave_waiting(s);
    for (size_t i = 0; i < s->n_ended; i++) {
        free_const(s->ended[i].name);
        free_const(s->ended[i].passed);
    }
    free(s->ended);
    free(s->numbers);
    msg_fini(&s->m);
    free(s);
}

static void refuse(struct daemon *d, struct submit *s, const struct cq_err *err)
{
    reply_error(d, &s->asker, err);
    submit_free(s);
}

/* ---- checks ---- */

static int check_job(const struct job_spec *j, struct cq_err *err)
{
    struct run_spec spec = {0};
    if (run_spec_decode(j->run.data, j->run.len, &spec, err) != 0)
        return cq_wrap(err, "run specification");
    bool is_empty = spec.n_argv == 0 && spec.tool[0] == '\0';
    bool bad_dir = spec.cwd[0] != '\0' && spec.cwd[0] != '/';
    run_spec_fini(&spec);
    if (is_empty)
        return cq_fail(err, CQ_E_INVALID, "nothing to run: no command and no tool");
    if (bad_dir)
        return cq_fail(err, CQ_E_INVALID, "the directory must be a full path");
    return 0;
}

static int check_submit(struct daemon *d, const struct submit *s, struct cq_err *err)
{
    const struct msg_submit *m = &s->m.u.submit;
    struct authz_object mine = {.enterprise = s->asker.who.enterprise};
    if (!authz(&s->asker.who, VERB_JOB_SUBMIT, &mine))
        return cq_fail(err, CQ_E_DENIED, "a %s may not submit jobs", role_name(s->asker.who.role));
    if (m->key.len != sizeof s->key.bytes)
        return cq_fail(err, CQ_E_INVALID, "the key has %zu bytes, not 16", m->key.len);
    if (m->n_jobs == 0)
        return cq_fail(err, CQ_E_INVALID, "a submit without jobs");
    if (turn_is_congested(d))
        return cq_fail(err, CQ_E_FULL, "the scheduler's disk is far behind; try again in a moment");
    for (size_t i = 0; i < m->n_jobs; i++)
        if (check_job(&m->jobs[i], err) != 0)
            return m->n_jobs == 1 ? -1 : cq_wrap(err, "job %zu ('%.63s')", i + 1, m->jobs[i].name);
    return 0;
}

/* BLAKE2b over the content as a frame with request id 0: what makes two submits the same. */
static int make_digest(struct submit *s, struct cq_err *err)
{
    struct cq_str frame CQ_CLEANUP(cq_str_fini) = {0};
    uint64_t request = s->m.request;
    s->m.request = 0;
    int rc = msg_encode(&s->m, &frame, err);
    s->m.request = request;
    if (rc != 0)
        return -1;
    (void)crypto_generichash(s->digest, sizeof s->digest, (const unsigned char *)frame.data,
                             frame.len, NULL, 0);
    return 0;
}

/* ---- a key that was used before, by jobs that are over ---- */

static void accept_again(struct daemon *d, struct submit *s, const struct job_submit *first)
{
    struct cq_err err = {0};
    if (first->digest.len != sizeof s->digest
        || sodium_memcmp(first->digest.data, s->digest, sizeof s->digest) != 0) {
        (void)cq_fail(&err, CQ_E_CONFLICT,
                      "this key was used before, for another request; make a new one");
        refuse(d, s, &err);
        return;
    }
    size_t n = (size_t)first->submit_count;
    uint64_t *numbers CQ_CLEANUP(cq_free_ptr) = cq_calloc(n, sizeof *numbers);
    for (size_t i = 0; i < n; i++)
        numbers[i] = first->number + i; /* one submit takes consecutive numbers */
    struct msg m = {.code = MSG_ACCEPTED};
    m.u.accepted.numbers = numbers;
    m.u.accepted.n_numbers = n;
    m.u.accepted.was_known = true;
    reply(d, &s->asker, &m);
    submit_free(s);
}

static void on_key(struct daemon *d, struct ask *ask, struct store_query *q)
{
    struct submit *s = ask->data;
    leave_waiting(s);
    s->asker = ask->asker;
    if (q->submit != NULL)
        accept_again(d, s, &q->submit->u.job_submit);
    else
        go_on(d, s);
}

static bool key_needs_look_up(struct daemon *d, const struct submit *s)
{
    return !s->is_key_new && core_find_key(d->core, s->asker.who.id, &s->key).v == 0
           && !store_key_is_new(d->store, &s->key);
}

static void ask_key(struct daemon *d, struct submit *s)
{
    struct store_query *q = store_query_new(QUERY_KEY, NULL);
    q->principal = s->asker.who.id;
    q->key = s->key;
    s->is_key_new = true; /* unless the answer is another, or comes too late */
    join_waiting(s);
    (void)ask_store(d, &s->asker, q, on_key, false, s, submit_free);
}

/* ---- dependencies ---- */

static const struct in_dep *find_ended(const struct submit *s, uint64_t number)
{
    for (size_t i = 0; i < s->n_ended; i++)
        if (s->ended[i].number == number)
            return &s->ended[i];
    return NULL;
}

static void note_ended(struct submit *s, const struct in_dep *dep)
{
    cq_grow(&s->ended, &s->cap_ended, s->n_ended);
    s->ended[s->n_ended++] = *dep;
}

static void on_ended_jobs(struct daemon *d, struct ask *ask, struct store_query *q)
{
    struct submit *s = ask->data;
    leave_waiting(s);
    s->asker = ask->asker;
    for (size_t i = 0; i < q->n_jobs; i++) {
        const struct stored_job *j = &q->jobs[i];
        if (!job_state_is_terminal((enum job_state)j->state))
            continue; /* live again to our eyes: asked of the core */
        struct in_dep dep = {.number = j->number,
                             .outcome = j->state == JOB_DONE ? OUTCOME_OK : OUTCOME_NOTOK,
                             .attempt = j->attempt,
                             .name = cq_strdup(j->name ? j->name : ""),
                             .is_array = j->is_array != 0,
                             .tasks = j->tasks,
                             .passed = cq_strdup(j->passed_ranges ? j->passed_ranges : "")};
        note_ended(s, &dep);
    }
    for (size_t i = 0; i < q->n_numbers; i++) {
        struct in_dep none = {.number = q->numbers[i], .outcome = OUTCOME_NO_SUCH_JOB};
        if (find_ended(s, none.number) == NULL
            && core_find_job(d->core, s->asker.who.enterprise, none.number).v == 0)
            note_ended(s, &none);
    }
    go_on(d, s);
}

static void add_number(struct store_query *q, size_t *cap, uint64_t number)
{
    cq_grow(&q->numbers, cap, q->n_numbers);
    q->numbers[q->n_numbers++] = number;
}

/* Numbers of this job's dependencies that neither the core nor we know the end of. */
static void add_unknown(struct daemon *d, const struct submit *s, const struct job_spec *j,
                        struct store_query *q, size_t *cap)
{
    for (size_t i = 0; i < j->n_deps; i++) {
        uint64_t number = j->deps[i].number;
        if (number != 0 && find_ended(s, number) == NULL
            && core_find_job(d->core, s->asker.who.enterprise, number).v == 0)
            add_number(q, cap, number);
    }
}

static struct store_query *unknown_deps(struct daemon *d, const struct submit *s)
{
    struct store_query *q = store_query_new(QUERY_NUMBERS, NULL);
    size_t cap = 0;
    q->enterprise = s->asker.who.enterprise;
    for (size_t i = 0; i < s->m.u.submit.n_jobs; i++)
        add_unknown(d, s, &s->m.u.submit.jobs[i], q, &cap);
    if (q->n_numbers > 0)
        return q;
    store_query_free(q);
    return NULL;
}

/* ---- into the core ---- */

struct inputs { /* everything the input borrows */
    struct in_job *jobs;
    struct in_dep *deps;
    struct cq_str *features;
    size_t n;
};

static void inputs_fini(struct inputs *in)
{
    for (size_t i = 0; i < in->n; i++)
        cq_str_fini(&in->features[i]);
    free(in->features);
    free(in->jobs);
    free(in->deps);
}

static struct in_dep dep_of(const struct submit *s, const struct dep_spec *spec)
{
    struct in_dep dep = {.outcome = OUTCOME_LIVE};
    const struct in_dep *ended = spec->number ? find_ended(s, spec->number) : NULL;
    if (ended != NULL)
        dep = *ended;
    dep.number = spec->number;
    dep.index = spec->number ? 0 : spec->index;
    dep.when = (enum dep_when)spec->when;
    return dep;
}

static unsigned exclusive_of(const struct job_spec *j)
{
    static const enum exclusive units[] = {EXCLUSIVE_NONE, EXCLUSIVE_SOCKET, EXCLUSIVE_NUMA};
    return j->exclusive ? EXCLUSIVE_NODE : units[j->exclusive_unit];
}

static struct in_job job_of(const struct job_spec *j, const char *features)
{
    return (struct in_job){.name = j->name,
                           .tool = j->tool,
                           .stage_of = j->stage_of,
                           .array = j->array,
                           .topo = j->topo,
                           .node_has = features,
                           .cores = j->cores,
                           .mem_mib = j->mem_mib,
                           .mem_first_mib = j->mem_first_mib,
                           .time_us = j->time_us,
                           .array_max_running = j->array_max_running,
                           .restart = j->restart,
                           .on_lost = j->on_lost,
                           .max_attempts = j->max_attempts,
                           .max_own_failures = j->max_own_failures,
                           .priority = j->priority,
                           .hold = j->hold,
                           .exclusive = exclusive_of(j),
                           .smt = j->smt == 1,
                           .membind = (unsigned)j->membind,
                           .expects = j->expects,
                           .run = j->run.data,
                           .run_bytes = j->run.len,
                           .licences = j->licences,
                           .reservation = j->reservation,
                           .is_preemptible = j->preemptible};
}

static void inputs_make(const struct submit *s, struct inputs *in)
{
    const struct msg_submit *m = &s->m.u.submit;
    size_t n_deps = 0, at = 0;
    for (size_t i = 0; i < m->n_jobs; i++)
        n_deps += m->jobs[i].n_deps;
    in->n = m->n_jobs;
    in->jobs = cq_calloc(in->n, sizeof *in->jobs);
    in->deps = cq_calloc(n_deps + 1, sizeof *in->deps);
    in->features = cq_calloc(in->n, sizeof *in->features);
    for (size_t i = 0; i < in->n; i++) {
        const struct job_spec *j = &m->jobs[i];
        for (size_t k = 0; k < j->n_node_has; k++)
            cq_str_printf(&in->features[i], "%s%s", k ? "\n" : "", j->node_has[k]);
        in->jobs[i] = job_of(j, cq_str_text(&in->features[i]));
        in->jobs[i].deps = &in->deps[at];
        in->jobs[i].n_deps = j->n_deps;
        for (size_t k = 0; k < j->n_deps; k++)
            in->deps[at++] = dep_of(s, &j->deps[k]);
    }
}

/* What is new needs room; what was accepted before is only told again. */
static int check_room(struct daemon *d, const struct submit *s, struct cq_err *err)
{
    if (core_find_key(d->core, s->asker.who.id, &s->key).v)
        return 0;
    return space_check_submit(d, err) != 0 || memory_check_submit(d, err) != 0 ? -1 : 0;
}

/* False when a dependency ended meanwhile: look it up. Otherwise the submit is done with. */
static bool step_submit(struct daemon *d, struct submit *s)
{
    struct inputs in = {0};
    struct cq_err err = {0};
    if (check_room(d, s, &err) != 0) {
        refuse(d, s, &err);
        return true;
    }
    inputs_make(s, &in);
    struct input input = {.type = INPUT_SUBMIT, .principal = s->asker.who.id};
    input.u.submit = (struct in_submit){.key = s->key,
                                        .flow = s->m.u.submit.flow,
                                        .project = s->m.u.submit.project,
                                        .jobs = in.jobs,
                                        .n_jobs = in.n};
    memcpy(input.u.submit.digest, s->digest, sizeof s->digest);
    input.request = reply_handle(d, &s->asker, NULL, 0);
    int rc = turn_step(d, &input, &err);
    inputs_fini(&in);
    if (rc == 0) {
        note_key_used(s);
        submit_free(s);
        return true;
    }
    free(map_remove(&d->replies, input.request));
    if (err.code == CQ_E_STALE && ++s->tries < TRIES_MAX)
        return false;
    refuse(d, s, &err);
    return true;
}

static void look_up_deps(struct daemon *d, struct submit *s, struct store_query *q)
{
    if (q->n_numbers <= QUERY_ROWS_MAX) {
        join_waiting(s);
        (void)ask_store(d, &s->asker, q, on_ended_jobs, false, s, submit_free);
        return;
    }
    struct cq_err err = {0};
    (void)cq_fail(&err, CQ_E_LIMIT, "at most %d dependencies on jobs that ended", QUERY_ROWS_MAX);
    store_query_free(q);
    refuse(d, s, &err);
}

/* The key is looked at last, again: while we asked for dependencies, the jobs of an earlier copy of
 * this request may have ended and left the core. */
static void go_on(struct daemon *d, struct submit *s)
{
    struct store_query *q;
    while ((q = unknown_deps(d, s)) == NULL) {
        if (key_needs_look_up(d, s)) {
            ask_key(d, s);
            return;
        }
        if (step_submit(d, s))
            return;
    }
    look_up_deps(d, s, q);
}

void on_submit(struct daemon *d, const struct asker *a, struct msg *m)
{
    struct submit *s = CQ_NEW(struct submit);
    struct cq_err err = {0};
    s->daemon = d;
    s->asker = *a;
    s->m = *m;
    *m = (struct msg){0}; /* ours now: it may have to wait */
    if (check_submit(d, s, &err) != 0 || make_digest(s, &err) != 0) {
        refuse(d, s, &err);
        return;
    }
    memcpy(s->key.bytes, s->m.u.submit.key.data, sizeof s->key.bytes);
    if (key_needs_look_up(d, s))
        ask_key(d, s);
    else
        go_on(d, s);
}
