/* Reads a coverage.dat that a Verilator simulation wrote. */
#ifndef COVERAGE_H
#define COVERAGE_H

#include "common/base/pure/err.h"

struct coverage {
    uint64_t line_points, line_hit; /* pages v_line and v_branch */
    uint64_t user_points, user_hit; /* cover statements */
};

/* Streams the file, in bounded memory. CQ_E_INVALID when it is no coverage file or is cut short. */
int coverage_read(const char *path, struct coverage *out, struct cq_err *err) CQ_MUST_CHECK;

#endif
