/* Output that somebody reads through the scheduler, or follows while it is written. */
#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "common/base/sys/files.h"
#include "worker/agent/logwatch.h"
#include "worker/lease/place.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_MAX = 262144, WAITERS_MAX = 1024 };

struct log_waiter {
    struct agent *agent;
    uint64_t request, attempt, offset, max;
    char *place, *path;
    struct log_sub *sub;
};

static void answer(struct agent *a, uint64_t request, const struct msg_log_chunk *chunk)
{
    struct msg m = {.code = MSG_LOG_CHUNK, .request = request, .u.log_chunk = *chunk};
    (void)session_send(a, &m); /* lost with the session: the reader asks again */
}

static void answer_error(struct agent *a, uint64_t request, uint64_t offset, const char *text)
{
    answer(a, request, &(struct msg_log_chunk){.offset = offset, .at_end = true, .error = text});
}

static bool is_live(struct agent *a, const char *place, uint64_t attempt)
{
    size_t at = 0;
    void *value;
    while (map_next(&a->leases, &at, &value)) {
        const struct lease *l = value;
        for (size_t i = 0; i < l->n_attempts; i++)
            if (attempt_is_place(l->attempts[i], place, attempt))
                return l->attempts[i]->state != ATTEMPT_ENDED;
    }
    return false;
}

/* Answers if there is something to say. False: nothing yet, and more may come. */
static bool try_answer(const struct log_waiter *w, bool must_answer)
{
    static char buf[CHUNK_MAX];
    struct stat st = {0};
    bool may_grow = is_live(w->agent, w->place, w->attempt);
    /* A job can put anything in its file's place, a pipe too: nothing may block on it. */
    int fd = open(w->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
        close(fd);
        answer_error(w->agent, w->request, w->offset, "the output is not a regular file");
        return true;
    }
    if (fd < 0 && !may_grow) {
        answer_error(w->agent, w->request, w->offset,
                     errno == ENOENT ? "this attempt has no output here"
                                     : "the output cannot be opened");
        return true;
    }
    size_t max = w->max && w->max < CHUNK_MAX ? (size_t)w->max : CHUNK_MAX;
    ssize_t n = fd >= 0 ? pread(fd, buf, max, (off_t)w->offset) : 0;
    bool has_size = fd >= 0 && fstat(fd, &st) == 0;
    if (fd >= 0)
        close(fd);
    if (n < 0) {
        answer_error(w->agent, w->request, w->offset, "the output cannot be read");
        return true;
    }
    bool is_end = !may_grow && has_size && w->offset + (uint64_t)n >= (uint64_t)st.st_size;
    if (n == 0 && !is_end && !must_answer)
        return false;
    answer(
        w->agent, w->request,
        &(struct msg_log_chunk){.offset = w->offset, .data = {buf, (size_t)n}, .at_end = is_end});
    return true;
}

static void waiter_free(struct log_waiter *w)
{
    logwatch_remove(w->sub);
    free(w->place);
    free(w->path);
    free(w);
}

static void waiter_remove_at(struct agent *a, size_t i)
{
    struct log_waiter *w = a->log_waiters[i];
    a->log_waiters[i] = a->log_waiters[--a->n_log_waiters];
    waiter_free(w);
}

static void waiter_remove(const struct log_waiter *w)
{
    struct agent *a = w->agent;
    for (size_t i = 0; i < a->n_log_waiters; i++)
        if (a->log_waiters[i] == w) {
            waiter_remove_at(a, i);
            return;
        }
}

static void on_growth(void *arg)
{
    struct log_waiter *w = arg;
    /* Armed first: growth after the look fires again. */
    (void)logwatch_arm(w->sub);
    if (try_answer(w, false))
        waiter_remove(w);
}

static void keep(struct log_waiter *w)
{
    struct agent *a = w->agent;
    if (a->n_log_waiters == WAITERS_MAX) { /* the oldest is told to ask again */
        (void)try_answer(a->log_waiters[0], true);
        waiter_remove_at(a, 0);
    }
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
    cq_grow(&a->log_waiters, &a->log_waiters_cap, a->n_log_waiters);
    a->log_waiters[a->n_log_waiters++] = w;
    w->sub = logwatch_add(a, w->path, on_growth, w);
    on_growth(w);
}

void logs_read(struct agent *a, const struct msg_log_read *m, uint64_t request)
{
    char path[PATH_MAX], place[PLACE_BYTES];
    int n = is_name(m->enterprise)
                ? snprintf(place, sizeof place, "%s/%llu/%llu", m->enterprise,
                           (unsigned long long)m->number, (unsigned long long)m->task)
                : -1;
    if (n < 0 || n >= (int)sizeof place || !place_log(a->options.dir, place, m->attempt, path)
        || m->offset > INT64_MAX) {
        answer_error(a, request, m->offset, "there is no such output");
        return;
    }
    struct log_waiter *w = CQ_NEW(struct log_waiter);
    *w = (struct log_waiter){.agent = a,
                             .request = request,
                             .attempt = m->attempt,
                             .offset = m->offset,
                             .max = m->max,
                             .place = cq_strdup(place),
                             .path = cq_strdup(path)};
    if (try_answer(w, !m->follow))
        waiter_free(w);
    else
        keep(w);
}

void logs_attempt_changed(struct agent *a, const struct attempt *t)
{
    for (size_t i = 0; i < a->n_log_waiters;) {
        struct log_waiter *w = a->log_waiters[i];
        if (!attempt_is_place(t, w->place, w->attempt)) {
            i++;
            continue;
        }
        (void)logwatch_arm(w->sub);
        if (try_answer(w, false))
            waiter_remove_at(a, i); /* the last one takes its place */
        else
            i++;
    }
}

void logs_forget_all(struct agent *a)
{
    for (size_t i = 0; i < a->n_log_waiters; i++)
        waiter_free(a->log_waiters[i]);
    a->n_log_waiters = 0;
}
