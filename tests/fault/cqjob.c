/* The test job: tells the truth about itself. It appends start, beats and end to a file of its own
 * (O_APPEND, synced), so that what really ran can be compared with what the scheduler believes.
 *
 *   cqjob DIR MARK MS [--exit N] [--fail-first N] [--linger MS] [--shout BYTES] [--ignore-term]
 *
 * Runs for MS milliseconds. DIR/JOB.TASK.jsonl is shared by all attempts of a task. --fail-first:
 * the first N attempts end with status 1. --linger: leaves a double-forked child in its own session
 * that goes on beating for MS; whoever keeps this job must kill it. MARK only makes the command
 * line unique. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_NO_TRUTH = 99, EXIT_USAGE = 98 };
#define BEAT_US 100000

struct options {
    const char *dir, *mark;
    int64_t run_us, linger_us, shout_bytes;
    long exit_code, fail_first;
    bool ignore_term;
};

struct self {
    int fd;
    long job, task, attempt;
};

static int64_t boot_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static long number(const char *text)
{
    char *end = NULL;
    errno = 0;
    long value = text ? strtol(text, &end, 10) : -1;
    if (text == NULL || *text == '\0' || *end != '\0' || errno != 0 || value < 0) {
        fprintf(stderr, "cqjob: '%s' is no number\n", text ? text : "");
        exit(EXIT_USAGE);
    }
    return value;
}

/* One line in one write, then synced: a job whose start is not on disk must not run on. */
static void tell(const struct self *s, const char *event, const char *more)
{
    char line[256];
    int n = snprintf(line, sizeof line,
                     "{\"ev\":\"%s\",\"job\":%ld,\"task\":%ld,\"attempt\":%ld,\"pid\":%ld,"
                     "\"boot_us\":%" PRId64 "%s}\n",
                     event, s->job, s->task, s->attempt, (long)getpid(), boot_us(), more);
    if (write(s->fd, line, (size_t)n) != n || fdatasync(s->fd) != 0) {
        perror("cqjob: cannot write the truth");
        _exit(EXIT_NO_TRUTH);
    }
}

static void pause_us(int64_t us)
{
    struct timespec t = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    while (clock_nanosleep(CLOCK_BOOTTIME, 0, &t, &t) == EINTR)
        continue;
}

/* Beats until then: the last one bounds how long a killed attempt was alive. */
static void live(const struct self *s, int64_t until_us)
{
    for (int64_t left = until_us - boot_us(); left > 0; left = until_us - boot_us()) {
        pause_us(left < BEAT_US ? left : BEAT_US);
        if (boot_us() < until_us)
            tell(s, "beat", "");
    }
}

static void leave_child(const struct self *s, int64_t linger_us)
{
    if (fork() != 0)
        return;
    setsid();
    if (fork() != 0)
        _exit(0);
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    live(s, boot_us() + linger_us);
    _exit(0);
}

/* Lines on standard output, as a simulator that is asked for too much. */
static void shout(int64_t bytes)
{
    static const char line[] = "a line of output, forty bytes of it, so\n";
    for (; bytes > 0; bytes -= (int64_t)sizeof line - 1)
        if (fwrite(line, 1, sizeof line - 1, stdout) == 0)
            return;
    (void)fflush(stdout);
}

static void parse(int argc, char **argv, struct options *o)
{
    if (argc < 4) {
        fprintf(stderr, "usage: cqjob DIR MARK MS [--exit N] [--fail-first N] [--linger MS] "
                        "[--shout BYTES] [--ignore-term]\n");
        exit(EXIT_USAGE);
    }
    *o = (struct options){.dir = argv[1], .mark = argv[2], .run_us = number(argv[3]) * 1000};
    for (int i = 4; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--ignore-term") == 0) {
            o->ignore_term = true;
            continue;
        }
        if (strcmp(argv[i], "--exit") == 0)
            o->exit_code = number(value);
        else if (strcmp(argv[i], "--fail-first") == 0)
            o->fail_first = number(value);
        else if (strcmp(argv[i], "--shout") == 0)
            o->shout_bytes = number(value);
        else if (strcmp(argv[i], "--linger") == 0)
            o->linger_us = number(value) * 1000;
        else
            number(argv[i]); /* refuses what is no option */
        i++;
    }
}

int main(int argc, char **argv)
{
    struct options o;
    parse(argc, argv, &o);
    struct self s = {.job = number(getenv("CHIPQ_JOB")),
                     .task = number(getenv("CHIPQ_TASK")),
                     .attempt = number(getenv("CHIPQ_ATTEMPT"))};
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%ld.%ld.jsonl", o.dir, s.job, s.task);
    s.fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (s.fd < 0) {
        perror(path);
        return EXIT_NO_TRUTH;
    }
    if (o.ignore_term)
        (void)signal(SIGTERM, SIG_IGN);
    tell(&s, "start", "");
    if (o.linger_us > 0)
        leave_child(&s, o.linger_us);
    shout(o.shout_bytes);
    live(&s, boot_us() + o.run_us);
    long code = s.attempt <= o.fail_first ? 1 : o.exit_code;
    char more[32];
    snprintf(more, sizeof more, ",\"exit\":%ld", code);
    tell(&s, "end", more);
    return (int)code;
}
