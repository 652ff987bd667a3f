/* Bookings as the calendar's own files see them, and the time lines by which they are compared. */
#ifndef CHIPQ_CALENDAR_STATE_H
#define CHIPQ_CALENDAR_STATE_H

#include "scheduler/core/core_state.h"

#define DAY_US       (86400 * US_PER_S)
#define GIVE_BACK_US (900 * US_PER_S) /* what is unused after it is given back, when flex */

/* A window and its repetitions, wall time. */
struct span {
    int64_t start_us, end_us, period_us; /* period 0: once */
};

/* What a booking has of one machine. */
struct piece {
    char *node;
    uint64_t cores, mem_mib; /* memory 0: it does not book any */
    bool is_whole;           /* the machine with all it has */
};

/* Numbers are those of RESERVATION_EDGE. */
enum booking_state { BOOKING_AHEAD, BOOKING_BEGUN, BOOKING_GIVEN_BACK, BOOKING_STATE_COUNT };

struct booking {
    uint64_t id;
    char *name;
    struct share_node *node; /* for whom */
    struct span asked;       /* as created */
    struct span span;        /* from the present or next occurrence on */
    uint64_t every_days, cores, mem_mib;
    char *nodes;
    struct piece *pieces;
    size_t n_pieces;
    struct tokens tokens;
    bool is_flex;
    enum booking_state state;
    int64_t rate, inner_rate; /* that its node is charged now, in RATE_ONE */
    bool is_changed;          /* since the last core_view_entities */
};

/* What is booked on one machine. */
struct line {
    char *node;
    struct slot {
        const struct booking *booking;
        const struct piece *piece;
    } * slots;
    size_t n, cap;
    struct line *next_same_hash;
};

struct booking *booking_find(const struct core *c, uint64_t id);
struct booking *booking_named(const struct core *c, const struct enterprise *e, const char *name);
struct booking *booking_of(const struct core *c,
                           const struct shape *s); /* that it names, or NULL */
const struct line *calendar_line(const struct core *c, const char *node); /* NULL: nothing booked */
const struct piece *booking_piece(const struct booking *b, const char *node);
bool booking_is_active(const struct booking *b);
bool booking_is_for(const struct booking *b, const struct share_node *leaf);
/* The next edge of the present or next occurrence, wall time. */
int64_t booking_edge_us(const struct booking *b);
/* Cores and memory of a piece on a machine as it is. */
uint64_t piece_cores(const struct piece *p, const struct worker *w);
uint64_t piece_mem_mib(const struct piece *p, const struct worker *w);

/* "n1:32,n2" to pieces; memory is shared out by cores. Caller frees with pieces_free. */
struct piece *pieces_parse(const char *text, uint64_t cores, uint64_t mem_mib, size_t *n);
void pieces_free(struct piece *list, size_t n);

/* ---- calendar_line.c ---- */

/* Start of the first occurrence that ends after `after_us`; INT64_MAX: none. */
int64_t span_start(const struct span *s, int64_t after_us);
int64_t span_length(const struct span *s);
/* Do any two occurrences overlap, as far as their phases tell? Never false when some do. */
bool spans_may_meet(const struct span *a, const struct span *b);

/* Two amounts (cores and MiB; or tokens and nothing) that rise and fall over time. */
struct amount {
    uint64_t cores, mem_mib;
};
struct timeline {
    struct step {
        int64_t at_us;
        int64_t cores, mem_mib;
    } * steps;
    size_t n, cap;
};
void timeline_fini(struct timeline *t);
void timeline_add(struct timeline *t, int64_t from_us, int64_t until_us, struct amount a);
/* All occurrences of `s` in a window. */
void timeline_add_span(struct timeline *t, const struct span *s, int64_t from_us, int64_t until_us,
                       struct amount a);
/* The occurrences of `s` where they meet those of `with`. */
void timeline_add_common(struct timeline *t, const struct span *s, const struct span *with,
                         int64_t until_us, struct amount a);
/* By time; what ends at a moment before what begins then. */
void timeline_sort(struct timeline *t);
struct amount timeline_peak(struct timeline *t); /* of each alone; sorts */

/* ---- calendar_check.c ---- */

struct wish { /* a booking that is to be made */
    const struct share_node *node;
    const struct enterprise *enterprise;
    struct span span;
    uint64_t cores, mem_mib;
    const char *nodes;
    struct tokens tokens;
    int64_t now_us;
};
/* Chooses cores, checks that all fits beside what is booked. Appends the nodes text of the record.
 */
int calendar_plan_wish(const struct core *c, const struct wish *wish, struct cq_str *nodes,
                       struct cq_err *err) CQ_MUST_CHECK;

/* ---- calendar_run.c ---- */

/* Ends what is active of it, then removes it; `principal` 0: it is over. */
void booking_emit_remove(struct core *c, const struct booking *b, uint64_t principal,
                         struct effects *out);

/* ---- calendar_allow.c, calendar_tokens.c ---- */

/* What leases in a booking hold: on one machine, of one feature. But for `but`, or NULL. */
struct amount booking_inside(const struct booking *b, const struct worker *w,
                             const struct lease *but);
uint64_t booking_tokens_inside(const struct booking *b, const struct feature *f,
                               const struct lease *but);

#endif
