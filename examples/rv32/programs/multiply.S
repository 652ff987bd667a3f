# Multiplication and division, which RV32I has not, by shifts; products checked by division.
    .include "check.inc"
    .globl main
main:
    li      a0, 12345
    li      a1, 6789
    call    multiply
    CHECK   product, a0, 83810205
    li      a0, -7
    li      a1, 6
    call    multiply
    CHECK   product_negative, a0, -42
    li      a0, 0x10001
    li      a1, 0x10001
    call    multiply
    CHECK   product_wraps, a0, 0x00020001
    li      a0, 83810205
    li      a1, 6789
    call    divide
    CHECK   quotient, a0, 12345
    CHECK   remainder_zero, a1, 0
    li      a0, -1              # 4294967295, unsigned
    li      a1, 1000
    call    divide
    CHECK   quotient_large, a0, 4294967
    CHECK   remainder, a1, 295
    PASS

# a0 = a0 * a1, modulo 2^32
multiply:
    li      a2, 0
1:  andi    a3, a1, 1
    beqz    a3, 2f
    add     a2, a2, a0
2:  slli    a0, a0, 1
    srli    a1, a1, 1
    bnez    a1, 1b
    mv      a0, a2
    ret

# a0 = a0 / a1, a1 = a0 % a1, unsigned, one bit at a time
divide:
    li      a2, 0
    li      a3, 32
1:  slli    a2, a2, 1
    srli    a4, a0, 31
    or      a2, a2, a4
    slli    a0, a0, 1
    bltu    a2, a1, 2f
    sub     a2, a2, a1
    ori     a0, a0, 1
2:  addi    a3, a3, -1
    bnez    a3, 1b
    mv      a1, a2
    ret
