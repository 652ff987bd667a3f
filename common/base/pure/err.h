/* The one error type. Functions that can fail return 0 or -1 (or NULL) and take `struct cq_err
 * *err` as last parameter; NULL means "not interested". On success `err` is untouched; on failure
 * outputs are. */
#ifndef CQ_ERR_H
#define CQ_ERR_H

#include "common/base/pure/compiler.h"

enum cq_code {
    CQ_OK = 0,
#define ERR(name, wire, exit_status, retry, text) CQ_E_##name = (wire),
#include "common/base/pure/err.def"
#undef ERR
};

#define CQ_ERR_TEXT_BYTES 512

struct cq_err {
    enum cq_code code;
    char text[CQ_ERR_TEXT_BYTES]; /* one line, says what, where, and what to do next */
};

/* Fills `err` and returns -1, so that `return cq_fail(...)` is one line. Long texts are cut. */
int cq_fail(struct cq_err *err, enum cq_code code, const char *fmt, ...) CQ_PRINTF(3, 4);

/* Puts context in front of an error that a callee has filled: "submit from ann: no such job".
 * Returns -1. */
int cq_wrap(struct cq_err *err, const char *fmt, ...) CQ_PRINTF(2, 3);

/* As cq_fail, with strerror(errnum) at the end. */
int cq_fail_errno(struct cq_err *err, enum cq_code code, int errnum, const char *fmt, ...)
    CQ_PRINTF(4, 5);

const char *cq_code_name(enum cq_code code); /* "NOT_FOUND"; "?" for a number that is no code */
const char *cq_code_text(enum cq_code code); /* "not found" */
int cq_code_exit_status(enum cq_code code);  /* of the command line, design.md section 10 */
bool cq_code_is_retryable(enum cq_code code);
enum cq_code cq_code_from_wire(uint64_t wire); /* CQ_E_INTERNAL for an unknown number */

#endif
