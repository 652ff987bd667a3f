#!/usr/bin/env bats
# Every message comes twice: what the net, or a peer that sends again, may do to chipqd, the agent and the commands.
bats_require_minimum_version 1.5.0
load pool.bash

setup() {
    : "${CHIPQ_BUILD:=$CHIPQ_ROOT/build/debug}"
    chipqd --list-failpoints | grep -qx net.send || skip "failpoints are not compiled in"
}

teardown() {
    pool_down
}

# bats test_tags=P2,P3,P4,P5,P6,P7,P8,P10,P13
@test "every message of every type comes twice: each job ends once and as it should, each change is made once" {
    run timeout 120 "$CHIPQ_ROOT/tests/fault/twice" --percent 100 --build "$CHIPQ_BUILD"
    echo "$output"
    [ "$status" -eq 0 ]
}

# bats test_tags=P2,P3,P4,P5,P6,P7,P8,P10,P13
@test "three of ten messages come twice: the same" {
    [ -z "${CHIPQ_QUICK-}" ] || skip "left out by --quick"
    run timeout 120 "$CHIPQ_ROOT/tests/fault/twice" --percent 30 --build "$CHIPQ_BUILD"
    echo "$output"
    [ "$status" -eq 0 ]
}

@test "a backup that is asked for twice is made once, and told as made" {
    export CQ_FAILPOINTS=client.send=twice
    pool_up
    run -0 chipq --key "$CHIPQ_DIR/keys/admin.key" admin backup copy.db
    [ "$(ls "$CHIPQ_DIR/backup")" = copy.db ]
}
