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

@test "a backup that is asked for twice is made once, and told as made" {
    export CQ_FAILPOINTS=client.send=twice
    pool_up
    run -0 chipq --key "$CHIPQ_DIR/keys/admin.key" admin backup copy.db
    [ "$(ls "$CHIPQ_DIR/backup")" = copy.db ]
}
