/* Lists the audit, and has its chain verified. */
#include "cli/audit_list.h"

#include "cli/columns.h"
#include "cli/dates.h"
#include "cli/session.h"
#include "cli/to_json.h"

#include "common/base/pure/parse.h"
#include "common/base/sys/clock.h"

#include <inttypes.h>

enum { PAGE_MAX = 1000, LIMIT_DEFAULT = 100, LIMIT_MAX = 1000000 };

static const struct column columns[] = {
    {"at_us", "WHEN", COLUMN_WALL, true},    {"who", "WHO", COLUMN_TEXT, true},
    {"verb", "WHAT", COLUMN_TEXT, true},     {"object", "OBJECT", COLUMN_TEXT, true},
    {"detail", "DETAIL", COLUMN_TEXT, true}, {"enterprise", "ENTERPRISE", COLUMN_TEXT, false},
    {"seq", "RECORD", COLUMN_NUMBER, false}, {0},
};

static int fill(const struct audit_list_opts *o, struct msg_audit_query *q, uint64_t *limit,
                struct cq_err *err)
{
    struct date_span span;
    int64_t now_us = clock_now().wall_us;
    if (o->from && dates_parse(o->from, now_us, &span, err) != 0)
        return cq_wrap(err, "--from");
    q->from_us = o->from ? span.begin_us : 0;
    if (o->to && dates_parse(o->to, now_us, &span, err) != 0)
        return cq_wrap(err, "--to");
    q->to_us = o->to ? span.end_us : 0;
    if (o->limit && parse_u64(o->limit, 1, LIMIT_MAX, limit, err) != 0)
        return cq_wrap(err, "--limit");
    return 0;
}

/* The newest first, as they come. */
static int fetch(struct net_client *s, struct msg *ask, uint64_t limit, json_t *rows,
                 struct cq_err *err)
{
    for (bool has_more = true; has_more && json_array_size(rows) < limit;) {
        struct msg reply = {0};
        uint64_t left = limit - json_array_size(rows);
        ask->u.audit_query.limit = left < PAGE_MAX ? left : PAGE_MAX;
        if (session_call(s, ask, MSG_AUDIT, &reply, err) != 0)
            return -1;
        const struct msg_audit *page = &reply.u.audit;
        for (size_t i = 0; i < page->n_rows; i++)
            json_array_append_new(rows, json_of_audit_entry(&page->rows[i]));
        has_more = page->has_more && page->n_rows > 0;
        if (page->n_rows > 0)
            ask->u.audit_query.before = page->rows[page->n_rows - 1].seq;
        msg_fini(&reply);
    }
    return 0;
}

static json_t *reversed(const json_t *rows)
{
    json_t *out = json_array();
    for (size_t i = json_array_size(rows); i > 0; i--)
        json_array_append(out, json_array_get(rows, i - 1));
    return out;
}

static int list(struct cli *c, struct net_client *s, struct msg *ask, uint64_t limit,
                struct cq_err *err)
{
    json_t *rows = json_array(), *ordered = NULL;
    int rc = fetch(s, ask, limit, rows, err);
    if (rc == 0) {
        ordered = reversed(rows);
        rc = columns_print(c, "audit", ordered, columns, err);
    }
    json_decref(rows);
    json_decref(ordered);
    return rc;
}

static void hex(const struct wire_bin *b, struct cq_str *out)
{
    const uint8_t *p = b->data;
    for (size_t i = 0; i < b->len; i++)
        cq_str_printf(out, "%02x", p[i]);
}

static void print_check(struct cli *c, const struct msg_audit *a)
{
    struct cq_str head = {0};
    hex(&a->head, &head);
    if (c->output == CLI_JSON) {
        json_t *o = json_pack("{s:b, s:I, s:I, s:s}", "ok", a->broken_seq == 0, "rows",
                              (json_int_t)a->checked, "broken_row", (json_int_t)a->broken_seq,
                              "head", cq_str_text(&head));
        json_print(c, o);
        json_decref(o);
    } else if (a->broken_seq == 0) {
        printf("%" PRIu64 " rows, each as it was written\nhead  %s\n", a->checked,
               cq_str_text(&head));
    } else {
        printf("broken at row %" PRIu64
               ": it was changed or put in, or the row before it was taken out\n"
               "%" PRIu64 " rows before it are as they were written\n",
               a->broken_seq, a->checked - 1);
    }
    cq_str_fini(&head);
}

static int verify(struct cli *c, struct net_client *s, struct msg *ask, struct cq_err *err)
{
    struct msg reply = {0};
    ask->u.audit_query.verify = true;
    if (session_call(s, ask, MSG_AUDIT, &reply, err) != 0)
        return -1;
    print_check(c, &reply.u.audit);
    int rc = reply.u.audit.broken_seq ? 1 : 0;
    msg_fini(&reply);
    return rc;
}

int audit_list(struct cli *c, const struct audit_list_opts *o, struct cq_err *err)
{
    struct msg ask = {.code = MSG_AUDIT_QUERY};
    uint64_t limit = LIMIT_DEFAULT;
    if (o->is_verify && (o->from || o->to || o->limit))
        return cq_fail(err, CQ_E_INVALID,
                       "admin audit: --verify looks at all rows; leave out "
                       "--from, --to and --limit");
    if (o->is_verify && c->output != CLI_TABLE && c->output != CLI_JSON)
        return cq_fail(err, CQ_E_INVALID, "admin audit: --verify prints no rows; use --json");
    if (columns_check(c, columns, err) != 0 || fill(o, &ask.u.audit_query, &limit, err) != 0)
        return -1;
    struct net_client *s = session_open(c, AS_ADMIN, err);
    int rc = -1;
    if (s)
        rc = o->is_verify ? verify(c, s, &ask, err) : list(c, s, &ask, limit, err);
    net_client_close(s);
    return rc;
}
