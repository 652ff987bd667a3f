/* What ran on this instance, as a workload for the simulator. */
#ifndef HISTORY_FETCH_H
#define HISTORY_FETCH_H

#include "cli/session.h"

#include <stdio.h>

struct history;

struct history_options {
    const char *enterprise; /* NULL = all that the key may see */
    int64_t from_us, to_us; /* jobs submitted in [from, to), wall time; to 0 = no end */
};

/* Asks `s` (an admin's session) for all that ran, page by page. The caller frees. NULL with
 * CQ_E_NOT_FOUND when nothing ran, CQ_E_LIMIT over 4 million rows, and what the scheduler says. */
struct history *history_fetch(struct net_client *s, const struct history_options *o,
                              struct cq_err *err) CQ_MUST_CHECK;
void history_free(struct history *h); /* accepts NULL */

size_t history_tasks(const struct history *h);

/* Did anything of "enterprise/project/user" run? */
bool history_has_leaf(const struct history *h, const char *path);

/* Writes it in the simulator's form and flushes: a first line of '#' and JSON with the pool as it
 * is now, then one task a line, by submit. Seconds count from the first submit. */
int history_write(const struct history *h, FILE *out, struct cq_err *err) CQ_MUST_CHECK;

#endif
