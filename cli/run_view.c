/* Draws the state of a flow's jobs while they run. */
#include "cli/run_view.h"

#include "cli/columns.h"
#include "common/base/pure/parse.h"
#include "common/base/sys/clock.h"

#include <inttypes.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BAR_CELLS = 20, REDRAW_US = 50 * 1000 };

void run_view_init(struct run_view *v, const struct cli *c, const struct flow_plan *plan)
{
    const char *term = getenv("TERM");
    *v = (struct run_view){.c = c, .plan = plan};
    v->redraws = c->stderr_is_tty && term && strcmp(term, "dumb") != 0;
    v->last_said = cq_calloc(plan->n + 1, sizeof *v->last_said);
}

void run_view_fini(struct run_view *v)
{
    for (size_t i = 0; i < v->plan->n; i++)
        free(v->last_said[i]);
    free(v->last_said);
}

static int64_t ended_tasks(const json_t *row)
{
    return row_number(row, "tasks_passed") + row_number(row, "tasks_failed")
           + row_number(row, "tasks_killed") + row_number(row, "tasks_lost");
}

static void add_count(struct cq_str *out, int64_t n, const char *what)
{
    if (n > 0)
        cq_str_printf(out, "  %" PRId64 " %s", n, what);
}

void run_view_bar(const json_t *row, struct cq_str *out)
{
    int64_t total = row_number(row, "tasks"), ended = ended_tasks(row);
    int64_t full = total > 0 ? ended * BAR_CELLS / total : 0;
    cq_str_add_char(out, '[');
    for (int64_t i = 0; i < BAR_CELLS; i++)
        cq_str_add(out, i < full ? "=" : i == full ? ">" : " ");
    cq_str_printf(out, "] %" PRId64 "/%" PRId64, ended, total);
    add_count(out, row_number(row, "tasks_passed"), "pass");
    add_count(out, row_number(row, "tasks_failed"), "fail");
    add_count(out, row_number(row, "tasks_killed"), "killed");
    add_count(out, row_number(row, "tasks_lost"), "lost");
    add_count(out, row_number(row, "tasks_running"), "running");
}

static size_t name_width(const struct run_view *v)
{
    size_t width = 4;
    for (size_t i = 0; i < v->plan->n; i++)
        if (strlen(v->plan->jobs[i].name) > width)
            width = strlen(v->plan->jobs[i].name);
    return width < 32 ? width : 32;
}

static void add_elapsed(const json_t *row, struct cq_str *out)
{
    char buf[32];
    int64_t start_us = row_number(row, "start_us"), end_us = row_number(row, "end_us");
    if (start_us == 0)
        return;
    int64_t us = (end_us ? end_us : clock_now().wall_us) - start_us;
    cq_str_printf(out, "  %s", format_time_us(us > 0 ? us : 0, buf, sizeof buf));
}

static void add_detail(const json_t *row, struct cq_str *out)
{
    bool has_ended = job_has_ended(row), is_array = json_is_true(json_object_get(row, "is_array"));
    const char *progress = row_text(row, "progress"), *reason = row_text(row, "reason");
    if (is_array && row_number(row, "start_us") && !has_ended) {
        run_view_bar(row, out);
    } else if (is_array && has_ended) {
        cq_str_printf(out, "%" PRId64 "/%" PRId64 " passed", row_number(row, "tasks_passed"),
                      row_number(row, "tasks"));
    } else if (!has_ended && *progress) {
        cq_str_add_printable(out, progress, strlen(progress));
    } else if (*reason && !job_has_passed(row) && strcmp(row_text(row, "state"), "running") != 0) {
        cq_str_add_printable(out, reason, strlen(reason));
    }
}

static void job_line(const struct run_view *v, size_t i, const json_t *row, size_t width,
                     struct cq_str *out)
{
    const char *outcome = job_outcome(row);
    bool has_color = v->redraws && v->c->has_color;
    const char *color = state_color(has_color, outcome);
    cq_str_printf(out, "%-*.*s  %s%-8s%s  ", (int)width, (int)width, v->plan->jobs[i].name, color,
                  outcome, *color ? color_end(true) : "");
    add_detail(row, out);
    add_elapsed(row, out);
    while (out->len && out->data[out->len - 1] == ' ')
        cq_str_truncate(out, out->len - 1);
}

static size_t width_of(const char *line)
{
    size_t n = 0;
    for (; *line; line++)
        if (*line == '\033')
            line += strcspn(line, "m");
        else
            n += ((unsigned char)*line & 0xc0) != 0x80;
    return n;
}

void run_view_cut(const char *line, size_t columns, struct cq_str *out)
{
    bool fits = width_of(line) <= columns;
    size_t used = 0, room = fits || columns < 4 ? columns : columns - 3;
    for (; *line; line++) {
        if (*line == '\033') {
            size_t len = strcspn(line, "m");
            cq_str_append(out, line, len + (line[len] == 'm'));
            line += len;
            continue;
        }
        if (((unsigned char)*line & 0xc0) != 0x80 && ++used > room)
            continue;
        if (used <= room)
            cq_str_add_char(out, *line);
    }
    if (!fits && columns >= 4)
        cq_str_add(out, "...");
}

/* Which jobs to show when they do not all fit: what runs or failed first. */
static bool matters(const json_t *row)
{
    return !job_has_passed(row) && strcmp(row_text(row, "state"), "pending") != 0;
}

static void redraw(struct run_view *v, const struct follow *f)
{
    struct winsize size = {0};
    struct cq_str out = {0};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row < 4 || size.ws_col < 20)
        size = (struct winsize){.ws_row = 24, .ws_col = 80};
    size_t room = size.ws_row - 2U, width = name_width(v), lines = 0, left_out = 0;
    bool fits = f->n <= room;
    if (v->drawn)
        cq_str_printf(&out, "\033[%zuA", v->drawn);
    for (size_t i = 0; i < f->n; i++) {
        struct cq_str line = {0};
        if (f->rows[i] == NULL || (!fits && (!matters(f->rows[i]) || lines + 1 >= room))) {
            left_out++;
            continue;
        }
        job_line(v, i, f->rows[i], width, &line);
        cq_str_add(&out, "\r\033[K");
        run_view_cut(cq_str_text(&line), size.ws_col - 1U, &out);
        cq_str_add_char(&out, '\n');
        cq_str_fini(&line);
        lines++;
    }
    if (left_out) {
        cq_str_printf(&out, "\r\033[K... and %zu more jobs\n", left_out);
        lines++;
    }
    cq_str_add(&out, "\033[J");
    v->drawn = lines;
    v->drawn_us = clock_mono_us();
    (void)fputs(cq_str_text(&out), stderr);
    (void)fflush(stderr);
    cq_str_fini(&out);
}

/* What a plain line is about: it is said again only when this changes. Arrays speak up at every
 * tenth. */
static char *essence(const json_t *row)
{
    struct cq_str s = {0};
    int64_t total = row_number(row, "tasks");
    cq_str_add(&s, job_outcome(row));
    if (json_is_true(json_object_get(row, "is_array")) && total >= 10)
        cq_str_printf(&s, " %" PRId64, ended_tasks(row) * 10 / total);
    return cq_str_take(&s);
}

static void say(struct run_view *v, size_t i, const json_t *row)
{
    CQ_CLEANUP(cq_free_ptr) char *now = essence(row);
    if (v->last_said[i] && strcmp(v->last_said[i], now) == 0)
        return;
    struct cq_str line = {0};
    job_line(v, i, row, name_width(v), &line);
    (void)fprintf(stderr, "%s\n", cq_str_text(&line));
    cq_str_fini(&line);
    free(v->last_said[i]);
    v->last_said[i] = cq_steal(&now);
}

static void say_how_to_cancel(struct run_view *v, const struct follow *f)
{
    struct cq_str text = {0};
    for (size_t i = 0; i < f->n; i++)
        if (f->rows[i] == NULL || !job_has_ended(f->rows[i]))
            cq_str_printf(&text, " %" PRIu64, f->numbers[i]);
    (void)fprintf(
        stderr,
        "\nchipq: the jobs go on; Ctrl-C once more to leave them. Cancel them with: chipq "
        "cancel%s\n",
        cq_str_text(&text));
    if (v->flow)
        (void)fprintf(stderr, "chipq: follow them again with: chipq run --attach %s\n", v->flow);
    cq_str_fini(&text);
    v->drawn = 0; /* the next picture goes below */
}

void run_view_finish(struct run_view *v, const struct follow *f)
{
    if (v->redraws)
        redraw(v, f);
}

void run_view_update(void *arg, const struct follow *f, int64_t index)
{
    struct run_view *v = arg;
    if (index == FOLLOW_INTERRUPT)
        say_how_to_cancel(v, f);
    else if (v->redraws && clock_mono_us() - v->drawn_us >= REDRAW_US)
        redraw(v, f);
    else if (!v->redraws && index >= 0)
        say(v, (size_t)index, f->rows[index]);
}
