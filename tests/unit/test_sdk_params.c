// LINK: chipq_sdk
/* Parameters: strict types, bounds, names. */
#include <criterion/criterion.h>

#include "plugins/sdk/params.h"

static const char *const colours[] = {"red", "green", NULL};

static const struct param_spec specs[] = {
    {.name = "top", .type = PARAM_STRING, .required = true, .help = "the top"},
    {.name = "count", .type = PARAM_INT, .fallback = "3", .min = 1, .max = 9, .help = ""},
    {.name = "ratio", .type = PARAM_NUMBER, .help = ""},
    {.name = "fast", .type = PARAM_BOOL, .fallback = "true", .help = ""},
    {.name = "file", .type = PARAM_PATH, .help = ""},
    {.name = "sources", .type = PARAM_PATHS, .min = 1, .max = 3, .help = ""},
    {.name = "seeds", .type = PARAM_RANGES, .help = ""},
    {.name = "map", .type = PARAM_MAP, .help = ""},
    {.name = "colour", .type = PARAM_STRING, .fallback = "\"red\"", .choices = colours, .help = ""},
    {.name = NULL},
};

static int read_params(const char *text, struct params *p, struct cq_err *err)
{
    json_t *given = json_loads(text, JSON_DECODE_ANY, NULL);
    int rc = params_read(specs, NULL, given, p, err);
    json_decref(given);
    return rc;
}

Test(sdk_params, values_and_defaults_come_out)
{
    struct params p = {0};
    char value[64];
    cr_assert_eq(read_params("{\"top\":\"uart\",\"sources\":[\"a.sv\",\"b.sv\"],\"seeds\":\"1-9\","
                             "\"map\":{\"W\":8,\"N\":\"x\",\"B\":true},\"ratio\":null}",
                             &p, NULL),
                 0);
    cr_assert_str_eq(params_text(&p, "top"), "uart");
    cr_assert_eq(params_int(&p, "count"), 3);
    cr_assert(params_bool(&p, "fast"));
    cr_assert_not(params_has(&p, "ratio"));
    cr_assert_eq(params_count(&p, "sources"), 2);
    cr_assert_str_eq(params_item(&p, "sources", 1), "b.sv");
    cr_assert_eq(params_count(&p, "map"), 3);
    cr_assert_str_eq(params_entry(&p, "map", 0, value, sizeof value), "W");
    cr_assert_str_eq(value, "8");
    cr_assert_str_eq(params_entry(&p, "map", 2, value, sizeof value), "B");
    cr_assert_str_eq(value, "1");
    cr_assert_str_eq(params_text(&p, "colour"), "red");
    params_fini(&p);
}

static const struct {
    const char *given, *error;
} refused[] = {
    {"[]", "params: expected a map, got a list"},
    {"{}", "params.top: required, but not given (the top)"},
    {"{\"top\":7}", "params.top: expected a string, got a number"},
    {"{\"top\":\"\"}", "params.top: must not be empty"},
    {"{\"top\":\"a\\nb\"}", "params.top: control characters are not allowed"},
    {"{\"top\":\"a\",\"tpo\":1}", "params.tpo: no such parameter; did you mean 'top'?"},
    {"{\"top\":\"a\",\"zzzzzz\":1}", "params.zzzzzz: no such parameter"},
    {"{\"top\":\"a\",\"count\":10}", "params.count: 10 is outside 1..9"},
    {"{\"top\":\"a\",\"count\":1.5}", "params.count: expected a whole number, got a number"},
    {"{\"top\":\"a\",\"fast\":\"yes\"}", "params.fast: expected true or false, got a string"},
    {"{\"top\":\"a\",\"sources\":\"x\"}",
     "params.sources: expected a list of strings, got a string"},
    {"{\"top\":\"a\",\"sources\":[]}", "params.sources: 0 entries, allowed are 1..3"},
    {"{\"top\":\"a\",\"sources\":[\"a\",3]}", "params.sources[1]: expected a string, got a number"},
    {"{\"top\":\"a\",\"map\":{\"k\":[]}}",
     "params.map.k: expected a string, a number, true or false, got a list"},
    {"{\"top\":\"a\",\"colour\":\"blue\"}", "params.colour: 'blue' is not one of red, green"},
};

Test(sdk_params, what_is_wrong_is_named)
{
    for (size_t i = 0; i < CQ_COUNT(refused); i++) {
        struct params p = {0};
        struct cq_err err = {0};
        cr_assert_eq(read_params(refused[i].given, &p, &err), -1, "%s", refused[i].given);
        cr_expect_str_eq(err.text, refused[i].error);
        cr_assert_null(p.values);
    }
}

Test(sdk_params, ranges_are_checked)
{
    struct params p = {0};
    cr_assert_eq(read_params("{\"top\":\"a\",\"seeds\":\"5-1\"}", &p, NULL), -1);
    cr_assert_eq(read_params("{\"top\":\"a\",\"seeds\":\"x\"}", &p, NULL), -1);
    cr_assert_eq(read_params("{\"top\":\"a\",\"seeds\":-1}", &p, NULL), -1);
    cr_assert_eq(read_params("{\"top\":\"a\",\"seeds\":7}", &p, NULL), 0);
    params_fini(&p);
}

Test(sdk_params, a_stage_only_requires_its_own)
{
    static const char *const wanted[] = {"count", NULL};
    struct params p = {0};
    json_t *given = json_object();
    cr_assert_eq(params_read(specs, wanted, given, &p, NULL), 0);
    json_decref(given);
    params_fini(&p);
}

Test(sdk_params, a_long_text_is_refused)
{
    struct params p = {0};
    struct cq_err err = {0};
    char text[PARAM_TEXT_MAX + 2];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    json_t *given = json_pack("{s:s}", "top", text);
    cr_assert_eq(params_read(specs, NULL, given, &p, &err), -1);
    cr_assert_eq(err.code, CQ_E_LIMIT);
    json_decref(given);
}
