/* RESERVATION_ADD, RESERVATION_REMOVE, RESERVATIONS_QUERY. */
#include "scheduler/daemon/page.h"
#include "scheduler/daemon/requests.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "common/base/sys/log.h"

enum { NAME_BYTES_MAX = 63 };

static void step(struct daemon *d, const struct asker *a, struct input *in)
{
    struct cq_err err = {0};
    in->principal = a->who.id;
    in->request = reply_handle(d, a, NULL, 0);
    uint64_t handle = in->request;
    if (turn_step(d, in, &err) == 0)
        return;
    free(map_remove(&d->replies, handle));
    reply_error(d, a, &err);
}

/* Whoever may book nothing anywhere hears so before anything of the booking is looked at. */
static int check_role(const struct asker *a, struct cq_err *err)
{
    struct authz_object own = {.enterprise = a->who.enterprise};
    if (authz(&a->who, VERB_SHARE_CHANGE, &own))
        return 0;
    return cq_fail(err, CQ_E_DENIED, "a %s may not make or delete reservations; an admin may",
                   role_name(a->who.role));
}

static int check_add(struct daemon *d, const struct asker *a, const struct msg_reservation_add *m,
                     struct cq_err *err)
{
    struct enterprise_id e;
    if (check_role(a, err) != 0)
        return -1;
    if (m->n_reservation != 1)
        return cq_fail(err, CQ_E_INVALID, "one reservation at a time");
    if (enterprise_of_path(d, a, m->reservation[0].path, VERB_SHARE_CHANGE, &e, err) != 0)
        return -1;
    const struct reservation_row *r = &m->reservation[0];
    if (!is_name(r->name))
        return cq_fail(err, CQ_E_INVALID, "'%.80s' is no name for a reservation", r->name);
    if (r->end_us <= r->start_us)
        return cq_fail(err, CQ_E_INVALID, "the reservation ends before it starts");
    return 0;
}

void on_reservation_add(struct daemon *d, const struct asker *a, struct msg *m)
{
    struct cq_err err = {0};
    if (check_add(d, a, &m->u.reservation_add, &err) != 0) {
        reply_error(d, a, &err);
        return;
    }
    const struct reservation_row *r = &m->u.reservation_add.reservation[0];
    struct input in = {.type = INPUT_RESERVATION_ADD};
    in.u.reservation_add = (struct in_reservation){.name = r->name,
                                                   .path = r->path,
                                                   .start_us = r->start_us,
                                                   .end_us = r->end_us,
                                                   .every_days = r->every_days,
                                                   .cores = r->cores,
                                                   .mem_mib = r->mem_mib,
                                                   .nodes = r->nodes,
                                                   .licences = r->licences,
                                                   .is_flex = r->flex};
    log_info("audit.reservation_add by=%s/%s name=%s", a->who.enterprise_name, a->who.name,
             r->name);
    step(d, a, &in);
}

/* Jobs that wait for it would wait for ever. */
static int check_nobody_waits(const struct daemon *d, struct enterprise_id e, const char *name,
                              struct cq_err *err)
{
    uint64_t n = core_count_booked(d->core, e, name);
    if (n == 0)
        return 0;
    return cq_fail(err, CQ_E_CONFLICT,
                   "%llu job%s for booking '%.63s' and would wait until there is one of that name "
                   "again: cancel %s first, or delete it with --force",
                   (unsigned long long)n, n == 1 ? " waits" : "s wait", name,
                   n == 1 ? "it" : "them");
}

void on_reservation_remove(struct daemon *d, const struct asker *a, struct msg *m)
{
    const struct msg_reservation_remove *r = &m->u.reservation_remove;
    struct cq_err err = {0};
    struct enterprise_id e;
    if (check_role(a, &err) != 0
        || scope_find(d, a, r->enterprise, 0, VERB_SHARE_CHANGE, &e, &err) != 0
        || (!r->force && check_nobody_waits(d, e, r->name, &err) != 0)) {
        reply_error(d, a, &err);
        return;
    }
    /* With its enterprise: a platform admin's bare name might be another's booking. */
    char name[2 * NAME_BYTES_MAX + 2];
    (void)snprintf(name, sizeof name, "%.*s/%.*s", NAME_BYTES_MAX, core_enterprise_name(d->core, e),
                   NAME_BYTES_MAX, r->name);
    struct input in = {.type = INPUT_RESERVATION_REMOVE};
    in.u.reservation_remove.name = name;
    in.u.reservation_remove.enterprise = e;
    log_info("audit.reservation_remove by=%s/%s name=%s", a->who.enterprise_name, a->who.name,
             is_name(r->name) ? r->name : "?");
    step(d, a, &in);
}

/* ---- RESERVATIONS ---- */

struct listing {
    const struct asker *asker;
    struct page page;
    struct reservation_row *rows;
};

static void list_reservation(void *arg, const struct reservation_view *r)
{
    struct listing *l = arg;
    struct authz_object what = {.enterprise = r->enterprise};
    size_t bytes = strlen(r->path) + strlen(r->nodes) + strlen(r->licences) + 150;
    if (!authz(&l->asker->who, VERB_SHARE_SEE, &what) || !page_takes(&l->page, bytes))
        return;
    l->rows[l->page.n - 1] = (struct reservation_row){.name = page_keep(&l->page, r->name),
                                                      .path = page_keep(&l->page, r->path),
                                                      .start_us = r->start_us,
                                                      .end_us = r->end_us,
                                                      .every_days = r->every_days,
                                                      .cores = r->cores,
                                                      .mem_mib = r->mem_mib,
                                                      .nodes = page_keep(&l->page, r->nodes),
                                                      .licences = page_keep(&l->page, r->licences),
                                                      .flex = r->is_flex,
                                                      .is_active = r->is_active,
                                                      .cores_used = r->cores_used};
}

void on_reservations_query(struct daemon *d, const struct asker *a, struct msg *m)
{
    struct listing l = {.asker = a, .page = {.skip = m->u.reservations_query.skip}};
    l.rows = cq_calloc(PAGE_ROWS_MAX, sizeof *l.rows);
    core_each_reservation(d->core, loop_now(d->loop), list_reservation, &l);
    struct msg answer = {.code = MSG_RESERVATIONS};
    answer.u.reservations =
        (struct msg_reservations){.rows = l.rows, .n_rows = l.page.n, .has_more = l.page.has_more};
    reply(d, a, &answer);
    free(l.rows);
    page_fini(&l.page);
}
