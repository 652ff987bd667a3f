/* Used against asked, from the journal: what attempts ran with, and what they took of it. */
#include "scheduler/store/internal.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"
#include "scheduler/core/learn.h"
#include "scheduler/core/usage.h"

enum { JOBS_REMEMBERED = 1 << 16 };

struct efficiency_report *efficiency_report_new(int64_t from_us, int64_t to_us)
{
    struct efficiency_report *r = CQ_NEW(struct efficiency_report);
    *r = (struct efficiency_report){.from_us = from_us, .to_us = to_us};
    return r;
}

void efficiency_report_free(struct efficiency_report *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->n; i++) {
        free(r->groups[i]->what);
        free(r->groups[i]->project_name);
        free(r->groups[i]->user_name);
        free(r->groups[i]);
    }
    free(r->groups);
    map_fini(&r->by_key);
    map_fini(&r->by_job);
    free(r);
}

/* ---- groups ---- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ (hash >> 29);
}

static uint64_t key_of(const struct job_submit *s, const char *what)
{
    uint64_t hash = mix(mix(mix(1, s->project), s->principal), s->cores);
    for (; *what; what++)
        hash = mix(hash, (unsigned char)*what);
    return hash ? hash : 1;
}

/* NULL: there are too many. */
static struct efficiency_group *group_of(struct efficiency_report *r, const struct job_submit *s)
{
    char what[LEARN_WHAT_BYTES];
    uint64_t key = key_of(s, learn_what(s->tool, s->name, what));
    struct efficiency_group *first = map_find(&r->by_key, key), *g = first;
    while (g
           && !(g->project == s->project && g->principal == s->principal && g->cores == s->cores
                && strcmp(g->what, what) == 0))
        g = g->next_same_hash;
    if (g)
        return g;
    r->is_cut = r->is_cut || r->n == EFFICIENCY_GROUPS_MAX;
    if (r->n == EFFICIENCY_GROUPS_MAX)
        return NULL;
    g = CQ_NEW(struct efficiency_group);
    *g = (struct efficiency_group){.project = s->project,
                                   .principal = s->principal,
                                   .cores = s->cores,
                                   .first_mib = s->mem_mib,
                                   .is_whole = s->exclusive != 0,
                                   .what = cq_strdup(what),
                                   .next_same_hash = first};
    map_put(&r->by_key, key, g);
    cq_grow(&r->groups, &r->cap, r->n);
    return r->groups[r->n++] = g;
}

/* Of the asker's enterprise alone; others' jobs have none. */
static int find_group(struct store *s, const struct store_query *q, uint64_t job,
                      struct efficiency_group **out, struct cq_err *err)
{
    static struct efficiency_group nobody;
    struct efficiency_report *r = q->efficiency;
    struct record *submit = NULL;
    *out = map_find(&r->by_job, job);
    if (*out == NULL) {
        if (request_read(s, job, &submit, err) != 0)
            return -1;
        if (r->by_job.n >= JOBS_REMEMBERED)
            map_fini(&r->by_job);
        if (submit->u.job_submit.enterprise == q->enterprise.v)
            *out = group_of(r, &submit->u.job_submit);
        map_put(&r->by_job, job, *out ? *out : &nobody);
        record_free(submit);
    }
    *out = *out == &nobody ? NULL : *out;
    return 0;
}

static double run_time(const struct attempt_end_rec *e)
{
    double wall_us = e->end_us > e->start_us ? (double)(e->end_us - e->start_us) : 0;
    return e->run_us ? (double)e->run_us : wall_us;
}

static void add(struct efficiency_group *g, const struct attempt_end_rec *e)
{
    uint64_t asked = e->mem_mib ? e->mem_mib : g->first_mib; /* it was not always told */
    uint64_t peak = e->peak_mem_kib / 1024 + (e->peak_mem_kib % 1024 != 0);
    double run_us = run_time(e);
    g->runs++;
    g->core_us += run_us * (double)g->cores;
    g->cpu_us += (double)e->cpu_user_us + (double)e->cpu_system_us;
    g->run_us += run_us;
    if (peak == 0)
        return;
    g->mem_asked_mib_us += run_us * (double)asked;
    g->mem_used_mib_us += run_us * (double)(peak < asked ? peak : asked);
    g->asked_mib = asked; /* people may have heard the advice since */
    g->peak_mib = peak > g->peak_mib ? peak : g->peak_mib;
    if (e->verdict == VERDICT_PASS || e->verdict == VERDICT_FAIL || e->verdict == VERDICT_TIMEOUT)
        g->buckets[usage_wait_bucket(e->peak_mem_kib)]++; /* eight an octave suit sizes too */
}

/* ---- reading ---- */

static int take_end(struct store *s, const struct store_query *q, const struct attempt_end_rec *e,
                    struct cq_err *err)
{
    struct efficiency_group *g = NULL;
    bool has_run = e->start_us > 0 && !(e->worker == 0 && e->verdict == VERDICT_LOST);
    if (!has_run || e->at_us < q->efficiency->from_us || e->at_us >= q->efficiency->to_us)
        return 0;
    if (find_group(s, q, e->job, &g, err) != 0)
        return -1;
    if (g)
        add(g, e);
    return 0;
}

static int read_page(struct store *s, const struct store_query *q, struct cq_err *err)
{
    struct efficiency_report *r = q->efficiency;
    sqlite3_stmt *st = sql_use(s, ST_HISTORY);
    sql_bind_u64(st, 1, r->next);
    bool is_done = true;
    int rc;
    while ((rc = sql_row(s, st, "read the journal", err)) > 0) {
        struct record *e = NULL;
        is_done = false;
        r->next = (uint64_t)sqlite3_column_int64(st, 0);
        if (sqlite3_column_int64(st, 1) != RECORD_ATTEMPT_END)
            continue;
        if (record_decode(RECORD_ATTEMPT_END, (uint64_t)sqlite3_column_int64(st, 2),
                          sqlite3_column_blob(st, 3), (size_t)sqlite3_column_bytes(st, 3), &e, err)
            != 0)
            return -1;
        rc = take_end(s, q, &e->u.attempt_end_rec, err);
        record_free(e);
        if (rc != 0)
            return -1;
    }
    (void)sqlite3_reset(st);
    return rc < 0 ? -1 : is_done;
}

/* Was the first record from `seq` on made before `at_us`? */
static int is_before(struct store *s, uint64_t seq, int64_t at_us, struct cq_err *err)
{
    sqlite3_stmt *st = sql_use(s, ST_JOURNAL_TIME);
    sql_bind_u64(st, 1, seq);
    int rc = sql_row(s, st, "find a time", err);
    bool yes = rc > 0 && sqlite3_column_int64(st, 0) < at_us;
    (void)sqlite3_reset(st);
    return rc < 0 ? -1 : yes;
}

/* Records are in order of time, but for a wall clock that was set back. */
static int find_begin(struct store *s, struct efficiency_report *r, struct cq_err *err)
{
    uint64_t low = 0, step = UINT64_C(1) << 40;
    for (; r->from_us > 0 && step > 0; step /= 2) {
        int rc = is_before(s, low + step, r->from_us, err);
        if (rc < 0)
            return -1;
        low += rc > 0 ? step : 0;
    }
    r->next = low;
    return 0;
}

/* ---- the answer ---- */

static uint64_t p95_of(const struct efficiency_group *g)
{
    uint64_t n = 0, seen = 0;
    for (unsigned i = 0; i < USAGE_WAIT_BUCKETS; i++)
        n += g->buckets[i];
    uint64_t wanted = n - n / 20;
    for (unsigned i = 0; n > 0 && i < USAGE_WAIT_BUCKETS; i++) {
        seen += g->buckets[i];
        if (seen >= wanted) {
            uint64_t mib = usage_wait_of_bucket(i) / 1024 + 1;
            return mib < g->peak_mib ? mib : g->peak_mib;
        }
    }
    return 0;
}

static int finish(struct store *s, struct efficiency_report *r, struct cq_err *err)
{
    for (size_t i = 0; i < r->n; i++) {
        struct efficiency_group *g = r->groups[i];
        g->p95_mib = p95_of(g);
        g->project_name = entity_name(s, RECORD_PROJECT_ADD, g->project, err);
        g->user_name = entity_name(s, RECORD_PRINCIPAL_ADD, g->principal, err);
        if (g->project_name == NULL || g->user_name == NULL)
            return -1;
    }
    return 1;
}

int efficiency_step(struct store *s, struct store_query *q, int64_t until_us, struct cq_err *err)
{
    struct efficiency_report *r = q->efficiency;
    if (!r->has_begun && find_begin(s, r, err) != 0)
        return -1;
    r->has_begun = true;
    int rc;
    do
        rc = read_page(s, q, err);
    while (rc == 0 && clock_mono_us() < until_us);
    return rc > 0 ? finish(s, r, err) : rc;
}
