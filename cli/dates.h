/* Days and times as people type them for reports. All are UTC, as the days of usage are. */
#ifndef DATES_H
#define DATES_H

#include "common/base/pure/err.h"

struct date_span {
    int64_t begin_us, end_us; /* [begin, end); of a moment both are the same */
};

/* "2026-11-01" (that day), "2026-11" (that month), "today", "yesterday", "2026-11-01T10:30" and
 * "-7d" (so long before now): moments. Strict: no 30 February, no single digits. CQ_E_INVALID. */
int dates_parse(const char *text, int64_t now_us, struct date_span *span,
                struct cq_err *err) CQ_MUST_CHECK;

/* "2026-11-01", or "2026-11" for a month. */
const char *dates_format(int64_t wall_us, bool is_month, char buf[16]);

#endif
