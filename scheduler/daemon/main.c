/* chipqd: the scheduler. stdout carries data (--dump, --help), stderr the log. */
#include "common/base/sys/failpoint.h"
#include "common/base/sys/log.h"
#include "scheduler/daemon/serve.h"

#include <sodium.h>
#include <sys/stat.h>

static int run(const struct daemon_options *o, struct cq_err *err)
{
    switch (o->mode) {
    case MODE_RUN:
        return daemon_serve(o, err);
    case MODE_INIT:
        return daemon_init(o, err);
    case MODE_DUMP:
        return daemon_dump(o, err);
    case MODE_RESTORE:
        return daemon_restore(o, err);
    case MODE_REPAIR:
        return daemon_repair(o, err);
    case MODE_LIST_FAILPOINTS:
        failpoint_list(stdout);
        return 0;
    }
    return cq_fail(err, CQ_E_INTERNAL, "unknown mode");
}

int main(int argc, char **argv)
{
    struct daemon_options o;
    struct cq_err err = {0};
    (void)umask(0077);
    if (sodium_init() < 0) {
        (void)fprintf(stderr, "chipqd: libsodium does not start\n");
        return cq_code_exit_status(CQ_E_INTERNAL);
    }
    int rc = daemon_options_read(&o, argc, argv, &err);
    if (rc == 0 && !log_set_level_by_name(o.log_level))
        rc = cq_fail(&err, CQ_E_INVALID, "log-level: '%s' is none of error, warn, info, debug",
                     o.log_level);
    if (rc == 0)
        rc = run(&o, &err);
    if (rc != 0)
        (void)fprintf(stderr, "chipqd: %s\n", err.text);
    daemon_options_fini(&o);
    return rc == 0 ? 0 : cq_code_exit_status(err.code);
}
