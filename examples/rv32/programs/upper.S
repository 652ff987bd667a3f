# LUI and AUIPC: the upper twenty bits, the lower twelve zero, and addresses relative to the pc.
    .include "check.inc"
    .globl main
    .option norelax
main:
    lui     a1, 0x12345
    CHECK   lui, a1, 0x12345000
    lui     a1, 0xfffff
    CHECK   lui_all, a1, 0xfffff000
    lui     a1, 0x80000
    CHECK   lui_top, a1, 0x80000000
    li      a1, 0x12345fff      # LUI of one more, then ADDI -1
    CHECK   lui_addi, a1, 0x12345fff

here:
    auipc   a1, 0
    la      a2, here
    sub     a1, a1, a2
    CHECK   auipc_0, a1, 0
there:
    auipc   a1, 0x1
    la      a2, there
    sub     a1, a1, a2
    CHECK   auipc_1, a1, 0x1000
back:
    auipc   a1, 0xfffff
    la      a2, back
    sub     a1, a1, a2
    CHECK   auipc_back, a1, 0xfffff000
wrap:
    auipc   a1, 0x80000
    la      a2, wrap
    sub     a1, a1, a2
    CHECK   auipc_wrap, a1, 0x80000000
    PASS
