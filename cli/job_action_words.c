/* What cancel, hold, release and requeue say. */
#include "cli/job_action.h"

#include "cli/follow.h"

#include "common/wire/message.h"

#include <inttypes.h>

enum { ARGV_SHOWN_MAX = 240 };

static void add_running(struct cq_str *out, uint64_t n, const char *one, const char *many)
{
    cq_str_printf(out, "%" PRIu64 " running task%s %s", n, n == 1 ? "" : "s", n == 1 ? one : many);
}

static void add_requeued(struct cq_str *out, uint64_t running)
{
    if (running > 0)
        add_running(out, running, "called back, it starts again", "called back, they start again");
    else
        cq_str_add(out, "queued again");
}

static void add_cancelled(struct cq_str *out, const json_t *row, uint64_t running)
{
    if (row && job_has_ended(row)) {
        cq_str_printf(out, "it was over already (%s)", job_outcome(row));
        return;
    }
    cq_str_add(out, running > 0 ? "cancelled; " : "cancelled");
    if (running > 0)
        add_running(out, running, "is stopped", "are stopped");
}

/* What a machine has already is not called back. */
static void add_held(struct cq_str *out, const struct action_result *r)
{
    cq_str_add(out, "held");
    if (r->running > 0) {
        cq_str_add(out, "; ");
        add_running(out, r->running, "goes on", "go on");
    }
    if (r->sent > 0)
        cq_str_printf(out, "; %" PRIu64 " about to start %s sent already", r->sent,
                      r->sent == 1 ? "was" : "were");
}

void job_action_words(enum job_action action, const struct action_result *r, const char *tasks,
                      const json_t *row, struct cq_str *out)
{
    cq_str_printf(out, "job %" PRIu64, r->number);
    if (*tasks)
        cq_str_printf(out, "[%.60s]", tasks);
    cq_str_add(out, ": ");
    switch (action) {
    case JOB_ACTION_CANCEL:
        add_cancelled(out, row, r->running);
        break;
    case JOB_ACTION_HOLD:
        add_held(out, r);
        break;
    case JOB_ACTION_RELEASE:
        cq_str_add(out, "released");
        break;
    case JOB_ACTION_REQUEUE:
        add_requeued(out, r->running);
        break;
    }
}

static void add_time(struct cq_str *out, int64_t us)
{
    static const struct {
        int64_t us;
        const char *unit;
    } units[] = {
        {3600 * INT64_C(1000000), "h"}, {60 * INT64_C(1000000), "m"}, {1000000, "s"}, {1, "us"}};
    size_t i = 0;
    while (us % units[i].us)
        i++;
    cq_str_printf(out, " --time %" PRId64 "%s", us / units[i].us, units[i].unit);
}

static void add_request(const json_t *row, struct cq_str *out)
{
    int64_t time_us = row_number(row, "time_us"), mem_mib = row_number(row, "mem_mib");
    const char *failed = row_text(row, "failed_tasks"), *project = row_text(row, "project");
    if (row_number(row, "cores") > 1)
        cq_str_printf(out, " --cores %" PRId64, row_number(row, "cores"));
    if (mem_mib > 0)
        cq_str_printf(out, " --mem %" PRId64 "%c", mem_mib % 1024 ? mem_mib : mem_mib / 1024,
                      mem_mib % 1024 ? 'M' : 'G');
    if (time_us > 0)
        add_time(out, time_us);
    if (*project && strcmp(project, "default") != 0)
        cq_str_printf(out, " --project %s", project);
    if (!json_is_true(json_object_get(row, "is_array")))
        return;
    if (*failed && !strstr(failed, "..."))
        cq_str_printf(out, " --array %s", failed);
    else
        cq_str_printf(out, " --array 1-%" PRId64, row_number(row, "tasks"));
}

void job_action_again(const json_t *row, const char *argv, struct cq_str *out)
{
    const char *flow = row_text(row, "flow");
    if (*flow) {
        cq_str_printf(out, "run its flow '%s' again: chipq run FILE.yaml", flow);
        return;
    }
    cq_str_add(out, "submit it again: chipq submit");
    add_request(row, out);
    cq_str_printf(out, " -- %.*s%s", ARGV_SHOWN_MAX, *argv ? argv : "COMMAND",
                  strlen(argv) > ARGV_SHOWN_MAX ? " ..." : "");
}
