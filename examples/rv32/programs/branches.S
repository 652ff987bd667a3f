# Each branch, taken and not taken, on equal, signed and unsigned order; forward and back.
    .include "check.inc"
    .globl main

# The branch must be taken (or not) and must skip exactly to its target.
.macro TAKEN name, op, x, y
    li      a2, \x
    li      a3, \y
    li      a1, 0
    \op     a2, a3, .Lto\@
    li      a1, 1
.Lto\@:
    CHECK   \name, a1, 0
.endm

.macro NOT_TAKEN name, op, x, y
    li      a2, \x
    li      a3, \y
    li      a1, 0
    \op     a2, a3, .Lto\@
    li      a1, 1
.Lto\@:
    CHECK   \name, a1, 1
.endm

main:
    TAKEN     beq_equal,      beq,  0x12345678, 0x12345678
    NOT_TAKEN beq_one_bit,    beq,  0x12345678, 0x92345678
    TAKEN     bne_one_bit,    bne,  0x12345678, 0x12345679
    NOT_TAKEN bne_equal,      bne,  -1, -1
    TAKEN     blt_negative,   blt,  -1, 0
    NOT_TAKEN blt_equal,      blt,  -5, -5
    NOT_TAKEN blt_positive,   blt,  1, -1
    TAKEN     blt_extremes,   blt,  0x80000000, 0x7fffffff
    TAKEN     bge_equal,      bge,  7, 7
    TAKEN     bge_extremes,   bge,  0x7fffffff, 0x80000000
    NOT_TAKEN bge_negative,   bge,  -2, -1
    TAKEN     bltu_small,     bltu, 1, -1
    NOT_TAKEN bltu_big,       bltu, -1, 1
    NOT_TAKEN bltu_equal,     bltu, 9, 9
    TAKEN     bltu_top_bit,   bltu, 0x7fffffff, 0x80000000
    TAKEN     bgeu_big,       bgeu, -1, 1
    TAKEN     bgeu_equal,     bgeu, 0, 0
    NOT_TAKEN bgeu_top_bit,   bgeu, 0x7fffffff, 0x80000000

    li      a1, 0               # backwards, ten times
    li      a2, 10
back:
    addi    a1, a1, 3
    addi    a2, a2, -1
    bnez    a2, back
    CHECK   loop, a1, 30

    li      a1, 1               # further than 2 KiB, both ways
    beqz    zero, far
near:
    CHECK   far_and_back, a1, 3
    PASS
    .skip   3000
far:
    li      a1, 3
    beqz    zero, near
    FAIL    branch_back_missed
