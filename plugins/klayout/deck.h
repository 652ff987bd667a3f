/* Which rules must be in a deck's report. A report of a run that stopped half way is well-formed
 * and looks clean, so its categories are compared with what was to be checked. */
#ifndef DECK_H
#define DECK_H

#include "plugins/klayout/lyrdb.h"

/* Reads the deck at `path` and finds the rules it names in plain `output("NAME"...` calls; names
 * that the deck puts together at run time cannot be seen. The first that `report` lacks is copied
 * to `missing` (LYRDB_NAME_MAX bytes), which is "" when all are there. */
int deck_missing_rule(const char *path, const struct lyrdb *report, char *missing,
                      struct cq_err *err) CQ_MUST_CHECK;

#endif
