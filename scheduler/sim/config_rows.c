/* Reads rows of configuration. */
#include "scheduler/sim/config_rows.h"

#include "common/base/pure/mem.h"
#include "scheduler/sim/lines.h"

enum { FIELDS = 6 };

static int op_of(const char *name, enum config_op *op, struct cq_err *err)
{
    static const struct {
        const char *name;
        enum config_op op;
    } ops[] = {{"add", CONFIG_ADD},
               {"put", CONFIG_PUT},
               {"clear", CONFIG_CLEAR},
               {"set", CONFIG_SET},
               {"remove", CONFIG_REMOVE}};
    for (size_t i = 0; i < CQ_COUNT(ops); i++)
        if (strcmp(name, ops[i].name) == 0) {
            *op = ops[i].op;
            return 0;
        }
    return cq_fail(err, CQ_E_INVALID, "'%.40s' is not add, put, clear, set or remove", name);
}

static int read_row(char *line, struct in_config_row *row, const char **place, struct cq_err *err)
{
    const char *fields[FIELDS] = {"", "", "", "", "", ""};
    size_t n = 0;
    for (char *p = line; p; n++) {
        if (n == FIELDS)
            return cq_fail(err, CQ_E_INVALID, "more than %d fields", FIELDS);
        fields[n] = strsep(&p, "\t");
    }
    if (op_of(fields[0], &row->op, err) != 0)
        return -1;
    if (*fields[1] == '\0' || *fields[2] == '\0')
        return cq_fail(err, CQ_E_INVALID, "the row has no kind or no path");
    row->kind = fields[1];
    row->path = fields[2];
    row->key = fields[3];
    row->value = fields[4];
    *place = fields[5];
    return 0;
}

static int add_row(struct config_rows *r, const char *line, struct cq_err *err)
{
    if (*line == '\0' || *line == '#')
        return 0;
    if (r->n >= CONFIG_ROWS_MAX)
        return cq_fail(err, CQ_E_LIMIT, "more than %d rows", CONFIG_ROWS_MAX);
    cq_grow(&r->lines, &r->cap_lines, r->n_lines);
    r->lines[r->n_lines] = cq_strdup(line);
    cq_grow(&r->items, &r->cap, r->n);
    cq_grow(&r->places, &r->cap_places, r->n);
    if (read_row(r->lines[r->n_lines++], &r->items[r->n], &r->places[r->n], err) != 0)
        return -1;
    r->n++;
    return 0;
}

int config_rows_read(const char *path, struct config_rows *r, struct cq_err *err)
{
    struct lines *l = lines_open(path, err);
    char *line;
    int rc;
    if (l == NULL)
        return -1;
    while ((rc = lines_next(l, &line, err)) > 0)
        if (add_row(r, line, err) != 0) {
            rc = lines_wrap(l, err);
            break;
        }
    lines_close(l);
    return rc;
}

void config_rows_fini(struct config_rows *r)
{
    for (size_t i = 0; i < r->n_lines; i++)
        free(r->lines[i]);
    free(r->lines);
    free(r->items);
    free(r->places);
    *r = (struct config_rows){0};
}
