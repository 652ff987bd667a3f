/* The context of a command: instance directory, key file, terminals, talk. */
#include "cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <unistd.h>

#include "common/base/sys/files.h"

void cli_init(struct cli *c)
{
    *c = (struct cli){0};
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    c->stdout_is_tty = isatty(STDOUT_FILENO);
    c->stderr_is_tty = isatty(STDERR_FILENO);
    c->has_color =
        c->stdout_is_tty && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
}

void cli_fini(struct cli *c)
{
    free(c->dir);
    c->dir = NULL;
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static const char *home_directory(void)
{
    const char *home = environment("HOME");
    if (home)
        return home;
    const struct passwd *entry = getpwuid(getuid());
    return entry ? entry->pw_dir : NULL;
}

/* `path` made absolute; caller frees, NULL when the current directory is gone. */
static char *absolute(const char *path)
{
    if (path[0] == '/')
        return cq_strdup(path);
    char cwd[PATH_MAX];
    return getcwd(cwd, sizeof cwd) ? path_format("%s/%s", cwd, path) : NULL;
}

const char *cli_dir(struct cli *c, struct cq_err *err)
{
    if (c->dir)
        return c->dir;
    const char *given = c->dir_option ? c->dir_option : environment("CHIPQ_DIR");
    const char *state = environment("XDG_STATE_HOME"), *home = home_directory();
    if (c->dir_option && !*c->dir_option)
        return cq_fail(err, CQ_E_INVALID, "--dir is empty"), NULL;
    if (given)
        c->dir = absolute(given);
    else if (state && state[0] == '/')
        c->dir = path_format("%s/chipq", state);
    else if (home)
        c->dir = path_format("%s/.local/state/chipq", home);
    else
        return cq_fail(err, CQ_E_INVALID, "no HOME is set; say --dir DIR"), NULL;
    if (c->dir == NULL)
        return cq_fail(err, CQ_E_INVALID, "the current directory is gone; say --dir /DIR"), NULL;
    for (size_t n = strlen(c->dir); n > 1 && c->dir[n - 1] == '/'; n--)
        c->dir[n - 1] = '\0';
    return c->dir;
}

char *cli_key_path(struct cli *c, const char *name, struct cq_err *err)
{
    const char *given = c->key_option ? c->key_option : environment("CHIPQ_KEY");
    if (given)
        return cq_strdup(given);
    const char *dir = cli_dir(c, err);
    return dir ? path_format("%s/keys/%s.key", dir, name) : NULL;
}

char *cli_printable(const char *text)
{
    struct cq_str s = {0};
    cq_str_add_printable(&s, text, strlen(text));
    char *out = cq_str_take(&s);
    return out ? out : cq_strdup("");
}

void cli_talk(const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    CQ_CLEANUP(cq_free_ptr) char *line = cli_printable(text);
    (void)fprintf(stderr, "chipq: %s\n", line);
}

void cli_say_error(const struct cq_err *err)
{
    cli_talk("%s", err->text[0] ? err->text : cq_code_text(err->code));
}
