# Copies bytes between all pairs of alignments and checks every byte and the fences around them.
    .include "check.inc"
    .equ LENGTH, 13
    .globl main
main:
    la      s0, source
    li      a1, 0               # source[i] = 7 i + 129: signs alternate
    li      a2, 129
1:  add     a3, s0, a1
    sb      a2, 0(a3)
    addi    a2, a2, 7
    addi    a1, a1, 1
    li      a3, 20
    bne     a1, a3, 1b

    li      s2, 0               # offset of the source
source_offset:
    li      s3, 1               # offset of the target
target_offset:
    la      a0, target
    li      a1, 24
    li      a2, 0x5a
    call    fill
    la      a0, target
    add     a0, a0, s3
    add     a1, s0, s2
    li      a2, LENGTH
    call    copy
    la      a0, target
    add     a0, a0, s3
    add     a1, s0, s2
    li      a2, LENGTH
    call    differences
    CHECK   bytes, a0, 0
    la      a1, target
    add     a1, a1, s3
    lbu     a2, -1(a1)
    CHECK   fence_below, a2, 0x5a
    lbu     a2, LENGTH(a1)
    CHECK   fence_above, a2, 0x5a
    addi    s3, s3, 1
    li      a1, 5
    bne     s3, a1, target_offset
    addi    s2, s2, 1
    li      a1, 4
    bne     s2, a1, source_offset
    PASS

# a0 target, a1 source, a2 length
copy:
    beqz    a2, 1f
    lb      a3, 0(a1)
    sb      a3, 0(a0)
    addi    a0, a0, 1
    addi    a1, a1, 1
    addi    a2, a2, -1
    j       copy
1:  ret

# a0 start, a1 length, a2 byte
fill:
    beqz    a1, 1f
    sb      a2, 0(a0)
    addi    a0, a0, 1
    addi    a1, a1, -1
    j       fill
1:  ret

# a0 and a1 starts, a2 length; returns how many bytes differ
differences:
    li      a3, 0
1:  beqz    a2, 2f
    lbu     a4, 0(a0)
    lbu     a5, 0(a1)
    xor     a4, a4, a5
    snez    a4, a4
    add     a3, a3, a4
    addi    a0, a0, 1
    addi    a1, a1, 1
    addi    a2, a2, -1
    j       1b
2:  mv      a0, a3
    ret

    .bss
    .balign 4
source:
    .skip   32
target:
    .skip   32
