/* Finds input files and links them into the work directory. */
#include "plugins/sdk/inputs.h"

#include "common/base/pure/mem.h"
#include "common/base/pure/str.h"
#include "common/base/sys/files.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

static bool has_dot_dot(const char *path)
{
    while (*path) {
        size_t len = strcspn(path, "/");
        if (len == 2 && path[0] == '.' && path[1] == '.')
            return true;
        path += len + strspn(path + len, "/");
    }
    return false;
}

/* A link that is already right is left alone; a stale one is replaced; anything else is refused. */
static int ensure_link(const char *target, const char *name, struct cq_err *err)
{
    char old[PATH_MAX];
    ssize_t n = readlink(name, old, sizeof old - 1);
    if (n >= 0) {
        old[n] = '\0';
        if (strcmp(old, target) == 0)
            return 0;
        (void)unlink(name);
    }
    if (symlink(target, name) == 0)
        return 0;
    return cq_fail_errno(err, CQ_E_IO, errno, "cannot make the link %s -> %s in the work directory",
                         name, target);
}

static const char *project_root(struct cq_err *err)
{
    const char *root = getenv("CHIPQ_SRC");
    if (root && root[0] == '/')
        return root;
    (void)cq_fail(err, CQ_E_INVALID,
                  "CHIPQ_SRC does not name the project's directory (by hand: run --src DIR)");
    return NULL;
}

static char *dep_variable(const char *job)
{
    char *name = path_format("CHIPQ_DEP_%s", job);
    for (char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c))
            *c = '_';
    return name;
}

const char *input_dep_dir(const struct taskfile *task, const char *job, struct cq_err *err)
{
    const char *found = json_string_value(json_object_get(task->deps, job));
    if (!found) {
        char *variable = dep_variable(job);
        found = getenv(variable);
        free(variable);
    }
    if (found && found[0] == '/')
        return found;
    (void)cq_fail(err, CQ_E_NOT_FOUND,
                  "no outputs of a job '%.64s' are here; name it in the flow job's `needs`", job);
    return NULL;
}

static int check_there(const char *path, const char *value, struct cq_err *err)
{
    struct stat st;
    if (stat(path, &st))
        return cq_fail_errno(err, errno == ENOENT ? CQ_E_NOT_FOUND : CQ_E_IO, errno, "'%.200s'",
                             value);
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return cq_fail(err, CQ_E_INVALID, "'%.200s' is neither a file nor a directory", value);
    return 0;
}

/* "JOB/rest" below dep/. */
static char *find_in_dep(const struct taskfile *task, const char *value, struct cq_err *err)
{
    size_t len = strcspn(value, "/");
    if (len == 0 || len > 128 || value[0] == '.') {
        (void)cq_fail(err, CQ_E_INVALID, "expected dep:JOB/FILE");
        return NULL;
    }
    char *CQ_CLEANUP(cq_free_ptr) job = cq_strndup(value, len);
    const char *dir = input_dep_dir(task, job, err);
    if (!dir || dir_make("dep", 0755, err))
        return NULL;
    char *CQ_CLEANUP(cq_free_ptr) link = path_format("dep/%s", job);
    return ensure_link(dir, link, err) ? NULL : path_format("dep/%s", value);
}

static char *find_in_project(const char *value, struct cq_err *err)
{
    const char *root = project_root(err);
    if (!root || ensure_link(root, "src", err))
        return NULL;
    return path_format("src/%s", value);
}

static char *find(const struct taskfile *task, const char *value, struct cq_err *err)
{
    if (value[0] == '/')
        return cq_strdup(value);
    if (has_dot_dot(value)) {
        (void)cq_fail(err, CQ_E_INVALID, "'%.200s': '..' leads out of the project", value);
        return NULL;
    }
    if (cq_str_starts(value, "dep:"))
        return find_in_dep(task, value + strlen("dep:"), err);
    if (cq_str_starts(value, "$CHIPQ_DEP_"))
        return find_in_dep(task, value + strlen("$CHIPQ_DEP_"), err);
    if (cq_str_starts(value, "$CHIPQ_SRC/"))
        return find_in_project(value + strlen("$CHIPQ_SRC/"), err);
    return find_in_project(value, err);
}

int input_find(const struct taskfile *task, const char *where, const char *value, char **path,
               struct cq_err *err)
{
    char *CQ_CLEANUP(cq_free_ptr) found = find(task, value, err);
    if (!found || check_there(found, value, err))
        return cq_wrap(err, "%s", where);
    *path = cq_steal(&found);
    return 0;
}

int input_link(const struct taskfile *task, const char *where, const char *value,
               struct cq_err *err)
{
    char *CQ_CLEANUP(cq_free_ptr) found = NULL;
    if (value[0] == '/' || strchr(value, ':') || value[0] == '$')
        return cq_fail(err, CQ_E_INVALID, "%s: '%.200s' must be a file of the project", where,
                       value);
    if (input_find(task, where, value, &found, err))
        return -1;
    char *CQ_CLEANUP(cq_free_ptr) target = realpath(found, NULL);
    if (!target)
        return cq_fail_errno(err, CQ_E_IO, errno, "%s: %s", where, found);
    char *CQ_CLEANUP(cq_free_ptr) parent = cq_strdup(value);
    char *slash = strrchr(parent, '/');
    if (slash) {
        *slash = '\0';
        if (dir_make(parent, 0755, err))
            return cq_wrap(err, "%s", where);
    }
    return ensure_link(target, value, err);
}
