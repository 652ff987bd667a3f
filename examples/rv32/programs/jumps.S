# JAL and JALR: target, link register, offsets of both signs, the cleared lowest bit, a jump table.
    .include "check.inc"
    .globl main
    .option norelax
main:
    jal     s0, over            # the link is the address of the next instruction
after:
    FAIL    jal_not_taken
over:
    la      a1, after
    sub     a1, a1, s0
    CHECK   jal_link, a1, 0

    la      s1, target - 8
    jalr    s0, 8(s1)
after_jalr:
    FAIL    jalr_not_taken
target:
    la      a1, after_jalr
    sub     a1, a1, s0
    CHECK   jalr_link, a1, 0

    la      s1, odd + 17
    jalr    zero, -16(s1)       # the sum is odd: bit 0 is dropped
    FAIL    jalr_odd_not_taken
odd:
    la      s1, same
    jalr    s1, 0(s1)           # base and link in one register
after_same:
    FAIL    jalr_same_not_taken
same:
    la      a1, after_same
    sub     a1, a1, s1
    CHECK   jalr_same, a1, 0

    li      a0, 20              # calls within calls
    call    sum_to
    CHECK   recursion, a0, 210

    la      s2, table           # each entry adds its own power of ten
    li      s3, 3
    li      s4, 0
next:
    lw      a1, 0(s2)
    jalr    ra, 0(a1)
    addi    s2, s2, 4
    addi    s3, s3, -1
    bnez    s3, next
    CHECK   jump_table, s4, 111
    PASS

# a0 = 1 + 2 + ... + a0
sum_to:
    beqz    a0, 1f
    addi    sp, sp, -8
    sw      ra, 0(sp)
    sw      a0, 4(sp)
    addi    a0, a0, -1
    call    sum_to
    lw      a1, 4(sp)
    lw      ra, 0(sp)
    addi    sp, sp, 8
    add     a0, a0, a1
1:  ret

add_1:
    addi    s4, s4, 1
    ret
add_10:
    addi    s4, s4, 10
    ret
add_100:
    addi    s4, s4, 100
    ret

    .data
    .balign 4
table:
    .word   add_100, add_1, add_10
