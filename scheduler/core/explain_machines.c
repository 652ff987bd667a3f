/* Words for what the machines have of what a job asks. */
#include <inttypes.h>

#include "common/base/pure/parse.h"
#include "scheduler/core/core_state.h"
#include "scheduler/core/explain.h"
#include "scheduler/core/placement.h"

#define SAY(field, ...) (void)snprintf((field), sizeof(field), __VA_ARGS__)

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void format_request(const struct shape *s, struct cq_str *out)
{
    char mem[32];
    if (s->exclusive)
        cq_str_add(out, "a whole machine with ");
    cq_str_printf(out, "%" PRIu64 " core%s and %s of memory", s->cores, s->cores == 1 ? "" : "s",
                  format_size_mib(s->mem_mib, mem, sizeof mem));
}

/* "--topo pack:numa!" or "--exclusive socket", of one that insists. */
static void add_place(const struct shape *s, struct cq_str *out)
{
    char wish[32];
    if (s->wish.is_whole)
        cq_str_printf(out, "--exclusive %s", s->wish.level == LEVEL_NUMA ? "numa" : "socket");
    else
        cq_str_printf(out, "--topo %s", layout_wish_text(&s->wish, wish, sizeof wish));
}

static struct shape without_place(const struct shape *s)
{
    struct shape loose = *s;
    loose.wish.is_strict = loose.wish.is_whole = false;
    return loose;
}

bool explain_impossible(const struct core *c, const struct shape *s, struct cq_str *out)
{
    uint64_t cores = 0, mem = 0, up = 0, with_features = 0;
    const struct shape loose = without_place(s);
    bool is_place = false;
    char has[32], asks[32];
    for (size_t i = 0; i < c->pool.n; i++) {
        const struct worker *w = c->pool.workers[i];
        if (!w->is_up)
            continue;
        if (placement_could_fit(s, w))
            return false;
        up++;
        is_place = is_place || placement_could_fit(&loose, w);
        with_features += placement_has_features(w->features, s->node_has);
        cores = w->n_cores > cores ? w->n_cores : cores;
        mem = w->mem_mib > mem ? w->mem_mib : mem;
    }
    if (up == 0)
        return false;
    if (is_place) {
        cq_str_printf(out, "asks %" PRIu64 " cores and %s as strictly as ", s->cores,
                      format_size_mib(s->mem_mib, asks, sizeof asks));
        add_place(s, out);
        cq_str_add(out, "; no worker has such a place");
    } else if (s->cores > cores)
        cq_str_printf(out, "asks %" PRIu64 " cores; the largest worker has %" PRIu64, s->cores,
                      cores);
    else if (s->mem_mib > mem)
        cq_str_printf(out, "asks %s of memory; the largest worker has %s",
                      format_size_mib(s->mem_mib, asks, sizeof asks),
                      format_size_mib(mem, has, sizeof has));
    else if (with_features == 0)
        cq_str_printf(out, "asks a worker with %.*s%s; none has it",
                      (int)strcspn(s->node_has, "\n"), s->node_has,
                      strchr(s->node_has, '\n') ? " and more" : "");
    else
        cq_str_add(out, "asks more than any one worker has of cores, memory and features together");
    return true;
}

void explain_capacity(const struct core *c, const struct shape *s, struct reason *r)
{
    struct cq_str asks = {0}, place CQ_CLEANUP(cq_str_fini) = {0};
    uint64_t fits = 0, working = 0, most = 0, most_mem = 0;
    char mem[32];
    for (size_t i = 0; i < c->pool.n; i++) {
        const struct worker *w = c->pool.workers[i];
        if (!w->is_up || !placement_could_fit(s, w))
            continue;
        fits++;
        if (!worker_takes_work(w))
            continue;
        working++;
        most = greater(most, w->n_free);
        if (w->mem_mib > w->mem_used_mib) /* it may have shrunk below what runs */
            most_mem = greater(most_mem, w->mem_mib - w->mem_used_mib);
    }
    format_request(s, &asks);
    if (s->wish.is_strict && most >= s->cores && most_mem >= s->mem_mib) {
        cq_str_add(&place, ", but not as ");
        add_place(s, &place);
        cq_str_add(&place, placement_is_spread(s)
                               ? " insists (spread jobs have at most half of a machine together)"
                               : " insists");
    }
    if (working == 0) {
        SAY(r->text,
            "it asks %s; the %" PRIu64 " worker%s that could hold it take%s nothing new just now",
            cq_str_text(&asks), fits, fits == 1 ? "" : "s", fits == 1 ? "s" : "");
        SAY(r->advice, "chipq nodes shows their states");
    } else {
        SAY(r->text,
            "it asks %s; %" PRIu64 " worker%s could hold it, the most free on one now: %" PRIu64
            " core%s, %s of memory%s%s",
            cq_str_text(&asks), fits, fits == 1 ? "" : "s", most, most == 1 ? "" : "s",
            format_size_mib(most_mem, mem, sizeof mem),
            working > 1 && most >= s->cores && most_mem >= s->mem_mib && !s->exclusive
                    && !s->wish.is_strict
                ? " (not on the same one)"
                : "",
            cq_str_text(&place));
        SAY(r->advice, "it starts when running jobs end%s%s",
            most > 0 ? "; a smaller request starts sooner" : "",
            !s->wish.is_strict || most < s->cores ? ""
            : s->exclusive                        ? ", and one without --exclusive"
                                                  : ", and one whose --topo does not insist (!)");
    }
    cq_str_fini(&asks);
}

/* ---- machines that are drained or down ---- */

/* A machine that was enrolled anew is known twice; one whose key was revoked does not come back. */
static bool may_come_back(const struct core *c, const struct worker *w)
{
    const struct principal *p = people_principal(c, w->principal);
    return worker_named(c, w->name) == w && p && !p->revoked;
}

/* For longer than a moment: one that settles or has just refused something is asked again soon. */
static bool is_out(const struct worker *w)
{
    return !w->is_up || w->is_drained || w->is_leaving
           || (!w->is_settling && (w->is_suspect || !w->has_session));
}

bool explain_is_out_of_service(const struct core *c, const struct shape *s)
{
    bool some = false;
    for (size_t i = 0; i < c->pool.n; i++) {
        const struct worker *w = c->pool.workers[i];
        if (!placement_could_fit(s, w) || !may_come_back(c, w))
            continue;
        if (!is_out(w))
            return false;
        some = true;
    }
    return some;
}

/* In front of a character. */
static void add_cut(struct cq_str *out, const char *text, size_t max_bytes)
{
    size_t n = strlen(text);
    bool is_long = n > max_bytes;
    if (is_long)
        for (n = max_bytes; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80;)
            n--;
    cq_str_append(out, text, n);
    if (is_long)
        cq_str_add(out, "...");
}

/* What chipqd noted itself are words of whoever's job met the machine. */
static void add_drain_why(const struct worker *w, struct cq_str *out)
{
    struct cq_str why CQ_CLEANUP(cq_str_fini) = {0};
    if (w->drain_why == NULL || *w->drain_why == '\0')
        return;
    if (w->drained_by == 0) {
        cq_str_add(out, " (by chipqd, as it refused work)");
        return;
    }
    cq_str_add_printable(&why, w->drain_why, strlen(w->drain_why));
    cq_str_add(out, " (");
    add_cut(out, cq_str_text(&why), 90);
    cq_str_add_char(out, ')');
}

static void add_state(const struct worker *w, bool with_why, struct cq_str *out)
{
    cq_str_add(out, w->name);
    if (w->is_drained) {
        cq_str_add(out, " is drained");
        if (with_why)
            add_drain_why(w, out);
        cq_str_add(out, w->is_up ? "" : " and down");
    } else {
        cq_str_add(out, !w->is_up       ? " is down"
                        : w->is_leaving ? " is being stopped"
                                        : " does not answer");
    }
}

enum { MACHINES_NAMED = 3 };

void explain_out_of_service(const struct core *c, const struct shape *s, struct reason *r)
{
    struct cq_str text CQ_CLEANUP(cq_str_fini) = {0};
    const struct worker *drained = NULL;
    size_t n = 0;
    for (size_t i = 0; i < c->pool.n; i++) {
        const struct worker *w = c->pool.workers[i];
        if (!placement_could_fit(s, w) || !may_come_back(c, w))
            continue;
        drained = drained ? drained : w->is_drained && w->is_up ? w : NULL;
        if (n++ >= MACHINES_NAMED)
            continue;
        cq_str_add(&text, n > 1 ? ", " : "");
        add_state(w, n == 1 || w == drained, &text);
    }
    if (n > MACHINES_NAMED)
        cq_str_printf(&text, " and %zu more are out of service", n - MACHINES_NAMED);
    SAY(r->text, "%s; no other machine can run it", cq_str_text(&text));
    if (drained)
        SAY(r->advice,
            "it starts when the machine is back: chipq node resume %s, with the admin key",
            drained->name);
    else
        SAY(r->advice, "it starts when such a machine is back; chipq nodes shows them");
}
