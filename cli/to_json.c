/* Wire structs to JSON, expanded from messages.def. */
#include "cli/to_json.h"

json_t *json_text(const char *text)
{
    json_t *value = json_string(text ? text : "");
    if (value)
        return value;
    struct cq_str s = {0};
    cq_str_add_printable(&s, text ? text : "", text ? strlen(text) : 0);
    value = json_string(cq_str_text(&s));
    cq_str_fini(&s);
    return value;
}

void json_embed(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (text == NULL)
        return;
    json_t *parsed = *text ? json_loads(text, 0, NULL) : NULL;
    json_object_set_new(object, key, parsed ? parsed : json_object());
}

static json_t *number(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static json_t *texts(const char *const *items, size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(array, json_text(items[i]));
    return array;
}

static json_t *numbers(const uint64_t *items, size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(array, number(items[i]));
    return array;
}

/* clang-format off */
#define J_u64(name)  json_object_set_new(o, #name, number(r->name));
#define J_i64(name)  json_object_set_new(o, #name, json_integer(r->name));
#define J_flag(name) json_object_set_new(o, #name, json_boolean(r->name));
#define J_str(name)  json_object_set_new(o, #name, json_text(r->name));
#define J_bin(name)
#define J_strs(name) json_object_set_new(o, #name, texts(r->name, r->n_##name));
#define J_u64s(name) json_object_set_new(o, #name, numbers(r->name, r->n_##name));

#define REC(name, doc)             json_t *json_of_##name(const struct name *r) { json_t *o = json_object(); (void)r;
#define MSG(NAME, name, code, doc) json_t *json_of_msg_##name(const struct msg_##name *r) { json_t *o = json_object(); (void)r;
#define FIELD(kind, name, need, max, doc) J_##kind(name)
#define LIST(rec, name, max, doc) \
    json_t *list_##name = json_array(); \
    for (size_t i = 0; i < r->n_##name; i++) \
        json_array_append_new(list_##name, json_of_##rec(&r->name[i])); \
    json_object_set_new(o, #name, list_##name);
#define END(name) return o; }
#include "common/wire/messages.def"
#undef REC
#undef MSG
#undef FIELD
#undef LIST
#undef END
/* clang-format on */
