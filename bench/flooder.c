/* The process: common/net's loop with a DEALER for each connection. */
#include "bench/flooder.h"
#include "common/base/pure/mem.h"
#include "common/net/loop.h"
#include "common/net/zsock.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HWM = 4096 };

struct flooder {
    struct flooder_counts *counts; /* in memory that both processes share */
    pid_t pid;
    int stop_fd;
};

struct source;

struct line { /* one connection */
    struct source *source;
    struct zsock *zsock;
    bool is_connected;
    size_t unanswered;
};

struct source { /* in the flooding process */
    struct loop *loop;
    struct flooder_counts *counts;
    const struct flooder_options *o;
    struct ticket ticket;
    struct job_spec *jobs;
    struct line *lines;
    uint64_t last_request;
    struct cq_str frame; /* scratch */
};

static void on_state(void *arg, enum zsock_state state)
{
    struct line *l = arg;
    l->is_connected = state == ZSOCK_CONNECTED;
    l->source->counts->failed += !l->is_connected;
}

static void on_message(void *arg, CQ_UNUSED const struct zpeer *peer, CQ_UNUSED const char *user_id,
                       const void *data, size_t bytes)
{
    struct line *l = arg;
    struct msg m = {0};
    if (msg_decode(data, bytes, &m, NULL) != 0)
        return;
    l->source->counts->accepted += m.code == MSG_ACCEPTED;
    l->source->counts->refused += m.code == MSG_ERROR;
    if (m.code == MSG_ACCEPTED || m.code == MSG_ERROR)
        l->unanswered--;
    msg_fini(&m);
}

static bool submit(struct line *l)
{
    struct source *s = l->source;
    struct msg m;
    struct cq_err err = {0};
    ticket_ask(&s->ticket, &m);
    m.u.submit.jobs = s->jobs;
    m.u.submit.n_jobs = s->o->shape->jobs;
    m.request = ++s->last_request;
    cq_str_clear(&s->frame);
    if (msg_encode(&m, &s->frame, &err) != 0)
        abort(); /* the shapes are ours */
    return zsock_send(l->zsock, NULL, s->frame.data, s->frame.len) == ZSOCK_SENT;
}

/* One for each connection in turn, until all have as many under way as they may. */
static void on_turn(void *arg)
{
    struct source *s = arg;
    for (bool has_sent = true; has_sent;) {
        has_sent = false;
        for (size_t i = 0; i < s->o->shape->connections; i++) {
            struct line *l = &s->lines[i];
            if (!l->is_connected || l->unanswered >= s->o->window || !submit(l))
                continue;
            l->unanswered++;
            has_sent = true;
        }
    }
}

static void on_stop(void *arg, CQ_UNUSED int fd, CQ_UNUSED unsigned events)
{
    loop_stop(((struct source *)arg)->loop);
}

static void make_jobs(struct source *s, const struct bench *b)
{
    const struct flood_shape *shape = s->o->shape;
    struct bench like = *b;
    like.request_bytes = shape->request_bytes;
    ticket_init(&s->ticket, &like, NULL);
    s->ticket.job.array = shape->array;
    s->ticket.job.hold = s->o->feature == NULL;
    s->ticket.job.node_has = &s->o->feature;
    s->ticket.job.n_node_has = s->o->feature != NULL;
    s->jobs = cq_calloc(shape->jobs, sizeof *s->jobs);
    for (size_t i = 0; i < shape->jobs; i++)
        s->jobs[i] = s->ticket.job;
}

static int connect_lines(struct source *s, struct cq_err *err)
{
    size_t n = s->o->shape->connections;
    s->lines = cq_calloc(n, sizeof *s->lines);
    for (size_t i = 0; i < n; i++) {
        struct line *l = &s->lines[i];
        const struct zsock_client_options o = {.key = s->o->key,
                                               .on_message = on_message,
                                               .on_state = on_state,
                                               .arg = l,
                                               .send_hwm = HWM,
                                               .receive_hwm = HWM,
                                               .drop_unconnected = true};
        l->source = s;
        l->zsock = zsock_client_new(s->loop, &o, err);
        if (l->zsock == NULL)
            return -1;
    }
    return 0;
}

/* In the new process, which ends with it: the kernel frees. */
static CQ_NORETURN void flood(struct flooder *f, const struct bench *b,
                              const struct flooder_options *o)
{
    struct cq_err err = {0};
    struct source s = {.counts = f->counts, .o = o};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    s.loop = loop_new(&err);
    make_jobs(&s, b);
    if (s.loop == NULL || connect_lines(&s, &err) != 0)
        _exit(1);
    (void)loop_fd_new(s.loop, f->stop_fd, LOOP_READ, on_stop, &s);
    loop_on_turn(s.loop, on_turn, &s);
    loop_run(s.loop);
    _exit(0);
}

struct flooder *flooder_start(const struct bench *b, const struct flooder_options *o,
                              struct cq_err *err)
{
    struct flooder *f = CQ_NEW(struct flooder);
    f->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    f->counts =
        mmap(NULL, sizeof *f->counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    f->pid = f->stop_fd >= 0 && f->counts != MAP_FAILED ? fork() : -1;
    if (f->pid == 0)
        flood(f, b, o);
    if (f->pid > 0)
        return f;
    cq_fail_errno(err, CQ_E_IO, errno, "cannot start a flood");
    flooder_stop(f);
    return NULL;
}

const struct flooder_counts *flooder_counts(const struct flooder *f)
{
    return f->counts;
}

void flooder_stop(struct flooder *f)
{
    const uint64_t one = 1;
    if (f == NULL)
        return;
    if (f->pid > 0) {
        if (write(f->stop_fd, &one, sizeof one) != (ssize_t)sizeof one)
            abort(); /* an eventfd is never full of ones */
        (void)waitpid(f->pid, NULL, 0);
    }
    if (f->stop_fd >= 0)
        (void)close(f->stop_fd);
    if (f->counts != MAP_FAILED)
        (void)munmap(f->counts, sizeof *f->counts);
    free(f);
}
