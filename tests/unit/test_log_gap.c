// LINK: cq_lease
/* The gap in an output: found where it is, and nowhere else. */
#include "worker/lease/log_gap.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HALF = LOG_GAP_MIN_BYTES, DROPPED = 16 * HALF };

static int fd;

static void set_up(void)
{
    char path[] = "/tmp/chipq-gap-XXXXXX";
    fd = mkstemp(path);
    cr_assert(fd >= 0);
    (void)unlink(path);
}

static void tear_down(void)
{
    close(fd);
}

TestSuite(log_gap, .init = set_up, .fini = tear_down);

static void put(uint64_t at, const char *text, size_t bytes)
{
    cr_assert_eq(pwrite(fd, text, bytes, (off_t)at), (ssize_t)bytes);
}

static uint64_t fill(uint64_t at, size_t bytes)
{
    static char text[HALF];
    memset(text, 'x', sizeof text);
    put(at, text, bytes);
    return at + bytes;
}

static void put_line(const struct log_gap *g)
{
    char line[LOG_GAP_LINE_BYTES];
    log_gap_line(g, line);
    cr_assert_eq(line[0], '\n');
    cr_assert_eq(line[sizeof line - 1], '\n');
    cr_assert_null(memchr(line, '\0', sizeof line));
    put(g->from - sizeof line, line, sizeof line);
}

/* Returns the size of the file. */
static uint64_t put_end(uint64_t at, const struct log_gap *g, const char *limit)
{
    char text[200], words[128];
    log_gap_words(g, words, sizeof words);
    int n = snprintf(text, sizeof text, "\nchipq: output limit %s reached; %s\n", limit, words);
    put(at, text, (size_t)n);
    return at + (uint64_t)n;
}

Test(log_gap, ordinary_output_has_none)
{
    struct log_gap g = log_gap_find(fd, 0);
    cr_expect_eq(g.to, 0);
    uint64_t size = fill(0, HALF);
    size = fill(size, HALF);
    g = log_gap_find(fd, size);
    cr_expect_eq(g.to, 0);
}

Test(log_gap, while_it_is_open_it_is_a_hole_behind_its_line)
{
    const struct log_gap want = {HALF, HALF + DROPPED, false};
    (void)fill(0, HALF);
    put_line(&want);
    uint64_t size = fill(want.to, HALF);
    struct log_gap g = log_gap_find(fd, size);
    cr_expect_eq(g.from, want.from);
    cr_expect_eq(g.to, want.to);
    cr_expect(!g.is_closed);
    /* So also once the last line stands there: the hole could not be closed. */
    g = log_gap_find(fd, put_end(size, &want, "1M"));
    cr_expect_eq(g.to, want.to);
    cr_expect(!g.is_closed);
}

Test(log_gap, a_hole_of_the_jobs_own_is_none_and_hides_none)
{
    const struct log_gap want = {3 * HALF, 3 * HALF + DROPPED, false};
    (void)fill(0, 4096);
    (void)fill(2 * HALF, HALF);
    struct log_gap g = log_gap_find(fd, 3 * HALF);
    cr_expect_eq(g.to, 0);
    put_line(&want);
    g = log_gap_find(fd, fill(want.to, HALF));
    cr_expect_eq(g.from, want.from);
    cr_expect_eq(g.to, want.to);
}

Test(log_gap, once_it_is_closed_the_last_line_tells_it)
{
    const struct log_gap want = {HALF, HALF + DROPPED, true};
    (void)fill(0, HALF);
    put_line(&want);
    struct log_gap g = log_gap_find(fd, put_end(fill(HALF, HALF), &want, "1M"));
    cr_expect_eq(g.from, want.from);
    cr_expect_eq(g.to, want.to);
    cr_expect(g.is_closed);
}

Test(log_gap, a_last_line_that_is_made_up_is_none)
{
    static const struct log_gap wrong[] = {
        {HALF - 1, HALF + DROPPED, true}, /* no line stands there */
        {HALF, HALF, true},
        {HALF + 1, HALF, true},
        {4 * HALF, 5 * HALF, true}, /* beyond the file */
        {50, HALF, true},
        {HALF, UINT64_MAX, true},
    };
    const struct log_gap line = {HALF, HALF + DROPPED, true};
    (void)fill(0, HALF);
    put_line(&line);
    uint64_t size = fill(HALF, HALF);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct log_gap g = log_gap_find(fd, put_end(size, &wrong[i], "1M"));
        cr_expect_eq(g.to, 0, "%zu", i);
    }
    put(size, "\nchipq: output limit 1M reached; bytes -5 to 7\n", 46);
    cr_expect_eq(log_gap_find(fd, size + 46).to, 0);
}
