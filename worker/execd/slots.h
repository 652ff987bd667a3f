/* Slots: control groups that leases take and give back. One that holds little memory when its
 * lease is over is kept for the next; one that holds more is removed, so that nobody pays for
 * pages of a stranger. */
#ifndef CHIPQ_SLOTS_H
#define CHIPQ_SLOTS_H

#include "worker/lease/group.h"

enum { SLOT_NONE = UINT32_MAX };

struct slots {
    struct group_root root;
    struct group *free; /* empty groups, descriptors open */
    size_t n_free, free_cap;
    uint32_t next; /* the lowest number that was never tried */
    bool has_warned;
};

/* Finds where groups can be made and removes what former runs of the instance left; DIR/run/groups
 * remembers where they were. */
void slots_open(struct slots *s, const char *dir, const char *tag);

/* Takes a slot; its descriptors are -1 where there is no group. */
struct group slots_take(struct slots *s);

/* Gives it back; everything that was in it is dead. */
void slots_give(struct slots *s, struct group *g);

/* Removes the free ones, and what others have left empty. */
void slots_close(struct slots *s);

#endif
