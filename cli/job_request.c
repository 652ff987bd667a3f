/* A request as people would type it, and for programs. */
#include "cli/job_request.h"

#include "cli/request.h"
#include "cli/to_json.h"

#include <inttypes.h>

enum {
    ARRAY_SHOWN_BYTES = 60,
    MAX_ATTEMPTS = 3, /* where nothing is said */
    ALL_THREADS = 2,
};

static const char *source_word(uint64_t source)
{
    static const char *const words[] = {"asked", "default", "learned"};
    return source < CQ_COUNT(words) ? words[source] : "";
}

json_t *job_request_json(const struct request_row *r)
{
    static const char *const words[] = {"restart", "on_lost", "exclusive", "membind",
                                        "output_full"};
    json_t *o = json_of_request_row(r);
    json_object_set_new(o, "mem_source", json_string(source_word(r->mem_source)));
    for (size_t i = 0; i < CQ_COUNT(words); i++) {
        json_int_t value = json_integer_value(json_object_get(o, words[i]));
        json_object_set_new(o, words[i], json_string(request_word(words[i], (uint64_t)value)));
    }
    return o;
}

static void add(struct cq_str *out, const char *option, const char *value)
{
    cq_str_printf(out, "%s--%s%s%s", out->len ? " " : "", option, *value ? " " : "", value);
}

static void add_text(struct cq_str *out, const char *option, const char *value)
{
    if (value && *value)
        add(out, option, value);
}

static void add_word(struct cq_str *out, const char *option, const char *field, uint64_t value)
{
    if (value)
        add_text(out, option, request_word(field, value));
}

static void add_number(struct cq_str *out, const char *option, uint64_t value, uint64_t unasked)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    if (value && value != unasked)
        add(out, option, text);
}

/* "1-5000%200"; of a long list of tasks the beginning. */
static void add_array(struct cq_str *out, const struct request_row *r)
{
    char text[ARRAY_SHOWN_BYTES + 40];
    size_t len = r->array ? strlen(r->array) : 0;
    if (len == 0)
        return;
    int n = snprintf(text, sizeof text, "%.*s%s", ARRAY_SHOWN_BYTES, r->array,
                     len > ARRAY_SHOWN_BYTES ? "..." : "");
    if (r->array_max_running)
        (void)snprintf(text + n, sizeof text - (size_t)n, "%%%" PRIu64, r->array_max_running);
    add(out, "array", text);
}

static void add_features(struct cq_str *out, const struct request_row *r)
{
    struct cq_str all = {0};
    for (size_t i = 0; i < r->n_node_has; i++)
        cq_str_printf(&all, "%s%s", i ? "," : "", r->node_has[i]);
    add_text(out, "node-has", cq_str_text(&all));
    cq_str_fini(&all);
}

/* As `submit` reads it, to the last digit. */
static void add_grace(struct cq_str *out, int64_t us)
{
    char text[32];
    bool is_whole = us % (1000 * 1000) == 0;
    (void)snprintf(text, sizeof text, "%" PRId64 "%s", us / (is_whole ? 1000 * 1000 : 1000),
                   is_whole ? "s" : "ms");
    if (us && us != RUN_SPEC_GRACE_US)
        add(out, "grace", text);
}

static void add_output_max(struct cq_str *out, uint64_t mib)
{
    char text[32];
    bool is_gib = mib % 1024 == 0;
    (void)snprintf(text, sizeof text, "%" PRIu64 "%s", is_gib ? mib / 1024 : mib,
                   is_gib ? "G" : "M");
    if (mib && mib != RUN_SPEC_OUTPUT_MIB)
        add(out, "output-max", text);
}

static void add_ends(struct cq_str *out, const struct request_row *r)
{
    add_word(out, "restart", "restart", r->restart);
    add_word(out, "on-lost", "on_lost", r->on_lost);
    add_number(out, "max-attempts", r->max_attempts, MAX_ATTEMPTS);
    add_grace(out, r->grace_us);
    add_output_max(out, r->output_max_mib);
    add_word(out, "output-full", "output_full", r->output_full);
}

void job_request_words(const struct request_row *r, struct cq_str *out)
{
    add_array(out, r);
    add_text(out, "topo", r->topo);
    add_word(out, "exclusive", "exclusive", r->exclusive);
    add_number(out, "smt", r->smt, ALL_THREADS);
    add_word(out, "membind", "membind", r->membind);
    add_features(out, r);
    add_text(out, "licence", r->licences);
    add_text(out, "reserve", r->reservation);
    if (r->preemptible)
        add(out, "preemptible", "");
    if (r->hold)
        add(out, "hold", "");
    add_ends(out, r);
}
