// LINK: cq_net
/* A Unix socket's name that appears. */
#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/files.h"
#include "common/net/ipc_watch.h"
#include "tests/unit/net_fixture.h"

static struct loop *loop;
static char dir[64];
static unsigned rung;

static void set_up(void)
{
    struct cq_err err = {0};
    snprintf(dir, sizeof dir, "/tmp/cq-watch-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    loop = loop_new(&err);
    cr_assert_not_null(loop);
}

static void tear_down(void)
{
    loop_free(loop);
    cr_assert_eq(dir_remove(dir, NULL), 0);
}

TestSuite(ipc_watch, .init = set_up, .fini = tear_down, .timeout = 20);

static void ring(CQ_UNUSED void *arg)
{
    rung++;
}

static struct ipc_watch *watch(const char *name)
{
    CQ_CLEANUP(cq_free_ptr) char *endpoint = path_format("ipc://%s/%s", dir, name);
    return ipc_watch_new(loop, endpoint, ring, NULL);
}

static void make(const char *name)
{
    CQ_CLEANUP(cq_free_ptr) char *path = path_format("%s/%s", dir, name);
    cr_assert_eq(file_write_atomic(path, "", 0, 0600, NULL), 0);
}

Test(ipc_watch, rings_for_its_own_name_only)
{
    struct ipc_watch *w = watch("client.sock"), *other = watch("worker.sock");
    cr_assert_not_null(w);
    ipc_watch_close(other); /* and not after its end */
    make("worker.sock");
    make("client.sock.lock");
    loop_turn(loop, clock_mono_us() + 20000);
    cr_assert_eq(rung, 0);
    make("client.sock");
    TURN_UNTIL(loop, rung > 0);
    ipc_watch_close(w);
    ipc_watch_close(NULL);
}

Test(ipc_watch, what_cannot_be_watched_is_not)
{
    cr_expect_null(ipc_watch_new(loop, "tcp://127.0.0.1:7077", ring, NULL));
    cr_expect_null(ipc_watch_new(loop, "ipc://no-directory", ring, NULL));
    cr_expect_null(ipc_watch_new(loop, "ipc:///no/such/directory/x.sock", ring, NULL));
}
