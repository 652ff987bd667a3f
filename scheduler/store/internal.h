/* What the store's own files share. Not for others. */
#ifndef CHIPQ_STORE_INTERNAL_H
#define CHIPQ_STORE_INTERNAL_H

#include "common/base/pure/map.h"
#include "scheduler/store/store.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#define SCHEMA_VERSION  6
#define APPLICATION_ID  0x63687051 /* "chpQ" */
#define KEY_BUCKET_JOBS 4096       /* job ids a bucket of submit_key */

/* What to do about a database that is damaged. */
#define STORE_WAY_OUT \
    "restore a backup: chipqd --restore FILE; without one, save what can be read: chipqd --repair"

enum statement {
    ST_BEGIN,
    ST_COMMIT,
    ST_EPOCH_READ,
    ST_EPOCH_SET,
    ST_JOURNAL_ADD,
    ST_ENTITY_PUT,
    ST_ENTITY_DELETE,
    ST_ENTITY_FIND,
    ST_JOB_ADD,
    ST_JOB_UPDATE,
    ST_REQUEST_ADD,
    ST_KEY_ADD,
    ST_TASK_PUT,
    ST_ATTEMPT_PUT,
    ST_PASS_PUT,
    ST_JOBS_LIST,
    ST_JOBS_LIST_LIVE,
    ST_JOB_BY_NUMBER,
    ST_JOB_BY_ID,
    ST_TASKS,
    ST_ATTEMPTS,
    ST_PASSES,
    ST_REQUEST,
    ST_KEY_FIND,
    ST_KEY_BUCKETS,
    ST_USAGE_ADD,
    ST_USAGE_WAIT_ADD,
    ST_USAGE_LICENCE_ADD,
    ST_USAGE_SCAN,
    ST_USAGE_WAITS,
    ST_USAGE_LICENCES,
    ST_HISTORY,
    ST_EFFICIENCY_FILL,
    ST_EFFICIENCY_FILLED,
    ST_EFFICIENCY_FIND,
    ST_EFFICIENCY_PUT,
    ST_EFFICIENCY_SCAN,
    ST_AUDIT_ADD,
    ST_AUDIT_LAST,
    ST_AUDIT_BEFORE,
    ST_AUDIT_AFTER,
    STATEMENT_COUNT
};

struct bloom {
    uint64_t *words;
};

struct work { /* one entry of the thread's queue: a batch or a query */
    struct store_batch *batch;
    struct store_query *query;
    struct work *next;
};

struct work_queue {
    struct work *first, **last;
};

/* Room on the disk (space.c). The store thread's, but what is atomic. */
struct space {
    char *ballast_path, *wal_path, *mount;
    uint64_t low_water_bytes, ballast_bytes;
    bool has_ballast;
    bool is_given;   /* its bytes went to the WAL and the database */
    atomic_int room; /* enum store_room */
    atomic_uint_fast64_t free_bytes;
    int64_t ask_at_us; /* the caller's: when it may look again */
};

/* What pages.c does while the caller loads. */
struct pages {
    pthread_t thread;
    bool is_running;
    atomic_bool is_stopped;
    bool are_sound; /* the thread's, until it is joined */
    int fd;         /* stays open as long as SQLite's: closing one would drop the locks of both */
    uint32_t n, page_bytes;
    uint64_t bytes;     /* of the file */
    struct map in_wal;  /* number of a page -> its first frame in the WAL, counted from 1 */
    uint64_t committed; /* frames that count */
};

struct store {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    char *path;
    void (*fatal)(const char *text);
    uint64_t epoch; /* the store thread's: what the reign row must say */
    unsigned wal_pages;
    uint64_t dropped_bytes;
    struct space space;
    struct pages pages;
    struct work *waiting;                    /* the thread's: a batch for which there is no room */
    struct bloom keys;                       /* the caller's */
    struct efficiency_jobs *efficiency_jobs; /* the thread's, too: */
    bool is_efficiency_filled;
    /* the caller's side */
    uint64_t loaded_epoch, next_seq, durable_seq, flying_seq;
    bool is_busy, is_started;
    bool must_check; /* store_load is to say what pages.c found */
    struct store_query *answered;
    pthread_t checker; /* the thread's: the second thread of a backup */
    bool has_checker;
    /* between the threads, under `lock` */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct work_queue todo, done;
    unsigned batches_in_a_row;    /* since the last query */
    struct store_backup *checked; /* by the second thread of a backup, while its copy is open */
    bool must_look;               /* at the disk, asked by the caller */
    bool is_stopping;
    int event_fd;
};

struct batch_row {
    struct stored_job job;
    struct record_bytes snapshot; /* no data: the job is over */
    bool is_new;
};

struct batch_task {
    uint64_t job, task, attempt;
    bool is_earlier; /* goes to the attempt table */
    struct record_bytes row;
};

struct batch_pass {            /* plain passes of one job, in the flat form of their rows */
    uint64_t job, first, last; /* tasks */
    struct cq_str rows;
};

struct batch_entity {
    uint64_t kind, id, version;
    bool gone;
    struct record_bytes payload;
};

struct batch_tokens {
    char *feature;
    uint64_t token_us;
};

struct batch_usage {
    uint64_t leaf[4];  /* enterprise, hour, project, principal */
    uint64_t sums[5];  /* attempts, core_us, mem_mib_us, waits, wait_us */
    uint32_t *buckets; /* NULL: no waits */
    struct batch_tokens *tokens;
    size_t n_tokens;
};

struct store_batch {
    struct store *store;
    struct record **records;
    int64_t *at_us;
    size_t n_records, cap_records, cap_at;
    struct batch_row *rows;
    size_t n_rows, cap_rows;
    struct batch_task *tasks;
    size_t n_tasks, cap_tasks;
    struct batch_pass *passes;
    size_t n_passes, cap_passes;
    struct batch_entity *entities;
    size_t n_entities, cap_entities;
    struct batch_usage *usages;
    size_t n_usages, cap_usages;
    uint64_t first_seq;
};

/* sql.c: thin helpers over SQLite. Those that fail fill `err` with CQ_E_IO and SQLite's words. */
int sql_fail(struct store *s, int rc, const char *what, struct cq_err *err);
int sql_exec(struct store *s, const char *sql, struct cq_err *err) CQ_MUST_CHECK;
int sql_prepare_all(struct store *s, struct cq_err *err) CQ_MUST_CHECK;
void sql_finalize_all(struct store *s);
void sql_reset_all(struct store *s);
sqlite3_stmt *sql_use(struct store *s, enum statement which); /* reset, bindings cleared */
int sql_run(struct store *s, sqlite3_stmt *st, const char *what,
            struct cq_err *err) CQ_MUST_CHECK; /* steps to the end */
/* Steps once: 1 a row, 0 no more, -1 error. */
int sql_row(struct store *s, sqlite3_stmt *st, const char *what, struct cq_err *err) CQ_MUST_CHECK;
void sql_bind_u64(sqlite3_stmt *st, int at, uint64_t value);
void sql_bind_text(sqlite3_stmt *st, int at, const char *text); /* NULL is bound as "" */
void sql_bind_bytes(sqlite3_stmt *st, int at, const struct record_bytes *b);  /* no data: NULL */
int sql_bind_job_fixed(sqlite3_stmt *st, int at, const struct stored_job *j); /* next index */
int sql_bind_job_live(sqlite3_stmt *st, int at, const struct stored_job *j);
void sql_read_job(sqlite3_stmt *st, struct stored_job *out);

/* space.c */
void space_init(struct store *s, const struct store_options *o);
void space_fini(struct store *s);
void space_check(struct store *s);        /* looks, and keeps the ballast; between transactions */
bool space_give_ballast(struct store *s); /* a write found no room; false: it was given before */

/* open.c: after work on pages of which not all had been looked at, with its outcome `rc`: waits for
 * that look. Damage is told first, for it may be why the work failed. */
int open_settle_damage(struct store *s, int rc, struct cq_err *err) CQ_MUST_CHECK;

/* wal_check.c: refuses a WAL that is damaged in what was committed; sets dropped_bytes. The
 * database is locked. */
int wal_check(struct store *s, struct cq_err *err) CQ_MUST_CHECK;

/* wal_check.c: for a repair. Gives the pages of the transactions up to the first frame that is not
 * as it was written, in their order: page number, and where in the file its content begins. */
struct wal_use {
    uint64_t frames;                     /* given */
    uint64_t lost_frames, lost_commits;  /* not given, of transactions that were complete once */
    uint32_t page_bytes, database_pages; /* of the header; after the last transaction given */
};
typedef void (*wal_page_fn)(void *arg, uint32_t page, uint64_t at);
/* No WAL is an empty one. `page_bytes` is used when the header does not tell. CQ_E_IO. */
int wal_salvage(const char *wal_path, uint32_t page_bytes, wal_page_fn fn, void *arg,
                struct wal_use *use, struct cq_err *err) CQ_MUST_CHECK;

/* batch.c: begins a transaction of this reign. */
int batch_begin(struct store *s, struct cq_err *err) CQ_MUST_CHECK;
/* One transaction. On failure nothing is on disk. CQ_E_FULL: a write found no room, and the store
 * is as it was before; of anything else the store is dead. */
int batch_write(struct store *s, const struct store_batch *b, struct cq_err *err) CQ_MUST_CHECK;
/* After CQ_E_FULL inside a transaction that another began with batch_begin. */
int batch_undo(struct store *s, struct cq_err *err) CQ_MUST_CHECK;

/* passes.c: tasks of arrays that passed at once and without a word. */
void batch_add_pass(struct store_batch *b, uint64_t job, const struct stored_task *t);
void batch_passes_free(struct store_batch *b);
int pass_write(struct store *s, const struct batch_pass *p, struct cq_err *err) CQ_MUST_CHECK;
/* Adds those in the range to q->tasks, as far as there is room. */
int passes_read(struct store *s, struct store_query *q, uint64_t job, struct range wanted,
                struct cq_err *err) CQ_MUST_CHECK;

/* query.c: works on `q` for at most `budget_us`; 1 = finished, 0 = call again, -1 = error,
 * QUERY_ELSEWHERE = another thread goes on with it (backup_go_on_elsewhere). */
#define QUERY_ELSEWHERE 2
int query_step(struct store *s, struct store_query *q, int64_t budget_us,
               struct cq_err *err) CQ_MUST_CHECK;

/* names.c: the snapshot record of an entity: 1 found (caller frees *out), 0 not, -1 error. */
int entity_find(struct store *s, enum record_type kind, uint64_t id, struct record **out,
                struct cq_err *err) CQ_MUST_CHECK;
/* The name of an enterprise, project or principal: "" for id 0, "?" for one that is not there.
 * Caller frees. */
char *entity_name(struct store *s, enum record_type kind, uint64_t id, struct cq_err *err);

/* usage.c */
void batch_usages_free(struct store_batch *b);
int usage_write(struct store *s, const struct batch_usage *u, struct cq_err *err) CQ_MUST_CHECK;
int usage_step(struct store *s, struct store_query *q, int64_t until_us,
               struct cq_err *err) CQ_MUST_CHECK; /* as query_step */

/* audit_words.c: what is to be said of record i of a batch. False: it is no matter for the audit.
 */
bool audit_is_due(const struct record *r);
int audit_describe(struct store *s, const struct store_batch *b, size_t i, struct audit_row *row,
                   struct cq_err *err) CQ_MUST_CHECK; /* all but the hashes */

/* audit.c */
int audit_write(struct store *s, const struct store_batch *b, size_t i,
                struct cq_err *err) CQ_MUST_CHECK;
int audit_step(struct store *s, struct store_query *q, int64_t until_us,
               struct cq_err *err) CQ_MUST_CHECK; /* as query_step */

/* thread.c: store_collect has something to take note of. */
void store_wake_caller(struct store *s);
void store_finish(struct store *s, struct work *w); /* from any thread */

/* backup.c */
int backup_step(struct store *s, struct store_query *q, int64_t until_us); /* as query_step */
void backup_go_on_elsewhere(struct store *s, struct work *w);              /* takes w */
void backup_wait(struct store *s);
void backup_interrupt(struct store *s); /* the store is being closed */

/* history.c */
int history_step(struct store *s, struct store_query *q, int64_t until_us,
                 struct cq_err *err) CQ_MUST_CHECK; /* as query_step */

/* efficiency.c */
int efficiency_step(struct store *s, struct store_query *q, int64_t until_us,
                    struct cq_err *err) CQ_MUST_CHECK; /* as query_step */

/* query.c: the JOB_SUBMIT of a job. Caller frees *out. */
int request_find(struct store *s, uint64_t job, struct record **out,
                 struct cq_err *err) CQ_MUST_CHECK; /* 1 found, 0 not, -1 error */
int request_read(struct store *s, uint64_t job, struct record **out,
                 struct cq_err *err) CQ_MUST_CHECK;

/* bloom.c */
void bloom_init(struct bloom *b);
void bloom_fini(struct bloom *b);
void bloom_add(struct bloom *b, uint64_t key64);
bool bloom_has(const struct bloom *b, uint64_t key64);
uint64_t key64_of(const struct cq_uuid *key);

/* pages.c: a page is in a frame of the WAL that is as it was written; told before the look. */
void pages_note_frame(struct store *s, uint32_t page, uint64_t frame);
/* Begins to look at the sums of all pages, which nobody may write meanwhile. */
void pages_begin(struct store *s);
bool pages_are_sound(struct store *s); /* waits; false: begun or not, there is a doubt */
void pages_fini(struct store *s);      /* after SQLite has closed its own */

/* vfs.c: a VFS whose calls pass through the failpoints store.vfs.*; NULL without failpoints. */
const char *failpoint_vfs_name(void);

/* vfs_sums.c: what every database is opened with; it is on top of that. */
const char *store_vfs_name(void);
int sums_begin(sqlite3 *db);     /* a new database is to have them; SQLite's code */
bool sums_are_kept(sqlite3 *db); /* not in one from before them */
/* The page that lies at that byte of the database file; a blank one is not. */
bool sums_is_sound(const uint8_t *page, size_t bytes, int64_t at);
bool sums_fit(const uint8_t *page, int bytes, sqlite3_int64 at); /* sound, or blank */
#define SUMS_RESERVED 8 /* what byte 20 of a database says that has them */

#endif
