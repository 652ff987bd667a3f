/* Writes result.json. */
#include "plugins/sdk/result.h"

#include "common/base/pure/str.h"
#include "common/base/sys/files.h"
#include "plugins/sdk/signature.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static json_t *clean_text(const char *text)
{
    struct cq_str clean = {0};
    cq_str_add_printable(&clean, text, strlen(text));
    json_t *value = json_string(cq_str_text(&clean));
    cq_str_fini(&clean);
    return value ? value : json_string("?");
}

static json_t *metrics_json(const struct metrics *m)
{
    json_t *object = json_object();
    for (size_t i = 0; i < m->count; i++)
        (void)json_object_set_new(object, m->items[i].name, json_real(m->items[i].value));
    return object;
}

static json_t *gates_json(const struct gates *g)
{
    json_t *list = json_array();
    for (size_t i = 0; g && i < g->count; i++) {
        const struct gate *gate = &g->items[i];
        char rule[64];
        (void)snprintf(rule, sizeof rule, "%s %.12g", gate_op_text(gate->op), gate->bound);
        (void)json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:o, s:b}", "metric", gate->metric, "rule", rule, "value",
                      gate->found ? json_real(gate->value) : json_null(), "ok", gate->ok ? 1 : 0));
    }
    return list;
}

static json_t *artefacts_json(const struct artefacts *a, size_t most)
{
    json_t *list = json_array();
    for (size_t i = 0; a && i < a->count && i < most; i++)
        (void)json_array_append_new(list, json_pack("{s:s, s:I, s:s}", "path", a->items[i].path,
                                                    "bytes", (json_int_t)a->items[i].bytes,
                                                    "blake2b", a->items[i].hex));
    return list;
}

static json_t *result_json(const struct result *r, size_t most_artefacts)
{
    const struct outcome *o = r->outcome;
    char signature[SIGNATURE_MAX] = "";
    if (o->verdict != VERDICT_PASS)
        signature_make(o->message, signature);
    json_t *root = json_object();
    (void)json_object_set_new(root, "chipq_result", json_integer(1));
    (void)json_object_set_new(root, "verdict", json_string(verdict_name(o->verdict)));
    (void)json_object_set_new(root, "summary", clean_text(o->summary));
    (void)json_object_set_new(root, "signature", clean_text(signature));
    (void)json_object_set_new(root, "metrics", metrics_json(&o->metrics));
    (void)json_object_set_new(root, "gates", gates_json(r->gates));
    (void)json_object_set_new(root, "tool",
                              json_pack("{s:s, s:s}", "name", r->tool, "version", r->tool_version));
    (void)json_object_set_new(root, "artefacts", artefacts_json(r->artefacts, most_artefacts));
    size_t count = r->artefacts ? r->artefacts->count : 0;
    size_t left = (r->artefacts ? r->artefacts->left_off : 0)
                  + (count > most_artefacts ? count - most_artefacts : 0);
    if (left > 0)
        (void)json_object_set_new(root, "artefacts_left_off", json_integer((json_int_t)left));
    if (o->metrics.left_off > 0)
        (void)json_object_set_new(root, "metrics_left_off",
                                  json_integer((json_int_t)o->metrics.left_off));
    return root;
}

char *result_text(const struct result *r)
{
    size_t most = r->artefacts ? r->artefacts->count : 0;
    for (;;) {
        json_t *root = result_json(r, most);
        char *text = json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
        json_decref(root);
        if (!text)
            abort();
        if (strlen(text) < RESULT_MAX_BYTES || most == 0)
            return text;
        free(text);
        most /= 2;
    }
}

int result_write(const struct result *r, const char *path, struct cq_err *err)
{
    char *text = result_text(r);
    char *temporary = path_format("%s.tmp", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    int rc = fd < 0 ? -1 : write_all(fd, text, strlen(text));
    rc = rc ? rc : write_all(fd, "\n", 1);
    int errnum = errno;
    if (fd >= 0 && close(fd) && rc == 0) {
        rc = -1;
        errnum = errno;
    }
    if (rc == 0 && rename(temporary, path)) {
        rc = -1;
        errnum = errno;
    }
    if (rc)
        rc = cq_fail_errno(err, CQ_E_IO, errnum, "cannot write %s", path);
    free(temporary);
    free(text);
    return rc;
}
