// LINK: chipq_sdk
/* Signatures of failures. */
#include <criterion/criterion.h>

#include "plugins/sdk/signature.h"

static const struct {
    const char *message, *signature;
} cases[] = {
    {"", ""},
    {"plain text", "plain text"},
    {"/home/ann/p/rtl/a.sv:45:3: bad", "a.sv:#:#: bad"},
    {"src/tb/a.sv:45: bad", "a.sv:#: bad"},
    {"expected 17 got -18", "expected # got #"},
    {"expected 8'hff got 32'd12", "expected # got #"},
    {"at 0xdeadBEEF and 0x0", "at # and #"},
    {"after 120ns or 1.5e-9 s, 99%", "after # or # s, #"},
    {"uart0.fifo x10 rv32i", "uart0.fifo x10 rv32i"},
    {"METAL1.2, M1.W", "METAL1.2, M1.W"},
    {"read 3/4 of it", "read #/# of it"},
    {"hash 7ce5011c24b9", "hash #"},
    {"feedback and deadbeef", "feedback and deadbeef"},
    {"a   b\t c ", "a b c"},
    {"job 'b13.build' is gone", "job 'b13.build' is gone"},
    {"bell \007 and \xff", "bell ? and ?"},
    {"index [12] of mem[0x10]", "index [#] of mem[#]"},
    {"hold_ws 0.1654470912e", "hold_ws #.#"},
    {"ends in 12e", "ends in 12e"},
};

Test(sdk_signature, what_changes_from_run_to_run_goes)
{
    for (size_t i = 0; i < CQ_COUNT(cases); i++) {
        char out[SIGNATURE_MAX];
        signature_make(cases[i].message, out);
        cr_expect_str_eq(out, cases[i].signature, "'%s' became '%s'", cases[i].message, out);
    }
}

Test(sdk_signature, it_is_idempotent)
{
    for (size_t i = 0; i < CQ_COUNT(cases); i++) {
        char once[SIGNATURE_MAX], twice[SIGNATURE_MAX];
        signature_make(cases[i].message, once);
        signature_make(once, twice);
        cr_expect_str_eq(once, twice);
    }
}

Test(sdk_signature, it_is_bounded)
{
    char message[4096], out[SIGNATURE_MAX];
    memset(message, 'a', sizeof message - 1);
    message[sizeof message - 1] = '\0';
    signature_make(message, out);
    cr_assert_eq(strlen(out), SIGNATURE_MAX - 1);
}

Test(sdk_signature, people_may_look_for_what_they_read)
{
    const char *message = "/x/tb.sv:12: check lb_odd: expected 17 got 18";
    cr_assert(signature_has(message, "lb_odd"));
    cr_assert(signature_has(message, "expected 17"));
    cr_assert(signature_has(message, "expected 99 got 3"));
    cr_assert(signature_has(message, "tb.sv:#"));
    cr_assert_not(signature_has(message, "lb_even"));
}
