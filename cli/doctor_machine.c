/* Checks of this machine: cores, limits, isolation, tools. */
#include "cli/doctor.h"

#include "cli/follow.h"
#include "cli/instance.h"
#include "common/base/sys/files.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DESCRIBE_MAX = 65536, DESCRIBE_US = 10 * 1000 * 1000 };

static void check_cores(struct doctor *d)
{
    cpu_set_t set;
    long all = sysconf(_SC_NPROCESSORS_ONLN);
    int usable = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)all;
    doctor_add(d, usable < all ? DOCTOR_WARN : DOCTOR_OK, "processors",
               usable < all ? "start chipq outside of taskset or a container's CPU limit" : NULL,
               "%d of %ld may be used from here", usable, all);
}

static void check_files(struct doctor *d)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    bool is_low = limit.rlim_max < 4096;
    doctor_add(d, is_low ? DOCTOR_WARN : DOCTOR_OK, "open files",
               is_low ? "raise it: ulimit -Hn 65536, or LimitNOFILE= of the service" : NULL,
               "limit %llu, at most %llu", (unsigned long long)limit.rlim_cur,
               (unsigned long long)limit.rlim_max);
}

/* Tries it in a child, since namespaces cannot be left again. */
static bool can_unshare(int flags)
{
    int status = 0;
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(unshare(flags) == 0 ? 0 : 1);
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status)
           && WEXITSTATUS(status) == 0;
}

static void check_namespaces(struct doctor *d)
{
    bool works = can_unshare(CLONE_NEWPID) || can_unshare(CLONE_NEWUSER | CLONE_NEWPID);
    doctor_add(d, works ? DOCTOR_OK : DOCTOR_WARN, "namespaces",
               works ? NULL
                     : "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, or the "
                       "container's seccomp profile)",
               works ? "may be made here: a worker's \"keeper\" says whether it does"
                     : "no PID namespaces: a job's processes are found by a walk of /proc");
}

static void check_tool(struct doctor *d, const char *bin, const char *name)
{
    struct cq_str text = {0};
    struct cq_err err = {0};
    char check[80];
    CQ_CLEANUP(cq_free_ptr) char *path = path_format("%s/%s", bin, name);
    char *argv[] = {path, (char *)"describe", NULL};
    (void)snprintf(check, sizeof check, "tool %s", name + strlen("chipq-tool-"));
    int status = instance_capture(argv, DESCRIBE_MAX, DESCRIBE_US, &text, &err);
    json_t *describe = status == 0 ? json_loads(cq_str_text(&text), 0, NULL) : NULL;
    const json_t *tool = json_object_get(describe, "tool");
    char advice[128] = "see its README";
    if (*row_text(tool, "package"))
        (void)snprintf(advice, sizeof advice, "install it: apt-get install %s",
                       row_text(tool, "package"));
    if (describe == NULL)
        doctor_add(d, DOCTOR_FAIL, check, "reinstall the plugin", "%s",
                   *err.text ? err.text : "its description cannot be read");
    else if (json_is_true(json_object_get(tool, "found")))
        doctor_add(d, DOCTOR_OK, check, NULL, "%s, %s", row_text(tool, "version"),
                   row_text(tool, "binary"));
    else
        doctor_add(d, DOCTOR_WARN, check, advice, "not installed on this machine");
    json_decref(describe);
    cq_str_fini(&text);
}

static int is_plugin(const struct dirent *entry)
{
    return cq_str_starts(entry->d_name, "chipq-tool-");
}

static void check_tools(struct doctor *d)
{
    struct dirent **entries = NULL;
    CQ_CLEANUP(cq_free_ptr) char *bin = instance_bin_dir();
    int n = scandir(bin, &entries, is_plugin, alphasort);
    for (int i = 0; i < n; i++) {
        check_tool(d, bin, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    if (n <= 0)
        doctor_add(d, DOCTOR_WARN, "tools", "install or build the plugins", "no chipq-tool-* in %s",
                   bin);
}

void doctor_check_machine(struct doctor *d)
{
    check_cores(d);
    check_files(d);
    check_namespaces(d);
    check_tools(d);
}
