// LINK: cq_cli_parts
/* Tables, CSV and JSON out of the same rows. */
#include "cli/columns.h"

#include <criterion/criterion.h>

static const struct column columns[] = {
    {"number", "JOB", COLUMN_NUMBER, true},
    {"name", "NAME", COLUMN_TEXT, true},
    {"state", "STATE", COLUMN_STATE, true},
    {"run_us", "TIME", COLUMN_TIME, true},
    {"mem_mib", "MEM", COLUMN_SIZE_MIB, false},
    {"tags", "TAGS", COLUMN_LIST, false},
    {0},
};

static json_t *rows(void)
{
    return json_pack("[{s:i,s:s,s:s,s:I,s:i,s:[s,s]},{s:i,s:s,s:s,s:i,s:i,s:[]}]", "number", 7,
                     "name", "=a\"b\x1b[31m\nc", "state", "failed", "run_us", (json_int_t)1500000,
                     "mem_mib", 512, "tags", "x", "y", "number", 1207, "name", "grün", "state",
                     "done", "run_us", 0, "mem_mib", 2048, "tags");
}

static char *render(const struct cli *c)
{
    struct cq_str out = {0};
    struct cq_err err = {0};
    json_t *r = rows();
    cr_assert_eq(columns_render(c, "jobs", r, columns, &out, &err), 0, "%s", err.text);
    json_decref(r);
    return cq_str_take(&out);
}

static void expect_render(const struct cli *c, const char *expected)
{
    char *text = render(c);
    cr_expect_str_eq(text, expected, "got:\n%s\nexpected:\n%s", text, expected);
    free(text);
}

Test(columns, text_is_aligned_and_escaped)
{
    struct cli c = {0};
    expect_render(&c, " JOB  NAME               STATE   TIME\n"
                      "   7  =a\"b\\x1b[31m\\x0ac  failed  1.5s\n"
                      "1207  grün               done       -\n");
}

Test(columns, colour_only_where_it_is_wanted)
{
    struct cli c = {.has_color = true};
    char *text = render(&c);
    cr_expect_not_null(strstr(text, "\033[31mfailed\033[0m"));
    free(text);
}

Test(columns, chosen)
{
    struct cli c = {.output = CLI_COLUMNS, .format = "mem_mib,tags"};
    expect_render(&c, " MEM  TAGS\n512M  x,y\n  2G\n");
}

Test(columns, unknown_column_is_named)
{
    struct cli c = {.output = CLI_COLUMNS, .format = "number,stat"};
    struct cq_err err = {0};
    cr_expect_eq(columns_check(&c, columns, &err), -1);
    cr_expect_str_eq(err.text, "no column 'stat'; did you mean 'state'?");
    cr_expect_eq(err.code, CQ_E_INVALID);
}

Test(columns, csv_is_quoted_and_no_formula)
{
    struct cli c = {.output = CLI_CSV, .format = "csv"};
    expect_render(&c, "number,name,state,run_us,mem_mib,tags\r\n"
                      "7,\"'=a\"\"b\x1b[31m\nc\",failed,1500000,512,\"x,y\"\r\n"
                      "1207,grün,done,0,2048,\r\n");
}

Test(columns, json_is_one_object)
{
    struct cli c = {.output = CLI_JSON};
    char *text = render(&c);
    json_t *o = json_loads(text, 0, NULL);
    cr_assert_not_null(o);
    cr_expect_eq(json_array_size(json_object_get(o, "jobs")), 2);
    cr_expect_null(strchr(text, '\x1b'));
    json_decref(o);
    free(text);
}

Test(columns, jsonl_is_one_object_a_line)
{
    struct cli c = {.output = CLI_JSONL};
    char *text = render(&c), *second = strchr(text, '\n');
    cr_assert_not_null(second);
    cr_expect_eq(second[1], '{');
    json_t *o = json_loads(second + 1, 0, NULL);
    cr_expect_eq(json_integer_value(json_object_get(o, "number")), 1207);
    json_decref(o);
    free(text);
}
