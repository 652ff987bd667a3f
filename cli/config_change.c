/* The way of a change of configuration to the scheduler, and its answer to the terminal. */
#include "cli/config_change.h"

#include "cli/columns.h"
#include "cli/to_json.h"

#include "common/base/pure/parse.h"

#include <inttypes.h>

enum { TRIES_MAX = 5 };

/* ---- what is configured now ---- */

static void free_text(const char *text)
{
    union {
        const char *from;
        char *to;
    } p = {.from = text};
    free(p.to);
}

void config_now_fini(struct config_now *now)
{
    for (size_t i = 0; i < now->n; i++) {
        free_text(now->rows[i].kind);
        free_text(now->rows[i].path);
        free_text(now->rows[i].key);
        free_text(now->rows[i].value);
    }
    free(now->rows);
    *now = (struct config_now){0};
}

static void keep_row(struct config_now *now, const struct setting_row *r)
{
    cq_grow(&now->rows, &now->cap, now->n);
    now->rows[now->n++] = (struct setting_row){cq_strdup(r->kind), cq_strdup(r->path),
                                               cq_strdup(r->key), cq_strdup(r->value)};
}

/* One page. Sets *revision with the first; returns 1 when a later one is of another state. */
static int fetch_page(struct net_client *s, struct config_now *now, uint64_t *revision,
                      bool *has_more, struct cq_err *err)
{
    struct msg ask = {.code = MSG_CONFIG_QUERY}, reply = {0};
    ask.u.config_query.skip = now->n;
    if (session_call(s, &ask, MSG_CONFIG_ROWS, &reply, err) != 0)
        return -1;
    const struct msg_config_rows *page = &reply.u.config_rows;
    bool is_other = now->n > 0 && page->revision != *revision;
    *revision = page->revision;
    *has_more = page->has_more && page->n_rows > 0;
    for (size_t i = 0; i < page->n_rows && !is_other; i++)
        keep_row(now, &page->rows[i]);
    msg_fini(&reply);
    return is_other;
}

int config_fetch(struct net_client *s, struct config_now *now, struct cq_err *err)
{
    for (int i = 0; i < TRIES_MAX; i++) {
        uint64_t revision = 0;
        bool has_more = true;
        int rc = 0;
        while (rc == 0 && has_more)
            rc = fetch_page(s, now, &revision, &has_more, err);
        if (rc <= 0)
            return rc;
        config_now_fini(now);
    }
    return cq_fail(err, CQ_E_CONFLICT,
                   "the configuration changes all the time while it is read; try again");
}

/* ---- a change ---- */

int config_send(struct net_client *s, const struct config_rows *rows, bool is_dry_run,
                struct msg *reply, struct cq_err *err)
{
    struct msg ask = {.code = MSG_CONFIG_APPLY};
    if (rows->n > CONFIG_ROWS_MAX)
        return cq_fail(err, CQ_E_LIMIT,
                       "%zu changes at once; at most %d: apply the file in parts, a few "
                       "enterprises each",
                       rows->n, CONFIG_ROWS_MAX);
    ask.u.config_apply =
        (struct msg_config_apply){.rows = rows->items, .n_rows = rows->n, .dry_run = is_dry_run};
    return session_call(s, &ask, MSG_CONFIG_DONE, reply, err);
}

size_t config_row_of(const char *text, const char **reason)
{
    uint64_t row = 0;
    char number[24];
    if (!cq_str_starts(text, "row "))
        return 0;
    const char *rest = text + 4 + strspn(text + 4, "0123456789");
    (void)snprintf(number, sizeof number, "%.*s", (int)(rest - text - 4), text + 4);
    if (parse_u64(number, 1, CONFIG_ROWS_MAX, &row, NULL) != 0)
        return 0;
    const char *end = cq_str_starts(rest, " (") ? strstr(rest, "): ") : NULL;
    *reason = end ? end + 3 : cq_str_starts(rest, ": ") ? rest + 2 : text;
    return (size_t)row;
}

/* Bytes of "set enterprise acme" in "set enterprise acme weight", when the reason begins with the
 * key by itself: "weight: 'x' is not a number". */
static int without_key(const char *what, int n, const char *reason)
{
    size_t key = strcspn(reason, ": ");
    bool is_said = key > 0 && (int)key < n && reason[key] == ':'
                   && strncmp(what + n - key, reason, key) == 0 && what[n - (int)key - 1] == ' ';
    return is_said ? n - (int)key - 1 : n;
}

void config_drop_row(struct cq_err *err)
{
    const char *reason;
    char text[CQ_ERR_TEXT_BYTES];
    if (err == NULL || config_row_of(err->text, &reason) == 0)
        return;
    const char *open = strchr(err->text, '(');
    int n = open && open < reason ? (int)(reason - open) - 4 : 0; /* without "): " */
    if (n > 0)
        n = without_key(open + 1, n, reason);
    (void)snprintf(text, sizeof text, "%.*s%s%s", n > 0 ? n : 0, n > 0 ? open + 1 : "",
                   n > 0 ? ": " : "", reason);
    (void)cq_copy_text(err->text, sizeof err->text, text);
}

static const char *value_text(const char *value)
{
    return *value ? value : "default";
}

static void print_change(const struct config_change *ch)
{
    struct cq_str line = {0}, safe = {0};
    if (*ch->key)
        cq_str_printf(&line, "~ %s %s: %s %s -> %s", ch->kind, ch->path, ch->key,
                      value_text(ch->old), value_text(ch->new));
    else
        cq_str_printf(&line, "%c %s %s", *ch->old && *ch->new == '\0' ? '-' : '+', ch->kind,
                      ch->path);
    cq_str_add_printable(&safe, cq_str_text(&line), line.len);
    (void)puts(cq_str_text(&safe));
    cq_str_fini(&line);
    cq_str_fini(&safe);
}

void config_print_changes(const struct msg_config_done *done)
{
    for (size_t i = 0; i < done->n_changes; i++)
        print_change(&done->changes[i]);
    if (done->more_changes)
        printf("and %" PRIu64 " more changes\n", done->more_changes);
    (void)fflush(stdout);
    for (size_t i = 0; i < done->n_warnings; i++)
        cli_talk("%s", done->warnings[i]);
}

json_t *config_changes_json(const struct msg_config_done *done)
{
    json_t *object = json_of_msg_config_done(done);
    if (done->more_changes == 0)
        json_object_del(object, "more_changes");
    return object;
}

int config_change(struct cli *c, struct config_rows *rows, const char *name, struct cq_err *err)
{
    struct msg reply = {0};
    struct net_client *s = session_open(c, AS_ADMIN, err);
    int rc = s ? config_send(s, rows, false, &reply, err) : -1;
    if (rc != 0)
        config_drop_row(err);
    if (rc == 0 && c->output == CLI_JSON) {
        json_t *object = config_changes_json(&reply.u.config_done);
        json_object_set_new(object, "name", json_text(name));
        json_print(c, object);
        json_decref(object);
    } else if (rc == 0) {
        config_print_changes(&reply.u.config_done);
        if (reply.u.config_done.n_changes == 0)
            (void)puts("no changes");
    }
    msg_fini(&reply);
    net_client_close(s);
    config_rows_fini(rows);
    return rc;
}
