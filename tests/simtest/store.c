/* scheduler/store/store.h on a simulated disk: one transaction is in flight at most, takes its time
 * to be synced, and is on disk as a whole or not at all. */
#include "tests/simtest/disk.h"

#include "common/base/pure/mem.h"
#include "tests/simtest/breaks.h"
#include "tests/simtest/kernel.h"
#include "tests/simtest/rules.h"

enum { SYNC_US = 3000, SLOW_SYNC_US = 4 * 1000 * 1000, ANSWER_US = 800 };

struct disk disk;

/* A transaction in the world's heap: it may reach the disk although its writer is dead. */
struct transaction {
    struct disk_record *records, *entities;
    struct disk_job *jobs;
    size_t n_records, cap_records, n_entities, cap_entities, n_jobs, cap_jobs;
};

struct store_batch {
    struct store *store;
    struct record **kept; /* borrowed by whoever holds the batch, freed with it */
    size_t n_kept, cap_kept;
    struct transaction t;
};

struct store {
    uint64_t next_seq, durable_seq, flying_seq;
    bool is_busy;
    int event_fd;
    struct store_query *asked, **last_asked, *answered, **last_answered;
};

static struct {
    struct store *store;                  /* of the chipqd that lives; NULL: none */
    struct transaction flying, held_back; /* held_back: of the breakage lost-sync */
    bool is_flying;
    uint64_t generation; /* of chipqd */
} io;

void disk_reset(void)
{
    memset(&disk, 0, sizeof disk);
    memset(&io, 0, sizeof io);
}

static struct disk_bytes world_bytes(const void *data, size_t len)
{
    struct heap *old = heap_enter(&sim.world);
    struct disk_bytes b = {.data = cq_malloc(len + 1), .len = len};
    heap_leave(old);
    if (len)
        memcpy(b.data, data, len);
    b.data[len] = '\0';
    return b;
}

static struct disk_record encoded(const struct record *r, uint64_t id)
{
    struct cq_str text = {0};
    record_encode(r, &text);
    struct disk_record d = {.type = r->type,
                            .version = record_type_version(r->type),
                            .id = id,
                            .payload = world_bytes(text.data, text.len)};
    cq_str_fini(&text);
    return d;
}

struct record *disk_decode(const struct disk_record *d)
{
    struct record *r = NULL;
    struct cq_err err = {0};
    if (record_decode(d->type, d->version, d->payload.data, d->payload.len, &r, &err) != 0)
        sim_fail("store", "a record of the disk cannot be read: %s", err.text);
    return r;
}

/* ---- on disk ---- */

static size_t job_place(uint64_t id, bool *is_there)
{
    size_t low = 0, high = disk.n_jobs;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (disk.jobs[mid].id < id)
            low = mid + 1;
        else
            high = mid;
    }
    *is_there = low < disk.n_jobs && disk.jobs[low].id == id;
    return low;
}

const struct disk_job *disk_job_by_id(uint64_t id)
{
    bool is_there;
    size_t at = job_place(id, &is_there);
    return is_there ? &disk.jobs[at] : NULL;
}

const struct disk_job *disk_job_by_number(uint64_t enterprise, uint64_t number)
{
    for (size_t i = 0; i < disk.n_jobs; i++)
        if (disk.jobs[i].enterprise == enterprise && disk.jobs[i].number == number)
            return &disk.jobs[i];
    return NULL;
}

static void put_job(const struct disk_job *j)
{
    bool is_there;
    size_t at = job_place(j->id, &is_there);
    rules_job_row(is_there ? &disk.jobs[at] : NULL, j);
    if (!is_there) {
        cq_grow(&disk.jobs, &disk.cap_jobs, disk.n_jobs);
        memmove(disk.jobs + at + 1, disk.jobs + at, (disk.n_jobs++ - at) * sizeof *disk.jobs);
        disk.jobs[at] = *j;
        return;
    }
    struct disk_job *old = &disk.jobs[at];
    struct disk_bytes submit = old->submit;
    struct cq_uuid key = old->key;
    uint64_t attempt = j->attempt > old->attempt ? j->attempt : old->attempt;
    *old = *j;
    old->submit = submit;
    old->key = key;
    old->attempt = attempt;
}

static unsigned rank_of(const struct disk_record *e) /* leases point at workers and jobs */
{
    return e->type == RECORD_LEASE_SNAPSHOT ? 10000 : (unsigned)e->type;
}

static void put_entity(const struct disk_record *e)
{
    size_t low = 0, high = disk.n_entities;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct disk_record *m = &disk.entities[mid];
        if (rank_of(m) < rank_of(e) || (rank_of(m) == rank_of(e) && m->id < e->id))
            low = mid + 1;
        else
            high = mid;
    }
    bool is_there = low < disk.n_entities && disk.entities[low].type == e->type
                    && disk.entities[low].id == e->id;
    size_t behind = disk.n_entities - low;
    if (is_there && e->is_gone) {
        memmove(disk.entities + low, disk.entities + low + 1, (behind - 1) * sizeof *e);
        disk.n_entities--;
    } else if (is_there) {
        disk.entities[low] = *e;
    } else if (!e->is_gone) {
        cq_grow(&disk.entities, &disk.cap_entities, disk.n_entities);
        memmove(disk.entities + low + 1, disk.entities + low, behind * sizeof *e);
        disk.entities[low] = *e;
        disk.n_entities++;
    }
}

static void print_record(const struct record *r)
{
    struct cq_str text = {0};
    record_format_json(r, &text);
    printf("              %s %s\n", record_type_name(r->type), cq_str_text(&text));
    cq_str_fini(&text);
}

static void put_record(const struct disk_record *r)
{
    cq_grow(&disk.journal, &disk.cap_journal, disk.n_journal);
    disk.journal[disk.n_journal++] = *r;
    note("disk.record", (uint64_t)r->type, disk.n_journal, r->payload.len, 0);
    note_bytes(r->payload.data, r->payload.len);
    struct record *decoded = disk_decode(r);
    if (decoded)
        rules_record(decoded);
    if (decoded && sim.is_loud)
        print_record(decoded);
    record_free(decoded);
}

static void put_transaction(const struct transaction *t)
{
    struct heap *old = heap_enter(&sim.world);
    for (size_t i = 0; i < t->n_records; i++)
        put_record(&t->records[i]);
    for (size_t i = 0; i < t->n_jobs; i++)
        put_job(&t->jobs[i]);
    for (size_t i = 0; i < t->n_entities; i++)
        put_entity(&t->entities[i]);
    rules_transaction_done();
    heap_leave(old);
}

void disk_crash(bool is_power_loss)
{
    bool is_kept = io.is_flying && dice_chance(is_power_loss ? 300 : 500);
    note("disk.crash", is_power_loss, io.is_flying, is_kept, 0);
    if (is_kept && !breaks(BREAK_LOST_SYNC))
        put_transaction(&io.flying);
    io.held_back = (struct transaction){0};
    io.is_flying = false;
    io.store = NULL;
    io.generation++;
}

/* ---- batches ---- */

struct store_batch *store_batch_new(struct store *s)
{
    struct store_batch *b = CQ_NEW(struct store_batch);
    b->store = s;
    return b;
}

void store_batch_free(struct store_batch *b)
{
    if (b == NULL)
        return;
    for (size_t i = 0; i < b->n_kept; i++)
        record_free(b->kept[i]);
    free(b->kept);
    free(b);
}

bool store_batch_is_empty(const struct store_batch *b)
{
    return b->t.n_records + b->t.n_jobs + b->t.n_entities == 0;
}

size_t store_batch_records(const struct store_batch *b)
{
    return b->t.n_records;
}

void store_batch_add_record(struct store_batch *b, struct record *r, int64_t wall_us)
{
    (void)wall_us;
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
    cq_grow(&b->kept, &b->cap_kept, b->n_kept);
    b->kept[b->n_kept++] = r;
    struct disk_record d = encoded(r, 0);
    struct heap *old = heap_enter(&sim.world);
    cq_grow(&b->t.records, &b->t.cap_records, b->t.n_records);
    heap_leave(old);
    b->t.records[b->t.n_records++] = d;
}

/* It comes in the batch of the job's first row. */
static struct disk_bytes submit_of(const struct store_batch *b, uint64_t id)
{
    for (size_t i = 0; i < b->n_kept; i++)
        if (b->kept[i]->type == RECORD_JOB_SUBMIT && b->kept[i]->u.job_submit.id == id)
            return encoded(b->kept[i], id).payload;
    abort();
}

void store_batch_add_job(struct store_batch *b, const struct job_view *v, const char *metrics)
{
    (void)metrics;
    struct disk_job j = {.id = v->id.v,
                         .enterprise = v->enterprise.v,
                         .number = v->number,
                         .principal = v->principal.v,
                         .tasks = v->tasks,
                         .waiting = v->waiting,
                         .running = v->running,
                         .passed = v->passed,
                         .failed = v->failed,
                         .killed = v->killed,
                         .lost = v->lost,
                         .state = v->state,
                         .is_array = v->is_array,
                         .key = v->client_key};
    for (size_t i = 0; i < v->n_tasks_changed && !v->is_array; i++)
        if (v->tasks_changed[i].attempt > j.attempt)
            j.attempt = v->tasks_changed[i].attempt;
    j.name = world_bytes(v->name, strlen(v->name ? v->name : "")).data;
    j.passed_ranges =
        world_bytes(v->passed_ranges, strlen(v->passed_ranges ? v->passed_ranges : "")).data;
    if (v->is_new)
        j.submit = submit_of(b, v->id.v);
    if (v->state_record)
        j.snapshot = encoded(v->state_record, v->id.v).payload;
    struct heap *old = heap_enter(&sim.world);
    cq_grow(&b->t.jobs, &b->t.cap_jobs, b->t.n_jobs);
    heap_leave(old);
    b->t.jobs[b->t.n_jobs++] = j;
}

void store_batch_add_entity(struct store_batch *b, const struct entity_view *e)
{
    struct disk_record d = {.type = e->type, .id = e->id, .is_gone = e->gone};
    if (!e->gone)
        d = encoded(e->record, e->id);
    struct heap *old = heap_enter(&sim.world);
    cq_grow(&b->t.entities, &b->t.cap_entities, b->t.n_entities);
    heap_leave(old);
    b->t.entities[b->t.n_entities++] = d;
}

void store_batch_add_usage(struct store_batch *b, const struct usage_view *v)
{
    (void)b;
    (void)v;
}

/* ---- life ---- */

struct store *store_open(const struct store_options *options, struct cq_err *err)
{
    (void)options;
    (void)err;
    struct store *s = CQ_NEW(struct store);
    s->next_seq = disk.n_journal + 1;
    s->durable_seq = s->flying_seq = disk.n_journal;
    s->event_fd = kernel_new_eventfd();
    s->last_asked = &s->asked;
    s->last_answered = &s->answered;
    io.store = s;
    return s;
}

void store_close(struct store *s)
{
    free(s);
}

void store_start(struct store *s)
{
    (void)s;
}

int store_fd(const struct store *s)
{
    return s->event_fd;
}

static int give(const struct disk_record *d, store_record_fn fn, void *arg, struct cq_err *err)
{
    struct record *r = disk_decode(d);
    if (r == NULL)
        return -1;
    if (breaks(BREAK_NEVER_AGAIN) && r->type == RECORD_JOB_SUBMIT)
        r->u.job_submit.restart = 0;
    int rc = fn(arg, r, err);
    if (rc != 0)
        sim_fail("load", "%s does not fit: %s", record_type_name(r->type), err->text);
    record_free(r);
    return rc;
}

static int load_job(const struct disk_job *j, store_record_fn fn, void *arg, struct cq_err *err)
{
    const struct disk_record submit = {.type = RECORD_JOB_SUBMIT,
                                       .version = record_type_version(RECORD_JOB_SUBMIT),
                                       .payload = j->submit};
    const struct disk_record state = {.type = RECORD_JOB_SNAPSHOT,
                                      .version = record_type_version(RECORD_JOB_SNAPSHOT),
                                      .payload = j->snapshot};
    if (give(&submit, fn, arg, err) != 0)
        return -1;
    return give(&state, fn, arg, err);
}

int store_load(struct store *s, store_record_fn fn, void *arg, struct cq_err *err)
{
    size_t i = 0;
    (void)s;
    for (; i < disk.n_entities && disk.entities[i].type != RECORD_LEASE_SNAPSHOT; i++)
        if (give(&disk.entities[i], fn, arg, err) != 0)
            return -1;
    for (size_t k = 0; k < disk.n_jobs; k++)
        if (!job_state_is_terminal(disk.jobs[k].state)
            && load_job(&disk.jobs[k], fn, arg, err) != 0)
            return -1;
    for (; i < disk.n_entities; i++)
        if (give(&disk.entities[i], fn, arg, err) != 0)
            return -1;
    return 0;
}

int store_load_ends(struct store *s, store_record_fn fn, void *arg, struct cq_err *err)
{
    (void)s;
    for (size_t i = 0; i < disk.n_journal; i++)
        if (disk.journal[i].type == RECORD_ATTEMPT_END && give(&disk.journal[i], fn, arg, err) != 0)
            return -1;
    return 0;
}

/* ---- commits ---- */

static void bring_back_one(void)
{
    for (size_t i = 0; i < disk.n_jobs; i++) {
        struct disk_job j = disk.jobs[i];
        if (j.state != JOB_DONE || !dice_chance(100))
            continue;
        j.state = JOB_PENDING;
        j.waiting = j.passed;
        j.passed = 0;
        put_job(&j);
        return;
    }
}

static void on_synced(void *arg, uint64_t generation)
{
    (void)arg;
    if (generation != io.generation || !io.is_flying)
        return;
    struct transaction t = io.flying;
    io.is_flying = false;
    if (breaks(BREAK_LOST_SYNC)) {
        struct transaction newer = t;
        t = io.held_back;
        io.held_back = newer;
    }
    put_transaction(&t);
    if (breaks(BREAK_REBORN))
        bring_back_one();
    kernel_set_ready(io.store->event_fd, true);
}

void store_commit(struct store *s, struct store_batch *b)
{
    s->next_seq += b->t.n_records;
    s->is_busy = true;
    s->flying_seq = s->next_seq - 1;
    io.flying = b->t;
    io.is_flying = true;
    note("disk.write", b->t.n_records, b->t.n_jobs, b->t.n_entities, 0);
    int64_t us = dice_chance(3) && !sim.is_healed ? dice_span(SLOW_SYNC_US) : dice_span(SYNC_US);
    event_in(us, on_synced, NULL, io.generation);
    store_batch_free(b);
}

bool store_is_busy(const struct store *s)
{
    return s->is_busy;
}

uint64_t store_next_seq(const struct store *s)
{
    return s->next_seq;
}

uint64_t store_durable_seq(const struct store *s)
{
    return breaks(BREAK_EARLY_REPLY) ? s->next_seq + 1000 : s->durable_seq;
}

uint64_t store_epoch(const struct store *s)
{
    (void)s;
    return 0;
}

/* Now and then its disk is short of room. */
struct store_space store_space(const struct store *s)
{
    (void)s;
    bool is_low = !sim.is_healed && dice_chance(10);
    return (struct store_space){is_low ? ROOM_LOW : ROOM_FINE, 1, 1, "/"};
}

void store_look_at_room(struct store *s)
{
    (void)s;
}

bool store_is_low(const struct store *s)
{
    return store_space(s).room != ROOM_FINE;
}

uint64_t store_dropped_bytes(const struct store *s)
{
    (void)s;
    return 0;
}

/* ---- questions ---- */

static void answer_all(struct store *s)
{
    while (s->asked && !s->is_busy) { /* a batch goes first */
        struct store_query *q = s->asked;
        s->asked = q->next;
        if (s->asked == NULL)
            s->last_asked = &s->asked;
        disk_answer(q);
        q->next = NULL;
        *s->last_answered = q;
        s->last_answered = &q->next;
    }
}

static void on_asked(void *arg, uint64_t generation)
{
    (void)arg;
    if (generation == io.generation && io.store)
        kernel_set_ready(io.store->event_fd, true);
}

void store_ask(struct store *s, struct store_query *q)
{
    q->next = NULL;
    *s->last_asked = q;
    s->last_asked = &q->next;
    event_in(dice_span(ANSWER_US), on_asked, NULL, io.generation);
}

struct store_query *store_collect(struct store *s)
{
    if (s->is_busy && !io.is_flying) {
        s->is_busy = false;
        s->durable_seq = s->flying_seq;
    }
    answer_all(s);
    kernel_set_ready(s->event_fd, false);
    struct store_query *q = s->answered;
    if (q == NULL)
        return NULL;
    s->answered = q->next;
    if (s->answered == NULL)
        s->last_answered = &s->answered;
    return q;
}

/* As the Bloom filter of the true store: a batch that is being filled counts. */
bool store_key_is_new(const struct store *s, const struct cq_uuid *key)
{
    (void)s;
    if (breaks(BREAK_KEY_FORGOTTEN))
        return true;
    for (size_t i = 0; i < disk.n_jobs; i++)
        if (cq_uuid_equal(&disk.jobs[i].key, key))
            return false;
    return !io.is_flying; /* perhaps */
}

/* ---- the first database ---- */

static void add_entity(void *batch, const struct entity_view *e)
{
    store_batch_add_entity(batch, e);
}

void disk_make(void (*fill)(struct core *c, struct effects *e))
{
    struct core_config config = {0};
    struct heap *old = heap_enter(&sim.world);
    struct core *c = core_new(&config);
    struct effects e = {0};
    struct store_batch *b = store_batch_new(NULL);
    fill(c, &e);
    for (size_t i = 0; i < e.n_records; i++)
        store_batch_add_record(b, e.records[i], 0);
    e.n_records = 0;
    core_view_entities(c, add_entity, b);
    put_transaction(&b->t);
    store_batch_free(b);
    effects_fini(&e);
    core_free(c);
    heap_leave(old);
}
