/* Error codes and texts: fills the caller's struct cq_err. */
#include "common/base/pure/err.h"

#include <stdarg.h>

static const struct code_row {
    enum cq_code code;
    int exit_status;
    bool retry;
    const char *name, *text;
} code_rows[] = {
    {CQ_OK, 0, false, "OK", "ok"},
#define ERR(name, wire, exit_status, retry, text) {CQ_E_##name, exit_status, retry, #name, text},
#include "common/base/pure/err.def"
#undef ERR
};

static const struct code_row *code_row(enum cq_code code)
{
    static const struct code_row unknown = {CQ_E_INTERNAL, 70, false, "?", "unknown error"};
    for (size_t i = 0; i < CQ_COUNT(code_rows); i++)
        if (code_rows[i].code == code)
            return &code_rows[i];
    return &unknown;
}

int cq_fail(struct cq_err *err, enum cq_code code, const char *fmt, ...)
{
    if (err == NULL)
        return -1;
    va_list args;
    va_start(args, fmt);
    err->code = code;
    (void)vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    return -1;
}

int cq_wrap(struct cq_err *err, const char *fmt, ...)
{
    if (err == NULL)
        return -1;
    char inner[CQ_ERR_TEXT_BYTES];
    memcpy(inner, err->text, sizeof inner);
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof err->text)
        (void)snprintf(err->text + n, sizeof err->text - (size_t)n, ": %s", inner);
    return -1;
}

int cq_fail_errno(struct cq_err *err, enum cq_code code, int errnum, const char *fmt, ...)
{
    if (err == NULL)
        return -1;
    va_list args;
    va_start(args, fmt);
    err->code = code;
    int n = vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    char why[128];
    const char *text = strerror_r(errnum, why, sizeof why);
    if (n >= 0 && (size_t)n < sizeof err->text)
        (void)snprintf(err->text + n, sizeof err->text - (size_t)n, ": %s", text);
    return -1;
}

const char *cq_code_name(enum cq_code code)
{
    return code_row(code)->name;
}

const char *cq_code_text(enum cq_code code)
{
    return code_row(code)->text;
}

int cq_code_exit_status(enum cq_code code)
{
    return code_row(code)->exit_status;
}

bool cq_code_is_retryable(enum cq_code code)
{
    return code_row(code)->retry;
}

enum cq_code cq_code_from_wire(uint64_t wire)
{
    for (size_t i = 0; i < CQ_COUNT(code_rows); i++)
        if ((uint64_t)code_rows[i].code == wire)
            return code_rows[i].code;
    return CQ_E_INTERNAL;
}
