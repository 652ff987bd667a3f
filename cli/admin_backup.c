/* chipq admin backup: has the scheduler copy its database, and shows how far it is. */
#include "cli/admin.h"

#include "cli/columns.h"
#include "cli/session.h"
#include "cli/to_json.h"

#include <inttypes.h>

enum { BAR_CHARS = 30 };
#define LOOK_US INT64_C(1000000)

/* One line on a terminal, drawn over. */
static void show(const struct cli *c, const struct msg_backup_state *b)
{
    char bar[BAR_CHARS + 1];
    if (!c->stderr_is_tty || b->total_pages == 0)
        return;
    uint64_t done = b->done_pages < b->total_pages ? b->done_pages : b->total_pages;
    size_t n = (size_t)(done * BAR_CHARS / b->total_pages);
    memset(bar, '-', BAR_CHARS);
    memset(bar, '#', n);
    bar[BAR_CHARS] = '\0';
    (void)fprintf(stderr, "\rbackup  [%s] %3" PRIu64 " %%", bar, done * 100 / b->total_pages);
    (void)fflush(stderr);
}

static void end_line(const struct cli *c, bool is_drawn)
{
    if (c->stderr_is_tty && is_drawn)
        (void)fputs("\n", stderr);
}

static void print_result(struct cli *c, const struct msg_backup_state *b)
{
    if (c->output == CLI_JSON) {
        json_t *o = json_pack("{s:s, s:I}", "path", b->path, "bytes", (json_int_t)b->bytes);
        json_print(c, o);
        json_decref(o);
        return;
    }
    printf("%s  %" PRIu64 " bytes, checked\n", b->path, b->bytes);
}

static int fail_lost(struct cq_err *err)
{
    return cq_fail(err, CQ_E_NO_SCHEDULER,
                   "the scheduler was away meanwhile: what was unfinished is gone; make the backup "
                   "again");
}

/* Until it is over. *state: the message that was taken last. */
static int follow(struct cli *c, struct net_client *s, struct msg *state, struct cq_err *err)
{
    while (!state->u.backup_state.is_over) {
        struct msg next = {0};
        struct cq_err why = {0};
        show(c, &state->u.backup_state);
        if (net_client_next(s, &next, LOOK_US, &why) != 0) {
            if (why.code == CQ_E_TIMEOUT)
                continue;
            return why.code == CQ_E_STALE ? fail_lost(err) : cq_fail(err, why.code, "%s", why.text);
        }
        if (next.code != MSG_BACKUP_STATE) {
            int rc =
                next.code == MSG_ERROR
                    ? cq_fail(err, cq_code_from_wire(next.u.error.code), "%s", next.u.error.text)
                    : cq_fail(err, CQ_E_PROTOCOL, "an unexpected %s", msg_code_name(next.code));
            msg_fini(&next);
            return rc;
        }
        msg_fini(state);
        *state = next;
    }
    show(c, &state->u.backup_state);
    return 0;
}

int admin_backup(struct cli *c, const struct admin_opts *o, const char *name, struct cq_err *err)
{
    struct msg ask = {.code = MSG_BACKUP}, reply = {0}, state = {0};
    (void)o;
    ask.u.backup.name = name ? name : "";
    struct net_client *s = session_open(c, AS_ADMIN, err);
    int rc = s ? session_call(s, &ask, MSG_OK, &reply, err) : -1;
    if (rc == 0) {
        msg_fini(&reply);
        rc = follow(c, s, &state, err);
        end_line(c, state.u.backup_state.total_pages > 0);
    }
    if (rc == 0)
        print_result(c, &state.u.backup_state);
    msg_fini(&state);
    net_client_close(s);
    return rc;
}
