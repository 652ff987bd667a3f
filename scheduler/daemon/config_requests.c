/* CONFIG_APPLY and CONFIG_QUERY: who may change and see what of the configuration. The core checks
 * the values and applies them. */
#include "scheduler/daemon/page.h"
#include "scheduler/daemon/requests.h"
#include "scheduler/daemon/views.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/log.h"

#include <inttypes.h>

enum { CHANGES_MAX = 10000, WARNINGS_MAX = 256, LOGGED_MAX = 1000 };

static bool is_platform(const struct asker *a)
{
    struct authz_object pool = {.owner = NULL};
    return authz(&a->who, VERB_CONFIG_CHANGE, &pool);
}

static bool may_own(const struct asker *a, enum verb verb)
{
    struct authz_object own = {.enterprise = a->who.enterprise};
    return authz(&a->who, verb, &own);
}

int enterprise_of_path(struct daemon *d, const struct asker *a, const char *path, enum verb verb,
                       struct enterprise_id *e, struct cq_err *err)
{
    size_t len = strcspn(path, "/");
    CQ_CLEANUP(cq_free_ptr) char *name = cq_strndup(path, len);
    if (len == 0)
        return cq_fail(err, CQ_E_NOT_FOUND, "no such enterprise: ''");
    return scope_find(d, a, name, 0, verb, e, err);
}

/* ---- CONFIG_APPLY ---- */

/* Below its enterprise an admin rules; what the enterprise itself gets is the platform's affair. An
 * enterprise that is not the asker's is told apart from none by nothing. */
static int check_row(struct daemon *d, const struct asker *a, const struct config_row *row,
                     struct cq_err *err)
{
    struct enterprise_id e;
    bool is_enterprise = strcmp(row->kind, "enterprise") == 0;
    bool is_below = strcmp(row->kind, "project") == 0 || strcmp(row->kind, "user") == 0;
    if (is_platform(a))
        return 0;
    if (!is_enterprise && !is_below)
        return cq_fail(err, CQ_E_DENIED,
                       "an enterprise's admin may not change licences, instruments or the licence "
                       "feed; a platform admin may");
    if (enterprise_of_path(d, a, row->path, VERB_SHARE_CHANGE, &e, err) != 0)
        return -1;
    if (is_enterprise)
        return cq_fail(err, CQ_E_DENIED,
                       "%.63s's own settings are set by a platform admin; you set those of its "
                       "projects and users",
                       row->path);
    return 0;
}

static int check_rows(struct daemon *d, const struct asker *a, const struct msg_config_apply *m,
                      struct cq_err *err)
{
    if (!is_platform(a) && !may_own(a, VERB_SHARE_CHANGE))
        return cq_fail(err, CQ_E_DENIED, "a %s may not change the configuration; an admin may",
                       role_name(a->who.role));
    if (m->n_rows == 0)
        return cq_fail(err, CQ_E_INVALID, "a change of configuration without rows");
    for (size_t i = 0; i < m->n_rows; i++)
        if (check_row(d, a, &m->rows[i], err) != 0)
            return -1;
    return 0;
}

static struct in_config_row *rows_of(const struct msg_config_apply *m)
{
    struct in_config_row *rows = cq_calloc(m->n_rows, sizeof *rows);
    for (size_t i = 0; i < m->n_rows; i++)
        rows[i] = (struct in_config_row){.op = (enum config_op)m->rows[i].op,
                                         .kind = m->rows[i].kind,
                                         .path = m->rows[i].path,
                                         .key = m->rows[i].key,
                                         .value = m->rows[i].value};
    return rows;
}

static void step_config(struct daemon *d, const struct asker *a, const struct msg_config_apply *m)
{
    struct cq_err err = {0};
    struct in_config_row *rows CQ_CLEANUP(cq_free_ptr) = rows_of(m);
    struct input in = {.type = INPUT_CONFIG_APPLY, .principal = a->who.id};
    in.u.config = (struct in_config){rows, m->n_rows, m->dry_run};
    in.request = reply_handle(d, a, NULL, 0);
    struct reply_to *to = map_find(&d->replies, in.request);
    to->is_dry_run = m->dry_run;
    uint64_t handle = in.request;
    if (turn_step(d, &in, &err) == 0)
        return;
    free(map_remove(&d->replies, handle));
    reply_error(d, a, &err);
}

void on_config_apply(struct daemon *d, const struct asker *a, struct msg *m)
{
    const struct msg_config_apply *c = &m->u.config_apply;
    struct cq_err err = {0};
    int rc = check_rows(d, a, c, &err);
    log_info("audit.config_apply by=%s/%s rows=%zu dry_run=%d allowed=%d", a->who.enterprise_name,
             a->who.name, c->n_rows, (int)c->dry_run, (int)(rc == 0));
    if (rc != 0) {
        reply_error(d, a, &err);
        return;
    }
    step_config(d, a, c);
    if (!c->dry_run)
        logs_drop_revoked(d); /* with an enterprise go its keys */
}

/* ---- CONFIG_DONE ---- */

/* Cuts the next field off; "" at the end. */
static char *next_field(char **p, char separator)
{
    char *field = *p, *end = strchr(field, separator);
    if (end == NULL) {
        *p = field + strlen(field);
        return field;
    }
    *end = '\0';
    *p = end + 1;
    return field;
}

static struct config_change change_of_line(char *line)
{
    struct config_change c;
    c.kind = next_field(&line, ' ');
    c.path = next_field(&line, '\t');
    c.key = next_field(&line, '\t');
    c.old = next_field(&line, '\t');
    c.new = next_field(&line, '\t');
    return c;
}

static size_t change_bytes(const struct config_change *c)
{
    return strlen(c->kind) + strlen(c->path) + strlen(c->key) + strlen(c->old) + strlen(c->new)
           + 20;
}

static void log_change(const struct asker *a, const struct config_change *c)
{
    struct cq_str line = {0};
    const char *const texts[] = {c->kind, " ",    c->path,   " ",    c->key,
                                 "='",    c->new, "' was='", c->old, "'"};
    for (size_t i = 0; i < CQ_COUNT(texts); i++)
        cq_str_add_printable(&line, texts[i], strlen(texts[i]));
    log_info("audit.config by=%s/%s %s", a->who.enterprise_name, a->who.name, cq_str_text(&line));
    cq_str_fini(&line);
}

struct done {
    struct config_change *changes;
    size_t n, bytes;
    uint64_t more;
    const char *warnings[WARNINGS_MAX];
    size_t n_warnings;
};

static void take_changes(struct done *w, const struct reply_to *to, char *text)
{
    while (*text) {
        struct config_change c = change_of_line(next_field(&text, '\n'));
        if (!to->is_dry_run && w->n + w->more < LOGGED_MAX)
            log_change(&to->asker, &c);
        if (w->n == CHANGES_MAX || w->bytes > PAGE_BYTES_MAX) {
            w->more++;
            continue;
        }
        w->bytes += change_bytes(&c);
        w->changes[w->n++] = c;
    }
}

void config_send_done(struct daemon *d, const struct reply_to *to, const struct out *o)
{
    struct done w = {.changes = cq_calloc(CHANGES_MAX, sizeof *w.changes)};
    CQ_CLEANUP(cq_free_ptr) char *changes = cq_strdup(o->changes ? o->changes : "");
    CQ_CLEANUP(cq_free_ptr) char *warnings = cq_strdup(o->text ? o->text : "");
    take_changes(&w, to, changes);
    for (char *p = warnings; *p && w.n_warnings < WARNINGS_MAX;)
        w.warnings[w.n_warnings++] = next_field(&p, '\n');
    struct msg m = {.code = MSG_CONFIG_DONE};
    m.u.config_done.changes = w.changes;
    m.u.config_done.n_changes = w.n;
    m.u.config_done.more_changes = w.more;
    m.u.config_done.warnings = w.warnings;
    m.u.config_done.n_warnings = w.n_warnings;
    reply(d, &to->asker, &m);
    free(w.changes);
}

/* ---- CONFIG_QUERY ---- */

struct listing {
    const struct asker *asker;
    struct page page;
    struct setting_row *rows;
};

/* An enterprise's admin gets what it may set: what is below the enterprise, and that this is there.
 */
static bool may_see(const struct asker *a, const struct setting_view *s)
{
    struct authz_object what = {.enterprise = s->enterprise};
    if (is_platform(a))
        return true;
    if (!authz(&a->who, VERB_CONFIG_SEE, &what))
        return false;
    return strcmp(s->kind, "project") == 0 || strcmp(s->kind, "user") == 0
           || (strcmp(s->kind, "enterprise") == 0 && s->key[0] == '\0');
}

static void list_setting(void *arg, const struct setting_view *s)
{
    struct listing *l = arg;
    if (!may_see(l->asker, s))
        return;
    const char *const texts[] = {s->kind, s->path, s->key, s->value};
    size_t bytes = 20;
    for (size_t i = 0; i < CQ_COUNT(texts); i++) {
        page_note(&l->page, texts[i]);
        bytes += strlen(texts[i]);
    }
    if (page_takes(&l->page, bytes))
        l->rows[l->page.n - 1] =
            (struct setting_row){page_keep(&l->page, s->kind), page_keep(&l->page, s->path),
                                 page_keep(&l->page, s->key), page_keep(&l->page, s->value)};
}

void on_config_query(struct daemon *d, const struct asker *a, struct msg *m)
{
    struct cq_err err = {0};
    if (!is_platform(a) && !may_own(a, VERB_CONFIG_SEE)) {
        (void)cq_fail(&err, CQ_E_DENIED,
                      "a %s may not see the configuration; chipq quota shows your limits",
                      role_name(a->who.role));
        reply_error(d, a, &err);
        return;
    }
    struct listing l = {.asker = a, .page = {.skip = m->u.config_query.skip}};
    l.rows = cq_calloc(PAGE_ROWS_MAX, sizeof *l.rows);
    core_each_setting(d->core, list_setting, &l);
    struct msg answer = {.code = MSG_CONFIG_ROWS};
    answer.u.config_rows = (struct msg_config_rows){.rows = l.rows,
                                                    .n_rows = l.page.n,
                                                    .has_more = l.page.has_more,
                                                    .revision = l.page.revision};
    reply(d, a, &answer);
    free(l.rows);
    page_fini(&l.page);
}
