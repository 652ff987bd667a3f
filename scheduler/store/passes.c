/* Plain passes of arrays: many to a row, those that one transaction brings of a job and whose
 * numbers lie close together. */
#include "scheduler/store/internal.h"

#include "common/base/pure/flat.h"
#include "common/base/pure/mem.h"

enum {
    PASS_BYTES_MAX = 64 * 1024, /* of one: numbers, a node, cores */
    SPAN_MAX = 1024             /* tasks from the first to the last of a row */
};

static bool has_place(const struct batch_pass *p, uint64_t job, uint64_t task)
{
    uint64_t first = task < p->first ? task : p->first, last = task > p->last ? task : p->last;
    return p->job == job && last - first < SPAN_MAX;
}

static struct batch_pass *pass_of(struct store_batch *b, uint64_t job, uint64_t task)
{
    if (b->n_passes > 0 && has_place(&b->passes[b->n_passes - 1], job, task))
        return &b->passes[b->n_passes - 1];
    cq_grow(&b->passes, &b->cap_passes, b->n_passes);
    b->passes[b->n_passes] = (struct batch_pass){.job = job, .first = task, .last = task};
    return &b->passes[b->n_passes++];
}

void batch_add_pass(struct store_batch *b, uint64_t job, const struct stored_task *t)
{
    struct batch_pass *p = pass_of(b, job, t->task);
    struct cq_str one = {0};
    stored_task_encode(t, &one);
    flat_put_bytes(&p->rows, cq_str_text(&one), one.len);
    cq_str_fini(&one);
    p->first = t->task < p->first ? t->task : p->first;
    p->last = t->task > p->last ? t->task : p->last;
}

void batch_passes_free(struct store_batch *b)
{
    for (size_t i = 0; i < b->n_passes; i++)
        cq_str_fini(&b->passes[i].rows);
    free(b->passes);
}

int pass_write(struct store *s, const struct batch_pass *p, struct cq_err *err)
{
    const struct record_bytes rows = {(uint8_t *)cq_str_text(&p->rows), p->rows.len};
    sqlite3_stmt *st = sql_use(s, ST_PASS_PUT);
    sql_bind_u64(st, 1, p->job);
    sql_bind_u64(st, 2, p->first);
    sql_bind_u64(st, 3, p->last);
    sql_bind_bytes(st, 4, &rows);
    return sql_run(s, st, "write passes", err);
}

/* ---- reading ---- */

static int take_row(struct store_query *q, struct flat_reader *in, struct range wanted,
                    struct cq_err *err)
{
    size_t bytes;
    const void *data = flat_get_bytes(in, PASS_BYTES_MAX, &bytes);
    struct stored_task t = {0};
    if (in->failed)
        return cq_fail(err, CQ_E_IO, "the passes of a job are damaged");
    if (stored_task_decode(data, bytes, &t, err) != 0)
        return -1;
    if (t.task < wanted.first || t.task > wanted.last || q->n_tasks >= QUERY_ROWS_MAX) {
        stored_task_fini(&t);
        return 0;
    }
    cq_grow(&q->tasks, &q->cap_tasks, q->n_tasks);
    q->tasks[q->n_tasks++] = t;
    return 0;
}

int passes_read(struct store *s, struct store_query *q, uint64_t job, struct range wanted,
                struct cq_err *err)
{
    sqlite3_stmt *st = sql_use(s, ST_PASSES);
    sql_bind_u64(st, 1, job);
    sql_bind_u64(st, 2, wanted.first < SPAN_MAX ? 0 : wanted.first - SPAN_MAX + 1);
    sql_bind_u64(st, 3, wanted.last);
    sql_bind_u64(st, 4, wanted.first);
    int rc;
    while ((rc = sql_row(s, st, "read passes", err)) > 0 && q->n_tasks < QUERY_ROWS_MAX) {
        struct flat_reader in =
            flat_reader_of(sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0));
        while (!flat_at_end(&in))
            if (take_row(q, &in, wanted, err) != 0)
                return -1;
    }
    (void)sqlite3_reset(st);
    return rc < 0 ? -1 : 0;
}
