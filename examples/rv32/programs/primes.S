# The sieve of Eratosthenes up to 1000: 168 primes, of sum 76127, the last 997.
    .include "check.inc"
    .equ LIMIT, 1000
    .globl main
main:
    la      s0, composite
    li      s1, LIMIT
    li      s2, 2               # candidate
    li      s3, 0               # primes found
    li      s4, 0               # their sum
candidate:
    add     a1, s0, s2
    lbu     a2, 0(a1)
    bnez    a2, skip
    addi    s3, s3, 1
    add     s4, s4, s2
    mv      s5, s2
    add     a1, s2, s2
mark:
    bgeu    a1, s1, skip
    add     a2, s0, a1
    li      a3, 1
    sb      a3, 0(a2)
    add     a1, a1, s2
    j       mark
skip:
    addi    s2, s2, 1
    bltu    s2, s1, candidate
    CHECK   count, s3, 168
    CHECK   sum, s4, 76127
    CHECK   last, s5, 997
    PASS

    .bss
composite:
    .skip   LIMIT
