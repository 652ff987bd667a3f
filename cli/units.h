/* Sizes and times as people must write them here: with a unit, since "4" means four of whatever the
 * reader thinks of. */
#ifndef UNITS_H
#define UNITS_H

#include "common/base/pure/err.h"

/* "512M", "4G", "4gb", "1.5T"; any case; rounds up to a whole MiB. CQ_E_INVALID for "4": "write 4M
 * or 4G", and for what is less than 1M or more than 1024T. */
int units_parse_mem(const char *text, uint64_t *mib, struct cq_err *err) CQ_MUST_CHECK;

/* "30s", "15m", "2h", "1h30m", "250ms", "1:30:00". CQ_E_INVALID for "30": "write 30s or 30m". */
int units_parse_time(const char *text, int64_t *us, struct cq_err *err) CQ_MUST_CHECK;

#endif
