/* chipq-bench: measures a running pool through the public interface. */
#include "bench/bench.h"
#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "common/base/sys/files.h"

#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <unistd.h>

enum option_key {
    KEY_JOBS = 256,
    KEY_ARRAY,
    KEY_COMMAND,
    KEY_SAMPLES,
    KEY_WINDOW,
    KEY_JSON,
    KEY_DIR,
    KEY_KEY,
    KEY_NO_RAW,
    KEY_COUNT,
    KEY_CORES,
    KEY_NUMA,
    KEY_RUN_TIME,
    KEY_DURATION,
    KEY_PENDING,
    KEY_QUERIES,
    KEY_SHAPES,
    KEY_BYTES,
    KEY_OWN,
    KEY_FLOOD,
    KEY_KEEP
};

static const struct argp_option options[] = {
    {.name = "dir", .key = KEY_DIR, .arg = "DIR", .doc = "The instance (CHIPQ_DIR)"},
    {.name = "key",
     .key = KEY_KEY,
     .arg = "FILE",
     .doc = "Key to act with (CHIPQ_KEY, DIR/keys/user.key)"},
    {.name = "jobs",
     .key = KEY_JOBS,
     .arg = "N",
     .doc = "How many jobs, or tasks of the array (1000)"},
    {.name = "array",
     .key = KEY_ARRAY,
     .doc = "throughput, backlog, workers: arrays instead of separate jobs"},
    {.name = "command",
     .key = KEY_COMMAND,
     .arg = "PATH",
     .doc = "throughput, launch, raw: what jobs run (chipq-noop)"},
    {.name = "no-raw", .key = KEY_NO_RAW, .doc = "throughput: leave the posix_spawn loop out"},
    {.name = "samples",
     .key = KEY_SAMPLES,
     .arg = "N",
     .doc = "latency, launch: how many of each kind (100)"},
    {.name = "window",
     .key = KEY_WINDOW,
     .arg = "N",
     .doc = "Submits without an answer at once (256)"},
    {.name = "count",
     .key = KEY_COUNT,
     .arg = "N",
     .doc = "workers: how many (100); flood: virtual workers that run what is submitted (none)"},
    {.name = "cores", .key = KEY_CORES, .arg = "C", .doc = "workers: cores of each (1)"},
    {.name = "numa",
     .key = KEY_NUMA,
     .arg = "N",
     .doc = "workers: NUMA nodes of each, which share its cores (1)"},
    {.name = "run-time",
     .key = KEY_RUN_TIME,
     .arg = "MS",
     .doc = "workers, flood: how long an attempt pretends to run (20)"},
    {.name = "duration",
     .key = KEY_DURATION,
     .arg = "SECONDS",
     .doc = "workers: of the measurement; flood: of each flood (5)"},
    {.name = "pending",
     .key = KEY_PENDING,
     .arg = "N",
     .doc = "workers: tasks kept waiting (10000)"},
    {.name = "queries",
     .key = KEY_QUERIES,
     .arg = "N",
     .doc = "workers: ask `why` and `jobs` so often a second, half of the time (0)"},
    {.name = "shapes",
     .key = KEY_SHAPES,
     .arg = "N",
     .doc = "workers, backlog: jobs ask for N different amounts of memory (1)"},
    {.name = "bytes",
     .key = KEY_BYTES,
     .arg = "N",
     .doc = "workers, backlog: size of a job's run specification, about (least)"},
    {.name = "own",
     .key = KEY_OWN,
     .arg = "N",
     .doc =
         "backlog: random bytes of each request, beside its number; the rest is as in all (100)"},
    {.name = "flood", .key = KEY_FLOOD, .arg = "KIND", .doc = "flood: only this kind of it"},
    {.name = "keep", .key = KEY_KEEP, .doc = "backlog: leave the jobs in the queue"},
    {.name = "json", .key = KEY_JSON, .doc = "One JSON object on standard output"},
    {0}};

enum { WORKERS = 100 };

struct parsed {
    struct bench b;
    const char *name; /* of the measurement */
};

/* Options that are numbers. */
static bool take_number(struct bench *b, int key, const char *arg, struct argp_state *state)
{
    const struct {
        int key;
        uint64_t *to, min, max;
    } numbers[] = {
        {KEY_JOBS, &b->jobs, 1, 10000000},       {KEY_SAMPLES, &b->samples, 0, 1000000},
        {KEY_WINDOW, &b->window, 1, 4000},       {KEY_COUNT, &b->count, 1, 100000},
        {KEY_CORES, &b->cores, 1, 1024},         {KEY_NUMA, &b->numa, 1, 64},
        {KEY_RUN_TIME, &b->run_ms, 0, 86400000}, {KEY_DURATION, &b->duration_s, 1, 3600},
        {KEY_PENDING, &b->pending, 1, 10000000}, {KEY_QUERIES, &b->queries, 0, 100000},
        {KEY_SHAPES, &b->shapes, 1, 1000},       {KEY_BYTES, &b->request_bytes, 0, 60000},
        {KEY_OWN, &b->own_bytes, 0, 50000}};
    struct cq_err err = {0};
    for (size_t i = 0; i < CQ_COUNT(numbers); i++) {
        if (numbers[i].key != key)
            continue;
        if (parse_u64(arg, numbers[i].min, numbers[i].max, numbers[i].to, &err) != 0)
            argp_error(state, "%s", err.text);
        return true;
    }
    return false;
}

static error_t on_option(int key, char *arg, struct argp_state *state)
{
    struct parsed *p = state->input;
    if (arg && key != ARGP_KEY_ARG && take_number(&p->b, key, arg, state))
        return 0;
    switch (key) {
    case KEY_DIR:
        p->b.dir = arg;
        return 0;
    case KEY_KEY:
        p->b.key_path = arg;
        return 0;
    case KEY_ARRAY:
        p->b.is_array = true;
        return 0;
    case KEY_COMMAND:
        p->b.command = arg;
        return 0;
    case KEY_NO_RAW:
        p->b.no_raw = true;
        return 0;
    case KEY_FLOOD:
        p->b.flood = arg;
        return 0;
    case KEY_KEEP:
        p->b.keeps = true;
        return 0;
    case KEY_JSON:
        p->b.as_json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (p->name)
            argp_error(state, "one measurement at a time");
        p->name = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "say what to measure");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    .options = options,
    .parser = on_option,
    .args_doc = "throughput|latency|submit|flood|workers|backlog|cancel|launch|raw|policy",
    .doc =
        "Measures a running pool through the public interface.\v"
        "  throughput   jobs per second, first submit to last recorded end, beside the raw limit\n"
        "  latency      from submit to the start of the job's process\n"
        "  submit       acknowledged submits per second over one connection\n"
        "  flood        how long submits of one enterprise take while another sends them as fast "
        "as it can\n"
        "  workers      a pool of virtual workers: grants and ends per second, what they cost "
        "chipqd\n"
        "  backlog      memory of chipqd for each waiting task, and how fast they are queued\n"
        "  cancel       how fast all jobs of the asker that wait are taken back\n"
        "  launch       cost of starting a job at each level of isolation, without a pool\n"
        "  raw          processes per second that the machine starts with nothing around them: the "
        "limit\n"
        "  policy       decisions per second of the core alone, without a pool; its options:\n"
        "               chipq-bench policy --help\n\n"
        "Example:\n  chipq up && chipq-bench throughput --jobs 5000 --array\n"};

static char *own_directory(void)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0)
        return cq_strdup(".");
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
    return cq_strdup(path);
}

static char *instance_directory(const char *option)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME"),
               *dir = getenv("CHIPQ_DIR");
    if (option || (dir && *dir))
        return cq_strdup(option ? option : dir);
    if (state && *state)
        return path_format("%s/chipq", state);
    return path_format("%s/.local/state/chipq", home ? home : "");
}

static int run(struct parsed *p, struct cq_err *err)
{
    static const struct {
        const char *name;
        int (*measure)(struct bench *b, struct cq_err *err);
    } measurements[] = {{"throughput", bench_throughput},
                        {"latency", bench_latency},
                        {"submit", bench_submit},
                        {"workers", bench_workers},
                        {"backlog", bench_backlog},
                        {"cancel", bench_cancel},
                        {"flood", bench_flood}};
    if (strcmp(p->name, "launch") == 0)
        return bench_launch(&p->b, err);
    if (strcmp(p->name, "raw") == 0)
        return bench_raw(&p->b, err);
    if (access(p->b.key_path, F_OK) != 0)
        return cq_fail(err, CQ_E_NO_SCHEDULER, "there is no key %s; start a pool with: chipq up",
                       p->b.key_path);
    for (size_t i = 0; i < CQ_COUNT(measurements); i++)
        if (strcmp(measurements[i].name, p->name) == 0)
            return measurements[i].measure(&p->b, err);
    return cq_fail(err, CQ_E_INVALID, "no measurement '%s'; see: chipq-bench --help", p->name);
}

/* The core alone is measured by the simulator, which stands beside this program and takes the same
 * words. Returns only when it cannot be started. */
static int run_policy(char **argv)
{
    CQ_CLEANUP(cq_free_ptr) char *bin_dir = own_directory();
    CQ_CLEANUP(cq_free_ptr) char *sim = path_format("%s/chipq-sim", bin_dir);
    execv(sim, argv);
    (void)fprintf(stderr, "chipq-bench: cannot start %s: %s\n", sim, strerror(errno));
    return cq_code_exit_status(CQ_E_NOT_FOUND);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "policy") == 0)
        return run_policy(argv);
    struct parsed p = {.b = {.jobs = 1000,
                             .samples = 100,
                             .window = 256,
                             .cores = 1,
                             .numa = 1,
                             .run_ms = 20,
                             .duration_s = 5,
                             .pending = 10000,
                             .shapes = 1,
                             .own_bytes = 100}};
    struct cq_err err = {0};
    argp_err_exit_status = cq_code_exit_status(CQ_E_INVALID);
    argp_parse(&parser, argc, argv, 0, NULL, &p);
    if (p.b.count == 0 && strcmp(p.name, "workers") == 0)
        p.b.count = WORKERS;
    CQ_CLEANUP(cq_free_ptr) char *bin_dir = own_directory();
    CQ_CLEANUP(cq_free_ptr) char *dir = instance_directory(p.b.dir);
    CQ_CLEANUP(cq_free_ptr) char *noop = path_format("%s/chipq-noop", bin_dir);
    const char *key = p.b.key_path ? p.b.key_path : getenv("CHIPQ_KEY");
    CQ_CLEANUP(cq_free_ptr)
    char *key_path = key ? cq_strdup(key) : path_format("%s/keys/user.key", dir);
    p.b.dir = dir;
    p.b.bin_dir = bin_dir;
    p.b.key_path = key_path;
    p.b.command = p.b.command ? p.b.command : noop;
    int rc = run(&p, &err);
    if (rc == 0)
        report_print(&p.b.report, p.b.as_json);
    else
        (void)fprintf(stderr, "chipq-bench: %s\n", err.text);
    report_fini(&p.b.report);
    return rc == 0 ? 0 : cq_code_exit_status(err.code);
}
