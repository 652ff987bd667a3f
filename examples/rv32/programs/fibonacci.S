# Fibonacci numbers by loop and by recursion; the loop runs on past 2^32 to see the wrap.
    .include "check.inc"
    .globl main
main:
    li      a0, 47              # the largest that fits 32 bits
    call    loop
    CHECK   fib_47, a0, 2971215073
    li      a0, 48
    call    loop
    CHECK   fib_48_wraps, a0, 512559680
    li      a0, 12
    call    recurse
    CHECK   fib_12_recursive, a0, 144
    PASS

loop:
    li      a1, 0
    li      a2, 1
1:  beqz    a0, 2f
    add     a3, a1, a2
    mv      a1, a2
    mv      a2, a3
    addi    a0, a0, -1
    j       1b
2:  mv      a0, a1
    ret

recurse:
    li      a1, 2
    bltu    a0, a1, 1f
    addi    sp, sp, -12
    sw      ra, 0(sp)
    sw      a0, 4(sp)
    addi    a0, a0, -1
    call    recurse
    sw      a0, 8(sp)
    lw      a0, 4(sp)
    addi    a0, a0, -2
    call    recurse
    lw      a1, 8(sp)
    add     a0, a0, a1
    lw      ra, 0(sp)
    addi    sp, sp, 12
1:  ret
