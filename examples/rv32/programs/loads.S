# Loads of all widths and signs at every offset. Neighbouring bytes differ in sign, so that a sign
# taken from the wrong byte shows.
    .include "check.inc"
    .globl main
main:
    la      s0, table
    lw      a1, 0(s0)
    CHECK   lw, a1, 0x807f01fe
    lw      a1, 4(s0)
    CHECK   lw_next, a1, 0x7f80ff00

    lb      a1, 0(s0)
    CHECK   lb_even_negative, a1, 0xfffffffe
    lb      a1, 1(s0)
    CHECK   lb_odd_positive, a1, 0x00000001
    lb      a1, 2(s0)
    CHECK   lb_even_positive, a1, 0x0000007f
    lb      a1, 3(s0)
    CHECK   lb_odd_negative, a1, 0xffffff80
    lb      a1, 4(s0)
    CHECK   lb_zero, a1, 0
    lb      a1, 5(s0)
    CHECK   lb_odd_minus_one, a1, 0xffffffff

    lbu     a1, 0(s0)
    CHECK   lbu_0, a1, 0xfe
    lbu     a1, 1(s0)
    CHECK   lbu_1, a1, 0x01
    lbu     a1, 2(s0)
    CHECK   lbu_2, a1, 0x7f
    lbu     a1, 3(s0)
    CHECK   lbu_3, a1, 0x80

    lh      a1, 0(s0)
    CHECK   lh_low_positive, a1, 0x000001fe
    lh      a1, 2(s0)
    CHECK   lh_high_negative, a1, 0xffff807f
    lh      a1, 4(s0)
    CHECK   lh_low_negative, a1, 0xffffff00
    lh      a1, 6(s0)
    CHECK   lh_high_positive, a1, 0x00007f80
    lhu     a1, 2(s0)
    CHECK   lhu_high, a1, 0x0000807f
    lhu     a1, 4(s0)
    CHECK   lhu_low, a1, 0x0000ff00

    addi    s1, s0, 2047        # both ends of the offset
    lw      a1, -2047(s1)
    CHECK   offset_negative, a1, 0x807f01fe
    addi    s1, s0, -2044
    lw      a1, 2044(s1)
    CHECK   offset_positive, a1, 0x807f01fe
    mv      s1, s0              # a load may overwrite its own base
    lw      s1, 4(s1)
    CHECK   own_base, s1, 0x7f80ff00
    lw      zero, 0(s0)
    CHECK   x0, zero, 0
    PASS

    .data
    .balign 4
table:
    .word   0x807f01fe, 0x7f80ff00
