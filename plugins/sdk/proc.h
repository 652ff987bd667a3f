/* Runs one program: no shell, its own process group, standard input from /dev/null, output followed
 * line by line and passed on to our standard output. Memory is bounded whatever the program prints.
 * When we are asked to stop (stop.h), the group gets SIGTERM and, after a grace, SIGKILL; what a
 * program leaves behind in its group is killed when it ends. */
#ifndef PROC_H
#define PROC_H

#include "common/base/pure/err.h"
#include "plugins/sdk/args.h"
#include "plugins/sdk/lines.h"

#define PROC_GRACE_MS 3000

/* How a program ended. */
struct proc_end {
    int exit_status;    /* when signal is 0 */
    int signal;         /* that killed it; 0: it exited */
    bool stopped;       /* we were asked to stop while it ran */
    bool timed_out;     /* spec.limit_ms ran out */
    uint64_t cut_lines; /* longer than LINES_MAX_BYTES; their tails were not looked at */
};

struct proc_spec {
    const struct args *args; /* args->items[0] is looked up in PATH */
    lines_fn on_line;        /* each line; of standard output alone if on_error_line is given */
    lines_fn on_error_line;  /* NULL: both streams come merged, in their true order */
    void *context;
    bool quiet;   /* do not pass the output on */
    int limit_ms; /* stop it after this time; 0: no limit */
    int grace_ms; /* from SIGTERM to SIGKILL; 0: PROC_GRACE_MS */
};

/* Starts the program and waits for its end. 0 whenever it ran, however it ended. CQ_E_NOT_FOUND
 * when there is no such program, CQ_E_IO when it cannot be started, CQ_E_TIMEOUT when we were asked
 * to stop before it began. Blocks. */
int proc_run(const struct proc_spec *spec, struct proc_end *end, struct cq_err *err) CQ_MUST_CHECK;

/* "ended with status 3", "was killed by SIGSEGV". Writes into `buf`, returns it. */
const char *proc_describe(const struct proc_end *end, char *buf, size_t size);

#endif
