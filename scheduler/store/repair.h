/* What can be read of a database that is damaged goes into a new one. The old files are only read.
 *
 * store_salvage makes the new file: every row whose pages are as they were written, and what one
 * table tells of another. What is missing then the core must make up, from the journal if that is
 * whole: store_fill writes its rows beside those that were read. The new file is one for
 * store_open. */
#ifndef CHIPQ_STORE_REPAIR_H
#define CHIPQ_STORE_REPAIR_H

#include "scheduler/store/store.h"

enum { SALVAGE_TABLES = 15, SALVAGE_PAGES_NAMED = 8 };

struct salvaged_table {
    const char *name;
    uint64_t kept;      /* rows that were read */
    uint64_t refilled;  /* made anew from other tables */
    uint64_t bad_pages; /* of its tree, that could not be read */
    uint64_t bad_rows;  /* in sound pages, but with a part that is not */
    bool is_damaged;    /* something of it is missing */
    bool is_lost_known; /* `lost` is a number, before what was made anew */
    uint64_t lost;
};

/* A job whose row could not be read, or that cannot run without its request. */
struct salvaged_job {
    uint64_t id, enterprise, number; /* 0: not known */
    uint64_t principal, project;     /* the same */
    bool has_row, has_request;
    bool is_over; /* it had ended */
};

/* Numbers that an enterprise had given, and of whose jobs no table tells. */
struct salvaged_gap {
    uint64_t enterprise, first, last;
};

struct salvage {
    struct salvaged_table tables[SALVAGE_TABLES];
    uint32_t told_pages; /* as its head says; 0: not known */
    uint32_t pages, page_bytes, bad_pages, bad_page[SALVAGE_PAGES_NAMED];
    size_t n_bad_page;
    bool has_sums;                      /* else damage inside rows cannot be seen */
    uint64_t bad_index_pages;           /* made anew in any case */
    uint64_t wal_frames;                /* used */
    uint64_t lost_frames, lost_commits; /* of the WAL */
    bool is_journal_whole;              /* no record is missing */
    bool is_id_known;                   /* its first records are there */
    uint64_t next_seq;                  /* above all records that there were */
    struct salvaged_job *jobs;
    size_t n_jobs, cap_jobs;
    struct salvaged_gap *gaps;
    size_t n_gaps, cap_gaps;
};

/* `made` must not exist. Errors: CQ_E_NOT_FOUND, CQ_E_IO no database of chipq or none that can be
 * read, CQ_E_VERSION of a newer chipqd, CQ_E_FULL. Caller frees with salvage_fini, also after an
 * error. Blocks. */
int store_salvage(const char *path, const char *made, struct salvage *out,
                  struct cq_err *err) CQ_MUST_CHECK;
void salvage_fini(struct salvage *s);
const struct salvaged_table *salvage_table(const struct salvage *s, const char *name);
/* Rows that the core keeps: they are missing, and the journal can make them up. */
bool salvage_needs_replay(const struct salvage *s);

/* Writes rows of jobs, tasks and attempts of `b` that are not there, and counts them in `out`.
 * Nothing that is there is changed. Takes `b`. Before store_start. */
int store_fill(struct store *s, struct store_batch *b, struct salvage *out,
               struct cq_err *err) CQ_MUST_CHECK;
/* The JOB_SUBMIT of a job that has one. Caller frees *out. */
int store_find_request(struct store *s, uint64_t job, struct record **out,
                       struct cq_err *err) CQ_MUST_CHECK;
size_t store_batch_entities(const struct store_batch *b); /* that it brings */
/* All entities are taken away; a batch brings others. */
int store_forget_entities(struct store *s, struct cq_err *err) CQ_MUST_CHECK;
/* What was read does not fit together: entities and live jobs are taken away, for a replay of the
 * whole journal to make them anew; requests come back from it at once. */
int store_forget_live(struct store *s, struct salvage *out, struct cq_err *err) CQ_MUST_CHECK;
/* Numbers of jobs and ids that may have been given since: the next ones are `by` higher, and
 * higher than what `highest` says of an enterprise. */
typedef uint64_t (*store_highest_fn)(void *arg, const struct enterprise_add *e);
int store_raise_numbers(struct store *s, uint64_t by, store_highest_fn highest, void *arg,
                        struct cq_err *err) CQ_MUST_CHECK;
/* The next record gets at least this number. */
void store_skip_seq(struct store *s, uint64_t seq);

#endif
