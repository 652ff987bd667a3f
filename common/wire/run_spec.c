/* The run specification's codec. */
#include "common/wire/run_spec.h"
#include "common/base/pure/flat.h"
#include "common/base/pure/mem.h"

#include <inttypes.h>

enum {
    SPEC_VERSION = 2,
    TEXTS_MAX = 8192,
    TEXT_MAX = 131072,
    PATH_MAX_BYTES = 4095,
    TOOL_MAX = 63
};

static void free_texts(char **texts, size_t n)
{
    for (size_t i = 0; texts && i < n; i++)
        free(texts[i]);
    free(texts);
}

void run_spec_fini(struct run_spec *s)
{
    free_texts(s->argv, s->n_argv);
    free_texts(s->env, s->n_env);
    free(s->cwd);
    free(s->src_dir);
    free(s->tool);
    free(s->task_json);
    *s = (struct run_spec){0};
}

static void put_texts(struct cq_str *out, char *const *texts, size_t n)
{
    flat_put_u64(out, n);
    for (size_t i = 0; i < n; i++)
        flat_put_text(out, texts[i]);
}

void run_spec_encode(const struct run_spec *s, struct cq_str *out)
{
    flat_put_u64(out, SPEC_VERSION);
    put_texts(out, s->argv, s->n_argv);
    put_texts(out, s->env, s->n_env);
    flat_put_text(out, s->cwd);
    flat_put_text(out, s->src_dir);
    flat_put_text(out, s->tool);
    flat_put_text(out, s->task_json);
    flat_put_u64(out, s->output_max_mib);
    flat_put_i64(out, s->grace_us);
    flat_put_u64(out, s->output_full);
}

int64_t run_spec_grace_us(const struct run_spec *s)
{
    if (s->grace_us <= 0)
        return RUN_SPEC_GRACE_US;
    return s->grace_us > RUN_SPEC_GRACE_MAX_US ? RUN_SPEC_GRACE_MAX_US : s->grace_us;
}

uint64_t run_spec_output_mib(const struct run_spec *s)
{
    return s->output_max_mib ? s->output_max_mib : RUN_SPEC_OUTPUT_MIB;
}

/* NULL-terminated. On failure of the reader the count says what is there to free. */
static char **get_texts(struct flat_reader *r, size_t *n)
{
    size_t count = flat_get_count(r, TEXTS_MAX);
    char **texts = cq_calloc(count + 1, sizeof *texts);
    *n = 0;
    while (*n < count && !r->failed) {
        texts[*n] = flat_get_text(r, TEXT_MAX);
        (*n)++;
    }
    return texts;
}

static int check_path(const char *path, const char *field, struct cq_err *err)
{
    if (*path == '\0' || *path == '/')
        return 0;
    return cq_fail(err, CQ_E_PROTOCOL, "run specification: %s is not an absolute path", field);
}

static int check(const struct run_spec *s, struct cq_err *err)
{
    if (s->n_argv == 0 && *s->tool == '\0')
        return cq_fail(err, CQ_E_PROTOCOL, "run specification: neither a command nor a tool");
    if (s->n_argv > 0 && *s->argv[0] == '\0')
        return cq_fail(err, CQ_E_PROTOCOL, "run specification: the command's name is empty");
    for (size_t i = 0; i < s->n_env; i++)
        if (strchr(s->env[i], '=') == NULL || s->env[i][0] == '=')
            return cq_fail(err, CQ_E_PROTOCOL, "run specification: env[%zu] is not NAME=value", i);
    if (s->grace_us < 0)
        return cq_fail(err, CQ_E_PROTOCOL, "run specification: grace_us is negative");
    if (s->output_full > 1)
        return cq_fail(err, CQ_E_PROTOCOL, "run specification: output_full is out of range");
    if (check_path(s->cwd, "cwd", err) != 0)
        return -1;
    return check_path(s->src_dir, "src_dir", err);
}

/* Reads one field; remembers the first one that failed. */
#define TAKE(field, expression)         \
    do {                                \
        got.field = (expression);       \
        if (r.failed && broken == NULL) \
            broken = #field;            \
    } while (0)

int run_spec_decode(const void *data, size_t bytes, struct run_spec *out, struct cq_err *err)
{
    if (bytes > RUN_SPEC_MAX)
        return cq_fail(err, CQ_E_LIMIT, "run specification of %zu bytes is over %d", bytes,
                       RUN_SPEC_MAX);
    struct flat_reader r = flat_reader_of(data, bytes);
    struct run_spec got = {0};
    const char *broken = NULL;
    uint64_t version = flat_get_u64(&r);
    if (!r.failed && (version == 0 || version > SPEC_VERSION))
        return cq_fail(err, CQ_E_VERSION, "run specification of version %" PRIu64 ", not %d",
                       version, SPEC_VERSION);
    TAKE(argv, get_texts(&r, &got.n_argv));
    TAKE(env, get_texts(&r, &got.n_env));
    TAKE(cwd, flat_get_text(&r, PATH_MAX_BYTES));
    TAKE(src_dir, flat_get_text(&r, PATH_MAX_BYTES));
    TAKE(tool, flat_get_text(&r, TOOL_MAX));
    TAKE(task_json, flat_get_text(&r, RUN_SPEC_MAX));
    TAKE(output_max_mib, flat_get_u64(&r));
    TAKE(grace_us, flat_get_i64(&r));
    if (version >= 2) {
        TAKE(output_full, flat_get_u64(&r));
    }
    int rc = 0;
    if (broken)
        rc = cq_fail(err, CQ_E_PROTOCOL, "run specification: %s is cut off or over its bound",
                     broken);
    else if (!flat_at_end(&r))
        rc = cq_fail(err, CQ_E_PROTOCOL, "run specification: bytes after its end");
    else
        rc = check(&got, err);
    if (rc == 0)
        *out = got;
    else
        run_spec_fini(&got);
    return rc;
}
