/* The parser of the feed program's output. */
#include "scheduler/daemon/feed_text.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "common/base/pure/str.h"

#include <ctype.h>

enum { SHOWN_BYTES = 60 }; /* of a bad line, in the error */

static const char blanks[] = " \t\r";

/* "line 3: 'vcs -2': a count must be 0 or more" */
static int fail_line(struct cq_err *err, enum cq_code code, size_t number, const char *line,
                     const char *what)
{
    struct cq_str shown = {0};
    size_t bytes = strlen(line);
    cq_str_add_printable(&shown, line, bytes < SHOWN_BYTES ? bytes : SHOWN_BYTES);
    (void)cq_fail(err, code, "line %zu: '%s%s': %s", number, cq_str_text(&shown),
                  bytes < SHOWN_BYTES ? "" : "...", what);
    cq_str_fini(&shown);
    return -1;
}

/* What is wrong with a count; NULL when nothing is. */
static const char *read_count(const char *text, int64_t *used)
{
    if (text[0] == '-' && isdigit((unsigned char)text[1]))
        return "a count must be 0 or more";
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || text[digits] != '\0')
        return "a count must be a whole number";
    uint64_t value;
    if (parse_u64(text, 0, FEED_USED_MAX, &value, NULL) != 0)
        return "a count must be 1000000 or less";
    *used = (int64_t)value;
    return NULL;
}

static int compare_names(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

/* A name that is there twice, or NULL. */
static const char *find_twin(const struct feed_samples *s)
{
    const char *twin = NULL;
    const char **names = cq_calloc(s->n, sizeof *names);
    for (size_t i = 0; i < s->n; i++)
        names[i] = s->items[i].feature;
    qsort(names, s->n, sizeof *names, compare_names);
    for (size_t i = 1; i < s->n && twin == NULL; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            twin = names[i];
    free(names);
    return twin;
}

/* Cuts the first word off `rest`; "" when there is none. */
static char *next_word(char **rest)
{
    char *word = *rest + strspn(*rest, blanks);
    char *end = word + strcspn(word, blanks);
    *rest = *end ? end + 1 : end;
    *end = '\0';
    return word;
}

/* Takes one line apart, in place. Returns what is wrong with it, or NULL. */
static const char *read_line(char *line, struct feed_samples *s)
{
    char *name = next_word(&line), *count = next_word(&line);
    struct in_licence_sample sample = {.feature = name};
    if (name[0] == '\0' || name[0] == '#')
        return NULL;
    if (!is_name(name))
        return "a feature's name is 1 to 63 letters, digits and . _ -";
    if (count[0] == '\0' || *next_word(&line) != '\0')
        return "a line must be 'NAME USED'";
    const char *wrong = read_count(count, &sample.used);
    if (wrong != NULL)
        return wrong;
    if (s->n == FEED_FEATURES_MAX)
        return "more than 4096 features";
    s->items[s->n++] = sample;
    return NULL;
}

/* `text` is ours, without NUL bytes, and gets cut into pieces. */
static int read_lines(char *text, struct feed_samples *s, struct cq_err *err)
{
    size_t number = 0;
    for (char *line; (line = strsep(&text, "\n")) != NULL;) {
        number++;
        char *whole CQ_CLEANUP(cq_free_ptr) = cq_strndup(line, SHOWN_BYTES);
        const char *wrong = read_line(line, s);
        if (wrong != NULL)
            return fail_line(err, CQ_E_INVALID, number, whole, wrong);
    }
    if (s->n == 0)
        return cq_fail(err, CQ_E_INVALID, "no feature at all; print 'NAME USED', one a line");
    const char *twin = find_twin(s);
    if (twin != NULL)
        return cq_fail(err, CQ_E_INVALID, "feature '%s' is there twice; print the sum, once", twin);
    return 0;
}

int feed_text_parse(const char *text, size_t bytes, struct feed_samples *samples,
                    struct cq_err *err)
{
    if (bytes > FEED_BYTES_MAX)
        return cq_fail(err, CQ_E_LIMIT, "more than 64 KiB of output");
    if (memchr(text, '\0', bytes) != NULL)
        return cq_fail(err, CQ_E_INVALID, "the output has a NUL byte; it must be text");
    struct feed_samples s = {.names = cq_strndup(text, bytes)};
    s.items = cq_calloc(FEED_FEATURES_MAX, sizeof *s.items);
    if (read_lines(s.names, &s, err) != 0) {
        feed_samples_fini(&s);
        return -1;
    }
    *samples = s;
    return 0;
}

void feed_samples_fini(struct feed_samples *samples)
{
    free(samples->items);
    free(samples->names);
    *samples = (struct feed_samples){0};
}
