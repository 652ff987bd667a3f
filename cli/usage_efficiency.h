/* chipq usage --efficiency: who asks for more than runs take, the worst first. */
#ifndef USAGE_EFFICIENCY_H
#define USAGE_EFFICIENCY_H

#include "cli/session.h"

enum efficiency_by { EFFICIENCY_BY_PROJECT, EFFICIENCY_BY_USER, EFFICIENCY_BY_TOOL };

int usage_efficiency_check(const struct cli *c, enum efficiency_by by,
                           struct cq_err *err) CQ_MUST_CHECK; /* --format, before any work */
int usage_efficiency(struct cli *c, struct net_client *s, enum efficiency_by by, int64_t from_us,
                     int64_t to_us, struct cq_err *err) CQ_MUST_CHECK;

#endif
