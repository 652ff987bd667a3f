/* A command line under construction. */
#include "plugins/sdk/args.h"

#include "common/base/pure/mem.h"

#include <stdarg.h>

void args_fini(struct args *a)
{
    for (size_t i = 0; i < a->count; i++)
        free(a->items[i]);
    free(a->items);
    *a = (struct args){0};
}

static void add_owned(struct args *a, char *text)
{
    cq_grow(&a->items, &a->cap, a->count + 1);
    a->items[a->count++] = text;
    a->items[a->count] = NULL;
}

void args_add(struct args *a, const char *text)
{
    add_owned(a, cq_strdup(text));
}

void args_addf(struct args *a, const char *fmt, ...)
{
    va_list list;
    va_start(list, fmt);
    char *text = NULL;
    int n = vasprintf(&text, fmt, list);
    va_end(list);
    if (n < 0)
        abort();
    add_owned(a, text);
}

void args_add_all(struct args *a, const char *const *texts)
{
    for (; *texts; texts++)
        args_add(a, *texts);
}

static bool is_plain(const char *text)
{
    return *text
           && strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                           "-_=+./:,@%")
                  == strlen(text);
}

static void quote_one(const char *text, struct cq_str *out)
{
    if (is_plain(text)) {
        cq_str_add(out, text);
        return;
    }
    cq_str_add_char(out, '\'');
    for (; *text; text++)
        if (*text == '\'')
            cq_str_add(out, "'\\''");
        else
            cq_str_add_char(out, *text);
    cq_str_add_char(out, '\'');
}

void args_quote(const struct args *a, struct cq_str *out)
{
    for (size_t i = 0; i < a->count; i++) {
        if (i > 0)
            cq_str_add_char(out, ' ');
        quote_one(a->items[i], out);
    }
}
