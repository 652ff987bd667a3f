/* Rows of configuration as text: "op kind path key value" a line with tabs between them; op is add,
 * put, clear, set or remove; what a row does not need is empty. A sixth field says where the row
 * was written ("pool.yaml:3:5"), for errors. Lines that start with '#' and empty ones are skipped.
 */
#ifndef CHIPQ_SIM_CONFIG_ROWS_H
#define CHIPQ_SIM_CONFIG_ROWS_H

#include "scheduler/core/input.h"
#include "common/base/pure/err.h"

enum { CONFIG_ROWS_MAX = 100000 };

struct config_rows {
    struct in_config_row *items;
    const char **places; /* as many as items; "" = not said */
    size_t n, cap, cap_places;
    char **lines; /* what the rows point into */
    size_t n_lines, cap_lines;
};

/* Adds the rows of a file. Errors name file and line. */
int config_rows_read(const char *path, struct config_rows *r, struct cq_err *err) CQ_MUST_CHECK;
void config_rows_fini(struct config_rows *r);

#endif
