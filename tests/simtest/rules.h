/* What must hold, whatever happens (docs/TESTING.md): looked at while it happens, against what
 * clients were told, what is on chipqd's disk, and what truly ran. */
#ifndef SIMTEST_RULES_H
#define SIMTEST_RULES_H

#include "common/wire/message.h"
#include "scheduler/core/core.h"
#include "tests/simtest/disk.h"
#include "tests/simtest/jobs.h"

enum submit_fate { SUBMIT_UNKNOWN, SUBMIT_OK, SUBMIT_REFUSED };

/* One request of a client, with the same key however often it is sent. In the world's heap. */
struct submit_note {
    struct cq_uuid key;
    size_t client;
    char *frame; /* as it is sent, request id apart */
    size_t frame_bytes, n_jobs;
    enum submit_fate fate;
    bool was_unsure; /* an earlier try may have come through */
    uint64_t first_number;
    struct submit_note *next;
};

struct known_attempt {
    uint64_t task, attempt, lease;
    bool is_ended, is_revoked, is_called_back, is_published, was_accepted;
    uint64_t verdict;
};
struct known_job { /* as its JOB_SUBMIT on the disk says */
    uint64_t id, enterprise, number, principal, submit_index;
    struct submit_note *submit;
    bool is_never, asks_on_loss, is_cancelled, is_over;
    int64_t moved_us;   /* when one of its attempts was last given out or ended */
    char *cancelled;    /* ranges, of those that name tasks */
    uint64_t n_cancels; /* acknowledged, while there was something to end */
    struct known_attempt *attempts;
    size_t n_attempts, cap_attempts;
    struct known_job *next;
};

struct rules_state {
    struct submit_note *submits;
    struct known_job *jobs;
    size_t n_jobs, n_submits, n_accepted, n_cancels, n_restarts;
};
extern struct rules_state rules;

void rules_reset(void);

/* clients */
struct submit_note *rules_submit(size_t client, const struct cq_str *frame, size_t n_jobs,
                                 const struct cq_uuid *key);
void rules_accepted(struct submit_note *s, const struct msg_accepted *m);
void rules_refused(struct submit_note *s, enum cq_code code, const char *text);
void rules_cancelled(uint64_t enterprise, uint64_t number, const char *tasks, uint64_t running,
                     uint64_t sent);
uint64_t rules_principal(const char *user, uint64_t *enterprise);

/* It said on_lost=wait, was lost, and nothing goes on. */
bool rules_waits_for_person(uint64_t job);

/* the disk */
void rules_record(const struct record *r);
void rules_job_row(const struct disk_job *old, const struct disk_job *now);
void rules_transaction_done(void);

/* chipqd */
void rules_restart(void);
void rules_books(const struct core *c, struct now now);

/* workers */
void rules_started(struct truth *t); /* the newest of `truths` */
void rules_published(uint64_t job, uint64_t task, uint64_t attempt);
void rules_acknowledged(const struct msg_attempt_ack *m); /* as it reaches the agent */

/* At the end: everything healed and had its time. */
bool rules_is_quiet(void);
void rules_final(void);

#endif
