/* Rows of configuration as text: "op kind path key value" a line with tabs between them; op is add,
 * put, clear, set or remove; what a row does not need is empty. Lines that start with '#' and empty
 * ones are skipped. */
#ifndef CHIPQ_SIM_CONFIG_ROWS_H
#define CHIPQ_SIM_CONFIG_ROWS_H

#include "scheduler/core/input.h"
#include "common/base/pure/err.h"

enum { CONFIG_ROWS_MAX = 100000 };

struct config_rows {
    struct in_config_row *items;
    size_t n, cap;
    char **lines; /* what the rows point into */
    size_t n_lines, cap_lines;
};

/* Adds the rows of a file. Errors name file and line. */
int config_rows_read(const char *path, struct config_rows *r, struct cq_err *err) CQ_MUST_CHECK;
void config_rows_fini(struct config_rows *r);

#endif
