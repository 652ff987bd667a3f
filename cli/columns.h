/* The one place that prints data: rows are JSON objects, a table of columns says how they look for
 * people. The same rows come out as aligned text, chosen columns, CSV, one JSON object or JSON
 * lines. */
#ifndef COLUMNS_H
#define COLUMNS_H

#include "cli/cli.h"

#include <jansson.h>

enum column_kind {
    COLUMN_TEXT,
    COLUMN_STATE,    /* text, coloured by what it says */
    COLUMN_NUMBER,   /* right-aligned; reals too */
    COLUMN_TIME,     /* a duration in microseconds; 0 shows "-" */
    COLUMN_WALL,     /* a wall time in microseconds; 0 shows "-" */
    COLUMN_SIZE_MIB, /* null, not known, shows "-" */
    COLUMN_LIST      /* an array of texts, joined with ',' */
};

struct column {
    const char *key, *title; /* a row ends with key NULL */
    enum column_kind kind;
    bool is_default; /* shown when no --format names columns */
};

/* Prints `rows` (an array, borrowed) to stdout as `c` asks. For --json, `name` is the key the array
 * goes under. CQ_E_INVALID when --format names an unknown column. */
int columns_print(const struct cli *c, const char *name, json_t *rows, const struct column *columns,
                  struct cq_err *err) CQ_MUST_CHECK;

/* Checks --format before any work is done. */
int columns_check(const struct cli *c, const struct column *columns,
                  struct cq_err *err) CQ_MUST_CHECK;

/* As columns_print, appended to `out`. */
int columns_render(const struct cli *c, const char *name, json_t *rows,
                   const struct column *columns, struct cq_str *out,
                   struct cq_err *err) CQ_MUST_CHECK;

/* One JSON object to stdout, keys in the order they were set; control characters escaped. */
void json_print(const struct cli *c, const json_t *object);

/* {"code": "NOT_FOUND", "text": "no such job: 12"}; caller owns. */
json_t *json_of_error(const struct cq_err *err);

/* With --json, a command that fails leaves {"error": {"code": "NOT_FOUND", "text": ...}} on stdout;
 * what it had to say already on stdout is kept instead. */
void cli_print_error(const struct cli *c, const struct cq_err *err);

/* The cell's text as people see it, for lines that are no table. Appended to `out`. */
void column_format(const json_t *row, const struct column *column, struct cq_str *out);

/* "\033[31m" and friends for a state or verdict; "" when it needs no colour or `on` is false. */
const char *state_color(bool on, const char *state);
const char *color_end(bool on);

#endif
