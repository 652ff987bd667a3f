// LINK: cq_wire
/* The run specification: round trip, and strictness. */
#include "common/base/pure/flat.h"
#include "common/base/pure/mem.h"
#include "common/wire/run_spec.h"

#include <criterion/criterion.h>

static struct run_spec spec; /* borrows literals; never freed */

static void set_up(void)
{
    static char *argv[] = {"make", "-j4", "caf\xe9", NULL}; /* bytes, not text */
    static char *env[] = {"PATH=/bin", "EMPTY=", NULL};
    spec = (struct run_spec){.argv = argv,
                             .n_argv = 3,
                             .env = env,
                             .n_env = 2,
                             .cwd = "/home/ann/uart",
                             .src_dir = "",
                             .tool = "",
                             .task_json = "",
                             .output_max_mib = 64,
                             .grace_us = 5000000,
                             .output_full = 1};
}

TestSuite(run_spec, .init = set_up);

Test(run_spec, comes_back_as_it_was)
{
    struct cq_str out = {0}, again = {0};
    struct run_spec back;
    struct cq_err err = {0};
    run_spec_encode(&spec, &out);
    cr_assert_eq(run_spec_decode(out.data, out.len, &back, &err), 0, "%s", err.text);
    cr_assert_eq(back.n_argv, 3);
    cr_assert_str_eq(back.argv[2], "caf\xe9");
    cr_assert_null(back.argv[3]);
    cr_assert_str_eq(back.env[1], "EMPTY=");
    cr_assert_null(back.env[2]);
    cr_assert_str_eq(back.cwd, "/home/ann/uart");
    cr_assert_eq(back.output_max_mib, 64);
    cr_assert_eq(back.grace_us, 5000000);
    cr_assert_eq(back.output_full, 1);
    run_spec_encode(&back, &again);
    cr_assert_eq(again.len, out.len);
    cr_assert_arr_eq(again.data, out.data, out.len);
    run_spec_fini(&back);
    run_spec_fini(&back);
    cq_str_fini(&out);
    cq_str_fini(&again);
}

Test(run_spec, of_version_1_is_read)
{
    struct cq_str out = {0};
    struct run_spec back;
    run_spec_encode(&spec, &out);
    out.data[0] = 1;
    cr_assert_eq(run_spec_decode(out.data, out.len - 1, &back, NULL), 0);
    cr_assert_eq(back.grace_us, 5000000);
    cr_assert_eq(back.output_full, 0);
    run_spec_fini(&back);
    cq_str_fini(&out);
}

Test(run_spec, cut_anywhere_it_is_refused)
{
    struct cq_str out = {0};
    struct run_spec back = {.n_argv = 99};
    run_spec_encode(&spec, &out);
    for (size_t cut = 0; cut < out.len; cut++) {
        char *exact = cq_memdup(out.data, cut);
        cr_assert_eq(run_spec_decode(exact, cut, &back, NULL), -1);
        free(exact);
    }
    cq_str_add_char(&out, 0);
    cr_assert_eq(run_spec_decode(out.data, out.len, &back, NULL), -1);
    cr_assert_eq(back.n_argv, 99, "untouched on failure");
    cq_str_fini(&out);
}

static void refused(enum cq_code code, const char *words)
{
    struct cq_str out = {0};
    struct run_spec back;
    struct cq_err err = {0};
    run_spec_encode(&spec, &out);
    cr_assert_eq(run_spec_decode(out.data, out.len, &back, &err), -1);
    cr_assert_eq(err.code, code, "%s", err.text);
    cr_assert(strstr(err.text, words) != NULL, "'%s' has no '%s'", err.text, words);
    cq_str_fini(&out);
    set_up();
}

Test(run_spec, what_cannot_be_run_is_refused)
{
    spec.n_argv = 0;
    refused(CQ_E_PROTOCOL, "neither a command nor a tool");
    spec.argv = (char *[]){"", NULL};
    spec.n_argv = 1;
    refused(CQ_E_PROTOCOL, "name is empty");
    spec.env = (char *[]){"NOVALUE", NULL};
    spec.n_env = 1;
    refused(CQ_E_PROTOCOL, "env[0] is not NAME=value");
    spec.env = (char *[]){"=x", NULL};
    spec.n_env = 1;
    refused(CQ_E_PROTOCOL, "env[0] is not NAME=value");
    spec.cwd = "relative";
    refused(CQ_E_PROTOCOL, "cwd is not an absolute path");
    spec.src_dir = "../up";
    refused(CQ_E_PROTOCOL, "src_dir is not an absolute path");
    spec.grace_us = -1;
    refused(CQ_E_PROTOCOL, "grace_us is negative");
    CQ_CLEANUP(cq_free_ptr) char *large = cq_malloc(RUN_SPEC_MAX + 1);
    memset(large, 'x', RUN_SPEC_MAX);
    large[RUN_SPEC_MAX] = '\0';
    spec.tool = "verilator";
    spec.task_json = large;
    refused(CQ_E_LIMIT, "is over 262144");
    spec.tool = large;
    refused(CQ_E_LIMIT, "is over 262144");
    large[5000] = '\0';
    spec.cwd = large;
    refused(CQ_E_PROTOCOL, "cwd is cut off or over its bound");
}

Test(run_spec, another_version_is_told)
{
    struct run_spec back;
    struct cq_err err = {0};
    cr_assert_eq(run_spec_decode("\x03", 1, &back, &err), -1);
    cr_assert_eq(err.code, CQ_E_VERSION);
    cr_assert_eq(run_spec_decode("\x01\xff\xff\xff\x7f", 5, &back, &err), -1);
    cr_assert(strstr(err.text, "argv") != NULL, "a count beyond the bytes: %s", err.text);
}
