# The CRC-32 of Ethernet over its customary test text, "123456789".
    .include "check.inc"
    .globl main
main:
    la      s0, text
    li      a0, -1
    li      s1, 0xedb88320
next:
    lbu     a1, 0(s0)
    beqz    a1, done
    xor     a0, a0, a1
    li      a2, 8
bit:
    andi    a3, a0, 1
    neg     a3, a3              # all ones if the bit is set
    and     a3, a3, s1
    srli    a0, a0, 1
    xor     a0, a0, a3
    addi    a2, a2, -1
    bnez    a2, bit
    addi    s0, s0, 1
    j       next
done:
    not     a0, a0
    CHECK   crc32, a0, 0xcbf43926
    PASS

    .section .rodata
text:
    .string "123456789"
