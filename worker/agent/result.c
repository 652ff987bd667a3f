/* result.json, as a plugin left it: untrusted, bounded, strict. */
#include "worker/agent/verdict.h"
#include "common/base/pure/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

static int get_verdict(json_t *root, enum worker_verdict *out, struct cq_err *err)
{
    static const char *const names[] = {"pass", "fail", "error"};
    const char *text = json_string_value(json_object_get(root, "verdict"));
    for (size_t i = 0; text && i < CQ_COUNT(names); i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (enum worker_verdict)(WORKER_VERDICT_PASS + i);
            return 0;
        }
    return cq_fail(err, CQ_E_INVALID, "verdict must be pass, fail or error");
}

/* Optional text on one line; longer ones are cut at a character's border. */
static int get_line(json_t *root, const char *name, char to[LINE_BYTES], struct cq_err *err)
{
    json_t *value = json_object_get(root, name);
    to[0] = '\0';
    if (value == NULL || json_is_null(value))
        return 0;
    if (!json_is_string(value))
        return cq_fail(err, CQ_E_INVALID, "%s must be a text", name);
    (void)cq_copy_text(to, LINE_BYTES, json_string_value(value));
    for (size_t n = strlen(to); n > 0 && !cq_is_utf8(to, n); n--)
        to[n - 1] = '\0';
    for (char *p = to; *p; p++)
        if (*p == '\n' || *p == '\r' || *p == '\t')
            *p = ' ';
    return 0;
}

int tool_result_parse(const char *text, size_t bytes, struct tool_result *out, struct cq_err *err)
{
    json_error_t why;
    struct tool_result r = {.is_there = true};
    json_t *root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &why);
    if (root == NULL)
        return cq_fail(err, CQ_E_INVALID, "result.json, line %d: %s", why.line, why.text);
    json_t *metrics = json_object_get(root, "metrics");
    int failed = 0;
    if (json_integer_value(json_object_get(root, "chipq_result")) != 1)
        failed = cq_fail(err, CQ_E_INVALID, "result.json is not of contract 1");
    else if (metrics && !json_is_object(metrics))
        failed = cq_fail(err, CQ_E_INVALID, "metrics must be an object");
    else if (get_verdict(root, &r.verdict, err) != 0
             || get_line(root, "summary", r.summary, err) != 0
             || get_line(root, "signature", r.signature, err) != 0)
        failed = -1;
    json_decref(root);
    if (failed)
        return -1;
    cq_str_append(&r.text, text, bytes);
    *out = r;
    return 0;
}

int tool_result_read(const char *dir, struct tool_result *out, struct cq_err *err)
{
    char path[4096], *text = NULL;
    struct stat st;
    *out = (struct tool_result){0};
    snprintf(path, sizeof path, "%s/result.json", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return 0;
    int failed = 0;
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        failed = cq_fail(err, CQ_E_INVALID, "result.json is not a regular file");
    } else if (st.st_size > RESULT_MAX_BYTES) {
        failed = cq_fail(err, CQ_E_LIMIT, "result.json has %lld bytes, %d are allowed",
                         (long long)st.st_size, RESULT_MAX_BYTES);
    } else {
        text = cq_malloc((size_t)st.st_size + 1);
        ssize_t n = pread(fd, text, (size_t)st.st_size, 0);
        failed = n < 0 ? cq_fail_errno(err, CQ_E_IO, errno, "cannot read result.json")
                       : tool_result_parse(text, (size_t)n, out, err);
    }
    free(text);
    if (fd >= 0)
        close(fd);
    return failed;
}
