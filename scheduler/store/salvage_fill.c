/* What was read of one table tells what is missing in another: requests stand in the journal too,
 * keys in requests, numbers of jobs in an index. */
#include "scheduler/store/salvage.h"

#include "common/base/pure/mem.h"

enum { RECORD_BYTES_LEAST = 8, FIRST_RECORDS = 4 };

#define REQUEST_LOST "its request was lost with a damaged page of the database"

static void finalize(sqlite3_stmt **st)
{
    (void)sqlite3_finalize(*st);
}

static void fail(struct salvage_run *x, const char *what)
{
    if (!x->has_failed)
        (void)sql_fail(x->s, sqlite3_errcode(x->s->db), what, x->err);
    x->has_failed = true;
}

static sqlite3_stmt *prepare(struct salvage_run *x, const char *sql)
{
    sqlite3_stmt *st = NULL;
    if (!x->has_failed && sqlite3_prepare_v2(x->s->db, sql, -1, &st, NULL) != SQLITE_OK)
        fail(x, sql);
    return st;
}

static bool step(struct salvage_run *x, sqlite3_stmt *st)
{
    int rc = x->has_failed ? SQLITE_DONE : sqlite3_step(st);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        fail(x, sqlite3_sql(st));
    return rc == SQLITE_ROW;
}

static void run(struct salvage_run *x, const char *sql)
{
    if (!x->has_failed && sqlite3_exec(x->s->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail(x, sql);
}

static uint64_t number(struct salvage_run *x, const char *sql)
{
    sqlite3_stmt *st CQ_CLEANUP(finalize) = prepare(x, sql);
    return step(x, st) ? (uint64_t)sqlite3_column_int64(st, 0) : 0;
}

static struct salvaged_table *table(struct salvage_run *x, const char *name)
{
    for (size_t i = 0; i < SALVAGE_TABLES; i++)
        if (strcmp(x->out->tables[i].name, name) == 0)
            return &x->out->tables[i];
    abort(); /* a name of our own */
}

/* Its numbers run on from 1. */
static void look_at_journal(struct salvage_run *x)
{
    struct salvaged_table *journal = table(x, "journal");
    uint64_t last = number(x, "SELECT max(seq) FROM journal"),
             told = number(x, "SELECT max(seq) FROM audit");
    bool is_end_lost = x->trees[0].is_end_lost || x->out->lost_frames > 0;
    /* One that was repaired before has a gap of which no page tells. */
    x->out->is_journal_whole = !journal->is_damaged && journal->kept == last;
    last = told > last ? told : last;
    journal->lost = last - journal->kept;
    journal->is_lost_known = !is_end_lost;
    uint64_t pages = journal->bad_pages + x->out->lost_frames;
    x->out->next_seq = last + 1 + (is_end_lost ? (pages + 1) * x->p.bytes / RECORD_BYTES_LEAST : 0);
    x->out->is_id_known = number(x, "SELECT count(*) FROM journal WHERE seq<=4") == FIRST_RECORDS;
}

/* ---- filling ---- */

static struct record *submit_of(sqlite3_stmt *st, int at)
{
    struct record *r = NULL;
    if (record_decode(RECORD_JOB_SUBMIT, (uint64_t)sqlite3_column_int64(st, at),
                      sqlite3_column_blob(st, at + 1), (size_t)sqlite3_column_bytes(st, at + 1), &r,
                      NULL)
        != 0)
        return NULL;
    return r;
}

static void fill_requests(struct salvage_run *x)
{
    struct salvaged_table *t = table(x, "job_request");
    if (!t->is_damaged)
        return;
    sqlite3_stmt *from CQ_CLEANUP(finalize) =
        prepare(x, "SELECT version,payload FROM journal WHERE type=10 ORDER BY seq");
    sqlite3_stmt *to CQ_CLEANUP(finalize) =
        prepare(x, "INSERT OR IGNORE INTO job_request(job,version,payload) VALUES(?,?,?)");
    while (step(x, from)) {
        struct record *r = submit_of(from, 0);
        if (r == NULL)
            continue;
        sql_bind_u64(to, 1, r->u.job_submit.id);
        (void)sqlite3_bind_value(to, 2, sqlite3_column_value(from, 0));
        (void)sqlite3_bind_value(to, 3, sqlite3_column_value(from, 1));
        (void)step(x, to);
        t->refilled += (uint64_t)sqlite3_changes(x->s->db);
        (void)sqlite3_reset(to);
        record_free(r);
    }
}

static void fill_keys(struct salvage_run *x)
{
    struct salvaged_table *t = table(x, "submit_key");
    if (!t->is_damaged)
        return;
    sqlite3_stmt *from CQ_CLEANUP(finalize) =
        prepare(x, "SELECT version,payload FROM job_request ORDER BY job");
    sqlite3_stmt *to CQ_CLEANUP(finalize) =
        prepare(x, "INSERT OR IGNORE INTO submit_key(bucket,key64,job) VALUES(?,?,?)");
    while (step(x, from)) {
        struct record *r = submit_of(from, 0);
        if (r != NULL && r->u.job_submit.submit_index == 0) {
            sql_bind_u64(to, 1, r->u.job_submit.id / KEY_BUCKET_JOBS);
            sql_bind_u64(to, 2, key64_of(&r->u.job_submit.client_key));
            sql_bind_u64(to, 3, r->u.job_submit.id);
            (void)step(x, to);
            t->refilled += (uint64_t)sqlite3_changes(x->s->db);
            (void)sqlite3_reset(to);
        }
        record_free(r);
    }
}

static void fill_epoch(struct salvage_run *x)
{
    struct salvaged_table *t = table(x, "reign");
    if (t->kept > 0)
        return;
    uint64_t epoch = 0;
    sqlite3_stmt *from CQ_CLEANUP(finalize) =
        prepare(x, "SELECT version,payload FROM entity WHERE kind=1"
                   " UNION ALL SELECT version,payload FROM journal WHERE type=1");
    sqlite3_stmt *to CQ_CLEANUP(finalize) = prepare(x, "UPDATE reign SET epoch=?");
    while (step(x, from)) {
        struct record *r = NULL;
        if (record_decode(RECORD_EPOCH_START, (uint64_t)sqlite3_column_int64(from, 0),
                          sqlite3_column_blob(from, 1), (size_t)sqlite3_column_bytes(from, 1), &r,
                          NULL)
            != 0)
            continue;
        epoch = r->u.epoch_start.epoch > epoch ? r->u.epoch_start.epoch : epoch;
        record_free(r);
    }
    sql_bind_u64(to, 1, epoch);
    (void)step(x, to);
    t->refilled = 1;
}

/* Sums of the journal: the first who asks has them added up anew. */
static void fill_efficiency(struct salvage_run *x)
{
    struct salvaged_table *t = table(x, "efficiency");
    bool is_older = x->is_schema_known && x->version < 6;
    if (!is_older && !(t->is_damaged && x->out->is_journal_whole))
        return;
    run(x, "DELETE FROM efficiency");
    run(x, "UPDATE efficiency_fill SET next=0, until=(SELECT max(seq) FROM journal)");
    t->refilled = t->is_damaged;
    t->kept = 0;
}

/* ---- jobs that are lost ---- */

/* (enterprise, number, id), both of them. */
static bool see_index_row(void *arg, const struct salvage_row *row)
{
    struct salvage_run *x = arg;
    if (row->n != 3 || row->columns[2].kind != 'i')
        return false;
    if (x->see == NULL)
        return true;
    for (int i = 0; i < 3; i++)
        (void)sqlite3_bind_int64(x->see, i + 1, row->columns[i].i);
    (void)step(x, x->see);
    (void)sqlite3_reset(x->see);
    return true;
}

static void see_requests(struct salvage_run *x)
{
    sqlite3_stmt *from CQ_CLEANUP(finalize) = prepare(x, "SELECT version,payload FROM job_request");
    sqlite3_stmt *to CQ_CLEANUP(finalize) =
        prepare(x, "INSERT INTO seen(id,enterprise,number,principal,project) VALUES(?,?,?,?,?)"
                   " ON CONFLICT(id) DO UPDATE SET principal=excluded.principal,"
                   "project=excluded.project");
    while (step(x, from)) {
        struct record *r = submit_of(from, 0);
        if (r == NULL)
            continue;
        const struct job_submit *j = &r->u.job_submit;
        const uint64_t values[] = {j->id, j->enterprise, j->number, j->principal, j->project};
        for (size_t i = 0; i < CQ_COUNT(values); i++)
            sql_bind_u64(to, (int)i + 1, values[i]);
        (void)step(x, to);
        (void)sqlite3_reset(to);
        record_free(r);
    }
}

static bool are_jobs_damaged(struct salvage_run *x)
{
    return table(x, "job")->is_damaged || table(x, "job_request")->is_damaged;
}

static struct salvage_tree read_index(struct salvage_run *x, uint32_t root, const char *note)
{
    struct salvage_tree t = {.is_index = true, .fn = see_index_row, .arg = x};
    x->see = x->must_see ? prepare(x, note) : NULL;
    if (root != 0)
        tree_read(&x->p, root, &t);
    (void)sqlite3_finalize(x->see);
    x->see = NULL;
    return t;
}

void salvage_see_indices(struct salvage_run *x)
{
    run(x, "CREATE TEMP TABLE seen(id INTEGER PRIMARY KEY, enterprise INTEGER, number INTEGER,"
           " principal INTEGER DEFAULT 0, project INTEGER DEFAULT 0, is_live INTEGER DEFAULT 0)");
    x->must_see = are_jobs_damaged(x);
    struct salvage_tree numbers =
        read_index(x, x->root_number,
                   "INSERT INTO seen(enterprise,number,id) VALUES(?1,?2,?3) ON CONFLICT(id) DO"
                   " UPDATE SET enterprise=excluded.enterprise,number=excluded.number");
    struct salvage_tree live =
        read_index(x, x->root_live,
                   "INSERT INTO seen(enterprise,number,id,is_live) VALUES(?1,?2,?3,1)"
                   " ON CONFLICT(id) DO UPDATE SET is_live=1");
    x->are_numbers_known = numbers.n_rows > 0 && numbers.n_bad_pages + numbers.n_bad_rows == 0;
    x->are_live_known = live.n_bad_pages + live.n_bad_rows == 0;
    x->out->bad_index_pages = numbers.n_bad_pages + live.n_bad_pages;
}

/* Jobs are known in other places than their rows. */
static void count_jobs(struct salvage_run *x)
{
    struct salvaged_table *jobs = table(x, "job"), *requests = table(x, "job_request");
    see_requests(x);
    run(x, "INSERT OR IGNORE INTO seen(id,enterprise,number) SELECT id,enterprise,number FROM job");
    uint64_t n = number(x, "SELECT count(*) FROM seen");
    jobs->lost = n - jobs->kept;
    requests->lost = n - requests->kept;
    jobs->is_lost_known = requests->is_lost_known = x->are_numbers_known;
}

static void note_job(struct salvage_run *x, const struct salvaged_job *job)
{
    cq_grow(&x->out->jobs, &x->out->cap_jobs, x->out->n_jobs);
    x->out->jobs[x->out->n_jobs++] = *job;
}

static void note_jobs(struct salvage_run *x, const char *sql, bool has_row)
{
    sqlite3_stmt *st CQ_CLEANUP(finalize) = prepare(x, sql);
    while (step(x, st)) {
        struct salvaged_job job = {.has_row = has_row};
        uint64_t *to[] = {&job.id, &job.enterprise, &job.number, &job.principal, &job.project};
        for (size_t i = 0; i < CQ_COUNT(to); i++)
            *to[i] = (uint64_t)sqlite3_column_int64(st, (int)i);
        job.has_request = sqlite3_column_int64(st, 5) != 0;
        job.is_over = !has_row && x->are_live_known && sqlite3_column_int64(st, 6) == 0;
        note_job(x, &job);
    }
}

/* One that lives and has no request cannot be run. */
static void end_jobs_without_request(struct salvage_run *x)
{
    note_jobs(x,
              "SELECT id,enterprise,number,principal,project,0,1 FROM job WHERE state<4 AND"
              " id NOT IN (SELECT job FROM job_request) ORDER BY id",
              true);
    sqlite3_stmt *st CQ_CLEANUP(finalize) =
        prepare(x, "UPDATE job SET lost=lost+waiting+running, waiting=0, running=0, state=?,"
                   " verdict=?, snapshot=NULL, end_cause='" REQUEST_LOST "' WHERE state<4 AND"
                   " id NOT IN (SELECT job FROM job_request)");
    sql_bind_u64(st, 1, JOB_LOST);
    sql_bind_u64(st, 2, VERDICT_LOST);
    (void)step(x, st);
}

static void note_gap(struct salvage_run *x, uint64_t enterprise, uint64_t first, uint64_t last)
{
    if (first > last)
        return;
    cq_grow(&x->out->gaps, &x->out->cap_gaps, x->out->n_gaps);
    x->out->gaps[x->out->n_gaps++] = (struct salvaged_gap){enterprise, first, last};
}

static void find_gaps_of(struct salvage_run *x, const struct numbering *n)
{
    uint64_t next = 1;
    sqlite3_stmt *st CQ_CLEANUP(finalize) =
        prepare(x, "SELECT DISTINCT number FROM seen WHERE enterprise=? ORDER BY number");
    if (st != NULL)
        sql_bind_u64(st, 1, n->enterprise);
    while (step(x, st)) {
        uint64_t seen = (uint64_t)sqlite3_column_int64(st, 0);
        if (seen > 0)
            note_gap(x, n->enterprise, next, seen - 1);
        next = seen + 1;
    }
    note_gap(x, n->enterprise, next, n->next_number - 1);
}

/* Without the index of numbers, how far an enterprise has come tells which there were. */
static void find_gaps(struct salvage_run *x)
{
    sqlite3_stmt *st CQ_CLEANUP(finalize) =
        prepare(x, "SELECT version,payload FROM entity WHERE kind=7 ORDER BY id");
    while (step(x, st)) {
        struct record *r = NULL;
        if (record_decode(RECORD_NUMBERING, (uint64_t)sqlite3_column_int64(st, 0),
                          sqlite3_column_blob(st, 1), (size_t)sqlite3_column_bytes(st, 1), &r, NULL)
            == 0)
            find_gaps_of(x, &r->u.numbering);
        record_free(r);
    }
}

/* A journal that is whole brings them all back. */
static void find_lost_jobs(struct salvage_run *x)
{
    if (x->must_see)
        count_jobs(x);
    if (!x->must_see || x->out->is_journal_whole)
        return;
    note_jobs(x,
              "SELECT id,enterprise,number,principal,project,"
              "id IN (SELECT job FROM job_request),is_live FROM seen"
              " WHERE id NOT IN (SELECT id FROM job) ORDER BY id",
              false);
    end_jobs_without_request(x);
    if (!x->are_numbers_known)
        find_gaps(x);
}

void salvage_complete(struct salvage_run *x)
{
    look_at_journal(x);
    fill_requests(x);
    find_lost_jobs(x);
    fill_keys(x);
    fill_epoch(x);
    fill_efficiency(x);
}
