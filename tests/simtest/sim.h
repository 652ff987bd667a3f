/* One run of chipq-simtest: virtual time, chance, processes, and what they all share.
 *
 * Everything happens in one thread, in the order of (time, number of the event). Whatever is drawn
 * by chance comes from one generator that the seed starts, so the same seed gives the same run. */
#ifndef SIMTEST_SIM_H
#define SIMTEST_SIM_H

#include "common/base/pure/compiler.h"
#include "common/base/pure/id.h"

#include <setjmp.h>

#define MS       INT64_C(1000)
#define SECONDS  INT64_C(1000000)
#define NEVER_US INT64_MAX

/* ---- heap.c: memory that can be taken away ---- */

struct heap_block {
    struct heap_block *before, *after;
};
struct heap {
    struct heap_block head;
};
void heap_open(struct heap *h);
void heap_free_all(struct heap *h);
struct heap *heap_enter(struct heap *h); /* allocations come from `h` now; returns the old one */
#define heap_leave(old) ((void)heap_enter(old))

/* ---- a breakage on purpose, to see that a rule catches it ---- */

#define BREAKS(X)                                                                               \
    X(NONE, "none", "-", "nothing is broken")                                                   \
    X(EARLY_REPLY, "early-reply", "R1", "chipqd answers before its records are on disk")        \
    X(LOST_SYNC, "lost-sync", "R1", "a crash takes the newest transaction that was synced")     \
    X(FALSE_REFUSAL, "false-refusal", "R2", "a client hears that its accepted submit was not")  \
    X(PHANTOM, "phantom", "R3", "a submit reaches chipqd as another one")                       \
    X(KEY_FORGOTTEN, "key-forgotten", "R4", "the key of a submit is not kept")                  \
    X(REBORN, "reborn", "R5", "a job that is over comes back")                                  \
    X(DOUBLE_START, "double-start", "R6", "a shepherd starts an attempt twice")                 \
    X(IMMORTAL, "immortal", "R7", "a shepherd goes on when its lease has run out")              \
    X(FALSE_END, "false-end", "R8", "a shepherd is told another exit status than the true one") \
    X(ORPHANS, "orphans", "R8", "the kernel leaves alive what a dead shepherd ran")             \
    X(DEAF_CANCEL, "deaf-cancel", "R9", "a cancel reaches chipqd as a release")                 \
    X(GREEDY, "greedy", "R11", "a worker says that it has more cores than there are")           \
    X(LITTER, "litter", "R12", "files of leases cannot be removed")                             \
    X(DEAF_WORKER, "deaf-worker", "R15", "a worker never hears of a new lease")                 \
    X(NEVER_AGAIN, "never-again", "P6", "a restart of chipqd forgets restart=never")
enum break_kind {
#define X(name, text, rule, doc) BREAK_##name,
    BREAKS(X)
#undef X
        BREAK_COUNT
};

/* ---- the run ---- */

struct proc;
struct event;

struct sim {
    uint64_t seed, dice;
    int64_t now_us;
    uint64_t n_events, hash, next_seq;
    struct heap world; /* of everything that is no simulated process */
    struct event *heap;
    size_t n_heap, cap_heap;
    struct proc *procs, *current;
    jmp_buf *crash_jump; /* of the process that runs: where it goes when it is killed by itself */
    enum break_kind broken;
    bool is_verbose, is_healed, is_loud;
    bool is_failed;
    char failed_rule[16], failed_text[400];
};
extern struct sim sim;

/* The first broken rule is kept; the run ends with this event. */
void sim_fail(const char *rule, const char *fmt, ...) CQ_PRINTF(2, 3);

/* ---- chance ---- */

uint64_t dice_roll(uint64_t below);             /* 0..below-1; below > 0 */
int64_t dice_between(int64_t from, int64_t to); /* both included */
bool dice_chance(uint64_t per_mille);
int64_t dice_span(int64_t typical_us); /* skewed: often shorter, rarely 20 times as long */

/* ---- events.c ---- */

typedef void (*event_fn)(void *arg, uint64_t n);
void event_at(int64_t at_us, event_fn fn, void *arg, uint64_t n);
static inline void event_in(int64_t delay_us, event_fn fn, void *arg, uint64_t n)
{
    event_at(sim.now_us + delay_us, fn, arg, n);
}
bool event_step(int64_t until_us); /* the next one, if it is due by then */

/* Joins the run's hash and the ring of last events. `what` must outlive the run. */
void note(const char *what, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
void note_bytes(const void *data, size_t bytes); /* the hash alone */
void note_print_last(FILE *out);
void note_clear(void);

/* ---- process.c ---- */

struct clock {
    int64_t offset_us, ppm, wall_us; /* wall_us: wall time at boot time 0 */
};
int64_t clock_local_us(const struct clock *c);
int64_t clock_when(const struct clock *c, int64_t local_us); /* the run's time; NEVER_US stays */

enum proc_kind { PROC_CHIPQD, PROC_AGENT, PROC_EXECD, PROC_SHEPHERD, PROC_JOB, PROC_CLIENT };

struct machine;
enum { ALIASES = 16 };

struct proc {
    enum proc_kind kind;
    char name[40];
    uint64_t pid;
    struct machine *machine; /* NULL: chipqd's host */
    struct clock *clock;
    struct heap heap;
    bool is_alive;
    int64_t paused_until_us, wake_at_us;
    int64_t longest_pause_us;
    void (*turn)(struct proc *p); /* runs when it was woken */
    void (*died)(struct proc *p); /* its kin hear of it; memory is gone, descriptors are closed */
    void *self;                   /* in its heap, or the world's */
    int alias[ALIASES];           /* descriptors below ALIASES stand for these; 0 = none */
    uint64_t failpoint_ppm;       /* chance to die at a failpoint */
    struct proc *next;
};
struct proc *proc_new(enum proc_kind kind, struct machine *m, struct clock *clock,
                      const char *name);
void proc_wake(struct proc *p, int64_t at_us);          /* the run's time */
void proc_wake_local(struct proc *p, int64_t local_us); /* its own clock */
void proc_wake_soon(struct proc *p);                    /* after what the system needs */
void proc_pause(struct proc *p, int64_t until_us);
void proc_kill(struct proc *p); /* SIGKILL; the process that runs does not come back */
void proc_enter(struct proc *p, void (*fn)(struct proc *p)); /* runs `fn` as `p`, now */

#endif
