/* chipq simulate: gives its options to chipq-sim, which stands beside this program. */
#include "cli/commands.h"
#include "cli/instance.h"
#include "cli/sim_history.h"

#include "common/base/sys/files.h"

#include <errno.h>
#include <unistd.h>

enum {
    KEY_NONE = 0x2000,
#define SIM_GROUP(heading)
#define SIM_OPTION(KEY, name, arg, help) KEY_##KEY,
#include "common/base/pure/sim_options.def"
#undef SIM_GROUP
#undef SIM_OPTION
    KEY_HISTORY, /* from here on: of this program, not of chipq-sim */
    KEY_FROM,
    KEY_TO,
    KEY_ENTERPRISE,
    KEY_WITH,
};

static const struct argp_option options[] = {
#define SIM_GROUP(heading)
#define SIM_OPTION(KEY, name, arg, help) {name, KEY_##KEY, arg, 0, help, 0},
#include "common/base/pure/sim_options.def"
#undef SIM_GROUP
#undef SIM_OPTION
    {"history", KEY_HISTORY, NULL, 0, "run what this instance ran, as it is configured now", 0},
    {"with", KEY_WITH, "FILE", 0,
     "of --history: run it twice, as it is configured and with these settings (as chipq admin "
     "export prints them), and compare",
     0},
    {"from", KEY_FROM, "DATE", 0, "of --history: jobs submitted from then on: 2026-11-01, -7d", 0},
    {"to", KEY_TO, "DATE", 0, "of --history: up to then, a day or month with its end", 0},
    {"enterprise", KEY_ENTERPRISE, "NAME", 0, "of --history: jobs of this enterprise alone", 0},
    {0},
};

struct opts {
    struct sim_history_opts history;
    char **words; /* for chipq-sim; owned */
    size_t n, cap;
    bool has_source; /* one of chipq-sim's */
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
    ((struct opts *)p)->has_source |= key <= KEY_SATURATE;
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
    if (o->has_source)
        return cq_fail(err, CQ_E_INVALID,
                       "simulate: choose one of --swf, --tsv, --eda, --saturate and --history");
    if (sim_history_make(c, h, &files, err) != 0)
        return -1;
    add_word(o, path_format("--tsv=%s", files.workload));
    add_word(o, path_format("--config-rows=%s", files.rows));
    if (*files.changes)
        add_word(o, path_format("--config-changes=%s", files.changes));
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
    argv[n++] = (char *)"chipq"; /* in whose name it speaks of errors */
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
            "Say what to run with one of --swf, --tsv, --eda, --saturate, --placement and\n"
            "--history.\n"
            "--history asks the pool, with the admin's key: each attempt that ran is a job\n"
            "again, submitted when it was; --with FILE tells what would have happened with\n"
            "other shares, limits or licences, beside what happens with those of now (--csv is of\n"
            "the changed run). Of each enterprise is told what was due to it, what\n"
            "it got, and how long it waited.",
    .examples = "chipq simulate --swf KTH-SP2.swf.gz --compat easy\n"
                "chipq simulate --eda seed=1,enterprises=40,days=2,load=0.85 --json\n"
                "chipq simulate --eda seed=1 --min-share 0.5 --csv jobs.csv\n"
                "chipq simulate --saturate --weights 50,30,20 --slots 8 --hours 1\n"
                "chipq simulate --placement --loads 0.85\n"
                "chipq simulate --history --from -7d --with changed.yaml",
    .options = options,
    .opts_bytes = sizeof(struct opts),
    .set = set,
    .run = run,
    .fini = fini,
};
