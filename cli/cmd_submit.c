/* chipq submit: queue one command. */
#include "cli/commands.h"
#include "cli/columns.h"
#include "cli/follow.h"
#include "cli/node_pages.h"
#include "cli/request.h"
#include "cli/session.h"

#include "common/base/sys/files.h"
#include "common/base/pure/parse.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <unistd.h>

extern char **environ;

enum {
    KEY_CORES = 0x2001,
    KEY_MEM,
    KEY_TIME,
    KEY_TOPO,
    KEY_EXCLUSIVE,
    KEY_PRIORITY,
    KEY_AFTER,
    KEY_ARRAY,
    KEY_NAME,
    KEY_PROJECT,
    KEY_HOLD,
    KEY_RESTART,
    KEY_ON_LOST,
    KEY_MAX_ATTEMPTS,
    KEY_NODE_HAS,
    KEY_OUTPUT_MAX,
    KEY_OUTPUT_FULL,
    KEY_GRACE,
    KEY_CHDIR,
    KEY_WAIT,
    KEY_LICENCE,
    KEY_INSTRUMENT,
    KEY_RESERVE,
    KEY_PREEMPTIBLE,
    KEY_SMT,
    KEY_MEMBIND,
};

struct opts {
    struct request request;
    struct dep_spec *deps;
    size_t n_deps;
    const char *project, *chdir;
    bool waits;
};

static const struct argp_option options[] = {
    {"cores", KEY_CORES, "N", 0, "physical cores (1)", 0},
    {"mem", KEY_MEM, "SIZE", 0,
     "memory, as in 4G or 512M; or auto: what earlier runs of its name in the project needed, at "
     "first 1G (or what chipqd was started with as --default-mem), and more when it runs out "
     "(auto)",
     0},
    {"time", KEY_TIME, "TIME", 0,
     "wall limit, as in 2h or 90s (24h, unless chipqd was started with another --default-time)", 0},
    {"topo", KEY_TOPO, "WISH", 0,
     "pack, spread or any, then :l3, :numa, :socket or :node, then ! to wait rather than have "
     "more of them than its cores need, or memory of others; or than be spread unevenly "
     "(pack:numa)",
     0},
    {"exclusive", KEY_EXCLUSIVE, "OF", 0,
     "nobody else beside it: node (the whole machine), socket or numa (as many whole ones as its "
     "cores need), or none (none)",
     0},
    {"smt", KEY_SMT, "N", 0, "hardware threads of each core that it uses: 1 or 2 (all there are)",
     0},
    {"membind", KEY_MEMBIND, "WHERE", 0,
     "its memory: local (beside its cores), interleave (over all NUMA nodes) or none (local)", 0},
    {"priority", KEY_PRIORITY, "N", 0, "-10 to 10, order within your own project (0)", 0},
    {"after", KEY_AFTER, "LIST", 0,
     "wait for jobs: ok:12 (or just 12) until it has passed, notok:13 failed, any:14 ended either "
     "way, "
     "aftercorr:15 task by task of another array; several with commas",
     0},
    {"array", KEY_ARRAY, "TASKS", 0,
     "task numbers, 1 or above, as in 1-200, 3,7,10-20:2 or 1-5000%200 (at most 200 at once)", 0},
    {"name", KEY_NAME, "TEXT", 0, "for people (the command's name)", 0},
    {"project", KEY_PROJECT, "NAME", 0, "project it counts for (default)", 0},
    {"hold", KEY_HOLD, NULL, 0, "queue it held; chipq release starts it", 0},
    {"restart", KEY_RESTART, "WHEN", 0,
     "on-loss or never: start again when a machine is lost (on-loss)", 0},
    {"on-lost", KEY_ON_LOST, "WHAT", 0, "requeue, fail or wait when an attempt is lost (requeue)",
     0},
    {"max-attempts", KEY_MAX_ATTEMPTS, "N", 0, "starts after losses, 1 to 100 (3)", 0},
    {"node-has", KEY_NODE_HAS, "LIST", 0, "features a machine must have, as in tool=yosys", 0},
    {"output-max", KEY_OUTPUT_MAX, "SIZE", 0, "cap of the output file (256M)", 0},
    {"output-full", KEY_OUTPUT_FULL, "WHAT", 0,
     "at that cap, stop the job, or drop the middle of its output (stop)", 0},
    {"grace", KEY_GRACE, "TIME", 0, "between TERM and KILL when it is stopped", 0},
    {"chdir", KEY_CHDIR, "DIR", 0, "directory to run in (the current one)", 0},
    {"wait", KEY_WAIT, NULL, 0, "wait until it is over; exit 1 when it did not pass", 0},
    {"licence", KEY_LICENCE, "LIST", 0,
     "licence tokens, taken all at once or not at all, as in vcs:2,dc:1", 0},
    {"instrument", KEY_INSTRUMENT, "LIST", 0, "the same of instruments, as in palladium:4", 0},
    {"reserve", KEY_RESERVE, "NAME", 0, "run inside this reservation", 0},
    {"preemptible", KEY_PREEMPTIBLE, NULL, 0,
     "it may be stopped and started again later, for one with a guarantee; it can then run on what "
     "others lend",
     0},
    {0},
};

/* What the request calls an option, NULL for those that are handled here. */
static const char *field_of(int key)
{
    static const struct {
        int key;
        const char *field;
    } map[] = {
        {KEY_CORES, "cores"},
        {KEY_MEM, "mem"},
        {KEY_TIME, "time"},
        {KEY_TOPO, "topo"},
        {KEY_EXCLUSIVE, "exclusive"},
        {KEY_PRIORITY, "priority"},
        {KEY_ARRAY, "array"},
        {KEY_NAME, "name"},
        {KEY_HOLD, "hold"},
        {KEY_RESTART, "restart"},
        {KEY_ON_LOST, "on_lost"},
        {KEY_MAX_ATTEMPTS, "max_attempts"},
        {KEY_NODE_HAS, "node_has"},
        {KEY_OUTPUT_MAX, "output_max"},
        {KEY_OUTPUT_FULL, "output_full"},
        {KEY_GRACE, "grace"},
        {KEY_LICENCE, "licence"},
        {KEY_INSTRUMENT, "instrument"},
        {KEY_RESERVE, "reserve"},
        {KEY_PREEMPTIBLE, "preemptible"},
        {KEY_SMT, "smt"},
        {KEY_MEMBIND, "membind"},
    };
    for (size_t i = 0; i < CQ_COUNT(map); i++)
        if (map[i].key == key)
            return map[i].field;
    return NULL;
}

static const char *option_name(int key)
{
    const struct argp_option *o = options;
    while (o->key != key)
        o++;
    return o->name;
}

static int set_field(struct opts *o, int key, const char *arg, struct cq_err *err)
{
    if (request_set(&o->request, field_of(key), arg ? arg : "true", err) != 0)
        return cq_wrap(err, "--%s", option_name(key));
    return 0;
}

static int set(void *p, int key, const char *arg, struct cq_err *err)
{
    struct opts *o = p;
    if (field_of(key))
        return set_field(o, key, arg, err);
    switch (key) {
    case KEY_AFTER:
        free(cq_steal(&o->deps));
        return request_parse_after(arg, &o->deps, &o->n_deps, err) == 0 ? 0
                                                                        : cq_wrap(err, "--after");
    case KEY_PROJECT:
        o->project = arg;
        return is_name(arg) ? 0 : cq_fail(err, CQ_E_INVALID, "--project: '%.80s' is no name", arg);
    case KEY_CHDIR:
        o->chdir = arg;
        return 0;
    default: /* KEY_WAIT */
        o->waits = true;
        return 0;
    }
}

static void fini(void *p)
{
    struct opts *o = p;
    request_fini(&o->request);
    free(o->deps);
}

/* The directory the command runs in, absolute; caller frees. */
static char *working_directory(const struct opts *o, struct cq_err *err)
{
    char path[PATH_MAX];
    if (o->chdir == NULL && getcwd(path, sizeof path) == NULL)
        return cq_fail_errno(err, CQ_E_INVALID, errno, "the current directory"), NULL;
    if (o->chdir && realpath(o->chdir, path) == NULL)
        return cq_fail_errno(err, CQ_E_INVALID, errno, "--chdir %s", o->chdir), NULL;
    return cq_strdup(path);
}

static int make_run(const struct opts *o, size_t n_args, char **args, struct cq_str *out,
                    struct cq_err *err)
{
    CQ_CLEANUP(cq_free_ptr) char *cwd = working_directory(o, err);
    if (cwd == NULL)
        return -1;
    struct run_spec run = {.argv = args,
                           .n_argv = n_args,
                           .cwd = cwd,
                           .output_max_mib = o->request.output_max_mib,
                           .output_full = o->request.output_full,
                           .grace_us = o->request.grace_us};
    run.env = request_environment(environ, false, &run.n_env);
    run_spec_encode(&run, out);
    for (size_t i = 0; i < run.n_env; i++)
        free(run.env[i]);
    free(run.env);
    if (out->len > RUN_SPEC_MAX)
        return cq_fail(
            err, CQ_E_LIMIT,
            "command and environment take %zu bytes; at most %d: put long lists in a file, or "
            "unset what the job does not need",
            out->len, RUN_SPEC_MAX);
    return 0;
}

struct sent {
    uint64_t number;
    char warning[512]; /* the scheduler's; one a line */
};

static int send_job(struct net_client *s, struct opts *o, char **args, const struct cq_str *run,
                    struct sent *sent, struct cq_err *err)
{
    uint8_t key[16];
    struct job_spec spec = {0};
    struct msg reply = {0};
    if (request_draw_key(key, err) != 0)
        return -1;
    request_fill(&o->request, &spec);
    const char *slash = strrchr(args[0], '/');
    CQ_CLEANUP(cq_free_ptr) char *name = cq_strndup(slash ? slash + 1 : args[0], 255);
    if (spec.name == NULL && cq_is_utf8(name, strlen(name)))
        spec.name = name;
    spec.deps = o->deps;
    spec.n_deps = o->n_deps;
    spec.run = (struct wire_bin){run->data, run->len};
    struct msg ask = {.code = MSG_SUBMIT};
    ask.u.submit = (struct msg_submit){
        .key = {key, sizeof key}, .project = o->project, .jobs = &spec, .n_jobs = 1};
    if (session_call(s, &ask, MSG_ACCEPTED, &reply, err) != 0)
        return -1;
    sent->number = reply.u.accepted.n_numbers ? reply.u.accepted.numbers[0] : 0;
    (void)cq_copy_text(sent->warning, sizeof sent->warning, reply.u.accepted.warning);
    if (*reply.u.accepted.note)
        cli_talk("%s", reply.u.accepted.note);
    msg_fini(&reply);
    return sent->number ? 0
                        : cq_fail(err, CQ_E_PROTOCOL, "the scheduler accepted without a number");
}

struct largest {
    uint64_t cores, mem_mib;
};

static void note_largest(void *arg, const struct msg_nodes *page)
{
    struct largest *l = arg;
    for (size_t i = 0; i < page->n_nodes; i++) {
        const struct node_row *n = &page->nodes[i];
        l->cores = n->cores > l->cores ? n->cores : l->cores;
        l->mem_mib = n->mem_mib > l->mem_mib ? n->mem_mib : l->mem_mib;
    }
}

/* A request that no machine of today can meet is queued, for the pool may grow; but it is said at
 * once. */
static bool warn_if_too_large(struct net_client *s, const struct request *r, uint64_t number)
{
    char asked[32], largest[32];
    struct largest pool = {0};
    if ((r->cores <= 1 && r->mem_mib == 0) || nodes_fetch(s, note_largest, &pool, NULL) != 0)
        return false;
    uint64_t cores = pool.cores, mem_mib = pool.mem_mib;
    if (cores && r->cores > cores)
        cli_talk("job %" PRIu64 " waits: it asks %" PRIu64
                 " cores; the largest worker has %" PRIu64,
                 number, r->cores, cores);
    if (mem_mib && r->mem_mib > mem_mib)
        cli_talk("job %" PRIu64 " waits: it asks %s of memory; the largest worker has %s", number,
                 format_size_mib(r->mem_mib, asked, sizeof asked),
                 format_size_mib(mem_mib, largest, sizeof largest));
    return (cores && r->cores > cores) || (mem_mib && r->mem_mib > mem_mib);
}

/* What the scheduler has to say, unless it was said already. */
static void warn(struct net_client *s, const struct request *r, const struct sent *sent)
{
    if (!warn_if_too_large(s, r, sent->number) && sent->warning[0])
        cli_talk("%s", sent->warning);
}

static int submit(struct cli *c, struct net_client *s, struct opts *o, char **args,
                  const struct cq_str *run, struct cq_err *err)
{
    struct sent sent = {0};
    struct follow watch = {.session = s, .numbers = &sent.number, .n = 1};
    if (send_job(s, o, args, run, &sent, err) != 0)
        return -1;
    warn(s, &o->request, &sent);
    if (c->output == CLI_JSON && o->waits)
        return follow_wait(c, &watch, 0, err); /* one object: the job's own */
    if (c->output == CLI_JSON) {
        json_t *object = json_pack("{s:I}", "number", (json_int_t)sent.number);
        json_print(c, object);
        json_decref(object);
    } else {
        printf("%" PRIu64 "\n", sent.number);
    }
    (void)fflush(stdout);
    return o->waits ? follow_wait(c, &watch, 0, err) : 0;
}

static int run(struct cli *c, void *opts, size_t n_args, char **args, struct cq_err *err)
{
    struct cq_str spec = {0};
    if (n_args == 0 || args[0][0] == '\0')
        return cq_fail(err, CQ_E_INVALID,
                       "submit: name a command, as in: chipq submit -- make sim");
    struct net_client *s = NULL;
    int rc = make_run(opts, n_args, args, &spec, err);
    if (rc == 0) {
        s = session_open(c, AS_USER, err);
        rc = s ? submit(c, s, opts, args, &spec, err) : -1;
    }
    net_client_close(s);
    cq_str_fini(&spec);
    return rc;
}

const struct command cmd_submit = {
    .name = "submit",
    .args = "[--] COMMAND [ARG...]",
    .summary = "Queue a command and print its job number",
    .text = "The command runs in the current directory, with the caller's environment without\n"
            "LD_*, BASH_ENV, IFS and the like. No shell is started: write sh -c '...' for one.\n"
            "It sees CHIPQ_JOB, CHIPQ_TASK, CHIPQ_SEED, CHIPQ_CORES, CHIPQ_MEM_MIB and more.",
    .examples = "chipq submit -- make sim\n"
                "chipq submit --cores 4 --mem 8G --time 2h --name synth -- ./synth.sh top\n"
                "chipq submit --array 1-5000%200 -- ./run_seed.sh\n"
                "chipq submit --licence vcs:2 --preemptible -- ./regress.sh\n"
                "chipq submit --after ok:12 --wait -- ./report.sh",
    .options = options,
    .flags = COMMAND_TAKES_REST,
    .max_args = SIZE_MAX,
    .opts_bytes = sizeof(struct opts),
    .set = set,
    .run = run,
    .fini = fini,
};
