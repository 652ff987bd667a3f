/* Failpoints: parses CQ_FAILPOINTS once, acts at each hit. */
#include "common/base/sys/failpoint.h"

#ifdef CQ_FAILPOINTS

#include "common/base/pure/str.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

extern const struct failpoint __start_cq_failpoints[] __attribute__((weak));
extern const struct failpoint __stop_cq_failpoints[] __attribute__((weak));

enum { ACTIONS_MAX = 32, NAME_MAX_BYTES = 64 };

static struct action {
    char name[NAME_MAX_BYTES], what[24];
    unsigned long nth, percent, hits;
} actions[ACTIONS_MAX];
static size_t action_count;
static bool is_parsed;
static unsigned chance; /* state of the generator behind %P */

static void parse_one(const char *text, size_t len)
{
    struct action *a = &actions[action_count];
    const char *eq = memchr(text, '=', len);
    if (eq == NULL || action_count == ACTIONS_MAX || (size_t)(eq - text) >= sizeof a->name)
        return;
    const char *end = text + len, *at = memchr(eq, '@', (size_t)(end - eq)),
               *percent = memchr(eq, '%', (size_t)(end - eq));
    const char *what_end = at && (percent == NULL || at < percent) ? at : percent ? percent : end;
    size_t what_len = (size_t)(what_end - eq - 1);
    if (what_len >= sizeof a->what)
        return;
    memcpy(a->name, text, (size_t)(eq - text));
    memcpy(a->what, eq + 1, what_len);
    a->nth = at ? strtoul(at + 1, NULL, 10) : 0;
    a->percent = percent ? strtoul(percent + 1, NULL, 10) : 100;
    action_count++;
}

static void parse_environment(void)
{
    is_parsed = true;
    const char *p = getenv("CQ_FAILPOINTS"), *seed = getenv("CQ_FAILPOINTS_SEED");
    chance = seed ? (unsigned)strtoul(seed, NULL, 10) : (unsigned)getpid();
    while (p && *p) {
        size_t len = strcspn(p, ";");
        parse_one(p, len);
        p += len + (p[len] == ';');
    }
}

static int act(const char *what)
{
    if (strcmp(what, "kill") == 0) {
        (void)kill(getpid(), SIGKILL);
        _exit(128 + SIGKILL); /* the first process of a PID namespace cannot signal itself */
    } else if (strcmp(what, "stop") == 0) {
        (void)kill(getpid(), SIGSTOP);
    } else if (cq_str_starts(what, "delay(")) {
        (void)usleep((useconds_t)strtoul(what + 6, NULL, 10) * 1000);
    } else if (strcmp(what, "drop") == 0) {
        errno = EPIPE;
        return -1;
    } else if (strcmp(what, "twice") == 0) {
        return FAILPOINT_TWICE;
    } else if (cq_str_starts(what, "err(")) {
        errno = cq_str_starts(what + 4, "ENOSPC") ? ENOSPC : EIO;
        return -1;
    }
    return 0;
}

/* Tells the tests that this point was reached: a line in the file that CQ_FAILPOINTS_LOG names. */
static void note(const char *name, const char *what)
{
    const char *path = getenv("CQ_FAILPOINTS_LOG");
    int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd < 0)
        return;
    (void)dprintf(fd, *what ? "%s %s\n" : "%s\n", name, what);
    (void)close(fd);
}

/* The C standard's own example of rand: enough for a chance in a hundred. */
static bool is_due(const struct action *a)
{
    if (a->percent >= 100)
        return true;
    chance = chance * 1103515245U + 12345U;
    return chance / 65536U % 100 < a->percent;
}

bool failpoint_is_set(const char *name)
{
    if (!is_parsed)
        parse_environment();
    for (size_t i = 0; i < action_count; i++)
        if (strcmp(actions[i].name, name) == 0)
            return true;
    return false;
}

int failpoint_hit(const char *name, const char *what)
{
    if (!is_parsed)
        parse_environment();
    for (size_t i = 0; i < action_count; i++) {
        struct action *a = &actions[i];
        if (strcmp(a->name, name) == 0 && (++a->hits == a->nth || a->nth == 0) && is_due(a)) {
            note(name, what);
            return act(a->what);
        }
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void failpoint_list(FILE *out)
{
    const char *names[512];
    size_t n = 0;
    for (const struct failpoint *f = __start_cq_failpoints; f < __stop_cq_failpoints; f++)
        if (n < CQ_COUNT(names))
            names[n++] = f->name;
    qsort(names, n, sizeof names[0], by_name);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(names[i], names[i - 1]) != 0)
            fprintf(out, "%s\n", names[i]);
}

#else
typedef int failpoint_unused; /* a translation unit may not be empty */
#endif
