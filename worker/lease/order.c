/* The order of one job: encode (agent), decode without copying (shepherd). */
#include "worker/lease/order.h"
#include "common/base/pure/flat.h"
#include "worker/lease/lease_record.h"

#include <limits.h>

enum { ORDER_VERSION = 1 };

static void put_text(struct cq_str *out, const char *text)
{
    flat_put_bytes(out, text ? text : "", (text ? strlen(text) : 0) + 1);
}

static size_t count_texts(const char *const *texts)
{
    size_t n = 0;
    while (texts && texts[n])
        n++;
    return n;
}

void order_encode(const struct order *o, const char *const *argv, const char *const *env,
                  struct cq_str *out)
{
    size_t n_argv = count_texts(argv), n_env = count_texts(env);
    flat_put_u64(out, ORDER_VERSION);
    flat_put_u64(out, o->job);
    flat_put_u64(out, o->flags);
    flat_put_i64(out, o->wall_us);
    flat_put_i64(out, o->grace_us);
    flat_put_u64(out, o->output_max_bytes);
    put_text(out, o->place);
    put_text(out, o->cwd);
    put_text(out, o->task_json);
    flat_put_u64(out, n_argv);
    flat_put_u64(out, n_env);
    for (size_t i = 0; i < n_argv; i++)
        put_text(out, argv[i]);
    for (size_t i = 0; i < n_env; i++)
        put_text(out, env[i]);
}

static const char *get_text(struct flat_reader *r, size_t max_bytes)
{
    size_t bytes;
    const char *at = flat_get_bytes(r, max_bytes + 1, &bytes);
    if (bytes == 0 || at[bytes - 1] != '\0' || strlen(at) != bytes - 1) {
        r->failed = true;
        return "";
    }
    return at;
}

int order_decode(const void *data, size_t bytes, struct order *out, struct cq_err *err)
{
    struct flat_reader r = flat_reader_of(data, bytes);
    uint64_t version = flat_get_u64(&r);
    if (version != ORDER_VERSION)
        return cq_fail(err, CQ_E_VERSION, "order has version %llu, expected %d",
                       (unsigned long long)version, ORDER_VERSION);
    struct order o = {.job = flat_get_u64(&r)};
    o.flags = (uint32_t)flat_get_u64(&r);
    o.wall_us = flat_get_i64(&r);
    o.grace_us = flat_get_i64(&r);
    o.output_max_bytes = flat_get_u64(&r);
    o.place = get_text(&r, PLACE_BYTES - 24);
    o.cwd = get_text(&r, PATH_MAX - 1);
    o.task_json = get_text(&r, ORDER_MAX);
    o.n_argv = flat_get_count(&r, ORDER_ARGV_MAX);
    o.n_env = flat_get_count(&r, ORDER_ENV_MAX);
    o.argv_at = (const char *)r.data + r.pos;
    o.texts_bytes = r.len - r.pos;
    for (size_t i = 0; i < o.n_argv + o.n_env && !r.failed; i++)
        (void)get_text(&r, ORDER_MAX);
    if (!flat_at_end(&r) || o.n_argv == 0 || o.place[0] == '\0')
        return cq_fail(err, CQ_E_PROTOCOL, "malformed order of %zu bytes", bytes);
    *out = o;
    return 0;
}

void order_fill(const struct order *o, char **argv, char **env)
{
    struct flat_reader r = flat_reader_of(o->argv_at, o->texts_bytes);
    for (size_t i = 0; i < o->n_argv; i++)
        argv[i] = (char *)get_text(&r, ORDER_MAX);
    argv[o->n_argv] = NULL;
    for (size_t i = 0; i < o->n_env; i++)
        env[i] = (char *)get_text(&r, ORDER_MAX);
}
