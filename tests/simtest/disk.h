/* chipqd's disk: what is on it survives chipqd, and what was not synced does not. The rules look at
 * it through this. */
#ifndef SIMTEST_DISK_H
#define SIMTEST_DISK_H

#include "scheduler/core/core.h"
#include "scheduler/store/store.h"
#include "tests/simtest/sim.h"

struct disk_bytes {
    char *data;
    size_t len;
};
struct disk_record {
    enum record_type type;
    uint64_t version, id; /* id: of an entity */
    bool is_gone;         /* an entity that no longer exists */
    struct disk_bytes payload;
};
struct disk_job {
    uint64_t id, enterprise, number, principal, tasks, attempt;
    uint64_t waiting, running, passed, failed, killed, lost;
    enum job_state state;
    bool is_array;
    char *name, *passed_ranges;
    struct disk_bytes snapshot, submit; /* no snapshot: it is over */
    struct cq_uuid key;
};

struct disk {
    struct disk_record *journal, *entities;
    struct disk_job *jobs; /* by id */
    size_t n_journal, cap_journal, n_entities, cap_entities, n_jobs, cap_jobs;
};
extern struct disk disk;

void disk_reset(void);
void disk_make(void (*fill)(struct core *c, struct effects *e)); /* as chipqd --init does */
/* chipqd is gone: what was on its way to the disk is there, or is not. */
void disk_crash(bool is_power_loss);
const struct disk_job *disk_job_by_id(uint64_t id);
const struct disk_job *disk_job_by_number(uint64_t enterprise, uint64_t number);
struct record *disk_decode(const struct disk_record *r); /* the caller frees */
void disk_answer(struct store_query *q);                 /* store_queries.c */

#endif
