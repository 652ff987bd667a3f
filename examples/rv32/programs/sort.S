# Insertion sort of signed words; then order, sum and both ends are checked.
    .include "check.inc"
    .equ COUNT, 16
    .globl main
main:
    la      s0, list
    addi    s1, s0, 4           # first word not yet in order
    la      s2, list + 4 * COUNT
outer:
    lw      a1, 0(s1)
    mv      a2, s1
inner:
    beq     a2, s0, insert
    lw      a3, -4(a2)
    bge     a1, a3, insert
    sw      a3, 0(a2)
    addi    a2, a2, -4
    j       inner
insert:
    sw      a1, 0(a2)
    addi    s1, s1, 4
    bne     s1, s2, outer

    mv      s1, s0
    li      s3, 0               # sum
    li      s4, 0               # neighbours out of order
    lw      a2, 0(s0)
verify:
    lw      a1, 0(s1)
    add     s3, s3, a1
    slt     a3, a1, a2
    add     s4, s4, a3
    mv      a2, a1
    addi    s1, s1, 4
    bne     s1, s2, verify
    CHECK   order, s4, 0
    CHECK   sum, s3, 0x000002a9
    lw      a1, 0(s0)
    CHECK   least, a1, 0x80000000
    lw      a1, 4 * (COUNT - 1)(s0)
    CHECK   greatest, a1, 0x7fffffff
    PASS

    .data
    .balign 4
list:
    .word   5, -3, 0x7fffffff, 0, 77, 0x80000000, -1, 1
    .word   1000, -1000, 42, 42, 17, 500, -2, 4
