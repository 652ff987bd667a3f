/* Options: one table of names, ranges and places; argp and chipq.conf both read it. */
#include "scheduler/daemon/options.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "common/base/sys/files.h"

#include <argp.h>
#include <limits.h>
#include <unistd.h>

#define MIN_US INT64_C(100000) /* every time constant can be set down to 100 ms, for tests */
#define DAY_US (INT64_C(24) * 3600 * US_PER_S)

enum kind { KIND_TIME, KIND_SIZE, KIND_TEXT, KIND_CLIENT_ENDPOINT, KIND_WORKER_ENDPOINT };

static const struct known {
    const char *name, *value, *help;
    enum kind kind;
    size_t offset;
    int64_t min, max;
} known[] = {
#define AT(field) offsetof(struct daemon_options, field)
    {"listen-client", "ENDPOINT", "listen for clients there too, tcp://ADDRESS:PORT (may repeat)",
     KIND_CLIENT_ENDPOINT, 0, 0, 0},
    {"listen-worker", "ENDPOINT", "listen for workers there too (may repeat)", KIND_WORKER_ENDPOINT,
     0, 0, 0},
    {"heartbeat", "TIME", "how often workers report (default 5s; 100ms to 1h)", KIND_TIME,
     AT(heartbeat_us), MIN_US, 3600 * US_PER_S},
    {"lease", "TIME", "how long a silent worker keeps its jobs (default 10m; 100ms to 24h)",
     KIND_TIME, AT(lease_us), MIN_US, DAY_US},
    {"grace", "TIME", "added to the lease before its jobs are started elsewhere (default 15s)",
     KIND_TIME, AT(grace_us), MIN_US, DAY_US},
    {"suspect", "TIME", "silence after which a worker gets no new jobs (default 30s)", KIND_TIME,
     AT(suspect_us), MIN_US, DAY_US},
    {"reclaim-grace", "TIME",
     "wait of a job within its guarantee before borrowers are called back (default 60s)", KIND_TIME,
     AT(reclaim_grace_us), MIN_US, DAY_US},
    {"default-time", "TIME", "wall limit of jobs that name none (default 24h; 100ms to 365d)",
     KIND_TIME, AT(default_time_us), MIN_US, 365 * DAY_US},
    {"default-mem", "SIZE", "memory of jobs that name none (default 1G; 1M to 1024T)", KIND_SIZE,
     AT(default_mem_mib), 1, INT64_C(1) << 30},
    {"low-water", "SIZE", "free disk space under which submits are refused (default 64M)",
     KIND_SIZE, AT(low_water_mib), 1, INT64_C(1) << 30},
    {"max-memory", "SIZE",
     "its own memory over which submits are refused (default 3/4 of what it may have)", KIND_SIZE,
     AT(max_memory_mib), 16, INT64_C(1) << 30},
    {"log-level", "LEVEL", "error, warn, info or debug (default info)", KIND_TEXT, AT(log_level), 0,
     0},
#undef AT
};

/* Names in chipq.conf that are the worker's. */
static const char *const foreign[] = {"cores", "mem",      "system-cores", "system-mem",
                                      "node",  "topology", "plugins",      NULL};

static int add_endpoint(char **list, size_t *n, const char *value, struct cq_err *err)
{
    if (*n == LISTEN_MAX)
        return cq_fail(err, CQ_E_LIMIT, "at most %d endpoints", LISTEN_MAX);
    if (!cq_str_starts(value, "tcp://") && !cq_str_starts(value, "ipc:///"))
        return cq_fail(err, CQ_E_INVALID,
                       "'%s' is no endpoint; write tcp://ADDRESS:PORT or ipc:///PATH", value);
    list[(*n)++] = cq_strdup(value);
    return 0;
}

static int set_time(const struct known *k, void *at, const char *value, struct cq_err *err)
{
    int64_t us;
    if (parse_time_us(value, &us, err) != 0)
        return -1;
    if (us < k->min || us > k->max) {
        char low[32], high[32];
        return cq_fail(err, CQ_E_INVALID, "'%s' is out of range: %s to %s", value,
                       format_time_us(k->min, low, sizeof low),
                       format_time_us(k->max, high, sizeof high));
    }
    memcpy(at, &us, sizeof us);
    return 0;
}

static int set_size(const struct known *k, void *at, const char *value, struct cq_err *err)
{
    uint64_t mib;
    if (parse_size_mib(value, &mib, err) != 0)
        return -1;
    if (mib < (uint64_t)k->min || mib > (uint64_t)k->max)
        return cq_fail(err, CQ_E_INVALID, "'%s' is out of range: %lldM to %lldM", value,
                       (long long)k->min, (long long)k->max);
    memcpy(at, &mib, sizeof mib);
    return 0;
}

static int set_known(struct daemon_options *o, const struct known *k, const char *value,
                     struct cq_err *err)
{
    char *at = (char *)o + k->offset;
    switch (k->kind) {
    case KIND_TIME:
        return set_time(k, at, value, err);
    case KIND_SIZE:
        return set_size(k, at, value, err);
    case KIND_TEXT:
        free(*(char **)(void *)at);
        *(char **)(void *)at = cq_strdup(value);
        return 0;
    case KIND_CLIENT_ENDPOINT:
        return add_endpoint(o->listen_client, &o->n_listen_client, value, err);
    case KIND_WORKER_ENDPOINT:
        return add_endpoint(o->listen_worker, &o->n_listen_worker, value, err);
    }
    return cq_fail(err, CQ_E_INTERNAL, "option %s", k->name);
}

static bool is_foreign(const char *name)
{
    for (size_t i = 0; foreign[i] != NULL; i++)
        if (strcmp(foreign[i], name) == 0)
            return true;
    return false;
}

static int unknown_option(const char *name, struct cq_err *err)
{
    const char *names[CQ_COUNT(known) + 1] = {NULL};
    for (size_t i = 0; i < CQ_COUNT(known); i++)
        names[i] = known[i].name;
    const char *close = cq_closest(name, names);
    return close ? cq_fail(err, CQ_E_INVALID, "unknown option; did you mean '%s'?", close)
                 : cq_fail(err, CQ_E_INVALID, "unknown option");
}

int daemon_options_set(struct daemon_options *o, const char *name, const char *value,
                       struct cq_err *err)
{
    int rc = 1;
    for (size_t i = 0; i < CQ_COUNT(known) && rc == 1; i++)
        if (strcmp(known[i].name, name) == 0)
            rc = set_known(o, &known[i], value, err);
    if (rc == 1 && is_foreign(name))
        rc = 0;
    if (rc == 1)
        rc = unknown_option(name, err);
    return rc == 0 ? 0 : cq_wrap(err, "%s", name);
}

/* ---- chipq.conf ---- */

static char *trim(char *text)
{
    while (*text == ' ' || *text == '\t')
        text++;
    size_t n = strlen(text);
    while (n > 0 && strchr(" \t\r", text[n - 1]))
        text[--n] = '\0';
    return text;
}

static int read_line(struct daemon_options *o, char *line, struct cq_err *err)
{
    line[strcspn(line, "#")] = '\0';
    char *name = trim(line), *eq = strchr(name, '=');
    if (*name == '\0')
        return 0;
    if (eq == NULL)
        return cq_fail(err, CQ_E_INVALID, "'%s': write name = value", name);
    *eq = '\0';
    return daemon_options_set(o, trim(name), trim(eq + 1), err);
}

static int read_file(struct daemon_options *o, struct cq_err *err)
{
    char *path CQ_CLEANUP(cq_free_ptr) = path_format("%s/chipq.conf", o->dir);
    struct cq_str text CQ_CLEANUP(cq_str_fini) = {0};
    struct cq_err why = {0};
    if (file_read(path, 65536, &text, &why) != 0)
        return why.code == CQ_E_NOT_FOUND ? 0 : cq_fail(err, why.code, "%s", why.text);
    unsigned line = 0;
    for (char *at = text.data; at != NULL && *at;) {
        char *end = strchr(at, '\n');
        if (end != NULL)
            *end = '\0';
        line++;
        if (read_line(o, at, err) != 0)
            return cq_wrap(err, "%s:%u", path, line);
        at = end ? end + 1 : NULL;
    }
    return 0;
}

/* ---- the command line ---- */

enum {
    KEY_DIR = 'd',
    KEY_KNOWN = 0x200,
    KEY_INIT = 0x300,
    KEY_DUMP,
    KEY_RESTORE,
    KEY_REPLACE,
    KEY_REPAIR,
    KEY_CHECK,
    KEY_FAILPOINTS,
    KEY_READY
};

struct parsing {
    struct daemon_options *o;
    struct cq_err *err;
    const char *values[CQ_COUNT(known) * LISTEN_MAX];
    size_t known_of[CQ_COUNT(known) * LISTEN_MAX], n;
};

static error_t note_known(struct parsing *p, int key, const char *arg)
{
    if (p->n == CQ_COUNT(p->values))
        return EINVAL;
    p->known_of[p->n] = (size_t)(key - KEY_KNOWN);
    p->values[p->n++] = arg;
    return 0;
}

static error_t on_option(int key, char *arg, struct argp_state *state)
{
    struct parsing *p = state->input;
    uint64_t fd;
    if (key >= KEY_KNOWN && key < KEY_KNOWN + (int)CQ_COUNT(known))
        return note_known(p, key, arg);
    switch (key) {
    case KEY_DIR:
        free(p->o->dir);
        p->o->dir = cq_strdup(arg);
        return 0;
    case KEY_INIT:
        p->o->mode = MODE_INIT;
        return 0;
    case KEY_DUMP:
        p->o->mode = MODE_DUMP;
        return 0;
    case KEY_RESTORE:
        p->o->mode = MODE_RESTORE;
        free(p->o->restore_file);
        p->o->restore_file = cq_strdup(arg);
        return 0;
    case KEY_REPLACE:
        p->o->replace = true;
        return 0;
    case KEY_REPAIR:
        p->o->mode = MODE_REPAIR;
        return 0;
    case KEY_CHECK:
        p->o->check = true;
        return 0;
    case KEY_FAILPOINTS:
        p->o->mode = MODE_LIST_FAILPOINTS;
        return 0;
    case KEY_READY:
        if (parse_u64(arg, 3, INT_MAX, &fd, p->err) != 0)
            return EINVAL;
        p->o->ready_fd = (int)fd;
        return 0;
    case ARGP_KEY_ARG:
        (void)cq_fail(p->err, CQ_E_INVALID, "'%s': chipqd takes options only", arg);
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option fixed_options[] = {
    {"dir", KEY_DIR, "DIR", 0,
     "the instance (default $CHIPQ_DIR, else $XDG_STATE_HOME/chipq, else ~/.local/state/chipq)", 0},
    {"init", KEY_INIT, NULL, 0, "make a fresh instance: directories, keys, database; then exit", 0},
    {"dump", KEY_DUMP, NULL, 0, "print the journal and the job rows as JSON lines (chipqd stopped)",
     0},
    {"restore", KEY_RESTORE, "FILE", 0,
     "make this backup the instance's database (chipqd stopped); then exit", 0},
    {"replace", KEY_REPLACE, NULL, 0, "restore: put the database that is there aside", 0},
    {"repair", KEY_REPAIR, NULL, 0,
     "save what can be read of a damaged database into a new one (chipqd stopped); then exit", 0},
    {"check", KEY_CHECK, NULL, 0, "repair: only tell what it would do", 0},
    {"list-failpoints", KEY_FAILPOINTS, NULL, 0, "print the failpoints of a test build", 0},
    {"ready-fd", KEY_READY, "N", 0, "write 'ready' to this descriptor when serving", 0},
};

static void make_options(struct argp_option *to)
{
    size_t n = CQ_COUNT(fixed_options);
    memcpy(to, fixed_options, sizeof fixed_options);
    for (size_t i = 0; i < CQ_COUNT(known); i++)
        to[n + i] = (struct argp_option){
            known[i].name, KEY_KNOWN + (int)i, known[i].value, 0, known[i].help, 0};
}

static void print_version(FILE *out, struct argp_state *state)
{
    (void)state;
    (void)fprintf(out, "chipqd " CHIPQ_VERSION "\n");
}

static char *default_dir(void)
{
    const char *dir = getenv("CHIPQ_DIR"), *state = getenv("XDG_STATE_HOME"),
               *home = getenv("HOME");
    if (dir != NULL && *dir)
        return cq_strdup(dir);
    if (state != NULL && *state == '/')
        return path_format("%s/chipq", state);
    return path_format("%s/.local/state/chipq", home && *home ? home : "");
}

static int make_absolute(char **path, struct cq_err *err)
{
    if ((*path)[0] == '/')
        return 0;
    char *cwd CQ_CLEANUP(cq_free_ptr) = getcwd(NULL, 0);
    if (cwd == NULL)
        return cq_fail(err, CQ_E_IO, "the current directory is gone; give --dir as a full path");
    char *full = path_format("%s/%s", cwd, *path);
    free(*path);
    *path = full;
    return 0;
}

static void set_defaults(struct daemon_options *o)
{
    *o = (struct daemon_options){.mode = MODE_RUN,
                                 .heartbeat_us = 5 * US_PER_S,
                                 .lease_us = 600 * US_PER_S,
                                 .grace_us = 15 * US_PER_S,
                                 .suspect_us = 30 * US_PER_S,
                                 .reclaim_grace_us = 60 * US_PER_S,
                                 .default_time_us = DAY_US,
                                 .default_mem_mib = 1024,
                                 .low_water_mib = 64,
                                 .ready_fd = -1,
                                 .log_level = cq_strdup("info")};
}

static int set_given(struct daemon_options *o, const struct parsing *p, struct cq_err *err)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct known *k = &known[p->known_of[i]];
        if (set_known(o, k, p->values[i], err) != 0)
            return cq_wrap(err, "--%s", k->name);
    }
    return 0;
}

int daemon_options_read(struct daemon_options *o, int argc, char **argv, struct cq_err *err)
{
    static struct argp_option options[CQ_COUNT(fixed_options) + CQ_COUNT(known) + 1];
    static struct argp argp = {options,
                               on_option,
                               NULL,
                               "The scheduler of chipq: keeps the queue, decides what runs where.\v"
                               "Example: chipqd --dir /var/lib/chipq --listen-client "
                               "tcp://10.0.0.1:7077",
                               NULL,
                               NULL,
                               NULL};
    make_options(options);
    argp_program_version_hook = print_version;
    set_defaults(o);
    struct cq_err why = {0};
    struct parsing p = {.o = o, .err = &why};
    argp_err_exit_status = cq_code_exit_status(CQ_E_INVALID);
    if (argp_parse(&argp, argc, argv, 0, NULL, &p) != 0)
        return cq_fail(err, CQ_E_INVALID, "%s", why.text[0] ? why.text : "invalid options");
    if (o->dir == NULL)
        o->dir = default_dir();
    if (make_absolute(&o->dir, err) != 0 || read_file(o, err) != 0)
        return -1;
    return set_given(o, &p, err);
}

void daemon_options_fini(struct daemon_options *o)
{
    for (size_t i = 0; i < o->n_listen_client; i++)
        free(o->listen_client[i]);
    for (size_t i = 0; i < o->n_listen_worker; i++)
        free(o->listen_worker[i]);
    free(o->dir);
    free(o->log_level);
    free(o->restore_file);
    *o = (struct daemon_options){0};
}
