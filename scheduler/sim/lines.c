/* Line reader over zlib, which reads plain files as well. */
#include "scheduler/sim/lines.h"

#include <errno.h>
#include <zlib.h>

#include "common/base/pure/mem.h"

struct lines {
    gzFile file;
    char *path;
    size_t number;
    size_t at, end; /* what of `bytes` is read and not used */
    char bytes[2 * LINES_BYTES_MAX];
};

struct lines *lines_open(const char *path, struct cq_err *err)
{
    gzFile file = gzopen(path, "rbe");
    if (file == NULL) {
        int why = errno ? errno : ENOMEM;
        (void)cq_fail_errno(err, why == ENOENT ? CQ_E_NOT_FOUND : CQ_E_IO, why, "cannot open %s",
                            path);
        return NULL;
    }
    (void)gzbuffer(file, 1 << 17);
    struct lines *l = CQ_NEW(struct lines);
    l->file = file;
    l->path = cq_strdup(path);
    return l;
}

void lines_close(struct lines *l)
{
    if (l == NULL)
        return;
    (void)gzclose(l->file);
    free(l->path);
    free(l);
}

int lines_wrap(const struct lines *l, struct cq_err *err)
{
    return cq_wrap(err, "%s:%zu", l->path, l->number);
}

static int fail_here(const struct lines *l, enum cq_code code, const char *why, struct cq_err *err)
{
    (void)cq_fail(err, code, "%s", why);
    return lines_wrap(l, err);
}

/* Moves what is left to the front and reads on. *got is 0 at the end of the file. */
static int refill(struct lines *l, size_t *got, struct cq_err *err)
{
    memmove(l->bytes, l->bytes + l->at, l->end - l->at);
    l->end -= l->at;
    l->at = 0;
    int n = gzread(l->file, l->bytes + l->end, (unsigned)(sizeof l->bytes - 1 - l->end));
    if (n >= 0) {
        *got = (size_t)n;
        l->end += (size_t)n;
        int code = Z_OK;
        (void)gzerror(l->file, &code);
        if (n > 0 || code == Z_OK || code == Z_STREAM_END)
            return 0;
    }
    return fail_here(l, CQ_E_IO, "cannot read on: the file is damaged or cut short", err);
}

static int check_line(const struct lines *l, const char *text, size_t n, struct cq_err *err)
{
    if (n > LINES_BYTES_MAX)
        return fail_here(l, CQ_E_LIMIT, "the line is longer than 65536 bytes", err);
    if (l->number > LINES_MAX)
        return fail_here(l, CQ_E_LIMIT, "the file has more than 16000000 lines", err);
    if (memchr(text, '\0', n))
        return fail_here(l, CQ_E_INVALID, "the line has a zero byte; is this a text file?", err);
    return 1;
}

int lines_next(struct lines *l, char **line, struct cq_err *err)
{
    size_t got = 1;
    char *stop = memchr(l->bytes + l->at, '\n', l->end - l->at);
    while (stop == NULL && got > 0 && l->end - l->at <= LINES_BYTES_MAX) {
        if (refill(l, &got, err) != 0)
            return -1;
        stop = memchr(l->bytes + l->at, '\n', l->end - l->at);
    }
    if (stop == NULL && l->at == l->end)
        return 0;
    char *text = l->bytes + l->at;
    size_t n = stop ? (size_t)(stop - text) : l->end - l->at;
    l->number++;
    l->at += n + (stop != NULL);
    int rc = check_line(l, text, n, err);
    if (rc < 0)
        return rc;
    text[n] = '\0';
    if (n > 0 && text[n - 1] == '\r')
        text[n - 1] = '\0';
    *line = text;
    return 1;
}
