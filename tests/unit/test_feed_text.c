// LINK: cq_daemon
/* What the feed program may print, and that anything else is refused as a whole. */
#include "scheduler/daemon/feed_text.h"

#include "common/base/pure/str.h"

#include <criterion/criterion.h>
#include <inttypes.h>

static struct feed_samples samples;
static struct cq_err err;

static int parse(const char *text)
{
    return feed_text_parse(text, strlen(text), &samples, &err);
}

static void forget(void)
{
    feed_samples_fini(&samples);
}

TestSuite(feed_text, .fini = forget);

Test(feed_text, reads_names_and_counts)
{
    cr_assert_eq(parse("# from lmstat\n\nvcs 7\n  dc\t0 \r\nVCS-Runtime_Net.2 1000000"), 0, "%s",
                 err.text);
    cr_assert_eq(samples.n, 3);
    cr_assert_str_eq(samples.items[0].feature, "vcs");
    cr_assert_eq(samples.items[0].used, 7);
    cr_assert_str_eq(samples.items[1].feature, "dc");
    cr_assert_eq(samples.items[1].used, 0);
    cr_assert_str_eq(samples.items[2].feature, "VCS-Runtime_Net.2");
    cr_assert_eq(samples.items[2].used, 1000000);
}

static const struct {
    const char *text, *error;
} bad[] = {
    {"dc 1\n\nvcs -2\n", "line 3: 'vcs -2': a count must be 0 or more"},
    {"vcs 1000001", "line 1: 'vcs 1000001': a count must be 1000000 or less"},
    {"vcs 99999999999999999999999", "a count must be 1000000 or less"},
    {"vcs 0x10", "'vcs 0x10': a count must be a whole number"},
    {"vcs 1.5", "a count must be a whole number"},
    {"vcs +1", "a count must be a whole number"},
    {"vcs -", "a count must be a whole number"},
    {"vcs", "line 1: 'vcs': a line must be 'NAME USED'"},
    {"vcs 1 2", "a line must be 'NAME USED'"},
    {"vcs 1 # mine", "a line must be 'NAME USED'"},
    {"Cannot connect to license server", "line 1: 'Cannot connect to license server'"},
    {"v$cs 1", "a feature's name is 1 to 63 letters, digits and . _ -"},
    {"vcs 1\ndc 1\nvcs 2\n", "feature 'vcs' is there twice; print the sum, once"},
    {"", "no feature at all"},
    {"# nothing\n\n", "no feature at all"},
};

Test(feed_text, refuses_the_whole_text_for_one_bad_line)
{
    for (size_t i = 0; i < CQ_COUNT(bad); i++) {
        cr_assert_eq(parse(bad[i].text), -1, "%s", bad[i].text);
        cr_assert(strstr(err.text, bad[i].error), "'%s' lacks '%s'", err.text, bad[i].error);
        cr_assert_eq(samples.n, 0);
    }
}

Test(feed_text, shows_bad_lines_short_and_harmless)
{
    struct cq_str long_line = {0};
    cr_assert_eq(parse("vcs \x1b[31m\xff"), -1);
    cr_assert_null(strchr(err.text, '\x1b'));
    for (int i = 0; i < 5000; i++)
        cq_str_add(&long_line, "x");
    cr_assert_eq(parse(cq_str_text(&long_line)), -1);
    cr_assert_lt(strlen(err.text), 200);
    cq_str_fini(&long_line);
}

Test(feed_text, refuses_nul_bytes_and_too_much)
{
    static char large[FEED_BYTES_MAX + 1];
    cr_assert_eq(feed_text_parse("vcs 1\n\0dc 1\n", 12, &samples, &err), -1);
    cr_assert(strstr(err.text, "NUL"));
    memset(large, '\n', sizeof large);
    cr_assert_eq(feed_text_parse(large, sizeof large, &samples, &err), -1);
    cr_assert_eq(err.code, CQ_E_LIMIT);
}

Test(feed_text, takes_4096_features_and_no_more)
{
    struct cq_str text = {0};
    for (int i = 0; i < FEED_FEATURES_MAX; i++)
        cq_str_printf(&text, "f%d %d\n", i, i);
    cr_assert_eq(parse(cq_str_text(&text)), 0, "%s", err.text);
    cr_assert_eq(samples.n, FEED_FEATURES_MAX);
    cr_assert_str_eq(samples.items[4095].feature, "f4095");
    forget();
    cq_str_add(&text, "one-more 1\n");
    cr_assert_eq(parse(cq_str_text(&text)), -1);
    cr_assert(strstr(err.text, "line 4097") && strstr(err.text, "more than 4096 features"));
    cq_str_fini(&text);
}
