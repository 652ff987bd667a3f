/* Breakages on purpose: each must be caught by its rule, or the rule is worth nothing. */
#ifndef SIMTEST_BREAKS_H
#define SIMTEST_BREAKS_H

#include "common/base/pure/str.h"
#include "tests/simtest/sim.h"

static inline bool breaks(enum break_kind kind)
{
    return sim.broken == kind;
}

/* What the wire makes of a message: nothing of it arrives, or `changed` in its place. */
enum wire_break { WIRE_WHOLE, WIRE_LOST, WIRE_CHANGED };
enum wire_break breaks_wire(const void *data, size_t bytes, struct cq_str *changed);

bool breaks_find(const char *name, enum break_kind *kind);
const char *breaks_rule(enum break_kind kind);
const char *breaks_name(enum break_kind kind);
void breaks_list(FILE *out);

#endif
