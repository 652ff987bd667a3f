/* Answers of the store that are no rows of jobs: sums of usage, the audit list, what
 * ran. Filled on the store
 * thread, owned by their query. */
#ifndef CHIPQ_STORE_REPORT_H
#define CHIPQ_STORE_REPORT_H

#include "common/base/pure/map.h"
#include "scheduler/core/view.h"

enum usage_by {
    USAGE_BY_ENTERPRISE,
    USAGE_BY_PROJECT,
    USAGE_BY_USER,
    USAGE_BY_DAY,
    USAGE_BY_MONTH
};

enum { USAGE_GROUPS_MAX = 4096 };

struct usage_tokens {
    char *feature;
    double token_us;
};

/* Sums are doubles: exact up to 2.5 million core-hours, and never overflow. What a row is not
 * grouped by is 0 and "". */
struct usage_group {
    uint64_t enterprise, project, principal;
    char *enterprise_name, *project_name, *user_name; /* owned */
    int64_t period_us;                                /* begin of the day or month, UTC */
    double attempts, core_us, mem_mib_us, waits, wait_us;
    uint64_t p95_wait_us; /* upper end of the bucket in which it lies; 0 = no waits */
    uint64_t buckets[USAGE_WAIT_BUCKETS];
    struct usage_tokens *tokens; /* owned, by name */
    size_t n_tokens, cap_tokens;
};

/* QUERY_USAGE: hours that begin in [from_us, to_us), of the query's enterprise ({0} = all). Rows
 * are in order of names, or of time. */
struct usage_report {
    int64_t from_us, to_us;
    enum usage_by by;
    struct usage_group **groups; /* owned */
    size_t n, cap;
    bool is_cut; /* there were more than USAGE_GROUPS_MAX groups: the rest is missing */
    /* the store's */
    struct map by_key;
    uint64_t at[4]; /* the last row that was read: enterprise, hour, project, principal */
    bool has_begun;
};

struct usage_report *usage_report_new(int64_t from_us, int64_t to_us, enum usage_by by);
void usage_report_free(struct usage_report *r); /* accepts NULL */

enum { EFFICIENCY_GROUPS_MAX = 4096 };

/* Sums over attempts; those of memory are of attempts whose peak was measured. */
struct efficiency_tally {
    double runs, run_us, core_us, cpu_us, asked_mib_us, used_mib_us;
    uint64_t asked_mib, peak_mib;       /* by the newest; the most */
    bool is_whole;                      /* some have machines or parts of them for themselves */
    uint32_t peaks[USAGE_WAIT_BUCKETS]; /* in KiB, in the buckets of waits */
};

/* Runs of one user in one project that are known by the same name (learn.h) and have as many
 * cores. */
struct efficiency_group {
    uint64_t project, principal, cores;
    char *what, *project_name, *user_name; /* owned */
    struct efficiency_tally tally;
    uint64_t p95_mib; /* of peaks; up to an eighth too high; 0 = none */
    /* the store's */
    struct efficiency_group *next_same_hash;
};

/* QUERY_EFFICIENCY: attempts of the query's enterprise that ended in hours that begin in [from_us,
 * to_us). */
struct efficiency_report {
    int64_t from_us, to_us;
    struct efficiency_group **groups; /* owned */
    size_t n, cap;
    bool is_cut; /* there were more than EFFICIENCY_GROUPS_MAX */
    /* the store's */
    struct map by_key;
    uint64_t at[4]; /* the last row that was read: hour, project, principal, cores */
    char *at_what;  /* and its name; owned, NULL: none yet */
};
struct efficiency_report *efficiency_report_new(int64_t from_us, int64_t to_us);
void efficiency_report_free(struct efficiency_report *r); /* accepts NULL */

enum { AUDIT_HASH_BYTES = 32, AUDIT_DETAIL_MAX = 4096 };

/* One change of configuration or people. */
struct audit_row {
    uint64_t seq; /* of its record in the journal */
    int64_t at_us;
    uint64_t principal;           /* who; 0 = chipqd itself */
    char *principal_name;         /* acme/ann; without enterprise: admin */
    uint64_t enterprise;          /* whose affair it is; 0 = the platform's */
    char *verb, *object, *detail; /* all texts are owned */
    uint8_t prev_hash[AUDIT_HASH_BYTES], hash[AUDIT_HASH_BYTES];
};
void audit_row_fini(struct audit_row *row);

/* QUERY_AUDIT: of the query's enterprise ({0} = all), the newest first; or, with is_verify, whether
 * all rows still are what was written. */
struct audit_page {
    int64_t from_us, to_us; /* [from, to) */
    uint64_t before, limit; /* rows with a seq below; 0 = from the newest */
    bool is_verify;
    struct audit_row *rows; /* owned */
    size_t n, cap;
    bool has_more;
    uint64_t checked, broken_seq;   /* of is_verify; broken_seq 0: none */
    uint8_t head[AUDIT_HASH_BYTES]; /* the last hash that is right */
    uint64_t cursor;                /* the store's */
};
struct audit_page *audit_page_new(void);
void audit_page_free(struct audit_page *p); /* accepts NULL */

/* One attempt that ran. */
struct history_row {
    char *enterprise, *project, *user, *licences; /* owned */
    uint64_t number, task, attempt, cores, mem_mib, time_us, run_us;
    int64_t submit_us, start_us;
    enum verdict verdict;
    bool is_array;
};

/* QUERY_HISTORY: attempts of the query's enterprise ({0} = all) whose job was submitted in
 * [from_us, to_us), in the order in which they ended. */
struct history_page {
    int64_t from_us, to_us;
    uint64_t after, limit;    /* journal numbers above this one; rows */
    struct history_row *rows; /* owned */
    size_t n, cap;
    bool has_more;
    uint64_t next; /* `after` of the next page */
    /* the store's */
    struct record *submit; /* of the job that was seen last */
    size_t text_bytes;
};
struct history_page *history_page_new(void);
void history_page_free(struct history_page *p); /* accepts NULL */

#endif
