/* Sums of what runs asked and took, kept as their ends are written. */
#include "scheduler/store/efficiency.h"

#include "common/base/pure/flat.h"
#include "common/base/pure/mem.h"
#include "scheduler/core/learn.h"
#include "scheduler/core/usage.h"

#define HOUR_US (INT64_C(3600) * US_PER_S)

enum { JOBS_REMEMBERED = 8192, PAGES_AT_ONCE = 8 }; /* of 256 records */

/* ---- what of a job its ends are counted by ---- */

struct counted_by {
    uint64_t enterprise, project, principal, cores, mem_mib;
    bool is_whole;
    char what[]; /* as the learning of memory names such runs */
};

struct efficiency_sum {
    uint64_t key, enterprise, hour_us, project, principal, cores;
    char *what; /* owned */
    struct efficiency_tally tally;
    struct efficiency_sum *next_same_key;
};

void efficiency_jobs_fini(struct efficiency_jobs *jobs)
{
    void *item;
    for (size_t i = 0; map_next(&jobs->by_id, &i, &item);)
        free(item);
    map_fini(&jobs->by_id);
}

static const struct counted_by *know(struct store *s, const struct job_submit *j)
{
    char buf[LEARN_WHAT_BYTES];
    const char *what = learn_what(j->tool, j->stage_of, j->name, buf);
    size_t bytes = strlen(what) + 1;
    if (s->efficiency_jobs->by_id.n >= JOBS_REMEMBERED)
        efficiency_jobs_fini(s->efficiency_jobs);
    struct counted_by *by = cq_calloc(1, sizeof *by + bytes);
    *by = (struct counted_by){.enterprise = j->enterprise,
                              .project = j->project,
                              .principal = j->principal,
                              .cores = j->cores,
                              .mem_mib = j->mem_mib,
                              .is_whole = j->exclusive != 0};
    memcpy(by->what, what, bytes);
    free(map_remove(&s->efficiency_jobs->by_id, j->id));
    map_put(&s->efficiency_jobs->by_id, j->id, by);
    return by;
}

void efficiency_know(struct store *s, const struct job_submit *submit)
{
    (void)know(s, submit);
}

/* 1 found, 0 it has no request, -1 error. */
static int find_job(struct store *s, uint64_t job, const struct counted_by **out,
                    struct cq_err *err)
{
    struct record *submit = NULL;
    *out = map_find(&s->efficiency_jobs->by_id, job);
    if (*out)
        return 1;
    int rc = request_find(s, job, &submit, err);
    if (rc > 0)
        *out = know(s, &submit->u.job_submit);
    record_free(submit);
    return rc;
}

/* ---- sums ---- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ (hash >> 29);
}

static uint64_t key_of(const struct counted_by *by, uint64_t hour_us)
{
    uint64_t hash = mix(mix(mix(mix(1, hour_us), by->project), by->principal), by->cores);
    for (const char *p = by->what; *p; p++)
        hash = mix(hash, (unsigned char)*p);
    return hash ? hash : 1;
}

static bool is_of(const struct efficiency_sum *m, const struct counted_by *by, uint64_t hour_us)
{
    return m->hour_us == hour_us && m->project == by->project && m->principal == by->principal
           && m->cores == by->cores && strcmp(m->what, by->what) == 0;
}

static struct efficiency_sum *sum_of(struct efficiency_sums *sums, const struct counted_by *by,
                                     uint64_t hour_us)
{
    uint64_t key = key_of(by, hour_us);
    struct efficiency_sum *first = map_find(&sums->by_key, key), *m = first;
    while (m && !is_of(m, by, hour_us))
        m = m->next_same_key;
    if (m)
        return m;
    m = CQ_NEW(struct efficiency_sum);
    *m = (struct efficiency_sum){.key = key,
                                 .enterprise = by->enterprise,
                                 .hour_us = hour_us,
                                 .project = by->project,
                                 .principal = by->principal,
                                 .cores = by->cores,
                                 .what = cq_strdup(by->what),
                                 .next_same_key = first};
    map_put(&sums->by_key, key, m);
    cq_grow(&sums->items, &sums->cap, sums->n);
    return sums->items[sums->n++] = m;
}

static void clear(struct efficiency_sums *sums)
{
    for (size_t i = 0; i < sums->n; i++) {
        free(sums->items[i]->what);
        free(sums->items[i]);
    }
    sums->n = 0;
    map_fini(&sums->by_key);
}

void efficiency_sums_fini(struct efficiency_sums *sums)
{
    clear(sums);
    free(sums->items);
}

static double run_time(const struct attempt_end_rec *e)
{
    double wall_us = e->end_us > e->start_us ? (double)(e->end_us - e->start_us) : 0;
    return e->run_us ? (double)e->run_us : wall_us;
}

static void add_end(struct efficiency_tally *t, const struct counted_by *by,
                    const struct attempt_end_rec *e)
{
    uint64_t asked = e->mem_mib ? e->mem_mib : by->mem_mib; /* it was not always told */
    uint64_t peak = e->peak_mem_kib / 1024 + (e->peak_mem_kib % 1024 != 0);
    double run_us = run_time(e);
    t->is_whole = t->is_whole || by->is_whole;
    t->runs++;
    t->core_us += run_us * (double)by->cores;
    t->cpu_us += (double)e->cpu_user_us + (double)e->cpu_system_us;
    t->run_us += run_us;
    if (peak == 0)
        return;
    t->asked_mib_us += run_us * (double)asked;
    t->used_mib_us += run_us * (double)(peak < asked ? peak : asked);
    t->asked_mib = asked; /* people may have heard the advice since */
    t->peak_mib = peak > t->peak_mib ? peak : t->peak_mib;
    if (e->verdict == VERDICT_PASS || e->verdict == VERDICT_FAIL || e->verdict == VERDICT_TIMEOUT)
        t->peaks[usage_wait_bucket(e->peak_mem_kib)]++; /* eight an octave suit sizes too */
}

/* Its keeper was there at its end: of others nobody knows what they used, if anything. */
static bool was_measured(const struct attempt_end_rec *e)
{
    return e->peak_mem_kib > 0 || e->cpu_user_us + e->cpu_system_us > 0;
}

int efficiency_add(struct store *s, struct efficiency_sums *sums, const struct attempt_end_rec *e,
                   struct cq_err *err)
{
    const struct counted_by *by = NULL;
    bool has_run = e->start_us > 0 && !(e->worker == 0 && e->verdict == VERDICT_LOST);
    int rc = has_run && was_measured(e) ? find_job(s, e->job, &by, err) : 0;
    if (rc > 0)
        add_end(&sum_of(sums, by, (uint64_t)(e->at_us - e->at_us % HOUR_US))->tally, by, e);
    return rc < 0 ? -1 : 0;
}

void efficiency_merge(struct efficiency_tally *to, const struct efficiency_tally *newer)
{
    to->runs += newer->runs;
    to->core_us += newer->core_us;
    to->cpu_us += newer->cpu_us;
    to->run_us += newer->run_us;
    to->asked_mib_us += newer->asked_mib_us;
    to->used_mib_us += newer->used_mib_us;
    to->asked_mib = newer->asked_mib ? newer->asked_mib : to->asked_mib;
    to->peak_mib = newer->peak_mib > to->peak_mib ? newer->peak_mib : to->peak_mib;
    to->is_whole = to->is_whole || newer->is_whole;
    for (size_t i = 0; i < CQ_COUNT(to->peaks); i++)
        to->peaks[i] += newer->peaks[i];
}

/* ---- the table ---- */

static void encode_peaks(const struct efficiency_tally *t, struct cq_str *out)
{
    uint64_t n = 0;
    for (size_t i = 0; i < CQ_COUNT(t->peaks); i++)
        n += t->peaks[i] != 0;
    flat_put_u64(out, n);
    for (size_t i = 0; i < CQ_COUNT(t->peaks); i++) {
        if (t->peaks[i] == 0)
            continue;
        flat_put_u64(out, i);
        flat_put_u64(out, t->peaks[i]);
    }
}

static int decode_peaks(const void *data, size_t bytes, struct efficiency_tally *t,
                        struct cq_err *err)
{
    struct flat_reader in = flat_reader_of(data, bytes);
    size_t n = flat_get_count(&in, CQ_COUNT(t->peaks));
    for (size_t i = 0; i < n; i++) {
        uint64_t at = flat_get_u64(&in), count = flat_get_u64(&in);
        if (at < CQ_COUNT(t->peaks))
            t->peaks[at] = (uint32_t)count;
    }
    return flat_at_end(&in) ? 0 : cq_fail(err, CQ_E_IO, "a row of the table efficiency is damaged");
}

int efficiency_read(sqlite3_stmt *st, int at, struct efficiency_tally *out, struct cq_err *err)
{
    *out = (struct efficiency_tally){
        .runs = sqlite3_column_double(st, at),
        .core_us = sqlite3_column_double(st, at + 1),
        .cpu_us = sqlite3_column_double(st, at + 2),
        .run_us = sqlite3_column_double(st, at + 3),
        .asked_mib_us = sqlite3_column_double(st, at + 4),
        .used_mib_us = sqlite3_column_double(st, at + 5),
        .asked_mib = (uint64_t)sqlite3_column_int64(st, at + 6),
        .peak_mib = (uint64_t)sqlite3_column_int64(st, at + 7),
        .is_whole = sqlite3_column_int64(st, at + 8) != 0,
    };
    return decode_peaks(sqlite3_column_blob(st, at + 9), (size_t)sqlite3_column_bytes(st, at + 9),
                        out, err);
}

/* Binds the six columns that say of what. Returns the next index. */
static int bind_key(sqlite3_stmt *st, const struct efficiency_sum *m)
{
    const uint64_t numbers[] = {m->enterprise, m->hour_us, m->project, m->principal, m->cores};
    int at = 1;
    for (size_t i = 0; i < CQ_COUNT(numbers); i++)
        sql_bind_u64(st, at++, numbers[i]);
    sql_bind_text(st, at++, m->what);
    return at;
}

static int read_old(struct store *s, const struct efficiency_sum *m, struct efficiency_tally *old,
                    struct cq_err *err)
{
    sqlite3_stmt *st = sql_use(s, ST_EFFICIENCY_FIND);
    (void)bind_key(st, m);
    int rc = sql_row(s, st, "read a sum of runs", err);
    if (rc > 0 && efficiency_read(st, 0, old, err) != 0)
        rc = -1;
    (void)sqlite3_reset(st);
    return rc < 0 ? -1 : 0;
}

static int write_sum(struct store *s, const struct efficiency_sum *m, struct cq_err *err)
{
    struct efficiency_tally t = {.runs = 0};
    struct cq_str peaks CQ_CLEANUP(cq_str_fini) = {0};
    if (read_old(s, m, &t, err) != 0)
        return -1;
    efficiency_merge(&t, &m->tally);
    encode_peaks(&t, &peaks);
    sqlite3_stmt *st = sql_use(s, ST_EFFICIENCY_PUT);
    int at = bind_key(st, m);
    const double reals[] = {t.runs, t.core_us, t.cpu_us, t.run_us, t.asked_mib_us, t.used_mib_us};
    for (size_t i = 0; i < CQ_COUNT(reals); i++)
        (void)sqlite3_bind_double(st, at++, reals[i]);
    sql_bind_u64(st, at++, t.asked_mib);
    sql_bind_u64(st, at++, t.peak_mib);
    sql_bind_u64(st, at++, t.is_whole);
    const struct record_bytes bytes = {(uint8_t *)peaks.data, peaks.len};
    sql_bind_bytes(st, at, &bytes);
    return sql_run(s, st, "write a sum of runs", err);
}

int efficiency_write(struct store *s, struct efficiency_sums *sums, struct cq_err *err)
{
    for (size_t i = 0; i < sums->n; i++)
        if (write_sum(s, sums->items[i], err) != 0)
            return -1;
    clear(sums);
    return 0;
}

/* ---- an older database ---- */

struct fill {
    uint64_t next, until; /* records above the one, up to the other */
};

static int read_fill(struct store *s, struct fill *f, struct cq_err *err)
{
    sqlite3_stmt *st = sql_use(s, ST_EFFICIENCY_FILL);
    int rc = sql_row(s, st, "read what is to be summed up", err);
    *f = (struct fill){0};
    if (rc > 0) {
        f->next = (uint64_t)sqlite3_column_int64(st, 0);
        f->until = (uint64_t)sqlite3_column_int64(st, 1);
    }
    (void)sqlite3_reset(st);
    return rc < 0 ? -1 : 0;
}

static int add_record(struct store *s, sqlite3_stmt *st, struct efficiency_sums *sums,
                      struct cq_err *err)
{
    struct record *e = NULL;
    if (sqlite3_column_int64(st, 1) != RECORD_ATTEMPT_END)
        return 0;
    int rc =
        record_decode(RECORD_ATTEMPT_END, (uint64_t)sqlite3_column_int64(st, 2),
                      sqlite3_column_blob(st, 3), (size_t)sqlite3_column_bytes(st, 3), &e, err);
    if (rc == 0)
        rc = efficiency_add(s, sums, &e->u.attempt_end_rec, err);
    record_free(e);
    return rc;
}

/* One page of the journal. What is above `until` was added when it was written. */
static int read_piece(struct store *s, struct fill *f, struct efficiency_sums *sums,
                      struct cq_err *err)
{
    sqlite3_stmt *st = sql_use(s, ST_HISTORY);
    bool is_empty = true;
    int rc;
    sql_bind_u64(st, 1, f->next);
    while ((rc = sql_row(s, st, "sum up the journal", err)) > 0) {
        uint64_t seq = (uint64_t)sqlite3_column_int64(st, 0);
        if (seq > f->until)
            break;
        is_empty = false;
        f->next = seq;
        if (add_record(s, st, sums, err) != 0)
            return -1;
    }
    (void)sqlite3_reset(st);
    f->next = is_empty ? f->until : f->next;
    return rc < 0 ? -1 : 0;
}

static int write_piece(struct store *s, const struct fill *f, struct efficiency_sums *sums,
                       struct cq_err *err)
{
    if (batch_begin(s, err) != 0 || efficiency_write(s, sums, err) != 0)
        return -1;
    sqlite3_stmt *st = sql_use(s, ST_EFFICIENCY_FILLED);
    sql_bind_u64(st, 1, f->next);
    if (sql_run(s, st, "note what is summed up", err) != 0)
        return -1;
    return sql_run(s, sql_use(s, ST_COMMIT), "commit", err);
}

int efficiency_is_filled(struct store *s, struct cq_err *err)
{
    struct fill f;
    if (!s->is_efficiency_filled && read_fill(s, &f, err) != 0)
        return -1;
    s->is_efficiency_filled = s->is_efficiency_filled || f.next >= f.until;
    return s->is_efficiency_filled;
}

int efficiency_fill(struct store *s, struct cq_err *err)
{
    struct efficiency_sums sums CQ_CLEANUP(efficiency_sums_fini) = {0};
    struct fill f;
    if (read_fill(s, &f, err) != 0)
        return -1;
    for (int i = 0; i < PAGES_AT_ONCE && f.next < f.until; i++)
        if (read_piece(s, &f, &sums, err) != 0)
            return -1;
    return write_piece(s, &f, &sums, err);
}
