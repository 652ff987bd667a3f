/* Rows of the share tree. */
#include "cli/tree_rows.h"

#include <math.h>

static const char *path_of(const json_t *row)
{
    const char *path = json_string_value(json_object_get(row, "path"));
    return path ? path : "";
}

static bool is_below(const char *path, const char *top)
{
    size_t len = strlen(top);
    return strncmp(path, top, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

int tree_rows_keep(json_t *rows, const char *path, struct cq_err *err)
{
    size_t n = json_array_size(rows);
    for (size_t i = n; path && i-- > 0;)
        if (!is_below(path_of(json_array_get(rows, i)), path))
            json_array_remove(rows, i);
    if (n > 0 && json_array_size(rows) == 0)
        return cq_fail(err, CQ_E_NOT_FOUND, "nothing to show of '%.100s'", path);
    return 0;
}

void tree_rows_name(const struct cli *c, json_t *rows)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        const char *path = path_of(row), *slash = strrchr(path, '/');
        int depth = 0;
        for (const char *p = path; *p; p++)
            depth += *p == '/';
        char name[256];
        (void)snprintf(name, sizeof name, "%*s%s", c->output == CLI_TABLE ? depth * 2 : 0, "",
                       slash ? slash + 1 : path);
        json_object_set_new(row, "name", json_string(name));
    }
}

double tree_rows_ppm(json_t *row, const char *key)
{
    double part = (double)json_integer_value(json_object_get(row, key)) / 1e6;
    json_object_del(row, key);
    return part;
}

double tree_rows_percent(double part)
{
    return round(part * 1000) / 10;
}
