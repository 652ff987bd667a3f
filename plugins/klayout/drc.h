/* The verdict of a rule check from its report. */
#ifndef DRC_H
#define DRC_H

#include "plugins/klayout/lyrdb.h"
#include "plugins/sdk/outcome.h"

/* Metrics drc__errors, drc__rules, drc__rule__NAME (rules with violations first, as far as they
 * fit) and the verdict: pass without violations, else a fail that a gate on drc__errors overrules.
 * A report without a single rule is an error. */
void drc_judge(const struct lyrdb *report, struct outcome *out);

#endif
