/* The verdict of a timing check from what `sta` printed. `sta` ends with status 0 whatever happens,
 * goes on after an error, and calls a design without paths clean: so every proof is asked for. */
#include "plugins/opensta/opensta.h"

#include "common/base/pure/str.h"
#include "plugins/sdk/match.h"

#include <math.h>

/* OpenSTA's infinity is 1e30 in seconds or in the library's unit. */
#define STA_INFINITE 1e29

enum {
    FIGURE_SETUP,
    FIGURE_HOLD,
    FIGURE_SETUP_TNS,
    FIGURE_HOLD_TNS,
    FIGURE_SETUP_BAD,
    FIGURE_HOLD_BAD,
    FIGURE_COUNT
};

static const struct {
    const char *word, *metric;
} figures[FIGURE_COUNT] = {
    [FIGURE_SETUP] = {"chipq-sta: setup_ws ", "timing__setup__ws"},
    [FIGURE_HOLD] = {"chipq-sta: hold_ws ", "timing__hold__ws"},
    [FIGURE_SETUP_TNS] = {"chipq-sta: setup_tns ", "timing__setup__tns"},
    [FIGURE_HOLD_TNS] = {"chipq-sta: hold_tns ", "timing__hold__tns"},
    [FIGURE_SETUP_BAD] = {"chipq-sta: setup_violations ", "timing__setup__violations"},
    [FIGURE_HOLD_BAD] = {"chipq-sta: hold_violations ", "timing__hold__violations"},
};

struct check {
    bool ended; /* our sentinel, the script's last line */
    bool found[FIGURE_COUNT];
    double value[FIGURE_COUNT];
    double unconstrained;
    unsigned warnings;
    char broken[OUTCOME_TEXT_MAX]; /* the first error, black box or constraint without its port */
};

/* "uart.sdc, 2 port ..." and "uart.v, line 7 ..." become "uart.sdc:2: port ...", as every other
 * tool writes a place. */
static void note_broken(struct check *c, const char *text)
{
    if (c->broken[0] != '\0')
        return;
    size_t file = strcspn(text, ", ");
    const char *at = text + file;
    if (file > 0 && cq_str_starts(at, ", "))
        at += cq_str_starts(at + 2, "line ") ? strlen(", line ") : strlen(", ");
    size_t digits = at > text + file ? strspn(at, "0123456789") : 0;
    if (digits > 0 && (at[digits] == ' ' || cq_str_starts(at + digits, ", ")))
        (void)snprintf(c->broken, sizeof c->broken, "%.*s:%.*s: %s", (int)file, text, (int)digits,
                       at, at + digits + strspn(at + digits, ", "));
    else
        (void)cq_copy_text(c->broken, sizeof c->broken, text);
}

static void read_warning(struct check *c, const char *line)
{
    c->warnings++;
    if (strstr(line, "unconstrained endpoint")) {
        if (!match_number(line, "There are ", &c->unconstrained))
            c->unconstrained = 1;
    } else if (strstr(line, "Creating black box") || strstr(line, " not found.")) {
        note_broken(c, line + strlen("Warning: "));
    }
}

static void check_line(void *state, const char *line)
{
    struct check *c = state;
    if (cq_str_starts(line, "Error: ")) {
        note_broken(c, line + strlen("Error: "));
    } else if (cq_str_starts(line, "Warning: ")) {
        read_warning(c, line);
    } else if (strcmp(line, "chipq-sta: end") == 0) {
        c->ended = true;
    } else {
        for (size_t i = 0; i < FIGURE_COUNT; i++)
            if (match_number(line, figures[i].word, &c->value[i]))
                c->found[i] = true;
    }
}

static const char *missing_figure(const struct check *c)
{
    for (size_t i = 0; i < FIGURE_COUNT; i++)
        if (!c->found[i])
            return figures[i].metric;
    return NULL;
}

static bool has_paths(const struct check *c)
{
    return fabs(c->value[FIGURE_SETUP]) < STA_INFINITE;
}

static void add_metrics(const struct check *c, struct outcome *out)
{
    metrics_set(&out->metrics, "timing__warnings", c->warnings);
    metrics_set(&out->metrics, "timing__unconstrained__endpoints", c->unconstrained);
    for (size_t i = 0; i < FIGURE_COUNT; i++)
        if (fabs(c->value[i]) < STA_INFINITE)
            metrics_set(&out->metrics, figures[i].metric, c->value[i]);
    metrics_set(&out->metrics, "timing__violations",
                c->value[FIGURE_SETUP_BAD] + c->value[FIGURE_HOLD_BAD]);
}

static void judge_slack(const struct check *c, struct outcome *out)
{
    double setup = c->value[FIGURE_SETUP], hold = c->value[FIGURE_HOLD];
    bool late = setup < 0, early = hold < 0 && fabs(hold) < STA_INFINITE;
    if (late || early) {
        outcome_fail(out, "timing not met: %s",
                     late && early ? "setup and hold" : (late ? "setup" : "hold"));
        (void)cq_copy_text(out->overruled_by, sizeof out->overruled_by, "timing__");
    } else {
        outcome_pass(out, "timing met");
    }
    outcome_summarise(out, "timing %s: worst slack setup %.4g, hold %.4g; %.0f violations%s",
                      late || early ? "not met" : "met", setup, hold,
                      c->value[FIGURE_SETUP_BAD] + c->value[FIGURE_HOLD_BAD],
                      c->unconstrained > 0 ? "; some endpoints are unconstrained" : "");
}

static void check_end(const void *state, const struct proc_end *end, struct outcome *out)
{
    const struct check *c = state;
    char how[64];
    if (end->signal || end->exit_status != 0)
        outcome_error(out, "sta %s", proc_describe(end, how, sizeof how));
    else if (c->broken[0])
        outcome_error(out, "%s", c->broken);
    else if (!c->ended)
        outcome_error(out, "sta stopped before the end of the script");
    else if (missing_figure(c))
        outcome_error(out, "sta printed no %s", missing_figure(c));
    else if (!has_paths(c))
        outcome_error(out,
                      "no timing paths: the constraints reach nothing (worst slack is infinite)");
    else
        judge_slack(c, out);
    if (out->verdict != VERDICT_ERROR)
        add_metrics(c, out);
}

const struct judge check_judge = {
    .state_bytes = sizeof(struct check), .line = check_line, .end = check_end};
