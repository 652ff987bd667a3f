#!/usr/bin/env bats
# Two transactions take twice as long as a lease. Heartbeats are answered meanwhile: no worker is suspect, no lease runs
# out, and what runs is not started a second time.
bats_require_minimum_version 1.5.0
load pool.bash

teardown() {
    pool_down
}

# bats test_tags=P1,P11,P14
@test "commits of 4 s, leases of 2 s: the worker stays up, its job runs on, acks wait for the disk" {
    pool_dir
    chipqd --init
    chipqd --list-failpoints | grep -qx store.batch.before_commit || skip "failpoints are not compiled in"
    printf '%s\n' 'heartbeat = 200ms' 'lease = 2s' 'grace = 100ms' 'suspect = 1s' >"$CHIPQ_DIR/chipq.conf"
    mkfifo "$CHIPQ_DIR/said" "$CHIPQ_DIR/go"
    CQ_FAILPOINTS='store.batch.before_commit=delay(4000)@12;store.batch.before_commit=delay(4000)@13' pool_up
    job=$(chipq submit -- sh -c 'echo up >"$1/said"; read -r _ <"$1/go"; exit 5' sh "$CHIPQ_DIR")
    [ "$(heard "$CHIPQ_DIR/said")" = up ]
    slow=0
    for _ in $(seq 1 20); do
        begin=$EPOCHREALTIME
        chipq submit --hold -- true # it comes back when that is on disk
        took=$((${EPOCHREALTIME/./} - ${begin/./}))
        [ "$took" -lt 4000000 ] || slow=$((slow + 1))
        [ "$(chipq nodes --json | json nodes.0.state)" = up ]
        [ "$slow" -lt 2 ] || break
    done
    [ "$slow" = 2 ]
    timeout 20 sh -c "echo >'$CHIPQ_DIR/go'"
    run -1 timeout 60 chipq wait "$job"
    [ "$(field "$job" exit_code)" = 5 ]
    [ "$(field "$job" attempt)" = 1 ]
    chipq down
    run -0 chipqd --dump
    [ "$(grep -c ATTEMPT_ASSIGN <<<"$output")" = 1 ]
}
