#!/usr/bin/env bats
# Hostile peers: unknown keys, garbage on both ports, claimed routing ids. The pool goes on.
bats_require_minimum_version 1.5.0
load pool.bash

setup_file() {
    pool_up
}

teardown_file() {
    BATS_TEST_COMPLETED=1 pool_down
}

setup() {
    RAW=${CHIPQ_BUILD:-$CHIPQ_BIN/..}/tests/raw-client
    [ -x "$RAW" ] || skip "raw-client is not built"
    SERVER=$(pool_pid chipqd)
}

pool_is_well() {
    kill -0 "$SERVER"
    run -0 chipq submit --wait -- true
}

@test "an unknown key is refused on both ports" {
    for role in user worker; do
        run -0 "$RAW" "$CHIPQ_DIR/keys/$role.key" - stranger
        [ "$output" = refused ]
    done
    pool_is_well
}

@test "a worker's key opens no client's door, nor the other way round" {
    run "$RAW" "$CHIPQ_DIR/keys/worker.key" "ipc://$CHIPQ_DIR/run/client.sock" flood 1
    [ "$status" -ne 0 ]
    run "$RAW" "$CHIPQ_DIR/keys/user.key" "ipc://$CHIPQ_DIR/run/worker.sock" flood 1
    [ "$status" -ne 0 ]
    pool_is_well
}

# bats test_tags=P12
@test "garbage on the clients' port: answered where a request id shows, never harmful" {
    run -0 "$RAW" "$CHIPQ_DIR/keys/user.key" - garbage
    [[ $output != *" 1001"* ]] # cut off: no request id can be trusted
    [[ $output == *"ERROR 1002"* ]]
    [[ $output == *"ERROR 1003"* ]]
    [[ $output == *"ERROR 1004"* ]]
    [[ $output == *"ERROR 1005"* ]]
    [[ $output == *"STATUS 7777"* ]]
    pool_is_well
}

# bats test_tags=P12
@test "garbage on the workers' port" {
    run -0 "$RAW" "$CHIPQ_DIR/keys/worker.key" - garbage
    [[ $output == *"ERROR 1002"* ]]
    [[ $output == *"ERROR 7777 another agent with this key is at work"* ]]
    pool_is_well
}

@test "claiming the routing ids that come next does not kill chipqd" {
    run -0 "$RAW" "$CHIPQ_DIR/keys/user.key" - routing-id
    run -0 "$RAW" "$CHIPQ_DIR/keys/worker.key" - routing-id
    pool_is_well
}

@test "5000 requests at once are all answered" {
    run -0 "$RAW" "$CHIPQ_DIR/keys/user.key" - flood 5000
    [ "$output" = 5001 ]
    pool_is_well
}
