/* chipq.conf: what is taken is within its range, and a wrong line is named. */
#include "scheduler/daemon/options.h"
#include "tests/fuzz/fuzz_dir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char path[PATH_MAX], dir[PATH_MAX];
    char name[] = "chipqd", option[] = "--dir";
    struct daemon_options o = {0};
    struct cq_err err = {0};
    fuzz_dir_put("chipq.conf", 0600, data, bytes, path);
    (void)snprintf(dir, sizeof dir, "%s", fuzz_dir());
    char *argv[] = {name, option, dir, NULL};
    if (daemon_options_read(&o, 3, argv, &err) == 0) {
        FUZZ_CHECK(o.n_listen_client <= LISTEN_MAX && o.n_listen_worker <= LISTEN_MAX);
        FUZZ_CHECK(o.heartbeat_us > 0 && o.lease_us > 0 && o.grace_us >= 0 && o.suspect_us > 0);
        FUZZ_CHECK(o.mode == MODE_RUN && o.default_mem_mib > 0 && o.default_time_us > 0);
    } else {
        FUZZ_CHECK(err.code != CQ_OK && err.text[0] != '\0');
    }
    daemon_options_fini(&o);
    return 0;
}
