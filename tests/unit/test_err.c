/* The error type: filling, wrapping, cutting, and the code table. */
#include "common/base/pure/err.h"

#include <criterion/criterion.h>
#include <errno.h>

Test(err, fail_fills_and_wrap_puts_context_in_front)
{
    struct cq_err err = {0};
    cr_assert_eq(cq_fail(&err, CQ_E_NOT_FOUND, "job %d", 7), -1);
    cr_assert_eq(cq_wrap(&err, "cancel by %s", "ann"), -1);
    cr_assert_eq(err.code, CQ_E_NOT_FOUND);
    cr_assert_str_eq(err.text, "cancel by ann: job 7");
    cr_assert_eq(cq_fail_errno(&err, CQ_E_IO, ENOENT, "open %s", "x"), -1);
    cr_assert_str_eq(err.text, "open x: No such file or directory");
    cr_assert_eq(cq_fail(NULL, CQ_E_IO, "nobody asks"), -1);
    cr_assert_eq(cq_wrap(NULL, "nobody asks"), -1);
    cr_assert_eq(cq_fail_errno(NULL, CQ_E_IO, EIO, "nobody asks"), -1);
}

Test(err, long_texts_are_cut_and_terminated)
{
    struct cq_err err = {0};
    char long_text[2 * CQ_ERR_TEXT_BYTES];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    cq_fail(&err, CQ_E_INVALID, "%s", long_text);
    cr_assert_eq(strlen(err.text), CQ_ERR_TEXT_BYTES - 1);
    cq_wrap(&err, "in front");
    cr_assert_eq(strncmp(err.text, "in front: xxx", 13), 0);
    cr_assert_eq(strlen(err.text), CQ_ERR_TEXT_BYTES - 1);
    cq_wrap(&err, "%s", long_text);
    cq_fail_errno(&err, CQ_E_IO, EIO, "%s", long_text);
    cr_assert_eq(strlen(err.text), CQ_ERR_TEXT_BYTES - 1);
}

Test(err, codes_have_names_exit_statuses_and_come_back_from_the_wire)
{
    cr_assert_str_eq(cq_code_name(CQ_E_NO_SCHEDULER), "NO_SCHEDULER");
    cr_assert_str_eq(cq_code_text(CQ_E_NOT_FOUND), "not found");
    cr_assert_eq(cq_code_exit_status(CQ_OK), 0);
    cr_assert_eq(cq_code_exit_status(CQ_E_NO_SCHEDULER), 5);
    cr_assert_eq(cq_code_exit_status(CQ_E_TIMEOUT), 6);
    cr_assert(cq_code_is_retryable(CQ_E_TIMEOUT));
    cr_assert(!cq_code_is_retryable(CQ_E_DENIED));
    cr_assert_eq(cq_code_from_wire(CQ_E_CONFLICT), CQ_E_CONFLICT);
    cr_assert_eq(cq_code_from_wire(UINT64_MAX), CQ_E_INTERNAL);
    cr_assert_eq(cq_code_from_wire((UINT64_C(1) << 32) + CQ_E_DENIED), CQ_E_INTERNAL);
    cr_assert_str_eq(cq_code_name((enum cq_code)999), "?");
}

Test(err, no_two_codes_share_a_wire_number)
{
    static const unsigned numbers[] = {
#define ERR(name, wire, exit_status, retry, text) wire,
#include "common/base/pure/err.def"
#undef ERR
    };
    for (size_t i = 0; i < CQ_COUNT(numbers); i++)
        for (size_t j = 0; j < i; j++)
            cr_assert_neq(numbers[i], numbers[j]);
}
