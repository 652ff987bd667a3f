/* The store: chipqd's database. One connection, owned by the store thread once it is started.
 *
 * Life: store_open, store_load (both block, on the caller's thread), store_start; then store_commit
 * and store_ask hand work to the thread, and store_fd becomes readable when something is done.
 * Before store_start the synchronous calls (store_write, store_each_...) may be used; after it,
 * never.
 *
 * A failed commit, sync or read is the end: `fatal` is called on the store thread and must not
 * return (chipqd logs and calls _exit(70)). There is no retry: memory is ahead of the disk, the
 * restart loads what is true. The one exception is a write for which the disk has no room. All
 * functions but `fatal` belong to one thread, the caller's. */
#ifndef CHIPQ_STORE_H
#define CHIPQ_STORE_H

#include "scheduler/store/report.h"
#include "scheduler/store/stored.h"

#include <stdatomic.h>

struct store;
struct store_batch;

struct store_options {
    const char *path;         /* of the database file, on a local disk */
    bool create;              /* make one (refuses one that is there); else it must exist */
    const char *id;           /* what store_id says of it; NULL = any */
    bool loads;               /* store_load follows at once, and says what damage there is */
    uint64_t low_water_bytes; /* free space under which submits are refused; 0 = 64 MiB */
    uint64_t ballast_bytes;   /* kept for ends of jobs; 0 = a quarter of that, at most 16 MiB */
    void (*fatal)(const char *text); /* never returns; NULL = _exit(70) */
};

/* Opens, checks (WAL, page sums or quick_check, schema version, file system) and upgrades the
 * database; one that is refused is left as it is. Errors: CQ_E_NOT_FOUND none there, CQ_E_CONFLICT
 * one there already or in use, CQ_E_VERSION made by a newer chipqd, CQ_E_IO damaged or unreadable,
 * CQ_E_INVALID on a network file system. Blocks. */
struct store *store_open(const struct store_options *options, struct cq_err *err) CQ_MUST_CHECK;
/* Of an incomplete last transaction in the WAL, as a crash leaves it: dropped when it was opened.
 */
uint64_t store_dropped_bytes(const struct store *s);
/* What tells this database from those of other instances: a hash of its first records. */
#define STORE_ID_CHARS 32
int store_id(struct store *s, char id[STORE_ID_CHARS + 1], struct cq_err *err) CQ_MUST_CHECK;
void store_close(struct store *s); /* stops the thread after what it was given; accepts NULL */

/* Gives every record that the core needs to go on, in the order that core_apply wants. `fn` returns
 * -1 with `err` to stop. With `loads`, a failure may mean damage, of which store_open said nothing:
 * what was loaded must not be used. Blocks. */
typedef int (*store_record_fn)(void *arg, const struct record *r, struct cq_err *err);
int store_load(struct store *s, store_record_fn fn, void *arg, struct cq_err *err) CQ_MUST_CHECK;

/* The ATTEMPT_END records of the journal's tail, oldest first, for core_remember_end. Blocks. */
int store_load_ends(struct store *s, store_record_fn fn, void *arg,
                    struct cq_err *err) CQ_MUST_CHECK;

/* The journal from `from_seq`, and the job rows, in order; for --dump and tests. Block. */
typedef int (*store_journal_fn)(void *arg, uint64_t seq, int64_t at_us, const struct record *r,
                                struct cq_err *err);
int store_each_journal(struct store *s, uint64_t from_seq, store_journal_fn fn, void *arg,
                       struct cq_err *err) CQ_MUST_CHECK;
typedef int (*store_job_fn)(void *arg, const struct stored_job *j, struct cq_err *err);
int store_each_job(struct store *s, store_job_fn fn, void *arg, struct cq_err *err) CQ_MUST_CHECK;

/* ---- batches: one transaction each ---- */

struct store_batch *store_batch_new(struct store *s);
void store_batch_free(struct store_batch *b); /* accepts NULL */
bool store_batch_is_empty(const struct store_batch *b);
size_t store_batch_records(const struct store_batch *b);
void store_batch_add_record(struct store_batch *b, struct record *r, int64_t wall_us); /* takes r */
void store_batch_add_job(struct store_batch *b, const struct job_view *v,
                         const char *metrics); /* copies; encodes the snapshot */
void store_batch_add_entity(struct store_batch *b, const struct entity_view *e); /* encodes */
void store_batch_add_usage(struct store_batch *b, const struct usage_view *v);   /* copies */

/* Writes at once, before store_start. Takes `b`. Blocks until it is on disk. */
int store_write(struct store *s, struct store_batch *b, struct cq_err *err) CQ_MUST_CHECK;

void store_start(struct store *s);
int store_fd(const struct store *s); /* an eventfd: readable when store_collect has something */

/* Hands a batch to the thread. Takes `b`. At most one is in flight: ask store_is_busy first.
 * The records get the next sequence numbers. */
void store_commit(struct store *s, struct store_batch *b);
bool store_is_busy(const struct store *s);
uint64_t store_next_seq(const struct store *s);    /* the number the next record will get */
uint64_t store_durable_seq(const struct store *s); /* newest record known to be on disk */
uint64_t store_epoch(const struct store *s);       /* as loaded, before this reign */

/* Room on the database's disk, looked at after each commit and every second. The descriptor of
 * store_fd becomes readable when it changes. Without room a batch is not lost and the process does
 * not end: it waits, while queries are answered. */
enum store_room {
    ROOM_FINE,
    ROOM_LOW,   /* under the low-water mark: no new work */
    ROOM_TIGHT, /* under half of it: the ballast is given to what must be written */
    ROOM_NONE   /* a batch waits for room */
};
struct store_space {
    enum store_room room;
    uint64_t free_bytes, low_water_bytes;
    const char *mount; /* where that file system begins; the store's */
};
struct store_space store_space(const struct store *s);
/* The disk fills and empties without us. While it is not FINE the store looks every second; else it
 * sleeps, and looks when it writes and when the caller, in a turn that it makes anyway, asks. At
 * most once a second something happens here. */
void store_look_at_room(struct store *s);
bool store_is_low(const struct store *s); /* not ROOM_FINE */

/* True: no submit with this key is in the database or in a batch, filling ones too. False:
 * perhaps (ask QUERY_KEY). A Bloom filter of fixed size, so that a first submit needs no look-up.
 */
bool store_key_is_new(const struct store *s, const struct cq_uuid *key);

/* ---- queries: answered in order with batches, so that a reader sees its own writes ---- */

enum query_kind {
    QUERY_JOBS,       /* a list by filter, newest first */
    QUERY_NUMBERS,    /* rows of these numbers (found ones, in the order asked) */
    QUERY_JOB,        /* one job with its tasks, earlier attempts and request */
    QUERY_KEY,        /* the jobs of an earlier submit */
    QUERY_USAGE,      /* sums of what was used: `usage` */
    QUERY_AUDIT,      /* who changed what: `audit` */
    QUERY_HISTORY,    /* what ran: `history` */
    QUERY_EFFICIENCY, /* used against asked: `efficiency` */
    QUERY_BACKUP      /* makes one: `backup` */
};

#define QUERY_ROWS_MAX 1000

/* BACKUP: where it goes, how far it is (to be read while the query is with the store: the
 * descriptor becomes readable now and then), and at the end why it failed or how large it is. */
struct store_backup {
    char *path; /* absolute; nothing may be there. Owned, as all here */
    atomic_uint done_pages, total_pages;
    struct cq_err err; /* CQ_OK: it is there, sound and synced */
    uint64_t bytes;
    /* the store's */
    char *part;
    struct sqlite3 *to;
    struct sqlite3_backup *job;
    int64_t tell_at_us;
    struct store *store;
    struct work *work;
};
struct store_backup *store_backup_new(const char *path);
void store_backup_free(struct store_backup *b); /* accepts NULL */

/* What a closed database file holds, a backup mostly. Reads all of it, changes nothing, takes no
 * lock. Errors: CQ_E_NOT_FOUND, CQ_E_VERSION made by a newer chipqd, CQ_E_IO damaged or no database
 * of chipq, CQ_E_CONFLICT a WAL lies beside it: it is in use, or was when it was copied. */
struct store_file {
    char id[STORE_ID_CHARS + 1];
    uint64_t epoch, jobs, live_jobs, last_seq;
    int64_t last_us; /* wall time of the newest record */
};
int store_look(const char *path, struct store_file *out, struct cq_err *err) CQ_MUST_CHECK;

struct store_query {
    enum query_kind kind;
    void *owner; /* the asker's; the store does not touch it */
    /* what is asked; texts and arrays are owned by the query, NULL or "" = any */
    struct enterprise_id enterprise;
    struct principal_id principal; /* KEY */
    struct cq_uuid key;            /* KEY */
    char *user, *project, *flow;   /* JOBS */
    enum job_state state;          /* JOBS; JOB_NONE = any */
    bool live_only;                /* JOBS */
    uint64_t before, limit;        /* JOBS; before 0 = from the newest */
    uint64_t *numbers;             /* NUMBERS; JOB: one */
    size_t n_numbers;
    struct ranges wanted; /* JOB: tasks; empty = those that are told apart */
    /* the answer; owned by the query */
    struct stored_job *jobs;
    size_t n_jobs, cap_jobs;
    bool has_more;
    struct stored_task *tasks, *earlier;
    size_t n_tasks, cap_tasks, n_earlier, cap_earlier;
    size_t n_told;                        /* of tasks, the first: the others are plain passes */
    struct record *submit;                /* JOB and KEY: the JOB_SUBMIT of the (first) job */
    struct usage_report *usage;           /* USAGE: what is asked, and the answer */
    struct audit_page *audit;             /* AUDIT: the same */
    struct history_page *history;         /* HISTORY: the same */
    struct efficiency_report *efficiency; /* EFFICIENCY: the same */
    struct store_backup *backup;          /* BACKUP: the same */
    int64_t took_us;                      /* processor time of the store's thread */
    /* the store's */
    uint64_t cursor;
    struct store_query *next;
};

struct store_query *store_query_new(enum query_kind kind, void *owner);
void store_query_free(struct store_query *q);           /* accepts NULL */
void store_ask(struct store *s, struct store_query *q); /* takes q until store_collect gives it */

/* Takes note of what the thread has done. Returns the next answered query (the caller's again), or
 * NULL when there is none. */
struct store_query *store_collect(struct store *s);

#endif
