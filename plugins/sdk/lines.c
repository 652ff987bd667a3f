/* Cuts a stream of bytes into lines of bounded length. */
#include "plugins/sdk/lines.h"

void lines_init(struct lines *l, lines_fn fn, void *context)
{
    l->fn = fn;
    l->context = context;
    l->len = 0;
    l->skipping = false;
    l->cut_count = 0;
}

static void emit(struct lines *l)
{
    if (l->len > 0 && l->buf[l->len - 1] == '\r')
        l->len--;
    l->buf[l->len] = '\0';
    l->fn(l->context, l->buf);
    l->len = 0;
}

static void append(struct lines *l, const char *data, size_t bytes)
{
    for (size_t i = 0; i < bytes && !l->skipping; i++) {
        if (data[i] == '\0')
            continue;
        if (l->len == LINES_MAX_BYTES - 1) {
            l->skipping = true;
            l->cut_count++;
            emit(l);
        } else {
            l->buf[l->len++] = data[i];
        }
    }
}

void lines_feed(struct lines *l, const char *data, size_t bytes)
{
    while (bytes > 0) {
        const char *newline = memchr(data, '\n', bytes);
        size_t part = newline ? (size_t)(newline - data) : bytes;
        append(l, data, part);
        if (!newline)
            return;
        if (!l->skipping)
            emit(l);
        l->skipping = false;
        data += part + 1;
        bytes -= part + 1;
    }
}

void lines_finish(struct lines *l)
{
    if (l->len > 0 && !l->skipping)
        emit(l);
    l->skipping = false;
}
