/* chipq-worker: the agent of one machine. Talks to the scheduler, holds no privilege, and may die
 * at any time: jobs are the shepherds', and a new agent finds everything again. */
#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/failpoint.h"
#include "common/base/sys/files.h"
#include "common/base/sys/log.h"
#include "worker/agent/agent.h"
#include "worker/agent/home.h"
#include "worker/agent/logwatch.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <sys/resource.h>
#include <unistd.h>

static struct agent the_agent;

static const struct argp_option option_list[] = {
    {"dir", 'd', "DIR", 0, "the instance's directory", 0},
    {"key", 'k', "FILE", 0, "the worker's key (default: DIR/keys/worker.key)", 0},
    {"cores", 'c', "N", 0, "offer only the N lowest cores", 0},
    {"mem", 'm', "SIZE", 0, "memory that jobs may use, such as 12G", 0},
    {"system-cores", 's', "LIST", 0,
     "cores that jobs never get, such as 0 or 0,8-9: for boot, agent and interrupts", 0},
    {"system-mem", 'M', "SIZE", 0, "memory that jobs never get (default: 1G or 5 %)", 0},
    {"node", 'n', "NAME", 0, "this machine's name (default: the host's)", 0},
    {"topology", 't', "SOURCE", 0, "synthetic:DESCRIPTION or an hwloc XML file, for tests", 0},
    {"plugins", 'p', "DIR", 0, "where chipq-tool-NAME are (default: beside this program)", 0},
    {"log-level", 'l', "LEVEL", 0, "error, warn, info or debug", 0},
    {"execd-fd", 'e', "N", OPTION_HIDDEN, "socket to chipq-execd, which starts this program", 0},
    {"list-failpoints", 'f', NULL, 0, "print the failpoints that are compiled in", 0},
    {"version", 'V', NULL, 0, "print the version", 0},
    {0}};

/* In one line, for the log: execd does not start it again then. */
static CQ_NORETURN void refuse(const char *option, const char *why)
{
    log_error("agent.start error=\"--%s: %s\"", option, why);
    exit(cq_code_exit_status(CQ_E_INVALID));
}

static void get_number(const char *option, const char *arg, uint64_t *to)
{
    struct cq_err err;
    if (parse_u64(arg, 1, BITSET_MAX, to, &err) != 0)
        refuse(option, err.text);
}

static void get_size(const char *option, const char *arg, uint64_t *to)
{
    struct cq_err err;
    if (parse_size_mib(arg, to, &err) != 0)
        refuse(option, err.text);
}

static void get_cores(const char *option, const char *arg, struct bitset *to)
{
    struct cq_err err;
    if (bitset_parse(arg, to, &err) != 0)
        refuse(option, err.text);
}

static error_t on_text_option(int key, const char *arg, struct argp_state *state)
{
    struct agent_options *o = state->input;
    switch (key) {
    case 'd':
        o->dir = arg;
        return 0;
    case 'k':
        o->key_path = arg;
        return 0;
    case 'n':
        o->node = arg;
        return 0;
    case 'p':
        o->plugins_dir = arg;
        return 0;
    case 't':
        o->topology.source = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t on_option(int key, char *arg, struct argp_state *state)
{
    struct agent_options *o = state->input;
    switch (key) {
    case 'c':
        get_number("cores", arg, &o->topology.cores_max);
        return 0;
    case 'm':
        get_size("mem", arg, &o->topology.mem_mib);
        return 0;
    case 's':
        get_cores("system-cores", arg, &o->topology.system);
        return 0;
    case 'M':
        get_size("system-mem", arg, &o->topology.system_mem_mib);
        return 0;
    case 'l':
        if (!log_set_level_by_name(arg))
            refuse("log-level", "it is error, warn, info or debug");
        return 0;
    case 'e':
        o->execd_fd = (int)strtol(arg, NULL, 10);
        return 0;
    case 'f':
        failpoint_list(stdout);
        exit(0);
    case 'V':
        printf("chipq-worker %s\n", CHIPQ_VERSION);
        exit(0);
    default:
        return on_text_option(key, arg, state);
    }
}

static char *own_directory(void)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
    return cq_strdup(path);
}

static void choose_name(struct agent *a)
{
    char host[64] = "worker";
    if (a->options.node == NULL)
        (void)gethostname(host, sizeof host - 1);
    (void)cq_copy_text(a->node, sizeof a->node, a->options.node ? a->options.node : host);
    for (char *p = a->node; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9')
              || strchr("._-", *p)))
            *p = '-';
    if (!is_name(a->node))
        (void)cq_copy_text(a->node, sizeof a->node, "worker");
}

static void raise_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

static int open_instance(struct agent *a, struct cq_err *err)
{
    CQ_CLEANUP(cq_free_ptr) char *leases = path_format("%s/run/leases", a->options.dir);
    CQ_CLEANUP(cq_free_ptr) char *pid = path_format("%s/run/worker.pid", a->options.dir);
    CQ_CLEANUP(cq_free_ptr) char *key = path_format("%s/keys/worker.key", a->options.dir);
    if (dir_make(leases, 0700, err) != 0 || file_lock_pid(pid, err) < 0
        || curve_key_read(a->options.key_path ? a->options.key_path : key, &a->key, err) != 0)
        return -1;
    a->leases_fd = open(leases, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (a->leases_fd < 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot open %s", leases);
    return 0;
}

/* Everything that ran is dead, and the scheduler has it on disk or is not there. */
static bool has_stopped(struct agent *a)
{
    size_t at = 0;
    void *value;
    while (map_next(&a->leases, &at, &value))
        if (a->is_welcome || ((struct lease *)value)->state != LEASE_OVER)
            return false;
    return true;
}

static void on_turn(void *arg)
{
    struct agent *a = arg;
    report_turn(a);
    a->awake_us = loop_now(a->loop).mono_us;
    if (a->is_stopping && has_stopped(a))
        loop_stop(a->loop);
}

static void on_stop(void *arg, CQ_UNUSED int signal_number)
{
    struct agent *a = arg;
    log_info("agent.stop leases=%zu", a->leases.n);
    loop_stop(a->loop);
}

static int set_up(struct agent *a, struct cq_err *err)
{
    CQ_CLEANUP(cq_free_ptr) char *cache = path_format("%s/run/tools.cache", a->options.dir);
    if (a->options.plugins_dir == NULL)
        a->options.plugins_dir = own_directory();
    if (sodium_init() < 0)
        return cq_fail(err, CQ_E_INTERNAL, "libsodium cannot be initialised");
    randombytes_buf(a->incarnation.bytes, sizeof a->incarnation.bytes);
    a->boot_id = clock_boot_id();
    a->started_us = clock_mono_us();
    choose_name(a);
    raise_files();
    cores_init(a);
    a->options.topology.numbers_path =
        a->options.topology.source ? NULL : path_format("%s/run/cores", a->options.dir);
    if (open_instance(a, err) != 0 || home_id(a->options.dir, a->node, &a->home, err) != 0
        || topology_load(&a->options.topology, &a->topology, err) != 0)
        return -1;
    tools_load(a->options.plugins_dir, cache, &a->tools);
    a->loop = loop_new(err);
    if (a->loop == NULL || execd_link_open(a, err) != 0)
        return -1;
    loop_on_turn(a->loop, on_turn, a);
    (void)loop_signal_new(a->loop, SIGTERM, on_stop, a);
    (void)loop_signal_new(a->loop, SIGINT, on_stop, a);
    report_init(a);
    logwatch_init(a);
    cores_start(a);
    log_info("agent.start node=%s cores=%zu mem_mib=%llu tools=%zu keeper=%s", a->node,
             bitset_count(&a->topology.cores), (unsigned long long)a->topology.mem_mib, a->tools.n,
             keeper_text(a->keeper));
    return 0;
}

/* Leases are only forgotten here: their shepherds go on. */
static void tear_down(struct agent *a)
{
    size_t at = 0;
    void *value;
    session_stop(a);
    logs_forget_all(a);
    while (map_next(&a->leases, &at, &value)) {
        lease_forget(value);
        at = 0;
    }
    map_fini(&a->leases);
    map_fini(&a->attempts);
    logwatch_fini(a);
    cores_stop(a);
    loop_free(a->loop);
    topology_fini(&a->topology);
    bitset_fini(&a->options.topology.system);
    free((char *)a->options.topology.numbers_path);
    tools_fini(&a->tools);
    free(a->log_waiters);
    curve_key_wipe(&a->key);
}

int main(int argc, char **argv)
{
    struct argp parser = {
        option_list, on_option, NULL, "chipq-worker: a machine's agent; chipq-execd starts it",
        NULL,        NULL,      NULL};
    struct agent *a = &the_agent;
    struct cq_err err = {.code = CQ_OK};
    a->options.execd_fd = -1;
    argp_err_exit_status = cq_code_exit_status(CQ_E_INVALID);
    (void)argp_parse(&parser, argc, argv, 0, NULL, &a->options);
    if (a->options.dir == NULL || a->options.dir[0] != '/' || a->options.execd_fd < 0) {
        fprintf(stderr, "chipq-worker: started by chipq-execd --dir DIR, an absolute path\n");
        return 2;
    }
    if (set_up(a, &err) != 0) {
        log_error("agent.start error=\"%s\"", err.text);
        return cq_code_exit_status(err.code);
    }
    scan_start(a);
    loop_run(a->loop);
    tear_down(a);
    return 0;
}
