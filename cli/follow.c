/* The watch loop of `wait`, `run` and `submit --wait`. */
#include "cli/follow.h"

#include "cli/columns.h"
#include "cli/to_json.h"
#include "common/base/pure/parse.h"
#include "common/base/sys/clock.h"

#include <inttypes.h>

enum { LOOK_US = 1000 * 1000 };

const char *row_text(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text ? text : "";
}

int64_t row_number(const json_t *row, const char *key)
{
    return json_integer_value(json_object_get(row, key));
}

bool job_has_ended(const json_t *row)
{
    static const char *const states[] = {"done", "failed", "killed", "lost", "expired"};
    for (size_t i = 0; i < CQ_COUNT(states); i++)
        if (strcmp(row_text(row, "state"), states[i]) == 0)
            return true;
    return false;
}

bool job_has_passed(const json_t *row)
{
    const char *verdict = row_text(row, "verdict");
    return strcmp(row_text(row, "state"), "done") == 0
           && (!*verdict || strcmp(verdict, "pass") == 0);
}

const char *job_outcome(const json_t *row)
{
    const char *verdict = row_text(row, "verdict"), *state = row_text(row, "state");
    if (!job_has_ended(row))
        return state;
    if (row_number(row, "start_us") == 0
        && (strcmp(state, "expired") == 0
            || strcmp(row_text(row, "reason_code"), "SKIPPED_DEPENDENCY") == 0))
        return "skipped"; /* what it needed did not end as it should */
    if (*verdict)
        return verdict;
    return strcmp(state, "done") == 0 ? "pass" : state;
}

static void take_rows(struct follow *f, const struct job_row *rows, size_t n, follow_fn on_change,
                      void *arg)
{
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < f->n; i++)
            if (f->numbers[i] == rows[r].number) {
                json_decref(f->rows[i]);
                f->rows[i] = json_of_job_row(&rows[r]);
                if (on_change)
                    on_change(arg, f, (int64_t)i);
            }
}

static int watch(struct follow *f, follow_fn on_change, void *arg, struct cq_err *err)
{
    struct msg ask = {.code = MSG_WATCH}, reply = {0};
    ask.u.watch =
        (struct msg_watch){.numbers = f->numbers, .n_numbers = f->n, .enterprise = f->enterprise};
    if (session_call(f->session, &ask, MSG_JOBS, &reply, err) != 0)
        return -1;
    take_rows(f, reply.u.jobs.jobs, reply.u.jobs.n_jobs, on_change, arg);
    msg_fini(&reply);
    for (size_t i = 0; i < f->n; i++)
        if (f->rows[i] == NULL)
            return cq_fail(err, CQ_E_NOT_FOUND, "no such job: %" PRIu64, f->numbers[i]);
    return 0;
}

static bool all_ended(const struct follow *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (!job_has_ended(f->rows[i]))
            return false;
    return true;
}

/* How long to wait for the next message: until the deadline, the tick, or the next look whether
 * the scheduler is still there. */
static int64_t next_look(int64_t deadline_us, int64_t tick_us)
{
    int64_t look_us = tick_us && tick_us < LOOK_US ? tick_us : LOOK_US;
    int64_t left_us = deadline_us ? deadline_us - clock_mono_us() : look_us;
    if (left_us < 1)
        left_us = 1;
    return left_us < look_us ? left_us : look_us;
}

/* The scheduler is away: 0 while there is hope. */
static int bear(struct follow *f, struct cq_err *err)
{
    char time[32];
    int64_t now_us = clock_mono_us(),
            patience_us = f->patience_us ? f->patience_us : FOLLOW_PATIENCE_US;
    if (f->away_since_us == 0) {
        f->away_since_us = now_us;
        cli_talk("the scheduler is away; waiting for it, at most %s",
                 format_time_us(patience_us, time, sizeof time));
    }
    if (now_us - f->away_since_us < patience_us)
        return 0;
    return cq_fail(err, CQ_E_NO_SCHEDULER,
                   "the scheduler has been away for %s. Its jobs are kept: start it with chipq up, "
                   "then: chipq wait %" PRIu64 "%s",
                   format_time_us(now_us - f->away_since_us, time, sizeof time), f->numbers[0],
                   f->n > 1 ? " ..." : "");
}

static void note_presence(struct follow *f)
{
    if (f->away_since_us)
        cli_talk("the scheduler is back");
    f->away_since_us = 0;
}

/* The connection was lost and is back, or the watch was. */
static int watch_again(struct follow *f, follow_fn on_change, void *arg, struct cq_err *err)
{
    struct cq_err why = {0};
    f->again_at_us = 0;
    if (watch(f, on_change, arg, &why) == 0) {
        note_presence(f);
        return 0;
    }
    if (why.code == CQ_E_NO_SCHEDULER)
        return bear(f, err);
    return cq_fail(err, why.code, "%s", why.text);
}

static int interrupt(struct follow *f, follow_fn on_change, void *arg, struct cq_err *err)
{
    if (++f->interrupts > 1 || on_change == NULL)
        return cq_fail(err, CQ_E_TIMEOUT, "interrupted");
    on_change(arg, f, FOLLOW_INTERRUPT);
    return 0;
}

/* Another watch of this user took our place: take one again, but not in a race. */
static void note_eviction(struct follow *f)
{
    if (f->again_at_us == 0)
        f->again_at_us = clock_mono_us() + LOOK_US;
}

/* One turn of the loop. Returns 0 to go on. */
static int turn(struct follow *f, int64_t deadline_us, int64_t tick_us, follow_fn on_change,
                void *arg, struct cq_err *err)
{
    struct msg event = {0};
    struct cq_err why = {0};
    if (net_client_next(f->session, &event, next_look(deadline_us, tick_us), &why) == 0) {
        if (event.code == MSG_JOB_EVENT)
            take_rows(f, event.u.job_event.jobs, event.u.job_event.n_jobs, on_change, arg);
        bool is_denied = event.code == MSG_ERROR && event.u.error.code == CQ_E_DENIED;
        if (event.code == MSG_ERROR && event.u.error.code == CQ_E_LIMIT)
            note_eviction(f);
        int rc = is_denied ? cq_fail(err, CQ_E_DENIED, "%s", event.u.error.text) : 0;
        msg_fini(&event);
        return rc;
    }
    bool is_due = f->again_at_us && clock_mono_us() >= f->again_at_us;
    if (why.code == CQ_E_STALE || (why.code == CQ_E_TIMEOUT && is_due))
        return watch_again(f, on_change, arg, err);
    if (why.code != CQ_E_TIMEOUT && why.code != CQ_E_NO_SCHEDULER)
        return cq_fail(err, why.code, "%s", why.text);
    if (net_client_caught(f->session))
        return interrupt(f, on_change, arg, err);
    if (deadline_us && clock_mono_us() >= deadline_us)
        return cq_fail(err, CQ_E_TIMEOUT, "the time is over and not all jobs have ended");
    if (why.code == CQ_E_NO_SCHEDULER && bear(f, err) != 0)
        return -1;
    if (on_change && tick_us)
        on_change(arg, f, FOLLOW_TICK);
    return 0;
}

int follow_run(struct follow *f, int64_t timeout_us, int64_t tick_us, follow_fn on_change,
               void *arg, struct cq_err *err)
{
    int64_t deadline_us = timeout_us ? clock_mono_us() + timeout_us : 0;
    f->rows = cq_calloc(f->n + 1, sizeof(json_t *));
    int rc = watch(f, on_change, arg, err);
    while (rc == 0 && !all_ended(f))
        rc = turn(f, deadline_us, tick_us, on_change, arg, err);
    return rc;
}

void follow_fini(struct follow *f)
{
    for (size_t i = 0; f->rows && i < f->n; i++)
        json_decref(f->rows[i]);
    free(f->rows);
    f->rows = NULL;
}

static void print_rows(const struct cli *c, const struct follow *f)
{
    json_t *rows = json_array(), *object = json_pack("{s:o}", "jobs", rows);
    for (size_t i = 0; i < f->n; i++) {
        json_embed(f->rows[i], "metrics");
        json_array_append(rows, f->rows[i]);
    }
    json_print(c, object);
    json_decref(object);
}

static int say_interrupted(const struct follow *f)
{
    cli_talk("interrupted; the %s on. Cancel with: chipq cancel %" PRIu64 "%s",
             f->n > 1 ? "jobs go" : "job goes", f->numbers[0], f->n > 1 ? " ..." : "");
    return 130;
}

int follow_wait(const struct cli *c, struct follow *f, int64_t timeout_us, struct cq_err *err)
{
    session_catch_interrupts(f->session);
    int rc = follow_run(f, timeout_us, 0, NULL, NULL, err);
    if (rc == 0 && c->output == CLI_JSON)
        print_rows(c, f);
    if (rc == 0)
        rc = follow_report(f);
    else if (f->interrupts)
        rc = say_interrupted(f);
    follow_fini(f);
    return rc;
}
