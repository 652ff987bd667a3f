// LINK: cq_daemon
/* chipqd's options: ranges, the file, and which one wins. */
#include "scheduler/daemon/options.h"

#include "common/base/sys/files.h"

#include <criterion/criterion.h>

static struct daemon_options o;
static struct cq_err err;

static int read_args(const char *const *args, int n)
{
    return daemon_options_read(&o, n, (char **)(uintptr_t)args, &err);
}
#define READ(...)                                                 \
    read_args((const char *const[]){"chipqd", __VA_ARGS__, NULL}, \
              (int)(sizeof((const char *[]){"chipqd", __VA_ARGS__}) / sizeof(char *)))

static void fini(void)
{
    daemon_options_fini(&o);
}

TestSuite(daemon_options, .fini = fini);

Test(daemon_options, a_repair_may_only_tell)
{
    cr_assert_eq(READ("--dir", "/nowhere", "--repair"), 0, "%s", err.text);
    cr_assert_eq(o.mode, MODE_REPAIR);
    cr_assert_not(o.check);
    daemon_options_fini(&o);
    cr_assert_eq(READ("--dir", "/nowhere", "--repair", "--check"), 0, "%s", err.text);
    cr_assert(o.check);
}

Test(daemon_options, defaults)
{
    cr_assert_eq(READ("--dir", "/nowhere"), 0, "%s", err.text);
    cr_assert_eq(o.mode, MODE_RUN);
    cr_assert_eq(o.heartbeat_us, 5 * US_PER_S);
    cr_assert_eq(o.lease_us, 600 * US_PER_S);
    cr_assert_eq(o.grace_us, 15 * US_PER_S);
    cr_assert_eq(o.suspect_us, 30 * US_PER_S);
    cr_assert_eq(o.reclaim_grace_us, 60 * US_PER_S);
    cr_assert_eq(o.default_mem_mib, 1024);
    cr_assert_eq(o.max_memory_mib, 0);
    cr_assert_eq(o.ready_fd, -1);
    cr_assert_str_eq(o.dir, "/nowhere");
}

Test(daemon_options, times_down_to_100_ms_and_no_further)
{
    cr_assert_eq(READ("--dir", "/x", "--lease", "100ms", "--heartbeat=1h"), 0, "%s", err.text);
    cr_assert_eq(o.lease_us, 100000);
    fini();
    cr_assert_eq(READ("--dir", "/x", "--lease", "99ms"), -1);
    cr_assert_eq(err.code, CQ_E_INVALID);
    cr_assert_not_null(strstr(err.text, "--lease"));
    cr_assert_not_null(strstr(err.text, "out of range"));
    fini();
    cr_assert_eq(READ("--dir", "/x", "--lease", "25h"), -1);
}

Test(daemon_options, the_command_line_wins_over_the_file)
{
    char dir[] = "/tmp/chipq-options-XXXXXX";
    cr_assert_not_null(mkdtemp(dir));
    char *path = path_format("%s/chipq.conf", dir);
    static const char text[] = "# chipq\n lease = 1m \nheartbeat=2s # often\n\ncores = 8\n";
    cr_assert_eq(file_write_atomic(path, text, sizeof text - 1, 0600, NULL), 0);
    cr_assert_eq(READ("--dir", dir, "--lease", "3m"), 0, "%s", err.text);
    cr_assert_eq(o.lease_us, 180 * US_PER_S);
    cr_assert_eq(o.heartbeat_us, 2 * US_PER_S);
    cr_assert_eq(dir_remove(dir, NULL), 0);
    free(path);
}

Test(daemon_options, unknown_names_get_a_hint)
{
    cr_assert_eq(READ("--dir", "/x"), 0);
    cr_assert_eq(daemon_options_set(&o, "leese", "1m", &err), -1);
    cr_assert_not_null(strstr(err.text, "did you mean 'lease'?"));
    cr_assert_eq(daemon_options_set(&o, "listen-client", "127.0.0.1:7", &err), -1);
    cr_assert_eq(daemon_options_set(&o, "listen-client", "tcp://127.0.0.1:7", &err), 0);
    cr_assert_eq(o.n_listen_client, 1);
}
