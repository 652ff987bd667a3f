/* chipq-simtest: the whole of chipq in one process and in virtual time, with faults; the same seed
 * gives the same run. docs/TESTING.md tells what is real in it. */
#include "common/base/pure/parse.h"
#include "tests/simtest/breaks.h"
#include "tests/simtest/nodes.h"
#include "tests/simtest/run.h"

#include <argp.h>
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

struct options {
    uint64_t seed, seeds, every;
    struct run_options run;
    bool is_quiet, goes_on, stops_when_found, is_as_if_whole;
};

enum { KEY_BREAK = 0x100, KEY_LIST_BREAKS, KEY_LOG, KEY_UNTIL_FOUND, KEY_AS_IF_WHOLE };

static const struct argp_option table[] = {
    {"seed", 's', "N", 0, "the seed of the (first) run, default 1", 0},
    {"seeds", 'n', "COUNT", 0, "so many runs, of this seed and those after it; default 1", 0},
    {"steps", 't', "N", 0, "at most so many events a run; default 2000000", 0},
    {"verbose", 'v', NULL, 0, "print every event of the run", 0},
    {"log", KEY_LOG, NULL, 0, "print the programs' log lines, too", 0},
    {"quiet", 'q', NULL, 0, "print what fails, and the sum at the end", 0},
    {"keep-going", 'k', NULL, 0, "do not stop at the first seed that fails", 0},
    {"break", KEY_BREAK, "NAME", 0,
     "break something on purpose: one run at least must be found out by the rule for it", 0},
    {"until-found", KEY_UNTIL_FOUND, NULL, 0, "with --break: stop at the first of these", 0},
    {"as-if-whole", KEY_AS_IF_WHOLE, NULL, 0, "with --break: fail as if it was not on purpose", 0},
    {"list-breaks", KEY_LIST_BREAKS, NULL, 0, "print what --break knows, with the rule it breaks",
     0},
    {0}};

static void get_number(struct argp_state *state, const char *arg, uint64_t least, uint64_t *to)
{
    struct cq_err err;
    if (parse_u64(arg, least, UINT64_MAX / 2, to, &err) != 0)
        argp_error(state, "%s", err.text);
}

static error_t on_option(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    switch (key) {
    case 's':
        get_number(state, arg, 0, &o->seed);
        return 0;
    case 'n':
        get_number(state, arg, 1, &o->seeds);
        return 0;
    case 't':
        get_number(state, arg, 1, &o->run.max_events);
        return 0;
    case 'v':
        o->run.is_verbose = true;
        return 0;
    case KEY_LOG:
        o->run.is_loud = true;
        return 0;
    case 'q':
        o->is_quiet = true;
        return 0;
    case 'k':
        o->goes_on = true;
        return 0;
    case KEY_UNTIL_FOUND:
        o->stops_when_found = true;
        return 0;
    case KEY_AS_IF_WHOLE:
        o->is_as_if_whole = true;
        return 0;
    case KEY_BREAK:
        if (!breaks_find(arg, &o->run.broken))
            argp_error(state, "'%s' is no breakage; --list-breaks prints them", arg);
        return 0;
    case KEY_LIST_BREAKS:
        breaks_list(stdout);
        exit(0);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void report_failure(uint64_t seed, const struct options *o, const struct run_result *r)
{
    printf("seed %" PRIu64 " breaks rule %s after %" PRIu64 " events, at %.6f s: %s\n", seed,
           r->rule, r->n_events, (double)r->end_us / 1e6, r->text);
    printf("the last events:\n");
    note_print_last(stdout);
    printf("again, with every event: chipq-simtest --seed %" PRIu64 " --verbose --log%s%s\n", seed,
           o->run.broken ? " --break " : "", o->run.broken ? breaks_name(o->run.broken) : "");
}

static void report(uint64_t seed, const struct run_result *r)
{
    printf("seed %" PRIu64 " hash %016" PRIx64 " events %" PRIu64
           " time_s %.1f submits %zu accepted %zu jobs %zu starts %zu cancels %zu restarts %zu\n",
           seed, r->hash, r->n_events, (double)r->end_us / 1e6, r->n_submits, r->n_accepted,
           r->n_jobs, r->n_starts, r->n_cancels, r->n_restarts);
}

struct sums {
    uint64_t n_runs, n_failed, n_by_rule, n_events, n_jobs, n_starts, hash;
};

static void add(struct sums *s, const struct options *o, const struct run_result *r)
{
    s->n_runs++;
    s->n_failed += r->is_failed;
    s->n_by_rule += r->is_failed && strcmp(r->rule, breaks_rule(o->run.broken)) == 0;
    s->n_events += r->n_events;
    s->n_jobs += r->n_jobs;
    s->n_starts += r->n_starts;
    s->hash = s->hash * UINT64_C(0x100000001b3) ^ r->hash;
}

static bool is_enough(const struct sums *s, const struct options *o, bool is_serious)
{
    return (is_serious && s->n_failed > 0 && !o->goes_on)
           || (o->stops_when_found && s->n_by_rule > 0);
}

/* 0: as it should be. */
static int run_all(const struct options *o)
{
    bool is_serious = o->run.broken == BREAK_NONE || o->is_as_if_whole;
    struct sums s = {0};
    for (uint64_t i = 0; i < o->seeds && !is_enough(&s, o, is_serious); i++) {
        struct run_result r;
        run_seed(o->seed + i, &o->run, &r);
        add(&s, o, &r);
        if (r.is_failed && (is_serious || !o->is_quiet))
            report_failure(o->seed + i, o, &r);
        else if (!o->is_quiet)
            report(o->seed + i, &r);
    }
    printf("seeds %" PRIu64 " failed %" PRIu64 " events %" PRIu64 " jobs %" PRIu64
           " starts %" PRIu64 " hash %016" PRIx64 "\n",
           s.n_runs, s.n_failed, s.n_events, s.n_jobs, s.n_starts, s.hash);
    if (is_serious)
        return s.n_failed > 0;
    printf("break %s: %" PRIu64 " of %" PRIu64 " runs were found out, %" PRIu64 " by rule %s\n",
           breaks_name(o->run.broken), s.n_failed, s.n_runs, s.n_by_rule,
           breaks_rule(o->run.broken));
    return s.n_by_rule == 0;
}

int main(int argc, char **argv)
{
    const struct argp parser = {
        table,
        on_option,
        NULL,
        "Plays chipq in one process and in virtual time: the scheduler, workers and clients with "
        "crashes, pauses, power losses and a bad network, all of it drawn from the seed. The same "
        "seed gives the same run and the same hash. Exits with 1 when a rule of docs/TESTING.md "
        "is broken, and prints how to see it again.\v"
        "Example: chipq-simtest --seed 1 --seeds 2000 --quiet",
        NULL,
        NULL,
        NULL};
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    struct options o = {.seed = 1, .seeds = 1, .run = {.max_events = 2000000}};
    (void)argp_parse(&parser, argc, argv, 0, NULL, &o);
    int rc = run_all(&o);
    clients_end();
    return rc;
}
