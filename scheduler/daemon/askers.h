/* Who of those that ask is answered next, and for how long questions may keep the daemon from its
 * work. Dispatch goes first: while there is some, questions have a tenth of the time, counted as
 * credit that is earned by the clock and paid with the processor time that answers took; without,
 * they have all of it. Among askers it goes by the time that their answers took, so that who asks a
 * thousand things, or dear ones, delays nobody who asks one.
 *
 * Pure: reads no clock. Times are of one clock that does not run back. Zeroed memory is nobody. */
#ifndef CHIPQ_DAEMON_ASKERS_H
#define CHIPQ_DAEMON_ASKERS_H

#include "common/base/pure/map.h"

enum {
    ASKERS_PART = 10,             /* questions have one of so many parts of a busy time */
    ASKERS_BUSY_US = 100 * 1000,  /* so long after the last work the time is busy */
    ASKERS_CREDIT_US = 20 * 1000, /* at most */
    ASKERS_DEBT_US = 100 * 1000,  /* at most: one dear answer is not a long silence */
    ASKERS_OF_ONE = 2048,         /* questions of one asker that wait, and their bytes */
    ASKERS_BYTES_OF_ONE = 4 << 20,
    ASKERS_BYTES = 64 << 20 /* of all */
};

/* The first member of what is the caller's. */
struct question {
    struct question *next;
    uint64_t asker; /* not 0 */
    size_t bytes;
};

struct asker_line;

struct askers {
    struct map by_id;           /* asker -> its line */
    struct asker_line *waiting; /* those with questions that are not stopped, in no order */
    size_t n, bytes;            /* questions in all lines */
    uint64_t n_taken;
    int64_t floor_us; /* of the time that each line has used: who comes anew begins there */
    int64_t credit_us, at_us, busy_us;
};

void askers_init(struct askers *a);
void askers_fini(struct askers *a); /* frees what waits */

/* There was work at that moment. */
void askers_note_work(struct askers *a, int64_t now_us);

/* Nobody waits and there is credit: a question may be answered without standing in line. */
bool askers_are_free(struct askers *a, int64_t now_us);

/* Takes the question. False, and not taken: this asker has too many in line. */
bool askers_put(struct askers *a, struct question *q) CQ_MUST_CHECK;

/* The next question, the caller's again; NULL when none waits, or questions have had their time. */
struct question *askers_take(struct askers *a, int64_t now_us);
struct question *askers_take_any(struct askers *a); /* whatever the time */

/* An answer to that asker took so much processor time. */
void askers_charge(struct askers *a, uint64_t asker, int64_t took_us);

/* Enough of this asker's is under way: its line stands still, those of others go on. */
void askers_stop(struct askers *a, uint64_t asker);
void askers_go_on(struct askers *a, uint64_t asker);

/* When askers_take gives something again; INT64_MAX: nothing that may. */
int64_t askers_next_us(struct askers *a, int64_t now_us);

#endif
