/* Words for why something waits, beside core_explain of view.h. */
#ifndef CHIPQ_EXPLAIN_H
#define CHIPQ_EXPLAIN_H

#include "scheduler/core/queue.h"
#include "scheduler/core/quota.h"

/* Reasons as they are found, of a whole job or of one task of it. */
struct reason_list {
    const struct core *core;
    const struct job *job;
    bool has_task;
    uint32_t task;
    uint64_t before; /* tasks of the job that start before the named one */
    struct reason *items;
    size_t n, max;
    bool is_brief;           /* only what decides, without advice */
    struct brief_memo *memo; /* or NULL */
};
/* One more, without words; NULL when it holds back no task. */
struct reason *reasons_add(struct reason_list *l, enum wait_reason why, uint64_t tasks);

/* What of the pool holds back so many tasks of a job that nothing of its own does: the reason of
 * now, what would let it start (if no other task comes first), and what is in its way for ever. */
void explain_pool(struct reason_list *l, uint64_t ready);
/* There are machines that could run it, and each of them is drained, down or silent. The second
 * names them, says why one is drained, and what to do. */
bool explain_is_out_of_service(const struct core *c, const struct shape *s);
void explain_out_of_service(const struct core *c, const struct shape *s, struct reason *r);
/* Which machines could hold the shape, and what of them is free. */
void explain_capacity(const struct core *c, const struct shape *s, struct reason *r);

/* Appends "asks 64 cores; the largest worker has 2" when no worker that is up could ever hold the
 * shape, and returns true. With no worker up nothing is known: false. */
bool explain_impossible(const struct core *c, const struct shape *shape, struct cq_str *out);

/* What a limit says: its name, its number, what is used of it, what is needed; and what to do. The
 * second: of one that is too small whatever runs, behind another reason. */
void explain_limit(const struct quota_block *b, struct reason *r);
void explain_limit_for_ever(const struct quota_block *b, struct reason *r);

/* Of the bundle, what there is not enough of in all; or NULL. */
const struct token *explain_impossible_token(const struct shape *s);
/* As things are set it never starts, whatever ends: it is too large for a limit, for the count of a
 * licence, or for every machine that is known, also those that are down. */
bool explain_is_hopeless(const struct core *c, const struct class *k);

/* The core as it is at the moment of a question, which may be long after its last step: with the
 * clocks of `now` until explain_look_back, which takes what explain_look_at gave. */
struct moment {
    int64_t mono_us, wall_us, policy_us;
};
struct moment explain_look_at(const struct core *c, struct now now);
void explain_look_back(const struct core *c, const struct moment *before);

/* Looks for one change that would let the job start in the next pass, and puts it into `r` with its
 * words: --preemptible, less time, fewer cores, less memory, or a limit (`block`, or NULL) raised.
 */
void advise(const struct core *c, const struct job *job, const struct quota_block *block,
            struct reason *r);

#endif
