/* What a run means. */
#include "plugins/sdk/outcome.h"

#include "common/base/pure/str.h"

#include <stdarg.h>

void outcome_fini(struct outcome *o)
{
    metrics_fini(&o->metrics);
    *o = (struct outcome){0};
}

static void set(struct outcome *o, enum verdict verdict)
{
    o->verdict = verdict;
    (void)cq_copy_text(o->message, sizeof o->message, verdict == VERDICT_PASS ? "" : o->summary);
    o->overruled_by[0] = '\0';
}

/* The text may be made from the old one, so it is put together aside. */
#define OUTCOME_SET(o, verdict, fmt)                           \
    do {                                                       \
        char text_[OUTCOME_TEXT_MAX];                          \
        va_list args_;                                         \
        va_start(args_, fmt);                                  \
        (void)vsnprintf(text_, sizeof text_, fmt, args_);      \
        va_end(args_);                                         \
        (void)cq_copy_text((o)->summary, sizeof text_, text_); \
        set(o, verdict);                                       \
    } while (0)

void outcome_pass(struct outcome *o, const char *fmt, ...)
{
    OUTCOME_SET(o, VERDICT_PASS, fmt);
}

void outcome_fail(struct outcome *o, const char *fmt, ...)
{
    OUTCOME_SET(o, VERDICT_FAIL, fmt);
}

void outcome_error(struct outcome *o, const char *fmt, ...)
{
    OUTCOME_SET(o, VERDICT_ERROR, fmt);
}

void outcome_summarise(struct outcome *o, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(o->summary, sizeof o->summary, fmt, args);
    va_end(args);
}

const char *verdict_name(enum verdict verdict)
{
    static const char *const names[] = {
        [VERDICT_ERROR] = "error", [VERDICT_FAIL] = "fail", [VERDICT_PASS] = "pass"};
    return names[verdict];
}

int verdict_exit_status(enum verdict verdict)
{
    static const int statuses[] = {[VERDICT_ERROR] = 2, [VERDICT_FAIL] = 1, [VERDICT_PASS] = 0};
    return statuses[verdict];
}
