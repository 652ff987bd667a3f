/* chipqd --repair: what its files share. */
#ifndef CHIPQ_DAEMON_REPAIR_H
#define CHIPQ_DAEMON_REPAIR_H

#include "scheduler/core/core.h"
#include "scheduler/daemon/serve.h"
#include "scheduler/store/repair.h"

struct repair {
    const struct daemon_options *o;
    char *db, *made, *aside; /* the database; the new one; where the old one goes */
    struct salvage found;
    struct cq_str jobs; /* what is said of those that are lost, a line each */
    uint64_t live_jobs, raised_by;
    struct cq_err misfit;     /* text: why what was read does not fit together; "" when it does */
    uint64_t records_a_round; /* of a replay; 0 = 100,000 */
};

/* repair_core.c: what the core has to do with it. Each opens r->made and closes it again. */
/* Does what was read fit together? Of pages that are damaged, jobs may be missing. Else r->misfit
 * says why not. */
bool repair_fits(struct repair *r, bool may_lack_jobs);
/* It does not: the journal is to make up all of it. */
int repair_forget(struct repair *r, struct cq_err *err) CQ_MUST_CHECK;
/* A journal that is whole makes up all rows that the core keeps. */
int repair_replay(struct repair *r, struct cq_err *err) CQ_MUST_CHECK;
/* Loads it as a start does, ends what is known by a part only, and writes that down. */
int repair_settle(struct repair *r, struct cq_err *err) CQ_MUST_CHECK;
/* Exactly as a start: what it says is what a start would say. */
int repair_prove(struct repair *r, struct cq_err *err) CQ_MUST_CHECK;
struct store *repair_open(const struct repair *r, struct cq_err *err) CQ_MUST_CHECK;
void repair_close(const struct repair *r, struct store *s);

/* repair_report.c */
void repair_tell(const struct repair *r);

#endif
