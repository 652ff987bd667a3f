/* Checks of the instance and of the pool. */
#include "cli/doctor.h"

#include "cli/instance.h"
#include "cli/node_pages.h"
#include "cli/session.h"
#include "cli/to_json.h"
#include "common/base/sys/files.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

void doctor_add(struct doctor *d, enum doctor_status status, const char *check, const char *advice,
                const char *fmt, ...)
{
    static const char *const words[] = {"ok", "warn", "fail"};
    char text[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    d->failed += status == DOCTOR_FAIL;
    json_array_append_new(d->rows,
                          json_pack("{s:s, s:s, s:o, s:o}", "status", words[status], "check", check,
                                    "text", json_text(text), "advice", json_text(advice)));
}

static void check_programs(struct doctor *d)
{
    static const char *const programs[] = {"chipqd", "chipq-execd", "chipq-worker",
                                           "chipq-shepherd"};
    CQ_CLEANUP(cq_free_ptr) char *bin = instance_bin_dir();
    int missing = 0;
    for (size_t i = 0; i < CQ_COUNT(programs); i++) {
        CQ_CLEANUP(cq_free_ptr) char *path = path_format("%s/%s", bin, programs[i]);
        if (access(path, X_OK) == 0)
            continue;
        missing++;
        doctor_add(d, DOCTOR_FAIL, "programs", "install or build all of chipq", "%s is not there",
                   path);
    }
    if (missing == 0)
        doctor_add(d, DOCTOR_OK, "programs", NULL, "in %s", bin);
}

static void check_key(struct doctor *d, const char *dir, const char *name)
{
    struct curve_key key = {0};
    struct cq_err err = {0};
    char check[32];
    CQ_CLEANUP(cq_free_ptr) char *path = path_format("%s/keys/%s.key", dir, name);
    (void)snprintf(check, sizeof check, "key %s", name);
    if (curve_key_read(path, &key, &err) == 0)
        doctor_add(d, DOCTOR_OK, check, NULL, "%s%s%s", key.principal, *key.principal ? ", " : "",
                   key.role);
    else
        doctor_add(d, DOCTOR_FAIL, check,
                   err.code == CQ_E_NOT_FOUND ? "run: chipq up"
                                              : "mend the file, or make a new instance",
                   "%s", err.text);
    curve_key_wipe(&key);
}

static void check_disk(struct doctor *d, const char *dir)
{
    struct statvfs fs;
    if (statvfs(dir, &fs) != 0)
        return;
    uint64_t mib = (uint64_t)fs.f_bavail * fs.f_frsize / 1048576;
    enum doctor_status status = mib < 256 ? DOCTOR_FAIL : mib < 2048 ? DOCTOR_WARN : DOCTOR_OK;
    doctor_add(d, status, "disk", status == DOCTOR_OK ? NULL : "make room, or choose another --dir",
               "%" PRIu64 " MiB free in %s", mib, dir);
}

void doctor_check_instance(struct doctor *d)
{
    struct cq_err err = {0};
    const char *dir = d->cli->dir;
    static const char *const keys[] = {"user", "admin", "server", "worker"};
    check_programs(d);
    if (instance_check_dir(dir, false, &err) != 0) {
        doctor_add(d, DOCTOR_FAIL, "instance", err.code == CQ_E_NOT_FOUND ? "run: chipq up" : NULL,
                   "%s", err.text);
        return;
    }
    doctor_add(d, DOCTOR_OK, "instance", NULL, "%s, mode 0700", dir);
    for (size_t i = 0; i < CQ_COUNT(keys); i++)
        check_key(d, dir, keys[i]);
    check_disk(d, dir);
}

static const char *feature_of(const struct node_row *n, const char *prefix)
{
    for (size_t i = 0; i < n->n_features; i++)
        if (cq_str_starts(n->features[i], prefix))
            return n->features[i] + strlen(prefix);
    return NULL;
}

/* True when `word` is one of "v1:memory+pids+cpuset". */
static bool lists_limit(const char *limits, const char *word)
{
    size_t n = strlen(word);
    const char *p = strchr(limits, ':');
    for (p = p ? p + 1 : NULL; p; p = (p = strchr(p, '+')) ? p + 1 : NULL)
        if (strncmp(p, word, n) == 0 && (p[n] == '+' || p[n] == '\0'))
            return true;
    return false;
}

/* execd that is root makes namespaces by itself. */
static bool is_root(const struct node_row *n)
{
    const char *keeper = feature_of(n, "keeper=");
    return geteuid() == 0 || (keeper && strcmp(keeper, "pid-namespace") == 0);
}

/* How the worker ends all processes of a job: what it does, not what the machine could. */
static void add_keeper(struct doctor *d, const struct node_row *n)
{
    const char *keeper = feature_of(n, "keeper=");
    if (keeper == NULL)
        return;
    bool walks = strcmp(keeper, "subreaper") == 0;
    doctor_add(d, walks ? DOCTOR_WARN : DOCTOR_OK, "keeper",
               walks ? is_root(n) ? "see \"namespaces\" above, and whether CHIPQ_KEEPER is set "
                                    "where the worker was started; its log says what it chose: "
                                    "execd.start"
                                  : "allow user namespaces, or run the worker as root"
                     : NULL,
               walks ? "%s: %s; a job's processes are found by a walk of /proc"
                     : "%s: %s; the kernel ends a job's whole process tree",
               n->name, keeper);
}

/* What the worker found that it can enforce. */
static void add_limits(struct doctor *d, const struct node_row *n)
{
    const char *advice = is_root(n) ? "give this container or service control groups that can be "
                                      "written; the worker's log says why they cannot: execd.limits"
                                    : "run the worker as root, or as a service with Delegate=yes; "
                                      "its log says why: execd.limits";
    static const struct {
        const char *name, *loss;
    } rows[] = {{"memory", "memory is limited for each process, not for the whole job"},
                {"pids", "the number of processes is not limited"},
                {"cpuset", "a job may leave its cores on purpose"},
                {"cpu", "processes of others get as much time as a job"}};
    const char *limits = feature_of(n, "limits=");
    char lost[320] = "";
    if (limits == NULL)
        return;
    for (size_t i = 0; i < CQ_COUNT(rows); i++) {
        size_t len = strlen(lost);
        if (!lists_limit(limits, rows[i].name))
            (void)snprintf(lost + len, sizeof lost - len, "%s%s", len ? "; " : "", rows[i].loss);
    }
    doctor_add(d, *lost ? DOCTOR_WARN : DOCTOR_OK, "limits", *lost ? advice : NULL,
               "%s: control groups %s%s%s", n->name, limits, *lost ? "; " : "", lost);
}

/* Where its cores are told from. One that is made up is for tests. */
static void add_worker(struct doctor *d, const struct node_row *n)
{
    bool is_up = strcmp(n->state, "up") == 0;
    const char *made_up = feature_of(n, "topology=");
    doctor_add(d, is_up && !made_up ? DOCTOR_OK : DOCTOR_WARN, "worker",
               !is_up    ? "see the worker's log"
               : made_up ? "for tests only: start the worker without --topology"
                         : NULL,
               "%s: %s, %" PRIu64 " cores (%s), %" PRIu64 " MiB", n->name, n->state, n->cores,
               made_up == NULL                     ? "hwloc"
               : strcmp(made_up, "synthetic") == 0 ? "a synthetic topology, not this machine's"
                                                   : "a topology from a file, not this machine's",
               n->mem_mib);
}

static void add_nodes(void *doctor, const struct msg_nodes *nodes)
{
    struct doctor *d = doctor;
    if (nodes->n_nodes == 0)
        doctor_add(d, DOCTOR_FAIL, "workers", "run: chipq up", "none");
    for (size_t i = 0; i < nodes->n_nodes; i++) {
        add_worker(d, &nodes->nodes[i]);
        add_keeper(d, &nodes->nodes[i]);
        add_limits(d, &nodes->nodes[i]);
    }
}

/* The disk of chipqd, which may be another machine's. */
static void check_scheduler_disk(struct doctor *d, struct net_client *s)
{
    struct cq_err err = {0};
    struct msg ask = {.code = MSG_STATUS_QUERY}, reply = {0};
    if (session_call(s, &ask, MSG_STATUS, &reply, &err) != 0) {
        doctor_add(d, DOCTOR_FAIL, "scheduler", NULL, "%s", err.text);
        return;
    }
    const struct msg_status *st = &reply.u.status;
    if (st->disk && *st->disk) {
        bool is_fine = strcmp(st->disk, "fine") == 0;
        doctor_add(d, is_fine ? DOCTOR_OK : DOCTOR_FAIL, "database",
                   is_fine ? NULL : "make room there, or lower low-water in chipq.conf",
                   "%" PRIu64 " MiB free on %s%s", st->disk_free_mib, st->disk_mount,
                   is_fine ? "" : ": submits are refused");
    }
    msg_fini(&reply);
}

void doctor_check_pool(struct doctor *d)
{
    struct cq_err err = {0};
    struct net_client *s = session_open(d->cli, AS_USER, &err);
    if (s == NULL) {
        doctor_add(d, DOCTOR_FAIL, "scheduler", "run: chipq up", "%s", err.text);
        return;
    }
    const struct msg_welcome *w = net_client_welcome(s);
    doctor_add(d, DOCTOR_OK, "scheduler", NULL, "%s answers; you are %s/%s (%s)", w->server,
               w->enterprise, w->user, w->role);
    doctor_add(d, DOCTOR_OK, "accounts", NULL,
               "all jobs of a worker run as the worker's own account");
    check_scheduler_disk(d, s);
    if (nodes_fetch(s, add_nodes, d, &err) != 0)
        doctor_add(d, DOCTOR_FAIL, "workers", NULL, "%s", err.text);
    net_client_close(s);
}
