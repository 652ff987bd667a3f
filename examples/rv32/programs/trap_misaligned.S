# A load of a word that is not on a word boundary stops the core.
    .include "check.inc"
    .globl main
main:
    li      a0, EXPECT_TRAP
    sw      zero, 0(a0)
    lw      a1, 2(zero)
    FAIL    no_trap
