/* Machines that do as they are told, in virtual time: they start what is granted at once, run it
 * for as long as the dice say and never beyond its limit, and stop what is called back. */
#ifndef CHIPQ_TEST_POLICY_POOL_H
#define CHIPQ_TEST_POLICY_POOL_H

#include "scheduler/core/calendar_state.h"
#include "scheduler/core/core_state.h"
#include "tests/trace/dice.h"
#include "tests/trace/world.h"

enum { MACHINES_MAX = 4, KILL_S_MAX = 25 };
#define HURRY_US (60 * US_PER_S)

struct run { /* one attempt that a machine holds */
    uint64_t lease, epoch, job, task, attempt;
    int64_t length_us, begin_us, end_us; /* boot clock; end 0: it has not begun */
    int64_t start_wall_us;
    enum verdict verdict;
    uint64_t peak_mib;
    bool is_told; /* its start */
};

struct grant { /* an open lease as its machine knows it */
    uint64_t lease;
    struct bitset cores;
    uint64_t mem_mib;
};

struct machine {
    char name[8];
    const char *features;
    uint64_t cores, mem_mib;
    struct bitset offline; /* of the cores */
    struct run *runs;
    size_t n, cap;
    struct grant *grants;
    size_t n_grants, cap_grants;
    uint8_t incarnation, boot;
    uint64_t heartbeat;
    bool is_gone; /* no session */
};

struct pool_model {
    struct machine machines[MACHINES_MAX];
    size_t n;
    struct dice *dice;
    bool is_hurried;   /* all runs are short */
    const char *fault; /* the first thing that may never be; NULL: none */
};

/* ---- what machines hold ---- */

static void forget_grant(struct machine *m, uint64_t lease)
{
    for (size_t i = 0; i < m->n_grants; i++)
        if (m->grants[i].lease == lease) {
            bitset_fini(&m->grants[i].cores);
            m->grants[i] = m->grants[--m->n_grants];
            return;
        }
}

static void forget_run(struct machine *m, size_t i)
{
    memmove(m->runs + i, m->runs + i + 1, (m->n - i - 1) * sizeof *m->runs);
    m->n--;
}

static void drop_lease(struct machine *m, uint64_t lease)
{
    for (size_t i = m->n; i-- > 0;)
        if (m->runs[i].lease == lease)
            forget_run(m, i);
    forget_grant(m, lease);
}

static void machine_reboot(struct machine *m)
{
    m->n = 0;
    while (m->n_grants > 0)
        forget_grant(m, m->grants[0].lease);
    m->incarnation++;
    m->boot++;
}

static void machine_fini(struct machine *m)
{
    machine_reboot(m);
    bitset_fini(&m->offline);
    free(m->runs);
    free(m->grants);
}

/* ---- messages ---- */

static void take_cores(struct pool_model *p, struct machine *m, const struct out *o)
{
    struct grant g = {.lease = o->lease, .mem_mib = o->mem_mib};
    uint64_t mem = o->mem_mib;
    if (bitset_parse(o->text, &g.cores, NULL) != 0)
        p->fault = "a grant names no cores";
    for (size_t i = 0; i < m->n_grants; i++) {
        mem += m->grants[i].mem_mib;
        if (bitset_intersects(&m->grants[i].cores, &g.cores))
            p->fault = "a core was granted twice";
    }
    if (mem > m->mem_mib)
        p->fault = "more memory was granted than the machine has";
    cq_grow(&m->grants, &m->cap_grants, m->n_grants);
    m->grants[m->n_grants++] = g;
}

/* Neither a new lease nor one that goes on has a core that is offline. */
static void check_online(struct pool_model *p, const struct machine *m, uint64_t lease)
{
    for (size_t i = 0; i < m->n_grants; i++)
        if (m->grants[i].lease == lease && bitset_intersects(&m->offline, &m->grants[i].cores))
            p->fault = "a job was sent to a core that is offline";
}

/* Of one that named its memory less than that, but for one in sixteen; other enterprises' runs need
 * other sizes. */
static uint64_t mem_needed(const struct job *job, uint64_t task)
{
    const struct job_submit *s = job->asked;
    uint64_t mark = job->enterprise->id % 97, kind = (job->id * 7 + task * 3) % 16;
    if (s->mem_source == 0)
        return kind == 5 ? s->mem_mib + 1 : s->mem_mib / 2 + mark % 8;
    return 64 + mark * 3 + (kind > 13 ? kind * kind * 40 : kind * 20);
}

static void take_attempts(struct pool_model *p, struct machine *m, const struct out *o,
                          const struct core *c)
{
    for (size_t i = 0; i < o->n_attempts; i++) {
        const struct job *job = job_find(c, o->attempts[i].job.v);
        int64_t limit_us = (int64_t)job->class->shape->time_us;
        bool to_limit = roll(p->dice, 5) == 0;
        int64_t length_us = to_limit ? limit_us : limit_us * (int64_t)roll(p->dice, 1000) / 1000;
        bool fails = roll(p->dice, 8) == 0;
        if (o->attempts[i].job.v % 7 == 0 && !to_limit) /* so short that leases queue ahead */
            length_us = (int64_t)roll(p->dice, 50) * 1000;
        if (p->is_hurried && length_us > HURRY_US)
            length_us = HURRY_US;
        uint64_t need_mib = mem_needed(job, o->attempts[i].task);
        bool is_oom = need_mib > o->mem_mib;
        cq_grow(&m->runs, &m->cap, m->n);
        m->runs[m->n++] = (struct run){.lease = o->lease,
                                       .epoch = o->epoch,
                                       .job = o->attempts[i].job.v,
                                       .task = o->attempts[i].task,
                                       .attempt = o->attempts[i].attempt,
                                       .length_us = length_us > 0 ? length_us : 1,
                                       .peak_mib = is_oom ? o->mem_mib : need_mib,
                                       .verdict = is_oom     ? VERDICT_OOM
                                                  : to_limit ? VERDICT_TIMEOUT
                                                  : fails    ? VERDICT_FAIL
                                                             : VERDICT_PASS};
    }
}

static void pool_hurry(struct pool_model *p, int64_t now_us)
{
    p->is_hurried = true;
    for (size_t i = 0; i < p->n; i++)
        for (size_t k = 0; k < p->machines[i].n; k++) {
            struct run *r = &p->machines[i].runs[k];
            if (r->length_us > HURRY_US)
                r->length_us = HURRY_US;
            if (r->end_us > now_us + HURRY_US)
                r->end_us = now_us + HURRY_US;
        }
}

static void take_kill(struct pool_model *p, struct machine *m, const struct out *o, int64_t now_us)
{
    for (size_t i = 0; i < m->n; i++) {
        struct run *r = &m->runs[i];
        int64_t end_us = now_us + (int64_t)roll(p->dice, KILL_S_MAX) * US_PER_S;
        if (r->job != o->attempts[0].job.v || r->task != o->attempts[0].task
            || r->attempt != o->attempts[0].attempt || r->verdict == VERDICT_KILLED)
            continue;
        r->verdict = VERDICT_KILLED;
        if (r->end_us == 0)
            r->length_us = 1;
        else if (end_us < r->end_us)
            r->end_us = end_us;
    }
}

static void pool_take(struct pool_model *p, const struct world *w, const struct out *o)
{
    struct machine *m = NULL;
    for (size_t i = 0; i < p->n; i++)
        if (o->worker.v && world_principal(w, p->machines[i].name).v == o->worker.v)
            m = &p->machines[i];
    if (m == NULL)
        return;
    if (o->type == OUT_LEASE_GRANT)
        take_cores(p, m, o);
    if (o->type == OUT_LEASE_GRANT || o->type == OUT_LEASE_EXTEND) {
        check_online(p, m, o->lease);
        take_attempts(p, m, o, w->core);
    }
    if (o->type == OUT_ATTEMPT_KILL)
        take_kill(p, m, o, w->now.mono_us);
    if (o->type == OUT_LEASE_CLOSE)
        forget_grant(m, o->lease);
    for (size_t i = 0; o->type == OUT_WORKER_WELCOME && i < o->n_numbers; i++)
        drop_lease(m, o->numbers[i]);
}

/* ---- reports ---- */

static bool is_first(const struct machine *m, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (m->runs[i].lease == m->runs[at].lease)
            return false;
    return true;
}

/* Begins what is first in its lease; the starts that are to be told. */
static size_t machine_begin(struct machine *m, struct now now, struct in_attempt_start *starts)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++) {
        struct run *r = &m->runs[i];
        if (r->end_us == 0 && is_first(m, i)) {
            r->begin_us = now.mono_us;
            r->end_us = now.mono_us + r->length_us;
            r->start_wall_us = now.wall_us;
        }
        if (r->end_us == 0 || r->is_told || m->is_gone)
            continue;
        r->is_told = true;
        starts[n++] = (struct in_attempt_start){
            .at = {r->lease, r->epoch, r->job, r->task, r->attempt}, .start_us = r->start_wall_us};
    }
    return n;
}

static int64_t machine_next_end_us(const struct machine *m)
{
    int64_t next_us = INT64_MAX;
    for (size_t i = 0; i < m->n && !m->is_gone; i++)
        if (m->runs[i].end_us != 0 && m->runs[i].end_us < next_us)
            next_us = m->runs[i].end_us;
    return next_us;
}

/* Takes out what has ended by now. */
static size_t machine_end(struct machine *m, struct now now, struct in_attempt_end *ends)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n;) {
        const struct run *r = &m->runs[i];
        if (r->end_us == 0 || r->end_us > now.mono_us) {
            i++;
            continue;
        }
        ends[n++] = (struct in_attempt_end){.at = {r->lease, r->epoch, r->job, r->task, r->attempt},
                                            .verdict = r->verdict,
                                            .start_us = r->start_wall_us,
                                            .end_us = now.wall_us,
                                            .run_us = (uint64_t)(r->end_us - r->begin_us),
                                            .peak_mem_kib = r->peak_mib * 1024,
                                            .limit = "",
                                            .summary = "",
                                            .signature = "",
                                            .result = "",
                                            .cause = ""};
        forget_run(m, i);
    }
    return n;
}

static uint64_t machine_n_cores(const struct machine *m)
{
    return m->cores - bitset_count(&m->offline);
}

static const char *machine_cores(const struct machine *m)
{
    static char text[64];
    struct bitset online = {0};
    struct cq_str list = {0};
    for (size_t i = 0; i < m->cores; i++)
        bitset_set(&online, i);
    bitset_and_not(&online, &m->offline);
    bitset_format(&online, &list);
    (void)cq_copy_text(text, sizeof text, cq_str_text(&list));
    cq_str_fini(&list);
    bitset_fini(&online);
    return text;
}

/* Machines with an even number of cores have two NUMA nodes; of their L3 caches the first is
 * larger.
 */
static const char *machine_topology(const struct machine *m)
{
    static char text[512];
    size_t n = 0;
    if (m->cores % 2 != 0 || m->cores < 4) {
        for (uint64_t i = 0; i < m->cores; i++)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%" PRIu64, i ? " " : "", i);
        return text;
    }
    for (uint64_t i = 0; i < m->cores; i++) {
        if (i == 0 || i == m->cores / 2)
            n += (size_t)snprintf(text + n, sizeof text - n, "%snuma%d:%d(l3(", i ? ")) " : "",
                                  i > 0, i > 0 ? 1000 : 2000);
        else if (i == m->cores / 3)
            n += (size_t)snprintf(text + n, sizeof text - n, ") l3(");
        n += (size_t)snprintf(text + n, sizeof text - n, "%" PRIu64 " ", i);
    }
    (void)snprintf(text + n, sizeof text - n, "))");
    return text;
}

/* Its HELLO with all it holds; `leases` and `attempts` have room for it. */
static struct input machine_hello(struct machine *m, const struct world *w,
                                  struct in_held_lease *leases, struct in_held_attempt *attempts)
{
    size_t n_leases = 0, at = 0;
    for (size_t i = 0; i < m->n; i++) {
        if (!is_first(m, i))
            continue;
        struct in_held_lease *l = &leases[n_leases++];
        *l = (struct in_held_lease){m->runs[i].lease, m->runs[i].epoch, attempts + at, 0};
        for (size_t k = i; k < m->n; k++) {
            const struct run *r = &m->runs[k];
            if (r->lease != l->lease)
                continue;
            uint64_t state = r->end_us == 0 ? 0 : 2; /* queued, running */
            attempts[at++] = (struct in_held_attempt){r->job, r->task, r->attempt, state};
            l->n_attempts++;
        }
    }
    struct input in = {.type = INPUT_WORKER_HELLO, .principal = world_principal(w, m->name)};
    in.u.worker_hello = (struct in_worker_hello){.node = m->name,
                                                 .cores = machine_cores(m),
                                                 .topology = machine_topology(m),
                                                 .features = m->features,
                                                 .mem_mib = m->mem_mib,
                                                 .heartbeat = ++m->heartbeat,
                                                 .leases = leases,
                                                 .n_leases = n_leases};
    in.u.worker_hello.incarnation.bytes[0] = m->incarnation;
    in.u.worker_hello.boot_id.bytes[0] = m->boot;
    return in;
}

#endif
