/* Adds up what attempts used and how long tasks waited, per leaf of the share tree and wall hour.
 */
#include "scheduler/core/usage.h"

#include "common/base/pure/mem.h"
#include "scheduler/core/core_state.h"

#define HOUR_US (INT64_C(3600) * US_PER_S)
#define TIME_MAX_US \
    (INT64_C(366) * 24 * HOUR_US) /* of one attempt or wait; more is a broken clock */
#define WAIT_UNIT_US 1000         /* bucket 0 ends here */

enum { WAIT_STEPS = 8 /* of an octave */, FEATURE_CHARS = 63 };

struct wait_count {
    uint32_t bucket, count;
};

struct usage_sum {
    struct enterprise *enterprise;
    struct project *project;
    struct principal *principal;
    int64_t hour_us;
    uint64_t attempts, core_us, mem_mib_us, waits, wait_us;
    struct wait_count *wait_counts; /* those that are not zero, in no order */
    size_t n_counts, cap_counts;
    struct usage_licence *licences; /* names are owned */
    size_t n_licences, cap_licences;
    struct usage_sum *next_same_hash;
};

static void sum_free(struct usage_sum *s)
{
    for (size_t i = 0; i < s->n_licences; i++) {
        union {
            const char *from;
            char *to;
        } name = {.from = s->licences[i].feature}; /* const for those who look only */
        free(name.to);
    }
    free(s->licences);
    free(s->wait_counts);
    free(s);
}

void usage_fini(struct usage *u)
{
    for (size_t i = 0; i < u->n; i++)
        sum_free(u->items[i]);
    free(u->items);
    map_fini(&u->by_key);
    *u = (struct usage){0};
}

/* ---- buckets of waits ---- */

unsigned usage_wait_bucket(uint64_t wait_us)
{
    uint64_t from_us = WAIT_UNIT_US;
    unsigned octave = 0;
    if (wait_us < from_us)
        return 0;
    while (wait_us / 2 >= from_us && octave < USAGE_WAIT_BUCKETS / WAIT_STEPS) {
        from_us *= 2;
        octave++;
    }
    uint64_t step = (wait_us - from_us) / (from_us / WAIT_STEPS);
    uint64_t bucket = 1 + (uint64_t)octave * WAIT_STEPS + step;
    return bucket < USAGE_WAIT_BUCKETS ? (unsigned)bucket : USAGE_WAIT_BUCKETS - 1;
}

uint64_t usage_wait_of_bucket(unsigned bucket)
{
    if (bucket == 0)
        return WAIT_UNIT_US - 1;
    if (bucket >= USAGE_WAIT_BUCKETS)
        bucket = USAGE_WAIT_BUCKETS - 1;
    uint64_t from_us = (uint64_t)WAIT_UNIT_US << ((bucket - 1) / WAIT_STEPS);
    return from_us + from_us / WAIT_STEPS * ((bucket - 1) % WAIT_STEPS + 1) - 1;
}

/* ---- sums ---- */

static int64_t hour_of(int64_t wall_us)
{
    return wall_us > 0 ? wall_us - wall_us % HOUR_US : 0;
}

static struct usage_sum *sum_of(struct core *c, const struct job *job, int64_t wall_us)
{
    struct usage *u = &c->usage;
    const uint64_t key[] = {job->project->id, job->principal->id, (uint64_t)hour_of(wall_us)};
    uint64_t hash = core_hash(CORE_HASH_SEED, key, sizeof key);
    struct usage_sum *first = map_find(&u->by_key, hash), *s = first;
    while (s
           && !(s->project == job->project && s->principal == job->principal
                && s->hour_us == hour_of(wall_us)))
        s = s->next_same_hash;
    if (s)
        return s;
    s = CQ_NEW(struct usage_sum);
    *s = (struct usage_sum){.enterprise = job->enterprise,
                            .project = job->project,
                            .principal = job->principal,
                            .hour_us = hour_of(wall_us),
                            .next_same_hash = first};
    map_put(&u->by_key, hash, s);
    cq_grow(&u->items, &u->cap, u->n);
    u->items[u->n++] = s;
    return s;
}

static void count_wait(struct usage_sum *s, uint64_t wait_us)
{
    unsigned bucket = usage_wait_bucket(wait_us);
    s->waits++;
    s->wait_us += wait_us;
    for (size_t i = 0; i < s->n_counts; i++)
        if (s->wait_counts[i].bucket == bucket) {
            s->wait_counts[i].count++;
            return;
        }
    cq_grow(&s->wait_counts, &s->cap_counts, s->n_counts);
    s->wait_counts[s->n_counts++] = (struct wait_count){bucket, 1};
}

static void add_tokens(struct usage_sum *s, const char *name, size_t len, uint64_t token_us)
{
    for (size_t i = 0; i < s->n_licences; i++)
        if (strncmp(s->licences[i].feature, name, len) == 0
            && s->licences[i].feature[len] == '\0') {
            s->licences[i].token_us += token_us;
            return;
        }
    cq_grow(&s->licences, &s->cap_licences, s->n_licences);
    s->licences[s->n_licences++] = (struct usage_licence){cq_strndup(name, len), token_us};
}

/* "vcs:2,dc:1", as the submit was accepted with; a word that is no such pair has no price. */
static void add_licences(struct usage_sum *s, const char *bundle, uint64_t us)
{
    for (const char *p = bundle ? bundle : ""; *p;) {
        size_t len = strcspn(p, ":,"), word = strcspn(p, ",");
        uint64_t count = p[len] == ':' ? 0 : 1;
        for (size_t i = len + 1; i < word && p[i] >= '0' && p[i] <= '9' && count < UINT32_MAX; i++)
            count = count * 10 + (uint64_t)(p[i] - '0');
        if (len > 0 && len <= FEATURE_CHARS && count > 0)
            add_tokens(s, p, len, count * us);
        p += word + (p[word] == ',');
    }
}

/* ---- what happens to a task ---- */

void usage_note_ready(const struct core *c, struct job *job, int64_t at_us)
{
    bool is_ready = !job->is_held && job->n_unmet == 0;
    if (is_ready && !job->was_ready && at_us != 0) {
        job->ready_us = at_us;
        job->waiting_us = c->policy_us;
    }
    job->was_ready = is_ready;
}

void usage_start(struct core *c, const struct job *job, struct task *t, int64_t start_us)
{
    if (t->has_run || start_us <= 0)
        return;
    int64_t from_us = job->ready_us ? job->ready_us : job->submit_us;
    uint64_t wait_us = start_us > from_us ? (uint64_t)start_us - (uint64_t)from_us : 0;
    if (wait_us > (uint64_t)TIME_MAX_US)
        wait_us = (uint64_t)TIME_MAX_US;
    t->has_run = true;
    count_wait(sum_of(c, job, from_us + (int64_t)wait_us), wait_us);
}

/* How long it ran, as its worker says; its limit was enforced, so far more cannot be. */
static int64_t run_time(const struct job *job, const struct attempt_end_rec *end)
{
    uint64_t limit_us = job->asked->time_us, max_us = TIME_MAX_US;
    uint64_t run_us = end->run_us;
    if (run_us == 0 && end->end_us > end->start_us)
        run_us = (uint64_t)(end->end_us - end->start_us);
    if (limit_us > 0 && limit_us < max_us - HOUR_US)
        max_us = limit_us + HOUR_US; /* for its soft end */
    return (int64_t)(run_us < max_us ? run_us : max_us);
}

/* When it ended, by the worker's clock unless that is plainly wrong: no attempt ends before its job
 * came or after we heard of it. */
static int64_t end_time(const struct job *job, const struct attempt_end_rec *end)
{
    bool is_sane = end->end_us >= job->submit_us && end->end_us <= end->at_us;
    return is_sane ? end->end_us : end->at_us;
}

static void charge(struct core *c, const struct job *job, const struct lease *l, int64_t from_us,
                   int64_t to_us)
{
    for (int64_t at = from_us; at < to_us;) {
        int64_t next = hour_of(at) + HOUR_US;
        if (next > to_us)
            next = to_us;
        uint64_t us = (uint64_t)(next - at);
        struct usage_sum *s = sum_of(c, job, at);
        s->core_us += l->n_cores * us;
        s->mem_mib_us += l->mem_mib * us;
        add_licences(s, job->asked->licences, us);
        at = next;
    }
}

void usage_end(struct core *c, const struct job *job, struct task *t,
               const struct attempt_end_rec *end)
{
    bool is_declared = end->worker == 0 && end->verdict == VERDICT_LOST;
    if (is_declared || end->start_us <= 0)
        return;
    usage_start(c, job, t, end->start_us); /* its start was never told apart from its end */
    int64_t to_us = end_time(job, end), from_us = to_us - run_time(job, end);
    if (from_us < 0)
        from_us = 0;
    sum_of(c, job, to_us)->attempts++;
    charge(c, job, t->lease, from_us, to_us);
}

/* ---- for the shell ---- */

static void give(const struct usage_sum *s, usage_view_fn fn, void *arg)
{
    uint32_t buckets[USAGE_WAIT_BUCKETS] = {0};
    for (size_t i = 0; i < s->n_counts; i++)
        buckets[s->wait_counts[i].bucket] = s->wait_counts[i].count;
    struct usage_view v = {.enterprise = {s->enterprise->id},
                           .project = {s->project->id},
                           .principal = {s->principal->id},
                           .enterprise_name = s->enterprise->name,
                           .project_name = s->project->name,
                           .user_name = s->principal->name,
                           .hour_us = s->hour_us,
                           .attempts = s->attempts,
                           .core_us = s->core_us,
                           .mem_mib_us = s->mem_mib_us,
                           .waits = s->waits,
                           .wait_us = s->wait_us,
                           .wait_buckets = buckets,
                           .licences = s->licences,
                           .n_licences = s->n_licences};
    fn(arg, &v);
}

void core_take_usage(struct core *c, usage_view_fn fn, void *arg)
{
    for (size_t i = 0; i < c->usage.n; i++)
        give(c->usage.items[i], fn, arg);
    if (c->usage.n > 0)
        usage_fini(&c->usage);
}
