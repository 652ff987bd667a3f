/* When the feed program runs, and what becomes of what it says. */
#include "scheduler/daemon/feed.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/log.h"
#include "scheduler/daemon/feed_run.h"
#include "scheduler/daemon/feed_text.h"

#include <inttypes.h>

#define TIMEOUT_MAX_US (20 * US_PER_S)
#define EVERY_MIN_US   INT64_C(100000)

struct feed {
    struct loop *loop;
    feed_result_fn fn;
    void *arg;
    struct feed_run *run;
    struct loop_timer *timer; /* the next run is due */
    char *command;            /* NULL = none */
    int64_t every_us, started_us;
    bool is_waiting;  /* a run is due and starts when the process before it is gone */
    char *last_error; /* as logged; NULL = it went well, or has not run yet */
    bool was_good;
};

static void log_good(struct feed *f, size_t n)
{
    int64_t run_ms = (loop_now(f->loop).mono_us - f->started_us) / 1000;
    if (f->was_good)
        log_debug("licence.feed features=%zu run_ms=%" PRId64, n, run_ms);
    else
        log_info("licence.feed features=%zu run_ms=%" PRId64, n, run_ms);
    f->was_good = true;
    free(cq_steal(&f->last_error));
}

/* Once for each kind of trouble: a server that is down over night is one line, not a thousand. */
static void log_bad(struct feed *f, const char *text)
{
    bool is_new = f->last_error == NULL || strcmp(f->last_error, text) != 0;
    log_line(is_new ? LOG_WARN : LOG_DEBUG, "licence.feed error=\"%s\" command=\"%s\"", text,
             f->command);
    free(f->last_error);
    f->last_error = cq_strdup(text);
    f->was_good = false;
}

static void tell_error(struct feed *f, const struct cq_err *why)
{
    struct in_licence_feed result = {.error = why->text};
    log_bad(f, why->text);
    f->fn(f->arg, &result);
}

static void on_done(void *arg, const char *text, size_t bytes, const struct cq_err *why)
{
    struct feed *f = arg;
    struct feed_samples samples = {0};
    struct cq_err err = {0};
    if (why == NULL && feed_text_parse(text, bytes, &samples, &err) != 0)
        why = &err;
    if (why != NULL) {
        tell_error(f, why);
        return;
    }
    struct in_licence_feed result = {.samples = samples.items, .n_samples = samples.n};
    log_good(f, samples.n);
    f->fn(f->arg, &result);
    feed_samples_fini(&samples);
}

static void start(struct feed *f)
{
    struct cq_err err = {0};
    int64_t timeout_us = f->every_us < TIMEOUT_MAX_US ? f->every_us : TIMEOUT_MAX_US;
    f->is_waiting = false;
    f->started_us = loop_now(f->loop).mono_us;
    int rc = feed_run_start(f->run, f->command, timeout_us, &err);
    loop_timer_set(f->timer, f->started_us + f->every_us); /* its time limit comes first */
    if (rc != 0)
        tell_error(f, &err);
}

/* Due. A process that was killed just now is waited for; one that even SIGKILL has not ended since
 * the time before (it hangs in the kernel) is told of, and not joined by another. */
static void on_due(void *arg)
{
    struct feed *f = arg;
    bool is_busy = feed_run_is_busy(f->run);
    if (is_busy && !f->is_waiting)
        loop_timer_set(f->timer, loop_now(f->loop).mono_us + f->every_us);
    else
        start(f);
    f->is_waiting = is_busy;
}

static void on_gone(void *arg)
{
    struct feed *f = arg;
    if (f->is_waiting && f->command != NULL)
        start(f);
}

static void set_command(struct feed *f, const char *command)
{
    log_info("licence.feed command=\"%s\"", command ? command : "");
    free(f->command);
    f->command = cq_strdup(command);
    f->was_good = false;
    free(cq_steal(&f->last_error));
}

void feed_set(struct feed *f, const char *command, int64_t every_us)
{
    if (command != NULL && command[0] == '\0')
        command = NULL;
    every_us = every_us > EVERY_MIN_US ? every_us : EVERY_MIN_US;
    bool is_same = command == NULL || f->command == NULL ? command == f->command
                                                         : strcmp(command, f->command) == 0;
    if (is_same && (command == NULL || every_us == f->every_us))
        return;
    if (!is_same)
        set_command(f, command);
    f->every_us = every_us;
    feed_run_cancel(f->run);
    loop_timer_cancel(f->timer);
    f->is_waiting = command != NULL && feed_run_is_busy(f->run); /* for what was killed just now */
    if (command != NULL)
        loop_timer_set(f->timer, loop_now(f->loop).mono_us + (f->is_waiting ? every_us : 0));
}

struct feed *feed_new(struct loop *l, feed_result_fn fn, void *arg)
{
    struct feed *f = CQ_NEW(struct feed);
    f->loop = l;
    f->fn = fn;
    f->arg = arg;
    f->run = feed_run_new(l, FEED_BYTES_MAX, on_done, on_gone, f);
    f->timer = loop_timer_new(l, on_due, f);
    return f;
}

void feed_free(struct feed *f)
{
    if (f == NULL)
        return;
    feed_run_free(f->run);
    loop_timer_close(f->timer);
    free(f->command);
    free(f->last_error);
    free(f);
}
