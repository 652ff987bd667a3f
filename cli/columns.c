/* Tables, CSV and JSON out of rows. */
#include "cli/columns.h"

#include "cli/to_json.h"
#include "common/base/pure/parse.h"

#include <inttypes.h>

enum { COLUMNS_MAX = 40 };

const char *state_color(bool on, const char *state)
{
    static const struct {
        const char *state, *color;
    } colors[] = {
        {"pass", "\033[32m"},     {"passed", "\033[32m"},  {"done", "\033[32m"},
        {"ok", "\033[32m"},       {"up", "\033[32m"},      {"fail", "\033[31m"},
        {"failed", "\033[31m"},   {"error", "\033[31m"},   {"timeout", "\033[31m"},
        {"oom", "\033[31m"},      {"lost", "\033[31m"},    {"down", "\033[31m"},
        {"killed", "\033[33m"},   {"warn", "\033[33m"},    {"held", "\033[33m"},
        {"expired", "\033[33m"},  {"skipped", "\033[33m"}, {"reached", "\033[31m"},
        {"active", "\033[36m"},   {"suspect", "\033[33m"}, {"running", "\033[36m"},
        {"draining", "\033[33m"},
    };
    for (size_t i = 0; on && i < CQ_COUNT(colors); i++)
        if (strcmp(colors[i].state, state) == 0)
            return colors[i].color;
    return "";
}

const char *color_end(bool on)
{
    return on ? "\033[0m" : "";
}

static void format_number(const json_t *value, struct cq_str *out)
{
    if (json_is_integer(value))
        cq_str_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        cq_str_printf(out, "%.6g", json_real_value(value));
    else if (json_is_boolean(value))
        cq_str_add(out, json_is_true(value) ? "yes" : "no");
}

static void format_list(const json_t *value, struct cq_str *out)
{
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (i)
            cq_str_add_char(out, ',');
        const char *text = json_string_value(json_array_get(value, i));
        cq_str_add(out, text ? text : "");
    }
}

static void format_raw(const json_t *value, enum column_kind kind, struct cq_str *out)
{
    char buf[64];
    json_int_t n = json_integer_value(value);
    switch (kind) {
    case COLUMN_TIME:
        cq_str_add(out, n > 0 ? format_time_us(n, buf, sizeof buf) : "-");
        break;
    case COLUMN_WALL:
        cq_str_add(out, n > 0 ? format_wall_us(n, buf, sizeof buf) : "-");
        break;
    case COLUMN_SIZE_MIB:
        cq_str_add(out,
                   json_is_integer(value) ? format_size_mib((uint64_t)n, buf, sizeof buf) : "-");
        break;
    case COLUMN_LIST:
        format_list(value, out);
        break;
    case COLUMN_TEXT:
    case COLUMN_STATE:
    case COLUMN_NUMBER:
        if (json_is_string(value))
            cq_str_append(out, json_string_value(value), json_string_length(value));
        else
            format_number(value, out);
        break;
    }
}

void column_format(const json_t *row, const struct column *column, struct cq_str *out)
{
    struct cq_str raw = {0};
    format_raw(json_object_get(row, column->key), column->kind, &raw);
    cq_str_add_printable(out, cq_str_text(&raw), raw.len);
    cq_str_fini(&raw);
}

static const struct column *find(const struct column *columns, const char *key, size_t len)
{
    for (; columns->key; columns++)
        if (strncmp(columns->key, key, len) == 0 && columns->key[len] == '\0')
            return columns;
    return NULL;
}

static int fail_unknown(const struct column *columns, const char *name, size_t len,
                        struct cq_err *err)
{
    const char *names[COLUMNS_MAX + 1];
    struct cq_str all = {0};
    size_t n = 0;
    for (; columns->key && n < COLUMNS_MAX; columns++) {
        names[n++] = columns->key;
        cq_str_printf(&all, "%s%s", all.len ? "," : "", columns->key);
    }
    names[n] = NULL;
    CQ_CLEANUP(cq_free_ptr) char *given = cq_strndup(name, len);
    const char *meant = cq_closest(given, names);
    if (meant)
        cq_fail(err, CQ_E_INVALID, "no column '%s'; did you mean '%s'?", given, meant);
    else
        cq_fail(err, CQ_E_INVALID, "no column '%s'; there are: %s", given, cq_str_text(&all));
    cq_str_fini(&all);
    return -1;
}

/* The columns to show, in order. Returns their number, or -1. */
static int choose(const struct cli *c, const struct column *columns, const struct column **chosen,
                  struct cq_err *err)
{
    int n = 0;
    if (c->output != CLI_COLUMNS) {
        for (; columns->key && n < COLUMNS_MAX; columns++)
            if (columns->is_default || c->output == CLI_CSV)
                chosen[n++] = columns;
        return n;
    }
    for (const char *p = c->format; n < COLUMNS_MAX;) {
        size_t len = strcspn(p, ",");
        chosen[n] = find(columns, p, len);
        if (chosen[n++] == NULL)
            return fail_unknown(columns, p, len, err);
        if (p[len] == '\0')
            return n;
        p += len + 1;
    }
    return cq_fail(err, CQ_E_LIMIT, "--format names more than %d columns", COLUMNS_MAX);
}

int columns_check(const struct cli *c, const struct column *columns, struct cq_err *err)
{
    const struct column *chosen[COLUMNS_MAX];
    return choose(c, columns, chosen, err) < 0 ? -1 : 0;
}

/* ---- CSV ---- */

static void add_csv_cell(const json_t *row, const struct column *column, struct cq_str *out)
{
    struct cq_str text = {0};
    const json_t *value = json_object_get(row, column->key);
    if (column->kind == COLUMN_TIME || column->kind == COLUMN_SIZE_MIB)
        format_number(value, &text); /* numbers stay numbers for programs */
    else
        format_raw(value, column->kind, &text);
    const char *p = cq_str_text(&text);
    bool is_formula = column->kind != COLUMN_NUMBER && *p && strchr("=+-@\t\r", *p);
    if (column->kind == COLUMN_WALL || column->kind == COLUMN_TIME)
        is_formula = false;
    if (is_formula || strpbrk(p, ",\"\r\n")) {
        cq_str_add(out, is_formula ? "\"'" : "\"");
        for (; *p; p++) {
            if (*p == '"')
                cq_str_add_char(out, '"');
            cq_str_add_char(out, *p);
        }
        cq_str_add_char(out, '"');
    } else {
        cq_str_add(out, p);
    }
    cq_str_fini(&text);
}

static void render_csv(json_t *rows, const struct column *const *chosen, size_t n,
                       struct cq_str *out)
{
    for (size_t i = 0; i < n; i++)
        cq_str_printf(out, "%s%s", i ? "," : "", chosen[i]->key);
    cq_str_add(out, "\r\n");
    for (size_t r = 0; r < json_array_size(rows); r++) {
        for (size_t i = 0; i < n; i++) {
            if (i)
                cq_str_add_char(out, ',');
            add_csv_cell(json_array_get(rows, r), chosen[i], out);
        }
        cq_str_add(out, "\r\n");
    }
}

/* ---- text ---- */

/* Characters that take a place on the terminal (bytes that start a UTF-8 character). */
static size_t width_of(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static bool is_right(enum column_kind kind)
{
    return kind == COLUMN_NUMBER || kind == COLUMN_TIME || kind == COLUMN_SIZE_MIB;
}

struct grid {
    char **cells; /* (rows + 1) * n, the titles first */
    size_t rows, n;
    size_t widths[COLUMNS_MAX];
};

static void grid_fill(struct grid *g, json_t *rows, const struct column *const *chosen)
{
    g->cells = cq_calloc((g->rows + 1) * g->n + 1, sizeof *g->cells);
    for (size_t r = 0; r <= g->rows; r++)
        for (size_t i = 0; i < g->n; i++) {
            struct cq_str cell = {0};
            if (r == 0)
                cq_str_add(&cell, chosen[i]->title);
            else
                column_format(json_array_get(rows, r - 1), chosen[i], &cell);
            size_t width = width_of(cq_str_text(&cell));
            if (width > g->widths[i])
                g->widths[i] = width;
            g->cells[r * g->n + i] = cell.data ? cq_str_take(&cell) : cq_strdup("");
        }
}

static void add_cell(const struct cli *c, const struct grid *g, size_t r, size_t i,
                     const struct column *column, struct cq_str *out)
{
    const char *text = g->cells[r * g->n + i];
    int pad = (int)(g->widths[i] - width_of(text));
    const char *color = r && column->kind == COLUMN_STATE ? state_color(c->has_color, text) : "";
    if (is_right(column->kind))
        cq_str_printf(out, "%*s%s", pad, "", text);
    else
        cq_str_printf(out, "%s%s%s%*s", color, text, *color ? color_end(true) : "",
                      i + 1 < g->n ? pad : 0, "");
    if (i + 1 < g->n)
        cq_str_add(out, "  ");
}

static void render_text(const struct cli *c, json_t *rows, const struct column *const *chosen,
                        size_t n, struct cq_str *out)
{
    struct grid g = {.rows = json_array_size(rows), .n = n};
    grid_fill(&g, rows, chosen);
    for (size_t r = 0; r <= g.rows; r++) {
        for (size_t i = 0; i < n; i++)
            add_cell(c, &g, r, i, chosen[i], out);
        while (out->len && out->data[out->len - 1] == ' ')
            cq_str_truncate(out, out->len - 1);
        cq_str_add_char(out, '\n');
    }
    for (size_t i = 0; i < (g.rows + 1) * n; i++)
        free(g.cells[i]);
    free(g.cells);
}

/* ---- JSON ---- */

static void add_json(const struct cli *c, const json_t *value, size_t flags, struct cq_str *out)
{
    if (c->stdout_is_tty)
        flags |= JSON_ENSURE_ASCII;
    CQ_CLEANUP(cq_free_ptr) char *text = json_dumps(value, flags);
    cq_str_add(out, text ? text : "null");
    cq_str_add_char(out, '\n');
}

int columns_render(const struct cli *c, const char *name, json_t *rows,
                   const struct column *columns, struct cq_str *out, struct cq_err *err)
{
    const struct column *chosen[COLUMNS_MAX];
    int n = choose(c, columns, chosen, err);
    if (n < 0)
        return -1;
    if (c->output == CLI_JSON) {
        json_t *object = json_pack("{s:O}", name, rows);
        add_json(c, object, JSON_INDENT(2), out);
        json_decref(object);
    } else if (c->output == CLI_JSONL) {
        for (size_t i = 0; i < json_array_size(rows); i++)
            add_json(c, json_array_get(rows, i), JSON_COMPACT, out);
    } else if (c->output == CLI_CSV) {
        render_csv(rows, chosen, (size_t)n, out);
    } else {
        render_text(c, rows, chosen, (size_t)n, out);
    }
    return 0;
}

int columns_print(const struct cli *c, const char *name, json_t *rows, const struct column *columns,
                  struct cq_err *err)
{
    struct cq_str text = {0};
    int rc = columns_render(c, name, rows, columns, &text, err);
    (void)fputs(cq_str_text(&text), stdout);
    cq_str_fini(&text);
    return rc;
}

void cli_print_error(const struct cli *c, const struct cq_err *err)
{
    if (c->output != CLI_JSON || c->has_answered)
        return;
    json_t *object = json_pack("{s:o}", "error", json_of_error(err));
    json_print(c, object);
    json_decref(object);
}

json_t *json_of_error(const struct cq_err *err)
{
    const char *text = err->text[0] ? err->text : cq_code_text(err->code);
    return json_pack("{s:s, s:o}", "code", cq_code_name(err->code), "text", json_text(text));
}

void json_print(const struct cli *c, const json_t *object)
{
    struct cq_str text = {0};
    add_json(c, object, JSON_INDENT(2), &text);
    (void)fputs(cq_str_text(&text), stdout);
    cq_str_fini(&text);
}
