/* Checks the parameters of a task against its table, and hands out their values. */
#include "plugins/sdk/params.h"

#include "common/base/pure/parse.h"
#include "common/base/pure/ranges.h"

#include <assert.h>
#include <math.h>

static const char *const type_names[] = {
    [PARAM_STRING] = "string",   [PARAM_INT] = "int",       [PARAM_NUMBER] = "number",
    [PARAM_BOOL] = "bool",       [PARAM_PATH] = "path",     [PARAM_PATHS] = "paths",
    [PARAM_STRINGS] = "strings", [PARAM_RANGES] = "ranges", [PARAM_MAP] = "map",
};

const char *param_type_name(enum param_type type)
{
    return type_names[type];
}

static const char *json_kind(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "a map";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true or false";
    case JSON_NULL:
        return "null";
    }
    return "something unknown";
}

static int wrong_type(const char *where, const char *expected, const json_t *value,
                      struct cq_err *err)
{
    return cq_fail(err, CQ_E_INVALID, "%s: expected %s, got %s", where, expected, json_kind(value));
}

/* One line, printable, bounded: parameters end up in scripts, command lines and reports. */
static int check_text(const char *where, const json_t *value, struct cq_err *err)
{
    if (!json_is_string(value))
        return wrong_type(where, "a string", value, err);
    size_t len = json_string_length(value);
    if (len > PARAM_TEXT_MAX)
        return cq_fail(err, CQ_E_LIMIT, "%s: %zu bytes, at most %d are allowed", where, len,
                       PARAM_TEXT_MAX);
    const char *text = json_string_value(value);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return cq_fail(err, CQ_E_INVALID, "%s: control characters are not allowed", where);
    return 0;
}

static int check_choice(const struct param_spec *spec, const char *where, const char *text,
                        struct cq_err *err)
{
    if (!spec->choices)
        return 0;
    char all[160] = "";
    for (const char *const *c = spec->choices; *c; c++) {
        if (strcmp(*c, text) == 0)
            return 0;
        size_t used = strlen(all);
        (void)snprintf(all + used, sizeof all - used, "%s%s", used ? ", " : "", *c);
    }
    return cq_fail(err, CQ_E_INVALID, "%s: '%.64s' is not one of %s", where, text, all);
}

static int check_string(const struct param_spec *spec, const char *where, const json_t *value,
                        struct cq_err *err)
{
    if (check_text(where, value, err))
        return -1;
    if (json_string_length(value) == 0)
        return cq_fail(err, CQ_E_INVALID, "%s: must not be empty", where);
    return check_choice(spec, where, json_string_value(value), err);
}

static bool is_bounded(const struct param_spec *spec)
{
    return spec->min != 0 || spec->max != 0;
}

static int check_number(const struct param_spec *spec, const char *where, const json_t *value,
                        struct cq_err *err)
{
    bool ok = spec->type == PARAM_INT ? json_is_integer(value) : json_is_number(value);
    if (!ok)
        return wrong_type(where, spec->type == PARAM_INT ? "a whole number" : "a number", value,
                          err);
    double number = json_number_value(value);
    if (!isfinite(number) || (is_bounded(spec) && (number < spec->min || number > spec->max)))
        return cq_fail(err, CQ_E_LIMIT, "%s: %g is outside %g..%g", where, number, spec->min,
                       spec->max);
    return 0;
}

static int check_count(const struct param_spec *spec, const char *where, size_t count,
                       struct cq_err *err)
{
    double most = is_bounded(spec) && spec->max > 0 ? spec->max : PARAM_LIST_MAX;
    if ((double)count > most || (double)count < spec->min)
        return cq_fail(err, CQ_E_LIMIT, "%s: %zu entries, allowed are %g..%g", where, count,
                       spec->min, most);
    return 0;
}

static int check_list(const struct param_spec *spec, const char *where, const json_t *value,
                      struct cq_err *err)
{
    if (!json_is_array(value))
        return wrong_type(where, "a list of strings", value, err);
    if (check_count(spec, where, json_array_size(value), err))
        return -1;
    for (size_t i = 0; i < json_array_size(value); i++) {
        char item[160];
        (void)snprintf(item, sizeof item, "%s[%zu]", where, i);
        if (check_string(spec, item, json_array_get(value, i), err))
            return -1;
    }
    return 0;
}

static int check_map(const struct param_spec *spec, const char *where, json_t *value,
                     struct cq_err *err)
{
    if (!json_is_object(value))
        return wrong_type(where, "a map", value, err);
    if (check_count(spec, where, json_object_size(value), err))
        return -1;
    const char *key;
    json_t *entry;
    json_object_foreach(value, key, entry)
    {
        char item[160];
        (void)snprintf(item, sizeof item, "%s.%.64s", where, key);
        if (json_is_string(entry) && check_text(item, entry, err))
            return -1;
        if (!json_is_string(entry) && !json_is_number(entry) && !json_is_boolean(entry))
            return wrong_type(item, "a string, a number, true or false", entry, err);
    }
    return 0;
}

static int check_ranges(const char *where, const json_t *value, struct cq_err *err)
{
    if (json_is_integer(value))
        return json_integer_value(value) >= 0 && json_integer_value(value) <= PARAM_RANGES_LAST
                   ? 0
                   : cq_fail(err, CQ_E_LIMIT, "%s: outside 0..%u", where, PARAM_RANGES_LAST);
    if (check_text(where, value, err))
        return -1;
    struct ranges ranges = {0};
    int rc =
        ranges_parse(json_string_value(value), PARAM_RANGES_LAST, PARAM_RANGES_MAX, &ranges, err);
    ranges_fini(&ranges);
    return rc ? cq_wrap(err, "%s", where) : 0;
}

static int check_value(const struct param_spec *spec, json_t *value, struct cq_err *err)
{
    char where[96];
    (void)snprintf(where, sizeof where, "params.%s", spec->name);
    switch (spec->type) {
    case PARAM_STRING:
    case PARAM_PATH:
        return check_string(spec, where, value, err);
    case PARAM_INT:
    case PARAM_NUMBER:
        return check_number(spec, where, value, err);
    case PARAM_BOOL:
        return json_is_boolean(value) ? 0 : wrong_type(where, "true or false", value, err);
    case PARAM_PATHS:
    case PARAM_STRINGS:
        return check_list(spec, where, value, err);
    case PARAM_RANGES:
        return check_ranges(where, value, err);
    case PARAM_MAP:
        return check_map(spec, where, value, err);
    }
    return cq_fail(err, CQ_E_INTERNAL, "%s: a type without a check", where);
}

static const struct param_spec *spec_find(const struct param_spec *specs, const char *name)
{
    for (const struct param_spec *s = specs; s->name; s++)
        if (strcmp(s->name, name) == 0)
            return s;
    return NULL;
}

static bool is_wanted(const char *const *wanted, const char *name)
{
    if (!wanted)
        return true;
    for (; *wanted; wanted++)
        if (strcmp(*wanted, name) == 0)
            return true;
    return false;
}

static int unknown_param(const struct param_spec *specs, const char *name, struct cq_err *err)
{
    const char *names[128];
    size_t n = 0;
    for (const struct param_spec *s = specs; s->name && n < CQ_COUNT(names) - 1; s++)
        names[n++] = s->name;
    names[n] = NULL;
    const char *closest = cq_closest(name, names);
    if (closest)
        return cq_fail(err, CQ_E_INVALID, "params.%.64s: no such parameter; did you mean '%s'?",
                       name, closest);
    return cq_fail(err, CQ_E_INVALID, "params.%.64s: no such parameter", name);
}

static int check_given(const struct param_spec *specs, json_t *given, struct cq_err *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(given, key, value)
    {
        const struct param_spec *spec = spec_find(specs, key);
        if (!spec)
            return unknown_param(specs, key, err);
        if (!json_is_null(value) && check_value(spec, value, err))
            return -1;
    }
    return 0;
}

/* A default is part of our own table: text that does not parse is our bug. */
static json_t *fallback_value(const struct param_spec *spec)
{
    json_t *value = json_loads(spec->fallback, JSON_DECODE_ANY, NULL);
    assert(value);
    return value;
}

static int fill_values(const struct param_spec *specs, const char *const *wanted, json_t *given,
                       json_t *values, struct cq_err *err)
{
    for (const struct param_spec *s = specs; s->name; s++) {
        json_t *value = json_object_get(given, s->name);
        if (value && !json_is_null(value)) {
            (void)json_object_set(values, s->name, value);
            continue;
        }
        if (s->required && is_wanted(wanted, s->name))
            return cq_fail(err, CQ_E_INVALID, "params.%s: required, but not given (%s)", s->name,
                           s->help);
        if (s->fallback)
            (void)json_object_set_new(values, s->name, fallback_value(s));
    }
    return 0;
}

int params_read(const struct param_spec *specs, const char *const *wanted, json_t *given,
                struct params *out, struct cq_err *err)
{
    if (!json_is_object(given))
        return wrong_type("params", "a map", given, err);
    if (check_given(specs, given, err))
        return -1;
    json_t *values = json_object();
    if (fill_values(specs, wanted, given, values, err)) {
        json_decref(values);
        return -1;
    }
    *out = (struct params){.specs = specs, .values = values};
    return 0;
}

void params_fini(struct params *p)
{
    json_decref(p->values);
    *p = (struct params){0};
}

static json_t *value_of(const struct params *p, const char *name)
{
    assert(spec_find(p->specs, name));
    return json_object_get(p->values, name);
}

bool params_has(const struct params *p, const char *name)
{
    return value_of(p, name) != NULL;
}

const char *params_text(const struct params *p, const char *name)
{
    return json_string_value(value_of(p, name));
}

int64_t params_int(const struct params *p, const char *name)
{
    return (int64_t)json_integer_value(value_of(p, name));
}

double params_number(const struct params *p, const char *name)
{
    return json_number_value(value_of(p, name));
}

bool params_bool(const struct params *p, const char *name)
{
    return json_is_true(value_of(p, name));
}

size_t params_count(const struct params *p, const char *name)
{
    json_t *value = value_of(p, name);
    return json_is_object(value) ? json_object_size(value) : json_array_size(value);
}

const char *params_item(const struct params *p, const char *name, size_t index)
{
    const char *text = json_string_value(json_array_get(value_of(p, name), index));
    assert(text);
    return text;
}

static void scalar_text(const json_t *value, char *buf, size_t size)
{
    if (json_is_string(value))
        (void)cq_copy_text(buf, size, json_string_value(value));
    else if (json_is_integer(value))
        (void)snprintf(buf, size, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        (void)snprintf(buf, size, "%.17g", json_real_value(value));
    else
        (void)snprintf(buf, size, "%d", json_is_true(value) ? 1 : 0);
}

const char *params_entry(const struct params *p, const char *name, size_t index, char *buf,
                         size_t size)
{
    json_t *map = value_of(p, name);
    void *at = json_object_iter(map);
    for (; at && index > 0; index--)
        at = json_object_iter_next(map, at);
    assert(at);
    scalar_text(json_object_iter_value(at), buf, size);
    return json_object_iter_key(at);
}
