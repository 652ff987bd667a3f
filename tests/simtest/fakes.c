/* What chipq's programs link and the simulation does without. */
#include "common/base/sys/failpoint.h"
#include "common/base/sys/log.h"
#include "common/net/doors.h"
#include "scheduler/daemon/daemon.h"
#include "scheduler/daemon/feed.h"
#include "scheduler/daemon/serve.h"
#include "scheduler/store/efficiency.h"
#include "tests/simtest/sim.h"
#include "worker/agent/home.h"

#include <stdarg.h>

/* Log lines, with the time of the run, of whoever runs. */
void log_line(enum log_level level, const char *fmt, ...)
{
    va_list args;
    if (!sim.is_loud)
        return;
    printf("%12.6f  %-18s %s ", (double)sim.now_us / 1e6, sim.current ? sim.current->name : "",
           level == LOG_ERROR  ? "ERROR"
           : level == LOG_WARN ? "WARN "
                               : "     ");
    va_start(args, fmt);
    (void)vprintf(fmt, args);
    va_end(args);
    printf("\n");
}

bool log_set_level_by_name(const char *name)
{
    (void)name;
    return true;
}

/* Any failpoint may be the last thing that a process does. */
bool failpoint_is_set(const char *name)
{
    const struct proc *p = sim.current;
    (void)name;
    return p != NULL && p->failpoint_ppm > 0;
}

int failpoint_hit(const char *name, const char *what)
{
    struct proc *p = sim.current;
    (void)what;
    if (p == NULL || p->failpoint_ppm == 0 || dice_roll(1000000) >= p->failpoint_ppm)
        return 0;
    note("failpoint", p->kind, p->pid, 0, 0);
    note_bytes(name, strlen(name));
    proc_kill(p);
    return 0;
}

void failpoint_list(FILE *out)
{
    (void)out;
}

/* ---- chipqd's memory: there is enough ---- */

void memory_init(struct daemon *d)
{
    (void)d;
}

int memory_check_submit(struct daemon *d, struct cq_err *err)
{
    (void)d;
    (void)err;
    return 0;
}

/* ---- the licence feed ---- */

struct feed *feed_new(struct loop *l, feed_result_fn fn, void *arg)
{
    (void)l;
    (void)fn;
    (void)arg;
    return NULL;
}

void feed_free(struct feed *f)
{
    (void)f;
}

void feed_set(struct feed *f, const char *command, int64_t every_us)
{
    (void)f;
    (void)command;
    (void)every_us;
}

/* ---- reports: no client of the simulation asks for them ---- */

struct usage_report *usage_report_new(int64_t from_us, int64_t to_us, enum usage_by by)
{
    (void)from_us;
    (void)to_us;
    (void)by;
    abort();
}

struct efficiency_report *efficiency_report_new(int64_t from_us, int64_t to_us)
{
    (void)from_us;
    (void)to_us;
    abort();
}

struct audit_page *audit_page_new(void)
{
    abort();
}

struct history_page *history_page_new(void)
{
    abort();
}

struct store_backup *store_backup_new(const char *path)
{
    (void)path;
    abort();
}

/* ---- what chipqd knows of its instance and its machine ---- */

int instance_read(const struct daemon_options *o, char id[STORE_ID_CHARS + 1], struct cq_err *err)
{
    (void)o;
    (void)err;
    id[0] = '\0';
    return 0;
}

int instance_write(const struct daemon_options *o, struct store *s, struct cq_err *err)
{
    (void)o;
    (void)s;
    (void)err;
    return 0;
}

int daemon_no_database(const struct daemon_options *o, struct cq_err *err)
{
    (void)o;
    return cq_fail(err, CQ_E_INTERNAL, "the simulated store has a database");
}

void descriptors_raise(void)
{
}

uint64_t doors_turned_away(void)
{
    return 0;
}

/* ---- and an agent of its own ---- */

int home_id(const char *dir, const char *node, struct cq_uuid *out, struct cq_err *err)
{
    (void)dir;
    (void)err;
    *out = (struct cq_uuid){0};
    memcpy(out->bytes, node, strnlen(node, sizeof out->bytes));
    return 0;
}
