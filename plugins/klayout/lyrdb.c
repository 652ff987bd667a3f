/* Scans a report database as a stream of tags. */
#include "plugins/klayout/lyrdb.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/str.h"

#include <errno.h>

#define TAG_MAX 64

/* What is on the way from the root to here. */
struct scan {
    FILE *file;
    struct lyrdb *db;
    char stack[LYRDB_DEPTH_MAX][TAG_MAX];
    size_t depth;
    char text[LYRDB_NAME_MAX]; /* of the element that is open, as far as it fits */
    size_t text_len;
    bool text_cut;
    char name[LYRDB_DEPTH_MAX][LYRDB_NAME_MAX];
    size_t nesting;          /* of categories */
    struct lyrdb_rule *last; /* of the item before: items come rule by rule */
    bool root_seen, root_closed;
};

void lyrdb_fini(struct lyrdb *db)
{
    free(db->rules);
    *db = (struct lyrdb){0};
}

struct lyrdb_rule *lyrdb_find(const struct lyrdb *db, const char *name)
{
    for (size_t i = 0; i < db->count; i++)
        if (strcmp(db->rules[i].name, name) == 0)
            return &db->rules[i];
    return NULL;
}

static const char *open_tag(const struct scan *s, size_t up)
{
    return s->depth > up ? s->stack[s->depth - 1 - up] : "";
}

static int malformed(const char *what, struct cq_err *err)
{
    return cq_fail(err, CQ_E_INVALID, "not a whole report: %s", what);
}

/* KLayout writes a name that is no plain word as 'name'; the quotes go, a backslash protects. */
static void unquote(char *text)
{
    char *to = text;
    bool quoted = false;
    for (const char *from = text; *from; from++) {
        if (*from == '\'') {
            quoted = !quoted;
            continue;
        }
        if (*from == '\\' && quoted && from[1])
            from++;
        *to++ = *from;
    }
    *to = '\0';
}

static int add_rule(struct scan *s, const char *name, struct cq_err *err)
{
    struct lyrdb *db = s->db;
    if (lyrdb_find(db, name))
        return 0;
    if (db->count == LYRDB_RULES_MAX)
        return cq_fail(err, CQ_E_LIMIT, "more than %d categories", LYRDB_RULES_MAX);
    s->last = NULL; /* the list may move */
    cq_grow(&db->rules, &db->cap, db->count);
    struct lyrdb_rule *rule = &db->rules[db->count++];
    *rule = (struct lyrdb_rule){0};
    (void)cq_copy_text(rule->name, sizeof rule->name, name);
    return 0;
}

/* <category><name>: the full name is that of the categories around it and its own. */
static int end_category_name(struct scan *s, struct cq_err *err)
{
    char full[LYRDB_NAME_MAX];
    size_t level = s->nesting > 0 ? s->nesting - 1 : 0;
    unquote(s->text);
    int n = level > 0 ? snprintf(full, sizeof full, "%s.%s", s->name[level - 1], s->text)
                      : snprintf(full, sizeof full, "%s", s->text);
    if (n < 0 || (size_t)n >= sizeof full || s->text_cut)
        return cq_fail(err, CQ_E_LIMIT, "a category's name is longer than %d bytes",
                       LYRDB_NAME_MAX - 1);
    (void)cq_copy_text(s->name[level], sizeof s->name[level], full);
    return add_rule(s, full, err);
}

static int end_item_category(struct scan *s, struct cq_err *err)
{
    unquote(s->text);
    struct lyrdb_rule *rule = s->last;
    if (!rule || strcmp(rule->name, s->text) != 0)
        rule = s->last = lyrdb_find(s->db, s->text);
    if (!rule)
        return malformed("an item of a category that is not declared", err);
    rule->items++;
    s->db->items++;
    return 0;
}

static int on_close(struct scan *s, const char *tag, struct cq_err *err)
{
    if (s->depth == 0 || strcmp(open_tag(s, 0), tag) != 0)
        return malformed("tags do not match", err);
    int rc = 0;
    if (strcmp(tag, "name") == 0 && strcmp(open_tag(s, 1), "category") == 0)
        rc = end_category_name(s, err);
    else if (strcmp(tag, "category") == 0 && strcmp(open_tag(s, 1), "item") == 0)
        rc = end_item_category(s, err);
    else if (strcmp(tag, "category") == 0 && strcmp(open_tag(s, 1), "categories") == 0)
        s->nesting--; /* as on_open counted it */
    s->depth--;
    s->root_closed = s->depth == 0;
    return rc;
}

static int on_open(struct scan *s, const char *tag, struct cq_err *err)
{
    if (s->depth == 0 && (s->root_seen || strcmp(tag, "report-database") != 0))
        return malformed("its root is not one <report-database>", err);
    if (s->depth == LYRDB_DEPTH_MAX)
        return malformed("nested too deep", err);
    s->root_seen = true;
    (void)cq_copy_text(s->stack[s->depth++], TAG_MAX, tag);
    if (strcmp(tag, "category") == 0 && strcmp(open_tag(s, 1), "categories") == 0)
        s->nesting++;
    else if (strcmp(tag, "category") == 0 && strcmp(open_tag(s, 1), "item") != 0)
        return malformed("a category that is neither declared nor of an item", err);
    s->text_len = 0;
    s->text_cut = false;
    s->text[0] = '\0';
    return 0;
}

/* Reads to `>`; the name into `tag`, which is cut; says how the tag ended. */
static bool read_tag(FILE *file, char *tag, bool *empty)
{
    size_t len = 0;
    bool in_name = true;
    int c, before = 0;
    while ((c = getc_unlocked(file)) != EOF && c != '>') {
        in_name = in_name && c != ' ' && c != '\n' && c != '\t' && !(c == '/' && len > 0);
        if (in_name && len < TAG_MAX - 1)
            tag[len++] = (char)c;
        before = c;
    }
    tag[len] = '\0';
    *empty = before == '/';
    return c == '>' && len > 0;
}

static int on_tag(struct scan *s, struct cq_err *err)
{
    char tag[TAG_MAX];
    bool empty = false;
    if (!read_tag(s->file, tag, &empty))
        return malformed("it ends inside a tag", err);
    if (tag[0] == '?' || tag[0] == '!')
        return 0;
    if (tag[0] == '/')
        return on_close(s, tag + 1, err);
    if (on_open(s, tag, err))
        return -1;
    return empty ? on_close(s, tag, err) : 0;
}

/* The five named entities; a number is not used by KLayout in names. */
static int read_entity(FILE *file)
{
    static const struct {
        const char *name;
        char c;
    } known[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
    char name[8];
    size_t len = 0;
    int c;
    while ((c = getc_unlocked(file)) != EOF && c != ';' && len < sizeof name - 1)
        name[len++] = (char)c;
    name[len] = '\0';
    for (size_t i = 0; i < CQ_COUNT(known); i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].c;
    return '?';
}

static void add_text(struct scan *s, int c)
{
    if (s->text_len == sizeof s->text - 1) {
        s->text_cut = true;
        return;
    }
    s->text[s->text_len++] = (char)c;
    s->text[s->text_len] = '\0';
}

static int scan_file(struct scan *s, struct cq_err *err)
{
    int c;
    while ((c = getc_unlocked(s->file)) != EOF) {
        if (c == '<') {
            if (on_tag(s, err))
                return -1;
        } else if (s->depth > 0) {
            add_text(s, c == '&' ? read_entity(s->file) : c);
        }
    }
    return s->root_closed ? 0 : malformed("it is cut short", err);
}

int lyrdb_read(const char *path, struct lyrdb *out, struct cq_err *err)
{
    struct lyrdb db = {0};
    struct scan *s = CQ_NEW(struct scan);
    s->db = &db;
    s->file = fopen(path, "re");
    int rc = s->file ? scan_file(s, err) : cq_fail_errno(err, CQ_E_NOT_FOUND, errno, "cannot open");
    if (s->file)
        (void)fclose(s->file);
    free(s);
    if (rc) {
        lyrdb_fini(&db);
        return cq_wrap(err, "%s", path);
    }
    *out = db;
    return 0;
}
