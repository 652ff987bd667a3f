/* From submit to the start of the job's process, on an idle pool: over one open connection, and by
 * whole `chipq submit` processes as a person would run them. The job writes its own start into a
 * FIFO. */
#include "bench/bench.h"
#include "common/base/pure/mem.h"
#include "common/base/pure/parse.h"
#include "common/base/sys/clock.h"
#include "common/base/sys/files.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum {
    STAMP_MS = 30000,
    WARM_UP = 3,
    REST_NS = 50 * 1000 * 1000, /* the kernel is idle again, too: what it does rarely costs more */
};

struct probe {
    struct bench *b;
    struct session *s;
    struct ticket ticket;
    char *folder, *fifo;
    int fd; /* read and write end, so that it never sees an end of file */
};

static int probe_open(struct probe *p, struct cq_err *err)
{
    char folder[] = "/tmp/chipq-bench.XXXXXX";
    if (mkdtemp(folder) == NULL)
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot make %s", folder);
    p->folder = cq_strdup(folder);
    p->fifo = path_format("%s/stamp", folder);
    if (mkfifo(p->fifo, 0600) != 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot make %s", p->fifo);
    p->fd = open(p->fifo, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (p->fd < 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "cannot open %s", p->fifo);
    p->s = session_open(p->b->key_path, err);
    ticket_init(&p->ticket, p->b, p->fifo);
    return p->s ? 0 : -1;
}

static void probe_close(struct probe *p)
{
    session_close(p->s);
    ticket_fini(&p->ticket);
    if (p->fd >= 0)
        close(p->fd);
    if (p->fifo)
        unlink(p->fifo);
    if (p->folder)
        rmdir(p->folder);
    free(p->fifo);
    free(p->folder);
}

static int read_stamp(const struct probe *p, int64_t *boot_us, struct cq_err *err)
{
    struct pollfd wait = {.fd = p->fd, .events = POLLIN};
    if (poll(&wait, 1, STAMP_MS) != 1)
        return cq_fail(err, CQ_E_TIMEOUT, "the job did not start within %d s", STAMP_MS / 1000);
    if (read(p->fd, boot_us, sizeof *boot_us) != (ssize_t)sizeof *boot_us)
        return cq_fail(err, CQ_E_IO, "the job's stamp cannot be read");
    return 0;
}

static int submit_by_message(struct probe *p, uint64_t *number, struct cq_err *err)
{
    struct msg req, reply = {0};
    ticket_ask(&p->ticket, &req);
    if (session_call(p->s, &req, &reply, err) != 0)
        return -1;
    if (reply.code == MSG_ACCEPTED && reply.u.accepted.n_numbers == 1)
        *number = reply.u.accepted.numbers[0];
    msg_fini(&reply);
    return *number ? 0 : cq_fail(err, CQ_E_PROTOCOL, "SUBMIT was not answered with ACCEPTED");
}

static int read_number(int fd, uint64_t *number, struct cq_err *err)
{
    char text[64];
    size_t n = 0;
    for (ssize_t got = 1; got > 0 && n < sizeof text - 1; n += (size_t)got) {
        got = read(fd, text + n, sizeof text - 1 - n);
        if (got < 0)
            return cq_fail_errno(err, CQ_E_IO, errno, "cannot read what chipq submit says");
    }
    text[n] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return parse_u64(text, 1, UINT64_MAX, number, err);
}

static int submit_by_process(struct probe *p, uint64_t *number, struct cq_err *err)
{
    int out[2], status = 0;
    pid_t pid;
    CQ_CLEANUP(cq_free_ptr) char *chipq = path_format("%s/chipq", p->b->bin_dir);
    char *argv[] = {chipq,
                    (char[]){"--dir"},
                    p->b->dir,
                    (char[]){"submit"},
                    (char[]){"--mem"},
                    (char[]){"16M"},
                    (char[]){"--"},
                    p->b->command,
                    p->fifo,
                    NULL};
    posix_spawn_file_actions_t actions;
    if (pipe2(out, O_CLOEXEC) != 0)
        return cq_fail_errno(err, CQ_E_IO, errno, "pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    int rc = posix_spawn(&pid, chipq, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    if (rc != 0) {
        close(out[0]);
        return cq_fail_errno(err, CQ_E_IO, rc, "cannot start %s", chipq);
    }
    rc = read_number(out[0], number, err);
    close(out[0]);
    if (waitpid(pid, &status, 0) != pid || status != 0)
        return cq_fail(err, CQ_E_INTERNAL, "chipq submit failed");
    return rc;
}

typedef int (*submit_fn)(struct probe *p, uint64_t *number, struct cq_err *err);

/* One after another; the pool and the machine are idle again before the next. */
static int sample(struct probe *p, submit_fn submit, const char *name, struct cq_err *err)
{
    size_t n = (size_t)p->b->samples;
    CQ_CLEANUP(cq_free_ptr) int64_t *starts = cq_calloc(n, sizeof *starts);
    CQ_CLEANUP(cq_free_ptr) int64_t *answers = cq_calloc(n, sizeof *answers);
    const struct timespec rest = {.tv_nsec = REST_NS};
    for (size_t i = 0; i < n + WARM_UP; i++) {
        uint64_t number = 0;
        (void)nanosleep(&rest, NULL);
        int64_t stamp_us = 0, begun_us = clock_mono_us();
        if (submit(p, &number, err) != 0)
            return -1;
        int64_t answered_us = clock_mono_us();
        if (read_stamp(p, &stamp_us, err) != 0 || session_wait(p->s, &number, 1, err) != 0)
            return -1;
        if (i < WARM_UP)
            continue;
        starts[i - WARM_UP] = stamp_us - begun_us;
        answers[i - WARM_UP] = answered_us - begun_us;
    }
    char text[64];
    snprintf(text, sizeof text, "%s_start", name);
    report_spread(&p->b->report, text, starts, n);
    snprintf(text, sizeof text, "%s_answer", name);
    report_spread(&p->b->report, text, answers, n);
    return 0;
}

int bench_latency(struct bench *b, struct cq_err *err)
{
    struct probe p = {.b = b, .fd = -1};
    CQ_CLEANUP(cq_free_ptr) char *noop = path_format("%s/chipq-noop", b->bin_dir);
    b->command = noop; /* it must tell when it started */
    report_text(&b->report, "measurement", "submit to process start, idle pool");
    report_count(&b->report, "samples", (int64_t)b->samples);
    int rc = probe_open(&p, err);
    if (rc == 0)
        rc = sample(&p, submit_by_message, "connection", err);
    if (rc == 0)
        rc = sample(&p, submit_by_process, "process", err);
    probe_close(&p);
    b->command = NULL;
    return rc;
}
