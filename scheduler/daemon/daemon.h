/* chipqd's shell around the core: what its files share.
 *
 * A message comes in (client_session.c, worker_session.c), is checked (authz.c), becomes an input
 * (turn_step). Records join the filling batch, messages join the outbox behind them. At the end of
 * the loop's turn the policy runs and the batch goes to the store thread, if that is free. When a
 * batch is on disk, the messages that reflect it leave. */
#ifndef CHIPQ_DAEMON_H
#define CHIPQ_DAEMON_H

#include "common/base/pure/map.h"
#include "common/net/zap.h"
#include "common/net/zsock.h"
#include "common/wire/message.h"
#include "scheduler/core/core.h"
#include "scheduler/daemon/askers.h"
#include "scheduler/daemon/authz.h"
#include "scheduler/daemon/feed.h"
#include "scheduler/daemon/memory.h"
#include "scheduler/daemon/options.h"
#include "scheduler/daemon/points.h"
#include "scheduler/store/store.h"

/* For texts of wire structs, which are const there, but ours. */
static inline void free_const(const void *owned)
{
    union {
        const void *from;
        void *to;
    } p = {.from = owned};
    free(p.to);
}

struct watches;
struct logs;
struct hearing;
struct outbox;
struct ask;
struct backup;
struct submit;

enum port { PORT_CLIENT, PORT_WORKER };

struct daemon {
    const struct daemon_options *options;
    struct core *core;
    struct store *store;
    struct loop *loop;
    struct zap *zap;
    struct zsock *ports[2]; /* by enum port */
    struct loop_fd *store_watch;
    struct loop_timer *timer;
    struct feed *feed; /* asks the licence server */
    int64_t start_mono_us;
    uint64_t turned_away; /* connections that had no room, as far as logged */
    int64_t crowded_us;   /* when the newest was seen; 0 = there is room */
    bool is_stopping;
    enum store_room room; /* as it was told last */
    struct daemon_memory memory;
    /* the turn */
    struct points points;
    struct effects effects;
    bool must_plan;
    uint64_t n_since_trim; /* records since free memory was last given back */
    struct store_batch *filling;
    struct job_id *dirty; /* jobs whose rows the filling batch must bring */
    size_t n_dirty, cap_dirty;
    struct map is_dirty;
    struct store_query *held, **held_last; /* wait for the filling batch to be handed over */
    size_t n_asks;                         /* queries that are not answered yet */
    struct map asks_of;                    /* principal -> size_t, how many of them */
    struct askers askers;                  /* whose questions wait for the work to be done */
    struct loop_timer *question_timer;
    struct submit *waiting_submits; /* submit.c */
    struct outbox *outbox;
    struct map replies; /* handle given to the core -> struct reply_to */
    uint64_t last_handle;
    /* sessions */
    struct hearing *hearing;
    struct map worker_sessions; /* principal -> struct worker_session */
    struct watches *watches;
    struct logs *logs;
    struct backup *backup; /* that is being made; NULL = none */
    struct map progress;   /* job id -> char *, of running single tasks */
    uint64_t bad_messages; /* malformed ones, refused */
};

/* Who asks, and where the answer goes. `who` borrows from the core; checked against the registry
 * when the message came. */
struct asker {
    struct zpeer peer;
    uint64_t request;
    struct principal_view who;
};

/* ---- turn.c ---- */

/* Feeds one input. Returns the core's -1 for a broken contract (see core.h), effects taken. */
int turn_step(struct daemon *d, const struct input *in, struct cq_err *err) CQ_MUST_CHECK;
void turn_take_effects(struct daemon *d);
void turn_end(void *daemon);               /* the loop's hook */
uint64_t turn_tag(const struct daemon *d); /* newest record that anything said now may reflect */
bool turn_is_congested(const struct daemon *d); /* the disk is far behind: refuse new work */
void turn_on_store(void *daemon, int fd, unsigned events);
void turn_on_timer(void *daemon);
void turn_on_feed(void *daemon, const struct in_licence_feed *result);
void turn_drain(struct daemon *d); /* at the end: everything to disk, everything sent. Blocks */

/* ---- descriptors.c ---- */

void descriptors_raise(void); /* to what the hard limit allows; tells when that is little */

/* ---- outbox.c: the FIFO between deciding and telling ---- */

struct outbox *outbox_new(struct daemon *d);
void outbox_free(struct outbox *o);
/* Encodes and queues. A message over the frame's bound becomes an ERROR (clients) or is logged. */
void send_to(struct daemon *d, enum port port, const struct zpeer *peer, const struct msg *m);
void send_now(struct daemon *d, enum port port, const struct zpeer *peer,
              const struct msg *m);  /* reflects nothing that is not on disk */
void outbox_flush(struct daemon *d); /* sends what is durable */
bool outbox_is_stalled(const struct daemon *d, const struct zpeer *peer); /* a slow peer */
bool outbox_is_empty(const struct daemon *d);
/* So much waits for the disk that new requests, or at first only questions, are refused. */
bool outbox_is_behind(const struct daemon *d, bool only_asks);

/* Sets the request id. The answer to a question becomes reply_behind while the outbox is. */
void reply(struct daemon *d, const struct asker *a, struct msg *m);
void reply_behind(struct daemon *d, const struct asker *a); /* at once: "try again", CQ_E_FULL */
void reply_error(struct daemon *d, const struct asker *a, const struct cq_err *err);
void reply_ok(struct daemon *d, const struct asker *a);
/* The last word to a follower whose key is no longer valid. */
void reply_revoked(struct daemon *d, const struct zpeer *peer, uint64_t request);

/* ---- outs.c: the core's messages and replies ---- */

struct action_batch {
    struct asker asker;
    struct action_result *results;
    size_t n, left;
    uint64_t n_tasks; /* named one by one so far */
};
struct reply_to {
    struct asker asker;
    struct action_batch *batch; /* NULL: a reply of its own */
    size_t index;
    bool is_dry_run; /* of CONFIG_APPLY */
};
uint64_t reply_handle(struct daemon *d, const struct asker *a, struct action_batch *batch,
                      size_t index);
void outs_send(struct daemon *d, const struct effects *e);
void config_send_done(struct daemon *d, const struct reply_to *to, const struct out *o);
void action_result_set(struct daemon *d, struct action_batch *b, size_t index, enum cq_code code,
                       const char *text); /* sends and frees the batch with its last result */

/* ---- ask.c: questions to the store ---- */

/* `q` and `ask` are freed after it returns; `ask->data` is its own to free. */
typedef void (*ask_done_fn)(struct daemon *d, struct ask *ask, struct store_query *q);
struct ask {
    struct asker asker;
    ask_done_fn done;
    bool shape_only; /* the asker may see numbers and resources, no names */
    void *data;
};
/* Takes q. False, with an ERROR sent, when this principal has too many open questions. `done` is
 * not called when the principal was revoked meanwhile; `free_data` then frees `data`. */
bool ask_store(struct daemon *d, const struct asker *a, struct store_query *q, ask_done_fn done,
               bool shape_only, void *data, void (*free_data)(void *data));
size_t ask_count(const struct daemon *d, struct principal_id p); /* open ones */
bool ask_has_room(const struct daemon *d, const struct asker *a);
void ask_answered(struct daemon *d, struct store_query *q);
void ask_release_held(struct daemon *d); /* the filling batch is on its way */

/* ---- questions.c: what only asks waits for the work to be done ---- */

/* So many of one asker may be with the store while others of it are held: what an answer takes is
 * known afterwards. */
enum { QUESTIONS_WITH_STORE = 128 };
/* One of this asker may be answered at once. */
bool questions_are_free(struct daemon *d, const struct asker *a);
/* Copies the message; "try again" when this asker has too many in line. */
void questions_hold(struct daemon *d, const struct asker *a, const void *data, size_t bytes);
void questions_serve(struct daemon *d); /* at the end of a turn */
void questions_on_timer(void *daemon);

/* ---- hearing.c: when a client's request is heard ---- */

struct hearing *hearing_new(struct daemon *d);
void hearing_free(struct hearing *h);       /* accepts NULL; who waited is not answered */
void hearing_go_on(struct daemon *d);       /* those whose turn has come */
void hearing_new_batch(struct daemon *d);   /* the one before is on its way */
void hearing_batch_ended(struct daemon *d); /* it is on disk */
void hearing_idle(struct daemon *d);        /* nothing is written and nothing waits to be */
/* A request of this enterprise made so many records. */
void hearing_charge(struct daemon *d, uint64_t enterprise, uint64_t records, size_t bytes);

/* ---- sessions ---- */

/* At once. Borrows all. */
void client_hear(struct daemon *d, const struct zpeer *peer, const char *user_id, const void *data,
                 size_t bytes);
void client_on_message(void *daemon, const struct zpeer *peer, const char *user_id,
                       const void *data, size_t bytes);
void worker_on_message(void *daemon, const struct zpeer *peer, const char *user_id,
                       const void *data, size_t bytes);
void client_on_held(struct daemon *d, const struct zpeer *peer, struct principal_id who,
                    const void *data, size_t bytes); /* a question that was held */
bool session_find(struct daemon *d, const char *user_id, enum port port, struct principal_view *v);
bool session_is_revoked(const struct daemon *d, struct principal_id p);
bool session_on_connect(void *daemon, const char *domain, const uint8_t key[CURVE_KEY_BYTES],
                        char *user_id); /* zap's check */
/* Answers a frame that could not be decoded, when it shows a request id. */
void session_refuse_frame(struct daemon *d, enum port port, const struct zpeer *peer,
                          const void *data, size_t bytes, const struct cq_err *err);

struct worker_session {
    struct principal_id principal;
    struct zpeer peer;
    bool is_open;    /* HELLO came, and the connection is not known to be gone */
    bool is_welcome; /* the core has settled it */
    struct cq_uuid incarnation, boot_id; /* of the newest HELLO, as the next two */
    uint64_t hello;
    int64_t started_us;
    char *node;
    struct tool_row *tools; /* owned texts */
    size_t n_tools;
};
struct worker_session *worker_session_of(struct daemon *d, struct principal_id p); /* or NULL */
struct worker_session *worker_session_named(struct daemon *d, const char *node);
void worker_session_lost(struct daemon *d, const struct zpeer *peer); /* its connection is gone */
void worker_sessions_free(struct daemon *d);
void worker_send(struct daemon *d, struct principal_id p, const struct msg *m);

#endif
