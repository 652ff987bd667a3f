/* Input files of a flow: globs expanded at load, relative to the flow's root, and checked to be
 * there. */
#include "cli/flow.h"

#include "common/base/pure/mem.h"
#include "common/base/sys/files.h"

#include <errno.h>
#include <glob.h>
#include <sys/stat.h>

enum { MATCHES_MAX = 10000 };

static bool is_pattern(const char *text)
{
    return strpbrk(text, "*?[") != NULL;
}

static bool has_dot_dot(const char *path)
{
    for (const char *p = path; (p = strstr(p, "..")) != NULL; p += 2)
        if ((p == path || p[-1] == '/') && (p[2] == '/' || p[2] == '\0'))
            return true;
    return false;
}

/* "dep:JOB/file": the job must be one of the needs. Only the run itself can tell whether the file
 * is there. */
static void check_dep(const struct flow_job *job, struct flow_at at, const char *text, json_t *out,
                      struct flow_errors *e)
{
    const char *name = text + strlen("dep:");
    size_t len = strcspn(name, "/");
    if (len == 0 || name[len] != '/' || name[len + 1] == '\0' || has_dot_dot(name)) {
        flow_errors_add(e, at, "write dep:JOB/FILE, not '%s'", text);
        return;
    }
    for (size_t i = 0; i < job->n_needs; i++)
        if (strncmp(job->needs[i].job, name, len) == 0 && job->needs[i].job[len] == '\0') {
            json_array_append_new(out, json_string(text));
            return;
        }
    flow_errors_add(e, at, "'%s': job '%.*s' is not in the needs of '%s'", text, (int)len, name,
                    job->name);
}

static void fail_missing(const struct flow *f, const struct flow_job *job, struct flow_at at,
                         const char *text, struct flow_errors *e)
{
    if (job->n_needs && text[0] != '/')
        flow_errors_add(e, at, "no file '%s' in %s (what job '%s' makes is written dep:%s/%s)",
                        text, f->root, job->needs[0].job, job->needs[0].job, text);
    else
        flow_errors_add(e, at, "no file '%s'%s%s", text, text[0] == '/' ? "" : " in ",
                        text[0] == '/' ? "" : f->root);
}

static bool is_in(const json_t *list, const char *text)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(json_string_value(json_array_get(list, i)), text) == 0)
            return true;
    return false;
}

static void add_path(json_t *out, const char *path, struct flow_at at, struct flow_errors *e)
{
    json_t *value = json_string(path);
    if (value == NULL)
        flow_errors_add(e, at, "a file name that is not UTF-8: %s", path);
    else if (is_in(out, path))
        json_decref(value); /* two globs matched it; the first place counts */
    else
        json_array_append_new(out, value);
}

/* The pattern below the root, with the root's own characters taken literally. Caller frees. */
static char *rooted_pattern(const struct flow *f, const char *pattern)
{
    struct cq_str s = {0};
    for (const char *p = f->root; *p; p++) {
        if (strchr("*?[\\", *p))
            cq_str_add_char(&s, '\\');
        cq_str_add_char(&s, *p);
    }
    cq_str_printf(&s, "/%s", pattern);
    return cq_str_take(&s);
}

static void expand_glob(const struct flow *f, struct flow_at at, const char *pattern, json_t *out,
                        struct flow_errors *e)
{
    glob_t found = {0};
    bool is_absolute = pattern[0] == '/';
    CQ_CLEANUP(cq_free_ptr)
    char *full = is_absolute ? cq_strdup(pattern) : rooted_pattern(f, pattern);
    int rc = glob(full, 0, NULL, &found); /* sorted bytewise: no locale is ever set */
    if (rc == GLOB_NOMATCH)
        flow_errors_add(e, at, "no file matches '%s' in %s", pattern, is_absolute ? "/" : f->root);
    else if (rc != 0)
        flow_errors_add(e, at, "'%s' cannot be expanded: %s", pattern, strerror(errno));
    else if (found.gl_pathc + json_array_size(out) > MATCHES_MAX)
        flow_errors_add(e, at, "'%s' matches more than %d files", pattern, MATCHES_MAX);
    else
        for (size_t i = 0; i < found.gl_pathc; i++)
            add_path(out, found.gl_pathv[i] + (is_absolute ? 0 : strlen(f->root) + 1), at, e);
    globfree(&found);
}

void flow_expand_path(const struct flow_context *c, struct flow_at at, const char *pattern,
                      bool is_glob, json_t *out)
{
    const struct flow *f = c->flow;
    const struct flow_job *job = c->job;
    struct flow_errors *e = c->errors;
    static const char src[] = "$CHIPQ_SRC/";
    struct stat st;
    if (cq_str_starts(pattern, "dep:")) {
        check_dep(job, at, pattern, out, e);
        return;
    }
    if (cq_str_starts(pattern, "$CHIPQ_DEP_")) {
        json_array_append_new(out, json_string(pattern));
        return;
    }
    if (cq_str_starts(pattern, src))
        pattern += strlen(src);
    if (*pattern == '\0') {
        flow_errors_add(e, at, "an empty file name");
    } else if (pattern[0] != '/' && has_dot_dot(pattern)) {
        flow_errors_add(
            e, at,
            "'%s' leaves the directory of the flow file with '..'; move the flow file up, "
            "or write an absolute path",
            pattern);
    } else if (is_glob && strstr(pattern, "**")) {
        flow_errors_add(e, at, "'%s': '**' is not supported; name each level, as in rtl/*/*.sv",
                        pattern);
    } else if (is_glob && is_pattern(pattern)) {
        expand_glob(f, at, pattern, out, e);
    } else {
        CQ_CLEANUP(cq_free_ptr)
        char *full =
            pattern[0] == '/' ? cq_strdup(pattern) : path_format("%s/%s", f->root, pattern);
        if (stat(full, &st) != 0)
            fail_missing(f, job, at, pattern, e);
        else
            add_path(out, pattern, at, e);
    }
}
