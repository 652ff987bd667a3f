/* What a waiting job keeps of its JOB_SUBMIT. Thousands of jobs of one user ask for the same and
 * differ by a word of their commands. So what was asked is kept once for all who ask the same; and
 * of the run specification, which the core does not read, each has only what differs from an
 * earlier one of the same user. All of it can be made again to the byte. */
#ifndef CHIPQ_REQUEST_H
#define CHIPQ_REQUEST_H

#include "common/base/pure/map.h"
#include "scheduler/core/record.h"

struct core;
struct stem;

/* A job's name, and its run specification packed. */
struct own_part {
    struct stem *stem; /* that it differs from; NULL: it is whole */
    uint32_t run_bytes, packed_bytes;
    char text[]; /* the name with its NUL, then what is packed */
};

/* The newest specification that was kept whole of the users who share this slot. */
struct stem_slot {
    struct stem *stem;
    struct delta_index *index;
    uint32_t misses; /* in a row: specifications of which little was in it */
};

#define STEM_SLOTS 256

struct requests {
    struct map by_hash; /* chained */
    struct stem_slot slots[STEM_SLOTS];
    struct cq_str packed; /* room to pack in */
};

void requests_fini(struct core *c);

/* One holder more of what `s` asks, in which the fields of the job itself are zero: id, number,
 * times, key, digest, place in its SUBMIT, name, dependencies, run. Borrows `s`. */
const struct job_submit *request_ref(struct core *c, const struct job_submit *s);
void request_unref(struct core *c, const struct job_submit *asked); /* accepts NULL */

struct own_part *own_part_new(struct core *c, const struct job_submit *s);
void own_part_free(struct own_part *p); /* accepts NULL */
const char *own_part_name(const struct own_part *p);
void *own_part_run(const struct own_part *p); /* p->run_bytes bytes; caller frees */

#endif
