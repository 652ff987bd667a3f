// LINK: chipq_tool_klayout
/* Verdicts of KLayout's recorded logs, report databases, decks and GDS files. */
#include <criterion/criterion.h>

#include "plugins/klayout/deck.h"
#include "plugins/klayout/drc.h"
#include "plugins/klayout/gds.h"
#include "plugins/klayout/klayout.h"
#include "tests/plugins/log_case.h"

#include <unistd.h>

Test(plugin_klayout, logs_get_their_verdicts)
{
    static const struct log_case cases[] = {
        {"drc_pass", 0, 0, VERDICT_PASS, ""},
        {"drc_seeded", 0, 0, VERDICT_PASS, ""},
        {"drc_missing_deck", 1, 0, VERDICT_ERROR, "Unable to open file: none.drc (errno=#)"},
        {"drc_wrong_top", 1, 0, VERDICT_ERROR,
         "In osu018.drc: 'source': Cell name nosuch not found in input layout"},
        {"drc_crash", 0, SIGABRT, VERDICT_ERROR, "klayout was killed by SIGABRT"},
        {"drc_pass", 0, SIGKILL, VERDICT_ERROR, "klayout was killed by SIGKILL"},
        {"layout_pass", 0, 0, VERDICT_PASS, ""},
        {"layout_crash", 0, SIGABRT, VERDICT_ERROR, "klayout was killed by SIGABRT"},
        {"layout_killed", 0, SIGKILL, VERDICT_ERROR, "klayout was killed by SIGKILL"},
        {"layout_missing_script", 1, 0, VERDICT_ERROR, "Unable to open file: none.py (errno=#)"},
        {"layout_killed", 5, 0, VERDICT_ERROR, "klayout ended with status #"},
    };
    log_check_all("klayout", &klayout_judge, NULL, cases, CQ_COUNT(cases));
}

Test(plugin_klayout, what_scripts_and_readers_report_is_an_error)
{
    static const char *const logs[] = {"drc_killed", "drc_missing_file", "layout_missing_file",
                                       "layout_design_error"};
    for (size_t i = 0; i < CQ_COUNT(logs); i++) {
        const struct log_case c = {logs[i], 1, 0, VERDICT_ERROR, ""};
        struct outcome out = {0};
        log_judge("klayout", &klayout_judge, NULL, &c, &out);
        cr_assert_eq(out.verdict, VERDICT_ERROR, "%s", logs[i]);
        cr_assert(out.message[0] != '\0');
        outcome_fini(&out);
    }
}

static void read_report(const char *file, struct lyrdb *db)
{
    char path[512];
    struct cq_err err = {0};
    log_path(path, sizeof path, "klayout", file);
    cr_assert_eq(lyrdb_read(path, db, &err), 0, "%s", err.text);
}

Test(plugin_klayout, a_clean_report_passes)
{
    struct lyrdb db = {0};
    struct outcome out = {0};
    read_report("drc_pass.lyrdb", &db);
    drc_judge(&db, &out);
    cr_assert_eq(out.verdict, VERDICT_PASS);
    cr_assert_eq(db.count, 39);
    cr_assert_eq(metric_of(&out, "drc__errors"), 0);
    cr_assert_eq(metric_of(&out, "drc__rule__V1_E_M1"), 0);
    outcome_fini(&out);
    lyrdb_fini(&db);
}

Test(plugin_klayout, each_seeded_violation_is_counted)
{
    struct lyrdb db = {0};
    struct outcome out = {0};
    read_report("drc_seeded.lyrdb", &db);
    drc_judge(&db, &out);
    cr_assert_eq(out.verdict, VERDICT_FAIL);
    cr_assert_str_eq(out.overruled_by, "drc__errors");
    cr_assert_eq(metric_of(&out, "drc__errors"), (double)db.items);
    for (size_t i = 0; i < db.count; i++)
        cr_assert_geq(db.rules[i].items, 1, "%s", db.rules[i].name);
    cr_assert(strstr(out.message, "M1.W"));
    outcome_fini(&out);
    lyrdb_fini(&db);
}

Test(plugin_klayout, a_killed_runs_report_has_fewer_rules)
{
    struct lyrdb whole = {0}, killed = {0};
    read_report("drc_pass.lyrdb", &whole);
    read_report("drc_killed.lyrdb", &killed);
    cr_assert_lt(killed.count, whole.count);
    lyrdb_fini(&whole);
    lyrdb_fini(&killed);
}

static int read_text(const char *text, struct lyrdb *db)
{
    char path[] = "/tmp/chipq-test-XXXXXX";
    int fd = mkstemp(path);
    cr_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    (void)close(fd);
    int rc = lyrdb_read(path, db, NULL);
    (void)unlink(path);
    return rc;
}

Test(plugin_klayout, broken_reports_are_refused)
{
    static const char *const broken[] = {
        "",
        "<report-database>",
        "<report-database><categories></report-database>",
        "<report-database><category></category><categories><category><name>a</name></category>"
        "</categories></report-database>",
        "<html></html>",
        "<report-database><items><item><category>x</category></item></items></report-database>",
        "<report-database></report-database><report-database>",
        "<report-database",
        "no tags",
    };
    struct lyrdb db = {0};
    for (size_t i = 0; i < CQ_COUNT(broken); i++)
        cr_assert_eq(read_text(broken[i], &db), -1, "%s", broken[i]);
}

Test(plugin_klayout, nested_categories_and_entities_are_read)
{
    struct lyrdb db = {0};
    cr_assert_eq(
        read_text("<?xml version='1.0'?><report-database><categories><category><name>A</name>"
                  "<categories><category><name>b &lt; c</name><categories/></category>"
                  "</categories></category></categories><items>"
                  "<item><category>A.'b &lt; c'</category></item></items></report-database>",
                  &db),
        0);
    cr_assert_eq(db.count, 2);
    cr_assert_eq(lyrdb_find(&db, "A.b < c")->items, 1);
    lyrdb_fini(&db);
}

Test(plugin_klayout, an_empty_report_has_checked_nothing)
{
    struct lyrdb db = {0};
    struct outcome out = {0};
    cr_assert_eq(read_text("<report-database><categories/><items/></report-database>", &db), 0);
    drc_judge(&db, &out);
    cr_assert_eq(out.verdict, VERDICT_ERROR);
    outcome_fini(&out);
    lyrdb_fini(&db);
}

Test(plugin_klayout, rules_named_in_the_deck_must_be_in_the_report)
{
    struct lyrdb_rule rule = {.name = "M1.W"};
    const struct lyrdb db = {.rules = &rule, .count = 1};
    char path[] = "/tmp/chipq-test-XXXXXX", missing[LYRDB_NAME_MAX];
    const char deck[] = "m1.width(0.3).output(\"M1.W\", \"text\")\n# x.output(\"GONE\", \"\")\n"
                        "m.space(1).output(\"#{name}.S\")\nm1.space(0.3).output('M1.S')\n";
    int fd = mkstemp(path);
    cr_assert(fd >= 0 && write(fd, deck, sizeof deck - 1) == (ssize_t)sizeof deck - 1);
    (void)close(fd);
    cr_assert_eq(deck_missing_rule(path, &db, missing, NULL), 0);
    cr_assert_str_eq(missing, "M1.S");
    (void)unlink(path);
}

static int read_gds(const unsigned char *data, size_t bytes, struct gds_counts *counts)
{
    char path[] = "/tmp/chipq-test-XXXXXX";
    int fd = mkstemp(path);
    cr_assert(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes);
    (void)close(fd);
    int rc = gds_read(path, "top", counts, NULL);
    (void)unlink(path);
    return rc;
}

Test(plugin_klayout, a_gds_file_is_whole_or_refused)
{
    static const unsigned char data[] = {0,    6, 0x00, 2, 2,    88,  0,   4, 0x05, 2,
                                         0,    8, 0x06, 6, 't',  'o', 'p', 0, 0,    4,
                                         0x08, 0, 0,    4, 0x0a, 0,   0,   4, 0x04, 0};
    struct gds_counts c = {0};
    cr_assert_eq(read_gds(data, sizeof data, &c), 0);
    cr_assert(c.structures == 1 && c.references == 1 && c.shapes == 1 && c.has_top);
    for (size_t cut = 0; cut < sizeof data; cut++)
        cr_assert_eq(read_gds(data, cut, &c), -1, "cut at %zu", cut);
}
