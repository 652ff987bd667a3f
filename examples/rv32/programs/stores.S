# Stores of all widths at every offset change their own bytes and no other.
    .include "check.inc"
    .globl main
main:
    la      s0, field
    li      s1, 0x11223344
    li      s2, 0xaabbccdd

    sw      s1, 0(s0)
    lw      a1, 0(s0)
    CHECK   sw, a1, 0x11223344
    sb      s2, 0(s0)
    lw      a1, 0(s0)
    CHECK   sb_0, a1, 0x112233dd
    sb      s2, 1(s0)
    lw      a1, 0(s0)
    CHECK   sb_1, a1, 0x1122dddd
    sw      s1, 0(s0)
    sb      s2, 2(s0)
    lw      a1, 0(s0)
    CHECK   sb_2, a1, 0x11dd3344
    sw      s1, 0(s0)
    sb      s2, 3(s0)
    lw      a1, 0(s0)
    CHECK   sb_3, a1, 0xdd223344
    sw      s1, 0(s0)
    sh      s2, 0(s0)
    lw      a1, 0(s0)
    CHECK   sh_0, a1, 0x1122ccdd
    sw      s1, 0(s0)
    sh      s2, 2(s0)
    lw      a1, 0(s0)
    CHECK   sh_2, a1, 0xccdd3344

    lw      a1, -4(s0)          # the neighbours were not touched
    CHECK   below, a1, 0x5a5a5a5a
    lw      a1, 4(s0)
    CHECK   above, a1, 0xa5a5a5a5
    addi    s3, s0, 2000
    sw      s2, -2000(s3)
    lw      a1, 0(s0)
    CHECK   offset_negative, a1, 0xaabbccdd
    sw      s0, 0(s0)           # base and value in one register
    lw      a1, 0(s0)
    sub     a1, a1, s0
    CHECK   own_base, a1, 0
    PASS

    .data
    .balign 4
    .word   0x5a5a5a5a
field:
    .word   0
    .word   0xa5a5a5a5
