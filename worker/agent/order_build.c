/* From the scheduler's run order to what a shepherd executes. */
#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "common/base/sys/files.h"
#include "common/wire/run_spec.h"
#include "worker/agent/agent.h"
#include "worker/lease/lease_spec.h"
#include "worker/lease/order.h"

#include <jansson.h>

enum { ENV_MAX = ORDER_ENV_MAX, ARGV_MAX = ORDER_ARGV_MAX };

struct builder {
    const struct lease *lease;
    const struct run_order *order;
    struct run_spec spec;
    char *tool; /* "verilator"; "" for a plain command */
    char **env; /* owned texts, NULL-terminated */
    size_t n_env, env_cap;
};

static void builder_fini(struct builder *b)
{
    for (size_t i = 0; i < b->n_env; i++)
        free(b->env[i]);
    free(b->env);
    free(b->tool);
    run_spec_fini(&b->spec);
}

static void env_push(struct builder *b, char *text)
{
    cq_grow(&b->env, &b->env_cap, b->n_env + 1);
    b->env[b->n_env++] = text;
    b->env[b->n_env] = NULL;
}

static void env_set(struct builder *b, const char *name, const char *value)
{
    env_push(b, path_format("%s=%s", name, value ? value : ""));
}

static void env_number(struct builder *b, const char *name, uint64_t value)
{
    env_push(b, path_format("%s=%llu", name, (unsigned long long)value));
}

/* The caller's environment never speaks for chipq. */
static bool is_ours(const char *text)
{
    return cq_str_starts(text, "CHIPQ_") || cq_str_starts(text, "TMPDIR=");
}

static bool has_env(const struct builder *b, const char *prefix)
{
    for (size_t i = 0; i < b->n_env; i++)
        if (cq_str_starts(b->env[i], prefix))
            return true;
    return false;
}

/* A finished single task: the very attempt that was accepted, whose link may not be there yet.
 * Arrays: the directory that holds one link per task. */
static char *dep_path(const struct builder *b, const struct dep_dir *d)
{
    const char *dir = b->lease->agent->options.dir, *enterprise = b->order->enterprise;
    const unsigned long long number = d->number, attempt = d->attempt;
    if (d->is_array)
        return path_format("%s/results/%s/%llu", dir, enterprise, number);
    if (attempt == 0)
        return path_format("%s/results/%s/%llu/0", dir, enterprise, number);
    return path_format("%s/work/%s/%llu/0/attempt-%llu/out", dir, enterprise, number, attempt);
}

static void add_deps_env(struct builder *b)
{
    for (size_t i = 0; i < b->order->n_deps; i++) {
        const struct dep_dir *d = &b->order->deps[i];
        CQ_CLEANUP(cq_free_ptr) char *path = dep_path(b, d);
        char *text = path_format("CHIPQ_DEP_%s=%s", d->name, path);
        for (char *p = text + strlen("CHIPQ_DEP_"); *p && *p != '='; p++)
            if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9')))
                *p = '_';
        env_push(b, text);
    }
}

static void build_env(struct builder *b)
{
    const struct run_order *o = b->order;
    for (size_t i = 0; i < b->spec.n_env; i++)
        if (!is_ours(b->spec.env[i]) && strchr(b->spec.env[i], '='))
            env_push(b, cq_strdup(b->spec.env[i]));
    if (!has_env(b, "PATH="))
        env_set(b, "PATH", "/usr/local/bin:/usr/bin:/bin");
    if (!has_env(b, "HOME=") && getenv("HOME"))
        env_set(b, "HOME", getenv("HOME"));
    env_number(b, "CHIPQ_JOB", o->number);
    env_set(b, "CHIPQ_JOB_NAME", o->name);
    env_set(b, "CHIPQ_ENTERPRISE", o->enterprise);
    env_set(b, "CHIPQ_USER", o->user);
    env_number(b, "CHIPQ_CORES", bitset_count(&b->lease->cores));
    env_set(b, "CHIPQ_CORE_LIST", b->lease->cores_text);
    env_number(b, "CHIPQ_MEM_MIB", b->lease->mem_mib);
    env_number(b, "CHIPQ_TIME_S", (o->time_us + US_PER_S - 1) / US_PER_S);
    if (b->spec.src_dir[0])
        env_set(b, "CHIPQ_SRC", b->spec.src_dir);
    add_deps_env(b);
}

/* task.json as the client wrote it, with what only the worker knows. Caller frees. */
static char *task_text(const struct builder *b, struct cq_err *err)
{
    json_error_t why;
    if (b->spec.task_json[0] == '\0')
        return cq_strdup("");
    json_t *root = json_loads(b->spec.task_json, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(root)) {
        json_decref(root);
        (void)cq_fail(err, CQ_E_INVALID, "the task's description is not valid: %s",
                      root ? "no object" : why.text);
        return NULL;
    }
    json_t *deps = json_object();
    for (size_t i = 0; i < b->order->n_deps; i++) {
        CQ_CLEANUP(cq_free_ptr) char *path = dep_path(b, &b->order->deps[i]);
        json_object_set_new(deps, b->order->deps[i].name, json_string(path));
    }
    json_object_set_new(root, "deps", deps);
    char *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    return text;
}

/* "verilator.sim" and the specification must mean the same plugin; its name becomes a file's. */
static int check_tool(struct builder *b, struct cq_err *err)
{
    b->tool = cq_strdup(b->spec.tool);
    if (b->tool[0] == '\0')
        return b->spec.n_argv ? 0 : cq_fail(err, CQ_E_INVALID, "the job names no command");
    if (!is_name(b->tool))
        return cq_fail(err, CQ_E_INVALID, "'%s' is no name of a tool", b->tool);
    for (size_t i = 0; i < b->lease->agent->tools.n; i++)
        if (strcmp(b->lease->agent->tools.rows[i].name, b->tool) == 0)
            return 0;
    return cq_fail(err, CQ_E_NOT_FOUND, "this worker has no plugin chipq-tool-%s", b->tool);
}

static int check(struct builder *b, struct cq_err *err)
{
    if (!is_name(b->order->enterprise))
        return cq_fail(err, CQ_E_PROTOCOL, "'%.64s' is no name of an enterprise",
                       b->order->enterprise);
    if (b->spec.cwd[0] && b->spec.cwd[0] != '/')
        return cq_fail(err, CQ_E_INVALID, "the directory %s is not absolute", b->spec.cwd);
    if (b->spec.n_argv > ARGV_MAX
        || b->spec.n_env + b->order->n_deps + 16 > ENV_MAX - ORDER_ENV_ADDED)
        return cq_fail(err, CQ_E_LIMIT, "too many arguments or environment variables");
    return check_tool(b, err);
}

static int encode(struct builder *b, uint32_t *flags, struct cq_str *out, struct cq_err *err)
{
    bool is_tool = b->tool[0] != '\0', is_private = is_tool || b->spec.cwd[0] == '\0';
    CQ_CLEANUP(cq_free_ptr) char *task = is_tool ? task_text(b, err) : cq_strdup("");
    if (task == NULL)
        return -1;
    build_env(b);
    CQ_CLEANUP(cq_free_ptr)
    char *place =
        path_format("%s/%llu", b->order->enterprise, (unsigned long long)b->order->number);
    CQ_CLEANUP(cq_free_ptr)
    char *plugin = path_format("%s/chipq-tool-%s", b->lease->agent->options.plugins_dir, b->tool);
    const char *const tool_argv[] = {plugin, "run", NULL};
    struct order o = {
        .job = b->order->job,
        .flags = (is_tool ? LEASE_F_TOOL : 0U) | (is_private ? LEASE_F_PRIVATE : 0U)
                 | (b->order->restart == 1 ? LEASE_F_NEVER : 0U)
                 | (b->spec.output_full ? LEASE_F_DROP : 0U),
        .wall_us = (int64_t)b->order->time_us,
        .grace_us = run_spec_grace_us(&b->spec),
        .output_max_bytes = run_spec_output_mib(&b->spec) << 20,
        .place = place,
        .cwd = is_private ? "" : b->spec.cwd,
        .task_json = task,
    };
    order_encode(&o, is_tool ? tool_argv : (const char *const *)b->spec.argv,
                 (const char *const *)b->env, out);
    *flags = o.flags;
    return 0;
}

int order_build(const struct lease *l, const struct run_order *order, uint32_t *flags,
                struct cq_err *err)
{
    struct builder b = {.lease = l, .order = order};
    struct cq_str flat = {0};
    int fd = -1;
    if (run_spec_decode(order->run.data, order->run.len, &b.spec, err) == 0 && check(&b, err) == 0
        && encode(&b, flags, &flat, err) == 0) {
        if (flat.len > ORDER_MAX)
            (void)cq_fail(err, CQ_E_LIMIT, "command and environment have %zu bytes, %d are allowed",
                          flat.len, ORDER_MAX);
        else
            fd = sealed_memory_make("chipq-order", flat.data, flat.len, err);
    }
    cq_str_fini(&flat);
    builder_fini(&b);
    return fd;
}
