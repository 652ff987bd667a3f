/* Room on the database's disk: what is said of it, and what is refused while there is little. */
#include "scheduler/daemon/requests.h"

#include "common/base/sys/log.h"

#include <inttypes.h>

static const char *const words[] = {
    [ROOM_FINE] = "fine", [ROOM_LOW] = "low", [ROOM_TIGHT] = "tight", [ROOM_NONE] = "none"};

static uint64_t mib_of(uint64_t bytes)
{
    return bytes >> 20;
}

const char *space_word(const struct daemon *d)
{
    return words[store_space(d->store).room];
}

/* So that `chipq why` can say it. */
static void tell_core(struct daemon *d, const struct store_space *s)
{
    struct input in = {.type = INPUT_ROOM};
    struct cq_err err = {0};
    in.u.room.is_tight = s->room >= ROOM_TIGHT;
    in.u.room.mount = s->mount;
    in.u.room.need_mib = mib_of(s->low_water_bytes);
    if (turn_step(d, &in, &err) != 0)
        abort(); /* it has no contract to break */
}

void space_note(struct daemon *d)
{
    struct store_space s = store_space(d->store);
    if (s.room == d->room)
        return;
    if (s.room == ROOM_FINE)
        log_info("disk.fine free_mib=%" PRIu64 " mount=%s: submits are taken again",
                 mib_of(s.free_bytes), s.mount);
    else if (s.room == ROOM_NONE)
        log_error("disk.full free_mib=%" PRIu64 " mount=%s: nothing can be written until room is "
                  "made there; no job is lost, what runs goes on",
                  mib_of(s.free_bytes), s.mount);
    else
        log_warn("disk.%s free_mib=%" PRIu64 " mount=%s: submits are refused%s until %" PRIu64
                 " MiB are free",
                 words[s.room], mib_of(s.free_bytes), s.mount,
                 s.room == ROOM_TIGHT ? " and no job starts" : "", mib_of(s.low_water_bytes));
    d->room = s.room;
    tell_core(d, &s); /* and what could not start meanwhile is planned */
}

int space_check_submit(const struct daemon *d, struct cq_err *err)
{
    struct store_space s = store_space(d->store);
    if (s.room == ROOM_FINE)
        return 0;
    return cq_fail(err, CQ_E_FULL,
                   "the scheduler's disk is nearly full: %" PRIu64 " MiB free on %s, submits need "
                   "%" PRIu64 " MiB; make room there, or lower low-water in chipq.conf; running "
                   "jobs go on",
                   mib_of(s.free_bytes), s.mount, mib_of(s.low_water_bytes));
}

bool space_is_none(const struct daemon *d)
{
    return store_space(d->store).room == ROOM_NONE;
}

void space_refuse(struct daemon *d, const struct asker *a)
{
    struct store_space s = store_space(d->store);
    char text[512];
    (void)snprintf(text, sizeof text,
                   "the scheduler's disk is full: %" PRIu64 " MiB free on %s, and nothing can be "
                   "written; make room there; running jobs go on, and nothing that was accepted "
                   "is lost",
                   mib_of(s.free_bytes), s.mount);
    struct msg m = {.code = MSG_ERROR, .request = a->request};
    m.u.error.code = CQ_E_FULL;
    m.u.error.text = text;
    if (a->request != 0)
        send_now(d, PORT_CLIENT, &a->peer, &m);
}
