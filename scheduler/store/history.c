/* What ran, from the journal: ends of attempts, with what their jobs had asked for. */
#include "scheduler/store/internal.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"

enum { TEXT_BYTES_MAX = 600 * 1024 /* of a page: it goes into one message */ };

struct history_page *history_page_new(void)
{
    struct history_page *p = CQ_NEW(struct history_page);
    p->to_us = INT64_MAX;
    return p;
}

void history_page_free(struct history_page *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->n; i++) {
        free(p->rows[i].enterprise);
        free(p->rows[i].project);
        free(p->rows[i].user);
        free(p->rows[i].licences);
    }
    free(p->rows);
    record_free(p->submit);
    free(p);
}

/* One that chipqd declared lost is told by nobody, and one that never started has no length. */
static bool has_run(const struct attempt_end_rec *e)
{
    return e->start_us > 0 && !(e->worker == 0 && e->verdict == VERDICT_LOST);
}

static int find_submit(struct store *s, struct history_page *p, uint64_t job, struct cq_err *err)
{
    if (p->submit != NULL && p->submit->u.job_submit.id == job)
        return 0; /* arrays end one task after the other */
    record_free(p->submit);
    p->submit = NULL;
    return request_read(s, job, &p->submit, err);
}

static int name_row(struct store *s, const struct job_submit *j, struct history_row *row,
                    struct cq_err *err)
{
    row->enterprise = entity_name(s, RECORD_ENTERPRISE_ADD, j->enterprise, err);
    row->project = entity_name(s, RECORD_PROJECT_ADD, j->project, err);
    row->user = entity_name(s, RECORD_PRINCIPAL_ADD, j->principal, err);
    row->licences = cq_strdup(j->licences ? j->licences : "");
    return row->enterprise && row->project && row->user ? 0 : -1;
}

static uint64_t run_time(const struct attempt_end_rec *e)
{
    uint64_t wall_us = e->end_us > e->start_us ? (uint64_t)(e->end_us - e->start_us) : 0;
    uint64_t run_us = e->run_us ? e->run_us : wall_us;
    return run_us < INT64_MAX ? run_us : INT64_MAX;
}

static int add_row(struct store *s, struct history_page *p, const struct attempt_end_rec *e,
                   struct cq_err *err)
{
    const struct job_submit *j = &p->submit->u.job_submit;
    cq_grow(&p->rows, &p->cap, p->n);
    struct history_row *row = &p->rows[p->n++];
    *row = (struct history_row){.number = j->number,
                                .task = e->task,
                                .attempt = e->attempt,
                                .cores = j->cores,
                                .mem_mib = j->mem_mib,
                                .time_us = j->time_us,
                                .run_us = run_time(e),
                                .submit_us = j->at_us,
                                .start_us = e->start_us,
                                .verdict = e->verdict < VERDICT_COUNT ? (enum verdict)e->verdict
                                                                      : VERDICT_ERROR,
                                .is_array = j->array != NULL && j->array[0] != '\0'};
    if (name_row(s, j, row, err) != 0)
        return -1;
    p->text_bytes +=
        strlen(row->enterprise) + strlen(row->project) + strlen(row->user) + strlen(row->licences);
    return 0;
}

static int take_end(struct store *s, const struct store_query *q, const struct record *r,
                    struct cq_err *err)
{
    struct history_page *p = q->history;
    const struct attempt_end_rec *e = &r->u.attempt_end_rec;
    if (!has_run(e))
        return 0;
    if (find_submit(s, p, e->job, err) != 0)
        return -1;
    const struct job_submit *j = &p->submit->u.job_submit;
    bool is_wanted = (q->enterprise.v == 0 || q->enterprise.v == j->enterprise)
                     && j->at_us >= p->from_us && j->at_us < p->to_us;
    return is_wanted ? add_row(s, p, e, err) : 0;
}

static int take_record(struct store *s, const struct store_query *q, sqlite3_stmt *st,
                       struct cq_err *err)
{
    struct record *r = NULL;
    if (sqlite3_column_int64(st, 1) != RECORD_ATTEMPT_END)
        return 0;
    if (record_decode(RECORD_ATTEMPT_END, (uint64_t)sqlite3_column_int64(st, 2),
                      sqlite3_column_blob(st, 3), (size_t)sqlite3_column_bytes(st, 3), &r, err)
        != 0)
        return -1;
    int rc = take_end(s, q, r, err);
    record_free(r);
    return rc;
}

/* 1 = done: the page is full, or the journal is at its end. */
static int read_page(struct store *s, const struct store_query *q, struct cq_err *err)
{
    struct history_page *p = q->history;
    sqlite3_stmt *st = sql_use(s, ST_HISTORY);
    sql_bind_u64(st, 1, p->next);
    bool is_done = true;
    int rc;
    while ((rc = sql_row(s, st, "read the journal", err)) > 0) {
        is_done = p->has_more = p->n >= p->limit || p->text_bytes > TEXT_BYTES_MAX;
        if (is_done)
            break;
        p->next = (uint64_t)sqlite3_column_int64(st, 0);
        if (take_record(s, q, st, err) != 0)
            return -1;
    }
    (void)sqlite3_reset(st);
    return rc < 0 ? -1 : is_done;
}

int history_step(struct store *s, struct store_query *q, int64_t until_us, struct cq_err *err)
{
    struct history_page *p = q->history;
    if (q->cursor == 0) {
        q->cursor = 1; /* has begun */
        p->next = p->after;
        if (p->limit == 0 || p->limit > QUERY_ROWS_MAX)
            p->limit = QUERY_ROWS_MAX;
    }
    int rc;
    do
        rc = read_page(s, q, err);
    while (rc == 0 && clock_mono_us() < until_us);
    return rc;
}
