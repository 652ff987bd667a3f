/* How problems of a file are told: a line each, or one JSON object. */
#include "cli/file_errors.h"

#include "cli/columns.h"
#include "cli/to_json.h"

static json_t *errors_json(const struct flow_errors *e)
{
    json_t *list = json_array();
    for (size_t i = 0; i < e->n; i++)
        json_array_append_new(
            list, json_pack("{s:I, s:I, s:o}", "line", (json_int_t)e->items[i].at.line, "column",
                            (json_int_t)e->items[i].at.col, "text", json_text(e->items[i].text)));
    return json_pack("{s:o}", "errors", list);
}

int file_errors_fail(struct cli *c, struct flow_errors *e, const char *path, const char *outcome,
                     struct cq_err *err)
{
    struct cq_str text = {0};
    struct cq_err why = {0};
    size_t n = e->n + e->more;
    flow_errors_sort(e);
    flow_errors_format(e, path, &text);
    (void)fputs(cq_str_text(&text), stderr);
    cq_str_fini(&text);
    cq_fail(&why, CQ_E_INVALID, "%s: %zu problem%s; %s", path, n, n == 1 ? "" : "s", outcome);
    if (c->output == CLI_JSON) {
        json_t *object = errors_json(e);
        json_object_set_new(object, "error", json_of_error(&why));
        json_print(c, object);
        json_decref(object);
        c->has_answered = true;
    }
    return cq_fail(err, why.code, "%s", why.text);
}
