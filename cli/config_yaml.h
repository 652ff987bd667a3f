/* The configuration as one YAML file: enterprises with their projects and users, licences,
 * instruments, the licence feed (docs/ADMIN.md). */
#ifndef CONFIG_YAML_H
#define CONFIG_YAML_H

#include "cli/config_rows.h"

#define CONFIG_FILE_MAX 4194304 /* bytes */

/* Reads the file's text into rows: whatever is listed gets exactly what the file says, what is not
 * listed is left alone. Enterprises come first, then features, then settings that may name them.
 * True when it is good; else errors were added, with line and column. `rows` is zeroed memory,
 * released with config_rows_fini also then. Values are checked by the scheduler; the rows know
 * their places. */
bool config_yaml_read(const char *text, size_t bytes, struct config_rows *rows,
                      struct flow_errors *e);

/* The opposite: such a file from the rows of CONFIG_ROWS, appended to `out`. Reading it back
 * changes nothing. */
void config_yaml_write(const struct setting_row *rows, size_t n, struct cq_str *out);

#endif
