/* Rows about nodes of the share tree: choosing some of them, and showing the tree. */
#ifndef TREE_ROWS_H
#define TREE_ROWS_H

#include "cli/cli.h"

#include <jansson.h>

/* Keeps the rows of `path` and what is below it; all when it is NULL. CQ_E_NOT_FOUND when none is
 * left of some. */
int tree_rows_keep(json_t *rows, const char *path, struct cq_err *err) CQ_MUST_CHECK;

/* Sets "name" of each row: the last part of its path, in a table of people indented by depth. */
void tree_rows_name(const struct cli *c, json_t *rows);

/* Takes a key off and returns its number, as a part of 1,000,000. */
double tree_rows_ppm(json_t *row, const char *key);

/* "12.3" for 0.1234: what is shown of a hundred. */
double tree_rows_percent(double part);

#endif
