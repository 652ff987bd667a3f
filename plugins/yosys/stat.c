/* Reads the figures that yosys' `stat` and `check` wrote. */
#include "plugins/yosys/yosys.h"

#include "common/base/pure/str.h"
#include "common/base/sys/files.h"
#include "plugins/sdk/match.h"

#define STAT_MAX_BYTES ((size_t)16 * 1024 * 1024)

/* Calls `fn` for each line of a bounded file. */
static int each_line(const char *path, lines_fn fn, void *context, struct cq_err *err)
{
    struct cq_str CQ_CLEANUP(cq_str_fini) text = {0};
    if (file_read(path, STAT_MAX_BYTES, &text, err))
        return -1;
    struct lines lines;
    lines_init(&lines, fn, context);
    lines_feed(&lines, cq_str_text(&text), text.len);
    lines_finish(&lines);
    return 0;
}

struct area {
    char module_prefix[160], top_prefix[160];
    bool found;
    double value;
};

/* "Chip area for module '\uart': 1.0", and for a hierarchy "Chip area for top module '\uart': 2.0",
 * which comes last and counts. */
static void on_area_line(void *context, const char *line)
{
    struct area *a = context;
    if (match_number(line, a->top_prefix, &a->value)
        || match_number(line, a->module_prefix, &a->value))
        a->found = true;
}

static int read_area(const char *path, const char *top, struct outcome *out, struct cq_err *err)
{
    struct area area = {0};
    (void)snprintf(area.module_prefix, sizeof area.module_prefix,
                   "Chip area for module '\\%s': ", top);
    (void)snprintf(area.top_prefix, sizeof area.top_prefix,
                   "Chip area for top module '\\%s': ", top);
    if (each_line(path, on_area_line, &area, err))
        return -1;
    if (area.found)
        metrics_set(&out->metrics, "synth__design__instance__area", area.value);
    return 0;
}

static void judge_cells(double cells, double unmapped, const char *example, struct outcome *out)
{
    metrics_set(&out->metrics, "synth__design__instance__count", cells);
    metrics_set(&out->metrics, "synth__design__unmapped__count", unmapped);
    if (cells == 0)
        outcome_fail(out, "the netlist has no cells: nothing of the design drives an output");
    else if (unmapped > 0)
        outcome_fail(out, "cells that the library does not have, such as %.64s", example);
}

/* Types of cells that still begin with '$' were not mapped to the library. */
static int read_cells(json_t *root, struct outcome *out, struct cq_err *err)
{
    json_t *design = json_object_get(root, "design");
    json_t *count = json_object_get(design, "num_cells");
    json_t *types = json_object_get(design, "num_cells_by_type");
    if (!json_is_integer(count) || !json_is_object(types))
        return cq_fail(err, CQ_E_INVALID, "yosys' statistics hold no cell counts");
    double unmapped = 0;
    const char *type, *example = "";
    json_t *number;
    json_object_foreach(types, type, number)
    {
        if (type[0] == '$') {
            unmapped += json_number_value(number);
            example = type;
        }
    }
    judge_cells(json_number_value(count), unmapped, example, out);
    return 0;
}

int stat_read(const char *json_path, const char *text_path, const char *top, struct outcome *out,
              struct cq_err *err)
{
    struct cq_str CQ_CLEANUP(cq_str_fini) text = {0};
    if (file_read(json_path, STAT_MAX_BYTES, &text, err))
        return -1;
    json_error_t at;
    json_t *root = json_loadb(cq_str_text(&text), text.len, 0, &at);
    if (!root)
        return cq_fail(err, CQ_E_INVALID, "%s:%d: %s", json_path, at.line, at.text);
    int rc = read_cells(root, out, err);
    json_decref(root);
    return rc ? -1 : read_area(text_path, top, out, err);
}

struct check {
    bool found;
    double problems;
};

static void on_check_line(void *context, const char *line)
{
    struct check *c = context;
    if (match_number(line, "Found and reported ", &c->problems))
        c->found = true;
}

int stat_read_check(const char *path, struct outcome *out, struct cq_err *err)
{
    struct check check = {0};
    if (each_line(path, on_check_line, &check, err))
        return -1;
    if (!check.found)
        return cq_fail(err, CQ_E_INVALID, "%s: `check` did not reach its end", path);
    metrics_set(&out->metrics, "synth__check__problems", check.problems);
    return 0;
}
