/* Failpoints around what is durable, by what it is: chipqd.KIND.before_commit, after_commit,
 * before_reply, after_reply (reliability.md section 4). A turn's records are one transaction, and
 * its answers go out together: each kind that the turn has is hit. Nothing in release builds. */
#ifndef CHIPQ_POINTS_H
#define CHIPQ_POINTS_H

#include "scheduler/core/record.h"

enum point_phase { POINT_BEFORE_COMMIT, POINT_AFTER_COMMIT, POINT_BEFORE_REPLY, POINT_AFTER_REPLY };

struct points {
    unsigned filling, committing, replying; /* sets of kinds */
};

#ifdef CQ_FAILPOINTS
void points_note(struct points *p, const struct record *r);  /* it joins the turn's batch */
void points_hand_over(struct points *p);                     /* the batch goes to the store */
void points_durable(struct points *p);                       /* it is on disk */
void points_reply(struct points *p, enum point_phase phase); /* the answers go, have gone */
#else
static inline void points_note(struct points *p, const struct record *r)
{
    (void)p, (void)r;
}
static inline void points_hand_over(struct points *p)
{
    (void)p;
}
static inline void points_durable(struct points *p)
{
    (void)p;
}
static inline void points_reply(struct points *p, enum point_phase phase)
{
    (void)p, (void)phase;
}
#endif

#endif
