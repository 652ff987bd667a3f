#!/usr/bin/env bats
# kill -9 of the pool's processes at random moments under load; the checker judges what is left.

setup() {
    : "${CHIPQ_ROOT:=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}"
    : "${CHIPQ_BUILD:=$CHIPQ_ROOT/build/debug}"
}

# bats test_tags=P1,P2,P3,P4,P5,P6,P7,P8,P9,P10
@test "ten rounds of kill -9 under load lose nothing and double nothing" {
    [ -z "${CHIPQ_QUICK-}" ] || skip "left out by --quick"
    run timeout 150 "$CHIPQ_ROOT/tests/fault/chaos" --rounds 10 --build "$CHIPQ_BUILD"
    echo "$output"
    [ "$status" -eq 0 ]
}

# bats test_tags=P1,P2,P4,P5,P6,P7,P8,P10,P14
@test "ten rounds with a second machine and clients over lines that fail, a third of all messages twice: the same" {
    [ -z "${CHIPQ_QUICK-}" ] || skip "left out by --quick"
    run timeout 150 "$CHIPQ_ROOT/tests/fault/chaos" --network --twice 33 --rounds 10 --build "$CHIPQ_BUILD"
    echo "$output"
    [ "$status" -eq 0 ]
}
