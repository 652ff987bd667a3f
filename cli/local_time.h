/* Times as people type and read them: local time, ISO 8601. */
#ifndef LOCAL_TIME_H
#define LOCAL_TIME_H

#include "common/base/pure/err.h"

#define LOCAL_TIME_BYTES 40

/* "2026-12-01T20:00", with seconds if wanted ("2026-12-01T20:00:30"): local time; with a Z behind
 * it, UTC. Nothing else: no single digits, no 30 February, no hour that the clocks skip.
 * CQ_E_INVALID. */
int local_time_parse(const char *text, int64_t *wall_us, struct cq_err *err) CQ_MUST_CHECK;

/* "2026-12-01T20:00:30+01:00" */
const char *local_time_format(int64_t wall_us, char buf[LOCAL_TIME_BYTES]);

/* "14:05"; with the date when it is on another day than now_us: "2026-12-02 14:05". */
const char *local_time_short(int64_t wall_us, int64_t now_us, char buf[LOCAL_TIME_BYTES]);

#endif
