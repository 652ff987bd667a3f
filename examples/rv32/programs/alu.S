# Register and immediate forms of the arithmetic, logic and set-less-than instructions.
    .include "check.inc"
    .globl main
main:
    li      s0, 0x7fffffff
    li      s1, 1
    li      s2, -1
    li      s3, 0x80000000
    li      s4, 0xa5a50ff0
    li      s5, 0x0f0f3333

    add     a1, s0, s1
    CHECK   add_overflow, a1, 0x80000000
    add     a1, s2, s1
    CHECK   add_wrap, a1, 0
    sub     a1, s3, s1
    CHECK   sub_overflow, a1, 0x7fffffff
    sub     a1, zero, s1
    CHECK   sub_negative, a1, 0xffffffff
    sub     a1, s4, s4
    CHECK   sub_self, a1, 0
    and     a1, s4, s5
    CHECK   and, a1, 0x05050330
    or      a1, s4, s5
    CHECK   or, a1, 0xafaf3ff3
    xor     a1, s4, s5
    CHECK   xor, a1, 0xaaaa3cc3

    addi    a1, s0, 2047
    CHECK   addi_max, a1, 0x800007fe
    addi    a1, s1, -2048
    CHECK   addi_min, a1, 0xfffff801
    addi    a1, s1, -1024       # bit 30 of the word is set: no SUB
    CHECK   addi_bit30, a1, 0xfffffc01
    andi    a1, s4, -16
    CHECK   andi_sign, a1, 0xa5a50ff0
    andi    a1, s4, 0x7f8
    CHECK   andi, a1, 0x000007f0
    ori     a1, s4, -256
    CHECK   ori_sign, a1, 0xfffffff0
    ori     a1, s4, 0x00f
    CHECK   ori, a1, 0xa5a50fff
    xori    a1, s4, -1
    CHECK   xori_not, a1, 0x5a5af00f

    slt     a1, s3, s0
    CHECK   slt_min_max, a1, 1
    slt     a1, s0, s3
    CHECK   slt_max_min, a1, 0
    slt     a1, s2, s1
    CHECK   slt_negative, a1, 1
    slt     a1, s1, s1
    CHECK   slt_equal, a1, 0
    sltu    a1, s2, s1
    CHECK   sltu_big, a1, 0
    sltu    a1, s1, s2
    CHECK   sltu_small, a1, 1
    sltu    a1, zero, s1
    CHECK   sltu_snez, a1, 1
    slti    a1, s2, 0
    CHECK   slti_negative, a1, 1
    slti    a1, s1, -1
    CHECK   slti_positive, a1, 0
    sltiu   a1, s1, -1          # -1 is sign-extended, then compared unsigned
    CHECK   sltiu_sign, a1, 1
    sltiu   a1, s2, 1
    CHECK   sltiu_seqz, a1, 0

    add     zero, s0, s1        # x0 stays zero, whatever is written to it
    addi    zero, s0, 5
    add     a1, zero, zero
    CHECK   x0, a1, 0
    mv      a1, s4              # source and target in one register
    add     a1, a1, a1
    CHECK   add_same, a1, 0x4b4a1fe0
    fence
    CHECK   fence, a1, 0x4b4a1fe0
    PASS
