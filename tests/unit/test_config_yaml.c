// LINK: cq_cli_parts
/* The configuration file: rows from YAML, YAML from rows, errors with their places. */
#include "cli/config_yaml.h"
#include "cli/setting_keys.h"

#include "common/base/pure/mem.h"

#include <criterion/criterion.h>

static const char *const op_names[] = {"add", "put", "clear", "set", "remove"};

static void format_rows(const struct config_rows *rows, struct cq_str *out)
{
    for (size_t i = 0; i < rows->n; i++) {
        const struct config_row *r = &rows->items[i];
        cq_str_printf(out, "%s %s %s%s%s%s%s\n", op_names[r->op], r->kind, r->path,
                      *r->key ? " " : "", r->key, *r->value ? "=" : "", r->value);
    }
}

static void expect_rows(const char *yaml, const char *expected)
{
    struct config_rows rows = {0};
    struct flow_errors e = {0};
    struct cq_str text = {0};
    bool is_good = config_yaml_read(yaml, strlen(yaml), &rows, &e);
    flow_errors_format(&e, "f", &text);
    cr_assert(is_good, "%s", cq_str_text(&text));
    format_rows(&rows, &text);
    cr_expect_str_eq(cq_str_text(&text), expected);
    cq_str_fini(&text);
    config_rows_fini(&rows);
    flow_errors_fini(&e);
}

static void expect_errors(const char *yaml, const char *expected)
{
    struct config_rows rows = {0};
    struct flow_errors e = {0};
    struct cq_str text = {0};
    cr_expect_not(config_yaml_read(yaml, strlen(yaml), &rows, &e), "%s", yaml);
    flow_errors_sort(&e);
    flow_errors_format(&e, "f", &text);
    cr_expect_str_eq(cq_str_text(&text), expected);
    cq_str_fini(&text);
    config_rows_fini(&rows);
    flow_errors_fini(&e);
}

Test(config_yaml, the_words_are_those_of_the_scheduler)
{
    static const char *const theirs[] = {
#define SETTING(NAME, key, kind, standard, what) key,
#include "scheduler/core/settings.def"
#undef SETTING
    };
    cr_assert_eq(CQ_COUNT(theirs), SETTING_KEYS);
    for (size_t i = 0; i < SETTING_KEYS; i++)
        cr_expect_str_eq(theirs[i], setting_keys[i].key);
}

Test(config_yaml, enterprises_before_features_before_what_names_them)
{
    expect_rows("enterprises:\n"
                "  acme: {weight: 2, max-licence: {vcs: 4, dc: 2}, projects: {uart: {weight: 3, "
                "users: {ann: {max-cores: 8}}}}}\n"
                "  bolt:\n"
                "licence-feed: {command: \"/opt/feed -x\", every: 30s}\n"
                "instruments: {palladium: {count: 8}}\n"
                "licences: {vcs: 12, dc: {count: 2, owner: acme}}\n",
                "put enterprise acme\n"
                "put enterprise bolt\n"
                "put instrument palladium\n"
                "clear instrument palladium\n"
                "set instrument palladium count=8\n"
                "put licence vcs\n"
                "clear licence vcs\n"
                "set licence vcs count=12\n"
                "put licence dc\n"
                "clear licence dc\n"
                "set licence dc count=2\n"
                "set licence dc owner=acme\n"
                "clear enterprise acme\n"
                "set enterprise acme weight=2\n"
                "set enterprise acme max-licence=vcs:4,dc:2\n"
                "put project acme/uart\n"
                "clear project acme/uart\n"
                "set project acme/uart weight=3\n"
                "put user acme/uart/ann\n"
                "clear user acme/uart/ann\n"
                "set user acme/uart/ann max-cores=8\n"
                "clear enterprise bolt\n"
                "clear feed licences\n"
                "set feed licences command=/opt/feed -x\n"
                "set feed licences every=30s\n");
}

Test(config_yaml, errors_have_their_places)
{
    expect_errors("enterprises:\n  acme: {wieght: 2}\n",
                  "f:2:10: unknown key 'wieght' in enterprise 'acme'; did you mean 'weight'?\n");
    expect_errors("enterprises:\n  acme: {project: {}}\n",
                  "f:2:10: unknown key 'project' in enterprise 'acme'; did you mean 'projects'?\n");
    expect_errors("enterprises:\n  acme: {weight: 2, weight: 3}\n",
                  "f:2:21: key 'weight' is there twice\n");
    expect_errors("enterprises: {acme: {}}\nenterprises: {}\n",
                  "f:2:1: key 'enterprises' is there twice\n");
    expect_errors("a: &x 1\nb: *x\n", "f:2:4: alias '*x' is refused; write the value out\n");
    expect_errors("enterprises:\n  a/b: {}\n",
                  "f:2:3: 'a/b' is no name of an enterprise (letters, digits, . _ -)\n");
    expect_errors("enterprises: [acme]\n", "f:1:14: enterprises must be a map, not a list\n");
    expect_errors("enterprises: {acme: {weight: [2]}}\n",
                  "f:1:30: weight must be one value, not a list\n");
    expect_errors("licences: {vcs: {owner: acme}}\n", "f:1:12: licence 'vcs' without 'count'\n");
    expect_errors("licences: {vcs: {cuont: 3}}\n",
                  "f:1:18: unknown key 'cuont' in licence 'vcs'; did you mean 'count'?\n");
    expect_errors("licence: {vcs: 1}\n", "f:1:1: unknown key 'licence' in the configuration; did "
                                         "you mean 'licences'?\n");
    expect_errors("", "f:1:1: the file is empty\n");
    expect_errors("[]\n", "f:1:1: the configuration must be a map with enterprises, licences, "
                          "instruments or licence-feed, not a list\n");
}

static struct setting_row now[] = {
    {"enterprise", "acme", "", ""},
    {"enterprise", "acme", "weight", "2"},
    {"enterprise", "acme", "max-licence", "vcs:4,dc:2"},
    {"project", "acme/uart", "", ""},
    {"user", "acme/uart/ann", "", ""},
    {"user", "acme/uart/ann", "max-mem", "64G"},
    {"enterprise", "bolt", "", ""},
    {"licence", "dc", "", ""},
    {"licence", "dc", "count", "2"},
    {"licence", "dc", "owner", "acme"},
    {"instrument", "palladium", "count", "8"},
    {"feed", "licences", "command", "/opt/feed \"a b\" #x: -y"},
    {"feed", "licences", "every", "30s"},
};

static void read_text(const char *yaml, struct config_rows *rows)
{
    struct flow_errors e = {0};
    cr_assert(config_yaml_read(yaml, strlen(yaml), rows, &e), "%s", yaml);
    flow_errors_fini(&e);
}

Test(config_yaml, what_is_written_reads_back_to_the_same)
{
    struct config_rows rows = {0};
    struct cq_str yaml = {0};
    config_yaml_write(now, CQ_COUNT(now), &yaml);
    cr_expect_str_eq(cq_str_text(&yaml), "enterprises:\n"
                                         "  acme:\n"
                                         "    weight: 2\n"
                                         "    max-licence: \"vcs:4,dc:2\"\n"
                                         "    projects:\n"
                                         "      uart:\n"
                                         "        users:\n"
                                         "          ann:\n"
                                         "            max-mem: 64G\n"
                                         "  bolt: {}\n"
                                         "licences:\n"
                                         "  dc:\n"
                                         "    count: 2\n"
                                         "    owner: acme\n"
                                         "instruments:\n"
                                         "  palladium:\n"
                                         "    count: 8\n"
                                         "licence-feed:\n"
                                         "  command: \"/opt/feed \\\"a b\\\" #x: -y\"\n"
                                         "  every: 30s\n");
    read_text(cq_str_text(&yaml), &rows);
    cr_expect_gt(rows.n, 15);
    config_rows_drop_same(&rows, now, CQ_COUNT(now));
    cr_expect_eq(rows.n, 0);
    config_rows_fini(&rows);
    cq_str_fini(&yaml);
}

Test(config_yaml, nothing_configured_is_an_empty_map)
{
    struct config_rows rows = {0};
    struct cq_str yaml = {0};
    config_yaml_write(NULL, 0, &yaml);
    read_text(cq_str_text(&yaml), &rows);
    cr_expect_eq(rows.n, 0);
    cq_str_fini(&yaml);
    config_rows_fini(&rows);
}

static void expect_left(struct config_rows *rows, const char *expected)
{
    struct cq_str text = {0};
    format_rows(rows, &text);
    cr_expect_str_eq(cq_str_text(&text), expected);
    cq_str_fini(&text);
    config_rows_fini(rows);
}

Test(config_rows, only_things_that_differ_stay)
{
    struct config_rows rows = {0};
    read_text(
        "enterprises: {acme: {weight: 2, max-licence: \"vcs:4,dc:2\", projects: {uart: {users: "
        "{ann: {max-mem: 65G}}}}}, bolt: {weight: 3}, cirrus: {}}",
        &rows);
    config_rows_drop_same(&rows, now, CQ_COUNT(now));
    expect_left(&rows, "put enterprise bolt\n"
                       "put enterprise cirrus\n"
                       "put user acme/uart/ann\n"
                       "clear user acme/uart/ann\n"
                       "set user acme/uart/ann max-mem=65G\n"
                       "clear enterprise bolt\n"
                       "set enterprise bolt weight=3\n"
                       "clear enterprise cirrus\n");
}

Test(config_rows, fewer_settings_than_now_are_a_difference)
{
    struct config_rows rows = {0};
    read_text("licences: {dc: 2}", &rows);
    config_rows_drop_same(&rows, now, CQ_COUNT(now));
    expect_left(&rows, "put licence dc\nclear licence dc\nset licence dc count=2\n");
}

Test(config_rows, pruning_removes_what_is_not_named_once)
{
    struct config_rows rows = {0};
    read_text("enterprises: {bolt: {}}", &rows);
    config_rows_add_prunes(&rows, now, CQ_COUNT(now));
    expect_left(&rows, "put enterprise bolt\nclear enterprise bolt\nremove enterprise acme\n"
                       "remove licence dc\nremove instrument palladium\n");
}

Test(config_rows, an_enterprises_admin_sends_no_row_of_the_enterprise)
{
    struct config_rows rows = {0};
    read_text("enterprises: {acme: {projects: {uart: {weight: 2}}}}", &rows);
    config_rows_drop_bare_enterprises(&rows);
    expect_left(&rows, "put project acme/uart\nclear project acme/uart\n"
                       "set project acme/uart weight=2\n");
    read_text("enterprises: {acme: {weight: 9}}", &rows);
    config_rows_drop_bare_enterprises(&rows);
    expect_left(&rows,
                "put enterprise acme\nclear enterprise acme\nset enterprise acme weight=9\n");
}
