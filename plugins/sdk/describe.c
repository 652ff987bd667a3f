/* The plugin's table as JSON. */
#include "plugins/sdk/describe.h"

static json_t *texts_json(const char *const *texts)
{
    json_t *list = json_array();
    for (; texts && *texts; texts++)
        (void)json_array_append_new(list, json_string(*texts));
    return list;
}

static void set_text(json_t *object, const char *key, const char *text)
{
    if (text)
        (void)json_object_set_new(object, key, json_string(text));
}

static json_t *param_json(const struct param_spec *p)
{
    json_t *fallback = p->fallback ? json_loads(p->fallback, JSON_DECODE_ANY, NULL) : json_null();
    json_t *o = json_pack("{s:s, s:s, s:b, s:o, s:f, s:f, s:s}", "name", p->name, "type",
                          param_type_name(p->type), "required", p->required ? 1 : 0, "default",
                          fallback, "min", p->min, "max", p->max, "help", p->help);
    if (p->choices)
        (void)json_object_set_new(o, "choices", texts_json(p->choices));
    set_text(o, "from_need", p->from_need);
    return o;
}

static json_t *metrics_json(const struct plugin_metric *metrics)
{
    json_t *list = json_array();
    for (; metrics && metrics->name; metrics++) {
        json_t *o = json_pack("{s:s, s:s, s:s}", "name", metrics->name, "unit",
                              metrics->unit ? metrics->unit : "count", "help", metrics->help);
        if (strchr(metrics->name, '<'))
            (void)json_object_set_new(o, "pattern", json_true());
        set_text(o, "stage", metrics->stage);
        (void)json_array_append_new(list, o);
    }
    return list;
}

static json_t *outputs_json(const struct plugin_output *outputs)
{
    json_t *list = json_array();
    for (; outputs && outputs->path; outputs++) {
        json_t *o = json_pack("{s:s, s:s}", "path", outputs->path, "help", outputs->help);
        set_text(o, "stage", outputs->stage);
        (void)json_array_append_new(list, o);
    }
    return list;
}

static json_t *params_json(const struct param_spec *specs)
{
    json_t *list = json_array();
    for (; specs->name; specs++)
        (void)json_array_append_new(list, param_json(specs));
    return list;
}

static json_t *resources_json(const struct plugin_resources *r)
{
    return json_pack("{s:i, s:i, s:i}", "cores", r->cores, "mem_mib", r->mem_mib, "time_s",
                     r->time_s);
}

static json_t *all_params_json(const struct param_spec *specs)
{
    json_t *list = json_array();
    for (; specs->name; specs++)
        (void)json_array_append_new(list, json_string(specs->name));
    return list;
}

static json_t *stage_json(const struct plugin_task *task, size_t index)
{
    const struct plugin_stage *s = &task->stages[index];
    json_t *o = json_object();
    (void)json_object_set_new(o, "name", json_string(s->name));
    (void)json_object_set_new(o, "stage", json_string(s->name[0] ? s->name : "run"));
    (void)json_object_set_new(o, "array", json_boolean(s->array_from != NULL));
    if (s->array_from)
        (void)json_object_set_new(o, "from", texts_json(s->array_from));
    if (index > 0)
        (void)json_object_set_new(o, "after", json_string("ok"));
    (void)json_object_set_new(o, "params",
                              s->params ? texts_json(s->params) : all_params_json(task->params));
    (void)json_object_set_new(o, "resources", resources_json(&s->resources));
    return o;
}

static json_t *task_json(const struct plugin_task *task)
{
    const struct plugin_stage *last = &task->stages[task->stage_count - 1];
    json_t *o = json_object();
    (void)json_object_set_new(o, "name", json_string(task->name));
    (void)json_object_set_new(o, "summary", json_string(task->summary));
    (void)json_object_set_new(o, "params", params_json(task->params));
    (void)json_object_set_new(o, "resources", resources_json(&last->resources));
    (void)json_object_set_new(o, "licences", json_object());
    (void)json_object_set_new(o, "metrics", metrics_json(task->metrics));
    (void)json_object_set_new(o, "own_metrics", json_boolean(task->own_metrics));
    (void)json_object_set_new(o, "outputs", outputs_json(task->outputs));
    set_text(o, "example", task->example);
    if (task->stage_count == 1)
        return o;
    json_t *stages = json_array();
    for (size_t i = 0; i < task->stage_count; i++)
        (void)json_array_append_new(stages, stage_json(task, i));
    (void)json_object_set_new(o, "stages", stages);
    return o;
}

char *describe_text(const struct plugin *plugin, const struct probe *probe)
{
    json_t *tasks = json_array();
    for (size_t i = 0; i < plugin->task_count; i++)
        (void)json_array_append_new(tasks, task_json(&plugin->tasks[i]));
    json_t *tool = json_pack(
        "{s:o, s:s, s:b, s:s}", "binary", probe->found ? json_string(probe->path) : json_null(),
        "version", probe->version, "found", probe->found ? 1 : 0, "package", plugin->tool.package);
    json_t *root = json_pack("{s:i, s:s, s:s, s:o, s:o}", "chipq_plugin", 1, "name", plugin->name,
                             "summary", plugin->summary, "tool", tool, "tasks", tasks);
    char *text = json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
    if (!text)
        abort();
    json_decref(root);
    return text;
}
