/* Makes the simulator's two files of this instance's past and its configuration. */
#include "cli/sim_history.h"

#include "cli/config_change.h"
#include "cli/config_yaml.h"
#include "cli/dates.h"
#include "cli/file_errors.h"
#include "cli/history_fetch.h"

#include "common/base/sys/clock.h"
#include "common/base/sys/files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *const ops[] = {[ROW_ADD] = "add",
                                  [ROW_PUT] = "put",
                                  [ROW_CLEAR] = "clear",
                                  [ROW_SET] = "set",
                                  [ROW_REMOVE] = "remove"};

static int read_times(const struct sim_history_opts *o, struct history_options *h,
                      struct cq_err *err)
{
    struct date_span span;
    int64_t now_us = clock_now().wall_us;
    h->enterprise = o->enterprise;
    if (o->from && dates_parse(o->from, now_us, &span, err) != 0)
        return cq_wrap(err, "--from");
    h->from_us = o->from ? span.begin_us : 0;
    if (o->to && dates_parse(o->to, now_us, &span, err) != 0)
        return cq_wrap(err, "--to");
    h->to_us = o->to ? span.end_us : 0;
    return 0;
}

/* Written by us, read by the program that this one becomes. */
static FILE *open_memory(const char *name, char path[32], struct cq_err *err)
{
    int fd = memfd_create(name, MFD_CLOEXEC);
    bool stays = fd >= 0 && fcntl(fd, F_SETFD, 0) == 0; /* open across exec */
    FILE *file = stays ? fdopen(fd, "w") : NULL;
    if (file == NULL) {
        (void)cq_fail_errno(err, CQ_E_IO, errno, "cannot make a memory file");
        if (fd >= 0)
            (void)close(fd);
        return NULL;
    }
    (void)snprintf(path, 32, "/proc/self/fd/%d", fd);
    return file;
}

struct parts {
    struct history *history;
    struct config_now now;
    struct config_rows changes;
};

/* ---- configuration ---- */

static bool fits(const struct history *h, const char *kind, const char *path)
{
    if (strcmp(kind, "feed") == 0)
        return false; /* the simulation asks no licence server */
    return strcmp(kind, "user") != 0 || history_has_leaf(h, path);
}

static void write_row(FILE *out, const char *op, const struct setting_row *r, const char *place)
{
    (void)fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\n", op, r->kind, r->path, r->key, r->value, place);
}

/* Things come before what is set of them, as CONFIG_ROWS gives them. */
static void write_now(FILE *out, const struct history *h, const struct config_now *now)
{
    for (size_t i = 0; i < now->n; i++)
        if (fits(h, now->rows[i].kind, now->rows[i].path))
            write_row(out, *now->rows[i].key ? "set" : "put", &now->rows[i], "");
}

/* "pool.yaml:3:5"; a name with a tab or a line's end in it could not stand in a row. */
static void format_place(struct cq_str *out, const char *file, struct flow_at at)
{
    cq_str_clear(out);
    cq_str_add_printable(out, file, strlen(file));
    cq_str_printf(out, ":%zu:%zu", at.line, at.col);
}

static void write_changes(FILE *out, const struct history *h, const struct config_rows *rows,
                          const char *file)
{
    struct cq_str place = {0};
    for (size_t i = 0; i < rows->n; i++) {
        const struct config_row *r = &rows->items[i];
        const struct setting_row as_row = {r->kind, r->path, r->key, r->value};
        format_place(&place, file, rows->ats[i]);
        if (fits(h, r->kind, r->path))
            write_row(out, ops[r->op], &as_row, cq_str_text(&place));
    }
    cq_str_fini(&place);
}

static int read_changes(struct cli *c, const char *path, struct config_rows *rows,
                        struct cq_err *err)
{
    struct cq_str text = {0};
    struct flow_errors e = {0};
    int rc = file_read(path, CONFIG_FILE_MAX, &text, err);
    if (rc == 0 && !config_yaml_read(cq_str_text(&text), text.len, rows, &e))
        rc = file_errors_fail(c, &e, path, "nothing was simulated", err);
    flow_errors_fini(&e);
    cq_str_fini(&text);
    return rc;
}

/* ---- what the file names and nobody knows ---- */

static bool is_configured(const struct config_now *now, const char *kind, const char *path)
{
    for (size_t i = 0; i < now->n; i++)
        if (strcmp(now->rows[i].kind, kind) == 0 && strcmp(now->rows[i].path, path) == 0)
            return true;
    return false;
}

static const char *closest_of(const struct config_now *now, const char *kind, const char *path)
{
    CQ_CLEANUP(cq_free_ptr) const char **names = cq_calloc(now->n + 1, sizeof *names);
    size_t n = 0;
    for (size_t i = 0; i < now->n; i++)
        if (strcmp(now->rows[i].kind, kind) == 0 && *now->rows[i].key == '\0')
            names[n++] = now->rows[i].path;
    return cq_closest(path, names);
}

/* It may be meant, so it is no error. */
static void tell_unknown(const struct parts *p, size_t i, const char *file)
{
    const struct config_row *r = &p->changes.items[i];
    const char *meant = closest_of(&p->now, r->kind, r->path);
    cli_talk("%s:%zu:%zu: there is no %s '%s' here%s%s%s; %s", file, p->changes.ats[i].line,
             p->changes.ats[i].col, r->kind, r->path, meant ? " (did you mean '" : "",
             meant ? meant : "", meant ? "'?)" : "",
             strcmp(r->kind, "user") == 0 ? "nothing of it ran: it is left out"
                                          : "it is simulated as a new one");
}

static void tell_all_unknown(const struct parts *p, const char *file)
{
    for (size_t i = 0; i < p->changes.n; i++) {
        const struct config_row *r = &p->changes.items[i];
        if (r->op == ROW_PUT && !is_configured(&p->now, r->kind, r->path)
            && !(strcmp(r->kind, "user") == 0 && history_has_leaf(p->history, r->path)))
            tell_unknown(p, i, file);
    }
}

/* ---- both ---- */

static int fetch(struct cli *c, const struct history_options *o, struct parts *p,
                 struct cq_err *err)
{
    struct net_client *s = session_open(c, AS_ADMIN, err);
    if (s)
        p->history = history_fetch(s, o, err);
    int rc = p->history ? config_fetch(s, &p->now, err) : -1;
    net_client_close(s);
    return rc;
}

static int write_files(const struct parts *p, const char *with, struct sim_history_files *files,
                       struct cq_err *err)
{
    FILE *workload = open_memory("workload", files->workload, err);
    FILE *rows = workload ? open_memory("rows", files->rows, err) : NULL;
    FILE *changes = rows && with ? open_memory("changes", files->changes, err) : NULL;
    bool is_open = rows && (changes || with == NULL);
    if (!is_open || history_write(p->history, workload, err) != 0)
        return -1; /* they end with the program */
    write_now(rows, p->history, &p->now);
    if (changes)
        write_changes(changes, p->history, &p->changes, with);
    bool is_written = fflush(rows) == 0 && (changes == NULL || fflush(changes) == 0);
    return is_written ? 0 : cq_fail_errno(err, CQ_E_IO, errno, "cannot write the rows");
}

int sim_history_make(struct cli *c, const struct sim_history_opts *o,
                     struct sim_history_files *files, struct cq_err *err)
{
    struct parts p = {0};
    struct history_options h = {0};
    *files = (struct sim_history_files){.changes = ""};
    int rc = read_times(o, &h, err);
    if (rc == 0 && o->with)
        rc = read_changes(c, o->with, &p.changes, err);
    if (rc == 0)
        rc = fetch(c, &h, &p, err);
    if (rc == 0)
        rc = write_files(&p, o->with, files, err);
    if (rc == 0 && o->with)
        tell_all_unknown(&p, o->with);
    history_free(p.history);
    config_now_fini(&p.now);
    config_rows_fini(&p.changes);
    return rc;
}
