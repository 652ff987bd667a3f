/* Finds the rules that a deck names. */
#include "plugins/klayout/deck.h"

#include "common/base/pure/str.h"
#include "common/base/sys/files.h"
#include "plugins/sdk/lines.h"

#define DECK_MAX_BYTES ((size_t)16 * 1024 * 1024)

struct deck {
    const struct lyrdb *report;
    char *missing;
};

/* Takes the literal that `at` begins with, if it is one without #{...} in it. */
static bool read_literal(const char *at, char *name)
{
    at += strspn(at, " (");
    char quote = *at;
    if (quote != '"' && quote != '\'')
        return false;
    const char *end = strchr(++at, quote);
    size_t len = end ? (size_t)(end - at) : 0;
    if (len == 0 || len >= LYRDB_NAME_MAX || memchr(at, '\\', len)
        || (quote == '"' && memmem(at, len, "#{", 2)))
        return false;
    memcpy(name, at, len);
    name[len] = '\0';
    return true;
}

static void on_deck_line(void *context, const char *line)
{
    struct deck *d = context;
    char name[LYRDB_NAME_MAX];
    if (line[strspn(line, " \t")] == '#')
        return;
    for (const char *at = strstr(line, ".output"); at; at = strstr(at, ".output")) {
        at += strlen(".output");
        if (read_literal(at, name) && !lyrdb_find(d->report, name) && d->missing[0] == '\0')
            (void)cq_copy_text(d->missing, LYRDB_NAME_MAX, name);
    }
}

int deck_missing_rule(const char *path, const struct lyrdb *report, char *missing,
                      struct cq_err *err)
{
    struct cq_str CQ_CLEANUP(cq_str_fini) text = {0};
    struct deck deck = {.report = report, .missing = missing};
    missing[0] = '\0';
    if (file_read(path, DECK_MAX_BYTES, &text, err))
        return -1;
    struct lines lines;
    lines_init(&lines, on_deck_line, &deck);
    lines_feed(&lines, cq_str_text(&text), text.len);
    lines_finish(&lines);
    return 0;
}
