/* Strict parsers of what people type: numbers, sizes, times. The whole text must match; "4x" is an
 * error, not 4. Errors are CQ_E_INVALID with the text and an example. None allocates. */
#ifndef CQ_PARSE_H
#define CQ_PARSE_H

#include "common/base/pure/err.h"

int parse_i64(const char *text, int64_t min, int64_t max, int64_t *value,
              struct cq_err *err) CQ_MUST_CHECK;
int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *value,
              struct cq_err *err) CQ_MUST_CHECK;
int parse_double(const char *text, double *value,
                 struct cq_err *err) CQ_MUST_CHECK; /* finite only */

/* "512M", "4G", "1.5G", "1T", "4096" (plain numbers are MiB), binary units. Rounds up to a whole
 * MiB. */
int parse_size_mib(const char *text, uint64_t *mib, struct cq_err *err) CQ_MUST_CHECK;

/* "90", "90s", "15m", "2h", "1d", "1h30m", "250ms", "1:30:00", "0:30". A plain number is seconds.
 */
int parse_time_us(const char *text, int64_t *us, struct cq_err *err) CQ_MUST_CHECK;

/* For people: "1h 30m", "4.2s", "250 ms"; writes at most `size` bytes and returns buf. */
const char *format_time_us(int64_t us, char *buf, size_t size);
const char *format_size_mib(uint64_t mib, char *buf, size_t size);     /* "512M", "1.5G" */
const char *format_size_bytes(uint64_t bytes, char *buf, size_t size); /* "0", "56K", "1.5G" */

/* UTC as RFC 3339 with milliseconds, "2026-11-22T10:11:12.345Z". Needs 32 bytes. */
const char *format_wall_us(int64_t wall_us, char *buf, size_t size);

/* Names of enterprises, projects, users, jobs in flows: [a-z0-9][a-z0-9._-]*, capitals
 * allowed, 1..63 bytes. */
bool is_name(const char *text);

#endif
