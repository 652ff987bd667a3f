# An environment call, with nobody to serve it, stops the core.
    .include "check.inc"
    .globl main
main:
    li      a0, EXPECT_TRAP
    sw      zero, 0(a0)
    ecall
    FAIL    no_trap
