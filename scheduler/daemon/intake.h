/* Who is heard next. Requests of clients go into the batch that fills while the one before it is
 * written; how much of it one enterprise may take depends on whether others ask, too. What is over
 * waits here, in order, an own queue for each enterprise, so that the next batch is small however
 * many wait and who asks for little is in it. And while some do not wait, a batch begins only now
 * and then for those who do: mostly they are heard with others, who find the disk free.
 *
 * Pure: no clock, no I/O. An enterprise is a number of the caller's, 0 too. Costs are bytes of a
 * batch, about; they are known only afterwards, so who was given too much gets less later. */
#ifndef CHIPQ_INTAKE_H
#define CHIPQ_INTAKE_H

#include "common/base/pure/compiler.h"

#include <stdint.h>

enum {
    INTAKE_ACTIVE_US = 5000000,  /* who added to a batch counts so long among those who do */
    INTAKE_ALONE = 256 * 1024,   /* of a batch, for who is alone */
    INTAKE_SHARED = 8 * 1024,    /* for all who ask together, in equal parts */
    INTAKE_FORGIVEN = 16 * 1024, /* too much by so little is forgotten when nothing is written... */
    INTAKE_PAID_PER_US = 1,     /* ...while others ask, what is above takes time, a hundred times */
    INTAKE_PAID_TOGETHER = 8,   /* what writing it takes; less when all of them have to wait */
    INTAKE_FREE_MAX_US = 20000, /* the disk is left to those who do not wait, as long as it wrote */
    INTAKE_RECORD = 512,        /* what one record costs */
    INTAKE_KEPT_MAX = 16 * 1024 * 1024,  /* bytes that wait for one enterprise */
    INTAKE_TOTAL_MAX = 64 * 1024 * 1024, /* for all of them: each that waits may keep its part */
};

struct intake;

struct intake_item { /* first in what the caller keeps */
    struct intake_item *next;
    size_t bytes; /* of memory, all of it */
};

struct intake *intake_new(void);
void intake_free(struct intake *i, void (*free_item)(struct intake_item *item)); /* accepts NULL */

/* How much of a batch each may take when so many ask. */
uint64_t intake_quota(size_t n_active);

enum intake_way {
    INTAKE_NOW,    /* hear it */
    INTAKE_LATER,  /* park it */
    INTAKE_REFUSE, /* too much of its enterprise waits, and others ask: what would hold it back
                      would hold them back, too */
};
enum intake_way intake_way(const struct intake *i, uint64_t enterprise) CQ_MUST_CHECK;
void intake_park(struct intake *i, uint64_t enterprise, struct intake_item *item); /* takes item */

/* The next to be heard, one of each enterprise in turn; the caller's now. NULL: none, before the
 * next batch. `all`: even of those who have had their part. */
struct intake_item *intake_next(struct intake *i, bool all);

/* What was heard of `enterprise` made the batch so much larger. From now on it counts as one of
 * those who share batches. */
void intake_charge(struct intake *i, uint64_t enterprise, uint64_t cost, int64_t now_us);

void intake_new_batch(struct intake *i, int64_t now_us);   /* everybody gets his part of it */
void intake_batch_ended(struct intake *i, int64_t now_us); /* it is on disk */

/* When a batch may begin for those who wait alone. INT64_MAX: not before the one that is written is
 * on disk. In a batch that others began they may be heard at any time. */
int64_t intake_opens_us(const struct intake *i);
/* Nothing is written and nothing waits to be: what somebody had too much is forgiven, when it was
 * very much only as time goes by, or one large request after the other would fill all of it. When
 * somebody who waits will have his part again: `now_us` or later; INT64_MAX: nobody waits. */
int64_t intake_pay(struct intake *i, int64_t now_us);

bool intake_waits(const struct intake *i); /* something does */

/* Much waits of the only one who asks: whoever asks more may wait in the network. */
bool intake_is_full(const struct intake *i);

#endif
