/* Every tick its part of a second's questions, all under way at once: an answer waits for the disk
 * behind what was recorded before, so one that waits for another would ask too seldom. */
#include "bench/asker.h"
#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum { TICK_US = 500 * 1000, TICKS_A_SECOND = 2 };

struct asker {
    struct session *s;
    uint64_t per_second, asked;
    _Atomic uint64_t number, answered;
    _Atomic int64_t took_us;
    _Atomic bool must_stop;
    pthread_t thread;
    int64_t *sent_us; /* of the questions under way */
    int rc;
    struct cq_err err;
};

static void make_question(void *arg, size_t i, struct msg *req)
{
    struct asker *a = arg;
    bool is_why = a->asked++ % 2 == 0;
    *req = (struct msg){.code = is_why ? MSG_WHY_QUERY : MSG_JOBS_QUERY};
    if (is_why)
        req->u.why_query.number = a->number;
    a->sent_us[i] = clock_mono_us();
}

static void take_answer(void *arg, size_t i, CQ_UNUSED const struct msg *reply)
{
    struct asker *a = arg;
    a->took_us += clock_mono_us() - a->sent_us[i];
    a->answered++;
}

static void sleep_until(int64_t at_us)
{
    const struct timespec at = {at_us / 1000000, (at_us % 1000000) * 1000};
    while (clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &at, NULL) != 0)
        ;
}

static void *run(void *asker)
{
    struct asker *a = asker;
    const struct session_pipeline p = {.n = (size_t)(a->per_second / TICKS_A_SECOND),
                                       .window = (size_t)a->per_second,
                                       .make = make_question,
                                       .take = take_answer,
                                       .arg = a};
    for (int64_t at_us = clock_mono_us(); !a->must_stop && a->rc == 0;) {
        int64_t now_us = clock_mono_us();
        at_us =
            at_us + TICK_US > now_us ? at_us + TICK_US : now_us; /* what is late is not made up */
        sleep_until(at_us);
        if (a->number != 0)
            a->rc = session_run(a->s, &p, &a->err);
    }
    return NULL;
}

struct asker *asker_start(const char *key_path, uint64_t per_second, struct cq_err *err)
{
    struct session *s = session_open(key_path, err);
    if (s == NULL)
        return NULL;
    struct asker *a = CQ_NEW(struct asker);
    a->s = s;
    a->per_second = per_second < TICKS_A_SECOND ? TICKS_A_SECOND : per_second;
    a->sent_us = cq_calloc((size_t)a->per_second, sizeof *a->sent_us);
    if (pthread_create(&a->thread, NULL, run, a) != 0)
        abort(); /* out of threads: nothing to measure here */
    return a;
}

int asker_stop(struct asker *a, struct cq_err *err)
{
    if (a == NULL)
        return 0;
    a->must_stop = true;
    pthread_join(a->thread, NULL);
    int rc = a->rc;
    if (rc != 0)
        *err = a->err;
    session_close(a->s);
    free(a->sent_us);
    free(a);
    return rc;
}

void asker_ask_about(struct asker *a, uint64_t number)
{
    if (a)
        a->number = number;
}

struct asker_counts asker_counts(struct asker *a)
{
    return a ? (struct asker_counts){a->answered, a->took_us} : (struct asker_counts){0};
}
