/* What people type at the command line, and what it shows of a worker: the first byte chooses.
 * Whatever is taken is within its bounds, and its canonical form is taken again. */
#include "cli/dates.h"
#include "cli/job_ref.h"
#include "cli/local_time.h"
#include "cli/machine_draw.h"
#include "cli/request.h"
#include "cli/to_json.h"
#include "cli/tokens.h"
#include "cli/units.h"
#include "tests/fuzz/fuzz.h"

#define NOW_US INT64_C(1767571200000000)

static void try_units(const char *text)
{
    uint64_t mib = 0;
    int64_t us = 0;
    if (units_parse_mem(text, &mib, NULL) == 0)
        FUZZ_CHECK(mib >= 1 && mib <= UINT64_C(1) << 30);
    if (units_parse_time(text, &us, NULL) == 0)
        FUZZ_CHECK(us >= 0);
}

static void try_dates(const char *text)
{
    struct date_span span = {0}, again = {0};
    int64_t wall_us = 0;
    char day[16], moment[LOCAL_TIME_BYTES];
    if (dates_parse(text, NOW_US, &span, NULL) == 0) {
        FUZZ_CHECK(span.begin_us <= span.end_us);
        if (span.begin_us % INT64_C(86400000000) == 0 && span.begin_us >= 0)
            FUZZ_CHECK(dates_parse(dates_format(span.begin_us, false, day), NOW_US, &again, NULL)
                           == 0
                       && again.begin_us == span.begin_us);
    }
    if (local_time_parse(text, &wall_us, NULL) == 0)
        FUZZ_CHECK(*local_time_format(wall_us, moment) != '\0'
                   && *local_time_short(wall_us, NOW_US, moment) != '\0');
}

static void try_tokens(const char *text)
{
    char *list = NULL, *again = NULL;
    if (tokens_add(&list, NULL, text, NULL) == 0 && list != NULL) {
        FUZZ_CHECK(tokens_add(&again, NULL, list, NULL) == 0 && strcmp(again, list) == 0);
        FUZZ_CHECK(tokens_add(&again, NULL, text, NULL) != 0); /* each feature once */
    }
    free(list);
    free(again);
}

static void try_jobs(char *text)
{
    size_t n = 0;
    struct job_name one = {0};
    struct job_name *jobs = job_names_parse(1, &text, &n, NULL);
    FUZZ_CHECK(jobs == NULL || (n > 0 && n <= JOB_NAMES_MAX));
    job_names_free(jobs, n);
    if (job_name_parse(text, &one, NULL) == 0) {
        uint64_t task = 0;
        FUZZ_CHECK(one.number > 0 && one.tasks != NULL);
        FUZZ_CHECK(job_name_one_task(&one, &task, NULL) != 0
                   || task == (*one.tasks ? strtoull(one.tasks, NULL, 10) : 0));
    }
    job_name_fini(&one);
}

/* "name" of the table, '=', and the text. */
static void try_request(char *text)
{
    static const char *const names[] = {
        "name",       "array",       "max_running", "topo",        "node_has",   "cores",
        "mem",        "time",        "priority",    "restart",     "on_lost",    "max_attempts",
        "output_max", "output_full", "grace",       "licence",     "instrument", "reserve",
        "smt",        "membind",     "hold",        "preemptible", "exclusive"};
    struct request r = {0};
    for (char *line; (line = strsep(&text, "\n"));) {
        size_t which = (size_t)(unsigned char)line[0] % CQ_COUNT(names);
        struct cq_err err = {0};
        FUZZ_CHECK(request_set(&r, names[which], line[0] ? line + 1 : line, &err) == 0
                   || err.text[0] != '\0');
    }
    FUZZ_CHECK(r.cores <= REQUEST_CORES_MAX && r.tasks <= REQUEST_TASKS_MAX
               && r.n_node_has <= REQUEST_FEATURES_MAX);
    request_fini(&r);
}

/* A worker's own words: its topology, and who is on which cores. */
static void try_machine(char *text)
{
    char *busy = strchr(text, '\n');
    struct node_row node = {.name = "n1", .state = "up", .topology = text, .offline = ""};
    const char *busies[1] = {busy ? busy + 1 : ""};
    struct cq_str out = {0};
    if (busy)
        *busy = '\0';
    node.busy = busies;
    node.n_busy = 1;
    machine_draw(&node, &out);
    json_decref(machine_json(&node));
    json_decref(machine_gpus(text));
    cq_str_fini(&out);
}

/* A result.json, and any text, in what goes out as JSON. */
static void try_json(const char *text)
{
    json_t *o = json_object();
    FUZZ_CHECK(json_object_set_new(o, "result", json_text(text)) == 0);
    json_embed(o, "result");
    char *shown = json_dumps(o, JSON_COMPACT);
    FUZZ_CHECK(shown != NULL);
    free(shown);
    json_decref(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes == 0)
        return 0;
    char *text = fuzz_text(data + 1, bytes - 1);
    switch (data[0] % 7) {
    case 0:
        try_units(text);
        break;
    case 1:
        try_dates(text);
        break;
    case 2:
        try_tokens(text);
        break;
    case 3:
        try_jobs(text);
        break;
    case 4:
        try_request(text);
        break;
    case 5:
        try_machine(text);
        break;
    default:
        try_json(text);
        break;
    }
    free(text);
    return 0;
}
