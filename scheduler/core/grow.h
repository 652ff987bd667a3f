/* Tasks that ran out of memory run again with more. A job is in one class at a time: its tasks of
 * other sizes wait apart (`later`) until the class has none left to start; then the job goes on in
 * the class of the smallest of those sizes. So an array stays one entry of the queue. When most of
 * an array's tasks have too little, those that have not run yet begin with more too. */
#ifndef CHIPQ_GROW_H
#define CHIPQ_GROW_H

#include "common/base/pure/ranges.h"
#include "common/base/pure/str.h"
#include "scheduler/core/input.h"

struct core;
struct attempt_end_rec;
struct job;
struct lease;
struct task;

enum { GROWTHS_MAX = 3, TOO_LITTLE_MIN = 3 };

/* Waiting tasks of another size than the job's class now. */
struct later {
    uint64_t mem_mib;
    struct ranges tasks; /* never empty */
};
struct laters {
    struct later *items; /* smallest first */
    size_t n, cap;
};

void laters_free(struct laters *l); /* accepts NULL */
uint64_t laters_count(const struct laters *l);

/* The size of what the job starts now. */
uint64_t grow_mem_mib(const struct job *job);

/* A task of that size waits; queue and class are told by the caller, with job_refresh. */
void grow_wait(struct job *job, uint32_t number, uint64_t mem_mib);
/* At load: all of these do. */
void grow_wait_all(struct job *job, const struct ranges *tasks, uint64_t mem_mib);
/* A waiting task is over. */
void grow_forget(struct job *job, uint32_t number);

/* Where a task stands that waits for nothing but its turn and room. False: it does not. */
struct grow_place {
    uint64_t before, mem_mib; /* before: tasks of its job that start first */
    bool is_later;            /* its job starts tasks of another size now */
};
bool grow_place(const struct job *job, uint32_t number, struct grow_place *out);

/* Takes the job to the class of its next size when that of now has nothing left to start. */
void grow_settle(struct core *c, struct job *job);
/* At load: takes the job to the class of that size, whatever waits. */
void grow_enter(struct core *c, struct job *job, uint64_t mem_mib);

/* The larger of a size and that with which tasks begin now. */
uint64_t grow_least_mib(const struct job *job, uint64_t mem_mib);

/* An attempt has ended: when three, and more than had enough or still run with it, had too little
 * of what tasks begin with, all that wait with less get what follows it. Before its task moves on;
 * job_refresh follows. */
void grow_note_end(struct job *job, const struct attempt_end_rec *end);

/* An attempt of `l` ran out of memory: what the task is to have next. 0: it is not to run again for
 * that, for it named its memory, has grown three times, has eight times what its job began with or
 * can have no more. */
uint64_t grow_next_mib(const struct core *c, const struct lease *l, const struct job *job,
                       const struct task *t);

/* The same in words, with what that call has answered: "it runs again with 2G", or what ends it.
 * Nothing of a task that named its memory, or that somebody has called back. Appended. */
void grow_explain_end(const struct lease *l, const struct job *job, const struct task *t,
                      uint64_t next_mib, struct cq_str *out);

#endif
