/* A recorded log, how its tool ended, and the verdict it must get. For tests of tool plugins;
 * include after Criterion. */
#ifndef LOG_CASE_H
#define LOG_CASE_H

#include "plugins/sdk/recorded.h"
#include "plugins/sdk/signature.h"

#include <criterion/criterion.h>

#include <signal.h>

struct log_case {
    const char *log; /* name in the plugin's logs/, without ".log" */
    int exit_status, signal;
    enum verdict verdict;
    const char *signature; /* the whole of it; "" for a pass */
};

static inline void log_path(char *path, size_t size, const char *tool, const char *file)
{
    (void)snprintf(path, size, "%s/plugins/%s/logs/%s", CHIPQ_SOURCE_DIR, tool, file);
}

/* Judges one log into `out`, which the caller releases. */
static inline void log_judge(const char *tool, const struct judge *judge,
                             const struct params *params, const struct log_case *c,
                             struct outcome *out)
{
    char path[512], file[128];
    struct cq_err err = {0};
    const struct proc_end end = {.exit_status = c->exit_status, .signal = c->signal};
    (void)snprintf(file, sizeof file, "%s.log", c->log);
    log_path(path, sizeof path, tool, file);
    cr_assert_eq(recorded_read(judge, params, path, &end, out, &err), 0, "%s", err.text);
}

static inline void log_check_all(const char *tool, const struct judge *judge,
                                 const struct params *params, const struct log_case *cases,
                                 size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct outcome out = {0};
        char signature[SIGNATURE_MAX];
        log_judge(tool, judge, params, &cases[i], &out);
        signature_make(out.message, signature);
        cr_expect_str_eq(verdict_name(out.verdict), verdict_name(cases[i].verdict), "%s: %s",
                         cases[i].log, out.message);
        cr_expect_str_eq(signature, cases[i].signature, "%s: %s", cases[i].log, signature);
        outcome_fini(&out);
    }
}

static inline double metric_of(const struct outcome *out, const char *name)
{
    double value = 0;
    cr_assert(metrics_get(&out->metrics, name, &value), "no metric %s", name);
    return value;
}

#endif
