/* What the measurements of chipq-bench share: options, the request they submit, the figures they
 * give. */
#ifndef BENCH_H
#define BENCH_H

#include "bench/report.h"
#include "bench/session.h"

struct bench {
    char *dir, *key_path; /* of the instance; the key to act with; all texts are borrowed */
    char *command;        /* absolute path of what the jobs run */
    char *bin_dir;        /* where chipq and chipq-noop are */
    uint64_t jobs, samples, window;
    bool is_array, as_json, no_raw, keeps;
    uint64_t count, cores, numa; /* virtual workers; of each: cores, NUMA nodes */
    uint64_t run_ms, duration_s; /* of an attempt; of the measurement */
    uint64_t pending, queries;   /* tasks kept waiting; questions a second */
    uint64_t shapes;             /* how many kinds of requests */
    uint64_t request_bytes;      /* of a job's run specification; 0 = as small as can be */
    uint64_t own_bytes;          /* of these, drawn at random for each job of a backlog */
    const char *flood;           /* the one kind of flood to measure; NULL = each */
    struct report report;
};

/* Each connects, measures, and appends figures to b->report. */
int bench_throughput(struct bench *b, struct cq_err *err) CQ_MUST_CHECK;
int bench_latency(struct bench *b, struct cq_err *err) CQ_MUST_CHECK;
int bench_submit(struct bench *b, struct cq_err *err) CQ_MUST_CHECK;
int bench_backlog(struct bench *b, struct cq_err *err) CQ_MUST_CHECK;
int bench_cancel(struct bench *b, struct cq_err *err) CQ_MUST_CHECK;
int bench_workers(struct bench *b, struct cq_err *err) CQ_MUST_CHECK;
int bench_flood(struct bench *b, struct cq_err *err) CQ_MUST_CHECK;
int bench_launch(struct bench *b, struct cq_err *err) CQ_MUST_CHECK; /* needs no pool */
int bench_raw(struct bench *b, struct cq_err *err) CQ_MUST_CHECK;    /* neither */

/* A SUBMIT of one job that runs b->command with `argument` (NULL: none). The message borrows from
 * `t`, which must outlive it; ticket_fini releases. Every bench_ask draws a fresh key. */
struct ticket {
    struct cq_str run;
    struct job_spec job;
    uint8_t key[16];
};
void ticket_init(struct ticket *t, const struct bench *b, char *argument);
void ticket_ask(struct ticket *t, struct msg *req);
void ticket_fini(struct ticket *t);

/* Cancels all jobs of the session's user that have not ended; adds how many to `*jobs`. */
int backlog_cancel_all(struct session *s, uint64_t *jobs, struct cq_err *err) CQ_MUST_CHECK;

/* CPU time that a process has used, user and system; 0 when it cannot be read. */
int64_t process_cpu_us(int64_t pid);
int64_t process_resident_kib(int64_t pid); /* memory; 0 when it cannot be read */

#endif
