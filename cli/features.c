/* Lists and sets pools of tokens, and the program that says what others take of them. */
#include "cli/features.h"

#include "cli/config_change.h"
#include "cli/pages.h"
#include "cli/to_json.h"

#include "common/base/pure/parse.h"

#include <inttypes.h>

enum { COUNT_MAX = 1000000 };

const struct column feature_columns[] = {
    {"name", "NAME", COLUMN_TEXT, true},
    {"owner", "OWNER", COLUMN_TEXT, true},
    {"count", "COUNT", COLUMN_NUMBER, true},
    {"used", "USED", COLUMN_NUMBER, true},
    {"external", "AT SERVER", COLUMN_NUMBER, true},
    {"free", "FREE", COLUMN_NUMBER, true},
    {"waiting", "WAITING", COLUMN_NUMBER, true},
    {"fed_us", "SERVER ASKED", COLUMN_WALL, true},
    {"feed_error", "FEED ERROR", COLUMN_TEXT, false},
    {"kind", "KIND", COLUMN_TEXT, false},
    {0},
};

static const char *text_at(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text ? text : "";
}

/* What is not told is left out: a 0 would be taken for a count. */
static void drop_untold(json_t *rows)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        if (!json_is_true(json_object_get(row, "is_whole"))) {
            json_object_del(row, "external");
            json_object_del(row, "waiting");
        }
        json_object_del(row, "is_whole");
    }
}

static void keep_kind(json_t *rows, const char *kind)
{
    for (size_t i = json_array_size(rows); i-- > 0;)
        if (strcmp(text_at(json_array_get(rows, i), "kind"), kind) != 0)
            json_array_remove(rows, i);
}

/* All features share one feed: its trouble is told once. */
static void tell_feed_error(json_t *rows)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const char *error = text_at(json_array_get(rows, i), "feed_error");
        if (*error) {
            cli_talk("licence feed: %s (the numbers are of SERVER ASKED)", error);
            return;
        }
    }
}

int features_list(struct cli *c, const char *kind, bool is_admin, struct cq_err *err)
{
    char name[32];
    if (columns_check(c, feature_columns, err) != 0)
        return -1;
    json_t *rows = pages_fetch(c, is_admin ? AS_ADMIN : AS_USER, &pager_features, err);
    if (rows == NULL)
        return -1;
    keep_kind(rows, kind);
    drop_untold(rows);
    (void)snprintf(name, sizeof name, "%ss", kind);
    int rc = columns_print(c, name, rows, feature_columns, err);
    tell_feed_error(rows);
    json_decref(rows);
    return rc;
}

static void add_row(struct config_rows *rows, const char *kind, const char *name,
                    enum config_rows_op op)
{
    config_rows_add(rows, (struct config_row_spec){.op = op, .kind = kind, .path = name});
}

static void add_set(struct config_rows *rows, const char *const thing[2], const char *key,
                    const char *value)
{
    config_rows_add(
        rows, (struct config_row_spec){
                  .op = ROW_SET, .kind = thing[0], .path = thing[1], .key = key, .value = value});
}

static int check_name(const char *kind, const char *name, struct cq_err *err)
{
    if (is_name(name))
        return 0;
    return cq_fail(err, CQ_E_INVALID, "'%.80s' is no name of a%s %s", name, *kind == 'i' ? "n" : "",
                   kind);
}

int features_set(struct cli *c, const char *kind, char *const name_count[2], const char *owner,
                 struct cq_err *err)
{
    struct config_rows rows = {0};
    uint64_t count;
    const char *const thing[2] = {kind, name_count[0]};
    if (check_name(kind, name_count[0], err) != 0)
        return -1;
    if (parse_u64(name_count[1], 0, COUNT_MAX, &count, err) != 0)
        return cq_wrap(err, "%s", name_count[0]);
    add_row(&rows, kind, name_count[0], ROW_PUT);
    add_set(&rows, thing, "count", name_count[1]);
    if (owner)
        add_set(&rows, thing, "owner", strcmp(owner, "none") == 0 ? "" : owner);
    return config_change(c, &rows, name_count[0], err);
}

int features_remove(struct cli *c, const char *kind, const char *name, struct cq_err *err)
{
    struct config_rows rows = {0};
    if (check_name(kind, name, err) != 0)
        return -1;
    add_row(&rows, kind, name, ROW_REMOVE);
    return config_change(c, &rows, name, err);
}

/* ---- the feed ---- */

int feed_show(struct cli *c, struct cq_err *err)
{
    struct msg ask = {.code = MSG_FEATURES_QUERY}, reply = {0};
    struct net_client *s = session_open(c, AS_ADMIN, err);
    int rc = s ? session_call(s, &ask, MSG_FEATURES, &reply, err) : -1;
    char every[64];
    if (rc == 0 && c->output == CLI_JSON) {
        json_t *o = json_pack("{s:o, s:I}", "command", json_text(reply.u.features.feed), "every_us",
                              (json_int_t)reply.u.features.feed_every_us);
        json_print(c, o);
        json_decref(o);
    } else if (rc == 0 && *reply.u.features.feed) {
        CQ_CLEANUP(cq_free_ptr) char *safe = cli_printable(reply.u.features.feed);
        printf("every %s: %s\n",
               format_time_us((int64_t)reply.u.features.feed_every_us, every, sizeof every), safe);
    } else if (rc == 0) {
        cli_talk("there is no licence feed; set one with: chipq licence feed COMMAND");
    }
    msg_fini(&reply);
    net_client_close(s);
    return rc;
}

int feed_set(struct cli *c, const char *command, const char *every, struct cq_err *err)
{
    struct config_rows rows = {0};
    static const char *const feed[2] = {"feed", "licences"};
    add_set(&rows, feed, "command", command);
    if (every)
        add_set(&rows, feed, "every", every);
    return config_change(c, &rows, "licences", err);
}
