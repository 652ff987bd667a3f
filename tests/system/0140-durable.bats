#!/usr/bin/env bats
# What was acknowledged is there: after kill -9, after a failed disk, and when a submit is sent again.
bats_require_minimum_version 1.5.0
load pool.bash

setup() {
    RAW=${CHIPQ_BUILD:-$CHIPQ_BIN/..}/tests/raw-client
    [ -x "$RAW" ] || skip "raw-client is not built"
}

teardown() {
    pool_down
}

kill_chipqd() {
    local pid
    pid=$(pool_pid chipqd)
    kill -9 "$pid"
    wait_gone "$pid"
}

resend() { # resend KEY NAME
    "$RAW" "$CHIPQ_DIR/keys/user.key" - submit "$1" "$2"
}

# bats test_tags=P1,P2,P3
@test "the same key gives the same job: live, ended, and after kill -9; other content is refused" {
    pool_up
    [ "$(resend k1 first)" = "1 new" ]
    [ "$(resend k1 first)" = "1 known" ]
    chipq wait 1
    [ "$(resend k1 first)" = "1 known" ]
    [ "$(resend k2 first)" = "2 new" ]
    kill_chipqd
    chipq up >/dev/null
    [ "$(resend k1 first)" = "1 known" ]
    run resend k1 second
    [[ $output == CONFLICT:* ]]
    [ "$(resend k3 third)" = "3 new" ]
    [ "$(chipq jobs --json | json jobs | grep -c .)" -ge 1 ]
    user2=$(pool_as local/second designer)
    [ "$("$RAW" "$user2" - submit k1 first)" = "4 new" ] # a key is its owner's alone
}

# bats test_tags=P2,P11
@test "the same key while the disk is nearly full: what was accepted is told so again, what is new is refused" {
    chipqd --list-failpoints | grep -qx store.space.low || skip "failpoints are not compiled in"
    pool_up
    [ "$(resend k1 first)" = "1 new" ]
    chipq wait 1
    held=$(chipq submit --hold -- true)
    kill_chipqd
    CQ_FAILPOINTS='store.space.low=err(ENOSPC)' chipq up >/dev/null
    [ "$(resend k1 first)" = "1 known" ]
    run resend k2 second
    [[ $output == "FULL: the scheduler's disk is nearly full"* ]]
    [ "$(field "$held" state)" = held ]
}

# bats test_tags=P1,P8
@test "jobs that waited and ran when chipqd was killed go on" {
    pool_up
    held=$(chipq submit --hold -- true)
    mkfifo "$CHIPQ_DIR/go"
    running=$(chipq submit -- sh -c 'read -r _ <'"$CHIPQ_DIR"'/go; exit 4')
    behind=$(chipq submit --after "any:$running" -- true)
    kill_chipqd
    chipq up >/dev/null
    timeout 20 sh -c "echo >'$CHIPQ_DIR/go'"
    run -1 chipq wait "$running"
    [ "$(chipq job "$running" --json | json exit_code)" = 4 ]
    run -0 chipq wait "$behind"
    [ "$(chipq job "$held" --json | json state)" = held ]
    chipq release "$held"
    run -0 chipq wait "$held"
}

# bats test_tags=P1,P11
@test "a failed sync ends chipqd with 70; nothing acknowledged is lost" {
    pool_dir
    chipqd --init
    chipqd --list-failpoints | grep -qx store.vfs.sync || skip "failpoints are not compiled in"
    mkfifo "$CHIPQ_DIR/ready"
    CQ_FAILPOINTS='store.vfs.sync=err(EIO)@6' chipqd --ready-fd 7 7>"$CHIPQ_DIR/ready" \
        2>"$CHIPQ_DIR/log/chipqd.log" 3>&- &
    daemon=$!
    read -r _ <"$CHIPQ_DIR/ready"
    acked=0
    for i in $(seq 1 20); do
        timeout 3 "$RAW" "$CHIPQ_DIR/keys/user.key" - submit "f$i" job >"$CHIPQ_DIR/out" 2>&1 || break
        acked=$((acked + 1))
    done
    status=0
    wait "$daemon" || status=$?
    [ "$status" = 70 ]
    grep -q store.fatal "$CHIPQ_DIR/log/chipqd.log"
    run -0 chipqd --dump
    [ "$(grep -c '^{"job"' <<<"$output")" -ge "$acked" ]
}

@test "output of a machine that is away: a clear error" {
    pool_up
    job=$(chipq submit -- echo here)
    chipq wait "$job"
    run -0 chipq logs "$job"
    [ "$output" = here ]
    execd=$(pool_pid execd)
    kill -TERM "$execd"
    wait_gone "$execd"
    run -3 chipq logs "$job"
    [[ $output == *"is away; try again when it is back"* ]]
}
