/* chipq up: a local instance, made if need be, running when this returns. */
#include "cli/commands.h"
#include "cli/columns.h"
#include "cli/instance.h"
#include "cli/machine.h"
#include "cli/session.h"
#include "cli/units.h"

#include "common/base/pure/bitset.h"
#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/files.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_CORES = 0x2001, KEY_MEM, KEY_SYSTEM_CORES, KEY_SYSTEM_MEM };
enum {
    START_US = 20 * 1000 * 1000,
    GONE_US = 2 * 1000 * 1000,
    ASK_AGAIN_US = 50 * 1000,
    LOOK_US = 1000 * 1000, /* without an answer: does it still run? */
    CONF_MAX = 65536
};

/* What of the machine jobs get: options here and of chipq-worker, names in chipq.conf. */
enum { SIZE_CORES, SIZE_MEM, SIZE_SYSTEM_CORES, SIZE_SYSTEM_MEM, SIZES };
static const char *const size_names[SIZES] = {"cores", "mem", "system-cores", "system-mem"};

struct opts {
    char *sizes[SIZES]; /* owned; as given, or as chipq.conf has them */
    bool is_given;
};

static const struct argp_option options[] = {
    {"cores", KEY_CORES, "N", 0, "physical cores that jobs may use (all)", 0},
    {"mem", KEY_MEM, "SIZE", 0, "memory that jobs may use, as in 8G (most)", 0},
    {"system-cores", KEY_SYSTEM_CORES, "LIST", 0,
     "cores that jobs never get, as in 0 or 0,8-9 by the numbers of chipq nodes --topology; '' for "
     "none (none)",
     0},
    {"system-mem", KEY_SYSTEM_MEM, "SIZE", 0,
     "memory that jobs never get, where --mem does not say (1G, or 5 % if that is more)", 0},
    {0},
};

static int set_cores(struct opts *o, const char *arg, struct cq_err *err)
{
    uint64_t cores = 0, there = machine_cores();
    if (parse_u64(arg, 1, 4096, &cores, err) != 0)
        return cq_wrap(err, "--cores");
    if (there && cores > there)
        return cq_fail(err, CQ_E_INVALID, "--cores %" PRIu64 ": this machine has %" PRIu64, cores,
                       there);
    free(o->sizes[SIZE_CORES]);
    o->sizes[SIZE_CORES] = cq_strdup(arg);
    return 0;
}

static int set_mem(struct opts *o, size_t size, const char *arg, struct cq_err *err)
{
    uint64_t mib = 0, there = machine_mem_mib();
    char text[32];
    if (units_parse_mem(arg, &mib, err) != 0)
        return cq_wrap(err, "--%s", size_names[size]);
    if (there && mib > there)
        return cq_fail(err, CQ_E_INVALID, "--%s %s: this machine has %s", size_names[size], arg,
                       format_size_mib(there, text, sizeof text));
    free(o->sizes[size]);
    o->sizes[size] = path_format("%" PRIu64 "M", mib); /* as the worker reads it */
    return 0;
}

/* Whether there are such cores the worker says: it knows their numbers. */
static int set_system_cores(struct opts *o, const char *arg, struct cq_err *err)
{
    struct bitset cores = {0};
    if (bitset_parse(arg, &cores, err) != 0)
        return cq_wrap(err, "--system-cores");
    bitset_fini(&cores);
    free(o->sizes[SIZE_SYSTEM_CORES]);
    o->sizes[SIZE_SYSTEM_CORES] = cq_strdup(arg);
    return 0;
}

static int set(void *p, int key, const char *arg, struct cq_err *err)
{
    struct opts *o = p;
    o->is_given = true;
    if (key == KEY_CORES)
        return set_cores(o, arg, err);
    if (key == KEY_SYSTEM_CORES)
        return set_system_cores(o, arg, err);
    return set_mem(o, key == KEY_MEM ? SIZE_MEM : SIZE_SYSTEM_MEM, arg, err);
}

static void fini(void *p)
{
    struct opts *o = p;
    for (size_t i = 0; i < SIZES; i++)
        free(o->sizes[i]);
}

/* ---- chipq.conf ---- */

/* The value of "name = value" in `text`; caller frees; NULL when it is not there. */
static char *conf_value(const char *text, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        const char *p = line + strspn(line, " \t");
        if (strncmp(p, name, len) != 0)
            continue;
        p += len;
        p += strspn(p, " \t");
        if (*p++ != '=')
            continue;
        p += strspn(p, " \t");
        size_t n = strcspn(p, " \t\r\n#");
        return n ? cq_strndup(p, n) : NULL;
    }
    return NULL;
}

/* The choice of an earlier `up` holds until another is given. */
static int read_conf(const char *dir, struct opts *o, struct cq_err *err)
{
    struct cq_str text = {0};
    struct cq_err why = {0};
    CQ_CLEANUP(cq_free_ptr) char *path = path_format("%s/chipq.conf", dir);
    if (file_read(path, CONF_MAX, &text, &why) != 0)
        return why.code == CQ_E_NOT_FOUND ? 0 : cq_fail(err, why.code, "%s", why.text);
    for (size_t i = 0; i < SIZES; i++)
        if (o->sizes[i] == NULL)
            o->sizes[i] = conf_value(cq_str_text(&text), size_names[i]);
    cq_str_fini(&text);
    return 0;
}

/* It is the line of a size that is given now. */
static bool is_replaced(const struct opts *o, const char *line)
{
    const char *p = line + strspn(line, " \t");
    size_t n = strcspn(p, " \t=\n");
    for (size_t i = 0; i < SIZES; i++)
        if (o->sizes[i] && strlen(size_names[i]) == n && strncmp(p, size_names[i], n) == 0)
            return true;
    return false;
}

/* Replaces the lines for what is given, keeps all others. */
static int write_conf(const char *dir, const struct opts *o, struct cq_err *err)
{
    struct cq_str old = {0}, text = {0};
    CQ_CLEANUP(cq_free_ptr) char *path = path_format("%s/chipq.conf", dir);
    if (file_read(path, CONF_MAX, &old, NULL) != 0)
        cq_str_add(&text,
                   "# Options of this instance, \"name = value\" a line. Made by chipq up.\n");
    for (const char *line = cq_str_text(&old); *line;) {
        size_t len = strcspn(line, "\n");
        if (!is_replaced(o, line)) {
            cq_str_append(&text, line, len);
            cq_str_add_char(&text, '\n');
        }
        line += len + (line[len] == '\n');
    }
    for (size_t i = 0; i < SIZES; i++)
        if (o->sizes[i] && *o->sizes[i])
            cq_str_printf(&text, "%s = %s\n", size_names[i], o->sizes[i]);
    int rc = file_write_atomic(path, cq_str_text(&text), text.len, 0600, err);
    cq_str_fini(&old);
    cq_str_fini(&text);
    return rc;
}

/* ---- the processes ---- */

static bool exists(const char *dir, const char *name)
{
    struct stat st;
    CQ_CLEANUP(cq_free_ptr) char *path = path_format("%s/%s", dir, name);
    return stat(path, &st) == 0;
}

static int make_instance(const char *dir, const char *bin, struct cq_err *err)
{
    struct cq_str said = {0};
    CQ_CLEANUP(cq_free_ptr) char *chipqd = path_format("%s/chipqd", bin);
    char *argv[] = {chipqd, (char *)"--dir", (char *)dir, (char *)"--init", NULL};
    int status = instance_capture(argv, 65536, START_US, &said, err);
    int rc = status < 0 ? -1 : 0;
    if (status > 0) {
        while (said.len && isspace((unsigned char)said.data[said.len - 1]))
            cq_str_truncate(&said, said.len - 1);
        rc = cq_fail(err, CQ_E_INTERNAL, "cannot make an instance in %s: %s", dir,
                     cq_str_text(&said));
    }
    cq_str_fini(&said);
    return rc;
}

static int start_scheduler(const char *dir, const char *bin, struct cq_err *err)
{
    CQ_CLEANUP(cq_free_ptr) char *chipqd = path_format("%s/chipqd", bin);
    char *argv[] = {chipqd, (char *)"--dir", (char *)dir, NULL};
    const struct instance_program p = {.dir = dir, .role = "chipqd", .argv = argv, .n_fixed = 3};
    return instance_start(&p, START_US, err) < 0 ? -1 : 0;
}

static int start_worker(const char *dir, const char *bin, const struct opts *o, struct cq_err *err)
{
    CQ_CLEANUP(cq_free_ptr) char *execd = path_format("%s/chipq-execd", bin);
    char *argv[5 + SIZES] = {execd, (char *)"--dir", (char *)dir, (char *)"--"},
                   *owned[SIZES] = {0};
    size_t n = 4;
    for (size_t i = 0; i < SIZES; i++)
        if (o->sizes[i] && *o->sizes[i])
            argv[n++] = owned[i] = path_format("--%s=%s", size_names[i], o->sizes[i]);
    const struct instance_program p = {
        .dir = dir, .role = "worker", .argv = argv, .n_fixed = 3, .needs = "chipqd"};
    int rc = instance_start(&p, START_US, err) < 0 ? -1 : 0;
    for (size_t i = 0; i < SIZES; i++)
        free(owned[i]);
    return rc;
}

/* Starts what does not run yet. *started says whether that was anything. */
static int start_missing(const char *dir, const struct opts *o, bool *started, struct cq_err *err)
{
    CQ_CLEANUP(cq_free_ptr) char *bin = instance_bin_dir();
    enum instance_stopped how;
    bool starts_chipqd = instance_pid(dir, "chipqd") == 0;
    if (!exists(dir, "db/chipq.db") && starts_chipqd && make_instance(dir, bin, err) != 0)
        return -1;
    if (starts_chipqd && start_scheduler(dir, bin, err) != 0)
        return -1;
    *started = starts_chipqd;
    if (instance_pid(dir, "execd") != 0)
        return 0;
    *started = true;
    if (start_worker(dir, bin, o, err) == 0)
        return 0;
    if (starts_chipqd && instance_stop(dir, "chipqd", START_US, &how, NULL) != 0)
        cli_talk("the scheduler goes on running; stop it with: chipq down");
    return -1;
}

/* What is waited for may have been dying when it was looked at, or die now. */
struct waiting {
    const char *dir;
    const struct opts *o;
    bool is_again; /* the worker was started again */
};

static int look_after(struct waiting *w, struct cq_err *err)
{
    if (instance_pid(w->dir, "chipqd") == 0)
        return cq_fail(err, CQ_E_NO_SCHEDULER,
                       "the scheduler has ended; %s/log/chipqd.log says why", w->dir);
    if (instance_pid(w->dir, "execd") != 0)
        return 0;
    if (w->is_again)
        return cq_fail(err, CQ_E_INTERNAL, "the worker has ended; %s/log/worker.log says why",
                       w->dir);
    w->is_again = true;
    CQ_CLEANUP(cq_free_ptr) char *bin = instance_bin_dir();
    return start_worker(w->dir, bin, w->o, err);
}

/* Asks until a worker is there: one that was running needs a moment to find a scheduler that was
 * started anew. */
static int ask_status(struct net_client *s, struct waiting *w, struct msg *reply,
                      struct cq_err *err)
{
    struct msg ask = {.code = MSG_STATUS_QUERY};
    int64_t deadline_us = clock_mono_us() + START_US;
    for (;;) {
        struct msg event = {0};
        struct cq_err said = {0};
        int rc = session_call_for(s, &ask, MSG_STATUS, LOOK_US, reply, &said);
        if (rc == 0 && reply->u.status.workers_up > 0)
            return 0;
        if (rc == 0)
            msg_fini(reply);
        if (look_after(w, err) != 0)
            return -1;
        if (clock_mono_us() > deadline_us && rc != 0)
            return cq_fail(err, said.code, "the pool does not answer: %s", said.text);
        if (clock_mono_us() > deadline_us)
            return cq_fail(err, CQ_E_TIMEOUT,
                           "the scheduler is up, but no worker has come back to it; "
                           "%s/log/worker.log says why",
                           w->dir);
        if (net_client_next(s, &event, ASK_AGAIN_US, NULL) == 0)
            msg_fini(&event);
    }
}

static void report(const struct cli *c, const struct msg_status *st, bool started)
{
    if (c->output == CLI_JSON) {
        json_t *o =
            json_pack("{s:s, s:b, s:I, s:I}", "dir", c->dir, "started", started, "workers_up",
                      (json_int_t)st->workers_up, "cores", (json_int_t)st->cores);
        json_print(c, o);
        json_decref(o);
        return;
    }
    cli_talk("%s in %s: %" PRIu64 " worker%s, %" PRIu64 " core%s",
             started ? "the pool is up" : "already running", c->dir, st->workers_up,
             st->workers_up == 1 ? "" : "s", st->cores, st->cores == 1 ? "" : "s");
    if (started)
        cli_talk("next: chipq submit -- hostname   or   chipq run FLOW.yaml");
}

static int wait_and_report(struct cli *c, const struct opts *o, const char *dir, bool started,
                           struct cq_err *err)
{
    struct msg reply = {0};
    struct waiting w = {.dir = dir, .o = o};
    c->key_option = NULL;
    unsetenv("CHIPQ_KEY"); /* it is this instance that we ask */
    struct net_client *s = session_open(c, AS_USER, err);
    int rc = s ? ask_status(s, &w, &reply, err) : -1;
    if (rc == 0) {
        report(c, &reply.u.status, started);
        msg_fini(&reply);
    }
    net_client_close(s);
    return rc;
}

static int start(struct opts *o, const char *dir, bool *started, struct cq_err *err)
{
    bool runs = instance_pid(dir, "chipqd") && instance_pid(dir, "execd");
    if (runs && o->is_given)
        cli_talk("already running: what jobs may use changes after chipq down");
    if (read_conf(dir, o, err) != 0 || start_missing(dir, o, started, err) != 0)
        return -1;
    return !runs && o->is_given ? write_conf(dir, o, err) : 0; /* what works is kept */
}

static int start_and_report(struct cli *c, struct opts *o, const char *dir, bool *started,
                            struct cq_err *err)
{
    int rc = start(o, dir, started, err);
    return rc == 0 ? wait_and_report(c, o, dir, *started, err) : rc;
}

/* Of a directory that somebody named only the last part is made: the rest of it may be misspelt. */
static int check_parent(const struct cli *c, struct cq_err *err)
{
    struct stat st;
    const char *variable = getenv("CHIPQ_DIR"), *slash = strrchr(c->dir, '/');
    if ((c->dir_option == NULL && !(variable && *variable)) || slash == NULL || slash == c->dir)
        return 0;
    CQ_CLEANUP(cq_free_ptr) char *parent = cq_strndup(c->dir, (size_t)(slash - c->dir));
    if (stat(parent, &st) == 0 || errno != ENOENT)
        return 0;
    return cq_fail(err, CQ_E_NOT_FOUND, "there is no directory %s to make %s in", parent,
                   slash + 1);
}

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    bool started = false;
    (void)n_args, (void)args;
    const char *dir = cli_dir(c, err);
    if (dir == NULL || check_parent(c, err) != 0 || instance_check_dir(dir, true, err) != 0)
        return -1;
    int lock = instance_lock(dir);
    int rc = start_and_report(c, opts, dir, &started, err);
    /* One that was killed just now is there for a moment longer than it serves. */
    if (rc != 0 && !started && err->code == CQ_E_NO_SCHEDULER
        && instance_has_gone(dir, "chipqd", GONE_US))
        rc = start_and_report(c, opts, dir, &started, err);
    if (lock >= 0)
        close(lock);
    return rc;
}

const struct command cmd_up = {
    .name = "up",
    .args = "",
    .summary = "Start a scheduler and a worker on this machine",
    .text = "Makes the instance and its keys at the first time. Returns when the pool answers;\n"
            "logs are in DIR/log. The chosen size is kept in DIR/chipq.conf.",
    .examples = "chipq up\nchipq up --cores 4 --mem 16G\nchipq --dir /tmp/try up",
    .options = options,
    .flags = COMMAND_WATCHES,
    .opts_bytes = sizeof(struct opts),
    .set = set,
    .run = run,
    .fini = fini,
};
