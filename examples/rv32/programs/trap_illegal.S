# An instruction that RV32I does not have stops the core.
    .include "check.inc"
    .globl main
main:
    li      a0, EXPECT_TRAP
    sw      zero, 0(a0)
    .word   0xffffffff
    FAIL    no_trap
