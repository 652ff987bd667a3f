/* Reads task.json. */
#include "plugins/sdk/taskfile.h"

#include "common/base/pure/parse.h"
#include "common/base/pure/str.h"
#include "common/base/sys/files.h"

static int get_text(json_t *root, const char *key, bool required, const char **out,
                    struct cq_err *err)
{
    json_t *value = json_object_get(root, key);
    *out = "";
    if (!value || json_is_null(value))
        return required ? cq_fail(err, CQ_E_INVALID, "%s: required, but not given", key) : 0;
    if (!json_is_string(value))
        return cq_fail(err, CQ_E_INVALID, "%s: expected a string", key);
    if (json_string_length(value) > 255)
        return cq_fail(err, CQ_E_LIMIT, "%s: longer than 255 bytes", key);
    *out = json_string_value(value);
    return 0;
}

static int get_object(json_t *root, const char *key, bool required, json_t **out,
                      struct cq_err *err)
{
    json_t *value = json_object_get(root, key);
    *out = NULL;
    if (!value || json_is_null(value))
        return required ? cq_fail(err, CQ_E_INVALID, "%s: required, but not given", key) : 0;
    if (!json_is_object(value))
        return cq_fail(err, CQ_E_INVALID, "%s: expected a map", key);
    *out = value;
    return 0;
}

/* A whole number from the environment, else from the file, else `fallback`. */
static int get_number(json_t *root, const char *key, const char *variable, uint64_t max,
                      uint64_t *value, struct cq_err *err)
{
    const char *text = getenv(variable);
    if (text && *text)
        return parse_u64(text, 0, max, value, err) ? cq_wrap(err, "environment: %s", variable) : 0;
    json_t *number = json_object_get(root, key);
    if (!number || json_is_null(number))
        return 0;
    if (!json_is_integer(number) || json_integer_value(number) < 0
        || (uint64_t)json_integer_value(number) > max)
        return cq_fail(err, CQ_E_INVALID, "%s: expected a whole number, 0..%llu", key,
                       (unsigned long long)max);
    *value = (uint64_t)json_integer_value(number);
    return 0;
}

static int check_deps(json_t *deps, struct cq_err *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(deps, key, value)
    {
        if (!json_is_string(value) || json_string_value(value)[0] != '/')
            return cq_fail(err, CQ_E_INVALID, "deps.%.64s: expected an absolute directory", key);
    }
    return 0;
}

static int check_version(json_t *root, struct cq_err *err)
{
    json_t *version = json_object_get(root, "chipq_task");
    if (!json_is_integer(version))
        return cq_fail(err, CQ_E_INVALID, "chipq_task: expected the number %d", TASKFILE_VERSION);
    if (json_integer_value(version) != TASKFILE_VERSION)
        return cq_fail(err, CQ_E_VERSION,
                       "chipq_task: version %lld, this plugin reads version %d; install the "
                       "plugins of the same release as the scheduler",
                       (long long)json_integer_value(version), TASKFILE_VERSION);
    return 0;
}

static int fill(struct taskfile *t, struct cq_err *err)
{
    uint64_t array_task = 0;
    t->seed = 1;
    if (check_version(t->root, err) || get_text(t->root, "tool", false, &t->tool, err)
        || get_text(t->root, "task", true, &t->task, err)
        || get_text(t->root, "stage", false, &t->stage, err)
        || get_text(t->root, "job", false, &t->job, err)
        || get_number(t->root, "array_task", "CHIPQ_TASK", UINT32_MAX, &array_task, err)
        || get_number(t->root, "seed", "CHIPQ_SEED", INT64_MAX, &t->seed, err)
        || get_object(t->root, "params", true, &t->params, err)
        || get_object(t->root, "require", false, &t->require, err)
        || get_object(t->root, "expect", false, &t->expect, err)
        || get_object(t->root, "deps", false, &t->deps, err) || check_deps(t->deps, err))
        return -1;
    t->array_task = (uint32_t)array_task;
    return 0;
}

int taskfile_read(const char *path, struct taskfile *out, struct cq_err *err)
{
    struct cq_str CQ_CLEANUP(cq_str_fini) text = {0};
    if (file_read(path, TASKFILE_MAX_BYTES, &text, err))
        return -1;
    json_error_t at;
    struct taskfile t = {0};
    t.root = json_loadb(cq_str_text(&text), text.len, JSON_REJECT_DUPLICATES, &at);
    if (!t.root)
        return cq_fail(err, CQ_E_INVALID, "%s:%d:%d: %s", path, at.line, at.column, at.text);
    int rc = json_is_object(t.root) ? fill(&t, err)
                                    : cq_fail(err, CQ_E_INVALID, "expected a map at the top");
    if (rc) {
        taskfile_fini(&t);
        return cq_wrap(err, "%s", path);
    }
    *out = t;
    return 0;
}

void taskfile_fini(struct taskfile *t)
{
    json_decref(t->root);
    *t = (struct taskfile){0};
}
