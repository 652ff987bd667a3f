/* Asking plugins what they can do, with a cache, a time limit and a size limit. */
#include "worker/agent/tools.h"
#include "common/base/pure/mem.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/files.h"
#include "common/base/sys/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DESCRIBE_US = 10 * 1000 * 1000, CACHE_MAX_BYTES = 8 << 20, LINGER_MS = 1000 };

static const char plugin_prefix[] = "chipq-tool-";

struct asked {
    char name[64];
    char *path, *stamp; /* stamp: time and size of the file */
    pid_t pid;          /* 0 = known from the cache, or not running */
    int fd;
    struct cq_str text;
    bool is_bad;
};

static char *file_stamp(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || access(path, X_OK) != 0)
        return NULL;
    return path_format("%lld.%09ld %lld", (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
                       (long long)st.st_size);
}

static void spawn_describe(struct asked *a)
{
    int pipe_fds[2];
    char *argv[] = {a->path, (char *)"describe", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        return;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], 1);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP); /* its children die with it */
    int why = posix_spawn(&a->pid, a->path, &actions, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    close(pipe_fds[1]);
    a->fd = pipe_fds[0];
    if (why == 0)
        return;
    log_warn("tool.describe plugin=%s error=\"%s\"", a->name, strerror(why));
    a->pid = 0;
    a->is_bad = true;
    close(a->fd);
    a->fd = -1;
}

/* It closed its output: so it must end soon. Without pidfds it is waited for. */
static bool has_ended(pid_t pid)
{
    struct pollfd p = {(int)syscall(SYS_pidfd_open, pid, 0U), POLLIN, 0};
    bool is_over = p.fd < 0 || poll(&p, 1, LINGER_MS) != 0;
    if (p.fd >= 0)
        close(p.fd);
    return is_over;
}

static void finish(struct asked *a, bool is_late)
{
    int status = 0;
    close(a->fd);
    a->fd = -1;
    is_late = is_late || (a->text.len <= TOOL_DESCRIBE_MAX && !has_ended(a->pid));
    if (is_late || a->text.len > TOOL_DESCRIBE_MAX)
        (void)kill(-a->pid, SIGKILL);
    (void)waitpid(a->pid, &status, 0);
    a->pid = 0;
    a->is_bad = is_late || a->text.len > TOOL_DESCRIBE_MAX || status != 0;
    if (a->is_bad)
        log_warn("tool.describe plugin=%s error=\"%s\" status=%d", a->name,
                 is_late                           ? "it does not end"
                 : a->text.len > TOOL_DESCRIBE_MAX ? "more than 64 KiB"
                                                   : "it failed",
                 status);
}

static void read_some(struct asked *a)
{
    char buf[16384];
    ssize_t n = read(a->fd, buf, sizeof buf);
    if (n > 0)
        cq_str_append(&a->text, buf, (size_t)n);
    if (n == 0 || (n < 0 && errno != EINTR) || a->text.len > TOOL_DESCRIBE_MAX)
        finish(a, false);
}

/* A plugin may close its end and live on: the second look at the time is for those. */
static void collect(struct asked *asked, size_t n)
{
    int64_t until = clock_mono_us() + DESCRIBE_US;
    for (;;) {
        struct pollfd p[TOOLS_MAX];
        size_t open_n = 0;
        for (size_t i = 0; i < n; i++) {
            p[i] = (struct pollfd){asked[i].fd, POLLIN, 0};
            open_n += asked[i].fd >= 0;
        }
        int64_t left = until - clock_mono_us();
        if (open_n == 0 || left <= 0)
            break;
        if (poll(p, n, (int)(left / 1000) + 1) <= 0)
            continue;
        for (size_t i = 0; i < n; i++)
            if (p[i].fd >= 0 && p[i].revents)
                read_some(&asked[i]);
    }
    for (size_t i = 0; i < n; i++)
        if (asked[i].fd >= 0)
            finish(&asked[i], true);
}

static bool ask_cache(json_t *cache, struct asked *a)
{
    json_t *entry = json_object_get(cache, a->path);
    const char *stamp = json_string_value(json_object_get(entry, "stamp"));
    const char *text = json_string_value(json_object_get(entry, "describe"));
    if (stamp == NULL || text == NULL || strcmp(stamp, a->stamp) != 0
        || strlen(text) > TOOL_DESCRIBE_MAX)
        return false;
    cq_str_add(&a->text, text);
    return true;
}

static void save_cache(const char *path, const struct asked *asked, size_t n)
{
    json_t *cache = json_object();
    for (size_t i = 0; i < n; i++)
        if (!asked[i].is_bad)
            json_object_set_new(cache, asked[i].path,
                                json_pack("{s:s, s:s}", "stamp", asked[i].stamp, "describe",
                                          cq_str_text(&asked[i].text)));
    char *text = json_dumps(cache, JSON_COMPACT | JSON_SORT_KEYS);
    struct cq_err err;
    if (text && file_write_atomic(path, text, strlen(text), 0600, &err) != 0)
        log_warn("tool.cache error=\"%s\"", err.text);
    free(text);
    json_decref(cache);
}

static void add_features(struct tools *out, const char *name, json_t *root)
{
    json_t *tool = json_object_get(root, "tool");
    const char *version = json_string_value(json_object_get(tool, "version"));
    if (!json_is_true(json_object_get(tool, "found")))
        return;
    bool has_version = version && version[0] && strchr(version, '\n') == NULL;
    out->features[out->n_features++] =
        has_version ? path_format("tool=%s=%.60s", name, version) : path_format("tool=%s", name);
}

static void add_tool(struct tools *out, struct asked *a)
{
    json_error_t why;
    json_t *root = json_loads(cq_str_text(&a->text), JSON_REJECT_DUPLICATES, &why);
    const char *name = json_string_value(json_object_get(root, "name"));
    bool is_good = json_integer_value(json_object_get(root, "chipq_plugin")) == 1 && name
                   && strcmp(name, a->name) == 0 && json_is_array(json_object_get(root, "tasks"));
    if (is_good) {
        out->rows[out->n++] = (struct tool_row){.name = cq_strdup(name),
                                                .describe = cq_strdup(cq_str_text(&a->text))};
        add_features(out, name, root);
    } else if (!a->is_bad) {
        log_warn("tool.describe plugin=%s error=\"%s\"", a->name,
                 root ? "not a description of contract 1 under this name" : why.text);
        a->is_bad = true;
    }
    json_decref(root);
}

static bool is_plugin_name(const char *file)
{
    return cq_str_starts(file, plugin_prefix) && strchr(file, '.') == NULL
           && strlen(file) - TOOL_PREFIX_BYTES < 64;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct asked *)a)->name, ((const struct asked *)b)->name);
}

static size_t find_plugins(const char *dir_path, struct asked *asked)
{
    size_t n = 0;
    DIR *dir = opendir(dir_path);
    for (struct dirent *e = dir ? readdir(dir) : NULL; e && n < TOOLS_MAX; e = readdir(dir)) {
        if (!is_plugin_name(e->d_name))
            continue;
        struct asked a = {.path = path_format("%s/%s", dir_path, e->d_name), .fd = -1};
        a.stamp = file_stamp(a.path);
        (void)cq_copy_text(a.name, sizeof a.name, e->d_name + TOOL_PREFIX_BYTES);
        if (a.stamp)
            asked[n++] = a;
        else
            free(a.path);
    }
    if (dir)
        closedir(dir);
    qsort(asked, n, sizeof *asked, by_name);
    return n;
}

void tools_load(const char *dir, const char *cache_path, struct tools *out)
{
    static struct asked asked[TOOLS_MAX];
    struct cq_str text = {0};
    bool is_changed = false;
    memset(out, 0, sizeof *out);
    json_t *cache = NULL;
    if (file_read(cache_path, CACHE_MAX_BYTES, &text, NULL) == 0)
        cache = json_loads(cq_str_text(&text), 0, NULL);
    cq_str_fini(&text);
    size_t n = find_plugins(dir, asked);
    for (size_t i = 0; i < n; i++)
        if (!ask_cache(cache, &asked[i])) {
            spawn_describe(&asked[i]);
            is_changed = true;
        }
    collect(asked, n);
    for (size_t i = 0; i < n; i++)
        if (!asked[i].is_bad)
            add_tool(out, &asked[i]);
    if (is_changed || n != json_object_size(cache))
        save_cache(cache_path, asked, n);
    for (size_t i = 0; i < n; i++) {
        free(asked[i].path);
        free(asked[i].stamp);
        cq_str_fini(&asked[i].text);
    }
    json_decref(cache);
}

void tools_fini(struct tools *t)
{
    for (size_t i = 0; i < t->n; i++) {
        free((char *)t->rows[i].name);
        free((char *)t->rows[i].describe);
    }
    for (size_t i = 0; i < t->n_features; i++)
        free(t->features[i]);
    *t = (struct tools){0};
}
