/* Which tool is installed, and its version. */
#include "plugins/sdk/probe.h"

#include "common/base/pure/mem.h"

#include <ctype.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

bool probe_find(const char *binary, char *path, size_t size)
{
    const char *dirs = getenv("PATH");
    if (!dirs || !*dirs)
        dirs = "/usr/local/bin:/usr/bin:/bin";
    for (; *dirs; dirs += strspn(dirs, ":")) {
        size_t len = strcspn(dirs, ":");
        int n = snprintf(path, size, "%.*s/%s", (int)len, dirs, binary);
        if (n > 0 && (size_t)n < size && is_program(path))
            return true;
        dirs += len;
    }
    path[0] = '\0';
    return false;
}

bool probe_read_version(const char *line, char *version, size_t size)
{
    for (const char *at = line; *at; at++) {
        if (!isdigit((unsigned char)*at) || (at > line && isalnum((unsigned char)at[-1])))
            continue;
        size_t len = strspn(at, "0123456789.");
        while (len > 0 && at[len - 1] == '.')
            len--;
        if (memchr(at, '.', len) && len < size) {
            memcpy(version, at, len);
            version[len] = '\0';
            return true;
        }
        at += strspn(at, "0123456789.") - 1;
    }
    return false;
}

static void on_version_line(void *context, const char *line)
{
    struct probe *probe = context;
    if (probe->version[0] == '\0')
        (void)probe_read_version(line, probe->version, sizeof probe->version);
}

void probe_tool(const struct plugin *plugin, struct probe *out)
{
    *out = (struct probe){0};
    out->found = probe_find(plugin->tool.binary, out->path, sizeof out->path);
    if (!out->found)
        return;
    struct args args = {0};
    args_add_all(&args, plugin->version_argv);
    const struct proc_spec spec = {.args = &args,
                                   .on_line = on_version_line,
                                   .context = out,
                                   .quiet = true,
                                   .limit_ms = PROBE_LIMIT_MS,
                                   .grace_ms = PROBE_GRACE_MS};
    struct proc_end end;
    if (proc_run(&spec, &end, NULL) || end.timed_out)
        out->version[0] = '\0';
    args_fini(&args);
}

int probe_need(const struct plugin_program *program, struct cq_err *err)
{
    char path[PATH_MAX];
    if (probe_find(program->binary, path, sizeof path))
        return 0;
    return cq_fail(err, CQ_E_NOT_FOUND,
                   "the program '%s' is not installed on this machine; apt-get install %s",
                   program->binary, program->package);
}
