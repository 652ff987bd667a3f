/* chipq simulate: gives its options to chipq-sim, which stands beside this program. */
#include "cli/commands.h"
#include "cli/instance.h"
#include "cli/sim_history.h"

#include "common/base/sys/files.h"

#include <errno.h>
#include <unistd.h>

enum {
    KEY_SWF = 0x2001,
    KEY_TSV,
    KEY_EDA,
    KEY_SATURATE,
    KEY_CORES,
    KEY_NODES,
    KEY_NODE_CORES,
    KEY_COMPAT,
    KEY_ORDER,
    KEY_LIMITS,
    KEY_WINDOW,
    KEY_WINDOWS,
    KEY_ENTERPRISES,
    KEY_WEIGHTS,
    KEY_SLOTS,
    KEY_HOURS,
    KEY_RUN,
    KEY_JITTER,
    KEY_SEED,
    KEY_BETA,
    KEY_HALF_LIFE,
    KEY_ARRAY_STEP,
    KEY_CARRY,
    KEY_PLAIN_CHARGE,
    KEY_MIN_SHARE,
    KEY_RECLAIM_GRACE,
    KEY_ROWS,
    KEY_CSV,
    KEY_WRITE_TSV,
    KEY_QUIET,
    KEY_HISTORY, /* from here on: of this program, not of chipq-sim */
    KEY_FROM,
    KEY_TO,
    KEY_ENTERPRISE,
    KEY_WITH,
};

/* Up to --quiet each is an option of chipq-sim too, under the same name. */
static const struct argp_option options[] = {
    {"swf", KEY_SWF, "FILE", 0, "run a trace in the Standard Workload Format, plain or .gz", 0},
    {"tsv", KEY_TSV, "FILE", 0, "run a workload that --write-tsv wrote", 0},
    {"eda", KEY_EDA, "SPEC", 0,
     "run made jobs of chip designers: seed=1,enterprises=40,days=2,load=0.85", 0},
    {"saturate", KEY_SATURATE, NULL, 0, "run enterprises that always want more than there is", 0},
    {"cores", KEY_CORES, "N", 0, "cores of the pool (as the trace says)", 0},
    {"nodes", KEY_NODES, "N", 0, "machines of the pool (as few as can be)", 0},
    {"node-cores", KEY_NODE_CORES, "N", 0, "cores of each of the --nodes", 0},
    {"compat", KEY_COMPAT, "RULE", 0, "easy or fcfs: in order of arrival, no fair share", 0},
    {"order", KEY_ORDER, "ORDER", 0,
     "event: each event of a second has its own pass; batch: one for all (event)", 0},
    {"limits", KEY_LIMITS, "WHICH", 0, "user: as in the trace; exact: the run time (user)", 0},
    {"window", KEY_WINDOW, "START:COUNT", 0, "only these jobs of the trace, counted from 0", 0},
    {"windows", KEY_WINDOWS, "FILE", 0, "one START:COUNT a line; prints the means as well", 0},
    {"enterprises", KEY_ENTERPRISES, "N", 0, "of --saturate, with weights 1 2 4 8 in turn (20)", 0},
    {"weights", KEY_WEIGHTS, "LIST", 0, "of --saturate: one enterprise for each, 50,30,20", 0},
    {"slots", KEY_SLOTS, "N", 0, "of --saturate: cores of the pool (64)", 0},
    {"hours", KEY_HOURS, "N", 0, "of --saturate: how long (1)", 0},
    {"run", KEY_RUN, "TIME", 0, "of --saturate: how long each job runs (60s)", 0},
    {"jitter", KEY_JITTER, "F", 0, "of --saturate: a job runs 1-F to 1+F times that (0)", 0},
    {"seed", KEY_SEED, "N", 0, "of the jitter (1)", 0},
    {"beta", KEY_BETA, "X", 0, "weight of what runs now against history (3)", 0},
    {"half-life", KEY_HALF_LIFE, "TIME", 0, "of usage (1d)", 0},
    {"array-step", KEY_ARRAY_STEP, "TIME", 0, "how much later an array's next task ranks (1s)", 0},
    {"carry", KEY_CARRY, "X", 0, "gain of the rounding carry, per second; negative: none", 0},
    {"plain-licence-charge", KEY_PLAIN_CHARGE, NULL, 0,
     "charge tokens against their own number alone", 0},
    {"min-share", KEY_MIN_SHARE, "F", 0, "guarantee each enterprise this part of its share", 0},
    {"reclaim-grace", KEY_RECLAIM_GRACE, "TIME", 0, "wait before a guarantee preempts (60s)", 0},
    {"config-rows", KEY_ROWS, "FILE", 0,
     "configuration to run it with: op, kind, path, key, value a line, tabs between", 0},
    {"csv", KEY_CSV, "FILE", 0, "write the result of every job there", 0},
    {"write-tsv", KEY_WRITE_TSV, "FILE", 0, "write the workload there", 0},
    {"quiet", KEY_QUIET, NULL, 0, "show no progress on a terminal", 0},
    {"history", KEY_HISTORY, NULL, 0, "run what this instance ran, as it is configured now", 0},
    {"with", KEY_WITH, "FILE", 0,
     "of --history: settings as chipq admin export prints them; they win over the instance's", 0},
    {"from", KEY_FROM, "DATE", 0, "of --history: jobs submitted from then on: 2026-11-01, -7d", 0},
    {"to", KEY_TO, "DATE", 0, "of --history: up to then, a day or month with its end", 0},
    {"enterprise", KEY_ENTERPRISE, "NAME", 0, "of --history: jobs of this enterprise alone", 0},
    {0},
};

struct opts {
    struct sim_history_opts history;
    char **words; /* for chipq-sim; owned */
    size_t n, cap;
};

static void add_word(struct opts *o, char *word)
{
    cq_grow(&o->words, &o->cap, o->n);
    o->words[o->n++] = word;
}

static void set_history(struct sim_history_opts *h, int key, const char *arg)
{
    if (key == KEY_HISTORY)
        h->is_wanted = true;
    else if (key == KEY_FROM)
        h->from = arg;
    else if (key == KEY_TO)
        h->to = arg;
    else if (key == KEY_ENTERPRISE)
        h->enterprise = arg;
    else
        h->with = arg;
}

static int set(void *p, int key, const char *arg, struct cq_err *err)
{
    (void)err;
    if (key >= KEY_HISTORY) {
        set_history(&((struct opts *)p)->history, key, arg);
        return 0;
    }
    for (const struct argp_option *o = options; o->name; o++)
        if (o->key == key)
            add_word(p, arg ? path_format("--%s=%s", o->name, arg) : path_format("--%s", o->name));
    return 0;
}

static void fini(void *p)
{
    struct opts *o = p;
    for (size_t i = 0; i < o->n; i++)
        free(o->words[i]);
    free(o->words);
}

/* The past as a workload that chipq-sim reads. */
static int add_history(struct cli *c, struct opts *o, struct cq_err *err)
{
    struct sim_history_files files;
    const struct sim_history_opts *h = &o->history;
    if (!h->is_wanted && (h->from || h->to || h->enterprise || h->with))
        return cq_fail(err, CQ_E_INVALID,
                       "simulate: --from, --to, --enterprise and --with go with --history");
    if (!h->is_wanted)
        return 0;
    if (sim_history_make(c, h, &files, err) != 0)
        return -1;
    add_word(o, path_format("--tsv=%s", files.workload));
    add_word(o, path_format("--config-rows=%s", files.rows));
    return 0;
}

static int run(struct cli *c, void *p, size_t n_args, char **args, struct cq_err *err)
{
    struct opts *o = p;
    (void)n_args, (void)args;
    if (add_history(c, o, err) != 0)
        return -1;
    CQ_CLEANUP(cq_free_ptr) char *bin = instance_bin_dir();
    CQ_CLEANUP(cq_free_ptr) char *program = path_format("%s/chipq-sim", bin);
    CQ_CLEANUP(cq_free_ptr) char **argv = cq_calloc(o->n + 3, sizeof *argv);
    size_t n = 0;
    argv[n++] = program;
    for (size_t i = 0; i < o->n; i++)
        argv[n++] = o->words[i];
    if (c->output == CLI_JSON)
        argv[n++] = (char *)"--json";
    (void)execv(program, argv);
    return cq_fail_errno(err, errno == ENOENT ? CQ_E_NOT_FOUND : CQ_E_INTERNAL, errno,
                         "cannot start %s", program);
}

const struct command cmd_simulate = {
    .name = "simulate",
    .args = "",
    .summary = "Run a workload through the scheduler in virtual time",
    .text = "Needs no pool. The same core that schedules a pool runs the jobs of a trace, or\n"
            "made ones, and prints how long they waited and how evenly the pool was shared:\n"
            "waits by class, bounded slowdown (10 s), utilisation, Jain's index over windows\n"
            "of an hour and a day, the largest lag behind an ideal division.\n"
            "\n"
            "Say what to run with one of --swf, --tsv, --eda, --saturate and --history.\n"
            "--history asks the pool, with the admin's key: each attempt that ran is a job\n"
            "again, submitted when it was; --with FILE tells what would have happened with\n"
            "other shares, limits or licences.",
    .examples = "chipq simulate --swf KTH-SP2.swf.gz --compat easy\n"
                "chipq simulate --eda seed=1,enterprises=40,days=2,load=0.85 --json\n"
                "chipq simulate --eda seed=1 --min-share 0.5 --csv jobs.csv\n"
                "chipq simulate --saturate --weights 50,30,20 --slots 8 --hours 1\n"
                "chipq simulate --history --from -7d --with changed.yaml",
    .options = options,
    .opts_bytes = sizeof(struct opts),
    .set = set,
    .run = run,
    .fini = fini,
};
