# Every shift, by constants and by registers, and all 32 distances against a table of one bit.
    .include "check.inc"
    .globl main
main:
    li      s0, 0x80000001
    li      s1, 0x7654321f

    slli    a1, s0, 1
    CHECK   slli_1, a1, 2
    slli    a1, s0, 31
    CHECK   slli_31, a1, 0x80000000
    slli    a1, s0, 0
    CHECK   slli_0, a1, 0x80000001
    srli    a1, s0, 1
    CHECK   srli_1, a1, 0x40000000
    srli    a1, s0, 31
    CHECK   srli_31, a1, 1
    srai    a1, s0, 1
    CHECK   srai_1, a1, 0xc0000000
    srai    a1, s0, 31
    CHECK   srai_31, a1, 0xffffffff
    srai    a1, s1, 4
    CHECK   srai_positive, a1, 0x07654321

    li      a2, 33              # only the low five bits count
    sll     a1, s0, a2
    CHECK   sll_33, a1, 2
    srl     a1, s0, a2
    CHECK   srl_33, a1, 0x40000000
    sra     a1, s0, a2
    CHECK   sra_33, a1, 0xc0000000
    li      a2, -1
    sra     a1, s0, a2
    CHECK   sra_all, a1, 0xffffffff
    sll     a1, s1, s1          # distance is 31
    CHECK   sll_self, a1, 0x80000000

    # 1 << i by doubling; back by srl; and the sign spread by sra equals -(1 << (31 - i)).
    li      s2, 0
    li      s3, 1
    li      s4, 0x80000000
distance:
    li      a3, 1
    sll     a1, a3, s2
    xor     a1, a1, s3
    CHECK   sll_table, a1, 0
    srl     a1, s3, s2
    CHECK   srl_table, a1, 1
    li      a3, 0x80000000
    sra     a1, a3, s2
    xor     a1, a1, s4
    CHECK   sra_table, a1, 0
    srl     a4, a3, s2
    neg     a4, a4
    xor     a4, a4, s4
    CHECK   sra_is_minus_srl, a4, 0
    add     s3, s3, s3
    srai    s4, s4, 1
    addi    s2, s2, 1
    li      a3, 32
    bne     s2, a3, distance
    PASS
