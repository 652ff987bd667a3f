#!/usr/bin/env bats
# A sample of the crash matrix: dies at failpoints, restarts, checks. All of it: tests/fault/crashpoints --strict

setup() {
    : "${CHIPQ_ROOT:=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}"
    : "${CHIPQ_BUILD:=$CHIPQ_ROOT/build/debug}"
}

# bats test_tags=P1,P2,P3,P4,P5,P6,P7,P8,P9,P10
@test "dying at a failpoint breaks no promise" {
    [ -z "${CHIPQ_QUICK-}" ] || skip "left out by --quick"
    "$CHIPQ_BUILD/bin/chipqd" --list-failpoints | grep -q '^chipqd\.' || skip "built without failpoints"
    run timeout 240 "$CHIPQ_ROOT/tests/fault/crashpoints" --budget 40 --seed "$(date +%j)" \
        --build "$CHIPQ_BUILD"
    echo "$output"
    [ "$status" -eq 0 ]
}
