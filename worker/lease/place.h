/* Where the files of an attempt are, below the instance's directory:
 *
 *   output/acme/1207/3.1.log              what it wrote
 *   work/acme/1207/3/attempt-1            its private directory, with out/ and tmp/
 *   results/acme/1207/3                   link to the accepted attempt's out/
 *
 * `place` is "acme/1207/3". All functions write at most PATH_MAX bytes and return false when that
 * is not enough. */
#ifndef CHIPQ_PLACE_H
#define CHIPQ_PLACE_H

#include "common/base/pure/err.h"

#include <limits.h>

bool place_of_task(const char *job_place, uint64_t task, char *to, size_t size) CQ_MUST_CHECK;
bool place_log(const char *dir, const char *place, uint64_t attempt,
               char to[PATH_MAX]) CQ_MUST_CHECK;
bool place_work(const char *dir, const char *place, uint64_t attempt,
                char to[PATH_MAX]) CQ_MUST_CHECK;
bool place_results(const char *dir, const char *place, char to[PATH_MAX]) CQ_MUST_CHECK;

/* mkdir of every directory above `path` that is missing, 0700. Allocates nothing. CQ_E_IO. */
int place_make_parents(const char *path, struct cq_err *err) CQ_MUST_CHECK;

#endif
