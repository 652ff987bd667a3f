/* Reads bundles of tokens. */
#include "cli/tokens.h"

#include "cli/request.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"

#include <inttypes.h>

enum { COUNT_MAX = 1000000 };

/* Is the feature in the bundle ("vcs:2,dc:1" or NULL)? */
static bool has_feature(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = list; p && *p;) {
        if (strncmp(p, name, len) == 0 && p[len] == ':')
            return true;
        p = strchr(p, ',');
        p = p ? p + 1 : NULL;
    }
    return false;
}

static size_t count_features(const char *list)
{
    size_t n = list && *list ? 1 : 0;
    for (; list && *list; list++)
        n += *list == ',';
    return n;
}

/* One "vcs:2", cut at its colon. */
static int parse_one(char *word, uint64_t *count, struct cq_err *err)
{
    char *colon = strchr(word, ':');
    *count = 1;
    if (colon)
        *colon = '\0';
    if (!is_name(word))
        return cq_fail(err, CQ_E_INVALID,
                       "'%.80s' is no name of a feature; write vcs:2, several with commas", word);
    if (colon && parse_u64(colon + 1, 1, COUNT_MAX, count, err) != 0)
        return cq_wrap(err, "%.80s", word);
    return 0;
}

static int add_one(struct cq_str *all, const char *other, const char *p, size_t len,
                   struct cq_err *err)
{
    uint64_t count;
    CQ_CLEANUP(cq_free_ptr) char *word = cq_strndup(p, len);
    if (parse_one(word, &count, err) != 0)
        return -1;
    if (has_feature(cq_str_text(all), word) || has_feature(other, word))
        return cq_fail(err, CQ_E_INVALID, "'%.80s' is there twice; write the sum once", word);
    cq_str_printf(all, "%s%s:%" PRIu64, all->len ? "," : "", word, count);
    return 0;
}

int tokens_add(char **list, const char *other, const char *text, struct cq_err *err)
{
    struct cq_str all = {0};
    int rc = 0;
    if (*list)
        cq_str_add(&all, *list);
    for (const char *p = text; rc == 0;) {
        size_t len = strcspn(p, ",");
        rc = add_one(&all, other, p, len, err);
        if (p[len] == '\0')
            break;
        p += len + 1;
    }
    size_t n = count_features(cq_str_text(&all)) + count_features(other);
    if (rc == 0 && n > REQUEST_TOKENS_MAX)
        rc = cq_fail(err, CQ_E_LIMIT, "%zu features in one job; at most %d", n, REQUEST_TOKENS_MAX);
    if (rc == 0) {
        free(*list);
        *list = cq_str_take(&all);
    }
    cq_str_fini(&all);
    return rc;
}
