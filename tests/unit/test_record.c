// LINK: cq_core
/* The journal's codec: what is written reads back; what is damaged or newer is refused by name. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "common/base/pure/flat.h"
#include "common/base/pure/mem.h"
#include "scheduler/core/record.h"

static struct record *sample_end(void)
{
    struct record *r = record_new(RECORD_ATTEMPT_END);
    r->u.attempt_end_rec = (struct attempt_end_rec){.lease = 7,
                                                    .job = 1,
                                                    .task = 3,
                                                    .attempt = 2,
                                                    .verdict = 2,
                                                    .exit_code = -1,
                                                    .signal = 9,
                                                    .summary = cq_strdup("two \"errors\"\n\x01"),
                                                    .result = cq_strdup("{\"a\":1}"),
                                                    .at_us = INT64_MIN,
                                                    .run_us = UINT64_MAX};
    return r;
}

static void encode(const struct record *r, struct cq_str *out)
{
    cq_str_clear(out);
    record_encode(r, out);
}

Test(record, what_is_written_reads_back)
{
    struct cq_str a = {0}, b = {0};
    struct record *r = sample_end(), *back = NULL;
    encode(r, &a);
    cr_assert_eq(record_decode(r->type, record_type_version(r->type), a.data, a.len, &back, NULL),
                 0);
    cr_expect_eq(back->u.attempt_end_rec.exit_code, -1);
    cr_expect_eq(back->u.attempt_end_rec.at_us, INT64_MIN);
    cr_expect_eq(back->u.attempt_end_rec.run_us, UINT64_MAX);
    cr_expect_str_eq(back->u.attempt_end_rec.result, "{\"a\":1}");
    cr_expect_null(back->u.attempt_end_rec.limit, "an empty text is NULL");
    encode(back, &b);
    cr_expect_eq(a.len, b.len);
    cr_expect_eq(memcmp(a.data, b.data, a.len), 0);
    record_free(r);
    record_free(back);
    cq_str_fini(&a);
    cq_str_fini(&b);
}

Test(record, every_type_has_a_name_and_reads_back_when_empty)
{
    size_t n = 0;
    for (unsigned type = 1; type < 100; type++) {
        if (record_type_version((enum record_type)type) == 0)
            continue;
        n++;
        struct cq_str s = {0};
        struct cq_err err;
        struct record *r = record_new((enum record_type)type), *back = NULL;
        encode(r, &s);
        cr_expect_eq(
            record_decode(r->type, record_type_version(r->type), s.data, s.len, &back, &err), 0,
            "%s: %s", record_type_name(r->type), err.text);
        record_free(r);
        record_free(back);
        cq_str_fini(&s);
    }
    cr_expect_gt(n, 20u);
}

Test(record, every_cut_is_refused_and_names_the_record)
{
    struct cq_str s = {0};
    struct record *r = sample_end(), *back = NULL;
    encode(r, &s);
    for (size_t len = 0; len < s.len; len++) {
        struct cq_err err = {.code = CQ_OK};
        cr_expect_eq(record_decode(r->type, record_type_version(r->type), s.data, len, &back, &err),
                     -1, "%zu bytes", len);
        cr_expect_eq(err.code, CQ_E_PROTOCOL);
        cr_expect_not_null(strstr(err.text, "ATTEMPT_END"));
        cr_expect_null(back);
    }
    cq_str_add_char(&s, 'x');
    cr_expect_eq(record_decode(r->type, record_type_version(r->type), s.data, s.len, &back, NULL),
                 -1);
    record_free(r);
    cq_str_fini(&s);
}

Test(record, an_older_payload_ends_early_and_a_newer_one_is_refused)
{
    struct cq_err err = {.code = CQ_OK};
    struct cq_str s = {0};
    struct record *back = NULL;
    flat_put_u64(&s, 5);
    cr_assert_eq(record_decode(RECORD_JOB_HOLD, 0, s.data, s.len, &back, &err), 0);
    cr_expect_eq(back->u.job_hold.job, 5u);
    cr_expect_eq(back->u.job_hold.at_us, 0);
    record_free(back);
    back = NULL;
    cr_expect_eq(record_decode(RECORD_JOB_HOLD, record_type_version(RECORD_JOB_HOLD) + 1, s.data,
                               s.len, &back, &err),
                 -1);
    cr_expect_eq(err.code, CQ_E_VERSION);
    cr_expect_eq(record_decode((enum record_type)9999, 1, s.data, s.len, &back, &err), -1);
    cr_expect_eq(err.code, CQ_E_PROTOCOL);
    cq_str_fini(&s);
}

/* A database of before the share tree has these without what came with it. */
Test(record, payloads_of_the_first_version_are_read)
{
    static const struct {
        enum record_type type;
        unsigned numbers; /* fields of one byte each, texts included: an empty one is its length */
    } rows[] = {{RECORD_ENTERPRISE_ADD, 2}, {RECORD_PRINCIPAL_ADD, 5}, {RECORD_PRINCIPAL_REVOKE, 1},
                {RECORD_JOB_HOLD, 3},       {RECORD_JOB_RELEASE, 3},   {RECORD_JOB_CANCEL, 5},
                {RECORD_TASK_REQUEUE, 5},   {RECORD_ATTEMPT_ASSIGN, 5}};
    for (size_t i = 0; i < CQ_COUNT(rows); i++) {
        struct cq_err err = {.code = CQ_OK};
        struct cq_str s = {0};
        struct record *back = NULL;
        for (unsigned k = 0; k < rows[i].numbers; k++)
            flat_put_u64(&s, 0);
        cr_expect_eq(record_decode(rows[i].type, 1, s.data, s.len, &back, &err), 0, "%s: %s",
                     record_type_name(rows[i].type), err.text);
        record_free(back);
        cq_str_fini(&s);
    }
}

Test(record, json_stays_one_line_whatever_the_text)
{
    struct cq_str s = {0};
    struct record *r = sample_end();
    record_format_json(r, &s);
    cr_expect_null(strchr(cq_str_text(&s), '\n'));
    cr_expect_not_null(strstr(cq_str_text(&s), "two \\\"errors\\\"\\u000a\\u0001"));
    record_free(r);
    cq_str_fini(&s);
}

Test(record, lives_as_long_as_its_last_holder)
{
    struct record *r = sample_end(), *other = record_ref(r);
    record_free(r);
    cr_expect_str_eq(other->u.attempt_end_rec.result, "{\"a\":1}");
    record_free(other);
    record_free(NULL);
}
