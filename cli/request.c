/* Reads the fields of a job request from text, and the environment that goes with it. */
#include "cli/request.h"

#include "cli/tokens.h"
#include "cli/units.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "common/base/pure/ranges.h"

#include <assert.h>
#include <errno.h>
#include <sys/random.h>

void request_fini(struct request *r)
{
    free(r->name);
    free(r->array);
    free(r->topo);
    free(r->licence);
    free(r->instrument);
    free(r->reserve);
    free(r->bundle);
    for (size_t i = 0; i < r->n_node_has; i++)
        free(r->node_has[i]);
    free(r->node_has);
    *r = (struct request){0};
}

static void replace_text(char **field, const char *text)
{
    free(*field);
    *field = cq_strdup(text);
}

static size_t count_words(const char *text)
{
    size_t n = 1;
    for (; *text; text++)
        n += *text == ',';
    return n;
}

static int set_name(struct request *r, const char *text, struct cq_err *err)
{
    if (strlen(text) > 255)
        return cq_fail(err, CQ_E_LIMIT, "a name of %zu bytes; at most 255", strlen(text));
    if (!cq_is_utf8(text, strlen(text)))
        return cq_fail(err, CQ_E_INVALID, "the name is not UTF-8 text");
    replace_text(&r->name, text);
    return 0;
}

static int set_array(struct request *r, const char *text, struct cq_err *err)
{
    struct ranges set = {0};
    const char *percent = strchr(text, '%');
    uint64_t max_running = r->array_max_running;
    if (percent && parse_u64(percent + 1, 1, REQUEST_TASKS_MAX, &max_running, err) != 0)
        return cq_wrap(err, "after %%");
    CQ_CLEANUP(cq_free_ptr)
    char *numbers = cq_strndup(text, percent ? (size_t)(percent - text) : strlen(text));
    if (ranges_parse(numbers, REQUEST_TASK_LAST, REQUEST_TASKS_MAX, &set, err) != 0)
        return -1;
    int rc = 0;
    struct cq_str canonical = {0};
    ranges_format(&set, &canonical);
    if (ranges_is_empty(&set))
        rc = cq_fail(err, CQ_E_INVALID, "an array without tasks; write 1-100, or 1-5000%%200");
    else if (ranges_has(&set, 0))
        rc = cq_fail(err, CQ_E_INVALID, "task numbers start at 1");
    else if (canonical.len > 65536)
        rc = cq_fail(err, CQ_E_LIMIT, "an array of more than 64 KiB of ranges");
    if (rc == 0) {
        replace_text(&r->array, cq_str_text(&canonical));
        r->tasks = set.count;
        r->array_max_running = max_running;
    }
    cq_str_fini(&canonical);
    ranges_fini(&set);
    return rc;
}

static int set_max_running(struct request *r, const char *text, struct cq_err *err)
{
    return parse_u64(text, 1, REQUEST_TASKS_MAX, &r->array_max_running, err);
}

static int set_topo(struct request *r, const char *text, struct cq_err *err)
{
    static const char *const wishes[] = {"pack", "spread", "any"};
    static const char *const levels[] = {"", ":core", ":l3", ":numa", ":socket", ":node"};
    char form[32];
    for (size_t w = 0; w < CQ_COUNT(wishes); w++)
        for (size_t l = 0; l < CQ_COUNT(levels); l++)
            for (int strict = 0; strict < 2; strict++) {
                (void)snprintf(form, sizeof form, "%s%s%s", wishes[w], levels[l],
                               strict ? "!" : "");
                if (strcmp(form, text) == 0)
                    return replace_text(&r->topo, text), 0;
            }
    return cq_fail(
        err, CQ_E_INVALID,
        "'%.40s' is no placement wish; write pack, spread or any, then :l3, :numa, :socket "
        "or :node, then ! to wait rather than split",
        text);
}

static int set_node_has(struct request *r, const char *text, struct cq_err *err)
{
    size_t count = count_words(text), kept = 0;
    if (r->n_node_has + count > REQUEST_FEATURES_MAX)
        return cq_fail(err, CQ_E_LIMIT, "more than %d features", REQUEST_FEATURES_MAX);
    for (const char *p = text; kept < count; kept++) {
        size_t len = strcspn(p, ",");
        if (len == 0 || len > 127 || !cq_is_utf8(p, len))
            return cq_fail(err, CQ_E_INVALID, "an empty or overlong feature in '%.60s'", text);
        p += len + 1;
    }
    r->node_has = cq_realloc(r->node_has, r->n_node_has + count + 1, sizeof *r->node_has);
    for (const char *p = text; count-- > 0;) {
        size_t len = strcspn(p, ",");
        r->node_has[r->n_node_has++] = cq_strndup(p, len);
        p += len + 1;
    }
    return 0;
}

static int set_cores(struct request *r, const char *text, struct cq_err *err)
{
    return parse_u64(text, 1, REQUEST_CORES_MAX, &r->cores, err);
}

static int set_size(const char *text, uint64_t *field, struct cq_err *err)
{
    uint64_t mib = 0;
    if (units_parse_mem(text, &mib, err) != 0)
        return -1;
    *field = mib;
    return 0;
}

static int set_duration(const char *text, int64_t *field, struct cq_err *err)
{
    int64_t us = 0;
    if (units_parse_time(text, &us, err) != 0)
        return -1;
    if (us <= 0)
        return cq_fail(err, CQ_E_INVALID,
                       "'%.40s' is out of range: a limit is above zero and at most 3650d; write "
                       "90s, 15m or 2h",
                       text);
    *field = us;
    return 0;
}

static int set_mem(struct request *r, const char *text, struct cq_err *err)
{
    r->mem_mib = 0;
    if (strcmp(text, "auto") == 0)
        return 0;
    return set_size(text, &r->mem_mib, err);
}

static int set_output_max(struct request *r, const char *text, struct cq_err *err)
{
    return set_size(text, &r->output_max_mib, err);
}

static int set_time(struct request *r, const char *text, struct cq_err *err)
{
    return set_duration(text, &r->time_us, err);
}

static int set_grace(struct request *r, const char *text, struct cq_err *err)
{
    return set_duration(text, &r->grace_us, err);
}

static int set_priority(struct request *r, const char *text, struct cq_err *err)
{
    return parse_i64(text, -10, 10, &r->priority, err);
}

static int set_max_attempts(struct request *r, const char *text, struct cq_err *err)
{
    return parse_u64(text, 1, 100, &r->max_attempts, err);
}

static void tokens_join(struct request *r)
{
    struct cq_str all = {0};
    if (r->licence)
        cq_str_add(&all, r->licence);
    if (r->instrument)
        cq_str_printf(&all, "%s%s", all.len ? "," : "", r->instrument);
    free(r->bundle);
    r->bundle = cq_str_take(&all);
}

/* Words of choices, in the order of their numbers on the wire. */
static const char *const restart_words[] = {"on-loss", "never", NULL};
static const char *const on_lost_words[] = {"requeue", "fail", "wait", NULL};
static const char *const exclusive_words[] = {"none", "node", "socket", "numa", NULL};
static const char *const membind_words[] = {"local", "interleave", "none", NULL};
static const char *const output_full_words[] = {"stop", "drop", NULL};

const char *request_word(const char *name, uint64_t value)
{
    static const struct {
        const char *name;
        const char *const *words;
    } choices[] = {{"restart", restart_words},
                   {"on_lost", on_lost_words},
                   {"exclusive", exclusive_words},
                   {"membind", membind_words},
                   {"output_full", output_full_words}};
    size_t i = 0;
    while (i < CQ_COUNT(choices) && strcmp(choices[i].name, name) != 0)
        i++;
    for (uint64_t k = 0; i < CQ_COUNT(choices) && choices[i].words[k]; k++)
        if (k == value)
            return choices[i].words[k];
    return "";
}

/* The place of `text` in `words`, with the right words in the error. */
static int set_choice(const char *text, const char *const *words, uint64_t *field,
                      struct cq_err *err)
{
    struct cq_str all = {0};
    for (uint64_t i = 0; words[i]; i++) {
        if (strcmp(words[i], text) == 0) {
            *field = i;
            cq_str_fini(&all);
            return 0;
        }
        cq_str_printf(&all, "%s%s", i ? ", " : "", words[i]);
    }
    cq_fail(err, CQ_E_INVALID, "'%.40s' is none of: %s", text, cq_str_text(&all));
    cq_str_fini(&all);
    return -1;
}

static int set_restart(struct request *r, const char *text, struct cq_err *err)
{
    return set_choice(text, restart_words, &r->restart, err);
}

static int set_on_lost(struct request *r, const char *text, struct cq_err *err)
{
    return set_choice(text, on_lost_words, &r->on_lost, err);
}

static int set_flag(const char *text, bool *field, struct cq_err *err)
{
    static const char *const words[] = {"false", "true", NULL};
    uint64_t value = 0;
    if (set_choice(text, words, &value, err) != 0)
        return -1;
    *field = value != 0;
    return 0;
}

static int set_hold(struct request *r, const char *text, struct cq_err *err)
{
    return set_flag(text, &r->hold, err);
}

static int set_exclusive(struct request *r, const char *text, struct cq_err *err)
{
    bool is_node = false;
    if (set_flag(text, &is_node, NULL) == 0) {
        r->exclusive = is_node ? EXCLUSIVE_MACHINE : EXCLUSIVE_NOT;
        return 0;
    }
    return set_choice(text, exclusive_words, &r->exclusive, err);
}

static int set_smt(struct request *r, const char *text, struct cq_err *err)
{
    return parse_u64(text, 1, 2, &r->smt, err);
}

static int set_membind(struct request *r, const char *text, struct cq_err *err)
{
    return set_choice(text, membind_words, &r->membind, err);
}

static int set_preemptible(struct request *r, const char *text, struct cq_err *err)
{
    return set_flag(text, &r->preemptible, err);
}

static int set_output_full(struct request *r, const char *text, struct cq_err *err)
{
    return set_choice(text, output_full_words, &r->output_full, err);
}

static int set_licence(struct request *r, const char *text, struct cq_err *err)
{
    if (tokens_add(&r->licence, r->instrument, text, err) != 0)
        return -1;
    tokens_join(r);
    return 0;
}

static int set_instrument(struct request *r, const char *text, struct cq_err *err)
{
    if (tokens_add(&r->instrument, r->licence, text, err) != 0)
        return -1;
    tokens_join(r);
    return 0;
}

static int set_reserve(struct request *r, const char *text, struct cq_err *err)
{
    if (!is_name(text))
        return cq_fail(err, CQ_E_INVALID, "'%.80s' is no name of a reservation", text);
    replace_text(&r->reserve, text);
    return 0;
}

static const struct {
    const char *name;
    int (*set)(struct request *r, const char *text, struct cq_err *err);
} fields[] = {
    {"name", set_name},
    {"array", set_array},
    {"max_running", set_max_running},
    {"topo", set_topo},
    {"node_has", set_node_has},
    {"cores", set_cores},
    {"mem", set_mem},
    {"time", set_time},
    {"priority", set_priority},
    {"restart", set_restart},
    {"on_lost", set_on_lost},
    {"max_attempts", set_max_attempts},
    {"output_max", set_output_max},
    {"grace", set_grace},
    {"hold", set_hold},
    {"exclusive", set_exclusive},
    {"smt", set_smt},
    {"membind", set_membind},
    {"licence", set_licence},
    {"instrument", set_instrument},
    {"preemptible", set_preemptible},
    {"reserve", set_reserve},
    {"output_full", set_output_full},
};

/* The place of `name` in the table; its size when it is not there. */
static size_t find_field(const char *name)
{
    size_t i = 0;
    while (i < CQ_COUNT(fields) && strcmp(fields[i].name, name) != 0)
        i++;
    return i;
}

bool request_has_field(const char *name)
{
    return find_field(name) < CQ_COUNT(fields);
}

bool request_is_given(const struct request *r, const char *name)
{
    return r->given >> find_field(name) & 1;
}

int request_set(struct request *r, const char *name, const char *text, struct cq_err *err)
{
    size_t i = find_field(name);
    assert(i < CQ_COUNT(fields));
    if (fields[i].set(r, text, err) != 0)
        return -1;
    r->given |= UINT32_C(1) << i;
    return 0;
}

#define INHERIT(name, field)            \
    do {                                \
        if (!request_is_given(r, name)) \
            r->field = from->field;     \
    } while (0)

void request_inherit(struct request *r, const struct request *from)
{
    INHERIT("cores", cores);
    INHERIT("mem", mem_mib);
    INHERIT("time", time_us);
    INHERIT("grace", grace_us);
    INHERIT("output_max", output_max_mib);
    INHERIT("output_full", output_full);
    INHERIT("priority", priority);
    INHERIT("max_attempts", max_attempts);
    INHERIT("restart", restart);
    INHERIT("on_lost", on_lost);
    INHERIT("hold", hold);
    INHERIT("exclusive", exclusive);
    INHERIT("smt", smt);
    INHERIT("membind", membind);
    INHERIT("preemptible", preemptible);
    if (r->array_max_running == 0)
        r->array_max_running = from->array_max_running;
    if (r->topo == NULL)
        r->topo = cq_strdup(from->topo);
    if (r->reserve == NULL)
        r->reserve = cq_strdup(from->reserve);
    if (r->licence == NULL)
        r->licence = cq_strdup(from->licence);
    if (r->instrument == NULL)
        r->instrument = cq_strdup(from->instrument);
    tokens_join(r);
    if (r->n_node_has == 0 && from->n_node_has) {
        r->node_has = cq_calloc(from->n_node_has, sizeof *r->node_has);
        for (; r->n_node_has < from->n_node_has; r->n_node_has++)
            r->node_has[r->n_node_has] = cq_strdup(from->node_has[r->n_node_has]);
    }
}

void request_fill(const struct request *r, struct job_spec *spec)
{
    spec->name = r->name;
    spec->cores = r->cores ? r->cores : 1;
    spec->mem_mib = r->mem_mib;
    spec->time_us = (uint64_t)r->time_us;
    spec->priority = r->priority;
    spec->array = r->array;
    spec->array_max_running = r->array_max_running;
    spec->hold = r->hold;
    spec->restart = r->restart;
    spec->on_lost = r->on_lost;
    spec->max_attempts = r->max_attempts;
    spec->topo = r->topo;
    spec->exclusive = r->exclusive == EXCLUSIVE_MACHINE;
    spec->exclusive_unit = r->exclusive == EXCLUSIVE_SOCKETS      ? 1
                           : r->exclusive == EXCLUSIVE_NUMA_NODES ? 2
                                                                  : 0;
    spec->smt = r->smt;
    spec->membind = r->membind;
    spec->node_has = (const char *const *)r->node_has;
    spec->n_node_has = r->n_node_has;
    spec->licences = r->bundle;
    spec->reservation = r->reserve;
    spec->preemptible = r->preemptible;
}

int request_parse_when(const char *text, uint64_t *when, struct cq_err *err)
{
    static const char *const words[] = {"ok", "any", "notok", "aftercorr", NULL};
    return set_choice(text, words, when, err);
}

static int parse_one_after(const char *text, struct dep_spec *dep, struct cq_err *err)
{
    const char *colon = strchr(text, ':');
    if (colon) {
        CQ_CLEANUP(cq_free_ptr) char *when = cq_strndup(text, (size_t)(colon - text));
        if (request_parse_when(when, &dep->when, err) != 0)
            return -1;
        text = colon + 1;
    }
    return parse_u64(text, 1, INT64_MAX, &dep->number, err);
}

int request_parse_after(const char *text, struct dep_spec **deps, size_t *n, struct cq_err *err)
{
    size_t count = count_words(text);
    if (count > 1000)
        return cq_fail(err, CQ_E_LIMIT, "%zu dependencies; at most 1000", count);
    CQ_CLEANUP(cq_free_ptr) struct dep_spec *items = cq_calloc(count, sizeof *items);
    const char *p = text;
    for (size_t i = 0; i < count; i++) {
        size_t len = strcspn(p, ",");
        CQ_CLEANUP(cq_free_ptr) char *one = cq_strndup(p, len);
        if (parse_one_after(one, &items[i], err) != 0)
            return cq_wrap(err, "'%.60s' (write ok:12,any:13)", one);
        p += len + 1;
    }
    *deps = cq_steal(&items);
    *n = count;
    return 0;
}

/* ---- environment ---- */

static bool matches(const char *entry, const char *const *patterns)
{
    size_t len = strcspn(entry, "=");
    for (; *patterns; patterns++) {
        size_t n = strlen(*patterns);
        bool is_prefix = (*patterns)[n - 1] == '*';
        if (is_prefix ? strncmp(entry, *patterns, n - 1) == 0
                      : n == len && strncmp(entry, *patterns, n) == 0)
            return true;
    }
    return false;
}

static bool is_dangerous(const char *entry)
{
    static const char *const names[] = {"LD_*",
                                        "BASH_ENV",
                                        "ENV",
                                        "IFS",
                                        "BASH_FUNC_*",
                                        "SHELLOPTS",
                                        "BASHOPTS",
                                        "PS4",
                                        "CDPATH",
                                        "GLOBIGNORE",
                                        "GCONV_PATH",
                                        "GLIBC_TUNABLES",
                                        "MALLOC_*",
                                        "LOCPATH",
                                        "NLSPATH",
                                        "HOSTALIASES",
                                        "RES_OPTIONS",
                                        "LOCALDOMAIN",
                                        "GETCONF_DIR",
                                        "RESOLV_HOST_CONF",
                                        "TMPDIR",
                                        "TZDIR",
                                        "PROMPT_COMMAND",
                                        "OLDPWD",
                                        "PWD",
                                        "_",
                                        "CHIPQ_*",
                                        "PYTHONSTARTUP",
                                        "PERL5OPT",
                                        "PERLLIB",
                                        "PERL5LIB",
                                        "PERL5DB",
                                        "RUBYOPT",
                                        "NOTIFY_SOCKET",
                                        NULL};
    return matches(entry, names) || strchr(entry, '=') == NULL || entry[0] == '=';
}

static bool is_basic(const char *entry)
{
    static const char *const names[] = {"PATH", "HOME", "USER", "LOGNAME", "SHELL",
                                        "LANG", "LC_*", "TZ",   NULL};
    return matches(entry, names);
}

char **request_environment(char *const *env, bool only_basics, size_t *n)
{
    size_t count = 0;
    while (env[count])
        count++;
    char **out = cq_calloc(count + 1, sizeof *out);
    *n = 0;
    for (; *env; env++)
        if (!is_dangerous(*env) && (!only_basics || is_basic(*env)))
            out[(*n)++] = cq_strdup(*env);
    return out;
}

int request_draw_key(uint8_t key[16], struct cq_err *err)
{
    if (getrandom(key, 16, 0) != 16)
        return cq_fail_errno(err, CQ_E_IO, errno, "the kernel gives no random bytes");
    return 0;
}
