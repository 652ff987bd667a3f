/* One parameter of a tool: from YAML to JSON, as the tool's own description says. */
#include "cli/flow.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "common/base/pure/ranges.h"

#include <inttypes.h>

struct param_context {
    struct flow *f;
    const struct flow_job *job;
    const struct flow_param *param;
    const json_t *described;
    struct flow_errors *e;
};

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static void fail_type(const struct param_context *c, const yaml_node_t *node, const char *expected)
{
    const char *text = flow_scalar(node);
    if (text && *text)
        flow_errors_add(c->e, flow_at_of(node), "%s must be %s, not '%.80s'", c->param->name,
                        expected, text);
    else
        flow_errors_add(c->e, flow_at_of(node), "%s must be %s, not %s", c->param->name, expected,
                        flow_kind_of(node));
}

/* Bounds of a number, or of a list's length; both zero means none. */
static bool is_in_bounds(const struct param_context *c, const yaml_node_t *node, double value,
                         const char *unit)
{
    double min = json_number_value(json_object_get(c->described, "min"));
    double max = json_number_value(json_object_get(c->described, "max"));
    if ((min == 0 && max == 0) || (value >= min && value <= max))
        return true;
    flow_errors_add(c->e, flow_at_of(node),
                    "%s is out of range: %.15g%s; it must be %.15g to %.15g", c->param->name, value,
                    unit, min, max);
    return false;
}

static json_t *read_string(const struct param_context *c, const yaml_node_t *node)
{
    const json_t *choices = json_object_get(c->described, "choices");
    const char *text = flow_scalar(node);
    struct cq_str all = {0};
    if (text == NULL)
        return fail_type(c, node, "a text"), NULL;
    if (strlen(text) > 4096)
        return flow_errors_add(c->e, flow_at_of(node), "%s is longer than 4096 bytes",
                               c->param->name),
               NULL;
    for (size_t i = 0; i < json_array_size(choices); i++) {
        const char *choice = json_string_value(json_array_get(choices, i));
        if (choice && strcmp(choice, text) == 0)
            return json_string(text);
        cq_str_printf(&all, "%s%s", i ? ", " : "one of ", choice ? choice : "");
    }
    if (all.len)
        fail_type(c, node, cq_str_text(&all));
    json_t *value = all.len ? NULL : json_string(text);
    cq_str_fini(&all);
    return value;
}

static json_t *read_int(const struct param_context *c, const yaml_node_t *node)
{
    const char *text = flow_scalar(node);
    int64_t value = 0;
    if (text == NULL || parse_i64(text, INT64_MIN, INT64_MAX, &value, NULL) != 0)
        return fail_type(c, node, "a whole number"), NULL;
    return is_in_bounds(c, node, (double)value, "") ? json_integer(value) : NULL;
}

static json_t *read_number(const struct param_context *c, const yaml_node_t *node)
{
    const char *text = flow_scalar(node);
    double value = 0;
    if (text == NULL || parse_double(text, &value, NULL) != 0)
        return fail_type(c, node, "a number"), NULL;
    return is_in_bounds(c, node, value, "") ? json_real(value) : NULL;
}

static json_t *read_bool(const struct param_context *c, const yaml_node_t *node)
{
    const char *text = flow_scalar(node);
    if (text && strcmp(text, "true") == 0)
        return json_true();
    if (text && strcmp(text, "false") == 0)
        return json_false();
    fail_type(c, node, "true or false");
    return NULL;
}

static json_t *read_path(const struct param_context *c, const yaml_node_t *node)
{
    const char *text = flow_scalar(node);
    if (text == NULL)
        return fail_type(c, node, "one file"), NULL;
    const struct flow_context at = {c->f, c->job, c->e};
    json_t *list = json_array();
    flow_expand_path(&at, flow_at_of(node), text, false, list);
    json_t *value = json_incref(json_array_get(list, 0));
    json_decref(list);
    return value;
}

static void add_entry(const struct param_context *c, const yaml_node_t *item, bool is_paths,
                      json_t *list)
{
    const struct flow_context at = {c->f, c->job, c->e};
    const char *text = flow_scalar(item);
    if (text == NULL)
        fail_type(c, item, "a list of texts");
    else if (is_paths)
        flow_expand_path(&at, flow_at_of(item), text, true, list);
    else
        json_array_append_new(list, json_string(text));
}

/* Lists: of texts, or of globs. One text alone is a list of one. */
static json_t *read_list(const struct param_context *c, const yaml_node_t *node, bool is_paths)
{
    const char *alone = flow_scalar(node);
    if (alone && *alone) {
        json_t *one = json_array();
        add_entry(c, node, is_paths, one);
        if (json_array_size(one))
            is_in_bounds(c, node, (double)json_array_size(one), " entries");
        return one;
    }
    if (node->type != YAML_SEQUENCE_NODE)
        return fail_type(c, node,
                         is_paths ? "a list of files, as in [rtl/*.sv]" : "a list of texts"),
               NULL;
    json_t *list = json_array();
    for (const yaml_node_item_t *i = node->data.sequence.items.start;
         i < node->data.sequence.items.top; i++)
        add_entry(c, yaml_document_get_node(&c->f->document, *i), is_paths, list);
    size_t n = json_array_size(list);
    if (n > 10000)
        flow_errors_add(c->e, flow_at_of(node), "%s has %zu entries; at most 10000", c->param->name,
                        n);
    if (node->data.sequence.items.top == node->data.sequence.items.start || n)
        is_in_bounds(c, node, (double)n, " entries");
    return list;
}

static json_t *read_ranges(const struct param_context *c, const yaml_node_t *node)
{
    const char *text = flow_scalar(node);
    struct cq_err err = {0};
    struct request parsed = {0};
    if (text == NULL)
        return fail_type(c, node, "task numbers, as in 1-200"), NULL;
    if (request_set(&parsed, "array", text, &err) != 0)
        return flow_errors_add(c->e, flow_at_of(node), "%s: %s", c->param->name, err.text), NULL;
    json_t *value = NULL;
    if (is_in_bounds(c, node, (double)parsed.tasks, " tasks"))
        value = json_string(parsed.array);
    request_fini(&parsed);
    return value;
}

static json_t *scalar_value(const yaml_node_t *node)
{
    const char *text = flow_scalar(node);
    int64_t whole = 0;
    double real = 0;
    if (flow_is_plain(node)) {
        if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
            return json_boolean(text[0] == 't');
        if (parse_i64(text, INT64_MIN, INT64_MAX, &whole, NULL) == 0)
            return json_integer(whole);
        if (parse_double(text, &real, NULL) == 0)
            return json_real(real);
    }
    return json_string(text);
}

static json_t *read_map(const struct param_context *c, const yaml_node_t *node)
{
    if (node->type != YAML_MAPPING_NODE)
        return fail_type(c, node, "a map, as in {WIDTH: 8}"), NULL;
    json_t *map = json_object();
    for (const yaml_node_pair_t *p = node->data.mapping.pairs.start;
         p < node->data.mapping.pairs.top; p++) {
        const yaml_node_t *key = yaml_document_get_node(&c->f->document, p->key);
        const yaml_node_t *value = yaml_document_get_node(&c->f->document, p->value);
        const char *name = flow_scalar(key);
        if (name == NULL || *name == '\0')
            flow_errors_add(c->e, flow_at_of(key), "%s: a key must be a text", c->param->name);
        else if (json_object_get(map, name))
            flow_errors_add(c->e, flow_at_of(key), "key '%s' is there twice", name);
        else if (flow_scalar(value) == NULL)
            flow_errors_add(c->e, flow_at_of(value), "%s: '%s' must be one value, not %s",
                            c->param->name, name, flow_kind_of(value));
        else
            json_object_set_new(map, name, scalar_value(value));
    }
    is_in_bounds(c, node, (double)json_object_size(map), " entries");
    return map;
}

json_t *flow_param_value(struct flow *f, const struct flow_job *job, const struct flow_param *param,
                         const json_t *described, struct flow_errors *e)
{
    struct param_context c = {.f = f, .job = job, .param = param, .described = described, .e = e};
    const char *type = text_of(described, "type");
    if (strcmp(type, "string") == 0)
        return read_string(&c, param->value);
    if (strcmp(type, "int") == 0)
        return read_int(&c, param->value);
    if (strcmp(type, "number") == 0)
        return read_number(&c, param->value);
    if (strcmp(type, "bool") == 0)
        return read_bool(&c, param->value);
    if (strcmp(type, "path") == 0)
        return read_path(&c, param->value);
    if (strcmp(type, "paths") == 0)
        return read_list(&c, param->value, true);
    if (strcmp(type, "strings") == 0)
        return read_list(&c, param->value, false);
    if (strcmp(type, "ranges") == 0)
        return read_ranges(&c, param->value);
    if (strcmp(type, "map") == 0)
        return read_map(&c, param->value);
    flow_errors_add(e, param->at,
                    "%s.%s describes '%s' with the type '%s', which this chipq does not know",
                    job->tool, job->task, param->name, type);
    return NULL;
}
