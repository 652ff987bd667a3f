/* Batches: what one transaction writes, gathered by the caller, written by the store thread. */
#include "scheduler/store/efficiency.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/failpoint.h"

struct store_batch *store_batch_new(struct store *s)
{
    struct store_batch *b = CQ_NEW(struct store_batch);
    b->store = s;
    return b;
}

void store_batch_free(struct store_batch *b)
{
    if (b == NULL)
        return;
    for (size_t i = 0; i < b->n_records; i++)
        record_free(b->records[i]);
    for (size_t i = 0; i < b->n_rows; i++) {
        stored_job_fini(&b->rows[i].job);
        free(b->rows[i].snapshot.data);
    }
    for (size_t i = 0; i < b->n_tasks; i++)
        free(b->tasks[i].row.data);
    for (size_t i = 0; i < b->n_entities; i++)
        free(b->entities[i].payload.data);
    batch_usages_free(b);
    batch_passes_free(b);
    free(b->records);
    free(b->at_us);
    free(b->rows);
    free(b->tasks);
    free(b->entities);
    free(b);
}

bool store_batch_is_empty(const struct store_batch *b)
{
    return b->n_records + b->n_rows + b->n_entities == 0;
}

size_t store_batch_records(const struct store_batch *b)
{
    return b->n_records;
}

void store_batch_add_record(struct store_batch *b, struct record *r, int64_t wall_us)
{
    cq_grow(&b->records, &b->cap_records, b->n_records);
    cq_grow(&b->at_us, &b->cap_at, b->n_records);
    b->at_us[b->n_records] = wall_us;
    b->records[b->n_records++] = r;
    if (r->type == RECORD_JOB_SUBMIT)
        bloom_add(&b->store->keys, key64_of(&r->u.job_submit.client_key));
}

static struct record_bytes bytes_of(struct cq_str *text)
{
    struct record_bytes b = {.len = text->len};
    b.data = (uint8_t *)(text->len ? cq_str_take(text) : cq_strdup(""));
    return b;
}

static struct record_bytes payload_of(const struct record *r)
{
    struct cq_str text = {0};
    record_encode(r, &text);
    return bytes_of(&text);
}

static bool is_empty(const char *text)
{
    return text == NULL || text[0] == '\0';
}

/* Of an array, a first attempt that passed as asked, without a word: not told apart. */
static bool is_plain_pass(const struct job_view *job, const struct task_view *v)
{
    return job->is_array && v->verdict == VERDICT_PASS && v->attempt == 1 && !v->is_attempt
           && v->mem_mib == job->mem_mib && is_empty(v->result) && is_empty(v->summary)
           && is_empty(v->signature) && is_empty(v->cause);
}

/* Only what is over is stored: earlier attempts in the history, the last one as the task's row.
 * What runs is in the job's snapshot, and views ask the core for it. */
static void add_task(struct store_batch *b, const struct job_view *job, const struct task_view *v)
{
    if (v->is_live)
        return;
    struct stored_task t;
    stored_task_of_view(v, &t);
    if (is_plain_pass(job, v)) {
        batch_add_pass(b, job->id.v, &t);
        stored_task_fini(&t);
        return;
    }
    struct cq_str text = {0};
    stored_task_encode(&t, &text);
    cq_grow(&b->tasks, &b->cap_tasks, b->n_tasks);
    b->tasks[b->n_tasks++] = (struct batch_task){.job = job->id.v,
                                                 .task = v->task,
                                                 .attempt = v->attempt,
                                                 .is_earlier = v->is_attempt,
                                                 .row = bytes_of(&text)};
    stored_task_fini(&t);
}

void store_batch_add_job(struct store_batch *b, const struct job_view *v, const char *metrics)
{
    cq_grow(&b->rows, &b->cap_rows, b->n_rows);
    struct batch_row *row = &b->rows[b->n_rows++];
    *row = (struct batch_row){.is_new = v->is_new};
    if (v->is_new)
        stored_job_of_view(v, metrics, &row->job);
    else
        stored_job_changes_of_view(v, metrics, &row->job);
    if (v->state_record != NULL)
        row->snapshot = payload_of(v->state_record);
    for (size_t i = 0; i < v->n_tasks_changed; i++)
        add_task(b, v, &v->tasks_changed[i]);
}

void store_batch_add_entity(struct store_batch *b, const struct entity_view *e)
{
    cq_grow(&b->entities, &b->cap_entities, b->n_entities);
    struct batch_entity *to = &b->entities[b->n_entities++];
    *to = (struct batch_entity){.kind = e->type, .id = e->id, .gone = e->gone};
    if (!e->gone) {
        to->version = record_type_version(e->type);
        to->payload = payload_of(e->record);
    }
}

/* ---- writing, on the thread that owns the connection ---- */

static int write_request(struct store *s, const struct record *r,
                         const struct record_bytes *payload, struct cq_err *err)
{
    const struct job_submit *j = &r->u.job_submit;
    sqlite3_stmt *st = sql_use(s, ST_REQUEST_ADD);
    sql_bind_u64(st, 1, j->id);
    sql_bind_u64(st, 2, record_type_version(r->type));
    sql_bind_bytes(st, 3, payload);
    if (sql_run(s, st, "add a request", err) != 0)
        return -1;
    efficiency_know(s, j);
    if (j->submit_index != 0)
        return 0;
    st = sql_use(s, ST_KEY_ADD);
    sql_bind_u64(st, 1, j->id / KEY_BUCKET_JOBS);
    sql_bind_u64(st, 2, key64_of(&j->client_key));
    sql_bind_u64(st, 3, j->id);
    return sql_run(s, st, "add a submit's key", err);
}

/* A reign begins: the row must still say what we loaded. */
static int write_epoch(struct store *s, uint64_t epoch, struct cq_err *err)
{
    sqlite3_stmt *st = sql_use(s, ST_EPOCH_SET);
    sql_bind_u64(st, 1, epoch);
    sql_bind_u64(st, 2, s->epoch);
    if (sql_run(s, st, "set the epoch", err) != 0)
        return -1;
    if (sqlite3_changes(s->db) != 1)
        return cq_fail(err, CQ_E_STALE, "another chipqd has taken over this database");
    s->epoch = epoch;
    return 0;
}

static int write_record(struct store *s, uint64_t seq, int64_t at_us, const struct record *r,
                        struct cq_err *err)
{
    if (r->type == RECORD_EPOCH_START && write_epoch(s, r->u.epoch_start.epoch, err) != 0)
        return -1;
    struct record_bytes payload = payload_of(r);
    sqlite3_stmt *st = sql_use(s, ST_JOURNAL_ADD);
    sql_bind_u64(st, 1, seq);
    (void)sqlite3_bind_int64(st, 2, at_us);
    sql_bind_u64(st, 3, r->type);
    sql_bind_u64(st, 4, record_type_version(r->type));
    sql_bind_bytes(st, 5, &payload);
    int failed = sql_run(s, st, "append to the journal", err);
    if (failed == 0 && r->type == RECORD_JOB_SUBMIT)
        failed = write_request(s, r, &payload, err);
    free(payload.data);
    return failed;
}

static int write_row(struct store *s, const struct batch_row *row, struct cq_err *err)
{
    sqlite3_stmt *st = sql_use(s, row->is_new ? ST_JOB_ADD : ST_JOB_UPDATE);
    int at = row->is_new ? sql_bind_job_fixed(st, 1, &row->job) : 1;
    at = sql_bind_job_live(st, at, &row->job);
    sql_bind_bytes(st, at, &row->snapshot);
    if (!row->is_new)
        sql_bind_u64(st, at + 1, row->job.id);
    return sql_run(s, st, "write a job", err);
}

static int write_task(struct store *s, const struct batch_task *t, struct cq_err *err)
{
    sqlite3_stmt *st = sql_use(s, t->is_earlier ? ST_ATTEMPT_PUT : ST_TASK_PUT);
    sql_bind_u64(st, 1, t->job);
    sql_bind_u64(st, 2, t->task);
    sql_bind_u64(st, 3, t->attempt);
    sql_bind_bytes(st, 4, &t->row);
    return sql_run(s, st, "write a task", err);
}

static int write_entity(struct store *s, const struct batch_entity *e, struct cq_err *err)
{
    sqlite3_stmt *st = sql_use(s, e->gone ? ST_ENTITY_DELETE : ST_ENTITY_PUT);
    sql_bind_u64(st, 1, e->kind);
    sql_bind_u64(st, 2, e->id);
    if (!e->gone) {
        sql_bind_u64(st, 3, e->version);
        sql_bind_bytes(st, 4, &e->payload);
    }
    return sql_run(s, st, "write an entity", err);
}

static int write_views(struct store *s, const struct store_batch *b, struct cq_err *err)
{
    for (size_t i = 0; i < b->n_rows; i++)
        if (write_row(s, &b->rows[i], err) != 0)
            return -1;
    for (size_t i = 0; i < b->n_tasks; i++)
        if (write_task(s, &b->tasks[i], err) != 0)
            return -1;
    for (size_t i = 0; i < b->n_passes; i++)
        if (pass_write(s, &b->passes[i], err) != 0)
            return -1;
    for (size_t i = 0; i < b->n_entities; i++)
        if (write_entity(s, &b->entities[i], err) != 0)
            return -1;
    for (size_t i = 0; i < b->n_usages; i++)
        if (usage_write(s, &b->usages[i], err) != 0)
            return -1;
    return 0;
}

/* The transaction's only fencing check: the reign's row. Tokens are the core's business. */
static int check_epoch(struct store *s, struct cq_err *err)
{
    sqlite3_stmt *st = sql_use(s, ST_EPOCH_READ);
    int rc = sql_row(s, st, "read the epoch", err);
    if (rc < 0)
        return -1;
    uint64_t epoch = rc > 0 ? (uint64_t)sqlite3_column_int64(st, 0) : 0;
    (void)sqlite3_reset(st);
    if (rc == 0 || epoch != s->epoch)
        return cq_fail(err, CQ_E_STALE, "the database is in epoch %llu, this chipqd in %llu",
                       (unsigned long long)epoch, (unsigned long long)s->epoch);
    return 0;
}

static int write_records(struct store *s, const struct store_batch *b, struct cq_err *err)
{
    struct efficiency_sums sums CQ_CLEANUP(efficiency_sums_fini) = {0};
    for (size_t i = 0; i < b->n_records; i++) {
        const struct record *r = b->records[i];
        if (write_record(s, b->first_seq + i, b->at_us[i], r, err) != 0
            || (audit_is_due(r) && audit_write(s, b, i, err) != 0)
            || (r->type == RECORD_ATTEMPT_END
                && efficiency_add(s, &sums, &r->u.attempt_end_rec, err) != 0))
            return -1;
    }
    return efficiency_write(s, &sums, err);
}

int batch_begin(struct store *s, struct cq_err *err)
{
    return sql_run(s, sql_use(s, ST_BEGIN), "begin", err) != 0 ? -1 : check_epoch(s, err);
}

/* SQLite undoes by itself what found no room in the middle; not always the whole transaction. */
int batch_undo(struct store *s, struct cq_err *err)
{
    sql_reset_all(s);
    return sqlite3_get_autocommit(s->db) ? 0 : sql_exec(s, "ROLLBACK", err);
}

static int write_all_of(struct store *s, const struct store_batch *b, struct cq_err *err)
{
    if (batch_begin(s, err) != 0 || write_records(s, b, err) != 0)
        return -1;
    if (write_views(s, b, err) != 0)
        return -1;
    if (CQ_FP("store.batch.before_commit") != 0)
        return cq_fail(err, CQ_E_IO, "failpoint before the commit");
    return sql_run(s, sql_use(s, ST_COMMIT), "commit", err);
}

int batch_write(struct store *s, const struct store_batch *b, struct cq_err *err)
{
    uint64_t epoch = s->epoch;
    if (write_all_of(s, b, err) == 0) {
        (void)CQ_FP("store.batch.after_commit");
        return 0;
    }
    struct cq_err why = {0};
    if (err->code == CQ_E_FULL && batch_undo(s, &why) != 0)
        return cq_fail(err, CQ_E_IO, "%s", why.text);
    s->epoch = epoch; /* a reign that began in this batch has not */
    return -1;
}
