/* chipq-helper [SOCKET]: started by chipq, never by hand. Serves the command that started it, on
 * descriptor 3, and with a SOCKET all that follow, until nobody has come for a while or the
 * scheduler has gone. */
#include "cli/helper/helper.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#define IDLE_US (30 * US_PER_S)

static void on_idle(void *arg)
{
    struct helper *h = arg;
    loop_stop(h->loop);
}

static void on_signal(void *arg, CQ_UNUSED int signal_number)
{
    struct helper *h = arg;
    loop_stop(h->loop);
}

static int64_t idle_us(void)
{
    const char *given = getenv("CHIPQ_HELPER_IDLE");
    int64_t us = 0;
    return given && parse_time_us(given, &us, NULL) == 0 && us > 0 ? us : IDLE_US;
}

int main(int argc, char **argv)
{
    struct helper h = {.path = argc > 1 ? argv[1] : NULL, .lock_fd = -1, .listen_fd = -1};
    struct cq_err err = {0};
    if (argc > 2 || close_range(LOCAL_FD + 1, ~0U, 0) != 0 || chdir("/") != 0)
        return 1;
    (void)prctl(PR_SET_DUMPABLE, 0); /* it holds a key */
    h.idle_us = idle_us();
    h.loop = loop_new(&err);
    if (h.loop == NULL)
        return 1;
    (void)loop_signal_new(h.loop, SIGTERM, on_signal, &h);
    h.idle = loop_timer_new(h.loop, on_idle, &h);
    if (client_add(&h, LOCAL_FD) == NULL)
        return 1;
    loop_run(h.loop);
    clients_close(&h);
    zsock_close(h.zsock);
    msg_fini(&h.answer);
    loop_timer_close(h.idle);
    loop_free(h.loop);
    return 0;
}
