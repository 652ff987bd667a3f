/* What an attempt's end means. Pure: from the shepherd's record and the plugin's result.json. */
#ifndef CHIPQ_WORKER_VERDICT_H
#define CHIPQ_WORKER_VERDICT_H

#include "common/base/pure/err.h"
#include "common/base/pure/str.h"
#include "worker/lease/lease_record.h"

/* The numbers of `verdict` in messages.def. */
enum worker_verdict {
    WORKER_VERDICT_NONE,
    WORKER_VERDICT_PASS,
    WORKER_VERDICT_FAIL,
    WORKER_VERDICT_ERROR,
    WORKER_VERDICT_TIMEOUT,
    WORKER_VERDICT_OOM,
    WORKER_VERDICT_KILLED,
    WORKER_VERDICT_LOST
};

enum { RESULT_MAX_BYTES = 65536, LINE_BYTES = 512 };

struct tool_result {
    bool is_there;
    enum worker_verdict verdict; /* pass, fail or error */
    char summary[LINE_BYTES], signature[LINE_BYTES];
    struct cq_str text; /* the JSON as written */
};

struct meaning {
    enum worker_verdict verdict;
    enum limit_kind limit; /* that decided; NONE where none did */
    char summary[LINE_BYTES], signature[LINE_BYTES], cause[CAUSE_BYTES];
};

/* Reads DIR/result.json: a regular file, not a link, at most 64 KiB, valid. A missing one is not an
 * error: is_there stays false. CQ_E_INVALID says what is wrong with it. Caller frees text. Blocks
 * for one small local file. */
int tool_result_read(const char *dir, struct tool_result *out, struct cq_err *err) CQ_MUST_CHECK;
int tool_result_parse(const char *text, size_t bytes, struct tool_result *out,
                      struct cq_err *err) CQ_MUST_CHECK;

/* Precedence: what the shepherd did to it; then memory, when the kernel killed a process of it and
 * it did not pass all the same (the cause says it in any case), and processes likewise;
 * then result.json for tools (`why` is the text when it was invalid, else NULL), where a pass needs
 * exit status 0; then the exit status. */
void verdict_decide(const struct lease_record *r, const struct tool_result *result, const char *why,
                    struct meaning *out);

#endif
